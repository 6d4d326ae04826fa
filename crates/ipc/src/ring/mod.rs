//! A ring in shared memory. One process puts values in, and another process
//! takes them out. They make system calls only when one of them has to sleep.
//!
//! ```
//! let (producer, consumer) = ipc::ring::<u64>(1024)?;
//! let (mut consumer, mut child) = ipc::fork_between(consumer, producer, |mut producer| {
//!     (1..=10_000).for_each(|number| producer.push(number).unwrap());
//!     0
//! })?;
//! let mut sum = 0;
//! while let Ok(number) = consumer.pop() {
//!     sum += number;
//! }
//! assert_eq!(sum, 50_005_000);
//! assert!(child.wait()?.success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod patience;
mod plain;
mod storage;

use std::fmt;
use std::mem::size_of;
use std::time::Instant;

use patience::{has_passed, steps_until};

use crate::lifeline::Lifeline;
use crate::turns::{Putter, Taker};
use crate::{SharedMemory, SharedMemoryError};
pub use error::RingError;
pub use plain::Plain;
use storage::{Storage, View};

/// Creates a ring for at least `capacity` items (rounded up to a power of two).
///
/// Its two ends may be in two threads, or in two processes
/// ([`fork_between`](crate::fork_between)). After a plain
/// [`fork`](processes::fork), both processes hold both ends: a process that
/// keeps a copy of the other side's end never sees that the other side is
/// closed, and waits for ever.
///
/// # Errors
/// [`SharedMemoryError`] if the capacity is 0 or more than 2³¹, or if there is
/// not enough memory or no file descriptor left.
pub fn ring<T: Plain>(capacity: usize) -> Result<(Producer<T>, Consumer<T>), SharedMemoryError> {
    let too_much = SharedMemoryError::Size(capacity.saturating_mul(size_of::<T>()));
    let Some(slots) = capacity.checked_next_power_of_two() else {
        return Err(too_much);
    };
    let size = slots.checked_mul(size_of::<T>());
    let size = size.and_then(|size| size.checked_add(View::<T>::BEGIN));
    let (Some(size), 1..=0x8000_0000, true) = (size, slots, capacity > 0) else {
        return Err(too_much);
    };
    let (ours, theirs) = Lifeline::pair().map_err(SharedMemoryError::Io)?;
    let memory = SharedMemory::new(size)?;
    let storage = Storage::new(memory, slots as u32);
    let producer = Producer {
        storage: storage.clone(),
        putter: Putter::default(),
        drops: 0,
        lifeline: Some(ours),
    };
    let consumer = Consumer {
        storage,
        taker: Taker::default(),
        lifeline: Some(theirs),
    };
    Ok((producer, consumer))
}

/// The end of a ring that puts values in. See [`ring()`].
///
/// Signals do not disturb a call: each wait continues after EINTR.
pub struct Producer<T: Plain> {
    storage: Storage<T>,
    putter: Putter,
    /// How many ends had been dropped when this end last checked whether the
    /// other side is closed.
    drops: u32,
    lifeline: Option<Lifeline>,
}

/// The end of a ring that takes values out. See [`ring()`].
///
/// Signals do not disturb a call: each wait continues after EINTR.
pub struct Consumer<T: Plain> {
    storage: Storage<T>,
    taker: Taker,
    lifeline: Option<Lifeline>,
}

