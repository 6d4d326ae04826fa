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
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::panic::panic_any;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use fork_server::{Ending, ForkServer, Job, RunError};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, SigSet, Signal, kill, raise};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pipe2};
use proctor::{
    Answer, Failure, Fault, Onlooker, Subject, Surroundings, Whose, do_nothing, on_signal,
    threads_left,
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
    request.iter().rev().copied().collect()
}

/// Descriptors for jobs that wait: a job writes into the first pipe when it has
/// begun, and then waits until it can read from the second.
static BEGUN: AtomicI32 = AtomicI32::new(-1);
static GO_ON: AtomicI32 = AtomicI32::new(-1);

/// The caller's ends of these pipes.
struct Gate {
    begun: io::PipeReader,
    go_on: io::PipeWriter,
}

impl Gate {
    /// Makes the pipes; jobs of servers that start later find them.
    fn new() -> Gate {
        let (begun, tell) = pipe().expect("a pipe");
        let (wait, go_on) = pipe().expect("a pipe");
        BEGUN.store(tell.into_raw_fd(), Relaxed);
        GO_ON.store(wait.into_raw_fd(), Relaxed);
        Gate { begun, go_on }
    }

    fn until_a_job_has_begun(&mut self) {
        self.begun.read_exact(&mut [0]).expect("a byte from a job");
    }

    fn open(&mut self) {
        self.go_on.write_all(&[0]).expect("room in the pipe");
    }

    /// Closes all four descriptors.
    fn close(self) {
        for end in [&BEGUN, &GO_ON] {
            // SAFETY: `new` has given up these descriptors.
            unsafe { libc::close(end.swap(-1, Relaxed)) };
        }
    }

    /// In a job.
    fn tell_and_wait() {
        let mut byte = [0_u8];
        let at = byte.as_mut_ptr().cast();
        // SAFETY: the kernel reads and writes the one byte.
        unsafe {
            libc::write(BEGUN.load(Relaxed), at, 1);
            libc::read(GO_ON.load(Relaxed), at, 1);
        }
    }
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
    answer.nothing_is_left("the ForkServer has been dropped");
    assert!(
        changes.is_empty(),
        "start, run and drop changed the caller: {}",
        changes.join("; ")
    );
}

/// One server and one child for each request, by the kernel's count.
#[track_caller]
fn started<A>(answer: &Answer<A>, servers: u32, jobs: u32) {
    // `None` where the machine forbids to count.
    if let Some(started) = answer.evidence.processes_started {
        assert!(
            started == servers + jobs,
            "{servers} calls of start and {jobs} calls of run started {started} processes: each call starts one"
        );
    }
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

#[proctor::test(clauses = [1, 2, 9, 15], subject = |requests: Vec<u8>| -> Family {
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
    let one = proctor::random::<u8>();
    let requests = vec![one, one, proctor::random(), 0];
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
        "the server has {threads} threads after start: it has one thread as long as it lives"
    );
    let ran: Vec<_> = evidence.witnesses.iter().collect();
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
        "{calls} calls of run ran the job {times} times in all"
    );
    let processes: HashSet<i32> = ran.iter().map(|seen| seen.pid).collect();
    assert!(
        processes.len() == calls,
        "{calls} calls of run ran the job in {} processes: each call starts a process of its own",
        processes.len()
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
    SigSet::all().thread_set_mask().expect("a mask");
    on_signal(Signal::SIGWINCH, SigHandler::Handler(do_nothing), SaFlags::empty());
    let second = run(&server, b"?");
    (vec![first, second], changes)
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
            "start or run changed the signals of the caller: {}",
            changes.join("; ")
        );
        subject.fresh();
    }
}

// ------------------------------------------------------------ descriptors

/// A descriptor: its number, the device and the number of its file, and whether
/// exec closes it.
type Open = (RawFd, u64, u64, bool);

/// The open descriptors of this process below 200.
fn open_here() -> Vec<Open> {
    let look = |fd: RawFd| {
        // SAFETY: asks for the flags of a number.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        // SAFETY: zeros are a valid structure, which the call fills.
        let (state, file) = unsafe {
            let mut file: libc::stat = std::mem::zeroed();
            (libc::fstat(fd, &raw mut file), file)
        };
        let closes = flags & libc::FD_CLOEXEC != 0;
        (flags >= 0 && state == 0).then_some((fd, file.st_dev, file.st_ino, closes))
    };
    (0..200).filter_map(look).collect()
}

