//! A spin lock: a lock made of an atomic, whose waiters try again until it is free.
//!
//! ```text
//! static HITS: SpinLock<u64> = SpinLock::new(0);
//!
//! *HITS.lock() += 1;      // the guard lives to the end of the statement
//! ```

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A value that one thread at a time may use.
///
/// The lock is *held* from the moment at which a call of `lock` or `try_lock`
/// takes it until the guard is dropped; otherwise it is *free*. A guard that is
/// passed to `mem::forget` is never dropped, so its lock stays held for ever.
///
/// - C1: At any time at most one thread holds the lock. It makes no difference
///   how many threads lock it, and how often they have done so before.
/// - C2: Locks are independent of each other: a thread that holds one lock, or
///   a thousand, keeps nobody from taking another one.
/// - C3: The lock does not wear out: after a million lockings it works as after
///   the first. If it counts, its counter wraps around and does not panic.
/// - C4: It is not reentrant: if the thread that holds the lock calls `lock`
///   again, that call waits for ever. It does not return, and it does not panic.
/// - C5: The lock is `Send` exactly where `T` is `Send`, and it is `Sync`
///   exactly where `T` is `Send`.
/// - C6: Everything here works for every sized `T`, without any other bound:
///   for values that must stay on their thread, that borrow, that have no size.
/// - C7: The value is dropped exactly once: together with the lock, or by the
///   caller of `into_inner`. A forgotten guard changes nothing about that.
/// - C8: The lock leaves nothing behind and changes nothing else. Its memory is
///   free when it has been dropped (what a forgotten guard owns may stay). It
///   starts no thread, leaves no file open, and changes neither the CPUs nor the
///   priority, the scheduling policy or the signal mask of the calling thread.
pub struct SpinLock<T> {
    // Replace this by what the lock needs.
    value: PhantomData<T>,
}

impl<T> SpinLock<T> {
    /// - C9: Makes a free lock around `value`, also for a `static`: the function
    ///   is `const`.
    pub const fn new(value: T) -> Self {
        std::mem::forget(value);
        todo!()
    }

    /// Waits until the lock is free, and takes it.
    ///
    /// - C10: It waits as long as it takes: it does not give up, it does not
    ///   panic, and it notices when the lock has become free.
    /// - C11: A waiter tries again by itself. Between two attempts it may do
    ///   nothing, read a clock, call `yield_now`, or sleep for at most a second.
    ///   It never sleeps until another thread wakes it.
    /// - C12: Everything that earlier holders did before they dropped their
    ///   guards happens before `lock` returns, and before `try_lock` returns a
    ///   guard.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        todo!("take the lock, or try again")
    }

    /// Takes the lock if it is free; never waits.
    ///
    /// - C13: It returns a guard if the lock is free: it returns `None` only if
    ///   another thread or the calling thread held the lock at some moment
    ///   during the call. (If dropping a guard hands the lock over to a certain
    ///   waiter, as in a ticket lock, that waiter holds it from then on.)
    /// - C14: While the lock is held, by whichever thread, it returns `None` after a
    ///   few steps: it does not wait, sleep or yield in the hope that the lock
    ///   becomes free.
    /// - C15: `None` leaves the lock as it is: its holder still holds it, and the
    ///   threads that wait for it get it as if nobody had tried.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        todo!("take the lock, or give up")
    }

    /// The value, without locking: a `&mut` proves that no guard is in use.
    ///
    /// - C16: `get_mut` and `into_inner` do not take the lock. They return at once,
    ///   also after a guard was forgotten, and give the value as its last user
    ///   left it. The compiler refuses both while a guard is in use. `get_mut`
    ///   may free a lock that a forgotten guard holds, or leave it held.
    pub fn get_mut(&mut self) -> &mut T {
        let _ = self.value;
        todo!("give the value")
    }

    /// The value, out of a lock that nobody needs any more (see C16).
    pub fn into_inner(self) -> T {
        todo!("give the value away")
    }
}

/// Proof that this thread holds the lock: it gives access to the value.
///
/// - C17: A guard lends the value itself, not a copy: the value stays at its
///   address in the lock, for each guard and for `get_mut`.
/// - C18: Dropping the guard frees the lock, also when a panic unwinds and while
///   the thread is already panicking. There is no poisoning: the next holder
///   finds the value as the panic left it.
/// - C19: A guard is `Sync` at most where `T` is `Sync`, and `Send` at most where
///   `T` is `Send`, like the `&mut T` that it stands for. It does not outlive its
///   lock, and it is invariant in `T`: a value that lives for a shorter time
///   cannot be put into the lock through it.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct SpinGuard<'a, T> {
    // Replace this by what the guard needs.
    lock: PhantomData<&'a T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let _ = self.lock;
        todo!("lend the value")
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        todo!("lend the value exclusively")
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        todo!("release the lock")
    }
}
