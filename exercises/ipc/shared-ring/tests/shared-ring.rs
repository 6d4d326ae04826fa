//! Judges the ring from outside: one thread that plays a script, two processes
//! that share the words, and every execution that the memory model allows.
proctor::exercise!(shared_ring);

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use futex::shared as futex;
use interleave::{Exploration, Explore, all_must_hold};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, Signal, kill, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use proctor::{Answer, Gate, Onlooker, Subject, Surroundings, other_child};
use serde::{Deserialize, Serialize};
use shared_ring::{Consumer, Mapping, Producer, map};

// The judge's own copy: a learner could change the library's.
const PUT: usize = 0;
const TAKEN: usize = 1;
const SLOTS: usize = 2;

// ------------------------------------------------------------- one thread, a script

/// A step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Op {
    NewProducer,
    NewConsumer,
    TryPush(u32),
    Push(u32),
    TryPop,
    Pop,
    /// Another process stores a value in a word.
    Store(usize, u32),
}
use Op::{NewConsumer, NewProducer, Pop, Push, Store, TryPop, TryPush};

/// What a call returned, as plain data.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Got {
    /// `Ok(())`, `Ok(true)`, or a new end.
    Done,
    /// `Ok(false)`
    Full,
    /// `Ok(value)` or `Ok(Some(value))`
    Value(u32),
    /// `Ok(None)`
    Empty,
    /// `Err(Broken)`
    Broken,
}

impl fmt::Debug for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Got::Done => f.write_str("Ok"),
            Got::Full => f.write_str("Ok(false)"),
            Got::Empty => f.write_str("Ok(None)"),
            Got::Broken => f.write_str("Err(Broken)"),
            Got::Value(value) => write!(f, "Ok({value})"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NewProducer => write!(f, "Producer::new(words)"),
            NewConsumer => write!(f, "Consumer::new(words)"),
            TryPush(value) => write!(f, "try_push({value})"),
            Push(value) => write!(f, "push({value})"),
            TryPop => write!(f, "try_pop()"),
            Pop => write!(f, "pop()"),
            Store(PUT, value) => write!(f, "another process storing {value} in words[PUT]"),
            Store(TAKEN, value) => write!(f, "another process storing {value} in words[TAKEN]"),
            Store(at, value) => write!(f, "another process storing {value} in words[{at}]"),
        }
    }
}

/// The words at the beginning, and what happens then.
type Script = (Vec<u32>, Vec<Op>);
/// What each step returned, and the words that it changed, with their values.
type Played = Vec<(Got, Vec<(usize, u32)>)>;

/// For the subject: plays a script.
fn play((words, ops): Script) -> Played {
    let words: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
    let (mut producer, mut consumer) = (None, None);
    let mut played = Played::new();
    let mut before = snapshot(&words);
    for op in ops {
        let got = match op {
            NewProducer => made(Producer::new(&words), &mut producer),
            NewConsumer => made(Consumer::new(&words), &mut consumer),
            TryPush(value) => tried_push(there(&mut producer).try_push(value)),
            Push(value) => pushed(there(&mut producer).push(value)),
            TryPop => tried_pop(there(&mut consumer).try_pop()),
            Pop => popped(there(&mut consumer).pop()),
            Store(at, value) => {
                words[at].store(value, Ordering::Release);
                Got::Done
            }
        };
        let now = snapshot(&words);
        played.push((got, changes(&before, &now)));
        before = now;
    }
    played
}

fn made<E>(new: Result<E, shared_ring::Broken>, end: &mut Option<E>) -> Got {
    match new {
        Ok(new) => {
            *end = Some(new);
            Got::Done
        }
        Err(_) => Got::Broken,
    }
}

fn there<E>(end: &mut Option<E>) -> &mut E {
    end.as_mut()
        .expect("`new` returned Broken for the words of a ring, so there is no end to call")
}

fn tried_push(result: Result<bool, shared_ring::Broken>) -> Got {
    match result {
        Ok(true) => Got::Done,
        Ok(false) => Got::Full,
        Err(_) => Got::Broken,
    }
}

fn pushed(result: Result<(), shared_ring::Broken>) -> Got {
    result.map_or(Got::Broken, |()| Got::Done)
}

fn tried_pop(result: Result<Option<u32>, shared_ring::Broken>) -> Got {
    match result {
        Ok(Some(value)) => Got::Value(value),
        Ok(None) => Got::Empty,
        Err(_) => Got::Broken,
    }
}

fn popped(result: Result<u32, shared_ring::Broken>) -> Got {
    result.map_or(Got::Broken, Got::Value)
}

fn snapshot(words: &[AtomicU32]) -> Vec<u32> {
    let load = |word: &AtomicU32| word.load(Ordering::Acquire);
    words.iter().map(load).collect()
}

fn changes(before: &[u32], now: &[u32]) -> Vec<(usize, u32)> {
    let pairs = before.iter().zip(now).enumerate();
    let changed = pairs.filter(|(_, (before, now))| before != now);
    changed.map(|(at, (_, now))| (at, *now)).collect()
}

/// For the judge: what a script should do.
struct Model {
    words: Vec<u32>,
    put: u32,
    taken: u32,
}

impl Model {
    fn new(words: &[u32]) -> Self {
        Model {
            words: words.to_vec(),
            put: 0,
            taken: 0,
        }
    }

    fn capacity(&self) -> u32 {
        (self.words.len().saturating_sub(SLOTS)) as u32
    }

    /// How many numbers are in the ring, if that is possible.
    fn filled(&self, put: u32, taken: u32) -> Option<u32> {
        let filled = put.wrapping_sub(taken);
        (filled <= self.capacity()).then_some(filled)
    }

    fn step(&mut self, op: Op) -> Got {
        match op {
            NewProducer | NewConsumer => {
                let counts = self.capacity().is_power_of_two();
                let counts = counts.then(|| (self.words[PUT], self.words[TAKEN]));
                let Some((put, taken)) = counts.filter(|c| self.filled(c.0, c.1).is_some()) else {
                    return Got::Broken;
                };
                match op {
                    NewProducer => self.put = put,
                    _ => self.taken = taken,
                }
                Got::Done
            }
            TryPush(value) | Push(value) => match self.filled(self.put, self.words[TAKEN]) {
                None => Got::Broken,
                Some(filled) if filled == self.capacity() => Got::Full,
                Some(_) => {
                    let slot = SLOTS + (self.put % self.capacity()) as usize;
                    self.words[slot] = value;
                    self.put = self.put.wrapping_add(1);
                    self.words[PUT] = self.put;
                    Got::Done
                }
            },
            TryPop | Pop => match self.filled(self.words[PUT], self.taken) {
                None => Got::Broken,
                Some(0) => Got::Empty,
                Some(_) => {
                    let slot = SLOTS + (self.taken % self.capacity()) as usize;
                    self.taken = self.taken.wrapping_add(1);
                    self.words[TAKEN] = self.taken;
                    Got::Value(self.words[slot])
                }
            },
            Store(at, value) => {
                self.words[at] = value;
                Got::Done
            }
        }
    }
}

/// Asks the subject to play a script, and demands what it should do: first with
/// the calls that never wait, and then with those that would wait for ever if
/// the ring were full or empty by mistake.
#[track_caller]
fn plays(subject: &mut Subject<Script, Played>, words: &[u32], ops: &[Op]) {
    let tries = ops.iter().map(|op| match op {
        Push(value) => TryPush(*value),
        Pop => TryPop,
        op => *op,
    });
    let tries: Vec<Op> = tries.collect();
    plays_once(subject, words, &tries);
    if tries != ops {
        plays_once(subject, words, ops);
    }
}

#[track_caller]
fn plays_once(subject: &mut Subject<Script, Played>, words: &[u32], ops: &[Op]) {
    let played = subject.ask(&(words.to_vec(), ops.to_vec())).value;
    assert_eq!(played.len(), ops.len());
    let mut model = Model::new(words);
    for (number, (op, (got, changed))) in ops.iter().zip(played).enumerate() {
        let before = model.words.clone();
        let due = model.step(*op);
        let counts = match before[..] {
            [put, taken, ..] => format!(" (words[PUT] = {put}, words[TAKEN] = {taken})"),
            _ => String::new(),
        };
        let at = format!(
            "step {number} of a script, {op}, with {} words{counts}",
            before.len()
        );
        assert_eq!(
            got, due,
            "{at}: the call returned (left), and should have returned (right)"
        );
        assert_eq!(
            changed,
            changes(&before, &model.words),
            "{at}: the call changed these words to these values (left), and should have changed others (right); 0 is PUT, 1 is TAKEN, and the slots begin at 2"
        );
    }
}

