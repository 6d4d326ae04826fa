//! A production failure: sixteen times as many computing threads as CPUs. They do the same work in
//! all, and spend most of their time waiting for a CPU.
//!
//! The kernel counts both times for each thread (`/proc/thread-self/schedstat`).

use std::sync::Barrier;
use std::time::Duration;
use std::{fs, io, thread};

// ANCHOR: measure
/// How long this thread has run, and how long it was ready to run but had no CPU, in nanoseconds.
fn run_and_wait() -> io::Result<(f64, f64)> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    let both = numbers.next().zip(numbers.next());
    both.ok_or_else(|| io::Error::other("this kernel does not count (CONFIG_SCHED_INFO)"))
}

/// Divides `work` among `threads`. Returns how long they waited for each unit of time that they ran.
fn waited_per_run(threads: usize, work: Duration) -> io::Result<f64> {
    let share = work.as_nanos() as f64 / threads as f64;
    let start = Barrier::new(threads);
    let compute = || {
        // Before the start: the wait for the first turn counts, too.
        let (ran_before, waited_before) = run_and_wait()?;
        start.wait();
        loop {
            std::hint::black_box((0..1000).sum::<u64>());
            let (ran, waited) = run_and_wait()?;
            if ran - ran_before >= share {
                return Ok((ran - ran_before, waited - waited_before));
            }
        }
    };
    let ends: Vec<io::Result<(f64, f64)>> = threads::map(threads, 0..threads, |_| compute());
    let ends: Vec<(f64, f64)> = ends.into_iter().collect::<io::Result<_>>()?;
    let ran: f64 = ends.iter().map(|(ran, _)| ran).sum();
    let waited: f64 = ends.iter().map(|(_, waited)| waited).sum();
    Ok(waited / ran)
}
// ANCHOR_END: measure

fn main() -> io::Result<()> {
    let cpus = thread::available_parallelism()?.get();
    let work = Duration::from_millis(800) * cpus as u32;
    let mut ratios = Vec::new();
    for per_cpu in [1, 16] {
        let ratio = waited_per_run(per_cpu * cpus, work)?;
        println!(
            "threads for each CPU: {per_cpu:>2}; waited {ratio:.2} s for each second that they ran"
        );
        ratios.push(ratio);
    }
    let more = if ratios[1] > ratios[0] { "yes" } else { "no" };
    println!("more threads waited longer: {more}");
    Ok(())
}
