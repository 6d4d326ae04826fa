//! `std::sync::atomic`: the engine keeps the values, because in loom a load may see an old one.
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
use crate::kernel::{self, event::Event, object::Kind};
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

/// A memory fence. It is not a scheduling point: no other thread can see when it happens.
///
/// # Panics
/// If `order` is `Relaxed`, or outside an exploration.
#[track_caller]
pub fn fence(order: Ordering) {
    assert!(
        order != Ordering::Relaxed,
        "there is no such thing as a relaxed fence"
    );
    let run = kernel::must_run(Kind::AtomicBool);
    run.engine.fence(order);
    let mut event = Event::new(run.me(), "fence", std::panic::Location::caller());
    event.order = Some(order);
    if run.count_fence(std::panic::Location::caller()) {
        run.log(event);
    }
}
