//! Tests of the state machine and the view, without files, processes or a terminal.

use std::time::Duration;

use judging::judge::{Judgement, Known};
use judging::run::record;
use proctor::{Outcome, Place};
use records::{Step, Timeline};

use super::content::{Content, Solution, Spot};
use super::glossary::Term;
use super::plain::Plain;
use super::state::{Card, Effect, Event, Key, Page, Question, State};
use super::view;
use crate::text::{Line, Look};

fn card(id: &str, topic: &str) -> Card {
    Card {
        id: id.into(),
        topic: topic.into(),
        title: format!("All about {id}"),
        minutes: 30,
        needs: Vec::new(),
        passed: false,
    }
}

fn state() -> State {
    let cards = ["fork", "frame", "lock"].map(|id| card(id, &format!("{id}-topic")));
    let mut state = State::new(cards.into(), 0);
    state.start();
    state.on(Event::Opened(
        Box::new(Content {
            task: "# Fork\n\nOne *two* `three`.\n\n```\ncode\n```\n".into(),
            hints: vec!["Look.".into(), "Think.".into()],
            spot: Some(Spot {
                short: "exercises/a b/lib.rs".into(),
                path: "/x/exercises/a b/lib.rs".into(),
                line: 7,
            }),
            untouched: true,
            terms: vec![Term {
                name: "deadlock".into(),
                means: "All wait.".into(),
            }],
        }),
        0,
    ));
    state
}

fn judgement(outcome: Outcome) -> Box<Judgement> {
    let mut one = record("one_is_one", outcome, "a cause\n  with layout".into());
    one.at = Some(Place {
        file: "exercises/a b/lib.rs".into(),
        line: 12,
    });
    one.timeline = Some(Timeline {
        threads: vec!["a (main)".into(), "b".into()],
        steps: vec![Step {
            thread: 1,
            place: "src/lib.rs:9".into(),
            source: "self.0.load(SeqCst)".into(),
            operation: "load".into(),
            value: "0".into(),
            note: String::new(),
        }],
        ..Timeline::default()
    });
    Box::new(Judgement {
        exercise: "fork".into(),
        records: vec![one],
        pending: Vec::new(),
        uncompiled: None,
        warnings: 1,
        unrun: Vec::new(),
        known: Some(Known {
            test: "one_is_one".into(),
            what: "does it".into(),
            explain: "do not".into(),
        }),
        tests: "the tests".into(),
        built: Duration::ZERO,
        ran: Duration::ZERO,
    })
}

fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in keys.chars() {
        effects.extend(state.on(Event::Key(Key::Char(c))));
    }
    effects
}

fn screen(state: &State) -> String {
    let lines: Vec<String> = view::frame(state).iter().map(Line::text).collect();
    lines.join("\n")
}

#[test]
fn every_frame_fits_its_terminal() {
    let mut state = state();
    for stage in 0..4 {
        match stage {
            1 => _ = state.on(Event::Judged(state.run, Ok(judgement(Outcome::Deadlock)))),
            2 => _ = press(&mut state, "hr"),
            3 => {
                state.on(Event::Solved(Box::new(Solution {
                    reference: Some("fn f() {\n    1\n}\n".repeat(30)),
                    own: "// 漢字\n".repeat(40),
                    mistakes: vec!["does not".into()],
                    ..Solution::default()
                })));
            }
            _ => {}
        }
        for page in [
            Page::Welcome,
            Page::Task,
            Page::Verdict,
            Page::Hints,
            Page::List,
            Page::Explain,
            Page::Mistake,
            Page::Words,
            Page::Solution,
            Page::Passed,
            Page::Help,
        ] {
            for (columns, rows) in [
                (0, 0),
                (1, 1),
                (2, 2),
                (3, 60),
                (40, 10),
                (80, 24),
                (160, 50),
                (300, 3),
                (10_000, 10_000),
            ] {
                state.page = page;
                state.scroll = 1000;
                state.on(Event::Resized(columns, rows));
                let frame = view::frame(&state);
                assert_eq!(frame.len(), state.size.1, "{page:?} in {columns} × {rows}");
                for line in frame {
                    assert!(line.width() <= state.size.0, "{page:?}: {line:?}");
                }
            }
        }
    }
}

