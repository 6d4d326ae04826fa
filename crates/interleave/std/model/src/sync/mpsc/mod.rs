//! `std::sync::mpsc`: unbounded, bounded and rendezvous channels.
//!
//! A channel has four words. What was done before a message was sent happens before its receipt.
//!
//! ```text
//!   sent       how many messages were sent; the highest bits say that one side is gone
//!   senders    how many senders there are
//!   room       how many messages may be sent before one is received, and how many senders have
//!              reserved room (in a rendezvous: whether a receiver waits, for try_send)
//!   received   how many messages were received, if it is a rendezvous: a send waits for that
//! ```
//!
//! In a bounded channel, messages are sent in the order in which room was reserved for them, as in
//! std. Otherwise a `try_send` could find no room, and a message of a later sender be received
//! earlier than those that took the room.
//!
//! In a rendezvous, `try_send` takes the receiver that waits, and hands its message to it. Then the
//! receiver takes that message, even if it has seen that another thread waits in `send`. So what was
//! handed over is not counted with what was sent, but in bits of its own of the same word, because a
//! receiver waits for either.

mod iter;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use std::time::Duration;

use interleave_search::{Change, Guard, Op};

use crate::kernel::{
    self, Place, Run,
    object::{Header, Kind, ObjectId, Word},
    performing::Waiting,
    thread::Wait,
};
use crate::time::deadline;
pub use iter::{IntoIter, Iter, TryIter};

/// All senders are gone.
const NO_SENDERS: u64 = 1 << 62;
/// The receiver is gone.
const NO_RECEIVER: u64 = 1 << 63;
/// The bits that count what was sent. In a rendezvous, those above count what was handed over.
const COUNT: u64 = HANDED_OVER - 1;
/// One message was handed over.
const HANDED_OVER: u64 = 1 << 32;
/// Room for one message. The bits below count what was reserved.
const ROOM_FOR_ONE: u64 = 1 << 32;
/// The room that a bounded channel has at most: more than any run uses.
const MOST_ROOM: usize = 1 << 30;

// The words.
const SENT: usize = 0;
const SENDERS: usize = 1;
const ROOM: usize = 2;
const RECEIVED: usize = 3;

struct Channel<T> {
    header: Header,
    /// `None` for no bound, 0 for a rendezvous.
    capacity: Option<usize>,
    /// The messages that were sent and not received, by their numbers. Which number a message has is
    /// decided by the word that counts them.
    messages: RefCell<BTreeMap<u64, T>>,
    /// How many messages were received. Only the receiver uses it.
    received: Cell<u64>,
    /// In a rendezvous: the message that is handed over, and how many were taken.
    handed_over: Cell<Option<T>>,
    taken_over: Cell<u64>,
}

// SAFETY: the cells are only touched by the one modelled thread that runs (see `kernel`), never
// across an operation that lets others run; messages move between threads, hence `T: Send`.
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

/// A channel in use: its number, and the location of its first word.
struct Used {
    run: Rc<Run>,
    id: ObjectId,
    first: usize,
}

impl Used {
    fn load(&self, word: usize) -> Op {
        Op::load(self.first + word, Ordering::Acquire)
    }

    fn update(&self, word: usize, change: Change, order: Ordering) -> Op {
        Op::update(self.first + word, change, order)
    }

    fn wait(&self, op: Op, wait: Wait, is_timed: bool, verb: &'static str, at: Place) -> u64 {
        let word = match wait {
            Wait::Send(_) => "waits for room",
            _ => "waits",
        };
        let waiting = Waiting {
            wait,
            is_timed,
            event: Some(self.run.event(self.id, verb, word, at)),
        };
        self.run.announce(op, Some(waiting), at).read
    }

    fn tell(&self, verb: &'static str, word: &'static str, at: Place) {
        self.run.tell(self.id, verb, word, at);
    }
}