fn list_descriptors(_: &[u8]) -> Vec<u8> {
    let lines = open_here()
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

/// What was open at which time.
#[derive(Debug, Serialize, Deserialize)]
struct Descriptors {
    before: Vec<Open>,
    after_start: Vec<Open>,
    after_run: Vec<Open>,
    opened_later: Vec<Open>,
    jobs: Vec<Reported>,
}

/// Runs in the subject. Changes the descriptors of the caller after `start`.
fn descriptors() -> Descriptors {
    let plain = pipe2(OFlag::empty()).expect("a pipe");
    let closing = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    // SAFETY: nothing reads from standard input, and 150 is free, as a subject
    // has few descriptors.
    unsafe {
        libc::dup2(closing.0.as_raw_fd(), 0);
        libc::dup2(plain.0.as_raw_fd(), 150);
    }
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
    // SAFETY: nothing else uses it.
    unsafe { libc::close(150) };
    Descriptors {
        before,
        after_start,
        after_run,
        opened_later,
        jobs,
    }
}

#[proctor::test(clauses = [2, 5, 15], subject = |(): ()| -> Descriptors { descriptors() })]
fn a_job_finds_the_descriptors_that_the_caller_had_at_start(mut subject: Subject) {
    let found = subject.ask(&()).value;
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

#[proctor::test(clauses = [2, 6, 15], subject = |(): ()| -> Descriptors { descriptors() })]
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

/// Bytes of all values.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn digest(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// How many bytes the job answers, and whether it got the right request.
static LENGTHS: Mutex<(usize, usize, u64)> = Mutex::new((0, 0, 0));

fn exchange(request: &[u8]) -> Vec<u8> {
    let (asked, wanted, seed) = LENGTHS.lock().map_or((0, 0, 0), |lengths| *lengths);
    match request == noise(seed, asked) {
        true => noise(seed ^ 0xff00, wanted),
        false => format!("the job got another request, of {} bytes", request.len()).into_bytes(),
    }
}

/// The length and the digest of two answers, or what was wrong.
#[proctor::test(clauses = [2, 7, 15], deadline = 5.0, subject = |(asked, wanted, seed): (usize, usize, u64)| -> Result<[(usize, u64); 2], String> {
    if let Ok(mut lengths) = LENGTHS.lock() {
        *lengths = (asked, wanted, seed);
    }
    let server = start(exchange);
    let request = noise(seed, asked);
    let ask = || match run(&server, &request) {
        Reported::Answer(answer) if answer.starts_with(b"the job got") => {
            Err(String::from_utf8_lossy(&answer).into_owned())
        }
        Reported::Answer(answer) => Ok((answer.len(), digest(&answer))),
        other => Err(format!("run returned {other:?}")),
    };
    Ok([ask()?, ask()?])
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
        for (length, sum) in both {
            assert!(
                *length == wanted,
                "{because}; run returned an answer of {length} bytes"
            );
            assert!(
                *sum == digest(&noise(seed ^ 0xff00, wanted)),
                "{because}; run returned as many bytes, but other ones"
            );
        }
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

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload of a panic was dropped");
    }
}

