//! Judges `pipeline` by what the programs see and by what the kernel says of
//! the processes.
//!
//! The programs are those that every Linux system has (sh, cat, ls, …). They
//! tell what they found in the texts that go through the pipes. Where programs
//! must wait for each other, they wait for a pipe or for a state in /proc, and
//! never for an amount of time.
proctor::exercise!(pipeline);

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsString};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, dup2_stdin, getpgrp, getpid, getppid, getsid, mkfifo, pipe2};
use proctor::{
    Answer, Failure, Fault, Gate, Onlooker, Subject, Surroundings, Task, Whose, do_nothing,
    on_signal, other_child, traced_child,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A program and its arguments, as plain data.
type Words = Vec<Vec<u8>>;

/// How a program ended, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Ended {
    Exited(u8),
    Killed(i32),
}
use Ended::{Exited, Killed};

/// What `pipeline` returned, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reported {
    Piped(Vec<u8>, Vec<Ended>),
    /// The number of the error, if it has one, and its text.
    Error(Option<i32>, String),
    /// What the call has changed in the caller.
    Changed(String),
}
use Reported::{Changed, Error, Piped};

// -------------------------------------------------------- in the subject

/// Calls `pipeline`, and looks at what the call has changed in the caller.
fn run(stages: &[Words]) -> Reported {
    unchanged(|| call(stages))
}

/// Looks at what the closure has changed in the caller.
fn unchanged(calls: impl FnOnce() -> Reported) -> Reported {
    let before = Surroundings::now();
    let reported = calls();
    let mut changes = before.changes();
    // The judge counts the children.
    changes.retain(|change| !(change.starts_with("child ") && change.contains(" is new ")));
    match changes.is_empty() {
        true => reported,
        false => Changed(changes.join("; ")),
    }
}

#[allow(unused_unsafe)]
fn call(stages: &[Words]) -> Reported {
    let text = |word: &Vec<u8>| CString::new(word.clone()).expect("a text without a zero");
    let stages: Vec<pipeline::Stage> = stages
        .iter()
        .map(|words| pipeline::Stage {
            program: text(&words[0]),
            arguments: words[1..].iter().map(text).collect(),
        })
        .collect();
    let caller = getpid();
    // SAFETY: a subject has one thread.
    let result = unsafe { pipeline::pipeline(&stages) };
    if getpid() != caller {
        // A child has come out. It leaves the test at once, and the judge says so.
        std::panic::resume_unwind(Box::new(()));
    }
    match result {
        Ok(piped) => Piped(
            piped.output,
            piped
                .endings
                .iter()
                .map(|ending| match *ending {
                    pipeline::Ending::Exited(code) => Exited(code),
                    pipeline::Ending::Killed(signal) => Killed(signal),
                })
                .collect(),
        ),
        Err(error) => Error(error.raw_os_error(), error.to_string()),
    }
}

/// A file that nobody may execute, not even root.
fn not_executable(path: &str) {
    fs::write(path, "#!/bin/sh\n").expect("a file");
    fs::set_permissions(path, PermissionsExt::from_mode(0o644)).expect("a mode");
}

/// Makes a pipe the standard input, and returns the end at which nobody writes:
/// a program that reads there does not end.
fn endless_input() -> OwnedFd {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    dup2_stdin(reader).expect("the pipe as standard input");
    writer
}

/// Waits for the caller's own child, if it is still there.
fn reap(child: Pid) {
    while waitpid(child, None) == Err(Errno::EINTR) {}
}

/// The descriptors that exec does not close, with what they refer to.
fn inheritable() -> BTreeMap<i32, String> {
    let names = fs::read_dir("/proc/self/fd").expect("/proc");
    let names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
    let numbers = names.iter().filter_map(|name| name.to_str()?.parse().ok());
    let target = |fd: i32| {
        // SAFETY: takes integers.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        let target = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        let is_kept = flags >= 0 && flags & libc::FD_CLOEXEC == 0;
        is_kept.then(|| (fd, target.display().to_string()))
    };
    numbers.filter_map(target).collect()
}

// ----------------------------------------------------------- in the judge

fn words(of: &[&str]) -> Words {
    of.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn sh(script: &str) -> Words {
    words(&["sh", "-c", script])
}

/// Asks. If the code hangs, the verdict says first what that means.
#[track_caller]
fn ask<Q, A>(subject: &mut Subject<Q, A>, question: &Q, a_hang_means: &str) -> Answer<A>
where
    Q: Serialize + DeserializeOwned + Debug,
    A: Serialize + DeserializeOwned + Debug,
{
    match subject.try_ask(question) {
        Ok(answer) => answer,
        Err(failing) => Gate::explained(failing, a_hang_means).end(),
    }
}

/// What a hang means where programs read all of their input.
const NO_END: &str = "a program reads until its input ends, and its input does not end although the program before it has ended";

/// Output and endings of a call in which nothing fails.
#[track_caller]
fn piped(reported: &Reported) -> (String, &[Ended]) {
    match reported {
        Piped(output, endings) => (String::from_utf8_lossy(output).into_owned(), endings),
        Changed(what) => changed(what),
        Error(_, text) => {
            panic!("no step failed, and the call returned an error all the same: {text}")
        }
    }
}

#[track_caller]
fn ended(endings: &[Ended], expected: &[Ended]) {
    assert!(
        endings == expected,
        "the programs end with {expected:?}, in the order of the stages, and the call returned {endings:?}"
    );
}

#[track_caller]
fn changed(what: &str) -> ! {
    panic!("the caller is not as it was before the call: {what}")
}

/// Demands this error.
#[track_caller]
fn failed_with(reported: &Reported, errno: &[Errno], what_failed: &str) {
    let expected = errno[0];
    match reported {
        Error(Some(number), _) if errno.iter().any(|errno| *errno as i32 == *number) => {}
        Error(_, text) => {
            panic!("{what_failed} ({expected}), and the error of the call is another one: {text}")
        }
        Changed(what) => changed(what),
        Piped(_, endings) => {
            panic!("{what_failed} ({expected}), and the call returned no error but {endings:?}")
        }
    }
}

/// In the judge, by the kernel's word: the call has started so many processes,
/// and nothing is left of them.
#[track_caller]
fn each_stage_was_one_process<A>(answer: &Answer<A>, stages: usize, others: usize) {
    // `None` where the machine forbids to count.
    if let Some(started) = answer.evidence.processes_started {
        let started = (started as usize).saturating_sub(others);
        assert!(
            started == stages,
            "the contract says that the call starts one process for each program (number of programs: {stages}), and the number of processes that were started is {started}"
        );
    }
    answer.nothing_is_left(RETURNED);
}

const RETURNED: &str = "the call has returned";

// ------------------------------------------------------------ the programs

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11], subject = |stages: Vec<Words>| -> Vec<Reported> {
    // Several calls are like one.
    (0..8).map(|_| run(&stages)).collect()
})]
fn each_program_reads_what_the_one_before_it_writes(mut subject: Subject) {
    let text: String = proctor::random();
    let stages = vec![
        words(&["printf", "%s\\n\\n", &text]),
        words(&["sed", "s/^/1/"]),
        words(&["sed", "s/^/2/"]),
        words(&["sed", "s/^/3/"]),
    ];
    let answer = ask(&mut subject, &stages, NO_END);
    for (number, reported) in answer.value.iter().enumerate() {
        let (output, endings) = piped(reported);
        let expected = format!("321{text}\n321\n");
        assert!(
            output == expected,
            "call {}: printf wrote {text:?} and two newlines, three programs put 1, 2 and 3 before each line, so the output is {expected:?}, but the call returned {output:?}",
            number + 1
        );
        ended(endings, &[Exited(0); 4]);
    }
    each_stage_was_one_process(&answer, 8 * stages.len(), 0);
    answer.nothing_is_printed();
}

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11], subject = |stages: Vec<Words>| -> Reported { run(&stages) })]
fn a_program_gets_its_arguments_as_they_are(mut subject: Subject) {
    let texts = "|two words|*|$HOME|'|\"|\\n|a\nb|;|>x|-|~| |";
    let mut arguments: Vec<Vec<u8>> = texts.split('|').map(|text| text.into()).collect();
    arguments.push(vec![0xff, 0xfe, b'x', 0x80]);
    arguments.push(vec![b'l'; 100_000]);
    arguments.push(proctor::random::<String>().into_bytes());
    arguments.push(Vec::new());
    // More of them than 16 bits can count.
    let many = (0..66_000).map(|number| number.to_string().into_bytes());
    for arguments in [arguments, many.collect()] {
        let mut stage = words(&["printf", "[%s]"]);
        stage.extend(arguments.iter().cloned());
        let answer = subject.ask(&vec![stage, words(&["cat"])]);
        let (_, endings) = piped(&answer.value);
        let Piped(output, _) = &answer.value else {
            unreachable!("checked above")
        };
        let mut rest = &output[..];
        for argument in &arguments {
            let mut expected = vec![b'['];
            expected.extend(argument);
            expected.push(b']');
            rest = rest.strip_prefix(&expected[..]).unwrap_or_else(|| {
                let shown: String = String::from_utf8_lossy(argument).chars().take(60).collect();
                panic!(
                    "the program did not get the argument {shown:?} as it is, in its place (number of arguments: {})",
                    arguments.len()
                )
            });
        }
        assert!(
            rest.is_empty(),
            "the program got more arguments than the stage has"
        );
        ended(endings, &[Exited(0); 2]);
        each_stage_was_one_process(&answer, 2, 0);
    }
}

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11], subject = |(): ()| -> (Reported, String) {
    // A program that only the caller's PATH finds, under a name of its own.
    let folder = format!("{}/tools", env::temp_dir().display());
    let tool = format!("{folder}/the-tool");
    fs::create_dir(&folder).expect("a folder");
    symlink("/bin/sh", &tool).expect("a link");
    // execvp goes on to the next folder if it may not execute what it has found.
    let locked = format!("{}/locked", env::temp_dir().display());
    fs::create_dir(&locked).expect("a folder");
    not_executable(&format!("{locked}/the-tool"));
    // execvp does not look in the working folder.
    env::set_current_dir(env::temp_dir()).expect("the folder");
    symlink("/bin/false", "the-tool").expect("a link");
    let path = env::var("PATH").unwrap_or_default();
    // SAFETY: a subject has one thread.
    unsafe { env::set_var("PATH", format!("{locked}:{folder}:{path}")) };
    let script = b"echo \"$0 $PPID $$\"; while read -r line; do echo \"$line\"; done".to_vec();
    let stages = [
        vec![b"the-tool".to_vec(), b"-c".to_vec(), b"echo \"$0 $PPID $$\"".to_vec()],
        vec![tool.clone().into_bytes(), b"-c".to_vec(), script.clone()],
        vec![b"the-tool".to_vec(), b"-c".to_vec(), script],
    ];
    let reported = run(&stages);
    fs::remove_dir_all(&folder).expect("the folder");
    fs::remove_dir_all(&locked).expect("the folder");
    fs::remove_file("the-tool").expect("the link");
    (reported, tool)
})]
fn each_program_is_a_child_of_the_caller(mut subject: Subject) {
    let answer = ask(&mut subject, &(), NO_END);
    let (reported, tool) = &answer.value;
    let (output, endings) = piped(reported);
    ended(endings, &[Exited(0); 3]);
    let expected = ["the-tool", tool, "the-tool"];
    let lines: Vec<Vec<&str>> = output
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    assert!(
        lines.len() == 3 && lines.iter().all(|line| line.len() == 3),
        "three programs each wrote one line, and the output is {output:?}"
    );
    for (line, name) in lines.iter().zip(expected) {
        assert!(
            line[0] == name,
            "argument 0 of the program {name} is {}: the contract says that it is the program",
            line[0]
        );
        assert!(
            line[1] == answer.evidence.pid.to_string(),
            "the parent of a program is process {}, and the caller is process {}",
            line[1],
            answer.evidence.pid
        );
    }
    each_stage_was_one_process(&answer, 3, 0);
}

