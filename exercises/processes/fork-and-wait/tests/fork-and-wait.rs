//! Judges `run_in_child` from outside: what it reports, and what the kernel
//! says of the processes.
//!
//! Each call goes through [`run`], which looks at what every call must keep.
//! What is particular to a clause has a test of its own.
proctor::exercise!(fork_and_wait);

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ffi::CString;
use std::io::{Read, Write, pipe, stdin};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::panic::{catch_unwind, panic_any, resume_unwind};
use std::process::{Command, abort, exit};
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, SigSet, Signal, kill, raise};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout, fork, getpid, pipe2};
use proctor::{
    Answer, Evidence, Failure, Fault, Left, Onlooker, Subject, Surroundings, Whose, on_signal,
    other_child,
};
use serde::{Deserialize, Serialize};

/// What `run_in_child` returned, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reported {
    Exited(u8),
    Killed(i32),
    /// The number of the error, if it has one, and its text.
    Error(Option<i32>, String),
    /// The call broke a clause that holds for every call.
    Wrong(String),
}
use Reported::{Error, Exited, Killed, Wrong};

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

/// Runs the closure as the caller of a test, and compares what is the same for
/// every call. The kernel says where the closure ran.
fn run(work: impl FnOnce() -> u8) -> Reported {
    run_then(work, || ())
}

/// The same. `afterwards` runs as soon as the call has returned.
fn run_then(work: impl FnOnce() -> u8, afterwards: impl FnOnce()) -> Reported {
    let before = Surroundings::now();
    let reported = run_only_then(work, afterwards);
    let mut changes = before.changes();
    // Children are counted by the judge.
    changes.retain(|change| !(change.starts_with("child ") && change.contains(" is new ")));
    if !changes.is_empty() && !matches!(reported, Wrong(_)) {
        return Wrong(format!(
            "the caller is not as it was before the call: {}",
            changes.join("; ")
        ));
    }
    reported
}

/// The same without the state of the process, which takes a while to look at.
fn run_only(work: impl FnOnce() -> u8) -> Reported {
    run_only_then(work, || ())
}

fn run_only_then(work: impl FnOnce() -> u8, afterwards: impl FnOnce()) -> Reported {
    struct Counted<'a>(&'a Cell<u32>);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let before = begun().load(Relaxed);
    let dropped = Cell::new(0);
    let counted = Counted(&dropped);
    let work = move || {
        let _counted = counted;
        begun().fetch_add(1, Relaxed);
        proctor::witness(0);
        work()
    };
    let ended = call(work);
    afterwards();
    let times = begun().load(Relaxed) - before;
    // (0 if it came back before the child had begun: other tests see that.)
    if times > 1 {
        return Wrong(format!("the closure began {times} times in one call"));
    }
    if dropped.get() != 1 {
        return Wrong(format!(
            "the caller's copy of the closure was dropped {} times, not once",
            dropped.get()
        ));
    }
    match ended {
        Ok(fork_and_wait::Ending::Exited(code)) => Exited(code),
        Ok(fork_and_wait::Ending::Killed(signal)) => Killed(signal),
        Err(error) => Error(error.raw_os_error(), error.to_string()),
    }
}

/// A function that is not `unsafe` makes this block an error.
#[deny(unused_unsafe)]
fn call(work: impl FnOnce() -> u8) -> std::io::Result<fork_and_wait::Ending> {
    // SAFETY: a subject has one thread.
    unsafe { fork_and_wait::run_in_child(work) }
}

/// Demands what was reported, `because` of what the closure did.
#[track_caller]
fn expect(reported: &Reported, expected: &Reported, because: &str) {
    if let Wrong(what) = reported {
        panic!("{what}");
    }
    assert!(
        reported == expected,
        "{because}; run_in_child reported {reported:?}"
    );
}

/// In the judge, by the kernel's word alone: each call ran its closure in a
/// child of its own, and nothing is left of them. `others` were started by the
/// test itself, and so many of them are orphans.
#[track_caller]
fn each_call_had_its_child<A>(answer: &Answer<A>, calls: usize, others: u32, orphans: u32) {
    let evidence: &Evidence = &answer.evidence;
    let began: Vec<i32> = evidence
        .witnesses
        .iter()
        .filter(|seen| seen.mark == 0)
        .map(|seen| seen.pid)
        .collect();
    let pids: HashSet<i32> = began.iter().copied().collect();
    assert!(
        !pids.contains(&evidence.pid),
        "the closure ran in the calling process itself: the kernel says so, whatever getpid returns"
    );
    assert!(
        began.len() == calls,
        "{calls} calls of run_in_child ran their closures {} times in all",
        began.len()
    );
    assert!(
        pids.len() == calls,
        "{calls} calls of run_in_child ran their closures in {} processes",
        pids.len()
    );
    nothing_else_was_started(evidence, calls, others);
    nothing_is_left(answer, orphans);
}

#[track_caller]
fn nothing_else_was_started(evidence: &Evidence, calls: usize, others: u32) {
    // `None` where the machine forbids to count.
    if let Some(started) = evidence.processes_started {
        let started = started.saturating_sub(others) as usize;
        assert!(
            started == calls,
            "{calls} calls of run_in_child started {started} processes: one child for each is enough"
        );
    }
}

#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>, orphans: u32) {
    let left = Left {
        orphans,
        processes: orphans,
        ..Left::default()
    };
    answer.only_this_is_left(left, "all calls have returned");
}

/// As a closure sees it, its caller.
fn parent() -> Pid {
    nix::unistd::getppid()
}

// ------------------------------------------------------------ the child's life

/// How the kernel says that the last child ended: the number in SIGCHLD's
/// information, or -1 for a child that a signal ended.
static STATUS: AtomicI32 = AtomicI32::new(i32::MIN);

