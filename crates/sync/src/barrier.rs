//! A barrier: threads that go on only when all have arrived, again and again.

use crate::{Condvar, Mutex};

/// A meeting point for a number of threads.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use sync::Barrier;
///
/// let (barrier, arrived) = (Barrier::new(3), AtomicU32::new(0));
/// let leaders: u32 = std::thread::scope(|scope| {
///     let threads: Vec<_> = (0..3)
///         .map(|_| scope.spawn(|| {
///             arrived.fetch_add(1, Relaxed);
///             let leader = barrier.wait();
///             assert_eq!(arrived.load(Relaxed), 3, "nobody goes on before all are there");
///             u32::from(leader)
///         }))
///         .collect();
///     threads.into_iter().map(|thread| thread.join().unwrap()).sum()
/// });
/// assert_eq!(leaders, 1);
/// ```
///
/// It can be used again at once: a fast thread that comes round while a slow one has not left yet
/// belongs to the next generation. A thread that panics and never arrives leaves the others waiting;
/// there is no way to know that it will not come.
#[derive(Debug)]
pub struct Barrier {
    size: usize,
    meeting: Mutex<Meeting>,
    complete: Condvar,
}

#[derive(Debug)]
struct Meeting {
    /// How many wait in this generation.
    arrived: usize,
    /// How many meetings were complete before. Waiters wait for this to change, not for `arrived` to
    /// be something: that is the next meeting's before they wake up.
    generation: usize,
}

impl Barrier {
    /// For meetings of `size` threads; with 0 or 1 nobody ever waits.
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self {
            size,
            meeting: Mutex::new(Meeting {
                arrived: 0,
                generation: 0,
            }),
            complete: Condvar::new(),
        }
    }

    /// Waits until `size` threads have called this; true for one of them, the leader.
    ///
    /// All that they did before is visible to all of them after.
    pub fn wait(&self) -> bool {
        let mut meeting = self.meeting.lock();
        meeting.arrived += 1;
        if meeting.arrived >= self.size {
            meeting.arrived = 0;
            meeting.generation = meeting.generation.wrapping_add(1);
            drop(meeting);
            self.complete.notify_all();
            return true;
        }
        let mine = meeting.generation;
        let _meeting = self
            .complete
            .wait_while(meeting, |meeting| meeting.generation == mine);
        false
    }
}
