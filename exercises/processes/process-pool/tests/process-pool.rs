//! Judges `Pool` from outside: what `map` returns, and what the kernel says of
//! the workers.
//!
//! Jobs wait for one another at gates, which are pipes, so that no test depends
//! on speed. A wrong answer often makes all processes wait for ever. [`watched`]
//! notices this: a process of the test looks at all others, and ends the caller
//! when all of them sleep and nothing changes any more.
proctor::exercise!(process_pool);

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::fs;
use std::io::{self, Read, Write, pipe};
use std::num::NonZeroUsize;
use std::panic::{catch_unwind, panic_any, resume_unwind, set_hook, take_hook};
use std::process::{abort, exit};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::ptrace;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid, getppid};
use proctor::{
    Answer, Evidence, Failure, Fault, Onlooker, Outcome, Subject, Surroundings, Whose, on_signal,
    other_child, traced_child,
};
use serde::{Deserialize, Serialize};

// ------------------------------------------------------------------- plain data

/// How a worker ended, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Exited(u8),
    Killed(i32),
}
use End::{Exited, Killed};

/// An error: its number, if it has one, and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Problem {
    errno: Option<i32>,
    text: String,
}

/// What `map` returned.
type Mapped = Result<Vec<Result<u64, End>>, Problem>;

fn problem(error: &io::Error) -> Problem {
    Problem {
        errno: error.raw_os_error(),
        text: error.to_string(),
    }
}

/// A function that is not `unsafe` makes this block an error.
#[deny(unused_unsafe)]
fn try_start(workers: usize, job: fn(u64) -> u64) -> io::Result<process_pool::Pool> {
    // SAFETY: a subject has one thread.
    unsafe { process_pool::Pool::start(workers, job) }
}

fn start(workers: usize, job: fn(u64) -> u64) -> process_pool::Pool {
    number(PHASE).store(START, Relaxed);
    let pool = try_start(workers, job);
    pool.unwrap_or_else(|error| panic!("start({workers}, …) returned an error: {error}"))
}

fn map(pool: &mut process_pool::Pool, items: &[u64]) -> Mapped {
    number(PHASE).store(MAP, Relaxed);
    let caller = getpid();
    let mapped = pool.map(items);
    if getpid() != caller {
        proctor::witness(CAME_BACK);
    }
    let results = mapped.map_err(|error| problem(&error))?;
    let plain = |result: Result<u64, process_pool::Ending>| {
        result.map_err(|ending| match ending {
            process_pool::Ending::Exited(code) => Exited(code),
            process_pool::Ending::Killed(signal) => Killed(signal),
        })
    };
    Ok(results.into_iter().map(plain).collect())
}

fn end(pool: process_pool::Pool) {
    number(PHASE).store(DROP, Relaxed);
    drop(pool);
}

// ----------------------------------------------------- what the processes share

/// Numbers in memory that the caller shares with its workers.
const NUMBERS: usize = 8;
/// The places of some of them.
const MET: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;
const OPEN: usize = 3;
const TURN: usize = 4;
const PHASE: usize = 5;
const ENDINGS: usize = 6;

fn number(place: usize) -> &'static AtomicU64 {
    static PAGE: OnceLock<usize> = OnceLock::new();
    let address = PAGE.get_or_init(|| {
        let length = NonZeroUsize::new(size_of::<[AtomicU64; NUMBERS]>()).expect("not empty");
        let (access, kind) = (
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
        );
        // SAFETY: new memory that nobody else uses.
        let page = unsafe { mmap_anonymous(None, length, access, kind) };
        page.expect("a page").as_ptr().expose_provenance()
    });
    let numbers = std::ptr::with_exposed_provenance::<[AtomicU64; NUMBERS]>(*address);
    // SAFETY: aligned to a page, zeroed by the kernel, and never unmapped.
    unsafe { &(&*numbers)[place] }
}

/// Stores the process id of the calling worker.
fn i_am(place: usize) {
    number(place).store(u64::from(std::process::id()), Relaxed);
}

/// The process id at a place, as soon as there is one.
fn who(place: usize) -> Pid {
    until(|| number(place).load(Relaxed) > 0);
    pid_of(number(place).load(Relaxed))
}

/// A process id. If a wrong answer holds another number, such as one that stands
/// for all processes, this is a number that no process has.
fn pid_of(number: u64) -> Pid {
    let pid = i32::try_from(number).ok().filter(|pid| *pid > 0);
    Pid::from_raw(pid.unwrap_or(i32::MAX))
}

/// Waits for something that another process does in any case.
fn until(happened: impl Fn() -> bool) {
    while !happened() {
        thread::sleep(Duration::from_micros(200));
    }
}

/// The gates: pipes that the caller makes before it starts a pool.
const GATES: usize = 3;
static READ: [AtomicI32; GATES] = [const { AtomicI32::new(-1) }; GATES];
static WRITE: [AtomicI32; GATES] = [const { AtomicI32::new(-1) }; GATES];

fn make_gates() {
    for gate in 0..GATES {
        let mut ends = [0; 2];
        // SAFETY: the call fills the array.
        unsafe { libc::pipe2(ends.as_mut_ptr(), OFlag::O_CLOEXEC.bits()) };
        READ[gate].store(ends[0], Relaxed);
        WRITE[gate].store(ends[1], Relaxed);
        number(gate);
    }
}

fn close_end(end: &AtomicI32) {
    // SAFETY: nothing else uses this descriptor.
    unsafe { libc::close(end.load(Relaxed)) };
}

/// Lets `times` waiters through a gate.
fn open(gate: usize, times: u64) {
    for _ in 0..times {
        // SAFETY: writes one byte of a static string.
        unsafe { libc::write(WRITE[gate].load(Relaxed), c"!".as_ptr().cast(), 1) };
    }
}

/// Waits at a gate until it was opened `times` times.
fn wait_at(gate: usize, times: u64) {
    let mut passed = 0;
    while passed < times {
        let mut byte = 0_u8;
        // SAFETY: reads one byte into a variable.
        let count = unsafe { libc::read(READ[gate].load(Relaxed), (&raw mut byte).cast(), 1) };
        passed += u64::from(count == 1);
    }
}

/// Waits until `width` workers are here at the same time.
fn meet(width: u64) {
    if number(MET).fetch_add(1, Relaxed) % width == width - 1 {
        open(0, width - 1);
    } else {
        wait_at(0, 1);
    }
}

/// Whether a process has ended, whether or not its parent has waited for it.
fn has_ended(pid: Pid) -> bool {
    // While other threads still end, its descriptors may be open.
    stat(pid).is_none_or(|stat| "ZX".contains(stat.state) && stat.threads < 2)
}

/// What the kernel says about a process.
struct Stat {
    state: char,
    parent: Pid,
    threads: u32,
    /// Its CPU time, in hundredths of a second.
    ticks: u64,
}

fn stat(pid: Pid) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: pid_of(number(1)?),
        threads: number(17)? as u32,
        ticks: number(11)? + number(12)?,
    })
}

/// Waits for the end of a child, and leaves it to be reaped by the pool.
fn until_it_ends(child: Pid) {
    let _ = waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
}

/// Whether the caller has children that have ended and were not reaped.
fn has_zombies() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    !matches!(
        waitid(Id::All, flags),
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD)
    )
}

// ------------------------------------------------------------------ the watcher

/// What the caller does: places in [`PHASES`].
const START: u64 = 0;
const MAP: u64 = 1;
const DROP: u64 = 2;
/// Calls that may never return, and the signals by which the watcher then ends
/// the caller.
const PHASES: [(&str, Signal); 3] = [
    ("start", Signal::SIGIO),
    ("map", Signal::SIGUSR2),
    ("dropping the pool", Signal::SIGPROF),
];

/// Runs `call` while a child of the caller looks on. The child ends the caller
/// when the caller and everything that it has started sleep in the kernel and
/// have done nothing at all for half a second.
fn watched<A>(call: impl FnOnce() -> A) -> A {
    let caller = getpid();
    make_gates();
    let watcher = other_child(|| watch(caller));
    let answer = call();
    let _ = kill(watcher, Signal::SIGKILL);
    let _ = waitpid(watcher, None);
    for place in 0..NUMBERS {
        number(place).store(0, Relaxed);
    }
    READ.iter().chain(&WRITE).for_each(close_end);
    answer
}

/// How often jobs may end their workers while [`watched`] looks on: more often than
/// any test wants it.
const MOST_ENDINGS: u64 = 400;

/// Tells the judge that items are given to workers without end.
const TOO_MANY_ENDINGS: Signal = Signal::SIGVTALRM;

fn too_many_endings() -> String {
    format!(
        "jobs that end their worker have run more than {MOST_ENDINGS} times, and there are fewer such items. The job may run only once for each item, also if its worker ends"
    )
}

/// A job is about to end its worker. If the pool gives such an item to one worker
/// after the other, this ends the caller at some time.
fn one_more_ends() {
    if number(ENDINGS).fetch_add(1, Relaxed) == MOST_ENDINGS {
        let _ = kill(getppid(), TOO_MANY_ENDINGS);
    }
}

fn watch(caller: Pid) -> u8 {
    let mut before = BTreeMap::new();
    let mut quiet = 0;
    while getppid() == caller {
        thread::sleep(Duration::from_millis(30));
        let now = picture(caller).unwrap_or_default();
        quiet = match !now.is_empty() && now == before {
            true => quiet + 1,
            false => 0,
        };
        before = now;
        if quiet == 16 {
            let phase = number(PHASE).load(Relaxed) as usize;
            let _ = kill(caller, PHASES[phase].1);
            thread::sleep(Duration::from_millis(100));
            // In case that the pool blocks or handles this signal.
            let _ = kill(caller, Signal::SIGKILL);
            break;
        }
    }
    0
}

/// How often each thread of the caller and its descendants has left the CPU.
/// `None` if one of them runs.
fn picture(caller: Pid) -> Option<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    look_at(caller, &mut all)?;
    // The warden may be about to let a system call of theirs go on.
    let warden = stat(stat(caller)?.parent)?;
    if "RD".contains(warden.state) {
        return None;
    }
    let numbers = fs::read_dir("/proc").ok()?.flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pids: Vec<Pid> = pids.map(Pid::from_raw).collect();
    let parents = pids
        .into_iter()
        .filter_map(|pid| Some((pid, stat(pid)?.parent)));
    let mut others: Vec<(Pid, Pid)> = parents.filter(|(pid, _)| *pid != getpid()).collect();
    let mut family = vec![caller];
    while let Some(parent) = family.pop() {
        for (child, _) in others.extract_if(.., |(_, of)| *of == parent) {
            look_at(child, &mut all)?;
            family.push(child);
        }
    }
    Some(all)
}

/// Adds the threads of a process. `None` if one of them runs.
fn look_at(pid: Pid, all: &mut BTreeMap<String, String>) -> Option<()> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = task.path();
        let Ok(status) = fs::read_to_string(path.join("status")) else {
            continue;
        };
        let lines = status.lines();
        let (states, counts): (Vec<_>, Vec<_>) = lines
            .filter(|line| line.starts_with("State:") || line.contains("voluntary_ctxt"))
            .partition(|line| line.starts_with("State:"));
        if states
            .iter()
            .any(|state| state.contains("R (") || state.contains("D ("))
        {
            return None;
        }
        all.insert(path.display().to_string(), counts.join(" "));
    }
    Some(())
}

// ------------------------------------------------------------ what holds always

/// Marks of code that only the caller may run.
const CAME_BACK: u64 = u64::MAX - 1;
const AT_EXIT: u64 = u64::MAX - 2;

