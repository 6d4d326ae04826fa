//! Judges a lock between processes that are stopped and killed while they hold
//! it or wait for it.
//!
//! Most tests are a [`Scene`]. The judge writes it: what each of several
//! processes does, step by step, and what the step must come to. The subject
//! performs it. Its first process, the *director*, makes the locks and forks the
//! others, the *players*. It tells a player what to do through a pipe, and looks
//! at the player until it answers or sleeps in a call.
proctor::exercise!(robust_lock);

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::mem;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::prctl::{set_child_subreaper, set_name};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, SigSet, Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use proctor::{
    Answer, Gate, Onlooker, Subject, Surroundings, on_signal, other_child, step, traced_child,
};
use robust_lock::{Guard, RobustLock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

// ------------------------------------------------------------------ plain data

/// What a player does. A guard has a place, by which later steps name it.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Do {
    /// Calls `lock` of a lock, and puts the guard into this place.
    Lock(usize, usize),
    /// Calls `try_lock` of a lock, and puts the guard into this place.
    Try(usize, usize),
    Drop(usize),
    Forget(usize),
    Mark(usize),
    Ask(usize),
    Write(usize, Vec<u8>),
    Read(usize),
    /// Locks this lock and panics with the guard.
    Panic(usize),
    /// Panics, and makes the mark in the drop of a value, while the panic unwinds.
    Repair(usize),
    /// Locks this lock and drops the guard, so many times.
    Repeat(usize, u32),
    /// Forks this player, which gets copies of all guards.
    Fork(usize),
    Exit(i32),
    /// Drops its copy of a lock.
    DropLock(usize),
    /// From now on, SIGUSR1 has a handler, with these flags.
    Handle(i32),
}

/// What the director does.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Step {
    /// Tells a player to do something, and waits for the answer.
    Tell(usize, Do),
    /// The same, but waits only until the player answers or sleeps.
    Begin(usize, Do),
    /// Waits for the answer of a player.
    Hear(usize),
    /// The same, but the player may wake up only a few times until it answers.
    Next(usize),
    /// Waits for the first answer of these players. From now on the player that
    /// gave it has the first number in the list.
    First(Vec<usize>),
    /// Waits until the player answers or sleeps.
    Look(usize),
    /// Sends a signal that ends the player, and waits for its end.
    Kill(usize, i32),
    Reap(usize),
    Stop(usize),
    Continue(usize),
    /// Sends SIGUSR1 so many times. Each time it waits until the handler has run
    /// and the player sleeps again.
    Interrupt(usize, u32),
    /// Looks at these players for so many milliseconds.
    Watch(Vec<usize>, u64),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Said {
    /// A guard, and whether it is inconsistent.
    Got(bool),
    Busy,
    Failed(i32),
    Is(bool),
    Bytes(Vec<u8>),
    Done,
    Waits,
    Ended,
    Panicked,
    /// It woke up more often than it may.
    Restless,
    /// It woke up several times without taking the free lock.
    Hesitated,
    /// Its signal mask or a handler is not as before the step.
    Changed,
    /// Only expected: an error, or the process waits.
    Second,
}
use Do::*;
use Said::*;
use Step::*;

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Got(true) => write!(f, "the call returned a guard that is inconsistent"),
            Got(false) => write!(f, "the call returned a guard that is consistent"),
            Busy => write!(f, "try_lock returned None"),
            Failed(number) => write!(f, "the call failed with {}", Errno::from_raw(*number)),
            Is(true) => write!(f, "is_inconsistent returned true"),
            Is(false) => write!(f, "is_inconsistent returned false"),
            Bytes(all) => {
                let some = &all[..all.len().min(32)];
                write!(f, "the guard gave {} bytes: {some:?}", all.len())
            }
            Done => write!(f, "the step was done"),
            Waits => write!(f, "the process waits in the call"),
            Ended => write!(f, "the process has ended"),
            Panicked => write!(f, "the call panicked"),
            Restless => write!(f, "the waiting process used the CPU again and again"),
            Hesitated => write!(
                f,
                "the waiting process woke up again and again before it took the free lock"
            ),
            Changed => write!(
                f,
                "the step changed the signal mask or a handler of the process"
            ),
            Second => write!(f, "there is no second guard"),
        }
    }
}

// ----------------------------------------------------------------- the players

/// Numbers in memory that all processes of a subject share: how often a handler
/// has run, and what the tests without a scene count.
fn shared(which: usize) -> &'static AtomicU32 {
    static PAGE: OnceLock<usize> = OnceLock::new();
    let address = PAGE.get_or_init(|| {
        let length = NonZeroUsize::new(4096).expect("not zero");
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory that nobody else uses.
        let page = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) };
        page.expect("a page").as_ptr().expose_provenance()
    });
    let first: *const AtomicU32 = std::ptr::with_exposed_provenance(*address);
    assert!(which < 1024);
    // SAFETY: within the page, aligned, zeroed by the kernel, and never unmapped.
    unsafe { &*first.add(which) }
}

extern "C" fn count(_: i32) {
    shared(0).fetch_add(1, SeqCst);
}

/// The signal mask of the process and its handlers.
fn signals() -> (Vec<bool>, Vec<usize>) {
    // SAFETY: both structures are valid when all their bytes are zero, and the
    // calls only fill them.
    unsafe {
        let mut mask: libc::sigset_t = mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
        let blocked = (1..=64).map(|signal| libc::sigismember(&raw const mask, signal) == 1);
        let handlers = (1..=64).map(|signal| {
            let mut action: libc::sigaction = mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            action.sa_sigaction
        });
        (blocked.collect(), handlers.collect())
    }
}

/// The pipes of a player.
struct Pipes {
    orders: (PipeReader, PipeWriter),
    answers: (PipeReader, PipeWriter),
}

struct Stage {
    locks: Vec<RobustLock>,
    steps: Vec<Step>,
    /// Pipes of players that are not forked yet.
    prepared: RefCell<BTreeMap<usize, Pipes>>,
}

/// CPU time.
fn seconds(who: UsageWho) -> i64 {
    let used = getrusage(who).expect("the usage");
    used.user_time().tv_sec() + used.system_time().tv_sec()
}

/// Makes the mark when it is dropped.
struct Repairs<'a>(&'a RobustLock);

impl std::ops::Drop for Repairs<'_> {
    fn drop(&mut self) {
        if let Ok(mut guard) = self.0.lock() {
            guard.mark_consistent();
        }
    }
}

/// A player can have so many guards.
const PLACES: usize = 100;

impl Stage {
    /// Forks a player with copies of these guards. The pipes' ends that belong to
    /// the player are then open nowhere else.
    fn fork<'a>(
        &'a self,
        player: usize,
        guards: &mut [Option<Guard<'a>>],
    ) -> (Pid, PipeReader, PipeWriter) {
        let pipes = self.prepared.borrow_mut().remove(&player).expect("pipes");
        let (orders, order) = pipes.orders;
        let (answer, answers) = pipes.answers;
        let mut ends = Some((orders, answers));
        let pid = other_child(|| {
            let (orders, answers) = ends.take().expect("the player's ends");
            let mine = self.descendants(player);
            self.prepared
                .borrow_mut()
                .retain(|one, _| mine.contains(one));
            // The kernel shows the name in brackets, before the state of the process.
            let name = [c"a) S 1 (b", c"a) Z 1 (b"][player % 2];
            let _ = set_name(name);
            let _ = SigSet::from(Signal::SIGUSR2).thread_block();
            self.live(orders, answers, guards)
        });
        (pid, answer, order)
    }

    /// A player's life: it takes numbers of steps, and answers.
    fn live<'a>(
        &'a self,
        mut orders: PipeReader,
        mut answers: PipeWriter,
        guards: &mut [Option<Guard<'a>>],
    ) -> u8 {
        let mut number = [0; 4];
        while orders.read_exact(&mut number).is_ok() {
            let number = u32::from_le_bytes(number) as usize;
            let (Tell(_, what) | Begin(_, what)) = &self.steps[number] else {
                return 1;
            };
            // It has begun.
            let _ = answers.write_all(b"!");
            let before = signals();
            let said = catch_unwind(AssertUnwindSafe(|| self.act(what, guards)));
            let said = match signals() == before || matches!(what, Handle(_)) {
                true => said.unwrap_or(Panicked),
                false => Changed,
            };
            let (kind, bytes) = pack(said);
            let length = (bytes.len() as u32).to_le_bytes();
            let all = [&[kind][..], &length, &bytes].concat();
            let _ = answers.write_all(&all);
        }
        0
    }

