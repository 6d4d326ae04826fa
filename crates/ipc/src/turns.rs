//! The algorithm of the ring without its memory: which side may use which slot.
//!
//! ```text
//!        taken                 put
//!          │                    │
//!  ┌───┬───▼───┬───────┬───────┬▼──────┬───┐
//!  │   │ item  │ item  │ item  │ free  │   │     slot = index mod capacity
//!  └───┴───────┴───────┴───────┴───────┴───┘
//!        the taker's            the putter's
//! ```
//!
//! There are two counters: how many items were put in, and how many were taken
//! out. They only grow, and wrap at 2³². Each counter has only one writer.
//! Their difference is the number of items in the ring, so a full ring never
//! looks like an empty ring. (Lamport, *Proving the correctness of multiprocess
//! programs*, 1977; with the cached counters of FastForward and its
//! successors.)
//!
//! The other process may write any value to both counters. Therefore, each side
//! keeps its own counter in its own memory, and checks the other side's counter
//! before it uses it.

use std::sync::atomic::{AtomicU32, Ordering, fence};

/// The part that both sides share. At the beginning, all of it is zero.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Turns {
    /// How many items were put in. The taker sleeps on this word.
    put: Line<AtomicU32>,
    /// How many items were taken out. The putter sleeps on this word.
    taken: Line<AtomicU32>,
    /// Which side sleeps or is about to sleep. A side makes a system call to
    /// wake the other only if the other sleeps. This lies apart from the
    /// counters, because it seldom changes.
    asleep: Line<Asleep>,
    /// How many ends were dropped.
    drops: Line<AtomicU32>,
}

#[derive(Debug, Default)]
struct Asleep {
    putter: AtomicU32,
    taker: AtomicU32,
}

/// A value with a cache line of its own, and also the neighbouring line that
/// CPUs fetch together with it.
#[repr(C, align(128))]
#[derive(Debug, Default)]
struct Line<T>(T);

/// What the algorithm needs from the kernel: a futex and two barriers.
///
/// The barriers belong together. Suppose that one thread stores to a first
/// word, passes [`light_barrier`](Kernel::light_barrier) and reads a second
/// word. Another thread stores to the second word, passes
/// [`heavy_barrier`](Kernel::heavy_barrier) and reads the first word. Then at
/// least one of the two threads reads what the other stored. Two fences
/// guarantee this. If the rare side makes a system call, the other side needs
/// no fence.
pub trait Kernel {
    /// Sleeps while the value of `word` is `expected`. May return early for any
    /// reason. Returns false if the caller should not sleep again.
    fn sleep(&mut self, word: &AtomicU32, expected: u32) -> bool;

    /// Wakes all threads that sleep on `word`.
    fn wake(&mut self, word: &AtomicU32);

    /// The barrier after every update of a counter.
    #[inline]
    fn light_barrier(&mut self) {
        fence(Ordering::SeqCst);
    }

    /// The barrier before every sleep.
    #[inline]
    fn heavy_barrier(&mut self) {
        fence(Ordering::SeqCst);
    }
}

/// The other side's counter has an impossible value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// How many items the ring would hold.
    pub filled: u32,
    /// How many items the ring can hold.
    pub capacity: u32,
}

/// The side that puts items in.
#[derive(Debug, Default)]
pub struct Putter {
    put: u32,
    /// The taker's counter when the putter last read it. The counter only
    /// grows, so there is at least as much room now.
    taken: u32,
}

/// The side that takes items out.
#[derive(Debug, Default)]
pub struct Taker {
    taken: u32,
    /// The putter's counter when the taker last read it.
    put: u32,
}

impl Turns {
    /// A ring through which `count` items have already gone.
    #[must_use]
    pub fn after(count: u32) -> (Turns, Putter, Taker) {
        let turns = Turns::default();
        turns.put.0.store(count, Ordering::Relaxed);
        turns.taken.0.store(count, Ordering::Relaxed);
        let putter = Putter {
            put: count,
            taken: count,
        };
        let taker = Taker {
            taken: count,
            put: count,
        };
        (turns, putter, taker)
    }

    /// Called after an end was dropped: makes both sides check whether the other
    /// is still there. A side that sleeps is woken. A side that does not sleep
    /// sees that the number of [`drops`](Turns::drops) has changed.
    pub fn alarm(&self, kernel: &mut impl Kernel) {
        // Release: the end was dropped before this store.
        self.drops.0.fetch_add(1, Ordering::Release);
        kernel.wake(&self.put.0);
        kernel.wake(&self.taken.0);
    }

    /// How many ends were dropped, including copies in forked processes.
    #[must_use]
    #[inline]
    pub fn drops(&self) -> u32 {
        self.drops.0.load(Ordering::Acquire)
    }
}

impl Putter {
    /// The index of the next item to be put in.
    #[must_use]
    #[inline]
    pub fn index(&self) -> u32 {
        self.put
    }

