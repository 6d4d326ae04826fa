//! FILL IN: what this is, in one sentence, with a picture or an example below it.
//!
//! ```text
//! let counter = Counter::new(1);
//! counter.add(2);
//! assert_eq!(counter.sum(), 3);
//! ```

/// FILL IN: what it is, what it promises, who may share it, and what a panic does to it.
#[derive(Debug)]
pub struct Counter {
    // FILL IN: the fields that the learner is given, or none.
}

impl Counter {
    /// - C1: FILL IN: what it promises, on which errors, when it panics. Each clause has a number.
    pub fn new(start: u64) -> Self {
        let _ = start;
        todo!("FILL IN: what to do here, in a few words")
    }

    /// - C2: FILL IN: the contract, with its units and its edges (0, the type's maximum).
    pub fn add(&self, amount: u64) {
        let _ = amount;
        todo!("FILL IN: what to do here, in a few words")
    }

    /// - C3: FILL IN: the contract. Keep every signature as the solution has it.
    pub fn sum(&self) -> u64 {
        todo!("FILL IN: what to do here, in a few words")
    }
}
