//! Jobs that other threads give to an event loop.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EventLoop;
use crate::poller::Bell;

pub(super) type SendJob = Box<dyn FnOnce(&mut EventLoop) + Send>;

/// The loop's side of the queue of posted jobs.
pub(super) struct Posted {
    shared: Arc<Shared>,
    /// Its reference count tells the loop whether a poster is left.
    alive: Arc<Alive>,
}

struct Shared {
    jobs: Mutex<Option<VecDeque<SendJob>>>,
    bell: Bell,
}

/// Each poster holds a reference to it.
struct Alive;

impl Posted {
    pub(super) fn new(bell: Bell) -> Self {
        let jobs = Mutex::new(Some(VecDeque::new()));
        Self {
            shared: Arc::new(Shared { jobs, bell }),
            alive: Arc::new(Alive),
        }
    }

    pub(super) fn poster(&self) -> Poster {
        Poster {
            shared: Arc::clone(&self.shared),
            alive: Some(Arc::clone(&self.alive)),
        }
    }

    pub(super) fn take(&self) -> VecDeque<SendJob> {
        let mut jobs = self.shared.lock();
        jobs.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns whether a job is there, or a poster is left that could post one.
    pub(super) fn may_come(&self) -> bool {
        // The order matters. A poster posts its jobs before it is dropped, so
        // if no poster is left here, the queue has all jobs.
        let posters = Arc::strong_count(&self.alive) > 1;
        posters
            || self
                .shared
                .lock()
                .as_ref()
                .is_some_and(|jobs| !jobs.is_empty())
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        let jobs = self.shared.lock().take();
        drop(jobs); // after the lock is released
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<SendJob>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives jobs to an event loop, from any thread.
#[derive(Clone)]
pub struct Poster {
    shared: Arc<Shared>,
    alive: Option<Arc<Alive>>,
}

impl Poster {
    /// Makes the loop run `job`, after the jobs that were posted before it.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the loop is gone; the job is dropped.
    pub fn post<F>(&self, job: F) -> Result<(), Closed>
    where
        F: FnOnce(&mut EventLoop) + Send + 'static,
    {
        match self.shared.lock().as_mut() {
            Some(jobs) => jobs.push_back(Box::new(job)),
            None => return Err(Closed),
        }
        self.shared.bell.ring();
        Ok(())
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        self.alive = None;
        // The loop may be waiting only for this poster.
        self.shared.bell.ring();
    }
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").finish_non_exhaustive()
    }
}

/// The event loop is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop is gone: it will not run this job")
    }
}

impl std::error::Error for Closed {}
