//! Judges `Queue` from outside: what its calls return, and what another program
//! finds in the kernel's queue of the same name.
//!
//! No test waits for a time. A call that must wait runs in a child, and the test
//! goes on when the kernel says that the child sleeps. What another process does
//! between two system calls of the learner's code is done there, at each place in
//! turn: the test traces the child and stops it before and after each of them.
proctor::exercise!(message_queue);

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write, pipe};
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use message_queue::Queue;
use nix::errno::Errno;
use nix::libc;
use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_close, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, Signal, kill, raise};
use nix::sys::stat::{Mode, fchmod, fstat, umask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, chdir, getpid, getppid, setsid};
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

/// How a call ended, as plain data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Ended {
    WithoutError,
    /// The number of the error, if it has one, and its kind.
    Error(Option<i32>, String),
}

/// As `course check --explain` shows it.
impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::WithoutError => write!(f, "NoError"),
            Ended::Error(Some(number), _) => {
                let name = format!("{:?}", Errno::from_raw(*number));
                f.debug_tuple("Error").field(&name).finish()
            }
            Ended::Error(None, kind) => f.debug_tuple("ErrorOfKind").field(kind).finish(),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::WithoutError => write!(f, "no error"),
            Ended::Error(Some(number), _) => write!(f, "the error {:?}", Errno::from_raw(*number)),
            Ended::Error(None, kind) => {
                write!(f, "an error without a number, of the kind {kind}")
            }
        }
    }
}

