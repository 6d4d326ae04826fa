//! Six small programs, and all schedules of each: the game "be the scheduler" of the book.
//!
//! ```text
//! be_the_scheduler                  lists the levels, and how many schedules end wrong
//! be_the_scheduler data             prints all schedules of all levels as data
//! be_the_scheduler two_steps:aba    runs a level by a schedule, and draws what happens
//! ```

mod level_1;
mod level_2;
mod level_3;
mod level_4;
mod level_5;
mod level_6;
mod noting;

use std::process::ExitCode;

use interleave::position::{End, Position, Request, ThreadState};
use interleave::{Explore, Timeline, std::thread};
use serde_json::{Value, json};

/// A program to break.
struct Level {
    /// The name that its schedules begin with.
    name: &'static str,
    title: &'static str,
    /// The file with the program.
    text: &'static str,
    play: fn(),
    /// The explorer's names of what is shared, what the program calls it, and its first value.
    shared: &'static [(&'static str, &'static str, &'static str)],
    /// What happens in it, and what would be wrong.
    task: &'static str,
    /// What one learns from it.
    lesson: &'static str,
}

/// Stands for the value behind the lock, which the explorer does not know.
const NOTED: &str = "the value behind the lock";

const LEVELS: [Level; 6] = [
    Level {
        name: "two_steps",
        title: "A load and a store",
        text: include_str!("level_1.rs"),
        play: level_1::play,
        shared: &[("AtomicU32 #1", "counter", "0")],
        task: "Two threads add one to a counter. Lose one of the two additions.",
        lesson: "Both threads have loaded the same number before either of them stored. Between a load and a store there is room for another thread.",
    },
    Level {
        name: "tickets",
        title: "fetch_add, and a load",
        text: include_str!("level_2.rs"),
        play: level_2::play,
        shared: &[("AtomicU32 #1", "last", "0")],
        task: "fetch_add is one step that nobody can divide. Still, give both threads the same ticket.",
        lesson: "Two atomic steps, one after the other, are not one atomic step. The number that the thread needs is what fetch_add returns.",
    },
    Level {
        name: "two_locks",
        title: "A mutex, locked twice",
        text: include_str!("level_3.rs"),
        play: level_3::play,
        shared: &[(NOTED, "account", "0"), ("Mutex #1", "its lock", "free")],
        task: "Each access to the account holds the lock. Still, lose one of the two payments.",
        lesson: "The lock is free between the reading and the writing. A lock protects what happens while one guard lives, and nothing between two guards.",
    },
    Level {
        name: "check_then_act",
        title: "Check, then act",
        text: include_str!("level_4.rs"),
        play: level_4::play,
        shared: &[
            ("AtomicBool #1", "is_made", "false"),
            ("AtomicU32 #1", "cups", "0"),
        ],
        task: "Whoever finds no coffee makes one cup, and says so. Make two cups.",
        lesson: "Both threads looked before either of them said that there is coffee. The look and the change have to be one step, such as a compare-exchange.",
    },
    Level {
        name: "if_around_wait",
        title: "A wait without a loop",
        text: include_str!("level_5.rs"),
        play: level_5::play,
        shared: &[
            (NOTED, "plates", "0"),
            ("Mutex #1", "its lock", "free"),
            ("Condvar #1", "arrived", ""),
        ],
        task: "B waits until a plate arrives. Let B take a plate from an empty shelf.",
        lesson: "The wake-up says that there was a plate. By the time B has the lock again, A has taken the plate back. B has to look again, in a loop.",
    },
    Level {
        name: "versions",
        title: "A stack with versions",
        text: include_str!("level_6.rs"),
        play: level_6::play,
        shared: &[
            ("AtomicU32 #1", "stack", "1"),
            ("AtomicU32 #2", "below_1", "2"),
        ],
        task: "A loads the top of the stack, and exchanges it for the node below if the top is still the same. Let B take both nodes and put node 1 back in between.",
        lesson: "Node 1 is on top again, but with another version, so the exchange of A fails and A begins again. Without the version it would succeed, and node 2 would be on the stack although B has it. This is called the ABA problem.",
    },
];

/// Runs `b` in a second thread and `a` in this one. Returns both results.
fn both<A: 'static, B: Send + 'static>(
    b: impl FnOnce() -> B + Send + 'static,
    a: impl FnOnce() -> A,
) -> (B, A) {
    let b = thread::spawn(b);
    let a = a();
    (b.join().unwrap(), a)
}

/// The lines of a program that are shown, and the number of the line before them.
fn shown(text: &str) -> (Vec<&str>, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let at = |mark: &str| lines.iter().position(|line| line.trim() == mark);
    let first = at("// ANCHOR: shown").map_or(0, |line| line + 1);
    let end = at("// ANCHOR_END: shown").unwrap_or(lines.len());
    (lines[first..end].to_vec(), first)
}

fn explorer() -> Explore {
    Explore::new().scenario_file("").spurious(0)
}

fn position(level: &Level, schedule: &str, count: u64) -> Result<Position, String> {
    explorer().position_of(
        level.play,
        &Request {
            scenario: None,
            schedule: schedule.to_owned(),
            run_on: true,
            count,
            answer: "".into(),
        },
    )
}

/// A place in the schedules of a level: what has happened, and what can happen next.
struct Node {
    data: Value,
    schedules: u32,
    wrong: u32,
}

