//! What the judge must find in a variant of an exercise.

use proctor::{Outcome, Record};
use serde::{Deserialize, Serialize};

/// The demand on the records of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Demand {
    /// Every test passes.
    AllPass,
    /// Every test fails in this way.
    AllFail {
        outcome: Outcome,
        /// A fragment of the cause.
        cause: String,
    },
    /// This test rejects it, in this way. What the other tests say does not matter.
    Rejected {
        test: String,
        outcome: Outcome,
        /// A fragment of the cause.
        cause: String,
    },
    /// Some test rejects it, in whatever way.
    Wrong {
        /// Why it is wrong, in the words of the answer.
        why: String,
    },
    /// It is wrong, but it is known to pass.
    NotYetRejected {
        /// Why it passes, in the words of the answer.
        why: String,
    },
}

impl Demand {
    /// The only test that matters, if only one does.
    pub(crate) fn only(&self) -> Option<&str> {
        match self {
            Demand::Rejected { test, .. } => Some(test),
            _ => None,
        }
    }

    /// Where these records are not what is demanded, one sentence each.
    pub(crate) fn deviations(&self, records: &[Record]) -> Vec<String> {
        let passes = records.iter().all(|record| record.outcome == Outcome::Pass);
        match self {
            Demand::Wrong { why } if passes => return vec![format!("it passes: {why}")],
            // Other tests may have been unable to judge it.
            Demand::Wrong { .. } if records.iter().any(is_rejection) => return Vec::new(),
            Demand::NotYetRejected { why } if !passes => {
                return vec![format!(
                    "it is rejected now: remove its line `not rejected yet: {why}`"
                )];
            }
            _ => {}
        }
        records
            .iter()
            .filter_map(|record| {
                let wanted = self.wanted(record)?;
                let cause = record.cause.lines().next().unwrap_or_default();
                Some(format!(
                    "{}: {}{}{cause}, not {wanted}",
                    record.test,
                    record.outcome,
                    if cause.is_empty() { "" } else { ": " },
                ))
            })
            .collect()
    }

    /// What was wanted, if the record is something else.
    fn wanted(&self, record: &Record) -> Option<String> {
        let (wanted, fragment) = match self {
            Demand::AllPass => (Outcome::Pass, ""),
            Demand::AllFail { outcome, cause } => (*outcome, cause.as_str()),
            Demand::Rejected {
                test,
                outcome,
                cause,
            } if *test == record.test => (*outcome, cause.as_str()),
            Demand::Wrong { .. } | Demand::NotYetRejected { .. }
                if record.outcome == Outcome::NotJudged =>
            {
                return Some("a verdict".to_owned());
            }
            Demand::Rejected { .. } | Demand::Wrong { .. } | Demand::NotYetRejected { .. } => {
                return None;
            }
        };
        let is_so = record.outcome == wanted && record.cause.contains(fragment);
        (!is_so).then(|| match fragment {
            "" => wanted.to_string(),
            fragment => format!("{wanted} with `{fragment}`"),
        })
    }
}

pub(crate) fn is_rejection(record: &Record) -> bool {
    ![Outcome::Pass, Outcome::NotJudged].contains(&record.outcome)
}

#[cfg(test)]
mod tests {
    use judging::run::record;

    use super::*;

    #[test]
    fn a_pass_is_no_rejection() {
        let demand = Demand::Rejected {
            test: "one".into(),
            outcome: Outcome::Deadlock,
            cause: "waits".into(),
        };
        let passed = record("one", Outcome::Pass, String::new());
        assert_eq!(
            demand.deviations(&[passed]),
            ["one: pass, not deadlock with `waits`"]
        );
        let rejected = record("one", Outcome::Deadlock, "it waits".into());
        let other = record("two", Outcome::Fail, "x".into());
        assert_eq!(demand.deviations(&[rejected, other]), [""; 0]);
    }

    #[test]
    fn a_wrong_answer_is_to_be_rejected_by_any_test() {
        let wrong = Demand::Wrong { why: "w".into() };
        let passed = record("one", Outcome::Pass, String::new());
        let failed = record("two", Outcome::Fail, "x".into());
        let unjudged = record("two", Outcome::NotJudged, "no seccomp".into());
        assert_eq!(
            wrong.deviations(std::slice::from_ref(&passed)),
            ["it passes: w"]
        );
        assert_eq!(wrong.deviations(&[passed.clone(), failed.clone()]), [""; 0]);
        assert_eq!(wrong.deviations(&[passed.clone(), unjudged]).len(), 1);
        let known = Demand::NotYetRejected { why: "w".into() };
        assert_eq!(known.deviations(std::slice::from_ref(&passed)), [""; 0]);
        assert_eq!(known.deviations(&[passed, failed]).len(), 1);
    }

    #[test]
    fn a_rejection_for_another_reason_is_none() {
        let demand = Demand::AllFail {
            outcome: Outcome::Panic,
            cause: "not yet implemented".into(),
        };
        let other = record("one", Outcome::Panic, "index out of bounds".into());
        assert_eq!(demand.deviations(&[other]).len(), 1);
    }
}
