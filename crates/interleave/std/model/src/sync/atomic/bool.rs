//! `AtomicBool`.

use std::fmt;
use std::sync::atomic::Ordering;

use interleave_search::Change;

use super::cell::{AtomicCell, Word};
use super::methods::common_methods;
use crate::kernel::object::Kind;

/// An atomic boolean, as [`std::sync::atomic::AtomicBool`].
#[repr(transparent)]
pub struct AtomicBool(AtomicCell<bool>);

impl Word for bool {
    const KIND: Kind = Kind::AtomicBool;
    const BITS: u32 = 1;
    fn pack(self) -> u64 {
        u64::from(self)
    }
    fn unpack(bits: u64) -> Self {
        bits != 0
    }
}

impl AtomicBool {
    common_methods!(bool);

    /// Logical "and"; returns the old value.
    #[track_caller]
    pub fn fetch_and(&self, value: bool, order: Ordering) -> bool {
        let at = std::panic::Location::caller();
        self.0
            .rmw("fetch_and", value, Change::And(value.pack()), order, at)
    }

    /// Logical "not and"; returns the old value.
    #[track_caller]
    pub fn fetch_nand(&self, value: bool, order: Ordering) -> bool {
        let at = std::panic::Location::caller();
        self.0
            .rmw_loop("fetch_nand", order, at, |old| !(old & value))
    }

    /// Logical "or"; returns the old value.
    #[track_caller]
    pub fn fetch_or(&self, value: bool, order: Ordering) -> bool {
        let at = std::panic::Location::caller();
        self.0
            .rmw("fetch_or", value, Change::Or(value.pack()), order, at)
    }

    /// Logical "exclusive or"; returns the old value.
    #[track_caller]
    pub fn fetch_xor(&self, value: bool, order: Ordering) -> bool {
        let at = std::panic::Location::caller();
        self.0
            .rmw("fetch_xor", value, Change::Xor(value.pack()), order, at)
    }

    /// Inverts the value; returns the old one.
    #[track_caller]
    pub fn fetch_not(&self, order: Ordering) -> bool {
        let at = std::panic::Location::caller();
        self.0.rmw("fetch_not", true, Change::Xor(1), order, at)
    }
}

impl std::panic::RefUnwindSafe for AtomicBool {}

impl Default for AtomicBool {
    #[track_caller]
    fn default() -> Self {
        Self::new(false)
    }
}

impl From<bool> for AtomicBool {
    #[track_caller]
    fn from(value: bool) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for AtomicBool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.peek().fmt(f)
    }
}
