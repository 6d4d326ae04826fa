//! Processes whose warden was killed by the code that it watched.
//!
//! A warden is the subreaper of everything that its subject starts: it adopts
//! the orphans (man 2 prctl, PR_SET_CHILD_SUBREAPER). If the warden dies first,
//! they become children of the judge, which is a subreaper too and ends them.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use processes::Pid;
use processes::proc;

/// The wardens that are alive. A child of this process that is not among them
/// has lost its warden and must not outlive it.
pub(crate) fn wardens_of_this_process() -> MutexGuard<'static, HashSet<Pid>> {
    static SET: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);
    SET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the processes that a killed warden left behind. They are children of
/// this process (a subreaper, which inherited them) that are not wardens, that
/// started after the killed warden, and that are in another session than this
/// process. (No subject can join this process's session.)
pub(crate) fn end_orphans(wardens: &HashSet<Pid>, since: u64) {
    let me = std::process::id() as Pid;
    let Ok(ours) = proc::stat(me).map(|stat| stat.session) else {
        return;
    };
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let orphans: Vec<Pid> = proc::children(me)
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| !wardens.contains(pid))
            .filter_map(|pid| proc::stat(pid).ok())
            .filter(|stat| stat.session != ours && stat.start_ticks >= since)
            .map(|stat| stat.pid)
            .collect();
        if orphans.is_empty() || Instant::now() > until {
            return;
        }
        for orphan in orphans {
            let pid = nix::unistd::Pid::from_raw(orphan);
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}
