//! The explorers leave nothing out. On random small programs, the exploration of schedules finds
//! exactly the outcomes that shuttle finds by trying every schedule. The exploration of orderings
//! finds no fewer than loom alone. (Those are not all: loom remembers one last access of an object,
//! and so leaves out some orders of three. The schedules world is there for that.)

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use interleave::Explore;

mod nothing {}

/// What one thread does, on two atomics, a lock, and a register of its own.
#[derive(Clone, Copy, Debug)]
enum Op {
    Store(usize, u32),
    Add(usize, u32),
    /// Into the register.
    Load(usize),
    /// From the register.
    Write(usize),
    Exchange(usize, u32, u32),
    /// A load and a store of the first atomic, under the lock.
    Locked(u32),
    TryLocked(u32),
}

type Program = Vec<Vec<Op>>;
type Outcome = Vec<u32>;
type Outcomes = Arc<Mutex<BTreeSet<Outcome>>>;

/// The program's run, for any std that is named `world`.
macro_rules! run {
    ($($world:tt)*) => {
        use $($world)*::sync::atomic::{AtomicU32, Ordering::{AcqRel, Acquire, Release}};
        use $($world)*::sync::{Arc, Mutex};
        use $($world)*::thread;

        use super::{Op, Outcome, Program};

        pub(super) fn run(program: &Program) -> Outcome {
            let shared = Arc::new(([AtomicU32::new(0), AtomicU32::new(0)], Mutex::new(())));
            let threads: Vec<_> = program
                .iter()
                .cloned()
                .map(|ops| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        let (cells, lock) = &*shared;
                        let mut register = 0;
                        for op in ops {
                            match op {
                                Op::Store(cell, value) => cells[cell].store(value, Release),
                                Op::Add(cell, value) => { cells[cell].fetch_add(value, AcqRel); }
                                Op::Load(cell) => register = register * 10 + cells[cell].load(Acquire),
                                Op::Write(cell) => cells[cell].store(register, Release),
                                Op::Exchange(cell, old, new) => {
                                    let _ = cells[cell].compare_exchange(old, new, AcqRel, Acquire);
                                }
                                Op::Locked(value) => {
                                    let _guard = lock.lock().unwrap();
                                    cells[0].store(cells[0].load(Acquire) + value, Release);
                                }
                                Op::TryLocked(value) => {
                                    if let Ok(_guard) = lock.try_lock() {
                                        cells[0].store(cells[0].load(Acquire) + value, Release);
                                    }
                                }
                            }
                        }
                        register
                    })
                })
                .collect();
            let mut outcome: Outcome = threads.into_iter().map(|t| t.join().unwrap()).collect();
            outcome.extend(shared.0.iter().map(|cell| cell.load(Acquire)));
            outcome
        }
    };
}

mod plain {
    run!(shuttle);
}

mod plain_loom {
    run!(loom);
}

mod shuttled {
    run!(interleave::shuttled);
}

mod loomed {
    run!(interleave::loomed);
}

fn random_program(rng: &mut impl FnMut(u32) -> u32) -> Program {
    let threads = 2 + rng(2);
    (0..threads)
        .map(|_| {
            let ops = if threads == 2 { 2 + rng(2) } else { 1 + rng(2) };
            (0..ops)
                .map(|_| {
                    let cell = rng(2) as usize;
                    match rng(7) {
                        0 => Op::Store(cell, 1 + rng(3)),
                        1 => Op::Add(cell, 1),
                        2 => Op::Load(cell),
                        3 => Op::Write(cell),
                        4 => Op::Exchange(cell, rng(2), 2 + rng(2)),
                        5 => Op::Locked(1 + rng(3)),
                        _ => Op::TryLocked(1 + rng(3)),
                    }
                })
                .collect()
        })
        .collect()
}

/// How many runs each explorer may take for one program. If one is cut short, nothing is compared
/// with it.
const MOST: usize = 4_000;

/// How many programs are tried: `PROGRAMS`, or a few.
fn programs() -> usize {
    let wanted = std::env::var("PROGRAMS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(12)
}

fn noting(
    program: &Program,
    run: fn(&Program) -> Outcome,
) -> (Outcomes, impl Fn() + Send + Sync + use<>) {
    let outcomes = Outcomes::default();
    let (program, seen) = (program.clone(), Arc::clone(&outcomes));
    let scenario = move || {
        let outcome = run(&program);
        seen.lock().expect("nobody panics with it").insert(outcome);
    };
    (outcomes, scenario)
}

fn all(outcomes: &Outcomes) -> BTreeSet<Outcome> {
    outcomes.lock().expect("nobody panics with it").clone()
}

#[test]
fn every_outcome_of_every_schedule_is_found() {
    let mut state = 7_u64;
    let mut rng = move |below: u32| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        u32::try_from(state >> 33).expect("31 bits") % below
    };
    let (mut compared, mut by_us, mut by_loom, mut by_all) = (0, 0, 0, 0);
    for _ in 0..programs() {
        let program = random_program(&mut rng);

        let (expected, scenario) = noting(&program, plain::run);
        let mut config = shuttle::Config::new();
        config.silence_warnings = true;
        let dfs = shuttle::scheduler::DfsScheduler::new(Some(MOST), false);
        let runs = shuttle::Runner::new(dfs, config).run(scenario);
        let expected = all(&expected);

        let explore = Explore::new()
            .schedules(MOST as u64)
            .executions(MOST as u64)
            .interruptions(None);
        let (found, scenario) = noting(&program, shuttled::run);
        let schedules = explore.schedules_of(scenario);
        schedules.must_pass();
        if schedules.complete {
            compared += 1;
            assert!(all(&found).is_superset(&expected), "{program:?}");
            assert!(runs == MOST || all(&found) == expected, "{program:?}");
        }

        let (alone, scenario) = noting(&program, plain_loom::run);
        let mut builder = loom::model::Builder::new();
        builder.max_permutations = Some(MOST);
        builder.checkpoint_interval = 1;
        builder.check(scenario);
        let (found, scenario) = noting(&program, loomed::run);
        let orderings = explore.orderings_of(scenario);
        orderings.must_pass();
        by_loom += all(&alone).intersection(&expected).count();
        by_us += all(&found).intersection(&expected).count();
        by_all += expected.len();
    }
    println!("of {by_all} outcomes, orderings found {by_us}, loom alone {by_loom}");
    assert!(
        by_us >= by_loom,
        "{by_us} of {by_all}, loom alone {by_loom}"
    );
    assert!(
        compared * 2 > programs(),
        "only {compared} programs were explored to the end"
    );
}
