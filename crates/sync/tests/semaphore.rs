//! The semaphore, on the real machine.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::Sleeper;
use sync::{Semaphore, TimedOut, TooManyPermits};

#[test]
fn never_more_are_inside_than_there_are_permits() {
    let semaphore = Semaphore::new(2);
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let _permit = semaphore.acquire();
                    most.fetch_max(inside.fetch_add(1, Relaxed) + 1, Relaxed);
                    inside.fetch_sub(1, Relaxed);
                }
            });
        }
    });
    assert!(most.into_inner() <= 2);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn who_finds_no_permit_sleeps_and_a_release_of_several_wakes_as_many() {
    let semaphore = Semaphore::new(0);
    thread::scope(|scope| {
        let sleepers = [(); 3].map(|()| Sleeper::spawn(scope, || semaphore.acquire().forget()));
        assert!(semaphore.try_acquire().is_none());
        semaphore.release(3).unwrap();
        sleepers.into_iter().for_each(Sleeper::join);
    });
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn a_wait_that_times_out_takes_no_permit_and_no_wake_up() {
    let semaphore = Semaphore::new(0);
    thread::scope(|scope| {
        let patient = Sleeper::spawn(scope, || semaphore.acquire().forget());
        let in_vain = semaphore.acquire_timeout(Duration::from_millis(2));
        assert_eq!(in_vain.err(), Some(TimedOut));
        assert_eq!(
            semaphore.acquire_timeout(Duration::ZERO).err(),
            Some(TimedOut)
        );
        semaphore.release(1).unwrap();
        patient.join();
    });
    assert!(format!("{semaphore:?}").contains("waiters: 0"));
}

#[test]
fn a_timed_wait_ends_with_a_permit_that_comes_in_time() {
    let semaphore = Semaphore::new(0);
    thread::scope(|scope| {
        let sleeper = Sleeper::spawn(scope, || {
            let permit = semaphore.acquire_timeout(Duration::MAX)?;
            permit.forget();
            Ok::<(), TimedOut>(())
        });
        semaphore.release(1).unwrap();
        assert_eq!(sleeper.join(), Ok(()));
    });
}

#[test]
fn a_panic_gives_the_permit_back() {
    let semaphore = Semaphore::new(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _permit = semaphore.acquire();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert!(semaphore.try_acquire().is_some());
}

#[test]
fn there_are_never_more_permits_than_the_maximum() {
    let semaphore = Semaphore::with_maximum(1, 2).unwrap();
    assert_eq!(semaphore.release(1), Ok(()));
    let refused = semaphore.release(1).unwrap_err();
    let expected = TooManyPermits {
        there: 2,
        more: 1,
        maximum: 2,
    };
    assert_eq!(refused, expected);
    assert_eq!((semaphore.available(), semaphore.maximum()), (2, 2));
    assert_eq!(
        refused.to_string(),
        "1 more permits than the 2 there are would be over the maximum of 2; release only what was acquired"
    );

    assert!(Semaphore::with_maximum(3, 2).is_err());
    assert!(
        Semaphore::new(u32::MAX).release(1).is_err(),
        "the number has an end too"
    );
    assert_eq!(semaphore.release(0), Ok(()));
}

#[test]
fn a_permit_for_which_there_is_no_room_any_more_is_gone() {
    let semaphore = Semaphore::with_maximum(1, 1).unwrap();
    let permit = semaphore.acquire();
    semaphore.release(1).unwrap(); // what nobody acquired
    drop(permit);
    assert_eq!(semaphore.available(), 1);
}
