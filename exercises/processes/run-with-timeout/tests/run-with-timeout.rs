//! Judges `run_with_timeout` from outside: what it reports, and what becomes of
//! the processes.
//!
//! The programs are scripts for `sh`. No test waits for a time in the hope that
//! something has happened meanwhile: a script waits at a [`Gates`], and a
//! [`helper`] process opens the gate, or looks at the caller, during the call.
//! Whether a process was killed turns out after the call, when the gate opens:
//! a process that still lives says so.
//!
//! Each call goes through [`run`], which looks at what every call must keep.
proctor::exercise!(run_with_timeout);

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::ptrace::{self, Options};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid};
use proctor::{Answer, Failure, Fault, Left, Onlooker, Subject, Surroundings, Whose};
use serde::{Deserialize, Serialize};

/// What `run_with_timeout` reported, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reported {
    Exited(i32),
    Killed(i32),
    TimedOut,
    /// The number of the error, if it has one, and its text. Without a number,
    /// the text begins with the kind.
    Error(Option<i32>, String),
    /// The call broke a clause that holds for every call.
    Wrong(String),
}
use Reported::{Error, Exited, Killed, TimedOut, Wrong};

/// One call: what it reported, the two outputs, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ran {
    reported: Reported,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    took: Duration,
}

/// Makes a call, and compares what is the same for every call.
fn run(command: &mut Command, limit: Duration) -> Ran {
    run_then(command, limit, || ())
}

/// The same. `afterwards` runs as soon as the call has returned.
fn run_then(command: &mut Command, limit: Duration, afterwards: impl FnOnce()) -> Ran {
    let before = Surroundings::now();
    let ran = call(command, limit);
    afterwards();
    // A thread that has done its work may need a moment to disappear.
    proctor::threads_left();
    let mut changes = before.changes();
    // After an error, a signal of the test may just be on its way.
    let is_error = matches!(ran.reported, Error(..));
    changes.retain(|change| !(is_error && change.contains("pending for the process")));
    if changes.is_empty() {
        return ran;
    }
    let what = changes.join("; ");
    Ran {
        reported: Wrong(format!(
            "the caller is not as it was before the call: {what}"
        )),
        ..ran
    }
}

/// The same without the state of the process, which takes a while to look at.
fn run_only(command: &mut Command, limit: Duration) -> Ran {
    let ran = call(command, limit);
    proctor::threads_left();
    ran
}

fn call(command: &mut Command, limit: Duration) -> Ran {
    let start = Instant::now();
    let result = run_with_timeout::run_with_timeout(command, limit);
    let took = start.elapsed();
    ENDS_AT_RETURN.store(ENDS.load(Relaxed), Relaxed);
    let (reported, stdout, stderr) = match result {
        Ok(finished) => {
            let reported = match finished.ended {
                run_with_timeout::Ended::Exited(code) => Exited(code),
                run_with_timeout::Ended::Killed(signal) => Killed(signal),
                run_with_timeout::Ended::TimedOut => TimedOut,
            };
            (reported, finished.stdout, finished.stderr)
        }
        Err(error) => {
            let text = match error.raw_os_error() {
                Some(_) => error.to_string(),
                None => format!("{:?}: {error}", error.kind()),
            };
            let reported = Error(error.raw_os_error(), text);
            (reported, Vec::new(), Vec::new())
        }
    };
    Ran {
        reported,
        stdout,
        stderr,
        took,
    }
}

/// A script for `sh`.
fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

/// Longer than any test: it stands for a limit that does not matter.
const LONG: Duration = Duration::from_secs(100_000);
/// The same, and no clock can express when it is over: code that looks at that
/// first may go another way from there.
const NEVER: Duration = Duration::MAX;

// ------------------------------------------------------------------ the judge

/// Demands what was reported, `because` of what the program did.
#[track_caller]
fn expect(ran: &Ran, expected: &Reported, because: &str) {
    if let Wrong(what) = &ran.reported {
        panic!("{what}");
    }
    assert!(
        ran.reported == *expected,
        "{because}, so the contract says {expected:?}; run_with_timeout reported {:?}",
        ran.reported
    );
}

/// Demands both outputs.
#[track_caller]
fn expect_outputs(ran: &Ran, stdout: &[u8], stderr: &[u8]) {
    for (stream, written, returned) in [
        ("standard output", stdout, &ran.stdout),
        ("standard error", stderr, &ran.stderr),
    ] {
        assert!(
            written == returned,
            "the program wrote {} bytes to {stream}, and run_with_timeout returned {} bytes for it: {} in place of {}",
            written.len(),
            returned.len(),
            cut(returned),
            cut(written)
        );
    }
}

fn cut(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    format!("{:?}", text.chars().take(100).collect::<String>())
}

/// By the kernel's word alone.
#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>) {
    // Processes that have left the group may live on.
    let left = Left {
        processes: u32::MAX,
        orphans: u32::MAX,
        ..Left::default()
    };
    answer.only_this_is_left(left, "the call has returned");
    answer.nothing_is_printed();
}

// ---------------------------------------------------- gates between processes

/// Pipes between a test and the program that it runs, on descriptors that every
/// shell can name. A process of the program
/// - waits with `read x <&9` until the gate opens,
/// - speaks to the test with `echo … >&8`,
/// - speaks to the helper with `echo … >&7`; the helper listens on descriptor 6.
struct Gates {
    opener: PipeWriter,
    voice: PipeReader,
    heard: Vec<u8>,
}

const INNER: [RawFd; 2] = [6, 7];
const VOICE: RawFd = 8;
const GATE: RawFd = 9;

impl Gates {
    fn new() -> Self {
        let (gate, opener) = apart();
        let (voice, speaker) = apart();
        let (inner_reader, inner_writer) = apart();
        for (end, number) in [
            (gate, GATE),
            (speaker, VOICE),
            (inner_reader, INNER[0]),
            (inner_writer, INNER[1]),
        ] {
            // SAFETY: looks at a number that may or may not be a descriptor.
            let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
            assert!(flags == -1, "the test needs descriptor {number}");
            // The copy has no close-on-exec flag.
            // SAFETY: nothing else uses this number.
            unsafe { libc::dup2(end.as_raw_fd(), number) };
        }
        Gates {
            opener: opener.into(),
            voice: voice.into(),
            heard: Vec::new(),
        }
    }

    /// Lets this number of waiting processes go on.
    fn open(&self, processes: usize) {
        let _ = (&self.opener).write_all("go\n".repeat(processes).as_bytes());
    }

    /// Whether a process has come past the gate until now: then it says `done` or
    /// `alive`.
    fn is_passed(&mut self) -> bool {
        let mut bytes = [0; 512];
        while self.has_words() {
            match self.voice.read(&mut bytes) {
                Ok(length) if length > 0 => self.heard.extend_from_slice(&bytes[..length]),
                _ => break,
            }
        }
        let heard = String::from_utf8_lossy(&self.heard);
        heard.contains("done") || heard.contains("alive")
    }

    fn has_words(&self) -> bool {
        let mut fds = [PollFd::new(self.voice.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Opens the gate for everybody, and waits until all processes that hold
    /// the pipes have ended. Returns all that they have said.
    fn last_words(self) -> String {
        let Gates {
            opener,
            mut voice,
            mut heard,
        } = self;
        close_the_numbers();
        drop(opener);
        let _ = voice.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    }
}

fn close_the_numbers() {
    for number in [INNER[0], INNER[1], VOICE, GATE] {
        // SAFETY: `Gates::new` has opened it, and no Rust value owns it.
        unsafe { libc::close(number) };
    }
}

/// A pipe on high numbers, closed on exec.
fn apart() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe().expect("a pipe");
    let move_up = |end: &dyn AsFd| {
        let fd = fcntl(end.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(30)).expect("a descriptor");
        // SAFETY: the kernel has just made it.
        unsafe { OwnedFd::from_raw_fd(fd) }
    };
    (move_up(&reader), move_up(&writer))
}

/// The same with functions to read and write.
fn apart_files() -> (PipeReader, PipeWriter) {
    let (reader, writer) = apart();
    (reader.into(), writer.into())
}

/// Starts another process in the group of the calling one, with these
/// descriptors only. For a child that has not become a program yet.
fn start<T>(keeps: &[RawFd], life: impl FnOnce() -> T) -> nix::Result<Pid> {
    // SAFETY: the process has one thread, and its child only makes system calls.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        return Ok(child);
    }
    // The standard library waits for the end of a pipe that closes on exec.
    for number in (0..1024).filter(|number| !keeps.contains(number)) {
        // SAFETY: nothing in this process uses it.
        unsafe { libc::close(number) };
    }
    life();
    // SAFETY: ends the process and touches no memory.
    unsafe { libc::_exit(0) }
}

/// Waits until the test closes the gate, and then says `alive`. Returns earlier
/// at the end of `other`, and then returns true.
fn says_alive_when_the_gate_closes(other: Option<RawFd>) -> bool {
    let look = |fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    };
    let mut fds = [look(GATE), look(other.unwrap_or(-1))];
    // SAFETY: an array of two, and six bytes.
    unsafe {
        libc::poll(fds.as_mut_ptr(), 2, -1);
        if fds[0].revents != 0 {
            libc::write(VOICE, c"alive\n".as_ptr().cast(), 6);
        }
    }
    fds[0].revents == 0
}

/// Tells the test two numbers of processes, in one piece.
fn tell(numbers: [Pid; 2]) -> nix::Result<()> {
    let numbers = numbers.map(Pid::as_raw);
    // SAFETY: writes the bytes of an array.
    let written = unsafe { libc::write(INNER[1], numbers.as_ptr().cast(), size_of_val(&numbers)) };
    Errno::result(written).map(drop)
}

/// What was told, if it was.
fn told() -> Option<[Pid; 2]> {
    // SAFETY: `Gates::new` has opened it, and the test has not closed it yet.
    let inner = unsafe { std::os::fd::BorrowedFd::borrow_raw(INNER[0]) };
    let mut fds = [PollFd::new(inner, PollFlags::POLLIN)];
    let mut bytes = [0; 8];
    let is_told = poll(&mut fds, PollTimeout::ZERO) == Ok(1)
        && nix::unistd::read(inner, &mut bytes) == Ok(bytes.len());
    let number = |at: usize| bytes[at..at + 4].try_into().map(i32::from_ne_bytes);
    is_told.then(|| [0, 4].map(|at| Pid::from_raw(number(at).unwrap_or(0))))
}

/// Whether a process has ended, or has been killed and is about to end.
fn is_killed(process: Pid) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else {
        return true;
    };
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim()
    };
    let is_pending = |name| u64::from_str_radix(of(name), 16).unwrap_or(0) & 1 << (9 - 1) != 0;
    of("State:").starts_with(['Z', 'X']) || is_pending("SigPnd:") || is_pending("ShdPnd:")
}