    fn act<'a>(&'a self, what: &Do, guards: &mut [Option<Guard<'a>>]) -> Said {
        let failed = |error: std::io::Error| Failed(error.raw_os_error().unwrap_or(0));
        let guard =
            |place: usize, guards: &mut [Option<Guard<'a>>]| guards[place].take().expect("a guard");
        match what {
            Lock(lock, place) => match self.locks[*lock].lock() {
                Ok(guard) => {
                    let said = Got(guard.is_inconsistent());
                    guards[*place] = Some(guard);
                    said
                }
                Err(error) => failed(error),
            },
            Try(lock, place) => match self.locks[*lock].try_lock() {
                Ok(Some(guard)) => {
                    let said = Got(guard.is_inconsistent());
                    guards[*place] = Some(guard);
                    said
                }
                Ok(None) => Busy,
                Err(error) => failed(error),
            },
            Drop(place) => {
                drop(guard(*place, guards));
                Done
            }
            Forget(place) => {
                mem::forget(guard(*place, guards));
                Done
            }
            Mark(place) => {
                guards[*place].as_mut().expect("a guard").mark_consistent();
                Done
            }
            Ask(place) => Is(guards[*place].as_ref().expect("a guard").is_inconsistent()),
            Write(place, bytes) => {
                guards[*place]
                    .as_mut()
                    .expect("a guard")
                    .copy_from_slice(bytes);
                Done
            }
            Read(place) => Bytes(guards[*place].as_ref().expect("a guard").to_vec()),
            Panic(lock) => {
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    let _guard = self.locks[*lock].lock();
                    resume_unwind(Box::new(7));
                }));
                if unwound.is_err() { Done } else { Panicked }
            }
            Repair(lock) => {
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    let _repairs = Repairs(&self.locks[*lock]);
                    resume_unwind(Box::new(7));
                }));
                if unwound.is_err() { Done } else { Panicked }
            }
            Repeat(lock, times) => {
                // A lock that needs much CPU time is taken less often.
                let mut all = (0..*times)
                    .take_while(|round| round % 1024 > 0 || seconds(UsageWho::RUSAGE_SELF) < 2)
                    .map(|_| self.locks[*lock].lock().map(drop));
                all.find_map(Result::err).map_or(Done, failed)
            }
            Fork(player) => {
                let (pid, ..) = self.fork(*player, guards);
                Bytes(pid.as_raw().to_le_bytes().to_vec())
            }
            Exit(code) => std::process::exit(*code),
            DropLock(lock) => {
                // SAFETY: the player never uses this lock again, and it ends without
                // dropping the stage.
                drop(unsafe { std::ptr::read(&raw const self.locks[*lock]) });
                Done
            }
            Handle(flags) => {
                let flags = SaFlags::from_bits_truncate(*flags);
                on_signal(Signal::SIGUSR1, SigHandler::Handler(count), flags);
                Done
            }
        }
    }

    /// The players that this player forks, directly or not.
    fn descendants(&self, player: usize) -> Vec<usize> {
        let mut all = Vec::new();
        for step in &self.steps {
            if let Tell(parent, Fork(child)) = step
                && (*parent == player || all.contains(parent))
            {
                all.push(*child);
            }
        }
        all
    }
}

fn pack(said: Said) -> (u8, Vec<u8>) {
    match said {
        Got(is) => (0, vec![u8::from(is)]),
        Is(is) => (1, vec![u8::from(is)]),
        Busy => (2, vec![]),
        Failed(number) => (3, number.to_le_bytes().to_vec()),
        Bytes(bytes) => (4, bytes),
        Done => (5, vec![]),
        Changed => (7, vec![]),
        _ => (6, vec![]),
    }
}

fn unpack(kind: u8, bytes: Vec<u8>) -> Said {
    match kind {
        0 => Got(bytes[0] == 1),
        1 => Is(bytes[0] == 1),
        2 => Busy,
        3 => Failed(number(&bytes)),
        4 => Bytes(bytes),
        5 => Done,
        7 => Changed,
        _ => Panicked,
    }
}

fn number(bytes: &[u8]) -> i32 {
    i32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

// ---------------------------------------------------------------- the director

struct Player {
    pid: Pid,
    answer: PipeReader,
    order: PipeWriter,
    has_begun: bool,
    /// It used much of the CPU before it slept.
    has_spun: bool,
    onlooker: Onlooker,
}

impl Player {
    fn new(pid: Pid, answer: PipeReader, order: PipeWriter) -> Player {
        let onlooker = Onlooker::of_process(pid.as_raw());
        Player {
            pid,
            answer,
            order,
            has_begun: false,
            has_spun: false,
            onlooker,
        }
    }

    fn order(&mut self, number: usize) {
        self.has_begun = false;
        let _ = self.order.write_all(&(number as u32).to_le_bytes());
    }

    /// Waits until the player has read its order.
    fn begins(&mut self) -> bool {
        self.has_begun = self.has_begun || self.answer.read_exact(&mut [0]).is_ok();
        self.has_begun
    }

    fn hear(&mut self) -> Said {
        let mut head = [0; 5];
        if !self.begins() || self.answer.read_exact(&mut head).is_err() {
            self.ends();
            return Ended;
        }
        let length = u32::from_le_bytes(head[1..].try_into().expect("four bytes"));
        let mut bytes = vec![0; length as usize];
        match self.answer.read_exact(&mut bytes) {
            Ok(()) => unpack(head[0], bytes),
            Err(_) => Ended,
        }
    }

    fn look(&mut self) -> Said {
        if self.begins() {
            let (before, switches) = (self.cpu(), self.all_switches());
            self.onlooker.until_it_waits();
            self.has_spun |= self.cpu() >= before + 8_000_000;
            self.has_spun |= self.all_switches() >= switches + 18;
        }
        if is_ready(self.answer.as_fd(), PollTimeout::ZERO) {
            self.hear()
        } else {
            Waits
        }
    }

    /// A descriptor that becomes readable when the process ends.
    fn pidfd(&self) -> OwnedFd {
        // SAFETY: takes numbers, and makes a new descriptor.
        unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, self.pid.as_raw(), 0);
            OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor"))
        }
    }

    /// Waits until the process is a zombie.
    fn ends(&self) {
        is_ready(self.pidfd().as_fd(), PollTimeout::NONE);
    }

    fn interrupt(&mut self) {
        let before = shared(0).load(SeqCst);
        let has_run = || shared(0).load(SeqCst) != before;
        let end = self.pidfd();
        let _ = kill(self.pid, Signal::SIGUSR1);
        while !has_run() && !is_ready(end.as_fd(), PollTimeout::ZERO) {
            yield_now();
        }
        self.onlooker.until_it_waits();
    }

    fn status(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default()
    }

    fn switches(&self) -> u64 {
        self.count("\nvoluntary_ctxt_switches:")
    }

    fn all_switches(&self) -> u64 {
        self.switches() + self.count("\nnonvoluntary_ctxt_switches:")
    }

    fn count(&self, name: &str) -> u64 {
        let status = self.status();
        let rest = status.split_once(name).map_or("", |(_, rest)| rest);
        first_number(rest)
    }

    /// The CPU time in nanoseconds, or 0 where the kernel does not count it.
    fn cpu(&self) -> u64 {
        let path = format!("/proc/{}/schedstat", self.pid);
        first_number(&std::fs::read_to_string(path).unwrap_or_default())
    }

    fn sleeps(&self) -> bool {
        !self.status().contains("\nState:\tR")
    }
}

