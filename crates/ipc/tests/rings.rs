//! A ring between threads and between processes.

use ipc::{RingError, ring};
use processes::fork;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

/// Processes that are forked meanwhile hold copies of our rings.
static ONE: Mutex<()> = Mutex::new(());

#[test]
fn every_value_arrives_once_and_in_order_between_threads() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // A small ring, so that both sides wait often.
    for capacity in [1, 2, 64] {
        let (mut producer, mut consumer) = ring::<u32>(capacity).unwrap();
        let thread = thread::spawn(move || {
            for value in 0..20_000 {
                producer.push(value).unwrap();
            }
        });
        for value in 0..20_000 {
            assert_eq!(consumer.pop().unwrap(), value);
        }
        thread.join().unwrap();
        assert_eq!(consumer.pop(), Err(RingError::Closed));
    }
}

#[test]
fn every_value_arrives_between_processes() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (producer, mut consumer) = ring::<[u64; 2]>(16).unwrap();
    let mut producer = Some(producer);
    let mut child = fork(|| {
        let mut producer = producer.take().unwrap();
        for value in 0..20_000 {
            producer.push([value, !value]).unwrap();
        }
        0
    })
    .unwrap();
    drop(producer);
    for value in 0..20_000 {
        assert_eq!(consumer.pop().unwrap(), [value, !value]);
    }
    assert_eq!(consumer.pop(), Err(RingError::Closed));
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_producer_that_waits_learns_that_the_consumer_is_gone() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut producer, consumer) = ring::<u8>(2).unwrap();
    assert!(!producer.is_closed());
    let thread = thread::spawn(move || {
        let mut pushed = 0;
        while producer.push(1).is_ok() {
            pushed += 1;
        }
        (pushed, producer.push(1))
    });
    drop(consumer);
    assert_eq!(thread.join().unwrap(), (2, Err(RingError::Closed)));
}

#[test]
fn waiting_has_an_end() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut producer, mut consumer) = ring::<u8>(1).unwrap();
    let soon = || Some(Instant::now() + Duration::from_millis(5));
    assert_eq!(consumer.await_items(soon()), Ok(false));
    assert_eq!(producer.await_room(soon()), Ok(true));
    producer.push(1).unwrap();
    assert_eq!(producer.await_room(soon()), Ok(false));
    assert_eq!(consumer.await_items(soon()), Ok(true));
}

/// Who waits, sleeps: it uses no CPU time worth mentioning.
#[test]
fn who_waits_sleeps() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut producer, mut consumer) = ring::<u8>(1).unwrap();
    let thread = thread::spawn(move || {
        let tid = nix::unistd::gettid().as_raw();
        let me = std::process::id().cast_signed();
        let value = consumer.pop().unwrap();
        (
            value,
            processes::proc::task_status(me, tid).unwrap().voluntary,
        )
    });
    let me = std::process::id().cast_signed();
    let asleep = || {
        let tasks = processes::proc::tasks(me).unwrap();
        tasks.into_iter().filter(|&tid| tid != me).any(|tid| {
            matches!(
                processes::proc::syscall(me, tid),
                Ok(processes::proc::Syscall::Inside {
                    number: libc::SYS_futex,
                    ..
                })
            )
        })
    };
    while !asleep() {
        thread::yield_now();
    }
    producer.push(3).unwrap();
    let (value, switches) = thread.join().unwrap();
    assert!(value == 3 && switches > 0);
}