fn end_as_asked(request: &[u8]) -> Vec<u8> {
    let number = i32::from(request[1]);
    match request[0] {
        PANICS => panic!("the job panics"),
        PANICS_WITH_A_BOMB => panic_any(Bomb),
        PRINTS_AND_PANICS => {
            print!("<{number}>");
            panic!("the job panics");
        }
        EXITS => std::process::exit(number),
        // SAFETY: ends the process.
        ENDS_AT_ONCE => unsafe { libc::_exit(number) },
        KILLS_ITSELF => {
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

#[proctor::test(clauses = [2, 8, 9, 15], subject = |(requests, ignores): (Vec<[u8; 2]>, bool)| -> (Vec<(Reported, Reported)>, Vec<String>) {
    if ignores {
        on_signal(Signal::SIGCHLD, SigHandler::SigIgn, SaFlags::empty());
    }
    let before = Surroundings::now();
    let server = start(end_as_asked);
    let jobs = requests
        .iter()
        .map(|request| (run(&server, request), run(&server, &[RETURNS, 77])))
        .collect();
    drop(server);
    (jobs, changes_since(&before))
})]
fn it_tells_how_a_job_ended_that_did_not_return(mut subject: Subject) {
    let code = proctor::rng().u8(1..100);
    let cases = [
        ([PANICS, 0], Exited(101)),
        ([PANICS_WITH_A_BOMB, 0], Exited(101)),
        ([EXITS, 0], Exited(0)),
        ([EXITS, 101], Exited(101)),
        ([EXITS, 255], Exited(255)),
        ([EXITS, 137], Exited(137)),
        ([ENDS_AT_ONCE, 0], Exited(0)),
        ([ENDS_AT_ONCE, code], Exited(code)),
        ([KILLS_ITSELF, 9], Killed(9)),
        ([KILLS_ITSELF, 15], Killed(15)),
        ([KILLS_ITSELF, 6], Killed(6)),
        ([KILLS_ITSELF, 31], Killed(31)),
        ([KILLS_ITSELF, 1], Killed(1)),
        ([LEAVES_A_THREAD, 4], Reported::Answer(vec![4])),
    ];
    for ignores in [false, true] {
        let requests: Vec<[u8; 2]> = cases.iter().map(|(request, _)| *request).collect();
        let answer = subject.ask(&(requests, ignores));
        let (jobs, changes) = &answer.value;
        for (([kind, number], expected), (reported, next)) in cases.iter().zip(jobs) {
            let how = match *kind {
                PANICS | PANICS_WITH_A_BOMB => "the job panicked".to_owned(),
                EXITS => format!("the job called exit({number})"),
                ENDS_AT_ONCE => format!("the job called _exit({number})"),
                LEAVES_A_THREAD => {
                    "the job returned while a thread that it had started still ran".to_owned()
                }
                _ => format!("the job killed its own process with signal {number}"),
            };
            let when = if ignores {
                " (the caller ignores SIGCHLD)"
            } else {
                ""
            };
            expect(reported, expected, &format!("{how}{when}"));
            let because = format!("{how}{when}, and the next job returned 77");
            expect(next, &Reported::Answer(vec![77]), &because);
        }
        nothing_is_left(&answer, changes);
        started(&answer, 1, 2 * cases.len() as u32);
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
    let me = getpid().as_raw().to_le_bytes();
    // SAFETY: the descriptor is open, and the bytes outlive the call.
    unsafe { libc::write(BEGUN.load(Relaxed), me.as_ptr().cast(), me.len()) };
    answer
}

#[proctor::test(clauses = [2, 8, 9, 15], subject = |(): ()| -> (Reported, Reported) {
    let mut gate = Gate::new();
    let server = start(answer_into_a_full_pipe);
    let pid = pid_of(&server);
    let halfway = thread::scope(|scope| {
        let begun = &mut gate.begun;
        scope.spawn(move || {
            let mut job = [0; 4];
            let _ = begun.read_exact(&mut job);
            let job = i32::from_le_bytes(job);
            // It has filled the pipe, because the server does not read.
            Onlooker::of_process(job).until_it_waits();
            let _ = kill(Pid::from_raw(job), Signal::SIGKILL);
            let _ = kill(pid, Signal::SIGCONT);
        });
        run(&server, b"1")
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

#[proctor::test(clauses = [2, 8, 9, 15], orphans = true, subject = |requests: Vec<[u8; 2]>| -> (usize, usize) {
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

#[proctor::test(clauses = [2, 8, 9, 15], slow = true, descriptors = 64, subject = |calls: u32| -> (u32, Option<Reported>) {
    let server = start(reverse);
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

/// Waits at the gate if the request is `wait`.
fn wait_or_reverse(request: &[u8]) -> Vec<u8> {
    if request == b"wait" {
        Gate::tell_and_wait();
    }
    reverse(request)
}

#[proctor::test(clauses = [2, 9, 10, 15], deadline = 5.0, subject = |numbers: Vec<u32>| -> (bool, Reported, Vec<(u32, Reported)>) {
    let is_shared = proctor::implements!(ForkServer: Send) && proctor::implements!(ForkServer: Sync);
    let mut gate = Gate::new();
    let server = start(wait_or_reverse);
    let (first, others) = thread::scope(|scope| {
        let first = scope.spawn(|| run(&server, b"wait"));
        gate.until_a_job_has_begun();
        let ask = |number: u32| {
            let server = &server;
            move || {
                let numbers = (number..number + 5).map(|number| (number, run(server, &number.to_be_bytes())));
                numbers.collect::<Vec<_>>()
            }
        };
        let others: Vec<_> = numbers.iter().map(|number| scope.spawn(ask(*number))).collect();
        // Each of them has its answers or waits.
        threads_left();
        gate.open();
        let others = others.into_iter().flat_map(|other| other.join().unwrap_or_default());
        let others = others.collect();
        (first.join().unwrap_or(Exited(255)), others)
    });
    // Another thread than the one that started it may drop it.
    let _ = thread::spawn(move || drop(server)).join();
    threads_left();
    gate.close();
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

#[proctor::test(clauses = [2, 8, 9, 11, 15], faults = [Wait], subject = |requests: Vec<[u8; 2]>| -> (Vec<(Reported, String)>, Vec<String>) {
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

static CALLER: AtomicI32 = AtomicI32::new(0);

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

#[proctor::test(clauses = [2, 7, 11, 15], deadline = 5.0, subject = |(): ()| -> (Reported, Reported) {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::empty());
    CALLER.store(getpid().as_raw(), Relaxed);
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

#[proctor::test(clauses = [2, 8, 12, 15], subject = |text: String| -> Vec<Reported> {
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
}

extern "C" fn at_exit() {
    if getpid().as_raw() != CALLER.load(Relaxed) {
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

#[proctor::test(clauses = [2, 9, 12, 15], subject = |(): ()| -> Vec<Reported> {
    CALLER.store(getpid().as_raw(), Relaxed);
    // SAFETY: the function takes nothing and returns nothing.
    unsafe { libc::atexit(at_exit) };
    WITH_DESTRUCTOR.with(|_| ());
    let server = start(end_as_asked);
    let jobs = [[RETURNS, 1], [PANICS, 1], [KILLS_ITSELF, 9]];
    jobs.iter().map(|request| run(&server, request)).collect()
})]
fn no_exit_handler_of_the_caller_runs(mut subject: Subject) {
    let answer = subject.ask(&());
    let evidence = &answer.evidence;
    let server_or_job = evidence
        .witnesses
        .iter()
        .find(|seen| seen.mark == EXIT_HANDLER);
    assert!(
        server_or_job.is_none(),
        "an exit handler (atexit) or a thread-local destructor of the caller ran in process {}, which is the server or a job",
        server_or_job.map_or(0, |seen| seen.pid)
    );
    nothing_is_left(&answer, &[]);
}

// ------------------------------------------------------------ errors

#[proctor::test(clauses = [1, 2, 9, 12, 13, 15], faults = [Process, Pipe, Print], subject = |text: String| -> (Option<Reported>, Vec<String>, Reported) {
    let before = Surroundings::now();
    print!("{text}");
    let (failed, changes, server) = match try_start(reverse) {
        Ok(server) => (None, Vec::new(), server),
        Err(error) => (Some(error), before.changes(), start(reverse)),
    };
    let next = run(&server, b"abc");
    (failed.map(|error| reported(Err(RunError::Io(error)))), changes, next)
})]
fn an_error_of_start_is_returned(mut subject: Subject) {
    let cases = [
        (Fault::Process, Errno::EAGAIN, 0),
        (Fault::Process, Errno::ENOMEM, 0),
        (Fault::Pipe, Errno::EMFILE, 0),
        (Fault::Pipe, Errno::ENFILE, 1),
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
        // The second pipe of the caller may be one that run makes.
        if !(skipped > 0 && happened && failed.is_none()) {
            let because = "the first start failed, and a second server reversed `abc`";
            expect(next, &Reported::Answer(b"cba".to_vec()), because);
        }
        nothing_is_left(&answer, &[]);
        subject.fresh();
    }
}

