//! What the keys do.

use super::state::{Effect, Event, Key, Page, Question, State};
use super::view;

/// The keys with what they do, as the help shows them.
pub const KEYS: [(&str, &str); 22] = [
    (
        "enter, space",
        "judge again (saving the file does this by itself)",
    ),
    ("t", "show the task"),
    ("v", "show the verdict"),
    ("h", "show a hint; press h again for the next one"),
    (
        "e",
        "explain the verdict: what was asked, answered and observed",
    ),
    (
        "w",
        "explain the terms on this page, in the words of the book's glossary",
    ),
    (
        "m",
        "explain the known mistake that your code may have (after the first hint)",
    ),
    ("o", "open your file in $EDITOR, at the line to look at"),
    (
        "x",
        "go through the failing schedule step by step, and be the scheduler",
    ),
    ("a", "run the failing schedule again"),
    (
        "g",
        "run the tests that were left out after one reached its deadline",
    ),
    (
        "s",
        "show the course's solution (after you have passed, or if you give up)",
    ),
    ("n", "go to the next exercise"),
    ("p", "go to the previous exercise"),
    ("l", "list all exercises; type to filter, enter opens one"),
    (
        "r",
        "reset: put the stub back, and keep your file as a backup",
    ),
    ("b", "open the exercise's chapter of the book in a browser"),
    (
        "↑ ↓, PgUp PgDn",
        "scroll; ← → move sideways where lines are cut off",
    ),
    ("esc", "go back to the task or the verdict"),
    ("ctrl-z", "go back to the shell; `fg` returns to the course"),
    ("q, ctrl-c", "quit, and end everything that runs"),
    ("?", "show this help"),
];

impl State {
    pub(super) fn key(&mut self, key: Key) -> Vec<Effect> {
        if key == Key::Interrupt {
            return self.on(Event::Stop);
        }
        if key == Key::Suspend {
            return vec![Effect::Suspend];
        }
        if let Some(question) = self.question.take() {
            return self.answer(question, key);
        }
        self.notice = None;
        if self.scrolled(key) {
            return Vec::new();
        }
        if self.page == Page::Welcome {
            self.home();
            return match key {
                Key::Char('q') => self.on(Event::Stop),
                _ => Vec::new(),
            };
        }
        match self.page {
            Page::List if !self.in_lines => self.key_in_list(key),
            _ => self.key_elsewhere(key),
        }
    }

    fn answer(&mut self, question: Question, key: Key) -> Vec<Effect> {
        if !matches!(key, Key::Char('y' | 'Y')) {
            let said = match question {
                Question::Reset => "nothing was changed",
                Question::GiveUp => "the solution stays hidden",
            };
            self.notice = Some(said.to_owned());
            return Vec::new();
        }
        match question {
            Question::Reset => vec![Effect::Reset],
            Question::GiveUp => {
                self.show(Page::Solution);
                vec![Effect::Solve]
            }
        }
    }

    fn key_elsewhere(&mut self, key: Key) -> Vec<Effect> {
        match key {
            Key::Enter | Key::Char(' ') => return self.again(),
            Key::Escape | Key::Backspace => self.home(),
            Key::Char(c) => return self.letter(c.to_ascii_lowercase()),
            _ => {}
        }
        Vec::new()
    }

    fn letter(&mut self, letter: char) -> Vec<Effect> {
        match letter {
            't' => self.show(Page::Task),
            'v' if self.report.is_some() || self.missing.is_some() => self.show(Page::Verdict),
            'v' => self.say("there is no verdict yet"),
            'h' => return self.hint(),
            'e' => match &self.report {
                Some(Ok(_)) => self.show(Page::Explain),
                _ => self.say("there is nothing to explain yet: no test was judged"),
            },
            'w' => self.show(Page::Words),
            'm' => self.mistake(),
            'g' => {
                let effects = self.go_on();
                if effects.is_empty() {
                    self.say("no tests were left out");
                }
                return effects;
            }
            'o' => match view::place_to_edit(self) {
                Some(spot) => return vec![Effect::Edit(spot)],
                None => self.say("there is no file to open"),
            },
            'x' | 'a' => return self.schedule(letter),
            's' if self.card().passed => {
                self.show(Page::Solution);
                return vec![Effect::Solve];
            }
            's' => self.ask(Question::GiveUp),
            'n' if self.current + 1 < self.exercises.len() => return self.go(self.current + 1),
            'n' => self.say("this is the last exercise"),
            'p' if self.current > 0 => return self.go(self.current - 1),
            'p' => self.say("this is the first exercise"),
            'l' => {
                self.filter.clear();
                self.chosen = self.current;
                self.show(Page::List);
            }
            'r' => self.ask(Question::Reset),
            'b' => return vec![Effect::Book],
            '?' => self.show(Page::Help),
            'q' => return self.on(Event::Stop),
            other => self.notice = Some(format!("`{other}` does nothing here; ? shows the keys")),
        }
        Vec::new()
    }

