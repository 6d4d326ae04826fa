//! Plays a game: it receives keys, lines and signals, shows the result, and
//! asks the code. A thread of its own asks, so that the game reacts to a key at
//! any time.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use judging::terminal::say;

use super::asking::Asker;
use super::game::{Effect, Game};
use super::position::Reached;
use super::{lines, view};
use crate::live::state::{Event, believed};
use crate::live::terminal::{self, Terminal};
use crate::live::{keyboard, signals};

/// What the learner sees if the file has changed since it was built.
const STALE: &str = "your file has changed: to schedule the new version, quit (q) and start again";

/// How long the running programs may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the game receives.
#[derive(Debug)]
enum Heard {
    Terminal(Event),
    Line(String),
    NoMoreLines,
    /// An answer, and whether the file has changed meanwhile.
    Answer(Box<Result<Reached, String>>, bool),
}

/// Where the game is shown.
enum Face {
    /// A terminal that is redrawn, and its size.
    Screen(Terminal, (usize, usize)),
    /// What was shown last, and the lines that are still waiting.
    Lines(Box<Game>, VecDeque<Heard>),
}

/// Where everything that the game receives arrives.
#[derive(Debug)]
pub struct Table {
    hear: Sender<Heard>,
    heard: Receiver<Heard>,
    events: Sender<Event>,
}

impl Table {
    /// Begins to receive signals. From now on, no signal ends the program by
    /// itself, so the program always removes its files.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn set() -> io::Result<Table> {
        let (hear, heard) = channel();
        let (events, from_terminal) = channel();
        signals::start(events.clone())?;
        let forward = hear.clone();
        thread::Builder::new().spawn(move || {
            for event in from_terminal {
                if forward.send(Heard::Terminal(event)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Table {
            hear,
            heard,
            events,
        })
    }

    /// The position in which no thread has taken a step.
    ///
    /// # Errors
    /// A sentence that says that there is no such position, or that the game was ended.
    pub fn begin(&self, asker: &Asker) -> Result<Reached, String> {
        thread::scope(|scope| {
            let hear = self.hear.clone();
            let asking = scope.spawn(move || {
                let answer = asker.ask("", false);
                // The table outlives this.
                let _ = hear.send(Heard::Answer(Box::new(answer), false));
            });
            loop {
                match self.heard.recv() {
                    Ok(Heard::Answer(answer, _)) => return *answer,
                    Ok(Heard::Terminal(Event::Stop)) | Err(_) => {
                        end(|| asking.is_finished());
                        return Err("the game was ended before it began".to_owned());
                    }
                    Ok(_) => {}
                }
            }
        })
    }

    /// Plays until the learner quits or the terminal is gone.
    ///
    /// # Errors
    /// The terminal cannot be used.
    pub fn play(self, game: &mut Game, asker: Asker, in_lines: bool) -> io::Result<()> {
        let mut face = if in_lines {
            read_lines(self.hear.clone());
            say(&lines::opening(game));
            Face::Lines(Box::new(game.clone()), VecDeque::new())
        } else {
            let terminal = Terminal::take()?;
            keyboard::read(self.events)?;
            Face::Screen(terminal, size())
        };
        let (ask, asking) = start(asker, self.hear);
        let mut effect = game.typed_ahead();
        loop {
            match effect.take() {
                Some(Effect::Quit) => break,
                Some(Effect::Suspend) => face.suspend(),
                Some(Effect::Ask { schedule, run_on }) => {
                    // The thread that answers ends after this one.
                    let _ = ask.send((schedule, run_on));
                }
                None => {}
            }
            face.show(game);
            effect = match face.next(game) {
                Some(next) => take(game, &mut face, next),
                None => match self.heard.recv() {
                    Ok(next) => take(game, &mut face, next),
                    Err(_) => break,
                },
            };
        }
        drop(ask);
        end(|| asking.is_finished());
        Ok(())
    }
}

/// Handles what the game received, and returns what to do.
fn take(game: &mut Game, face: &mut Face, heard: Heard) -> Option<Effect> {
    match (heard, face) {
        (Heard::Answer(answer, is_stale), _) => {
            game.answer(*answer);
            if is_stale {
                game.notice.get_or_insert_with(|| STALE.to_owned());
            }
            game.typed_ahead()
        }
        (Heard::Terminal(Event::Stop), _) => Some(Effect::Quit),
        (Heard::Terminal(Event::Key(key)), Face::Screen(..)) => game.key(key),
        (Heard::Terminal(Event::Resized(..)), Face::Screen(terminal, size)) => {
            *size = self::size();
            terminal.forget();
            None
        }
        // Lines wait for their turn, so that a script may write them all at once.
        (line, Face::Lines(_, waiting)) if game.is_asking => {
            waiting.push_back(line);
            None
        }
        (Heard::Line(line), _) => game.word(line.trim()),
        (Heard::NoMoreLines, _) => Some(Effect::Quit),
        (Heard::Terminal(_), _) => None,
    }
}

impl Face {
    fn show(&mut self, game: &Game) {
        match self {
            Face::Screen(terminal, (columns, rows)) => {
                terminal.draw(&view::frame(game, *columns, *rows));
            }
            // Wait for the answer.
            Face::Lines(..) if game.is_asking => {}
            Face::Lines(before, _) if before.turn == game.turn => {}
            Face::Lines(before, _) => {
                say(&lines::news(before, game));
                **before = game.clone();
            }
        }
    }

    /// The next waiting line, if its turn has come.
    fn next(&mut self, game: &Game) -> Option<Heard> {
        match self {
            Face::Lines(_, waiting) if !game.is_asking => waiting.pop_front(),
            _ => None,
        }
    }

    fn suspend(&mut self) {
        if let Face::Screen(terminal, size) = self {
            terminal.suspend();
            *size = self::size();
        }
    }
}

fn read_lines(hear: Sender<Heard>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if hear.send(Heard::Line(line)).is_err() {
                return;
            }
        }
        let _ = hear.send(Heard::NoMoreLines);
    });
}

/// Starts the thread that asks. It asks what it is sent, one question after the other.
fn start(asker: Asker, hear: Sender<Heard>) -> (Sender<(String, bool)>, JoinHandle<()>) {
    let (ask, asked) = channel::<(String, bool)>();
    let asking = thread::spawn(move || {
        for (schedule, run_on) in asked {
            let answer = Box::new(asker.ask(&schedule, run_on));
            if hear.send(Heard::Answer(answer, asker.is_stale())).is_err() {
                return;
            }
        }
    });
    (ask, asking)
}

/// Ends what still runs. The thread that waits for it then removes its files.
fn end(is_over: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_over() && Instant::now() < deadline {
        proctor::end_descendants(deadline);
        thread::sleep(Duration::from_millis(2));
    }
}

fn size() -> (usize, usize) {
    let (columns, rows) = terminal::size();
    believed(columns, rows)
}
