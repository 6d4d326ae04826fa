//! A ring in shared memory: one process puts numbers in, and another process takes them out.
//!
//! ```text
//!  words:   [PUT] [TAKEN] [slot 0] [slot 1] [slot 2] [slot 3]
//!              7      5       -       50       60       -
//! ```
//!
//! Seven numbers were put in and five of them were taken out. Two are left in the ring: number 5,
//! which is 50, and number 6, which is 60. (The first number that is put in is number 0.)
//!
//! The words and the two counts:
//! - C1: Of the words of a ring, the first, `words[PUT]`, counts the numbers that were put in, and
//!   `words[TAKEN]` counts the numbers that were taken out. All other words are slots, and the
//!   *capacity* is how many slots there are. Number n is stored in slot n mod capacity, which is
//!   `words[SLOTS + n % capacity]`. A call that puts a number in stores that slot and `words[PUT]`,
//!   and a call that takes a number out stores `words[TAKEN]`. The ends change no other word, and a
//!   call that does neither changes no word.
//! - C2: Both counts wrap: after `u32::MAX` comes 0. Nothing else changes there: the numbers still
//!   come out in order, and a full or an empty ring is still recognized.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU32;

/// The word that counts the numbers that were put in. The consumer sleeps on it.
pub const PUT: usize = 0;
/// The word that counts the numbers that were taken out. The producer sleeps on it.
pub const TAKEN: usize = 1;
/// The first slot.
pub const SLOTS: usize = 2;

/// The words are not those of a ring, or the other process wrote a count that is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the words are not those of a ring, or the other process wrote a wrong count")
    }
}

impl std::error::Error for Broken {}

/// The end that puts numbers in. A ring has at most one producer at a time.
///
/// For both ends:
/// - C3: `new` takes the end's own count from the words, so that an end continues where an earlier
///   one stopped. It returns [`Broken`] if there are not a power of two slots, at least 1 and at most
///   2³¹, or if the ring would hold more numbers than it has slots. It changes no word. The caller
///   sees to it that everything that an earlier end of the same kind did happens before `new`.
/// - C4: After `new`, the end keeps its own count in its own memory. If another process writes to the
///   word with that count, nothing changes for the end, and its next successful call stores the
///   right count again.
/// - C5: Each call of `try_push`, `push`, `try_pop` or `pop` looks at the other end's count. If it says
///   that the ring holds more numbers than it has slots (or fewer than none), the call returns
///   [`Broken`] and changes no word. That holds also if the count becomes impossible, and the end is
///   woken, while the call waits. A call may look several times. If the count changes between these
///   looks, the call may use any of them, but it uses only a count that it has checked. The error is
///   not remembered: the next call works if the count is possible again.
/// - C6: Everything that the producer's thread did before it put a number in happens before the call
///   that takes this number out returns. Everything that the consumer's thread did before it called
///   `try_pop` or `pop` happens before a call of `try_push` or `push` returns that puts a number into
///   the slot that became free. `futex::shared::wait` orders nothing, whether it sleeps or not.
///   `wake_one` and `wake_all` order as `fence(Ordering::SeqCst)` does, also if no thread sleeps.
pub struct Producer<'a> {
    // Replace this by what a producer needs.
    words: PhantomData<&'a [AtomicU32]>,
}

impl<'a> Producer<'a> {
    /// See C3.
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, Broken> {
        let _ = words;
        todo!("check the words, and remember the count")
    }

    /// - C7: If there are fewer numbers in the ring than it has slots, puts `value` in and returns
    ///   `true`. If the ring is full, returns `false`. It never sleeps.
    pub fn try_push(&mut self, value: u32) -> Result<bool, Broken> {
        let _ = value;
        todo!("put the value in, or say that there is no room")
    }

