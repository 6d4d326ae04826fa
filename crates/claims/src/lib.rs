//! The ledger of claims: what lessons on processes, threads and coroutines
//! say, each sentence put to the machine that you sit at.
//!
//! ```
//! use claims::{Truth, Verdict, claims};
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
//! A verdict rests on what the kernel answers yes or no, or on ratios of what
//! was measured in turns, with a margin; never on how long something took.
//! Where the machine is too busy to tell, the verdict is "too noisy to say";
//! where it forbids the experiment, "skipped", with the reason.

mod claim;
mod entry;
pub mod experiments;
mod ledger;
mod machine;
mod record;
mod run;
pub mod show;
mod verdict;

pub use claim::{Claim, Lesson, Truth};
pub use entry::Entry;
pub use experiments::{claims, find};
pub use ledger::Ledger;
pub use machine::Machine;
pub use record::{Fact, Figure, Ratio, Record, Unit};
pub use run::Runner;
pub use verdict::{Judged, Judgement, Unmeasured, Verdict};
