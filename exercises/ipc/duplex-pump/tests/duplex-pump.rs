//! Judges `pump` by what its peer gets, by what it returns, and by what the
//! kernel says about the caller.
//!
//! A peer is a thread of the subject that follows a script ([`Step`]). The
//! judge writes the scripts, and works out from them what the peer must get and
//! what the call must return.
proctor::exercise!(duplex_pump);

use std::fs::{self, File};
use std::io::{Read, Write, pipe};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SaFlags, SigHandler, Signal, raise};
use nix::sys::stat::fstat;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{dup, dup2_stdout, getpid, gettid};
use proctor::{
    Answer, Failure, Fault, Subject, Surroundings, Task, do_nothing, on_signal, other_child,
};
use serde::{Deserialize, Serialize};

/// More than a pipe or a socket holds.
const MUCH: usize = 1 << 20;

/// What `to` and `from` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Ends {
    Pipes,
    /// Duplicates of one socket.
    OneSocket,
    TwoSockets,
    SocketAndPipe,
    PipeAndSocket,
}
use Ends::{OneSocket, PipeAndSocket, Pipes, SocketAndPipe, TwoSockets};

const ALL_ENDS: [Ends; 5] = [Pipes, OneSocket, TwoSockets, SocketAndPipe, PipeAndSocket];

/// What a peer does next.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Step {
    /// Reads this many bytes.
    Take(usize),
    /// Reads until the end of the stream.
    TakeAll,
    /// The same, and keeps nothing of it.
    Discard,
    /// Writes this many bytes.
    Give(usize),
    /// Reads until the end of the stream, and writes back each piece, which has
    /// at most this many bytes.
    Echo(usize),
    /// Closes its end of the stream from the caller, or shuts it down.
    StopReading,
    /// Closes its end of the stream to the caller, or shuts it down.
    StopWriting,
    /// Closes everything.
    HangUp,
    /// Waits until nothing moves: the call has done all that it can do.
    Settle,
    /// Looks whether the call sleeps.
    Look,
    /// This many times: waits until the call waits, and interrupts it.
    Interrupt(u32),
    /// Makes another call, with a peer of its own.
    Another(Box<Scene>),
}
use Step::{
    Another, Discard, Echo, Give, HangUp, Interrupt, Look, Settle, StopReading, StopWriting, Take,
    TakeAll,
};

/// One call of `pump`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Scene {
    ends: Ends,
    seed: u64,
    /// The length of the input.
    input: usize,
    script: Vec<Step>,
    /// The flags that `to` and `from` have besides their own.
    flags: (i32, i32),
    /// Whether the caller keeps a duplicate of each end.
    keeps: bool,
    /// Whether `to` is descriptor 1: the judge can make writes to it fail.
    is_stdout: bool,
}

impl Scene {
    fn new(ends: Ends, input: usize, script: &[Step]) -> Scene {
        Scene {
            ends,
            seed: proctor::random(),
            input,
            script: script.to_vec(),
            flags: (0, 0),
            keeps: false,
            is_stdout: false,
        }
    }

    fn input(&self) -> Vec<u8> {
        bytes(self.seed, self.input)
    }

    /// All that its peer gives, except echoes.
    fn answer(&self) -> Vec<u8> {
        let given = self.script.iter().map(|step| match step {
            Give(length) => *length,
            _ => 0,
        });
        bytes(!self.seed, given.sum())
    }
}

/// What came of one call.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    result: Result<Digest, (Option<i32>, String)>,
    peer: Got,
    /// What the call must not do, whatever the peer does.
    wrong: Vec<String>,
}

/// What a peer got.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Got {
    taken: Digest,
    discarded: usize,
    saw_the_end: bool,
    wrong: Vec<String>,
    another: Vec<Seen>,
}

/// Stands for bytes, so that megabytes need not travel to the judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Digest {
    length: usize,
    sum: u64,
}

impl Digest {
    fn of(bytes: &[u8]) -> Digest {
        let mix = |sum: u64, word: u64| {
            (sum ^ word)
                .rotate_left(23)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        };
        let words = bytes.chunks_exact(8);
        let last = words
            .remainder()
            .iter()
            .fold(1, |sum, &byte| mix(sum, byte.into()));
        let word = |word: &[u8]| u64::from_le_bytes(word.try_into().expect("eight bytes"));
        Digest {
            length: bytes.len(),
            sum: words.fold(last, |sum, bytes| mix(sum, word(bytes))),
        }
    }
}

/// This many bytes, which nobody can guess without the seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all.truncate(length);
    all
}

// -------------------------------------------------------- in the subject

/// The peer's ends.
struct Peer {
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
}

