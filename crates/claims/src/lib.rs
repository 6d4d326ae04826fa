//! The ledger of claims: sentences from lessons on processes, threads and
//! coroutines, and for each sentence an experiment that tests it on your
//! machine.
//!
//! ```
//! use claims::claims;
//! use records::ledger::{Truth, Verdict};
//!
//! let claim = claims::find(21).expect("claim 21 is in the ledger");
//! assert_eq!(claim.truth, Truth::Wrong);
//! assert_eq!(claim.truth.expected(), Verdict::DoesNotHold);
//! assert!(claims().len() >= 40);
//! ```
//!
//! ```text
//!   Claim ──▶ an experiment, in a process of its own ──▶ Record ──▶ Entry
//!   the sentence                                  facts, samples     verdict
//! ```
//!
//! A verdict rests on one of two things: a yes or no from the kernel, or a ratio
//! of times that were measured in turns, with a margin. It never rests on an
//! absolute time. If the machine is too busy for an answer, the verdict is "too
//! noisy to say". If the machine forbids the experiment, the verdict is
//! "skipped", with the reason.

mod claim;
pub mod experiments;
mod hang;
mod keep;
mod machine;
mod record;
mod run;
pub mod show;
mod verdict;

pub use claim::Claim;
pub use experiments::{claims, find};
pub use keep::keep;
pub use machine::this_machine;
pub use record::Record;
pub use run::Runner;
pub use verdict::{Judged, Judgement, Unmeasured};
