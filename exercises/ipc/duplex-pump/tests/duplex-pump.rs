//! Judges `pump` by what its peer gets, by what it returns, and by what the
//! kernel says about the caller.
//!
//! A peer is a thread of the subject that follows a script ([`Step`]). The
//! judge writes the scripts, and works out from them what the peer must get and
//! what the call must return.
proctor::exercise!(duplex_pump);

use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, Read, Write, pipe};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SaFlags, SigHandler, Signal, raise};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::fstat;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{getpid, gettid};
use proctor::{
    Answer, Failure, Fault, Subject, Surroundings, Task, Zeros, do_nothing, on_signal, other_child,
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
    /// The call begins only after the steps before this one.
    Begin,
    /// Waits until the call has returned, and the caller has written other
    /// bytes where its input was.
    Returned,
    /// Reads what was in the stream before the call: see [`Scene::is_full`].
    Drain,
    /// Looks whether the stream has ended, before a byte of it is read.
    Ended,
    /// Writes one byte to a socket, and sends a descriptor with it.
    GiveADescriptor,
}
use Step::{
    Begin, Discard, Drain, Echo, Ended, Give, GiveADescriptor, HangUp, Interrupt, Look, Returned,
    Settle, StopReading, StopWriting, Take, TakeAll,
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
    /// The numbers that `to` and `from` get. The judge can make writes to
    /// number 1 fail.
    numbers: (Option<RawFd>, Option<RawFd>),
    /// Whether `to` has no room when the call begins.
    is_full: bool,
    /// Whether the peer has a byte to read from the socket `from`. If the peer
    /// leaves it unread and closes the socket, a read fails with ECONNRESET.
    leaves_a_byte: bool,
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
            numbers: (None, None),
            is_full: false,
            leaves_a_byte: false,
        }
    }

    /// The same, with a stream to the peer that has no room.
    fn full(ends: Ends, input: usize, script: &[Step]) -> Scene {
        Scene {
            is_full: true,
            ..Scene::new(ends, input, script)
        }
    }

    fn has(&self, step: &Step) -> bool {
        let same = |other: &Step| std::mem::discriminant(other) == std::mem::discriminant(step);
        self.script.iter().any(same)
    }

    fn input(&self) -> Vec<u8> {
        bytes(self.seed, self.input)
    }

    /// All that its peer gives, except echoes.
    fn answer(&self) -> Vec<u8> {
        let given = self.script.iter().map(|step| match step {
            Give(length) => *length,
            GiveADescriptor => 1,
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
    /// At which step nothing moved any more.
    stuck: Option<String>,
    wrong: Vec<String>,
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

/// Every thread of the call sleeps, and what the peer waits for has not come.
struct Stuck(&'static str);

const NO_INPUT: Stuck = Stuck(
    "the peer waits for more input or for its end, and every thread of the call sleeps: neither of them can go on",
);
const NO_RETURN: Stuck = Stuck(
    "there was room for all of the input and the output has ended, and every thread of the call sleeps instead of returning: the call must not wait for the peer any more",
);
const NO_ROOM: Stuck = Stuck(
    "the peer waits for room to write its output, and every thread of the call sleeps and does not read: neither of them can go on",
);

impl Peer {
    /// Follows a script, as far as it can.
    fn live(self, scene: &Scene, around: Around) -> Got {
        let mut life = Life::of(self, scene, around);
        life.go_on(&scene.script);
        life.end()
    }

    /// What the peer does must not sleep: if the call sleeps too, the test could
    /// not end. These are the peer's own open files.
    fn do_not_block(&self) {
        for end in [&self.input, &self.output].into_iter().flatten() {
            add_flags(end, libc::O_NONBLOCK);
        }
    }

    /// Reads this many bytes, in pieces of at most `most`, and returns whether
    /// the stream has ended before.
    fn take(&self, length: usize, most: usize, mut each: impl FnMut(&[u8])) -> Result<bool, Stuck> {
        let end = self.input.as_ref().expect("a script that stops later");
        let input = again(end);
        let mut piece = vec![0; most.min(1 << 16)];
        let mut left = length;
        while left > 0 {
            let room = piece.len().min(left);
            match (&input).read(&mut piece[..room]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    until(end, PollFlags::POLLIN, NO_INPUT)?;
                }
                Ok(0) | Err(_) => return Ok(true),
                Ok(count) => {
                    each(&piece[..count]);
                    left -= count;
                }
            }
        }
        Ok(false)
    }

    /// Writes all of this. The inner error is that of a write.
    fn give(&self, mut bytes: &[u8]) -> Result<std::io::Result<()>, Stuck> {
        let Some(end) = &self.output else {
            return Ok(Ok(()));
        };
        let output = again(end);
        while !bytes.is_empty() {
            match (&output).write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    until(end, PollFlags::POLLOUT, NO_ROOM)?;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }
}

/// What a peer knows of the call.
struct Around {
    /// The number of the calling thread.
    caller: i32,
    /// How many bytes were in the stream before the call.
    filled: usize,
    /// Dropped when the call may begin.
    begin: Option<Sender<()>>,
    /// Closed when the call has returned.
    returned: Receiver<()>,
}

/// A peer on its way through a script.
struct Life {
    peer: Peer,
    around: Around,
    /// The length of the input.
    input: usize,
    /// All that it gives, except echoes, and how much of it it has given.
    answer: Vec<u8>,
    given: usize,
    taken: Vec<u8>,
    got: Got,
}

impl Life {
    fn of(peer: Peer, scene: &Scene, around: Around) -> Self {
        peer.do_not_block();
        Life {
            peer,
            around,
            input: scene.input,
            answer: scene.answer(),
            given: 0,
            taken: Vec::new(),
            got: Got::default(),
        }
    }

    fn go_on(&mut self, script: &[Step]) {
        for step in script {
            if self.got.stuck.is_some() {
                break;
            }
            if let Err(Stuck(why)) = self.step(step) {
                self.got.stuck = Some(why.to_owned());
                // So that the call can return.
                self.hang_up();
            }
        }
    }

    fn hang_up(&mut self) {
        self.peer.input.take();
        self.peer.output.take();
        self.around.begin.take();
    }

    fn end(mut self) -> Got {
        self.hang_up();
        self.got.taken = Digest::of(&self.taken);
        self.got
    }

    fn step(&mut self, step: &Step) -> Result<(), Stuck> {
        let Life {
            peer,
            around,
            taken,
            got,
            ..
        } = self;
        match step {
            Take(length) => {
                peer.take(*length, usize::MAX, |piece| taken.extend_from_slice(piece))?;
            }
            TakeAll => {
                got.saw_the_end = peer.take(usize::MAX, usize::MAX, |piece| {
                    taken.extend_from_slice(piece);
                })?;
            }
            Discard => {
                got.saw_the_end =
                    peer.take(usize::MAX, usize::MAX, |piece| got.discarded += piece.len())?;
            }
            Drain => _ = peer.take(around.filled, usize::MAX, |_| ())?,
            Echo(most) => {
                let mut echo = Ok(Ok(()));
                got.saw_the_end = peer.take(usize::MAX, *most, |piece| {
                    taken.extend_from_slice(piece);
                    if matches!(echo, Ok(Ok(()))) {
                        echo = peer.give(piece);
                    }
                })?;
                got.note(echo?);
            }
            Give(length) => {
                let now = &self.answer[self.given..][..*length];
                self.given += length;
                got.note(peer.give(now)?);
            }
            GiveADescriptor => {
                let now = &self.answer[self.given..][..1];
                self.given += 1;
                let file = File::open("/dev/null").expect("/dev/null");
                let output = peer.output.as_ref().expect("a script that stops later");
                let sent = sendmsg::<()>(
                    output.as_raw_fd(),
                    &[IoSlice::new(now)],
                    &[ControlMessage::ScmRights(&[file.as_raw_fd()])],
                    MsgFlags::empty(),
                    None,
                );
                got.note(sent.map(drop).map_err(Into::into));
            }
            StopReading => stop(peer.input.take(), Shutdown::Read),
            StopWriting => stop(peer.output.take(), Shutdown::Write),
            HangUp => {
                peer.input.take();
                peer.output.take();
            }
            Settle => _ = proctor::threads_left(),
            Look => got.wrong.extend(look()),
            Interrupt(times) => got.wrong.extend(interrupt(around.caller, *times)),
            Begin => drop(around.begin.take()),
            Returned => until_returned(&around.returned)?,
            Ended => {
                let end = peer.input.as_ref().expect("a script that stops later");
                // Code that writes in small pieces gets less into the stream.
                let all = around.filled + self.input;
                let has_ended = until(end, POLLRDHUP, NO_INPUT).is_ok();
                if unread(end) == all && !has_ended {
                    got.wrong.push("all of the input is written and nothing moves, and the stream has not ended: a peer that asks poll for the end does not see it".to_owned());
                }
            }
        }
        Ok(())
    }
}

impl Got {
    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.wrong.push(format!("the peer could not write all of its output ({error}): the call stopped reading before the end of the stream"));
        }
    }
}

/// How many bytes wait to be read.
fn unread(end: &OwnedFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the kernel writes one number.
    unsafe { libc::ioctl(end.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    count as usize
}

/// The other side writes no more.
const POLLRDHUP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// Whether one of these events, an error or the end is there, at the latest
/// after some milliseconds.
fn is_ready(end: &OwnedFd, events: PollFlags, milliseconds: u8) -> bool {
    let mut ends = [PollFd::new(end.as_fd(), events)];
    poll(&mut ends, milliseconds).is_ok_and(|count| count > 0)
}

/// Waits for these events, or until the call can do nothing more for them. How
/// long the first wait takes does not matter: it only saves looking at threads.
fn until(end: &OwnedFd, events: PollFlags, stuck: Stuck) -> Result<(), Stuck> {
    if is_ready(end, events, 20) {
        return Ok(());
    }
    let mut before = None;
    loop {
        let now = sleepers();
        let same = now.is_some() && now == before;
        if is_ready(end, events, 0) {
            return Ok(());
        }
        // Nothing was ready after the second look either, and in between nobody
        // ran.
        if same {
            return Err(stuck);
        }
        before = now;
        thread::sleep(Duration::from_micros(200));
    }
}

/// Waits until the call has returned, or can do nothing more for that.
fn until_returned(returned: &Receiver<()>) -> Result<(), Stuck> {
    let mut before = None;
    loop {
        let now = sleepers();
        let same = now.is_some() && now == before;
        if returned.try_recv() == Err(TryRecvError::Disconnected) {
            return Ok(());
        }
        if same {
            return Err(NO_RETURN);
        }
        before = now;
        thread::sleep(Duration::from_micros(200));
    }
}

/// Returns when every other thread sleeps until another one wakes it. A thread
/// that starts another one blocks all signals meanwhile: this waits until that
/// is over. It gives up if a thread never sleeps so.
fn until_all_sleep() {
    let mut before = None;
    for _ in 0..5000 {
        let now = sleepers();
        if now.is_some() && now == before {
            break;
        }
        before = now;
        thread::sleep(Duration::from_micros(200));
    }
}

/// The other threads of this process, and how often each has left the CPU.
/// `None` if one of them runs, or may go on without the help of another.
fn sleepers() -> Option<Vec<(i32, u64)>> {
    let me = gettid().as_raw();
    let others = Task::of_this_process()
        .into_iter()
        .filter(|task| task.id != me);
    others
        .map(|task| waits_for_others(task.id).then_some((task.id, task.switches)))
        .collect()
}

/// Whether a thread sleeps in a system call that only another thread, or a
/// signal, can end.
fn waits_for_others(thread: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
    // Not while the judge has stopped it.
    let sleeps = status.is_ok_and(|text| text.contains("\nState:\tS"));
    let Some((number, arguments)) = sleeping_call(thread).filter(|_| sleeps) else {
        return false;
    };
    let waits = match number {
        // The judge may be about to let this call fail.
        libc::SYS_write | libc::SYS_writev => arguments[0] != 1,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll | libc::SYS_epoll_wait | libc::SYS_select => true,
        libc::SYS_ppoll
        | libc::SYS_pselect6
        | libc::SYS_epoll_pwait
        | libc::SYS_epoll_pwait2
        | libc::SYS_futex
        | libc::SYS_read
        | libc::SYS_readv
        | libc::SYS_recvfrom
        | libc::SYS_recvmsg
        | libc::SYS_sendto
        | libc::SYS_sendmsg
        | libc::SYS_splice
        | libc::SYS_rt_sigtimedwait
        | libc::SYS_rt_sigsuspend => true,
        _ => false,
    };
    waits && !sleeps_for_a_time(thread)
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

/// What a thread does instead of sleeping without a limit of time. (The first
/// ones say more than the later ones.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Instead {
    SleepsForATime,
    WakesUp,
    Runs,
}

/// How often [`look`] looks at most.
const LOOKS: u32 = 21;

/// What a thread of this process does instead of sleeping. A thread that has
/// just got its last piece of work may still be on its way to sleep, so it must
/// only sleep in one of many looks. One that wakes up again and again never does.
fn look() -> Option<String> {
    // A thread that sleeps for a time may be awake in one look or another.
    let mut most = Instead::Runs;
    for _ in 0..LOOKS {
        most = look_once()?.min(most);
        if most == Instead::SleepsForATime {
            break;
        }
    }
    let what = match most {
        Instead::SleepsForATime => {
            "it sleeps in a system call that ends after a time: it must sleep without a limit of time"
        }
        Instead::WakesUp => {
            "it wakes up again and again: a call must sleep until one of the two is possible"
        }
        Instead::Runs => {
            "it uses the CPU all the time: it asks again and again instead of sleeping"
        }
    };
    Some(format!(
        "the call has nothing to read and no room to write, and {what}"
    ))
}

/// `None` if every other thread sleeps for a while.
fn look_once() -> Option<Instead> {
    proctor::threads_left();
    let me = gettid().as_raw();
    let others: Vec<Task> = Task::of_this_process()
        .into_iter()
        .filter(|task| task.id != me)
        .collect();
    thread::sleep(A_WHILE);
    let what = |before: Task| {
        let after = before.again()?;
        if !before.sleeps || !after.sleeps {
            Some(Instead::Runs)
        } else if sleeps_for_a_time(after.id) {
            Some(Instead::SleepsForATime)
        } else if before.switches != after.switches {
            Some(Instead::WakesUp)
        } else {
            None
        }
    };
    others.into_iter().filter_map(what).min()
}

/// The system call in which a thread of this process sleeps, and its arguments
/// (man 5 proc_pid_syscall).
fn sleeping_call(thread: i32) -> Option<(i64, [u64; 6])> {
    let call = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).ok()?;
    let mut words = call.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok()?;
    }
    Some((number, arguments))
}

/// Whether a thread of this process waits in a system call that a timer ends.
fn sleeps_for_a_time(thread: i32) -> bool {
    let Some((number, [_, _, third, fourth, fifth, _])) = sleeping_call(thread) else {
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
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep | libc::SYS_rt_sigtimedwait => true,
        _ => false,
    }
}

/// How often a handler has run.
static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// This many times, each other thread of this process gets a signal in its
/// sleep. Its handler is [`count`].
fn interrupt(caller: i32, times: u32) -> Vec<String> {
    let me = gettid().as_raw();
    until_all_sleep();
    for _ in 0..times {
        for task in Task::of_this_process() {
            if task.id == me {
                continue;
            }
            if blocks_the_signal(task.id) {
                if task.id != caller {
                    continue;
                }
                return vec!["the calling thread blocks signals while it waits: the handlers of the caller do not run".to_owned()];
            }
            let before = HANDLED.load(Ordering::SeqCst);
            // SAFETY: the call takes three numbers.
            unsafe { libc::syscall(libc::SYS_tgkill, getpid().as_raw(), task.id, libc::SIGUSR1) };
            while HANDLED.load(Ordering::SeqCst) == before && task.again().is_some() {
                thread::yield_now();
            }
            // It sleeps again. One that never does is judged by other tests.
            for _ in 0..1000 {
                if task.again().is_none_or(|task| task.sleeps) {
                    break;
                }
                thread::yield_now();
            }
        }
    }
    Vec::new()
}

fn blocks_the_signal(thread: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
    let status = status.unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = blocked.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    blocked.is_some_and(|set| set >> (libc::SIGUSR1 - 1) & 1 == 1)
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

/// Gives an end this number, until the second value is dropped.
fn with_number(end: OwnedFd, number: Option<RawFd>) -> (OwnedFd, Option<Number>) {
    let Some(number) = number else {
        return (end, None);
    };
    // SAFETY: the subject has its standard streams open, and its own thread does
    // nothing with them until `Number` puts this one back.
    let (before, end) = unsafe {
        let before = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3);
        assert!(before >= 0, "a duplicate");
        assert!(libc::dup2(end.as_raw_fd(), number) == number, "the number");
        (OwnedFd::from_raw_fd(before), OwnedFd::from_raw_fd(number))
    };
    (end, Some(Number { number, before }))
}

/// What had this number before.
struct Number {
    number: RawFd,
    before: OwnedFd,
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: the call has closed the number.
        unsafe { libc::dup2(self.before.as_raw_fd(), self.number) };
    }
}

/// Writes to a stream until it has no room, and returns how many bytes that
/// took.
fn fill(end: &OwnedFd) -> usize {
    let before = OFlag::from_bits_retain(flags(end));
    add_flags(end, libc::O_NONBLOCK);
    let junk = [b'?'; 4096];
    let mut filled = 0;
    while let Ok(count) = again(end).write(&junk) {
        filled += count;
    }
    fcntl(end, FcntlArg::F_SETFL(before)).expect("flags that can be set");
    filled
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
    let (to, _number) = with_number(to, scene.numbers.0);
    let (from, _another) = with_number(from, scene.numbers.1);
    add_flags(&to, scene.flags.0);
    add_flags(&from, scene.flags.1);
    if scene.leaves_a_byte {
        again(&from).write_all(b"!").expect("room for a byte");
    }
    let (begin, begins) = channel();
    let (returns, returned) = channel();
    let around = Around {
        caller: gettid().as_raw(),
        filled: if scene.is_full { fill(&to) } else { 0 },
        begin: scene.has(&Begin).then_some(begin),
        returned,
    };
    let kept = scene
        .keeps
        .then(|| [("to", Kept::of(&to)), ("from", Kept::of(&from))]);
    let mut input = scene.input();
    let mut wrong = Vec::new();
    let (result, peer) = thread::scope(|scope| {
        let peer = scope.spawn(|| peer.live(scene, around));
        let _: Result<(), _> = begins.recv();
        let result = call(to, from, &input, &mut wrong);
        for (name, kept) in kept.into_iter().flatten() {
            wrong.extend(kept.changed(name));
        }
        if scene.has(&Returned) {
            input.fill(b'!');
        }
        drop(returns);
        (result, peer.join().expect("the peer's script"))
    });
    Seen {
        result: result.map(|output| Digest::of(&output)),
        peer,
        wrong,
    }
}

/// A duplicate that the caller keeps, and what can be seen through it.
struct Kept {
    end: OwnedFd,
    flags: i32,
    others: Vec<(&'static str, i64)>,
}

impl Kept {
    fn of(end: &OwnedFd) -> Kept {
        Kept {
            end: end.try_clone().expect("a duplicate"),
            flags: flags(end),
            others: settings(end),
        }
    }

    fn changed(&self, name: &str) -> Option<String> {
        let (before, after) = (self.flags, flags(&self.end));
        if after != before {
            return Some(format!(
                "the file status flags of `{name}` were {before:#o} before the call and are {after:#o} after it: the caller shares them through a duplicate (O_NONBLOCK is {:#o})",
                libc::O_NONBLOCK
            ));
        }
        let after = settings(&self.end);
        let mut all = self.others.iter().zip(after);
        all.find(|(before, after)| *before != after).map(|((what, before), (_, after))| {
            format!("{what} of `{name}` was {before} before the call and is {after} after it: the caller shares the open file through a duplicate")
        })
    }
}

/// What an open file has besides its flags, as far as it has it.
fn settings(end: &OwnedFd) -> Vec<(&'static str, i64)> {
    let number = end.as_raw_fd();
    // SAFETY: the call returns a number.
    let control = |what| i64::from(unsafe { libc::fcntl(number, what) });
    let option = |what| {
        let mut value = [0_i64; 2];
        let mut length = size_of_val(&value) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes.
        let done = unsafe {
            let value = value.as_mut_ptr().cast();
            libc::getsockopt(number, libc::SOL_SOCKET, what, value, &raw mut length)
        };
        if done == 0 { value[0] + value[1] } else { -1 }
    };
    vec![
        ("the capacity of the pipe", control(libc::F_GETPIPE_SZ)),
        ("the receiver of SIGIO", control(libc::F_GETOWN)),
        ("the socket option SO_SNDBUF", option(libc::SO_SNDBUF)),
        ("the socket option SO_RCVBUF", option(libc::SO_RCVBUF)),
        ("the socket option SO_SNDTIMEO", option(libc::SO_SNDTIMEO)),
        ("the socket option SO_RCVTIMEO", option(libc::SO_RCVTIMEO)),
        ("the socket option SO_PASSCRED", option(libc::SO_PASSCRED)),
        ("the socket option SO_PEEK_OFF", option(libc::SO_PEEK_OFF)),
    ]
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
            Give(_) | GiveADescriptor => {
                let length = if let Give(length) = step { *length } else { 1 };
                let (now, later) = answer.split_at(length);
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
    if let Some(stuck) = &seen.peer.stuck {
        panic!(
            "{because}, {stuck} (the peer has got {} bytes)",
            seen.peer.taken.length + seen.peer.discarded
        );
    }
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
        "the call started {}: it may start threads, but no process",
        proctor::count(started as usize, "process")
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

/// Lengths for which `to` has room, however small the pieces are that the call
/// writes. Each piece takes a whole page of a pipe if it does not fit into the
/// page before, and about a kilobyte of a socket's 208. poll reports room in a
/// socket only until a quarter of it is used.
fn fits_in_any_pieces(ends: Ends) -> std::ops::Range<usize> {
    match ends {
        Pipes | PipeAndSocket => 20_000..32_000,
        OneSocket | TwoSockets | SocketAndPipe => 20..40,
    }
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

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
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

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10, 12], subject = |scene: Scene| -> Seen { play(&scene) }, much = |(seed, blocks): (u64, usize)| -> (Result<(usize, Digest, bool), String>, Got) {
    // So many bytes that only their repetition keeps the test short.
    let block = bytes(!seed, MUCH);
    let (to, from, peer) = make(Pipes);
    peer.do_not_block();
    let (result, got) = thread::scope(|scope| {
        let peer = scope.spawn(|| {
            let mut peer = peer;
            let mut got = Got::default();
            let mut live = || -> Result<(), Stuck> {
                for _ in 0..blocks {
                    got.note(peer.give(&block)?);
                }
                got.saw_the_end = peer.take(usize::MAX, usize::MAX, |piece| got.discarded += piece.len())?;
                Ok(())
            };
            if let Err(Stuck(why)) = live() {
                got.stuck = Some(why.to_owned());
            }
            peer.input.take();
            peer.output.take();
            got
        });
        let result = duplex_pump::pump(to, from, &bytes(seed, 300_000));
        (result, peer.join().expect("the peer"))
    });
    let result = result.map_err(|error| error.to_string()).map(|output| {
        let mut pieces = output.chunks(MUCH);
        let first = Digest::of(pieces.next().unwrap_or_default());
        (output.len(), first, pieces.all(|piece| piece == block))
    });
    (result, got)
})]
fn a_peer_may_write_before_it_reads(mut subject: Subject, mut much: Subject) {
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
                // The stream to the peer is full already, so that even one byte
                // has to wait.
                Scene::full(ends, some(1..9), &[Give(before), Drain, TakeAll, Give(1)]),
                Scene::full(ends, 300_000, &[Give(300_000), Drain, Give(10), TakeAll]),
            ],
        );
    }
    let (seed, blocks) = (proctor::random(), 20);
    let answer = much.ask(&(seed, blocks));
    let (result, got) = &answer.value;
    let because = format!("the peer writes {blocks} MiB before it reads the first byte");
    if let Some(wrong) = got.stuck.as_ref().or(got.wrong.first()) {
        panic!("{because}: {wrong}");
    }
    let expected = (blocks * MUCH, Digest::of(&bytes(!seed, MUCH)), true);
    match result {
        Ok(returned) => assert!(
            *returned == expected,
            "{because}: the call returned {} bytes, and not the {} bytes of the peer in their order",
            returned.0,
            expected.0
        ),
        Err(words) => panic!("{because}: the call returned an error: {words}"),
    }
    assert!(
        got.discarded == 300_000 && got.saw_the_end,
        "{because}, and then it got {} of the 300000 bytes of the input",
        got.discarded
    );
    nothing_else_happened(&answer);
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
                // It reads so late that the caller has used the memory again.
                Scene::new(
                    ends,
                    some(fits_in_any_pieces(ends)),
                    &[StopWriting, Returned, TakeAll],
                ),
            ],
        );
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn pieces_may_have_any_size(mut subject: Subject) {
    for ends in [Pipes, OneSocket] {
        let mut script = Vec::new();
        for size in [1, 2, 3, 4096, 1, 30_000, 64_000, 5, some(1..5000)] {
            script.extend([Give(size), Settle, Take(size), Settle]);
        }
        script.extend([TakeAll, Settle, Give(1), Settle, Give(1)]);
        judge(&mut subject, &[Scene::new(ends, 250_000, &script)]);
    }
    // Any descriptor can be `to` or `from`.
    for (to, from) in [
        (Some(0), None),
        (None, Some(0)),
        (Some(1), Some(0)),
        (Some(0), Some(1)),
        (None, Some(2)),
    ] {
        let mut scene = Scene::new(Pipes, 70_000, &[Give(100), TakeAll, Settle, Give(1)]);
        scene.numbers = (to, from);
        judge(&mut subject, &[scene]);
    }
}