/// The words of a ring in which both counts are `start`. The slots have values
/// that nobody put in.
fn empty_at(start: u32, capacity: usize) -> Vec<u32> {
    let mut words = vec![start, start];
    words.extend((0..capacity).map(|_| proctor::random::<u32>()));
    words
}

/// A number, often an extreme one.
fn number() -> u32 {
    match proctor::rng().u32(0..6) {
        0 => 0,
        1 => u32::MAX,
        _ => proctor::random::<u32>(),
    }
}

#[proctor::test(clauses = [1, 7, 9], subject = |script: Script| play(script))]
fn numbers_come_out_once_and_in_order(mut subject: Subject) {
    for capacity in [1, 2, 4, 8, 64] {
        let mut ops = vec![NewProducer, NewConsumer];
        let mut filled = 0_usize;
        for _ in 0..150 {
            // Waiting calls only where they need not wait.
            let op = match proctor::rng().u32(0..5) {
                0 | 1 => TryPush(number()),
                2 => TryPop,
                3 if filled < capacity => Push(number()),
                4 if filled > 0 => Pop,
                _ => continue,
            };
            match op {
                TryPush(_) | Push(_) => filled = capacity.min(filled + 1),
                _ => filled = filled.saturating_sub(1),
            }
            ops.push(op);
        }
        plays(&mut subject, &empty_at(0, capacity), &ops);
    }
}

/// What calls of one kind did, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tries {
    /// Whether each of them returned what it should.
    right: bool,
    /// How often the thread gave up the CPU to wait.
    sleeps: u64,
}

/// How often this thread gave up the CPU to wait, until now.
fn sleeps() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("numbers of this thread");
    usage.voluntary_context_switches().cast_unsigned()
}

/// Makes a call again and again, and stops early if it sleeps again and again.
fn again(times: u32, mut is_right: impl FnMut() -> bool) -> Tries {
    let before = sleeps();
    let mut right = true;
    for time in 0..times {
        right &= is_right();
        if time % 64 == 0 && sleeps() > before + 20 {
            break;
        }
    }
    let sleeps = sleeps() - before;
    Tries { right, sleeps }
}

/// How often a call that fails is made in a row.
const FAILURES: u32 = 15_000;
/// How often calls that succeed are made in a row.
const SUCCESSES: u32 = 2_000;

/// For the subject: the calls that never sleep, in a ring of its own. First
/// those that fail, with the ring full, with it empty, and with an impossible
/// count, and at last those that succeed.
fn tries(capacity: u32) -> [Tries; 5] {
    let words: Vec<AtomicU32> = (0..SLOTS as u32 + capacity)
        .map(|_| AtomicU32::new(0))
        .collect();
    let mut producer = Producer::new(&words).expect("an empty ring");
    let mut consumer = Consumer::new(&words).expect("an empty ring");
    let empty = again(FAILURES, || consumer.try_pop() == Ok(None));
    words[PUT].store(capacity + 1, Ordering::Release);
    let too_many = again(FAILURES, || consumer.try_pop().is_err());
    words[PUT].store(0, Ordering::Release);
    let both = again(SUCCESSES, || {
        producer.try_push(7) == Ok(true) && consumer.try_pop() == Ok(Some(7))
    });
    let filled = (0..capacity).all(|_| producer.try_push(7) == Ok(true));
    let mut full = again(FAILURES, || producer.try_push(8) == Ok(false));
    full.right &= filled;
    words[TAKEN].fetch_add(capacity + 1, Ordering::AcqRel);
    let too_few = again(FAILURES, || producer.try_push(9).is_err());
    [empty, too_many, both, full, too_few]
}

#[proctor::test(clauses = [1, 5, 7, 9], subject = |script: Script| play(script), trying = |capacity: u32| -> [Tries; 5] { tries(capacity) })]
fn a_full_ring_takes_no_more_and_an_empty_one_gives_none(
    mut subject: Subject,
    mut trying: Subject,
) {
    for capacity in [1_usize, 2, 16, 512] {
        let mut ops = vec![NewProducer, NewConsumer, TryPop, TryPop];
        for _ in 0..2 {
            ops.extend((0..capacity).map(|_| TryPush(number())));
            ops.extend([TryPush(1), TryPush(2), TryPop, Push(3), TryPush(4)]);
            ops.extend((0..capacity).map(|_| Pop));
            ops.extend([TryPop, TryPop]);
        }
        plays(&mut subject, &empty_at(0, capacity), &ops);
    }
    for capacity in [1, 16] {
        // The kernel may make a thread wait for a page of its program. So a
        // kind of calls sleeps only if it sleeps each time.
        let times = [(); 3].map(|()| trying.ask(&capacity).value);
        for (kind, call) in [
            "calls of try_pop() on an empty ring",
            "calls of try_pop() with an impossible words[PUT]",
            "pairs of try_push() and try_pop()",
            "calls of try_push() on a full ring",
            "calls of try_push() with an impossible words[TAKEN]",
        ]
        .into_iter()
        .enumerate()
        {
            let number = if kind == 2 { SUCCESSES } else { FAILURES };
            assert!(
                times.iter().all(|tries| tries[kind].right),
                "of {number} {call} in a row, in a ring with {capacity} slots, one returned something else than the first ones should"
            );
            let sleeps = times.iter().map(|tries| tries[kind].sleeps).min();
            assert_eq!(
                sleeps,
                Some(0),
                "{number} {call} in a row, in a ring with {capacity} slots, slept in the kernel (left) times, at least: try_push() and try_pop() never sleep"
            );
        }
    }
}

#[proctor::test(clauses = [1, 2, 3, 7, 9], subject = |script: Script| play(script))]
fn the_counts_wrap_around(mut subject: Subject) {
    let half = 1_u32 << 31;
    for start in [u32::MAX - 6, u32::MAX, half - 3, 65_533] {
        for capacity in [1_usize, 2, 8] {
            let mut ops = vec![NewProducer, NewConsumer];
            for _ in 0..14 / capacity {
                ops.extend((0..capacity).map(|_| TryPush(number())));
                ops.extend([TryPush(number()), NewProducer, NewConsumer]);
                ops.extend((0..capacity).map(|_| TryPop));
                ops.extend([TryPop, Push(number()), Pop]);
            }
            plays(&mut subject, &empty_at(start, capacity), &ops);
        }
    }
}

#[proctor::test(clauses = [1, 3, 7, 9], subject = |script: Script| play(script))]
fn an_end_continues_where_the_last_one_stopped(mut subject: Subject) {
    let start = proctor::random::<u32>();
    for filled in 0..=4 {
        let mut words = empty_at(start, 4);
        words[PUT] = start.wrapping_add(filled);
        let mut ops = vec![NewConsumer, NewProducer];
        ops.extend((0..4).map(|_| TryPush(number())));
        ops.extend([TryPop, NewConsumer, TryPop, NewProducer, NewConsumer]);
        ops.extend([TryPush(number()), Pop, Pop, Pop, TryPop, TryPop]);
        plays(&mut subject, &words, &ops);
    }
}

#[proctor::test(clauses = [1, 3], subject = |script: Script| play(script))]
fn words_that_are_no_ring_are_broken(mut subject: Subject) {
    for length in (0..20).chain([258, 259, 1_001, 1_026]) {
        let mut words = vec![proctor::random::<u32>(); length];
        if length > TAKEN {
            words[TAKEN] = words[PUT];
        }
        plays(&mut subject, &words, &[NewProducer, NewConsumer]);
    }
    for capacity in [1_usize, 2, 16] {
        let size = capacity as u32;
        for filled in [size, size + 1, 2 * size, 1 << 31, u32::MAX - 1, u32::MAX] {
            let mut words = empty_at(proctor::random::<u32>(), capacity);
            words[PUT] = words[TAKEN].wrapping_add(filled);
            plays(&mut subject, &words, &[NewProducer, NewConsumer]);
        }
    }
}

