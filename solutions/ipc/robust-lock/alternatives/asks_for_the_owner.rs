//! Correct without any help of the kernel at the owner's death: a word in shared
//! memory names the owner by its process id and its start time, which together
//! no second process has. A process that waits sleeps, looks 25 times a second
//! whether the owner still exists, and takes the lock of an owner that has ended.

use std::io;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

#[repr(C)]
struct Header {
    /// Process id and start time (both 32 bits) of the owner, or 0.
    owner: AtomicU64,
    inconsistent: AtomicU64,
}

/// Some bytes that processes share, and a lock that protects them.
#[derive(Debug)]
pub struct RobustLock {
    memory: NonNull<Header>,
    length: usize,
}

impl RobustLock {
    /// Makes a lock that protects `size` bytes.
    ///
    /// # Errors
    /// The kernel refuses the memory.
    pub fn create(size: usize) -> io::Result<RobustLock> {
        let length = size
            .checked_add(size_of::<Header>())
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let pages = NonZeroUsize::new(length).ok_or(io::ErrorKind::OutOfMemory)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory.
        let memory = unsafe { mmap_anonymous(None, pages, access, MapFlags::MAP_SHARED) }?;
        Ok(RobustLock {
            memory: memory.cast(),
            length,
        })
    }

    /// Waits until this process holds the lock.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn lock(&self) -> io::Result<Guard<'_>> {
        loop {
            if let Some(guard) = self.try_lock()? {
                return Ok(guard);
            }
            thread::sleep(Duration::from_millis(40));
        }
    }

    /// Takes the lock if no process holds it.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn try_lock(&self) -> io::Result<Option<Guard<'_>>> {
        let me = name_of(process::id()).ok_or(io::ErrorKind::NotFound)?;
        loop {
            let owner = self.header().owner.load(SeqCst);
            if owner != 0 && name_of((owner >> 32) as u32) == Some(owner) {
                return Ok(None);
            }
            if self
                .header()
                .owner
                .compare_exchange(owner, me, SeqCst, SeqCst)
                .is_err()
            {
                continue;
            }
            // If this process dies here, its name stays in the word as well.
            if owner != 0 {
                self.header().inconsistent.store(1, SeqCst);
            }
            return Ok(Some(Guard { lock: self, me }));
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: mapped as long as `self` lives; it consists of atomics.
        unsafe { self.memory.as_ref() }
    }

    fn bytes(&self) -> *mut [u8] {
        // SAFETY: within the mapping.
        let first = unsafe { self.memory.as_ptr().add(1).cast() };
        std::ptr::slice_from_raw_parts_mut(first, self.length - size_of::<Header>())
    }
}

/// The name of a process that has not ended (man 5 `proc_pid_stat`).
fn name_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let start: u64 = fields.nth(18)?.parse().ok()?;
    Some(u64::from(pid) << 32 | start & 0xffff_ffff)
}

impl Drop for RobustLock {
    fn drop(&mut self) {
        // SAFETY: mapped with this length, and not used any more.
        let _ = unsafe { munmap(self.memory.cast(), self.length) };
    }
}

/// Access to the bytes: proof that this process holds the lock.
#[derive(Debug)]
pub struct Guard<'a> {
    lock: &'a RobustLock,
    me: u64,
}

impl Guard<'_> {
    /// Whether the bytes may be half written.
    pub fn is_inconsistent(&self) -> bool {
        self.lock.header().inconsistent.load(SeqCst) != 0
    }

    /// Declares that the bytes are in order.
    pub fn mark_consistent(&mut self) {
        self.lock.header().inconsistent.store(0, SeqCst);
    }
}

impl Deref for Guard<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: only the process that holds the lock uses the bytes.
        unsafe { &*self.lock.bytes() }
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { &mut *self.lock.bytes() }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // In a child of the owner, the name is that of the parent.
        if (self.me >> 32) as u32 == process::id() {
            self.lock.header().owner.store(0, SeqCst);
        }
    }
}
