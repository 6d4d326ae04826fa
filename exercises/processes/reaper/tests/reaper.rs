//! Judges the reaper from outside: what it returns, what its descriptor says,
//! and what the kernel says about the children.
//!
//! No test waits for a time. A child of the test ends at once, or when the test
//! opens its gate, and the kernel says (WNOWAIT) when it has ended. Where the
//! handler has to run at a certain place of the learner's code, the test raises
//! SIGCHLD itself (see [`at_each_free`]), or it follows the learner's code from
//! one system call to the next (see [`follow`]).
proctor::exercise!(reaper);

use std::collections::HashSet;
use std::fmt;
use std::io::{self, PipeWriter, Read, Write, pipe};
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, raise, sigaction,
};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, getpid, getppid, gettid, pause};
use proctor::{
    Answer, Failure, Fault, Onlooker, Subject, Surroundings, Whose, other_child, step, traced_child,
};
use reaper::Reaper;
use serde::{Deserialize, Serialize};

/// An ending as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum End {
    Exited(u8),
    Killed(i32),
}
use End::{Exited, Killed};

impl fmt::Display for End {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exited(code) => write!(to, "exit code {code}"),
            Killed(signal) => write!(to, "killed by signal {signal}"),
        }
    }
}

/// What one call of `reap` or `wait` returned: for each child its place among
/// the children of the test (or [`STRANGER`]) and its ending, sorted.
type Ends = Vec<(usize, End)>;

/// The place of a process that is not one of the children that the test watches.
const STRANGER: usize = usize::MAX;

/// What a subject answers. The text says which call failed although it must
/// succeed.
type Told<T> = Result<T, String>;

// ------------------------------------------------------------- in the subject

fn told<T>(call: &str, result: io::Result<T>) -> Told<T> {
    result.map_err(|error| format!("{call} must return Ok here, and it returned an error: {error}"))
}

fn install() -> Told<Reaper> {
    told("install", Reaper::install())
}

/// Watches all of them.
fn watch(reaper: &mut Reaper, children: &[Pid]) -> Told<()> {
    let watch = |child: &Pid| told("watch", reaper.watch(*child));
    children.iter().try_for_each(watch)
}

fn reap(reaper: &mut Reaper, children: &[Pid]) -> Told<Ends> {
    told("reap", reaper.reap()).map(|ended| plain(ended, children))
}

fn wait(reaper: &mut Reaper, children: &[Pid]) -> Told<Ends> {
    told("wait", reaper.wait()).map(|ended| plain(ended, children))
}

fn plain(ended: Vec<(Pid, reaper::Ending)>, children: &[Pid]) -> Ends {
    let place = |pid| children.iter().position(|child| *child == pid);
    let plain = |(pid, ending)| {
        let end = match ending {
            reaper::Ending::Exited(code) => Exited(code),
            reaper::Ending::Killed(signal) => Killed(signal),
        };
        (place(pid).unwrap_or(STRANGER), end)
    };
    let mut ends: Ends = ended.into_iter().map(plain).collect();
    ends.sort_unstable();
    ends
}

/// The number of an error, and -1 for an error without one.
fn errno<T>(result: &io::Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(-1),
    }
}

/// A child that runs `work` and exits with what it returns.
fn child(work: impl FnOnce() -> u8) -> Pid {
    // If a signal is pending, the kernel begins the fork again after the
    // handler, and the judge would count two starts.
    let set = SigSet::from(Signal::SIGCHLD);
    let mask = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).expect("a mask");
    // Where a test has a second thread, that thread holds no lock.
    let child = other_child(|| {
        let _ = mask.thread_set_mask();
        work()
    });
    let _ = mask.thread_set_mask();
    child
}

/// Returns when the child has ended. The child stays as it is. The kernel has
/// sent SIGCHLD by then, and if it is not blocked, its handler has run.
fn until_ended(child: Pid) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(child), flags) == Err(Errno::EINTR) {}
}

/// Whether the child has ended and nobody has waited for it.
fn is_zombie(child: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    !matches!(
        waitid(Id::Pid(child), flags),
        Ok(WaitStatus::StillAlive) | Err(_)
    )
}

fn until_killed() -> ! {
    loop {
        pause();
    }
}

fn ended_child(code: u8) -> Pid {
    let child = child(|| code);
    until_ended(child);
    child
}

/// A child that waits for a byte, and then exits with a code.
struct Gated {
    pid: Pid,
    key: io::PipeWriter,
}

impl Gated {
    fn new(code: u8) -> Gated {
        let (mut gate, key) = pipe().expect("a gate");
        let pid = child(|| {
            let _ = gate.read(&mut [0]);
            code
        });
        Gated { pid, key }
    }

    /// Returns when the child has ended.
    fn end(&self) {
        let _ = (&self.key).write(b"!");
        until_ended(self.pid);
    }
}

/// What the caller itself gets when it waits for a child.
fn waited(child: Pid) -> Result<End, i32> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno as i32),
        }
    }
}

/// Whether the reaper's descriptor is readable now.
fn is_readable(reaper: &Reaper) -> bool {
    loop {
        let mut fds = [PollFd::new(reaper.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Err(Errno::EINTR) => {}
            ready => {
                let events = fds[0].revents().unwrap_or(PollFlags::empty());
                return ready == Ok(1) && events.contains(PollFlags::POLLIN);
            }
        }
    }
}

fn set_handler(signal: Signal, handler: SigHandler, flags: SaFlags, mask: SigSet) {
    // SAFETY: the handlers of this file only count.
    let _ = unsafe { sigaction(signal, &SigAction::new(handler, flags, mask)) };
}

/// How often a handler of the test's own has run.
static CALLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    CALLED.fetch_add(1, Relaxed);
}

extern "C" fn count_informed(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    CALLED.fetch_add(1, Relaxed);
}

/// Blocks or unblocks a signal for the calling thread.
fn block(signal: Signal, blocked: bool) {
    let set = SigSet::from(signal);
    let _ = if blocked {
        set.thread_block()
    } else {
        set.thread_unblock()
    };
}

fn block_sigchld(blocked: bool) {
    block(Signal::SIGCHLD, blocked);
}

fn is_pending(signal: Signal) -> bool {
    // SAFETY: the call fills the set.
    unsafe {
        let mut pending = mem::zeroed();
        libc::sigpending(&raw mut pending);
        libc::sigismember(&raw const pending, signal as libc::c_int) == 1
    }
}

/// How often the handler of SIGUSR2 has run.
static USR2: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_usr2(_: libc::c_int) {
    USR2.fetch_add(1, Relaxed);
}

/// Sends the calling thread a SIGUSR2 that it blocks, so that it stays pending
/// while `work` runs. Returns how often its handler ran during the work, and how
/// often after the thread has unblocked it.
fn with_a_blocked_signal<T>(work: impl FnOnce() -> T) -> (T, [u32; 2]) {
    let handler = SigHandler::Handler(count_usr2);
    set_handler(Signal::SIGUSR2, handler, SaFlags::empty(), SigSet::empty());
    USR2.store(0, Relaxed);
    block(Signal::SIGUSR2, true);
    let _ = raise(Signal::SIGUSR2);
    let result = work();
    let during = USR2.swap(0, Relaxed);
    block(Signal::SIGUSR2, false);
    (result, [during, USR2.load(Relaxed)])
}

/// More signals than a pipe has room for bytes.
const A_FLOOD: u32 = 66_000;

/// SIGCHLD, so many times.
fn flood(signals: u32) {
    let me = getpid();
    // (Cheaper than raise, and in a process with one thread it does the same.)
    (0..signals).for_each(|_| _ = kill(me, Signal::SIGCHLD));
}

/// What [`hook`] does next, and how often it was called.
static HOOK: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
const COUNTS: usize = 0;
const RAISES: usize = 1;
const OPENS_GATES: usize = 2;
static FREED: AtomicU32 = AtomicU32::new(0);

/// The gates that the hook opens, as (child, key). It must not allocate.
static GATES: [[AtomicI32; 2]; 16] = [const { [const { AtomicI32::new(0) }; 2] }; 16];

/// Runs in the middle of the learner's code, before memory is freed or moved.
fn hook(_: usize, _: usize) {
    if HOOK[COUNTS].load(Relaxed) {
        FREED.fetch_add(1, Relaxed);
    }
    if HOOK[RAISES].load(Relaxed) {
        FREED.fetch_add(1, Relaxed);
        let _ = raise(Signal::SIGCHLD);
    }
    if HOOK[OPENS_GATES].swap(false, Relaxed) {
        for [pid, key] in &GATES {
            // SAFETY: the byte outlives the call.
            unsafe { libc::write(key.load(Relaxed), b"!".as_ptr().cast(), 1) };
            until_ended(Pid::from_raw(pid.load(Relaxed)));
        }
    }
}

/// Runs `work`. Each time when it frees memory, [`hook`] does this meanwhile.
fn at_each_free<T>(what: usize, work: impl FnOnce() -> T) -> T {
    proctor::on_free(hook);
    HOOK[what].store(true, Relaxed);
    let result = work();
    HOOK[what].store(false, Relaxed);
    result
}

// ---------------------------------------------------------------- in the judge

/// What the subject answered, if every call did what it must do in every test.
#[track_caller]
fn value<A>(answer: &Answer<Told<A>>) -> &A {
    match &answer.value {
        Ok(value) => value,
        Err(what) => panic!("{what}"),
    }
}

/// The kernel's word: no child, no thread and no descriptor is left, and the
/// reaper has started none and printed nothing.
#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>, started: usize) {
    if let Some(processes) = answer.evidence.processes_started {
        assert!(
            processes as usize == started,
            "the test itself started {}, and in all {} started: a reaper starts no process",
            proctor::count(started, "process"),
            match processes {
                1 => "1 process was".to_owned(),
                _ => format!("{processes} processes were"),
            }
        );
    }
    answer.nothing_is_left("the reaper was dropped");
    answer.nothing_is_printed();
}

/// The children with these codes, as `reap` returns them, from this place on.
fn exited(codes: &[u8], first: usize) -> Ends {
    (first..)
        .zip(codes.iter().map(|code| Exited(*code)))
        .collect()
}

#[track_caller]
fn expect(what: &str, returned: &Ends, expected: &Ends) {
    if let Some((_, end)) = returned.iter().find(|(place, _)| *place == STRANGER) {
        panic!(
            "{what}, and the call returned a process that was not watched; the ending that came with it: {end}"
        );
    }
    let places = |ends: &Ends| ends.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    let (got, want) = (places(returned), places(expected));
    assert!(
        got == want,
        "{what}: the call must return the children {want:?}, and it returned {got:?} (the test numbers its children from 0)"
    );
    for ((place, is), (_, expected)) in returned.iter().zip(expected) {
        assert!(
            is == expected,
            "{what}: child {place} ended like this: {expected}; and the call returned: {is}"
        );
    }
}

/// Error numbers with their names, for a person.
fn names(errors: &[i32]) -> String {
    let name = |errno: &i32| match errno {
        0 => "Ok".to_owned(),
        -1 => "an error without a number".to_owned(),
        errno => format!("{:?}", Errno::from_raw(*errno)),
    };
    match errors {
        [] => "none".to_owned(),
        _ if errors.len() > 8 => {
            let first: Vec<String> = errors[..8].iter().map(name).collect();
            format!("{}, and {} more", first.join(", "), errors.len() - 8)
        }
        _ => errors.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

/// What the caller got when it waited for a child, for a person.
fn outcome(waited: &Result<End, i32>) -> String {
    match waited {
        Ok(end) => end.to_string(),
        Err(errno) => names(&[*errno]),
    }
}

fn outcomes(waited: &[Result<End, i32>]) -> String {
    waited.iter().map(outcome).collect::<Vec<_>>().join(", ")
}

/// Some exit codes, all different from 0.
fn codes<const N: usize>() -> [u8; N] {
    std::array::from_fn(|_| proctor::rng().u8(1..))
}

// -------------------------------------------------------------------- the tests

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], deadline = 10.0, subject = |codes: Vec<u8>| -> Told<([Ends; 4], [bool; 2])> {
    let mut reaper = install()?;
    let children: Vec<Gated> = codes.iter().map(|code| Gated::new(*code)).collect();
    let pids: Vec<Pid> = children.iter().map(|child| child.pid).collect();
    watch(&mut reaper, &pids)?;
    let before = reap(&mut reaper, &pids)?;
    children[1].end();
    let first = reap(&mut reaper, &pids)?;
    children[2].end();
    children[0].end();
    let second = wait(&mut reaper, &pids)?;
    // With no child to watch, the calls still forget what the signals said.
    let mut readable = [false; 2];
    let mut none = Vec::new();
    for (is_readable_now, call) in readable.iter_mut().zip([wait, reap]) {
        let _ = raise(Signal::SIGCHLD);
        none.extend(call(&mut reaper, &[])?);
        *is_readable_now = is_readable(&reaper);
    }
    Ok(([before, first, second, none], readable))
})]
fn children_come_back_as_they_end(mut subject: Subject) {
    let codes = codes::<3>();
    let answer = subject.ask(&codes.to_vec());
    let ([before, first, second, none], readable) = value(&answer);
    let end = |place: usize| (place, Exited(codes[place]));
    expect("no watched child has ended", before, &vec![]);
    expect("child 1 has ended", first, &vec![end(1)]);
    expect("children 0 and 2 have ended", second, &vec![end(0), end(2)]);
    expect("no child is watched any more", none, &vec![]);
    for (readable, call) in readable.iter().zip(["wait", "reap"]) {
        assert!(
            !*readable,
            "no child is watched, SIGCHLD arrived, {call} was called and returned an empty vector, and afterwards the descriptor is still readable: a caller that polls it would call {call} again and again"
        );
    }
    nothing_is_left(&answer, 3);
}

