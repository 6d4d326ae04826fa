//! Wrong: processes that run on, stay behind, or are too many.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork, setsid};
use proctor::Outcome::{Fail, Leak, Limit, Panic};
use proctor::Subject;

use crate::driver::{Expect, check, ends, passes};
use crate::kit::{
    child, expect_twice, leave, pause_for_ever, program_that_pauses, reap, shared_word, sleep_long,
};

const TABLE: &[Expect] = &[
    ends(&[Fail], "ran on", "a_child_runs_on_while_its_parent_waits"),
    ends(&[Fail], "ran on", "a_child_runs_on_beside_its_parent"),
    ends(&[Fail], "ran on", "a_child_runs_on_late"),
    ends(&[Fail], "ran on", "a_child_runs_on_and_panics"),
    ends(&[Fail], "ran on", "a_child_of_a_child_runs_on"),
    ends(
        &[Fail],
        "ran on",
        "a_child_runs_on_though_its_parent_is_gone",
    ),
    ends(&[Leak], "zombie", "leaves_a_zombie"),
    ends(&[Leak], "zombies", "leaves_three_zombies"),
    ends(&[Leak], "zombie", "leaves_a_zombie_and_starts_afresh"),
    ends(&[Leak], "still running", "leaves_a_child"),
    ends(&[Leak], "still running", "leaves_a_daemon"),
    ends(
        &[Leak],
        "still running",
        "leaves_a_daemon_that_ignores_everything",
    ),
    ends(&[Leak], "still running", "leaves_a_program"),
    ends(&[Leak], "still running", "leaves_an_unmarked_program"),
    ends(
        &[Leak],
        "still running",
        "leaves_a_daemon_that_starts_others_all_the_time",
    ),
    ends(&[Limit], "process", "a_fork_bomb"),
    ends(&[Limit], "process", "a_fork_bomb_of_orphans"),
    ends(&[Limit], "thread", "a_thread_bomb"),
    ends(&[Limit, Panic], "", "a_descriptor_bomb"),
    ends(&[Leak], "/dev/shm/proctor-", "leaves_shared_memory"),
    ends(
        &[Leak],
        "system v message queue",
        "leaves_a_queue_made_by_a_child",
    ),
    passes("shared_memory_that_was_there_before"),
    passes("a_daemon_where_daemons_are_allowed"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 2);
}

/// `fork` by a learner who forgets to end the child.
fn fork_on() -> ForkResult {
    // SAFETY: the subject has one thread.
    unsafe { fork() }.unwrap()
}

case!(a_child_runs_on_while_its_parent_waits, |n| {
    if fork_on().is_parent() {
        wait().unwrap();
    }
    2 * n
});

case!(a_child_runs_on_beside_its_parent, |n| {
    fork_on();
    2 * n
});

case!(a_child_runs_on_late, |n| {
    // The parent's answer comes first.
    if fork_on().is_child() {
        thread::sleep(Duration::from_millis(100));
    }
    2 * n
});

case!(a_child_runs_on_and_panics, |n| {
    match fork_on() {
        ForkResult::Parent { .. } => drop(wait()),
        ForkResult::Child => panic!("in the child"),
    }
    2 * n
});

case!(a_child_of_a_child_runs_on, |n| {
    if fork_on().is_parent() {
        wait().unwrap();
    } else if fork_on().is_parent() {
        let _ = wait();
        leave(0);
    }
    2 * n
});

case!(a_child_runs_on_though_its_parent_is_gone, |n| {
    if fork_on().is_parent() && n < u64::MAX {
        wait().unwrap();
        leave(0);
    }
    2 * n
});

case!(leaves_a_zombie, |n| {
    child(|| leave(0));
    2 * n
});

case!(leaves_three_zombies, |n| {
    for _ in 0..3 {
        child(|| leave(0));
    }
    2 * n
});

#[proctor::test(subject = |n: u64| -> u64 {
    child(|| leave(0));
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn leaves_a_zombie_and_starts_afresh(mut subject: Subject) {
    expect_twice(&mut subject);
    subject.fresh();
}

case!(leaves_a_child, |n| {
    child(|| pause_for_ever());
    2 * n
});

fn daemon(code: impl FnOnce()) {
    reap(child(|| {
        setsid().unwrap();
        child(code);
    }));
}

case!(leaves_a_daemon, |n| {
    daemon(|| pause_for_ever());
    2 * n
});

