//! Condition variable, monitor, barrier, parker and event count, on the real machine.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::Sleeper;
use sync::{Barrier, Condvar, EventCount, Monitor, Mutex, Parker, TimedOut, Unparker};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(2);

#[test]
fn one_notification_wakes_one_sleeper() {
    let (permits, changed) = (Mutex::new(0), Condvar::new());
    let take = || {
        *changed.wait_while(permits.lock(), |permits| *permits == 0) -= 1;
    };
    thread::scope(|scope| {
        let sleepers = [Sleeper::spawn(scope, take), Sleeper::spawn(scope, take)];
        for _ in 0..2 {
            *permits.lock() += 1;
            changed.notify_one();
        }
        sleepers.into_iter().for_each(Sleeper::join);
    });
    assert_eq!(permits.into_inner(), 0);
}

#[test]
fn a_notification_for_nobody_is_not_kept() {
    let (value, changed) = (Mutex::new(()), Condvar::new());
    changed.notify_one();
    changed.notify_all();
    let (_guard, in_time) = changed.wait_while_for(value.lock(), SHORT, |()| true);
    assert_eq!(in_time, Err(TimedOut));
}

#[test]
fn a_condition_that_does_not_hold_is_not_waited_for() {
    let (value, changed) = (Mutex::new(1), Condvar::new());
    assert_eq!(*changed.wait_while(value.lock(), |value| *value == 0), 1);
    let (guard, in_time) =
        changed.wait_while_for(value.lock(), Duration::ZERO, |value| *value == 0);
    assert_eq!((*guard, in_time), (1, Ok(())));
}

#[test]
fn a_timeout_beyond_the_clock_is_for_ever() {
    let (value, changed) = (Mutex::new(false), Condvar::new());
    thread::scope(|scope| {
        let sleeper = Sleeper::spawn(scope, || {
            changed
                .wait_while_for(value.lock(), Duration::MAX, |ready| !*ready)
                .1
        });
        *value.lock() = true;
        changed.notify_one();
        assert_eq!(sleeper.join(), Ok(()));
    });
}

#[test]
fn a_panicking_condition_leaves_the_mutex_unlocked() {
    let (value, changed) = (Mutex::new(1), Condvar::new());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        drop(changed.wait_while(value.lock(), |_| std::panic::resume_unwind(Box::new(()))));
    }));
    assert!(panicked.is_err() && value.try_lock().is_some());
}

#[test]
fn a_monitor_is_left_by_a_panic_inside() {
    let monitor = Monitor::new(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        *monitor.enter() = 2;
        let mut inside = monitor.enter();
        inside.wait_while(|c| c, |_| std::panic::resume_unwind(Box::new(())));
    }));
    assert!(panicked.is_err());
    assert_eq!(*monitor.enter(), 2);
}

#[test]
fn a_monitor_with_one_condition_is_waited_for_and_updated() {
    let monitor = Monitor::new(0);
    thread::scope(|scope| {
        let sleeper = Sleeper::spawn(scope, || *monitor.enter_when_not(|value| *value < 2));
        monitor.update(|value| *value += 1);
        sleeper.until_asleep();
        monitor.update(|value| *value += 1);
        assert_eq!(sleeper.join(), 2);
    });
    let mut inside = monitor.enter();
    let in_time = inside.wait_while_for(|only| only, SHORT, |value| *value == 2);
    assert_eq!((in_time, *inside), (Err(TimedOut), 2));
    drop(inside);
    assert_eq!(monitor.into_inner(), 2);
}

#[test]
fn who_tries_an_occupied_monitor_does_not_get_in() {
    let monitor = Monitor::new(1);
    let inside = monitor.enter();
    assert!(monitor.try_enter().is_none());
    drop(inside);
    assert_eq!(monitor.try_enter().map(|inside| *inside), Some(1));
}

