//! What tests hand to the learner's code, or use beside it.
//!
//! | to look at | device |
//! |---|---|
//! | calls that must be in progress at the same time | [`Gate`] |
//! | when another thread waits, stops, or is over | [`Onlooker`], [`threads_left`] |
//! | races between threads, without luck | [`jostle`] |
//! | more spinning threads than CPUs | [`Onlooker::freeze`] |
//! | values that must be dropped once, in order, on their thread | [`Probes`] |
//! | what a call has changed and not put back | [`Surroundings`] |
//! | what one thread has done meanwhile | [`Task`] |
//! | children and handlers that the caller has besides | [`other_child`], [`on_signal`], [`do_nothing`] |
//! | what happens between two instructions of a call | [`traced_child`], [`step`] |
//! | streams that do little, fail, or end | [`script`] |
//! | slices that are longer than the memory | [`Zeros`] |
//! | the bit in a status that says "core dumped" | [`leave_a_core_file`] |
//!
//! They run in the subject, so a test that relies on one of them alone believes
//! the process that it judges. [`Evidence`](crate::Evidence) says what the
//! kernel saw.

mod caller;
mod core_file;
mod freeze;
mod gate;
mod jostle;
mod onlooker;
mod probe;
mod rest;
pub mod script;
mod surroundings;
mod task;
mod traced;
mod zeros;

pub use caller::{do_nothing, on_signal, other_child};
pub use core_file::leave_a_core_file;
pub use gate::Gate;
pub use jostle::jostle;
pub use onlooker::Onlooker;
pub use probe::{EmptyProbe, Event, Life, Probe, Probes};
pub use rest::threads_left;
pub use surroundings::Surroundings;
pub use task::{Calls, Task};
pub use traced::{step, traced_child};
pub use zeros::Zeros;
