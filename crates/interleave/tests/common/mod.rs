//! What the corpus shares: each case is explored `REPEAT` times, and must be judged the same every
//! time, down to the schedule.
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
        found.executions,
        found.complete,
        failure.map(|failure| (failure.schedule.clone(), failure.message.clone())),
        found.not_judged.clone(),
    )
}

fn same_every_time(explore: impl Fn() -> Exploration + Sync) -> Exploration {
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

/// Explores a scenario in the caller's file.
#[track_caller]
pub fn explored(scenario: fn()) -> Exploration {
    let file = Location::caller().file();
    same_every_time(|| Explore::new().scenario_file(file).of(scenario))
}

/// Right in every execution.
#[track_caller]
pub fn holds(scenario: fn()) {
    explored(scenario).must_pass();
}

/// Wrong, for this reason.
#[track_caller]
pub fn fails(scenario: fn(), kind: FailureKind) {
    explored(scenario).must_fail(kind);
}