#[test]
fn a_save_starts_a_run_and_the_verdict_of_an_older_one_is_nobodys() {
    let mut state = state();
    let first = state.run;
    let effects = state.on(Event::Saved);
    assert_eq!(
        effects,
        [Effect::Look, Effect::Judge(first + 1, Vec::new())]
    );
    state.on(Event::Judged(first, Ok(judgement(Outcome::Pass))));
    assert!(state.report.is_none() && state.running.is_some());
    state.on(Event::Judged(first + 1, Ok(judgement(Outcome::Fail))));
    assert_eq!(state.page, Page::Verdict);
    assert!(state.running.is_none());
}

#[test]
fn the_stubs_verdict_leaves_the_task_on_the_screen() {
    let mut state = state();
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Panic))));
    assert_eq!(state.page, Page::Task);
    assert!(screen(&state).contains("red is where you start"));
}

#[test]
fn a_verdict_names_cause_line_and_known_mistake() {
    let mut state = state();
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Deadlock))));
    let screen = screen(&state);
    for words in [
        "deadlock",
        "a cause",
        "at exercises/a b/lib.rs:12",
        "load → 0",
        "this may be: does it (m explains it)",
        // The line to edit is now that of the failure.
        "edit exercises/a b/lib.rs:12",
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
}

#[test]
fn a_mistake_is_explained_after_the_first_hint() {
    let mut state = state();
    press(&mut state, "m");
    assert!(screen(&state).contains("tests are still running"));
    let mut unknown = judgement(Outcome::Fail);
    unknown.known = None;
    state.on(Event::Judged(state.run, Ok(unknown)));
    assert!(!screen(&state).contains("tests are still running"));
    press(&mut state, "m");
    assert!(screen(&state).contains("may have several mistakes at once"));
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Fail))));
    press(&mut state, "m");
    assert_eq!(state.page, Page::Verdict);
    assert!(screen(&state).contains("ask for a hint first"));
    press(&mut state, "hm");
    assert_eq!(state.page, Page::Mistake);
    assert!(screen(&state).contains("do not"));
}

#[test]
fn what_failed_is_above_what_passed_and_a_cause_is_said_once() {
    let mut state = state();
    state.on(Event::Saved);
    let mut found = judgement(Outcome::Fail);
    found.records = ["p1", "f1", "p2", "f2", "p3"]
        .map(|name| {
            let (outcome, cause) = match name.starts_with('p') {
                true => (Outcome::Pass, ""),
                false => (Outcome::Fail, "the same cause"),
            };
            record(name, outcome, cause.into())
        })
        .into();
    state.on(Event::Judged(state.run, Ok(found)));
    let screen = screen(&state);
    let places: Vec<_> = [
        "✗ f1",
        "the same cause",
        "✗ f2  as above",
        "✓ p1",
        "✓ p2",
        "✓ p3",
    ]
    .map(|words| screen.find(words).expect(words))
    .into();
    assert!(places.is_sorted(), "{screen}");
    assert_eq!(screen.matches("the same cause").count(), 1, "{screen}");
}

#[test]
fn a_verdict_that_is_being_replaced_is_faint() {
    let is_faint = |state: &State| {
        let body = view::body(state);
        let mut spans = body.iter().flat_map(|line| &line.spans);
        spans.all(|span| span.look == Look::Faint)
    };
    let mut state = state();
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Fail))));
    assert!(!is_faint(&state));
    state.on(Event::Notice("an old notice".into()));
    state.on(Event::Saved);
    assert!(is_faint(&state) && state.notice.is_none());
    let mut first = judgement(Outcome::Fail);
    first.pending = vec!["another".into()];
    state.on(Event::SoFar(state.run, first));
    assert!(!is_faint(&state));
}

#[test]
fn whoever_reads_on_while_tests_run_is_not_called_back() {
    let mut state = state();
    state.on(Event::Saved);
    press(&mut state, "h");
    let mut first = judgement(Outcome::Fail);
    first.pending = vec!["another".into()];
    state.on(Event::SoFar(state.run, first.clone()));
    assert_eq!(state.page, Page::Verdict);
    press(&mut state, "t");
    state.on(Event::SoFar(state.run, first.clone()));
    assert_eq!(state.page, Page::Task);
    press(&mut state, "e");
    state.on(Event::SoFar(state.run, first));
    assert_eq!(state.page, Page::Explain);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Fail))));
    assert_eq!(state.page, Page::Explain);
    // The next run is another matter.
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Pass))));
    assert_eq!(state.page, Page::Passed);
}

