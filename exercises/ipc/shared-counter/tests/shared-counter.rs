//! Judges the table of counters from outside: scripts in one thread, every execution that the memory
//! model allows, processes that count together, and a process that is looked at after each instruction.
proctor::exercise!(shared_counter);

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use interleave::{Exploration, Explore};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use proctor::{Gate, Subject};
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

/// What a call returned, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Got {
    /// A table, a counter, or nothing.
    Done,
    Value(u64),
    Full,
    Broken,
    /// An earlier step should have made the table or the counter.
    Missing,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            New => write!(f, "Table::new(words)"),
            Join(name) => write!(f, "join({name})"),
            Add(name, amount) => write!(f, "add({amount}) to the counter {name}"),
            Get(name) => write!(f, "get() of the counter {name}"),
            Sum => write!(f, "sum()"),
            Store(at, value) => write!(f, "another process storing {value} in words[{at}]"),
        }
    }
}

/// The words at the beginning, and what happens then.
type Script = (Vec<u32>, Vec<Op>);
/// What each step returned, and the words after it.
type Played = Vec<(Got, Vec<u32>)>;

fn failed(error: TableError) -> Got {
    match error {
        TableError::Full => Got::Full,
        TableError::Broken => Got::Broken,
    }
}

/// For the subject: plays a script.
fn play((words, ops): Script) -> Played {
    let words: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
    let mut counters: BTreeMap<u32, Counter<'_>> = BTreeMap::new();
    let mut made = None;
    let mut played = Played::new();
    for op in ops {
        let got = match (op, &made) {
            (New, _) => Table::new(&words).map_or_else(failed, |table| {
                made = Some(table);
                Got::Done
            }),
            (Store(at, value), _) => {
                words[at].store(value, Ordering::Release);
                Got::Done
            }
            (Join(name), Some(table)) => table.join(name).map_or_else(failed, |counter| {
                counters.insert(name, counter);
                Got::Done
            }),
            (Sum, Some(table)) => table.sum().map_or_else(failed, Got::Value),
            (Add(name, amount), _) => counters.get(&name).map_or(Got::Missing, |counter| {
                counter.add(amount);
                Got::Done
            }),
            (Get(name), _) => counters
                .get(&name)
                .map_or(Got::Missing, |counter| Got::Value(counter.get().into())),
            (_, None) => Got::Missing,
        };
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
    let mut offsets = Vec::new();
    let mut next = words[LAST] as usize;
    while next != 0 {
        let begins = next >= ENTRIES && (next - ENTRIES) % SIZE == 0 && next < words.len();
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
            New => {
                let entries = words.len().saturating_sub(ENTRIES) / SIZE;
                match words.len() == length(entries) && (1..=MOST).contains(&entries) {
                    true => Got::Done,
                    false => Got::Broken,
                }
            }
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

/// Asks the subject to play a script, and demands what it should do. A hang is explained.
#[track_caller]
fn plays_or(subject: &mut Subject<Script, Played>, hangs: &str, words: &[u32], ops: &[Op]) {
    let question = (words.to_vec(), ops.to_vec());
    let played = subject.try_ask(&question).unwrap_or_else(|failing| {
        let failing = match hangs {
            "" => failing,
            meaning => Gate::explained(failing, meaning),
        };
        failing.end()
    });
    let played = played.value;
    assert_eq!(played.len(), ops.len());
    let mut model = Model {
        words: words.to_vec(),
        counters: BTreeMap::new(),
    };
    for (number, (op, (got, after))) in ops.iter().zip(played).enumerate() {
        let before = show(&model.words);
        let due = model.step(*op);
        let at = format!(
            "step {number} of a script, {op}, on a table of {} words that are {before}",
            words.len()
        );
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

#[track_caller]
fn plays(subject: &mut Subject<Script, Played>, words: &[u32], ops: &[Op]) {
    plays_or(subject, "", words, ops);
}

/// The first of the words.
fn show(words: &[u32]) -> String {
    match words.get(..14) {
        Some(first) => format!("{first:?} and so on"),
        None => format!("{words:?}"),
    }
}

fn name() -> u32 {
    proctor::random::<u32>()
}

#[proctor::test(clauses = [1, 10, 13], subject = |script: Script| play(script))]
fn a_name_has_one_counter(mut subject: Subject) {
    for entries in [1_usize, 2, 3, 40, 300] {
        let mut names = vec![0, u32::MAX, 1, 2, 5];
        names.resize_with(entries.max(5), name);
        names.truncate(entries);
        let mut ops = vec![New];
        for (number, name) in names.iter().enumerate() {
            ops.extend([Join(*name), Get(*name), Add(*name, number as u32 + 1)]);
            // An old one, by the same table and by a new one.
            let old = names[proctor::rng().usize(0..=number)];
            ops.extend([Join(old), Add(old, 1), New, Join(old), Get(old), Sum]);
            if ops.len() > 400 {
                ops.truncate(1);
                plays(&mut subject, &vec![0; length(entries)], &ops);
            }
        }
        plays(&mut subject, &vec![0; length(entries)], &ops);
    }
}

#[proctor::test(clauses = [10], subject = |script: Script| play(script))]
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

#[proctor::test(clauses = [1, 10], subject = |script: Script| play(script))]
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
    let ops = [
        New,
        Sum,
        Join(10),
        Join(12),
        Join(13),
        Get(10),
        Get(12),
        Get(13),
    ];
    plays(&mut subject, &words, &ops);
    plays(
        &mut subject,
        &words,
        &[New, Join(11), Get(11), Add(11, 4), Sum],
    );
    plays(
        &mut subject,
        &words,
        &[New, Join(14), Join(11), Join(15), Sum],
    );
}

#[proctor::test(clauses = [1, 11], subject = |script: Script| play(script))]
fn a_full_table_takes_no_new_name(mut subject: Subject) {
    for entries in [1_u32, 2, 33] {
        let mut ops = vec![New];
        ops.extend((0..entries).map(Join));
        for _ in 0..3 {
            ops.extend([
                Join(entries),
                Join(0),
                Add(0, 1),
                Join(entries - 1),
                Join(name() | 64),
            ]);
        }
        ops.push(Sum);
        plays(&mut subject, &vec![0; length(entries as usize)], &ops);
    }
    // More than all were taken, or all but none of them is in the list.
    for taken in [2, 3, 1 << 20, 0x5555_5555, 1 << 31, u32::MAX - 1, u32::MAX] {
        let mut words = vec![0; length(2)];
        words[TAKEN] = taken;
        plays(&mut subject, &words, &[New, Join(1), Join(1), Sum]);
    }
}

#[proctor::test(clauses = [13], subject = |script: Script| play(script))]
fn a_count_stops_at_the_top(mut subject: Subject) {
    let (top, half) = (u32::MAX, 1 << 31);
    for amounts in [
        vec![0, 0, 1, 0],
        vec![top, 0, 1, top, top],
        vec![top - 1, 1, 1, 7],
        vec![half, half - 1, 0, 1, half],
        vec![half, half, half, 5],
        vec![name(), name(), top, 1],
    ] {
        let mut ops = vec![New, Join(1), Join(2), Join(3)];
        for amount in amounts {
            ops.extend([Add(2, amount), Get(2), Get(1), Sum]);
        }
        plays(&mut subject, &vec![0; length(4)], &ops);
    }
}

#[proctor::test(clauses = [12], subject = |script: Script| play(script))]
fn the_sum_is_that_of_all_counts(mut subject: Subject) {
    let mut ops = vec![New, Sum];
    for name in 0..20 {
        let amount = [u32::MAX, 1, u32::MAX - 1, 1 << 31][name as usize % 4];
        ops.extend([Join(name), Sum, Add(name, amount), Sum]);
    }
    plays(&mut subject, &vec![0; length(25)], &ops);
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
            *words[length(entry) + 1].get_mut() = 3;
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
        let stride = 11;
        let found = subject.ask(&(entries, stride)).value;
        let due = [
            3 * (entries as u64 - 1) + 12,
            length(entries - 1) as u64,
            entries as u64,
            8,
            7,
            1,
        ];
        assert_eq!(
            found,
            Ok(due),
            "in a table with {entries} entries, of which all but one are in the list with 3 as their count: after add(5) to an old counter and join and add(7) to a new one, the sum, words[LAST], words[TAKEN], the two counts, and whether a further join found the table full are (left) and should be (right)"
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
    let mut lengths: Vec<usize> = (0..30).collect();
    lengths.extend([
        1_001,
        1_002,
        1_003,
        length(MOST) - 1,
        length(MOST),
        length(MOST) + 1,
    ]);
    lengths.extend([length(MOST + 1), length(2 * MOST)]);
    for (length, is_table) in lengths.iter().zip(subject.ask(&lengths).value) {
        let (whole, entries) = (length % SIZE == ENTRIES, length / SIZE);
        let due = whole && (1..=MOST).contains(&entries);
        assert_eq!(
            is_table, due,
            "whether Table::new accepts {length} words is (left) and should be (right): a table has {ENTRIES} words and {SIZE} more for each of its 1 to {MOST} entries"
        );
    }
}

#[proctor::test(clauses = [9], deadline = 10.0, subject = |script: Script| play(script))]
fn wrong_links_are_broken(mut subject: Subject) {
    let hangs = "another process has written wrong links into the table, and a call does not return: it walks in a circle";
    for entries in [1_usize, 2, 5] {
        let end = length(entries) as u32;
        // The list has `held` entries, and the wrong link is in words[LAST] or in an entry.
        for held in [0, 1, entries - 1, entries] {
            let mut words = vec![0; length(entries)];
            words[TAKEN] = held as u32;
            for entry in 0..held {
                let next = words[LAST];
                words[length(entry)..][..SIZE].copy_from_slice(&[entry as u32, 1, next]);
                words[LAST] = length(entry) as u32;
            }
            let mut links = vec![LAST];
            links.extend((0..held).map(|entry| length(entry) + 2));
            let mut wrong = vec![1, 3, 4, end - 1, end, end + 1, end + 3, 1 << 31, u32::MAX];
            // Entries would begin at these offsets in a longer table, or in words of 16 bits.
            wrong.extend([u32::MAX - 1, 0x5555_5556, 65_538, 196_610, 196_613]);
            for link in links {
                let mut ops = vec![New];
                for value in &wrong {
                    ops.extend([Store(link, *value), Join(99), Sum, Join(98)]);
                }
                // The last link of the list leads to each entry of the list: a circle.
                let oldest = length(0) + 2;
                if held > 0 && link == oldest {
                    for entry in 0..held {
                        ops.extend([Store(link, length(entry) as u32), Join(99), Sum, Join(98)]);
                    }
                }
                plays_or(&mut subject, hangs, &words, &ops);
            }
        }
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

    /// Joins and adds; what it finds before must be less than the limit.
    fn count(words: &Words, name: u32, amount: u32, below: u32) {
        let counter = join(words, name);
        let before = counter.get();
        assert!(before < below, "join({name}) gave a counter that begins at {before}: the call saw the count that was in the words before the entry was taken, or that of another entry");
        counter.add(amount);
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

    /// Three threads add; one of them twice.
    pub fn three_add() {
        let words = with_a_counter(1, 0);
        let threads = [1, 10].map(|amount| {
            let theirs = Arc::clone(&words);
            thread::spawn(move || join(&theirs, 7).add(amount))
        });
        let mine = join(&words, 7);
        mine.add(100);
        mine.add(100);
        for thread in threads {
            thread.join().unwrap();
        }
        let found = mine.get();
        assert_eq!(found, 211, "three threads added 1, 10 and two times 100, and get() returns (left) instead of (right)");
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

    /// Two threads join the same name and add.
    pub fn both_join_a_name() {
        let words = fresh(2, 0);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || count(&theirs, 7, 1, 11));
        count(&words, 7, 10, 2);
        thread.join().unwrap();
        let counts = counts(&words);
        assert_eq!(counts, [(7, 11)], "two threads joined the name 7 and added 1 and 10: the names and counts in the list are (left) and should be (right)");
    }

    /// The same beside an entry that is there already.
    pub fn both_join_a_second_name() {
        let words = with_a_counter(3, 0);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || count(&theirs, 8, 1, 11));
        count(&words, 8, 10, 2);
        thread.join().unwrap();
        let counts = counts(&words);
        assert_eq!(counts, [(7, 0), (8, 11)], "two threads joined the name 8 and added 1 and 10: the names and counts in the list are (left) and should be (right)");
    }

    /// Two threads join different names and add.
    pub fn both_join_their_own_name() {
        let words = fresh(2, 0);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || count(&theirs, 8, 1, 1));
        count(&words, 9, 10, 1);
        thread.join().unwrap();
        let counts = counts(&words);
        assert_eq!(counts, [(8, 1), (9, 10)], "two threads joined the names 8 and 9 and added 1 and 10: the names and counts in the list are (left) and should be (right)");
    }

    /// Three threads join: two the same name, and the third another one.
    pub fn three_join() {
        let words = fresh(3, 0);
        let threads = [(8, 1), (9, 10)].map(|(name, amount)| {
            let theirs = Arc::clone(&words);
            thread::spawn(move || join(&theirs, name).add(amount))
        });
        join(&words, 8).add(100);
        for thread in threads {
            thread.join().unwrap();
        }
        let counts = counts(&words);
        assert_eq!(counts, [(8, 101), (9, 10)], "three threads joined the names 8, 9 and 8 and added 1, 10 and 100: the names and counts in the list are (left) and should be (right)");
    }

    /// A thread joins a name and adds, and another one joins the name that stood in the free words.
    pub fn joining_what_was_in_the_words() {
        let words = fresh(2, 9);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || count(&theirs, 5, 20, 1));
        count(&words, 9, 1, 1);
        thread.join().unwrap();
        let counts = counts(&words);
        assert_eq!(counts, [(5, 20), (9, 1)], "all free words were 9, and two threads joined the names 5 and 9 and added 20 and 1: the names and counts in the list are (left) and should be (right)");
    }

    /// A thread joins a name and adds, in words that were not 0; another one finds the entry.
    pub fn finding_an_entry() {
        let words = fresh(2, 9);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || count(&theirs, 5, 2, 3));
        count(&words, 5, 2, 3);
        thread.join().unwrap();
        let counts = counts(&words);
        assert_eq!(counts, [(5, 4)], "all free words were 9, and two threads joined the name 5 and added 2 each: the names and counts in the list are (left) and should be (right)");
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

    /// Two threads join different names, and only one entry is free.
    pub fn both_join_for_the_last_entry() {
        let words = fresh(1, 0);
        let theirs = Arc::clone(&words);
        let thread = thread::spawn(move || table(&theirs).join(8).is_ok());
        let mine = table(&words).join(9).is_ok();
        let other = thread.join().unwrap();
        assert!(mine != other, "two threads joined different names in a table with one entry, and {} of them got a counter", u8::from(mine) + u8::from(other));
        let counts = counts(&words);
        let due = if mine { [(9, 0)] } else { [(8, 0)] };
        assert_eq!(counts, due, "after two threads had joined different names in a table with one entry, the names and counts in the list are (left) and should be (right)");
        let taken = words[1].load(SeqCst);
        assert_eq!(taken, 1, "words[TAKEN] is (left) in a table with one entry");
    }

    /// Two threads join the same name, and only one entry is free.
    pub fn both_join_a_name_for_the_last_entry() {
        let words = fresh(1, 0);
        let theirs = Arc::clone(&words);
        let add = |words: &Words, amount: u32| match table(words).join(8) {
            Ok(counter) => {
                counter.add(amount);
                amount
            }
            Err(_) => 0,
        };
        let thread = thread::spawn(move || add(&theirs, 1));
        let added = add(&words, 10) + thread.join().unwrap();
        assert!(added > 0, "two threads joined the same name in a table with one entry, and neither got a counter");
        let counts = counts(&words);
        assert_eq!(counts, [(8, added)], "two threads joined the name 8 in a table with one entry: the names and counts in the list are (left) and should be (right)");
    }
}

#[proctor::test(clauses = [13], subject = |(): ()| {
    let explore = Explore::new().executions(600);
    [scenarios::both_add, scenarios::three_add, scenarios::both_reach_the_top]
        .map(|scenario| explore.of(scenario)).to_vec()
})]
fn no_addition_is_lost(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [7], subject = |(): ()| {
    let explore = Explore::new().executions(400);
    [scenarios::both_join_a_name, scenarios::both_join_a_second_name, scenarios::three_join]
        .map(|scenario| explore.of(scenario)).to_vec()
})]
fn a_name_that_two_join_is_there_once(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [7, 11], subject = |(): ()| {
    let explore = Explore::new().executions(400);
    [
        scenarios::both_join_their_own_name,
        scenarios::both_join_for_the_last_entry,
        scenarios::both_join_a_name_for_the_last_entry,
    ].map(|scenario| explore.of(scenario)).to_vec()
})]
fn names_that_are_joined_together_are_all_there(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [7], subject = |(): ()| {
    let explore = Explore::new().executions(400);
    [scenarios::joining_what_was_in_the_words, scenarios::finding_an_entry, scenarios::summing_beside_a_join]
        .map(|scenario| explore.of(scenario)).to_vec()
})]
fn an_entry_is_found_with_all_its_words(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

fn all_hold(found: &[Exploration]) {
    // A schedule that is replayed belongs to those scenarios that could follow it.
    let followed = |found: &&Exploration| found.replayed.is_some() && found.not_judged.is_none();
    let is_replay = found.iter().any(|found| followed(&found));
    for found in found.iter().filter(|found| !is_replay || followed(found)) {
        found.must_hold();
    }
}

// --------------------------------------------------------------- files and mappings

/// A result as plain data.
type Told<T> = Result<T, Problem>;

/// An error: its number, and its kind where it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Problem(Option<i32>, String);

fn told<T>(result: io::Result<T>) -> Told<T> {
    result.map_err(|error| Problem(error.raw_os_error(), format!("{:?}", error.kind())))
}

fn number(errno: Errno) -> Option<i32> {
    Some(errno as i32)
}

/// For the subject: a file of the test's own.
fn file_of(bytes: u64) -> File {
    let file = memfd_create(c"of-the-test", MFdFlags::MFD_CLOEXEC).map(File::from);
    let file = file.expect("a file in memory");
    file.set_len(bytes).expect("the file gets this length");
    file
}

fn made(entries: usize) -> File {
    create(entries).unwrap_or_else(|error| panic!("create({entries}) returned an error: {error}"))
}

fn mapped(file: &File) -> Memory {
    Memory::map(file).unwrap_or_else(|error| {
        panic!("Memory::map returned an error for the file of a table: {error}")
    })
}

fn table(memory: &Memory) -> Table<'_> {
    Table::new(memory.words())
        .unwrap_or_else(|error| panic!("Table::new returned {error:?} for the words of a mapping"))
}

