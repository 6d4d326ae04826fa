//! Which pages a parent and its forked child share, page by page, as
//! `/proc/PID/pagemap` says: before the fork, after it, after a write, and after
//! the child has ended.
//!
//! `cargo run -p processes --example copy_on_write` counts over 1,000 pages;
//! with `-- --trace` it prints the trace of 4 pages that the book draws.

use std::error::Error;
use std::ffi::c_void;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};
use nix::unistd::{SysconfVar, sysconf};
use processes::{Child, Pid, fork, proc};

/// Memory of this process alone, in pages that have all been written.
struct Pages {
    start: NonNull<c_void>,
    count: usize,
    /// The size of a page in bytes: 4096 on most machines.
    size: usize,
}

impl Pages {
    fn new(count: usize) -> nix::Result<Pages> {
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
        (0..count).for_each(|page| pages.write(page));
        Ok(pages)
    }

    /// The address of a page.
    fn first_byte(&self, page: usize) -> NonNull<u8> {
        assert!(page < self.count);
        // SAFETY: the page is in the mapping.
        unsafe { self.start.cast().add(page * self.size) }
    }

    /// Reads one byte of a page.
    fn read(&self, page: usize) {
        // SAFETY: the mapping lives until the program ends, and nobody writes now.
        unsafe { self.first_byte(page).read_volatile() };
    }

    /// Writes one byte of a page.
    fn write(&self, page: usize) {
        // SAFETY: the mapping lives until the program ends, and nobody reads now.
        unsafe { self.first_byte(page).write_volatile(1) };
    }

    /// What a process's page table says about each of these pages. The same
    /// addresses mean something in a forked child, too.
    fn look(&self, pid: Pid) -> io::Result<Vec<Page>> {
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
enum Page {
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

    fn name(self) -> &'static str {
        match self {
            Page::Alone => "its own",
            Page::Shared => "shared",
            Page::Absent => "gone",
        }
    }

    fn look(self) -> &'static str {
        match self {
            Page::Alone => "own",
            Page::Shared => "shared",
            Page::Absent => "free",
        }
    }
}

/// A forked child that does one thing each time that it gets a byte.
struct Stepping {
    child: Child,
    go: PipeWriter,
    done: PipeReader,
}

impl Stepping {
    fn fork(mut step: impl FnMut(u8)) -> io::Result<Stepping> {
        let (orders, go) = pipe()?;
        let (done, mut say_done) = pipe()?;
        let child = fork(|| {
            let mut order = [0];
            while (&orders).read_exact(&mut order).is_ok() {
                step(order[0]);
                if say_done.write_all(&order).is_err() {
                    break;
                }
            }
            0
        })?;
        Ok(Stepping { child, go, done })
    }

    fn order(&mut self, order: u8) -> io::Result<()> {
        self.go.write_all(&[order])?;
        self.done.read_exact(&mut [0])
    }

    fn faults(&self) -> io::Result<u64> {
        Ok(proc::stat(self.child.pid())?.minor_faults)
    }
}

fn count(pages: &[Page], of: Page) -> usize {
    pages.iter().filter(|&&page| page == of).count()
}

const READ_ALL: u8 = 0;
const WRITE_ONE: u8 = 1;
const WRITE_ALL: u8 = 2;

/// Lets a child read and write among 1,000 pages, and counts after each step.
fn report() -> Result<(), Box<dyn Error>> {
    let pages = Pages::new(1000)?;
    let me = std::process::id().cast_signed();
    println!("                                      pages shared   the child's own   copied");
    let mut child = Stepping::fork(|order| match order {
        READ_ALL => (0..pages.count).for_each(|page| pages.read(page)),
        WRITE_ONE => pages.write(500),
        _ => (0..pages.count).for_each(|page| pages.write(page)),
    })?;
    let line = |what: &str, child: &Stepping, before: u64| -> io::Result<()> {
        let seen = pages.look(child.child.pid())?;
        let (shared, own) = (count(&seen, Page::Shared), count(&seen, Page::Alone));
        println!(
            "{what:<38}{shared:>12}{own:>18}{:>9}",
            (own as u64).saturating_sub(before)
        );
        Ok(())
    };
    line("after the fork", &child, 0)?;
    child.order(READ_ALL)?;
    line("the child has read every page", &child, 0)?;
    child.order(WRITE_ONE)?;
    line("the child has written to one page", &child, 0)?;
    let faults = child.faults()?;
    child.order(WRITE_ALL)?;
    line("the child has written to every page", &child, 1)?;
    let faults = child.faults()? - faults;
    println!(
        "page faults of the child in the last step: at least one for each copy: {}",
        faults >= 999
    );
    drop(child);
    let left = count(&pages.look(me)?, Page::Alone);
    println!("the child is gone: the parent has {left} pages of its own");
    Ok(())
}

/// Takes a picture of 4 pages at each step, and prints all of them as one JSON
/// object.
fn trace() -> Result<(), Box<dyn Error>> {
    let pages = Pages::new(4)?;
    let me = std::process::id().cast_signed();
    let mut pictures = vec![("parent, before", pages.look(me)?)];
    let mut child = Stepping::fork(|_| pages.write(2))?;
    let pid = child.child.pid();
    pictures.push(("parent, forked", pages.look(me)?));
    pictures.push(("child, forked", pages.look(pid)?));
    child.order(WRITE_ONE)?;
    pictures.push(("parent, written", pages.look(me)?));
    pictures.push(("child, written", pages.look(pid)?));
    drop(child);
    pictures.push(("parent, at the end", pages.look(me)?));
    println!("{}", json(&pictures));
    Ok(())
}

/// The pictures as a trace of the kind "map". A link joins two cells that lead to
/// the same page in memory: both tables call it shared.
fn json(pictures: &[(&str, Vec<Page>)]) -> String {
    let columns: Vec<String> = pictures
        .iter()
        .map(|(name, pages)| {
            let cells: Vec<String> = (pages.iter().enumerate())
                .map(|(number, page)| {
                    let (value, look) = (page.name(), page.look());
                    format!(r#"{{"label":"page {number}","value":"{value}","look":"{look}"}}"#)
                })
                .collect();
            format!(r#"{{"name":"{name}","cells":[{}]}}"#, cells.join(","))
        })
        .collect();
    let mut links = String::new();
    for pair in [(1, 2), (3, 4)] {
        let both = pictures[pair.0].1.iter().zip(&pictures[pair.1].1);
        for (cell, _) in both
            .enumerate()
            .filter(|(_, pages)| *pages == (&Page::Shared, &Page::Shared))
        {
            let comma = if links.is_empty() { "" } else { "," };
            let (from, to) = pair;
            _ = write!(
                links,
                r#"{comma}{{"from":{{"column":{from},"cell":{cell}}},"to":{{"column":{to},"cell":{cell}}}}}"#
            );
        }
    }
    let columns = columns.join(",");
    format!(r#"{{"kind":"map","columns":[{columns}],"links":[{links}]}}"#)
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("--trace") => trace(),
        _ => report(),
    }
}
