//! A convoy: eight threads take the same lock again and again. At the beginning, the main thread
//! holds it until all of them sleep. Does the queue dissolve, or does it stay?

use std::mem::MaybeUninit;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use processes::proc::{self, Syscall};

const THREADS: u32 = 8;
const LOCKINGS: u32 = 8_000;

/// How often the calling thread has given up its CPU to wait.
fn voluntary_switches() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is valid for writes, and zeroes are a valid `rusage` if the call fails.
    unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init().ru_nvcsw
    }
}

fn until_asleep(tid: i32) {
    let pid = std::process::id().cast_signed();
    loop {
        match proc::syscall(pid, tid) {
            Ok(Syscall::Inside { number, .. }) if number == libc::SYS_futex => return,
            _ => thread::sleep(Duration::from_micros(200)),
        }
    }
}

// ANCHOR: work
/// Locks and unlocks many times. Returns how often this thread waited meanwhile.
fn work<'a>(lock: &'a Mutex<u32>, unlock: fn(MutexGuard<'a, u32>)) -> i64 {
    let before = voluntary_switches();
    for _ in 0..LOCKINGS / THREADS {
        let mut guard = lock.lock();
        *guard += 1;
        unlock(guard);
    }
    voluntary_switches() - before
}
// ANCHOR_END: work

fn run<'a>(name: &str, lock: &'a Mutex<u32>, unlock: fn(MutexGuard<'a, u32>)) {
    let (tell, hear) = channel();
    let first = lock.lock();
    let (waits, took) = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let tell = tell.clone();
                scope.spawn(move || {
                    // SAFETY: the call has no arguments and cannot fail.
                    _ = tell.send(unsafe { libc::gettid() });
                    work(lock, unlock)
                })
            })
            .collect();
        hear.iter().take(threads.len()).for_each(until_asleep);
        let started = Instant::now();
        unlock(first);
        let waits = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_default());
        (waits.sum::<i64>(), started.elapsed())
    });
    println!(
        "{name:11} waited {waits:5} times in {LOCKINGS} lockings, which took {:5.1} ms",
        took.as_secs_f64() * 1_000.0
    );
}

fn main() {
    println!("{THREADS} threads take one lock again and again; together they");
    let (plain, fair) = (Mutex::new(0), Mutex::new(0));
    run("dropped", &plain, drop);
    run("unlock_fair", &fair, MutexGuard::unlock_fair);
}
