//! Checks that no known mistake is explained as another one.

use judging::exercise::catalogue::Exercise;
use judging::files;
use judging::mistake::{self, Mistake};
use judging::run;
use judging::signatures::{Signature, Signatures};
use proctor::Record;

use super::Complaint;

/// The mistakes for which a learner would see the explanation of another mistake.
pub(crate) fn explanations(exercise: &Exercise) -> Vec<Complaint> {
    let signatures = Signatures::read(exercise);
    let solution = files::text(&exercise.solution().join("src/lib.rs")).unwrap_or_default();
    let patches = mistake::patches(exercise).unwrap_or_default();
    let mistakes: Vec<Mistake> = patches
        .iter()
        .flat_map(|path| mistake::read(path))
        .collect();
    let explained_as = |mistake: &Mistake| {
        let records = records_of(signatures.0.get(&mistake.name)?);
        let source = mistake.applied_to(&solution).ok()?;
        let mistakes = mistakes.clone();
        mistake::singled_out(mistakes, &signatures, &records, &source)
            .filter(|other| other.name != mistake.name)
    };
    let wrong = mistakes.iter().filter_map(|mistake| {
        let other = explained_as(mistake)?;
        Some(format!(
            "the mistake `{}` would be explained as `{}`: make the `Cause:` of the latter more specific, or add a `Source:` to it",
            mistake.name, other.name
        ))
    });
    wrong
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
