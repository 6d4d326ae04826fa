//! A child that is a copy of this process and runs a closure.

use crate::between::errno;
use crate::{Child, Pid, pidfd};
use nix::unistd::{ForkResult, fork as fork_here};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// The status of a child whose closure panicked; what Rust gives a program
/// whose `main` panics.
pub const PANICKED: i32 = 101;

/// Copies this process (man 2 fork); the copy runs `body` and exits with the
/// status that it returns, or [`PANICKED`]. It never runs on into the code
/// behind this call, and runs no destructor but `body`'s own.
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
/// that moment stays locked in the copy for ever, and whatever it protects may
/// be half-changed. The memory allocator (as the C library promises) and the
/// locks of standard output and standard error (which this function holds
/// meanwhile) are safe to use; your own locks, and those of libraries, are only
/// if no other thread uses them. Fork first, start threads later; or start a
/// program with [`Spec`](crate::Spec), which has no such limits.
///
/// What was printed and not yet flushed is flushed before, so that it does not
/// come out twice. The copy inherits all descriptors, also those that exec
/// would close.
///
/// # Errors
/// EAGAIN: this user has as many processes as allowed; EMFILE: no descriptor is
/// left to watch the child with.
pub fn fork(body: impl FnOnce() -> i32) -> io::Result<Child> {
    let pid = copy(body)?;
    match pidfd::open(pid) {
        Ok(pidfd) => Ok(Child::new(pid, pidfd, None, false)),
        Err(error) => {
            // SAFETY: numbers and a null pointer; the child is ours, and its
            // number its own until it is reaped.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                while libc::waitpid(pid, ptr::null_mut(), 0) < 0 && errno() == libc::EINTR {}
            }
            Err(error)
        }
    }
}

/// [`fork`] for whoever waits for the child in another way.
pub(crate) fn copy(body: impl FnOnce() -> i32) -> io::Result<Pid> {
    // In the order in which programs nest them: one that writes to stdout
    // complains to stderr.
    let mut stdout = io::stdout().lock();
    let stderr = io::stderr().lock();
    // A broken standard output is no reason not to fork.
    _ = stdout.flush();
    // SAFETY: what the child may do is said above; this crate keeps to it, and
    // the author of `body` was told. Getting it wrong means waiting for ever.
    match unsafe { fork_here() }? {
        ForkResult::Child => {
            // Held by this thread, which the copy has, so they can be released.
            drop((stderr, stdout));
            // The caller's frames lie above us and must not be unwound.
            let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED);
            _ = io::stdout().flush();
            // SAFETY: ends this process; exit handlers are the parent's affair.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => Ok(child.as_raw()),
    }
}
