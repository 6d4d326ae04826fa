//! Locks, semaphores and who is let in.

use super::claim;
use super::helpers::asleep_in;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};
use nix::unistd::gettid;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::mpsc::channel;
use std::sync::{Barrier, Mutex};
use std::thread;
use sync::{RwLock, Semaphore};

const SOURCE: &str = include_str!("locks.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(47 Wrong [Roommates]
        "Acquire the lock, do the work, release the lock: that is how a lock is used."
        a_panic_between_acquire_and_release),
    claim!(48 Half [Roommates]
        "A semaphore is a shared counter."
        a_counter_that_waits),
    claim!(49 Wrong [Byte]
        "Locks, semaphores and monitors let one thread in at a time."
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

/// Panics, as work does now and then; without printing anything.
fn work() {
    resume_unwind(Box::new("a bug in the work"));
}

/// The work panics. Does anybody ever get in again?
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
    let say = |free| if free { "gets in" } else { "waits for ever" };
    record.fact(
        "after a panic between acquire and release, the next",
        say(bare_is_free),
    );
    record.fact(
        "after a panic under a guard, the next",
        say(guarded_is_free),
    );
    record.fact("and is told of it", guarded.is_poisoned());
    match (bare_is_free, guarded_is_free) {
        (false, true) => does_not_hold(
            "a panic in the work left the lock held for ever; \
             a guard, which releases when it is dropped, did not",
        ),
        (true, _) => holds("the lock was released although the work panicked"),
        (false, false) => does_not_hold("not even the guard released the lock"),
    }
}

/// At zero, a counter would go on to minus one.
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
        record.fact("who takes a permit where there is none", "sleeps");
        // This thread never took one: a semaphore has no owner.
        let released = semaphore.release(1).is_ok();
        let joined = taker.join().is_ok();
        Ok::<_, io::Error>(asleep && released && joined)
    })?;
    record.fact("released by a thread that never took one, it", "goes on");
    record.fact("permits left", semaphore.available());
    match waited && semaphore.available() == 0 {
        true => holds_when(
            "one adds that it waits: who finds it at zero sleeps until another, \
             any other, adds one",
        ),
        false => does_not_hold("who took from an empty semaphore did not wait"),
    }
}

/// Three threads meet inside; if only one were let in, none would ever leave.
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
    record.fact("threads that met inside a semaphore of three", 3);
    record.fact("readers that met inside a read-write lock", 3);
    record.fact(
        "a second one inside a mutex",
        if second.is_ok() { "yes" } else { "no" },
    );
    let alone = first.is_ok() && second.is_err();
    match alone {
        true => {
            does_not_hold("only the mutex did: a semaphore of three and a read lock let in three")
        }
        false => holds("nobody met anybody"),
    }
}
