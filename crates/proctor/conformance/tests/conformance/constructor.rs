//! Wrong: code that runs before `main`, in every process of the test program.
//!
//! This program has such a constructor; it acts only where the environment
//! says so. One that ends the judge itself cannot be judged: nothing is
//! recorded, and only records count.

use std::ffi::CStr;

use proctor::Outcome::Exit;
use proctor::Subject;

use crate::driver::{Expect, check, ends, passes, records_nothing};

const TABLE: &[Expect] = &[
    passes("does_nothing"),
    ends(&[Exit], "constructor", "ends_the_subject").with_constructor("subject"),
    records_nothing("ends_every_process").with_constructor("everywhere"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 3);
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

/// Runs before Rust's own start: no allocation, no std.
extern "C" fn construct() {
    let variable = |name: &CStr| {
        // SAFETY: the environment does not change before `main`.
        let value = unsafe { libc::getenv(name.as_ptr()) };
        // SAFETY: the value, if any, is a string that lives as long.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
    };
    let acts = match variable(c"CONFORMANCE_CONSTRUCTOR") {
        Some(place) if place == c"everywhere" => true,
        Some(place) => place == c"subject" && variable(c"PROCTOR_ROLE").is_some(),
        None => false,
    };
    if acts {
        crate::kit::leave(0);
    }
}

case!(does_nothing, |n| { 2 * n });

case!(ends_the_subject, |n| { 2 * n });

case!(ends_every_process, |n| { 2 * n });
