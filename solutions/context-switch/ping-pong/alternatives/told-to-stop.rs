//! Another way: file descriptors and direct system calls. The caller tells the
//! other end to stop: a special ball ends the thread, and a signal ends the
//! process. Neither end relies on the end of a pipe, so it does not matter which
//! of them keeps which side open.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2, read, write};

const BALL: u8 = b'o';
const STOP: u8 = b'.';

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
    let mut left = rounds.get();
    while left > 0 {
        round_trip()?;
        left -= 1;
    }
    let took = now() - start;
    // To the nearest nanosecond.
    let switches = 2 * u128::from(rounds.get());
    let nanos = (took.as_nanos() + switches / 2) / switches;
    Ok(Duration::from_nanos(nanos as u64))
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
    play(cpu, rounds, now, |table| {
        let Table {
            there: (from, to), ..
        } = table.try_clone()?;
        let thread = thread::Builder::new().spawn(move || serve(&from, &to))?;
        Ok(Other::Thread(table, Some(thread)))
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
    play(cpu, rounds, now, |table| {
        // SAFETY: the child only reads, writes and ends in `_exit`.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Other::Process(child)),
            ForkResult::Child => {
                serve(&table.there.0, &table.there.1);
                // SAFETY: `_exit` only ends the process.
                unsafe { nix::libc::_exit(0) }
            }
        }
    })
}

/// Two pipes: (read, write) of each end.
struct Table {
    here: (OwnedFd, OwnedFd),
    there: (OwnedFd, OwnedFd),
}

impl Table {
    fn new() -> io::Result<Self> {
        let (away_read, away_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (back_read, back_write) = pipe2(OFlag::O_CLOEXEC)?;
        Ok(Table {
            here: (back_read, away_write),
            there: (away_read, back_write),
        })
    }

    fn try_clone(&self) -> io::Result<Self> {
        let copy = |(a, b): &(OwnedFd, OwnedFd)| io::Result::Ok((a.try_clone()?, b.try_clone()?));
        Ok(Table {
            here: copy(&self.here)?,
            there: copy(&self.there)?,
        })
    }
}

/// The other end; told to stop when it is dropped.
enum Other<'table> {
    Thread(&'table Table, Option<JoinHandle<()>>),
    Process(Pid),
}

impl Drop for Other<'_> {
    fn drop(&mut self) {
        match self {
            Other::Thread(table, thread) => {
                // If that fails, the pipe is broken, and the thread sees it too.
                let _ = throw(&table.here.1, STOP);
                let _ = thread.take().map(JoinHandle::join);
            }
            Other::Process(pid) => {
                let _ = kill(*pid, Signal::SIGKILL);
                while waitpid(*pid, None) == Err(Errno::EINTR) {}
            }
        }
    }
}

fn play(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
    start: impl FnOnce(&Table) -> io::Result<Other<'_>>,
) -> io::Result<Duration> {
    let _pin = Pin::to(cpu)?;
    let table = Table::new()?;
    let _other = start(&table)?;
    let round_trip = || {
        throw(&table.here.1, BALL)?;
        catch(&table.here.0).map(drop)
    };
    cost_of_a_switch(rounds, || Ok(round_trip), now)
}

/// While it lives, the thread runs on one CPU.
struct Pin(CpuSet);

impl Pin {
    fn to(cpu: usize) -> io::Result<Pin> {
        let me = Pid::from_raw(0);
        let before = sched_getaffinity(me)?;
        let mut only = CpuSet::new();
        only.set(cpu)?;
        sched_setaffinity(me, &only)?;
        Ok(Pin(before))
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

fn serve(from: &OwnedFd, to: &OwnedFd) {
    while let Ok(BALL) = catch(from) {
        if throw(to, BALL).is_err() {
            return;
        }
    }
}

fn throw(to: &OwnedFd, ball: u8) -> io::Result<()> {
    loop {
        match write(to, &[ball]) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(_) => return Ok(()),
        }
    }
}

fn catch(from: &OwnedFd) -> io::Result<u8> {
    let mut ball = [0];
    loop {
        match read(from, &mut ball) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(ball[0]),
        }
    }
}
