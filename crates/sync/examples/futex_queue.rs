//! The kernel's queue of waiters: three threads sleep on one word. Another thread looks at them in
//! /proc, and wakes one, and then all.

use std::io;
use std::sync::atomic::AtomicU32;
use std::thread;
use std::time::{Duration, Instant};

use processes::proc::{self, Pid, Syscall};

/// The threads of this process that sleep on the word at `address`.
fn sleepers(pid: Pid, address: u64) -> io::Result<Vec<Pid>> {
    let sleeps = |tid: &Pid| match proc::syscall(pid, *tid) {
        Ok(Syscall::Inside { number, args, .. }) => number == libc::SYS_futex && args[0] == address,
        _ => false,
    };
    Ok(proc::tasks(pid)?.into_iter().filter(sleeps).collect())
}

/// Looks until `number` threads sleep there.
fn until(number: usize, pid: Pid, address: u64) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let sleepers = sleepers(pid, address)?.len();
        if sleepers == number {
            println!("  {sleepers} threads sleep in futex(2) on this word");
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("{sleepers} threads sleep")));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn main() -> io::Result<()> {
    let pid = std::process::id().cast_signed();
    let word = AtomicU32::new(0);
    let address = u64::try_from(word.as_ptr().addr()).map_err(io::Error::other)?;
    thread::scope(|scope| {
        for _ in 0..3 {
            // Each sleeps once; the word keeps its value all the time.
            scope.spawn(|| futex::wait(&word, 0));
        }
        until(3, pid, address)?;
        println!("FUTEX_WAKE for 1: woke one: {}", futex::wake_one(&word));
        until(2, pid, address)?;
        println!("FUTEX_WAKE for all: woke {}", futex::wake_all(&word));
        until(0, pid, address)?;
        println!("FUTEX_WAKE for 1: woke one: {}", futex::wake_one(&word));
        Ok(())
    })
}
