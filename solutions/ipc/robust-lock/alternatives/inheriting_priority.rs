//! Correct with a mutex whose owner the kernel itself knows: robust and with
//! priority inheritance (futex(2), FUTEX_LOCK_PI), in a file in memory that
//! memmap2 maps. One number says how often owners have died,
//! another one how many of these deaths were marked.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::os::fd::FromRawFd;
use std::process;

use libc::pthread_mutex_t;
use memmap2::{MmapOptions, MmapRaw};

const PRIO_INHERIT: i32 = 1;

unsafe extern "C" {
    fn pthread_mutexattr_setprotocol(attributes: *mut libc::pthread_mutexattr_t, kind: i32) -> i32;
}

#[repr(C)]
struct Header {
    mutex: pthread_mutex_t,
    deaths: u64,
    marked: u64,
}

/// Some bytes that processes share, and a lock that protects them.
#[derive(Debug)]
pub struct RobustLock {
    /// Stays mapped if the guard was forgotten: the kernel needs it then.
    memory: mem::ManuallyDrop<MmapRaw>,
    size: usize,
    holder: Cell<u32>,
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(result))
    }
}

impl RobustLock {
    /// Makes a lock that protects `size` bytes.
    ///
    /// # Errors
    /// The kernel refuses the file or the memory.
    pub fn create(size: usize) -> io::Result<RobustLock> {
        let length = size
            .checked_add(size_of::<Header>())
            .filter(|&length| length <= isize::MAX as usize);
        let length = length.ok_or_else(|| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
        // SAFETY: a name that ends with 0; the descriptor is new.
        let file = unsafe {
            let fd = libc::memfd_create(c"robust".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            File::from_raw_fd(fd)
        };
        file.set_len(length as u64)?;
        let memory = MmapOptions::new().len(length).map_raw(&file)?;
        let memory = mem::ManuallyDrop::new(memory);
        let lock = RobustLock {
            memory,
            size,
            holder: Cell::new(0),
        };
        // SAFETY: the attributes are made before they are used, and nobody else
        // knows the mutex yet.
        unsafe {
            let mut attributes: libc::pthread_mutexattr_t = mem::zeroed();
            check(libc::pthread_mutexattr_init(&raw mut attributes))?;
            check(libc::pthread_mutexattr_setpshared(&raw mut attributes, 1))?;
            check(libc::pthread_mutexattr_setrobust(&raw mut attributes, 1))?;
            check(pthread_mutexattr_setprotocol(
                &raw mut attributes,
                PRIO_INHERIT,
            ))?;
            check(libc::pthread_mutex_init(
                lock.mutex(),
                &raw const attributes,
            ))?;
            libc::pthread_mutexattr_destroy(&raw mut attributes);
        }
        Ok(lock)
    }

    /// Waits until this process holds the lock.
    ///
    /// # Errors
    /// The process holds the lock already.
    pub fn lock(&self) -> io::Result<Guard<'_>> {
        if self.holder.get() == process::id() {
            return Err(io::Error::from_raw_os_error(libc::EDEADLK));
        }
        // SAFETY: the mutex was initialized.
        let result = unsafe { libc::pthread_mutex_lock(self.mutex()) };
        self.guard(result)
    }

    /// Takes the lock if no process holds it.
    ///
    /// # Errors
    /// The kernel refuses the call.
    pub fn try_lock(&self) -> io::Result<Option<Guard<'_>>> {
        if self.holder.get() == process::id() {
            return Ok(None);
        }
        // SAFETY: the mutex was initialized.
        let result = unsafe { libc::pthread_mutex_trylock(self.mutex()) };
        if result == libc::EBUSY {
            Ok(None)
        } else {
            self.guard(result).map(Some)
        }
    }

    fn guard(&self, result: i32) -> io::Result<Guard<'_>> {
        if result == libc::EOWNERDEAD {
            // SAFETY: this process owns the mutex now.
            unsafe {
                (*self.header()).deaths += 1;
                std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
                check(libc::pthread_mutex_consistent(self.mutex()))?;
            }
        } else {
            check(result)?;
        }
        self.holder.set(process::id());
        Ok(Guard {
            lock: self,
            process: process::id(),
        })
    }

    fn header(&self) -> *mut Header {
        self.memory.as_mut_ptr().cast()
    }

    fn mutex(&self) -> *mut pthread_mutex_t {
        self.header().cast()
    }

    fn bytes(&self) -> *mut [u8] {
        let first = self.memory.as_mut_ptr().wrapping_add(size_of::<Header>());
        std::ptr::slice_from_raw_parts_mut(first, self.size)
    }
}

impl Drop for RobustLock {
    fn drop(&mut self) {
        if self.holder.get() != process::id() {
            // SAFETY: dropped once, here.
            unsafe { mem::ManuallyDrop::drop(&mut self.memory) };
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
        // SAFETY: the process holds the lock.
        unsafe { (*self.lock.header()).deaths != (*self.lock.header()).marked }
    }

    /// Declares that the bytes are in order.
    pub fn mark_consistent(&mut self) {
        // SAFETY: the process holds the lock.
        unsafe { (*self.lock.header()).marked = (*self.lock.header()).deaths };
    }
}

impl Deref for Guard<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the process holds the lock.
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
        if self.process == process::id() {
            self.lock.holder.set(0);
            // SAFETY: this process owns the mutex.
            unsafe { libc::pthread_mutex_unlock(self.lock.mutex()) };
        }
    }
}
