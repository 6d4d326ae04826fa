//! Step 9 of the chapter: two small programs, three strengths of memory ordering. Which outcomes
//! does the explorer of orderings find?
//!
//! ```text
//! happens_before                     explores all of them, and prints a table
//! happens_before figure relaxed      one execution as data; also release, buffer, seqcst
//! ```

mod explored;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use explored::explorer;
use interleave::std::sync::atomic::Ordering;
use interleave::{Exploration, Step};
use serde_json::{Value, json};

/// The programs. They use the explorer's version of std.
mod program {
    use interleave::std::sync::Arc;
    use interleave::std::sync::atomic::{AtomicU32, Ordering};
    use interleave::std::thread;

    // ANCHOR: message_passing
    /// One thread writes data and then sets a flag. The other one reads the flag and then the
    /// data. Returns both.
    pub(super) fn message_passing(store: Ordering, load: Ordering) -> (u32, u32) {
        let shared = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            let (data, flag) = &*theirs;
            data.store(1, Ordering::Relaxed);
            flag.store(1, store);
        });
        let (data, flag) = &*shared;
        let flag_seen = flag.load(load);
        let data_seen = data.load(Ordering::Relaxed);
        _ = writer.join();
        (flag_seen, data_seen)
    }
    // ANCHOR_END: message_passing

    // ANCHOR: store_buffering
    /// Each thread writes one variable and then reads the other one. Returns what they read.
    pub(super) fn store_buffering(store: Ordering, load: Ordering) -> (u32, u32) {
        let shared = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || {
            let (x, y) = &*theirs;
            y.store(1, store);
            x.load(load)
        });
        let (x, y) = &*shared;
        x.store(1, store);
        let mine = y.load(load);
        (mine, other.join().unwrap_or(9))
    }
    // ANCHOR_END: store_buffering

    // ANCHOR: load_buffering
    /// Each thread reads one variable and then writes the other one. Returns what they read.
    pub(super) fn load_buffering(store: Ordering, load: Ordering) -> (u32, u32) {
        let shared = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || {
            let (x, y) = &*theirs;
            let seen = x.load(load);
            y.store(1, store);
            seen
        });
        let (x, y) = &*shared;
        let mine = y.load(load);
        x.store(1, store);
        (mine, other.join().unwrap_or(9))
    }
    // ANCHOR_END: load_buffering
}

type Program = fn(Ordering, Ordering) -> (u32, u32);
type Outcomes = BTreeMap<(u32, u32), u32>;

/// The three strengths: for the stores and for the loads.
const STRENGTHS: [(&str, Ordering, Ordering); 3] = [
    ("Relaxed", Ordering::Relaxed, Ordering::Relaxed),
    ("Release/Acquire", Ordering::Release, Ordering::Acquire),
    ("SeqCst", Ordering::SeqCst, Ordering::SeqCst),
];

/// Explores a program without a limit on interruptions.
fn outcomes(program: Program, store: Ordering, load: Ordering) -> (Exploration, Outcomes) {
    let seen = Arc::new(Mutex::new(Outcomes::new()));
    let noted = Arc::clone(&seen);
    let found = explorer().of(move || {
        let outcome = program(store, load);
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        *noted.entry(outcome).or_default() += 1;
    });
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (found, seen)
}

fn table(name: &str, read: [&str; 2], program: Program) {
    let explored = STRENGTHS.map(|(_, store, load)| outcomes(program, store, load));
    print!("{name:20}");
    for (strength, ..) in STRENGTHS {
        print!("{strength:>17}");
    }
    println!();
    for outcome in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (one, other) = outcome;
        let label = format!("{} {one}, {} {other}", read[0], read[1]);
        print!("  {label:18}");
        for (found, seen) in &explored {
            let word = match seen.contains_key(&outcome) {
                true => "happens",
                false if found.complete => "never",
                false => "not found",
            };
            print!("{word:>17}");
        }
        println!();
    }
}

