//! Measures the switch to a fiber against the switch between two threads.
//!
//! The kernel counts how often it switches from one thread to another. It does
//! not notice when a fiber is resumed. Two threads on one CPU, however, cannot
//! hand anything over without the kernel. (The times go to standard error,
//! because they are different on each machine.)

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use coroutines::fiber::Fiber;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;

const RESUMES: u32 = 1_000_000;
const HAND_OVERS: u32 = 1_000;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Returns how often this thread has given up the processor, and how often the
/// kernel has preempted it.
fn switches() -> Result<(i64, i64)> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
    let given = usage.voluntary_context_switches();
    Ok((given, usage.involuntary_context_switches()))
}

fn main() -> Result<()> {
    let mut fiber = Fiber::<(), (), ()>::new(|fiber, ()| {
        loop {
            fiber.suspend(());
        }
    })?;
    fiber.resume(());
    let start = Instant::now();
    let (before, _) = switches()?;
    for _ in 0..RESUMES {
        fiber.resume(());
    }
    let (after, _) = switches()?;
    let each = start.elapsed() / RESUMES;
    println!(
        "a fiber: {RESUMES} resumes, {} voluntary switches",
        after - before
    );
    eprintln!("  {each:?} for the way there and back");

    pin_to_one_cpu()?;
    let (ours, theirs) = UnixStream::pair()?;
    let other = thread::spawn(move || -> Result<i64> {
        echo(theirs)?;
        let (given, taken) = switches()?;
        Ok(given + taken)
    });
    let start = Instant::now();
    let (given_before, taken_before) = switches()?;
    hand_over(ours)?;
    let (given, taken) = switches()?;
    let each = start.elapsed() / HAND_OVERS;
    let others = other
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let counted = given - given_before + taken - taken_before + others;
    if counted > i64::from(HAND_OVERS) {
        println!("two threads: {HAND_OVERS} round trips, more than {HAND_OVERS} switches");
    } else {
        println!("two threads: {HAND_OVERS} round trips, only {counted} switches");
    }
    eprintln!("  {each:?} for the way there and back, {counted} switches");
    Ok(())
}

/// Pins this thread to one CPU. A thread that it starts later inherits this, so
/// the two threads never run at the same time.
fn pin_to_one_cpu() -> Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let mut cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(cpus.next().ok_or("no CPU is allowed to this thread")?)?;
    sched_setaffinity(this, &one)?;
    Ok(())
}

fn hand_over(mut other: UnixStream) -> io::Result<()> {
    let mut byte = [0];
    for _ in 0..HAND_OVERS {
        other.write_all(&byte)?;
        other.read_exact(&mut byte)?;
    }
    Ok(())
}

fn echo(mut other: UnixStream) -> io::Result<()> {
    let mut byte = [0];
    for _ in 0..HAND_OVERS {
        other.read_exact(&mut byte)?;
        other.write_all(&byte)?;
    }
    Ok(())
}
