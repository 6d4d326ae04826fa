//! Correct but wasteful: the pool never sleeps. It looks at each worker in turn,
//! with reads that do not block and with WNOHANG, until all items have results.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;
use std::thread::yield_now;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
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
    socket: UnixStream,
    /// Its item, and the answer as far as it has arrived.
    item: Option<(usize, Vec<u8>)>,
    reaped: bool,
}

/// A pool of worker processes.
#[derive(Debug)]
pub struct Pool {
    job: fn(u64) -> u64,
    workers: Vec<Worker>,
}

impl Pool {
    /// Starts `workers` processes.
    ///
    /// # Errors
    /// `InvalidInput` for 0 workers; those of socketpair(2) and fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread.
    pub unsafe fn start(workers: usize, job: fn(u64) -> u64) -> io::Result<Pool> {
        if workers == 0 {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut pool = Pool {
            job,
            workers: Vec::new(),
        };
        for _ in 0..workers {
            let worker = pool.hire()?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Runs the job on every item.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let results = self.try_map(items);
        for worker in &mut self.workers {
            if worker.item.take().is_some() {
                // After an error: the next map replaces this worker.
                worker.end();
            }
        }
        results
    }

    fn try_map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let mut results = vec![None; items.len()];
        let mut next = 0;
        let mut missing = items.len();
        while missing > 0 {
            for at in 0..self.workers.len() {
                if self.workers[at].item.is_none() && next < items.len() {
                    self.give(at, next, items[next])?;
                    next += 1;
                }
                if let Some((index, result)) = self.workers[at].look()? {
                    results[index] = Some(result);
                    missing -= 1;
                }
            }
            yield_now();
        }
        Ok(results.into_iter().flatten().collect())
    }

    fn give(&mut self, at: usize, index: usize, item: u64) -> io::Result<()> {
        loop {
            let worker = &mut self.workers[at];
            if !worker.reaped && worker.socket.write_all(&item.to_le_bytes()).is_ok() {
                worker.item = Some((index, Vec::new()));
                return Ok(());
            }
            worker.end();
            self.workers[at] = self.hire()?;
        }
    }

    fn hire(&self) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        // SAFETY: the caller has one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Worker {
                pid: child,
                socket: ours,
                item: None,
                reaped: false,
            }),
            ForkResult::Child => {
                drop(ours);
                for worker in &self.workers {
                    // SAFETY: this process never uses it.
                    unsafe { libc::close(worker.socket.as_raw_fd()) };
                }
                work(self.job, theirs)
            }
        }
    }
}

impl Worker {
    /// The result of its item, if it is known by now.
    fn look(&mut self) -> io::Result<Option<(usize, Result<u64, Ending>)>> {
        if self.item.is_none() {
            return Ok(None);
        }
        // The end is looked for before the answer, so no answer is missed.
        let ending = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(_, code) => Some(Ending::Exited(code as u8)),
            WaitStatus::Signaled(_, signal, _) => Some(Ending::Killed(signal as i32)),
            _ => None,
        };
        self.reaped = ending.is_some();
        let answer = self.read_some();
        let Some((index, _)) = self.item else {
            return Ok(None);
        };
        let result = match (answer, ending) {
            (Some(answer), _) => Ok(answer),
            (None, Some(ending)) => Err(ending),
            (None, None) => return Ok(None),
        };
        self.item = None;
        Ok(Some((index, result)))
    }

    fn read_some(&mut self) -> Option<u64> {
        let (_, bytes) = self.item.as_mut()?;
        let mut byte = [0];
        while bytes.len() < 8 {
            match self.socket.read(&mut byte) {
                Ok(1) => bytes.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        Some(u64::from_le_bytes(bytes.as_slice().try_into().ok()?))
    }

    fn end(&mut self) {
        if !self.reaped {
            let _ = kill(self.pid, Signal::SIGKILL);
            while waitpid(self.pid, None) == Err(Errno::EINTR) {}
            self.reaped = true;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

fn work(job: fn(u64) -> u64, mut socket: UnixStream) -> ! {
    let mut item = [0; 8];
    let code = loop {
        if socket.read_exact(&mut item).is_err() {
            break 0;
        }
        match catch_unwind(|| job(u64::from_le_bytes(item))) {
            Ok(answer) if socket.write_all(&answer.to_le_bytes()).is_ok() => {}
            Ok(_) => break 0,
            Err(payload) => {
                std::mem::forget(payload);
                break 101;
            }
        }
    };
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}