fn make(ends: Ends) -> (OwnedFd, OwnedFd, Peer) {
    let a_pipe = || -> (OwnedFd, OwnedFd) {
        let (reader, writer) = pipe().expect("a pipe");
        (reader.into(), writer.into())
    };
    let a_socket = || -> (OwnedFd, OwnedFd) {
        let (one, other) = UnixStream::pair().expect("a socket");
        (one.into(), other.into())
    };
    let again = |end: &OwnedFd| end.try_clone().expect("a duplicate");
    let ((input, to), (from, output)) = match ends {
        Pipes => (a_pipe(), a_pipe()),
        TwoSockets => (a_socket(), a_socket()),
        SocketAndPipe => (a_socket(), a_pipe()),
        PipeAndSocket => (a_pipe(), a_socket()),
        OneSocket => {
            let (mine, peers) = a_socket();
            ((again(&peers), again(&mine)), (mine, peers))
        }
    };
    let peer = Peer {
        input: Some(input),
        output: Some(output),
    };
    (to, from, peer)
}

impl Peer {
    fn live(mut self, scene: &Scene) -> Got {
        let mut got = Got::default();
        let mut taken = Vec::new();
        let answer = scene.answer();
        let mut answer = answer.as_slice();
        for step in &scene.script {
            match step {
                Take(length) => {
                    _ = self.take(*length, usize::MAX, |piece| taken.extend_from_slice(piece))
                }
                TakeAll => {
                    got.saw_the_end = self.take(usize::MAX, usize::MAX, |piece| {
                        taken.extend_from_slice(piece)
                    });
                }
                Discard => {
                    got.saw_the_end =
                        self.take(usize::MAX, usize::MAX, |piece| got.discarded += piece.len());
                }
                Echo(most) => {
                    let mut echo = Ok(());
                    let output = self.output.as_ref().map(again);
                    got.saw_the_end = self.take(usize::MAX, *most, |piece| {
                        taken.extend_from_slice(piece);
                        if let (Some(output), Ok(())) = (&output, &echo) {
                            echo = (&*output).write_all(piece);
                        }
                    });
                    got.note(echo);
                }
                Give(length) => {
                    let (now, later) = answer.split_at(*length);
                    answer = later;
                    let output = self
                        .output
                        .as_ref()
                        .map(again)
                        .expect("a script that stops later");
                    got.note((&output).write_all(now));
                }
                StopReading => stop(self.input.take(), Shutdown::Read),
                StopWriting => stop(self.output.take(), Shutdown::Write),
                HangUp => {
                    self.input.take();
                    self.output.take();
                }
                Settle => _ = proctor::threads_left(),
                Look => got.wrong.extend(look()),
                Interrupt(times) => {
                    for _ in 0..*times {
                        proctor::threads_left();
                        interrupt_all();
                    }
                }
                // The outer call may change its surroundings at the same time.
                Another(scene) => got.another.push(play_only(scene)),
            }
        }
        got.taken = Digest::of(&taken);
        got
    }

    /// Reads this many bytes, in pieces of at most `most`, and returns whether
    /// the stream has ended before.
    fn take(&self, length: usize, most: usize, mut each: impl FnMut(&[u8])) -> bool {
        let input = self
            .input
            .as_ref()
            .map(again)
            .expect("a script that stops later");
        let mut piece = vec![0; most.min(1 << 16)];
        let mut left = length;
        while left > 0 {
            let room = piece.len().min(left);
            match (&input).read(&mut piece[..room]) {
                Ok(0) | Err(_) => return true,
                Ok(count) => {
                    each(&piece[..count]);
                    left -= count;
                }
            }
        }
        false
    }
}

impl Got {
    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.wrong.push(format!("the peer could not write all of its output ({error}): the call stopped reading before the end of the stream"));
        }
    }
}

/// A duplicate that can be read and written.
fn again(end: &OwnedFd) -> File {
    File::from(end.try_clone().expect("a duplicate"))
}

fn stop(end: Option<OwnedFd>, how: Shutdown) {
    // A pipe is closed, which is all that can be done with it.
    let end = end.expect("a script that stops once");
    let is_pipe = fstat(&end).is_ok_and(|about| about.st_mode & libc::S_IFMT == libc::S_IFIFO);
    if !is_pipe {
        let _ = UnixStream::from(end).shutdown(how);
    }
}

/// How long the call must sleep without a break. It is no deadline: a call that
/// sleeps does so for any length of time.
const A_WHILE: Duration = Duration::from_millis(25);

/// What a thread of this process does instead of sleeping. A thread that has
/// just got its last piece of work may still be on its way to sleep, so it must
/// only sleep in one of many looks. One that wakes up again and again never does.
fn look() -> Vec<String> {
    let mut wrong = look_once();
    for _ in 0..20 {
        if wrong.is_empty() {
            break;
        }
        wrong = look_once();
    }
    wrong
}

