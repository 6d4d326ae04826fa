//! Where a run is, as the exploring subject tells it: one JSON object.
//!
//! The other side is `interleave::position`; this one knows its data, not its
//! code, so that the command compiles no explorer.

use serde::{Deserialize, Serialize};

/// The environment variable that asks for a position.
pub const POSITION: &str = "INTERLEAVE_POSITION";

/// What is asked.
#[derive(Clone, Debug, Serialize)]
pub struct Request<'a> {
    /// Of this scenario only.
    pub scenario: &'a str,
    /// After these steps.
    pub schedule: &'a str,
    /// Go on from there while there is nothing to choose.
    pub run_on: bool,
    /// How many schedules are counted at most; 0 to run nothing but this one.
    pub count: u64,
    /// Where the answer goes.
    pub answer: &'a std::path::Path,
}

/// Where a run is.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Position {
    /// The steps until here, as `a3b2a`.
    pub schedule: String,
    /// The shortest string for `cargo course replay` that comes by here.
    pub replay: String,
    /// The threads, by number.
    pub threads: Vec<Thread>,
    /// What they share.
    pub objects: Vec<Object>,
    /// What happened.
    pub timeline: Timeline,
    /// How the run ended, if it has.
    pub end: Option<End>,
    /// The schedules that begin like this.
    pub below: Option<Below>,
    /// It failed, and the judge expects that it does. (The judge says so, not
    /// the answer.)
    #[serde(skip)]
    pub is_expected: bool,
}

/// One thread.
#[derive(Clone, Debug, Deserialize)]
pub struct Thread {
    /// Its letter, and its name if it has one.
    pub name: String,
    /// Whether it may be scheduled.
    pub can_run: bool,
    /// What it is at.
    pub state: ThreadState,
    /// What it waits for, if it does.
    pub waits_for: Option<String>,
    /// Where it is.
    pub place: String,
    /// The text of that line.
    pub source: String,
    /// What it would do next, where that can be told.
    pub next: Option<String>,
}

/// What a thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ThreadState {
    /// It can go on.
    Ready,
    /// It would only look again at what has not changed.
    Spins,
    /// Another thread must wake it.
    Waits,
    /// Another may wake it; scheduling it means that its time is up.
    WaitsForTime,
    /// It has ended.
    Ended,
}

/// What threads share.
#[derive(Clone, Debug, Deserialize)]
pub struct Object {
    /// Such as `AtomicBool #1`.
    pub name: String,
    /// Its value, or who holds it.
    pub value: String,
}

/// What happened, in order.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Timeline {
    /// The operations that are told.
    pub steps: Vec<Step>,
    /// How many after the first few are not.
    pub left_out: usize,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// Whose.
    pub thread: usize,
    /// Where.
    pub place: String,
    /// The text of that line.
    pub source: String,
    /// What.
    pub operation: String,
    /// What came of it; may be empty.
    pub value: String,
}

/// How a run ended.
#[derive(Clone, Debug, Deserialize)]
pub enum End {
    /// Well.
    Held,
    /// By a failure.
    Failed {
        /// The cause, over one or several lines.
        message: String,
        /// Where.
        at: Option<Place>,
    },
    /// Nobody can tell: why.
    NotJudged(String),
}

/// A place in a source file.
#[derive(Clone, Debug, Deserialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// The schedules that begin in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Below {
    /// How many different ones were found.
    pub schedules: u64,
    /// How many of them fail.
    pub failing: u64,
    /// Whether these are all.
    pub complete: bool,
}

impl Thread {
    /// The letter by which it is scheduled.
    pub fn letter(&self) -> char {
        self.name.chars().next().unwrap_or('?')
    }
}

impl Timeline {
    /// How many operations there were.
    pub fn len(&self) -> usize {
        self.steps.len() + self.left_out
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened after the first `skipped` operations.
    pub fn after(&self, skipped: usize) -> Vec<Told<'_>> {
        let (first, rest) = match self.left_out {
            0 => (&self.steps[..], &[][..]),
            _ => self.steps.split_at(FIRST.min(self.steps.len())),
        };
        let mut told = runs(&first[skipped.min(first.len())..]);
        let gap_end = first.len() + self.left_out;
        let left_out = gap_end.saturating_sub(skipped.max(first.len()));
        if left_out > 0 {
            told.push(Told::LeftOut(left_out));
        }
        let skipped = skipped.saturating_sub(gap_end).min(rest.len());
        told.extend(runs(&rest[skipped..]));
        told
    }
}

/// How many operations stand before those that are left out.
const FIRST: usize = 10;

/// A part of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// An operation, and how often it was done in a row.
    Step(&'a Step, usize),
    /// So many that are not told.
    LeftOut(usize),
}

fn runs(steps: &[Step]) -> Vec<Told<'_>> {
    let runs = steps.chunk_by(|one, next| one == next);
    runs.map(|run| Told::Step(&run[0], run.len())).collect()
}

impl Step {
    /// The operation, and what came of it, so many times.
    pub fn told(&self, times: usize) -> String {
        let mut text = self.operation.clone();
        if !self.value.is_empty() {
            text.push_str(&format!(" → {}", self.value));
        }
        if times > 1 {
            text.push_str(&format!(" ({times} times)"));
        }
        text
    }
}

impl Below {
    /// In words: what is left to find.
    pub fn in_words(&self) -> String {
        let Below {
            schedules,
            failing,
            complete,
        } = *self;
        let more = if complete { "" } else { "+" };
        let from_here = match (schedules, complete) {
            (1, true) => "1 schedule from here".to_owned(),
            _ => format!("{}{more} schedules from here", with_commas(schedules)),
        };
        match failing {
            0 if complete && schedules == 1 => format!("{from_here}, and it holds"),
            0 if complete => format!("{from_here}, and all of them hold"),
            0 => format!("{from_here}, and those tried hold"),
            _ if complete && schedules == 1 => format!("{from_here}, and it fails"),
            all if complete && all == schedules => format!("{from_here}, and all of them fail"),
            1 if complete => format!("{from_here}, 1 of them fails"),
            some => format!("{from_here}, {}{more} of them fail", with_commas(some)),
        }
    }
}

impl Below {
    /// After a schedule that holds: what the others do.
    pub fn in_others(self) -> String {
        let all = with_commas(self.schedules);
        match self.failing {
            0 if self.complete && self.schedules == 1 => ", and there is no other schedule".into(),
            0 if self.complete => format!(", as all {all} schedules do"),
            0 => String::new(),
            1 => format!(", but 1 of {all} schedules does not: u goes back, r to the beginning"),
            some => format!(
                ", but {} of {all} schedules do not: u goes back, r to the beginning",
                with_commas(some)
            ),
        }
    }
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
