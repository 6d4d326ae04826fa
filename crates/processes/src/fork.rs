//! A child that is a copy of this process and runs a closure.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use nix::unistd::{ForkResult, fork as fork_here};

use crate::between::errno;
use crate::{Child, Pid, pidfd};

/// The exit status of a child whose closure panicked. It is the status of a
/// Rust program whose `main` panics.
pub const PANICKED: i32 = 101;

/// Copies this process (man 2 fork). The copy runs `body` and exits with the
/// status that `body` returns, or with [`PANICKED`] if `body` panics. The copy
/// never continues into the code after this call, and it runs no destructors
/// except those of `body`.
///
/// ```
/// let mut secret = 41;
/// let mut child = processes::fork(|| {
///     secret += 1; // in the copy
///     secret
/// })?;
/// assert_eq!(child.wait()?.status(), Some(42));
/// assert_eq!(secret, 41);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In a program with threads
/// The copy has one thread, the caller's. A lock that another thread held at
/// that moment stays locked in the copy for ever, and the data that it protects
/// may be half-changed. Two kinds of locks are safe: those of the memory
/// allocator (the C library promises this), and those of standard output and
/// standard error (this function holds them during the fork). Your own locks,
/// and those of libraries, are safe only if no other thread uses them. So fork
/// first and start threads later, or start a program with
/// [`Spec`](crate::Spec), which has no such limits.
///
/// This function flushes standard output before it forks, so that buffered text
/// is not printed twice. The copy inherits all file descriptors, including
/// those that exec would close.
///
/// # Errors
/// EAGAIN if this user already has as many processes as the limit allows.
/// EMFILE if no file descriptor is left for the child's pidfd.
pub fn fork(body: impl FnOnce() -> i32) -> io::Result<Child> {
    let pid = copy(body)?;
    match pidfd::open(pid) {
        Ok(pidfd) => Ok(Child::new(pid, pidfd, None, false)),
        Err(error) => {
            // SAFETY: the arguments are numbers and a null pointer. The child
            // is ours, and no other process can get its number before we reap
            // it.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                while libc::waitpid(pid, ptr::null_mut(), 0) < 0 && errno() == libc::EINTR {}
            }
            Err(error)
        }
    }
}

/// [`fork`] without a [`Child`], for a caller that waits for the process in
/// another way.
pub(crate) fn copy(body: impl FnOnce() -> i32) -> io::Result<Pid> {
    // Lock them in the order in which programs nest them: code that holds
    // stdout may write an error message to stderr.
    let mut stdout = io::stdout().lock();
    let stderr = io::stderr().lock();
    // A broken standard output must not prevent the fork.
    _ = stdout.flush();
    // SAFETY: the documentation of `fork` says what the child may do. This
    // crate follows it, and the author of `body` must follow it too. A child
    // that does not may deadlock.
    match unsafe { fork_here() }? {
        ForkResult::Child => {
            // The copy can release these locks, because the thread that holds
            // them is the one thread that the copy has.
            drop((stderr, stdout));
            // A panic must not unwind into the caller's stack frames.
            let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED);
            _ = io::stdout().flush();
            // SAFETY: this ends the process without running exit handlers,
            // which belong to the parent.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => Ok(child.as_raw()),
    }
}
