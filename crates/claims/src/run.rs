//! Runs every experiment in a process of its own.
//!
//! An experiment may fork, set limits, crash a thread or wait for ever. So the
//! ledger starts its own program again for each experiment (`claims measure
//! 21`), reads the entry that this process prints, and kills the processes that
//! it leaves running.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use processes::{End, Limits, Signal, Spec, run};
use records::ledger::{Entry, Verdict};

use crate::{Claim, Judgement, Record, Unmeasured};

/// The time for one experiment. The longest experiments take a second or two.
const DEADLINE: Duration = Duration::from_secs(15);

/// How many times an experiment may run: it runs again if the machine was too
/// noisy.
const ATTEMPTS: u32 = 3;

/// Runs experiments, each in a new process of the `claims` program.
#[derive(Clone, Debug)]
pub struct Runner {
    program: PathBuf,
    deadline: Duration,
}

impl Runner {
    /// `program` is the path of the `claims` program. In that program itself it is
    /// `std::env::current_exe()`.
    #[must_use]
    pub fn new(program: PathBuf) -> Runner {
        Runner {
            program,
            deadline: DEADLINE,
        }
    }

    /// Gives each experiment this much time instead of 15 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Runner {
        self.deadline = deadline;
        self
    }

    /// Measures one claim. This always returns an entry: if the experiment fails,
    /// the entry says how.
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
            // The new process has a session of its own, so Ctrl-C in the terminal does
            // not reach it.
            .die_with_parent(Signal::SIGKILL)
            // If these are set, they are meant for another program: the first would
            // replay one schedule, the second would add a backtrace to a panic.
            .env_remove("INTERLEAVE_REPLAY")
            .env_remove("RUST_BACKTRACE");
        let limits = Limits {
            wall: Some(self.deadline),
            core: Some(0),
            ..Limits::default()
        };
        let unmeasured = match run(spec, b"", limits) {
            Err(error) => Unmeasured::Refused(format!("The experiment could not be run: {error}")),
            Ok(outcome) => match (outcome.end, serde_json::from_slice(&outcome.stdout.bytes)) {
                (End::Ended(_), Ok(entry)) => return entry,
                (End::TimedOut(limit), _) => Unmeasured::Noisy(format!(
                    "The experiment had not ended after {limit:?}, so it was killed."
                )),
                (End::Ended(ending), Err(_)) => {
                    let said = outcome.stderr.text();
                    let last = said.lines().last().unwrap_or("nothing");
                    Unmeasured::Refused(format!(
                        "The experiment ended without a result ({ending}). \
                         Its last message was: {last}"
                    ))
                }
            },
        };
        entry(claim, unmeasured.into(), Record::default())
    }
}

impl Claim {
    /// Runs the experiment in this process. Call this only in a process that was
    /// started for the experiment and has no other threads.
    #[must_use]
    pub fn measure_here(&self) -> Entry {
        let mut record = Record::default();
        let judgement = (self.measure)(&mut record).unwrap_or_else(Judgement::from);
        entry(self, judgement, record)
    }
}

fn entry(claim: &Claim, judgement: Judgement, record: Record) -> Entry {
    Entry {
        number: claim.number,
        says: claim.says.to_owned(),
        lessons: claim.lessons.to_vec(),
        truth: claim.truth,
        verdict: judgement.verdict,
        reason: judgement.reason,
        millis: 0,
        attempts: 1,
        notes: record.into(),
    }
}