#[proctor::test(clauses = [1, 2, 3, 4, 6, 8, 9, 10, 11], deadline = 30.0, processes = 700, subject = |(text, programs): (String, usize)| -> Reported {
    // The first program waits for a line in its input. All programs inherit the
    // end at which the line is written.
    let (reader, writer) = pipe2(OFlag::empty()).expect("a pipe");
    dup2_stdin(reader).expect("the pipe as standard input");
    let opens = writer.as_raw_fd();
    assert!(opens < 10, "sh knows descriptors up to 9");
    // All of them end after one line, so that none needs the end of its input.
    let script = format!("echo {text} >&{opens}; exec head -n 1");
    let one_line = [&b"head"[..], b"-n", b"1"].map(<[u8]>::to_vec).to_vec();
    let mut stages = vec![one_line; programs];
    stages[programs - 1] = vec![b"sh".to_vec(), b"-c".to_vec(), script.into_bytes()];
    run(&stages)
})]
fn all_programs_run_at_the_same_time(mut subject: Subject) {
    for programs in [3, 300] {
        let text: String = proctor::random();
        let answer = ask(
            &mut subject,
            &(text.clone(), programs),
            &format!(
                "the first program waits for a line that the last program writes as soon as it runs. All programs pass this line on and end. The call does not return: the last program does not run at the same time, or all have ended and the output of the last one has no end for the call (number of programs: {programs})"
            ),
        );
        let (output, endings) = piped(&answer.value);
        assert!(
            output == format!("{text}\n"),
            "the first program passed on a line that the last program had given to it, {text:?}, and the call returned {output:?} (number of programs: {programs})"
        );
        ended(endings, &vec![Exited(0); programs]);
        each_stage_was_one_process(&answer, programs, 0);
        subject.fresh();
    }
}

// ------------------------------------------------------------- the streams

/// Lists the descriptors of each program, under a headline for each. The
/// listing of a later program comes first.
fn listing_stages() -> Vec<Words> {
    let list = "ls -l /proc/self/fd";
    vec![
        sh(&format!("echo program 0; {list}; exit 0")),
        sh(&format!("echo program 1; {list}; exec cat")),
        sh(&format!("echo program 2; {list}; exec cat")),
    ]
}

/// What the descriptors of each program refer to, from the listings.
fn descriptors_of_programs(output: &str) -> Vec<BTreeMap<i32, String>> {
    let mut programs = vec![BTreeMap::new(); 3];
    let mut program = 0;
    for line in output.lines() {
        if let Some(number) = line.strip_prefix("program ") {
            program = number.parse().unwrap_or(0).min(2);
        } else if let Some((left, target)) = line.split_once(" -> ") {
            // `ls` itself opens the folder that it lists.
            if target.starts_with("/proc/") {
                continue;
            }
            if let Some(Ok(fd)) = left.split(' ').next_back().map(str::parse) {
                programs[program].insert(fd, target.to_owned());
            }
        }
    }
    programs
}

const NAMES: [&str; 3] = [
    "the first program",
    "the second program",
    "the last program",
];

/// Compares the programs' descriptors with what the contract says. `caller` are
/// the descriptors that the programs may inherit.
#[track_caller]
fn streams_are_connected(output: &str, caller: &BTreeMap<i32, String>, when: &str) {
    let programs = descriptors_of_programs(output);
    let shown = |fd: Option<&String>| fd.cloned().unwrap_or_else(|| "closed".to_owned());
    // A stream that the caller does not have may be closed or /dev/null.
    let is_the_callers = |fd: i32, is: Option<&String>| match caller.get(&fd) {
        Some(target) => is == Some(target),
        None => is.is_none_or(|target| target == "/dev/null"),
    };
    for (number, program) in programs.iter().enumerate() {
        let name = NAMES[number];
        let (input, output, error) = (program.get(&0), program.get(&1), program.get(&2));
        assert!(
            output.is_some_and(|target| target.starts_with("pipe:")),
            "{when}, the standard output of {name} is not a pipe but {}",
            shown(output)
        );
        match number.checked_sub(1) {
            None => assert!(
                is_the_callers(0, input),
                "{when}, the standard input of the first program is {}, and that of the caller is {}",
                shown(input),
                shown(caller.get(&0))
            ),
            Some(previous) => assert!(
                input == programs[previous].get(&1),
                "{when}, the standard input of {name} is {}, and the standard output of the program before it is {}: they must be the two ends of one pipe",
                shown(input),
                shown(programs[previous].get(&1))
            ),
        }
        assert!(
            is_the_callers(2, error),
            "{when}, the standard error of {name} is {}, and that of the caller is {}",
            shown(error),
            shown(caller.get(&2))
        );
        for (fd, target) in program.range(3..) {
            assert!(
                caller.get(fd) == Some(target),
                "{when}, {name} has the descriptor {fd} ({target}), which the call has opened: the program may have only its standard input and its standard output"
            );
        }
    }
}

/// What the caller has as its standard input.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Input {
    Pipe,
    Terminal,
    Socket,
    File,
}

fn file_in_memory() -> OwnedFd {
    memfd_create(c"input", MFdFlags::MFD_CLOEXEC).expect("a file in memory")
}

/// A terminal, and the other side of it. A machine without pseudoterminals gives
/// a file in its place.
fn terminal() -> (OwnedFd, Option<OwnedFd>) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = || -> nix::Result<_> {
        let master = nix::pty::posix_openpt(flags)?;
        nix::pty::grantpt(&master)?;
        nix::pty::unlockpt(&master)?;
        let name = nix::pty::ptsname_r(&master)?;
        let terminal = nix::fcntl::open(name.as_str(), flags, Mode::empty())?;
        // SAFETY: nothing else owns the number any more.
        let master = unsafe { OwnedFd::from_raw_fd(master.into_raw_fd()) };
        Ok((terminal, Some(master)))
    };
    opened().unwrap_or_else(|_| (file_in_memory(), None))
}

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11], subject = |(input, stages): (Input, Vec<Words>)| -> (Reported, BTreeMap<i32, String>) {
    // An input that is not the one which every process here has, and its other
    // side.
    let (input, _other): (OwnedFd, Option<OwnedFd>) = match input {
        Input::Pipe => {
            let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
            (reader, Some(writer))
        }
        Input::Terminal => terminal(),
        Input::Socket => {
            let (one, other) = UnixStream::pair().expect("two sockets");
            (one.into(), Some(other.into()))
        }
        Input::File => (file_in_memory(), None),
    };
    dup2_stdin(input).expect("another standard input");
    let reported = run(&stages);
    (reported, inheritable())
})]
fn neighbours_are_connected_by_a_pipe(mut subject: Subject) {
    for input in [Input::Pipe, Input::Terminal, Input::Socket, Input::File] {
        let answer = ask(&mut subject, &(input, listing_stages()), NO_END);
        let (reported, caller) = &answer.value;
        let (output, endings) = piped(reported);
        streams_are_connected(&output, caller, "after the start");
        ended(endings, &[Exited(0); 3]);
        each_stage_was_one_process(&answer, 3, 3);
        answer.nothing_is_printed();
        subject.fresh();
    }
}

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11], subject = |stages: Vec<Words>| -> Reported { run(&stages) })]
fn the_pipes_block_and_carry_streams(mut subject: Subject) {
    let info = "/proc/$$/fdinfo";
    let first = sh(&format!("grep flags: {info}/1 /dev/null; exit 0"));
    let next = sh(&format!("grep flags: {info}/0 {info}/1; exec cat"));
    let stages = vec![first, next.clone(), next];
    let answer = ask(&mut subject, &stages, NO_END);
    let (output, _) = piped(&answer.value);
    let flags: Vec<(&str, i32)> = output
        .lines()
        .filter_map(|line| line.rsplit_once('/')?.1.split_once(":flags:"))
        .map(|(stream, flags)| (stream, i32::from_str_radix(flags.trim(), 8).unwrap_or(-1)))
        .collect();
    assert!(
        flags.len() == 5,
        "three programs wrote the flags of five ends of pipes, and the output is {output:?}"
    );
    for (stream, flags) in flags {
        let odd = libc::O_NONBLOCK | libc::O_DIRECT | libc::O_APPEND | libc::O_ASYNC;
        assert!(
            flags & odd == 0,
            "the pipe that a program has as its descriptor {stream} has the flags {flags:#o} (open(2)): the contract says that it has neither O_NONBLOCK nor O_DIRECT"
        );
    }
    each_stage_was_one_process(&answer, 3, 3);
}

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11], subject = |(stages, input): (Vec<Words>, String)| -> (Reported, Option<u64>) {
    let file = file_in_memory();
    let mut file = File::from(file);
    file.write_all(input.as_bytes()).expect("room");
    // The caller has read a part of its input.
    file.seek(SeekFrom::Start(3)).expect("an offset");
    dup2_stdin(&file).expect("the file as standard input");
    let reported = run(&stages);
    (reported, file.stream_position().ok())
})]
fn the_first_program_reads_the_callers_input_and_errors_go_to_its_standard_error(
    mut subject: Subject,
) {
    let (input, errors) = (proctor::random::<String>(), proctor::random::<String>());
    for programs in 1..=3 {
        let stages = vec![sh(&format!("echo {errors} >&2; exec cat")); programs];
        let answer = ask(&mut subject, &(stages, input.clone()), NO_END);
        let (reported, offset) = &answer.value;
        let (output, endings) = piped(reported);
        assert!(
            output == input[3..],
            "the rest of the caller's standard input is {:?}, the programs pass on what they read (number of programs: {programs}), and the call returned {output:?}",
            &input[3..]
        );
        assert!(
            *offset == Some(input.len() as u64),
            "the first program has read the caller's standard input to its end ({} bytes), and the caller's offset there is {offset:?}: they must share one open file",
            input.len()
        );
        ended(endings, &vec![Exited(0); programs]);
        let seen = &answer.output.stderr;
        assert!(
            *seen == format!("{errors}\n").repeat(programs),
            "each program wrote {errors:?} to its standard error (number of programs: {programs}), and this arrived at the caller's standard error: {seen:?}"
        );
        assert!(
            answer.output.stdout.is_empty(),
            "the caller's standard output got {:?}: what the last program writes belongs in the result",
            answer.output.stdout
        );
        each_stage_was_one_process(&answer, programs, 0);
    }
}

