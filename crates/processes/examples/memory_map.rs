//! Four pages of memory while a process forks, writes and executes another program; and the same
//! with a second thread. The book draws what this prints, as the figure "Memory map".
//!
//! After each step, the program asks the kernel about the pages (`/proc/PID/pagemap`), and both
//! sides read one byte of each page. The kernel tells only root which frame a page is in. But it
//! tells everybody whether another page table leads to the same frame, so the frames have numbers
//! of our own here: pages that are shared are in one frame, and the side that writes to a shared
//! page gets the copy.

mod pages;

use std::convert::Infallible;
use std::error::Error;
use std::ffi::CString;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::process::id;
use std::sync::mpsc;

use nix::sys::signal::Signal;
use nix::unistd::execv;
use pages::{Page, Pages};
use processes::{Child, fork};
use serde_json::{Value, json};

const COUNT: usize = 4;
const FRAMES: usize = COUNT + 2;

/// What a forked child is told to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Read,
    Write,
    Execute,
}

/// A forked child that takes orders, and then says what it reads in each page.
struct Forked {
    child: Child,
    go: PipeWriter,
    said: PipeReader,
}

impl Forked {
    fn new(pages: &Pages) -> io::Result<Self> {
        let (mut orders, go) = pipe()?;
        let (said, mut say) = pipe()?;
        let child = fork(|| {
            let mut order = [0];
            while orders.read_exact(&mut order).is_ok() {
                match order[0] {
                    1 => pages.write(2, 7),
                    2 => _ = sleep(),
                    _ => {}
                }
                if say.write_all(&bytes(pages)).is_err() {
                    break;
                }
            }
            0
        })?;
        Ok(Self { child, go, said })
    }

