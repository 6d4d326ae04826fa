//! Judges the table of counters from outside: scripts in one thread, every execution that the memory
//! model allows, processes that count together, a process that is looked at after each instruction, and
//! others that are faster before each write.
#![allow(clippy::drop_non_drop)] // a mapping has a Drop; the stub has none

proctor::exercise!(shared_counter);

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, Thread};

use interleave::{Explore, all_must_hold};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use proctor::{Gate, Subject, other_child, step, traced_child};
use serde::{Deserialize, Serialize};
use shared_counter::{Counter, Memory, Table, TableError, create};

// The judge's own copy: a learner could change the library's.
const LAST: usize = 0;
const TAKEN: usize = 1;
const ENTRIES: usize = 2;
const SIZE: usize = 3;
const MOST: usize = 1 << 20;

/// How many words a table with so many entries has.
const fn length(entries: usize) -> usize {
    ENTRIES + SIZE * entries
}

// ------------------------------------------------------------- one thread, a script

/// A step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Op {
    New,
    Join(u32),
    /// To the counter that was joined under this name.
    Add(u32, u32),
    Get(u32),
    Sum,
    /// Another process stores a value in a word.
    Store(usize, u32),
}
use Op::{Add, Get, Join, New, Store, Sum};

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            New => write!(f, "Table::new(words)"),
            Join(name) => write!(f, "join({name})"),
            Add(name, amount) => write!(f, "add({amount}) to the counter with the name {name}"),
            Get(name) => write!(f, "get() of the counter with the name {name}"),
            Sum => write!(f, "sum()"),
            Store(LAST, value) => write!(f, "another process storing {value} in words[LAST]"),
            Store(TAKEN, value) => write!(f, "another process storing {value} in words[TAKEN]"),
            Store(at, value) => write!(f, "another process storing {value} in words[{at}]"),
        }
    }
}

/// What a call returned, as plain data.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Got {
    /// A table, a counter, or nothing.
    Done,
    Value(u64),
    Full,
    Broken,
    /// An earlier step should have made the table or the counter.
    Missing,
}

impl fmt::Debug for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Got::Done => f.write_str("Ok"),
            Got::Full => f.write_str("the error Full"),
            Got::Broken => f.write_str("the error Broken"),
            Got::Missing => f.write_str("nothing, because an earlier call has failed"),
            Got::Value(value) => write!(f, "{value}"),
        }
    }
}

/// The words at the beginning, and what happens then.
type Script = (Vec<u32>, Vec<Op>);
/// What each step returned, and the words after it.
type Played = Vec<(Got, Vec<u32>)>;

/// For the subject: plays a script.
fn play((words, ops): Script) -> Played {
    let words: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
    let mut counters: BTreeMap<u32, Counter<'_>> = BTreeMap::new();
    let mut made = None;
    let mut played = Played::new();
    for op in ops {
        let got = match (op, &made) {
            (New, _) => Table::new(&words).map(|table| {
                made = Some(table);
                Got::Done
            }),
            (Join(name), Some(table)) => table.join(name).map(|counter| {
                counters.insert(name, counter);
                Got::Done
            }),
            (Sum, Some(table)) => table.sum().map(Got::Value),
            (Add(name, amount), _) => Ok(counters.get(&name).map_or(Got::Missing, |counter| {
                counter.add(amount);
                Got::Done
            })),
            (Get(name), _) => {
                let count = counters.get(&name).map(Counter::get);
                Ok(count.map_or(Got::Missing, |count| Got::Value(count.into())))
            }
            (Store(at, value), _) => {
                words[at].store(value, Ordering::Release);
                Ok(Got::Done)
            }
            (_, None) => Ok(Got::Missing),
        };
        let got = got.unwrap_or_else(|error| match error {
            TableError::Full => Got::Full,
            TableError::Broken => Got::Broken,
        });
        played.push((got, snapshot(&words)));
    }
    played
}

fn snapshot(words: &[AtomicU32]) -> Vec<u32> {
    let load = |word: &AtomicU32| word.load(Ordering::Acquire);
    words.iter().map(load).collect()
}

/// The offsets of the entries in the list; `None` if it is broken.
fn list(words: &[u32]) -> Option<Vec<usize>> {
    let entries = (words.len() - ENTRIES) / SIZE;
    let (mut offsets, mut next) = (Vec::new(), words[LAST] as usize);
    while next != 0 {
        let begins = next >= ENTRIES && (next - ENTRIES).is_multiple_of(SIZE) && next < words.len();
        if !begins || offsets.len() == entries {
            return None;
        }
        offsets.push(next);
        next = words[next + 2] as usize;
    }
    Some(offsets)
}

/// For the judge: what a script should do.
struct Model {
    words: Vec<u32>,
    /// The offsets of the entries by name.
    counters: BTreeMap<u32, usize>,
}

impl Model {
    fn step(&mut self, op: Op) -> Got {
        let words = &mut self.words;
        match op {
            New => Got::Done,
            Join(name) => {
                let Some(list) = list(words) else {
                    return Got::Broken;
                };
                if let Some(entry) = list.into_iter().find(|entry| words[*entry] == name) {
                    self.counters.insert(name, entry);
                    return Got::Done;
                }
                let entry = length(words[TAKEN] as usize);
                if entry >= words.len() {
                    return Got::Full;
                }
                let next = words[LAST];
                words[entry..][..SIZE].copy_from_slice(&[name, 0, next]);
                words[LAST] = entry as u32;
                words[TAKEN] += 1;
                self.counters.insert(name, entry);
                Got::Done
            }
            Add(name, amount) => {
                let count = &mut words[self.counters[&name] + 1];
                *count = count.saturating_add(amount);
                Got::Done
            }
            Get(name) => Got::Value(words[self.counters[&name] + 1].into()),
            Sum => list(words).map_or(Got::Broken, |list| {
                let counts = list.into_iter().map(|entry| u64::from(words[entry + 1]));
                Got::Value(counts.sum())
            }),
            Store(at, value) => {
                words[at] = value;
                Got::Done
            }
        }
    }
}

/// The words of a small table, or the first words of a large one.
fn show(words: &[u32]) -> String {
    match words.get(..14) {
        Some(first) if words.len() > 14 => format!("{first:?} and more"),
        _ => format!("{words:?}"),
    }
}

/// What it means if a script hangs.
const HANGS: &str = "a call does not return, although no other process uses the table now: it waits for a process that was stopped or killed, or it walks in a circle along wrong links";

/// Asks the subject to play a script, and demands what it should do.
#[track_caller]
fn plays(subject: &mut Subject<Script, Played>, words: &[u32], ops: &[Op]) {
    let asked = subject.try_ask(&(words.to_vec(), ops.to_vec()));
    let played = asked.unwrap_or_else(|failing| Gate::explained(failing, HANGS).end());
    let mut model = Model {
        words: words.to_vec(),
        counters: BTreeMap::new(),
    };
    assert_eq!(played.value.len(), ops.len());
    for (number, (op, (got, after))) in ops.iter().zip(played.value).enumerate() {
        let at = format!(
            "step {number} of a script, {op}, on a table of {} words, which are {}",
            words.len(),
            show(&model.words)
        );
        let due = model.step(*op);
        assert_eq!(
            got, due,
            "{at}: the call returned (left), and should have returned (right)"
        );
        assert!(
            after == model.words,
            "{at}: afterwards the words are {}, and should be {} (LAST, TAKEN, then name, count and next of each entry)",
            show(&after),
            show(&model.words)
        );
    }
}

fn name() -> u32 {
    proctor::random::<u32>()
}

#[proctor::test(clauses = [1, 10, 13], subject = |script: Script| play(script))]
fn a_name_has_one_counter(mut subject: Subject) {
    for entries in [1_usize, 2, 3, 40] {
        let mut names = vec![0, u32::MAX, 1, 2, 5];
        names.resize_with(entries.max(5), name);
        let mut ops = vec![New];
        for (number, name) in names[..entries].iter().enumerate() {
            ops.extend([Join(*name), Get(*name), Add(*name, number as u32 + 1)]);
            // An old one, by the same table and by a new one.
            let old = names[proctor::rng().usize(0..=number)];
            ops.extend([Join(old), Add(old, 1), New, Join(old), Get(old), Sum]);
        }
        plays(&mut subject, &vec![0; length(entries)], &ops);
    }
}

