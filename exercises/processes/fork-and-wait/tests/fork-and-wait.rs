//! Judges `run_in_child` from outside: what it reports, and what the kernel
//! says of the processes.
proctor::exercise!(fork_and_wait);

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, fork, getpid, pipe2, read, write};
use proctor::{Evidence, Onlooker, Subject};
use serde::{Deserialize, Serialize};

/// What `run_in_child` returned, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reported {
    Exited(u8),
    Killed(i32),
    Error(String),
}
use Reported::{Error, Exited, Killed};

/// How often closures have begun, in memory that this process shares with its
/// children.
fn begun() -> &'static AtomicU32 {
    static PAGE: OnceLock<usize> = OnceLock::new();
    let address = PAGE.get_or_init(|| {
        let length = NonZeroUsize::new(size_of::<AtomicU32>()).expect("not empty");
        let (access, kind) = (
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
        );
        // SAFETY: new memory that nobody else uses.
        let page = unsafe { mmap_anonymous(None, length, access, kind) };
        page.expect("a page").as_ptr().expose_provenance()
    });
    // SAFETY: aligned to a page, zeroed by the kernel, and never unmapped.
    unsafe { &*std::ptr::with_exposed_provenance(*address) }
}

/// Runs the closure as the caller of a test, and lets the kernel say where.
fn run(work: impl FnOnce() -> u8) -> Reported {
    let before = begun().load(Ordering::Relaxed);
    let work = || {
        begun().fetch_add(1, Ordering::Relaxed);
        proctor::witness(0);
        work()
    };
    // SAFETY: a subject has one thread.
    let ended = unsafe { fork_and_wait::run_in_child(work) };
    let times = begun().load(Ordering::Relaxed) - before;
    // (0 if it came back before the child had begun: other tests see that.)
    if times > 1 {
        return Error(format!("the closure began {times} times in one call"));
    }
    match ended {
        Ok(fork_and_wait::Ending::Exited(code)) => Exited(code),
        Ok(fork_and_wait::Ending::Killed(signal)) => Killed(signal),
        Err(error) => Error(error.to_string()),
    }
}

/// In the judge, by the kernel's word alone: each call ran its closure in a
/// child of its own, and nothing is left of them. `others` were started by the
/// test itself.
#[track_caller]
fn each_call_had_its_child(evidence: &Evidence, calls: usize, others: u32) {
    let pids: HashSet<i32> = evidence.witnesses.iter().map(|seen| seen.pid).collect();
    assert!(
        !pids.contains(&evidence.pid),
        "the closure ran in the calling process itself: the kernel says so, whatever getpid returns"
    );
    assert!(
        evidence.witnesses.len() == calls,
        "{calls} calls of run_in_child ran their closures {} times in all",
        evidence.witnesses.len()
    );
    assert!(
        pids.len() == calls,
        "{calls} calls of run_in_child ran their closures in {} processes",
        pids.len()
    );
    // `None` where the machine forbids to count.
    if let Some(started) = evidence.processes_started {
        let started = started.saturating_sub(others) as usize;
        assert!(
            started == calls,
            "{calls} calls of run_in_child started {started} processes: one child for each is enough"
        );
    }
    let (zombies, running) = (evidence.zombies, evidence.children);
    assert!(
        evidence.orphans == 0,
        "{} processes that were started are no children of the caller: nobody but the parent can wait for a child",
        evidence.orphans
    );
    assert!(
        zombies == 0,
        "{calls} children have ended, and {zombies} of them are zombies: the kernel keeps them until the parent has waited for them"
    );
    assert!(
        running == 0,
        "{calls} calls have returned, and {running} processes are still running"
    );
}

