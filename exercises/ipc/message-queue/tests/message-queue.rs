//! Judges `Queue` from outside: what its calls return, and what another program
//! finds in the kernel's queue of the same name.
//!
//! No test waits for a time. A call that must wait runs in a child, and the test
//! goes on when the kernel says that the child sleeps. What another process does
//! between two system calls of the learner's code is done there, at each place in
//! turn: the test traces the child and stops it before and after each of them.
proctor::exercise!(message_queue);

use std::collections::HashMap;
use std::io::{self, Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use message_queue::Queue;
use nix::libc;
use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_close, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, Signal, kill, raise};
use nix::sys::stat::{Mode, fstat, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, getpid};
use proctor::{Answer, Onlooker, Subject, Surroundings, Task, Zeros};
use serde::{Deserialize, Serialize};

/// A message and its priority.
type Message = (Vec<u8>, u32);

/// What a subject answers. The text says which call failed although nothing
/// stood in its way.
type Told<T> = Result<T, String>;

// ------------------------------------------------------------- in the subject

fn told<T>(call: &str, result: io::Result<T>) -> Told<T> {
    result.map_err(|error| format!("{call} returned an error although nothing is wrong: {error}"))
}

fn create(name: &str, capacity: usize, longest: usize) -> Told<Queue> {
    told("create", Queue::create(name, capacity, longest))
}

fn open(name: &str) -> Told<Queue> {
    told("open", Queue::open(name))
}

fn send(queue: &Queue, (message, priority): &Message) -> Told<()> {
    told("send", queue.send(message, *priority))
}

fn try_send(queue: &Queue, (message, priority): &Message) -> Told<bool> {
    told("try_send", queue.try_send(message, *priority))
}

fn receive(queue: &Queue) -> Told<Message> {
    told("receive", queue.receive())
}

fn try_receive(queue: &Queue) -> Told<Option<Message>> {
    told("try_receive", queue.try_receive())
}

/// An error as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Ended {
    Well,
    Error(Option<i32>, String),
}

fn ended<T>(result: &io::Result<T>) -> Ended {
    match result {
        Ok(_) => Ended::Well,
        Err(error) => Ended::Error(error.raw_os_error(), format!("{:?}", error.kind())),
    }
}

/// The kernel's queue of this name, as another program sees it. Its calls never
/// wait.
struct Kernels(MqdT);

impl Kernels {
    fn open(name: &str) -> Option<Kernels> {
        let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_NONBLOCK;
        mq_open(name, flags, Mode::empty(), None).ok().map(Kernels)
    }

    fn create(name: &str, capacity: usize, longest: usize) -> Kernels {
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR | MQ_OFlag::O_NONBLOCK;
        let size = MqAttr::new(0, capacity as i64, longest as i64, 0);
        Kernels(mq_open(name, flags, Mode::S_IRWXU, Some(&size)).expect("a queue of the test"))
    }

    /// Capacity, length and how many messages are in it.
    fn sizes(&self) -> [i64; 3] {
        let found = mq_getattr(&self.0).expect("a queue");
        [found.maxmsg(), found.msgsize(), found.curmsgs()]
    }

    fn waiting(&self) -> i64 {
        self.sizes()[2]
    }

    fn give(&self, (message, priority): &Message) -> bool {
        mq_send(&self.0, message, *priority).is_ok()
    }

    fn take(&self) -> Option<Message> {
        let (mut buffer, mut priority) = (vec![0; 1 << 16], 0);
        let length = mq_receive(&self.0, &mut buffer, &mut priority).ok()?;
        buffer.truncate(length);
        Some((buffer, priority))
    }

    fn all(&self) -> Vec<Message> {
        std::iter::from_fn(|| self.take()).collect()
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        use std::os::fd::{AsRawFd, FromRawFd};
        // SAFETY: the descriptor is open, and this is its last use.
        let _ = mq_close(unsafe { MqdT::from_raw_fd(self.0.as_raw_fd()) });
    }
}

fn exists(name: &str) -> bool {
    Kernels::open(name).is_some()
}

/// The numbers of all descriptors of this process.
fn descriptors() -> Vec<i32> {
    let all = std::fs::read_dir("/proc/self/fd").expect("/proc");
    let mut all: Vec<i32> = all
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // The one of this list is closed again.
    // SAFETY: the call only asks for flags.
    all.retain(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0);
    all
}

/// A child that makes one call, and what it tells about it.
struct Child {
    pid: Pid,
    told: io::PipeReader,
}

/// What a traced child does next.
enum Step {
    /// It has stopped, before or after a system call.
    Stops,
    /// It sleeps in a system call.
    Sleeps,
    Ends,
}

impl Child {
    fn start(call: impl FnOnce() -> Told<Option<Message>>) -> Child {
        let (told, mut teller) = pipe().expect("a pipe");
        let pid = proctor::other_child(|| {
            let bytes = match call() {
                Ok(None) => vec![b'n'],
                Ok(Some((message, priority))) => {
                    [&b"m"[..], &priority.to_le_bytes()[..], &message[..]].concat()
                }
                Err(what) => [b"e", what.as_bytes()].concat(),
            };
            u8::from(teller.write_all(&bytes).is_err())
        });
        Child { pid, told }
    }

    /// A child that has stopped before its call. `None` where the machine does
    /// not allow a process to trace its child.
    fn traced(call: impl FnOnce() -> Told<Option<Message>>) -> Option<Child> {
        let child = Child::start(|| {
            if ptrace::traceme()
                .and_then(|()| raise(Signal::SIGSTOP))
                .is_err()
            {
                return Ok(None);
            }
            call()
        });
        child.stops().then_some(child)
    }

    /// Waits until the traced child stops (true) or ends (false).
    fn stops(&self) -> bool {
        matches!(waitpid(self.pid, None), Ok(WaitStatus::Stopped(..)))
    }