#[proctor::test(clauses = [1, 2, 3, 11, 12, 13], memory = 40_000, subject = |value: u32| -> Option<(Vec<Got>, [u32; 3])> {
    let slots = 1_u32 << 31;
    // The last slot is the next one.
    let words = sparse(SLOTS + slots as usize)?;
    words[PUT].store(slots - 1, Ordering::Relaxed);
    words[TAKEN].store(slots - 1, Ordering::Relaxed);
    let (mut producer, mut consumer) = (None, None);
    let mut got = vec![made(Producer::new(words), &mut producer), made(Consumer::new(words), &mut consumer)];
    if got == [Got::Done; 2] {
        got.push(tried_push(there(&mut producer).try_push(value)));
        got.push(tried_pop(there(&mut consumer).try_pop()));
    }
    let last = [PUT, TAKEN, words.len() - 1].map(|at| words[at].load(Ordering::Relaxed));
    // A full one, and one with one number more.
    for put in [0, 1] {
        words[PUT].store(put, Ordering::Relaxed);
        words[TAKEN].store(slots, Ordering::Relaxed);
        got.push(made(Producer::new(words), &mut producer));
    }
    Some((got, last))
}, wrong_length = |(): ()| -> Vec<usize> {
    // As much of it as there is address space for.
    let lengths = [(1_usize << 33) + SLOTS, (1 << 32) + 8 + SLOTS, (1 << 31) + 1 + SLOTS];
    let Some(words) = lengths.into_iter().find_map(sparse) else {
        return Vec::new();
    };
    let (half, all) = (1_usize << 31, 1_usize << 32);
    let slots = [
        half - 1, half + 1, half + half / 2, all - 2, all - 1, all, all + 1, all + 2, all + 8, all + half, 2 * all,
    ];
    let mut accepted = Vec::new();
    for slots in slots {
        let Some(words) = words.get(..SLOTS + slots) else { continue };
        if Producer::new(words).is_ok() || Consumer::new(words).is_ok() {
            accepted.push(slots);
        }
    }
    accepted
}, mapped = |question: (PathBuf, u32)| -> Option<Sparse> { map_sparse(question) })]
fn the_largest_ring_has_two_to_the_31st_slots(
    mut subject: Subject,
    mut wrong_length: Subject,
    mut mapped: Subject,
) {
    let value = proctor::random::<u32>();
    // A machine without so much address space decides nothing here.
    if let Some((got, words)) = subject.ask(&value).value {
        let [done, broken] = [Got::Done, Got::Broken];
        assert_eq!(
            got,
            [done, done, done, Got::Value(value), done, broken],
            "on a ring with 2³¹ slots whose counts are 2³¹ - 1, Producer::new, Consumer::new, try_push({value}), try_pop(), then Producer::new on the full ring and on one with one number more than slots gave (left) and should have given (right)"
        );
        assert_eq!(
            words,
            [1 << 31, 1 << 31, value],
            "words[PUT], words[TAKEN] and the last slot of a ring with 2³¹ slots are (left) and should be (right)"
        );
    }
    let accepted = wrong_length.ask(&()).value;
    assert!(
        accepted.is_empty(),
        "Producer::new or Consumer::new accepted words with {} slots: a ring has a power of two of them, and at most 2³¹",
        accepted[0]
    );
    for capacity in [1 << 29, 1 << 30, 1 << 31] {
        keeps_a_sparse_file(&mut mapped, capacity, 4 * (u64::from(capacity) + 2));
    }
}

#[proctor::test(clauses = [1, 2, 5, 7, 9], subject = |script: Script| play(script))]
fn an_impossible_count_is_broken(mut subject: Subject) {
    for capacity in [1_usize, 2, 16] {
        let start = match proctor::rng().u32(0..2) {
            0 => 0,
            _ => u32::MAX - 3,
        };
        let size = capacity as u32;
        for held in [0, 1, size] {
            let mut ops = vec![NewProducer, NewConsumer];
            ops.extend((0..held).map(|_| TryPush(number())));
            let put = start.wrapping_add(held);
            // How many numbers there would be, by the lie.
            for lie in [
                size + 1,
                size + 2,
                2 * size + 1,
                1 << 31,
                u32::MAX - 1,
                u32::MAX,
            ] {
                ops.push(Store(TAKEN, put.wrapping_sub(lie)));
                ops.extend([TryPush(number()), Push(number()), TryPush(number())]);
                ops.push(Store(TAKEN, start));
                ops.push(Store(PUT, start.wrapping_add(lie)));
                ops.extend([TryPop, Pop, TryPop]);
                ops.push(Store(PUT, put));
            }
            // The lies are forgotten.
            ops.push(TryPush(number()));
            ops.extend((0..held).map(|_| Pop));
            ops.extend([TryPop, TryPush(number()), TryPop]);
            plays(&mut subject, &empty_at(start, capacity), &ops);
        }
    }
}

#[proctor::test(clauses = [1, 3, 4, 7, 9], subject = |script: Script| play(script))]
fn an_end_keeps_its_own_count(mut subject: Subject) {
    let start = proctor::random::<u32>();
    for capacity in [1_usize, 4] {
        for wrong in [0, start.wrapping_add(1), start.wrapping_sub(1), u32::MAX] {
            // The producer's count, then the consumer's.
            let mut ops = vec![NewProducer, Store(PUT, wrong)];
            ops.extend((0..capacity).map(|_| TryPush(number())));
            ops.extend([Store(PUT, wrong), TryPush(1)]);
            ops.push(Store(TAKEN, start.wrapping_add(1)));
            ops.extend([Push(2), Store(PUT, start.wrapping_add(capacity as u32 + 1))]);
            ops.extend([NewConsumer, Store(TAKEN, wrong)]);
            ops.extend((0..capacity).flat_map(|_| [Pop, Store(TAKEN, wrong)]));
            ops.extend([TryPop, TryPop]);
            plays(&mut subject, &empty_at(start, capacity), &ops);
        }
    }
}

// ------------------------------------------------------------------ two processes

/// New memory that this process shares with the children that it forks. `None`
/// if there is not so much.
fn sparse(words: usize) -> Option<&'static [AtomicU32]> {
    let length = NonZeroUsize::new(words * size_of::<AtomicU32>())?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let kind = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
    // SAFETY: new memory that nobody else uses.
    let memory = unsafe { mmap_anonymous(None, length, access, kind) }.ok()?;
    // SAFETY: zeroed by the kernel, aligned to a page, and never unmapped.
    Some(unsafe { slice::from_raw_parts(memory.as_ptr().cast(), words) })
}

/// A ring of the test's own in shared memory.
fn shared(capacity: usize, put: u32, taken: u32) -> &'static [AtomicU32] {
    let words = sparse(SLOTS + capacity).expect("a page of shared memory");
    words[PUT].store(put, Ordering::Relaxed);
    words[TAKEN].store(taken, Ordering::Relaxed);
    words
}

/// The exit code of a child that ends by itself.
fn code(child: Pid) -> i32 {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            // A signal arrived.
            Err(Errno::EINTR) => {}
            how => panic!("a process of the test ended in another way: {how:?}"),
        }
    }
}

/// How often [`is_asleep_on`] tries: a thread may be awake for a moment.
const TRIES: usize = 50;

/// Wakes the process for no reason, once it sleeps on the word. Whether it did.
fn is_asleep_on(word: &AtomicU32, process: Pid) -> bool {
    (0..TRIES).any(|_| {
        Onlooker::of_process(process.as_raw()).until_it_waits();
        futex::wake_one(word)
    })
}

/// How often [`is_woken`] tries before it waits until the call sleeps.
const YIELDS: usize = 200;

/// The same as [`is_asleep_on`], and quick if the process soon sleeps again.
fn is_woken(word: &AtomicU32, process: Pid) -> bool {
    let soon = (0..YIELDS).any(|_| {
        let woken = futex::wake_one(word);
        if !woken {
            thread::yield_now();
        }
        woken
    });
    soon || is_asleep_on(word, process)
}

/// A call that has to wait, and what the other process does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wait {
    capacity: u32,
    /// The count of the end that waits.
    start: u32,
    /// What is put in, or the first number that is taken out.
    value: u32,
    /// The wake-ups for no reason.
    wakes: usize,
    /// The signals, each after some of the wake-ups.
    signals: usize,
    /// What the other process stores in the count of the end that waits.
    own: Option<u32>,
    /// By how much the other process changes its own count at last. It is
    /// impossible if it is more than the capacity.
    by: u32,
}

impl Wait {
    /// No wake-up but one, and then one number or one free slot.
    fn new(capacity: u32, start: u32) -> Self {
        Wait {
            capacity,
            start,
            value: proctor::rng().u32(1..),
            wakes: 1,
            signals: 0,
            own: None,
            by: 1,
        }
    }

    /// The other end's count at the beginning: the ring is empty, or full.
    fn theirs(&self, is_full: bool) -> u32 {
        self.start
            .wrapping_sub(if is_full { self.capacity } else { 0 })
    }

    fn slot(&self, number: u32) -> usize {
        SLOTS + (number % self.capacity) as usize
    }
}

