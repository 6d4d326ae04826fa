//! Results in which order?

use super::claim;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

const SOURCE: &str = include_str!("order.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(35 Half [Squares]
    "Threads that append their results to a common list give the list of the squares."
    the_last_one_started_is_the_first_to_end)];

/// Three threads square 1, 2 and 3. A gate lets each one append only after the
/// one started after it: an order as good as any other.
fn the_last_one_started_is_the_first_to_end(record: &mut Record) -> Judged {
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // The last one waits for nobody.
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
                    // Ends when the other has dropped its end.
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
    record.fact("threads were started for", "1, 2, 3");
    record.fact("the list of results", format!("{results:?}"));
    match results.as_slice() {
        [9, 4, 1] => holds_when(
            "they happen to end in the order in which they were started: \
             the list is in the order of ending, here 9, 4, 1",
        ),
        [1, 4, 9] => holds("the list was in the order of starting"),
        _ => does_not_hold("a result was lost"),
    }
}
