//! Judges the four parts of a supervisor, each on its own, by what the kernel
//! says of the programs.
//!
//! The programs are shell scripts. They wait for pipes, which the tests open when
//! something has happened, and not for time. Where a wrong answer waits for ever,
//! the deadline of the test ends it.
proctor::exercise!(supervisor);

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, killpg, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, gettid};
use proctor::{
    Answer, Failing, Failure, Fault, Gate, Left, Onlooker, Subject, Surroundings, Whose,
};
use serde::{Deserialize, Serialize};
use supervisor::{Backoff, Decision, Ending, Event, Policy, Restart, Running, Service};

// ------------------------------------------------------------------ plain data

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Exited(i32),
    Killed(i32),
}
use End::{Exited, Killed};

impl End {
    fn of(ending: Ending) -> End {
        match ending {
            Ending::Exited(code) => Exited(code),
            Ending::Killed(signal) => Killed(signal),
        }
    }

    fn ending(self) -> Ending {
        match self {
            Exited(code) => Ending::Exited(code),
            Killed(signal) => Ending::Killed(signal),
        }
    }
}

/// The number of an error, if it has one. It is shown with its name.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Number(Option<i32>);

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{:?}", Errno::from_raw(number)),
            None => write!(f, "an error without a number"),
        }
    }
}

type Result<T> = std::result::Result<T, Number>;

fn number(error: io::Error) -> Number {
    Number(error.raw_os_error())
}

fn errno(errno: Errno) -> Number {
    Number(Some(errno as i32))
}

/// What a wait for a program found.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Waited {
    Over(End),
    Runs,
}
use Waited::{Over, Runs};

impl fmt::Debug for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Over(end) => write!(f, "{end:?}"),
            Runs => write!(f, "a program that still runs"),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

// ---------------------------------------------------- the programs of the tests

/// A shell that runs a script. It has nothing to read, and writes to a pipe.
fn sh(script: &str, output: &PipeWriter) -> Command {
    let mut command = Command::new("/bin/sh");
    let output = output.try_clone().expect("a descriptor");
    command.args(["-c", script]);
    command.stdin(Stdio::null()).stdout(output);
    command
}

/// The same with a pipe to read from.
fn sh_reads(script: &str, input: &PipeReader, output: &PipeWriter) -> Command {
    let mut command = sh(script, output);
    command.stdin(input.try_clone().expect("a descriptor"));
    command
}

/// A program that ends with this exit code.
fn exits(code: i32) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("exit {code}"));
    command.stdin(Stdio::null());
    command
}

/// A program that ignores SIGTERM, and says when it does.
const STUBBORN: &str = "trap '' TERM; echo ready; exec sleep 1000";

/// Reads until the pipe has brought so many lines, or until its end.
fn lines(count: usize, mut output: &PipeReader) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while text.matches('\n').count() < count {
        match output.read(&mut byte) {
            Ok(1) => text.push(char::from(byte[0])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    text
}

fn pidfd(pid: Pid) -> OwnedFd {
    // SAFETY: two integers in, a new descriptor or -1 out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    assert!(fd >= 0, "the judge cannot open a pidfd");
    // SAFETY: the kernel has just made it for us.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// Starts a program as the type `Running` says, without Part 1.
fn start(mut command: Command) -> Running {
    command.process_group(0);
    #[allow(clippy::zombie_processes)]
    let child = command.spawn().expect("a program");
    let pid = Pid::from_raw(child.id().cast_signed());
    Running {
        pid,
        pidfd: pidfd(pid),
    }
}

/// Waits for a program and reaps it, unless the flags say otherwise.
fn await_end(pidfd: &OwnedFd, flags: WaitPidFlag) -> Result<Waited> {
    loop {
        match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED | flags) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Over(Exited(code))),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Over(Killed(signal as i32))),
            Ok(_) => return Ok(Runs),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(errno(error)),
        }
    }
}

fn reap(pidfd: &OwnedFd) -> Result<Waited> {
    await_end(pidfd, WaitPidFlag::empty())
}

// -------------------------------------------------------------- what /proc says

/// What is in `/proc/PID/stat` behind the name: state, parent, group, session,
/// terminal, its group, flags.
fn stat(pid: i32) -> Option<(char, [i32; 6])> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let state = words.next()?.chars().next()?;
    let mut numbers = [0; 6];
    for number in &mut numbers {
        *number = words.next()?.parse::<i64>().ok()? as i32;
    }
    Some((state, numbers))
}

fn has_pending(pid: i32, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let sets = status.lines().filter_map(|line| {
        let set = line
            .strip_prefix("SigPnd:")
            .or(line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(set.trim(), 16).ok()
    });
    sets.fold(0, |all, set| all | set) & (1 << (signal - 1)) != 0
}

/// What the processes of this group do: of each whether it sleeps and has not got
/// SIGKILL. Zombies are not among them.
fn members(group: i32) -> Vec<bool> {
    /// PF_EXITING in the kernel's include/linux/sched.h.
    const EXITING: i32 = 4;
    let everyone = std::fs::read_dir("/proc").expect("/proc").flatten();
    everyone
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| stat(pid).map(|(state, numbers)| (pid, state, numbers)))
        .filter(|(_, state, numbers)| numbers[1] == group && !['Z', 'X'].contains(state))
        .map(|(pid, state, numbers)| {
            let is_ending = numbers[5] & EXITING != 0 || has_pending(pid, libc::SIGKILL);
            ['S', 'T'].contains(&state) && !is_ending
        })
        .collect()
}

/// Whether a process of this group goes on living. A process that has got SIGKILL
/// does not, also if it has had no CPU since then.
fn survives(group: i32) -> bool {
    let mut asleep = 0;
    while asleep < 10 {
        let members = members(group);
        if members.is_empty() {
            return false;
        }
        asleep += i32::from(members.contains(&true));
        thread::sleep(ms(2));
    }
    true
}

/// Looks on, on a thread of its own, while the calling thread stops a program.
/// Returns whether the calling thread has reaped, or tried to, while a process of
/// the group had not got SIGKILL yet.
fn watch_the_order(group: i32, is_over: &'static AtomicBool) -> thread::JoinHandle<bool> {
    let watched = gettid();
    let reaps = move || -> Option<bool> {
        let call = std::fs::read_to_string(format!("/proc/self/task/{watched}/syscall")).ok()?;
        let mut words = call.split_whitespace();
        let number: i64 = words.next()?.parse().ok()?;
        let options = words.nth(if number == libc::SYS_waitid { 3 } else { 2 })?;
        let options = u64::from_str_radix(options.trim_start_matches("0x"), 16).ok()?;
        let only_looks = options & libc::WNOWAIT as u64 != 0;
        Some([libc::SYS_waitid, libc::SYS_wait4].contains(&number) && !only_looks)
    };
    thread::spawn(move || {
        let mut too_early = 0;
        while !is_over.load(SeqCst) && too_early < 3 {
            let reaps = reaps() == Some(true);
            too_early += i32::from(reaps && members(group).contains(&true));
            // Leaves the CPU to the thread that it watches.
            thread::sleep(Duration::from_micros(20));
        }
        too_early == 3
    })
}

// ------------------------------------------------------------- what is the same

/// What has changed in the caller, but for children, which the judge counts.
fn changes(before: &Surroundings) -> Vec<String> {
    // A thread of `std::thread::scope` may still be on its way out.
    let _ = proctor::threads_left();
    let mut changes = before.changes();
    changes.retain(|change| !(change.starts_with("child ") && change.contains(" is new ")));
    changes
}

#[track_caller]
fn nothing_changed(changes: &[String]) {
    assert!(
        changes.is_empty(),
        "the caller is not as it was before the call: {}",
        changes.join("; ")
    );
}

#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>) {
    // Processes that have left the group may live on.
    let left = Left {
        processes: u32::MAX,
        orphans: u32::MAX,
        ..Left::default()
    };
    answer.only_this_is_left(left, "the call has returned");
}

/// Watches the calling thread until it has often been found asleep, and then opens
/// a gate. Returns whether the thread has used much CPU time instead. Load on the
/// machine makes no difference: a thread that waits for a CPU is not asleep.
fn watch_me(mut gate: PipeWriter) -> thread::JoinHandle<bool> {
    let watched = gettid();
    // In hundredths of a second.
    let look = move || -> Option<(bool, u64)> {
        let text = std::fs::read_to_string(format!("/proc/self/task/{watched}/stat")).ok()?;
        let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let cpu = words.get(11)?.parse::<u64>().ok()? + words.get(12)?.parse::<u64>().ok()?;
        Some((words[0] == "S", cpu))
    };
    thread::spawn(move || {
        let (_, before) = look().expect("the thread");
        let (mut asleep, mut used) = (0, 0);
        while asleep < 60 && used < 10 {
            thread::sleep(ms(1));
            let (sleeps, cpu) = look().expect("the thread");
            asleep += i32::from(sleeps);
            used = cpu - before;
        }
        let _ = gate.write_all(b"\n");
        used >= 10
    })
}

/// Ends the test. If the subject hangs, says what that means.
#[track_caller]
fn hangs<A>(answered: std::result::Result<A, Failing>, meaning: &str) -> A {
    answered.unwrap_or_else(|failing| Gate::explained(failing, meaning).end())
}

// ------------------------------------------------------------- Part 1: launch

#[derive(Debug, Serialize, Deserialize)]
struct Found {
    pid: i32,
    of_the_pidfd: String,
    closes_on_exec: bool,
    is_child: bool,
    group: i32,
    is_in_the_session: bool,
    new_descriptors: Vec<String>,
    inherits: bool,
    output: String,
    ending: Result<Waited>,
    changes: Vec<String>,
}

#[proctor::test(clauses = [1, 5], subject = |(word, has_stdin): (String, bool)| -> Result<Found> {
    let (output, writer) = pipe().expect("a pipe");
    let (input, gate) = pipe().expect("a pipe");
    // The program inherits this one.
    let shared = fcntl(&gate, FcntlArg::F_DUPFD(60)).expect("a descriptor");
    if !has_stdin {
        // The next descriptor that somebody opens gets the number 0.
        // SAFETY: nobody uses standard input.
        unsafe { libc::close(0) };
    }
    let before = Surroundings::now();
    let script = "printf '%s %s %s\n' \"$0\" \"$WORD\" \"$PWD\"; read line; exit 7";
    let mut command = sh_reads(script, &input, &writer);
    command.arg(&word).env("WORD", &word).current_dir("/proc");
    let running = launch(command, &[])?;
    let pid = running.pid.as_raw();
    let (_, [parent, group, session, ..]) = stat(pid).expect("the program");
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", running.pidfd.as_raw_fd()));
    let flags = fcntl(&running.pidfd, FcntlArg::F_GETFD).unwrap_or(0);
    let output = lines(1, &output);
    let open = |pid: &str| -> Vec<String> {
        let all = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").flatten();
        all.filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?;
            Some(format!("{} ({})", entry.file_name().display(), target.display()))
        })
        .collect()
    };
    let mine = open("self");
    let mut new_descriptors = open(&pid.to_string());
    let inherits = mine.iter().any(|open| open.starts_with(&format!("{shared} (")) && new_descriptors.contains(open));
    new_descriptors.retain(|descriptor| {
        !mine.contains(descriptor) && !["0 (", "1 (", "2 ("].iter().any(|stream| descriptor.starts_with(stream))
    });
    (&gate).write_all(b"\n").expect("the program reads");
    let ending = reap(&running.pidfd);
    drop(running);
    let changes = changes(&before);
    if !has_stdin {
        let null = std::fs::File::open("/dev/null").expect("a file");
        assert!(null.into_raw_fd() == 0, "descriptor 0 is free again");
    }
    // SAFETY: made above, and nobody else has it.
    unsafe { libc::close(shared) };
    Ok(Found {
        pid,
        of_the_pidfd: info.unwrap_or_default(),
        closes_on_exec: flags & FdFlag::FD_CLOEXEC.bits() != 0,
        is_child: parent == getpid().as_raw(),
        group,
        // SAFETY: asks for a number.
        is_in_the_session: session == unsafe { libc::getsid(0) },
        new_descriptors,
        inherits,
        output,
        ending,
        changes,
    })
})]
fn the_program_leads_a_group_and_has_a_pidfd(mut subject: Subject) {
    for has_stdin in [true, false] {
        let word = format!("w{}", proctor::random::<u32>());
        let answer = subject.ask(&(word.clone(), has_stdin));
        match &answer.value {
            Ok(found) => is_launched(found, &word),
            Err(error) => panic!(
                "launch returned the error {error:?} for a shell (the caller has a standard input: {has_stdin})"
            ),
        }
        if let Some(started) = answer.evidence.processes_started {
            assert!(
                started == 1,
                "one call of launch started {started} processes"
            );
        }
        nothing_is_left(&answer);
    }
}