/// Makes a call in a child of the calling process, and stops that child before
/// and after each of its system calls, so that `then` can run. Returns what the
/// call reported; `None` where no process may trace another one. Panics if the
/// call did.
fn run_step_by_step(
    command: &mut Command,
    limit: Duration,
    mut then: impl FnMut(),
) -> Option<String> {
    let (mut reader, mut writer) = apart_files();
    let caller = proctor::traced_child(|| {
        let says = match catch_unwind(AssertUnwindSafe(|| call(command, limit))) {
            Ok(ran) => format!("{:?}", ran.reported),
            Err(payload) => match (
                payload.downcast_ref::<&str>(),
                payload.downcast_ref::<String>(),
            ) {
                (Some(message), _) => format!("{PANIC}{message}"),
                (_, Some(message)) => format!("{PANIC}{message}"),
                _ => PANIC.to_owned(),
            },
        };
        writer.write_all(says.as_bytes()).is_err().into()
    })?;
    drop(writer);
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(caller, options).expect("a stopped child");
    let mut signal = None;
    while ptrace::syscall(caller, signal).is_ok() {
        signal = match wait_for(caller) {
            Ok(WaitStatus::PtraceSyscall(_)) => {
                then();
                None
            }
            Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
            _ => break,
        };
    }
    let mut says = String::new();
    let _ = reader.read_to_string(&mut says);
    if let Some(message) = says.strip_prefix(PANIC) {
        panic!("{message}");
    }
    Some(says)
}

/// What stands before the message of a panic.
const PANIC: &str = "a panic: ";

fn wait_for(child: Pid) -> nix::Result<WaitStatus> {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            status => return status,
        }
    }
}

/// What a helper works with: the caller, and the program as the program itself
/// names it with `echo $$ >&7`.
struct Help<'a> {
    gates: &'a Gates,
    caller: Pid,
    onlooker: Onlooker,
    /// At its end when the call has returned.
    returned: PipeReader,
}

impl Help<'_> {
    /// The program's ID; `None` if the program does not tell.
    fn program(&self) -> Option<Pid> {
        let (mut line, mut byte) = (String::new(), [0]);
        // SAFETY: `Gates::new` has opened it, and this borrows it.
        let inner = unsafe { std::os::fd::BorrowedFd::borrow_raw(INNER[0]) };
        while nix::unistd::read(inner, &mut byte) == Ok(1) && byte != *b"\n" {
            line.push(byte[0].into());
        }
        line.parse().ok().map(Pid::from_raw)
    }

    /// Whether the call has returned.
    fn is_over(&self) -> bool {
        let mut fds = [PollFd::new(self.returned.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Lets a stopped program go on, if the call has not returned.
    fn go_on(&self, program: i32) {
        if program > 0 && !self.is_over() {
            let _ = kill(Pid::from_raw(program), Signal::SIGCONT);
        }
    }

    /// Sees the caller wait, this many times or until the call has returned.
    /// Each time, the caller had the opportunity to notice whatever there is to
    /// notice.
    fn watch(&mut self, times: u32, pause: Duration) {
        for _ in 0..times {
            self.onlooker.until_it_waits();
            if self.is_over() {
                return;
            }
            thread::sleep(pause);
        }
        self.onlooker.until_it_waits();
    }

    /// Returns when the call is over, or when all threads of the caller and the
    /// program sleep at the same moment.
    fn wait_for_sleep(&self, program: Pid) {
        while !self.is_over() {
            let before = asleep(self.caller, program);
            if before.is_some() && before == asleep(self.caller, program) && !self.is_over() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// How often each thread of both processes has been off the CPU; `None` if one
/// of them does not sleep. If two looks show the same, all of them slept at the
/// same moment between the two.
fn asleep(one: Pid, other: Pid) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for process in [one, other] {
        for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
            let status = fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
            let sleeps = status.lines().any(|line| line.starts_with("State:\tS"));
            let counts = status
                .lines()
                .filter(|line| line.contains("_ctxt_switches"));
            all.push(sleeps.then(|| counts.collect())?);
        }
    }
    Some(all)
}

/// How helpers end. A caller that does not find this has lost a child.
const HELPED: i32 = 77;

/// Starts another child of the caller's, which works during the call. Drop the
/// writer when the call has returned.
fn helper(gates: &Gates, work: impl FnOnce(&mut Help)) -> (Pid, PipeWriter) {
    let caller = getpid();
    let onlooker = Onlooker::of_this_thread();
    let (returned, writer) = pipe().expect("a pipe");
    // SAFETY: a subject has one thread.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => (child, writer),
        ForkResult::Child => {
            drop(writer);
            for number in [INNER[1], VOICE, GATE] {
                // SAFETY: nothing in this process uses it.
                unsafe { libc::close(number) };
            }
            work(&mut Help {
                gates,
                caller,
                onlooker,
                returned,
            });
            // SAFETY: ends the process and touches no memory.
            unsafe { libc::_exit(HELPED) }
        }
    }
}

/// Makes a call beside a helper, and waits for the helper. Returns whether a
/// process had come past the gate when the call returned, and all that the
/// processes said until each of them had ended: a process that survives the call
/// speaks when the gate opens.
fn run_with(
    mut gates: Gates,
    command: &mut Command,
    limit: Duration,
    work: impl FnOnce(&mut Help),
) -> (Ran, bool, String) {
    let (helper, returned) = helper(&gates, work);
    let mut passed = false;
    let mut ran = run_then(command, limit, || passed = gates.is_passed());
    drop(returned);
    if matches!(ran.reported, Error(..)) {
        let _ = kill(helper, Signal::SIGKILL);
        let _ = waitpid(helper, None);
        return (ran, passed, gates.last_words());
    }
    // Now nobody waits for the program's number in vain.
    // SAFETY: `Gates::new` has opened it, and `last_words` tolerates this.
    unsafe { libc::close(INNER[1]) };
    let status = wait_for(helper);
    if status != Ok(WaitStatus::Exited(helper, HELPED)) && !matches!(ran.reported, Wrong(_)) {
        ran.reported = Wrong(format!(
            "the caller had another child, and after the call that child is not what it was: waitpid says {status:?}"
        ));
    }
    (ran, passed, gates.last_words())
}

/// Makes a call without a helper. Returns all that the processes said.
fn run_alone(command: &mut Command, limit: Duration) -> (Ran, String) {
    let gates = Gates::new();
    let ran = run(command, limit);
    (ran, gates.last_words())
}

/// Asks with a longer limit each time, until the judge can tell: on a busy
/// machine a limit may be over before the program has done what the test needs.
fn with_longer_limits<A>(ask: impl FnMut(Duration) -> Option<A>) -> A {
    with_limits_from(Duration::from_millis(40), ask)
}

/// The same, beginning with this limit.
fn with_limits_from<A>(mut limit: Duration, mut ask: impl FnMut(Duration) -> Option<A>) -> A {
    loop {
        if let Some(answer) = ask(limit) {
            return answer;
        }
        limit *= 4;
        assert!(
            limit < Duration::from_secs(30),
            "within a limit of {:?}, the program did not begin to run, or the machine was too slow for the test",
            limit / 4
        );
    }
}

/// So many bytes, as nobody could guess them.
fn bytes(length: usize) -> Vec<u8> {
    let mut rng = proctor::rng();
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

/// Installs a handler without SA_RESTART: the kernel does not repeat the call
/// that the signal interrupts.
fn handle(signal: Signal) {
    handle_by(signal, count);
}

fn handle_by(signal: Signal, handler: extern "C" fn(i32)) {
    let handler = SigHandler::Handler(handler);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handlers of this file do what may be done in a handler.
    let _ = unsafe { sigaction(signal, &action) };
}

/// How often the handler ran.
static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Relaxed);
}

/// How often the handler for SIGCHLD ran, and how often when the call returned.
static ENDS: AtomicU32 = AtomicU32::new(0);
static ENDS_AT_RETURN: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_end(_: i32) {
    ENDS.fetch_add(1, Relaxed);
}

// ------------------------------------------------------------------ the start

#[proctor::test(clauses = [1, 2, 3, 4, 5, 6, 11, 14], subject = |(word, folder): (String, String)| -> (Vec<Ran>, i32, Vec<Compared>) {
    // What a program finds that inherits the caller's standard input.
    let (reader, _writer) = pipe().expect("a pipe");
    nix::unistd::dup2_stdin(&reader).expect("the pipe as standard input");
    let _terminal = terminal_as_input();
    let gates = Gates::new();
    let mut command = sh(
        "read -r pid name state parent group session rest </proc/$$/stat; \
         echo \"$0 $1 $2 $WORD $INHERITED $PPID $(pwd)\"; \
         echo \"$((pid - group)) $session\" >&2; \
         [ /proc/$$/fd/0 -ef /dev/null ] || echo 'another input' >&2; \
         [ -p /proc/$$/fd/1 ] && [ -p /proc/$$/fd/2 ] || echo 'no pipes' >&2; \
         [ -e /proc/$$/fd/8 ] || echo 'no descriptor 8' >&2",
    );
    command.args(["zero", "one and a half", &word]);
    command.env("WORD", &word);
    // SAFETY: a subject has one thread.
    unsafe { std::env::set_var("INHERITED", &word) };
    command.current_dir(folder);
    command.stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.process_group(nix::unistd::getpgrp().as_raw());
    // Later calls find what the first one has set in the command.
    let inherits = run(&mut command, NEVER);
    let does_not = run(command.env_remove("INHERITED"), LONG);
    let nor_does_this = run(command.env_clear().env("WORD", &word), NEVER);
    let rans = vec![inherits, does_not, nor_does_this];
    let tool = make_tool();
    let compared = [unusual, says_its_signals, named_from_its_folder, found_by_its_path].map(|command| {
        let usual = as_usual(command());
        (usual, [LONG, NEVER].map(|limit| run(&mut command(), limit)).to_vec())
    });
    let _ = fs::remove_dir_all(tool);
    gates.last_words();
    // SAFETY: asks for a number.
    (rans, unsafe { libc::getsid(0) }, compared.to_vec())
})]
fn the_program_starts_as_the_command_says(mut subject: Subject) {
    let (word, folder) = (proctor::random::<String>(), "/proc/sys".to_owned());
    let answer = subject.ask(&(word.clone(), folder.clone()));
    let (rans, session, compared) = &answer.value;
    let caller = answer.evidence.pid;
    for (ran, inherited) in rans.iter().zip([&*word, "", ""]) {
        expect(ran, &Exited(0), "the program said what it had found");
        let found = String::from_utf8_lossy(&ran.stdout);
        let expected = format!("zero one and a half {word} {word} {inherited} {caller} {folder}\n");
        assert!(
            found == expected,
            "the program must find the arguments, the environment, the parent and the folder {expected:?}, and it found {found:?}"
        );
        let found = String::from_utf8_lossy(&ran.stderr);
        assert!(
            !found.contains("another input"),
            "the standard input of the program is not /dev/null"
        );
        assert!(
            !found.contains("no pipes"),
            "the standard output and the standard error of the program are not two pipes"
        );
        assert!(
            !found.contains("no descriptor 8"),
            "the program does not have a descriptor of the caller's that has no close-on-exec flag"
        );
        assert!(
            found.starts_with("0 "),
            "the program is not the leader of its process group: its ID minus the group's ID, and its session, are {found:?}"
        );
        assert!(
            found == format!("0 {session}\n"),
            "the program is in another session than the caller ({session}): its ID minus the group's ID, and its session, are {found:?}"
        );
    }
    for (usual, rans) in compared {
        let Some(usual) = usual else { continue };
        for ran in rans {
            expect(
                ran,
                &Exited(0),
                "Command::spawn can start the program, and it said what it had found",
            );
            let [usual, found] = [usual, ran].map(|ran| String::from_utf8_lossy(&ran.stdout));
            assert!(
                usual == found,
                "the program does not start as Command::spawn starts it. Its name, umask, signals, limit, descriptors and folder are with Command::spawn {usual:?}, and with run_with_timeout {found:?}"
            );
        }
    }
    nothing_is_left(&answer);
}