/// The waits of a test: in small and large rings, for the smallest and for the
/// largest change, with lies about the own count, and with as many needless
/// wake-ups as are cheap.
fn all_waits() -> Vec<Wait> {
    let mut all = vec![Wait::new(2, 0), Wait::new(1, 0)];
    for capacity in [1, 2, 16, 512] {
        for by in [1, capacity] {
            let start = proctor::random::<u32>();
            // Two impossible counts, and a possible one.
            for wrong in [2 * capacity + 1, u32::MAX, 1 << 31] {
                let own = Some(start.wrapping_add(wrong));
                all.push(Wait {
                    own,
                    by,
                    ..Wait::new(capacity, start)
                });
            }
        }
    }
    let start = proctor::random::<u32>();
    let many = |wait| Wait {
        wakes: WAKES,
        signals: SIGNALS,
        ..wait
    };
    all.push(many(Wait::new(2, u32::MAX)));
    all.push(many(Wait {
        own: Some(start.wrapping_sub(1)),
        ..Wait::new(1, start)
    }));
    all
}

/// Wake-ups for no reason while one call waits.
const WAKES: usize = 2_000;
/// Signals while one call waits.
const SIGNALS: usize = 200;

/// What came of a call that has to wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waited {
    got: Got,
    /// Whether the other process found the caller asleep, each time.
    asleep: bool,
    words: Vec<u32>,
}

/// For the subject: `call` waits on the second of the two counts, and another
/// process wakes it for no reason, by wake-ups and by signals, and lies about
/// the first count, its own. After that, the other process does `end`.
fn waits(
    words: &'static [AtomicU32],
    [own, word]: [usize; 2],
    wait: Wait,
    call: impl FnOnce() -> Got,
    end: impl FnOnce(),
) -> Waited {
    // The judge cannot prove a deadlock where a handler may run, so the first
    // questions of a test go without signals.
    if wait.signals > 0 {
        // Without SA_RESTART.
        let handler = SigHandler::Handler(proctor::do_nothing);
        proctor::on_signal(Signal::SIGUSR1, handler, SaFlags::empty());
    }
    let caller = getpid();
    let every = wait.wakes / wait.signals.max(1);
    let peer = other_child(|| {
        let mut asleep = true;
        for time in 1..=wait.wakes {
            asleep = asleep && is_woken(&words[word], caller);
            // After the first sleep, so that it is a wait also for code that
            // looks at its own count before it sleeps.
            if let Some(lie) = wait.own {
                words[own].store(lie, Ordering::Release);
            }
            if asleep && wait.signals > 0 && time % every == 0 {
                Onlooker::of_process(caller.as_raw()).until_it_waits();
                kill(caller, Signal::SIGUSR1).expect("the caller is there");
            }
        }
        if wait.own.is_some() {
            asleep = asleep && is_woken(&words[word], caller);
        }
        end();
        u8::from(asleep)
    });
    let got = call();
    Waited {
        asleep: code(peer) == 1,
        got,
        words: snapshot(words),
    }
}

/// For the subject: pop waits.
fn waiting_pop(wait: Wait) -> Waited {
    let words = shared(wait.capacity as usize, wait.start, wait.theirs(false));
    let mut consumer = Consumer::new(words).expect("an empty ring");
    let call = || popped(consumer.pop());
    waits(words, [TAKEN, PUT], wait, call, || {
        if wait.by <= wait.capacity {
            for number in 0..wait.by {
                let slot = wait.slot(wait.start.wrapping_add(number));
                words[slot].store(wait.value.wrapping_add(number), Ordering::Relaxed);
            }
        }
        store_and_wake(&words[PUT], wait.start.wrapping_add(wait.by));
    })
}

/// For the subject: push waits.
fn waiting_push(wait: Wait) -> Waited {
    let taken = wait.theirs(true);
    let words = shared(wait.capacity as usize, wait.start, taken);
    let mut producer = Producer::new(words).expect("a full ring");
    let call = || pushed(producer.push(wait.value));
    waits(words, [PUT, TAKEN], wait, call, || {
        store_and_wake(&words[TAKEN], taken.wrapping_add(wait.by));
    })
}

/// What the other process does: it stores, and wakes who sleeps there.
fn store_and_wake(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    futex::wake_one(word);
}

/// Demands what came of it.
#[track_caller]
fn waited(subject: &mut Subject<Wait, Waited>, wait: Wait, is_full: bool) {
    let call = if is_full { "push()" } else { "pop()" };
    let answer = subject.try_ask(&wait).unwrap_or_else(|failing| {
        let meaning = format!(
            "{call} waited, another process changed the count that it waits for and called futex::shared::wake_one on this word, and {call} does not return. Perhaps it sleeps on another word, or with a private futex, which another process cannot wake"
        );
        Gate::explained(failing, &meaning).end()
    });
    let Waited {
        got,
        asleep,
        words: after,
    } = &answer.value;
    let ring = format!("in a ring with {} slots", wait.capacity);
    let lie = match wait.own {
        Some(lie) => format!(", stored {lie} in the count of the end that waits"),
        None => String::new(),
    };
    let due = match (wait.by <= wait.capacity, is_full) {
        (false, _) => Got::Broken,
        (true, true) => Got::Done,
        (true, false) => Got::Value(wait.value),
    };
    assert_eq!(
        *got, due,
        "{ring}, {call} had to wait, another process woke it {} times for no reason{lie}, and then changed its own count by {} and woke it: it returned (left) and should have returned (right)",
        wait.wakes, wait.by
    );
    assert!(
        *asleep,
        "while {call} had to wait {ring}, another process called futex::shared::wake_one on the other end's count{lie}, and the kernel found nobody asleep there: the call does not sleep on this word, or it came back without a reason"
    );
    let mut words = vec![0; SLOTS + wait.capacity as usize];
    let [own, theirs] = if is_full { [PUT, TAKEN] } else { [TAKEN, PUT] };
    words[theirs] = wait.theirs(is_full).wrapping_add(wait.by);
    words[own] = match due {
        Got::Broken => wait.own.unwrap_or(wait.start),
        _ => wait.start.wrapping_add(1),
    };
    match due {
        Got::Done => words[wait.slot(wait.start)] = wait.value,
        Got::Value(_) => {
            for number in 0..wait.by {
                words[wait.slot(wait.start.wrapping_add(number))] = wait.value.wrapping_add(number);
            }
        }
        _ => {}
    }
    assert_eq!(
        *after, words,
        "after {call} had waited {ring}{lie}, the words are (left) and should be (right)"
    );
    answer.nothing_is_left(&format!("{call} has returned"));
}

#[proctor::test(clauses = [1, 2, 4, 8, 9], subject = |wait: Wait| -> Waited { waiting_pop(wait) })]
fn pop_sleeps_until_a_number_is_put_in(mut subject: Subject) {
    for wait in all_waits() {
        waited(&mut subject, wait, false);
    }
}

#[proctor::test(clauses = [1, 2, 4, 7, 8], subject = |wait: Wait| -> Waited { waiting_push(wait) })]
fn push_sleeps_until_there_is_room(mut subject: Subject) {
    for wait in all_waits() {
        waited(&mut subject, wait, true);
    }
}

#[proctor::test(clauses = [1, 4, 5, 7, 8], subject = |wait: Wait| -> Waited { waiting_pop(wait) }, full = |wait: Wait| -> Waited { waiting_push(wait) })]
fn an_impossible_count_ends_a_wait(mut subject: Subject, mut full: Subject) {
    for capacity in [1, 4, 64] {
        for by in [capacity + 1, 1 << 31, u32::MAX] {
            let start = proctor::random::<u32>();
            // Also if the lie would be possible with another count of its own.
            for own in [None, Some(start.wrapping_add(by))] {
                let wait = Wait {
                    own,
                    by,
                    ..Wait::new(capacity, start)
                };
                waited(&mut subject, wait, false);
                waited(&mut full, wait, true);
            }
        }
    }
}

/// For the subject: another process is the other end. It waits on the count
/// that `call` changes, and changes its own count after each wait, so that it
/// has to wait again.
fn wakes(
    words: &'static [AtomicU32],
    [count, theirs]: [usize; 2],
    times: u32,
    mut call: impl FnMut(),
) -> u32 {
    let word = &words[count];
    let begin = word.load(Ordering::Acquire);
    let sleeper = other_child(|| {
        for change in 0..times {
            let old = begin.wrapping_add(change);
            while word.load(Ordering::Acquire) == old {
                futex::wait(word, old);
            }
            words[theirs].fetch_add(1, Ordering::AcqRel);
        }
        0
    });
    for _ in 0..times {
        Onlooker::of_process(sleeper.as_raw()).until_it_waits();
        call();
    }
    code(sleeper);
    word.load(Ordering::Acquire).wrapping_sub(begin)
}

