//! A lock for many readers or one writer, in which a writer that waits keeps new readers out.
//!
//! ```text
//!   31                30                29                                0
//!  ┌─────────────────┬─────────────────┬───────────────────────────────────┐
//!  │ WRITERS_WAITING │ READERS_WAITING │ how many readers hold it          │
//!  │                 │                 │ (all ones: a writer does)         │
//!  └─────────────────┴─────────────────┴───────────────────────────────────┘
//! ```
//!
//! Readers sleep on that word, writers on another one: a single wake-up must not end at a reader
//! when it was meant for a writer.

use crate::spin::Spin;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The bits that count holders.
const HOLDERS: u32 = (1 << 30) - 1;
/// Held by a writer.
const WRITER: u32 = HOLDERS;
/// With so many readers there is no room for another one.
const MOST_READERS: u32 = WRITER - 1;
/// Readers may sleep on the state.
const READERS_WAITING: u32 = 1 << 30;
/// Writers may sleep on their turn. New readers queue up behind them.
const WRITERS_WAITING: u32 = 1 << 31;

/// A value that many threads may read at a time, or one may change.
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
/// A writer that waits goes before readers that come after it, so that readers who relieve each
/// other cannot keep it out for ever; this is the second problem of P. J. Courtois, F. Heymans and
/// D. L. Parnas, "Concurrent Control with 'Readers' and 'Writers'", CACM 14(10), 1971. Its price:
/// a thread that reads and reads again without letting go waits for itself as soon as a writer
/// waits in between. Nor can a reader become a writer: let go first, and look again afterwards.
///
/// Not poisoned by a panic.
#[derive(Default)]
pub struct RwLock<T: ?Sized> {
    state: AtomicU32,
    /// Changes whenever a writer is told to try. Writers sleep on it.
    turn: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: readers in several threads look at the value at a time (`T: Sync`), and a writer in any of
// them may change or take it (`T: Send`). `state` admits a writer only when nobody holds it and a
// reader only when no writer does.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// An unlocked lock around `value`; `const`, so that it can be a static.
    pub const fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, out of a lock that nobody needs any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer holds the lock or waits for it, and takes it for reading.
    ///
    /// # Panics
    /// If 2³⁰ − 2 readers hold it already, or rather, have leaked their guards.
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

    /// Waits until nobody holds the lock, and takes it for writing.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T> {
        if !self.admit_writer(0, 0) {
            self.write_contended();
        }
        WriteGuard::new(self)
    }

    /// Takes the lock for writing if nobody holds it; never waits.
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

    /// The value, without locking: a `&mut` proves that nobody holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn admit_reader(&self, state: u32) -> bool {
        admits_reader(state) && self.change(state, state + 1)
    }

    /// `also` are flags to be set on the way.
    #[inline]
    fn admit_writer(&self, state: u32, also: u32) -> bool {
        self.change(state, state | WRITER | also)
    }

    /// Acquire: what the last writer, or the last readers, did is visible from here on.
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
        // Whoever has slept cannot know whether it was alone in that, and keeps the flag up.
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
            // First the turn, then the state again: whoever takes the flag down afterwards changes
            // the turn after that, and the sleep does not begin.
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
        // Readers wait behind readers only if a writer waits in between.
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

    /// Wakes who comes next: one writer, or else all readers. Nobody held the lock in `state`. If
    /// somebody does by now, the flags went with it, and its end will see to it.
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
                        return; // it puts the flag up again when it holds the lock, or before it sleeps
                    }
                    // The writers are awake already, and will see that the lock is free. The readers
                    // do not wait for that: a writer that takes it may not know of them.
                    state = without;
                }
                Err(now) if now & HOLDERS == 0 => state = now, // a reader has put its flag up
                Err(_) => return,
            }
        }
        if state == READERS_WAITING && self.change(READERS_WAITING, 0) {
            futex::wake_all(&self.state);
        }
    }
}

/// No writer holds it, nobody waits, and there is room: all of that in one comparison, because the
/// flags are the highest bits.
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

/// The right to look at the value of a [`RwLock`]; dropping it, by a panic too, gives it up.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while this guard exists there are readers, and no writer.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.end_read();
    }
}

/// The right to change the value of a [`RwLock`]; dropping it, by a panic too, gives it up.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// Stands in for the `&mut T` that this is, as in a mutex's guard.
    exclusive: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// Of a lock that the caller has just taken.
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