/// Makes a terminal the standard input of the calling process, if the system
/// has one to give. The terminal exists as long as the result.
fn terminal_as_input() -> Option<OwnedFd> {
    let (mut ours, mut its) = (-1, -1);
    let (name, mode, size) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    // SAFETY: `openpty` writes two integers and reads nothing.
    let result = unsafe { libc::openpty(&raw mut ours, &raw mut its, name, mode, size) };
    if result != 0 {
        return None;
    }
    // SAFETY: the kernel has just made both.
    let [ours, its] = [ours, its].map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    nix::unistd::dup2_stdin(&its).ok()?;
    // [`Gates`] needs the low numbers.
    let ours = fcntl(&ours, FcntlArg::F_DUPFD_CLOEXEC(30)).ok()?;
    // SAFETY: likewise.
    Some(unsafe { OwnedFd::from_raw_fd(ours) })
}

/// A program that says how it was started, with settings that the caller cannot
/// read back from the command.
fn unusual() -> Command {
    let mut command =
        sh("echo $0; umask; grep '^Sig[BIC]' /proc/self/status; ulimit -n; echo /proc/self/fd/*");
    command.arg0("sh");
    // SAFETY: umask may be called after a fork.
    unsafe {
        command.pre_exec(|| {
            libc::umask(0o27);
            Ok(())
        });
    }
    command
}

/// Says which signals it blocks, ignores and catches. (A shell changes its mask
/// when it begins.)
fn says_its_signals() -> Command {
    let mut command = Command::new("grep");
    command.args(["^Sig[BIC]", "/proc/self/status"]);
    command
}

/// What a program said that `Command::spawn` started, if it could, and what it
/// said in calls with different limits.
type Compared = (Option<Ran>, Vec<Ran>);

/// Where [`make_tool`] puts its program.
fn tool_folder() -> PathBuf {
    std::env::temp_dir().join("folder")
}

/// Makes a program that no other folder has. Returns its folder.
fn make_tool() -> PathBuf {
    let folder = tool_folder();
    fs::create_dir_all(&folder).expect("a folder");
    let tool = folder.join("tool");
    fs::write(&tool, "#!/bin/sh\necho $0; pwd\n").expect("a file");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o700)).expect("its mode");
    folder
}

/// A program whose path begins in the folder in which it is to run.
fn named_from_its_folder() -> Command {
    let mut command = Command::new("./tool");
    command.current_dir(tool_folder());
    command
}

/// A program that is found only with the `PATH` that it gets.
fn found_by_its_path() -> Command {
    let mut command = Command::new("tool");
    command.env("PATH", tool_folder());
    command
}

/// What a program says when the standard library starts it. From now on, the
/// caller blocks one signal and ignores another.
fn as_usual(mut command: Command) -> Option<Ran> {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGUSR1);
    blocked.thread_block().ok()?;
    // SAFETY: installs no handler.
    unsafe { nix::sys::signal::signal(Signal::SIGUSR2, SigHandler::SigIgn) }.ok()?;
    let output = command.output().ok()?;
    Some(Ran {
        reported: Exited(output.status.code()?),
        stdout: output.stdout,
        stderr: output.stderr,
        took: Duration::ZERO,
    })
}

// -------------------------------------------------------------------- the end

#[proctor::test(clauses = [3, 6, 11, 14], core_files = true, subject = |(codes, signals): (Vec<i32>, Vec<i32>)| -> (Vec<Ran>, Vec<Ran>, Ran) {
    let exits = codes.iter().map(|code| run_only(&mut sh(&format!("exit {code}")), LONG)).collect();
    let dies = signals.iter().map(|signal| run_only(&mut sh(&format!("kill -{signal} $$; exit 3")), NEVER)).collect();
    let mut command = sh("kill -6 $$");
    // SAFETY: the subject has one thread, so its child may do anything.
    unsafe {
        command.pre_exec(|| {
            proctor::leave_a_core_file();
            Ok(())
        });
    }
    let dumps = run_only(&mut command, LONG);
    for file in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if file.file_name().as_encoded_bytes().starts_with(b"core") {
            let _ = fs::remove_file(file.path());
        }
    }
    (exits, dies, dumps)
})]
fn an_exit_code_is_told_apart_from_a_signal(mut subject: Subject) {
    // 129 to 143: what a shell makes of signals is not what happened here.
    let codes = vec![0, 1, 126, 127, 128, 129, 137, 143, 255];
    let signals = vec![1, 2, 3, 6, 9, 11, 13, 14, 15, 31];
    let answer = subject.ask(&(codes.clone(), signals.clone()));
    for (code, ran) in codes.iter().zip(&answer.value.0) {
        expect(
            ran,
            &Exited(*code),
            &format!("the program exited with {code}"),
        );
        expect_outputs(ran, b"", b"");
    }
    for (signal, ran) in signals.iter().zip(&answer.value.1) {
        let because = format!("the program killed itself with signal {signal}");
        expect(ran, &Killed(*signal), &because);
    }
    let because = "the program killed itself with signal 6, and the kernel wrote a core file";
    expect(&answer.value.2, &Killed(6), because);
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [6, 12, 14], subject = |code: i32| -> (Ran, bool) {
    let gates = Gates::new();
    let script = format!("echo $$ >&7; kill -STOP $$; read x <&9; echo done >&8; exit {code}");
    let (ran, in_time, _) = run_with(gates, &mut sh(&script), LONG, |help| {
        let Some(program) = help.program() else { return };
        for _ in 0..10 {
            Onlooker::of_process(program.as_raw()).until_it_stops();
            help.watch(3, Duration::from_millis(1));
            let _ = kill(program, Signal::SIGCONT);
            let _ = kill(program, Signal::SIGSTOP);
        }
        let _ = kill(program, Signal::SIGCONT);
        help.gates.open(1);
    });
    (ran, in_time)
})]
fn a_stopped_program_has_not_ended(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    let answer = subject.ask(&code);
    let (ran, in_time) = &answer.value;
    assert!(
        *in_time || matches!(ran.reported, Wrong(_)),
        "the program stopped (SIGSTOP) and went on later, and run_with_timeout reported {:?} before the program had ended",
        ran.reported
    );
    let because = format!("the program was stopped, went on and exited with {code}");
    expect(ran, &Exited(code), &because);
    nothing_is_left(&answer);
}

/// Becomes a process whose first thread has ended while its second one goes on:
/// that one waits at the gate, writes, and ends the process with this code.
/// Returns only if that does not work.
fn go_on_without_the_first_thread(stack: &'static mut [u8], code: i32) -> nix::Result<()> {
    extern "C" fn second(code: *mut libc::c_void) -> i32 {
        let mut line = [0_u8; 3];
        // SAFETY: these read and write bytes that are there; the last call does
        // not return.
        unsafe {
            libc::read(GATE, line.as_mut_ptr().cast(), line.len());
            libc::write(1, c"last\n".as_ptr().cast(), 5);
            libc::write(VOICE, c"done\n".as_ptr().cast(), 5);
            libc::syscall(libc::SYS_exit_group, code.addr());
        }
        0
    }
    let name = format!("{}\n", getpid());
    let flags = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND;
    let flags = flags | libc::CLONE_THREAD | libc::CLONE_SYSVSEM;
    let code = std::ptr::without_provenance_mut(code as usize);
    // SAFETY: the process has one thread. The second one has a stack of its own,
    // only makes system calls, and begins when the first one ends.
    unsafe {
        // The standard library waits for the end of a pipe that closes on exec.
        libc::close_range(3, INNER[0].unsigned_abs(), 0);
        libc::close_range(GATE.unsigned_abs() + 1, u32::MAX, 0);
        let top = stack.as_mut_ptr_range().end.map_addr(|end| end & !15);
        Errno::result(libc::clone(second, top.cast(), flags, code))?;
        libc::write(INNER[1], name.as_ptr().cast(), name.len());
        libc::syscall(libc::SYS_exit, 0);
    }
    Err(Errno::EPERM)
}

#[proctor::test(clauses = [1, 6, 14], subject = |code: i32| -> (Ran, bool) {
    let mut command = sh("");
    // SAFETY: a subject has one thread, so its child may do anything.
    unsafe {
        command.pre_exec(move || {
            Ok(go_on_without_the_first_thread(vec![0; 1 << 16].leak(), code)?)
        });
    }
    let (ran, in_time, _) = run_with(Gates::new(), &mut command, LONG, |help| {
        let Some(program) = help.program() else { return };
        // Its first thread has ended.
        Onlooker::of_process(program.as_raw()).until_it_stops();
        help.watch(25, Duration::from_millis(10));
        help.gates.open(1);
    });
    (ran, in_time)
})]
fn a_program_without_its_first_thread_has_not_ended(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    let answer = subject.ask(&code);
    let (ran, in_time) = &answer.value;
    assert!(
        *in_time || matches!(ran.reported, Wrong(_)),
        "the first thread of the program ended, its second thread went on, and run_with_timeout reported {:?} before the program had ended",
        ran.reported
    );
    let because = format!(
        "the first thread of the program ended, and later the second one ended the program with {code}"
    );
    expect(ran, &Exited(code), &because);
    expect_outputs(ran, b"last\n", b"");
    nothing_is_left(&answer);
}

// ----------------------------------------------------------------- the output