fn join<'a>(table: &Table<'a>, name: u32) -> Counter<'a> {
    table.join(name).unwrap_or_else(|error| {
        panic!("join({name}) returned {error:?} although entries were free")
    })
}

/// The words in the file, by read and not by a mapping.
fn read_words(file: &File) -> Vec<u32> {
    let bytes = file.metadata().expect("a file").len();
    let mut text = vec![0; bytes as usize];
    file.read_exact_at(&mut text, 0)
        .expect("the file can be read");
    let words = text.chunks_exact(4);
    words
        .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
        .collect()
}

/// How many mappings of this file the process has.
fn mappings(file: &fs::Metadata) -> usize {
    let inode = file.ino().to_string();
    let maps = fs::read_to_string("/proc/self/maps").expect("what is mapped");
    maps.lines()
        .filter(|line| line.split_whitespace().nth(4) == Some(&inode))
        .count()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    bytes: u64,
    all_zero: bool,
    /// In folders.
    names: u64,
    can_be_written: bool,
}

#[proctor::test(clauses = [2], subject = |entries: usize| -> (Made, bool) {
    let file = made(entries);
    let about = file.metadata().expect("a file");
    let all_zero = read_words(&file).iter().all(|word| *word == 0);
    let can_be_written = file.write_all_at(&[1, 2, 3, 4], 4).is_ok() && read_words(&file)[1] == u32::from_ne_bytes([1, 2, 3, 4]);
    let another = made(entries);
    let is_new = another.metadata().expect("a file").ino() != about.ino() && read_words(&another)[1] == 0;
    (Made { bytes: about.len(), all_zero, names: about.nlink(), can_be_written }, is_new)
})]
fn a_new_file_has_the_length_of_its_table(mut subject: Subject) {
    for entries in [1, 2, 3, 341, 70_000, MOST] {
        let answer = subject.ask(&entries);
        let due = Made {
            bytes: 4 * length(entries) as u64,
            all_zero: true,
            names: 0,
            can_be_written: true,
        };
        let (made, is_new) = answer.value;
        assert_eq!(
            made, due,
            "the file that create({entries}) returned is as (left) says and should be as (right) says"
        );
        assert!(
            is_new,
            "create({entries}) was called twice, and both files are the same"
        );
        answer.nothing_is_left("the files were closed");
    }
}