    /// What the child reads after this; nothing if it runs another program.
    fn order(&mut self, order: Order) -> io::Result<Option<[u8; COUNT]>> {
        self.go.write_all(&[order as u8])?;
        let mut bytes = [0; COUNT];
        match self.said.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            // The pipe is closed when the other program starts.
            Err(_) if order == Order::Execute => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Becomes a program that only sleeps.
fn sleep() -> nix::Result<Infallible> {
    let [path, name, time] = ["/bin/sleep", "sleep", "60"].map(CString::new);
    let (path, name, time) = (
        path.unwrap_or_default(),
        name.unwrap_or_default(),
        time.unwrap_or_default(),
    );
    execv(&path, &[name, time])
}

fn bytes(pages: &Pages) -> [u8; COUNT] {
    std::array::from_fn(|page| pages.read(page))
}

/// A page table: the frame of each page, if it has one, and what was read there.
#[derive(Clone, Default)]
struct Table {
    frames: [Option<usize>; COUNT],
    seen: Vec<Page>,
    bytes: [u8; COUNT],
}

/// Two page tables over the same frames.
#[derive(Default)]
struct Memory {
    parent: Table,
    child: Option<Table>,
    used: usize,
    before: Vec<String>,
}

impl Memory {
    fn new(pages: &Pages) -> io::Result<Self> {
        Ok(Self {
            parent: Table {
                frames: std::array::from_fn(Some),
                seen: pages.look(id().cast_signed())?,
                bytes: bytes(pages),
            },
            used: COUNT,
            ..Self::default()
        })
    }

    /// Looks at both tables after a step in which `writer` may have written.
    fn look(
        &mut self,
        pages: &Pages,
        child: Option<(&Forked, Option<[u8; COUNT]>)>,
        parent_writes: bool,
    ) -> io::Result<()> {
        self.parent.seen = pages.look(id().cast_signed())?;
        self.parent.bytes = bytes(pages);
        let Some((forked, read)) = child else {
            self.child = None;
            return Ok(());
        };
        // A fork copies the table.
        let mut table = self.child.take().unwrap_or_else(|| self.parent.clone());
        table.seen = pages.look(forked.child.pid())?;
        table.bytes = read.unwrap_or_default();
        for page in 0..COUNT {
            let ours = self.parent.frames[page];
            let is_copied = self.parent.seen[page] == Page::Alone
                && table.seen[page] == Page::Alone
                && ours == table.frames[page];
            if is_copied {
                let copy = Some(self.used);
                self.used += 1;
                match parent_writes {
                    true => self.parent.frames[page] = copy,
                    false => table.frames[page] = copy,
                }
            }
            if table.seen[page] == Page::Absent {
                table.frames[page] = None;
            }
        }
        self.child = Some(table);
        Ok(())
    }

    /// The rows and links of a picture.
    fn drawn(&mut self) -> (Value, Value) {
        let mut rows = vec![table_row("parent's page table", &self.parent)];
        let mut frames = Vec::new();
        for frame in 0..FRAMES {
            let tables = [Some(&self.parent), self.child.as_ref()];
            let users: Vec<u8> = tables
                .into_iter()
                .flatten()
                .filter_map(|table| {
                    let page = table.frames.iter().position(|at| *at == Some(frame))?;
                    Some(table.bytes[page])
                })
                .collect();
            let (value, look) = match users.as_slice() {
                [] => ("free".to_owned(), "free"),
                [byte] => (format!("holds {byte}"), "own"),
                [byte, ..] => (format!("holds {byte}"), "shared"),
            };
            frames.push(json!({"label": format!("frame {frame}"), "value": value, "look": look}));
        }
        rows.push(json!({"name": "frames in memory", "cells": frames}));
        let mut links = links(0, 1, &self.parent);
        if let Some(child) = &self.child {
            rows.push(table_row("child's page table", child));
            links.extend(self::links(2, 1, child));
        }
        self.mark(&mut rows);
        (rows.into(), links.into())
    }

    /// Marks the cells that have changed since the picture before.
    fn mark(&mut self, rows: &mut [Value]) {
        let mut now = Vec::new();
        for row in &mut *rows {
            let name = row["name"].to_string();
            for cell in row["cells"].as_array_mut().into_iter().flatten() {
                let text = format!("{name}{cell}");
                let was = now.len();
                if self.before.get(was).is_some_and(|before| *before != text) {
                    cell["new"] = true.into();
                }
                now.push(text);
            }
        }
        self.before = now;
    }
}

fn table_row(name: &str, table: &Table) -> Value {
    let cells = table.seen.iter().enumerate().map(|(number, page)| {
        let value = match page {
            Page::Absent => "leads nowhere",
            page => page.name(),
        };
        json!({"label": format!("page {number}"), "value": value, "look": page.look()})
    });
    json!({"name": name, "cells": cells.collect::<Vec<_>>()})
}

fn links(row: usize, frames: usize, table: &Table) -> Vec<Value> {
    let at = table.frames.iter().enumerate();
    at.filter_map(|(page, frame)| Some(json!({"from": [row, page], "to": [frames, (*frame)?]})))
        .collect()
}

fn scene(title: &str, says: &str, ask: Value, (rows, links): (Value, Value)) -> Value {
    json!({"title": title, "says": says, "ask": ask, "rows": rows, "links": links})
}

fn ask(question: &str, answers: &[&str], right: usize) -> Value {
    json!({"question": question, "answers": answers, "right": right})
}

fn with_processes() -> Result<Value, Box<dyn Error>> {
    let pages = Pages::new(COUNT)?;
    let mut memory = Memory::new(&pages)?;
    let mut scenes = vec![scene(
        "One process",
        "A process has written a 1 to each of four pages. Its page table leads from each page to a frame, which is a piece of the machine's memory. (The kernel keeps the real numbers of frames secret, so they have numbers of their own here. The outlines in the next steps show what has changed.)",
        Value::Null,
        memory.drawn(),
    )];

    let mut forked = Forked::new(&pages)?;
    let read = forked.order(Order::Read)?;
    memory.look(&pages, Some((&forked, read)), false)?;
    scenes.push(scene(
        "It forks, and both read",
        "There are two page tables now. Both lead to the same frames: the kernel has copied the table, and no page. It has also made all four pages read-only. Reading changes nothing.",
        ask("The process forks, and then parent and child read all pages. How many of the four pages are copied?", &["none", "the four pages", "one for each read"], 0),
        memory.drawn(),
    ));

    let read = forked.order(Order::Write)?;
    memory.look(&pages, Some((&forked, read)), false)?;
    scenes.push(scene(
        "The child writes 7 to page 2",
        "The page is read-only, so the processor calls the kernel: a page fault. The kernel copies this one page to a free frame, and the child's table leads there now. The parent still reads 1.",
        ask("The child writes 7 to page 2. What does the parent read in page 2 after that?", &["1", "7"], 0),
        memory.drawn(),
    ));

    pages.write(0, 5);
    let read = forked.order(Order::Read)?;
    memory.look(&pages, Some((&forked, read)), true)?;
    scenes.push(scene(
        "The parent writes 5 to page 0",
        "The parent has no special rights: its page is read-only, too, and it is the one that writes. So it gets the copy. The child keeps the old frame, and still reads 1.",
        ask("The parent writes 5 to page 0. Which of the two gets a new frame for page 0?", &["the child", "the parent"], 1),
        memory.drawn(),
    ));

    let read = forked.order(Order::Execute)?;
    memory.look(&pages, Some((&forked, read)), false)?;
    scenes.push(scene(
        "The child executes another program",
        "With execve, the kernel throws the child's page table away and makes a new one for the other program. At these addresses it leads nowhere. The pages that were shared now belong to the parent alone, and nothing was copied for that. The two frames that only the child used are free.",
        ask("The child calls execve to run another program. What does its page table say about the four pages then?", &["It still leads to their frames.", "It leads to copies of them.", "It leads nowhere."], 2),
        memory.drawn(),
    ));

    forked.child.signal(Signal::SIGKILL)?;
    forked.child.wait()?;
    memory.look(&pages, None, false)?;
    scenes.push(scene(
        "The child has ended",
        "Its page table is gone. The parent has its four pages, and only its own write is in them.",
        Value::Null,
        memory.drawn(),
    ));
    Ok(json!({"name": "Two processes", "scenes": scenes}))
}

/// The picture with threads: two of them, and one table.
fn of_threads(memory: &mut Memory, threads: &[(&str, &str)]) -> (Value, Value) {
    let (rows, links) = memory.drawn();
    let (rows, links) = (rows.as_array().cloned(), links.as_array().cloned());
    let mut all = vec![json!({
        "name": "threads",
        "cells": threads.iter().map(|(name, value)| json!({"label": name, "value": value, "look": "runs"})).collect::<Vec<_>>(),
    })];
    all.extend(rows.unwrap_or_default());
    all[1]["name"] = "the page table".into();
    let down = |at: &Value| json!([at[0].as_u64().unwrap_or(0) + 1, at[1]]);
    // Each thread can use each page.
    let mut joined: Vec<Value> = (0..threads.len())
        .flat_map(|thread| (0..COUNT).map(move |page| (thread, page)))
        .map(|(thread, page)| json!({"from": [0, thread], "to": [1, page]}))
        .collect();
    for link in links.unwrap_or_default() {
        joined.push(json!({"from": down(&link["from"]), "to": down(&link["to"])}));
    }
    (all.into(), joined.into())
}

fn with_threads() -> Result<Value, Box<dyn Error>> {
    let pages = &Pages::new(COUNT)?;
    let mut memory = Memory::new(pages)?;
    let mut scenes = vec![scene(
        "One thread",
        "The same four pages, and one thread that uses them.",
        Value::Null,
        of_threads(&mut memory, &[("main", "uses it")]),
    )];
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let (go, orders) = mpsc::channel::<()>();
        let (say, said) = mpsc::channel();
        scope.spawn(move || {
            _ = say.send(());
            if orders.recv().is_ok() {
                pages.write(2, 7);
                _ = say.send(());
            }
        });
        said.recv()?;
        memory.look(pages, None, false)?;
        scenes.push(scene(
            "A second thread starts",
            "Nothing was copied, not even the table. Both threads use the same one, so each page is still in one table only.",
            ask("A second thread starts. How many page tables are there?", &["one", "two"], 0),
            of_threads(&mut memory, &[("main", "uses it"), ("second", "uses it")]),
        ));
        go.send(())?;
        said.recv()?;
        memory.look(pages, None, false)?;
        scenes.push(scene(
            "The second thread writes 7 to page 2",
            "There is no page fault and no copy. The write is in the only frame of this page, and main reads 7. Nothing but the order of the two accesses decides whether main sees the write: chapter 4 is about that.",
            ask("The second thread writes 7 to page 2. What does main read in page 2 after that?", &["1", "7"], 1),
            of_threads(&mut memory, &[("main", &format!("reads {}", pages.read(2))), ("second", "has written 7")]),
        ));
        Ok(())
    })?;
    memory.look(pages, None, false)?;
    scenes.push(scene(
        "The second thread has ended",
        "Its write stays. The memory belongs to the process, and not to the thread that wrote.",
        Value::Null,
        of_threads(
            &mut memory,
            &[("main", &format!("reads {}", pages.read(2)))],
        ),
    ));
    Ok(json!({"name": "Two threads", "scenes": scenes}))
}

fn main() -> Result<(), Box<dyn Error>> {
    let runs = [with_processes()?, with_threads()?];
    println!("{}", json!({"kind": "scenes", "runs": runs}));
    Ok(())
}
