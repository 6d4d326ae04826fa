//! `claims` where there is no ledger; what the ledger itself does is tested
//! where it is.

use crate::fixture::Fixture;

#[test]
fn a_course_without_its_ledger_says_so() {
    let course = Fixture::new("claims");
    course
        .run(&["claims", "only", "1"])
        .could_not("the ledger of claims cannot be built here");
}