fn look_once() -> Vec<String> {
    proctor::threads_left();
    let me = gettid().as_raw();
    let others: Vec<Task> = Task::of_this_process()
        .into_iter()
        .filter(|task| task.id != me)
        .collect();
    thread::sleep(A_WHILE);
    let mut wrong = Vec::new();
    for before in others {
        let Some(after) = before.again() else {
            continue;
        };
        if !before.sleeps || !after.sleeps {
            wrong.push("the call has nothing to read and no room to write, and it uses the CPU all the time: it asks again and again instead of sleeping".to_owned());
        } else if before.switches != after.switches {
            wrong.push("the call has nothing to read and no room to write, and it wakes up again and again: a call must sleep until one of the two is possible".to_owned());
        } else if sleeps_for_a_time(after.id) {
            wrong.push("the call has nothing to read and no room to write, and it sleeps in a system call that ends after a time: it must sleep without a limit of time".to_owned());
        }
    }
    wrong
}

/// Whether a thread of this process waits in a system call that a timer ends.
/// The kernel shows the number of the call and its arguments (man 5
/// proc_pid_syscall).
fn sleeps_for_a_time(thread: i32) -> bool {
    let Ok(call) = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")) else {
        return false;
    };
    let mut words = call.split_whitespace();
    let Some(Ok(number)) = words.next().map(str::parse::<i64>) else {
        return false;
    };
    let arguments: Vec<u64> = words
        .filter_map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
        .collect();
    let Some(&[_, _, third, fourth, fifth, ..]) = arguments.get(..) else {
        return false;
    };
    // A number of milliseconds, or the address of a time.
    let milliseconds = |argument: u64| argument as i32 >= 0;
    match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => milliseconds(third),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => milliseconds(fourth),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => fifth != 0,
        libc::SYS_ppoll => third != 0,
        libc::SYS_epoll_pwait => milliseconds(fourth),
        libc::SYS_epoll_pwait2 | libc::SYS_futex => fourth != 0,
        libc::SYS_pselect6 => fifth != 0,
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => true,
        _ => false,
    }
}

/// Sends a signal to each other thread of this process.
fn interrupt_all() {
    let me = gettid().as_raw();
    for task in Task::of_this_process() {
        if task.id != me {
            // SAFETY: the call takes three numbers.
            unsafe { libc::syscall(libc::SYS_tgkill, getpid().as_raw(), task.id, libc::SIGUSR1) };
        }
    }
}

/// The number of a descriptor, the file to which it refers, and whether it can
/// be read and written. The other end of a pipe is the same file: a duplicate of
/// the peer's end may get the number that the call has just closed.
type Identity = (RawFd, u64, u32);

fn identity(end: &OwnedFd) -> Identity {
    of_number(end.as_raw_fd()).expect("an open descriptor")
}

fn of_number(number: RawFd) -> Option<Identity> {
    let link = format!("/proc/self/fd/{number}");
    let file = fs::metadata(&link).ok()?.ino();
    // The permissions of the link are those of the descriptor.
    let access = fs::symlink_metadata(&link).ok()?.mode() & 0o700;
    Some((number, file, access))
}

fn is_open(end: Identity) -> bool {
    of_number(end.0) == Some(end)
}

fn flags(end: &OwnedFd) -> i32 {
    fcntl(end, FcntlArg::F_GETFL).expect("an open descriptor")
}

fn add_flags(end: &OwnedFd, more: i32) {
    let all = OFlag::from_bits_retain(flags(end) | more);
    fcntl(end, FcntlArg::F_SETFL(all)).expect("flags that can be set");
}

/// Calls `pump`, and looks at what every call must keep.
fn call(
    to: OwnedFd,
    from: OwnedFd,
    input: &[u8],
    wrong: &mut Vec<String>,
) -> Result<Vec<u8>, (Option<i32>, String)> {
    let ends = [("to", identity(&to)), ("from", identity(&from))];
    let result = duplex_pump::pump(to, from, input);
    for (name, end) in ends {
        if is_open(end) {
            wrong.push(format!(
                "the call has returned, and the descriptor `{name}` is still open"
            ));
        }
    }
    result.map_err(|error| (error.raw_os_error(), error.to_string()))
}

/// Gives an end the number 1, until the second value is dropped.
fn as_stdout(end: OwnedFd) -> (OwnedFd, Option<Stdout>) {
    let before = dup(std::io::stdout()).expect("a duplicate");
    dup2_stdout(&end).expect("descriptor 1");
    // SAFETY: nothing else uses the number until `Stdout` puts it back.
    let end = unsafe { OwnedFd::from_raw_fd(libc::STDOUT_FILENO) };
    (end, Some(Stdout(before)))
}

/// Where standard output goes otherwise.
struct Stdout(OwnedFd);

impl Drop for Stdout {
    fn drop(&mut self) {
        let _ = dup2_stdout(&self.0);
    }
}

/// Plays one scene, and compares the caller before and after it.
fn play(scene: &Scene) -> Seen {
    let before = Surroundings::now();
    let mut seen = play_only(scene);
    // A thread that nobody has joined may still be on its way out.
    proctor::threads_left();
    let changes = before.changes();
    if !changes.is_empty() {
        seen.wrong.push(format!(
            "the caller is not as it was before the call: {}",
            changes.join("; ")
        ));
    }
    seen
}

