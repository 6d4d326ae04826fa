//! A position of the game, and what is said of the executions below it.

use records::position::{Below, Position};

/// Where steps have led.
#[derive(Clone, Debug)]
pub struct Reached {
    /// What the exploring subject told.
    pub position: Position,
    /// The run failed there, and the judge expects that it does. (The judge
    /// says so, not the subject.)
    pub is_expected: bool,
}

impl From<Position> for Reached {
    fn from(position: Position) -> Self {
        Reached {
            position,
            is_expected: false,
        }
    }
}

/// What is left to find below a position.
pub fn in_words(below: Below) -> String {
    let Below {
        executions,
        failing,
        complete,
    } = below;
    let more = if complete { "" } else { "+" };
    let from_here = match (executions, complete) {
        (1, true) => "1 execution from here".to_owned(),
        _ => format!("{}{more} executions from here", with_commas(executions)),
    };
    match failing {
        0 if complete && executions == 1 => format!("{from_here}, and it does not fail"),
        0 if complete => format!("{from_here}, and none of them fails"),
        0 => format!("{from_here}, and none of those tried fails"),
        _ if complete && executions == 1 => format!("{from_here}, and it fails"),
        all if complete && all == executions => format!("{from_here}, and all of them fail"),
        1 if complete => format!("{from_here}, 1 of them fails"),
        some => format!("{from_here}, {}{more} of them fail", with_commas(some)),
    }
}

/// What the other executions do, for the end of one that holds.
pub fn in_others(below: Below) -> String {
    let all = with_commas(below.executions);
    match below.failing {
        0 if below.complete && below.executions == 1 => ", and there is no other execution".into(),
        0 if below.complete => format!(", and nothing fails in any of the {all} executions"),
        0 => String::new(),
        1 => format!(
            ", but 1 of {all} executions fails: u goes back one step, r goes back to the beginning"
        ),
        some => format!(
            ", but {} of {all} executions fail: u goes back one step, r goes back to the beginning",
            with_commas(some)
        ),
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
