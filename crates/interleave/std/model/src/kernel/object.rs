//! The identity of modelled objects, and how a `static` starts anew in every execution.
//!
//! An object's header holds the number of the object and the execution in which it has that number.
//! The header moves with the object, so code may build a lock on the stack and put it into an
//! `Arc`. A number from an earlier execution means that the object outlived that execution, so it
//! is a `static`. Then the kernel puts back its initial bytes, which a constant expression made.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use interleave_search::Moment;

use super::{Place, Run};

/// The number of a modelled object (an atomic, a lock, a thread …) in the current execution.
pub type ObjectId = u32;

/// A word of an object: its value when the object is new, and how many bits it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    pub(crate) initial: u64,
    pub(crate) bits: u32,
}

impl Word {
    /// A word of 64 bits.
    pub(crate) const fn new(initial: u64) -> Self {
        Self { initial, bits: 64 }
    }
}

/// What an object is. This decides its name and how its values are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    AtomicBool,
    /// The name of the type, how many bits it has, and whether it is signed.
    AtomicInt(&'static str, u32, bool),
    AtomicPtr,
    Mutex,
    RwLock,
    Condvar,
    Barrier,
    Once,
    Channel,
    Scope,
    Thread,
    Payload,
}

impl Kind {
    /// The name of the type, as the learner writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AtomicBool => "AtomicBool",
            Self::AtomicInt(name, ..) => name,
            Self::AtomicPtr => "AtomicPtr",
            Self::Mutex => "Mutex",
            Self::RwLock => "RwLock",
            Self::Condvar => "Condvar",
            Self::Barrier => "Barrier",
            Self::Once => "Once",
            Self::Channel => "channel",
            Self::Scope => "scope",
            Self::Thread => "thread",
            Self::Payload => "payload",
        }
    }

    /// A value of this object as a reader expects it. Addresses differ from run to run, so a
    /// pointer is only said to be null or not.
    #[must_use]
    pub fn show(self, value: u64) -> String {
        match self {
            Self::AtomicBool => (value != 0).to_string(),
            Self::AtomicInt(_, bits, true) => {
                let unused = 64 - bits;
                ((value << unused).cast_signed() >> unused).to_string()
            }
            Self::AtomicPtr => (if value == 0 { "null" } else { "a pointer" }).to_owned(),
            _ => value.to_string(),
        }
    }
}

/// An object as the kernel knows it during one execution.
#[derive(Debug)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Where it was made.
    pub made: Place,
    /// The location of its first word in the search.
    pub word: usize,
    /// The location of the queue of the threads that sleep on it, if it is a futex.
    pub(crate) queue: Option<usize>,
    /// The thread that holds it (a mutex, a write lock).
    pub owner: Option<usize>,
    /// The threads that share it (read locks).
    pub readers: Vec<usize>,
    /// Payload accesses that have begun and not ended: thread, whether a write, where.
    pub inside: Vec<(usize, bool, Place)>,
    /// The accesses to a payload that have ended.
    pub(crate) accesses: Vec<Access>,
}

/// An access to a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) thread: usize,
    pub(crate) writes: bool,
    pub(crate) at: Place,
    /// When it ended.
    pub(crate) end: Moment,
}

/// A value that may lie at any address. A modelled atomic has the alignment of the value in it,
/// like an atomic of std, whatever else it holds.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<T: Copy>(pub(crate) T);

/// The first field of most modelled types.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    execution: Cell<Packed<u64>>,
    id: Cell<Packed<ObjectId>>,
    /// `None` only in memory that was zeroed and never made by `new`.
    made: Cell<Packed<Option<Place>>>,
}

impl Header {
    #[track_caller]
    pub(crate) const fn new() -> Self {
        Self {
            execution: Cell::new(Packed(0)),
            id: Cell::new(Packed(0)),
            made: Cell::new(Packed(Some(Location::caller()))),
        }
    }

    /// The number in the current execution, if the object was used in it.
    pub(crate) fn known(&self, run: &Run) -> Option<ObjectId> {
        (self.execution.get().0 == run.execution.get()).then(|| self.id.get().0)
    }

    /// Where the object was made.
    pub(crate) fn made(&self) -> Place {
        self.made.get().0.unwrap_or(Location::caller())
    }

    /// Notes that the object is now another one, made elsewhere.
    pub(crate) fn set_made(&self, made: Place) {
        self.made.set(Packed(Some(made)));
    }

    /// Makes the next use count as the first.
    pub(crate) fn forget(&self) {
        self.execution.set(Packed(0));
    }