    /// Waits until the child, which was asleep, stops (true) or ends (false).
    /// `None` if it sleeps on.
    fn wakes(&self) -> Option<bool> {
        (0..50).find_map(|_| {
            self.until_it_waits();
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Stopped(..)) => Some(true),
                Ok(WaitStatus::StillAlive) => {
                    thread::sleep(Duration::from_millis(1));
                    None
                }
                _ => Some(false),
            }
        })
    }

    /// Lets the child go on to the next place between two system calls.
    fn step(&self) -> Step {
        let _ = ptrace::syscall(self.pid, None);
        self.until_it_waits();
        match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Stopped(..)) => Step::Stops,
            Ok(WaitStatus::StillAlive) => Step::Sleeps,
            _ => Step::Ends,
        }
    }

    /// What the child does while this process computes for 60 ms: its CPU time in
    /// milliseconds, and how often it has left the CPU. Two processes that yield
    /// get the same share of a CPU, so a child that spins shows it soon.
    fn watched(&self) -> (u64, u64) {
        let me = cpu_ms(getpid());
        let find = || {
            Task::children()
                .into_iter()
                .find(|task| task.id == self.pid.as_raw())
        };
        let (before, switches) = (cpu_ms(self.pid), find().map_or(0, |task| task.switches));
        while cpu_ms(getpid()) < me + 60 && cpu_ms(self.pid) < before + SPUN_MS {
            thread::yield_now();
        }
        let after = find().map_or(0, |task| task.switches);
        (cpu_ms(self.pid) - before, after.saturating_sub(switches))
    }

    /// Returns when the child sleeps in its call, or has ended.
    fn until_it_waits(&self) {
        Onlooker::of_process(self.pid.as_raw()).until_it_waits();
    }

    fn has_ended(&self) -> bool {
        let children = Task::children();
        let is_it = |task: &&Task| task.id == self.pid.as_raw();
        children
            .iter()
            .find(is_it)
            .is_none_or(|task| task.is_zombie)
    }

    /// Whether the child stays in its call: it is asleep whenever one looks. A
    /// child that does not answers soon.
    fn stays(&self) -> bool {
        (0..50).all(|_| {
            self.until_it_waits();
            let stays = !self.has_ended();
            if stays {
                thread::sleep(Duration::from_millis(1));
            }
            stays
        })
    }

    /// Waits for the end of a call that must not wait. `why` is the reason.
    fn ends_at_once(self, call: Call, why: &str) -> Told<Option<Message>> {
        if self.stays() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = waitpid(self.pid, None);
            return Err(format!(
                "{} waits, but it must return at once: {why}",
                call.name()
            ));
        }
        self.ends()
    }

    /// Waits for the end.
    fn ends(mut self) -> Told<Option<Message>> {
        let mut bytes = Vec::new();
        let _ = self.told.read_to_end(&mut bytes);
        let _ = waitpid(self.pid, None);
        match bytes.split_first() {
            Some((b'n', _)) => Ok(None),
            Some((b'm', rest)) if rest.len() >= 4 => {
                let priority = [rest[0], rest[1], rest[2], rest[3]];
                Ok(Some((rest[4..].to_vec(), u32::from_le_bytes(priority))))
            }
            Some((_, what)) => Err(String::from_utf8_lossy(what).into_owned()),
            None => Err("a child of the test ended in the middle of its call".to_owned()),
        }
    }
}

/// CPU time in milliseconds that a process uses only if it does not sleep.
const SPUN_MS: u64 = 20;

/// CPU time of a process, in milliseconds.
fn cpu_ms(process: Pid) -> u64 {
    let time = clock_getcpuclockid(process).and_then(clock_gettime);
    time.map_or(0, |time| {
        time.tv_sec() as u64 * 1000 + time.tv_nsec() as u64 / 1_000_000
    })
}

/// A value that the compiler lets other threads use. The test asks itself whether
/// that is right.
struct Anywhere<T>(T);
// SAFETY: see above.
unsafe impl<T> std::marker::Send for Anywhere<T> {}
// SAFETY: see above.
unsafe impl<T> Sync for Anywhere<T> {}

impl<T> Anywhere<T> {
    fn get(&self) -> &T {
        &self.0
    }

    fn into_inner(self) -> T {
        self.0
    }
}

/// The four calls of a queue that move messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Call {
    Send,
    TrySend,
    Receive,
    TryReceive,
}
use Call::{Receive, Send, TryReceive, TrySend};

impl Call {
    /// Makes the call. A call that sends returns the message if it was sent.
    fn make(self, queue: &Queue, message: &Message) -> Told<Option<Message>> {
        match self {
            Send => send(queue, message).map(|()| Some(message.clone())),
            TrySend => try_send(queue, message).map(|sent| sent.then(|| message.clone())),
            Receive => receive(queue).map(Some),
            TryReceive => try_receive(queue),
        }
    }

    fn sends(self) -> bool {
        matches!(self, Send | TrySend)
    }

    fn name(self) -> &'static str {
        match self {
            Send => "send",
            TrySend => "try_send",
            Receive => "receive",
            TryReceive => "try_receive",
        }
    }
}

// ---------------------------------------------------------------- in the judge

/// A name that no other queue has.
fn name() -> String {
    let judge = std::process::id();
    format!("/course-{judge}-{}", proctor::random::<String>())
}

fn message(length: usize) -> Message {
    let mut rng = proctor::rng();
    let bytes = (0..length).map(|_| rng.u8(..)).collect();
    // Odd: each of the bits of a priority counts, the lowest one too.
    (bytes, 2 * rng.u32(0..16_384) + 1)
}

/// What the subject answered, if every call did what it must do in every test,
/// and nothing is left.
#[track_caller]
fn value<A>(answer: &Answer<Told<A>>) -> &A {
    match &answer.value {
        Ok(value) => {
            nothing_is_left(answer);
            value
        }
        Err(what) => panic!("{what}"),
    }
}

#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>) {
    answer.nothing_is_left("every queue has been dropped");
    assert!(
        answer.output.stdout.is_empty() && answer.output.stderr.is_empty(),
        "the test prints nothing, and this was printed: {:?} {:?}",
        answer.output.stdout,
        answer.output.stderr
    );
}

/// Long messages, briefly.
fn brief((bytes, priority): &Message) -> String {
    let start = &bytes[..bytes.len().min(8)];
    format!(
        "{} bytes that begin with {start:?}, with priority {priority}",
        bytes.len()
    )
}

#[track_caller]
fn same(what: &str, got: &Message, expected: &Message) {
    assert!(
        got == expected,
        "{what}: {}; instead there came {}",
        brief(expected),
        brief(got)
    );
}

#[track_caller]
fn fails_with(what: &str, got: &Ended, number: i32, error: &str) {
    let is_it = matches!(got, Ended::Error(Some(is), _) if *is == number);
    assert!(
        is_it,
        "{what}: the error must keep the number of {error}, {number}, and the call returned {got:?}"
    );
}

#[track_caller]
fn is_invalid(what: &str, got: &Ended) {
    let is_it = matches!(got, Ended::Error(_, kind) if kind == "InvalidInput");
    assert!(
        is_it,
        "{what}: the error must have the kind InvalidInput, and the call returned {got:?}"
    );
}

// ------------------------------------------------------------- names and sizes

/// Of a queue that `create` has made: sizes, mode, and a message each way.
type Made = ([i64; 3], u32, Option<Message>, Message);

