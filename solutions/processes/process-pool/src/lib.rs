//! A pool of worker processes that run one function on many items.
//!
//! ```text
//!           ┌─ socket ─ worker ┐
//!  caller ──┼─ socket ─ worker ├─ each reads an item, runs the job, writes the answer
//!           └─ socket ─ worker ┘
//! ```

use std::io::{self, Read, Write};
use std::iter::zip;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, Pid, close, fork};

/// The exit code of a worker whose job panicked, as that of a Rust program
/// whose `main` panics.
const PANICKED: i32 = 101;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Child processes that run one function on the items that they are given.
#[derive(Debug)]
pub struct Pool {
    job: fn(u64) -> u64,
    /// A seat for each worker. It is empty from the end of its worker until an
    /// item needs a new one.
    seats: Vec<Option<Worker>>,
}

/// A child process. Dropping it ends the process.
#[derive(Debug)]
struct Worker {
    pid: Pid,
    /// Our end of the connection. The worker has the other end, and no other
    /// process has it, so this one reports the end of the worker.
    line: UnixStream,
    /// The index of the item that it works on.
    item: Option<usize>,
}

impl Pool {
    /// Starts `workers` children that run `job` on the items they are given.
    ///
    /// # Errors
    /// `InvalidInput` for 0 workers; the errors of socketpair(2) and fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread, now and whenever it calls `map`.
    pub unsafe fn start(workers: usize, job: fn(u64) -> u64) -> io::Result<Pool> {
        if workers == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // After an error, dropping the pool ends the workers that it has.
        let seats = Vec::new();
        let mut pool = Pool { job, seats };
        for _ in 0..workers {
            let worker = Worker::start(job, &pool.seats)?;
            pool.seats.push(Some(worker));
        }
        Ok(pool)
    }

    /// Runs the job on every item, and returns the results in the order of the
    /// items. An item whose worker ended has that ending as its result.
    ///
    /// # Errors
    /// Those of socketpair(2), fork(2), poll(2) and waitid(2). The pool stays
    /// usable.
    pub fn map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let results = self.work_on(items);
        if results.is_err() {
            // A worker that still has an item would answer it in the next map.
            self.seats.fill_with(|| None);
        }
        results
    }

    fn work_on(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let mut results = vec![None; items.len()];
        let mut waiting = items.iter().copied().enumerate();
        loop {
            self.hand_out(&mut waiting)?;
            let ready = self.wait_for_workers()?;
            if ready.is_empty() {
                break;
            }
            for seat in ready {
                if let Some((index, result)) = self.collect(seat)? {
                    results[index] = Some(result);
                }
            }
        }
        let results: Option<Vec<_>> = results.into_iter().collect();
        Ok(results.expect("every item was handed out, and no worker is busy"))
    }

    /// Gives each idle worker an item, as long as there are items.
    fn hand_out(&mut self, waiting: &mut impl Iterator<Item = (usize, u64)>) -> io::Result<()> {
        for seat in 0..self.seats.len() {
            let is_busy = |worker: &Worker| worker.item.is_some();
            if self.seats[seat].as_ref().is_some_and(is_busy) {
                continue;
            }
            let Some((index, item)) = waiting.next() else {
                break;
            };
            self.give(seat, index, item)?;
        }
        Ok(())
    }

    fn give(&mut self, seat: usize, index: usize, item: u64) -> io::Result<()> {
        loop {
            if self.seats[seat].is_none() {
                self.seats[seat] = Some(Worker::start(self.job, &self.seats)?);
            }
            if let Some(worker) = &mut self.seats[seat]
                && worker.line.write_all(&item.to_ne_bytes()).is_ok()
            {
                worker.item = Some(index);
                return Ok(());
            }
            // It ended while it was idle, so the item is still ours.
            self.seats[seat] = None;
        }
    }

    /// Waits until busy workers have answered or ended, and returns their
    /// seats. Returns none if no worker is busy.
    fn wait_for_workers(&self) -> io::Result<Vec<usize>> {
        let seats = self.seats.iter().enumerate();
        let (busy, mut lines): (Vec<usize>, Vec<PollFd>) = seats
            .filter_map(|(seat, worker)| {
                let worker = worker.as_ref().filter(|worker| worker.item.is_some())?;
                Some((seat, PollFd::new(worker.line.as_fd(), PollFlags::POLLIN)))
            })
            .unzip();
        if busy.is_empty() {
            return Ok(busy);
        }
        // The handler of a signal interrupts the call.
        while let Err(errno) = poll(&mut lines, PollTimeout::NONE) {
            if errno != Errno::EINTR {
                return Err(errno.into());
            }
        }
        let ready = zip(busy, lines).filter(|(_, line)| line.any() == Some(true));
        Ok(ready.map(|(seat, _)| seat).collect())
    }

    /// Takes the answer of a worker that has answered or ended.
    fn collect(&mut self, seat: usize) -> io::Result<Option<(usize, Result<u64, Ending>)>> {
        let Some(worker) = &mut self.seats[seat] else {
            return Ok(None);
        };
        let Some(index) = worker.item.take() else {
            return Ok(None);
        };
        let mut answer = [0; size_of::<u64>()];
        // What it sent before its end comes first, the end of the stream after that.
        if worker.line.read_exact(&mut answer).is_ok() {
            return Ok(Some((index, Ok(u64::from_ne_bytes(answer)))));
        }
        let ending = worker.ending()?;
        self.seats[seat] = None;
        Ok(Some((index, Err(ending))))
    }
}

