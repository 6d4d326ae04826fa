//! Slices that are longer than the machine's memory.

use std::io;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};

/// Zeros that take no memory as long as nobody reads them, for functions that
/// must refuse a slice because of its length alone.
///
/// They count against the address space that a test allows (`memory = 16384`
/// for 4 GiB and more), and cannot be written.
///
/// ```
/// let zeros = proctor::Zeros::new((1 << 32) + 3)?;
/// assert_eq!(zeros.len(), 4_294_967_299);
/// assert_eq!(zeros[1 << 32], 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Zeros {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory is never written, so threads can share it.
unsafe impl Send for Zeros {}
// SAFETY: as for `Send`.
unsafe impl Sync for Zeros {}

impl Zeros {
    /// A slice of `length` zeros.
    ///
    /// # Errors
    /// ENOMEM: the address space has no room for them, or the limit of the
    /// address space does not allow them.
    pub fn new(length: usize) -> io::Result<Zeros> {
        if length == 0 {
            let start = NonNull::dangling();
            return Ok(Zeros { start, length });
        }
        // SAFETY: a new mapping (man 2 mmap) that overlaps nothing.
        let start = unsafe {
            libc::mmap(
                null_mut(),
                length,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Zeros { start, length })
    }
}

impl Deref for Zeros {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `new` mapped `length` bytes, or there are none. Only `drop`
        // unmaps them, and nobody can write them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Zeros {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: `new` mapped it, and no reference outlives `self`.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
        }
    }
}