fn ended<T>(result: &io::Result<T>) -> Ended {
    match result {
        Ok(_) => Ended::WithoutError,
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

/// The number of each open descriptor, and the flags of its description.
fn flags_of_all() -> Vec<(i32, i32)> {
    let flags = |number: i32| {
        // SAFETY: the call only asks for flags.
        (number, unsafe { libc::fcntl(number, libc::F_GETFL) })
    };
    descriptors().into_iter().map(flags).collect()
}

/// A child makes a value and ends without a drop. Then its own child, which has a
/// copy of the value, begins this life. `life` also gets a function that returns
/// when the child in between has ended, and has been waited for.
fn in_a_grandchild<T>(
    make: impl FnOnce() -> Told<T>,
    life: impl FnOnce(T, &dyn Fn()) -> Told<()>,
) -> Told<()> {
    let adopts = |yes: libc::c_ulong| {
        // SAFETY: the call changes a flag of this process.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, yes) };
    };
    // The grandchild becomes a child of this process.
    adopts(1);
    let (mut told, mut teller) = pipe().expect("a pipe");
    let me = getpid();
    let between = proctor::other_child(|| {
        let between = format!("/proc/{}", getpid());
        let mut made = ManuallyDrop::new(make());
        proctor::other_child(|| {
            // SAFETY: nothing else uses the value in this process.
            let made = unsafe { ManuallyDrop::take(&mut made) };
            let alone = || {
                // First it is a zombie, and then this process has waited for it.
                while getppid() != me || std::fs::exists(&between).unwrap_or(false) {
                    thread::yield_now();
                }
            };
            let result = made.and_then(|made| life(made, &alone));
            let what = result.err().unwrap_or_default();
            u8::from(teller.write_all(what.as_bytes()).is_err())
        });
        0
    });
    drop(teller);
    let _ = waitpid(between, None);
    let mut what = String::new();
    let read = told.read_to_string(&mut what);
    let ended = waitpid(None, None);
    adopts(0);
    match (read, ended) {
        (Ok(0), Ok(WaitStatus::Exited(_, 0))) => Ok(()),
        (Ok(1..), _) => Err(what),
        _ => Err("a grandchild of the test ended in the middle of a call".to_owned()),
    }
}

/// A child that makes one call, and what it tells about it.
struct Child {
    pid: Pid,
    told: io::PipeReader,
    /// A signal that the traced child has not been given yet.
    due: Cell<Option<Signal>>,
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
        let due = Cell::new(None);
        Child { pid, told, due }
    }

    /// A child that has prepared itself and has stopped before its call. `None`
    /// where the machine does not allow a process to trace its child.
    fn traced(
        prepare: impl FnOnce() -> Told<()>,
        call: impl FnOnce() -> Told<Option<Message>>,
    ) -> Option<Child> {
        let child = Child::start(|| {
            let prepared = prepare();
            if ptrace::traceme()
                .and_then(|()| raise(Signal::SIGSTOP))
                .is_err()
            {
                return Ok(None);
            }
            prepared.and_then(|()| call())
        });
        child.stops().then_some(child)
    }

    /// Waits until the traced child stops (true) or ends (false).
    fn stops(&self) -> bool {
        matches!(waitpid(self.pid, None), Ok(WaitStatus::Stopped(..)))
    }

    /// Whether the traced child has stopped (true), has ended (false) or does
    /// neither.
    fn has_stopped(&self) -> Option<bool> {
        match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Stopped(_, signal)) => {
                self.due.set((signal == Signal::SIGUSR1).then_some(signal));
                Some(true)
            }
            Ok(WaitStatus::StillAlive) => None,
            _ => Some(false),
        }
    }

    /// Waits until the child, which was asleep, stops (true) or ends (false).
    /// `None` if it sleeps on.
    fn wakes(&self) -> Option<bool> {
        (0..50).find_map(|_| {
            self.until_it_waits();
            let has_stopped = self.has_stopped();
            if has_stopped.is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            has_stopped
        })
    }

    /// Whether the traced child, which was seen asleep, sleeps on for three more
    /// looks. A call with a time limit in the past may be off the CPU, but it is
    /// ready to run soon.
    fn sleeps_on(&self) -> bool {
        let asleep = || {
            let me = self.task()?;
            (me.sleeps && self.is_between_stops()).then_some(me.switches)
        };
        let first = asleep();
        first.is_some()
            && (0..3).all(|_| {
                thread::sleep(Duration::from_millis(1));
                asleep() == first
            })
    }

    /// Whether the traced child is neither stopped nor over. It leaves the state
    /// for the next look.
    fn is_between_stops(&self) -> bool {
        let flags = WaitPidFlag::WSTOPPED
            | WaitPidFlag::WEXITED
            | WaitPidFlag::WNOHANG
            | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(self.pid), flags) == Ok(WaitStatus::StillAlive)
    }

    /// Whether the traced child has stopped at a system call that does nothing but
    /// sleep for a time.
    fn is_about_to_nap(&self) -> bool {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", self.pid));
        let number = call
            .ok()
            .and_then(|call| call.split_whitespace().next()?.parse().ok());
        number.is_some_and(|number: libc::c_long| {
            [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].contains(&number)
        })
    }

    /// Whether the child, which sleeps, blocks a signal that has arrived.
    fn holds_back(&self, signal: i32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
        let status = status.unwrap_or_default();
        let sets = ["SigPnd:", "ShdPnd:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            u64::from_str_radix(line.unwrap_or_default().trim(), 16).unwrap_or(0)
        });
        sets.iter().any(|set| set & 1 << (signal - 1) != 0)
            && status.lines().any(|line| {
                line.strip_prefix("State:")
                    .is_some_and(|state| state.trim().starts_with('S'))
            })
    }

    /// What the kernel says about the child.
    fn task(&self) -> Option<Task> {
        let children = Task::children();
        children
            .into_iter()
            .find(|task| task.id == self.pid.as_raw())
    }

    /// Lets the child go on to the next place between two system calls.
    fn step(&self) -> Step {
        let _ = ptrace::syscall(self.pid, self.due.take());
        self.until_it_waits();
        match self.has_stopped() {
            Some(true) => Step::Stops,
            None => Step::Sleeps,
            Some(false) => Step::Ends,
        }
    }

    /// What the child does while this process computes for 60 ms: its CPU time in
    /// milliseconds, and how often it has left the CPU. Two processes that yield
    /// get the same share of a CPU, so a child that spins shows it soon.
    fn watched(&self) -> (u64, u64) {
        let me = cpu_ms(getpid());
        let switches = || self.task().map_or(0, |task| task.switches);
        let (before, first) = (cpu_ms(self.pid), switches());
        while cpu_ms(getpid()) < me + 60 && cpu_ms(self.pid) < before + SPUN_MS {
            thread::yield_now();
        }
        (cpu_ms(self.pid) - before, switches().saturating_sub(first))
    }

    /// The system call with a time limit in which the child sleeps, in words.
    /// `None` if no limit ends its sleep, or the machine hides the call.
    fn time_limit(&self) -> Option<String> {
        // A sleep that is over before the second look was no wait.
        let asleep = || self.task().filter(|task| task.sleeps && !task.is_zombie);
        let before = asleep()?;
        let limit = limit_of_its_call(self.pid)?;
        (asleep()?.switches == before.switches).then_some(limit)
    }

    /// Returns when the child sleeps in its call, or has ended.
    fn until_it_waits(&self) {
        Onlooker::of_process(self.pid.as_raw()).until_it_waits();
    }

    fn has_ended(&self) -> bool {
        self.task().is_none_or(|task| task.is_zombie)
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

/// A call that waits may have a time limit that is farther away: ten years, in
/// seconds.
const TEN_YEARS: i64 = 10 * 365 * 24 * 3600;

/// The system call in which a process sleeps, if it ends after a time, in words.
/// (For the arguments, see man 5 `proc_pid_syscall`.)
fn limit_of_its_call(process: Pid) -> Option<String> {
    let call = std::fs::read_to_string(format!("/proc/{process}/syscall")).ok()?;
    let mut words = call.split_whitespace();
    let number: libc::c_long = words.next()?.parse().ok()?;
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok()?;
    }
    let after = |name: &str, milliseconds: i64| {
        let is_limit = (1..TEN_YEARS * 1000).contains(&milliseconds);
        is_limit.then(|| format!("{name}, which ends after {milliseconds} ms"))
    };
    // Two numbers at this address: seconds, and parts of a second.
    let time = |address: u64, parts_in_a_millisecond: i64| {
        let memory = std::fs::File::open(format!("/proc/{process}/mem")).ok()?;
        let mut time = [0; 16];
        memory.read_exact_at(&mut time, address).ok()?;
        let [seconds, parts] = [&time[..8], &time[8..]]
            .map(|bytes| i64::from_le_bytes(bytes.try_into().expect("8 bytes")));
        let milliseconds = seconds.checked_mul(1000)?;
        milliseconds.checked_add(parts / parts_in_a_millisecond)
    };
    let [_, _, third, fourth, fifth, _] = arguments;
    let in_milliseconds = |name, argument: u64| after(name, i64::from(argument as i32));
    let at = |name, address, parts| after(name, time(address, parts)?.max(1));
    match number {
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => in_milliseconds("poll", third),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => in_milliseconds("epoll_wait", fourth),
        // The kernel writes into this time how much of it is left.
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => at("select", fifth, 1000),
        libc::SYS_ppoll => at("ppoll", third, 1_000_000),
        libc::SYS_epoll_pwait => in_milliseconds("epoll_pwait", fourth),
        libc::SYS_epoll_pwait2 => at("epoll_pwait2", fourth, 1_000_000),
        libc::SYS_pselect6 => at("pselect", fifth, 1_000_000),
        libc::SYS_rt_sigtimedwait => at("sigtimedwait", third, 1_000_000),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => {
            Some("nanosleep, which ends after a time".to_owned())
        }
        // A moment, and not a length of time.
        libc::SYS_mq_timedsend | libc::SYS_mq_timedreceive => {
            let name = match number {
                libc::SYS_mq_timedsend => "mq_timedsend",
                _ => "mq_timedreceive",
            };
            let now = clock_gettime(ClockId::CLOCK_REALTIME).ok()?;
            let now = now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000;
            after(name, time(fifth, 1_000_000)?.checked_sub(now)?)
        }
        _ => None,
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

/// A queue that several threads use.
type Shared = Arc<Anywhere<Queue>>;

/// A thread with its answer, as another thread sees it.
struct Worker<T> {
    thread: thread::JoinHandle<T>,
    onlooker: Onlooker,
}

impl<T: std::marker::Send + 'static> Worker<T> {
    /// A thread that does this, and waits in it or has returned.
    fn start(work: impl FnOnce() -> T + std::marker::Send + 'static) -> Worker<T> {
        let (show, seen) = mpsc::channel();
        let thread = thread::spawn(move || {
            let _ = show.send(Onlooker::of_this_thread());
            work()
        });
        let mut onlooker = seen.recv().expect("a thread");
        onlooker.until_it_waits();
        Worker { thread, onlooker }
    }

    /// What the thread answers, if it does not stay in its call.
    fn returns(mut self) -> Option<T> {
        let stays = (0..50).all(|_| {
            self.onlooker.until_it_waits();
            thread::sleep(Duration::from_millis(u64::from(!self.thread.is_finished())));
            !self.thread.is_finished()
        });
        (!stays).then(|| self.ends())
    }

    fn ends(self) -> T {
        self.thread.join().expect("no panic")
    }
}

/// A thread that makes a call, and waits in it or has returned.
fn calls(queue: &Shared, call: Call, message: &Message) -> Worker<Told<Option<Message>>> {
    let (queue, message) = (Arc::clone(queue), message.clone());
    Worker::start(move || call.make(queue.get(), &message))
}

/// How many threads wait at the same time.
const CROWD: usize = 66;

/// Many threads wait in `receive`, and as many in `send`. Meanwhile another queue
/// can be made and used.
fn beside_a_crowd(name: &str, message: &Message) -> Told<()> {
    let shared = |end: &str| -> Told<Shared> {
        Ok(Arc::new(Anywhere(create(&format!("{name}{end}"), 1, 50)?)))
    };
    let (empty, full) = (shared("empty")?, shared("full")?);
    send(full.get(), message)?;
    let receivers: Vec<_> = (0..CROWD)
        .map(|_| calls(&empty, Receive, message))
        .collect();
    let senders: Vec<_> = (0..CROWD).map(|_| calls(&full, Send, message)).collect();
    let worker = Worker::start({
        let (name, message) = (format!("{name}third"), message.clone());
        move || -> Told<()> {
            let (queue, other) = (create(&name, 1, 50)?, open(&name)?);
            for (sends, receives) in [(Send, Receive), (TrySend, TryReceive)] {
                sends.make(&queue, &message)?;
                receives.make(&other, &message)?;
            }
            Ok(())
        }
    });
    worker.returns().unwrap_or_else(|| {
        Err(format!("{CROWD} threads wait in receive and {CROWD} in send, and another thread makes, opens, uses and drops a queue of its own: one of its calls does not return, because the threads that wait hold it up"))
    })?;
    for _ in 0..CROWD {
        send(empty.get(), message)?;
        receive(full.get())?;
    }
    let crowd = receivers.into_iter().chain(senders);
    crowd
        .into_iter()
        .try_for_each(|worker| worker.ends().map(drop))
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

/// `1 message is`, `3 messages are`.
fn are(number: i64, what: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", proctor::count(number as usize, what))
}

/// What a call received, briefly.
fn brief_or_none(message: Option<&Message>) -> String {
    message.map_or_else(|| "nothing".to_owned(), brief)
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
fn fails_with(what: &str, got: &Ended, errno: Errno) {
    let is_it = matches!(got, Ended::Error(Some(is), _) if *is == errno as i32);
    assert!(
        is_it,
        "{what}, and it returned {got}: the error must be {errno:?}, with its number"
    );
}

fn is_invalid_input(got: &Ended) -> bool {
    matches!(got, Ended::Error(_, kind) if kind == "InvalidInput")
}

#[track_caller]
fn is_invalid(what: &str, got: &Ended) {
    assert!(
        is_invalid_input(got),
        "{what}, and it returned {got}: the error must have the kind InvalidInput"
    );
}

// ------------------------------------------------------------- names and sizes

/// Of a queue that `create` has made: sizes, mode, and a message each way.
type Made = ([i64; 3], u32, Option<Message>, Message);

#[proctor::test(clauses = [1, 2, 3, 5, 6, 7, 10, 11], subject = |(names, capacity, longest, there, back): (Vec<String>, usize, usize, Message, Message)| -> Told<Made> {
    let before = umask(Mode::empty());
    // Another program may have a queue with a name that is as short as this.
    let is_free = |made: &io::Result<Queue>| made.as_ref().err().and_then(io::Error::raw_os_error) != Some(libc::EEXIST);
    let mut all = names.iter().map(|name| (name, Queue::create(name, capacity, longest)));
    let made = all.find(|(_, made)| names.len() == 1 || is_free(made));
    umask(before);
    let (name, made) = made.ok_or("create says of 20 names that they are in use")?;
    let queue = told("create", made)?;
    let kernels = Kernels::open(name).ok_or("create has returned, and the kernel knows no queue of this name")?;
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
        let answer = subject.ask(&(vec![name()], capacity, longest, there.clone(), back.clone()));
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
            "send has sent {}, and another program received {}",
            brief(&there),
            brief_or_none(came.as_ref())
        );
        same("another program has sent", back_came, &back);
    }
    let long = name();
    let long = format!("{long}{}", "n".repeat(255 - long.len()));
    let begins = [
        "ä \n", ".", "..", "...", "-", "~", "%s%n", "\\\"'*", "\u{7f}",
    ];
    let named = |begin: &str| format!("/{begin}{}", &name()[1..]);
    let mut all: Vec<_> = begins.map(|begin| vec![named(begin)]).to_vec();
    // The longest names and the shortest ones.
    all.push(vec![long]);
    let mut rng = proctor::rng();
    all.push(
        (0..20)
            .map(|_| format!("/{}", rng.alphanumeric()))
            .collect(),
    );
    for names in all {
        let there = message(1);
        value(&subject.ask(&(names, 1, 1, there.clone(), there)));
    }
}

