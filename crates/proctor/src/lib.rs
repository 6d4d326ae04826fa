//! Proctor runs learner code in a process of its own and judges it from outside.
//!
//! A test plays two parts. The **judge** is the test as `cargo test` runs it:
//! it makes the inputs, knows the right answers and computes the verdict. The
//! **subject** is the same binary started again, told to run this one test:
//! the learner's code runs there and nowhere else. Between them stands the
//! **warden**, which started the subject, counts what it starts, and ends
//! everything when the judge is done or dies.
//!
//! ```text
//!  cargo test ─▶ judge ──control──▶ warden
//!                  │                  │ fork
//!                  └──questions──▶ subject ─▶ whatever the learner's code starts
//! ```
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
//! So `exit(0)`, a panic hook, a type whose `==` is always true, or output
//! that imitates a test report change nothing: questions and answers cross as
//! plain data ([serde]), and a subject that does not answer has failed, with a
//! cause. A hang is told apart by what the kernel says of every thread: see
//! [`Outcome`].

mod causes;
mod evidence;
mod hang;
mod implements;
mod judge;
mod line;
mod orphans;
mod outcome;
mod output;
mod part;
mod random;
mod record;
#[cfg(doctest)]
mod refused;
mod starts;
mod subject;
mod text;
mod trial;
mod ward;
mod warden;
mod watch;
mod wire;

pub use evidence::{Answer, Evidence, Output};
pub use judge::Subject;
pub use outcome::{Failing, Outcome, Place, fail};
pub use proctor_macros::{exercise, test};
pub use random::{Random, random, rng};
pub use record::{Exchange, RECORDS, Record};
pub use trial::covered;

/// What the macros expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::part::{Parts, Settings, Site, run};
    pub use crate::watch::{Preinit, preinit};
}
