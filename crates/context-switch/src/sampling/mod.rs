//! Is A faster than B? An answer that comes out the same tomorrow.
//!
//! ```
//! use context_switch::sampling::{Comparison, Verdict};
//! use std::time::Duration;
//!
//! let numbers: Vec<u64> = (0..1000).collect();
//! let report = Comparison::of("one", || numbers[..1].iter().sum::<u64>())
//!     .against("a thousand", || numbers.iter().sum::<u64>())
//!     .time(Duration::from_millis(20))
//!     .run();
//! println!("{report}");
//! # let ran = report.verdict();
//! # assert!(matches!(ran, Verdict::Faster | Verdict::NotDistinguishable), "{report}");
//! ```
//!
//! One run of each says little: the machine is warm or cold, another program
//! runs, the clock frequency moves. Four habits make the answer repeatable:
//!
//! ```text
//!   warm-up      round 1    round 2    round 3    round 4
//!   A A B B  │  [A] [B]  │ [B] [A]  │ [A] [B]  │ [B] [A]  …
//!               └─batch┘
//! ```
//!
//! - **Batches.** A clock costs some 25 ns to read, so that an operation under
//!   2 µs is never timed alone: a batch takes at least 20 µs.
//! - **Interleaving.** A machine that becomes slower in the course of the run
//!   slows both; all of A and then all of B would blame B.
//! - **Medians.** An interrupt makes one sample ten times as long: a mean
//!   moves, a median does not. The minimum tells of the luckiest run only.
//! - **Ratios within a round.** A and B of one round saw the same machine; the
//!   median of the rounds' ratios is what is compared.
//! - **An interval.** What that median would be, had the rounds come out
//!   differently: the bootstrap (B. Efron, *Bootstrap methods: another look at
//!   the jackknife*, 1979) draws rounds with replacement, two thousand times.
//!   Only if 1 lies outside is there a difference to speak of.
//!
//! The number of rounds is settled before the first: whoever stops as soon as
//! a difference shows finds one in the end, there or not.

mod bootstrap;
mod comparison;
mod interleave;
mod random;
mod report;
mod samples;
mod units;

pub use bootstrap::{CONFIDENCE, Interval, median_of, ratio};
pub use comparison::Comparison;
pub use interleave::{Side, interleave};
pub use random::Random;
pub use report::{Measured, Report, Verdict};
pub use samples::{Samples, SamplesError};
pub use units::Nanoseconds;