/// When SIGCHLD is unblocked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Unblocked {
    BeforeTheCall,
    AfterTheCall,
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], subject = |(codes, when, waits): (Vec<u8>, Unblocked, bool)| -> Told<[Ends; 3]> {
    let mut reaper = install()?;
    let (mut gate, mut key) = pipe().expect("a gate");
    let waits_at_the_gate = |code: &u8| child(|| gate.read(&mut [0]).map_or(0, |_| *code));
    let mut pids: Vec<Pid> = codes.iter().map(waits_at_the_gate).collect();
    let alive = Gated::new(7);
    pids.push(alive.pid);
    watch(&mut reaper, &pids)?;
    reap(&mut reaper, &pids)?;
    block_sigchld(true);
    key.write_all(&vec![0; codes.len()]).expect("a byte for each child");
    pids[..codes.len()].iter().for_each(|pid| until_ended(*pid));
    // One SIGCHLD is pending. Its handler runs now.
    block_sigchld(when == Unblocked::AfterTheCall);
    let call = if waits { wait } else { reap };
    let first = call(&mut reaper, &pids)?;
    let second = reap(&mut reaper, &pids)?;
    block_sigchld(false);
    alive.end();
    Ok([first, second, wait(&mut reaper, &pids)?])
})]
fn one_signal_stands_for_many_children(mut subject: Subject) {
    for (when, what) in [
        (Unblocked::BeforeTheCall, "while SIGCHLD was blocked"),
        (
            Unblocked::AfterTheCall,
            "while SIGCHLD was blocked, and it still is",
        ),
    ] {
        // While SIGCHLD is blocked, nothing has to end a call of wait.
        let waits = when == Unblocked::BeforeTheCall;
        for (count, waits) in [
            (20, false),
            (proctor::rng().usize(21..40), waits),
            (1, false),
        ] {
            let codes: Vec<u8> = codes::<40>()[..count].to_vec();
            let answer = subject.ask(&(codes.clone(), when, waits));
            let [first, second, third] = value(&answer);
            let call = if waits { "wait" } else { "reap" };
            let because =
                format!("{count} watched children ended {what}, then came a call of {call}");
            expect(&because, first, &exited(&codes, 0));
            expect("all that have ended were returned already", second, &vec![]);
            expect("the last child has ended", third, &vec![(count, Exited(7))]);
            nothing_is_left(&answer, count + 1);
        }
    }
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 13, 14], slow = true, processes = 1200, deadline = 30.0, descriptors = 64, subject = |count: usize| -> Told<(Ends, bool)> {
    let mut reaper = install()?;
    let pids: Vec<Pid> = (0..count).map(|place| child(|| place as u8)).collect();
    watch(&mut reaper, &pids)?;
    pids.iter().for_each(|pid| until_ended(*pid));
    let ends = reap(&mut reaper, &pids)?;
    Ok((ends, is_readable(&reaper)))
})]
fn a_thousand_children_are_like_one(mut subject: Subject) {
    let count = proctor::rng().usize(1025..1050);
    let answer = subject.ask(&count);
    let (ends, still_readable) = value(&answer);
    let expected = (0..count)
        .map(|place| (place, Exited(place as u8)))
        .collect();
    expect(
        &format!("{count} watched children have ended"),
        ends,
        &expected,
    );
    assert!(
        !still_readable,
        "all {count} children were returned, and the descriptor is still readable"
    );
    nothing_is_left(&answer, count);
}

/// Ways in which a child ends, for [`Exited`] and for [`Killed`].
fn end_by(end: End) -> u8 {
    match end {
        Exited(code) => code,
        Killed(signal) => {
            proctor::leave_a_core_file();
            if let Ok(signal) = Signal::try_from(signal) {
                set_handler(
                    signal,
                    SigHandler::SigDfl,
                    SaFlags::empty(),
                    SigSet::empty(),
                );
                let _ = raise(signal);
            }
            0
        }
    }
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], core_files = true, subject = |ends: Vec<End>| -> Told<(Ends, bool)> {
    let mut reaper = install()?;
    let pids: Vec<Pid> = ends.iter().map(|end| child(|| end_by(*end))).collect();
    watch(&mut reaper, &pids)?;
    pids.iter().for_each(|pid| until_ended(*pid));
    let ends = reap(&mut reaper, &pids)?;
    let mut made = false;
    for file in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        made |= std::fs::remove_file(file.path()).is_ok();
    }
    Ok((ends, made))
})]
fn an_exit_code_is_told_apart_from_a_signal(mut subject: Subject) {
    use Signal::{SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    let harmless = [
        SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
    ];
    let mut ends: Vec<End> = [
        0,
        1,
        9,
        127,
        128,
        129,
        134,
        137,
        254,
        255,
        proctor::random(),
    ]
    .map(Exited)
    .to_vec();
    let kills = (1..=31).filter(|signal| harmless.iter().all(|other| *other as i32 != *signal));
    ends.extend(kills.map(Killed));
    proctor::rng().shuffle(&mut ends);
    let answer = subject.ask(&ends);
    let (returned, core_file) = value(&answer);
    if *core_file {
        proctor::covered("a core file was written");
    }
    let expected = ends.iter().copied().enumerate().collect();
    expect("all children have ended", returned, &expected);
    nothing_is_left(&answer, ends.len());
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], subject = |code: u8| -> Told<(Vec<Ends>, Ends, [Ends; 2])> {
    let mut reaper = install()?;
    let gated = Gated::new(code);
    let pids = [gated.pid];
    watch(&mut reaper, &pids)?;
    let mut while_stopped = Vec::new();
    for _ in 0..2 {
        // The caller leaves the news to the reaper, should it ask for it.
        let _ = kill(gated.pid, Signal::SIGSTOP);
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(gated.pid), flags) == Err(Errno::EINTR) {}
        while_stopped.push(reap(&mut reaper, &pids)?);
        let _ = kill(gated.pid, Signal::SIGCONT);
        let flags = WaitPidFlag::WCONTINUED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(gated.pid), flags) == Err(Errno::EINTR) {}
        while_stopped.push(reap(&mut reaper, &pids)?);
    }
    gated.end();
    let ends = wait(&mut reaper, &pids)?;
    // The kernel tells the tracer of a child that it has stopped, whether or not
    // the tracer asks for such news.
    let traced = child(|| {
        let _ = ptrace::traceme();
        let _ = raise(Signal::SIGSTOP);
        code
    });
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(traced), flags) == Err(Errno::EINTR) {}
    watch(&mut reaper, &[traced])?;
    let stopped = reap(&mut reaper, &[traced])?;
    if ptrace::cont(traced, None).is_err() {
        // Where the test may not trace, it is any child that has stopped.
        let _ = kill(traced, Signal::SIGCONT);
    }
    until_ended(traced);
    Ok((while_stopped, ends, [stopped, reap(&mut reaper, &[traced])?]))
})]
fn a_child_that_stops_has_not_ended(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&code);
    let (while_stopped, ends, [stopped, ended]) = value(&answer);
    for returned in while_stopped {
        expect(
            "the child has stopped or continued, and has not ended",
            returned,
            &vec![],
        );
    }
    expect("the child has ended", ends, &vec![(0, Exited(code))]);
    expect(
        "the child has stopped, and the caller traces it (ptrace(2))",
        stopped,
        &vec![],
    );
    expect(
        "the child that the caller traced has ended",
        ended,
        &exited(&[code], 0),
    );
    nothing_is_left(&answer, 2);
}

/// What all calls returned, whether the caller still learns that a child has
/// stopped, and what it gets when it waits for its own children.
type LeftAlone = (Ends, bool, [Result<End, i32>; 4]);

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], subject = |codes: [u8; 5]| -> Told<LeftAlone> {
    let ended_before = ended_child(codes[0]);
    let mut reaper = install()?;
    let ended = ended_child(codes[1]);
    let running = Gated::new(codes[2]);
    let stopped = Gated::new(codes[3]);
    let _ = kill(stopped.pid, Signal::SIGSTOP);
    let flags = WaitPidFlag::WSTOPPED;
    while waitid(Id::Pid(stopped.pid), flags | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let mine = Gated::new(codes[4]);
    watch(&mut reaper, &[mine.pid])?;
    let mut ends = reap(&mut reaper, &[mine.pid])?;
    running.end();
    ends.extend(reap(&mut reaper, &[mine.pid])?);
    mine.end();
    ends.extend(wait(&mut reaper, &[mine.pid])?);
    ends.extend(reap(&mut reaper, &[mine.pid])?);
    drop(reaper);
    let still = waitid(Id::Pid(stopped.pid), flags | WaitPidFlag::WNOHANG);
    let still = matches!(still, Ok(WaitStatus::Stopped(..)));
    let _ = kill(stopped.pid, Signal::SIGKILL);
    Ok((ends, still, [ended_before, ended, running.pid, stopped.pid].map(waited)))
})]
fn children_that_are_not_watched_are_left_alone(mut subject: Subject) {
    let codes = codes::<5>();
    let answer = subject.ask(&codes);
    let (ends, still, others) = value(&answer);
    expect(
        "one child was watched, and has ended",
        ends,
        &vec![(0, Exited(codes[4]))],
    );
    assert!(
        *still,
        "a child that is not watched had stopped, and waitid does not tell the caller of it any more"
    );
    let expected = [
        Exited(codes[0]),
        Exited(codes[1]),
        Exited(codes[2]),
        Killed(9),
    ];
    for (got, expected) in others.iter().zip(expected) {
        assert!(
            *got == Ok(expected),
            "a child that was never watched ended ({expected}), and the caller, who waits for it, got: {} (ECHILD means that somebody has already waited for it)",
            outcome(got)
        );
    }
    nothing_is_left(&answer, 5);
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], subject = |codes: [u8; 4]| -> Told<(Vec<bool>, Vec<Ends>)> {
    let long_ago = ended_child(codes[0]);
    let mut reaper = install()?;
    let (ended, running) = (ended_child(codes[1]), Gated::new(codes[2]));
    let last = ended_child(codes[3]);
    let pids = [long_ago, ended, running.pid, last];
    // Whatever the signals said is forgotten now.
    let mut ends = vec![reap(&mut reaper, &pids)?];
    let mut readable = Vec::new();
    for children in [&pids[..1], &pids[1..3]] {
        watch(&mut reaper, children)?;
        // A second time, before and after its end.
        watch(&mut reaper, children)?;
        readable.push(is_readable(&reaper));
        ends.push(reap(&mut reaper, &pids)?);
    }
    watch(&mut reaper, &[running.pid])?;
    running.end();
    watch(&mut reaper, &[running.pid, last])?;
    readable.push(is_readable(&reaper));
    ends.push(wait(&mut reaper, &pids)?);
    ends.push(reap(&mut reaper, &pids)?);
    Ok((readable, ends))
})]
fn a_child_may_have_ended_before_it_is_watched(mut subject: Subject) {
    let codes = codes::<4>();
    let answer = subject.ask(&codes);
    let (readable, ends) = value(&answer);
    let end = |place: usize| (place, Exited(codes[place]));
    expect("no child is watched yet", &ends[0], &vec![]);
    expect(
        "child 0 ended before install, and was then watched",
        &ends[1],
        &vec![end(0)],
    );
    expect(
        "child 1 ended before it was watched",
        &ends[2],
        &vec![end(1)],
    );
    expect(
        "children 2 and 3 have ended, and child 2 was watched three times",
        &ends[3],
        &vec![end(2), end(3)],
    );
    expect("each child was returned already", &ends[4], &vec![]);
    for readable in readable {
        assert!(
            *readable,
            "watch was called for a child that had already ended, and the descriptor is not readable: poll would not return"
        );
    }
    nothing_is_left(&answer, 4);
}

