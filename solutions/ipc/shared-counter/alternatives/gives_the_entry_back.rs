//! A call that took an entry in vain gives it back, if no later one was taken. The list is collected
//! and checked as a whole before anybody looks at the names.

use std::fs::File;
use std::io;
use std::iter;
use std::slice;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// The word with the offset of the entry that was pushed last; 0 if there is none.
pub const LAST: usize = 0;
/// The word that counts the entries that were taken.
pub const TAKEN: usize = 1;
/// The offset of the first entry.
pub const ENTRIES: usize = 2;
/// The words of an entry: name, count, and the offset of the next entry (0 at the end).
pub const SIZE: usize = 3;
/// The most entries that a table can have.
pub const MOST: usize = 1 << 20;

const NAME: usize = 0;
const COUNT: usize = 1;
const NEXT: usize = 2;

/// The bytes of a word.
const WORD: usize = 4;

/// Makes memory for a table with so many entries: a file of zeros, without a name.
///
/// # Errors
/// `InvalidInput` if there are no entries or too many, and the errors of the system calls.
pub fn create(entries: usize) -> io::Result<File> {
    if !(1..=MOST).contains(&entries) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = File::from(memfd_create(c"counters", MFdFlags::MFD_CLOEXEC)?);
    // Memory behind the end of a file cannot be used: an access ends the process (SIGBUS).
    file.set_len(((ENTRIES + SIZE * entries) * WORD) as u64)?;
    Ok(file)
}

/// The words of a table, in memory that all processes share that map the same file.
#[derive(Debug)]
pub struct Memory {
    map: MmapRaw,
    words: usize,
}

impl Memory {
    /// Maps the file.
    ///
    /// # Errors
    /// `InvalidData` if its length is not that of a table, and the errors of the system calls.
    pub fn map(file: &File) -> io::Result<Memory> {
        let bytes = usize::try_from(file.metadata()?.len());
        let bytes = bytes.map_err(|_| io::ErrorKind::InvalidData)?;
        let words = bytes / WORD;
        if !bytes.is_multiple_of(WORD) || entries(words).is_none() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let map = MmapOptions::new().len(bytes).map_raw(file)?;
        Ok(Memory { map, words })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU32] {
        // SAFETY: the mapping has this many words, begins at a page, and lives as long as `self`.
        // Other processes write to it at any time, and atomics allow that.
        unsafe { slice::from_raw_parts(self.map.as_ptr().cast(), self.words) }
    }
}

/// How many entries a table of so many words has.
fn entries(words: usize) -> Option<usize> {
    let words = words.checked_sub(ENTRIES)?;
    let entries = words / SIZE;
    let fits = words.is_multiple_of(SIZE) && (1..=MOST).contains(&entries);
    fits.then_some(entries)
}

/// Why a call on a table failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// There is no free entry.
    Full,
    /// The words are not those of a table.
    Broken,
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TableError::Full => "the table has no free entry",
            TableError::Broken => "the words are not those of a table",
        })
    }
}

impl std::error::Error for TableError {}

/// A table of named counters.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    words: &'a [AtomicU32],
    entries: usize,
}

impl<'a> Table<'a> {
    /// The table in these words.
    ///
    /// # Errors
    /// `Broken` if no table has so many words.
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, TableError> {
        let entries = entries(words.len()).ok_or(TableError::Broken)?;
        Ok(Table { words, entries })
    }

    /// The counter of this name. If there is none, makes one that begins at 0.
    ///
    /// # Errors
    /// `Full` or `Broken`.
    pub fn join(&self, name: u32) -> Result<Counter<'a>, TableError> {
        // Acquire: the words of the entries come with their offsets.
        let mut last = self.words[LAST].load(Acquire);
        if let Some(counter) = self.find(name, last)? {
            return Ok(counter);
        }
        let entry = self.take()?;
        self.words[entry + NAME].store(name, Relaxed);
        self.words[entry + COUNT].store(0, Relaxed);
        loop {
            self.words[entry + NEXT].store(last, Relaxed);
            // Release: whoever finds the offset finds what was stored before.
            let pushed =
                self.words[LAST].compare_exchange_weak(last, entry as u32, Release, Acquire);
            match pushed {
                Ok(_) => return Ok(self.counter(entry)),
                Err(now) => last = now,
            }
            // Another process was faster, perhaps with the same name. Then the entry stays unused.
            if let Some(counter) = self.find(name, last)? {
                // Release: what was stored in the entry comes before what its next owner stores.
                let number = ((entry - ENTRIES) / SIZE) as u32;
                let _ = self.words[TAKEN].compare_exchange(number + 1, number, Release, Relaxed);
                return Ok(counter);
            }
        }
    }

    /// The sum of all counters. Each of them is read once.
    ///
    /// # Errors
    /// `Broken`.
    pub fn sum(&self) -> Result<u64, TableError> {
        let last = self.words[LAST].load(Acquire);
        self.list(last)
            .map(|entry| Ok(u64::from(self.counter(entry?).get())))
            .sum()
    }

    fn find(&self, name: u32, last: u32) -> Result<Option<Counter<'a>>, TableError> {
        let list: Vec<usize> = self.list(last).collect::<Result<_, _>>()?;
        let mut found = list.into_iter();
        let found = found.find(|entry| self.words[entry + NAME].load(Relaxed) == name);
        Ok(found.map(|entry| self.counter(entry)))
    }

    /// The offsets of the entries, from this one to the end of the list. Another process may have
    /// written wrong links, so each is checked, and a list that is too long has a loop.
    fn list(self, last: u32) -> impl Iterator<Item = Result<usize, TableError>> {
        let mut left = self.entries;
        let mut next = last;
        iter::from_fn(move || {
            if next == 0 {
                return None;
            }
            let entry = self.entry(next).filter(|_| left > 0);
            left = left.saturating_sub(1);
            // After an error, the list ends.
            next = entry.map_or(0, |entry| self.words[entry + NEXT].load(Relaxed));
            Some(entry.ok_or(TableError::Broken))
        })
    }

    /// The entry at this offset, if one begins there.
    fn entry(&self, offset: u32) -> Option<usize> {
        let offset = offset as usize;
        let begins = offset.checked_sub(ENTRIES)?.is_multiple_of(SIZE);
        (begins && offset < self.words.len()).then_some(offset)
    }

    /// Takes a free entry.
    fn take(&self) -> Result<usize, TableError> {
        let one_more = |taken| ((taken as usize) < self.entries).then(|| taken + 1);
        let taken = self.words[TAKEN].fetch_update(Acquire, Relaxed, one_more);
        let taken = taken.map_err(|_| TableError::Full)?;
        Ok(ENTRIES + SIZE * taken as usize)
    }

    fn counter(&self, entry: usize) -> Counter<'a> {
        Counter(&self.words[entry + COUNT])
    }
}

/// One counter of a table.
#[derive(Clone, Copy, Debug)]
pub struct Counter<'a>(&'a AtomicU32);

impl Counter<'_> {
    /// Adds `amount`. The counter stops at `u32::MAX`.
    pub fn add(&self, amount: u32) {
        // Relaxed: nothing else is published with the number.
        let _ = self
            .0
            .fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_add(amount)));
    }

    /// What it has counted.
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}
