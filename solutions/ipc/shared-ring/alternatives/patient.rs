//! Every atomic is `SeqCst`, each wait looks a few times before it sleeps, and then sleeps for at most
//! 50 ms at a time. The mapping is made with nix and not with memmap2, and the file is extended with
//! `fallocate`.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

pub const PUT: usize = 0;
pub const TAKEN: usize = 1;
pub const SLOTS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no ring")
    }
}

impl std::error::Error for Broken {}

/// An end: its own count, and where that is stored.
struct End<'a> {
    words: &'a [AtomicU32],
    mine: usize,
    count: u32,
}

impl<'a> End<'a> {
    fn new(words: &'a [AtomicU32], mine: usize) -> Result<Self, Broken> {
        let slots = words.len().checked_sub(SLOTS).ok_or(Broken)?;
        if !slots.is_power_of_two() || slots > 1 << 31 {
            return Err(Broken);
        }
        let count = words[mine].load(SeqCst);
        let end = End { words, mine, count };
        end.look()?;
        Ok(end)
    }

    fn capacity(&self) -> u32 {
        (self.words.len() - SLOTS) as u32
    }

    fn theirs(&self) -> &AtomicU32 {
        &self.words[PUT + TAKEN - self.mine]
    }

    /// How many slots this end may use, and the count that said so.
    fn look(&self) -> Result<(u32, u32), Broken> {
        let theirs = self.theirs().load(SeqCst);
        let (filled, free) = if self.mine == PUT {
            let filled = self.count.wrapping_sub(theirs);
            (filled, self.capacity().wrapping_sub(filled))
        } else {
            (theirs.wrapping_sub(self.count), 0)
        };
        if filled > self.capacity() {
            return Err(Broken);
        }
        Ok((if self.mine == PUT { free } else { filled }, theirs))
    }

    fn wait(&self) -> Result<(), Broken> {
        for _ in 0..3 {
            if self.look()?.0 > 0 {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        loop {
            let (usable, theirs) = self.look()?;
            if usable > 0 {
                return Ok(());
            }
            futex::shared::wait_timeout(self.theirs(), theirs, Duration::from_millis(50));
        }
    }

    fn slot(&self) -> &AtomicU32 {
        &self.words[SLOTS + (self.count & (self.capacity() - 1)) as usize]
    }

    fn advance(&mut self) {
        self.count = self.count.wrapping_add(1);
        self.words[self.mine].store(self.count, SeqCst);
        futex::shared::wake_all(&self.words[self.mine]);
    }
}

pub struct Producer<'a>(End<'a>);

impl<'a> Producer<'a> {
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, Broken> {
        End::new(words, PUT).map(Producer)
    }

    pub fn try_push(&mut self, value: u32) -> Result<bool, Broken> {
        if self.0.look()?.0 == 0 {
            return Ok(false);
        }
        self.0.slot().store(value, SeqCst);
        self.0.advance();
        Ok(true)
    }

    pub fn push(&mut self, value: u32) -> Result<(), Broken> {
        while !self.try_push(value)? {
            self.0.wait()?;
        }
        Ok(())
    }
}

pub struct Consumer<'a>(End<'a>);

impl<'a> Consumer<'a> {
    pub fn new(words: &'a [AtomicU32]) -> Result<Self, Broken> {
        End::new(words, TAKEN).map(Consumer)
    }

    pub fn try_pop(&mut self) -> Result<Option<u32>, Broken> {
        if self.0.look()?.0 == 0 {
            return Ok(None);
        }
        let value = self.0.slot().load(SeqCst);
        self.0.advance();
        Ok(Some(value))
    }

    pub fn pop(&mut self) -> Result<u32, Broken> {
        loop {
            match self.try_pop()? {
                Some(value) => return Ok(value),
                None => self.0.wait()?,
            }
        }
    }
}

pub struct Mapping {
    memory: NonNull<u32>,
    words: usize,
}

impl Mapping {
    pub fn words(&self) -> &[AtomicU32] {
        // SAFETY: mapped until the drop, and only atomics access it.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no reference is left.
        unsafe { munmap(self.memory.cast(), self.words * 4) }.expect("a mapping");
    }
}

pub fn map(file: &File, capacity: u32) -> io::Result<Mapping> {
    if capacity.count_ones() != 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{capacity} is not a power of two"),
        ));
    }
    let words = capacity as usize + SLOTS;
    let bytes = words as u64 * 4;
    if file.metadata()?.len() < bytes {
        fallocate(file, FallocateFlags::empty(), 0, bytes.cast_signed())?;
    }
    let length = NonZeroUsize::new(words * 4).expect("two words or more");
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at an address that the kernel chooses.
    let memory = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file, 0) }?;
    Ok(Mapping {
        memory: memory.cast(),
        words,
    })
}
