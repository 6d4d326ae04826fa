//! Where the stack pointer is while two fibers, two async tasks, and two threads take turns. The
//! book draws what this prints, as the figure "Stacks".
//!
//! In each of the three runs, A and B do the same: they begin, wait, go on, call another function,
//! and wait there. After each step, the program notes the stack pointer. So all addresses and
//! distances are those of this run.

mod registers;

use std::error::Error;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::{fs, thread};

use coroutines::fiber::{Fiber, Step};
use registers::stack_pointer;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const NAMES: [&str; 3] = ["main", "A", "B"];

/// A row of boxes, one for each of main, A and B.
fn row(name: &str, cells: Vec<Value>) -> Value {
    json!({"name": name, "cells": cells})
}

fn cell(label: &str, value: &str, look: &str) -> Value {
    json!({"label": label, "value": value, "look": look})
}

/// The box with the stack pointer.
fn pointer(at: usize) -> Value {
    row(
        "the CPU",
        vec![cell("stack pointer", &format!("{at:#x}"), "plain")],
    )
}

/// How many bytes a full bar stands for.
const FULL: f64 = 16384.0;

/// A stack of which `used` bytes are in use; for main's, below the frame of `main`.
fn stack(whose: usize, used: usize, runs: bool) -> Value {
    let (value, look) = match (whose, used) {
        (0, 0) => ("main's frame".to_owned(), "waits"),
        (0, used) => (format!("main's frame + {used} bytes"), "waits"),
        (_, 0) => ("nothing in it yet".to_owned(), "free"),
        (_, used) => (format!("{used} bytes in use"), "waits"),
    };
    let look = if runs { "stack" } else { look };
    let mut cell = cell(&format!("{}'s stack", NAMES[whose]), &value, look);
    cell["fill"] = (used as f64 / FULL).min(1.0).into();
    cell
}

fn scene(title: &str, says: &str, ask: Value, rows: Vec<Value>, links: Value) -> Value {
    json!({"title": title, "says": says, "ask": ask, "rows": rows, "links": links})
}

fn ask(question: &str, answers: &[&str], right: usize) -> Value {
    json!({"question": question, "answers": answers, "right": right})
}

/// The stacks that are in use, and how far.
struct Stacks {
    /// The highest address of each; for main's, where the frame of `main` ends.
    tops: [usize; 3],
    used: [usize; 3],
}

impl Stacks {
    /// Notes the stack pointer of `whose`. The rows are the CPU and the stacks.
    fn rows(&mut self, whose: usize, at: usize) -> Vec<Value> {
        self.used[whose] = self.tops[whose] - at;
        let cells = (0..3).map(|of| stack(of, self.used[of], of == whose));
        vec![pointer(at), row("stacks", cells.collect())]
    }
}

fn to_stack(whose: usize) -> Value {
    json!([{"from": [0, 0], "to": [1, whose]}])
}

/// Calls a function that notes the stack pointer, with a frame of about 1 KiB.
#[inline(never)]
fn deeper(mut note: impl FnMut(usize)) {
    let frame = black_box([0_u8; 1024]);
    note(stack_pointer());
    black_box(&frame);
}

/// The end of the mapping that an address is in.
fn top_of(address: usize) -> Result<usize> {
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let range = line.split_whitespace().next().unwrap_or_default();
        if let Some((start, end)) = range.split_once('-') {
            let (start, end) = (
                usize::from_str_radix(start, 16)?,
                usize::from_str_radix(end, 16)?,
            );
            if (start..end).contains(&address) {
                return Ok(end);
            }
        }
    }
    Err("the stack pointer is in no mapping".into())
}

