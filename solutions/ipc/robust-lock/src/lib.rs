//! A lock in shared memory, for processes that may die while they hold it.
//!
//! ```text
//!  one anonymous shared mapping, which forked children inherit
//!  ┌───────────────┬──────────────┬──────────────────┐
//!  │ pthread_mutex │ inconsistent │ the caller's     │
//!  │ (robust)      │ (one byte)   │ bytes            │
//!  └───────────────┴──────────────┴──────────────────┘
//! ```
//!
//! The thread's list of robust mutexes tells the kernel which ones it holds
//! (set_robust_list(2)). When the thread ends, the kernel marks each of them and
//! wakes a waiter, and the next owner gets EOWNERDEAD.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::process;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::libc::{self, c_int};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// What stands before the bytes in the mapping.
#[repr(C)]
struct Header {
    mutex: libc::pthread_mutex_t,
    /// Written only by the process that holds the mutex, which also orders the
    /// accesses.
    inconsistent: AtomicBool,
}

/// Some bytes that processes share, and a lock that protects them.
pub struct RobustLock {
    header: NonNull<Header>,
    size: usize,
    /// The process that holds the lock through this value, or 0. A forked child
    /// has a copy with the number of its parent.
    holder: Cell<u32>,
}

impl RobustLock {
    /// Makes a lock that protects `size` bytes.
    ///
    /// # Errors
    /// The kernel refuses the memory.
    pub fn create(size: usize) -> io::Result<RobustLock> {
        let length = size.checked_add(size_of::<Header>());
        let length = length.and_then(NonZeroUsize::new);
        let length = length.ok_or(io::ErrorKind::OutOfMemory)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory, at an address that the kernel chooses.
        let memory = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) }?;
        // Dropping it frees the memory, also after an error.
        let lock = RobustLock {
            header: memory.cast(),
            size,
            holder: Cell::new(0),
        };
        lock.prepare()?;
        Ok(lock)
    }

    fn prepare(&self) -> io::Result<()> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the first call makes the attributes valid, and the last one ends
        // their use. Nobody else knows the mutex yet.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes))?;
            let made = [
                libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED),
                libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST),
                // A process that holds the mutex gets EDEADLK instead of waiting
                // for itself.
                libc::pthread_mutexattr_settype(attributes, libc::PTHREAD_MUTEX_ERRORCHECK),
                libc::pthread_mutex_init(self.mutex(), attributes),
            ];
            libc::pthread_mutexattr_destroy(attributes);
            made.into_iter().try_for_each(check)
        }
    }

    /// Waits until this process holds the lock.
    ///
    /// # Errors
    /// The process holds the lock already.
    pub fn lock(&self) -> io::Result<Guard<'_>> {
        // SAFETY: `prepare` has made the mutex, and it is never destroyed.
        self.taken(unsafe { libc::pthread_mutex_lock(self.mutex()) })
    }

    /// Takes the lock if no process holds it.
    ///
    /// # Errors
    /// The kernel refuses what the call needs.
    pub fn try_lock(&self) -> io::Result<Option<Guard<'_>>> {
        // SAFETY: as in `lock`.
        match unsafe { libc::pthread_mutex_trylock(self.mutex()) } {
            // Another process holds it, or this one.
            libc::EBUSY | libc::EDEADLK => Ok(None),
            result => self.taken(result).map(Some),
        }
    }

    /// The guard, after a call that has taken the mutex.
    fn taken(&self, result: c_int) -> io::Result<Guard<'_>> {
        if result == libc::EOWNERDEAD {
            // Before the mutex is released: if this process is killed until then,
            // the next one gets EOWNERDEAD again.
            self.inconsistent().store(true, Relaxed);
            // Without this call, unlocking would make the mutex unusable for ever.
            // SAFETY: this process has just become the owner.
            check(unsafe { libc::pthread_mutex_consistent(self.mutex()) })?;
        } else {
            check(result)?;
        }
        self.holder.set(process::id());
        Ok(Guard {
            lock: self,
            process: process::id(),
        })
    }

    fn mutex(&self) -> *mut libc::pthread_mutex_t {
        // SAFETY: the mapping begins with a header, and no reference is made.
        unsafe { &raw mut (*self.header.as_ptr()).mutex }
    }

    fn inconsistent(&self) -> &AtomicBool {
        // SAFETY: the mapping lives as long as `self`, and nothing but this
        // field's own stores writes to it.
        unsafe { &(*self.header.as_ptr()).inconsistent }
    }

    fn bytes(&self) -> *mut u8 {
        // SAFETY: the mapping has `size` bytes after the header.
        unsafe { self.header.add(1).cast().as_ptr() }
    }
}

impl fmt::Debug for RobustLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut this = f.debug_struct("RobustLock");
        this.field("size", &self.size).finish_non_exhaustive()
    }
}

impl Drop for RobustLock {
    /// Frees the memory in this process. The mutex is not destroyed, because other
    /// processes may use it.
    fn drop(&mut self) {
        if self.holder.get() == process::id() {
            // The guard was forgotten. The thread's list of robust mutexes leads
            // through this memory, and the kernel will need it.
            return;
        }
        // SAFETY: mapped with this length, and no guard borrows it any more.
        let _ = unsafe { munmap(self.header.cast(), size_of::<Header>() + self.size) };
    }
}

/// Access to the bytes: proof that this process holds the lock.
#[derive(Debug)]
pub struct Guard<'a> {
    lock: &'a RobustLock,
    /// The process that holds the lock. In a child that it has forked, this guard
    /// is only a copy.
    process: u32,
}

impl Guard<'_> {
    /// Whether the bytes may be half written.
    pub fn is_inconsistent(&self) -> bool {
        self.lock.inconsistent().load(Relaxed)
    }

    /// Declares that the bytes are in order.
    pub fn mark_consistent(&mut self) {
        self.lock.inconsistent().store(false, Relaxed);
    }
}

impl Deref for Guard<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes exist as long as the lock, and only the process that
        // holds it accesses them.
        unsafe { std::slice::from_raw_parts(self.lock.bytes(), self.lock.size) }
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; this process has no second guard.
        unsafe { std::slice::from_raw_parts_mut(self.lock.bytes(), self.lock.size) }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.process != process::id() {
            return;
        }
        self.lock.holder.set(0);
        // SAFETY: the mutex is valid. The call fails only for a process that does
        // not own it.
        unsafe { libc::pthread_mutex_unlock(self.lock.mutex()) };
    }
}

/// The functions of pthread return the number of their error.
fn check(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}
