//! Step 7: a small executor, and what a task may not do in it.
//!
//! Many futures share one thread: each has a waker that puts it into a queue.
//! But a task that blocks the thread blocks all of them, and a task that lets
//! another thread wait for it needs a thread of its own.

mod visit;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use coroutines::budget::yield_now;
use visit::{Bell, Visit};

// ANCHOR: executor
type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Polls tasks whose numbers come out of a queue.
struct Executor {
    tasks: Vec<Option<Task>>,
    ready: Receiver<usize>,
    queue: Sender<usize>,
}

/// Waking a task means putting its number into the queue.
struct TaskWaker {
    number: usize,
    queue: Mutex<Sender<usize>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = queue.send(self.number); // fails if the executor is gone
    }
}

impl Executor {
    fn new() -> Self {
        let (queue, ready) = mpsc::channel();
        let tasks = Vec::new();
        Self {
            tasks,
            ready,
            queue,
        }
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        let _ = self.queue.send(self.tasks.len());
        self.tasks.push(Some(Box::pin(task)));
    }

    /// Runs until all tasks have ended.
    fn run(&mut self) {
        while self.tasks.iter().any(Option::is_some) {
            // The thread sleeps here while the queue is empty.
            let Ok(number) = self.ready.recv() else {
                return;
            };
            let Some(task) = &mut self.tasks[number] else {
                continue; // woken once more after its end
            };
            let queue = Mutex::new(self.queue.clone());
            let waker = Waker::from(Arc::new(TaskWaker { number, queue }));
            if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.tasks[number] = None;
            }
        }
    }
}
// ANCHOR_END: executor

// ANCHOR: main
fn main() {
    let bell = Arc::new(Bell::default());
    let visit = Visit::Starts(Arc::clone(&bell));
    let mut executor = Executor::new();
    executor.spawn(async move { println!("    {}", visit.await) });
    executor.spawn(async move {
        println!("    ding-dong");
        bell.ring();
    });
    executor.run();

    let (beats, _) = beside(false);
    println!("a task that blocks: {beats} heartbeats meanwhile");
    let (beats, threads) = beside(true);
    println!("a task that awaits: {beats} heartbeats meanwhile, and {threads} threads");
}

/// Counts the heartbeats of one task while another waits for 20 ms, and the
/// threads of the process.
fn beside(awaits: bool) -> (u32, usize) {
    let waits = Rc::new(Cell::new(false));
    let seen = Rc::new(Cell::new((0, 0)));
    let (begun, count) = (Rc::clone(&waits), Rc::clone(&seen));
    let mut executor = Executor::new();
    executor.spawn(async move {
        begun.set(true);
        if awaits {
            let bell = Arc::new(Bell::default());
            let visit = Visit::Starts(Arc::clone(&bell));
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                bell.ring();
            });
            visit.await;
        } else {
            thread::sleep(Duration::from_millis(20));
        }
        begun.set(false);
    });
    executor.spawn(async move {
        while waits.get() {
            let (beats, most) = count.get();
            count.set((beats + 1, threads().max(most)));
            yield_now().await;
        }
    });
    executor.run();
    seen.get()
}
// ANCHOR_END: main

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
