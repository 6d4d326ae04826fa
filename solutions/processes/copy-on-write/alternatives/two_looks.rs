//! Correct in another way: the child takes a look at the bits of all pages before
//! `write` and after it, and hands both to the parent in a file without a name
//! (memfd_create). The parent counts the pages that have become the child's own.

use std::collections::BTreeMap;
use std::fs::{File, read};
use std::hint::black_box;
use std::io::{self, Seek, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{ForkResult, Pid, SysconfVar, fork, sysconf};

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
    let memory = black_box(memory);
    let before = memory.to_vec();
    // SAFETY: the name is a C string, and the new descriptor is ours.
    let mut looks = unsafe {
        let fd = libc::memfd_create(c"looks".as_ptr(), libc::MFD_CLOEXEC);
        File::from_raw_fd(Errno::result(fd)?)
    };
    // SAFETY: there is no other thread, as the caller promises.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            let code = live(memory, write, &mut looks);
            // SAFETY: ends the process and touches no memory.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => child,
    };
    while let Err(errno) = waitid(Id::Pid(child), WaitPidFlag::WEXITED) {
        if errno != Errno::EINTR {
            return Err(errno.into());
        }
    }
    // Both processes use one offset.
    looks.rewind()?;
    let looks = io::read_to_string(looks)?;
    let Some(looks) = looks.strip_suffix("done") else {
        return Err(match looks.rsplit_once("error ") {
            Some((_, number)) => io::Error::from_raw_os_error(number.parse().unwrap_or(libc::EIO)),
            None => io::Error::other("the closure has not returned"),
        });
    };
    let (first, second) = looks.split_at(looks.len() / 2);
    let became_own = |(before, after): &(u8, u8)| *before != b'o' && *after == b'o';
    let pages = first.bytes().zip(second.bytes()).filter(became_own).count();
    Ok(Cost {
        pages: pages as u64,
        seen: before != *black_box(memory),
    })
}

fn live(memory: &mut [u8], write: impl FnOnce(&mut [u8]), looks: &mut File) -> i32 {
    let mut say = |text: io::Result<String>| match text {
        Ok(text) => looks.write_all(text.as_bytes()).is_ok(),
        Err(error) => {
            let number = error.raw_os_error().unwrap_or(libc::EIO);
            let _ = looks.write_all(format!("error {number}").as_bytes());
            false
        }
    };
    if !say(look(memory)) {
        return 1;
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| write(memory))) {
        std::mem::forget(payload);
        return 2;
    }
    i32::from(!(say(look(memory)) && say(Ok("done".to_owned()))))
}

/// One letter for each page: `o` for the process's own.
fn look(memory: &[u8]) -> io::Result<String> {
    let size = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(4096) as usize;
    let mut text = String::new();
    if let [first, ..] = memory {
        let last = &raw const memory[memory.len() - 1];
        let pages = (&raw const *first).addr() / size..=last.addr() / size;
        let pagemap = File::open("/proc/self/pagemap")?;
        let mut entry = [0; 8];
        for page in pages {
            pagemap.read_exact_at(&mut entry, page as u64 * 8)?;
            let bits = u64::from_ne_bytes(entry) >> 56;
            text.push(if bits & 0b1010_0001 == 0b1000_0001 {
                'o'
            } else {
                '-'
            });
        }
    }
    Ok(text)
}

/// The sum of the proportional set sizes, in bytes.
///
/// # Errors
/// Those of reading smaps_rollup.
pub fn memory_of(processes: &[Pid]) -> io::Result<u64> {
    let mut sizes = BTreeMap::new();
    for process in processes {
        let text = read(format!("/proc/{process}/smaps_rollup"))?;
        let text = String::from_utf8_lossy(&text);
        let kib = text.lines().find(|line| line.starts_with("Pss:"));
        let kib = kib.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        sizes.insert(
            process.as_raw(),
            kib.ok_or_else(|| io::Error::other("no PSS"))?,
        );
    }
    Ok(sizes.values().sum::<u64>() * 1024)
}
