//! An end to everything: descendants that multiply, and daemons that fled.
//!
//! ```text
//!   before                  the daemon's parents end     with a subreaper
//!   supervisor              supervisor                   supervisor
//!    └ child                                              └ daemon
//!       └ daemon            init
//!                            └ daemon   (out of reach)
//! ```
//!
//! A process whose parent ends is adopted, by init or by the nearest ancestor
//! that asked for it (man 2 prctl, `PR_SET_CHILD_SUBREAPER`). Below such a
//! subreaper nobody gets lost: as long as it has no children, it has no
//! descendants.

use crate::proc::{self, Stat, State};
use crate::{Ending, Pid, Signal, pidfd};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use std::{error, fmt, io, thread};

/// Makes this process the one that adopts its orphaned descendants, now and
/// later, until it ends. Children do not inherit it.
///
/// From now on it must reap children that it did not start: [`reap_all`].
///
/// # Errors
/// None on any Linux since 3.4.
pub fn become_subreaper() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Reaps every child of this process that has ended, and says how each ended.
/// It does not wait.
///
/// This is the `wait(-1)` that takes other owners' children: a
/// [`Child`](crate::Child) whose process it reaps has lost its ending. Call
/// it where nobody else waits.
///
/// # Errors
/// None that the manual knows of (man 2 wait).
pub fn reap_all() -> io::Result<Vec<(Pid, Ending)>> {
    let mut reaped = Vec::new();
    while let Wait::Reaped(pid, ending) = wait_any()? {
        reaped.push((pid, ending));
    }
    Ok(reaped)
}

/// Kills everything below this process, whatever it does to stay alive, reaps
/// all its children, and says how each of those ended.
///
/// Call it in a process that is a subreaper ([`become_subreaper`]); else
/// daemons are beyond its reach. It takes the endings of other owners'
/// children, as [`reap_all`] does.
///
/// Processes are killed as they are found, until none is left; if new ones
/// keep turning up (a fork bomb), all are stopped first, which keeps their
/// places occupied, then killed. With no children it costs one system call.
///
/// # Errors
/// [`StillAlive`] if the deadline comes first, for instance because a process
/// runs as another user, or hangs in a driver: it says which.
pub fn end_descendants(deadline: Instant) -> Result<Vec<(Pid, Ending)>, StillAlive> {
    let mut reaped = Vec::new();
    let mut known = HashSet::new();
    let mut rounds_with_news = 0;
    let mut one_more = true;
    loop {
        let fault = match one_round(&mut reaped, &mut known, &mut rounds_with_news) {
            Ok(true) => return Ok(reaped),
            Ok(false) => None,
            // No descriptor left, perhaps: the bomb may have taken them all.
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            let processes = proc::family_of(me()).unwrap_or_default();
            // If the last round ended the last of them, they need only be reaped.
            let only_zombies = processes.iter().all(Stat::has_ended);
            if fault.is_some() || !only_zombies || !std::mem::take(&mut one_more) {
                return Err(StillAlive {
                    processes,
                    reaped,
                    fault,
                });
            }
        }
    }
}

fn me() -> Pid {
    std::process::id().cast_signed()
}

/// True when nothing is left.
fn one_round(
    reaped: &mut Vec<(Pid, Ending)>,
    known: &mut HashSet<Identity>,
    rounds_with_news: &mut u32,
) -> io::Result<bool> {
    /// Whoever is new in this many rounds was made by one that was killed too
    /// late: time to stop them all first.
    const PATIENCE: u32 = 3;
    loop {
        match wait_any()? {
            Wait::Reaped(pid, ending) => reaped.push((pid, ending)),
            Wait::NoChildren => return Ok(true),
            Wait::NoneEnded => break,
        }
    }
    let alive = living(proc::family_of(me())?);
    let news = alive
        .iter()
        .filter(|stat| known.insert(Identity::of(stat)))
        .count();
    *rounds_with_news += u32::from(news > 0);
    if *rounds_with_news > PATIENCE {
        stop_then_kill(|| proc::family_of(me()))?;
    } else {
        for stat in &alive {
            // One that runs as another user is reported at the deadline.
            _ = signal(stat, Signal::SIGKILL);
        }
    }
    await_a_change(&alive);
    Ok(false)
}

