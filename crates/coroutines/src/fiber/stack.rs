//! Memory for a fiber's stack, and its reuse.
//!
//! A stack is an anonymous private mapping (mmap(2)) whose lowest page may not
//! be touched. A stack grows downwards, so a fiber that recurses too deep
//! touches this *guard page* and the process dies of SIGSEGV, in place of
//! writing over whatever lies below. (Rust touches every page of a large frame
//! in order, so no frame jumps over the guard.)
//!
//! ```text
//!   low addresses                                        high addresses
//!   ┌────────────┬──────────────────────────────────────────────┐
//!   │ guard page │ …  unused, no memory yet  … │ ◀── grows down  │ top
//!   └────────────┴──────────────────────────────────────────────┘
//! ```
//!
//! The kernel gives memory to a page when it is first touched: a stack of
//! 256 KiB whose fiber uses one page costs one page. What is dear is the making:
//! two system calls, a page fault for each page used, and the unmapping. A
//! [`StackPool`] keeps stacks for the next fiber, with the pages they have.
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

/// The size in bytes of the stacks of [`Fiber::new`](super::Fiber::new).
pub const DEFAULT_STACK_SIZE: usize = 256 * 1024;

/// The least size in bytes: room for a panic, its message and its unwinding.
pub const MIN_STACK_SIZE: usize = 32 * 1024;

/// How many idle stacks a pool keeps, unless told otherwise.
const DEFAULT_IDLE_STACKS: usize = 1024;

/// A stack for one fiber.
///
/// Dropped, it goes back to the pool it is from, or else to the kernel.
#[derive(Debug)]
pub struct Stack {
    /// Its highest address, exclusive.
    top: NonNull<u8>,
    /// Of a stack without a pool: a pool of its own, which keeps nothing.
    home: Rc<Home>,
}

impl Stack {
    /// A new stack of at least `size` bytes, rounded up to whole pages, and
    /// below it a guard page.
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] below [`MIN_STACK_SIZE`], and
    /// [`StackError::NoMemory`] if the kernel refuses the mapping.
    pub fn new(size: usize) -> Result<Self, StackError> {
        StackPool::keeping(0, size)?.stack()
    }

    /// Its size in bytes, without the guard page.
    #[inline]
    pub fn size(&self) -> usize {
        self.home.stack_size
    }

    /// Its highest address, exclusive: where the first frame goes.
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

/// Stacks of one size that are used again and again.
///
/// A clone is another handle to the same stacks. The pool belongs to one
/// thread, as the fibers do. A stack comes back as its last fiber left it: with
/// its pages, and with what was written there. Idle stacks go back to the
/// kernel when the last handle and the last stack in use are gone.
#[derive(Clone, Debug)]
pub struct StackPool {
    home: Rc<Home>,
}

impl StackPool {
    /// A pool, empty for now, of stacks of at least `stack_size` bytes, rounded
    /// up to whole pages. It keeps at most 1,024 idle stacks; those beyond go
    /// back to the kernel.
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] below [`MIN_STACK_SIZE`], and
    /// [`StackError::NoMemory`] if there is no such size.
    pub fn new(stack_size: usize) -> Result<Self, StackError> {
        Self::keeping(DEFAULT_IDLE_STACKS, stack_size)
    }

    /// A pool that keeps at most `most` idle stacks.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn keeping(most: usize, stack_size: usize) -> Result<Self, StackError> {
        let home = Rc::new(Home::new(most, stack_size)?);
        Ok(Self { home })
    }

    /// An idle stack, the one used last (its memory is the likeliest to be in
    /// the caches), or else a new one.
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

    /// How many stacks wait to be used.
    pub fn idle(&self) -> usize {
        self.home.idle.borrow().len()
    }
}

/// Where stacks of one size come from and go to.
#[derive(Debug)]
struct Home {
    /// Bytes of each, without the guard; whole pages.
    stack_size: usize,
    /// Bytes of the guard below each: a page.
    guard: usize,
    /// How many may be idle.
    most: usize,
    /// The tops of mappings that nothing lives on.
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
        // MAP_STACK keeps transparent huge pages away (since Linux 6.7): else
        // the first touch could cost 2 MiB. MAP_NORESERVE: most of it is never used.
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK | MapFlags::MAP_NORESERVE;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(None, length, access, flags) }.map_err(refused)?;
        // SAFETY: within the mapping, or one past it.
        let top = unsafe { start.byte_add(length.get()) }.cast();
        // SAFETY: the first page of the mapping, in which nothing lives yet.
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
        // SAFETY: a mapping of ours from `map`, given up by its only owner: a
        // fiber drops its stack after all that lived on it is gone, or leaks
        // both. The call fails for wrong arguments only: nothing to report.
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

/// The size of a page in bytes: 4,096 on x86-64, up to 65,536 on aarch64.
fn page_size() -> usize {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    // The largest page of both: still a multiple of the real one.
    size.and_then(|size| usize::try_from(size).ok())
        .unwrap_or(64 * 1024)
}

/// Why there is no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// A stack of `size` bytes does not hold what it has to.
    TooSmall {
        /// What was asked for, in bytes.
        size: usize,
        /// What is needed at least, in bytes.
        least: usize,
    },
    /// The kernel refused the mapping.
    NoMemory {
        /// What was asked for, in bytes.
        size: usize,
        /// What mmap(2) or mprotect(2) said.
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
