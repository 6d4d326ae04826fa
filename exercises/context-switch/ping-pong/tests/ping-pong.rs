//! Judges the arithmetic on a fake machine, of which every cost is known, and
//! the real games by what the kernel says of both ends whenever the clock is
//! read: the clock is the judge's own.

proctor::exercise!(ping_pong);

use std::cell::{Cell, RefCell};
use std::io;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use proctor::{Evidence, Outcome, Subject, fail};
use serde::{Deserialize, Serialize};

// ---------------------------------------------------------------- the fake machine

/// What everything takes on it, in nanoseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Machine {
    rounds: u32,
    switch: u64,
    set_up: u64,
    /// The first round trip takes this much longer: the other end starts.
    start: u64,
    reading: u64,
    tear_down: u64,
    /// The round trip that fails, counted from 1; 0 is the set-up.
    fails_at: Option<u64>,
}

/// What was done on it, in order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    SetUp,
    /// This many round trips, one after the other.
    Rounds(u64),
    Clock,
    TearDown,
}

/// What came of it, and the log.
type Measured = (Result<u64, String>, Vec<Step>);

/// Runs in the subject: plays on the machine and keeps its log.
fn play_on(machine: Machine) -> Measured {
    let (time, log) = (Cell::new(0), RefCell::new(Vec::new()));
    let spend = |step, nanos| {
        time.set(time.get() + nanos);
        let mut log = log.borrow_mut();
        match (step, log.last_mut()) {
            (Step::Rounds(more), Some(Step::Rounds(rounds))) => *rounds += more,
            _ => log.push(step),
        }
    };
    let result = |number| match machine.fails_at {
        Some(fails_at) if fails_at == number => Err(io::Error::other(lost(number))),
        _ => Ok(()),
    };
    let set_up = || {
        spend(Step::SetUp, machine.set_up);
        result(0)?;
        let over = OnDrop(|| spend(Step::TearDown, machine.tear_down));
        let mut number = 0;
        Ok(move || {
            let _ends_with_this = &over;
            number += 1;
            let start = if number == 1 { machine.start } else { 0 };
            spend(Step::Rounds(1), 2 * machine.switch + start);
            result(number)
        })
    };
    let now = || {
        spend(Step::Clock, machine.reading);
        Duration::from_nanos(time.get())
    };
    let cost = ping_pong::cost_of_a_switch(rounds(machine.rounds), set_up, now);
    (in_nanos(cost), log.take())
}