#[proctor::test(clauses = [1, 2, 3, 5, 6, 7, 10, 11], subject = |(name, capacity, longest, there, back): (String, usize, usize, Message, Message)| -> Told<Made> {
    let before = umask(Mode::empty());
    let made = create(&name, capacity, longest);
    umask(before);
    let queue = made?;
    let kernels = Kernels::open(&name).ok_or("create has returned, and the kernel knows no queue of this name")?;
    let mode = fstat(&kernels.0).expect("a queue").st_mode & 0o777;
    let sizes = kernels.sizes();
    send(&queue, &there)?;
    let there = kernels.take();
    kernels.give(&back);
    Ok((sizes, mode, there, receive(&queue)?))
})]
fn create_makes_a_queue_of_the_kernel(mut subject: Subject) {
    let sizes = [(1, 1), (3, 8), (10, 100), (2, 8192), (7, 5000)];
    for (capacity, longest) in sizes {
        let (there, back) = (message(1), message(1));
        let answer = subject.ask(&(name(), capacity, longest, there.clone(), back.clone()));
        let (found, mode, came, back_came) = value(&answer);
        let expected = [capacity as i64, longest as i64, 0];
        assert!(
            *found == expected,
            "create made a queue for {capacity} messages of {longest} bytes, and the kernel says that the queue has room for {} of {} bytes and holds {}",
            found[0],
            found[1],
            found[2]
        );
        assert!(
            *mode == 0o600,
            "the mode of the queue is {mode:o}, not 600: only its owner may read and write it"
        );
        assert!(
            came.as_ref() == Some(&there),
            "another program receives what send has sent ({}), and got {came:?}",
            brief(&there)
        );
        same("another program has sent", back_came, &back);
    }
    let long = name();
    let long = format!("{long}{}", "n".repeat(255 - long.len()));
    for name in [long, format!("/ä \n{}", &name()[1..])] {
        let there = message(1);
        value(&subject.ask(&(name, 1, 1, there.clone(), there)));
    }
}

#[proctor::test(clauses = [1, 4, 5, 10, 11], subject = |(name, longest, there, back): (String, usize, Message, Message)| -> Told<(Message, Option<Message>, bool)> {
    let kernels = Kernels::create(&name, 2, longest);
    let queue = open(&name)?;
    kernels.give(&there);
    let there = receive(&queue)?;
    send(&queue, &back)?;
    drop(queue);
    let is_there = exists(&name);
    let _ = mq_unlink(&*name);
    Ok((there, kernels.take(), is_there))
})]
fn open_opens_the_queue_of_another_program(mut subject: Subject) {
    for longest in [1, 64, 8192] {
        let (there, back) = (message(longest), message(longest));
        let answer = subject.ask(&(name(), longest, there.clone(), back.clone()));
        let (there_came, back_came, is_there) = value(&answer);
        same("another program has sent", there_came, &there);
        assert!(
            back_came.as_ref() == Some(&back),
            "a value of open has sent {}, and another program received {:?}",
            brief(&back),
            back_came.as_ref().map(brief)
        );
        assert!(
            *is_there,
            "a value of open was dropped, and the name is gone: only the creator removes it"
        );
    }
}

#[proctor::test(clauses = [5, 7], subject = |(name, others): (String, Vec<String>)| -> (bool, bool, Vec<String>) {
    let (created, opened) = (Queue::create(&name, 1, 1).is_ok(), Queue::open(&name).is_ok());
    let _queues = (Queue::create(&name, 1, 1), Queue::open(&name));
    let made = others.into_iter().filter(|name| exists(name)).collect();
    (created, opened, made)
})]
fn a_name_that_is_not_valid_is_an_error(mut subject: Subject) {
    let (good, other) = (name(), name());
    let bare = good[1..].to_owned();
    let long = |length: usize| format!("{good}{}", "x".repeat(length - good.len()));
    let names = [
        bare.clone(),
        format!("{good}{other}"),
        format!("/{good}"),
        format!("{good}/"),
        format!("{bare}{other}"),
        format!("{good}\0"),
        format!("{good}\0x"),
        format!("\0{good}"),
        String::new(),
        "/".to_owned(),
        "//".to_owned(),
        "\0".to_owned(),
        long(257),
        long(300),
        long(5_000),
        long(100_000),
    ];
    let shorter = [253, 254, 255, 256].map(long);
    let others = [&[good.clone(), other.clone()][..], &shorter[..]].concat();
    for name in names {
        let answer = subject.ask(&(name.clone(), others.clone()));
        let (created, opened, made) = &answer.value;
        let shown: String = name.chars().take(80).collect();
        let what = format!("the name {shown:?} ({} bytes) is not valid", name.len());
        assert!(!created, "{what}, and create returned a queue");
        assert!(!opened, "{what}, and open returned a queue");
        assert!(
            made.is_empty(),
            "{what}, and create made the queue {made:?}"
        );
        nothing_is_left(&answer);
    }
}

#[proctor::test(clauses = [1, 3, 4, 5, 6, 8], subject = |(name, ours, messages): (String, bool, Vec<Message>)| -> Told<(Ended, [i64; 3], Vec<Message>)> {
    // Made by this type, or by another program.
    let (first, _kept);
    if ours {
        first = Some(create(&name, 4, 50)?);
    } else {
        first = None;
        _kept = Kernels::create(&name, 4, 50);
    }
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    messages.iter().for_each(|message| _ = kernels.give(message));
    let second = Queue::create(&name, 3, 70);
    let what = ended(&second);
    drop(second);
    let Some(kernels) = Kernels::open(&name) else {
        return match what {
            Ended::Well => Ok((what, [0; 3], vec![])),
            _ => Err("the name of a queue was in use, another create for this name has failed, and now the name is gone".to_owned()),
        };
    };
    let (sizes, found) = (kernels.sizes(), kernels.all());
    drop(first);
    if !ours {
        let _ = mq_unlink(&*name);
    }
    Ok((what, sizes, found))
})]
fn a_queue_that_exists_is_left_alone(mut subject: Subject) {
    for ours in [true, false] {
        let messages = vec![(message(50).0, 7), (message(3).0, 6)];
        let answer = subject.ask(&(name(), ours, messages.clone()));
        if let Ok((what, ..)) = &answer.value {
            fails_with(
                "a queue with this name exists",
                what,
                libc::EEXIST,
                "EEXIST",
            );
        }
        let (_, sizes, found) = value(&answer);
        assert!(
            *sizes == [4, 50, 2] && *found == messages,
            "a queue for 4 messages of 50 bytes held 2 messages; after create has failed for its name, its sizes and the number of its messages are {sizes:?}, and the messages are {found:?}"
        );
    }
}

