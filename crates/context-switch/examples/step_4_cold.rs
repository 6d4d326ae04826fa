//! Step 4: the clock starts when the other end exists, but the ends are cold.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use context_switch::sampling::{Interval, Nanoseconds, Samples, median_of, ratio};
use context_switch::{Pinned, Placement};
use table_tennis::End;

mod table_tennis;

// ANCHOR: measure
/// The time of each round trip of a game, in the order in which they were
/// played. The start of the other end is not in any of them.
fn round_trips(cpu: usize, trips: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let _pinned = Pinned::to(cpu)?;
    let (mut here, there) = End::pair()?;
    let server = thread::spawn(move || there.serve());
    let mut times = Vec::with_capacity(trips);
    for _ in 0..trips {
        let started = Instant::now();
        here.round_trip()?;
        times.push(started.elapsed());
    }
    drop(here);
    server.join().expect("the server does not panic")?;
    Ok(times)
}
// ANCHOR_END: measure

fn main() -> Result<(), Box<dyn Error>> {
    const GAMES: usize = 201;
    let cpu = Placement::OneCpu.cpus()?[0];
    let shown = [1, 2, 4, 8, 16, 32];
    let mut nanos = vec![Vec::with_capacity(GAMES); shown.len()];
    for _ in 0..GAMES {
        let times = round_trips(cpu, 32)?;
        for (all, &trip) in nanos.iter_mut().zip(&shown) {
            all.push(times[trip - 1].as_nanos() as f64);
        }
    }
    let samples = nanos.into_iter().map(Samples::new);
    let samples = samples.collect::<Result<Vec<_>, _>>()?;
    for (trip, samples) in shown.iter().zip(&samples) {
        let Interval { middle, low, high } = median_of(samples);
        let [middle, low, high] = [middle, low, high].map(Nanoseconds);
        println!("round trip {trip:2}: {middle:>8} ({low} to {high})");
    }
    let Interval { middle, low, high } = ratio(&samples[0], &samples[shown.len() - 1])?;
    println!("the first takes {middle:.2} times as long as the last ({low:.2} to {high:.2})");
    Ok(())
}