/// What `watch` was called for and the number of its error; what `reap` returned;
/// what the caller gets when it waits for its own children.
type NotChildren = (Vec<(String, i32)>, Ends, Vec<Result<End, i32>>);

#[proctor::test(clauses = [1, 2, 6, 7, 8, 9, 10, 12, 14], subject = |code: u8| -> Told<NotChildren> {
    let mut reaper = install()?;
    let (mut reader, mut writer) = pipe().expect("a pipe");
    // In a group of its own; its own child tells its number and waits.
    let other = child(|| {
        let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
        let grandchild = child(|| 0);
        until_ended(grandchild);
        let _ = writer.write_all(&grandchild.as_raw().to_ne_bytes());
        let _thread = thread::spawn(move || {
            let _ = writer.write_all(&gettid().as_raw().to_ne_bytes());
            until_killed()
        });
        until_killed()
    });
    let [mut number, mut thread] = [[0; 4]; 2];
    reader.read_exact(&mut number).expect("the grandchild's number");
    reader.read_exact(&mut thread).expect("the thread's number");
    let reaped = child(|| 0);
    let _ = waited(reaped);
    let ended = ended_child(code);
    let no_children = [
        ("0", 0),
        ("-1", -1),
        ("the negative number of a child's process group", -other.as_raw()),
        ("i32::MIN", i32::MIN),
        ("i32::MAX", i32::MAX),
        ("the process itself", getpid().as_raw()),
        ("the parent of the process", getppid().as_raw()),
        ("process 1", 1),
        ("a child of a child", i32::from_ne_bytes(number)),
        ("a thread of a child, which is not its first thread", i32::from_ne_bytes(thread)),
        ("a child for which the caller has already waited", reaped.as_raw()),
    ];
    let mut errors = Vec::new();
    for (what, pid) in no_children {
        errors.push((what.to_owned(), errno(&reaper.watch(Pid::from_raw(pid)))));
    }
    let is_right = |(_, errno): &(String, i32)| *errno == Errno::ECHILD as i32;
    if !errors.iter().all(is_right) {
        let _ = kill(other, Signal::SIGKILL);
        return Ok((errors, Vec::new(), Vec::new()));
    }
    // Nothing is watched.
    let ends = reap(&mut reaper, &[])?;
    // A child that the reaper has returned is no child any more.
    let mine = child(|| 0);
    watch(&mut reaper, &[mine])?;
    wait(&mut reaper, &[mine])?;
    errors.push(("a child that wait has returned".to_owned(), errno(&reaper.watch(mine))));
    let _ = kill(other, Signal::SIGKILL);
    Ok((errors, ends, vec![waited(ended), waited(other)]))
}, orphans = true)]
fn only_a_child_can_be_watched(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&code);
    let (errors, ends, others) = value(&answer);
    for (what, errno) in errors {
        let got = match errno {
            0 => "Ok".to_owned(),
            number => Errno::from_raw(*number).to_string(),
        };
        assert!(
            *errno == Errno::ECHILD as i32,
            "watch was called for {what}, which is not a child: it must return ECHILD, and it returned {got}"
        );
    }
    expect("every call of watch has failed", ends, &vec![]);
    assert!(
        *others == [Ok(Exited(code)), Ok(Killed(9))],
        "watch was called for numbers that are no children, and afterwards the caller's own children are not as they were: the caller waited for two of them and must get exit code {code}, killed by signal 9; and it got {}",
        outcomes(others)
    );
}

#[proctor::test(clauses = [1, 2, 4, 6, 8, 9, 10, 12, 14], subject = |(before, is_first): (Before, bool)| -> Told<[Result<usize, i32>; 2]> {
    prepare(before);
    if !is_first {
        drop(install()?);
    }
    let mut reaper = install()?;
    let caller = getpid();
    let mut reads = [Ok(0); 2];
    for result in &mut reads {
        let mut onlooker = Onlooker::of_this_thread();
        let (reader, mut writer) = pipe().expect("a pipe");
        let disturber = child(|| {
            for _ in 0..4 {
                onlooker.until_it_waits();
                let _ = kill(caller, Signal::SIGCHLD);
            }
            onlooker.until_it_waits();
            let _ = writer.write(b"!");
            0
        });
        // The system call itself: std's own functions repeat it.
        *result = nix::unistd::read(&reader, &mut [0]).map_err(|errno| errno as i32);
        let _ = waited(disturber);
        // The second time after the reaper has waited.
        let mine = child(|| {
            onlooker.until_it_waits();
            0
        });
        watch(&mut reaper, &[mine])?;
        wait(&mut reaper, &[mine])?;
    }
    Ok(reads)
})]
fn the_callers_reads_are_not_interrupted(mut subject: Subject) {
    for (before, is_first) in [
        (Before::Default, true),
        (Before::Handled, true),
        (Before::Informed, false),
    ] {
        let answer = subject.ask(&(before, is_first));
        for (read, when) in value(&answer).iter().zip(["", ", after a call of wait"]) {
            assert!(
                *read == Ok(1),
                "SIGCHLD was {before} before install, and it arrived while the caller waited in read(2){when}: the kernel must repeat the call until there is a byte, and the read returned {}",
                match read {
                    Ok(bytes) => proctor::count(*bytes, "byte"),
                    Err(errno) => names(&[*errno]),
                }
            );
        }
        nothing_is_left(&answer, 4);
    }
}

/// What the handler did when it ran: `errno` values that it changed, with the
/// pipe empty and full; frees; what became of the children.
type Handled = (Vec<(i32, i32)>, u32, Ends);

/// What the kernel can say in `si_code` about a SIGCHLD: kill, sigqueue, tgkill,
/// the kernel itself, and the six things that can happen to a child.
const REASONS: [i32; 10] = [
    libc::SI_USER,
    libc::SI_QUEUE,
    libc::SI_TKILL,
    libc::SI_KERNEL,
    libc::CLD_EXITED,
    libc::CLD_KILLED,
    libc::CLD_DUMPED,
    libc::CLD_TRAPPED,
    libc::CLD_STOPPED,
    libc::CLD_CONTINUED,
];

/// Sends the calling thread a SIGCHLD that says this about a child.
fn raise_with(reason: i32, child: Pid) {
    // SAFETY: zeros are a valid siginfo_t, whose further fields begin after 16
    // bytes (sigaction(2)): si_pid, si_uid, si_status. The call only reads it.
    unsafe {
        let mut information: libc::siginfo_t = mem::zeroed();
        information.si_signo = libc::SIGCHLD;
        information.si_code = reason;
        (&raw mut information)
            .cast::<i32>()
            .add(4)
            .write(child.as_raw());
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            getpid().as_raw(),
            gettid().as_raw(),
            libc::SIGCHLD,
            &raw const information,
        );
    }
}

/// Sets errno, sends SIGCHLD for each reason, and tells what errno was and is.
fn errno_around_signals(child: Pid) -> Vec<(i32, i32)> {
    let values = [0, 4, 11, 77].into_iter().cycle();
    let around = |(reason, value)| {
        Errno::set_raw(value);
        raise_with(reason, child);
        (value, Errno::last_raw())
    };
    REASONS.into_iter().zip(values).map(around).collect()
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 10, 13, 14], deadline = 20.0, subject = |(signals, codes): (u32, [u8; 2])| -> Told<(Handled, bool)> {
    let mut reaper = install()?;
    let pids = codes.map(|code| child(move || code));
    watch(&mut reaper, &pids[..1])?;
    pids.iter().for_each(|pid| until_ended(*pid));
    let mut errnos = errno_around_signals(pids[0]);
    at_each_free(COUNTS, || {
        flood(signals);
        for reason in REASONS {
            (0..signals.min(1100)).for_each(|_| raise_with(reason, pids[0]));
        }
    });
    errnos.extend(errno_around_signals(pids[0]));
    let freed = FREED.swap(0, Relaxed);
    watch(&mut reaper, &pids[1..])?;
    let ends = reap(&mut reaper, &pids)?;
    Ok(((errnos, freed, ends), is_readable(&reaper)))
})]
fn a_hundred_thousand_signals_do_no_harm(mut subject: Subject) {
    let codes = codes::<2>();
    // What is needed once: buffers, tables.
    subject.ask(&(1, codes));
    let few = subject.ask(&(1, codes)).evidence.heap.requests;
    let signals = 100_000;
    let answer = subject.ask(&(signals, codes));
    let ((errnos, freed, ends), readable) = value(&answer);
    for (before, after) in errnos {
        assert!(
            before == after,
            "errno was {before}, then a SIGCHLD arrived, and after its handler errno is {after}: the code that was interrupted reads a wrong error"
        );
    }
    let many = answer.evidence.heap.requests;
    assert!(
        *freed == 0 && many < few + 1000,
        "while the handler ran for {signals} signals, and for others that told of children that stop and continue, memory was allocated {} and freed {}",
        proctor::count(many.saturating_sub(few) as usize, "time"),
        proctor::count(*freed as usize, "time")
    );
    expect(
        "two children have ended, one was watched before 100,000 signals arrived and one after that",
        ends,
        &exited(&codes, 0),
    );
    assert!(
        !*readable,
        "{signals} SIGCHLD arrived, then reap was called, and afterwards the descriptor is still readable although no other signal has arrived"
    );
    nothing_is_left(&answer, 2);
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 10, 12, 13, 14], deadline = 20.0, subject = |numbers: Vec<u32>| -> Told<Vec<(Ends, bool)>> {
    let mut reaper = install()?;
    let mut seen = Vec::new();
    for (place, number) in numbers.into_iter().enumerate() {
        let mine = Gated::new(place as u8);
        watch(&mut reaper, &[mine.pid])?;
        reap(&mut reaper, &[mine.pid])?;
        // Its own signal is one of them.
        flood(number - 1);
        mine.end();
        let readable = is_readable(&reaper);
        // (256 and 65,536 come before a call that does not wait.)
        let call = if place % 2 == 1 { reap } else { wait };
        seen.push((call(&mut reaper, &[mine.pid])?, readable));
    }
    Ok(seen)
})]
fn any_number_of_signals_stands_for_a_child(mut subject: Subject) {
    // Numbers at which a counter of 8 or 16 bits begins again.
    let numbers = [1, 2, 127, 128, 129, 254, 255, 256, 257, 258, 65_535, 65_536];
    let answer = subject.ask(&numbers.to_vec());
    for (place, ((ends, readable), number)) in value(&answer).iter().zip(numbers).enumerate() {
        let because = format!(
            "a watched child ended, and {number} SIGCHLD arrived in all since the last call of reap"
        );
        assert!(*readable, "{because}: the descriptor is not readable");
        expect(&because, ends, &exited(&[place as u8], 0));
    }
    nothing_is_left(&answer, numbers.len());
}

/// The exit code of a process that the test may not trace.
const UNTRACED: u8 = 99;

/// For a process that the test follows: the calls that it looks at begin, or end,
/// here.
fn here() {
    let _ = raise(Signal::SIGSTOP);
}

/// Where a process is that the test follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Begins,
    /// It is about to make a system call, or has just made one; the stops since
    /// the beginning are numbered from 0.
    Stops(u32),
    Sleeps,
    Ends,
}