fn first_number(text: &str) -> u64 {
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn is_ready(fd: std::os::fd::BorrowedFd<'_>, timeout: PollTimeout) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
}

/// In the subject: performs a scene with locks of these sizes and so many
/// players that the director forks. The others are forked by players. After the
/// first step that comes to something else than it must, the scene is over.
fn perform((sizes, players, steps, digests): Question) -> Vec<Said> {
    let locks: std::io::Result<Vec<_>> = sizes.into_iter().map(RobustLock::create).collect();
    let locks = match locks {
        Ok(locks) => locks,
        Err(error) => return vec![Failed(error.raw_os_error().unwrap_or(0))],
    };
    // It makes the page before the players need it.
    shared(0).store(0, SeqCst);
    // A player whose parent has ended is then a child of the director.
    set_child_subreaper(true).expect("Linux has this");
    let stage = Stage {
        locks,
        steps,
        prepared: RefCell::default(),
    };
    let mut cast: BTreeMap<usize, Player> = BTreeMap::new();
    for player in 1..=players {
        let family = [vec![player], stage.descendants(player)].concat();
        let mut ends = Vec::new();
        for one in &family {
            let (orders, answers) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
            let copies = (answers.0.try_clone(), orders.1.try_clone());
            ends.push((*one, copies.0.expect("a copy"), copies.1.expect("a copy")));
            stage
                .prepared
                .borrow_mut()
                .insert(*one, Pipes { orders, answers });
        }
        let mut places: Vec<Option<Guard<'_>>> = (0..PLACES).map(|_| None).collect();
        let (pid, ..) = stage.fork(player, &mut places);
        stage.prepared.borrow_mut().clear();
        for (one, answer, order) in ends {
            cast.insert(one, Player::new(pid, answer, order));
        }
    }
    let mut said = Vec::new();
    for (number, step) in stage.steps.iter().enumerate() {
        said.push(direct(&mut cast, number, step));
        if digest(&said[number]) != digests[number] {
            break;
        }
    }
    for player in cast.values() {
        let _ = kill(player.pid, Signal::SIGKILL);
    }
    for player in cast.values() {
        let _ = waitpid(player.pid, None);
    }
    said
}

/// Looks whether these players sleep, and did so soon after they began to wait.
/// Only what was measured counts: a slow machine allows more.
fn watch(players: &[&Player], milliseconds: u64) -> Said {
    let before: Vec<u64> = players.iter().map(|one| one.switches()).collect();
    let began = Instant::now();
    let mut slept = vec![false; players.len()];
    for _ in 0..10 {
        sleep(Duration::from_millis(milliseconds) / 10);
        for (slept, one) in slept.iter_mut().zip(players) {
            *slept |= one.sleeps();
        }
    }
    let woke = players.iter().zip(before);
    let woke = woke
        .map(|(one, before)| one.switches().saturating_sub(before))
        .max();
    let allowed = 2 + began.elapsed().as_millis() as u64 * 40 / 1000;
    let has_spun = players.iter().any(|one| one.has_spun);
    match !has_spun && slept.iter().all(|one| *one) && woke <= Some(allowed) {
        true => Done,
        false => Restless,
    }
}

/// The first of these players that has an answer gets the number of the first.
fn first(cast: &mut BTreeMap<usize, Player>, players: &[usize]) -> Said {
    let answers = players.iter().map(|one| cast[one].answer.as_fd());
    let mut fds: Vec<_> = answers
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    let _ = poll(&mut fds, PollTimeout::NONE);
    let place = fds.iter().position(|fd| fd.any() == Some(true));
    let (first, winner) = (players[0], players[place.unwrap_or(0)]);
    drop(fds);
    if first != winner {
        let (one, other) = (cast.remove(&first), cast.remove(&winner));
        cast.extend(other.map(|player| (first, player)));
        cast.extend(one.map(|player| (winner, player)));
    }
    cast.get_mut(&first).expect("a player").hear()
}

fn direct(cast: &mut BTreeMap<usize, Player>, number: usize, step: &Step) -> Said {
    if let First(players) = step {
        return first(cast, players);
    }
    if let Watch(players, milliseconds) = step {
        let players: Vec<&Player> = players.iter().map(|one| &cast[one]).collect();
        return watch(&players, *milliseconds);
    }
    let (Tell(who, _)
    | Begin(who, _)
    | Hear(who)
    | Next(who)
    | Look(who)
    | Kill(who, _)
    | Reap(who)) = step
    else {
        let (Stop(who) | Continue(who) | Interrupt(who, _)) = step else {
            unreachable!("all steps")
        };
        let player = cast.get_mut(who).expect("a player");
        match step {
            Stop(_) => {
                let _ = kill(player.pid, Signal::SIGSTOP);
                player.onlooker.until_it_stops();
            }
            Continue(_) => _ = kill(player.pid, Signal::SIGCONT),
            Interrupt(_, times) => (0..*times).for_each(|_| player.interrupt()),
            _ => {}
        }
        return Done;
    };
    let player = cast.get_mut(who).expect("a player");
    match step {
        Tell(_, what) => {
            player.order(number);
            let said = player.hear();
            if let (Fork(child), Bytes(pid)) = (what, &said) {
                let pid = Pid::from_raw(self::number(pid));
                let child = cast.get_mut(child).expect("a player");
                child.pid = pid;
                child.onlooker = Onlooker::of_process(pid.as_raw());
                return Done;
            }
            return said;
        }
        Begin(_, what) => {
            player.order(number);
            if matches!(what, Try(..)) {
                // It may have spun in an earlier call, and has not in this one.
                player.onlooker = Onlooker::of_process(player.pid.as_raw());
            }
            return player.look();
        }
        Hear(_) => return player.hear(),
        Next(_) => {
            let before = player.switches();
            let said = player.hear();
            // One to look at the lock, and one to wait for its next order.
            return match player.switches() <= before + 6 {
                true => said,
                false => Hesitated,
            };
        }
        Look(_) => return player.look(),
        Kill(_, signal) => {
            let signal = Signal::try_from(*signal).expect("a signal");
            let _ = kill(player.pid, signal);
            player.ends();
        }
        Reap(_) => _ = waitpid(player.pid, None),
        _ => {}
    }
    Done
}

// ------------------------------------------------------------------- the judge

/// What the players do, and what must come of it.
#[derive(Default)]
struct Scene {
    sizes: Vec<usize>,
    players: usize,
    steps: Vec<Step>,
    expected: Vec<(Said, String)>,
}

/// Sizes of locks, players that the director forks, and the steps, with a digest
/// of what each of them must come to.
type Question = (Vec<usize>, usize, Vec<Step>, Vec<u64>);

/// By this the director sees that a step came to something else. What it must
/// come to, only the judge knows.
fn digest(said: &Said) -> u64 {
    let mut hasher = DefaultHasher::new();
    said.hash(&mut hasher);
    hasher.finish()
}

/// A scene with locks of 16 bytes, and with players, who are counted from 1. Each
/// line is a step, what it must come to, and why.
macro_rules! scene {
    ($locks:literal $lock:ident, $players:literal $player:ident:
     $($step:expr => $said:expr, $because:expr;)*) => {
        Scene { sizes: vec![16; $locks], players: $players, ..Scene::default() }
            $(.then($step, $said, $because))*
    };
}

/// A player locks the only lock.
fn lock(player: usize) -> Step {
    Tell(player, Lock(0, 0))
}

/// A player begins to lock the only lock.
fn wait(player: usize) -> Step {
    Begin(player, Lock(0, 0))
}

fn attempt(player: usize) -> Step {
    Begin(player, Try(0, 0))
}

fn release(player: usize) -> Step {
    Tell(player, Drop(0))
}

impl Scene {
    /// A step that must come to this, `because`.
    fn then(mut self, step: Step, said: Said, because: &str) -> Scene {
        self.steps.push(step);
        self.expected.push((said, because.to_owned()));
        self
    }

    /// These steps first, and then those of `last`, with its locks and players.
    fn append(self, last: Scene) -> Scene {
        Scene {
            steps: [self.steps, last.steps].concat(),
            expected: [self.expected, last.expected].concat(),
            ..last
        }
    }

    /// Lets the subject perform it. `hang` says what it means if a call does not
    /// return.
    #[track_caller]
    fn judge(&self, subject: &mut Subject<Question, Vec<Said>>, hang: &str) {
        let digests = self.expected.iter().map(|(said, _)| digest(said)).collect();
        let steps = self.steps.clone();
        let question = (self.sizes.clone(), self.players, steps, digests);
        let answer = ask(subject, &question, hang);
        if let [Failed(number)] = answer.value[..] {
            panic!("create failed with {}", Errno::from_raw(number));
        }
        for (said, (expected, because)) in answer.value.iter().zip(&self.expected) {
            let is_right = match expected {
                Second => matches!(said, Waits | Failed(_)),
                expected => said == expected,
            };
            assert!(is_right, "{because}; but {said}");
        }
        assert_eq!(answer.value.len(), self.steps.len(), "steps of the scene");
        let forks = self.steps.iter();
        let forks = forks.filter(|step| matches!(step, Tell(_, Fork(_))));
        nothing_is_left(&answer, self.players + forks.count());
    }
}

#[track_caller]
fn ask<Q, A>(subject: &mut Subject<Q, A>, question: &Q, hang: &str) -> Answer<A>
where
    Q: Serialize + DeserializeOwned + fmt::Debug,
    A: Serialize + DeserializeOwned + fmt::Debug,
{
    let answer = subject.try_ask(question);
    answer.unwrap_or_else(|failing| Gate::explained(failing, hang).end())
}

/// Everything is as before the question, and only the test started processes.
#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>, processes: usize) {
    let evidence = &answer.evidence;
    // `None` where the machine forbids to count.
    if let (Some(started), Some(threads)) = (evidence.processes_started, evidence.threads_started) {
        let more = (started as usize).saturating_sub(processes);
        assert!(
            more == 0 && threads == 0,
            "the code started {more} processes and {threads} threads: a lock needs none"
        );
    }
    answer.nothing_is_left("the locks are dropped and all processes have ended");
}

const HANGS: &str = "a process waits for ever for a lock that no process holds";
const NEW: &str = "a new lock is free and consistent";
const HELD: &str = "another process holds the lock";
const FREE: &str = "the process that held the lock has dropped its guard";
const DEAD: &str =
    "the process that held the lock has ended, and no process has made a mark since then";
const MARKED: &str =
    "a process has made the mark, and since then no process has ended while it held the lock";

// ------------------------------------------------------- the lock and its bytes

#[proctor::test(clauses = [1, 11], subject = |scene: Question| perform(scene))]
fn a_new_lock_is_free_and_its_bytes_are_shared(mut subject: Subject) {
    let some = proctor::rng().usize(100..4000);
    for size in [0, 1, 7, some, 4096, 4097, 100_003] {
        let random = || -> Vec<u8> { std::iter::repeat_with(proctor::random).take(size).collect() };
        let (one, two) = (random(), random());
        let zeros = format!("the bytes of a new lock are {size} zeros");
        let mut scene = scene! { 1 lock, 2 players:
            lock(1) => Got(false), NEW;
            Tell(1, Read(0)) => Bytes(vec![0; size]), &zeros;
            Tell(1, Write(0, one.clone())) => Done, "a guard gives access to the bytes";
            release(1) => Done, FREE;
            lock(2) => Got(false), FREE;
            Tell(2, Read(0)) => Bytes(one), "a process sees the bytes that another process has written";
            Tell(2, Write(0, two.clone())) => Done, "a guard gives access to the bytes";
            release(2) => Done, FREE;
            lock(1) => Got(false), FREE;
            Tell(1, Read(0)) => Bytes(two), "a process sees the bytes that another process has written";
        };
        scene.sizes = vec![size];
        scene.judge(&mut subject, HANGS);
    }
}

/// Adds 1 to both numbers in the bytes. Returns whether they were different.
fn add_one(guard: &mut Guard<'_>) -> bool {
    let (first, second) = guard.split_at_mut(8);
    let (one, two) = (as_u64(first), as_u64(second));
    first.copy_from_slice(&(one + 1).to_le_bytes());
    std::hint::black_box(&mut *first);
    (0..20).for_each(|_| std::hint::spin_loop());
    second.copy_from_slice(&(two + 1).to_le_bytes());
    one != two
}

fn as_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

