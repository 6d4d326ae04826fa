//! Learn from SIGCHLD that children have ended, and reap those that you were
//! told to watch.
//!
//! ```text
//!  a child ends ── SIGCHLD ──▶ handler ── one byte ──▶ pipe ──▶ poll returns
//!                                                                  │
//!                     waitpid(each watched child, WNOHANG) ◀───────┘
//! ```
//!
//! ```ignore
//! let mut reaper = Reaper::install()?;
//! reaper.watch(child)?;
//! for (child, ending) in reaper.wait()? {
//!     println!("{child} ended: {ending:?}");
//! }
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::unistd::Pid;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Reaps the children that it watches, and no others. A process has at most one
/// reaper at a time.
///
/// While the reaper exists, nothing else changes what SIGCHLD does, and nothing
/// else waits for a watched child. Nobody sends a watched child a real-time
/// signal (32 to 64). `install` and `drop` are called while the process has one
/// thread.
///
/// A copy of the reaper that `fork` makes in a child process is not used there:
/// the child calls no method of it, does not drop it, and installs no reaper of
/// its own. The handler may run in that child until it executes another program.
#[derive(Debug)]
pub struct Reaper {
    // Your fields.
}

impl Reaper {
    /// Installs a handler for SIGCHLD that makes the reaper's descriptor readable.
    ///
    /// - C1: Until the reaper is dropped, this handler takes the place of what
    ///   SIGCHLD did before: an earlier handler is not called, and its flags no
    ///   longer count. Neither this call nor a later one changes anything else in
    ///   the process: no other signal's disposition, no limit, and it starts no
    ///   process and no thread. A pending signal stays pending. After each call,
    ///   the signal mask is what it was before; during a call, further signals
    ///   may be blocked, but a signal that the caller blocks is never let through.
    ///   At no time does the reaper have more than four descriptors open, however
    ///   many children it watches, and all of them are close-on-exec.
    /// - C2: The handler may run at any moment: while the thread allocates memory,
    ///   while one of this type's own methods runs, or while another thread runs
    ///   it too. So the handler neither allocates nor frees memory, takes no lock
    ///   and prints nothing. When it returns, the `errno` of its thread is what it
    ///   was before. All this holds whatever the reason for the signal is (a child
    ///   has ended, stopped or continued, or a process has called kill(2)).
    /// - C3: The handler never blocks, even if 100,000 SIGCHLD arrive before the
    ///   next call of a method. This also holds after a call that returned an
    ///   error.
    /// - C4: SIGCHLD does not make the caller's system calls fail with EINTR if
    ///   the kernel can repeat them (SA_RESTART, see signal(7)), whatever SIGCHLD
    ///   did before.
    ///
    /// # Errors
    /// - C5: If the process has a reaper already, the call returns EBUSY. If it
    ///   cannot make a descriptor, it returns the error of that system call
    ///   (EMFILE, for example). If both are true, it returns one of the two
    ///   errors. If the process may open four more descriptors, it can make those
    ///   that it needs. After an error, everything is as it was before the call:
    ///   the disposition of SIGCHLD, the descriptors, and a reaper that exists
    ///   already. A later call can succeed.
    pub fn install() -> io::Result<Reaper> {
        todo!("make a pipe, put it where the handler finds it, install the handler")
    }

    /// From now on, `child` is watched: the reaper waits for it.
    ///
    /// - C6: It does not matter whether `child` is still running or has already
    ///   ended, even before the reaper was installed, nor how many SIGCHLD have
    ///   arrived. A child is watched until `reap` or `wait` has returned it, also
    ///   if a call that returned an error has reaped it (C11). Watching a child
    ///   that is already watched returns `Ok` and changes nothing; only the
    ///   descriptor may become readable (C13). (The kernel may give the number of
    ///   a child that was reaped to a new child. The caller watches the new child
    ///   only after the ending of the old one has been returned.)
    ///
    /// # Errors
    /// - C7: If `child` is not a child of this process, the call returns ECHILD,
    ///   and nothing else happens; only the descriptor may become readable (C13).
    ///   0 and negative numbers are never children. Nor is a child of a child, or
    ///   a thread of a child that is not its first one. A child for which somebody
    ///   has already waited is no child any more. If waitid(2) fails with another
    ///   error, the call returns that error. (Every child sends SIGCHLD when it
    ///   ends, and the process traces no process that is not its child.)
    #[allow(unused_variables)]
    pub fn watch(&mut self, child: Pid) -> io::Result<()> {
        todo!("look whether it is a child, and remember it")
    }

