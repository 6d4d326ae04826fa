//! What starting a program loads.

use super::claim;
use crate::verdict::{does_not_hold, holds, holds_when, too_noisy};
use crate::{Claim, Judged, Record};
use context_switch::{Counters, Pages};

const SOURCE: &str = include_str!("paging.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(8 Half [Office]
    "When a program is started, the system loads its code and allocates its memory."
    a_page_is_there_once_it_is_touched)];

/// Memory is asked for, and then touched page by page; the kernel counts the
/// pages that it has to provide. The program's own file is mapped as well.
fn a_page_is_there_once_it_is_touched(record: &mut Record) -> Judged {
    const PAGES: u64 = 256;
    let faults = || Counters::of_this_thread().map(|counters| counters.minor_faults);
    // The counting itself must not be what is counted.
    faults()?;
    let start = faults()?;
    let pages = Pages::private(PAGES as usize)?;
    let asked = faults()?;
    pages.touch();
    let touched = faults()?;
    let (for_asking, for_touching) = (asked - start, touched - asked);
    record.fact("page faults for asking for 256 pages", for_asking);
    record.fact("for touching each of them once", for_touching);
    let (mapped, present) = own_program()?;
    record.fact(
        "of this program's own file are mapped",
        format!("{mapped} KiB"),
    );
    record.fact("and in memory so far", format!("{present} KiB"));
    match (for_asking < PAGES / 4, for_touching >= PAGES / 2) {
        (true, true) => holds_when(
            "it comes to use them: code and memory are promised at the start, \
             and brought page by page at the first touch",
        ),
        (false, false) => holds("the pages were there before the first touch"),
        (true, false) => does_not_hold("touching new pages took hardly any faults"),
        (false, true) => too_noisy("asking for pages took faults of its own"),
    }
}

/// Of the mappings of the program's own file, in KiB: how much address space,
/// and how much is in memory.
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