/// The last program ends only after all the programs before it have ended, each
/// of which writes without end and does not read. They meet at a FIFO.
fn ends_after_all_others(others: usize) -> Vec<Words> {
    let writer = sh("exec 8>\"$TMPDIR/side\"; echo >&8; exec <&-; while echo x; do :; done");
    let mut stages = vec![writer; others];
    stages.push(sh(&format!(
        "exec 7<\"$TMPDIR/side\"; open=0
        while [ $open -lt {others} ]; do read -r line <&7 && open=$((open+1)); done
        exec <&-; cat <&7; echo y"
    )));
    stages
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 8, 9, 10, 11], deadline = 10.0, subject = |stages: Vec<Words>| -> Reported {
    let side = env::temp_dir().join("side");
    mkfifo(&side, Mode::from_bits_truncate(0o600)).expect("a FIFO");
    let reported = run(&stages);
    fs::remove_file(side).expect("the FIFO");
    reported
})]
fn a_writer_without_a_reader_is_killed_by_sigpipe(mut subject: Subject) {
    let (yes, cat) = (words(&["yes"]), words(&["cat"]));
    let (head, nothing) = (words(&["head", "-n", "1"]), words(&["true"]));
    let (broken, fine) = (Killed(Signal::SIGPIPE as i32), Exited(0));
    for (stages, text, expected) in [
        (vec![yes.clone(), head.clone()], "y\n", vec![broken, fine]),
        (
            vec![yes.clone(), cat.clone(), nothing],
            "",
            vec![broken, broken, fine],
        ),
        (
            vec![yes, cat.clone(), head, cat],
            "y\n",
            vec![broken, broken, fine, fine],
        ),
        (
            ends_after_all_others(30),
            "y\n",
            [vec![broken; 30], vec![fine]].concat(),
        ),
    ] {
        // (The `cat` of the last of the 31.)
        let others = usize::from(stages.len() > 30);
        let answer = ask(
            &mut subject,
            &stages,
            "a program writes without end, the next program has closed its end of the pipe, and the writer does not end",
        );
        let (output, endings) = piped(&answer.value);
        assert!(
            endings == expected,
            "a program that writes after its reader has ended is killed by SIGPIPE (13), so the endings are {expected:?}, but the call returned {endings:?}"
        );
        assert!(
            output == text,
            "the last program wrote {text:?}, and the call returned {output:?}"
        );
        each_stage_was_one_process(&answer, stages.len(), others);
    }
}

// ------------------------------------------------------- what is inherited

/// What the caller does with signals before the call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Caller {
    /// Ignores SIGPIPE, as Rust programs do.
    Ignores,
    /// Has a handler for it.
    Handles,
    /// Blocks it, and others.
    Blocks,
}

#[proctor::test(clauses = [1, 3, 4, 5, 6, 8, 9, 10, 11], subject = |(caller, stages): (Caller, Vec<Words>)| -> (Reported, u64) {
    match caller {
        Caller::Ignores => on_signal(Signal::SIGPIPE, SigHandler::SigIgn, SaFlags::SA_NOCLDSTOP),
        Caller::Handles => {
            // With flags and a mask, which must still be there after the call.
            let mut mask = SigSet::empty();
            mask.add(Signal::SIGUSR2);
            let flags = SaFlags::SA_ONSTACK | SaFlags::SA_NODEFER;
            let action = SigAction::new(SigHandler::Handler(do_nothing), flags, mask);
            // SAFETY: the handler does nothing.
            unsafe { sigaction(Signal::SIGPIPE, &action) }.expect("a handler");
        }
        Caller::Blocks => {
            let mut blocked = SigSet::all();
            // It would be pending after the call.
            blocked.remove(Signal::SIGCHLD);
            blocked.thread_set_mask().expect("a mask");
        }
    }
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap_or_default().trim(), 16);
    (run(&stages), ignored.expect("a set of signals"))
})]
fn a_program_starts_with_the_usual_signals(mut subject: Subject) {
    let stages = vec![
        words(&["cat", "/proc/self/status"]),
        words(&["cat", "/proc/self/status", "-"]),
        words(&["cat", "/proc/self/status", "-"]),
    ];
    for caller in [Caller::Ignores, Caller::Handles, Caller::Blocks] {
        let answer = ask(&mut subject, &(caller, stages.clone()), NO_END);
        let (reported, ignored_by_the_caller) = &answer.value;
        let (output, _) = piped(reported);
        let broken_pipe = 1 << (Signal::SIGPIPE as i32 - 1);
        // The last program writes its own status first.
        let sets = |key: &str| -> Vec<u64> {
            let lines = output.lines().filter_map(|line| line.strip_prefix(key));
            let sets = lines.map(|set| u64::from_str_radix(set.trim(), 16).unwrap_or(u64::MAX));
            sets.collect()
        };
        let (blocked, ignored) = (sets("SigBlk:"), sets("SigIgn:"));
        assert!(
            blocked.len() == 3 && ignored.len() == 3,
            "three programs each wrote their own status, and the output has {} of them",
            blocked.len()
        );
        for (blocked, name) in blocked.iter().rev().zip(NAMES) {
            assert!(
                *blocked == 0,
                "{name} starts with blocked signals (the mask {blocked:#x}): the contract says that its mask is empty"
            );
        }
        for (ignored, name) in ignored.iter().rev().zip(NAMES) {
            assert!(
                ignored & broken_pipe == 0,
                "{name} ignores SIGPIPE: the contract says that SIGPIPE has its default action"
            );
            // glibc's posix_spawn also ignores two signals of its own, 32 and 33.
            let known = (1 << 31) - 1;
            let expected = ignored_by_the_caller & known & !broken_pipe;
            assert!(
                ignored & known == expected,
                "apart from SIGPIPE, a program ignores the signals that the caller ignores (the set {expected:#x}), and {name} ignores the set {ignored:#x}"
            );
        }
        each_stage_was_one_process(&answer, stages.len(), 0);
        subject.fresh();
    }
}

const FACTS: [&str; 8] = [
    "environment variable",
    "working folder",
    "umask",
    "limit of descriptors",
    "process group and session",
    "nice value",
    "list of descriptors that are not close-on-exec",
    "list of descriptors that are close-on-exec",
];

/// Numbers for the caller's own descriptors, as far as its limit allows them:
/// more than one digit, and more than a byte or an `fd_set` can hold.
fn high_numbers() -> Vec<RawFd> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    let allowed = |number: &RawFd| u64::try_from(*number).is_ok_and(|number| number + 1 < limit);
    let all = [30, 64, 128, 256, 512, 1024, 2048];
    all.into_iter().filter(allowed).collect()
}