extern "C" fn note_the_end(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes it, and for SIGCHLD it holds a status.
    let (code, status) = unsafe { ((*info).si_code, (*info).si_status()) };
    let status = if code == libc::CLD_EXITED { status } else { -1 };
    STATUS.store(status, Relaxed);
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16], subject = |codes: Vec<u8>| -> Vec<(Reported, i32)> {
    on_signal(Signal::SIGCHLD, SigHandler::SigAction(note_the_end), SaFlags::SA_RESTART);
    let ask = |code: &u8| {
        STATUS.store(i32::MIN, Relaxed);
        let code = *code;
        (run(move || code), STATUS.load(Relaxed))
    };
    codes.iter().map(ask).collect()
})]
fn the_exit_code_of_the_closure_comes_back(mut subject: Subject) {
    // 129 to 137: what a shell makes of signals is not what happened here.
    let mut codes = vec![0, 1, 7, 101, 127, 128, 129, 137, 255];
    codes.extend([proctor::random::<u8>(), proctor::random::<u8>()]);
    let answer = subject.ask(&codes);
    for (code, (reported, status)) in codes.iter().zip(&answer.value) {
        let because = format!("the closure returned {code}");
        expect(reported, &Exited(*code), &because);
        // A caller that blocks SIGCHLD while it waits may never see the signal.
        assert!(
            *status == i32::MIN || *status == i32::from(*code),
            "the closure returned {code}, and the kernel says that the child ended with {status} (-1: by a signal)"
        );
    }
    each_call_had_its_child(&answer, codes.len(), 0, 0);
}

thread_local! {
    static OF_THE_THREAD: Cell<u64> = const { Cell::new(0) };
}

/// Needs a quarter of a MiB of stack or more.
#[inline(never)]
fn deep(levels: u32) -> u64 {
    let page = std::hint::black_box([u64::from(levels); 512]);
    match levels {
        0 => page[0],
        _ => page[1] + deep(levels - 1),
    }
}

#[proctor::test(clauses = [1, 2, 4, 6, 8, 10, 12, 14, 16], subject = |number: u64| -> (Reported, u64, bool) {
    let caller = getpid();
    OF_THE_THREAD.set(number);
    let mut mine = number;
    let here = (&raw const caller).addr();
    // SAFETY: takes a number of seconds.
    unsafe { libc::alarm(10_000) };
    let reported = run_only(|| {
        let there = 0_u8;
        mine = mine.wrapping_add(1);
        let facts = [
            getpid() != caller,
            parent() == caller,
            nix::unistd::gettid() == getpid(),
            OF_THE_THREAD.get() == number,
            deep(60) > 0,
            std::hint::black_box(&raw const there).addr().abs_diff(here) < 1 << 20,
        ];
        facts.iter().position(|is_so| !is_so).map_or(100, |which| which as u8)
    });
    // SAFETY: likewise; it returns what was left.
    let is_set = unsafe { libc::alarm(0) } > 0;
    (reported, mine, is_set)
})]
fn the_closure_runs_in_a_child_of_the_caller(mut subject: Subject) {
    let number = proctor::random();
    let answer = subject.ask(&number);
    let (reported, after, alarm_is_set) = &answer.value;
    assert!(
        *alarm_is_set,
        "the caller had set an alarm, and after the call it is not set any more"
    );
    assert!(
        *after == number,
        "the closure changed a variable, and the caller sees the change: it ran in the caller's memory, not in a child's"
    );
    let what_is_not_so = match reported {
        Exited(0) => "the closure has the process id of the caller",
        Exited(1) => "the closure's parent is not the caller: it runs in a grandchild",
        Exited(2) => "the closure does not run on the first thread of its process",
        Exited(3) => "the closure does not find the thread-local values of the caller",
        Exited(5) => "the closure does not run on the stack of the calling thread",
        _ => "the closure looked at where it runs, and returned 100",
    };
    expect(reported, &Exited(100), what_is_not_so);
    each_call_had_its_child(&answer, 1, 0, 0);
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16, 17, 18], subject = |depth: u8| -> Reported {
    fn nested(depth: u8) -> u8 {
        print!("<{depth}");
        let code = match depth {
            0 => 7,
            _ => match call(move || nested(depth - 1)) {
                Ok(fork_and_wait::Ending::Exited(code)) => code + 1,
                _ => 200,
            },
        };
        print!(">{depth}");
        code
    }
    run(|| nested(depth))
})]
fn a_closure_may_call_it_again(mut subject: Subject) {
    for depth in [3, proctor::rng().u8(33..40)] {
        let answer = subject.ask(&depth);
        let because = format!("closures, each called by the one before, added {depth} to 7");
        expect(&answer.value, &Exited(7 + depth), &because);
        let before: String = (0..=depth).rev().map(|depth| format!("<{depth}")).collect();
        let after: String = (0..=depth).map(|depth| format!(">{depth}")).collect();
        let printed = &answer.output.stdout;
        assert!(
            *printed == format!("{before}{after}"),
            "the closures printed {before}{after}, but standard output holds {printed}"
        );
        each_call_had_its_child(&answer, 1, depth.into(), 0);
    }
}

/// Makes each soft limit one that few processes have.
fn set_limits() {
    let limits = [
        (Resource::RLIMIT_STACK, 4 << 20),
        (Resource::RLIMIT_CORE, 64 << 10),
        (Resource::RLIMIT_NOFILE, 200),
        (Resource::RLIMIT_FSIZE, 1 << 30),
        (Resource::RLIMIT_MEMLOCK, 32 << 10),
        (Resource::RLIMIT_MSGQUEUE, 400_000),
        (Resource::RLIMIT_SIGPENDING, 500),
    ];
    for (resource, soft) in limits {
        if let Ok((_, hard)) = getrlimit(resource) {
            let _ = setrlimit(resource, soft.min(hard), hard);
        }
    }
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 10, 12, 14, 16], core_files = true, subject = |(folder, name, broken_pipes): (String, String, bool)| -> (Reported, String) {
    // Nothing is as it is in most processes.
    let (mut reader, mut writer) = pipe().expect("a pipe");
    dup2_stdin(&reader).expect("the pipe as standard input");
    std::env::set_current_dir(folder).expect("another folder");
    umask(Mode::from_bits_truncate(0o027));
    // SAFETY: a subject has one thread.
    unsafe { std::env::set_var("FORK_AND_WAIT", name) };
    on_signal(Signal::SIGHUP, SigHandler::SigIgn, SaFlags::empty());
    on_signal(Signal::SIGUSR1, SigHandler::Handler(interrupt), SaFlags::empty());
    let action = match broken_pipes {
        true => SigHandler::SigDfl,
        false => SigHandler::SigIgn,
    };
    on_signal(Signal::SIGPIPE, action, SaFlags::empty());
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGUSR2);
    blocked.add(Signal::SIGWINCH);
    blocked.thread_set_mask().expect("a mask");
    set_limits();
    let before = Surroundings::now();
    let cpu = getrlimit(Resource::RLIMIT_CPU);
    let reported = run(|| {
        let mut changes = before.changes();
        if cpu != getrlimit(Resource::RLIMIT_CPU) {
            changes.push("the limit of CPU time is another".to_owned());
        }
        writer.write_all(changes.join("; ").as_bytes()).map_or(200, |()| 7)
    });
    drop(writer);
    let mut changes = String::new();
    reader.read_to_string(&mut changes).expect("what the closure found");
    (reported, changes)
})]
fn the_closure_finds_what_the_caller_had(mut subject: Subject) {
    for broken_pipes in [true, false] {
        let answer = subject.ask(&("/proc".to_owned(), proctor::random(), broken_pipes));
        let (reported, changes) = &answer.value;
        expect(
            reported,
            &Exited(7),
            "the closure looked around and returned 7",
        );
        assert!(
            changes.is_empty(),
            "the closure does not find what the caller had: {changes}"
        );
        subject.fresh();
    }
}