fn fibers() -> Result<Value> {
    let new = || {
        Fiber::new(|fiber, ()| {
            fiber.suspend(stack_pointer());
            fiber.suspend(stack_pointer());
            deeper(|at| fiber.suspend(at));
        })
    };
    let (mut a, mut b) = (new()?, new()?);
    let next = |fiber: &mut Fiber<(), usize, ()>| match fiber.resume(()) {
        Step::Yield(at) => Ok(at),
        Step::Return(()) => Err("the fiber has ended"),
    };
    let main = stack_pointer();
    let in_a = next(&mut a)?;
    let mut stacks = Stacks {
        tops: [main, top_of(in_a)?, 0],
        used: [0; 3],
    };
    let mut scenes = vec![scene(
        "Main runs",
        "There are three stacks in this thread. The processor has one stack pointer, and it is in main's stack.",
        Value::Null,
        stacks.rows(0, main),
        to_stack(0),
    )];
    scenes.push(scene(
        "Main resumes A",
        "A switch of fibers is a handful of instructions: they save a few registers on main's stack, and set the stack pointer to A's stack. The kernel does not know of it.",
        ask("Main resumes fiber A. What happens to main's stack?", &["It is copied away.", "It stays where it is.", "A continues on it."], 1),
        stacks.rows(1, in_a),
        to_stack(1),
    ));
    scenes.push(scene(
        "A suspends itself",
        "The stack pointer is back where main had it. A's frames are still on A's stack, with all local variables.",
        Value::Null,
        stacks.rows(0, main),
        to_stack(0),
    ));
    let in_b = next(&mut b)?;
    stacks.tops[2] = top_of(in_b)?;
    scenes.push(scene(
        "Main resumes B",
        "B runs the same function as A, on a stack of its own, so it uses as many bytes of it.",
        Value::Null,
        stacks.rows(2, in_b),
        to_stack(2),
    ));
    scenes.push(scene(
        "Main resumes A again",
        "After B has suspended itself, main resumes A. It goes on exactly where it was, because nobody else has used its stack.",
        Value::Null,
        stacks.rows(1, next(&mut a)?),
        to_stack(1),
    ));
    scenes.push(scene(
        "A calls a function",
        "More of A's stack is in use, for the frame of the function. A can suspend itself in there, too: a fiber can wait at any depth of its calls.",
        Value::Null,
        stacks.rows(1, next(&mut a)?),
        to_stack(1),
    ));
    Ok(json!({"name": "Two fibers", "scenes": scenes}))
}

/// Waits once.
async fn once() {
    let mut is_first = true;
    poll_fn(|_| match std::mem::take(&mut is_first) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    })
    .await;
}

/// What A and B do as async tasks. `note` gets the stack pointer.
async fn task(note: &Sender<usize>) {
    let number = black_box(42_u64);
    _ = note.send(stack_pointer());
    once().await;
    _ = note.send(stack_pointer());
    black_box(number);
    once().await;
    deeper(|at| _ = note.send(at));
    once().await;
}

fn tasks() -> Result<Value> {
    let (note, noted) = channel();
    let (a, b) = (task(&note), task(&note));
    let size = size_of_val(&a);
    let (mut a, mut b) = (pin!(a), pin!(b));
    let poll = |task: Pin<&mut dyn Future<Output = ()>>| -> Result<usize> {
        _ = task.poll(&mut Context::from_waker(Waker::noop()));
        Ok(noted.try_recv()?)
    };
    let main = stack_pointer();
    let rows = |whose: usize, at: usize, states: [&str; 2]| {
        let tasks = states.iter().enumerate().map(|(task, state)| {
            let look = if whose == task + 1 { "runs" } else { "waits" };
            cell(&format!("{}: {size} bytes", NAMES[task + 1]), state, look)
        });
        vec![
            pointer(at),
            row("stacks", vec![stack(0, main - at, true)]),
            row("futures, in main's frame", tasks.collect()),
        ]
    };
    let link = |task: usize| match task {
        0 => json!([{"from": [0, 0], "to": [1, 0]}]),
        task => json!([{"from": [0, 0], "to": [1, 0]}, {"from": [1, 0], "to": [2, task - 1]}]),
    };
    let mut scenes = vec![scene(
        "Main runs",
        "There is one stack. Each of the two tasks is a future: a value that holds what the task needs while it waits. They lie in main's frame here. Neither has begun.",
        Value::Null,
        rows(0, main, ["not begun", "not begun"]),
        link(0),
    )];
    let in_a = poll(a.as_mut())?;
    scenes.push(scene(
        "Main polls A",
        "To poll a future is to call a function. So A runs on main's stack, below main's frame.",
        ask(
            "Main polls task A. On which stack does A run?",
            &["on main's stack", "on a stack of its own"],
            0,
        ),
        rows(1, in_a, ["runs", "not begun"]),
        link(1),
    ));
    scenes.push(scene(
        "A waits",
        "At its await, A returns from poll. Its frames are gone from the stack. What it needs later is in the future: its local variable, and at which await it is.",
        ask("A waits at an await. Where is its local variable now?", &["in its frame on main's stack", "on a stack of its own", "in its future"], 2),
        rows(0, main, ["at its 1st await", "not begun"]),
        link(0),
    ));
    let in_b = poll(b.as_mut())?;
    scenes.push(scene(
        "Main polls B",
        "B uses the same part of the stack that A has used before.",
        Value::Null,
        rows(2, in_b, ["at its 1st await", "runs"]),
        link(2),
    ));
    let again = poll(a.as_mut())?;
    scenes.push(scene(
        "Main polls A again",
        "A goes on after its await. It finds its variable in the future.",
        Value::Null,
        rows(1, again, ["runs", "at its 1st await"]),
        link(1),
    ));
    let deep = poll(a.as_mut())?;
    scenes.push(scene(
        "A calls a function",
        "The frame of the function is on main's stack. A cannot wait at an await in this function, because all frames must be gone when A waits. Only an async function can do that, and its state is then a part of A's future.",
        Value::Null,
        rows(1, deep, ["runs, deeper", "at its 1st await"]),
        link(1),
    ));
    Ok(json!({"name": "Two async tasks", "scenes": scenes}))
}