#[test]
fn who_is_notified_by_leaving_finds_the_monitor_free() {
    let monitor = Monitor::new(false);
    thread::scope(|scope| {
        let sleeper = Sleeper::spawn(scope, || drop(monitor.enter_when_not(|ready| !*ready)));
        let mut inside = monitor.enter();
        *inside = true;
        inside.leave_and_notify_one(|only| only);
        sleeper.join();
    });
}

#[test]
fn one_thread_is_inside_a_monitor_at_a_time() {
    let monitor = Monitor::new(0_u64);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..2_000).for_each(|_| *monitor.enter() += 1));
        }
    });
    assert_eq!(*monitor.enter(), 8_000);
}

#[test]
fn a_barrier_lets_nobody_through_before_the_last_and_has_one_leader_a_time() {
    const ROUNDS: u32 = 200;
    let barrier = Barrier::new(3);
    let (arrived, leaders) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    arrived.fetch_add(1, Relaxed);
                    leaders.fetch_add(u32::from(barrier.wait()), Relaxed);
                    assert!(arrived.load(Relaxed) >= 3 * round);
                }
            });
        }
    });
    assert_eq!(leaders.into_inner(), ROUNDS);
}

#[test]
fn a_barrier_serves_more_threads_than_meet_at_a_time() {
    let barrier = Barrier::new(2);
    let leaders: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| u32::from(barrier.wait())))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(leaders, 3);
}

#[test]
fn a_barrier_for_one_or_none_is_no_barrier() {
    assert!(Barrier::new(0).wait() && Barrier::new(1).wait());
}

#[test]
fn a_token_that_comes_first_is_kept_and_two_are_one() {
    let parker = Parker::new();
    parker.unparker().unpark();
    parker.unparker().unpark();
    parker.park();
    assert_eq!(parker.park_timeout(SHORT), Err(TimedOut));
}

#[test]
fn a_parker_can_be_moved_to_another_thread_but_two_threads_cannot_park_in_it() {
    assert!(implements!(Parker: Send) && !implements!(Parker: Sync));
    assert!(!implements!(&Parker: Send) && !implements!(std::sync::Arc<Parker>: Send));
    assert!(
        !implements!(Parker: Clone),
        "a clone would be a second sleeper"
    );
    assert!(implements!(Unparker: Send) && implements!(Unparker: Sync));
}

#[test]
fn a_parked_thread_is_woken_by_its_token() {
    let parker = Parker::new();
    let unparker = parker.unparker();
    thread::scope(|scope| {
        let sleeper = Sleeper::spawn(scope, move || parker.park_timeout(LONG));
        unparker.unpark();
        assert_eq!(sleeper.join(), Ok(()));
    });
}

#[test]
fn an_event_count_wakes_one_or_all() {
    let (event, items) = (EventCount::new(), AtomicU32::new(0));
    let take = || {
        event.wait_until(|| {
            items
                .fetch_update(Relaxed, Relaxed, |items| items.checked_sub(1))
                .ok()
        })
    };
    thread::scope(|scope| {
        let sleepers = [(); 3].map(|()| Sleeper::spawn(scope, take));
        items.fetch_add(1, Relaxed);
        event.notify_one();
        items.fetch_add(2, Relaxed);
        event.notify_all();
        for sleeper in sleepers {
            sleeper.join();
        }
    });
}

#[test]
fn an_event_count_survives_a_panic_of_its_question() {
    let event = EventCount::new();
    let mut looks = 0;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        event.wait_until(|| -> Option<()> {
            looks += 1;
            if looks == 2 {
                std::panic::resume_unwind(Box::new(()));
            }
            None
        });
    }));
    assert!(panicked.is_err());
    event.notify_one(); // for the mark that is left
    let there = AtomicU32::new(0);
    let look = || (there.load(Relaxed) > 0).then_some(());
    thread::scope(|scope| {
        let sleeper = Sleeper::spawn(scope, || event.wait_until(look));
        there.store(1, Relaxed);
        event.notify_one();
        sleeper.join();
    });
}