/// The same without the state of the process, which takes a while to look at.
fn play_only(scene: &Scene) -> Seen {
    let (to, from, peer) = make(scene.ends);
    let (to, _stdout) = match scene.is_stdout {
        true => as_stdout(to),
        false => (to, None),
    };
    add_flags(&to, scene.flags.0);
    add_flags(&from, scene.flags.1);
    let kept = scene.keeps.then(|| {
        let again = |end: &OwnedFd| end.try_clone().expect("a duplicate");
        [
            ("to", flags(&to), again(&to)),
            ("from", flags(&from), again(&from)),
        ]
    });
    let input = scene.input();
    let mut wrong = Vec::new();
    let (result, peer) = thread::scope(|scope| {
        let peer = scope.spawn(|| peer.live(scene));
        let result = call(to, from, &input, &mut wrong);
        for (name, before, end) in kept.into_iter().flatten() {
            wrong.extend(changed(name, before, &end));
        }
        (result, peer.join().expect("the peer's script"))
    });
    Seen {
        result: result.map(|output| Digest::of(&output)),
        peer,
        wrong,
    }
}

fn changed(name: &str, before: i32, end: &OwnedFd) -> Option<String> {
    let after = flags(end);
    (after != before).then(|| {
        format!("the file status flags of `{name}` were {before:#o} before the call and are {after:#o} after it: the caller shares them through a duplicate (O_NONBLOCK is {:#o})", libc::O_NONBLOCK)
    })
}

// ---------------------------------------------------------- in the judge

/// What the peer of a scene must get and what the call must return.
fn expected(scene: &Scene) -> (Vec<u8>, Vec<u8>) {
    let (input, answer) = (scene.input(), scene.answer());
    let (mut rest, mut answer) = (input.as_slice(), answer.as_slice());
    let (mut taken, mut output) = (Vec::new(), Vec::new());
    for step in &scene.script {
        match step {
            Take(length) => {
                let (now, later) = rest.split_at(*length);
                taken.extend_from_slice(now);
                rest = later;
            }
            TakeAll => taken.extend_from_slice(std::mem::take(&mut rest)),
            Echo(_) => {
                output.extend_from_slice(rest);
                taken.extend_from_slice(std::mem::take(&mut rest));
            }
            Give(length) => {
                let (now, later) = answer.split_at(*length);
                output.extend_from_slice(now);
                answer = later;
            }
            _ => {}
        }
    }
    (taken, output)
}

/// Demands that the call did what the script leads to.
#[track_caller]
fn check(scene: &Scene, seen: &Seen) {
    let (taken, output) = expected(scene);
    let kind = match scene.ends {
        Pipes => "two pipes",
        OneSocket => "duplicates of one socket",
        TwoSockets => "two sockets",
        SocketAndPipe => "a socket to the peer and a pipe from it",
        PipeAndSocket => "a pipe to the peer and a socket from it",
    };
    let because = format!("with {kind} and {} bytes of input", scene.input);
    let result = match &seen.result {
        Ok(result) => *result,
        Err((_, words)) => panic!("{because}, the call returned an error: {words}"),
    };
    let sent = seen.peer.taken;
    assert!(
        sent.length >= taken.len(),
        "{because}, the peer got only {} of the {} bytes that it asked for before the stream ended",
        sent.length,
        taken.len()
    );
    assert!(
        sent == Digest::of(&taken),
        "{because}, the peer got {} bytes, and they are not the bytes of the input in their order",
        sent.length
    );
    let reads_all = scene
        .script
        .iter()
        .any(|step| matches!(step, TakeAll | Echo(_) | Discard));
    assert!(
        !reads_all || seen.peer.saw_the_end,
        "{because}, the peer did not see the end of the stream"
    );
    if let Some(wrong) = seen.peer.wrong.first() {
        panic!("{because}: {wrong}");
    }
    assert!(
        result.length == output.len(),
        "{because}, the peer wrote {} bytes, and the call returned {}",
        output.len(),
        result.length
    );
    assert!(
        result == Digest::of(&output),
        "{because}, the call returned {} bytes, and they are not the bytes that the peer wrote in their order",
        result.length
    );
    if let Some(wrong) = seen.wrong.first() {
        panic!("{because}: {wrong}");
    }
}

/// Asks for each scene, and checks it.
#[track_caller]
fn judge(subject: &mut Subject<Scene, Seen>, scenes: &[Scene]) {
    for scene in scenes {
        let answer = subject.ask(scene);
        check(scene, &answer.value);
        nothing_else_happened(&answer);
    }
}

