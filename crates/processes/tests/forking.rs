//! A child that runs a closure.

mod support;

use std::io::{Read, Write, pipe, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use processes::proc::{self, Syscall};
use processes::{Ending, PANICKED, ProcessPool, fork};
use support::{has_ended, me};

#[test]
fn the_child_is_another_process_with_a_memory_of_its_own() {
    let (mut reader, writer) = pipe().unwrap();
    let mut value = 1;
    let mut child = fork(|| {
        value += 1;
        let parent = std::os::unix::process::parent_id().cast_signed();
        (&writer).write_all(&parent.to_le_bytes()).unwrap();
        value
    })
    .unwrap();
    assert_eq!(child.wait().unwrap(), Ending::Exited(2));
    assert_eq!(value, 1);
    drop(writer);
    let mut parent = Vec::new();
    reader.read_to_end(&mut parent).unwrap();
    assert_eq!(parent, me().to_le_bytes());
}

#[test]
fn a_panic_ends_the_child_alone() {
    let mut child = fork(|| panic!("expected: this is the test")).unwrap();
    assert_eq!(child.wait().unwrap(), Ending::Exited(PANICKED));
}

/// A panic payload with a destructor that panics as well.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        panic!("expected: the second panic of the test");
    }
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_does_not_let_the_child_into_our_code() {
    // In a child of our own: if the copy came back, it would run the rest of
    // this program.
    let mut outer = fork(|| {
        let original = me();
        let forked = std::panic::catch_unwind(|| {
            let mut child = fork(|| std::panic::panic_any(Twice)).unwrap();
            child.wait().unwrap()
        });
        if me() != original {
            // SAFETY: this ends the copy that must not be here.
            unsafe { libc::_exit(3) };
        }
        assert_eq!(forked.unwrap(), Ending::Exited(PANICKED));
        0
    })
    .unwrap();
    assert_eq!(outer.wait().unwrap(), Ending::Exited(0));
}

#[test]
fn such_a_payload_costs_a_pool_one_item() {
    let mut pool = ProcessPool::new(1, |item: u8| {
        if item == 1 {
            std::panic::panic_any(Twice);
        }
        item
    })
    .unwrap();
    let results = pool.map([0, 1, 2]).unwrap();
    assert_eq!((&results[0], &results[2]), (&Ok(0), &Ok(2)));
    let why = results[1].as_ref().unwrap_err().to_string();
    assert!(why.contains("panicked"), "{why}");
}

#[test]
fn a_child_that_is_dropped_is_ended() {
    let child = fork(|| {
        loop {
            std::thread::yield_now();
        }
    })
    .unwrap();
    let stat = proc::stat(child.pid()).unwrap();
    drop(child);
    assert!(has_ended(&stat));
}

#[test]
fn the_child_can_print_whatever_the_threads_of_the_parent_are_doing() {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Holds the lock of standard error most of the time.
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                _ = std::io::stderr().lock().write_all(b"");
                _ = std::io::stdout().lock().write_all(b"");
            }
        });
        for _ in 0..20 {
            let mut child = fork(|| {
                _ = std::io::stderr().lock().write_all(b"");
                _ = std::io::stdout().lock().write_all(b"");
                0
            })
            .unwrap();
            let ended = child.wait_timeout(support::LONG).unwrap();
            assert_eq!(ended, Some(Ending::Exited(0)));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Forks while another thread holds `first` and is about to lock `second`. All of
/// this happens in a child of our own, which is ended if it deadlocks.
fn forks_beside<A, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B + Send) {
    let mut outer = fork(|| {
        let (holds, forked) = (AtomicBool::new(false), AtomicBool::new(false));
        let tid = nix::unistd::gettid().as_raw();
        let waits = || {
            let place = proc::syscall(me(), tid);
            place.is_ok_and(
                |place| matches!(place, Syscall::Inside { number, .. } if number == libc::SYS_futex),
            )
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                let held = first();
                holds.store(true, Ordering::Release);
                while !waits() && !forked.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                drop(second());
                drop(held);
            });
            while !holds.load(Ordering::Acquire) {
                thread::yield_now();
            }
            let mut child = fork(|| {
                _ = stderr().lock().write_all(b"");
                _ = stdout().lock().write_all(b"");
                0
            })
            .unwrap();
            forked.store(true, Ordering::Release);
            assert_eq!(child.wait().unwrap(), Ending::Exited(0));
        });
        0
    })
    .unwrap();
    let ended = outer.wait_timeout(support::LONG).unwrap();
    assert_eq!(ended, Some(Ending::Exited(0)), "None: a deadlock");
}

#[test]
fn a_thread_that_holds_stderr_and_wants_stdout_does_not_deadlock_with_a_fork() {
    forks_beside(|| stderr().lock(), || stdout().lock());
}

#[test]
fn a_thread_that_holds_stdout_and_wants_stderr_does_not_deadlock_with_a_fork() {
    forks_beside(|| stdout().lock(), || stderr().lock());
}

#[test]
fn the_child_gets_no_descriptor_that_the_parent_does_not_have() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // With a second thread, the fork itself needs a pipe.
    let mut outer = fork(|| {
        let (stop, before) = (AtomicBool::new(false), open());
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            });
            let ended = fork(|| i32::from(open() != before)).and_then(|mut child| child.wait());
            stop.store(true, Ordering::Relaxed);
            assert_eq!(ended.unwrap(), Ending::Exited(0));
        });
        assert_eq!(open(), before);
        0
    })
    .unwrap();
    assert_eq!(outer.wait().unwrap(), Ending::Exited(0));
}

#[test]
fn without_a_free_descriptor_there_is_no_child() {
    // In a child of our own, whose limit may be lowered.
    let mut outer = fork(|| {
        let limits = processes::Limits {
            descriptors: Some(3),
            ..Default::default()
        };
        processes::limits::apply(&limits).unwrap();
        match fork(|| 0) {
            Err(error) => error.raw_os_error().unwrap_or(1),
            Ok(_) => 0,
        }
    })
    .unwrap();
    assert_eq!(outer.wait().unwrap(), Ending::Exited(libc::EMFILE));
}
