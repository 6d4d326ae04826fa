//! Pages straight from the kernel: private pages to write to, and shared pages
//! through which two processes can communicate.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use nix::unistd::{SysconfVar, sysconf};

/// A cache line on x86-64 and on most aarch64 machines, in bytes.
pub(crate) const LINE: usize = 64;

/// Memory of a known number of pages. A page is 4 KiB in size on x86-64 (man 3
/// sysconf, `_SC_PAGESIZE`). These are never huge pages: with transparent huge
/// pages, fork would copy one entry where it now copies 512.
///
/// ```
/// use context_switch::{Counters, Pages};
///
/// let pages = Pages::private(100)?;
/// let before = Counters::of_this_thread()?;
/// pages.touch();
/// let faults = Counters::of_this_thread()?.since(&before).minor_faults;
/// assert!(faults >= 100, "a page is there once it is touched: {faults}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Pages {
    start: NonNull<c_void>,
    length: NonZeroUsize,
    page: usize,
    shared: bool,
}

// SAFETY: every thread reaches the memory through atomics only.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps this many pages. A page takes no memory before it is touched. A
    /// forked child gets a copy. A count of 0 gives 1 page.
    ///
    /// # Errors
    /// The system cannot give this process that much address space.
    pub fn private(count: usize) -> io::Result<Pages> {
        Pages::map(count, MapFlags::MAP_PRIVATE)
    }

    /// Like [`private`](Pages::private), with as many pages as are needed for
    /// this many bytes.
    ///
    /// # Errors
    /// As for [`private`](Pages::private).
    pub fn private_bytes(bytes: usize) -> io::Result<Pages> {
        Pages::private(bytes.div_ceil(page_size()))
    }

    /// Like [`private`](Pages::private), but forked children share the pages
    /// instead of copying them.
    ///
    /// # Errors
    /// As for [`private`](Pages::private).
    pub fn shared(count: usize) -> io::Result<Pages> {
        Pages::map(count, MapFlags::MAP_SHARED)
    }

    fn map(count: usize, sharing: MapFlags) -> io::Result<Pages> {
        let page = page_size();
        let length = count
            .max(1)
            .checked_mul(page)
            .and_then(NonZeroUsize::new)
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = sharing | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping at an address that the kernel chooses does not
        // disturb existing memory.
        let start = unsafe { mmap_anonymous(None, length, access, flags) }?;
        let pages = Pages {
            start,
            length,
            page,
            shared: sharing == MapFlags::MAP_SHARED,
        };
        // A kernel without huge pages refuses the advice and does not need it.
        // SAFETY: the range is the mapping just made, and the advice does not
        // change its contents.
        _ = unsafe { madvise(start, length.get(), MmapAdvise::MADV_NOHUGEPAGE) };
        Ok(pages)
    }

    /// Returns the number of pages.
    #[must_use]
    pub fn count(&self) -> usize {
        self.length.get() / self.page
    }

    /// Returns the size of all pages together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.length.get()
    }

    /// Returns the number of cache lines, of 64 bytes each.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.bytes() / LINE
    }

    /// Writes to each page, so that each takes memory.
    pub fn touch(&self) {
        let lines_in_page = self.page / LINE;
        for page in 0..self.count() {
            self.line(page * lines_in_page).store(1, Relaxed);
        }
    }

    /// Returns the first word of a cache line. Numbers after the last line
    /// start again at the first line.
    #[inline]
    #[must_use]
    pub fn line(&self, number: usize) -> &AtomicU32 {
        let offset = number % self.lines() * LINE;
        // SAFETY: the offset is that of one of our lines, which begin at
        // multiples of 64. Any word is a valid `AtomicU32`, and it lives as
        // long as `self`.
        unsafe { self.start.cast::<AtomicU32>().byte_add(offset).as_ref() }
    }

    /// Returns the beginning of the memory as a `T`.
    ///
    /// # Safety
    /// All-zero bytes must be a valid `T`, and `T` must consist of atomics
    /// only, because other threads and processes change it in the meantime.
    pub(crate) unsafe fn first<T: Sync>(&self) -> &T {
        assert!(size_of::<T>() <= self.bytes() && align_of::<T>() <= self.page && self.shared);
        // SAFETY: the memory is large enough and aligned, zeroed by the kernel,
        // and alive as long as `self`. The caller promises the rest.
        unsafe { self.start.cast::<T>().as_ref() }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping, `self` owns it, and no reference
        // into it is left.
        _ = unsafe { munmap(self.start, self.length.get()) };
    }
}

/// The size of a page in bytes: 4,096 on x86-64; 4,096, 16,384 or 65,536 on
/// aarch64.
fn page_size() -> usize {
    let asked = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    asked
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_pages_than_addresses_are_an_error() {
        for count in [usize::MAX, usize::MAX / page_size()] {
            assert!(Pages::private(count).is_err());
        }
    }

    #[test]
    fn bytes_are_rounded_up_to_pages() {
        let pages = |bytes| Pages::private_bytes(bytes).unwrap().count();
        let page = page_size();
        assert_eq!([0, 1, page, page + 1].map(pages), [1, 1, 1, 2]);
    }

    #[test]
    fn none_is_taken_for_one() {
        let one = Pages::shared(0).unwrap();
        one.touch();
        assert_eq!((one.count(), one.bytes()), (1, page_size()));
    }
}