#[proctor::test(clauses = [1, 10], subject = |script: Script| play(script))]
fn a_new_counter_begins_at_zero(mut subject: Subject) {
    for garbage in [1, ENTRIES as u32, u32::MAX, name()] {
        let mut words = vec![garbage; length(4)];
        words[LAST] = 0;
        words[TAKEN] = 0;
        // The words that nobody has given a meaning look like this name.
        let mut ops = vec![New, Sum, Join(garbage), Get(garbage), Add(garbage, 3), Sum];
        ops.extend([Join(6), Get(6), Join(garbage), Get(garbage), Sum]);
        plays(&mut subject, &words, &ops);
    }
}

#[proctor::test(clauses = [1, 8, 10, 11, 12], subject = |script: Script| play(script))]
fn an_entry_that_is_not_in_the_list_is_not_used(mut subject: Subject) {
    // Entry 1 was taken by a process that died before it pushed the entry. Entries 3, 0 and 2 were
    // pushed in this order.
    let mut words = vec![0; length(6)];
    words[LAST] = length(2) as u32;
    words[TAKEN] = 4;
    for (entry, next) in [(3, 0), (0, length(3)), (2, length(0))] {
        let at = length(entry);
        words[at..][..SIZE].copy_from_slice(&[10 + entry as u32, name() / 8, next as u32]);
    }
    words[length(1)..][..SIZE].copy_from_slice(&[11, 5, 77]);
    for ops in [
        [Join(10), Get(10), Join(12), Get(12), Join(13), Sum],
        [Join(11), Get(11), Add(11, 4), Sum, Join(10), Get(11)],
        [Join(14), Join(11), Join(15), Get(11), Sum, Get(14)],
    ] {
        plays(&mut subject, &words, &[&[New], &ops[..]].concat());
    }
    // Another process takes entry 2 out of the list, and then all entries, while this thread goes on.
    let [first, all] = [length(0) as u32, 0].map(|last| Store(LAST, last));
    for again in [Get(12), New] {
        let mut ops = vec![
            New,
            Join(12),
            Add(12, 3),
            first,
            again,
            Join(12),
            Get(12),
            Sum,
        ];
        ops.extend([
            Join(10),
            Join(12),
            Add(12, 4),
            all,
            again,
            Join(12),
            Get(12),
        ]);
        ops.extend([
            Store(TAKEN, 0),
            all,
            again,
            Join(12),
            Join(10),
            Get(12),
            Sum,
        ]);
        plays(&mut subject, &words, &ops);
    }
}

#[proctor::test(clauses = [1, 8, 10, 11], subject = |script: Script| play(script))]
fn a_full_table_takes_no_new_name(mut subject: Subject) {
    for entries in [1_u32, 2, 33] {
        let mut ops = vec![New];
        ops.extend((0..entries).map(Join));
        for new in [entries, name() | 64, name() | 64] {
            ops.extend([Join(new), Join(0), Add(0, 1), Join(entries - 1), Sum]);
        }
        plays(&mut subject, &vec![0; length(entries as usize)], &ops);
    }
    // More than all were taken, and none of them is in the list.
    for taken in [2, 3, 1 << 20, 0x5555_5555, 1 << 31, u32::MAX - 1, u32::MAX] {
        let mut words = vec![0; length(2)];
        words[TAKEN] = taken;
        plays(&mut subject, &words, &[New, Join(1), Join(1), Sum]);
    }
}

#[proctor::test(clauses = [1, 12, 13], subject = |script: Script| play(script))]
fn a_count_stops_at_the_top_and_the_sum_does_not(mut subject: Subject) {
    let (top, half) = (u32::MAX, 1 << 31);
    for amounts in [
        [0, 0, 1, 0, 0],
        [top, 0, 1, top, top],
        [top - 1, 1, 1, 7, 0],
        [half, half - 1, 0, 1, half],
        [half, half, half, 5, 0],
        [name(), name(), name(), top, 1],
    ] {
        let mut ops = vec![New, Join(1), Join(2), Sum, Join(3), Add(3, top)];
        for amount in amounts {
            ops.extend([Add(2, amount), Get(2), Get(1), Sum]);
        }
        ops.extend([Add(1, half), Sum, Join(4), Add(4, top), Sum]);
        plays(&mut subject, &[0; length(4)], &ops);
    }
}

#[proctor::test(clauses = [1, 9, 10, 11, 12], memory = 4096, subject = |(entries, stride): (usize, usize)| -> Result<[u64; 6], String> {
    // A list through all entries but one, in another order than that of their offsets.
    let mut words: Vec<AtomicU32> = (0..length(entries)).map(|_| AtomicU32::new(0)).collect();
    let mut entry = 0;
    for _ in 0..entries {
        let after = (entry + stride) % entries;
        if entry != entries - 1 {
            let last = *words[LAST].get_mut();
            *words[length(entry)].get_mut() = entry as u32;
            *words[length(entry) + 1].get_mut() = if entry == 0 { 3 } else { u32::MAX };
            *words[length(entry) + 2].get_mut() = last;
            *words[LAST].get_mut() = length(entry) as u32;
        }
        entry = after;
    }
    *words[TAKEN].get_mut() = entries as u32 - 1;
    let table = Table::new(&words).map_err(|error| format!("new returned {error:?}"))?;
    let first = table.join(0).map_err(|error| format!("join of a name that is in the list returned {error:?}"))?;
    first.add(5);
    let new = table.join(u32::MAX).map_err(|error| format!("join of a new name returned {error:?}"))?;
    new.add(7);
    let full = table.join(u32::MAX - 1).is_err_and(|error| error == TableError::Full);
    let sum = table.sum().map_err(|error| format!("sum returned {error:?}"))?;
    let at = |word: usize| u64::from(words[word].load(Ordering::Relaxed));
    Ok([sum, at(LAST), at(TAKEN), at(length(0) + 1), at(length(entries - 1) + 1), u64::from(full)])
})]
fn a_table_can_have_a_million_entries(mut subject: Subject) {
    for entries in [300, 70_000, MOST] {
        // It has no divisor in common with the numbers of entries.
        let found = subject.ask(&(entries, 11)).value;
        let (sum, last) = (15 + (entries - 2) * u32::MAX as usize, length(entries - 1));
        let due = [sum, last, entries, 8, 7, 1].map(|number| number as u64);
        assert_eq!(
            found,
            Ok(due),
            "in a table with {entries} entries, of which all but one are in the list, entry 0 with 3 as its count and the others with u32::MAX: after add(5) to an old counter and join and add(7) to a new one, the sum, words[LAST], words[TAKEN], the two counts, and whether a further join found the table full are (left) and should be (right)"
        );
    }
}

#[proctor::test(clauses = [9], subject = |lengths: Vec<usize>| -> Vec<bool> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let words: Vec<AtomicU32> = (0..longest).map(|_| AtomicU32::new(0)).collect();
    let is_table = |length| Table::new(&words[..length]).is_ok();
    lengths.into_iter().map(is_table).collect()
})]
fn words_of_another_length_are_no_table(mut subject: Subject) {
    let most = length(MOST);
    let lengths = (0..30).chain(1_000..1_003).chain(most - 3..most + 4);
    let lengths: Vec<usize> = lengths.chain([2 * most, 2 * most - ENTRIES]).collect();
    for (length, is_table) in lengths.iter().zip(subject.ask(&lengths).value) {
        let (whole, entries) = (length % SIZE == ENTRIES, length / SIZE);
        let due = whole && (1..=MOST).contains(&entries);
        assert_eq!(
            is_table, due,
            "whether Table::new accepts {length} words is (left) and should be (right): a table has {ENTRIES} words and {SIZE} more for each of its 1 to {MOST} entries"
        );
    }
}

