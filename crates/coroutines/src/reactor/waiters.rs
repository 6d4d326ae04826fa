//! The futures that wait for one descriptor.
//!
//! Several futures may wait for the same descriptor, each with a waker of its
//! own. An event removes all waiters whose wait it ends. epoll reports an event
//! only once (EPOLLONESHOT), and the reactor then arms it again for the waiters
//! that are left. So a descriptor without waiters never wakes a task.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::Waker;

use crate::poller::{Interest, Poller, Ready};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

pub(super) struct Waiters {
    pub(super) number: u64,
    io: Rc<dyn AsFd>,
    waiting: RefCell<Vec<Waiter>>,
    next_id: Cell<u64>,
}

struct Waiter {
    id: u64,
    direction: Direction,
    waker: Waker,
}

impl Waiters {
    pub(super) fn new(io: Rc<dyn AsFd>) -> Self {
        thread_local! {
            /// No number is used twice, so a late event finds no waiters.
            static NEXT: Cell<u64> = const { Cell::new(0) };
        }
        Self {
            number: NEXT.replace(NEXT.get() + 1),
            io,
            waiting: RefCell::default(),
            next_id: Cell::new(0),
        }
    }

    pub(super) fn enter(&self, direction: Direction, waker: Waker) -> u64 {
        let id = self.next_id.replace(self.next_id.get() + 1);
        let waiter = Waiter {
            id,
            direction,
            waker,
        };
        self.waiting.borrow_mut().push(waiter);
        id
    }

    /// Replaces a waiter's waker, because only the waker of the last poll
    /// counts. Returns false if the wait is over.
    pub(super) fn replace_waker(&self, id: u64, waker: &Waker) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let entry = waiting.iter_mut().find(|waiter| waiter.id == id);
        entry.is_some_and(|entry| {
            entry.waker.clone_from(waker);
            true
        })
    }

    pub(super) fn leave(&self, id: u64) {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.iter().position(|waiter| waiter.id == id);
        let waiter = place.map(|place| waiting.swap_remove(place));
        drop(waiting);
        drop(waiter); // after the borrow: this may run any destructor
    }

    /// Makes epoll report the next event that a waiter waits for.
    pub(super) fn arm(&self, poller: &Poller) -> io::Result<()> {
        match self.interest() {
            Some(interest) => Ok(poller.arm_once(&*self.io, self.number, interest)?),
            None => Ok(()),
        }
    }

    /// Moves the wakers of all waiters whose wait `event` ends to `wakers`.
    pub(super) fn take(&self, event: &Ready, poller: &Poller, wakers: &mut Vec<Waker>) {
        self.take_if(wakers, |direction| match direction {
            Direction::Read => event.readable,
            Direction::Write => event.writable,
        });
        if self.arm(poller).is_err() {
            // The others would wait for ever. We wake them, so that they try
            // again and get the error.
            self.take_if(wakers, |_| true);
        }
    }

    fn take_if(&self, wakers: &mut Vec<Waker>, over: impl Fn(Direction) -> bool) {
        let mut waiting = self.waiting.borrow_mut();
        let taken = waiting.extract_if(.., |waiter| over(waiter.direction));
        wakers.extend(taken.map(|waiter| waiter.waker));
    }

    fn interest(&self) -> Option<Interest> {
        let waiting = self.waiting.borrow();
        let any = |direction| waiting.iter().any(|waiter| waiter.direction == direction);
        match (any(Direction::Read), any(Direction::Write)) {
            (true, true) => Some(Interest::Both),
            (true, false) => Some(Interest::Readable),
            (false, true) => Some(Interest::Writable),
            (false, false) => None,
        }
    }
}
