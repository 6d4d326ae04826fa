//! Bad input gets one sentence that names the thing and the next step, and exit
//! code 2, and nothing is lost. None of these tests starts cargo.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::fixture::{Fixture, RIGHT, STUB, Said};

#[test]
fn an_unknown_exercise_gets_the_nearest_name() {
    let course = Fixture::new("unknown");
    course
        .run(&["check", "ad-one"])
        .could_not("did you mean `add-one`?");
    course.run(&["check", "zzz"]).could_not("cargo course list");
}

#[test]
fn outside_of_a_course_it_says_so() {
    let course = Fixture::new("outside");
    fs::remove_file(course.root.join("exercises/course.toml")).unwrap();
    // The fixture lies in the target folder of the real course, so the command
    // runs in `/`.
    let said = course.command(&["list"]).current_dir("/").output().unwrap();
    Said::of(said).could_not("exercises/course.toml");
}

#[test]
fn a_malformed_catalogue_is_named_with_the_line() {
    let course = Fixture::new("catalogue");
    course.write("exercises/course.toml", "[[exercise]]\nid = 3\n");
    course.run(&["list"]).could_not("course.toml");
}

#[test]
fn usage_errors_have_exit_code_2() {
    let course = Fixture::new("usage");
    for words in [["nonsense", "x"], ["check", "--sauce"], ["who-waits", "me"]] {
        assert_eq!(course.run(&words).code, 2, "{words:?}");
    }
}

