//! Judges the reaper from outside: what it returns, what its descriptor says,
//! and what the kernel says about the children.
//!
//! No test waits for a time. A child of the test ends at once, or when the test
//! opens its gate, and the kernel says (WNOWAIT) when it has ended. Where the
//! handler has to run at a certain place of the learner's code, the test raises
//! SIGCHLD itself: see [`at_each_free`].
proctor::exercise!(reaper);

use std::io::{self, Read, Write, pipe};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, raise, sigaction,
};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};
use proctor::{Answer, Failure, Fault, Onlooker, Subject, Surroundings, Whose};
use reaper::Reaper;
use serde::{Deserialize, Serialize};

/// An ending as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum End {
    Exited(u8),
    Killed(i32),
}
use End::{Exited, Killed};

/// What one call of `reap` or `wait` returned: for each child its place among
/// the children of the test (or [`STRANGER`]) and its ending, sorted.
type Ends = Vec<(usize, End)>;

/// The place of a process that the test has not started.
const STRANGER: usize = usize::MAX;

/// What a subject answers. The text says which call failed although nothing
/// stood in its way.
type Told<T> = Result<T, String>;

// ------------------------------------------------------------- in the subject

fn told<T>(call: &str, result: io::Result<T>) -> Told<T> {
    result.map_err(|error| {
        format!("{call} returned an error although no system call failed: {error}")
    })
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
    // SAFETY: subjects have one thread; where a test has a second one, that
    // thread holds no lock.
    let forked = unsafe { fork() }.expect("a child of the test");
    let _ = mask.thread_set_mask();
    match forked {
        ForkResult::Child => {
            let code = work();
            // SAFETY: ends the process and touches no memory.
            unsafe { libc::_exit(code.into()) }
        }
        ForkResult::Parent { child } => child,
    }
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

/// Blocks or unblocks SIGCHLD for the calling thread.
fn block_sigchld(blocked: bool) {
    let set = SigSet::from(Signal::SIGCHLD);
    let _ = if blocked {
        set.thread_block()
    } else {
        set.thread_unblock()
    };
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
            "the test started {started} processes, and {processes} were started in all: a reaper starts no process"
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
    assert!(
        returned.iter().all(|(place, _)| *place != STRANGER),
        "{what}, and the call returned a process that the test has not started: {returned:?}"
    );
    let places = |ends: &Ends| ends.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    let (got, want) = (places(returned), places(expected));
    assert!(
        got == want,
        "{what}: the call must return the children {want:?}, and it returned {got:?} (the test numbers its children from 0)"
    );
    for ((place, is), (_, expected)) in returned.iter().zip(expected) {
        assert!(
            is == expected,
            "{what}: child {place} ended with {expected:?}, and the call returned {is:?}"
        );
    }
}

/// Some exit codes, all different from 0.
fn codes<const N: usize>() -> [u8; N] {
    std::array::from_fn(|_| proctor::rng().u8(1..))
}

// -------------------------------------------------------------------- the tests

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], deadline = 5.0, subject = |codes: Vec<u8>| -> Told<[Ends; 4]> {
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
    Ok([before, first, second, wait(&mut reaper, &[])?])
})]
fn children_come_back_as_they_end(mut subject: Subject) {
    let codes = codes::<3>();
    let answer = subject.ask(&codes.to_vec());
    let [before, first, second, none] = value(&answer);
    let end = |place: usize| (place, Exited(codes[place]));
    expect("no watched child has ended", before, &vec![]);
    expect("child 1 has ended", first, &vec![end(1)]);
    expect("children 0 and 2 have ended", second, &vec![end(0), end(2)]);
    expect("no child is watched any more", none, &vec![]);
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
        for (count, waits) in [
            (20, false),
            (proctor::rng().usize(21..40), true),
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

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], subject = |code: u8| -> Told<(Vec<Ends>, Ends)> {
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
    Ok((while_stopped, wait(&mut reaper, &pids)?))
})]
fn a_child_that_stops_has_not_ended(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&code);
    let (while_stopped, ends) = value(&answer);
    for returned in while_stopped {
        expect(
            "the child has stopped or continued, and has not ended",
            returned,
            &vec![],
        );
    }
    expect("the child has ended", ends, &vec![(0, Exited(code))]);
    nothing_is_left(&answer, 1);
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
            "a child that was never watched ended with {expected:?}, and the caller, who waits for it, got {got:?} (Err(10) is ECHILD: somebody has already waited for it)"
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
        // Until it is killed.
        loop {
            nix::unistd::pause();
        }
    });
    let mut number = [0; 4];
    reader.read_exact(&mut number).expect("the grandchild's number");
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
        "watch was called for numbers that are no children, and afterwards the caller's own children are not as they were: {others:?}"
    );
}

