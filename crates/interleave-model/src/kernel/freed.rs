//! The program's allocator tells the kernel which memory is freed.
//!
//! An atomic that the program sees through `from_ptr` is known by its address. When its memory is
//! freed and allocated again, the next atomic at this address is another one, and nothing in the
//! memory says so. Which addresses are used again also differs from execution to execution, and an
//! explorer cannot go on from a point that looks different each time.
//!
//! The allocator is std's `System` in all else. While no such atomic is known, a check of one
//! thread-local number is all that it adds.

use super::State;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Whether the execution of this thread has atomics that are known by their addresses.
    static HAS_HOMES: Cell<bool> = const { Cell::new(false) };
}

struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

// SAFETY: every request goes to `System` as it came, and `forget` allocates nothing.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to `GlobalAlloc`, as in all of these.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        forget(memory.addr(), layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The value moves along, and an atomic that moves is seen through a new pointer.
        forget(memory.addr(), layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// The atomics in the memory that is about to be freed are no more.
fn forget(start: usize, len: usize) {
    if !HAS_HOMES.get() {
        return;
    }
    let Some(run) = super::run() else { return };
    // The kernel frees memory of its own while it holds the state; no atomic is in that.
    let Ok(mut state) = run.state.try_borrow_mut() else {
        return;
    };
    state
        .homes
        .retain(|address, _| !(start..start + len).contains(address));
}

impl State {
    /// There is an atomic that is known by its address.
    pub(crate) fn add_home(&mut self, address: usize, home: super::Home) {
        HAS_HOMES.set(true);
        self.homes.insert(address, home);
    }

    /// A new execution begins: no atomic is known by its address.
    pub(super) fn forget_homes(&mut self) {
        HAS_HOMES.set(false);
        self.homes.clear();
    }
}
