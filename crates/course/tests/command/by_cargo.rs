//! `cargo test -p EXERCISE`, where one program contains both the judge and the
//! learner's code. Code that runs before `main` must not make it succeed.

use std::process::{Command, Output};

use crate::fixture::{Fixture, RIGHT, WRONG};

/// A library with a function that runs before `main`.
fn early(body: &str) -> String {
    format!(
        "{WRONG}\nextern \"C\" fn early() {{ {body} }}\n#[used]\n#[unsafe(link_section = \".init_array\")]\n\
         static EARLY: extern \"C\" fn() = early;\n"
    )
}

fn cargo_test(course: &Fixture, arguments: &[&str]) -> Output {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--quiet", "--package", "add-one", "--"])
        .args(arguments)
        .current_dir(&course.root)
        .env("CARGO_TARGET_DIR", course.target())
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap()
}

#[test]
fn a_constructor_never_makes_cargo_test_succeed() {
    let course = Fixture::built();
    let exits = "std::process::exit(0)";
    let ignores = "unsafe extern \"C\" { fn signal(number: i32, action: usize) -> usize; } unsafe { signal(13, 1) }; std::process::exit(0)";
    let another = "unsafe { std::env::set_var(\"PROCTOR_ROLE\", \"no_such_test subject\") }";
    let a_test = "unsafe { std::env::set_var(\"PROCTOR_ROLE\", \"one_is_added subject\") }";
    let recorded =
        "unsafe { std::env::set_var(\"PROCTOR_RECORDS\", \"1\") }; std::process::exit(0)";
    for body in [exits, ignores, another, a_test, recorded] {
        course.exercise("src/lib.rs", &early(body));
        for arguments in [&[][..], &["one_is"], &["--exact", "one_is_added"]] {
            let output = cargo_test(&course, arguments);
            assert!(!output.status.success(), "{body} {arguments:?}: {output:?}");
        }
    }
}

#[test]
fn what_is_right_succeeds_with_every_choice_of_tests() {
    let course = Fixture::built();
    course.exercise("src/lib.rs", RIGHT);
    for arguments in [
        &[][..],
        &["one_is"],
        &["--exact", "worlds::zero_has_a_successor"],
        &["--skip", "worlds", "--test-threads", "1"],
        &["--list"],
        &["--ignored"],
        &["no_test_has_this_name"],
    ] {
        let output = cargo_test(&course, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}
