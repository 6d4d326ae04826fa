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

/// The printed text must contain each of these parts, in this order.
#[track_caller]
fn in_order(printed: &str, parts: &[&str]) {
    let mut rest = printed;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("`{part}` is missing, or not where it should be, in:\n{printed}");
        };
        rest = after;
    }
}

#[test]
fn eighteen_of_twenty_schedules_lose_an_increment() {
    let printed = of("twenty_schedules", &[]);
    in_order(
        &printed,
        &[
            "20 schedules",
            "total 1: 18",
            "total 2:  2",
            "AAABBB  BBBAAA",
        ],
    );
}

#[test]
fn two_increments_can_end_with_one() {
    let printed = of("two_increments", &[]);
    let parts = [
        "(a load and a store): all 4 executions",
        "possible totals: 1 and 2",
        "fetch_add, one step): all 2 executions",
        "possible totals: 2\n",
        "lost in 2 of the 4 executions",
        "✗ here",
    ];
    in_order(&printed, &parts);
    assert_eq!(of("two_increments", &["totals", "2"]), "2\n3\n4\n");
    in_order(&of("two_increments", &["real"]), &["20 runs"]);
    let figure = of("two_increments", &["figure"]);
    in_order(&figure, &["lanes", "load → 0", "store 1", "1, not 2"]);
}

#[test]
fn the_spin_lock_becomes_right_in_two_repairs() {
    let parts = [
        "look, then take",
        "✗ data race on the payload: two threads were inside at once",
        "swap\n  ✓",
        "Relaxed store unlocks",
        "✗ data race",
        "neither access happens before the other",
        "Release store unlocks\n  ✓",
    ];
    in_order(&of("step2_spin", &[]), &parts);
}

#[test]
fn the_futex_mutex_compares_before_it_sleeps() {
    let parts = [
        "sleep without comparing\n  ✗ deadlock",
        "no thread sleeps",
        "futex wait(0)",
        "sleep while it is HELD\n  ✓",
        "asks for 1000 wake-ups",
        "three states, the library's mutex\n  ✓",
    ];
    in_order(&of("step3_futex", &[]), &parts);
}

#[test]
fn a_wait_needs_a_loop_and_a_change_needs_the_lock() {
    let parts = [
        "was found at look number",
        "`if` before the wait\n  ✗ a taker went on although the shelf was empty",
        "`while` around the wait\n  ✓",
        "made without the lock\n  ✗ deadlock",
    ];
    in_order(&of("step4_condvar", &[]), &parts);
    let figure = of("step4_condvar", &["figure"]);
    in_order(&figure, &["puts 1", "waits", "no item"]);
}

#[test]
fn a_semaphore_admits_neither_too_few_nor_too_many() {
    let parts = [
        "under one mutex\n  ✗ deadlock",
        "checked first\n  ✗ data race",
        "1 permit\n  ✓",
        "2 permits\n  ✓",
    ];
    in_order(&of("step5_permits", &[]), &parts);
}

#[test]
fn each_reason_to_wait_needs_its_own_condition() {
    let parts = [
        "for two reasons to wait\n  ✗ deadlock",
        "for each reason to wait\n  ✓",
    ];
    in_order(&of("step6_monitor", &[]), &parts);
}

#[test]
fn readers_meet_under_a_reader_writer_lock() {
    let parts = [
        "under a mutex\n  ✗ deadlock",
        "reader-writer lock\n  ✓",
        "reads twice, beside a writer\n  ✗ deadlock",
        "reads once, beside a writer\n  ✓",
    ];
    in_order(&of("step7_readers", &[]), &parts);
}

#[test]
fn one_order_of_locking_never_deadlocks() {
    let parts = [
        "✗ deadlock: 2 threads wait",
        "Mutex #1 lock → waits",
        "Mutex #2 lock → waits",
        "lower address first\n  ✓",
    ];
    in_order(&of("step8_order", &[]), &parts);
    let figure = of("step8_order", &["figure"]);
    in_order(
        &figure,
        &[
            "has kitchen",
            "wants bathroom",
            "has bathroom",
            "wants kitchen",
        ],
    );
}

