//! A failure is shown by an execution that is easy to follow.

mod common;

use common::explore;
use common::parse::parse;
use interleave_search::schedule;

/// The schedule of the first execution in which the registers satisfy `is_wrong`.
fn first(text: &str, is_wrong: impl Fn(&[Vec<u64>]) -> bool) -> String {
    let found = explore(&parse(text));
    let place = found.registers.iter().position(|all| is_wrong(all));
    schedule::write(&found.schedules[place.expect("it fails somewhere")])
}

#[test]
fn a_lost_update_needs_no_old_value() {
    // Thread a starts b and c. Both load before one of them stores.
    let text = "x sc; x:=1 sc || x sc; x:=1 sc";
    let both_read_zero = |all: &[Vec<u64>]| all[0][0] == 0 && all[1][0] == 0;
    assert_eq!(first(text, both_read_zero), "a2bcbc");
}

#[test]
fn an_old_value_needs_no_interruption() {
    let text = "x:=1; y:=1 || y; x";
    let flag_without_data = |all: &[Vec<u64>]| all[1] == [1, 0];
    assert_eq!(first(text, flag_without_data), "a2b2cc~1");
}

#[test]
fn store_buffering_reads_one_old_value() {
    let text = "x:=1; y || y:=1; x";
    let both_old = |all: &[Vec<u64>]| all[0] == [0] && all[1] == [0];
    assert_eq!(first(text, both_old), "a2b2cc~1");
}
