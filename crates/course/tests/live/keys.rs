//! A learner's way through an exercise.

use std::fs;

use crate::fixture::{Fixture, RIGHT, STUB, WRONG};
use crate::terminal::Terminal;

const ESCAPE: &str = "\x1b";

#[test]
fn the_first_start_looks_at_the_machine_and_says_what_red_means() {
    let course = Fixture::built();
    let mut terminal = Terminal::start(&course, &[]);
    let screen = terminal.until("Press any key to begin");
    assert!(screen.contains("Red is where you start"), "{screen}");
    assert!(screen.contains("✓ rustc, cargo"), "{screen}");
    terminal.press("x");
    let screen = terminal.until("cargo course check add-one");
    assert!(
        screen.contains("edit exercises/sums/add-one/src/lib.rs:5"),
        "{screen}"
    );
    assert!(screen.contains("0 of 1 passed · 1 min left"), "{screen}");
    terminal.until("2 of 2 failed · red is where you start");
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(0));
    terminal.is_as_before();
    terminal.until("`cargo course` continues with add-one");
    terminal.leaves_nothing();

    // The second time there is no welcome.
    let terminal = Terminal::start(&course, &["watch"]);
    terminal.until("red is where you start");
    assert!(!terminal.screen().contains("Press any key"));
}

#[test]
fn a_save_brings_the_verdict_its_cause_and_its_line() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    course.exercise("src/lib.rs", &STUB.replace("add one", "not today"));
    let screen = terminal.until("not yet implemented: not today");
    assert!(screen.contains("✗ one_is_added"), "{screen}");
    assert!(
        screen.contains("at exercises/sums/add-one/src/lib.rs:5"),
        "{screen}"
    );

    course.exercise("src/lib.rs", WRONG);
    let screen = terminal.until("this may be: adds two (m explains it)");
    assert!(screen.contains("one more than"), "{screen}");
    // The explanation may tell the solution, so a hint comes first.
    terminal.press("m");
    terminal.until("ask for a hint first");
    terminal.press("hm");
    terminal.until("Count on your fingers");

    course.exercise("src/lib.rs", &RIGHT.replace("n + 1", "n + \"1\""));
    let screen = terminal.until("it does not compile yet");
    assert!(screen.contains("error[E0277]"), "{screen}");
    terminal.press("e");
    terminal.until("error[E0277]");
}

#[test]
fn passing_shows_the_courses_solution_and_what_was_avoided_and_is_kept() {
    let course = Fixture::built();
    let mut terminal = Terminal::begun(&course);
    course.exercise("src/lib.rs", RIGHT);
    let screen = terminal.until("You avoided 1 known mistake");
    assert!(screen.contains("✓ You passed add-one"), "{screen}");
    assert!(screen.contains("- adds two"), "{screen}");
    assert!(screen.contains("1 of 1 passed"), "{screen}");
    assert!(
        screen.contains("The course's solution: solutions/sums/add-one/src/lib.rs"),
        "{screen}"
    );
    terminal.resize(130, 40);
    terminal.until_screen("both side by side", |screen| {
        screen
            .lines()
            .any(|line| line.matches("n + 1").count() == 2)
    });
    terminal.press("q");
    terminal.end();
    course.run(&["list"]).says(0, "1 of 1 passed");
    course.run(&["progress"]).says(0, "1 of 1 passed");
    let json = course.run(&["progress", "--json"]);
    json.says(0, "\"minutes_left\":0");
}

#[test]
fn hints_come_one_rung_at_a_time() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    terminal.press("h");
    let screen = terminal.until("Hint 1 of 3");
    assert!(!screen.contains("Use +"), "{screen}");
    terminal.press("h");
    let screen = terminal.until("Use +");
    assert!(!screen.contains("n + 1"), "{screen}");
    terminal.press("t");
    terminal.until_gone("Hint 1");
    // Back on the page with the hints, the learner sees the hints from before.
    terminal.press("h");
    let screen = terminal.until("Use +");
    assert!(!screen.contains("n + 1"), "{screen}");
    terminal.press("h");
    terminal.until("n + 1");
    terminal.press("h");
    terminal.until("that was the last hint");
}

#[test]
fn the_list_filters_while_one_types() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    terminal.press("l");
    terminal.until("type to filter");
    terminal.press("zz");
    terminal.until("no exercise has that");
    terminal.press("\x7f\x7fsum");
    terminal.until_screen("the exercise again", |screen| {
        screen.contains("filter: sum") && screen.contains("› ▸ add-one")
    });
    terminal.press("\r");
    terminal.until_screen("the task", |screen| {
        screen.contains("cargo course check add-one") && !screen.contains("filter")
    });
}