#[track_caller]
fn is_launched(found: &Found, word: &str) {
    assert!(
        found.is_child,
        "the program is not a child of the process that called launch"
    );
    assert!(
        found.group == found.pid,
        "the program is process {}, and it is in the process group {}: it does not lead a group of its own",
        found.pid,
        found.group
    );
    assert!(
        found.is_in_the_session,
        "the program is in a session of its own, and the contract leaves it in the caller's session"
    );
    let expected = format!("{word} {word} /proc\n");
    assert!(
        found.output == expected,
        "the program printed its argument, a variable and its working folder: {:?} instead of {expected:?}",
        found.output
    );
    assert!(
        found.new_descriptors.is_empty(),
        "the program has inherited descriptors that launch has opened: {:?}",
        found.new_descriptors
    );
    assert!(
        found.inherits,
        "the caller has a descriptor that is not close-on-exec, and the program has not inherited it: the command does not ask for that"
    );
    let pids: Vec<&str> = found
        .of_the_pidfd
        .lines()
        .filter_map(|line| line.strip_prefix("Pid:"))
        .map(str::trim)
        .collect();
    assert!(
        pids == [found.pid.to_string()],
        "the kernel says that the pidfd refers to {pids:?}, and the program is process {}",
        found.pid
    );
    assert!(
        found.closes_on_exec,
        "the pidfd is not close-on-exec: every other program that the caller starts would inherit it"
    );
    assert!(
        found.ending == Ok(Over(Exited(7))),
        "the program exited with 7, and the caller that waits for it gets {:?}",
        found.ending
    );
    nothing_changed(&found.changes);
}

/// Part 1. A thread of `std::thread::scope` may still be on its way out when the
/// call returns, here and in the other parts.
fn launch(command: Command, limits: &[(Resource, u64)]) -> Result<Running> {
    let launched = supervisor::launch(command, limits);
    let _ = proctor::threads_left();
    launched.map_err(number)
}

/// One limit: its number, its name in `/proc/PID/limits`, its value.
type Limit = (usize, String, u64);

const RESOURCES: [(Resource, &str); 4] = [
    (Resource::RLIMIT_NOFILE, "Max open files"),
    (Resource::RLIMIT_FSIZE, "Max file size"),
    (Resource::RLIMIT_STACK, "Max stack size"),
    (Resource::RLIMIT_AS, "Max address space"),
];

/// For a person.
fn named(limits: &[Limit]) -> Vec<String> {
    let named = |(index, _, value): &Limit| format!("{:?} = {value}", RESOURCES[*index].0);
    limits.iter().map(named).collect()
}

fn resources(limits: &[Limit]) -> Vec<(Resource, u64)> {
    let resource = |(index, _, value): &Limit| (RESOURCES[*index].0, *value);
    limits.iter().map(resource).collect()
}

/// Names with soft and hard limits, without the limit of CPU time, which the judge
/// changes.
fn table(limits: &str) -> Vec<(String, String, String)> {
    let rows = limits.lines().skip(1).filter_map(|line| {
        let (name, values) = line.split_at_checked(26)?;
        let mut values = values.split_whitespace().map(str::to_owned);
        Some((name.trim().to_owned(), values.next()?, values.next()?))
    });
    rows.filter(|(name, ..)| name != "Max cpu time").collect()
}

#[proctor::test(clauses = [2, 5], subject = |limits: Vec<Limit>| -> Result<(String, String, String, Vec<String>)> {
    let (mut output, writer) = pipe().expect("a pipe");
    let (mut seen, witness) = pipe().expect("a pipe");
    let (done, has_looked) = pipe().expect("a pipe");
    let mine = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let before = Surroundings::now();
    let mut command = sh("cat /proc/self/limits; echo >&2", &writer);
    let mut says = witness.try_clone().expect("a descriptor");
    command.stderr(has_looked.try_clone().expect("a descriptor"));
    let parent = getpid();
    let looked = done.try_clone().expect("a descriptor");
    let look = move || {
        says.write_all(std::fs::read_to_string(format!("/proc/{parent}/limits"))?.as_bytes())?;
        // exec closes descriptors, and by that the caller knows that it has
        // succeeded. Another process keeps them until the program has looked, so
        // that nobody can change its limits in time.
        let me = getpid().as_raw();
        // SAFETY: this process has one thread.
        if let ForkResult::Child = unsafe { fork() }? {
            let mut has_looked = [PollFd::new(looked.as_fd(), PollFlags::POLLIN)];
            let runs = || stat(me).is_some_and(|(state, _)| state != 'Z');
            while poll(&mut has_looked, PollTimeout::from(1_u8)) == Ok(0) && runs() {}
            // SAFETY: only ends the process.
            unsafe { libc::_exit(0) }
        }
        Ok(())
    };
    // SAFETY: the subject has one thread.
    unsafe { command.pre_exec(look) };
    let running = match launch(command, &resources(&limits)) {
        Ok(running) => running,
        // A limit that the caller has set for itself may be the reason.
        Err(error) => {
            let mut changes = changes(&before);
            if changes.is_empty() {
                return Err(error);
            }
            changes.push(format!("and launch has returned the error {error:?}"));
            return Ok((String::new(), String::new(), String::new(), changes));
        }
    };
    let _ = reap(&running.pidfd);
    drop(running);
    let changes = changes(&before);
    drop((writer, witness, has_looked));
    let (mut theirs, mut during) = (String::new(), String::new());
    output.read_to_string(&mut theirs).expect("limits");
    seen.read_to_string(&mut during).expect("limits");
    Ok((mine, theirs, during, changes))
})]
fn limits_are_the_programs_and_not_the_callers(mut subject: Subject) {
    let mut rng = proctor::rng();
    let values = [
        rng.u64(40..200),
        rng.u64(1 << 12..1 << 20),
        rng.u64(900..1000) << 12,
        rng.u64(900..1000) << 20,
    ];
    for chosen in [vec![], vec![0], vec![3, 1, 2, 0]] {
        let limit = |index: usize| (index, RESOURCES[index].1.to_owned(), values[index]);
        let limits: Vec<Limit> = chosen.into_iter().map(limit).collect();
        let answer = subject.ask(&limits);
        let (mine, theirs, during, changes) = match &answer.value {
            Ok(found) => found,
            Err(error) => panic!(
                "launch returned the error {error:?} with the limits {:?}",
                named(&limits)
            ),
        };
        assert!(
            table(during) == table(mine),
            "the limits of the caller itself are other ones while launch runs"
        );
        nothing_changed(changes);
        let theirs = table(theirs);
        for (name, soft, hard) in table(mine) {
            let set = limits.iter().find(|(_, limited, _)| *limited == name);
            let (soft, hard) = match set {
                Some((.., value)) => (value.to_string(), value.to_string()),
                None => (soft, hard),
            };
            let row = theirs.iter().find(|row| row.0 == name);
            let (_, is_soft, is_hard) = row.expect("a limit of the program");
            assert!(
                (is_soft, is_hard) == (&soft, &hard),
                "`{name}` of the program should be {soft} (soft) and {hard} (hard) when it begins, and /proc shows {is_soft} and {is_hard}"
            );
        }
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [2, 5, 6], subject = |(stack, arguments): (Option<u64>, usize)| -> Result<Waited> {
    let mut command = exits(4);
    command.args(vec!["x".repeat(10_000); arguments]);
    let limits: Vec<Limit> = stack.iter().map(|value| (2, String::new(), *value)).collect();
    let running = launch(command, &resources(&limits))?;
    reap(&running.pidfd)
})]
fn the_limits_hold_when_the_program_is_executed(mut subject: Subject) {
    // exec refuses arguments that need more than a quarter of the stack limit, or
    // more than 128 KiB if that is more.
    for (stack, arguments, expected) in [
        (Some(512 << 10), 1, Ok(Over(Exited(4)))),
        (Some(512 << 10), 40, Err(errno(Errno::E2BIG))),
        (Some(4 << 20), 40, Ok(Over(Exited(4)))),
    ] {
        let answer = subject.ask(&(stack, arguments));
        assert!(
            answer.value == expected,
            "with a stack limit of {} bytes and {} of 10,000 bytes, the result of launch and of the wait for the program has to be {expected:?}, and it was {:?}: the limit has to be in force before exec",
            stack.unwrap_or(0),
            proctor::count(arguments, "argument"),
            answer.value
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [3, 5], subject = |(): ()| -> Result<(String, Vec<String>)> {
    let ignored = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        if ![Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGCHLD].contains(&signal) {
            // SAFETY: installs no handler.
            unsafe { sigaction(signal, &ignored) }.expect("an ignored signal");
        }
    }
    let mut most = SigSet::all();
    most.remove(Signal::SIGXCPU);
    most.thread_block().expect("a mask");
    let (mut output, writer) = pipe().expect("a pipe");
    let before = Surroundings::now();
    let mut command = Command::new("cat");
    command.arg("/proc/self/status").stdout(writer.try_clone().expect("a descriptor"));
    let running = launch(command, &[])?;
    let _ = reap(&running.pidfd);
    drop(running);
    let mut changes = changes(&before);
    changes.retain(|change| !change.contains("pending"));
    drop(writer);
    let mut status = String::new();
    output.read_to_string(&mut status).expect("the status");
    Ok((status, changes))
})]
fn no_signal_is_blocked_or_ignored(mut subject: Subject) {
    let answer = subject.ask(&());
    let (status, changes) = match &answer.value {
        Ok(found) => found,
        Err(error) => panic!("launch returned the error {error:?} for cat"),
    };
    for (key, what) in [("SigBlk:", "blocks"), ("SigIgn:", "ignores")] {
        let set = status.lines().find_map(|line| line.strip_prefix(key));
        let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        let set = set.expect("a set of signals");
        let signals: Vec<u32> = (1..=31)
            .filter(|signal| set & 1 << (signal - 1) != 0)
            .collect();
        assert!(
            signals.is_empty(),
            "the program {what} the signals {signals:?} when it begins: it has inherited that from the caller, or from what launch did in the child"
        );
    }
    nothing_changed(changes);
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [4], subject = |(): ()| -> Result<(bool, Result<Waited>)> {
    let (output, writer) = pipe().expect("a pipe");
    let script = "trap '' TERM HUP INT QUIT USR1; echo ready; exec sleep 1000";
    let command = sh(script, &writer);
    drop(writer);
    let caller = thread::spawn(move || {
        let running = supervisor::launch(command, &[]);
        lines(1, &output);
        running
    });
    let running = caller.join().unwrap_or_else(|payload| resume_unwind(payload)).map_err(number)?;
    // The kernel sends the signal before the thread leaves this list.
    while std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        thread::yield_now();
    }
    let survives = survives(running.pid.as_raw());
    let _ = killpg(running.pid, Signal::SIGUSR2);
    Ok((survives, reap(&running.pidfd)))
})]
fn it_dies_with_the_thread_that_started_it(mut subject: Subject) {
    let answer = subject.ask(&());
    let (survives, ending) = match &answer.value {
        Ok(found) => found,
        Err(error) => panic!("launch returned the error {error:?} for a shell"),
    };
    assert!(
        !survives,
        "the thread that had called launch has ended, and the program still runs: the kernel was not asked to send it SIGKILL"
    );
    assert!(
        *ending == Ok(Over(Killed(9))),
        "the thread that had called launch has ended, and the program ended with {ending:?} instead of by SIGKILL"
    );
    nothing_is_left(&answer);
}

/// Kills `caller` when the calling process, its child, is about to ask for the
/// parent-death signal, and lets the child go on when the kernel has given it
/// another parent. Another process does that with ptrace(2). Returns whether the
/// machine allows it.
fn dies_at_the_prctl(caller: Pid) -> bool {
    let child = getpid();
    let (mut is_traced, mut says) = pipe().expect("a pipe");
    let (mut may, mut permits) = pipe().expect("a pipe");
    // SAFETY: this process has one thread.
    let tracer = match unsafe { fork() }.expect("a tracer") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let stops = ptrace::Options::PTRACE_O_TRACESYSGOOD;
            drop((is_traced, permits));
            let _ = may.read(&mut [0]);
            let _ = ptrace::seize(child, stops).and_then(|()| ptrace::interrupt(child));
            while let Ok(status) = waitpid(child, None) {
                match status {
                    WaitStatus::PtraceEvent(..) => says.write_all(b"+").expect("a reader"),
                    WaitStatus::PtraceSyscall(_) => {
                        let call = ptrace::syscall_info(child).expect("a call");
                        // SAFETY: all fields are numbers, and any number is valid.
                        let entry = unsafe { call.u.entry };
                        if call.op == libc::PTRACE_SYSCALL_INFO_ENTRY
                            && entry.nr == libc::SYS_prctl as u64
                            && entry.args[0] == libc::PR_SET_PDEATHSIG as u64
                        {
                            let _ = kill(caller, Signal::SIGKILL);
                            while stat(child.as_raw())
                                .is_some_and(|(_, numbers)| numbers[0] == caller.as_raw())
                            {
                                thread::yield_now();
                            }
                            let _ = ptrace::detach(child, None);
                            break;
                        }
                    }
                    WaitStatus::Stopped(_, signal) => {
                        let _ = ptrace::syscall(child, signal);
                        continue;
                    }
                    _ => break,
                }
                let _ = ptrace::syscall(child, None);
            }
            // SAFETY: only ends the process.
            unsafe { libc::_exit(0) }
        }
    };
    drop(says);
    // SAFETY: takes numbers. Where the call does not exist, no permission is needed.
    unsafe {
        libc::prctl(
            libc::PR_SET_PTRACER,
            libc::c_ulong::from(tracer.as_raw().cast_unsigned()),
        )
    };
    let _ = permits.write_all(b"+");
    is_traced.read(&mut [0]).is_ok_and(|count| count == 1)
}

