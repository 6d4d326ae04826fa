//! Wrong: code that turns against the processes that watch it.
//!
//! The warden is the parent of the subject, and the judge is the parent of the
//! warden; all run as one user, so nothing keeps the code from sending them
//! signals. It must gain nothing by that.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid, setsid};
use processes::proc::State;
use proctor::Outcome::{Crash, Deadlock, Fail, Timeout};
use proctor::Subject;

use crate::driver::{Expect, MARK, check, ends, passes, takes_the_judge_down};
use crate::kit::{child, pause_for_ever, program_that_pauses, reap, sleep_long};

const TABLE: &[Expect] = &[
    ends(&[Crash], "parent", "kills_its_parent").unfenced(),
    ends(&[Crash], "parent", "kills_its_parent_and_answers").unfenced(),
    ends(&[Crash], "parent", "terminates_its_parent").unfenced(),
    ends(&[Crash, Fail], "parent", "stops_its_parent").unfenced(),
    ends(&[Crash, Fail], "parent", "stops_its_parent_and_answers").unfenced(),
    ends(
        &[Crash, Fail, Deadlock],
        "",
        "stops_its_parent_and_deadlocks",
    )
    .unfenced(),
    ends(
        &[Crash],
        "stopped its parent",
        "stops_its_parent_after_the_answer",
    )
    .unfenced(),
    ends(
        &[Crash],
        "killed its parent",
        "kills_its_parent_after_the_answer",
    )
    .unfenced(),
    ends(&[Timeout], "stopped", "stops_itself"),
    ends(&[Crash], "parent", "kills_its_parent_and_leaves_a_daemon").unfenced(),
    ends(
        &[Crash],
        "parent",
        "kills_its_parent_and_leaves_an_unmarked_program",
    )
    .unfenced(),
    ends(&[Crash], "sigkill", "kills_its_process_group"),
    takes_the_judge_down("kills_its_judge").unfenced(),
    takes_the_judge_down("kills_its_judge_and_waits").unfenced(),
    takes_the_judge_down("kills_its_judge_and_leaves_a_daemon").unfenced(),
    passes("behind_the_fence_signals_reach_nobody_else"),
    passes("behind_the_fence_files_are_written_in_few_places"),
    passes("behind_the_fence_its_own_processes_are_within_reach"),
    passes("limits_and_priorities_of_others_are_out_of_reach"),
    passes("it_installs_no_filter_of_its_own"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 3);
}

/// The parent, after making sure that it belongs to this case: a case that ran
/// without warden and judge must not kill an unrelated process.
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

/// Sends the warden this signal when the judge has the answer: only the end of
/// the test can show it.
fn signals_after_the_answer(signal: Signal) -> u64 {
    let warden = warden();
    child(|| {
        sleep_long();
        kill(warden, signal).unwrap();
        pause_for_ever();
    });
    warden.as_raw().try_into().unwrap()
}

