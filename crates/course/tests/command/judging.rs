//! The verdicts of the real command, on a small course: what it prints, keeps
//! and exits with. The first of these builds the judge, which takes a while.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::fixture::{Fixture, RIGHT, STUB, Said, WRONG};

/// The lines of `--json`.
pub(crate) fn lines(said: &Said) -> Vec<Value> {
    said.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_learner_goes_from_the_stub_to_a_pass() {
    let course = Fixture::built();

    let stub = course.run(&[]);
    stub.says(1, "not yet implemented: add one");
    stub.says(1, "cargo course hint add-one");

    course.exercise("src/lib.rs", WRONG);
    let wrong = course.run(&["check"]);
    wrong.says(1, "one more than");
    wrong.says(1, "this may be: adds two");
    // The explanation may tell the solution, so a hint comes first.
    assert!(!wrong.out.contains("Count on your fingers"), "{wrong:?}");
    course.run(&["hint", "add-one"]).says(0, "hint 1 of 3");
    course.run(&["check"]).says(1, "Count on your fingers");

    course.exercise("src/lib.rs", RIGHT);
    course
        .run(&["check", "add-one"])
        .says(0, "all 2 tests passed");
    course.run(&["list"]).says(0, "1 of 1 passed");
    course.run(&[]).says(0, "You have passed every exercise");
    course.run(&["solution", "add-one"]).says(0, "n + 1");
}

#[test]
fn in_the_folder_of_an_exercise_that_exercise_is_meant() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", RIGHT);
    course.run(&["check"]).says(0, "all 2 tests passed");
    // Nothing is left to do, but here is an exercise.
    course
        .run(&["check"])
        .could_not("you have passed every exercise");
    let folder = course.path("src");
    let inside = course
        .command(&["run"])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout).into_owned();
    assert!(said.contains("all 2 tests passed"), "{said}");
    // Without a terminal, `watch` and `next` judge once.
    course
        .run(&["watch", "add-one"])
        .says(0, "all 2 tests passed");
    course.run(&["watch", "add-two"]).could_not("add-two");
    course
        .run(&["next"])
        .says(0, "You have passed every exercise");
}

#[test]
fn json_has_a_line_for_each_test_and_one_for_all() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", WRONG);
    let said = course.run(&["check", "add-one", "--json"]);
    assert_eq!(said.code, 1);
    let lines = lines(&said);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["test"], "one_is_added");
    assert_eq!(lines[0]["outcome"], "fail");
    assert_eq!(lines[1]["test"], "worlds::zero_has_a_successor");
    assert!(lines[1]["millis"].is_u64());
    assert_eq!(lines[0]["file"], "exercises/sums/add-one/src/lib.rs");
    let sum = serde_json::json!({
        "exercise": "add-one", "file": "exercises/sums/add-one/src/lib.rs",
        "passed": 0, "failed": 2, "not_judged": 0, "warnings": 0,
        "points": 0, "possible_points": 1, "known_mistake": {
            "test": "one_is_added", "what": "adds two",
            "explain": "Count on your fingers: you end one finger too far.",
        }
    });
    assert_eq!(lines[2], sum);
}

#[test]
fn a_hang_says_at_which_line_the_thread_is() {
    if std::process::Command::new("addr2line")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: this machine has no addr2line (binutils)");
        return;
    }
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: a running thread can be looked at only on x86-64");
        return;
    }
    let course = Fixture::built();
    let endless = "{\n    while n > 0 {\n        std::hint::spin_loop();\n    }\n    n + 1\n}";
    course.exercise("src/lib.rs", &RIGHT.replace("{\n    n + 1\n}", endless));
    let said = course.run(&["check", "add-one"]);
    said.says(1, "s of CPU time), at line ");
    said.says(1, "at exercises/sums/add-one/src/lib.rs:");
}

#[test]
fn many_files_are_judged_one_after_the_other() {
    let course = Fixture::built();
    course.write("in/right.rs", RIGHT);
    course.write("in/wrong.rs", WRONG);
    fs::write(course.root.join("in/latin.rs"), b"// \xe9\n").unwrap();
    let files = [
        "in/wrong.rs",
        "in/latin.rs",
        "in/none.rs",
        "in",
        "in/right.rs",
    ];
    let words = [&["check", "add-one", "--json", "--source"], &files[..]].concat();
    let said = course.run(&words);
    assert_eq!(said.code, 2, "{said:?}");
    let lines = lines(&said);
    let last_of = |file: &str| {
        let mut of_file = lines.iter().filter(|line| line["file"] == file);
        of_file.next_back().unwrap().clone()
    };
    assert_eq!(last_of("in/wrong.rs")["points"], 0);
    assert_eq!(last_of("in/wrong.rs")["known_mistake"]["what"], "adds two");
    assert_eq!(last_of("in/right.rs")["points"], 1);
    for file in ["in/latin.rs", "in/none.rs", "in"] {
        let line = last_of(file);
        assert_eq!(line["outcome"], "not-judged", "{line}");
        assert!(line["cause"].as_str().unwrap().contains(file), "{line}");
    }
    // The exercise may also stand behind the files.
    course
        .run(&["check", "--source", "in/right.rs", "add-one"])
        .says(0, "add-one · Add one\n");
    let both = course.run(&["check", "add-one", "--source", "in/right.rs", "in/wrong.rs"]);
    both.says(1, "add-one · Add one · in/right.rs\n");
    both.says(1, "all 2 tests passed");
    both.says(1, "2 of 2 failed");
    both.says(1, "Count on your fingers");
}

