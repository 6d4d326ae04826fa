//! A child that runs a closure.

mod support;

use std::io::{Read, Write, pipe};

use processes::{Ending, PANICKED, fork, proc};
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
