//! `schedule`: lets learners be the scheduler of their own code.
//!
//! ```text
//!   keys, lines ──▶ game ──▶ view, lines        (game and view: pure)
//!                    │ ▲
//!      a schedule ──▶│ │◀── a position
//!                    ▼ │
//!                   asking ──▶ judge ──▶ subject: runs the schedule from its
//!                                        beginning, and tells where it stands
//! ```
//!
//! Each position is found by running its whole schedule. To undo a step is
//! therefore to go back to a shorter schedule, and the last schedule is the
//! string that `cargo course replay` takes.

pub mod asking;
pub mod game;
pub mod lines;
pub mod play;
pub mod position;
pub mod scenarios;
#[cfg(test)]
mod tests;
pub mod view;
pub mod words;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use asking::Asker;
use game::{Game, Subject};
use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals;
use judging::judge::{How, Source, expected_tests};
use judging::terminal::{complain, say};
use judging::trouble::Trouble;
use play::Table;
use records::position::{End, Position};
use records::schedule::parts;
use scenarios::Scenario;

use crate::commands;
use crate::live;
use crate::text::wrapped;

/// What to schedule, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule<'a> {
    /// A scenario or a test. It can be left out if there is only one scenario.
    /// A schedule, such as `both_lock:a3b2a`, is a scenario and the steps to
    /// begin with.
    pub of: Option<&'a str>,
    /// Schedule this file instead of the learner's.
    pub source: Option<&'a Path>,
    /// Schedule the course's solution instead of the learner's file …
    pub reference: bool,
    /// … even if the exercise is not passed.
    pub give_up: bool,
    /// Print lines only and redraw nothing.
    pub plain: bool,
}

/// Lets the learner play. The exit code is 0 if the schedule that was reached
/// does not break the code. It is 1 if it does, or if the code does not compile
/// or is not written.
///
/// # Errors
/// The exercise explores no schedules, several scenarios could be meant, there
/// is no program, or the terminal cannot be used.
pub fn schedule(course: &Course, name: &str, asked: &Schedule) -> Result<u8, Trouble> {
    let exercise = course.exercise(name)?;
    let tests = originals::pristine_tests(exercise)?;
    let found = scenarios::scenarios(&tests).map_err(|why| Trouble::Malformed {
        path: exercise.tests(),
        why,
    })?;
    if found.is_empty() || exercise.explored().is_none() {
        return Err(Trouble::Refused(format!(
            "{} explores no schedules: there is nothing to schedule",
            exercise.id
        )));
    }
    let expected = expected_tests(exercise, &tests)?;
    let in_lines = asked.plain || !live::is_possible() || is_dumb();
    let (of, steps) = match asked.of.map(parts) {
        Some((Some(scenario), steps)) => (Some(scenario), steps),
        _ => (asked.of, ""),
    };
    let scenario = match &meant(exercise, &found, &expected, of)?[..] {
        [only] => *only,
        several => choose(exercise, several)?,
    };
    let (source, subject) = subject(course, exercise, scenario, asked)?;
    // If several tests explore the scenario, any one of them is enough.
    let test = scenario.tests.first().cloned();
    let tests = test.map_or(expected, |test| vec![test]);
    let how = How {
        colour: !in_lines,
        ..How::default()
    };
    // What a subject leaves behind can then be ended with it.
    let _ = processes::become_subreaper();
    let refused =
        |error: io::Error| Trouble::Refused(format!("the terminal cannot be used: {error}"));
    let table = Table::set().map_err(refused)?;
    let asker = match Asker::build(course, exercise, &source, &scenario.name, tests, &how)? {
        Ok(asker) => asker,
        Err(uncompiled) => {
            say(&uncompiled.said);
            complain(&format!(
                "{} does not compile yet: there is nothing to schedule",
                exercise.id
            ));
            return Ok(1);
        }
    };
    let begin = table.begin(&asker).map_err(Trouble::Refused)?;
    if let Some(code) = ended_at_once(exercise, &begin.position)? {
        return Ok(code);
    }
    let mut game = Game::new(subject, begin).given(steps);
    table.play(&mut game, asker, in_lines).map_err(refused)?;
    if !in_lines {
        say(&goodbye(&game));
    }
    Ok(u8::from(game.is_broken()))
}

fn is_dumb() -> bool {
    std::env::var("TERM").is_ok_and(|term| term == "dumb")
}

