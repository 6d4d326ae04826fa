//! Every example prints what it promises.

use std::process::Command;

use example_output::of;

#[test]
fn the_pool_gives_the_squares_in_order() {
    assert_eq!(
        of("pool_of_squares", &[]),
        "Squares (a pool of 5 threads): [1, 4, 9, 16, 25]\n"
    );
}

#[test]
fn threads_that_append_do_so_in_the_order_of_their_ends() {
    let expected = "\
        Squares, as the threads ended:  [25, 16, 9, 4, 1]\n\
        Squares, in the items' order:   [1, 4, 9, 16, 25]\n";
    assert_eq!(of("thread_squares", &[]), expected);
}

#[test]
fn the_task_works_in_the_background() {
    let expected = "\
        Doing other work while the task is being performed...\n\
        the task is at 1 of 5\n\
        the task is at 2 of 5\n\
        the task is at 3 of 5\n\
        the task is at 4 of 5\n\
        the task is at 5 of 5\n\
        Task completed: 5 parts\n\
        Another one, cancelled after its first part: stopped at 1 of 1000000\n";
    assert_eq!(of("background_task", &[]), expected);
}

#[test]
fn a_crash_of_a_thread_is_the_process_s() {
    let expected = "\
        a thread panics:                  the process lives on, and says: joined a panic: no milk\n\
        a thread reads forbidden memory:  the whole process died of signal 11\n\
        a thread aborts:                  the whole process died of signal 6\n\
        a thread overflows its stack:     the whole process died of signal 6\n\
        a thread calls exit(0):           the process ended with code 0, and says: nothing\n";
    assert_eq!(of("crash_not_contained", &[]), expected);
}

#[test]
fn thread_local_state_stays_with_the_thread() {
    let expected = "\
        3 threads counted for themselves: [1, 2, 3], together 6\n\
        in a pool, job 1 finds \"\" and leaves \"Alice's password\"\n\
        in a pool, job 2 finds \"Alice's password\" and leaves \"\"\n\
        in a pool, job 3 finds \"\" and leaves \"\"\n";
    assert_eq!(of("thread_local_state", &[]), expected);
}

#[test]
fn appended_results_are_in_the_order_of_the_ends() {
    let expected = "\
        numbers: [1, 2, 3, 4, 5]\n\
        squares: [25, 16, 9, 4, 1]\n";
    assert_eq!(of("map_1_append", &[]), expected);
}

#[test]
fn joined_results_are_in_the_order_of_the_items() {
    let expected = "\
        numbers: [1, 2, 3, 4, 5]\n\
        squares: [1, 4, 9, 16, 25]\n";
    assert_eq!(of("map_2_handles", &[]), expected);
}

/// What the compiler says about a program that it must refuse.
fn refusal(program: &str) -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiled = Command::new(compiler)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
        ])
        .args(["-o", "/dev/null", program])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&compiled.stderr).into_owned();
    assert!(!compiled.status.success(), "{said}");
    said
}

/// The refused program stands in a file of its own, which cargo does not compile.
#[test]
fn spawn_refuses_a_borrow() {
    let said = refusal("examples/refused/spawn_borrows.rs");
    assert!(said.contains("error[E0521]"), "{said}");
    assert!(said.contains("must outlive `'static`"), "{said}");
}

#[test]
fn a_thread_for_each_of_a_thousand_items_is_refused() {
    let printed = of("map_3_scope", &[]);
    assert!(
        printed.starts_with("5 items: [2, 2, 2, 3, 5]\n"),
        "{printed}"
    );
    assert!(
        printed.contains("1000 items: failed to spawn thread\n  Os { code: 11"),
        "{printed}"
    );
}

#[test]
fn a_worker_with_a_piece_of_its_own_gets_no_help() {
    let printed = of("map_4_pieces", &[]);
    assert!(
        printed.contains("of the other 15 items, 8 are done\n"),
        "{printed}"
    );
}

#[test]
fn the_next_item_goes_to_the_worker_that_is_free() {
    for (example, learns) in [
        ("map_5_next", "f panicked: Any { .. }"),
        ("map_6_library", "no square for 13"),
    ] {
        let printed = of(example, &[]);
        assert!(
            printed.contains("of the other 15 items, 15 are done\n"),
            "{printed}"
        );
        assert!(
            printed.ends_with(&format!("the caller learns: {learns}\n")),
            "{printed}"
        );
    }
}

#[test]
fn a_pool_that_cannot_stop_leaves_its_threads_behind() {
    let expected = "\
        request 1: sum 55, threads in the process: 3\n\
        request 2: sum 55, threads in the process: 5\n\
        request 10: sum 55, threads in the process: 21\n";
    assert_eq!(of("pool_1_left_behind", &[]), expected);
    let expected = "\
        request 1: sum 55, threads in the process: 1\n\
        request 2: sum 55, threads in the process: 1\n\
        request 10: sum 55, threads in the process: 1\n";
    assert_eq!(of("pool_2_shuts_down", &[]), expected);
}

#[test]
fn workers_that_wait_for_their_own_pool_wait_for_ever() {
    let expected = "\
        2 workers, all asleep; 4 jobs in the queue\n\
        no other thread takes jobs from this queue: nothing will ever happen\n";
    assert_eq!(of("pool_3_waits_for_itself", &[]), expected);
}

#[test]
fn one_worker_is_enough_to_fork_and_join() {
    let expected = "\
        workers: 1; the sum is 28\n\
        workers: 1; the sum is 828\n\
        workers: 2; the sum is 28\n\
        workers: 2; the sum is 828\n\
        workers: 8; the sum is 28\n\
        workers: 8; the sum is 828\n";
    assert_eq!(of("fork_join_sum", &[]), expected);
}

