//! One `map`: it sends chunks, receives results, and replaces dead workers.
//!
//! ```text
//!  items ──▶ chunks ──▶ worker 0: running, waiting, waiting …
//!                 └───▶ worker 1: running, waiting …
//! ```
//!
//! The program sends each worker a few chunks ahead, so that the worker need
//! not wait for the program between two chunks. This alone would let a chunk
//! wait behind a long one while another worker is idle. So an idle worker takes
//! over such a chunk.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::crew::{Chunk, Crew};
use super::desk::CHUNKS;
use super::message::{self, Kind, Parsed};
use super::{ItemError, PoolError};
use crate::frame::{Malformed, decode};

/// How long chunks may be held back to be sent together, counted from the
/// moment when the program begins to hand out chunks.
const HELD_BACK: Duration = Duration::from_micros(100);

pub(crate) struct Run<'a, T, R, I, S> {
    pub(super) crew: &'a mut Crew,
    items: I,
    /// Whether no items are left.
    exhausted: bool,
    /// The index of the next item.
    next: usize,
    /// How many items go into a chunk.
    size: usize,
    /// What receives the results.
    pub(super) sink: S,
    /// Chunks that came back from workers that ended.
    pub(super) backlog: VecDeque<Chunk>,
    /// Buffers for frames that can be used again.
    spare: Vec<Vec<u8>>,
    /// The size of the largest chunk so far, in bytes.
    longest: usize,
    /// How many workers in a row died before they began their chunk.
    pub(super) unexplained: usize,
    types: PhantomData<fn(T) -> R>,
}

