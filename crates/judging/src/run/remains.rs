//! Starts judges, and ends what they leave behind.
//!
//! The wardens of a judge end all processes below them. If the learner's code
//! kills the judge, its wardens notice that and end what they started. But a
//! process that has lost its warden as well becomes a child of this process,
//! which is a subreaper, and this module ends it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitPidFlag, waitpid};
use processes::proc::{self, Stat};
use processes::{Child, Ending, Pid, SpawnError, Spec};

/// How long the wardens of a judge that has ended may take to clean up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The judges that [`start`] has started and [`end`] has not yet ended.
static JUDGES: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());

/// Starts a judge.
///
/// # Errors
/// It cannot be started.
pub fn start(spec: Spec) -> Result<Child, SpawnError> {
    // Only kernels that are too old to run this program refuse it.
    let _ = processes::become_subreaper();
    let mut all = JUDGES.lock().unwrap_or_else(PoisonError::into_inner);
    let judge = spec.spawn()?;
    all.insert(judge.pid());
    Ok(judge)
}

/// Reaps a judge that has ended, after everything that it left behind has
/// ended. With `kill`, it first ends a judge that still runs.
///
/// # Errors
/// Somebody else has reaped the judge.
pub fn end(judge: &mut Child, kill: bool) -> io::Result<Ending> {
    let pid = judge.pid();
    if kill {
        judge.signal(Signal::SIGKILL)?;
    }
    let until = Instant::now() + PATIENCE;
    // The judge's wardens, which are in its session, notice its end and clean up.
    loop {
        let wardens: Vec<Stat> = orphans(&running())
            .into_iter()
            .filter(|stat| stat.session == pid)
            .collect();
        if wardens.is_empty() || Instant::now() > until {
            break;
        }
        wardens
            .iter()
            .filter(|stat| stat.has_ended())
            .for_each(reap);
        thread::sleep(Duration::from_millis(2));
    }
    let _ = judge.kill_tree();
    // While the lock is held, each number in the list is still that of its judge.
    let mut all = JUDGES.lock().unwrap_or_else(PoisonError::into_inner);
    let ending = judge.wait()?;
    all.remove(&pid);
    // Now the processes that have lost their warden as well. A judge that
    // another thread has just started is not among them, because it is in
    // `all`.
    loop {
        let lost = orphans(&all);
        if lost.is_empty() || Instant::now() > until {
            return Ok(ending);
        }
        for stat in &lost {
            let _ = signal::kill(nix::unistd::Pid::from_raw(stat.pid), Signal::SIGKILL);
            reap(stat);
        }
    }
}

/// Kills the judges that run, and waits until [`end`] has ended what they left
/// behind, but not beyond the deadline. The wardens live on for a moment: only
/// they know which message queues and the like their subjects have made.
pub fn end_all(deadline: Instant) {
    loop {
        let all = JUDGES.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() || Instant::now() >= deadline {
            return;
        }
        for judge in &*all {
            let _ = signal::kill(nix::unistd::Pid::from_raw(*judge), Signal::SIGKILL);
        }
        drop(all);
        thread::sleep(Duration::from_millis(2));
    }
}

fn running() -> BTreeSet<Pid> {
    JUDGES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Children of this process that it did not start: they have lost their parent.
/// Except for the judges, everything that this process starts stays in its
/// session.
fn orphans(judges: &BTreeSet<Pid>) -> Vec<Stat> {
    let me = std::process::id().cast_signed();
    let Ok(ours) = proc::stat(me).map(|stat| stat.session) else {
        return Vec::new();
    };
    let children = proc::children(me).unwrap_or_default().into_iter();
    children
        .filter_map(|pid| proc::stat(pid).ok())
        .filter(|stat| stat.session != ours && !judges.contains(&stat.pid))
        .collect()
}

fn reap(stat: &Stat) {
    let pid = nix::unistd::Pid::from_raw(stat.pid);
    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
    proctor::remove_temporary_folder(stat.pid);
}