/// Of one queue of another program: what `open` returned before there was one, a
/// message each way, and whether the name was there after a drop.
type Opened = (Ended, Message, Option<Message>, bool);

#[proctor::test(clauses = [1, 4, 5, 9, 10, 11], subject = |(name, all): (String, Vec<(usize, Message)>)| -> Told<Vec<Opened>> {
    let (mut kept, mut opened) = (Vec::new(), Vec::new());
    for (longest, message) in &all {
        // The queue before has lost its name, and is still open.
        let none = ended(&Queue::open(&name));
        if none == Ended::WithoutError {
            let _ = mq_unlink(&*name);
            return Err("open was called for a name that no queue had, or no longer had, and it returned a queue".to_owned());
        }
        let kernels = Kernels::create(&name, 2, *longest);
        let (queue, again) = (open(&name)?, open(&name)?);
        kernels.give(message);
        let there = receive(&queue)?;
        send(&queue, message)?;
        drop(again);
        let is_there = exists(&name);
        let _ = mq_unlink(&*name);
        opened.push((none, there, kernels.take(), is_there));
        kept.push((queue, kernels, message));
    }
    let each_its_own = kept.iter().try_fold(true, |right, (queue, kernels, message)| {
        kernels.give(message);
        Ok::<_, String>(right && receive(queue)? == **message)
    })?;
    match each_its_own {
        true => Ok(opened),
        false => Err("the same name belonged to several queues, one after the other, and now a value of open has received a message of another queue than the one that it opened".to_owned()),
    }
})]
fn open_opens_the_queue_of_another_program(mut subject: Subject) {
    let all = [64, 1, 100, 8192, 64].map(|longest| (longest, message(longest)));
    let answer = subject.ask(&(name(), all.to_vec()));
    for ((_, message), (none, there, back, is_there)) in all.iter().zip(value(&answer)) {
        fails_with(
            "open was called for a name that no queue had, or no longer had",
            none,
            Errno::ENOENT,
        );
        same("another program has sent", there, message);
        assert!(
            back.as_ref() == Some(message),
            "a value of open has sent {}, and another program received {}",
            brief(message),
            brief_or_none(back.as_ref())
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
        // The good name, if the length is cut to 8 or 16 bits.
        long(256 + good.len()),
        long(65_536 + good.len()),
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

/// A queue whose name is in use, and the sizes with which `create` is called.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Taken {
    name: String,
    /// Made by this type, or by another program.
    ours: bool,
    /// Nobody may open it (root may).
    closed: bool,
    messages: Vec<Message>,
    sizes: [usize; 2],
}

#[proctor::test(clauses = [1, 3, 4, 5, 6, 8], subject = |taken: Taken| -> Told<(Ended, [i64; 3], Vec<Message>)> {
    let Taken { name, ours, closed, messages, sizes: [capacity, longest] } = &taken;
    let (mut first, mut _kept) = (None, None);
    match ours {
        true => first = Some(create(name, 4, 50)?),
        false => _kept = Some(Kernels::create(name, 4, 50)),
    }
    let kernels = Kernels::open(name).ok_or("create made no queue")?;
    messages.iter().for_each(|message| _ = kernels.give(message));
    let mode = |mode| fchmod(&kernels.0, mode).expect("a queue");
    if *closed {
        mode(Mode::empty());
    }
    let second = Queue::create(name, *capacity, *longest);
    mode(Mode::S_IRWXU);
    let what = ended(&second);
    drop(second);
    let Some(found) = Kernels::open(name) else {
        return match what {
            Ended::WithoutError => Ok((what, [0; 3], vec![])),
            _ => Err("the name of a queue was in use, another create for this name has failed, and now the name is gone".to_owned()),
        };
    };
    let (sizes, left) = (found.sizes(), found.all());
    if !kernels.all().is_empty() {
        return Err("the name of a queue was in use, another create for this name has failed, and now the name belongs to another queue".to_owned());
    }
    drop(first);
    if !ours {
        let _ = mq_unlink(&**name);
    }
    Ok((what, sizes, left))
})]
fn a_queue_that_exists_is_left_alone(mut subject: Subject) {
    let two = vec![(message(50).0, 7), (message(3).0, 6)];
    let four = [&two[..], &two[..]].concat();
    let cases = [
        (vec![], [3, 70]),
        (vec![], [4, 50]),
        (two.clone(), [3, 70]),
        (two, [4, 50]),
        (four, [4, 50]),
        (vec![], [0, 50]),
        (vec![], [4, usize::MAX]),
    ];
    let all = cases.iter().flat_map(|case| {
        [
            (case, true, false),
            (case, false, false),
            (case, false, true),
        ]
    });
    for ((messages, second), ours, closed) in all {
        let taken = Taken {
            name: name(),
            ours,
            closed,
            messages: messages.clone(),
            sizes: *second,
        };
        let answer = subject.ask(&taken);
        if let Ok((what, ..)) = &answer.value {
            let [capacity, longest] = second;
            let what_was = format!(
                "a queue with this name exists, and create was called for {capacity} messages of {longest} bytes"
            );
            // Sizes that are not possible are an error of their own.
            if *capacity > 0 && *longest < usize::MAX || !is_invalid_input(what) {
                fails_with(&what_was, what, Errno::EEXIST);
            }
        }
        let (_, sizes, found) = value(&answer);
        let held = messages.len();
        let mut sorted = messages.clone();
        sorted.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
        assert!(
            *sizes == [4, 50, held as i64] && *found == sorted,
            "a queue for 4 messages of 50 bytes held {}; then create was called for its name, and now the queue is for {} of {} bytes and holds {}, or other messages than before",
            proctor::count(held, "message"),
            proctor::count(sizes[0] as usize, "message"),
            sizes[1],
            proctor::count(sizes[2] as usize, "message")
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
            &format!(
                "a queue of {capacity} messages of {longest} bytes is not possible, create was called for it"
            ),
            what,
        );
        assert!(
            !is_there,
            "create has failed for {capacity} messages of {longest} bytes, and there is a queue of this name"
        );
        nothing_is_left(&answer);
    }
}

