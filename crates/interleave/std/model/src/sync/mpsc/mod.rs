//! `std::sync::mpsc`: unbounded, bounded and rendezvous channels.

mod iter;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use std::time::Duration;

use crate::kernel::{
    self, Place, Run,
    engine::{ObjectId, Seed},
    event::{Event, Returned, Step},
    object::{Header, Kind},
    thread::Wait,
};
use crate::time::deadline;
pub use iter::{IntoIter, Iter, TryIter};

struct Channel<T> {
    header: Header,
    /// `None` for no bound, 0 for a rendezvous.
    capacity: Option<usize>,
    queue: RefCell<VecDeque<T>>,
    /// How many messages were sent and received so far: a rendezvous waits until its own message is
    /// received.
    sent: Cell<u64>,
    received: Cell<u64>,
    senders: Cell<usize>,
    receiver_is_gone: Cell<bool>,
}

// SAFETY: the cells are only touched by the one modelled thread that runs (see `kernel`), never
// across a scheduling point; messages move between threads, hence `T: Send`.
unsafe impl<T: Send> Send for Channel<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Channel<T> {}

/// An unbounded channel.
#[track_caller]
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Channel::new(None);
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

/// A channel that holds at most `bound` messages; with 0, a send waits for its receive.
#[track_caller]
#[must_use]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let channel = Channel::new(Some(bound));
    (SyncSender(Arc::clone(&channel)), Receiver(channel))
}

impl<T> Channel<T> {
    #[track_caller]
    fn new(capacity: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            header: Header::new(),
            capacity,
            queue: RefCell::new(VecDeque::new()),
            sent: Cell::new(0),
            received: Cell::new(0),
            senders: Cell::new(1),
            receiver_is_gone: Cell::new(false),
        })
    }

    #[track_caller]
    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::Channel);
        let id = self.header.id(&run, Kind::Channel, || Seed::Plain);
        (run, id)
    }

    fn log(&self, run: &Run, id: ObjectId, verb: &'static str, at: Place, word: &'static str) {
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.returned = Returned::Word(word);
        run.log(event);
    }

    fn full(&self) -> bool {
        self.capacity
            .is_some_and(|bound| self.queue.borrow().len() >= bound.max(1))
    }

    fn push(&self, run: &Run, id: ObjectId, message: T) -> u64 {
        self.queue.borrow_mut().push_back(message);
        self.sent.set(self.sent.get() + 1);
        run.wake_all(Wait::Receive(id));
        run.changed(id);
        self.sent.get()
    }

    fn send(&self, message: T, at: Place) -> Result<(), SendError<T>> {
        let (run, id) = self.enter();
        run.point(Step::write(id), id, Ordering::AcqRel, at);
        while self.full() && !self.receiver_is_gone.get() {
            self.log(&run, id, "send", at, "waits for room");
            run.block(Wait::Send(id), Step::write(id), at);
            run.resync(id, Ordering::AcqRel);
        }
        if self.receiver_is_gone.get() {
            self.log(&run, id, "send", at, "the receiver is gone");
            return Err(SendError(message));
        }
        let ticket = self.push(&run, id, message);
        self.log(&run, id, "send", at, "sent");
        if self.capacity == Some(0) {
            while self.received.get() < ticket {
                if self.receiver_is_gone.get() {
                    // A rendezvous has one message under way: ours.
                    return self
                        .queue
                        .borrow_mut()
                        .pop_back()
                        .map_or(Ok(()), |m| Err(SendError(m)));
                }
                run.block(Wait::Send(id), Step::write(id), at);
                run.resync(id, Ordering::Acquire);
            }
        }
        Ok(())
    }

    fn try_send(&self, message: T, at: Place) -> Result<(), TrySendError<T>> {
        let (run, id) = self.enter();
        run.point(Step::write(id), id, Ordering::AcqRel, at);
        if self.receiver_is_gone.get() {
            return Err(TrySendError::Disconnected(message));
        }
        let no_taker =
            self.capacity == Some(0) && run.state.borrow().waiters(Wait::Receive(id)).is_empty();
        if self.full() || no_taker {
            self.log(&run, id, "try_send", at, "full");
            run.saw(id, 1);
            return Err(TrySendError::Full(message));
        }
        self.push(&run, id, message);
        self.log(&run, id, "try_send", at, "sent");
        Ok(())
    }

    /// Takes a message. `Err(false)` if there is none yet, `Err(true)` if there will never be one.
    fn take(&self, run: &Run, id: ObjectId) -> Result<T, bool> {
        let message = self.queue.borrow_mut().pop_front();
        match message {
            Some(message) => {
                self.received.set(self.received.get() + 1);
                run.wake_all(Wait::Send(id));
                run.changed(id);
                Ok(message)
            }
            None => Err(self.senders.get() == 0),
        }
    }

    fn receive(
        &self,
        end: Option<u64>,
        verb: &'static str,
        at: Place,
    ) -> Result<T, RecvTimeoutError> {
        let (run, id) = self.enter();
        run.point(Step::write(id), id, Ordering::AcqRel, at);
        loop {
            match self.take(&run, id) {
                Ok(message) => {
                    self.log(&run, id, verb, at, "received");
                    return Ok(message);
                }
                Err(true) => {
                    self.log(&run, id, verb, at, "all senders are gone");
                    return Err(RecvTimeoutError::Disconnected);
                }
                Err(false) => self.log(&run, id, verb, at, "waits"),
            }
            let woken = run.block_maybe_until(end, Wait::Receive(id), Step::write(id), at);
            run.resync(id, Ordering::AcqRel);
            if !woken && self.queue.borrow().is_empty() {
                self.log(&run, id, verb, at, "timed out");
                return Err(RecvTimeoutError::Timeout);
            }
        }
    }

    fn try_receive(&self, at: Place) -> Result<T, TryRecvError> {
        let (run, id) = self.enter();
        run.point(Step::write(id), id, Ordering::AcqRel, at);
        match self.take(&run, id) {
            Ok(message) => {
                self.log(&run, id, "try_recv", at, "received");
                Ok(message)
            }
            Err(true) => Err(TryRecvError::Disconnected),
            Err(false) => {
                self.log(&run, id, "try_recv", at, "empty");
                run.saw(id, 0);
                Err(TryRecvError::Empty)
            }
        }
    }

    /// A sender or the receiver goes away. `leave` notes that, and returns which threads must be
    /// woken for it.
    fn leave(&self, leave: impl FnOnce(&Self) -> Option<fn(ObjectId) -> Wait>) {
        let running = kernel::run().filter(|run| run.current.get() != kernel::NOBODY);
        let Some(run) = running else {
            leave(self);
            return;
        };
        let id = self.header.id(&run, Kind::Channel, || Seed::Plain);
        let at = self.header.made();
        run.point(Step::write(id), id, Ordering::AcqRel, at);
        if let Some(wait) = leave(self) {
            run.wake_all(wait(id));
            run.changed(id);
        }
    }

    fn sender_leaves(&self) {
        self.leave(|channel| {
            channel.senders.set(channel.senders.get() - 1);
            (channel.senders.get() == 0).then_some(Wait::Receive)
        });
    }
}

