//! Two threads each add one to a counter, in every order that makes a difference.
//!
//! ```text
//! two_increments             explores all schedules, and draws one that loses an update
//! two_increments totals 2    prints the possible totals if each thread adds one twice
//! two_increments figure      prints the failing run as data
//! two_increments real        runs the program 20 times with real threads
//! ```

mod explored;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use explored::explorer;
use interleave::position::Request;
use interleave::{Exploration, Step};
use serde_json::{Value, json};

// ANCHOR: program
/// The program for the explorer. It uses the explorer's version of std.
mod program {
    use interleave::std::sync::Arc;
    use interleave::std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use interleave::std::thread;

    /// Adds one in two steps. (The addition itself happens in a register of the thread.)
    pub(super) fn load_and_store(counter: &AtomicU32) {
        let seen = counter.load(SeqCst);
        counter.store(seen + 1, SeqCst);
    }

    /// Adds one in one atomic step.
    pub(super) fn fetch_add(counter: &AtomicU32) {
        counter.fetch_add(1, SeqCst);
    }

    /// Two threads add one, `times` times each. Returns the total.
    pub(super) fn total(times: u32, add: fn(&AtomicU32)) -> u32 {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let other = thread::spawn(move || (0..times).for_each(|_| add(&theirs)));
        (0..times).for_each(|_| add(&counter));
        _ = other.join();
        counter.load(SeqCst)
    }
}
// ANCHOR_END: program

type Add = fn(&interleave::std::sync::atomic::AtomicU32);

/// Explores all schedules, and collects the totals that they end with.
fn totals(times: u32, add: Add) -> (Exploration, BTreeSet<u32>) {
    let totals = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&totals);
    let found = explorer().of(move || {
        let total = program::total(times, add);
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.insert(total);
    });
    let totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
    (found, totals.clone())
}

fn must_be_two() {
    let total = program::total(1, program::load_and_store);
    assert!(total == 2, "an update was lost: the total is {total}");
}

fn report() {
    let all: [(&str, Add); 2] = [
        ("a load and a store", program::load_and_store),
        ("fetch_add, one step", program::fetch_add),
    ];
    for (how, add) in all {
        let (found, totals) = totals(1, add);
        println!("two threads each add 1 ({how}): {}", found.coverage());
        let totals: Vec<String> = totals.iter().map(u32::to_string).collect();
        println!("  possible totals: {}", totals.join(" and "));
    }
    let request = Request {
        scenario: None,
        schedule: String::new(),
        run_on: false,
        count: 1_000,
        answer: "".into(),
    };
    if let Ok(position) = explorer().position_of(must_be_two, &request)
        && let Some(below) = position.below
    {
        let (all, failing) = (below.executions, below.failing);
        println!("an update is lost in {failing} of the {all} executions of a load and a store");
    }
    let found = explorer().of(must_be_two);
    if let Some(failure) = &found.failure {
        println!("one of them, as a string: {}; and drawn:", failure.schedule);
    }
    explored::timeline(&found);
}

/// The loads and stores of the two increments in the failing run, without the last load.
fn steps() -> Vec<Step> {
    let found = explorer().of(must_be_two);
    let failure = found.failure.expect("an update is lost");
    let steps = failure.timeline.steps.into_iter();
    steps
        .filter(|step| {
            ["load", "store"]
                .iter()
                .any(|op| step.operation.contains(op))
        })
        .take(4)
        .collect()
}

/// The failing run: a lane for each thread, and one for the value of the counter.
fn figure() -> Value {
    let steps = steps();
    let mut lanes = [vec![], vec![]];
    let mut arrows = Vec::new();
    let mut counter = vec![(0, "0".to_owned())];
    for (at, step) in steps.iter().enumerate() {
        // `AtomicU32 #1 store(1, SeqCst)` → `1`
        let stored = step.operation.split_once("store(").map(|(_, rest)| rest);
        let stored = stored.and_then(|rest| rest.split_once(',')).map(|of| of.0);
        let second_store = stored.is_some() && counter.len() == 2;
        let label = match stored {
            Some(value) => format!("store {value}"),
            None => format!("load → {}", step.value),
        };
        let look = if second_store { "wrong" } else { "runs" };
        lanes[step.thread].push(json!({"from": at, "to": at + 1, "label": label, "look": look}));
        let (thread, memory) = (
            json!({"lane": step.thread, "at": at + 1}),
            json!({"lane": 2, "at": at + 1}),
        );
        match stored {
            Some(value) => {
                counter.push((at + 1, value.to_owned()));
                let label = format!("stores {value} in");
                arrows.push(json!({"from": thread, "to": memory, "label": label}));
            }
            None => arrows.push(json!({
                "from": {"lane": 2, "at": at}, "to": {"lane": step.thread, "at": at},
                "label": format!("gives {} to", step.value),
            })),
        }
    }
    let end = steps.len() + 1;
    let values: Vec<_> = counter
        .iter()
        .enumerate()
        .map(|(number, (from, value))| {
            let to = counter.get(number + 1).map_or(end, |(next, _)| *next);
            let (label, look) = match number {
                2 => (format!("{value}, not 2"), "wrong"),
                _ => (value.clone(), "shared"),
            };
            json!({"from": from, "to": to, "label": label, "look": look})
        })
        .collect();
    let [a, b] = lanes;
    json!({
        "kind": "lanes",
        "axis": "steps",
        "lanes": [
            {"name": "thread A", "spans": a},
            {"name": "thread B", "spans": b},
            {"name": "counter", "spans": values},
        ],
        "arrows": arrows,
    })
}

// ANCHOR: real
/// The same program with real threads. Returns the total.
fn with_real_threads() -> u32 {
    let counter = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let seen = counter.load(SeqCst);
                counter.store(seen + 1, SeqCst);
            });
        }
    });
    counter.into_inner()
}
// ANCHOR_END: real

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["figure"] => println!("{}", figure()),
        ["real"] => {
            let right = (0..20).filter(|_| with_real_threads() == 2).count();
            println!("20 runs with real threads: the total was 2 in {right} of them");
        }
        ["totals", times] => {
            let times = times.parse().expect("a number of additions");
            for total in totals(times, program::load_and_store).1 {
                println!("{total}");
            }
        }
        _ => report(),
    }
}
