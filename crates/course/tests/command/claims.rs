//! `claims` in a course that has no ledger. The ledger's own crate tests what
//! the ledger does.

use crate::fixture::Fixture;

#[test]
fn a_course_without_its_ledger_says_so() {
    let course = Fixture::new("claims");
    course
        .run(&["claims", "only", "1"])
        .could_not("the program that measures the claims cannot be built here");
}