impl Worker {
    fn start(job: fn(u64) -> u64, others: &[Option<Worker>]) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        // SAFETY: who made the pool has promised that there is no other thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Worker {
                pid: child,
                line: ours,
                item: None,
            }),
            ForkResult::Child => {
                // A copy of our end would hide our death from the workers. The
                // others must not be dropped here: that would kill them.
                drop(ours);
                for other in others.iter().flatten() {
                    let _ = close(other.line.as_raw_fd());
                }
                serve(job, theirs)
            }
        }
    }

    /// Waits until it has ended, and leaves it to `drop` to reap it.
    fn ending(&self) -> io::Result<Ending> {
        match self.wait(WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)? {
            WaitStatus::Exited(_, code) => Ok(Ending::Exited(code as u8)),
            WaitStatus::Signaled(_, signal, _) => Ok(Ending::Killed(signal as i32)),
            other => Err(io::Error::other(format!("waitid returned {other:?}"))),
        }
    }

    fn wait(&self, what_for: WaitPidFlag) -> nix::Result<WaitStatus> {
        loop {
            match waitid(Id::Pid(self.pid), what_for) {
                Err(Errno::EINTR) => {}
                other => return other,
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // No process can ignore SIGKILL, and a stopped one dies of it too. If
        // the worker has ended, its number is still taken: it was not reaped.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = self.wait(WaitPidFlag::WEXITED);
    }
}

/// A worker's whole life.
fn serve(job: fn(u64) -> u64, mut line: UnixStream) -> ! {
    let mut item = [0; size_of::<u64>()];
    while line.read_exact(&mut item).is_ok() {
        let answer = catch_unwind(|| job(u64::from_ne_bytes(item))).unwrap_or_else(|payload| {
            // Its destructor might panic too, and that would unwind into the
            // caller's frames.
            std::mem::forget(payload);
            end(PANICKED)
        });
        if line.write_all(&answer.to_ne_bytes()).is_err() {
            break;
        }
    }
    // The caller has ended.
    end(0)
}

/// Ends a worker, without the exit handlers, which belong to the caller.
fn end(code: i32) -> ! {
    // SAFETY: `_exit` ends the process and touches no memory.
    unsafe { libc::_exit(code) }
}