impl<'a, T, R, I, S> Run<'a, T, R, I, S>
where
    T: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item: Borrow<T>>,
    S: FnMut(usize, Result<R, ItemError>),
{
    pub(crate) fn new(crew: &'a mut Crew, items: I, size: usize, sink: S) -> Self {
        Run {
            crew,
            items,
            exhausted: false,
            next: 0,
            size: size.max(1),
            sink,
            backlog: VecDeque::new(),
            spare: Vec::new(),
            longest: 0,
            unexplained: 0,
            types: PhantomData,
        }
    }

    /// Works until every item has its result.
    pub(crate) fn finish(mut self) -> Result<(), PoolError> {
        for place in &mut self.crew.seats {
            place.refused = false;
        }
        // Some workers may have died since the last run.
        self.read_reports()?;
        loop {
            self.fill_seats()?;
            self.hand_out();
            if self.busy().next().is_none() && self.backlog.is_empty() && self.exhausted {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Starts a worker for every empty seat, unless an attempt to do so has
    /// failed during this run.
    fn fill_seats(&mut self) -> Result<(), PoolError> {
        for seat in 0..self.crew.seats.len() {
            let place = &self.crew.seats[seat];
            if place.worker.is_none() && !place.refused {
                match self.crew.hire(seat) {
                    Err(PoolError::NoWorker(error)) => self.leave_empty(seat, error)?,
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// No worker can be started for this seat. During this run, the workers of
    /// the other seats do its work, if there are any.
    pub(super) fn leave_empty(&mut self, seat: usize, error: io::Error) -> Result<(), PoolError> {
        self.crew.seats[seat].refused = true;
        match self.crew.seats.iter().any(|place| place.worker.is_some()) {
            true => Ok(()),
            false => Err(PoolError::NoWorker(error)),
        }
    }

    fn busy(&self) -> impl Iterator<Item = usize> {
        let seats = self.crew.seats.iter().enumerate();
        seats.filter_map(|(seat, place)| {
            let worker = place.worker.as_ref()?;
            (!worker.chunks.is_empty()).then_some(seat)
        })
    }

    /// Gives every worker one chunk, then every worker a second, and so on.
    fn hand_out(&mut self) {
        let start = Instant::now();
        for depth in 0..CHUNKS {
            for seat in 0..self.crew.seats.len() {
                let worker = self.crew.worker(seat);
                let free = worker.is_some_and(|worker| {
                    let idle = worker.chunks.len() <= depth;
                    idle && !worker.retired && !worker.is_blocked()
                });
                if !free {
                    continue;
                }
                let Some(chunk) = self.next_chunk().or_else(|| self.take_over(seat)) else {
                    return self.send_all();
                };
                self.give(seat, chunk);
                // Each message costs as much as a hundred short items. So
                // chunks that wait behind another chunk are sent together,
                // unless the next chunk may take long to come. Single items are
                // never held back: the iterator may rely on workers having
                // received them.
                if depth == 0 || self.size == 1 || start.elapsed() > HELD_BACK {
                    self.send_all();
                }
            }
        }
        self.send_all();
    }

    fn send_all(&mut self) {
        let workers = self.crew.seats.iter_mut();
        for worker in workers.filter_map(|place| place.worker.as_mut()) {
            if !worker.is_blocked() {
                worker.flush();
            }
        }
    }

    fn next_chunk(&mut self) -> Option<Chunk> {
        self.backlog.pop_front().or_else(|| self.make_chunk())
    }

    fn make_chunk(&mut self) -> Option<Chunk> {
        if self.exhausted {
            return None;
        }
        let mut frames = self.spare.pop().unwrap_or_default();
        frames.clear();
        frames.reserve(self.longest);
        let (mut first, mut count, mut last) = (self.next, 0, 0);
        while count < self.size {
            let Some(item) = self.items.next() else {
                self.exhausted = true;
                break;
            };
            let (index, end) = (self.next, frames.len());
            self.next += 1;
            match message::append(&mut frames, Kind::ITEM, item.borrow()) {
                Ok(()) => {
                    last = end;
                    count += 1;
                }
                Err(why) => {
                    refuse(&mut self.sink, index, ItemError::Item(why.to_string()));
                    // The items of a chunk have consecutive numbers.
                    if count > 0 {
                        break;
                    }
                    first = self.next;
                }
            }
        }
        if count == 0 {
            return None;
        }
        message::mark_last(&mut frames[last..]);
        self.longest = self.longest.max(frames.len());
        Some(Chunk {
            number: 0,
            first,
            count,
            done: 0,
            frames,
        })
    }

    /// Takes a chunk that waits behind others, for a worker that has no chunk.
    fn take_over(&mut self, idle: usize) -> Option<Chunk> {
        if !self.crew.worker(idle)?.chunks.is_empty() {
            return None;
        }
        for place in &mut self.crew.seats {
            let Some(worker) = &mut place.worker else {
                continue;
            };
            // A worker's only chunk has begun or is about to begin.
            if worker.chunks.len() > 1
                && let Some(last) = worker.chunks.back()
                && place.desk.revoke(last.number)
            {
                return worker.chunks.pop_back();
            }
        }
        None
    }

    fn give(&mut self, seat: usize, mut chunk: Chunk) {
        let place = &mut self.crew.seats[seat];
        if let Some(worker) = &mut place.worker {
            chunk.number = worker.offered;
            worker.offered += 1;
            place.desk.offer(chunk.number);
            worker.queue(&chunk.frames);
            worker.chunks.push_back(chunk);
        }
    }

    /// Waits until something happens, and handles it.
    fn wait(&mut self) -> Result<(), PoolError> {
        let mut watched = Vec::with_capacity(self.crew.seats.len() + 1);
        let mut seats = Vec::with_capacity(self.crew.seats.len());
        if let Some(line) = self.crew.line() {
            watched.push(PollFd::new(line, PollFlags::POLLIN));
        }
        for (seat, place) in self.crew.seats.iter().enumerate() {
            if let Some(worker) = place.worker.as_ref().filter(|worker| !worker.hung_up) {
                let mut events = PollFlags::POLLIN;
                events.set(PollFlags::POLLOUT, worker.is_blocked());
                watched.push(PollFd::new(worker.socket.as_fd(), events));
                seats.push(seat);
            }
        }
        match ppoll(&mut watched, None, None) {
            Err(Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(PoolError::NoWorker(errno.into())),
            Ok(_) => {}
        }
        let ready: Vec<bool> = watched.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        for (seat, _) in seats
            .into_iter()
            .zip(&ready[1..])
            .filter(|(_, ready)| **ready)
        {
            if let Some(worker) = self.crew.worker(seat) {
                worker.flush();
                worker.receive();
            }
            self.take_in(seat)?;
        }
        if ready[0] {
            self.read_reports()
        } else {
            Ok(())
        }
    }

    /// Handles the results that have arrived from a worker.
    pub(super) fn take_in(&mut self, seat: usize) -> Result<(), PoolError> {
        let Some(worker) = &mut self.crew.seats[seat].worker else {
            return Ok(());
        };
        loop {
            let (arrived, chunk) = worker.arrived_for();
            let Some(chunk) = chunk else {
                // No results are expected from this worker.
                match arrived {
                    [] => return Ok(()),
                    _ => return self.distrust(seat),
                }
            };
            // These are local variables while the loop runs. If the sink
            // panics, they are lost, and the worker is replaced, because its
            // chunk is not finished.
            let (mut used, mut done, mut retired) = (0, chunk.done, false);
            let whole = loop {
                if done == chunk.count {
                    break true;
                }
                let (kind, value, size) = match message::parse(&arrived[used..]) {
                    Parsed::Message { kind, value, size } => (kind, value, size),
                    Parsed::Incomplete => break false,
                    Parsed::Garbage => return self.distrust(seat),
                };
                let index = chunk.first + done;
                (used, done) = (used + size, done + 1);
                match kind {
                    // This is a separate call of the sink, so that a result is
                    // built where it will be stored, and not moved there.
                    Kind::RESULT => match decode(value) {
                        Ok(result) => (self.sink)(index, Ok(result)),
                        Err(error) => refuse(&mut self.sink, index, not_decoded(&error)),
                    },
                    _ => refuse(&mut self.sink, index, complaint(kind, value)),
                }
                retired |= kind == Kind::PANIC;
            };
            let count = done - chunk.done;
            chunk.done = done;
            worker.consume(used);
            worker.answered += count as u64;
            worker.retired |= retired;
            if count > 0 {
                self.unexplained = 0;
            }
            if !whole {
                return Ok(());
            }
            let finished = worker.chunks.pop_front();
            self.spare.extend(finished.map(|chunk| chunk.frames));
        }
    }

    /// Kills a worker that sent invalid data. A correct worker never does that,
    /// so something in this worker has overwritten its memory.
    fn distrust(&mut self, seat: usize) -> Result<(), PoolError> {
        if let Some(worker) = self.crew.worker(seat) {
            worker.hung_up = true;
            worker.replace_arrived(&[]);
            // The desk cannot be trusted either. This value makes `salvage`
            // take nothing from it.
            worker.answered = u64::MAX;
        }
        self.crew.dismiss(seat)
    }
}

/// Tells the sink that there is no result for this item.
#[cold]
pub(super) fn refuse<R>(
    sink: &mut impl FnMut(usize, Result<R, ItemError>),
    index: usize,
    error: ItemError,
) {
    sink(index, Err(error));
}

#[cold]
fn not_decoded(error: &Malformed) -> ItemError {
    ItemError::Answer(error.to_string())
}

/// The error that a message reports if it is not a result.
#[cold]
fn complaint(kind: Kind, value: &[u8]) -> ItemError {
    match kind {
        Kind::PANIC => ItemError::Panicked(text(value)),
        Kind::NOT_DECODED => ItemError::Item(text(value)),
        _ => ItemError::Answer(text(value)),
    }
}

/// Decodes the text in a message.
fn text(value: &[u8]) -> String {
    decode(value).unwrap_or_else(|_| String::from_utf8_lossy(value).into_owned())
}
