//! What a context switch costs, measured by a ball between two ends on one CPU.
//!
//! ```text
//!             ┌───────── pipe ─────────▶┐
//!   here      │                         │      there
//!   (caller)  ▲                         ▼      (a thread, a process)
//!             └◀───────── pipe ─────────┘
//!
//!   CPU   here │ there │ here │ there │ here        one round trip = two switches
//!              ╰──── 1 trip ──╯
//! ```
//!
//! Each end waits in `read` until the ball comes. On one CPU only one of them
//! can run, so every time the ball changes sides the kernel must switch.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

/// The cost of one switch: `rounds` round trips between two readings of the clock.
///
/// `set_up` brings up both ends and returns what plays one round trip; dropping
/// that ends the game. Neither is timed, nor is the round trip before the
/// first reading, after which the other end is surely up and running.
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
    for _ in 0..rounds.get() {
        round_trip()?;
    }
    drop(round_trip);
    let elapsed = now().saturating_sub(start);
    Ok(elapsed / rounds.get() / 2)
}

/// The cost of a switch between two threads of this process, both on `cpu`.
///
/// The calling thread plays one end and has its old affinity afterwards; the
/// other thread has ended.
///
/// # Errors
/// `EINVAL` if this thread may not run on `cpu`; whatever making pipes and the
/// thread, or a round trip, may fail with.
pub fn between_threads(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    // Before the other end is made: affinity is inherited.
    let _pinned = Pinned::to(cpu)?;
    // The scope waits for the other thread, which ends when `here` is dropped.
    thread::scope(|scope| {
        let set_up = || {
            let (mut here, there) = ends()?;
            thread::Builder::new().spawn_scoped(scope, move || there.serve())?;
            Ok(move || here.round_trip())
        };
        cost_of_a_switch(rounds, set_up, now)
    })
}

/// The cost of a switch between this process and a child, both on `cpu`.
///
/// The calling thread plays one end and has its old affinity afterwards; the
/// child has ended and has been waited for.
///
/// # Errors
/// As [`between_threads`]; `EAGAIN` or `ENOMEM` if there is no room for a process.
pub fn between_processes(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _pinned = Pinned::to(cpu)?;
    // Declared before the end that it serves, so dropped after it: the child
    // sees the end of its pipe first, and only then is it waited for.
    let mut child = None;
    let set_up = || {
        let (mut here, there) = ends()?;
        // SAFETY: the child only closes descriptors, reads, writes and calls
        // `_exit`, which is allowed after a fork of a process with threads
        // (signal-safety(7)).
        match unsafe { fork() }? {
            ForkResult::Child => {
                // Its copy: otherwise the child itself would hold open the
                // pipe whose end it waits for.
                drop(here);
                let status = i32::from(there.serve().is_err());
                // SAFETY: `_exit` only ends the process: no destructors, and
                // no buffers of the parent's flushed a second time.
                unsafe { nix::libc::_exit(status) }
            }
            ForkResult::Parent { child: pid } => {
                child = Some(Child(pid));
                drop(there);
                Ok(move || here.round_trip())
            }
        }
    };
    cost_of_a_switch(rounds, set_up, now)
}

/// One end of the table: a pipe from which the ball comes, a pipe for it to go.
struct End {
    incoming: PipeReader,
    outgoing: PipeWriter,
}

/// Two ends over two pipes, one for each way: over a single one an end could
/// read the byte that it has just written.
fn ends() -> io::Result<(End, End)> {
    let (from_there, to_here) = io::pipe()?;
    let (from_here, to_there) = io::pipe()?;
    let here = End {
        incoming: from_there,
        outgoing: to_there,
    };
    let there = End {
        incoming: from_here,
        outgoing: to_here,
    };
    Ok((here, there))
}

impl End {
    /// Sends the ball and waits until it is back.
    fn round_trip(&mut self) -> io::Result<()> {
        self.outgoing.write_all(b"o")?;
        self.incoming.read_exact(&mut [0])
    }

    /// Sends every ball back, until the other side has closed its pipe.
    fn serve(mut self) -> io::Result<()> {
        let mut ball = [0];
        loop {
            match self.incoming.read_exact(&mut ball) {
                Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                other => other?,
            }
            self.outgoing.write_all(&ball)?;
        }
    }
}

/// The calling thread on one CPU, for as long as this lives.
struct Pinned {
    before: CpuSet,
}

impl Pinned {
    fn to(cpu: usize) -> io::Result<Self> {
        let before = sched_getaffinity(THIS_THREAD)?;
        let mut only = CpuSet::new();
        only.set(cpu)?;
        sched_setaffinity(THIS_THREAD, &only)?;
        Ok(Pinned { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed before; if the machine has changed its mind since,
        // nobody can be told here.
        let _ = sched_setaffinity(THIS_THREAD, &self.before);
    }
}

/// What `sched_setaffinity(2)` takes for the calling thread.
const THIS_THREAD: Pid = Pid::from_raw(0);

/// The process at the other end; waited for when dropped.
struct Child(Pid);

impl Drop for Child {
    fn drop(&mut self) {
        while waitpid(self.0, None) == Err(nix::errno::Errno::EINTR) {}
    }
}
