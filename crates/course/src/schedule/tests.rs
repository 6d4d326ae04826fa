//! Tests of the state machine, the view and the lines, without running any
//! learner's code.

use records::position::{Below, End, FailureKind, Object, Position, Thread, ThreadState, Way};
use records::{Step, Timeline};

use super::game::{Effect, Game, Subject};
use super::lines;
use super::position::{Reached, in_words};
use super::view;
use crate::live::state::Key;
use crate::text::Line;

fn thread(name: &str, state: ThreadState) -> Thread {
    Thread {
        name: name.into(),
        state,
        waits_for: (state == ThreadState::Waits).then(|| "Mutex #1, which thread b holds".into()),
        place: "src/lib.rs:38".into(),
        source: "while self.locked.load(Acquire) {".into(),
        ways: match state {
            ThreadState::Ready | ThreadState::Spins => vec![Way {
                step: name[..1].into(),
                words: "AtomicBool #1 load(Acquire)".into(),
            }],
            _ => Vec::new(),
        },
    }
}

fn step(thread: usize, value: &str) -> Step {
    Step {
        thread,
        place: format!("src/lib.rs:{}", 40 + thread),
        source: "self.locked.store(true, Relaxed);".into(),
        operation: "AtomicBool #1 load(Acquire)".into(),
        value: value.into(),
        note: String::new(),
    }
}

fn position(schedule: &str, b: ThreadState) -> Position {
    Position {
        schedule: schedule.into(),
        replay: format!("both:{schedule}"),
        threads: vec![thread("a (main)", ThreadState::Ready), thread("b", b)],
        objects: vec![Object {
            name: "AtomicBool #1".into(),
            made: "src/lib.rs:3".into(),
            value: "false".into(),
        }],
        timeline: Timeline {
            steps: schedule.chars().map(|_| step(0, "false")).collect(),
            ..Timeline::default()
        },
        below: Some(Below {
            executions: 20,
            failing: 4,
            complete: true,
        }),
        ..Position::default()
    }
}

fn broken(schedule: &str) -> Position {
    Position {
        end: Some(End::Failed {
            kind: FailureKind::Race,
            message: "data race\n  thread a writes".into(),
            at: None,
        }),
        ..position(schedule, ThreadState::Ready)
    }
}

fn game() -> Game {
    let subject = Subject {
        exercise: "lock".into(),
        scenario: "both".into(),
        about: "Both lock.".into(),
        is_reference: false,
        options: " --test one".into(),
    };
    Game::new(subject, position("", ThreadState::Ready).into())
}

fn ask(schedule: &str, run_on: bool) -> Option<Effect> {
    Some(Effect::Ask {
        schedule: schedule.into(),
        run_on,
    })
}

fn screen(game: &Game, columns: usize, rows: usize) -> Vec<String> {
    let lines = view::frame(game, columns, rows);
    lines.iter().map(Line::text).collect()
}

#[test]
fn a_letter_asks_for_one_step_more_and_undo_asks_for_nothing() {
    let mut game = game();
    assert_eq!(game.key(Key::Char('a')), ask("a", false));
    game.answer(Ok(position("ab", ThreadState::Ready).into()));
    assert_eq!(game.key(Key::Char('b')), ask("abb", false));
    game.answer(Ok(position("ab2", ThreadState::Ready).into()));
    assert_eq!(game.undoable(), 2);
    assert_eq!(game.key(Key::Char('u')), None);
    assert_eq!(game.now().schedule, "ab");
    game.key(Key::Char('r'));
    assert_eq!((game.now().schedule.as_str(), game.undoable()), ("", 0));
    game.key(Key::Backspace);
    assert_eq!(game.notice.as_deref(), Some("this is the beginning"));
    assert_eq!(game.key(Key::Char('q')), Some(Effect::Quit));
}

#[test]
fn while_the_code_is_asked_only_leaving_is_obeyed_at_once() {
    let mut game = game();
    game.key(Key::Char('a'));
    assert_eq!(game.key(Key::Char('b')), None);
    assert_eq!(game.key(Key::Interrupt), Some(Effect::Quit));
    assert_eq!(game.key(Key::Char('q')), Some(Effect::Quit));
    assert_eq!(game.key(Key::Suspend), Some(Effect::Suspend));
}