#[proctor::test(clauses = [1, 3, 9, 10], subject = |(start, tries): (u32, bool)| -> u32 {
    let words = shared(4, start, start);
    let mut producer = Producer::new(words).expect("an empty ring");
    wakes(words, [PUT, TAKEN], 4, || match tries {
        true => assert!(producer.try_push(1_u32).expect("a possible count"), "there is room"),
        false => producer.push(1_u32).expect("a possible count"),
    })
}, full = |(start, tries): (u32, bool)| -> u32 {
    let words = shared(4, start.wrapping_add(4), start);
    let mut consumer = Consumer::new(words).expect("a full ring");
    wakes(words, [TAKEN, PUT], 4, || match tries {
        true => assert!(consumer.try_pop().expect("a possible count").is_some(), "there are numbers"),
        false => _ = consumer.pop().expect("a possible count"),
    })
})]
fn the_other_end_is_woken_in_its_process(mut subject: Subject, mut full: Subject) {
    for (tries, push, pop) in [
        (true, "try_push()", "try_pop()"),
        (false, "push()", "pop()"),
    ] {
        for (subject, call, sleeps) in [
            (&mut subject, push, "words[PUT], because the ring was empty"),
            (&mut full, pop, "words[TAKEN], because the ring was full"),
        ] {
            let start = proctor::random::<u32>();
            let answer = subject.try_ask(&(start, tries)).unwrap_or_else(|failing| {
                let meaning = format!("another process sleeps on {sleeps}. {call} changed this count, and the other process still sleeps: {call} did not wake it, or it used a private futex, which finds only threads of its own process");
                Gate::explained(failing, &meaning).end()
            });
            assert_eq!(
                answer.value, 4,
                "{call} was called 4 times and changed its count by (left) instead of (right)"
            );
            answer.nothing_is_left(&format!("{call} has returned"));
        }
    }
}

/// How long the other process is stopped. Nothing waits for this time to pass:
/// a call that gives up after a short while gives up during it.
const STOPPED: Duration = Duration::from_millis(150);

#[proctor::test(clauses = [1, 8], subject = |(first, second): (u32, u32)| -> [Got; 2] {
    let words = shared(8, 0, 0);
    let mut consumer = Consumer::new(words).expect("an empty ring");
    let put = |number: u32, value: u32| {
        words[SLOTS + number as usize].store(value, Ordering::Relaxed);
        store_and_wake(&words[PUT], number + 1);
    };
    let producer = other_child(|| {
        put(0, first);
        raise(Signal::SIGSTOP).expect("a signal that can be sent");
        put(1, second);
        0
    });
    let caller = getpid();
    let waker = other_child(|| {
        Onlooker::of_process(producer.as_raw()).until_it_stops();
        Onlooker::of_process(caller.as_raw()).until_it_waits();
        thread::sleep(STOPPED);
        kill(producer, Signal::SIGCONT).expect("the producer is there");
        0
    });
    let got = [popped(consumer.pop()), popped(consumer.pop())];
    code(producer);
    code(waker);
    got
})]
fn a_producer_that_is_stopped_is_waited_for(mut subject: Subject) {
    let (first, second) = (proctor::random(), proctor::random());
    let answer = subject.ask(&(first, second));
    assert_eq!(
        answer.value,
        [Got::Value(first), Got::Value(second)],
        "SIGSTOP stopped the producer between two numbers, and {} ms after that SIGCONT let it go on; two calls of pop() returned (left) and should have returned (right)",
        STOPPED.as_millis()
    );
    answer.nothing_is_left("pop() has returned");
}

/// The numbers that pass through the ring, one after the other.
fn nth(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b9) ^ number >> 7
}

/// More than 16 bits count.
const MANY: u32 = 70_000;

#[proctor::test(clauses = [2, 7, 8, 9, 10, 11, 12, 14], deadline = 30.0, subject = |start: u32| -> (Option<(u32, Got)>, i32) {
    let file = memory_file();
    let mapping = map(&file, 8).expect("a file that can be extended and mapped");
    for count in [PUT, TAKEN] {
        mapping.words()[count].store(start, Ordering::Relaxed);
    }
    let mut consumer = Consumer::new(mapping.words()).expect("an empty ring");
    let producer = other_child(|| {
        // The memory is at another address here.
        let Ok(mapping) = map(&file, 8) else { return 2 };
        let Ok(mut producer) = Producer::new(mapping.words()) else { return 3 };
        u8::from((0..MANY).any(|number| producer.push(nth(number)).is_err()))
    });
    let pops = (0..MANY).map(|number| (number, popped(consumer.pop())));
    let wrong = { pops }.find(|(number, got)| *got != Got::Value(nth(*number)));
    if wrong.is_some() {
        _ = kill(producer, Signal::SIGKILL);
        _ = waitpid(producer, None);
        return (wrong, 0);
    }
    (wrong, code(producer))
})]
fn seventy_thousand_numbers_pass_between_two_processes(mut subject: Subject) {
    let answer = subject
        .try_ask(&(u32::MAX - 1_000))
        .unwrap_or_else(|failing| {
            let meaning = format!("{MANY} numbers should pass through a ring of 8 slots between two processes, by push() and pop(), and one of them waits for ever");
            Gate::explained(failing, &meaning).end()
        });
    let (wrong, code) = answer.value;
    if let Some((number, got)) = wrong {
        panic!(
            "of {MANY} numbers that another process put in, number {number} should have come out as {:?}, and pop() returned {got:?}",
            Got::Value(nth(number))
        );
    }
    assert_eq!(
        code, 0,
        "the process that puts {MANY} numbers in ended with exit code (left) instead of (right): 1 is an error of push(), 2 of map(), 3 of Producer::new(), and 101 a panic"
    );
    answer.nothing_is_left("all numbers have passed");
}

// ------------------------------------------------------------------------ the file

/// A new file, which is only in memory and may be sealed.
fn memory_file() -> File {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    memfd_create(c"ring-of-the-test", flags)
        .expect("a file in memory")
        .into()
}

/// What came of a mapping of a file that is larger than the memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sparse {
    /// The error of map, if there was one.
    failed: Option<Refused>,
    words: usize,
    /// The last word, which was in the file before.
    last: Option<u32>,
    /// The length of the file afterwards.
    length: u64,
    /// The last word in the file, after this process has stored its complement,
    /// and the last four bytes of the file.
    after: [Option<u32>; 2],
}

/// Four bytes of a file.
fn word_at(file: &File, at: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(u32::from_ne_bytes(bytes))
}

/// For the subject: maps the file. `None` if the kernel does not map so much.
fn map_sparse((path, capacity): (PathBuf, u32)) -> Option<Sparse> {
    let file = File::options().read(true).write(true).open(&path).ok()?;
    _ = fs::remove_file(&path);
    let length = file.metadata().ok()?.len();
    // SAFETY: a new mapping, which nobody uses.
    let probe = unsafe {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let bytes = NonZeroUsize::new(usize::try_from(length).ok()?)?;
        let probe = mmap(None, bytes, access, MapFlags::MAP_SHARED, &file, 0).ok()?;
        munmap(probe, bytes.get())
    };
    probe.ok()?;
    let mapping = match map(&file, capacity) {
        Ok(mapping) => mapping,
        failed => {
            return Some(Sparse {
                failed: refused(failed),
                words: 0,
                last: None,
                length: file.metadata().ok()?.len(),
                after: [None; 2],
            });
        }
    };
    let words = mapping.words();
    let end = 4 * (u64::from(capacity) + 1);
    let last = words.last().map(|word| word.load(Ordering::Acquire));
    if let (Some(word), Some(last)) = (words.last(), last) {
        word.store(!last, Ordering::Release);
    }
    let length = file.metadata().ok()?.len();
    Some(Sparse {
        failed: None,
        words: words.len(),
        last,
        length,
        after: [word_at(&file, end), word_at(&file, length - 4)],
    })
}

/// A large file with holes. The judge makes it, because the subject's files have
/// a limit of 256 MiB (RLIMIT_FSIZE). The subject removes it when it has opened
/// it, and the judge does so if the subject did not.
struct SparseFile(PathBuf);

impl SparseFile {
    /// `None` where the machine has no such files.
    fn new(length: u64, words: &[(u64, u32)]) -> Option<Self> {
        let name = format!(
            "ring-of-the-test-{}-{:x}",
            process::id(),
            proctor::random::<u64>()
        );
        let this = SparseFile(env::temp_dir().join(name));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&this.0)
            .ok()?;
        file.set_len(length).ok()?;
        for (at, word) in words {
            file.write_all_at(&word.to_ne_bytes(), *at).ok()?;
        }
        Some(this)
    }
}