impl<T> Channel<T> {
    #[track_caller]
    fn new(capacity: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            header: Header::new(),
            capacity,
            messages: RefCell::new(BTreeMap::new()),
            received: Cell::new(0),
            handed_over: Cell::new(None),
            taken_over: Cell::new(0),
        })
    }

    #[track_caller]
    fn enter(&self) -> Used {
        self.used(kernel::must_run(Kind::Channel))
    }

    fn used(&self, run: Rc<Run>) -> Used {
        let room = self.capacity.unwrap_or(0).min(MOST_ROOM) as u64 * ROOM_FOR_ONE;
        let words = || [Word::new(0), Word::new(1), Word::new(room), Word::new(0)];
        let id = self.header.id(&run, Kind::Channel, words);
        let first = run.word(id);
        Used { run, id, first }
    }

    /// Gives a message its number, unless the receiver is gone. If room was reserved for it, that is
    /// its number.
    fn push(&self, used: &Used, message: T, reserved: Option<u64>, at: Place) -> Result<u64, T> {
        let op = used.update(SENT, Change::Add(1), Ordering::Release);
        let op = match reserved {
            Some(number) => op.when(Guard::AtLeast(number)),
            None => op,
        };
        let before = used.run.perform(op, at).read;
        used.run.acted();
        if before & NO_RECEIVER != 0 {
            return Err(message);
        }
        let number = before & COUNT;
        self.messages.borrow_mut().insert(number, message);
        Ok(number)
    }

    fn send(&self, message: T, at: Place) -> Result<(), SendError<T>> {
        let used = self.enter();
        let is_rendezvous = self.capacity == Some(0);
        let reserved = (self.capacity.is_some() && !is_rendezvous).then(|| {
            let reserve = Change::Add(1_u64.wrapping_sub(ROOM_FOR_ONE));
            let op = used.update(ROOM, reserve, Ordering::Acquire);
            let op = op.when(Guard::AtLeast(ROOM_FOR_ONE));
            used.wait(op, Wait::Send(used.id), false, "send", at) & COUNT
        });
        let number = match self.push(&used, message, reserved, at) {
            Ok(number) => number,
            Err(message) => {
                used.tell("send", "the receiver is gone", at);
                return Err(SendError(message));
            }
        };
        used.tell("send", "sent", at);
        if is_rendezvous {
            let op = used.load(RECEIVED).when(Guard::AtLeast(number + 1));
            let received = used.wait(op, Wait::Send(used.id), false, "send", at);
            if received & NO_RECEIVER != 0
                && let Some(message) = self.messages.borrow_mut().remove(&number)
            {
                return Err(SendError(message));
            }
        }
        Ok(())
    }

    fn try_send(&self, message: T, at: Place) -> Result<(), TrySendError<T>> {
        let used = self.enter();
        let sent = used.run.access(used.id, used.load(SENT), at).read;
        if sent & NO_RECEIVER != 0 {
            used.tell("try_send", "the receiver is gone", at);
            return Err(TrySendError::Disconnected(message));
        }
        let is_rendezvous = self.capacity == Some(0);
        let mut room = used.run.access(used.id, used.load(ROOM), at).read;
        loop {
            let reserved = match is_rendezvous {
                true => room.checked_sub(1),
                false => room.checked_sub(ROOM_FOR_ONE).map(|room| room + 1),
            };
            let Some(reserved) = reserved else {
                used.tell("try_send", "full", at);
                return Err(TrySendError::Full(message));
            };
            let change = Change::CompareExchange(room, reserved);
            let op = used.update(ROOM, change, Ordering::AcqRel);
            let outcome = used.run.perform(op.or_else(Ordering::Acquire), at);
            match outcome.written {
                Some(_) => break,
                None => room = outcome.read,
            }
        }
        if is_rendezvous {
            self.handed_over.set(Some(message));
            let op = used.update(SENT, Change::Add(HANDED_OVER), Ordering::Release);
            used.run.perform(op, at);
            used.run.acted();
        } else if let Err(message) = self.push(&used, message, Some(room & COUNT), at) {
            return Err(TrySendError::Disconnected(message));
        }
        used.tell("try_send", "sent", at);
        Ok(())
    }

    /// Takes the next message, which has been sent. `None` if its sender will never say what it is.
    fn take(&self, used: &Used, at: Place) -> Option<T> {
        let number = self.received.get();
        let message = self.messages.borrow_mut().remove(&number)?;
        self.received.set(number + 1);
        used.run.acted();
        let (told, more) = match self.capacity {
            None => return Some(message),
            Some(0) => (RECEIVED, 1),
            Some(_) => (ROOM, ROOM_FOR_ONE),
        };
        let op = used.update(told, Change::Add(more), Ordering::Release);
        used.run.perform(op, at);
        Some(message)
    }

    /// Takes what [`Self::try_send`] hands over: its sender has taken this receiver.
    fn take_over(&self, used: &Used, verb: &'static str, at: Place) -> Option<T> {
        let taken = self.taken_over.get() + 1;
        self.taken_over.set(taken);
        let op = used.load(SENT).when(Guard::AtLeast(taken * HANDED_OVER));
        used.wait(op, Wait::Receive(used.id), false, verb, at);
        used.run.acted();
        self.handed_over.take()
    }

    /// Says, for [`Self::try_send`], whether a receiver waits. Returns whether it was taken.
    fn says_that_it_waits(&self, used: &Used, waits: bool, at: Place) -> bool {
        if self.capacity != Some(0) {
            return false;
        }
        let op = used.update(ROOM, Change::Swap(waits.into()), Ordering::AcqRel);
        used.run.perform(op, at).read == 0 && !waits
    }

    fn receive(
        &self,
        end: Option<u64>,
        verb: &'static str,
        at: Place,
    ) -> Result<T, RecvTimeoutError> {
        let used = self.enter();
        self.says_that_it_waits(&used, true, at);
        let is_taken;
        if used.run.times_out(end, at) {
            is_taken = self.says_that_it_waits(&used, false, at);
            let sent = used.run.perform(used.load(SENT), at).read;
            if !is_taken && sent & COUNT <= self.received.get() {
                if sent & NO_SENDERS != 0 {
                    used.tell(verb, "all senders are gone", at);
                    return Err(RecvTimeoutError::Disconnected);
                }
                used.tell(verb, "timed out", at);
                return Err(RecvTimeoutError::Timeout);
            }
        } else {
            let seen = self.taken_over.get() * HANDED_OVER + self.received.get();
            let one_more = used.load(SENT).when(Guard::AtLeast(seen + 1));
            used.wait(one_more, Wait::Receive(used.id), end.is_some(), verb, at);
            is_taken = self.says_that_it_waits(&used, false, at);
        }
        let message = match is_taken {
            true => self.take_over(&used, verb, at),
            false => self.take(&used, at),
        };
        match message {
            Some(message) => {
                used.tell(verb, "received", at);
                Ok(message)
            }
            None => {
                used.tell(verb, "all senders are gone", at);
                Err(RecvTimeoutError::Disconnected)
            }
        }
    }

    fn try_receive(&self, at: Place) -> Result<T, TryRecvError> {
        let used = self.enter();
        let sent = used.run.access(used.id, used.load(SENT), at).read;
        if sent & COUNT > self.received.get()
            && let Some(message) = self.take(&used, at)
        {
            used.tell("try_recv", "received", at);
            return Ok(message);
        }
        if sent & NO_SENDERS != 0 {
            used.tell("try_recv", "all senders are gone", at);
            return Err(TryRecvError::Disconnected);
        }
        used.tell("try_recv", "empty", at);
        Err(TryRecvError::Empty)
    }

    fn sender_arrives(&self) {
        let Some(run) = kernel::running() else { return };
        let used = self.used(run);
        let op = used.update(SENDERS, Change::Add(1), Ordering::Relaxed);
        used.run.perform(op, self.header.made());
        used.run.acted();
    }

    fn sender_leaves(&self) {
        let Some(run) = kernel::running() else { return };
        let used = self.used(run);
        let at = self.header.made();
        let op = used.update(SENDERS, Change::Add(u64::MAX), Ordering::AcqRel);
        let before = used.run.perform(op, at).read;
        if before == 1 {
            let op = used.update(SENT, Change::Or(NO_SENDERS), Ordering::Release);
            used.run.perform(op, at);
        }
        used.run.acted();
    }

    fn receiver_leaves(&self) {
        let Some(run) = kernel::running() else { return };
        let used = self.used(run);
        let at = self.header.made();
        let op = used.update(SENT, Change::Or(NO_RECEIVER), Ordering::AcqRel);
        used.run.perform(op, at);
        // Whoever waits for room, or for its message to be received, goes on and finds the bit.
        let waited_for = match self.capacity {
            None => None,
            Some(0) => Some(RECEIVED),
            Some(_) => Some(ROOM),
        };
        if let Some(word) = waited_for {
            let op = used.update(word, Change::Or(NO_RECEIVER), Ordering::Release);
            used.run.perform(op, at);
        }
        used.run.acted();
        if self.capacity != Some(0) {
            // std drops the messages with the receiver, not with the last sender.
            let left = std::mem::take(&mut *self.messages.borrow_mut());
            drop(left);
        }
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
        self.0.sender_arrives();
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        self.0.sender_arrives();
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
        self.0.receiver_leaves();
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
