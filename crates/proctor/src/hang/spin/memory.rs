//! The memory that a process could have changed, to compare before and after.

use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use processes::{Pid, proc};

use crate::warden::starts::read_memory;

const PAGE: u64 = 4096;
/// A process with more pages is not compared: it would be stopped for too long.
const MOST_PAGES: usize = 16_384;

/// The writable mappings of a process.
pub(super) struct Writable {
    ranges: Vec<(u64, u64)>,
}

impl Writable {
    /// `None` if memory is shared under a name: a process outside could change
    /// it.
    pub(super) fn of(pid: Pid) -> Option<Self> {
        let mut ranges = Vec::new();
        for mapping in proc::maps(pid).ok()? {
            if mapping.shared && mapping.path.as_deref() != Some("/dev/zero (deleted)") {
                return None;
            }
            if mapping.write {
                ranges.push((mapping.start, mapping.end));
            }
        }
        Some(Writable { ranges })
    }
}

/// What those mappings hold, as a hash of every page that is present.
#[derive(PartialEq, Eq)]
pub(super) struct Memory {
    pages: usize,
    hash: u64,
}

impl Memory {
    /// All of it except `own`, where the kernel writes notes for the observed
    /// thread.
    pub(super) fn of(pid: Pid, writable: &Writable, own: &Range<u64>) -> Option<Self> {
        use std::os::unix::fs::FileExt as _;
        let pagemap = std::fs::File::open(format!("/proc/{pid}/pagemap")).ok()?;
        let mut hasher = DefaultHasher::new();
        let mut pages = 0;
        let mut page = vec![0u8; PAGE as usize];
        for &(start, end) in &writable.ranges {
            let mut entries = vec![0u8; usize::try_from((end - start) / PAGE * 8).ok()?];
            pagemap.read_exact_at(&mut entries, start / PAGE * 8).ok()?;
            for (index, entry) in entries.chunks_exact(8).enumerate() {
                // Bit 63: present; bit 62: swapped. Neither: never touched.
                if entry[7] & 0b1100_0000 == 0 {
                    continue;
                }
                pages += 1;
                if pages > MOST_PAGES {
                    return None;
                }
                let address = start + index as u64 * PAGE;
                read_memory(pid, address, &mut page)?;
                blank(&mut page, address, own);
                hasher.write_u64(address);
                hasher.write(&page);
            }
        }
        Some(Memory {
            pages,
            hash: hasher.finish(),
        })
    }
}

/// Overwrites the part of a page that lies in `range` of the addresses.
fn blank(page: &mut [u8], address: u64, range: &Range<u64>) {
    let end = address + page.len() as u64;
    let (from, to) = (range.start.max(address), range.end.min(end));
    if from < to {
        page[(from - address) as usize..(to - address) as usize].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn only_what_lies_in_the_range_is_blanked() {
        let blanked = |range| {
            let mut page = [1u8; 4];
            blank(&mut page, 100, &range);
            page
        };
        assert_eq!(blanked(101..103), [1, 0, 0, 1]);
        assert_eq!(blanked(90..101), [0, 1, 1, 1]);
        assert_eq!(blanked(103..200), [1, 1, 1, 0]);
        assert_eq!(blanked(104..108), [1; 4]);
        assert_eq!(blanked(0..0), [1; 4]);
    }
}
