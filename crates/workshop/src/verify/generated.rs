//! The files that `verify --bless` writes agree with the tree.

use std::collections::BTreeSet;

use super::Complaint;
use super::plan::Plan;
use super::runs::Runs;
use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals::Originals;
use judging::mistake;
use judging::signatures::{Signature, Signatures, without_numbers};
use judging::trouble::Trouble;

const BLESS: &str = "if the tree is right, run `cargo course verify --bless`";

/// `originals.json` holds the exercises as they are.
pub(crate) fn originals(
    course: &Course,
    exercises: &[&Exercise],
) -> Result<Vec<Complaint>, Trouble> {
    let (given, now) = (Originals::read(course)?, Originals::of_tree(course));
    let differs = |exercise: &&&Exercise| {
        !now.as_ref()
            .is_ok_and(|now| now.of(exercise) == given.of(exercise))
    };
    let what = format!("exercises/originals.json holds other texts: {BLESS}");
    Ok(exercises
        .iter()
        .filter(differs)
        .map(|exercise| Complaint::new(&exercise.id, what.clone()))
        .collect())
}

/// `mistakes.json` knows the mistakes that there are, and no others.
pub(crate) fn signatures(
    course: &Course,
    exercises: &[&Exercise],
) -> Result<Vec<Complaint>, Trouble> {
    let signatures = Signatures::read(course);
    let mut found = Vec::new();
    for exercise in exercises {
        let known: BTreeSet<String> = signatures
            .0
            .get(&exercise.id)
            .map(|known| known.keys().cloned().collect())
            .unwrap_or_default();
        let patches = mistake::patches(exercise)?;
        let there: BTreeSet<String> = patches.iter().map(|path| mistake::name_of(path)).collect();
        if known != there {
            let what = format!("exercises/mistakes.json knows other mistakes: {BLESS}");
            found.push(Complaint::new(&exercise.id, what));
        }
    }
    Ok(found)
}

/// Keeps what every test said of every mistake; for exercises that were not
/// verified it stays as it is.
pub(crate) fn keep_signatures(course: &Course, plan: &Plan, runs: &[Runs]) -> Result<(), Trouble> {
    let old = Signatures::read(course);
    let mut new = old.clone();
    new.0
        .retain(|id, _| course.exercises.iter().any(|exercise| exercise.id == *id));
    for variant in &plan.variants {
        new.0.entry(variant.exercise.clone()).or_default().clear();
    }
    for (variant, runs) in plan.variants.iter().zip(runs) {
        let Some(name) = variant.mistake() else {
            continue;
        };
        let before = old
            .0
            .get(&variant.exercise)
            .and_then(|known| known.get(name));
        let signature = match before {
            // Random inputs alone are no reason to write the file anew.
            Some(before) if same_but_for_numbers(before, &runs.signature) => before.clone(),
            _ => runs.signature.clone(),
        };
        let of_exercise = new.0.entry(variant.exercise.clone()).or_default();
        of_exercise.insert(name.to_owned(), signature);
    }
    new.write(course)
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