/// Asks the question. A call that never returns has a cause of its own.
#[track_caller]
fn ask<Q, A>(subject: &mut Subject<Q, A>, question: &Q, when: &str) -> Answer<A>
where
    Q: Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
    A: Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    subject.try_ask(question).unwrap_or_else(|failing| {
        let ended_by = |signal: Signal| {
            failing.outcome == Outcome::Crash && failing.cause.contains(signal.as_str())
        };
        if let Some((call, _)) = PHASES.iter().find(|(_, signal)| ended_by(*signal)) {
            panic!("{when}: {call} does not return, because the caller and its workers sleep and nothing wakes them");
        }
        if ended_by(TOO_MANY_ENDINGS) {
            panic!("{when}: {}", too_many_endings());
        }
        failing.end()
    })
}

/// The results of a `map` that must not fail.
#[track_caller]
fn results(mapped: &Mapped) -> &[Result<u64, End>] {
    match mapped {
        Ok(results) => results,
        Err(error) => panic!("{}", unexpected(error)),
    }
}

fn unexpected(error: &Problem) -> String {
    let text = &error.text;
    if error.errno == Some(libc::EINTR) {
        return format!(
            "map returned an error: {text}. A call that a signal has interrupted has to be repeated"
        );
    }
    format!("map returned an error, though nothing has happened that it may report: {text}")
}

#[track_caller]
fn expect(mapped: &Mapped, expected: &[Result<u64, End>], when: &str) {
    let found = match mapped {
        Ok(found) => found,
        Err(error) => panic!("{when}: {}", unexpected(error)),
    };
    assert!(
        found.len() == expected.len(),
        "{when}: map got {} and returned {}",
        proctor::count(expected.len(), "item"),
        proctor::count(found.len(), "result")
    );
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            found == expected,
            "{when}: the result of item {index} must be {expected:?}, and map returned {found:?}"
        );
    }
}

/// The workers that ran jobs, as the kernel says. `items` are the marks that
/// these jobs left, each as often as its job must run.
#[track_caller]
fn each_ran_once(evidence: &Evidence, items: impl IntoIterator<Item = u64>) -> BTreeSet<i32> {
    only_the_caller_goes_on(evidence);
    let mut expected: BTreeMap<u64, i32> = BTreeMap::new();
    for item in items {
        *expected.entry(item).or_default() += 1;
    }
    let mut found: BTreeMap<u64, i32> = BTreeMap::new();
    for seen in &evidence.witnesses {
        *found.entry(seen.mark).or_default() += 1;
    }
    for (item, times) in expected {
        let ran = found.remove(&item).unwrap_or(0);
        assert!(
            ran == times,
            "the items hold the number {item} {}, and the job ran {} for it",
            proctor::count(times as usize, "time"),
            proctor::count(ran as usize, "time")
        );
    }
    assert!(
        found.is_empty(),
        "the job ran for numbers that are not items: {found:?}"
    );
    evidence.witnesses.iter().map(|seen| seen.pid).collect()
}

/// No job ran in the caller, and no worker ran what is the caller's.
#[track_caller]
fn only_the_caller_goes_on(evidence: &Evidence) {
    for seen in &evidence.witnesses {
        assert!(
            seen.mark != CAME_BACK,
            "a worker came out of the call of map and went on with the caller's code"
        );
        assert!(
            seen.mark != AT_EXIT,
            "a worker ran a handler that the caller had registered with atexit"
        );
        assert!(
            seen.pid != evidence.pid,
            "the job ran in the calling process itself, and not in a worker"
        );
    }
}

/// The only worker got the items in their order.
#[track_caller]
fn ran_in_order(evidence: &Evidence, items: &[u64], when: &str) {
    let ran: Vec<u64> = evidence.witnesses.iter().map(|seen| seen.mark).collect();
    assert!(
        ran == items,
        "{when}: the only worker must get the items in their order, and it got them in another order"
    );
}

/// The pool started this many processes. The watcher and other processes of the
/// test's own are `others`.
#[track_caller]
fn started(evidence: &Evidence, processes: usize, others: u32, when: &str) {
    if let Some(started) = evidence.processes_started {
        let started = started.saturating_sub(others) as usize;
        assert!(
            started == processes,
            "{when}: the pool must start {} in all, and it started {started}",
            proctor::count(processes, "process")
        );
    }
    if let Some(threads) = evidence.threads_started {
        assert!(
            threads == 0,
            "the pool started {}, and it must start none",
            proctor::count(threads as usize, "thread")
        );
    }
}

/// The pool is dropped.
#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>) {
    only_the_caller_goes_on(&answer.evidence);
    answer.nothing_is_left("the pool is dropped");
}

// ---------------------------------------------------------------------- results

/// What the test's own job returns.
fn mixed(item: u64) -> u64 {
    match item {
        0 | u64::MAX => item,
        1 => u64::MAX,
        2 => 0,
        other => other.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

fn mix(item: u64) -> u64 {
    proctor::witness(item);
    mixed(item)
}

fn all_mixed(items: &[u64]) -> Vec<Result<u64, End>> {
    items.iter().map(|item| Ok(mixed(*item))).collect()
}

/// Numbers that differ from one another and mean nothing else.
fn numbers(count: usize) -> Vec<u64> {
    let mut all = BTreeSet::new();
    while all.len() < count {
        all.insert(proctor::rng().u64(1 << 32..1 << 56));
    }
    let mut all: Vec<u64> = all.into_iter().collect();
    proctor::rng().shuffle(&mut all);
    all
}

#[proctor::test(clauses = [1, 2, 8, 9, 13, 14], subject = |(workers, maps): (usize, Vec<Vec<u64>>)| -> Vec<Mapped> {
    watched(|| {
        let mut pool = start(workers, mix);
        let mapped = maps.iter().map(|items| map(&mut pool, items)).collect();
        end(pool);
        mapped
    })
})]
fn each_item_has_its_result(mut subject: Subject) {
    let extremes = vec![
        0,
        u64::MAX,
        1,
        2,
        0,
        1 << 63,
        u64::from(u32::MAX),
        2,
        3,
        u64::MAX,
    ];
    let equal = vec![proctor::random::<u32>().into(); 7];
    let maps = vec![
        numbers(20),
        vec![],
        extremes,
        numbers(1),
        equal,
        numbers(3),
        vec![],
    ];
    for workers in [1, 3, 8] {
        let answer = ask(&mut subject, &(workers, maps.clone()), "7 calls of map");
        assert!(
            answer.value.len() == maps.len(),
            "the subject made {} calls",
            answer.value.len()
        );
        for (items, mapped) in maps.iter().zip(&answer.value) {
            let when = format!(
                "{} and {}",
                proctor::count(workers, "worker"),
                proctor::count(items.len(), "item")
            );
            expect(mapped, &all_mixed(items), &when);
        }
        let pids = each_ran_once(&answer.evidence, maps.concat());
        if workers == 1 {
            ran_in_order(&answer.evidence, &maps.concat(), "7 calls of map");
        }
        assert!(
            pids.len() <= workers,
            "{} had to be started, and {} ran jobs",
            proctor::count(workers, "worker"),
            proctor::count(pids.len(), "process")
        );
        started(
            &answer.evidence,
            workers,
            1,
            "7 calls of map, in which no worker ends",
        );
        nothing_is_left(&answer);
    }
}

/// Waits until the job of the next item has been answered.
fn in_reverse(item: u64) -> u64 {
    let (turn, count) = (item & 0xff, item >> 8 & 0xff);
    if turn + 1 < count {
        until(|| number(TURN).load(Relaxed) == turn + 1);
        let next = who(FIRST);
        // It sleeps when it has sent its answer, and the caller when it has
        // read that answer.
        Onlooker::of_process(next.as_raw()).until_it_waits();
        Onlooker::of_process(getppid().as_raw()).until_it_waits();
    }
    i_am(FIRST);
    number(TURN).store(turn, Relaxed);
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 8, 9, 13, 14], subject = |items: Vec<u64>| -> Mapped {
    watched(|| {
        number(TURN).store(u64::MAX, Relaxed);
        let mut pool = start(items.len(), in_reverse);
        let mapped = map(&mut pool, &items);
        end(pool);
        mapped
    })
})]
fn results_come_in_the_order_of_the_items(mut subject: Subject) {
    let items: Vec<u64> = (0..6_u64)
        .map(|turn| proctor::random::<u64>() << 16 | 6 << 8 | turn)
        .collect();
    let when = "6 workers, whose jobs end in the reverse order of the items";
    let answer = ask(&mut subject, &items, when);
    expect(&answer.value, &all_mixed(&items), when);
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [1, 2, 8, 9, 10, 13, 14], slow = true, deadline = 120.0, descriptors = 64, subject = |(seed, count): (u64, u64)| -> (Result<Option<usize>, Problem>, usize) {
    let items: Vec<u64> = (0..count).map(|index| seed.wrapping_add(index * index)).collect();
    let mut pool = start(8, mixed);
    let mapped = map(&mut pool, &items);
    let wrong = mapped.map(|results| {
        let right = |(item, result): (&u64, &Result<u64, End>)| *result == Ok(mixed(*item));
        let wrong = items.iter().zip(&results).position(|pair| !right(pair));
        wrong.or((results.len() != items.len()).then_some(results.len()))
    });
    end(pool);
    (wrong, items.len())
})]
fn seventy_thousand_items_are_not_too_many(mut subject: Subject) {
    let count = 70_000;
    let answer = subject.ask(&(proctor::random(), count));
    let (wrong, items) = &answer.value;
    assert!(*items as u64 == count, "the subject made {items} items");
    match wrong {
        Ok(None) => {}
        Ok(Some(index)) => panic!("70,000 items: the result of item {index} is wrong or missing"),
        Err(error) => panic!("70,000 items: map returned an error: {}", error.text),
    }
    started(&answer.evidence, 8, 0, "70,000 items for 8 workers");
    nothing_is_left(&answer);
}

// ------------------------------------------------------------ who works, and when

fn meet_all(item: u64) -> u64 {
    proctor::witness(item);
    meet(item & 0xff);
    u64::from(std::process::id()) << 32 | u64::from(getppid().as_raw().unsigned_abs())
}

/// The workers that ran jobs of [`meet_all`].
fn workers_in(mapped: &Mapped) -> Vec<Pid> {
    let ids = mapped.iter().flatten().flatten();
    ids.map(|ids| pid_of(ids >> 32)).collect()
}

extern "C" fn note_signal(_: c_int) {
    number(OPEN).fetch_add(1, Relaxed);
}

/// Lets signals with a handler interrupt each idle worker, and stops it and lets
/// it go on.
fn disturb_idle(workers: &[Pid]) {
    for pid in workers {
        let mut worker = Onlooker::of_process(pid.as_raw());
        for _ in 0..2 {
            worker.until_it_waits();
            let before = number(OPEN).load(Relaxed);
            let _ = kill(*pid, Signal::SIGUSR1);
            until(|| number(OPEN).load(Relaxed) > before || has_ended(*pid));
        }
        worker.until_it_waits();
        let _ = kill(*pid, Signal::SIGSTOP);
        worker.until_it_stops();
        let _ = kill(*pid, Signal::SIGCONT);
    }
}

