//! Correct in another way: the child reports in a page of shared memory, which
//! needs no descriptor, and the parent only waits, with waitid(2). The files in
//! `/proc` are read with system calls. Whether the parent sees a change follows
//! from the kind of the mapping and from what the child has changed: the parent
//! makes no copy of its memory, but the child does.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::Pid;

/// What it costs when a child writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Pages that the child has for itself.
    pub pages: u64,
    /// Whether the parent finds other bytes than before.
    pub seen: bool,
}

/// What the child leaves behind.
struct Report {
    /// 0: nothing; 1: a cost; negative: an error number.
    state: AtomicI64,
    pages: AtomicU64,
    seen: AtomicU64,
}

/// A report in shared memory, unmapped when it is dropped.
struct Shared(*mut Report);

impl Shared {
    fn new() -> io::Result<Shared> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let (null, length) = (std::ptr::null_mut(), size_of::<Report>());
        // SAFETY: a new mapping.
        let page = unsafe { libc::mmap(null, length, access, kind, -1, 0) };
        match page {
            libc::MAP_FAILED => Err(io::Error::last_os_error()),
            page => Ok(Shared(page.cast())),
        }
    }

    fn get(&self) -> &Report {
        // SAFETY: aligned to a page, zeroed by the kernel, and mapped until the
        // drop.
        unsafe { &*self.0 }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, which nobody uses any more.
        unsafe { libc::munmap(self.0.cast(), size_of::<Report>()) };
    }
}

/// Runs `write` in a forked child, and returns what this cost.
///
/// # Errors
/// Those of the system calls; one without a number if `write` does not return.
///
/// # Safety
/// The caller's process has one thread.
pub unsafe fn cost_of_write(memory: &mut [u8], write: impl FnOnce(&mut [u8])) -> io::Result<Cost> {
    let report = Shared::new()?;
    // SAFETY: there is no other thread, as the caller promises.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => live(memory, write, report.get()),
        child => reap(child)?,
    }
    let report = report.get();
    match report.state.load(SeqCst) {
        0 => Err(io::Error::other("the child has ended without a report")),
        1 => Ok(Cost {
            pages: report.pages.load(SeqCst),
            seen: report.seen.load(SeqCst) != 0,
        }),
        error => Err(io::Error::from_raw_os_error(-error as i32)),
    }
}

fn live(memory: &mut [u8], write: impl FnOnce(&mut [u8]), report: &Report) -> ! {
    let before = memory.to_vec();
    let returned = catch_unwind(AssertUnwindSafe(|| write(memory)));
    if returned.is_ok() {
        let state = match look(memory, &before) {
            Ok((pages, seen)) => {
                report.pages.store(pages, SeqCst);
                report.seen.store(seen.into(), SeqCst);
                1
            }
            Err(error) => -i64::from(error.raw_os_error().unwrap_or(libc::EIO)),
        };
        report.state.store(state, SeqCst);
    }
    std::mem::forget(returned);
    // SAFETY: ends the process and touches no memory.
    unsafe { libc::_exit(0) }
}

/// The child's own pages, and whether a page of shared memory has changed. (Only
/// pages that are in memory can have changed.)
fn look(memory: &[u8], before: &[u8]) -> io::Result<(u64, bool)> {
    // SAFETY: asks for a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let pagemap = open("/proc/self/pagemap")?;
    let (mut pages, mut seen) = (0, false);
    let start = memory.as_ptr().addr();
    let mut done = 0;
    while done < memory.len() {
        let page = (start + done) / size;
        let end = ((page + 1) * size - start).min(memory.len());
        let mut entry = 0_u64;
        // SAFETY: the buffer has 8 bytes.
        let read = unsafe {
            let place = (page * 8) as libc::off_t;
            libc::pread(pagemap.as_raw_fd(), (&raw mut entry).cast(), 8, place)
        };
        match read {
            8 => {}
            -1 => return Err(io::Error::last_os_error()),
            _ => return Err(io::Error::other("no entry of the page table")),
        }
        let bit = |number: u32| entry >> number & 1;
        if bit(61) == 1 {
            seen |= memory[done..end] != before[done..end];
        } else {
            pages += bit(63) & bit(56);
        }
        done = end;
    }
    Ok((pages, seen))
}

fn open(path: &str) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    // SAFETY: the path is a C string, and the new descriptor is ours.
    unsafe {
        let fd = Errno::result(libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn reap(child: libc::pid_t) -> io::Result<()> {
    let id = child.unsigned_abs();
    let null = std::ptr::null_mut();
    // SAFETY: nobody asks for the status.
    while unsafe { libc::waitid(libc::P_PID, id, null, libc::WEXITED) } == -1 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

/// The sum of the proportional set sizes, in bytes.
///
/// # Errors
/// Those of opening and reading smaps_rollup.
pub fn memory_of(processes: &[Pid]) -> io::Result<u64> {
    let is_first = |(at, process): &(usize, &Pid)| !processes[..*at].contains(process);
    let mut sum = 0;
    for (_, process) in processes.iter().enumerate().filter(is_first) {
        let file = open(&format!("/proc/{process}/smaps_rollup"))?;
        let mut buffer = [0_u8; 4096];
        // SAFETY: the buffer has this length.
        let length = unsafe { libc::read(file.as_raw_fd(), buffer.as_mut_ptr().cast(), 4096) };
        let text = String::from_utf8_lossy(&buffer[..Errno::result(length)? as usize]);
        let words = text.split_whitespace();
        let kib = words.skip_while(|word| *word != "Pss:").nth(1);
        let kib = kib.and_then(|kib| kib.parse::<u64>().ok());
        sum += kib.ok_or(Errno::ESRCH)? * 1024;
    }
    Ok(sum)
}
