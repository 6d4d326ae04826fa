//! Judges `ForkServer` from outside: what `run` returns, and what the kernel
//! says of the caller, the server and the children.
//!
//! A job is a plain function, so it finds what a test prepares in statics that
//! are set before `start`. A subject answers only one question with a server in
//! it, except where a test needs the moment in between.
proctor::exercise!(fork_server);

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write, pipe};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, RawFd};
use std::panic::panic_any;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Mutex, Once, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use fork_server::{Ending, ForkServer, Job, RunError};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, SigSet, Signal, kill, raise};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pipe2};
use proctor::{
    Answer, Failure, Fault, Onlooker, Subject, Surroundings, Whose, do_nothing, on_signal,
    other_child, threads_left,
};
use serde::{Deserialize, Serialize};

/// What `run` returned, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reported {
    Answer(Vec<u8>),
    Exited(u8),
    Killed(i32),
    /// The number of the error, if it has one, and its text.
    Io(Option<i32>, String),
}
use Reported::{Exited, Io, Killed};

// ------------------------------------------------------------ in the subject

/// A function that is not `unsafe` makes this block an error.
#[deny(unused_unsafe)]
fn try_start(job: Job) -> io::Result<ForkServer> {
    static PREPARED: Once = Once::new();
    // SAFETY: the function takes nothing and returns nothing.
    PREPARED.call_once(|| unsafe { _ = libc::atexit(at_exit) });
    WITH_DESTRUCTOR.with(|_| ());
    CALLER.store(getpid().as_raw(), Relaxed);
    if let Ok(mut at_start) = AT_START.lock() {
        *at_start = open_here(0..200);
    }
    // SAFETY: a subject has one thread when it calls this.
    unsafe { ForkServer::start(job) }
}

fn start(job: Job) -> ForkServer {
    let caller = getpid();
    let started = try_start(job);
    if getpid() != caller {
        // One word for the judge, and the process must not answer the question.
        proctor::witness(CAME_OUT);
        // SAFETY: ends the process.
        unsafe { libc::_exit(1) };
    }
    started.unwrap_or_else(|error| panic!("ForkServer::start returned an error: {error}"))
}

/// The mark of a process that returned from `start` and is not the caller.
const CAME_OUT: u64 = 1 << 40;
/// The mark of an exit handler that runs in another process than the caller.
const EXIT_HANDLER: u64 = 1 << 41;
/// The mark of a job that did not begin as it should. The lower bits say why.
const BEGAN: u64 = 1 << 42;

/// The process that called `start`.
static CALLER: AtomicI32 = AtomicI32::new(0);
/// Set by a job that calls `exit` itself.
static EXITS_ITSELF: AtomicBool = AtomicBool::new(false);

extern "C" fn at_exit() {
    if getpid().as_raw() != CALLER.load(Relaxed) && !EXITS_ITSELF.load(Relaxed) {
        proctor::witness(EXIT_HANDLER);
    }
}

/// Has a destructor that runs when its thread ends in good order.
struct OfTheThread;

impl Drop for OfTheThread {
    fn drop(&mut self) {
        at_exit();
    }
}

thread_local! {
    static WITH_DESTRUCTOR: OfTheThread = const { OfTheThread };
}

/// A descriptor: its number, the device and the number of its file, and whether
/// exec closes it.
type Open = (RawFd, u64, u64, bool);

/// What the caller had open when it last called `start`.
static AT_START: Mutex<Vec<Open>> = Mutex::new(Vec::new());

/// The open descriptors of this process among these numbers.
fn open_here(numbers: Range<RawFd>) -> Vec<Open> {
    let look = |fd: RawFd| {
        // SAFETY: asks for the flags of a number.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if flags < 0 {
            return None;
        }
        // SAFETY: zeros are a valid structure, which the call fills.
        let (state, file) = unsafe {
            let mut file: libc::stat = std::mem::zeroed();
            (libc::fstat(fd, &raw mut file), file)
        };
        let closes = flags & libc::FD_CLOEXEC != 0;
        (state == 0).then_some((fd, file.st_dev, file.st_ino, closes))
    };
    numbers.filter_map(look).collect()
}

/// The ways in which a job can begin badly, and the number of a signal or of a
/// descriptor.
const BLOCKED: u64 = 1 << 16;
const DISPOSED: u64 = 2 << 16;
const ANOTHER_FILE: u64 = 3 << 16;
const BARE: u64 = 4 << 16;

/// A job of a test in which something has gone before calls this first. It tells
/// the judge if the job does not find signals and descriptors as it should.
fn begin() {
    if let Some(wrong) = badly_begun() {
        proctor::witness(BEGAN | wrong);
    }
}

fn badly_begun() -> Option<u64> {
    // SAFETY: zeros are valid values of both structures, which the calls fill.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
        for signal in 1..=libc::SIGRTMAX() {
            if libc::sigismember(&raw const mask, signal) == 1 {
                return Some(BLOCKED | u64::from(signal.unsigned_abs()));
            }
        }
        for signal in 1..32_u32 {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal.cast_signed(), std::ptr::null(), &raw mut action);
            if action.sa_sigaction != libc::SIG_DFL {
                return Some(DISPOSED | u64::from(signal));
            }
        }
    }
    let at_start = AT_START.lock().ok()?.clone();
    let now = open_here(0..200);
    let number = |open: &Open| u64::from(open.0.unsigned_abs());
    if let Some(other) = at_start.iter().find(|open| !now.contains(open)) {
        return Some(ANOTHER_FILE | number(other));
    }
    let had = |fd: RawFd| at_start.iter().any(|open| open.0 == fd);
    let bare = now.iter().find(|open| !open.3 && !had(open.0));
    bare.map(|open| BARE | number(open))
}

fn run(server: &ForkServer, request: &[u8]) -> Reported {
    reported(server.run(request))
}

fn reported(result: Result<Vec<u8>, RunError>) -> Reported {
    match result {
        Ok(answer) => Reported::Answer(answer),
        Err(RunError::Died(Ending::Exited(code))) => Exited(code),
        Err(RunError::Died(Ending::Killed(signal))) => Killed(signal),
        Err(RunError::Io(error)) => Io(error.raw_os_error(), error.to_string()),
    }
}

fn pid_of(server: &ForkServer) -> Pid {
    Pid::from_raw(server.id().cast_signed())
}

/// What has changed in the caller, without its children, which the judge counts,
/// and without its signals, at which two tests look.
fn changes_since(before: &Surroundings) -> Vec<String> {
    let mut changes = before.changes();
    changes.retain(|change| !change.starts_with("child ") && !change.contains("signal"));
    changes
}

fn changed_signals(before: &Surroundings) -> Vec<String> {
    let mut changes = before.changes();
    changes.retain(|change| change.contains("signal"));
    changes
}

/// The number of open descriptors of a process that is about to wait.
fn open_descriptors(pid: Pid) -> usize {
    if pid != getpid() {
        Onlooker::of_process(pid.as_raw()).until_it_waits();
    }
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Sends back what it gets, the other way round.
fn reverse(request: &[u8]) -> Vec<u8> {
    begin();
    turned(request)
}

fn turned(request: &[u8]) -> Vec<u8> {
    request.iter().rev().copied().collect()
}

/// Descriptors for those who wait: they write their number into the first pipe,
/// and then wait until they can read from the second. One pair is for jobs, and
/// one for threads of the caller.
static BEGUN: [AtomicI32; 2] = [const { AtomicI32::new(-1) }; 2];
static GO_ON: [AtomicI32; 2] = [const { AtomicI32::new(-1) }; 2];

/// The caller's ends of these pipes.
struct Gate {
    which: usize,
    begun: io::PipeReader,
    go_on: io::PipeWriter,
}

impl Gate {
    /// Makes the pipes for jobs; jobs of servers that start later find them.
    fn new() -> Gate {
        Gate::numbered(0)
    }

    /// For threads of the caller that get SIGUSR1: wherever they are, they stay
    /// in the handler until the gate opens.
    fn for_threads() -> Gate {
        on_signal(Signal::SIGUSR1, SigHandler::Handler(park), SaFlags::empty());
        Gate::numbered(1)
    }

    fn numbered(which: usize) -> Gate {
        let (begun, tell) = pipe().expect("a pipe");
        let (wait, go_on) = pipe().expect("a pipe");
        BEGUN[which].store(tell.into_raw_fd(), Relaxed);
        GO_ON[which].store(wait.into_raw_fd(), Relaxed);
        Gate {
            which,
            begun,
            go_on,
        }
    }

    /// Returns the process or the thread that has come, or `None` if none will
    /// come, because the call of [`run_beside`] is over.
    fn until_one_has_come(&mut self) -> Option<Pid> {
        loop {
            let is_over = IS_OVER.load(SeqCst);
            let mut ready = [PollFd::new(self.begun.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, 1_u8) == Ok(1) {
                break;
            }
            if is_over {
                return None;
            }
        }
        let mut number = [0; 4];
        self.begun.read_exact(&mut number).ok()?;
        Some(Pid::from_raw(i32::from_le_bytes(number)))
    }

    /// Lets one go on.
    fn open(&mut self) {
        self.go_on.write_all(&[0]).expect("room in the pipe");
    }

    /// Interrupts this thread of the caller, and returns when it is parked, or if
    /// it has ended.
    fn park(&mut self, thread: Pid) {
        let (process, signal) = (getpid().as_raw(), libc::SIGUSR1);
        // SAFETY: sends a signal that has a handler.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread.as_raw(), signal) };
        if sent == 0 {
            let _ = self.begun.read_exact(&mut [0; 4]);
        }
    }

    /// Closes all four descriptors.
    fn close(self) {
        for end in [&BEGUN[self.which], &GO_ON[self.which]] {
            // SAFETY: `numbered` has given up these descriptors.
            unsafe { libc::close(end.swap(-1, Relaxed)) };
        }
    }

    /// In a job.
    fn tell_and_wait() {
        Gate::tell(0, getpid());
        Gate::wait(0);
    }

    /// Allocates nothing.
    fn tell(which: usize, number: Pid) {
        let number = number.as_raw().to_le_bytes();
        // SAFETY: the kernel reads four bytes.
        unsafe { libc::write(BEGUN[which].load(Relaxed), number.as_ptr().cast(), 4) };
    }

    fn wait(which: usize) {
        let mut byte = [0_u8];
        // SAFETY: the kernel writes the one byte.
        unsafe { libc::read(GO_ON[which].load(Relaxed), byte.as_mut_ptr().cast(), 1) };
    }
}

/// A handler that stays until the gate for threads opens.
extern "C" fn park(_: i32) {
    let errno = Errno::last_raw();
    Gate::tell(1, nix::unistd::gettid());
    Gate::wait(1);
    Errno::set_raw(errno);
}

/// Whether the last call of [`run_beside`] is over.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Calls `run`. A second thread does `other` meanwhile.
fn run_beside(server: &ForkServer, request: &[u8], other: impl FnOnce() + Send) -> Reported {
    IS_OVER.store(false, SeqCst);
    let reported = thread::scope(|scope| {
        scope.spawn(other);
        let reported = run(server, request);
        IS_OVER.store(true, SeqCst);
        reported
    });
    IS_OVER.store(false, SeqCst);
    reported
}

/// What /proc says about a process that has not ended: its state, how often it
/// has left the CPU, and the nanoseconds of its CPU time.
fn look_at(process: Pid) -> Option<(char, u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let count = |name: &str| field(name).and_then(|number| number.parse::<u64>().ok());
    let state = field("State:")?.chars().next()?;
    let switches = count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?;
    let cpu = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    let cpu = cpu.split(' ').next().and_then(|number| number.parse().ok());
    (!['Z', 'X'].contains(&state)).then_some((state, switches, cpu.unwrap_or(0)))
}

/// Whether a process sleeps for a certain time.
fn naps(process: Pid) -> bool {
    let call = fs::read_to_string(format!("/proc/{process}/syscall")).unwrap_or_default();
    let number = call
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    number.is_some_and(|number| [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].contains(&number))
}

/// Returns when all these processes, each with one thread, have ended, are
/// stopped, or wait, all at the same time. One that naps again and again, or
/// that uses the CPU all the time, counts as waiting.
fn until_they_rest(processes: &[Pid]) {
    let first: Vec<_> = processes.iter().map(|process| look_at(*process)).collect();
    let picture = || -> Option<Vec<u64>> {
        let rest = |(process, first): (&Pid, &Option<(char, u64, u64)>)| {
            let (Some(first), Some(now)) = (first, look_at(*process)) else {
                return Some(0);
            };
            let often = now.1 > first.1 + 60;
            let spins = now.2 > first.2 + 200_000_000;
            match now.0 {
                _ if spins || (often && naps(*process)) => Some(0),
                'R' | 'D' => None,
                _ => Some(now.1),
            }
        };
        processes.iter().zip(&first).map(rest).collect()
    };
    let mut before = None;
    loop {
        let now = picture();
        if now.is_some() && now == before {
            return;
        }
        before = now;
        thread::sleep(Duration::from_micros(100));
    }
}

/// Stops a process, and lets it go on.
fn stop_and_continue(process: Pid) {
    let _ = kill(process, Signal::SIGSTOP);
    Onlooker::of_process(process.as_raw()).until_it_stops();
    let _ = kill(process, Signal::SIGCONT);
    until_they_rest(&[process]);
}

/// Kills a child of this process, and leaves it as a zombie.
fn kill_and_leave(child: Pid) {
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
}

/// Waits for every child until there is none, and returns how many there were.
fn reap_all() -> usize {
    let mut reaped = 0;
    loop {
        match waitpid(None, None) {
            Ok(_) => reaped += 1,
            Err(Errno::EINTR) => {}
            Err(_) => return reaped,
        }
    }
}

// ------------------------------------------------------------ in the judge

#[track_caller]
fn expect(reported: &Reported, expected: &Reported, because: &str) {
    assert!(
        reported == expected,
        "{because}; run returned {reported:?}, and the contract says {expected:?}"
    );
}

#[track_caller]
fn is_an_io_error(reported: &Reported, because: &str) {
    assert!(
        matches!(reported, Io(..)),
        "{because}; run returned {reported:?} instead of RunError::Io"
    );
}

/// Nothing is left of the servers after they have been dropped.
#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>, changes: &[String]) {
    all_began_and_ended_well(answer);
    answer.nothing_is_left("the ForkServer has been dropped");
    assert!(
        changes.is_empty(),
        "start, run and drop changed the caller: {}",
        changes.join("; ")
    );
}

/// What jobs told with [`begin`], and exit handlers.
#[track_caller]
fn all_began_and_ended_well<A>(answer: &Answer<A>) {
    for seen in &answer.evidence.witnesses {
        if seen.mark == EXIT_HANDLER {
            panic!(
                "an exit handler (atexit) or a thread-local destructor of the caller ran in process {}, which is the server or a job",
                seen.pid
            );
        }
        if seen.mark & BEGAN == 0 {
            continue;
        }
        let (wrong, number) = (seen.mark & (0xff << 16), seen.mark & 0xffff);
        match wrong {
            BLOCKED => panic!("signal {number} was blocked when a job of this test began"),
            DISPOSED => {
                panic!(
                    "signal {number} did not have its default disposition when a job of this test began: the contract says that it has, whatever the caller does with signals"
                )
            }
            ANOTHER_FILE => panic!(
                "when a job of this test began, descriptor {number} was closed, or it was not the descriptor that the caller had at start"
            ),
            _ => panic!(
                "when a job of this test began, it found descriptor {number}, which the caller did not have at start, without FD_CLOEXEC"
            ),
        }
    }
}

/// One server and one child for each request, by the kernel's count.
#[track_caller]
fn started<A>(answer: &Answer<A>, servers: u32, jobs: u32) {
    // `None` where the machine forbids to count.
    if let Some(started) = answer.evidence.processes_started {
        assert!(
            started == servers + jobs,
            "{} of start and {} of run started {}: each call starts one",
            proctor::count(servers as usize, "call"),
            proctor::count(jobs as usize, "call"),
            proctor::count(started as usize, "process")
        );
    }
}

/// By the kernel's count, for tests that start no thread themselves.
#[track_caller]
fn no_thread_was_started<A>(answer: &Answer<A>) {
    let started = answer.evidence.threads_started;
    assert!(
        started.is_none_or(|started| started == 0),
        "number of threads that were started: {}. Neither start nor run nor drop starts a thread, and the server has one thread",
        started.unwrap_or(0)
    );
}

// ------------------------------------------------------------ the processes

fn threads_of(pid: impl std::fmt::Display) -> u64 {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |tasks| tasks.count() as u64)
}