    /// Puts `value` in. If the ring is full, it waits until there is room.
    ///
    /// For `push` and [`Consumer::pop`]:
    /// - C8: A call that has to wait sleeps in the kernel, as [`futex::shared::wait`] does, on the
    ///   *other* end's count: `push` on `words[TAKEN]`, `pop` on `words[PUT]`. It returns when the
    ///   other end has made room or put a number in, and has woken it. Before each sleep, it may look
    ///   up to 100 times. A sleep may have a limit of 1 ms or more, after which the call looks again
    ///   and continues to wait. No change is missed, also not one that comes just before the call goes
    ///   to sleep. One free slot, or one number, is enough. A wake-up or a signal for no reason does
    ///   not end the wait, however many of them come. There is no limit of time for the whole call: if
    ///   the other process is stopped, the call waits.
    pub fn push(&mut self, value: u32) -> Result<(), Broken> {
        let _ = value;
        todo!("put the value in, and sleep while there is no room")
    }
}

/// The end that takes numbers out. A ring has at most one consumer at a time.
pub struct Consumer<'a> {
    // Replace this by what a consumer needs.
    words: PhantomData<&'a [AtomicU32]>,
}

impl<'a> Consumer<'a> {
    /// See C3.
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, Broken> {
        let _ = words;
        todo!("check the words, and remember the count")
    }

    /// - C9: If there are numbers in the ring, takes the oldest one out and returns it. If the ring is
    ///   empty, returns `None`. It never sleeps.
    pub fn try_pop(&mut self) -> Result<Option<u32>, Broken> {
        todo!("take a value out, or say that there is none")
    }

    /// Takes the oldest number out. If the ring is empty, it waits until there is a number.
    ///
    /// For `try_push`, `push`, `try_pop` and `pop`:
    /// - C10: After a call has stored its own count, and before it returns, it wakes the other end if
    ///   that end sleeps on this count, in whichever process. The call may always do so, or only if the
    ///   other end can be asleep. A consumer sleeps only after it has seen the ring empty, and a
    ///   producer only after it has seen the ring full.
    pub fn pop(&mut self) -> Result<u32, Broken> {
        todo!("take a value out, and sleep while there is none")
    }
}

/// The words of a ring in a file that is mapped into memory.
pub struct Mapping {
    // Replace this by what a mapping needs.
    memory: (),
}

impl Mapping {
    /// The words: the two counts and the slots.
    pub fn words(&self) -> &[AtomicU32] {
        let () = self.memory;
        todo!("the memory of the mapping, as words")
    }
}

/// Maps the words of a ring with `capacity` slots.
///
/// - C11: The words are the first `SLOTS + capacity` words of the file, 4 bytes each, from byte 0 on.
///   All processes that map the same file share them: what one of them stores, the others and those
///   that read the file see. The mapping needs the file no longer: it works also after the caller has
///   closed the file.
/// - C12: A file that is shorter is extended with zero bytes to exactly the size of the words. (So a
///   new file holds an empty ring.) A file that is long enough keeps its length. The bytes that are
///   in the file stay as they are. So do the file's position and its flags, when `map` has returned,
///   and the file may be open for appending (`O_APPEND`). During the call, no other call or process
///   changes the length of the file, unless to the same length: two calls of `map` for one file at the
///   same time have the same `capacity`.
/// - C13: If `capacity` is not a power of two, returns an error of the kind
///   [`io::ErrorKind::InvalidInput`] and changes nothing. Every power of two is allowed, up to 2³¹.
///   If the kernel does not extend or map the file, returns the kernel's error with its number
///   ([`io::Error::raw_os_error`]). The number depends on the system call that fails. The file may
///   already have been extended, and it may stay so.
/// - C14: When the mapping has been dropped, it is no longer in memory. Nothing of this library leaves
///   a file descriptor or memory behind, also not after an error. (A mapping may keep a descriptor
///   until it is dropped.) The library starts no thread and no process, not even for a moment.
pub fn map(file: &File, capacity: u32) -> io::Result<Mapping> {
    let _ = (file, capacity);
    todo!("make the file long enough, and map it")
}