// -------------------------------------------------------------- the ends

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
fn an_empty_input_is_an_end_at_once(mut subject: Subject) {
    for ends in ALL_ENDS {
        judge(
            &mut subject,
            &[
                Scene::new(ends, 0, &[TakeAll, Give(some(1..5000))]),
                Scene::new(ends, 0, &[TakeAll]),
                // The end needs no room.
                Scene::full(ends, 0, &[Settle, Ended, Give(1), Drain, TakeAll]),
            ],
        );
    }
    // The last byte of the input takes the last room in the pipe.
    judge(
        &mut subject,
        &[Scene::new(
            Pipes,
            65_536,
            &[Settle, Ended, TakeAll, Give(1)],
        )],
    );
}

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11, 14], faults = [Print], subject = |scene: Scene| -> Seen { play(&scene) }, other = |fails: bool| -> Vec<String> {
    let (to, from, peer) = make(TwoSockets);
    peer.do_not_block();
    let number = fails.then_some(libc::STDOUT_FILENO);
    let (to, _number) = with_number(to, number);
    let kept = (again(&to), again(&from));
    let mut wrong = Vec::new();
    let (result, lived) = thread::scope(|scope| {
        let peer = scope.spawn(move || {
            if !fails {
                // If it is stuck, its ends are closed, so that the call can return.
                peer.take(usize::MAX, usize::MAX, |_| ())?;
            }
            // The call waits for the end of `from`, or has returned an error.
            proctor::threads_left();
            let output = peer.output.as_ref().expect("still open");
            let is_heard = again(output).write_all(b"!").is_ok();
            // The socket itself stays open.
            stop(output.try_clone().ok(), Shutdown::Write);
            Ok((peer, is_heard))
        });
        let result = call(to, from, b"input", &mut wrong);
        (result, peer.join().expect("the peer"))
    });
    let (peer, is_heard) = match lived {
        Ok(lived) => lived,
        Err(Stuck(why)) => return vec![why.to_owned()],
    };
    match &result {
        Ok(output) if output == b"!" => {}
        Err((Some(libc::EIO), _)) if fails => {}
        Ok(output) => wrong.push(format!(
            "the peer wrote 1 byte, and the call returned {}, or another byte",
            proctor::count(output.len(), "byte")
        )),
        Err((_, words)) => wrong.push(format!("the call returned an error: {words}")),
    }
    let open = |end: &Option<OwnedFd>| again(end.as_ref().expect("still open"));
    let reaches = |mut here: &File, mut there: &File| {
        here.write_all(b"!").is_ok() && there.read(&mut [0]).is_ok_and(|count| count == 1)
    };
    if !is_heard {
        wrong.push("the call shut down the reading half of `from`: this half was not the call's to end".to_owned());
    }
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
    for fails in [false, true] {
        if fails {
            other.fail(Failure::of(Fault::Print, Errno::EIO).times(1000));
        }
        let answer = other.ask(&fails);
        if let Some(wrong) = answer.value.first() {
            let after = if fails {
                ", after a write that failed with EIO"
            } else {
                ""
            };
            panic!("with two sockets, of which the caller keeps duplicates{after}, {wrong}");
        }
        nothing_else_happened(&answer);
    }
}

