//! The part of a [`Run`] that handles workers that have ended.

use std::borrow::Borrow;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::control::Report;
use super::crew::Crew;
use super::message::{self, Parsed};
use super::run::{Run, refuse};
use super::{ItemError, PoolError};
use crate::Ending;

/// After how many such deaths in a row an item is blamed: deaths of workers
/// that had not yet begun their chunk. The blame goes to the item with which
/// the last of them would have begun.
const UNEXPLAINED_DEATHS: usize = 3;

impl<T, R, I, S> Run<'_, T, R, I, S>
where
    T: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item: Borrow<T>>,
    S: FnMut(usize, Result<R, ItemError>),
{
    /// Handles all reports that have arrived from the zygote.
    pub(super) fn read_reports(&mut self) -> Result<(), PoolError> {
        while let Some(report) = self.crew.report(false)? {
            match report {
                Report::Ready | Report::Failed { .. } | Report::Started { .. } => {}
                Report::Ended { seat, status } => self.bury(seat, Ending::from_raw(status))?,
                Report::Refused { seat, errno } => {
                    self.give_up(seat);
                    self.leave_empty(seat, io::Error::from_raw_os_error(errno))?;
                }
            }
        }
        Ok(())
    }

    /// Handles the end of a worker: the results that it computed are kept, the
    /// item that it worked on is lost, and the rest of its items go to other
    /// workers.
    fn bury(&mut self, seat: usize, ending: Option<Ending>) -> Result<(), PoolError> {
        if let Some(worker) = self.crew.worker(seat) {
            worker.ended = true;
        }
        // Everything that the worker sent has arrived by now.
        while self
            .crew
            .worker(seat)
            .is_some_and(|worker| !worker.hung_up && worker.receive())
        {
            self.take_in(seat)?;
        }
        self.salvage(seat)?;
        let mut lost = None;
        let place = &mut self.crew.seats[seat];
        if let Some(worker) = &mut place.worker
            && !worker.retired
            && let Some(chunk) = worker.chunks.front_mut()
        {
            let begun = !place.desk.revoke(chunk.number);
            self.unexplained += usize::from(!begun);
            if begun || self.unexplained >= UNEXPLAINED_DEATHS {
                self.unexplained = 0;
                lost = Some(chunk.first + chunk.done);
                chunk.done += 1;
            }
        }
        self.give_up(seat);
        if let Some(index) = lost {
            refuse(&mut self.sink, index, ItemError::Died(ending));
        }
        Ok(())
    }

    /// Takes the results that a dead worker had computed but not sent.
    fn salvage(&mut self, seat: usize) -> Result<(), PoolError> {
        let place = &mut self.crew.seats[seat];
        let Some(worker) = &mut place.worker else {
            return Ok(());
        };
        // The results that it was sending when it died are still on the desk,
        // too. Skip those that have arrived.
        let Some(known) = worker.answered.checked_sub(place.desk.sent_before()) else {
            return Ok(());
        };
        let mut rest = place.desk.unsent();
        for _ in 0..known {
            match message::parse(rest) {
                Parsed::Message { size, .. } => rest = &rest[size..],
                Parsed::Incomplete | Parsed::Garbage => return Ok(()),
            }
        }
        worker.replace_arrived(rest);
        self.take_in(seat)
    }

    /// Clears the seat, and puts the items that its worker still had to do into
    /// the backlog.
    fn give_up(&mut self, seat: usize) {
        let Some(worker) = self.crew.seats[seat].worker.take() else {
            return;
        };
        for mut chunk in worker.chunks.into_iter().rev() {
            let mut rest = &chunk.frames[..];
            for _ in 0..chunk.done {
                if let Parsed::Message { size, .. } = message::parse(rest) {
                    rest = &rest[size..];
                }
            }
            let used = chunk.frames.len() - rest.len();
            chunk.frames.drain(..used);
            chunk.first += chunk.done;
            chunk.count -= chunk.done;
            chunk.done = 0;
            if chunk.count > 0 {
                self.backlog.push_front(chunk);
            }
        }
    }
}

impl<T, R, I, S> Drop for Run<'_, T, R, I, S> {
    /// If the run did not finish, because of an error, or of a panic in an
    /// iterator or a sink, some workers are still busy with chunks whose
    /// results are not wanted any more. This kills them.
    fn drop(&mut self) {
        let seats = self.crew.seats.len();
        for seat in 0..seats {
            let busy = |crew: &mut Crew| {
                crew.worker(seat)
                    .is_some_and(|worker| !worker.chunks.is_empty())
            };
            if self.crew.worker(seat).is_some_and(|worker| worker.ended) {
                self.crew.seats[seat].worker = None;
            }
            if !busy(self.crew) || self.crew.dismiss(seat).is_err() {
                continue;
            }
            while busy(self.crew) {
                match self.crew.report(true) {
                    Ok(Some(Report::Ended { seat, .. } | Report::Refused { seat, .. })) => {
                        self.crew.seats[seat].worker = None;
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        }
    }
}
