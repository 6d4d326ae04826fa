//! `list`: the exercises in their order.

use std::fmt::Write;

use judging::exercise::catalogue::Course;
use judging::exercise::originals::is_untouched;
use judging::terminal::say;
use judging::terminal::words::{FAINT, GOOD, STRONG, UNSURE, styled};
use judging::trouble::Trouble;

use super::progress_of;

/// Prints all exercises, and marks those that are passed.
///
/// # Errors
/// It never returns one. The type is that of all commands.
pub fn list(course: &Course) -> Result<u8, Trouble> {
    let progress = progress_of(course);
    let current = progress.current(course).map(|exercise| &exercise.id);
    let widest = |width: &dyn Fn(&judging::Exercise) -> usize| {
        course.exercises.iter().map(width).max().unwrap_or(0)
    };
    let ids = widest(&|exercise| exercise.id.len());
    let titles = widest(&|exercise| exercise.title.chars().count());
    let mut begun = 0;
    let mut text = String::new();
    let mut topic = "";
    for exercise in &course.exercises {
        if exercise.topic != topic {
            topic = &exercise.topic;
            let _ = writeln!(text, "{}", styled(STRONG, topic));
        }
        let has_passed = progress.has_passed(exercise);
        let is_begun = !has_passed && !is_untouched(exercise);
        begun += usize::from(is_begun);
        let mark = match has_passed {
            true => styled(GOOD, "✓"),
            false if current == Some(&exercise.id) => styled(STRONG, "▸"),
            false if is_begun => styled(UNSURE, "…"),
            false => " ".to_owned(),
        };
        let needs = match exercise.needs.as_slice() {
            [] => String::new(),
            needs => format!("  after {}", needs.join(", ")),
        };
        let minutes = styled(FAINT, format!("{:>3} min{needs}", exercise.minutes));
        let _ = writeln!(
            text,
            "  {mark} {:ids$}  {:titles$}  {minutes}",
            exercise.id, exercise.title
        );
    }
    let done = course
        .exercises
        .iter()
        .filter(|e| progress.has_passed(e))
        .count();
    let _ = writeln!(text, "\n{done} of {} passed", course.exercises.len());
    if begun > 0 {
        let _ = writeln!(
            text,
            "… {begun} begun: the file is no longer the one that you were given"
        );
    }
    if let Some(current) = current {
        let _ = writeln!(text, "next: cargo course check {current}");
    }
    say(&text);
    Ok(0)
}
