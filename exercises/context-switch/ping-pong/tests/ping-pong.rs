//! Judges the arithmetic on a fake machine, of which every cost is known, and
//! the real games by what the kernel says of both ends whenever the clock is
//! read: the clock is the judge's own.

proctor::exercise!(ping_pong);

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use proctor::{Evidence, Failure, Fault, Onlooker, Outcome, Subject, Surroundings, Task, fail};
use serde::{Deserialize, Serialize};

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Came {
    /// The cost of a switch, in nanoseconds.
    Cost(u128),
    Error(Told),
    Panicked(String),
}

/// Everything by which an error is told from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    raw: Option<i32>,
    kind: String,
    /// The number in it, if it is a [`Lost`].
    lost: Option<u64>,
    text: String,
}

/// An error of a type that only the tests know.
#[derive(Debug)]
struct Lost(u64);

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ball {} was lost", self.0)
    }
}

impl std::error::Error for Lost {}

impl Told {
    fn of(error: &io::Error) -> Told {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        Told {
            raw: error.raw_os_error(),
            kind: format!("{:?}", error.kind()),
            lost: inner.map(|Lost(number)| *number),
            text: error.to_string(),
        }
    }
}

/// The payload of a panic that a test has ordered.
struct OnPurpose(String);

/// Runs in the subject. A panic that no test has ordered goes on.
fn came_of(call: impl FnOnce() -> io::Result<Duration>) -> Came {
    match catch_unwind(AssertUnwindSafe(call)).map_err(|payload| payload.downcast()) {
        Ok(Ok(cost)) => Came::Cost(cost.as_nanos()),
        Ok(Err(error)) => Came::Error(Told::of(&error)),
        Err(Ok(on_purpose)) => {
            let OnPurpose(text) = *on_purpose;
            Came::Panicked(text)
        }
        Err(Err(payload)) => resume_unwind(payload),
    }
}

/// In the judge: right to within 2 ns, so that any way of rounding will do.
fn is_right(cost: u128, elapsed: u128, rounds: u32) -> bool {
    let switches = 2 * u128::from(rounds);
    (cost * switches).abs_diff(elapsed) <= 2 * switches
}

fn rounds(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("the tests ask for at least one round")
}

/// The clocks of the tests begin somewhere within a hundred years.
fn some_time() -> u64 {
    let mut rng = proctor::rng();
    [
        0,
        1,
        rng.u64(..1 << 32),
        rng.u64(..3_000_000_000_000_000_000),
    ][rng.usize(..4)]
}

// ---------------------------------------------------------------- the fake machine