#[test]
fn an_editor_has_the_terminal_and_gives_it_back() {
    let course = Fixture::built();
    // This editor prints what it is asked to open, waits for a line, and ends.
    course.write(
        "editor",
        "#!/bin/sh\necho \"opened $*\"\nread line\necho \"read $line\"\n",
    );
    let editor = format!("sh {}", course.root.join("editor").display());
    let terminal = Terminal::with(&course, &[], (100, 40), &[("EDITOR", &editor)]);
    terminal.until("Press any key to begin");
    terminal.press(" ");
    terminal.until("2 of 2 failed");
    terminal.press("o");
    let file = course.path("src/lib.rs");
    terminal.until(&format!("opened +5 {}", file.display()));
    // The loop reads no key meanwhile.
    terminal.press("hl\n");
    terminal.until("red is where you start");
    terminal.press("h");
    terminal.until("Hint 1 of 3");
    drop(terminal);
    let terminal = Terminal::with(&course, &[], (100, 40), &[("EDITOR", "no-such-editor")]);
    terminal.until("2 of 2 failed");
    terminal.press("o");
    terminal.until("cannot start `no-such-editor`");
}

#[test]
fn a_reset_asks_first_and_keeps_a_backup() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    course.exercise("src/lib.rs", WRONG);
    terminal.until("this may be: adds two");
    terminal.press("r");
    terminal.until("A backup is kept. y/n");
    terminal.press("n");
    terminal.until("nothing was changed");
    assert_eq!(
        fs::read_to_string(course.path("src/lib.rs")).unwrap(),
        WRONG
    );
    terminal.press("ry");
    terminal.until_gone("A backup is kept");
    terminal.until("not yet implemented");
    assert_eq!(fs::read_to_string(course.path("src/lib.rs")).unwrap(), STUB);
    let kept = course.read(".course/backups/add-one/src/lib.rs.backup-1");
    assert_eq!(kept, WRONG);
}

#[test]
fn the_solution_needs_a_pass_or_a_word() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    terminal.press("s");
    let screen = terminal.until("Show the solution all the same? y/n");
    assert!(!screen.contains("n + 1"), "{screen}");
    terminal.press("y");
    terminal.until("n + 1");
    terminal.press("b");
    // This course has no book.
    terminal.until("bookbinder");
    terminal.press("?");
    terminal.until("press h again for the next one");
    terminal.press(ESCAPE);
    terminal.until_gone("press h again for the next one");
}

#[test]
fn a_terminal_that_is_dumb_gets_lines() {
    let course = Fixture::built();
    let mut terminal = Terminal::with(&course, &["--plain"], (100, 200), &[]);
    terminal.until("Press any key to begin");
    terminal.press("\n");
    terminal.until("exercise 1 of 1, 0 passed, 1 minutes left");
    terminal.until("2 of 2 failed");
    course.exercise("src/lib.rs", WRONG);
    terminal.until("this may be: adds two");
    terminal.press("h\n");
    terminal.until("Hint 1 of 3");
    terminal.press("m\n");
    terminal.until("Count on your fingers");
    terminal.press("l\n");
    terminal.until("▸ add-one");
    terminal.press("nothing\n");
    terminal.until("no exercise has it in its name");
    terminal.press("add\n");
    terminal.until_screen("the task for the second time", |screen| {
        screen
            .matches("edit exercises/sums/add-one/src/lib.rs")
            .count()
            == 2
    });
    terminal.press("q\n");
    assert_eq!(terminal.end().code(), Some(0));
    let raw = terminal.raw();
    assert!(!raw.contains(&0x1b), "an escape sequence in plain mode");
    terminal.leaves_nothing();

    let terminal = Terminal::with(&course, &[], (100, 200), &[("TERM", "dumb")]);
    terminal.until("exercise 1 of 1");
    assert!(!terminal.raw().contains(&0x1b));
}

#[test]
fn without_colour_nothing_is_lost() {
    let course = Fixture::built();
    assert!(Terminal::begun(&course).is_coloured());
    fs::remove_dir_all(course.root.join(".course")).unwrap();
    let terminal = Terminal::with(&course, &[], (100, 30), &[("NO_COLOR", "1")]);
    terminal.until("Press any key to begin");
    terminal.press(" ");
    terminal.until("✗ 2 of 2 failed");
    assert!(!terminal.is_coloured());
}