#[proctor::test(clauses = [1, 2, 8, 9, 13, 14], subject = |maps: Vec<Vec<u64>>| -> Vec<Mapped> {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(note_signal), SaFlags::empty());
    watched(|| {
        let mut pool = start(maps[0].len(), meet_all);
        let mapped = maps.iter().map(|items| {
            let mapped = map(&mut pool, items);
            disturb_idle(&workers_in(&mapped));
            mapped
        });
        let mapped = mapped.collect();
        end(pool);
        mapped
    })
})]
fn all_workers_work_at_the_same_time_and_stay(mut subject: Subject) {
    for workers in [1, 2, 5, 20] {
        let items: Vec<u64> = numbers(3 * workers)
            .iter()
            .map(|item| item << 8 | workers as u64)
            .collect();
        let maps: Vec<Vec<u64>> = items.chunks(workers).map(<[u64]>::to_vec).collect();
        let when = match workers {
            1 => "1 job, for 1 worker".to_owned(),
            _ => format!("{workers} jobs that wait for one another, for {workers} workers"),
        };
        let answer = ask(&mut subject, &maps, &when);
        let caller = answer.evidence.pid as u64;
        let mut workers_of = Vec::new();
        for mapped in &answer.value {
            let mut pids = BTreeSet::new();
            for result in results(mapped) {
                let Ok(ids) = result else {
                    panic!("{when}: the job returned, and the result is {result:?}");
                };
                assert!(
                    ids & 0xffff_ffff == caller,
                    "a worker is not a child of the process that called start: its parent has the id {}, and the caller has the id {caller}",
                    ids & 0xffff_ffff
                );
                pids.insert((ids >> 32) as i32);
            }
            workers_of.push(pids);
        }
        let seen = each_ran_once(&answer.evidence, items);
        assert!(
            workers_of
                .iter()
                .all(|pids| *pids == seen && pids.len() == workers),
            "{when}: in 3 calls of map, the processes {workers_of:?} ran the jobs, and they must be the same {workers}. (Between the calls, a signal with a handler interrupted each idle worker, and it was stopped and continued.)"
        );
        started(&answer.evidence, workers, 1, &when);
        nothing_is_left(&answer);
    }
}

/// An item with this bit is long: its job waits for all short ones.
const LONG: u64 = 1 << 60;

/// The last of the short items lets the long ones go on. Each item says how many
/// there are of both.
fn long_or_short(item: u64) -> u64 {
    proctor::witness(item);
    let (long, short) = (item >> 48 & 0xff, item >> 40 & 0xff);
    if item & LONG != 0 {
        wait_at(0, 1);
    } else if number(TURN).fetch_add(1, Relaxed) + 1 == short {
        open(0, long);
    }
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 8, 9, 13, 14], subject = |(workers, items): (usize, Vec<u64>)| -> Mapped {
    watched(|| {
        let mut pool = start(workers, long_or_short);
        let mapped = map(&mut pool, &items);
        end(pool);
        mapped
    })
})]
fn a_long_item_delays_no_other_item(mut subject: Subject) {
    for (workers, places, short) in [
        (2, 0..1, 15_usize),
        (2, 1..2, 15),
        (2, 9..10, 15),
        (3, 4..6, 24),
        (4, 0..3, 27),
        (130, 0..129, 140),
        (130, 1..130, 140),
    ] {
        let long = places.len();
        let counts = (long as u64) << 48 | (short as u64) << 40;
        let items = numbers(short + long)
            .into_iter()
            .map(|item| item >> 16 | counts);
        let mut items: Vec<u64> = items.collect();
        for item in &mut items[places.clone()] {
            *item |= LONG;
        }
        let when = format!(
            "{workers} workers, {short} short items, and {} (at {places:?}). The job of a long item waits until the short items are done",
            proctor::count(long, "long item")
        );
        let answer = ask(&mut subject, &(workers, items.clone()), &when);
        expect(&answer.value, &all_mixed(&items), &when);
        each_ran_once(&answer.evidence, items);
        started(&answer.evidence, workers, 1, &when);
        nothing_is_left(&answer);
    }
}

// ------------------------------------------------------------------- if one ends

/// What a job does: the top byte of its item. The next byte is an argument.
const RETURN: u64 = 0;
const EXIT: u64 = 1;
const EXIT_AT_ONCE: u64 = 2;
const DIE: u64 = 3;
const ABORT: u64 = 4;
const MEET: u64 = 5;
const COUNT: u64 = 6;
const PANIC: u64 = 7;
const HOLD: u64 = 8;
const DIE_LATER: u64 = 9;
const RELEASE: u64 = 10;
const SPOIL: u64 = 11;

/// An item that makes the job do something.
fn order(what: u64, argument: u64) -> u64 {
    what << 56 | argument << 48 | proctor::rng().u64(..1 << 48)
}

fn obey(item: u64) -> u64 {
    proctor::witness(item);
    let argument = item >> 48 & 0xff;
    match item >> 56 {
        EXIT => {
            one_more_ends();
            exit(argument as i32)
        }
        EXIT_AT_ONCE => {
            one_more_ends();
            // SAFETY: ends the process and touches no memory.
            unsafe { libc::_exit(argument as i32) }
        }
        DIE => {
            one_more_ends();
            if let Ok(signal) = Signal::try_from(argument as i32) {
                on_signal(signal, SigHandler::SigDfl, SaFlags::empty());
                let _ = raise(signal);
            }
        }
        ABORT => {
            one_more_ends();
            proctor::leave_a_core_file();
            abort()
        }
        PANIC => {
            one_more_ends();
            panic_in(argument, item);
        }
        MEET => meet(argument),
        DIE_LATER => {
            wait_at(1, 1);
            one_more_ends();
            let _ = raise(Signal::SIGKILL);
        }
        HOLD => {
            i_am(FIRST);
            open(1, 1);
            wait_at(2, 1);
        }
        RELEASE => open(2, 1),
        SPOIL => {
            wait_at(1, 1);
            let _ = kill(getppid(), Signal::SIGUSR1);
            until(|| number(OPEN).load(Relaxed) == 1);
        }
        COUNT => {
            let open = descriptors();
            let lost = (0..=2).any(|fd| !open.contains(&fd));
            return if lost { 0 } else { open.len() as u64 };
        }
        _ => {}
    }
    mixed(item)
}

/// What `map` must return for an item of [`obey`].
fn obeyed(item: u64) -> Result<u64, End> {
    let argument = item >> 48 & 0xff;
    match item >> 56 {
        EXIT | EXIT_AT_ONCE => Err(Exited(argument as u8)),
        DIE => Err(Killed(argument as i32)),
        DIE_LATER => Err(Killed(libc::SIGKILL)),
        ABORT => Err(Killed(libc::SIGABRT)),
        PANIC => Err(Exited(101)),
        _ => Ok(mixed(item)),
    }
}

fn all_obeyed(items: &[u64]) -> Vec<Result<u64, End>> {
    items.iter().copied().map(obeyed).collect()
}

fn meetings(workers: usize) -> Vec<u64> {
    (0..workers).map(|_| order(MEET, workers as u64)).collect()
}

/// Calls `map` several times, and says each time whether zombies were left.
fn obey_all(workers: usize, maps: &[Vec<u64>]) -> Vec<(Mapped, bool)> {
    watched(|| {
        let mut pool = start(workers, obey);
        let ask = |items: &Vec<u64>| (map(&mut pool, items), has_zombies());
        let mapped = maps.iter().map(ask).collect();
        end(pool);
        mapped
    })
}

#[track_caller]
fn all_obeyed_in(mapped: &[(Mapped, bool)], maps: &[Vec<u64>], when: &str) {
    for (items, (mapped, zombies)) in maps.iter().zip(mapped) {
        expect(mapped, &all_obeyed(items), when);
        assert!(
            !zombies,
            "{when}: map has returned, and a worker that ended during the call is a zombie"
        );
    }
}

/// All ways to end.
fn endings() -> Vec<u64> {
    let code = || proctor::rng().u64(1..=255);
    let mut ends: Vec<u64> = [0, 1, 9, 128 + 9, 255]
        .iter()
        .map(|code| order(EXIT_AT_ONCE, *code))
        .collect();
    ends.extend([
        order(EXIT, 0),
        order(EXIT, code()),
        order(EXIT_AT_ONCE, code()),
        order(ABORT, 0),
    ]);
    for signal in [
        Signal::SIGHUP,
        Signal::SIGKILL,
        Signal::SIGSEGV,
        Signal::SIGPIPE,
        Signal::SIGTERM,
        Signal::SIGSYS,
    ] {
        ends.push(order(DIE, signal as u64));
    }
    ends
}

type Maps = (usize, Vec<Vec<u64>>);

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14], core_files = true, subject = |(workers, maps): Maps| -> Vec<(Mapped, bool)> {
    let mapped = obey_all(workers, &maps);
    for file in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let _ = fs::remove_file(file.path());
    }
    mapped
})]
fn a_worker_that_ends_costs_only_its_item(mut subject: Subject) {
    for workers in [1, 3] {
        let mut items = endings();
        items.extend(numbers(10));
        proctor::rng().shuffle(&mut items);
        let deaths = endings().len();
        let maps = vec![items, meetings(workers)];
        let when = format!(
            "{}, {deaths} items that end their worker, and other items between them",
            proctor::count(workers, "worker")
        );
        let answer = ask(&mut subject, &(workers, maps.clone()), &when);
        all_obeyed_in(&answer.value, &maps, &when);
        each_ran_once(&answer.evidence, maps.concat());
        if workers == 1 {
            ran_in_order(&answer.evidence, &maps.concat(), &when);
        }
        started(&answer.evidence, workers + deaths, 1, &when);
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14], subject = |(workers, maps): Maps| -> Vec<(Mapped, bool)> {
    obey_all(workers, &maps)
})]
fn a_new_worker_takes_the_place_of_one_that_ended(mut subject: Subject) {
    let workers = 4;
    let kill = || order(DIE, Signal::SIGKILL as u64);
    // How many workers end at the beginning of each map. As many as there are
    // workers must then work at the same time, in the same map.
    let deaths = [1, 4, 2, 9];
    let maps = deaths.map(|deaths| {
        let mut items: Vec<u64> = (0..deaths).map(|_| kill()).collect();
        items.extend(meetings(workers));
        items
    });
    let when = "4 workers, items that end their worker, and then 4 jobs that wait for one another";
    let answer = ask(&mut subject, &(workers, maps.to_vec()), when);
    all_obeyed_in(&answer.value, &maps, when);
    each_ran_once(&answer.evidence, maps.concat());
    started(
        &answer.evidence,
        workers + deaths.iter().sum::<usize>(),
        1,
        when,
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14], slow = true, deadline = 60.0, subject = |(workers, maps): Maps| -> Vec<(Mapped, bool)> {
    obey_all(workers, &maps)
})]
fn hundreds_of_workers_may_end(mut subject: Subject) {
    // One worker is busy all the time, so the others end in the same place.
    let deaths = 260;
    let mut items = vec![order(HOLD, 0)];
    items.extend((1..deaths).map(|code| order(EXIT_AT_ONCE, code as u64 & 0xff)));
    items.extend([order(DIE_LATER, 0), order(RELEASE, 0)]);
    let maps = vec![items, meetings(2)];
    let when =
        format!("2 workers: one is busy, and {deaths} workers end in the place of the other one");
    let answer = ask(&mut subject, &(2, maps.clone()), &when);
    all_obeyed_in(&answer.value, &maps, &when);
    each_ran_once(&answer.evidence, maps.concat());
    started(&answer.evidence, 2 + deaths, 1, &when);
    nothing_is_left(&answer);
}

