//! `check`, and what `cargo course` does without a command and without a terminal.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use judging::exercise::catalogue::{Course, Exercise};
use judging::files;
use judging::judge::{How, Judgement, Source, judge};
use judging::mistake;
use judging::terminal::{complain, passing, say};
use judging::trouble::Trouble;

use super::{columns, named_or_next, progress_of};
use crate::cli::Check;
use crate::progress::Progress;
use crate::show::{self, Layout};
use crate::text::{Line, Look, printed};

/// Judges one or more files, or all exercises, and prints the verdicts.
///
/// Exit code 2 if a file could not be judged, or else 1 if one failed.
///
/// # Errors
/// There is no verdict on the only file.
pub fn check(course: &Course, options: &Check) -> Result<u8, Trouble> {
    let mut progress = progress_of(course);
    if options.all {
        return all(course, options, &mut progress);
    }
    let (name, sources) = meant(course, options);
    let exercise = named_or_next(course, name, &progress)?;
    if name.is_some() && sources.is_empty() {
        // From now on, this is where the learner is.
        progress.at = Some(exercise.id.clone());
        let _ = Progress::change(course, |kept| kept.at = Some(exercise.id.clone()));
    }
    match sources {
        [] => one(course, exercise, None, false, options, &mut progress),
        [only] => one(course, exercise, Some(only), false, options, &mut progress),
        several => {
            let mut worst = 0;
            for path in several {
                let code = one(course, exercise, Some(path), true, options, &mut progress);
                worst = worst.max(code.unwrap_or_else(|trouble| {
                    complain(&trouble.to_string());
                    2
                }));
                if !options.json {
                    say("\n");
                }
            }
            Ok(worst)
        }
    }
}

/// The exercise's name and the files. The list of files may swallow a name that
/// stands behind it: `--source FILE spin-lock`.
fn meant<'a>(course: &Course, options: &'a Check) -> (Option<&'a str>, &'a [PathBuf]) {
    let name = options.exercise.as_deref();
    if let (None, [files @ .., last]) = (name, options.source.as_slice())
        && !files.is_empty()
        && !last.exists()
        && let Some(last) = last.to_str()
        && course.exercise(last).is_ok()
    {
        return (Some(last), files);
    }
    (name, &options.source)
}

/// Judges one file: the learner's, or the one at this path, which is one of
/// several or not.
fn one(
    course: &Course,
    exercise: &Exercise,
    path: Option<&Path>,
    is_one_of_several: bool,
    options: &Check,
    progress: &mut Progress,
) -> Result<u8, Trouble> {
    let name = match path {
        None => course.short(&exercise.source()).display().to_string(),
        Some(path) => path.display().to_string(),
    };
    let how = How {
        colour: !options.json && is_coloured(),
        without_policy: options.without_policy,
        ..How::default()
    };
    let source = path.map_or(Ok(Source::Learner), |path| read_source(exercise, path));
    let judgement = source.and_then(|source| judge_visibly(course, exercise, &source, how));
    let judgement = match judgement {
        Ok(judgement) => judgement,
        Err(trouble) => {
            if options.json {
                say(&show::json_of_unjudged(
                    &exercise.id,
                    &name,
                    &trouble.to_string(),
                ));
            }
            return Err(trouble);
        }
    };
    if options.json {
        say(&show::json(&judgement, &name, exercise.points));
    } else if options.explain && judgement.uncompiled.is_none() {
        say(&printed(&show::explain(&judgement), columns()));
    } else {
        let source = path.map(|_| name.as_str());
        print(exercise, &judgement, source, is_one_of_several, progress);
    }
    if path.is_none() && judgement.is_passed() {
        keep(course, exercise, &judgement, progress);
    }
    if path.is_none() && !options.json && !options.explain {
        say(&what_next(course, exercise, &judgement, progress));
    }
    Ok(judgement.exit_code())
}

/// Judges, and shows in a passing line what is being done.
fn judge_visibly(
    course: &Course,
    exercise: &Exercise,
    source: &Source,
    how: How,
) -> Result<Judgement, Trouble> {
    passing(&format!("{}: compiling …", exercise.id));
    let progress: Option<&dyn Fn(&Judgement)> = Some(&show_progress);
    let judgement = judge(course, exercise, source, &How { progress, ..how });
    passing("");
    judgement
}

/// A line that says how far the tests are.
fn show_progress(so_far: &Judgement) {
    let all = so_far.records.len() + so_far.pending.len();
    let judged = so_far.records.len();
    let failed = match so_far.failed() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    passing(&format!(
        "{}: {judged} of {all} tests judged{failed} …",
        so_far.exercise
    ));
}

