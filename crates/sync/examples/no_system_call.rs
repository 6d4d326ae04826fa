//! Does a lock that no other thread wants enter the kernel? In seccomp's strict mode, a process may
//! only read, write and exit; the kernel kills it at any other system call. So the kernel itself
//! answers.

use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

use sync::Mutex;

/// Runs `work` in a child process in strict mode. Returns how the child ended.
fn in_strict_mode(work: impl FnOnce()) -> io::Result<&'static str> {
    // SAFETY: this process has only one thread, so the child may do what any process may do.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: these calls take plain numbers. In strict mode the child may end only by
            // `exit`, not by `exit_group`, which `std::process::exit` uses.
            unsafe {
                if libc::prctl(libc::PR_SET_SECCOMP, 1) != 0 {
                    libc::_exit(2);
                }
                work();
                libc::syscall(libc::SYS_exit, 0);
            }
            unreachable!("a thread that has called exit does not go on")
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is valid for writes.
            if unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
                return Err(io::Error::last_os_error());
            }
            Ok(match (libc::WIFSIGNALED(status), status) {
                (true, _) => "the kernel killed it at its first system call",
                (false, 0) => "it finished",
                _ => "this machine does not have strict mode",
            })
        }
    }
}

fn main() -> io::Result<()> {
    // ANCHOR: three_states
    let mutex = Mutex::new(0);
    let ended = in_strict_mode(|| {
        for _ in 0..1_000_000 {
            *mutex.lock() += 1;
        }
    })?;
    // ANCHOR_END: three_states
    println!("a million lockings, three states: {ended}");
    let state = AtomicU32::new(0);
    let ended = in_strict_mode(|| {
        while state.swap(1, Acquire) != 0 {
            futex::wait(&state, 1);
        }
        state.store(0, Release);
        futex::wake_one(&state);
    })?;
    println!("one locking, two states:          {ended}");
    Ok(())
}