#[proctor::test(clauses = [2, 6, 10], subject = |(ends, seed, length, input): (Ends, u64, usize, usize)| -> Seen {
    let (to, from, peer) = make(ends);
    // A byte that the peer leaves unread.
    again(&to).write_all(b"!").expect("room for a byte");
    if length > 60_000 {
        // Fails on a socket, which holds so much already.
        // SAFETY: the call takes numbers.
        unsafe { libc::fcntl(from.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 19) };
    }
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
            let much = match ends {
                Pipes | SocketAndPipe => some(400_000..500_000),
                _ => some(135_000..145_000),
            };
            let lengths = [0, 1, some(40_000..60_000), much];
            // The longest one only once.
            let count = if input == 10 { 4 } else { 3 };
            for length in &lengths[..count] {
                let length = *length;
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

#[proctor::test(clauses = [1, 2, 3, 5, 6, 7, 8, 10], subject = |scene: Scene| -> Seen {
    on_signal(Signal::SIGPIPE, SigHandler::Handler(do_nothing), SaFlags::empty());
    play(&scene)
}, ignores = |scene: Scene| -> Seen { play(&scene) })]
fn a_peer_may_stop_reading(mut subject: Subject, mut ignores: Subject) {
    for ends in [Pipes, OneSocket, SocketAndPipe] {
        let (length, few) = (700_000, some(1..5000));
        let scenes = [
            Scene::new(ends, length, &[StopReading, Begin, Look, Give(few)]),
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
            Scene::full(ends, few, &[Settle, HangUp]),
        ];
        judge(&mut ignores, &scenes);
    }
    // Only the input is left when the peer goes.
    for ends in [Pipes, TwoSockets] {
        let scenes = [
            Scene::new(ends, 700_000, &[Give(3), StopWriting, Settle, HangUp]),
            Scene::new(ends, 700_000, &[StopWriting, Take(70_000), Settle, HangUp]),
        ];
        judge(&mut ignores, &scenes);
    }
}