#[proctor::test(clauses = [1, 2, 4, 6, 8, 10, 12, 14, 16], subject = |words: String| -> (Reported, String) {
    let mut mine = words;
    let kept = RefCell::new(mine.clone());
    let (reader, writer) = pipe().expect("a pipe");
    // A number, which no Rust value owns.
    // SAFETY: makes a new descriptor.
    let spare = unsafe { libc::dup(0) };
    let reported = run(|| {
        mine.push('!');
        kept.borrow_mut().clear();
        std::mem::forget(kept.borrow_mut());
        // SAFETY: the child has one thread.
        unsafe { std::env::set_var("FORK_AND_WAIT", "changed") };
        let _ = std::env::set_current_dir("/proc");
        umask(Mode::from_bits_truncate(0o077));
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        let _ = setrlimit(Resource::RLIMIT_NOFILE, 100, 200);
        on_signal(Signal::SIGUSR1, SigHandler::SigIgn, SaFlags::empty());
        let _ = SigSet::all().thread_block();
        let _ = dup2_stdin(&reader);
        std::mem::forget(std::fs::File::open("/dev/null"));
        // SAFETY: nothing else uses it.
        unsafe { libc::close(spare) };
        // SAFETY: takes integers.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) };
        3
    });
    drop(writer);
    // SAFETY: nothing else uses it.
    unsafe { libc::close(spare) };
    let seen = if kept.try_borrow().is_ok_and(|kept| *kept == mine) { mine } else { "another".to_owned() };
    (reported, seen)
})]
fn what_the_closure_changes_stays_in_the_child(mut subject: Subject) {
    let words = proctor::random();
    let answer = subject.ask(&words);
    let (reported, seen) = &answer.value;
    expect(
        reported,
        &Exited(3),
        "the closure changed many things and returned 3",
    );
    assert!(
        *seen == words,
        "the closure changed the caller's memory: it shares the memory with the caller instead of having a copy"
    );
    each_call_had_its_child(&answer, 1, 0, 0);
}

/// Prints on both streams, and looks at standard input.
fn print_from_a_thread(words: String) -> bool {
    let printer = thread::spawn(move || {
        print!("<{words}>");
        eprint!("<{words}>");
        drop(stdin().lock());
    });
    printer.join().is_ok()
}

#[proctor::test(clauses = [1, 2, 5, 6, 8, 10, 12, 14, 16, 17, 18], subject = |(inside, after): (String, String)| -> (Reported, bool) {
    let reported = run(move || u8::from(print_from_a_thread(inside)));
    (reported, print_from_a_thread(after))
})]
fn a_thread_of_the_closure_can_print(mut subject: Subject) {
    let texts: (String, String) = (proctor::random(), proctor::random());
    let answer = subject.ask(&texts);
    expect(
        &answer.value.0,
        &Exited(1),
        "a thread of the closure printed, and the closure returned 1",
    );
    let printed = format!("<{}><{}>", texts.0, texts.1);
    for stream in [&answer.output.stdout, &answer.output.stderr] {
        assert!(
            *stream == printed,
            "two threads printed {printed}, one in the closure and then one in the caller, but the stream holds {stream}"
        );
    }
    each_call_had_its_child(&answer, 1, 0, 0);
}

#[proctor::test(clauses = [1, 2, 6, 7, 8, 10, 12, 14, 16], subject = |(code, panics): (u8, bool)| -> Reported {
    run(move || {
        thread::spawn(|| loop { thread::park() });
        assert!(!panics, "the closure panics");
        code
    })
})]
fn a_thread_of_the_closure_does_not_keep_the_child(mut subject: Subject) {
    let code = proctor::random();
    let answer = subject.ask(&(code, false));
    let because =
        format!("the closure returned {code} while a thread that it had started still ran");
    expect(&answer.value, &Exited(code), &because);
    each_call_had_its_child(&answer, 1, 0, 0);
    let answer = subject.ask(&(code, true));
    let because = "the closure panicked while a thread that it had started still ran";
    expect(&answer.value, &Exited(101), because);
    each_call_had_its_child(&answer, 1, 0, 0);
}

/// Panics when it is dropped in another process than the one that made it.
struct PanicsInTheChild(Pid);

impl Drop for PanicsInTheChild {
    fn drop(&mut self) {
        assert!(getpid() == self.0, "a destructor panics");
    }
}

/// Ways in which a panic leaves a closure, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Message,
    Resumed,
    ALargeValue,
    ANumber,
    AnExitCode,
    AValueWhoseDropPanics,
    WhenTheClosureIsDropped,
    Caught,
}

fn panic_in(way: Way, words: String) -> u8 {
    let caller = parent();
    match way {
        Way::Message => panic!("{words}"),
        // Without the panic hook.
        Way::Resumed => resume_unwind(Box::new(words.len())),
        Way::ALargeValue => panic_any([7_u8; 1 << 16]),
        Way::ANumber => panic_any(7_i32),
        Way::AnExitCode => panic_any(7_u8),
        Way::AValueWhoseDropPanics => panic_any(PanicsInTheChild(caller)),
        Way::WhenTheClosureIsDropped => 5,
        Way::Caught => match catch_unwind(|| panic!("{words}")) {
            Ok(()) => 6,
            Err(_) => 5,
        },
    }
}

