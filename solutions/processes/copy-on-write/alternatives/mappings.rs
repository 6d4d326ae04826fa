//! Correct in another way: the child does not look at single pages. It makes the
//! pages of the memory mappings of their own, by advice that changes nothing
//! else, and adds up what `/proc/self/smaps` says about these mappings. The sizes
//! of other processes come from `/proc/PID/smaps`, too.

use std::collections::HashSet;
use std::fs;
use std::io::{self, PipeWriter, Read, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, SysconfVar, fork, sysconf};

/// What it costs when a child writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Pages that the child has for itself.
    pub pages: u64,
    /// Whether the parent finds other bytes than before.
    pub seen: bool,
}

/// One mapping, as smaps describes it.
#[derive(Default)]
struct Mapping {
    start: usize,
    end: usize,
    is_shared: bool,
    private_dirty: u64,
    pss: u64,
}

/// Runs `write` in a forked child, and returns what this cost.
///
/// # Errors
/// Those of the system calls; one without a number if `write` does not return.
///
/// # Safety
/// The caller's process has one thread.
pub unsafe fn cost_of_write(memory: &mut [u8], write: impl FnOnce(&mut [u8])) -> io::Result<Cost> {
    let memory = std::hint::black_box(memory);
    let before = memory.to_vec();
    let (mut reports, reporter) = pipe()?;
    // SAFETY: there is no other thread, as the caller promises.
    let child = match unsafe { fork() }? {
        ForkResult::Child => live(memory, write, reporter),
        ForkResult::Parent { child } => child,
    };
    drop(reporter);
    let mut report = String::new();
    let read = reports.read_to_string(&mut report);
    while let Err(errno) = waitpid(child, None) {
        if errno != Errno::EINTR {
            return Err(errno.into());
        }
    }
    read?;
    let pages = match report.split_once(' ') {
        Some(("pages", number)) => number.parse().map_err(io::Error::other)?,
        Some(("error", number)) => {
            let number = number.parse().map_err(io::Error::other)?;
            return Err(io::Error::from_raw_os_error(number));
        }
        _ => return Err(io::Error::other("the child has not reported")),
    };
    let seen = *std::hint::black_box(memory) != *before;
    Ok(Cost { pages, seen })
}

fn live(memory: &mut [u8], write: impl FnOnce(&mut [u8]), mut reporter: PipeWriter) -> ! {
    match catch_unwind(AssertUnwindSafe(|| write(memory))) {
        Ok(()) => {
            let report = match own_pages(memory) {
                Ok(pages) => format!("pages {pages}"),
                Err(error) => format!("error {}", error.raw_os_error().unwrap_or(libc::EIO)),
            };
            let _ = reporter.write_all(report.as_bytes());
        }
        Err(payload) => std::mem::forget(payload),
    }
    // SAFETY: ends the process and touches no memory.
    unsafe { libc::_exit(0) }
}

/// Adds up the pages of the private mappings that no other process has.
fn own_pages(memory: &[u8]) -> io::Result<u64> {
    if memory.is_empty() {
        return Ok(0);
    }
    let size = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(4096) as usize;
    let from = memory.as_ptr().addr() / size * size;
    let to = (memory.as_ptr().addr() + memory.len()).next_multiple_of(size);
    let start = memory.as_ptr().map_addr(|_| from).cast_mut();
    // Pages that are left out of core files are in a mapping of their own.
    // SAFETY: the pages are mapped, and the advice changes no content.
    let split = unsafe { libc::madvise(start.cast(), to - from, libc::MADV_DONTDUMP) };
    Errno::result(split)?;
    let own: u64 = mappings("self")?
        .iter()
        .filter(|mapping| mapping.start >= from && mapping.end <= to && !mapping.is_shared)
        .map(|mapping| mapping.private_dirty)
        .sum();
    Ok(own * 1024 / size as u64)
}

fn mappings(process: &str) -> io::Result<Vec<Mapping>> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps"))?;
    let mut all: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else {
            continue;
        };
        let kib = || second.parse::<u64>().unwrap_or(0);
        match (first, all.last_mut()) {
            ("Private_Dirty:", Some(mapping)) => mapping.private_dirty = kib(),
            ("Pss:", Some(mapping)) => mapping.pss = kib(),
            _ => {
                let hex = |text| usize::from_str_radix(text, 16).ok();
                let range = first.split_once('-').filter(|_| !first.ends_with(':'));
                if let Some((Some(start), Some(end))) = range.map(|(a, b)| (hex(a), hex(b))) {
                    let is_shared = second.ends_with('s');
                    all.push(Mapping {
                        start,
                        end,
                        is_shared,
                        ..Mapping::default()
                    });
                }
            }
        }
    }
    Ok(all)
}

/// The sum of the proportional set sizes, in bytes.
///
/// # Errors
/// Those of reading smaps; ESRCH for a process without mappings, a zombie.
pub fn memory_of(processes: &[Pid]) -> io::Result<u64> {
    let mut sum = 0;
    let mut done = HashSet::new();
    for process in processes {
        if done.insert(process) {
            let mappings = mappings(&process.to_string())?;
            if mappings.is_empty() {
                return Err(Errno::ESRCH.into());
            }
            sum += mappings
                .iter()
                .map(|mapping| mapping.pss * 1024)
                .sum::<u64>();
        }
    }
    Ok(sum)
}
