//! An exercise and a source in, a judgement out: what `cargo course`, the
//! authors' tools and the grader stand on.
//!
//! - [`exercise`]: which exercises there are, how they were given, what their
//!   tests and contracts hold;
//! - [`mod@build`]: two programs out of it. The judging program is built from
//!   the trusted tests and the stub, once ([`build::judges`]); the learner's
//!   code is in a program of its own ([`build::stage`]), after the names that it
//!   uses were looked at ([`build::policy`]);
//! - [`mod@run`]: runs the judging program and takes the records that it sends;
//! - [`mod@judge`]: all of this in one function, which prints nothing;
//! - [`mistake`], [`signatures`]: the mistakes that the course knows, and how
//!   they are recognized;
//! - [`terminal`]: what the programs over this crate print with.
//!
//! Only the judge's records decide a verdict; what a test program prints does
//! not count. A pass counts only if the judge itself ran to its end and exited.

pub mod build;
pub mod exercise;
pub mod files;
pub mod judge;
pub mod mistake;
pub mod run;
pub mod signatures;
pub mod terminal;
pub mod trouble;

pub use exercise::catalogue::{Course, Exercise};
pub use trouble::Trouble;
