//! Locks and semaphores: how many threads they let in, and how they are released.

use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::mpsc::channel;
use std::sync::{Barrier, Mutex};
use std::thread;

use nix::unistd::gettid;
use sync::{RwLock, Semaphore};

use super::claim;
use super::helpers::asleep_in;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("locks.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(47 Wrong [Roommates]
        "Calling acquire before the work and release after it is a safe way to use a lock."
        a_panic_between_acquire_and_release),
    claim!(48 Half [Roommates]
        "A semaphore is a shared counter."
        a_counter_that_waits),
    claim!(49 Wrong [Byte]
        "Locks, semaphores and monitors all let in only one thread at a time."
        three_are_inside_at_once),
];

/// A lock without a guard, as in the lesson's example.
struct BareLock(AtomicBool);

impl BareLock {
    fn try_acquire(&self) -> bool {
        !self.0.swap(true, Acquire)
    }

    fn release(&self) {
        self.0.store(false, Release);
    }
}

/// Work that panics. `resume_unwind` does not print anything.
fn work() {
    resume_unwind(Box::new("a bug in the work"));
}

/// The work panics while its thread holds a lock. Can another thread take the lock
/// afterwards?
fn a_panic_between_acquire_and_release(record: &mut Record) -> Judged {
    let bare = BareLock(AtomicBool::new(false));
    let guarded = Mutex::new(());
    thread::scope(|scope| {
        let with_bare = || {
            if bare.try_acquire() {
                work();
                bare.release();
            }
        };
        let with_guard = || {
            let _guard = guarded.lock();
            work();
        };
        _ = scope.spawn(with_bare).join();
        _ = scope.spawn(with_guard).join();
    });
    let bare_is_free = bare.try_acquire();
    let guarded_is_free = !matches!(guarded.try_lock(), Err(std::sync::TryLockError::WouldBlock));
    let say = |free| if free { "gets it" } else { "waits for ever" };
    record.fact(
        "after a panic between acquire and release, the next thread that takes the lock",
        say(bare_is_free),
    );
    record.fact(
        "after a panic while a guard held the lock, the next thread that takes it",
        say(guarded_is_free),
    );
    record.fact(
        "and the lock tells it about the panic (poisoning)",
        guarded.is_poisoned(),
    );
    match (bare_is_free, guarded_is_free) {
        (false, true) => does_not_hold(
            "When the work panicked, release was never called, and the lock stayed held for ever. \
             A guard released its lock, because a panic drops the guard.",
        ),
        (true, _) => holds("The lock was released although the work panicked."),
        (false, false) => does_not_hold("Not even a guard released its lock after a panic."),
    }
}

/// A plain counter at zero would go on to minus one. A semaphore makes the thread
/// wait instead.
fn a_counter_that_waits(record: &mut Record) -> Judged {
    let semaphore = Semaphore::new(0);
    let (tell, hear) = channel();
    let waited = thread::scope(|scope| {
        let taker = scope.spawn(|| {
            _ = tell.send(gettid().as_raw());
            semaphore.acquire().forget();
        });
        let tid = hear.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        let asleep = asleep_in(libc::SYS_futex, tid).is_ok();
        record.fact(
            "a thread that takes a permit from an empty semaphore",
            "sleeps",
        );
        // This thread never took a permit: a semaphore has no owner.
        let released = semaphore.release(1).is_ok();
        let joined = taker.join().is_ok();
        Ok::<_, io::Error>(asleep && released && joined)
    })?;
    record.fact(
        "this thread, after a thread that never took a permit has added one",
        "goes on",
    );
    record.fact("permits left", semaphore.available());
    match waited && semaphore.available() == 0 {
        true => holds_when(
            "the counter can also make threads wait. A thread that took a permit when the counter \
             was zero slept until another thread, which never took one, added a permit.",
        ),
        false => does_not_hold("A thread that took a permit from an empty semaphore did not wait."),
    }
}

/// Three threads wait for each other inside. If only one thread were let in, it
/// would wait for ever.
fn three_are_inside_at_once(record: &mut Record) -> Judged {
    let semaphore = Semaphore::new(3);
    let lock = RwLock::new(());
    let (inside_semaphore, inside_lock) = (Barrier::new(3), Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let _permit = semaphore.acquire();
                inside_semaphore.wait();
            });
            scope.spawn(|| {
                let _guard = lock.read();
                inside_lock.wait();
            });
        }
    });
    let mutex = Mutex::new(());
    let first = mutex.lock();
    let second = mutex.try_lock();
    record.fact(
        "threads inside a semaphore with three permits at the same time",
        3,
    );
    record.fact("readers inside a read-write lock at the same time", 3);
    record.fact(
        "a mutex that is held can be locked a second time",
        if second.is_ok() { "yes" } else { "no" },
    );
    let alone = first.is_ok() && second.is_err();
    match alone {
        true => does_not_hold(
            "Only the mutex did. A semaphore with three permits let in three threads \
             at the same time, and a read-write lock let in three readers.",
        ),
        false => holds("No two threads were inside at the same time."),
    }
}
