//! A ring in shared memory, second version: the receiver sleeps until the
//! sender wakes it. First comes a receiver that sleeps too long, because it
//! asks for the value of the word after it has looked into the ring.
//!
//! `cargo run -p ipc --example ring_that_sleeps`

use std::error::Error;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futex::shared as futex;

#[path = "by_hand/ring.rs"]
mod ring;

use ring::Ring;

const PATIENCE: Duration = Duration::from_millis(200);

/// Wrong: looks into the ring, then reads the word, then sleeps.
/// `in_between` is what another process does at the worst moment.
fn looks_first(ring: &Ring, in_between: impl FnOnce()) -> bool {
    if ring.take().is_some() {
        return true;
    }
    in_between();
    let seen = ring.word().load(Relaxed);
    futex::wait_timeout(ring.word(), seen, PATIENCE)
}

/// Right: reads the word, then looks into the ring, then sleeps.
fn reads_the_word_first(ring: &Ring, in_between: impl FnOnce()) -> bool {
    let seen = ring.word().load(Relaxed);
    if ring.take().is_some() {
        return true;
    }
    in_between();
    futex::wait_timeout(ring.word(), seen, PATIENCE)
}

fn main() -> Result<(), Box<dyn Error>> {
    let ring = Ring::new()?;
    let send = || {
        ring.send(7);
    };
    let in_time = looks_first(&ring, send);
    println!("looks first:          {}", describe(in_time, &ring));
    let in_time = reads_the_word_first(&ring, send);
    println!("reads the word first: {}", describe(in_time, &ring));

    // The same between two processes, ten thousand times.
    const LAST: u64 = 10_000;
    let (there, back) = (Ring::new()?, Ring::new()?);
    let mut child = processes::fork(|| {
        let answered = (1..=LAST).all(|_| back.send(there.receive() + 1));
        i32::from(!answered)
    })?;
    let mut number = 0;
    while number < LAST {
        there.send(number);
        number = back.receive();
    }
    println!(
        "after {LAST} round trips: {number}; the child {}",
        child.wait()?
    );
    Ok(())
}

fn describe(in_time: bool, ring: &Ring) -> String {
    let sleeps = if in_time {
        "does not sleep"
    } else {
        "sleeps until its patience is over"
    };
    match ring.take() {
        Some(number) => format!("{sleeps}; {number} is in the ring"),
        None => format!("{sleeps}; the ring is empty"),
    }
}
