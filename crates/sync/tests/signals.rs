//! A signal handler that runs in the middle of a wait: the wait goes on.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use common::signals::{goes_on, install};
use sync::{Barrier, EventCount, Monitor, Mutex, Parker, RwLock, Semaphore};

const LONG: Duration = Duration::from_secs(3600);

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