#[proctor::test(clauses = [1, 9, 12], subject = |script: Script| play(script))]
fn wrong_links_are_broken(mut subject: Subject) {
    for (entries, held) in [(1, 0), (1, 1), (2, 1), (2, 2), (5, 1), (5, 4), (5, 5)] {
        // The list has `held` entries, and the wrong link is in words[LAST] or in an entry.
        let mut words = vec![0; length(entries)];
        words[TAKEN] = held as u32;
        for entry in 0..held {
            let next = words[LAST];
            words[length(entry)..][..SIZE].copy_from_slice(&[entry as u32, 1, next]);
            words[LAST] = length(entry) as u32;
        }
        let end = length(entries) as u32;
        let mut wrong = vec![1, 3, 4, end - 1, end, end + 1, end + 3, 1 << 31, u32::MAX];
        // Entries would begin at these offsets in a longer table, or in words of 16 bits.
        wrong.extend([u32::MAX - 1, 0x5555_5556, 65_538, 196_610, 196_613]);
        let ops_of = |link, value: &u32| [Store(link, *value), Join(99), Sum, Join(98)];
        for entry in 0..held {
            let link = length(entry) + 2;
            let ops: Vec<Op> = wrong.iter().flat_map(|value| ops_of(link, value)).collect();
            plays(&mut subject, &words, &[&[New], &ops[..]].concat());
            // Where the list should end, a circle begins.
            let ops = ops_of(length(0) + 2, &(length(entry) as u32));
            plays(&mut subject, &words, &[&[New], &ops[..]].concat());
        }
        let ops: Vec<Op> = wrong.iter().flat_map(|value| ops_of(LAST, value)).collect();
        plays(&mut subject, &words, &[&[New], &ops[..]].concat());
    }
}

// ------------------------------------- every schedule, and every value that may be seen

interleave::scenarios! {
    exercise = shared_counter_explored;

    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    type Words = Arc<Vec<AtomicU32>>;

    /// An empty table in words of which the others have this value.
    fn fresh(entries: u32, garbage: u32) -> Words {
        let word = |at| AtomicU32::new(if at < 2 { 0 } else { garbage });
        Arc::new((0..2 + 3 * entries).map(word).collect())
    }

    /// The same with counter 7, which has counted this.
    fn with_a_counter(entries: u32, count: u32) -> Words {
        let words = fresh(entries, 0);
        for (at, value) in [2, 1, 7, count, 0].into_iter().enumerate() {
            words[at].store(value, SeqCst);
        }
        words
    }

    fn table(words: &Words) -> exercise::Table<'_> {
        exercise::Table::new(words).unwrap_or_else(|_| panic!("Table::new refuses the words of a table"))
    }

    fn join(words: &Words, name: u32) -> exercise::Counter<'_> {
        table(words).join(name).unwrap_or_else(|error| panic!("join({name}) returns {error:?}, and the table has a free entry for every name and correct links"))
    }

    /// The names and counts in the list, in the order of the names.
    fn counts(words: &Words) -> Vec<(u32, u32)> {
        let (mut all, mut next) = (Vec::new(), words[0].load(SeqCst) as usize);
        while next != 0 {
            let is_entry = next > 1 && next + 2 < words.len() && all.len() < words.len() / 3;
            assert!(is_entry, "two threads have joined names, and the links are wrong");
            let [name, count, link] = [0, 1, 2].map(|word| words[next + word].load(SeqCst));
            all.push((name, count));
            next = link as usize;
        }
        all.sort_unstable();
        all
    }

    /// Two threads add to the same counter, which both have joined before.
    pub fn both_add() {
        let words = with_a_counter(1, 5);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || join(&theirs, 7).add(10));
        join(&words, 7).add(100);
        thread.join().unwrap();
        let found = join(&words, 7).get();
        assert_eq!(found, 115, "one thread added 10 to a counter of 5 and another one added 100, and get() returns (left) instead of (right)");
    }

    /// Two threads add at the top, and one of them looks in between.
    pub fn both_reach_the_top() {
        let words = with_a_counter(1, u32::MAX - 3);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || join(&theirs, 7).add(2));
        let mine = join(&words, 7);
        let before = mine.get();
        mine.add(2);
        let after = mine.get();
        thread.join().unwrap();
        assert!(before >= u32::MAX - 3 && after >= u32::MAX - 1, "a count near the top became smaller: get() returned {before}, and {after} after add(2)");
        let found = mine.get();
        assert_eq!(found, u32::MAX, "two threads added 2 each to u32::MAX - 3, and get() returns (left) instead of (right)");
    }

    /// A thread adds all that fits into a count of 0, and another one adds 1.
    pub fn one_reaches_the_top() {
        let words = with_a_counter(1, 0);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || join(&theirs, 7).add(u32::MAX));
        let mine = join(&words, 7);
        mine.add(1);
        let after = mine.get();
        thread.join().unwrap();
        let found = mine.get();
        assert!([1, u32::MAX].contains(&after) && found == u32::MAX, "one thread added u32::MAX to a count of 0 and another one added 1: then get() returned {after}, and {found} at the end. The count should be 1 or u32::MAX, and u32::MAX at the end");
    }

    /// Two threads join a name each, and add 1 and 10 to their counters.
    fn two_join(words: Words, names: [u32; 2], due: &[(u32, u32)]) {
        let count = move |words: &Words, number: usize| {
            let counter = join(words, names[number]);
            let (before, others) = (counter.get(), if names[0] == names[1] { [10, 1][number] } else { 0 });
            assert!([0, others].contains(&before), "join({}) gave a counter that begins at {before}: the call saw the count that was in the words before the entry was taken, or that of another entry", names[number]);
            counter.add([1, 10][number]);
        };
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || count(&theirs, 0));
        count(&words, 1);
        thread.join().unwrap();
        let counts = counts(&words);
        assert_eq!(counts, due, "two threads joined the names {names:?} and added 1 and 10: the names and counts in the list are (left) and should be (right)");
    }

    /// Two threads join the same name and add.
    pub fn both_join_a_name() {
        two_join(fresh(2, 0), [7, 7], &[(7, 11)]);
    }

    /// Two threads join different names and add.
    pub fn both_join_their_own_name() {
        two_join(fresh(2, 0), [8, 9], &[(8, 1), (9, 10)]);
    }

    /// All free words were 9. A thread joins a name, and another one joins the name 9.
    pub fn joining_what_was_in_the_words() {
        two_join(fresh(2, 9), [5, 9], &[(5, 1), (9, 10)]);
    }

    /// All free words were 9. Two threads join the same name.
    pub fn finding_an_entry() {
        two_join(fresh(2, 9), [5, 5], &[(5, 11)]);
    }

    /// Three threads join: two the same name, and the third another one.
    pub fn three_join() {
        let words = with_a_counter(4, 0);
        let threads = [(8, 1), (9, 10)].map(|(name, amount)| {
            let theirs = Arc::clone(&words);
            thread::spawn(move || join(&theirs, name).add(amount))
        });
        join(&words, 8).add(100);
        for thread in threads {
            thread.join().unwrap();
        }
        let counts = counts(&words);
        assert_eq!(counts, [(7, 0), (8, 101), (9, 10)], "beside the counter 7, three threads joined the names 8, 9 and 8 and added 1, 10 and 100: the names and counts in the list are (left) and should be (right)");
    }

    /// A thread joins two names and adds, and another one takes the sum.
    pub fn summing_beside_a_join() {
        let words = fresh(2, 9);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || {
            join(&theirs, 5).add(2);
            join(&theirs, 6).add(4);
        });
        let sum = table(&words).sum().unwrap_or_else(|error| panic!("sum() returns {error:?} while another thread joins: it has seen a link that was not yet written"));
        thread.join().unwrap();
        assert!([0, 2, 6].contains(&sum) || sum == 4, "two counters began at 0 and 2 and 4 were added to them: sum() returned {sum} meanwhile");
    }

    /// One thread joins two names, and another one joins this name.
    fn one_joins_two(name: u32, due: &[(u32, u32)]) {
        let words = fresh(3, 9);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || join(&theirs, name).add(10));
        join(&words, 5).add(1);
        join(&words, 6).add(2);
        thread.join().unwrap();
        let counts = counts(&words);
        assert_eq!(counts, due, "a thread joined the names 5 and 6 and added 1 and 2, and another one joined the name {name} and added 10: the names and counts in the list are (left) and should be (right)");
    }

    /// One thread joins two names, and another one joins the first of them.
    pub fn the_first_of_two_is_joined_too() {
        one_joins_two(5, &[(5, 11), (6, 2)]);
    }

    /// One thread joins two names, and another one joins the second of them.
    pub fn the_second_of_two_is_joined_too() {
        one_joins_two(6, &[(5, 1), (6, 12)]);
    }

    /// A thread joins a name. Another process takes an entry meanwhile, and dies.
    fn joining_beside_a_death(entries: u32) {
        let words = fresh(entries, 9);
        let theirs = Arc::clone(&words);
        let dying = thread::spawn(move || {
            let one_more = |taken| (taken < entries).then_some(taken + 1);
            theirs[1].fetch_update(SeqCst, SeqCst, one_more).is_ok()
        });
        let joined = table(&words).join(5).map(|counter| counter.add(1)).is_ok();
        let took = dying.join().unwrap();
        let counts = counts(&words);
        let is_right = if joined { counts == [(5, 1)] } else { counts.is_empty() && took && entries == 1 };
        assert!(is_right, "in a table with {entries} entries, another process has taken an entry ({took}) and died, while a thread joined the name 5 and added 1. It got a counter: {joined}. The names and counts in the list are {counts:?}");
    }

    /// A thread joins a name. Another process takes the only entry meanwhile, and dies.
    pub fn the_last_entry_dies() {
        joining_beside_a_death(1);
    }

    /// A thread joins a name. Another process takes one of two entries meanwhile, and dies.
    pub fn one_of_two_entries_dies() {
        joining_beside_a_death(2);
    }

    /// A thread joins a name. Another process stores a wrong offset meanwhile.
    pub fn a_wrong_link_comes() {
        let words = fresh(2, 0);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || theirs[0].store(4, SeqCst));
        let joined = table(&words).join(5).map(|_| ());
        thread.join().unwrap();
        let next = words[4].load(SeqCst);
        let is_right = match joined {
            Ok(()) => next == 0,
            Err(error) => error == exercise::TableError::Broken,
        };
        assert!(is_right, "another process stored the offset 4, at which no entry begins, in words[LAST] while a thread joined a name. join() returned {joined:?}, and the NEXT of its entry is {next}: it should return Broken, or push its entry before the offset comes");
    }

    /// A thread joins a name in a full table, and another one looks at the words.
    pub fn a_full_table_is_looked_at() {
        let words = with_a_counter(1, 0);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || table(&theirs).join(9).is_err());
        let seen = [1, 0, 1].map(|at| words[at].load(SeqCst));
        let is_full = thread.join().unwrap();
        assert!(is_full && seen == [1, 2, 1], "a thread joined a new name in a full table, and got an error: {is_full}. Another one saw words[TAKEN], words[LAST] and words[TAKEN] as {seen:?} meanwhile, and they should stay as they are");
    }

    /// The names and counts of a list, in words.
    fn listed(counts: &[(u32, u32)]) -> String {
        let all: Vec<String> = counts.iter().map(|(name, count)| format!("the name {name} with the count {count}")).collect();
        if all.is_empty() { "no entry".to_owned() } else { all.join(" and ") }
    }

    /// Two threads join in a table with one entry, and add 1 and 10.
    fn two_join_for_the_last_entry(names: [u32; 2]) {
        let words = fresh(1, 0);
        let add = move |words: &Words, number: usize| match table(words).join(names[number]) {
            Ok(counter) => {
                counter.add([1, 10][number]);
                [1, 10][number]
            }
            Err(_) => 0,
        };
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || add(&theirs, 0));
        let mine = add(&words, 1);
        let added = [thread.join().unwrap(), mine];
        let (counts, taken) = (counts(&words), words[1].load(SeqCst));
        let name = if mine > 0 { names[1] } else { names[0] };
        let is_one = names[0] == names[1] || added.contains(&0);
        let same = if names[0] == names[1] { "the same name" } else { "different names" };
        assert!(is_one, "two threads joined {same} in a table with one free entry. Only one of them can get a counter, and both got one");
        assert!(added != [0, 0], "two threads joined {same} in a table with one free entry. One of them should get a counter, and both calls of join() returned an error");
        assert_eq!(taken, 1, "two threads joined {same} in a table with one entry, and words[TAKEN] is (left) afterwards. It counts the entries that are taken, and should be (right)");
        let sum = added[0] + added[1];
        assert!(counts == [(name, sum)], "two threads joined {same} in a table with one entry. Those that got a counter added {sum} in all. The list should hold one entry with the name {name} and the count {sum}, and it holds {}", listed(&counts));
    }

    /// Two threads join different names, and only one entry is free.
    pub fn both_join_for_the_last_entry() {
        two_join_for_the_last_entry([8, 9]);
    }

    /// Two threads join the same name, and only one entry is free.
    pub fn both_join_a_name_for_the_last_entry() {
        two_join_for_the_last_entry([8, 8]);
    }
}

