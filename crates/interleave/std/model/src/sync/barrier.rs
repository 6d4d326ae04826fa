//! `Barrier`: reusable, with one leader in each round. Its word counts arrivals, of all rounds.
//!
//! What a thread did before it arrived happens before what the others do after that round.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;

use interleave_search::{Change, Guard, Op};

use crate::kernel::{
    self,
    object::{Header, Kind, Word},
    performing::Waiting,
    thread::Wait,
};

/// A barrier, as [`std::sync::Barrier`].
pub struct Barrier {
    header: Header,
    size: usize,
}

// SAFETY: the header is only touched by the one modelled thread that runs (see `kernel`).
unsafe impl Send for Barrier {}
// SAFETY: as above.
unsafe impl Sync for Barrier {}
impl std::panic::UnwindSafe for Barrier {}
impl std::panic::RefUnwindSafe for Barrier {}

/// Whether this thread is the leader of the round, as [`std::sync::BarrierWaitResult`].
#[derive(Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// True for one thread of each round.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// A barrier for `size` threads.
    #[track_caller]
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self {
            header: Header::new(),
            size,
        }
    }

    /// Waits until all have arrived.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let at = Location::caller();
        let run = kernel::must_run(Kind::Barrier);
        let id = self.header.id(&run, Kind::Barrier, || [Word::new(0)]);
        let word = run.word(id);
        // A barrier for no thread lets each thread through, like one for one thread.
        let size = self.size.max(1) as u64;
        let arrive = Op::update(word, Change::Add(1), Ordering::AcqRel);
        let earlier = run.perform(arrive, at).read;
        run.acted();
        let leader = earlier % size == size - 1;
        let word_told = if leader { "is the last" } else { "waits" };
        run.tell(id, "wait", word_told, at);
        if !leader {
            let all = (earlier / size + 1) * size;
            let waiting = Waiting {
                wait: Wait::Barrier(id),
                is_timed: false,
                event: None,
            };
            let op = Op::load(word, Ordering::Acquire).when(Guard::AtLeast(all));
            run.announce(op, Some(waiting), at);
        }
        BarrierWaitResult(leader)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
