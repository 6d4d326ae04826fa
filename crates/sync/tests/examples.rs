//! Every example prints what it promises.

use example_output::of;

#[test]
fn the_lock_lets_no_addition_get_lost() {
    assert_eq!(
        of("lock", &[]),
        "4 threads added 1 to the counter, 10000 times each, one at a time: 40000\n"
    );
}

#[test]
fn the_racing_counter_loses_every_other_addition() {
    let expected = "\
        2 threads added 1, 1000 times each; 2000 were expected\n\
        load, then store:   1000\n\
        one atomic step:    2000\n\
        a lock around both: 2000\n";
    assert_eq!(of("racing_counter", &[]), expected);
}

#[test]
fn the_semaphore_admits_as_many_as_it_has_permits() {
    assert_eq!(
        of("semaphore", &[]),
        "6 roommates, 2 bathrooms: all had their turn, and never more than 2 at a time\n"
    );
}

#[test]
fn the_monitor_hands_over_in_order() {
    let expected = "\
        got 1\ngot 2\ngot 3\ngot 4\ngot 5\ngot 6\n\
        the shelf of 2 was never overfull\n";
    assert_eq!(of("monitor", &[]), expected);
}

#[test]
fn the_lock_order_is_reported_with_its_places() {
    let printed = of("lock_order", &[]);
    for part in [
        "from the kitchen to the bathroom: moved",
        "can deadlock: `kitchen` → `bathroom` → `kitchen`",
        "this thread has held `bathroom` since",
        "`bathroom` was taken under `kitchen` at",
        "from the kitchen to the kitchen: ",
        "would wait for ever",
    ] {
        assert!(
            printed.contains(part),
            "`{part}` is missing from:\n{printed}"
        );
    }
}
