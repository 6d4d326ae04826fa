//! Correct without any descriptor: each worker shares a page of memory with the
//! pool. Both sides sleep on futexes. The pool looks every few milliseconds
//! whether a worker has ended (waitid with WNOHANG), and the kernel kills a
//! worker whose parent has ended (PR_SET_PDEATHSIG).

use std::io;
use std::num::NonZeroUsize;
use std::panic::catch_unwind;
use std::ptr::{NonNull, null};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// The states of a desk.
const EMPTY: u32 = 0;
const ITEM: u32 = 1;
const ANSWER: u32 = 2;

/// What one worker shares with the pool.
#[derive(Debug)]
struct Desk {
    state: AtomicU32,
    value: AtomicU64,
}

/// Memory that this process shares with the children that it forks later.
#[derive(Debug)]
struct Shared<T>(NonNull<T>);

impl<T> Shared<T> {
    /// All bytes are 0, which must be a valid `T`.
    fn zeroed() -> io::Result<Self> {
        let length = NonZeroUsize::new(size_of::<T>()).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory.
        let page = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) }?;
        Ok(Shared(page.cast()))
    }

    fn get(&self) -> &T {
        // SAFETY: it is mapped until the drop, and consists of atomics.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: nobody in this process uses it any more.
        let _ = unsafe { munmap(self.0.cast(), size_of::<T>()) };
    }
}

/// Sleeps until the word changes, for at most 5 ms.
fn sleep_while(word: &AtomicU32, value: u32) {
    let most = libc::timespec {
        tv_sec: 0,
        tv_nsec: 5_000_000,
    };
    // SAFETY: both pointers are valid during the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            &raw const most,
        )
    };
}

fn wake(word: &AtomicU32) {
    // SAFETY: the word is valid.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE,
            1,
            null::<u8>(),
        )
    };
}

#[derive(Debug)]
struct Worker {
    pid: Pid,
    desk: Shared<Desk>,
    index: Option<usize>,
}

impl Worker {
    /// How it has ended, if it has. It stays a zombie.
    fn ending(&self) -> io::Result<Option<Ending>> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        loop {
            return match waitid(Id::Pid(self.pid), flags) {
                Err(Errno::EINTR) => continue,
                Ok(WaitStatus::Exited(_, code)) => Ok(Some(Ending::Exited(code as u8))),
                Ok(WaitStatus::Signaled(_, signal, _)) => Ok(Some(Ending::Killed(signal as i32))),
                Ok(_) => Ok(None),
                Err(errno) => Err(errno.into()),
            };
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        while waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED) == Err(Errno::EINTR) {}
    }
}

/// A pool of worker processes.
#[derive(Debug)]
pub struct Pool {
    job: fn(u64) -> u64,
    /// Changes with each answer of any worker.
    answers: Shared<AtomicU32>,
    workers: Vec<Option<Worker>>,
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
        let mut pool = Pool {
            job,
            answers: Shared::zeroed()?,
            workers: Vec::new(),
        };
        for _ in 0..workers {
            let worker = pool.hire()?;
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
            self.workers.fill_with(|| None);
        }
        results
    }

    fn try_map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        let mut results = vec![Ok(0); items.len()];
        let mut waiting = items.iter().copied().enumerate();
        let mut missing = items.len();
        while missing > 0 {
            let before = self.answers.get().load(SeqCst);
            let mut has_changed = false;
            for seat in 0..self.workers.len() {
                if let Some((index, result)) = self.collect(seat)? {
                    results[index] = result;
                    missing -= 1;
                    has_changed = true;
                }
                let is_busy = |worker: &Worker| worker.index.is_some();
                if !self.workers[seat].as_ref().is_some_and(is_busy)
                    && let Some((index, item)) = waiting.next()
                {
                    self.give(seat, index, item)?;
                }
            }
            if !has_changed {
                sleep_while(self.answers.get(), before);
            }
        }
        Ok(results)
    }

    fn give(&mut self, seat: usize, index: usize, item: u64) -> io::Result<()> {
        if let Some(worker) = &self.workers[seat]
            && worker.ending()?.is_some()
        {
            self.workers[seat] = None;
        }
        if self.workers[seat].is_none() {
            self.workers[seat] = Some(self.hire()?);
        }
        if let Some(worker) = &mut self.workers[seat] {
            let desk = worker.desk.get();
            desk.value.store(item, SeqCst);
            desk.state.store(ITEM, SeqCst);
            wake(&desk.state);
            worker.index = Some(index);
        }
        Ok(())
    }

    /// The result of this worker, if it has answered or ended.
    fn collect(&mut self, seat: usize) -> io::Result<Option<(usize, Result<u64, Ending>)>> {
        let Some(worker) = &mut self.workers[seat] else {
            return Ok(None);
        };
        let Some(index) = worker.index else {
            return Ok(None);
        };
        // In this order: it may answer and end between two looks.
        let ending = worker.ending()?;
        let desk = worker.desk.get();
        if desk.state.load(SeqCst) == ANSWER {
            let answer = desk.value.load(SeqCst);
            desk.state.store(EMPTY, SeqCst);
            worker.index = None;
            return Ok(Some((index, Ok(answer))));
        }
        let Some(ending) = ending else {
            return Ok(None);
        };
        self.workers[seat] = None;
        Ok(Some((index, Err(ending))))
    }

    fn hire(&self) -> io::Result<Worker> {
        let desk = Shared::zeroed()?;
        let caller = getpid();
        // SAFETY: the caller has one thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Worker {
                pid: child,
                desk,
                index: None,
            }),
            ForkResult::Child => {
                let _ = set_pdeathsig(Signal::SIGKILL);
                work(self.job, desk.get(), self.answers.get(), caller)
            }
        }
    }
}

/// A worker's whole life.
fn work(job: fn(u64) -> u64, desk: &Desk, answers: &AtomicU32, caller: Pid) -> ! {
    // The caller may have ended before the request to be killed with it.
    while getppid() == caller {
        let state = desk.state.load(SeqCst);
        if state != ITEM {
            sleep_while(&desk.state, state);
            continue;
        }
        let item = desk.value.load(SeqCst);
        let Ok(answer) = catch_unwind(|| job(item)).map_err(std::mem::forget) else {
            // SAFETY: ends the process.
            unsafe { libc::_exit(101) }
        };
        desk.value.store(answer, SeqCst);
        desk.state.store(ANSWER, SeqCst);
        answers.fetch_add(1, SeqCst);
        wake(answers);
    }
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}
