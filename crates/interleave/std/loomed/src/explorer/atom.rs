//! An atomic of any width and initial value, built on an atomic of loom that was made with 0.
//!
//! loom's atomic holds the difference from the initial value, in its topmost bits, so that
//! additions wrap around where they must. Loads, stores, swaps, exchanges and additions map one to
//! one; bitwise operations do so if the initial value is 0; otherwise they are loops of exchanges.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use interleave_model::kernel::engine::Change;
use loom::sync::atomic::AtomicU64;

pub(super) struct Atom {
    inner: AtomicU64,
    initial: u64,
    bits: u32,
    /// What was stored last, for an owner that reads it without a step.
    latest: Cell<u64>,
}

impl Atom {
    /// `inner` holds 0.
    pub(super) fn new(inner: AtomicU64, initial: u64, bits: u32) -> Self {
        Self {
            inner,
            initial,
            bits,
            latest: Cell::new(initial),
        }
    }

    fn up(&self, value: u64) -> u64 {
        value.wrapping_sub(self.initial) << (64 - self.bits)
    }

    fn down(&self, held: u64) -> u64 {
        let unused = 64 - self.bits;
        (held >> unused).wrapping_add(self.initial) & (u64::MAX >> unused)
    }

    pub(super) fn latest(&self) -> u64 {
        self.latest.get()
    }

    pub(super) fn load(&self, order: Ordering) -> u64 {
        self.down(self.inner.load(order))
    }

    pub(super) fn store(&self, value: u64, order: Ordering) {
        // See the engine's introduction.
        self.inner.swap(self.up(value), order);
        self.latest.set(value);
    }

    pub(super) fn rmw(&self, change: Change, success: Ordering, failure: Ordering) -> u64 {
        let old = match change {
            // Fails, unless the 64 bits are the number 1; then it stores what is already there.
            Change::Look => self.exchange(1, 1, success, failure).unwrap_or_else(|e| e),
            Change::Swap(new) => self.inner.swap(self.up(new), success),
            Change::CompareExchange(current, new) => self
                .exchange(self.up(current), self.up(new), success, failure)
                .unwrap_or_else(|e| e),
            Change::Add(value) => self.inner.fetch_add(value << (64 - self.bits), success),
            Change::And(value) if self.initial == 0 => {
                self.inner.fetch_and(self.up(value), success)
            }
            Change::Or(value) if self.initial == 0 => self.inner.fetch_or(self.up(value), success),
            Change::Xor(value) if self.initial == 0 => {
                self.inner.fetch_xor(self.up(value), success)
            }
            Change::And(_) | Change::Or(_) | Change::Xor(_) => {
                let mut held = self
                    .exchange(1, 1, Ordering::Relaxed, Ordering::Relaxed)
                    .unwrap_or_else(|e| e);
                loop {
                    let new = self.up(change.apply(self.down(held), self.bits));
                    match self.exchange(held, new, success, Ordering::Relaxed) {
                        Ok(held) => break held,
                        Err(newer) => held = newer,
                    }
                }
            }
        };
        let old = self.down(old);
        self.latest.set(change.apply(old, self.bits));
        old
    }

    fn exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.inner.compare_exchange(current, new, success, failure)
    }
}