#[proctor::test(clauses = [3], subject = |entries: usize| -> Told<()> { told(create(entries).map(drop)) }, limited = |(descriptors, bytes): (Option<u64>, Option<u64>)| -> (Told<()>, Told<u64>) {
    proctor::on_signal(Signal::SIGXFSZ, SigHandler::SigIgn, SaFlags::empty());
    let failed = limited(Resource::RLIMIT_NOFILE, descriptors, || limited(Resource::RLIMIT_FSIZE, bytes, || told(create(100).map(drop))));
    let works = create(100).and_then(|file| Ok(file.metadata()?.len()));
    (failed, told(works))
})]
fn a_file_that_cannot_be_made_is_an_error(mut subject: Subject, mut limited: Subject) {
    for entries in [
        0,
        MOST + 1,
        1 << 32,
        1 << 62,
        (1 << 62) + 1,
        usize::MAX / 3,
        usize::MAX,
    ] {
        let answer = subject.ask(&entries);
        let due = Err(Problem(None, "InvalidInput".to_owned()));
        assert_eq!(
            answer.value, due,
            "create({entries}) returned (left) and should have returned (right): a table has 1 to {MOST} entries"
        );
        answer.nothing_is_left("create has returned an error");
    }
    for (limits, errno, why) in [
        ((Some(0), None), Errno::EMFILE, "no descriptor is free"),
        (
            (None, Some(100)),
            Errno::EFBIG,
            "a file can have at most 100 bytes",
        ),
    ] {
        let answer = limited.ask(&limits);
        let (failed, works) = &answer.value;
        assert_eq!(
            failed.as_ref().err().map(|problem| problem.0),
            Some(number(errno)),
            "{why}, and create(100) returned {failed:?}: the number of its error is (left) and should be (right), that of {errno}"
        );
        assert_eq!(
            works,
            &Ok(4 * length(100) as u64),
            "create(100) failed once, and the next call gave a file with (left) bytes instead of (right)"
        );
        answer.nothing_is_left("create has returned an error once, and a file the second time");
    }
}

