//! A deadlock in a live process: a child process deadlocks two of its threads, and this program
//! asks the kernel what they wait for. Then it kills the child.
//!
//! ```text
//! deadlock_in_a_child              reads /proc
//! deadlock_in_a_child who-waits    lets `cargo course who-waits` read it
//! ```

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use processes::proc::{self, Pid, Syscall};

// ANCHOR: deadlock
/// Two threads take two locks in opposite orders. The barrier makes sure that each has its first
/// lock before it asks for the second one.
fn deadlock() {
    let (kitchen, bathroom) = (Mutex::new(()), Mutex::new(()));
    println!(
        "the kitchen's lock is at {:p}, the bathroom's at {:p}",
        &kitchen, &bathroom
    );
    let both_hold_one = Barrier::new(2);
    thread::scope(|scope| {
        for (name, first, second) in [
            ("cook", &kitchen, &bathroom),
            ("bather", &bathroom, &kitchen),
        ] {
            let both_hold_one = &both_hold_one;
            let thread = thread::Builder::new().name(name.to_owned());
            let started = thread.spawn_scoped(scope, move || {
                let _first = first.lock();
                both_hold_one.wait();
                let _second = second.lock();
            });
            started.expect("a thread starts");
        }
    });
}
// ANCHOR_END: deadlock

/// The child, which is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The futex word that a thread sleeps on, if it sleeps on one.
fn futex_of(pid: Pid, tid: Pid) -> Option<u64> {
    match proc::syscall(pid, tid).ok()? {
        Syscall::Inside { number, args, .. } if number == libc::SYS_futex => Some(args[0]),
        _ => None,
    }
}

/// The threads that sleep, with their names and the addresses of their words.
fn sleepers(pid: Pid) -> io::Result<Vec<(Pid, String, u64)>> {
    let mut found = Vec::new();
    for tid in proc::tasks(pid)? {
        if let (Ok(stat), Some(word)) = (proc::task_stat(pid, tid), futex_of(pid, tid)) {
            found.push((tid, stat.comm, word));
        }
    }
    Ok(found)
}

fn main() -> io::Result<()> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    if argument == "child" {
        deadlock();
        return Ok(());
    }
    let child = Command::new(std::env::current_exe()?)
        .arg("child")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut child = Killed(child);
    let pid = child.0.id().cast_signed();
    let mut line = String::new();
    let output = child.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    BufReader::new(output).read_line(&mut line)?;
    let address = |word: &str| {
        let digits = word.trim_end_matches(',').strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let locks: Vec<u64> = line.split_whitespace().filter_map(address).collect();

    // Until both threads sleep on the word of a lock, the deadlock has not happened yet.
    let deadline = Instant::now() + Duration::from_secs(20);
    let deadlocked = loop {
        let mut now = sleepers(pid)?;
        let all = now.len();
        now.retain(|(_, _, word)| locks.contains(word));
        // The third sleeper is the main thread.
        if now.len() == 2 && all == 3 {
            break now;
        }
        if Instant::now() > deadline {
            return Err(io::Error::other("the child did not deadlock"));
        }
        thread::sleep(Duration::from_millis(5));
    };
    if argument == "who-waits" {
        print!("{line}");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let said = Command::new(cargo)
            .args(["course", "who-waits", &pid.to_string()])
            .output()?;
        print!("{}", String::from_utf8_lossy(&said.stdout));
        return Ok(());
    }
    for (_, name, word) in deadlocked {
        let lock = ["the kitchen's lock", "the bathroom's lock"];
        let lock = lock[locks.iter().position(|lock| *lock == word).unwrap_or(0)];
        println!("thread {name} sleeps in futex, on the word of {lock}");
    }
    Ok(())
}
