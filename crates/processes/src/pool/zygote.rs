//! The process from which a pool's workers are forked.
//!
//! ```text
//!  program (any number of threads)
//!     │ fork, once, in ProcessPool::new
//!     ▼
//!  zygote (one thread, for ever)      waits for: orders, a worker's end,
//!     │ fork, whenever one is needed             the program's end
//!     ▼
//!  workers
//! ```
//!
//! When a process with several threads forks, it copies locks that no thread
//! will release in the copy. The zygote never has a second thread and never
//! runs the pool's function, so a worker that replaces a dead one hours later
//! starts in the same state as the first worker. The zygote also cleans up:
//! when the program is gone, for whatever reason, the zygote kills everything
//! that the pool ever started, and ends.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::setpgid;

use super::control::{Control, Order, Report};
use super::desk::Desk;
use crate::between::set_signal_mask;
use crate::{Pid, become_subreaper, end_descendants, fork};

/// How long the processes that the pool started may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state of the zygote.
pub(crate) struct Zygote {
    /// The connection to the program; `None` in workers, which close it.
    line: Option<Line>,
    /// The desks, by seat. A worker keeps only its own.
    desks: Vec<Desk>,
    /// The workers' pids, by seat.
    workers: Vec<Option<Pid>>,
}

struct Line {
    control: Control,
    /// Readable when a child has ended.
    ends: SignalFd,
    /// Readable when the program has ended.
    program: OwnedFd,
}

impl Zygote {
    /// Turns this process into a zygote, and reports to the program whether that
    /// succeeded. It must be a fresh copy of the program in which all signals
    /// are blocked. Of its other descriptors, only `kept` and the standard
    /// descriptors stay usable.
    pub(crate) fn new(
        control: Control,
        program: OwnedFd,
        desks: Vec<Desk>,
        kept: &[RawFd],
    ) -> io::Result<Zygote> {
        let mut usable = vec![control.as_fd().as_raw_fd(), program.as_raw_fd()];
        usable.extend_from_slice(kept);
        let ends = match settle(&usable) {
            Ok(ends) => ends,
            Err(error) => {
                let errno = errno_of(&error);
                _ = control.report(Report::Failed { errno });
                return Err(error);
            }
        };
        control.report(Report::Ready)?;
        let workers = desks.iter().map(|_| None).collect();
        let line = Some(Line {
            control,
            ends,
            program,
        });
        Ok(Zygote {
            line,
            desks,
            workers,
        })
    }

    /// Starts workers, each of which runs `work`, until the program is gone.
    /// Then it ends the workers, and returns the exit status for the zygote.
    pub(crate) fn run(mut self, work: &mut dyn FnMut(UnixStream, &Desk)) -> i32 {
        // If something fails here, the only way to report it is to end.
        while let Ok(true) = self.one_round(work) {}
        match end_descendants(Instant::now() + PATIENCE) {
            Ok(_) => 0,
            Err(_) => 1,
        }
    }

    /// Waits for one event and handles it. Returns false once the program is
    /// gone.
    fn one_round(&mut self, work: &mut dyn FnMut(UnixStream, &Desk)) -> io::Result<bool> {
        let Some(line) = &self.line else {
            return Ok(false);
        };
        let (control, ends, program) = (&line.control, &line.ends, &line.program);
        let mut watched = [control.as_fd(), ends.as_fd(), program.as_fd()]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match ppoll(&mut watched, None, None) {
            Err(Errno::EINTR) => return Ok(true),
            other => other?,
        };
        let ready = watched.map(|fd| fd.any().unwrap_or(true));
        if ready[2] {
            return Ok(false);
        }
        if ready[1] {
            self.reap()?;
        }
        if ready[0] {
            self.obey(work)?;
        }
        Ok(true)
    }

    /// Reaps all children that have ended, because one SIGCHLD may stand for
    /// many.
    fn reap(&mut self) -> io::Result<()> {
        let Some(line) = &self.line else {
            return Ok(());
        };
        while let Ok(Some(_)) = line.ends.read_signal() {}
        loop {
            let mut status = 0;
            // SAFETY: the kernel writes one int, ours.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
            if pid <= 0 {
                return Ok(());
            }
            // Other processes are orphaned descendants of workers, which the
            // zygote has adopted.
            if let Some(seat) = self.workers.iter().position(|&worker| worker == Some(pid)) {
                self.workers[seat] = None;
                line.control.report(Report::Ended { seat, status })?;
            }
        }
    }

