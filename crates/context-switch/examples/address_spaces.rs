//! What changes when the kernel switches to another process: not the memory,
//! but the page table in use.
//!
//! A process with 64 MiB in memory forks a child. Then the two take turns.

use std::error::Error;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use context_switch::{Counters, Pages, Pinned, Placement};
use nix::unistd::{Pid, gettid};
use processes::fork;

/// The size of the page tables that a thread of this process uses, in KiB.
fn page_tables(tid: Pid) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/self/task/{tid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPTE:"));
    let size = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok());
    size.ok_or_else(|| io::Error::other("there is no line VmPTE"))
}

/// What the child of a game did: its word, its page tables, its page faults.
type Heard = [u64; 4];

// ANCHOR: game
/// Takes turns with a forked child, so many times. Each side reads a word of
/// every page before it hands over. Returns what the kernel counted here
/// meanwhile, and what the child says.
fn take_turns(pages: &Pages, trips: u32) -> Result<(Counters, Heard), Box<dyn Error>> {
    let ((mut from_child, mut to_parent), (mut from_parent, mut to_child)) =
        (io::pipe()?, io::pipe()?);
    let lines_of_a_page = pages.lines() / pages.count();
    let look =
        || (0..pages.count()).for_each(|page| _ = pages.line(page * lines_of_a_page).load(Relaxed));
    let mut child = fork(|| {
        let mut serve = || answer(&mut from_parent, &mut to_parent, trips, pages, look);
        i32::from(serve().is_err())
    })?;
    drop(to_parent);
    let mut trip = || -> io::Result<()> {
        look();
        to_child.write_all(b"o")?;
        from_child.read_exact(&mut [0])
    };
    // The first reading of the counters causes page faults itself.
    Counters::of_this_thread()?;
    (0..4).try_for_each(|_| trip())?;
    let before = Counters::of_this_thread()?;
    (0..trips).try_for_each(|_| trip())?;
    let counted = Counters::of_this_thread()?.since(&before);
    let mut heard = [0; 32];
    from_child.read_exact(&mut heard)?;
    child.wait()?;
    let number = |place: usize| heard[8 * place..][..8].try_into().map(u64::from_ne_bytes);
    let heard = [number(0)?, number(1)?, number(2)?, number(3)?];
    Ok((counted, heard))
}
// ANCHOR_END: game

fn answer(
    from: &mut PipeReader,
    to: &mut PipeWriter,
    trips: u32,
    pages: &Pages,
    look: impl Fn(),
) -> io::Result<()> {
    pages.line(0).store(2, Relaxed);
    let mut turn = || {
        from.read_exact(&mut [0])?;
        look();
        to.write_all(b"o")
    };
    Counters::of_this_thread()?;
    (0..4).try_for_each(|_| turn())?;
    let before = Counters::of_this_thread()?;
    (0..trips).try_for_each(|_| turn())?;
    let faults = Counters::of_this_thread()?.since(&before);
    let word = u64::from(pages.line(0).load(Relaxed));
    for number in [
        word,
        page_tables(gettid())?,
        faults.minor_faults,
        faults.major_faults,
    ] {
        to.write_all(&number.to_ne_bytes())?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let large = Pages::private_bytes(64 << 20)?;
    large.touch();
    // One thread asks for both, at the same moment.
    let main = gettid();
    let ask = move || Ok((page_tables(main)?, page_tables(gettid())?));
    let asked: io::Result<(u64, u64)> = thread::spawn(ask).join().expect("it only reads");
    let (here, thread) = asked?;
    let (parent, [word, child, minor, major]) = take_turns(&large, 200)?;
    println!("page tables of this thread           {here} KiB");
    println!("page tables of another thread        {thread} KiB");
    println!("page tables of the child             {child} KiB");
    println!(
        "the word at one address, here        {}",
        large.line(0).load(Relaxed)
    );
    println!("the word at that address, child      {word}");
    println!("in 400 switches between the two processes:");
    println!(
        "  pages read from a disk             {}",
        parent.major_faults + major
    );
    println!(
        "  other page faults                  {}",
        parent.minor_faults + minor
    );

    Ok(())
}