impl Drop for SparseFile {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

/// Demands that map takes a file of this length as it is.
#[track_caller]
fn keeps_a_sparse_file(
    subject: &mut Subject<(PathBuf, u32), Option<Sparse>>,
    capacity: u32,
    length: u64,
) {
    let (last, behind) = (proctor::random::<u32>(), proctor::random::<u32>());
    let at = 4 * (u64::from(capacity) + 1);
    let mut words = vec![(at, last)];
    if length >= at + 8 {
        words.push((length - 4, behind));
    }
    let Some(file) = SparseFile::new(length, &words) else {
        return;
    };
    let Some(seen) = subject.ask(&(file.0.clone(), capacity)).value else {
        return;
    };
    let call = format!("map(&file, {capacity}) of a file of {length} bytes");
    assert_eq!(
        seen.failed, None,
        "{call} returned the error (left), with its number and its kind, and should have returned a mapping: the kernel maps this file"
    );
    assert_eq!(
        (seen.words, seen.length),
        (SLOTS + capacity as usize, length),
        "after {call}, the number of words and the length of the file in bytes are (left) and should be (right)"
    );
    let end = if words.len() > 1 { behind } else { !last };
    assert_eq!(
        (seen.last, seen.after),
        (Some(last), [Some(!last), Some(end)]),
        "after {call}, the last word of the ring, then this word in the file after its complement was stored through the mapping, and the last 4 bytes of the file are (left) and should be (right)"
    );
}

/// What came of a mapping that two processes use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mapped {
    words: usize,
    /// The length of the file afterwards.
    length: u64,
    /// The file's position and flags after the call.
    position: u64,
    same_flags: bool,
    /// The file's bytes after the call, before anything was stored.
    before: Vec<u8>,
    /// What the other process saw, and then what it stored and this one saw.
    theirs: bool,
    ours: Vec<u32>,
    /// The file's bytes at last.
    after: Vec<u8>,
}

/// How the file is open: its position, and whether it is open for appending.
type Opened = (u64, bool);

#[proctor::test(clauses = [11, 12], memory = 40_000, subject = |(bytes, capacity, start, (position, appends)): (Vec<u8>, u32, u32, Opened)| -> Mapped {
    let mut file = memory_file();
    file.write_all(&bytes).expect("memory for a few bytes");
    file.seek(SeekFrom::Start(position)).expect("a file in memory");
    let flag = if appends { OFlag::O_APPEND } else { OFlag::empty() };
    fcntl(&file, FcntlArg::F_SETFL(flag)).expect("flags that can be set");
    let flags = fcntl(&file, FcntlArg::F_GETFL).expect("flags");
    let read = |file: &File| fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("a file that can be read");
    let mapping = map(&file, capacity).expect("a file that can be extended and mapped");
    let mut seen = Mapped {
        words: mapping.words().len(),
        length: file.metadata().expect("an open file").len(),
        position: file.stream_position().expect("a file in memory"),
        same_flags: fcntl(&file, FcntlArg::F_GETFL) == Ok(flags),
        before: read(&file),
        theirs: false,
        ours: Vec::new(),
        after: Vec::new(),
    };
    let value = |at: usize| start.wrapping_add(nth(at as u32));
    for (at, word) in mapping.words().iter().enumerate() {
        word.store(value(at), Ordering::Relaxed);
    }
    let peer = other_child(|| {
        let Ok(theirs) = map(&file, capacity) else { return 2 };
        let words = theirs.words();
        let same = words.iter().enumerate().all(|(at, word)| word.load(Ordering::Acquire) == value(at));
        // Through both: its own mapping, and the one that fork has left it.
        for (at, word) in words.iter().enumerate().skip(2) {
            word.store(!value(at), Ordering::Release);
        }
        for word in &mapping.words()[..2] {
            word.fetch_add(1, Ordering::AcqRel);
        }
        u8::from(same)
    });
    seen.theirs = code(peer) == 1;
    seen.after = read(&file);
    drop(file);
    seen.ours = snapshot(mapping.words());
    seen
}, large = |question: (PathBuf, u32)| -> Option<Sparse> { map_sparse(question) })]
fn processes_that_map_the_file_share_the_words(mut subject: Subject, mut large: Subject) {
    let files = [
        (2, 16),
        (1, 0),
        (4, 13),
        (8, 5_000),
        (1024, 0),
        (2048, 4_096),
    ];
    let cases = files
        .into_iter()
        .flat_map(|file| [(file, false), (file, true)]);
    for (number, ((capacity, length), appends)) in cases.enumerate() {
        let size = 4 * (SLOTS + capacity as usize);
        let mut bytes = vec![0; length];
        bytes
            .iter_mut()
            .for_each(|byte| *byte = proctor::rng().u8(1..));
        let start = proctor::random::<u32>();
        // Its beginning, its end, or behind that.
        let position = [0, length, length + 2 * size][(number / 2 + number) % 3] as u64;
        let opened = (position, appends);
        let seen = subject.ask(&(bytes.clone(), capacity, start, opened)).value;
        let opened = if appends {
            ", which is open for appending"
        } else {
            ""
        };
        let call = format!("map(&file, {capacity}) of a file of {length} bytes{opened}");
        assert_eq!(
            (seen.words, seen.length),
            (SLOTS + capacity as usize, length.max(size) as u64),
            "after {call}, the number of words and the length of the file in bytes are (left) and should be (right)"
        );
        assert_eq!(
            (seen.position, seen.same_flags),
            (position, true),
            "after {call}, the file's position, and whether its flags are the same, are (left) and should be (right)"
        );
        bytes.resize(length.max(size), 0);
        assert!(
            seen.before == bytes,
            "{call} changed the bytes of the file: those that were there should stay, and new ones should be 0"
        );
        assert!(
            seen.theirs,
            "after {call}, this process stored values in the words, and another process that maps the same file did not see all of them at their places"
        );
        let stored = |at: usize| start.wrapping_add(nth(at as u32));
        let due: Vec<u32> = (0..seen.words)
            .map(|at| {
                if at < 2 {
                    stored(at).wrapping_add(1)
                } else {
                    !stored(at)
                }
            })
            .collect();
        assert!(
            seen.ours == due,
            "after {call}, another process stored values in the words, and this process did not see all of them at their places after it had closed the file"
        );
        for (at, word) in due.iter().enumerate() {
            bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_ne_bytes());
        }
        assert!(
            seen.after == bytes,
            "after {call}, the file does not have the stored words as its first bytes, or other bytes have changed"
        );
    }
    // Just over 31, 32 and 33 bits: by less than the words, and by more.
    for bits in [31, 32, 33] {
        for more in [4, 4_096] {
            keeps_a_sparse_file(&mut large, 4, (1 << bits) + more);
        }
    }
}

/// An error: its number, and its kind in words.
type Refused = (Option<i32>, String);

fn refused(result: io::Result<Mapping>) -> Option<Refused> {
    let error = result.err()?;
    Some((error.raw_os_error(), format!("{:?}", error.kind())))
}

/// How many bytes of address space this process uses.
fn address_space() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .next()
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("a number of pages") * 4096
}

