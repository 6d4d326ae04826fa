//! Processes whose warden was killed by the code that it watched.
//!
//! A warden is the subreaper of all that its subject starts. Should it die
//! first, they become children of the judge, which is a subreaper too, and
//! ends them.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use processes::Pid;
use processes::proc;

/// The wardens that live: a process below this one that is not one of them
/// lost its warden, and must not outlive it.
pub(crate) fn wardens_of_this_process() -> MutexGuard<'static, HashSet<Pid>> {
    static SET: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);
    SET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends what a killed warden left: children of this process (a subreaper, it
/// inherited them) that are no wardens, started after that one, and are in a
/// session that is not this process's, which no subject can join.
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