#[proctor::test(clauses = [4], subject = |late: bool| -> Result<String> {
    let (mut reached, says) = pipe().expect("a pipe");
    let (mut gate, opens) = pipe().expect("a pipe");
    let (mut output, writer) = pipe().expect("a pipe");
    // SAFETY: the subject has one thread.
    let caller = match unsafe { fork() }.expect("a caller") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let mut command = sh("echo it runs, and its parent is process $PPID", &writer);
            let mut arrived = says.try_clone().expect("a descriptor");
            let caller = getpid();
            let wait = move || {
                arrived.write_all(b"+")?;
                gate.read_exact(&mut [0])?;
                if late && !dies_at_the_prctl(caller) {
                    return Err(Errno::EPERM.into());
                }
                Ok(())
            };
            // SAFETY: this process has one thread.
            unsafe { command.pre_exec(wait) };
            let launched = catch_unwind(AssertUnwindSafe(|| supervisor::launch(command, &[])));
            if let Err(payload) = launched {
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or(payload.downcast_ref::<String>().map(String::as_str));
                let message = text.unwrap_or("a panic");
                let _ = (&says).write_all(message.as_bytes());
            }
            // SAFETY: only ends the process.
            unsafe { libc::_exit(0) }
        }
    };
    drop((writer, says));
    let mut first = [0];
    if reached.read(&mut first).expect("a sign of life") == 0 || first[0] != b'+' {
        let mut rest = String::new();
        let _ = reached.read_to_string(&mut rest);
        let _ = waitpid(caller, None);
        panic!("{}{rest}", char::from(first[0]));
    }
    // The child is between fork and exec, and its parent dies: now, or a little
    // later.
    if !late {
        kill(caller, Signal::SIGKILL).expect("the caller");
        waitpid(caller, None).expect("the caller");
    }
    (&opens).write_all(b"!").expect("the child reads");
    if late {
        waitpid(caller, None).expect("the caller");
    }
    let mut text = String::new();
    output.read_to_string(&mut text).expect("what the program says");
    Ok(text)
})]
fn a_caller_that_is_dead_already_starts_nothing(mut subject: Subject) {
    for (late, when) in [
        (false, "before the first step of launch in the child"),
        (
            true,
            "when the child was just about to ask for the death signal",
        ),
    ] {
        let answer = subject.ask(&late);
        assert!(
            answer.value == Ok(String::new()),
            "the caller of launch was killed while its child was between fork and exec, {when}: no signal comes any more, and the program was executed all the same. It printed {:?}. (The new parent of a child whose parent has died is process 1, or another process that adopts orphans: see PR_SET_CHILD_SUBREAPER in prctl(2).)",
            answer.value.as_deref().unwrap_or_default().trim_end()
        );
    }
}

#[proctor::test(clauses = [5], subject = |code: i32| -> Result<Result<Waited>> {
    let mut command = exits(0);
    // The child ends before the exec. Another process keeps the descriptors that
    // exec would close until the child is a zombie.
    let end = move || {
        let me = getpid().as_raw();
        // SAFETY: this process has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                while stat(me).is_some_and(|(state, _)| state != 'Z') {
                    thread::yield_now();
                }
                // SAFETY: only ends the process.
                unsafe { libc::_exit(0) }
            }
            // SAFETY: likewise.
            _ => unsafe { libc::_exit(code) },
        }
    };
    // SAFETY: the subject has one thread.
    unsafe { command.pre_exec(end) };
    let running = launch(command, &[])?;
    Ok(reap(&running.pidfd))
})]
fn a_program_that_has_ended_already_can_be_waited_for(mut subject: Subject) {
    let code = proctor::rng().i32(1..200);
    let answer = subject.ask(&code);
    match answer.value {
        Ok(ending) => assert!(
            ending == Ok(Over(Exited(code))),
            "the process ended with code {code} before launch could look at it, and the caller that waits for it gets {ending:?}"
        ),
        Err(error) => panic!(
            "the process ended before launch could look at it: launch returned the error {error:?} instead of a program for which the caller can wait"
        ),
    }
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [6], faults = [Process], subject = |case: u8| -> Result<Vec<String>> {
    let before = Surroundings::now();
    let mut command = match case {
        0 => Command::new("/nowhere/at-all"),
        1 => Command::new("/proc"),
        _ => exits(0),
    };
    let mut limits = vec![];
    match case {
        2 => drop(command.current_dir("/nowhere")),
        3 => limits = vec![(Resource::RLIMIT_CORE, 0), (Resource::RLIMIT_NOFILE, u64::MAX), (Resource::RLIMIT_FSIZE, 1 << 20)],
        // SAFETY: returns a number.
        4 => drop(unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(libc::EXDEV))) }),
        _ => {}
    }
    match launch(command, &limits) {
        Ok(_) => Ok(vec![]),
        Err(error) if before.changes().is_empty() => Err(error),
        Err(_) => Ok(before.changes()),
    }
}, without_pidfd = |(): ()| -> Result<bool> {
    let (output, writer) = pipe().expect("a pipe");
    let mut command = sh("exec sleep 1000", &writer);
    drop(writer);
    let parent = getpid().as_raw();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let none = libc::rlimit { rlim_cur: 0, rlim_max: hard };
    let lower = move || {
        // From now on, the caller cannot open a descriptor.
        // SAFETY: the pointer is to a structure that outlives the call.
        let set = unsafe { libc::prlimit(parent, libc::RLIMIT_NOFILE, &raw const none, std::ptr::null_mut()) };
        Errno::result(set).map(drop).map_err(io::Error::from)
    };
    // SAFETY: the subject has one thread.
    unsafe { command.pre_exec(lower) };
    let launched = supervisor::launch(command, &[]);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("a limit");
    let _ = proctor::threads_left();
    match launched {
        // It has needed no descriptor any more.
        Ok(running) => {
            let _ = killpg(running.pid, Signal::SIGKILL);
            reap(&running.pidfd).map(|_| true)
        }
        Err(error) => {
            // The pipe ends when the program has ended.
            lines(1, &output);
            Err(number(error))
        }
    }
})]
fn errors_come_back_and_nothing_is_left(mut subject: Subject, mut without_pidfd: Subject) {
    for (case, what, expected) in [
        (0, "the program does not exist", Errno::ENOENT),
        (1, "the program is a folder", Errno::EACCES),
        (2, "the working folder does not exist", Errno::ENOENT),
        (
            3,
            "the second limit is above the hard limit that the system allows",
            Errno::EPERM,
        ),
        (
            4,
            "a pre_exec closure of the command returns EXDEV",
            Errno::EXDEV,
        ),
        (5, "fork fails with EAGAIN", Errno::EAGAIN),
        (5, "fork fails with ENOMEM", Errno::ENOMEM),
    ] {
        if case == 5 {
            subject.fail(Failure::of(Fault::Process, expected).whose(Whose::TheSubjects));
        }
        let answer = subject.ask(&case);
        match &answer.value {
            Ok(changes) if changes.is_empty() => {
                panic!("{what}, and launch returned a program that runs")
            }
            Ok(changes) => panic!(
                "{what}: launch returned an error, and the caller is not as before: {}",
                changes.join("; ")
            ),
            Err(error) => assert!(
                *error == errno(expected),
                "{what}: launch has to return the error {:?} (number {}), and it returned {error:?}",
                errno(expected),
                expected as i32
            ),
        }
        assert!(
            answer.evidence.children == 0,
            "{what}: launch returned an error, and a process that it started still runs"
        );
        nothing_is_left(&answer);
    }
    let answer = hangs(
        without_pidfd.try_ask(&()),
        "pidfd_open fails with EMFILE after the program was started, and the program runs on",
    );
    assert!(
        [Ok(true), Err(errno(Errno::EMFILE))].contains(&answer.value),
        "after the program was started, no descriptor can be opened for its pidfd: launch has to return EMFILE (number 24), and the result is {:?}",
        answer.value
    );
    nothing_is_left(&answer);
}

// --------------------------------------------------------------- Part 2: stop

/// What `stop` returned, and what it left of the group.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stopped {
    ending: Result<End>,
    took: Duration,
    survives: bool,
    changes: Vec<String>,
}

/// Starts a program, waits until it has written some lines, and stops it.
fn stop_when_ready(
    command: Command,
    ready: usize,
    output: &PipeReader,
    grace: Duration,
) -> Stopped {
    stop_after(command, grace, |_| drop(lines(ready, output)))
}

fn stop_after(command: Command, grace: Duration, first: impl FnOnce(&Running)) -> Stopped {
    // The command has descriptors that `start` closes.
    let running = start(command);
    let group = running.pid.as_raw();
    first(&running);
    let before = Surroundings::now();
    let pidfd = running.pidfd.as_raw_fd();
    let began = Instant::now();
    let ending = supervisor::stop(running, grace)
        .map(End::of)
        .map_err(number);
    let took = began.elapsed();
    let mut changes = changes(&before);
    let is_closed = changes.len();
    changes.retain(|change| {
        let is_its_own = change.starts_with(&format!("child {group} is gone"))
            || change.starts_with(&format!("file descriptor {pidfd} is gone"));
        !is_its_own
    });
    if is_closed - changes.len() != 2 {
        changes.push("the program is still a child, or its pidfd is still open".to_owned());
    }
    Stopped {
        ending,
        took,
        survives: survives(group),
        changes,
    }
}