/// Follows a child that has called `traceme` from one system call to the next
/// (ptrace(2)), until it ends. Returns its exit code, and `None` if a signal
/// killed it. While `at` runs, the child does not.
fn follow(child: Pid, mut at: impl FnMut(Moment)) -> Option<u8> {
    let mut onlooker = Onlooker::of_process(child.as_raw());
    let mut stops = None;
    loop {
        let passed_on = match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return Some(code as u8),
            Ok(WaitStatus::Signaled(..)) => return None,
            Ok(WaitStatus::StillAlive) => {
                onlooker.until_it_waits();
                if stops.is_some() && is_asleep(child) {
                    at(Moment::Sleeps);
                }
                thread::yield_now();
                continue;
            }
            Ok(WaitStatus::Stopped(_, Signal::SIGSTOP)) => {
                let (moment, now) = match stops {
                    None => (Moment::Begins, Some(0)),
                    Some(_) => (Moment::Ends, None),
                };
                at(moment);
                stops = now;
                None
            }
            Ok(WaitStatus::Stopped(_, Signal::SIGTRAP)) => {
                if let Some(stops) = &mut stops {
                    at(Moment::Stops(*stops));
                    *stops += 1;
                }
                None
            }
            Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
            Err(Errno::EINTR) => continue,
            other => panic!("the test's own child: {other:?}"),
        };
        let _ = ptrace::syscall(child, passed_on);
    }
}

fn is_asleep(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'))
}

/// A child that the test follows. It ends with what `life` returns.
fn followed_child(life: impl FnOnce() -> u8) -> Pid {
    child(|| {
        if ptrace::traceme().is_err() {
            return UNTRACED;
        }
        life()
    })
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 13, 14], deadline = 10.0, subject = |rounds: u32| -> Told<(Ends, Ends, u32)> {
    let mut reaper = install()?;
    let (mut all, mut pids, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        // Five, so that the vector that the call returns has to grow.
        let mut mine: Vec<Pid> = (0..5).map(|_| ended_child(round as u8)).collect();
        at_each_free(RAISES, || watch(&mut reaper, &mine))?;
        pids.append(&mut mine);
        let returned = at_each_free(RAISES, || match round % 2 {
            0 => reaper.reap(),
            _ => reaper.wait(),
        });
        let ends = plain(told("reap or wait", returned)?, &pids);
        if round == 0 {
            first.clone_from(&ends);
        }
        all.extend(ends);
    }
    at_each_free(RAISES, || drop(reaper));
    Ok((all, first, FREED.swap(0, Relaxed)))
})]
fn the_handler_may_run_in_the_middle_of_every_method(mut subject: Subject) {
    let rounds = 4;
    let answer = subject.ask(&rounds);
    let (all, first, _) = value(&answer);
    let expected: Ends = (0..5 * rounds as usize)
        .map(|place| (place, Exited((place / 5) as u8)))
        .collect();
    expect("five children have ended", first, &expected[..5].to_vec());
    expect(
        "SIGCHLD arrived while watch, reap and wait were running",
        all,
        &expected,
    );
    nothing_is_left(&answer, expected.len());
}

/// What came of a process in which SIGCHLD arrives between any two instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stepped {
    Ended(Option<u8>),
    /// The handler has called futex(2).
    Locks,
    /// The handler computes, or makes system calls, and does not return.
    DoesNotReturn,
}

/// CPU time in milliseconds, and a number of system calls, with which a handler
/// has surely run into an endless loop.
const ENDLESS_MS: u64 = 1_000;
const ENDLESS_CALLS: u32 = 10_000;

/// Lets a child that the test traces run to its next stop. `None` if it runs, and
/// does not stop.
fn next_stop(child: Pid, since: u64) -> Option<WaitStatus> {
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if cpu_ms(child) > since + ENDLESS_MS => return None,
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => thread::yield_now(),
            stop => return Some(stop.expect("the test's own child")),
        }
    }
}

/// Sends SIGCHLD to a child that stands between two instructions, and lets its
/// handler run until it returns (sigreturn(2)).
fn run_the_handler(child: Pid) -> Result<(), Stepped> {
    let since = cpu_ms(child);
    let mut signal = Some(Signal::SIGCHLD);
    for _ in 0..ENDLESS_CALLS {
        let _ = ptrace::syscall(child, signal.take());
        match next_stop(child, since).ok_or(Stepped::DoesNotReturn)? {
            WaitStatus::PtraceSyscall(_) => {}
            WaitStatus::Stopped(_, other) => {
                signal = Some(other);
                continue;
            }
            WaitStatus::Exited(_, code) => return Err(Stepped::Ended(Some(code as u8))),
            _ => return Err(Stepped::Ended(None)),
        }
        let Ok(call) = ptrace::syscall_info(child) else {
            return Err(Stepped::Ended(None));
        };
        if call.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            continue;
        }
        // SAFETY: all fields are numbers, and any number is valid.
        match unsafe { call.u.entry.nr } as libc::c_long {
            libc::SYS_futex => return Err(Stepped::Locks),
            libc::SYS_rt_sigreturn => {
                let _ = ptrace::syscall(child, None);
                next_stop(child, since).ok_or(Stepped::DoesNotReturn)?;
                return Ok(());
            }
            _ => {}
        }
    }
    Err(Stepped::DoesNotReturn)
}

/// Whether a child that the test traces, and that has stopped, blocks SIGCHLD.
fn blocks_sigchld(child: Pid) -> bool {
    let mut mask = 0_u64;
    // SAFETY: the kernel fills eight bytes, one bit for each signal.
    unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK, child.as_raw(), 8, &raw mut mask) };
    mask & 1 << (libc::SIGCHLD - 1) != 0
}

/// Lets a child that the test traces go on from one SIGSTOP to its next one.
fn to_the_next_mark(child: Pid) -> Result<(), Stepped> {
    let mut signal = None;
    loop {
        let _ = ptrace::cont(child, signal);
        signal = match waitpid(child, None) {
            Ok(WaitStatus::Stopped(_, Signal::SIGSTOP)) => return Ok(()),
            Ok(WaitStatus::Stopped(_, other)) => Some(other),
            Ok(WaitStatus::Exited(_, code)) => return Err(Stepped::Ended(Some(code as u8))),
            Err(Errno::EINTR) => None,
            _ => return Err(Stepped::Ended(None)),
        };
    }
}

/// Lets a child that the test traces run to its end, and between two of its marks
/// one instruction at a time. Before each instruction that it executes for the
/// first time, its handler for SIGCHLD runs. (Before each instruction at all, the
/// handler might fill a pipe as fast as a loop empties it.)
fn step_through(child: Pid) -> Result<(), Stepped> {
    let _ = ptrace::setoptions(child, ptrace::Options::PTRACE_O_TRACESYSGOOD);
    to_the_next_mark(child)?;
    let mut seen = HashSet::new();
    loop {
        let place = ptrace::syscall_info(child).map_or(0, |now| now.instruction_pointer);
        if !seen.contains(&place) && !blocks_sigchld(child) {
            seen.insert(place);
            run_the_handler(child)?;
        }
        match step(child) {
            Ok(()) => {}
            Err(WaitStatus::Stopped(_, Signal::SIGSTOP)) => break,
            Err(WaitStatus::Exited(_, code)) => return Err(Stepped::Ended(Some(code as u8))),
            Err(_) => return Err(Stepped::Ended(None)),
        }
    }
    loop {
        to_the_next_mark(child)?;
    }
}

/// Calls every method.
fn a_life_of_a_reaper() -> Result<(), Found> {
    let failed = |_| Found::Failed;
    let children = [ended_child(1), ended_child(2), ended_child(3)];
    here();
    let mut reaper = install().map_err(failed)?;
    let second = errno(&Reaper::install());
    watch(&mut reaper, &children[..1]).map_err(failed)?;
    let mut ends = reap(&mut reaper, &children).map_err(failed)?;
    watch(&mut reaper, &children[1..2]).map_err(failed)?;
    ends.extend(wait(&mut reaper, &children).map_err(failed)?);
    watch(&mut reaper, &children[2..]).map_err(failed)?;
    drop(reaper);
    here();
    let is_right = second == Errno::EBUSY as i32
        && ends == exited(&[1, 2], 0)
        && waited(children[2]) == Ok(Exited(3));
    if is_right { Ok(()) } else { Err(Found::Wrong) }
}

#[proctor::test(clauses = [1, 2, 5, 6, 8, 9, 10, 12, 14], deadline = 20.0, orphans = true, subject = |(): ()| -> Stepped {
    // Where install panics, the test shall say so with the panic itself.
    drop(Reaper::install());
    prepare(Before::Handled);
    let life = || a_life_of_a_reaper().map_or_else(|found| found as u8, |()| Found::Fine as u8);
    let Some(child) = traced_child(life) else {
        return Stepped::Ended(Some(UNTRACED));
    };
    let Err(stepped) = step_through(child) else {
        return Stepped::Ended(None);
    };
    if !matches!(stepped, Stepped::Ended(_)) {
        let _ = kill(child, Signal::SIGKILL);
        let _ = waited(child);
    }
    stepped
})]
fn the_handler_may_run_between_any_two_instructions(mut subject: Subject) {
    let answer = subject.ask(&());
    if answer.value == Stepped::Ended(Some(UNTRACED)) {
        return;
    }
    proctor::covered("SIGCHLD arrived between any two instructions of the methods");
    let when = "SIGCHLD arrived between two instructions of install, watch, reap, wait or drop";
    match answer.value {
        Stepped::Locks => panic!(
            "{when}, and the handler called futex(2): it waits for a lock that the interrupted code holds, and the interrupted code cannot go on before the handler returns"
        ),
        Stepped::DoesNotReturn => panic!(
            "{when}, and the handler did not return: it used more than {ENDLESS_MS} ms of CPU time or made more than {ENDLESS_CALLS} system calls, as a handler does that waits for a lock which the interrupted code holds"
        ),
        Stepped::Ended(code) => {
            let what = match code {
                Some(0) => "",
                Some(1) => "a call returned an error, although it must return Ok",
                Some(3) => {
                    "afterwards install (the second call), reap, wait or waitpid did not return what they must"
                }
                Some(_) => "a call panicked",
                None => "a signal killed the process",
            };
            assert!(code == Some(Found::Fine as u8), "{when}, and {what}");
        }
    }
    nothing_is_left(&answer, 4);
}

/// Whether a watched child has ended, and the descriptor does not say so.
fn is_lost(reaper: &Reaper, outstanding: &[Pid]) -> bool {
    // Whoever ends after this look counts next time.
    let ended = outstanding.iter().any(|child| is_zombie(*child));
    ended && !is_readable(reaper)
}

/// The call during which a child ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Call {
    Install,
    Watch,
    /// Another child has ended before.
    Reap,
    Wait,
    /// No other child has ended before.
    WaitAlone,
    Drop,
}

/// What a process found out that the test followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Fine = 0,
    /// A call returned an error.
    Failed = 1,
    /// A child has ended, was not returned, and the descriptor is not readable.
    Lost = 2,
    /// `reap` and `wait` have not returned each child once.
    Wrong = 3,
}

/// One call that the test follows: while it runs, a child of the caller ends.
fn one_call(call: Call, mut tell: &PipeWriter) -> Result<(), Found> {
    let failed = |_| Found::Failed;
    let late = child(|| until_killed());
    let mut mine = vec![late];
    if matches!(call, Call::Reap | Call::Wait) {
        mine.push(ended_child(0));
    }
    let mut installed = None;
    if call != Call::Install {
        let mut reaper = install().map_err(failed)?;
        if call != Call::Watch {
            watch(&mut reaper, &mine).map_err(failed)?;
        }
        if call == Call::WaitAlone {
            reap(&mut reaper, &mine).map_err(failed)?;
        }
        installed = Some(reaper);
    }
    let _ = tell.write_all(&late.as_raw().to_ne_bytes());
    here();
    let result = match (call, &mut installed) {
        (Call::Watch, Some(reaper)) => watch(reaper, &mine).map(|()| vec![]),
        (Call::Reap, Some(reaper)) => reap(reaper, &mine),
        (Call::Wait | Call::WaitAlone, Some(reaper)) => wait(reaper, &mine),
        (_, installed) => {
            let made = if call == Call::Install {
                Some(install())
            } else {
                None
            };
            *installed = made.transpose().map_err(failed)?;
            Ok(vec![])
        }
    };
    here();
    let mut ended = result.map_err(failed)?;
    let Some(mut reaper) = installed else {
        let _ = kill(late, Signal::SIGKILL);
        let is_right = waited(late) == Ok(Killed(9));
        return if is_right { Ok(()) } else { Err(Found::Wrong) };
    };
    if call == Call::Install {
        watch(&mut reaper, &mine).map_err(failed)?;
    }
    let is_outstanding = |place: &usize| ended.iter().all(|(returned, _)| returned != place);
    let outstanding: Vec<Pid> = (0..mine.len())
        .filter(is_outstanding)
        .map(|place| mine[place])
        .collect();
    if is_lost(&reaper, &outstanding) {
        return Err(Found::Lost);
    }
    let _ = kill(late, Signal::SIGKILL);
    until_ended(late);
    ended.extend(reap(&mut reaper, &mine).map_err(failed)?);
    ended.sort_unstable();
    let expected = [(0, Killed(9)), (1, Exited(0))];
    if ended == expected[..mine.len()] {
        Ok(())
    } else {
        Err(Found::Wrong)
    }
}

