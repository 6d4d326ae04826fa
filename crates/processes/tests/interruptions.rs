//! Signals whose handler was installed without SA_RESTART: every system call
//! that waits returns EINTR. Waiting for a child must not show it.

mod support;

use std::ffi::c_int;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use processes::proc::{self, Syscall};
use processes::{Ending, Spec, Stdio};
use support::{me, until};

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Interrupts a thread while it waits for a child.
fn interrupt(tid: i32) {
    let waits = || {
        let place = proc::syscall(me(), tid).unwrap();
        matches!(
            place,
            Syscall::Inside {
                number: libc::SYS_ppoll,
                ..
            }
        )
    };
    until("it waits", waits);
    let before = HANDLED.load(Ordering::Relaxed);
    // SAFETY: tgkill takes three numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_tgkill, me(), tid, libc::SIGALRM) };
    until("it was interrupted", || {
        HANDLED.load(Ordering::Relaxed) > before
    });
}

#[test]
fn a_storm_of_signals_does_not_show() {
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler touches one atomic.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();

    let (tell, told) = mpsc::channel();
    let mut child = Spec::new("cat")
        .stdin(Stdio::Piped)
        .stdout(Stdio::Null)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let waiter = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        let first = child.wait_timeout(support::LONG).unwrap();
        (first, child.wait().unwrap())
    });
    let tid = told.recv().unwrap();
    for _ in 0..50 {
        interrupt(tid);
    }
    input.write_all(b"the end").unwrap();
    drop(input);
    let ended = Ending::Exited(0);
    assert_eq!(waiter.join().unwrap(), (Some(ended), ended));

    // Nor does a storm prolong a deadline.
    let patience = Duration::from_millis(100);
    let mut child = Spec::new("sleep").arg("1000").spawn().unwrap();
    let (tell, told) = mpsc::channel();
    let waiter = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        let start = Instant::now();
        let ended = child.wait_timeout(patience).unwrap();
        (ended, start.elapsed())
    });
    let tid = told.recv().unwrap();
    while !waiter.is_finished() {
        // SAFETY: as above; a thread that has ended is not interrupted.
        unsafe { libc::syscall(libc::SYS_tgkill, me(), tid, libc::SIGALRM) };
        std::thread::yield_now();
    }
    let (ended, waited) = waiter.join().unwrap();
    assert!(ended.is_none() && waited >= patience);
}
