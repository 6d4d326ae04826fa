//! The loop as a state machine: a [`State`], the [`Event`]s that change it, and
//! the [`Effect`]s that they ask for. It reads no file, starts no process and
//! draws nothing, so every path through it can be tested.
//!
//! ```text
//!   keys ─┐                     ┌─ judge, end the run
//!   saves ┼─▶ State::on(event) ─┼─ read, keep, reset files
//!   runs ─┘          │          └─ leave
//!                    ▼
//!              view::frame(&state)
//! ```

use std::time::Duration;

use judging::judge::Judgement;
use judging::terminal::words::count;

use super::content::{Content, Solution, Spot};

/// A key, independent of how terminals encode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
}

/// What happens to the loop.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// The learner asked for an exercise, by its name or a part of it.
    Named(String),
    /// The terminal says that it has this many columns and rows.
    Resized(u16, u16),
    /// An exercise was opened. The number says how many of its hints were shown before.
    Opened(Box<Content>, usize),
    /// A file of the exercise was saved.
    Saved,
    /// The learner's file does not exist. The text is the sentence that says so.
    Missing(String),
    /// The run of this number says what it does.
    Doing(u64, String),
    /// The run of this number says what it has found so far.
    SoFar(u64, Box<Judgement>),
    /// The run of this number has ended, with a verdict or the reason for none.
    Judged(u64, Result<Box<Judgement>, String>),
    /// The run has lasted this long.
    Elapsed(Duration),
    /// Which exercises are passed.
    Progress(Vec<bool>),
    /// The solution and the learner's file were read.
    Solved(Box<Solution>),
    /// A message of one line.
    Notice(String),
    /// The window was closed, or the learner or a signal asks the course to end.
    Stop,
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read the current exercise's texts, watch its files, and remember it.
    Open,
    /// Read the exercise's texts again, because the place to edit may have moved.
    Look,
    /// End the run, if there is one, and start the one of this number. It runs
    /// these tests, or all if there are none.
    Judge(u64, Vec<String>),
    /// End the run.
    EndRun,
    /// Record that these tests were passed.
    KeepPass(String),
    /// Record that this many hints were shown.
    KeepHints(usize),
    /// Put the stub back.
    Reset,
    /// Read the solution.
    Solve,
    /// Open the exercise's chapter of the book.
    Book,
    /// Open the learner's file in an editor, at this line.
    Edit(Spot),
    /// Let a command of the course have the terminal.
    Command(Vec<String>),
    /// Let the shell have the terminal (Ctrl-Z).
    Suspend,
    /// Leave.
    Quit,
}

/// One exercise, as the lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The package's name.
    pub id: String,
    /// The name of the topic.
    pub topic: String,
    /// The title.
    pub title: String,
    /// How many minutes it takes.
    pub minutes: u32,
    /// The exercises to do before.
    pub needs: Vec<String>,
    /// Whether it was passed.
    pub passed: bool,
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The welcome at the first start.
    Welcome,
    /// What to build.
    Task,
    /// What the judge found.
    Verdict,
    /// The hints so far.
    Hints,
    /// All exercises.
    List,
    /// What was asked, answered and observed.
    Explain,
    /// The known mistake that the code may have.
    Mistake,
    /// The terms that are on the page, with what they mean.
    Words,
    /// The course's solution.
    Solution,
    /// After a pass: the solution, the learner's file, and the mistakes that
    /// the learner avoided.
    Passed,
    /// The keys.
    Help,
}

/// A question. The key y means yes, and every other key means no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Put the stub back?
    Reset,
    /// Show the solution before passing?
    GiveUp,
}

/// What the judge is doing while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// What it is doing.
    pub doing: String,
    /// For how long.
    pub elapsed: Duration,
    /// Whether a part of what it finds was shown already.
    was_shown: bool,
    /// Whether it goes on with the tests that the run before left out.
    goes_on: bool,
}

