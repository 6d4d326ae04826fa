//! A background task, step 1: a flag asks the task to stop, but the task is asleep.
//!
//! The main thread sets the flag and then looks where the task is. No Rust program can end a thread
//! from outside, so this one ends the process.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use std::{fs, process, thread};

static STOP: AtomicBool = AtomicBool::new(false);

// ANCHOR: task
fn long_running() {
    while !STOP.load(Relaxed) {
        thread::sleep(Duration::from_secs(3600)); // waits for the next hour
    }
}
// ANCHOR_END: task

/// The number of the system call in which the thread with this name sleeps (`/proc/PID/syscall`).
fn sleeps_in(name: &str) -> Option<i64> {
    fs::read_dir("/proc/self/task").ok()?.find_map(|task| {
        let folder = task.ok()?.path();
        let comm = fs::read_to_string(folder.join("comm")).ok()?;
        let call = fs::read_to_string(folder.join("syscall")).ok()?;
        (comm.trim_end() == name).then(|| call.split(' ').next()?.parse().ok())?
    })
}

fn main() {
    let builder = thread::Builder::new().name("long-running".to_owned());
    let Ok(task) = builder.spawn(long_running) else {
        return println!("the system refused a thread");
    };
    for _ in 0..5000 {
        if sleeps_in("long-running") == Some(libc::SYS_clock_nanosleep) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    STOP.store(true, Relaxed);
    thread::sleep(Duration::from_millis(50));
    let asleep = sleeps_in("long-running") == Some(libc::SYS_clock_nanosleep);
    println!("stop requested; the task has ended: {}", task.is_finished());
    println!("the task sleeps in clock_nanosleep: {asleep}");
    process::exit(0) // the only way out: an hour is long
}
