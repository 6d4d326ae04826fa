//! Random programs, the same in every run.

use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

use interleave_search::{Change, Guard};

use super::{Instruction, Program, Value};

/// A generator of numbers: SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014).
pub(crate) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A program of loads, stores, read-modify-writes and fences.
    pub(crate) fn atomics(&mut self) -> Program {
        let threads = 2 + self.below(2);
        let most = if threads == 2 { 4 } else { 3 + self.below(2) };
        // Half of the programs are rich in SeqCst.
        let strong = self.below(2) == 0;
        Program {
            initial: vec![0; 2],
            threads: (0..threads)
                .map(|_| {
                    let length = 1 + self.below(most);
                    (0..length).map(|into| self.access(into, strong)).collect()
                })
                .collect(),
        }
    }

    fn order(&mut self, of: &[Ordering], strong: bool) -> Ordering {
        match strong && self.below(2) == 0 {
            true => SeqCst,
            false => self.pick(of),
        }
    }

    fn access(&mut self, into: usize, strong: bool) -> Instruction {
        let at = self.below(2);
        let value = 1 + self.below(2) as u64;
        match self.below(10) {
            0..=3 => Instruction::Load {
                at,
                order: self.order(&[Relaxed, Acquire, SeqCst], strong),
                into,
                when: Guard::Always,
            },
            4..=6 => Instruction::Store {
                at,
                value: Value::Const(value),
                order: self.order(&[Relaxed, Release, SeqCst], strong),
            },
            7 | 8 => {
                let change = match self.below(3) {
                    0 => Change::Add(value),
                    1 => Change::Swap(value),
                    _ => Change::CompareExchange(self.below(2) as u64, value),
                };
                Instruction::Update {
                    at,
                    change,
                    order: self.order(&[Relaxed, Acquire, Release, AcqRel, SeqCst], strong),
                    failure: self.order(&[Relaxed, Acquire, SeqCst], strong),
                    into,
                    when: Guard::Always,
                    spurious: self.below(2) == 0,
                }
            }
            _ => Instruction::Fence(self.order(&[Acquire, Release, AcqRel, SeqCst], strong)),
        }
    }

    /// The same, with loads and read-modify-writes that wait for a value.
    pub(crate) fn spinning(&mut self) -> Program {
        let mut program = self.atomics();
        for instruction in program.threads.iter_mut().flatten() {
            let guard = match self.below(8) {
                0 => Guard::Equals(1),
                1 => Guard::Differs(0),
                2 => Guard::AtLeast(2),
                3 => Guard::Equals(0),
                _ => Guard::Always,
            };
            if let Instruction::Load { when, .. } | Instruction::Update { when, .. } = instruction {
                *when = guard;
            }
        }
        program
    }

    /// A program of locks, semaphores, bounded queues and gates.
    pub(crate) fn waiting(&mut self) -> Program {
        let threads = 2 + self.below(3);
        let most = match threads {
            2 => 6,
            3 => 4,
            _ => 3,
        };
        let initial = vec![0, 0, self.below(3) as u64, self.below(2) as u64, 0];
        let mut code = vec![Vec::new(); threads];
        for (number, thread) in code.iter_mut().enumerate() {
            let length = 1 + self.below(most);
            while thread.len() < length {
                match self.below(11) {
                    // A condition variable: one bit for each thread that waits.
                    0 => {
                        thread.push(step(4, Guard::Always, Change::Or(1 << number)));
                        let spurious = self.below(4) == 0;
                        thread.push(wake_up(number, spurious));
                    }
                    1 => thread.push(step(4, Guard::Always, Change::TakeBit)),
                    2 => thread.push(step(4, Guard::Always, Change::Swap(0))),
                    // A critical section, perhaps with something in it.
                    3..=6 => {
                        let lock = self.below(2);
                        thread.push(step(lock, Guard::Equals(0), Change::Swap(1)));
                        if self.below(2) == 0 {
                            let inner = self.wait_or_signal();
                            thread.push(inner);
                        }
                        thread.push(step(lock, Guard::Always, Change::Swap(0)));
                    }
                    // A lock that is never released.
                    7 => thread.push(step(self.below(2), Guard::Equals(0), Change::Swap(1))),
                    _ => {
                        let inner = self.wait_or_signal();
                        thread.push(inner);
                    }
                }
            }
        }
        Program {
            initial,
            threads: code,
        }
    }

    fn wait_or_signal(&mut self) -> Instruction {
        let at = 2 + self.below(2);
        match self.below(4) {
            // A semaphore, or a queue from which something is received.
            0 => step(at, Guard::AtLeast(1), Change::Add(u64::MAX)),
            1 => step(at, Guard::Always, Change::Add(1)),
            // A queue with room for one or two.
            2 => step(at, Guard::Below(1 + self.below(2) as u64), Change::Add(1)),
            _ => step(at, Guard::Differs(0), Change::Add(u64::MAX)),
        }
    }
}

/// The end of a wait for a notification.
fn wake_up(thread: usize, spurious: bool) -> Instruction {
    Instruction::Update {
        at: 4,
        change: Change::And(!(1 << thread)),
        order: AcqRel,
        failure: Acquire,
        into: 0,
        when: Guard::Without(1 << thread),
        spurious,
    }
}

fn step(at: usize, when: Guard, change: Change) -> Instruction {
    Instruction::Update {
        at,
        change,
        order: AcqRel,
        failure: Acquire,
        into: 0,
        when,
        spurious: false,
    }
}