/// For the subject: lowers a limit while `call` runs.
fn limited<T>(resource: Resource, limit: Option<u64>, call: impl FnOnce() -> T) -> T {
    let (soft, hard) = getrlimit(resource).expect("a limit");
    setrlimit(resource, limit.unwrap_or(soft), hard).expect("a lower limit");
    let result = call();
    setrlimit(resource, soft, hard).expect("the limit as it was");
    result
}

#[proctor::test(clauses = [4, 5], subject = |(name, amount): (u32, u32)| -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut look = |what: &str, value: u32| found.push((what.to_owned(), value));
    let file = made(4);
    file.write_all_at(&amount.to_ne_bytes(), 4 * (length(3) as u64 + 1)).expect("the file can be written");
    let (one, two) = (mapped(&file), mapped(&file));
    look("a word that was in the file before it was mapped, in the mapping", one.words()[length(3) + 1].load(Ordering::Relaxed));
    look("the same in the file", read_words(&file)[length(3) + 1]);
    let first = join(&table(&one), name);
    first.add(amount);
    look("what one mapping has added, in another mapping of the same process", join(&table(&two), name).get());
    look("the same in the file, by read", read_words(&file)[length(0) + 1]);
    file.write_all_at(&(amount ^ 1).to_ne_bytes(), 4 * (length(0) as u64 + 1)).expect("the file can be written");
    look("what was written to the file with write, in a mapping", first.get() ^ 1);
    file.write_all_at(&amount.to_ne_bytes(), 4 * (length(0) as u64 + 1)).expect("the file can be written");
    drop(one);
    let same = file.try_clone().expect("a second descriptor");
    drop(file);
    // The first mapping is gone, and so is the descriptor with which it was made.
    let three = mapped(&same);
    drop(same);
    look("the count after the first mapping was dropped, in the second", join(&table(&two), name).get());
    look("the same in a third, after all descriptors were closed", join(&table(&three), name).get());
    drop(two);
    let wide = [three.words().len() == length(4), three.words()[0].load(Ordering::Relaxed) == 2];
    look("the last mapping, if it has all words", if wide == [true; 2] { amount } else { !amount });
    found
})]
fn all_mappings_of_a_file_share_its_words(mut subject: Subject) {
    let (name, amount) = (name(), proctor::rng().u32(1..1 << 31));
    let answer = subject.ask(&(name, amount));
    for (what, found) in &answer.value {
        assert_eq!(*found, amount, "{what}: it is (left) and should be (right)");
    }
    answer.nothing_is_left("all mappings were dropped and all descriptors closed");
}