#[proctor::test(clauses = [1, 3, 4, 6, 8, 9, 10, 11], descriptors = 2600, subject = |text: String| -> (Reported, Vec<String>) {
    // Nothing is as it is in most processes.
    env::set_current_dir("/proc").expect("another folder");
    umask(Mode::from_bits_truncate(0o027));
    // SAFETY: a subject has one thread.
    unsafe { env::set_var("PIPELINE", &text) };
    let null = File::open("/dev/null").expect("a file");
    let copy = |number: RawFd, how: libc::c_int| {
        // SAFETY: nothing in this process uses these numbers.
        let copy = unsafe { libc::dup3(null.as_raw_fd(), number, how) };
        assert_eq!(copy, number, "a descriptor of the caller's own");
        // SAFETY: dup3 has just opened it, and nothing else owns it.
        unsafe { OwnedFd::from_raw_fd(copy) }
    };
    let numbers = high_numbers();
    let kept: Vec<_> = numbers.iter().map(|number| copy(*number, 0)).collect();
    let closed = numbers.iter().map(|number| copy(*number + 1, libc::O_CLOEXEC));
    let closed: Vec<_> = closed.collect();
    let list = |all: &[OwnedFd]| {
        let numbers = all.iter().map(|one| format!(" {}", one.as_raw_fd()));
        numbers.collect::<String>()
    };
    let (keeps, closes) = (list(&kept), list(&closed));
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 77, hard).expect("another limit");
    on_signal(Signal::SIGUSR1, SigHandler::SigIgn, SaFlags::SA_NOCLDSTOP);
    on_signal(Signal::SIGINT, SigHandler::SigIgn, SaFlags::SA_NOCLDSTOP);
    // SAFETY: takes integers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) };
    let script = format!(
        "echo \"$PIPELINE\"; pwd; umask; ulimit -S -n
         read -r pid name state parent group session rest </proc/$$/stat; echo $group $session
         set -- $rest; echo ${{13}}
         for list in '{keeps}' '{closes}'; do
             open=; for fd in $list; do [ /proc/$$/fd/$fd -ef /dev/null ] && open=\"$open $fd\"; done
             echo \"open:$open\"
         done
         while read -r key value; do [ $key = SigIgn: ] && echo $value; done </proc/$$/status
         exec cat",
    );
    let stage = vec![b"sh".to_vec(), b"-c".to_vec(), script.into_bytes()];
    let reported = run(&vec![stage; 3]);
    let group = format!("{} {}", getpgrp(), getsid(None).expect("a session"));
    let open = format!("open:{keeps}");
    let facts = [&text, "/proc", "0027", "77", &group, "5", &open, "open:"];
    let facts = facts.map(str::to_owned).to_vec();
    (reported, facts)
})]
fn everything_else_is_inherited(mut subject: Subject) {
    let text: String = proctor::random();
    let answer = ask(&mut subject, &text, NO_END);
    let (reported, facts) = &answer.value;
    let (output, _) = piped(reported);
    let lines: Vec<&str> = output.lines().collect();
    assert!(
        lines.len() == 27,
        "three programs each wrote nine facts about themselves, and the output has {} lines",
        lines.len()
    );
    // The last program writes first.
    for (found, name) in lines.chunks(9).rev().zip(NAMES) {
        for ((what, is), was) in FACTS.iter().zip(found).zip(facts) {
            assert!(
                is == was,
                "{name} does not find the {what} that fork and exec hand on: it finds {is}, and the contract says {was}"
            );
        }
        let ignored = u64::from_str_radix(found[8], 16).unwrap_or(0);
        for signal in [Signal::SIGUSR1, Signal::SIGINT] {
            assert!(
                ignored & 1 << (signal as i32 - 1) != 0,
                "the caller ignores {signal}, and {name} does not: exec hands the ignored signals on"
            );
        }
    }
    each_stage_was_one_process(&answer, 3, 0);
}

/// What /proc shows of the calling process and what must be the same in a
/// program: lines of `status`, the limits, and two settings.
fn shown_by_proc() -> String {
    let files = PROC.map(|name| format!("/proc/self/{name}"));
    let text = files.map(|file| fs::read_to_string(file).unwrap_or_default());
    text.concat()
}

const PROC: [&str; 4] = ["status", "limits", "coredump_filter", "oom_score_adj"];

/// The lines that exec hands on.
fn handed_on(shown: &str) -> Vec<&str> {
    let of_the_status = [
        "Umask:",
        "Uid:",
        "Gid:",
        "Groups:",
        "NoNewPrivs:",
        "Seccomp:",
        "Cpus_allowed_list:",
        "Mems_allowed_list:",
        "CapBnd:",
        "THP_enabled:",
    ];
    let (status, rest) = shown.split_at(shown.find("Limit ").unwrap_or(0));
    let status = status
        .lines()
        .filter(|line| of_the_status.iter().any(|key| line.starts_with(key)));
    // The judge changes the limit of CPU time.
    let rest = rest.lines().filter(|line| !line.contains("cpu time"));
    status.chain(rest).collect()
}

#[proctor::test(clauses = [1, 3, 4, 6, 8, 9, 10, 11], subject = |text: String| -> (Reported, String, Reported, Vec<Vec<u8>>) {
    // SAFETY: a subject has one thread, and the calls take numbers and a set.
    unsafe {
        env::set_var("PIPELINE", format!("{text}\nand a second line"));
        env::set_var("EMPTY", "");
        // Only one of the CPUs.
        let mut cpus: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&cpus), &raw mut cpus);
        let first = (0..libc::CPU_SETSIZE as usize).find(|cpu| libc::CPU_ISSET(*cpu, &cpus));
        libc::CPU_ZERO(&mut cpus);
        libc::CPU_SET(first.unwrap_or(0), &mut cpus);
        libc::sched_setaffinity(0, size_of_val(&cpus), &raw const cpus);
    }
    for (limit, lower) in [(Resource::RLIMIT_NOFILE, 99), (Resource::RLIMIT_FSIZE, 1 << 40)] {
        let (_, hard) = getrlimit(limit).expect("a limit");
        setrlimit(limit, lower.min(hard), hard).expect("another limit");
    }
    let mut stage = vec![b"cat".to_vec()];
    stage.extend(PROC.map(|name| format!("/proc/self/{name}").into_bytes()));
    let mut next = stage.clone();
    next.push(b"-".to_vec());
    let shown = shown_by_proc();
    let reported = run(&[stage, next.clone(), next]);
    let variables = run(&[vec![b"cat".to_vec(), b"/proc/self/environ".to_vec()]]);
    let variable = |(name, value): (OsString, OsString)| {
        [name.into_vec(), value.into_vec()].join(&b'=')
    };
    (reported, shown, variables, env::vars_os().map(variable).collect())
})]
fn nothing_else_that_the_kernel_shows_is_changed(mut subject: Subject) {
    let text: String = proctor::random();
    let answer = ask(&mut subject, &text, NO_END);
    let (reported, caller, variables, environment) = &answer.value;
    let (output, _) = piped(reported);
    let programs: Vec<&str> = output.split("Name:\tcat\n").skip(1).collect();
    assert!(
        programs.len() == 3,
        "three programs each wrote their own status, and the output has {} of them",
        programs.len()
    );
    // The last program writes first.
    for (program, name) in programs.iter().rev().zip(NAMES) {
        let (is, was) = (handed_on(program), handed_on(caller));
        for (is, was) in is.iter().zip(&was) {
            assert!(
                is == was,
                "fork and exec hand on what /proc shows of the caller as {was:?}, and for {name} it shows {is:?}"
            );
        }
        assert!(is.len() == was.len(), "{name} wrote {program:?}");
    }
    piped(variables);
    let Piped(output, _) = variables else {
        unreachable!("checked above")
    };
    let mut found: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    // Behind the last zero there is nothing.
    found.pop();
    found.sort_unstable();
    let mut expected: Vec<&[u8]> = environment.iter().map(Vec::as_slice).collect();
    expected.sort_unstable();
    let odd = |these: &[&[u8]], those: &[&[u8]]| -> Vec<String> {
        let odd = these.iter().filter(|one| !those.contains(one));
        odd.map(|one| String::from_utf8_lossy(one).into_owned())
            .collect()
    };
    assert!(
        found == expected,
        "a program has the caller's environment, and these variables are missing: {:?}; and these are new: {:?}",
        odd(&expected, &found),
        odd(&found, &expected)
    );
    each_stage_was_one_process(&answer, 4, 0);
}

#[proctor::test(clauses = [1, 3, 4, 6, 11], subject = |(): ()| -> String {
    // If calls panic, this one says so.
    call(&[vec![b"true".to_vec()]]);
    // The program inherits one end of each pipe.
    let (orders, give) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let (hear, says) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    for end in [&orders, &says] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::empty())).expect("a flag");
        assert!(end.as_raw_fd() < 10, "sh knows descriptors up to 9");
    }
    // If the caller ends first, this process gets the caller's child.
    // SAFETY: takes integers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let script = format!(
        "echo runs >&{says}; read -r order <&{orders}; echo $order >&{says}",
        says = says.as_raw_fd(),
        orders = orders.as_raw_fd(),
    );
    let stages = [vec![b"sh".to_vec(), b"-c".to_vec(), script.into_bytes()]];
    let caller = other_child(|| match catch_unwind(AssertUnwindSafe(|| call(&stages))) {
        Ok(Piped(..)) => 0,
        _ => 1,
    });
    drop((orders, says));
    let mut hear = File::from(hear);
    let mut line = |length: usize| {
        let mut heard = vec![0; length];
        let read = hear.read_exact(&mut heard);
        read.map_or_else(|_| "nothing".to_owned(), |()| String::from_utf8_lossy(&heard).into_owned())
    };
    let first = line(5);
    let _ = kill(caller, Signal::SIGKILL);
    reap(caller);
    let _ = File::from(give).write_all(b"still\n");
    let second = line(6);
    while waitpid(None, None).is_ok() {}
    first + &second
})]
fn a_program_outlives_the_caller(mut subject: Subject) {
    let answer = subject.ask(&());
    assert!(
        answer.value == "runs\nstill\n",
        "a program said that it runs, SIGKILL ended the caller, and after that the program was to say \"still\"; it said {:?}: nothing may end a program with the caller",
        answer.value
    );
    answer.nothing_is_left("all processes have ended");
}

/// Closes those of the descriptors 0, 1 and 2 that are in the set, for the time
/// of the call.
fn without_streams<T>(closed: &[i32], call: impl FnOnce() -> T) -> T {
    let keep = |fd: &i32| {
        // SAFETY: takes integers; the number belongs to this function alone.
        let saved = unsafe { libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, 50) };
        // SAFETY: nothing else uses it until it is open again.
        unsafe { libc::close(*fd) };
        (*fd, saved)
    };
    let saved: Vec<(i32, i32)> = closed.iter().map(keep).collect();
    let value = call();
    for (fd, saved) in saved {
        // SAFETY: both numbers belong to this function.
        unsafe {
            libc::dup2(saved, fd);
            libc::close(saved);
        }
    }
    value
}

