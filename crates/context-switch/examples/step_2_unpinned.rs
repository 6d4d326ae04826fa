//! Step 2: two threads play, and nobody says where.

use std::error::Error;
use std::time::{Duration, Instant};
use std::{io, thread};

use context_switch::sampling::{Interval, Nanoseconds, SamplesError, interleave, ratio};
use context_switch::{Between, Over, PingPong, Placement};
use table_tennis::End;

mod table_tennis;

// ANCHOR: measure
/// Starts the other end, and returns the time of one of so many round trips.
fn round_trip(trips: u32) -> io::Result<Duration> {
    let (mut here, there) = End::pair()?;
    let started = Instant::now();
    let server = thread::spawn(move || there.serve());
    for _ in 0..trips {
        here.round_trip()?;
    }
    let elapsed = started.elapsed();
    drop(here);
    server.join().expect("the server does not panic")?;
    Ok(elapsed / trips)
}
// ANCHOR_END: measure

const TRIPS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let placed = |placement| {
        let game = PingPong::new(Between::Threads, Over::Pipe, placement);
        move || Ok::<_, Box<dyn Error>>(game.run(TRIPS)?.nanos())
    };
    let mut unpinned = || Ok(round_trip(TRIPS)?.as_nanos() as f64);
    let (mut one, mut two) = (placed(Placement::OneCpu), placed(Placement::TwoCpus));
    if Placement::TwoCpus.cpus().is_err() {
        println!("this program may use only one CPU, so there is nothing to compare");
        return Ok(());
    }
    let samples = interleave(41, &mut [&mut unpinned, &mut one, &mut two])?;
    let names = ["unpinned", "on one CPU", "on two CPUs"];
    println!("a round trip     median    fastest game    slowest game");
    for (name, samples) in names.iter().zip(&samples) {
        let quantiles = [0.5, 0.0, 1.0].map(|share| Nanoseconds(samples.quantile(share)));
        let [median, fastest, slowest] = quantiles;
        println!("{name:12} {median:>10} {fastest:>15} {slowest:>15}");
    }
    let one = &samples[1];
    let against = |name: &str, place: usize| -> Result<(), SamplesError> {
        let Interval { middle, low, high } = ratio(&samples[place], one)?;
        println!("{name} takes {middle:.2} times as long as on one CPU ({low:.2} to {high:.2})");
        Ok(())
    };
    against("the unpinned game", 0)?;
    against("the game on two CPUs", 2)?;
    Ok(())
}