/// Explores scenarios.
macro_rules! explored {
    ($($scenario:ident)+) => {
        vec![$(Explore::new().executions(1_500).of(scenarios::$scenario)),+]
    };
}

#[proctor::test(clauses = [1, 13], subject = |(): ()| explored![both_add both_reach_the_top one_reaches_the_top], overtaken = |question: Overtaken| overtaken(question))]
fn no_addition_is_lost(mut subject: Subject, mut overtaken: Subject) {
    all_must_hold(&subject.ask(&()).value);
    // Counter 7. Before each write of a process, another one adds to the count.
    for (amount, times, theirs) in [
        (1_000, FASTER, 1),
        (u32::MAX, FASTER, 1),
        (1, 1, u32::MAX),
        (u32::MAX, 1, u32::MAX),
    ] {
        let question = (
            vec![2, 1, 7, 40, 0, 0, 0, 0],
            Add(7, amount),
            Others::Add(times, theirs),
        );
        let Some((times, _, words)) = overtaken.ask(&question).value else {
            return;
        };
        let others = theirs.saturating_mul(times as u32);
        assert_eq!(
            words[3],
            40_u32.saturating_add(others).saturating_add(amount),
            "a process added {amount} to a count of 40. Before each of its writes, another process added {theirs} ({times} times): the count is (left) and should be (right)"
        );
    }
}

#[proctor::test(clauses = [1, 7, 8, 10, 13], subject = |(): ()| explored![both_join_a_name three_join the_first_of_two_is_joined_too])]
fn a_name_that_two_join_is_there_once(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 7, 11, 13], subject = |(): ()| {
    explored![both_join_their_own_name both_join_for_the_last_entry both_join_a_name_for_the_last_entry]
})]
fn names_that_are_joined_together_are_all_there(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 7, 10, 12, 13], subject = |(): ()| explored![joining_what_was_in_the_words finding_an_entry summing_beside_a_join the_second_of_two_is_joined_too])]
fn an_entry_is_found_with_all_its_words(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 7, 8, 9, 10, 11], subject = |(): ()| explored![the_last_entry_dies one_of_two_entries_dies a_wrong_link_comes a_full_table_is_looked_at])]
fn others_may_die_and_write_anything_meanwhile(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

// --------------------------------------------------------------- files and mappings

/// A result as plain data: the name of the kernel's error, or the kind of an error without a number.
type Told<T> = Result<T, String>;

fn told<T>(result: io::Result<T>) -> Told<T> {
    result.map_err(|error| match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    })
}

fn error<T>(name: &str) -> Told<T> {
    Err(name.to_owned())
}

/// For the subject: a file of the test's own.
fn file_of(bytes: u64) -> File {
    let file = memfd_create(c"of-the-test", MFdFlags::MFD_CLOEXEC).map(File::from);
    let file = file.expect("a file in memory");
    file.set_len(bytes).expect("the file gets this length");
    file
}

fn made(entries: usize) -> File {
    create(entries).unwrap_or_else(|error| panic!("create({entries}) returned: {error}"))
}

