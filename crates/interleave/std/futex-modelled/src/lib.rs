//! The futex of explored crates: the functions of `interleave-futex`, but explored.

pub use interleave_model::futex::{wait, wait_timeout, wake_all, wake_one};

/// The futexes on words that several processes share. An exploration has one process, so they are
/// the same.
pub mod shared {
    pub use interleave_model::futex::{wait, wait_timeout, wake_all, wake_one};
}