/// What everything takes on it, in nanoseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Machine {
    rounds: u32,
    /// What its clock shows at the beginning.
    began: u64,
    switch: u64,
    set_up: u64,
    /// The first round trip takes this much longer: the other end starts.
    start: u64,
    reading: u64,
    tear_down: u64,
    trouble: Option<Trouble>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trouble {
    at: Place,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Place {
    SetUp,
    /// Counted from 1, like the readings.
    RoundTrip(u64),
    Reading(u64),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum How {
    Errno(i32),
    Interrupted,
    UnexpectedEof,
    Lost(u64),
    Panic(String),
}

impl How {
    /// Panics, or makes the error.
    fn comes(&self) -> io::Error {
        match self {
            How::Errno(errno) => io::Error::from_raw_os_error(*errno),
            How::Interrupted => io::ErrorKind::Interrupted.into(),
            How::UnexpectedEof => io::ErrorKind::UnexpectedEof.into(),
            How::Lost(number) => io::Error::other(Lost(*number)),
            // Without the hook's message.
            How::Panic(text) => resume_unwind(Box::new(OnPurpose(text.clone()))),
        }
    }
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
type Measured = (Came, Vec<Step>);

/// Runs in the subject: plays on the machine and keeps its log.
fn play_on(machine: Machine) -> Measured {
    let (time, log) = (Cell::new(machine.began), RefCell::new(Vec::new()));
    let spend = |step, nanos| {
        time.set(time.get() + nanos);
        let mut log = log.borrow_mut();
        match (step, log.last_mut()) {
            (Step::Rounds(more), Some(Step::Rounds(rounds))) => *rounds += more,
            _ => log.push(step),
        }
    };
    let result = |place| match &machine.trouble {
        Some(trouble) if trouble.at == place => Err(trouble.how.comes()),
        _ => Ok(()),
    };
    let (spend, result, machine) = (&spend, &result, &machine);
    // Moved by the set-up, which can be called once only.
    let there = Box::new(machine.set_up);
    let set_up = move || {
        spend(Step::SetUp, *there);
        drop(there);
        result(Place::SetUp)?;
        let over = OnDrop(|| spend(Step::TearDown, machine.tear_down));
        let mut number = 0;
        Ok(move || {
            let _ends_with_this = &over;
            number += 1;
            let start = if number == 1 { machine.start } else { 0 };
            spend(Step::Rounds(1), 2 * machine.switch + start);
            result(Place::RoundTrip(number))
        })
    };
    let mut readings = 0;
    let now = || {
        readings += 1;
        spend(Step::Clock, machine.reading);
        let _ = result(Place::Reading(readings));
        Duration::from_nanos(time.get())
    };
    let came = came_of(|| ping_pong::cost_of_a_switch(rounds(machine.rounds), set_up, now));
    (came, log.take())
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[proctor::test(clauses = [1, 2, 3, 5], subject = |machine: Machine| -> Measured { play_on(machine) })]
fn a_round_trip_is_two_switches(mut subject: Subject) {
    let mut rng = proctor::rng();
    const HOUR: u64 = 3_600_000_000_000;
    let several = [rng.u32(1_000..3_000) | 1, 70_001];
    for rounds in [1, 2, 7, several[0], several[1]] {
        let most = 240 * HOUR / u64::from(rounds) / 2;
        let costs = [
            0,
            rng.u64(1..30),
            rng.u64(300..30_000),
            // Seconds, then hours between the readings, ten days at most.
            most / 2_000 + rng.u64(..most / 2_000),
            rng.u64(most / 10..most),
        ];
        for switch in costs {
            // A machine on which next to nothing but switching takes time.
            let machine = Machine {
                rounds,
                switch,
                began: some_time(),
                // A clock that stands still is read as often as any other.
                reading: if switch == 0 {
                    0
                } else {
                    rng.u64(..2 * u64::from(rounds))
                },
                ..Machine::default()
            };
            let (came, log) = subject.ask(&machine).value;
            let readings = log.iter().filter(|step| **step == Step::Clock).count();
            assert!(
                readings == 2,
                "the clock was read {readings} times; it must be read twice"
            );
            let elapsed = 2 * u128::from(switch) * u128::from(rounds) + u128::from(machine.reading);
            let is_a_round_trip = |cost| {
                let is_close = is_right(cost, 2 * elapsed, rounds);
                is_close && !is_right(cost, elapsed, rounds)
            };
            match came {
                Came::Cost(cost) if is_a_round_trip(cost) => panic!(
                    "a switch costs {switch} ns on this machine; {rounds} round trips gave \
                     {cost} ns, which is a whole round trip"
                ),
                Came::Cost(cost) => assert!(
                    is_right(cost, elapsed, rounds),
                    "between the two readings of the clock {elapsed} ns went by; {rounds} round \
                     trips gave {cost} ns for a switch"
                ),
                other => panic!("nothing failed on this machine, yet it came to {other:?}"),
            }
        }
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5],
    subject = |machine: Machine| -> Measured { play_on(machine) }
)]
fn only_the_rounds_are_timed(mut subject: Subject) {
    let mut rng = proctor::rng();
    for rounds in [1, 2, rng.u32(1_001..3_000), 65_536 + rng.u32(1..5_000)] {
        let machine = Machine {
            rounds,
            began: some_time(),
            switch: rng.u64(300..3_000),
            set_up: 7_000_000,
            start: 3_000_000,
            reading: rng.u64(500..1_000),
            tear_down: 5_000_000,
            trouble: None,
        };
        let (came, log) = subject.ask(&machine).value;

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
            "no round trip was played before the clock was first read: the start of the other \
             end counts as switching"
        );
        assert!(
            !log[..second].contains(&Step::TearDown),
            "the game was over before the clock was read again: its end counts as switching"
        );
        assert_eq!(
            between,
            [Step::Rounds(rounds.into())],
            "exactly {rounds} round trips must be played between the two readings"
        );
        assert_eq!(
            log[second + 1..],
            [Step::TearDown],
            "after the second reading the closure must be dropped, and nothing else be done"
        );
        let elapsed = u128::from(2 * machine.switch * u64::from(rounds) + machine.reading);
        assert!(
            matches!(came, Came::Cost(cost) if is_right(cost, elapsed, rounds)),
            "a switch costs {} ns on this machine; the result is {came:?}",
            machine.switch
        );
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5],
    slow = true,
    deadline = 60.0,
    subject = |number: u32| -> (Came, u64) {
        let played = Cell::new(0_u64);
        let set_up = || {
            Ok(|| {
                played.set(played.get() + 1);
                // One round trip takes its time.
                if played.get() == 1000 {
                    thread::sleep(Duration::from_secs(3));
                }
                Ok(())
            })
        };
        let mut readings = 0;
        let now = || {
            readings += 1;
            if readings == 1 {
                played.set(0);
                return Duration::ZERO;
            }
            Duration::from_nanos(6 * u64::from(number))
        };
        let came = came_of(|| ping_pong::cost_of_a_switch(rounds(number), set_up, now));
        (came, played.get())
    }
)]
fn seventeen_million_round_trips_are_played(mut subject: Subject) {
    // One more than the numbers that an `f32` can count.
    let number = (1 << 24) + proctor::rng().u32(1..100);
    let (came, played) = subject.ask(&number).value;
    assert_eq!(
        played,
        u64::from(number),
        "so many round trips were played from the first reading on, of the {number} asked for"
    );
    assert!(
        matches!(came, Came::Cost(cost) if is_right(cost, 6 * u128::from(number), number)),
        "a switch took 3 ns; the result is {came:?}"
    );
}

/// In the judge: whether a game that was set up was also torn down, once.
#[track_caller]
fn torn_down(log: &[Step], at: Place, what: &str) {
    let times = log.iter().filter(|step| **step == Step::TearDown).count();
    assert_eq!(
        times,
        usize::from(at != Place::SetUp),
        "{what}: so often the closure that plays was dropped before it returned"
    );
}

fn played(log: &[Step]) -> u64 {
    let rounds = log.iter().map(|step| match step {
        Step::Rounds(rounds) => *rounds,
        _ => 0,
    });
    rounds.sum()
}

#[proctor::test(
    clauses = [1, 2, 4, 6, 7],
    subject = |machine: Machine| -> Measured { play_on(machine) }
)]
fn an_error_ends_the_game(mut subject: Subject) {
    let mut rng = proctor::rng();
    let errors = [
        How::Errno(rng.i32(1..133)),
        How::Interrupted,
        How::UnexpectedEof,
        How::Lost(rng.u64(..)),
        How::Errno(Errno::EINTR as i32),
        How::Errno(Errno::EAGAIN as i32),
    ];
    let warm_up = |log: &[Step]| match log {
        [Step::SetUp, Step::Rounds(rounds), Step::Clock, ..] => *rounds,
        _ => 1,
    };
    // How many round trips it plays that do not count.
    let machine = |trouble| Machine {
        rounds: 40,
        switch: 500,
        trouble,
        ..Machine::default()
    };
    let not_counted = warm_up(&subject.ask(&machine(None)).value.1);
    let places = [0, 1, 2, 17, not_counted, not_counted + 1, not_counted + 40];
    for (number, how) in places.into_iter().flat_map(|at| {
        let errors = errors.clone();
        errors.into_iter().map(move |how| (at, how))
    }) {
        let (at, what) = match number {
            0 => (Place::SetUp, "the set-up failed".to_owned()),
            number => (
                Place::RoundTrip(number),
                format!("round trip {number} failed"),
            ),
        };
        let due = Came::Error(Told::of(&how.comes()));
        let (came, log) = subject.ask(&machine(Some(Trouble { at, how }))).value;
        assert_eq!(
            came, due,
            "{what}: its error must be returned, and just as it was"
        );
        assert_eq!(
            played(&log),
            number,
            "{what}: so many round trips were played, and that was one too many or too few"
        );
        torn_down(&log, at, &what);
    }
}

#[proctor::test(
    clauses = [1, 4, 8],
    subject = |machine: Machine| -> Measured { play_on(machine) }
)]
fn a_panic_reaches_the_caller(mut subject: Subject) {
    let mut rng = proctor::rng();
    let places = [
        Place::SetUp,
        Place::RoundTrip(1),
        Place::RoundTrip(rng.u64(2..40)),
        Place::Reading(1),
        Place::Reading(2),
    ];
    for at in places {
        let text = format!("panic {}", rng.u32(..));
        let machine = Machine {
            rounds: 40,
            switch: 500,
            trouble: Some(Trouble {
                at,
                how: How::Panic(text.clone()),
            }),
            ..Machine::default()
        };
        let (came, log) = subject.ask(&machine).value;
        assert_eq!(
            came,
            Came::Panicked(text),
            "{at:?} panicked: the panic must reach the caller"
        );
        torn_down(&log, at, &format!("{at:?} panicked"));
    }
}

// ---------------------------------------------------------------- the real games

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    cpu: Cpu,
    /// On which of the CPUs the caller may run before, besides that one: bits.
    before: u64,
    /// Whether another thread than the first of the process plays.
    aside: bool,
    /// What the judge's clock will make a switch cost, in nanoseconds.
    switch: u64,
    /// What that clock shows at the beginning.
    began: u64,
    twist: Twist,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Cpu {
    /// The n-th of those that the machine offers, counted round and round.
    Offered(usize),
    /// This number, which is none of those.
    Missing(u64),
    /// The largest one below 1,024 that the machine does not offer.
    NotOffered,
}

