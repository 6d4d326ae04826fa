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
use processes::proc::{self, State};

use crate::wire::ROLE;

/// The wardens that live: a process below this one that is not one of them
/// lost its warden, and must not outlive it.
pub(crate) fn wardens_of_this_process() -> MutexGuard<'static, HashSet<Pid>> {
    static SET: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);
    SET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends orphans whose warden was killed: this process, a subreaper, inherited them.
pub(crate) fn adopt_nobody(wardens: &HashSet<Pid>) {
    let me = std::process::id() as Pid;
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let orphans: Vec<Pid> = proc::children(me)
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| !wardens.contains(pid))
            .filter(|pid| carries_role(*pid))
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

/// Whether a process stems from a subject: its environment says so, or it is
/// a zombie and has none.
fn carries_role(pid: Pid) -> bool {
    let marker = format!("{ROLE}=");
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
        environ
            .split(|b| *b == 0)
            .any(|v| v.starts_with(marker.as_bytes()))
    }) || proc::stat(pid).is_ok_and(|stat| stat.state == State::Zombie)
}
