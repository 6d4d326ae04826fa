//! A lock guard that is held across an `await`.
//!
//! The program starts itself once more, as a child in which two tasks use a
//! `std::sync::Mutex`. It watches the child get stuck, and says where.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use coroutines::budget::yield_now;
use coroutines::executor::Executor;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

// ANCHOR: stuck
/// The lint `await_holding_lock` of clippy finds this. We silence it here.
#[expect(clippy::await_holding_lock, reason = "this is the mistake to show")]
fn stuck() -> Result<()> {
    let shared = Arc::new(Mutex::new(0));
    let executor = Executor::new();
    let first = Arc::clone(&shared);
    executor.spawn(async move {
        let mut count = first.lock().unwrap_or_else(PoisonError::into_inner);
        println!("first task: I hold the lock and await");
        yield_now().await;
        *count += 1;
    });
    let second = executor.spawn(async move {
        println!("second task: I lock, too");
        *shared.lock().unwrap_or_else(PoisonError::into_inner) += 1; // blocks the thread
    });
    executor.block_on(second)?;
    println!("both have counted");
    Ok(())
}
// ANCHOR_END: stuck

// ANCHOR: dropped
/// The guard is dropped before the `await`.
fn dropped_before() -> Result<i32> {
    let shared = Arc::new(Mutex::new(0));
    let executor = Executor::new();
    let first = Arc::clone(&shared);
    let first = executor.spawn(async move {
        *first.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        yield_now().await;
    });
    let second = Arc::clone(&shared);
    let second = executor.spawn(async move {
        *second.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    });
    executor.block_on(second)?;
    executor.block_on(first)?;
    let count = *shared.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(count)
}
// ANCHOR_END: dropped

// ANCHOR: awaits
/// Locking is an `await`, too: the second task waits, and the thread does not.
fn a_lock_that_is_awaited() -> Result<i32> {
    let shared = Arc::new(tokio::sync::Mutex::new(0));
    let executor = Executor::new();
    let first = Arc::clone(&shared);
    let first = executor.spawn(async move {
        let mut count = first.lock().await;
        yield_now().await;
        *count += 1;
    });
    let second = Arc::clone(&shared);
    let second = executor.spawn(async move { *second.lock().await += 1 });
    executor.block_on(second)?;
    executor.block_on(first)?;
    Ok(*shared.blocking_lock())
}
// ANCHOR_END: awaits

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("stuck") {
        return stuck();
    }
    let mut child = Command::new(std::env::current_exe()?)
        .arg("stuck")
        .stdout(Stdio::piped())
        .spawn()?;
    let watched = watch(&mut child);
    child.kill()?;
    child.wait()?;
    watched?;
    println!("dropped before the await: {} increments", dropped_before()?);
    println!(
        "a lock that is awaited: {} increments",
        a_lock_that_is_awaited()?
    );
    Ok(())
}

/// Prints what the child says, until it is stuck, and then what it waits for.
fn watch(child: &mut Child) -> Result<()> {
    let output = child.stdout.take().ok_or("no output")?;
    for line in BufReader::new(output).lines().take(2) {
        println!("    {}", line?);
    }
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.id()))?.count();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        // The number of the system call in which it waits, and its arguments.
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", child.id()))?;
        if call.starts_with(&format!("{} ", libc::SYS_futex)) {
            println!("the child has {threads} thread, and it waits in the system call futex");
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("the child does not wait".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
}
