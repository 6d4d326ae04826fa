//! Two threads, two counters, no sharing in the source. If both counters lie in one cache line, the
//! two CPUs still take the line away from each other.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const TIMES: u32 = 200_000;
const ROUNDS: u32 = 21;

// ANCHOR: counters
/// Both counters in one cache line of 64 bytes.
#[derive(Default)]
#[repr(align(64))]
struct Beside([AtomicU64; 2]);

/// A counter with two cache lines for itself. (Some CPUs fetch lines in pairs.)
#[derive(Default)]
#[repr(align(128))]
struct Alone(AtomicU64);
// ANCHOR_END: counters

/// Each thread adds to its own counter. Returns how long both took.
fn both_add(counters: [&AtomicU64; 2]) -> Duration {
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let threads = counters.map(|counter| {
            let ready = &ready;
            scope.spawn(move || {
                ready.wait();
                let started = Instant::now();
                for _ in 0..TIMES {
                    counter.fetch_add(1, Relaxed);
                }
                started.elapsed()
            })
        });
        let times = threads.map(|thread| thread.join().unwrap_or_default());
        times[0].max(times[1])
    })
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let beside = Beside::default();
    let alone = [Alone::default(), Alone::default()];
    let (mut one_line, mut two_lines) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one_line.push(both_add([&beside.0[0], &beside.0[1]]));
        two_lines.push(both_add([&alone[0].0, &alone[1].0]));
    }
    let (one_line, two_lines) = (middle(one_line), middle(two_lines));
    println!("two threads add to two counters");
    println!("  the counters share a cache line: {one_line:.1?}");
    println!("  each has lines of its own:       {two_lines:.1?}");
    println!(
        "  sharing takes {:.1} times as long",
        one_line.as_secs_f64() / two_lines.as_secs_f64()
    );
}
