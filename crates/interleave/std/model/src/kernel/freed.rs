//! The program's allocator tells the kernel which memory is freed.
//!
//! An atomic that the program sees through `from_ptr` is known by its address. When its memory is
//! freed and allocated again, the next atomic at this address is another one, and nothing in the
//! memory shows that. Which addresses the allocator uses again also differs from execution to
//! execution, but an explorer needs executions that look the same up to the point where it goes on.
//!
//! While no such atomic is known, this costs only a check of one thread-local flag.

use std::cell::Cell;

use super::State;

thread_local! {
    /// Whether the execution of this thread has atomics that are known by their addresses.
    static HAS_HOMES: Cell<bool> = const { Cell::new(false) };
}

/// Forgets the atomics in memory that is about to be freed. The program's allocator calls it before
/// it frees memory.
pub fn forget(start: usize, len: usize) {
    if !HAS_HOMES.get() {
        return;
    }
    let Some(run) = super::run() else { return };
    // The kernel frees memory of its own while it holds the state. No atomic is in that memory.
    let Ok(mut state) = run.state.try_borrow_mut() else {
        return;
    };
    state
        .homes
        .retain(|address, _| !(start..start + len).contains(address));
}

impl State {
    /// Notes an atomic that is known by its address.
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
