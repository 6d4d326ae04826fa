//! Correct with a futex and the kernel's robust list, without pthread: the word
//! holds the owner's thread id, as futex(2) and set_robust_list(2) demand it, and
//! the lock is linked into the list that the C library has registered for the
//! thread. If the thread ends, the kernel sets a bit in the word and wakes a
//! waiter. A child starts with an empty list.

use std::cell::Cell;
use std::io;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::process;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst, compiler_fence};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const OWNER: u32 = 0x3fff_ffff;

/// A link of the list. The C library's links have a pointer back, before the
/// pointer to the next link.
#[repr(C)]
struct Link {
    back: *mut Link,
    next: *mut Link,
}

/// `struct robust_list_head` (linux/futex.h). Links point to `next` of the next
/// link, and the word is `offset` bytes from there.
#[repr(C)]
struct Head {
    next: *mut Link,
    offset: libc::c_long,
    pending: *mut Link,
}

/// The word and its link, at the distance that the C library has chosen: 32
/// bytes on 64-bit machines.
#[repr(C)]
struct Header {
    word: AtomicU32,
    inconsistent: AtomicU32,
    unused: [u64; 2],
    back: Cell<*mut Link>,
    next: Cell<*mut Link>,
}

/// Some bytes that processes share, and a lock that protects them.
#[derive(Debug)]
pub struct RobustLock {
    memory: NonNull<Header>,
    length: usize,
    holder: Cell<u32>,
}

fn head() -> io::Result<&'static mut Head> {
    let (mut head, mut length) = (ptr::null_mut::<Head>(), 0_usize);
    // SAFETY: the kernel writes the two values.
    let got =
        unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut length) };
    Errno::result(got)?;
    // SAFETY: the C library has registered it for this thread, which alone uses it.
    unsafe { head.as_mut() }.ok_or_else(|| Errno::ENOSYS.into())
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
            holder: Cell::new(0),
        })
    }

    /// Waits until this process holds the lock.
    ///
    /// # Errors
    /// The process holds the lock already.
    pub fn lock(&self) -> io::Result<Guard<'_>> {
        let mut waiters = 0;
        loop {
            if let Some(guard) = self.take(waiters)? {
                return Ok(guard);
            }
            if self.holder.get() == process::id() {
                return Err(Errno::EDEADLK.into());
            }
            let word = &self.header().word;
            let seen = word.load(SeqCst);
            if seen & OWNER == 0 {
                continue;
            }
            let marked = seen | WAITERS;
            if seen == marked || word.compare_exchange(seen, marked, SeqCst, SeqCst).is_ok() {
                // SAFETY: waits while the word has this value.
                unsafe {
                    libc::syscall(
                        libc::SYS_futex,
                        word.as_ptr(),
                        libc::FUTEX_WAIT,
                        marked,
                        ptr::null::<u8>(),
                    )
                };
                // Others may wait as well.
                waiters = WAITERS;
            }
        }
    }

    /// Takes the lock if no process holds it.
    ///
    /// # Errors
    /// The C library has no robust list.
    pub fn try_lock(&self) -> io::Result<Option<Guard<'_>>> {
        self.take(0)
    }

    fn take(&self, waiters: u32) -> io::Result<Option<Guard<'_>>> {
        let head = head()?;
        assert_eq!(head.offset, -32, "the C library's mutex has another form");
        let header = self.header();
        let link: *mut Link = header.next.as_ptr().cast();
        // From here on, the kernel looks at this word too if the thread ends.
        head.pending = link;
        compiler_fence(SeqCst);
        let me = process::id();
        let mut seen = header.word.load(SeqCst);
        let taken = loop {
            if seen & OWNER != 0 {
                break false;
            }
            let mine = me | (seen & WAITERS) | waiters;
            match header.word.compare_exchange(seen, mine, SeqCst, SeqCst) {
                Ok(_) => break true,
                Err(now) => seen = now,
            }
        };
        if taken {
            if seen & OWNER_DIED != 0 {
                header.inconsistent.store(1, SeqCst);
            }
            // Links are known by the address of `next`.
            header.back.set((&raw mut *head).cast());
            header.next.set(head.next);
            let first = head.next;
            if !ptr::eq(first.cast(), &raw const *head) {
                // SAFETY: the link that was the first one, with its pointer before it.
                unsafe { first.cast::<*mut Link>().sub(1).write(link) };
            }
            compiler_fence(SeqCst);
            head.next = link;
            self.holder.set(me);
        }
        compiler_fence(SeqCst);
        head.pending = ptr::null_mut();
        Ok(taken.then(|| Guard {
            lock: self,
            process: me,
        }))
    }

    fn release(&self) {
        let Ok(head) = head() else { return };
        let header = self.header();
        let link: *mut Link = header.next.as_ptr().cast();
        head.pending = link;
        compiler_fence(SeqCst);
        let (back, next) = (header.back.get(), header.next.get());
        // SAFETY: its neighbors in the list, or the head itself.
        unsafe {
            back.cast::<*mut Link>().write(next);
            if !ptr::eq(next.cast(), &raw const *head) {
                next.cast::<*mut Link>().sub(1).write(back);
            }
        }
        self.holder.set(0);
        compiler_fence(SeqCst);
        if header.word.swap(0, SeqCst) & WAITERS != 0 {
            // SAFETY: wakes one process that waits for the word.
            unsafe { libc::syscall(libc::SYS_futex, header.word.as_ptr(), libc::FUTEX_WAKE, 1) };
        }
        compiler_fence(SeqCst);
        head.pending = ptr::null_mut();
    }

    fn header(&self) -> &Header {
        // SAFETY: mapped as long as `self` lives; atomics and cells.
        unsafe { self.memory.as_ref() }
    }

    fn bytes(&self) -> *mut [u8] {
        // SAFETY: within the mapping.
        let first = unsafe { self.memory.as_ptr().add(1).cast() };
        ptr::slice_from_raw_parts_mut(first, self.length - size_of::<Header>())
    }
}

impl Drop for RobustLock {
    fn drop(&mut self) {
        if self.holder.get() != process::id() {
            // SAFETY: mapped with this length, and not used any more.
            let _ = unsafe { munmap(self.memory.cast(), self.length) };
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
        if self.process == process::id() {
            self.lock.release();
        }
    }
}
