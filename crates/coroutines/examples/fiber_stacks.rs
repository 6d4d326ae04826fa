//! Where the stacks of two fibers are, and where the stack pointer is before
//! and after each switch.
//!
//! All addresses come from this run: the stack pointer from the processor, the
//! mappings and the pages in use from /proc/self/smaps. They are printed as
//! distances, because the kernel chooses other addresses in each run. With the
//! argument `lanes` or `map`, the program prints the same as a trace in JSON.

mod registers;

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::rc::Rc;

use coroutines::fiber::{Fiber, Suspender};
use registers::stack_pointer;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// On whose stack the stack pointer was, and what had just happened.
struct Seen {
    whose: usize,
    pointer: usize,
    after: &'static str,
}

type Log = Rc<RefCell<Vec<Seen>>>;

#[inline(always)] // so that it sees the stack pointer of its caller
fn note(log: &Log, whose: usize, after: &'static str) {
    let pointer = stack_pointer();
    log.borrow_mut().push(Seen {
        whose,
        pointer,
        after,
    });
}

const MAIN: usize = 0;
const NAMES: [&str; 3] = ["main", "fiber A", "fiber B"];

// ANCHOR: bodies
/// Suspends itself twice: in its first frame, and deep inside its calls.
fn body(whose: usize, log: &Log, fiber: &Suspender<(), ()>) {
    note(log, whose, "begins");
    fiber.suspend(());
    note(log, whose, "goes on");
    deeper(if whose == 1 { 1 } else { 12 }, whose, log, fiber);
}

/// Uses about 2 KiB of stack for each level.
fn deeper(levels: usize, whose: usize, log: &Log, fiber: &Suspender<(), ()>) {
    let frame = black_box([0_u8; 1024]);
    if levels > 1 {
        deeper(levels - 1, whose, log, fiber);
    } else {
        note(log, whose, "is deeper");
        fiber.suspend(());
    }
    black_box(&frame);
}

fn take_turns(log: &Log) -> Result<[Fiber<(), (), ()>; 2]> {
    let [ours, theirs] = [Rc::clone(log), Rc::clone(log)];
    let mut a = Fiber::new(move |fiber, ()| body(1, &ours, fiber))?;
    let mut b = Fiber::new(move |fiber, ()| body(2, &theirs, fiber))?;
    note(log, MAIN, "begins");
    for _ in 0..2 {
        a.resume(());
        note(log, MAIN, "A suspended");
        b.resume(());
        note(log, MAIN, "B suspended");
    }
    Ok([a, b])
}
// ANCHOR_END: bodies

/// A line of /proc/self/smaps, with the part of it that has memory.
#[derive(Clone)]
struct Mapping {
    start: usize,
    end: usize,
    access: String,
    resident: usize,
}

fn mappings() -> Result<Vec<Mapping>> {
    let mut all: Vec<Mapping> = Vec::new();
    for line in fs::read_to_string("/proc/self/smaps")?.lines() {
        let mut words = line.split_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else {
            continue;
        };
        if let Some((start, end)) = first.split_once('-') {
            all.push(Mapping {
                start: usize::from_str_radix(start, 16)?,
                end: usize::from_str_radix(end, 16)?,
                access: second.to_owned(),
                resident: 0,
            });
        } else if first == "Rss:"
            && let Some(mapping) = all.last_mut()
        {
            mapping.resident = second.parse::<usize>()? * 1024;
        }
    }
    Ok(all)
}

/// A fiber's stack and the guard page just below it.
struct Place {
    stack: Mapping,
    guard: Mapping,
}

fn place(all: &[Mapping], pointer: usize) -> Result<Place> {
    let at = all
        .iter()
        .position(|mapping| (mapping.start..mapping.end).contains(&pointer))
        .ok_or("the stack pointer is in no mapping")?;
    let stack = all[at].clone();
    let guard = all
        .get(at.wrapping_sub(1))
        .filter(|guard| guard.end == stack.start && guard.access.starts_with("---"))
        .ok_or("there is no guard page below the stack")?
        .clone();
    Ok(Place { stack, guard })
}

struct Run {
    seen: Vec<Seen>,
    places: [Place; 2],
    /// The stack pointer of the main stack, from which its distances count.
    main: usize,
}

impl Run {
    fn new() -> Result<Self> {
        let log = Log::default();
        let fibers = take_turns(&log)?;
        let all = mappings()?; // while the fibers still exist
        drop(fibers);
        let seen = log.take();
        let first = |whose| {
            let mut pointers = seen.iter().filter(|seen| seen.whose == whose);
            pointers.next().map(|seen| seen.pointer).ok_or("no pointer")
        };
        let places = [place(&all, first(1)?)?, place(&all, first(2)?)?];
        let main = first(MAIN)?;
        Ok(Self { seen, places, main })
    }

    /// How far the stack pointer is below the top of its stack, in bytes.
    fn used(&self, seen: &Seen) -> usize {
        let top = match seen.whose {
            MAIN => self.main,
            fiber => self.places[fiber - 1].stack.end,
        };
        top - seen.pointer
    }

