//! Atomics whose memory the program can see: `as_ptr` and `from_ptr`.
//!
//! The search keeps the values of an atomic, so normally there is nothing for a pointer to point to.
//! Once the program has asked for a pointer, the newest value is kept in memory as well, and the
//! address identifies the atomic:
//!
//! ```text
//!   AtomicBool::from_ptr(p) ─┐
//!   AtomicBool::from_ptr(p) ─┼─ address of the byte ── number in the execution ── search's value
//!   atomic.as_ptr() == p    ─┘          │                                              │
//!                                       └── after each store, the newest value ────────┘
//! ```
//!
//! std promises that an atomic has the size and alignment of its value, so that a program may also
//! cast a pointer to the value into one to the atomic. A modelled atomic is bigger, and it begins
//! with a mark. If the mark is missing, the address is taken as that of a plain value, as if it had
//! been passed to `from_ptr`. (The check for the mark reads up to eight bytes, even where the
//! program has only one.) Zeroed memory has no mark either, and it is an atomic that holds 0.
//!
//! The next atomic operation notices a plain write to the memory, because the memory then differs
//! from the newest value. The atomic then starts anew with the value that was written. That is
//! right, because a plain write needs exclusive access, so all earlier atomic operations happen
//! before it. The plain access itself is not a scheduling point and is not checked for races.
//!
//! When memory is freed, the kernel forgets the atomics in it (see `kernel/freed.rs`). Memory on a
//! stack is not freed. If it is used again for another atomic that begins with the same value, the
//! new atomic goes on with the history of the old one.

use std::cell::Cell;

use super::cell::{AtomicCell, Word};
use crate::kernel::{
    self, Home, Place, Run,
    object::{self, ObjectId, Packed},
};

/// Where the value of an atomic can be seen, if it can.
#[repr(C)]
pub(super) struct Memory<T: Copy> {
    /// What `as_ptr` points at.
    shown: Cell<T>,
    /// The execution in which `as_ptr` was called, or 0.
    shown_in: Cell<Packed<u64>>,
    /// What was given to `from_ptr`; null for an atomic that was made by `new`.
    elsewhere: Cell<Packed<*mut T>>,
}

impl<T: Word> Memory<T> {
    pub(super) const fn new(value: T) -> Self {
        Self {
            shown: Cell::new(value),
            shown_in: Cell::new(Packed(0)),
            elsewhere: Cell::new(Packed(std::ptr::null_mut())),
        }
    }

    /// The memory, if the program can see it in this execution.
    pub(super) fn visible(&self, run: &Run) -> Option<*mut T> {
        let elsewhere = self.elsewhere.get().0;
        if !elsewhere.is_null() {
            Some(elsewhere)
        } else if self.shown_in.get().0 == run.execution.get() {
            Some(self.shown.as_ptr())
        } else {
            None
        }
    }

    /// Hides the value from the program again. Returns the value, if the program could see it.
    pub(super) fn hide(&self, run: &Run) -> Option<T> {
        let value = read(self.visible(run)?);
        self.shown_in.set(Packed(0));
        Some(value)
    }
}

/// The value in an atomic's memory.
pub(super) fn read<T: Word>(memory: *mut T) -> T {
    // SAFETY: the memory is the atomic's own field, or the caller of `from_ptr` has promised that
    // it is valid for as long as the atomic is used. Only one modelled thread runs at a time, so no
    // other thread writes meanwhile.
    unsafe { memory.read() }
}

/// The number, in the current execution, of the atomic that lies in `memory`.
pub(super) fn id<T: Word>(run: &Run, memory: *mut T, made: Place) -> ObjectId {
    let bits = read(memory).pack();
    let home = run.state.borrow().homes.get(&memory.addr()).copied();
    if let Some(home) = home
        && home.bits == T::BITS
        && home.shown == bits
    {
        return home.id;
    }
    let word = object::Word {
        initial: bits,
        bits: T::BITS,
    };
    let id = run.register(T::KIND, made, &[word]);
    move_in(run, memory, id);
    id
}

/// Writes the newest value into the atomic's memory.
pub(super) fn write_through<T: Word>(run: &Run, memory: *mut T, value: T) {
    if let Some(home) = run.state.borrow_mut().homes.get_mut(&memory.addr()) {
        home.shown = value.pack();
    }
    // SAFETY: as in `read`. The store has just been performed, and no other thread ran since.
    unsafe { memory.write(value) };
}

fn move_in<T: Word>(run: &Run, memory: *mut T, id: ObjectId) {
    let home = Home {
        id,
        bits: T::BITS,
        shown: read(memory).pack(),
    };
    run.state.borrow_mut().add_home(memory.addr(), home);
}

impl<T: Word> AtomicCell<T> {
    /// The memory that shows the newest value from now on.
    pub(super) fn as_ptr(&self) -> *mut T {
        if !self.has_mark() {
            return self.address();
        }
        let Some(run) = kernel::running() else {
            return self.memory.shown.as_ptr();
        };
        if let Some(memory) = self.memory.visible(&run) {
            return memory;
        }
        let memory = self.memory.shown.as_ptr();
        self.memory.shown.set(self.peek());
        self.memory.shown_in.set(Packed(run.execution.get()));
        run.state.borrow_mut().homes.remove(&memory.addr());
        if let Some(id) = self.header.known(&run) {
            move_in(&run, memory, id);
        }
        memory
    }

    /// The atomic that lies in `memory`.
    ///
    /// The memory must be valid for as long as the result is used. The result itself is never
    /// freed, because it is not known how long that is. There is one result for each address.
    pub(super) fn from_ptr<'a>(memory: *mut T, at: Place) -> &'a Self {
        let run = kernel::must_run(T::KIND);
        let key = (memory.addr(), T::KIND.name());
        let known = run.views.borrow().get(&key).copied();
        let view = known.unwrap_or_else(|| {
            let view = Self::new(read(memory));
            view.memory.elsewhere.set(Packed(memory));
            let view = std::ptr::from_ref(Box::leak(Box::new(view))).cast();
            run.views.borrow_mut().insert(key, view);
            view
        });
        // SAFETY: it was made above, now or earlier, and is never freed. All `AtomicCell<*mut X>`
        // have the same layout: they are `repr(C)`, and so are their fields.
        let atomic = unsafe { &*view.cast::<Self>() };
        // An address that was used before may come with a pointer of another provenance.
        atomic.memory.elsewhere.set(Packed(memory));
        let is_new = !run.state.borrow().homes.contains_key(&memory.addr());
        if is_new {
            atomic.header.set_made(at);
            // SAFETY: the caller promises that the memory is valid for reads and writes.
            unsafe { object::reset_static(memory) };
        }
        id(&run, memory, atomic.header.made());
        atomic
    }
}