fn mapped(file: &File) -> Memory {
    Memory::map(file).unwrap_or_else(|error| panic!("Memory::map, on a table, returned: {error}"))
}

fn table(memory: &Memory) -> Table<'_> {
    Table::new(memory.words()).expect("Table::new returned an error for the words of a mapping")
}

fn join(memory: &Memory, name: u32) -> Counter<'_> {
    let joined = table(memory).join(name);
    joined.expect("join returned an error although entries were free")
}

/// The words in the file, by read and not by a mapping.
fn read_words(file: &File) -> Vec<u32> {
    let mut bytes = vec![0; file.metadata().expect("a file").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("its bytes");
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u32::from_ne_bytes(*word)).collect()
}

fn write_word(file: &File, at: usize, value: u32) {
    let written = file.write_all_at(&value.to_ne_bytes(), 4 * at as u64);
    written.expect("the file can be written");
}

/// How many mappings of this file the process has.
fn mappings(file: &fs::Metadata) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("what is mapped");
    let inode = file.ino().to_string();
    let is_of_the_file = |line: &&str| line.split_whitespace().nth(4) == Some(&inode);
    maps.lines().filter(is_of_the_file).count()
}

/// Lowers a limit while `call` runs.
fn limited<T>(resource: Resource, limit: Option<u64>, call: impl FnOnce() -> T) -> T {
    let (soft, hard) = getrlimit(resource).expect("a limit");
    setrlimit(resource, limit.unwrap_or(soft), hard).expect("a lower limit");
    let result = call();
    setrlimit(resource, soft, hard).expect("the limit as it was");
    result
}

/// For the subject: makes three files while the descriptors 0 to 2 are free, and maps them.
fn without_standard_streams() -> Vec<Told<usize>> {
    let copies = [0, 1, 2].map(|number| {
        // SAFETY: they are open, and the test puts them back.
        let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        assert!(copy > 2, "a copy of a standard stream");
        copy
    });
    for number in 0..3 {
        // SAFETY: as above.
        unsafe { libc::close(number) };
    }
    let files = [(); 3].map(|()| create(3));
    let words = |file: &File| Memory::map(file).map(|memory| memory.words().len());
    let made = files.map(|file| told(file.and_then(|file| words(&file))));
    for (copy, number) in copies.into_iter().zip(0..) {
        // SAFETY: as above.
        unsafe {
            libc::dup2(copy, number);
            libc::close(copy);
        }
    }
    made.to_vec()
}

#[proctor::test(clauses = [2, 4, 5], subject = |entries: usize| -> (u64, bool, u64, bool) {
    let (file, another) = (made(entries), made(entries));
    let about = file.metadata().expect("a file");
    let all_zero = read_words(&file).iter().all(|word| *word == 0);
    write_word(&file, 1, 77);
    let is_new = read_words(&file)[1] == 77 && read_words(&another).get(1) == Some(&0);
    (about.len(), all_zero, about.nlink(), is_new)
}, closed = |(): ()| without_standard_streams())]
fn a_new_file_has_the_length_of_its_table(mut subject: Subject, mut closed: Subject) {
    for entries in [1, 2, 3, 341, 70_000, MOST] {
        let answer = subject.ask(&entries);
        assert_eq!(
            answer.value,
            (4 * length(entries) as u64, true, 0, true),
            "of the file that create({entries}) made, the length in bytes, whether all bytes are 0, how many names it has in folders, and whether it is another file than that of a second call are (left) and should be (right)"
        );
        answer.nothing_is_left("the files were closed");
    }
    let made = closed.ask(&());
    assert_eq!(
        made.value,
        vec![Ok(length(3)); 3],
        "while the descriptors 0, 1 and 2 are free, create(3) makes three files, and Memory::map maps them: the numbers of words or the errors are (left) and should be (right)"
    );
    made.nothing_is_left("the files were closed");
}

#[proctor::test(clauses = [2, 3], subject = |(entries, descriptors, bytes): (usize, Option<u64>, Option<u64>)| -> (Told<u64>, Told<u64>) {
    proctor::on_signal(Signal::SIGXFSZ, SigHandler::SigIgn, SaFlags::empty());
    let make = |entries: usize| told(create(entries).and_then(|file| Ok(file.metadata()?.len())));
    let failed = limited(Resource::RLIMIT_NOFILE, descriptors, || limited(Resource::RLIMIT_FSIZE, bytes, || make(entries)));
    (failed, make(100))
})]
fn a_file_that_cannot_be_made_is_an_error(mut subject: Subject) {
    let huge = 1_usize << 62;
    let mut cases = [
        0,
        MOST + 1,
        1 << 32,
        huge,
        huge + 1,
        usize::MAX / 3,
        usize::MAX,
    ]
    .map(|entries| ((entries, None, None), "InvalidInput"))
    .to_vec();
    cases.push(((100, Some(0), None), "EMFILE"));
    cases.push(((100, None, Some(100)), "EFBIG"));
    for (question, name) in cases {
        let answer = subject.ask(&question);
        assert_eq!(
            answer.value,
            (error(name), Ok(4 * length(100) as u64)),
            "create({}), with {:?} as the limit of descriptors and {:?} as the limit of the length of a file, and after that create(100) without these limits returned (left) instead of (right)",
            question.0,
            question.1,
            question.2
        );
        answer.nothing_is_left("create has returned an error, and then a file that was closed");
    }
}

#[proctor::test(clauses = [1, 2, 4, 5], subject = |(name, amount): (u32, u32)| -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut look = |what: &str, value: u32| found.push((what.to_owned(), value));
    let (file, count, unused) = (made(4), length(0) + 1, length(3) + 1);
    write_word(&file, unused, amount);
    let (one, two) = (mapped(&file), mapped(&file));
    look("a word that was in the file before it was mapped, in the mapping", one.words()[unused].load(Ordering::Relaxed));
    look("the same word in the file after the file was mapped", read_words(&file)[unused]);
    let first = join(&one, name);
    first.add(amount);
    look("the count after add, in another mapping of the same process", join(&two, name).get());
    look("the count after add, in the file", read_words(&file)[count]);
    write_word(&file, count, !amount);
    look("the count after a write to the file, in a mapping", !first.get());
    write_word(&file, count, amount);
    drop(one);
    let second = file.try_clone().expect("a second descriptor");
    drop(file);
    let three = mapped(&second);
    drop(second);
    look("the count in the second mapping, after the first was dropped", join(&two, name).get());
    look("the count in a third mapping, after all descriptors were closed", join(&three, name).get());
    drop(two);
    let is_whole = three.words().len() == length(4) && three.words()[LAST].load(Ordering::Relaxed) == 2;
    look("the count in the third mapping, if it has all words", if is_whole { join(&three, name).get() } else { !amount });
    found
})]
fn all_mappings_of_a_file_share_its_words(mut subject: Subject) {
    let question = (name(), proctor::rng().u32(1..1 << 31));
    let answer = subject.ask(&question);
    for (what, found) in &answer.value {
        assert_eq!(
            *found, question.1,
            "{what}: it is (left) and should be (right)"
        );
    }
    answer.nothing_is_left("all mappings were dropped and all descriptors closed");
}

/// The length of a mapping in words, and how many mappings are left.
fn tried(file: &File) -> (Told<usize>, usize) {
    let words = Memory::map(file).map(|memory| memory.words().len());
    (told(words), mappings(&file.metadata().expect("a file")))
}