    /// The number in the current execution. `words` is called if this is the first use.
    pub(crate) fn id<const N: usize>(
        &self,
        run: &Run,
        kind: Kind,
        words: impl FnOnce() -> [Word; N],
    ) -> ObjectId {
        if let Some(id) = self.known(run) {
            return id;
        }
        let id = run.register(kind, self.made(), &words());
        self.execution.set(Packed(run.execution.get()));
        self.id.set(Packed(id));
        id
    }

    /// Like [`Self::id`] for an object that keeps state in place: `whole` is the object, header
    /// included. If it is a `static` that an earlier execution used, its initial bytes are put back
    /// first. What the old bytes owned is leaked, as the statics of a process are when it ends.
    pub(crate) fn id_reset<T: ?Sized, const N: usize>(
        &self,
        run: &Run,
        kind: Kind,
        whole: &T,
        words: impl FnOnce() -> [Word; N],
    ) -> ObjectId {
        if let Some(id) = self.known(run) {
            return id;
        }
        let bytes = std::ptr::from_ref(whole)
            .cast::<MaybeUninit<u8>>()
            .cast_mut();
        let len = size_of_val(whole);
        if in_image(bytes.addr()) {
            let mut pristine = PRISTINE.lock().unwrap_or_else(PoisonError::into_inner);
            if self.execution.get().0 == 0 {
                // SAFETY: `whole` is valid for `len` bytes, and no thread writes while we copy: one
                // modelled thread runs at a time, in one exploration at a time.
                let copy = unsafe { std::slice::from_raw_parts(bytes, len) };
                pristine.insert(bytes.addr(), copy.into());
            } else if let Some(copy) = pristine.get(&bytes.addr()) {
                // SAFETY: these are the bytes that a constant expression gave this very object, and
                // such a value owns nothing, so a second copy is as good as a second evaluation.
                // Everything behind the header is in an `UnsafeCell` or `Cell`, no guard of the
                // earlier execution is used any more, and nobody else looks meanwhile (as above).
                unsafe { bytes.copy_from_nonoverlapping(copy.as_ptr(), len) };
            }
        }
        self.id(run, kind, words)
    }
}

/// The initial bytes of the statics that were used, by address.
static PRISTINE: Mutex<BTreeMap<usize, Box<[MaybeUninit<u8>]>>> = Mutex::new(BTreeMap::new());

/// Before the first use of an atomic in an execution: puts the initial value back into its memory,
/// if the memory is in a `static`. The value in the first execution is the initial one.
///
/// # Safety
/// `memory` is valid for reads and writes, and `T` owns nothing.
pub(crate) unsafe fn reset_static<T: Copy>(memory: *mut T) {
    if !in_image(memory.addr()) {
        return;
    }
    let bytes = memory.cast::<MaybeUninit<u8>>();
    let mut pristine = PRISTINE.lock().unwrap_or_else(PoisonError::into_inner);
    match pristine.get(&memory.addr()) {
        Some(copy) if copy.len() == size_of::<T>() => {
            // SAFETY: the caller promises the first; the lengths are equal.
            unsafe { bytes.copy_from_nonoverlapping(copy.as_ptr(), copy.len()) };
        }
        Some(_) => {}
        None => {
            // SAFETY: the caller promises it, and nobody writes while we copy, as in `id_reset`.
            let copy = unsafe { std::slice::from_raw_parts(bytes, size_of::<T>()) };
            pristine.insert(memory.addr(), copy.into());
        }
    }
}

/// Whether an address lies in the program's own image, where statics are.
fn in_image(address: usize) -> bool {
    unsafe extern "C" {
        // Symbols that the linker defines for every ELF program (ld(1), "PROVIDE").
        static __executable_start: u8;
        static _end: u8;
    }
    (&raw const __executable_start).addr() <= address && address < (&raw const _end).addr()
}

/// The bytes of a value, without what they point to. Bytes that the value does not use have some
/// value, too: only their equality with later bytes of the same value is asked for.
pub(crate) fn bytes_of<T: ?Sized>(value: &T) -> Box<[u8]> {
    let mut copy = Box::<[u8]>::new_uninit_slice(size_of_val(value));
    let start = std::ptr::from_ref(value).cast::<MaybeUninit<u8>>();
    // SAFETY: the value has as many bytes as the copy, and the copy is new memory.
    unsafe { start.copy_to_nonoverlapping(copy.as_mut_ptr(), copy.len()) };
    // SAFETY: this does nothing. But for all that the compiler knows it may write to the copy, so that
    // each byte has a value after it, even where nothing was ever written.
    unsafe {
        std::arch::asm!("/* {0} */", in(reg) copy.as_mut_ptr(), options(nostack, preserves_flags));
        copy.assume_init()
    }
}