/// Runs `work` while this process can open so many descriptors more. Says whether
/// the limit has stayed as it was.
fn with_descriptors_left<T>(left: usize, work: impl FnOnce() -> T) -> (T, bool) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let lower = (soft.min(64), hard);
    setrlimit(Resource::RLIMIT_NOFILE, lower.0, hard).expect("a lower limit");
    let fill = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok());
    let mut fill: Vec<_> = fill.collect();
    fill.truncate(fill.len() - left);
    let result = work();
    let stays = getrlimit(Resource::RLIMIT_NOFILE) == Ok(lower);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the old limit");
    (result, stays)
}

/// Why `create` or `open` fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Lack {
    /// `open`: there is no queue.
    Queue,
    /// `open`: the queue that this process has made, and still has open, has lost
    /// its name.
    Name,
    /// `open`: nobody may open the queue (root may).
    Rights,
    /// `open`: the process can open only so many descriptors more.
    DescriptorsToOpen(usize),
    /// `create`: the same.
    DescriptorsToCreate(usize),
    /// `create`: the user's queues may have no more memory.
    Memory,
}

/// How the call ended, whether there is a queue, and what changed.
type Lacked = (Ended, bool, Vec<String>);

#[proctor::test(clauses = [3, 4, 5, 8, 9], subject = |(name, lack): (String, Lack)| -> Told<Lacked> {
    let watched = |call: &dyn Fn() -> Ended| {
        let before = Surroundings::now();
        let what = call();
        (what, exists(&name), before.changes())
    };
    let limit_stays = Cell::new(true);
    let few = |left: usize, call: &dyn Fn() -> Ended| {
        let (what, stays) = with_descriptors_left(left, call);
        limit_stays.set(stays);
        what
    };
    let opens = || ended(&Queue::open(&name));
    let creates = || ended(&Queue::create(&name, 1, 1));
    let (what, is_there, mut changes) = match lack {
        Lack::Queue => watched(&opens),
        Lack::Name => {
            let _queue = create(&name, 1, 1)?;
            let _other = open(&name)?;
            let _ = mq_unlink(&*name);
            watched(&opens)
        }
        Lack::Rights => {
            let queue = create(&name, 1, 1)?;
            let kernels = Kernels::open(&name).ok_or("create made no queue")?;
            let _ = fchmod(&kernels.0, Mode::empty());
            let (what, _, changes) = watched(&opens);
            drop(queue);
            (what, exists(&name), changes)
        }
        Lack::DescriptorsToOpen(left) => {
            let queue = create(&name, 1, 1)?;
            let (what, _, changes) = watched(&|| few(left, &opens));
            drop(queue);
            (what, exists(&name), changes)
        }
        Lack::DescriptorsToCreate(left) => watched(&|| few(left, &creates)),
        Lack::Memory => {
            let (soft, hard) = getrlimit(Resource::RLIMIT_MSGQUEUE).expect("a limit");
            setrlimit(Resource::RLIMIT_MSGQUEUE, 0, hard).expect("a lower limit");
            let result = watched(&creates);
            let _ = setrlimit(Resource::RLIMIT_MSGQUEUE, soft, hard);
            result
        }
    };
    if !limit_stays.get() {
        changes.push("the limit of descriptors is another one".to_owned());
    }
    Ok((what, is_there, changes))
})]
fn an_error_leaves_nothing_behind(mut subject: Subject) {
    let mut all = Vec::new();
    // A call may need several descriptors.
    for left in 0..5 {
        let when = format!(
            "was called while the process could open {} more",
            proctor::count(left, "descriptor")
        );
        all.extend([
            (
                Lack::DescriptorsToOpen(left),
                format!("open {when}"),
                Errno::EMFILE,
            ),
            (
                Lack::DescriptorsToCreate(left),
                format!("create {when}"),
                Errno::EMFILE,
            ),
        ]);
    }
    let asked = "open was called";
    all.extend([
        (
            Lack::Queue,
            format!("{asked} for a name that no queue had"),
            Errno::ENOENT,
        ),
        (
            Lack::Name,
            format!("{asked} for a queue whose name another program had removed"),
            Errno::ENOENT,
        ),
        (
            Lack::Rights,
            format!("{asked} for a queue that nobody may open because of its mode"),
            Errno::EACCES,
        ),
        (
            Lack::Memory,
            "create was called while the queues of this user could have no more memory (RLIMIT_MSGQUEUE)".to_owned(),
            Errno::EMFILE,
        ),
    ]);
    for (lack, when, errno) in all {
        let answer = subject.ask(&(name(), lack));
        if let Ok((what, is_there, changes)) = &answer.value {
            assert!(
                !is_there || lack != Lack::Queue,
                "{when}, and now there is a queue of this name"
            );
            let may_work = match lack {
                Lack::DescriptorsToOpen(left) | Lack::DescriptorsToCreate(left) => left > 0,
                Lack::Rights => nix::unistd::geteuid().is_root(),
                _ => false,
            };
            if !may_work || *what != Ended::WithoutError {
                fails_with(&when, what, errno);
            }
            let after = match lack {
                // The subject has made the queue, and has dropped it.
                Lack::Rights | Lack::DescriptorsToOpen(_) => {
                    ", and then the creator's value was dropped"
                }
                _ if *what == Ended::WithoutError => ", and its value was dropped",
                _ => "",
            };
            assert!(
                !is_there,
                "{when}, it returned {what}{after}, and there is a queue of this name: no name may be left"
            );
            assert!(
                changes.is_empty(),
                "{when}, it returned {what}, and the process is not as it was: {}",
                changes.join("; ")
            );
        }
        value(&answer);
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
        // They look like nothing.
        messages.extend([(vec![], 0), (vec![0], 0), (vec![], 32_767)]);
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
    for number in 0..700_u32 {
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

#[proctor::test(clauses = [1, 3, 5, 6, 10, 11, 12], memory = 16384, slow = true, subject = |(name, full, length, priority): (String, bool, usize, u32)| -> Told<([Refused; 2], Option<Message>)> {
    let queue = create(&name, 3, 30)?;
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    let before = (b"before".to_vec(), 5);
    for _ in 0..if full { 3 } else { 1 } {
        kernels.give(&before);
    }
    let zeros = Zeros::new(length).expect("room for addresses");
    // In a child, so that the test goes on if the call waits for room.
    for call in [Send, TrySend].into_iter().filter(|_| full) {
        let child = Child::start(|| {
            let _ = (call == Send).then(|| queue.send(&zeros, priority));
            let _ = (call == TrySend).then(|| queue.try_send(&zeros, priority));
            Ok(None)
        });
        child.ends_at_once(call, "the queue does not take this message, and room would not help")?;
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
        .chain(lengths.map(|length| (length, some)))
        .chain([(0, 32_768), (31, 32_768), (8192, u32::MAX)]);
    for (length, priority) in cases {
        for full in [false, true] {
            let answer = subject.ask(&(name(), full, length, priority));
            let (calls, left) = value(&answer);
            let state = if full { "full" } else { "not full" };
            for (call, (what, waiting)) in ["send", "try_send"].iter().zip(calls) {
                let what_was = format!(
                    "the queue takes messages of up to 30 bytes and is {state}, {call} was called with a message of {length} bytes and priority {priority}"
                );
                // If both is wrong, each of the errors is right.
                if length > 30 && (priority < 32_768 || !is_invalid_input(what)) {
                    fails_with(&what_was, what, Errno::EMSGSIZE);
                } else {
                    is_invalid(&what_was, what);
                }
                let expected = if full { 3 } else { 1 };
                assert!(
                    *waiting == expected,
                    "{what_was}, and then {} in the queue, not {expected}: the call must send nothing",
                    are(*waiting, "message")
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

/// More interruptions than any loop would count that gives up.
const OFTEN: u32 = 1100;

/// The signals that interrupt: many that have a name, and all real-time ones.
fn interrupters() -> Vec<i32> {
    use libc::{SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGPROF, SIGPWR};
    use libc::{SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGUSR1, SIGUSR2};
    use libc::{SIGVTALRM, SIGWINCH};
    let mut all = vec![
        SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGCONT,
        SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR,
    ];
    all.extend(libc::SIGRTMIN()..=libc::SIGRTMAX());
    all
}

/// Gives all [`interrupters`] a handler that counts, and no call is restarted
/// after it.
fn handle_interrupters() {
    // SAFETY: zeros are a valid structure: no flags, and an empty mask. The handler
    // only changes an atomic number.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as usize;
        for signal in interrupters() {
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Makes a call that signals interrupt, and looks at what it leaves: a timer runs,
/// and each signal has a handler.
fn interrupted(call: Call, queue: &Queue, message: &Message) -> Told<Option<Message>> {
    handle_interrupters();
    // SAFETY: the call only sets a timer, to a time that never comes.
    unsafe { libc::alarm(100_000) };
    let before = Surroundings::now();
    let came = call.make(queue, message)?;
    let (changes, handled) = (before.changes(), HANDLED.load(Relaxed));
    if !changes.is_empty() {
        return Err(format!(
            "signals interrupted {}, and after the call the process is not as it was: {}",
            call.name(),
            changes.join("; ")
        ));
    }
    // Signals that were blocked arrive as one, after the wait.
    if handled != OFTEN {
        return Err(format!(
            "{OFTEN} signals arrived while {} waited, {} different ones in turns, and their handlers ran {handled} times: the call must not hold signals back",
            call.name(),
            interrupters().len()
        ));
    }
    Ok(came)
}

/// What a call that waited returned, the time limit with which it slept, its CPU
/// time, how often it woke up, and what went through the queue.
type Waited = (Option<Message>, Option<String>, u64, u64, Vec<Message>);

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 14], deadline = 20.0, slow = true, subject = |(name, call, signals, first, second): (String, Call, bool, Message, Message)| -> Told<Waited> {
    let queue = create(&name, 1, 50)?;
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    if call == Send {
        kernels.give(&first);
    }
    let child = Child::start(|| match signals {
        true => interrupted(call, &queue, &second),
        false => call.make(&queue, &second),
    });
    child.until_it_waits();
    let limit = (0..20).find_map(|_| {
        child.until_it_waits();
        child.time_limit()
    });
    let (cpu, wakes) = if signals { (0, 0) } else { child.watched() };
    if signals {
        for signal in interrupters().into_iter().cycle().take(OFTEN as usize) {
            // SAFETY: the child has handlers for these.
            unsafe { libc::kill(child.pid.as_raw(), signal) };
            child.until_it_waits();
            if child.holds_back(signal) {
                let _ = kill(child.pid, Signal::SIGKILL);
                let _ = waitpid(child.pid, None);
                return Err(format!("the signal {signal} arrived while {} waited, and its handler does not run: the call must not hold signals back", call.name()));
            }
        }
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
    Ok((came, limit, cpu, wakes, taken.into_iter().chain(kernels.all()).collect()))
})]
fn the_other_calls_wait_and_sleep(mut subject: Subject) {
    for call in [Send, Receive] {
        // First with nothing else, then with signals.
        for signals in [false, true] {
            let (first, second) = (message(50), message(40));
            let answer = subject.ask(&(name(), call, signals, first.clone(), second.clone()));
            let (came, limit, cpu, wakes, queue) = value(&answer);
            assert!(
                *cpu < SPUN_MS,
                "{} waited and used {cpu} ms of CPU time while another process computed for 60 ms or less: it must sleep",
                call.name()
            );
            let woke_up = match limit {
                Some(limit) => Some(format!("it slept in the system call {limit}")),
                None if *wakes < 3 => None,
                None => Some(format!(
                    "it woke up {wakes} times while another process computed for 60 ms"
                )),
            };
            if let Some(woke_up) = woke_up {
                panic!(
                    "nothing happened to the queue, and {} woke up by itself to look again: {woke_up}. It must sleep without a limit of time",
                    call.name()
                );
            }
            let (expected, held) = match call {
                Send => (&second, vec![first.clone(), second.clone()]),
                _ => (&first, vec![first.clone()]),
            };
            assert!(
                came.as_ref() == Some(expected) && *queue == held,
                "{} waited ({} signals arrived) until another process made it possible to go on; then the right message must go through the queue, and something else did",
                call.name(),
                if signals { OFTEN } else { 0 }
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
    /// At which stop, counted from the first one, a signal arrives.
    signal: Option<u32>,
    /// How often the same call has been made before in vain.
    misses: u32,
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
    /// How often the child has stopped.
    looks: u32,
    left: Vec<Message>,
}

/// Whether the timer of `alarm` runs.
fn timer_runs() -> bool {
    // SAFETY: zeros are a valid structure, which the call fills.
    let left = unsafe {
        let mut left: libc::itimerval = std::mem::zeroed();
        libc::syscall(libc::SYS_getitimer, libc::ITIMER_REAL, &raw mut left);
        left.it_value
    };
    left.tv_sec != 0 || left.tv_usec != 0
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
    let tries = matches!(call, TrySend | TryReceive);
    let Some(child) = Child::traced(
        || {
            proctor::on_signal(
                Signal::SIGUSR1,
                SigHandler::Handler(count),
                SaFlags::empty(),
            );
            // SAFETY: the call only sets a timer, to a time that never comes.
            unsafe { libc::alarm(100_000) };
            (0..lead.misses).try_for_each(|_| call.make(&queue, &lead.mine).map(drop))
        },
        || {
            let came = call.make(&queue, &lead.mine)?;
            match lead.signal {
                Some(_) if !timer_runs() => Err(format!(
                    "a signal arrived during {}, and a timer of the process does not run any more",
                    call.name()
                )),
                _ => Ok(came),
            }
        },
    ) else {
        return Ok(None);
    };
    let flags_before = flags();
    let (mut stops, mut ended, mut changed) = (0, false, false);
    let mut begun = tries;
    let (mut looks, mut signal) = (0, lead.signal);
    while !ended {
        if begun && stops == lead.stop {
            break;
        }
        stops += u32::from(begun);
        if signal == Some(looks) {
            let _ = kill(child.pid, Signal::SIGUSR1);
            signal = None;
        }
        let step = child.step();
        changed |= flags() != flags_before;
        looks += u32::from(matches!(step, Step::Stops));
        let naps = match step {
            Step::Stops => child.is_about_to_nap(),
            Step::Sleeps => tries && child.sleeps_on(),
            Step::Ends => false,
        };
        if tries && naps {
            let _ = kill(child.pid, Signal::SIGKILL);
            let _ = waitpid(child.pid, None);
            return Err(format!(
                "{} sleeps (it had been called {} times before): it must never wait",
                call.name(),
                lead.misses
            ));
        }
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
        looks,
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
        signal: None,
        misses: 0,
    }
}

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 13, 14], slow = true, subject = |question: Lead| -> Told<Option<Led>> { lead(&question) })]
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

/// Leads a call to its end, and then once more for each of its stops, at which a
/// signal arrives. `None` where the machine does not allow to trace a child.
fn lead_with_signals(question: &Lead) -> Told<Option<Vec<Led>>> {
    let mut all = Vec::new();
    let Some(first) = lead(question)? else {
        return Ok(None);
    };
    let looks = first.looks;
    all.push(first);
    for signal in 0..looks.min(100) {
        let again = Lead {
            signal: Some(signal),
            misses: 0,
            ..question.clone()
        };
        all.extend(lead(&again)?);
    }
    Ok(Some(all))
}

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 13, 14], slow = true, subject = |question: Lead| -> Told<Option<Vec<Led>>> { lead_with_signals(&question) })]
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
        let mut question = leads(call, able, u32::MAX);
        question.misses = if able { 0 } else { 1100 };
        let answer = subject.ask(&question);
        let Some(all) = value(&answer) else {
            return proctor::covered("nothing: this machine does not let a test trace a child");
        };
        let Lead { mine, others, .. } = &question;
        let expected = match call {
            _ if !able => None,
            Send | TrySend => Some(mine),
            Receive | TryReceive => Some(&others[0]),
        };
        for (place, led) in all.iter().enumerate() {
            let when = match place {
                0 => "",
                _ => ", which a signal interrupted",
            };
            assert!(
                !led.changed,
                "during {}{when}, the flags of a queue's open description were changed: threads and forked processes share the description, so their calls wait, or do not wait, as if the flags were theirs",
                call.name()
            );
            assert!(
                led.came.as_ref() == expected,
                "{}{when} must move {} through the queue, and it moved {}",
                call.name(),
                brief_or_none(expected),
                brief_or_none(led.came.as_ref())
            );
        }
    }
}

#[proctor::test(clauses = [1, 2, 3, 5, 6, 10, 11, 13, 14], subject = |(name, messages): (String, Vec<Message>)| -> Told<[Vec<Option<Message>>; 2]> {
    if !proctor::implements!(Queue: std::marker::Send + Sync) {
        return Err("Queue is not `Send` and `Sync`: its fields must let several threads use the same queue".to_owned());
    }
    let queue = Arc::new(Anywhere(create(&name, 2, 50)?));
    let waits = |call: Call, message: &Message| calls(&queue, call, message);
    // A call that can return at once, on one more thread.
    let at_once = |call: Call, message: &Message| {
        waits(call, message).returns().unwrap_or_else(|| {
            Err(format!("two threads wait in a call, a third one uses the same value, and its call of {} does not return: it is held up by the threads that wait", call.name()))
        })
    };
    let [one, two, three, four] = &messages[..] else { return Err("four messages".to_owned()) };
    let first = [waits(Receive, one), waits(Receive, one)];
    let mut received = vec![at_once(TryReceive, one)?, at_once(TrySend, one)?, at_once(Send, two)?];
    for worker in first {
        received.push(worker.ends()?);
    }
    let mut all = vec![at_once(Send, one)?, at_once(TrySend, two)?];
    let second = [waits(Send, three), waits(Send, four)];
    for call in [TrySend, Receive, TryReceive] {
        all.push(at_once(call, one)?);
    }
    for worker in second {
        all.push(worker.ends()?);
    }
    all.extend([at_once(Receive, one)?, at_once(TryReceive, one)?]);
    beside_a_crowd(&name, one)?;
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
        "a process sent 4 messages and was killed; then another process called receive, which must return {}, and it returned {}",
        brief(&messages[0]),
        brief_or_none(came.as_ref())
    );
    assert!(
        *left == messages[1..],
        "a process received one of 4 messages and dropped its queue, then the creator dropped its own: the other 3 messages must be in the queue, and {} there, or other bytes",
        are(left.len() as i64, "message")
    );
}

// ---------------------------------------------------------------- what is left

/// How a creator's value is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Drops {
    Here,
    InAThread,
    /// By the destructors of a thread's local values.
    AtTheEndOfAThread,
    ByAPanic,
    /// Somebody else has removed the name.
    Late,
    /// The value was made in a child, which drops it when it has a session, a
    /// folder, a name and a umask of its own.
    InAChild,
    /// The value was made in a child, which drops it when its parent has ended.
    InAnOrphan,
}