#[proctor::test(clauses = [1, 2, 11, 13], subject = |(processes, rounds): (u32, u32)| -> (u32, [u32; 2], u64, u64) {
    let lock = RobustLock::create(16).expect("a lock");
    shared(1).store(0, SeqCst);
    shared(3).store(0, SeqCst);
    let work = || {
        for round in 0..rounds {
            let taken = loop {
                if round % 4 > 0 {
                    break lock.lock();
                }
                match lock.try_lock().transpose() {
                    Some(taken) => break taken,
                    None => yield_now(),
                }
            };
            let Ok(mut guard) = taken else { return 1 };
            proctor::jostle();
            shared(1).fetch_add(add_one(&mut guard).into(), SeqCst);
            shared(3).fetch_add(guard.is_inconsistent().into(), SeqCst);
        }
        0
    };
    let children: Vec<Pid> = (0..processes).map(|_| other_child(work)).collect();
    let mut errors = 0;
    for child in children {
        errors += u32::from(!matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))));
    }
    let guard = lock.lock().expect("the lock");
    (errors, [1, 3].map(|count| shared(count).load(SeqCst)), as_u64(&guard[..8]), as_u64(&guard[8..]))
})]
fn no_update_of_four_processes_is_lost(mut subject: Subject) {
    let (processes, rounds) = (4, 300);
    let answer = ask(&mut subject, &(processes, rounds), HANGS);
    let (errors, [torn, inconsistent], one, two) = answer.value;
    assert!(
        errors == 0,
        "in {errors} of {processes} processes that use the lock at the same time, a call failed, or a signal ended the process"
    );
    assert!(
        torn == 0,
        "{} a process that had a guard found that the two numbers in the bytes were different, although each process adds 1 to both before it drops its guard. So two processes had a guard at the same time, or one did not see what another had written",
        proctor::count(torn as usize, "time")
    );
    assert!(
        inconsistent == 0,
        "{} a guard was inconsistent, although no process has ended while it held the lock",
        proctor::count(inconsistent as usize, "time")
    );
    let sum = u64::from(processes * rounds);
    assert!(
        (one, two) == (sum, sum),
        "{processes} processes added 1 to two numbers {rounds} times each, and the numbers are {one} and {two}: updates are lost"
    );
    nothing_is_left(&answer, processes as usize);
}

#[proctor::test(clauses = [2, 13], subject = |scene: Question| perform(scene))]
fn a_process_that_holds_the_lock_gets_no_second_guard(mut subject: Subject) {
    let itself = "the process itself holds the lock already";
    scene! { 1 lock, 3 players:
        lock(1) => Got(false), NEW;
        Begin(1, Try(0, 1)) => Busy, itself;
        release(1) => Done, FREE;
        lock(1) => Got(false), FREE;
        release(1) => Done, FREE;
        Tell(2, Try(0, 0)) => Got(false), FREE;
        Begin(2, Try(0, 1)) => Busy, itself;
        attempt(3) => Busy, HELD;
        release(2) => Done, FREE;
        attempt(2) => Got(false), FREE;
        Begin(2, Try(0, 1)) => Busy, itself;
        release(2) => Done, FREE;
        lock(3) => Got(false), FREE;
        wait(2) => Waits, HELD;
        attempt(1) => Busy, HELD;
        Begin(3, Try(0, 1)) => Busy, itself;
        Kill(2, 9) => Done, "";
        Begin(3, Try(0, 1)) => Busy, itself;
        wait(1) => Waits, HELD;
        Begin(3, Lock(0, 1)) => Second, "a process that holds the lock called lock again: a second guard would be a second reference to the same bytes";
    }
    .judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [1, 3, 4, 8, 13], subject = |scene: Question| perform(scene))]
fn locks_are_independent(mut subject: Subject) {
    let several = "a process may hold several locks at the same time";
    let other = "the process has only dropped the guard of another lock";
    let bytes: Vec<Vec<u8>> = (0..4).map(|n| vec![n + 1; 16]).collect();
    let write = |n: usize| Tell(1, Write(n, bytes[n].clone()));
    let read = |n: usize| Bytes(bytes[n].clone());
    let own = "each lock has bytes of its own";
    let mut first = Scene::default();
    for n in 0..4 {
        first = first
            .then(Tell(1, Lock(n, n)), Got(false), several)
            .then(write(n), Done, own);
    }
    first.append(scene! { 4 locks, 3 players:
        Tell(1, Drop(1)) => Done, "guards may be dropped in any order";
        Tell(2, Lock(1, 1)) => Got(false), FREE;
        Tell(2, Read(1)) => read(1), own;
        Begin(2, Try(0, 0)) => Busy, other;
        Begin(2, Try(2, 2)) => Busy, other;
        Tell(1, Drop(3)) => Done, "guards may be dropped in any order";
        Begin(2, Lock(2, 2)) => Waits, other;
        Begin(3, Lock(0, 0)) => Waits, other;
        Kill(1, 9) => Done, "";
        Hear(2) => Got(true), "the process that was killed held this lock too";
        Hear(3) => Got(true), "the process that was killed held this lock too";
        Tell(3, Lock(3, 3)) => Got(false), "the process that was killed had dropped the guard of this lock before";
        Tell(2, Ask(1)) => Is(false), "the process that was killed had dropped the guard of this lock before";
        Tell(2, Mark(2)) => Done, "";
        Tell(3, Ask(0)) => Is(true), "the mark was for another lock";
        Tell(3, Read(0)) => read(0), own;
        Tell(2, Read(2)) => read(2), own;
    })
    .judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [3, 4, 8, 13], subject = |scene: Question| perform(scene))]
fn a_process_may_hold_a_hundred_locks(mut subject: Subject) {
    let many = "a process may hold up to 100 locks at the same time";
    let order = "the process that was killed had dropped the guard of this lock before";
    let mut locks: Vec<usize> = (0..PLACES).collect();
    proctor::rng().shuffle(&mut locks);
    let (dropped, held) = locks.split_at(30);
    let mut scene = Scene {
        sizes: vec![8; 2 * PLACES],
        players: 2,
        ..Scene::default()
    };
    for n in 0..PLACES {
        scene = scene.then(Tell(1, Lock(n, n)), Got(false), many);
    }
    // The child of a process with 100 locks holds none of them.
    scene = scene.then(Tell(1, Fork(3)), Done, "");
    for n in 0..PLACES {
        scene = scene
            .then(
                Tell(3, Drop(n)),
                Done,
                "a child may drop its copy of a guard",
            )
            .then(Tell(3, Lock(PLACES + n, n)), Got(false), many);
    }
    for n in dropped {
        scene = scene.then(
            Tell(1, Drop(*n)),
            Done,
            "guards may be dropped in any order",
        );
    }
    scene = scene
        .then(Begin(2, Lock(held[0], held[0])), Waits, HELD)
        .then(Kill(1, 9), Done, "")
        .then(Hear(2), Got(true), DEAD);
    for n in dropped {
        scene = scene.then(Tell(2, Try(*n, *n)), Got(false), order);
    }
    for n in &held[1..] {
        scene = scene.then(Tell(2, Try(*n, *n)), Got(true), DEAD);
    }
    scene = scene
        .then(Tell(2, Drop(0)), Done, "")
        .then(Tell(2, Try(PLACES, 0)), Busy, HELD);
    scene.judge(&mut subject, HANGS);
}

/// What a child does that makes a lock of its own. Returns 0, or where it failed.
fn make_own(common: &RobustLock, number: u8, ready: &mut PipeWriter, go: &mut PipeReader) -> u8 {
    for fd in 0..3 {
        // SAFETY: this process uses none of them.
        unsafe { libc::close(fd) };
    }
    let had = descriptors();
    let Ok(own) = RobustLock::create(16) else {
        return 1;
    };
    if descriptors().iter().any(|one| one.1 && !had.contains(one)) {
        return 6;
    }
    let Ok(Some(mut guard)) = own.try_lock() else {
        return 2;
    };
    if guard[..] != [0; 16] || guard.is_inconsistent() {
        return 3;
    }
    if !matches!(common.try_lock(), Ok(None)) {
        return 4;
    }
    guard.fill(number);
    let _ = ready.write(&[0]);
    let _ = go.read(&mut [0]);
    if number == 3 {
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
    let heir = other_child(|| match own.lock() {
        Ok(heirs) => u8::from(heirs[..] != [number; 16] || heirs.is_inconsistent()),
        Err(_) => 1,
    });
    drop(guard);
    match waitpid(heir, None) {
        Ok(WaitStatus::Exited(_, 0)) => 0,
        _ => 5,
    }
}

#[proctor::test(clauses = [1, 3, 9, 10], subject = |(): ()| -> Vec<i32> {
    let common = RobustLock::create(16).expect("a lock");
    let guard = common.lock().expect("the lock");
    let ((mut is_ready, mut ready), (mut go, mut start)) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
    let children: Vec<Pid> = (1..=3)
        .map(|number| other_child(|| make_own(&common, number, &mut ready, &mut go)))
        .collect();
    drop(ready);
    // The end of a child that fails comes early, too.
    let mut all = [0; 3];
    let _ = is_ready.read_exact(&mut all);
    let _ = start.write(&all);
    drop(guard);
    let ends = children.into_iter().map(|child| match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => code,
        Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => 0,
        _ => -1,
    });
    ends.collect()
})]
fn each_process_can_make_locks(mut subject: Subject) {
    let hangs = "three processes each made a lock of their own, and a process waits for ever for a lock that no other process knows, or that no process holds";
    let answer = ask(&mut subject, &(), hangs);
    for end in &answer.value {
        let what = match end {
            0 => continue,
            1 => "create failed (the descriptors 0, 1 and 2 were free)",
            2 => "try_lock gave no guard, although no other process knew the lock",
            3 => "its bytes were not zero, or its guard was inconsistent",
            4 => "after that it got the lock that another process held",
            5 => "its child found wrong bytes or an inconsistent guard, or could not lock it",
            6 => {
                "a descriptor of the lock was not close-on-exec (the descriptors 0, 1 and 2 were free)"
            }
            _ => "a signal ended the process",
        };
        panic!("three processes each made a lock of their own, and in one of them {what}");
    }
    nothing_is_left(&answer, 5);
}

// ---------------------------------------------------- holders that die or stop