#[test]
fn keys_typed_ahead_are_obeyed_one_answer_after_the_other() {
    let mut game = game();
    for key in ['a', 'b', 'u', 'b'] {
        game.key(Key::Char(key));
    }
    game.answer(Ok(position("a", ThreadState::Ready).into()));
    assert_eq!(game.typed_ahead(), ask("ab", false));
    game.answer(Ok(position("ab", ThreadState::Ready).into()));
    // The undo needs no answer.
    assert_eq!(game.typed_ahead(), ask("ab", false));
    game.answer(Ok(position("ab", ThreadState::Ready).into()));
    assert_eq!(game.typed_ahead(), None);
}

#[test]
fn keys_typed_ahead_of_a_failure_are_forgotten() {
    let mut game = game();
    for key in ['a', 'b', 'u'] {
        game.key(Key::Char(key));
    }
    game.answer(Ok(broken("a").into()));
    assert_eq!(game.typed_ahead(), None);
    assert_eq!(game.now().schedule, "a");
    assert_eq!(game.typed_ahead(), None);
}

#[test]
fn who_cannot_run_is_refused_with_the_reason() {
    let mut game = game();
    game.answer(Ok(position("a", ThreadState::Waits).into()));
    assert_eq!(game.key(Key::Char('b')), None);
    let notice = game.notice.clone().unwrap();
    assert!(
        notice.contains("waits for Mutex #1, which thread b holds"),
        "{notice}"
    );
    game.answer(Ok(position("a2", ThreadState::Ended).into()));
    game.key(Key::Char('b'));
    assert_eq!(game.notice.as_deref(), Some("b has ended"));
    game.key(Key::Char('x'));
    assert!(
        game.notice
            .as_deref()
            .unwrap()
            .contains("neither a thread nor a key")
    );
}

#[test]
fn running_on_stops_where_there_is_a_choice() {
    let mut game = game();
    assert_eq!(game.key(Key::Enter), None);
    assert!(
        game.notice
            .as_deref()
            .unwrap()
            .contains("there is a choice")
    );
    // Letting a spinner look again is no choice.
    game.answer(Ok(position("a", ThreadState::Spins).into()));
    assert_eq!(game.key(Key::Enter), ask("a", true));
}

#[test]
fn several_steps_can_be_written_at_once() {
    let mut game = game();
    assert_eq!(game.word("ab2"), ask("ab2", false));
    game.answer(Ok(position("ab2", ThreadState::Ready).into()));
    for nonsense in ["quit", "3a", "a-b", "ä3", "undo"] {
        assert_eq!(game.word(nonsense), None, "{nonsense}");
        assert!(
            game.notice
                .as_deref()
                .unwrap()
                .contains("neither a key nor a schedule")
        );
    }
    assert_eq!(game.now().schedule, "ab2");
}

#[test]
fn steps_that_do_not_fit_and_code_that_ends_leave_the_position_as_it_is() {
    let mut game = game();
    game.word("ab9");
    let mut wrong = position("ab9", ThreadState::Ready);
    wrong.end = Some(End::NotJudged("at its step 4, thread b cannot run".into()));
    game.answer(Ok(wrong.into()));
    assert_eq!((game.undoable(), game.is_asking), (0, false));
    assert!(game.notice.as_deref().unwrap().contains("at its step 4"));
    game.answer(Err("this schedule ends the process".into()));
    assert_eq!(game.undoable(), 0);
}

#[test]
fn a_broken_game_tells_how_and_how_to_see_it_again() {
    let mut game = game();
    game.answer(Ok(broken("ab").into()));
    assert!(game.is_broken());
    let seen = screen(&game, 100, 30).join("\n");
    assert!(seen.contains("✗ broken: data race"), "{seen}");
    assert!(
        seen.contains("\n    cargo course replay lock both:ab --test one"),
        "{seen}"
    );
    assert_eq!(game.key(Key::Char('a')), None, "it is over");
    game.key(Key::Char('u'));
    assert!(!game.is_broken());
    // Unless that is what the judge wants to see.
    game.answer(Ok(Reached {
        is_expected: true,
        ..Reached::from(broken("ab"))
    }));
    assert!(!game.is_broken());
    assert!(
        screen(&game, 100, 30)
            .join("\n")
            .contains("✓ the test expects this end")
    );
}