fn print(
    exercise: &Exercise,
    judgement: &Judgement,
    source: Option<&str>,
    is_one_of_several: bool,
    progress: &Progress,
) {
    let layout = Layout {
        columns: columns(),
        on_a_page: false,
        // A learner asks for a hint first. Who judges a file is no learner.
        explains: source.is_some() || progress.hints_of(exercise) > 0,
        every_timeline: true,
        source,
    };
    let mut title = Line::of(&exercise.id, Look::Strong)
        .then(" · ", Look::Faint)
        .then(&exercise.title, Look::Plain);
    // Whoever judges many files has to know which one this is.
    if let Some(name) = source.filter(|_| is_one_of_several) {
        title = title.then(" · ", Look::Faint).then(name, Look::Plain);
    }
    let mut lines = vec![title];
    lines.extend(show::verdict(judgement, &layout));
    say(&printed(&lines, columns()));
}

/// Judges the learner's files of all exercises, one line for each.
fn all(course: &Course, options: &Check, progress: &mut Progress) -> Result<u8, Trouble> {
    let how = How {
        without_policy: options.without_policy,
        ..How::default()
    };
    let widest = course.exercises.iter().map(|one| one.id.len()).max();
    let mut worst = 0;
    for exercise in &course.exercises {
        let id = &exercise.id;
        let found = judge_visibly(course, exercise, &Source::Learner, how);
        let file = course.short(&exercise.source()).display().to_string();
        let words = match &found {
            Err(trouble) => Line::of(format!("? {trouble}"), Look::Unsure),
            Ok(judgement) => show::status(judgement),
        };
        if let Ok(judgement) = &found
            && judgement.is_passed()
        {
            keep(course, exercise, judgement, progress);
        }
        if options.json {
            say(&match &found {
                Ok(judgement) => show::json(judgement, &file, exercise.points),
                Err(trouble) => show::json_of_unjudged(id, &file, &trouble.to_string()),
            });
        } else {
            let pad = " ".repeat(widest.unwrap_or(0).saturating_sub(id.len()));
            let mut line = Line::of(format!("{id}{pad}  "), Look::Strong);
            line.spans.extend(words.spans);
            say(&printed(&[line], columns()));
        }
        worst = worst.max(found.map_or(2, |judgement| judgement.exit_code()));
    }
    if !options.json && worst > 0 {
        say("\nto see why one fails: cargo course check EXERCISE\n");
    }
    Ok(worst)
}

/// `cargo course` without a command: checks the next exercise once.
///
/// # Errors
/// There is no verdict.
pub fn next(course: &Course) -> Result<u8, Trouble> {
    if progress_of(course).current(course).is_none() {
        say("You have passed every exercise. `cargo course list` shows them all.\n");
        return Ok(0);
    }
    check(course, &Check::default())
}

/// The largest file that is judged.
const LARGEST: u64 = 4 << 20;

/// A file, the solution with a diff (`.patch`), or standard input for `-`.
pub(crate) fn read_source(exercise: &Exercise, path: &Path) -> Result<Source, Trouble> {
    if path != Path::new("-") {
        let found = std::fs::metadata(path).map_err(Trouble::reading(path))?;
        let refused = match found.file_type() {
            kind if kind.is_dir() => Some("is a folder: name the file in it"),
            kind if !kind.is_file() => {
                Some("is not an ordinary file; to judge what a program writes, use `--source -`")
            }
            _ if found.len() > LARGEST => Some("has more than 4 MiB, so it is not judged"),
            _ => None,
        };
        if let Some(refused) = refused {
            return Err(Trouble::Refused(format!("{} {refused}", path.display())));
        }
        let is_patch = path.extension().is_some_and(|end| end == "patch");
        return Ok(Source::Other {
            name: path.display().to_string(),
            text: match is_patch {
                true => mistake::patched(exercise, path)?,
                false => files::text(path)?,
            },
        });
    }
    let name = "standard input";
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(Trouble::reading(Path::new(name)))?;
    let text = String::from_utf8(bytes).map_err(|error| Trouble::NotUtf8 {
        path: name.into(),
        valid: error.utf8_error().valid_up_to(),
    })?;
    Ok(Source::Other {
        name: name.to_owned(),
        text,
    })
}

/// Records a pass. A pass that cannot be written to the file still counts; the
/// learner is told.
fn keep(course: &Course, exercise: &Exercise, judgement: &Judgement, progress: &mut Progress) {
    let kept = Progress::change(course, |kept| _ = kept.note(exercise, &judgement.tests));
    progress.note(exercise, &judgement.tests);
    if let Err(trouble) = kept {
        complain(&format!("your progress was not saved: {trouble}"));
    }
}

fn what_next(
    course: &Course,
    exercise: &Exercise,
    judgement: &Judgement,
    progress: &Progress,
) -> String {
    let id = &exercise.id;
    if !judgement.is_passed() {
        return format!(
            "\nnext: edit {}\nthen: cargo course check {id}\nfor a hint: cargo course hint {id}\n",
            course.short(&exercise.source()).display()
        );
    }
    let next = match progress.current(course) {
        Some(next) => format!("next: cargo course check {} ({})", next.id, next.title),
        None => "that was the last one: you have passed every exercise".to_owned(),
    };
    if course.is_bundle() {
        return format!("\n{next}\n");
    }
    format!("\nthe course's own solution: cargo course solution {id}\n{next}\n")
}

fn is_coloured() -> bool {
    io::stdout().is_terminal()
        && anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}
