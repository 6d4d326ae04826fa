//! What the corpus shares: each case is run in both worlds, `REPEAT` times, and must be judged the
//! same every time, down to the schedule.
#![allow(dead_code, unreachable_pub)]

use std::panic::Location;

use interleave::{Exploration, Explore, FailureKind};

/// How often each case is run.
fn repeat() -> usize {
    std::env::var("REPEAT")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// What must be the same from run to run.
fn gist(found: &Exploration) -> (u64, bool, Option<(String, String)>, Option<String>) {
    let failure = found.failure.as_ref();
    (
        found.schedules,
        found.complete,
        failure.map(|failure| (failure.schedule.clone(), failure.message.clone())),
        found.not_judged.clone(),
    )
}

fn same_every_time(explore: impl Fn() -> Exploration + Sync) -> Exploration {
    // Each exploration runs on a thread of its own, because an execution that is given up during a
    // panic changes its thread for good.
    let explore = || {
        std::thread::scope(|scope| scope.spawn(&explore).join()).expect("explorers do not panic")
    };
    let first = explore();
    if std::env::var_os("SHOW").is_some() {
        let name = std::thread::current().name().map(str::to_owned);
        let (coverage, millis) = (first.coverage(), first.millis);
        eprintln!("SHOW {name:?}: {coverage}, {millis} ms");
    }
    for _ in 1..repeat() {
        assert_eq!(gist(&explore()), gist(&first));
    }
    first
}

/// Explores the schedules of a scenario in the caller's file.
#[track_caller]
pub fn schedules(scenario: fn()) -> Exploration {
    let file = Location::caller().file();
    same_every_time(|| Explore::new().scenario_file(file).schedules_of(scenario))
}

/// Explores the orderings of a scenario in the caller's file.
#[track_caller]
pub fn orderings(scenario: fn()) -> Exploration {
    let file = Location::caller().file();
    same_every_time(|| Explore::new().scenario_file(file).orderings_of(scenario))
}

/// Right in both worlds.
#[track_caller]
pub fn holds([shuttled, loomed]: [fn(); 2]) {
    schedules(shuttled).must_pass();
    orderings(loomed).must_pass();
}

/// Wrong in both worlds, for this reason.
#[track_caller]
pub fn fails([shuttled, loomed]: [fn(); 2], kind: FailureKind) {
    schedules(shuttled).must_fail(kind);
    orderings(loomed).must_fail(kind);
}

/// Right in every schedule, but wrong under the memory model.
#[track_caller]
pub fn fails_in_memory([shuttled, loomed]: [fn(); 2], kind: FailureKind) {
    schedules(shuttled).must_pass();
    orderings(loomed).must_fail(kind);
}

/// Both worlds' version of a scenario.
#[macro_export]
macro_rules! both {
    ($scenario:ident) => {
        [shuttled::$scenario as fn(), loomed::$scenario as fn()]
    };
}