#[proctor::test(clauses = [2, 13, 15], faults = [Process, Pipe], descriptors = 64, subject = |calls: u32| -> (Vec<Reported>, Reported, [usize; 2]) {
    let server = start(reverse);
    let mut failed = vec![run(&server, b"abc")];
    let before = open_descriptors(pid_of(&server));
    failed.extend((1..calls).map(|_| run(&server, b"abc")));
    let after = open_descriptors(pid_of(&server));
    (failed, run(&server, b"defg"), [before, after])
})]
fn an_error_in_the_server_is_returned_and_the_next_request_works(mut subject: Subject) {
    let cases = [
        (Fault::Process, Errno::EAGAIN, 100),
        (Fault::Process, Errno::ENOMEM, 2),
        (Fault::Pipe, Errno::EMFILE, 2),
        (Fault::Pipe, Errno::ENFILE, 20),
    ];
    for (fault, errno, times) in cases {
        let failure = Failure::of(fault, errno).whose(Whose::TheChildrens);
        subject.fail(failure.times(times));
        let answer = subject.ask(&times);
        let (failed, next, [before, after]) = &answer.value;
        let happened = answer.evidence.faults;
        assert!(
            happened > 0 || fault == Fault::Pipe,
            "the server did not call fork for a request"
        );
        if happened > 0 {
            for reported in failed {
                assert!(
                    matches!(reported, Io(Some(number), _) if *number == errno as i32),
                    "a system call of the server ({fault:?}) failed with {errno}; run returned {reported:?} instead of RunError::Io with this error"
                );
            }
        }
        let because =
            format!("{times} requests failed with {errno}, and then a job reversed `defg`");
        expect(next, &Reported::Answer(b"gfed".to_vec()), &because);
        assert!(
            before == after,
            "the server had {before} descriptors after the first request that failed, and it has {after} after {times}"
        );
        subject.fresh();
    }
}

