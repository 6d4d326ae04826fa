//! `claims` in a course that has no ledger. The tests of the ledger itself lie
//! in its own crate.

use crate::fixture::Fixture;

#[test]
fn a_course_without_its_ledger_says_so() {
    let course = Fixture::new("claims");
    course
        .run(&["claims", "only", "1"])
        .could_not("the program that measures the claims cannot be built here");
}
