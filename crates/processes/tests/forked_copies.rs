//! A forked child has copies of the program's values. Dropping a copy must not
//! touch the processes that the original started.

mod support;

use std::io::ErrorKind;
use std::process::id;
use std::time::Duration;

use processes::{Child, Ending, Limits, PoolError, ProcessPool, Spec, fork, proc};
use support::has_ended;

/// Drops `value` in a forked child, and waits for that child.
fn dropped_in_a_copy<T>(value: T) -> T {
    let mut value = Some(value);
    let mut copy = fork(|| {
        drop(value.take());
        0
    })
    .unwrap();
    assert_eq!(copy.wait().unwrap(), Ending::Exited(0));
    value.take().unwrap()
}

fn sleeping() -> Child {
    Spec::new("sleep").arg("1000").spawn().unwrap()
}

#[test]
fn a_dropped_copy_of_a_child_ends_nothing() {
    let mut child = dropped_in_a_copy(sleeping());
    assert_eq!(child.try_wait().unwrap(), None);
    // The original still ends its process.
    let stat = proc::stat(child.pid()).unwrap();
    drop(child);
    assert!(has_ended(&stat));
}

/// The limit of the original must not end the process for the copy either.
#[test]
fn a_copy_of_a_child_cannot_wait() {
    let limits = Limits {
        wall: Some(Duration::ZERO),
        ..Limits::default()
    };
    let spec = Spec::new("sleep").arg("1000").limits(limits);
    let mut child = Some(spec.spawn().unwrap());
    let mut copy = fork(|| {
        let mut child = child.take().unwrap();
        for refused in [child.wait().unwrap_err(), child.try_wait().unwrap_err()] {
            assert_eq!(refused.kind(), ErrorKind::NotFound);
            assert!(
                refused.to_string().contains("only that process"),
                "{refused}"
            );
        }
        0
    })
    .unwrap();
    assert_eq!(copy.wait().unwrap(), Ending::Exited(0));
    let mut child = child.unwrap();
    assert!(!has_ended(&proc::stat(child.pid()).unwrap()));
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(child.timed_out());
}

#[test]
fn a_dropped_copy_of_a_forked_child_ends_nothing() {
    let forked = fork(|| {
        loop {
            std::thread::park();
        }
    });
    let mut child = dropped_in_a_copy(forked.unwrap());
    assert_eq!(child.try_wait().unwrap(), None);
}

#[test]
fn a_dropped_copy_of_a_pool_ends_nothing() {
    let pool = ProcessPool::new(2, |item: u64| (item, id())).unwrap();
    let workers = pool.workers();
    let mut pool = dropped_in_a_copy(pool);
    for result in pool.map(0..20).unwrap() {
        let (_, worker) = result.unwrap();
        assert!(workers.contains(&worker.cast_signed()));
    }
    pool.shutdown().unwrap();
}

/// The workers send their results over sockets that both processes share.
#[test]
fn a_copy_of_a_pool_refuses_to_work_and_takes_nothing_from_the_original() {
    let mut pool = Some(ProcessPool::new(1, |item: u64| item + 1).unwrap());
    let mut copy = fork(|| {
        let mut pool = pool.take().unwrap();
        let refused = pool.map(0..3);
        assert!(matches!(refused, Err(PoolError::Copy)), "{refused:?}");
        let refused = pool.shutdown();
        assert!(matches!(refused, Err(PoolError::Copy)), "{refused:?}");
        0
    })
    .unwrap();
    assert_eq!(copy.wait().unwrap(), Ending::Exited(0));
    let mut pool = pool.unwrap();
    assert_eq!(pool.map([1, 2]).unwrap(), [Ok(2), Ok(3)]);
}
