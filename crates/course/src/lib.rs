//! The library behind the one command of the course. The program `cargo course`
//! only reads the command line and calls it.
//!
//! - [`commands`]: one function for each command;
//! - [`live`]: the learner's loop in a terminal;
//! - [`schedule`]: the learner as the scheduler;
//! - [`show`]: how a judgement is printed;
//! - [`progress`]: what the learner has passed;
//! - [`waits`]: what the threads of a process wait for.
//!
//! How a source is judged is the business of the crate [`judging`].

// A program's modules are not documentation for other crates: what a name says
// is not said again.
#![allow(missing_docs)]

pub mod cli;
pub mod commands;
pub mod live;
pub mod progress;
pub mod schedule;
pub mod show;
pub mod text;
pub mod waits;