/// The parent of a process, from `/proc/PID/status`.
fn parent_of(pid: Pid) -> i32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut lines = status.lines();
    let parent = lines.find_map(|line| line.strip_prefix("PPid:"));
    parent.map_or(-1, |parent| parent.trim().parse().unwrap_or(-1))
}

fn where_it_runs(request: &[u8]) -> Vec<u8> {
    proctor::witness(u64::from(request[0]));
    let is_first_thread = u64::from(nix::unistd::gettid() == getpid());
    let facts = [
        request[0].into(),
        u64::from(getppid().as_raw().cast_unsigned()),
        threads_of("self"),
        threads_of(getppid()),
        is_first_thread,
    ];
    facts.iter().flat_map(|fact| fact.to_le_bytes()).collect()
}

/// The server, its parent, its threads, and what the jobs found.
#[derive(Debug, Serialize, Deserialize)]
struct Family {
    server: u32,
    parent: i32,
    threads: u64,
    jobs: Vec<Reported>,
    changes: Vec<String>,
}

#[proctor::test(clauses = [1, 2, 9, 12, 15], subject = |requests: Vec<u8>| -> Family {
    let before = Surroundings::now();
    let server = start(where_it_runs);
    let (parent, threads) = (parent_of(pid_of(&server)), threads_of(server.id()));
    // From now on, this process has more than one thread.
    let (stop, wait) = mpsc::channel::<()>();
    let other = thread::spawn(move || wait.recv());
    let jobs = requests.iter().map(|request| run(&server, &[*request])).collect();
    drop(stop);
    let _ = other.join();
    let id = server.id();
    drop(server);
    threads_left();
    Family { server: id, parent, threads, jobs, changes: changes_since(&before) }
})]
fn each_request_runs_in_a_child_of_the_server(mut subject: Subject) {
    // Twice the same: it is run again.
    let (one, other) = (proctor::rng().u8(1..100), proctor::rng().u8(100..));
    let requests = vec![one, one, other, 0];
    let answer = subject.ask(&requests);
    let Family {
        server,
        parent,
        threads,
        jobs,
        changes,
    } = &answer.value;
    let evidence = &answer.evidence;
    let came_out = evidence.witnesses.iter().any(|seen| seen.mark == CAME_OUT);
    assert!(
        !came_out,
        "a second process returned from ForkServer::start: only the caller returns from it"
    );
    assert!(
        *parent == evidence.pid,
        "id() returned {server}, and the parent of this process is {parent}: the server is a child of the caller, which is process {}",
        evidence.pid
    );
    assert!(
        *threads == 1,
        "the server has {} after start: it has one thread as long as it lives",
        proctor::count(*threads as usize, "thread")
    );
    // (Exit handlers leave marks too. What is said about them comes at the end.)
    let is_a_job = |seen: &&proctor::Witness| seen.mark != EXIT_HANDLER;
    let ran: Vec<_> = evidence.witnesses.iter().filter(is_a_job).collect();
    assert!(
        ran.iter().all(|seen| seen.pid != evidence.pid),
        "a job ran in the caller's process"
    );
    assert!(
        ran.iter().all(|seen| seen.pid.cast_unsigned() != *server),
        "a job ran in the server's process and not in a child of it"
    );
    let (calls, times) = (requests.len(), ran.len());
    assert!(
        times == calls,
        "{} of run ran the job {} in all",
        proctor::count(calls, "call"),
        proctor::count(times, "time")
    );
    let processes: HashSet<i32> = ran.iter().map(|seen| seen.pid).collect();
    assert!(
        processes.len() == calls,
        "{} of run ran the job in {}: each call starts a process of its own",
        proctor::count(calls, "call"),
        proctor::count(processes.len(), "process")
    );
    for (request, job) in requests.iter().zip(jobs) {
        let Reported::Answer(bytes) = job else {
            panic!("the job returned an answer of 40 bytes, and run returned {job:?}");
        };
        let facts: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|eight| u64::from_le_bytes(eight.try_into().expect("eight bytes")))
            .collect();
        let &[asked, parent, threads, of_the_server, is_first] = &facts[..] else {
            panic!("the job returned 40 bytes, and run returned {bytes:?}");
        };
        assert!(
            asked == u64::from(*request),
            "the request was {request}, and the job got {asked}"
        );
        assert!(
            parent == u64::from(*server),
            "the parent of the job's process is process {parent}, and the server is process {server}: each job runs in a child of the server"
        );
        assert!(
            threads == 1 && is_first == 1,
            "the job runs in a process with {threads} threads: the child has one thread, which runs the job"
        );
        assert!(
            of_the_server == 1,
            "the server has {of_the_server} threads while a job runs: it has one thread as long as it lives"
        );
    }
    nothing_is_left(&answer, changes);
    started(&answer, 1, requests.len() as u32);
}

static LOCK: Mutex<()> = Mutex::new(());

fn take_the_locks(_: &[u8]) -> Vec<u8> {
    if LOCK.try_lock().is_err() {
        return b"locked".to_vec();
    }
    // Waits for ever if another thread held the lock when this copy was made.
    print!("<in the job>");
    b"free".to_vec()
}

#[proctor::test(clauses = [2, 3, 12, 15], subject = |(): ()| -> Reported {
    let server = start(take_the_locks);
    let (locked, wait) = mpsc::channel();
    let (release, until) = mpsc::channel::<()>();
    let holder = thread::spawn(move || {
        let _locks = (LOCK.lock(), io::stdout().lock());
        let _ = locked.send(());
        let _ = until.recv();
    });
    let _ = wait.recv();
    let reported = run(&server, b"?");
    drop(release);
    let _ = holder.join();
    reported
})]
fn a_lock_that_a_thread_of_the_caller_holds_is_free_in_the_job(mut subject: Subject) {
    let answer = subject.ask(&());
    let because = "after start, a thread of the caller locked a mutex and standard output, and the job tried to lock them";
    let free = Reported::Answer(b"free".to_vec());
    expect(&answer.value, &free, because);
    let printed = &answer.output.stdout;
    assert!(
        printed == "<in the job>",
        "the job printed `<in the job>`, and `{printed}` came out"
    );
}

static BEFORE: OnceLock<Surroundings> = OnceLock::new();
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Tells what it finds changed, and then changes everything itself.
fn look_around(_: &[u8]) -> Vec<u8> {
    let before = BEFORE.get().expect("it was set before start");
    let mut changes = before.changes();
    // Other tests are about descriptors and signals, and the contract does not
    // speak of the name.
    changes.retain(|change| {
        let others = ["file descriptor", "signal", "the name of the thread"];
        !others.iter().any(|other| change.contains(other))
    });
    let number = NUMBER.load(Relaxed);
    change_everything(u64::MAX, "/dev");
    format!("{number} {}", changes.join("; ")).into_bytes()
}