#[proctor::test(clauses = [3, 4, 6, 14], subject = |(one, two): (Vec<u8>, Vec<u8>)| -> Ran {
    let folder = std::env::temp_dir();
    let (first, second) = (folder.join("one"), folder.join("two"));
    fs::write(&first, one).expect("a file");
    fs::write(&second, two).expect("a file");
    let mut command = sh("cat \"$0\"; cat \"$1\" >&2");
    let ran = run(command.arg(&first).arg(&second), LONG);
    let _ = (fs::remove_file(first), fs::remove_file(second));
    ran
})]
fn the_outputs_come_back_byte_for_byte(mut subject: Subject) {
    let all: Vec<u8> = (0..=255).chain(*b"\r\n\0\n").collect();
    let random = || bytes(3200);
    for (one, two) in [
        (all.clone(), random()),
        (random(), all),
        (b"no newline".to_vec(), Vec::new()),
        (Vec::new(), b"\n".to_vec()),
    ] {
        let answer = subject.ask(&(one.clone(), two.clone()));
        expect(&answer.value, &Exited(0), "the program wrote two files");
        expect_outputs(&answer.value, &one, &two);
        nothing_is_left(&answer);
    }
}

/// Does this step again and again.
fn blocks(rounds: u32, step: &str) -> String {
    format!("n=0; while [ $n -lt {rounds} ]; do n=$((n+1)); {step}; done;")
}

#[proctor::test(clauses = [3, 4, 6, 11, 14], subject = |(block, scripts): (Vec<u8>, Vec<(String, Duration)>)| -> Vec<(Reported, Vec<bool>, Vec<usize>)> {
    let file = std::env::temp_dir().join("block");
    fs::write(&file, &block).expect("a file");
    let ask = |(script, limit): (String, Duration)| {
        let ran = run_only(sh(&script).arg(&file), limit);
        let outputs = [ran.stdout, ran.stderr];
        let is_right = |output: &Vec<u8>| output.chunks(block.len()).all(|chunk| chunk == block);
        (
            ran.reported,
            outputs.iter().map(is_right).collect(),
            outputs.iter().map(Vec::len).collect(),
        )
    };
    let all = scripts.into_iter().map(ask).collect();
    let _ = fs::remove_file(file);
    all
})]
fn megabytes_in_both_streams_do_not_block_the_program(mut subject: Subject) {
    const BLOCK: usize = 64 << 10;
    let block = bytes(BLOCK);
    let scripts = [
        (
            "stdout, then stderr",
            24,
            24,
            blocks(24, "cat $0") + &blocks(24, "cat $0 >&2"),
        ),
        (
            "stderr, then stdout",
            24,
            24,
            blocks(24, "cat $0 >&2") + &blocks(24, "cat $0"),
        ),
        ("both in turns", 24, 24, blocks(24, "cat $0; cat $0 >&2")),
        ("stderr alone", 0, 9, blocks(9, "cat $0 >&2")),
        ("stdout alone", 530, 0, format!("cat {}", "$0 ".repeat(530))),
    ];
    let with = |limit| {
        let scripts = scripts
            .iter()
            .map(move |(.., script)| (script.clone(), limit));
        scripts.collect::<Vec<_>>()
    };
    // The last one takes longest: once is enough.
    let without_the_last = scripts.len() - 1;
    let question = [with(LONG), with(NEVER)[..without_the_last].to_vec()].concat();
    let answer = subject.ask(&(block, question));
    for ((what, one, two, _), (reported, right, lengths)) in
        scripts.iter().chain(&scripts).zip(&answer.value)
    {
        assert!(
            *reported == Exited(0),
            "the program wrote megabytes ({what}) and exited with 0; run_with_timeout reported {reported:?}"
        );
        let expected = [one * BLOCK, two * BLOCK];
        assert!(
            lengths[..] == expected,
            "the program wrote {expected:?} bytes to standard output and standard error ({what}), and {lengths:?} bytes came back"
        );
        assert!(
            right.iter().all(|right| *right),
            "the program wrote one block again and again ({what}), and other bytes came back"
        );
    }
    nothing_is_left(&answer);
}

/// How many bytes fit into a pipe that nobody reads, with some room.
const FITS: usize = 60_000;
/// The same for pipes that [`enlarge`] has made larger: a little larger, as
/// large as everybody may make them, and larger than that.
const FITS_LARGE: [usize; 3] = [200_000, 1_000_000, 4_100_000];

/// Makes a pipe larger than so many bytes, as the program itself can do it.
fn enlarge(pipe: RawFd, bytes: usize) -> nix::Result<i32> {
    let size = (bytes + (32 << 10)).next_power_of_two() as i32;
    // SAFETY: an integer for a number that may or may not be a descriptor.
    Errno::result(unsafe { libc::fcntl(pipe, libc::F_SETPIPE_SZ, size) })
}

/// `None` if the program needs larger pipes, and the system does not allow them.
#[proctor::test(clauses = [3, 5, 6, 11, 14], subject = |(one, two, end): (Vec<u8>, Vec<u8>, String)| -> Option<Ran> {
    let most = one.len().max(two.len());
    let is_large = most > FITS;
    if is_large && !pipe().is_ok_and(|(reader, _writer)| enlarge(reader.as_raw_fd(), most).is_ok()) {
        return None;
    }
    let folder = std::env::temp_dir();
    let (first, second) = (folder.join("one"), folder.join("two"));
    fs::write(&first, one).expect("a file");
    fs::write(&second, two).expect("a file");
    // While the caller is stopped, all of this happens at once.
    let script = format!("echo $$ >&7; kill -STOP $PPID; cat \"$0\"; cat \"$1\" >&2; {end}");
    let mut command = sh(&script);
    command.arg(&first).arg(&second);
    if is_large {
        // SAFETY: fcntl may be called after a fork.
        unsafe {
            command.pre_exec(move || {
                enlarge(1, most)?;
                enlarge(2, most)?;
                Ok(())
            });
        }
    }
    // Both limits have their turn.
    let limit = if is_large { NEVER } else { LONG };
    let (ran, ..) = run_with(Gates::new(), &mut command, limit, |help| {
        let program = help.program().map_or(0, Pid::as_raw);
        Onlooker::of_process(program).until_it_stops();
        let _ = kill(help.caller, Signal::SIGCONT);
        help.watch(5, Duration::from_millis(2));
        help.go_on(program);
    });
    let _ = (fs::remove_file(first), fs::remove_file(second));
    Some(ran)
})]
fn what_the_program_wrote_last_is_not_lost(mut subject: Subject) {
    for (one, two, before, when) in [
        (FITS, FITS, "", "before the caller could look"),
        (100, FITS, "", "before the caller could look"),
        (FITS, 0, "", "before the caller could look"),
        (FITS_LARGE[0], 10, "", "before the caller could look"),
        (FITS_LARGE[1], 10, "", "before the caller could look"),
        (10, FITS_LARGE[2], "", "before the caller could look"),
        (
            FITS,
            FITS,
            "exec >&- 2>&-; kill -STOP $$;",
            "later, and it closed both streams before the caller could look",
        ),
    ] {
        let (one, two, code) = (bytes(one), bytes(two), proctor::rng().i32(1..100));
        let end = format!("{before} exit {code}");
        let answer = subject.ask(&(one.clone(), two.clone(), end));
        let Some(ran) = &answer.value else { continue };
        let because = format!("the program wrote and exited with {code} {when}");
        expect(ran, &Exited(code), &because);
        expect_outputs(ran, &one, &two);
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [3, 5, 6, 11, 14], subject = |(closes, limit, code): (String, Duration, i32)| -> (Ran, bool) {
    let script = format!("echo first; {closes} echo $$ >&7; read x <&9; echo last >&2; echo done >&8; exit {code}");
    let (ran, in_time, _) = run_with(Gates::new(), &mut sh(&script), limit, |help| {
        if help.program().is_some() {
            help.watch(5, Duration::from_millis(2));
            help.gates.open(1);
        }
    });
    (ran, in_time)
})]
fn a_closed_stream_is_not_the_end(mut subject: Subject) {
    for (closes, limit, what, last) in [
        ("exec >&-;", NEVER, "its standard output", "last\n"),
        ("exec >&- 2>/dev/null;", LONG, "both streams", ""),
        ("exec 2>/dev/null;", LONG, "its standard error", ""),
    ] {
        let code = proctor::rng().i32(1..100);
        let answer = subject.ask(&(closes.to_owned(), limit, code));
        let (ran, in_time) = &answer.value;
        assert!(
            *in_time || matches!(ran.reported, Wrong(_)),
            "the program closed {what} and went on, and run_with_timeout reported {:?} before the program had ended",
            ran.reported
        );
        let because = format!("the program closed {what}, went on and exited with {code}");
        expect(ran, &Exited(code), &because);
        expect_outputs(ran, b"first\n", last.as_bytes());
        nothing_is_left(&answer);
    }
}

// ------------------------------------------------------------ other processes

/// A caller that was seen asleep so many times, each 10 ms after the last, has
/// slept for much longer than the 0.2 s that it has after the end of the program.
const TOO_LONG: u32 = 40;

#[proctor::test(clauses = [2, 3, 6, 7, 8, 9, 11, 14], deadline = 20.0, subject = |(script, limit): (String, Duration)| -> (Ran, bool, String) {
    run_with(Gates::new(), &mut sh(&script), limit, |help| {
        let program = help.program().map_or(0, Pid::as_raw);
        Onlooker::of_process(program).until_it_stops();
        // The caller sees the end of the program before the gate opens.
        help.watch(TOO_LONG, Duration::from_millis(10));
        help.gates.open(2);
    })
})]
fn a_process_that_has_left_the_group_is_left_alone(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    let before = "the program started a process that left the group";
    // The substitution $(…) is over when the process has left the group and has
    // taken the program's own output. It holds both outputs open. It has a child
    // that is still in the group: killed, that child stays a zombie of the group,
    // because its parent does not wait for it.
    let ends = format!(
        "exec 5>&1; x=$(sh -c '(exec >&5; read x <&9; echo alive >&8) & \
         exec setsid sh -c \"exec >&5; read x <&9; echo alive >&8\"' &); \
         echo output; echo $$ >&7; exit {code}"
    );
    let answer = subject.ask(&(ends, NEVER));
    let because = format!("{before}, and exited with {code}");
    left_alone(&answer, &Exited(code), &because, "alive\n");
    // Here the process is still a child of the program. It closes descriptor 7,
    // so the helper goes on even if the program could not tell its ID.
    let waits = "echo output; echo $$ >&7; \
                 setsid sh -c 'exec 7>&-; echo ready >&8; read x <&9; echo alive >&8' & \
                 read x <&9; echo alive >&8"
        .to_owned();
    let answer = with_longer_limits(|limit| {
        let answer = subject.ask(&(waits.clone(), limit));
        answer.value.2.contains("ready").then_some(answer)
    });
    let because = format!("{before}, and the limit was over");
    left_alone(&answer, &TimedOut, &because, "ready\nalive\n");
}

