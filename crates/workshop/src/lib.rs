//! The authors' and instructors' tools, as a library: the program `workshop`
//! is a thin layer over it, and `cargo course` starts that program.
//!
//! - [`mod@verify`]: whether exercises, solutions and mistakes agree, and where the
//!   tests disagree with a folder of answers;
//! - [`mod@new`]: begins an exercise;
//! - [`mod@bundle`]: the course as students get it.
//!
//! A learner never compiles this crate, and a bundle does not hold it.

// A program's modules are not documentation for other crates: what a name says
// is not said again.
#![allow(missing_docs)]

pub mod bundle;
pub mod cli;
pub mod contract;
pub mod lockfile;
pub mod new;
pub mod unwritten;
pub mod verify;
