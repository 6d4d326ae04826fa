//! Wrong: code that burns the CPU, or sleeps, and will never answer.
#![allow(
    clippy::missing_spin_loop,
    clippy::empty_loop,
    reason = "these are the mistakes to be found"
)]

use std::hint::spin_loop;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use proctor::Outcome::{Limit, Spin, Timeout};
use proctor::Subject;

use crate::driver::{Expect, check, ends};
use crate::kit::{LONG, child, futex_until_set, reap, set_on, sleep_long};

const TABLE: &[Expect] = &[
    ends(&[Spin], "", "an_empty_spin").within(1500),
    ends(&[Spin], "", "an_empty_loop").within(1500),
    ends(&[Spin], "", "a_spin_with_a_hint").within(1500),
    ends(&[Spin], "", "a_spin_that_yields").within(1500),
    ends(&[Spin], "", "a_spin_on_a_flag_under_a_lock").within(1500),
    ends(&[Spin], "", "a_spin_with_compare_exchange").within(1500),
    ends(&[Spin], "", "two_threads_spin").within(1500),
    ends(&[Spin], "", "four_threads_spin").within(1500),
    ends(&[Spin], "", "a_second_thread_spins").within(1500),
    ends(&[Spin], "", "a_spin_beside_waiters").within(1500),
    ends(&[Spin], "", "a_spin_after_a_sleep"),
    ends(&[Spin], "", "a_child_spins").within(1500),
    ends(&[Spin], "", "a_child_spins_on_its_own_copy_of_a_flag").within(1500),
    ends(&[Spin], "", "a_spin_with_a_handler_of_sigchld").within(1500),
    ends(&[Spin], "", "a_child_spins_and_its_parent_handles_sigchld").within(1500),
    // Something changes all the time, so the judge cannot prove a spin: a
    // timeout is right too.
    ends(&[Spin, Timeout], "", "a_spin_that_counts"),
    ends(
        &[Spin, Timeout],
        "",
        "two_threads_that_give_way_to_each_other",
    ),
    ends(&[Spin, Timeout], "", "a_spin_that_asks_the_time"),
    ends(&[Timeout], "", "a_wait_in_naps"),
    ends(&[Timeout], "1.0 s", "sleeps_for_ever"),
    ends(&[Timeout], "", "a_child_sleeps_for_ever"),
    ends(&[Limit, Timeout], "", "prints_without_end"),
    ends(&[Limit, Timeout], "", "works_without_end_in_many_threads"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 1);
}

static FLAG: AtomicBool = AtomicBool::new(false);

case!(an_empty_spin, |n| {
    while !FLAG.load(Ordering::Acquire) {}
    2 * n
});

case!(an_empty_loop, |n| {
    if n < u64::MAX {
        loop {}
    }
    2 * n
});

case!(a_spin_with_a_handler_of_sigchld, |n| {
    set_on(Signal::SIGCHLD);
    reap(child(|| ()));
    while !FLAG.load(Ordering::Acquire) {}
    2 * n
});

case!(a_child_spins_and_its_parent_handles_sigchld, |n| {
    set_on(Signal::SIGCHLD);
    reap(child(|| while !FLAG.load(Ordering::Acquire) {}));
    2 * n
});

case!(a_spin_with_a_hint, |n| {
    while !FLAG.load(Ordering::Acquire) {
        spin_loop();
    }
    2 * n
});

case!(a_spin_that_yields, |n| {
    while !FLAG.load(Ordering::Acquire) {
        thread::yield_now();
    }
    2 * n
});

case!(a_spin_on_a_flag_under_a_lock, |n| {
    let flag = Mutex::new(false);
    while !*flag.lock().unwrap() {}
    2 * n
});

case!(a_spin_with_compare_exchange, |n| {
    // A spin lock that is locked again by its holder.
    let held = AtomicBool::new(true);
    while held
        .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        spin_loop();
    }
    2 * n
});

fn spinners(count: usize) {
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| while !FLAG.load(Ordering::Acquire) {});
        }
    });
}

case!(two_threads_spin, |n| {
    spinners(2);
    2 * n
});

case!(four_threads_spin, |n| {
    spinners(4);
    2 * n
});

case!(a_second_thread_spins, |n| {
    spinners(1);
    2 * n
});

case!(a_spin_beside_waiters, |n| {
    let word = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| futex_until_set(&word));
        }
        while word.load(Ordering::Acquire) == 0 {}
    });
    2 * n
});

case!(a_spin_after_a_sleep, |n| {
    sleep_long();
    while !FLAG.load(Ordering::Acquire) {}
    2 * n
});

case!(a_child_spins, |n| {
    reap(child(|| while !FLAG.load(Ordering::Acquire) {}));
    2 * n
});

case!(a_child_spins_on_its_own_copy_of_a_flag, |n| {
    // The memory is not shared: the child never sees the parent's store.
    let spinner = child(|| while !FLAG.load(Ordering::Acquire) {});
    FLAG.store(true, Ordering::Release);
    reap(spinner);
    2 * n
});

case!(a_spin_that_counts, deadline = 3.0, |n| {
    let mut spins = 0u64;
    while !FLAG.load(Ordering::Acquire) {
        spins = spins.wrapping_add(1);
    }
    2 * n + spins
});

case!(
    two_threads_that_give_way_to_each_other,
    deadline = 3.0,
    |n| {
        // "After you." Each hands the turn back and waits for it again.
        let turn = AtomicU32::new(0);
        thread::scope(|scope| {
            for me in 0..2 {
                let turn = &turn;
                scope.spawn(move || {
                    loop {
                        if turn.load(Ordering::Acquire) == me {
                            turn.store(1 - me, Ordering::Release);
                        }
                    }
                });
            }
        });
        2 * n
    }
);

case!(a_spin_that_asks_the_time, deadline = 3.0, |n| {
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(3600) {}
    2 * n
});

case!(a_wait_in_naps, deadline = 2.0, |n| {
    while !FLAG.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(1));
    }
    2 * n
});

case!(sleeps_for_ever, deadline = 1.0, |n| {
    thread::sleep(Duration::from_secs(3600));
    2 * n
});

case!(a_child_sleeps_for_ever, deadline = 2.0, |n| {
    reap(child(|| thread::sleep(1000 * LONG)));
    2 * n
});

case!(prints_without_end, deadline = 2.0, |n| {
    while !FLAG.load(Ordering::Acquire) {
        println!("{}", "x".repeat(4000));
    }
    2 * n
});

case!(works_without_end_in_many_threads, deadline = 2.0, |n| {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut x = n | 1;
                while x != 0 {
                    x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                }
            });
        }
    });
    2 * n
});