/// The job of a second pool, which returns something else.
fn obey_with_a_twist(item: u64) -> u64 {
    !obey(item)
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14], subject = |turns: Vec<(bool, Vec<u64>)>| -> Vec<Mapped> {
    watched(|| {
        let mut first = start(2, obey);
        let mut second = start(2, obey_with_a_twist);
        let (last, others) = turns.split_last().expect("a last turn");
        let mut mapped = Vec::new();
        for (is_first, items) in others {
            mapped.push(map(if *is_first { &mut first } else { &mut second }, items));
        }
        // The other pool is used once more.
        let (dropped, mut kept) = if last.0 { (second, first) } else { (first, second) };
        end(dropped);
        mapped.push(map(&mut kept, &last.1));
        end(kept);
        mapped
    })
})]
fn two_pools_keep_apart(mut subject: Subject) {
    let when = "2 pools with different jobs, which are used in turns, and whose workers end and are replaced";
    for last in [true, false] {
        let turns: Vec<(bool, Vec<u64>)> = [true, false, true, false, last]
            .into_iter()
            .map(|is_first| {
                let mut items = vec![order(EXIT, 3), order(DIE, Signal::SIGTERM as u64)];
                items.extend(meetings(2));
                items.extend(numbers(3));
                (is_first, items)
            })
            .collect();
        let answer = ask(&mut subject, &turns, when);
        for ((is_first, items), mapped) in turns.iter().zip(&answer.value) {
            let twist = |result: Result<u64, End>| match is_first {
                true => result,
                false => result.map(|value| !value),
            };
            let expected: Vec<_> = items.iter().map(|item| twist(obeyed(*item))).collect();
            expect(mapped, &expected, when);
        }
        each_ran_once(&answer.evidence, turns.into_iter().flat_map(|turn| turn.1));
        started(&answer.evidence, 4 + 10, 1, when);
        nothing_is_left(&answer);
    }
}

/// Panics when it is dropped.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("a destructor panics");
    }
}

const PANICS: [&str; 4] = [
    "a message",
    "a number",
    "a value of 64 KiB",
    "a value whose destructor panics",
];

fn panic_in(way: u64, item: u64) {
    match way {
        0 => panic!("the panic of item {item}"),
        1 => resume_unwind(Box::new(7_u8)),
        2 => panic_any([7_u8; 1 << 16]),
        _ => panic_any(PanicsWhenDropped),
    }
}

extern "C" fn at_exit() {
    proctor::witness(AT_EXIT);
}

/// What the caller's panic hook prints besides.
const HOOK: &str = "this is the hook of the caller";

#[proctor::test(clauses = [1, 2, 3, 4, 6, 8, 9, 13, 14], subject = |(workers, maps): Maps| -> Vec<(Mapped, bool)> {
    // SAFETY: the handler sends a note to the judge.
    unsafe { libc::atexit(at_exit) };
    let hook = take_hook();
    set_hook(Box::new(move |info| {
        eprintln!("{HOOK}");
        hook(info);
    }));
    let mapped = obey_all(workers, &maps);
    let _ = take_hook();
    mapped
})]
fn a_panic_ends_only_the_worker(mut subject: Subject) {
    for (way, payload) in PANICS.iter().enumerate() {
        // The second and the third are those of workers that replaced another.
        let panics = [(); 3].map(|()| order(PANIC, way as u64));
        let mut items = numbers(5);
        items.insert(proctor::rng().usize(..6), panics[0]);
        items.insert(proctor::rng().usize(..7), panics[1]);
        let mut more = meetings(1);
        more.insert(0, panics[2]);
        let maps = vec![items, more];
        let when = format!("1 worker, and a job that panics with {payload}");
        let answer = ask(&mut subject, &(1, maps.clone()), &when);
        all_obeyed_in(&answer.value, &maps, &when);
        each_ran_once(&answer.evidence, maps.concat());
        if way == 0 {
            let count = |text: &str| answer.output.stderr.matches(text).count();
            for item in panics {
                let reports = count(&format!("the panic of item {item}"));
                assert!(
                    reports == 1,
                    "the panic hook of the caller must report the panic once, and it reported it {}",
                    proctor::count(reports, "time")
                );
            }
            let reports = count(HOOK);
            assert!(
                reports == 3,
                "the caller has set a panic hook of its own. There were 3 panics, and this hook ran {}",
                proctor::count(reports, "time")
            );
        }
        started(&answer.evidence, 4, 1, &when);
        nothing_is_left(&answer);
        subject.fresh();
    }
}

/// Holds the caller in the handler of a signal, wherever it is.
extern "C" fn hold(_: c_int) {
    number(SECOND).store(1, Relaxed);
    until(|| number(OPEN).load(Relaxed) == 1);
}

/// The first item is answered, and its worker is killed. The second one holds
/// the caller meanwhile.
fn answer_and_die(item: u64) -> u64 {
    let caller = getppid();
    match item & 3 {
        0 => {
            i_am(FIRST);
            until(|| number(SECOND).load(Relaxed) == 1);
            let me = getpid();
            thread::spawn(move || {
                let mut worker = Onlooker::of_process(me.as_raw());
                for _ in 0..5 {
                    // It has sent the answer, and waits for the next item.
                    worker.until_it_waits();
                    thread::sleep(Duration::from_millis(1));
                }
                // SAFETY: ends the process and touches no memory.
                let exit_with = |code| unsafe { libc::_exit(code) };
                match item >> 2 & 3 {
                    0 => _ = kill(me, Signal::SIGKILL),
                    1 => exit_with(0),
                    2 => exit_with(7),
                    _ => abort(),
                }
            });
        }
        1 => {
            let first = who(FIRST);
            let _ = kill(caller, Signal::SIGUSR1);
            until(|| has_ended(first));
            number(OPEN).store(1, Relaxed);
        }
        _ => meet(2),
    }
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 3, 5, 6, 7, 8, 9, 13, 14, 15], subject = |(items, more): (Vec<u64>, Vec<u64>)| -> [Mapped; 2] {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(hold), SaFlags::empty());
    watched(|| {
        let mut pool = start(2, answer_and_die);
        let first = map(&mut pool, &items);
        let second = map(&mut pool, &more);
        end(pool);
        [first, second]
    })
})]
fn an_answer_counts_even_if_its_worker_is_dead(mut subject: Subject) {
    let ends = [
        "a signal (SIGKILL) ends it",
        "it ends with exit code 0",
        "it ends with exit code 7",
        "it calls abort",
    ];
    for (way, end) in ends.iter().enumerate() {
        let item = |what: u64| proctor::random::<u64>() << 4 | (way as u64) << 2 | what;
        let (items, more) = ([item(0), item(1)].to_vec(), [item(2), item(2)].to_vec());
        let when = format!("a worker sends its answer, and {end} before map reads the answer");
        let answer = ask(&mut subject, &(items.clone(), more.clone()), &when);
        expect(&answer.value[0], &all_mixed(&items), &when);
        expect(&answer.value[1], &all_mixed(&more), "the next map");
        nothing_is_left(&answer);
    }
}

// The workers end when these signals arrive while they are idle.
extern "C" fn exit_with_0(_: c_int) {
    // SAFETY: ends the process; a handler may call it.
    unsafe { libc::_exit(0) }
}

extern "C" fn exit_with_7(_: c_int) {
    // SAFETY: ends the process; a handler may call it.
    unsafe { libc::_exit(7) }
}

/// The signals that end an idle worker: it is killed, or a handler ends it.
const KILLED: i32 = libc::SIGKILL;
const EXITS_WITH_0: i32 = libc::SIGHUP;
const EXITS_WITH_7: i32 = libc::SIGTERM;

fn end_by_signals() {
    on_signal(
        Signal::SIGHUP,
        SigHandler::Handler(exit_with_0),
        SaFlags::empty(),
    );
    on_signal(
        Signal::SIGTERM,
        SigHandler::Handler(exit_with_7),
        SaFlags::empty(),
    );
}

fn send(signal: i32, pid: Pid) {
    let _ = kill(pid, Signal::try_from(signal).unwrap_or(Signal::SIGKILL));
}

/// Which workers get which signal while they are idle.
type Round = Vec<(usize, i32)>;

/// Ends some idle workers between two calls of `map`, again and again. Returns
/// what each `map` returned, and the workers that were ended before the next one.
fn end_idle(workers: u64, rounds: &[Round]) -> Vec<(Mapped, Vec<i32>)> {
    end_by_signals();
    watched(|| {
        let mut pool = start(workers as usize, meet_all);
        let mut all = Vec::new();
        let items = items_of_a_round(workers);
        let mut mapped = map(&mut pool, &items);
        for round in rounds {
            let pids = workers_in(&mapped);
            let mut ended = Vec::new();
            for (index, signal) in round {
                if let Some(pid) = pids.get(*index) {
                    Onlooker::of_process(pid.as_raw()).until_it_waits();
                    send(*signal, *pid);
                    until_it_ends(*pid);
                    ended.push(pid.as_raw());
                }
            }
            all.push((mapped, ended));
            mapped = map(&mut pool, &items);
        }
        all.push((mapped, Vec::new()));
        end(pool);
        all
    })
}

fn items_of_a_round(workers: u64) -> Vec<u64> {
    (0..4).map(|item| item << 8 | workers).collect()
}

#[proctor::test(clauses = [1, 2, 3, 6, 7, 8, 9, 13, 14], subject = |(workers, rounds): (u64, Vec<Round>)| -> Vec<(Mapped, Vec<i32>)> {
    end_idle(workers, &rounds)
})]
fn a_worker_that_dies_idle_costs_no_item(mut subject: Subject) {
    let aborted = libc::SIGABRT;
    let of_four = vec![
        vec![(1, KILLED)],
        vec![(0, EXITS_WITH_0)],
        vec![(3, EXITS_WITH_7), (2, aborted)],
        vec![
            (0, EXITS_WITH_0),
            (1, KILLED),
            (2, EXITS_WITH_7),
            (3, aborted),
        ],
        vec![(3, EXITS_WITH_7)],
        vec![],
    ];
    let of_one = [KILLED, EXITS_WITH_0, EXITS_WITH_7, aborted].map(|signal| vec![(0, signal)]);
    for (workers, rounds) in [(4_u64, of_four), (1, of_one.to_vec())] {
        let when = format!(
            "{}. Between two calls of map, workers end (by a signal, or with an exit code), and then there are 4 items",
            proctor::count(workers as usize, "worker")
        );
        let answer = ask(&mut subject, &(workers, rounds.clone()), &when);
        let mut before: Option<(BTreeSet<i32>, BTreeSet<i32>)> = None;
        for (mapped, ended) in &answer.value {
            let pids: Result<BTreeSet<i32>, &End> = results(mapped)
                .iter()
                .map(|result| result.as_ref().map(|ids| (ids >> 32) as i32))
                .collect();
            let pids = pids.unwrap_or_else(|end| panic!("{when}: these workers ended without an item, and map returned Err({end:?}) for an item"));
            assert!(
                pids.len() == workers as usize,
                "{when}: these jobs ran in {}",
                proctor::count(pids.len(), "process")
            );
            if let Some((were, ended)) = &before {
                let stayed: BTreeSet<i32> = were.difference(ended).copied().collect();
                assert!(
                    stayed.is_subset(&pids),
                    "{when}: the pool replaced a worker that was alive: {stayed:?} were alive, and {pids:?} work now"
                );
            }
            before = Some((pids, ended.iter().copied().collect()));
        }
        let items: Vec<u64> = (0..=rounds.len())
            .flat_map(|_| items_of_a_round(workers))
            .collect();
        if workers == 1 {
            ran_in_order(&answer.evidence, &items, &when);
        }
        each_ran_once(&answer.evidence, items);
        let deaths: usize = rounds.iter().map(Vec::len).sum();
        started(&answer.evidence, workers as usize + deaths, 1, &when);
        nothing_is_left(&answer);
    }
}

