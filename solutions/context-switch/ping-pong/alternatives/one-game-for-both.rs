//! Another way: one function plays both games. Its caller passes a closure that
//! starts the other end and returns a second closure, which waits for that end.
//! Two calls of libc, one before the game and one after it, set and restore the
//! affinity.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem::{size_of, zeroed};
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

use nix::libc;

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
    for _ in 0..100 {
        round_trip()?;
    }
    let times = [now(), {
        for _ in 0..rounds.get() {
            round_trip()?;
        }
        now()
    }];
    Ok((times[1] - times[0]) / 2 / rounds.get())
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
    play(cpu, rounds, now, |incoming, outgoing, _, _| {
        let other = thread::Builder::new().spawn(move || echo(incoming, outgoing))?;
        Ok(Box::new(move || {
            let _ = other.join();
        }))
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
    play(cpu, rounds, now, |incoming, outgoing, in_here, out_here| {
        use std::os::fd::AsRawFd;
        // SAFETY: the child only makes system calls and ends in `_exit`.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // SAFETY: this process's copies, which it does not use.
                unsafe {
                    libc::close(in_here.as_raw_fd());
                    libc::close(out_here.as_raw_fd());
                }
                echo(incoming, outgoing);
                // SAFETY: `_exit` only ends the process.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(Box::new(move || {
                // SAFETY: waits for our own child; no status is asked for.
                while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } == -1
                    && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
                {
                }
            })),
        }
    })
}

/// Waits for the other end.
type Wait = Box<dyn FnOnce()>;

fn play<S>(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
    start: S,
) -> io::Result<Duration>
where
    S: FnOnce(PipeReader, PipeWriter, &PipeReader, &PipeWriter) -> io::Result<Wait>,
{
    let before = affinity()?;
    // SAFETY: a set of bits; all zero is the empty set.
    let mut only: libc::cpu_set_t = unsafe { zeroed() };
    if cpu >= 8 * size_of::<libc::cpu_set_t>() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the bit is within the set, as just checked.
    unsafe { libc::CPU_SET(cpu, &mut only) };
    let mut wait = None;
    set_affinity(&only)?;
    let game = || {
        let set_up = || {
            let (mut incoming, to_here) = io::pipe()?;
            let (from_here, mut outgoing) = io::pipe()?;
            wait = Some(start(from_here, to_here, &incoming, &outgoing)?);
            Ok(move || {
                outgoing.write_all(b"x")?;
                incoming.read_exact(&mut [0])
            })
        };
        cost_of_a_switch(rounds, set_up, now)
    };
    // A panic of the clock is held back until everything is put back.
    let cost = catch_unwind(AssertUnwindSafe(game));
    if let Some(wait) = wait {
        wait();
    }
    let put_back = set_affinity(&before);
    match cost {
        Ok(cost) => cost.and_then(|cost| put_back.map(|()| cost)),
        Err(payload) => resume_unwind(payload),
    }
}

fn echo(mut incoming: PipeReader, mut outgoing: PipeWriter) {
    let mut ball = [0; 1];
    while incoming.read_exact(&mut ball).is_ok() && outgoing.write_all(&ball).is_ok() {}
}

fn affinity() -> io::Result<libc::cpu_set_t> {
    // SAFETY: the kernel fills in the set of which it is told the size.
    unsafe {
        let mut set = zeroed();
        match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) {
            0 => Ok(set),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn set_affinity(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: the kernel reads the set of which it is told the size.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
