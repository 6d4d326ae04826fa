//! Judges `cost_of_write` and `memory_of` from outside.
//!
//! The judge describes memory and what a closure does with it, so it knows which
//! pages the kernel has to copy. The subject makes this memory with `mmap`. Every
//! call goes through [`run`], which also looks at what each call must keep.
proctor::exercise!(copy_on_write);

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write, pipe};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, set_hook, take_hook};
use std::process::{abort, exit};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{
    MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, SysconfVar, getpid, getppid, sysconf};
use proctor::{
    Answer, Failure, Fault, Onlooker, Outcome, Subject, Surroundings, Whose, do_nothing,
    other_child,
};
use serde::{Deserialize, Serialize};

// ------------------------------------------------------------- what is asked

/// What the caller has done with a page before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    /// Private memory that the caller has written.
    Written,
    /// Private memory that the caller has only read.
    Read,
    /// Private memory that the caller has not touched.
    Untouched,
    /// Shared memory that the caller has written.
    Shared,
    /// Shared memory that the caller has not touched.
    SharedUntouched,
    /// Shared memory of a file that the caller has filled by write(2), and has
    /// not touched where it is mapped.
    SharedFile,
}

impl Kind {
    fn is_shared(self) -> bool {
        use Kind::{Shared, SharedFile, SharedUntouched};
        matches!(self, Shared | SharedUntouched | SharedFile)
    }

    /// What all bytes of a page are before the call.
    fn filled(self, page: u64) -> u8 {
        match self {
            Kind::Written | Kind::Shared | Kind::SharedFile => (page % 199) as u8 + 1,
            _ => 0,
        }
    }
}

/// One thing that a closure does. Places are counted in bytes from the first
/// page of the mapping, not from the slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    Write(u64, u8),
    /// Writes this byte at the beginning of so many pages, from this page on.
    Row(u64, u64, u8),
    /// Writes the byte that is there.
    Keep(u64),
    Look(u64),
    /// Lets the kernel write, by read(2).
    System(u64, u8),
    /// Writes to so many pages of new heap memory, and to pages of the stack.
    Elsewhere(usize),
}
use Act::{Elsewhere, Keep, Look, Row, System, Write as Put};

/// One call: the memory, the part that is passed, and what the closure does.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Case {
    /// The pages of the memory, one kind after the other.
    pages: Vec<(Kind, u64)>,
    start: u64,
    length: u64,
    acts: Vec<Act>,
    /// Whether the closure compares the memory with what the caller has in it.
    compares: bool,
}

impl Case {
    /// Passes the whole memory.
    fn of(pages: &[(Kind, u64)], acts: Vec<Act>) -> Case {
        let number: u64 = pages.iter().map(|(_, pages)| pages).sum();
        Case {
            pages: pages.to_vec(),
            start: 0,
            length: number * page_size(),
            acts,
            compares: false,
        }
    }

    /// Passes a part of the memory.
    fn part(self, start: u64, length: u64) -> Case {
        Case {
            start,
            length,
            ..self
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        let many = |&(kind, pages): &(Kind, u64)| (0..pages).map(move |_| kind);
        self.pages.iter().flat_map(many).collect()
    }

    /// The bytes that the acts leave in the child, where they write.
    fn writes(&self) -> BTreeMap<u64, u8> {
        let (kinds, size) = (self.kinds(), page_size());
        let mut all = BTreeMap::new();
        for act in &self.acts {
            match *act {
                Put(place, byte) | System(place, byte) => _ = all.insert(place, byte),
                Row(first, pages, byte) => {
                    all.extend((first..first + pages).map(|page| (page * size, byte)));
                }
                Keep(place) => {
                    let page = place / size;
                    let filled = kinds[page as usize].filled(page);
                    all.entry(place).or_insert(filled);
                }
                Look(_) | Elsewhere(_) => {}
            }
        }
        all
    }

    /// What the contract says: the pages, and whether the caller sees a change.
    fn expected(&self) -> (u64, bool) {
        let (kinds, size, end) = (self.kinds(), page_size(), self.start + self.length);
        let mut pages = BTreeSet::new();
        let mut seen = false;
        for (place, byte) in self.writes() {
            let page = place / size;
            let kind = kinds[page as usize];
            let holds_a_byte = page * size < end && (page + 1) * size > self.start;
            if kind.is_shared() {
                let is_inside = (self.start..end).contains(&place);
                seen |= is_inside && byte != kind.filled(page);
            } else if holds_a_byte && self.length > 0 {
                pages.insert(page);
            }
        }
        (pages.len() as u64, seen)
    }
}

/// The size of a page in bytes.
fn page_size() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .expect("the size of a page")
}

/// Some places in different pages, each at a random byte.
fn places(number: usize, pages: u64) -> Vec<u64> {
    let mut rng = proctor::rng();
    let mut all: Vec<u64> = (0..pages).collect();
    rng.shuffle(&mut all);
    all.truncate(number);
    let size = page_size();
    all.into_iter()
        .map(|page| page * size + rng.u64(0..size))
        .collect()
}

/// Writes a new byte at each of these places. (No page is filled with 255.)
fn put(places: &[u64]) -> Vec<Act> {
    places.iter().map(|&place| Put(place, 255)).collect()
}

// ---------------------------------------------------------- what comes back

/// What a function of the exercise returned, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reported {
    Cost(u64, bool),
    /// Bytes.
    Size(u64),
    /// The number of the error, if it has one, and its text.
    Error(Option<i32>, String),
}
use Reported::{Cost, Error, Size};

/// What a call returned, and what is not as it must be after every call.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Found {
    reported: Reported,
    wrong: Vec<String>,
    /// Why this machine does not let anybody judge it.
    not_here: Option<String>,
}

fn error(error: &std::io::Error) -> Reported {
    Error(error.raw_os_error(), error.to_string())
}

#[deny(unused_unsafe)]
fn call(memory: &mut [u8], write: impl FnOnce(&mut [u8])) -> Reported {
    // SAFETY: a subject has one thread.
    match unsafe { copy_on_write::cost_of_write(memory, write) } {
        Ok(copy_on_write::Cost { pages, seen }) => Cost(pages, seen),
        Err(failed) => error(&failed),
    }
}

// ------------------------------------------------------------- the memory

/// A file in memory that holds what these pages of the kind `SharedFile` hold.
fn filled_file(pages: Range<u64>, size: usize) -> File {
    let file = memfd_create(c"pages", MFdFlags::MFD_CLOEXEC).expect("a file in memory");
    let mut file = File::from(file);
    for page in pages {
        let bytes = vec![Kind::SharedFile.filled(page); size];
        file.write_all(&bytes).expect("room for a page");
    }
    file
}

/// Memory as a case describes it, with an unmapped page before and after it.
struct Memory {
    start: NonNull<u8>,
    kinds: Vec<Kind>,
    size: usize,
}

impl Memory {
    fn new(pages: &[(Kind, u64)]) -> Memory {
        let size = page_size() as usize;
        let number: u64 = pages.iter().map(|(_, pages)| pages).sum();
        let whole = NonZeroUsize::new((number as usize + 2) * size).expect("not empty");
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let private = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let mut kinds = Vec::new();
        // SAFETY: new mappings, the later ones inside the first, which nobody
        // else uses.
        let start = unsafe {
            let all = mmap_anonymous(None, whole, ProtFlags::PROT_NONE, private).expect("memory");
            let start = all.add(size);
            for &(kind, pages) in pages {
                let place = start.add(kinds.len() * size);
                let length = pages as usize * size;
                if kind.is_shared() {
                    let shared = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
                    let (at, bytes) = (place.addr(), NonZeroUsize::new(length).expect("pages"));
                    if kind == Kind::SharedFile {
                        let first = kinds.len() as u64;
                        let file = filled_file(first..first + pages, size);
                        mmap(Some(at), bytes, access, shared, file, 0).expect("a shared file");
                    } else {
                        mmap_anonymous(Some(at), bytes, access, shared).expect("shared memory");
                    }
                } else {
                    mprotect(place, length, access).expect("private memory");
                }
                let _ = madvise(place, length, MmapAdvise::MADV_NOHUGEPAGE);
                kinds.extend((0..pages).map(|_| kind));
            }
            start.cast()
        };
        let memory = Memory { start, kinds, size };
        for (page, kind) in memory.kinds.iter().enumerate() {
            let first = memory.at((page * size) as u64);
            // SAFETY: in the mapping.
            unsafe {
                match kind {
                    Kind::Written | Kind::Shared => {
                        first.write_bytes(kind.filled(page as u64), size);
                    }
                    Kind::Read => _ = first.read_volatile(),
                    Kind::Untouched | Kind::SharedUntouched | Kind::SharedFile => {}
                }
            }
        }
        memory
    }