fn change_everything(number: u64, folder: &str) {
    NUMBER.store(number, Relaxed);
    let _ = std::env::set_current_dir(folder);
    umask(Mode::from_bits_truncate(0o111));
    // SAFETY: the process has one thread.
    unsafe { std::env::set_var("FORK_SERVER", folder) };
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_STACK) {
        let _ = setrlimit(Resource::RLIMIT_STACK, (3 << 20).min(hard), hard);
    }
    // SAFETY: takes integers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 3) };
}

#[proctor::test(clauses = [2, 3, 15], core_files = true, subject = |(number, word): (u64, String)| -> (Vec<Reported>, u64) {
    std::env::set_current_dir("/proc").expect("a folder");
    umask(Mode::from_bits_truncate(0o027));
    // SAFETY: a subject has one thread.
    unsafe { std::env::set_var("FORK_SERVER", word) };
    NUMBER.store(number, Relaxed);
    // Soft limits below the hard ones.
    for (resource, soft) in [
        (Resource::RLIMIT_NOFILE, 200),
        (Resource::RLIMIT_STACK, 4 << 20),
        (Resource::RLIMIT_CORE, 64 << 10),
    ] {
        if let Ok((_, hard)) = getrlimit(resource) {
            let _ = setrlimit(resource, soft.min(hard), hard);
        }
    }
    let _ = BEFORE.set(Surroundings::now());
    let server = start(look_around);
    change_everything(number / 2, "/");
    let jobs = ["1", "1", "2"].map(|request| run(&server, request.as_bytes()));
    (jobs.into(), NUMBER.load(Relaxed))
})]
fn a_job_finds_everything_as_it_was_at_start(mut subject: Subject) {
    let number = u64::from(proctor::random::<u32>()) + 2;
    let answer = subject.ask(&(number, proctor::random()));
    let (jobs, after) = &answer.value;
    for (which, job) in jobs.iter().enumerate() {
        let because = match which {
            0 => {
                "after start, the caller changed a static number, folder, umask, environment and limits, and the first job looked at them"
            }
            _ => {
                "the job before changed a static number, folder, umask, environment and limits, and this job looked at them"
            }
        };
        let Reported::Answer(found) = job else {
            panic!("{because}; run returned {job:?}");
        };
        let found = String::from_utf8_lossy(found);
        let expected = format!("{number} ");
        assert!(
            found == expected,
            "{because}: the number was {number} at start, and the job found the number and these changes: {found}"
        );
    }
    assert!(
        *after == number / 2,
        "a job changed a static number, and the caller sees the change"
    );
}

/// Blocked, ignored and handled signals, from `/proc`.
fn signals(_: &[u8]) -> Vec<u8> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let set_of = |name: &str| {
        let mut lines = status.lines();
        let set = lines.find_map(|line| line.strip_prefix(name));
        set.map_or(u64::MAX, |set| {
            u64::from_str_radix(set.trim(), 16).unwrap_or(u64::MAX)
        })
    };
    let sets = ["SigBlk:", "SigIgn:", "SigCgt:"].map(set_of);
    sets.iter().flat_map(|set| set.to_le_bytes()).collect()
}

#[proctor::test(clauses = [2, 4, 15], subject = |choice: u32| -> (Vec<Reported>, Vec<String>) {
    let mut blocked = SigSet::empty();
    for signal in Signal::iterator() {
        let number = signal as i32;
        match (choice >> (2 * (number % 16))) & 3 {
            // SIGSEGV and SIGBUS: a subject reports a stack overflow with them.
            // SIGCHLD: there is another test.
            _ if [7, 11, 17].contains(&number) => {}
            0 => on_signal(signal, SigHandler::SigIgn, SaFlags::empty()),
            1 => on_signal(signal, SigHandler::Handler(do_nothing), SaFlags::empty()),
            2 => on_signal(signal, SigHandler::SigDfl, SaFlags::empty()),
            _ => blocked.add(signal),
        }
    }
    blocked.add(Signal::SIGUSR2);
    on_signal(Signal::SIGPIPE, SigHandler::SigIgn, SaFlags::empty());
    on_signal(Signal::SIGHUP, SigHandler::Handler(do_nothing), SaFlags::empty());
    blocked.thread_set_mask().expect("a mask");
    // nix knows no real-time signals.
    // SAFETY: zeros are a valid set, which the first call fills.
    unsafe {
        let mut real_time: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut real_time);
        libc::sigaddset(&raw mut real_time, libc::SIGRTMIN() + 2);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const real_time, std::ptr::null_mut());
    }
    let before = Surroundings::now();
    let server = start(signals);
    let mut changes = changed_signals(&before);
    let first = run(&server, b"?");
    changes.extend(changed_signals(&before));
    on_signal(Signal::SIGWINCH, SigHandler::Handler(do_nothing), SaFlags::empty());
    let with_mask = |mask: SigSet| {
        mask.thread_set_mask().expect("a mask");
        let before = Surroundings::now();
        let reported = run(&server, b"?");
        (reported, changed_signals(&before))
    };
    let mut later = vec![with_mask(SigSet::all()), with_mask(SigSet::empty())];
    // Each thread has its own mask.
    later.extend(thread::scope(|scope| scope.spawn(|| with_mask(SigSet::all())).join()));
    let before = Surroundings::now();
    drop(server);
    changes.extend(changed_signals(&before));
    let (second, changed): (Vec<_>, Vec<_>) = later.into_iter().unzip();
    changes.extend(changed.into_iter().flatten());
    ([vec![first], second].concat(), changes)
})]
fn a_job_begins_with_default_signals(mut subject: Subject) {
    // All of them ignored, all of them handled.
    for choice in [proctor::random::<u32>(), 0, 0x5555_5555] {
        let answer = subject.ask(&choice);
        let (jobs, changes) = &answer.value;
        for job in jobs {
            let sets: Vec<u64> = match job {
                Reported::Answer(bytes) => bytes
                    .chunks_exact(8)
                    .map(|eight| u64::from_le_bytes(eight.try_into().expect("eight bytes")))
                    .collect(),
                _ => Vec::new(),
            };
            let &[blocked, ignored, handled] = &sets[..] else {
                panic!("the job returned 24 bytes, and run returned {job:?}");
            };
            let numbers = |set: u64| -> Vec<u32> {
                (1..=64)
                    .filter(|signal| set >> (signal - 1) & 1 == 1)
                    .collect()
            };
            // The first 31: glibc handles two others itself.
            let first = (1_u64 << 31) - 1;
            assert!(
                blocked == 0,
                "the signals {:?} are blocked when the job begins: no signal is",
                numbers(blocked)
            );
            assert!(
                ignored & first == 0,
                "the signals {:?} are ignored when the job begins: each signal has its default disposition",
                numbers(ignored & first)
            );
            assert!(
                handled & first == 0,
                "the signals {:?} have a handler when the job begins: each signal has its default disposition",
                numbers(handled & first)
            );
        }
        assert!(
            changes.is_empty(),
            "start, run or drop changed the signals of the caller: {}",
            changes.join("; ")
        );
        subject.fresh();
    }
}

// ------------------------------------------------------------ descriptors

fn list_descriptors(_: &[u8]) -> Vec<u8> {
    let lines = open_here(0..NUMBERS)
        .into_iter()
        .map(|(fd, device, inode, closes)| format!("{fd} {device} {inode} {closes}\n"));
    lines.collect::<String>().into_bytes()
}

/// Runs in the judge.
fn listed(job: &Reported) -> Vec<Open> {
    let Reported::Answer(lines) = job else {
        panic!("the job listed its descriptors, and run returned {job:?}");
    };
    let lines = String::from_utf8_lossy(lines).into_owned();
    let parse = |line: &str| -> Option<Open> {
        let mut words = line.split(' ');
        Some((
            words.next()?.parse().ok()?,
            words.next()?.parse().ok()?,
            words.next()?.parse().ok()?,
            words.next()?.parse().ok()?,
        ))
    };
    lines.lines().filter_map(parse).collect()
}

/// The test looks at the numbers below this one, and a process has no more.
const NUMBERS: RawFd = 1024;

/// What was open at which time.
#[derive(Debug, Serialize, Deserialize)]
struct Descriptors {
    before: Vec<Open>,
    after_start: Vec<Open>,
    after_run: Vec<Open>,
    opened_later: Vec<Open>,
    jobs: Vec<Reported>,
}

/// Runs in the subject. Changes the descriptors of the caller after `start`. With
/// `every` 2, half of all numbers are taken when the server starts.
fn descriptors(first: RawFd, every: usize) -> Descriptors {
    let plain = pipe2(OFlag::empty()).expect("a pipe");
    let closing = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    // SAFETY: nothing reads from standard input, and 150 is free, as a subject
    // has few descriptors.
    unsafe {
        libc::dup2(closing.0.as_raw_fd(), 0);
        libc::dup2(plain.0.as_raw_fd(), 150);
    }
    // SAFETY: asks for the flags of a number.
    let is_free = |number: &RawFd| unsafe { libc::fcntl(*number, libc::F_GETFD) } < 0;
    let taken = (first..NUMBERS).step_by(every).filter(is_free);
    let taken: Vec<RawFd> = taken.collect();
    for (place, number) in taken.iter().enumerate() {
        // SAFETY: a subject uses only low numbers.
        unsafe {
            libc::dup3(
                plain.1.as_raw_fd(),
                *number,
                [0, libc::O_CLOEXEC][place % 3 % 2],
            )
        };
    }
    let open_here = || open_here(0..NUMBERS);
    let before = open_here();
    let server = start(list_descriptors);
    let after_start = open_here();
    let mut jobs = vec![run(&server, b"?")];
    let after_run = open_here();
    drop((plain, closing));
    let opened: Vec<_> = (0..6)
        .map(|_| pipe2(OFlag::empty()).expect("a pipe"))
        .collect();
    let numbers: HashSet<RawFd> = opened
        .iter()
        .flat_map(|(reader, writer)| [reader.as_raw_fd(), writer.as_raw_fd()])
        .collect();
    let mut opened_later = open_here();
    opened_later.retain(|open| numbers.contains(&open.0));
    jobs.extend([run(&server, b"?"), run(&server, b"?")]);
    for number in taken.into_iter().chain([150]) {
        // SAFETY: nothing else uses it.
        unsafe { libc::close(number) };
    }
    Descriptors {
        before,
        after_start,
        after_run,
        opened_later,
        jobs,
    }
}

#[proctor::test(clauses = [2, 4, 5, 6, 15], descriptors = 1024, subject = |(first, every): (RawFd, usize)| -> Descriptors { descriptors(first, every) })]
fn a_job_finds_the_descriptors_that_the_caller_had_at_start(mut subject: Subject) {
    // No more than usual; all even numbers; all odd numbers.
    for taken in [(NUMBERS, 1), (20, 2), (21, 2)] {
        finds_what_was_open(&subject.ask(&taken).value);
        subject.fresh();
    }
}

fn finds_what_was_open(found: &Descriptors) {
    for job in &found.jobs {
        let in_job = listed(job);
        for (fd, device, inode, closes) in &found.before {
            let same = in_job.iter().find(|open| open.0 == *fd);
            let Some(same) = same else {
                panic!(
                    "descriptor {fd} was open in the caller at start, and the job does not find it"
                );
            };
            assert!(
                (same.1, same.2) == (*device, *inode),
                "descriptor {fd} of the job refers to another file than descriptor {fd} of the caller did at start"
            );
            assert!(
                same.3 == *closes,
                "descriptor {fd} has the flag FD_CLOEXEC in one of caller and job only"
            );
        }
        let later = in_job.iter().find(|open| {
            found
                .opened_later
                .iter()
                .any(|late| (late.1, late.2) == (open.1, open.2))
        });
        assert!(
            later.is_none(),
            "the job finds descriptor {later:?} of a pipe that the caller opened after start"
        );
    }
}