#[proctor::test(clauses = [1, 3, 4, 7, 8, 9, 10, 11, 14, 15], subject = |(closed, stages): (Vec<i32>, Vec<Words>)| -> (Reported, BTreeMap<i32, String>) {
    without_streams(&closed, || {
        let before = inheritable();
        (run(&stages), before)
    })
})]
fn a_caller_may_have_closed_its_streams(mut subject: Subject) {
    for set in 1..8 {
        let closed: Vec<i32> = (0..3).filter(|fd| set & 1 << fd != 0).collect();
        let when = format!("with the caller's descriptors {closed:?} closed");
        let answer = ask(&mut subject, &(closed.clone(), listing_stages()), NO_END);
        let (reported, caller) = &answer.value;
        let (output, endings) = piped(reported);
        streams_are_connected(&output, caller, &when);
        ended(endings, &[Exited(0); 3]);
        each_stage_was_one_process(&answer, 3, 3);
        answer.nothing_is_printed();
        for place in 0..3 {
            let mut stages = vec![words(&["true"]); 3];
            stages[place] = words(&["/no/such/program"]);
            let answer = ask(&mut subject, &(closed.clone(), stages), NO_END);
            let what = format!("{when}, {} could not be executed", NAMES[place]);
            failed_with(&answer.value.0, &[Errno::ENOENT], &what);
            answer.nothing_is_left(RETURNED);
            answer.nothing_is_printed();
        }
    }
}

// ---------------------------------------------------------------- the result

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11], subject = |(input, copies): (Vec<u8>, usize)| -> Reported {
    let file = file_in_memory();
    fs::write(format!("/proc/self/fd/{}", file.as_raw_fd()), input).expect("room");
    dup2_stdin(file).expect("the file as standard input");
    run(&vec![vec![b"cat".to_vec()]; copies])
})]
fn all_bytes_of_the_output_come_back(mut subject: Subject) {
    let mut bytes = vec![0; 100_001];
    proctor::rng().fill(&mut bytes);
    let inputs: [(&[u8], usize); 5] = [
        (b"", 1),
        (b" \n two lines \r\n\n\n", 1),
        (b"no newline", 3),
        (&[0; 65_536], 1),
        (&bytes, 3),
    ];
    for (input, programs) in inputs {
        let length = input.len();
        let answer = ask(
            &mut subject,
            &(input.to_vec(), programs),
            &format!(
                "each program copies {length} bytes from its input to its output (number of programs: {programs}), and the call does not come back"
            ),
        );
        let (_, endings) = piped(&answer.value);
        ended(endings, &vec![Exited(0); programs]);
        let Piped(output, _) = &answer.value else {
            unreachable!("checked above")
        };
        let difference = output.iter().zip(input).position(|(is, was)| is != was);
        assert!(
            output.len() == length && difference.is_none(),
            "the last program wrote {length} bytes, and the output has {} bytes (the first byte that differs: {difference:?})",
            output.len()
        );
        each_stage_was_one_process(&answer, programs, 0);
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11], deadline = 60.0, subject = |stages: Vec<Words>| -> Reported {
    match run(&stages) {
        // A short text takes the place of the output, so that the answer is small.
        Piped(output, endings) => {
            // Most chunks are compared at once.
            let zeros = vec![0; 1 << 16];
            let odd = output.chunks(zeros.len()).filter(|chunk| **chunk != zeros[..chunk.len()]);
            let other = odd.flatten().filter(|byte| **byte != 0).count();
            let text = format!("{} bytes, of which {other} are not zero", output.len());
            Piped(text.into_bytes(), endings)
        }
        other => other,
    }
})]
fn the_output_may_be_larger_than_any_buffer(mut subject: Subject) {
    let bytes = 17_000_000 + u64::from(proctor::random::<u16>());
    let stages = vec![
        words(&["head", "-c", &bytes.to_string(), "/dev/zero"]),
        words(&["cat"]),
    ];
    let answer = ask(
        &mut subject,
        &stages,
        "the last program writes 17 MB, and a write to a full pipe waits until the reader has read",
    );
    let (output, endings) = piped(&answer.value);
    assert!(
        output == format!("{bytes} bytes, of which 0 are not zero"),
        "the last program wrote {bytes} bytes, all of them zero, and the call returned {output}"
    );
    ended(endings, &[Exited(0); 2]);
    each_stage_was_one_process(&answer, 2, 0);
}

/// Writes until the next program has ended, and then ends with this code.
fn ends_after_the_next(code: u8) -> Words {
    sh(&format!(
        "trap '' PIPE; while echo x; do :; done 2>/dev/null; exit {code}"
    ))
}

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11], deadline = 5.0, subject = |stages: Vec<Words>| -> Reported { run(&stages) })]
fn each_ending_is_in_its_place(mut subject: Subject) {
    let code = proctor::rng().u8(2..250);
    let dies = |signal: i32| sh(&format!("kill -{signal} $$"));
    let exits = |code: u8| sh(&format!("exit {code}"));
    for (stages, expected) in [
        // Of signals, those that leave no core file.
        (
            vec![
                dies(15),
                exits(code),
                exits(0),
                dies(9),
                exits(143),
                exits(255),
            ],
            vec![
                Killed(15),
                Exited(code),
                Exited(0),
                Killed(9),
                Exited(143),
                Exited(255),
            ],
        ),
        (vec![exits(0), dies(1)], vec![Exited(0), Killed(1)]),
        (vec![exits(1), exits(0)], vec![Exited(1), Exited(0)]),
        (vec![exits(127)], vec![Exited(127)]),
        // The last one ends first, and the first one ends last.
        (
            vec![
                ends_after_the_next(code),
                ends_after_the_next(2),
                ends_after_the_next(1),
                dies(14),
            ],
            vec![Exited(code), Exited(2), Exited(1), Killed(14)],
        ),
    ] {
        let answer = ask(
            &mut subject,
            &stages,
            "each program ends as soon as the next program has ended, and the call does not come back",
        );
        let (output, endings) = piped(&answer.value);
        ended(endings, &expected);
        assert!(
            output.is_empty(),
            "the last program wrote nothing, and the call returned the output {output:?}"
        );
        each_stage_was_one_process(&answer, stages.len(), 0);
    }
}

#[proctor::test(clauses = [1, 3, 4, 5, 9, 11], core_files = true, subject = |stages: Vec<Words>| -> (Reported, bool) {
    // The programs inherit the limit and the folder.
    let makes = proctor::leave_a_core_file();
    let reported = call(&stages);
    let mut made = false;
    for file in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        made |= fs::remove_file(file.path()).is_ok();
    }
    (reported, makes && made)
})]
fn each_signal_has_its_number(mut subject: Subject) {
    use Signal::{SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    let harmless = [
        SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
    ];
    let harmless = harmless.map(|signal| signal as i32);
    let signals: Vec<i32> = (1..=31)
        .filter(|signal| !harmless.contains(signal))
        .collect();
    let dies = |signal: &i32| sh(&format!("kill -{signal} $$"));
    let answer = ask(
        &mut subject,
        &signals.iter().map(dies).collect(),
        "each program ends by a signal, and the call does not come back",
    );
    let (reported, made) = &answer.value;
    if *made {
        proctor::covered("a core file was written");
    }
    let (_, endings) = piped(reported);
    let expected: Vec<Ended> = signals.iter().map(|signal| Killed(*signal)).collect();
    ended(endings, &expected);
    each_stage_was_one_process(&answer, signals.len(), 0);
}

// A shell function: waits until the caller sleeps in the kernel.
const WHEN_THE_CALLER_WAITS: &str = "when_the_caller_waits() {
    state=R
    while [ \"$state\" != S ]; do read -r pid name state rest </proc/$PPID/stat || break; done
}
disturb() {
    i=0
    while [ $i -lt 300 ]; do when_the_caller_waits; kill -USR1 $PPID; i=$((i+1)); done
}";

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11], deadline = 30.0, subject = |stages: Vec<Words>| -> Reported {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::SA_NOCLDSTOP);
    on_signal(Signal::SIGCHLD, SigHandler::Handler(do_nothing), SaFlags::SA_NOCLDSTOP);
    run(&stages)
})]
fn it_waits_for_all_programs_whatever_signals_arrive(mut subject: Subject) {
    let text: String = proctor::random();
    let code = proctor::rng().u8(1..250);
    // While the caller reads, and while it waits for the end.
    let alone = sh(&format!(
        "{WHEN_THE_CALLER_WAITS}
        echo first; disturb; echo {text}; exec >&-; disturb; exit {code}"
    ));
    // When the last program has ended, the first one still runs.
    let first = sh(&format!(
        "{WHEN_THE_CALLER_WAITS}
        trap '' PIPE; while echo x; do :; done 2>/dev/null; exec >&-; disturb; exit {code}"
    ));
    // A program that is stopped goes on later.
    let stops = sh(&format!("echo $$; kill -STOP $$; exit {code}"));
    let continues = sh(&format!(
        "{WHEN_THE_CALLER_WAITS}
        read -r other; exec >&-; state=R
        while [ \"$state\" != T ]; do read -r pid name state rest </proc/$other/stat || break; done
        when_the_caller_waits; kill -CONT $other"
    ));
    for (stages, text, expected) in [
        (vec![alone], format!("first\n{text}\n"), vec![Exited(code)]),
        (
            vec![first, words(&["head", "-n", "1"])],
            "x\n".to_owned(),
            vec![Exited(code), Exited(0)],
        ),
        (
            vec![stops, continues],
            String::new(),
            vec![Exited(code), Exited(0)],
        ),
    ] {
        let answer = ask(
            &mut subject,
            &stages,
            "a program sends signals to the caller and then ends, and the call does not come back",
        );
        let (output, endings) = match &answer.value {
            Error(number, text) if *number == Some(Errno::EINTR as i32) => panic!(
                "a signal for which the caller has a handler interrupted a system call, and pipeline returned this error: {text}"
            ),
            reported => piped(reported),
        };
        assert!(
            output == text,
            "while signals arrived, the last program wrote {} bytes, {text:?}, and the call returned {} bytes, {output:?}",
            text.len(),
            output.len()
        );
        assert!(
            endings == expected,
            "after the output was closed, the first program went on, and it ended with exit code {code}, so the endings are {expected:?}, but the call returned {endings:?}"
        );
        each_stage_was_one_process(&answer, stages.len(), 0);
    }
}

/// How many forks of the caller are still to come before the one whose child
/// disturbs the caller.
static FORKS_BEFORE: AtomicI32 = AtomicI32::new(0);

extern "C" fn count_forks() {
    FORKS_BEFORE.fetch_sub(1, Relaxed);
}

/// In the last child, before it is a program: sends signals to the caller, each
/// when the caller waits, so that they interrupt whatever it does meanwhile.
///
/// The judge looks at some system calls before the kernel carries them out
/// (fork, for example). In life, no signal interrupts these calls, so none is
/// sent while the caller waits for the judge.
extern "C" fn disturb_the_caller() {
    if FORKS_BEFORE.load(Relaxed) != 0 {
        return;
    }
    let caller = getppid();
    let mut onlooker = Onlooker::of_process(caller.as_raw());
    let waits_for = || fs::read_to_string(format!("/proc/{caller}/wchan")).unwrap_or_default();
    for _ in 0..20 {
        onlooker.until_it_waits();
        if !waits_for().contains("seccomp") {
            let _ = kill(caller, Signal::SIGUSR1);
        }
    }
    onlooker.until_it_waits();
}

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11, 14, 15], deadline = 30.0, subject = |stages: Vec<Words>| -> Reported {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::SA_NOCLDSTOP);
    FORKS_BEFORE.store(stages.len() as i32, Relaxed);
    // SAFETY: a subject has one thread, so its child may do anything.
    unsafe { libc::pthread_atfork(Some(count_forks), None, Some(disturb_the_caller)) };
    run(&stages)
})]
fn signals_arrive_before_the_programs_run(mut subject: Subject) {
    let text: String = proctor::random();
    let what = "signals for which the caller has a handler arrived before a program ran";
    for programs in [1, 3] {
        let mut stages = vec![words(&["cat"]); programs];
        stages[0] = words(&["printf", "%s", &text]);
        let answer = ask(&mut subject, &stages, what);
        let (output, endings) = match &answer.value {
            Error(Some(number), text) if *number == Errno::EINTR as i32 => {
                panic!("{what}, and the call returned an error: {text}")
            }
            reported => piped(reported),
        };
        assert!(
            output == text,
            "{what}, the first program wrote {text:?}, and the call returned {output:?}"
        );
        ended(endings, &vec![Exited(0); programs]);
        each_stage_was_one_process(&answer, programs, 0);
        subject.fresh();
    }
    let answer = ask(&mut subject, &vec![words(&["/no/such/program"])], what);
    let what = format!("{what}, and a program could not be executed");
    failed_with(&answer.value, &[Errno::ENOENT], &what);
    answer.nothing_is_left(RETURNED);
}