/// For the subject: the result of mapping such a file, how many words there are, and what is left.
fn tried(file: &File) -> (Told<usize>, usize) {
    let about = file.metadata().expect("a file");
    let words = Memory::map(file).map(|memory| memory.words().len());
    (told(words), mappings(&about))
}

#[proctor::test(clauses = [5, 6], subject = |bytes: u64| -> ((Told<usize>, usize), u64) {
    let file = file_of(bytes);
    (tried(&file), file.metadata().expect("a file").len())
}, pipe = |(): ()| -> Told<usize> {
    let (end, _other) = io::pipe().expect("a pipe");
    tried(&File::from(std::os::fd::OwnedFd::from(end))).0
})]
fn a_file_of_another_length_is_not_mapped(mut subject: Subject, mut pipe: Subject) {
    let due = Err(Problem(None, "InvalidData".to_owned()));
    let mut lengths = vec![
        0, 1, 2, 3, 4, 7, 8, 9, 16, 19, 21, 22, 23, 24, 28, 31, 33, 4_095, 4_096,
    ];
    lengths.extend([
        4_098,
        4_112,
        65_535,
        4 * length(MOST) as u64 - 4,
        4 * length(MOST + 1) as u64,
    ]);
    for bytes in lengths {
        let answer = subject.ask(&bytes);
        let ((found, mappings), after) = &answer.value;
        assert_eq!(
            (found, after),
            (&due, &bytes),
            "Memory::map on a file of {bytes} bytes: the result and the length of the file afterwards are (left) and should be (right). No table has this length, and an access behind the end of a file ends the process with SIGBUS"
        );
        assert_eq!(
            *mappings, 0,
            "Memory::map has returned an error, and (left) mappings of the file are left"
        );
        answer.nothing_is_left("Memory::map has returned an error");
    }
    for entries in [1, 2, 340, 341, 342, MOST] {
        let answer = subject.ask(&(4 * length(entries) as u64));
        assert_eq!(
            answer.value.0,
            (Ok(length(entries)), 0),
            "Memory::map on a file that is as long as a table with {entries} entries: the number of words, and the mappings that are left after the drop, are (left) and should be (right)"
        );
        answer.nothing_is_left("the mapping was dropped");
    }
    assert_eq!(
        pipe.ask(&()).value,
        due,
        "Memory::map on a pipe, whose length is 0, returned (left) instead of (right)"
    );
}

