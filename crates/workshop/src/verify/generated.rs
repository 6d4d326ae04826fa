//! The files that `verify --bless` writes agree with the tree.

use std::collections::{BTreeMap, BTreeSet};

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals;
use judging::mistake;
use judging::signatures::{Signature, Signatures, without_numbers};
use judging::trouble::Trouble;

use super::Complaint;
use super::plan::Plan;
use super::runs::Runs;

/// What to do about it.
fn bless(exercise: &Exercise) -> String {
    format!(
        "if the tree is right, run `cargo course verify {} --bless --repeat 2`",
        exercise.id
    )
}

/// The exercises are kept as they are.
pub(crate) fn originals(course: &Course, exercises: &[&Exercise]) -> Vec<Complaint> {
    let differs = |exercise: &&&Exercise| {
        let kept = originals::given(exercise).ok().flatten();
        kept.is_none() || kept != originals::files_of(exercise).ok()
    };
    let different = exercises.iter().filter(differs);
    let complaint = |exercise: &&Exercise| {
        let path = course
            .short(&originals::path(exercise))
            .display()
            .to_string();
        Complaint::new(
            &exercise.id,
            format!("{path} holds other texts: {}", bless(exercise)),
        )
    };
    different.map(complaint).collect()
}

/// What is kept of mistakes is kept of those that there are, and of no others.
pub(crate) fn signatures(
    course: &Course,
    exercises: &[&Exercise],
) -> Result<Vec<Complaint>, Trouble> {
    let mut found = Vec::new();
    for exercise in exercises {
        let known: BTreeSet<String> = Signatures::read(exercise).0.into_keys().collect();
        let patches = mistake::patches(exercise)?;
        let there: BTreeSet<String> = patches.iter().map(|path| mistake::name_of(path)).collect();
        if known != there {
            let path = course
                .short(&Signatures::path(exercise))
                .display()
                .to_string();
            let what = format!("{path} knows other mistakes: {}", bless(exercise));
            found.push(Complaint::new(&exercise.id, what));
        }
    }
    Ok(found)
}

/// Records what every test said about every mistake. The records of exercises
/// that were not verified stay as they are.
pub(crate) fn keep_signatures(course: &Course, plan: &Plan, runs: &[Runs]) -> Result<(), Trouble> {
    let mut all: BTreeMap<&str, Signatures> = BTreeMap::new();
    for (variant, runs) in plan.variants.iter().zip(runs) {
        let of_exercise = all.entry(&variant.exercise).or_default();
        if let Some(name) = variant.mistake() {
            of_exercise
                .0
                .insert(name.to_owned(), runs.signature.clone());
        }
    }
    for (id, mut new) in all {
        let exercise = course.exercise(id)?;
        for (name, before) in Signatures::read(exercise).0 {
            // If only random inputs differ, the record stays as it is.
            if let Some(now) = new.0.get_mut(&name)
                && same_but_for_numbers(&before, now)
            {
                *now = before;
            }
        }
        new.write(exercise)?;
    }
    Ok(())
}

fn same_but_for_numbers(one: &Signature, other: &Signature) -> bool {
    let alike = |signature: &Signature| -> Vec<String> {
        let lines = signature.iter();
        lines
            .map(|(test, line)| without_numbers(&format!("{test} {line}")))
            .collect()
    };
    alike(one) == alike(other)
}