    /// Explains the known mistake. The explanation may say what the solution is,
    /// so a hint comes first.
    fn mistake(&mut self) {
        let is_known = matches!(&self.report, Some(Ok(report)) if report.known.is_some());
        if !is_known && self.running.is_some() {
            self.say("tests are still running: ask again when all of them are judged");
        } else if !is_known {
            self.say(
                "your code may have several mistakes at once, or one that the course does not know",
            );
        } else if self.hints == 0 && !self.content.hints.is_empty() && !self.card().passed {
            self.say("the explanation may tell you the solution: ask for a hint first (h)");
        } else {
            self.show(Page::Mistake);
        }
    }

    /// The command that plays (`x`) or draws (`a`) the first failing schedule.
    fn schedule(&mut self, letter: char) -> Vec<Effect> {
        let schedule = match &self.report {
            Some(Ok(report)) => report.records.iter().find_map(|record| {
                let schedule = record.schedule.clone()?;
                Some((record.test.clone(), schedule))
            }),
            _ => None,
        };
        let Some((test, schedule)) = schedule else {
            self.say("no test found a schedule that fails");
            return Vec::new();
        };
        let id = self.card().id.clone();
        let command = match letter {
            'x' => vec!["schedule".to_owned(), id, schedule],
            _ => vec!["replay".to_owned(), id, schedule, "--test".to_owned(), test],
        };
        if self.in_lines {
            self.notice = Some(format!(
                "in another terminal: cargo course {}",
                command.join(" ")
            ));
            return Vec::new();
        }
        vec![Effect::Command(command)]
    }

    fn hint(&mut self) -> Vec<Effect> {
        let all = self.content.hints.len();
        if all == 0 {
            self.say("this exercise has no hints");
            return Vec::new();
        }
        // After another page, the first press shows the hints that were shown before.
        let again = self.page != Page::Hints && self.hints > 0;
        if !again && self.hints == all {
            self.say("that was the last hint; s shows the solution");
            return Vec::new();
        }
        self.hints += usize::from(!again);
        self.show(Page::Hints);
        self.scroll = view::start_of_last_hint(self);
        vec![Effect::KeepHints(self.hints)]
    }

    fn key_in_list(&mut self, key: Key) -> Vec<Effect> {
        let found = self.filtered();
        match key {
            Key::Escape => self.home(),
            Key::Enter => {
                return match found.get(self.chosen) {
                    Some(&index) => self.go(index),
                    None => {
                        self.say("no exercise matches the filter");
                        Vec::new()
                    }
                };
            }
            Key::Up => self.chosen = self.chosen.saturating_sub(1),
            Key::Down => self.chosen = (self.chosen + 1).min(found.len().saturating_sub(1)),
            Key::Backspace => {
                self.filter.pop();
                self.chosen = 0;
            }
            Key::Char(c) if self.filter.chars().count() < 40 => {
                self.filter.push(c);
                self.chosen = 0;
            }
            _ => {}
        }
        self.scroll = view::scroll_to_chosen(self);
        Vec::new()
    }

    /// Shows the page on which the learner works: the verdict if there is one,
    /// else the task.
    fn home(&mut self) {
        let passed = matches!(&self.report, Some(Ok(r)) if r.is_passed());
        self.show(if passed {
            Page::Passed
        } else if self.missing.is_some() || (self.report.is_some() && !self.fresh) {
            Page::Verdict
        } else {
            Page::Task
        });
    }

    fn ask(&mut self, question: Question) {
        self.question = Some(question);
    }

    fn say(&mut self, sentence: &str) {
        self.notice = Some(sentence.to_owned());
    }

    /// Scrolls the page if the key does that, and returns whether it does.
    fn scrolled(&mut self, key: Key) -> bool {
        let most = view::most_scroll(self);
        let page = view::window(self).saturating_sub(2).max(1);
        let in_list = self.page == Page::List;
        self.scroll = match key {
            Key::Up if !in_list => self.scroll.saturating_sub(1),
            Key::Down if !in_list => self.scroll + 1,
            Key::PageUp => self.scroll.saturating_sub(page),
            Key::PageDown => self.scroll + page,
            Key::Home => 0,
            Key::End => most,
            Key::Left => {
                self.sideways = self.sideways.saturating_sub(8);
                return true;
            }
            Key::Right => {
                self.sideways = (self.sideways + 8).min(view::most_sideways(self));
                return true;
            }
            _ => return false,
        }
        .min(most);
        true
    }
}
