//! However the loop ends, nothing goes on running and nothing is lost.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::fixture::{Fixture, RIGHT, STUB};
use crate::terminal::Terminal;

/// Code that sleeps for a long time, and has a child process that does the same.
const SLOW: &str = "//! Adds.\n\n/// One more than `n`.\npub fn add_one(n: u64) -> u64 {\n    \
    let child = std::process::Command::new(\"sleep\").arg(\"1000\").spawn();\n    \
    std::thread::sleep(std::time::Duration::from_secs(1000));\n    drop(child);\n    n + 1\n}\n";

/// The loop, in the middle of running slow code.
fn running(course: &Fixture) -> Terminal {
    running_code(course, SLOW)
}

fn running_code(course: &Fixture, code: &str) -> Terminal {
    let terminal = Terminal::begun(course);
    course.exercise("src/lib.rs", code);
    terminal.until("judging: running the tests");
    while !terminal
        .marked()
        .iter()
        .any(|line| line.starts_with("sleep"))
    {
        thread::yield_now();
    }
    terminal
}

/// The loop, in the middle of running slow code that has made this shared memory.
fn running_with_shared_memory(course: &Fixture, name: &str) -> (Terminal, PathBuf) {
    let memory = PathBuf::from(format!("/dev/shm/add-one-{name}-{}", std::process::id()));
    let makes = format!("std::fs::write({memory:?}, b\"x\").unwrap();\n    let child");
    let terminal = running_code(course, &SLOW.replace("let child", &makes));
    assert!(memory.exists());
    (terminal, memory)
}

/// Whether the judge learns which objects a process makes.
fn sees_objects() -> bool {
    let action = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: the kernel reads the number.
    let asked = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        )
    };
    if asked != 0 {
        eprintln!("skipped: this kernel does not tell the judge which objects a process makes");
    }
    asked == 0
}

#[track_caller]
fn goes_away(path: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while path.exists() {
        assert!(Instant::now() < until, "{} is left", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn shared_memory_goes_with_the_run_that_made_it() {
    if !sees_objects() {
        return;
    }
    let course = Fixture::built();
    let (terminal, memory) = running_with_shared_memory(&course, "saved");
    course.exercise("src/lib.rs", RIGHT);
    terminal.until("✓ You passed add-one");
    goes_away(&memory);
}

#[test]
fn shared_memory_goes_with_a_loop_that_ends() {
    if !sees_objects() {
        return;
    }
    for (name, signal) in [("ended", Signal::SIGTERM), ("killed", Signal::SIGKILL)] {
        let course = Fixture::built();
        let (mut terminal, memory) = running_with_shared_memory(&course, name);
        terminal.signal(signal);
        terminal.end();
        goes_away(&memory);
    }
}

#[test]
fn ctrl_c_ends_what_runs() {
    let course = Fixture::built();
    let mut terminal = running(&course);
    terminal.press("\x03");
    assert_eq!(terminal.end().code(), Some(0));
    terminal.is_as_before();
    terminal.leaves_nothing();
}

#[test]
fn closing_the_window_ends_what_runs() {
    let course = Fixture::built();
    let mut terminal = running(&course);
    terminal.close();
    terminal.end();
    terminal.leaves_nothing();
}

#[test]
fn a_request_to_end_is_followed() {
    let course = Fixture::built();
    let mut terminal = running(&course);
    terminal.signal(Signal::SIGTERM);
    terminal.end();
    terminal.is_as_before();
    terminal.leaves_nothing();
}

#[test]
fn a_killed_loop_leaves_nothing() {
    let course = Fixture::built();
    let mut terminal = running(&course);
    terminal.signal(Signal::SIGKILL);
    terminal.end();
    terminal.leaves_nothing();
}

#[test]
fn a_loop_that_is_killed_while_cargo_builds_leaves_nothing() {
    let course = Fixture::built();
    let mut terminal = Terminal::begun(&course);
    course.exercise("src/lib.rs", RIGHT);
    terminal.until("judging");
    terminal.signal(Signal::SIGKILL);
    terminal.end();
    terminal.leaves_nothing();
}

#[test]
fn a_second_save_ends_the_first_run() {
    let course = Fixture::built();
    let terminal = running(&course);
    course.exercise("src/lib.rs", RIGHT);
    terminal.until("✓ You passed add-one");
    let left = terminal.marked();
    assert!(
        !left.iter().any(|line| line.starts_with("sleep")),
        "{left:?}"
    );
    // Only the loop itself is left.
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn many_saves_in_a_row_end_with_the_last_verdict() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    for number in 0..10 {
        course.exercise(
            "src/lib.rs",
            &STUB.replace("add one", &format!("try {number}")),
        );
        thread::yield_now();
    }
    terminal.until("not yet implemented: try 9");
    course.exercise("src/lib.rs", RIGHT);
    terminal.until("✓ You passed add-one");
}
