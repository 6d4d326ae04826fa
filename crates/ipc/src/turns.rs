//! Whose turn it is on which slot: the algorithm of the ring, without its
//! memory.
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
//! Two counters that only grow, and wrap at 2³²: how many items were put, and
//! how many were taken. Each has one writer. Their difference is what the ring
//! holds, so "full" and "empty" never look alike. (Lamport, *Proving the
//! correctness of multiprocess programs*, 1977; with the cached counters of
//! FastForward and its successors.)
//!
//! The other process may write what it likes to both. So each side keeps its
//! own counter in its own memory, and checks the other's before it believes
//! it.

use std::sync::atomic::{AtomicU32, Ordering, fence};

/// The part that both sides share. All zero is the beginning.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Turns {
    /// How many items were put. The taker sleeps on it.
    put: Line<AtomicU32>,
    /// How many were taken. The putter sleeps on it.
    taken: Line<AtomicU32>,
    /// Who sleeps, or is about to: so that nobody makes a system call to wake
    /// nobody. Apart from the counters, because it seldom changes.
    asleep: Line<Asleep>,
}

#[derive(Debug, Default)]
struct Asleep {
    putter: AtomicU32,
    taker: AtomicU32,
}

/// Alone on its cache line, and on the neighbour that CPUs fetch with it.
#[repr(C, align(128))]
#[derive(Debug, Default)]
struct Line<T>(T);

/// What the algorithm needs of the kernel: a futex, and two barriers.
///
/// The barriers belong together. Who stores to one word, then passes
/// [`light_barrier`](Kernel::light_barrier) and reads a second, and who stores
/// to the second, then passes [`heavy_barrier`](Kernel::heavy_barrier) and reads
/// the first: at least one of them reads what the other stored. Two fences do
/// that; a system call on the rare side can spare the other its fence.
pub trait Kernel {
    /// Sleeps while `word` is `expected`. May return early, for any reason.
    /// False: enough slept.
    fn sleep(&mut self, word: &AtomicU32, expected: u32) -> bool;

    /// Wakes whoever sleeps on `word`.
    fn wake(&mut self, word: &AtomicU32);

    /// After every item.
    #[inline]
    fn light_barrier(&mut self) {
        fence(Ordering::SeqCst);
    }

    /// Before every sleep.
    #[inline]
    fn heavy_barrier(&mut self) {
        fence(Ordering::SeqCst);
    }
}

/// The other side's counter cannot be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// How many items the ring would hold.
    pub filled: u32,
    /// How many it can hold.
    pub capacity: u32,
}

/// The side that puts.
#[derive(Debug, Default)]
pub struct Putter {
    put: u32,
    /// The taker's counter when it was last looked at: it has not gone back.
    taken: u32,
}

/// The side that takes.
#[derive(Debug, Default)]
pub struct Taker {
    taken: u32,
    /// The putter's counter when it was last looked at.
    put: u32,
}

impl Turns {
    /// A ring through which `count` items have gone already.
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

    /// Wakes both sides, so that they look whether the other is still there.
    pub fn alarm(&self, kernel: &mut impl Kernel) {
        kernel.wake(&self.put.0);
        kernel.wake(&self.taken.0);
    }
}

impl Putter {
    /// The index of the next item to be put.
    #[must_use]
    #[inline]
    pub fn index(&self) -> u32 {
        self.put
    }

    /// How many items there is room for; looks at the taker's counter only if
    /// there was no room for `wanted` when it looked last.
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
        // Acquire: the taker has read what it released.
        let taken = turns.taken.0.load(Ordering::Acquire);
        let filled = put.wrapping_sub(taken);
        if filled > capacity {
            return Err(Lie { filled, capacity });
        }
        self.taken = taken;
        Ok(capacity - filled)
    }

    /// Hands `count` items to the taker. They must have been written, and there
    /// must have been room for them.
    #[inline]
    pub fn publish(&mut self, turns: &Turns, count: u32, kernel: &mut impl Kernel) {
        self.put = self.put.wrapping_add(count);
        // Release: the items were written before.
        turns.put.0.store(self.put, Ordering::Release);
        wake_if_asleep(&turns.asleep.0.taker, &turns.put.0, kernel);
    }

    /// Sleeps until there is room, or `kernel` has slept enough: false.
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
    /// The index of the next item to be taken.
    #[must_use]
    #[inline]
    pub fn index(&self) -> u32 {
        self.taken
    }

    /// How many items there are; looks at the putter's counter only if there
    /// were fewer than `wanted` when it looked last.
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
        // Acquire: what was put has been written.
        let put = turns.put.0.load(Ordering::Acquire);
        let filled = put.wrapping_sub(taken);
        if filled > capacity {
            return Err(Lie { filled, capacity });
        }
        self.put = put;
        Ok(filled)
    }

    /// Hands `count` slots back. Their items must have been read.
    #[inline]
    pub fn release(&mut self, turns: &Turns, count: u32, kernel: &mut impl Kernel) {
        self.taken = self.taken.wrapping_add(count);
        // Release: the items were read before.
        turns.taken.0.store(self.taken, Ordering::Release);
        wake_if_asleep(&turns.asleep.0.putter, &turns.taken.0, kernel);
    }

    /// Sleeps until there is an item, or `kernel` has slept enough: false.
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

/// After a counter was stored.
///
/// Two threads, two words: here the counter is written, then the mark is read;
/// in [`sleep_until`] the mark is written, then the counter is read. The barriers
/// see to it that at least one of them sees what the other wrote: either the
/// sleeper finds the new counter, or it is woken.
#[inline]
fn wake_if_asleep(asleep: &AtomicU32, counter: &AtomicU32, kernel: &mut impl Kernel) {
    kernel.light_barrier();
    if asleep.load(Ordering::Relaxed) != 0 {
        asleep.store(0, Ordering::Relaxed);
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
        // If the counter changes from here on, this does not sleep.
        if !kernel.sleep(counter, seen) {
            asleep.store(0, Ordering::Relaxed);
            return done();
        }
    }
}
