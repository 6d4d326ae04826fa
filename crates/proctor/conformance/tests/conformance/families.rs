//! Right: a parent that waits for its children, in every way there is, while
//! they take their time. Another process wakes it.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, wait, waitpid};
use nix::unistd::{Pid, alarm, getppid, pipe, setsid};
use proctor::Subject;

use crate::driver::{Expect, check, passes};
use crate::kit::{
    SIGNALLED, child, expect_twice, futex_set, futex_until_set, handle, labour, leave,
    pause_for_ever, program_that_pauses, reap, set_on, shared_word, sleep_long,
};

const TABLE: &[Expect] = &[
    passes("a_child_computes_for_a_second"),
    passes("eight_children_are_waited_for"),
    passes("children_of_a_second_thread"),
    passes("a_child_wakes_a_shared_futex"),
    passes("a_child_writes_into_a_pipe_late"),
    passes("a_child_closes_a_pipe_late"),
    passes("a_child_writes_to_an_event_descriptor_late"),
    passes("a_child_unlocks_a_range_of_a_file_late"),
    passes("a_child_posts_a_system_v_semaphore_late"),
    passes("a_child_signals_a_futex_waiter"),
    passes("a_child_that_ends_wakes_a_futex_waiter_by_sigchld"),
    passes("a_loop_ends_by_sigchld"),
    passes("a_child_ends_a_sigsuspend"),
    passes("a_child_is_polled_for_by_descriptor"),
    passes("a_program_that_sleeps"),
    passes("a_program_started_beside_threads"),
    passes("a_process_forked_beside_threads_execs"),
    passes("a_child_killed_and_reaped"),
    passes("a_watchdog_alarm_ends_a_stuck_child"),
    passes("a_watchdog_alarm_outlives_exec"),
    passes("a_watchdog_of_the_question_before"),
    passes("a_stopped_child_is_continued"),
    passes("a_session_of_its_own_is_waited_for"),
    passes("a_grandchild_ends_before_the_answer"),
    passes("children_that_nobody_need_wait_for"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 4);
}

case!(a_child_computes_for_a_second, deadline = 120.0, |n| {
    reap(child(|| {
        labour(Duration::from_secs(1), |rounds| {
            (0..rounds).fold(0, |a, b| a ^ b)
        });
    }));
    2 * n
});

case!(eight_children_are_waited_for, |n| {
    let children: Vec<_> = (0..8).map(|_| child(sleep_long)).collect();
    for _ in &children {
        assert!(children.contains(&wait().unwrap().pid().unwrap()));
    }
    2 * n
});

case!(children_of_a_second_thread, |n| {
    std::thread::spawn(|| reap(child(sleep_long)))
        .join()
        .unwrap();
    2 * n
});

case!(a_child_wakes_a_shared_futex, |n| {
    let word = shared_word();
    let sleeper = child(|| {
        sleep_long();
        futex_set(word);
    });
    futex_until_set(word);
    reap(sleeper);
    2 * n
});

case!(a_child_writes_into_a_pipe_late, |n| {
    let (reader, writer) = pipe().unwrap();
    let sleeper = child(|| {
        sleep_long();
        std::fs::File::from(writer.try_clone().unwrap())
            .write_all(b"!")
            .unwrap();
    });
    let mut byte = [0];
    std::fs::File::from(reader).read_exact(&mut byte).unwrap();
    reap(sleeper);
    2 * n
});

case!(a_child_closes_a_pipe_late, |n| {
    let (reader, writer) = pipe().unwrap();
    let sleeper = child(sleep_long);
    drop(writer);
    assert_eq!(std::fs::File::from(reader).read(&mut [0]).unwrap(), 0);
    reap(sleeper);
    2 * n
});

case!(a_child_writes_to_an_event_descriptor_late, |n| {
    // SAFETY: makes a new descriptor.
    let fd = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, 0)) };
    let sleeper = child(|| {
        sleep_long();
        nix::unistd::write(&fd, &1u64.to_ne_bytes()).unwrap();
    });
    assert_eq!(nix::unistd::read(&fd, &mut [0; 8]), Ok(8));
    reap(sleeper);
    2 * n
});

