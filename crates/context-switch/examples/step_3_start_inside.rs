//! Step 3: both ends on one CPU, but the clock starts before the other end.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use context_switch::sampling::{Interval, Nanoseconds, Side, interleave, median_of, ratio};
use context_switch::{Pinned, Placement};
use table_tennis::End;

mod table_tennis;

// ANCHOR: measure
/// As in step 2, but first this thread pins itself. The other end inherits
/// that.
fn round_trip(cpu: usize, trips: u32) -> Result<Duration, Box<dyn Error>> {
    let _pinned = Pinned::to(cpu)?;
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

fn main() -> Result<(), Box<dyn Error>> {
    let cpu = Placement::OneCpu.cpus()?[0];
    let game = |trips| move || Ok::<_, Box<dyn Error>>(round_trip(cpu, trips)?.as_nanos() as f64);
    let [mut one, mut three, mut ten, mut thirty, mut hundred] = [1, 3, 10, 30, 100].map(game);
    let sides: &mut [Side<'_, _>] =
        &mut [&mut one, &mut three, &mut ten, &mut thirty, &mut hundred];
    let samples = interleave(41, sides)?;
    for (trips, samples) in [1, 3, 10, 30, 100].iter().zip(&samples) {
        let Interval { middle, low, high } = median_of(samples);
        let [middle, low, high] = [middle, low, high].map(Nanoseconds);
        println!("{trips:3} in a game: {middle:>8} a round trip ({low} to {high})");
    }
    let Interval { middle, low, high } = ratio(&samples[2], &samples[4])?;
    println!(
        "with 10 it seems to take {middle:.2} times as long as with 100 ({low:.2} to {high:.2})"
    );
    Ok(())
}