#[proctor::test(clauses = [2, 4, 9, 14, 15], subject = |(ignores, lengths): (bool, Vec<usize>)| -> (Vec<Reported>, Vec<String>) {
    on_signal(Signal::SIGPIPE, if ignores { SigHandler::SigIgn } else { SigHandler::SigDfl }, SaFlags::empty());
    let before = Surroundings::now();
    let server = start(reverse);
    let pid = pid_of(&server);
    let mut jobs = vec![run(&server, b"abc")];
    let _ = kill(pid, Signal::SIGKILL);
    // The server is a zombie from here on.
    let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    jobs.extend(lengths.iter().map(|length| run(&server, &noise(3, *length))));
    let mut changes = changed_signals(&before);
    drop(server);
    changes.extend(changes_since(&before));
    (jobs, changes)
})]
fn a_killed_server_is_an_error(mut subject: Subject) {
    for ignores in [false, true] {
        let answer = subject.ask(&(ignores, vec![0, 10, 1 << 20, 0]));
        let (jobs, changes) = &answer.value;
        expect(
            &jobs[0],
            &Reported::Answer(b"cba".to_vec()),
            "the job reversed `abc`",
        );
        for job in &jobs[1..] {
            is_an_io_error(job, "SIGKILL had ended the server before the call");
        }
        nothing_is_left(&answer, changes);
        subject.fresh();
    }
}

/// Kills the server, and then waits at the gate.
fn kill_the_server(_: &[u8]) -> Vec<u8> {
    let _ = kill(getppid(), Signal::SIGKILL);
    Gate::tell_and_wait();
    Vec::new()
}

