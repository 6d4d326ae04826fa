//! At which line of the learner's code a thread is.
//!
//! A thread mostly runs or waits in std or in the C library, below the
//! learner's code. So the judge looks at the thread's stack from outside: every
//! word that points into the program's code may be a return address, and
//! `addr2line` (binutils, which whoever links has) knows the line of each. The
//! innermost line in the learner's package is the answer. A word may be left
//! over from an earlier call; it then still names a line that the thread passed.
//!
//! This only helps to explain: without `addr2line`, or where a process may not
//! be looked at, there is no line.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use processes::proc::{self, Syscall};
use processes::{Limits, Pid, Spec};
use records::Place;

use super::waits::{Picture, Wait};

/// The environment variable with the path of the learner's package, if it is
/// not the package of the judging program.
pub const PACKAGE: &str = "PROCTOR_PACKAGE";

/// So much of each stack is searched, in bytes.
const DEEPEST: usize = 64 << 10;
/// So many possible return addresses are looked up for each thread.
const MOST: usize = 300;
/// How long all of it may take. `addr2line` takes a twentieth of a second for a
/// large program.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lines at which threads are, by the thread's ID.
pub(super) type Lines = HashMap<Pid, Place>;

/// Where the first threads of the picture are, except for those that have ended
/// or are stopped. Only `most` threads are looked at: each process costs a run
/// of `addr2line`, and a fork bomb has thousands.
pub(super) fn of(picture: &Picture, most: usize) -> Lines {
    let Some(learners) = Learners::find() else {
        return Lines::new();
    };
    let until = Instant::now() + PATIENCE;
    let mut lines = Lines::new();
    let mut left = most;
    for process in picture.alive() {
        let threads = &process.threads[..process.threads.len().min(left)];
        if threads.is_empty() {
            break;
        }
        left -= threads.len();
        let Some(program) = Program::of(process.pid) else {
            continue;
        };
        let stacks: Vec<(Pid, Vec<u64>)> = threads
            .iter()
            .filter_map(|thread| {
                let (counters, stack) = position(process.pid, thread.tid, &thread.wait)?;
                Some((thread.tid, program.addresses(&counters, stack)))
            })
            .collect();
        let all: Vec<u64> = stacks.iter().flat_map(|(_, all)| all.clone()).collect();
        let mut places = program.places(&all, until).into_iter();
        for (tid, addresses) in stacks {
            let mut its = places.by_ref().take(addresses.len()).flatten();
            let found = its.find_map(|place| learners.own(place));
            // The next thread's places begin behind all of these.
            its.for_each(drop);
            lines.extend(found.map(|place| (tid, place)));
        }
    }
    lines
}

/// The program counter and the stack pointer of a thread. If the thread runs,
/// several program counters: the compiler gives some instructions no line.
fn position(pid: Pid, tid: Pid, wait: &Wait) -> Option<(Vec<u64>, u64)> {
    match (wait, proc::syscall(pid, tid).ok()?) {
        (Wait::Ended | Wait::Stopped, _) => None,
        (_, Syscall::Inside { sp, pc, .. } | Syscall::Outside { sp, pc }) => Some((vec![pc], sp)),
        (_, Syscall::Running) => running(tid),
    }
}

#[cfg(target_arch = "x86_64")]
fn running(tid: Pid) -> Option<(Vec<u64>, u64)> {
    /// How often the thread is stopped for a moment.
    const LOOKS: usize = 8;
    let look = |_| {
        // Stopped again at once, it would be where it was.
        std::thread::sleep(Duration::from_micros(200));
        super::spin::registers_of(tid)
    };
    let looks: Vec<_> = (0..LOOKS).map_while(look).collect();
    let stack = looks.last()?.rsp;
    // The last look fits the stack best.
    let counters = looks.iter().rev().map(|registers| registers.rip);
    Some((counters.collect(), stack))
}

#[cfg(not(target_arch = "x86_64"))]
fn running(_tid: Pid) -> Option<(Vec<u64>, u64)> {
    None
}

/// The program that a process executes.
struct Program {
    pid: Pid,
    /// The address at which the file's first byte is mapped.
    base: u64,
    /// Where its code is.
    code: Vec<(u64, u64)>,
}

impl Program {
    fn of(pid: Pid) -> Option<Program> {
        let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let path = path.to_str()?;
        let maps = proc::maps(pid).ok()?;
        let its: Vec<_> = maps
            .iter()
            .filter(|mapping| mapping.path.as_deref() == Some(path))
            .collect();
        Some(Program {
            pid,
            base: its.iter().map(|mapping| mapping.start).min()?,
            code: its
                .iter()
                .filter(|mapping| mapping.execute)
                .map(|mapping| (mapping.start, mapping.end))
                .collect(),
        })
    }