#[proctor::test(clauses = [1, 2, 6, 7, 8, 10, 12, 14, 16, 17], subject = |(way, words, after): (Way, String, String)| -> Reported {
    let mine = (way == Way::WhenTheClosureIsDropped).then(|| PanicsInTheChild(getpid()));
    let reported = run(move || {
        let _mine = mine;
        panic_in(way, words)
    });
    let _ = catch_unwind(|| panic!("{after}"));
    reported
})]
fn a_panic_in_the_closure_ends_only_the_child(mut subject: Subject) {
    use Way::{
        ALargeValue, ANumber, AValueWhoseDropPanics, AnExitCode, Caught, Message, Resumed,
        WhenTheClosureIsDropped,
    };
    let ways = [
        Message,
        Resumed,
        ALargeValue,
        ANumber,
        AnExitCode,
        AValueWhoseDropPanics,
        WhenTheClosureIsDropped,
        Caught,
    ];
    for way in ways {
        let (words, after): (String, String) = (proctor::random(), proctor::random());
        let answer = subject.ask(&(way, words.clone(), after.clone()));
        let (code, what) = match way {
            Message => (101, "the closure panicked"),
            Resumed => (101, "the closure went on with a panic (resume_unwind)"),
            ALargeValue => (101, "the closure panicked with a value of 64 KiB"),
            ANumber => (101, "the closure panicked with a value of type i32"),
            AnExitCode => (101, "the closure panicked with a value of type u8"),
            AValueWhoseDropPanics => (
                101,
                "the closure panicked with a value whose destructor panics too",
            ),
            WhenTheClosureIsDropped => (
                101,
                "the destructor of a value that the closure owns panicked",
            ),
            Caught => (
                5,
                "the closure panicked, caught the panic itself and returned 5",
            ),
        };
        let because = format!("{what}: the child ends with {code}");
        expect(&answer.value, &Exited(code), &because);
        let reports = answer.output.stderr.matches(&words).count();
        if matches!(way, Message | Caught) {
            assert!(
                reports == 1,
                "the panic hook of the caller reports a panic once, and it did so {reports} times"
            );
            // One line for the closure's panic, one for the caller's below.
            assert!(
                answer.output.stderr.lines().count() == 2,
                "run_in_child itself wrote to standard error: {:?}",
                answer.output.stderr
            );
        }
        assert!(
            answer.output.stderr.matches(&after).count() == 1,
            "after the call, the panic hook of the caller does not report a panic of the caller's"
        );
        each_call_had_its_child(&answer, 1, 0, 0);
    }
}

/// Marks of what only the caller's own end may run.
const AT_EXIT: u64 = 101;
const ON_EXIT: u64 = 102;
const AT_QUICK_EXIT: u64 = 103;
const DESTRUCTOR: u64 = 104;

extern "C" fn at_exit() {
    proctor::witness(AT_EXIT);
}
extern "C" fn on_exit(_: libc::c_int, _: *mut libc::c_void) {
    proctor::witness(ON_EXIT);
}
extern "C" fn at_quick_exit() {
    proctor::witness(AT_QUICK_EXIT);
}

/// Tells of its end.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        proctor::witness(DESTRUCTOR);
    }
}

thread_local! {
    static LAST: Last = const { Last };
}

mod c {
    use nix::libc::{c_int, c_void};

    unsafe extern "C" {
        pub(super) fn on_exit(
            handler: extern "C" fn(c_int, *mut c_void),
            argument: *mut c_void,
        ) -> c_int;
        pub(super) fn at_quick_exit(handler: extern "C" fn()) -> c_int;
    }
}

#[proctor::test(clauses = [1, 2, 6, 7, 8, 9, 10, 12, 14, 16], subject = |(panics, words): (bool, String)| -> Reported {
    let words = CString::new(words).expect("no zero in it");
    // SAFETY: the handlers send a note to the judge; the text is a C string.
    unsafe {
        libc::atexit(at_exit);
        c::on_exit(on_exit, std::ptr::null_mut());
        c::at_quick_exit(at_quick_exit);
        libc::printf(c"%s".as_ptr(), words.as_ptr());
    }
    LAST.with(|_| ());
    let reported = run(|| {
        assert!(!panics, "the closure panics");
        9
    });
    // SAFETY: null stands for all streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
    reported
})]
fn nothing_that_the_caller_prepared_for_its_end_happens(mut subject: Subject) {
    for panics in [false, true] {
        let words: String = proctor::random();
        let answer = subject.ask(&(panics, words.clone()));
        let (code, what) = match panics {
            false => (9, "the closure returned 9"),
            true => (101, "the closure panicked"),
        };
        expect(&answer.value, &Exited(code), what);
        for (mark, what) in [
            (
                AT_EXIT,
                "a handler that the caller had registered with atexit",
            ),
            (
                ON_EXIT,
                "a handler that the caller had registered with on_exit",
            ),
            (
                AT_QUICK_EXIT,
                "a handler that the caller had registered with at_quick_exit",
            ),
            (
                DESTRUCTOR,
                "the destructor of a thread-local value of the caller's",
            ),
        ] {
            let ran = answer
                .evidence
                .witnesses
                .iter()
                .any(|seen| seen.mark == mark);
            assert!(!ran, "the child ran {what}, for the caller's own end");
        }
        let times = answer.output.stdout.matches(&words).count();
        assert!(
            times == 1,
            "a text in the buffer of C's stdout came out {times} times: it is the caller's, and the child has a copy"
        );
        each_call_had_its_child(&answer, 1, 0, 0);
        subject.fresh();
    }
}

// -------------------------------------------------------------- how it ended

/// Ends this process by a signal. (Rust ignores or handles some of them.)
fn die_by(signal: Signal) -> u8 {
    on_signal(signal, SigHandler::SigDfl, SaFlags::empty());
    let _ = raise(signal);
    0
}

/// A panic while a panic is under way: Rust aborts.
fn panic_twice() -> u8 {
    let _twice = PanicsInTheChild(parent());
    panic!("the closure panics");
}

/// Stands for a closure that calls abort, and for one that panics twice.
const ABORT: i32 = -1;
const TWICE: i32 = -2;

