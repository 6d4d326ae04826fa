//! Correct with pipes: each worker has a pipe for its items and another one for
//! its answers, and a worker that has ended is replaced at once. waitpid reaps
//! it, so the pool remembers which workers it has reaped.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

#[derive(Debug)]
struct Worker {
    pid: Pid,
    reaped: bool,
    items: PipeWriter,
    answers: PipeReader,
    /// The index of its item.
    works_on: Option<usize>,
}

/// A pool of worker processes.
#[derive(Debug)]
pub struct Pool {
    job: fn(u64) -> u64,
    count: usize,
    workers: Vec<Worker>,
}

impl Pool {
    /// Starts `workers` processes.
    ///
    /// # Errors
    /// `InvalidInput` for 0 workers; those of pipe(2) and fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread.
    pub unsafe fn start(workers: usize, job: fn(u64) -> u64) -> io::Result<Pool> {
        if workers == 0 {
            let text = "a pool needs a worker";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut pool = Pool {
            job,
            count: workers,
            workers: Vec::new(),
        };
        pool.fill()?;
        Ok(pool)
    }

    /// Runs the job on every item.
    ///
    /// # Errors
    /// Those of pipe(2), fork(2), ppoll(2) and waitpid(2).
    pub fn map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let results = self.try_map(items);
        if results.is_err() {
            self.workers.retain(|worker| worker.works_on.is_none());
        }
        results
    }

    fn try_map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let mut results = vec![Err(Ending::Exited(0)); items.len()];
        let (mut given, mut done) = (0, 0);
        while done < items.len() {
            self.fill()?;
            while given < items.len()
                && let Some(idle) = self.workers.iter().position(|w| w.works_on.is_none())
            {
                let worker = &mut self.workers[idle];
                if worker.items.write_all(&items[given].to_le_bytes()).is_err() {
                    // It ended before it could get the item.
                    self.workers.remove(idle);
                    self.fill()?;
                    continue;
                }
                worker.works_on = Some(given);
                given += 1;
            }
            for index in self.readable()?.into_iter().rev() {
                let worker = &mut self.workers[index];
                let Some(item) = worker.works_on else {
                    continue;
                };
                let mut answer = [0; 8];
                results[item] = match worker.answers.read_exact(&mut answer) {
                    Ok(()) => Ok(u64::from_le_bytes(answer)),
                    Err(_) => Err(worker.reap()?),
                };
                worker.works_on = None;
                done += 1;
                if worker.reaped {
                    self.workers.remove(index);
                }
            }
        }
        Ok(results)
    }

    /// Starts the workers that are missing.
    fn fill(&mut self) -> io::Result<()> {
        while self.workers.len() < self.count {
            let worker = self.hire()?;
            self.workers.push(worker);
        }
        Ok(())
    }

    fn hire(&self) -> io::Result<Worker> {
        let (their_items, items) = io::pipe()?;
        let (answers, their_answers) = io::pipe()?;
        // SAFETY: the caller has one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Worker {
                pid: child,
                reaped: false,
                items,
                answers,
                works_on: None,
            }),
            ForkResult::Child => {
                drop((items, answers));
                for other in &self.workers {
                    // SAFETY: this process never uses the other workers.
                    unsafe {
                        libc::close(other.items.as_raw_fd());
                        libc::close(other.answers.as_raw_fd());
                    }
                }
                work(self.job, their_items, their_answers)
            }
        }
    }

    /// The busy workers that have answered or ended.
    fn readable(&self) -> io::Result<Vec<usize>> {
        let busy = || {
            self.workers
                .iter()
                .enumerate()
                .filter(|(_, w)| w.works_on.is_some())
        };
        if busy().next().is_none() {
            return Ok(Vec::new());
        }
        loop {
            let asked =
                busy().map(|(_, worker)| PollFd::new(worker.answers.as_fd(), PollFlags::POLLIN));
            let mut asked: Vec<PollFd> = asked.collect();
            match ppoll(&mut asked, None, None) {
                Ok(_) => {
                    let ready = busy()
                        .zip(&asked)
                        .filter(|(_, asked)| asked.any() == Some(true));
                    return Ok(ready.map(|((index, _), _)| index).collect());
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Worker {
    fn reap(&mut self) -> io::Result<Ending> {
        loop {
            match waitpid(self.pid, None) {
                Ok(WaitStatus::Exited(_, code)) => {
                    self.reaped = true;
                    return Ok(Ending::Exited(code as u8));
                }
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    self.reaped = true;
                    return Ok(Ending::Killed(signal as i32));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.reap();
        }
    }
}

fn work(job: fn(u64) -> u64, mut items: PipeReader, mut answers: PipeWriter) -> ! {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut item = [0; 8];
        while items.read_exact(&mut item).is_ok() {
            let answer = job(u64::from_le_bytes(item));
            if answers.write_all(&answer.to_le_bytes()).is_err() {
                break;
            }
        }
    }));
    let code = if lived.is_ok() { 0 } else { 101 };
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}