    fn at(&self, place: u64) -> *mut u8 {
        // SAFETY: places are in the mapping.
        unsafe { self.start.as_ptr().add(place as usize) }
    }

    /// The entries of this process's page table.
    fn entries(&self) -> std::io::Result<Vec<u64>> {
        let mut bytes = vec![0; self.kinds.len() * 8];
        let first = self.start.addr().get() / self.size * 8;
        File::open("/proc/self/pagemap")?.read_exact_at(&mut bytes, first as u64)?;
        let entry = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
        Ok(bytes.chunks_exact(8).map(entry).collect())
    }

    /// Access and flags of the mappings that make up this memory.
    fn mappings(&self) -> Vec<String> {
        let (start, length) = (self.start.addr().get(), self.kinds.len() * self.size);
        let mut all = Vec::new();
        let mut is_inside = false;
        for line in fs::read_to_string("/proc/self/smaps")
            .unwrap_or_default()
            .lines()
        {
            if let Some(flags) = line.strip_prefix("VmFlags:") {
                all.extend(is_inside.then(|| flags.trim().to_owned()));
            } else if let Some((from, _)) = line.split_once('-') {
                let from = usize::from_str_radix(from, 16);
                is_inside = from.is_ok_and(|from| (start..start + length).contains(&from));
            }
        }
        // The kernel may split a mapping without changing it.
        all.dedup();
        all
    }

    /// Why nobody can count pages on this machine.
    fn not_here(&self) -> Option<String> {
        let entries = match self.entries() {
            Ok(entries) => entries,
            Err(error) => return Some(format!("/proc/self/pagemap cannot be read here: {error}")),
        };
        let hidden = |(entry, kind): (&u64, &Kind)| *kind == Kind::Written && !is_own(*entry);
        let is_hidden = entries.iter().zip(&self.kinds).any(hidden);
        is_hidden.then(|| "/proc/self/pagemap does not show here who uses a page".to_owned())
    }