#[proctor::test(clauses = [6], subject = |(): ()| -> [(Told<usize>, usize); 3] {
    let file = made(MOST);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let readable = OpenOptions::new().read(true).open(&path).expect("the file can be opened again");
    // Two MiB more than there are now, and the table needs twelve.
    let pages = fs::read_to_string("/proc/self/statm").expect("the size of this process");
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    let limit = Some(4_096 * pages + (2 << 20));
    let no_memory = limited(Resource::RLIMIT_AS, limit, || told(Memory::map(&file).map(|memory| memory.words().len())));
    let about = file.metadata().expect("a file");
    [tried(&readable), (no_memory, mappings(&about)), tried(&file)]
})]
fn an_error_of_the_mapping_is_returned(mut subject: Subject) {
    let answer = subject.ask(&());
    let [readable, no_memory, works] = &answer.value;
    for ((found, mappings), errno, why) in [
        (readable, Errno::EACCES, "the descriptor can only be read"),
        (
            no_memory,
            Errno::ENOMEM,
            "the process may use no more memory",
        ),
    ] {
        assert_eq!(
            (found.as_ref().err().map(|problem| problem.0), *mappings),
            (Some(number(errno)), 0),
            "{why}, and Memory::map returned {found:?}: the number of its error and of the mappings that are left are (left) and should be (right), that of {errno}"
        );
    }
    assert_eq!(
        *works,
        (Ok(length(MOST)), 0),
        "after two calls that failed, Memory::map on the same file: the number of words, and the mappings after the drop, are (left) and should be (right)"
    );
    answer.nothing_is_left("Memory::map has returned two errors");
}