#[test]
fn after_a_deadline_the_other_tests_run_when_they_are_asked_for() {
    let mut state = state();
    assert_eq!(press(&mut state, "g"), []);
    state.on(Event::Saved);
    let mut stopped = judgement(Outcome::Timeout);
    stopped.unrun = vec!["another".into()];
    state.on(Event::Judged(state.run, Ok(stopped)));
    let seen = screen(&state);
    assert!(seen.contains("another  not run yet"), "{seen}");
    assert!(seen.contains("1 test not run yet (g)"), "{seen}");
    let effects = press(&mut state, "g");
    assert_eq!(
        effects,
        [Effect::Judge(state.run, vec!["another".to_owned()])]
    );
    let mut rest = judgement(Outcome::Pass);
    rest.records[0].test = "another".into();
    state.on(Event::Judged(state.run, Ok(rest)));
    let seen = screen(&state);
    assert!(
        seen.contains("✗ one_is_one") && seen.contains("✓ another"),
        "{seen}"
    );
    assert!(seen.contains("1 of 2 failed"), "{seen}");
}

#[test]
fn the_failing_schedule_can_be_played_and_run_again() {
    let mut state = state();
    assert_eq!(press(&mut state, "x"), []);
    state.on(Event::Saved);
    let mut found = judgement(Outcome::Fail);
    found.records[0].schedule = Some("both:a3b".into());
    state.on(Event::Judged(state.run, Ok(found)));
    let command = |words: &[&str]| Effect::Command(words.iter().map(ToString::to_string).collect());
    let replay = ["replay", "fork", "both:a3b", "--test", "one_is_one"];
    assert_eq!(press(&mut state, "a"), [command(&replay)]);
    assert_eq!(
        press(&mut state, "x"),
        [command(&["schedule", "fork", "both:a3b"])]
    );
    // A command that is meant to be copied has a line of its own.
    let seen = screen(&state);
    let commands: Vec<&str> = seen
        .lines()
        .filter(|line| line.contains("cargo course"))
        .collect();
    assert_eq!(
        commands.iter().map(|line| line.trim()).collect::<Vec<_>>(),
        [
            "cargo course replay fork both:a3b",
            "cargo course schedule fork both:a3b"
        ]
    );
}

#[test]
fn what_passed_once_and_fails_now_is_called_that() {
    let mut state = state();
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Pass))));
    assert!(!screen(&state).contains("fails now"));
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Fail))));
    assert!(screen(&state).contains("passed before, fails now"));
}

#[test]
fn the_terms_of_a_verdict_are_explained() {
    let mut state = state();
    press(&mut state, "w");
    assert!(screen(&state).contains("explains no term"));
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Deadlock))));
    press(&mut state, "w");
    assert!(screen(&state).contains("deadlock: All wait."));
}

#[test]
fn the_file_is_opened_at_the_line_to_look_at() {
    let mut state = state();
    let line = |effects: &[Effect]| match effects {
        [Effect::Edit(spot)] => spot.line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line(&press(&mut state, "o")), 7);
    state.on(Event::Saved);
    let mut found = judgement(Outcome::Fail);
    state.on(Event::Judged(state.run, Ok(found.clone())));
    assert_eq!(line(&press(&mut state, "o")), 12);
    // Without a line of its own, the last step of the schedule.
    found.records[0].at = None;
    found.records[0].timeline.as_mut().unwrap().steps[0].place = "lib.rs:9".into();
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(found)));
    assert_eq!(line(&press(&mut state, "o")), 9);
}

#[test]
fn passing_is_kept_and_shows_the_solution() {
    let mut state = state();
    state.on(Event::Saved);
    let effects = state.on(Event::Judged(state.run, Ok(judgement(Outcome::Pass))));
    assert_eq!(
        effects,
        [Effect::KeepPass("the tests".into()), Effect::Solve]
    );
    assert_eq!(state.page, Page::Passed);
    assert!(screen(&state).contains("n goes on to frame"));
    assert!(screen(&state).contains("1 of 3 passed · 60 min left"));
}