#[proctor::test(clauses = [5, 6, 8], subject = |(name, capacity, longest): (String, usize, usize)| -> (Ended, bool) {
    (ended(&Queue::create(&name, capacity, longest)), exists(&name))
})]
fn sizes_that_are_not_possible_are_an_error(mut subject: Subject) {
    let mut sizes = vec![(0, 0)];
    let some = proctor::rng().usize(1..9);
    for wrong in [
        0,
        1 << 30,
        (1 << 32) + some,
        (1 << 62) + some,
        i64::MAX as usize,
        (1 << 63) + some,
        usize::MAX - some,
        usize::MAX,
    ] {
        sizes.extend([(wrong, some), (some, wrong)]);
    }
    sizes.push((usize::MAX, usize::MAX));
    for (capacity, longest) in sizes {
        let answer = subject.ask(&(name(), capacity, longest));
        let (what, is_there) = &answer.value;
        is_invalid(
            &format!("a queue of {capacity} messages of {longest} bytes is not possible"),
            what,
        );
        assert!(
            !is_there,
            "create has failed for {capacity} messages of {longest} bytes, and there is a queue of this name"
        );
        nothing_is_left(&answer);
    }
}

/// Runs `work` while this process can open so many descriptors more.
fn with_descriptors_left<T>(left: usize, work: impl FnOnce() -> T) -> T {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(64), hard).expect("a lower limit");
    let fill = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok());
    let mut fill: Vec<_> = fill.collect();
    fill.truncate(fill.len() - left);
    let result = work();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the old limit");
    result
}

#[proctor::test(clauses = [3, 4, 5, 9], subject = |(name, left): (String, Option<usize>)| -> Told<(Ended, bool)> {
    let Some(left) = left else {
        // No such queue.
        let opened = Queue::open(&name);
        let is_there = exists(&name);
        return Ok((ended(&opened), is_there));
    };
    if left == 0 {
        let _queue = create(&name, 1, 1)?;
        return Ok((with_descriptors_left(0, || ended(&Queue::open(&name))), false));
    }
    let what = with_descriptors_left(left, || ended(&Queue::create(&name, 1, 1)));
    Ok((what, exists(&name)))
})]
fn an_error_leaves_nothing_behind(mut subject: Subject) {
    let answer = subject.ask(&(name(), None));
    if let Ok((what, is_there)) = &answer.value {
        assert!(
            !is_there,
            "open was called for a name that no queue had, and now there is a queue"
        );
        fails_with(
            "there is no queue with this name",
            what,
            libc::ENOENT,
            "ENOENT",
        );
    }
    value(&answer);
    // A second descriptor may be needed, so create may fail too.
    for left in 0..4 {
        let answer = subject.ask(&(name(), Some(left)));
        let (what, is_there) = value(&answer);
        if left == 0 || *what != Ended::Well {
            fails_with(
                "the process can open no more descriptors",
                what,
                libc::EMFILE,
                "EMFILE",
            );
        }
        assert!(
            !is_there,
            "create has returned, its queue was dropped, and the name is still there"
        );
    }
}

// -------------------------------------------------------------------- messages

#[proctor::test(clauses = [1, 3, 5, 6, 10, 11, 13], subject = |(name, longest, messages): (String, usize, Vec<Message>)| -> Told<Vec<Option<Message>>> {
    let queue = create(&name, 2, longest)?;
    // Another one, with other sizes and messages.
    let second = create(&format!("{name}2"), 1, 9)?;
    send(&second, &(vec![9; 9], 9))?;
    let reader = open(&name)?;
    let mut all = Vec::new();
    for message in &messages {
        send(&queue, message)?;
        all.push(Some(receive(&reader)?));
        let sent = try_send(&reader, message)?;
        let message = try_receive(&queue)?;
        all.push(message.filter(|_| sent));
    }
    match receive(&second)? == (vec![9; 9], 9) {
        true => Ok(all),
        false => Err("a process has two queues, and a message went through the wrong one".to_owned()),
    }
})]
fn each_message_comes_back_as_it_was(mut subject: Subject) {
    for longest in [1, 7, 300, 4096, 8192] {
        let lengths = [0, 1, longest / 2, longest - 1, longest, 0];
        let mut messages: Vec<Message> = lengths.map(message).to_vec();
        messages.extend([0, 1, 255, 256, 32_766, 32_767].map(|priority| (message(1).0, priority)));
        // Not text, and with zeros at the end.
        messages.push((vec![0; longest], 3));
        messages.push((vec![0xff; longest], 3));
        let answer = subject.ask(&(name(), longest, messages.clone()));
        let came = value(&answer);
        for (place, came) in came.iter().enumerate() {
            let expected = &messages[place / 2];
            match came {
                Some(came) => same("this was sent, and is received", came, expected),
                None => panic!(
                    "try_send has sent {} to an empty queue, and one of try_send and try_receive returned false or None",
                    brief(expected)
                ),
            }
        }
    }
}

#[proctor::test(clauses = [1, 3, 5, 6, 10, 11, 13], subject = |(name, steps): (String, Vec<Option<Message>>)| -> Told<(Vec<Message>, Vec<i64>)> {
    let queue = create(&name, 10, 20)?;
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    let (mut came, mut counts) = (Vec::new(), Vec::new());
    for (place, step) in steps.iter().enumerate() {
        match step {
            Some(message) if place % 2 == 0 => send(&queue, message)?,
            Some(message) => _ = try_send(&queue, message)?,
            None if place % 2 == 0 => came.push(receive(&queue)?),
            None => came.extend(try_receive(&queue)?),
        }
        counts.push(kernels.waiting());
    }
    Ok((came, counts))
})]
fn the_highest_priority_comes_first(mut subject: Subject) {
    let mut rng = proctor::rng();
    let priorities = [0, 1, 2, 255, 256, 257, 32_766, 32_767];
    // In which order the messages come, as the contract says.
    let (mut queue, mut expected) = (Vec::<Message>::new(), Vec::new());
    let (mut steps, mut counts) = (Vec::new(), Vec::new());
    for number in 0..250_u32 {
        // Goes up to 10 messages and down to none.
        let fills = (number / 20) % 2 == 0;
        let sends =
            queue.len() < 10 && (queue.is_empty() || rng.u8(..10) < if fills { 8 } else { 2 });
        if sends {
            let message = (number.to_be_bytes().to_vec(), priorities[rng.usize(..8)]);
            queue.push(message.clone());
            steps.push(Some(message));
        } else {
            let highest = queue.iter().map(|(_, priority)| *priority).max();
            let place = queue
                .iter()
                .position(|(_, priority)| Some(*priority) == highest);
            expected.extend(place.map(|place| queue.remove(place)));
            steps.push(None);
        }
        counts.push(queue.len() as i64);
    }
    let answer = subject.ask(&(name(), steps));
    let (came, counted) = value(&answer);
    assert!(
        *counted == counts,
        "after each call, the kernel's queue holds what was sent and not yet received; the numbers must be {counts:?}, and they were {counted:?}"
    );
    for (place, (came, expected)) in came.iter().zip(&expected).enumerate() {
        same(
            &format!(
                "of the messages in the queue, this one has the highest priority and is the oldest with it (receiving call {place})"
            ),
            came,
            expected,
        );
    }
}

