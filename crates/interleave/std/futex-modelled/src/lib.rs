//! The futex of explored crates: the functions of `interleave-futex`, but explored.

pub use interleave_model::futex::{wait, wait_timeout, wake_all, wake_one};
