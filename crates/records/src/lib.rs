//! What the course's tools tell each other, as plain data.
//!
//! A test's verdict is made in the judge's process, a timeline in the
//! explorer's, and a learner reads both in a terminal, an instructor on a page.
//! So they travel as serde types, and a program draws them only where it knows
//! how wide the screen is.
//!
//! | type | who makes it | what it tells |
//! |---|---|---|
//! | [`Record`] | `proctor` | the verdict on one test: [`Outcome`], cause, [`Exchange`]s with their [`Evidence`] |
//! | [`Timeline`] | `interleave` | what the threads of one run did, in order |
//! | [`position::Position`] | `interleave` | a run in the middle: what each thread would do next |
//! | [`ledger::Ledger`] | `claims` | what was measured for each claim, and the verdicts |
//! | [`schedule`] | `interleave` | the order in which threads ran, as a short string |
//!
//! This crate knows no other crate of the course.

mod evidence;
pub mod ledger;
mod outcome;
pub mod position;
mod record;
pub mod schedule;
pub mod timeline;

pub use evidence::{Evidence, Heap, Output, Witness};
pub use outcome::{Outcome, Place};
pub use record::{Exchange, Record};
pub use timeline::{Step, Timeline};
