//! A worker's desk: a piece of memory that the program and one worker share,
//! and that outlives the worker.
//!
//! Two things are on it. *Claims*: while a chunk waits in the worker's socket,
//! the program may still give it to another worker. Whichever side changes the
//! chunk's claim first gets the chunk. *Results* that the worker has computed
//! but not sent yet: if the worker dies now, they are not lost, and no item has
//! to be computed twice.

use std::io;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::message::{self, Kind};
use crate::frame::NotFramed;

/// How many chunks a worker may have, including the one that it works on.
pub(crate) const CHUNKS: usize = 4;

/// Room for results before they are sent, in bytes.
const ROOM: usize = 64 * 1024;

/// The memory itself. Both sides may access it at any time, and a worker with
/// corrupted memory may write anything to it. So the program checks everything
/// that it reads here.
#[repr(C)]
struct Memory {
    /// The claim of the chunk with number `n` is at index `n % CHUNKS`. Its
    /// value is 4 × `n` + state.
    claims: [AtomicU64; CHUNKS],
    /// How many results the worker had sent before those that are here.
    sent: AtomicU64,
    /// How many bytes of results are here.
    filled: AtomicU64,
    /// Only the worker writes here. The program reads it once the worker is
    /// dead.
    results: [u8; ROOM],
}

/// The state of a claim: the chunk waits, the worker has begun it, or the
/// program has taken it back.
const WAITS: u64 = 0;
const BEGUN: u64 = 1;
const REVOKED: u64 = 2;

/// A handle for the shared memory; see the module's documentation.
pub(crate) struct Desk {
    memory: NonNull<Memory>,
}

// SAFETY: the memory is used through atomics, except `results`, which only the
// owner named by the protocol above accesses. The mapping does not belong to a
// thread.
unsafe impl Send for Desk {}

impl Desk {
    /// Maps new shared memory, for this process and those forked from it.
    pub(crate) fn new() -> io::Result<Desk> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let size = size_of::<Memory>();
        // SAFETY: a new anonymous mapping at an address that the kernel chooses
        // changes no existing memory.
        let base = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
        match NonNull::new(base.cast::<Memory>()) {
            // All zero is a valid `Memory`.
            Some(memory) if base != libc::MAP_FAILED => Ok(Desk { memory }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[inline]
    fn claim(&self, chunk: u64) -> &AtomicU64 {
        // SAFETY: the memory stays mapped as long as `self` lives, and an
        // atomic may be shared.
        unsafe { &(*self.memory.as_ptr()).claims[chunk as usize % CHUNKS] }
    }

    #[inline]
    fn sent(&self) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { &(*self.memory.as_ptr()).sent }
    }

    #[inline]
    fn filled(&self) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { &(*self.memory.as_ptr()).filled }
    }

    #[inline]
    fn results(&self) -> *mut u8 {
        let offset = offset_of!(Memory, results);
        self.memory.as_ptr().cast::<u8>().wrapping_add(offset)
    }

    /// Called by the program: empties the desk for a new worker. The previous
    /// worker must be dead.
    pub(crate) fn clear(&self) {
        self.filled().store(0, Ordering::Relaxed);
        self.sent().store(0, Ordering::Release);
    }

    /// Called by the program: it is about to send this chunk.
    pub(crate) fn offer(&self, chunk: u64) {
        self.claim(chunk)
            .store(chunk << 2 | WAITS, Ordering::Release);
    }

    /// Called by the program: takes the chunk back, if the worker has not begun
    /// it. Returns whether it did.
    pub(crate) fn revoke(&self, chunk: u64) -> bool {
        self.settle(chunk, REVOKED)
    }

    /// Called by the worker: begins the chunk, if the program has not taken it
    /// back. Returns whether it did.
    pub(crate) fn begin(&self, chunk: u64) -> bool {
        self.settle(chunk, BEGUN)
    }

    fn settle(&self, chunk: u64, state: u64) -> bool {
        let waits = chunk << 2 | WAITS;
        let settled = chunk << 2 | state;
        let order = Ordering::AcqRel;
        self.claim(chunk)
            .compare_exchange(waits, settled, order, Ordering::Acquire)
            .is_ok()
    }

    /// Called by the worker: puts one more result on the desk. The error says
    /// what to do with the result instead.
    #[inline]
    pub(crate) fn put(&self, kind: Kind, value: &impl Serialize) -> Result<(), NotPut> {
        let filled = self.filled().load(Ordering::Relaxed) as usize;
        let room = ROOM.checked_sub(filled).ok_or(NotPut::Full)?;
        // SAFETY: the range lies within `results`, and as long as this worker
        // lives, no other process uses it.
        let room = unsafe { slice::from_raw_parts_mut(self.results().add(filled), room) };
        let length = match message::write(room, kind, value) {
            Ok(length) => length,
            Err(NotFramed::Full) => return Err(NotPut::Full),
            Err(error) => return Err(NotPut::NotEncoded(error.to_string())),
        };
        let end = filled + length;
        // Release: a process that sees the length also sees the bytes.
        self.filled().store(end as u64, Ordering::Release);
        Ok(())
    }

    /// The results on the desk.
    pub(crate) fn unsent(&self) -> &[u8] {
        let filled = (self.filled().load(Ordering::Acquire) as usize).min(ROOM);
        // SAFETY: the range lies within `results`. The program calls this only
        // after the worker's death, and the worker does not call it while it
        // puts a result on the desk.
        unsafe { slice::from_raw_parts(self.results(), filled) }
    }

    /// Called by the worker: it has sent `count` more results, and the desk is
    /// empty again.
    pub(crate) fn clear_sent(&self, count: u64) {
        // The order matters: at whatever moment the worker dies, the program
        // finds either all of these results or none.
        self.filled().store(0, Ordering::Release);
        self.sent().fetch_add(count, Ordering::Release);
    }

    /// Called by the program after the worker's death: how many results the
    /// worker had sent before those in [`unsent`](Desk::unsent).
    pub(crate) fn sent_before(&self) -> u64 {
        self.sent().load(Ordering::Acquire)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // SAFETY: this unmaps exactly our own mapping, and nothing borrows from
        // it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), size_of::<Memory>()) };
    }
}

/// Why a result was not put on the desk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotPut {
    /// There is no room for it. Send the other results first, or send this one
    /// directly.
    Full,
    /// It cannot be encoded at all.
    NotEncoded(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_begun_or_taken_back_but_not_both() {
        let desk = Desk::new().unwrap();
        desk.offer(8);
        assert!(desk.begin(8) && !desk.revoke(8));
        desk.offer(9);
        assert!(desk.revoke(9) && !desk.begin(9));
        assert!(!desk.begin(13), "another chunk with the same place");
    }

    #[test]
    fn results_stay_until_they_are_sent() {
        let desk = Desk::new().unwrap();
        desk.put(Kind::RESULT, &1_u8).unwrap();
        desk.put(Kind::RESULT, &2_u8).unwrap();
        assert_eq!((desk.sent_before(), desk.unsent().len()), (0, 12));
        desk.clear_sent(2);
        assert_eq!((desk.sent_before(), desk.unsent().len()), (2, 0));
    }

    #[test]
    fn a_full_desk_takes_no_more_and_keeps_what_it_has() {
        let desk = Desk::new().unwrap();
        let piece = vec![7_u8; 1000];
        let mut count = 0;
        while desk.put(Kind::RESULT, &piece).is_ok() {
            count += 1;
        }
        assert_eq!(desk.unsent().len(), count * 1007);
        assert_eq!(desk.put(Kind::RESULT, &piece), Err(NotPut::Full));
    }
}
