//! Visits each execution of a concurrent program once, under the memory model of C++20 and Rust.
//!
//! This is the part of [`interleave`] that decides *what can happen*. It knows nothing of coroutines
//! or of std: whoever runs the program asks [`Search`] whose turn it is, and which value a load
//! returns. An execution is a [`Graph`]: what each thread did, which store each load read, and the
//! modification order of each location. Two runs that differ only in the order of independent steps
//! are the same execution, and the search visits it once.
//!
//! [`interleave`]: ../interleave/index.html

mod clocks;
mod consistency;
mod event;
mod graph;
mod order;
pub mod schedule;
mod search;

pub use clocks::MOST_THREADS;
pub use event::{Change, EventId, Guard, Op};
pub use graph::{Event, Graph, Location, Source, Thread};
pub use schedule::Step;
pub use search::{End, Moment, Outcome, Search, Stray};
