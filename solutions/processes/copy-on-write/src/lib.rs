//! What a child's write costs: how many pages the kernel has to give the child,
//! and whether the parent sees the write.
//!
//! ```text
//!  caller ── fork ──▶ parent: waits for the report ──────────────▶ reaps, returns the cost
//!                └──▶ child:  writes, counts its own pages, reports, ends ──┘
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, PipeWriter, Read, Write, pipe};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, SysconfVar, fork, sysconf};

/// What it costs when a child writes to memory that it got from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How many pages of the memory the child has for itself, because it wrote
    /// to them.
    pub pages: u64,
    /// Whether the parent finds other bytes in its memory than before.
    pub seen: bool,
}

/// Runs `write` on `memory` in a forked child, and returns what this cost.
///
/// # Errors
/// Those of pipe(2), fork(2) and waitpid(2), and those of reading the child's
/// page table. An error without a number if `write` does not return.
///
/// # Safety
/// The caller's process has one thread. In the copy that `fork` makes of a
/// process with several threads, the other threads are missing, and whatever
/// they had locked (the memory allocator, for example) stays locked for ever.
pub unsafe fn cost_of_write(memory: &mut [u8], write: impl FnOnce(&mut [u8])) -> io::Result<Cost> {
    // Another process may change shared memory. The compiler does not know
    // that, so it must not assume that it knows what the memory holds.
    let memory = black_box(memory);
    let before = memory.to_vec();
    let (mut reports, reporter) = pipe()?;
    // SAFETY: the caller promises that there is no other thread, so the child
    // is a whole process and may do what any process may.
    match unsafe { fork() }? {
        ForkResult::Child => write_and_report(memory, write, reporter),
        ForkResult::Parent { child } => {
            // While a process can write to the pipe, it has no end.
            drop(reporter);
            let mut report = Vec::new();
            let read = reports.read_to_end(&mut report);
            // The child has to be reaped whatever it said.
            reap(child)?;
            read?;
            Ok(Cost {
                pages: decode(&report)?,
                seen: *black_box(memory) != *before,
            })
        }
    }
}

/// The child's whole life. If `write` panics, the child ends without a report.
fn write_and_report(
    memory: &mut [u8],
    write: impl FnOnce(&mut [u8]),
    mut reporter: PipeWriter,
) -> ! {
    let returned = catch_unwind(AssertUnwindSafe(|| write(memory)));
    if returned.is_ok() {
        let report = encode(own_pages(memory));
        // If it cannot be written, there is nobody to tell.
        let _ = reporter.write_all(&report);
    }
    // A payload's destructor might panic, too.
    std::mem::forget(returned);
    // Not `exit`: the handlers and the buffers belong to the caller.
    // SAFETY: `_exit` ends the process and touches no memory.
    unsafe { libc::_exit(0) }
}

/// A report is one number: the count, or a negative error number.
fn encode(pages: io::Result<u64>) -> [u8; 8] {
    let number = match pages {
        Ok(pages) => pages.cast_signed(),
        Err(error) => -i64::from(error.raw_os_error().unwrap_or(libc::EIO)),
    };
    number.to_ne_bytes()
}

fn decode(report: &[u8]) -> io::Result<u64> {
    let report = report
        .try_into()
        .map_err(|_| io::Error::other("the child ended before it could report"))?;
    let number = i64::from_ne_bytes(report);
    match u64::try_from(number) {
        Ok(pages) => Ok(pages),
        Err(_) => Err(io::Error::from_raw_os_error(-number as i32)),
    }
}

/// How many pages of `memory` no other process has.
fn own_pages(memory: &[u8]) -> io::Result<u64> {
    const ENTRY: usize = size_of::<u64>();
    if memory.is_empty() {
        return Ok(0);
    }
    let size = page_size()?;
    let start = memory.as_ptr().addr();
    let first = start / size;
    let last = (start + memory.len() - 1) / size;
    let mut entries = vec![0; (last - first + 1) * ENTRY];
    let place = (first * ENTRY) as u64;
    File::open("/proc/self/pagemap")?.read_exact_at(&mut entries, place)?;
    let (entries, _) = entries.as_chunks::<ENTRY>();
    let own = entries
        .iter()
        .filter(|entry| is_own(u64::from_ne_bytes(**entry)));
    Ok(own.count() as u64)
}

/// Whether this process alone has the page, by its entry in pagemap (the
/// kernel's Documentation/admin-guide/mm/pagemap.rst).
fn is_own(entry: u64) -> bool {
    let bit = |number: u32| entry >> number & 1 == 1;
    let (is_present, is_of_a_file_or_shared, is_mapped_once) = (bit(63), bit(61), bit(56));
    is_present && is_mapped_once && !is_of_a_file_or_shared
}

/// The size of a page in bytes.
fn page_size() -> io::Result<usize> {
    let size = sysconf(SysconfVar::PAGE_SIZE)?;
    size.and_then(|size| size.try_into().ok())
        .ok_or_else(|| io::Error::other("the size of a page is not known"))
}

/// Waits until `child` has ended. How it ended does not matter: a child that
/// has not reported has failed.
fn reap(child: Pid) -> io::Result<()> {
    loop {
        match waitpid(child, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// How many bytes of physical memory these processes use: the sum of their
/// proportional set sizes. A process that is listed twice counts once.
///
/// # Errors
/// Those of reading `/proc/PID/smaps_rollup`: ENOENT or ESRCH for a process
/// that has ended.
pub fn memory_of(processes: &[Pid]) -> io::Result<u64> {
    let processes: BTreeSet<Pid> = processes.iter().copied().collect();
    processes.into_iter().map(proportional_set_size).sum()
}

/// The size of a process's pages in bytes, where a page that `n` processes
/// share has an `n`-th of its size.
fn proportional_set_size(process: Pid) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let kib: Option<u64> = text.lines().find_map(|line| {
        let value = line.strip_prefix("Pss:")?.strip_suffix("kB")?;
        value.trim().parse().ok()
    });
    let kib = kib.ok_or_else(|| io::Error::other("smaps_rollup has no line `Pss:`"))?;
    Ok(kib * 1024)
}