#[proctor::test(clauses = [1, 2, 4, 6, 8, 9, 10, 12, 14], subject = |(): ()| -> Told<[Result<usize, i32>; 2]> {
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
    let answer = subject.ask(&());
    for (read, when) in value(&answer).iter().zip(["", ", after a call of wait"]) {
        assert!(
            *read == Ok(1),
            "SIGCHLD arrived while the caller waited in read(2){when}: the kernel must repeat the call until there is a byte, and the read returned {read:?} (Err(4) is EINTR)"
        );
    }
    nothing_is_left(&answer, 4);
}

/// What the handler did when it ran: `errno` values that it changed, with the
/// pipe empty and full; frees; what became of the children.
type Handled = (Vec<(i32, i32)>, u32, Ends);

/// Sets errno, raises SIGCHLD, and tells what errno was and is.
fn errno_around_a_signal() -> Vec<(i32, i32)> {
    let values = [0, 4, 11, 77];
    let around = |value| {
        Errno::set_raw(value);
        let _ = raise(Signal::SIGCHLD);
        (value, Errno::last_raw())
    };
    values.map(around).to_vec()
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 10, 13, 14], deadline = 5.0, subject = |(signals, code): (u32, u8)| -> Told<(Handled, bool)> {
    let mut reaper = install()?;
    let mine = child(|| code);
    watch(&mut reaper, &[mine])?;
    until_ended(mine);
    let mut errnos = errno_around_a_signal();
    let me = getpid();
    // (Cheaper than raise, and in a process with one thread it does the same.)
    at_each_free(COUNTS, || (0..signals).for_each(|_| _ = kill(me, Signal::SIGCHLD)));
    errnos.extend(errno_around_a_signal());
    let freed = FREED.swap(0, Relaxed);
    let ends = reap(&mut reaper, &[mine])?;
    Ok(((errnos, freed, ends), is_readable(&reaper)))
})]
fn a_hundred_thousand_signals_do_no_harm(mut subject: Subject) {
    let [code] = codes();
    // What is needed once: buffers, tables.
    subject.ask(&(1, code));
    let few = subject.ask(&(1, code)).evidence.heap.requests;
    let signals = 100_000;
    let answer = subject.ask(&(signals, code));
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
        "while the handler ran for {signals} signals, memory was allocated {} times and freed {freed} times",
        many.saturating_sub(few)
    );
    expect(
        "the child has ended, and 100,000 signals have arrived",
        ends,
        &exited(&[code], 0),
    );
    assert!(
        !*readable,
        "{signals} SIGCHLD arrived, then reap was called, and afterwards the descriptor is still readable although no other signal has arrived"
    );
    nothing_is_left(&answer, 1);
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

