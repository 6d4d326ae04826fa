//! A pool in a process that may open few files.

use std::error::Error;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use processes::{PoolError, ProcessPool, fork};

/// Lets `body` run in a process whose limit for descriptors may be changed.
fn in_a_child(body: impl FnOnce()) {
    let mut child = fork(|| {
        body();
        0
    })
    .unwrap();
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended}");
}

/// From now on, the numbers of new descriptors are lower than this.
fn limit_descriptors(number: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, number, hard).unwrap();
}

fn errno(failed: &PoolError) -> Option<i32> {
    let cause = failed.source()?.downcast_ref::<io::Error>()?;
    cause.raw_os_error()
}

/// With each limit, another step of the start is the first for which no
/// descriptor is left.
#[test]
fn a_start_without_descriptors_says_so_and_what_to_do() {
    in_a_child(|| {
        let (mut refused, mut number) = (0, 3);
        loop {
            limit_descriptors(number);
            let pool = ProcessPool::new(2, |item: u8| item);
            limit_descriptors(1024);
            match pool {
                Ok(mut pool) => {
                    assert_eq!(pool.map([7]).unwrap(), [Ok(7)]);
                    break;
                }
                Err(failed) => {
                    let text = failed.to_string();
                    assert!(matches!(failed, PoolError::Start(_)), "{number}: {text}");
                    assert_eq!(errno(&failed), Some(libc::EMFILE), "{number}: {text}");
                    assert!(
                        text.contains("EMFILE") && text.contains("ulimit -n"),
                        "{text}"
                    );
                    refused += 1;
                }
            }
            number += 1;
            assert!(number < 1024);
        }
        // The two ends of a connection to the process that starts the workers, two
        // pidfds, and what that process needs for a worker.
        assert!(refused >= 5, "only {refused} limits were too low");
    });
}

/// A worker dies, and the program has no descriptor left for the socket of the
/// next one: the other worker does its work.
#[test]
fn without_a_descriptor_for_a_new_worker_the_others_go_on() {
    in_a_child(|| {
        let mut pool = ProcessPool::new(2, |item: u8| {
            if item == 0 {
                std::process::exit(3);
            }
            item
        })
        .unwrap();
        limit_descriptors(3);
        let results = pool.map_chunks(1, [0, 1, 2, 3]).unwrap();
        assert!(results[0].is_err());
        assert_eq!(results[1..], [Ok(1), Ok(2), Ok(3)]);
        // The last worker dies, too.
        let failed = pool.map_chunks(1, [0, 1]).unwrap_err();
        assert!(matches!(failed, PoolError::NoWorker(_)), "{failed}");
        assert_eq!(errno(&failed), Some(libc::EMFILE), "{failed}");
        assert!(failed.to_string().contains("ulimit -n"), "{failed}");
        limit_descriptors(1024);
        assert_eq!(pool.map([5]).unwrap(), [Ok(5)]);
    });
}
