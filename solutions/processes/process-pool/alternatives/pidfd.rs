//! Correct with descriptors that refer to processes: the pool learns of the end
//! of a worker from its pidfd (pidfd_open(2)), and then still looks for an answer
//! that the worker sent before. Sockets that preserve message boundaries carry
//! items and answers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
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
    pidfd: OwnedFd,
    socket: OwnedFd,
    index: Option<usize>,
}

/// A pool of worker processes.
#[derive(Debug)]
pub struct Pool {
    job: fn(u64) -> u64,
    workers: usize,
    idle: Vec<Worker>,
}

impl Pool {
    /// Starts `workers` processes.
    ///
    /// # Errors
    /// `InvalidInput` for 0 workers; those of the system calls.
    ///
    /// # Safety
    /// The caller's process has one thread.
    pub unsafe fn start(workers: usize, job: fn(u64) -> u64) -> io::Result<Pool> {
        if workers == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut idle = Vec::new();
        while idle.len() < workers {
            idle.push(hire(job, &idle, &[])?);
        }
        Ok(Pool { job, workers, idle })
    }

    /// Runs the job on every item.
    ///
    /// # Errors
    /// Those of the system calls. The busy workers end.
    pub fn map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let mut results = vec![None; items.len()];
        // On an error, this is dropped.
        let mut busy: Vec<Worker> = Vec::new();
        let mut waiting = items.iter().enumerate().peekable();
        while waiting.peek().is_some() || !busy.is_empty() {
            while busy.len() < self.workers
                && let Some((index, item)) = waiting.peek()
            {
                let mut worker = match self.idle.pop() {
                    Some(worker) => worker,
                    None => hire(self.job, &self.idle, &busy)?,
                };
                if write(&worker.socket, **item).is_ok() {
                    worker.index = Some(*index);
                    busy.push(worker);
                    waiting.next();
                }
            }
            wait_for_one(&busy)?;
            let mut still = Vec::new();
            while let Some(mut worker) = busy.pop() {
                // Looks for the end first: an answer that came before it is
                // then there.
                let ended = match has_ended(worker.pid) {
                    Ok(ended) => ended,
                    Err(error) => {
                        // All busy workers end.
                        drop((worker, still));
                        return Err(error);
                    }
                };
                let answer = read(&worker.socket, MsgFlags::MSG_DONTWAIT);
                let Some(index) = worker.index else { continue };
                match (answer, ended) {
                    (Some(answer), None) => {
                        results[index] = Some(Ok(answer));
                        worker.index = None;
                        self.idle.push(worker);
                    }
                    (Some(answer), Some(_)) => results[index] = Some(Ok(answer)),
                    (None, Some(ending)) => results[index] = Some(Err(ending)),
                    (None, None) => still.push(worker),
                }
            }
            busy = still;
        }
        Ok(results.into_iter().flatten().collect())
    }
}

fn hire(job: fn(u64) -> u64, idle: &[Worker], busy: &[Worker]) -> io::Result<Worker> {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    // SAFETY: the caller has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(ours);
            for other in idle.iter().chain(busy) {
                // SAFETY: this process never uses them.
                unsafe {
                    libc::close(other.socket.as_raw_fd());
                    libc::close(other.pidfd.as_raw_fd());
                }
            }
            work(job, &theirs)
        }
        ForkResult::Parent { child } => {
            // SAFETY: two integers in, a new descriptor or -1 out.
            let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.as_raw(), 0) };
            match Errno::result(pidfd) {
                Ok(pidfd) => Ok(Worker {
                    pid: child,
                    // SAFETY: the kernel has just made it for us.
                    pidfd: unsafe { OwnedFd::from_raw_fd(pidfd as i32) },
                    socket: ours,
                    index: None,
                }),
                Err(errno) => {
                    end(child);
                    Err(errno.into())
                }
            }
        }
    }
}

fn work(job: fn(u64) -> u64, socket: &OwnedFd) -> ! {
    while let Some(item) = read(socket, MsgFlags::empty()) {
        match catch_unwind(AssertUnwindSafe(|| job(item))) {
            Ok(answer) if write(socket, answer).is_ok() => {}
            Ok(_) => break,
            Err(payload) => {
                std::mem::forget(payload);
                // SAFETY: ends the process.
                unsafe { libc::_exit(101) }
            }
        }
    }
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

/// `None` if there is no message, or no message any more.
fn read(socket: &OwnedFd, flags: MsgFlags) -> Option<u64> {
    let mut bytes = [0; 8];
    loop {
        match recv(socket.as_raw_fd(), &mut bytes, flags) {
            Ok(8) => return Some(u64::from_be_bytes(bytes)),
            Err(Errno::EINTR) => {}
            _ => return None,
        }
    }
}

fn write(socket: &OwnedFd, number: u64) -> nix::Result<()> {
    loop {
        match send(
            socket.as_raw_fd(),
            &number.to_be_bytes(),
            MsgFlags::MSG_NOSIGNAL,
        ) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// What becomes readable when the worker has answered or ended.
fn both(worker: &Worker) -> [PollFd<'_>; 2] {
    let Worker { pidfd, socket, .. } = worker;
    [pidfd, socket].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
}

fn wait_for_one(busy: &[Worker]) -> io::Result<()> {
    let mut fds: Vec<PollFd> = busy.iter().flat_map(both).collect();
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// Leaves it to the drop to reap the worker.
fn has_ended(pid: Pid) -> io::Result<Option<Ending>> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    Ok(match waitid(Id::Pid(pid), flags)? {
        WaitStatus::Exited(_, code) => Some(Ending::Exited(code as u8)),
        WaitStatus::Signaled(_, signal, _) => Some(Ending::Killed(signal as i32)),
        _ => None,
    })
}

fn end(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
    while waitpid(pid, None) == Err(Errno::EINTR) {}
}

impl Drop for Worker {
    fn drop(&mut self) {
        end(self.pid);
    }
}
