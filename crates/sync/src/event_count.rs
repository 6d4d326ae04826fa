//! An event count: threads sleep until something is there, wherever it is, and who puts it there
//! pays for a wake-up only if somebody sleeps.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, fence};

/// A place to sleep beside data that has no lock: a lock-free queue, a flag, several of them.
///
/// A [`Condvar`](crate::Condvar) needs a lock that orders the change and the look. Here the event
/// count does that: a waiter announces itself and then looks once more; who changes something then
/// asks whether somebody has announced itself. One of the two sees the other.
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
    /// How many sleep, or are about to.
    announced: AtomicU32,
    /// Changes with each notification that finds somebody; what sleepers sleep on.
    epoch: AtomicU32,
}

impl EventCount {
    /// With nobody waiting; `const`, so that it can be a static.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            announced: AtomicU32::new(0),
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
            let announcement = Announcement::of(self);
            let epoch = self.epoch.load(Relaxed);
            fence(SeqCst);
            // A second look, now that whoever makes it ready will know of us.
            if let Some(ready) = ready() {
                return ready;
            }
            futex::wait(&self.epoch, epoch);
            drop(announcement);
        }
    }

    /// Wakes one who waits. Call it after what the other waits for is there.
    #[inline]
    pub fn notify_one(&self) {
        if self.is_awaited() {
            self.next_epoch();
            futex::wake_one(&self.epoch);
        }
    }

    /// Wakes all who wait. Call it after what they wait for is there.
    #[inline]
    pub fn notify_all(&self) {
        if self.is_awaited() {
            self.next_epoch();
            futex::wake_all(&self.epoch);
        }
    }

    #[inline]
    fn is_awaited(&self) -> bool {
        // Both this fence and the waiter's stand between a write and a read: ours between what is
        // there now and `announced`, the waiter's between `announced` and what is there. In the one
        // order of all such fences one of them comes first, and the other's read sees its write.
        fence(SeqCst);
        self.announced.load(Relaxed) > 0
    }

    fn next_epoch(&self) {
        // A waiter that has read the old epoch does not fall asleep, because it has changed. One that
        // reads the new one comes after our fence with its own, and sees what was there before.
        self.epoch.fetch_add(1, Relaxed);
    }
}

/// Being counted, until the end of the scope, however that comes.
struct Announcement<'a>(&'a EventCount);

impl<'a> Announcement<'a> {
    fn of(event: &'a EventCount) -> Self {
        event.announced.fetch_add(1, Relaxed);
        Self(event)
    }
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        self.0.announced.fetch_sub(1, Relaxed);
    }
}