/// The long item kills the other worker, which has nothing to do any more.
fn kill_the_other(item: u64) -> u64 {
    match item & 3 {
        0 => {
            wait_at(0, 3);
            let other = who(FIRST);
            // It has sent its last answer, and the caller has read it.
            Onlooker::of_process(other.as_raw()).until_it_waits();
            Onlooker::of_process(getppid().as_raw()).until_it_waits();
            send((item >> 2 & 0xff) as i32, other);
            until(|| has_ended(other));
        }
        1 => {
            i_am(FIRST);
            open(0, 1);
        }
        _ => meet(2),
    }
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 3, 6, 7, 8, 9, 13, 14, 15], subject = |maps: Vec<Vec<u64>>| -> Vec<Mapped> {
    end_by_signals();
    watched(|| {
        let mut pool = start(2, kill_the_other);
        let mapped = maps.iter().map(|items| map(&mut pool, items)).collect();
        end(pool);
        mapped
    })
})]
fn a_worker_may_die_idle_while_another_works(mut subject: Subject) {
    for (signal, end) in [
        (KILLED, "is killed"),
        (EXITS_WITH_0, "ends with exit code 0"),
        (EXITS_WITH_7, "ends with exit code 7"),
    ] {
        let item = |what: u64| proctor::random::<u64>() << 10 | (signal as u64) << 2 | what;
        let maps = vec![
            vec![item(0), item(1), item(1), item(1)],
            vec![item(2), item(2)],
        ];
        let when = format!("2 workers, of which one {end} while it is idle and the other is busy");
        let answer = ask(&mut subject, &maps, &when);
        for (items, mapped) in maps.iter().zip(&answer.value) {
            expect(mapped, &all_mixed(items), &when);
        }
        started(&answer.evidence, 3, 1, &when);
        nothing_is_left(&answer);
    }
}

/// The third item kills the other worker, which has stopped. The pool has given
/// out the first two items then, one to each worker.
fn kill_the_stopped(item: u64) -> u64 {
    match item & 3 {
        0 => return meet_all(item << 8 | 2),
        1 => proctor::witness(item),
        _ => {
            proctor::witness(item);
            let stopped = who(SECOND);
            send(KILLED, stopped);
            until(|| has_ended(stopped));
        }
    }
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14, 15], subject = |(stopped, maps): (usize, [Vec<u64>; 3])| -> [Mapped; 3] {
    watched(|| {
        let mut pool = start(2, kill_the_stopped);
        let first = map(&mut pool, &maps[0]);
        if let Some(pid) = workers_in(&first).get(stopped) {
            let _ = kill(*pid, Signal::SIGSTOP);
            Onlooker::of_process(pid.as_raw()).until_it_stops();
            number(SECOND).store(pid.as_raw() as u64, Relaxed);
        }
        let second = map(&mut pool, &maps[1]);
        let third = map(&mut pool, &maps[2]);
        end(pool);
        [first, second, third]
    })
})]
fn an_item_that_was_given_is_given_to_no_other_worker(mut subject: Subject) {
    let item = |what: u64| proctor::random::<u64>() >> 16 << 2 | what;
    let when = "2 workers, of which one is stopped, is given an item, and is killed before it reads the item";
    for stopped in 0..2 {
        let maps = [
            vec![item(0), item(0)],
            vec![item(1), item(1), item(2)],
            vec![item(0), item(0)],
        ];
        let answer = ask(&mut subject, &(stopped, maps.clone()), when);
        let [first, second, third] = &answer.value;
        let workers: Vec<i32> = results(first)
            .iter()
            .map(|result| result.map_or(0, |ids| (ids >> 32) as i32))
            .collect();
        let ran: Vec<_> = answer
            .evidence
            .witnesses
            .iter()
            .filter(|seen| maps[1].contains(&seen.mark))
            .collect();
        for seen in &ran {
            assert!(
                seen.pid == workers[1 - stopped],
                "{when}: then the job ran for this item in another worker"
            );
        }
        // If the workers take the items themselves, the stopped one has none.
        let expected: Vec<_> = maps[1]
            .iter()
            .map(|item| match ran.iter().any(|seen| seen.mark == *item) {
                true => Ok(mixed(*item)),
                false => Err(Killed(libc::SIGKILL)),
            })
            .collect();
        expect(second, &expected, when);
        assert!(
            ran.len() >= 2 && workers_of(third).len() == 2,
            "{when}: afterwards, 2 workers must work at the same time"
        );
        started(&answer.evidence, 3, 1, when);
        nothing_is_left(&answer);
    }
}

/// The processes that ran the jobs of [`meet_all`], which must all have returned.
#[track_caller]
fn workers_of(mapped: &Mapped) -> BTreeSet<u64> {
    let ids = results(mapped).iter();
    ids.filter_map(|result| result.ok().map(|ids| ids >> 32))
        .collect()
}

// --------------------------------------------------------------------- the wait

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn interrupt(_: c_int) {
    HANDLED.fetch_add(1, Relaxed);
}

/// Sends signals to the waiting caller, or stops and lets the other worker
/// continue it.
fn disturb(item: u64) -> u64 {
    let (what, times) = (item >> 56, item >> 32 & 0xffff);
    let caller = getppid();
    let mut onlooker = Onlooker::of_process(caller.as_raw());
    match what {
        1 => {
            for _ in 0..times {
                onlooker.until_it_waits();
                let _ = kill(caller, Signal::SIGUSR1);
            }
            onlooker.until_it_waits();
        }
        2 => {
            i_am(FIRST);
            for _ in 0..times {
                let _ = raise(Signal::SIGSTOP);
            }
        }
        3 => {
            let other = who(FIRST);
            for _ in 0..times {
                Onlooker::of_process(other.as_raw()).until_it_stops();
                onlooker.until_it_waits();
                let _ = kill(other, Signal::SIGCONT);
            }
        }
        _ => {}
    }
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14, 15], subject = |items: Vec<u64>| -> (Mapped, u64) {
    HANDLED.store(0, Relaxed);
    on_signal(Signal::SIGUSR1, SigHandler::Handler(interrupt), SaFlags::empty());
    watched(|| {
        let mut pool = start(2, disturb);
        let mapped = map(&mut pool, &items);
        end(pool);
        (mapped, HANDLED.load(Relaxed))
    })
})]
fn neither_signals_nor_stops_end_the_wait(mut subject: Subject) {
    let item =
        |what: u64, times: u64| what << 56 | times << 32 | u64::from(proctor::random::<u32>());
    let signals = vec![item(0, 0), item(1, 1_100), item(0, 0), item(0, 0)];
    let stops = vec![item(2, 20), item(3, 20), item(0, 0), item(2, 0)];
    for (items, what) in [
        (
            signals,
            "1,100 signals, each with a handler, arrive while map waits",
        ),
        (stops, "a busy worker stops (SIGSTOP) and goes on, 20 times"),
    ] {
        let answer = ask(&mut subject, &items, what);
        let (mapped, handled) = &answer.value;
        if let Err(error) = mapped {
            panic!("{what}: map gave up with the error \"{}\"", error.text);
        }
        expect(mapped, &all_mixed(&items), what);
        assert!(
            *handled > 0 || what.contains("SIGSTOP"),
            "{what}: the caller's handler had not run when map returned"
        );
        started(&answer.evidence, 2, 1, what);
        nothing_is_left(&answer);
    }
}

/// The time that a job takes, and the limits that a pool must not have.
const LONG_TIME: Duration = Duration::from_millis(1_800);

fn sleep_if_odd(item: u64) -> u64 {
    if item % 2 == 1 {
        thread::sleep(LONG_TIME);
    }
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 8, 9, 13, 14, 15], slow = true, deadline = 60.0, subject = |items: Vec<u64>| -> Mapped {
    let mut pool = start(2, sleep_if_odd);
    let mapped = map(&mut pool, &items);
    end(pool);
    mapped
})]
fn there_is_no_limit_of_time(mut subject: Subject) {
    let items = [5, 6, 8, 10];
    let when = format!("the job of one item takes {} ms", LONG_TIME.as_millis());
    let answer = subject.ask(&items.to_vec());
    expect(&answer.value, &all_mixed(&items), &when);
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14, 15], faults = [Wait], subject = |(workers, maps): Maps| -> Vec<(Mapped, bool)> {
    let mut pool = start(workers, obey);
    let mapped = maps.iter().map(|items| (map(&mut pool, items), false)).collect();
    end(pool);
    mapped
})]
fn an_interrupted_wait_for_a_worker_is_repeated(mut subject: Subject) {
    // With a worker that ends during `map`, and without one: then the drop waits.
    for first in [order(EXIT, 7), order(RETURN, 0)] {
        let maps = vec![vec![first, order(RETURN, 0), order(RETURN, 0)]];
        subject.fail(Failure::of(Fault::Wait, Errno::EINTR).times(300));
        let when = "waitpid fails 300 times with EINTR";
        let answer = ask(&mut subject, &(1, maps.clone()), when);
        all_obeyed_in(&answer.value, &maps, when);
        nothing_is_left(&answer);
    }
}

// ----------------------------------------------------------------- what is left

/// What the workers of a pool that is about to be dropped are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Unused,
    Idle,
    Stopped,
    IgnoreSignals,
    Dead,
}

/// Makes the calling worker deaf to signals that usually end a process.
fn ignore_signals() {
    use Signal::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1] {
        on_signal(signal, SigHandler::SigIgn, SaFlags::empty());
    }
}

fn meet_deaf(item: u64) -> u64 {
    ignore_signals();
    meet_all(item)
}

/// Makes two pools, and drops the first while the second one lives. Returns the
/// workers of the first that are still there, and what the second one returned.
fn drop_one((state, workers): (State, u64)) -> (Vec<u64>, Mapped) {
    let items: Vec<u64> = (0..workers).map(|item| item << 8 | workers).collect();
    watched(|| {
        let job = if state == State::IgnoreSignals {
            meet_deaf
        } else {
            meet_all
        };
        let mut first = start(workers as usize, job);
        let mut second = start(2, long_or_short);
        let mut pids = Vec::new();
        if state != State::Unused {
            pids.extend(
                map(&mut first, &items)
                    .iter()
                    .flatten()
                    .flatten()
                    .map(|ids| ids >> 32),
            );
        }
        let _ = map(&mut second, &[1, 2]);
        let signal = match state {
            State::Stopped => Some((Signal::SIGSTOP, WaitPidFlag::WSTOPPED)),
            State::Dead => Some((Signal::SIGKILL, WaitPidFlag::WEXITED)),
            _ => None,
        };
        for (index, pid) in pids.iter().enumerate() {
            if let (Some((signal, change)), true) = (signal, index % 2 == 0) {
                let _ = kill(pid_of(*pid), signal);
                let _ = waitid(Id::Pid(pid_of(*pid)), change | WaitPidFlag::WNOWAIT);
            }
        }
        end(first);
        pids.retain(|pid| kill(pid_of(*pid), None) != Err(Errno::ESRCH));
        let mapped = map(&mut second, &[5, 6, 7]);
        end(second);
        (pids, mapped)
    })
}