#[track_caller]
fn left_alone(answer: &Answer<(Ran, bool, String)>, end: &Reported, because: &str, says: &str) {
    let (ran, waited, words) = &answer.value;
    assert!(
        !waited || matches!(ran.reported, Wrong(_)),
        "{because}; run_with_timeout went on waiting for another process, which had left the group and held the program's output open"
    );
    expect(ran, end, because);
    expect_outputs(ran, b"output\n", b"");
    assert!(
        words == says,
        "a process of the program had left the group with setsid: it must still live after the call, and the program must not; the processes were to say {says:?}, and they said {words:?}"
    );
    nothing_is_left(answer);
}

/// Starts a process of the group that says `alive` if it survives the call. It
/// ignores what can be ignored, and holds both outputs open. The substitution
/// $(…) is over when that process is ready. (Before it: `exec 5>&1;`.)
const RELATIVE: &str = r#"x=$( (trap "" HUP INT TERM; exec >&5; read x <&9; echo alive >&8) & );"#;

#[proctor::test(clauses = [2, 3, 6, 7, 8, 11, 14], subject = |(end, holds, limit): (String, bool, Duration)| -> (Ran, bool, String) {
    // Another program starts the second one.
    let relatives = format!("{RELATIVE} sh -c '{RELATIVE}'");
    let relatives = match holds {
        true => format!("exec 5>&1; {relatives}"),
        // A subshell: with braces, the shell keeps a copy of standard error, and
        // the second process inherits it.
        false => format!("(exec 5>/dev/null >&5 2>&5; {relatives})"),
    };
    let script = format!("{relatives}; echo output; echo $$ >&7; {end}");
    run_with(Gates::new(), &mut sh(&script), limit, |help| {
        let program = help.program().map_or(0, Pid::as_raw);
        Onlooker::of_process(program).until_it_stops();
        help.watch(TOO_LONG, Duration::from_millis(10));
        help.gates.open(2);
    })
})]
fn what_is_left_of_the_group_is_killed(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    for (end, holds, limit, expected) in [
        (format!("exit {code}"), true, LONG, Exited(code)),
        ("kill -15 $$".to_owned(), true, NEVER, Killed(15)),
        // Only the program gets this SIGKILL, and it is not the caller's.
        ("kill -9 $$".to_owned(), true, LONG, Killed(9)),
        (format!("exit {code}"), false, NEVER, Exited(code)),
    ] {
        let answer = subject.ask(&(end.clone(), holds, limit));
        let (ran, waited, words) = &answer.value;
        assert!(
            !waited || matches!(ran.reported, Wrong(_)),
            "the program had ended, and run_with_timeout went on waiting for other processes of its group, which held the program's output open"
        );
        expect(
            ran,
            &expected,
            &format!("the program started two processes, and then ended with `{end}`"),
        );
        expect_outputs(ran, b"output\n", b"");
        assert!(
            words.is_empty(),
            "the program ended and left two processes in its group, {}, and {} of them still ran after the call",
            if holds {
                "which held its output open"
            } else {
                "which had closed its output"
            },
            words.lines().count()
        );
        nothing_is_left(&answer);
    }
}

/// Starts two processes in the group of the calling one. When one of them has
/// been killed, the other one starts a third process, and tells the test.
fn start_two_that_watch_each_other() -> std::io::Result<()> {
    let (first, of_second) = pipe()?;
    let (second, of_first) = pipe()?;
    let watch = |other: &PipeReader, own: &PipeWriter| {
        let (other, own) = (other.as_raw_fd(), own.as_raw_fd());
        start(&[other, own, VOICE, GATE], || {
            if !says_alive_when_the_gate_closes(Some(other)) {
                return;
            }
            let alone = start(&[VOICE, GATE], || says_alive_when_the_gate_closes(None));
            if alone.is_ok() {
                // SAFETY: writes eight bytes.
                unsafe { libc::write(VOICE, c"started\n".as_ptr().cast(), 8) };
            }
        })
    };
    Ok(tell([
        watch(&first, &of_first)?,
        watch(&second, &of_second)?,
    ])?)
}

#[proctor::test(clauses = [2, 6, 8, 9, 11], subject = |(script, limit): (String, Duration)| -> Option<(String, String)> {
    let gates = Gates::new();
    let mut command = sh(&script);
    // SAFETY: the processes that it starts only make system calls.
    unsafe { command.pre_exec(start_two_that_watch_each_other) };
    let mut both = None;
    let reported = run_step_by_step(&mut command, limit, || {
        both = both.or_else(told);
        let Some([one, other]) = both else { return };
        while is_killed(one) != is_killed(other) && !gates.has_words() {
            thread::sleep(Duration::from_micros(100));
        }
    })?;
    Some((reported, gates.last_words()))
})]
fn nobody_escapes_while_the_group_is_killed(mut subject: Subject) {
    for (script, limit, expected, what) in [
        ("read x <&9", Duration::ZERO, TimedOut, "the limit was over"),
        ("exit 3", NEVER, Exited(3), "the program had ended"),
    ] {
        let answer = subject.ask(&(script.to_owned(), limit));
        let Some((reported, words)) = &answer.value else {
            continue;
        };
        assert!(
            *reported == format!("{expected:?}"),
            "{what}, so the contract says {expected:?}; run_with_timeout reported {reported:?}"
        );
        assert!(
            !words.contains("started") || !words.contains("alive"),
            "{what}, and run_with_timeout did not kill the processes of the group at the same moment: when it had killed one, another one started a process, and that process still ran after the call"
        );
        assert!(
            !words.contains("alive"),
            "{what}, and {} processes of the group still ran after the call",
            words.matches("alive").count()
        );
        nothing_is_left(&answer);
    }
}

/// How often a process writes a page to a caller that goes on reading.
const MOST_WRITES: u32 = 20_000;

#[proctor::test(clauses = [1, 3, 6, 7], deadline = 30.0, subject = |code: i32| -> Option<(String, bool, String)> {
    let gates = Gates::new();
    let mut command = sh(&format!("echo output; exit {code}"));
    // SAFETY: the process that it starts only makes system calls.
    unsafe {
        command.pre_exec(|| {
            let leaves = || {
                libc::setsid();
                says_alive_when_the_gate_closes(None);
            };
            Ok(tell([getpid(), start(&[1, 2, VOICE, GATE], leaves)?])?)
        });
    }
    let (mut both, mut streams, mut writes) = (None, Vec::new(), 0);
    let reported = run_step_by_step(&mut command, LONG, || {
        both = both.or_else(told);
        let Some([program, other]) = both else { return };
        if streams.is_empty() {
            streams.extend([1, 2].map(|stream| open_stream(other, stream)));
        }
        if is_killed(program) && writes < MOST_WRITES {
            writes += 1;
            for mut stream in streams.iter().flatten() {
                let _ = stream.write(&[b'm'; 4096]);
            }
        }
    })?;
    drop(streams);
    Some((reported, writes < MOST_WRITES, gates.last_words()))
})]
fn a_process_that_writes_for_ever_is_not_waited_for(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    let answer = subject.ask(&code);
    let Some((reported, in_time, words)) = &answer.value else {
        return;
    };
    assert!(
        *in_time,
        "the program had ended, and run_with_timeout went on reading what another process wrote, which had left the group: {MOST_WRITES} times, it found new bytes in the pipes"
    );
    assert!(
        *reported == format!("{:?}", Exited(code)),
        "the program exited with {code}, so the contract says Exited({code}); run_with_timeout reported {reported:?}"
    );
    assert!(
        words == "alive\n",
        "a process had left the group: it must still live after the call"
    );
    nothing_is_left(&answer);
}

/// Opens another process's standard output (1) or standard error (2) for
/// writing without waiting.
fn open_stream(process: Pid, stream: i32) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    options.open(format!("/proc/{process}/fd/{stream}"))
}

// ------------------------------------------------------------------ the limit