/// Locks the first byte (man 2 fcntl, `F_SETLKW`), and waits for it.
fn lock(file: &OwnedFd) {
    // SAFETY: a structure of integers may be zero: from byte 0 to the end.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_WRLCK as libc::c_short;
    // SAFETY: the structure outlives the call.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLKW, &raw const range) };
    assert_eq!(done, 0);
}

case!(a_child_unlocks_a_range_of_a_file_late, |n| {
    // SAFETY: makes a new descriptor.
    let file = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"case".as_ptr(), 0)) };
    let locked = shared_word();
    let sleeper = child(|| {
        lock(&file);
        futex_set(locked);
        sleep_long();
    });
    futex_until_set(locked);
    lock(&file);
    reap(sleeper);
    2 * n
});

case!(a_child_posts_a_system_v_semaphore_late, |n| {
    let change = |set: i32, by: i16| {
        let mut operation = libc::sembuf {
            sem_num: 0,
            sem_op: by,
            sem_flg: 0,
        };
        // SAFETY: one operation that outlives the call.
        assert_eq!(unsafe { libc::semop(set, &raw mut operation, 1) }, 0);
    };
    // SAFETY: makes a set without a name.
    let set = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
    assert!(set >= 0);
    let sleeper = child(|| {
        sleep_long();
        change(set, 1);
    });
    change(set, -1);
    // SAFETY: nobody uses the set any more.
    unsafe { libc::semctl(set, 0, libc::IPC_RMID) };
    reap(sleeper);
    2 * n
});

case!(a_child_signals_a_futex_waiter, |n| {
    set_on(Signal::SIGUSR1);
    let sleeper = child(|| {
        sleep_long();
        kill(getppid(), Signal::SIGUSR1).unwrap();
    });
    futex_until_set(&SIGNALLED);
    reap(sleeper);
    2 * n
});

case!(a_child_that_ends_wakes_a_futex_waiter_by_sigchld, |n| {
    set_on(Signal::SIGCHLD);
    let sleeper = child(sleep_long);
    futex_until_set(&SIGNALLED);
    reap(sleeper);
    2 * n
});

case!(a_loop_ends_by_sigchld, |n| {
    set_on(Signal::SIGCHLD);
    let sleeper = child(sleep_long);
    while SIGNALLED.load(Ordering::Acquire) == 0 {
        std::hint::spin_loop();
    }
    reap(sleeper);
    2 * n
});

case!(a_child_ends_a_sigsuspend, |n| {
    let blocked = SigSet::from(Signal::SIGCHLD);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None).unwrap();
    set_on(Signal::SIGCHLD);
    let sleeper = child(sleep_long);
    let nothing = SigSet::empty();
    // SAFETY: the set outlives the call.
    unsafe { libc::sigsuspend(nothing.as_ref()) };
    reap(sleeper);
    2 * n
});

case!(a_child_is_polled_for_by_descriptor, |n| {
    let sleeper = child(sleep_long);
    // SAFETY: makes a new descriptor for a child that is not reaped yet.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, sleeper.as_raw(), 0) };
    let mut event = libc::pollfd {
        fd: i32::try_from(fd).unwrap(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure that outlives the call.
    assert_eq!(unsafe { libc::poll(&raw mut event, 1, -1) }, 1);
    // SAFETY: made above and used by nobody else.
    drop(unsafe { OwnedFd::from_raw_fd(event.fd) });
    reap(sleeper);
    2 * n
});

case!(a_program_that_sleeps, |n| {
    assert!(Command::new("sleep").arg("0.8").status().unwrap().success());
    2 * n
});

/// Four threads that wait while `code` runs.
fn beside_threads(code: impl FnOnce()) {
    let word = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| futex_until_set(&word));
        }
        code();
        futex_set(&word);
    });
}