#[proctor::test(clauses = [4, 5], subject = |rounds: usize| -> ([usize; 4], usize, usize) {
    let lines = || fs::read_to_string("/proc/self/maps").expect("what is mapped").lines().count();
    let file = made(500);
    let about = file.metadata().expect("a file");
    let (one, two) = (mapped(&file), mapped(&file));
    join(&table(&one), 1).add(1);
    join(&table(&two), 1).add(1);
    let mut counts = [mappings(&about), 0, 0, 0];
    drop(one);
    counts[1] = mappings(&about);
    drop(file);
    counts[2] = mappings(&about);
    drop(two);
    counts[3] = mappings(&about);
    let before = lines();
    for _ in 0..rounds {
        let memory = mapped(&made(500));
        join(&table(&memory), 1).add(1);
    }
    (counts, before, lines())
})]
fn a_dropped_mapping_leaves_nothing(mut subject: Subject) {
    let rounds = 1_100;
    let answer = subject.ask(&rounds);
    let (counts, before, after) = answer.value;
    assert!(
        counts[0] > 0 && counts[1] > 0 && counts[2] > 0,
        "the mappings of the file in /proc/self/maps, with two values of Memory, with one, and after the file was closed, are {:?}, and should never be 0: the words are not those of the file",
        &counts[..3]
    );
    assert_eq!(
        counts[3], 0,
        "all values of Memory were dropped, and (left) mappings of the file are still in /proc/self/maps"
    );
    // The allocator may have taken or given back a region.
    assert!(
        after <= before + 8,
        "{rounds} times a file was made, mapped and dropped: the process had {before} mappings before and {after} afterwards"
    );
    let left = answer.evidence.heap.left;
    assert!(
        left < 8_192,
        "{rounds} times a file was made, mapped and dropped, and {left} bytes of memory are still allocated"
    );
    answer.nothing_is_left("all files and mappings were dropped");
}

// ------------------------------------------------------------------------ processes

/// For the subject: forks another process. Its exit code is what `life` returns, or 101.
fn other(life: impl FnOnce() -> u8) -> Pid {
    proctor::other_child(|| catch_unwind(AssertUnwindSafe(life)).unwrap_or(101))
}

/// How many processes count, and how many names all of them join.
const COUNTING: u32 = 4;
const COMMON: u32 = 25;

/// What one of the processes does: it joins all names and adds its number to each counter.
fn counts(table: &Table<'_>, me: u32, rounds: u32) {
    let common: Vec<_> = (0..COMMON)
        .map(|turn| join(table, (turn + 5 * me) % COMMON))
        .collect();
    let own = join(table, 1_000 + me);
    for _ in 0..rounds {
        // The kernel interrupts the process now and then, wherever it is.
        proctor::jostle();
        common.iter().for_each(|counter| counter.add(me));
        own.add(1);
    }
}

/// What came of it: how the processes ended, the sum by the caller, and the words in the file.
type Counted = (Vec<String>, u64, Vec<u32>);

#[proctor::test(clauses = [4, 7, 8, 12, 13], subject = |rounds: u32| -> Counted {
    let file = made(COUNTING as usize * (COMMON as usize + 1));
    let memory = mapped(&file);
    let (mut gate, opens) = io::pipe().expect("a pipe");
    let mut opens = Some(opens);
    let children: Vec<Pid> = (1..=COUNTING).map(|me| other(|| {
        drop(opens.take());
        // They begin together, when the caller has closed its end.
        let _ = gate.read(&mut [0]);
        // Two of them use the caller's mapping, and two make one of their own.
        if me <= 2 {
            counts(&table(&memory), me, rounds);
        } else {
            let _hole = mapped(&file);
            counts(&table(&mapped(&file)), me, rounds);
        }
        // The second does not end by itself, and the fourth is stopped.
        match me {
            2 => _ = raise(Signal::SIGKILL),
            4 => _ = raise(Signal::SIGSTOP),
            _ => {}
        }
        0
    })).collect();
    drop(opens);
    let mut ends: Vec<String> = children[..3].iter().map(|child| ending(*child)).collect();
    let stopped = waitpid(children[3], Some(WaitPidFlag::WUNTRACED));
    join(&table(&memory), 3).add(5);
    let sum = table(&memory).sum().unwrap_or(u64::MAX);
    if matches!(stopped, Ok(WaitStatus::Stopped(..))) {
        let _ = kill(children[3], Signal::SIGCONT);
        ends.push(ending(children[3]));
    } else {
        ends.push(format!("{stopped:?}"));
    }
    (ends, sum, read_words(&file))
})]
fn processes_count_together(mut subject: Subject) {
    let rounds = 400;
    let answer = subject.ask(&rounds);
    let (ends, sum, words) = &answer.value;
    let due = ["exit code 0", "SIGKILL", "exit code 0", "exit code 0"];
    assert_eq!(
        ends, &due,
        "{COUNTING} processes joined names and added; they ended with (left) and should have ended with (right) (101 is a panic)"
    );
    let list = list(words).unwrap_or_else(|| {
        panic!(
            "{COUNTING} processes have joined names, and the list in the file is broken: {}",
            show(words)
        )
    });
    let mut found: Vec<_> = list
        .iter()
        .map(|entry| (words[*entry], words[entry + 1]))
        .collect();
    found.sort_unstable();
    let all = rounds * COUNTING * (COUNTING + 1) / 2;
    let common = (0..COMMON).map(|name| (name, all + if name == 3 { 5 } else { 0 }));
    let due: Vec<_> = common
        .chain((1..=COUNTING).map(|me| (1_000 + me, rounds)))
        .collect();
    assert_eq!(
        found,
        due,
        "{COUNTING} processes joined the names 0 to {} and one of their own, and added their numbers {rounds} times (one was killed after that, one was stopped, and the caller added 5 to the counter 3): the names and counts in the file are (left) and should be (right)",
        COMMON - 1
    );
    let total: u64 = due.iter().map(|(_, count)| u64::from(*count)).sum();
    assert_eq!(*sum, total, "sum() returned (left) instead of (right)");
    answer.nothing_is_left("all processes have ended");
}