/// Whether a watched child has ended, and the descriptor does not say so.
fn is_lost(reaper: &Reaper, outstanding: &[Pid]) -> bool {
    // Whoever ends after this look counts next time.
    let ended = outstanding.iter().any(|child| is_zombie(*child));
    ended && !is_readable(reaper)
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 13, 14], subject = |(): ()| -> Told<(u32, [bool; 2])> {
    let mut reaper = install()?;
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
    let ended = at_each_free(OPENS_GATES, || reaper.reap());
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
    for _ in 0..6 {
        let mut pids: Vec<Pid> = (0..8).map(|_| child(|| 0)).collect();
        watch(&mut reaper, &pids)?;
        while !pids.is_empty() {
            returned += forget(&mut pids, reaper.reap())?;
            sometimes |= is_lost(&reaper, &pids);
        }
    }
    Ok((returned, [in_the_middle, sometimes]))
})]
fn a_child_that_ends_during_the_call_is_not_forgotten(mut subject: Subject) {
    let answer = subject.ask(&());
    let (returned, lost) = value(&answer);
    assert!(
        *lost == [false; 2],
        "a watched child ended while reap was running, reap did not return it, and after reap the descriptor is not readable: poll would not return"
    );
    let started = 2 * 16 + 6 * 8;
    assert!(
        *returned == started,
        "{started} watched children have ended, and reap has returned {returned}"
    );
    nothing_is_left(&answer, started as usize);
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

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], subject = |code: u8| -> Told<(bool, Ends)> {
    let mine = Gated::new(code);
    // SAFETY: the numbers 0 to 2 are saved under other numbers, and put back
    // before anything else uses them.
    let saved = [0, 1, 2].map(|fd| unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 20) });
    (0..3).for_each(|fd| _ = unsafe { libc::close(fd) });
    let reaper = Reaper::install();
    let watched = reaper.and_then(|mut reaper| {
        reaper.watch(mine.pid)?;
        reaper.reap()?;
        mine.end();
        let is_readable = is_readable(&reaper);
        Ok((is_readable, reaper.reap()?))
    });
    for (fd, saved) in (0..).zip(saved) {
        // SAFETY: as above; the reaper is dropped.
        unsafe {
            libc::dup2(saved, fd);
            libc::close(saved);
        }
    }
    let (readable, ended) = told("install, watch or reap", watched)?;
    Ok((readable, plain(ended, &[mine.pid])))
})]
fn closed_standard_streams_make_no_difference(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&code);
    let (readable, ends) = value(&answer);
    assert!(
        *readable,
        "descriptors 0 to 2 were closed before install, so that the reaper's own descriptors may have these numbers; a watched child has ended, and the descriptor is not readable"
    );
    expect("the watched child has ended", ends, &exited(&[code], 0));
    nothing_is_left(&answer, 1);
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

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], deadline = 5.0, orphans = true, subject = |(what, code): (Meanwhile, u8)| -> Told<([Ends; 2], u64, Result<End, i32>)> {
    set_handler(Signal::SIGUSR1, SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    let mut reaper = install()?;
    // One that is not watched has ended, and one that is watched does not end.
    let zombie = ended_child(code);
    let idle = Gated::new(0);
    let (caller, onlooker) = (getpid(), Onlooker::of_this_thread());
    let mine = Gated::new(code);
    let mut key = mine.key.try_clone().expect("a second key");
    let other = child(|| {
        happen(what, caller, onlooker, mine.pid);
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
        0
    });
    let pids = [mine.pid, idle.pid];
    watch(&mut reaper, &[idle.pid, mine.pid])?;
    let before = cpu_ms(caller);
    let ends = wait(&mut reaper, &pids)?;
    let cpu = cpu_ms(caller) - before;
    let _ = waited(other);
    idle.end();
    Ok(([ends, reap(&mut reaper, &pids)?], cpu, waited(zombie)))
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
        let ([ends, later], cpu, zombie) = value(&answer);
        let because = format!(
            "while the caller waited in wait, {happened}, and then one of two watched children ended"
        );
        expect(&because, ends, &exited(&[code], 0));
        expect("the other child has ended", later, &vec![(1, Exited(0))]);
        assert!(
            *zombie == Ok(Exited(code)),
            "a child that was never watched had ended before the call of wait, and the caller, who waits for it, got {zombie:?} (Err(10) is ECHILD)"
        );
        assert!(
            what != Meanwhile::Nothing || *cpu < SPUN_MS,
            "wait used {cpu} ms of CPU time while another process computed for 80 ms or less: it must sleep"
        );
    }
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 14], slow = true, deadline = 30.0, subject = |(signals, code): (u32, u8)| -> Told<Ends> {
    set_handler(Signal::SIGUSR1, SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    let mut reaper = install()?;
    let (caller, onlooker) = (getpid(), Onlooker::of_this_thread());
    let mine = child(|| {
        happen(Meanwhile::Signals(signals), caller, onlooker, getpid());
        happen(Meanwhile::Spurious(signals), caller, onlooker, getpid());
        // For a wait that gives up after a time.
        thread::sleep(Duration::from_millis(1_100));
        code
    });
    watch(&mut reaper, &[mine])?;
    wait(&mut reaper, &[mine])
})]
fn it_waits_for_a_second_and_through_600_signals(mut subject: Subject) {
    let [code] = codes();
    let answer = subject.ask(&(300, code));
    let because =
        "300 other signals and 300 SIGCHLD arrived, and a second later the watched child ended";
    expect(because, value(&answer), &exited(&[code], 0));
    nothing_is_left(&answer, 1);
}

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 12, 13, 14], deadline = 5.0, subject = |code: u8| -> Told<Ends> {
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
}

