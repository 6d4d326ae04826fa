//! Step 1: the time of `thread::spawn` and `join`, taken for two switches.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use context_switch::sampling::{Interval, Nanoseconds, interleave, median_of, ratio};
use context_switch::{Between, Counters, Over, PingPong, Pinned, Placement};

// ANCHOR: measure
/// There and back: the other thread runs, and then this one runs again.
fn two_switches() -> Duration {
    let started = Instant::now();
    let there = thread::spawn(|| ());
    there.join().expect("the thread does nothing");
    started.elapsed()
}
// ANCHOR_END: measure

fn main() -> Result<(), Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let mut spawn = || Ok::<_, Box<dyn Error>>(two_switches().as_nanos() as f64);
    let mut trip = || {
        let game = PingPong::new(Between::Threads, Over::Pipe, Placement::OneCpu);
        Ok(game.run(20)?.nanos())
    };
    let samples = interleave(101, &mut [&mut spawn, &mut trip])?;
    for (name, samples) in ["spawn and join", "a round trip"].iter().zip(&samples) {
        let Interval { middle, low, high } = median_of(samples);
        let [middle, low, high] = [middle, low, high].map(Nanoseconds);
        println!("{name:15} {middle:>8} ({low} to {high})");
    }
    let Interval { middle, low, high } = ratio(&samples[0], &samples[1])?;
    println!(
        "spawn and join take {middle:.1} times as long as a round trip ({low:.1} to {high:.1})"
    );

    let before = Counters::of_this_thread()?;
    (0..100).for_each(|_| _ = two_switches());
    let waits = Counters::of_this_thread()?.since(&before).voluntary;
    println!("times that this thread gave up the CPU in 100 spawns and joins: {waits}");
    Ok(())
}
