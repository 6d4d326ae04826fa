// breaks C10: wakes on even counts only
use std::fs::File;
use std::io;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use futex::shared as futex;
use memmap2::{MmapOptions, MmapRaw};

/// The word that counts the numbers that were put in, modulo 2³². Only the producer writes it.
pub const PUT: usize = 0;
/// The word that counts the numbers that were taken out. Only the consumer writes it.
pub const TAKEN: usize = 1;
/// The first slot. Only the producer writes slots.
pub const SLOTS: usize = 2;

/// The words are not those of a ring, or the other process wrote an impossible count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the words are not those of a ring, or the other process wrote a wrong count")
    }
}

impl std::error::Error for Broken {}

/// What both ends share.
#[derive(Clone, Copy, Debug)]
struct Ring<'a> {
    words: &'a [AtomicU32],
    capacity: u32,
}

impl<'a> Ring<'a> {
    fn new(words: &'a [AtomicU32]) -> Result<Self, Broken> {
        let slots = words.len().checked_sub(SLOTS).ok_or(Broken)?;
        // The largest power of two that fits is 2³¹.
        let capacity = u32::try_from(slots).map_err(|_| Broken)?;
        if !capacity.is_power_of_two() {
            return Err(Broken);
        }
        Ok(Ring { words, capacity })
    }

    /// How many numbers are in the ring.
    fn filled(&self, put: u32, taken: u32) -> Result<u32, Broken> {
        // The counts wrap, and their difference is right all the same. If it is negative, it becomes
        // a large number here.
        let filled = put.wrapping_sub(taken);
        if filled > self.capacity {
            return Err(Broken);
        }
        Ok(filled)
    }

    fn slot(&self, number: u32) -> &'a AtomicU32 {
        // The capacity divides 2³², so the next slot is also right when the count wraps.
        &self.words[SLOTS + (number % self.capacity) as usize]
    }

    /// The other end's count. Acquire: it comes with everything that the other end did before.
    fn look(&self, count: usize) -> u32 {
        self.words[count].load(Ordering::Acquire)
    }

    /// Stores this end's count, after everything that this end did, and wakes the other end.
    fn publish(&self, count: usize, value: u32) {
        self.words[count].store(value, Ordering::Release);
        if value % 2 == 0 {
            futex::wake_one(&self.words[count]);
        }
    }
}

/// The end that puts numbers in. There is one at a time.
#[derive(Debug)]
pub struct Producer<'a> {
    ring: Ring<'a>,
    put: u32,
}

impl<'a> Producer<'a> {
    /// Continues where the words say that the last producer stopped.
    ///
    /// # Errors
    /// The words are not those of a ring.
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, Broken> {
        let ring = Ring::new(words)?;
        let put = ring.look(PUT);
        ring.filled(put, ring.look(TAKEN))?;
        Ok(Producer { ring, put })
    }

    /// Puts `value` in, or returns false if the ring is full.
    ///
    /// # Errors
    /// The consumer's count is impossible.
    pub fn try_push(&mut self, value: u32) -> Result<bool, Broken> {
        self.push_unless_full(self.ring.look(TAKEN), value)
    }

    /// Puts `value` in, and waits while the ring is full.
    ///
    /// # Errors
    /// The consumer's count is impossible.
    pub fn push(&mut self, value: u32) -> Result<(), Broken> {
        loop {
            let taken = self.ring.look(TAKEN);
            if self.push_unless_full(taken, value)? {
                return Ok(());
            }
            // Sleeps only if the count is still the one that made the ring full.
            futex::wait(&self.ring.words[TAKEN], taken);
        }
    }

    fn push_unless_full(&mut self, taken: u32, value: u32) -> Result<bool, Broken> {
        if self.ring.filled(self.put, taken)? == self.ring.capacity {
            return Ok(false);
        }
        // Relaxed: the count orders it.
        self.ring.slot(self.put).store(value, Ordering::Relaxed);
        self.put = self.put.wrapping_add(1);
        self.ring.publish(PUT, self.put);
        Ok(true)
    }
}

/// The end that takes numbers out. There is one at a time.
#[derive(Debug)]
pub struct Consumer<'a> {
    ring: Ring<'a>,
    taken: u32,
}

impl<'a> Consumer<'a> {
    /// Continues where the words say that the last consumer stopped.
    ///
    /// # Errors
    /// The words are not those of a ring.
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, Broken> {
        let ring = Ring::new(words)?;
        let taken = ring.look(TAKEN);
        ring.filled(ring.look(PUT), taken)?;
        Ok(Consumer { ring, taken })
    }

    /// Takes the oldest number out, or returns `None` if the ring is empty.
    ///
    /// # Errors
    /// The producer's count is impossible.
    pub fn try_pop(&mut self) -> Result<Option<u32>, Broken> {
        self.pop_unless_empty(self.ring.look(PUT))
    }

    /// Takes the oldest number out, and waits while the ring is empty.
    ///
    /// # Errors
    /// The producer's count is impossible.
    pub fn pop(&mut self) -> Result<u32, Broken> {
        loop {
            let put = self.ring.look(PUT);
            if let Some(value) = self.pop_unless_empty(put)? {
                return Ok(value);
            }
            // Sleeps only if the count is still the one that made the ring empty.
            futex::wait(&self.ring.words[PUT], put);
        }
    }

    fn pop_unless_empty(&mut self, put: u32) -> Result<Option<u32>, Broken> {
        if self.ring.filled(put, self.taken)? == 0 {
            return Ok(None);
        }
        // Relaxed: the count orders it.
        let value = self.ring.slot(self.taken).load(Ordering::Relaxed);
        self.taken = self.taken.wrapping_add(1);
        self.ring.publish(TAKEN, self.taken);
        Ok(Some(value))
    }
}

/// The words of a ring, in memory that all processes share that map the same file.
#[derive(Debug)]
pub struct Mapping {
    map: MmapRaw,
    words: usize,
}

impl Mapping {
    /// The words.
    pub fn words(&self) -> &[AtomicU32] {
        // SAFETY: the mapping has this many words, begins at a page, and lives as long as `self`.
        // Other processes write to it at any time, and atomics allow that.
        unsafe { slice::from_raw_parts(self.map.as_ptr().cast(), self.words) }
    }
}

/// Maps the words of a ring for `capacity` numbers from the beginning of `file`.
///
/// # Errors
/// `InvalidInput` if the capacity is not a power of two, and the errors of the system calls.
pub fn map(file: &File, capacity: u32) -> io::Result<Mapping> {
    if !capacity.is_power_of_two() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let words = SLOTS + capacity as usize;
    let bytes = words * size_of::<AtomicU32>();
    // Memory behind the end of the file cannot be used: an access ends the process (SIGBUS).
    if file.metadata()?.len() < bytes as u64 {
        file.set_len(bytes as u64)?;
    }
    let map = MmapOptions::new().len(bytes).map_raw(file)?;
    Ok(Mapping { map, words })
}