/// At most so many times does a child end during a call, each time at another
/// place.
const PLACES: u32 = 64;

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], deadline = 20.0, followed = |call: Call| -> (Option<u8>, u32) {
    // Where install panics, the test shall say so with the panic itself.
    drop(Reaper::install());
    prepare(Before::Handled);
    let ((mut orders, mut order), (mut told, tell)) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
    let traced = followed_child(|| loop {
        if let Err(found) = one_call(call, &tell) {
            return found as u8;
        }
        let mut goes_on = [0];
        if orders.read_exact(&mut goes_on).is_err() || goes_on == [0] {
            return Found::Fine as u8;
        }
    });
    let end = |child: Pid| {
        let _ = kill(child, Signal::SIGKILL);
        Onlooker::of_process(child.as_raw()).until_it_stops();
    };
    let (mut late, mut is_reached, mut rounds) = (None, false, 0);
    let code = follow(traced, |moment| match moment {
        Moment::Begins => {
            let mut number = [0; 4];
            let _ = told.read_exact(&mut number);
            (late, is_reached) = (Some(Pid::from_raw(i32::from_ne_bytes(number))), false);
        }
        Moment::Stops(stop) if stop == rounds => {
            is_reached = late.is_some();
            late.take().into_iter().for_each(end);
        }
        Moment::Stops(_) => {}
        Moment::Sleeps => late.take().into_iter().for_each(end),
        Moment::Ends => {
            rounds += 1;
            let _ = order.write_all(&[u8::from(is_reached && rounds < PLACES)]);
        }
    });
    (code, rounds)
}, subject = |waits: bool| -> Told<(u32, [bool; 2])> {
    let mut reaper = install()?;
    let call = if waits { Reaper::wait } else { Reaper::reap };
    // Children that have ended and children that have not, in turns.
    let gated: Vec<Gated> = (0..16).map(|_| Gated::new(0)).collect();
    let mut pids = Vec::new();
    for (child, [pid, key]) in gated.iter().zip(&GATES) {
        use std::os::fd::AsRawFd;
        pid.store(child.pid.as_raw(), Relaxed);
        key.store(child.key.as_raw_fd(), Relaxed);
        pids.push(child.pid);
        pids.push(ended_child(0));
    }
    watch(&mut reaper, &pids)?;
    // The others end in the middle of the call, once it has results enough to
    // need more memory.
    let ended = at_each_free(OPENS_GATES, || call(&mut reaper));
    let forget = |pids: &mut Vec<Pid>, ended: io::Result<Vec<(Pid, reaper::Ending)>>| -> Told<u32> {
        let ended = told("reap", ended)?;
        let before = pids.len();
        pids.retain(|pid| ended.iter().all(|(returned, _)| returned != pid));
        Ok((before - pids.len()) as u32)
    };
    let mut returned = forget(&mut pids, ended)?;
    let in_the_middle = is_lost(&reaper, &pids);
    gated.iter().for_each(Gated::end);
    returned += forget(&mut pids, reaper.reap())?;
    // Children that end at any moment of the call.
    let mut sometimes = false;
    for _ in 0..if waits { 0 } else { 6 } {
        let mut pids: Vec<Pid> = (0..8).map(|_| child(|| 0)).collect();
        watch(&mut reaper, &pids)?;
        while !pids.is_empty() {
            returned += forget(&mut pids, reaper.reap())?;
            sometimes |= is_lost(&reaper, &pids);
        }
    }
    Ok((returned, [in_the_middle, sometimes]))
})]
fn a_child_that_ends_during_the_call_is_not_forgotten(mut subject: Subject, mut followed: Subject) {
    let calls = [
        (Call::Reap, "reap"),
        (Call::Wait, "wait"),
        (Call::WaitAlone, "wait"),
        (Call::Watch, "watch"),
        (Call::Install, "install"),
        (Call::Drop, "drop"),
    ];
    for (call, name) in calls {
        let answer = followed.ask(&call);
        let (code, rounds) = answer.value;
        if code == Some(UNTRACED) {
            break;
        }
        proctor::covered("a child ended before and after each system call of the methods");
        assert!(
            code != Some(Found::Lost as u8),
            "a watched child ended while {name} was running, {name} did not return it, and after {name} the descriptor is not readable: poll would not return"
        );
        assert!(
            code != Some(Found::Wrong as u8),
            "a child ended while {name} was running, and afterwards reap, wait or waitpid did not return each child once"
        );
        let is_fine = code == Some(Found::Fine as u8);
        let what = match code {
            Some(1) => "a call returned an error, although it must return Ok",
            Some(_) => "a call panicked",
            None => "a signal killed the process",
        };
        assert!(
            is_fine,
            "a child ended while {name} was running, and {what}"
        );
        let each = if matches!(call, Call::Reap | Call::Wait) {
            2
        } else {
            1
        };
        nothing_is_left(&answer, 1 + each * rounds as usize);
    }
    for (waits, name) in [(false, "reap"), (true, "wait")] {
        let answer = subject.ask(&waits);
        let (returned, lost) = value(&answer);
        assert!(
            *lost == [false; 2],
            "a watched child ended while {name} was running, {name} did not return it, and after {name} the descriptor is not readable: poll would not return"
        );
        let started = 2 * 16 + if waits { 0 } else { 6 * 8 };
        assert!(
            *returned == started,
            "{started} watched children have ended, and reap and wait have returned {returned}"
        );
        nothing_is_left(&answer, started as usize);
    }
}

/// The values of `errno` in two threads that run the handler at the same time.
const ERRNOS: [i32; 2] = [4, 77];

#[proctor::test(clauses = [1, 2, 14], deadline = 10.0, subject = |(): ()| -> (Option<u8>, bool) {
    // Where install panics, the test shall say so with the panic itself.
    drop(Reaper::install());
    let ((mut orders, mut order), (mut gate, mut key), (mut done, mut ready)) = (
        pipe().expect("a pipe"),
        pipe().expect("a pipe"),
        pipe().expect("a pipe"),
    );
    // Sets errno, runs the handler, and says whether errno has changed.
    let changes = |errno: i32| {
        Errno::set_raw(errno);
        let _ = raise(Signal::SIGCHLD);
        Errno::last_raw() != errno
    };
    let traced = followed_child(|| {
        let Ok(reaper) = Reaper::install() else {
            return Found::Failed as u8;
        };
        thread::spawn(move || {
            while gate.read_exact(&mut [0]).is_ok() {
                let _ = ready.write_all(&[u8::from(changes(ERRNOS[1]))]);
            }
        });
        loop {
            here();
            let changed = changes(ERRNOS[0]);
            here();
            let mut goes_on = [0];
            if changed {
                return Found::Wrong as u8;
            }
            if orders.read_exact(&mut goes_on).is_err() || goes_on == [0] {
                drop(reaper);
                return Found::Fine as u8;
            }
        }
    });
    let (mut is_reached, mut rounds, mut has_changed) = (false, 0, false);
    let code = follow(traced, |moment| match moment {
        Moment::Stops(stop) if stop == rounds => {
            is_reached = true;
            let mut changed = [0];
            let _ = key.write_all(b"!");
            let _ = done.read_exact(&mut changed);
            has_changed |= changed != [0];
        }
        Moment::Ends => {
            rounds += 1;
            let _ = order.write_all(&[u8::from(is_reached && rounds < PLACES)]);
            is_reached = false;
        }
        _ => {}
    });
    (code, has_changed)
})]
fn two_threads_may_run_the_handler_at_the_same_time(mut subject: Subject) {
    let answer = subject.ask(&());
    let (code, has_changed) = answer.value;
    if code == Some(UNTRACED) {
        return;
    }
    proctor::covered("two threads ran the handler at the same time");
    let [one, other] = ERRNOS;
    assert!(
        code != Some(Found::Wrong as u8) && !has_changed,
        "errno was {one} in one thread and {other} in another, then both ran the handler at the same time, and after it errno was different in one of them"
    );
    assert!(
        code == Some(Found::Fine as u8),
        "two threads ran the handler at the same time, and the process did not end as it should: install returned an error, or the handler panicked"
    );
    nothing_is_left(&answer, 1);
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], subject = |(): ()| -> Told<Vec<(String, bool, bool)>> {
    let mut reaper = install()?;
    let mut seen = Vec::new();
    let mut note = |reaper: &Reaper, when: &str, expected: bool| {
        seen.push((when.to_owned(), expected, is_readable(reaper)));
    };
    let mine: Vec<Gated> = (0..3).map(|_| Gated::new(0)).collect();
    let pids: Vec<Pid> = mine.iter().map(|child| child.pid).collect();
    watch(&mut reaper, &pids)?;
    reap(&mut reaper, &pids)?;
    note(&reaper, "reap has returned, and no watched child has ended since", false);
    mine[0].end();
    note(&reaper, "a watched child has ended", true);
    note(&reaper, "a watched child has ended, and nothing has happened since the last poll", true);
    wait(&mut reaper, &pids)?;
    note(&reaper, "wait has returned the only child that has ended", false);
    // Not a multiple of any likely buffer.
    for signals in [2, 70, 1030, 4099, 9001] {
        (0..signals).for_each(|_| _ = raise(Signal::SIGCHLD));
        reap(&mut reaper, &pids)?;
        note(&reaper, &format!("{signals} SIGCHLD arrived for other reasons, and then reap was called"), false);
    }
    block_sigchld(true);
    mine[1].end();
    reap(&mut reaper, &pids)?;
    note(&reaper, "SIGCHLD is blocked, and reap has returned the child that has ended", false);
    block_sigchld(false);
    reap(&mut reaper, &pids)?;
    note(&reaper, "SIGCHLD was unblocked, and then reap was called", false);
    block_sigchld(true);
    // (raise would send it to the thread, and it would be pending beside the child's.)
    let _ = kill(getpid(), Signal::SIGCHLD);
    mine[2].end();
    block_sigchld(false);
    note(&reaper, "SIGCHLD was sent with kill while it was blocked, then a watched child ended, and then SIGCHLD was unblocked", true);
    wait(&mut reaper, &pids)?;
    note(&reaper, "wait has returned the last watched child", false);
    Ok(seen)
})]
fn the_descriptor_is_readable_when_a_child_has_ended(mut subject: Subject) {
    let answer = subject.ask(&());
    for (when, expected, readable) in value(&answer) {
        let should = if *expected { "must be" } else { "must not be" };
        let is = if *readable { "is" } else { "is not" };
        assert!(
            expected == readable,
            "{when}: the descriptor {should} readable, and it {is} readable"
        );
    }
    nothing_is_left(&answer, 3);
}

/// Which descriptors the reaper may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Numbers {
    /// 0 to 2 are free, as in a service that has closed its standard streams.
    Standard,
    /// 1024 and more, as in a server with many connections. Where the limit does
    /// not allow this: the highest that it does allow.
    Large,
}

/// Opens descriptors until the next one would be 1024.
fn take_small_numbers() -> Vec<OwnedFd> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let most = hard.min(1024 + 64);
    let _ = setrlimit(Resource::RLIMIT_NOFILE, most, hard);
    let mut taken = Vec::new();
    let (reader, _) = pipe().expect("a pipe");
    loop {
        use std::os::fd::AsRawFd;
        let number = taken
            .last()
            .map_or(0, |last: &OwnedFd| last.as_raw_fd() + 1);
        if number as u64 + 64 >= most {
            taken.push(reader.into());
            return taken;
        }
        taken.push(
            reader
                .as_fd()
                .try_clone_to_owned()
                .expect("a descriptor below the limit"),
        );
    }
}

