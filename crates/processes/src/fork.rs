//! A child that is a copy of this process and runs a closure.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::mem;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::unistd::{ForkResult, fork as fork_here};

use crate::between::errno;
use crate::proc::{self, State, Syscall};
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
/// standard error. This function waits until no other thread holds standard
/// output. If another thread held standard error during the fork, this function
/// ends the copy before `body` runs in it, waits for standard error, and forks
/// again. (The program gets a SIGCHLD for the first copy.) Your own locks, and
/// those of libraries, are safe only if no other thread uses them. So fork first
/// and start threads later, or start a program with [`Spec`](crate::Spec), which
/// has no such limits.
///
/// This function flushes standard output before it forks, so that buffered text
/// is not printed twice. The copy inherits all file descriptors, including
/// those that exec would close.
///
/// # Errors
/// EAGAIN if this user already has as many processes as the limit allows.
/// EMFILE if no file descriptor is left for the child's pidfd or, in a program
/// with threads, for a pipe.
pub fn fork(body: impl FnOnce() -> i32) -> io::Result<Child> {
    // If there is no other thread, none can hold a lock.
    let alone = proc::stat(std::process::id().cast_signed()).is_ok_and(|stat| stat.threads == 1);
    let pid = copy(body, !alone)?;
    match pidfd::open(pid) {
        Ok(pidfd) => Ok(Child::new(pid, pidfd, None, false)),
        Err(error) => {
            end(pid);
            Err(error)
        }
    }
}

/// [`fork`] without a [`Child`], for a caller that waits for the process in
/// another way, and that knows whether this process has other threads.
pub(crate) fn copy(body: impl FnOnce() -> i32, has_threads: bool) -> io::Result<Pid> {
    let mut body = Some(body);
    loop {
        let sign = if has_threads { Some(io::pipe()?) } else { None };
        if let Some(pid) = try_to_copy(&mut body, sign)? {
            return Ok(pid);
        }
        // Another thread holds standard error. Wait for it without holding
        // another lock, and try again.
        drop(io::stderr().lock());
    }
}

/// Forks. Returns `None` if the copy was useless, because another thread held
/// the lock of standard error: in the copy, no thread would ever release it.
/// Without a pipe for the copy's `sign`, there must be no other thread.
///
/// This thread must not hold standard output while it waits for standard error,
/// nor the other way round: it would deadlock with a thread that holds the one
/// and wants the other. So it takes only standard output, which it has to flush,
/// and the copy finds out whether standard error is free.
fn try_to_copy(
    body: &mut Option<impl FnOnce() -> i32>,
    sign: Option<(PipeReader, PipeWriter)>,
) -> io::Result<Option<Pid>> {
    let mut stdout = io::stdout().lock();
    // A broken standard output must not prevent the fork.
    _ = stdout.flush();
    // SAFETY: the documentation of `fork` says what the child may do. This
    // crate follows it, and the author of `body` must follow it too. A child
    // that does not may deadlock.
    match unsafe { fork_here() }? {
        ForkResult::Child => {
            if let Some((reader, mut writer)) = sign {
                // If another thread held this lock, the copy stops here.
                drop(io::stderr().lock());
                _ = writer.write_all(b"!");
                drop((reader, writer)); // `body` need not have them
            }
            // The copy can release this lock, because the thread that holds it
            // is the one thread that the copy has.
            drop(stdout);
            finish(body.take())
        }
        ForkResult::Parent { child } => {
            drop(stdout);
            let pid = child.as_raw();
            match sign {
                Some((reader, _)) if is_stuck(pid, &reader) => {
                    end(pid);
                    Ok(None)
                }
                _ => Ok(Some(pid)),
            }
        }
    }
}

/// Runs the body in the copy, and ends the copy.
fn finish(body: Option<impl FnOnce() -> i32>) -> ! {
    let run = || body.map_or(PANICKED, |body| body());
    // A panic must not unwind into the caller's stack frames.
    let status = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        // The payload's destructor may panic too, so we leak the payload.
        mem::forget(payload);
        PANICKED
    });
    _ = io::stdout().flush();
    // SAFETY: this ends the process without running exit handlers, which belong
    // to the parent.
    unsafe { libc::_exit(status) }
}

/// Waits until the copy gives its sign, and returns false; or until it is seen
/// to wait for a lock before that, and returns true.
fn is_stuck(copy: Pid, sign: &PipeReader) -> bool {
    const MOMENT: Duration = Duration::from_millis(1);
    loop {
        if has_bytes(sign, MOMENT) {
            return false;
        }
        let waits = match proc::stat(copy) {
            // Another process has killed it, so its lock does not matter.
            Ok(stat) if stat.has_ended() => return false,
            Ok(stat) => stat.state == State::Sleeping && is_in_futex(copy),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(_) => false,
        };
        // Look for the sign once more: after it, the copy may wait for anything.
        if waits && !has_bytes(sign, Duration::ZERO) {
            return true;
        }
    }
}

/// Whether this process waits in futex(2), as for a lock. True also if the
/// kernel does not tell.
fn is_in_futex(process: Pid) -> bool {
    match proc::syscall(process, process) {
        Ok(Syscall::Inside { number, .. }) => number == libc::SYS_futex,
        Ok(_) => false,
        Err(_) => true,
    }
}

fn has_bytes(pipe: &PipeReader, patience: Duration) -> bool {
    let mut watched = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let ready = ppoll(&mut watched, Some(TimeSpec::from_duration(patience)), None);
    ready.is_ok_and(|count| count > 0)
}

/// Kills and reaps a child of this process that nothing else knows of.
fn end(child: Pid) {
    // SAFETY: the arguments are numbers and a null pointer. The child is ours,
    // and no other process can get its number before we reap it.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        while libc::waitpid(child, ptr::null_mut(), 0) < 0 && errno() == libc::EINTR {}
    }
}
