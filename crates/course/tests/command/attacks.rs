//! Files that attack the judge, the compiler or the linker, or could be
//! mistaken for other files. For every defense, there is a case in which the
//! other ones are switched off.

use std::fs;
use std::process::Stdio;

use crate::fixture::{Fixture, RIGHT, Said, WRONG};
use crate::judging::lines;

/// A constructor that runs this before `main`, in every program that holds the code.
fn constructor(body: &str) -> String {
    format!(
        "{RIGHT}\nextern \"C\" fn early() {{ {body} }}\n#[used]\n#[unsafe(link_section = \".init_array\")]\n\
         static EARLY: extern \"C\" fn() = early;\n"
    )
}

/// The outcomes of all tests, by `check --json`.
#[track_caller]
fn outcomes(course: &Fixture, words: &[&str]) -> Vec<String> {
    let said = course.run(&[&["check", "add-one", "--json"], words].concat());
    let mut outcomes: Vec<String> = lines(&said)
        .iter()
        .filter_map(|line| Some(line["outcome"].as_str()?.to_owned()))
        .collect();
    assert_eq!(outcomes.len(), 2, "{said:?}");
    let passed = outcomes.iter().all(|outcome| outcome == "pass");
    assert_eq!(said.code, i32::from(!passed), "{said:?}");
    outcomes.dedup();
    outcomes
}

#[test]
fn names_that_reach_the_linker_are_refused_before_anything_is_compiled() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", &constructor("std::process::exit(0)"));
    assert_eq!(outcomes(&course, &[]), ["refused"]);
    course
        .run(&["check", "add-one"])
        .says(1, "`#[link_section]` chooses a section of the program");
}

/// `check --json` with every defense switched off, except for the judge itself.
fn unprotected(course: &Fixture) -> Said {
    let said = course
        .command(&["check", "add-one", "--without-policy", "--json"])
        .env("COURSE_LINKAGE_UNCHECKED", "1")
        .env("PROCTOR_UNFENCED", "1")
        .output()
        .unwrap();
    Said::of(said)
}

#[test]
fn a_program_that_ends_before_main_is_no_pass() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", &constructor("std::process::exit(0)"));
    let said = unprotected(&course);
    said.says(1, "before it reached the test");
    assert_eq!(lines(&said)[0]["outcome"], "exit");
    assert_eq!(lines(&said)[1]["outcome"], "exit");
}

#[test]
fn a_constructor_runs_with_the_code_and_not_with_the_judge() {
    let course = Fixture::built();
    let place = course.root.join("ran");
    let note = format!(
        "let mut all = std::fs::File::options().create(true).append(true).open({place:?}).unwrap(); \
         let name = std::fs::read_link(\"/proc/self/exe\").unwrap(); \
         let _ = std::io::Write::write_all(&mut all, format!(\"{{}}\\n\", name.display()).as_bytes());"
    );
    course.exercise("src/lib.rs", &constructor(&note));
    unprotected(&course).says(0, "\"passed\":2");
    let ran = course.read("ran");
    assert_eq!(ran.lines().count(), 2, "one subject a test: {ran}");
    assert!(ran.lines().all(|line| line.ends_with("/subject")), "{ran}");
}

#[test]
fn a_replaced_function_of_libc_does_not_reach_the_judge() {
    let course = Fixture::built();
    let equal = format!(
        "{WRONG}\n/// Everything is equal.\n#[unsafe(no_mangle)]\npub extern \"C\" fn memcmp(_: *const u8, _: *const u8, _: usize) -> i32 {{ 0 }}\n"
    );
    course.exercise("src/lib.rs", &equal);
    unprotected(&course).says(1, "\"failed\":2");
}