#[proctor::test(clauses = [1, 2, 5, 6, 7, 8, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
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
                // Nothing could be written when the output ended.
                Scene::full(ends, length, &[StopWriting, Begin, Look, Drain, TakeAll]),
                Scene::full(ends, few, &[Give(few), StopWriting, Settle, Drain, TakeAll]),
            ],
        );
    }
    // The output ends with ECONNRESET. That is the end of this stream only.
    for ends in [TwoSockets, PipeAndSocket] {
        for given in [0, 100] {
            let look = if given == 0 { Look } else { Settle };
            let script = [Give(given), StopWriting, look, Take(10), Settle, TakeAll];
            let mut scene = Scene::new(ends, 600_000, &script);
            scene.leaves_a_byte = true;
            judge(&mut subject, &[scene]);
        }
    }
}

#[proctor::test(clauses = [1, 6, 10], memory = 16384, subject = |(length, few): (usize, usize)| -> (Result<usize, String>, Got) {
    let input = Zeros::new(length).expect("address space");
    let (to, from, peer) = make(Pipes);
    let scene = Scene::new(Pipes, 0, &[Take(few), Settle, HangUp]);
    let (begin, around) = (None, channel());
    let around = Around { caller: 0, filled: 0, begin, returned: around.1 };
    let (result, got) = thread::scope(|scope| {
        let peer = scope.spawn(|| peer.live(&scene, around));
        let result = duplex_pump::pump(to, from, &input);
        (result, peer.join().expect("the peer"))
    });
    (result.map(|output| output.len()).map_err(|error| error.to_string()), got)
})]
fn the_input_may_be_longer_than_4_gib(mut subject: Subject) {
    for beyond in [some(0..5000), (2 << 30) + some(0..5000)] {
        let (length, few) = ((1 << 32) + beyond, 300_000);
        let answer = subject.ask(&(length, few));
        let (result, got) = &answer.value;
        let because = format!("with {length} bytes of input, of which the peer reads {few}");
        let taken = got.taken;
        assert!(
            taken == Digest::of(&vec![0; few]),
            "{because}, the peer got {} bytes, or other bytes",
            taken.length
        );
        match result {
            Ok(length) => assert!(
                *length == 0,
                "{because}, and the peer writes nothing, the call returned {length} bytes"
            ),
            Err(words) => panic!("{because}, the call returned an error: {words}"),
        }
        nothing_else_happened(&answer);
    }
}

