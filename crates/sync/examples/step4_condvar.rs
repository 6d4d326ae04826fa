//! Step 4 of the chapter: waiting until a value changes. Asking again and again works, but it costs
//! a CPU. An `if` before the wait fails; so does a change that is made without the lock.

mod explored;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use explored::{Span, explorer, timeline, verdict};
use interleave::Step;

interleave::scenarios! {
    exercise = crate;

    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::sync::{Condvar, Mutex};

    // ANCHOR: shelf
    /// A shelf: the number of items on it, and a condition variable for those that wait for one.
    #[derive(Default)]
    pub struct Shelf {
        pub items: Mutex<u32>,
        pub filled: Condvar,
    }

    pub fn put(shelf: &Shelf) {
        *shelf.items.lock().unwrap() += 1;
        shelf.filled.notify_one();
    }

    /// Takes an item from the shelf. Returns whether there was one.
    fn take_one(items: &mut u32) -> bool {
        let was_there = *items > 0;
        *items -= u32::from(was_there);
        was_there
    }
    // ANCHOR_END: shelf

    // ANCHOR: with_if
    /// Wrong: another thread may empty the shelf between the notification and the end of the wait.
    pub fn take_with_if(shelf: &Shelf) -> bool {
        let mut items = shelf.items.lock().unwrap();
        if *items == 0 {
            items = shelf.filled.wait(items).unwrap();
        }
        take_one(&mut items)
    }
    // ANCHOR_END: with_if

    // ANCHOR: with_while
    pub fn take_with_while(shelf: &Shelf) -> bool {
        let mut items = shelf.items.lock().unwrap();
        while *items == 0 {
            items = shelf.filled.wait(items).unwrap();
        }
        take_one(&mut items)
    }
    // ANCHOR_END: with_while

    /// One thread puts two items on the shelf, and two threads take one each.
    pub fn two_take(take: fn(&Shelf) -> bool) {
        let shelf = Arc::new(Shelf::default());
        let takers = [(), ()].map(|()| {
            let shelf = Arc::clone(&shelf);
            thread::spawn(move || take(&shelf))
        });
        put(&shelf);
        put(&shelf);
        for taker in takers {
            let found_one = taker.join().unwrap();
            assert!(found_one, "a taker went on although the shelf was empty");
        }
    }

    // ANCHOR: outside
    /// Wrong: the item is counted without the lock, so this can happen between the taker's look
    /// and the taker's wait.
    pub fn put_without_the_lock(items: &AtomicU32, filled: &Condvar) {
        items.fetch_add(1, SeqCst);
        filled.notify_one();
    }

    pub fn one_takes_what_was_put_without_the_lock() {
        let shared = Arc::new((AtomicU32::new(0), Condvar::new(), Mutex::new(())));
        let theirs = Arc::clone(&shared);
        let putter = thread::spawn(move || put_without_the_lock(&theirs.0, &theirs.1));
        let (items, filled, lock) = &*shared;
        let mut guard = lock.lock().unwrap();
        while items.load(SeqCst) == 0 {
            guard = filled.wait(guard).unwrap();
        }
        _ = putter.join();
    }
    // ANCHOR_END: outside
}

// ANCHOR: polling
/// Looks for an item again and again. Returns how many looks it took.
fn take_by_polling(shelf: &Mutex<u32>) -> u64 {
    let mut looks = 0;
    loop {
        looks += 1;
        let mut items = shelf.lock().unwrap();
        if *items > 0 {
            *items -= 1;
            return looks;
        }
    }
}
// ANCHOR_END: polling

/// A real taker polls while this thread takes its time. Returns the number of looks.
fn looks_in_fifty_milliseconds() -> u64 {
    let shelf = Mutex::new(0);
    thread::scope(|scope| {
        let taker = scope.spawn(|| take_by_polling(&shelf));
        thread::sleep(Duration::from_millis(50));
        *shelf.lock().unwrap() += 1;
        taker.join().unwrap()
    })
}

/// What a step of the failing run looks like in the picture.
fn span(step: &Step) -> Option<Span> {
    let told = format!("{} → {}", step.operation, step.value);
    let (label, look, lasts) = match told.as_str() {
        told if told.contains("locked again") => ("no item", "wrong", false),
        told if told.contains("unlocks and waits") => ("waits", "waits", true),
        told if told.contains("notified") => ("is awake", "ready", false),
        told if told.contains("wakes one") => ("notifies", "runs", false),
        told if told.contains("lock → locked") && step.source.contains("+=") => {
            ("puts 1", "runs", false)
        }
        told if told.contains("lock → locked") => ("locks", "runs", false),
        told if told.contains("unlock") => ("unlocks", "runs", false),
        _ => return None,
    };
    Some(Span {
        label: label.to_owned(),
        look,
        lasts,
    })
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("figure") {
        let found = explorer().of(|| scenarios::two_take(scenarios::take_with_if));
        let names = ["putter a", "taker b", "taker c"];
        println!("{}", explored::lanes(&found, &names, 9, span));
        return;
    }
    println!("asking again and again: an item that came after 50 ms");
    println!(
        "  was found at look number {}",
        looks_in_fifty_milliseconds()
    );
    let found = explorer().of(|| scenarios::two_take(scenarios::take_with_if));
    verdict("`if` before the wait", &found);
    timeline(&found);
    let found = explorer().of(|| scenarios::two_take(scenarios::take_with_while));
    verdict("`while` around the wait", &found);
    let found = explorer().of(scenarios::one_takes_what_was_put_without_the_lock);
    verdict("`while`, but the change is made without the lock", &found);
}
