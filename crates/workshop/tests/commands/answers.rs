//! `cargo course answers`: where the tests disagree with a folder of answers.

use crate::fixture::{Fixture, RIGHT, WRONG};

const FOLDER: &str = "solutions/sums/add-one/answers";

fn write(course: &Fixture, name: &str, text: &str) {
    course.write(&format!("{FOLDER}/{name}"), text);
}

/// A diff against the file of that name that exchanges one line of `add_one`.
fn patch(says: &str, base: &str, line: &str, with: &str) -> String {
    format!(
        "{says}\n\n--- a/{base}\n+++ b/{base}\n@@ -4,3 +4,3 @@\n pub fn add_one(n: u64) -> u64 {{\n\
         -    {line}\n+    {with}\n }}\n"
    )
}

#[test]
fn answers_and_tests_that_agree_are_counted() {
    let course = Fixture::built();
    write(&course, "right/plain.rs", RIGHT);
    let wrong = format!("// contract broken: C1: adds two\n{WRONG}");
    write(&course, "wrong/two.rs", &wrong);
    let against_the_solution = patch("// C1: adds none", "src/lib.rs", "n + 1", "n");
    write(&course, "wrong/none.patch", &against_the_solution);
    let against_an_answer = patch("//! turned round", "right/plain.rs", "n + 1", "1 + n");
    write(&course, "right/turned.patch", &against_an_answer);
    let said = course.run(&["answers", "add-one"]);
    said.says(0, "the tests agree with every answer");
    said.says(0, "right turned");
    said.says(0, "wrong none");
    let counts = said
        .out
        .lines()
        .rev()
        .find(|line| line.starts_with("add-one"));
    let counts: Vec<&str> = counts.unwrap().split_whitespace().collect();
    assert_eq!(counts, ["add-one", "2/2", "2/2", "0"], "{said:?}");
}

#[test]
fn every_disagreement_is_named() {
    let course = Fixture::built();
    write(&course, "right/two.rs", WRONG);
    let passes = format!("// contract broken: C1: not at all\n{RIGHT}");
    write(&course, "wrong/fine.rs", &passes);
    let known = format!("// C1: known\n// not rejected yet: a reason\n{RIGHT}");
    write(&course, "wrong/known.rs", &known);
    let said = course.run(&["answers", "add-one"]);
    said.says(1, "✗ add-one: right two");
    said.says(1, "it passes: contract broken: C#: not at all");
    said.says(1, "✓ add-one: wrong known");
    said.says(1, "2 disagreements");
}

#[test]
fn a_patch_that_fits_nothing_is_named_and_the_rest_is_judged() {
    let course = Fixture::built();
    write(&course, "right/plain.rs", RIGHT);
    let stale = patch("// C1: stale", "src/lib.rs", "n + 7", "n");
    write(&course, "wrong/stale.patch", &stale);
    let baseless = patch("// C1: of nothing", "right/gone.rs", "n + 1", "n");
    write(&course, "wrong/baseless.patch", &baseless);
    let said = course.run(&["answers", "add-one"]);
    said.says(
        1,
        "stale.patch: part 1 of 1 of the diff (`@@ -4,3`) does not fit the file",
    );
    said.says(1, "the file has no line `n + 7`");
    said.says(1, "right/gone.rs");
    said.says(1, "✓ add-one: right plain");
}

#[test]
fn a_folder_without_answers_is_a_sentence() {
    let course = Fixture::new("answers-none");
    course
        .run(&["answers", "add-one", "--from", "nowhere"])
        .could_not("there are no answers: a folder of answers contains right/*.rs and wrong/*.rs");
}
