//! A game in lines, as a script plays it.

use crate::fixture::Fixture;
use crate::spin_lock::SpinLock;

#[test]
fn only_what_explores_schedules_can_be_scheduled() {
    let course = Fixture::new("schedule");
    course
        .run(&["schedule", "add-one"])
        .could_not("add-one explores no schedules: there is nothing to schedule");
    course
        .run(&["schedule", "add-two"])
        .could_not("did you mean `add-one`?");
}

#[test]
fn of_several_scenarios_one_has_to_be_named() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let said = course.says(&["schedule", "spin-lock"], "");
    said.could_not("spin-lock explores several scenarios");
    said.could_not("both_lock                   Two threads lock, and each changes the payload.");
    said.could_not("name one: cargo course schedule spin-lock both_lock");
    // A test that explores several scenarios does not name one either.
    let test = "two_threads_never_hold_it_at_once";
    let said = course.says(&["schedule", "spin-lock", test], "");
    said.could_not("  3  both_try");
    assert!(!said.err.contains("both_add_twice"), "{said:?}");
    let said = course.says(&["schedule", "spin-lock", "both"], "");
    said.could_not("spin-lock has no scenario and no test `both`; its scenarios are both_lock, ");
    let test = "it_is_shared_exactly_where_that_is_sound";
    let said = course.says(&["schedule", "spin-lock", test], "");
    said.could_not("explores no schedules; the scenarios are both_lock, ");
}

#[test]
fn a_race_is_broken_by_hand_and_its_string_is_replayed_with_the_same_failure() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let source = course.mistake("load-then-store");
    let words = ["schedule", "spin-lock", "both_lock", "--source", &source];
    // Both threads see the lock free, and then each of them takes it.
    let said = course.says(&words, "a\na\nb\nb\nu\nb\na\n1\nq\n");
    said.says(1, "7 executions from here, 3 of them fail");
    // a's store may take effect after b's or before it.
    said.says(
        1,
        "a can go on in several ways. 1: AtomicBool #1 store(true, Relaxed)",
    );
    said.says(1, "a: AtomicBool #1 load(Acquire) → false");
    said.says(1, "b: AtomicBool #1 store(true, Relaxed)");
    said.says(1, "back: 4 steps taken");
    said.says(
        1,
        "✗ broken: data race on the payload: two threads were inside at once",
    );
    course.is_clean();

    let (_, replay) = said.out.split_once("again:\n    cargo course ").unwrap();
    let words: Vec<&str> = replay.lines().next().unwrap().split(' ').collect();
    assert_eq!(words[..2], ["replay", "spin-lock"]);
    assert!(words[2].starts_with("both_lock:a2b2a"), "{words:?}");
    let again = course.says(&words, "");
    again.says(
        1,
        "data race on the payload: two threads were inside at once",
    );
    again.says(1, "payload #1 write → collides");
    // The game can begin with it, and each of its steps can be undone.
    let begun = ["schedule", "spin-lock", words[2], "--source", &source];
    let said = course.says(&begun, "u\nq\n");
    said.says(0, "✗ broken: data race on the payload");
    said.says(0, "back: ");
    // Its three scenarios are in one test: only the one that is named was run.
    assert_eq!(again.out.matches("two_threads_never_hold").count(), 1);
}

#[test]
fn a_schedule_is_replayed_by_the_scenario_that_it_names() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let source = course.mistake("load-then-store");
    let from = |schedule: &str, more: &[&str]| {
        let words = [
            &["replay", "spin-lock", schedule, "--source", &source],
            more,
        ]
        .concat();
        course.says(&words, "")
    };
    // try_lock() is right; lock() is not. One test explores both.
    from("both_try:aba", &[]).says(0, "one execution, replayed");
    from("both_lock:a2b2a", &[]).says(1, "data race");
    from("both:a", &[]).could_not("no scenario `both`");
    from("both_lock:a", &["--test", "no_update_is_lost"])
        .could_not("does not explore the scenario both_lock");
}

#[test]
fn no_schedule_breaks_the_reference() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let words = [
        "schedule",
        "spin-lock",
        "both_lock",
        "--reference",
        "--give-up",
        "--plain",
    ];
    let said = course.says(&words, "n\n\na\nb\nq\n");
    said.says(0, "breaks the course's solution");
    said.says(0, "and none of them fails: nothing breaks it");
    // This scenario waits for ever, as it has to.
    let words = [
        "schedule",
        "spin-lock",
        "waiting_for_ever",
        "--reference",
        "--give-up",
    ];
    let said = course.says(&words, "n\n");
    said.says(0, "✓ the test expects this end: livelock");
    said.says(0, "    cargo course replay spin-lock waiting_for_ever:a");
    course.is_clean();
}

#[test]
fn the_reference_is_for_those_who_passed() {
    let course = Fixture::new("schedule-reference");
    let said = course.run(&["schedule", "add-one", "--give-up"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("--reference"), "{said:?}");
    let said = course.run(&["schedule", "add-one", "--reference", "--source", "x"]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn what_is_not_written_has_clear_words() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let of = |source: &str, lines: &str| {
        course.says(
            &["schedule", "spin-lock", "both_lock", "--source", source],
            lines,
        )
    };
    let stub = of(&course.stub(), "a\n");
    stub.says(
        1,
        "spin-lock ends before any thread takes a step:\n  not yet implemented",
    );
    stub.says(
        1,
        "Write your code first, and then break it: cargo course check spin-lock",
    );
    let half = of(
        &course.with(
            "        loop {\n",
            "        todo!(\"wait\");\n        #[allow(unreachable_code)]\n        loop {\n",
        ),
        "a\na\n",
    );
    half.says(1, "✗ not written yet: ");
    let wrong = of(
        &course.with("AtomicBool::new(false)", "AtomicBool::new(0)"),
        "a\n",
    );
    wrong.says(1, "error[E0308]");
    assert!(wrong.err.contains("does not compile yet"), "{wrong:?}");
    let empty = of("/nowhere/lib.rs", "");
    empty.could_not("/nowhere/lib.rs cannot be read");
    course.is_clean();
}

#[test]
fn code_that_ends_its_process_ends_no_game() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    // A thread that finds the lock held exits the process.
    let source = course.with(
        "while self.locked.load(Relaxed) {",
        "while self.locked.load(Relaxed) {\n                std::process::exit(3);",
    );
    let words = ["schedule", "spin-lock", "both_lock", "--source", &source];
    let said = course.says(&words, "a\na\nb2\nu\nq\n");
    said.says(0, "this schedule ends the process (exit)");
    said.says(0, "back: ");
    course.is_clean();
}

#[test]
fn lines_that_are_no_moves_are_answered() {
    let Some(course) = SpinLock::real() else {
        return;
    };
    let source = course.mistake("load-then-store");
    let words = ["schedule", "spin-lock", "both_lock", "--source", &source];
    let said = course.says(&words, "b\nu\nhello world\nab9\n?\na99999999999\nr\n");
    for fragment in [
        "`b` is neither a thread nor a key",
        "this is the beginning",
        "`hello world` is neither a key nor a schedule such as ab2",
        "undo: one position back",
        "expected a number from 1 to 1000000",
    ] {
        said.says(0, fragment);
    }
}