#[proctor::test(subject = |codes: Vec<u8>| -> Vec<Reported> {
    codes.into_iter().map(|code| run(move || code)).collect()
})]
fn the_exit_code_of_the_closure_comes_back(mut subject: Subject) {
    // 129 to 137: what a shell makes of signals is not what happened here.
    let mut codes = vec![0, 1, 7, 101, 129, 137, 255];
    codes.extend([proctor::random::<u8>(), proctor::random::<u8>()]);
    let answer = subject.ask(&codes);
    for (code, reported) in codes.iter().zip(&answer.value) {
        assert!(
            *reported == Exited(*code),
            "the closure returned {code}, run_in_child reported {reported:?}"
        );
    }
    each_call_had_its_child(&answer.evidence, codes.len(), 0);
}

#[proctor::test(subject = |number: u64| -> (Reported, u64) {
    let caller = getpid();
    let mut mine = number;
    let reported = run(|| {
        mine = mine.wrapping_add(1);
        u8::from(getpid() != caller)
    });
    (reported, mine)
})]
fn the_closure_runs_in_a_process_of_its_own(mut subject: Subject) {
    let number = proctor::random();
    let answer = subject.ask(&number);
    let (reported, after) = answer.value;
    assert!(
        after == number,
        "the closure changed a variable, and the caller sees the change: it ran in the caller's memory, not in a child's"
    );
    assert!(
        reported == Exited(1),
        "the closure looked at its process id (1: another than the caller's, 0: the caller's own), run_in_child reported {reported:?}"
    );
    each_call_had_its_child(&answer.evidence, 1, 0);
}

/// Ends this process by a signal. (Rust ignores or handles some of them.)
fn die_by(signal: Signal) -> u8 {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed. SIGKILL cannot be set, and need not.
    let _ = unsafe { sigaction(signal, &default) };
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
    0
}

#[proctor::test(subject = |signals: Vec<i32>| -> Vec<Reported> {
    let signals = signals.into_iter().filter_map(|signal| Signal::try_from(signal).ok());
    signals.map(|signal| run(move || die_by(signal))).collect()
})]
fn a_signal_is_told_apart_from_an_exit_code(mut subject: Subject) {
    use Signal::{SIGABRT, SIGHUP, SIGINT, SIGKILL, SIGSEGV, SIGTERM, SIGUSR2};
    let mut signals = [SIGHUP, SIGINT, SIGABRT, SIGKILL, SIGSEGV, SIGUSR2, SIGTERM];
    proctor::rng().shuffle(&mut signals);
    let answer = subject.ask(&signals.iter().map(|signal| *signal as i32).collect());
    for (signal, reported) in signals.iter().zip(&answer.value) {
        let number = *signal as i32;
        assert!(
            *reported == Killed(number),
            "the child was killed by {signal} (signal {number}), run_in_child reported {reported:?}"
        );
    }
    each_call_had_its_child(&answer.evidence, signals.len(), 0);
}

#[proctor::test(subject = |words: String| -> Reported { run(|| panic!("{words}")) })]
fn a_panic_in_the_closure_ends_only_the_child(mut subject: Subject) {
    let answer = subject.ask(&proctor::random());
    let reported = answer.value;
    assert!(
        reported == Exited(101),
        "the closure panicked: the child ends with 101, run_in_child reported {reported:?}"
    );
    each_call_had_its_child(&answer.evidence, 1, 0);
}

extern "C" fn at_exit() {
    let _ = write(std::io::stdout(), b"<exit handler>");
}

#[proctor::test(subject = |(before, inside): (String, String)| -> Reported {
    // SAFETY: the handler only writes to a descriptor.
    unsafe { libc::atexit(at_exit) };
    print!("<{before}>");
    let reported = run(|| {
        print!("<{inside}>");
        0
    });
    println!();
    reported
})]
fn nothing_of_the_caller_happens_twice(mut subject: Subject) {
    let texts: (String, String) = (proctor::random(), proctor::random());
    let answer = subject.ask(&texts);
    let times = |text: &str| answer.output.stdout.matches(&format!("<{text}>")).count();
    assert!(
        answer.value == Exited(0),
        "the closure printed and returned 0, run_in_child reported {:?}",
        answer.value
    );
    match times(&texts.0) {
        1 => {}
        0 => panic!("what the caller had printed before the call is lost"),
        n => panic!(
            "what the caller had printed before the call came out {n} times: the child has a copy of the buffer, and wrote it too"
        ),
    }
    match times(&texts.1) {
        1 => {}
        0 => panic!(
            "what the closure printed is lost: the child ended with the text still in its buffer"
        ),
        n => panic!("what the closure printed came out {n} times"),
    }
    assert!(
        times("exit handler") == 0,
        "the child ran a handler that the caller had registered with atexit for its own end"
    );
    each_call_had_its_child(&answer.evidence, 1, 0);
}