#[test]
fn what_the_policy_does_not_see_the_linked_program_shows() {
    let course = Fixture::built();
    // The policy reads tokens, and this directive is not a token.
    let early = format!(
        "{WRONG}\nextern \"C\" fn early() {{ std::process::exit(0) }}\n/// Calls it.\npub fn list() {{\n    \
         unsafe {{ std::arch::asm!(concat!(\".push\", \"section .init_array,\\\"aw\\\"\"), \".quad {{}}\", \".popsection\", sym early) }}\n}}\n"
    );
    course.exercise("src/lib.rs", &early);
    assert_eq!(outcomes(&course, &[]), ["refused"]);
    course
        .run(&["check", "add-one"])
        .says(1, "changes the section `.init_array`");

    let replaced = format!(
        "{WRONG}\n/// Everything is equal.\n#[unsafe(no_mangle)]\npub extern \"C\" fn memcmp(_: *const u8, _: *const u8, _: usize) -> i32 {{ 0 }}\n"
    );
    course.exercise("src/lib.rs", &replaced);
    assert_eq!(outcomes(&course, &["--without-policy"]), ["refused"]);
    course
        .run(&["check", "add-one", "--without-policy"])
        .says(1, "defines the symbol `memcmp`");
}

#[test]
fn a_program_that_is_gone_is_still_judged() {
    let course = Fixture::built();
    let unlinks = WRONG.replace(
        "n + 2",
        "let program = std::fs::read_link(\"/proc/self/exe\").unwrap(); let _ = std::fs::remove_file(program); n + 2",
    );
    course.exercise("src/lib.rs", &unlinks);
    assert_eq!(outcomes(&course, &[]), ["fail"]);
}

#[test]
fn code_that_kills_or_stops_the_judge_does_not_pass() {
    let course = Fixture::built();
    let attack = |signal: &str| {
        RIGHT.replace(
            "n + 1",
            &format!(
                "let parent = |pid: u32| {{ let text = std::fs::read_to_string(format!(\"/proc/{{pid}}/stat\")).unwrap(); \
                 text.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap() }};\n    \
                 let judge = parent(parent(std::process::id()));\n    \
                 let name = std::fs::read_to_string(format!(\"/proc/{{judge}}/comm\")).unwrap();\n    \
                 assert_eq!(name.trim(), \"judge\");\n    \
                 std::process::Command::new(\"kill\").args([\"-{signal}\", &judge.to_string()]).status().unwrap();\n    n + 1"
            ),
        )
    };
    for (signal, words) in [("KILL", "SIGKILL"), ("STOP", "stopped it with a signal")] {
        course.exercise("src/lib.rs", &attack(signal));
        // On some kernels the fence also stops signals. The judge has to hold without it.
        let said = course
            .command(&["check", "add-one"])
            .env("PROCTOR_UNFENCED", "1")
            .output()
            .unwrap();
        let said = Said::of(said);
        said.says(1, words);
        assert!(!said.out.contains('✓'), "{said:?}");
    }
}

#[test]
fn another_file_cannot_be_taken_in_while_the_code_is_compiled() {
    let course = Fixture::built();
    let solution = course.root.join("solutions/sums/add-one/src/lib.rs");
    let module = format!("#[path = {solution:?}]\nmod taken;\npub use taken::add_one;\n");
    course.exercise("src/lib.rs", &module);
    assert_eq!(outcomes(&course, &[]), ["refused"]);
    assert_eq!(outcomes(&course, &["--without-policy"]), ["refused"]);
    course
        .run(&["check", "add-one", "--without-policy"])
        .says(1, "makes the compiler read another file");

    // A macro puts the attribute together, so the policy sees the name in no attribute.
    let hidden = format!(
        "macro_rules! with {{ ($name:ident) => {{ #[$name = {solution:?}] mod taken; }} }}\n\
         macro_rules! name {{ ($given:ident) => {{ with!{{ $given }} }} }}\nname!{{ path }}\npub use taken::add_one;\n"
    );
    course.exercise("src/lib.rs", &hidden);
    assert_eq!(outcomes(&course, &["--without-policy"]), ["refused"]);

    let variable = RIGHT.replace("n + 1", "n + env!(\"HOME\").len().min(1) as u64");
    course.exercise("src/lib.rs", &variable);
    assert_eq!(outcomes(&course, &["--without-policy"]), ["refused"]);
}

