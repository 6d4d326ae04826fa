//! `cargo course new`: the exercise that it makes builds and passes, and counts
//! as not yet written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Fixture, Said};

fn course(name: &str) -> Fixture {
    course_with(name, false)
}

/// A course whose root manifest is like that of the real one.
fn course_with(name: &str, is_explored: bool) -> Fixture {
    let course = Fixture::new(name);
    let manifest = format!(
        r#"[workspace]
resolver = "3"
members = ["exercises/*/*", "solutions/*/*"{1}]
default-members = ["solutions/*/*"]

[workspace.package]
version = "0.1.0"
edition = "2024"
rust-version = "1.95"
license = "MIT OR Apache-2.0"
publish = false

[workspace.dependencies]
proctor = {{ path = "{0}/proctor" }}
interleave = {{ path = "{0}/interleave" }}

[profile.dev]
debug = false
incremental = false
"#,
        crates().display(),
        // Cargo rejects a pattern that matches nothing.
        match is_explored {
            true => r#", "exercises/*/*/explored", "solutions/*/*/explored""#,
            false => "",
        },
    );
    course.write("Cargo.toml", &manifest);
    course.write(
        "solutions/sums/add-one/Cargo.toml",
        "[package]\nname = \"add-one-solution\"\nedition = \"2024\"\n\n[[test]]\nname = \"add-one\"\n\
         path = \"../../../exercises/sums/add-one/tests/add-one.rs\"\n\n[dev-dependencies]\nproctor.workspace = true\n",
    );
    course
}

/// The crates of the course that is tested here.
fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn cargo(course: &Fixture, words: &[&str]) -> Said {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = course.command(&[]);
    let target = target
        .get_envs()
        .find(|(name, _)| *name == "CARGO_TARGET_DIR");
    let output = Command::new(cargo)
        .args(words)
        .current_dir(&course.root)
        .env("CARGO_TARGET_DIR", target.unwrap().1.unwrap())
        .output();
    Said::of(output.unwrap())
}

