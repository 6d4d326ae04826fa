//! Another way: the process at the other end runs the program `cat`, which copies
//! everything from one pipe to the other, as the other end has to do. The thread
//! does the same with `io::copy`. So there is no `fork` in this file and no unsafe
//! code. A program inherits the affinity through exec too.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The cost of one switch: half a round trip.
///
/// # Errors
/// The first error of `set_up` or of a round trip.
pub fn cost_of_a_switch<G>(
    rounds: NonZeroU32,
    set_up: impl FnOnce() -> io::Result<G>,
    mut now: impl FnMut() -> Duration,
) -> io::Result<Duration>
where
    G: FnMut() -> io::Result<()>,
{
    let mut round_trip = set_up()?;
    round_trip()?;
    let start = now();
    (0..rounds.get()).try_for_each(|_| round_trip())?;
    let end = now();
    let nanos = (end.saturating_sub(start)).as_nanos() / (2 * u128::from(rounds.get()));
    Ok(Duration::from_nanos(
        u64::try_from(nanos).unwrap_or(u64::MAX),
    ))
}

/// The cost of a switch between two threads on `cpu`.
///
/// # Errors
/// If this thread may not run on `cpu`, or a system call fails.
pub fn between_threads(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    pinned(cpu, || {
        let (from_here, to_there) = io::pipe()?;
        let (from_there, to_here) = io::pipe()?;
        let other = thread::Builder::new().spawn(move || echo(from_here, to_here))?;
        // When the thrower is gone, and with it the pipe, the echo ends.
        let _other = Afterwards(Some(|| {
            let _ = other.join();
        }));
        cost_of_a_switch(rounds, || Ok(thrower(from_there, to_there)), now)
    })
}

/// The cost of a switch between this process and another on `cpu`.
///
/// # Errors
/// If this thread may not run on `cpu`, there is no `cat`, or a system call fails.
pub fn between_processes(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    pinned(cpu, || {
        let (from_here, to_there) = io::pipe()?;
        let (from_there, to_here) = io::pipe()?;
        let mut cat = Command::new("cat")
            .stdin(Stdio::from(from_here))
            .stdout(Stdio::from(to_here))
            .spawn()?;
        let _cat = Afterwards(Some(|| {
            let _ = cat.wait();
        }));
        cost_of_a_switch(rounds, || Ok(thrower(from_there, to_there)), now)
    })
}

fn thrower(mut incoming: PipeReader, mut outgoing: PipeWriter) -> impl FnMut() -> io::Result<()> {
    move || {
        outgoing.write_all(&[1])?;
        incoming.read_exact(&mut [0])
    }
}

/// Copies whatever comes, until the end: for pipes, inside the kernel (splice).
fn echo(mut incoming: PipeReader, mut outgoing: PipeWriter) -> io::Result<()> {
    match io::copy(&mut incoming, &mut outgoing) {
        // The thrower closes both pipes, and splice looks at this one first.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map(drop),
    }
}

/// Runs `game` on one CPU, and puts the old affinity back whatever comes of it.
fn pinned<T>(cpu: usize, game: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let me = Pid::from_raw(0);
    let before = sched_getaffinity(me)?;
    let mut only = CpuSet::new();
    only.set(cpu)?;
    sched_setaffinity(me, &only)?;
    let _before = Afterwards(Some(|| {
        let _ = sched_setaffinity(me, &before);
    }));
    game()
}

/// Calls the closure in the end, whether there is a result or a panic.
struct Afterwards<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Afterwards<F> {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}