// ----------------------------------------------------------- the process

#[proctor::test(clauses = [1, 2, 4, 5, 8, 10], subject = |scene: Scene| -> Seen { play(&scene) })]
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

#[proctor::test(clauses = [1, 2, 3, 4, 5, 6, 7, 9, 10], slow = true, subject = |scene: Scene| -> Seen {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(count), SaFlags::empty());
    play(&scene)
})]
fn hundreds_of_signals_change_nothing(mut subject: Subject) {
    judge(
        &mut subject,
        &[
            Scene::new(
                Pipes,
                300_000,
                &[Interrupt(100), Give(10), TakeAll, Interrupt(1100), Give(10)],
            ),
            // After the signals, only one of the two is possible.
            Scene::new(Pipes, 300_000, &[Interrupt(3), TakeAll, Give(10)]),
            Scene::new(OneSocket, 500_000, &[Interrupt(3), Give(300_000), TakeAll]),
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
            Scene::new(
                TwoSockets,
                500_000,
                &[
                    StopWriting,
                    Interrupt(20),
                    Take(300_000),
                    Interrupt(3),
                    TakeAll,
                ],
            ),
        ],
    );
}

#[proctor::test(clauses = [1, 2, 4, 9, 10], faults = [Print], subject = |scene: Scene| -> Seen { play(&scene) })]
fn an_interrupted_write_is_made_again(mut subject: Subject) {
    for (after, times) in [(0, 1), (0, 1100), (1, 300)] {
        let mut scene = Scene::new(Pipes, 300_000, &[TakeAll, Give(10)]);
        scene.numbers.0 = Some(libc::STDOUT_FILENO);
        subject.fail(
            Failure::of(Fault::Print, Errno::EINTR)
                .after(after)
                .times(times),
        );
        judge(&mut subject, &[scene]);
    }
}