#[track_caller]
fn nothing_else_happened<A>(answer: &Answer<A>) {
    // `None` where the machine forbids to count.
    let started = answer.evidence.processes_started.unwrap_or(0);
    assert!(
        started == 0,
        "the call started {started} processes: it may start threads, but no process"
    );
    answer.nothing_is_left("the call has returned");
    let printed = &answer.output;
    assert!(
        printed.stdout.is_empty() && printed.stderr.is_empty(),
        "the call printed something: {:?} {:?}",
        printed.stdout,
        printed.stderr
    );
}

/// A length for which no code is made.
fn some(range: std::ops::Range<usize>) -> usize {
    proctor::rng().usize(range)
}

// ------------------------------------------------------------- the bytes

#[proctor::test(clauses = [1, 2, 4, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn what_the_peer_sends_back_comes_out(mut subject: Subject) {
    let lengths = [1, 4095, 4097, 65_535, 65_536, 65_537, some(70_000..200_000)];
    for (number, length) in lengths.into_iter().enumerate() {
        let ends = ALL_ENDS[number % ALL_ENDS.len()];
        let most = some(1000..70_000);
        judge(&mut subject, &[Scene::new(ends, length, &[Echo(most)])]);
    }
}

#[proctor::test(clauses = [1, 2, 3, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn four_mebibytes_go_through_the_peer_and_back(mut subject: Subject) {
    let length = (4 << 20) + some(1..5000);
    judge(
        &mut subject,
        &[
            Scene::new(Pipes, length, &[Echo(1 << 16)]),
            Scene::new(OneSocket, MUCH + some(1..5000), &[Echo(10_000)]),
        ],
    );
}

#[proctor::test(clauses = [1, 2, 3, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn a_peer_may_write_before_it_reads(mut subject: Subject) {
    for ends in [Pipes, OneSocket] {
        let before = MUCH + some(1..5000);
        judge(
            &mut subject,
            &[
                Scene::new(
                    ends,
                    300_000 + some(0..9),
                    &[Give(before), TakeAll, Give(10)],
                ),
                // Both sides fill what is between them, and then the peer writes on.
                Scene::new(
                    ends,
                    300_000,
                    &[Take(1), Settle, Give(300_000), Take(1), Give(1), TakeAll],
                ),
            ],
        );
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn a_peer_may_read_everything_before_it_answers(mut subject: Subject) {
    for ends in [Pipes, TwoSockets] {
        let length = 400_000 + some(1..5000);
        judge(
            &mut subject,
            &[
                Scene::new(ends, length, &[TakeAll, Give(length)]),
                Scene::new(ends, length, &[TakeAll]),
                Scene::new(ends, some(1..100), &[TakeAll, Give(MUCH), Give(MUCH)]),
                Scene::new(
                    ends,
                    length,
                    &[Take(length), Settle, TakeAll, Settle, Give(1)],
                ),
            ],
        );
    }
}

#[proctor::test(clauses = [1, 2, 3, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn pieces_may_have_any_size(mut subject: Subject) {
    for ends in [Pipes, OneSocket] {
        let mut script = Vec::new();
        for size in [1, 2, 3, 4096, 1, 30_000, 64_000, 5, some(1..5000)] {
            script.extend([Give(size), Settle, Take(size), Settle]);
        }
        script.extend([TakeAll, Settle, Give(1), Settle, Give(1)]);
        judge(&mut subject, &[Scene::new(ends, 250_000, &script)]);
    }
}

// -------------------------------------------------------------- the ends

#[proctor::test(clauses = [1, 2, 4, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn an_empty_input_is_an_end_at_once(mut subject: Subject) {
    for ends in ALL_ENDS {
        judge(
            &mut subject,
            &[
                Scene::new(ends, 0, &[TakeAll, Give(some(1..5000))]),
                Scene::new(ends, 0, &[TakeAll]),
            ],
        );
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11], subject = |scene: Scene| -> Seen { play(&scene) }, other = |(): ()| -> Vec<String> {
    let (to, from, peer) = make(TwoSockets);
    let kept = (again(&to), again(&from));
    let mut wrong = Vec::new();
    let (result, peer) = thread::scope(|scope| {
        let peer = scope.spawn(move || {
            let _ = peer.take(usize::MAX, usize::MAX, |_| ());
            // The socket itself stays open.
            stop(peer.output.as_ref().map(|end| end.try_clone().expect("a duplicate")), Shutdown::Write);
            peer
        });
        let result = call(to, from, b"input", &mut wrong);
        (result, peer.join().expect("the peer"))
    });
    if result != Ok(Vec::new()) {
        wrong.push(format!("the peer wrote nothing, and the call returned {result:?}"));
    }
    let open = |end: &Option<OwnedFd>| again(end.as_ref().expect("still open"));
    let reaches = |mut here: &File, mut there: &File| {
        here.write_all(b"!").is_ok() && there.read(&mut [0]).is_ok_and(|count| count == 1)
    };
    if !reaches(&open(&peer.input), &kept.0) {
        wrong.push("the call shut down the reading half of `to`: it has to end only the stream that it writes".to_owned());
    }
    if !reaches(&kept.1, &open(&peer.output)) {
        wrong.push("the call shut down the writing half of `from`: this stream was not the call's to end".to_owned());
    }
    wrong
})]
fn a_socket_is_half_closed_whatever_duplicates_are_open(mut subject: Subject, mut other: Subject) {
    for ends in [OneSocket, TwoSockets, SocketAndPipe] {
        for length in [0, some(1..5000), 300_000] {
            let mut scene = Scene::new(ends, length, &[TakeAll, Give(100_000)]);
            scene.keeps = true;
            judge(&mut subject, &[scene]);
        }
    }
    let answer = other.ask(&());
    if let Some(wrong) = answer.value.first() {
        panic!("with two sockets, of which the caller keeps duplicates, {wrong}");
    }
    nothing_else_happened(&answer);
}

