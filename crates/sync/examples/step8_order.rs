//! Step 8 of the chapter: two locks. In opposite orders they deadlock under some schedule; in one
//! order they never do.

mod explored;

use explored::{Span, explorer, timeline, verdict};
use interleave::Step;
use serde_json::{Value, json};

interleave::scenarios! {
    exercise = crate;

    use std::sync::Mutex;

    // ANCHOR: carry
    /// Moves an item. It first locks where the item is, then where it goes.
    pub fn carry(from: &Mutex<u32>, to: &Mutex<u32>) {
        let mut from = from.lock().unwrap();
        let mut to = to.lock().unwrap();
        *from -= 1;
        *to += 1;
    }
    // ANCHOR_END: carry

    // ANCHOR: in_order
    /// Moves an item. It always locks the mutex with the lower address first.
    pub fn carry_in_order(from: &Mutex<u32>, to: &Mutex<u32>) {
        let from_first = std::ptr::from_ref(from) < std::ptr::from_ref(to);
        let (first, second) = if from_first { (from, to) } else { (to, from) };
        let (first, second) = (first.lock().unwrap(), second.lock().unwrap());
        let (mut from, mut to) =
            if from_first { (first, second) } else { (second, first) };
        *from -= 1;
        *to += 1;
    }
    // ANCHOR_END: in_order

    /// One thread carries an item to the bathroom while another one carries an item back.
    pub fn to_and_fro(carry: fn(&Mutex<u32>, &Mutex<u32>)) {
        let rooms = Arc::new([Mutex::new(3), Mutex::new(3)]);
        let theirs = Arc::clone(&rooms);
        let other = thread::spawn(move || carry(&theirs[1], &theirs[0]));
        carry(&rooms[0], &rooms[1]);
        _ = other.join();
    }
}

/// What a step of the deadlock looks like in the picture.
fn span(step: &Step) -> Option<Span> {
    // `rooms[0]` was made first.
    let room = match step.operation.split_once(" lock")?.0 {
        "Mutex #1" => "kitchen",
        _ => "bathroom",
    };
    let waits = step.value == "waits";
    let (verb, look) = match waits {
        true => ("wants", "waits"),
        false => ("has", "runs"),
    };
    Some(Span {
        label: format!("{verb} {room}"),
        look,
        lasts: true,
    })
}

/// An arrow from each thread that wants a room to the thread that has it.
fn cycle(figure: &Value) -> Vec<Value> {
    let spans = |lane: usize| {
        figure["lanes"][lane]["spans"]
            .as_array()
            .into_iter()
            .flatten()
    };
    let mut arrows = Vec::new();
    for (lane, other) in [(0, 1), (1, 0)] {
        for wait in spans(lane).filter(|span| span["look"] == "waits") {
            let wanted = wait["label"].as_str().unwrap_or_default();
            let has = wanted.replace("wants", "has");
            if spans(other).any(|span| span["label"] == has) {
                arrows.push(json!({
                    "from": {"lane": lane, "at": wait["from"]},
                    "to": {"lane": other, "at": wait["from"]},
                    "label": "waits for",
                }));
            }
        }
    }
    arrows
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("figure") {
        let found = explorer().of(|| scenarios::to_and_fro(scenarios::carry));
        let names = ["thread a", "thread b"];
        let mut figure = explored::lanes(&found, &names, 4, span);
        figure["arrows"] = cycle(&figure).into();
        println!("{figure}");
        return;
    }
    let found = explorer().of(|| scenarios::to_and_fro(scenarios::carry));
    verdict("first `from`, then `to`", &found);
    timeline(&found);
    let found = explorer().of(|| scenarios::to_and_fro(scenarios::carry_in_order));
    verdict("always the lower address first", &found);
}