#[test]
fn slow_tests_are_waited_for_with_the_verdict_of_the_others_in_view() {
    let mut state = state();
    state.on(Event::Saved);
    let mut quick = judgement(Outcome::Pass);
    quick.pending = vec!["it_takes_its_time".into()];
    let effects = state.on(Event::SoFar(state.run, quick));
    assert_eq!(effects, []);
    assert_eq!(state.page, Page::Verdict);
    let seen = screen(&state);
    assert!(seen.contains("it_takes_its_time"), "{seen}");
    assert!(seen.contains("judging: 1 test still to come"), "{seen}");
    let effects = state.on(Event::Judged(state.run, Ok(judgement(Outcome::Pass))));
    assert_eq!(effects.len(), 2);
    assert_eq!(state.page, Page::Passed);
}

#[test]
fn a_verdict_does_not_take_the_list_from_under_the_hands() {
    let mut state = state();
    press(&mut state, "l");
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Pass))));
    assert_eq!(state.page, Page::List);
}

#[test]
fn hints_are_a_ladder_and_kept() {
    let mut state = state();
    assert_eq!(press(&mut state, "h"), [Effect::KeepHints(1)]);
    assert!(!screen(&state).contains("Think."));
    assert_eq!(press(&mut state, "h"), [Effect::KeepHints(2)]);
    assert!(screen(&state).contains("Think."));
    assert_eq!(press(&mut state, "h"), []);
    assert!(screen(&state).contains("the last hint"));
}

#[test]
fn the_list_goes_where_the_filter_points() {
    let mut state = state();
    press(&mut state, "lLOCK");
    assert_eq!(state.filtered(), [2]);
    let effects = state.on(Event::Key(Key::Enter));
    assert_eq!(state.card().id, "lock");
    assert!(matches!(effects[..], [Effect::Open, Effect::Judge(..)]));
    press(&mut state, "lnothing");
    assert_eq!(state.on(Event::Key(Key::Enter)), []);
    assert_eq!(state.card().id, "lock");
}

#[test]
fn next_and_previous_stop_at_the_ends() {
    let mut state = state();
    assert_eq!(press(&mut state, "p"), []);
    press(&mut state, "nn");
    assert_eq!(state.card().id, "lock");
    assert_eq!(press(&mut state, "n"), []);
    assert!(screen(&state).contains("the last exercise"));
}

#[test]
fn only_y_answers_yes() {
    let mut state = state();
    press(&mut state, "r");
    assert_eq!(state.question, Some(Question::Reset));
    assert_eq!(state.on(Event::Key(Key::Enter)), []);
    assert_eq!(press(&mut state, "ry"), [Effect::Reset]);
    assert_eq!(press(&mut state, "sn"), []);
    assert_ne!(state.page, Page::Solution);
    assert_eq!(press(&mut state, "sy"), [Effect::Solve]);
}

#[test]
fn a_file_that_is_missing_ends_the_run_until_it_is_back() {
    let mut state = state();
    let effects = state.on(Event::Missing("lib.rs does not exist any more".into()));
    assert_eq!(effects, [Effect::EndRun]);
    assert!(screen(&state).contains("does not exist any more"));
    state.on(Event::Saved);
    assert!(state.missing.is_none() && state.running.is_some());
}

#[test]
fn in_lines_everything_is_said_once() {
    let mut state = state();
    state.in_lines = true;
    let mut plain = Plain::default();
    let first = plain.news(&state);
    assert!(first.contains("exercise 1 of 3, 0 passed, 90 minutes left"));
    assert!(first.contains("One two three."), "{first}");
    state.on(Event::Elapsed(Duration::from_secs(9)));
    assert_eq!(plain.news(&state), "");
    state.on(Event::Saved);
    state.on(Event::Judged(state.run, Ok(judgement(Outcome::Fail))));
    let second = plain.news(&state);
    assert!(second.contains("a cause") && !second.contains("One two"));
    press(&mut state, "l");
    plain.news(&state);
    // In the list, too, a letter is a command.
    assert_eq!(press(&mut state, "h"), [Effect::KeepHints(1)]);
    state.on(Event::Named("fram".into()));
    assert_eq!(state.card().id, "frame");
}
