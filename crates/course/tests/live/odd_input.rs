//! Files that come and go, and output that tries to control the terminal.

use std::fs;

use crate::fixture::{Fixture, RIGHT, STUB};
use crate::terminal::Terminal;

#[test]
fn a_file_that_is_saved_half_way_is_no_end() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    course.exercise("src/lib.rs", "");
    terminal.until("the tests cannot use it yet");
    course.exercise("src/lib.rs", &RIGHT[..60]);
    terminal.until("does not compile yet");
    fs::write(course.path("src/lib.rs"), b"pub fn add_one \xff\xfe").unwrap();
    terminal.until("not UTF-8");
    course.exercise("src/lib.rs", RIGHT);
    terminal.until("✓ You passed add-one");
}

#[test]
fn a_folder_that_is_renamed_is_missed_until_it_is_back() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    let (folder, aside) = (course.path(""), course.root.join("aside"));
    fs::rename(&folder, &aside).unwrap();
    let screen = terminal.until("does not exist any more");
    assert!(screen.contains("Or press r, which"), "{screen}");
    fs::rename(&aside, &folder).unwrap();
    terminal.until("2 of 2 failed");
    course.exercise("src/lib.rs", RIGHT);
    terminal.until("✓ You passed add-one");
}

#[test]
fn a_folder_that_is_deleted_is_put_back_by_a_reset() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    fs::remove_dir_all(course.path("")).unwrap();
    terminal.until("does not exist any more");
    terminal.press("ry");
    terminal.until("2 of 2 failed");
    assert_eq!(fs::read_to_string(course.path("src/lib.rs")).unwrap(), STUB);
    assert!(course.path("tests/add-one.rs").exists());
}

#[test]
fn what_a_program_prints_steers_nothing() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    // These sequences set the title, leave and clear the screen, set the
    // clipboard, and make the terminal send an answer as input.
    let evil = "\\x1b]0;OWNED\\x07\\x1b[?1049l\\x1b[2J\\x1b]52;c;b3duZWQ=\\x07\\x1b[5n\\u{9b}2J";
    let printing = RIGHT.replace(
        "    n + 1\n",
        &format!("    println!(\"{evil}seen\");\n    panic!(\"{evil}cause\")\n"),
    );
    course.exercise("src/lib.rs", &printing);
    terminal.until("]0;OWNED");
    terminal.press("e");
    terminal.until("stdout");
    let raw = terminal.raw();
    let holds = |bytes: &[u8]| raw.windows(bytes.len()).any(|window| window == bytes);
    for sequence in ["\x1b]0;", "\x1b[?1049l", "\x1b]52", "\x1b[5n", "\u{9b}2J"] {
        assert!(!holds(sequence.as_bytes()), "{sequence:?} got through");
    }
}

#[test]
fn a_line_of_ten_megabytes_is_shortened() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    let printing = RIGHT.replace(
        "    n + 1\n",
        "    println!(\"{}\", \"x\".repeat(10 << 20));\n    panic!(\"{}\", \"y\".repeat(10 << 20))\n",
    );
    course.exercise("src/lib.rs", &printing);
    terminal.until("yyyyyyyy");
    terminal.resize(200, 60);
    terminal.press("e");
    terminal.until("xxxxxxxx");
    terminal.press("t");
    terminal.until("cargo course check add-one");
    assert!(
        terminal.raw().len() < 1 << 20,
        "{} bytes",
        terminal.raw().len()
    );
}

#[test]
fn progress_that_cannot_be_kept_is_said_and_the_loop_goes_on() {
    let course = Fixture::built();
    course.write(".course", "not a folder");
    let terminal = Terminal::start(&course, &[]);
    terminal.until("Press any key to begin");
    terminal.press(" ");
    terminal.until("2 of 2 failed");
    course.exercise("src/lib.rs", RIGHT);
    terminal.until("your progress was not saved");
    terminal.press("v");
    terminal.until("✓ one_is_added");
}

#[test]
fn a_course_that_is_moved_is_not_made_again_in_its_old_place() {
    let course = Fixture::built();
    let terminal = Terminal::begun(&course);
    let moved = course.root.with_extension("moved");
    let _ = fs::remove_dir_all(&moved);
    fs::rename(&course.root, &moved).unwrap();
    terminal.press("h");
    terminal.until("your progress was not saved: the course is no longer in");
    terminal.press("\r");
    terminal.until("does not exist any more");
    assert!(!course.root.exists());
    fs::rename(&moved, &course.root).unwrap();
}

#[test]
fn two_loops_at_once_lose_nothing_of_each_other() {
    let course = Fixture::built();
    let one = Terminal::begun(&course);
    let two = Terminal::start(&course, &[]);
    two.until("2 of 2 failed");
    two.press("h");
    two.until("Hint 1 of 3");
    course.exercise("src/lib.rs", RIGHT);
    one.until("✓ You passed add-one");
    two.until("✓ You passed add-one");
    let kept = course.read(".course/progress.json");
    assert!(kept.contains("\"passed\": {\n    \"add-one\""), "{kept}");
    assert!(kept.contains("\"hints\": {\n    \"add-one\": 1"), "{kept}");
}
