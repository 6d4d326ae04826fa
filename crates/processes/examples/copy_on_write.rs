//! Which pages a parent and its forked child share, page by page, as
//! `/proc/PID/pagemap` says: after a fork, after reads and writes, and after the
//! child has ended. It counts over 1,000 pages.

mod pages;

use std::error::Error;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};

use pages::{Page, Pages};
use processes::{Child, fork, proc};

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
fn main() -> Result<(), Box<dyn Error>> {
    let pages = Pages::new(1000)?;
    let me = std::process::id().cast_signed();
    println!("                                      pages shared   the child's own   copied");
    let mut child = Stepping::fork(|order| match order {
        READ_ALL => (0..pages.count).for_each(|page| _ = pages.read(page)),
        WRITE_ONE => pages.write(500, 1),
        _ => (0..pages.count).for_each(|page| pages.write(page, 1)),
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
