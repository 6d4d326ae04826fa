//! membarrier(2): a memory barrier on all CPUs at once, so that threads on a
//! fast path need no barrier of their own.
//!
//! If one side of a protocol runs a million times a second and the other side
//! only rarely, a fence on both sides costs too much. After a store to a cache
//! line that another CPU reads, a fence waits until the line has come back.
//! This takes about a hundred times as long as the store. Instead, the rare
//! side can ask the kernel to interrupt the CPUs on which the other side's
//! threads run. A CPU that was interrupted has finished its stores.

use std::ffi::c_int;
use std::sync::OnceLock;

/// Registers this process, and the processes that it forks, for [`everywhere`].
/// Returns false if the kernel does not offer this (before Linux 4.16, or in a
/// sandbox).
pub(crate) fn register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
}

/// Makes every running thread of every registered process go through a full
/// memory barrier between the call and the return of this function. The caller
/// also goes through one. Returns false if the system call failed.
pub(crate) fn everywhere() -> bool {
    call(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn call(command: c_int) -> bool {
    // SAFETY: all arguments are numbers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ring` relies on this when its ends are in a parent and its child. The
    /// private command fails in a process that is not registered for it, so it
    /// shows whether the child inherits a registration.
    #[test]
    fn a_forked_process_takes_part_like_its_parent() {
        if !call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
            eprintln!("skipped: the kernel does not offer membarrier here");
            return;
        }
        let mut child =
            processes::fork(|| i32::from(!call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED))).unwrap();
        assert!(child.wait().unwrap().success());
    }
}
