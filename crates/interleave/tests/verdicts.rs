//! What an exploration means for a test: outcomes, coverage in words, limits.

mod common;
use std::time::Duration;

use interleave::{Explore, explore};
use proctor::Outcome;

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering::*};

    pub fn nothing_at_all() {}

    pub fn two_additions() {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || theirs.fetch_add(1, Relaxed));
        counter.fetch_add(1, Relaxed);
        thread.join().unwrap();
    }

    pub fn far_too_long() {
        let counter = AtomicU32::new(0);
        for n in 0..100_000 { counter.store(n, Relaxed); }
    }

    pub fn far_too_many_executions() {
        let counter = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..4).map(|_| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || for _ in 0..10 { counter.fetch_add(1, Relaxed); })
        }).collect();
        for thread in threads { thread.join().unwrap(); }
        assert_eq!(counter.load(Relaxed), 40);
    }

    pub fn thirty_threads() {
        for _ in 0..30 { thread::spawn(|| ()).join().unwrap(); }
    }

    pub fn panics_itself() { panic!("as it is written"); }

    pub fn deadlocks() {
        let lock = Mutex::new(());
        let _one = lock.lock();
        let _two = lock.lock();
    }

    pub fn leaves_a_thread() {
        thread::spawn(|| thread::park());
    }
}

fn outcome(found: &interleave::Exploration) -> Outcome {
    match found.verdict() {
        Ok(()) => Outcome::Pass,
        Err(failing) => failing.outcome,
    }
}

#[test]
fn a_limit_that_is_just_enough_leaves_nothing_out() {
    let found = Explore::new().executions(2).of(scenarios::two_additions);
    assert!(found.complete, "{}", found.coverage());
    let found = Explore::new().executions(1).of(scenarios::two_additions);
    assert_eq!(found.coverage(), "1 execution, which is the limit");
    let no_time = std::time::Duration::ZERO;
    let found = Explore::new().time(no_time).of(scenarios::two_additions);
    assert_eq!(found.coverage(), "nothing was explored");
    assert!(found.not_judged.unwrap().starts_with("the time was up"));
}

#[test]
fn coverage_is_told_in_words() {
    let found = explore(scenarios::two_additions);
    assert_eq!(found.coverage(), "all 2 executions");
    let found = explore(scenarios::nothing_at_all);
    assert_eq!(found.coverage(), "the only execution");
    // The time must not be what ends it, however busy the machine is.
    let found = Explore::new()
        .executions(2_000)
        .time(std::time::Duration::from_secs(3_600))
        .of(scenarios::far_too_many_executions);
    assert_eq!(found.coverage(), "2,000 executions, which is the limit");
    assert_eq!((found.executions, found.runs), (2_000, 2_000));
}

#[test]
fn a_scenario_that_reaches_no_code_under_test_is_not_judged() {
    assert_eq!(
        outcome(&explore(scenarios::two_additions)),
        Outcome::NotJudged
    );
}

#[test]
fn a_run_without_end_is_not_judged() {
    let found = explore(scenarios::far_too_long);
    assert!(found.failure.is_none(), "{:?}", found.failure);
    let reason = found.not_judged.clone().expect("not judged");
    assert!(reason.contains("steps"), "{reason}");
    assert_eq!(outcome(&found), Outcome::NotJudged);
}

#[test]
fn too_many_threads_are_not_judged() {
    let found = explore(scenarios::thirty_threads);
    assert!(found.failure.is_none());
    let reason = found.not_judged.expect("not judged");
    assert!(reason.contains("starts thread number"), "{reason}");
}

#[test]
fn a_panic_in_the_scenario_is_a_fail_and_in_the_code_a_panic() {
    let found = explore(scenarios::panics_itself);
    assert_eq!(
        found.verdict().expect_err("it panics").cause,
        "as it is written"
    );
    assert_eq!(outcome(&explore(scenarios::panics_itself)), Outcome::Fail);
    let elsewhere = Explore::new().scenario_file("elsewhere.rs");
    assert_eq!(
        outcome(&elsewhere.of(scenarios::panics_itself)),
        Outcome::Panic
    );
}

#[test]
fn a_deadlock_says_who_waits_where_for_what() {
    {
        let found = explore(scenarios::deadlocks);
        let failing = found.verdict().expect_err("it deadlocks");
        assert_eq!(failing.outcome, Outcome::Deadlock);
        assert!(
            failing
                .cause
                .contains("thread a waits at tests/verdicts.rs:"),
            "{}",
            failing.cause
        );
        assert!(
            failing.cause.contains("which thread a holds"),
            "{}",
            failing.cause
        );
        assert!(failing.timeline.is_some());
    }
}

#[test]
fn a_thread_left_behind_is_a_leak_unless_the_scenario_allows_it() {
    assert_eq!(outcome(&explore(scenarios::leaves_a_thread)), Outcome::Leak);
    let lenient = Explore::new().threads_may_outlive();
    lenient.of(scenarios::leaves_a_thread).must_pass();
}

#[test]
fn several_explorations_in_one_process_do_not_disturb_each_other() {
    for _ in 0..3 {
        assert!(explore(scenarios::deadlocks).failure.is_some());
        explore(scenarios::two_additions).must_pass();
    }
}

#[test]
fn an_exploration_crosses_as_data() {
    let found = explore(scenarios::deadlocks);
    let text = serde_json::to_string(&found).expect("serialises");
    let back: interleave::Exploration = serde_json::from_str(&text).expect("deserialises");
    assert_eq!(format!("{back:?}"), format!("{found:?}"));
}

#[test]
fn a_spin_lock_is_explored_while_the_learner_waits() {
    let found = Explore::new()
        .executions(1_000)
        .of(scenarios::far_too_many_executions);
    // A bound with room for a busy machine; the bench has the figures.
    assert!(Duration::from_millis(found.millis) < Duration::from_secs(10));
}