#[proctor::test(clauses = [1, 2, 3, 8, 11, 12, 14, 16, 17], subject = |signals: Vec<i32>| -> Vec<Reported> {
    let die = |signal| match Signal::try_from(signal) {
        Ok(signal) => run(move || die_by(signal)),
        Err(_) if signal == ABORT => run(|| abort()),
        Err(_) => run(panic_twice),
    };
    signals.into_iter().map(die).collect()
})]
fn a_signal_is_told_apart_from_an_exit_code(mut subject: Subject) {
    use Signal::{SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    let harmless = [
        SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
    ];
    let harmless = harmless.map(|signal| signal as i32);
    let mut signals: Vec<i32> = (1..=31)
        .filter(|signal| !harmless.contains(signal))
        .collect();
    proctor::rng().shuffle(&mut signals);
    let quiet = subject.ask(&signals).output;
    assert!(
        quiet.stdout.is_empty() && quiet.stderr.is_empty(),
        "signals killed children that print nothing, and this was printed: {:?} {:?}",
        quiet.stdout,
        quiet.stderr
    );
    signals.extend([ABORT, TWICE]);
    let answer = subject.ask(&signals);
    for (signal, reported) in signals.iter().zip(&answer.value) {
        let (number, what) = match *signal {
            ABORT => (libc::SIGABRT, "the closure called abort".to_owned()),
            TWICE => (
                libc::SIGABRT,
                "the closure panicked while it panicked, and Rust aborts".to_owned(),
            ),
            number => (number, format!("signal {number} killed the child")),
        };
        expect(reported, &Killed(number), &what);
    }
    each_call_had_its_child(&answer, signals.len(), 0, 0);
}

#[proctor::test(clauses = [1, 2, 3, 4, 8, 11, 12, 14, 16], core_files = true, subject = |signal: i32| -> (Reported, bool) {
    let reported = run(|| {
        proctor::leave_a_core_file();
        match Signal::try_from(signal) {
            Ok(Signal::SIGABRT) | Err(_) => abort(),
            Ok(signal) => die_by(signal),
        }
    });
    let mut made = false;
    for file in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        made |= std::fs::remove_file(file.path()).is_ok();
    }
    (reported, made)
})]
fn a_core_file_does_not_change_the_number_of_the_signal(mut subject: Subject) {
    use Signal::{SIGABRT, SIGFPE, SIGQUIT, SIGSEGV, SIGSYS, SIGXCPU};
    for signal in [SIGABRT, SIGQUIT, SIGFPE, SIGSEGV, SIGXCPU, SIGSYS] {
        let number = signal as i32;
        let answer = subject.ask(&number);
        let (reported, made) = &answer.value;
        if *made {
            proctor::covered("a core file was written");
        }
        let because = format!(
            "signal {number} ({signal}) killed the child, and the kernel may have written a core file"
        );
        expect(reported, &Killed(number), &because);
        each_call_had_its_child(&answer, 1, 0, 0);
    }
}

/// Ways in which a closure ends its process itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum OwnEnd {
    Exit(i32),
    ExitAtOnce(i32),
    Program(u8),
    KilledProgram,
}

#[proctor::test(clauses = [1, 2, 8, 10, 11, 12, 14, 16], subject = |way: OwnEnd| -> Reported {
    run(|| {
        let script = match way {
            OwnEnd::Exit(code) => exit(code),
            // SAFETY: ends the process and touches no memory.
            OwnEnd::ExitAtOnce(code) => unsafe { libc::_exit(code) },
            OwnEnd::Program(code) => format!("exit {code}"),
            OwnEnd::KilledProgram => "kill -9 $$".to_owned(),
        };
        let _ = Command::new("sh").args(["-c", &script]).exec();
        200
    })
})]
fn an_exit_code_that_the_closure_does_not_return_counts_too(mut subject: Subject) {
    use OwnEnd::{Exit, ExitAtOnce, KilledProgram, Program};
    let code = proctor::rng().u8(1..);
    let ways = [
        (Exit(code.into()), Exited(code)),
        (ExitAtOnce(code.into()), Exited(code)),
        (ExitAtOnce(0x1_0700 | i32::from(code)), Exited(code)),
        (Exit(-1), Exited(255)),
        (Program(code), Exited(code)),
        (KilledProgram, Killed(libc::SIGKILL)),
    ];
    for (way, expected) in ways {
        let answer = subject.ask(&way);
        let because = match way {
            Exit(code) => format!("the closure called exit({code})"),
            ExitAtOnce(code) => format!("the closure called _exit({code})"),
            Program(code) => format!("the closure executed a program that exits with {code}"),
            KilledProgram => "the closure executed a program that kills itself".to_owned(),
        };
        expect(&answer.value, &expected, &because);
        each_call_had_its_child(&answer, 1, 0, 0);
    }
}

// --------------------------------------------------------------------- the wait

/// Times that a handler ran, of SIGUSR1 and of SIGINT.
static HANDLED: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// That it runs is enough: the system call during which it ran comes back with EINTR.
extern "C" fn interrupt(signal: i32) {
    HANDLED[usize::from(signal == libc::SIGINT)].fetch_add(1, Relaxed);
}

/// Sends signals to the caller whenever it waits, one after the other.
fn disturb(caller: Pid, onlooker: &mut Onlooker, signals: u32) {
    for round in 0..signals {
        onlooker.until_it_waits();
        let signal = [Signal::SIGUSR1, Signal::SIGINT][round as usize % 2];
        let _ = kill(caller, signal);
    }
    onlooker.until_it_waits();
}

/// Whether something has been written to a pipe that does not block.
fn has_said(pipe: &impl AsFd) -> bool {
    nix::unistd::read(pipe, &mut [0]) == Ok(1)
}