    /// The addresses in the file at which this thread may be, innermost first.
    fn addresses(&self, counters: &[u64], sp: u64) -> Vec<u64> {
        let is_code = |word: u64| {
            self.code
                .iter()
                .any(|&(from, to)| (from..to).contains(&word))
        };
        let mut stack = vec![0u8; DEEPEST];
        let length = self.read(sp, &mut stack);
        let words = stack[..length].chunks_exact(size_of::<u64>());
        let words = words.map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()));
        // A return address is that of the next instruction.
        let callers = words.filter(|&word| is_code(word)).map(|word| word - 1);
        counters
            .iter()
            .copied()
            .filter(|&pc| is_code(pc))
            .chain(callers)
            .take(MOST)
            .map(|address| address - self.base)
            .collect()
    }

    /// Reads memory, up to the end of what is mapped there.
    fn read(&self, from: u64, into: &mut [u8]) -> usize {
        let Ok(maps) = proc::maps(self.pid) else {
            return 0;
        };
        let Some(mapping) = maps.iter().find(|m| (m.start..m.end).contains(&from)) else {
            return 0;
        };
        let length = into.len().min((mapping.end - from) as usize);
        let remote = [RemoteIoVec {
            base: from as usize,
            len: length,
        }];
        let pid = nix::unistd::Pid::from_raw(self.pid);
        process_vm_readv(pid, &mut [IoSliceMut::new(&mut into[..length])], &remote).unwrap_or(0)
    }

    /// The places of each address. There are several where functions were
    /// inlined, the innermost one first.
    fn places(&self, addresses: &[u64], until: Instant) -> Vec<Vec<Place>> {
        let left = until.saturating_duration_since(Instant::now());
        if addresses.is_empty() || left.is_zero() {
            return Vec::new();
        }
        let arguments = addresses.iter().map(|address| format!("{address:#x}"));
        let spec = Spec::new("addr2line")
            .args(["--addresses", "--inlines", "-e"])
            .arg(format!("/proc/{}/exe", self.pid))
            .args(arguments.map(OsString::from));
        let limits = Limits {
            wall: Some(left),
            ..Limits::default()
        };
        let Ok(outcome) = processes::run(spec, b"", limits) else {
            return Vec::new();
        };
        groups(&outcome.stdout.text())
    }
}

/// What `addr2line` prints: for each address a line with it, and then a line for
/// each function that is there.
fn groups(printed: &str) -> Vec<Vec<Place>> {
    let mut groups: Vec<Vec<Place>> = Vec::new();
    for line in printed.lines() {
        match groups.last_mut() {
            _ if line.starts_with("0x") => groups.push(Vec::new()),
            Some(group) => group.extend(place(line)),
            None => {}
        }
    }
    groups
}

/// `file:line`, as `addr2line` prints it, sometimes with a remark behind it.
fn place(line: &str) -> Option<Place> {
    let line = line.split(" (").next()?;
    let (file, line) = line.rsplit_once(':')?;
    Some(Place {
        file: file.to_owned(),
        line: line.parse().ok().filter(|&line| line > 0)?,
    })
}

/// The learner's package.
struct Learners {
    package: PathBuf,
    /// The workspace, to which messages name files relatively.
    root: PathBuf,
}

impl Learners {
    fn find() -> Option<Learners> {
        let package =
            std::env::var_os(PACKAGE).or_else(|| std::env::var_os("CARGO_MANIFEST_DIR"))?;
        let package = PathBuf::from(package);
        let root = package
            .ancestors()
            .find(|folder| folder.join("Cargo.lock").exists())
            .unwrap_or(&package)
            .to_owned();
        Some(Learners { package, root })
    }

    /// The place as messages name it, if it is in the learner's sources.
    fn own(&self, place: Place) -> Option<Place> {
        let path = Path::new(&place.file);
        let within = path.strip_prefix(&self.package).ok()?;
        within
            .components()
            .any(|part| part.as_os_str() == "src")
            .then_some(())?;
        Some(Place {
            file: path.strip_prefix(&self.root).ok()?.display().to_string(),
            line: place.line,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_addr2line_prints_is_read() {
        let found = place("/a b/src/lib.rs:31 (discriminator 4)").unwrap();
        assert_eq!((found.file.as_str(), found.line), ("/a b/src/lib.rs", 31));
        for unknown in ["??:0", "??:?", "/a/src/lib.rs:?", ""] {
            assert!(place(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn inlined_functions_belong_to_one_address() {
        let printed = "0x0012\n/core/hint.rs:7\n/a/src/lib.rs:3\n0x0013\n??:?\n0x0014\n/b.rs:1\n";
        let groups = groups(printed);
        let lines = |group: &[Place]| group.iter().map(|place| place.line).collect::<Vec<_>>();
        assert_eq!(
            groups.iter().map(|group| lines(group)).collect::<Vec<_>>(),
            [vec![7, 3], vec![], vec![1]]
        );
    }

    #[test]
    fn only_the_learners_sources_count() {
        let learners = Learners {
            package: "/course/exercises/sync/lock".into(),
            root: "/course".into(),
        };
        let own = |file: &str| {
            let place = Place {
                file: file.to_owned(),
                line: 1,
            };
            learners.own(place).map(|place| place.file)
        };
        assert_eq!(
            own("/course/exercises/sync/lock/src/lib.rs").as_deref(),
            Some("exercises/sync/lock/src/lib.rs")
        );
        assert_eq!(
            own("/course/exercises/sync/lock/explored/../src/lib.rs").as_deref(),
            Some("exercises/sync/lock/explored/../src/lib.rs")
        );
        assert_eq!(own("/course/exercises/sync/lock/tests/lock.rs"), None);
        assert_eq!(own("/rustc/1/library/std/src/thread/mod.rs"), None);
    }
}