impl fmt::Display for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self {
            Drops::Here => "on the thread that had called create",
            Drops::InAThread => "on another thread than the one that had called create",
            Drops::AtTheEndOfAThread => "as a thread-local value, at the end of its thread",
            Drops::ByAPanic => "while a panic unwound",
            Drops::Late => "after another program had removed the name",
            Drops::InAChild => {
                "by its creator, a forked child that had since changed its session and its working folder"
            }
            Drops::InAnOrphan => "by its creator, a process that had since lost its parent",
        };
        f.write_str(how)
    }
}

thread_local! {
    /// Values that the thread drops when it ends. The first one is used before the
    /// thread makes a queue, so the learner's own local values are gone when its
    /// destructor runs. The second one is used after that.
    static FIRST: RefCell<Vec<Queue>> = const { RefCell::new(Vec::new()) };
    static LAST: RefCell<Vec<Queue>> = const { RefCell::new(Vec::new()) };
}

/// Changes what a process can change of itself.
fn become_another() {
    let _ = setsid();
    let _ = chdir("/");
    umask(Mode::from_bits_truncate(0o777));
    // SAFETY: both change the process only, and the name is a C string.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"another".as_ptr());
        libc::setpriority(libc::PRIO_PROCESS, 0, 5);
    }
    // It has had a child.
    let _ = waitpid(proctor::other_child(|| 0), None);
}