/// The sending side of [`channel`].
pub struct Sender<T>(Arc<Channel<T>>);

/// The sending side of [`sync_channel`].
pub struct SyncSender<T>(Arc<Channel<T>>);

/// The receiving side.
pub struct Receiver<T>(Arc<Channel<T>>);

// A receiver belongs to one thread at a time, as in std.
impl<T> std::panic::UnwindSafe for Sender<T> {}
impl<T> std::panic::RefUnwindSafe for Sender<T> {}
impl<T> std::panic::UnwindSafe for SyncSender<T> {}
impl<T> std::panic::RefUnwindSafe for SyncSender<T> {}
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

impl<T> Sender<T> {
    /// Sends without waiting.
    ///
    /// # Errors
    /// Gives the message back if the receiver is gone.
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.0.send(message, Location::caller())
    }
}

impl<T> SyncSender<T> {
    /// Sends, waiting for room.
    ///
    /// # Errors
    /// Gives the message back if the receiver is gone.
    #[track_caller]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.0.send(message, Location::caller())
    }

    /// Sends if there is room.
    ///
    /// # Errors
    /// Gives the message back if there is none or the receiver is gone.
    #[track_caller]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(message, Location::caller())
    }
}

impl<T> Receiver<T> {
    /// Waits for a message.
    ///
    /// # Errors
    /// If all senders are gone and no message is left.
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.0
            .receive(None, "recv", Location::caller())
            .map_err(|_| RecvError)
    }

    /// Takes a message that is there.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_receive(Location::caller())
    }

    /// Waits for a message, for at most `timeout`.
    ///
    /// # Errors
    /// If none came, or all senders are gone and no message is left.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let end = deadline(&kernel::must_run(Kind::Channel), timeout);
        self.0
            .receive(Some(end), "recv_timeout", Location::caller())
    }

    /// Waits for messages until all senders are gone.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// The messages that are in the channel now.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter(self)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.set(self.0.senders.get() + 1);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        self.0.senders.set(self.0.senders.get() + 1);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.sender_leaves();
    }
}

impl<T> Drop for SyncSender<T> {
    fn drop(&mut self) {
        self.0.sender_leaves();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.leave(|channel| {
            channel.receiver_is_gone.set(true);
            Some(Wait::Send)
        });
        if self.0.capacity != Some(0) {
            // std drops the messages with the receiver, not with the last sender.
            let left = std::mem::take(&mut *self.0.queue.borrow_mut());
            drop(left);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
