//! Wrong: code that turns against the processes that watch it.
//!
//! The warden is the parent of the subject, and the judge is the parent of the
//! warden; all run as one user, so nothing keeps the code from signalling
//! them. It must not win by it.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid, setsid};
use proctor::Outcome::{Crash, Deadlock, Fail, Timeout};
use proctor::Subject;

use crate::driver::{Expect, MARK, check, ends, takes_the_judge_down};
use crate::kit::{child, pause_for_ever, program_that_pauses, reap, sleep_long};

const TABLE: &[Expect] = &[
    ends(&[Crash], "parent", "kills_its_parent"),
    ends(&[Crash], "parent", "kills_its_parent_and_answers"),
    ends(&[Crash], "parent", "terminates_its_parent"),
    ends(&[Crash, Fail], "parent", "stops_its_parent"),
    ends(&[Crash, Fail], "parent", "stops_its_parent_and_answers"),
    ends(
        &[Crash, Fail, Deadlock],
        "",
        "stops_its_parent_and_deadlocks",
    ),
    ends(&[Timeout], "stopped", "stops_itself"),
    ends(&[Crash], "parent", "kills_its_parent_and_leaves_a_daemon"),
    ends(
        &[Crash],
        "parent",
        "kills_its_parent_and_leaves_an_unmarked_program",
    ),
    ends(&[Crash], "sigkill", "kills_its_process_group"),
    takes_the_judge_down("kills_its_judge"),
    takes_the_judge_down("kills_its_judge_and_waits"),
    takes_the_judge_down("kills_its_judge_and_leaves_a_daemon"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 3);
}

/// The parent, after making sure that it belongs to this case: a case that ran
/// without warden and judge must not shoot at a stranger.
fn warden() -> Pid {
    let parent = getppid();
    assert!(is_ours(parent), "the parent {parent} is not of this case");
    parent
}

fn judge() -> Pid {
    let warden = warden();
    let stat = processes::proc::stat(warden.as_raw()).unwrap();
    let judge = Pid::from_raw(stat.parent);
    assert!(
        is_ours(judge),
        "the parent's parent {judge} is not of this case"
    );
    judge
}

/// Judge and warden keep their environments to themselves; their command lines
/// name the case.
fn is_ours(pid: Pid) -> bool {
    let mark = std::env::var(MARK).unwrap_or_default();
    let case = mark.splitn(3, '-').nth(2).unwrap_or_default();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    !case.is_empty()
        && line
            .split(|byte| *byte == 0)
            .any(|word| word == case.as_bytes())
}

case!(kills_its_parent, |n| {
    kill(warden(), Signal::SIGKILL).unwrap();
    if n < u64::MAX {
        pause_for_ever();
    }
    2 * n
});

case!(kills_its_parent_and_answers, |n| {
    // Without the parent's death signal the right answer could be on the line first.
    nix::sys::prctl::set_pdeathsig(None).unwrap();
    kill(warden(), Signal::SIGKILL).unwrap();
    2 * n
});

case!(terminates_its_parent, |n| {
    kill(warden(), Signal::SIGTERM).unwrap();
    if n < u64::MAX {
        pause_for_ever();
    }
    2 * n
});

case!(stops_its_parent, deadline = 2.0, |n| {
    kill(warden(), Signal::SIGSTOP).unwrap();
    if n < u64::MAX {
        pause_for_ever();
    }
    2 * n
});

case!(stops_its_parent_and_answers, deadline = 2.0, |n| {
    kill(warden(), Signal::SIGSTOP).unwrap();
    2 * n
});

case!(stops_its_parent_and_deadlocks, deadline = 2.0, |n| {
    kill(warden(), Signal::SIGSTOP).unwrap();
    crate::kit::futex_until_set(&std::sync::atomic::AtomicU32::new(0));
    2 * n
});

case!(stops_itself, deadline = 2.0, |n| {
    nix::sys::signal::raise(Signal::SIGSTOP).unwrap();
    2 * n
});

fn daemon(code: impl FnOnce()) {
    reap(child(|| {
        setsid().unwrap();
        child(code);
    }));
}

case!(kills_its_parent_and_leaves_a_daemon, |n| {
    daemon(|| pause_for_ever());
    kill(warden(), Signal::SIGKILL).unwrap();
    if n < u64::MAX {
        pause_for_ever();
    }
    2 * n
});

// Whoever looks for the role in the environment does not find this one.
case!(kills_its_parent_and_leaves_an_unmarked_program, |n| {
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    daemon(|| {
        let error = program_that_pauses()
            .env_clear()
            .stdout(Stdio::null())
            .exec();
        panic!("{error}");
    });
    drop(writer);
    // Its end of the pipe is closed when it has become the other program.
    assert_eq!(nix::unistd::read(&reader, &mut [0]), Ok(0));
    kill(warden(), Signal::SIGKILL).unwrap();
    if n < u64::MAX {
        pause_for_ever();
    }
    2 * n
});

case!(kills_its_process_group, |n| {
    // The group of the subject is its own: nothing else is in it.
    assert_eq!(nix::unistd::getpgrp(), nix::unistd::getpid());
    kill(Pid::from_raw(0), Signal::SIGKILL).unwrap();
    2 * n
});

case!(kills_its_judge, |n| {
    kill(judge(), Signal::SIGKILL).unwrap();
    2 * n
});

case!(kills_its_judge_and_waits, |n| {
    let mut program = Command::new("sleep").arg("3600").spawn().unwrap();
    kill(judge(), Signal::SIGKILL).unwrap();
    program.wait().unwrap();
    sleep_long();
    2 * n
});

case!(kills_its_judge_and_leaves_a_daemon, |n| {
    daemon(|| pause_for_ever());
    kill(judge(), Signal::SIGKILL).unwrap();
    if n < u64::MAX {
        pause_for_ever();
    }
    2 * n
});