#[proctor::test(clauses = [7, 11], subject = |(): ()| -> (Stopped, String) {
    let (output, writer) = pipe().expect("a pipe");
    let script = "
        (trap 'echo child; exit' TERM; sleep 1000 & echo ready; wait) &
        trap 'wait; echo leader; exit 7' TERM; echo ready; wait";
    let command = sh(script, &writer);
    drop(writer);
    let stopped = stop_when_ready(command, 2, &output, HOUR);
    (stopped, lines(2, &output))
})]
fn every_process_of_the_group_gets_sigterm(mut subject: Subject) {
    let meaning = "the program ends when a process that it has started gets SIGTERM and ends, and the call of stop does not return: not every process of the group has got SIGTERM";
    let answer = hangs(subject.try_ask(&()), meaning);
    let (stopped, said) = &answer.value;
    assert!(
        stopped.ending == Ok(Exited(7)) && said == "child\nleader\n",
        "at SIGTERM, the program and the process that it had started say so, and the program exits with 7 within its grace of an hour: stop returned {:?}, and they said {said:?}",
        stopped.ending
    );
    nothing_changed(&stopped.changes);
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [7, 9, 11], subject = |[first, second]: [bool; 2]| -> Stopped {
    let (output, writer) = pipe().expect("a pipe");
    let script = "
        sh -c 'trap exit TERM; sleep 1000 & echo $$; wait' &
        trap 'wait; exit 7' TERM; echo $$; wait";
    let command = sh(script, &writer);
    drop(writer);
    stop_after(command, HOUR, |running| {
        let pids = lines(2, &output);
        for pid in pids.lines().filter_map(|pid| pid.parse().ok()) {
            let is_the_program = pid == running.pid.as_raw();
            if (is_the_program && first) || (!is_the_program && second) {
                kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("a process of the group");
                Onlooker::of_process(pid).until_it_stops();
            }
        }
    })
})]
fn a_program_that_is_stopped_wakes_up_and_ends(mut subject: Subject) {
    for (stopped, who) in [
        ([true, false], "the program"),
        ([false, true], "a process that the program has started"),
        (
            [true, true],
            "the program and a process that it has started",
        ),
    ] {
        let meaning = format!(
            "SIGSTOP has stopped {who}, and the call of stop does not return: the whole group has got SIGTERM, but a stopped process does nothing before it gets SIGCONT"
        );
        let answer = hangs(subject.try_ask(&stopped), &meaning);
        assert!(
            answer.value.ending == Ok(Exited(7)),
            "SIGSTOP had stopped {who}. At SIGTERM and SIGCONT the program exits with 7, within its grace of an hour, and stop returned {:?}",
            answer.value.ending
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [8, 11], faults = [Wait], subject = |grace: Duration| -> Stopped {
    let (output, writer) = pipe().expect("a pipe");
    let command = sh(STUBBORN, &writer);
    drop(writer);
    stop_when_ready(command, 1, &output, grace)
})]
fn sigkill_comes_when_the_grace_is_over(mut subject: Subject) {
    for (grace, interruptions) in [
        (Duration::ZERO, 1),
        (Duration::from_nanos(1), 300),
        (ms(150), 0),
    ] {
        let meaning = format!(
            "the program ignores SIGTERM, and stop does not return though the grace of {grace:?} is over"
        );
        // As if signals came while stop waits for the process that it has killed.
        if interruptions > 0 {
            let interrupted = Failure::of(Fault::Wait, Errno::EINTR).times(interruptions);
            subject.fail(interrupted.whose(Whose::TheSubjects));
        }
        let answer = hangs(subject.try_ask(&grace), &meaning);
        let Stopped {
            ending,
            took,
            survives,
            changes,
        } = &answer.value;
        assert!(
            *ending == Ok(Killed(9)) && !survives,
            "the program ignores SIGTERM, and stop with a grace of {grace:?} returned {ending:?} instead of Killed(9). (The wait for the program was interrupted {}: it then fails with EINTR.)",
            proctor::count(interruptions as usize, "time")
        );
        assert!(
            *took >= grace,
            "the program got SIGKILL after {took:?}, and its grace was {grace:?}"
        );
        nothing_changed(changes);
        nothing_is_left(&answer);
    }
}

/// The gate that the last of so many signals opens.
static OPENS: AtomicI32 = AtomicI32::new(-1);
static LAST: AtomicI32 = AtomicI32::new(0);
static TICKS: AtomicI32 = AtomicI32::new(0);

extern "C" fn tick(_: i32) {
    let opens = OPENS.load(SeqCst);
    if TICKS.fetch_add(1, SeqCst) + 1 == LAST.load(SeqCst) && opens >= 0 {
        // SAFETY: writes one byte of a constant.
        unsafe { libc::write(opens, c"\n".as_ptr().cast(), 1) };
    }
}

/// Interrupts this process again and again, or not any more after zero.
///
/// The judge holds up each start of a process or thread, and with SA_RESTART the
/// kernel begins this call again. poll and its relatives fail with EINTR all the
/// same (man 7 signal).
fn interrupt_me(every: Duration) {
    let handler = SigHandler::Handler(tick);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler uses atomics and calls write.
    unsafe { sigaction(Signal::SIGALRM, &action) }.expect("a handler");
    TICKS.store(0, SeqCst);
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: every.as_micros() as _,
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // The judge holds up each setitimer. A tick must not interrupt that call: then
    // the old timer would go on.
    let mut alarm = SigSet::empty();
    alarm.add(Signal::SIGALRM);
    alarm.thread_block().expect("a mask");
    // SAFETY: the pointer is to a structure that outlives the call.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    alarm.thread_unblock().expect("a mask");
}

/// In place of a number of ticks: no signal comes.
const UNDISTURBED: i32 = -1;

#[proctor::test(clauses = [6, 8, 9, 11], subject = |(ticks, grace): (i32, Duration)| -> (Stopped, i32) {
    let (output, writer) = pipe().expect("a pipe");
    let (input, gate) = pipe().expect("a pipe");
    let script = match ticks {
        0 | UNDISTURBED => STUBBORN,
        _ => "trap 'read line; exit 7' TERM; sleep 1000 & echo ready; wait",
    };
    let every = if ticks > 100 { Duration::from_micros(100) } else { ms(2) };
    let command = sh_reads(script, &input, &writer);
    drop(writer);
    OPENS.store(gate.as_raw_fd(), SeqCst);
    LAST.store(ticks, SeqCst);
    let stopped = stop_after(command, grace, |_| {
        lines(1, &output);
        interrupt_me(if ticks == UNDISTURBED { ms(0) } else { every });
    });
    interrupt_me(ms(0));
    (stopped, TICKS.load(SeqCst))
})]
fn signals_neither_shorten_nor_lengthen_the_grace(mut subject: Subject) {
    // Some of them are just more than a number of milliseconds, microseconds or
    // nanoseconds in 32 or 64 bits.
    let long = [
        HOUR,
        ms((1 << 32) + 1),
        Duration::from_nanos(u64::MAX) + ms(1),
        Duration::from_secs((1 << 32) + 1),
        Duration::from_secs(1 << 63),
        Duration::MAX,
    ];
    let few = long.map(|grace| (12, grace));
    // And more than anybody would count.
    for (ticks, grace) in few.into_iter().chain([(1_100, HOUR)]) {
        let answer = hangs(
            subject.try_ask(&(ticks, grace)),
            "the program has ended, and stop does not return",
        );
        let ending = answer.value.0.ending;
        assert!(
            ending == Ok(Exited(7)),
            "the program needs a moment to end at SIGTERM and then exits with 7, while {ticks} signals interrupt the caller. Its grace is {grace:?}, and stop returned {ending:?}"
        );
        nothing_is_left(&answer);
    }
    let grace = ms(60);
    let undisturbed = hangs(
        subject.try_ask(&(UNDISTURBED, grace)),
        "the program ignores SIGTERM, and stop does not return though the grace of 60 ms is over",
    );
    let meaning = format!(
        "the program ignores SIGTERM, and its grace is 60 ms. Without signals, stop returned after {:?}. While a signal interrupts the caller every 2 ms, it does not return: after a signal, it may wait only for what is left of the grace",
        undisturbed.value.0.took
    );
    nothing_is_left(&undisturbed);
    let answer = hangs(subject.try_ask(&(0, grace)), &meaning);
    let Stopped { ending, took, .. } = &answer.value.0;
    assert!(
        *ending == Ok(Killed(9)) && *took >= grace,
        "the program ignores SIGTERM, a signal interrupts the caller every 2 ms, and stop with a grace of {grace:?} returned {ending:?} after {took:?}"
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [8, 9, 11], subject = |(): ()| -> (Result<End>, bool) {
    let (output, writer) = pipe().expect("a pipe");
    let (input, gate) = pipe().expect("a pipe");
    let script = "trap 'read line; exit 7' TERM; sleep 1000 & echo ready; wait";
    let running = start(sh_reads(script, &input, &writer));
    drop(writer);
    lines(1, &output);
    let watcher = watch_me(gate);
    let ending = supervisor::stop(running, HOUR).map(End::of).map_err(number);
    let is_busy = watcher.join().expect("the watcher");
    let _ = proctor::threads_left();
    (ending, is_busy)
})]
fn the_grace_takes_no_cpu_time(mut subject: Subject) {
    let answer = hangs(
        subject.try_ask(&()),
        "the program has ended, and stop does not return",
    );
    let (ending, is_busy) = answer.value;
    assert!(
        ending == Ok(Exited(7)),
        "the program exits with 7 at SIGTERM, within its grace of an hour, and stop returned {ending:?}"
    );
    assert!(
        !is_busy,
        "while the program ends, stop uses the CPU all the time: it asks again and again instead of waiting"
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [9, 11], subject = |(script, ready, has_ended): (String, usize, bool)| -> Stopped {
    let (output, writer) = pipe().expect("a pipe");
    let command = sh(&script, &writer);
    drop(writer);
    let grace = if script.contains("sleep 2000") { ms(20) } else { HOUR };
    stop_after(command, grace, |running| {
        lines(ready, &output);
        if has_ended {
            let _ = await_end(&running.pidfd, WaitPidFlag::WNOWAIT);
        }
    })
}, waits_in_vain = |(): ()| -> (Result<End>, bool, Result<Waited>) {
    let (output, writer) = pipe().expect("a pipe");
    let running = start(sh(STUBBORN, &writer));
    drop(writer);
    lines(1, &output);
    let group = running.pid;
    let process = running.pidfd.try_clone().expect("a descriptor");
    // poll refuses more descriptors than this limit, and no other can be opened.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 0, hard).expect("a limit");
    let ending = supervisor::stop(running, ms(20)).map(End::of).map_err(number);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("a limit");
    let _ = proctor::threads_left();
    let survives = survives(group.as_raw());
    let _ = killpg(group, Signal::SIGKILL);
    (ending, survives, reap(&process))
})]
fn what_is_left_of_the_group_is_killed(mut subject: Subject, mut waits_in_vain: Subject) {
    let answer = hangs(
        waits_in_vain.try_ask(&()),
        "poll fails, and stop does not return",
    );
    let (ending, survives, later) = &answer.value;
    let what = "the program ignores SIGTERM, and the caller's limit of descriptors is 0, so poll fails with EINVAL (number 22)";
    assert!(
        matches!(ending, Err(_) | Ok(Killed(9))),
        "{what}: stop returned {ending:?}"
    );
    assert!(
        !survives,
        "{what}: stop returned {ending:?}, and the program still runs: it has got no SIGKILL"
    );
    assert!(
        *later == Err(errno(Errno::ECHILD)),
        "{what}: stop returned {ending:?}, and has not reaped the program: another wait for it gets {later:?}"
    );
    nothing_is_left(&answer);
    let stubborn = "(trap '' TERM HUP; echo ready; exec sleep 1000) &";
    for (what, script, ready, has_ended, expected) in [
        (
            "ends at SIGTERM",
            format!("{stubborn} echo ready; wait"),
            2,
            false,
            Killed(15),
        ),
        (
            "had ended before the call",
            format!("{stubborn} exit 3"),
            1,
            true,
            Exited(3),
        ),
        (
            "ignores SIGTERM as well",
            format!("trap '' TERM; {stubborn} echo ready; exec sleep 2000"),
            2,
            false,
            Killed(9),
        ),
    ] {
        let answer = hangs(
            subject.try_ask(&(script, ready, has_ended)),
            "the program has ended, and stop waits for another process of its group",
        );
        let Stopped {
            ending, survives, ..
        } = &answer.value;
        assert!(
            *ending == Ok(expected),
            "the program {what}: stop has to return {expected:?}, and it returned {ending:?}"
        );
        assert!(
            !survives,
            "the program {what}, and a process of its group that ignores SIGTERM still runs after stop: it has got no SIGKILL"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [9, 11], faults = [Wait], subject = |(has_ended, grace): (bool, Duration)| -> (Stopped, bool) {
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    let (output, writer) = pipe().expect("a pipe");
    let end = if has_ended { "exit 3" } else { "wait" };
    let script = format!("(trap '' TERM HUP; echo ready; exec sleep 1000) & echo ready; {end}");
    let command = sh(&script, &writer);
    drop(writer);
    let running = start(command);
    lines(2, &output);
    if has_ended {
        // waitid would fail here and not in stop.
        let mut process = [PollFd::new(running.pidfd.as_fd(), PollFlags::POLLIN)];
        while poll(&mut process, PollTimeout::NONE) == Err(Errno::EINTR) {}
    }
    let group = running.pid.as_raw();
    let process = running.pidfd.try_clone().expect("a descriptor");
    IS_OVER.store(false, SeqCst);
    let watcher = watch_the_order(group, &IS_OVER);
    let ending = supervisor::stop(running, grace).map(End::of).map_err(number);
    IS_OVER.store(true, SeqCst);
    let too_early = watcher.join().expect("the watcher");
    let _ = proctor::threads_left();
    let survives = survives(group);
    // Only now, so that a group without a leader does not outlive this question.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    let _ = reap(&process);
    (Stopped { ending, took: Duration::ZERO, survives, changes: vec![] }, too_early)
})]
fn the_group_is_killed_before_the_program_is_reaped(mut subject: Subject) {
    for (has_ended, grace, what) in [
        (false, HOUR, "ends at SIGTERM"),
        (true, HOUR, "had ended before the call"),
        (
            true,
            Duration::ZERO,
            "had ended before the call, without a grace",
        ),
        (false, Duration::ZERO, "has no grace"),
    ] {
        let ended = match (has_ended, grace) {
            (true, _) => Exited(3),
            (false, HOUR) => Killed(libc::SIGTERM),
            (false, _) => Killed(libc::SIGKILL),
        };
        let still_runs = format!(
            "the program {what}, and a process of its group still runs when stop waits for the program, or after this wait has failed: the group gets SIGKILL only after the wait, when its number may belong to another group"
        );
        // After an error of the wait, there is nothing more to do: the group must have
        // been killed. Earlier waits may only have asked whether the program is there.
        let is_killed = (0..3).any(|others| {
            let failure = Failure::of(Fault::Wait, Errno::EIO).after(others);
            subject.fail(failure.whose(Whose::TheSubjects));
            let answer = hangs(
                subject.try_ask(&(has_ended, grace)),
                &format!("the program {what}. A call of waitid fails with EIO, and stop does not return"),
            );
            let Stopped {
                ending, survives, ..
            } = &answer.value.0;
            assert!(
                *ending == Err(errno(Errno::EIO)) || others > 0,
                "the program {what}. The first call of waitid (or of another function that waits for a process) failed with EIO, and stop returned {ending:?} instead of this error"
            );
            assert!(*ending == Err(errno(Errno::EIO)), "{still_runs}");
            !survives
        });
        assert!(is_killed, "{still_runs}");
        // As if signals came while stop waits.
        let interrupted = Failure::of(Fault::Wait, Errno::EINTR).times(300);
        subject.fail(interrupted.whose(Whose::TheSubjects));
        let answer = hangs(
            subject.try_ask(&(has_ended, grace)),
            &format!(
                "the program {what}. 300 signals interrupt the wait for it, and stop does not return"
            ),
        );
        let (
            Stopped {
                ending, survives, ..
            },
            too_early,
        ) = &answer.value;
        // With a grace of zero, SIGTERM may be as fast as SIGKILL.
        let may_be = ended == Killed(libc::SIGKILL) && *ending == Ok(Killed(libc::SIGTERM));
        assert!(
            *ending == Ok(ended) || may_be,
            "the program {what}. 300 signals interrupted the wait for it, and stop returned {ending:?} instead of {ended:?}"
        );
        assert!(!survives && !too_early, "{still_runs}");
    }
}

#[proctor::test(clauses = [10], subject = |grace: Duration| -> (Result<End>, bool, Result<Waited>) {
    let old = start(exits(0));
    let _ = reap(&old.pidfd);
    // The kernel has given the number to another process, which leads a group, too.
    let (output, writer) = pipe().expect("a pipe");
    let other = start(sh("echo ready; exec sleep 1000", &writer));
    drop(writer);
    lines(1, &output);
    let stale = Running { pid: other.pid, pidfd: old.pidfd };
    let ending = supervisor::stop(stale, grace).map(End::of).map_err(number);
    let _ = proctor::threads_left();
    let survives = survives(other.pid.as_raw());
    let _ = killpg(other.pid, Signal::SIGUSR1);
    (ending, survives, reap(&other.pidfd))
})]
fn a_process_with_the_same_number_is_left_alone(mut subject: Subject) {
    for grace in [Duration::ZERO, HOUR] {
        let answer = hangs(
            subject.try_ask(&grace),
            "the program has been reaped already, and stop waits for the process that has its number now",
        );
        let (ending, survives, of_the_other) = &answer.value;
        assert!(
            *survives && *of_the_other == Ok(Over(Killed(libc::SIGUSR1))),
            "the program has been reaped already, and the kernel has given its number to another process: stop signalled that process, or waited for it ({of_the_other:?})"
        );
        assert!(
            *ending == Err(errno(Errno::ESRCH)),
            "the program has been reaped already: stop has to return ESRCH (number 3), and it returned {ending:?}"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [11], core_files = true, subject = |(script, has_ended): (String, bool)| -> (Stopped, [Result<Waited>; 2]) {
    let (output, writer) = pipe().expect("a pipe");
    let dead = start(exits(9));
    let alive = start(sh("exec sleep 1000", &writer));
    let _ = await_end(&dead.pidfd, WaitPidFlag::WNOWAIT);
    let mut command = sh(&script, &writer);
    drop(writer);
    let dumps = || {
        proctor::leave_a_core_file();
        Ok(())
    };
    // SAFETY: the subject has one thread.
    unsafe { command.pre_exec(dumps) };
    let stopped = stop_after(command, HOUR, |running| {
        lines(1, &output);
        if has_ended {
            let _ = await_end(&running.pidfd, WaitPidFlag::WNOWAIT);
        }
    });
    for file in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(file.path());
    }
    let others = [&dead, &alive].map(|other| await_end(&other.pidfd, WaitPidFlag::WNOHANG));
    let _ = killpg(alive.pid, Signal::SIGKILL);
    let _ = reap(&alive.pidfd);
    (stopped, others)
})]
fn the_real_ending_comes_back(mut subject: Subject) {
    for (script, has_ended, expected) in [
        ("echo; exit 0", true, Exited(0)),
        ("echo; exit 255", true, Exited(255)),
        ("echo; kill -9 $$", true, Killed(9)),
        // The kernel writes a core file. In a wait status, that is a bit beside the
        // signal.
        ("echo; kill -SEGV $$", true, Killed(libc::SIGSEGV)),
        ("echo; kill -ABRT $$", true, Killed(libc::SIGABRT)),
        ("echo; exec sleep 1000", false, Killed(libc::SIGTERM)),
        (
            "trap 'exit 143' TERM; sleep 1000 & echo; wait",
            false,
            Exited(143),
        ),
    ] {
        let answer = hangs(
            subject.try_ask(&(script.to_owned(), has_ended)),
            "the program has ended, and stop does not return",
        );
        let (
            Stopped {
                ending, changes, ..
            },
            others,
        ) = &answer.value;
        assert!(
            *ending == Ok(expected),
            "the program is `{script}`: the kernel says {expected:?}, and stop returned {ending:?}"
        );
        assert!(
            *others == [Ok(Over(Exited(9))), Ok(Runs)],
            "the caller has two other children, one that exited with 9 and one that runs. After stop, the caller waits for both and gets {others:?}"
        );
        nothing_changed(changes);
        nothing_is_left(&answer);
    }
}

