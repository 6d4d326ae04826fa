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

use crate::hang::{Hang, watched};
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
        let mut attempt = self.attempt(claim);
        while attempt.worth_another && attempts < ATTEMPTS {
            attempts += 1;
            attempt = self.attempt(claim);
        }
        let mut entry = attempt.entry;
        entry.attempts = attempts;
        entry.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        entry
    }

    fn attempt(&self, claim: &Claim) -> Attempt {
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
        let (result, hang) = watched(self.deadline, || run(spec, b"", limits));
        let unmeasured = match result {
            Err(error) => Unmeasured::Refused(format!("The experiment could not be run: {error}")),
            Ok(outcome) => match (
                outcome.end,
                serde_json::from_slice::<Entry>(&outcome.stdout.bytes),
            ) {
                (End::Ended(_), Ok(entry)) => {
                    let worth_another = entry.verdict == Verdict::TooNoisy;
                    return Attempt {
                        entry,
                        worth_another,
                    };
                }
                (End::TimedOut(limit), _) => no_end(limit, hang),
                (End::Ended(ending), Err(_)) => {
                    let said = outcome.stderr.text();
                    let last = said.lines().last().unwrap_or("nothing");
                    Unmeasured::Unfinished(format!(
                        "The experiment ended without a result ({ending}). \
                         Its last message was: {last}"
                    ))
                }
            },
        };
        Attempt {
            entry: entry(claim, unmeasured.into(), Record::default()),
            worth_another: false,
        }
    }
}

struct Attempt {
    entry: Entry,
    /// Whether another attempt may find more.
    worth_another: bool,
}

/// What an experiment that had not ended after `limit` means.
fn no_end(limit: Duration, hang: Option<Hang>) -> Unmeasured {
    match hang {
        Some(Hang::Sleeps { threads: 1 }) => Unmeasured::Unfinished(format!(
            "The experiment hangs: its only thread slept and never ran shortly before it was \
             killed after {limit:?}."
        )),
        Some(Hang::Sleeps { threads }) => Unmeasured::Unfinished(format!(
            "The experiment hangs: its {threads} threads all slept, and none of them ran shortly \
             before it was killed after {limit:?}."
        )),
        Some(Hang::Computes { cpu }) => Unmeasured::Unfinished(format!(
            "The experiment does not end: it had used {cpu:.1?} of CPU time when it was killed \
             after {limit:?}."
        )),
        None => Unmeasured::Noisy(format!(
            "The experiment had not ended after {limit:?}, so it was killed. It got little CPU \
             time, because other programs used the CPUs."
        )),
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