/// A thread that notes its stack pointer, and then waits to be told to go on.
fn take_turns(note: &Sender<usize>, go_on: &Receiver<()>) {
    _ = note.send(stack_pointer());
    _ = go_on.recv();
    _ = note.send(stack_pointer());
    _ = go_on.recv();
    deeper(|at| {
        _ = note.send(at);
        _ = go_on.recv();
    });
}

fn threads() -> Result<Value> {
    thread::scope(|scope| {
        let start = || {
            let ((note, noted), (go, go_on)) = (channel(), channel());
            scope.spawn(move || take_turns(&note, &go_on));
            (noted, go)
        };
        let main = stack_pointer();
        let mut stacks = Stacks {
            tops: [main, 0, 0],
            used: [0; 3],
        };
        // The rows of stacks, and what the kernel keeps of those that do not run.
        let mut rows = |whose: usize, at: usize, top: usize, begun: usize| {
            if whose > 0 {
                stacks.tops[whose] = top;
            }
            let mut rows = stacks.rows(whose, at);
            let kept = (0..3).map(|of| match of {
                of if of == whose => cell("in the CPU", "", "runs"),
                of if of > begun => cell("no thread yet", "", "free"),
                of => cell(
                    &format!("{}'s registers", NAMES[of]),
                    "kept by the kernel",
                    "waits",
                ),
            });
            rows.push(row("registers", kept.collect()));
            rows
        };
        let mut scenes = vec![scene(
            "Main runs",
            "One thread, with one stack. The other two do not exist yet.",
            Value::Null,
            rows(0, main, 0, 0),
            to_stack(0),
        )];
        let (noted_a, go_a) = start();
        let in_a: usize = noted_a.recv()?;
        scenes.push(scene(
            "Main starts thread A, and waits for it",
            "A has a stack of its own, like a fiber. (More of it is in use, because the C library keeps data about the thread there.) But it was the kernel that switched: it keeps all of main's registers, the stack pointer among them, and gives the CPU to A.",
            ask("Main waits, and thread A runs. Who keeps main's registers?", &["main's own stack", "the kernel", "A's stack"], 1),
            rows(1, in_a, top_of(in_a)?, 1),
            to_stack(1),
        ));
        scenes.push(scene(
            "A waits, and main runs",
            "The kernel keeps A's registers now. A's frames are still on A's stack.",
            Value::Null,
            rows(0, main, 0, 1),
            to_stack(0),
        ));
        let (noted_b, go_b) = start();
        let in_b: usize = noted_b.recv()?;
        scenes.push(scene(
            "Main starts thread B, and waits for it",
            "B runs the same function as A, on its own stack. On a second CPU, A and B could run at the same time. Two fibers of one thread never can.",
            Value::Null,
            rows(2, in_b, top_of(in_b)?, 2),
            to_stack(2),
        ));
        go_a.send(())?;
        let again: usize = noted_a.recv()?;
        scenes.push(scene(
            "A goes on",
            "It goes on where it was. Nobody else has used its stack.",
            Value::Null,
            rows(1, again, top_of(again)?, 2),
            to_stack(1),
        ));
        go_a.send(())?;
        let deep: usize = noted_a.recv()?;
        scenes.push(scene(
            "A calls a function",
            "As with fibers, A can wait in there, too.",
            Value::Null,
            rows(1, deep, top_of(deep)?, 2),
            to_stack(1),
        ));
        drop((go_a, go_b));
        Ok(json!({"name": "Two threads", "scenes": scenes}))
    })
}

fn main() -> Result<()> {
    let runs = [fibers()?, tasks()?, threads()?];
    println!("{}", json!({"kind": "scenes", "runs": runs}));
    Ok(())
}
