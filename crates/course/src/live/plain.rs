//! The loop in lines, for screen readers, for logs, and for terminals that can
//! do nothing else. Nothing is redrawn, and a command is a word followed by
//! enter.

use std::io::{self, BufRead};
use std::sync::mpsc::Sender;
use std::thread;

use judging::terminal::say;

use super::state::{Event, Key, Page, State};
use super::view;
use crate::text::Line;

/// What was printed last, so that it is not printed twice.
#[derive(Debug, Default)]
pub struct Plain {
    shown: Option<u64>,
    status: String,
    notice: Option<String>,
    page: Option<Page>,
}

impl Plain {
    /// Prints what is new since the last time.
    pub fn draw(&mut self, state: &State) {
        say(&self.news(state));
    }

    /// What [`draw`](Self::draw) prints, as a text.
    pub fn news(&mut self, state: &State) -> String {
        let mut news = String::new();
        if self.shown != Some(state.shown) {
            self.shown = Some(state.shown);
            if matches!(state.page, Page::Task) && self.page != Some(Page::Task) {
                news += &heading(state);
            }
            self.page = Some(state.page);
            news += "\n";
            news += &text(&view::body(state), state.size.0);
        }
        let notice = view::notice(state).map(|line| line.text());
        if notice != self.notice {
            if let Some(notice) = &notice {
                news += &format!("\n{notice}\n");
            }
            self.notice = notice;
        }
        let status = match state.running {
            // Leave out the time, which changes at every moment.
            Some(_) => "judging …".to_owned(),
            None => view::status(state).text(),
        };
        if status != self.status {
            news += &format!("\n{status}\n");
            if state.running.is_none() {
                news += "(? and enter show the keys)\n";
            }
            self.status = status;
        }
        news
    }
}

fn heading(state: &State) -> String {
    let card = state.card();
    let done = state.exercises.iter().filter(|card| card.passed).count();
    let spot = state.content.spot.as_ref();
    let edit = spot.map_or(String::new(), |spot| {
        format!("edit {}:{}\n", spot.short, spot.line)
    });
    format!(
        "\n{} · {}: {}\nexercise {} of {}, {done} passed, {} minutes left\n{edit}",
        card.topic,
        card.id,
        card.title,
        state.current + 1,
        state.exercises.len(),
        view::minutes_left(&state.exercises),
    )
}

/// Breaks lines between words. A terminal would break them within words.
fn text(lines: &[Line], columns: usize) -> String {
    let mut text = String::new();
    for line in lines.iter().flat_map(|line| line.wrapped(columns)) {
        text.push_str(line.text().trim_end());
        text.push('\n');
    }
    text
}

/// Reads commands. A letter is a key, and a longer word is the name of an exercise.
pub fn read_lines(events: Sender<Event>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if events.send(command(line.trim())).is_err() {
                return;
            }
        }
        let _ = events.send(Event::Stop);
    });
}

fn command(line: &str) -> Event {
    let mut letters = line.chars();
    match (letters.next(), letters.next()) {
        (None, _) => Event::Key(Key::Enter),
        (Some(one), None) => Event::Key(Key::Char(one)),
        _ => Event::Named(line.to_owned()),
    }
}