#[proctor::test(clauses = [2, 6, 10], subject = |(ends, seed, length, input): (Ends, u64, usize, usize)| -> Seen {
    let (to, from, peer) = make(ends);
    // A byte that the peer leaves unread.
    again(&to).write_all(b"!").expect("room for a byte");
    let child = other_child(|| {
        let output = peer.output.as_ref().map(again).expect("the output");
        let _ = (&output).write_all(&bytes(seed, length));
        let _ = raise(Signal::SIGKILL);
        0
    });
    drop(peer);
    waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("its end");
    let mut wrong = Vec::new();
    let result = call(to, from, &bytes(!seed, input), &mut wrong);
    let _ = waitpid(child, None);
    Seen { result: result.map(|output| Digest::of(&output)), peer: Got::default(), wrong }
})]
fn what_a_peer_wrote_before_it_was_killed_is_not_lost(mut subject: Subject) {
    for ends in ALL_ENDS {
        for input in [0, 10, 500_000] {
            for length in [0, 1, some(40_000..60_000)] {
                let seed = proctor::random();
                let answer = subject.ask(&(ends, seed, length, input));
                let seen = &answer.value;
                let because = format!(
                    "the peer wrote {length} bytes and was killed before the call, which had {input} bytes of input"
                );
                match &seen.result {
                    Ok(result) => assert!(
                        *result == Digest::of(&bytes(seed, length)),
                        "{because}; the call returned {} bytes, or other bytes",
                        result.length
                    ),
                    Err((_, words)) => panic!("{because}; the call returned an error: {words}"),
                }
                if let Some(wrong) = seen.wrong.first() {
                    panic!("{because}; {wrong}");
                }
                answer.nothing_is_left("the call has returned");
            }
        }
    }
}

#[proctor::test(clauses = [1, 2, 5, 6, 8, 10], subject = |scene: Scene| -> Seen {
    on_signal(Signal::SIGPIPE, SigHandler::Handler(do_nothing), SaFlags::empty());
    play(&scene)
}, ignores = |scene: Scene| -> Seen { play(&scene) })]
fn a_peer_may_stop_reading(mut subject: Subject, mut ignores: Subject) {
    for ends in [Pipes, OneSocket, SocketAndPipe] {
        let (length, few) = (700_000, some(1..5000));
        let scenes = [
            Scene::new(ends, length, &[StopReading, Give(few)]),
            Scene::new(
                ends,
                length,
                &[Take(few), Settle, StopReading, Look, Give(MUCH)],
            ),
        ];
        judge(&mut subject, &scenes);
        let scenes = [
            Scene::new(ends, length, &[Take(70_000), Settle, Give(few), HangUp]),
            Scene::new(ends, length, &[HangUp]),
            Scene::new(ends, few, &[StopReading, Settle, Give(few)]),
        ];
        judge(&mut ignores, &scenes);
    }
}

#[proctor::test(clauses = [1, 2, 5, 7, 8, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn a_peer_that_ends_its_output_still_gets_everything(mut subject: Subject) {
    for ends in [Pipes, OneSocket, TwoSockets] {
        let (length, few) = (600_000 + some(1..5000), some(1..5000));
        judge(
            &mut subject,
            &[
                Scene::new(ends, length, &[StopWriting, Look, TakeAll]),
                Scene::new(
                    ends,
                    length,
                    &[
                        Take(few),
                        Give(few),
                        StopWriting,
                        Settle,
                        Take(few),
                        Settle,
                        TakeAll,
                    ],
                ),
            ],
        );
    }
}

// ----------------------------------------------------------- the process

#[proctor::test(clauses = [1, 2, 5, 8, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn it_sleeps_while_nothing_is_ready(mut subject: Subject) {
    for ends in [Pipes, OneSocket] {
        judge(
            &mut subject,
            &[Scene::new(
                ends,
                500_000,
                &[
                    Take(1000),
                    // No room to write.
                    Look,
                    Take(300_000),
                    Give(10),
                    Look,
                    TakeAll,
                    // All is written.
                    Look,
                    Give(1),
                    Look,
                ],
            )],
        );
    }
}

