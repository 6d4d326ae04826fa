//! `std::sync::atomic`: the search keeps the values, because a load may read an old one.
//!
//! An atomic keeps the value that it was made with. That is its value in every execution in which
//! it has not been used yet, so a `static` starts anew in each execution.

mod bool;
mod cell;
mod int;
mod memory;
mod methods;
mod ptr;

pub use std::sync::atomic::{Ordering, compiler_fence};

pub use self::bool::AtomicBool;
use crate::kernel::{self, object::Kind};
pub use int::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};
pub use ptr::AtomicPtr;

/// An [`AtomicBool`] that is `false`.
#[deprecated = "use AtomicBool::new"]
#[allow(clippy::declare_interior_mutable_const)]
pub const ATOMIC_BOOL_INIT: AtomicBool = AtomicBool::new(false);

/// An [`AtomicIsize`] that is 0.
#[deprecated = "use AtomicIsize::new"]
#[allow(clippy::declare_interior_mutable_const)]
pub const ATOMIC_ISIZE_INIT: AtomicIsize = AtomicIsize::new(0);

/// An [`AtomicUsize`] that is 0.
#[deprecated = "use AtomicUsize::new"]
#[allow(clippy::declare_interior_mutable_const)]
pub const ATOMIC_USIZE_INIT: AtomicUsize = AtomicUsize::new(0);

/// [`crate::hint::spin_loop`] under its older name.
#[deprecated = "use hint::spin_loop"]
#[inline]
pub fn spin_loop_hint() {
    crate::hint::spin_loop();
}

/// A memory fence.
///
/// # Panics
/// If `order` is `Relaxed`, or outside an exploration.
#[track_caller]
pub fn fence(order: Ordering) {
    assert!(
        order != Ordering::Relaxed,
        "there is no such thing as a relaxed fence"
    );
    kernel::must_run(Kind::AtomicBool).fence(order, std::panic::Location::caller());
}
