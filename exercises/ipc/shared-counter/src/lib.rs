//! Named counters in memory that several processes share.
//!
//! ```text
//!  words:  [LAST] [TAKEN] | [NAME] [COUNT] [NEXT] | [NAME] [COUNT] [NEXT] | free
//!             5       2   |    7      90      0   |    4       3      2   |
//!  offset:    0       1        2       3      4        5       6      7      8
//! ```
//!
//! Two entries of this table were taken. The list begins at the entry at offset 5, which counts 3
//! under the name 4. Its `NEXT` leads to the entry at offset 2, which counts 90 under the name 7.
//! The `NEXT` of that entry is 0: the list ends.
//!
//! - C1: A table with n entries has `ENTRIES + SIZE * n` words. `words[LAST]` is the offset of the
//!   entry that was pushed last, or 0 if the list is empty. `words[TAKEN]` counts the entries that
//!   were taken, in the order of their offsets: entry number k (from 0 to n - 1) begins at the offset
//!   `ENTRIES + SIZE * k`. The three words of an entry in the list are its name, its count, and the
//!   offset of the entry that was pushed before it, or 0 if it was the first. The words of an entry
//!   that is not in the list mean nothing. An offset is an index into the words. So words that are
//!   all 0 are an empty table. Nothing else is stored in the words.
//!
//! A call "changes no word" if no word ever has another value because of the call. (An atomic step
//! that leaves the value of a word as it is, such as a failed compare-exchange, is no change.) Calls
//! in signal handlers are not part of this contract.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU32;

/// The word with the offset of the entry that was pushed last, or 0.
pub const LAST: usize = 0;
/// The word that counts the entries that were taken.
pub const TAKEN: usize = 1;
/// The offset of the first entry.
pub const ENTRIES: usize = 2;
/// The words of an entry: name, count, offset of the next entry.
pub const SIZE: usize = 3;
/// The most entries that a table can have.
pub const MOST: usize = 1 << 20;

/// Makes new memory for an empty table with `entries` entries.
///
/// - C2: The memory is a new file of exactly the bytes of the words (4 for each word), and all of
///   them are 0. The file can be read and written. When `create` has returned, the file has no name
///   in any folder: it is gone when no descriptor and no mapping is left. Every number of a descriptor
///   is good, also 0. (Permissions, the position in the file, what happens on exec, and seals that
///   keep the length as it is are not part of this contract.)
/// - C3: If `entries` is 0 or more than [`MOST`], returns an error of the kind
///   [`io::ErrorKind::InvalidInput`]. If the kernel does not make the file, or does not make it long
///   enough, returns the kernel's error with its number ([`io::Error::raw_os_error`]), and nothing
///   is left of the file: no descriptor, no memory and no name. (If the file would be longer than the
///   process may make files, the kernel also sends SIGXFSZ. The caller ignores this signal.)
pub fn create(entries: usize) -> io::Result<File> {
    let _ = entries;
    todo!("make a file without a name, and give it its length")
}

/// The words of a table, in a file that is mapped into memory.
///
/// - C4: All processes and all mappings share the words of a file, at whatever addresses they are:
///   what one of them stores, the others see, and so do those that read the file. Mapping a file
///   changes none of its bytes, whatever they are. A mapping needs the descriptor no longer: it also works when the
///   descriptor has been closed.
/// - C5: When the drop of the value returns, its mapping is no longer in memory. Nothing of this
///   library leaves a descriptor, memory, a mapping, a thread or a process behind, also not after an
///   error.
pub struct Memory {
    // Replace this by what a mapping needs.
    words: (),
}

impl Memory {
    /// Maps the whole file.
    ///
    /// - C6: If the length of the file is not that of a table with 1 to [`MOST`] entries, returns an
    ///   error of the kind [`io::ErrorKind::InvalidData`], and the length and the bytes of the file
    ///   stay as they are. If the length is right and the kernel does not let all processes share the
    ///   words, to read and to write them, returns the kernel's error with its number. (`map` may move
    ///   the position in the file.)
    pub fn map(file: &File) -> io::Result<Memory> {
        let _ = file;
        todo!("check the length, and map the file")
    }