#[proctor::test(clauses = [1, 2, 8, 9, 13, 14], subject = |question: (State, u64)| -> (Vec<u64>, Mapped) {
    drop_one(question)
})]
fn dropping_the_pool_ends_all_workers(mut subject: Subject) {
    for (state, what) in [
        (State::Unused, "a pool that was never used is dropped"),
        (State::Idle, "a pool is dropped"),
        (
            State::Stopped,
            "a pool is dropped, and some of its workers are stopped (SIGSTOP)",
        ),
        (
            State::IgnoreSignals,
            "a pool is dropped, and its workers ignore SIGTERM and other signals",
        ),
        (
            State::Dead,
            "a pool is dropped, and some of its workers were killed before",
        ),
    ] {
        let answer = ask(&mut subject, &(state, 5), what);
        let (left, mapped) = &answer.value;
        assert!(
            left.is_empty(),
            "{what}: {} of its 5 workers still exist afterwards, as processes or as zombies",
            left.len()
        );
        expect(
            mapped,
            &all_mixed(&[5, 6, 7]),
            "another pool is used after the first was dropped",
        );
        started(&answer.evidence, 7, 1, what);
        nothing_is_left(&answer);
    }
}

/// How a child of the test's own ended, or the error of waiting for it.
fn status_of(child: Pid) -> Result<i32, String> {
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => Ok(code),
        Ok(status) => Err(format!("{status:?}")),
        Err(errno) => Err(errno.to_string()),
    }
}

/// Ends another child of the caller while `map` waits, and then its own worker.
fn end_a_stranger(item: u64) -> u64 {
    if item == 0 {
        open(1, 1);
        until(|| has_ended(who(FIRST)));
        Onlooker::of_process(getppid().as_raw()).until_it_waits();
        one_more_ends();
        exit(3);
    }
    mixed(item)
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14], subject = |(ended, running): (u8, u8)| -> (Mapped, [Result<i32, String>; 2], bool) {
    watched(|| {
        let ended = other_child(|| ended);
        // It has ended, and its status waits for the caller.
        until_it_ends(ended);
        let stopped = other_child(|| {
            let _ = raise(Signal::SIGSTOP);
            0
        });
        let _ = waitid(Id::Pid(stopped), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT);
        let running = other_child(|| {
            i_am(FIRST);
            wait_at(1, 1);
            running
        });
        who(FIRST);
        let mut pool = start(2, end_a_stranger);
        let mapped = map(&mut pool, &[5, 0, 6, 7]);
        end(pool);
        let still = waitid(Id::Pid(stopped), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG);
        let still = matches!(still, Ok(WaitStatus::Stopped(..)));
        let _ = kill(stopped, Signal::SIGKILL);
        let _ = waitpid(stopped, None);
        let running = status_of(running);
        (mapped, [status_of(ended), running], still)
    })
})]
fn other_children_of_the_caller_are_left_alone(mut subject: Subject) {
    let codes: (u8, u8) = (proctor::rng().u8(4..100), proctor::rng().u8(100..));
    let when = "the caller has 3 other children, of which one ends while map waits";
    let answer = ask(&mut subject, &codes, when);
    let (mapped, statuses, still) = &answer.value;
    let expected = [Ok(mixed(5)), Err(Exited(3)), Ok(mixed(6)), Ok(mixed(7))];
    expect(mapped, &expected, when);
    for (code, status) in [(codes.0, &statuses[0]), (codes.1, &statuses[1])] {
        assert!(
            *status == Ok(i32::from(code)),
            "{when}: this child ended with {code}, and when the caller waits for it, it gets {status:?}"
        );
    }
    assert!(
        *still,
        "{when}: one had stopped, and the caller's own wait does not report that any more"
    );
    nothing_is_left(&answer);
}

static BEFORE: OnceLock<Surroundings> = OnceLock::new();

/// What has changed, apart from `kinds` of things.
fn changes(before: &Surroundings, without: &[&str]) -> Vec<String> {
    let mut changes = before.changes();
    changes.retain(|change| !without.iter().any(|kind| change.starts_with(kind)));
    changes
}

/// Prints how the signals of the worker differ from those of the caller.
fn look_around(item: u64) -> u64 {
    let mut changes = BEFORE.get().map(Surroundings::changes).unwrap_or_default();
    // A signal for the caller is not pending in a child.
    changes.retain(|change| change.contains("signal") && !change.contains("pending"));
    if !changes.is_empty() {
        println!("{}", changes.join("; "));
    }
    match item {
        0 => {
            one_more_ends();
            exit(1)
        }
        other => mixed(other),
    }
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14], subject = |(): ()| -> [(String, Vec<String>); 3] {
    on_signal(Signal::SIGHUP, SigHandler::SigIgn, SaFlags::empty());
    on_signal(Signal::SIGUSR1, SigHandler::Handler(interrupt), SaFlags::empty());
    // With SA_RESTART: this signal can arrive during a fork, and the judge looks
    // at each fork.
    let action = SigAction::new(
        SigHandler::Handler(interrupt),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler only counts.
    let _ = unsafe { sigaction(Signal::SIGCHLD, &action) };
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGUSR2);
    blocked.add(Signal::SIGWINCH);
    blocked.thread_set_mask().expect("a mask");
    number(ENDINGS).store(0, Relaxed);
    let before = BEFORE.get_or_init(Surroundings::now);
    let pools = ["child ", "file descriptor "];
    let mut pool = start(3, look_around);
    let after_start = changes(before, &pools);
    let mapped = map(&mut pool, &[1, 0, 2, 3, 0, 4]);
    let after_map = changes(before, &pools);
    end(pool);
    let after_drop = changes(before, &[]);
    if let Err(error) = mapped {
        panic!("map returned an error: {}", error.text);
    }
    [("start".to_owned(), after_start), ("map".to_owned(), after_map), ("dropping the pool".to_owned(), after_drop)]
})]
fn the_caller_and_the_jobs_find_what_was_there(mut subject: Subject) {
    let answer = ask(&mut subject, &(), "6 items, of which 2 end their worker");
    for (call, changes) in &answer.value {
        assert!(
            changes.is_empty(),
            "{call} has changed something in the caller and has not put it back: {}",
            changes.join("; ")
        );
    }
    assert!(
        answer.output.stdout.is_empty(),
        "the job must find the signals as the caller has them, and it found a difference: {}",
        answer.output.stdout.trim_end()
    );
    nothing_is_left(&answer);
}

/// The open descriptors of this process.
fn descriptors() -> BTreeSet<i32> {
    let all = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let all: Vec<i32> = all
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // One of them was the folder itself.
    // SAFETY: the call only asks.
    all.into_iter()
        .filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0)
        .collect()
}

/// What `the_workers_have_few_descriptors` returns: how many descriptors the
/// caller had before, those that are not close-on-exec, and how many it had
/// after `start` and after `map`.
type Descriptors = (usize, Vec<i32>, [usize; 2], [Mapped; 3]);

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 10, 13, 14], subject = |(workers, items): (usize, [Vec<u64>; 3])| -> Descriptors {
    watched(|| {
        let before = descriptors();
        let mut pool = start(workers, obey);
        let mut mapped = vec![map(&mut pool, &items[0])];
        let at_first = descriptors();
        let inherited = at_first.difference(&before).copied().filter(|fd| {
            // SAFETY: the call only asks.
            unsafe { libc::fcntl(*fd, libc::F_GETFD) & libc::FD_CLOEXEC == 0 }
        });
        let inherited = inherited.collect();
        mapped.push(map(&mut pool, &items[1]));
        mapped.push(map(&mut pool, &items[2]));
        let at_last = descriptors();
        end(pool);
        let mapped = <[Mapped; 3]>::try_from(mapped).expect("three calls");
        (before.len(), inherited, [at_first.len(), at_last.len()], mapped)
    })
})]
fn the_workers_have_few_descriptors(mut subject: Subject) {
    let workers = 10;
    let counts = || -> Vec<u64> { (0..30).map(|_| order(COUNT, 0)).collect() };
    let mut deaths: Vec<u64> = (0..50).map(|_| order(EXIT, 1)).collect();
    deaths.extend(meetings(workers));
    let when = "10 workers, of which 50 end one after the other and are replaced";
    let answer = ask(&mut subject, &(workers, [counts(), deaths, counts()]), when);
    let (before, inherited, [first, last], mapped) = &answer.value;
    for (mapped, which) in [
        (&mapped[0], "one of the first workers"),
        (&mapped[2], "a worker that replaced another"),
    ] {
        for result in results(mapped) {
            let Ok(open) = result else {
                panic!("{when}: the job returned, and the result is {result:?}");
            };
            assert!(
                *open > 0,
                "{which} has no standard input, output or error: it must have open what the caller has open"
            );
            assert!(
                *open <= *before as u64 + 4,
                "{which} has {open} descriptors open. The caller had {before} before it started the pool, and a worker may have 4 more. Does it have descriptors that belong to other workers?"
            );
        }
    }
    assert!(
        inherited.is_empty(),
        "descriptors of the pool in the caller are not close-on-exec, so every program that the caller starts gets them: {inherited:?}"
    );
    assert!(
        last <= first,
        "{when}: the caller had {first} descriptors open before and has {last} afterwards"
    );
    nothing_is_left(&answer);
}

/// Files that the caller has open: their numbers, and what makes each of them
/// different from all others. A worker has the list as it was when it was started.
static FILES: Mutex<Vec<(i32, u64)>> = Mutex::new(Vec::new());

fn files() -> MutexGuard<'static, Vec<(i32, u64)>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of an open file in its file system.
fn inode(fd: i32) -> u64 {
    // SAFETY: zeros are a valid structure, which the call fills.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        match libc::fstat(fd, &raw mut stat) {
            0 => stat.st_ino,
            _ => 0,
        }
    }
}

/// Opens this many files. They get the lowest numbers that are free.
fn open_files(count: usize) {
    for _ in 0..count {
        // SAFETY: makes a file in memory, with a static name.
        let fd = unsafe { libc::memfd_create(c"file".as_ptr(), libc::MFD_CLOEXEC) };
        files().push((fd, inode(fd)));
    }
}

/// Takes all numbers below this one, as far as the limit allows.
fn open_files_up_to(top: i32) {
    let some = files()[0];
    // SAFETY: makes a new descriptor of an open one.
    let copies =
        std::iter::repeat_with(|| unsafe { libc::fcntl(some.0, libc::F_DUPFD_CLOEXEC, 0) });
    let copies = copies.take_while(|fd| *fd >= 0).map(|fd| (fd, some.1));
    let last = |file: &(i32, u64)| file.0 >= top;
    let mut files = files();
    for copy in copies {
        files.push(copy);
        if last(&copy) {
            return;
        }
    }
    // There must be room for the pool.
    let room = files.len().saturating_sub(100);
    for (fd, _) in files.drain(room..) {
        // SAFETY: nothing else uses it.
        unsafe { libc::close(fd) };
    }
}

/// Closes some of the files, so that their numbers are free.
fn close_files(which: impl Fn(usize) -> bool) {
    let mut place = 0;
    files().retain(|(fd, _)| {
        let closed = which(place);
        place += 1;
        if closed {
            // SAFETY: nothing else uses it.
            unsafe { libc::close(*fd) };
        }
        !closed
    });
}