impl<T: Plain> Producer<T> {
    /// How many items the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.storage.view.capacity as usize
    }

    /// Whether the other side is closed, so that no process will take out any
    /// value. This makes a system call.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lifeline.as_ref().is_none_or(Lifeline::is_cut)
    }

    /// Like [`is_closed`](Producer::is_closed), but makes a system call only if
    /// an end was dropped since the last check. So it does not notice that the
    /// consumer's process was killed, because that process dropped nothing.
    #[inline]
    pub(crate) fn is_closed_by_a_drop(&mut self) -> bool {
        let drops = self.storage.view.turns().drops();
        if drops == self.drops {
            return false;
        }
        // Another process may have dropped a copy, and this side is still open.
        let closed = self.is_closed();
        if !closed {
            self.drops = drops;
        }
        closed
    }

    /// Puts a value in if there is room. Returns false if the ring is full.
    ///
    /// # Errors
    /// [`RingError::Corrupt`].
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<bool, RingError> {
        let view = self.storage.view;
        let (turns, capacity) = (view.turns(), view.capacity);
        let index = self.putter.index();
        if self.putter.room(turns, capacity, 1)? == 0 {
            return Ok(false);
        }
        // SAFETY: the slot lies in the memory. Because there is room, only the
        // producer may use the slot now. If the other process writes here
        // nevertheless, it damages its own values.
        unsafe { view.slot(index).write(value) };
        self.putter.publish(turns, 1, &mut self.storage.kernel());
        Ok(true)
    }

    /// Puts a value in. Waits while the ring is full.
    ///
    /// # Errors
    /// [`RingError`].
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), RingError> {
        while !self.try_push(value)? {
            self.await_room(None)?;
        }
        Ok(())
    }

    /// Puts in as many of the values as there is room for, and returns how
    /// many.
    ///
    /// # Errors
    /// [`RingError::Corrupt`].
    pub fn write(&mut self, values: &[T]) -> Result<usize, RingError> {
        let view = self.storage.view;
        let (turns, capacity) = (view.turns(), view.capacity);
        let wanted = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let room = self.putter.room(turns, capacity, wanted)?;
        let count = values.len().min(room as usize);
        let index = self.putter.index();
        let (first, second) = values[..count].split_at(count.min(view.until_end(index)));
        // SAFETY: as in `try_push`. The first part ends at the end of the
        // memory or before, and the second part begins at the first slot.
        unsafe {
            let slot = view.slot(index);
            slot.copy_from_nonoverlapping(first.as_ptr(), first.len());
            let slot = view.slot(index.wrapping_add(first.len() as u32));
            slot.copy_from_nonoverlapping(second.as_ptr(), second.len());
        }
        if count > 0 {
            self.putter
                .publish(turns, count as u32, &mut self.storage.kernel());
        }
        Ok(count)
    }

    /// Waits until there is room for a value. Returns false if the deadline
    /// comes first. If the deadline has already passed, the call neither yields
    /// the CPU nor sleeps.
    ///
    /// # Errors
    /// [`RingError`]. If the consumer closes while this call waits, the error
    /// can be [`Closed`](RingError::Closed) even if there is room by then.
    // Not inlined, so that `push` stays small where it does not wait.
    #[inline(never)]
    pub fn await_room(&mut self, deadline: Option<Instant>) -> Result<bool, RingError> {
        let view = self.storage.view;
        let (turns, capacity) = (view.turns(), view.capacity);
        for step in steps_until(deadline) {
            step.take();
            if self.putter.room(turns, capacity, 1)? > 0 {
                return Ok(true);
            }
        }
        loop {
            let late = has_passed(deadline);
            let mut nap = self.storage.kernel();
            nap.deadline = deadline;
            let room = match late {
                true => self.putter.room(turns, capacity, 1)? > 0,
                false => self.putter.await_room(turns, capacity, &mut nap)?,
            };
            if room {
                return Ok(true);
            }
            if self.is_closed() {
                return Err(RingError::Closed);
            }
            if late {
                return Ok(false);
            }
        }
    }
}