#[test]
fn a_source_that_is_missing_or_a_folder_or_no_text_is_named() {
    let course = Fixture::new("source");
    course
        .run(&["check", "add-one", "--source", "none.rs"])
        .could_not("none.rs cannot be read");
    course
        .run(&["check", "add-one", "--source", "exercises"])
        .could_not("exercises is a folder");
    // A FIFO that nobody writes to must not be waited for.
    nix::unistd::mkfifo(&course.root.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    course
        .run(&["check", "add-one", "--source", "fifo"])
        .could_not("fifo is not an ordinary file");
    std::os::unix::fs::symlink("nowhere", course.root.join("dangling")).unwrap();
    course
        .run(&["check", "add-one", "--source", "dangling"])
        .could_not("dangling cannot be read");
    fs::write(course.root.join("latin.rs"), b"// \xe9\n").unwrap();
    course
        .run(&["check", "add-one", "--source", "latin.rs"])
        .could_not("latin.rs is not UTF-8");
    fs::write(course.path("src/lib.rs"), b"// \xe9\n").unwrap();
    course
        .run(&["check", "add-one"])
        .could_not("lib.rs is not UTF-8");
}

#[test]
fn a_learners_file_that_is_gone_can_be_had_again() {
    let course = Fixture::new("gone");
    fs::remove_file(course.path("src/lib.rs")).unwrap();
    course
        .run(&["check", "add-one"])
        .could_not("cargo course reset add-one");
    course.run(&["reset", "add-one"]).says(0, "is restored");
    assert_eq!(fs::read_to_string(course.path("src/lib.rs")).unwrap(), STUB);
}

#[test]
fn edited_or_deleted_tests_are_not_judged_and_can_be_had_again() {
    let course = Fixture::new("edited");
    course.exercise("src/lib.rs", RIGHT);
    course.exercise("tests/add-one.rs", "#[test] fn one_is_added() {}\n");
    let said = course.run(&["check", "add-one"]);
    said.could_not("tests/add-one.rs was edited");
    said.could_not("cargo course reset add-one --tests");
    fs::remove_file(course.path("tests/add-one.rs")).unwrap();
    course
        .run(&["check", "add-one"])
        .could_not("tests/add-one.rs is missing");
    course
        .run(&["reset", "add-one", "--tests"])
        .says(0, "tests/add-one.rs is restored");
    let kept = fs::read_to_string(course.path("src/lib.rs")).unwrap();
    assert_eq!(kept, RIGHT, "the learner's file is left alone");
}

#[test]
fn an_edited_manifest_is_named_with_the_key() {
    let course = Fixture::new("manifest");
    let given = fs::read_to_string(course.path("Cargo.toml")).unwrap();
    let own_harness = given.replace("[[test]]", "[[test]]\nharness = false");
    course.exercise("Cargo.toml", &own_harness);
    course
        .run(&["check", "add-one"])
        .could_not("Cargo.toml was edited at `test`");
    fs::remove_file(course.path("Cargo.toml")).unwrap();
    course
        .run(&["check", "add-one"])
        .could_not("Cargo.toml is missing");
}

#[test]
fn without_cargo_it_says_how_to_get_it() {
    let course = Fixture::new("no-cargo");
    let said = course
        .command(&["check", "add-one"])
        .env("PATH", "/nowhere")
        .env_remove("CARGO")
        .output();
    Said::of(said.unwrap()).could_not("cargo cannot be started");
}

#[test]
fn a_corrupt_progress_file_is_kept_aside() {
    let course = Fixture::new("corrupt");
    for number in 1..=2 {
        course.write(".course/progress.json", "{ half a fi");
        let said = course.run(&["list"]);
        said.says(0, "0 of 1 passed");
        let aside = format!(".course/progress.json.broken-{number}");
        assert!(said.err.contains(&aside), "{said:?}");
        assert_eq!(course.read(&aside), "{ half a fi");
    }
}

#[test]
fn a_reset_keeps_every_version_of_the_file() {
    let course = Fixture::new("reset");
    for (number, text) in [(1, "// mine\n"), (2, "// mine again\n")] {
        course.exercise("src/lib.rs", text);
        let backup = format!(".course/backups/add-one/src/lib.rs.backup-{number}");
        course.run(&["reset", "add-one"]).says(0, &backup);
        assert_eq!(course.read(&backup), text);
        assert_eq!(fs::read_to_string(course.path("src/lib.rs")).unwrap(), STUB);
    }
    course
        .run(&["reset", "add-one"])
        .says(0, "nothing to restore");
}

#[test]
fn a_file_is_not_reset_if_its_backup_cannot_be_kept() {
    let course = Fixture::new("no-backup");
    course.exercise("src/lib.rs", "// mine\n");
    course.write(".course", "not a folder");
    course
        .run(&["reset", "add-one"])
        .could_not("cannot be written");
    assert_eq!(
        fs::read_to_string(course.path("src/lib.rs")).unwrap(),
        "// mine\n"
    );
}

#[test]
fn a_solution_is_shown_to_those_who_passed_or_give_up() {
    let course = Fixture::new("solution");
    course.run(&["solution", "add-one"]).could_not("--give-up");
    course
        .run(&["solution", "add-one", "--give-up"])
        .says(0, "n + 1");
}

#[test]
fn hints_come_one_after_the_other() {
    let course = Fixture::new("hints");
    for hint in ["Count.", "Use +.", "n + 1.", "n + 1."] {
        course.run(&["hint"]).says(0, hint);
    }
    course.run(&["hint", "2"]).says(0, "Use +.");
    course.run(&["hint", "add-one", "1"]).says(0, "Count.");
    course
        .run(&["hint", "add-one", "4"])
        .could_not("hints 1 to 3");
}

#[test]
fn nothing_explores_so_nothing_is_replayed() {
    let course = Fixture::new("replay");
    course
        .run(&["replay", "add-one", "a3b2"])
        .could_not("explores no schedules");
}

#[test]
fn a_process_that_is_not_there_is_named() {
    let course = Fixture::new("who");
    course
        .run(&["who-waits", "4194304"])
        .could_not("there is no process 4194304");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let course = Fixture::new("reader");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let said = course.command(&["list"]).stdout(writer).output().unwrap();
    let said = Said::of(said);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn an_argument_that_is_no_text_is_no_panic() {
    let course = Fixture::new("bytes");
    let word = std::ffi::OsStr::from_bytes(b"\xff");
    let said = course.command(&["check"]).arg(word).output().unwrap();
    Said::of(said).could_not("UTF-8");
}

#[test]
fn the_help_has_the_learners_commands_first() {
    let said = Fixture::new("help").run(&["--help"]);
    let at = |part: &str| {
        said.out
            .find(part)
            .unwrap_or_else(|| panic!("no {part}: {said:?}"))
    };
    assert!(at("\n  check ") < at("\nFor instructors:\n  bundle "));
    assert!(at("\n  doctor ") < at("\nFor authors:\n  verify "));
}
