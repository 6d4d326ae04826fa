//! Correct with shared memory: each worker has a place for its item and its
//! answer in memory that it shares with the pool, and only single bytes travel
//! over a socket. A worker asks the kernel to be killed when its parent ends
//! (PR_SET_PDEATHSIG), and epoll tells the pool which workers have something to
//! say.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// What a worker shares with the pool.
struct Place {
    item: AtomicU64,
    answer: AtomicU64,
    is_answered: AtomicBool,
}

#[derive(Debug)]
struct Worker {
    pid: Pid,
    place: NonNull<Place>,
    /// Carries one byte for each item and one for each answer.
    bell: UnixStream,
    index: Option<usize>,
}

/// A pool of worker processes.
#[derive(Debug)]
pub struct Pool {
    job: fn(u64) -> u64,
    workers: Vec<Option<Worker>>,
    epoll: Epoll,
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
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut pool = Pool {
            job,
            workers: Vec::new(),
            epoll,
        };
        for seat in 0..workers {
            let worker = pool.hire(seat)?;
            pool.workers.push(Some(worker));
        }
        Ok(pool)
    }

    /// Runs the job on every item.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let results = self.try_map(items);
        if results.is_err() {
            for seat in 0..self.workers.len() {
                let worker = self.workers[seat].as_ref();
                if worker.is_some_and(|worker| worker.index.is_some()) {
                    self.dismiss(seat);
                }
            }
        }
        results
    }

    fn try_map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let mut results = vec![Ok(0); items.len()];
        let mut waiting = items.iter().enumerate();
        let mut missing = items.len();
        let mut seats: Vec<usize> = (0..self.workers.len()).collect();
        while missing > 0 {
            for seat in seats.drain(..) {
                if let Some((index, item)) = waiting.next() {
                    self.give(seat, index, *item)?;
                }
            }
            let mut events = [EpollEvent::empty(); 8];
            let count = loop {
                match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                    Err(Errno::EINTR) => {}
                    other => break other?,
                }
            };
            for event in &events[..count] {
                let seat = event.data() as usize;
                let Some(worker) = &mut self.workers[seat] else {
                    continue;
                };
                let Some(index) = worker.index else {
                    // It has ended while it was idle.
                    self.dismiss(seat);
                    continue;
                };
                let rang = worker.bell.read_exact(&mut [0]).is_ok();
                // SAFETY: the memory lives as long as the worker.
                let place = unsafe { worker.place.as_ref() };
                results[index] = if place.is_answered.load(Relaxed) {
                    Ok(place.answer.load(Relaxed))
                } else {
                    Err(worker.ending()?)
                };
                worker.index = None;
                if !rang {
                    self.dismiss(seat);
                }
                missing -= 1;
                seats.push(seat);
            }
        }
        Ok(results)
    }

    fn give(&mut self, seat: usize, index: usize, item: u64) -> io::Result<()> {
        loop {
            if self.workers[seat].is_none() {
                self.workers[seat] = Some(self.hire(seat)?);
            }
            if let Some(worker) = &mut self.workers[seat] {
                // SAFETY: the memory lives as long as the worker.
                let place = unsafe { worker.place.as_ref() };
                place.is_answered.store(false, Relaxed);
                place.item.store(item, Relaxed);
                if worker.bell.write_all(b"!").is_ok() {
                    worker.index = Some(index);
                    return Ok(());
                }
            }
            self.dismiss(seat);
        }
    }

    /// Ends the worker of a seat. Its socket must leave the epoll by itself: a
    /// child that was just forked may still have a copy of it.
    fn dismiss(&mut self, seat: usize) {
        if let Some(worker) = self.workers[seat].take() {
            let _ = self.epoll.delete(&worker.bell);
        }
    }

    fn hire(&self, seat: usize) -> io::Result<Worker> {
        let length = NonZeroUsize::new(size_of::<Place>()).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let (bell, theirs) = UnixStream::pair()?;
        // SAFETY: new memory, which the kernel has filled with zeros.
        let place = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) }?.cast();
        let caller = getpid();
        // SAFETY: the caller has one thread.
        let pid = match unsafe { fork() } {
            Ok(ForkResult::Parent { child }) => child,
            Ok(ForkResult::Child) => {
                let others = self.workers.iter().flatten().map(|other| &other.bell);
                for other in others.chain([&bell]) {
                    // SAFETY: this process never uses it.
                    unsafe { libc::close(other.as_raw_fd()) };
                }
                let _ = set_pdeathsig(Signal::SIGKILL);
                // It may have ended before the request.
                if getppid() == caller {
                    // SAFETY: the mapping stays until the process ends.
                    work(self.job, unsafe { place.as_ref() }, theirs);
                }
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) }
            }
            Err(errno) => {
                // SAFETY: nobody else knows it.
                let _ = unsafe { munmap(place.cast(), size_of::<Place>()) };
                return Err(errno.into());
            }
        };
        let worker = Worker {
            pid,
            place,
            bell,
            index: None,
        };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, seat as u64);
        self.epoll.add(&worker.bell, event)?;
        Ok(worker)
    }
}

/// Returns when the caller has hung up.
fn work(job: fn(u64) -> u64, place: &Place, mut bell: UnixStream) {
    while bell.read_exact(&mut [0]).is_ok() {
        match catch_unwind(|| job(place.item.load(Relaxed))) {
            Ok(answer) => place.answer.store(answer, Relaxed),
            Err(payload) => {
                std::mem::forget(payload);
                // SAFETY: ends the process.
                unsafe { libc::_exit(101) }
            }
        }
        // The socket orders these stores.
        place.is_answered.store(true, Relaxed);
        if bell.write_all(b"!").is_err() {
            return;
        }
    }
}

impl Worker {
    fn ending(&self) -> io::Result<Ending> {
        loop {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            match waitid(Id::Pid(self.pid), flags) {
                Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code as u8)),
                Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        while waitpid(self.pid, None) == Err(Errno::EINTR) {}
        // SAFETY: nobody uses the memory any more.
        let _ = unsafe { munmap(self.place.cast(), size_of::<Place>()) };
    }
}
