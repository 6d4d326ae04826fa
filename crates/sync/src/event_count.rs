//! An event count: threads sleep until something is there, wherever it is, and who puts it there
//! pays for a wake-up only if somebody sleeps.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};

/// A place to sleep beside data that has no lock: a lock-free queue, a flag, several of them.
///
/// A [`Condvar`](crate::Condvar) needs a lock that orders the change and the look. Here the event
/// count does that: a waiter leaves a mark and then looks once more; who changes something looks for
/// a mark afterwards. One of the two sees the other.
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
    /// Each waiter leaves a mark before it sleeps, and each notification takes one away. There may be
    /// more marks than waiters, of those that went without having been notified; a notification that
    /// is spent on such a mark does no harm. There are never fewer.
    marks: AtomicU32,
    /// Changes with each notification that finds a mark; what waiters sleep on.
    epoch: AtomicU32,
}

impl EventCount {
    /// With nobody waiting; `const`, so that it can be a static.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            marks: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
        }
    }

    /// Waits until `ready` gives something, and returns that. It is asked at the beginning and after
    /// each wake-up, twice, and must not sleep itself. If it panics, the panic goes on.
    pub fn wait_until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(ready) = ready() {
                return ready;
            }
            // First the epoch, then the mark (Release): whoever takes the mark away changes the epoch
            // after that, and the sleep does not begin.
            let epoch = self.epoch.load(Relaxed);
            self.marks.fetch_add(1, Release);
            fence(SeqCst);
            // A second look, now that whoever makes it ready will see the mark.
            if let Some(ready) = ready() {
                return ready;
            }
            futex::wait(&self.epoch, epoch);
        }
    }

    /// Wakes one who waits. Call it after what the other waits for is there.
    #[inline]
    pub fn notify_one(&self) {
        if self.is_awaited() {
            self.wake_one();
        }
    }

    /// Wakes all who wait. Call it after what they wait for is there.
    #[inline]
    pub fn notify_all(&self) {
        if self.is_awaited() {
            self.wake_all();
        }
    }

    #[inline]
    fn is_awaited(&self) -> bool {
        // Both this fence and the waiter's stand between a write and a read: ours between what is
        // there now and the marks, the waiter's between its mark and what is there. In the one order
        // of all such fences one of them comes first, and the other's read sees its write.
        fence(SeqCst);
        self.marks.load(Relaxed) > 0
    }

    #[cold]
    fn wake_one(&self) {
        // If another notification has taken the last mark in between, the waiter that it wakes will
        // look before it sleeps again, and see what is there now.
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