#[proctor::test(clauses = [2, 9, 14, 15], deadline = 5.0, subject = |(): ()| -> Vec<Reported> {
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
    let sent = run_while_the_server_stands_still(&server, |pid| {
        let _ = kill(pid, Signal::SIGKILL);
    });
    let next = run(&server, b"abc");
    drop(server);
    gate.close();
    threads_left();
    [jobs, vec![sent, next]].concat()
})]
fn run_does_not_wait_for_the_job_of_a_killed_server(mut subject: Subject) {
    let answer = subject.try_ask(&()).unwrap_or_else(|failing| {
        let meaning = "the server was killed during a call of run, and this call does not return";
        proctor::Gate::explained(failing, meaning).end()
    });
    let [waiting, next, sending, last] = &answer.value[..] else {
        panic!("four calls of run return four results");
    };
    is_an_io_error(waiting, "the job killed the server and then waited");
    is_an_io_error(next, "the job before had killed the server");
    is_an_io_error(
        sending,
        "SIGKILL ended the server while the caller wrote a request of 2 MiB",
    );
    is_an_io_error(last, "SIGKILL had ended the server during the call before");
    nothing_is_left(&answer, &[]);
}

/// A child of the caller that ends with this code as soon as the gate opens.
fn child_at_the_gate(code: i32) -> Pid {
    // SAFETY: the process has one thread.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            Gate::tell_and_wait();
            // SAFETY: ends the process.
            unsafe { libc::_exit(code) }
        }
    }
}

#[proctor::test(clauses = [1, 2, 9, 15], deadline = 5.0, subject = |codes: [i32; 2]| -> (Vec<Reported>, Vec<i32>, Vec<String>) {
    let before = Surroundings::now();
    let mut gate = Gate::new();
    let ended = child_at_the_gate(codes[0]);
    gate.open();
    let _ = waitid(Id::Pid(ended), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    let first = start(reverse);
    let second = start(reverse);
    let running = child_at_the_gate(codes[1]);
    let mut jobs = vec![run(&first, b"abc"), run(&second, b"def")];
    drop(first);
    jobs.push(run(&second, b"ghi"));
    drop(second);
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
    let codes = [proctor::rng().i32(1..100), proctor::rng().i32(100..200)];
    let answer = subject.try_ask(&codes).unwrap_or_else(|failing| {
        let meaning = "another child of the caller and a second server hold copies of the caller's descriptors, and drop does not return";
        proctor::Gate::explained(failing, meaning).end()
    });
    let (jobs, ended, changes) = &answer.value;
    for (job, expected) in jobs.iter().zip([b"cba", b"fed", b"ihg"]) {
        let expected = Reported::Answer(expected.to_vec());
        expect(
            job,
            &expected,
            "there are two servers, and each job reverses its request",
        );
    }
    assert!(
        ended[..] == codes,
        "two other children of the caller ended with the codes {codes:?}, and the caller learned {ended:?} (-1: it cannot wait for that child any more)"
    );
    nothing_is_left(&answer, changes);
    // The two other children are the test's own.
    started(&answer, 4, 3);
}

#[proctor::test(clauses = [2, 9, 15, 16], deadline = 5.0, subject = |during_a_job: bool| -> usize {
    // If there is no server at all, that shows here and not in the child.
    drop(start(wait_or_reverse));
    // The server becomes a child of this process when it loses its parent.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let mut gate = Gate::new();
    // SAFETY: a subject has one thread.
    let caller = match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let server = start(wait_or_reverse);
            let _ = run(&server, b"abc");
            if during_a_job {
                let _ = run(&server, b"wait");
            }
            // SAFETY: the descriptor is open, and the kernel reads one byte.
            unsafe { libc::write(BEGUN.load(Relaxed), [0_u8].as_ptr().cast(), 1) };
            loop {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            }
        }
    };
    gate.until_a_job_has_begun();
    let _ = kill(caller, Signal::SIGKILL);
    let _ = waitpid(caller, None);
    if during_a_job {
        gate.open();
    }
    let reaped = reap_all();
    gate.close();
    reaped
})]
fn the_server_ends_when_the_caller_is_killed(mut subject: Subject) {
    for during_a_job in [false, true] {
        let answer = subject.try_ask(&during_a_job).unwrap_or_else(|failing| {
            let meaning = match during_a_job {
                false => "SIGKILL has ended the caller, and the server does not end",
                true => "SIGKILL has ended the caller during a job, the job has ended, and the server does not end",
            };
            proctor::Gate::explained(failing, meaning).end()
        });
        assert!(
            answer.value == 1,
            "SIGKILL ended the caller, and {} processes lost their parent: only the server should, because it reaps its children",
            answer.value
        );
        nothing_is_left(&answer, &[]);
    }
}
