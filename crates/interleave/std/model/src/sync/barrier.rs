//! `Barrier`: reusable, with one leader in each round.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;

use crate::kernel::{
    self,
    event::{Event, Returned, Step},
    object::{Header, Kind},
    thread::Wait,
};

/// A barrier, as [`std::sync::Barrier`].
pub struct Barrier {
    header: Header,
    size: usize,
    arrived: Cell<usize>,
}

// SAFETY: the cells are only touched by the one modelled thread that runs (see `kernel`).
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
            arrived: Cell::new(0),
        }
    }

    /// Waits until all have arrived.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let at = Location::caller();
        let run = kernel::must_run(Kind::Barrier);
        let id = self.header.id_reset(&run, Kind::Barrier, self);
        run.point(Step::write(id), id, Ordering::AcqRel, at);
        self.arrived.set(self.arrived.get() + 1);
        let leader = self.arrived.get() >= self.size;
        let mut event = Event::new(run.me(), "wait", at);
        event.object = Some(id);
        event.returned = Returned::Word(if leader { "is the last" } else { "waits" });
        run.log(event);
        if leader {
            self.arrived.set(0);
            run.wake_all(Wait::Barrier(id));
            run.changed(id);
        } else {
            run.block(Wait::Barrier(id), Step::LOCAL, at);
            run.resync(id, Ordering::Acquire);
        }
        BarrierWaitResult(leader)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
