//! A game between this process and a forked child.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};

use super::ends::Ends;
use super::play::{self, Game};
use super::{PingPongError, Trips, gone};
use crate::pinning::keep_on;
use crate::{Counters, Pages, Pinned};

/// What the child reports after the game, in memory that both processes share.
#[derive(Default)]
struct Told {
    voluntary: AtomicU64,
    involuntary: AtomicU64,
    minor_faults: AtomicU64,
    major_faults: AtomicU64,
}

pub(super) fn play<E: Ends>(game: Game, ends: (E, E)) -> Result<Trips, PingPongError> {
    let (end_here, end_there) = ends;
    let page = Pages::shared(1)?;
    // SAFETY: `Told` consists of atomics, for which zero is a valid value.
    let told = unsafe { page.first::<Told>() };
    let _pinned = Pinned::to(game.cpus[0])?;
    let parent = nix::unistd::getpid();
    // SAFETY: the child calls only functions that neither allocate nor lock,
    // because another thread may have held the allocator's lock during the
    // fork. The child ends with `_exit`, so it drops nothing that belongs to
    // the parent.
    let child = match unsafe { fork() }? {
        ForkResult::Parent { child } => Child(Some(child)),
        ForkResult::Child => {
            // If the child kept this end, it would never see an end of file at
            // its pipe.
            drop(end_here);
            let played = answer(game, end_there, parent, told);
            let status = match played {
                Ok(()) => 0,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            };
            // SAFETY: `_exit` ends the process, without destructors.
            unsafe { libc::_exit(status) }
        }
    };
    drop(end_there);
    let played = play::here(game, end_here, || child.is_there());
    match child.wait()? {
        WaitStatus::Exited(_, 0) => {}
        WaitStatus::Exited(_, errno) => return Err(Errno::from_raw(errno).into()),
        _ => return Err(gone().into()),
    }
    let (elapsed, here) = played?;
    let there = Counters {
        voluntary: told.voluntary.load(Relaxed),
        involuntary: told.involuntary.load(Relaxed),
        minor_faults: told.minor_faults.load(Relaxed),
        major_faults: told.major_faults.load(Relaxed),
    };
    Ok(Trips {
        round_trips: game.round_trips,
        elapsed,
        here,
        there,
    })
}

fn answer<E: Ends>(game: Game, end: E, parent: Pid, told: &Told) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    keep_on(game.cpus[1])?;
    let counted = play::there(game, end, || getppid() == parent)?;
    // The parent waits for the child before it loads these, so the stores
    // happen before the loads.
    told.voluntary.store(counted.voluntary, Relaxed);
    told.involuntary.store(counted.involuntary, Relaxed);
    told.minor_faults.store(counted.minor_faults, Relaxed);
    told.major_faults.store(counted.major_faults, Relaxed);
    Ok(())
}

/// The forked child. It is killed and reaped when the game ends early.
struct Child(Option<Pid>);

impl Child {
    /// Whether the child is still running. This does not reap it.
    fn is_there(&self) -> bool {
        let Some(pid) = self.0 else { return false };
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(pid), look) == Ok(WaitStatus::StillAlive)
    }

    fn wait(mut self) -> nix::Result<WaitStatus> {
        self.0.take().map_or(Err(Errno::ECHILD), reap)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = self.0.take() {
            _ = kill(pid, Signal::SIGKILL);
            _ = reap(pid);
        }
    }
}

fn reap(pid: Pid) -> nix::Result<WaitStatus> {
    loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
