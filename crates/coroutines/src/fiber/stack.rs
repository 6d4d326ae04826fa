//! Memory for a fiber's stack, and its reuse.
//!
//! A stack is an anonymous private mapping (mmap(2)). Its lowest page is a
//! *guard page*, which no code may access. A stack grows downwards, so a fiber
//! that overflows its stack touches the guard page. Then SIGSEGV kills the
//! process, and the fiber does not overwrite the memory below its stack. (Rust
//! touches every page of a large frame in order, so no frame can jump over the
//! guard page.)
//!
//! ```text
//!   low addresses                                        high addresses
//!   ┌────────────┬──────────────────────────────────────────────┐
//!   │ guard page │ …  unused, no memory yet  … │ ◀── grows down  │ top
//!   └────────────┴──────────────────────────────────────────────┘
//! ```
//!
//! The kernel gives memory to a page only when it is first touched: a stack of
//! 256 KiB whose fiber uses one page costs one page of memory. But making a
//! stack is expensive: it costs two system calls, a page fault for each page
//! that is used, and later the unmapping. A [`StackPool`] keeps stacks for the
//! next fiber, together with the pages that they already have.
//!
//! ```
//! use coroutines::fiber::{Fiber, StackPool};
//!
//! let pool = StackPool::new(64 * 1024)?;
//! for n in 0..1000 {
//!     let mut fiber = Fiber::<(), (), i32>::on(pool.stack()?, move |_, ()| n)?;
//!     fiber.resume(());
//! } // each fiber gives its stack back here
//! assert_eq!(pool.idle(), 1, "one stack was made, and used a thousand times");
//! # Ok::<(), coroutines::fiber::StackError>(())
//! ```

use std::cell::RefCell;
use std::ffi::c_void;
use std::fmt;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use nix::unistd::{SysconfVar, sysconf};

/// The size in bytes of a stack that [`Fiber::new`](super::Fiber::new) makes.
pub const DEFAULT_STACK_SIZE: usize = 256 * 1024;

/// The smallest size of a stack in bytes. It leaves room for a panic, its
/// message and its unwinding.
pub const MIN_STACK_SIZE: usize = 32 * 1024;

/// The number of idle stacks that a pool keeps by default.
const DEFAULT_IDLE_STACKS: usize = 1024;

/// A stack for one fiber.
///
/// Dropping it returns it to the pool that it came from, or else to the kernel.
#[derive(Debug)]
pub struct Stack {
    /// The address just above its highest byte.
    top: NonNull<u8>,
    /// Takes the stack back when it is dropped. A stack without a pool has a
    /// home of its own, which keeps no idle stacks.
    home: Rc<Home>,
}

impl Stack {
    /// Makes a stack of at least `size` bytes, rounded up to whole pages, with
    /// a guard page below it.
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] below [`MIN_STACK_SIZE`], and
    /// [`StackError::NoMemory`] if the kernel refuses the mapping.
    pub fn new(size: usize) -> Result<Self, StackError> {
        StackPool::keeping(0, size)?.stack()
    }

    /// Returns its size in bytes, without the guard page.
    #[inline]
    pub fn size(&self) -> usize {
        self.home.stack_size
    }

    /// Returns the address just above its highest byte. The first frame goes
    /// below this address.
    #[inline]
    pub(super) fn top(&self) -> *mut u8 {
        self.top.as_ptr()
    }
}

impl Drop for Stack {
    #[inline]
    fn drop(&mut self) {
        self.home.take_back(self.top);
    }
}

/// A pool of stacks of one size, which are used again and again.
///
/// A clone is another handle to the same pool. The pool belongs to one thread,
/// as the fibers do. A reused stack is as its last fiber left it: it still has
/// its pages, and what was written to them. The idle stacks go back to the
/// kernel when the last handle and the last stack in use have been dropped.
#[derive(Clone, Debug)]
pub struct StackPool {
    home: Rc<Home>,
}

impl StackPool {
    /// Makes an empty pool for stacks of at least `stack_size` bytes, rounded
    /// up to whole pages. The pool keeps at most 1,024 idle stacks and gives
    /// all further ones back to the kernel.
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] below [`MIN_STACK_SIZE`], and
    /// [`StackError::NoMemory`] if the rounded size and the guard page together
    /// do not fit into a `usize`.
    pub fn new(stack_size: usize) -> Result<Self, StackError> {
        Self::keeping(DEFAULT_IDLE_STACKS, stack_size)
    }

    /// Makes an empty pool that keeps at most `most` idle stacks.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
    pub fn keeping(most: usize, stack_size: usize) -> Result<Self, StackError> {
        let home = Rc::new(Home::new(most, stack_size)?);
        Ok(Self { home })
    }

    /// Returns the idle stack that was used last, because its memory is the
    /// most likely to be in the caches. If no stack is idle, makes a new one.
    ///
    /// # Errors
    ///
    /// [`StackError::NoMemory`] if a new one is needed and the kernel refuses it.
    #[inline]
    pub fn stack(&self) -> Result<Stack, StackError> {
        let idle = self.home.idle.borrow_mut().pop();
        let top = match idle {
            Some(top) => top,
            None => self.home.map()?,
        };
        let home = Rc::clone(&self.home);
        Ok(Stack { top, home })
    }

    /// Returns the number of idle stacks.
    pub fn idle(&self) -> usize {
        self.home.idle.borrow().len()
    }
}