/// Whether the descriptor was readable, what two calls returned, and which of
/// the reaper's descriptors are not close-on-exec.
type Numbered = (bool, [Ends; 2], Vec<i32>);

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], descriptors = 1100, deadline = 10.0, subject = |(numbers, codes): (Numbers, [u8; 2])| -> Told<Numbered> {
    let mine = Gated::new(codes[0]);
    let taken = if numbers == Numbers::Large { take_small_numbers() } else { vec![] };
    let saved = if numbers == Numbers::Standard { vec![0, 1, 2] } else { vec![] };
    // SAFETY: the numbers 0 to 2 are saved under other numbers, and put back
    // before anything else uses them.
    let saved = saved.into_iter().map(|fd| unsafe { (fd, libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 20)) });
    let saved: Vec<(i32, i32)> = saved.collect();
    saved.iter().for_each(|(fd, _)| _ = unsafe { libc::close(*fd) });
    let open = open_now();
    let reaper = Reaper::install();
    let watched = reaper.and_then(|mut reaper| {
        reaper.watch(mine.pid)?;
        reaper.reap()?;
        let inherited = open_after_exec(&open);
        mine.end();
        let is_readable = is_readable(&reaper);
        let first = plain(reaper.reap()?, &[mine.pid]);
        let mut onlooker = Onlooker::of_this_thread();
        let last = child(|| {
            onlooker.until_it_waits();
            codes[1]
        });
        let pids = [mine.pid, last];
        reaper.watch(last)?;
        Ok((is_readable, [first, plain(reaper.wait()?, &pids)], inherited))
    });
    for (fd, saved) in saved {
        // SAFETY: as above; the reaper is dropped.
        unsafe {
            libc::dup2(saved, fd);
            libc::close(saved);
        }
    }
    drop(taken);
    told("install, watch, reap or wait", watched)
})]
fn the_numbers_of_the_descriptors_make_no_difference(mut subject: Subject) {
    for (numbers, what) in [
        (
            Numbers::Standard,
            "descriptors 0 to 2 were closed before install, so that the reaper's own descriptors may have these numbers",
        ),
        (
            Numbers::Large,
            "the descriptors below 1024 were taken before install",
        ),
    ] {
        let codes = codes::<2>();
        let answer = subject.ask(&(numbers, codes));
        let (readable, [first, second], inherited) = value(&answer);
        assert!(
            *readable,
            "{what}; a watched child has ended, and the descriptor is not readable"
        );
        assert!(
            inherited.is_empty(),
            "{what}, and the reaper's descriptors {inherited:?} are not close-on-exec: every program that the caller starts inherits them"
        );
        expect(
            &format!("{what}, and the watched child has ended"),
            first,
            &exited(&codes[..1], 0),
        );
        expect(
            &format!("{what}, and the watched child ended while the caller waited"),
            second,
            &exited(&codes[1..], 1),
        );
        nothing_is_left(&answer, 2);
    }
}

/// What happens while the caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Meanwhile {
    /// Signals with a handler, so many.
    Signals(u32),
    /// SIGCHLD, although no child has ended.
    Spurious(u32),
    /// A child that is not watched ends.
    AnotherEnds,
    /// The watched child stops and continues.
    Stops,
    /// Nothing; the caller's CPU time is looked at.
    Nothing,
}

/// CPU time of a process, in milliseconds.
fn cpu_ms(process: Pid) -> u64 {
    let time = clock_getcpuclockid(process).and_then(clock_gettime);
    let time = time.expect("a clock");
    time.tv_sec() as u64 * 1000 + time.tv_nsec() as u64 / 1_000_000
}

/// CPU time in milliseconds that a caller uses only if it does not sleep.
const SPUN_MS: u64 = 25;

/// In a child of the caller: what happens while the caller waits in `wait`.
fn happen(what: Meanwhile, caller: Pid, mut onlooker: Onlooker, mine: Pid) {
    onlooker.until_it_waits();
    match what {
        Meanwhile::Signals(times) => (0..times).for_each(|_| {
            let _ = kill(caller, Signal::SIGUSR1);
            onlooker.until_it_waits();
        }),
        Meanwhile::Spurious(times) => (0..times).for_each(|_| {
            let _ = kill(caller, Signal::SIGCHLD);
            onlooker.until_it_waits();
        }),
        Meanwhile::AnotherEnds => {}
        Meanwhile::Stops => {
            let _ = kill(mine, Signal::SIGSTOP);
            Onlooker::of_process(mine.as_raw()).until_it_stops();
            onlooker.until_it_waits();
            let _ = kill(mine, Signal::SIGCONT);
        }
        // Two processes that yield get the same share of a CPU. So a caller that
        // does not sleep uses CPU time before this child has used its 80 ms.
        Meanwhile::Nothing => {
            let before = cpu_ms(caller);
            while cpu_ms(getpid()) < 80 && cpu_ms(caller) < before + SPUN_MS {
                thread::yield_now();
            }
        }
    }
}

/// How many descriptors a process has open. (The folder is read by the test's
/// other process, so that it does not count.)
fn descriptors_of(process: Pid) -> u8 {
    let folder = std::fs::read_dir(format!("/proc/{process}/fd"));
    folder.map_or(0, |entries| entries.count() as u8)
}

/// What happened when `wait` was called while something else happened.
#[derive(Debug, Serialize, Deserialize)]
struct Waited {
    ends: [Ends; 2],
    cpu: u64,
    /// What the caller gets when it waits for a child that was never watched.
    zombie: Result<End, i32>,
    /// Calls of the handler of a blocked signal, during the wait and after it.
    blocked: [u32; 2],
    /// The reaper's descriptors during the wait.
    descriptors: i32,
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], deadline = 10.0, orphans = true, subject = |(what, code): (Meanwhile, u8)| -> Told<Waited> {
    set_handler(Signal::SIGUSR1, SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    let before_install = open_now().len();
    let mut reaper = install()?;
    let installed = open_now().len() - before_install;
    // One that is not watched has ended, and one that is watched does not end.
    let zombie = ended_child(code);
    let idle = Gated::new(0);
    let (caller, onlooker) = (getpid(), Onlooker::of_this_thread());
    let mine = Gated::new(code);
    let mut key = mine.key.try_clone().expect("a second key");
    let other = child(|| {
        happen(what, caller, onlooker, mine.pid);
        let descriptors = descriptors_of(caller);
        let mut end_the_child = |mut onlooker: Onlooker| {
            onlooker.until_it_waits();
            let _ = key.write(b"!");
        };
        if what == Meanwhile::AnotherEnds {
            // Its own child does the rest, when this process has ended.
            let me = getpid();
            child(|| {
                Onlooker::of_process(me.as_raw()).until_it_stops();
                end_the_child(onlooker);
                0
            });
        } else {
            end_the_child(onlooker);
        }
        descriptors
    });
    let pids = [mine.pid, idle.pid];
    let open = open_now().len();
    watch(&mut reaper, &[idle.pid, mine.pid])?;
    let before = cpu_ms(caller);
    let (ends, blocked) = with_a_blocked_signal(|| wait(&mut reaper, &pids));
    let cpu = cpu_ms(caller) - before;
    let during = if let Ok(Exited(during)) = waited(other) { during as i32 } else { 0 };
    idle.end();
    let ends = [ends?, reap(&mut reaper, &pids)?];
    let descriptors = installed as i32 + during - open as i32;
    Ok(Waited { ends, cpu, zombie: waited(zombie), blocked, descriptors })
})]
fn it_waits_until_a_watched_child_has_ended(mut subject: Subject) {
    let events = [
        (Meanwhile::Signals(3), "signals with a handler arrived"),
        (
            Meanwhile::Spurious(3),
            "SIGCHLD arrived, though no child had ended",
        ),
        (Meanwhile::AnotherEnds, "a child ended that is not watched"),
        (Meanwhile::Stops, "the watched child stopped and continued"),
        (Meanwhile::Nothing, "nothing else happened"),
    ];
    for (what, happened) in events {
        let [code] = codes();
        let answer = subject.ask(&(what, code));
        let found = value(&answer);
        let ([ends, later], cpu, zombie) = (&found.ends, found.cpu, found.zombie);
        let because = format!(
            "while the caller waited in wait, {happened}, and then one of two watched children ended"
        );
        expect(&because, ends, &exited(&[code], 0));
        expect("the other child has ended", later, &vec![(1, Exited(0))]);
        assert!(
            zombie == Ok(Exited(code)),
            "a child that was never watched had ended before the call of wait, and the caller, who waits for it, got: {} (ECHILD means that somebody has already waited for it)",
            outcome(&zombie)
        );
        assert!(
            what != Meanwhile::Nothing || cpu < SPUN_MS,
            "wait used {cpu} ms of CPU time while another process computed for 80 ms or less: it must sleep"
        );
        let [during, after] = found.blocked;
        assert!(
            [during, after] == [0, 1],
            "the caller blocked SIGUSR2, which was pending, and its handler ran {} while the caller waited in wait, and {} when the caller unblocked it: wait must not change the signal mask, not even for a while",
            proctor::count(during as usize, "time"),
            proctor::count(after as usize, "time")
        );
        let descriptors = found.descriptors;
        assert!(
            descriptors <= 4,
            "while the caller waited in wait, {happened}, and the reaper had {descriptors} descriptors open: 4 are allowed at any time"
        );
    }
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], slow = true, deadline = 30.0, subject = |code: u8| -> Told<Ends> {
    set_handler(Signal::SIGUSR1, SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    let mut reaper = install()?;
    let (caller, onlooker) = (getpid(), Onlooker::of_this_thread());
    let mine = child(|| {
        happen(Meanwhile::Signals(1100), caller, onlooker, getpid());
        happen(Meanwhile::Spurious(300), caller, onlooker, getpid());
        // For a wait that gives up after a time.
        thread::sleep(Duration::from_millis(1_100));
        code
    });
    watch(&mut reaper, &[mine])?;
    wait(&mut reaper, &[mine])
})]
fn it_waits_for_a_second_and_through_1400_signals(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&code);
    let because =
        "1,100 other signals and 300 SIGCHLD arrived, and a second later the watched child ended";
    expect(because, value(&answer), &exited(&[code], 0));
    nothing_is_left(&answer, 1);
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], deadline = 10.0, subject = |code: u8| -> Told<Ends> {
    let mut reaper = install()?;
    let mut onlooker = Onlooker::of_this_thread();
    let (mut reader, writer) = pipe().expect("a pipe");
    // It does not block SIGCHLD, and runs the handler.
    let other = thread::spawn(move || _ = reader.read(&mut [0]));
    block_sigchld(true);
    let mine = child(|| {
        onlooker.until_it_waits();
        code
    });
    watch(&mut reaper, &[mine])?;
    let ends = wait(&mut reaper, &[mine]);
    block_sigchld(false);
    drop(writer);
    let _ = other.join();
    ends
})]
fn the_handler_may_run_in_another_thread(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&code);
    let because = "a watched child ended, and the kernel delivered SIGCHLD to another thread than the one that waits";
    expect(because, value(&answer), &exited(&[code], 0));
    nothing_is_left(&answer, 1);
}

/// What SIGCHLD does before a reaper is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Before {
    Default,
    Ignored,
    Handled,
    /// With a handler that gets information (SA_SIGINFO).
    Informed,
    /// With a handler, and the kernel keeps no endings (SA_NOCLDWAIT).
    NothingKept,
}

impl fmt::Display for Before {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Before::Default => "at its default",
            Before::Ignored => "ignored",
            Before::Handled => "handled",
            Before::Informed => "handled (with SA_SIGINFO)",
            Before::NothingKept => "handled (with SA_NOCLDWAIT)",
        })
    }
}

impl Before {
    fn has_handler(self) -> bool {
        !matches!(self, Before::Default | Before::Ignored)
    }
}

/// The kernel's word on SIGCHLD: handler, flags and mask.
fn disposition() -> (usize, i32, Vec<i32>) {
    // SAFETY: only reads; an empty set and no action are valid.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(libc::SIGCHLD, ptr::null(), &raw mut action);
        let mask = (1..=libc::SIGRTMAX())
            .filter(|signal| libc::sigismember(&raw const action.sa_mask, *signal) == 1);
        (action.sa_sigaction, action.sa_flags, mask.collect())
    }
}

fn prepare(before: Before) {
    let counts = count as extern "C" fn(libc::c_int) as usize;
    let informed: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
        count_informed;
    let (handler, flags) = match before {
        Before::Default => (libc::SIG_DFL, 0),
        Before::Ignored => (libc::SIG_IGN, libc::SA_RESTART),
        Before::Handled => (counts, libc::SA_NODEFER | libc::SA_NOCLDSTOP),
        Before::Informed => (informed as usize, libc::SA_SIGINFO | libc::SA_ONSTACK),
        Before::NothingKept => (counts, libc::SA_NOCLDWAIT | libc::SA_RESTART),
    };
    // SAFETY: zeros are a valid structure with an empty mask, and the handlers of
    // this file only count.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        (action.sa_sigaction, action.sa_flags) = (handler, flags);
        let (first, last) = (libc::SIGRTMIN() + 3, libc::SIGRTMAX());
        for signal in [libc::SIGHUP, libc::SIGUSR2, first, last] {
            if before.has_handler() {
                libc::sigaddset(&raw mut action.sa_mask, signal);
            }
        }
        libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut());
    }
    CALLED.store(0, Relaxed);
}