#[proctor::test(clauses = [1, 2, 5, 7, 10, 11], subject = |scene: Scene| -> Seen { play(&scene) })]
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
            // More than fits, so that the ends are closed in another order.
            let order = [Pipes, OneSocket, TwoSockets];
            for ends in order.into_iter().skip(usize::from(two == 0)) {
                let script = [StopWriting, Settle, TakeAll];
                let mut scene = Scene::new(ends, 500_000, &script);
                scene.flags = (one | libc::O_APPEND, two);
                scene.keeps = true;
                judge(&mut subject, &[scene]);
            }
        }
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 8, 10, 11], subject = |scene: Scene| -> Seen { play(&scene) })]
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

#[proctor::test(clauses = [2, 4, 10, 12], subject = |scene: Scene| -> Seen { play_only(&scene) })]
fn the_input_is_not_copied(mut subject: Subject) {
    let give = |output| vec![Discard, Give(output)];
    // Each byte comes alone.
    let bytes_alone = 100;
    let alone = vec![[Give(1), Settle]; bytes_alone].concat();
    for (input, output, script) in [
        (6 << 20, 10, give(10)),
        (3 << 20, 10, give(10)),
        (3 << 19, 0, give(0)),
        (0, 2 << 20, give(2 << 20)),
        (0, bytes_alone, alone),
    ] {
        let scene = Scene::new(Pipes, input, &script);
        let how = match script.len() {
            2 => "",
            _ => " that come one by one",
        };
        let answer = subject.ask(&scene);
        check(&scene, &answer.value);
        let peak = answer.evidence.heap.peak as usize;
        // The test itself holds both.
        let held = peak.saturating_sub(input + output);
        // For the peer's buffer, and the stack of a thread and the like.
        let limit = (1 << 20) + 4 * output + (1 << 18);
        assert!(
            held <= limit,
            "with {input} bytes of input and {output} bytes of output{how}, the call held {held} bytes of heap memory at one time, and the limit is {limit}"
        );
        nothing_else_happened(&answer);
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 8, 10, 12], slow = true, subject = |scenes: Vec<Scene>| -> Vec<Seen> {
    scenes.iter().map(play_only).collect()
}, passes = |scene: Scene| -> Seen { play(&scene) })]
fn hundreds_of_calls_leave_nothing(mut subject: Subject, mut passes: Subject) {
    let scenes: Vec<Scene> = (0..1100)
        .map(|number| {
            let script = match number % 4 {
                0 => vec![HangUp],
                1 => vec![TakeAll],
                2 => vec![StopWriting, TakeAll],
                _ => vec![Echo(100)],
            };
            Scene::new(ALL_ENDS[number % 5], number % 300, &script)
        })
        .collect();
    // What is needed once: buffers, tables.
    subject.ask(&scenes[..10].to_vec());
    // All calls in one process; not so many at a time that a leak of descriptors
    // reaches their limit.
    for scenes in scenes.chunks(220) {
        let answer = subject.ask(&scenes.to_vec());
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
    // The peer sends descriptors along with its bytes. A read drops them.
    for ends in [OneSocket, TwoSockets] {
        let script = [GiveADescriptor, Give(10), GiveADescriptor, TakeAll];
        judge(&mut passes, &[Scene::new(ends, 10, &script)]);
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 8, 10, 13], slow = true, subject = |scenes: Vec<Scene>| -> (Vec<Seen>, Vec<String>) {
    let before = Surroundings::now();
    let seen = play_together(&scenes);
    proctor::threads_left();
    (seen, before.changes())
})]
fn calls_of_several_threads_do_not_hold_up_one_another(mut subject: Subject) {
    // First all begin, then the last one ends first.
    let scenes: Vec<Scene> = (0..70)
        .map(|number| {
            let ends = [Pipes, OneSocket][number % 2];
            let length = [300_000, 10 + number][number % 3 % 2];
            Scene::new(
                ends,
                length,
                &[Take(10), Settle, Give(5000), TakeAll, Give(3)],
            )
        })
        .collect();
    let answer = subject.ask(&scenes);
    let (all, changes) = &answer.value;
    let pairs = || scenes.iter().zip(all);
    // When one peer is stuck, all of them hang up.
    let stuck = pairs().find(|(_, seen)| seen.peer.stuck.is_some());
    for (scene, seen) in stuck.into_iter().chain(pairs()) {
        check(scene, seen);
    }
    assert!(
        changes.is_empty(),
        "after {} calls in threads of their own, the caller is not as it was: {}",
        scenes.len(),
        changes.join("; ")
    );
    nothing_else_happened(&answer);
}