#[proctor::test(clauses = [11, 12, 13, 14], subject = |capacity: u32| -> (Option<Refused>, u64) {
    let file = memory_file();
    (refused(map(&file, capacity)), file.metadata().expect("an open file").len())
}, kernel = |(): ()| -> Vec<(String, Option<i32>, Option<Refused>)> {
    let sealed = memory_file();
    fcntl(&sealed, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW)).expect("a file that can be sealed");
    let written = memory_file();
    written.set_len(4096).expect("a file that can be extended");
    let read_only = File::open(format!("/proc/self/fd/{}", written.as_raw_fd())).expect("a file that can be opened");
    let (pipe, _writer) = io::pipe().expect("two descriptors");
    let pipe = File::from(OwnedFd::from(pipe));
    let mut all = vec![
        ("that may not grow (F_SEAL_GROW)".to_owned(), Some(Errno::EPERM as i32), refused(map(&sealed, 4))),
        ("that is open only for reading".to_owned(), Some(Errno::EACCES as i32), refused(map(&read_only, 4))),
        ("that is open only for reading and too short".to_owned(), None, refused(map(&read_only, 2_048))),
        ("that is a pipe".to_owned(), None, refused(map(&pipe, 4))),
    ];
    let large = memory_file();
    let (soft, hard) = getrlimit(Resource::RLIMIT_AS).expect("a limit");
    setrlimit(Resource::RLIMIT_AS, address_space() + (2 << 20), hard).expect("a lower limit");
    let none = refused(map(&large, 1 << 22));
    setrlimit(Resource::RLIMIT_AS, soft, hard).expect("the limit as it was");
    all.push(("for which there is no address space".to_owned(), Some(Errno::ENOMEM as i32), none));
    all
})]
fn what_cannot_be_mapped_is_an_error(mut subject: Subject, mut kernel: Subject) {
    for capacity in [0, 3, 5, 6, 12, 1_000, (1 << 31) + 1, u32::MAX - 1, u32::MAX] {
        let (refused, length) = subject.ask(&capacity).value;
        assert_eq!(
            refused.map(|(_, kind)| kind),
            Some("InvalidInput".to_owned()),
            "map(&file, {capacity}) returned an error of the kind (left) instead of (right): {capacity} is not a power of two"
        );
        assert_eq!(
            length, 0,
            "map(&file, {capacity}) refused the capacity, and the file has (left) bytes now instead of (right)"
        );
    }
    let answer = kernel.ask(&());
    for (file, due, refused) in &answer.value {
        let number = refused.as_ref().map(|(number, _)| *number);
        let returned = match number {
            None => "a mapping".to_owned(),
            Some(None) => "an error without a number".to_owned(),
            Some(Some(number)) => format!("the error {}", Errno::from_raw(number)),
        };
        match due {
            Some(due) => assert!(
                number == Some(Some(*due)),
                "the kernel does not map a file {file}: map() returned {returned}, and should return the error {}",
                Errno::from_raw(*due)
            ),
            None => assert!(
                number.flatten().is_some(),
                "the kernel does not map a file {file}: map() returned {returned}, and should return the kernel's error with its number"
            ),
        }
    }
    answer.nothing_is_left("map() has returned errors");
}

/// How many mappings of the test's files this process has.
fn mappings() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines()
        .filter(|line| line.contains("ring-of-the-test"))
        .count()
}

#[proctor::test(clauses = [12, 14], subject = |times: u32| -> (Vec<String>, [usize; 2], u64) {
    let file = memory_file();
    drop(map(&file, 2));
    let before = Surroundings::now();
    let space = address_space();
    let mut mapped = 0;
    for number in 0..times {
        let mapping = map(&file, 1024).expect("a file that can be extended and mapped");
        let mut producer = Producer::new(mapping.words()).expect("a ring");
        let mut consumer = Consumer::new(mapping.words()).expect("a ring");
        _ = (producer.try_push(number), consumer.try_pop());
        _ = (producer.push(number), consumer.pop());
        _ = (map(&file, 3).is_err(), Producer::new(&[]).is_err());
        mapped = mappings();
    }
    let left = mappings();
    let more = address_space().saturating_sub(space) / 4096;
    (before.changes(), [mapped, left], more)
})]
fn nothing_is_left_behind(mut subject: Subject) {
    // What the first mappings allocate once, for all, is no leak.
    subject.ask(&8);
    let answer = subject.ask(&300);
    let (changes, [mapped, left], pages) = &answer.value;
    assert!(
        changes.is_empty(),
        "300 mappings with their rings were made and dropped, and this has changed: {}",
        changes.join("; ")
    );
    assert!(
        *mapped > 0 && *left == 0,
        "there were {mapped} mappings of the file while it was mapped, and {left} after all of them had been dropped"
    );
    started_nothing(&answer);
    let heap = answer.evidence.heap.left;
    assert!(
        heap < 300,
        "300 mappings with their rings were made and dropped, and {heap} bytes of memory are left, which is at least one for each mapping"
    );
    assert!(
        *pages < 300,
        "300 mappings with their rings were made and dropped, and the process has {pages} more pages in its address space, which is at least one for each mapping"
    );
    answer.nothing_is_left("300 mappings with their rings have been dropped");
}

#[track_caller]
fn started_nothing<A>(answer: &Answer<A>) {
    let found = &answer.evidence;
    let none = |count: Option<u32>| count.is_none_or(|count| count == 0);
    assert!(
        none(found.threads_started) && none(found.processes_started),
        "the ring started a thread or a process: it needs none"
    );
}

// ------------------------------------------------------------------ every execution