    /// Returns the watched children that have ended, without waiting.
    ///
    /// - C8: The call returns every watched child that has ended before the call,
    ///   in any order, whatever number of signals has arrived for them, and also
    ///   if SIGCHLD is blocked. It returns each child once: the child is then
    ///   reaped and is no longer watched. If none has ended, the call returns an
    ///   empty vector at once.
    /// - C9: With each child comes its ending: [`Ending::Exited`] with the exit
    ///   code (0 to 255), or [`Ending::Killed`] with the number of the signal (1
    ///   to 31), whether or not the kernel wrote a core file. A child that has
    ///   stopped, or that continues, has not ended. This also holds for a child
    ///   that the caller traces (ptrace(2)).
    /// - C10: No method, nor the handler, waits for a child that is not watched.
    ///   Whether such a child runs, has stopped or has ended: the caller can
    ///   still wait for it.
    ///
    /// # Errors
    /// - C11: If waitpid(2) or waitid(2) fails, the call returns its error,
    ///   whichever it is (also ECHILD). The call may still ask for the other
    ///   children; if several system calls fail, it returns one of their errors.
    ///   No ending gets lost, however many calls fail: every child that was
    ///   watched is still watched, and a later call returns its ending, even if
    ///   this call had already reaped the child.
    pub fn reap(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        todo!("empty the pipe, and ask for each watched child with WNOHANG")
    }

    /// Waits until at least one watched child has ended, and returns all that
    /// have, as [`reap`](Reaper::reap) does.
    ///
    /// - C12: The call sleeps until then: it does not keep a CPU busy. (To wake up
    ///   some times a second and look is allowed.) There is no limit of time.
    ///   Other signals, a SIGCHLD for which no watched child has ended, other
    ///   children that end, and children that stop do not end the wait, however
    ///   many there are. A child may end at any moment of the call, and the
    ///   descriptor may have any number. If no child is watched, the call returns
    ///   an empty vector at once. The thread that waits may block SIGCHLD if
    ///   another thread of the process does not. (If all threads block SIGCHLD,
    ///   the wait may last for ever, even if a watched child had ended before.)
    ///
    /// # Errors
    /// Those of `reap`, as C11 says.
    pub fn wait(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        todo!("reap; if that returned nothing, sleep until the pipe is readable, and repeat")
    }
}

/// For `poll`.
///
/// - C13: Whenever none of the methods above is running, the descriptor is
///   readable (POLLIN) if a watched child has ended and has not been returned;
///   this also holds after an error. (If SIGCHLD is blocked, the child counts
///   only from the moment when the handler has run.) After `reap` or `wait` has
///   returned `Ok`, the descriptor is readable only if, since that call began,
///   the handler has run or `watch` was called, with whatever result. So it may
///   be readable although no watched child has ended. The caller only polls the
///   descriptor, and does not read from it.
impl AsFd for Reaper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!("the end of the pipe that becomes readable")
    }
}

/// - C14: Dropping the reaper restores what SIGCHLD did before `install`
///   (handler, flags, and the mask with its real-time signals), closes the
///   reaper's descriptors and frees its memory, also after an error. A pending
///   SIGCHLD stays pending. (If SIGCHLD had no handler before `install`, the
///   kernel itself discards it.) Dropping neither waits for a child nor ends one:
///   the caller can wait for each watched child that no call has returned, running
///   or ended. There are two exceptions: a call of `reap` or `wait` that returned
///   an error may have reaped the child (`watch` reaps nothing); and if SIGCHLD
///   was ignored before `install` (SIG_IGN or SA_NOCLDWAIT), the kernel keeps no
///   ending of a child that ends after the drop. After the drop, `install` can
///   make another reaper, any number of times.
impl Drop for Reaper {
    fn drop(&mut self) {
        todo!("put back what was there before")
    }
}
