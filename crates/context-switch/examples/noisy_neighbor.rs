//! The same work alone and beside a neighbor that computes on the same CPU.
//!
//! The times of a program cannot show the neighbor, but the kernel's can: it
//! adds up how long a thread was ready and had no CPU.

use std::cell::RefCell;
use std::error::Error;
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use context_switch::sampling::{Interval, Samples, interleave, ratio};
use context_switch::{Counters, Pinned, Placement};
use nix::time::{ClockId, clock_gettime};

/// How long the calling thread has been ready without a CPU since its start.
fn ready_without_a_cpu() -> io::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    // The first number is the time on a CPU, the third counts time slices.
    let second = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let nanos = second.ok_or_else(|| io::Error::other("schedstat has no second number"))?;
    Ok(Duration::from_nanos(nanos))
}

/// The time that the calling thread has spent on a CPU since its start.
fn cpu_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// One piece of work, as its own thread sees it, in nanoseconds.
#[derive(Default)]
struct Seen {
    elapsed: Vec<f64>,
    ran: Vec<f64>,
    /// In percent of the elapsed time.
    waited: Vec<f64>,
    voluntary: Vec<f64>,
    involuntary: Vec<f64>,
}

impl Seen {
    fn work(&mut self) -> Result<f64, Box<dyn Error>> {
        let started = Instant::now();
        let (before, waited) = (Counters::of_this_thread()?, ready_without_a_cpu()?);
        let ran = cpu_time()?;
        let sum =
            (0..40_000_000_u64).fold(0, |sum: u64, number| black_box(sum.wrapping_add(number)));
        black_box(sum);
        let ran = cpu_time()? - ran;
        let waited = ready_without_a_cpu()? - waited;
        let counted = Counters::of_this_thread()?.since(&before);
        let elapsed = started.elapsed().as_nanos() as f64;
        self.elapsed.push(elapsed);
        self.ran.push(ran.as_nanos() as f64);
        self.waited.push(waited.as_nanos() as f64 / elapsed * 100.0);
        self.voluntary.push(counted.voluntary as f64);
        self.involuntary.push(counted.involuntary as f64);
        Ok(elapsed)
    }
}

/// Runs `body` while another thread computes on this CPU.
fn beside_a_neighbor<T>(body: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let result = body();
        stop.store(true, Relaxed);
        result
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let [alone, beside] = [RefCell::new(Seen::default()), RefCell::new(Seen::default())];
    let mut quiet = || alone.borrow_mut().work();
    let mut noisy = || beside_a_neighbor(|| beside.borrow_mut().work());
    interleave(15, &mut [&mut quiet, &mut noisy])?;
    let (alone, beside) = (alone.into_inner(), beside.into_inner());
    println!("                   elapsed   CPU time   ready, but no CPU   voluntary   involuntary");
    let (base_elapsed, base_ran) = (
        Samples::new(alone.elapsed.clone())?,
        Samples::new(alone.ran.clone())?,
    );
    let (with_elapsed, with_ran) = (
        Samples::new(beside.elapsed.clone())?,
        Samples::new(beside.ran.clone())?,
    );
    for (name, seen) in [("alone", alone), ("beside a neighbor", beside)] {
        let median = |values: Vec<f64>| Samples::new(values).map(|samples| samples.median());
        let (elapsed, ran) = (median(seen.elapsed)? / 1e6, median(seen.ran)? / 1e6);
        let (waited, voluntary, involuntary) = (
            median(seen.waited)?,
            median(seen.voluntary)?,
            median(seen.involuntary)?,
        );
        println!(
            "{name:17} {elapsed:5.1} ms   {ran:5.1} ms   {waited:15.0} % {voluntary:11.0} {involuntary:13.0}"
        );
    }
    for (name, with, alone) in [
        ("elapsed", with_elapsed, base_elapsed),
        ("CPU time", with_ran, base_ran),
    ] {
        let Interval { middle, low, high } = ratio(&with, &alone)?;
        println!(
            "{name:8} beside the neighbor, against alone: {middle:.2} times ({low:.2} to {high:.2})"
        );
    }
    Ok(())
}
