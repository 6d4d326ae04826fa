//! Ending all descendants of a process, including fork bombs and daemons.
//!
//! ```text
//!   before                  the child ends:              the child ends,
//!                                                        with a subreaper:
//!   supervisor              supervisor                   supervisor
//!    └ child                                              └ daemon
//!       └ daemon            init
//!                            └ daemon   (out of reach)
//! ```
//!
//! When a process ends, the kernel gives its children a new parent: the nearest
//! ancestor that is a subreaper (man 2 prctl, `PR_SET_CHILD_SUBREAPER`), or
//! else init. So no descendant can escape from a subreaper: a subreaper without
//! children has no descendants.

use std::collections::HashSet;
use std::time::{Duration, Instant};
use std::{error, fmt, io, thread};

use crate::proc::{self, Stat, State};
use crate::{Ending, Pid, Signal, pidfd};

/// Makes this process a subreaper: it adopts its orphaned descendants, those
/// that exist now and later ones, until it ends. Children do not inherit this
/// setting.
///
/// From now on this process must also reap children that it did not start; see
/// [`reap_all`].
///
/// # Errors
/// None on any Linux since 3.4.
pub fn become_subreaper() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Reaps every child of this process that has ended, and returns how each of
/// them ended. It does not wait for children that still run.
///
/// Like `wait(-1)`, it also reaps children that belong to other code in this
/// process. If it reaps the process of a [`Child`](crate::Child), that `Child`
/// can no longer tell how the process ended. Call this function only where no
/// other code waits for children.
///
/// # Errors
/// None that the manual (man 2 wait) documents.
pub fn reap_all() -> io::Result<Vec<(Pid, Ending)>> {
    let mut reaped = Vec::new();
    while let Wait::Reaped(pid, ending) = wait_any()? {
        reaped.push((pid, ending));
    }
    Ok(reaped)
}

/// Kills all descendants of this process, even those that try to stay alive,
/// reaps all its children, and returns how each child ended.
///
/// Call it in a process that is a subreaper ([`become_subreaper`]); otherwise
/// it cannot find daemons. Like [`reap_all`], it also reaps children that
/// belong to other code in this process.
///
/// It kills processes as it finds them, until none is left. If new ones keep
/// turning up (a fork bomb), it first stops all of them and then kills them:
/// stopped processes cannot fork, but they still occupy their places. Without
/// children, it costs one system call.
///
/// # Errors
/// [`StillAlive`] if the deadline passes first, for instance because a process
/// runs as another user or hangs in a device driver. The error lists the
/// processes that are left.
pub fn end_descendants(deadline: Instant) -> Result<Vec<(Pid, Ending)>, StillAlive> {
    let mut reaped = Vec::new();
    let mut known = HashSet::new();
    let mut rounds_with_news = 0;
    let mut one_more = true;
    loop {
        let fault = match one_round(&mut reaped, &mut known, &mut rounds_with_news) {
            Ok(true) => return Ok(reaped),
            Ok(false) => None,
            // Perhaps no file descriptor is left, because the fork bomb has
            // used up all of them.
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            let processes = proc::family_of(me()).unwrap_or_default();
            // If the last round killed the last processes, they are zombies,
            // and one more round reaps them.
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

/// Reaps the children that have ended, and stops or kills the processes that
/// are left. Returns true when there are no children any more.
fn one_round(
    reaped: &mut Vec<(Pid, Ending)>,
    known: &mut HashSet<Identity>,
    rounds_with_news: &mut u32,
) -> io::Result<bool> {
    /// If more rounds than this find new processes, these fork faster than they
    /// are killed one by one. Then all of them are stopped first.
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
            // If this fails because the process runs as another user, the
            // process is reported at the deadline.
            _ = signal(stat, Signal::SIGKILL);
        }
    }
    await_a_change(&alive);
    Ok(false)
}

/// Stops all processes that `find` returns until no new ones turn up, then
/// kills them. It does not wait for their end and reaps nothing.
pub(crate) fn stop_then_kill(find: impl Fn() -> io::Result<Vec<Stat>>) -> io::Result<()> {
    /// A process that is busy in the kernel may take long to stop. After this
    /// time it is killed without having stopped.
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
        // A process may be in the middle of a fork until we have seen it
        // stopped. A child that it forked before that shows up in the next
        // scan.
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

/// Whether no thread of the process can be in the middle of a fork. That is so
/// if each thread has ended, is stopped, or sleeps uninterruptibly (`D`), as a
/// parent does during vfork: such a thread acts on the stop signal before it
/// can fork.
fn cannot_fork(process: &Stat) -> bool {
    let settled = |state: State| {
        let waits = matches!(state, State::Stopped | State::Traced | State::DiskSleep);
        waits || state.has_ended()
    };
    if process.threads <= 1 {
        return settled(process.state);
    }
    // A thread or process that is gone by now cannot fork either.
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

/// Identifies one process for ever. The kernel reuses process numbers, but not
/// within one clock tick.
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

/// Sends a signal to exactly this process, and never to a later process with
/// the same number.
fn signal(stat: &Stat, signal: Signal) -> io::Result<()> {
    let process = pidfd::open(stat.pid)?;
    // The pidfd refers to the process that has the number now. Is that still
    // the same process?
    if Identity::of(&proc::stat(stat.pid)?) == Identity::of(stat) {
        pidfd::send(&process, signal)?;
    }
    Ok(())
}

/// Waits briefly for one of these processes to end, so that the next scan finds
/// fewer. They have just been killed.
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

/// Reaps any one child that has ended.
fn wait_any() -> io::Result<Wait> {
    loop {
        let mut status = 0;
        // __WALL also waits for children that were cloned with another exit
        // signal than SIGCHLD.
        // SAFETY: the kernel writes one int, ours.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
        match pid {
            0 => return Ok(Wait::NoneEnded),
            1.. => {
                // Without WUNTRACED the kernel reports only endings, except
                // that it also reports when a traced child stops. A stop is not
                // an ending.
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

/// Some descendants of this process survived until the deadline.
#[derive(Debug)]
pub struct StillAlive {
    /// The descendants of this process that are left.
    pub processes: Vec<Stat>,
    /// The children that were reaped, and how each ended.
    pub reaped: Vec<(Pid, Ending)>,
    /// The error of the last attempt, if it failed.
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