#[proctor::test(clauses = [1, 4, 8, 13], subject = |scene: Question| perform(scene))]
fn a_holder_that_ends_releases_the_lock(mut subject: Subject) {
    let code = proctor::rng().i32(1..200);
    let signals = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGABRT];
    let signals = signals.map(|signal| (Kill(1, signal as i32), Done));
    let exits = [0, code].map(|code| (Tell(1, Exit(code)), Ended));
    let zombie = "the process that held the lock has ended, and no process has waited for it yet: a zombie holds no lock";
    for (end, said) in signals.into_iter().chain(exits) {
        scene! { 1 lock, 2 players:
            lock(1) => Got(false), NEW;
            Tell(1, Write(0, vec![7; 16])) => Done, "";
            wait(2) => Waits, HELD;
            end.clone() => said.clone(), "";
            Hear(2) => Got(true), DEAD;
            Tell(2, Read(0)) => Bytes(vec![7; 16]), "the bytes are as the dead process has left them";
        }
        .judge(&mut subject, &format!("{HANGS}: {DEAD}"));
        scene! { 1 lock, 4 players:
            lock(1) => Got(false), NEW;
            end => said, "";
            attempt(2) => Got(true), zombie;
            Kill(2, 9) => Done, "";
            lock(3) => Got(true), zombie;
            Kill(3, 9) => Done, "";
            Reap(1) => Done, "";
            Reap(3) => Done, "";
            lock(4) => Got(true), DEAD;
        }
        .judge(&mut subject, &format!("{HANGS}: {zombie}"));
    }
}

/// Locks again and again until a signal ends it, repairs what dead processes
/// have left, and counts bytes that are half written under a consistent guard.
fn lock_until_killed(lock: &RobustLock) -> u8 {
    while lock_and_repair(lock) {
        proctor::jostle();
        shared(2).fetch_add(1, SeqCst);
    }
    1
}

fn lock_and_repair(lock: &RobustLock) -> bool {
    let Ok(mut guard) = lock.lock() else {
        return false;
    };
    if guard.is_inconsistent() {
        guard.fill(0);
        guard.mark_consistent();
    }
    if add_one(&mut guard) {
        shared(1).fetch_add(1, SeqCst);
    }
    true
}

/// Processes that did not wait although another process held the lock: how many got
/// a guard, how many got an error, and how many panicked or were ended by a signal.
type DidNotWait = [u32; 3];

/// Lets so many processes wait for a lock that this process holds, kills all of
/// them, and counts those that did not wait until then. If earlier ones have used
/// much CPU time, because they do not sleep, it does nothing.
fn killed_while_they_wait(lock: &RobustLock, waiters: u32, count: &mut DidNotWait) {
    if seconds(UsageWho::RUSAGE_CHILDREN) > 0 {
        return;
    }
    let wait = || match lock.lock() {
        Ok(guard) => {
            mem::forget(guard);
            0
        }
        Err(_) => 1,
    };
    let all: Vec<Pid> = (0..waiters).map(|_| other_child(wait)).collect();
    for waiter in &all {
        Onlooker::of_process(waiter.as_raw()).until_it_waits();
        let _ = kill(*waiter, Signal::SIGKILL);
    }
    for waiter in all {
        match waitpid(waiter, None) {
            Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => {}
            Ok(WaitStatus::Exited(_, 0)) => count[0] += 1,
            Ok(WaitStatus::Exited(_, 1)) => count[1] += 1,
            _ => count[2] += 1,
        }
    }
}

#[proctor::test(clauses = [4, 5, 6, 8, 11], slow = true, subject = |(pauses, waiters): (Vec<u32>, u32)| -> (u32, u32, DidNotWait) {
    let lock = RobustLock::create(16).expect("a lock");
    shared(1).store(0, SeqCst);
    let guard = lock.lock().expect("the lock");
    let (mut errors, mut did_not_wait) = (0, [0; 3]);
    for _ in 0..waiters / 50 {
        killed_while_they_wait(&lock, 50, &mut did_not_wait);
    }
    drop(guard);
    // When a process is killed, only one other uses the lock. With two others, a
    // wake-up could be lost, which the contract does not cover.
    let other = other_child(|| lock_until_killed(&lock));
    for pause in &pauses {
        let before = shared(2).load(SeqCst);
        let child = other_child(|| lock_until_killed(&lock));
        while shared(2).load(SeqCst).wrapping_sub(before) < *pause {
            yield_now();
        }
        let _ = kill(child, Signal::SIGKILL);
        let _ = waitpid(child, None);
        errors += u32::from(!lock_and_repair(&lock));
    }
    let _ = kill(other, Signal::SIGKILL);
    let _ = waitpid(other, None);
    (shared(1).load(SeqCst), errors, did_not_wait)
})]
fn processes_may_be_killed_at_any_instruction(mut subject: Subject) {
    let pauses: Vec<u32> = (0..25).map(|_| proctor::rng().u32(1..12)).collect();
    let waiters = 1_100;
    let answer = ask(&mut subject, &(pauses.clone(), waiters), HANGS);
    let (torn, errors, did_not_wait) = answer.value;
    for (number, what) in did_not_wait.into_iter().zip([
        "returned a guard",
        "returned an error",
        "panicked, or a signal ended the process",
    ]) {
        assert!(
            number == 0,
            "up to {waiters} processes called lock while another process held the lock, up to 50 at the same time, and they should wait until they are killed. In {number} of them the call {what}"
        );
    }
    assert!(
        errors == 0,
        "{waiters} processes were killed while they waited for the lock, and others while they used it, and after that lock returned an error {}",
        proctor::count(errors as usize, "time")
    );
    assert!(
        torn == 0,
        "a process was killed while it changed the bytes, and the next guard was consistent although the bytes were half written"
    );
    nothing_is_left(&answer, pauses.len() + 1 + waiters as usize);
}

/// What a process does that gets the lock from a dead one and ends with it. The
/// bits of `death` say how: with `try_lock`, with a mark, with a second guard. The
/// first 268 make no mark. Returns whether each guard is inconsistent if it must be.
fn take_and_die(lock: &RobustLock, death: u32) -> Option<bool> {
    let bit = |number: u32| death >> number & 1 == 1;
    let take = |tries: bool| match tries {
        false => lock.lock().ok(),
        true => lock.try_lock().ok().flatten(),
    };
    let mut guard = take(bit(0))?;
    let mut is_right = guard.is_inconsistent() == (death > 0);
    let marks = bit(1) && death >= 268;
    if marks {
        guard.mark_consistent();
    }
    if bit(2) {
        drop(guard);
        guard = take(bit(3))?;
        is_right &= guard.is_inconsistent() == (death > 0 && !marks);
    }
    mem::forget(guard);
    Some(is_right)
}

#[proctor::test(clauses = [4, 8, 13], subject = |deaths: u32| -> (Vec<u32>, Vec<Option<bool>>) {
    let lock = RobustLock::create(16).expect("a lock");
    let mut wrong = Vec::new();
    for death in 0..deaths {
        let child = other_child(|| u8::from(take_and_die(&lock, death) != Some(true)));
        if !matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))) {
            wrong.push(death);
        }
    }
    let marked = (0..2).map(|_| {
        let mut guard = lock.lock().ok()?;
        let is = guard.is_inconsistent();
        guard.mark_consistent();
        Some(is)
    });
    let marked = marked.collect();
    (wrong, marked)
})]
fn the_lock_survives_hundreds_of_deaths(mut subject: Subject) {
    let deaths = 300;
    let answer = ask(&mut subject, &deaths, HANGS);
    let (wrong, marked) = &answer.value;
    assert!(
        wrong.is_empty(),
        "{deaths} processes took the lock and ended with it, one after the other, some with a mark and some after they had dropped a first guard. Counted from 0, these got no guard, or not the right one (it is inconsistent after each death): {:?}",
        &wrong[..wrong.len().min(8)]
    );
    for (found, due, which) in [(marked[0], true, "first"), (marked[1], false, "second")] {
        let got = match found {
            None => "lock returned an error instead",
            Some(true) => "it was inconsistent",
            Some(false) => "it was consistent",
        };
        assert!(
            found == Some(due),
            "{deaths} processes took the lock and ended with it. Then a process locked it, made the mark, dropped the guard and locked it again. The {which} guard should be {}, but {got}",
            if due { "inconsistent" } else { "consistent" }
        );
    }
    nothing_is_left(&answer, deaths as usize);
}

/// More instructions than a call of `lock` and the drop need.
const INSTRUCTIONS: usize = 200_000;
const BYTES: usize = 4096;

/// A new lock, which a process may have taken and died with, and the page in
/// which its bytes are.
fn taken_or_new(is_dead: bool) -> (RobustLock, usize) {
    let lock = RobustLock::create(16).expect("a lock");
    let page = lock.lock().expect("the lock").as_ptr().addr() & !(BYTES - 1);
    if is_dead {
        let child = other_child(|| {
            mem::forget(lock.lock());
            0
        });
        let _ = waitpid(child, None);
    }
    (lock, page)
}

/// A child that takes the lock and drops it, one instruction at a time. `None`
/// where that is forbidden.
fn traced(lock: &RobustLock, tries: bool) -> Option<Pid> {
    traced_child(|| {
        match tries {
            false => drop(lock.lock()),
            true => drop(lock.try_lock()),
        }
        0
    })
}

fn snapshot(page: usize, into: &mut [u8; BYTES]) {
    let page: *const u8 = std::ptr::with_exposed_provenance(page);
    // SAFETY: the page is mapped, and memcpy copes with bytes that change.
    unsafe { libc::memcpy(into.as_mut_ptr().cast(), page.cast(), BYTES) };
}

/// Whether a process had died with the lock, and whether the next one calls
/// `try_lock` instead of `lock`.
type Taken = (bool, bool);