// ------------------------------------------------------------- Part 3: policy

/// A policy as plain data: 0 is Never, 1 is OnFailure, 2 is Always.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Rules {
    restart: u8,
    first_delay: Duration,
    max_delay: Duration,
    stable_after: Duration,
    max_restarts: u32,
    window: Duration,
}

/// As the policy that it stands for.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = format!("{:?}", self.policy());
        write!(
            f,
            "{}",
            policy.replace(&format!("{:?}", Duration::MAX), "Duration::MAX")
        )
    }
}

const NEVER: u8 = 0;
const ON_FAILURE: u8 = 1;
const ALWAYS: u8 = 2;

impl Rules {
    /// Without a limit of restarts, and no run is stable.
    fn new(restart: u8, first_delay: Duration) -> Rules {
        Rules {
            restart,
            first_delay,
            max_delay: Duration::MAX,
            stable_after: Duration::MAX,
            max_restarts: u32::MAX,
            window: Duration::MAX,
        }
    }

    fn policy(self) -> Policy {
        Policy {
            restart: match self.restart {
                NEVER => Restart::Never,
                ON_FAILURE => Restart::OnFailure,
                _ => Restart::Always,
            },
            first_delay: self.first_delay,
            max_delay: self.max_delay,
            stable_after: self.stable_after,
            max_restarts: self.max_restarts,
            window: self.window,
        }
    }
}

/// From when to when, and how it ended.
type Run = (Duration, Duration, Option<End>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Decided {
    RestartIn(Duration),
    Done,
    GiveUp,
}
use Decided::{GiveUp, RestartIn as In};

fn decide_all((rules, runs): (Rules, Vec<Run>)) -> Vec<Decided> {
    let mut backoff = Backoff::new(rules.policy());
    let decide =
        |(started, ended, end): Run| match backoff.decide(started, ended, end.map(End::ending)) {
            Decision::RestartIn(delay) => In(delay),
            Decision::Done => Decided::Done,
            Decision::GiveUp => GiveUp,
        };
    runs.into_iter().map(decide).collect()
}

/// Runs without length that fail at these times.
fn failures(times: &[u64]) -> Vec<Run> {
    let run = |time: &u64| (ms(*time), ms(*time), Some(Exited(1)));
    times.iter().map(run).collect()
}

fn in_words(runs: &[Run]) -> String {
    let run = |(started, ended, end): &Run| match end {
        Some(end) => format!("from {started:?} to {ended:?}, {end:?}"),
        None => format!("a start that failed at {ended:?}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join("; ")
}

/// Compares the decisions one by one, and tells what had come before.
#[track_caller]
fn decides(
    subject: &mut Subject<(Rules, Vec<Run>), Vec<Decided>>,
    rules: Rules,
    runs: &[Run],
    expected: &[Decided],
) {
    let answer = subject.ask(&(rules, runs.to_vec()));
    for (index, (got, wanted)) in answer.value.iter().zip(expected).enumerate() {
        let first = index.saturating_sub(3);
        assert!(
            got == wanted,
            "decision {} should be {wanted:?} and was {got:?}\nthe policy: {rules}\nthe last runs: {}\nthe decisions before: {}",
            index + 1,
            in_words(&runs[first..=index]),
            match &answer.value[first..index] {
                [] => "none".to_owned(),
                before => format!("{before:?}"),
            }
        );
    }
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [12], subject = |question: (Rules, Vec<Run>)| decide_all(question))]
fn the_policy_says_after_which_endings(mut subject: Subject) {
    let endings = [
        Some(Exited(0)),
        Some(Exited(1)),
        Some(Exited(143)),
        Some(Exited(255)),
        // No program exits with these numbers, and they are not 0.
        Some(Exited(256)),
        Some(Exited(i32::MIN)),
        Some(Killed(15)),
        Some(Killed(9)),
        Some(Killed(11)),
        None,
    ];
    for restart in [NEVER, ON_FAILURE, ALWAYS] {
        for ending in endings {
            let is_wanted = match restart {
                NEVER => false,
                ON_FAILURE => ending != Some(Exited(0)),
                _ => true,
            };
            let expected = if is_wanted { In(ms(70)) } else { Decided::Done };
            let run = (ms(10), ms(20), ending);
            decides(
                &mut subject,
                Rules::new(restart, ms(70)),
                &[run],
                &[expected],
            );
        }
    }
    // The limit of restarts is no matter of a program that shall not be restarted.
    let none = Rules {
        max_restarts: 0,
        ..Rules::new(ON_FAILURE, ms(70))
    };
    decides(
        &mut subject,
        none,
        &[(ms(1), ms(2), Some(Exited(0)))],
        &[Decided::Done],
    );
}

#[proctor::test(clauses = [13], subject = |question: (Rules, Vec<Run>)| decide_all(question))]
fn the_delay_doubles_up_to_a_limit(mut subject: Subject) {
    let first = Duration::from_nanos(proctor::rng().u64(1 << 20..1 << 24));
    let rules = Rules {
        max_delay: first * 11,
        ..Rules::new(ALWAYS, first)
    };
    let times = [0, 1, 2, 3, 4, 5, 6];
    let factors = [1, 2, 4, 8, 11, 11, 11];
    decides(
        &mut subject,
        rules,
        &failures(&times),
        &factors.map(|factor| In(first * factor)),
    );
    let exact = Rules {
        max_delay: first * 4,
        ..rules
    };
    let factors = [1, 2, 4, 4, 4, 4, 4];
    decides(
        &mut subject,
        exact,
        &failures(&times),
        &factors.map(|factor| In(first * factor)),
    );
    let less = Rules {
        max_delay: first / 2,
        ..rules
    };
    decides(&mut subject, less, &failures(&times), &[In(first / 2); 7]);
    let none = Rules {
        first_delay: Duration::ZERO,
        ..rules
    };
    decides(
        &mut subject,
        none,
        &failures(&times),
        &[In(Duration::ZERO); 7],
    );
    let zero = Rules {
        max_delay: Duration::ZERO,
        ..rules
    };
    decides(
        &mut subject,
        zero,
        &failures(&times),
        &[In(Duration::ZERO); 7],
    );
    // Far beyond all numbers.
    let many: Vec<u64> = (0..300).collect();
    let largest = Rules {
        max_delay: Duration::MAX,
        ..rules
    };
    let doubled = |steps: &u64| In((0..*steps).fold(first, |delay, _| delay.saturating_mul(2)));
    let expected: Vec<Decided> = many.iter().map(doubled).collect();
    decides(&mut subject, largest, &failures(&many), &expected);
    let capped = Rules {
        max_delay: HOUR,
        ..rules
    };
    let doubled = |steps: &u64| In((0..*steps).fold(first, |delay, _| (delay * 2).min(HOUR)));
    let expected: Vec<Decided> = many.iter().map(doubled).collect();
    decides(&mut subject, capped, &failures(&many), &expected);
    let at_once = Rules {
        first_delay: Duration::MAX,
        ..largest
    };
    decides(
        &mut subject,
        at_once,
        &failures(&times),
        &[In(Duration::MAX); 7],
    );
}

#[proctor::test(clauses = [12, 13, 14], subject = |question: (Rules, Vec<Run>)| decide_all(question))]
fn a_stable_run_starts_the_delays_anew(mut subject: Subject) {
    let rules = Rules {
        stable_after: ms(500),
        ..Rules::new(ALWAYS, ms(10))
    };
    let mut now = Duration::ZERO;
    let mut runs = Vec::new();
    let nearly = ms(500) - Duration::from_nanos(1);
    let lengths = [
        ms(0),
        ms(1),
        nearly,
        ms(500),
        nearly,
        ms(0),
        ms(501),
        ms(500),
        HOUR,
        ms(3),
        ms(3),
    ];
    for (index, length) in lengths.into_iter().enumerate() {
        // A pause between runs is no part of a run, and the ending is no matter.
        now += ms(700);
        let ending = [Some(Exited(0)), Some(Exited(1)), Some(Killed(9))][index % 3];
        runs.push((now, now + length, ending));
        now += length;
    }
    let expected = [10, 20, 40, 10, 20, 40, 10, 10, 10, 20, 40].map(|delay| In(ms(delay)));
    decides(&mut subject, rules, &runs, &expected);
    let always = Rules {
        stable_after: Duration::ZERO,
        ..rules
    };
    decides(
        &mut subject,
        always,
        &failures(&[1, 2, 3]),
        &[In(ms(10)); 3],
    );
    let not_started = [1, 2, 3].map(|time| (ms(time), ms(time), None));
    decides(&mut subject, always, &not_started, &[In(ms(10)); 3]);
    // The last delay was the longest.
    let short = Rules {
        max_delay: ms(15),
        ..rules
    };
    let runs = [
        (ms(0), ms(1), None),
        (ms(1), ms(2), None),
        (ms(2), ms(502), None),
        (ms(502), ms(503), None),
    ];
    decides(
        &mut subject,
        short,
        &runs,
        &[10, 15, 10, 15].map(|delay| In(ms(delay))),
    );
}

#[proctor::test(clauses = [12, 15], subject = |question: (Rules, Vec<Run>)| decide_all(question))]
fn too_many_restarts_in_a_window_are_the_end(mut subject: Subject) {
    let yes = In(ms(5));
    let rules = Rules {
        max_delay: ms(5),
        max_restarts: 3,
        window: ms(100),
        ..Rules::new(ON_FAILURE, ms(5))
    };
    for (times, expected) in [
        (vec![0, 1, 2, 3], vec![yes, yes, yes, GiveUp]),
        (vec![0, 0, 0, 0], vec![yes, yes, yes, GiveUp]),
        (vec![50, 60, 70, 149], vec![yes, yes, yes, GiveUp]),
        // At exactly the length of the window, the first restart does not count.
        (vec![50, 60, 70, 150, 159], vec![yes, yes, yes, yes, GiveUp]),
        (
            vec![50, 60, 70, 150, 160, 169],
            vec![yes, yes, yes, yes, yes, GiveUp],
        ),
        // No window that begins anew after each 100 ms.
        (vec![0, 98, 99, 101, 102], vec![yes, yes, yes, yes, GiveUp]),
        (
            vec![0, 90, 95, 180, 185, 190, 195],
            vec![yes, yes, yes, yes, GiveUp],
        ),
    ] {
        decides(&mut subject, rules, &failures(&times), &expected);
    }
    // Slowly, for ever.
    let slow: Vec<u64> = (0..1000).map(|time| time * 34).collect();
    decides(&mut subject, rules, &failures(&slow), &[yes; 1000]);
    // A stable run changes nothing.
    let stable = Rules {
        stable_after: ms(10),
        ..rules
    };
    let runs = [
        (ms(0), ms(1), None),
        (ms(1), ms(2), None),
        (ms(5), ms(40), None),
        (ms(40), ms(80), None),
    ];
    decides(&mut subject, stable, &runs, &[yes, yes, yes, GiveUp]);
    let none = Rules {
        max_restarts: 0,
        window: Duration::ZERO,
        ..rules
    };
    decides(&mut subject, none, &failures(&[7]), &[GiveUp]);
    let one = Rules {
        max_restarts: 1,
        window: Duration::MAX,
        ..rules
    };
    decides(&mut subject, one, &failures(&[7, 1 << 40]), &[yes, GiveUp]);
    let no_window = Rules {
        max_restarts: 1,
        window: Duration::ZERO,
        ..rules
    };
    decides(&mut subject, no_window, &failures(&[7; 50]), &[yes; 50]);
    let large = Rules {
        max_restarts: 300,
        ..rules
    };
    let mut expected = vec![yes; 300];
    expected.push(GiveUp);
    decides(&mut subject, large, &failures(&[7; 301]), &expected);
}

#[proctor::test(clauses = [12, 15], subject = |(rules, runs): (Rules, u64)| -> bool {
    let mut backoff = Backoff::new(rules.policy());
    (0..runs).all(|run| {
        let now = ms(run * 40);
        matches!(backoff.decide(now, now, None), Decision::RestartIn(_))
    })
})]
fn a_service_that_fails_for_years_takes_no_memory(mut subject: Subject) {
    let rules = Rules {
        max_delay: ms(5),
        max_restarts: u32::MAX,
        window: ms(1000),
        ..Rules::new(ALWAYS, ms(5))
    };
    let answer = subject.ask(&(rules, 70_000));
    assert!(
        answer.value,
        "a program fails 25 times in each window and may be restarted {} times, and decide did not restart it",
        u32::MAX
    );
    let peak = answer.evidence.heap.peak;
    assert!(
        peak < 32 << 10,
        "never more than 25 restarts are in the window, and after 70,000 restarts the Backoff has used {peak} bytes: it keeps restarts that do not count any more, or reserves memory for the limit"
    );
    nothing_is_left(&answer);
}