/// Everything that decides what is shown.
#[derive(Debug)]
pub struct State {
    /// Columns and rows, within limits that make sense.
    pub size: (usize, usize),
    /// The exercises, in the catalogue's order.
    pub exercises: Vec<Card>,
    /// The index of the exercise that is open.
    pub current: usize,
    /// Its texts.
    pub content: Content,
    /// What is shown.
    pub page: Page,
    /// Counts how often a page was opened or got new content.
    pub shown: u64,
    /// How many lines of the page are above the window.
    pub scroll: usize,
    /// How many columns of the page are to the left of the window.
    pub sideways: usize,
    /// The run, if there is one.
    pub running: Option<Running>,
    /// The number of the last run that was started.
    pub run: u64,
    /// What the last run of this exercise found, or why there is no verdict.
    pub report: Option<Result<Box<Judgement>, String>>,
    /// How many hints are shown.
    pub hints: usize,
    /// The solution, once it may be shown.
    pub solution: Option<Box<Solution>>,
    /// A message of one line.
    pub notice: Option<String>,
    /// The question that waits for y or n.
    pub question: Option<Question>,
    /// What was typed in the list.
    pub filter: String,
    /// Which of the filtered entries is chosen.
    pub chosen: usize,
    /// Why there is nothing to judge.
    pub missing: Option<String>,
    /// Whether nothing was saved since the exercise was opened.
    pub fresh: bool,
    /// What was found on this machine, at the first start.
    pub machine: Vec<String>,
    /// Whether commands are typed as lines. A letter is then a command in the list, too.
    pub in_lines: bool,
}

/// The smallest and largest size that is drawn, whatever a terminal says.
const LEAST: (usize, usize) = (1, 1);
const MOST: (usize, usize) = (400, 200);
/// The size that is used if a terminal says 0 × 0.
const USUAL: (usize, usize) = (80, 24);

impl State {
    /// The state at the start, with this exercise open.
    pub fn new(exercises: Vec<Card>, current: usize) -> State {
        State {
            size: USUAL,
            exercises,
            current,
            content: Content::default(),
            page: Page::Task,
            shown: 0,
            scroll: 0,
            sideways: 0,
            running: None,
            run: 0,
            report: None,
            hints: 0,
            solution: None,
            notice: None,
            question: None,
            filter: String::new(),
            chosen: 0,
            missing: None,
            fresh: true,
            machine: Vec::new(),
            in_lines: false,
        }
    }

    /// The exercise that is open.
    pub fn card(&self) -> &Card {
        &self.exercises[self.current]
    }