/// After how many instructions the child is about to change the page.
fn before_changes((is_dead, tries): Taken) -> Option<Vec<usize>> {
    let (lock, page) = taken_or_new(is_dead);
    let child = traced(&lock, tries)?;
    let (mut before, mut now) = ([0; BYTES], [0; BYTES]);
    snapshot(page, &mut before);
    let mut all = Vec::new();
    for number in 0..INSTRUCTIONS {
        if step(child).is_err() {
            return Some(all);
        }
        snapshot(page, &mut now);
        if now != before {
            all.push(number);
            before = now;
        }
    }
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitpid(child, None);
    None
}

/// Interrupts a child after so many instructions. No process waits meanwhile, so
/// no wake-up can be lost. If a process died with the lock before, the child is
/// killed there. Otherwise, another process takes the
/// lock there if it can, and dies with it. Returns whether it could, and whether
/// the next guard is inconsistent (`None`: an error).
fn interrupted((is_dead, tries): Taken, instructions: usize) -> Option<(bool, Option<bool>)> {
    let (lock, _) = taken_or_new(is_dead);
    let child = traced(&lock, tries)?;
    let mut could = false;
    if (0..instructions).all(|_| step(child).is_ok()) {
        if is_dead {
            let _ = kill(child, Signal::SIGKILL);
        } else {
            let other = other_child(|| {
                let guard = lock.try_lock().ok().flatten();
                let could = u8::from(guard.is_some());
                mem::forget(guard);
                could
            });
            could = matches!(waitpid(other, None), Ok(WaitStatus::Exited(_, 1)));
            let _ = ptrace::detach(child, None);
        }
        let _ = waitpid(child, None);
    }
    let last = lock.lock().ok().map(|guard| guard.is_inconsistent());
    Some((could, last))
}

/// At which instruction, whether the other process could take the lock, and
/// whether the next guard is inconsistent.
type Interrupted = (usize, bool, Option<bool>);

#[proctor::test(clauses = [4, 6, 8, 13], slow = true, deadline = 30.0, subject = |taken: Taken| -> Option<Vec<Interrupted>> {
    let before = before_changes(taken)?;
    let after = before.iter().map(|number| number + 1).filter(|_| taken.0);
    let mut all: Vec<usize> = before.iter().copied().chain(after).collect();
    all.sort_unstable();
    all.dedup();
    // A lock has a few steps.
    let mut instructions = 0;
    let some = all.into_iter().take(32).take_while(|number| {
        instructions += number;
        instructions < 2 * INSTRUCTIONS
    });
    some.map(|number| {
        let (could, last) = interrupted(taken, number)?;
        Some((number, could, last))
    }).collect()
})]
fn a_death_in_the_middle_of_a_call_is_noted(mut subject: Subject) {
    let hangs = "a process was interrupted in the middle of lock, of try_lock or of the drop of its guard and killed, or another process took the lock meanwhile and died; now a process waits for ever";
    for taken in [(true, false), (true, true), (false, false), (false, true)] {
        let answer = ask(&mut subject, &taken, hangs);
        let (is_dead, call) = (taken.0, if taken.1 { "try_lock" } else { "lock" });
        // The machine forbids to run a child one instruction at a time.
        let Some(all) = &answer.value else { return };
        for (number, could, last) in all {
            let what = match (is_dead, could) {
                (true, _) => {
                    format!(
                        "a process had died with the lock. The next process was killed in the middle of {call}, or of the drop of its guard, and it made no mark"
                    )
                }
                (false, true) => {
                    format!(
                        "a process was interrupted in the middle of {call}, or of the drop of its guard. Meanwhile another process took the lock and died with it. Then the first process went on"
                    )
                }
                (false, false) => {
                    format!(
                        "a process was interrupted in the middle of {call}, or of the drop of its guard. Then it went on, and no process died with the lock"
                    )
                }
            };
            let found = match last {
                None => "lock returned an error",
                Some(true) => "the next guard is inconsistent",
                Some(false) => "the next guard is consistent",
            };
            assert!(
                *last == Some(is_dead || *could),
                "{what}; but {found} (after {number} instructions)"
            );
        }
        nothing_is_left(&answer, 2 + 2 * all.len());
    }
}

#[proctor::test(clauses = [1, 4, 5, 11, 12, 13], slow = true, subject = |scene: Question| perform(scene))]
fn a_stopped_holder_keeps_the_lock(mut subject: Subject) {
    let stopped =
        "the process that holds the lock is stopped, and has not ended: it will go on one day";
    let later = "some time has passed, and the process that holds the lock is still there";
    let sleeps = "a process that waits sleeps in the kernel, and looks at the lock by itself at most 40 times a second";
    scene! { 1 lock, 4 players:
        lock(1) => Got(false), NEW;
        wait(2) => Waits, HELD;
        Stop(1) => Done, "";
        Look(2) => Waits, stopped;
        wait(3) => Waits, stopped;
        attempt(4) => Busy, stopped;
        Watch(vec![2, 3], 1_100) => Done, sleeps;
        Look(2) => Waits, later;
        Look(3) => Waits, later;
        attempt(4) => Busy, later;
        Continue(1) => Done, "";
        Look(2) => Waits, HELD;
        Tell(1, Write(0, vec![3; 16])) => Done, "";
        Kill(3, 9) => Done, "";
        release(1) => Done, FREE;
        Hear(2) => Got(false), "the holder has dropped its guard: it had only been stopped";
        Tell(2, Read(0)) => Bytes(vec![3; 16]), "the holder wrote these bytes after it had been stopped";
        Stop(2) => Done, "";
        attempt(4) => Busy, stopped;
        Kill(2, 9) => Done, "";
        attempt(4) => Got(true), DEAD;
    }
    .judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [2, 4, 5, 8, 13], subject = |scene: Question| perform(scene))]
fn a_forgotten_guard_is_held_until_its_process_ends(mut subject: Subject) {
    let forgotten = "the process has forgotten its guard, and holds the lock until it ends";
    scene! { 2 locks, 3 players:
        lock(1) => Got(false), NEW;
        Tell(1, Forget(0)) => Done, "";
        attempt(2) => Busy, forgotten;
        wait(2) => Waits, forgotten;
        attempt(1) => Busy, forgotten;
        Tell(1, Lock(1, 1)) => Got(false), NEW;
        Tell(1, Drop(1)) => Done, FREE;
        Look(2) => Waits, forgotten;
        attempt(3) => Busy, forgotten;
        Tell(1, Exit(0)) => Ended, "";
        Hear(2) => Got(true), "the process that had forgotten its guard held the lock, and has ended";
    }
    .judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [4, 6, 13], subject = |scene: Question| perform(scene))]
fn a_waiter_that_is_killed_or_stopped_changes_nothing(mut subject: Subject) {
    let only = "only a process that waited for the lock was killed or stopped";
    let hangs = "a process that waited for the lock was killed or stopped, and now the others wait for ever";
    for end in [Kill(2, 9), Stop(2)] {
        scene! { 1 lock, 4 players:
            lock(1) => Got(false), NEW;
            wait(2) => Waits, HELD;
            wait(3) => Waits, HELD;
            end.clone() => Done, "";
            Look(3) => Waits, only;
            attempt(4) => Busy, only;
            release(1) => Done, FREE;
            Next(3) => Got(false), only;
            attempt(4) => Busy, HELD;
            release(3) => Done, FREE;
            lock(4) => Got(false), only;
        }
        .judge(&mut subject, hangs);
        scene! { 1 lock, 4 players:
            lock(1) => Got(false), NEW;
            wait(2) => Waits, HELD;
            end.clone() => Done, "";
            wait(3) => Waits, HELD;
            Kill(1, 9) => Done, "";
            Hear(3) => Got(true), DEAD;
            Tell(3, Mark(0)) => Done, "";
            release(3) => Done, FREE;
            attempt(4) => Got(false), only;
        }
        .judge(&mut subject, hangs);
        scene! { 1 lock, 3 players:
            lock(1) => Got(false), NEW;
            wait(2) => Waits, HELD;
            end => Done, "";
            release(1) => Done, FREE;
            attempt(1) => Got(false), only;
            release(1) => Done, FREE;
            lock(3) => Got(false), only;
        }
        .judge(&mut subject, hangs);
    }
}

// ----------------------------------------------------------------------- forks