#[proctor::test(clauses = [1, 2, 5, 6, 7, 9, 10], subject = |scene: Scene| -> Seen {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::empty());
    play(&scene)
})]
fn hundreds_of_signals_change_nothing(mut subject: Subject) {
    judge(
        &mut subject,
        &[
            Scene::new(
                Pipes,
                300_000,
                &[Interrupt(100), Give(10), TakeAll, Interrupt(100), Give(10)],
            ),
            Scene::new(
                OneSocket,
                500_000,
                &[Give(10), StopWriting, Interrupt(20), TakeAll],
            ),
            Scene::new(
                Pipes,
                300_000,
                &[Interrupt(20), StopReading, Interrupt(20), Give(10)],
            ),
        ],
    );
}

#[proctor::test(clauses = [1, 2, 9, 10], faults = [Print], subject = |scene: Scene| -> Seen { play(&scene) })]
fn an_interrupted_write_is_made_again(mut subject: Subject) {
    for (after, times) in [(0, 1), (0, 300), (1, 300)] {
        let mut scene = Scene::new(Pipes, 300_000, &[TakeAll, Give(10)]);
        scene.is_stdout = true;
        subject.fail(
            Failure::of(Fault::Print, Errno::EINTR)
                .after(after)
                .times(times),
        );
        judge(&mut subject, &[scene]);
    }
}

#[proctor::test(clauses = [1, 2, 5, 10, 11], subject = |scene: Scene| -> Seen { play(&scene) })]
fn the_status_flags_are_as_before(mut subject: Subject) {
    let length = some(1..50_000);
    for one in [0, libc::O_NONBLOCK] {
        for two in [0, libc::O_NONBLOCK] {
            for (ends, script) in [
                (Pipes, [Take(length), Give(100)]),
                (Pipes, [Take(length / 2), HangUp]),
                (TwoSockets, [TakeAll, Give(100)]),
                // Both have the same flags.
                (OneSocket, [TakeAll, Give(100)]),
                (OneSocket, [StopWriting, TakeAll]),
            ] {
                let mut scene = Scene::new(ends, length, &script);
                scene.flags = (one | libc::O_APPEND, two);
                scene.keeps = true;
                judge(&mut subject, &[scene]);
            }
        }
    }
}

#[proctor::test(clauses = [1, 2, 3, 5, 8, 10, 11], subject = |scene: Scene| -> Seen { play(&scene) })]
fn descriptors_that_do_not_block_will_do(mut subject: Subject) {
    let block = [0, libc::O_NONBLOCK];
    for (to, from) in [
        (block[1], block[1]),
        (block[0], block[1]),
        (block[1], block[0]),
    ] {
        for ends in [Pipes, OneSocket] {
            let mut scene = Scene::new(
                ends,
                500_000,
                &[
                    Settle,
                    Give(300_000),
                    Take(1),
                    Settle,
                    TakeAll,
                    Settle,
                    Give(1),
                ],
            );
            scene.flags = (to, from);
            judge(&mut subject, &[scene]);
        }
    }
    let mut scene = Scene::new(Pipes, 500_000, &[Take(1), Look, TakeAll, Look, Give(10)]);
    scene.flags = (libc::O_NONBLOCK, libc::O_NONBLOCK);
    judge(&mut subject, &[scene]);
}

#[proctor::test(clauses = [2, 10, 12], subject = |scene: Scene| -> Seen { play_only(&scene) })]
fn the_input_is_not_copied(mut subject: Subject) {
    for (input, output) in [(6 << 20, 10), (0, 2 << 20)] {
        let scene = Scene::new(Pipes, input, &[Discard, Give(output)]);
        let answer = subject.ask(&scene);
        check(&scene, &answer.value);
        let peak = answer.evidence.heap.peak as usize;
        // The test itself holds both.
        let held = peak.saturating_sub(input + output);
        // For the peer's buffer, and the stack of a thread and the like.
        let limit = (1 << 20) + 4 * output + (1 << 18);
        assert!(
            held <= limit,
            "with {input} bytes of input and {output} bytes of output, the call held {held} bytes of heap memory at one time, and the limit is {limit}"
        );
        nothing_else_happened(&answer);
    }
}

#[proctor::test(clauses = [1, 2, 5, 6, 8, 10, 12], subject = |scenes: Vec<Scene>| -> Vec<Seen> {
    scenes.iter().map(play_only).collect()
})]
fn hundreds_of_calls_leave_nothing(mut subject: Subject) {
    let scenes: Vec<Scene> = (0..200)
        .map(|number| {
            let script = match number % 4 {
                0 => vec![HangUp],
                1 => vec![TakeAll],
                2 => vec![StopWriting, TakeAll],
                _ => vec![Echo(100)],
            };
            Scene::new(ALL_ENDS[number % 5], number, &script)
        })
        .collect();
    // What is needed once: buffers, tables.
    subject.ask(&scenes[..10].to_vec());
    let answer = subject.ask(&scenes);
    for (scene, seen) in scenes.iter().zip(&answer.value) {
        check(scene, seen);
    }
    nothing_else_happened(&answer);
    let left = answer.evidence.heap.left;
    assert!(
        left < 4096,
        "after {} calls, {left} bytes of memory more are held than before: each call leaves something",
        scenes.len()
    );
}

