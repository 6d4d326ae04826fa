//! The judges that run, and what they leave behind.
//!
//! A judge's wardens end everything below them. A judge that the code kills
//! takes that with it only in part: its wardens notice and end what they
//! started, but a process that lost its warden too becomes a child of this
//! process, which is a subreaper, and is ended here.

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

/// Started by [`start`] and not yet ended by [`end`].
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

/// Reaps a judge that has ended, after everything that it left; with `kill`
/// also one that has not ended.
///
/// # Errors
/// Somebody else reaped it.
pub fn end(judge: &mut Child, kill: bool) -> io::Result<Ending> {
    let pid = judge.pid();
    if kill {
        judge.signal(Signal::SIGKILL)?;
    }
    let until = Instant::now() + PATIENCE;
    // Its wardens, which are in its session, see it go and clean up.
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
    let ending = judge.wait()?;
    let mut all = JUDGES.lock().unwrap_or_else(PoisonError::into_inner);
    all.remove(&pid);
    // What lost its warden as well. Whose session is a running judge's is not
    // lost: it has just been started.
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

fn running() -> BTreeSet<Pid> {
    JUDGES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Children of this process that it did not start: they lost their parent.
/// What this process starts stays in its session, but for the judges.
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
