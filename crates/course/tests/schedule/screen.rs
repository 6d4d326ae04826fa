//! A game on a screen, in a pseudo-terminal.

use nix::sys::signal::Signal;

use crate::spin_lock::SpinLock;
use crate::terminal::Terminal;

/// Builds and shows the lock that first checks the flag and then takes it.
fn begun(course: &SpinLock, size: (u16, u16)) -> Terminal {
    let source = course.mistake("load-then-store");
    let words = ["schedule", "spin-lock", "both_lock", "--source", &source];
    // Build first: a build may take longer than a test waits for a screen.
    course.says(&words, "q\n").says(0, "You are the scheduler");
    let terminal = Terminal::of(course.command(&words), size, &[]);
    terminal.until("7 executions from here");
    terminal
}

#[test]
fn a_race_is_broken_step_by_step() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let mut terminal = begun(&course, (100, 30));
    terminal.press("a");
    let screen = terminal.until("AtomicBool #1 load(Acquire)");
    assert!(
        screen.contains("│ a (main)") && screen.contains("│ b"),
        "{screen}"
    );
    terminal.press("a");
    terminal.until("5 executions from here");
    terminal.press("b");
    terminal.until("3 executions from here");
    terminal.press("\r");
    terminal.until("there is a choice here: which thread goes on");
    terminal.press("u");
    terminal.until("5 executions from here");
    terminal.press("b");
    terminal.until("3 executions from here");
    terminal.press("b");
    terminal.until("payload #1 write");
    terminal.press("?");
    terminal.until("the next step of that thread");
    terminal.press("?");
    terminal.until_gone("the next step of that thread");
    terminal.press("a");
    terminal.until("a can go on in several ways");
    terminal.press("1");
    let screen = terminal.until("✗ broken: data race on the payload");
    assert!(
        screen.contains("cargo course replay spin-lock both_lock:a2b2a"),
        "{screen}"
    );
    terminal.resize(40, 10);
    let screen = terminal.until_screen("the verdict in a small window", |screen| {
        screen.contains("✗ broken") && screen.contains("u: undo")
    });
    assert!(
        screen.lines().all(|line| line.chars().count() <= 40),
        "{screen}"
    );
    terminal.resize(100, 30);
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(1));
    terminal.is_as_before();
    // The command stays on the terminal, where it can be copied.
    terminal.until("    cargo course replay spin-lock both_lock:a2b2a");
    terminal.leaves_nothing();
    course.is_clean();
}

#[test]
fn which_scenario_is_asked_where_somebody_can_answer() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let source = course.mistake("load-then-store");
    let words = ["schedule", "spin-lock", "--source", &source];
    let mut terminal = Terminal::of(course.command(&words), (100, 30), &[]);
    terminal.until("which?");
    terminal.press("99\n");
    assert_eq!(terminal.end().code(), Some(2));
    let mut terminal = Terminal::of(
        course.command(&[&words[..], &["--plain"]].concat()),
        (100, 60),
        &[],
    );
    terminal.until("which?");
    terminal.press("1\n");
    terminal.until("spin-lock · both_lock");
    terminal.press("q\n");
    assert_eq!(terminal.end().code(), Some(0));
    assert!(
        !terminal.raw().contains(&0x1b),
        "an escape sequence in plain mode"
    );
    terminal.leaves_nothing();
    course.is_clean();
}

#[test]
fn however_it_ends_nothing_is_left() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    for ending in ["ctrl-c", "SIGTERM", "closed"] {
        let mut terminal = begun(&course, (80, 24));
        match ending {
            "ctrl-c" => terminal.press("\x03"),
            "SIGTERM" => terminal.signal(Signal::SIGTERM),
            _ => terminal.close(),
        }
        assert_eq!(terminal.end().code(), Some(0), "{ending}");
        terminal.leaves_nothing();
        course.is_clean();
    }
}

#[test]
fn code_that_never_answers_is_ended_with_the_game() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    // This loop does nothing that can be scheduled, so the scheduler cannot interrupt it.
    let source = course.with(
        "        loop {\n",
        "        loop {}\n        #[allow(unreachable_code)]\n        loop {\n",
    );
    let words = ["schedule", "spin-lock", "both_lock", "--source", &source];
    course.says(&words, "q\n").says(0, "You are the scheduler");
    // End it before the game begins, as soon as there is something to ask.
    let mut terminal = Terminal::of(course.command(&words), (100, 30), &[]);
    course.until_asked();
    terminal.signal(Signal::SIGTERM);
    terminal.end();
    terminal.leaves_nothing();
    course.is_clean();

    let mut terminal = Terminal::of(course.command(&words), (100, 30), &[]);
    // The code hangs later, but the first position can be shown all the same.
    terminal.until("You are the scheduler");
    terminal.press("a");
    terminal.until_screen("nothing but the question", |screen| {
        screen.trim_end().ends_with('…')
    });
    terminal.press("\x03");
    assert_eq!(terminal.end().code(), Some(0));
    terminal.leaves_nothing();
    course.is_clean();
}