case!(leaves_a_daemon_that_ignores_everything, |n| {
    daemon(|| {
        use nix::sys::signal::{SigHandler, Signal, signal};
        for ignored in Signal::iterator() {
            // SAFETY: installs no handler of ours.
            let _ = unsafe { signal(ignored, SigHandler::SigIgn) };
        }
        pause_for_ever()
    });
    2 * n
});

case!(leaves_a_program, |n| {
    drop(Command::new("sleep").arg("3600").spawn().unwrap());
    2 * n
});

case!(leaves_an_unmarked_program, |n| {
    daemon(|| {
        let error = program_that_pauses()
            .env_clear()
            .stdout(Stdio::null())
            .exec();
        panic!("{error}");
    });
    2 * n
});

// Each process lives for an instant: code that first looks for it and then
// kills it comes too late.
case!(leaves_a_daemon_that_starts_others_all_the_time, |n| {
    daemon(|| {
        loop {
            thread::sleep(Duration::from_micros(500));
            // SAFETY: the daemon has one thread.
            if !unsafe { fork() }.is_ok_and(|forked| matches!(forked, ForkResult::Child)) {
                leave(0);
            }
        }
    });
    2 * n
});

/// More than the judge allows, and few enough for the machine if it fails to.
const BOMB: u32 = 1500;

fn explode(started: &AtomicU32, leaves_orphans: bool) {
    while started.fetch_add(1, Ordering::Relaxed) < BOMB {
        // SAFETY: the subject has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {}
            Ok(ForkResult::Parent { .. }) if leaves_orphans => leave(0),
            Ok(ForkResult::Parent { .. }) => {}
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    pause_for_ever();
}

case!(a_fork_bomb, deadline = 2.0, |n| {
    let started = shared_word();
    if n < u64::MAX {
        explode(started, false);
    }
    2 * n
});

case!(a_fork_bomb_of_orphans, deadline = 60.0, |n| {
    let started = shared_word();
    for _ in 0..400 {
        child(|| explode(started, true));
    }
    sleep_long();
    2 * n
});

case!(a_thread_bomb, |n| {
    let threads: Vec<_> = (0..BOMB).map(|_| thread::spawn(thread::park)).collect();
    2 * n + threads.len() as u64
});

case!(a_descriptor_bomb, |n| {
    let mut all = Vec::new();
    while std::hint::black_box(true) {
        all.push(std::fs::File::open("/dev/null").unwrap());
    }
    2 * n
});

#[proctor::test(orphans = true, subject = |n: u64| -> u64 {
    daemon(|| pause_for_ever());
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_daemon_where_daemons_are_allowed(mut subject: Subject) {
    expect_twice(&mut subject);
}

case!(leaves_shared_memory, |n| {
    let name = std::ffi::CString::new(format!("/proctor-{}", std::process::id())).unwrap();
    // SAFETY: takes a name and integers.
    assert!(unsafe { libc::shm_open(name.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600) } >= 0);
    2 * n
});

case!(leaves_a_queue_made_by_a_child, |n| {
    let key = 0x7000_0000 | std::process::id().cast_signed();
    reap(child(|| {
        // SAFETY: takes integers.
        assert!(unsafe { libc::msgget(key, libc::IPC_CREAT | 0o600) } >= 0);
    }));
    2 * n
});

fn shared(name: &str, flags: i32) -> i32 {
    let name = std::ffi::CString::new(name).unwrap();
    // SAFETY: takes a name and integers.
    unsafe { libc::shm_open(name.as_ptr(), flags, 0o600) }
}

#[proctor::test(subject = |name: String| -> bool {
    shared(&name, libc::O_CREAT | libc::O_RDWR) >= 0
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn shared_memory_that_was_there_before(mut subject: Subject) {
    let name = format!("/proctor-{}", std::process::id());
    assert!(shared(&name, libc::O_CREAT | libc::O_RDWR) >= 0);
    let answer = subject.ask(&name);
    subject.fresh();
    let is_there = std::path::Path::new(&format!("/dev/shm{name}")).exists();
    let c_name = std::ffi::CString::new(name).unwrap();
    // SAFETY: takes a name.
    unsafe { libc::shm_unlink(c_name.as_ptr()) };
    assert!(answer.value && is_there);
    assert_eq!(answer.evidence.relics, [""; 0]);
}