case!(a_program_started_beside_threads, |n| {
    beside_threads(|| assert!(Command::new("sleep").arg("0.8").status().unwrap().success()));
    2 * n
});

case!(a_process_forked_beside_threads_execs, |n| {
    let mut program = Command::new("sleep");
    // SAFETY: does nothing, but makes the library fork instead of spawning.
    unsafe { program.pre_exec(|| Ok(())) };
    beside_threads(|| assert!(program.arg("0.8").status().unwrap().success()));
    2 * n
});

case!(a_child_killed_and_reaped, |n| {
    let stuck = child(|| pause_for_ever());
    kill(stuck, Signal::SIGKILL).unwrap();
    let ended = waitpid(stuck, None);
    assert_eq!(
        ended,
        Ok(WaitStatus::Signaled(stuck, Signal::SIGKILL, false))
    );
    2 * n
});

case!(a_watchdog_alarm_ends_a_stuck_child, |n| {
    let stuck = child(|| {
        alarm::set(1);
        let lock = std::sync::Mutex::new(());
        let _held = lock.lock().unwrap();
        drop(lock.lock());
    });
    let ended = waitpid(stuck, None);
    assert_eq!(
        ended,
        Ok(WaitStatus::Signaled(stuck, Signal::SIGALRM, false))
    );
    2 * n
});

case!(a_watchdog_alarm_outlives_exec, |n| {
    let stuck = child(|| {
        alarm::set(1);
        let error = program_that_pauses().exec();
        panic!("{error}");
    });
    let ended = waitpid(stuck, None);
    assert_eq!(
        ended,
        Ok(WaitStatus::Signaled(stuck, Signal::SIGALRM, false))
    );
    2 * n
});

static STUCK: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);

#[proctor::test(subject = |n: u64| -> u64 {
    let stuck = Pid::from_raw(STUCK.load(std::sync::atomic::Ordering::Relaxed));
    if n == 0 {
        let stuck = child(|| {
            alarm::set(1);
            futex_until_set(&std::sync::atomic::AtomicU32::new(0));
        });
        STUCK.store(stuck.as_raw(), std::sync::atomic::Ordering::Relaxed);
    } else {
        let ended = waitpid(stuck, None);
        assert_eq!(ended, Ok(WaitStatus::Signaled(stuck, Signal::SIGALRM, false)));
    }
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_watchdog_of_the_question_before(mut subject: Subject) {
    assert_eq!(subject.ask(&0).value, 0);
    expect_twice(&mut subject);
}

case!(a_stopped_child_is_continued, |n| {
    let stopper = child(|| nix::sys::signal::raise(Signal::SIGSTOP).unwrap());
    let stopped = waitpid(stopper, Some(WaitPidFlag::WUNTRACED));
    assert_eq!(stopped, Ok(WaitStatus::Stopped(stopper, Signal::SIGSTOP)));
    let waker = child(|| {
        sleep_long();
        kill(stopper, Signal::SIGCONT).unwrap();
    });
    reap(stopper);
    reap(waker);
    2 * n
});

case!(a_session_of_its_own_is_waited_for, |n| {
    reap(child(|| {
        setsid().unwrap();
        sleep_long();
    }));
    2 * n
});

case!(a_grandchild_ends_before_the_answer, |n| {
    let (reader, writer) = pipe().unwrap();
    let parent = child(|| {
        child(sleep_long);
    });
    reap(parent);
    drop(writer);
    // End of file: the last process that held the other end is gone.
    assert_eq!(std::fs::File::from(reader).read(&mut [0]).unwrap(), 0);
    2 * n
});

case!(children_that_nobody_need_wait_for, |n| {
    handle(Signal::SIGCHLD, SigHandler::SigIgn);
    for _ in 0..3 {
        child(|| leave(3));
    }
    // With SIGCHLD ignored this waits for all, and then there is none (man 2 wait).
    assert_eq!(waitpid(Pid::from_raw(-1), None), Err(Errno::ECHILD));
    2 * n
});
