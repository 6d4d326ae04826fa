//! The files that `verify --bless` writes agree with the tree.

use std::collections::BTreeSet;

use super::Complaint;
use super::plan::Plan;
use super::runs::Runs;
use crate::catalogue::{Course, Exercise};
use crate::mistake;
use crate::originals::Originals;
use crate::signatures::Signatures;
use crate::trouble::Trouble;

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
    let mut signatures = Signatures::read(course);
    signatures
        .0
        .retain(|id, _| course.exercises.iter().any(|exercise| exercise.id == *id));
    for variant in &plan.variants {
        signatures
            .0
            .entry(variant.exercise.clone())
            .or_default()
            .clear();
    }
    for (variant, runs) in plan.variants.iter().zip(runs) {
        if let Some(name) = variant.mistake() {
            let of_exercise = signatures.0.entry(variant.exercise.clone()).or_default();
            of_exercise.insert(name.to_owned(), runs.signature.clone());
        }
    }
    signatures.write(course)
}