/// Calls with handlers that interrupt the wait. The closure sends signals, then
/// takes its time. Tells whether it had ended, and whether the handlers ran.
fn disturbed((code, signals, time): (u8, u32, Duration)) -> (Reported, bool, bool) {
    let caller = getpid();
    let mut onlooker = Onlooker::of_this_thread();
    for signal in [Signal::SIGUSR1, Signal::SIGINT] {
        // No SA_RESTART, with which the kernel would make the call again itself.
        on_signal(signal, SigHandler::Handler(interrupt), SaFlags::empty());
    }
    let (ended, end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
    let work = || {
        disturb(caller, &mut onlooker, signals);
        thread::sleep(time);
        let _ = nix::unistd::write(&end, b"!");
        code
    };
    let mut in_time = false;
    let reported = run_then(work, || in_time = has_said(&ended));
    let handled = HANDLED.iter().all(|times| times.load(Relaxed) > 0);
    (reported, in_time, handled)
}

#[track_caller]
fn it_waited(answer: &Answer<(Reported, bool, bool)>, code: u8, what: &str) {
    let (reported, in_time, handled) = &answer.value;
    if let Error(_, error) = reported {
        panic!("{what}, and run_in_child gave up with an error: {error}");
    }
    assert!(
        *in_time,
        "{what}, and run_in_child came back with {reported:?} while the child was still running"
    );
    let because = format!("{what}, and the closure returned {code}");
    expect(reported, &Exited(code), &because);
    assert!(
        *handled,
        "signals arrived at the caller while it waited, and its handlers had not run when run_in_child returned"
    );
    each_call_had_its_child(answer, 1, 0, 0);
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16], subject = |question: (u8, u32, Duration)| -> (Reported, bool, bool) {
    disturbed(question)
})]
fn it_waits_until_the_child_has_ended_whatever_signals_arrive(mut subject: Subject) {
    let code = proctor::random();
    let answer = subject.ask(&(code, 6, Duration::ZERO));
    it_waited(&answer, code, "signals arrived while it waited");
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16], slow = true, deadline = 60.0, subject = |question: (u8, u32, Duration)| -> (Reported, bool, bool) {
    disturbed(question)
})]
fn it_waits_for_four_seconds_and_through_300_signals(mut subject: Subject) {
    let code = proctor::random();
    let answer = subject.ask(&(code, 300, Duration::from_secs(4)));
    let what = "300 signals arrived while it waited, and then the child took 4 s";
    it_waited(&answer, code, what);
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16], faults = [Wait], subject = |code: u8| -> Reported { run(|| code) })]
fn tens_of_thousands_of_interruptions_do_not_end_the_wait(mut subject: Subject) {
    let code = proctor::random();
    // More than 16 bits can count.
    let times = (1 << 16) + 2;
    subject.fail(Failure::of(Fault::Wait, Errno::EINTR).times(times));
    let answer = subject.ask(&code);
    let because =
        format!("the wait was interrupted {times} times, and the closure returned {code}");
    expect(&answer.value, &Exited(code), &because);
    each_call_had_its_child(&answer, 1, 0, 0);
}

/// The signals that stop a process.
const STOPS: [Signal; 4] = [
    Signal::SIGSTOP,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
];

#[proctor::test(clauses = [1, 2, 3, 6, 8, 10, 12, 14, 16], subject = |code: u8| -> (Reported, bool) {
    let mut caller = Onlooker::of_this_thread();
    let (ended, end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
    let work = || {
        let me = getpid();
        // The terminal's stop signals have no effect on a process group of
        // which no parent is outside (man 7 signal, setpgid(2)).
        let _ = nix::unistd::setpgid(me, me);
        // SAFETY: a child has one thread.
        let helper = match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                for _ in 0..20 {
                    Onlooker::of_process(me.as_raw()).until_it_stops();
                    caller.until_it_waits();
                    let _ = kill(me, Signal::SIGCONT);
                }
                // SAFETY: ends the process and touches no memory.
                unsafe { libc::_exit(0) }
            }
            Ok(ForkResult::Parent { child }) => child,
            Err(_) => return 200,
        };
        for round in 0..20 {
            let _ = raise(STOPS[round % STOPS.len()]);
        }
        let _ = waitpid(helper, None);
        let _ = nix::unistd::write(&end, b"!");
        code
    };
    let mut in_time = false;
    let reported = run_then(work, || in_time = has_said(&ended));
    (reported, in_time)
})]
fn a_stopped_child_has_not_ended(mut subject: Subject) {
    let code = proctor::random();
    let answer = subject.ask(&code);
    let (reported, in_time) = &answer.value;
    assert!(
        *in_time,
        "the child stopped and went on (SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU, then SIGCONT), and run_in_child came back with {reported:?} before the end"
    );
    let because = format!("the child stopped, went on and returned {code}");
    expect(reported, &Exited(code), &because);
    each_call_had_its_child(&answer, 1, 1, 0);
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 13, 14, 16], orphans = true, subject = |code: u8| -> (Reported, bool) {
    let (mut heard, mut says) = pipe().expect("a pipe");
    let (mut waits, mut order) = pipe().expect("a pipe");
    let reported = run(|| {
        // SAFETY: a child has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Parent { .. }) => code,
            Ok(ForkResult::Child) => {
                // So that it sees the end of the caller.
                // SAFETY: nothing in this process uses it.
                unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(&order)) };
                let mut byte = [0];
                let _ = waits.read(&mut byte);
                let _ = says.write(&byte);
                // SAFETY: ends the process and touches no memory.
                unsafe { libc::_exit(0) }
            }
            Err(_) => 200,
        }
    });
    drop(says);
    let _ = order.write(b"!");
    (reported, heard.read(&mut [0]).is_ok_and(|length| length == 1))
})]
fn what_the_closure_started_is_left_alone(mut subject: Subject) {
    let code = proctor::random();
    let answer = subject.ask(&code);
    let (reported, lives) = &answer.value;
    let because = format!("the closure started a process that outlives it, and returned {code}");
    expect(reported, &Exited(code), &because);
    assert!(
        *lives,
        "the closure started a process that outlives it, and that process has been ended"
    );
    each_call_had_its_child(&answer, 1, 1, 1);
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 11, 12, 14, 16], subject = |children: u8| -> Vec<Reported> {
    let end = |child: u8| run_only(move || if child.is_multiple_of(2) { child } else { die_by(Signal::SIGKILL) });
    (0..children).map(end).collect()
})]
fn no_zombie_is_left(mut subject: Subject) {
    let answer = subject.ask(&6);
    each_call_had_its_child(&answer, 6, 0, 0);
    for (child, reported) in (0..).zip(&answer.value) {
        let expected = match child % 2 {
            0 => Exited(child),
            _ => Killed(libc::SIGKILL),
        };
        expect(
            reported,
            &expected,
            "children returned or were killed in turns",
        );
    }
}

