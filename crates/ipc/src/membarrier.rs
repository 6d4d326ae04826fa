//! membarrier(2): a memory barrier on all CPUs at once, so that those who are in
//! a hurry need none.
//!
//! Where one side of a protocol runs a million times a second and the other
//! once in a while, a fence on both is a bad bargain: after a store to a cache
//! line that another CPU reads, a fence waits until the line has come back,
//! about a hundred times as long as the store. The rare side can have the kernel
//! interrupt the CPUs on which the others run, and a CPU that was interrupted
//! has finished its stores.

use std::ffi::c_int;
use std::sync::OnceLock;

/// Has this process, and those forked from it, take part in [`everywhere`];
/// false if the kernel does not offer that (before Linux 4.16, or in a
/// sandbox).
pub(crate) fn register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
}

/// Whoever runs in a process that takes part has gone through a full memory
/// barrier between the call and the return of this function. So has the caller.
pub(crate) fn everywhere() -> bool {
    call(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn call(command: c_int) -> bool {
    // SAFETY: numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `ring` relies on when its ends live in a parent and its child. The
    /// private command fails in a process that is not registered, so it tells.
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
