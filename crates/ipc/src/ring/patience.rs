//! How a ring's end waits: looks again, gives way, sleeps.

use crate::turns::Kernel;
use crate::{futex, membarrier};
use std::hint::spin_loop;
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence, fence};
use std::thread;
use std::time::{Duration, Instant};

/// What a ring needs of the kernel. One sleep is short enough that the death of
/// the other side is noticed soon: a process that was killed wakes nobody.
pub(super) struct Linux {
    /// When the caller's patience is over.
    pub(super) deadline: Option<Instant>,
    /// Both sides take part in [`membarrier`].
    pub(super) asymmetric: bool,
}

impl Linux {
    const NAP: Duration = Duration::from_millis(100);

    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|at| Instant::now() >= at)
    }
}

impl Kernel for Linux {
    fn sleep(&mut self, word: &AtomicU32, expected: u32) -> bool {
        let left = self
            .deadline
            .map(|at| at.saturating_duration_since(Instant::now()));
        let patience = left.map_or(Linux::NAP, |left| left.min(Linux::NAP));
        futex::sleep(word, expected, patience);
        false
    }

    // Inlined, so that a `Linux` that only wakes is never built in memory.
    #[inline]
    fn wake(&mut self, word: &AtomicU32) {
        futex::wake(word);
    }

    #[inline]
    fn light_barrier(&mut self) {
        if self.asymmetric {
            // The heavy one does the rest; only the compiler must keep order.
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    fn heavy_barrier(&mut self) {
        fence(Ordering::SeqCst);
        // If somebody forbade the call meanwhile, a wake-up may come late: by
        // one nap.
        _ = self.asymmetric && membarrier::everywhere();
    }
}

/// What to do between two looks before going to sleep.
///
/// To sleep and to be woken costs more than a thousand values: the other side,
/// at work on another CPU, has its turn ready in no time. If it has none – one
/// CPU, or a busy machine –, giving way lets it work.
///
/// And not too many looks: each takes the cache line with the counter away from
/// the CPU that is about to write it. Who looks less often finds more.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// So many pauses of the CPU.
    Spin(u32),
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

/// All steps, in order: some spins, each longer than the one before, then giving
/// way, and again.
pub(super) fn steps() -> impl Iterator<Item = Step> {
    const ROUNDS: usize = 20;
    const SPINS: &[u32] = &[1, 2, 4, 8, 16, 16];
    static CPUS: OnceLock<usize> = OnceLock::new();
    let cpus = *CPUS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from));
    // On one CPU nothing changes while we look.
    let spins = if cpus > 1 { SPINS } else { &[] };
    (0..ROUNDS).flat_map(move |_| {
        let spins = spins.iter().map(|&pauses| Step::Spin(pauses));
        spins.chain(iter::once(Step::GiveWay))
    })
}