#[proctor::test(clauses = [1, 2, 7, 13], deadline = 30.0, subject = |scene: Question| perform(scene))]
fn a_child_of_the_holder_has_only_a_copy(mut subject: Subject) {
    let copy = "the parent holds the lock, and its child has only a copy of the guard";
    let nothing = "the child has only dropped a copy of its parent's guard, and that does nothing";
    for (end, said) in [(Tell(2, Exit(0)), Ended), (Kill(2, 9), Done)] {
        scene! { 1 lock, 1 player:
            Tell(1, Fork(4)) => Done, "";
            lock(1) => Got(false), NEW;
            Tell(1, Fork(2)) => Done, "";
            Tell(1, Fork(3)) => Done, "";
            Begin(2, Try(0, 1)) => Busy, copy;
            attempt(4) => Busy, HELD;
            release(2) => Done, nothing;
            attempt(4) => Busy, nothing;
            Begin(1, Try(0, 1)) => Busy, nothing;
            wait(4) => Waits, nothing;
            end => said, "";
            Kill(3, 9) => Done, "";
            Begin(1, Try(0, 1)) => Busy, "the process itself holds the lock, and only children of it have ended";
            Look(4) => Waits, "a child of the holder has ended, and the holder has not";
            Tell(1, Write(0, vec![9; 16])) => Done, "";
            release(1) => Done, FREE;
            Hear(4) => Got(false), "only children of the holder have ended, and they had only copies of the guard";
            Tell(4, Read(0)) => Bytes(vec![9; 16]), "the holder wrote these bytes";
        }
        .judge(&mut subject, HANGS);
    }
    scene! { 1 lock, 1 player:
        Tell(1, Fork(4)) => Done, "";
        lock(1) => Got(false), NEW;
        Tell(1, Fork(2)) => Done, "";
        Tell(1, Fork(3)) => Done, "";
        Begin(2, Lock(0, 1)) => Waits, copy;
        release(1) => Done, FREE;
        Hear(2) => Got(false), FREE;
        release(2) => Done, nothing;
        attempt(4) => Busy, nothing;
        release(3) => Done, nothing;
        attempt(4) => Busy, nothing;
        Begin(2, Try(0, 2)) => Busy, nothing;
        Tell(2, Drop(1)) => Done, FREE;
        attempt(4) => Got(false), FREE;
    }
    .judge(&mut subject, HANGS);
    // Guards that are numbered, with few bits.
    let (few, many) = (1 << 8, 1 << 16);
    scene! { 2 locks, 1 player:
        Tell(1, Lock(0, 0)) => Got(false), NEW;
        Tell(1, Lock(1, 1)) => Got(false), NEW;
        Tell(1, Fork(2)) => Done, "";
        Tell(1, Drop(0)) => Done, FREE;
        Tell(1, Drop(1)) => Done, FREE;
        Tell(2, Repeat(0, few - 1)) => Done, FREE;
        Tell(2, Lock(0, 2)) => Got(false), FREE;
        Tell(2, Drop(0)) => Done, nothing;
        Begin(1, Try(0, 0)) => Busy, nothing;
        Tell(2, Repeat(1, many - 1)) => Done, FREE;
        Tell(2, Lock(1, 3)) => Got(false), FREE;
        Tell(2, Drop(1)) => Done, nothing;
        Begin(1, Try(1, 1)) => Busy, nothing;
    }
    .judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [4, 7, 8, 13], subject = |scene: Question| perform(scene))]
fn a_child_that_lives_does_not_keep_the_lock_of_its_dead_parent(mut subject: Subject) {
    let killed =
        "the process that held the lock was killed, and its child has only a copy of the guard";
    scene! { 1 lock, 2 players:
        lock(1) => Got(false), NEW;
        Tell(1, Fork(3)) => Done, "";
        Tell(1, Fork(4)) => Done, "";
        wait(2) => Waits, HELD;
        Kill(1, 9) => Done, "";
        Hear(2) => Got(true), killed;
        Begin(3, Try(0, 1)) => Busy, HELD;
        release(3) => Done, "";
        attempt(4) => Busy, HELD;
        release(2) => Done, FREE;
        attempt(4) => Got(true), DEAD;
    }
    .judge(&mut subject, &format!("{HANGS}: {killed}"));
}

// ------------------------------------------------------------------- the marks

#[proctor::test(clauses = [4, 8, 13], subject = |scene: Question| perform(scene))]
fn a_lock_is_inconsistent_until_it_is_marked(mut subject: Subject) {
    let again = "a process made the mark and was then killed while it still held the lock";
    let mut scene = scene! { 1 lock, 8 players:
        lock(1) => Got(false), NEW;
        Tell(1, Mark(0)) => Done, "";
        Tell(1, Ask(0)) => Is(false), MARKED;
        release(1) => Done, FREE;
        lock(1) => Got(false), MARKED;
        Kill(1, 9) => Done, "";
        lock(2) => Got(true), DEAD;
        Tell(2, Ask(0)) => Is(true), DEAD;
        release(2) => Done, "a guard without a mark can be dropped like any other";
        attempt(3) => Got(true), DEAD;
        release(3) => Done, FREE;
        lock(2) => Got(true), DEAD;
        Kill(2, 9) => Done, "";
        lock(3) => Got(true), DEAD;
        Tell(3, Mark(0)) => Done, "";
        Tell(3, Ask(0)) => Is(false), MARKED;
        release(3) => Done, FREE;
        lock(4) => Got(false), MARKED;
        release(4) => Done, FREE;
        attempt(3) => Got(false), MARKED;
        Kill(3, 9) => Done, "";
        attempt(4) => Got(true), DEAD;
        Tell(4, Mark(0)) => Done, "";
        Kill(4, 9) => Done, "";
        lock(5) => Got(true), again;
        Tell(5, Mark(0)) => Done, "";
        release(5) => Done, FREE;
        attempt(6) => Got(false), MARKED;
        release(6) => Done, FREE;
        Kill(6, 9) => Done, "";
        lock(7) => Got(false), "the process was killed when it no longer held the lock";
    };
    for size in [16, 0] {
        scene.sizes = vec![size];
        scene.judge(&mut subject, HANGS);
    }
}

#[proctor::test(clauses = [4, 8, 11], subject = |scene: Question| perform(scene))]
fn of_several_that_wait_one_gets_the_lock(mut subject: Subject) {
    for (end, inconsistent) in [(Kill(1, 9), true), (release(1), false)] {
        scene! { 1 lock, 4 players:
            lock(1) => Got(false), NEW;
            wait(2) => Waits, HELD;
            wait(3) => Waits, HELD;
            wait(4) => Waits, HELD;
            end => Done, "";
            First(vec![2, 3, 4]) => Got(inconsistent), "the holder has ended or has dropped its guard";
            Look(3) => Waits, "another process that waited has the lock now";
            Look(4) => Waits, "another process that waited has the lock now";
            release(2) => Done, FREE;
            First(vec![3, 4]) => Got(inconsistent), FREE;
            Look(4) => Waits, "another process that waited has the lock now";
            wait(2) => Waits, HELD;
            Tell(3, Mark(0)) => Done, "";
            Kill(3, 9) => Done, "";
            First(vec![2, 4]) => Got(true), DEAD;
            Look(4) => Waits, "another process that waited has the lock now";
            Tell(2, Mark(0)) => Done, "";
            release(2) => Done, FREE;
            Hear(4) => Got(false), MARKED;
        }
        .judge(&mut subject, HANGS);
    }
    let many = 40;
    let mut scene = scene! { 1 lock, 40 players:
        lock(1) => Got(false), NEW;
    };
    for player in 2..=many {
        scene = scene.then(wait(player), Waits, HELD);
    }
    scene = scene.then(release(1), Done, FREE);
    for player in 2..=many {
        scene = scene
            .then(First((player..=many).collect()), Got(false), FREE)
            .then(release(player), Done, FREE);
    }
    scene.judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [4, 8, 11], subject = |scene: Question| perform(scene))]
fn a_panic_that_unwinds_releases_the_lock(mut subject: Subject) {
    let unwound = "a panic has unwound and dropped the guard: the lock is free, and it is consistent because the process has not ended";
    scene! { 1 lock, 3 players:
        Tell(1, Panic(0)) => Done, "";
        attempt(2) => Got(false), unwound;
        release(2) => Done, FREE;
        Tell(1, Panic(0)) => Done, "";
        lock(1) => Got(false), unwound;
        Kill(1, 9) => Done, "";
        Tell(2, Panic(0)) => Done, "";
        attempt(3) => Got(true), DEAD;
        release(3) => Done, FREE;
        Tell(2, Repair(0)) => Done, "";
        lock(3) => Got(false), "a process has made the mark in the drop of a value, while a panic unwound";
    }
    .judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [4, 5, 11], slow = true, subject = |scene: Question| perform(scene))]
fn signals_do_not_end_the_wait(mut subject: Subject) {
    let signals =
        "signals have interrupted the process that waits, and another process holds the lock";
    for (flags, times) in [(SaFlags::empty(), 1_030), (SaFlags::SA_RESTART, 40)] {
        let mut scene = scene! { 1 lock, 2 players:
            lock(1) => Got(false), NEW;
            Tell(2, Handle(flags.bits())) => Done, "";
            wait(2) => Waits, HELD;
            Interrupt(2, times) => Done, "";
            Look(2) => Waits, signals;
        };
        scene = match flags.is_empty() {
            true => scene
                .then(release(1), Done, FREE)
                .then(Hear(2), Got(false), FREE),
            false => scene
                .then(Kill(1, 9), Done, "")
                .then(Hear(2), Got(true), DEAD),
        };
        scene.judge(&mut subject, HANGS);
    }
}

// ---------------------------------------------------------------- what is left

#[proctor::test(clauses = [1, 4, 9, 13], subject = |scene: Question| perform(scene))]
fn a_process_that_drops_its_lock_leaves_it_to_the_others(mut subject: Subject) {
    let dropped = "another process has only dropped its own copy of the RobustLock";
    scene! { 1 lock, 4 players:
        lock(1) => Got(false), NEW;
        Tell(1, Write(0, vec![5; 16])) => Done, "";
        release(1) => Done, FREE;
        lock(2) => Got(false), FREE;
        wait(3) => Waits, HELD;
        Tell(1, DropLock(0)) => Done, "";
        Look(3) => Waits, dropped;
        attempt(4) => Busy, dropped;
        release(2) => Done, FREE;
        Hear(3) => Got(false), dropped;
        Tell(2, DropLock(0)) => Done, "";
        Tell(3, Read(0)) => Bytes(vec![5; 16]), dropped;
        attempt(4) => Busy, dropped;
        wait(4) => Waits, dropped;
        Kill(1, 9) => Done, "";
        Look(4) => Waits, "the process that has ended did not hold the lock";
        Kill(3, 9) => Done, "";
        Hear(4) => Got(true), DEAD;
    }
    .judge(&mut subject, HANGS);
}