    /// The words: all of the file.
    pub fn words(&self) -> &[AtomicU32] {
        let () = self.words;
        todo!("the memory of the mapping, as words")
    }
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

/// The counters in the words that the caller supplies.
///
/// Any number of processes and threads may use the same words at the same time, each with a `Table`
/// of its own. "Others" are other processes, and other threads of the same process:
/// - C7: Names that are joined at the same time are all in the list afterwards, each name once. A call
///   returns a counter only when the name is in the list, however often others were faster. Whoever
///   finds an entry in the list, through whatever entries, finds the name and the `NEXT` with which it
///   was pushed, and its count or a later one. Two cases are special:
///   - If others push the name while a call is at work, an entry that the call has taken may stay
///     unused. The call may also give it back: it may make `words[TAKEN]` smaller by 1 if no later
///     entry has been taken.
///   - If others take the last free entry while a call is at work, the call may return
///     [`TableError::Full`], also if the name is in the list in the end.
/// - C8: No call waits for others. If a thread or a process is stopped or killed at any moment of its
///   calls, the calls of others return all the same, as this contract says. So there is no lock, also
///   not one outside the words. (A process that is forked while another of its threads holds a lock
///   waits for this lock for ever.) Each thread that was killed in `join` may leave one entry that is
///   taken and not in the list.
/// - C9: Others may write wrong words. `new` returns [`TableError::Broken`] if no table with 1 to
///   [`MOST`] entries has so many words. `join` and `sum` return `Broken` if they meet an offset at
///   which no entry begins (whether it was taken does not matter), or a list that has more entries
///   than the table. That also holds for an offset that others write while the call is at work, if the
///   call meets it. Such a call does not panic, and it uses no words behind the last one. If the
///   offset was wrong before the call began, the call changes no word. If `join` meets it after it has
///   taken an entry, this entry may stay unused. (If the wrong offset comes behind the name, or if the
///   circle contains the name, `join` may return `Broken` or the counter.)
pub struct Table<'a> {
    // Replace this by what a table needs.
    words: PhantomData<&'a [AtomicU32]>,
}

impl<'a> Table<'a> {
    /// The table in these words (see C9). It changes no word.
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, TableError> {
        let _ = words;
        todo!("check how many words there are")
    }

    /// The counter with this name. Every `u32` is a name.
    ///
    /// - C10: If an entry in the list has the name, returns the counter of this entry and changes no
    ///   word. Otherwise takes the next free entry, gives it the name and the count 0, whatever its
    ///   words were before, and pushes it: it becomes the first entry of the list. Only the words
    ///   decide, as they are now: others may also take entries out of the list. (If others have written
    ///   the same name into two entries of the list, or a `words[TAKEN]` that is not larger than the
    ///   number of an entry in the list, only C8 holds, and that the call does not panic.)
    /// - C11: If the name is not in the list and `words[TAKEN]` says that all entries were taken (or
    ///   more), returns [`TableError::Full`] and changes no word, however often it is called.
    pub fn join(&self, name: u32) -> Result<Counter<'a>, TableError> {
        let (_, _) = (self.words, name);
        todo!("find the name, or push a new entry")
    }

    /// - C12: The sum of the counts in the list, each of them read once. It changes no word. (An entry
    ///   that others push while the call is at work may be in the sum or not, and so may what they add
    ///   to a count.)
    pub fn sum(&self) -> Result<u64, TableError> {
        let _ = self.words;
        todo!("walk along the list")
    }
}

/// A counter. It can be used as long as the words are there, also when the `Table` is gone.
///
/// - C13: `add` adds `amount` to the count, and `get` returns the count. The count stops at `u32::MAX`:
///   if the sum would be larger, the count becomes `u32::MAX` and stays there. No addition is lost,
///   whoever adds at the same time and however often others are faster, and nobody ever sees the count
///   become smaller. The calls use no other word.
pub struct Counter<'a> {
    // Replace this by what a counter needs.
    count: PhantomData<&'a AtomicU32>,
}

impl Counter<'_> {
    /// Adds `amount` (see C13).
    pub fn add(&self, amount: u32) {
        let (_, _) = (self.count, amount);
        todo!("add, and stop at the top")
    }

    /// The count.
    pub fn get(&self) -> u32 {
        let _ = self.count;
        todo!("read the count")
    }
}