/// Stops all that `find` finds until nothing new turns up, then kills it.
/// Waits for no end and reaps nothing.
pub(crate) fn stop_then_kill(find: impl Fn() -> io::Result<Vec<Stat>>) -> io::Result<()> {
    /// A process may be so deep in the kernel that it does not stop for long;
    /// killing it need not wait for that.
    const PATIENCE: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + PATIENCE;
    let mut known = HashSet::new();
    let mut all_had_stopped = false;
    let mut found = living(find()?);
    loop {
        let mut news = false;
        for stat in &found {
            if known.insert(Identity::of(stat)) {
                news = true;
                _ = signal(stat, Signal::SIGSTOP);
            }
        }
        // Only what was seen stopped cannot be half-way through a fork; what
        // it forked before shows in the look after that.
        if (!news && (all_had_stopped || found.is_empty())) || Instant::now() >= deadline {
            break;
        }
        all_had_stopped = found.iter().all(cannot_fork);
        if !all_had_stopped {
            thread::yield_now();
        }
        found = living(find()?);
    }
    for stat in &found {
        _ = signal(stat, Signal::SIGKILL);
    }
    Ok(())
}

/// Whether none of its threads can be half-way through a fork: each has ended,
/// is stopped, or sleeps in the kernel out of reach of signals, as a parent in
/// vfork does: it will act on the stop before it can fork.
fn cannot_fork(process: &Stat) -> bool {
    let settled = |state: State| {
        let waits = matches!(state, State::Stopped | State::Traced | State::DiskSleep);
        waits || state.has_ended()
    };
    if process.threads <= 1 {
        return settled(process.state);
    }
    // A thread, or the process, that is gone by now does not fork either.
    let threads = proc::tasks(process.pid).unwrap_or_default();
    let states = threads
        .into_iter()
        .filter_map(|tid| proc::task_stat(process.pid, tid).ok());
    states.map(|thread| thread.state).all(settled)
}

fn living(mut family: Vec<Stat>) -> Vec<Stat> {
    family.retain(|stat| !stat.has_ended());
    family
}

/// Which process this is, for ever: its number is reused, but not within one
/// clock tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pid: Pid,
    start_ticks: u64,
}

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Identity {
        Identity {
            pid: stat.pid,
            start_ticks: stat.start_ticks,
        }
    }
}

/// Signals exactly this process: not one that has its number by now.
fn signal(stat: &Stat, signal: Signal) -> io::Result<()> {
    let process = pidfd::open(stat.pid)?;
    // The descriptor is for whoever has the number now; who is that?
    if Identity::of(&proc::stat(stat.pid)?) == Identity::of(stat) {
        pidfd::send(&process, signal)?;
    }
    Ok(())
}

/// Waits a moment for one of these to end, as they are about to, so that the
/// next look finds fewer.
fn await_a_change(processes: &[Stat]) {
    const MOMENT: Duration = Duration::from_millis(10);
    if let Some(process) = processes.last().and_then(|stat| pidfd::open(stat.pid).ok()) {
        _ = pidfd::await_end(&process, Some(Instant::now() + MOMENT));
    } else {
        thread::yield_now();
    }
}

enum Wait {
    Reaped(Pid, Ending),
    NoneEnded,
    NoChildren,
}

/// Reaps one child that has ended, whichever.
fn wait_any() -> io::Result<Wait> {
    loop {
        let mut status = 0;
        // __WALL: also children that were cloned to end without SIGCHLD.
        // SAFETY: the kernel writes one int, ours.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
        match pid {
            0 => return Ok(Wait::NoneEnded),
            1.. => {
                // Without WUNTRACED only endings are reported; a traced child
                // may stop, which is none.
                if let Some(ending) = Ending::from_raw(status) {
                    return Ok(Wait::Reaped(pid, ending));
                }
            }
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(Wait::NoChildren),
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// Something survived until the deadline.
#[derive(Debug)]
pub struct StillAlive {
    /// What is left below this process.
    pub processes: Vec<Stat>,
    /// The children that were reaped, and how each ended.
    pub reaped: Vec<(Pid, Ending)>,
    /// What went wrong in the last attempt, if anything did.
    pub fault: Option<io::Error>,
}

impl fmt::Display for StillAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        let count = self.processes.len();
        let noun = if count == 1 { "process" } else { "processes" };
        write!(f, "{count} {noun} could not be ended in time:")?;
        for stat in self.processes.iter().take(SHOWN) {
            write!(f, " {} ({}, {:?})", stat.pid, stat.comm, stat.state)?;
        }
        if self.processes.len() > SHOWN {
            f.write_str(" …")?;
        }
        match &self.fault {
            Some(fault) => write!(f, "; {fault}"),
            None => f.write_str("; do they run as another user (ps -o user,pid,stat,comm)?"),
        }
    }
}

impl error::Error for StillAlive {}