#[proctor::test(clauses = [2, 6, 15], subject = |(): ()| -> Descriptors { descriptors(NUMBERS, 1) })]
fn no_other_program_gets_a_descriptor_of_the_server(mut subject: Subject) {
    let found = subject.ask(&()).value;
    let had = |fd: RawFd| found.before.iter().any(|open| open.0 == fd);
    for (when, open) in [("start", &found.after_start), ("run", &found.after_run)] {
        let bare = open.iter().find(|open| !had(open.0) && !open.3);
        assert!(
            bare.is_none(),
            "{when} opened descriptor {} in the caller without FD_CLOEXEC: every program that the caller executes would get it",
            bare.map_or(-1, |open| open.0)
        );
    }
    for job in &found.jobs {
        let in_job = listed(job);
        let bare = in_job.iter().find(|open| !had(open.0) && !open.3);
        assert!(
            bare.is_none(),
            "the job finds descriptor {} of the server without FD_CLOEXEC: every program that the job executes would get it",
            bare.map_or(-1, |open| open.0)
        );
    }
}

// ------------------------------------------------------------ requests and answers

/// Bytes of all values, in pages that differ.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut state = seed | 1;
    let mut page = Vec::with_capacity(PAGE);
    while page.len() < PAGE.min(length) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        page.extend_from_slice(&state.to_le_bytes());
    }
    let mut bytes = Vec::with_capacity(length + PAGE);
    for number in 0..length.div_ceil(PAGE) as u64 {
        bytes.extend_from_slice(&page);
        let start = bytes.len() - page.len();
        let first = (seed ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes[start..start + 8].copy_from_slice(&first.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// How many bytes the job answers, and whether it got the right request.
static LENGTHS: Mutex<(usize, usize, u64)> = Mutex::new((0, 0, 0));

fn exchange(request: &[u8]) -> Vec<u8> {
    begin();
    let (asked, wanted, seed) = LENGTHS.lock().map_or((0, 0, 0), |lengths| *lengths);
    match request == noise(seed, asked) {
        true => noise(seed ^ 0xff00, wanted),
        false => format!("the job got another request, of {} bytes", request.len()).into_bytes(),
    }
}

/// The lengths of one or two answers, and whether their bytes are right, or what was
/// wrong.
#[proctor::test(clauses = [2, 4, 5, 6, 7, 12, 15], subject = |(asked, wanted, seed): (usize, usize, u64)| -> Result<Vec<(usize, bool)>, String> {
    if let Ok(mut lengths) = LENGTHS.lock() {
        *lengths = (asked, wanted, seed);
    }
    let server = start(exchange);
    let request = noise(seed, asked);
    let ask = || match run(&server, &request) {
        Reported::Answer(answer) if answer.starts_with(b"the job got") => {
            Err(String::from_utf8_lossy(&answer).into_owned())
        }
        Reported::Answer(answer) => Ok((answer.len(), answer == noise(seed ^ 0xff00, wanted))),
        other => Err(format!("run returned {other:?}")),
    };
    let calls = if asked + wanted > 4 << 20 { 1 } else { 2 };
    (0..calls).map(|_| ask()).collect()
})]
fn requests_and_answers_of_any_size(mut subject: Subject) {
    const MIB: usize = 1 << 20;
    let mut rng = proctor::rng();
    let sizes = [
        (0, 0),
        (0, 1),
        (1, 0),
        (255, 256),
        (257, 65_535),
        (65_536, 65_537),
        (rng.usize(..200_000), rng.usize(..200_000)),
        (17 * MIB, 5),
        (5, 17 * MIB + 1),
        (0, 2 * MIB + 1),
        (MIB + 1, MIB + 7),
    ];
    for (asked, wanted) in sizes {
        let seed = proctor::random::<u64>();
        let because = format!("the request had {asked} bytes and the answer {wanted}");
        let answer = subject
            .try_ask(&(asked, wanted, seed))
            .unwrap_or_else(|failing| {
                let meaning = format!("{because}; run does not return");
                proctor::Gate::explained(failing, &meaning).end()
            });
        let both = match &answer.value {
            Ok(both) => both,
            Err(wrong) => panic!("{because}; {wrong}"),
        };
        for (length, is_right) in both {
            assert!(
                *length == wanted,
                "{because}; run returned an answer of {length} bytes"
            );
            assert!(
                *is_right,
                "{because}; run returned as many bytes, but other ones"
            );
        }
    }
}

/// A pipe into which each job writes one byte, or -1.
static TALLY: AtomicI32 = AtomicI32::new(-1);

fn tally() {
    let pipe = TALLY.load(Relaxed);
    if pipe >= 0 {
        // SAFETY: the descriptor is open, and the kernel reads one byte.
        unsafe { libc::write(pipe, [0_u8].as_ptr().cast(), 1) };
    }
}

/// How a job ends. The first byte of a request.
const RETURNS: u8 = 0;
const PANICS: u8 = 1;
const PANICS_WITH_A_BOMB: u8 = 2;
const EXITS: u8 = 3;
const ENDS_AT_ONCE: u8 = 4;
const KILLS_ITSELF: u8 = 5;
const PRINTS_AND_PANICS: u8 = 6;
const LEAVES_A_THREAD: u8 = 7;
const PANICS_TWICE: u8 = 8;
const DUMPS_CORE: u8 = 9;

/// The payload of a panic. When it is dropped, it panics or ends the process.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        match self.0 {
            0 => panic!("the payload of a panic was dropped"),
            // SAFETY: ends the process.
            code => unsafe { libc::_exit(code.into()) },
        }
    }
}

fn end_as_asked(request: &[u8]) -> Vec<u8> {
    begin();
    tally();
    let number = i32::from(request[1]);
    match request[0] {
        PANICS => panic!("the job panics"),
        PANICS_WITH_A_BOMB => panic_any(Bomb(request[1])),
        PANICS_TWICE => {
            let _bomb = Bomb(0);
            panic!("the job panics");
        }
        PRINTS_AND_PANICS => {
            print!("<{number}>");
            panic!("the job panics");
        }
        EXITS => {
            EXITS_ITSELF.store(true, Relaxed);
            std::process::exit(number)
        }
        // SAFETY: ends the process.
        ENDS_AT_ONCE => unsafe { libc::_exit(number) },
        KILLS_ITSELF | DUMPS_CORE => {
            if request[0] == DUMPS_CORE {
                proctor::leave_a_core_file();
            }
            let signal = Signal::try_from(number).expect("a signal");
            let _ = raise(signal);
            // Not reached, unless the signal is blocked or ignored.
            vec![9]
        }
        LEAVES_A_THREAD => {
            thread::spawn(|| {
                loop {
                    thread::park();
                }
            });
            vec![request[1]]
        }
        _ => vec![request[1]],
    }
}

/// The signals that end a process by default, without SIGKILL.
fn deadly() -> Vec<u8> {
    use Signal::{SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    let others = [
        SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
    ];
    let all = Signal::iterator().filter(|signal| !others.contains(signal));
    all.map(|signal| signal as u8).collect()
}

/// After so many jobs that end in a special way comes one that returns.
const FEW: usize = 25;

/// What the jobs returned, how many jobs there were, and changes.
type Endings = (Vec<Reported>, usize, Vec<String>);

#[proctor::test(clauses = [1, 2, 4, 5, 6, 8, 9, 12, 15], core_files = true, subject = |(requests, ignores): (Vec<[u8; 2]>, bool)| -> Endings {
    if ignores {
        on_signal(Signal::SIGCHLD, SigHandler::SigIgn, SaFlags::empty());
    }
    let before = Surroundings::now();
    let (mut tally, into) = pipe().expect("a pipe");
    TALLY.store(into.as_raw_fd(), Relaxed);
    let server = start(end_as_asked);
    let mut jobs = Vec::new();
    for (place, request) in requests.iter().enumerate() {
        jobs.push(run(&server, request));
        if place < FEW {
            jobs.push(run(&server, &[RETURNS, 77]));
        }
    }
    drop((server, into));
    let mut bytes = Vec::new();
    let _ = tally.read_to_end(&mut bytes);
    drop(tally);
    for file in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let _ = fs::remove_file(file.path());
    }
    (jobs, bytes.len(), changes_since(&before))
})]
fn it_tells_how_a_job_ended_that_did_not_return(mut subject: Subject) {
    let code = proctor::rng().u8(1..100);
    let mut cases = vec![
        ([PANICS, 0], Exited(101)),
        ([PANICS_WITH_A_BOMB, 0], Exited(101)),
        ([PANICS_WITH_A_BOMB, 3], Exited(101)),
        ([PANICS_TWICE, 0], Killed(6)),
        ([EXITS, 0], Exited(0)),
        ([EXITS, 1], Exited(1)),
        ([EXITS, 101], Exited(101)),
        ([EXITS, 255], Exited(255)),
        ([ENDS_AT_ONCE, 0], Exited(0)),
        ([ENDS_AT_ONCE, code], Exited(code)),
        ([KILLS_ITSELF, 9], Killed(9)),
        ([DUMPS_CORE, 6], Killed(6)),
        ([DUMPS_CORE, 11], Killed(11)),
        ([LEAVES_A_THREAD, 4], Reported::Answer(vec![4])),
    ];
    cases.extend(
        deadly()
            .into_iter()
            .map(|signal| ([KILLS_ITSELF, signal], Killed(signal.into()))),
    );
    for ignores in [false, true] {
        if !ignores {
            // Every code, once.
            cases.extend((0..=255).map(|code| {
                (
                    [[EXITS, ENDS_AT_ONCE][usize::from(code % 2)], code],
                    Exited(code),
                )
            }));
        } else {
            cases.truncate(FEW);
        }
        let requests: Vec<[u8; 2]> = cases.iter().map(|(request, _)| *request).collect();
        let answer = subject.ask(&(requests, ignores));
        let (jobs, ran, changes) = &answer.value;
        let mut jobs = jobs.iter();
        for (place, ([kind, number], expected)) in cases.iter().enumerate() {
            let how = match *kind {
                PANICS => "the job panicked".to_owned(),
                PANICS_WITH_A_BOMB => {
                    "the job panicked, with a payload whose destructor panics or ends the process"
                        .to_owned()
                }
                PANICS_TWICE => "the job panicked twice, so that its process aborted".to_owned(),
                EXITS => format!("the job called exit({number})"),
                ENDS_AT_ONCE => format!("the job called _exit({number})"),
                LEAVES_A_THREAD => {
                    "the job returned while a thread that it had started still ran".to_owned()
                }
                DUMPS_CORE => format!(
                    "the job killed its own process with signal {number}, and the kernel may have written a core file"
                ),
                _ => format!("the job killed its own process with signal {number}"),
            };
            let when = if ignores {
                " (the caller ignores SIGCHLD)"
            } else {
                ""
            };
            let reported = jobs.next().expect("a result for each call");
            expect(reported, expected, &format!("{how}{when}"));
            if place < FEW {
                let because = format!("{how}{when}, and the next job returned 77");
                let next = jobs.next().expect("a result for each call");
                expect(next, &Reported::Answer(vec![77]), &because);
            }
        }
        let calls = cases.len() + FEW;
        assert!(
            *ran == calls,
            "{} of run ran a job {}: each call runs it once, however it ends",
            proctor::count(calls, "call"),
            proctor::count(*ran, "time")
        );
        nothing_is_left(&answer, changes);
        started(&answer, 1, calls as u32);
        subject.fresh();
    }
}

