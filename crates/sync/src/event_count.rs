//! An event count: a thread sleeps until data that has no lock is ready. A thread that makes the
//! data ready pays for a wake-up only if another thread may be asleep.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};

/// A place to sleep until data that has no lock changes: a lock-free queue, a flag, or several of
/// them.
///
/// A [`Condvar`](crate::Condvar) needs a lock that orders the change and the check. An event count
/// orders them itself: a waiter leaves a mark and then checks once more, and a thread that changes
/// something looks for a mark afterwards. At least one of the two sees what the other did.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use sync::EventCount;
///
/// let (there, event) = (AtomicBool::new(false), EventCount::new());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         there.store(true, Relaxed);
///         event.notify_one();
///     });
///     event.wait_until(|| there.load(Relaxed).then_some(()));
/// });
/// ```
///
/// After D. P. Reed and R. K. Kanodia, "Synchronization with Eventcounts and Sequencers", CACM
/// 22(2), 1979.
#[derive(Debug, Default)]
pub struct EventCount {
    /// Each waiter leaves a mark before it sleeps, and each notification takes marks away. There
    /// may be more marks than waiters, because a waiter that went on without a notification leaves
    /// its mark behind. A notification that is spent on such a mark does no harm. There are never
    /// fewer marks than waiters.
    marks: AtomicU32,
    /// Changes with each notification that finds a mark. Waiters sleep on this word.
    epoch: AtomicU32,
}

impl EventCount {
    /// Makes an event count without waiters. This is a `const fn`, so the event count can be a
    /// static.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            marks: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
        }
    }

    /// Waits until `ready` returns a value, and returns that value. It calls `ready` up to two
    /// times at the beginning and up to two times after each wake-up. `ready` must not sleep. If
    /// `ready` panics, the panic reaches the caller.
    pub fn wait_until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(ready) = ready() {
                return ready;
            }
            // Read the epoch first, and add the mark (Release) afterwards. A thread that takes the
            // mark away changes the epoch only after that, and then this thread does not fall
            // asleep.
            let epoch = self.epoch.load(Relaxed);
            self.marks.fetch_add(1, Release);
            fence(SeqCst);
            // Check again: a thread that makes the data ready after this check will see the mark.
            if let Some(ready) = ready() {
                return ready;
            }
            futex::wait(&self.epoch, epoch);
        }
    }

    /// Wakes one waiter. Call it after the change that the waiter waits for.
    #[inline]
    pub fn notify_one(&self) {
        if self.is_awaited() {
            self.wake_one();
        }
    }

    /// Wakes all waiters. Call it after the change that they wait for.
    #[inline]
    pub fn notify_all(&self) {
        if self.is_awaited() {
            self.wake_all();
        }
    }

    #[inline]
    fn is_awaited(&self) -> bool {
        // This fence and the waiter's fence each stand between a write and a read. This thread has
        // changed the data and now reads the marks. The waiter has added its mark and then reads
        // the data. All SeqCst fences have one common order, so the thread whose fence comes second
        // sees what the other thread wrote before the first fence.
        fence(SeqCst);
        self.marks.load(Relaxed) > 0
    }

    #[cold]
    fn wake_one(&self) {
        // If another notification has taken the last mark in the meantime, the waiter that it wakes
        // will check again before it sleeps again, and will see the data as they are now.
        let taken = self
            .marks
            .fetch_update(Acquire, Relaxed, |marks| marks.checked_sub(1));
        if taken.is_ok() {
            self.epoch.fetch_add(1, Relaxed);
            futex::wake_one(&self.epoch);
        }
    }

    #[cold]
    fn wake_all(&self) {
        if self.marks.swap(0, Acquire) > 0 {
            self.epoch.fetch_add(1, Relaxed);
            futex::wake_all(&self.epoch);
        }
    }
}