fn lost(number: u64) -> String {
    format!("ball {number} was lost")
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[proctor::test(subject = |machine: Machine| -> Measured { play_on(machine) })]
fn a_round_trip_is_two_switches(mut subject: Subject) {
    for rounds in [1, 7, 1_000] {
        // A machine on which nothing but switching takes time.
        let switch = proctor::rng().u64(300..30_000);
        let machine = Machine {
            rounds,
            switch,
            ..Machine::default()
        };
        let (cost, _) = subject.ask(&machine).value;
        let Ok(cost) = cost else {
            panic!("no ball was lost, yet it returned {cost:?}")
        };
        assert!(
            cost.abs_diff(switch) <= 1,
            "a switch costs {switch} ns on this machine; {rounds} round trips gave {cost} ns{}",
            if cost.abs_diff(2 * switch) <= 2 {
                ", which is a whole round trip"
            } else {
                ""
            }
        );
    }
}

#[proctor::test(subject = |machine: Machine| -> Measured { play_on(machine) })]
fn only_the_rounds_are_timed(mut subject: Subject) {
    let mut rng = proctor::rng();
    let machine = Machine {
        rounds: rng.u32(1_000..2_000),
        switch: rng.u64(300..3_000),
        set_up: 7_000_000,
        start: 3_000_000,
        reading: 500,
        tear_down: 5_000_000,
        fails_at: None,
    };
    let (cost, log) = subject.ask(&machine).value;

    let readings: Vec<_> = (0..log.len())
        .filter(|at| log[*at] == Step::Clock)
        .collect();
    let [first, second] = readings[..] else {
        panic!(
            "the clock was read {} times; it must be read twice",
            readings.len()
        );
    };
    let (before, between) = (&log[..first], &log[first + 1..second]);
    assert!(
        before.contains(&Step::SetUp),
        "the clock was first read before the set-up: its cost counts as switching"
    );
    assert!(
        before.iter().any(|step| matches!(step, Step::Rounds(_))),
        "no round trip was played before the clock was first read: the start of the other end \
         counts as switching"
    );
    assert!(
        !log[..second].contains(&Step::TearDown),
        "the game was over before the clock was read again: its end counts as switching"
    );
    assert_eq!(
        between,
        [Step::Rounds(machine.rounds.into())],
        "exactly {} round trips must be played between the two readings",
        machine.rounds
    );
    assert!(
        cost.as_ref()
            .is_ok_and(|cost| cost.abs_diff(machine.switch) <= 1),
        "a switch costs {} ns on this machine; the result is {cost:?}",
        machine.switch
    );
}

#[proctor::test(subject = |machine: Machine| -> Measured { play_on(machine) })]
fn an_error_ends_the_game(mut subject: Subject) {
    for fails_at in [0, 1, 2, 17] {
        let machine = Machine {
            rounds: 40,
            switch: 500,
            fails_at: Some(fails_at),
            ..Machine::default()
        };
        let (cost, log) = subject.ask(&machine).value;
        let what = if fails_at == 0 {
            "the set-up".to_owned()
        } else {
            format!("round trip {fails_at}")
        };
        assert_eq!(
            cost,
            Err(lost(fails_at)),
            "{what} failed: its error must be returned"
        );
        let played: u64 = log
            .iter()
            .map(|step| if let Step::Rounds(n) = step { *n } else { 0 })
            .sum();
        assert_eq!(
            played, fails_at,
            "{what} failed, yet {played} round trips were played"
        );
    }
}

// ---------------------------------------------------------------- the real games

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Between {
    Threads,
    Processes,
}

const BOTH: [Between; 2] = [Between::Threads, Between::Processes];

/// A game to play.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Game {
    between: Between,
    rounds: u32,
    /// Which of the CPUs that the machine offers: the n-th, counted round and round.
    cpu: Cpu,
    /// Whether the caller may run on that CPU only, already before.
    narrow: bool,
    /// What the judge's clock will make a switch cost, in nanoseconds.
    switch: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Cpu {
    Offered(usize),
    Missing,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Report {
    cpu: usize,
    offered: usize,
    cost: Result<u64, String>,
    readings: usize,
    /// What was seen at the first and at the second reading of the clock.
    seen: Vec<Seen>,
    /// Where the caller could run before, as in /proc: `0-3`.
    cpus_before: String,
    descriptors_before: usize,
    writes_before: Option<u64>,
    /// What a switch really took, by a real clock.
    really: u64,
}

/// What the kernel says at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    caller: Task,
    /// The other threads of the process, or its children.
    others: Vec<Task>,
    /// System calls by which this process has written, its ended threads included.
    writes: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    id: i32,
    cpus: String,
    switches: u64,
}

/// Runs in the subject. An error says what the machine forbids.
fn play(game: Game) -> Result<Report, String> {
    let offered = widen().map_err(|errno| format!("sched_setaffinity: {}", errno.desc()))?;
    let cpu = match game.cpu {
        Cpu::Offered(number) => offered[number % offered.len()],
        Cpu::Missing => (0..CpuSet::count())
            .rev()
            .find(|cpu| !offered.contains(cpu))
            .ok_or("every CPU that can be named exists")?,
    };
    if game.narrow {
        let mut only = CpuSet::new();
        let set = only
            .set(cpu)
            .and_then(|()| sched_setaffinity(THIS_THREAD, &only));
        set.map_err(|errno| format!("sched_setaffinity: {}", errno.desc()))?;
    }
    let me = std::process::id();
    let cpus_before = Task::read(&format!("/proc/{me}/status"))
        .ok_or("/proc is restricted")?
        .cpus;
    let (descriptors_before, writes_before) = (descriptors(me), writes());

    let (mut readings, mut seen, mut really) = (0, Vec::new(), Vec::new());
    let now = || {
        really.push(Instant::now());
        if seen.len() < 2 {
            seen.extend(Seen::now(game.between));
        }
        really.push(Instant::now());
        readings += 1;
        // The clock moves on from reading to reading, by what the rounds shall have taken.
        Duration::from_nanos(1_000 + readings as u64 * 2 * game.switch * u64::from(game.rounds))
    };
    let cost = match game.between {
        Between::Threads => ping_pong::between_threads(cpu, rounds(game.rounds), now),
        Between::Processes => ping_pong::between_processes(cpu, rounds(game.rounds), now),
    };
    let really = really
        .get(1..3)
        .map_or(0, |reading| (reading[1] - reading[0]).as_nanos() as u64);
    Ok(Report {
        cpu,
        offered: offered.len(),
        cost: in_nanos(cost),
        readings,
        seen,
        cpus_before,
        descriptors_before,
        writes_before,
        really: really / u64::from(game.rounds) / 2,
    })
}

/// Lets this thread run on every CPU that the machine offers, so that pinning
/// shows, and tells which these are.
fn widen() -> nix::Result<Vec<usize>> {
    let mut all = CpuSet::new();
    for cpu in 0..CpuSet::count() {
        all.set(cpu)?;
    }
    sched_setaffinity(THIS_THREAD, &all)?;
    let offered = sched_getaffinity(THIS_THREAD)?;
    Ok((0..CpuSet::count())
        .filter(|cpu| offered.is_set(*cpu) == Ok(true))
        .collect())
}

const THIS_THREAD: Pid = Pid::from_raw(0);

impl Seen {
    fn now(between: Between) -> Option<Self> {
        let me = gettid();
        let others = match between {
            Between::Threads => numbers_in("/proc/self/task")
                .filter(|id| *id != me.as_raw())
                .filter_map(|id| Task::read(&format!("/proc/self/task/{id}/status")))
                .collect(),
            Between::Processes => numbers_in("/proc")
                .filter(|id| parent(*id) == Some(std::process::id()))
                .filter_map(|id| Task::read(&format!("/proc/{id}/status")))
                .collect(),
        };
        let caller = Task::read(&format!("/proc/self/task/{me}/status"))?;
        Some(Seen {
            caller,
            others,
            writes: writes(),
        })
    }

    /// How often the other end has been off the CPU since `before`.
    fn more_switches_than(&self, before: &Seen) -> u64 {
        let then = |id| before.others.iter().find(|task| task.id == id);
        let others = self.others.iter();
        let more = others.filter_map(|task| Some(task.switches - then(task.id)?.switches));
        more.max().unwrap_or(0)
    }
}

impl Task {
    fn read(path: &str) -> Option<Task> {
        let status = std::fs::read_to_string(path).ok()?;
        let field = |name: &str| field(&status, name);
        Some(Task {
            id: field("Pid:")?.parse().ok()?,
            cpus: field("Cpus_allowed_list:")?.to_owned(),
            switches: field("voluntary_ctxt_switches:")?.parse::<u64>().ok()?
                + field("nonvoluntary_ctxt_switches:")?.parse::<u64>().ok()?,
        })
    }
}

/// The value on the line of a /proc file that begins with this name.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn numbers_in(folder: &str) -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: i32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// `None` where the kernel does not count them.
fn writes() -> Option<u64> {
    field(&std::fs::read_to_string("/proc/self/io").ok()?, "syscw:")?
        .parse()
        .ok()
}

fn descriptors(pid: u32) -> usize {
    let all = numbers_in(&format!("/proc/{pid}/fd")).count();
    // Listing them takes one, in the process that lists.
    if pid == std::process::id() {
        all - 1
    } else {
        all
    }
}

fn rounds(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("the tests ask for at least one round")
}

fn in_nanos(cost: io::Result<Duration>) -> Result<u64, String> {
    cost.map(|cost| cost.as_nanos() as u64)
        .map_err(|error| error.to_string())
}

/// In the judge: a game on any CPU.
fn game(between: Between) -> Game {
    let mut rng = proctor::rng();
    Game {
        between,
        rounds: rng.u32(20..40),
        cpu: Cpu::Offered(rng.usize(..64)),
        narrow: false,
        switch: rng.u64(300..30_000),
    }
}

/// What the judge learns of a game.
struct Played {
    report: Report,
    evidence: Evidence,
    threads_left: usize,
    descriptors_left: usize,
}

/// In the judge: has the game played; what the machine forbids is no verdict.
#[track_caller]
fn ask(subject: &mut Subject<Game, Result<Report, String>>, game: &Game) -> Played {
    let answer = subject.ask(game);
    let report = answer.value.unwrap_or_else(|why| {
        let why = format!("this machine does not let the test pin: {why}");
        fail(Outcome::NotJudged, why)
    });
    // A thread that has ended may be in the list for a moment yet.
    let pid = answer.evidence.pid.unsigned_abs();
    let threads = || {
        numbers_in(&format!("/proc/{pid}/task"))
            .count()
            .saturating_sub(1)
    };
    let until = Instant::now() + Duration::from_secs(2);
    while threads() > 0 && Instant::now() < until {
        std::thread::yield_now();
    }
    Played {
        threads_left: threads(),
        descriptors_left: descriptors(pid).saturating_sub(report.descriptors_before),
        evidence: answer.evidence,
        report,
    }
}

/// In the judge: a game that must have come to its end, with what was seen at
/// the two readings of the clock.
#[track_caller]
fn ask_for_both_readings(
    subject: &mut Subject<Game, Result<Report, String>>,
    game: &Game,
) -> (Played, [Seen; 2]) {
    let played = ask(subject, game);
    let (between, report) = (game.between, &played.report);
    if let Err(error) = &report.cost {
        panic!("between {between:?}: it returned an error: {error}");
    }
    assert!(
        report.readings == 2,
        "between {between:?}: the clock was read {} times; it must be read twice",
        report.readings
    );
    match <[Seen; 2]>::try_from(report.seen.clone()) {
        Ok(seen) => (played, seen),
        Err(_) => fail(Outcome::NotJudged, "/proc does not show the threads here"),
    }
}

/// In the judge, by the kernel's word alone: the other end was a thread, or a
/// process, and nothing else was started.
#[track_caller]
fn one_other_end(between: Between, evidence: &Evidence) {
    let (Some(threads), Some(processes)) = (evidence.threads_started, evidence.processes_started)
    else {
        proctor::covered(
            "this machine forbids to count the threads and processes that are started",
        );
        return;
    };
    let due = match between {
        Between::Threads => (1, 0),
        Between::Processes => (0, 1),
    };
    assert!(
        (threads, processes) == due,
        "a game between {between:?} started {threads} threads and {processes} processes; it takes {} and {}",
        due.0,
        due.1
    );
}

#[proctor::test(deadline = 30.0, subject = |game: Game| -> Result<Report, String> { play(game) })]
fn the_other_end_is_up_before_the_clock_is_read(mut subject: Subject) {
    for between in BOTH {
        let (played, [first, _]) = ask_for_both_readings(&mut subject, &game(between));
        let one = match between {
            Between::Threads => "thread",
            Between::Processes => "process",
        };
        assert!(
            !first.others.is_empty(),
            "between {between:?}: when the clock was first read, there was no other {one}"
        );
        if let (Some(before), Some(now)) = (played.report.writes_before, first.writes) {
            assert!(
                now > before,
                "between {between:?}: when the clock was first read, no ball had been played yet"
            );
        }
        one_other_end(between, &played.evidence);
    }
}

#[proctor::test(deadline = 30.0, subject = |game: Game| -> Result<Report, String> { play(game) })]
fn both_ends_run_on_the_cpu_asked_for(mut subject: Subject) {
    let mut one_cpu = false;
    for (between, number) in BOTH.into_iter().flat_map(|both| [(both, 0), (both, 1)]) {
        let cpu = Cpu::Offered(number);
        let game = Game {
            cpu,
            ..game(between)
        };
        let (Played { report, .. }, seen) = ask_for_both_readings(&mut subject, &game);
        one_cpu |= report.offered == 1;
        let cpu = report.cpu.to_string();
        for (at, seen) in ["first", "then"].into_iter().zip(&seen) {
            let caller = [("the calling thread", &seen.caller)];
            let others = seen.others.iter().map(|other| ("the other end", other));
            for (end, task) in caller.into_iter().chain(others) {
                assert!(
                    task.cpus == cpu,
                    "between {between:?}: when the clock was {at} read, {end} could run on the \
                     CPUs {}, and was to run on CPU {cpu} only",
                    task.cpus
                );
            }
        }
    }
    if one_cpu {
        proctor::covered("one CPU: that both ends are pinned shows where there are more");
    }
    for between in BOTH {
        let cpu = Cpu::Missing;
        let Played { report, .. } = ask(
            &mut subject,
            &Game {
                cpu,
                ..game(between)
            },
        );
        assert!(
            report.cost.is_err(),
            "between {between:?}: this machine offers no CPU {}, yet it returned {:?}",
            report.cpu,
            report.cost
        );
    }
}

#[proctor::test(deadline = 30.0, subject = |game: Game| -> Result<Report, String> { play(game) })]
fn every_round_trip_is_two_balls_and_two_switches(mut subject: Subject) {
    for between in BOTH {
        let game = game(between);
        let (played, [first, second]) = ask_for_both_readings(&mut subject, &game);
        let (report, evidence) = (played.report, played.evidence);
        let rounds = u64::from(game.rounds);

        if let (Some(before), Some(after)) = (first.writes, second.writes) {
            let written = after - before;
            // This end's; the other may be another process, or splice.
            assert!(
                written >= rounds,
                "between {between:?}: in {rounds} round trips there were {written} calls of \
                 write: each time, the ball is a byte written into a pipe"
            );
        } else {
            proctor::covered("this kernel does not count calls of write");
        }

        // On one CPU neither end can run unless the other has given it up.
        let caller = second.caller.switches - first.caller.switches;
        let other = match between {
            // Of the whole process: a thread that has ended is counted too.
            Between::Threads => {
                (evidence.voluntary_switches + evidence.involuntary_switches).saturating_sub(caller)
            }
            Between::Processes => second.more_switches_than(&first),
        };
        for (end, switches) in [("the calling thread", caller), ("the other end", other)] {
            assert!(
                switches >= rounds,
                "between {between:?}: {end} was off the CPU {switches} times in {rounds} round \
                 trips: they cannot have played on one CPU"
            );
        }
        assert!(
            report
                .cost
                .as_ref()
                .is_ok_and(|cost| cost.abs_diff(game.switch) <= 1),
            "between {between:?}: by the clock that it was given, a switch took {} ns; it \
             returned {:?}",
            game.switch,
            report.cost
        );
        one_other_end(between, &evidence);
        let really = report.really;
        proctor::covered(format!(
            "a switch between {between:?} took {really} ns here"
        ));
    }
}

#[proctor::test(deadline = 30.0, subject = |game: Game| -> Result<Report, String> { play(game) })]
fn the_caller_may_run_where_it_could_before(mut subject: Subject) {
    let offered = Cpu::Offered(proctor::rng().usize(..64));
    for between in BOTH {
        for (cpu, narrow) in [(offered, false), (offered, true), (Cpu::Missing, false)] {
            let game = Game {
                cpu,
                narrow,
                ..game(between)
            };
            let played = ask(&mut subject, &game);
            let before = played.report.cpus_before;
            let after = Task::read(&format!("/proc/{}/status", played.evidence.pid))
                .unwrap_or_else(|| fail(Outcome::NotJudged, "/proc does not show the process"))
                .cpus;
            let it_was = if narrow {
                "had been confined to"
            } else {
                "could run on"
            };
            assert!(
                after == before,
                "between {between:?}: before the call the calling thread {it_was} the CPUs \
                 {before}; afterwards it may run on {after}"
            );
        }
    }
}

#[proctor::test(deadline = 30.0, subject = |game: Game| -> Result<Report, String> { play(game) })]
fn nothing_is_left_behind(mut subject: Subject) {
    for between in BOTH {
        for cpu in [Cpu::Offered(proctor::rng().usize(..64)), Cpu::Missing] {
            let played = ask(
                &mut subject,
                &Game {
                    cpu,
                    ..game(between)
                },
            );
            for (left, what) in [
                (
                    played.evidence.zombies as usize,
                    "ended children that nobody waited for",
                ),
                (played.evidence.children as usize, "children that still run"),
                (played.descriptors_left, "descriptors"),
                (played.threads_left, "threads"),
            ] {
                assert!(
                    left == 0,
                    "a game between {between:?} leaves {left} {what} behind"
                );
            }
        }
    }
}