#[proctor::test(clauses = [1, 2, 5, 8, 10, 13], subject = |scene: Scene| -> Seen { play(&scene) })]
fn calls_of_several_threads_do_not_hold_up_one_another(mut subject: Subject) {
    for ends in [Pipes, OneSocket] {
        let inner = Scene::new(ends, 200_000, &[Echo(5000)]);
        let middle = Scene::new(ends, 10, &[Another(Box::new(inner)), TakeAll, Give(3)]);
        let scene = Scene::new(
            ends,
            300_000,
            &[
                Take(10),
                Settle,
                Another(Box::new(middle.clone())),
                TakeAll,
                Another(Box::new(middle)),
                Give(10),
            ],
        );
        let answer = subject.ask(&scene);
        check_all(&scene, &answer.value);
        nothing_else_happened(&answer);
    }
}

#[track_caller]
fn check_all(scene: &Scene, seen: &Seen) {
    let inner = scene.script.iter().filter_map(|step| match step {
        Another(scene) => Some(scene),
        _ => None,
    });
    for (scene, seen) in inner.zip(&seen.peer.another) {
        check_all(scene, seen);
    }
    check(scene, seen);
}

// ------------------------------------------------------------- the errors

#[proctor::test(clauses = [10, 11, 14], faults = [Print], subject = |scene: Scene| -> Seen { play(&scene) }, full = |(): ()| -> Seen {
    let (_, from, mut peer) = make(Pipes);
    let to = OwnedFd::from(File::options().write(true).open("/dev/full").expect("/dev/full"));
    stop(peer.output.take(), Shutdown::Write);
    call_with(to, from)
})]
fn an_error_of_write_is_returned(mut subject: Subject, mut full: Subject) {
    let answer = full.ask(&());
    expect_error(
        &answer,
        Errno::ENOSPC,
        "`to` was the device /dev/full, so that write(2) fails with ENOSPC",
    );
    for (errno, after) in [(Errno::EIO, 0), (Errno::EDQUOT, 1), (Errno::EFBIG, 1)] {
        let mut scene = Scene::new(Pipes, 300_000, &[Discard]);
        scene.is_stdout = true;
        subject.fail(Failure::of(Fault::Print, errno).after(after));
        let answer = subject.ask(&scene);
        match answer.evidence.faults {
            // It writes in one call, or by another system call.
            0 => check(&scene, &answer.value),
            _ => expect_error(
                &answer,
                errno,
                &format!("write(2) failed with {errno} after {after} calls that did not fail"),
            ),
        }
    }
}

#[proctor::test(clauses = [6, 10, 11, 14], subject = |(): ()| -> Seen {
    let (to, _, mut peer) = make(Pipes);
    let from = OwnedFd::from(File::open("/").expect("a directory"));
    stop(peer.input.take(), Shutdown::Read);
    call_with(to, from)
})]
fn an_error_of_read_is_returned(mut subject: Subject) {
    let answer = subject.ask(&());
    expect_error(
        &answer,
        Errno::EISDIR,
        "`from` was a directory, so that read(2) fails with EISDIR",
    );
}

/// A call that has to fail, of which the caller keeps duplicates.
fn call_with(to: OwnedFd, from: OwnedFd) -> Seen {
    let before = Surroundings::now();
    let kept = [
        ("to", flags(&to), again(&to).into()),
        ("from", flags(&from), again(&from).into()),
    ];
    let mut wrong = Vec::new();
    let result = call(to, from, b"some bytes", &mut wrong);
    for (name, before, end) in kept {
        wrong.extend(changed(name, before, &end));
    }
    let mut changes = before.changes();
    // The two that are closed.
    changes.retain(|change| !(change.starts_with("file descriptor") && change.contains("is gone")));
    wrong.extend(changes);
    Seen {
        result: result.map(|output| Digest::of(&output)),
        peer: Got::default(),
        wrong,
    }
}

#[track_caller]
fn expect_error(answer: &Answer<Seen>, errno: Errno, because: &str) {
    let seen = &answer.value;
    match &seen.result {
        // Some files cannot be waited for with epoll(7).
        Err((number, _)) if *number == Some(errno as i32) || *number == Some(libc::EPERM) => {}
        Err((_, words)) => panic!("{because}, and the error of the call is another: {words}"),
        Ok(output) => panic!(
            "{because}, and the call returned {} bytes and no error",
            output.length
        ),
    }
    if let Some(wrong) = seen.wrong.first() {
        panic!("{because}: {wrong}");
    }
    nothing_else_happened(answer);
}
