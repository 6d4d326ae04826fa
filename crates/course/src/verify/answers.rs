//! `answers`: judges a folder of right and wrong answers, and prints where the
//! tests disagree.
//!
//! ```text
//! right/*.rs   must pass
//! wrong/*.rs   must be rejected; the first line says what is wrong
//! ```
//!
//! What an author runs on answers that others have written from the task alone,
//! and CI on those that are kept, in `solutions/TOPIC/EXERCISE/answers`.

use std::path::{Path, PathBuf};

use super::build::{self, Draft, Drafts};
use super::demand::Demand;
use super::{Complaint, chosen, report, runs};
use crate::catalogue::{Course, Exercise};
use crate::cli::{Answers, Verify};
use crate::originals::Files;
use crate::trouble::Trouble;
use crate::{files, mistake};

/// Begins a line of a wrong answer that is known to pass.
const NOT_YET: &str = "// not rejected yet:";
/// Such a line stands near the top.
const TOP: usize = 8;

/// Judges the kept answers, or those of a folder: 0 if the tests agree with
/// all, else 1.
///
/// # Errors
/// Something cannot be read, built or run; there are no answers.
pub fn answers(course: &Course, options: &Answers) -> Result<u8, Trouble> {
    let mut exercises = chosen(course, &options.exercises)?;
    exercises.retain(|exercise| {
        let folder = folder(exercise, options.from.as_deref(), exercises_named(options));
        folder.join("right").is_dir() || folder.join("wrong").is_dir()
    });
    if exercises.is_empty() {
        return Err(Trouble::Refused(
            "there are no answers: a folder of answers holds right/*.rs and wrong/*.rs, below a folder with the exercise's name if no exercise is named".into(),
        ));
    }
    let find = |exercise: &Exercise, _: &[String], complaints: &mut Vec<Complaint>| {
        let folder = folder(exercise, options.from.as_deref(), exercises_named(options));
        drafts(exercise, &folder, complaints)
    };
    let (plan, complaints, _building) = build::build(course, &exercises, true, &find)?;
    let how = Verify {
        repeat: options.repeat,
        jobs: options.jobs,
        ..Verify::default()
    };
    let runs = runs::run(&plan, &how)?;
    report::complaints(&complaints);
    Ok(report::answers(&plan, &runs, options.repeat, &complaints))
}

fn exercises_named(options: &Answers) -> usize {
    options.exercises.len()
}

/// Where an exercise's answers are.
fn folder(exercise: &Exercise, from: Option<&Path>, named: usize) -> PathBuf {
    match from {
        None => exercise.solution().join("answers"),
        Some(from) if named == 1 && !from.join(&exercise.id).is_dir() => from.to_owned(),
        Some(from) => from.join(&exercise.id),
    }
}

fn drafts(
    exercise: &Exercise,
    folder: &Path,
    complaints: &mut Vec<Complaint>,
) -> Result<Drafts, Trouble> {
    let mut drafts = Drafts::new();
    for kind in ["right", "wrong"] {
        let folder = folder.join(kind);
        if !folder.is_dir() {
            continue;
        }
        for path in files::below(&folder)? {
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = match files::text(&path) {
                Ok(text) => text,
                Err(trouble) => {
                    complaints.push(Complaint::new(&exercise.id, trouble.to_string()));
                    continue;
                }
            };
            let name = mistake::name_of(&path);
            drafts.push((
                format!("{kind}-{}", package_name(&name)),
                Draft {
                    name: format!("{kind} {name}"),
                    demand: demand(kind, &text),
                    sources: Files::from([("lib.rs".to_owned(), text)]),
                    spotless: false,
                },
            ));
        }
    }
    Ok(drafts)
}

fn demand(kind: &str, text: &str) -> Demand {
    let not_yet = text
        .lines()
        .take(TOP)
        .find_map(|line| line.strip_prefix(NOT_YET));
    match (kind, not_yet) {
        ("right", _) => Demand::AllPass,
        (_, Some(why)) => Demand::NotYetRejected {
            why: why.trim().to_owned(),
        },
        _ => Demand::Wrong {
            why: reason(text).to_owned(),
        },
    }
}

/// What a file says of itself in its first line.
fn reason(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches(['/', '!', ' ']).trim()
}

/// Only what a package's name may hold.
fn package_name(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            _ => '-',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_is_demanded_of_it() {
        let wrong = "// contract broken: too late\n// not rejected yet: needs luck\n";
        assert_eq!(demand("right", wrong), Demand::AllPass);
        assert_eq!(
            demand("wrong", wrong),
            Demand::NotYetRejected {
                why: "needs luck".into()
            }
        );
        assert_eq!(
            demand("wrong", "//! contract broken: too late\n"),
            Demand::Wrong {
                why: "contract broken: too late".into()
            }
        );
    }
}