    /// What is not as it must be in the caller after a call in which the child
    /// wrote these bytes. If that is not known (`None`), as after an error, shared
    /// memory may hold anything.
    fn wrong(&self, writes: Option<&BTreeMap<u64, u8>>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (page, (entry, kind)) in self
            .entries()
            .unwrap_or_default()
            .iter()
            .zip(&self.kinds)
            .enumerate()
        {
            if matches!(kind, Kind::Read | Kind::Untouched) && is_own(*entry) {
                wrong.push(format!(
                    "the caller had never written to page {page} of its memory, and after the call the page takes physical memory in the caller: the caller has written to it during the call"
                ));
                break;
            }
        }
        for (page, kind) in self.kinds.iter().enumerate() {
            let first = (page * self.size) as u64;
            let mut expected = vec![kind.filled(page as u64); self.size];
            if kind.is_shared() {
                let Some(writes) = writes else { continue };
                for (place, byte) in writes.range(first..first + self.size as u64) {
                    expected[(place - first) as usize] = *byte;
                }
            }
            // SAFETY: in the mapping, and no other process is left that writes.
            let now = unsafe { std::slice::from_raw_parts(self.at(first), self.size) };
            if *now != *expected {
                let whose = if kind.is_shared() {
                    "shared"
                } else {
                    "private"
                };
                wrong.push(format!(
                    "page {page} of the caller's memory is {whose}, and after the call it does not hold what it must hold: the closure did not run in a child on this memory, or the caller wrote to the memory itself"
                ));
                break;
            }
        }
        wrong
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`, and nobody uses it any more.
        unsafe {
            let all = self.start.sub(self.size).cast();
            let _ = munmap(all, (self.kinds.len() + 2) * self.size);
        }
    }
}

/// Whether this process alone uses a page of private memory.
fn is_own(entry: u64) -> bool {
    let bit = |number: u32| entry >> number & 1 == 1;
    bit(63) && bit(56) && !bit(61)
}

// ---------------------------------------------------------- what a closure does

/// Marks of the closure: one bit for each thing that is not as the contract says.
const ANOTHER_ADDRESS: u64 = 1;
const ANOTHER_LENGTH: u64 = 2;
const ANOTHER_CONTENT: u64 = 4;
const ANOTHER_PARENT: u64 = 8;
const MARKS: u64 = 16;
/// A handler for the caller's end ran.
const AT_EXIT: u64 = 100;
/// The closure has not the caller's signal mask and handlers.
const OTHER_SIGNALS: u64 = 101;

/// Uses some pages of stack.
#[inline(never)]
fn deep(levels: usize) -> u8 {
    let page = std::hint::black_box([1_u8; 4096]);
    match levels {
        0 => page[0],
        _ => page[1].wrapping_add(deep(levels - 1)),
    }
}

/// Writes one byte by a system call.
fn write_by_the_kernel(place: *mut u8, byte: u8) {
    let (reader, mut writer) = pipe().expect("a pipe");
    writer.write_all(&[byte]).expect("room for a byte");
    // SAFETY: the place is in memory that this process may write.
    unsafe { libc::read(reader.as_raw_fd(), place.cast::<c_void>(), 1) };
}

fn act(acts: &[Act], mut place: impl FnMut(u64) -> *mut u8) {
    for act in acts {
        // SAFETY: all places are in the mapping, which can be written.
        unsafe {
            match *act {
                Put(at, byte) => place(at).write_volatile(byte),
                Row(first, pages, byte) => {
                    for page in first..first + pages {
                        place(page * page_size()).write_volatile(byte);
                    }
                }
                Keep(at) => place(at).write_volatile(place(at).read_volatile()),
                Look(at) => _ = place(at).read_volatile(),
                System(at, byte) => write_by_the_kernel(place(at), byte),
                Elsewhere(pages) => {
                    std::hint::black_box(vec![1_u8; pages * page_size() as usize]);
                    deep(pages.min(100));
                }
            }
        }
    }
}

/// Something that a closure owns. It counts how often it is dropped.
struct Owned<'a>(&'a Cell<u32>);

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        self.0.update(|drops| drops + 1);
    }
}

/// Calls the function as a case says.
fn run(case: &Case) -> Found {
    run_then(case, || ())
}

/// The same; at the end of the closure, in the child, `then` runs.
fn run_then(case: &Case, then: impl FnOnce()) -> Found {
    let memory = Memory::new(&case.pages);
    let not_here = memory.not_here();
    let caller = getpid();
    let here = memory.at(case.start);
    // SAFETY: in the mapping, and the only reference to it.
    let slice = unsafe { std::slice::from_raw_parts_mut(here, case.length as usize) };
    let mappings = memory.mappings();
    let drops = Cell::new(0);
    let owned = Owned(&drops);
    let before = Surroundings::now();
    let reported = call(slice, |given: &mut [u8]| {
        let _owned = owned;
        let mut mark = 0;
        if given.as_mut_ptr() != here {
            mark |= ANOTHER_ADDRESS;
        }
        if given.len() as u64 != case.length {
            mark |= ANOTHER_LENGTH;
        }
        let holds = |(at, byte): (usize, &u8)| {
            let page = (case.start as usize + at) / memory.size;
            *byte == memory.kinds[page].filled(page as u64)
        };
        if case.compares && mark == 0 && !given.iter().enumerate().all(holds) {
            mark |= ANOTHER_CONTENT;
        }
        if getppid() != caller {
            mark |= ANOTHER_PARENT;
        }
        proctor::witness(mark);
        let given: &mut [u8] = given;
        let (first, length) = (given.as_mut_ptr(), given.len() as u64);
        act(&case.acts, |at| match at.checked_sub(case.start) {
            // SAFETY: in the slice.
            Some(inside) if inside < length => unsafe { first.add(inside as usize) },
            _ => memory.at(at),
        });
        then();
    });
    let mut wrong = before.changes();
    // The judge counts children.
    wrong.retain(|change| !(change.starts_with("child ") && change.contains(" is new ")));
    for change in &mut wrong {
        *change = format!("the caller is not as it was before the call: {change}");
    }
    if memory.mappings() != mappings {
        wrong.push(format!(
            "the mappings of `memory` had the flags {mappings:?} before the call (see proc_pid_smaps(5)), and now they have the flags {:?}",
            memory.mappings()
        ));
    }
    match drops.get() {
        1 => {}
        0 => wrong.push(
            "the call has not dropped `write` in the caller, so what the closure owns is still there"
                .to_owned(),
        ),
        drops => wrong.push(format!(
            "the call has dropped what `write` owns {drops} times in the caller, and not once"
        )),
    }
    let is_shared = memory.kinds.iter().any(|kind| kind.is_shared());
    let is_known = is_shared && matches!(reported, Cost(..));
    wrong.extend(memory.wrong(is_known.then(|| case.writes()).as_ref()));
    Found {
        reported,
        wrong,
        not_here,
    }
}

// ------------------------------------------------------------ what is demanded

/// Each of these calls ran its closure once in a child of its own, on the memory
/// itself. The test has started `others` itself.
#[track_caller]
fn each_call_had_its_child<A>(answer: &Answer<A>, calls: usize, others: u32) {
    let evidence = &answer.evidence;
    let began = || evidence.witnesses.iter().filter(|seen| seen.mark < MARKS);
    let pids: BTreeSet<i32> = began().map(|seen| seen.pid).collect();
    assert!(
        !pids.contains(&evidence.pid),
        "the closure ran in the calling process itself, not in a child"
    );
    let number = began().count();
    assert!(
        number == calls && pids.len() == calls,
        "{calls} calls of cost_of_write ran their closures {number} times in {} processes: each call must run its closure once, in a child of its own",
        pids.len()
    );
    for (bit, what) in [
        (
            ANOTHER_ADDRESS,
            "the slice that the closure got does not begin at the address of `memory`",
        ),
        (
            ANOTHER_LENGTH,
            "the slice that the closure got does not have the length of `memory`",
        ),
        (
            ANOTHER_CONTENT,
            "the slice that the closure got does not hold what the caller has in `memory`",
        ),
        (
            ANOTHER_PARENT,
            "the parent of the process that ran the closure is not the caller",
        ),
    ] {
        assert!(began().all(|seen| seen.mark & bit == 0), "{what}");
    }
    nothing_else_was_started(answer, calls, others);
    nothing_is_left(answer);
}

#[track_caller]
fn nothing_else_was_started<A>(answer: &Answer<A>, calls: usize, others: u32) {
    // `None` where the machine forbids to count.
    if let Some(started) = answer.evidence.processes_started {
        let started = started.saturating_sub(others) as usize;
        assert!(
            started == calls,
            "{calls} calls of cost_of_write started {started} processes: each call must start one child and no other process"
        );
    }
}

#[track_caller]
fn nothing_is_left<A>(answer: &Answer<A>) {
    let at_exit = |seen: &proctor::Witness| seen.mark == AT_EXIT;
    let printed = &answer.output.stdout;
    assert!(
        !answer.evidence.witnesses.iter().any(at_exit),
        "the child ran a handler that the caller had registered with atexit or at_quick_exit for its own end"
    );
    answer.nothing_is_left("all calls have returned");
    assert!(
        printed.is_empty() || printed.starts_with('<'),
        "nothing was printed by the caller or by the closure, and standard output holds {printed:?}"
    );
}

/// Ends the test without a verdict where the machine does not show pages, and
/// demands what holds after every call.
#[track_caller]
fn is_in_order(found: &Found) {
    if let Some(why) = &found.not_here {
        proctor::fail(Outcome::NotJudged, why.clone());
    }
    if let Some(wrong) = found.wrong.first() {
        panic!("{wrong}");
    }
}

/// Demands the cost that a case has. `what` is a sentence about the closure.
#[track_caller]
fn expect_cost(found: &Found, case: &Case, what: &str) {
    is_in_order(found);
    let (pages, seen) = case.expected();
    match &found.reported {
        Cost(reported, _) if *reported != pages => {
            panic!("{what}: the number of pages is {pages}, and cost_of_write reported {reported}")
        }
        Cost(_, reported) if *reported != seen => {
            let sees = if seen { "sees" } else { "does not see" };
            panic!(
                "{what}: the caller {sees} another byte in its memory, and cost_of_write reported seen: {reported}"
            )
        }
        Cost(..) => {}
        other => panic!(
            "{what}: no step failed, and cost_of_write returned something else than a cost: {other:?}"
        ),
    }
}

/// Asks one case, and demands everything.
#[track_caller]
fn ask(subject: &mut Subject<Case, Found>, case: &Case, what: &str) {
    let answer = subject.ask(case);
    each_call_had_its_child(&answer, 1, 0);
    expect_cost(&answer.value, case, what);
}

#[track_caller]
fn expect_errno(reported: &Reported, errno: Errno, what: &str) {
    match reported {
        Error(Some(number), _) if *number == errno as i32 => {}
        Error(_, words) => {
            panic!("{what} with {errno}, and the call returned another error: {words}")
        }
        other => panic!("{what} with {errno}, and the call returned no error: {other:?}"),
    }
}

// ------------------------------------------------------------------- the child

#[proctor::test(clauses = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11], subject = |case: Case| -> (Found, u64) {
    let mut mine = 1_u64;
    let found = run_then(&case, || mine += 1);
    (found, mine)
})]
fn the_closure_runs_in_a_child_on_the_memory_itself(mut subject: Subject) {
    use Kind::{Shared, Untouched, Written};
    let pages = [(Written, 5), (Untouched, 2), (Shared, 3), (Written, 1)];
    let whole = Case::of(&pages, put(&places(3, 5)));
    let size = page_size();
    let middle = whole.clone().part(2 * size + 7, 3 * size);
    let empty = Case::of(&pages, vec![]).part(size, 0);
    for case in [whole, middle, empty] {
        let case = Case {
            compares: true,
            ..case
        };
        let answer = subject.ask(&case);
        each_call_had_its_child(&answer, 1, 0);
        let (found, mine) = &answer.value;
        assert!(
            *mine == 1,
            "the closure changed a variable, and the caller sees the change: the closure ran in the caller's memory"
        );
        expect_cost(found, &case, "the closure compared the memory and wrote");
    }
}

extern "C" fn at_exit() {
    proctor::witness(AT_EXIT);
}

unsafe extern "C" {
    /// As `atexit`, for the end by quick_exit(3).
    safe fn at_quick_exit(handler: extern "C" fn()) -> c_int;
}

/// Registers handlers for the end of this process, and prints a text that stays
/// in the buffer.
fn prepare_the_end(text: &str) {
    // SAFETY: the handler sends a note to the judge.
    unsafe { libc::atexit(at_exit) };
    at_quick_exit(at_exit);
    print!("<{text}>");
}

/// Demands that no child has written the text that is in the buffer.
#[track_caller]
fn is_printed_once<A>(answer: &Answer<A>, text: &str) {
    let printed = &answer.output.stdout;
    assert!(
        *printed == format!("<{text}>"),
        "before the call, the caller printed <{text}> without a newline, and standard output holds {printed:?}"
    );
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10, 11, 12], subject = |(case, text, panics): (Case, String, bool)| -> Found {
    prepare_the_end(&text);
    run_then(&case, || assert!(!panics, "the closure panics"))
})]
fn nothing_that_the_caller_prepared_for_its_end_happens(mut subject: Subject) {
    let pages = [(Kind::Written, 4)];
    for panics in [false, true] {
        let case = Case::of(&pages, put(&places(2, 4)));
        let text: String = proctor::random();
        let answer = subject.ask(&(case.clone(), text.clone(), panics));
        each_call_had_its_child(&answer, 1, 0);
        is_printed_once(&answer, &text);
        if panics {
            expect_no_cost(&answer.value, "the closure panicked");
        } else {
            expect_cost(&answer.value, &case, "the closure wrote to 2 pages");
        }
        subject.fresh();
    }
}

// ------------------------------------------------------------------- the pages

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11], subject = |case: Case| -> Found { run(&case) })]
fn each_page_that_the_child_writes_counts_once(mut subject: Subject) {
    let size = page_size();
    let filled = |place| Kind::Written.filled(place / size);
    let four_times = vec![
        Put(3 * size, 1),
        Put(4 * size - 1, 2),
        Put(3 * size, 3),
        Put(3 * size + 9, 4),
    ];
    let restore = |place| [Put(place, 255), Put(place, filled(place))];
    let system = |place| System(place, 255);
    for (acts, what) in [
        (vec![], "did nothing"),
        (put(&places(1, 40)), "wrote one byte"),
        (put(&places(7, 40)), "wrote one byte in each of 7 pages"),
        (put(&places(40, 40)), "wrote one byte in each of 40 pages"),
        (four_times, "wrote four times to one page"),
        (
            put(&[4 * size - 1, 4 * size]),
            "wrote the last byte of a page and the first byte of the next page",
        ),
        (
            places(6, 40).into_iter().map(Keep).collect(),
            "wrote one byte in each of 6 pages, and each byte was the same as before",
        ),
        (
            places(5, 40).into_iter().flat_map(restore).collect(),
            "changed one byte in each of 5 pages and then changed it back",
        ),
        (
            places(4, 40).into_iter().map(system).collect(),
            "called read(2), which wrote one byte in each of 4 pages",
        ),
    ] {
        let case = Case::of(&[(Kind::Written, 40)], acts);
        ask(&mut subject, &case, &format!("the closure {what}"));
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11], subject = |case: Case| -> Found { run(&case) })]
fn ten_thousand_pages_are_counted(mut subject: Subject) {
    for (written, pages) in [(256, 300), (600, 700), (10_000, 10_001)] {
        let case = Case::of(&[(Kind::Written, pages)], put(&places(written, pages)));
        let what = format!("the closure wrote one byte in each of {written} of {pages} pages");
        ask(&mut subject, &case, &what);
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 7, 10, 11], slow = true, memory = 2048, deadline = 180.0, subject = |case: Case| -> Found { run(&case) })]
fn more_than_65_536_pages_are_counted(mut subject: Subject) {
    let pages = (1 << 17) + 7;
    // All but 3 of the pages of the second half.
    let (first, hole) = ((1 << 16) - 4, 100_000);
    let acts = vec![
        Row(first, hole - first, 255),
        Row(hole + 3, pages - hole - 3, 255),
    ];
    let case = Case::of(&[(Kind::Untouched, pages)], acts);
    let what = format!(
        "the closure wrote one byte in each of {} of {pages} pages",
        pages - first - 3
    );
    ask(&mut subject, &case, &what);
}

#[proctor::test(clauses = [1, 2, 4, 5, 7, 10, 11], subject = |case: Case| -> Found { run(&case) })]
fn pages_that_are_only_read_do_not_count(mut subject: Subject) {
    use Kind::{Read, Untouched, Written};
    let all = |pages| {
        places(pages as usize, pages)
            .into_iter()
            .map(Look)
            .collect::<Vec<_>>()
    };
    for (kind, how) in [
        (Written, "had written"),
        (Read, "had only read"),
        (Untouched, "had not touched"),
    ] {
        let pages = [(kind, 30)];
        let what = format!("the closure read all 30 pages, which the caller {how}");
        ask(&mut subject, &Case::of(&pages, all(30)), &what);
        let acts = [all(30), put(&places(4, 30)), all(30)].concat();
        let what = format!("{what}, and wrote to 4 of them");
        ask(&mut subject, &Case::of(&pages, acts), &what);
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 10, 11], subject = |case: Case| -> Found { run(&case) })]
fn only_pages_that_hold_a_byte_of_the_memory_count(mut subject: Subject) {
    let size = page_size();
    let everywhere = put(&places(12, 12));
    let case =
        |start, length| Case::of(&[(Kind::Written, 12)], everywhere.clone()).part(start, length);
    let offset = proctor::rng().u64(1..size);
    for (start, length) in [
        (0, 12 * size),
        (3 * size, 4 * size),
        (3 * size, size),
        (3 * size + offset, 4 * size),
        (3 * size, 4 * size + 1),
        (4 * size - 1, 2),
        (4 * size - 1, 1),
        (4 * size, 1),
        (4 * size - 1, 2 * size + 2),
        (11 * size + offset, size - offset),
    ] {
        let what = format!(
            "the closure wrote to all 12 pages of a mapping, of which `memory` has {length} bytes, from byte {} of page {} on",
            start % size,
            start / size
        );
        ask(&mut subject, &case(start, length), &what);
    }
    for start in [0, 3 * size, 3 * size + offset] {
        let what = "`memory` was empty, and the closure wrote to the pages around it";
        ask(&mut subject, &case(start, 0), what);
    }
    let around = Case::of(
        &[(Kind::Written, 12)],
        vec![Put(3 * size, 255), Put(9 * size - 1, 255)],
    );
    ask(
        &mut subject,
        &around.part(3 * size + 10, 6 * size - 20),
        "the closure wrote only to other bytes of the first and of the last page that hold bytes of `memory`",
    );
    ask(
        &mut subject,
        &Case::of(
            &[(Kind::Written, 12)],
            [vec![Elsewhere(500)], put(&places(2, 12))].concat(),
        ),
        "the closure wrote to 500 pages of new heap memory, to its stack, and to 2 pages of `memory`",
    );
}

#[proctor::test(clauses = [1, 2, 4, 5, 7, 10, 11], subject = |case: Case| -> Found { run(&case) })]
fn pages_that_the_caller_never_wrote_count_too(mut subject: Subject) {
    use Kind::{Read, Untouched, Written};
    for (kind, how) in [(Untouched, "not touched"), (Read, "only read")] {
        let case = Case::of(&[(kind, 30)], put(&places(8, 30)));
        let what = format!("the closure wrote to 8 pages that the caller had {how}");
        ask(&mut subject, &case, &what);
        let keep = places(3, 30).into_iter().map(Keep).collect();
        let what = format!("the closure wrote zeros to 3 pages that the caller had {how}");
        ask(&mut subject, &Case::of(&[(kind, 30)], keep), &what);
    }
    let pages = [(Untouched, 9), (Written, 9), (Read, 9), (Untouched, 9)];
    let case = Case::of(&pages, put(&places(20, 36)));
    let what = "the closure wrote to 20 of 36 pages, some of which the caller had never written";
    ask(&mut subject, &case, what);
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11], subject = |case: Case| -> Found { run(&case) })]
fn pages_of_shared_memory_do_not_count(mut subject: Subject) {
    use Kind::{Shared, SharedFile, SharedUntouched, Untouched, Written};
    for (kind, how) in [
        (Shared, "had written"),
        (SharedUntouched, "had not touched"),
        (SharedFile, "had filled through its file"),
    ] {
        for number in [1, 5, 20] {
            let case = Case::of(&[(kind, 20)], put(&places(number, 20)));
            let what = format!(
                "the closure wrote to {number} pages of shared memory, which the caller {how}"
            );
            ask(&mut subject, &case, &what);
        }
    }
    let pages = [
        (Written, 6),
        (Shared, 6),
        (Untouched, 6),
        (SharedUntouched, 6),
        (Written, 6),
    ];
    let whole = Case::of(&pages, put(&places(30, 30)));
    let what = "the closure wrote to 30 pages: 18 private ones, with shared ones between them";
    ask(&mut subject, &whole, what);
    let size = page_size();
    let part = whole.part(4 * size + 5, 21 * size);
    let what = "the closure wrote to 30 pages, of which `memory` held 22, private and shared ones";
    ask(&mut subject, &part, what);
    let part = Case::of(&pages, put(&places(30, 30))).part(8 * size, 8 * size);
    let what = "the closure wrote to 30 pages, of which `memory` held 4 shared and 4 private ones";
    ask(&mut subject, &part, what);
    // The list of these mappings in /proc has more than 64 KiB.
    let many = [(Written, 1), (Shared, 1)].repeat(700);
    let what = "the closure wrote to 1,400 pages, private and shared ones in turns";
    ask(
        &mut subject,
        &Case::of(&many, vec![Row(0, 1400, 255)]),
        what,
    );
}

// --------------------------------------------------------- what the caller sees

#[proctor::test(clauses = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11], subject = |case: Case| -> Found { run(&case) })]
fn the_caller_sees_what_has_changed_in_shared_memory(mut subject: Subject) {
    use Kind::{Shared, SharedFile, SharedUntouched, Written};
    let size = page_size();
    let all = (0, 20 * size);
    // Neither the start nor the length is a multiple of anything.
    let odd = (2 * size + 1, 3 * size - 2);
    let short = (3 * size + 9, 7);
    let filled = |page| Shared.filled(page);
    let there = |number| places(number, 20).into_iter().map(Keep).collect();
    let exchange = vec![Put(7, filled(5)), Put(5 * size + 7, filled(0))];
    let around = put(&[2 * size + 4, 5 * size + 5]);
    let private_and_there = [put(&[12 * size]), vec![Keep(16 * size)]].concat();
    let shared = [(Shared, 20)].as_slice();
    let zeros = [(SharedUntouched, 20)].as_slice();
    let file = [(SharedFile, 20)].as_slice();
    let private = [(Written, 20)].as_slice();
    let mixed = [(Written, 6), (Shared, 5), (Written, 4), (Shared, 5)].as_slice();
    for (pages, (start, length), acts, what) in [
        (shared, all, put(&[0]), "changed the first byte"),
        (shared, all, put(&[20 * size - 1]), "changed the last byte"),
        (shared, all, put(&places(1, 20)), "changed one byte"),
        (shared, all, exchange, "exchanged two bytes"),
        (shared, all, there(9), "wrote bytes that were there before"),
        (
            shared,
            all,
            vec![Put(7, 255), Put(7, filled(0))],
            "changed a byte and changed it back",
        ),
        (shared, all, vec![Look(9)], "only read"),
        (shared, odd, put(&[odd.0]), "changed the first byte"),
        (
            shared,
            odd,
            put(&[odd.0 + odd.1 - 1]),
            "changed the last byte",
        ),
        (shared, short, put(&[short.0]), "changed the first byte"),
        (shared, short, put(&[short.0 + 6]), "changed the last byte"),
        (
            shared,
            (4 * size - 1, 1),
            put(&[4 * size - 1]),
            "changed the only byte",
        ),
        (file, all, vec![], "did nothing"),
        (file, all, there(9), "wrote bytes that were there before"),
        (file, all, put(&places(1, 20)), "changed one byte"),
        (
            shared,
            (2 * size + 5, 3 * size),
            around,
            "changed the bytes directly before and after `memory`",
        ),
        (
            shared,
            (2 * size, 0),
            put(&[2 * size]),
            "changed a byte at the address of `memory`, which was empty",
        ),
        (
            zeros,
            all,
            vec![Put(9 * size, 0)],
            "wrote a zero where a zero was",
        ),
        (
            zeros,
            all,
            vec![Put(9 * size, 1)],
            "wrote a one where a zero was",
        ),
        (private, all, put(&places(20, 20)), "changed 20 bytes"),
        (
            mixed,
            all,
            put(&places(6, 6)),
            "changed bytes of a private part",
        ),
        (
            mixed,
            all,
            put(&[20 * size - 9]),
            "changed a byte of a shared part",
        ),
        (
            mixed,
            all,
            private_and_there,
            "changed a private part and wrote to a shared part what was there",
        ),
    ] {
        let kinds: Vec<_> = pages
            .iter()
            .map(|(kind, pages)| format!("{pages} pages {kind:?}"))
            .collect();
        let what = format!(
            "`memory` was in a mapping of {}, and the closure {what}",
            kinds.join(", ")
        );
        ask(
            &mut subject,
            &Case::of(pages, acts).part(start, length),
            &what,
        );
    }
}

// --------------------------------------------------------------------- its end

/// Ways in which a closure does not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Message,
    ANumber,
    AValueWhoseDropPanics,
    Exit(i32),
    ExitAtOnce(i32),
    Abort,
    Signal(i32),
}

/// Panics when it is dropped.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor panics");
    }
}

fn go(way: Way) {
    match way {
        Way::Message => panic!("the closure panics"),
        Way::ANumber => panic_any(7_i32),
        Way::AValueWhoseDropPanics => panic_any(PanicsWhenDropped),
        Way::Exit(code) => exit(code),
        // SAFETY: ends the process and touches no memory.
        Way::ExitAtOnce(code) => unsafe { libc::_exit(code) },
        Way::Abort => abort(),
        Way::Signal(number) => {
            // SAFETY: the handlers of std and of the judge go, in this process.
            unsafe { libc::signal(number, libc::SIG_DFL) };
            // SAFETY: as for `_exit`.
            unsafe { libc::raise(number) };
        }
    }
}

/// All signals that kill a process which does nothing against it.
fn deadly_signals() -> Vec<i32> {
    let harmless = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    (1..=31)
        .filter(|number| !harmless.contains(number))
        .collect()
}

#[track_caller]
fn expect_no_cost(found: &Found, what: &str) {
    is_in_order(found);
    match &found.reported {
        Error(None, _) => {}
        Error(Some(_), words) => panic!(
            "{what}: the kernel has refused nothing, and the error of cost_of_write has a number: {words}"
        ),
        other => {
            panic!("{what}: there is no cost to report, and cost_of_write reported {other:?}")
        }
    }
}

#[proctor::test(clauses = [1, 2, 3, 7, 10, 11, 12], subject = |(case, way): (Case, Way)| -> Found { run_then(&case, || go(way)) })]
fn a_closure_that_does_not_return_is_an_error(mut subject: Subject) {
    use Kind::{Read, Shared, Untouched, Written};
    use Way::{ANumber, AValueWhoseDropPanics, Abort, Exit, ExitAtOnce, Message, Signal};
    let private = [(Written, 2), (Untouched, 2), (Read, 1)];
    let private = Case::of(&private, put(&places(2, 4)));
    let shared = Case::of(&[(Written, 2), (Shared, 2)], put(&places(4, 4)));
    let empty = private.clone().part(page_size(), 0);
    for (way, what) in [
        (Message, "the closure panicked with a message"),
        (ANumber, "the closure panicked with a number"),
        (
            AValueWhoseDropPanics,
            "the closure panicked with a value whose destructor panics",
        ),
        (Exit(0), "the closure ended the process with exit(0)"),
        (Exit(7), "the closure ended the process with exit(7)"),
        (ExitAtOnce(0), "the closure ended the process with _exit(0)"),
        (Abort, "the closure called abort"),
        (
            Signal(libc::SIGKILL),
            "SIGKILL killed the child in the closure",
        ),
    ] {
        for (case, memory) in [
            (&private, "private"),
            (&shared, "partly shared"),
            (&empty, "empty"),
        ] {
            let answer = subject.ask(&(case.clone(), way));
            each_call_had_its_child(&answer, 1, 0);
            expect_no_cost(&answer.value, &format!("`memory` was {memory}, and {what}"));
        }
    }
}

#[proctor::test(clauses = [1, 10, 11, 12], subject = |(case, ways): (Case, Vec<Way>)| -> Vec<Found> {
    let memory = Memory::new(&case.pages);
    let each = |way| {
        // SAFETY: in the mapping, and the only reference to it.
        let slice = unsafe { std::slice::from_raw_parts_mut(memory.at(0), case.length as usize) };
        let reported = call(slice, |_| {
            proctor::witness(0);
            go(way);
        });
        Found { reported, wrong: vec![], not_here: None }
    };
    ways.into_iter().map(each).collect()
})]
fn no_exit_code_and_no_signal_is_a_report(mut subject: Subject) {
    let codes = (0..=255).map(Way::ExitAtOnce);
    let signals = deadly_signals().into_iter().map(Way::Signal);
    let ways: Vec<_> = codes.chain(signals).collect();
    let case = Case::of(&[(Kind::Written, 1)], vec![]);
    let answer = subject.ask(&(case, ways.clone()));
    for (found, way) in answer.value.iter().zip(&ways) {
        let what = match way {
            Way::Signal(number) => format!("signal {number} killed the child in the closure"),
            way => format!("the closure ended the process by {way:?}"),
        };
        expect_no_cost(found, &what);
    }
    each_call_had_its_child(&answer, ways.len(), 0);
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn interrupt(_: i32) {
    HANDLED.fetch_add(1, Relaxed);
}

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11], faults = [Wait], subject = |(case, signals): (Case, u32)| -> (Found, u32) {
    let caller = getpid();
    let mut onlooker = Onlooker::of_this_thread();
    // No SA_RESTART, with which the kernel would repeat an interrupted call.
    let action = SigAction::new(SigHandler::Handler(interrupt), SaFlags::empty(), SigSet::empty());
    HANDLED.store(0, Relaxed);
    // SAFETY: the handler only counts.
    let _ = unsafe { sigaction(Signal::SIGUSR1, &action) };
    let found = run_then(&case, || {
        for _ in 0..signals {
            onlooker.until_it_waits();
            let _ = kill(caller, Signal::SIGUSR1);
        }
        if signals > 0 {
            onlooker.until_it_waits();
        }
    });
    (found, HANDLED.load(Relaxed))
})]
fn signals_do_not_end_the_call(mut subject: Subject) {
    let pages = [(Kind::Written, 9)];
    let case = Case::of(&pages, put(&places(3, 9)));
    let answer = subject.ask(&(case.clone(), 150));
    let (found, handled) = &answer.value;
    let what = "signals interrupted the caller while the closure ran";
    expect_cost(found, &case, what);
    each_call_had_its_child(&answer, 1, 0);
    assert!(
        *handled > 0,
        "{what}, and the caller's handler had not run when the call returned"
    );
    let interruption = Failure::of(Fault::Wait, Errno::EINTR).whose(Whose::TheSubjects);
    subject.fail(interruption.times(300));
    let answer = subject.ask(&(case.clone(), 0));
    let what = "signals interrupted the wait for the child 300 times";
    expect_cost(&answer.value.0, &case, what);
    each_call_had_its_child(&answer, 1, 0);
}

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11], subject = |case: Case| -> Found {
    let mut caller = Onlooker::of_this_thread();
    let (mut hears, mut says) = pipe().expect("a pipe");
    let (mut gate, mut key) = pipe().expect("a pipe");
    let other = other_child(|| {
        // SAFETY: nothing in this process uses it.
        unsafe { libc::close(says.as_raw_fd()) };
        let mut pid = [0; 4];
        hears.read_exact(&mut pid).expect("the process of the closure");
        let pid = Pid::from_raw(i32::from_ne_bytes(pid));
        let mut child = Onlooker::of_process(pid.as_raw());
        for _ in 0..3 {
            child.until_it_waits();
            kill(pid, Signal::SIGSTOP).expect("its stop");
            child.until_it_stops();
            // It has seen the stop, or has not looked.
            caller.until_it_waits();
            kill(pid, Signal::SIGCONT).expect("its continuation");
        }
        key.write_all(b"!").expect("the key");
        3
    });
    let found = run_then(&case, || {
        says.write_all(&getpid().as_raw().to_ne_bytes()).expect("a message");
        gate.read_exact(&mut [0]).expect("the key");
    });
    drop(says);
    let _ = waitpid(other, None);
    found
})]
fn a_child_that_is_stopped_has_not_ended(mut subject: Subject) {
    let case = Case::of(&[(Kind::Written, 9)], put(&places(3, 9)));
    let answer = subject.ask(&case);
    let what = "another process stopped the child in the closure and let it go on, three times";
    expect_cost(&answer.value, &case, what);
    each_call_had_its_child(&answer, 1, 1);
}

/// A child that has ended, and that nobody has waited for.
fn zombie() -> Pid {
    let child = other_child(|| 3);
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(child), flags).expect("its end");
    child
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10, 11, 12, 13], faults = [Process], subject = |(case, panics): (Case, bool)| -> (Found, bool, bool) {
    let ended = zombie();
    let stopped = other_child(|| {
        let _ = raise(Signal::SIGSTOP);
        3
    });
    waitid(Id::Pid(stopped), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT).expect("its stop");
    let found = run_then(&case, || assert!(!panics, "the closure panics"));
    let has_ended = waitpid(ended, None) == Ok(WaitStatus::Exited(ended, 3));
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
    let has_stopped = matches!(waitid(Id::Pid(stopped), flags), Ok(WaitStatus::Stopped(..)));
    let _ = kill(stopped, Signal::SIGKILL);
    let _ = waitpid(stopped, None);
    (found, has_ended, has_stopped)
})]
fn other_children_of_the_caller_are_left_alone(mut subject: Subject) {
    let case = Case::of(&[(Kind::Written, 9)], put(&places(3, 9)));
    for end in [End::Cost, End::Panic, End::NoFork] {
        if end == End::NoFork {
            // The test itself starts two.
            subject.fail(Failure::of(Fault::Process, Errno::EAGAIN).after(2));
        }
        let answer = subject.ask(&(case.clone(), end == End::Panic));
        let (found, has_ended, has_stopped) = &answer.value;
        let how = end.how();
        assert!(
            *has_ended,
            "another child of the caller had ended before the call; {how}, and after the call the caller cannot wait for it"
        );
        assert!(
            *has_stopped,
            "another child of the caller had stopped before the call; {how}, and after the call the caller does not learn of this stop"
        );
        each_call_had_its_child(&answer, usize::from(end != End::NoFork), 2);
        end.expect(found, &case, "the caller had two other children");
    }
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cost,
    Panic,
    /// With EAGAIN.
    NoFork,
}

impl End {
    fn how(self) -> &'static str {
        match self {
            End::Cost => "the closure returned",
            End::Panic => "the closure panicked",
            End::NoFork => "fork failed",
        }
    }

    #[track_caller]
    fn expect(self, found: &Found, case: &Case, what: &str) {
        let what = format!("{what}, and {}", self.how());
        match self {
            End::Cost => expect_cost(found, case, &what),
            End::Panic => expect_no_cost(found, &what),
            End::NoFork => {
                is_in_order(found);
                expect_errno(&found.reported, Errno::EAGAIN, &what);
            }
        }
    }
}

static HOOKED: AtomicU32 = AtomicU32::new(0);

/// Gives the caller what few programs have: handlers with unusual flags, blocked
/// signals, a signal that is pending, a timer, a panic hook.
fn be_unusual() {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGUSR2);
    blocked.add(Signal::SIGWINCH);
    for (signal, flags) in [
        (Signal::SIGCHLD, SaFlags::SA_NODEFER | SaFlags::SA_NOCLDSTOP),
        (Signal::SIGUSR1, SaFlags::SA_RESTART | SaFlags::SA_ONSTACK),
        (Signal::SIGUSR2, SaFlags::SA_RESETHAND),
        (Signal::SIGINT, SaFlags::SA_NODEFER),
        (Signal::SIGTERM, SaFlags::empty()),
        (Signal::SIGPIPE, SaFlags::empty()),
        (Signal::SIGALRM, SaFlags::SA_RESTART),
    ] {
        let action = SigAction::new(SigHandler::Handler(do_nothing), flags, blocked);
        // SAFETY: the handler does nothing.
        unsafe { sigaction(signal, &action) }.expect("a handler");
    }
    blocked.thread_block().expect("blocked signals");
    raise(Signal::SIGUSR2).expect("a pending signal");
    set_hook(Box::new(|_| _ = HOOKED.fetch_add(1, Relaxed)));
    let hour = libc::timeval {
        tv_sec: 3600,
        tv_usec: 0,
    };
    let once = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: hour,
    };
    // SAFETY: the structure is complete.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const once, std::ptr::null_mut()) };
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10, 11, 12, 13], faults = [Process], subject = |(case, panics): (Case, bool)| -> (Found, u32) {
    let hook = take_hook();
    be_unusual();
    let before = Surroundings::now();
    let found = run_then(&case, || {
        let is_different = |change: &String| ["mask", "set of ignored", "signals with a handler", "handler of"]
            .iter()
            .any(|what| change.contains(what));
        if before.changes().iter().any(is_different) {
            proctor::witness(OTHER_SIGNALS);
        }
        assert!(!panics, "the closure panics");
    });
    HOOKED.store(0, Relaxed);
    let _ = catch_unwind(AssertUnwindSafe(|| panic!("the caller panics")));
    set_hook(hook);
    (found, HOOKED.load(Relaxed))
})]
fn the_caller_keeps_its_handlers_its_timer_and_its_panic_hook(mut subject: Subject) {
    let case = Case::of(&[(Kind::Written, 9)], put(&places(3, 9)));
    for end in [End::Cost, End::Panic, End::NoFork] {
        if end == End::NoFork {
            subject.fail(Failure::of(Fault::Process, Errno::EAGAIN));
        }
        let answer = subject.ask(&(case.clone(), end == End::Panic));
        let (found, hooked) = &answer.value;
        let what = "the caller had handlers for some signals, blocked other signals, and had a timer and a panic hook";
        end.expect(found, &case, what);
        each_call_had_its_child(&answer, usize::from(end != End::NoFork), 0);
        assert!(
            !answer
                .evidence
                .witnesses
                .iter()
                .any(|seen| seen.mark == OTHER_SIGNALS),
            "{what}, and the closure ran with another signal mask or with other handlers"
        );
        assert!(
            *hooked == 1,
            "{what}; {}, and when the caller panicked after the call, its panic hook ran {hooked} times",
            end.how()
        );
        subject.fresh();
    }
}

/// The size of this process's address space in pages.
fn address_space() -> u64 {
    let sizes = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let first = sizes.split_whitespace().next();
    first
        .and_then(|pages| pages.parse().ok())
        .unwrap_or_default()
}

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11], descriptors = 40, processes = 20, subject = |(case, calls): (Case, u32)| -> (Vec<Found>, u64) {
    let memory = Memory::new(&case.pages);
    let before = address_space();
    // SAFETY: in the mapping, and the only reference to it.
    let slice = unsafe { std::slice::from_raw_parts_mut(memory.at(0), case.length as usize) };
    let cost = Cell::new(None);
    let mut all = vec![];
    for _ in 0..calls {
        let reported = call(slice, |given: &mut [u8]| {
            proctor::witness(0);
            act(&case.acts, |at| given.as_mut_ptr().wrapping_add(at as usize));
        });
        if cost.replace(Some(reported.clone())) != Some(reported.clone()) {
            all.push(Found { reported, wrong: vec![], not_here: memory.not_here() });
        }
    }
    (all, address_space().saturating_sub(before))
})]
fn three_hundred_calls_are_like_one(mut subject: Subject) {
    let case = Case::of(&[(Kind::Written, 16)], put(&places(5, 16)));
    // What is needed once: buffers, tables.
    subject.ask(&(case.clone(), 2));
    let calls = 300;
    let answer = subject.ask(&(case.clone(), calls));
    let (all, grown) = &answer.value;
    for found in all {
        expect_cost(
            found,
            &case,
            "in each of 300 calls, the closure wrote to 5 pages",
        );
    }
    each_call_had_its_child(&answer, calls as usize, 0);
    let left = answer.evidence.heap.left;
    assert!(
        left < 100 * u64::from(calls),
        "after {calls} calls, the caller holds {left} bytes of heap memory more than before: each call has left some"
    );
    assert!(
        *grown < u64::from(calls),
        "after {calls} calls, the address space of the caller has {grown} pages more than before: each call has left a mapping"
    );
}

// ---------------------------------------------------------------------- errors

#[proctor::test(clauses = [1, 2, 4, 5, 10, 11, 13], faults = [Process, Pipe], subject = |case: Case| -> Found { run(&case) })]
fn a_step_that_fails_is_an_error(mut subject: Subject) {
    let case = Case::of(&[(Kind::Written, 9)], put(&places(3, 9)));
    for errno in [Errno::EAGAIN, Errno::ENOMEM] {
        subject.fail(Failure::of(Fault::Process, errno));
        let answer = subject.ask(&case);
        is_in_order(&answer.value);
        let began = answer.evidence.witnesses.len();
        assert!(
            began == 0 && answer.evidence.faults > 0,
            "fork failed with {errno}, and the closure ran all the same, in a process that the call did not make with fork or made with a second fork"
        );
        expect_errno(&answer.value.reported, errno, "fork failed");
        nothing_else_was_started(&answer, 0, 0);
        nothing_is_left(&answer);
    }
    // A call may use no pipe, or several.
    for (before, errno) in [(0, Errno::EMFILE), (0, Errno::ENFILE), (1, Errno::EMFILE)] {
        subject.fail(Failure::of(Fault::Pipe, errno).after(before));
        let answer = subject.ask(&case);
        if answer.evidence.faults > 0 {
            is_in_order(&answer.value);
            expect_errno(
                &answer.value.reported,
                errno,
                "a pipe could not be made and failed",
            );
            nothing_is_left(&answer);
        } else {
            each_call_had_its_child(&answer, 1, 0);
            expect_cost(&answer.value, &case, "the closure wrote to 3 pages");
        }
    }
}

/// Opens files until the limit is reached.
fn all_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Forbids this process to open any file for reading, and returns whether the
/// kernel can do that (man 7 landlock).
fn read_no_more_files() -> bool {
    let read_file: u64 = 1 << 2;
    // SAFETY: the first call reads 8 bytes, and the others take integers.
    unsafe {
        let handled = &raw const read_file;
        let rules = libc::syscall(libc::SYS_landlock_create_ruleset, handled, 8, 0);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        rules >= 0 && libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) == 0
    }
}

/// Why a file cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Lack {
    /// The caller has so many free descriptors.
    Free(usize),
    /// The child has no free descriptor.
    OfTheChild,
    /// The child has no right to read files, if the kernel can do that.
    Rights,
}

#[proctor::test(clauses = [1, 2, 3, 4, 5, 10, 11, 13], descriptors = 64, subject = |(case, lack): (Case, Lack)| -> Found {
    prepare_the_end("text");
    if let Lack::Free(free) = lack {
        let mut taken = all_descriptors();
        taken.truncate(taken.len() - free);
        // The surroundings are looked at with a descriptor, so not here.
        let memory = Memory::new(&case.pages);
        // SAFETY: in the mapping, and the only reference to it.
        let slice = unsafe { std::slice::from_raw_parts_mut(memory.at(0), case.length as usize) };
        let reported = call(slice, |given: &mut [u8]| {
            act(&case.acts, |at| given.as_mut_ptr().wrapping_add(at as usize));
        });
        drop(taken);
        return Found { reported, wrong: memory.wrong(None), not_here: memory.not_here() };
    }
    run_then(&case, || {
        if lack == Lack::Rights {
            read_no_more_files();
        } else {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
            let _ = setrlimit(Resource::RLIMIT_NOFILE, 0, hard);
        }
    })
})]
fn a_file_that_cannot_be_opened_is_an_error(mut subject: Subject) {
    use Lack::{Free, OfTheChild, Rights};
    let case = Case::of(&[(Kind::Written, 9)], put(&places(3, 9)));
    for lack in [Free(0), Free(1), Free(2), Free(3), OfTheChild, Rights] {
        let answer = subject.ask(&(case.clone(), lack));
        is_in_order(&answer.value);
        let (what, errno) = match lack {
            Free(free) => (
                format!(
                    "the caller could open {free} more descriptors, and then opening one failed"
                ),
                Errno::EMFILE,
            ),
            OfTheChild => (
                "the child could open no descriptor, and opening one failed".to_owned(),
                Errno::EMFILE,
            ),
            Rights => (
                "the child had no right to read files, and opening one failed".to_owned(),
                Errno::EACCES,
            ),
        };
        // With the descriptors that there are, a call may do what it has to do.
        if matches!(answer.value.reported, Cost(..)) {
            expect_cost(&answer.value, &case, &what);
        } else {
            expect_errno(&answer.value.reported, errno, &what);
        }
        nothing_is_left(&answer);
        is_printed_once(&answer, "text");
        subject.fresh();
    }
}

// ------------------------------------------------------------- memory_of

/// A family of four processes: a caller (0) and its children (1 to 3). Sizes are
/// in MiB.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Family {
    /// Private memory that the caller has written before it made the children.
    private: u64,
    /// The part of it to which child 1 has written as well.
    copied: u64,
    /// Shared memory that the caller and child 2 have written.
    shared: u64,
    /// A private mapping of a file that the caller and child 3 have read.
    file: u64,
}

impl Family {
    /// What the PSS of these members is at least, in bytes.
    fn of(&self, members: &BTreeSet<usize>) -> u64 {
        let kib = |mib: u64| mib * 1024;
        let of_member = |member: &usize| {
            let copied = match member {
                1 => kib(self.copied),
                _ => kib(self.copied) / 3,
            };
            let shared = match member {
                0 | 2 => kib(self.shared) / 2,
                _ => 0,
            };
            let file = match member {
                0 | 3 => kib(self.file) / 2,
                _ => 0,
            };
            kib(self.private - self.copied) / 4 + copied + shared + file
        };
        members.iter().map(of_member).sum::<u64>() * 1024
    }

    /// Makes the family, calls `ask` with its process ids, and ends it.
    fn live<R>(self, ask: impl FnOnce(&[Pid; 4]) -> R) -> R {
        let pages = |mib: u64| (mib << 20) / page_size();
        let private = Memory::new(&[(Kind::Written, pages(self.private))]);
        let shared = Memory::new(&[(Kind::Shared, pages(self.shared))]);
        let path = std::env::temp_dir().join("zeros");
        let length = NonZeroUsize::new((self.file << 20) as usize).expect("a size");
        let file = File::create_new(&path).and_then(|file| {
            file.set_len(self.file << 20)?;
            File::open(&path)
        });
        let _ = fs::remove_file(&path);
        // SAFETY: a new mapping.
        let zeros = unsafe {
            let (access, kind) = (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE);
            mmap(None, length, access, kind, file.expect("a file"), 0).expect("the file's pages")
        };
        let read_file = || {
            for place in (0..length.get()).step_by(page_size() as usize) {
                // SAFETY: in the mapping.
                unsafe { zeros.cast::<u8>().add(place).read_volatile() };
            }
        };
        let write = |memory: &Memory, pages: u64| {
            for page in 0..pages {
                // SAFETY: in the mapping.
                unsafe { memory.at(page * page_size()).write_volatile(1) };
            }
        };
        read_file();
        let (mut ready, mut says) = pipe().expect("a pipe");
        let (mut gate, key) = pipe().expect("a pipe");
        let mut child = |member: u32| {
            other_child(|| {
                // SAFETY: nothing in this process uses it.
                unsafe { libc::close(key.as_raw_fd()) };
                match member {
                    1 => write(&private, pages(self.copied)),
                    2 => write(&shared, pages(self.shared)),
                    _ => read_file(),
                }
                let _ = says.write_all(b"!");
                let _ = gate.read(&mut [0]);
                3
            })
        };
        let members = [getpid(), child(1), child(2), child(3)];
        ready.read_exact(&mut [0; 3]).expect("three children");
        let answer = ask(&members);
        drop(key);
        for child in &members[1..] {
            let _ = waitpid(*child, None);
        }
        // SAFETY: nobody uses it any more.
        unsafe { munmap(zeros, length.get()) }.expect("the mapping's end");
        answer
    }
}

fn size_of(processes: &[Pid]) -> Reported {
    match copy_on_write::memory_of(processes) {
        Ok(bytes) => Size(bytes),
        Err(failed) => error(&failed),
    }
}

/// The sum of PSS in bytes, as the test reads it.
fn pss(processes: &[Pid]) -> std::io::Result<u64> {
    let mut sum = 0;
    for process in processes {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        sum += kib.unwrap_or_default() * 1024;
    }
    Ok(sum)
}

/// What memory_of says, and what the test itself reads, at a time at which
/// nothing changes. (Other programs of the machine share libraries with these
/// processes, so their PSS may change at any time.)
fn compared(list: &[Pid], processes: &[Pid]) -> (Reported, Option<u64>) {
    let mut last = (Size(0), None);
    let mut disagreements = 0;
    for _ in 0..20 {
        let before = pss(processes).unwrap_or_default();
        let reported = size_of(list);
        let after = pss(processes).unwrap_or_default();
        let Size(bytes) = reported else {
            return (reported, None);
        };
        if before == after {
            last = (Size(bytes), Some(before));
            disagreements += 1;
            if before.abs_diff(bytes) <= rounding(processes.len()) || disagreements == 5 {
                break;
            }
        } else if last.1.is_none() {
            last.0 = Size(bytes);
        }
    }
    last
}

/// Less than 1 KiB for each mapping of each process.
fn rounding(processes: usize) -> u64 {
    processes as u64 * (128 << 10)
}

type Compared = (Reported, Option<u64>);

/// Asks for each of these lists of members.
fn ask_family((family, lists): (Family, Vec<Vec<usize>>)) -> Result<Vec<Compared>, String> {
    pss(&[getpid()]).map_err(|error| error.to_string())?;
    Ok(family.live(|pids| {
        let compare = |list: &Vec<usize>| {
            let distinct: BTreeSet<usize> = list.iter().copied().collect();
            let of = |members: &mut dyn Iterator<Item = usize>| {
                members.map(|member| pids[member]).collect::<Vec<Pid>>()
            };
            compared(
                &of(&mut list.iter().copied()),
                &of(&mut distinct.into_iter()),
            )
        };
        lists.iter().map(compare).collect()
    }))
}

#[track_caller]
fn expect_sizes(
    answer: &Answer<Result<Vec<Compared>, String>>,
    family: Family,
    lists: &[Vec<usize>],
) {
    let sizes = match &answer.value {
        Ok(sizes) => sizes,
        Err(why) => proctor::fail(
            Outcome::NotJudged,
            format!("/proc/PID/smaps_rollup cannot be read here: {why}"),
        ),
    };
    for (list, (reported, read)) in lists.iter().zip(sizes) {
        let what = format!(
            "the list was {list:?}, where 0 stands for the calling process and 1 to 3 for its children"
        );
        let Size(bytes) = reported else {
            panic!("{what}: each of these processes exists, and memory_of returned {reported:?}");
        };
        let members: BTreeSet<usize> = list.iter().copied().collect();
        let known = family.of(&members);
        let number = members.len() as u64;
        // Program, libraries, heap and stack come in addition.
        let most = known + number * (12 << 20);
        assert!(
            known.saturating_sub(rounding(members.len())) <= *bytes && *bytes <= most,
            "{what}: the PSS of these processes is between {known} and {most} bytes in all, and memory_of returned {bytes}"
        );
        let read = read.unwrap_or(*bytes);
        assert!(
            read.abs_diff(*bytes) <= rounding(members.len()),
            "{what}: the kernel says that the PSS of these processes is {read} bytes in all, and memory_of returned {bytes}"
        );
    }
    nothing_is_left(answer);
}

#[proctor::test(clauses = [14, 15], subject = |question: (Family, Vec<Vec<usize>>)| -> Result<Vec<(Reported, Option<u64>)>, String> { ask_family(question) })]
fn shared_pages_count_once_in_a_family(mut subject: Subject) {
    let mut rng = proctor::rng();
    let family = Family {
        private: rng.u64(44..52),
        copied: rng.u64(10..14),
        shared: rng.u64(22..26),
        file: rng.u64(14..18),
    };
    let lists = vec![
        vec![0],
        vec![1],
        vec![2],
        vec![3],
        vec![0, 1],
        vec![3, 2],
        vec![2, 0, 3, 1],
    ];
    let answer = subject.ask(&(family, lists.clone()));
    expect_sizes(&answer, family, &lists);
}

#[proctor::test(clauses = [14, 15], subject = |question: (Family, Vec<Vec<usize>>)| -> Result<Vec<(Reported, Option<u64>)>, String> { ask_family(question) })]
fn each_process_counts_once(mut subject: Subject) {
    let family = Family {
        private: 40,
        copied: 24,
        shared: 4,
        file: 4,
    };
    let lists = vec![
        vec![1, 1],
        vec![1, 0, 1],
        vec![0, 1, 0, 1, 2, 0],
        vec![1; 30],
        vec![],
    ];
    let answer = subject.ask(&(family, lists.clone()));
    expect_sizes(&answer, family, &lists);
}

/// A process for which the kernel tells no size, before or after the caller.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Gone {
    Zombie,
    Reaped,
    Never,
    /// Numbers that look like that of the caller, and 0.
    Similar,
}

/// Numbers of no process: 0, and numbers in which one bit is not as in `pid`.
fn similar(pid: Pid) -> Vec<Pid> {
    // The kernel gives no process a number of more than 22 bits.
    let mut all: Vec<i32> = (22..32).map(|bit| pid.as_raw() ^ 1 << bit).collect();
    all.extend([0, -pid.as_raw()]);
    all.into_iter().map(Pid::from_raw).collect()
}

#[proctor::test(clauses = [15, 16], subject = |gone: Gone| -> Vec<Reported> {
    let me = getpid();
    let pid = match gone {
        Gone::Zombie | Gone::Reaped => zombie(),
        Gone::Never => Pid::from_raw(i32::MAX),
        Gone::Similar => {
            let asked = |other| [size_of(&[me, other]), size_of(&[other, me])];
            return similar(me).into_iter().flat_map(asked).collect();
        }
    };
    if matches!(gone, Gone::Reaped) {
        let _ = waitpid(pid, None);
    }
    // A child with a higher process id than that one.
    let (mut gate, key) = pipe().expect("a pipe");
    let younger = other_child(|| {
        // SAFETY: nothing in this process uses it.
        unsafe { libc::close(key.as_raw_fd()) };
        let _ = gate.read(&mut [0]);
        3
    });
    let lists = [vec![pid], vec![me, pid], vec![pid, me], vec![me, pid, younger], vec![younger, pid, me]];
    let found = lists.iter().map(|list| size_of(list)).collect();
    drop(key);
    let _ = waitpid(younger, None);
    if matches!(gone, Gone::Zombie) {
        let _ = waitpid(pid, None);
    }
    found
})]
fn a_process_that_has_ended_is_an_error(mut subject: Subject) {
    for (gone, what) in [
        (
            Gone::Reaped,
            "a process in the list has ended and was reaped",
        ),
        (
            Gone::Zombie,
            "a process in the list has ended and is a zombie",
        ),
        (Gone::Never, "a process in the list does not exist"),
        (
            Gone::Similar,
            "the list held the calling process and a number that no process has: 0, or a number that differs from that of the calling process in one bit or in its sign",
        ),
    ] {
        let answer = subject.ask(&gone);
        for reported in &answer.value {
            match reported {
                Error(Some(libc::ENOENT | libc::ESRCH), _) => {}
                Error(_, words) => panic!(
                    "{what}: the number of the error must be ENOENT or ESRCH, and memory_of returned another error: {words}"
                ),
                other => panic!("{what}, and memory_of returned no error: {other:?}"),
            }
        }
        nothing_is_left(&answer);
    }
}

/// A thread of the kernel, which has no size.
fn of_the_kernel() -> Option<Pid> {
    let name = fs::read_to_string("/proc/2/comm").ok()?;
    (name.trim() == "kthreadd").then_some(Pid::from_raw(2))
}

#[proctor::test(clauses = [16], descriptors = 64, subject = |(): ()| -> (Reported, Reported, Option<i32>, Option<Reported>) {
    let taken = all_descriptors();
    let no_descriptor = size_of(&[getpid()]);
    drop(taken);
    // Not for an ordinary user, and not for a process that landlock confines.
    let first = Pid::from_raw(1);
    let forbidden = fs::read_to_string(format!("/proc/{first}/smaps_rollup"));
    let found = size_of(&[getpid(), first]);
    let of_the_kernel = of_the_kernel().map(|pid| size_of(&[getpid(), pid]));
    (no_descriptor, found, forbidden.err().and_then(|error| error.raw_os_error()), of_the_kernel)
})]
fn an_error_of_the_kernel_is_returned(mut subject: Subject) {
    let answer = subject.ask(&());
    let (no_descriptor, found, forbidden, of_the_kernel) = &answer.value;
    let what = "the calling process could open no more descriptors, and opening one failed";
    expect_errno(no_descriptor, Errno::EMFILE, what);
    // In a container, root may read it.
    if let Some(errno) = forbidden {
        proctor::covered("a process whose size the kernel does not tell");
        let what = "the kernel forbids to read the size of process 1, and reading it failed";
        expect_errno(found, Errno::from_raw(*errno), what);
    } else {
        assert!(
            matches!(found, Size(_)),
            "the kernel tells the sizes of both processes in the list, and memory_of returned {found:?}"
        );
    }
    // In a container, they are not to be seen.
    if let Some(found) = of_the_kernel {
        proctor::covered("a process of the kernel itself");
        assert!(
            matches!(
                found,
                Error(
                    Some(libc::ESRCH | libc::ENOENT | libc::EACCES | libc::EPERM),
                    _
                )
            ),
            "a process in the list is a thread of the kernel, which has no memory of its own: reading its size fails, and memory_of returned {found:?}"
        );
    }
    nothing_is_left(&answer);
}
