//! A lock in shared memory, for processes that may die while they hold it.
//!
//! ```text
//!  process 1: lock ── writes half of the data ── is killed
//!  process 2:     lock ···· waits in the kernel ····▶ gets the lock, and learns
//!                                                     that the data may be wrong
//! ```
//!
//! ```ignore
//! let lock = RobustLock::create(16)?; // 16 bytes, all zero
//! // Forked children use the same lock and the same bytes.
//! let mut guard = lock.lock()?;
//! if guard.is_inconsistent() {
//!     guard.fill(0); // repair what the dead process has left
//!     guard.mark_consistent();
//! }
//! guard[0] += 1;
//! ```

use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Some bytes that processes share, and a lock that protects them.
///
/// A process *holds* the lock from the moment at which [`lock`](RobustLock::lock)
/// or [`try_lock`](RobustLock::try_lock) returns a [`Guard`] to it, until it drops
/// this guard or ends. While a process is in the middle of one of these two calls,
/// or of the drop of its guard, it may hold the lock or not; if it ends there, the
/// next guard may be inconsistent. A process *waits* while it is in `lock` and
/// another process holds the lock. A process has *ended* as soon as it is a zombie,
/// whether or not its parent has waited for it.
///
/// The lock and its bytes:
/// - C1: A process that calls [`create`](RobustLock::create) and all processes
///   that descend from it by libc's `fork` afterwards use the same lock and the same
///   bytes, each through its own copy of the `RobustLock`. At the beginning, the
///   bytes are zero, no process holds the lock, and it is consistent. A guard
///   gives access to exactly `size` bytes, also if `size` is 0. A process that gets
///   the lock finds the bytes as the process that held it before has left them.
/// - C2: At most one process holds the lock. A process that holds it already gets
///   no second guard: `try_lock` returns `None`, and `lock` returns an error or
///   never returns.
/// - C3: Locks are independent of each other, whichever processes made them. A
///   process may hold up to 100 of them, however many its parent holds, release
///   them in any order, and end while it holds some of them.
///
/// Processes that end, stop or fork:
/// - C4: When a process ends while it holds the lock, however it ends, the lock is
///   free again: if processes wait for it, one of them gets it, and otherwise the
///   next one that calls. This works any number of times.
/// - C5: As long as the process that holds the lock has not ended, no other process
///   gets it: not after any time, and not while the holder is stopped (SIGSTOP). A
///   process that forgets its guard (`mem::forget`) holds the lock until it ends.
/// - C6: A process may end or be stopped while it waits, any number of times. Neither
///   changes anything for the others: the lock stays as it is, and when it becomes
///   free, another process that waits gets it at once, or at its next look (C12).
/// - C7: The process that called `lock` or `try_lock` holds the lock, and its
///   children do not. A child that it forks meanwhile has a copy of the guard.
///   Dropping this copy does nothing, even if the child holds the lock itself by
///   then, however often it has taken the lock before. The end of the child does
///   nothing either. If the parent ends, the lock is free, although the child lives
///   and has the copy.
/// - C8: A guard is inconsistent ([`is_inconsistent`](Guard::is_inconsistent)
///   returns `true`) if a process has ended while it held the lock, and if since
///   then no process has called [`mark_consistent`](Guard::mark_consistent). In all
///   other cases it is consistent. So a lock whose inconsistent guard is dropped
///   without a mark can still be used, and the next guard is inconsistent too.
///
/// What is left:
/// - C9: Dropping a `RobustLock` frees the memory and closes the descriptors that
///   this process has for it. Other processes that have the lock are not affected,
///   whether they hold it, wait for it or lock it later. The lock starts no process
///   and no thread, changes no signal mask or handler, and leaves no file, no name
///   and no other object in the system, also if all its processes are killed (but
///   not if one is killed in the middle of `create`). Its descriptors, if it has
///   any, are close-on-exec.
///
/// `RobustLock` and `Guard` need not be `Send`, `Sync` or `UnwindSafe`.
///
/// The contract does not cover the following cases:
/// - a process with more than one thread; a child that was not made by libc's `fork`,
///   but by a system call of one's own;
/// - a `RobustLock` that a process drops while it holds the lock (with a forgotten
///   guard);
/// - a copied guard of C7 that the child uses in another way than to drop it;
/// - a process that executes another program while it holds the lock;
/// - processes that wait for each other's locks;
/// - a process that gets the id of a dead process that has ever held the lock;
/// - processes of different users or in different PID namespaces;
/// - **a lost wake-up**: Process 1 is in the middle of `lock`, of `try_lock` or of the
///   drop of its guard, and no other process holds the lock. Process 2 is in `lock`,
///   and process 3 takes the lock at this moment. If process 1 ends or is stopped
///   now, process 2 may sleep longer than C6 and C11 say, even for ever. (The mutex
///   of glibc has this gap: process 1 was the one that had to wake process 2.)
#[derive(Debug)]
pub struct RobustLock {
    // Your fields.
}

