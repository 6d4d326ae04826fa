//! A barrier: threads wait until all of them have arrived, and then go on. It can be used again and
//! again.

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
/// A barrier can be used again at once. If a fast thread comes back while a slow thread has not
/// left yet, the fast thread belongs to the next generation. If a thread panics and never arrives,
/// the other threads wait for ever, because the barrier cannot know that this thread will not come.
#[derive(Debug)]
pub struct Barrier {
    size: usize,
    meeting: Mutex<Meeting>,
    complete: Condvar,
}

#[derive(Debug)]
struct Meeting {
    /// How many threads wait in this generation.
    arrived: usize,
    /// How many meetings were complete before. Waiters wait for this number to change. They cannot
    /// wait for a value of `arrived`, because `arrived` already counts the next meeting when they
    /// wake up.
    generation: usize,
}

impl Barrier {
    /// Makes a barrier for `size` threads. With 0 or 1, no thread ever waits.
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

    /// Waits until `size` threads have called this. Returns true in one of them, the leader.
    ///
    /// Everything that these threads did before the call is visible to all of them after it.
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
