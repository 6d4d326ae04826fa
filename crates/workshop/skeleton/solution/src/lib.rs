//! FILL IN: what this is, as in the exercise. The best engineers would sign this solution.
//!
//! ```text
//! let counter = Counter::new(1);
//! counter.add(2);
//! assert_eq!(counter.sum(), 3);
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

/// FILL IN: what it is and what it promises. Document the methods, too.
#[derive(Debug)]
pub struct Counter {
    sum: AtomicU64,
}

impl Counter {
    /// A counter that begins at `start`.
    pub fn new(start: u64) -> Self {
        Self {
            sum: AtomicU64::new(start),
        }
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        // Relaxed is enough: nothing else is published with the number.
        self.sum.fetch_add(amount, Ordering::Relaxed);
    }

    /// The start and everything that was added.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}
