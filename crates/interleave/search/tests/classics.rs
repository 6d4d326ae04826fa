//! Algorithms whose memory orderings are known to be right or wrong. Each thread tries once, so no
//! thread waits.

mod common;

use common::explore;
use common::parse::parse;

/// In how many executions the registers satisfy `is_wrong`.
fn wrong(text: &str, is_wrong: impl Fn(&[Vec<u64>]) -> bool) -> usize {
    let found = explore(&parse(text));
    found.registers.iter().filter(|all| is_wrong(all)).count()
}

/// Peterson's lock: thread 0 raises `f` and gives way with `t:=2`. It may go in unless it then finds
/// `g` raised and `t` still 2. Both are in if neither finds a reason to wait.
fn both_are_in(all: &[Vec<u64>]) -> bool {
    all[0] != [1, 2] && all[1] != [1, 1]
}

#[test]
fn petersons_lock_needs_seq_cst() {
    let both_sc = "f:=1 sc; t:=2 sc; g sc; t sc || g:=1 sc; t:=1 sc; f sc; t sc";
    assert_eq!(wrong(both_sc, both_are_in), 0);
    let acquire_release = "f:=1 r; t:=2 r; g a; t a || g:=1 r; t:=1 r; f a; t a";
    assert!(wrong(acquire_release, both_are_in) > 0);
    let acquire_loads = "f:=1 sc; t:=2 sc; g a; t a || g:=1 sc; t:=1 sc; f a; t a";
    assert!(wrong(acquire_loads, both_are_in) > 0);
}

#[test]
fn petersons_lock_needs_no_seq_cst_if_it_gives_way_by_an_exchange() {
    // Williams, "Implementing Dekker's algorithm with Fences" and "Peterson's lock with C++0x
    // atomics", 2008 to 2010. The exchange is the register 0.
    let exchange = "f:=1; exchange(t,2) ar; g a; t || g:=1; exchange(t,1) ar; f a; t";
    let both_are_in = |all: &[Vec<u64>]| all[0][1..] != [1, 2] && all[1][1..] != [1, 1];
    assert_eq!(wrong(exchange, both_are_in), 0);
    let relaxed = "f:=1; exchange(t,2); g a; t || g:=1; exchange(t,1); f a; t";
    assert!(wrong(relaxed, both_are_in) > 0);
}

#[test]
fn dekkers_flags_need_seq_cst_or_fences_of_it() {
    let both_are_in = |all: &[Vec<u64>]| all[0] == [0] && all[1] == [0];
    for right in [
        "f:=1 sc; g sc || g:=1 sc; f sc",
        "f:=1; F sc; g || g:=1; F sc; f",
        "exchange(f,1) sc; g sc || g:=1 sc; f sc",
    ] {
        let both_are_in = |all: &[Vec<u64>]| all[0].last() == Some(&0) && all[1].last() == Some(&0);
        assert_eq!(wrong(right, both_are_in), 0, "{right}");
    }
    for broken in [
        "f:=1 r; g a || g:=1 r; f a",
        "f:=1 sc; g a || g:=1 sc; f a",
        "f:=1; F ar; g || g:=1; F ar; f",
        "f:=1; F sc; g || g:=1 sc; f a",
    ] {
        assert!(wrong(broken, both_are_in) > 0, "{broken}");
    }
}

#[test]
fn a_seqlock_needs_two_fences() {
    // Boehm, "Can Seqlocks Get Along with Programming Language Memory Models?", 2012. The reader
    // believes what it has read if the count was even, and the same before and after.
    let torn = |all: &[Vec<u64>]| {
        let [before, x, y, after] = all[1][..] else {
            panic!("four loads")
        };
        before == after && before % 2 == 0 && x != y
    };
    let right = "s:=1; F r; x:=1; y:=1; s:=2 r || s a; x; y; F a; s";
    assert_eq!(wrong(right, torn), 0);
    let no_fence_in_the_writer = "s:=1; x:=1; y:=1; s:=2 r || s a; x; y; F a; s";
    assert!(wrong(no_fence_in_the_writer, torn) > 0);
    let no_fence_in_the_reader = "s:=1; F r; x:=1; y:=1; s:=2 r || s a; x; y; s";
    assert!(wrong(no_fence_in_the_reader, torn) > 0);
    let acquire_at_the_end = "s:=1; F r; x:=1; y:=1; s:=2 r || s a; x; y; s a";
    assert!(wrong(acquire_at_the_end, torn) > 0);
}

#[test]
fn independent_readers_agree_only_with_seq_cst() {
    let disagree = |all: &[Vec<u64>]| all[1] == [1, 0] && all[2] == [1, 0];
    let sc = "x:=1 sc || x sc; y sc || y sc; x sc || y:=1 sc";
    assert_eq!(wrong(sc, disagree), 0);
    let acquire = "x:=1 r || x a; y a || y a; x a || y:=1 r";
    assert!(wrong(acquire, disagree) > 0);
}

#[test]
fn a_release_sequence_goes_through_others_exchanges_and_not_through_plain_stores() {
    let old_data = |all: &[Vec<u64>]| {
        let reader = &all[2];
        reader[0] == 3 && reader.get(1) == Some(&0)
    };
    let exchange = "x:=1; y:=1 r || cas(y,1,3) || if y a > 2 { x }";
    assert_eq!(wrong(exchange, old_data), 0);
    let plain = "x:=1; y:=1 r || if y > 0 { y:=3 } || if y a > 2 { x }";
    assert!(wrong(plain, old_data) > 0);
}

#[test]
fn some_bugs_need_a_third_thread() {
    // Data is passed on by a thread that does not order anything itself.
    let stale = |all: &[Vec<u64>]| all.last().unwrap()[..] == [1, 0];
    let two = "x:=1; y:=1 r || y a; x";
    assert_eq!(wrong(two, stale), 0);
    let three = "x:=1; y:=1 r || if y { z:=1 r } || z a; x";
    assert!(wrong(three, stale) > 0);
    let repaired = "x:=1; y:=1 r || if y a { z:=1 r } || z a; x";
    assert_eq!(wrong(repaired, stale), 0);
}
