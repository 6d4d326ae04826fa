//! Priority inversion on one CPU: an urgent thread waits for a lock that an unimportant thread
//! holds. The unimportant thread does not get the CPU, because a third thread uses it.

use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The calling thread, and all threads that it starts, may use only one CPU from now on.
fn use_one_cpu() -> io::Result<()> {
    let mut cpus = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: `cpus` is valid for writes of its size, and zeroes are a valid empty set.
    let mut allowed = unsafe {
        let size = size_of::<libc::cpu_set_t>();
        if libc::sched_getaffinity(0, size, cpus.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        cpus.assume_init()
    };
    // SAFETY: `allowed` is an initialized set, and the number is smaller than its size.
    let last = (0..1024).rfind(|cpu| unsafe { libc::CPU_ISSET(*cpu, &allowed) });
    // SAFETY: as above; the size is that of the set.
    let result = unsafe {
        libc::CPU_ZERO(&mut allowed);
        libc::CPU_SET(last.unwrap_or(0), &mut allowed);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const allowed)
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// From now on, the calling thread gets almost no CPU time while another thread wants its CPU.
/// (SCHED_IDLE; every user may do this.)
fn become_unimportant() -> io::Result<()> {
    // SAFETY: zeroes are valid parameters, and the policy takes no others.
    let result = unsafe {
        let parameters = MaybeUninit::<libc::sched_param>::zeroed().assume_init();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters)
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Uses the CPU until `done`.
fn compute(mut done: impl FnMut() -> bool) {
    while !done() {
        for number in 0..1_000 {
            black_box(number);
        }
    }
}

/// How long the urgent thread waits for the lock, while a third thread computes for `busy`.
fn wait(busy: Duration) -> io::Result<Duration> {
    let (lock, held) = (Mutex::new(()), Barrier::new(2));
    let waits = AtomicBool::new(false);
    thread::scope(|scope| {
        let unimportant = scope.spawn(|| {
            let guard = lock.lock();
            held.wait();
            let policy = become_unimportant();
            let mut turns = 0;
            compute(|| {
                turns += 1;
                turns > 2_000 && waits.load(Relaxed)
            });
            drop(guard);
            policy
        });
        held.wait();
        let started = Instant::now();
        scope.spawn(move || compute(|| started.elapsed() > busy));
        waits.store(true, Relaxed);
        drop(lock.lock());
        let waited = started.elapsed();
        let policy = unimportant.join();
        policy.map_err(|_| io::Error::other("a thread panicked"))??;
        Ok(waited)
    })
}

fn main() -> io::Result<()> {
    use_one_cpu()?;
    println!("an urgent thread waits for a lock that an unimportant thread holds:");
    let alone = wait(Duration::ZERO)?;
    println!(
        "  no other thread computes:             {:4} ms",
        alone.as_millis()
    );
    let beside = wait(Duration::from_millis(500))?;
    println!(
        "  a third thread computes for 500 ms:   {:4} ms",
        beside.as_millis()
    );
    Ok(())
}
