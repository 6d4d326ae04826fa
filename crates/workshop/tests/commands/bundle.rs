//! `cargo course bundle`: what students get, and that everything works in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Fixture, RIGHT, STUB, Said, WRONG};

/// A course with a solution as a package, a README, and an author's folder.
fn course(name: &str) -> Fixture {
    let course = Fixture::new(name);
    let manifest = course.read("Cargo.toml").replace(
        "members = [\"exercises/*/*\"]",
        "# What students solve, and how.\nmembers = [\n    \"exercises/*/*\",\n    \"solutions/*/*\",\n]\n\
         default-members = [\"solutions/*/*\", \"exercises/*/*\"]",
    );
    course.write("Cargo.toml", &manifest);
    course.write(
        "solutions/sums/add-one/Cargo.toml",
        "[package]\nname = \"add-one-solution\"\nedition = \"2024\"\n",
    );
    course.write(
        "solutions/sums/add-one/alternatives/loop.rs",
        "//! Another way.\n",
    );
    course.write(
        "README.md",
        "# Sums\n\n`cargo course` begins.\n`cargo course verify` <!-- not for students -->\n",
    );
    course.write(".ci/run", "#!/bin/sh\n");
    course.write("notes-for-the-exam.md", "secret\n");
    course.write(".course/progress.json", "{}");
    course.write("crates/tool/Cargo.toml", "[package]\nname = \"tool\"\n");
    course.write("crates/tool/tests/right.rs", RIGHT);
    course.write("crates/tool/README.md", "a tool\n");
    course.write("crates/workshop/src/lib.rs", "//! Verifies.\n");
    course.write(
        "book/book.toml",
        "src = \"src\"\n\"instructors.md\" = 1 # not for students\n",
    );
    course.write(
        "book/src/SUMMARY.md",
        "- [Sums](sums.md)\n- [For instructors](instructors.md) <!-- not for students -->\n",
    );
    course.write("book/src/sums.md", "# Sums\n");
    course.write("book/src/instructors.md", "# For instructors\n");
    course.write("book/play/two-steps.rs", "//! To play with.\n");
    course
}

/// The command in a bundle.
fn in_bundle(course: &Fixture, folder: &Path, words: &[&str]) -> Said {
    Said::of(course.command(words).current_dir(folder).output().unwrap())
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => _ = found.insert(path),
        }
    }
    found
}

fn names(folder: &Path) -> BTreeSet<String> {
    let short = |path: PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
    files(folder).into_iter().map(short).collect()
}

#[test]
fn students_get_what_they_need_and_nothing_else() {
    let course = course("bundle-files");
    // An author tries their own exercise, and forgets the solution there.
    course.exercise("src/lib.rs", RIGHT);
    let said = course.run(&["bundle", "students"]);
    said.says(0, "contains the course with 1 exercise");
    said.says(
        0,
        "Left out: .ci, notes-for-the-exam.md, solutions, book/src/instructors.md, \
         crates/workshop (the authors' tools), the crates' own tests.",
    );
    assert_eq!(said.err, "", "{said:?}");

    let bundle = course.root.join("students");
    let expected = [
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "book/book.toml",
        "book/play/two-steps.rs",
        "book/src/SUMMARY.md",
        "book/src/sums.md",
        "crates/tool/Cargo.toml",
        "crates/tool/README.md",
        "exercises/course.toml",
        "exercises/explanations.json",
        "exercises/.kept/add-one.given",
        "exercises/sums/add-one/Cargo.toml",
        "exercises/sums/add-one/README.md",
        "exercises/sums/add-one/hints.md",
        "exercises/sums/add-one/src/lib.rs",
        "exercises/sums/add-one/tests/add-one.rs",
    ];
    assert_eq!(names(&bundle), expected.map(str::to_owned).into());
    let text = |name: &str| fs::read_to_string(bundle.join(name)).unwrap();
    assert_eq!(text("exercises/sums/add-one/src/lib.rs"), STUB);
    assert_eq!(text("README.md"), "# Sums\n\n`cargo course` begins.\n");
    assert_eq!(text("book/src/SUMMARY.md"), "- [Sums](sums.md)\n");
    assert_eq!(text("book/book.toml"), "src = \"src\"\n");
    assert!(!text("Cargo.lock").contains("add-one-solution"));
    assert!(!text("Cargo.toml").contains("solutions/"));
    assert!(
        text("Cargo.toml").contains("# What students solve, and how."),
        "comments stay"
    );
    for path in files(&bundle) {
        if path.parent().unwrap().ends_with(".kept") {
            continue; // Compressed, and made of the files that are looked at here.
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("n + 1\n"), "a solution is in {path:?}");
        assert!(!text.contains("@@"), "a diff is in {path:?}");
    }
}