/// Every file below a folder, with what it holds.
fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(texts(&path));
        } else if path.is_file() {
            let content = fs::read(&path).unwrap();
            found.push((path, String::from_utf8_lossy(&content).into_owned()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_fresh_exercise_builds_passes_and_is_not_yet_written() {
    let course = course("new-plain");
    let said = course.run(&["new", "sums/ticket-lock"]);
    said.says(0, "exercises/sums/ticket-lock/src/lib.rs");
    assert_eq!(said.err, "", "{said:?}");

    // The lock file already contains the packages.
    let tested = cargo(&course, &["test", "--locked", "--offline"]);
    tested.says(0, "it_gives_the_sum_of_all_that_was_added ... ok");
    course
        .run(&["check", "ticket-lock"])
        .says(1, "not yet implemented");

    let verified = course.run(&["verify", "ticket-lock"]);
    verified.says(0, "ticket-lock: not yet written (");
    verified.says(0, "exercises/sums/ticket-lock/README.md:1  the title");
    verified.says(0, "solutions/sums/ticket-lock/mistakes/a-mistake.patch:1  ");
    verified.says(0, "exercises/course.toml:");
    verified.says(0, "1 exercise is not yet written");
    assert!(!verified.out.contains("everything agrees"), "{verified:?}");

    let formatted = cargo(&course, &["fmt", "--check", "--package", "ticket-lock"]);
    let has_rustfmt =
        !formatted.err.contains("not installed") && !formatted.err.contains("no such");
    assert!(formatted.code == 0 || !has_rustfmt, "{formatted:?}");
}

#[test]
fn a_fresh_exercise_that_explores_passes() {
    let course = course_with("new-explored", true);
    course
        .run(&["new", "sums/ticket-lock", "--explored"])
        .says(0, "ticket-lock was made");
    // This course has no crates of its own.
    for (path, text) in texts(&course.root) {
        if path.components().any(|part| part.as_os_str() == "explored") {
            let to_root = path.parent().unwrap().join("../../../..");
            assert_eq!(
                to_root.canonicalize().unwrap(),
                course.root.canonicalize().unwrap()
            );
            let text = text.replace("../../../../crates", crates().to_str().unwrap());
            fs::write(path, text).unwrap();
        }
    }
    let tested = cargo(&course, &["test", "--offline"]);
    tested.says(0, "nothing_is_lost_whatever_happens ... ok");
    course
        .run(&["check", "ticket-lock"])
        .says(1, "2 of 2 failed");
    course
        .run(&["verify", "ticket-lock"])
        .says(0, "tests/ticket-lock.rs:31  what two or three threads do");
}

#[test]
fn once_no_mark_is_left_it_is_verified_like_any_other() {
    let course = course("new-filled");
    course.run(&["new", "sums/ticket-lock"]).says(0, "");
    let mark = workshop::unwritten::MARK;
    for (path, text) in texts(&course.root) {
        if text.contains(mark) {
            fs::write(path, text.replace(mark, "")).unwrap();
        }
    }
    let said = course.run(&["verify", "ticket-lock"]);
    said.says(
        1,
        "the number of alternatives is 1, but it must be at least 4",
    );
    said.says(1, "✓ ticket-lock: mistake a-mistake");
    said.says(1, "✓ ticket-lock: alternative another-way");
    said.says(1, "✓ ticket-lock: solution");
    said.says(1, "✓ ticket-lock: stub");
    assert!(!said.out.contains("not yet written"), "{said:?}");

    // Students must not get a stub that is solved.
    let folder = |of: &str| course.root.join(of).join("sums/ticket-lock/src/lib.rs");
    let (stub, solution) = (folder("exercises"), folder("solutions"));
    let before = fs::read_to_string(&stub).unwrap();
    let blessed = course.root.join("exercises/.kept/ticket-lock.given");
    fs::copy(solution, &stub).unwrap();
    let said = course.run(&["verify", "ticket-lock", "--bless"]);
    said.says(1, "so its files were not blessed");
    assert!(!blessed.exists());
    fs::write(&stub, before).unwrap();
    let said = course.run(&["verify", "ticket-lock", "--bless"]);
    assert!(!said.out.contains("were not blessed"), "{said:?}");
    assert!(blessed.exists());

    // A changed text alone is kept without judging anything again.
    let hints = stub
        .parent()
        .and_then(Path::parent)
        .expect("a folder")
        .join("hints.md");
    let more = fs::read_to_string(&hints).unwrap() + "\nMore.\n";
    fs::write(&hints, more).unwrap();
    let said = course.run(&["verify", "ticket-lock", "--bless-texts"]);
    said.says(1, "ticket-lock: kept hints.md");
    assert!(!said.out.contains("holds other texts"), "{said:?}");
    assert!(!said.out.contains("variants"), "{said:?}");
    let code = fs::read_to_string(&stub).unwrap() + "// Again.\n";
    fs::write(&stub, &code).unwrap();
    let said = course.run(&["verify", "ticket-lock", "--bless-texts"]);
    said.says(1, "ticket-lock: kept src/lib.rs");
    fs::write(&stub, code + "\n").unwrap();
    let said = course.run(&["verify", "ticket-lock", "--bless-texts"]);
    said.says(1, "src/lib.rs has changed too");
}

#[test]
fn an_exercise_that_was_blessed_cannot_become_unwritten() {
    let course = course("new-regress");
    let mark = workshop::unwritten::MARK;
    course.exercise("README.md", &format!("# Add one\n\n{mark} more\n"));
    let said = course.run(&["verify", "--build-only", "programs"]);
    said.says(
        1,
        "exercises/sums/add-one/README.md:3 still has to be filled in: more",
    );
}

#[test]
fn what_cannot_be_a_name_is_refused_in_a_sentence() {
    let course = course("new-names");
    for (asked, fragment) in [
        ("ticket-lock", "does not have the form TOPIC/EXERCISE"),
        ("sums/", "does not have the form TOPIC/EXERCISE"),
        ("sums/a/b", "does not have the form TOPIC/EXERCISE"),
        ("../sums/x", "does not have the form TOPIC/EXERCISE"),
        ("sms/x", "Did you mean `sums`?"),
        ("threads/x", "The topics are sums"),
        ("sums/Ticket", "is not kebab-case"),
        ("sums/..", "is not kebab-case"),
        ("sums/yield", "is a keyword of Rust"),
        ("sums/core", "reserves for itself"),
        ("sums/add-one", "has an exercise of that name in topic sums"),
        ("sums/generator", "on which loom depends"),
        (
            "sums/proctor",
            "is taken in Cargo.lock by a package of this course",
        ),
    ] {
        course.run(&["new", asked]).could_not(fragment);
    }
    let long = format!("sums/{}", "x".repeat(300));
    course.run(&["new", &long]).could_not("at most 40");
}

#[test]
fn a_folder_that_is_there_is_left_alone() {
    let course = course("new-there");
    course.write("solutions/sums/mine/notes", "mine");
    let before = texts(&course.root);
    course
        .run(&["new", "sums/mine"])
        .could_not("solutions/sums/mine exists already");
    assert_eq!(texts(&course.root), before);
}

#[test]
fn nothing_is_left_behind_by_what_fails_half_way() {
    let course = course("new-half");
    // The exercise's folder can be made, the solution's cannot.
    fs::remove_dir_all(course.root.join("solutions")).unwrap();
    course.write("solutions", "a file");
    let before = texts(&course.root);
    course
        .run(&["new", "sums/mine"])
        .could_not("cannot be written");
    assert_eq!(texts(&course.root), before);
    assert!(!course.path("../mine").exists());
}

#[test]
fn a_tree_that_is_read_only_is_named() {
    // A folder that every user can reach. Root may write anywhere, so root runs
    // the command as `nobody`.
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let program = folder.path().join("course");
    // Copied by another process: a child that another test forks while this one
    // had the file open would make executing it fail (ETXTBSY).
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_workshop"))
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    let root = folder.path().join("tree");
    fs::create_dir_all(root.join("exercises/sums")).unwrap();
    fs::create_dir_all(root.join("solutions/sums")).unwrap();
    let entry = "[[exercise]]\nid = \"add-one\"\ntopic = \"sums\"\ntitle = \"Add one\"\nminutes = 1\npoints = 1\n\
                 needs = []\nstub = { outcome = \"panic\", cause = \"not yet implemented\" }\n";
    fs::write(root.join("exercises/course.toml"), entry).unwrap();
    let before = texts(&root);
    open(folder.path(), 0o755);
    open(&root, 0o555);

    let mut command = Command::new(&program);
    command.args(["new", "sums/mine"]).current_dir(&root);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let said = Said::of(command.output().unwrap());
    open(&root, 0o755);
    said.could_not("cannot be written: permission denied");
    assert_eq!(texts(&root), before);
}
