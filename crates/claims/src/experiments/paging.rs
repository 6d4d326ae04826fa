//! What the kernel loads when a program starts.

use context_switch::{Counters, Pages};

use super::claim;
use crate::verdict::{does_not_hold, holds, holds_when, too_noisy};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("paging.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(8 Half [Office]
    "When a program starts, the operating system loads its code and allocates its memory."
    a_page_is_there_once_it_is_touched)];

/// Asks for memory, and then touches it page by page. Each time that the kernel has
/// to provide a page, it counts a page fault. The program's own file is mapped into
/// memory too, so the experiment also looks at how much of it is there.
fn a_page_is_there_once_it_is_touched(record: &mut Record) -> Judged {
    const PAGES: u64 = 256;
    let faults = || Counters::of_this_thread().map(|counters| counters.minor_faults);
    // The first count may cause page faults itself, so it is not used.
    faults()?;
    let start = faults()?;
    let pages = Pages::private(PAGES as usize)?;
    let asked = faults()?;
    pages.touch();
    let touched = faults()?;
    let (for_asking, for_touching) = (asked - start, touched - asked);
    record.fact("page faults while asking for 256 pages", for_asking);
    record.fact("page faults while touching each of them once", for_touching);
    let (mapped, present) = own_program()?;
    record.fact(
        "size of this program's own file as it is mapped",
        format!("{mapped} KiB"),
    );
    record.fact(
        "how much of it is in memory so far",
        format!("{present} KiB"),
    );
    match (for_asking < PAGES / 4, for_touching >= PAGES / 2) {
        (true, true) => holds_when(format!(
            "the program uses the code and the memory. At the start the kernel only reserves \
             addresses, and it brings each page into memory at the first access. The number of \
             page faults was {for_asking} while asking for {PAGES} pages, and {for_touching} while \
             touching each page once.",
        )),
        (false, false) => holds("The pages were in memory before the first access."),
        (true, false) => does_not_hold("Touching new pages caused hardly any page faults."),
        (false, true) => too_noisy("Asking for the pages caused many page faults itself."),
    }
}

/// Returns two sizes in KiB for the mappings of the program's own file: how much
/// address space they take, and how much of it is in memory.
fn own_program() -> std::io::Result<(u64, u64)> {
    let path = std::env::current_exe()?.to_string_lossy().into_owned();
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let (mut mapped, mut present, mut ours) = (0, 0, false);
    for line in smaps.lines() {
        let value = |rest: &str| rest.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        if let Some(rest) = line.strip_prefix("Size:") {
            mapped += if ours { value(rest) } else { 0 };
        } else if let Some(rest) = line.strip_prefix("Rss:") {
            present += if ours { value(rest) } else { 0_u64 };
        } else if line
            .split(' ')
            .next()
            .is_some_and(|word| word.contains('-'))
        {
            ours = line.ends_with(&path);
        }
    }
    Ok((mapped, present))
}
