//! FILL IN: what this is, in a sentence, with a picture or an example below.
//!
//! ```text
//! let counter = Counter::new(1);
//! counter.add(2);
//! assert_eq!(counter.sum(), 3);
//! ```

/// FILL IN: what it is and promises: who may share it, what a panic does to it.
#[derive(Debug)]
pub struct Counter {
    // FILL IN: fields that the learner is given, or none.
}

impl Counter {
    /// - C1: FILL IN: what it promises, on which errors, when it panics. Each clause has its number.
    pub fn new(start: u64) -> Self {
        let _ = start;
        todo!("FILL IN: what to do here, in a few words")
    }

    /// - C2: FILL IN: the contract, units and edges included.
    pub fn add(&self, amount: u64) {
        let _ = amount;
        todo!("FILL IN: what to do here, in a few words")
    }

    /// - C3: FILL IN: the contract; and keep every signature as the solution has it.
    pub fn sum(&self) -> u64 {
        todo!("FILL IN: what to do here, in a few words")
    }
}
