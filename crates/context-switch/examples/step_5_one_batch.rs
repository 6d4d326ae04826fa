//! Step 5: warmed up, but first all of one game, and then all of the other.
//!
//! Both games are the same one, so a sound measurement finds no difference. In
//! the middle of the measurement, a neighbor begins to compute on the same
//! CPU. On a real machine such a neighbor comes when it likes; here it comes
//! every time.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use context_switch::sampling::{Interval, Samples, interleave, ratio};
use context_switch::{Pinned, Placement};
use table_tennis::End;

mod table_tennis;

// ANCHOR: measure
/// The time of one of so many round trips, after 32 that do not count.
fn round_trip(cpu: usize, trips: u32) -> Result<Duration, Box<dyn Error>> {
    let _pinned = Pinned::to(cpu)?;
    let (mut here, there) = End::pair()?;
    let server = thread::spawn(move || there.serve());
    for _ in 0..32 {
        here.round_trip()?;
    }
    let started = Instant::now();
    for _ in 0..trips {
        here.round_trip()?;
    }
    let elapsed = started.elapsed();
    drop(here);
    server.join().expect("the server does not panic")?;
    Ok(elapsed / trips)
}
// ANCHOR_END: measure

/// Runs `body` while another thread computes on this CPU.
fn with_a_neighbor<T>(cpu: usize, body: impl FnOnce() -> T) -> Result<T, Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _pinned = Pinned::to(cpu)?;
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let result = body();
        stop.store(true, Relaxed);
        Ok(result)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    const REPEATS: usize = 9;
    let cpu = Placement::OneCpu.cpus()?[0];
    let nanos = |trips| round_trip(cpu, trips).map(|time| time.as_nanos() as f64);

    // ANCHOR: one-batch
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        a.push(nanos(4000)?);
        b.push(with_a_neighbor(cpu, || nanos(4000))??);
    }
    let one_batch = ratio(&Samples::new(b)?, &Samples::new(a)?)?;
    // ANCHOR_END: one-batch

    // ANCHOR: interleaved
    let rounds = |count| {
        let (mut a, mut b) = (|| nanos(500), || nanos(500));
        interleave::<Box<dyn Error>>(count, &mut [&mut a, &mut b])
    };
    let quiet = rounds(20)?;
    let noisy = with_a_neighbor(cpu, || rounds(20))??;
    let join = |side: usize| {
        let values = quiet[side].values().iter().chain(noisy[side].values());
        Samples::new(values.copied().collect())
    };
    let interleaved = ratio(&join(1)?, &join(0)?)?;
    // ANCHOR_END: interleaved

    println!("the same game twice; a neighbor comes in the middle");
    for (name, found) in [
        ("all of A, then all of B", one_batch),
        ("A and B in turns", interleaved),
    ] {
        let Interval { middle, low, high } = found;
        println!("{name:24} B takes {middle:.2} times as long as A ({low:.2} to {high:.2})");
    }
    Ok(())
}