/// Whether a set of signals has changed, and SIGCHLD is all that has changed in it.
fn only_sigchld_changed(change: &str) -> bool {
    let numbers = change.split(' ').filter(|word| word.len() == 16);
    let sets: Vec<u64> = numbers
        .filter_map(|word| u64::from_str_radix(word, 16).ok())
        .collect();
    let is_disposition = [
        "the set of ignored signals",
        "the set of signals with a handler",
    ]
    .iter()
    .any(|name| change.starts_with(name));
    is_disposition && matches!(sets[..], [was, is] if was ^ is == 1 << (libc::SIGCHLD - 1))
}

/// Changes that `install` may make: new descriptors are counted, and SIGCHLD
/// has another disposition.
fn unexpected(changes: Vec<String>) -> (usize, Vec<String>) {
    let is_new =
        |change: &String| change.starts_with("file descriptor") && change.contains(" is new");
    let count = changes.iter().filter(|change| is_new(change)).count();
    let is_expected = |change: &String| {
        is_new(change)
            || change.starts_with("the handler of signal 17 ")
            || only_sigchld_changed(change)
            || change.starts_with("child ")
    };
    let others = changes.into_iter().filter(|change| !is_expected(change));
    (count, others.collect())
}

/// No test has descriptors with this number, or a larger one.
const NUMBERS: i32 = 1200;

/// The new descriptors that an exec would not close.
fn open_after_exec(before: &[i32]) -> Vec<i32> {
    let is_inherited = |fd: &i32| {
        // SAFETY: only asks for the flags of a number.
        let flags = unsafe { libc::fcntl(*fd, libc::F_GETFD) };
        flags != -1 && flags & libc::FD_CLOEXEC == 0 && !before.contains(fd)
    };
    (0..NUMBERS).filter(is_inherited).collect()
}

fn open_now() -> Vec<i32> {
    // SAFETY: only asks for the flags of a number.
    (0..NUMBERS)
        .filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1)
        .collect()
}

/// What `install` and the other methods have changed.
#[derive(Debug, Serialize, Deserialize)]
struct Changed {
    descriptors: usize,
    others: Vec<String>,
    inherited: Vec<i32>,
    /// Calls of the earlier handler.
    called: u32,
    /// Calls of the handler of a blocked signal, during the calls and after them.
    blocked: [u32; 2],
    /// Whether a pending SIGCHLD was lost.
    lost: bool,
    ends: Ends,
}

#[proctor::test(clauses = [1, 2, 4, 6, 8, 9, 10, 12, 14], subject = |(before, is_blocked): (Before, bool)| -> Told<Changed> {
    prepare(before);
    block_sigchld(is_blocked);
    let (found, blocked) = with_a_blocked_signal(|| {
        if is_blocked {
            let _ = kill(getpid(), Signal::SIGCHLD);
        }
        let (at_first, open) = (Surroundings::now(), open_now());
        let mut reaper = install()?;
        let mut lost = is_blocked && !is_pending(Signal::SIGCHLD);
        let mine: Vec<Pid> = (0..10).map(|_| ended_child(0)).collect();
        watch(&mut reaper, &mine)?;
        let inherited = open_after_exec(&open);
        let (descriptors, mut others) = unexpected(at_first.changes());
        let mut ends = wait(&mut reaper, &mine)?;
        others.extend(unexpected(at_first.changes()).1);
        ends.extend(reap(&mut reaper, &mine)?);
        others.extend(unexpected(at_first.changes()).1);
        lost |= is_blocked && !is_pending(Signal::SIGCHLD);
        drop(reaper);
        others.extend(unexpected(at_first.changes()).1);
        // (If SIGCHLD has no handler then, the kernel itself discards it.)
        lost |= is_blocked && before.has_handler() && !is_pending(Signal::SIGCHLD);
        others.retain(|change| !change.starts_with("the set of signals pending"));
        let called = CALLED.load(Relaxed);
        Ok(Changed { descriptors, others, inherited, called, blocked: [0; 2], lost, ends })
    });
    found.map(|found| Changed { blocked, ..found })
})]
fn install_changes_only_what_sigchld_does(mut subject: Subject) {
    for (before, is_blocked) in [
        (Before::Default, false),
        (Before::Ignored, true),
        (Before::Handled, false),
        (Before::Handled, true),
        (Before::Informed, false),
        (Before::NothingKept, true),
    ] {
        let answer = subject.ask(&(before, is_blocked));
        let found = value(&answer);
        let (descriptors, inherited) = (found.descriptors, &found.inherited);
        assert!(
            found.others.is_empty(),
            "install may change only the disposition of SIGCHLD, and this has changed too: {}",
            found.others.join("; ")
        );
        assert!(
            descriptors <= 4,
            "a reaper that watches 10 children has {descriptors} descriptors open: 4 are allowed"
        );
        assert!(
            inherited.is_empty(),
            "the reaper's descriptors {inherited:?} are not close-on-exec: every program that the caller starts inherits them"
        );
        assert!(
            found.called == 0,
            "SIGCHLD was {before} before install, and the handler that was there was called {} while the reaper existed",
            proctor::count(found.called as usize, "time")
        );
        assert!(
            found.blocked == [0, 1],
            "the caller blocked SIGUSR2, which was pending, and its handler ran {} while install, watch, reap, wait and drop were called, and {} when the caller unblocked it",
            proctor::count(found.blocked[0] as usize, "time"),
            proctor::count(found.blocked[1] as usize, "time")
        );
        assert!(
            !found.lost,
            "the caller blocked SIGCHLD, which was pending before install, and afterwards it is pending no more: the handler will never run for it"
        );
        let because =
            format!("SIGCHLD was {before} before install, and 10 watched children have ended");
        expect(&because, &found.ends, &exited(&[0; 10], 0));
        nothing_is_left(&answer, 10);
        // A pending signal and a mask are left.
        subject.fresh();
    }
}

/// Changes that `drop` left; whether the disposition is as it was and whether the
/// next reaper's descriptor was readable; calls of the caller's handler after each
/// of the two drops; what the next reaper returned; what the caller gets when it
/// waits for the children.
type Restored = (
    Vec<String>,
    [bool; 2],
    [u32; 2],
    Vec<Ends>,
    Vec<Result<End, i32>>,
);

#[proctor::test(clauses = [1, 2, 3, 5, 6, 8, 9, 10, 12, 13, 14], subject = |(before, codes): (Before, [u8; 3])| -> Told<Restored> {
    prepare(before);
    let (at_first, sigchld) = (Surroundings::now(), disposition());
    let mut reaper = install()?;
    let (running, ended) = (Gated::new(codes[0]), ended_child(codes[1]));
    watch(&mut reaper, &[running.pid, ended])?;
    // Where SIGCHLD has no handler then, the kernel itself discards this signal.
    block_sigchld(true);
    let _ = kill(getpid(), Signal::SIGCHLD);
    drop(reaper);
    block_sigchld(false);
    let first_called = CALLED.load(Relaxed);
    let mut changes = unexpected(at_first.changes()).1;
    let restored = sigchld == disposition();
    // The next one is as good as the first.
    let mut reaper = install()?;
    let next = ended_child(codes[2]);
    watch(&mut reaper, &[next])?;
    let readable = is_readable(&reaper);
    let ends = vec![wait(&mut reaper, &[next])?];
    if before == Before::Handled {
        flood(A_FLOOD);
    }
    drop(reaper);
    let called = CALLED.load(Relaxed);
    let _ = raise(Signal::SIGCHLD);
    let called = CALLED.load(Relaxed) - called;
    changes.extend(unexpected(at_first.changes()).1);
    let is_same = restored && sigchld == disposition();
    let others = [ended, running.pid];
    let called = [first_called, called];
    if matches!(before, Before::Ignored | Before::NothingKept) {
        // The kernel keeps no status any more for those that end now.
        let _ = kill(running.pid, Signal::SIGKILL);
        return Ok((changes, [is_same, readable], called, ends, vec![waited(ended), waited(running.pid)]));
    }
    running.end();
    Ok((changes, [is_same, readable], called, ends, others.map(waited).to_vec()))
})]
fn drop_puts_back_what_was_there_before(mut subject: Subject) {
    for before in [
        Before::Handled,
        Before::Default,
        Before::Ignored,
        Before::Informed,
        Before::NothingKept,
    ] {
        let codes = codes::<3>();
        let answer = subject.ask(&(before, codes));
        let (changes, [is_same, readable], called, ends, others) = value(&answer);
        assert!(
            *is_same,
            "SIGCHLD was {before} before install, and after drop its handler, its flags or its mask are different"
        );
        let [pending, called] = called.map(|times| times == u32::from(before.has_handler()));
        assert!(
            called,
            "SIGCHLD was {before} before install, and after drop one SIGCHLD called the caller's own handler not at all, or more than once, or a handler that was not there"
        );
        assert!(
            pending,
            "SIGCHLD was {before} before install, it was blocked and pending when the reaper was dropped, and when the caller unblocked it, the caller's own handler did not run once: a pending signal must stay"
        );
        assert!(
            changes.is_empty(),
            "drop has left changes: {}",
            changes.join("; ")
        );
        let expected = match before {
            Before::Ignored | Before::NothingKept => {
                vec![Ok(Exited(codes[1])), Err(Errno::ECHILD as i32)]
            }
            _ => vec![Ok(Exited(codes[1])), Ok(Exited(codes[0]))],
        };
        assert!(
            *others == expected,
            "the reaper was dropped while it watched two children: when the caller waits for them, it must get {}, and it got {}",
            outcomes(&expected),
            outcomes(others)
        );
        expect(
            "a second reaper was installed after the first was dropped",
            &ends[0],
            &exited(&codes[2..], 0),
        );
        assert!(
            *readable,
            "a second reaper was installed after the first was dropped, and its descriptor does not become readable"
        );
        nothing_is_left(&answer, 3);
    }
}

#[proctor::test(clauses = [1, 2, 5, 6, 8, 9, 10, 13, 14], descriptors = 64, subject = |times: u32| -> Told<[u32; 2]> {
    let mine = Gated::new(0);
    let (mut silent, mut wrong) = (0, 0);
    for _ in 0..times {
        let mut reaper = install()?;
        watch(&mut reaper, &[mine.pid])?;
        reap(&mut reaper, &[])?;
        wrong += u32::from(errno(&Reaper::install()) != Errno::EBUSY as i32);
        let _ = raise(Signal::SIGCHLD);
        silent += u32::from(!is_readable(&reaper));
    }
    mine.end();
    let _ = waited(mine.pid);
    Ok([silent, wrong])
})]
fn three_hundred_reapers_may_follow_one_another(mut subject: Subject) {
    // What is needed once: buffers, tables.
    subject.ask(&300);
    let answer = subject.ask(&300);
    let [silent, wrong] = value(&answer);
    assert!(
        *wrong == 0,
        "300 reapers were installed and dropped, one after the other, and beside {wrong} of them a second call of install did not return EBUSY"
    );
    assert!(
        *silent == 0,
        "300 reapers were installed and dropped, one after the other, and for {silent} of them SIGCHLD did not make the descriptor readable"
    );
    let left = answer.evidence.heap.left;
    assert!(
        left < 300,
        "300 reapers were installed and dropped, and {left} bytes of memory more are held than before"
    );
    nothing_is_left(&answer, 1);
}

/// The first error of `install`, what it changed, and what the next call did.
type Refused = (Vec<i32>, Vec<String>, Ends);

