//! Starts the loop. It finds out whether there is a terminal, at which exercise
//! the learner was, and what this machine can do.

use std::io::{self, IsTerminal};
use std::process::Command;
use std::sync::mpsc::channel;

use judging::exercise::catalogue::Course;
use judging::terminal::say;
use judging::trouble::Trouble;

use super::plain::{self, Plain};
use super::shell::{Screen, Shell, passed};
use super::state::{Card, Event, Page, State};
use super::terminal::{self, Terminal};
use super::watch::Watch;
use super::{keyboard, signals, view};
use crate::progress::{self, Progress};

/// Whether input and output are a terminal.
pub fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Runs the loop until the learner leaves it. It begins with `exercise`, if one is named. The exit code
/// is always 0.
///
/// # Errors
/// There is no such exercise; the course has no exercises; the terminal cannot be used.
pub fn live(course: &Course, exercise: Option<&str>, in_lines: bool) -> Result<u8, Trouble> {
    let in_lines = in_lines || std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let is_first = !progress::path(course).exists();
    let (progress, said) = match Progress::read(course) {
        Ok((progress, said)) => (progress, said),
        Err(trouble) => (Progress::default(), Some(trouble.to_string())),
    };
    let mut state = begin(course, exercise, &progress)?;
    state.notice = said;
    state.in_lines = in_lines;
    if is_first {
        state.machine = machine();
        state.page = Page::Welcome;
    }
    let (columns, rows) = terminal::size();
    state.on(Event::Resized(columns, rows));
    let (events, told) = channel();
    let refused =
        |error: io::Error| Trouble::Refused(format!("the terminal cannot be used: {error}"));
    signals::start(events.clone()).map_err(refused)?;
    let screen = if in_lines {
        plain::read_lines(events.clone());
        Screen::Plain(Plain::default())
    } else {
        let terminal = Terminal::take().map_err(refused)?;
        let keys = keyboard::read(events.clone()).map_err(refused)?;
        Screen::Terminal(terminal, keys)
    };
    let folder = course.exercises[state.current].folder();
    let watch = Watch::start(&course.root.join("exercises"), &folder, events.clone());
    let mut shell = Shell {
        course,
        screen,
        events,
        told,
        watch,
        run: None,
    };
    shell.go(&mut state);
    drop(shell);
    say(&goodbye(&state));
    Ok(0)
}

/// The state at this exercise, at the one where the learner was, or at the first to do.
fn begin(course: &Course, exercise: Option<&str>, progress: &Progress) -> Result<State, Trouble> {
    let passed = passed(course, progress);
    let cards: Vec<Card> = course
        .exercises
        .iter()
        .zip(&passed)
        .map(|(exercise, &passed)| Card {
            id: exercise.id.clone(),
            topic: exercise.topic.clone(),
            title: exercise.title.clone(),
            minutes: exercise.minutes,
            needs: exercise.needs.clone(),
            passed,
        })
        .collect();
    if cards.is_empty() {
        return Err(Trouble::Refused(
            "exercises/course.toml names no exercise: get this file from the course's repository again"
                .into(),
        ));
    }
    let index_of = |id: &str| course.exercises.iter().position(|one| one.id == id);
    if let Some(wanted) = exercise {
        let current = index_of(&course.exercise(wanted)?.id).unwrap_or(0);
        return Ok(State::new(cards, current));
    }
    let left_at = progress
        .at
        .as_ref()
        .and_then(|id| course.exercise(id).ok())
        .and_then(|at| index_of(&at.id));
    let to_do = || passed.iter().position(|passed| !passed);
    let current = left_at.or_else(to_do).unwrap_or(cards.len() - 1);
    Ok(State::new(cards, current))
}

/// What `cargo course doctor` finds.
fn machine() -> Vec<String> {
    match Command::new("/proc/self/exe").arg("doctor").output() {
        Ok(said) => String::from_utf8_lossy(&said.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
        Err(error) => vec![format!("bad doctor {error}")],
    }
}

fn goodbye(state: &State) -> String {
    let done = state.exercises.iter().filter(|card| card.passed).count();
    let all = state.exercises.len();
    match view::minutes_left(&state.exercises) {
        0 => format!("{done} of {all} passed.\n"),
        left => format!(
            "{done} of {all} passed, {left} minutes left; `cargo course` continues with {}.\n",
            state.card().id
        ),
    }
}