#[proctor::test(clauses = [2, 3, 5, 8, 9, 14], deadline = 20.0, subject = |(script, limit): (String, Duration)| -> (Ran, String) {
    let (ran, _, words) = run_with(Gates::new(), &mut sh(&script), limit, |help| {
        // A call that waits on after the limit comes to an end, too.
        let pauses = 60 + limit.as_millis() as u32 * 3 / 10;
        help.watch(pauses, Duration::from_millis(10));
        help.gates.open(9);
    });
    (ran, words)
})]
fn at_the_limit_the_whole_group_is_killed(mut subject: Subject) {
    let word: String = proctor::random();
    let prints = format!("echo {word}; echo {word} >&2;");
    let says = format!("{prints} exec 5>&1; {RELATIVE}");
    for (what, script) in [
        (
            "waited",
            format!("{says} echo ready >&8; read x <&9; echo alive >&8"),
        ),
        (
            "ignored SIGTERM and other signals",
            format!("trap '' HUP INT QUIT TERM; {says} echo ready >&8; read x <&9; echo alive >&8"),
        ),
        (
            "waited, and would have caught SIGTERM and other signals",
            format!(
                "{says} trap 'echo asked >&8; exit 1' HUP INT QUIT TERM; echo ready >&8; read x <&9; echo alive >&8"
            ),
        ),
        (
            "stopped itself",
            format!("{says} echo ready >&8; kill -STOP $$"),
        ),
        (
            "closed both streams and waited",
            format!(
                "{prints} exec >&- 2>&-; (read x <&9; echo alive >&8) & echo ready >&8; read x <&9; echo alive >&8"
            ),
        ),
        (
            "started another program and waited for it",
            format!("{says} sh -c 'echo ready >&8; read x <&9; echo alive >&8'; exit 0"),
        ),
    ] {
        let answer = with_longer_limits(|limit| {
            let answer = subject.ask(&(script.clone(), limit));
            let (ran, words) = &answer.value;
            let because = format!("the limit was {limit:?}, and the program {what}");
            expect(ran, &TimedOut, &because);
            assert!(
                ran.took >= limit,
                "the limit was {limit:?}, and run_with_timeout killed the program and returned after {:?}",
                ran.took
            );
            words.contains("ready").then_some(answer)
        });
        let (ran, words) = &answer.value;
        assert!(
            !words.contains("asked"),
            "the limit was over, and the program got another signal before SIGKILL"
        );
        assert!(
            words == "ready\n",
            "the limit was over and the program had {what}, and after the call {} processes of its group still ran",
            words.matches("alive").count()
        );
        expect_outputs(
            ran,
            format!("{word}\n").as_bytes(),
            format!("{word}\n").as_bytes(),
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [3, 9, 14], subject = |limit: Duration| -> (Ran, bool, String) {
    let script = "echo $$ >&7; while read x <&9; do echo $x; done; exit 5";
    run_with(Gates::new(), &mut sh(script), limit, |help| {
        // The program writes a line whenever the caller waits, much longer than
        // the limit. After that, it ends itself.
        if let Some(program) = help.program() {
            for _ in 0..100 {
                if help.is_over() {
                    return;
                }
                help.gates.open(1);
                help.watch(0, Duration::ZERO);
                thread::sleep(Duration::from_millis(8));
            }
            let _ = kill(program, Signal::SIGKILL);
        }
    })
})]
fn output_does_not_make_the_limit_longer(mut subject: Subject) {
    let limit = Duration::from_millis(200);
    let answer = subject.ask(&limit);
    let (ran, ..) = &answer.value;
    expect(
        ran,
        &TimedOut,
        "the program wrote a line every 8 ms for longer than the limit of 200 ms, and did not end",
    );
    assert!(
        ran.took >= limit,
        "the limit was {limit:?}, and run_with_timeout returned after {:?}",
        ran.took
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [3, 4, 9, 14], deadline = 20.0, subject = |(script, limit): (String, Duration)| -> (Reported, [usize; 2]) {
    let ran = run(&mut sh(&script), limit);
    (ran.reported, [ran.stdout.len(), ran.stderr.len()])
})]
fn a_flood_of_output_ends_at_the_limit(mut subject: Subject) {
    // Without the limit, these blocks take seconds.
    let flood = "exec dd if=/dev/zero bs=64 count=3000000";
    let limit = Duration::from_millis(100);
    for script in [flood, &format!("{flood} >&2")] {
        let answer = subject.ask(&(script.to_owned(), limit));
        let (reported, lengths) = &answer.value;
        if let Wrong(what) = reported {
            panic!("{what}");
        }
        assert!(
            *reported == TimedOut,
            "the program wrote without a pause for much longer than the limit of {limit:?}, and run_with_timeout reported {reported:?} and returned {lengths:?} bytes"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [3, 4, 5, 6, 9, 10, 14], deadline = 20.0, subject = |(first, end, limit): (String, String, Duration)| -> Option<Ran> {
    let script = format!("{first} echo $$ >&7; read x <&9; kill -STOP $PPID; {end}");
    let in_time = Instant::now() + limit;
    let too_late = std::env::temp_dir().join("too late");
    let (ran, ..) = run_with(Gates::new(), &mut sh(&script), limit, |help| {
        let program = help.program().map_or(0, Pid::as_raw);
        // From here on the caller knows when the limit is over.
        help.watch(2, Duration::from_millis(1));
        let over = Instant::now() + limit;
        help.gates.open(1);
        Onlooker::of_process(program).until_it_stops();
        if Instant::now() >= in_time {
            let _ = fs::write(&too_late, "");
        }
        // The caller is stopped until its limit is over.
        thread::sleep(over.saturating_duration_since(Instant::now()));
        let _ = kill(help.caller, Signal::SIGCONT);
        help.watch(300, Duration::from_millis(10));
        help.go_on(program);
    });
    fs::remove_file(too_late).is_err().then_some(ran)
})]
fn a_program_that_ended_in_time_is_not_timed_out(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    for (end, expected) in [
        (format!("exit {code}"), Exited(code)),
        ("kill -9 $$".to_owned(), Killed(9)),
        ("kill -15 $$".to_owned(), Killed(15)),
    ] {
        let because = format!(
            "the program ended in time (`{end}`), and the caller was stopped until the limit was over"
        );
        let end = format!("echo output; {end}");
        let answer = with_longer_limits(|limit| {
            let answer = subject.ask(&(String::new(), end.clone(), limit));
            answer.value.is_some().then_some(answer)
        });
        let ran = answer.value.as_ref().expect("an answer in time");
        expect(ran, &expected, &because);
        expect_outputs(ran, b"output\n", b"");
        nothing_is_left(&answer);
    }
    // It has not ended: the same caller finds the limit over, and must kill it.
    for (first, end, longer, what) in [
        (
            "",
            "echo output; kill -STOP $$; exit 5",
            1,
            "wrote its output",
        ),
        (
            "echo output;",
            "exec >&- 2>&-; kill -STOP $$; exit 5",
            8,
            "closed both streams",
        ),
    ] {
        let answer = with_longer_limits(|limit| {
            let answer = subject.ask(&(first.to_owned(), end.to_owned(), limit * longer));
            answer.value.is_some().then_some(answer)
        });
        let ran = answer.value.as_ref().expect("an answer in time");
        let because = format!(
            "the caller was stopped until the limit was over, and meanwhile the program {what} and did not end"
        );
        expect(ran, &TimedOut, &because);
        expect_outputs(ran, b"output\n", b"");
        nothing_is_left(&answer);
    }
}

/// By how many seconds the wall clock of this process is wrong.
static WALL_CLOCK: AtomicI64 = AtomicI64::new(0);

extern "C" fn set_the_wall_clock(_: i32) {
    WALL_CLOCK.store(TO_SET.load(Relaxed), Relaxed);
}

/// What the handler sets.
static TO_SET: AtomicI64 = AtomicI64::new(0);

/// The C library's function of this name, for the whole program: only the clock
/// that everybody may set (CLOCK_REALTIME) is wrong if the test says so.
///
/// # Safety
/// As in man 2 `clock_gettime`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> i32 {
    // SAFETY: as the caller has promised.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if result == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: likewise; the kernel has just written there.
        unsafe { (*time).tv_sec += WALL_CLOCK.load(Relaxed) };
    }
    result as i32
}

#[proctor::test(clauses = [6, 9, 12, 14], subject = |(set, limit, code): (i64, Duration, i32)| -> Ran {
    WALL_CLOCK.store(0, Relaxed);
    TO_SET.store(set, Relaxed);
    handle_by(Signal::SIGUSR1, set_the_wall_clock);
    let script = format!("echo $$ >&7; read x <&9; exit {code}");
    let (ran, ..) = run_with(Gates::new(), &mut sh(&script), limit, |help| {
        let Some(program) = help.program() else { return };
        help.watch(2, Duration::from_millis(1));
        let over = Instant::now() + limit;
        let _ = kill(help.caller, Signal::SIGUSR1);
        if limit == LONG {
            help.watch(5, Duration::from_millis(2));
        } else {
            thread::sleep(over + Duration::from_millis(250) - Instant::now());
            help.wait_for_sleep(program);
        }
        help.gates.open(1);
    });
    ran
})]
fn the_wall_clock_does_not_matter(mut subject: Subject) {
    const DAY: i64 = 24 * 60 * 60;
    let code = proctor::rng().i32(1..100);
    for (days, limit, expected, what) in [
        (
            2,
            LONG,
            Exited(code),
            "forward by two days, the limit was over in a day, and the program exited with a code of its own",
        ),
        (
            -2,
            Duration::from_millis(100),
            TimedOut,
            "back by two days, and the program did not end",
        ),
    ] {
        let answer = subject.ask(&(days * DAY, limit, code));
        let because = format!("during the call somebody set the wall clock {what}");
        expect(&answer.value, &expected, &because);
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [6, 9, 11, 14], subject = |(limit, code): (Duration, i32)| -> (Ran, bool, String) {
    let script = format!("echo $$ >&7; read x <&9 && exit {code}; echo alive >&8");
    run_with(Gates::new(), &mut sh(&script), limit, |help| {
        if help.program().is_some() {
            help.watch(10, Duration::from_millis(1));
            help.gates.open(1);
        }
    })
})]
fn a_limit_may_be_as_long_as_it_likes(mut subject: Subject) {
    let millis = Duration::from_millis;
    for limit in [
        // Just over what 32 bits can hold in milliseconds, and in seconds: a
        // limit that loses its upper bits is over after 5 ms.
        millis((1 << 31) + 5),
        millis((1 << 32) + 5),
        Duration::from_secs(1 << 31) + millis(5),
        Duration::from_secs(1 << 32) + millis(5),
        // Nanoseconds and microseconds in 64 bits.
        Duration::from_nanos_u128(1 << 63) + millis(5),
        Duration::from_nanos_u128(1 << 64) + millis(5),
        // Milliseconds in 64 bits, a time_t, and everything.
        Duration::from_secs((1_u128 << 64).div_ceil(1_000) as u64),
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(1 << 63),
        Duration::MAX,
    ] {
        let code = proctor::rng().i32(1..100);
        let answer = subject.ask(&(limit, code));
        let (ran, ..) = &answer.value;
        let because = format!("the limit was {limit:?}, and the program exited with {code}");
        expect(ran, &Exited(code), &because);
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [8, 9, 11, 14], subject = |limit: Duration| -> (Ran, String) {
    run_alone(&mut sh("read x <&9; echo alive >&8"), limit)
})]
fn a_limit_may_be_zero(mut subject: Subject) {
    for limit in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(999),
    ] {
        let answer = subject.ask(&limit);
        let (ran, words) = &answer.value;
        expect(
            ran,
            &TimedOut,
            &format!("the limit was {limit:?}, and the program waited"),
        );
        assert!(
            words.is_empty(),
            "the limit of {limit:?} was over, and the program still ran after the call"
        );
        nothing_is_left(&answer);
    }
}

// ----------------------------------------------------------------- the caller

/// How many signals interrupt one call.
const SIGNALS: u32 = 1100;

/// Sends signals to the caller whenever it waits, until the call has returned.
fn disturb(help: &mut Help, signals: u32, pause: Duration) {
    for _ in 0..signals {
        help.watch(0, Duration::ZERO);
        if help.is_over() {
            return;
        }
        let _ = kill(help.caller, Signal::SIGUSR1);
        thread::sleep(pause);
    }
    help.watch(0, Duration::ZERO);
}

#[proctor::test(clauses = [3, 6, 12, 14], faults = [Wait], subject = |code: i32| -> (Ran, bool, [u32; 2]) {
    handle(Signal::SIGUSR1);
    handle_by(Signal::SIGCHLD, count_end);
    let script = format!("echo $$ >&7; read x <&9; echo output; echo done >&8; exit {code}");
    let (ran, in_time, _) = run_with(Gates::new(), &mut sh(&script), LONG, |help| {
        if help.program().is_some() {
            disturb(help, SIGNALS, Duration::ZERO);
            help.gates.open(1);
        }
    });
    (ran, in_time, [&HANDLED, &ENDS_AT_RETURN].map(|count| count.load(Relaxed)))
})]
fn signals_do_not_end_the_call(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    let interruptions = Failure::of(Fault::Wait, Errno::EINTR).times(300);
    subject.fail(interruptions.whose(Whose::TheSubjects));
    let answer = subject.ask(&code);
    let (ran, in_time, [handled, ends]) = &answer.value;
    if let Error(_, error) = &ran.reported {
        panic!("{SIGNALS} signals interrupted the call, and run_with_timeout failed: {error}");
    }
    assert!(
        *in_time || matches!(ran.reported, Wrong(_)),
        "signals arrived at the caller, and run_with_timeout reported {:?} before the program had ended and before the limit was over",
        ran.reported
    );
    expect(
        ran,
        &Exited(code),
        &format!("{SIGNALS} signals arrived at the caller, and the program exited with {code}"),
    );
    expect_outputs(ran, b"output\n", b"");
    assert!(
        *handled > 0,
        "{SIGNALS} signals were sent to the caller while it waited, and its handler had not run when run_with_timeout returned"
    );
    assert!(
        *ends > 0,
        "the program ended, so the kernel sent SIGCHLD to the caller, and the caller's handler for it had not run when run_with_timeout returned"
    );
    nothing_is_left(&answer);
}

