//! Correct with a lock that the kernel keeps: a record lock (fcntl(2), F_SETLKW)
//! on a file in memory. It belongs to a process, no child inherits it, and it
//! disappears when its process ends. A byte in the file says that a process is
//! inside, and the next one that finds it set knows that its predecessor died.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::process;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};

/// The first byte of the file: a process holds the lock.
const INSIDE: usize = 0;
/// The second byte: the lock is inconsistent.
const INCONSISTENT: usize = 1;
const HEAD: usize = 2;

/// Some bytes that processes share, and a lock that protects them.
#[derive(Debug)]
pub struct RobustLock {
    file: OwnedFd,
    memory: MmapRaw,
    /// A record lock does not keep its own process out.
    holder: Cell<u32>,
}

impl RobustLock {
    /// Makes a lock that protects `size` bytes.
    ///
    /// # Errors
    /// The kernel refuses the file or the memory.
    pub fn create(size: usize) -> io::Result<RobustLock> {
        let length = size
            .checked_add(HEAD)
            .filter(|&length| isize::try_from(length).is_ok());
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        let file = File::from(memfd_create("robust-lock", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(length as u64)?;
        let memory = MmapOptions::new().len(length).map_raw(&file)?;
        Ok(RobustLock {
            file: file.into(),
            memory,
            holder: Cell::new(0),
        })
    }

    /// Waits until this process holds the lock.
    ///
    /// # Errors
    /// The process holds the lock already, or the kernel refuses the wait.
    pub fn lock(&self) -> io::Result<Guard<'_>> {
        if self.is_mine() {
            return Err(Errno::EDEADLK.into());
        }
        loop {
            match self.record(libc::F_WRLCK, true) {
                Ok(()) => return Ok(self.enter()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Takes the lock if no process holds it.
    ///
    /// # Errors
    /// The kernel refuses the call.
    pub fn try_lock(&self) -> io::Result<Option<Guard<'_>>> {
        if self.is_mine() {
            return Ok(None);
        }
        match self.record(libc::F_WRLCK, false) {
            Ok(()) => Ok(Some(self.enter())),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn record(&self, kind: i32, waits: bool) -> Result<(), Errno> {
        let record = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 1,
            l_pid: 0,
        };
        let call = match waits {
            true => FcntlArg::F_SETLKW(&record),
            false => FcntlArg::F_SETLK(&record),
        };
        fcntl(&self.file, call).map(drop)
    }

    fn enter(&self) -> Guard<'_> {
        if self.flag(INSIDE) {
            self.set(INCONSISTENT, true);
        }
        self.set(INSIDE, true);
        self.holder.set(process::id());
        Guard {
            lock: self,
            process: process::id(),
        }
    }

    fn is_mine(&self) -> bool {
        self.holder.get() == process::id()
    }

    fn flag(&self, which: usize) -> bool {
        // SAFETY: within the mapping; only the process that holds the lock looks.
        unsafe { self.memory.as_ptr().add(which).read_volatile() != 0 }
    }

    fn set(&self, which: usize, value: bool) {
        // SAFETY: as above.
        unsafe {
            self.memory
                .as_mut_ptr()
                .add(which)
                .write_volatile(u8::from(value))
        }
    }
}

/// Access to the bytes: proof that this process holds the lock.
#[derive(Debug)]
pub struct Guard<'a> {
    lock: &'a RobustLock,
    process: u32,
}

impl Guard<'_> {
    /// Whether the bytes may be half written.
    pub fn is_inconsistent(&self) -> bool {
        self.lock.flag(INCONSISTENT)
    }

    /// Declares that the bytes are in order.
    pub fn mark_consistent(&mut self) {
        self.lock.set(INCONSISTENT, false);
    }
}

impl Deref for Guard<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let memory = &self.lock.memory;
        // SAFETY: the process holds the lock, and the mapping lives as long.
        unsafe { std::slice::from_raw_parts(memory.as_ptr().add(HEAD), memory.len() - HEAD) }
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let memory = &self.lock.memory;
        // SAFETY: as above.
        unsafe {
            std::slice::from_raw_parts_mut(memory.as_mut_ptr().add(HEAD), memory.len() - HEAD)
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.process == process::id() {
            self.lock.set(INSIDE, false);
            self.lock.holder.set(0);
            let _ = self.lock.record(libc::F_UNLCK, false);
        }
    }
}
