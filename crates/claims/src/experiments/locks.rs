//! Locks and semaphores: how many threads they let in, and how they are released.

use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Release},
};
use std::sync::mpsc::channel;
use std::sync::{Barrier, Mutex};
use std::thread;

use nix::unistd::gettid;
use sync::{Monitor, RwLock, Semaphore};

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
        // If it did not sleep, this would wait for ever, and the ledger would say so.
        asleep_in(libc::SYS_futex, tid)?;
        record.fact(
            "a thread that takes a permit from an empty semaphore",
            "sleeps",
        );
        // This thread never took a permit: a semaphore has no owner.
        let released = semaphore.release(1).is_ok();
        let joined = taker.join().is_ok();
        record.fact(
            "this thread, after a thread that never took a permit has added one",
            match released && joined {
                true => "goes on",
                false => "does not go on",
            },
        );
        Ok::<_, io::Error>(released && joined)
    })?;
    record.fact("permits left", semaphore.available());
    match waited && semaphore.available() == 0 {
        true => holds_when(
            "the counter can also make threads wait. A thread that took a permit when the counter \
             was zero slept until another thread, which never took one, added a permit.",
        ),
        false => does_not_hold("A thread that took a permit from an empty semaphore did not wait."),
    }
}

/// Three threads wait for each other inside a semaphore and inside a read-write lock.
/// If only one thread were let in, it would wait for ever. Then a thread tries to
/// enter a mutex and a monitor while another thread is inside.
fn three_are_inside_at_once(record: &mut Record) -> Judged {
    let semaphore = Semaphore::new(3);
    let lock = RwLock::new(());
    let in_semaphore = inside_at_once(|meet| {
        let _permit = semaphore.acquire();
        meet();
    });
    let in_lock = inside_at_once(|meet| {
        let _guard = lock.read();
        meet();
    });
    let (mutex, monitor) = (Mutex::new(()), Monitor::new(()));
    let (_first, _inside) = (mutex.lock(), monitor.enter());
    let (mutex_is_open, monitor_is_open) = thread::scope(|scope| {
        let other = scope.spawn(|| (mutex.try_lock().is_ok(), monitor.try_enter().is_some()));
        other
            .join()
            .map_err(|_| io::Error::other("a thread panicked"))
    })?;
    record.fact(
        "threads that were inside a semaphore with three permits at the same time",
        in_semaphore,
    );
    record.fact(
        "readers that were inside a read-write lock at the same time",
        in_lock,
    );
    let say = |open| if open { "is let in" } else { "is not let in" };
    record.fact(
        "a second thread that tries to lock a mutex",
        say(mutex_is_open),
    );
    record.fact(
        "a second thread that tries to enter a monitor",
        say(monitor_is_open),
    );
    if mutex_is_open || monitor_is_open {
        return does_not_hold("Not even the mutex and the monitor let in only one thread.");
    }
    match in_semaphore.max(in_lock) {
        2.. => does_not_hold(format!(
            "Only the mutex and the monitor did. A semaphore with three permits let in \
             {in_semaphore} threads at the same time, and a read-write lock let in {in_lock} \
             readers."
        )),
        _ => holds("No two threads were inside at the same time."),
    }
}

/// Lets three threads enter, each of which waits inside for the other two. Returns
/// how many were inside at the same time.
fn inside_at_once(enter: impl Fn(&dyn Fn()) + Sync) -> usize {
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let all_are_here = Barrier::new(3);
    let meet = || {
        let now = inside.fetch_add(1, AcqRel) + 1;
        most.fetch_max(now, AcqRel);
        all_are_here.wait();
        inside.fetch_sub(1, AcqRel);
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| enter(&meet));
        }
    });
    most.into_inner()
}