/// What sending returned, and how many messages were in the queue afterwards.
type Refused = (Ended, i64);

#[proctor::test(clauses = [1, 3, 5, 6, 10, 11, 12], memory = 16384, subject = |(name, full, length, priority): (String, bool, usize, u32)| -> Told<([Refused; 2], Option<Message>)> {
    let queue = create(&name, 3, 30)?;
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    let before = (b"before".to_vec(), 5);
    for _ in 0..if full { 3 } else { 1 } {
        kernels.give(&before);
    }
    let zeros = Zeros::new(length).expect("room for addresses");
    for call in [Send, TrySend] {
        let child = Child::start(|| {
            let _ = (call == Send).then(|| queue.send(&zeros, priority));
            let _ = (call == TrySend).then(|| queue.try_send(&zeros, priority));
            Ok(None)
        });
        child.ends_at_once(call, "the queue does not take this message, and room would not help")?;
    }
    if kernels.waiting() > if full { 3 } else { 1 } {
        return Err("a message that the queue does not take was sent, or a part of it".to_owned());
    }
    let first = (ended(&queue.send(&zeros, priority)), kernels.waiting());
    let second = (ended(&queue.try_send(&zeros, priority)), kernels.waiting());
    Ok(([first, second], kernels.take()))
})]
fn what_the_queue_does_not_take_is_an_error(mut subject: Subject) {
    let some = proctor::rng().u32(1..30_000);
    let priorities = [
        32_768,
        32_769,
        32_768 + some,
        65_535,
        65_536,
        65_536 + some,
        1 << 31,
        (1 << 31) + some,
        u32::MAX,
    ];
    let lengths = [31, 32, 8192, 8193, 65_536, 65_540, (1 << 32) + 3];
    let cases = priorities.map(|priority| (3, priority));
    let cases = cases
        .into_iter()
        .chain(lengths.map(|length| (length, some)));
    for (length, priority) in cases {
        for full in [false, true] {
            let answer = subject.ask(&(name(), full, length, priority));
            let (calls, left) = value(&answer);
            let state = if full { "full" } else { "not full" };
            for (call, (what, waiting)) in ["send", "try_send"].iter().zip(calls) {
                let what_was = format!(
                    "{call} was called with a message of {length} bytes and priority {priority}; the queue takes 30 bytes and is {state}"
                );
                if length > 30 {
                    fails_with(&what_was, what, libc::EMSGSIZE, "EMSGSIZE");
                } else {
                    is_invalid(&what_was, what);
                }
                let expected = if full { 3 } else { 1 };
                assert!(
                    *waiting == expected,
                    "{what_was}: nothing is sent, and {waiting} messages are in the queue, not {expected}"
                );
            }
            let before = (b"before".to_vec(), 5);
            same(
                "a message had been in the queue",
                left.as_ref().unwrap_or(&message(0)),
                &before,
            );
        }
    }
}

// --------------------------------------------------------------------- waiting

/// What was received, what `try_send` returned, and how many messages were in the
/// queue after its first calls.
type Tried = (Vec<Option<Message>>, Vec<bool>, Vec<i64>);

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 13], subject = |(name, messages): (String, Vec<Message>)| -> Told<Tried> {
    let queue = create(&name, 2, 50)?;
    let other = open(&name)?;
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    let (mut came, mut sent, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    let [one, two, three, four] = &messages[..] else { return Err("four messages".to_owned()) };
    // In a child, so that the test goes on if the call waits.
    let send = |message: &Message| {
        let child = Child::start(|| TrySend.make(&queue, message));
        child.ends_at_once(TrySend, "it returns false if the queue is full").map(|sent| sent.is_some())
    };
    let receive = || {
        let child = Child::start(|| TryReceive.make(&queue, one));
        child.ends_at_once(TryReceive, "it returns None if the queue is empty")
    };
    came.push(receive()?);
    for message in [one, two, three] {
        sent.push(send(message)?);
        counts.push(kernels.waiting());
    }
    // Another process waits until there is room.
    let child = Child::start(|| Send.make(&other, four));
    child.until_it_waits();
    sent.push(send(three)?);
    came.push(receive()?);
    child.ends()?;
    sent.push(send(three)?);
    came.extend([receive()?, receive()?, receive()?]);
    // Another process waits until there is a message.
    let child = Child::start(|| Receive.make(&other, one));
    child.until_it_waits();
    came.push(receive()?);
    sent.push(send(one)?);
    came.push(child.ends()?);
    came.push(receive()?);
    Ok((came, sent, counts))
})]
fn the_calls_that_try_do_not_wait(mut subject: Subject) {
    let priorities = [4, 3, 2, 1];
    let messages = priorities
        .map(|priority| (message(20).0, priority))
        .to_vec();
    let answer = subject.ask(&(name(), messages.clone()));
    let (came, sent, counts) = value(&answer);
    let some = |place: usize| Some(messages[place].clone());
    assert!(
        *sent == [true, true, false, false, false, true],
        "a queue had room for 2 messages; try_send was called three times, then while another process waited for room, then when that process had sent its message, and at last while another process waited for a message. The results must be true, true, false, false, false, true, and they were {sent:?}"
    );
    assert!(
        *counts == [1, 2, 2],
        "after three calls of try_send, of which the last returned false, the queue must hold 1, 2 and 2 messages, and it held {counts:?}"
    );
    let expected = [None, some(0), some(1), some(3), None, None, some(0), None];
    let shown = |all: &[Option<Message>]| {
        all.iter()
            .map(|came| came.as_ref().map(|(_, priority)| *priority))
            .collect::<Vec<_>>()
    };
    assert!(
        *came == expected,
        "the receiving calls must return messages with the priorities {:?} (None: the queue is empty), and returned {:?}, or other bytes",
        shown(&expected),
        shown(came)
    );
}

/// How often the handler has run.
static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Relaxed);
}

