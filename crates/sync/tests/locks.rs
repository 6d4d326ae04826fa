//! Spin lock, mutex and reader-writer lock, on the real machine.

mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;

use common::Sleeper;
use sync::{Mutex, MutexGuard, ReadGuard, RwLock, SpinGuard, SpinLock, WriteGuard};

const ROUNDS: u64 = 2_000;

/// The same for each of the three, by way of what takes it exclusively.
macro_rules! exclusive_locks {
    ($($module:ident: $lock:ident, $take:ident, $try:ident;)*) => {$(
        mod $module {
            use super::*;

            #[test]
            fn no_update_is_lost() {
                let lock = $lock::new(0);
                thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| for _ in 0..ROUNDS { *lock.$take() += 1; });
                    }
                });
                assert_eq!(lock.into_inner(), 4 * ROUNDS);
            }

            #[test]
            fn who_tries_a_held_one_gets_none() {
                let lock = $lock::new(1);
                let guard = lock.$take();
                assert!(lock.$try().is_none());
                assert!(thread::scope(|scope| scope.spawn(|| lock.$try().is_none()).join().unwrap()));
                drop(guard);
                assert_eq!(lock.$try().map(|guard| *guard), Some(1));
            }

            #[test]
            fn a_panic_releases_it_and_leaves_the_value_as_it_was() {
                let lock = $lock::new(1);
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    let mut guard = lock.$take();
                    *guard = 2;
                    std::panic::resume_unwind(Box::new("in the middle"));
                }));
                assert!(panicked.is_err());
                assert_eq!(lock.$try().map(|guard| *guard), Some(2));
            }

            #[test]
            fn it_can_be_a_static_and_hold_what_has_no_size() {
                static LOCK: $lock<[u8; 3]> = $lock::new([1, 2, 3]);
                let lock: &$lock<[u8]> = &LOCK;
                assert_eq!(lock.$take().len(), 3);
                assert_eq!($lock::<String>::default().get_mut(), "");
            }

            #[test]
            fn its_debug_form_does_not_wait() {
                let lock = $lock::new(7);
                let name = stringify!($lock);
                assert_eq!(format!("{lock:?}"), format!("{name} {{ value: 7 }}"));
                let _guard = lock.$take();
                assert_eq!(format!("{lock:?}"), format!("{name} {{ value: <locked> }}"));
            }
        }
    )*};
}

exclusive_locks! {
    spin: SpinLock, lock, try_lock;
    mutex: Mutex, lock, try_lock;
    writing: RwLock, write, try_write;
}

#[test]
fn locks_are_shared_exactly_where_that_is_sound() {
    assert!(implements!(SpinLock<Cell<u8>>: Sync) && implements!(Mutex<Cell<u8>>: Sync));
    assert!(!implements!(SpinLock<Rc<u8>>: Sync) && !implements!(Mutex<Rc<u8>>: Sync));
    assert!(!implements!(SpinLock<Rc<u8>>: Send) && !implements!(Mutex<Rc<u8>>: Send));
    assert!(implements!(RwLock<u8>: Sync) && implements!(RwLock<Cell<u8>>: Send));
    assert!(
        !implements!(RwLock<Cell<u8>>: Sync),
        "two readers would be in the Cell at once"
    );
    assert!(!implements!(RwLock<Rc<u8>>: Sync) && !implements!(RwLock<Rc<u8>>: Send));

    assert!(!implements!(SpinGuard<'static, Cell<u8>>: Sync));
    assert!(!implements!(MutexGuard<'static, Cell<u8>>: Sync));
    assert!(!implements!(WriteGuard<'static, Cell<u8>>: Sync));
    assert!(!implements!(ReadGuard<'static, Cell<u8>>: Send));
    assert!(
        implements!(ReadGuard<'static, u8>: Sync) && implements!(MutexGuard<'static, u8>: Sync)
    );
}

#[test]
fn who_waits_for_a_mutex_sleeps_and_is_woken() {
    let mutex = Mutex::new(1);
    thread::scope(|scope| {
        let guard = mutex.lock();
        let waiter = Sleeper::spawn(scope, || *mutex.lock());
        let another = Sleeper::spawn(scope, || *mutex.lock());
        drop(guard);
        assert_eq!((waiter.join(), another.join()), (1, 1));
    });
}

#[test]
fn readers_hold_it_together() {
    let lock = RwLock::new(1);
    let mine = lock.read();
    let theirs = thread::scope(|scope| scope.spawn(|| *lock.read()).join().unwrap());
    assert_eq!(*mine, theirs);
    assert!(lock.try_read().is_some() && lock.try_write().is_none());
    drop(mine);
    assert!(lock.try_write().is_some());
}

#[test]
fn a_writer_that_waits_goes_before_readers_that_come_later() {
    let lock = RwLock::new(1);
    thread::scope(|scope| {
        let early = lock.read();
        let writer = Sleeper::spawn(scope, || *lock.write() = 2);
        assert!(lock.try_read().is_none(), "a reader overtook the writer");
        let late = Sleeper::spawn(scope, || *lock.read());
        drop(early);
        writer.join();
        assert_eq!(late.join(), 2);
    });
}

#[test]
fn the_end_of_a_writer_lets_all_readers_in_at_once() {
    let lock = RwLock::new(1);
    let all_in = sync::Barrier::new(3);
    thread::scope(|scope| {
        let writer = lock.write();
        let readers: Vec<_> = (0..3)
            .map(|_| {
                Sleeper::spawn(scope, || {
                    let _guard = lock.read();
                    all_in.wait();
                })
            })
            .collect();
        drop(writer);
        readers.into_iter().for_each(Sleeper::join);
    });
}

#[test]
fn many_readers_and_writers_end_up_where_they_should() {
    let lock = RwLock::new([0_u64; 2]);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let mut pair = lock.write();
                    pair[0] += 1;
                    pair[1] += 1;
                }
            });
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let pair = lock.read();
                    assert_eq!(pair[0], pair[1], "seen in the middle of a write");
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), [2 * ROUNDS; 2]);
}
