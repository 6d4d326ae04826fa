//! `AtomicPtr`. The engine keeps addresses, so provenance is exposed on the way in and picked up on
//! the way out ([`std::ptr::with_exposed_provenance_mut`]).

use super::cell::{AtomicCell, Word, common_methods};
use crate::kernel::{engine::Change, object::Kind};
use std::fmt;
use std::sync::atomic::Ordering;

/// An atomic pointer, as [`std::sync::atomic::AtomicPtr`].
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