#[test]
fn everything_of_a_learner_works_in_it() {
    let course = course("bundle-learner");
    course.run(&["bundle", "students"]).says(0, "");
    let bundle = course.root.join("students");
    let source = bundle.join("exercises/sums/add-one/src/lib.rs");
    let run = |words: &[&str]| in_bundle(&course, &bundle, words);

    run(&["list"]).says(0, "0 of 1 passed");
    run(&["hint"]).says(0, "Count.");
    run(&[]).says(1, "not yet implemented");
    fs::write(&source, WRONG).unwrap();
    run(&["check", "add-one"]).says(1, "Count on your fingers");
    run(&["solution", "add-one", "--give-up"]).could_not("the person who gave it to you has them");
    fs::write(&source, RIGHT).unwrap();
    let passed = run(&["check", "add-one"]);
    passed.says(0, "all 2 tests passed");
    assert!(!passed.out.contains("cargo course solution"), "{passed:?}");
    run(&["solution", "add-one"]).could_not("contains no solutions");
    run(&["progress"]).says(0, "1");
    run(&["reset", "add-one"]).says(0, "is restored");
    assert_eq!(fs::read_to_string(&source).unwrap(), STUB);

    for words in [
        ["verify", "add-one"],
        ["new", "sums/x"],
        ["bundle", "again"],
    ] {
        run(&words).could_not("for students");
        // The learner's command says so without the authors' program, which is not there.
        let command = course
            .command_of("course", &words)
            .current_dir(&bundle)
            .output();
        Said::of(command.unwrap()).could_not("for students");
    }
}

#[test]
fn only_a_folder_that_is_not_there_or_empty_is_taken() {
    let course = course("bundle-place");
    let before = names(&course.root);
    for (folder, fragment) in [
        (".ci", "is not empty"),
        ("README.md", "is a file"),
        ("none/students", "does not exist"),
        ("crates/students", "lies in a folder of the course"),
        ("exercises/sums/students", "lies in a folder of the course"),
        (".", "is not empty"),
    ] {
        course.run(&["bundle", folder]).could_not(fragment);
    }
    assert_eq!(names(&course.root), before);

    fs::create_dir(course.root.join("empty")).unwrap();
    course
        .run(&["bundle", "empty"])
        .says(0, "contains the course");
    course.run(&["bundle", "empty"]).could_not("is not empty");
}

#[test]
fn whatever_is_wrong_with_the_course_leaves_no_half_of_it() {
    let course = course("bundle-broken");
    let kept = course.root.join("exercises/.kept/add-one.given");
    let good = fs::read(&kept).unwrap();
    let patch = course.read("solutions/sums/add-one/mistakes/two.patch");
    let manifest = course.read("Cargo.toml");
    let before = names(&course.root);

    fs::remove_file(&kept).unwrap();
    course
        .run(&["bundle", "students"])
        .could_not("cargo course verify --bless");
    fs::write(&kept, "{}").unwrap();
    course
        .run(&["bundle", "students"])
        .could_not("add-one.given");
    fs::write(&kept, &good).unwrap();

    // A solved stub that was kept past `verify --bless`.
    let stub = course.read("exercises/sums/add-one/src/lib.rs");
    course.write("exercises/sums/add-one/src/lib.rs", RIGHT);
    let opened = judging::Course::open(&course.root).unwrap();
    judging::exercise::originals::keep(opened.exercise("add-one").unwrap()).unwrap();
    course
        .run(&["bundle", "students"])
        .could_not("add-one: the stub that was blessed looks solved");
    course.write("exercises/sums/add-one/src/lib.rs", &stub);
    fs::write(&kept, &good).unwrap();

    let nameless = patch.replace("Explain:", "Explains:");
    course.write("solutions/sums/add-one/mistakes/two.patch", &nameless);
    course
        .run(&["bundle", "students"])
        .could_not("two.patch: its header has");
    course.write("solutions/sums/add-one/mistakes/two.patch", &patch);

    // At the end, cargo looks at the whole bundle.
    course.write(
        "Cargo.toml",
        &manifest.replace("resolver = \"3\"", "resolver = \"nine\""),
    );
    course
        .run(&["bundle", "students"])
        .could_not("Cargo.lock up to date");
    assert_eq!(names(&course.root), before);
}