// ---------------------------------------------------------- Part 4: supervise

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Seen {
    Started(i32),
    NotStarted(Number),
    Ended(End),
    RestartIn(Duration),
    Done,
    GaveUp,
    Stopped(End),
}

impl Seen {
    fn of(event: Event) -> Seen {
        match event {
            Event::Started(pid) => Seen::Started(pid.as_raw()),
            Event::NotStarted(error) => Seen::NotStarted(number(error)),
            Event::Ended(ending) => Seen::Ended(End::of(ending)),
            Event::RestartIn(delay) => Seen::RestartIn(delay),
            Event::Done => Seen::Done,
            Event::GaveUp => Seen::GaveUp,
            Event::Stopped(ending) => Seen::Stopped(End::of(ending)),
        }
    }
}

/// What a call of `supervise` did.
#[derive(Debug, Serialize, Deserialize)]
struct Story {
    events: Vec<(usize, Seen)>,
    /// Since the call.
    times: Vec<Duration>,
    /// What was wrong in the calls of `log`.
    complaints: Vec<String>,
    error: Option<String>,
}

fn service(rules: Rules, grace: Duration, command: impl FnMut() -> Command + 'static) -> Service {
    Service {
        command: Box::new(command),
        limits: vec![],
        policy: rules.policy(),
        grace,
    }
}

/// Calls `supervise` and notes its events. `on` is called with each.
fn supervise(services: Vec<Service>, stop: &PipeReader, mut on: impl FnMut(usize, &Seen)) -> Story {
    let mut story = Story {
        events: vec![],
        times: vec![],
        complaints: vec![],
        error: None,
    };
    let mut running: Vec<Option<i32>> = vec![None; services.len()];
    let (began, thread) = (Instant::now(), gettid());
    let result = supervisor::supervise(services, stop.as_fd(), |index, event| {
        let seen = Seen::of(event);
        if gettid() != thread {
            story.complaints.push(
                "log was called on another thread than the one that called supervise".to_owned(),
            );
        }
        match seen {
            Seen::Started(pid) => {
                let is_child =
                    stat(pid).is_some_and(|(_, numbers)| numbers[0] == getpid().as_raw());
                if !is_child {
                    story.complaints.push(format!(
                        "Started({pid}) was logged, and the caller has no such child"
                    ));
                }
                running[index] = Some(pid);
            }
            Seen::Ended(_) | Seen::Stopped(_) => {
                let pid = running[index].take();
                if pid.is_some_and(|pid| stat(pid).is_some()) {
                    story.complaints.push(format!(
                        "{seen:?} was logged, and the program had not been reaped yet"
                    ));
                }
            }
            _ => {}
        }
        story.times.push(began.elapsed());
        story.events.push((index, seen.clone()));
        on(index, &seen);
    });
    let _ = proctor::threads_left();
    story.error = result.err().map(|error| error.to_string());
    story
}

impl Story {
    /// The events of one service, in words.
    fn of(&self, service: usize) -> Vec<String> {
        let its = self.events.iter().filter(|(index, _)| *index == service);
        its.map(|(_, seen)| match seen {
            Seen::Started(_) => "Started".to_owned(),
            Seen::NotStarted(number) => format!("NotStarted({number:?})"),
            Seen::Ended(end) => format!("Ended({end:?})"),
            Seen::Stopped(end) => format!("Stopped({end:?})"),
            Seen::RestartIn(delay) => format!("RestartIn({delay:?})"),
            Seen::Done => "Done".to_owned(),
            Seen::GaveUp => "GaveUp".to_owned(),
        })
        .collect()
    }

    #[track_caller]
    fn is_in_order(&self) {
        if let Some(complaint) = self.complaints.first() {
            panic!("{complaint}");
        }
        assert!(
            self.error.is_none(),
            "supervise returned the error {:?}",
            self.error
        );
    }

    #[track_caller]
    fn has(&self, service: usize, what: &str, expected: &str) {
        let got = self.of(service);
        let expected: Vec<String> = expected.split_whitespace().map(str::to_owned).collect();
        if got == expected {
            return;
        }
        let first = got.iter().zip(&expected).take_while(|(a, b)| a == b);
        let first = first.count();
        let named = |events: &[String]| match events.get(first) {
            Some(event) => event.clone(),
            None => "missing".to_owned(),
        };
        let should = match expected.get(first) {
            Some(event) => format!("should be {event}"),
            None => "should not be there".to_owned(),
        };
        panic!(
            "service {service} {what}, so its events are\n  {}\nand the log has\n  {}\nEvent {} {should}, and it is {}",
            around(&expected, first),
            around(&got, first),
            first + 1,
            named(&got)
        );
    }
}

/// A few events before and after this place, or all if they are few.
fn around(events: &[String], place: usize) -> String {
    if events.is_empty() {
        return "(none)".to_owned();
    }
    if events.len() <= 14 {
        return events.join(" ");
    }
    let (from, to) = (place.saturating_sub(3), events.len().min(place + 3));
    let (before, after) = (
        if from > 0 { "… " } else { "" },
        if to < events.len() { " …" } else { "" },
    );
    format!(
        "{before}{}{after} ({} in all)",
        events[from..to].join(" "),
        proctor::count(events.len(), "event")
    )
}

/// A pipe of which no end is closed: no stop request.
fn no_request() -> (PipeReader, PipeWriter) {
    pipe().expect("a pipe")
}

