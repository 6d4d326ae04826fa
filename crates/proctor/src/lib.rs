//! Proctor runs learner code in a process of its own and judges it from outside.
//!
//! A test has three parts, and each part runs in a process of its own. The
//! **judge** makes the inputs, knows the right answers and computes the
//! verdict. The **subject** runs the learner's code, and no other process runs
//! it. Between them stands the **warden**: it starts the subject, counts the
//! processes and threads that the subject starts, and ends everything when the
//! judge is done or dies.
//!
//! ```text
//!  judge ──control──▶ warden
//!    │                  │ fork, exec
//!    └──questions──▶ subject ─▶ whatever the learner's code starts
//! ```
//!
//! The folders of this crate follow the processes: `judge` (with `hang`, which
//! looks at a subject that does not answer), `warden`, and `subject` (with
//! `devices`, which tests hand to the learner's code). The files beside them,
//! such as `wire` and `outcome`, are what the three share.
//!
//! There are two ways to build them:
//! - `cargo course` builds the judge from the trusted tests and the exercise's
//!   original file, and the subject from the same tests and the learner's file,
//!   as a program that holds no judge ([`serve`](__private::serve)). The
//!   environment variable `PROCTOR_SUBJECT` names that program. Judge and
//!   warden contain none of the learner's code.
//! - `cargo test` builds one program, which plays all three parts. That
//!   protects against accidents, but not against attacks: a constructor in the
//!   learner's library, or a symbol that replaces a function of libc, runs in
//!   the judge's process too.
//!
//! ```ignore
//! use proctor::Subject;
//!
//! #[proctor::test(subject = |items: Vec<u64>| process_pool::map(4, items, |n| n * n))]
//! fn squares_come_back_in_input_order(mut subject: Subject) {
//!     let items = proctor::random::<Vec<u64>>();
//!     let answer = subject.ask(&items); // a panic, crash, exit, hang or leak ends here, explained
//!     assert_eq!(answer.value, squares(&items));
//!     assert!(answer.evidence.children == 0);
//! }
//! ```
//!
//! So `exit(0)`, a panic hook, a type whose `==` is always true, or output that
//! imitates a test report change nothing. Questions and answers travel between
//! the processes as plain data ([serde]), and a subject that does not answer
//! has failed, with a cause. If the subject hangs, the judge finds out how from
//! what the kernel says about every thread: see [`Outcome`].

mod bare;
pub mod devices;
mod hang;
mod judge;
mod outcome;
mod part;
mod record;
#[cfg(doctest)]
mod refused;
mod subject;
mod temporary;
mod text;
mod threads;
mod warden;
mod wire;

pub use nix::errno::Errno;
pub use proctor_macros::{exercise, test};
pub use records::{Evidence, Exchange, Heap, Outcome, Output, Place, Record, Timeline, Witness};

pub use devices::{
    Calls, EmptyProbe, Event, Gate, Life, Onlooker, Probe, Probes, Surroundings, Task, Zeros,
    do_nothing, jostle, leave_a_core_file, on_signal, other_child, script, step, threads_left,
    traced_child,
};
pub use hang::PACKAGE;
pub use judge::left::Left;
pub use judge::random::{Random, random, rng};
pub use judge::trial::covered;
pub use judge::{Answer, Subject};
pub use outcome::{Failing, fail};
pub use record::{RECORDS, Records, RecordsError};
pub use subject::memory::on_free;
pub use subject::witness::witness;
pub use temporary::{end_descendants, remove_temporary_folder};
pub use text::{count, harmless};
pub use warden::fence::{GUARDED, landlock_version};
pub use warden::starts::faults::{Failure, Fault, Whose};
pub use wire::SUBJECT;

/// What the macros expand to. Do not use it by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::judge::watch::{Preinit, announce, preinit};
    pub use crate::part::{Parts, Settings, Site, run, serve};
}
