//! The kernel hears which memory is freed, from the program's allocator.
//!
//! An atomic that the program sees through `from_ptr` is known by its address. When its memory is
//! freed and allocated again, the next atomic at this address is another one, and nothing in the
//! memory says so. Which addresses are used again also differs from execution to execution, and an
//! explorer cannot go on from a point that looks different each time.
//!
//! While no such atomic is known, a check of one thread-local flag is all that it costs.

use super::State;
use std::cell::Cell;

thread_local! {
    /// Whether the execution of this thread has atomics that are known by their addresses.
    static HAS_HOMES: Cell<bool> = const { Cell::new(false) };
}

/// The atomics in the memory that is about to be freed are no more. For the program's allocator
/// to call, before it frees.
pub fn forget(start: usize, len: usize) {
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
