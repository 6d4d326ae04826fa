//! The three ways to hand over the turn, each as a pair of ends.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;

use futex::shared as futex;

use super::gone;
use crate::Pages;

/// One side's end. Nothing here allocates or locks, because a forked child
/// calls it.
pub(super) trait Ends: Send {
    /// Gives the turn to the other side.
    fn send(&mut self) -> io::Result<()>;

    /// Waits until the other side gives the turn back. From time to time it
    /// calls `is_there` to find out whether the other side still exists, unless
    /// the kernel reports that by itself.
    fn wait(&mut self, is_there: impl Fn() -> bool) -> io::Result<()>;
}

/// Two pipes. When a side ends, the kernel closes its ends of the pipes, and
/// the other side reads an end of file.
pub(super) struct Pipe {
    from: PipeReader,
    to: PipeWriter,
}

impl Pipe {
    pub(super) fn pair() -> io::Result<(Pipe, Pipe)> {
        let ((from_here, to_there), (from_there, to_here)) = (io::pipe()?, io::pipe()?);
        let here = Pipe {
            from: from_there,
            to: to_there,
        };
        let there = Pipe {
            from: from_here,
            to: to_here,
        };
        Ok((here, there))
    }
}

impl Ends for Pipe {
    fn send(&mut self) -> io::Result<()> {
        // `write_all` goes on after a signal.
        self.to.write_all(b"!")
    }

    fn wait(&mut self, _: impl Fn() -> bool) -> io::Result<()> {
        // `read_exact` goes on after a signal, too.
        self.from.read_exact(&mut [0])
    }
}

/// One side's view of the word that says which side has the turn: 0 for here, 1
/// for there.
struct Turn<'a> {
    word: &'a AtomicU32,
    mine: u32,
}

impl Turn<'_> {
    fn pair(page: &Pages) -> (Turn<'_>, Turn<'_>) {
        // SAFETY: four zero bytes are a valid `AtomicU32`.
        let word = unsafe { page.first::<AtomicU32>() };
        (Turn { word, mine: 0 }, Turn { word, mine: 1 })
    }

    fn is_mine(&self) -> bool {
        self.word.load(Acquire) == self.mine
    }

    fn give_away(&self) {
        self.word.store(1 - self.mine, Release);
    }
}

/// An end that sleeps in the kernel until the word changes.
pub(super) struct Futex<'a>(Turn<'a>);

impl Futex<'_> {
    pub(super) fn pair(page: &Pages) -> (Futex<'_>, Futex<'_>) {
        let (here, there) = Turn::pair(page);
        (Futex(here), Futex(there))
    }
}

impl Ends for Futex<'_> {
    fn send(&mut self) -> io::Result<()> {
        // Store first: a side that is woken before the store would sleep again.
        self.0.give_away();
        futex::wake_one(self.0.word);
        Ok(())
    }

    fn wait(&mut self, is_there: impl Fn() -> bool) -> io::Result<()> {
        /// The time between two checks whether the other side still exists.
        const PATIENCE: Duration = Duration::from_millis(200);
        while !self.0.is_mine() {
            // The kernel lets this side sleep only while the word still gives
            // the turn to the other side; otherwise the call returns at once
            // (EAGAIN). After that, after a signal (EINTR) and after the
            // timeout the loop checks the word again.
            let in_time = futex::wait_timeout(self.0.word, 1 - self.0.mine, PATIENCE);
            if !in_time && !self.0.is_mine() && !is_there() {
                return Err(gone());
            }
        }
        Ok(())
    }
}

/// An end that polls the word until it changes.
pub(super) struct Spin<'a>(Turn<'a>);

impl Spin<'_> {
    pub(super) fn pair(page: &Pages) -> (Spin<'_>, Spin<'_>) {
        let (here, there) = Turn::pair(page);
        (Spin(here), Spin(there))
    }
}

impl Ends for Spin<'_> {
    fn send(&mut self) -> io::Result<()> {
        self.0.give_away();
        Ok(())
    }

    fn wait(&mut self, is_there: impl Fn() -> bool) -> io::Result<()> {
        let mut looks: u32 = 0;
        while !self.0.is_mine() {
            std::hint::spin_loop();
            looks = looks.wrapping_add(1);
            // This happens every few milliseconds, which is rare enough to cost
            // nothing.
            if looks.is_multiple_of(1 << 18) && !self.0.is_mine() && !is_there() {
                return Err(gone());
            }
        }
        Ok(())
    }
}