/// Plays scenes at the same time. This thread is the peer of all calls. It
/// follows each script up to the first [`Settle`], and then the rest of each,
/// beginning with the last one.
fn play_together(scenes: &[Scene]) -> Vec<Seen> {
    let mut ends = Vec::new();
    let mut peers = Vec::new();
    for scene in scenes {
        let (to, from, peer) = make(scene.ends);
        ends.push((to, from, scene.input()));
        let around = Around {
            caller: 0,
            filled: 0,
            begin: None,
            returned: channel().1,
        };
        peers.push(Life::of(peer, scene, around));
    }
    thread::scope(|scope| {
        let calls: Vec<_> = ends
            .into_iter()
            .map(|(to, from, input)| {
                scope.spawn(move || {
                    let mut wrong = Vec::new();
                    (call(to, from, &input, &mut wrong), wrong)
                })
            })
            .collect();
        let halves = |scene: &Scene| {
            let mut halves = scene.script.split(|step| matches!(step, Settle));
            [(); 2].map(|()| halves.next().unwrap_or_default().to_vec())
        };
        let first = (0..scenes.len()).map(|number| (number, 0));
        let second = (0..scenes.len()).rev().map(|number| (number, 1));
        for (number, half) in first.chain(second) {
            let peer = &mut peers[number];
            peer.go_on(&halves(&scenes[number])[half]);
            if half == 1 {
                peer.hang_up();
            }
            if peer.got.stuck.is_some() {
                peers.iter_mut().for_each(Life::hang_up);
                break;
            }
        }
        let calls = calls.into_iter().map(|call| {
            call.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        calls
            .zip(peers)
            .map(|((result, wrong), peer)| Seen {
                result: result.map(|output| Digest::of(&output)),
                peer: peer.end(),
                wrong,
            })
            .collect()
    })
}

// ------------------------------------------------------------- the errors

#[proctor::test(clauses = [7, 10, 11, 14], faults = [Print], subject = |scene: Scene| -> Seen { play(&scene) }, full = |(): ()| -> Seen {
    let (_, from, mut peer) = make(Pipes);
    let to = OwnedFd::from(File::options().write(true).open("/dev/full").expect("/dev/full"));
    stop(peer.output.take(), Shutdown::Write);
    call_with(to, from)
})]
fn an_error_of_write_is_returned(mut subject: Subject, mut full: Subject) {
    let answer = full.ask(&());
    expect_error(
        &answer,
        &[Errno::ENOSPC],
        "`to` was the device /dev/full, so that write(2) fails with ENOSPC",
    );
    let running = ("", [Discard].as_slice());
    let ended = (
        "the output had ended before, and ",
        [StopWriting, Begin, Discard].as_slice(),
    );
    for ((when, script), errno, after) in [
        (running, Errno::EIO, 0),
        (running, Errno::EDQUOT, 1),
        (running, Errno::EFBIG, 1),
        (ended, Errno::EPERM, 0),
        (ended, Errno::EIO, 1),
        (ended, Errno::ENOBUFS, 2),
    ] {
        // A duplicate keeps a pipe from ending, and no socket.
        let keeps = after == 1;
        let ends = if keeps { OneSocket } else { Pipes };
        let mut scene = Scene::new(ends, 300_000, script);
        scene.numbers.0 = Some(libc::STDOUT_FILENO);
        scene.keeps = keeps;
        subject.fail(Failure::of(Fault::Print, errno).after(after).times(1000));
        let answer = subject.ask(&scene);
        match answer.evidence.faults {
            // It writes in one call, or by another system call.
            0 => check(&scene, &answer.value),
            _ => expect_error(
                &answer,
                &[errno],
                &format!(
                    "{when}write(2) failed with {errno} after {after} calls that did not fail"
                ),
            ),
        }
    }
}