/// Makes stacks of one size and takes them back.
#[derive(Debug)]
struct Home {
    /// The size of each stack in bytes: whole pages, without the guard page.
    stack_size: usize,
    /// The size of the guard below each stack in bytes: one page.
    guard: usize,
    /// The largest number of stacks that may be idle.
    most: usize,
    /// The tops of the idle stacks. Nothing lives on them.
    idle: RefCell<Vec<NonNull<u8>>>,
}

impl Home {
    fn new(most: usize, size: usize) -> Result<Self, StackError> {
        if size < MIN_STACK_SIZE {
            let least = MIN_STACK_SIZE;
            return Err(StackError::TooSmall { size, least });
        }
        let guard = page_size();
        let stack_size = size
            .checked_next_multiple_of(guard)
            .filter(|stack_size| stack_size.checked_add(guard).is_some());
        let cause = Errno::ENOMEM;
        Ok(Self {
            stack_size: stack_size.ok_or(StackError::NoMemory { size, cause })?,
            guard,
            most,
            idle: RefCell::default(),
        })
    }

    fn map(&self) -> Result<NonNull<u8>, StackError> {
        let size = self.stack_size;
        let refused = |cause| StackError::NoMemory { size, cause };
        let length = NonZeroUsize::new(size + self.guard).ok_or(refused(Errno::EINVAL))?;
        // MAP_STACK keeps transparent huge pages away (since Linux 6.7). With
        // them, the first touch could cost 2 MiB. MAP_NORESERVE: most of the
        // mapping is never used.
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK | MapFlags::MAP_NORESERVE;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: this is a new mapping, at an address that the kernel chooses.
        let start = unsafe { mmap_anonymous(None, length, access, flags) }.map_err(refused)?;
        // SAFETY: the result is the address just past the end of the mapping.
        let top = unsafe { start.byte_add(length.get()) }.cast();
        // SAFETY: this is the first page of the mapping. Nothing lives in it yet.
        match unsafe { mprotect(start, self.guard, ProtFlags::PROT_NONE) } {
            Ok(()) => Ok(top),
            Err(cause) => {
                self.unmap(top);
                Err(refused(cause))
            }
        }
    }

    #[inline]
    fn take_back(&self, top: NonNull<u8>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.most {
            idle.push(top);
        } else {
            self.unmap(top);
        }
    }

    fn unmap(&self, top: NonNull<u8>) {
        let length = self.stack_size + self.guard;
        // SAFETY: `map` made this mapping, and its only owner has given it up:
        // a fiber drops its stack only after everything on it is gone, or leaks
        // both. The call fails only for wrong arguments, so there is no error
        // to report.
        let _ = unsafe { munmap(top.byte_sub(length).cast::<c_void>(), length) };
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for top in self.idle.take() {
            self.unmap(top);
        }
    }
}

/// Returns the page size in bytes: 4,096 on x86-64, up to 65,536 on aarch64.
fn page_size() -> usize {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    // The fallback is the largest page size of the two processors, which is
    // also a multiple of the real page size.
    size.and_then(|size| usize::try_from(size).ok())
        .unwrap_or(64 * 1024)
}

/// Why there is no stack for a fiber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// A stack of `size` bytes is too small for what it must hold.
    TooSmall {
        /// The size of the stack, in bytes.
        size: usize,
        /// The smallest size that is enough, in bytes.
        least: usize,
    },
    /// The kernel refused the mapping.
    NoMemory {
        /// The size of the stack, in bytes.
        size: usize,
        /// The error of mmap(2) or mprotect(2).
        cause: Errno,
    },
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { size, least } => write!(
                f,
                "a stack of {size} bytes is too small for this fiber: ask for at least {least}"
            ),
            Self::NoMemory { size, cause } => write!(
                f,
                "the kernel refused a stack of {size} bytes ({cause}): ask for smaller stacks or \
                 keep fewer fibers (a stack takes two of the mappings that \
                 /proc/sys/vm/max_map_count allows a process)"
            ),
        }
    }
}

impl std::error::Error for StackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooSmall { .. } => None,
            Self::NoMemory { cause, .. } => Some(cause),
        }
    }
}
