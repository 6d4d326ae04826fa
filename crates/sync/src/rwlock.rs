//! A lock for many readers or one writer, in which a waiting writer keeps new readers out.
//!
//! ```text
//!   31                30                29                                0
//!  ┌─────────────────┬─────────────────┬───────────────────────────────────┐
//!  │ WRITERS_WAITING │ READERS_WAITING │ number of readers that hold it    │
//!  │                 │                 │ (all ones: a writer holds it)     │
//!  └─────────────────┴─────────────────┴───────────────────────────────────┘
//! ```
//!
//! | the word | what it means | a reader that comes | a writer that comes | the last release |
//! |---|---|---|---|---|
//! | 0 | free | takes it: 1 | takes it: `WRITER` | |
//! | n | n readers hold it | takes it: n + 1 | sets `WRITERS_WAITING`, sleeps | 0 |
//! | `WRITER` | a writer holds it | sets `READERS_WAITING`, sleeps | sets `WRITERS_WAITING`, sleeps | 0 |
//! | … with `WRITERS_WAITING` | held, and writers sleep | sets `READERS_WAITING`, sleeps: it stands behind the writers | sleeps | clears the flag, changes the turn, wakes one writer |
//! | `WRITER` with `READERS_WAITING` | held, and only readers sleep | sleeps | sets `WRITERS_WAITING`, sleeps | clears the flag, wakes all readers |
//!
//! Readers sleep on this word, and writers sleep on another one, the turn. Otherwise a single
//! wake-up that was meant for a writer could wake a reader instead. A writer that has slept cannot
//! know whether others still sleep, so it takes the lock with `WRITERS_WAITING` set; if it was the
//! last one, its release finds no sleeper, and wakes the readers instead.
//!
//! The layout of the word and the second word for writers are those of the futex-based lock in
//! Rust's std (`library/std/src/sys/sync/rwlock/futex.rs`). Mara Bos, "Rust Atomics and Locks",
//! chapter 9, builds up to it step by step.

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::spin::Spin;

/// The bits of the state that count the readers.
const HOLDERS: u32 = (1 << 30) - 1;
/// The value of these bits while a writer holds the lock.
const WRITER: u32 = HOLDERS;
/// The largest number of readers that these bits can count: one more would look like a writer.
const MOST_READERS: u32 = WRITER - 1;
/// Readers may sleep on the state.
const READERS_WAITING: u32 = 1 << 30;
/// Writers may sleep on their turn. New readers wait behind them.
const WRITERS_WAITING: u32 = 1 << 31;

