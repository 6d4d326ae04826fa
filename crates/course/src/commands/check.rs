//! `check`, and what `cargo course` does without a command and without a terminal.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use judging::exercise::catalogue::{Course, Exercise};
use judging::files;
use judging::judge::{How, Judgement, Source, judge};
use judging::mistake;
use judging::terminal::{complain, say};
use judging::trouble::Trouble;

use super::{named_or_next, progress_of};
use crate::cli::Check;
use crate::progress::Progress;
use crate::show::{self, Layout};
use crate::text::{Line, Look, printed};

/// How wide a verdict is printed: a pipe has no width, and longer lines are
/// hard to read.
const COLUMNS: usize = 98;

/// Judges one exercise and prints the verdict.
///
/// # Errors
/// There is no verdict.
pub fn check(course: &Course, options: &Check) -> Result<u8, Trouble> {
    let mut progress = progress_of(course);
    let exercise = named_or_next(course, options.exercise.as_deref(), &progress)?;
    let source = match &options.source {
        None => Source::Learner,
        Some(path) => read_source(exercise, path)?,
    };
    let how = How {
        colour: !options.json && is_coloured(),
        without_policy: options.without_policy,
        ..How::default()
    };
    let judgement = judge(course, exercise, &source, &how)?;
    if options.json {
        say(&show::json(&judgement));
    } else if options.explain && judgement.uncompiled.is_none() {
        say(&printed(&show::explain(&judgement), usize::MAX));
    } else {
        let name = match &source {
            Source::Learner => None,
            Source::Other { name, .. } => Some(name.as_str()),
        };
        let layout = Layout {
            columns: COLUMNS,
            known_first: false,
            every_timeline: true,
            source: name,
        };
        let mut lines = vec![
            Line::of(&exercise.id, Look::Strong)
                .then(" · ", Look::Faint)
                .then(&exercise.title, Look::Plain),
        ];
        lines.extend(show::verdict(&judgement, &layout));
        say(&printed(&lines, COLUMNS));
    }
    let own = matches!(source, Source::Learner);
    if own && judgement.is_passed() {
        keep(course, exercise, &judgement, &mut progress);
    }
    if own && !options.json && !options.explain {
        say(&what_next(course, exercise, &judgement, &progress));
    }
    Ok(judgement.exit_code())
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

/// A file, the solution with a diff (`.patch`), or standard input for `-`.
pub(crate) fn read_source(exercise: &Exercise, path: &Path) -> Result<Source, Trouble> {
    if path != Path::new("-") {
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
            "\nnext: edit {}, then run cargo course check {id}\nfor a hint: cargo course hint {id}\n",
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