/// Stops the server, tells its own process ID, and returns more than a pipe
/// holds.
fn answer_into_a_full_pipe(request: &[u8]) -> Vec<u8> {
    if request == b"?" {
        return Vec::new();
    }
    // Made first, so that from here on the job does nothing but write it.
    let answer = noise(5, 1 << 20);
    let _ = kill(getppid(), Signal::SIGSTOP);
    Gate::tell(0, getpid());
    answer
}

#[proctor::test(clauses = [2, 7, 8, 9, 12, 15], subject = |(): ()| -> (Reported, Reported) {
    let mut gate = Gate::new();
    let server = start(answer_into_a_full_pipe);
    let pid = pid_of(&server);
    let halfway = run_beside(&server, b"1", || {
        if let Some(job) = gate.until_one_has_come() {
            // It has filled the pipe, because the server does not read.
            Onlooker::of_process(job.as_raw()).until_it_waits();
            let _ = kill(job, Signal::SIGKILL);
            let _ = kill(pid, Signal::SIGCONT);
        }
    });
    let next = run(&server, b"?");
    drop(server);
    gate.close();
    threads_left();
    (halfway, next)
})]
fn half_an_answer_is_no_answer(mut subject: Subject) {
    let answer = subject.ask(&());
    let (halfway, next) = &answer.value;
    // A server may have been able to take the whole answer.
    let is_complete = *halfway == Reported::Answer(noise(5, 1 << 20));
    if let Reported::Answer(bytes) = halfway {
        assert!(
            is_complete,
            "SIGKILL ended a job while it wrote an answer of 1 MiB, and run returned {} bytes as its answer",
            bytes.len()
        );
    } else {
        let because = "SIGKILL ended a job while it wrote an answer of 1 MiB";
        expect(halfway, &Killed(9), because);
    }
    let because =
        "the job before was killed while it wrote its answer, and the next job returned 0 bytes";
    expect(next, &Reported::Answer(Vec::new()), because);
    nothing_is_left(&answer, &[]);
}

/// A server that lives from one question to the next.
static KEPT: Mutex<Option<ForkServer>> = Mutex::new(None);

#[proctor::test(clauses = [2, 4, 5, 6, 8, 9, 12, 15], orphans = true, subject = |requests: Vec<[u8; 2]>| -> (usize, usize) {
    let mut kept = KEPT.lock().expect("no panic");
    if kept.take().is_some() {
        return (0, 0);
    }
    let server = start(end_as_asked);
    let descriptors = || open_descriptors(pid_of(&server)) + open_descriptors(getpid());
    run(&server, &[RETURNS, 0]);
    let before = descriptors();
    for request in requests {
        run(&server, &request);
    }
    let after = descriptors();
    *kept = Some(server);
    (before, after)
})]
fn no_zombie_and_no_descriptor_stays_in_the_server(mut subject: Subject) {
    let endings = [RETURNS, PANICS, EXITS, ENDS_AT_ONCE, KILLS_ITSELF];
    let requests: Vec<[u8; 2]> = (0..20).map(|at| [endings[(at + 1) % 5], 15]).collect();
    let answer = subject.ask(&requests);
    let evidence = &answer.evidence;
    assert!(
        evidence.zombies == 0,
        "all jobs have ended and the server waits for the next request: the number of zombies is {} instead of 0",
        evidence.zombies
    );
    assert!(
        evidence.children == 1,
        "all jobs have ended and the server waits for the next request: {} processes run besides the caller instead of 1, the server",
        evidence.children
    );
    let (before, after) = answer.value;
    assert!(
        before == after,
        "caller and server had {before} descriptors in all after the first job, and they have {after} after 20 more jobs"
    );
    let answer = subject.ask(&Vec::new());
    nothing_is_left(&answer, &[]);
}

#[proctor::test(clauses = [1, 2, 8, 9, 12, 15], slow = true, descriptors = 64, subject = |calls: u32| -> (u32, Option<Reported>) {
    let server = start(turned);
    for call in 0..calls {
        let request = call.to_be_bytes();
        let reported = run(&server, &request);
        if reported != Reported::Answer(call.to_le_bytes().to_vec()) {
            return (call, Some(reported));
        }
    }
    (calls, None)
})]
fn a_thousand_requests_are_like_one(mut subject: Subject) {
    let answer = subject.ask(&1_030);
    if let (call, Some(wrong)) = &answer.value {
        panic!("call {call} of run returned {wrong:?} instead of the reversed request");
    }
    started(&answer, 1, 1_030);
    no_thread_was_started(&answer);
    nothing_is_left(&answer, &[]);
}

fn take_a_while(_: &[u8]) -> Vec<u8> {
    thread::sleep(Duration::from_millis(1_700));
    b"done".to_vec()
}

#[proctor::test(clauses = [2, 15], slow = true, subject = |(): ()| -> Reported {
    run(&start(take_a_while), b"?")
})]
fn a_job_may_take_its_time(mut subject: Subject) {
    let answer = subject.ask(&());
    let done = Reported::Answer(b"done".to_vec());
    expect(&answer.value, &done, "the job took 1.7 s");
}

/// Waits at the gate if the request is `wait`, and reverses at most 64 bytes.
fn wait_or_reverse(request: &[u8]) -> Vec<u8> {
    if request == b"wait" {
        Gate::tell_and_wait();
    }
    reverse(&request[..request.len().min(64)])
}

#[proctor::test(clauses = [2, 4, 5, 6, 9, 10, 11, 12, 15], subject = |numbers: Vec<u32>| -> (bool, Reported, Vec<(u32, Reported)>) {
    let is_shared = proctor::implements!(ForkServer: Send) && proctor::implements!(ForkServer: Sync);
    let mut gate = Gate::new();
    let mut parking = Gate::for_threads();
    let server = start(wait_or_reverse);
    let (first, others) = thread::scope(|scope| {
        let first = scope.spawn(|| run(&server, b"wait"));
        let _ = gate.until_one_has_come();
        let (tell, told) = mpsc::channel();
        let ask = |number: u32| {
            let (server, tell) = (&server, tell.clone());
            move || {
                let _ = tell.send(nix::unistd::gettid());
                let numbers = (number..number + 5).map(|number| (number, run(server, &number.to_be_bytes())));
                numbers.collect::<Vec<_>>()
            }
        };
        let mut threads = Vec::new();
        let mut others = Vec::new();
        for number in numbers {
            others.push(scope.spawn(ask(number)));
            threads.extend(told.recv());
            // Each of them has its answers or waits.
            threads_left();
        }
        // The first of those that wait is held up, and others may overtake it.
        parking.park(threads[0]);
        gate.open();
        threads_left();
        parking.open();
        let others = others.into_iter().flat_map(|other| other.join().unwrap_or_default());
        let others = others.collect();
        (first.join().unwrap_or(Exited(255)), others)
    });
    // Another thread than the one that started it may drop it.
    let _ = thread::spawn(move || drop(server)).join();
    threads_left();
    gate.close();
    parking.close();
    (is_shared, first, others)
})]
fn many_threads_may_call_run_at_the_same_time(mut subject: Subject) {
    let numbers: Vec<u32> = (0..7).map(|_| proctor::rng().u32(..1 << 30)).collect();
    let answer = subject.ask(&numbers);
    let (is_shared, first, others) = &answer.value;
    assert!(*is_shared, "a ForkServer should be Send and Sync");
    let because = "the job of one thread waited while seven other threads called run";
    expect(first, &Reported::Answer(b"tiaw".to_vec()), because);
    assert!(others.len() == 35, "a thread that called run panicked");
    for (number, reported) in others {
        let expected = Reported::Answer(number.to_le_bytes().to_vec());
        expect(
            reported,
            &expected,
            "a job reversed its four bytes while seven other threads called run",
        );
    }
    started(&answer, 1, 36);
    nothing_is_left(&answer, &[]);
}

// ------------------------------------------------------------ signals

/// The children of a process, ended or not, where the kernel lists them.
fn children_of(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default()
}

#[proctor::test(clauses = [2, 4, 5, 6, 8, 9, 11, 12, 15], faults = [Wait], subject = |requests: Vec<[u8; 2]>| -> (Vec<(Reported, String)>, Vec<String>) {
    let before = Surroundings::now();
    let server = start(end_as_asked);
    let pid = pid_of(&server);
    let jobs = requests
        .iter()
        .map(|request| (run(&server, request), children_of(pid)))
        .collect();
    drop(server);
    (jobs, changes_since(&before))
})]
fn interrupted_waits_change_nothing(mut subject: Subject) {
    for (whose, returns_first) in [
        (Whose::TheChildrens, true),
        (Whose::TheChildrens, false),
        (Whose::TheSubjects, false),
    ] {
        let code = proctor::random::<u8>();
        let mut jobs = [
            ([EXITS, code], Exited(code)),
            ([RETURNS, code], Reported::Answer(vec![code])),
        ];
        if returns_first {
            jobs.reverse();
        }
        let interrupted = Failure::of(Fault::Wait, Errno::EINTR).times(300);
        subject.fail(interrupted.whose(whose));
        let answer = subject.ask(&jobs.iter().map(|(request, _)| *request).collect());
        let (reported, changes) = &answer.value;
        for ((_, expected), (reported, children)) in jobs.iter().zip(reported) {
            let because = "waitpid was interrupted 300 times";
            expect(reported, expected, because);
            assert!(
                children.is_empty(),
                "run has returned, and the server still has the child {children}: it has not ended, or the server has not waited for it"
            );
        }
        nothing_is_left(&answer, changes);
    }
}

/// Sends 20 signals to the caller, which waits for this answer.
fn interrupt_the_caller(request: &[u8]) -> Vec<u8> {
    if request.len() < 100 {
        let caller = Pid::from_raw(CALLER.load(Relaxed));
        for _ in 0..20 {
            Onlooker::of_process(caller.as_raw()).until_it_waits();
            let _ = kill(caller, Signal::SIGUSR1);
        }
    }
    reverse(&request[..4])
}

/// Runs in the subject: calls `run` with a long request while the server is
/// stopped, so that the caller waits until there is room. `then` runs as soon as
/// it waits, in a second thread.
fn run_while_the_server_stands_still(
    server: &ForkServer,
    then: impl FnOnce(Pid) + Send,
) -> Reported {
    let pid = pid_of(server);
    let caller = getpid();
    let _ = kill(pid, Signal::SIGSTOP);
    let _ = waitid(Id::Pid(pid), WaitPidFlag::WSTOPPED);
    let request = noise(7, 2 << 20);
    thread::scope(|scope| {
        let (ready, go) = mpsc::channel::<()>();
        scope.spawn(move || {
            let _ = go.recv();
            Onlooker::of_process(caller.as_raw()).until_it_waits();
            then(pid);
        });
        let _ = ready.send(());
        run(server, &request)
    })
}

/// More than sockets and pipes hold.
const LONG_ANSWER: usize = 2 << 20;

fn wait_and_answer_at_length(_: &[u8]) -> Vec<u8> {
    begin();
    Gate::tell_and_wait();
    noise(9, LONG_ANSWER)
}

/// Runs in the subject: while the server sends a long answer, the caller does not
/// read it, because it is parked in a handler. `then` runs when the server
/// cannot go on, and then the caller does.
fn run_while_the_caller_is_parked(
    server: &ForkServer,
    [gate, parking]: [&mut Gate; 2],
    then: impl FnOnce(Pid) + Send,
) -> Reported {
    let (pid, caller) = (pid_of(server), getpid());
    run_beside(server, b"long", move || {
        if let Some(job) = gate.until_one_has_come() {
            Onlooker::of_process(caller.as_raw()).until_it_waits();
            parking.park(caller);
            gate.open();
            until_they_rest(&[pid, job]);
            then(pid);
            parking.open();
        }
    })
}