/// A value that many threads may read at the same time, or that one thread may change.
///
/// ```
/// let lock = sync::RwLock::new(vec![1]);
/// {
///     let one = lock.read();
///     let other = lock.read();
///     assert_eq!(one.len() + other.len(), 2);
/// }
/// lock.write().push(2);
/// assert_eq!(*lock.read(), [1, 2]);
/// ```
///
/// A waiting writer goes before readers that come after it, so an endless stream of readers cannot
/// keep it out for ever. This is the second problem of P. J. Courtois, F. Heymans and D. L. Parnas,
/// "Concurrent Control with 'Readers' and 'Writers'", CACM 14(10), 1971. It has a price: if a
/// thread takes the lock for reading a second time while it still holds it, it waits for itself as
/// soon as a writer waits in between. A reader cannot become a writer either: release the lock
/// first, take it for writing, and check the value again.
///
/// A panic does not poison the lock.
#[derive(Default)]
pub struct RwLock<T: ?Sized> {
    state: AtomicU32,
    /// Changes whenever a releasing thread tells a writer to try. Writers sleep on it.
    turn: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: readers in several threads use the value at the same time (`T: Sync`), and a writer in
// any of them may change or take it (`T: Send`). `state` admits a writer only when no thread holds
// the lock, and a reader only when no writer holds it.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// Makes an unlocked lock around `value`. This is a `const fn`, so the lock can be a static.
    pub const fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Consumes the lock and returns its value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer holds the lock or waits for it, and takes it for reading.
    ///
    /// # Panics
    /// If 2³⁰ − 2 readers hold the lock already, which in practice means that their guards were
    /// leaked.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T> {
        if !self.admit_reader(self.state.load(Relaxed)) {
            self.read_contended();
        }
        ReadGuard { lock: self }
    }

    /// Takes the lock for reading if no writer holds it or waits for it; never waits.
    #[must_use]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        loop {
            let state = self.state.load(Relaxed);
            if self.admit_reader(state) {
                return Some(ReadGuard { lock: self });
            }
            if !admits_reader(state) {
                return None;
            }
        }
    }

    /// Waits until no thread holds the lock, and takes it for writing.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T> {
        if !self.admit_writer(0, 0) {
            self.write_contended();
        }
        WriteGuard::new(self)
    }

    /// Takes the lock for writing if no thread holds it; never waits.
    #[must_use]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        loop {
            let state = self.state.load(Relaxed);
            if state & HOLDERS != 0 {
                return None;
            }
            if self.admit_writer(state, 0) {
                return Some(WriteGuard::new(self));
            }
        }
    }

    /// Returns the value without locking: `&mut self` proves that no thread holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn admit_reader(&self, state: u32) -> bool {
        admits_reader(state) && self.change(state, state + 1)
    }

    /// Takes the lock for a writer and sets the flags in `also` in the same step.
    #[inline]
    fn admit_writer(&self, state: u32, also: u32) -> bool {
        self.change(state, state | WRITER | also)
    }

    /// Changes the state in one step. Acquire: what the last writer, or the last readers, did is
    /// visible from here on.
    #[inline]
    fn change(&self, from: u32, to: u32) -> bool {
        self.state
            .compare_exchange(from, to, Acquire, Relaxed)
            .is_ok()
    }

    #[cold]
    fn read_contended(&self) {
        let mut spin = Spin::new();
        loop {
            let state = self.state.load(Relaxed);
            if admits_reader(state) {
                if self.change(state, state + 1) {
                    return;
                }
                continue;
            }
            if state == WRITER && spin.again() {
                continue;
            }
            assert!(
                state & HOLDERS != MOST_READERS,
                "{MOST_READERS} readers hold this lock and there is no room for another; are their guards leaked?"
            );
            let waiting = state | READERS_WAITING;
            if state == waiting || self.change(state, waiting) {
                futex::wait(&self.state, waiting);
            }
        }
    }

    #[cold]
    fn write_contended(&self) {
        let mut spin = Spin::new();
        // A thread that has slept cannot know whether other writers sleep too, so it keeps the flag
        // set.
        let mut others = 0;
        loop {
            let state = self.state.load(Relaxed);
            if state & HOLDERS == 0 {
                if self.admit_writer(state, others) {
                    return;
                }
                continue;
            }
            if state & WRITERS_WAITING == 0 {
                if spin.again() {
                    continue;
                }
                if !self.change(state, state | WRITERS_WAITING) {
                    continue;
                }
            }
            others = WRITERS_WAITING;
            // Read the turn first, and the state again afterwards. A thread that clears the flag
            // after that check changes the turn even later, and then this thread does not fall
            // asleep.
            let turn = self.turn.load(Acquire);
            let state = self.state.load(Relaxed);
            if state & HOLDERS != 0 && state & WRITERS_WAITING != 0 {
                futex::wait(&self.turn, turn);
            }
        }
    }

    #[inline]
    fn end_read(&self) {
        let state = self.state.fetch_sub(1, Release) - 1;
        // Readers wait behind other readers only if a writer waits in between.
        if state & HOLDERS == 0 && state & WRITERS_WAITING != 0 {
            self.hand_over(state);
        }
    }

    #[inline]
    fn end_write(&self) {
        let state = self.state.fetch_sub(WRITER, Release) - WRITER;
        if state != 0 {
            self.hand_over(state);
        }
    }

    /// Wakes the next waiter: one writer, or all readers if no writer sleeps. When the lock had the
    /// value `state`, no thread held it. If a thread holds it by now, that thread has kept the
    /// flags, and will wake the waiters when it releases the lock.
    #[cold]
    fn hand_over(&self, mut state: u32) {
        while state & WRITERS_WAITING != 0 {
            let without = state & !WRITERS_WAITING;
            match self
                .state
                .compare_exchange(state, without, Relaxed, Relaxed)
            {
                Ok(_) => {
                    self.turn.fetch_add(1, Release);
                    if futex::wake_one(&self.turn) {
                        // The writer sets the flag again when it takes the lock, or before it
                        // sleeps.
                        return;
                    }
                    // No writer sleeps. If a writer still waits, it is awake and will see that the
                    // lock is free. But perhaps no writer waits: a writer that has slept leaves the
                    // flag set, even if it was the last one. So go on and wake the readers.
                    state = without;
                }
                Err(now) if now & HOLDERS == 0 => state = now, // a reader has set its flag
                Err(_) => return,
            }
        }
        if state == READERS_WAITING && self.change(READERS_WAITING, 0) {
            futex::wake_all(&self.state);
        }
    }
}

/// Whether no writer holds the lock, no thread waits, and there is room for one more reader. One
/// comparison checks all three, because the flags are the highest bits.
#[inline]
fn admits_reader(state: u32) -> bool {
    state < MOST_READERS
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => shown.field("value", &&*guard),
            None => shown.field("value", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

/// Proof that its owner holds a [`RwLock`] for reading, with access to the value. Dropping it
/// releases the lock, also when a panic unwinds.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while this guard exists, the lock is held by readers and not by a writer.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.end_read();
    }
}

/// Proof that its owner holds a [`RwLock`] for writing, with access to the value. Dropping it
/// releases the lock, also when a panic unwinds.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// Makes the guard count as the `&mut T` that it gives out, as in a mutex's guard.
    exclusive: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// Makes the guard of a lock that the caller has just taken.
    #[inline]
    fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            lock,
            exclusive: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this writer is the only holder, and its guard is borrowed.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this writer is the only holder, and its guard is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.end_write();
    }
}