#[proctor::test(clauses = [4, 5, 6], subject = |(bytes, start, path): (u64, Vec<u8>, Option<String>)| -> ((Told<usize>, usize), u64, Vec<u8>) {
    let opened = |path: String| {
        let file = File::options().read(true).write(true).open(&path).expect("the judge's file");
        fs::remove_file(path).expect("the file has a name");
        file
    };
    let file = path.map_or_else(|| file_of(bytes), opened);
    let mut after = vec![0; start.len().min(bytes as usize)];
    file.write_all_at(&start[..after.len()], 0).expect("the file can be written");
    let tried = tried(&file);
    file.read_exact_at(&mut after, 0).expect("the file can be read");
    (tried, file.metadata().expect("a file").len(), after)
}, its_folder = |(): ()| std::env::temp_dir().display().to_string())]
fn a_file_of_another_length_is_not_mapped(mut subject: Subject, mut its_folder: Subject) {
    let folder = its_folder.ask(&()).value;
    let (top, small) = (u32::MAX, 4 * length(3) as u64);
    let starts = [
        // The list is empty, and entries were taken.
        vec![0, 2, 0, 0, 0, 7, 5, 0],
        vec![0, top, 7, 5, 2, 7, 5, 0, 7, 5, 0],
        // Entries are in the list, and none or too few were taken.
        vec![5, 0, 7, 3, 0, 7, 4, 2, 9, 9, 9],
        vec![8, 4, 7, 3, 8, 8, 4, 2, 9, 5, 5],
        vec![4, 1, 7, 3, 0],
        vec![top; length(400)],
        (0..length(3)).map(|_| name()).collect(),
    ];
    let ends = [
        4_095,
        4_096,
        4_116,
        4 * length(MOST) as u64 - 4,
        4 * length(MOST + 1) as u64,
    ];
    let tables = [1, 2, 340, 341, 342, MOST].map(|entries| 4 * length(entries) as u64);
    // The lengths of tables, but for the bits above the 32 of a number.
    let large = [32, 33, 34, 36].map(|bit| (1 << bit) + small);
    let of_lengths = (0..=34).chain(ends).chain(tables).chain(large);
    let cases = of_lengths.zip(starts.iter().cycle());
    for (bytes, start) in cases.chain(starts.iter().map(|start| (small, start))) {
        let is_table = bytes > 8 && (bytes - 8) % 12 == 0 && bytes <= 4 * length(MOST) as u64;
        let due = if is_table {
            Ok(bytes as usize / 4)
        } else {
            error("InvalidData")
        };
        let mut start: Vec<u8> = start.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let path = (bytes > 1 << 32).then(|| format!("{folder}/{bytes}"));
        if let Some(path) = &path {
            // The subject may not make so long a file. It has few bytes on the disk.
            let file = File::create(path).expect("a file");
            if file.set_len(bytes).is_err() {
                fs::remove_file(path).expect("the file has a name");
                continue;
            }
        }
        let answer = subject.ask(&(bytes, start.clone(), path));
        let (tried, length, after) = &answer.value;
        assert_eq!(
            (tried, *length),
            (&(due, 0), bytes),
            "Memory::map on a file of {bytes} bytes: the number of words or the error, the number of mappings that are left, and the length of the file afterwards are (left) and should be (right). (An access to words behind the end of a file ends the process with SIGBUS)"
        );
        start.truncate(bytes as usize);
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes
                .as_chunks()
                .0
                .iter()
                .take(14)
                .map(|word| u32::from_ne_bytes(*word))
                .collect()
        };
        assert!(
            *after == start,
            "Memory::map on a file of {bytes} bytes changed the bytes of the file: its first words are {:?} and were {:?}",
            words(after),
            words(&start)
        );
        answer.nothing_is_left("Memory::map has returned, and the mapping was dropped");
    }
}

#[proctor::test(clauses = [2, 4, 5, 6], subject = |(): ()| -> [(Told<usize>, usize); 5] {
    let file = made(MOST);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let readable = File::open(&path).expect("the file can be opened again");
    let writable = File::options().write(true).open(&path).expect("the file can be opened again");
    let sealed = memfd_create(c"of-the-test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING);
    let sealed = sealed.map(File::from).expect("a file in memory");
    sealed.set_len(4 * length(3) as u64).expect("the file gets this length");
    fcntl(&sealed, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)).expect("a seal");
    // Two MiB more than there are now, and the table needs twelve.
    let pages = fs::read_to_string("/proc/self/statm").expect("the size of this process");
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    let no_memory = limited(Resource::RLIMIT_AS, Some(4_096 * pages + (2 << 20)), || tried(&file));
    [tried(&readable), tried(&writable), tried(&sealed), no_memory, tried(&file)]
})]
fn an_error_of_the_mapping_is_returned(mut subject: Subject) {
    let answer = subject.ask(&());
    let refused = ["EACCES", "EACCES", "EPERM", "ENOMEM"].map(|name| (error(name), 0));
    assert_eq!(
        answer.value[..],
        [&refused[..], &[(Ok(length(MOST)), 0)]].concat(),
        "Memory::map with a descriptor that can only be read, with one that can only be written, with a file that is sealed against writes, with a limit of the memory that the table does not fit into, and without any of that: the results and the numbers of mappings that are left are (left) and should be (right)"
    );
    answer.nothing_is_left("Memory::map has returned four errors");
}

#[proctor::test(clauses = [2, 4, 5], subject = |rounds: usize| -> (usize, usize, usize) {
    let lines = || fs::read_to_string("/proc/self/maps").expect("what is mapped").lines().count();
    let (mut without, mut left, before) = (0, 0, lines());
    for round in 0..rounds {
        let file = if round < 300 { made(500) } else { file_of(4 * length(500) as u64) };
        let (about, memory) = (file.metadata().expect("a file"), mapped(&file));
        join(&memory, 1).add(1);
        drop(file);
        without += usize::from(round < 100 && mappings(&about) == 0);
        let start = memory.words().as_ptr().cast_mut();
        drop(memory);
        // SAFETY: it only asks whether there is memory at this address.
        left += usize::from(unsafe { libc::mincore(start.cast(), 1, &mut 0) } == 0);
        left += if round < 100 { mappings(&about) } else { 0 };
    }
    (without, left, lines().saturating_sub(before))
})]
fn a_dropped_mapping_leaves_nothing(mut subject: Subject) {
    let rounds = 3_000;
    let answer = subject.ask(&rounds);
    let (without, left, more) = answer.value;
    assert_eq!(
        (without, left),
        (0, 0),
        "{rounds} times a file was made and mapped. How often its mapping was not in /proc/self/maps before the drop, and how often it was still there after the drop, is (left) and should be (right)"
    );
    // The allocator may have taken or given back a region.
    let heap = answer.evidence.heap.left;
    assert!(
        more <= 8 && heap < 2_000,
        "{rounds} times a file was made, mapped and dropped: now the process has {more} more mappings in /proc/self/maps, and {heap} bytes of memory are still allocated"
    );
    answer.nothing_is_left("all files and mappings were dropped");
}

// ------------------------------------------------------------------------ processes

/// How many processes count, and how many names all of them join.
const COUNTING: u32 = 4;
const COMMON: u32 = 25;

