//! What a switch costs afterwards: two processes read 0, 16, 64, 256 or 1,024
//! pages of their own, line by line, before they hand over.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use context_switch::sampling::{Interval, Nanoseconds, Samples, interleave, median_of, ratio};
use context_switch::{Pages, Pinned, Placement};
use processes::fork;

/// Round trips that do not count.
const WARM_UP: usize = 2;

// ANCHOR: memory
/// Memory of one process. Each line holds the number of the next line to read,
/// so the processor cannot fetch a line before it has the one before.
struct Memory {
    pages: Option<Pages>,
    lines: u32,
}

impl Memory {
    fn of(count: usize) -> io::Result<Memory> {
        let pages = (count > 0).then(|| Pages::private(count)).transpose()?;
        let lines = pages.as_ref().map_or(0, |pages| pages.lines() as u32);
        let memory = Memory { pages, lines };
        memory.write();
        Ok(memory)
    }

    /// Numbers the lines so that one walk visits all of them, in an order that
    /// the processor does not guess. The number of lines is a power of two.
    fn write(&self) {
        let Some(pages) = &self.pages else { return };
        for line in 0..self.lines {
            let next = line.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            pages.line(line as usize).store(next % self.lines, Relaxed);
        }
    }

    fn walk(&self) {
        let Some(pages) = &self.pages else { return };
        let mut line = 0;
        for _ in 0..self.lines {
            line = pages.line(line as usize).load(Relaxed);
        }
        std::hint::black_box(line);
    }
}
// ANCHOR_END: memory

// ANCHOR: game
/// Nanoseconds for a round trip in which each side walks once.
fn with_switches(count: usize, trips: usize) -> Result<f64, Box<dyn Error>> {
    let ((mut from_child, mut to_parent), (mut from_parent, mut to_child)) =
        (io::pipe()?, io::pipe()?);
    let memory = Memory::of(count)?;
    let mut child = fork(|| {
        // From here on, the child has pages of its own.
        memory.write();
        let mut answer = || -> io::Result<()> {
            from_parent.read_exact(&mut [0])?;
            memory.walk();
            to_parent.write_all(b"o")
        };
        i32::from((0..WARM_UP + trips).any(|_| answer().is_err()))
    })?;
    let mut trip = || -> io::Result<()> {
        memory.walk();
        to_child.write_all(b"o")?;
        from_child.read_exact(&mut [0])
    };
    (0..WARM_UP).try_for_each(|_| trip())?;
    let started = Instant::now();
    (0..trips).try_for_each(|_| trip())?;
    let elapsed = started.elapsed();
    child.wait()?;
    Ok(elapsed.as_nanos() as f64 / trips as f64)
}

/// Nanoseconds for the same two walks, without a switch.
fn alone(count: usize, trips: usize) -> Result<f64, Box<dyn Error>> {
    let memory = Memory::of(count)?;
    (0..WARM_UP).for_each(|_| memory.walk());
    let started = Instant::now();
    (0..2 * trips).for_each(|_| memory.walk());
    Ok(started.elapsed().as_nanos() as f64 / trips as f64)
}
// ANCHOR_END: game

fn main() -> Result<(), Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    println!("pages of    one walk    a hand-over adds              walk and hand-over,");
    println!("each side   alone                                     against the walk alone");
    // The longer the walk, the fewer round trips, so that the program ends.
    for (name, count, trips) in [
        ("0", 0, 100),
        ("16", 16, 100),
        ("64", 64, 20),
        ("256", 256, 4),
        ("1,024", 1024, 1),
    ] {
        let works = RefCell::new(Vec::new());
        let mut with = || {
            works.borrow_mut().push(alone(count, trips)?);
            with_switches(count, trips)
        };
        let rounds = if count < 1024 { 31 } else { 15 };
        let with = interleave(rounds, &mut [&mut with])?.remove(0);
        let alone = Samples::new(works.take())?;
        let pairs = with.values().iter().zip(alone.values());
        let added = Samples::new(pairs.map(|(with, alone)| (with - alone) / 2.0).collect())?;
        let Interval { middle, low, high } = median_of(&added);
        let [middle, low, high] = [middle, low, high].map(Nanoseconds);
        let walk = Nanoseconds(alone.median() / 2.0);
        let added = format!("{middle} ({low} to {high})");
        print!("{name:>9} {walk:>11}    {added:30}");
        if count == 0 {
            println!("no walk");
            continue;
        }
        let Interval { middle, low, high } = ratio(&with, &alone)?;
        println!("{middle:.2} times ({low:.2} to {high:.2})");
    }
    Ok(())
}
