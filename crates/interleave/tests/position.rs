//! A person can be the scheduler: a program can look at a run after any of its
//! steps.

use interleave::position::{Below, End, Position, Request, ThreadState};
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

    pub fn nothing_is_lost() {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || theirs.fetch_add(1, SeqCst));
        counter.fetch_add(1, SeqCst);
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

    pub fn never_begun() {
        todo!("begin");
    }

    pub fn spins_for_ever() {
        let flag = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&flag);
        let thread = thread::spawn(move || while theirs.load(SeqCst) == 0 {});
        thread.join().unwrap();
    }

    pub fn panics_in_all_schedules() {
        let thread = thread::spawn(|| panic!("always"));
        thread.join().unwrap();
    }
}

fn request(schedule: &str, run_on: bool) -> Request {
    Request {
        scenario: None,
        schedule: schedule.to_owned(),
        run_on,
        count: 2_000,
        answer: "/nowhere".into(),
    }
}

#[track_caller]
fn at(scenario: fn(), schedule: &str) -> Position {
    let found = Explore::new().position_of(scenario, &request(schedule, false));
    found.expect("a position")
}

#[track_caller]
fn run_on(scenario: fn(), schedule: &str) -> Position {
    let found = Explore::new().position_of(scenario, &request(schedule, true));
    found.expect("a position")
}

/// What each thread would do next: the first of its ways.
fn next(position: &Position) -> Vec<Option<&str>> {
    let threads = position.threads.iter();
    threads
        .map(|thread| Some(thread.ways.first()?.words.as_str()))
        .collect()
}

#[test]
fn at_the_beginning_only_the_scenario_s_own_thread_is_there() {
    let begin = at(scenarios::lost_update, "");
    assert_eq!(begin.schedule, "");
    assert_eq!(next(&begin), [Some("thread #2 spawn")]);
    assert_eq!(begin.threads[0].name, "a (main)");
    assert!(begin.threads[0].source.starts_with("let thread = "));
    assert!(begin.timeline.steps.is_empty() && begin.end.is_none());
}

#[test]
fn every_thread_says_what_it_would_do_next_and_every_step_what_it_saw() {
    let both = at(scenarios::lost_update, "a");
    assert_eq!(both.schedule, "a");
    let load = Some("AtomicU32 #1 load(SeqCst)");
    assert_eq!(next(&both), [load, load]);
    let stepped = at(scenarios::lost_update, "ab");
    assert_eq!(
        next(&stepped),
        [load, Some("AtomicU32 #1 store(1, SeqCst)")]
    );
    let seen = stepped.timeline.steps.last().expect("a step");
    assert_eq!(
        (seen.operation.as_str(), seen.value.as_str()),
        ("AtomicU32 #1 load(SeqCst)", "0")
    );
    let stored = at(scenarios::lost_update, "ab2");
    assert_eq!(
        (
            stored.objects[0].name.as_str(),
            stored.objects[0].value.as_str()
        ),
        ("AtomicU32 #1", "1")
    );
    assert_eq!(stored.threads[1].state, ThreadState::Ended);
    assert!(!stored.threads[1].can_run());
}

#[test]
fn a_run_goes_on_to_where_there_is_something_to_choose() {
    let begin = run_on(scenarios::lost_update, "");
    assert_eq!(
        begin.schedule, "a",
        "a has to spawn b before there is a choice"
    );
    let end = run_on(scenarios::lost_update, "ab2");
    assert!(matches!(end.end, Some(End::Held)), "{:?}", end.end);
    // The last of b's steps is its end.
    assert!(end.schedule.starts_with("ab3a"), "{}", end.schedule);
}

#[test]
fn the_string_of_a_run_leaves_out_what_follows_by_itself() {
    // b goes on because it is running, and then a because no other thread is
    // left.
    assert_eq!(at(scenarios::lost_update, "ab3a").replay, "lost_update:ab");
    let interrupted = run_on(scenarios::lost_update, "aba2");
    assert_eq!(interrupted.replay, "lost_update:aba");
}

#[test]
fn the_schedules_below_are_counted_whether_they_fail_or_not() {
    let begin = run_on(scenarios::lost_update, "").below.expect("a count");
    assert!(
        begin.complete && 0 < begin.failing && begin.failing < begin.executions,
        "{begin:?}"
    );
    let found = interleave::explore(scenarios::nothing_is_lost);
    let right = run_on(scenarios::nothing_is_lost, "").below;
    assert!(found.complete);
    assert_eq!(
        right,
        Some(Below {
            executions: found.executions,
            failing: 0,
            complete: true
        })
    );
    // Both threads have read 0, so an update is lost in every schedule.
    let lost = at(scenarios::lost_update, "aba").below.expect("a count");
    assert_eq!(lost.failing, lost.executions);
    // b has ended, so no update can be lost any more.
    let safe = at(scenarios::lost_update, "ab2").below.expect("a count");
    assert_eq!((safe.executions, safe.failing), (1, 0));
}

#[test]
fn a_count_that_is_cut_off_says_so() {
    let mut few = request("", true);
    few.count = 2;
    let position = Explore::new().position_of(scenarios::lost_update as fn(), &few);
    let below = position.expect("a position").below.expect("a count");
    assert_eq!((below.executions, below.complete), (2, false));
    few.count = 0;
    let position = Explore::new().position_of(scenarios::lost_update as fn(), &few);
    assert_eq!(position.expect("a position").below, None);
}

