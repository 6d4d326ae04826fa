//! Right: threads that all wait, for longer than the judge needs to look, and
//! are woken in the end by time or by each other. None of it is a deadlock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock};
use std::thread;

use proctor::Subject;

use crate::driver::{Expect, check, passes};
use crate::kit::{LONG, futex_set, futex_until_set, futex_wait, sleep_long};

const TABLE: &[Expect] = &[
    passes("wait_timeout_on_a_condition_variable_that_nobody_notifies"),
    passes("park_timeout_without_unpark"),
    passes("recv_timeout_on_a_silent_channel"),
    passes("a_futex_with_a_timeout"),
    passes("a_futex_with_an_absolute_deadline"),
    passes("a_join_of_a_thread_that_sleeps"),
    passes("a_barrier_whose_last_thread_comes_late"),
    passes("a_lock_held_by_a_sleeper"),
    passes("a_read_lock_held_by_a_sleeper"),
    passes("a_condition_notified_late"),
    passes("a_wake_that_goes_through_five_threads"),
    passes("waiters_beside_a_poll_with_a_timeout"),
    passes("waiters_beside_a_timed_wait_for_a_signal"),
    passes("waits_that_time_out_again_and_again"),
    passes("two_timed_locks_in_opposite_order"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 4);
}

case!(
    wait_timeout_on_a_condition_variable_that_nobody_notifies,
    |n| {
        let (lock, condition) = (Mutex::new(()), Condvar::new());
        let (_guard, result) = condition
            .wait_timeout_while(lock.lock().unwrap(), LONG, |()| true)
            .unwrap();
        assert!(result.timed_out());
        2 * n
    }
);

case!(park_timeout_without_unpark, |n| {
    let began = std::time::Instant::now();
    while began.elapsed() < LONG {
        thread::park_timeout(LONG.saturating_sub(began.elapsed()));
    }
    2 * n
});

case!(recv_timeout_on_a_silent_channel, |n| {
    let (sender, receiver) = mpsc::channel::<()>();
    assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Timeout));
    drop(sender);
    2 * n
});

case!(a_futex_with_a_timeout, |n| {
    futex_wait(&AtomicU32::new(0), 0, Some(LONG));
    2 * n
});

case!(a_futex_with_an_absolute_deadline, |n| {
    let word = AtomicU32::new(0);
    let mut until = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: word and time outlive the calls.
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut until);
        until.tv_sec += 1;
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET,
            0,
            &raw const until,
            0,
            libc::FUTEX_BITSET_MATCH_ANY,
        );
    }
    2 * n
});

case!(a_join_of_a_thread_that_sleeps, |n| {
    thread::spawn(move || {
        sleep_long();
        2 * n
    })
    .join()
    .unwrap()
});

case!(a_barrier_whose_last_thread_comes_late, |n| {
    let barrier = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| barrier.wait());
        }
        sleep_long();
        barrier.wait();
    });
    2 * n
});

case!(a_lock_held_by_a_sleeper, |n| {
    let total = Mutex::new(0);
    let held = total.lock().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| *total.lock().unwrap() += n / 8);
        }
        sleep_long();
        drop(held);
    });
    let total = *total.lock().unwrap();
    total - 8 * (n / 8) + 2 * n
});

case!(a_read_lock_held_by_a_sleeper, |n| {
    let lock = RwLock::new(n);
    let held = lock.read().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| *lock.write().unwrap() *= 2);
        sleep_long();
        drop(held);
    });
    lock.into_inner().unwrap()
});

case!(a_condition_notified_late, |n| {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let notifier = Arc::clone(&pair);
    thread::spawn(move || {
        sleep_long();
        *notifier.0.lock().unwrap() = 2 * n;
        notifier.1.notify_all();
    });
    let guard = pair.0.lock().unwrap();
    *pair.1.wait_while(guard, |value| *value != 2 * n).unwrap()
});

case!(a_wake_that_goes_through_five_threads, |n| {
    let (first, mut previous) = mpsc::channel();
    for _ in 0..5 {
        let (next, receiver) = mpsc::channel();
        let input = std::mem::replace(&mut previous, receiver);
        thread::spawn(move || next.send(input.recv().unwrap()).unwrap());
    }
    thread::spawn(move || {
        sleep_long();
        first.send(2 * n).unwrap();
    });
    previous.recv().unwrap()
});

case!(waiters_beside_a_poll_with_a_timeout, |n| {
    let word = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| futex_until_set(&word));
        let millis = u16::try_from(LONG.as_millis()).unwrap();
        assert_eq!(nix::poll::poll(&mut [], millis), Ok(0));
        futex_set(&word);
    });
    2 * n
});

case!(waiters_beside_a_timed_wait_for_a_signal, |n| {
    let word = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| futex_until_set(&word));
        let signals = nix::sys::signal::SigSet::from(nix::sys::signal::Signal::SIGUSR1);
        let patience = libc::timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        // SAFETY: set and time outlive the call; no information is asked for.
        unsafe {
            libc::sigtimedwait(signals.as_ref(), std::ptr::null_mut(), &raw const patience);
        }
        futex_set(&word);
    });
    2 * n
});

case!(waits_that_time_out_again_and_again, |n| {
    let (lock, condition) = (Mutex::new(()), Condvar::new());
    let mut guard = lock.lock().unwrap();
    for _ in 0..200 {
        guard = condition.wait_timeout(guard, LONG / 200).unwrap().0;
    }
    2 * n
});

case!(two_timed_locks_in_opposite_order, |n| {
    // Each holds one and wants the other's, but gives up after a while.
    let held = [AtomicU32::new(1), AtomicU32::new(1)];
    let gave_up = AtomicU32::new(0);
    thread::scope(|scope| {
        for wanted in &held {
            let gave_up = &gave_up;
            scope.spawn(move || {
                futex_wait(wanted, 1, Some(LONG));
                gave_up.fetch_add(1, Ordering::Relaxed)
            });
        }
    });
    u64::from(gave_up.into_inner()) * n
});