    /// Whether the verdict is about to be replaced: a new run has begun, and has
    /// shown nothing yet.
    pub fn is_old(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|run| !run.was_shown && !run.goes_on)
    }

    /// The indexes of the exercises that the filter lets through.
    pub fn filtered(&self) -> Vec<usize> {
        let wanted = self.filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        (0..self.exercises.len())
            .filter(|&index| {
                let card = &self.exercises[index];
                has(&card.id) || has(&card.topic) || has(&card.title)
            })
            .collect()
    }

    /// What the shell has to do at the start.
    pub fn start(&mut self) -> Vec<Effect> {
        vec![Effect::Open, self.judge()]
    }

    /// Takes note of what happened, and returns what the shell has to do.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Key(key) => return self.key(key),
            Event::Named(name) => return self.named(name),
            Event::Resized(columns, rows) => self.size = believed(columns, rows),
            Event::Opened(content, hints) => {
                self.hints = hints.min(content.hints.len());
                self.content = *content;
            }
            Event::Saved => {
                self.missing = None;
                self.notice = None;
                self.fresh = false;
                return vec![Effect::Look, self.judge()];
            }
            Event::Missing(said) => {
                self.running = None;
                self.report = None;
                self.missing = Some(said);
                self.show(Page::Verdict);
                return vec![Effect::EndRun];
            }
            Event::Doing(run, words) if run == self.run => {
                if let Some(running) = &mut self.running {
                    running.doing = words;
                }
            }
            Event::SoFar(run, report) if run == self.run && self.running.is_some() => {
                self.so_far(report);
            }
            Event::Judged(run, found) if run == self.run && self.running.is_some() => {
                return self.judged(found);
            }
            // These come from a run that was ended.
            Event::Doing(..) | Event::SoFar(..) | Event::Judged(..) => {}
            Event::Elapsed(elapsed) => {
                if let Some(running) = &mut self.running {
                    running.elapsed = elapsed;
                }
            }
            Event::Progress(passed) => {
                for (card, passed) in self.exercises.iter_mut().zip(passed) {
                    card.passed = passed;
                }
            }
            Event::Solved(solution) => {
                self.solution = Some(solution);
                self.shown += 1;
            }
            Event::Notice(notice) => self.notice = Some(notice),
            Event::Stop => return vec![Effect::EndRun, Effect::Quit],
        }
        Vec::new()
    }

    /// Shows what a run has found so far. Whoever reads or scrolls the verdict
    /// goes on undisturbed.
    fn so_far(&mut self, report: Box<Judgement>) {
        let Some(running) = &mut self.running else {
            return;
        };
        let left = count(report.pending.len(), "test");
        running.doing = format!("{left} still to come");
        // Lines that were printed cannot be replaced, so they wait for the end.
        if self.in_lines {
            return;
        }
        // Once it was shown, the learner may have gone on to another page.
        let stays = std::mem::replace(&mut running.was_shown, true)
            || self.fresh
            || matches!(
                self.page,
                Page::Welcome | Page::Verdict | Page::List | Page::Help
            );
        let goes_on = running.goes_on;
        self.report = Some(Ok(self.merged(report, goes_on)));
        if !stays {
            self.show(Page::Verdict);
        }
    }

    /// If the run goes on where an earlier run stopped: both together.
    fn merged(&self, mut report: Box<Judgement>, goes_on: bool) -> Box<Judgement> {
        if let (true, Some(Ok(before))) = (goes_on, &self.report) {
            let earlier = before.records.iter();
            let is_new = |test: &str| report.records.iter().any(|record| record.test == test);
            let mut records: Vec<_> = earlier.filter(|one| !is_new(&one.test)).cloned().collect();
            records.append(&mut report.records);
            report.records = records;
            report.built = before.built;
        }
        report
    }

    fn judged(&mut self, found: Result<Box<Judgement>, String>) -> Vec<Effect> {
        let first = self.fresh;
        let run = self.running.take().unwrap_or_default();
        // What was said about the run before is old now.
        self.notice = None;
        let found = found.map(|report| self.merged(report, run.goes_on));
        let passed = found.as_ref().ok().filter(|r| r.is_passed());
        let tests = passed.map(|report| report.tests.clone());
        self.report = Some(found);
        // The first verdict is that of the stub: the task is more important.
        let stays = match self.page {
            Page::Welcome | Page::List | Page::Help => true,
            Page::Verdict => false,
            Page::Task if first && tests.is_none() => true,
            // The learner has seen the verdict, and went on to this page.
            _ => run.was_shown,
        };
        let Some(tests) = tests else {
            if !stays {
                self.show(Page::Verdict);
            }
            return Vec::new();
        };
        let current = self.current;
        self.exercises[current].passed = true;
        if !stays {
            self.show(Page::Passed);
        }
        vec![Effect::KeepPass(tests), Effect::Solve]
    }

    fn named(&mut self, name: String) -> Vec<Effect> {
        self.filter = name;
        let found = self.filtered();
        let exact = |&&index: &&usize| self.exercises[index].id == self.filter;
        match found.iter().find(exact).or(found.first()) {
            Some(&index) => self.go(index),
            None => {
                let name = std::mem::take(&mut self.filter);
                self.notice = Some(format!(
                    "`{name}` is not a key, and no exercise has it in its name, title or topic"
                ));
                Vec::new()
            }
        }
    }

    fn judge(&mut self) -> Effect {
        self.judge_only(Vec::new())
    }

    fn judge_only(&mut self, tests: Vec<String>) -> Effect {
        self.run += 1;
        self.running = Some(Running {
            goes_on: !tests.is_empty(),
            ..Running::default()
        });
        self.sideways = 0;
        Effect::Judge(self.run, tests)
    }

    /// Runs the tests that the last run left out.
    pub(super) fn go_on(&mut self) -> Vec<Effect> {
        let unrun = match &self.report {
            Some(Ok(report)) if self.running.is_none() => report.unrun.clone(),
            _ => Vec::new(),
        };
        match unrun.is_empty() {
            true => Vec::new(),
            false => vec![self.judge_only(unrun)],
        }
    }

    /// Shows another page, or the same page with new content, from its top.
    pub(super) fn show(&mut self, page: Page) {
        self.page = page;
        self.shown += 1;
        self.scroll = 0;
        self.sideways = 0;
    }

    /// Opens an exercise.
    pub(super) fn go(&mut self, index: usize) -> Vec<Effect> {
        self.current = index;
        self.report = None;
        self.solution = None;
        self.missing = None;
        self.notice = None;
        self.hints = 0;
        self.show(Page::Task);
        self.fresh = true;
        vec![Effect::Open, self.judge()]
    }

    /// Judges once more.
    pub(super) fn again(&mut self) -> Vec<Effect> {
        self.notice = None;
        self.fresh = false;
        vec![self.judge()]
    }
}

pub(crate) fn believed(columns: u16, rows: u16) -> (usize, usize) {
    let one = |said: u16, least: usize, usual: usize, most: usize| match said {
        0 => usual,
        said => usize::from(said).clamp(least, most),
    };
    (
        one(columns, LEAST.0, USUAL.0, MOST.0),
        one(rows, LEAST.1, USUAL.1, MOST.1),
    )
}
