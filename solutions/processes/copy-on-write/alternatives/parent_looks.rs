//! Correct in another way: the parent counts. The child stops itself when
//! `write` has returned, the parent reads the child's page table and kills the
//! child. There is no pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// What it costs when a child writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Pages that the child has for itself.
    pub pages: u64,
    /// Whether the parent finds other bytes than before.
    pub seen: bool,
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
    let before: Box<[u8]> = (&*memory).into();
    // SAFETY: there is no other thread, as the caller promises.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            if catch_unwind(AssertUnwindSafe(|| write(memory)))
                .map_err(std::mem::forget)
                .is_ok()
            {
                let _ = raise(Signal::SIGSTOP);
            }
            // SAFETY: ends the process and touches no memory.
            unsafe { libc::_exit(1) }
        }
        ForkResult::Parent { child } => child,
    };
    let pages = match wait(child, Some(WaitPidFlag::WUNTRACED))? {
        WaitStatus::Stopped(..) => {
            let pages = own_pages(child, memory);
            kill(child, Signal::SIGKILL)?;
            wait(child, None)?;
            pages?
        }
        status => {
            let words = format!("the child has not finished its write: {status:?}");
            return Err(io::Error::other(words));
        }
    };
    let seen = *std::hint::black_box(memory) != *before;
    Ok(Cost { pages, seen })
}

fn wait(child: Pid, flags: Option<WaitPidFlag>) -> io::Result<WaitStatus> {
    loop {
        match waitpid(child, flags) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Looks at the entries one after the other. The child has the same addresses.
fn own_pages(child: Pid, memory: &[u8]) -> io::Result<u64> {
    // SAFETY: asks for a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let pagemap = File::open(format!("/proc/{child}/pagemap"))?;
    let mut pages = 0;
    let range = memory.as_ptr_range();
    let mut address = range.start.addr() / size * size;
    while address < range.end.addr() && !memory.is_empty() {
        let mut entry = [0; 8];
        pagemap.read_exact_at(&mut entry, (address / size * 8) as u64)?;
        let entry = u64::from_ne_bytes(entry);
        let wanted = 1 << 63 | 1 << 56;
        pages += u64::from(entry & (wanted | 1 << 61) == wanted);
        address += size;
    }
    Ok(pages)
}

/// The sum of the proportional set sizes, in bytes.
///
/// # Errors
/// Those of reading smaps_rollup.
pub fn memory_of(processes: &[Pid]) -> io::Result<u64> {
    let mut processes = processes.to_vec();
    processes.sort_unstable();
    processes.dedup();
    let mut sum = 0;
    for process in processes {
        let mut pss = None;
        for line in BufReader::new(File::open(format!("/proc/{process}/smaps_rollup"))?).lines() {
            let line = line?;
            let mut words = line.split_whitespace();
            if words.next() == Some("Pss:") {
                pss = words.next().and_then(|kib| kib.parse::<u64>().ok());
            }
        }
        sum += pss.ok_or(Errno::ESRCH)? << 10;
    }
    Ok(sum)
}
