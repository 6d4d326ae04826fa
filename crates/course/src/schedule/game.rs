//! The game of being the scheduler, as a state machine: positions, keys, and
//! what to ask next. It runs nothing and draws nothing.

use std::collections::VecDeque;

use records::position::{End, Position, Thread, ThreadState, Way};

use super::position::Reached;
use crate::live::state::Key;

/// The keys with what they do, as the help shows them.
pub const KEYS: [(&str, &str); 8] = [
    ("a, b, c …", "the next step of that thread"),
    ("1, 2, 3 …", "which way it goes, if there are several"),
    ("enter, n", "run on until there is something to choose"),
    ("u, backspace", "undo: one position back"),
    ("r", "restart: back to the beginning"),
    ("↑ ↓", "scroll through what happened before"),
    ("?", "show this help; any key leaves it"),
    ("q, ctrl-c", "quit"),
];

/// What is being scheduled.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    pub exercise: String,
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario does.
    pub about: String,
    /// Whether the code is the course's solution.
    pub is_reference: bool,
    /// The further options that `cargo course replay EXERCISE SCHEDULE` needs,
    /// each with a space in front.
    pub options: String,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask where these steps lead.
    Ask {
        /// The steps.
        schedule: String,
        /// Whether to run on from there until there is something to choose.
        run_on: bool,
    },
    /// Let the shell have the terminal.
    Suspend,
    /// Leave.
    Quit,
}

/// A game: all positions up to the one that is shown, so that each step can be undone.
#[derive(Clone, Debug)]
pub struct Game {
    /// What is being scheduled.
    pub subject: Subject,
    way: Vec<Reached>,
    /// A message of one line.
    pub notice: Option<String>,
    /// Whether the help is shown.
    pub help: bool,
    /// The thread that was chosen, if it has several ways to go on.
    pub chosen: Option<char>,
    /// Whether an answer is on its way.
    pub is_asking: bool,
    /// Keys that came before the answer.
    typed_ahead: VecDeque<Key>,
    /// The steps that are taken before the learner's first.
    given: VecDeque<String>,
    /// How many rows of the timeline are hidden below the window.
    pub scrolled: usize,
    /// Counts moves, and answers to them.
    pub turn: u64,
}

impl Game {
    /// Begins at the position in which no thread has taken a step.
    pub fn new(subject: Subject, begin: Reached) -> Game {
        Game {
            subject,
            way: vec![begin],
            notice: None,
            help: false,
            chosen: None,
            is_asking: false,
            typed_ahead: VecDeque::new(),
            given: VecDeque::new(),
            scrolled: 0,
            turn: 0,
        }
    }

    /// Lets the game begin with this schedule. It is taken step by step, so that
    /// each step can be undone.
    #[must_use]
    pub fn given(mut self, schedule: &str) -> Game {
        self.given = single_steps(schedule).into();
        self
    }

    /// The position that is shown.
    pub fn now(&self) -> &Position {
        &self.reached().position
    }

    /// Whether the judge expects the run to fail as it did.
    pub fn is_expected(&self) -> bool {
        self.reached().is_expected
    }

    fn reached(&self) -> &Reached {
        // The first position is always there.
        &self.way[self.way.len() - 1]
    }

    /// The position in which no thread has taken a step.
    pub fn begin(&self) -> &Position {
        &self.way[0].position
    }

    /// How many positions can be undone.
    pub fn undoable(&self) -> usize {
        self.way.len() - 1
    }

    /// Whether the schedule until here broke the code.
    pub fn is_broken(&self) -> bool {
        matches!(self.now().end, Some(End::Failed { .. })) && !self.is_expected()
    }

    /// The command that runs this schedule again.
    pub fn replay(&self) -> String {
        let Subject {
            exercise, options, ..
        } = &self.subject;
        format!(
            "cargo course replay {exercise} {}{options}",
            self.now().replay
        )
    }