#[test]
fn what_the_instructor_should_know_is_said() {
    let course = course("bundle-notes");
    course.exercise("README.md", "# Another task\n");
    course.write("README.md", "`cargo course new` and [this](notes.md)\n");
    course.run(&["new", "sums/add-two"]);
    let said = course.run(&["bundle", "students"]);
    said.says(0, "1 exercise,");
    for fragment in [
        "exercises/sums/add-one/README.md differs from the blessed file",
        "add-two: not yet written (",
        "README.md:1 mentions `cargo course new`",
        "README.md:1 mentions `notes.md`",
    ] {
        assert!(said.err.contains(fragment), "no {fragment:?} in {said:?}");
    }
    let text = |name: &str| fs::read_to_string(course.root.join("students").join(name)).unwrap();
    assert!(!text("exercises/course.toml").contains("add-two"));
    assert!(text("exercises/sums/add-one/README.md").starts_with("# Add one"));
}

const LIBRARIES: [&str; 6] = [
    "processes",
    "ipc",
    "threads",
    "sync",
    "context-switch",
    "coroutines",
];

/// The course that this crate belongs to. `None` if that is itself a bundle, or
/// is not blessed yet.
fn real() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let is_whole = |name| root.join(name).exists();
    let whole = ["solutions", "exercises/.kept/spin-lock.given"]
        .into_iter()
        .all(is_whole);
    if !whole {
        println!("not tried: this course has no solutions, or was not blessed");
    }
    whole.then(|| root.canonicalize().unwrap())
}

/// A bundle of the real course. It is always made in the same place, so that
/// cargo builds only what has changed.
fn real_bundle(root: &Path, name: &str) -> PathBuf {
    let bundle = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&bundle);
    let said = Command::new(env!("CARGO_BIN_EXE_workshop"))
        .args(["bundle".as_ref(), bundle.as_os_str()])
        .current_dir(root)
        .output();
    Said::of(said.unwrap()).says(0, "for students");
    bundle
}

fn cargo(folder: &Path, target: &Path, words: &[&str]) -> Said {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(words)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env_remove("RUST_BACKTRACE")
        .output();
    Said::of(output.unwrap())
}