/// Asks for the warden, then waits until it is in this state (man 5 proc).
fn wait_until_the_warden_is(state: State, subject: &mut Subject<(), u64>) {
    let warden = subject.ask(&()).value.try_into().unwrap();
    while processes::proc::stat(warden).is_ok_and(|stat| stat.state != state) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[proctor::test(orphans = true, subject = |(): ()| signals_after_the_answer(Signal::SIGSTOP))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn stops_its_parent_after_the_answer(mut subject: Subject) {
    wait_until_the_warden_is(State::Stopped, &mut subject);
}

#[proctor::test(orphans = true, subject = |(): ()| signals_after_the_answer(Signal::SIGKILL))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn kills_its_parent_after_the_answer(mut subject: Subject) {
    wait_until_the_warden_is(State::Zombie, &mut subject);
}

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

// A search for the role in the environments of processes does not find this
// one.
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
    // The subject has a process group of its own: no other process is in it.
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

#[proctor::test(subject = |(): ()| {
    // Signal 0 sends nothing and asks for the right to send.
    [warden(), judge()].map(|pid| kill(pid, None) == Err(nix::errno::Errno::EPERM)).to_vec()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn behind_the_fence_signals_reach_nobody_else(mut subject: Subject) {
    let is_fenced = proctor::landlock_version().is_ok_and(|version| version >= 6);
    assert_eq!(subject.ask(&()).value, [is_fenced; 2]);
}

/// Folders in which a file can be made, of those named.
fn writable(folders: Vec<String>) -> Vec<String> {
    let name = format!("proctor-conformance-{}", std::process::id());
    let is_written = |folder: &String| {
        let path = std::path::Path::new(folder).join(&name);
        let made = std::fs::write(&path, "x").is_ok();
        let _ = std::fs::remove_file(&path);
        made
    };
    folders.into_iter().filter(is_written).collect()
}

#[proctor::test(subject = |folders: Vec<String>| writable(folders))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn behind_the_fence_files_are_written_in_few_places(mut subject: Subject) {
    let program = std::env::current_exe().unwrap();
    let own = program.parent().unwrap().display().to_string();
    let here = std::env::current_dir().unwrap().display().to_string();
    let temporary = std::env::temp_dir().display().to_string();
    let all = vec!["/dev/shm".to_owned(), temporary, here, own];
    let might = writable(all.clone());
    let written = subject.ask(&all).value;
    let fenced = proctor::landlock_version().is_ok();
    let is_temporary = |folder: &str| {
        let places = [
            "/tmp",
            "/var/tmp",
            "/dev",
            &*std::env::temp_dir().display().to_string(),
        ]
        .map(std::path::PathBuf::from);
        places
            .iter()
            .any(|place| std::path::Path::new(folder).starts_with(place))
    };
    let expected: Vec<String> = might
        .into_iter()
        .filter(|folder| !fenced || is_temporary(folder))
        .collect();
    assert_eq!(written, expected);
}

#[proctor::test(subject = |(): ()| {
    let mut other = program_that_pauses().spawn().unwrap();
    let pid = Pid::from_raw(other.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    let ended = other.wait().unwrap();
    // A thread signals its own process.
    std::thread::spawn(|| kill(nix::unistd::getpid(), None)).join().unwrap().unwrap();
    let group = child(|| pause_for_ever());
    nix::unistd::setpgid(group, group).unwrap();
    nix::sys::signal::killpg(group, Signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(group, None).unwrap();
    std::os::unix::process::ExitStatusExt::signal(&ended)
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn behind_the_fence_its_own_processes_are_within_reach(mut subject: Subject) {
    assert_eq!(subject.ask(&()).value, Some(Signal::SIGTERM as i32));
}

/// Whether each of the calls on a process is refused.
fn refused_on(pid: libc::pid_t) -> Vec<bool> {
    let limit = libc::rlimit {
        rlim_cur: 1000,
        rlim_max: 1000,
    };
    // SAFETY: the kernel reads one structure, or a mask of the given size.
    let results = unsafe {
        let all = [u64::MAX; 16];
        [
            libc::prlimit(
                pid,
                libc::RLIMIT_CPU,
                &raw const limit,
                std::ptr::null_mut(),
            ),
            libc::sched_setaffinity(pid, size_of_val(&all), all.as_ptr().cast()),
            libc::setpriority(libc::PRIO_PROCESS, pid.cast_unsigned(), 1),
        ]
    };
    results.map(|result| result != 0).to_vec()
}

#[proctor::test(subject = |(): ()| {
    let other = child(|| pause_for_ever());
    let refused = [
        refused_on(warden().as_raw()),
        refused_on(judge().as_raw()),
        refused_on(other.as_raw()),
        refused_on(0),
        refused_on(nix::unistd::getpid().as_raw()),
    ];
    kill(other, Signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(other, None).unwrap();
    refused.to_vec()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn limits_and_priorities_of_others_are_out_of_reach(mut subject: Subject) {
    let refused = subject.ask(&()).value;
    assert_eq!(refused[..2], [[true; 3], [true; 3]]);
    assert_eq!(refused[2..], [[false; 3], [false; 3], [false; 3]]);
}

#[proctor::test(subject = |(): ()| {
    let nothing = libc::sock_fprog { len: 0, filter: std::ptr::null_mut() };
    // SAFETY: the structure outlives the calls; an empty filter is refused at the latest.
    let errors = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const nothing);
        let first = nix::errno::Errno::last_raw();
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const nothing, 0, 0);
        [first, nix::errno::Errno::last_raw()]
    };
    errors.to_vec()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn it_installs_no_filter_of_its_own(mut subject: Subject) {
    assert_eq!(subject.ask(&()).value, [libc::EPERM; 2]);
}