#[proctor::test(clauses = [1, 2, 5, 11, 16, 22], subject = |limit: u64| -> (Story, String, Vec<String>) {
    let (output, writer) = pipe().expect("a pipe");
    let (input, gate) = pipe().expect("a pipe");
    let (stop, _open) = no_request();
    let before = Surroundings::now();
    let never = Rules::new(NEVER, ms(0));
    let says = |script: &str| {
        let (script, writer, input) = (script.to_owned(), writer.try_clone().expect("a descriptor"), input.try_clone().expect("a descriptor"));
        move || sh_reads(&script, &input, &writer)
    };
    let mut services = vec![
        service(never, HOUR, says("echo 0 $$; read line; exit 3")),
        service(never, HOUR, says("echo 1 $$; read line; kill -9 $$")),
        service(never, HOUR, says("echo 2 $$ $(ulimit -n); read line; exit 0")),
    ];
    services[2].limits.push((Resource::RLIMIT_NOFILE, limit));
    let mut said = String::new();
    let story = supervise(services, &stop, |index, seen| {
        if index == 2 && matches!(seen, Seen::Started(_)) {
            said = lines(3, &output);
            let _ = (&gate).write_all(b"\n\n\n");
        }
    });
    (story, said, changes(&before))
})]
fn all_services_run_and_their_ends_are_logged(mut subject: Subject) {
    let limit = proctor::rng().u64(50..200);
    let meaning = "three programs wait until all three have been started, and supervise does not start them all";
    let answer = hangs(subject.try_ask(&limit), meaning);
    let (story, said, changes) = &answer.value;
    story.is_in_order();
    story.has(
        0,
        "exits with 3 and is not restarted",
        "Started Ended(Exited(3)) Done",
    );
    story.has(
        1,
        "dies by SIGKILL and is not restarted",
        "Started Ended(Killed(9)) Done",
    );
    story.has(
        2,
        "exits with 0 and is not restarted",
        "Started Ended(Exited(0)) Done",
    );
    let mut expected = Vec::new();
    let mut order = Vec::new();
    for (index, seen) in &story.events {
        if let Seen::Started(pid) = seen {
            order.push(*index);
            let limit = if *index == 2 {
                format!(" {limit}")
            } else {
                String::new()
            };
            expected.push(format!("{index} {pid}{limit}"));
        }
    }
    assert!(
        order == [0, 1, 2],
        "supervise has to start the services in the order 0, 1, 2, and it started them in the order {order:?}"
    );
    let mut said: Vec<&str> = said.lines().collect();
    said.sort_unstable();
    assert!(
        said == expected,
        "by the log, the programs have these numbers, and service 2 this limit of descriptors: {expected:?}. The programs themselves say {said:?}"
    );
    nothing_changed(changes);
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [1, 2, 5, 11, 13, 14, 16, 17, 22], subject = |limit: u64| -> (Story, String) {
    let (stop, _open) = no_request();
    let (output, writer) = pipe().expect("a pipe");
    let mut runs = 0;
    let thrice = move || {
        runs += 1;
        exits(i32::from(runs <= 4))
    };
    let fast = Rules { max_delay: ms(25), ..Rules::new(ON_FAILURE, ms(10)) };
    let twice = Rules { max_restarts: 2, ..Rules::new(ALWAYS, ms(7)) };
    let stable = Rules { stable_after: ms(40), max_restarts: 2, ..Rules::new(ALWAYS, ms(30)) };
    let sleeps = || {
        let mut command = Command::new("sleep");
        command.arg("0.05");
        command
    };
    let mut services = vec![
        service(fast, HOUR, thrice),
        service(twice, HOUR, move || sh("ulimit -n", &writer)),
        service(Rules::new(NEVER, ms(0)), HOUR, || exits(1)),
        service(stable, HOUR, sleeps),
    ];
    services[1].limits.push((Resource::RLIMIT_NOFILE, limit));
    OPENS.store(-1, SeqCst);
    interrupt_me(ms(10));
    let story = supervise(services, &stop, |_, _| ());
    interrupt_me(ms(0));
    (story, lines(4, &output))
})]
fn each_service_is_restarted_by_its_own_policy(mut subject: Subject) {
    let limit = proctor::rng().u64(50..200);
    let answer = hangs(
        subject.try_ask(&limit),
        "the policy of each service allows at most four restarts, and supervise does not return",
    );
    let (story, limits) = &answer.value;
    story.is_in_order();
    story.has(
        0,
        "exits with 1 four times and then with 0; its policy is OnFailure, with delays of 10 to 25 ms",
        "Started Ended(Exited(1)) RestartIn(10ms) Started Ended(Exited(1)) RestartIn(20ms) Started Ended(Exited(1)) RestartIn(25ms) Started Ended(Exited(1)) RestartIn(25ms) Started Ended(Exited(0)) Done",
    );
    story.has(
        1,
        "exits with 0; its policy is Always, with two restarts",
        "Started Ended(Exited(0)) RestartIn(7ms) Started Ended(Exited(0)) RestartIn(14ms) Started Ended(Exited(0)) GaveUp",
    );
    story.has(
        2,
        "exits with 1; its policy is Never",
        "Started Ended(Exited(1)) Done",
    );
    story.has(
        3,
        "runs for 50 ms, which is stable; its policy is Always, with two restarts",
        "Started Ended(Exited(0)) RestartIn(30ms) Started Ended(Exited(0)) RestartIn(30ms) Started Ended(Exited(0)) GaveUp",
    );
    for service in 0..4 {
        let its: Vec<_> = story
            .events
            .iter()
            .zip(&story.times)
            .filter(|((index, _), _)| *index == service)
            .collect();
        for three in its.windows(3) {
            // The decision was made between the first two of them.
            if let ((_, Seen::RestartIn(delay)), _) = three[1] {
                let passed = *three[2].1 - *three[0].1;
                assert!(
                    passed >= *delay,
                    "service {service} should be started again after {delay:?}, and it was started after {passed:?}"
                );
            }
        }
    }
    assert!(
        *limits == format!("{limit}\n").repeat(3),
        "service 1 prints its limit of descriptors at each start. It should be {limit} three times, and the service printed {limits:?}"
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [1, 5, 6, 11, 12, 14, 16, 17, 20, 22], subject = |(delay, starts): (Duration, u32)| -> Story {
    let (stop, _open) = no_request();
    let rules = Rules { stable_after: delay, max_restarts: 2, ..Rules::new(ALWAYS, delay) };
    let mut count = 0;
    let command = move || {
        count += 1;
        if count <= starts { exits(1) } else { Command::new("/nowhere/at-all") }
    };
    supervise(vec![service(rules, HOUR, command)], &stop, |_, _| ())
}, is_held = |stable: Duration| -> (Story, Option<Duration>) {
    let (stop, _open) = no_request();
    let (input, gate) = pipe().expect("a pipe");
    let rules = Rules { stable_after: stable, max_restarts: 2, ..Rules::new(ALWAYS, ms(1)) };
    let reads = move || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read line"]).stdin(input.try_clone().expect("a descriptor"));
        command
    };
    let (mut restarts, mut returned, mut rest) = (0, None, None);
    let story = supervise(vec![service(rules, HOUR, reads)], &stop, |_, seen| match seen {
        Seen::Started(_) => {
            // The program runs meanwhile. Another clock may be a little slower.
            thread::sleep(stable + ms(20));
            let _ = (&gate).write_all(b"\n");
            returned = Some(Instant::now());
        }
        Seen::RestartIn(_) => {
            restarts += 1;
            if restarts == 2 {
                rest = returned.map(|returned| returned.elapsed());
            }
        }
        _ => {}
    });
    (story, rest)
})]
fn each_run_begins_with_its_own_start(mut subject: Subject, mut is_held: Subject) {
    // A start that fails has no length, also if the last good one was long ago.
    let answer = subject.ask(&(ms(20), 1));
    answer.value.is_in_order();
    answer.value.has(
        0,
        "exits with 1 at once and cannot be started any more. A run of 20 ms would be stable, and each delay is as long",
        "Started Ended(Exited(1)) RestartIn(20ms) NotStarted(ENOENT) RestartIn(40ms) NotStarted(ENOENT) GaveUp",
    );
    nothing_is_left(&answer);
    // On a busy machine, what is left of the run when the log has returned may be
    // long, too. Then this shows nothing.
    for stable in [ms(50), ms(300), ms(1500)] {
        let answer = is_held.ask(&stable);
        let (story, rest) = &answer.value;
        story.is_in_order();
        nothing_is_left(&answer);
        story.has(
            0,
            &format!("has runs that are longer than {stable:?}, which is stable: `log` returns so long after it got Started, and the program ends only then. A run begins when the program is started, and not when `log` has returned. There are two restarts, with a first delay of 1 ms"),
            "Started Ended(Exited(0)) RestartIn(1ms) Started Ended(Exited(0)) RestartIn(1ms) Started Ended(Exited(0)) GaveUp",
        );
        if rest.is_some_and(|rest| rest < stable) {
            break;
        }
    }
    // On a busy machine, even a short run takes its time.
    for delay in [ms(30), ms(200), ms(1000)] {
        let answer = subject.ask(&(delay, u32::MAX));
        let story = &answer.value;
        story.is_in_order();
        nothing_is_left(&answer);
        // The events are Started, Ended, RestartIn and the same again. The first
        // decision comes after the first Ended, and the second run begins a delay
        // later and ends before the second RestartIn.
        if story.times.len() > 5 && story.times[5] - story.times[1] < delay * 2 {
            let expected = format!(
                "Started Ended(Exited(1)) RestartIn({delay:?}) Started Ended(Exited(1)) RestartIn({:?}) Started Ended(Exited(1)) GaveUp",
                delay * 2
            );
            story.has(
                0,
                &format!("exits with 1 at once. A run of {delay:?} would be stable, and the second run was shorter, though it ended longer than that after the first start"),
                &expected,
            );
            return;
        }
    }
}

#[proctor::test(clauses = [1, 5, 9, 11, 16, 18, 22], subject = |end: String| -> (Story, bool, bool) {
    let (output, writer) = pipe().expect("a pipe");
    let (input, gate) = pipe().expect("a pipe");
    let (stop, _open) = no_request();
    let script = format!("(trap '' TERM HUP; echo ready; exec sleep 1000) & read line; {end}");
    let services = vec![service(Rules::new(NEVER, ms(0)), HOUR, move || sh_reads(&script, &input, &writer))];
    let (mut group, mut left) = (0, false);
    let story = supervise(services, &stop, |_, seen| match seen {
        Seen::Started(pid) => {
            group = *pid;
            lines(1, &output);
            let _ = (&gate).write_all(b"\n");
        }
        Seen::Ended(_) => left = survives(group),
        _ => {}
    });
    (story, left, survives(group))
})]
fn what_a_program_leaves_behind_is_killed(mut subject: Subject) {
    for (script, end) in [
        ("exit 0", Exited(0)),
        ("exit 3", Exited(3)),
        ("kill -KILL $$", Killed(libc::SIGKILL)),
        ("kill -SEGV $$", Killed(libc::SIGSEGV)),
    ] {
        let answer = hangs(
            subject.try_ask(&script.to_owned()),
            "the program has ended, and supervise waits for another process of its group",
        );
        let (story, left, at_the_end) = &answer.value;
        story.is_in_order();
        let expected = format!("Started Ended({end:?}) Done");
        story.has(0, &format!("ends with `{script}`"), &expected);
        assert!(
            !at_the_end,
            "the program has ended with `{script}` and left a process in its group, and that process still runs when supervise has returned: it has got no SIGKILL"
        );
        assert!(
            !left,
            "the program has ended with `{script}` and left a process in its group, and that process still runs when Ended is logged: it gets SIGKILL only afterwards"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [1, 5, 11, 13, 16, 17, 19, 20, 22], subject = |(): ()| -> Story {
    let (output, writer) = pipe().expect("a pipe");
    let (input, gate) = pipe().expect("a pipe");
    let (stop, request) = pipe().expect("a pipe");
    let runs = move || sh("echo ready; exec sleep 1000", &writer);
    let waits = move || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read line"]).stdin(input.try_clone().expect("a descriptor"));
        command
    };
    let once = Rules { max_restarts: 1, ..Rules::new(ALWAYS, ms(1)) };
    let services = vec![
        service(Rules::new(NEVER, ms(0)), HOUR, runs),
        service(Rules::new(ON_FAILURE, HOUR), HOUR, || exits(1)),
        service(once, HOUR, waits),
        service(Rules::new(ALWAYS, Duration::MAX), HOUR, || exits(0)),
        // These two never wait.
        service(Rules::new(ALWAYS, ms(0)), HOUR, || exits(0)),
        service(Rules::new(ALWAYS, ms(0)), HOUR, || Command::new("/nowhere/at-all")),
    ];
    let mut long = 0;
    let mut story = supervise(services, &stop, |index, seen| match (index, seen) {
        (0, Seen::Started(_)) => drop(lines(1, &output)),
        (1 | 3, Seen::RestartIn(_)) => {
            long += 1;
            if long == 2 {
                // The two runs of service 2 can end.
                let _ = (&gate).write_all(b"\n\n");
            }
        }
        (2, Seen::GaveUp) => drop((&request).write_all(b"!")),
        _ => {}
    });
    story.events.retain(|(index, _)| *index < 4);
    story
})]
fn no_service_waits_for_another(mut subject: Subject) {
    let meaning = "service 0 runs for long, services 1 and 3 wait for long until their restart, services 4 and 5 are restarted all the time, and service 2 ends twice: supervise does not handle the end of one service while another runs or waits";
    let answer = hangs(subject.try_ask(&()), meaning);
    let story = &answer.value;
    story.is_in_order();
    story.has(
        0,
        "runs until the stop request",
        "Started Stopped(Killed(15))",
    );
    story.has(
        1,
        "waits an hour until its restart",
        "Started Ended(Exited(1)) RestartIn(3600s)",
    );
    story.has(
        2,
        "ends twice, and has one restart",
        "Started Ended(Exited(0)) RestartIn(1ms) Started Ended(Exited(0)) GaveUp",
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [1, 5, 6, 11, 12, 16, 20, 22], subject = |(): ()| -> Story {
    let (stop, _open) = no_request();
    let twice = Rules { max_restarts: 2, ..Rules::new(ON_FAILURE, ms(1)) };
    let stable = Rules { stable_after: Duration::from_nanos(1), ..twice };
    let mut starts = 0;
    let later = move || {
        starts += 1;
        if starts < 3 { Command::new("/nowhere/at-all") } else { exits(0) }
    };
    let services = vec![
        service(twice, HOUR, || Command::new("/nowhere/at-all")),
        service(Rules::new(NEVER, ms(1)), HOUR, || Command::new("/proc")),
        service(stable, HOUR, later),
    ];
    supervise(services, &stop, |_, _| ())
})]
fn a_failed_start_is_a_failed_run(mut subject: Subject) {
    let answer = hangs(
        subject.try_ask(&()),
        "no program can be started more than three times, and supervise does not return",
    );
    let story = &answer.value;
    story.is_in_order();
    story.has(
        0,
        "does not exist, and its policy is OnFailure, with two restarts",
        "NotStarted(ENOENT) RestartIn(1ms) NotStarted(ENOENT) RestartIn(2ms) NotStarted(ENOENT) GaveUp",
    );
    story.has(
        1,
        "is a folder, and its policy is Never",
        "NotStarted(EACCES) Done",
    );
    story.has(
        2,
        "exists only at the third start, and its policy is OnFailure, with two restarts",
        "NotStarted(ENOENT) RestartIn(1ms) NotStarted(ENOENT) RestartIn(2ms) Started Ended(Exited(0)) Done",
    );
    nothing_is_left(&answer);
}

