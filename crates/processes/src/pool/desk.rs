//! A worker's desk: a piece of memory that the program and one worker share,
//! and that outlives the worker.
//!
//! Two things lie on it. *Claims*: a chunk that waits in the worker's socket
//! may still be given to another worker; whoever changes its claim first has
//! it. *Results* that were computed and not sent yet: if the worker dies now,
//! they are not lost, and no item need be computed twice.

use super::codec::CodecError;
use super::frame::{self, Kind};
use serde::Serialize;
use std::io;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many chunks a worker may have, the one that it works on included.
pub(crate) const CHUNKS: usize = 4;

/// Room for results before they are sent.
const ROOM: usize = 64 * 1024;

/// The memory itself. Both sides may hold it at any time, and a worker gone
/// wild may write anything: the program believes none of it unchecked.
#[repr(C)]
struct Memory {
    /// The chunk with number `n` has claim `n % CHUNKS`: 4 × `n` + state.
    claims: [AtomicU64; CHUNKS],
    /// How many results the worker had sent before those that lie here.
    sent: AtomicU64,
    /// How many bytes of results lie here.
    filled: AtomicU64,
    /// Written by the worker alone, and read by the program once it is dead.
    results: [u8; ROOM],
}

/// The state of a claim.
const WAITS: u64 = 0;
const BEGUN: u64 = 1;
const REVOKED: u64 = 2;

/// See the module's text.
pub(crate) struct Desk {
    memory: NonNull<Memory>,
}

// SAFETY: the memory is used through atomics, but for `results`, whose owner
// the protocol above names; the mapping belongs to no thread.
unsafe impl Send for Desk {}

impl Desk {
    /// New shared memory, for this process and those forked from it.
    pub(crate) fn new() -> io::Result<Desk> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let size = size_of::<Memory>();
        // SAFETY: a new anonymous mapping where the kernel likes disturbs
        // nothing.
        let base = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
        match NonNull::new(base.cast::<Memory>()) {
            // All zero is a valid `Memory`.
            Some(memory) if base != libc::MAP_FAILED => Ok(Desk { memory }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[inline]
    fn claim(&self, chunk: u64) -> &AtomicU64 {
        // SAFETY: mapped as long as `self`; an atomic may be shared.
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

    /// The program: a new worker sits down. No other may sit here still.
    pub(crate) fn clear(&self) {
        self.filled().store(0, Ordering::Relaxed);
        self.sent().store(0, Ordering::Release);
    }

    /// The program: this chunk is about to be sent.
    pub(crate) fn offer(&self, chunk: u64) {
        self.claim(chunk)
            .store(chunk << 2 | WAITS, Ordering::Release);
    }

    /// The program: takes the chunk back, if the worker has not begun it.
    pub(crate) fn revoke(&self, chunk: u64) -> bool {
        self.settle(chunk, REVOKED)
    }

    /// The worker: begins the chunk, if it was not taken back.
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

    /// The worker: puts one more result down. The error says what to do with
    /// it instead.
    #[inline]
    pub(crate) fn put(&self, kind: Kind, value: &impl Serialize) -> Result<(), NotPut> {
        let filled = self.filled().load(Ordering::Relaxed) as usize;
        let room = ROOM.checked_sub(filled).ok_or(NotPut::Full)?;
        // SAFETY: within `results`, and as long as this worker lives nobody
        // else uses it.
        let room = unsafe { slice::from_raw_parts_mut(self.results().add(filled), room) };
        let length = match frame::write(room, kind, value) {
            Ok(length) => length,
            Err(CodecError::Full) => return Err(NotPut::Full),
            Err(error) => return Err(NotPut::NotEncoded(error.to_string())),
        };
        let end = filled + length;
        // Release: who sees the length sees the bytes.
        self.filled().store(end as u64, Ordering::Release);
        Ok(())
    }

    /// The worker: what lies here.
    pub(crate) fn unsent(&self) -> &[u8] {
        let filled = (self.filled().load(Ordering::Acquire) as usize).min(ROOM);
        // SAFETY: within `results`; the program calls this only after the
        // worker's death, the worker not while it puts something down.
        unsafe { slice::from_raw_parts(self.results(), filled) }
    }

    /// The worker: `count` more results are sent, and the desk is empty.
    pub(crate) fn clear_sent(&self, count: u64) {
        // In this order: whatever moment it dies at, what the program finds
        // here is either whole, or empty.
        self.filled().store(0, Ordering::Release);
        self.sent().fetch_add(count, Ordering::Release);
    }

    /// The program, after the worker's death: how many results it had sent
    /// before those in [`unsent`](Desk::unsent).
    pub(crate) fn sent_before(&self) -> u64 {
        self.sent().load(Ordering::Acquire)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // SAFETY: our own mapping, whole; nothing borrows from it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), size_of::<Memory>()) };
    }
}

/// Why a result was not put down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotPut {
    /// There is no room for it: send first, or this one directly.
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
        assert_eq!((desk.sent_before(), desk.unsent().len()), (0, 4));
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
        assert_eq!(desk.unsent().len(), count * 1009);
        assert_eq!(desk.put(Kind::RESULT, &piece), Err(NotPut::Full));
    }
}
