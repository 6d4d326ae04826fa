//! The program's allocator, which counts what the program asks of it.
//!
//! Every program that links proctor allocates through it. So the subject can
//! report how much memory the learner's code asked for while it worked on a
//! question: the largest request, the most memory that it held at one time, and
//! what it still holds afterwards. An allocation that is freed at once counts
//! like any other, and so does memory that is reserved and never touched.
//!
//! Apart from the counting, it is std's `System`. It does not count memory that
//! code takes from the kernel or from libc without Rust's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};

use records::Heap;

use crate::subject::trouble;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that the program holds now.
static HELD: AtomicU64 = AtomicU64::new(0);
/// The most bytes that it held at one time since [`begin`].
static MOST: AtomicU64 = AtomicU64::new(0);
/// The largest request since [`begin`], granted or not.
static LARGEST: AtomicU64 = AtomicU64::new(0);
/// Requests since [`begin`], growing and shrinking included.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// What to call before memory is freed, if anything.
static ON_FREE: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// From now on, every thread calls `hook` before it frees or moves memory, with
/// the address and the size of that memory. The hook must not allocate.
///
/// For explorers, which identify an atomic by its address.
pub fn on_free(hook: fn(usize, usize)) {
    ON_FREE.store(hook as *mut (), Relaxed);
}

/// Begins counting for a question. Returns how many bytes are held now.
pub(crate) fn begin() -> u64 {
    let held = HELD.load(Relaxed);
    MOST.store(held, Relaxed);
    LARGEST.store(0, Relaxed);
    REQUESTS.store(0, Relaxed);
    held
}

/// Ends counting for a question that began when `held_before` bytes were held.
pub(crate) fn end(held_before: u64) -> Heap {
    Heap {
        requests: REQUESTS.load(Relaxed),
        largest: LARGEST.load(Relaxed),
        peak: MOST.load(Relaxed).saturating_sub(held_before),
        left: HELD.load(Relaxed).saturating_sub(held_before),
    }
}

fn asked(size: usize) {
    REQUESTS.fetch_add(1, Relaxed);
    // Most of the time the load avoids the write, for which threads that
    // allocate would contend.
    if LARGEST.load(Relaxed) < size as u64 {
        LARGEST.fetch_max(size as u64, Relaxed);
    }
}

/// Counts a request whose result is `memory`, and returns that result.
fn got(memory: *mut u8, size: usize) -> *mut u8 {
    asked(size);
    if memory.is_null() {
        trouble::no_memory(size as u64);
    } else {
        trouble::memory_again();
        took(size);
    }
    memory
}

fn took(size: usize) {
    let held = HELD
        .fetch_add(size as u64, Relaxed)
        .wrapping_add(size as u64);
    if MOST.load(Relaxed) < held {
        MOST.fetch_max(held, Relaxed);
    }
}

fn gives_back(memory: *mut u8, size: usize) {
    let hook = ON_FREE.load(Relaxed);
    if !hook.is_null() {
        // SAFETY: `on_free` is the only writer, and what it writes has this type.
        let hook = unsafe { std::mem::transmute::<*mut (), fn(usize, usize)>(hook) };
        hook(memory.addr(), size);
    }
    HELD.fetch_sub(size as u64, Relaxed);
}

// SAFETY: every request goes to `System` unchanged, and the counting allocates
// nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to `GlobalAlloc`, as in all of these.
        got(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        got(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        gives_back(memory, layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The value may move, and then it is no longer at this address.
        gives_back(memory, layout.size());
        // SAFETY: as in `alloc`.
        let moved = got(unsafe { System.realloc(memory, layout, size) }, size);
        if moved.is_null() {
            // The old memory is still held.
            took(layout.size());
        }
        moved
    }
}