    /// Carries out one order. An error, here and in `one_round`, means that the
    /// program is gone.
    fn obey(&mut self, work: &mut dyn FnMut(UnixStream, &Desk)) -> io::Result<()> {
        let Some(line) = &self.line else {
            return Ok(());
        };
        match line.control.next_order()? {
            (Order::Start { seat }, Some(socket)) if seat < self.desks.len() => {
                let report = match self.start(seat, UnixStream::from(socket), work) {
                    Ok(pid) => Report::Started { seat, pid },
                    Err(error) => {
                        let errno = errno_of(&error);
                        Report::Refused { seat, errno }
                    }
                };
                self.line
                    .as_ref()
                    .map_or(Ok(()), |line| line.control.report(report))
            }
            // The program always sends a socket, so it was lost on its way.
            (Order::Start { seat }, None) if seat < self.desks.len() => {
                let errno = libc::EMFILE;
                line.control.report(Report::Refused { seat, errno })
            }
            (Order::Kill { seat }, _) => {
                if let Some(&Some(pid)) = self.workers.get(seat) {
                    // SAFETY: the arguments are two numbers, and the worker is
                    // our child and not yet reaped.
                    unsafe { libc::kill(pid, libc::SIGKILL) };
                }
                Ok(())
            }
            // The program never sends this: a start for an unknown seat.
            (Order::Start { .. }, _) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn start(
        &mut self,
        seat: usize,
        socket: UnixStream,
        work: &mut dyn FnMut(UnixStream, &Desk),
    ) -> io::Result<Pid> {
        let zygote = std::process::id().cast_signed();
        let in_worker = || {
            // A worker keeps its socket and its desk, and nothing else of the
            // zygote.
            self.line = None;
            let desk = self.desks.swap_remove(seat);
            self.desks.clear();
            if !ends_with(zygote) {
                return 1;
            }
            set_signal_mask(0);
            work(socket, &desk);
            0
        };
        let pid = fork::copy(in_worker, false)?;
        self.workers[seat] = Some(pid);
        Ok(pid)
    }
}

/// Detaches this process from what it has inherited from the program, and returns
/// a descriptor that is readable when a child has ended.
fn settle(usable: &[RawFd]) -> io::Result<SignalFd> {
    // A process group of its own keeps Ctrl-C in a terminal away from the pool.
    // The program decides whether Ctrl-C ends it, and the pool ends with the
    // program.
    setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0))?;
    reset_handlers();
    seal_descriptors(usable)?;
    become_subreaper()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let ends = SignalFd::with_flags(&SigSet::from(Signal::SIGCHLD), flags)?;
    set_signal_mask(1 << (libc::SIGCHLD - 1));
    Ok(ends)
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Makes the kernel kill this process when its parent ends. The kernel looks at
/// the *thread* that forked, but this parent has only one thread. Returns false
/// if the parent has already ended.
fn ends_with(parent: Pid) -> bool {
    // SAFETY: numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) == 0
            && libc::getppid() == parent
    }
}

/// Removes the program's signal handlers, which must not run here: they would
/// wake threads of the program that do not exist in this process, or write to
/// the program's descriptors. The settings of Rust's runtime stay: SIGPIPE is
/// ignored, and the handlers of SIGSEGV and SIGBUS report stack overflows.
fn reset_handlers() {
    for signal in 1..=libc::SIGRTMAX() {
        let kept = [libc::SIGPIPE, libc::SIGSEGV, libc::SIGBUS].contains(&signal);
        // The C library reserves these signals for itself.
        let internal = (32..libc::SIGRTMIN()).contains(&signal);
        if kept || internal {
            continue;
        }
        // SAFETY: all zeros is the default action, with an empty mask. The
        // kernel reads one sigaction and writes one, both ours. It refuses
        // SIGKILL and SIGSTOP, which cannot have a handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, ptr::null(), &raw mut action);
            let ignored = action.sa_sigaction == libc::SIG_IGN;
            // If SIGCHLD were ignored, the kernel would not tell how a child
            // ended.
            if !ignored || signal == libc::SIGCHLD {
                let default: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, &raw const default, ptr::null_mut());
            }
        }
    }
}

/// Makes every descriptor from 3 on unusable, except those in `usable`.
///
/// It does not close them, because this process also has copies of the
/// program's values that own them. The next file to be opened would get one of
/// their numbers, and the pool's function, using its old value, would write
/// into the wrong file. A descriptor opened with `O_PATH` keeps the number
/// occupied, and reads and writes on it fail with EBADF.
fn seal_descriptors(usable: &[RawFd]) -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let dead = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open("/")?;
    for fd in open {
        if fd < 3 || usable.contains(&fd) || fd == dead.as_raw_fd() {
            continue;
        }
        // SAFETY: the arguments are numbers, and this process uses none of
        // these descriptors. One of them was the directory that listed them. It
        // is closed already, so F_GETFD fails for it.
        unsafe {
            if libc::fcntl(fd, libc::F_GETFD) >= 0 {
                match Errno::result(libc::dup3(dead.as_raw_fd(), fd, libc::O_CLOEXEC)) {
                    // The program has lowered its limit below this number since
                    // it opened it, so no new file gets the number.
                    Err(Errno::EBADF) => _ = libc::close(fd),
                    other => _ = other?,
                }
            }
        }
    }
    Ok(())
}
