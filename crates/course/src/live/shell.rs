//! Does what the state machine asks for. This is the only part of the loop that
//! touches files, processes and the screen.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use judging::exercise::catalogue::{Course, Exercise};
use judging::trouble::Trouble;

use super::content;
use super::keyboard::Keys;
use super::lend;
use super::plain::Plain;
use super::run::Run;
use super::state::{Effect, Event, State};
use super::terminal::{Terminal, size};
use super::view;
use super::watch::Watch;
use crate::commands::{is_built, restore};
use crate::progress::Progress;

/// How often the elapsed time of a run is drawn again.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait while nothing runs: then there is no time to draw.
const REST: Duration = Duration::from_secs(3600);

/// Where the state is shown.
#[derive(Debug)]
pub enum Screen {
    /// A terminal that is redrawn, and its keys.
    Terminal(Terminal, Keys),
    /// Lines that are printed one after the other.
    Plain(Plain),
}

impl Screen {
    fn draw(&mut self, state: &State) {
        match self {
            Screen::Terminal(terminal, _) => terminal.draw(&view::frame(state)),
            Screen::Plain(plain) => plain.draw(state),
        }
    }
}

/// Carries out the effects that the state asks for.
#[derive(Debug)]
pub struct Shell<'a> {
    /// The folders that the code must not change.
    pub course: &'a Course,
    /// Where the state is shown.
    pub screen: Screen,
    /// Where the other threads send events.
    pub events: Sender<Event>,
    /// The events that arrive.
    pub told: Receiver<Event>,
    /// Watches for saves.
    pub watch: Watch,
    /// The run, while there is one.
    pub run: Option<Run>,
}

impl Shell<'_> {
    /// Runs until the learner quits or the terminal is gone.
    pub fn go(&mut self, state: &mut State) {
        let mut effects: VecDeque<Effect> = state.start().into();
        loop {
            while let Some(effect) = effects.pop_front() {
                if effect == Effect::Quit {
                    // End what runs before the screen is given back.
                    self.run = None;
                    return;
                }
                for event in self.act(state, effect) {
                    effects.extend(state.on(event));
                }
            }
            self.screen.draw(state);
            let wait = if self.run.is_some() { TICK } else { REST };
            match self.told.recv_timeout(wait) {
                Ok(event) => effects.extend(self.take(state, event)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => effects.push_back(Effect::Quit),
            }
            // Events that came meanwhile need no drawing of their own.
            while effects.is_empty()
                && let Ok(event) = self.told.try_recv()
            {
                effects.extend(self.take(state, event));
            }
            if let Some(run) = &self.run {
                effects.extend(state.on(Event::Elapsed(run.elapsed())));
            }
        }
    }

    fn take(&mut self, state: &mut State, event: Event) -> Vec<Effect> {
        if let Event::Resized(..) = event
            && let Screen::Terminal(terminal, _) = &mut self.screen
        {
            terminal.forget();
        }
        let ended = matches!(&event, Event::Judged(number, _) if *number == state.run);
        let effects = state.on(event);
        if ended {
            self.run = None;
        }
        effects
    }

    fn act(&mut self, state: &State, effect: Effect) -> Vec<Event> {
        let course = self.course;
        let exercise = &course.exercises[state.current];
        match effect {
            Effect::Open => {
                self.watch.look_at(&exercise.folder());
                let kept = Progress::change(course, |kept| kept.at = Some(exercise.id.clone()));
                let hints = match &kept {
                    Ok(kept) => kept.hints_of(exercise),
                    Err(_) => 0,
                };
                let content = content::content(course, exercise);
                let mut events = vec![Event::Opened(Box::new(content), hints)];
                if let Err(trouble) = kept {
                    events.push(not_kept(&trouble));
                }
                events
            }
            Effect::Look => {
                let content = content::content(course, exercise);
                vec![Event::Opened(Box::new(content), state.hints)]
            }
            Effect::Judge(number, only) => {
                // First end the old run with all its processes.
                self.run = None;
                match Run::start(course, &exercise.id, &only, number, &self.events) {
                    Ok(run) => {
                        self.run = Some(run);
                        Vec::new()
                    }
                    Err(said) => vec![Event::Judged(number, Err(said))],
                }
            }
            Effect::EndRun => {
                self.run = None;
                Vec::new()
            }
            Effect::KeepPass(tests) => self.keep(|kept| _ = kept.note(exercise, &tests)),
            Effect::KeepHints(number) => self.keep(|kept| kept.has_seen(exercise, number)),
            Effect::Reset => vec![Event::Notice(reset(course, exercise))],
            Effect::Solve => vec![Event::Solved(Box::new(content::solution(course, exercise)))],
            Effect::Book => {
                open_book(course, &exercise.topic, self.events.clone());
                let said = match is_built("bookbinder") {
                    true => "building the book: its chapter opens in your browser",
                    false => "building the book: the first time, this can take some minutes",
                };
                vec![Event::Notice(said.into())]
            }
            Effect::Edit(spot) => self.lend(|| lend::edit(&spot)),
            Effect::Command(arguments) => self.lend(|| lend::command(course, &arguments)),
            Effect::Suspend => match &mut self.screen {
                Screen::Terminal(terminal, _) => {
                    terminal.suspend();
                    let (columns, rows) = size();
                    vec![Event::Resized(columns, rows)]
                }
                Screen::Plain(_) => Vec::new(),
            },
            Effect::Quit => Vec::new(),
        }
    }

    /// Lets another program have the terminal. What it says at its end, if it
    /// could not do its work, becomes a notice.
    fn lend(&mut self, work: impl FnOnce() -> Option<String>) -> Vec<Event> {
        let Screen::Terminal(terminal, keys) = &mut self.screen else {
            return vec![Event::Notice(
                "this needs a terminal that can be redrawn".into(),
            )];
        };
        let mut said = None;
        terminal.lend(keys, || said = work());
        let (columns, rows) = size();
        let notice = said.map(Event::Notice);
        notice
            .into_iter()
            .chain([Event::Resized(columns, rows)])
            .collect()
    }

    fn keep(&self, change: impl FnOnce(&mut Progress)) -> Vec<Event> {
        match Progress::change(self.course, change) {
            Ok(kept) => vec![Event::Progress(passed(self.course, &kept))],
            Err(trouble) => vec![not_kept(&trouble)],
        }
    }
}