interleave::scenarios! {
    exercise = shared_ring_explored;

    use std::sync::atomic::{AtomicU32, Ordering};

    type Words<const N: usize> = Arc<[AtomicU32; N]>;

    fn ring<const N: usize>(words: [u32; N]) -> Words<N> {
        Arc::new(words.map(AtomicU32::new))
    }

    fn producer(words: &[AtomicU32]) -> exercise::Producer<'_> {
        exercise::Producer::new(words).expect("the words of a ring")
    }

    fn consumer(words: &[AtomicU32]) -> exercise::Consumer<'_> {
        exercise::Consumer::new(words).expect("the words of a ring")
    }

    /// One thread pushes two numbers into a ring with one slot, another pops them.
    pub fn two_through_one_slot() {
        let words = ring([u32::MAX, u32::MAX, 7]);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || {
            let mut producer = producer(&theirs[..]);
            for value in [1, 2] {
                producer.push(value).expect("a possible count");
            }
        });
        let mut consumer = consumer(&words[..]);
        let popped = [0; 2].map(|_| consumer.pop().expect("a possible count"));
        thread.join().unwrap();
        assert_eq!(popped, [1, 2], "the numbers 1 and 2 were put in, one after the other, and came out as (left)");
    }

    /// One thread tries to push three numbers into a ring with two slots, and
    /// another thread tries to pop twice. What is left comes out afterwards.
    pub fn both_try() {
        let words = ring([u32::MAX, u32::MAX, 7, 7]);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || {
            let mut producer = producer(&theirs[..]);
            [1, 2, 3].map(|value| producer.try_push(value).expect("a possible count"))
        });
        let mut consumer = consumer(&words[..]);
        let mut popped: Vec<u32> = (0..2).filter_map(|_| consumer.try_pop().expect("a possible count")).collect();
        let early = popped.len();
        let pushed = thread.join().unwrap();
        popped.extend((0..4).map_while(|_| consumer.try_pop().expect("a possible count")));
        assert_eq!(&pushed[..2], [true; 2], "a ring with two slots takes two numbers, and try_push() returned (left)");
        assert!(pushed[2] || early < 2 || popped.len() == 2, "a number is lost");
        let due = if pushed[2] { &[1, 2, 3][..] } else { &[1, 2] };
        assert_eq!(popped, due, "the numbers that came out are (left), and try_push() put in (right)");
    }

    /// The consumer waits, or not, for the only number.
    pub fn one_is_waited_for() {
        let words = ring([0, 0, 7]);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || {
            assert!(producer(&theirs[..]).try_push(1).expect("a possible count"), "there is room");
        });
        let popped = consumer(&words[..]).pop().expect("a possible count");
        thread.join().unwrap();
        assert_eq!(popped, 1, "1 was put in, and (left) came out");
    }

    /// The producer waits, or not, for the room in a full ring.
    pub fn room_is_waited_for() {
        let words = ring([0, u32::MAX, 7]);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || {
            producer(&theirs[..]).push(1).expect("a possible count");
        });
        let popped = consumer(&words[..]).try_pop().expect("a possible count");
        assert_eq!(popped, Some(7), "7 is in the full ring, and try_pop() returned (left)");
        thread.join().unwrap();
        let popped = consumer(&words[..]).try_pop().expect("a possible count");
        assert_eq!(popped, Some(1), "1 was put in, and try_pop() returned (left)");
    }

    /// One number is in a ring with two slots. The producer pushes two more, and
    /// has to wait if it finds the ring full. Meanwhile, the consumer takes one out.
    fn the_ring_fills_up_meanwhile(pop: fn(&mut exercise::Consumer<'_>) -> Option<u32>) {
        let words = ring([1, 0, 7, 8]);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || {
            let mut producer = producer(&theirs[..]);
            for value in [1, 2] {
                producer.push(value).expect("a possible count");
            }
        });
        let popped = pop(&mut consumer(&words[..]));
        assert_eq!(popped, Some(7), "7 was the only number in the ring, and (left) came out");
        thread.join().unwrap();
    }

    /// The consumer tries to pop.
    pub fn the_ring_fills_up_while_a_number_is_taken_if_there_is_one() {
        the_ring_fills_up_meanwhile(|consumer| consumer.try_pop().expect("a possible count"));
    }

    /// The consumer pops.
    pub fn the_ring_fills_up_while_a_number_is_taken() {
        the_ring_fills_up_meanwhile(|consumer| consumer.pop().ok());
    }

    /// One number is in a ring with two slots. The consumer pops two, and has to
    /// wait if it finds the ring empty. Meanwhile, the producer puts one in.
    fn the_ring_runs_empty_meanwhile(push: fn(&mut exercise::Producer<'_>) -> bool) {
        let words = ring([1, 0, 7, 8]);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || {
            let mut consumer = consumer(&theirs[..]);
            let popped = [0; 2].map(|_| consumer.pop().expect("a possible count"));
            assert_eq!(popped, [7, 1], "7 was in the ring and 1 was put in, and (left) came out");
        });
        assert!(push(&mut producer(&words[..])), "there is room");
        thread.join().unwrap();
    }

    /// The producer tries to push.
    pub fn the_ring_runs_empty_while_a_number_is_put_in_if_there_is_room() {
        the_ring_runs_empty_meanwhile(|producer| producer.try_push(1).expect("a possible count"));
    }

    /// The producer pushes.
    pub fn the_ring_runs_empty_while_a_number_is_put_in() {
        the_ring_runs_empty_meanwhile(|producer| producer.push(1).is_ok());
    }

    /// Another process stores an impossible count while a call looks at it. No
    /// possible count allows the call to succeed.
    fn a_lie_meanwhile(word: usize, words: [u32; 4], call: fn(&[AtomicU32])) {
        let before = words;
        let words = ring(words);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || theirs[word].store(100, Ordering::Release));
        call(&words[..]);
        thread.join().unwrap();
        for (at, value) in before.into_iter().enumerate() {
            let due = if at == word { 100 } else { value };
            assert_eq!(words[at].load(Ordering::Relaxed), due, "a call that put nothing in and took nothing out changed words[{at}]: it is (left) and should be (right)");
        }
    }

    /// A ring with two slots is empty, and then words[PUT] is 100.
    pub fn try_pop_while_the_count_becomes_impossible() {
        a_lie_meanwhile(0, [0, 0, 7, 8], |words| {
            if let Ok(mut consumer) = exercise::Consumer::new(words) {
                assert!(matches!(consumer.try_pop(), Ok(None) | Err(_)), "the ring was empty until words[PUT] became impossible, and try_pop() returned a number");
            }
        });
    }

    /// A ring with two slots is full, and then words[TAKEN] is 100.
    pub fn try_push_while_the_count_becomes_impossible() {
        a_lie_meanwhile(1, [2, 0, 7, 8], |words| {
            if let Ok(mut producer) = exercise::Producer::new(words) {
                assert!(matches!(producer.try_push(1), Ok(false) | Err(_)), "the ring was full until words[TAKEN] became impossible, and try_push() put a number in");
            }
        });
    }

    /// In an empty ring with two slots, words[PUT] is 100 for a while. Then the
    /// producer puts 1 in, and words[PUT] is 1.
    pub fn pop_while_the_count_is_impossible() {
        let words = ring([0, 0, 7, 8]);
        let theirs = Arc::clone(&words);
        let mut consumer = consumer(&words[..]);
        let thread = thread::spawn(move || {
            let mut producer = producer(&theirs[..]);
            theirs[0].store(100, Ordering::Release);
            producer.push(1).expect("a possible count");
        });
        if let Ok(popped) = consumer.pop() {
            assert_eq!(popped, 1, "words[PUT] was 0, then impossible and then 1. Only the number 1 was put in, and pop() returned (left)");
        }
        thread.join().unwrap();
    }

    /// In a full ring with two slots, words[TAKEN] is 100 for a while. Then the
    /// consumer takes 7 out, and words[TAKEN] is 1.
    pub fn push_while_the_count_is_impossible() {
        let words = ring([2, 0, 7, 8]);
        let theirs = Arc::clone(&words);
        let mut producer = producer(&words[..]);
        let thread = thread::spawn(move || {
            let mut consumer = consumer(&theirs[..]);
            theirs[1].store(100, Ordering::Release);
            consumer.pop()
        });
        let _ = producer.push(1);
        let popped = thread.join().unwrap();
        assert_eq!(popped, Ok(7), "words[TAKEN] was 0, then impossible and then 1. Before it was 1, the ring was full, its oldest number was 7, and pop() returned (left) instead of (right): push() had put a number in already");
    }

    /// The producer writes to plain memory before it pushes, and the consumer
    /// reads that after it has popped. Each value has a place of its own.
    fn notes_arrive(pop: fn(&mut exercise::Consumer<'_>) -> Option<u32>) {
        let words = ring([0, 0, 7, 7]);
        let notes = Arc::new([0, 0].map(Tracked::new));
        let (theirs, theirs_too) = (Arc::clone(&words), Arc::clone(&notes));
        let thread = thread::spawn(move || {
            let mut producer = producer(&theirs[..]);
            for (at, note) in theirs_too.iter().enumerate() {
                note.set(at + 5);
                assert!(producer.try_push(at as u32).expect("a possible count"), "there is room");
            }
        });
        let mut consumer = consumer(&words[..]);
        for _ in 0..2 {
            if let Some(at) = pop(&mut consumer) {
                let note = notes.get(at as usize).expect("an old value of the slot came out: 0 or 1 was put in").get();
                assert_eq!(note, at as usize + 5);
            }
        }
        thread.join().unwrap();
    }

    /// The consumer tries to pop.
    pub fn notes_arrive_with_what_is_tried() {
        notes_arrive(|consumer| consumer.try_pop().expect("a possible count"));
    }

    /// The consumer pops.
    pub fn notes_arrive_with_what_is_waited_for() {
        notes_arrive(|consumer| consumer.pop().ok());
    }

    /// The consumer writes to plain memory before it pops, and the producer
    /// reads that after it has pushed into the free slot.
    fn answers_arrive(push: fn(&mut exercise::Producer<'_>) -> bool) {
        let words = ring([1, 0, 7]);
        let answer = Arc::new(Tracked::new(0));
        let (theirs, theirs_too) = (Arc::clone(&words), Arc::clone(&answer));
        let thread = thread::spawn(move || {
            let mut consumer = consumer(&theirs[..]);
            theirs_too.set(5);
            assert_eq!(consumer.try_pop(), Ok(Some(7)), "7 is in the full ring");
        });
        if push(&mut producer(&words[..])) {
            assert_eq!(answer.get(), 5);
        }
        thread.join().unwrap();
    }

    /// The producer tries to push.
    pub fn answers_arrive_with_the_room_that_is_tried() {
        answers_arrive(|producer| producer.try_push(1).expect("a possible count"));
    }

    /// The producer pushes.
    pub fn answers_arrive_with_the_room_that_is_waited_for() {
        answers_arrive(|producer| producer.push(1).is_ok());
    }
}

#[proctor::test(clauses = [1, 2, 3, 6, 7, 8, 9, 10], subject = |(): ()| vec![
    explored(scenarios::both_try),
    explored(scenarios::two_through_one_slot),
])]
fn numbers_arrive_whatever_the_schedule(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 2, 3, 6, 7, 8, 9, 10], subject = |(): ()| {
    [
        scenarios::one_is_waited_for as fn(),
        scenarios::room_is_waited_for,
        scenarios::notes_arrive_with_what_is_waited_for,
        scenarios::the_ring_fills_up_while_a_number_is_taken_if_there_is_one,
        scenarios::the_ring_fills_up_while_a_number_is_taken,
        scenarios::the_ring_runs_empty_while_a_number_is_put_in_if_there_is_room,
        scenarios::the_ring_runs_empty_while_a_number_is_put_in,
    ].map(explored).to_vec()
})]
fn no_wake_up_is_lost(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 3, 4, 5, 6, 7, 8, 9], subject = |(): ()| {
    [
        scenarios::try_pop_while_the_count_becomes_impossible as fn(),
        scenarios::try_push_while_the_count_becomes_impossible,
        scenarios::pop_while_the_count_is_impossible,
        scenarios::push_while_the_count_is_impossible,
    ].map(explored).to_vec()
})]
fn only_a_count_that_was_checked_is_used(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [3, 6, 7, 8, 9, 10], subject = |(): ()| {
    [scenarios::notes_arrive_with_what_is_tried as fn(), scenarios::notes_arrive_with_what_is_waited_for].map(explored).to_vec()
})]
fn what_the_producer_wrote_arrives_with_the_number(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [3, 6, 7, 8, 9, 10], subject = |(): ()| {
    [scenarios::answers_arrive_with_the_room_that_is_tried as fn(), scenarios::answers_arrive_with_the_room_that_is_waited_for].map(explored).to_vec()
})]
fn what_the_consumer_wrote_arrives_with_the_room(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

/// The simplest executions, and nearly always all of them.
fn explored(scenario: fn()) -> Exploration {
    Explore::new().executions(800).of(scenario)
}
