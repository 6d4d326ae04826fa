//! What waiting costs: a thread waits for a lock whose holder sleeps for 100 ms. How much CPU time
//! does the waiter use?

use std::mem::MaybeUninit;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use sync::{Mutex, SpinLock};

/// CPU time of the calling thread so far, in milliseconds, and how often it gave up its CPU to
/// wait.
fn used() -> (i64, i64) {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is valid for writes, and zeroes are a valid `rusage` if the call fails.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    let millis = |time: libc::timeval| time.tv_sec * 1_000 + time.tv_usec / 1_000;
    (
        millis(usage.ru_utime) + millis(usage.ru_stime),
        usage.ru_nvcsw,
    )
}

/// One thread holds the lock and sleeps, another one waits. Prints what the waiter used.
fn wait(name: &str, with_lock: impl Fn(&dyn Fn()) + Sync) {
    let (with_lock, held) = (&with_lock, &Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(move || {
            with_lock(&|| {
                held.wait();
                thread::sleep(Duration::from_millis(100));
            });
        });
        held.wait();
        let (before, slept) = used();
        with_lock(&|| ());
        let (after, slept_then) = used();
        let sleeps = match slept_then > slept {
            true => "it slept",
            false => "it never slept",
        };
        println!("{name:10} {:4} ms of CPU time, {sleeps}", after - before);
    });
}

fn main() {
    println!("waiting for a holder that sleeps for 100 ms:");
    let (spin, mutex) = (SpinLock::new(()), Mutex::new(()));
    wait("spin lock", |work| {
        let _guard = spin.lock();
        work();
    });
    wait("mutex", |work| {
        let _guard = mutex.lock();
        work();
    });
}
