//! `answers`: judges a folder of right and wrong answers, and prints where the
//! tests disagree.
//!
//! ```text
//! right/*.rs   must pass
//! wrong/*.rs   must be rejected; the first line says what is wrong
//! ```
//!
//! An answer that differs from another file in only a few lines may be a
//! `.patch`: the same first line, and then a diff against the solution
//! (`--- a/src/lib.rs`) or against another answer of the same folder
//! (`--- a/right/plain.rs`).
//!
//! Authors run this on answers that other people have written from the task
//! alone. CI runs it on the answers that the course keeps in
//! `solutions/TOPIC/EXERCISE/answers`.

use std::path::Path;

use judging::exercise::catalogue::{Course, Exercise};
use judging::files;
use judging::mistake;
use judging::trouble::Trouble;

use super::build::{self, Draft, Drafts};
use super::demand::Demand;
use super::{Complaint, chosen, report, runs};
use crate::cli::{Answers, Verify};

/// The beginning of a line in a wrong answer that is known to pass.
const NOT_YET: &str = "// not rejected yet:";
/// Such a line is one of this many first lines.
const TOP: usize = 8;

/// Judges the answers that the course keeps, or those of a folder. The exit
/// code is 0 if the tests agree with all of them, and 1 otherwise.
///
/// # Errors
/// Something cannot be read, built or run, or there are no answers.
pub fn answers(course: &Course, options: &Answers) -> Result<u8, Trouble> {
    let mut exercises = chosen(course, &options.exercises)?;
    // Where an exercise's answers are.
    let folder = |exercise: &Exercise| match &options.from {
        None => exercise.solution().join("answers"),
        Some(from) if options.exercises.len() == 1 && !from.join(&exercise.id).is_dir() => {
            from.clone()
        }
        Some(from) => from.join(&exercise.id),
    };
    exercises.retain(|exercise| {
        let folder = folder(exercise);
        folder.join("right").is_dir() || folder.join("wrong").is_dir()
    });
    if exercises.is_empty() {
        return Err(Trouble::Refused(
            "there are no answers: a folder of answers contains right/*.rs and wrong/*.rs; unless you name exactly one exercise, these lie in a folder with the name of the exercise".into(),
        ));
    }
    let find = |exercise: &Exercise, _: &[String], complaints: &mut Vec<Complaint>| {
        drafts(
            exercise,
            &folder(exercise),
            options.only.as_deref(),
            complaints,
        )
    };
    let (plan, complaints, _building) =
        build::build(course, &exercises, true, build::Tests::All, &find)?;
    let how = Verify {
        repeat: options.repeat,
        jobs: options.jobs,
        ..Verify::default()
    };
    let runs = runs::run(&plan, &how)?;
    report::complaints(&complaints);
    Ok(report::answers(&plan, &runs, options.repeat, &complaints))
}

fn drafts(
    exercise: &Exercise,
    folder: &Path,
    only: Option<&str>,
    complaints: &mut Vec<Complaint>,
) -> Result<Drafts, Trouble> {
    let mut drafts = Drafts::new();
    for kind in ["right", "wrong"] {
        if !folder.join(kind).is_dir() || only.is_some_and(|only| only != kind) {
            continue;
        }
        for path in files::below(&folder.join(kind))? {
            let name = mistake::name_of(&path);
            match read(exercise, folder, &path) {
                None => {}
                Some(Ok((said, text))) => drafts.push((
                    format!("{kind}-{}", package_name(&name)),
                    Draft::of(format!("{kind} {name}"), demand(kind, &said), text),
                )),
                Some(Err(why)) => complaints.push(Complaint::new(&exercise.id, why)),
            }
        }
    }
    Ok(drafts)
}

/// What an answer says about itself, and its text. `None` if the file is not an answer.
fn read(
    exercise: &Exercise,
    folder: &Path,
    path: &Path,
) -> Option<Result<(String, String), String>> {
    let text = |path: &Path| files::text(path).map_err(|trouble| trouble.to_string());
    let patched = || {
        let patch = text(path)?;
        let (said, diff) = mistake::parted(&patch)?;
        let base = match changed_file(diff) {
            "src/lib.rs" => exercise.solution().join("src/lib.rs"),
            answer => folder.join(answer),
        };
        Ok((said.to_owned(), mistake::apply(diff, &text(&base)?)?))
    };
    match path.extension()?.to_str()? {
        "rs" => Some(text(path).map(|text| (text.clone(), text))),
        "patch" => Some(patched().map_err(|why: String| format!("{}: {why}", path.display()))),
        _ => None,
    }
}

/// The file that a diff changes, as its first line names it.
fn changed_file(diff: &str) -> &str {
    let first = diff.lines().next().unwrap_or_default();
    let name = first.trim_start_matches("--- ").trim();
    name.strip_prefix("a/").unwrap_or(name)
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

/// What a file says about itself in its first line.
fn reason(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches(['/', '!', ' ']).trim()
}

/// The name, with a `-` for each character that a package's name may not contain.
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