#[proctor::test(clauses = [1, 3, 4, 9, 10, 11], slow = true, deadline = 60.0, subject = |stages: Vec<Words>| -> Reported { run(&stages) })]
fn it_has_no_limit_of_time(mut subject: Subject) {
    // While the call reads, and while it waits for the end.
    let stages = vec![sh("sleep 1; exec >&-; exec sleep 1"), words(&["cat"])];
    let answer = subject.ask(&stages);
    let (_, endings) = piped(&answer.value);
    assert!(
        endings == [Exited(0); 2],
        "a program took 2 s, and the call returned the endings {endings:?}"
    );
    each_stage_was_one_process(&answer, 2, 1);
}

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11, 13], faults = [Process, Pipe, Wait], subject = |stages: Vec<Words>| -> Reported { run(&stages) })]
fn a_thousand_interruptions_do_not_end_the_wait(mut subject: Subject) {
    const INTERRUPTIONS: u32 = 1_030;
    let interruptions = Failure::of(Fault::Wait, Errno::EINTR)
        .times(INTERRUPTIONS)
        .whose(Whose::TheSubjects);
    subject.fail(interruptions);
    let answer = subject.ask(&vec![sh("exit 3"), sh("exit 4")]);
    if let Error(_, text) = &answer.value {
        panic!(
            "signals for which the caller has a handler interrupted the wait, and the call returned an error: {text}"
        );
    }
    let (_, endings) = piped(&answer.value);
    assert!(
        endings == [Exited(3), Exited(4)],
        "the programs ended with exit codes 3 and 4, and after {INTERRUPTIONS} interruptions of the wait the call returned {endings:?}"
    );
    each_stage_was_one_process(&answer, 2, 0);
    // The wait after an error, too.
    for (step, number, errno, name) in [
        (Fault::Process, 1, Errno::EAGAIN, "fork"),
        (Fault::Pipe, 2, Errno::ENFILE, "pipe"),
    ] {
        subject.fresh();
        let failure = Failure::of(step, errno).after(number);
        subject.fail(failure.whose(Whose::TheSubjects));
        subject.fail(interruptions);
        let answer = subject.ask(&vec![words(&["cat"]); 3]);
        let what = format!("signals interrupted the wait after {name} had failed");
        failed_with(&answer.value, &[errno], &what);
        answer.nothing_is_left(RETURNED);
    }
}

// ---------------------------------------------------------------- the caller

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11, 13, 14, 15], faults = [Process, Pipe], subject = |(stages, code): (Vec<Words>, u8)| -> (Reported, Option<i32>, bool) {
    let ended = other_child(|| code);
    let is_over = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(ended), is_over).expect("its end");
    let running = other_child(|| loop {
        nix::unistd::pause();
    });
    let reported = run(&stages);
    let code = match waitpid(ended, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, code)) => Some(code),
        _ => None,
    };
    let still_runs = waitpid(running, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive);
    let _ = kill(running, Signal::SIGKILL);
    reap(running);
    (reported, code, still_runs)
})]
fn other_children_of_the_caller_are_left_alone(mut subject: Subject) {
    let missing = words(&["/no/such/program"]);
    let stages = |last: &Words| vec![sh("exit 3"), sh("exit 4"), last.clone()];
    let fine = stages(&sh("exit 5"));
    // The caller's own children are the first two processes.
    let fork = Failure::of(Fault::Process, Errno::EAGAIN).after(2 + 2);
    let pipe = Failure::of(Fault::Pipe, Errno::ENFILE).after(2);
    for (stages, failure, error) in [
        (fine.clone(), None, None),
        (stages(&missing), None, Some(Errno::ENOENT)),
        (fine.clone(), Some(fork), Some(Errno::EAGAIN)),
        (fine.clone(), Some(pipe), Some(Errno::ENFILE)),
    ] {
        if let Some(failure) = failure {
            subject.fail(failure.whose(Whose::TheSubjects));
        }
        let code = proctor::rng().u8(1..250);
        let answer = ask(
            &mut subject,
            &(stages, code),
            "the caller has another child, which runs until the call has returned, and the call waits for that child, too",
        );
        let (reported, status, still_runs) = &answer.value;
        let when = match error {
            None => String::new(),
            Some(errno) => format!(" (a step of the call had failed: {errno})"),
        };
        assert!(
            *status == Some(i32::from(code)),
            "another child of the caller had ended before the call, and after the call the caller cannot learn its exit code: the call has reaped a child that it did not start{when}"
        );
        assert!(
            *still_runs,
            "another child of the caller ran during the call, and after the call it does not run any more, or the caller cannot wait for it{when}"
        );
        match error {
            None => {
                let (_, endings) = piped(reported);
                assert!(
                    endings == [Exited(3), Exited(4), Exited(5)],
                    "the programs ended with exit codes 3, 4 and 5, and the call returned the endings {endings:?}"
                );
                each_stage_was_one_process(&answer, 3, 2);
            }
            Some(errno) => {
                failed_with(reported, &[errno], "a step failed");
                answer.nothing_is_left(RETURNED);
            }
        }
        subject.fresh();
    }
}

#[proctor::test(clauses = [1, 4, 9, 11, 14, 15], subject = |(good, bad): (Words, Words)| -> Option<(usize, Reported)> {
    let mut odd = None;
    let all = unchanged(|| {
        for number in 1..=260 {
            let (stage, right) = match number % 13 {
                0 => (&bad, Error(Some(Errno::ENOENT as i32), String::new())),
                _ => (&good, Piped(Vec::new(), vec![Exited(0)])),
            };
            let reported = match call(std::slice::from_ref(stage)) {
                Error(number, _) => Error(number, String::new()),
                other => other,
            };
            if reported != right {
                odd = odd.take().or(Some((number, reported)));
            }
        }
        Piped(Vec::new(), Vec::new())
    });
    odd.or_else(|| matches!(all, Changed(_)).then_some((260, all)))
})]
fn hundreds_of_calls_are_like_one(mut subject: Subject) {
    let stages = (words(&["true"]), words(&["/no/such/program"]));
    let answer = subject.ask(&stages);
    match &answer.value {
        Some((_, Changed(what))) => changed(what),
        Some((number, reported)) => panic!(
            "the caller called pipeline 260 times with one program, each 13th time with a program that does not exist, and call {number} returned {reported:?}"
        ),
        None => each_stage_was_one_process(&answer, 260, 0),
    }
}

#[proctor::test(clauses = [8, 9, 11, 12], subject = |(): ()| -> Reported { run(&[]) })]
fn without_stages_nothing_is_started(mut subject: Subject) {
    let answer = ask(
        &mut subject,
        &(),
        "the call has no programs to wait for, and it does not come back",
    );
    let reported = &answer.value;
    assert!(
        *reported == Piped(Vec::new(), Vec::new()),
        "the call got no stages, so output and endings are empty, and it returned {reported:?}"
    );
    each_stage_was_one_process(&answer, 0, 0);
    answer.nothing_is_printed();
}