/// What a call that waited returned, its CPU time and how often it woke up.
type Waited = (Option<Message>, u64, u64, Vec<Message>);

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 14], deadline = 20.0, subject = |(name, call, signals, first, second): (String, Call, u32, Message, Message)| -> Told<Waited> {
    let queue = create(&name, 1, 50)?;
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    if call == Send {
        kernels.give(&first);
    }
    let child = Child::start(|| {
        proctor::on_signal(Signal::SIGUSR1, SigHandler::Handler(count), SaFlags::empty());
        let came = call.make(&queue, &second);
        // Signals that were blocked arrive as one, after the wait.
        match HANDLED.load(Relaxed) {
            handled if came.is_ok() && handled < signals.min(2) => Err(format!("{signals} signals arrived while {} waited, and their handler ran {handled} times: the call must not hold signals back", call.name())),
            _ => came,
        }
    });
    child.until_it_waits();
    let (cpu, wakes) = if signals == 0 { child.watched() } else { (0, 0) };
    for _ in 0..signals {
        let _ = kill(child.pid, Signal::SIGUSR1);
        child.until_it_waits();
    }
    if child.has_ended() {
        child.ends()?;
        return Err(format!("{} must wait, and it has returned", call.name()));
    }
    let taken = match call {
        Send => kernels.take(),
        _ => kernels.give(&first).then(|| first.clone()),
    };
    let came = child.ends()?;
    Ok((came, cpu, wakes, taken.into_iter().chain(kernels.all()).collect()))
})]
fn the_other_calls_wait_and_sleep(mut subject: Subject) {
    for call in [Send, Receive] {
        // First with nothing else, then with signals.
        for signals in [0, 300] {
            let (first, second) = (message(50), message(40));
            let answer = subject.ask(&(name(), call, signals, first.clone(), second.clone()));
            let (came, cpu, wakes, queue) = value(&answer);
            assert!(
                *cpu < SPUN_MS,
                "{} waited and used {cpu} ms of CPU time while another process computed for 60 ms or less: it must sleep",
                call.name()
            );
            assert!(
                *wakes < 3,
                "nothing happened, and {} woke up {wakes} times while another process computed for 60 ms: it must sleep until something happens, and not look again and again",
                call.name()
            );
            let (expected, held) = match call {
                Send => (&second, vec![first.clone(), second.clone()]),
                _ => (&first, vec![first.clone()]),
            };
            assert!(
                came.as_ref() == Some(expected) && *queue == held,
                "{} waited ({signals} signals arrived) until another process made it possible to go on; then the right message must go through the queue, and something else did",
                call.name()
            );
        }
    }
}

/// A call that another process disturbs between two of its system calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lead {
    name: String,
    call: Call,
    /// Whether the call finds room or a message, or never does.
    able: bool,
    mine: Message,
    others: [Message; 2],
    /// Before how many system calls, and after how many, the child stops until
    /// the other process acts. It begins to count when there is room or a message.
    stop: u32,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Led {
    came: Option<Message>,
    /// The child had ended before the other process could act.
    ended: bool,
    /// The other process took the room, or the message.
    faster: bool,
    /// After that, the call waited.
    waited: bool,
    /// The flags of the descriptions were different for a while.
    changed: bool,
    left: Vec<Message>,
}

/// `None` where the machine does not allow to trace a child.
fn lead(lead: &Lead) -> Told<Option<Led>> {
    let Lead {
        call,
        others: [first, second],
        ..
    } = lead;
    let before = descriptors();
    let queue = create(&lead.name, 1, 50)?;
    let mut numbers = descriptors();
    numbers.retain(|number| !before.contains(number));
    // Forked processes share the descriptions, and with them these flags.
    let flags = || -> Vec<i32> {
        // SAFETY: the call only asks for flags.
        numbers
            .iter()
            .map(|number| unsafe { libc::fcntl(*number, libc::F_GETFL) })
            .collect()
    };
    let kernels = Kernels::open(&lead.name).ok_or("create made no queue")?;
    // So that `send` has to wait first, and `try_receive` has something to take.
    if *call == Send || (*call == TryReceive) == lead.able {
        kernels.give(first);
    }
    let Some(child) = Child::traced(|| call.make(&queue, &lead.mine)) else {
        return Ok(None);
    };
    let flags_before = flags();
    let (mut stops, mut ended, mut changed) = (0, false, false);
    let mut begun = matches!(call, TrySend | TryReceive);
    let mut looks = 0;
    while !ended {
        if begun && stops == lead.stop {
            break;
        }
        stops += u32::from(begun);
        let step = child.step();
        changed |= flags() != flags_before;
        looks += u32::from(matches!(step, Step::Stops));
        // One that never sleeps would look for ever.
        if !begun && (matches!(step, Step::Sleeps) || looks > 200) {
            match call {
                Send => _ = kernels.take(),
                _ => _ = kernels.give(first),
            }
            begun = true;
        }
        match step {
            Step::Stops => {}
            Step::Ends => ended = true,
            Step::Sleeps => match child.wakes() {
                Some(stops) => ended = !stops,
                None => {
                    let _ = kill(child.pid, Signal::SIGKILL);
                    let _ = waitpid(child.pid, None);
                    return Err(format!(
                        "{} sleeps although it could go on: there is a message, or room for one",
                        call.name()
                    ));
                }
            },
        }
    }
    let faster = !ended
        && match call.sends() {
            true => kernels.give(second),
            false => kernels.take().is_some(),
        };
    if !ended {
        let _ = ptrace::detach(child.pid, None);
        child.until_it_waits();
    }
    let waited = match call {
        TrySend | TryReceive => child.stays(),
        Send | Receive => !child.has_ended(),
    };
    if waited {
        match call.sends() {
            true => _ = kernels.take(),
            false => _ = kernels.give(second),
        }
    }
    let came = child.ends()?;
    let left = kernels.all();
    Ok(Some(Led {
        came,
        ended,
        faster,
        waited,
        changed,
        left,
    }))
}

fn leads(call: Call, able: bool, stop: u32) -> Lead {
    Lead {
        name: name(),
        call,
        able,
        mine: message(20),
        others: [message(21), message(22)],
        stop,
    }
}

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 13, 14], subject = |question: Lead| -> Told<Option<Led>> { lead(&question) })]
fn another_process_may_be_faster(mut subject: Subject) {
    for call in [TryReceive, TrySend, Receive, Send] {
        for stop in 0..200 {
            let lead = leads(call, true, stop);
            let answer = subject.ask(&lead);
            let Some(led) = value(&answer) else {
                return proctor::covered("nothing: this machine does not let a test trace a child");
            };
            let what = if call.sends() {
                "room for one message"
            } else {
                "a message"
            };
            let what = format!(
                "there was {what}, and during {} another process took it",
                call.name()
            );
            let tries = matches!(call, TrySend | TryReceive);
            assert!(
                !(tries && led.waited),
                "{what}: {} must return at once, and it waited",
                call.name()
            );
            assert!(
                tries || led.waited || !led.faster,
                "{what}: {} must wait again, and it returned",
                call.name()
            );
            let Lead {
                mine,
                others: [first, second],
                ..
            } = &lead;
            let (expected, left) = match (call, led.faster) {
                (Receive, true) => (Some(second), vec![]),
                (Receive | TryReceive, false) => (Some(first), vec![]),
                (TryReceive, true) => (None, vec![]),
                (TrySend, true) => (None, vec![second.clone()]),
                (Send | TrySend, _) => (Some(mine), vec![mine.clone()]),
            };
            assert!(
                led.came.as_ref() == expected && led.left == left,
                "{}: the call returned something else than what happened (the other process was faster: {})",
                call.name(),
                led.faster
            );
            if led.ended {
                break;
            }
        }
    }
}