fn status_of(child: Pid) -> Reported {
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => Exited(code as u8),
        Ok(status) => Error(None, format!("{status:?}")),
        Err(errno) => Error(Some(errno as i32), errno.to_string()),
    }
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 15, 16], subject = |(code, ended, running): (u8, u8, u8)| -> (Reported, Reported, Reported, bool) {
    let mut onlooker = Onlooker::of_this_thread();
    let ended = other_child(|| ended);
    // It has ended, and its status waits for whoever asks.
    waitid(Id::Pid(ended), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("its end");
    let stopped = other_child(|| {
        let _ = raise(Signal::SIGSTOP);
        0
    });
    waitid(Id::Pid(stopped), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT).expect("its stop");
    let (gate, mut key) = pipe().expect("a pipe");
    let running = other_child(|| {
        let _ = (&gate).read(&mut [0]);
        running
    });
    let mine = run_only(|| {
        onlooker.until_it_waits();
        let _ = key.write(b"!");
        // It ends while the caller waits.
        Onlooker::of_process(running.as_raw()).until_it_stops();
        onlooker.until_it_waits();
        code
    });
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
    let still = waitid(Id::Pid(stopped), flags);
    let still = matches!(still, Ok(WaitStatus::Stopped(..)));
    let _ = kill(stopped, Signal::SIGKILL);
    let _ = waitpid(stopped, None);
    (mine, status_of(ended), status_of(running), still)
})]
fn another_child_of_the_caller_is_left_alone(mut subject: Subject) {
    let code: u8 = proctor::random();
    let (ended, running) = (code.wrapping_add(1), code.wrapping_add(2));
    let answer = subject.ask(&(code, ended, running));
    let (mine, of_ended, of_running, still) = &answer.value;
    let because = format!(
        "the closure returned {code}; other children of the caller had ended with {ended} and with {running}"
    );
    expect(mine, &Exited(code), &because);
    for (code, status) in [(ended, of_ended), (running, of_running)] {
        assert!(
            *status == Exited(code),
            "run_in_child reaped a child that was not its own: the caller, asking for it, got {status:?}"
        );
    }
    assert!(
        *still,
        "another child of the caller had stopped, and the caller does not learn of it any more"
    );
    each_call_had_its_child(&answer, 1, 3, 0);
}

// -------------------------------------------------------------- standard output

/// What is printed before a call, what in it, and whether the closure then panics.
type Prints = (String, String, bool);

#[proctor::test(clauses = [1, 2, 6, 7, 8, 10, 12, 14, 16, 17, 18], subject = |calls: Vec<Prints>| -> Vec<Reported> {
    let ask = |(before, inside, panics): Prints| {
        print!("{before}");
        run_only(move || {
            print!("{inside}");
            assert!(!panics, "the closure panics");
            0
        })
    };
    let reported = calls.into_iter().map(ask).collect();
    print!("<after>");
    reported
})]
fn nothing_is_printed_twice_and_nothing_is_lost(mut subject: Subject) {
    let word = || proctor::random::<String>();
    let lines = || format!("{}\n{}", word(), word());
    let long: String = std::iter::repeat_with(word).take(3000).collect();
    let questions: [Vec<Prints>; 5] = [
        vec![(word(), word(), false), (word(), word(), false)],
        vec![(lines(), lines(), false), (lines(), String::new(), false)],
        vec![(word(), word(), true), (word(), word(), true)],
        // More than a pipe holds.
        vec![(word(), long, false), (String::new(), word(), false)],
        vec![(String::new(), String::new(), false)],
    ];
    for question in &questions {
        let answer = subject.ask(question);
        let printed = &answer.output.stdout;
        let panics = question.iter().any(|(_, _, panics)| *panics);
        for ((before, inside, panics), reported) in question.iter().zip(&answer.value) {
            let code = if *panics { 101 } else { 0 };
            let because = format!("the closure printed and ended with {code}");
            expect(reported, &Exited(code), &because);
            came_out_once(
                printed,
                before,
                "what the caller had printed before the call",
            );
            came_out_once(printed, inside, "what the closure printed");
        }
        let mut all: String = question
            .iter()
            .map(|(before, inside, _)| before.to_owned() + inside)
            .collect();
        all += "<after>";
        assert!(
            *printed == all,
            "standard output is not what caller and closure printed, in the order in which they printed it: it should be {:?}, and it is {:?}",
            cut(&all),
            cut(printed)
        );
        assert!(
            panics || answer.output.stderr.is_empty(),
            "run_in_child itself wrote to standard error: {:?}",
            cut(&answer.output.stderr)
        );
        each_call_had_its_child(&answer, question.len(), 0, 0);
    }
}

#[track_caller]
fn came_out_once(printed: &str, text: &str, what: &str) {
    if text.is_empty() {
        return;
    }
    match printed.matches(text).count() {
        1 => {}
        0 => panic!("{what} is lost, or a part of it"),
        n => panic!("{what} came out {n} times: a buffer was copied, and both copies were written"),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16, 17, 18], slow = true, deadline = 120.0, subject = |calls: u32| -> Vec<u32> {
    let is_wrong = |round: &u32| {
        print!("-");
        let code = *round as u8;
        let reported = run_only(move || {
            print!("+");
            code
        });
        reported != Exited(code)
    };
    (0..calls).filter(is_wrong).collect()
})]
fn a_thousand_calls_are_like_one(mut subject: Subject) {
    // What is needed once: buffers, tables.
    subject.ask(&10);
    let calls = 1030;
    let answer = subject.ask(&calls);
    assert!(
        answer.value.is_empty(),
        "{} of {calls} calls gave a wrong answer, the first of them number {}",
        answer.value.len(),
        answer.value[0]
    );
    assert!(
        answer.output.stdout == "-+".repeat(calls as usize),
        "in each of {calls} calls, the caller printed - and then the closure printed +, but standard output holds something else"
    );
    each_call_had_its_child(&answer, calls as usize, 0, 0);
    let left = answer.evidence.heap.left;
    assert!(
        left < u64::from(calls),
        "after {calls} calls, {left} bytes of memory more are held than before: each leaves something"
    );
}

// ----------------------------------------------------------------------- errors

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 15, 16, 17, 19], faults = [Process], subject = |(text, code): (String, u8)| -> (Reported, Reported, Reported) {
    let ended = other_child(|| 3);
    waitid(Id::Pid(ended), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("its end");
    print!("{text}");
    let failed = run(move || code);
    let other = status_of(ended);
    (failed, run(move || code), other)
})]
fn an_error_of_fork_is_returned(mut subject: Subject) {
    for errno in [Errno::EAGAIN, Errno::ENOMEM] {
        let (text, code) = (proctor::random::<String>(), proctor::random());
        // The first child is the test's own.
        subject.fail(Failure::of(Fault::Process, errno).after(1));
        let answer = subject.ask(&(text.clone(), code));
        let (failed, next, other) = &answer.value;
        if let Error(number, words) = failed {
            assert!(
                *number == Some(errno as i32),
                "fork failed with {errno}, and the error of run_in_child is another: {words}"
            );
        } else {
            let expected = Error(Some(errno as i32), String::new());
            expect(failed, &expected, &format!("fork failed with {errno}"));
        }
        let because =
            format!("in the next call fork did not fail, and the closure returned {code}");
        expect(next, &Exited(code), &because);
        assert!(
            *other == Exited(3),
            "fork failed, and another child of the caller's is not what it was: {other:?}"
        );
        came_out_once(&answer.output.stdout, &text, "what the caller had printed");
        each_call_had_its_child(&answer, 1, 1, 0);
    }
}