/// How a child ended.
fn ending(child: Pid) -> String {
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => format!("exit code {code}"),
        Ok(WaitStatus::Signaled(_, signal, _)) => format!("{signal}"),
        other => format!("{other:?}"),
    }
}

/// More instructions than any call needs on a small table.
const INSTRUCTIONS: usize = 300_000;

/// For the subject: runs a call in another process, one instruction at a time. All different states
/// of the words after the first one, as another process sees them. `None` where that cannot be done.
fn states((words, op): (Vec<u32>, Op)) -> Option<Vec<Vec<u32>>> {
    if !cfg!(target_arch = "x86_64") {
        // Elsewhere, an atomic step may be a loop of instructions that an interruption starts again.
        return None;
    }
    let file = file_of(4 * words.len() as u64);
    let map = memmap2::MmapRaw::map_raw(&file).expect("memory for the test");
    // SAFETY: it has this many words, and it lives as long as they are used.
    let shared: &[AtomicU32] =
        unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), words.len()) };
    for (word, value) in shared.iter().zip(&words) {
        word.store(*value, Ordering::Release);
    }
    let child = other(|| {
        let table = Table::new(shared).expect("the words of a table");
        let counter = match op {
            Add(name, _) => table.join(name).ok(),
            _ => None,
        };
        if ptrace::traceme().is_err() {
            return 1;
        }
        let _ = raise(Signal::SIGSTOP);
        match op {
            Join(name) => drop(table.join(name)),
            Sum => drop(table.sum()),
            Add(_, amount) => counter.expect("its name is in the list").add(amount),
            _ => {}
        }
        0
    });
    if !matches!(
        waitpid(child, None),
        Ok(WaitStatus::Stopped(_, Signal::SIGSTOP))
    ) {
        return None;
    }
    let mut states = vec![words];
    for _ in 0..INSTRUCTIONS {
        ptrace::step(child, None).expect("a stopped child");
        match waitpid(child, None) {
            Ok(WaitStatus::Stopped(_, Signal::SIGTRAP)) => {}
            Ok(WaitStatus::Exited(_, 0)) => return Some(states.split_off(1)),
            how => panic!("another process called a function of the library, and ended: {how:?}"),
        }
        let now = snapshot(shared);
        if states.last() != Some(&now) {
            states.push(now);
        }
    }
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitpid(child, None);
    panic!(
        "a call of another process does not return, although nothing else happens: after {INSTRUCTIONS} instructions it is still at work"
    )
}

#[proctor::test(clauses = [7, 8, 11, 13], deadline = 20.0, subject = |question: (Vec<u32>, Op)| states(question), others = |script: Script| play(script))]
fn a_process_that_stops_anywhere_holds_up_nobody(mut subject: Subject, mut others: Subject) {
    // Counter 7 and counter 8; the free words have had another use. With and without a free entry.
    let mut free = vec![5, 2, 7, u32::MAX - 1, 0, 8, 100, 2];
    let full = free.clone();
    free.extend([6; 3 * SIZE]);
    let join = "in the middle of join(9), which makes a new entry";
    let add = "in the middle of add(3) to the counter 7";
    let hangs = |when| {
        format!(
            "a process was stopped {when}, and a call of another process does not return: it waits for the stopped one"
        )
    };
    for (words, op, when, changes) in [
        (&free, Join(9), join, None),
        (&free, Add(7, 3), add, Some(1)),
        (
            &free,
            Add(8, 3),
            "in the middle of add(3) to the counter 8",
            Some(1),
        ),
        (
            &free,
            Join(7),
            "in the middle of join(7), which finds an entry",
            Some(0),
        ),
        (
            &full,
            Join(9),
            "in the middle of join(9), which finds no free entry",
            Some(0),
        ),
        (&free, Sum, "in the middle of sum()", Some(0)),
    ] {
        let answer = subject.ask(&(words.clone(), op));
        let Some(states) = &answer.value else { return };
        if let Some(changes) = changes {
            assert!(
                states.len() == changes,
                "a process was looked at after each instruction {when}. The words should change {changes} times in the call, and they changed {} times: {states:?}",
                states.len()
            );
        }
        let old = list(words).expect("a list");
        let new = [vec![length(2)], old.clone()].concat();
        for state in states {
            let now = list(state);
            let is_whole = |at: usize| op == Join(9) && state[at..][..SIZE] == [9, 0, words[LAST]];
            assert!(
                now.as_ref() == Some(&old) || now.as_ref() == Some(&new) && is_whole(new[0]),
                "a process was stopped {when}. At one moment the words were {state:?}, which is neither the list as it was ({words:?}) nor the list with a complete new entry: another process sees a wrong list, and if the first one is killed now, it stays wrong"
            );
            let mut ops = vec![New, Sum, Join(7), Add(7, 3), Get(7)];
            ops.extend([Join(9), Get(9), Add(9, 4), Join(11), Join(9), Sum]);
            plays_or(&mut others, &hangs(when), state, &ops);
        }
    }
}
