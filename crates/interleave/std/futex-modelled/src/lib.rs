//! The futex of world crates: the functions of `interleave-futex`, but explored. It serves both
//! worlds.

pub use interleave_model::futex::{wait, wait_timeout, wake_all, wake_one};