    fn text(&self) {
        for (name, place) in NAMES[1..].iter().zip(&self.places) {
            let Place { stack, guard } = place;
            println!(
                "{name}: a stack of {} KiB ({}), {} KiB of it in use; below it a guard of {} KiB ({})",
                (stack.end - stack.start) / 1024,
                stack.access,
                stack.resident / 1024,
                (guard.end - guard.start) / 1024,
                guard.access
            );
        }
        println!(
            "the guard page of one stack and the top of the other: {} bytes apart",
            {
                let [a, b] = &self.places;
                let (low, high) = (
                    a.stack.end.min(b.stack.end),
                    a.guard.start.max(b.guard.start),
                );
                high - low
            }
        );
        println!("\nstep  runs      what happened  stack pointer");
        for (step, seen) in self.seen.iter().enumerate() {
            let whose = NAMES[seen.whose];
            let used = self.used(seen);
            let from = match seen.whose {
                MAIN => "main's first",
                _ => "the top of its stack",
            };
            println!(
                "{step:>4}  {whose:<8}  {:<13}  {used:>5} bytes below {from}",
                seen.after
            );
        }
    }

    fn lanes(&self) {
        let lanes = NAMES.iter().enumerate().map(|(lane, name)| {
            let mut spans = Vec::new();
            let mut waits: Option<usize> = None;
            for (step, seen) in self.seen.iter().enumerate() {
                if seen.whose == lane {
                    if let Some(from) = waits.take() {
                        spans.push(span(from, step, "waits", "waits"));
                    }
                    let used = self.used(seen);
                    spans.push(span(step, step + 1, &label("sp", lane, used), "runs"));
                    if self
                        .seen
                        .get(step + 1)
                        .is_none_or(|next| next.whose != lane)
                    {
                        waits = Some(step + 1);
                    }
                }
            }
            if let Some(from) = waits
                && from < self.seen.len()
            {
                spans.push(span(from, self.seen.len(), "waits", "waits"));
            }
            format!(
                r#"{{"name":"{name}'s stack","spans":[{}]}}"#,
                spans.join(",")
            )
        });
        let lanes: Vec<_> = lanes.collect();
        let arrows = self.seen.windows(2).enumerate().filter_map(|(step, pair)| {
            let (from, to) = (pair[0].whose, pair[1].whose);
            let what = if from == MAIN { "resume" } else { "suspend" };
            let (leaves, comes) = (step + 1, step + 1);
            (from != to).then(|| {
                format!(
                    r#"{{"from":{{"lane":{from},"at":{leaves}}},"to":{{"lane":{to},"at":{comes}}},"label":"{what}"}}"#
                )
            })
        });
        let arrows: Vec<_> = arrows.collect();
        let (lanes, arrows) = (lanes.join(","), arrows.join(","));
        println!(r#"{{"kind":"lanes","axis":"steps","lanes":[{lanes}],"arrows":[{arrows}]}}"#);
    }

    fn map(&self) {
        let mut cells = vec![cell("main's stack", "grows by itself", "stack")];
        let mut order = [1, 2];
        order.sort_by_key(|fiber| std::cmp::Reverse(self.places[fiber - 1].stack.end));
        let mut links = vec![link(0, 0)];
        for fiber in order {
            let Place { stack, guard } = &self.places[fiber - 1];
            let letter = ["A", "B"][fiber - 1];
            links.push(link(fiber, cells.len()));
            let used = stack.resident / 1024;
            let unused = (stack.end - stack.start) / 1024 - used;
            let guard = (guard.end - guard.start) / 1024;
            cells.push(cell(
                &format!("{letter} in use"),
                &format!("{used} KiB"),
                "stack",
            ));
            cells.push(cell(
                &format!("{letter} untouched"),
                &format!("{unused} KiB"),
                "free",
            ));
            cells.push(cell(
                &format!("{letter} guard"),
                &format!("{guard} KiB"),
                "guard",
            ));
        }
        let deepest = |whose| {
            let pointers = self.seen.iter().filter(|seen| seen.whose == whose);
            pointers.map(|seen| self.used(seen)).max().unwrap_or(0)
        };
        let registers: Vec<_> = [0, 1, 2]
            .map(|whose| match whose {
                MAIN => cell("while main runs", "main's frame", "plain"),
                fiber => {
                    let letter = ["A", "B"][fiber - 1];
                    let value = label("sp", fiber, deepest(fiber));
                    cell(&format!("while {letter} runs"), &value, "plain")
                }
            })
            .into();
        links.sort();
        println!(
            r#"{{"kind":"map","columns":[{{"name":"stack pointer","cells":[{}]}},{{"name":"memory, top down","cells":[{}]}}],"links":[{}]}}"#,
            registers.join(","),
            cells.join(","),
            links.join(",")
        );
    }
}

/// At most 18 letters.
fn label(what: &str, whose: usize, used: usize) -> String {
    match whose {
        MAIN => format!("{what} in main"),
        _ => format!("{what} at top-{used}"),
    }
}

fn span(from: usize, to: usize, label: &str, look: &str) -> String {
    format!(r#"{{"from":{from},"to":{to},"label":"{label}","look":"{look}"}}"#)
}

fn cell(label: &str, value: &str, look: &str) -> String {
    format!(r#"{{"label":"{label}","value":"{value}","look":"{look}"}}"#)
}

fn link(register: usize, cell: usize) -> String {
    format!(r#"{{"from":{{"column":0,"cell":{register}}},"to":{{"column":1,"cell":{cell}}}}}"#)
}

fn main() -> Result<()> {
    let run = Run::new()?;
    match std::env::args().nth(1).as_deref() {
        Some("lanes") => run.lanes(),
        Some("map") => run.map(),
        _ => run.text(),
    }
    Ok(())
}