    /// Handles a key of the terminal.
    pub fn key(&mut self, key: Key) -> Option<Effect> {
        match key {
            Key::Interrupt => return Some(Effect::Quit),
            Key::Suspend => return Some(Effect::Suspend),
            _ if std::mem::take(&mut self.help) => return None,
            Key::Char('q') => return Some(Effect::Quit),
            // The key is meant for the position to which the answer leads.
            key if self.is_asking => {
                self.typed_ahead.push_back(key);
                return None;
            }
            _ => {}
        }
        self.notice = None;
        match key {
            Key::Char(letter) => self.letter(letter.to_ascii_lowercase()),
            Key::Enter => self.run_on(),
            Key::Backspace => self.undo(),
            Key::Up => {
                self.scrolled += 1;
                None
            }
            Key::Down => {
                self.scrolled = self.scrolled.saturating_sub(1);
                None
            }
            _ => None,
        }
    }

    /// Handles the keys that came before the answer, up to one that asks again.
    /// If a move was refused or the schedule has ended, the remaining keys are
    /// dropped, because they were meant for another position.
    pub fn typed_ahead(&mut self) -> Option<Effect> {
        if let Some(step) = self.given.pop_front() {
            if self.notice.is_none() && self.now().end.is_none() {
                return self.ask(&step);
            }
            self.given.clear();
        }
        while let Some(key) = self.typed_ahead.pop_front() {
            if self.notice.is_some() || self.now().end.is_some() {
                self.typed_ahead.clear();
                return None;
            }
            let effect = self.key(key);
            if effect.is_some() {
                return effect;
            }
        }
        None
    }

    /// Handles a word that was typed: a key, or several steps such as `ab2`.
    pub fn word(&mut self, word: &str) -> Option<Effect> {
        self.turn += 1;
        self.notice = None;
        self.help = false;
        let mut letters = word.chars();
        match (letters.next(), letters.next()) {
            (None, _) => self.run_on(),
            (Some(letter), None) => self.letter(letter),
            _ if is_steps(word) => self.ask(word),
            _ => {
                self.notice = Some(format!(
                    "`{word}` is neither a key nor a schedule such as ab2; ? shows the keys"
                ));
                None
            }
        }
    }

    fn letter(&mut self, letter: char) -> Option<Effect> {
        if !letter.is_ascii_digit() {
            self.chosen = None;
        }
        match letter {
            'q' => return Some(Effect::Quit),
            'u' => return self.undo(),
            'n' | ' ' => return self.run_on(),
            'r' => {
                self.way.truncate(1);
                self.scrolled = 0;
            }
            '?' => self.help = true,
            '1'..='9' if self.chosen.is_some() => return self.way(letter),
            _ => return self.step(letter),
        }
        None
    }

    fn step(&mut self, letter: char) -> Option<Effect> {
        let thread = self
            .now()
            .threads
            .iter()
            .find(|thread| thread.letter() == letter);
        let refusal = match thread {
            Some(thread) => match &thread.ways[..] {
                [] => why_not(thread, letter, self.now().end.is_some()),
                [only] => {
                    let step = only.step.clone();
                    return self.ask(&step);
                }
                ways => {
                    let question = which_way(letter, ways);
                    self.chosen = Some(letter);
                    question
                }
            },
            _ if self.now().end.is_some() => OVER.to_owned(),
            None => format!("`{letter}` is neither a thread nor a key; ? shows the keys"),
        };
        self.notice = Some(refusal);
        None
    }

    /// Takes a way of the chosen thread, by its number.
    fn way(&mut self, digit: char) -> Option<Effect> {
        let chosen = self.chosen.take()?;
        let mut threads = self.now().threads.iter();
        let thread = threads.find(|thread| thread.letter() == chosen)?;
        let number = digit.to_digit(10).unwrap_or(0) as usize;
        match thread.ways.get(number.wrapping_sub(1)) {
            Some(way) => {
                let step = way.step.clone();
                self.ask(&step)
            }
            None => {
                self.notice = Some(which_way(chosen, &thread.ways));
                self.chosen = Some(chosen);
                None
            }
        }
    }