/// Says `all` if this is the whole answer: a short message to the judge.
fn or_all(reported: Reported, whole: &[u8]) -> Reported {
    match reported {
        Reported::Answer(answer) if answer == whole => Reported::Answer(b"all".to_vec()),
        other => other,
    }
}

#[proctor::test(clauses = [2, 4, 5, 6, 7, 9, 11, 12, 15], subject = |(): ()| -> Vec<Reported> {
    let mut gate = Gate::new();
    let mut parking = Gate::for_threads();
    let server = start(wait_or_reverse);
    let pid = pid_of(&server);
    let idle = || {
        until_they_rest(&[pid]);
        stop_and_continue(pid);
    };
    idle();
    let mut jobs = vec![run(&server, b"abc")];
    idle();
    idle();
    jobs.push(run_beside(&server, b"wait", || {
        if let Some(job) = gate.until_one_has_come() {
            until_they_rest(&[pid, job]);
            for process in [pid, job, pid] {
                stop_and_continue(process);
            }
            until_they_rest(&[pid, job]);
            gate.open();
        }
    }));
    jobs.push(run_while_the_server_stands_still(&server, stop_and_continue));
    drop(server);
    let server = start(wait_and_answer_at_length);
    let gates = [&mut gate, &mut parking];
    let sent = run_while_the_caller_is_parked(&server, gates, stop_and_continue);
    jobs.push(or_all(sent, &noise(9, LONG_ANSWER)));
    drop(server);
    gate.close();
    parking.close();
    threads_left();
    jobs
})]
fn a_server_that_was_stopped_goes_on(mut subject: Subject) {
    let answer = subject.try_ask(&()).unwrap_or_else(|failing| {
        let meaning = "SIGSTOP stopped the server, SIGCONT let it go on, and run does not return";
        proctor::Gate::explained(failing, meaning).end()
    });
    let mut request = noise(7, 64);
    request.reverse();
    let whens = [
        ("while it waited for a request", b"cba".to_vec()),
        (
            "and also the job, while it waited for the job",
            b"tiaw".to_vec(),
        ),
        ("while it received a request", request),
        ("while it sent an answer of 2 MiB", b"all".to_vec()),
    ];
    for (job, (when, expected)) in answer.value.iter().zip(whens) {
        let because = format!("SIGSTOP stopped the server {when}, and then SIGCONT let it go on");
        expect(job, &Reported::Answer(expected), &because);
    }
    nothing_is_left(&answer, &[]);
}

/// With SIGUSR1 handled, answers more than a pipe holds while the server is
/// stopped.
fn handle_and_answer(request: &[u8]) -> Vec<u8> {
    on_signal(
        Signal::SIGUSR1,
        SigHandler::Handler(do_nothing),
        SaFlags::empty(),
    );
    answer_into_a_full_pipe(request)
}

#[proctor::test(clauses = [2, 7, 9, 11, 12, 15], subject = |(): ()| -> Reported {
    let mut gate = Gate::new();
    let server = start(handle_and_answer);
    let pid = pid_of(&server);
    let reported = run_beside(&server, b"1", || {
        let Some(job) = gate.until_one_has_come() else {
            return;
        };
        for _ in 0..20 {
            Onlooker::of_process(job.as_raw()).until_it_waits();
            let _ = kill(job, Signal::SIGUSR1);
        }
        let _ = kill(pid, Signal::SIGCONT);
    });
    drop(server);
    gate.close();
    threads_left();
    or_all(reported, &noise(5, 1 << 20))
})]
fn signals_to_a_job_change_nothing(mut subject: Subject) {
    let answer = subject.try_ask(&()).unwrap_or_else(|failing| {
        let meaning = "a job that handles a signal got it 20 times while it handed over its answer of 1 MiB, and run does not return";
        proctor::Gate::explained(failing, meaning).end()
    });
    let because =
        "a job that handles a signal got it 20 times while it handed over its answer of 1 MiB";
    expect(&answer.value, &Reported::Answer(b"all".to_vec()), because);
    nothing_is_left(&answer, &[]);
}

#[proctor::test(clauses = [2, 7, 11, 15], subject = |(): ()| -> (Reported, Reported) {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::empty());
    let server = start(interrupt_the_caller);
    let received = run(&server, b"abcd");
    // SAFETY: names the calling thread, which is the first one.
    let first = unsafe { libc::pthread_self() };
    let sent = run_while_the_server_stands_still(&server, move |server| {
        for _ in 0..20 {
            // SAFETY: the thread exists until this one has ended.
            unsafe { libc::pthread_kill(first, libc::SIGUSR1) };
            Onlooker::of_process(getpid().as_raw()).until_it_waits();
        }
        let _ = kill(server, Signal::SIGCONT);
    });
    (received, sent)
})]
fn signals_to_the_caller_change_nothing(mut subject: Subject) {
    let answer = subject.try_ask(&()).unwrap_or_else(|failing| {
        let meaning = "the caller handled 20 signals while it was in run, and run does not return";
        proctor::Gate::explained(failing, meaning).end()
    });
    let (received, sent) = answer.value;
    let because = "the caller handled 20 signals while it waited for the answer";
    expect(&received, &Reported::Answer(b"dcba".to_vec()), because);
    let mut beginning = noise(7, 4);
    beginning.reverse();
    let because = "the caller handled 20 signals while it wrote a request of 2 MiB";
    expect(&sent, &Reported::Answer(beginning), because);
}

// ------------------------------------------------------------ output and the end

fn print_it(request: &[u8]) -> Vec<u8> {
    print!("<{}", String::from_utf8_lossy(request));
    let mut printed = vec![request.len() as u8];
    printed.append(&mut end_as_asked(&[request[0].saturating_sub(b'0'), 8]));
    printed
}

#[proctor::test(clauses = [2, 4, 5, 6, 8, 12, 15], faults = [Print], subject = |text: String| -> Vec<Reported> {
    print!("{text}");
    let server = start(print_it);
    let mut jobs = Vec::new();
    // The last digits are RETURNS, PANICS, RETURNS.
    for request in ["0 one>", "1 two\nlines>", "0 three>"] {
        jobs.push(run(&server, request.as_bytes()));
        print!("[{request}]");
        let _ = io::stdout().flush();
    }
    print!("the end");
    drop(server);
    jobs
})]
fn what_is_printed_comes_out_once_and_in_order(mut subject: Subject) {
    let text = proctor::random::<String>().replace('\n', " ");
    let answer = subject.ask(&text);
    expect(
        &answer.value[0],
        &Reported::Answer(vec![6, 8]),
        "the job printed and returned two bytes",
    );
    expect(
        &answer.value[1],
        &Exited(101),
        "the job printed and panicked",
    );
    let expected =
        format!("{text}<0 one>[0 one>]<1 two\nlines>[1 two\nlines>]<0 three>[0 three>]the end");
    let printed = &answer.output.stdout;
    assert!(
        *printed == expected,
        "caller and jobs printed {expected:?}, and {printed:?} came out"
    );
    // The text of the first job is lost.
    let full = Failure::of(Fault::Print, Errno::ENOSPC);
    subject.fail(full.whose(Whose::TheChildrens));
    let answer = subject.ask(&text);
    let because = "the text that the job had printed could not be written (ENOSPC), and the job returned two bytes";
    expect(&answer.value[0], &Reported::Answer(vec![6, 8]), because);
    let rest = expected.replacen("<0 one>", "", 1);
    let printed = &answer.output.stdout;
    assert!(
        *printed == rest,
        "the text of the first job could not be written (ENOSPC), and {printed:?} came out instead of {rest:?}"
    );
}

#[proctor::test(clauses = [2, 4, 5, 6, 9, 12, 15], subject = |(): ()| -> Vec<Reported> {
    let server = start(end_as_asked);
    let jobs = [[RETURNS, 1], [PANICS, 1], [KILLS_ITSELF, 9]];
    jobs.iter().map(|request| run(&server, request)).collect()
})]
fn no_exit_handler_of_the_caller_runs(mut subject: Subject) {
    let answer = subject.ask(&());
    nothing_is_left(&answer, &[]);
}

// ------------------------------------------------------------ errors

/// The error of the first `start`, what it has changed, and three calls of `run`.
type Started = (Option<Reported>, Vec<String>, [Reported; 3]);

#[proctor::test(clauses = [1, 2, 4, 5, 6, 9, 12, 13, 15], faults = [Process, Pipe, Print], subject = |text: String| -> Started {
    let before = Surroundings::now();
    print!("{text}");
    let (failed, changes, server) = match try_start(reverse) {
        Ok(server) => (None, Vec::new(), server),
        Err(error) => (Some(error), before.changes(), start(reverse)),
    };
    let next = [b"abc"; 3].map(|request| run(&server, request));
    (failed.map(|error| reported(Err(RunError::Io(error)))), changes, next)
})]
fn an_error_of_start_is_returned(mut subject: Subject) {
    let cases = [
        (Fault::Process, Errno::EAGAIN, 0),
        (Fault::Process, Errno::ENOMEM, 0),
        (Fault::Pipe, Errno::EMFILE, 0),
        (Fault::Pipe, Errno::ENFILE, 1),
        (Fault::Pipe, Errno::EMFILE, 2),
        (Fault::Print, Errno::ENOSPC, 0),
    ];
    for (fault, errno, skipped) in cases {
        let failure = Failure::of(fault, errno).whose(Whose::TheSubjects);
        subject.fail(failure.after(skipped));
        let answer = subject.ask(&proctor::random());
        let (failed, changes, next) = &answer.value;
        // It may well need only one pipe, and none of its own to print.
        let happened = answer.evidence.faults > 0;
        if let (true, Some(Io(number, words))) = (happened, failed) {
            assert!(
                *number == Some(errno as i32),
                "a system call of start ({fault:?}) failed with {errno}, and the error of start is another: {words}"
            );
            assert!(
                changes.is_empty(),
                "a system call of start ({fault:?}) failed, and the caller is not as it was before: {}",
                changes.join("; ")
            );
        }
        assert!(
            skipped > 0 || (happened && failed.is_some()),
            "a system call of start ({fault:?}) failed with {errno}, and start returned no error"
        );
        // If start has not failed, the call was one that run makes in the caller.
        let mut failures = usize::from(happened && failed.is_none());
        for reported in next {
            match reported {
                Io(Some(number), _) if *number == errno as i32 && failures > 0 => failures -= 1,
                _ => expect(
                    reported,
                    &Reported::Answer(b"cba".to_vec()),
                    "a job reversed `abc`, after an error of another call",
                ),
            }
        }
        assert!(
            failures == 0,
            "a system call of run ({fault:?}) failed in the caller with {errno}, and run returned no error"
        );
        nothing_is_left(&answer, &[]);
        subject.fresh();
    }
}

