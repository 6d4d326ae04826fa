//! Is A faster than B? Measurements that give the same answer tomorrow.
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
//! runs, the clock frequency changes. Five habits make the answer repeatable:
//!
//! ```text
//!   warm-up      round 1    round 2    round 3    round 4
//!   A A B B  │  [A] [B]  │ [B] [A]  │ [A] [B]  │ [B] [A]  …
//!               └─batch┘
//! ```
//!
//! - **Batches.** Reading a clock takes about 25 ns, so an operation under 2 µs
//!   is never timed alone: a batch takes at least 20 µs.
//! - **Interleaving.** If the machine becomes slower during the run, it becomes
//!   slower for both. Measuring all of A and then all of B would blame B.
//! - **Medians.** An interrupt can make one sample ten times as long. That
//!   moves a mean, but not a median. The minimum describes only the luckiest
//!   run.
//! - **Ratios within a round.** Within one round, A and B ran under the same
//!   conditions. The comparison therefore uses the median of the rounds'
//!   ratios.
//! - **An interval.** The interval shows what that median would be if the
//!   rounds had come out differently. To find it, the bootstrap (B. Efron,
//!   *Bootstrap methods: another look at the jackknife*, 1979) draws rounds
//!   with replacement, two thousand times. Only if 1 lies outside the interval
//!   do the measurements show a difference.
//!
//! The number of rounds is fixed before the first round. Anyone who stops
//! measuring as soon as a difference shows will find a difference in the end,
//! even if there is none.

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
