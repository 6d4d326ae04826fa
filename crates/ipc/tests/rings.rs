//! A ring between threads and between processes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ipc::{RingError, fork_between, ring};
use processes::Ending;
use processes::proc::Syscall;

/// A test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

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
    let (producer, consumer) = ring::<[u64; 2]>(16).unwrap();
    let (mut consumer, mut child) = fork_between(consumer, producer, |mut producer| {
        for value in 0..20_000 {
            producer.push([value, !value]).unwrap();
        }
        0
    })
    .unwrap();
    for value in 0..20_000 {
        assert_eq!(consumer.pop().unwrap(), [value, !value]);
    }
    assert_eq!(consumer.pop(), Err(RingError::Closed));
    assert!(child.wait().unwrap().success());
}

/// The example of the module `ring`, but the parent does not want all values.
#[test]
fn a_child_that_puts_in_learns_that_the_parent_takes_no_more() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (producer, consumer) = ring::<u64>(1024).unwrap();
    let (mut consumer, mut child) = fork_between(consumer, producer, |mut producer| {
        let refused = (1..).find_map(|number| producer.push(number).err());
        i32::from(refused != Some(RingError::Closed))
    })
    .unwrap();
    assert_eq!(consumer.pop(), Ok(1));
    drop(consumer);
    let ended = child.wait_timeout(LONG).unwrap();
    assert!(ended.is_some_and(Ending::success), "{ended:?}");
}

#[test]
fn a_child_that_takes_out_learns_that_the_parent_puts_in_no_more() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (producer, consumer) = ring::<u64>(1024).unwrap();
    let (mut producer, mut child) = fork_between(producer, consumer, |mut consumer| {
        let first = consumer.pop();
        i32::from((first, consumer.pop()) != (Ok(5), Err(RingError::Closed)))
    })
    .unwrap();
    producer.push(5).unwrap();
    drop(producer);
    let ended = child.wait_timeout(LONG).unwrap();
    assert!(ended.is_some_and(Ending::success), "{ended:?}");
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

/// Who waits, sleeps: the kernel says so.
#[test]
fn who_waits_sleeps() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let me = std::process::id().cast_signed();
    let (mut producer, mut consumer) = ring::<u8>(1).unwrap();
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        consumer.pop().unwrap()
    });
    let tid = told.recv().unwrap();
    let sleeps = || {
        let place = processes::proc::syscall(me, tid).unwrap();
        matches!(place, Syscall::Inside { number, .. } if number == libc::SYS_futex)
    };
    while !sleeps() {
        thread::yield_now();
    }
    producer.push(3).unwrap();
    assert_eq!(thread.join().unwrap(), 3);
}