/// How many of the caller's files the worker does not have.
fn count_lost(item: u64) -> u64 {
    if item >> 56 == EXIT {
        one_more_ends();
        exit(1);
    }
    meet(item & 0xff);
    let files = files();
    let lost = files.iter().filter(|(fd, file)| inode(*fd) != *file);
    lost.count() as u64
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 10, 13, 14], descriptors = 1_400, subject = |(workers, ends): (u64, usize)| -> Vec<Mapped> {
    let all: Vec<u64> = (0..workers).map(|_| workers).collect();
    let some_end: Vec<u64> = (0..ends).map(|_| EXIT << 56).collect();
    watched(|| {
        // The pool's numbers lie between those of the caller's files, and above
        // 1,023.
        open_files(12);
        open_files_up_to(1_050);
        close_files(|place| place < 12 && place % 3 == 1);
        let mut pool = start(workers as usize, count_lost);
        let mut mapped = vec![map(&mut pool, &all)];
        // Workers that are started later have these files, too. The first of them
        // may take the numbers of the workers that end at last.
        mapped.push(map(&mut pool, &[&all[..], &some_end].concat()));
        open_files(3);
        mapped.push(map(&mut pool, &all));
        mapped.push(map(&mut pool, &[&some_end[..], &all].concat()));
        end(pool);
        // These take all the numbers that the first pool had.
        open_files(30);
        let mut pool = start(workers as usize, count_lost);
        mapped.push(map(&mut pool, &all));
        mapped.push(map(&mut pool, &[&some_end[..], &all].concat()));
        end(pool);
        close_files(|_| true);
        mapped
    })
})]
fn the_workers_have_the_files_of_the_caller(mut subject: Subject) {
    let (workers, ends) = (5, 2);
    let when = "a caller with a thousand open files";
    let answer = ask(&mut subject, &(workers, ends), when);
    for (call, mapped) in answer.value.iter().enumerate() {
        for lost in results(mapped).iter().flatten() {
            assert!(
                *lost == 0,
                "{when}: a worker must have open what the caller has open, and {lost} files are not there"
            );
        }
        let mut expected = vec![Ok(0); workers as usize];
        let ended = vec![Err(Exited(1)); ends];
        match call {
            1 => expected.extend(ended),
            3 | 5 => expected = [ended, expected].concat(),
            _ => {}
        }
        expect(mapped, &expected, when);
    }
    started(&answer.evidence, 2 * workers as usize + 3 * ends, 1, when);
    nothing_is_left(&answer);
}

// ---------------------------------------------------------- the end of the caller

/// One worker stays busy; all say who they are.
fn report_and_stay(item: u64) -> u64 {
    let place = item as usize & 3;
    meet(3);
    i_am(FIRST + place);
    open(1, 1);
    if item & LONG != 0 {
        wait_at(2, 1);
    }
    item
}

/// What becomes of a worker whose caller was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Fate {
    Ended,
    Sleeps,
    LooksOn,
    RunsOn,
}

/// How often [`fate_of`] looks at a process before it says that it does not end.
/// There are at least 10 ms between two looks.
const LOOKS: u32 = 1_200;

/// Waits until a process has ended, or has done nothing for a while, or has
/// used the CPU for a while, or still does something now and then.
fn fate_of(pid: Pid) -> Fate {
    let mut before = None;
    let mut quiet = 0;
    let mut looks = 0;
    let ticks = || stat(pid).map_or(0, |stat| stat.ticks);
    let spent = ticks();
    while !has_ended(pid) {
        looks += 1;
        if looks == LOOKS {
            return Fate::LooksOn;
        }
        let mut now = BTreeMap::new();
        let rests = look_at(pid, &mut now).is_some() && before.as_ref() == Some(&now);
        quiet = if rests { quiet + 1 } else { 0 };
        if quiet == 30 && !has_ended(pid) {
            return Fate::Sleeps;
        }
        if ticks() >= spent + 20 && !has_ended(pid) {
            return Fate::RunsOn;
        }
        before = Some(now);
        thread::sleep(Duration::from_millis(10));
    }
    Fate::Ended
}

#[proctor::test(clauses = [2, 10, 11], orphans = true, deadline = 60.0, subject = |items: Vec<u64>| -> (Vec<Fate>, Fate) {
    make_gates();
    // An answer that panics here would panic in the other process below.
    end(start(1, mixed));
    number(PHASE).store(MAP, Relaxed);
    // SAFETY: the handler sends a note to the judge.
    unsafe { libc::atexit(at_exit) };
    let caller = other_child(|| {
        let mut pool = start(3, report_and_stay);
        let _ = map(&mut pool, &items);
        0
    });
    wait_at(1, 3);
    let pids = [FIRST, FIRST + 1, FIRST + 2].map(who);
    let busy = items.iter().position(|item| item & LONG != 0).expect("a long item");
    for pid in pids.into_iter().chain([caller]) {
        Onlooker::of_process(pid.as_raw()).until_it_waits();
    }
    let _ = kill(caller, Signal::SIGKILL);
    let _ = waitpid(caller, None);
    let mut idle: Vec<Fate> = Vec::new();
    for index in (0..3).filter(|index| *index != busy) {
        // One that stays is enough.
        if idle.iter().all(|fate| *fate == Fate::Ended) {
            idle.push(fate_of(pids[index]));
        }
    }
    open(2, 1);
    let busy = match idle.iter().all(|fate| *fate == Fate::Ended) {
        true => fate_of(pids[busy]),
        false => Fate::Ended,
    };
    for pid in pids {
        if !has_ended(pid) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
    READ.iter().chain(&WRITE).for_each(close_end);
    for place in 0..NUMBERS {
        number(place).store(0, Relaxed);
    }
    (idle, busy)
})]
fn the_workers_end_with_their_caller(mut subject: Subject) {
    for busy in 0..3 {
        let mut items: Vec<u64> = vec![0, 1, 2];
        items[busy] |= LONG;
        let answer = subject.ask(&items);
        let (idle, last) = &answer.value;
        only_the_caller_goes_on(&answer.evidence);
        let killed = format!("a signal killed the caller while item {busy} of 3 was in work");
        for (fates, which) in [
            (&idle[..], "an idle worker did not end"),
            (
                &[*last],
                "the worker that was busy did not end after its job had returned",
            ),
        ] {
            assert!(
                !fates.contains(&Fate::Sleeps),
                "{killed}, and {which}: it sleeps and waits for an item"
            );
            assert!(
                !fates.contains(&Fate::LooksOn),
                "{killed}, and {which}: it wakes up again and again, and stays"
            );
            assert!(
                !fates.contains(&Fate::RunsOn),
                "{killed}, and {which}: it uses the CPU without end"
            );
        }
        subject.fresh();
    }
}

// -------------------------------------------------------------- ids without owner

/// Returns the id of its worker, or ends it.
fn die_or_say(item: u64) -> u64 {
    if item == 1 {
        one_more_ends();
        let _ = raise(Signal::SIGKILL);
    }
    u64::from(std::process::id())
}

/// Ends workers that are busy and one that is idle, and drops the pool.
fn end_some() -> u8 {
    let mut pool = start(2, die_or_say);
    let mapped = map(&mut pool, &[0, 1, 0, 1, 0]);
    if let Some(idle) = mapped.iter().flatten().flatten().last() {
        let idle = pid_of(*idle);
        if !has_ended(idle) {
            let _ = kill(idle, Signal::SIGKILL);
            until_it_ends(idle);
        }
    }
    let _ = map(&mut pool, &[0, 0, 0]);
    end(pool);
    0
}

/// Runs `life` in a child, and looks at each system call of this child with which
/// it sends a signal (man 2 ptrace). Returns how many of these signals went to an
/// id that no process had, and the child's ending, or `None` where that cannot be
/// seen. A zombie has its id until it is reaped.
fn signals_to_nobody(life: impl FnOnce() -> u8) -> Option<(usize, String)> {
    let child = traced_child(life)?;
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(child, options).expect("a stopped child");
    let (mut nobody, mut arrived) = (0, None);
    loop {
        // It may have been killed meanwhile.
        let _ = ptrace::syscall(child, arrived.take());
        let status = loop {
            match waitpid(child, None) {
                Err(Errno::EINTR) => {}
                status => break status.expect("a child"),
            }
        };
        match status {
            WaitStatus::PtraceSyscall(_) => match ptrace::syscall_info(child) {
                Ok(call) => nobody += usize::from(signals_nobody(&call)),
                Err(_) => {
                    let _ = kill(child, Signal::SIGKILL);
                    let _ = waitpid(child, None);
                    return None;
                }
            },
            WaitStatus::Stopped(_, signal) => arrived = Some(signal),
            WaitStatus::Exited(_, code) => return Some((nobody, exit_code(code))),
            WaitStatus::Signaled(_, signal, _) => return Some((nobody, signal.to_string())),
            _ => {}
        }
    }
}

/// The exit code of the child if it panics.
const PANICKED: u8 = 101;

fn exit_code(code: i32) -> String {
    format!("exit code {code}")
}

/// Whether this is the beginning of a system call that sends a signal to an id that
/// no process has.
fn signals_nobody(call: &libc::ptrace_syscall_info) -> bool {
    if call.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return false;
    }
    // SAFETY: the fields are numbers, and any number is valid.
    let entry = unsafe { call.u.entry };
    let signal = match entry.nr as i64 {
        libc::SYS_kill | libc::SYS_tkill | libc::SYS_rt_sigqueueinfo => entry.args[1],
        libc::SYS_tgkill => entry.args[2],
        _ => return false,
    };
    // Signal 0 only asks, and a number that is not positive names a group.
    let id = entry.args[0] as i32;
    signal != 0 && id > 0 && stat(Pid::from_raw(id)).is_none()
}

#[proctor::test(clauses = [3, 6, 7, 8, 9, 12, 13, 14, 16], faults = [Process], subject = |(): ()| -> Option<(usize, String)> {
    let (mut message, writer) = pipe().expect("a pipe");
    let found = watched(|| signals_to_nobody(move || {
        catch_unwind(end_some).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or(payload.downcast_ref::<String>().map(String::as_str));
            let _ = (&writer).write_all(text.unwrap_or("a panic").as_bytes());
            PANICKED
        })
    }));
    if found.as_ref().is_some_and(|(_, ending)| *ending == exit_code(PANICKED.into())) {
        // The workers may still have the other end, so this does not wait for the last byte.
        let mut text = [0; 1000];
        let length = message.read(&mut text).unwrap_or(0);
        panic!("{}", String::from_utf8_lossy(&text[..length]));
    }
    found
})]
fn no_signal_goes_to_a_reaped_worker(mut subject: Subject) {
    for (is_failing, when) in [
        (false, "2 workers, of which some end"),
        (
            true,
            "2 workers, of which one ends, and fork fails for the new one",
        ),
    ] {
        if is_failing {
            // The first two are the workers of `start`.
            let failure = Failure::of(Fault::Process, Errno::EAGAIN).after(2);
            subject.fail(failure.whose(Whose::TheChildrens));
        }
        let answer = ask(&mut subject, &(), when);
        if let Some((nobody, ending)) = &answer.value {
            assert!(
                *nobody == 0,
                "{when}: the pool sent {} to a process id that no process had any more. The worker with this id had been reaped, so the kernel may give the id to another process, which then gets the signal",
                proctor::count(*nobody, "signal")
            );
            assert!(
                ending != TOO_MANY_ENDINGS.as_str(),
                "{when}: {}",
                too_many_endings()
            );
            assert!(
                *ending == exit_code(0),
                "{when}: the process that calls the pool ended by {ending} before it had dropped the pool"
            );
        }
        nothing_is_left(&answer);
    }
}

// ------------------------------------------------------------------------ errors

/// Whether `start` failed, with which kind of error, what it has changed or
/// left, how the caller's own child had ended, and whether there are others.
type Started = (
    Result<(), (Problem, bool)>,
    Vec<String>,
    Result<i32, String>,
    bool,
);

/// The exit code of a child of the caller's own.
const STRANGER: u8 = 77;

/// A child of the caller that has ended. Its status waits for the caller.
fn ended_stranger() -> Pid {
    let stranger = other_child(|| STRANGER);
    until_it_ends(stranger);
    stranger
}