#[proctor::test(clauses = [1, 2, 3, 5, 6, 8, 9, 10, 12, 13, 14], subject = |code: u8| -> Told<Refused> {
    prepare(Before::Handled);
    let mut first = install()?;
    let mine = Gated::new(code);
    watch(&mut first, &[mine.pid])?;
    reap(&mut first, &[mine.pid])?;
    let (before, sigchld) = (Surroundings::now(), disposition());
    let errors = [(); 3].map(|()| errno(&Reaper::install()));
    let mut changes = before.changes();
    if sigchld != disposition() {
        changes.push("the disposition of SIGCHLD".to_owned());
    }
    flood(A_FLOOD);
    reap(&mut first, &[mine.pid])?;
    mine.end();
    if !is_readable(&first) {
        changes.push("the descriptor of the first reaper does not become readable any more".to_owned());
    }
    let ends = wait(&mut first, &[mine.pid])?;
    drop(first);
    drop(install()?);
    Ok((errors.to_vec(), changes, ends))
})]
fn a_process_has_one_reaper_at_a_time(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&code);
    let (errors, changes, ends) = value(&answer);
    assert!(
        errors.iter().all(|errno| *errno == Errno::EBUSY as i32),
        "the process has a reaper, and install was called three times: each call must return EBUSY, and the calls returned: {}",
        names(errors)
    );
    assert!(
        changes.is_empty(),
        "install returned an error because there is a reaper already, and afterwards this is different: {}",
        changes.join("; ")
    );
    expect(
        "the first reaper's child has ended",
        ends,
        &exited(&[code], 0),
    );
    nothing_is_left(&answer, 1);
}

#[proctor::test(clauses = [1, 2, 5, 6, 8, 9, 10, 12, 14], subject = |(free, code): (u64, u8)| -> Told<Refused> {
    prepare(Before::Handled);
    // Room for so many descriptors more.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let open = open_now();
    let gaps = (0..).filter(|fd| !open.contains(fd));
    let limit = gaps.take(free as usize + 1).last().unwrap_or(0);
    let (before, sigchld) = (Surroundings::now(), disposition());
    let (mut errors, mut is_kept) = (Vec::new(), true);
    for _ in 0..3 {
        setrlimit(Resource::RLIMIT_NOFILE, limit as u64, hard).expect("a lower limit");
        let result = Reaper::install();
        is_kept &= getrlimit(Resource::RLIMIT_NOFILE) == Ok((limit as u64, hard));
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit as it was");
        errors.push(errno(&result));
    }
    let mut changes = before.changes();
    if !is_kept {
        changes.push("the limit of descriptors".to_owned());
    }
    if sigchld != disposition() {
        changes.push("the disposition of SIGCHLD".to_owned());
    }
    if errors.iter().any(|errno| *errno != 0 && *errno != Errno::EMFILE as i32) {
        return Ok((errors, changes, Vec::new()));
    }
    let mut reaper = install()?;
    let mine = ended_child(code);
    watch(&mut reaper, &[mine])?;
    Ok((errors, changes, wait(&mut reaper, &[mine])?))
})]
fn an_error_of_install_changes_nothing(mut subject: Subject) {
    for free in 0..=4 {
        let [code] = codes();
        let answer = subject.ask(&(free, code));
        let (errors, changes, ends) = value(&answer);
        // A reaper may need one descriptor, or two, three or four.
        let right = match free {
            0 => &[Errno::EMFILE as i32][..],
            1..4 => &[Errno::EMFILE as i32, 0],
            _ => &[0],
        };
        assert!(
            errors.iter().all(|errno| right.contains(errno)),
            "the process may open {free} more descriptors, and install was called three times: it must return EMFILE if it needs more, and it may need 4; the calls returned: {}",
            names(errors)
        );
        assert!(
            changes.is_empty(),
            "install could make only {free} descriptors and returned an error (or Ok, and the reaper was dropped), and afterwards this is different: {}",
            changes.join("; ")
        );
        expect(
            "the next install succeeded, and the watched child has ended",
            ends,
            &exited(&[code], 0),
        );
        nothing_is_left(&answer, 1);
    }
}

/// What the test does besides when a call of waitpid or waitid fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Besides {
    Nothing,
    /// SIGCHLD is blocked from the beginning, so nothing has to be readable.
    Blocks,
    /// After the first error, every child is watched once more.
    WatchesAgain,
    /// After the first error, so many SIGCHLD arrive that a pipe is full.
    Floods,
}

/// What the calls did while waitpid failed.
#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    errors: Vec<i32>,
    /// What `reap` or `wait` returned in all.
    all: Ends,
    /// Whether the descriptor was readable after each of their errors.
    readable: Vec<bool>,
    /// What `watch` returned for children that were watched already.
    again: Vec<i32>,
    mask_is_same: bool,
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 10, 11, 12, 13, 14], faults = [Wait], deadline = 20.0, subject = |(codes, waits, besides): (Vec<u8>, bool, Besides)| -> Told<Failed> {
    let mut reaper = install()?;
    let mut pids: Vec<Pid> = codes[1..].iter().map(|code| child(|| *code)).collect();
    // (waitid would be a call that may fail.)
    let ended = |pid: &Pid| Onlooker::of_process(pid.as_raw()).until_it_stops();
    pids.iter().for_each(ended);
    // The first child runs on until a call has failed.
    let mut running = Some(Gated::new(codes[0]));
    pids.insert(0, running.as_ref().map_or(getpid(), |gated| gated.pid));
    block_sigchld(besides == Besides::Blocks);
    let mask = SigSet::thread_get_mask();
    let mut found = Failed { errors: vec![], all: vec![], readable: vec![], again: vec![], mask_is_same: true };
    for pid in &pids {
        while let Err(error) = reaper.watch(*pid) {
            found.errors.push(error.raw_os_error().unwrap_or(-1));
            if found.errors.len() > 10 {
                return Ok(found);
            }
        }
    }
    for _ in 0..20 {
        match if waits { reaper.wait() } else { reaper.reap() } {
            Ok(ended) => found.all.extend(plain(ended, &pids)),
            Err(error) => {
                found.errors.push(error.raw_os_error().unwrap_or(-1));
                if besides != Besides::Blocks {
                    found.readable.push(is_readable(&reaper));
                }
                if besides == Besides::Floods && found.readable.len() == 1 {
                    flood(A_FLOOD);
                }
                if besides == Besides::WatchesAgain {
                    let is_watched = |place: &usize| found.all.iter().all(|(returned, _)| returned != place);
                    let watched = (0..pids.len()).filter(is_watched);
                    let again: Vec<i32> = watched.map(|place| errno(&reaper.watch(pids[place]))).collect();
                    found.again.extend(again);
                }
            }
        }
        // The first child ends when a call has failed, or when it is the last.
        let is_time = !found.errors.is_empty() || found.all.len() + 1 == pids.len();
        if is_time && let Some(running) = running.take() {
            let _ = (&running.key).write(b"!");
            ended(&running.pid);
        }
        if found.all.len() >= pids.len() {
            break;
        }
    }
    found.all.sort_unstable();
    found.mask_is_same = mask == SigSet::thread_get_mask();
    block_sigchld(false);
    Ok(found)
})]
fn an_error_of_waitpid_loses_no_ending(mut subject: Subject) {
    use Besides::{Blocks, Floods, Nothing, WatchesAgain};
    use Errno::{ECHILD, EINVAL, EIO, ENOMEM};
    // Which calls fail with which error: after so many others, and so many times.
    let mut plans = Vec::new();
    for calls in 0..12 {
        let (one, other) = if calls % 2 == 0 {
            (EIO, ECHILD)
        } else {
            (ENOMEM, EINVAL)
        };
        let besides = [Nothing, WatchesAgain, Blocks][calls as usize % 3];
        plans.push((vec![(calls, one, 1)], calls % 3 == 1, besides));
        plans.push((vec![(calls, other, 1)], calls % 3 == 2, Nothing));
    }
    plans.push((vec![(8, EIO, 1)], false, WatchesAgain));
    // The five calls of watch succeed.
    for (first, second) in [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0)] {
        let errors = vec![(5 + first, EIO, 1), (second, ENOMEM, 1)];
        plans.push((errors, first % 2 == 0, Nothing));
        plans.push((vec![(5 + first, EIO, 2 + second)], first % 2 == 1, Nothing));
    }
    plans.push((vec![(7, EIO, 1)], false, Floods));
    plans.push((vec![(7, EIO, 1)], true, Floods));
    for (errors, waits, besides) in plans {
        let codes = codes::<5>();
        for (calls, errno, times) in &errors {
            let failure = Failure::of(Fault::Wait, *errno).after(*calls).times(*times);
            subject.fail(failure.whose(Whose::TheSubjects));
        }
        let answer = subject.ask(&(codes.to_vec(), waits, besides));
        let found = value(&answer);
        let returned = &found.errors;
        let (faults, errno) = (answer.evidence.faults as usize, errors[0].1);
        // A call may go on after an error, and it returns only one.
        let least = match errors[..] {
            [(_, _, 1)] => faults,
            _ => faults.min(1),
        };
        let is_one_of_them =
            |number: &&i32| errors.iter().any(|(_, errno, _)| *errno as i32 == **number);
        let names_of: Vec<String> = errors
            .iter()
            .map(|(_, errno, _)| format!("{errno:?}"))
            .collect();
        let failed = format!(
            "{} of waitpid or waitid failed with {}",
            proctor::count(faults, "call"),
            names_of.join(" or ")
        );
        if let Some(other) = returned.iter().find(|number| !is_one_of_them(number)) {
            panic!(
                "{failed}, and then another call of watch, reap or wait returned {}: {}",
                names(&[*other]),
                match *other == Errno::ECHILD as i32 {
                    true =>
                        "the kernel answers ECHILD to whoever asks again for a child that is already reaped, and the child's ending is lost",
                    false => "no system call failed with this error",
                }
            );
        }
        assert!(
            (least..=faults).contains(&returned.len()),
            "{failed}: the call during which this happens must return this error, and these errors were returned: {}",
            names(returned)
        );
        let names_of = names_of.join(", and then with ");
        let because = format!(
            "four children have ended, waitpid failed with {names_of}, a fifth child ended, and reap or wait was called again until all were returned"
        );
        expect(&because, &found.all, &exited(&codes, 0));
        assert!(
            found.readable.iter().all(|readable| *readable),
            "reap or wait returned an error, children that have ended are not returned yet, and the descriptor is not readable: poll would not return"
        );
        assert!(
            found.again.iter().all(|errno| *errno == 0),
            "reap or wait returned an error, then watch was called for the children that were watched already: it must return Ok, also for a child that the failed call has reaped, and the calls returned: {}",
            names(&found.again)
        );
        assert!(
            found.mask_is_same,
            "waitpid failed with {errno:?}, and afterwards the signal mask of the caller is different"
        );
        nothing_is_left(&answer, codes.len());
    }
}

#[proctor::test(clauses = [1, 2, 6, 10, 11, 14], faults = [Wait], deadline = 20.0, subject = |count: usize| -> Told<Vec<i32>> {
    let mut reaper = install()?;
    let pids: Vec<Pid> = (0..count).map(|_| child(|| 0)).collect();
    let ended = |pid: &Pid| Onlooker::of_process(pid.as_raw()).until_it_stops();
    pids.iter().for_each(ended);
    for pid in &pids {
        // (If the reaper makes more calls, the failure comes here.)
        let watched = reaper.watch(*pid).or_else(|_| reaper.watch(*pid));
        told("watch", watched)?;
    }
    let _ = reaper.reap();
    drop(reaper);
    // The failed call may have reaped some of them. If the reaper has made fewer
    // calls, the failure comes only now.
    let is_late = |ended: &Result<End, i32>| *ended == Err(Errno::EIO as i32);
    let wait_for = |pid: &Pid| Some(waited(*pid)).filter(|ended| !is_late(ended)).unwrap_or_else(|| waited(*pid));
    Ok(pids.iter().map(|pid| wait_for(pid).map_or_else(|errno| errno, |_| 0)).collect())
})]
fn a_reaper_may_be_dropped_after_an_error(mut subject: Subject) {
    let count = 40;
    // What is needed once: buffers, tables.
    let answers = [(); 2].map(|()| {
        let failure = Failure::of(Fault::Wait, Errno::EIO).after(count as u32 + 30);
        subject.fail(failure.whose(Whose::TheSubjects));
        subject.ask(&count)
    });
    let answer = &answers[1];
    let errors = value(answer);
    let is_right = |errno: &i32| [0, Errno::ECHILD as i32].contains(errno);
    assert!(
        errors.iter().all(is_right),
        "reap returned an error, the reaper was dropped, and then the caller waited for the children: each must be there, or have been reaped by reap, and the calls returned: {}",
        names(errors)
    );
    let left = answer.evidence.heap.left;
    assert!(
        left < 300,
        "{count} children were watched, reap returned an error and the reaper was dropped, and {left} bytes of memory more are held than before"
    );
    nothing_is_left(answer, count);
}
