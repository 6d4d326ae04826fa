//! The order in which threads deliver their results.

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::claim;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("order.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(35 Half [Squares]
    "When threads append their results to a shared list, the list is in the order of the inputs."
    the_last_one_started_is_the_first_to_end)];

/// Three threads square 1, 2 and 3. Each thread appends its square only after the
/// thread that was started after it. The scheduler may choose this order like any
/// other order.
fn the_last_one_started_is_the_first_to_end(record: &mut Record) -> Judged {
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // The thread that is started last waits for no other thread.
        let mut my_turn = None;
        let mut waiting = Vec::new();
        for number in (1..=3_u32).rev() {
            let (done, next_turn) = channel::<()>();
            waiting.push((number, my_turn.replace(next_turn), done));
        }
        for (number, turn, done) in waiting.into_iter().rev() {
            let results = &results;
            scope.spawn(move || {
                let square = number * number;
                if let Some(turn) = turn {
                    // This returns when the other thread has dropped its sender.
                    _ = turn.recv();
                }
                results
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(square);
                drop(done);
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    record.fact("threads were started for the numbers", "1, 2, 3");
    record.fact("the list of results", format!("{results:?}"));
    match results.as_slice() {
        [9, 4, 1] => holds_when(
            "the threads happen to append in the order in which they were started. The list has \
             the order in which they append: here the squares of 1, 2 and 3 came as 9, 4, 1.",
        ),
        [1, 4, 9] => holds("The list was in the order in which the threads were started."),
        _ => does_not_hold("A result was lost."),
    }
}
