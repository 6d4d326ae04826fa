//! A failing schedule can be run again, by itself, from its string.

use interleave::{Explore, FailureKind};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering::*};

    pub fn lost_update() {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || theirs.store(theirs.load(SeqCst) + 1, SeqCst));
        counter.store(counter.load(SeqCst) + 1, SeqCst);
        thread.join().unwrap();
        assert_eq!(counter.load(SeqCst), 2);
    }

    pub fn opposite_order() {
        static A: Mutex<()> = Mutex::new(());
        static B: Mutex<()> = Mutex::new(());
        let thread = thread::spawn(|| { let _a = A.lock(); let _b = B.lock(); });
        { let _b = B.lock(); let _a = A.lock(); }
        thread.join().unwrap();
    }
}

#[test]
fn a_replay_fails_in_the_same_way() {
    for scenario in [scenarios::lost_update as fn(), scenarios::opposite_order] {
        let found = interleave::explore(scenario);
        let failure = found.failure.expect("both are wrong");
        let again = Explore::new().replay_of(scenario, &failure.schedule);
        let replayed = again.failure.expect("the same failure");
        assert_eq!(replayed.message, failure.message);
        assert_eq!(replayed.timeline, failure.timeline);
        assert_eq!(replayed.schedule, failure.schedule);
        assert_eq!(again.executions, 1);
    }
}

#[test]
fn a_replay_that_goes_well_shows_its_timeline() {
    let again = Explore::new().replay_of(scenarios::lost_update, "a9");
    assert!(again.failure.is_none());
    // Thread a cannot take nine steps: it waits for b.
    let reason = again
        .not_judged
        .expect("thread a blocks before its ninth step");
    assert!(reason.contains("does not fit this code"), "{reason}");
    let again = Explore::new().replay_of(scenarios::lost_update, "a");
    assert!(again.failure.is_none() && again.not_judged.is_none());
    let timeline = again.replayed.expect("a timeline even so");
    assert!(
        timeline
            .steps
            .iter()
            .any(|step| step.operation.contains("load(SeqCst)"))
    );
    assert_eq!(timeline.threads, ["a (main)", "b"]);
}

#[test]
fn nonsense_is_not_judged() {
    for nonsense in ["", "A3", "z", "a3b0", "b99"] {
        let again = Explore::new().replay_of(scenarios::lost_update, nonsense);
        assert!(again.failure.is_none());
        assert!(again.not_judged.is_some(), "{nonsense:?}");
    }
}

#[test]
fn a_timeline_fits_a_hundred_columns_when_indented_and_marks_the_failing_step() {
    let found = interleave::explore(scenarios::opposite_order);
    let picture = found.must_fail(FailureKind::Deadlock).timeline.to_string();
    assert!(
        picture.lines().all(|line| line.chars().count() <= 98),
        "\n{picture}"
    );
    assert_eq!(picture.matches("here").count(), 1, "\n{picture}");
    assert!(picture.contains("Mutex #1 lock → locked"), "\n{picture}");
    assert!(
        picture.contains("let thread = thread::spawn"),
        "source lines\n{picture}"
    );
}

#[test]
fn the_environment_asks_for_one_schedule() {
    if std::env::var_os(interleave::REPLAY).is_some() {
        let again = interleave::explore(scenarios::lost_update);
        assert_eq!((again.executions, again.failure.is_some()), (1, true));
        return;
    }
    let failure = interleave::explore(scenarios::lost_update).failure;
    let schedule = failure.expect("an update is lost").schedule;
    let this = std::env::current_exe().expect("this test's binary");
    let output = std::process::Command::new(this)
        .args(["--exact", "the_environment_asks_for_one_schedule"])
        .env(interleave::REPLAY, &schedule)
        .output()
        .expect("this test's binary starts");
    assert!(output.status.success(), "{output:?}");
}