/// What one of the processes does: it joins all names and adds its number to each counter.
fn count(memory: &Memory, me: u32, rounds: u32) {
    let names = (0..COMMON).map(|turn| (turn + 5 * me) % COMMON);
    let common: Vec<_> = names.map(|name| join(memory, name)).collect();
    let own = join(memory, 1_000 + me);
    for _ in 0..rounds {
        // The kernel interrupts the process now and then, wherever it is.
        proctor::jostle();
        common.iter().for_each(|counter| counter.add(me));
        own.add(1);
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 7, 8, 10, 12, 13], subject = |rounds: u32| -> (Vec<String>, Option<u64>, Vec<u32>) {
    let file = made(COUNTING as usize * (COMMON as usize + 1));
    let memory = mapped(&file);
    let (mut gate, opens) = io::pipe().expect("a pipe");
    let mut opens = Some(opens);
    let children: Vec<Pid> = (1..=COUNTING).map(|me| other_child(|| {
        // They begin together, when the caller has closed its end.
        drop(opens.take());
        let _ = gate.read(&mut [0]);
        match me {
            // Two of them use the caller's mapping, and two make one of their own.
            1 | 2 => count(&memory, me, rounds),
            _ => count(&mapped(&file), me, rounds),
        }
        match me {
            2 => _ = raise(Signal::SIGKILL),
            4 => _ = raise(Signal::SIGSTOP),
            _ => {}
        }
        0
    })).collect();
    drop(opens);
    let mut ends: Vec<String> = children[..3].iter().map(|child| ending(*child)).collect();
    // The fourth has stopped.
    ends.push(ending(children[3]));
    join(&memory, 3).add(5);
    let sum = table(&memory).sum().ok();
    let _ = kill(children[3], Signal::SIGCONT);
    ends.push(ending(children[3]));
    (ends, sum, read_words(&file))
})]
fn processes_count_together(mut subject: Subject) {
    let rounds = 400;
    let answer = subject.ask(&rounds);
    let (ends, sum, words) = &answer.value;
    assert_eq!(
        ends[..],
        ["code 0", "SIGKILL", "code 0", "SIGSTOP", "code 0"],
        "{COUNTING} processes joined names and added; they ended or stopped with (left) instead of (right) (code 101 is a panic)"
    );
    let offsets = list(words).unwrap_or_default();
    let count = |entry: &usize| (words[*entry], words[entry + 1]);
    let mut counts: Vec<(u32, u32)> = offsets.iter().map(count).collect();
    counts.sort_unstable();
    let all = rounds * COUNTING * (COUNTING + 1) / 2;
    let common = (0..COMMON).map(|name| (name, if name == 3 { all + 5 } else { all }));
    let own = (1..=COUNTING).map(|me| (1_000 + me, rounds));
    let due: Vec<(u32, u32)> = common.chain(own).collect();
    let total = due.iter().map(|(_, count)| u64::from(*count)).sum();
    assert_eq!(
        (counts, *sum),
        (due, Some(total)),
        "{COUNTING} processes joined {COMMON} names and one of their own, and added their numbers {rounds} times (one was killed after that, one was stopped, and the caller added 5 to the counter 3): the names and counts in the file, and what sum() returned, are (left) and should be (right)"
    );
    answer.nothing_is_left("all processes have ended");
}

/// How a child ended or stopped.
fn ending(child: Pid) -> String {
    match waitpid(child, Some(WaitPidFlag::WUNTRACED)) {
        Ok(WaitStatus::Exited(_, code)) => format!("code {code}"),
        Ok(WaitStatus::Signaled(_, signal, _) | WaitStatus::Stopped(_, signal)) => {
            signal.to_string()
        }
        other => format!("{other:?}"),
    }
}

/// More instructions than any call needs on a small table.
const INSTRUCTIONS: usize = 300_000;

/// The words and the call.
type Call = (Vec<u32>, Op);

/// Runs a call in another process, one instruction at a time. Returns each state of the words after
/// the first, as other processes see them, or `None` where that cannot be done.
fn states((words, op): Call) -> Option<Vec<Vec<u32>>> {
    if !cfg!(target_arch = "x86_64") {
        // Elsewhere, an atomic step may be a loop that an interruption starts again.
        return None;
    }
    let file = file_of(4 * words.len() as u64);
    let map = memmap2::MmapRaw::map_raw(&file).expect("memory for the test");
    let start = map.as_ptr().cast::<AtomicU32>();
    // SAFETY: it has this many words, and it lives as long as they are used.
    let shared = unsafe { std::slice::from_raw_parts(start, words.len()) };
    for (word, value) in shared.iter().zip(&words) {
        word.store(*value, Ordering::Release);
    }
    let table = Table::new(shared).expect("the words of a table");
    let counter = table.join(7).expect("its name is in the list");
    let child = traced_child(|| {
        match op {
            Join(name) => _ = table.join(name),
            Sum => _ = table.sum(),
            Add(_, amount) => counter.add(amount),
            _ => {}
        }
        0
    })?;
    let mut states = vec![words];
    for _ in 0..INSTRUCTIONS {
        match step(child) {
            Ok(()) => {}
            Err(WaitStatus::Exited(_, 0)) => return Some(states.split_off(1)),
            Err(how) => panic!("a process called a function of the library, and ended: {how:?}"),
        }
        if *states[states.len() - 1] != snapshot(shared) {
            states.push(snapshot(shared));
        }
    }
    panic!(
        "after {INSTRUCTIONS} instructions, a call is still at work, although nothing else happens"
    )
}

#[proctor::test(clauses = [1, 7, 8, 10, 11, 12, 13], deadline = 20.0, subject = |question: Call| states(question), others = |script: Script| play(script))]
fn a_process_that_stops_anywhere_holds_up_nobody(mut subject: Subject, mut others: Subject) {
    // Counter 7 and counter 8. The free words have had another use. A table with and one without them.
    let full = vec![5, 2, 7, u32::MAX - 1, 0, 8, 100, 2];
    let free = [&full[..], &[6; 3 * SIZE]].concat();
    for (words, op, changes, often) in [
        (&free, Join(9), 1..9, "1 to 8 times"),
        (&free, Add(7, 3), 1..2, "exactly once"),
        (&free, Join(7), 0..1, "not at all"),
        (&full, Join(9), 0..1, "not at all"),
        (&free, Sum, 0..1, "not at all"),
    ] {
        let answer = subject.ask(&(words.clone(), op));
        let Some(states) = &answer.value else { return };
        assert!(
            changes.contains(&states.len()),
            "another process made the call {op} while the words were {words:?}. It should change the words {often}, and it changed them {}. They became, one after the other: {}",
            proctor::count(states.len(), "time"),
            states
                .iter()
                .map(|words| show(words))
                .collect::<Vec<_>>()
                .join(", ")
        );
        let when = format!("a process was stopped in the middle of the call {op}");
        let old = list(words).expect("a list");
        let new = [&[length(2)], &old[..]].concat();
        for state in states {
            let found = list(state);
            let is_whole = |at: usize| op == Join(9) && state[at..][..SIZE] == [9, 0, words[LAST]];
            assert!(
                found.as_ref() == Some(&old) || found.as_ref() == Some(&new) && is_whole(new[0]),
                "{when}. The words are {state:?}, which is neither the list as it was ({words:?}) nor the list with a complete new entry: another process sees a wrong list, and if the first one is killed now, it stays wrong"
            );
            let mut ops = vec![New, Sum, Join(7), Add(7, 3), Get(7)];
            ops.extend([Join(9), Join(11), Join(9), Sum]);
            plays(&mut others, state, &ops);
        }
    }
}

// ---------------------------------------------------- others are faster, again and again

/// What others do before each write of a call, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Others {
    /// Before each of so many writes to the first count, another process adds this to it.
    Add(usize, u32),
    /// Before each of so many writes to `words[TAKEN]`, another process takes an entry.
    Take(usize),
    /// Before each of so many writes to `words[LAST]`, another process pushes an entry. The last of
    /// these entries has this name.
    Push(usize, u32),
    /// After each write, another thread of the process makes some calls.
    Call,
}

/// The words, the call, and what others do.
type Overtaken = (Vec<u32>, Op, Others);

/// What the handlers of the signals need.
struct Scene<'a> {
    /// The words of the call. The process may only read them, so each write is a SIGSEGV.
    mapping: &'a memmap2::MmapRaw,
    /// The same words, for the others.
    shared: &'a [AtomicU32],
    others: Others,
    /// How often they were faster.
    times: AtomicUsize,
    /// The thread beside the call, and whether it is its turn.
    beside: (Thread, &'a AtomicBool),
}

/// The scene of the call that is at work.
static SCENE: AtomicPtr<Scene<'static>> = AtomicPtr::new(ptr::null_mut());

