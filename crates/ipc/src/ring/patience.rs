//! How an end of a ring waits: it spins, yields the CPU, and at last sleeps.

use std::hint::spin_loop;
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence, fence};
use std::thread;
use std::time::{Duration, Instant};

use futex::shared as futex;

use crate::membarrier;
use crate::turns::Kernel;

/// What a ring needs from the kernel. A process that was killed cannot wake the
/// other side, so each sleep is short: the other side soon checks for itself.
pub(super) struct Linux {
    /// When the caller stops waiting.
    pub(super) deadline: Option<Instant>,
    /// Whether both sides take part in [`membarrier`].
    pub(super) asymmetric: bool,
}

impl Linux {
    const NAP: Duration = Duration::from_millis(100);
}

pub(super) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|at| Instant::now() >= at)
}

impl Kernel for Linux {
    fn sleep(&mut self, word: &AtomicU32, expected: u32) -> bool {
        let left = self
            .deadline
            .map(|at| at.saturating_duration_since(Instant::now()));
        let patience = left.map_or(Linux::NAP, |left| left.min(Linux::NAP));
        futex::wait_timeout(word, expected, patience);
        false
    }

    // Inlined, so that a `Linux` that is used only for waking is never stored
    // in memory.
    #[inline]
    fn wake(&mut self, word: &AtomicU32) {
        futex::wake_all(word);
    }

    #[inline]
    fn light_barrier(&mut self) {
        if self.asymmetric {
            // The heavy barrier orders the accesses of both CPUs. Here, only
            // the compiler must keep the order.
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    fn heavy_barrier(&mut self) {
        fence(Ordering::SeqCst);
        // If the system call has been forbidden since the registration, a
        // wake-up may be late by one nap.
        _ = self.asymmetric && membarrier::everywhere();
    }
}

/// What an end does between two looks at the other side's counter, before it
/// goes to sleep.
///
/// To sleep and be woken takes longer than to pass a thousand values. If the
/// other side is running on another CPU, it will update its counter much
/// sooner. If it is not running, because there is only one CPU or the machine
/// is busy, yielding the CPU lets it run.
///
/// The end must not look too often either. Each look takes the cache line with
/// the counter away from the CPU that is about to write it. An end that looks
/// less often finds more items, or more room, at each look.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Spins for this many CPU pauses.
    Spin(u32),
    /// Yields the CPU.
    GiveWay,
}

impl Step {
    pub(super) fn take(self) {
        match self {
            Step::Spin(pauses) => (0..pauses).for_each(|_| spin_loop()),
            Step::GiveWay => thread::yield_now(),
        }
    }
}

/// The steps in order, as long as the deadline has not passed. On a busy machine,
/// a thread that yields the CPU may come back only after many milliseconds.
pub(super) fn steps_until(deadline: Option<Instant>) -> impl Iterator<Item = Step> {
    let steps = (!has_passed(deadline)).then(steps);
    let steps = steps.into_iter().flatten();
    steps.take_while(move |_| !has_passed(deadline))
}

/// All steps in order. Each round has some spins of growing length and then
/// yields the CPU.
fn steps() -> impl Iterator<Item = Step> {
    const ROUNDS: usize = 20;
    const SPINS: &[u32] = &[1, 2, 4, 8, 16, 16];
    static CPUS: OnceLock<usize> = OnceLock::new();
    let cpus = *CPUS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from));
    // On a single CPU, the other side cannot run while we spin.
    let spins = if cpus > 1 { SPINS } else { &[] };
    (0..ROUNDS).flat_map(move |_| {
        let spins = spins.iter().map(|&pauses| Step::Spin(pauses));
        spins.chain(iter::once(Step::GiveWay))
    })
}
