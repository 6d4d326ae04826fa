//! Windows of every size, and terminals that lie about theirs.

use crate::fixture::Fixture;
use crate::terminal::Terminal;

#[test]
fn a_small_window_still_shows_what_counts() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    terminal.press("v");
    terminal.resize(40, 10);
    // Look at all of it at once: until the loop knows the new size, the screen
    // shows what was drawn for the old one.
    terminal.until_screen("the verdict in 40 × 10", |screen| {
        let words = ["✗ one_is_added", "2 of 2 failed", "add-one", "lib.rs:5"];
        words.iter().all(|word| screen.contains(word))
            && screen.lines().count() <= 10
            && screen.lines().all(|line| line.chars().count() <= 40)
    });
}

#[test]
fn windows_that_cannot_be_are_survived() {
    let course = Fixture::built();
    let mut terminal = Terminal::begun(&course);
    for (columns, rows) in [
        (1, 1),
        (2, 3),
        (300, 2),
        (1, 50),
        (0, 0),
        (10_000, 10_000),
        (7, 7),
    ] {
        terminal.resize(columns, rows);
        terminal.press("hvtl\x1b");
    }
    terminal.resize(100, 30);
    terminal.press("\x1bt");
    terminal.until("cargo course check add-one");
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn a_window_without_a_size_is_taken_for_a_usual_one() {
    let course = Fixture::built();
    let terminal = Terminal::with(&course, &[], (0, 0), &[]);
    terminal.resize(80, 24);
    terminal.until("any key begin");
}
