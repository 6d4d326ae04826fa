//! A ring of numbers in memory that two processes share, made by hand: the
//! first versions of what `ipc::ring` does.

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futex::shared as futex;
use memmap2::MmapRaw;
use nix::sys::memfd::{MFdFlags, memfd_create};

pub(crate) const SLOTS: u32 = 8;

/// What the two processes share. At first, all of it is zero.
#[repr(C)]
struct Shared {
    /// How many numbers the sender has put in. Only the sender writes it.
    put: AtomicU32,
    /// How many numbers the receiver has taken out. Only the receiver writes
    /// it.
    taken: AtomicU32,
    slots: [AtomicU64; SLOTS as usize],
}

/// One sender puts numbers in, and one receiver takes them out.
pub(crate) struct Ring {
    memory: MmapRaw,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Ring> {
        let file = File::from(memfd_create("ring", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(size_of::<Shared>() as u64)?;
        let memory = MmapRaw::map_raw(&file)?;
        Ok(Ring { memory })
    }

    fn shared(&self) -> &Shared {
        // SAFETY: the mapping is as large as `Shared`, begins at a page, and
        // lives as long as `self`. All of `Shared` is atomics, for which any
        // bits are valid and which another process may change.
        unsafe { &*self.memory.as_mut_ptr().cast() }
    }

    /// Puts a number in. Returns false if the ring is full.
    pub(crate) fn put(&self, number: u64) -> bool {
        let shared = self.shared();
        let put = shared.put.load(Ordering::Relaxed);
        if put.wrapping_sub(shared.taken.load(Ordering::Acquire)) == SLOTS {
            return false;
        }
        shared.slots[(put % SLOTS) as usize].store(number, Ordering::Relaxed);
        // Release: a receiver that sees the new count also sees the number.
        shared.put.store(put.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes a number out, or returns `None` if the ring is empty.
    pub(crate) fn take(&self) -> Option<u64> {
        let shared = self.shared();
        let taken = shared.taken.load(Ordering::Relaxed);
        if shared.put.load(Ordering::Acquire) == taken {
            return None;
        }
        let number = shared.slots[(taken % SLOTS) as usize].load(Ordering::Relaxed);
        // Release: the slot was read before the sender may use it again.
        let taken = taken.wrapping_add(1);
        shared.taken.store(taken, Ordering::Release);
        Some(number)
    }

    /// The word that changes whenever the sender puts a number in.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.shared().put
    }

    /// Puts a number in and wakes the receiver. Returns false if the ring is
    /// full.
    pub(crate) fn send(&self, number: u64) -> bool {
        let sent = self.put(number);
        futex::wake_one(self.word());
        sent
    }

    /// Takes a number out. Sleeps while the ring is empty.
    pub(crate) fn receive(&self) -> u64 {
        loop {
            let seen = self.word().load(Ordering::Relaxed);
            if let Some(number) = self.take() {
                return number;
            }
            // The kernel puts this thread to sleep only if the word still has
            // the value that it had before `take` looked.
            futex::wait_timeout(self.word(), seen, Duration::MAX);
        }
    }
}