#[test]
fn a_compiler_that_hangs_is_ended_with_its_children() {
    let course = Fixture::built();
    let pipe = course.root.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let waits = format!("{RIGHT}\nconst NEVER: &str = include_str!({pipe:?});\n");
    course.exercise("src/lib.rs", &waits);
    let said = course
        .command(&["check", "add-one", "--without-policy", "--json"])
        .env("COURSE_COMPILER_TIME", "3")
        .output()
        .unwrap();
    let said = Said::of(said);
    assert_eq!(lines(&said)[0]["outcome"], "limit", "{said:?}");
    // The compiler is gone if a writer finds no reader now.
    let writer = nix::fcntl::open(
        &pipe,
        nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_NONBLOCK,
        nix::sys::stat::Mode::empty(),
    );
    assert_eq!(writer.map(drop), Err(nix::errno::Errno::ENXIO));
}

#[test]
fn a_compiler_that_computes_without_end_is_ended() {
    let course = Fixture::built();
    let endless = format!(
        "#![allow(long_running_const_eval)]\n{}\nconst NEVER: u64 = {{ let mut n = 0_u64; while n < u64::MAX {{ n += 1; n ^= n & 1; }} n }};\n\
         /// Used.\npub fn used() -> u64 {{ NEVER }}\n",
        RIGHT.replace("//! Adds.\n", "")
    );
    course.exercise("src/lib.rs", &endless);
    let said = course
        .command(&["check", "add-one", "--json"])
        .env("COURSE_COMPILER_CPU", "2")
        .output()
        .unwrap();
    let said = Said::of(said);
    assert_eq!(lines(&said)[0]["outcome"], "limit", "{said:?}");
}

#[test]
fn a_limit_that_is_no_number_is_said_and_nothing_is_built() {
    let course = Fixture::built();
    let said = course
        .command(&["check", "add-one"])
        .env("COURSE_COMPILER_CPU", "much")
        .output()
        .unwrap();
    Said::of(said).could_not("COURSE_COMPILER_CPU is set to `much`");
}

#[test]
fn a_file_is_judged_by_its_content_however_old_it_looks() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", RIGHT);
    assert_eq!(outcomes(&course, &[]), ["pass"]);
    // The file gets an old time, as `mv`, `cp -p`, `tar` and `rsync -a` leave it.
    course.exercise("src/lib.rs", WRONG);
    let file = fs::File::options()
        .write(true)
        .open(course.path("src/lib.rs"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(outcomes(&course, &[]), ["fail"]);
    course.exercise("src/lib.rs", RIGHT);
    let file = fs::File::options()
        .write(true)
        .open(course.path("src/lib.rs"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(outcomes(&course, &[]), ["pass"]);
}

#[test]
fn modules_in_files_of_their_own_are_part_of_the_answer() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", "//! Adds.\nmod sum;\npub use sum::add_one;\n");
    let module = "/// One more.\npub fn add_one(n: u64) -> u64 { n + 1 }\n";
    course.exercise("src/sum.rs", module);
    assert_eq!(outcomes(&course, &[]), ["pass"]);
    course.exercise("src/sum.rs", &module.replace("n + 1", "n + 2"));
    assert_eq!(outcomes(&course, &[]), ["fail"]);
    fs::remove_file(course.path("src/sum.rs")).unwrap();
    assert_eq!(outcomes(&course, &[]), ["compile-error"]);
    std::os::unix::fs::symlink(
        course.root.join("solutions/sums/add-one/src/lib.rs"),
        course.path("src/sum.rs"),
    )
    .unwrap();
    course
        .run(&["check", "add-one"])
        .could_not("is not an ordinary file but a link");
}

#[test]
fn the_solution_is_no_dependency() {
    let course = Fixture::built();
    let given = fs::read_to_string(course.path("Cargo.toml")).unwrap();
    let added = given.replace(
        "[dependencies]\n",
        "[dependencies]\nmine = { path = \"../../../solutions/sums/add-one\" }\n",
    );
    course.exercise("Cargo.toml", &added);
    course
        .run(&["check", "add-one"])
        .could_not("depends on `mine`, which is not from the package registry");
}

#[test]
fn who_waits_for_another_that_builds_is_told_so() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", RIGHT);
    assert_eq!(outcomes(&course, &[]), ["pass"]);
    let lock = course.builds_lock();
    let mut child = course
        .command(&["check", "add-one"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(
        line.contains("another `cargo course` is building"),
        "{line}"
    );
    drop(lock);
    Said::of(child.wait_with_output().unwrap()).says(0, "all 2 tests passed");
}