/// Calls with stages while only so many descriptors can be opened besides those
/// that are open.
fn with_room_for(descriptors: usize, stages: &[Words]) -> Reported {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 40, hard).expect("a lower limit");
    let null = File::open("/dev/null").expect("a file");
    // Numbers above those of the streams, which may be closed.
    let copy = || fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(3)).ok();
    // SAFETY: fcntl has just opened it, and nothing else owns it.
    let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
    let mut others: Vec<OwnedFd> = std::iter::from_fn(copy).map(own).collect();
    others.truncate(others.len() - descriptors);
    drop(null);
    let reported = call(stages);
    drop(others);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("a limit");
    reported
}

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11, 12], deadline = 30.0, processes = 700, subject = |(text, programs): (String, usize)| -> Reported {
    let mut stages = vec![vec![b"cat".to_vec()]; programs];
    stages[0] = vec![b"printf".to_vec(), b"%s".to_vec(), text.into_bytes()];
    with_room_for(10, &stages)
})]
fn three_hundred_stages_need_ten_descriptors(mut subject: Subject) {
    let text: String = proctor::random();
    for programs in [1, 8, 300] {
        let answer = ask(
            &mut subject,
            &(text.clone(), programs),
            &format!(
                "each program passes on a text (number of programs: {programs}), and the call does not come back"
            ),
        );
        if let Error(number, _) = &answer.value {
            assert!(
                *number != Some(Errno::EMFILE as i32),
                "the caller may open ten more descriptors, and with {programs} stages the call tried to have more than ten open at a time (EMFILE)"
            );
        }
        let (output, endings) = piped(&answer.value);
        assert!(
            output == text,
            "the first program wrote {text:?}, all others passed it on (number of programs: {programs}), and the call returned {output:?}"
        );
        ended(endings, &vec![Exited(0); programs]);
        each_stage_was_one_process(&answer, programs, 0);
    }
}

// -------------------------------------------------------------------- errors

/// Programs that do not end, because their input does not end, and that ignore
/// SIGTERM.
fn call_with_endless_programs(stages: &[Words]) -> Reported {
    let _input = endless_input();
    on_signal(Signal::SIGTERM, SigHandler::SigIgn, SaFlags::SA_NOCLDSTOP);
    run(stages)
}

const DOES_NOT_END_THEM: &str = "a step failed, and the call does not return the error but waits for the other programs, which do not end by themselves: it must kill them with SIGKILL";

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11, 13], faults = [Process], subject = |stages: Vec<Words>| -> (Reported, Reported) {
    let failed = call_with_endless_programs(&stages);
    (failed, run(&[vec![b"true".to_vec()]]))
})]
fn an_error_of_fork_is_returned(mut subject: Subject) {
    let stages = vec![words(&["cat"]); 3];
    for (errno, before) in [Errno::EAGAIN, Errno::ENOMEM]
        .iter()
        .flat_map(|errno| [(*errno, 0), (*errno, 1), (*errno, 2)])
    {
        let failure = Failure::of(Fault::Process, errno).after(before);
        subject.fail(failure.whose(Whose::TheSubjects));
        let answer = ask(&mut subject, &stages, DOES_NOT_END_THEM);
        let (failed, next) = &answer.value;
        failed_with(failed, &[errno], "fork failed");
        assert!(
            *next == Piped(Vec::new(), vec![Exited(0)]),
            "fork failed in one call, and the next call, in which nothing failed, returned {next:?}"
        );
        // (And the one program of the next call.)
        each_stage_was_one_process(&answer, before as usize, 1);
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11, 13], faults = [Pipe], subject = |(endless, stages): (bool, Vec<Words>)| -> Reported {
    match endless {
        true => call_with_endless_programs(&stages),
        false => {
            dup2_stdin(File::open("/dev/null").expect("/dev/null")).expect("an empty input");
            run(&stages)
        }
    }
})]
fn an_error_of_pipe_is_returned(mut subject: Subject) {
    let stages = vec![words(&["cat"]); 3];
    for before in 0..20 {
        let errno = match before % 2 {
            0 => Errno::EMFILE,
            _ => Errno::ENFILE,
        };
        // The test itself makes the first pipe of an endless call.
        let failure = Failure::of(Fault::Pipe, errno).whose(Whose::TheSubjects);
        subject.fail(failure.after(before));
        let answer = ask(&mut subject, &(false, stages.clone()), DOES_NOT_END_THEM);
        answer.nothing_is_left(RETURNED);
        if answer.evidence.faults == 0 {
            assert!(
                before >= 3,
                "three programs need three pipes, and the call made {before}"
            );
            break;
        }
        failed_with(&answer.value, &[errno], "a pipe could not be made");
        subject.fail(failure.after(before + 1));
        let answer = ask(&mut subject, &(true, stages.clone()), DOES_NOT_END_THEM);
        failed_with(&answer.value, &[errno], "a pipe could not be made");
        answer.nothing_is_left(RETURNED);
    }
}

#[proctor::test(clauses = [1, 3, 4, 7, 8, 9, 10, 11, 12, 13], subject = |(closed, room, stages): (Vec<i32>, usize, Vec<Words>)| -> Reported {
    // An end that is left may have the number of a stream.
    without_streams(&closed, || unchanged(|| with_room_for(room, &stages)))
})]
fn descriptors_run_out(mut subject: Subject) {
    for closed in [vec![], vec![0], vec![1], vec![0, 1, 2]] {
        for room in 0..=10 {
            let stages = vec![words(&["true"]); 2];
            let answer = ask(&mut subject, &(closed.clone(), room, stages), NO_END);
            let when = format!(
                "the caller's descriptors {closed:?} were closed, and {room} more could be opened"
            );
            match &answer.value {
                Error(..) if room < 10 => failed_with(&answer.value, &[Errno::EMFILE], &when),
                Changed(what) => panic!("{when}, and the caller is not as it was: {what}"),
                reported => assert!(
                    *reported == Piped(Vec::new(), vec![Exited(0); 2]),
                    "{when}, and the call returned {reported:?}"
                ),
            }
            answer.nothing_is_left(RETURNED);
        }
    }
}

/// The read end of a pipe to which each program writes as soon as it runs.
static RUNNING: AtomicI32 = AtomicI32::new(-1);
/// The children that this handler has seen.
static SEEN: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// In the caller, at the end of fork: waits until the new program runs or its
/// process has ended, so that the next step of the call does not come before.
extern "C" fn until_the_program_runs() {
    let errno = Errno::last_raw();
    let mut seen = SEEN.lock().expect("no panic with the lock");
    // None if fork has failed.
    let is_new = |child: &Task| !seen.contains(&child.id);
    if let Some(mut child) = Task::children().into_iter().find(is_new) {
        seen.push(child.id);
        let mut byte = 0_u8;
        // SAFETY: it reads one byte into a byte, and does not wait.
        let mut runs =
            || unsafe { libc::read(RUNNING.load(Relaxed), (&raw mut byte).cast(), 1) == 1 };
        while !child.is_zombie && !runs() {
            thread::sleep(Duration::from_micros(100));
            match child.again() {
                Some(now) => child = now,
                None => break,
            }
        }
    }
    Errno::set_raw(errno);
}

#[proctor::test(clauses = [1, 2, 11, 13, 14, 15], faults = [Process, Pipe], subject = |(place, programs): (usize, usize)| -> Reported {
    let (running, runs) = pipe2(OFlag::O_NONBLOCK).expect("a pipe");
    assert!(runs.as_raw_fd() < 10, "sh knows descriptors up to 9");
    RUNNING.store(running.as_raw_fd(), Relaxed);
    // SAFETY: the handler reads, and looks at /proc.
    unsafe { libc::pthread_atfork(None, Some(until_the_program_runs), None) };
    // A trap writes to the standard error, and nothing else does.
    let script = format!(
        "trap 'echo a signal arrived >&2' HUP INT QUIT USR1 USR2 ALRM TERM
         trap '' PIPE; echo >&{}; while :; do :; done",
        runs.as_raw_fd()
    );
    let mut stages = vec![vec![b"sh".to_vec(), b"-c".to_vec(), script.into_bytes()]; programs];
    if let Some(stage) = stages.get_mut(place) {
        *stage = vec![b"/no/such/program".to_vec()];
    }
    run(&stages)
})]
fn no_other_signal_arrives_before_sigkill(mut subject: Subject) {
    let no_place = usize::MAX;
    let mut steps: Vec<(Option<Failure>, usize, Errno)> = Vec::new();
    steps.extend((0..3).map(|place| (None, place, Errno::ENOENT)));
    for before in [1, 2] {
        let fork = Failure::of(Fault::Process, Errno::EAGAIN).after(before);
        steps.push((Some(fork), no_place, Errno::EAGAIN));
    }
    // The test itself makes the first pipe.
    for before in [1, 2] {
        let pipe = Failure::of(Fault::Pipe, Errno::ENFILE).after(1 + before);
        steps.push((Some(pipe), no_place, Errno::ENFILE));
    }
    for (failure, place, errno) in steps {
        if let Some(failure) = failure {
            subject.fail(failure.whose(Whose::TheSubjects));
        }
        let answer = ask(&mut subject, &(place, 3), DOES_NOT_END_THEM);
        failed_with(&answer.value, &[errno], "a step failed");
        let printed = &answer.output.stderr;
        assert!(
            printed.is_empty(),
            "a step failed, and a program that had already started got another signal than SIGKILL, for which it has a trap: {printed:?}"
        );
        answer.nothing_is_left(RETURNED);
        subject.fresh();
    }
}

/// The parent of a process, if there is such a process.
fn parent_of(process: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let mut lines = status.lines();
    let parent = lines.find_map(|line| line.strip_prefix("PPid:"))?;
    Some(Pid::from_raw(parent.trim().parse().ok()?))
}

