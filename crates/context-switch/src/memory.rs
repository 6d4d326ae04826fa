//! Pages straight from the kernel: private ones to touch, shared ones to meet
//! on.

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use nix::unistd::{SysconfVar, sysconf};
use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A cache line on x86-64 and on most aarch64 machines, in bytes.
pub(crate) const LINE: usize = 64;

/// Memory of a known number of pages, each 4 KiB on x86-64 (man 3 sysconf,
/// `_SC_PAGESIZE`), never huge ones: with transparent huge pages forking would
/// copy one entry where it now copies 512.
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

// SAFETY: the memory is reached through atomics only, from any thread.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    /// This many pages, none of which takes memory before it is touched. A
    /// forked child gets a copy. 0 is taken for 1.
    ///
    /// # Errors
    /// The system has no such amount of address space for this process.
    pub fn private(count: usize) -> io::Result<Pages> {
        Pages::map(count, MapFlags::MAP_PRIVATE)
    }

    /// The same, as many pages as hold this many bytes.
    ///
    /// # Errors
    /// As for [`private`](Pages::private).
    pub fn private_bytes(bytes: usize) -> io::Result<Pages> {
        Pages::private(bytes.div_ceil(page_size()))
    }

    /// The same, but forked children share them instead of copying.
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
        // SAFETY: a new mapping where the kernel likes disturbs nothing.
        let start = unsafe { mmap_anonymous(None, length, access, flags) }?;
        let pages = Pages {
            start,
            length,
            page,
            shared: sharing == MapFlags::MAP_SHARED,
        };
        // A kernel without huge pages refuses the advice and needs none.
        // SAFETY: the range is the mapping just made; this changes no contents.
        _ = unsafe { madvise(start, length.get(), MmapAdvise::MADV_NOHUGEPAGE) };
        Ok(pages)
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.length.get() / self.page
    }

    /// Bytes in all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.length.get()
    }

    /// How many cache lines, of 64 bytes.
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

    /// The first word of a line; the lines are numbered round and round.
    #[inline]
    #[must_use]
    pub fn line(&self, number: usize) -> &AtomicU32 {
        let offset = number % self.lines() * LINE;
        // SAFETY: the offset is that of one of our lines, which begin at
        // multiples of 64; any word is a valid `AtomicU32`, and it lives as
        // long as `self`.
        unsafe { self.start.cast::<AtomicU32>().byte_add(offset).as_ref() }
    }

    /// The beginning of the memory as a `T`.
    ///
    /// # Safety
    /// All-zero bytes must be a `T`, and it must be of atomics only: others
    /// change it meanwhile.
    pub(crate) unsafe fn first<T: Sync>(&self) -> &T {
        assert!(size_of::<T>() <= self.bytes() && align_of::<T>() <= self.page && self.shared);
        // SAFETY: large and aligned enough, zeroed by the kernel, and alive as
        // long as `self`; the caller promises the rest.
        unsafe { self.start.cast::<T>().as_ref() }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and whole, and nobody borrows from it.
        _ = unsafe { munmap(self.start, self.length.get()) };
    }
}

/// Bytes in a page: 4,096 on x86-64; 4,096, 16,384 or 65,536 on aarch64.
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