/// That it runs is all: the system call during which it ran comes back with EINTR.
extern "C" fn interrupt(_signal: i32) {}

#[proctor::test(subject = |(code, signals): (u8, u32)| -> (Reported, bool) {
    let caller = getpid();
    let mut onlooker = Onlooker::of_this_thread();
    // No SA_RESTART, with which the kernel would make the call again itself.
    let interrupting = SigAction::new(SigHandler::Handler(interrupt), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &interrupting) }.expect("a handler for SIGUSR1");
    let (ended, end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
    let reported = run(move || {
        for _ in 0..signals {
            onlooker.until_it_waits();
            let _ = kill(caller, Signal::SIGUSR1);
        }
        onlooker.until_it_waits();
        let _ = write(&end, b"!");
        code
    });
    let in_time = read(&ended, &mut [0]) == Ok(1);
    (reported, in_time)
})]
fn it_waits_until_the_child_has_ended_whatever_signals_arrive(mut subject: Subject) {
    let code = proctor::random();
    let answer = subject.ask(&(code, 2));
    let (reported, in_time) = answer.value;
    if let Error(error) = &reported {
        panic!("signals arrived while it waited, and run_in_child gave up with an error: {error}");
    }
    assert!(
        in_time,
        "signals arrived, and run_in_child came back with {reported:?} while the child was still running"
    );
    assert!(
        reported == Exited(code),
        "the closure returned {code} while signals arrived, run_in_child reported {reported:?}"
    );
    each_call_had_its_child(&answer.evidence, 1, 0);
}

#[proctor::test(subject = |children: u8| {
    for child in 0..children {
        run(move || if child % 2 == 0 { child } else { die_by(Signal::SIGKILL) });
    }
})]
fn no_zombie_is_left(mut subject: Subject) {
    each_call_had_its_child(&subject.ask(&6).evidence, 6, 0);
}

#[proctor::test(subject = |(code, others): (u8, u8)| -> (Reported, Reported) {
    let mut onlooker = Onlooker::of_this_thread();
    // SAFETY: a subject has one thread, and this child only ends.
    let other = match unsafe { fork() }.expect("a child") {
        // SAFETY: ends the process and touches no memory.
        ForkResult::Child => unsafe { libc::_exit(others.into()) },
        ForkResult::Parent { child } => child,
    };
    // It has ended, and its status waits for whoever asks.
    waitid(Id::Pid(other), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("its end");
    let mine = run(move || {
        onlooker.until_it_waits();
        code
    });
    let other = match waitpid(other, None) {
        Ok(WaitStatus::Exited(_, code)) => Exited(code as u8),
        Ok(status) => Error(format!("{status:?}")),
        Err(errno) => Error(errno.to_string()),
    };
    (mine, other)
})]
fn another_child_of_the_caller_is_left_alone(mut subject: Subject) {
    let code: u8 = proctor::random();
    let others = code.wrapping_add(1);
    let answer = subject.ask(&(code, others));
    let (mine, other) = answer.value;
    assert!(
        mine == Exited(code),
        "the closure returned {code}; another child of the caller had ended with {others}; run_in_child reported {mine:?}"
    );
    assert!(
        other == Exited(others),
        "run_in_child reaped a child that was not its own: the caller, asking for it, got {other:?}"
    );
    each_call_had_its_child(&answer.evidence, 1, 1);
}
