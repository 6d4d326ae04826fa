//! Which events are context switches: the kernel's own count.
//!
//! Everything runs on one CPU. The voluntary switches are decided by what each
//! situation does; the involuntary ones depend on what else runs.

use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use context_switch::{Counters, Pinned, Placement, resumes};
use nix::unistd::{getpid, getppid, gettid};

/// What one thread counts while it does something.
fn counted<E>(doing: impl FnOnce() -> Result<(), E>) -> Result<Counters, Box<dyn Error>>
where
    Box<dyn Error>: From<E>,
{
    let before = Counters::of_this_thread()?;
    doing()?;
    Ok(Counters::of_this_thread()?.since(&before))
}

// ANCHOR: situations
fn system_calls() -> io::Result<()> {
    (0..1000).for_each(|_| _ = getppid());
    Ok(())
}

fn free_locks() -> io::Result<()> {
    let lock = Mutex::new(0);
    for _ in 0..1000 {
        *lock.lock().map_err(|_| io::Error::other("poisoned"))? += 1;
    }
    Ok(())
}

fn reads_of_bytes_that_are_there() -> io::Result<()> {
    let (mut from, mut to) = io::pipe()?;
    to.write_all(&[0; 1000])?;
    (0..1000).try_for_each(|_| from.read_exact(&mut [0]))
}

fn reads_that_have_to_wait() -> Result<Counters, Box<dyn Error>> {
    let ((mut from, mut to), (pid, reader)) = (io::pipe()?, (getpid(), gettid()));
    thread::scope(|scope| {
        let before = Counters::of_this_thread()?.voluntary;
        scope.spawn(move || {
            for waits in 1..=100 {
                // The next byte comes only when the reader sleeps.
                while Counters::of(pid.as_raw(), reader.as_raw())?.voluntary < before + waits {
                    thread::yield_now();
                }
                to.write_all(b"!")?;
            }
            Ok::<_, io::Error>(())
        });
        // The end of the scope waits for the writer, and must not count.
        counted(|| (0..100).try_for_each(|_| from.read_exact(&mut [0])))
    })
}

fn sleeps() -> io::Result<()> {
    (0..100).for_each(|_| thread::sleep(Duration::from_micros(200)));
    Ok(())
}
/// Computes for a while, without any system call that waits.
fn compute() -> io::Result<()> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(60) {
        std::hint::spin_loop();
    }
    Ok(())
}

fn yields() -> io::Result<()> {
    (0..20).for_each(|_| thread::yield_now());
    Ok(())
}
// ANCHOR_END: situations

/// Counts while another thread computes on the same CPU. What this thread
/// waits for the other one's end does not count.
fn beside_another_thread(doing: fn() -> io::Result<()>) -> Result<Counters, Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let counters = counted(doing);
        stop.store(true, Relaxed);
        counters
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    println!("what the thread does                         voluntary  involuntary");
    for (name, counted) in [
        ("1,000 system calls (getppid)", counted(system_calls)?),
        (
            "1,000 locks and unlocks of a free mutex",
            counted(free_locks)?,
        ),
        (
            "1,000 reads of bytes that are there",
            counted(reads_of_bytes_that_are_there)?,
        ),
        (
            "1,000 resumes of a coroutine",
            counted(|| resumes(1000).map(drop))?,
        ),
        ("100 reads that have to wait", reads_that_have_to_wait()?),
        ("100 sleeps", counted(sleeps)?),
        (
            "computing beside another thread",
            beside_another_thread(compute)?,
        ),
        (
            "20 times sched_yield beside another thread",
            beside_another_thread(yields)?,
        ),
    ] {
        println!(
            "{name:43} {:10} {:12}",
            counted.voluntary, counted.involuntary
        );
    }
    Ok(())
}