impl Level {
    /// A text of the explorer, with the names of the program.
    fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (theirs, name, _) in self.shared {
            // The lock has the name of what it protects.
            let name = match self.shared.first() {
                Some((NOTED, value, _)) if *name == "its lock" => value,
                _ => name,
            };
            text = text.replace(&format!("{theirs} "), &format!("{name}."));
            text = text.replace(theirs, name);
        }
        // All accesses have this ordering, and the program says so.
        text.replace(", SeqCst)", ")").replace("(SeqCst)", "")
    }

    /// The value of everything that is shared and has one.
    fn values(&self, here: &Position) -> Vec<String> {
        let valued = self.shared.iter().filter(|(.., first)| !first.is_empty());
        valued
            .map(|(theirs, _, first)| {
                if *theirs == NOTED {
                    return noting::noted().to_string();
                }
                let object = here.objects.iter().find(|object| object.name == *theirs);
                let value = object.map_or(*first, |object| &object.value);
                value.replace("by a", "by A").replace("by b", "by B")
            })
            .collect()
    }

    /// What happens in the lines of the program, drawn.
    fn drawn(&self, mut timeline: Timeline) -> String {
        timeline.threads = vec!["A".to_owned(), "B".to_owned()];
        timeline.steps.retain(|step| self.line(&step.place) > 0);
        for step in &mut timeline.steps {
            step.place = format!("line {}", self.line(&step.place));
            step.operation = self.named(&step.operation);
        }
        let picture = timeline.picture(98);
        let lines = picture.lines().map(str::trim_end);
        lines.flat_map(|line| [line, "\n"]).collect::<String>() + "\n"
    }

    /// The line of the program that a place is in, counted from 1; 0 for everything around it.
    fn line(&self, place: &str) -> usize {
        let (lines, before) = shown(self.text);
        let number = place.rsplit(':').next().and_then(|line| line.parse().ok());
        let line = number.unwrap_or(0_usize).saturating_sub(before);
        line * usize::from(line <= lines.len())
    }
}

/// The schedules that begin with `schedule`, as a tree. `seen` steps of the timeline are known.
fn tree(level: &Level, schedule: &str, seen: usize) -> Result<Node, String> {
    let here = position(level, schedule, 1)?;
    // Once more, and no further: what was noted last is what is there now.
    position(level, &here.schedule, 0)?;
    let steps = here.timeline.steps.iter().skip(seen);
    let steps: Vec<_> = steps
        .filter(|step| level.line(&step.place) > 0)
        .map(|step| {
            let value = match step.value.as_str() {
                "" => String::new(),
                value => format!(" → {value}"),
            };
            let text = level.named(&format!("{}{value}", step.operation));
            json!([step.thread, level.line(&step.place), text])
        })
        .collect();
    let lines = here.threads.iter().map(|thread| match thread.state {
        ThreadState::Ended => 0,
        _ => level.line(&thread.place),
    });
    let mut data = json!({
        "schedule": here.schedule, "steps": steps,
        "lines": lines.collect::<Vec<_>>(), "values": level.values(&here),
    });
    let (mut schedules, mut wrong) = (0, 0);
    match &here.end {
        Some(End::Held) => {
            data["right"] = true.into();
            schedules = 1;
        }
        Some(End::Failed { message, .. }) => {
            data["right"] = false.into();
            data["says"] = message.lines().next().unwrap_or_default().into();
            (schedules, wrong) = (1, 1);
        }
        Some(End::NotJudged(reason)) => return Err(reason.clone()),
        None => {
            let mut next = Vec::new();
            for (number, thread) in here.threads.iter().enumerate() {
                for way in &thread.ways {
                    let longer = format!("{}{}", here.schedule, way.step);
                    let child = tree(level, &longer, here.timeline.steps.len())?;
                    schedules += child.schedules;
                    wrong += child.wrong;
                    next.push(json!({"thread": number, "node": child.data}));
                }
            }
            data["next"] = Value::Array(next);
        }
    }
    Ok(Node {
        data,
        schedules,
        wrong,
    })
}

fn data() -> Result<Value, String> {
    let mut levels = Vec::new();
    for level in &LEVELS {
        levels.push(json!({
            "name": level.name,
            "title": level.title,
            "task": level.task,
            "lesson": level.lesson,
            "program": shown(level.text).0,
            "shared": level.shared.iter().filter(|(.., first)| !first.is_empty())
                .map(|(_, name, _)| *name).collect::<Vec<_>>(),
            "tree": tree(level, "", 0)?.data,
        }));
    }
    Ok(json!({"kind": "schedules", "threads": ["A", "B"], "levels": levels}))
}

fn list() -> Result<(), String> {
    for (number, level) in LEVELS.iter().enumerate() {
        let tree = tree(level, "", 0)?;
        println!(
            "{}. {:14} {:24} {:3} schedules, {:3} end wrong",
            number + 1,
            level.name,
            level.title,
            tree.schedules,
            tree.wrong
        );
    }
    Ok(())
}

/// Runs a level by a schedule, and draws it. True if it ends right.
fn replay(text: &str) -> Result<bool, String> {
    let names = || LEVELS.map(|level| level.name).join(", ");
    let (name, schedule) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` is not LEVEL:SCHEDULE; the levels are {}", names()))?;
    let level = LEVELS.iter().find(|level| level.name == name);
    let level =
        level.ok_or_else(|| format!("there is no level `{name}`; the levels are {}", names()))?;
    let found = explorer().replay_of(level.play, schedule);
    if let Some(reason) = found.not_judged {
        return Err(reason);
    }
    match found.failure {
        Some(failure) => {
            let says = failure.message.lines().next().unwrap_or_default();
            println!("{}✗ {says}", level.drawn(failure.timeline));
            Ok(false)
        }
        None => {
            let timeline = position(level, schedule, 0)?.timeline;
            println!("{}✓ everything is as it should be", level.drawn(timeline));
            Ok(true)
        }
    }
}

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let done = match argument.as_deref() {
        None => list().map(|()| true),
        Some("data") => data().map(|data| {
            println!("{data}");
            true
        }),
        Some(schedule) => replay(schedule),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
    }
}
