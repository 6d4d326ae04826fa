//! Checks that each known mistake is told from the others.

use judging::exercise::catalogue::Exercise;
use judging::files;
use judging::mistake::{self, Mistake};
use judging::run;
use judging::signatures::{Signature, Signatures};
use proctor::Record;

use super::Complaint;

/// The mistakes for which a learner would see the explanation of another
/// mistake, or none because several fit.
pub(crate) fn explanations(exercise: &Exercise) -> Vec<Complaint> {
    let signatures = Signatures::read(exercise);
    let solution = files::text(&exercise.solution().join("src/lib.rs")).unwrap_or_default();
    let patches = mistake::patches(exercise).unwrap_or_default();
    let mistakes: Vec<Mistake> = patches
        .iter()
        .flat_map(|path| mistake::read(path))
        .collect();
    let others = |mistake: &Mistake| {
        let records = records_of(signatures.0.get(&mistake.name)?);
        let source = mistake.applied_to(&solution).ok()?;
        let fitting = mistake::fitting(mistakes.clone(), &signatures, &records, &source);
        let names = fitting.into_iter().map(|other| other.name);
        let others: Vec<String> = names.filter(|name| *name != mistake.name).collect();
        (!others.is_empty()).then(|| others.join("`, `"))
    };
    let complaints = mistakes.iter().filter_map(|mistake| {
        let others = others(mistake)?;
        Some(format!(
            "the mistake `{}` cannot be told from `{others}`: make the `Cause:` of the latter more specific, or add \
             a `Source:` to both",
            mistake.name
        ))
    });
    let impossible = mistakes.iter().filter_map(|mistake| {
        let source = mistake.applied_to(&solution).ok()?;
        (!mistake.is_possible_in(&source)).then(|| {
            format!(
                "the `Source:` of the mistake `{}` does not fit its own source",
                mistake.name
            )
        })
    });
    complaints
        .chain(impossible)
        .map(|what| Complaint::new(&exercise.id, what))
        .collect()
}

/// What the tests said, as far as it is recorded.
fn records_of(signature: &Signature) -> Vec<Record> {
    signature
        .iter()
        .filter_map(|(test, line)| {
            let (outcome, cause) = line.split_once(": ")?;
            Some(run::record(
                test,
                mistake::outcome(outcome)?,
                cause.to_owned(),
            ))
        })
        .collect()
}