/// Whether the name is there, what is in the old queue, what is in a new one.
type Dropped = (bool, Vec<Message>, Vec<Message>);

#[proctor::test(clauses = [1, 3, 4, 5, 6, 10, 11], subject = |(name, how, one, two): (String, Drops, Message, Message)| -> Told<Dropped> {
    // This process has been a creator before.
    drop(create(&format!("{name}-"), 1, 1)?);
    let elsewhere = match how {
        Drops::InAChild => {
            let child = Child::start(|| {
                let queue = create(&name, 2, 50)?;
                become_another();
                drop(queue);
                Ok(None)
            });
            Some(child.ends().map(drop))
        }
        Drops::InAnOrphan => Some(in_a_grandchild(|| Ok(()), |(), alone| {
            let queue = create(&name, 2, 50)?;
            alone();
            drop(queue);
            Ok(())
        })),
        Drops::AtTheEndOfAThread => Some(thread::spawn({
            let name = name.clone();
            move || {
                FIRST.with_borrow_mut(Vec::clear);
                let (first, last) = (create(&name, 2, 50)?, create(&format!("{name}-"), 1, 1)?);
                LAST.with_borrow_mut(|kept| kept.push(last));
                FIRST.with_borrow_mut(|kept| kept.push(first));
                Ok(())
            }
        }).join().expect("no panic")),
        _ => None,
    };
    if let Some(result) = elsewhere {
        result?;
        proctor::threads_left();
        let is_there = exists(&name) || exists(&format!("{name}-"));
        return Ok((is_there, vec![one, two], vec![]));
    }
    let queue = create(&name, 2, 50)?;
    // In the creator's process, a value of open is no creator either.
    drop(open(&name)?);
    if !exists(&name) {
        return Err("a process has made a queue and opened it once more; it dropped the value of open, and the name is gone although the creator's value is still there".to_owned());
    }
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
        Drops::AtTheEndOfAThread,
        Drops::ByAPanic,
        Drops::Late,
        Drops::InAChild,
        Drops::InAnOrphan,
    ];
    for how in ways {
        let (one, two) = ((message(30).0, 9), (message(40).0, 8));
        let answer = subject.ask(&(name(), how, one.clone(), two.clone()));
        if let Ok((is_there, old, new)) = &answer.value {
            assert!(
                !is_there,
                "the creator's value was dropped {how}, and the name is still there: a queue outlives all processes until its name is removed"
            );
            assert!(
                *old == [one, two] && new.is_empty(),
                "the creator's value was dropped {how}: a process that has the queue open must be able to use it as before, and a new queue of the same name must be empty, and one of the two is not so"
            );
        }
        value(&answer);
    }
}