/// What is special about a game.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Twist {
    None,
    /// At this reading the clock panics.
    Panic(usize),
    /// From the first reading on, the caller's writing fails with `ENOSPC`.
    WritingFails,
    /// The caller's reading fails with `EISDIR`.
    ReadingFails,
    /// The other end cannot end before the caller waits for it.
    HeldUp,
    /// Nor for three seconds after that.
    HeldUpLong,
    /// In the middle of a game between processes, the other end stops for three
    /// seconds.
    Interrupted,
    /// The caller has two children of its own, of which one ends meanwhile.
    OwnChildren,
    /// What the caller does about SIGCHLD.
    ChildIgnored,
    ChildHandled,
    /// The caller handles SIGPIPE.
    PipeHandled,
    /// At the first reading, another game is played.
    Within(Between),
}

impl Twist {
    /// Whether the other end is held up, so that it cannot end before the
    /// caller waits for it.
    fn holds(self) -> bool {
        !matches!(
            self,
            Twist::None
                | Twist::OwnChildren
                | Twist::ChildIgnored
                | Twist::ChildHandled
                | Twist::PipeHandled
                | Twist::Within(_)
        )
    }

    /// At which reading of the clock it comes.
    fn comes_at(self) -> usize {
        match self {
            Twist::Panic(reading) => reading,
            Twist::HeldUp | Twist::HeldUpLong => 2,
            _ => 1,
        }
    }
}

/// What came of a game.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Report {
    cpu: u64,
    offered: usize,
    came: Came,
    /// Of the game within.
    within: Option<Came>,
    readings: usize,
    before: Option<Task>,
    /// What was seen at the first and at the second reading of the clock.
    seen: Vec<Seen>,
    /// Whether the other end was still there when the call returned.
    not_over: bool,
    /// Where the caller could run before and where it may run now, if that is
    /// not the same.
    confined: Option<(String, String)>,
    /// What else is not as it was before.
    changes: Vec<String>,
    /// What a switch really took, by a real clock.
    really: u64,
    /// For how long the calling thread had a CPU between the readings.
    worked: Duration,
}

/// What the kernel says at one reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    caller: Task,
    /// The threads of the process, or its children, that were not there before.
    others: Vec<Task>,
    /// A thread that was there before and may run somewhere else now.
    moved: Option<String>,
    /// Whether a child shares this process's memory.
    shares_memory: bool,
}

/// Runs in the subject. An error says what the machine forbids.
fn play(game: Game) -> Result<Report, String> {
    // With the first thread of a process, libc takes a signal for itself.
    let _ = thread::spawn(|| ()).join();
    let offered = widen().map_err(|errno| format!("sched_setaffinity: {}", errno.desc()))?;
    if !game.aside {
        return at_the_table(&game, &offered);
    }
    let played = thread::spawn(move || at_the_table(&game, &offered)).join();
    played.unwrap_or_else(|payload| resume_unwind(payload))
}

/// The caller's side, before, during and after the call.
fn at_the_table(game: &Game, offered: &[usize]) -> Result<Report, String> {
    let cpu = match game.cpu {
        Cpu::Offered(number) => offered[number % offered.len()],
        Cpu::Missing(number) => number as usize,
        Cpu::NotOffered => (0..CpuSet::count())
            .rev()
            .find(|cpu| !offered.contains(cpu))
            .ok_or("every CPU that can be named exists")?,
    };
    confine(game.before, cpu, offered).map_err(|errno| errno.desc().to_owned())?;

    let returned = Arc::new(AtomicBool::new(false));
    let holder = game.twist.holds().then(|| {
        let seconds = match game.twist {
            Twist::HeldUpLong | Twist::Interrupted => 3,
            _ => 0,
        };
        Holder::new(Arc::clone(&returned), Duration::from_secs(seconds))
    });
    let own = (game.twist == Twist::OwnChildren).then(OwnChildren::new);
    let disposition = match game.twist {
        Twist::ChildIgnored => SigHandler::SigIgn,
        Twist::ChildHandled => SigHandler::Handler(on_signal),
        _ => SigHandler::SigDfl,
    };
    at(Signal::SIGCHLD, disposition);
    if game.twist == Twist::PipeHandled {
        // Rust's runtime ignores this signal; a handler shows whether the call does.
        at(Signal::SIGPIPE, SigHandler::Handler(on_signal));
    }
    // A signal that the caller has blocked, and text that is in a buffer.
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGUSR2);
    let _ = blocked.thread_block();
    print!("{IN_THE_BUFFER}");
    let before = Before::now().ok_or("/proc is restricted")?;

    let (mut readings, mut seen, mut really) = (0, Vec::new(), Vec::new());
    let (mut within, mut holds) = (None, false);
    let mut worked = Vec::new();
    let now = || {
        worked.push(cpu_time());
        really.push(Instant::now());
        readings += 1;
        if let (Twist::Within(between), 1) = (game.twist, readings) {
            let cpu = offered[(cpu + 1) % offered.len()];
            let at_first = Task::of_this_process();
            within = Some(came_of(|| {
                measure(between, cpu, 5, || Duration::from_nanos(1))
            }));
            until_none_but(&at_first);
        }
        if let (Some(own), 1) = (&own, readings) {
            own.end_one();
        }
        let last = Seen::now(game.between, &before);
        let others: Vec<Task> = last.iter().flat_map(|seen| seen.others.clone()).collect();
        if seen.len() < 2 {
            seen.extend(last);
        }
        if let (Some(holder), true) = (&holder, readings == game.twist.comes_at()) {
            holds = true;
            until_they_wait(&others);
            let (written_to, read_from) = (
                before.new_pipes(libc::O_WRONLY),
                before.new_pipes(libc::O_RDONLY),
            );
            let hold = Hold::of(game.between, &others, &written_to);
            match game.twist {
                Twist::WritingFails => {
                    replace(&written_to, File::options().write(true).open("/dev/full"))
                }
                Twist::ReadingFails => replace(&read_from, File::open("/dev")),
                _ => {}
            }
            holder.take(hold);
            if let Twist::Panic(_) = game.twist {
                resume_unwind(Box::new(OnPurpose("the clock has stopped".to_owned())))
            }
        }
        really.push(Instant::now());
        worked.push(cpu_time());
        // The clock moves on from reading to reading, by what the rounds shall have taken.
        let elapsed = 2 * game.switch * u64::from(game.rounds);
        Duration::from_nanos(game.began + readings as u64 * elapsed)
    };
    let came = came_of(|| measure(game.between, cpu, game.rounds, now));

    let others: Vec<Task> = seen.last().map_or(vec![], |seen| seen.others.clone());
    let mut not_over = false;
    if let Some(holder) = holder.as_ref().filter(|_| holds) {
        let must_be_over = game.twist != Twist::Interrupted;
        not_over = must_be_over && !holder.has_let_go() && others.iter().any(stays);
        returned.store(true, Ordering::SeqCst);
        holder.wait();
    }
    if game.between == Between::Threads {
        until_none_but(&before.threads);
    }
    let cpus = before.caller.again().map(|task| task.cpus);
    let confined = cpus.map(|after| (before.caller.cpus.clone(), after));
    let confined = confined.filter(|(before, after)| before != after);
    let mut changes = before.changes();
    changes.retain(|change| !change.starts_with("the list of CPUs"));
    let _ = blocked.thread_unblock();
    at(Signal::SIGCHLD, SigHandler::SigDfl);
    at(Signal::SIGPIPE, SigHandler::SigIgn);
    changes.extend(own.into_iter().flat_map(OwnChildren::reap));
    if let Some(holder) = holder {
        holder.end();
    }
    let really = really
        .get(1..3)
        .map_or(0, |reading| (reading[1] - reading[0]).as_nanos() as u64);
    Ok(Report {
        cpu: cpu as u64,
        offered: offered.len(),
        came,
        within,
        readings,
        before: Some(before.caller),
        seen,
        not_over,
        confined,
        changes,
        really: really / u64::from(game.rounds) / 2,
        worked: worked.get(1..3).map_or(Duration::ZERO, |at| at[1] - at[0]),
    })
}