/// A picture: a program, a strength, the outcome to look for, and the names of the threads.
struct Picture {
    program: Program,
    strength: usize,
    outcome: (u32, u32),
    threads: [&'static str; 2],
}

fn picture(name: &str) -> Option<Picture> {
    let (program, strength, outcome): (Program, _, _) = match name {
        "relaxed" => (program::message_passing, 0, (1, 0)),
        "release" => (program::message_passing, 1, (1, 1)),
        "buffer" => (program::store_buffering, 1, (0, 0)),
        "seqcst" => (program::store_buffering, 2, (0, 1)),
        _ => return None,
    };
    let threads = match name {
        "relaxed" | "release" => ["reader", "writer"],
        _ => ["thread A", "thread B"],
    };
    Some(Picture {
        program,
        strength,
        outcome,
        threads,
    })
}

/// An access to one of the shared variables.
struct Access {
    thread: usize,
    variable: String,
    stores: bool,
    value: String,
}

impl Access {
    /// `flag.store(1, store);` is a store to `flag`.
    fn of(step: &Step) -> Option<Self> {
        let stores = step.operation.contains(" store(");
        let method = if stores { ".store(" } else { ".load(" };
        let (before, _) = step.source.split_once(method)?;
        let variable = before.rsplit([' ', '(']).next()?.to_owned();
        let value = match stores {
            true => "1".to_owned(),
            false => step.value.clone(),
        };
        Some(Self {
            thread: step.thread,
            variable,
            stores,
            value,
        })
    }
}

/// The first execution with the outcome that the picture wants, as data.
fn figure(picture: &Picture) -> Value {
    let Picture {
        program, outcome, ..
    } = *picture;
    let (_, store, load) = STRENGTHS[picture.strength];
    let found = explorer().of(move || assert!(program(store, load) != outcome, "this is it"));
    let failure = found.failure.expect("the outcome happens");
    let accesses: Vec<_> = failure
        .timeline
        .steps
        .iter()
        .filter_map(Access::of)
        .collect();
    let mut lanes = [vec![], vec![]];
    let mut arrows = Vec::new();
    for (at, access) in accesses.iter().enumerate() {
        let Access {
            thread,
            variable,
            value,
            ..
        } = access;
        let earlier = accesses[..at]
            .iter()
            .position(|earlier| earlier.stores && earlier.variable == *variable);
        let label = match access.stores {
            true => format!("{variable} = {value}"),
            false => format!("{variable} → {value}"),
        };
        // The other thread has stored 1, and this load still reads 0.
        let is_late = !access.stores && value == "0" && earlier.is_some();
        let look = if is_late { "wrong" } else { "runs" };
        lanes[*thread].push(json!({"from": at, "to": at + 1, "label": label, "look": look}));
        if let Some(earlier) = earlier
            && !access.stores
            && value == "1"
            && picture.strength > 0
            && accesses[earlier].thread != *thread
            && variable != "data"
        {
            arrows.push(json!({
                "from": {"lane": accesses[earlier].thread, "at": earlier + 1},
                "to": {"lane": thread, "at": at},
                "label": "happens before",
            }));
        }
    }
    let [first, second] = lanes;
    json!({
        "kind": "lanes",
        "axis": "steps",
        "lanes": [
            {"name": picture.threads[0], "spans": first},
            {"name": picture.threads[1], "spans": second},
        ],
        "arrows": arrows,
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.get(1).map(String::as_str).unwrap_or_default();
    if let Some(picture) = picture(name) {
        println!("{}", figure(&picture));
        return;
    }
    table(
        "message passing",
        ["flag", "data"],
        program::message_passing,
    );
    table("store buffering", ["y", "x"], program::store_buffering);
    let (_, seen) = outcomes(
        program::load_buffering,
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    println!(
        "load buffering, Relaxed: the language allows y 1, x 1; the explorer {} it",
        match seen.contains_key(&(1, 1)) {
            true => "finds",
            false => "never tries",
        }
    );
}