#[test]
fn each_strength_forbids_what_the_chapter_says() {
    let printed = of("happens_before", &[]);
    let row = |of: &str, outcome: &str| {
        let (_, table) = printed.split_once(of).expect("the table is there");
        let line = table.lines().find(|line| line.contains(outcome));
        let words = line.expect("the outcome has a row").split_whitespace();
        words.skip(4).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = ["happens", "never", "never"];
    assert_eq!(row("message passing", "flag 1, data 0"), expected);
    let expected = ["happens", "happens", "never"];
    assert_eq!(row("store buffering", "y 0, x 0"), expected);
    in_order(&printed, &["load buffering", "never tries it"]);
    for (name, part) in [
        ("relaxed", "data → 0"),
        ("release", "happens before"),
        ("buffer", "x → 0"),
        ("seqcst", "x → 1"),
    ] {
        in_order(&of("happens_before", &["figure", name]), &["lanes"]);
        assert!(of("happens_before", &["figure", name]).contains(part));
    }
}

#[test]
fn parking_lot_differs_from_std() {
    let parts = [
        "Mutex<()>",
        "std: an error, with the value 1 in it",
        "parking_lot: the value, 1",
        "unlock_fair: in 100 of 100 rounds",
    ];
    in_order(&of("parking_lot_beside_std", &[]), &parts);
}

#[test]
fn the_deadlocked_threads_sleep_on_each_others_locks() {
    let printed = of("deadlock_in_a_child", &[]);
    for line in [
        "thread cook sleeps in futex, on the word of the bathroom's lock",
        "thread bather sleeps in futex, on the word of the kitchen's lock",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn the_kernel_keeps_a_queue_for_each_word() {
    let expected = "  \
        3 threads sleep in futex(2) on this word\n\
        FUTEX_WAKE for 1: woke one: true\n  \
        2 threads sleep in futex(2) on this word\n\
        FUTEX_WAKE for all: woke 2\n  \
        0 threads sleep in futex(2) on this word\n\
        FUTEX_WAKE for 1: woke one: false\n";
    assert_eq!(of("futex_queue", &[]), expected);
}

#[test]
fn a_waiter_of_a_mutex_sleeps() {
    let parts = ["spin lock", "it never slept", "mutex", "it slept"];
    in_order(&of("spin_or_sleep", &[]), &parts);
}

#[test]
fn cache_lines_are_compared() {
    in_order(
        &of("cache_lines", &[]),
        &["share a cache line", "times as long"],
    );
}

#[test]
fn an_urgent_thread_waits_for_an_unimportant_one() {
    in_order(&of("priority_inversion", &[]), &["500 ms:"]);
}

#[test]
fn a_mutex_that_no_other_thread_wants_makes_no_system_call() {
    let printed = of("no_system_call", &[]);
    if !printed.contains("does not have strict mode") {
        let parts = [
            "three states: it finished",
            "two states:          the kernel killed it",
        ];
        in_order(&printed, &parts);
    }
}

#[test]
fn a_fair_lock_keeps_its_queue() {
    let printed = of("convoy", &[]);
    let waited = |line: &str| -> u32 {
        let (_, rest) = line.split_once("waited").expect("a line about waiting");
        let number = rest.split_whitespace().next().expect("a number");
        number.parse().expect("a number")
    };
    let lines: Vec<u32> = printed.lines().skip(1).map(waited).collect();
    assert!(lines[1] > 1_000 && lines[1] > lines[0], "{printed}");
}

#[test]
fn each_level_of_the_game_can_be_broken_but_the_last() {
    let printed = of("be_the_scheduler", &[]);
    let counts: Vec<Vec<u32>> = printed
        .lines()
        .map(|line| {
            let words = line.split_whitespace().skip(1);
            words.filter_map(|word| word.parse().ok()).collect()
        })
        .collect();
    let expected = [[6, 4], [6, 4], [6, 4], [20, 18], [27, 3], [32, 0]];
    assert_eq!(counts, expected, "{printed}");

    let level = |schedule: &str| {
        let output = example_output::run("be_the_scheduler", &[schedule]);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), printed)
    };
    let (code, printed) = level("two_steps:a2bab2a2");
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.ends_with("✗ an update is lost: the counter is 1\n"));
    assert_eq!(level("two_steps:a3b3a2").0, Some(0));
    for wrong in ["two_steps:z", "no_level:ab", "ab"] {
        assert_eq!(level(wrong).0, Some(2), "{wrong}");
    }
}