fn measure(
    between: Between,
    cpu: usize,
    number: u32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    match between {
        Between::Threads => ping_pong::between_threads(cpu, rounds(number), now),
        Between::Processes => ping_pong::between_processes(cpu, rounds(number), now),
    }
}

/// For how long this thread has had a CPU.
fn cpu_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    clock.now().expect("every thread has this clock").into()
}

const THIS_THREAD: Pid = Pid::from_raw(0);

/// Lets this thread run on every CPU that the machine offers, so that pinning
/// shows, and tells which these are.
fn widen() -> nix::Result<Vec<usize>> {
    let mut all = CpuSet::new();
    for cpu in 0..CpuSet::count() {
        all.set(cpu)?;
    }
    sched_setaffinity(THIS_THREAD, &all)?;
    let offered = nix::sched::sched_getaffinity(THIS_THREAD)?;
    Ok((0..CpuSet::count())
        .filter(|cpu| offered.is_set(*cpu) == Ok(true))
        .collect())
}

/// Confines this thread to that CPU, if there is one, and to those of the bits.
fn confine(bits: u64, cpu: usize, offered: &[usize]) -> nix::Result<()> {
    let mut only = CpuSet::new();
    only.set(offered[0])?;
    if offered.contains(&cpu) {
        only.unset(offered[0])?;
        only.set(cpu)?;
    }
    for (bit, other) in offered.iter().enumerate().take(64) {
        if bits >> bit & 1 == 1 {
            only.set(*other)?;
        }
    }
    sched_setaffinity(THIS_THREAD, &only)
}

/// What the caller prints before the call.
const IN_THE_BUFFER: &str = "Who serves? ";

/// How everything was when the caller made its call.
struct Before {
    caller: Task,
    threads: Vec<Task>,
    children: Vec<i32>,
    descriptors: Vec<RawFd>,
    actions: Vec<(usize, i32)>,
    surroundings: Surroundings,
}

impl Before {
    fn now() -> Option<Before> {
        Some(Before {
            caller: Task::of_this_thread()?,
            threads: Task::of_this_process(),
            children: Task::children().iter().map(|child| child.id).collect(),
            descriptors: descriptors(),
            actions: actions(),
            surroundings: Surroundings::now(),
        })
    }

    fn is_new(&self, task: &Task) -> bool {
        let is_old_thread = self.threads.iter().any(|old| old.id == task.id);
        !is_old_thread && !self.children.contains(&task.id)
    }

    /// What is different now. The number of threads may be, for the test has some.
    fn changes(&self) -> Vec<String> {
        let mut changes = self.surroundings.changes();
        for (signal, (was, is)) in (1..).zip(self.actions.iter().zip(actions())) {
            if *was != is {
                changes.push(format!("what happens at signal {signal} has changed"));
            }
        }
        changes.extend(self.moved());
        changes
    }

    /// A thread but the caller that may run somewhere else now.
    fn moved(&self) -> Option<String> {
        let others = self.threads.iter().filter(|old| old.id != self.caller.id);
        let mut moves = others.filter_map(|old| {
            let now = old.again()?;
            (now.cpus != old.cpus).then(|| {
                format!(
                    "another thread could run on the CPUs {} and may now run on {}",
                    old.cpus, now.cpus
                )
            })
        });
        moves.next()
    }

    /// The sides of pipes that were opened since, with this way of access.
    fn new_pipes(&self, access: i32) -> Vec<RawFd> {
        let new = descriptors().into_iter().filter(|fd| {
            let target = std::fs::read_link(format!("/proc/self/fd/{fd}"));
            let is_pipe = target.is_ok_and(|name| name.to_string_lossy().starts_with("pipe:"));
            // SAFETY: asks for the flags of a descriptor, whatever it is.
            let flags = unsafe { libc::fcntl(*fd, libc::F_GETFL) };
            is_pipe && !self.descriptors.contains(fd) && flags & libc::O_ACCMODE == access
        });
        new.collect()
    }
}

/// Puts this file in the place of those descriptors.
fn replace(descriptors: &[RawFd], file: io::Result<File>) {
    let file = file.expect("every machine has it");
    for descriptor in descriptors {
        // SAFETY: the number stays open, and its owner can use and close it as before.
        let replaced = unsafe { libc::dup2(file.as_raw_fd(), *descriptor) };
        assert_eq!(replaced, *descriptor, "{}", io::Error::last_os_error());
    }
}

/// Returns when each of them waits, or has ended. One that never sleeps, but asks
/// again and again, waits too.
fn until_they_wait(others: &[Task]) {
    for other in others {
        for _ in 0..20_000 {
            match other.again() {
                Some(task) if !task.sleeps && !task.is_zombie => thread::yield_now(),
                _ => break,
            }
        }
    }
}

/// All of this process, without the one by which they are listed.
fn descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let all: Vec<RawFd> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // SAFETY: asks for the flags of a descriptor; the list's is closed by now.
    let is_open = |fd: &RawFd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0;
    all.into_iter().filter(is_open).collect()
}

/// What happens at each signal: the handler and the flags.
fn actions() -> Vec<(usize, i32)> {
    let action = |signal| {
        // SAFETY: all zero is a valid value; the kernel fills it.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: only asks, and the kernel writes to a value of the right type.
        unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
        (action.sa_sigaction, action.sa_flags)
    };
    (1..=64).map(action).collect()
}

extern "C" fn on_signal(_: i32) {}

fn at(signal: Signal, handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(signal, &action) }.expect("this signal can be handled");
}

/// Whether a thread or process is there to stay: it sleeps and goes on sleeping,
/// or is a zombie.
fn stays(task: &Task) -> bool {
    let (mut before, mut looks) = (None, 0);
    while looks < 20 {
        match task.again() {
            None => return false,
            Some(now) if now.is_zombie => return true,
            Some(now) if now.sleeps && before == Some(now.switches) => looks += 1,
            Some(now) => (before, looks) = (Some(now.switches), 0),
        }
        thread::yield_now();
    }
    true
}

