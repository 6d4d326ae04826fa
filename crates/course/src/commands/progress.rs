//! `progress`: prints how far the learner is in each topic, and how many
//! minutes are left.

use std::fmt::Write;

use judging::exercise::catalogue::Course;
use judging::terminal::say;
use judging::terminal::words::{FAINT, GOOD, STRONG, styled};
use judging::trouble::Trouble;
use serde::Serialize;

use super::progress_of;
use crate::progress::Progress;

#[derive(Serialize)]
struct Whole<'a> {
    passed: usize,
    exercises: usize,
    minutes_left: u32,
    topics: Vec<Topic<'a>>,
}

#[derive(Serialize)]
struct Topic<'a> {
    topic: &'a str,
    passed: usize,
    minutes_left: u32,
    exercises: Vec<One<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    exercise: &'a str,
    minutes: u32,
    passed: bool,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<u64>,
    /// The fingerprint of the tests that were passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<&'a str>,
    hints: usize,
}

/// Prints the progress, as text or as one JSON object.
///
/// # Errors
/// It never returns one. The type is that of all commands.
pub fn progress(course: &Course, json: bool) -> Result<u8, Trouble> {
    let progress = progress_of(course);
    let whole = whole(course, &progress);
    if json {
        // It holds only strings and numbers, so writing it as JSON cannot fail.
        say(&(serde_json::to_string(&whole).unwrap_or_default() + "\n"));
    } else {
        say(&text(&whole));
    }
    Ok(0)
}

fn whole<'a>(course: &'a Course, progress: &'a Progress) -> Whole<'a> {
    let mut topics: Vec<Topic> = Vec::new();
    for exercise in &course.exercises {
        if topics
            .last()
            .is_none_or(|last| last.topic != exercise.topic)
        {
            topics.push(Topic {
                topic: &exercise.topic,
                passed: 0,
                minutes_left: 0,
                exercises: Vec::new(),
            });
        }
        let kept = progress.of(exercise);
        let Some(topic) = topics.last_mut() else {
            continue;
        };
        match kept {
            Some(_) => topic.passed += 1,
            None => topic.minutes_left += exercise.minutes,
        }
        topic.exercises.push(One {
            exercise: &exercise.id,
            minutes: exercise.minutes,
            passed: kept.is_some(),
            when: kept.map(|kept| kept.when),
            tests: kept.map(|kept| kept.tests.as_str()),
            hints: progress.hints_of(exercise),
        });
    }
    Whole {
        passed: topics.iter().map(|topic| topic.passed).sum(),
        exercises: course.exercises.len(),
        minutes_left: topics.iter().map(|topic| topic.minutes_left).sum(),
        topics,
    }
}

fn text(whole: &Whole) -> String {
    let mut text = String::new();
    let widest = whole.topics.iter().map(|topic| topic.topic.len()).max();
    let widest = widest.unwrap_or(0);
    for topic in &whole.topics {
        let all = topic.exercises.len();
        let mark = match topic.passed == all {
            true => styled(GOOD, "✓"),
            false => " ".to_owned(),
        };
        let left = match topic.minutes_left {
            0 => String::new(),
            left => styled(FAINT, format!("  {left:>4} min left")),
        };
        let _ = writeln!(
            text,
            "  {mark} {:widest$}  {} of {all}{left}",
            topic.topic, topic.passed
        );
    }
    let left = match whole.minutes_left {
        0 => String::new(),
        left => format!(", {left} minutes left"),
    };
    let sum = format!("{} of {} passed{left}", whole.passed, whole.exercises);
    let _ = writeln!(text, "\n{}", styled(STRONG, sum));
    text
}