#[test]
fn every_size_of_terminal_shows_the_keys_and_fits() {
    let mut game = game();
    game.answer(Ok(
        position("aaaaaaaaaaaaaaaaaaaa", ThreadState::Waits).into()
    ));
    let mut games = vec![game.clone(), super::tests::game()];
    game.answer(Ok(broken("ab").into()));
    games.push(game.clone());
    game.help = true;
    games.push(game);
    for game in &games {
        for (columns, rows) in [(40, 10), (20, 4), (100, 30), (250, 80), (71, 17), (1, 1)] {
            let lines = view::frame(game, columns, rows);
            assert_eq!(lines.len(), rows);
            for line in &lines {
                assert!(
                    line.width() <= columns,
                    "{columns}x{rows}: {:?}",
                    line.text()
                );
            }
        }
        if !game.help {
            assert!(screen(game, 40, 10).join("\n").contains("u · r · ? · q"));
        }
    }
    let small = screen(&games[2], 40, 10).join("\n");
    assert!(
        small.contains("✗ broken") && small.contains("cargo course replay"),
        "{small}"
    );
}

#[test]
fn threads_stand_side_by_side_with_what_they_would_do() {
    let mut game = game();
    game.answer(Ok(position("a", ThreadState::Waits).into()));
    let seen = screen(&game, 100, 30);
    let names = seen.iter().find(|line| line.contains("a (main)")).unwrap();
    let column = names.chars().position(|c| c == 'b').unwrap();
    let waits = seen.iter().find(|line| line.contains("waits for")).unwrap();
    let waits: Vec<char> = waits.chars().collect();
    assert_eq!(
        waits[column..column + 5].iter().collect::<String>(),
        "waits"
    );
    assert!(
        seen.iter()
            .any(|line| line.contains("20 executions from here, 4 of them fail"))
    );
    assert!(
        seen.iter()
            .any(|line| line.contains("memory: AtomicBool #1 = false"))
    );
}

#[test]
fn a_thread_with_several_ways_is_asked_which() {
    let mut position = position("a", ThreadState::Ready);
    let way = |step: &str, words: &str| Way {
        step: step.into(),
        words: words.into(),
    };
    position.threads[1].ways = vec![way("b", "load → true"), way("b~1", "load → false")];
    let mut game = Game::new(Subject::default(), Reached::from(position));
    assert_eq!(game.key(Key::Char('b')), None);
    let notice = game.notice.clone().unwrap_or_default();
    assert!(
        notice.contains("1: load → true · 2: load → false"),
        "{notice}"
    );
    // Another key forgets the question.
    game.key(Key::Char('?'));
    game.key(Key::Char('?'));
    assert_eq!(game.key(Key::Char('2')), None);
    game.key(Key::Char('b'));
    assert_eq!(game.key(Key::Char('3')), None);
    let asked = game.key(Key::Char('2'));
    assert_eq!(asked, ask("ab~1", false));
}

#[test]
fn the_count_says_what_it_knows() {
    let below = |executions, failing, complete| {
        in_words(Below {
            executions,
            failing,
            complete,
        })
    };
    assert_eq!(
        below(1, 0, true),
        "1 execution from here, and it does not fail"
    );
    assert_eq!(below(1, 1, true), "1 execution from here, and it fails");
    assert_eq!(
        below(9, 9, true),
        "9 executions from here, and all of them fail"
    );
    assert_eq!(below(9, 1, true), "9 executions from here, 1 of them fails");
    assert_eq!(
        below(2000, 143, false),
        "2,000+ executions from here, 143+ of them fail"
    );
    assert_eq!(
        below(2000, 0, false),
        "2,000+ executions from here, and none of those tried fails"
    );
}

#[test]
fn a_schedule_that_holds_says_how_many_do_not() {
    let mut game = game();
    let mut held = position("a", ThreadState::Ended);
    held.end = Some(End::Held);
    game.answer(Ok(held.into()));
    assert!(!game.is_broken());
    let seen = screen(&game, 100, 30).join("\n");
    assert!(
        seen.contains("✓ nothing failed, but 4 of 20 executions fail"),
        "{seen}"
    );
}

#[test]
fn lines_tell_what_is_new_and_nothing_twice() {
    let mut game = game();
    let opening = lines::opening(&game);
    assert!(
        opening.starts_with("lock · both\nBoth lock.\nYou are the scheduler"),
        "{opening}"
    );
    let before = game.clone();
    game.answer(Ok(position("ab", ThreadState::Waits).into()));
    let news = lines::news(&before, &game);
    assert_eq!(
        news.matches("a: AtomicBool #1 load(Acquire) → false (2 times)")
            .count(),
        1,
        "{news}"
    );
    assert!(news.contains("  b waits for Mutex #1"), "{news}");
    let before = game.clone();
    game.word("b");
    let news = lines::news(&before, &game);
    assert_eq!(news.lines().count(), 1, "{news}");
    let before = game.clone();
    game.word("u");
    let news = lines::news(&before, &game);
    assert!(news.starts_with("back: 0 steps taken"), "{news}");
}
