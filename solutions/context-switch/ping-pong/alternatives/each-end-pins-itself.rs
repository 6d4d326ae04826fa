//! Another way: each end pins itself when it begins, so it does not matter on
//! which CPU its creator ran. And the other end knows the number of balls in
//! advance: it ends after the last ball, without waiting for the end of the pipe.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

/// Round trips that do not count.
const WARM_UP: u32 = 3;

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
    let mut game = set_up()?;
    for _ in 0..WARM_UP {
        game()?;
    }
    let before = now();
    for _ in 0..rounds.get() {
        game()?;
    }
    let after = now();
    let switches = 2.0 * f64::from(rounds.get());
    Ok(after.saturating_sub(before).div_f64(switches))
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
    thread::scope(|scope| {
        let (from_here, to_there) = io::pipe()?;
        let (from_there, to_here) = io::pipe()?;
        thread::Builder::new().spawn_scoped(scope, move || serve(cpu, rounds, from_here, to_here))?;
        let _before = PutBack(sched_getaffinity(Pid::from_raw(0))?);
        pin(cpu)?;
        throw(rounds, from_there, to_there, now)
    })
}

/// The cost of a switch between this process and a child on `cpu`.
///
/// # Errors
/// If this thread may not run on `cpu`, or a system call fails.
pub fn between_processes(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _before = PutBack(sched_getaffinity(Pid::from_raw(0))?);
    let (from_here, to_there) = io::pipe()?;
    let (from_there, to_here) = io::pipe()?;
    // The child is made before this thread is pinned.
    // SAFETY: the child only makes system calls and ends in `_exit`.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            drop((from_there, to_there));
            let served = serve(cpu, rounds, from_here, to_here);
            // SAFETY: `_exit` only ends the process.
            unsafe { nix::libc::_exit(i32::from(served.is_err())) }
        }
        ForkResult::Parent { child } => Child(child),
    };
    drop((from_here, to_here));
    let game = || {
        pin(cpu)?;
        throw(rounds, from_there, to_there, now)
    };
    let cost = game();
    drop(child);
    cost
}

/// Where this thread may run again when this is dropped.
struct PutBack(CpuSet);

impl Drop for PutBack {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

/// Waited for when dropped.
struct Child(Pid);

impl Drop for Child {
    fn drop(&mut self) {
        while waitpid(self.0, None) == Err(Errno::EINTR) {}
    }
}

fn throw(
    rounds: NonZeroU32,
    mut incoming: PipeReader,
    mut outgoing: PipeWriter,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let round_trip = move || {
        outgoing.write_all(b"*")?;
        incoming.read_exact(&mut [0])
    };
    cost_of_a_switch(rounds, || Ok(round_trip), now)
}

fn serve(
    cpu: usize,
    rounds: NonZeroU32,
    mut incoming: PipeReader,
    mut outgoing: PipeWriter,
) -> io::Result<()> {
    pin(cpu)?;
    for _ in 0..u64::from(WARM_UP) + u64::from(rounds.get()) {
        let mut ball = [0];
        incoming.read_exact(&mut ball)?;
        outgoing.write_all(&ball)?;
    }
    Ok(())
}

fn pin(cpu: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &only)?)
}