#[proctor::test(clauses = [6, 10, 11, 14], subject = |(path, is_read): (String, bool)| -> Seen {
    let (to, _, mut peer) = make(Pipes);
    // A path alone, without the right to read: F_SETFL fails, and so does read(2).
    let flags = if path == "." { libc::O_PATH } else { 0 };
    let from = OwnedFd::from(File::options().read(true).custom_flags(flags).open(path).expect("a file"));
    // If the peer may read it, the input fits into the pipe.
    if !is_read {
        stop(peer.input.take(), Shutdown::Read);
    }
    call_with(to, from)
})]
fn an_error_of_read_is_returned(mut subject: Subject) {
    for (path, errnos, because) in [
        (
            "/",
            [Errno::EISDIR].as_slice(),
            "`from` was a directory, so that read(2) fails with EISDIR",
        ),
        (
            "/proc/self/mem",
            &[Errno::EIO],
            "`from` was /proc/self/mem, where nothing is at the address 0, so that read(2) fails with EIO",
        ),
        (
            ".",
            // Code that opens the file again can read a directory as little.
            &[Errno::EBADF, Errno::EISDIR],
            "`from` was opened with O_PATH, so that fcntl(2) and read(2) fail with EBADF",
        ),
    ] {
        for is_read in [false, true] {
            let answer = subject.ask(&(path.to_owned(), is_read));
            expect_error(&answer, errnos, because);
        }
    }
}

/// A call that has to fail, of which the caller keeps duplicates.
fn call_with(to: OwnedFd, from: OwnedFd) -> Seen {
    let before = Surroundings::now();
    let kept = [("to", Kept::of(&to)), ("from", Kept::of(&from))];
    let mut wrong = Vec::new();
    let result = call(to, from, b"some bytes", &mut wrong);
    // A thread that has been joined by the end of a scope may still be on its
    // way out.
    proctor::threads_left();
    for (name, kept) in &kept {
        wrong.extend(kept.changed(name));
    }
    drop(kept);
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
fn expect_error(answer: &Answer<Seen>, errnos: &[Errno], because: &str) {
    let seen = &answer.value;
    match &seen.result {
        // Some files cannot be waited for with epoll(7).
        Err((Some(libc::EPERM), _)) => {}
        Err((Some(number), _)) if errnos.contains(&Errno::from_raw(*number)) => {}
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