impl RobustLock {
    /// Makes a lock that protects `size` bytes.
    ///
    /// # Errors
    /// - C10: If the kernel refuses the memory, a descriptor or anything else that
    ///   the lock needs, the call returns this error with its number
    ///   ([`io::Error::raw_os_error`]). If no memory can be as large as `size` demands
    ///   (`usize::MAX`, for example), it returns an error of any kind. After an error
    ///   nothing is left, and the call never panics. A descriptor may have any number,
    ///   also 0. A process that has a limit for the size of files ignores SIGXFSZ.
    #[allow(unused_variables)]
    pub fn create(size: usize) -> io::Result<RobustLock> {
        todo!("get memory that children will share, and prepare the lock in it")
    }

    /// Waits until this process holds the lock.
    ///
    /// - C11: If no process holds the lock, the call returns a guard. Otherwise it
    ///   waits until it gets the lock. When the lock becomes free while several
    ///   processes wait, one of them gets it, and the others go on waiting. There is no
    ///   limit of time. Signals that interrupt the call do not end it, however many
    ///   they are, in this call and in earlier ones.
    /// - C12: A process that waits sleeps in the kernel. Before it sleeps for the first
    ///   time, a call uses at most 5 ms of CPU time and yields at most 10 times
    ///   (sched_yield(2)). If it wakes up to look at the lock by itself, it does so at
    ///   most 40 times in each second of the call. Wake-ups by signals do not count.
    ///
    /// # Errors
    /// The process holds the lock already (C2), or the kernel refuses what the call
    /// needs. A process that has ended is not an error.
    pub fn lock(&self) -> io::Result<Guard<'_>> {
        todo!("wait for the lock; find out whether the last owner has died")
    }

    /// Takes the lock if no process holds it.
    ///
    /// - C13: The call never waits. It returns `None` if a process holds the lock, and
    ///   otherwise a guard, which can be inconsistent as well.
    ///
    /// # Errors
    /// The kernel refuses what the call needs.
    pub fn try_lock(&self) -> io::Result<Option<Guard<'_>>> {
        todo!("take the lock if it is free; find out whether the last owner has died")
    }
}

impl Drop for RobustLock {
    /// Frees what this process has of the lock, as C9 says.
    fn drop(&mut self) {
        todo!("free the memory, and close what is open")
    }
}

/// Access to the bytes: proof that this process holds the lock.
#[derive(Debug)]
pub struct Guard<'a> {
    // Your fields, instead of this one.
    lock: PhantomData<&'a RobustLock>,
}

impl Guard<'_> {
    /// Whether the bytes may be half written, because a process has ended while it
    /// held the lock (C8).
    pub fn is_inconsistent(&self) -> bool {
        todo!("say whether an owner has died since the last mark")
    }

    /// Declares that the bytes are in order. From now on this guard and all later
    /// ones are consistent, until a process ends again while it holds the lock,
    /// this one included (C8).
    pub fn mark_consistent(&mut self) {
        todo!("note for this guard and all later ones that the bytes are in order")
    }
}

impl Deref for Guard<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        todo!("the bytes")
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        todo!("the bytes")
    }
}

impl Drop for Guard<'_> {
    /// Releases the lock, also when a panic unwinds. An unwinding panic does
    /// not make the lock inconsistent, because the process has not ended (C8).
    fn drop(&mut self) {
        todo!("release the lock, if this process holds it")
    }
}
