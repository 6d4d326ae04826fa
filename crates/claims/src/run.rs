//! Every experiment in a process of its own.
//!
//! An experiment may fork, set limits, crash a thread or wait for ever: the
//! ledger starts its own program again for each (`claims measure 21`), reads
//! the entry that it prints, and ends whatever it leaves behind.

use crate::{Claim, Entry, Judgement, Record, Unmeasured, Verdict};
use processes::{End, Limits, Signal, Spec, run};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest takes a second or two.
const DEADLINE: Duration = Duration::from_secs(15);

/// A machine that was too noisy gets another chance or two.
const ATTEMPTS: u32 = 3;

/// Runs experiments with this program.
#[derive(Clone, Debug)]
pub struct Runner {
    program: PathBuf,
    deadline: Duration,
}

impl Runner {
    /// `program` is the `claims` program: in it, `std::env::current_exe()`.
    #[must_use]
    pub fn new(program: PathBuf) -> Runner {
        Runner {
            program,
            deadline: DEADLINE,
        }
    }

    /// Gives an experiment this long, in place of 15 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Runner {
        self.deadline = deadline;
        self
    }

    /// Measures one claim. Whatever happens to the experiment, there is an
    /// entry: that is where it is written down.
    #[must_use]
    pub fn run(&self, claim: &Claim) -> Entry {
        let started = Instant::now();
        let mut attempts = 1;
        let mut entry = self.attempt(claim);
        while entry.verdict == Verdict::TooNoisy && attempts < ATTEMPTS {
            attempts += 1;
            entry = self.attempt(claim);
        }
        entry.attempts = attempts;
        entry.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        entry
    }

    fn attempt(&self, claim: &Claim) -> Entry {
        let spec = Spec::new(&self.program)
            .args(["measure", &claim.number.to_string()])
            // It has a session of its own, which Ctrl-C does not reach.
            .die_with_parent(Signal::SIGKILL)
            // Neither would be this experiment's.
            .env_remove("INTERLEAVE_REPLAY")
            .env_remove("RUST_BACKTRACE");
        let limits = Limits {
            wall: Some(self.deadline),
            core: Some(0),
            ..Limits::default()
        };
        let unmeasured = match run(spec, b"", limits) {
            Err(error) => Unmeasured::Refused(error.to_string()),
            Ok(outcome) => match (outcome.end, serde_json::from_slice(&outcome.stdout.bytes)) {
                (End::Ended(_), Ok(entry)) => return entry,
                (End::TimedOut(limit), _) => {
                    Unmeasured::Noisy(format!("the experiment had not ended after {limit:?}"))
                }
                (End::Ended(ending), Err(_)) => {
                    let said = outcome.stderr.text();
                    let last = said.lines().last().unwrap_or("it said nothing");
                    Unmeasured::Refused(format!("the experiment {ending}: {last}"))
                }
            },
        };
        Entry::new(claim, unmeasured.into(), Record::default())
    }
}

impl Claim {
    /// Makes the experiment, here and now: in a process made for it, which has
    /// no other threads.
    #[must_use]
    pub fn measure_here(&self) -> Entry {
        let mut record = Record::default();
        let judgement = (self.measure)(&mut record).unwrap_or_else(Judgement::from);
        Entry::new(self, judgement, record)
    }
}