impl<T: Plain> Consumer<T> {
    /// How many items the ring can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.storage.view.capacity as usize
    }

    /// Takes a value out. Returns `None` if the ring is empty.
    ///
    /// # Errors
    /// [`RingError::Corrupt`].
    #[inline]
    pub fn try_pop(&mut self) -> Result<Option<T>, RingError> {
        let view = self.storage.view;
        let (turns, capacity) = (view.turns(), view.capacity);
        let index = self.taker.index();
        if self.taker.items(turns, capacity, 1)? == 0 {
            return Ok(None);
        }
        // SAFETY: the slot lies in the memory. `T` is plain, so any bits that
        // the other process wrote there are a valid value.
        let value = unsafe { view.slot(index).read() };
        self.taker.release(turns, 1, &mut self.storage.kernel());
        Ok(Some(value))
    }

    /// Takes a value out. Waits while the ring is empty.
    ///
    /// # Errors
    /// [`RingError`].
    #[inline]
    pub fn pop(&mut self) -> Result<T, RingError> {
        loop {
            if let Some(value) = self.try_pop()? {
                return Ok(value);
            }
            self.await_items(None)?;
        }
    }

    /// Takes out as many values as there are and as fit into `values`, and
    /// returns how many.
    ///
    /// # Errors
    /// [`RingError::Corrupt`].
    pub fn read(&mut self, values: &mut [T]) -> Result<usize, RingError> {
        let view = self.storage.view;
        let (turns, capacity) = (view.turns(), view.capacity);
        let wanted = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let items = self.taker.items(turns, capacity, wanted)?;
        let count = values.len().min(items as usize);
        let index = self.taker.index();
        let to_end = count.min(view.until_end(index));
        let (first, second) = values[..count].split_at_mut(to_end);
        // SAFETY: as in `try_pop`. The first part ends at the end of the memory
        // or before, and the second part begins at the first slot.
        unsafe {
            let slot = view.slot(index);
            slot.copy_to_nonoverlapping(first.as_mut_ptr(), first.len());
            let slot = view.slot(index.wrapping_add(first.len() as u32));
            slot.copy_to_nonoverlapping(second.as_mut_ptr(), second.len());
        }
        if count > 0 {
            self.taker
                .release(turns, count as u32, &mut self.storage.kernel());
        }
        Ok(count)
    }

    /// Waits until there is a value. Returns false if the deadline comes first.
    /// If the deadline has already passed, the call neither yields the CPU nor
    /// sleeps.
    ///
    /// # Errors
    /// [`RingError`].
    // Not inlined, so that `pop` stays small where it does not wait.
    #[inline(never)]
    pub fn await_items(&mut self, deadline: Option<Instant>) -> Result<bool, RingError> {
        let view = self.storage.view;
        let (turns, capacity) = (view.turns(), view.capacity);
        for step in steps_until(deadline) {
            step.take();
            if self.taker.items(turns, capacity, 1)? > 0 {
                return Ok(true);
            }
        }
        loop {
            let late = has_passed(deadline);
            let mut nap = self.storage.kernel();
            nap.deadline = deadline;
            let items = match late {
                true => self.taker.items(turns, capacity, 1)? > 0,
                false => self.taker.await_items(turns, capacity, &mut nap)?,
            };
            if items {
                return Ok(true);
            }
            if self.lifeline.as_ref().is_none_or(Lifeline::is_cut) {
                // The producer may have put in a value just before it closed.
                return match self.taker.items(turns, capacity, 1)? {
                    0 => Err(RingError::Closed),
                    _ => Ok(true),
                };
            }
            if late {
                return Ok(false);
            }
        }
    }
}

impl<T: Plain> Drop for Producer<T> {
    fn drop(&mut self) {
        // Cut the lifeline before the wake-up, because the other side looks at
        // it when it wakes.
        self.lifeline = None;
        self.storage.view.turns().alarm(&mut self.storage.kernel());
    }
}

impl<T: Plain> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.lifeline = None;
        self.storage.view.turns().alarm(&mut self.storage.kernel());
    }
}

impl<T: Plain> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = &self.storage.view.capacity;
        f.debug_struct("Producer")
            .field("capacity", capacity)
            .finish()
    }
}

impl<T: Plain> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = &self.storage.view.capacity;
        f.debug_struct("Consumer")
            .field("capacity", capacity)
            .finish()
    }
}

#[cfg(test)]
mod tests;