#[test]
fn a_bundle_of_the_real_course_gives_no_solution_away() {
    let Some(root) = real() else { return };
    let bundle = real_bundle(&root, "bundle-of-the-real-course");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundle-target");
    cargo(
        &bundle,
        &target,
        &["tree", "--workspace", "--depth=0", "--locked", "--offline"],
    )
    .says(0, "");

    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    // The page for instructors has the answers to the oral questions. A link to it would be dead.
    assert!(!bundle.join("book/src/instructors.md").exists());
    for path in files(&bundle.join("book")) {
        assert!(!read(&path).contains("instructors.md"), "{path:?}");
    }
    assert!(!read(&bundle.join("README.md")).contains("instructors.md"));
    assert!(bundle.join("book/play/lock-in-two-steps.rs").exists());
    // The topic libraries are there to be read; they do some of what exercises ask for.
    let is_library = |path: &Path| {
        let below = path.strip_prefix(bundle.join("crates")).ok();
        let name = below.and_then(|below| below.iter().next());
        name.is_some_and(|name| LIBRARIES.iter().any(|library| name == *library))
    };
    let given: String = files(&bundle)
        .iter()
        .filter(|path| !is_library(path))
        .map(|path| read(path))
        .collect();
    let given: BTreeSet<&str> = given.lines().map(str::trim).collect();
    let exercises: String = files(&bundle.join("exercises"))
        .iter()
        .map(|path| read(path))
        .collect();
    // Explanations stand in one line each, so they are searched as text.
    let mut told = read(&bundle.join("exercises/explanations.json"));
    for exercise in &judging::Course::open(&bundle).unwrap().exercises {
        let kept = judging::signatures::Signatures::read(exercise);
        told += &serde_json::to_string(&kept).unwrap();
    }
    for path in files(&root.join("solutions")) {
        // A wrong answer gives nothing away. (The shortest ones are a stub with
        // one more line.)
        let is_wrong = path.components().any(|part| part.as_os_str() == "wrong");
        if is_wrong || path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = read(&path);
        // Some lines may be the same by chance, but not most of those that matter.
        let own: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| line.len() > 30 && !line.starts_with("//") && !exercises.contains(line))
            .collect();
        let there = own.iter().filter(|line| given.contains(*line)).count();
        assert!(
            there <= 3 || there * 3 <= own.len(),
            "{there} of {} lines of {path:?} are in it",
            own.len()
        );
        let told: Vec<_> = own.iter().filter(|line| told.contains(**line)).collect();
        assert!(told.is_empty(), "{path:?} is told: {told:?}");
    }
    for path in names(&bundle) {
        let of_authors = [
            "solutions/",
            "alternatives/",
            ".git/",
            ".ci/",
            ".course/",
            "target/",
        ];
        let skeleton = path.starts_with("crates/course/skeleton/");
        assert!(
            skeleton || !of_authors.iter().any(|part| path.contains(part)),
            "{path}"
        );
        assert!(skeleton || !path.ends_with(".patch"), "{path}");
    }
    let _ = fs::remove_dir_all(&bundle);
}

/// Works as students do: with their own `cargo course`, which is built in the bundle.
#[test]
#[ignore = "builds the whole course in a folder of its own: some minutes"]
fn a_bundle_of_the_real_course_works() {
    let Some(root) = real() else { return };
    let bundle = real_bundle(&root, "bundle-of-students");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundle-target");
    let run = |words: &[&str]| cargo(&bundle, &target, &[&["course"], words].concat());
    let read = |path: &str| fs::read_to_string(root.join("solutions").join(path)).unwrap();
    let wrong = |exercise: &str, name: &str| {
        let patch = root.join(format!("solutions/{exercise}/mistakes/{name}.patch"));
        let mistake = judging::mistake::read(&patch).unwrap();
        let text = mistake.applied_to(&read(&format!("{exercise}/src/lib.rs")));
        fs::write(
            bundle.join(format!("exercises/{exercise}/src/lib.rs")),
            text.unwrap(),
        )
        .unwrap();
        mistake.explain
    };

    run(&["book", "build"]).says(0, "");
    run(&["doctor"]).says(0, "cargo");
    run(&["list"]).says(0, "0 of ");
    run(&[]).says(1, "not yet implemented");
    run(&["hint"]).says(0, "hint 1 of 3");
    run(&["who-waits", &std::process::id().to_string()]).says(0, "thread");
    for exercise in judging::Course::open(&bundle).unwrap().exercises {
        let id = exercise.id.as_str();
        let source = root
            .join("solutions")
            .join(&exercise.topic)
            .join(id)
            .join("src/lib.rs");
        run(&["check", id]).says(1, "not yet implemented");
        run(&["check", id, "--source", source.to_str().unwrap()]).says(0, "passed");
        run(&["solution", id, "--give-up"]).could_not("contains no solutions");
    }

    let explained = wrong("sync/spin-lock", "load-then-store");
    let said = run(&["check", "spin-lock"]);
    said.says(1, &explained[..20]);
    let (_, replay) = said
        .out
        .split_once("cargo course replay ")
        .expect("a schedule");
    let words: Vec<&str> = replay.lines().next().unwrap().split(' ').collect();
    run(&[&["replay"], &words[..]].concat()).says(1, "a (main)");
    run(&["reset", "spin-lock"]).says(0, "backup-1");

    cargo(&bundle, &target, &["test", "--locked", "--offline"]).says(0, "test result: ok");
    let _ = fs::remove_dir_all(&bundle);
}