/// The kernel's word on SIGCHLD: handler, flags and mask.
fn disposition() -> (usize, i32, Vec<i32>) {
    // SAFETY: only reads; an empty set and no action are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGCHLD, std::ptr::null(), &raw mut action);
        let mask =
            (1..=31).filter(|signal| libc::sigismember(&raw const action.sa_mask, *signal) == 1);
        (action.sa_sigaction, action.sa_flags, mask.collect())
    }
}

fn prepare(before: Before) {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGUSR2);
    mask.add(Signal::SIGHUP);
    let flags = SaFlags::SA_NODEFER | SaFlags::SA_NOCLDSTOP;
    match before {
        Before::Default => set_handler(
            Signal::SIGCHLD,
            SigHandler::SigDfl,
            SaFlags::empty(),
            SigSet::empty(),
        ),
        Before::Ignored => set_handler(
            Signal::SIGCHLD,
            SigHandler::SigIgn,
            SaFlags::SA_RESTART,
            SigSet::empty(),
        ),
        Before::Handled => set_handler(Signal::SIGCHLD, SigHandler::Handler(count), flags, mask),
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

/// The new descriptors that an exec would not close.
fn open_after_exec(reaper: &Reaper, before: &[i32]) -> Vec<i32> {
    let _ = reaper;
    let is_inherited = |fd: &i32| {
        // SAFETY: only asks for the flags of a number.
        let flags = unsafe { libc::fcntl(*fd, libc::F_GETFD) };
        flags != -1 && flags & libc::FD_CLOEXEC == 0 && !before.contains(fd)
    };
    (0..64).filter(is_inherited).collect()
}

fn open_now() -> Vec<i32> {
    // SAFETY: only asks for the flags of a number.
    (0..64)
        .filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1)
        .collect()
}

/// New descriptors, other changes, descriptors that are not close-on-exec, calls
/// of the earlier handler, and what `wait` returned.
type Changed = (usize, Vec<String>, Vec<i32>, u32, Ends);

#[proctor::test(clauses = [1, 2, 4, 6, 8, 9, 10, 12, 14], subject = |(before, blocked): (Before, bool)| -> Told<Changed> {
    prepare(before);
    block_sigchld(blocked);
    let (at_first, open) = (Surroundings::now(), open_now());
    let mut reaper = install()?;
    let mine: Vec<Pid> = (0..10).map(|_| ended_child(0)).collect();
    watch(&mut reaper, &mine)?;
    let inherited = open_after_exec(&reaper, &open);
    let (count, mut others) = unexpected(at_first.changes());
    let ends = wait(&mut reaper, &mine)?;
    others.extend(unexpected(at_first.changes()).1);
    // (With a blocked SIGCHLD, one is still pending.)
    others.retain(|change| !change.starts_with("the set of signals pending"));
    Ok((count, others, inherited, CALLED.load(Relaxed), ends))
})]
fn install_changes_only_what_sigchld_does(mut subject: Subject) {
    for (before, blocked) in [
        (Before::Default, false),
        (Before::Ignored, true),
        (Before::Handled, false),
        (Before::Handled, true),
    ] {
        let answer = subject.ask(&(before, blocked));
        let (descriptors, others, inherited, called, ends) = value(&answer);
        assert!(
            others.is_empty(),
            "install may change only the disposition of SIGCHLD, and this has changed too: {}",
            others.join("; ")
        );
        assert!(
            *descriptors <= 4,
            "a reaper that watches 10 children has {descriptors} descriptors open: 4 are allowed"
        );
        assert!(
            inherited.is_empty(),
            "the reaper's descriptors {inherited:?} are not close-on-exec: every program that the caller starts inherits them"
        );
        assert!(
            *called == 0,
            "the handler that was there before install was called {called} times while the reaper existed"
        );
        expect("10 watched children have ended", ends, &exited(&[0; 10], 0));
        nothing_is_left(&answer, 10);
        // A pending signal and a mask are left.
        subject.fresh();
    }
}