impl Scene<'_> {
    fn protect(&self, protection: i32) {
        let (start, bytes) = (self.mapping.as_mut_ptr().cast(), self.mapping.len());
        // SAFETY: the mapping is the test's, and the call uses it by atomics.
        assert_eq!(unsafe { libc::mprotect(start, bytes, protection) }, 0);
    }

    /// The call is about to write to this word.
    fn before(&self, word: usize) {
        let times = self.times.load(Ordering::Relaxed);
        let load = |at: usize| self.shared[at].load(Ordering::Acquire);
        let store = |at: usize, value| self.shared[at].store(value, Ordering::Release);
        match (self.others, word) {
            (Others::Add(most, amount), 3) if times < most => {
                store(3, load(3).saturating_add(amount));
            }
            (Others::Take(most), TAKEN) if times < most => store(TAKEN, load(TAKEN) + 1),
            (Others::Push(most, name), LAST) if times < most => {
                let (last, taken) = (load(LAST), load(TAKEN));
                let entry = length(taken as usize);
                let name = if times + 1 == most {
                    name
                } else {
                    100 + times as u32
                };
                for (at, value) in (entry..).zip([name, 0, last]) {
                    store(at, value);
                }
                store(TAKEN, taken + 1);
                store(LAST, entry as u32);
            }
            _ => return,
        }
        self.times.store(times + 1, Ordering::Relaxed);
    }

    /// The call has written.
    fn after(&self) {
        let (thread, turn) = &self.beside;
        if self.others == Others::Call {
            turn.store(true, Ordering::Release);
            thread.unpark();
            while turn.load(Ordering::Acquire) {
                thread::park();
            }
            self.times.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// For the thread beside a call: adds to an old counter and to a new one, and takes the sum.
fn calls_beside(words: &[AtomicU32]) -> bool {
    let add = |table: &Table<'_>, name| table.join(name).map(|counter| counter.add(1)).is_ok();
    let calls = || {
        Table::new(words)
            .is_ok_and(|table| add(&table, 8) && add(&table, 11) && table.sum().is_ok())
    };
    catch_unwind(AssertUnwindSafe(calls)).unwrap_or(false)
}

/// Handles SIGSEGV, which comes before a write of the call, and SIGTRAP, which comes after it.
#[cfg(target_arch = "x86_64")]
extern "C" fn on_write(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    const ONE_INSTRUCTION: i64 = 0x100; // the trap flag
    // SAFETY: a scene is there as long as this handler is; the kernel supplies the other two.
    let (scene, info, context) = unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        (&*SCENE.load(Ordering::Acquire), &*info, context)
    };
    let flags = &mut context.uc_mcontext.gregs[libc::REG_EFL as usize];
    if signal == libc::SIGTRAP {
        *flags &= !ONE_INSTRUCTION;
        scene.protect(libc::PROT_READ);
        return scene.after();
    }
    // SAFETY: a SIGSEGV has an address.
    let address = unsafe { info.si_addr() } as usize;
    let at = address.wrapping_sub(scene.mapping.as_ptr() as usize);
    if at >= scene.mapping.len() {
        // It is not about the words: the same again ends the process.
        proctor::on_signal(Signal::SIGSEGV, SigHandler::SigDfl, SaFlags::empty());
        return;
    }
    scene.before(at / 4);
    scene.protect(libc::PROT_READ | libc::PROT_WRITE);
    *flags |= ONE_INSTRUCTION;
}

/// Makes a call, in which others are faster before each write. Returns how often they were, whether
/// their calls did what they should, and the words at the end, or `None` where that cannot be done.
fn overtaken((words, op, others): Overtaken) -> Option<(usize, bool, Vec<u32>)> {
    #[cfg(not(target_arch = "x86_64"))]
    // Elsewhere, an atomic step may be a loop that an interruption starts again.
    return None;
    #[cfg(target_arch = "x86_64")]
    {
        let file = file_of(4 * words.len() as u64);
        let map = || memmap2::MmapRaw::map_raw(&file).expect("memory for the test");
        let (mapping, another) = (map(), map());
        let all = |map: &memmap2::MmapRaw| {
            // SAFETY: it has this many words, and it lives as long as they are used.
            unsafe { std::slice::from_raw_parts(map.as_ptr().cast::<AtomicU32>(), words.len()) }
        };
        let (mine, shared) = (all(&mapping), all(&another));
        for (word, value) in shared.iter().zip(&words) {
            word.store(*value, Ordering::Release);
        }
        let table = Table::new(mine).expect("the words of a table");
        let counter = table.join(7).expect("its name is in the list");
        let (turn, is_over, are_right) = (
            AtomicBool::new(false),
            AtomicBool::new(false),
            AtomicBool::new(true),
        );
        let caller = thread::current();
        let times = thread::scope(|scope| {
            let beside = scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    if turn.load(Ordering::Acquire) {
                        are_right.fetch_and(calls_beside(shared), Ordering::Relaxed);
                        turn.store(false, Ordering::Release);
                        caller.unpark();
                    }
                    thread::park();
                }
            });
            let beside = beside.thread().clone();
            let scene = Scene {
                mapping: &mapping,
                shared,
                others,
                times: AtomicUsize::new(0),
                beside: (beside, &turn),
            };
            SCENE.store((&raw const scene).cast_mut().cast(), Ordering::Release);
            let action = SigAction::new(
                SigHandler::SigAction(on_write),
                SaFlags::SA_SIGINFO,
                SigSet::empty(),
            );
            let set = |signal, action: &SigAction| {
                // SAFETY: the handler touches only what the scene holds, which outlives it.
                unsafe { sigaction(signal, action) }.expect("a handler")
            };
            let before =
                [Signal::SIGSEGV, Signal::SIGTRAP].map(|signal| (signal, set(signal, &action)));
            scene.protect(libc::PROT_READ);
            let call = || match op {
                Join(name) => _ = table.join(name),
                Add(_, amount) => counter.add(amount),
                _ => {}
            };
            let ended = catch_unwind(AssertUnwindSafe(call));
            scene.protect(libc::PROT_READ | libc::PROT_WRITE);
            for (signal, action) in &before {
                set(*signal, action);
            }
            is_over.store(true, Ordering::Release);
            scene.beside.0.unpark();
            ended.unwrap_or_else(|panic| resume_unwind(panic));
            scene.times.into_inner()
        });
        Some((times, are_right.into_inner(), snapshot(shared)))
    }
}

/// How often others are faster in one call.
const FASTER: usize = 1_000;

#[proctor::test(clauses = [1, 7, 8, 10], subject = |question: Overtaken| overtaken(question))]
fn a_call_that_others_overtake_ends_well(mut subject: Subject) {
    // Counter 7 and counter 8, and free words, which have had another use.
    let begin = [5, 2, 7, 40, 0, 8, 100, 2];
    for (op, others, what) in [
        (
            Join(9),
            Others::Take(FASTER),
            "Before it could take an entry, another process took one",
        ),
        (
            Join(9),
            Others::Push(FASTER, 10),
            "Before it could push its entry, another process pushed one",
        ),
        (
            Join(9),
            Others::Push(FASTER, 9),
            "Before it could push its entry, another process pushed one, and the last of these entries had the same name",
        ),
        (
            Join(9),
            Others::Call,
            "After each of its writes, another thread of its process called join, add and sum",
        ),
        (
            Add(7, 3),
            Others::Call,
            "After each of its writes, another thread of its process called join, add and sum",
        ),
    ] {
        let words = [&begin[..], &vec![6; SIZE * (FASTER + 4)]].concat();
        let asked = subject.try_ask(&(words, op, others));
        let hangs = format!(
            "{what}: a call does not return. It waits for the other one, or it began again too often"
        );
        let answer = asked.unwrap_or_else(|failing| Gate::explained(failing, &hangs).end());
        let Some((times, are_right, words)) = &answer.value else {
            return;
        };
        assert!(
            *are_right,
            "a process made the call {op}. {what}: one of these calls returned an error or panicked, although entries are free and all links are right"
        );
        let offsets = list(words).unwrap_or_default();
        let mut names: Vec<u32> = offsets.iter().map(|entry| words[*entry]).collect();
        names.sort_unstable();
        let mut due = match others {
            Others::Push(most, name) if *times == most => {
                (100..99 + *times as u32).chain([name]).collect()
            }
            Others::Push(..) => (100..100 + *times as u32).collect(),
            Others::Call if *times > 0 => vec![11],
            _ => vec![],
        };
        due.extend(if op == Join(9) { [7, 8, 9] } else { [7, 8, 8] });
        due.sort_unstable();
        due.dedup();
        let ends = |names: &[u32]| (names.len(), names[..names.len().min(8)].to_vec());
        assert!(
            names == due,
            "a process made the call {op}. {what} ({times} times). In the end, the number of names in the list and the smallest names are {:?}, and they should be {:?}",
            ends(&names),
            ends(&due)
        );
    }
}