/// Lets a child that the test traces run to its end. Returns how it ended, and the
/// signals that it sent to numbers which were not, or no longer, children of it.
fn signals_astray(child: Pid) -> (Option<Ended>, Vec<u64>) {
    let _ = ptrace::setoptions(child, ptrace::Options::PTRACE_O_TRACESYSGOOD);
    let (mut astray, mut signal) = (Vec::new(), None);
    loop {
        let _ = ptrace::syscall(child, signal.take());
        match waitpid(child, None) {
            Ok(WaitStatus::PtraceSyscall(_)) => {
                let Ok(made) = ptrace::syscall_info(child) else {
                    continue;
                };
                // SAFETY: all fields are numbers, and any number is valid.
                let entry = unsafe { made.u.entry };
                let is_kill =
                    made.op == libc::PTRACE_SYSCALL_INFO_ENTRY && entry.nr == libc::SYS_kill as u64;
                // (Signal 0 only asks. The argument has 32 bits.)
                let target = Pid::from_raw(entry.args[0] as i32);
                if is_kill && entry.args[1] != 0 && parent_of(target) != Some(child) {
                    astray.push(entry.args[1]);
                }
            }
            Ok(WaitStatus::Stopped(_, other)) => signal = Some(other),
            Ok(WaitStatus::Exited(_, code)) => return (Some(Exited(code as u8)), astray),
            Ok(WaitStatus::Signaled(_, number, _)) => {
                return (Some(Killed(number as i32)), astray);
            }
            Err(Errno::EINTR) => {}
            _ => return (None, astray),
        }
    }
}

/// What a traced child of the test ends with where the call returned ENOENT.
const RIGHT: u8 = 0;

#[proctor::test(clauses = [1, 2, 11, 12, 14, 15], orphans = true, subject = |stages: Vec<Words>| -> Option<(Option<Ended>, Vec<u64>)> {
    // Where pipeline panics, the test shall say so with the panic itself.
    drop(call(&[]));
    let child = traced_child(|| {
        let _writer = endless_input();
        match call(&stages) {
            Error(Some(libc::ENOENT), _) => RIGHT,
            _ => 1,
        }
    })?;
    Some(signals_astray(child))
})]
fn no_signal_goes_to_a_child_that_is_reaped_already(mut subject: Subject) {
    for place in 0..3 {
        let mut stages = vec![words(&["cat"]); 3];
        stages[place] = words(&["/no/such/program"]);
        let answer = ask(&mut subject, &stages, DOES_NOT_END_THEM);
        // `None` where the machine does not allow a process to trace its child.
        let Some((ended, astray)) = &answer.value else {
            return;
        };
        proctor::covered("the signals that the call sends go to its own children");
        let program = NAMES[place];
        assert!(
            astray.is_empty(),
            "{program} could not be executed, and the call sent signal {} to the number of a process that is not, or no longer, a child of the caller: the kernel may have given the number of a child that is reaped to another process",
            astray[0]
        );
        assert!(
            *ended == Some(Exited(RIGHT)),
            "{program} could not be executed (ENOENT), and the call did not return this error"
        );
        answer.nothing_is_left(RETURNED);
    }
}

/// Stands for an argument of 3 MiB.
const TOO_LONG: &str = "3 MiB";

/// In the subject: replaces [`TOO_LONG`].
fn lengthen(stages: &mut [Words]) {
    for word in stages
        .iter_mut()
        .flatten()
        .filter(|word| **word == TOO_LONG.as_bytes())
    {
        *word = vec![b'x'; 3 << 20];
    }
}

/// In the subject: makes the folder the working folder and the first one of
/// `PATH`. It holds `locked`, which nobody may execute, and `circle`, a link to
/// itself.
fn a_folder_of_odd_files() -> PathBuf {
    let folder = env::temp_dir().join("odd");
    fs::create_dir(&folder).expect("a folder");
    env::set_current_dir(&folder).expect("the folder");
    not_executable("locked");
    symlink("circle", "circle").expect("a link");
    // Only folders that can be searched: others make execvp say EACCES.
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| fs::read_dir(folder).is_ok());
    let path = env::join_paths([folder.clone()].into_iter().chain(folders));
    // SAFETY: a subject has one thread.
    unsafe { env::set_var("PATH", path.expect("a list of folders")) };
    folder
}

/// Programs that cannot be executed, and the error of execvp.
fn not_programs() -> Vec<(String, Errno)> {
    let owned = |(program, errno): (&str, Errno)| (program.to_owned(), errno);
    let mut all = [
        ("/", Errno::EACCES),
        ("", Errno::ENOENT),
        ("/dev/null", Errno::EACCES),
        ("/dev/null/program", Errno::ENOTDIR),
        ("locked", Errno::EACCES),
        ("./locked", Errno::EACCES),
        ("./circle", Errno::ELOOP),
    ]
    .map(owned)
    .to_vec();
    let missing = format!("no-such-program-{}", proctor::random::<String>());
    all.push((format!("./{missing}"), Errno::ENOENT));
    all.push((missing, Errno::ENOENT));
    all.push(("x".repeat(300), Errno::ENAMETOOLONG));
    all.push((format!("./{}", "x/".repeat(3000)), Errno::ENAMETOOLONG));
    all
}

#[proctor::test(clauses = [1, 2, 3, 4, 8, 9, 10, 11, 13, 14, 15], subject = |mut stages: Vec<Words>| -> Reported {
    lengthen(&mut stages);
    let folder = a_folder_of_odd_files();
    let mut stranger = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
    let reported = call_with_endless_programs(&stages);
    fs::remove_dir_all(folder).expect("the folder");
    let still_runs = matches!(stranger.try_wait(), Ok(None));
    drop(stranger.stdin.take());
    match stranger.wait() {
        Ok(status) if still_runs && status.success() => reported,
        _ => Changed("another child of the caller ran before the call, and after the call it does not run any more".to_owned()),
    }
})]
fn a_program_that_cannot_be_executed_is_an_error(mut subject: Subject) {
    for (number, (program, errno)) in not_programs().iter().enumerate() {
        // Two of them in each place, and each other one in one place.
        for place in (0..3).filter(|place| number < 2 || number % 3 == *place) {
            let mut stages = vec![words(&["cat"]); 3];
            stages[place] = words(&[program, "argument"]);
            let answer = ask(&mut subject, &stages, DOES_NOT_END_THEM);
            let shown: String = program.chars().take(60).collect();
            failed_with(
                &answer.value,
                &[*errno],
                &format!("{} ({shown:?}) could not be executed", NAMES[place]),
            );
            answer.nothing_is_left(RETURNED);
        }
    }
    // The program is there, and only exec itself can tell that this is too long.
    let stages = vec![words(&["true", TOO_LONG])];
    let answer = ask(&mut subject, &stages, DOES_NOT_END_THEM);
    let what = "a program with an argument of 3 MiB could not be executed";
    failed_with(&answer.value, &[Errno::E2BIG], what);
    answer.nothing_is_left(RETURNED);
    // Several, also the only one.
    for programs in [1, 3] {
        let mut stages = vec![words(&["/no/such/program"]); programs];
        stages[0] = words(&["/dev/null"]);
        let answer = ask(&mut subject, &stages, DOES_NOT_END_THEM);
        let errors: &[Errno] = match programs {
            1 => &[Errno::EACCES],
            _ => &[Errno::EACCES, Errno::ENOENT],
        };
        failed_with(&answer.value, errors, "no program could be executed");
        answer.nothing_is_left(RETURNED);
    }
}

/// The judge finds these marks if the child runs what belongs to the caller.
const AT_EXIT: u64 = 1;
const DESTRUCTOR: u64 = 2;

extern "C" fn at_exit() {
    proctor::witness(AT_EXIT);
}

/// A value of the caller's, which is dropped once, by the caller.
struct OfTheCaller;

impl Drop for OfTheCaller {
    fn drop(&mut self) {
        proctor::witness(DESTRUCTOR);
    }
}

#[proctor::test(clauses = [1, 3, 4, 8, 9, 10, 11, 13, 14, 15], subject = |(text, mut stages): (String, Vec<Words>)| -> Reported {
    lengthen(&mut stages);
    let folder = a_folder_of_odd_files();
    // SAFETY: the handler sends a note to the judge.
    unsafe { libc::atexit(at_exit) };
    let _value = OfTheCaller;
    print!("{text}");
    // Several times, because the call may kill such a child before it does harm.
    let reported = run(&stages);
    let others: Vec<Reported> = (0..10).map(|_| call(&stages)).collect();
    let _ = std::io::stdout().flush();
    fs::remove_dir_all(folder).expect("the folder");
    others.into_iter().find(|other| *other != reported).unwrap_or(reported)
})]
fn a_child_that_cannot_execute_ends_at_once(mut subject: Subject) {
    let missing = words(&["/no/such/program"]);
    let mut cases: Vec<_> = (0..3)
        .map(|place| (place, missing.clone(), Errno::ENOENT))
        .collect();
    let others = not_programs().into_iter().enumerate();
    cases.extend(others.map(|(number, (program, errno))| (number % 3, words(&[&program]), errno)));
    cases.push((1, words(&["true", TOO_LONG]), Errno::E2BIG));
    for (place, program, errno) in cases {
        let text: String = proctor::random();
        let mut stages = vec![words(&["true"]); 3];
        stages[place] = program;
        let answer = subject.ask(&(text.clone(), stages));
        let evidence = &answer.evidence;
        let ran = |mark: u64| {
            evidence
                .witnesses
                .iter()
                .filter(move |seen| seen.mark == mark)
        };
        assert!(
            ran(AT_EXIT).count() == 0,
            "a child that could not execute its program ran a handler that the caller had registered with atexit"
        );
        assert!(
            ran(DESTRUCTOR).all(|seen| seen.pid == evidence.pid),
            "a child that could not execute its program left the function: it dropped a value of the caller's"
        );
        failed_with(
            &answer.value,
            &[errno],
            &format!("{} could not be executed", NAMES[place]),
        );
        let printed = &answer.output.stdout;
        assert!(
            printed.matches(&text).count() == 1,
            "the caller printed {text:?} once, and this came out: {printed:?}"
        );
        assert!(
            *printed == text && answer.output.stderr.is_empty(),
            "a program could not be executed, and the call or its child printed something: {printed:?} and, to standard error, {:?}",
            answer.output.stderr
        );
        answer.nothing_is_left(RETURNED);
        subject.fresh();
    }
}
