//! The three ways to hand over the turn, each as a pair of ends.

use super::gone;
use crate::Pages;
use nix::errno::Errno;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

/// One side's end. Nothing here allocates or locks: a forked child calls it.
pub(super) trait Ends: Send {
    /// Gives the turn to the other side.
    fn send(&mut self) -> io::Result<()>;

    /// Waits until the other side gives it back. Now and then it asks whether
    /// the other side is there at all, unless the kernel tells by itself.
    fn wait(&mut self, is_there: impl Fn() -> bool) -> io::Result<()>;
}

/// Two pipes. When a side ends, the kernel closes its ends, and the other side
/// reads an end of file.
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
        // `read_exact`, too.
        self.from.read_exact(&mut [0])
    }
}

/// Whose turn it is: 0 here, 1 there.
struct Turn<'a> {
    word: &'a AtomicU32,
    mine: u32,
}

impl Turn<'_> {
    fn pair(page: &Pages) -> (Turn<'_>, Turn<'_>) {
        // SAFETY: an atomic of four zero bytes.
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

/// Sleeps in the kernel until the word changes.
pub(super) struct Futex<'a>(Turn<'a>);

impl Futex<'_> {
    pub(super) fn pair(page: &Pages) -> (Futex<'_>, Futex<'_>) {
        let (here, there) = Turn::pair(page);
        (Futex(here), Futex(there))
    }

    /// For a word that processes share: without `FUTEX_PRIVATE_FLAG`, which
    /// would make it a word of this process only.
    fn call(&self, operation: libc::c_int, value: u32, patience: Option<&libc::timespec>) -> i64 {
        let patience = patience.map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the word lives as long as `self`, the time as long as the
        // call; FUTEX_WAIT and FUTEX_WAKE write to neither.
        unsafe {
            let word = self.0.word.as_ptr();
            libc::syscall(libc::SYS_futex, word, operation, value, patience)
        }
    }
}

impl Ends for Futex<'_> {
    fn send(&mut self) -> io::Result<()> {
        // The store first: whoever is woken before it would sleep again.
        self.0.give_away();
        self.call(libc::FUTEX_WAKE, 1, None);
        Ok(())
    }

    fn wait(&mut self, is_there: impl Fn() -> bool) -> io::Result<()> {
        /// Between two looks whether the other side is there.
        const PATIENCE: libc::timespec = libc::timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        while !self.0.is_mine() {
            // It sleeps only if the word still says so, else (EAGAIN), after a
            // signal (EINTR) or at the end of patience it is looked at again.
            let slept = self.call(libc::FUTEX_WAIT, 1 - self.0.mine, Some(&PATIENCE));
            let timed_out = slept != 0 && Errno::last() == Errno::ETIMEDOUT;
            if timed_out && !self.0.is_mine() && !is_there() {
                return Err(gone());
            }
        }
        Ok(())
    }
}

/// Looks at the word until it changes.
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
            // Seldom enough to cost nothing: every few milliseconds.
            if looks.is_multiple_of(1 << 18) && !self.0.is_mine() && !is_there() {
                return Err(gone());
            }
        }
        Ok(())
    }
}
