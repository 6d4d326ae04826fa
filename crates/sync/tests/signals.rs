//! A signal handler that runs in the middle of a wait: the wait goes on.

mod common;

use common::Sleeper;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread::{self, Scope};
use std::time::Duration;
use sync::{Barrier, EventCount, Monitor, Mutex, Parker, RwLock, Semaphore};

const LONG: Duration = Duration::from_secs(3600);

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Relaxed);
}

/// Installs a handler for SIGALRM that does not restart system calls: they fail with EINTR.
fn install() {
    // SAFETY: the structure is valid when zeroed (no flags, an empty mask), and the handler only
    // changes an atomic.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(result, 0);
}

/// `wait` sleeps; it is interrupted five times, still sleeps, and ends after `release`.
fn goes_on<T: Send>(wait: impl FnOnce() -> T + Send, release: impl FnOnce()) -> T {
    thread::scope(|scope: &Scope<'_, '_>| {
        let sleeper = Sleeper::spawn(scope, wait);
        for _ in 0..5 {
            let before = HANDLED.load(Relaxed);
            // SAFETY: it only sends a signal, to a thread of this process that has a handler for it.
            let sent = unsafe {
                libc::syscall(
                    libc::SYS_tgkill,
                    libc::getpid(),
                    sleeper.tid(),
                    libc::SIGALRM,
                )
            };
            assert_eq!(sent, 0);
            while HANDLED.load(Relaxed) == before {
                thread::yield_now();
            }
            sleeper.until_asleep();
        }
        assert!(!sleeper.is_finished());
        release();
        sleeper.join()
    })
}

/// One test, because the count of handled signals belongs to the process.
#[test]
fn every_wait_goes_on_after_a_signal() {
    install();

    let mutex = Mutex::new(());
    let guard = mutex.lock();
    goes_on(|| drop(mutex.lock()), || drop(guard));

    let lock = RwLock::new(());
    let reader = lock.read();
    goes_on(|| drop(lock.write()), || drop(reader));
    let writer = lock.write();
    goes_on(|| drop(lock.read()), || drop(writer));

    let monitor = Monitor::new(false);
    goes_on(
        || drop(monitor.enter_when_not(|ready| !*ready)),
        || monitor.update(|ready| *ready = true),
    );
    let in_time = goes_on(
        || {
            let mut inside = monitor.enter();
            inside.wait_while_for(|only| only, LONG, |ready| *ready)
        },
        || monitor.update(|ready| *ready = false),
    );
    assert_eq!(in_time, Ok(()));

    let semaphore = Semaphore::new(0);
    goes_on(
        || semaphore.acquire().forget(),
        || semaphore.release(1).unwrap(),
    );
    let in_time = goes_on(
        || semaphore.acquire_timeout(LONG).map(drop),
        || semaphore.release(1).unwrap(),
    );
    assert_eq!(in_time, Ok(()));

    let barrier = Barrier::new(2);
    goes_on(
        || barrier.wait(),
        || {
            barrier.wait();
        },
    );

    let parker = Parker::new();
    let unparker = parker.unparker();
    let parker = goes_on(
        || {
            parker.park();
            parker
        },
        || unparker.unpark(),
    );
    let in_time = goes_on(move || parker.park_timeout(LONG), || unparker.unpark());
    assert_eq!(in_time, Ok(()));

    let (event, there) = (EventCount::new(), AtomicBool::new(false));
    goes_on(
        || event.wait_until(|| there.load(Relaxed).then_some(())),
        || {
            there.store(true, Relaxed);
            event.notify_one();
        },
    );
}
