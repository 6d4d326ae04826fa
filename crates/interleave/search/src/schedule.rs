//! One execution as a short string, to run it again.
//!
//! ```text
//! ab2aba3        thread a takes one step, thread b two, …
//! a2b~1a         b's step reads the store before the newest one, or stores behind it
//! ab!2           b's step takes its choice number 2, for example whom a notification wakes
//! ```
//!
//! A step without a mark takes the default way: a load reads the newest store, a store becomes the
//! newest, and nothing happens for no reason.

use std::fmt::Write as _;

/// A step of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The number of the thread, in the order in which the threads of the run were started.
    pub thread: usize,
    /// How many stores are newer than the one that it reads, or behind which it stores.
    pub back: usize,
    /// Which choice it takes (see [`Event::choice`](crate::Event::choice)).
    pub choice: usize,
}

/// More steps than any run has.
const LONGEST: usize = 1_000_000;

/// The steps as a string. Threads from the 26th on share a letter, so there must not be more.
///
/// ```
/// use interleave_search::{Step, schedule};
///
/// let step = |thread| Step { thread, ..Step::default() };
/// let stale = Step { thread: 1, back: 1, choice: 0 };
/// assert_eq!(schedule::write(&[step(0), step(1), step(1), stale, step(0)]), "ab2b~1a");
/// ```
#[must_use]
pub fn write(steps: &[Step]) -> String {
    let mut text = String::new();
    for run in steps.chunk_by(|one, next| one == next && one.back == 0 && one.choice == 0) {
        let step = run[0];
        let letter = u8::try_from(step.thread.min(25)).unwrap_or(25);
        text.push(char::from(b'a' + letter));
        for (mark, number) in [
            ("", run.len()),
            ("~", step.back + 1),
            ("!", step.choice + 1),
        ] {
            // Without a mark, a number counts steps; with one, it counts from 1.
            match (mark, number) {
                (_, 1) => {}
                ("", count) => _ = write!(text, "{count}"),
                (mark, number) => _ = write!(text, "{mark}{}", number - 1),
            }
        }
    }
    text
}

/// Reads a string that [`write()`] has written.
///
/// # Errors
/// With a sentence that says what is wrong with the string.
pub fn read(text: &str) -> Result<Vec<Step>, String> {
    let text = text.trim();
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.bytes().next() {
        if !letter.is_ascii_lowercase() {
            return Err(format!(
                "`{text}` is not a schedule: expected a thread's letter at `{rest}`, as in a3b~1a"
            ));
        }
        rest = &rest[1..];
        let mut step = Step {
            thread: usize::from(letter - b'a'),
            ..Step::default()
        };
        let mut count = 1;
        for mark in ["", "~", "!"] {
            let Some(after) = rest.strip_prefix(mark) else {
                continue;
            };
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number = match (&after[..digits], mark) {
                ("", "") => continue,
                (number, _) => number
                    .parse()
                    .ok()
                    .filter(|number| (1..=LONGEST).contains(number)),
            };
            let number = number.ok_or_else(|| {
                format!(
                    "`{text}` is not a schedule: expected a number from 1 to {LONGEST} after `{}`",
                    &text[..text.len() - after.len()]
                )
            })?;
            match mark {
                "" => count = number,
                "~" => step.back = number,
                _ => step.choice = number,
            }
            rest = &after[digits..];
        }
        if count > 1
            && step
                != (Step {
                    thread: step.thread,
                    ..Step::default()
                })
        {
            return Err(format!(
                "`{text}` is not a schedule: a step with `~` or `!` stands alone, and has no count"
            ));
        }
        steps.extend(std::iter::repeat_n(step, count));
        if steps.len() > LONGEST {
            return Err(format!(
                "`{text}` is too long: a schedule has at most {LONGEST} steps"
            ));
        }
    }
    match steps.is_empty() {
        true => Err("the schedule is empty; it should look like a3b~1a".to_owned()),
        false => Ok(steps),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let step = |thread, back, choice| Step {
            thread,
            back,
            choice,
        };
        for steps in [
            vec![step(0, 0, 0)],
            vec![step(3, 0, 0); 1_000],
            vec![step(0, 0, 0), step(25, 0, 0), step(1, 2, 0), step(1, 2, 0)],
            vec![step(1, 0, 1), step(1, 0, 0), step(1, 17, 3), step(0, 1, 0)],
        ] {
            let text = write(&steps);
            assert_eq!(read(&text), Ok(steps), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (text, part) in [
            ("", "empty"),
            ("3a", "a thread's letter at `3a`"),
            ("A", "a thread's letter"),
            ("a0", "from 1 to"),
            ("a~", "after `a~`"),
            ("ab!0", "after `ab!`"),
            ("a!1~1", "a thread's letter at `~1`"),
            ("a2~1", "stands alone"),
            ("a1000000b", "too long"),
            ("a99999999999999999999", "from 1 to"),
            ("ä", "a thread's letter"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
