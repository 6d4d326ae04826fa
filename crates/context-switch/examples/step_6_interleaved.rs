//! Step 6: processes against threads, in turns, with intervals, and without
//! the pipe's part.

use std::error::Error;
use std::io::{self, Read, Write};
use std::time::Instant;

use context_switch::sampling::{Interval, Nanoseconds, Samples, interleave, median_of, ratio};
use context_switch::{Between, Over, PingPong, PingPongError, Pinned, Placement};

// ANCHOR: pipe
/// The same reads and writes in one thread, which never has to wait: what a
/// round trip costs without its two switches, in nanoseconds.
fn pipe_alone(trips: u32) -> Result<f64, Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let (mut from, mut to) = io::pipe()?;
    let started = Instant::now();
    for _ in 0..2 * trips {
        to.write_all(b"o")?;
        from.read_exact(&mut [0])?;
    }
    Ok(started.elapsed().as_nanos() as f64 / f64::from(trips))
}
// ANCHOR_END: pipe

// ANCHOR: measure
fn round_trip(between: Between, trips: u32) -> Result<f64, PingPongError> {
    let game = PingPong::new(between, Over::Pipe, Placement::OneCpu);
    Ok(game.run(trips)?.nanos())
}

/// In every round: one batch between processes, one between threads, and one
/// of the pipe alone, in changing order.
fn rounds(count: usize) -> Result<Vec<Samples>, Box<dyn Error>> {
    let mut processes = || Ok(round_trip(Between::Processes, 100)?);
    let mut threads = || Ok(round_trip(Between::Threads, 100)?);
    let mut pipe = || pipe_alone(100);
    interleave(count, &mut [&mut processes, &mut threads, &mut pipe])
}

/// What is left of each round trip without the pipe, halved: one switch. If
/// the machine disturbed the pipe's batch, nothing is left; a ratio needs
/// something above 0.
fn switch(trips: &Samples, pipe: &Samples) -> Result<Samples, Box<dyn Error>> {
    let pairs = trips.values().iter().zip(pipe.values());
    let switches = pairs.map(|(trip, pipe)| f64::max((trip - pipe) / 2.0, 1.0));
    Ok(Samples::new(switches.collect())?)
}
// ANCHOR_END: measure

fn main() -> Result<(), Box<dyn Error>> {
    let samples = rounds(101)?;
    let [processes, threads] = [
        switch(&samples[0], &samples[2])?,
        switch(&samples[1], &samples[2])?,
    ];
    for (name, samples) in [
        ("round trip between processes", &samples[0]),
        ("round trip between threads", &samples[1]),
        ("the pipe's part of both", &samples[2]),
        ("a switch between processes", &processes),
        ("a switch between threads", &threads),
    ] {
        let Interval { middle, low, high } = median_of(samples);
        let [middle, low, high] = [middle, low, high].map(Nanoseconds);
        println!("{name:28} {middle:>8} ({low} to {high})");
    }
    let Interval { middle, low, high } = ratio(&processes, &threads)?;
    println!("between processes it takes {middle:.2} times as long ({low:.2} to {high:.2})");
    Ok(())
}
