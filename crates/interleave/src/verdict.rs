//! From an exploration to the test's verdict.

use proctor::{Failing, Outcome};
use records::position::FailureKind;

use crate::exploration::{Exploration, Failure};

/// If the code under test has fewer scheduling points than this, the exploration explored nothing.
const LEAST_POINTS: u64 = 2;

/// [`Exploration::must_hold`] for the scenarios of one test. A schedule that is replayed belongs to
/// those of them that could follow it, and then only these must hold.
pub fn all_must_hold(found: &[Exploration]) {
    let followed = |found: &&Exploration| found.replayed.is_some() && found.not_judged.is_none();
    let is_replay = found.iter().any(|found| followed(&found));
    for found in found.iter().filter(|found| !is_replay || followed(found)) {
        found.must_hold();
    }
}

impl Exploration {
    /// Returns if the exploration found nothing wrong, after noting in the test's record what it
    /// covered; ends the test with a verdict otherwise. In the judge only.
    ///
    /// If the scenario was not run, because a schedule of another scenario is replayed, this
    /// demands nothing and notes nothing.
    pub fn must_hold(&self) {
        if self.is_other {
            return;
        }
        match self.verdict() {
            Ok(()) => proctor::covered(self.coverage()),
            Err(failing) => failing.end(),
        }
    }

    /// The verdict with which [`Self::must_hold`] would end the test.
    ///
    /// # Errors
    /// With the verdict, if it is not a pass.
    pub fn verdict(&self) -> Result<(), Box<Failing>> {
        if let Some(failure) = &self.failure {
            return Err(Box::new(self.failing(failure)));
        }
        if let Some(reason) = &self.not_judged {
            return Err(Box::new(Failing::new(
                Outcome::NotJudged,
                format!("could not judge: {reason}"),
            )));
        }
        if self.scheduling_points < LEAST_POINTS {
            let points = match self.scheduling_points {
                0 => "nothing that the explorer can schedule".to_owned(),
                n => format!("only {n} operation that the explorer can schedule"),
            };
            return Err(Box::new(Failing::new(
                Outcome::NotJudged,
                format!(
                    "could not judge: your code did {points} (an operation on an atomic, a lock, a channel or a thread of std)"
                ),
            )));
        }
        Ok(())
    }

    fn failing(&self, failure: &Failure) -> Failing {
        let outcome = match failure.kind {
            FailureKind::Panic => Outcome::Panic,
            FailureKind::Assertion | FailureKind::Race => Outcome::Fail,
            FailureKind::Deadlock => Outcome::Deadlock,
            FailureKind::Spin => Outcome::Spin,
            FailureKind::Leak => Outcome::Leak,
        };
        let mut failing = Failing::new(outcome, failure.message.clone());
        if let Some(at) = &failure.at {
            failing = failing.at(at.file.clone(), at.line);
        }
        if !failure.timeline.steps.is_empty() {
            failing = failing.timeline(failure.timeline.clone());
        }
        failing.schedule(failure.schedule.clone())
    }

    /// The failure, which must exist and be of this kind. For tests of explorations.
    ///
    /// # Panics
    /// If there is no failure, or one of another kind.
    #[track_caller]
    pub fn must_fail(&self, kind: FailureKind) -> &Failure {
        match &self.failure {
            Some(failure) if failure.kind == kind => failure,
            Some(failure) => panic!(
                "expected {kind:?}, found {:?}: {}\n{}",
                failure.kind, failure.message, failure.timeline
            ),
            None => panic!(
                "expected {kind:?}, found nothing in {} ({:?})",
                self.coverage(),
                self.not_judged
            ),
        }
    }

    /// Demands a verdict without a failure. For tests of explorations, which need no judge.
    ///
    /// # Panics
    /// If there is a failure or no verdict.
    #[track_caller]
    pub fn must_pass(&self) {
        if let Some(failure) = &self.failure {
            panic!(
                "expected a pass, found {:?}: {}\n{}\nschedule {}",
                failure.kind, failure.message, failure.timeline, failure.schedule
            );
        }
        if let Some(reason) = &self.not_judged {
            panic!("expected a pass, not judged: {reason}");
        }
    }
}
