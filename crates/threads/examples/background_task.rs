//! The long-running task of the lessons: the program does other things while the task runs.
//!
//! In the lessons the task sleeps for five seconds, does not report its progress, and cannot be
//! stopped.

use std::io;
use std::time::Duration;

use threads::{BackgroundTask, Cancelled, Task};

/// Works in parts. If it is cancelled, it returns how many parts are done.
fn long_running(task: &Task, parts: u64) -> Result<u64, (Cancelled, u64)> {
    for part in 1..=parts {
        task.sleep(Duration::from_millis(5)) // its work; a real task would call task.check()
            .map_err(|cancelled| (cancelled, part - 1))?;
        task.report(part, parts);
    }
    Ok(parts)
}

fn main() -> io::Result<()> {
    let task = BackgroundTask::spawn("long-running", |task| long_running(task, 5))?;
    println!("Doing other work while the task is being performed...");
    for part in 1..=5 {
        // This sleeps until there is something to show; task.progress() would not wait.
        let progress = task.wait_for(|progress| progress.done >= part);
        println!("the task is at {part} of {}", progress.total);
    }
    if let Ok(Ok(parts)) = task.join() {
        println!("Task completed: {parts} parts");
    }

    let task = BackgroundTask::spawn("longer-running", |task| {
        task.report(1, 1_000_000);
        task.sleep(Duration::MAX)
    })?;
    let progress = task.wait_for(|progress| progress.done == 1);
    task.cancel();
    if let Ok(Err(Cancelled)) = task.join() {
        println!(
            "Another one, cancelled after its first part: stopped at {} of {}",
            progress.done, progress.total
        );
    }
    Ok(())
}
