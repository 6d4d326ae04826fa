//! `{{#exercises TOPIC}}`: the exercises of a topic, from the catalogue.

use std::fmt::Write as _;

use super::Sources;

pub(super) fn exercises(topic: &str, sources: &Sources<'_>) -> Result<String, String> {
    let mut text = String::new();
    for exercise in &sources.course.exercises {
        if exercise.topic != topic {
            continue;
        }
        let needs = match exercise.needs.as_slice() {
            [] => String::new(),
            needs => format!("; do `{}` first", needs.join("`, `")),
        };
        let _ = writeln!(
            text,
            "**{}** (`{}`, {} minutes{needs})\n\n```console\n$ cargo course check {}\n```\n",
            exercise.title, exercise.id, exercise.minutes, exercise.id
        );
        sources
            .used
            .borrow_mut()
            .exercises
            .insert(exercise.id.clone());
    }
    match text.is_empty() {
        true => Err(format!(
            "exercises/course.toml has no exercise of the topic `{topic}`"
        )),
        false => Ok(text),
    }
}