    /// How many items there is room for. Reads the taker's counter only if, by
    /// the value that it read last, there is no room for `wanted` items.
    ///
    /// # Errors
    /// [`Lie`].
    #[inline]
    pub fn room(&mut self, turns: &Turns, capacity: u32, wanted: u32) -> Result<u32, Lie> {
        let put = self.put;
        let known = capacity - put.wrapping_sub(self.taken);
        if known >= wanted {
            return Ok(known);
        }
        // Acquire: the taker has read the items whose slots it released.
        let taken = turns.taken.0.load(Ordering::Acquire);
        let filled = put.wrapping_sub(taken);
        if filled > capacity {
            return Err(Lie { filled, capacity });
        }
        self.taken = taken;
        Ok(capacity - filled)
    }

    /// Hands `count` items to the taker. There must have been room for them,
    /// and the caller must have written them.
    #[inline]
    pub fn publish(&mut self, turns: &Turns, count: u32, kernel: &mut impl Kernel) {
        self.put = self.put.wrapping_add(count);
        // Release: the items were written before this store.
        turns.put.0.store(self.put, Ordering::Release);
        wake_if_asleep(&turns.asleep.0.taker, &turns.put.0, kernel);
    }

    /// Sleeps until there is room. Returns false if there is still no room when
    /// `kernel` has slept enough.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn await_room(
        &mut self,
        turns: &Turns,
        capacity: u32,
        kernel: &mut impl Kernel,
    ) -> Result<bool, Lie> {
        let asleep = &turns.asleep.0.putter;
        sleep_until(asleep, &turns.taken.0, kernel, || {
            Ok(self.room(turns, capacity, 1)? > 0)
        })
    }
}

impl Taker {
    /// The index of the next item to be taken out.
    #[must_use]
    #[inline]
    pub fn index(&self) -> u32 {
        self.taken
    }

    /// How many items there are. Reads the putter's counter only if, by the
    /// value that it read last, there are fewer than `wanted` items.
    ///
    /// # Errors
    /// [`Lie`].
    #[inline]
    pub fn items(&mut self, turns: &Turns, capacity: u32, wanted: u32) -> Result<u32, Lie> {
        let taken = self.taken;
        let known = self.put.wrapping_sub(taken);
        if known >= wanted {
            return Ok(known);
        }
        // Acquire: the putter has written the items that it published.
        let put = turns.put.0.load(Ordering::Acquire);
        let filled = put.wrapping_sub(taken);
        if filled > capacity {
            return Err(Lie { filled, capacity });
        }
        self.put = put;
        Ok(filled)
    }

    /// Hands `count` slots back to the putter. The caller must have read their
    /// items.
    #[inline]
    pub fn release(&mut self, turns: &Turns, count: u32, kernel: &mut impl Kernel) {
        self.taken = self.taken.wrapping_add(count);
        // Release: the items were read before this store.
        turns.taken.0.store(self.taken, Ordering::Release);
        wake_if_asleep(&turns.asleep.0.putter, &turns.taken.0, kernel);
    }

    /// Sleeps until there is an item. Returns false if there is still no item
    /// when `kernel` has slept enough.
    ///
    /// # Errors
    /// [`Lie`].
    pub fn await_items(
        &mut self,
        turns: &Turns,
        capacity: u32,
        kernel: &mut impl Kernel,
    ) -> Result<bool, Lie> {
        let asleep = &turns.asleep.0.taker;
        sleep_until(asleep, &turns.put.0, kernel, || {
            Ok(self.items(turns, capacity, 1)? > 0)
        })
    }
}

/// Wakes the other side if it sleeps. The caller has just stored its counter.
///
/// Two threads use two words. The thread here writes the counter and then reads
/// the mark `asleep`. The thread in [`sleep_until`] writes the mark and then
/// reads the counter. The barriers ensure that at least one of them sees what
/// the other wrote: either the sleeper finds the new counter, or it is woken.
#[inline]
fn wake_if_asleep(asleep: &AtomicU32, counter: &AtomicU32, kernel: &mut impl Kernel) {
    kernel.light_barrier();
    // Only the sleeper takes its mark away. If it were taken away here, by a thread that is late, the
    // other side could be on its way to sleep, and the next item would wake nobody.
    if asleep.load(Ordering::Relaxed) != 0 {
        kernel.wake(counter);
    }
}

fn sleep_until(
    asleep: &AtomicU32,
    counter: &AtomicU32,
    kernel: &mut impl Kernel,
    mut done: impl FnMut() -> Result<bool, Lie>,
) -> Result<bool, Lie> {
    loop {
        let seen = counter.load(Ordering::Relaxed);
        asleep.store(1, Ordering::Relaxed);
        kernel.heavy_barrier();
        let ready = done();
        if ready != Ok(false) {
            asleep.store(0, Ordering::Relaxed);
            return ready;
        }
        // If the counter has changed since it was read into `seen`, this does
        // not sleep.
        if !kernel.sleep(counter, seen) {
            asleep.store(0, Ordering::Relaxed);
            return done();
        }
    }
}