#[proctor::test(clauses = [2, 16, 17, 20], faults = [Print], subject = |text: String| -> Reported {
    print!("{text}");
    run(|| 0)
})]
fn standard_output_that_cannot_be_written_is_an_error(mut subject: Subject) {
    for errno in [Errno::ENOSPC, Errno::EIO, Errno::EPIPE, Errno::EFBIG] {
        let text: String = proctor::random();
        subject.fail(Failure::of(Fault::Print, errno).whose(Whose::TheSubjects));
        let answer = subject.ask(&text);
        let started = answer.evidence.witnesses.len();
        assert!(
            started == 0,
            "what the caller had printed could not be written ({errno}), and the closure ran all the same"
        );
        if let Error(number, words) = &answer.value {
            assert!(
                *number == Some(errno as i32),
                "standard output failed with {errno}, and the error of run_in_child is another: {words}"
            );
        } else {
            let expected = Error(Some(errno as i32), String::new());
            let because = format!("what the caller had printed could not be written ({errno})");
            expect(&answer.value, &expected, &because);
        }
        came_out_once(
            &answer.output.stdout,
            &text,
            "what the caller had printed, and writes later,",
        );
        nothing_else_was_started(&answer.evidence, 0, 0);
        nothing_is_left(&answer, 0);
    }
}

#[proctor::test(clauses = [1, 2, 6, 8, 12, 16, 21], faults = [Wait], subject = |code: u8| -> Reported {
    let failed = run_only(move || code);
    // The child that the failed wait did not reap.
    while waitpid(None, None) != Err(Errno::ECHILD) {}
    failed
})]
fn an_error_of_the_wait_is_returned(mut subject: Subject) {
    let code = proctor::random();
    subject.fail(
        Failure::of(Fault::Wait, Errno::EIO)
            .times(300)
            .whose(Whose::TheSubjects),
    );
    let answer = subject.ask(&code);
    if let Error(number, words) = &answer.value {
        assert!(
            *number == Some(Errno::EIO as i32),
            "waitpid failed with EIO, and the error of run_in_child is another: {words}"
        );
    } else {
        let expected = Error(Some(Errno::EIO as i32), String::new());
        expect(&answer.value, &expected, "waitpid failed with EIO");
    }
    each_call_had_its_child(&answer, 1, 0, 0);
}

#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16, 21], subject = |code: u8| -> (Reported, bool) {
    on_signal(Signal::SIGCHLD, SigHandler::SigIgn, SaFlags::empty());
    let mut onlooker = Onlooker::of_this_thread();
    let (ended, end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
    let work = || {
        onlooker.until_it_waits();
        let _ = nix::unistd::write(&end, b"!");
        code
    };
    let mut in_time = false;
    let reported = run_then(work, || in_time = has_said(&ended));
    (reported, in_time)
})]
fn a_caller_that_ignores_sigchld_gets_an_error(mut subject: Subject) {
    let code = proctor::random();
    let answer = subject.ask(&code);
    let (reported, in_time) = &answer.value;
    assert!(
        *in_time,
        "the caller ignores SIGCHLD, and run_in_child came back with {reported:?} while the child was still running"
    );
    // Who learns of the end in another way has no error to return.
    if *reported != Exited(code) {
        if let Error(number, words) = reported {
            assert!(
                *number == Some(Errno::ECHILD as i32),
                "waitpid failed with ECHILD, and the error of run_in_child is another: {words}"
            );
        } else {
            let expected = Error(Some(Errno::ECHILD as i32), String::new());
            expect(
                reported,
                &expected,
                "the caller ignores SIGCHLD, so waitpid fails with ECHILD",
            );
        }
    }
    each_call_had_its_child(&answer, 1, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4, 6, 7, 8, 10, 12, 14, 16, 17, 22], subject = |(before, code, panics): (String, u8, bool)| -> Reported {
    print!("{before}");
    run(move || {
        print!("lost");
        let full = std::fs::File::options().write(true).open("/dev/full");
        let is_full = full.is_ok_and(|full| dup2_stdout(full).is_ok());
        assert!(is_full && !panics, "the closure panics");
        code
    })
})]
fn a_child_that_cannot_print_ends_as_the_closure_says(mut subject: Subject) {
    let some = proctor::rng().u8(1..);
    for (code, panics) in [(0, false), (some, false), (some, true)] {
        let before = proctor::random::<String>();
        let answer = subject.ask(&(before.clone(), code, panics));
        let code = if panics { 101 } else { code };
        let because = format!(
            "the child could not write what the closure had printed: it ends with {code} all the same"
        );
        expect(&answer.value, &Exited(code), &because);
        came_out_once(
            &answer.output.stdout,
            &before,
            "what the caller had printed",
        );
        each_call_had_its_child(&answer, 1, 0, 0);
    }
}

// ------------------------------------------------------------------------ types

/// Moves out of what it owns, borrows, and cannot go to another thread.
#[proctor::test(clauses = [1, 2, 6, 8, 10, 12, 14, 16, 23], subject = |codes: Vec<u8>| -> Vec<Reported> {
    let shared = Rc::new(Cell::new(codes[0]));
    let mut borrowed = codes[1];
    let owned = Box::new(codes[2]);
    let boxed: Box<dyn FnOnce() -> u8> = Box::new(move || *owned);
    let large = [codes[4]; 1 << 14];
    vec![
        run(|| shared.get()),
        run(|| {
            borrowed = borrowed.wrapping_add(1);
            borrowed
        }),
        run(boxed),
        run(|| 7),
        run(move || large[large.len() - 1]),
    ]
})]
fn any_closure_will_do(mut subject: Subject) {
    let codes: Vec<u8> = proctor::random();
    let answer = subject.ask(&codes);
    let expected = [codes[0], codes[1].wrapping_add(1), codes[2], 7, codes[4]];
    for (code, reported) in expected.iter().zip(&answer.value) {
        let because = format!("the closure returned {code}");
        expect(reported, &Exited(*code), &because);
    }
    each_call_had_its_child(&answer, expected.len(), 0, 0);
}
