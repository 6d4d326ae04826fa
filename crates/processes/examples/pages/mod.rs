//! What the examples on pages have in common: some pages of memory, and what a process's page table
//! says about each of them.
#![allow(dead_code, reason = "no example uses everything here")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};
use nix::unistd::{SysconfVar, sysconf};
use processes::Pid;

/// Memory of this process alone, in pages that have all been written.
pub(crate) struct Pages {
    start: NonNull<c_void>,
    pub(crate) count: usize,
    /// The size of a page in bytes: 4096 on most machines.
    size: usize,
}

// SAFETY: the pages belong to the whole process. Whoever uses them takes turns: see `read` and `write`.
unsafe impl Sync for Pages {}

impl Pages {
    pub(crate) fn new(count: usize) -> nix::Result<Pages> {
        let size = sysconf(SysconfVar::PAGE_SIZE)?.map_or(4096, |size| size as usize);
        let length = NonZeroUsize::new(count * size).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses. No huge
        // pages, so that every page is on its own.
        let start = unsafe {
            let start = mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE)?;
            _ = madvise(start, length.get(), MmapAdvise::MADV_NOHUGEPAGE);
            start
        };
        let pages = Pages { start, count, size };
        (0..count).for_each(|page| pages.write(page, 1));
        Ok(pages)
    }

    /// The address of a page.
    fn first_byte(&self, page: usize) -> NonNull<u8> {
        assert!(page < self.count);
        // SAFETY: the page is in the mapping.
        unsafe { self.start.cast().add(page * self.size) }
    }

    /// Reads one byte of a page.
    pub(crate) fn read(&self, page: usize) -> u8 {
        // SAFETY: the mapping lives until the program ends, and nobody writes now.
        unsafe { self.first_byte(page).read_volatile() }
    }

    /// Writes one byte of a page.
    pub(crate) fn write(&self, page: usize, byte: u8) {
        // SAFETY: the mapping lives until the program ends, and nobody reads now.
        unsafe { self.first_byte(page).write_volatile(byte) };
    }

    /// What a process's page table says about each of these pages. The same
    /// addresses mean something in a forked child, too.
    pub(crate) fn look(&self, pid: Pid) -> io::Result<Vec<Page>> {
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        let first = self.start.addr().get() / self.size;
        (first..first + self.count)
            .map(|page| {
                let mut entry = [0; 8];
                pagemap.read_exact_at(&mut entry, 8 * page as u64)?;
                Ok(Page::from_entry(u64::from_ne_bytes(entry)))
            })
            .collect()
    }
}

/// One page, as a process's page table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// In memory, and no other page table leads to it.
    Alone,
    /// In memory, and another page table leads to it as well.
    Shared,
    /// Not in memory, or not mapped at all.
    Absent,
}

impl Page {
    /// Decodes 64 bits of pagemap (the kernel's admin-guide/mm/pagemap): bit 63
    /// is set if the page is in memory, bit 56 if it is mapped exactly once.
    fn from_entry(entry: u64) -> Page {
        match (entry >> 63 & 1, entry >> 56 & 1) {
            (1, 1) => Page::Alone,
            (1, _) => Page::Shared,
            _ => Page::Absent,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Page::Alone => "its own",
            Page::Shared => "shared",
            Page::Absent => "gone",
        }
    }

    pub(crate) fn look(self) -> &'static str {
        match self {
            Page::Alone => "own",
            Page::Shared => "shared",
            Page::Absent => "free",
        }
    }
}
