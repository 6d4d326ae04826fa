//! Random schedules from fixed seeds: the same ones on every machine.
//!
//! Every other schedule is a uniform walk; the rest are PCT (Burckhardt et al., "A Randomized
//! Scheduler with Probabilistic Guarantees of Finding Bugs", 2010): threads have random priorities,
//! the highest runs, and at a few random steps the running thread's becomes the lowest.

use super::exhaustive::Choice;

/// Steps at which PCT changes priorities.
const CHANGES: usize = 3;

/// In every other pair of schedules, each thread that spins may go on once for this many looks,
/// although others could run. So spins that give up are followed to their end. The number is far
/// smaller than the number of looks that count as a spin without end.
pub(super) const PATIENCE: i32 = 200;

pub(super) struct Random {
    number: u64,
    state: u64,
    priorities: Vec<u64>,
    changes: [u64; CHANGES],
    step: u64,
    longest: u64,
    /// The threads whose patience has been granted.
    granted: Vec<usize>,
}

impl Random {
    pub(super) fn new() -> Self {
        Self {
            number: 0,
            state: 0,
            priorities: Vec::new(),
            changes: [0; CHANGES],
            step: 0,
            longest: 20,
            granted: Vec::new(),
        }
    }

    /// Begins the next schedule.
    pub(super) fn begin(&mut self) {
        self.longest = self.longest.max(self.step);
        self.number += 1;
        self.state = self.number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.step = 0;
        self.granted.clear();
        self.priorities.clear();
        let longest = self.longest;
        self.changes = std::array::from_fn(|_| self.next() % longest);
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Whether a thread that spins may go on.
    pub(super) fn be_patient(&mut self, thread: usize) -> bool {
        let patient = self.number % 4 >= 2 && !self.granted.contains(&thread);
        if patient {
            self.granted.push(thread);
        }
        patient
    }

    pub(super) fn choose(&mut self, choices: &[Choice]) -> usize {
        self.step += 1;
        if choices.len() == 1 {
            return choices[0].0;
        }
        if self.number % 2 == 1 {
            let pick = self.next() % choices.len() as u64;
            return choices[usize::try_from(pick).unwrap_or(0)].0;
        }
        let threads = choices
            .iter()
            .map(|(thread, _)| thread + 1)
            .max()
            .unwrap_or(0);
        while self.priorities.len() < threads {
            // Higher than every priority that `changes` gives.
            let priority = self.next() | (1 << 63);
            self.priorities.push(priority);
        }
        let highest = |priorities: &[u64]| {
            choices
                .iter()
                .map(|(thread, _)| *thread)
                .max_by_key(|thread| priorities[*thread])
                .unwrap_or(0)
        };
        let mut thread = highest(&self.priorities);
        if self.changes.contains(&self.step) {
            self.priorities[thread] = (1 << 32) - self.step;
            thread = highest(&self.priorities);
        }
        thread
    }
}