/// Builds the book in the background and opens a chapter. The first time, this
/// takes a minute or two, because the program for it has to be compiled.
fn open_book(course: &Course, topic: &str, events: Sender<Event>) {
    let command = std::env::current_exe().map(|program| {
        let mut command = Command::new(program);
        command
            .args(["book", "open", topic])
            .current_dir(&course.root)
            .stdin(Stdio::null());
        command
    });
    std::thread::spawn(move || {
        let said = match command.and_then(|mut command| command.output()) {
            Ok(output) => {
                let text = match output.status.success() {
                    true => output.stdout,
                    false => output.stderr,
                };
                let text = String::from_utf8_lossy(&text).into_owned();
                text.lines()
                    .last()
                    .unwrap_or("the book could not be built")
                    .to_owned()
            }
            Err(error) => format!("the book could not be built: {error}"),
        };
        // Nobody listens any more if the learner has left.
        let _ = events.send(Event::Notice(said));
    });
}

/// Which exercises are passed.
pub fn passed(course: &Course, progress: &Progress) -> Vec<bool> {
    let exercises = course.exercises.iter();
    exercises.map(|one| progress.has_passed(one)).collect()
}

fn not_kept(trouble: &Trouble) -> Event {
    Event::Notice(format!("your progress was not saved: {trouble}"))
}

/// Puts the stub back, or everything if the whole folder is gone.
fn reset(course: &Course, exercise: &Exercise) -> String {
    let all = !exercise.folder().join("Cargo.toml").exists();
    let rest = match all {
        true => restore(course, exercise, true),
        false => Ok(Vec::new()),
    };
    let done = rest.and_then(|mut said| {
        let stub = restore(course, exercise, false)?;
        if all {
            said = vec![format!("{} is restored", exercise.id)];
        } else {
            said.extend(stub);
        }
        Ok(said.join("; "))
    });
    done.unwrap_or_else(|trouble| trouble.to_string())
}