/// Changes that `drop` left; whether the disposition is as it was and whether the
/// next reaper's descriptor was readable; calls of the caller's handler; what the
/// next reaper returned; what the caller gets when it waits for the children.
type Restored = (
    Vec<String>,
    [bool; 2],
    u32,
    Vec<Ends>,
    Vec<Result<End, i32>>,
);

#[proctor::test(clauses = [1, 2, 5, 6, 8, 9, 10, 13, 14], subject = |(before, codes): (Before, [u8; 3])| -> Told<Restored> {
    prepare(before);
    let (at_first, sigchld) = (Surroundings::now(), disposition());
    let mut reaper = install()?;
    let (running, ended) = (Gated::new(codes[0]), ended_child(codes[1]));
    watch(&mut reaper, &[running.pid, ended])?;
    drop(reaper);
    let mut changes = unexpected(at_first.changes()).1;
    let restored = sigchld == disposition();
    // The next one is as good as the first.
    let mut reaper = install()?;
    let next = ended_child(codes[2]);
    watch(&mut reaper, &[next])?;
    let readable = is_readable(&reaper);
    let ends = vec![wait(&mut reaper, &[next])?];
    drop(reaper);
    let called = CALLED.load(Relaxed);
    let _ = raise(Signal::SIGCHLD);
    let called = CALLED.load(Relaxed) - called;
    changes.extend(unexpected(at_first.changes()).1);
    let is_same = restored && sigchld == disposition();
    let others = [ended, running.pid];
    if before == Before::Ignored {
        // The kernel keeps no status any more for those that end now.
        let _ = kill(running.pid, Signal::SIGKILL);
        return Ok((changes, [is_same, readable], called, ends, vec![waited(ended), waited(running.pid)]));
    }
    running.end();
    Ok((changes, [is_same, readable], called, ends, others.map(waited).to_vec()))
})]
fn drop_puts_back_what_was_there_before(mut subject: Subject) {
    for before in [Before::Handled, Before::Default, Before::Ignored] {
        let codes = codes::<3>();
        let answer = subject.ask(&(before, codes));
        let (changes, [is_same, readable], called, ends, others) = value(&answer);
        assert!(
            *is_same,
            "SIGCHLD was {before:?} before install, and after drop its handler, its flags or its mask are different"
        );
        assert!(
            *called == u32::from(before == Before::Handled),
            "SIGCHLD was {before:?} before install, and after drop one SIGCHLD called the caller's own handler {called} times"
        );
        assert!(
            changes.is_empty(),
            "drop has left changes: {}",
            changes.join("; ")
        );
        let expected = match before {
            Before::Ignored => vec![Ok(Exited(codes[1])), Err(Errno::ECHILD as i32)],
            _ => vec![Ok(Exited(codes[1])), Ok(Exited(codes[0]))],
        };
        assert!(
            *others == expected,
            "the reaper was dropped while it watched two children: the caller must get {expected:?} when it waits for them, and it got {others:?} (Err(10) is ECHILD)"
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

#[proctor::test(clauses = [1, 2, 5, 6, 8, 9, 10, 13, 14], descriptors = 64, subject = |times: u32| -> Told<u32> {
    let mine = Gated::new(0);
    let mut silent = 0;
    for _ in 0..times {
        let mut reaper = install()?;
        watch(&mut reaper, &[mine.pid])?;
        reap(&mut reaper, &[])?;
        let _ = raise(Signal::SIGCHLD);
        silent += u32::from(!is_readable(&reaper));
    }
    mine.end();
    let _ = waited(mine.pid);
    Ok(silent)
})]
fn three_hundred_reapers_may_follow_one_another(mut subject: Subject) {
    // What is needed once: buffers, tables.
    subject.ask(&300);
    let answer = subject.ask(&300);
    let silent = value(&answer);
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

#[proctor::test(clauses = [1, 2, 5, 6, 8, 9, 10, 12, 13, 14], subject = |code: u8| -> Told<Refused> {
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
        "the process has a reaper, and install was called three times: each call must return EBUSY ({}), and the calls returned {errors:?} (0 is Ok)",
        Errno::EBUSY as i32
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
    let mut errors = Vec::new();
    for _ in 0..3 {
        setrlimit(Resource::RLIMIT_NOFILE, limit as u64, hard).expect("a lower limit");
        let result = Reaper::install();
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit as it was");
        errors.push(errno(&result));
    }
    let mut changes = before.changes();
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
    for free in [0, 1] {
        let [code] = codes();
        let answer = subject.ask(&(free, code));
        let (errors, changes, ends) = value(&answer);
        // With room for one descriptor, a reaper may need only that one.
        let is_right = |errno: &i32| *errno == Errno::EMFILE as i32 || (free == 1 && *errno == 0);
        assert!(
            errors.iter().all(is_right),
            "the process may open {free} more descriptors, and install was called three times: it must return EMFILE ({}), and the calls returned {errors:?} (0 is Ok)",
            Errno::EMFILE as i32
        );
        assert!(
            changes.is_empty(),
            "install could not make its descriptors and returned an error, and afterwards this is different: {}",
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

/// The errors of all calls, what `reap` or `wait` returned in all, whether the
/// descriptor was readable after each of their errors, and whether the signal
/// mask is as it was.
type Failed = (Vec<i32>, Ends, Vec<bool>, bool);

#[proctor::test(clauses = [1, 2, 6, 8, 9, 10, 11, 13, 14], faults = [Wait], deadline = 5.0, subject = |(codes, waits): (Vec<u8>, bool)| -> Told<Failed> {
    let mut reaper = install()?;
    let pids: Vec<Pid> = codes.iter().map(|code| child(|| *code)).collect();
    // (waitid would be a call that may fail.)
    pids.iter().for_each(|pid| Onlooker::of_process(pid.as_raw()).until_it_stops());
    let mask = SigSet::thread_get_mask();
    let (mut errors, mut all, mut readable) = (Vec::new(), Vec::new(), Vec::new());
    for pid in &pids {
        while let Err(error) = reaper.watch(*pid) {
            errors.push(error.raw_os_error().unwrap_or(-1));
            if errors.len() > 10 {
                return Ok((errors, all, readable, true));
            }
        }
    }
    for _ in 0..20 {
        match if waits { reaper.wait() } else { reaper.reap() } {
            Ok(ended) => all.extend(plain(ended, &pids)),
            Err(error) => {
                errors.push(error.raw_os_error().unwrap_or(-1));
                readable.push(is_readable(&reaper));
            }
        }
        if all.len() >= pids.len() {
            break;
        }
    }
    all.sort_unstable();
    Ok((errors, all, readable, mask == SigSet::thread_get_mask()))
})]
fn an_error_of_waitpid_loses_no_ending(mut subject: Subject) {
    let codes = codes::<4>();
    for (calls, errno) in (0..10).zip([Errno::EIO, Errno::ENOMEM].into_iter().cycle()) {
        let failure = Failure::of(Fault::Wait, errno).after(calls);
        subject.fail(failure.whose(Whose::TheSubjects));
        let answer = subject.ask(&(codes.to_vec(), calls % 3 == 1));
        let (errors, all, readable, mask_is_same) = value(&answer);
        let expected = vec![errno as i32; answer.evidence.faults as usize];
        assert!(
            *errors == expected,
            "{} calls of waitpid or waitid failed with {errno}: the call that made it must return this error, and the errors that were returned are {errors:?}",
            expected.len()
        );
        let because = format!(
            "four children have ended, waitpid failed once with {errno}, and reap or wait was called again until all were returned"
        );
        expect(&because, all, &exited(&codes, 0));
        assert!(
            readable.iter().all(|readable| *readable),
            "reap or wait returned an error, children that have ended are not returned yet, and the descriptor is not readable: poll would not return"
        );
        assert!(
            *mask_is_same,
            "waitpid failed with {errno}, and afterwards the signal mask of the caller is different"
        );
        nothing_is_left(&answer, codes.len());
    }
}