/// Who drops a copy of the creator's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Copied {
    Child,
    /// A child that has made another queue.
    ChildThatCreates,
    /// The child of a child, which still runs.
    Grandchild,
    /// A process whose parent has ended.
    Orphan,
    /// A child of the creator, which has ended without a drop.
    ChildOfAnEndedCreator,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self {
            Copied::Child => "a forked child",
            Copied::ChildThatCreates => "a forked child that has also made a queue of its own",
            Copied::Grandchild => "the child of a forked child",
            Copied::Orphan => "a forked process whose parent has ended",
            Copied::ChildOfAnEndedCreator => {
                "a forked child of a creator that has ended without a drop"
            }
        };
        f.write_str(who)
    }
}

/// Uses a copy of the creator's value, and drops it.
fn use_and_drop(queue: Queue, message: &Message) -> Told<()> {
    send(&queue, message)?;
    drop(queue);
    Ok(())
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 6, 10, 11], subject = |(name, who, one): (String, Copied, Message)| -> Told<(bool, Option<Message>, bool)> {
    if who == Copied::ChildOfAnEndedCreator {
        in_a_grandchild(|| create(&name, 1, 50), |queue, alone| {
            alone();
            use_and_drop(queue, &one)
        })?;
        let kernels = Kernels::open(&name);
        let _ = mq_unlink(&*name);
        return Ok((kernels.is_some(), kernels.and_then(|queue| queue.take()), false));
    }
    let mut copy = Some(create(&name, 1, 50)?);
    let before = flags_of_all();
    let mut last_use = || use_and_drop(copy.take().ok_or("a queue")?, &one);
    match who {
        Copied::Orphan => in_a_grandchild(|| Ok(()), |(), alone| {
            alone();
            last_use()
        })?,
        Copied::Grandchild => {
            let child = Child::start(|| {
                let grandchild = Child::start(|| last_use().map(|()| None));
                grandchild.ends()
            });
            child.ends()?;
        }
        _ => {
            let child = Child::start(|| {
                let own = format!("{name}own");
                let other = match who {
                    Copied::ChildThatCreates => Some(create(&own, 1, 50)?),
                    _ => None,
                };
                last_use()?;
                drop(other);
                match exists(&own) {
                    true => Err("a forked child has made a queue of its own and dropped it, and the name is still there".to_owned()),
                    false => Ok(None),
                }
            });
            child.ends()?;
        }
    }
    if flags_of_all() != before {
        return Err("a forked child has dropped its copy of the creator's value, and the flags of a queue's open description have changed: the creator shares the description".to_owned());
    }
    let is_there = exists(&name);
    let came = copy.as_ref().map(try_receive).transpose()?.flatten();
    drop(copy);
    Ok((is_there, came, exists(&name)))
})]
fn a_forked_copy_leaves_the_name(mut subject: Subject) {
    for who in [
        Copied::Child,
        Copied::ChildThatCreates,
        Copied::Grandchild,
        Copied::Orphan,
        Copied::ChildOfAnEndedCreator,
    ] {
        let one = message(50);
        let answer = subject.ask(&(name(), who, one.clone()));
        let (is_there, came, is_there_later) = value(&answer);
        assert!(
            is_there,
            "{who} dropped its copy of the creator's value, and the name is gone: no process can open the queue any more, although it was not the creator that dropped its value"
        );
        same(
            &format!("{who} has sent with its copy of the creator's value"),
            &came.clone().unwrap_or_default(),
            &one,
        );
        assert!(
            !is_there_later,
            "the creator has dropped its value, and the name is still there"
        );
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 6, 10, 11, 13, 14], subject = |(name, messages): (String, Vec<Message>)| -> Told<Vec<Message>> {
    let (mut created, mut opened) = (Some(create(&name, 1, 50)?), None);
    opened.replace(open(&name)?);
    let kernels = Kernels::open(&name).ok_or("create made no queue")?;
    // Each child has copies of both values, and uses one of them.
    let children = [true, false].map(|first| {
        let (mut gate, opener) = pipe().expect("a pipe");
        let child = Child::start(|| {
            let queue = if first { &created } else { &opened };
            let queue = queue.as_ref().ok_or("a queue")?;
            let before = flags_of_all();
            let _ = gate.read(&mut [0]);
            if flags_of_all() != before {
                return Err("another process has dropped its values of a queue, and the flags of an open description have changed, which a forked child shares with that process".to_owned());
            }
            if try_receive(queue)?.is_some() {
                return Err("another process has dropped its values of a queue, and a drop has sent a message".to_owned());
            }
            receive(queue).map(Some)
        });
        child.until_it_waits();
        (child, opener)
    });
    drop((created.take(), opened.take()));
    children.into_iter().zip(&messages).map(|((child, mut opener), message)| {
        let _ = opener.write(&[1]);
        child.until_it_waits();
        if child.has_ended() {
            child.ends()?;
            return Err("another process has dropped its values of a queue; a forked child has copies of them, and its receive has returned although there is no message".to_owned());
        }
        kernels.give(message);
        Ok(child.ends()?.unwrap_or_default())
    }).collect()
})]
fn a_forked_copy_outlives_the_others(mut subject: Subject) {
    let messages = [message(30), message(40)].to_vec();
    let answer = subject.ask(&(name(), messages.clone()));
    for (came, message) in value(&answer).iter().zip(&messages) {
        same(
            "the creator has dropped its value, and a forked child receives with its copy",
            came,
            message,
        );
    }
}