#[proctor::test(clauses = [1, 9], subject = |rounds: u32| -> (Vec<i32>, u32, u32) {
    let lock = RobustLock::create(16).expect("a lock");
    let (mut gate, mut key) = pipe().expect("a pipe");
    (1..=2).for_each(|which| shared(which).store(0, SeqCst));
    let mut work = || {
        let _ = gate.read(&mut [0]);
        for _ in 0..rounds {
            let Ok(mut guard) = lock.lock() else { return 1 };
            proctor::jostle();
            if add_one(&mut guard) {
                shared(1).fetch_add(1, SeqCst);
            }
            shared(2).store(as_u64(&guard[..8]) as u32, SeqCst);
        }
        0
    };
    let children: Vec<Pid> = (0..3).map(|_| other_child(&mut work)).collect();
    add_one(&mut lock.lock().expect("the lock"));
    drop(lock);
    let _ = key.write(&[0; 3]);
    let ends = children.into_iter().map(|child| match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => code,
        _ => -1,
    });
    (ends.collect(), shared(1).load(SeqCst), shared(2).load(SeqCst))
})]
fn the_process_that_made_the_lock_may_drop_it_first(mut subject: Subject) {
    let rounds = proctor::rng().u32(50..80);
    let answer = ask(&mut subject, &rounds, HANGS);
    let (ends, torn, last) = &answer.value;
    assert!(
        ends == &[0, 0, 0],
        "the process that made the lock has dropped it, and its children that use it ended with {ends:?} instead of 0 (-1: by a signal)"
    );
    let sum = 3 * rounds + 1;
    assert!(
        *torn == 0 && *last == sum,
        "the process that made the lock has dropped it, and its bytes or the lock are no longer in order: 1 was added to a number {sum} times, and it is {last}"
    );
    nothing_is_left(&answer, 3);
}

/// Which descriptors are open, and whether a program that is executed gets them.
fn descriptors() -> Vec<(i32, bool)> {
    // SAFETY: asks for flags.
    let flags = |fd| unsafe { libc::fcntl(fd, libc::F_GETFD) };
    let all = (0..200).map(|fd| (fd, flags(fd)));
    let open = all.filter(|(_, flags)| *flags >= 0);
    open.map(|(fd, flags)| (fd, flags & libc::FD_CLOEXEC == 0))
        .collect()
}

/// The memory that the process has mapped, in pages.
fn pages_mapped() -> u64 {
    first_number(&std::fs::read_to_string("/proc/self/statm").expect("the size"))
}

/// How often a lock is made, of which size, and how often each is used.
type Uses = (u32, usize, u32);

#[proctor::test(clauses = [9, 11, 13], slow = true, deadline = 30.0, memory = 700, subject = |(locks, size, uses): Uses| -> (u32, Vec<String>, bool, u64) {
    let mut pages = u64::MAX;
    let before = Surroundings::now();
    let had = descriptors();
    let (mut errors, mut inherited) = (0, false);
    for number in 0..locks {
        let Ok(lock) = RobustLock::create(size) else {
            errors += 1;
            continue;
        };
        for _ in 0..uses {
            errors += u32::from(lock.lock().is_err());
            errors += u32::from(!matches!(lock.try_lock(), Ok(Some(_))));
        }
        let guard = lock.lock();
        if number == 20 {
            pages = pages_mapped();
        }
        if number % 100 == 0 {
            let is_new = |one: &(i32, bool)| !had.contains(one);
            inherited |= descriptors().iter().any(|one| is_new(one) && one.1);
        }
        drop(guard);
    }
    (errors, before.changes(), inherited, pages_mapped().saturating_sub(pages))
})]
fn nothing_is_left_of_a_thousand_locks(mut subject: Subject) {
    for (locks, size, uses) in [
        (1, 1, 1),
        (300, 4 << 20, 1),
        (1000, 8, 2),
        (1000, 4095, 0),
        (1, 8, 33_000),
    ] {
        let answer = subject.ask(&(locks, size, uses));
        let (errors, changes, inherited, pages) = &answer.value;
        let what = format!(
            "{locks} locks of {size} bytes were made, taken {} times and dropped, one after the other",
            2 * uses
        );
        assert!(
            *errors == 0,
            "{what}, and {errors} calls failed: memory, descriptors or the lock itself are left of earlier calls"
        );
        assert!(
            changes.is_empty(),
            "{what}, and the process is not as it was before: {}",
            changes.join("; ")
        );
        assert!(
            !inherited,
            "a descriptor of the lock is not close-on-exec: a program that the process executes gets it"
        );
        assert!(
            *pages <= u64::from(locks / 2),
            "{what}, and {pages} more pages of memory are still mapped than after the first 20"
        );
        let left = answer.evidence.heap.left;
        assert!(left < 4096, "{what}, and {left} bytes of memory are left");
        nothing_is_left(&answer, 0);
    }
}

// ---------------------------------------------------------------------- errors

/// What `create` returned: an error, or the length that a guard has, and whether
/// a child shares the bytes.
type Created = Result<(usize, bool), Option<i32>>;

/// The error with this number, in words.
fn name(number: Option<i32>) -> String {
    number.map_or("an error without a number".to_owned(), |number| {
        format!("the error {}", Errno::from_raw(number))
    })
}

fn create(size: usize) -> Created {
    length(RobustLock::create(size))
}

fn some_places(length: usize) -> Vec<usize> {
    match length.checked_sub(1) {
        Some(last) => vec![0, length / 2, last],
        None => vec![],
    }
}

fn length(created: std::io::Result<RobustLock>) -> Created {
    let number = |error: std::io::Error| error.raw_os_error();
    let lock = created.map_err(number)?;
    let child = other_child(|| match lock.lock() {
        Ok(mut guard) => {
            // There is memory up to the last byte.
            for place in some_places(guard.len()) {
                guard[place] = 3;
            }
            0
        }
        Err(_) => 1,
    });
    let _ = waitpid(child, None);
    let guard = lock.lock().map_err(number)?;
    let mut places = some_places(guard.len()).into_iter();
    Ok((guard.len(), places.all(|place| guard[place] == 3)))
}

#[proctor::test(clauses = [1, 10], memory = 9000, subject = |sizes: Vec<usize>| -> (Vec<Created>, Created) {
    // The limit for files also holds for files in memory.
    on_signal(Signal::SIGXFSZ, SigHandler::SigIgn, SaFlags::empty());
    (sizes.into_iter().map(create).collect(), create(16))
})]
fn a_size_that_is_too_large_is_an_error(mut subject: Subject) {
    let mut sizes: Vec<usize> = (0..4200).map(|less| usize::MAX - less).collect();
    sizes.extend([8191, 8192].map(|less| usize::MAX - less));
    sizes.extend([0, 1, 48, 4096].map(|less| isize::MAX as usize - less));
    sizes.extend([1 << 62, 1 << 63]);
    sizes.extend([1 << 60, 1 << 48, 1 << 47]);
    let refused = [1 << 46, (1 << 46) - 5];
    sizes.extend(refused);
    let possible = [(1 << 32) + 5, (1 << 31) + 1];
    sizes.extend(possible);
    // No machine has less.
    let small = [1 << 12, 1 << 16, (1 << 20) + 1, 5 << 20, 33 << 20];
    sizes.extend(small);
    let answer = subject.ask(&sizes);
    let (created, after) = &answer.value;
    for (size, created) in sizes.iter().zip(created) {
        match created {
            Ok((length, is_shared)) => {
                assert!(
                    (possible.contains(size) || small.contains(size)) && length == size,
                    "create({size}) returned a lock whose guard has {length} bytes"
                );
                assert!(
                    is_shared,
                    "create({size}) returned a lock whose bytes a child has written, and its parent does not see it"
                );
            }
            Err(number) if small.contains(size) => {
                panic!("create({size}) failed with {}", name(*number))
            }
            // The machine may have less memory than what is possible.
            Err(number) => assert!(
                number.is_some() || !refused.contains(size),
                "the kernel refuses {size} bytes, and the error of create has no number"
            ),
        }
    }
    assert!(
        *after == Ok((16, true)),
        "create failed for sizes that are too large, and after that create(16) failed too"
    );
    let made = created.iter().filter(|one| one.is_ok()).count();
    nothing_is_left(&answer, made + 1);
}

/// Whether descriptors are limited, or memory; how much more may be used; the
/// size of the lock.
type Limited = (bool, Vec<u64>, usize);

#[proctor::test(clauses = [1, 10], subject = |(descriptors_are, limits, size): Limited| -> (Vec<Created>, Created) {
    let (resource, used) = if descriptors_are {
        (Resource::RLIMIT_NOFILE, descriptors().len() as u64)
    } else {
        (Resource::RLIMIT_AS, 4096 * pages_mapped())
    };
    let (soft, hard) = getrlimit(resource).expect("the limit");
    let mut all = Vec::with_capacity(limits.len());
    for more in limits {
        setrlimit(resource, used + more, hard).expect("the limit");
        let created = RobustLock::create(size);
        setrlimit(resource, soft, hard).expect("the limit");
        all.push(length(created));
    }
    (all, create(size))
})]
fn what_the_kernel_refuses_is_an_error(mut subject: Subject) {
    let descriptors = (true, vec![0, 1, 2, 3], 50);
    let memory = (false, vec![1 << 20, 10 << 20], 100 << 20);
    for (limited, errno) in [(descriptors, Errno::EMFILE), (memory, Errno::ENOMEM)] {
        let answer = subject.ask(&limited);
        let (created, after) = &answer.value;
        for one in created {
            match one {
                Ok(made) => assert!(
                    limited.0 && *made == (limited.2, true),
                    "the process may use only a few MiB more of memory, and create(100 MiB) returned a lock"
                ),
                Err(number) => assert!(
                    *number == Some(errno as i32),
                    "the kernel refuses with {errno}, and create returned {}",
                    name(*number)
                ),
            }
        }
        assert!(
            *after == Ok((limited.2, true)),
            "create failed at a limit, and it still fails when the limit no longer holds"
        );
        let made = created.iter().filter(|one| one.is_ok()).count();
        nothing_is_left(&answer, made + 1);
    }
}