#[test]
fn a_flag_does_not_wake_a_task_that_sleeps() {
    let expected = "\
        stop requested; the task has ended: false\n\
        the task sleeps in clock_nanosleep: true\n";
    assert_eq!(of("task_1_cannot_stop", &[]), expected);
}

#[test]
fn each_thread_has_a_stack_and_all_have_one_heap() {
    let printed = of("stacks", &[]);
    assert_eq!(
        printed.matches("in the same mapping").count(),
        3,
        "{printed}"
    );
    assert_eq!(printed.matches("rw-p [stack]").count(), 1, "{printed}");
    assert_eq!(printed.matches("in [heap]").count(), 4, "{printed}");
    let trace = of("stacks", &["--trace"]);
    assert!(
        trace.starts_with(r#"{"kind":"map","columns":[{"name":"thread main""#),
        "{trace}"
    );
}

#[test]
fn smaller_stacks_leave_room_for_more_threads() {
    let printed = of("threads_that_fit", &[]);
    let counts = printed.lines().filter_map(|line| line.rsplit_once(": "));
    let counts: Vec<u32> = counts
        .filter_map(|(_, count)| count.trim().strip_suffix(" threads")?.parse().ok())
        .collect();
    assert_eq!(counts.len(), 4, "{printed}");
    assert!(
        counts.is_sorted() && (4..=8).contains(&counts[0]),
        "{printed}"
    );
    assert!((16..=32).contains(&counts[2]), "{printed}");
    assert!(of("threads_that_fit", &["--trace"]).starts_with(r#"{"kind":"bars""#));
}

#[test]
fn a_thread_is_made_by_mapping_a_stack_and_cloning() {
    let printed = of("clone_flags", &[]);
    for expected in [
        "CLONE_VM",
        "CLONE_FILES",
        "CLONE_THREAD",
        "new thread: exit\n",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn a_pool_without_a_safety_net_loses_its_workers() {
    let expected = "\
        the pool of three that does not catch panics\n\
        \x20 request  1: answer 1            workers: 3\n\
        \x20 request  2: answer 4            workers: 3\n\
        \x20 request  3: no answer           workers: 2\n\
        \x20 request  4: answer 16           workers: 2\n\
        \x20 request  5: answer 25           workers: 2\n\
        \x20 request  6: no answer           workers: 1\n\
        \x20 request  7: answer 49           workers: 1\n\
        \x20 request  8: answer 64           workers: 1\n\
        \x20 request  9: no answer           workers: 0\n\
        \x20 request 10: still in the queue  workers: 0\n\
        threads::Pool, which catches them\n\
        \x20 request  7: answer 49           workers: 3\n\
        \x20 request  8: answer 64           workers: 3\n\
        \x20 request  9: no answer           workers: 3\n\
        \x20 request 10: answer 100          workers: 3\n";
    assert_eq!(of("workers_die", &[]), expected);
}

#[test]
fn one_panic_poisons_the_lock_for_all() {
    let expected = "\
        changes, then checks\n\
        \x20 booking  10: booked\n\
        \x20 booking -50: overdrawn\n\
        \x20 booking  20: the account is poisoned: PoisonError { .. }\n\
        \x20 booking  30: the account is poisoned: PoisonError { .. }\n\
        \x20 the lock is poisoned: true\n\
        \x20 Account { balance: -40, bookings: 1 }\n\
        checks, then changes\n\
        \x20 booking  10: booked\n\
        \x20 booking -50: overdrawn\n\
        \x20 booking  20: booked\n\
        \x20 booking  30: booked\n\
        \x20 the lock is poisoned: true\n\
        \x20 Account { balance: 60, bookings: 3 }\n";
    assert_eq!(of("poisoned_lock", &[]), expected);
}

/// How long it takes is the machine's affair.
#[test]
fn what_is_measured_is_printed() {
    let printed = of("oversubscribed", &[]);
    assert_eq!(
        printed.matches("threads for each CPU:").count(),
        2,
        "{printed}"
    );
    let printed = of("false_sharing", &[]);
    assert!(printed.contains("neighbors are 8 bytes apart\n") || printed.contains("only one CPU"));
}

#[test]
fn two_threads_append_in_both_orders() {
    assert_eq!(of("append_in_both_orders", &[]), "[1, 4]\n[4, 1]\n");
}

#[test]
fn a_guard_resets_thread_local_state_after_a_panic_too() {
    let expected = "\
        job 1 finds \"\"\n\
        job 2 panics\n\
        job 3 finds \"\"\n";
    assert_eq!(of("locals_reset", &[]), expected);
}

#[test]
fn the_self_test_on_rust_has_the_answers_that_the_book_gives() {
    let expected = "\
        lifetimes: Some(\"milk and bread\")\n\
        closures: [\"milk\", \"bread\", \"cheese\"]\n\
        copied: 0\n\
        generics: 7\n\
        question: Ok(5), Err(ParseIntError { kind: InvalidDigit })\n\
        drops: [\"Ben\", \"Eve\", \"Ada\"]\n\
        panics: [\"before\", \"Ada\", \"caught\"]\n\
        pointers: (3, 3)\n\
        unsafe: Some(3), None\n";
    assert_eq!(of("rust_you_need", &[]), expected);
}

/// Each of these programs stands in a file of its own, which cargo does not compile.
#[test]
fn the_self_test_on_rust_shows_programs_that_the_compiler_refuses() {
    for (program, error) in [
        ("after_a_move", "error[E0382]"),
        ("while_borrowed", "error[E0502]"),
        ("an_rc_in_a_thread", "error[E0277]"),
    ] {
        let said = refusal(&format!("examples/self_test/{program}.rs"));
        assert!(said.contains(error), "{program}: {said}");
    }
}