/// What keeps the other end from ending.
enum Hold {
    /// It waits for a byte, and the pipe is still open.
    Open(#[expect(dead_code, reason = "they are only held")] Vec<OwnedFd>),
    Stopped(Vec<Pid>),
}

impl Hold {
    /// Of this other end: it does not see its pipe's end, or it is stopped.
    fn of(between: Between, others: &[Task], written_to: &[RawFd]) -> Hold {
        match between {
            Between::Threads => {
                let copies = written_to.iter().map(|fd| {
                    // SAFETY: copies a descriptor, and the copy is nobody else's.
                    unsafe { OwnedFd::from_raw_fd(libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, 0)) }
                });
                Hold::Open(copies.collect())
            }
            Between::Processes => {
                let children: Vec<_> = others.iter().map(|task| Pid::from_raw(task.id)).collect();
                for child in &children {
                    let _ = kill(*child, Signal::SIGSTOP);
                }
                until_they_wait(others);
                Hold::Stopped(children)
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Hold::Stopped(children) = self {
            for child in children {
                let _ = kill(*child, Signal::SIGCONT);
            }
        }
    }
}

/// A thread that holds it until the caller waits, or has returned.
struct Holder {
    give: mpsc::Sender<Hold>,
    let_go: mpsc::Receiver<()>,
    has_let_go: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Holder {
    fn new(returned: Arc<AtomicBool>, more: Duration) -> Holder {
        let (give, taken) = mpsc::channel();
        let (tell, let_go) = mpsc::channel();
        let has_let_go = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&has_let_go);
        let mut caller = Onlooker::of_this_thread();
        let thread = thread::spawn(move || {
            for hold in taken {
                let has_returned = || returned.load(Ordering::SeqCst);
                caller.until_it_waits_or(has_returned);
                // An end that takes its time: whoever waits does so until the end.
                let until = Instant::now() + more;
                while Instant::now() < until && !has_returned() {
                    thread::sleep(Duration::from_millis(10));
                }
                done.store(true, Ordering::SeqCst);
                drop::<Hold>(hold);
                let _ = tell.send(());
            }
        });
        Holder {
            give,
            let_go,
            has_let_go,
            thread,
        }
    }

    fn take(&self, hold: Hold) {
        self.give.send(hold).expect("the holder listens");
    }

    fn has_let_go(&self) -> bool {
        self.has_let_go.load(Ordering::SeqCst)
    }

    fn wait(&self) {
        let _ = self.let_go.recv();
    }

