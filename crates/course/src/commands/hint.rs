//! `hint`: prints one of an exercise's hints.

use judging::exercise::catalogue::Course;
use judging::exercise::hints::hints;
use judging::files;
use judging::terminal::words::{STRONG, styled};
use judging::terminal::{complain, say};
use judging::trouble::Trouble;

use super::{columns, named_or_next, progress_of};
use crate::live::markdown;
use crate::progress::Progress;
use crate::text::printed;

/// Prints hint `number`, or the first one that was not shown yet (or the last
/// one if all were shown).
///
/// # Errors
/// There is no such exercise or no such hint.
pub fn hint(course: &Course, words: (Option<&str>, Option<usize>)) -> Result<u8, Trouble> {
    // `hint 2` means hint 2 of the next exercise.
    let (name, number) = match words {
        (Some(word), None) if word.parse::<usize>().is_ok() => (None, word.parse().ok()),
        other => other,
    };
    let progress = progress_of(course);
    let exercise = named_or_next(course, name, &progress)?;
    let path = exercise.folder().join("hints.md");
    let hints = hints(&format!("\n{}", files::text(&path)?));
    let shown = progress.hints_of(exercise);
    let number = number.unwrap_or_else(|| (shown + 1).min(hints.len()).max(1));
    let Some(hint) = number.checked_sub(1).and_then(|index| hints.get(index)) else {
        return Err(Trouble::Refused(format!(
            "{} has hints 1 to {}, not {number}",
            exercise.id,
            hints.len()
        )));
    };
    let title = format!("{} · hint {number} of {}", exercise.id, hints.len());
    let columns = columns();
    let text = printed(&markdown::lines(hint, columns), columns);
    say(&format!("{}\n\n{text}", styled(STRONG, title)));
    if number > shown {
        let kept = Progress::change(course, |kept| kept.has_seen(exercise, number));
        if let Err(trouble) = kept {
            complain(&format!(
                "the course could not save which hints you have seen: {trouble}"
            ));
        }
    }
    Ok(0)
}
