//! A ring keeps values in shared memory in order. A child sends a million
//! numbers and seldom has to sleep.
//!
//! `cargo run -p ipc --example ring_between_processes`

use std::error::Error;

const NUMBERS: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let (producer, consumer) = ipc::ring::<u64>(4096)?;
    // Each process keeps only its own end, so each sees when the other is gone.
    let (mut consumer, mut child) = ipc::fork_between(consumer, producer, |mut producer| {
        let sent = (1..=NUMBERS).try_for_each(|number| producer.push(number));
        i32::from(sent.is_err())
    })?;

    let mut sum = 0;
    let end = loop {
        match consumer.pop() {
            Ok(number) => sum += number,
            Err(end) => break end,
        }
    };
    println!("sum: {sum}");
    println!("then: {end}");
    println!("the child {}", child.wait()?);
    let switches = child.usage().ok_or("no usage")?.voluntary;
    println!(
        "it slept less than once in ten numbers: {}",
        switches < NUMBERS / 10
    );
    Ok(())
}
