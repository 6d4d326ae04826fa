//! `AtomicPtr`. The search keeps addresses. So a pointer's provenance is exposed when it is stored,
//! and taken up again when it is loaded ([`std::ptr::with_exposed_provenance_mut`]).

use std::fmt;
use std::sync::atomic::Ordering;

use interleave_search::Change;

use super::cell::{AtomicCell, Word};
use super::methods::common_methods;
use crate::kernel::object::Kind;

/// An atomic pointer, as [`std::sync::atomic::AtomicPtr`].
#[repr(transparent)]
pub struct AtomicPtr<T>(AtomicCell<*mut T>);

impl<T> Word for *mut T {
    const KIND: Kind = Kind::AtomicPtr;
    const BITS: u32 = 64;
    fn pack(self) -> u64 {
        self.expose_provenance() as u64
    }
    fn unpack(bits: u64) -> Self {
        std::ptr::with_exposed_provenance_mut(bits as usize)
    }
}

impl<T> AtomicPtr<T> {
    common_methods!(*mut T);

    /// Adds `val` times the size of `T`; returns the old pointer.
    #[track_caller]
    pub fn fetch_ptr_add(&self, val: usize, order: Ordering) -> *mut T {
        let bytes = val.wrapping_mul(size_of::<T>());
        self.change("fetch_ptr_add", Change::Add(bytes as u64), order)
    }

    /// Subtracts `val` times the size of `T`; returns the old pointer.
    #[track_caller]
    pub fn fetch_ptr_sub(&self, val: usize, order: Ordering) -> *mut T {
        let bytes = val.wrapping_mul(size_of::<T>()).wrapping_neg();
        self.change("fetch_ptr_sub", Change::Add(bytes as u64), order)
    }

    /// Adds `val` bytes; returns the old pointer.
    #[track_caller]
    pub fn fetch_byte_add(&self, val: usize, order: Ordering) -> *mut T {
        self.change("fetch_byte_add", Change::Add(val as u64), order)
    }

    /// Subtracts `val` bytes; returns the old pointer.
    #[track_caller]
    pub fn fetch_byte_sub(&self, val: usize, order: Ordering) -> *mut T {
        let change = Change::Add(val.wrapping_neg() as u64);
        self.change("fetch_byte_sub", change, order)
    }

    /// Bitwise "or" of the address, to set a tag; returns the old pointer.
    #[track_caller]
    pub fn fetch_or(&self, val: usize, order: Ordering) -> *mut T {
        self.change("fetch_or", Change::Or(val as u64), order)
    }

    /// Bitwise "and" of the address, to clear a tag; returns the old pointer.
    #[track_caller]
    pub fn fetch_and(&self, val: usize, order: Ordering) -> *mut T {
        self.change("fetch_and", Change::And(val as u64), order)
    }

    /// Bitwise "exclusive or" of the address, to toggle a tag; returns the old pointer.
    #[track_caller]
    pub fn fetch_xor(&self, val: usize, order: Ordering) -> *mut T {
        self.change("fetch_xor", Change::Xor(val as u64), order)
    }

    /// The argument is not shown: it is not a pointer, and an address would differ from run to run.
    #[track_caller]
    fn change(&self, verb: &'static str, change: Change, order: Ordering) -> *mut T {
        let at = std::panic::Location::caller();
        self.0.rmw_bits(verb, None, change, order, at)
    }
}

impl<T> std::panic::RefUnwindSafe for AtomicPtr<T> {}

impl<T> Default for AtomicPtr<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(std::ptr::null_mut())
    }
}

impl<T> From<*mut T> for AtomicPtr<T> {
    #[track_caller]
    fn from(pointer: *mut T) -> Self {
        Self::new(pointer)
    }
}

impl<T> fmt::Debug for AtomicPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.peek().fmt(f)
    }
}

impl<T> fmt::Pointer for AtomicPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.0.peek(), f)
    }
}