    fn end(self) {
        drop(self.give);
        let _ = self.thread.join();
    }
}

/// Two children of the caller's own.
struct OwnChildren {
    over: Pid,
    waiting: Pid,
    gate: io::PipeWriter,
}

impl OwnChildren {
    fn new() -> OwnChildren {
        let (gate, give) = io::pipe().expect("a pipe can be made");
        let child = |status: u8, waits: bool| {
            // SAFETY: the child reads and ends.
            match unsafe { fork() }.expect("a child can be made") {
                ForkResult::Parent { child } => child,
                ForkResult::Child => {
                    let mut byte = [0_u8];
                    if waits {
                        // SAFETY: reads a byte into a byte.
                        unsafe { libc::read(gate.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
                    }
                    // SAFETY: only ends the process.
                    unsafe { libc::_exit(status.into()) }
                }
            }
        };
        let (over, waiting) = (child(7, false), child(9, true));
        until_it_is_over(over);
        OwnChildren {
            over,
            waiting,
            gate: give,
        }
    }

    /// During the game.
    fn end_one(&self) {
        let _ = io::Write::write_all(&mut &self.gate, b"g");
        until_it_is_over(self.waiting);
    }

    /// After it: what is wrong with them.
    fn reap(self) -> Vec<String> {
        let _ = io::Write::write_all(&mut &self.gate, b"g");
        let both = [(self.over, 7), (self.waiting, 9)];
        let wrong = both.into_iter().filter_map(|(child, status)| {
            let waited = waitpid(child, None);
            (waited != Ok(WaitStatus::Exited(child, status))).then(|| {
                format!("the caller waits for a child of its own, and that gives {waited:?}")
            })
        });
        wrong.collect()
    }
}

/// Waits, but not for ever, until the threads of this process are these or fewer. A thread that has
/// ended, and that was joined, may be in the list for a moment yet.
fn until_none_but(these: &[Task]) {
    let until = Instant::now() + Duration::from_secs(2);
    let is_new = |task: &Task| these.iter().all(|old| old.id != task.id);
    while Task::of_this_process().iter().any(is_new) && Instant::now() < until {
        thread::yield_now();
    }
}

/// Waits for its end, and leaves it to be waited for.
fn until_it_is_over(child: Pid) {
    while waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {
    }
}

impl Seen {
    fn now(between: Between, before: &Before) -> Option<Self> {
        let all = match between {
            Between::Threads => Task::of_this_process(),
            Between::Processes => Task::children(),
        };
        let others: Vec<_> = all.into_iter().filter(|task| before.is_new(task)).collect();
        let shares_memory = between == Between::Processes && others.iter().any(shares_memory);
        Some(Seen {
            caller: before.caller.again()?,
            others,
            moved: before.moved(),
            shares_memory,
        })
    }
}

/// Whether what is written here can be read there.
fn shares_memory(child: &Task) -> bool {
    static MARK: AtomicU64 = AtomicU64::new(0);
    MARK.fetch_add(1, Ordering::SeqCst);
    let mut bytes = [0; size_of::<u64>()];
    let there = nix::sys::uio::RemoteIoVec {
        base: MARK.as_ptr().addr(),
        len: bytes.len(),
    };
    let here = &mut [io::IoSliceMut::new(&mut bytes)];
    let read = nix::sys::uio::process_vm_readv(Pid::from_raw(child.id), here, &[there]);
    read.is_ok() && u64::from_ne_bytes(bytes) == MARK.load(Ordering::SeqCst)
}

// ---------------------------------------------------------------- what holds for every game

thread_local! {
    /// How many games this test has begun.
    static GAMES: Cell<usize> = const { Cell::new(0) };
}

/// In the judge: a game on any CPU, from any thread. Of three games in a row,
/// the caller of one may run everywhere before the call, and that of another
/// only where the game is played.
fn game(between: Between) -> Game {
    let mut rng = proctor::rng();
    let number = GAMES.replace(GAMES.get() + 1);
    Game {
        between,
        rounds: rng.u32(20..40),
        cpu: Cpu::Offered(rng.usize(..64)),
        before: [u64::MAX, 0, rng.u64(..)][number % 3],
        aside: rng.bool(),
        switch: [rng.u64(300..30_000), rng.u64(1 << 32..1 << 40)][rng.usize(..2)],
        began: some_time(),
        twist: Twist::None,
    }
}

/// What the judge learns of a game.
struct Played {
    game: Game,
    report: Report,
    evidence: Evidence,
    /// How often that appeared which the caller had printed once.
    printed: usize,
}

type Table = Subject<Game, Result<Report, String>>;

/// In the judge: has a game played; what the machine forbids is no verdict.
/// Whatever it came to, nothing must be left behind.
#[track_caller]
fn ask(subject: &mut Table, game: Game) -> Played {
    let played = ask_only(subject, game);
    played.leaves_nothing();
    played
}

#[track_caller]
fn ask_only(subject: &mut Table, game: Game) -> Played {
    let answer = subject.ask(&game);
    let report = answer.value.unwrap_or_else(|why| {
        let why = format!("this machine does not let the test pin: {why}");
        fail(Outcome::NotJudged, why)
    });
    let evidence = answer.evidence;
    let printed = answer.output.stdout.matches(IN_THE_BUFFER).count();
    Played {
        game,
        report,
        evidence,
        printed,
    }
}

impl Played {
    /// For messages.
    fn which(&self) -> String {
        let between = self.game.between;
        match (self.game.aside, self.game.twist) {
            (false, Twist::None) => format!("between {between:?}"),
            (true, Twist::None) => format!("between {between:?}, not from the first thread"),
            (_, twist) => format!("between {between:?}, {twist:?}"),
        }
    }

    #[track_caller]
    fn leaves_nothing(&self) {
        let (which, evidence) = (self.which(), &self.evidence);
        assert!(
            !self.report.not_over,
            "{which}: the call returned while the other end was still there"
        );
        for (left, what) in [
            (evidence.zombies, "ended children that nobody waited for"),
            (evidence.children, "children that still run"),
            (
                evidence.orphans,
                "processes that are not the caller's children",
            ),
            (evidence.threads - 1, "threads"),
            (evidence.descriptors_left, "open descriptors"),
            (evidence.relics.len() as u32, "shared objects"),
            (evidence.files_left.len() as u32, "files"),
        ] {
            assert!(left == 0, "{which}: it leaves {left} {what} behind");
        }
        assert!(
            self.printed == 1,
            "{which}: the caller had printed something once, and it appeared {} times: the child \
             must not write what is in the caller's buffers",
            self.printed
        );
        if let Some((before, after)) = &self.report.confined {
            let when = match &self.report.came {
                Came::Cost(_) => "afterwards",
                Came::Error(_) => "after an error",
                Came::Panicked(_) => "after a panic of the clock",
            };
            let still = if *after == self.report.cpu.to_string() {
                "is still pinned and "
            } else {
                ""
            };
            panic!(
                "{which}: before the call the calling thread could run on the CPUs {before}; \
                 {when} it {still}may run on {after}"
            );
        }
        let changes = &self.report.changes;
        assert!(
            changes.is_empty(),
            "{which}: afterwards {}",
            changes.join("; ")
        );
    }

    /// By the kernel's word: the other end was one thread, or one process, and
    /// nothing else was started.
    #[track_caller]
    fn started_one_other_end(&self) {
        let (Some(threads), Some(processes)) = (
            self.evidence.threads_started,
            self.evidence.processes_started,
        ) else {
            proctor::covered(
                "this machine forbids to count the threads and processes that are started",
            );
            return;
        };
        let one = |between| match between {
            Between::Threads => (1, 0),
            Between::Processes => (0, 1),
        };
        let due = one(self.game.between);
        let of_the_test = match self.game.twist {
            Twist::OwnChildren => (1, 2),
            Twist::Within(between) => (one(between).0 + 1, one(between).1),
            twist => (1 + u32::from(twist.holds()), 0),
        };
        let threads = threads.saturating_sub(of_the_test.0 + u32::from(self.game.aside));
        let processes = processes.saturating_sub(of_the_test.1);
        let which = self.which();
        assert!(
            (threads, processes) == due,
            "{which}: {threads} threads and {processes} processes were started; it takes {} and \
             {}",
            due.0,
            due.1
        );
    }

    /// The game came to its end, and was played as the contract says.
    #[track_caller]
    fn is_a_whole_game(&self) {
        let (which, game, report) = (self.which(), &self.game, &self.report);
        match &report.came {
            Came::Cost(_) => {}
            Came::Error(error) => panic!("{which}: it returned an error: {}", error.text),
            Came::Panicked(text) => panic!("{which}: it panicked: {text}"),
        }
        assert!(
            report.readings == 2,
            "{which}: the clock was read {} times; it must be read twice",
            report.readings
        );
        let (Some(before), [first, second]) = (&report.before, &report.seen[..]) else {
            fail(Outcome::NotJudged, "/proc does not show the threads here");
        };
        let [other] = &first.others[..] else {
            let kind = match game.between {
                Between::Threads => "threads",
                Between::Processes => "child processes",
            };
            panic!(
                "{which}: when the clock was first read, there were {} other {kind}, and one \
                 was due",
                first.others.len()
            );
        };
        self.started_one_other_end();
        assert!(
            !first.shares_memory,
            "{which}: the child shares the caller's memory, so it is a thread by another name"
        );
        // An end that knows the number of rounds may have ended after the last.
        let other_then = second.others.iter().find(|then| then.id == other.id);
        self.is_pinned(first, second);
        self.plays_the_ball(before, first, second);
        self.takes_turns("the calling thread", &first.caller, &second.caller);
        if let Some(then) = other_then {
            self.takes_turns("the other end", other, then);
            if let (Some(first), Some(then)) = (other.calls, then.calls) {
                // Fewer if it does not use write.
                let bytes = then.bytes_written.saturating_sub(first.bytes_written);
                assert!(
                    bytes <= u64::from(game.rounds),
                    "{which}: the other end wrote {bytes} bytes back in {} round trips",
                    game.rounds
                );
            }
        }

        let elapsed = 2 * u128::from(game.switch) * u128::from(game.rounds);
        assert!(
            matches!(report.came, Came::Cost(cost) if is_right(cost, elapsed, game.rounds)),
            "{which}: by the clock that it was given, a switch took {} ns; it returned {:?}",
            game.switch,
            report.came
        );
    }

    #[track_caller]
    fn is_pinned(&self, first: &Seen, second: &Seen) {
        let (which, cpu) = (self.which(), self.report.cpu.to_string());
        for (at, seen) in ["first", "then"].into_iter().zip([first, second]) {
            let caller = [("the calling thread", &seen.caller)];
            let others = seen.others.iter().map(|other| ("the other end", other));
            for (end, task) in caller.into_iter().chain(others) {
                assert!(
                    task.cpus == cpu,
                    "{which}: when the clock was {at} read, {end} could run on the CPUs {}, and \
                     was to run on CPU {cpu} only",
                    task.cpus
                );
            }
            if let Some(moved) = &seen.moved {
                panic!("{which}: when the clock was {at} read, {moved}");
            }
        }
        if self.report.offered == 1 {
            proctor::covered("one CPU: that both ends are pinned shows where there are more");
        }
    }

    /// This end's writes. The other may be another program.
    #[track_caller]
    fn plays_the_ball(&self, before: &Task, first: &Seen, second: &Seen) {
        let (Some(before), Some(first), Some(second)) =
            (before.calls, first.caller.calls, second.caller.calls)
        else {
            proctor::covered("this kernel does not count calls of write");
            return;
        };
        let (which, rounds) = (self.which(), u64::from(self.game.rounds));
        let (calls, bytes) = (
            second.writes - first.writes,
            second.bytes_written - first.bytes_written,
        );
        assert!(
            calls != 0,
            "{which}: in {rounds} round trips the calling thread wrote nothing: each time, the \
             ball is a byte that it writes into a pipe"
        );
        assert!(
            first.writes > before.writes,
            "{which}: when the clock was first read, the calling thread had not played a ball yet"
        );
        assert!(
            calls >= rounds.min(bytes),
            "{which}: the calling thread wrote {bytes} bytes in {calls} calls: several balls at \
             a time"
        );
        assert!(
            bytes == rounds,
            "{which}: between the readings the calling thread wrote {bytes} bytes; {rounds} \
             round trips take one each"
        );
    }

    /// On one CPU neither end can run unless the other has given it up.
    #[track_caller]
    fn takes_turns(&self, end: &str, first: &Task, then: &Task) {
        let (which, rounds) = (self.which(), u64::from(self.game.rounds));
        let switches = then.switches.saturating_sub(first.switches);
        assert!(
            switches >= rounds,
            "{which}: {end} was off the CPU {switches} times in {rounds} round trips: they \
             cannot have played on one CPU"
        );
    }

    #[track_caller]
    fn is_an_error(&self, errno: Errno, what: &str) {
        let which = self.which();
        match &self.report.came {
            Came::Error(error) if error.raw == Some(errno as i32) => {}
            Came::Error(error) => panic!(
                "{which}: {what} failed with {errno:?}, and that must be returned as it is; it \
                 returned {error:?}"
            ),
            other => panic!("{which}: {what} failed with {errno:?}; it came to {other:?}"),
        }
    }
}

fn both_from_both_threads() -> impl Iterator<Item = (Between, bool)> {
    BOTH.into_iter()
        .flat_map(|between| [(between, false), (between, true)])
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn the_other_end_is_up_before_the_clock_is_read(mut subject: Subject) {
    for (between, aside) in both_from_both_threads() {
        let game = Game {
            aside,
            ..game(between)
        };
        ask(&mut subject, game).is_a_whole_game();
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn both_ends_run_on_the_cpu_asked_for(mut subject: Subject) {
    for ((between, aside), number) in
        both_from_both_threads().flat_map(|game| [(game, 0), (game, 1)])
    {
        let game = Game {
            cpu: Cpu::Offered(number),
            before: u64::MAX,
            aside,
            ..game(between)
        };
        ask(&mut subject, game).is_a_whole_game();
    }
}

#[proctor::test(
    clauses = [12, 13, 14, 15, 16, 17, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn a_cpu_that_does_not_exist_is_an_error(mut subject: Subject) {
    let mut numbers = vec![Cpu::NotOffered];
    // Each would be a CPU that exists if it were cut short.
    let large = [10, 11, 12, 16, 31, 32, 63].map(|bit| 1 << bit);
    numbers.extend(large.map(Cpu::Missing));
    numbers.extend([u64::MAX, u64::MAX - 1, u64::from(u32::MAX), 1_025, 65_537].map(Cpu::Missing));
    for (between, cpu) in BOTH
        .into_iter()
        .flat_map(|between| numbers.clone().into_iter().map(move |cpu| (between, cpu)))
    {
        let played = ask(
            &mut subject,
            Game {
                cpu,
                ..game(between)
            },
        );
        let report = &played.report;
        match &report.came {
            Came::Error(_) => {}
            Came::Cost(_) => panic!(
                "between {between:?}: this machine offers no CPU {}, yet there was a game",
                report.cpu
            ),
            // The panic of another game.
            Came::Panicked(text) => panic!("between {between:?}: it panicked: {text}"),
        }
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn every_round_trip_is_two_balls_and_two_switches(mut subject: Subject) {
    let mut rng = proctor::rng();
    for between in BOTH {
        for rounds in [1, 2, 255 + rng.u32(2..9), rng.u32(1_001..1_500) | 1] {
            let game = Game {
                rounds,
                switch: proctor::rng().u64(300..3_000_000_000),
                ..game(between)
            };
            let played = ask(&mut subject, game);
            played.is_a_whole_game();
            if rounds > 1_000 {
                let really = played.report.really;
                proctor::covered(format!(
                    "a switch between {between:?} took {really} ns here"
                ));
            }
        }
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    slow = true,
    deadline = 60.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn more_than_65_536_round_trips_are_played(mut subject: Subject) {
    for between in BOTH {
        let game = Game {
            rounds: 65_536 + proctor::rng().u32(1..100),
            switch: proctor::rng().u64(300..3_000_000),
            ..game(between)
        };
        ask(&mut subject, game).is_a_whole_game();
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn the_caller_may_run_where_it_could_before(mut subject: Subject) {
    for ((between, aside), before) in both_from_both_threads()
        .flat_map(|game| [0, 0b01, 0b10, u64::MAX].map(move |before| (game, before)))
    {
        let game = Game {
            before,
            aside,
            ..game(between)
        };
        ask(&mut subject, game).is_a_whole_game();
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    descriptors = 64,
    processes = 16,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn nothing_is_left_behind(mut subject: Subject) {
    for number in 0..20 {
        ask(&mut subject, game(BOTH[number % 2])).is_a_whole_game();
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn the_other_end_is_over_when_the_game_returns(mut subject: Subject) {
    for (between, aside) in both_from_both_threads() {
        let game = Game {
            aside,
            twist: Twist::HeldUp,
            ..game(between)
        };
        ask(&mut subject, game).is_a_whole_game();
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    slow = true,
    deadline = 60.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn an_end_that_takes_three_seconds_is_waited_for(mut subject: Subject) {
    for between in BOTH {
        let game = Game {
            twist: Twist::HeldUpLong,
            ..game(between)
        };
        ask(&mut subject, game).is_a_whole_game();
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    slow = true,
    deadline = 60.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn a_ball_that_comes_back_after_three_seconds_is_waited_for(mut subject: Subject) {
    let game = Game {
        twist: Twist::Interrupted,
        rounds: proctor::rng().u32(1000..1100),
        ..game(Between::Processes)
    };
    let played = ask(&mut subject, game);
    played.is_a_whole_game();
    let worked = played.report.worked;
    assert!(
        worked < Duration::from_millis(300),
        "the ball came back after three seconds, and until then the calling thread used {} ms of CPU time: it should sleep in read(2) and not ask again and again",
        worked.as_millis()
    );
}

#[proctor::test(
    clauses = [1, 4, 6, 7, 10, 11, 13, 14, 15, 16, 18, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn an_error_in_the_middle_is_handed_on(mut subject: Subject) {
    for (between, aside) in both_from_both_threads() {
        for (twist, errno, what) in [
            (Twist::WritingFails, Errno::ENOSPC, "writing the ball"),
            (Twist::ReadingFails, Errno::EISDIR, "reading the ball"),
        ] {
            let game = Game {
                aside,
                twist,
                ..game(between)
            };
            ask(&mut subject, game).is_an_error(errno, what);
        }
    }
}

#[proctor::test(
    clauses = [4, 8, 10, 11, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn a_clock_that_panics_leaves_nothing_behind(mut subject: Subject) {
    for ((between, aside), at) in both_from_both_threads().flat_map(|game| [(game, 1), (game, 2)]) {
        let game = Game {
            aside,
            twist: Twist::Panic(at),
            ..game(between)
        };
        let played = ask(&mut subject, game);
        assert_eq!(
            played.report.came,
            Came::Panicked("the clock has stopped".to_owned()),
            "between {between:?}: reading {at} of the clock panicked, and that must reach the \
             caller"
        );
    }
}

#[proctor::test(
    clauses = [4, 6, 9, 10, 12, 13, 14, 15, 16, 18, 20, 21, 22],
    deadline = 30.0,
    faults = [Pipe, Thread, Process, Affinity],
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn an_error_of_the_kernel_is_handed_on(mut subject: Subject) {
    let one_of = |errors: &[Errno]| errors[proctor::rng().usize(..errors.len())];
    for (between, aside) in both_from_both_threads() {
        let (start, kind) = match between {
            Between::Threads => (Fault::Thread, "starting the thread"),
            Between::Processes => (Fault::Process, "starting the process"),
        };
        // The test starts one or two threads itself, and pins itself twice.
        let own = match between {
            Between::Threads => 1 + u32::from(aside),
            Between::Processes => 0,
        };
        let starting = one_of(&[Errno::EAGAIN, Errno::EPERM]);
        let pipe = one_of(&[Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM]);
        let pinning = one_of(&[Errno::EPERM, Errno::EINVAL]);
        for (failure, errno, what) in [
            (
                Failure::of(Fault::Pipe, pipe),
                pipe,
                "making the first pipe",
            ),
            (
                Failure::of(Fault::Pipe, pipe).after(1),
                pipe,
                "making the second pipe",
            ),
            (Failure::of(start, starting).after(own), starting, kind),
            (
                Failure::of(Fault::Affinity, pinning).after(2).times(1_000),
                pinning,
                "sched_setaffinity",
            ),
        ] {
            subject.fail(failure);
            let played = ask(
                &mut subject,
                Game {
                    aside,
                    ..game(between)
                },
            );
            assert!(
                played.evidence.faults != 0,
                "between {between:?}: {what} was to fail, but it was not even tried"
            );
            played.is_an_error(errno, what);
        }
        // Wherever that one is, not even it may leave anything behind.
        subject.fail(Failure::of(Fault::Affinity, pinning).after(3));
        let mut played = ask_only(&mut subject, game(between));
        played.report.confined = None;
        played.leaves_nothing();
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 21, 22],
    deadline = 30.0,
    faults = [Wait],
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn a_wait_that_is_interrupted_goes_on(mut subject: Subject) {
    for times in [1, 2, 300] {
        let interrupted = Failure::of(Fault::Wait, Errno::EINTR).times(times);
        subject.fail(interrupted);
        ask(&mut subject, game(Between::Processes)).is_a_whole_game();
        subject.fail(interrupted);
        let game = Game {
            twist: Twist::WritingFails,
            ..game(Between::Processes)
        };
        ask(&mut subject, game).is_an_error(Errno::ENOSPC, "writing the ball");
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn the_callers_children_and_signals_are_its_own(mut subject: Subject) {
    for between in BOTH {
        for twist in [
            Twist::OwnChildren,
            Twist::ChildHandled,
            Twist::ChildIgnored,
            Twist::PipeHandled,
        ] {
            let played = ask(
                &mut subject,
                Game {
                    twist,
                    ..game(between)
                },
            );
            let told_that_it_is_gone = Came::Error(Told::of(&Errno::ECHILD.into()));
            if twist != Twist::ChildIgnored || played.report.came != told_that_it_is_gone {
                played.is_a_whole_game();
            }
        }
    }
}

#[proctor::test(
    clauses = [1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 22],
    deadline = 30.0,
    subject = |game: Game| -> Result<Report, String> { play(game) }
)]
fn a_game_is_played_within_another(mut subject: Subject) {
    for (between, within) in BOTH
        .into_iter()
        .flat_map(|one| BOTH.map(|other| (one, other)))
    {
        let game = Game {
            twist: Twist::Within(within),
            ..game(between)
        };
        let played = ask(&mut subject, game);
        played.is_a_whole_game();
        let within_it = played.report.within;
        assert!(
            matches!(within_it, Some(Came::Cost(0..=2))),
            "between {between:?}, while its clock was read: by a clock that stood still, a game \
             between {within:?} was played, which should cost nothing, and came to {within_it:?}"
        );
    }
}

/// Runs in the subject: plays so many games between threads, all at once.
fn play_at_once(tables: usize) -> Vec<(Came, bool)> {
    let first_readings = Barrier::new(tables);
    thread::scope(|scope| {
        let games: Vec<_> = (0..tables)
            .map(|number| {
                let first_readings = &first_readings;
                scope.spawn(move || {
                    let offered = widen().unwrap_or_else(|_| vec![0]);
                    let before = Task::of_this_thread();
                    let mut time = 0;
                    let now = || {
                        if time == 0 {
                            first_readings.wait();
                        }
                        time += 1_000_000;
                        Duration::from_nanos(time)
                    };
                    let cpu = offered[number % offered.len()];
                    let came = came_of(|| measure(Between::Threads, cpu, 100, now));
                    let after = Task::of_this_thread();
                    (
                        came,
                        before.map(|task| task.cpus) == after.map(|task| task.cpus),
                    )
                })
            })
            .collect();
        let all = games.into_iter().map(|game| game.join());
        all.map(|game| game.unwrap_or_else(|payload| resume_unwind(payload)))
            .collect()
    })
}

#[proctor::test(
    clauses = [2, 3, 4, 5, 9, 10, 11, 13, 14, 15, 19],
    deadline = 30.0,
    subject = |tables: usize| -> Vec<(Came, bool)> { play_at_once(tables) }
)]
fn games_are_played_at_the_same_time(mut subject: Subject) {
    for tables in [1, 2, 3, 20] {
        let answer = subject.ask(&tables);
        for (came, may_run_as_before) in answer.value {
            assert!(
                matches!(came, Came::Cost(4_998..=5_002)),
                "with {tables} games between threads at the same time, each of which costs 5,000 ns, \
                 one came to {came:?}"
            );
            assert!(
                may_run_as_before,
                "with {tables} games at the same time, a caller may not run afterwards where it \
                 could before"
            );
        }
        let evidence = answer.evidence;
        assert_eq!(
            (
                evidence.descriptors_left,
                evidence.children,
                evidence.zombies
            ),
            (0, 0, 0),
            "descriptors, children and zombies are left by {tables} games at the same time"
        );
    }
}