#[proctor::test(clauses = [2, 4, 5, 6, 7, 9, 12, 13, 15], faults = [Process, Pipe], descriptors = 64, subject = |(calls, length): (u32, usize)| -> (Vec<Reported>, Vec<Reported>, [usize; 2]) {
    let server = start(turned_beginning);
    let request = noise(11, length);
    let mut failed = vec![run(&server, &request)];
    let descriptors = || open_descriptors(pid_of(&server)) + open_descriptors(getpid());
    let before = descriptors();
    failed.extend((1..calls).map(|_| run(&server, &request)));
    let after = descriptors();
    let next = [b"defg", &request[..]].map(|request| run(&server, request));
    (failed, next.into(), [before, after])
})]
fn an_error_in_the_server_is_returned_and_the_next_request_works(mut subject: Subject) {
    const LONG: usize = (2 << 20) + 1;
    let cases = [
        (Fault::Process, Errno::EAGAIN, 100, 4),
        (Fault::Process, Errno::ENOMEM, 2, LONG),
        (Fault::Pipe, Errno::EMFILE, 2, LONG),
        (Fault::Pipe, Errno::ENFILE, 20, 4),
    ];
    for (fault, errno, times, length) in cases {
        let failure = Failure::of(fault, errno).whose(Whose::TheChildrens);
        subject.fail(failure.times(times));
        let answer = subject.ask(&(times, length));
        let (failed, next, [before, after]) = &answer.value;
        let happened = answer.evidence.faults;
        assert!(
            happened > 0 || fault == Fault::Pipe,
            "the server did not call fork for a request"
        );
        let what = format!("a system call of the server ({fault:?}) failed with {errno}");
        if happened > 0 {
            for reported in failed {
                assert!(
                    matches!(reported, Io(Some(number), _) if *number == errno as i32),
                    "{what}; run returned {reported:?} instead of RunError::Io with this error"
                );
            }
        }
        let because = format!(
            "{what}, for {times} requests of {length} bytes, and then a job reversed the first four bytes of its request"
        );
        let mut beginning = noise(11, 4);
        beginning.reverse();
        for (reported, expected) in next.iter().zip([b"gfed", &beginning[..]]) {
            expect(reported, &Reported::Answer(expected.to_vec()), &because);
        }
        assert!(
            before == after,
            "caller and server had {before} descriptors in all after the first request that failed, and they have {after} after {times}"
        );
        nothing_is_left(&answer, &[]);
        subject.fresh();
    }
}

/// Reverses the first four bytes.
fn turned_beginning(request: &[u8]) -> Vec<u8> {
    reverse(&request[..4])
}

/// What the caller does about SIGPIPE.
const SIGPIPE_IS: [&str; 3] = ["has its default disposition", "is ignored", "is blocked"];

/// Sets what SIGPIPE does in the calling thread.
fn sigpipe(is: &str) {
    let handler = match is == SIGPIPE_IS[1] {
        true => SigHandler::SigIgn,
        false => SigHandler::SigDfl,
    };
    on_signal(Signal::SIGPIPE, handler, SaFlags::empty());
    if is == SIGPIPE_IS[2] {
        let _ = SigSet::from(Signal::SIGPIPE).thread_block();
    }
}

#[proctor::test(clauses = [2, 4, 5, 6, 7, 9, 12, 14, 15], subject = |(is, lengths): (String, Vec<usize>)| -> (Vec<Reported>, Vec<String>) {
    sigpipe(&is);
    let before = Surroundings::now();
    let server = start(reverse);
    let mut jobs = vec![run(&server, b"abc")];
    kill_and_leave(pid_of(&server));
    // The server is a zombie from here on.
    jobs.extend(lengths.iter().map(|length| run(&server, &noise(3, *length))));
    let mut changes = changed_signals(&before);
    drop(server);
    changes.extend(changes_since(&before));
    // If a signal is pending, it ends the caller now.
    let _ = SigSet::empty().thread_set_mask();
    (jobs, changes)
})]
fn a_killed_server_is_an_error(mut subject: Subject) {
    for is in SIGPIPE_IS {
        let answer = subject.ask(&(is.to_owned(), vec![0, 10, 1 << 20, 0]));
        let (jobs, changes) = &answer.value;
        expect(
            &jobs[0],
            &Reported::Answer(b"cba".to_vec()),
            "the job reversed `abc`",
        );
        for job in &jobs[1..] {
            is_an_io_error(
                job,
                &format!("SIGKILL had ended the server before the call, and SIGPIPE {is}"),
            );
        }
        nothing_is_left(&answer, changes);
        subject.fresh();
    }
}

/// Waits for every traced or untraced stop of this child, or for its end, and
/// returns whether it has stopped. Leaves a zombie.
fn has_stopped(child: Pid) -> bool {
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::Pid(child), flags) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return false,
            Ok(_) => {
                let stop = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
                return waitid(Id::Pid(child), stop).is_ok();
            }
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Calls `run` while a second thread follows the server from system call to
/// system call (ptrace(2)), and kills it at the stop with this number. Returns
/// what `run` returned and whether the server was killed, or `None` where the
/// test may not trace.
fn run_and_kill_at(server: &ForkServer, request: &[u8], stops: usize) -> Option<(Reported, bool)> {
    let pid = pid_of(server);
    let (ready, go) = mpsc::channel();
    thread::scope(|scope| {
        let tracer = scope.spawn(move || {
            let traces = ptrace::seize(pid, ptrace::Options::empty()).is_ok()
                && ptrace::interrupt(pid).is_ok()
                && has_stopped(pid);
            let _ = ready.send(traces);
            for _ in 0..stops {
                if ptrace::syscall(pid, None).is_err() || !has_stopped(pid) {
                    return false;
                }
            }
            kill_and_leave(pid);
            true
        });
        let traces = go.recv().unwrap_or(false);
        let reported = traces.then(|| run(server, request));
        // Also ends the wait of the tracer for the next stop.
        kill_and_leave(pid);
        let killed = tracer.join().unwrap_or(false);
        reported.map(|reported| (reported, killed))
    })
}

/// Answers with as many bytes as the last four bytes of the request say.
fn answer_at_length(request: &[u8]) -> Vec<u8> {
    let length = request
        .last_chunk()
        .map_or(0, |length| u32::from_le_bytes(*length));
    noise(9, length as usize)
}

/// The number of stops, what `run` returned then if it was not the whole answer,
/// and what it returned afterwards.
type Killings = Vec<(usize, Option<Reported>, Reported)>;

#[proctor::test(clauses = [2, 7, 9, 11, 12, 14, 15], subject = |(asked, wanted): (usize, u32)| -> Killings {
    sigpipe(SIGPIPE_IS[0]);
    // A job becomes a child of this process when it loses its parent.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let request = [noise(7, asked), wanted.to_le_bytes().to_vec()].concat();
    let mut killings = Vec::new();
    // Every second stop is the beginning of a system call. A server that looks
    // again and again makes any number of them.
    for stops in (1..200).step_by(2).chain((201..1000).step_by(40)) {
        let server = start(answer_at_length);
        let killing = run_and_kill_at(&server, &request, stops);
        let next = run(&server, b"abcd");
        drop(server);
        reap_all();
        let Some((reported, true)) = killing else { break };
        let is_whole = reported == Reported::Answer(noise(9, wanted as usize));
        let reported = (!is_whole).then_some(reported);
        killings.push((stops, reported, next));
    }
    threads_left();
    killings
})]
fn the_server_may_be_killed_at_any_system_call(mut subject: Subject) {
    for (asked, wanted) in [(3 << 20, 100), (100, 200_000)] {
        let answer = subject.try_ask(&(asked, wanted)).unwrap_or_else(|failing| {
            let meaning = "SIGKILL ended the server at one of its system calls, and a call of run does not return";
            proctor::Gate::explained(failing, meaning).end()
        });
        for (stops, reported, next) in &answer.value {
            let because = format!(
                "SIGKILL ended the server before its system call number {} in a call of run",
                stops.div_ceil(2)
            );
            if let Some(reported) = reported {
                is_an_io_error(reported, &because);
            }
            is_an_io_error(next, &format!("{because}, and this was the next call"));
        }
        if !answer.value.is_empty() {
            proctor::covered("the server was killed at its system calls");
        }
        nothing_is_left(&answer, &[]);
    }
}

/// Kills the server, and then waits at the gate.
fn kill_the_server(_: &[u8]) -> Vec<u8> {
    let _ = kill(getppid(), Signal::SIGKILL);
    Gate::tell_and_wait();
    Vec::new()
}

#[proctor::test(clauses = [2, 4, 5, 6, 7, 9, 11, 12, 14, 15], subject = |(): ()| -> Vec<Reported> {
    on_signal(Signal::SIGPIPE, SigHandler::SigDfl, SaFlags::empty());
    // The job becomes a child of this process when it loses its parent.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let mut gate = Gate::new();
    let server = start(kill_the_server);
    let jobs = vec![run(&server, b"abc"), run(&server, b"abc")];
    drop(server);
    gate.open();
    reap_all();
    let server = start(reverse);
    let sent = run_while_the_server_stands_still(&server, kill_and_leave);
    let next = run(&server, b"abc");
    drop(server);
    let mut parking = Gate::for_threads();
    let server = start(wait_and_answer_at_length);
    let half = run_while_the_caller_is_parked(&server, [&mut gate, &mut parking], kill_and_leave);
    let half = or_all(half, &noise(9, LONG_ANSWER));
    let last = run(&server, b"abcd");
    drop(server);
    reap_all();
    gate.close();
    parking.close();
    threads_left();
    [jobs, vec![sent, next, half, last]].concat()
})]
fn run_does_not_wait_for_the_job_of_a_killed_server(mut subject: Subject) {
    let answer = subject.try_ask(&()).unwrap_or_else(|failing| {
        let meaning = "the server was killed during a call of run, and this call does not return";
        proctor::Gate::explained(failing, meaning).end()
    });
    let [waiting, next, sending, last, receiving, after] = &answer.value[..] else {
        panic!("six calls of run return six results");
    };
    is_an_io_error(waiting, "the job killed the server and then waited");
    is_an_io_error(next, "the job before had killed the server");
    is_an_io_error(
        sending,
        "SIGKILL ended the server while the caller wrote a request of 2 MiB",
    );
    is_an_io_error(last, "SIGKILL had ended the server during the call before");
    // It may have been able to send the whole answer.
    if *receiving != Reported::Answer(b"all".to_vec()) {
        is_an_io_error(
            receiving,
            "SIGKILL ended the server while it sent an answer of 2 MiB",
        );
    }
    is_an_io_error(after, "SIGKILL had ended the server during the call before");
    nothing_is_left(&answer, &[]);
}

fn doubled(request: &[u8]) -> Vec<u8> {
    begin();
    request.repeat(2)
}

/// A child of the caller that ends with this code as soon as the gate opens.
fn child_at_the_gate(code: u8) -> Pid {
    other_child(|| {
        Gate::tell_and_wait();
        code
    })
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 9, 12, 15], subject = |codes: [u8; 2]| -> (Vec<Reported>, Vec<i32>, Vec<String>) {
    let before = Surroundings::now();
    let mut gate = Gate::new();
    let ended = child_at_the_gate(codes[0]);
    gate.open();
    let _ = waitid(Id::Pid(ended), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    let first = start(reverse);
    let second = start(doubled);
    let running = child_at_the_gate(codes[1]);
    let mut jobs = vec![run(&first, b"abc"), run(&second, b"def"), run(&first, b"gh")];
    drop(first);
    let third = start(reverse);
    jobs.extend([run(&second, b"ij"), run(&third, b"klm")]);
    drop(second);
    jobs.push(run(&third, b"no"));
    drop(third);
    gate.open();
    let code = |pid| match waitpid(pid, None) {
        Ok(WaitStatus::Exited(_, code)) => code,
        _ => -1,
    };
    let codes = vec![code(ended), code(running)];
    gate.close();
    (jobs, codes, changes_since(&before))
})]
fn drop_ends_this_server_and_leaves_other_children_alone(mut subject: Subject) {
    let codes = [proctor::rng().u8(1..100), proctor::rng().u8(100..200)];
    let answer = subject.try_ask(&codes).unwrap_or_else(|failing| {
        let meaning = "another child of the caller and a second server hold copies of the caller's descriptors, and drop does not return";
        proctor::Gate::explained(failing, meaning).end()
    });
    let (jobs, ended, changes) = &answer.value;
    let answers = ["cba", "defdef", "hg", "ijij", "mlk", "on"];
    for (job, expected) in jobs.iter().zip(answers) {
        let expected = Reported::Answer(expected.into());
        expect(
            job,
            &expected,
            "there are two servers at a time: the jobs of one reverse their requests, and those of the other double them",
        );
    }
    assert!(
        ended[..] == codes.map(i32::from),
        "two other children of the caller ended with the codes {codes:?}, and the caller learned {ended:?} (-1: it cannot wait for that child any more)"
    );
    nothing_is_left(&answer, changes);
    // The two other children are the test's own.
    started(&answer, 5, 6);
    no_thread_was_started(&answer);
}