/// Makes, opens, uses and drops queues. Returns what has changed, and how many
/// descriptors were not close-on-exec.
fn use_queues(name: &str, times: u32) -> Told<(Vec<String>, u32)> {
    let before = Surroundings::now();
    let mut inherited = 0;
    for _ in 0..times {
        let known = descriptors();
        let queue = create(name, 2, 2000)?;
        let other = open(name)?;
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
        let _ = (
            Queue::create(name, 1, 1).is_ok(),
            Queue::open("/").is_ok(),
            queue.send(&[0; 2001], 0).is_ok(),
        );
    }
    Ok((before.changes(), inherited))
}

#[proctor::test(clauses = [3, 5, 6, 10, 13], descriptors = 100, subject = |(name, times, closed): (String, u32, Vec<i32>)| -> Told<(Vec<String>, u32)> {
    if closed.is_empty() {
        return use_queues(&name, times);
    }
    // A program may run without standard input, output or error.
    let child = Child::start(|| {
        // SAFETY: the child uses none of them.
        closed.iter().for_each(|number| _ = unsafe { libc::close(*number) });
        match use_queues(&name, times)? {
            (changes, 0) if changes.is_empty() => Ok(None),
            (changes, 0) => Err(format!("queues were made and dropped in a process in which the descriptors {closed:?} were free, and the process is not as it was: {}", changes.join("; "))),
            (_, inherited) => Err(format!("queues were made and dropped in a process in which the descriptors {closed:?} were free, and {inherited} of their descriptors were not close-on-exec")),
        }
    });
    child.ends()?;
    Ok((vec![], 0))
})]
fn nothing_else_is_left(mut subject: Subject) {
    let closed = [&[][..], &[0], &[0, 1, 2], &[1, 2], &[1], &[2]];
    let all = closed
        .map(|closed| (1, closed))
        .into_iter()
        .chain([(150, &[][..])]);
    for (times, closed) in all {
        let answer = subject.ask(&(name(), times, closed.to_vec()));
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
            evidence.processes_started.unwrap_or(0) <= u32::from(!closed.is_empty())
                && evidence.threads_started.unwrap_or(0) == 0,
            "{what}, and {} and {} were started: none is needed",
            proctor::count(evidence.processes_started.unwrap_or(0) as usize, "process"),
            proctor::count(evidence.threads_started.unwrap_or(0) as usize, "thread")
        );
    }
}