/// How many signals must arrive before the limit is over. If each of them made
/// the limit a millisecond longer, the caller would sleep for most of a second
/// after its end.
const BEFORE_THE_LIMIT: u32 = 800;

#[proctor::test(clauses = [9, 12, 14], slow = true, deadline = 60.0, subject = |limit: Duration| -> Option<Ran> {
    handle(Signal::SIGUSR1);
    let script = "echo $$ >&7; read x <&9; exit 5";
    let in_time = Instant::now() + limit;
    let too_slow = std::env::temp_dir().join("too slow");
    let (ran, ..) = run_with(Gates::new(), &mut sh(script), limit, |help| {
        let Some(program) = help.program() else { return };
        // From here on the caller knows when the limit is over.
        help.watch(2, Duration::from_millis(1));
        let over = Instant::now() + limit;
        disturb(help, BEFORE_THE_LIMIT, Duration::ZERO);
        if Instant::now() >= in_time {
            let _ = fs::write(&too_slow, "");
        }
        while Instant::now() < over + Duration::from_millis(250) && !help.is_over() {
            disturb(help, 1, Duration::ZERO);
        }
        // Now the call is over. If not, it must have something to do.
        help.wait_for_sleep(program);
        help.gates.open(1);
    });
    fs::remove_file(too_slow).is_err().then_some(ran)
})]
fn signals_make_the_limit_neither_shorter_nor_longer(mut subject: Subject) {
    let (limit, answer) = with_limits_from(Duration::from_millis(400), |limit| {
        let answer = subject.ask(&limit);
        answer.value.is_some().then_some((limit, answer))
    });
    let ran = answer.value.as_ref().expect("an answer in time");
    let because = format!(
        "hundreds of signals arrived at the caller before and after the end of the limit of {limit:?}, and the program did not end"
    );
    expect(ran, &TimedOut, &because);
    assert!(
        ran.took >= limit,
        "the limit was {limit:?}, signals arrived at the caller, and run_with_timeout returned after {:?}",
        ran.took
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [5, 6, 9, 11, 12, 13, 14], slow = true, subject = |(script, limit): (String, Duration)| -> (Ran, String) {
    handle(Signal::SIGUSR1);
    let (ran, _, words) = run_with(Gates::new(), &mut sh(&script), limit, |help| {
        let Some(program) = help.program() else { return };
        Onlooker::of_process(program.as_raw()).until_it_stops();
        help.watch(0, Duration::ZERO);
        let _ = kill(help.caller, Signal::SIGUSR1);
        help.watch(0, Duration::ZERO);
        help.go_on(program.as_raw());
        if limit == NEVER {
            thread::sleep(Duration::from_secs(1));
            help.gates.open(1);
        }
    });
    (ran, words)
})]
fn it_sleeps_while_nothing_happens(mut subject: Subject) {
    let stops = "echo $$ >&7; kill -STOP $$; read x <&9; exit 5";
    let second = Duration::from_secs(1);
    for (what, script, limit) in [
        (
            "closed its standard output, was stopped, went on, and did nothing",
            &format!("exec >&-; {stops}"),
            NEVER,
        ),
        (
            "wrote, closed its standard error, was stopped, went on, and did nothing",
            &format!("echo output; exec 2>&-; {stops}"),
            second,
        ),
    ] {
        let what = format!("a signal arrived at the caller, and the program {what}");
        sleeps(&mut subject, &what, script.to_owned(), limit, second);
    }
}

#[proctor::test(clauses = [5, 9, 13, 14], slow = true, subject = |(script, limit): (String, Duration)| -> (Ran, String) {
    run_alone(&mut sh(&script), limit)
})]
fn it_sleeps_for_seconds_beside_closed_streams(mut subject: Subject) {
    for (what, script, millis) in [
        ("the program did nothing", "read x <&9", 350),
        (
            "the program closed both streams and did nothing",
            // Long enough for code that gives up after two seconds.
            "exec >&- 2>&-; read x <&9",
            2200,
        ),
    ] {
        let limit = Duration::from_millis(millis);
        sleeps(&mut subject, what, script.to_owned(), limit, limit);
    }
}

/// Demands that the call waits for this time, asleep: until the limit is over,
/// or until the program ends, if the limit is never over.
#[track_caller]
fn sleeps(
    subject: &mut Subject<(String, Duration), (Ran, String)>,
    what: &str,
    script: String,
    limit: Duration,
    time: Duration,
) {
    let answer = subject.ask(&(script, limit));
    let (ran, _) = &answer.value;
    let because = format!("the limit was {limit:?}, and for {time:?} {what}");
    let expected = if limit == NEVER { Exited(5) } else { TimedOut };
    expect(ran, &expected, &because);
    assert!(
        ran.took >= time,
        "{because}; run_with_timeout killed it and returned after {:?}",
        ran.took
    );
    let evidence = &answer.evidence;
    // The start of the program, its end, and the test itself need some.
    let wakes = evidence.voluntary_switches;
    let most = 30 * time.as_secs().max(1) + 20;
    assert!(
        wakes <= most,
        "{because}; the caller woke up {wakes} times instead of sleeping until something happens"
    );
    assert!(
        evidence.cpu < time / 10 + Duration::from_millis(20),
        "{because}; the caller used {:?} of CPU time instead of sleeping",
        evidence.cpu
    );
    nothing_is_left(&answer);
}

/// How a child ends that was in the group of the program.
const JOINED: u8 = 78;

#[proctor::test(clauses = [2, 6, 9, 11, 14], subject = |(code, limit, opens): (i32, Duration, bool)| -> (Ran, [bool; 2], bool, bool) {
    let end = |code: i32| {
        // SAFETY: a subject has one thread, and the child ends at once.
        match unsafe { fork() }.expect("a child") {
            ForkResult::Parent { child } => child,
            // SAFETY: ends the process and touches no memory.
            ForkResult::Child => unsafe { libc::_exit(code) },
        }
    };
    // It has ended, and its status waits for whoever asks.
    let ended = end(code);
    waitid(Id::Pid(ended), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("its end");
    // It joins the group of the program as soon as it reads a number, and ends there.
    let (mut number, numbers) = apart_files();
    let joins = proctor::other_child(|| {
        // SAFETY: this process does not use it.
        unsafe { libc::close(numbers.as_raw_fd()) };
        let mut group = [0; 4];
        let read = number.read_exact(&mut group).is_ok();
        let group = Pid::from_raw(i32::from_ne_bytes(group));
        let joined = read && nix::unistd::setpgid(Pid::from_raw(0), group).is_ok();
        if joined { JOINED } else { 0 }
    });
    // SAFETY: takes a number of seconds.
    unsafe { libc::alarm(10_000) };
    // The helper is in the group of the caller, and runs.
    let gates = Gates::new();
    let (ran, ..) = run_with(gates, &mut sh("echo $$ >&7; read x <&9; exit 4"), limit, |help| {
        let program = help.program();
        if let Some(program) = program && opens {
            let _ = (&numbers).write_all(&program.as_raw().to_ne_bytes());
            Onlooker::of_process(joins.as_raw()).until_it_stops();
            help.gates.open(1);
        }
    });
    drop(numbers);
    let joined = if opens { JOINED.into() } else { 0 };
    let kept = [(ended, code), (joins, joined)].map(|(child, code)| {
        waitpid(child, None) == Ok(WaitStatus::Exited(child, code))
    });
    let none = waitpid(None, None) == Err(Errno::ECHILD);
    // SAFETY: likewise; it returns what was left.
    let is_set = unsafe { libc::alarm(0) } > 0;
    (ran, kept, none, is_set)
})]
fn other_children_of_the_caller_are_left_alone(mut subject: Subject) {
    let code = proctor::rng().i32(1..100);
    for (limit, expected, what) in [
        (LONG, Exited(4), "the program exited with 4"),
        (Duration::ZERO, TimedOut, "the limit was zero"),
    ] {
        let answer = subject.ask(&(code, limit, limit == LONG));
        let (ran, kept, none, alarm_is_set) = &answer.value;
        expect(ran, &expected, what);
        assert!(
            kept[0],
            "another child of the caller had ended before the call, and after the call the caller cannot get its status any more"
        );
        assert!(
            kept[1],
            "another child of the caller had joined the group of the program and had ended during the call, and after the call the caller cannot get its status any more"
        );
        assert!(
            *none,
            "the call has returned, and the caller still has a child that it did not have before"
        );
        assert!(
            *alarm_is_set,
            "the caller had set an alarm, and after the call it is not set any more"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [3, 6, 14], slow = true, descriptors = 48, deadline = 60.0, subject = |calls: u32| -> (Vec<Ran>, u32) {
    let mut command = sh("echo output");
    let before = Surroundings::now();
    let mut wrong = Vec::new();
    for round in 0..calls {
        let ran = run_only(&mut command, LONG);
        if ran.reported != Exited(0) || ran.stdout != b"output\n" {
            wrong.push(ran);
            return (wrong, round);
        }
    }
    let changes = before.changes();
    if !changes.is_empty() {
        let reported = Wrong(format!("the caller is not as it was before the calls: {}", changes.join("; ")));
        wrong.push(Ran { reported, stdout: Vec::new(), stderr: Vec::new(), took: Duration::ZERO });
    }
    (wrong, calls)
})]
fn hundreds_of_calls_are_like_one(mut subject: Subject) {
    let calls = 300;
    let answer = subject.ask(&calls);
    let (wrong, round) = &answer.value;
    if let Some(ran) = wrong.first() {
        expect(
            ran,
            &Exited(0),
            &format!("call number {round} of {calls} was like the first, which succeeded"),
        );
        expect_outputs(ran, b"output\n", b"");
    }
    nothing_is_left(&answer);
}

// ----------------------------------------------------------------------- errors

/// Ways in which a program cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Start {
    Works,
    NoSuchProgram,
    NotExecutable,
    NoSuchFolder,
    FileAsFolder,
    NameTooLong,
    ArgumentTooLong,
    OpenForWriting,
    CircleOfLinks,
    NulInTheName,
    NulInAnArgument,
}

