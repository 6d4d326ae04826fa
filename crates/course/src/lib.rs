//! The course's one command, as a library: `cargo course` is a thin program
//! over it.
//!
//! - [`catalogue`], [`originals`]: which exercises there are, and how they were given;
//! - [`judge`]: builds and runs the tests of an exercise, and returns what was found.
//!   The judging program ([`judges`]) is built from the trusted tests and the
//!   stub, once; the learner's code is in a program of its own ([`stage`]);
//! - [`mistake`]: the mistakes that the course knows;
//! - [`verify`]: whether exercises, solutions and mistakes agree;
//! - [`show`]: how all this is printed;
//! - [`live`]: the learner's loop in a terminal;
//! - [`schedule`]: the learner as the scheduler.
//!
//! Nothing but the judge's records decides a verdict: not what a test program
//! prints. A pass counts only if the judge came to its own end.

pub mod allowance;
pub mod cargo;
pub mod catalogue;
pub mod cli;
pub mod commands;
pub mod compiled;
pub mod contract;
pub mod expected;
pub mod files;
pub mod freshness;
pub mod inputs;
pub mod judge;
pub mod judges;
pub mod linkage;
pub mod live;
pub mod lockfile;
pub mod mistake;
pub mod originals;
pub mod policy;
pub mod probes;
pub mod progress;
pub mod remains;
pub mod run;
pub mod schedule;
pub mod scratch;
pub mod show;
pub mod signatures;
pub mod stage;
pub mod trouble;
pub mod unwritten;
pub mod verify;
pub mod waits;

pub use catalogue::{Course, Exercise};
pub use trouble::Trouble;