/// Starts a server in a job, and drops it.
fn ask_an_own_server(request: &[u8]) -> Vec<u8> {
    if NUMBER.fetch_add(1, Relaxed) > 0 {
        return b"the job of the other server ran".to_vec();
    }
    let server = start(reverse);
    let reported = run(&server, request);
    drop(server);
    match reported {
        Reported::Answer(answer) => answer,
        other => format!("{other:?}").into_bytes(),
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 6, 9, 12, 15], subject = |requests: Vec<String>| -> Vec<Reported> {
    let server = start(ask_an_own_server);
    requests.iter().map(|request| run(&server, request.as_bytes())).collect()
})]
fn a_job_may_start_a_server_of_its_own(mut subject: Subject) {
    let requests = [proctor::random::<String>(), proctor::random()];
    let answer = subject.try_ask(&requests.to_vec()).unwrap_or_else(|failing| {
        let meaning = "a job starts a server of its own, and run does not return: the memory of a job, with its locks, is as it was when the caller called start";
        proctor::Gate::explained(failing, meaning).end()
    });
    for (request, job) in requests.iter().zip(&answer.value) {
        let because = "a job started a server of its own, whose job reversed the request";
        expect(job, &Reported::Answer(turned(request.as_bytes())), because);
    }
    nothing_is_left(&answer, &[]);
    started(&answer, 3, 4);
}

/// What the server does when the caller is killed.
const MOMENTS: [&str; 4] = [
    "between two requests",
    "during a job",
    "while the server received a request",
    "while the server sent an answer",
];

/// Waits at the gate if the request is `wait` or `long`, and answers at length
/// if it is `long`.
fn wait_or_answer(request: &[u8]) -> Vec<u8> {
    match request {
        b"long" => wait_and_answer_at_length(request),
        _ => wait_or_reverse(request),
    }
}

/// The life of the caller that will be killed. It tells the process ID of its
/// server.
fn call_until_killed(moment: &str) -> ! {
    let server = start(wait_or_answer);
    let _ = run(&server, b"abc");
    let long = noise(3, 2 << 20);
    Gate::tell(0, pid_of(&server));
    Gate::wait(0);
    let request = MOMENTS.iter().zip([&b""[..], b"wait", &long, b"long"]);
    for (_, request) in request.skip(1).filter(|(other, _)| **other == moment) {
        let _ = run(&server, request);
    }
    loop {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }
}

#[proctor::test(clauses = [2, 4, 5, 6, 7, 9, 11, 12, 15, 16], subject = |moment: String| -> usize {
    // If there is no server at all, that shows here and not in the child.
    drop(start(wait_or_answer));
    // The server becomes a child of this process when it loses its parent.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let mut gate = Gate::new();
    // SAFETY: a subject has one thread.
    let caller = match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => call_until_killed(&moment),
    };
    let server = gate.until_one_has_come().expect("a server");
    until_they_rest(&[server]);
    let is = |at: usize| moment == MOMENTS[at];
    if is(2) {
        let _ = kill(server, Signal::SIGSTOP);
        Onlooker::of_process(server.as_raw()).until_it_stops();
    }
    gate.open();
    let job = (is(1) || is(3)).then(|| gate.until_one_has_come()).flatten();
    until_they_rest(&[server, caller, job.unwrap_or(caller)]);
    if is(3) {
        let _ = kill(caller, Signal::SIGSTOP);
        Onlooker::of_process(caller.as_raw()).until_it_stops();
        gate.open();
        until_they_rest(&[server, job.unwrap_or(server)]);
    }
    let _ = kill(caller, Signal::SIGKILL);
    let _ = waitpid(caller, None);
    if is(1) {
        gate.open();
    }
    let _ = kill(server, Signal::SIGCONT);
    let reaped = reap_all();
    gate.close();
    reaped
})]
fn the_server_ends_when_the_caller_is_killed(mut subject: Subject) {
    for moment in MOMENTS {
        let answer = subject
            .try_ask(&moment.to_owned())
            .unwrap_or_else(|failing| {
                let meaning =
                    format!("SIGKILL ended the caller {moment}, and the server does not end");
                proctor::Gate::explained(failing, &meaning).end()
            });
        assert!(
            answer.value == 1,
            "SIGKILL ended the caller {moment}, and {} processes lost their parent: only the server should, because it reaps its children",
            answer.value
        );
        nothing_is_left(&answer, &[]);
    }
}

// ------------------------------------------------------------ time

/// Makes time-outs of sockets short, in the caller and in the server, so that a
/// test need not wait for them.
fn hurry(process: Pid, known: &[Open]) {
    // SAFETY: these calls take integers and a structure that outlives them.
    unsafe {
        let it = libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0);
        for fd in 0..200_i32 {
            if known.iter().any(|open| open.0 == fd) {
                continue;
            }
            let copy = libc::syscall(libc::SYS_pidfd_getfd, it, fd, 0) as RawFd;
            if copy < 0 {
                continue;
            }
            for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
                let mut time: libc::timeval = std::mem::zeroed();
                let mut length = size_of::<libc::timeval>() as libc::socklen_t;
                let at = (&raw mut time).cast();
                let asked = libc::getsockopt(copy, libc::SOL_SOCKET, option, at, &raw mut length);
                if asked == 0 && (time.tv_sec, time.tv_usec) != (0, 0) {
                    (time.tv_sec, time.tv_usec) = (0, 1000);
                    libc::setsockopt(copy, libc::SOL_SOCKET, option, at, length);
                }
            }
            libc::close(copy);
        }
        libc::close(it as RawFd);
    }
}

/// Returns when the first thread of this process waits in one system call, or
/// has tried in vain very often, and when short time-outs have passed.
fn until_patience_ends(process: Pid) {
    let Some(first) = look_at(process) else {
        return;
    };
    let (mut before, mut same) = (first, 0);
    while same < 8 {
        let Some(now) = look_at(process) else { return };
        let is_same = now.0 == 'S' && now.1 == before.1;
        same = if is_same { same + 1 } else { 0 };
        before = now;
        if now.1 > first.1 + 1200 {
            break;
        }
        thread::sleep(Duration::from_micros(100));
    }
    let_time_outs_pass();
}

fn let_time_outs_pass() {
    // SAFETY: there is no descriptor.
    unsafe { libc::poll(std::ptr::null_mut(), 0, 20) };
}

// Sleeps take no time in this test, so code that counts them gives up early.
#[proctor::test(clauses = [2, 4, 5, 6, 7, 9, 11, 14, 15], faults = [Pause], subject = |(): ()| -> Vec<Reported> {
    let mut gate = Gate::new();
    let known = open_here(0..200);
    let server = start(wait_or_reverse);
    let (pid, caller) = (pid_of(&server), getpid());
    hurry(caller, &known);
    hurry(pid, &known);
    let mut jobs = vec![run(&server, b"ab")];
    until_they_rest(&[pid]);
    let_time_outs_pass();
    jobs.push(run(&server, b"cd"));
    jobs.push(run_beside(&server, b"wait", || {
        if gate.until_one_has_come().is_some() {
            until_patience_ends(caller);
            until_patience_ends(pid);
            gate.open();
        }
    }));
    jobs.push(run_while_the_server_stands_still(&server, |pid| {
        until_patience_ends(caller);
        let _ = kill(pid, Signal::SIGCONT);
    }));
    until_they_rest(&[pid]);
    let _ = kill(pid, Signal::SIGSTOP);
    has_stopped(pid);
    thread::scope(|scope| {
        scope.spawn(|| {
            until_patience_ends(caller);
            let _ = kill(pid, Signal::SIGCONT);
        });
        drop(server);
    });
    gate.close();
    threads_left();
    jobs
})]
fn no_call_gives_up(mut subject: Subject) {
    let endless = Failure::of(Fault::Pause, Errno::UnknownErrno).times(u32::MAX);
    subject.fail(endless);
    let answer = subject.ask(&());
    let mut request = noise(7, 64);
    request.reverse();
    let whens = [
        ("the job reversed `ab`", b"ba".to_vec()),
        ("the server had waited for a request", b"dc".to_vec()),
        ("the job waited", b"tiaw".to_vec()),
        (
            "the server was stopped before it received the request",
            request,
        ),
    ];
    for (job, (when, expected)) in answer.value.iter().zip(whens) {
        let because =
            format!("{when}, while sleeps took no time and time-outs of sockets were short");
        expect(job, &Reported::Answer(expected), &because);
    }
    let when = "the server was stopped when drop was called, and went on later, while sleeps took no time; when drop has returned";
    answer.nothing_is_left(when);
}

// ------------------------------------------------------------ the end of a child

/// How the server is while a child is about to end, after it has handed over its
/// answer.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    /// Whether `run` had returned.
    returned: bool,
    threads: u64,
    answer: bool,
}

fn tell_and_answer_at_length(request: &[u8]) -> Vec<u8> {
    Gate::tell_and_wait();
    answer_at_length(request)
}

/// A second thread holds the child at its very end (ptrace(2)).
fn run_and_hold_the_child(server: &ForkServer, gate: &mut Gate, length: u32) -> Option<Held> {
    let (pid, caller) = (pid_of(server), getpid());
    let mut held = None;
    let reported = run_beside(server, &length.to_le_bytes(), || {
        let Some(job) = gate.until_one_has_come() else {
            return;
        };
        let traces = ptrace::seize(job, ptrace::Options::PTRACE_O_TRACEEXIT).is_ok();
        gate.open();
        if traces && has_stopped_tracee(job) {
            until_they_rest(&[pid, job]);
            let is_over = || IS_OVER.load(SeqCst);
            Onlooker::of_process(caller.as_raw()).until_it_waits_or(is_over);
            held = Some((is_over(), threads_of(pid)));
            let _ = ptrace::detach(job, None);
        }
    });
    let (returned, threads) = held?;
    let answer = reported == Reported::Answer(noise(9, length as usize));
    Some(Held {
        returned,
        threads,
        answer,
    })
}

/// Waits for the stop of a process that this thread traces.
fn has_stopped_tracee(process: Pid) -> bool {
    matches!(
        waitpid(process, Some(WaitPidFlag::__WALL)),
        Ok(WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..))
    )
}

#[proctor::test(clauses = [1, 2, 7, 9, 12, 15], subject = |lengths: Vec<u32>| -> Vec<Option<Held>> {
    let mut gate = Gate::new();
    let server = start(tell_and_answer_at_length);
    let held = lengths.iter().map(|length| run_and_hold_the_child(&server, &mut gate, *length)).collect();
    drop(server);
    gate.close();
    threads_left();
    held
})]
fn run_returns_after_the_end_of_the_child(mut subject: Subject) {
    let lengths = vec![0, 100, 65_537, (2 << 20) + 1, (9 << 20) + 1];
    let answer = subject.ask(&lengths);
    for (length, held) in lengths.iter().zip(&answer.value) {
        let Some(held) = held else { continue };
        proctor::covered("a child was held at its end");
        assert!(
            !held.returned,
            "a child had handed over its answer of {length} bytes and had not ended yet, and run had returned"
        );
        assert!(
            held.threads == 1,
            "the server has {} threads while it waits for the end of a child, whose answer has {length} bytes",
            held.threads
        );
        assert!(
            held.answer,
            "the job answered {length} bytes, and run returned something else"
        );
    }
    nothing_is_left(&answer, &[]);
}