#[test]
fn many_failing_schedules_do_not_exhaust_anything() {
    let spin = run_on(scenarios::spins_for_ever, "a");
    assert!(matches!(
        spin.end,
        Some(End::Failed {
            kind: FailureKind::Spin,
            ..
        })
    ));
    let below = at(scenarios::panics_in_all_schedules, "")
        .below
        .expect("a count");
    assert_eq!(below.failing, below.executions);
}

#[test]
fn what_was_broken_by_hand_is_broken_again_by_its_string() {
    let broken = run_on(scenarios::lost_update, "aba");
    let broken = run_on(scenarios::lost_update, &format!("{}a", broken.schedule));
    let broken = run_on(scenarios::lost_update, &format!("{}b", broken.schedule));
    let Some(End::Failed { kind, message, .. }) = &broken.end else {
        panic!("it should have failed: {broken:?}")
    };
    assert_eq!(*kind, FailureKind::Assertion);
    assert!(broken.timeline.failed);
    let again = Explore::new().replay_of(scenarios::lost_update as fn(), &broken.replay);
    assert_eq!(again.must_fail(*kind).message, *message);
    assert_eq!(again.must_fail(*kind).timeline, broken.timeline);
}

#[test]
fn who_waits_says_for_what() {
    let deadlock = at(scenarios::opposite_order, "aba");
    let Some(End::Failed { kind, .. }) = deadlock.end else {
        panic!("a deadlock: {deadlock:?}")
    };
    assert_eq!(kind, FailureKind::Deadlock);
    let waits = deadlock.threads[0].waits_for.as_deref().expect("it waits");
    assert!(waits.contains("which thread b holds"), "{waits}");
    assert_eq!(deadlock.threads[1].state, ThreadState::Waits);
    let held = deadlock.objects.iter().map(|object| object.value.as_str());
    assert_eq!(held.collect::<Vec<_>>(), ["held by a", "held by b"]);
}

#[test]
fn code_that_panics_before_any_step_has_ended() {
    let position = at(scenarios::never_begun, "");
    let Some(End::Failed { kind, message, .. }) = &position.end else {
        panic!("{position:?}")
    };
    assert_eq!(*kind, FailureKind::Assertion);
    assert_eq!(message, "not yet implemented: begin");
}

#[test]
fn steps_that_do_not_fit_are_no_position() {
    let wrong = at(scenarios::lost_update, "b");
    let Some(End::NotJudged(reason)) = wrong.end else {
        panic!("{wrong:?}")
    };
    assert!(
        reason.contains("at its step 1, thread b cannot run"),
        "{reason}"
    );
    let nonsense =
        Explore::new().position_of(scenarios::lost_update as fn(), &request("3a", false));
    assert!(nonsense.unwrap_err().contains("is not a schedule"));
}

#[test]
fn another_scenario_than_the_one_asked_for_is_not_run() {
    let mut asked = request("", false);
    asked.scenario = Some("lost_update".to_owned());
    for other in [scenarios::nothing_is_lost as fn(), scenarios::never_begun] {
        let refused = Explore::new().position_of(other, &asked).unwrap_err();
        assert!(
            refused.contains("belongs to the scenario lost_update"),
            "{refused}"
        );
    }
    assert!(
        Explore::new()
            .position_of(scenarios::lost_update as fn(), &asked)
            .is_ok()
    );
    let unnamed =
        Explore::new().position_of(|| drop(interleave::std::thread::spawn(|| {})), &asked);
    assert!(unnamed.unwrap_err().contains("has no name"));
}

#[test]
fn a_schedule_with_a_name_is_replayed_on_its_scenario_only() {
    let failure = interleave::explore(scenarios::lost_update)
        .failure
        .expect("wrong");
    assert!(
        failure.schedule.starts_with("lost_update:a"),
        "{}",
        failure.schedule
    );
    let other = Explore::new().replay_of(scenarios::nothing_is_lost, &failure.schedule);
    let reason = other.not_judged.expect("not this one's");
    assert_eq!(
        reason,
        "the schedule belongs to the scenario lost_update, and this is nothing_is_lost"
    );
    // A schedule without a name may be replayed on any scenario that it fits.
    let (_, letters) = interleave::schedule::parts(&failure.schedule);
    assert!(
        Explore::new()
            .replay_of(scenarios::lost_update, letters)
            .failure
            .is_some()
    );
}

#[test]
fn the_environment_asks_and_a_file_answers() {
    if std::env::var_os(interleave::position::POSITION).is_some() {
        for scenario in [scenarios::opposite_order as fn(), scenarios::lost_update] {
            let found = interleave::explore(scenario);
            assert!(found.failure.is_none() && found.not_judged.is_some());
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut asked = request("ab", false);
    asked.scenario = Some("lost_update".to_owned());
    asked.answer = folder.path().join("answer.json");
    let this = std::env::current_exe().expect("this test's binary");
    let output = std::process::Command::new(this)
        .args(["--exact", "the_environment_asks_and_a_file_answers"])
        .env(
            interleave::position::POSITION,
            serde_json::to_string(&asked).expect("JSON"),
        )
        .output()
        .expect("this test's binary starts");
    assert!(output.status.success(), "{output:?}");
    let answer = std::fs::read(&asked.answer).expect("an answer");
    let position: Position = serde_json::from_slice(&answer).expect("a position");
    assert_eq!(
        (position.schedule.as_str(), position.threads.len()),
        ("ab", 2)
    );
}