    fn run_on(&mut self) -> Option<Effect> {
        let now = self.now();
        if now.end.is_some() {
            self.notice = Some(OVER.to_owned());
            return None;
        }
        // It changes nothing if a thread looks again at what has not changed,
        // so that is no choice.
        let sensible = |state| matches!(state, ThreadState::Ready | ThreadState::WaitsForTime);
        let choices = now
            .threads
            .iter()
            .filter(|thread| thread.can_run() && sensible(thread.state));
        let ways: usize = choices.map(|thread| thread.ways.len()).sum();
        if ways > 1 {
            self.notice =
                Some("there is a choice here: which thread goes on, and which way?".to_owned());
            return None;
        }
        let schedule = now.schedule.clone();
        self.is_asking = true;
        Some(Effect::Ask {
            schedule,
            run_on: true,
        })
    }

    fn undo(&mut self) -> Option<Effect> {
        self.scrolled = 0;
        if self.way.len() > 1 {
            self.way.pop();
        } else {
            self.notice = Some("this is the beginning".to_owned());
        }
        None
    }

    fn ask(&mut self, steps: &str) -> Option<Effect> {
        if self.now().end.is_some() {
            self.notice = Some(OVER.to_owned());
            return None;
        }
        let schedule = format!("{}{steps}", self.now().schedule);
        self.is_asking = true;
        Some(Effect::Ask {
            schedule,
            run_on: false,
        })
    }

    /// Takes note of an answer.
    pub fn answer(&mut self, answer: Result<Reached, String>) {
        self.turn += 1;
        self.is_asking = false;
        self.scrolled = 0;
        match answer {
            Ok(reached) => match &reached.position.end {
                Some(End::NotJudged(reason)) => self.notice = Some(reason.clone()),
                _ => self.way.push(reached),
            },
            Err(said) => self.notice = Some(said),
        }
    }
}

const OVER: &str = "this schedule has ended: u goes back one step, r goes back to the beginning";

fn why_not(thread: &Thread, letter: char, is_over: bool) -> String {
    match &thread.waits_for {
        _ if is_over => OVER.to_owned(),
        _ if thread.state == ThreadState::Ended => format!("{letter} has ended"),
        Some(what) => format!("{letter} cannot run: it waits for {what}"),
        None => format!("{letter} cannot run here"),
    }
}

fn which_way(letter: char, ways: &[Way]) -> String {
    let ways = ways.iter().enumerate();
    let ways: Vec<String> = ways
        .map(|(number, way)| format!("{}: {}", number + 1, way.words))
        .collect();
    format!("{letter} can go on in several ways. {}", ways.join(" · "))
}

/// The steps of a schedule one by one: `a2b~1` is `a`, `a`, `b~1`.
fn single_steps(schedule: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut letters = schedule.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut rest = String::new();
        while let Some(next) = letters.next_if(|next| !next.is_ascii_lowercase()) {
            rest.push(next);
        }
        match rest.parse::<usize>() {
            Ok(count) => steps.extend(std::iter::repeat_n(letter.to_string(), count)),
            Err(_) => steps.push(format!("{letter}{rest}")),
        }
    }
    steps
}

/// Whether the word consists of letters of threads, each with or without a count or marks.
fn is_steps(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || "~!".contains(c) || ('a'..='m').contains(&c))
}

#[cfg(test)]
mod steps {
    #[test]
    fn a_schedule_is_taken_apart() {
        let steps = super::single_steps("a3b~1ca!2b12");
        let expected = ["a", "a", "a", "b~1", "c", "a!2"];
        assert_eq!(steps[..6], expected);
        assert_eq!(steps[6..], ["b"; 12]);
        assert!(super::single_steps("").is_empty());
    }
}