#[test]
fn all_exercises_are_judged_in_one_go() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", RIGHT);
    course
        .run(&["check", "--all"])
        .says(0, "add-one  ✓ all 2 tests passed");
    course.run(&["list"]).says(0, "1 of 1 passed");
    course.exercise("src/lib.rs", WRONG);
    let wrong = course.run(&["check", "--all"]);
    wrong.says(1, "add-one  ✗ 2 of 2 failed");
    let said = course.run(&["check", "--all", "--json"]);
    assert_eq!(lines(&said).len(), 3);
}

#[test]
fn code_that_does_not_compile_fails_every_test_and_is_shown_once() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", &RIGHT.replace("n + 1", "n + \"1\""));
    let said = course.run(&["check", "add-one"]);
    said.says(1, "no test ran");
    assert_eq!(said.out.matches("error[E0277]").count(), 1, "{said:?}");
    let said = course.run(&["check", "add-one", "--json"]);
    assert_eq!(said.code, 1);
    let lines = lines(&said);
    assert_eq!(lines[0]["outcome"], "compile-error");
    assert!(
        lines[0]["cause"]
            .as_str()
            .unwrap()
            .starts_with("error[E0277]")
    );
    assert_eq!(lines[2]["failed"], 2);
}

#[test]
fn a_changed_signature_is_told_from_an_error_in_the_file() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", &RIGHT.replace("u64", "u8"));
    course
        .run(&["check", "add-one"])
        .says(1, "the tests use something with other types");
}

#[test]
fn another_source_is_judged_and_the_learners_file_left_alone() {
    let course = Fixture::built();
    course.write("mine/try.rs", RIGHT);
    course
        .run(&["check", "add-one", "--source", "mine/try.rs"])
        .says(0, "all 2 tests passed");
    course.write("mine/try.rs", &RIGHT.replace("n + 1", "panic!(\"no\")"));
    let said = course.run(&["check", "add-one", "--source", "mine/try.rs"]);
    said.says(1, "at mine/try.rs:5");
    assert!(!said.out.contains("candidate"), "{said:?}");
    course.write("mine/try.rs", "pub fn add_one(n: u64) -> u64 { m }\n");
    course
        .run(&["check", "add-one", "--source", "mine/try.rs"])
        .says(1, "mine/try.rs:1");
    assert_eq!(fs::read_to_string(course.path("src/lib.rs")).unwrap(), STUB);
    course.run(&["list"]).says(0, "0 of 1 passed");
}

#[test]
fn a_patch_is_judged_as_the_solution_with_its_change() {
    let course = Fixture::built();
    let patch = "solutions/sums/add-one/mistakes/two.patch";
    let check = |path: &str| course.run(&["check", "add-one", "--source", path]);
    check(patch).says(1, "This looks like a known mistake");
    course.write("none.patch", "no diff\n");
    check("none.patch").could_not("contains no diff");
    course.write(
        "old.patch",
        "--- a\n+++ b\n@@ -1 +1 @@\n-fn old() {}\n+fn new() {}\n",
    );
    check("old.patch").could_not("does not fit");
    let kept = fs::read_to_string(course.root.join(patch)).unwrap();
    fs::remove_dir_all(course.root.join("solutions")).unwrap();
    course.write("kept.patch", &kept);
    check("kept.patch").could_not("contains no solutions");
}

#[test]
fn a_source_may_come_from_standard_input() {
    let course = Fixture::built();
    let mut child = course
        .command(&["check", "add-one", "--source", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(RIGHT.as_bytes())
        .unwrap();
    Said::of(child.wait_with_output().unwrap()).says(0, "all 2 tests passed");
}

#[test]
fn a_verdict_stands_although_progress_cannot_be_kept() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", RIGHT);
    course.write(".course", "not a folder");
    let said = course.run(&["check", "add-one"]);
    said.says(0, "all 2 tests passed");
    assert!(said.err.contains("your progress was not saved"), "{said:?}");
}

#[test]
fn explain_says_what_was_asked_and_how_to_repeat_it() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", WRONG);
    let said = course.run(&["check", "add-one", "--explain"]);
    said.says(1, "asked     0");
    said.says(1, "answered  2");
    said.says(
        1,
        "cargo test -p add-one --test add-one -- --exact worlds::zero_has_a_successor",
    );
}

#[test]
fn a_dependency_more_is_the_learners_own_affair() {
    let course = Fixture::built();
    course.exercise(
        "src/lib.rs",
        &RIGHT.replace("n + 1", "u64::from(libc::SIGHUP.cast_unsigned()) + n"),
    );
    let given = fs::read_to_string(course.path("Cargo.toml")).unwrap();
    let added = given.replace("[dependencies]\n", "[dependencies]\nlibc = \"0.2\"\n");
    course.exercise("Cargo.toml", &added);
    course
        .run(&["check", "add-one"])
        .says(0, "all 2 tests passed");
}
