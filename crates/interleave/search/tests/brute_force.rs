//! The search finds exactly what trying everything finds: nothing is missing, nothing is invented,
//! and nothing comes twice. Each execution's schedule leads to it again.

mod common;

use std::collections::BTreeSet;

use common::random::Random;
use common::{Execution, Program, explore, play, reference, replay};
use interleave_search::schedule;

/// How many executions a program has, in how many runs the search finds them, and what is wrong with
/// what it finds.
fn compared(
    program: &Program,
    all: impl Fn(&Program) -> BTreeSet<Execution>,
) -> (usize, u64, Option<String>) {
    let expected = all(program);
    let found = explore(program);
    for (execution, steps) in found.executions.iter().zip(&found.schedules) {
        let text = schedule::write(steps);
        assert_eq!(schedule::read(&text).as_ref(), Ok(steps), "{text}");
        let again = replay(program, steps);
        assert_eq!(
            &again.executions[..],
            std::slice::from_ref(execution),
            "{text}\n{program}"
        );
        assert_eq!(&again.schedules[0], steps);
    }
    let distinct: BTreeSet<Execution> = found.executions.iter().cloned().collect();
    let missing = expected.difference(&distinct).count();
    let invented = distinct.difference(&expected).count();
    let twice = found.executions.len() - distinct.len();
    let wrong = (missing + invented + twice > 0).then(|| {
        format!(
            "{missing} of {} executions missing, {invented} invented, {twice} came twice{}",
            expected.len(),
            match expected.difference(&distinct).next() {
                Some(first) => format!("; the first that is missing: {first:?}"),
                None => String::new(),
            }
        )
    });
    (expected.len(), found.runs, wrong)
}

/// Leaves out threads and instructions, as long as something is wrong.
fn shrunk(mut program: Program, is_wrong: &dyn Fn(&Program) -> bool) -> Program {
    'again: loop {
        for thread in 0..program.threads.len() {
            let mut smaller = program.clone();
            smaller.threads.remove(thread);
            if is_wrong(&smaller) {
                program = smaller;
                continue 'again;
            }
            for instruction in 0..program.threads[thread].len() {
                let mut smaller = program.clone();
                smaller.threads[thread].remove(instruction);
                if is_wrong(&smaller) {
                    program = smaller;
                    continue 'again;
                }
            }
        }
        return program;
    }
}

fn compare(
    count: u64,
    make: impl Fn(&mut Random) -> Program,
    all: fn(&Program) -> BTreeSet<Execution>,
) {
    let first = std::env::var("FIRST").map_or(0, |first| first.parse().unwrap());
    let count = std::env::var("COUNT").map_or(count, |count| count.parse().unwrap());
    let (mut executions, mut runs, mut wrong, mut most) = (0, 0, 0, None);
    for seed in first..first + count {
        let program = make(&mut Random(seed));
        let (expected, needed, difference) = compared(&program, all);
        executions += expected;
        runs += needed;
        if difference.is_some() {
            wrong += 1;
            most.get_or_insert(program);
        }
    }
    println!("{count} programs, {executions} executions, {runs} runs");
    assert!(
        runs <= executions as u64 * 11 / 10,
        "more than 1.1 runs for each execution"
    );
    if let Some(program) = most {
        let program = shrunk(program, &|program| compared(program, all).2.is_some());
        let what = compared(&program, all).2.unwrap();
        panic!("{wrong} of {count} programs: {what}\n{program}");
    }
}

#[test]
fn atomics_fences_and_read_modify_writes() {
    compare(2_000, Random::atomics, reference::executions);
}

#[test]
fn atomics_that_wait_for_a_value() {
    compare(2_000, Random::spinning, reference::executions);
}

#[test]
fn locks_semaphores_and_queues() {
    compare(20_000, Random::waiting, reference::waiting);
}

#[test]
fn whoever_plays_can_meet_all_executions_and_no_others() {
    let mut played = 0;
    for seed in 0..4_000 {
        let mut random = Random(seed);
        let program = match seed % 2 {
            0 => random.atomics(),
            _ => random.waiting(),
        };
        // Every order of the threads' steps is played, so only tiny programs.
        if program.threads.iter().map(Vec::len).sum::<usize>() > 5 {
            continue;
        }
        let all: BTreeSet<Execution> = explore(&program).executions.into_iter().collect();
        let mut met = BTreeSet::new();
        // The choices of one play, and how many there were each time.
        let mut choices: Vec<(usize, usize)> = Vec::new();
        loop {
            let mut turn = 0;
            let found = play(&program, &mut |count| {
                if turn == choices.len() {
                    choices.push((0, count));
                }
                turn += 1;
                choices[turn - 1].0
            });
            met.extend(found.executions);
            while choices
                .pop_if(|(choice, count)| *choice + 1 == *count)
                .is_some()
            {}
            match choices.last_mut() {
                Some((choice, _)) => *choice += 1,
                None => break,
            }
        }
        // In a play, `SeqCst` operations take effect in the order in which they are performed. Where
        // they meet weaker ones on the same location, there can be executions that have no such order.
        assert!(met.is_subset(&all), "{program}");
        if !program.to_string().contains("SeqCst") {
            assert_eq!(met, all, "{program}");
            played += 1;
        }
    }
    assert!(played > 200, "only {played} programs were small enough");
}