#[proctor::test(clauses = [1, 2, 6, 9, 11, 14, 15, 16], faults = [Process, Thread, Pipe], subject = |(start, limit): (Start, Duration)| -> Ran {
    let (file, link) = (std::env::temp_dir().join("text"), std::env::temp_dir().join("link"));
    fs::write(&file, "not a program").expect("a file");
    let mode = if start == Start::OpenForWriting { 0o700 } else { 0o600 };
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode");
    let writer = fs::OpenOptions::new().append(true).open(&file).expect("the file");
    std::os::unix::fs::symlink(&link, &link).expect("a link");
    let mut command = match start {
        Start::Works | Start::NoSuchFolder | Start::ArgumentTooLong | Start::NulInAnArgument => {
            Command::new("true")
        }
        Start::OpenForWriting => Command::new(&file),
        Start::CircleOfLinks => Command::new(&link),
        Start::NulInTheName => Command::new("true\0"),
        Start::FileAsFolder => Command::new("/proc/version/program"),
        Start::NameTooLong => Command::new(format!("/{}", "n".repeat(300))),
        Start::NoSuchProgram => Command::new("/no/such/program"),
        Start::NotExecutable => Command::new(&file),
    };
    if start == Start::NoSuchFolder {
        command.current_dir("/no/such/folder");
    }
    if start == Start::ArgumentTooLong {
        command.arg("a".repeat(200_000));
    }
    if start == Start::NulInAnArgument {
        command.arg("one\0two");
    }
    let ran = run(&mut command, limit);
    drop(writer);
    let _ = (fs::remove_file(file), fs::remove_file(link));
    ran
})]
fn a_program_that_cannot_start_is_an_error(mut subject: Subject) {
    let failed = |ran: &Ran, number: i32, what: &str| {
        if let Error(errno, words) = &ran.reported {
            assert!(
                *errno == Some(number),
                "{what}: the contract says that the error of spawn comes back (number {number}), and run_with_timeout returned another one: {words}"
            );
        } else {
            expect(ran, &Error(Some(number), String::new()), what);
        }
    };
    for (start, errno, what) in [
        (
            Start::NoSuchProgram,
            Errno::ENOENT,
            "there is no such program",
        ),
        (
            Start::NotExecutable,
            Errno::EACCES,
            "the program is a file without permission to execute",
        ),
        (
            Start::NoSuchFolder,
            Errno::ENOENT,
            "the working folder does not exist",
        ),
        (
            Start::FileAsFolder,
            Errno::ENOTDIR,
            "the path of the program goes through a file that is not a folder",
        ),
        (
            Start::NameTooLong,
            Errno::ENAMETOOLONG,
            "the name of the program has 300 bytes, more than a name may have",
        ),
        (
            Start::ArgumentTooLong,
            Errno::E2BIG,
            "one argument has 200,000 bytes, more than the kernel accepts",
        ),
        (
            Start::OpenForWriting,
            Errno::ETXTBSY,
            "the program is a file that is open for writing",
        ),
        (
            Start::CircleOfLinks,
            Errno::ELOOP,
            "the path of the program is a symbolic link to itself",
        ),
    ] {
        for limit in [LONG, NEVER, Duration::ZERO] {
            let answer = subject.ask(&(start, limit));
            failed(&answer.value, errno as i32, what);
            nothing_is_left(&answer);
        }
    }
    for (start, what) in [
        (Start::NulInTheName, "the name of the program"),
        (Start::NulInAnArgument, "an argument"),
    ] {
        let answer = subject.ask(&(start, LONG));
        let ran = &answer.value;
        let what = format!("{what} has a byte 0, for which Command::spawn has an error of its own");
        let kind = "InvalidInput";
        match &ran.reported {
            Error(None, error) if error.starts_with(kind) => {}
            Error(_, error) => panic!(
                "{what}, of the kind {kind}, without a number; run_with_timeout returned another one: {error}"
            ),
            _ => expect(ran, &Error(None, kind.to_owned()), &what),
        }
        nothing_is_left(&answer);
    }
    for errno in [Errno::EAGAIN, Errno::ENOMEM] {
        subject.fail(Failure::of(Fault::Process, errno).whose(Whose::TheSubjects));
        let answer = subject.ask(&(Start::Works, LONG));
        failed(
            &answer.value,
            errno as i32,
            &format!("the start of a process failed with {errno}"),
        );
        nothing_is_left(&answer);
    }
    // Not everybody makes the same pipes, and not everybody starts threads.
    for (fault, errno, skipped) in [
        (Fault::Pipe, Errno::EMFILE, 0),
        (Fault::Pipe, Errno::ENFILE, 1),
        (Fault::Pipe, Errno::EMFILE, 2),
        (Fault::Pipe, Errno::EMFILE, 3),
        (Fault::Thread, Errno::EAGAIN, 0),
        (Fault::Thread, Errno::EAGAIN, 1),
        (Fault::Thread, Errno::EAGAIN, 2),
    ] {
        subject.fail(
            Failure::of(fault, errno)
                .after(skipped)
                .whose(Whose::TheSubjects),
        );
        let answer = subject.ask(&(Start::Works, LONG));
        if answer.evidence.faults > 0 {
            let what = format!(
                "call number {} that makes a {fault:?} failed with {errno}",
                skipped + 1
            );
            failed(&answer.value, errno as i32, &what);
        } else {
            expect(
                &answer.value,
                &Exited(0),
                "nothing failed, and the program exited with 0",
            );
        }
        nothing_is_left(&answer);
    }
}

/// The soft and the hard limit of descriptors that [`lower_the_limit`] sets.
static LIMITS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

extern "C" fn lower_the_limit(_: i32) {
    let [soft, hard] = [0, 1].map(|which: usize| LIMITS[which].load(Relaxed));
    let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
}

/// When the caller runs out of descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum When {
    /// Before the call; it can still open this many.
    Before(usize),
    /// When the program has started. From then on the caller can neither open
    /// a descriptor nor poll more than this many.
    Started(usize),
}

/// What the program of this call writes.
fn output_of(call: usize) -> String {
    format!("output of call {call}\n")
}

#[proctor::test(clauses = [1, 2, 3, 6, 8, 9, 14, 15, 16], subject = |all: Vec<When>| -> Vec<(Ran, String)> {
    handle_by(Signal::SIGUSR2, lower_the_limit);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    let attempt = |(which, when): (usize, When)| {
        let gates = Gates::new();
        let mut command = sh("echo $$ >&7; read x <&9 && exit 5; echo alive >&8");
        let before = Surroundings::now();
        let (helper, returned) = helper(&gates, |help| {
            if help.program().is_some() {
                help.watch(5, Duration::from_millis(2));
                help.gates.open(1);
            }
        });
        // The kernel limits the number that a descriptor has, not how many there are.
        // SAFETY: looks at a number that may or may not be a descriptor.
        let is_free = |number: &RawFd| unsafe { libc::fcntl(*number, libc::F_GETFD) } == -1;
        let lowered = match when {
            When::Before(spare) => {
                let first_too_many = (0..).filter(is_free).nth(spare).unwrap_or_default();
                let _ = setrlimit(Resource::RLIMIT_NOFILE, first_too_many as u64, hard);
                first_too_many as u64
            }
            When::Started(most) => {
                LIMITS[0].store(most as u64, Relaxed);
                LIMITS[1].store(hard, Relaxed);
                most as u64
            }
        };
        // The child does this before it becomes the program, while the caller
        // waits in spawn: the output is there before anything can fail.
        let output = output_of(which);
        // SAFETY: write, kill and fork may be called after a fork.
        unsafe {
            command.pre_exec(move || {
                for stream in [1, 2] {
                    libc::write(stream, output.as_ptr().cast(), output.len());
                }
                if let When::Started(_) = when {
                    start(&[VOICE, GATE], || says_alive_when_the_gate_closes(None))?;
                    kill(nix::unistd::getppid(), Signal::SIGUSR2)?;
                }
                Ok(())
            });
        }
        let mut ran = run_only(&mut command, LONG);
        let left = getrlimit(Resource::RLIMIT_NOFILE);
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        drop(returned);
        let _ = kill(helper, Signal::SIGKILL);
        let _ = waitpid(helper, None);
        if left != Ok((lowered, hard)) {
            ran.reported = Wrong(format!(
                "the caller's limit of descriptors was {lowered}, and after the call it is {left:?}"
            ));
        }
        let changes = before.changes();
        if !changes.is_empty() {
            ran.reported = Wrong(format!(
                "the caller is not as it was before the call: {}", changes.join("; ")
            ));
        }
        if waitpid(None, Some(WaitPidFlag::WNOHANG)) != Err(Errno::ECHILD) {
            ran.reported = Wrong(format!(
                "the caller has a child after the call, which returned {:?}",
                ran.reported
            ));
        }
        let words = gates.last_words();
        while waitpid(None, None) != Err(Errno::ECHILD) {}
        (ran, words)
    };
    all.into_iter().enumerate().map(attempt).collect()
})]
fn an_error_in_the_middle_leaves_nothing_behind(mut subject: Subject) {
    let most = 14;
    let mut all: Vec<When> = (0..=most).map(When::Before).collect();
    all.extend([0, 1, 2, 3].map(When::Started));
    // After all these errors, a call is like the first one.
    all.push(When::Before(most));
    let answer = subject.ask(&all);
    for (which, (when, (ran, words))) in all.iter().zip(&answer.value).enumerate() {
        let what = match when {
            When::Before(spare) => format!("the caller could open {spare} more descriptors"),
            When::Started(_) => {
                "the caller could open no more descriptors as soon as the program had started"
                    .to_owned()
            }
        };
        // EINVAL is poll's error, when it is given more descriptors than the limit.
        let numbers = [Some(Errno::EMFILE as i32), Some(Errno::EINVAL as i32)];
        match &ran.reported {
            Exited(5) => {
                let output = output_of(which);
                expect_outputs(ran, output.as_bytes(), output.as_bytes());
            }
            Error(number, text) => {
                assert!(
                    *when != When::Before(most),
                    "{what}, which is enough, and run_with_timeout returned an error: {text}"
                );
                assert!(
                    numbers.contains(number),
                    "{what}, and run_with_timeout did not return the error of the kernel, but another one: {text}"
                );
            }
            Wrong(wrong) => panic!("{what}: {wrong}"),
            other => panic!(
                "{what}, and the contract says that the call returns the error; run_with_timeout reported {other:?}"
            ),
        }
        assert!(
            words.is_empty(),
            "{what}: run_with_timeout returned {:?}, and the program or another process of its group still ran after the call",
            ran.reported
        );
    }
    nothing_is_left(&answer);
}