#[proctor::test(clauses = [1, 5, 8, 9, 11, 16, 21, 22], subject = |one_ignores: bool| -> (Story, String, bool) {
    let (output, writer) = pipe().expect("a pipe");
    let (input, gate) = pipe().expect("a pipe");
    let (mut stop, request) = pipe().expect("a pipe");
    let says = |script: &'static str| {
        let (writer, input) = (writer.try_clone().expect("a descriptor"), input.try_clone().expect("a descriptor"));
        move || sh_reads(script, &input, &writer)
    };
    // Services 0 and 2 end when service 1 has ended. If service 3 ignores SIGTERM,
    // service 1 ends when the log says that service 3 has ended.
    let (after, over) = pipe().expect("a pipe");
    let waits = "trap 'read line; exit 7' TERM; sleep 1000 & echo ready; wait";
    let ready = writer.try_clone().expect("a descriptor");
    let frees = move || {
        let script = "
            (trap '' TERM HUP; echo ready >&2; exec sleep 1000) &
            trap 'read line; echo; echo; exit 5' TERM; sleep 1000 & echo ready >&2; wait";
        let mut command = sh_reads(script, &after, &gate);
        command.stderr(ready.try_clone().expect("a descriptor"));
        command
    };
    let always = Rules::new(ALWAYS, ms(0));
    let third = if one_ignores { STUBBORN } else { "echo ready; exec sleep 1000" };
    let (first, last, third) = (says(waits), says(waits), says(third));
    if !one_ignores {
        let _ = (&over).write_all(b"\n");
    }
    let services = vec![
        service(always, HOUR, first),
        service(always, HOUR, frees),
        service(always, Duration::MAX, last),
        service(always, if one_ignores { ms(60) } else { HOUR }, third),
        service(Rules::new(ALWAYS, ms(2)), HOUR, || exits(1)),
    ];
    let mut requested = false;
    let story = supervise(services, &stop, |index, seen| {
        if one_ignores && index == 3 && matches!(seen, Seen::Stopped(_) | Seen::Ended(_)) {
            let _ = (&over).write_all(b"\n");
        }
        if index == 4 && matches!(seen, Seen::RestartIn(_)) && !requested {
            requested = true;
            lines(5, &output);
            // The graces begin now, and from now on a signal comes every 2 ms.
            OPENS.store(-1, SeqCst);
            interrupt_me(ms(2));
            let _ = (&request).write_all(b"stop");
        }
    });
    interrupt_me(ms(0));
    drop(request);
    let mut unread = String::new();
    let _ = stop.read_to_string(&mut unread);
    let mut groups = story.events.iter().filter_map(|(_, seen)| match seen {
        Seen::Started(pid) => Some(*pid),
        _ => None,
    });
    let left = groups.any(survives);
    (story, unread, left)
})]
fn a_stop_request_stops_all_at_the_same_time(mut subject: Subject) {
    let meanings = [
        (
            false,
            "services 0 and 2 end at SIGTERM, but only after service 1, which ends at SIGTERM, too. Each has a grace of an hour or more. After the stop request, supervise does not return: it has to send SIGTERM to all of them before it waits for the end of one",
        ),
        (
            true,
            "all services have got SIGTERM at the same time when none of them ignored it. Now service 3 ignores it, and has a grace of 60 ms, while a signal interrupts the caller every 2 ms. Service 1 ends after service 3, and services 0 and 2 end after service 1; their graces are an hour and more. After the stop request, supervise does not return: after its own grace, service 3 has to get SIGKILL, and its end has to be logged while the others still run",
        ),
    ];
    for (one_ignores, meaning) in meanings {
        let answer = hangs(subject.try_ask(&one_ignores), meaning);
        let (story, unread, left) = &answer.value;
        story.is_in_order();
        story.has(
            0,
            "exits with 7 when it has got SIGTERM and service 1 has ended",
            "Started Stopped(Exited(7))",
        );
        story.has(
            1,
            if one_ignores {
                "exits with 5 when it has got SIGTERM and service 3 has ended"
            } else {
                "exits with 5 when it has got SIGTERM"
            },
            "Started Stopped(Exited(5))",
        );
        story.has(
            2,
            "exits with 7 when it has got SIGTERM and service 1 has ended",
            "Started Stopped(Exited(7))",
        );
        story.has(
            3,
            if one_ignores {
                "ignores SIGTERM, and its grace is 60 ms"
            } else {
                "dies by SIGTERM"
            },
            if one_ignores {
                "Started Stopped(Killed(9))"
            } else {
                "Started Stopped(Killed(15))"
            },
        );
        story.has(
            4,
            "waits for its restart when the stop request comes",
            "Started Ended(Exited(1)) RestartIn(2ms)",
        );
        assert!(
            unread == "stop",
            "the stop request was the bytes \"stop\", and supervise has read some of them: only {unread:?} was left"
        );
        assert!(
            !left,
            "supervise has returned, and a process of a service still runs"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [1, 5, 11, 16, 21, 22], subject = |(early, closes): (bool, bool)| -> Story {
    let (output, writer) = pipe().expect("a pipe");
    let (stop, request) = pipe().expect("a pipe");
    let mut request = Some(request);
    let mut ask = move || match request.take() {
        // Closes it.
        Some(request) if closes => drop(request),
        Some(asked) => {
            let _ = (&asked).write_all(b"!");
            request = Some(asked);
        }
        None => {}
    };
    let runs = move || sh("echo ready; exec sleep 1000", &writer);
    let services = vec![service(Rules::new(NEVER, ms(0)), HOUR, runs)];
    if early {
        ask();
    }
    supervise(services, &stop, |_, seen| {
        if matches!(seen, Seen::Started(_)) && !early {
            lines(1, &output);
            ask();
        }
    })
})]
fn a_closed_pipe_and_an_early_request_count(mut subject: Subject) {
    for (early, closes) in [(false, true), (true, false), (true, true)] {
        let what = if closes {
            "the other end of `stop` is closed"
        } else {
            "a byte is in `stop`"
        };
        let when = if early {
            "before the call"
        } else {
            "while a program runs"
        };
        let meaning =
            format!("{when}, {what}: that is a stop request, and supervise does not return");
        let answer = hangs(subject.try_ask(&(early, closes)), &meaning);
        let story = &answer.value;
        story.is_in_order();
        if early {
            assert!(
                story.events.is_empty(),
                "{when}, {what}: nothing may be started, and service 0 has the events {:?} in the log",
                story.of(0)
            );
        } else {
            story.has(
                0,
                "runs when the other end of `stop` is closed",
                "Started Stopped(Killed(15))",
            );
        }
        nothing_is_left(&answer);
    }
}

/// The event at which the log makes the request in the next test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Moment {
    Started,
    NotStarted,
    RestartIn,
    Ended,
    Done,
}

#[proctor::test(clauses = [1, 5, 6, 11, 12, 16, 17, 20, 21, 22], subject = |moment: Moment| -> (Story, Option<usize>) {
    let (input, gate) = pipe().expect("a pipe");
    let (stop, request) = pipe().expect("a pipe");
    let ends = |code: i32| {
        let input = input.try_clone().expect("a descriptor");
        move || {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(format!("read line; exit {code}")).stdin(input.try_clone().expect("a descriptor"));
            command
        }
    };
    let at_once = Rules { max_restarts: 1, ..Rules::new(ALWAYS, ms(0)) };
    let rules = if moment == Moment::Done { Rules::new(NEVER, ms(0)) } else { at_once };
    let mut services = vec![service(rules, HOUR, ends(3)), service(rules, HOUR, ends(4))];
    if moment == Moment::NotStarted {
        services[0].command = Box::new(|| Command::new("/nowhere/at-all"));
    }
    let (mut pids, mut first) = (vec![], None);
    let story = supervise(services, &stop, |index, seen| {
        let is_it = match seen {
            Seen::Started(pid) => {
                pids.push(Pid::from_raw(*pid));
                if pids.len() == 2 {
                    // Both have ended before supervise can see the end of one.
                    let _ = (&gate).write_all(b"\n\n");
                    for pid in &pids {
                        let _ = await_end(&pidfd(*pid), WaitPidFlag::WNOWAIT);
                    }
                }
                moment == Moment::Started
            }
            Seen::NotStarted(_) => moment == Moment::NotStarted,
            Seen::RestartIn(_) => moment == Moment::RestartIn,
            Seen::Ended(_) => moment == Moment::Ended,
            Seen::Done => moment == Moment::Done,
            Seen::GaveUp | Seen::Stopped(_) => false,
        };
        if is_it && first.is_none() {
            first = Some(index);
            let _ = (&request).write_all(b"!");
        }
    });
    (story, first)
})]
fn a_request_counts_at_once(mut subject: Subject) {
    for (moment, of_the_first, of_the_other) in [
        (Moment::Started, "Started Stopped(Killed(15))", ""),
        (Moment::NotStarted, "NotStarted(ENOENT) RestartIn(0ns)", ""),
        (
            Moment::Ended,
            "Started Ended(Exited(FIRST)) RestartIn(0ns)",
            "Started Stopped(Exited(OTHER))",
        ),
        (
            Moment::RestartIn,
            "Started Ended(Exited(FIRST)) RestartIn(0ns)",
            "Started Stopped(Exited(OTHER))",
        ),
        (
            Moment::Done,
            "Started Ended(Exited(FIRST)) Done",
            "Started Stopped(Exited(OTHER))",
        ),
    ] {
        let meaning = format!(
            "the log makes a stop request when it gets the first {moment:?}, and supervise does not return"
        );
        let answer = hangs(subject.try_ask(&moment), &meaning);
        let (story, first) = &answer.value;
        story.is_in_order();
        let first = first.unwrap_or(0);
        let codes = |text: &str| {
            let text = text.replace("FIRST", &(3 + first).to_string());
            text.replace("OTHER", &(4 - first).to_string())
        };
        let other = if of_the_other.is_empty() {
            "had not been started yet"
        } else {
            "had ended, and its end had not been logged yet"
        };
        story.has(
            1 - first,
            &format!(
                "{other} when the log asked for a stop at the first {moment:?} of service {first}"
            ),
            &codes(of_the_other),
        );
        if moment == Moment::Ended {
            assert!(
                !matches!(story.of(first).last().map(String::as_str), Some(last) if last.starts_with("Ended")),
                "service {first}: the stop request came from inside of the call of log with Ended, and no decision of the Backoff follows: the next event must be RestartIn, Done or GaveUp, also after a stop request"
            );
        }
        story.has(
            first,
            &format!("is the one whose {moment:?} made the log ask for a stop"),
            &codes(of_the_first),
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [1, 5, 11, 16, 22], descriptors = 40, subject = |restarts: u32| -> (Story, Vec<String>, Result<Waited>) {
    let (stop, _open) = no_request();
    let other = start(exits(9));
    let _ = await_end(&other.pidfd, WaitPidFlag::WNOWAIT);
    let before = Surroundings::now();
    let rules = Rules { max_restarts: restarts, ..Rules::new(ALWAYS, ms(0)) };
    let services = if restarts == 0 { vec![] } else { vec![service(rules, HOUR, || exits(0))] };
    let story = supervise(services, &stop, |_, _| ());
    (story, changes(&before), reap(&other.pidfd))
})]
fn nothing_is_left_after_many_restarts(mut subject: Subject) {
    for restarts in [0, 50] {
        let answer = hangs(
            subject.try_ask(&restarts),
            "no service runs or waits for a restart any more, and supervise does not return",
        );
        let (story, changes, other) = &answer.value;
        story.is_in_order();
        let expected = match restarts {
            0 => String::new(),
            _ => {
                "Started Ended(Exited(0)) RestartIn(0ns) ".repeat(restarts as usize)
                    + "Started Ended(Exited(0)) GaveUp"
            }
        };
        story.has(
            0,
            &format!("exits with 0 and is restarted {restarts} times"),
            &expected,
        );
        nothing_changed(changes);
        assert!(
            answer.evidence.children == 0,
            "supervise has returned, and a program still runs"
        );
        assert!(
            *other == Ok(Over(Exited(9))),
            "the caller has another child, which exited with 9 before the call. After supervise, the caller waits for it and gets {other:?}"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [1, 5, 11, 16, 22], subject = |(): ()| -> (Story, bool) {
    let (input, gate) = pipe().expect("a pipe");
    let (stop, request) = pipe().expect("a pipe");
    let reads = move || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read line"]).stdin(input.try_clone().expect("a descriptor"));
        command
    };
    let services = vec![
        service(Rules::new(NEVER, ms(0)), HOUR, reads),
        service(Rules::new(ALWAYS, HOUR), HOUR, || exits(1)),
    ];
    let (mut gate, mut watcher) = (Some(gate), None);
    let story = supervise(services, &stop, |index, seen| match (index, seen) {
        // One program runs, and the other waits for its restart.
        (1, Seen::RestartIn(_)) => watcher = gate.take().map(watch_me),
        (0, Seen::Done) => drop((&request).write_all(b"!")),
        _ => {}
    });
    let is_busy = watcher.is_some_and(|watcher| watcher.join().expect("the watcher"));
    (story, is_busy)
})]
fn waiting_takes_no_cpu_time(mut subject: Subject) {
    let answer = hangs(
        subject.try_ask(&()),
        "one program has ended and the other waits an hour until its restart; supervise does not return after the stop request",
    );
    let (story, is_busy) = &answer.value;
    story.is_in_order();
    story.has(0, "exits with 0", "Started Ended(Exited(0)) Done");
    assert!(
        !is_busy,
        "while one program runs and another waits for its restart, supervise uses the CPU all the time: it asks again and again instead of waiting"
    );
    nothing_is_left(&answer);
}