#[proctor::test(clauses = [2, 3, 5, 6, 13], subject = |question: Lead| -> Told<Option<Led>> { lead(&question) })]
fn no_call_changes_how_others_wait(mut subject: Subject) {
    let calls = [
        (TryReceive, false),
        (TryReceive, true),
        (TrySend, false),
        (TrySend, true),
        (Receive, true),
        (Send, true),
    ];
    for (call, able) in calls {
        let answer = subject.ask(&leads(call, able, u32::MAX));
        let Some(led) = value(&answer) else {
            return proctor::covered("nothing: this machine does not let a test trace a child");
        };
        assert!(
            !led.changed,
            "during {}, the flags of a queue's open description were changed: threads and forked processes share the description, so their calls wait, or do not wait, as if the flags were theirs",
            call.name()
        );
    }
}

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 13, 14], subject = |(name, messages): (String, Vec<Message>)| -> Told<[Vec<Option<Message>>; 2]> {
    if !proctor::implements!(Queue: std::marker::Send + Sync) {
        return Err("Queue is not `Send` and `Sync`: its fields must let several threads use the same queue".to_owned());
    }
    let queue = Arc::new(Anywhere(create(&name, 2, 50)?));
    // A thread that makes this call, and waits in it or has returned.
    let waits = |call: Call, message: &Message| {
        let (show, seen) = mpsc::channel();
        let (queue, message) = (Arc::clone(&queue), message.clone());
        let thread = thread::spawn(move || {
            let _ = show.send(Onlooker::of_this_thread());
            call.make(queue.get(), &message)
        });
        let mut onlooker = seen.recv().expect("a thread");
        onlooker.until_it_waits();
        (thread, onlooker)
    };
    // A call that can return at once, on one more thread.
    let at_once = |call: Call, message: &Message| {
        let (thread, mut onlooker) = waits(call, message);
        let is_held_up = (0..50).all(|_| {
            onlooker.until_it_waits();
            thread::sleep(Duration::from_millis(u64::from(!thread.is_finished())));
            !thread.is_finished()
        });
        if is_held_up {
            return Err(format!("two threads wait in a call, a third one uses the same value, and its call of {} does not return: it is held up by the threads that wait", call.name()));
        }
        thread.join().expect("no panic")
    };
    let [one, two, three, four] = &messages[..] else { return Err("four messages".to_owned()) };
    let first = [waits(Receive, one), waits(Receive, one)];
    let mut received = vec![at_once(TryReceive, one)?, at_once(TrySend, one)?, at_once(Send, two)?];
    for (thread, _) in first {
        received.push(thread.join().expect("no panic")?);
    }
    let mut all = vec![at_once(Send, one)?, at_once(TrySend, two)?];
    let second = [waits(Send, three), waits(Send, four)];
    for call in [TrySend, Receive, TryReceive] {
        all.push(at_once(call, one)?);
    }
    for (thread, _) in second {
        all.push(thread.join().expect("no panic")?);
    }
    all.extend([at_once(Receive, one)?, at_once(TryReceive, one)?]);
    proctor::threads_left();
    Ok([received, all])
})]
fn several_threads_use_one_queue(mut subject: Subject) {
    let messages: Vec<Message> = [10, 11, 12, 13].map(message).to_vec();
    let answer = subject.ask(&(name(), messages.clone()));
    let [received, all] = value(&answer);
    let sorted = |all: &[Option<Message>]| {
        let mut all = all.to_vec();
        all.sort();
        all
    };
    let twice = |messages: &[Message]| -> Vec<Option<Message>> {
        let all = [messages, messages].concat().into_iter().map(Some);
        let mut all: Vec<_> = all.chain([None]).collect();
        all.sort();
        all
    };
    assert!(
        sorted(received) == twice(&messages[..2]),
        "two threads waited in receive while a third one called try_receive (None), try_send and send: each message must arrive once"
    );
    assert!(
        sorted(all) == twice(&messages),
        "two threads waited in send while a third one called try_send (false), receive and try_receive: each message must arrive once"
    );
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10, 11, 14], subject = |(name, writers): (String, Vec<Vec<Message>>)| -> Told<Vec<Vec<u8>>> {
    let queue = create(&name, 3, 2)?;
    let count: usize = writers.iter().map(Vec::len).sum();
    let readers: Vec<Child> = (0..2).map(|_| Child::start(|| {
        let queue = open(&name)?;
        let mut all = Vec::new();
        for _ in 0..count / 2 {
            all.extend(receive(&queue)?.0);
        }
        Ok(Some((all, 0)))
    })).collect();
    let writers: Vec<Child> = writers.iter().map(|messages| Child::start(|| {
        // Two with a copy of the creator's value, one with its own.
        let own = open(&name)?;
        let queue = if messages[0].0[0] == 0 { &own } else { &queue };
        messages.iter().try_for_each(|message| send(queue, message)).map(|()| None)
    })).collect();
    writers.into_iter().try_for_each(|writer| writer.ends().map(drop))?;
    readers.into_iter().map(|reader| Ok(reader.ends()?.unwrap_or_default().0)).collect()
})]
fn each_message_goes_to_one_of_several_receivers(mut subject: Subject) {
    let writers: Vec<Vec<Message>> = (0..3)
        .map(|writer| (0..24).map(|number| (vec![writer, number], 5)).collect())
        .collect();
    let answer = subject.ask(&(name(), writers.clone()));
    let readers = value(&answer);
    let mut counts = HashMap::new();
    for came in readers {
        let mut last = HashMap::new();
        for message in came.chunks(2) {
            *counts.entry(message.to_vec()).or_insert(0) += 1;
            let before = last.insert(message[0], message[message.len() - 1]);
            assert!(
                before < message.last().copied(),
                "all messages had the same priority, and one process received the messages of one sender in another order"
            );
        }
    }
    let each_once = writers
        .iter()
        .flatten()
        .all(|(bytes, _)| counts.get(bytes) == Some(&1));
    assert!(
        each_once && counts.len() == 72,
        "three processes sent 72 messages, and two processes received {} different ones, or one of them twice: each message goes to one receiver",
        counts.len()
    );
}