#[track_caller]
fn stranger_is_there(status: &Result<i32, String>, when: &str) {
    assert!(
        *status == Ok(i32::from(STRANGER)),
        "{when}: the caller has another child, which ended with {STRANGER}. When the caller waits for it, it gets {status:?}"
    );
}

#[proctor::test(clauses = [8, 9, 12], faults = [Process, Pipe], subject = |workers: usize| -> Started {
    let stranger = ended_stranger();
    let before = Surroundings::now();
    let result = match try_start(workers, mix) {
        Ok(pool) => {
            drop(pool);
            Ok(())
        }
        Err(error) => Err((problem(&error), error.kind() == io::ErrorKind::InvalidInput)),
    };
    let changes = before.changes();
    let status = status_of(stranger);
    let left = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
    (result, changes, status, left != Err(Errno::ECHILD))
})]
fn an_error_of_start_leaves_nothing(mut subject: Subject) {
    let none = subject.ask(&0);
    match &none.value.0 {
        Ok(()) => panic!("start(0, …) returned a pool: a pool without workers cannot do anything"),
        Err((error, invalid)) => assert!(
            *invalid,
            "start(0, …) must fail with the kind InvalidInput, and the error was: {}",
            error.text
        ),
    }
    started(&none.evidence, 0, 1, "start(0, …)");
    nothing_is_left(&none);
    for (workers, before, fault, errno, what) in [
        (1, 0, Fault::Process, Errno::EAGAIN, "fork fails"),
        (
            5,
            2,
            Fault::Process,
            Errno::ENOMEM,
            "fork fails for the third of 5 workers",
        ),
        (
            5,
            4,
            Fault::Process,
            Errno::EAGAIN,
            "fork fails for the last of 5 workers",
        ),
        (
            usize::MAX,
            6,
            Fault::Process,
            Errno::EAGAIN,
            "start(usize::MAX, …), and fork fails for the seventh worker",
        ),
        (
            1 << 8 | 3,
            6,
            Fault::Process,
            Errno::EAGAIN,
            "start(259, …), and fork fails for the seventh worker",
        ),
        (
            1 << 16,
            6,
            Fault::Process,
            Errno::ENOMEM,
            "start(65536, …), and fork fails for the seventh worker",
        ),
        (
            1 << 32,
            6,
            Fault::Process,
            Errno::EAGAIN,
            "start(2^32, …), and fork fails for the seventh worker",
        ),
        (
            1 << 32 | 3,
            6,
            Fault::Process,
            Errno::EAGAIN,
            "start(2^32 + 3, …), and fork fails for the seventh worker",
        ),
        (1, 0, Fault::Pipe, Errno::EMFILE, "pipe or socketpair fails"),
        (
            5,
            3,
            Fault::Pipe,
            Errno::ENFILE,
            "the fourth call of pipe or socketpair fails",
        ),
        (
            5,
            4,
            Fault::Pipe,
            Errno::EMFILE,
            "the fifth call of pipe or socketpair fails",
        ),
    ] {
        // The first process is the test's own.
        let others = u32::from(fault == Fault::Process);
        subject.fail(
            Failure::of(fault, errno)
                .after(before + others)
                .whose(Whose::TheSubjects),
        );
        let answer = subject.try_ask(&workers).unwrap_or_else(|mut failing| {
            failing.cause = format!("{what}: {}", failing.cause);
            failing.end()
        });
        nothing_is_left(&answer);
        // Other ways may need fewer pipes, or none.
        if fault == Fault::Pipe && answer.evidence.faults == 0 {
            continue;
        }
        let (result, changes, status, has_children) = &answer.value;
        match result {
            Ok(()) => panic!("{what}: start must return the error, and it returned a pool"),
            Err((error, _)) => assert!(
                error.errno == Some(errno as i32),
                "{what} with the error number {}, and start returned another error: {} (number {:?})",
                errno as i32,
                error.text,
                error.errno
            ),
        }
        stranger_is_there(status, what);
        assert!(
            !has_children,
            "{what}: start has returned the error, and workers that it had started are still there"
        );
        assert!(
            changes.is_empty(),
            "{what}: start has returned the error, and has changed something in the caller: {}",
            changes.join("; ")
        );
    }
}

/// Opens descriptors until the process may open no more.
fn use_up_descriptors() -> Vec<i32> {
    // SAFETY: makes new descriptors of an open one.
    let copies = std::iter::repeat_with(|| unsafe { libc::fcntl(2, libc::F_DUPFD_CLOEXEC, 0) });
    copies.take_while(|fd| *fd >= 0).collect()
}

/// Makes every further poll fail: it may not look at more descriptors than the
/// process may have open (man 2 poll, EINVAL).
extern "C" fn spoil_poll(_: c_int) {
    limit_descriptors(0);
    number(OPEN).store(1, Relaxed);
}

/// Sets how many descriptors the process may have open, at most its hard limit.
/// Returns how many it might have before.
fn limit_descriptors(most: u64) -> u64 {
    // SAFETY: zeros are a valid structure; the calls fill and read it.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let before = limit.rlim_cur;
        limit.rlim_cur = most.min(limit.rlim_max);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        before
    }
}

/// What fails in `map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Fork,
    /// Many more items wait at that moment.
    ForkForMany,
    Descriptors,
    Wait,
    Poll,
}

/// What happens to a pool of `workers`: the calls of `map` fail, and the last one
/// must work.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trouble {
    workers: usize,
    step: Step,
    /// The items of the calls that fail.
    failing: Vec<Vec<u64>>,
    last: Vec<u64>,
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Failed {
    failing: Vec<Mapped>,
    /// Whether the worker that was busy still exists after the first call.
    exists: bool,
    last: Mapped,
    changes: [Vec<String>; 2],
    stranger: Result<i32, String>,
}

/// More items than any limit that a pool might have.
const MANY: usize = 2_100_000;

fn map_in_trouble(trouble: Trouble) -> Failed {
    let Trouble {
        workers,
        step,
        mut failing,
        last,
    } = trouble;
    on_signal(
        Signal::SIGUSR1,
        SigHandler::Handler(spoil_poll),
        SaFlags::empty(),
    );
    if step == Step::ForkForMany {
        failing[0].resize(MANY, 0);
    }
    watched(|| {
        let stranger = ended_stranger();
        let before = Surroundings::now();
        let mut pool = start(workers, obey);
        let copies = match step {
            Step::Descriptors => use_up_descriptors(),
            _ => Vec::new(),
        };
        let room = limit_descriptors(u64::MAX);
        let failing = failing.iter().map(|items| map(&mut pool, items)).collect();
        limit_descriptors(room);
        for copy in copies {
            // SAFETY: nothing else uses it.
            unsafe { libc::close(copy) };
        }
        let after_the_error = changes(&before, &["child ", "file descriptor "]);
        let mut exists = false;
        // 0 if there was no such worker, or if the error came before it began.
        let busy = number(FIRST).load(Relaxed);
        if busy > 0 {
            exists = kill(pid_of(busy), None) != Err(Errno::ESRCH);
            // If it exists, it now sends an answer that nobody wants.
            open(2, 1);
            if exists {
                Onlooker::of_process(busy as i32).until_it_waits();
            }
        }
        let last = map(&mut pool, &last);
        end(pool);
        let changes = [after_the_error, changes(&before, &[])];
        let stranger = status_of(stranger);
        Failed {
            failing,
            exists,
            last,
            changes,
            stranger,
        }
    })
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 13, 14, 16], faults = [Process, Wait], descriptors = 64, subject = |trouble: Trouble| -> Failed {
    map_in_trouble(trouble)
})]
fn after_an_error_of_map_the_pool_can_be_used(mut subject: Subject) {
    let busy = "one of 2 workers is busy; the other one ends";
    for (workers, step, errno, times, what) in [
        (
            1,
            Step::Fork,
            Errno::EAGAIN,
            20,
            "the only worker ends, and fork fails for the new one, in 20 calls of map",
        ),
        (
            2,
            Step::Fork,
            Errno::ENOMEM,
            1,
            "fork fails for the new one",
        ),
        (
            1,
            Step::ForkForMany,
            Errno::EAGAIN,
            1,
            "map gets 2,100,000 items, the only worker ends at the first item, and fork fails for the new one",
        ),
        (
            1,
            Step::Descriptors,
            Errno::EMFILE,
            20,
            "the only worker ends, and the caller has no descriptor left for the new one, in 20 calls of map",
        ),
        (
            2,
            Step::Descriptors,
            Errno::EMFILE,
            1,
            "the caller has no descriptor left for the new one",
        ),
        (
            1,
            Step::Wait,
            Errno::ECHILD,
            1,
            "the only worker ends, and the wait for it fails",
        ),
        (2, Step::Wait, Errno::EINVAL, 1, "the wait for it fails"),
        (
            2,
            Step::Poll,
            Errno::EINVAL,
            1,
            "one of 2 workers is busy, and poll begins to fail",
        ),
    ] {
        let mut items = vec![order(DIE, Signal::SIGKILL as u64)];
        let mut when = what.to_owned();
        if step == Step::Poll {
            items = vec![order(HOLD, 0), order(SPOIL, 0)];
        } else if workers > 1 {
            // The second worker ends when the first one is busy.
            items = vec![order(HOLD, 0), order(DIE_LATER, 0)];
            when = format!("{busy}, and {what}");
        }
        items.extend(numbers(5));
        // If nothing fails, the busy worker can go on.
        items.push(order(RELEASE, 0));
        let mut failing = vec![items];
        failing.resize_with(times, || numbers(3));
        let last = meetings(workers);
        let failure = match step {
            // The watcher and the other child are processes of the test's own.
            Step::Fork | Step::ForkForMany => Some(
                Failure::of(Fault::Process, errno)
                    .after(2 + workers as u32)
                    .times(times as u32),
            ),
            Step::Wait => Some(Failure::of(Fault::Wait, errno).after(1)),
            Step::Descriptors | Step::Poll => None,
        };
        if let Some(failure) = failure {
            subject.fail(failure.whose(Whose::TheSubjects));
        }
        let trouble = Trouble {
            workers,
            step,
            failing: failing.clone(),
            last: last.clone(),
        };
        let answer = ask(&mut subject, &trouble, &when);
        let found = &answer.value;
        // Other ways need no descriptor for a new worker, or do not call poll.
        let may_work = matches!(step, Step::Descriptors | Step::Poll);
        for (items, mapped) in failing.iter().zip(&found.failing) {
            match mapped {
                Ok(_) if may_work => expect(mapped, &all_obeyed(items), &when),
                Ok(_) => panic!("{when}: map must return the error, and it returned results"),
                Err(error) => assert!(
                    error.errno == Some(errno as i32)
                        || step == Step::Poll && error.errno.is_some(),
                    "{when} with the error number {}, and map returned another error: {} (number {:?})",
                    errno as i32,
                    error.text,
                    error.errno
                ),
            }
        }
        assert!(
            !found.exists || found.failing[0].is_ok(),
            "{when}: map has returned the error, and the worker that was busy still exists"
        );
        match &found.last {
            Ok(_) => expect(
                &found.last,
                &all_obeyed(&last),
                &format!("{when}. In the next map"),
            ),
            Err(error) => panic!(
                "{when}. The next map must work, and it returned an error: {}",
                error.text
            ),
        }
        stranger_is_there(&found.stranger, &when);
        for (changes, call) in found.changes.iter().zip(["map", "dropping the pool"]) {
            assert!(
                changes.is_empty(),
                "{when}: {call} has changed something in the caller and has not put it back: {}",
                changes.join("; ")
            );
        }
        nothing_is_left(&answer);
    }
}
