//! `std::sync::atomic`: the engine keeps the values, because in loom a load may see an old one.
//!
//! An atomic remembers the value that it was made with, which is its value in every execution that
//! it has not been used in; a `static` therefore starts afresh.

mod bool;
mod cell;
mod int;
mod ptr;

pub use self::bool::AtomicBool;
pub use int::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};
pub use ptr::AtomicPtr;
pub use std::sync::atomic::{Ordering, compiler_fence};

use crate::kernel::{self, event::Event, object::Kind};

/// A memory fence. No scheduling point: nobody can see when it happens.
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
    run.log(event);
}
