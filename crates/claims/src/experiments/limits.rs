//! What a process may use, and how its threads share it.

use std::fs::File;
use std::io;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use processes::proc::status;

use super::claim;
use super::helpers::ask_a_child;
use crate::verdict::{does_not_hold, holds, too_noisy};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("limits.rs");

pub(super) const CLAIMS: [Claim; 2] = [
    claim!(19 Wrong [Byte]
        "A process can have more resources than a single thread, so a task that needs many \
         should be a process."
        one_thread_gets_all_that_its_process_may),
    claim!(22 Wrong [Byte]
        "Threads need no memory of their own."
        every_thread_takes_a_stack),
];

/// A process may have at most 64 open files. How many can one thread open, how many
/// can two threads open together, and how many can a child process open?
fn one_thread_gets_all_that_its_process_may(record: &mut Record) -> Judged {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, 64.min(most), most)?;
    let one = open_all().len();
    let common: Mutex<Vec<File>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Ok(file) = File::open("/dev/null") {
                    common
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(file);
                }
            });
        }
    });
    let two = common
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .len();
    let child = ask_a_child(|| open_all().len().to_string())?;
    record.fact("files that one thread can open under a limit of 64", one);
    record.fact("files that two threads can open together", two);
    record.fact("files that a child process can open for itself", &child);
    match one == two && one > 32 {
        true => does_not_hold(format!(
            "The process may have 64 open files, and some were open already. One thread could \
             open all {one} others, and two threads together could open no more. Limits apply to \
             the process or (like RLIMIT_NPROC) to the user.",
        )),
        false if two > one => holds("Two threads could open more files than one thread."),
        false => too_noisy("Other files were opened or closed during the experiment."),
    }
}

/// Opens as many files as it can.
fn open_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Counts how many threads fit into 64 MiB of address space. Then measures what 32
/// sleeping threads add to a process without such a limit.
fn every_thread_takes_a_stack(record: &mut Record) -> Judged {
    const THREADS: usize = 32;
    const STACK: usize = 2 << 20;
    let me = || status(std::process::id().cast_signed());
    let fit = ask_a_child(|| {
        let count = || -> io::Result<usize> {
            let room = me()?.virtual_size + (64 << 20);
            setrlimit(Resource::RLIMIT_AS, room, room)?;
            Ok(how_many_fit(STACK))
        };
        count().map_or_else(|error| error.to_string(), |count| count.to_string())
    })?;
    let before = me()?;
    let sleeping = Sleeping::start(THREADS, STACK)?;
    let with = me()?;
    drop(sleeping);
    let each = |after: u64, before: u64| after.saturating_sub(before) / THREADS as u64 / 1024;
    let addresses = each(with.virtual_size, before.virtual_size);
    let resident = each(with.resident, before.resident);
    record.fact(
        "threads with 2 MiB stacks that fit into 64 MiB of address space",
        &fit,
    );
    record.fact(
        "address space of each of 32 threads, its stack and what malloc reserves for it",
        format!("{addresses} KiB"),
    );
    record.fact(
        "memory that each of them uses from the start",
        format!("{resident} KiB"),
    );
    let fit: usize = fit.parse().map_err(|_| io::Error::other(fit))?;
    match addresses >= STACK as u64 / 1024 && resident >= 4 && fit <= 32 {
        true => does_not_hold(format!(
            "Every thread needs a stack: 64 MiB of address space has room for {fit} threads with \
             2 MiB stacks, and each thread uses {resident} KiB of memory from the start."
        )),
        false => holds("32 threads did not make the process larger."),
    }
}

/// Threads that sleep until this value is dropped.
struct Sleeping {
    gate: Arc<Barrier>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Sleeping {
    fn start(count: usize, stack: usize) -> io::Result<Sleeping> {
        let gate = Arc::new(Barrier::new(count + 1));
        let mut threads = Vec::new();
        for _ in 0..count {
            let gate = Arc::clone(&gate);
            let body = move || {
                gate.wait();
                gate.wait();
            };
            threads.push(thread::Builder::new().stack_size(stack).spawn(body)?);
        }
        gate.wait();
        Ok(Sleeping { gate, threads })
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.gate.wait();
        self.threads.drain(..).for_each(|thread| _ = thread.join());
    }
}

/// Starts threads until there is no room for another one, and returns their number.
/// They sleep until the process ends.
fn how_many_fit(stack: usize) -> usize {
    let builder = || thread::Builder::new().stack_size(stack);
    let start = || builder().spawn(thread::park).ok();
    (0..1000).map_while(|_| start()).count()
}