/// The scenarios that a name may mean.
fn meant<'a>(
    exercise: &Exercise,
    found: &'a [Scenario],
    expected: &[String],
    name: Option<&str>,
) -> Result<Vec<&'a Scenario>, Trouble> {
    let Some(name) = name else {
        return Ok(found.iter().collect());
    };
    if let Some(scenario) = found.iter().find(|scenario| scenario.name == name) {
        return Ok(vec![scenario]);
    }
    let is_explored = |scenario: &&Scenario| scenario.tests.iter().any(|test| test == name);
    let of_test: Vec<&Scenario> = found.iter().filter(is_explored).collect();
    if !of_test.is_empty() {
        return Ok(of_test);
    }
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    let names = names.join(", ");
    let id = &exercise.id;
    Err(Trouble::Refused(
        match expected.iter().any(|test| test == name) {
            true => {
                format!("the test {name} of {id} explores no schedules; the scenarios are {names}")
            }
            false => {
                format!("{id} has no scenario and no test `{name}`; its scenarios are {names}")
            }
        },
    ))
}

/// Asks which scenario is meant, if there is a terminal. Otherwise returns an
/// error that lists them.
fn choose<'a>(exercise: &Exercise, several: &[&'a Scenario]) -> Result<&'a Scenario, Trouble> {
    let id = &exercise.id;
    let widest = several.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let list: Vec<String> = several
        .iter()
        .enumerate()
        .map(|(number, one)| format!("{:3}  {:widest$}  {}", number + 1, one.name, one.about))
        .collect();
    let list = list.join("\n");
    let refuse = |said: &str| {
        Err(Trouble::Refused(format!(
            "{said}\n{list}\nname one: cargo course schedule {id} {}",
            several[0].name
        )))
    };
    if !live::is_possible() {
        return refuse(&format!("{id} explores several scenarios:"));
    }
    say(&format!(
        "{id} explores several scenarios:\n{list}\nwhich? "
    ));
    let _ = io::stdout().flush();
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(Trouble::reading(Path::new("standard input")))?;
    let line = line.trim();
    let by_number = || several.get(line.parse::<usize>().ok()?.checked_sub(1)?);
    let by_name = || several.iter().find(|one| one.name == line);
    match by_number().or_else(by_name) {
        Some(one) => Ok(one),
        None => refuse(&format!("`{line}` is not a scenario of {id}:")),
    }
}

/// The code, and what the game says about it.
fn subject(
    course: &Course,
    exercise: &Exercise,
    scenario: &Scenario,
    asked: &Schedule,
) -> Result<(Source, Subject), Trouble> {
    let mut options = String::new();
    let source = match (asked.reference, asked.source) {
        (true, _) => {
            let path = commands::solution_of(course, exercise, asked.give_up, |id| {
                format!("cargo course schedule {id} --reference --give-up")
            })?;
            let name = course.short(&path).display().to_string();
            let text = judging::files::text(&path)?;
            options.push_str(&format!(" --source {name}"));
            Source::Other { name, text }
        }
        (false, Some(path)) => {
            let source = commands::read_source(exercise, path)?;
            options.push_str(&format!(" --source {}", path.display()));
            source
        }
        (false, None) => Source::Learner,
    };
    let subject = Subject {
        exercise: exercise.id.clone(),
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        is_reference: asked.reference,
        options,
    };
    Ok((source, subject))
}

/// The exit code, if there is nothing to play.
fn ended_at_once(exercise: &Exercise, begin: &Position) -> Result<Option<u8>, Trouble> {
    let id = &exercise.id;
    match &begin.end {
        None => Ok(None),
        Some(End::Failed { message, at, .. }) => {
            let place = at
                .as_ref()
                .map(|at| format!(" (at {}:{})", at.file, at.line))
                .unwrap_or_default();
            let next = match words::is_unwritten(message) {
                true => "Write your code first, and then break it",
                false => "It breaks without any scheduling",
            };
            say(&format!(
                "{id} ends before any thread takes a step:\n{}\n{next}: cargo course check {id}\n",
                wrapped(&format!("{message}{place}"), 96, "  ")
            ));
            Ok(Some(1))
        }
        Some(End::Held) => Err(Trouble::Refused(format!(
            "{id} does nothing in this scenario that can be scheduled: no operation on an atomic, a lock, a channel or a thread of std"
        ))),
        Some(End::NotJudged(reason)) => Err(Trouble::Refused(reason.clone())),
    }
}

/// What stays on the terminal after the game.
fn goodbye(game: &Game) -> String {
    let mut text = String::new();
    for line in words::verdict(game) {
        text += &format!("{}\n", line.text());
    }
    if text.is_empty() && io::stdout().is_terminal() {
        let Subject {
            exercise, scenario, ..
        } = &game.subject;
        text = format!("to begin again: cargo course schedule {exercise} {scenario}\n");
    }
    text
}

/// The letter of a thread.
fn letter(thread: usize) -> char {
    u8::try_from(thread)
        .ok()
        .filter(|small| *small < 26)
        .map_or('?', |small| char::from(b'a' + small))
}