#[proctor::test(clauses = [1, 3, 4, 5, 6, 10, 11], subject = |(name, messages): (String, Vec<Message>)| -> Told<(Option<Message>, Vec<Message>)> {
    let queue = create(&name, 5, 50)?;
    let sender = proctor::other_child(|| {
        let sends = || -> Told<()> {
            let queue = Queue::open(&name).map_err(|error| error.to_string())?;
            messages.iter().try_for_each(|message| send(&queue, message))?;
            let _ = kill(getpid(), Signal::SIGKILL);
            Ok(())
        };
        u8::from(sends().is_err())
    });
    let _ = waitpid(sender, None);
    let receiver = Child::start(|| {
        let queue = open(&name)?;
        receive(&queue).map(Some)
    });
    let came = receiver.ends()?;
    let kernels = Kernels::open(&name).ok_or("the name is gone before the creator has dropped its value")?;
    drop(queue);
    Ok((came, kernels.all()))
})]
fn messages_outlive_the_processes(mut subject: Subject) {
    let messages: Vec<Message> = [3, 2, 2, 1]
        .map(|priority| (message(50).0, priority))
        .to_vec();
    let answer = subject.ask(&(name(), messages.clone()));
    let (came, left) = value(&answer);
    assert!(
        came.as_ref() == Some(&messages[0]),
        "a process sent 4 messages and was killed; another process received one, and got {:?}",
        came.as_ref().map(brief)
    );
    assert!(
        *left == messages[1..],
        "a process received one of 4 messages and dropped its queue, then the creator dropped its own: the other 3 messages must be in the queue, and {} are",
        left.len()
    );
}

// ---------------------------------------------------------------- what is left

/// How a creator's value is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Drops {
    Here,
    InAThread,
    ByAPanic,
    /// Somebody else has removed the name.
    Late,
    /// The value was made in a child, which drops it.
    InAChild,
}

/// Whether the name is there, what is in the old queue, what is in a new one.
type Dropped = (bool, Vec<Message>, Vec<Message>);

#[proctor::test(clauses = [1, 3, 4, 5, 6, 10, 11], subject = |(name, how, one, two): (String, Drops, Message, Message)| -> Told<Dropped> {
    // This process has been a creator before.
    drop(create(&format!("{name}-"), 1, 1)?);
    if how == Drops::InAChild {
        let child = Child::start(|| create(&name, 2, 50).map(|queue| {
            drop(queue);
            None
        }));
        child.ends()?;
        return Ok((exists(&name), vec![one, two], vec![]));
    }
    let queue = create(&name, 2, 50)?;
    let other = open(&name)?;
    send(&queue, &one)?;
    match how {
        Drops::InAThread => {
            let queue = Anywhere(queue);
            thread::spawn(move || drop(queue.into_inner())).join().expect("no panic");
            proctor::threads_left();
        }
        Drops::ByAPanic => {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let _queue = queue;
                resume_unwind(Box::new(()));
            }));
        }
        Drops::Late => {
            let _ = mq_unlink(&*name);
            drop(queue);
        }
        _ => drop(queue),
    }
    if exists(&name) {
        return Ok((true, vec![], vec![]));
    }
    // The old queue works, and a new one can have the name.
    send(&other, &two)?;
    let new = create(&name, 2, 50)?;
    let news: Option<Message> = try_receive(&new)?;
    let old = vec![receive(&other)?, receive(&other)?];
    drop(other);
    if !exists(&name) {
        return Err("a value of open was dropped whose name had been removed before, and now a new queue with this name has lost it".to_owned());
    }
    Ok((false, old, news.into_iter().collect()))
})]
fn the_creator_removes_the_name(mut subject: Subject) {
    let ways = [
        Drops::Here,
        Drops::InAThread,
        Drops::ByAPanic,
        Drops::Late,
        Drops::InAChild,
    ];
    for how in ways {
        let (one, two) = ((message(30).0, 9), (message(40).0, 8));
        let answer = subject.ask(&(name(), how, one.clone(), two.clone()));
        if let Ok((is_there, old, new)) = &answer.value {
            assert!(
                !is_there,
                "the creator's value was dropped ({how:?}), and the name is still there: a queue outlives all processes until its name is removed"
            );
            assert!(
                *old == [one, two] && new.is_empty(),
                "the creator's value was dropped ({how:?}): who has the queue open can use it as before, and a new queue of the same name is empty"
            );
        }
        value(&answer);
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 6, 10, 11], subject = |(name, one): (String, Message)| -> Told<(bool, Option<Message>, bool)> {
    let queue = create(&name, 1, 50)?;
    let mut copy = Some(queue);
    let child = Child::start(|| {
        let queue = copy.take().ok_or("a queue")?;
        send(&queue, &one)?;
        drop(queue);
        Ok(None)
    });
    child.ends()?;
    let is_there = exists(&name);
    let came = copy.as_ref().map(try_receive).transpose()?.flatten();
    drop(copy);
    Ok((is_there, came, exists(&name)))
})]
fn a_forked_copy_leaves_the_name(mut subject: Subject) {
    let one = message(50);
    let answer = subject.ask(&(name(), one.clone()));
    let (is_there, came, is_there_later) = value(&answer);
    assert!(
        is_there,
        "a forked child dropped its copy of the creator's value, and the name is gone: the creator still uses the queue, and nobody can open it any more"
    );
    same(
        "a forked child has sent with its copy",
        &came.clone().unwrap_or_default(),
        &one,
    );
    assert!(
        !is_there_later,
        "the creator has dropped its value, and the name is still there"
    );
}

#[proctor::test(clauses = [3, 5, 6, 10, 13], descriptors = 100, subject = |(name, times): (String, u32)| -> Told<(Vec<String>, u32)> {
    let before = Surroundings::now();
    let mut inherited = 0;
    for _ in 0..times {
        let known = descriptors();
        let queue = create(&name, 2, 2000)?;
        let other = open(&name)?;
        for number in descriptors() {
            // SAFETY: the call only asks for flags.
            let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
            inherited += u32::from(!known.contains(&number) && flags & libc::FD_CLOEXEC == 0);
        }
        let one = (vec![7; 1000], 1);
        send(&queue, &one)?;
        try_send(&other, &one)?;
        try_send(&other, &one)?;
        receive(&queue)?;
        try_receive(&queue)?;
        try_receive(&queue)?;
        let _ = (Queue::create(&name, 1, 1).is_ok(), Queue::open("/").is_ok(), queue.send(&[0; 2001], 0).is_ok());
    }
    Ok((before.changes(), inherited))
})]
fn nothing_else_is_left(mut subject: Subject) {
    for times in [1, 150] {
        let answer = subject.ask(&(name(), times));
        let (changes, inherited) = value(&answer);
        let what = format!("{times} times, queues were made, opened, used and dropped");
        assert!(
            changes.is_empty(),
            "{what}, and the process is not as it was: {}",
            changes.join("; ")
        );
        assert!(
            *inherited == 0,
            "{what}, and {inherited} of their descriptors were not close-on-exec: a program that the process executes inherits them"
        );
        let evidence = &answer.evidence;
        let left = evidence.heap.left;
        assert!(
            times == 1 || left < 1500,
            "{what}, and {left} bytes of memory more are held than before"
        );
        assert!(
            evidence.processes_started.unwrap_or(0) == 0
                && evidence.threads_started.unwrap_or(0) == 0,
            "{what}, and {:?} processes and {:?} threads were started: none is needed",
            evidence.processes_started,
            evidence.threads_started
        );
    }
}
