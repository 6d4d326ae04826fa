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
//! A fork of a process with several threads copies locks that nobody will
//! release. The zygote never has a second thread and never runs the pool's
//! function, so a worker that replaces a dead one hours later is as clean as
//! the first. It also sees to the end: when the program is gone, in whatever
//! way, it kills everything that the pool ever started, and ends.

use super::control::{Control, Order, Report};
use super::desk::Desk;
use crate::between::set_signal_mask;
use crate::{Pid, become_subreaper, end_descendants, fork};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::setpgid;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::time::{Duration, Instant};

/// How long everything that a killed pool started may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the zygote holds.
pub(crate) struct Zygote {
    /// Closed in workers.
    line: Option<Line>,
    /// By seat; a worker keeps its own only.
    desks: Vec<Desk>,
    /// By seat.
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
    /// Makes a zygote of this process, a fresh copy of the program, in which
    /// all signals are blocked. Only `kept` and the standard descriptors stay
    /// usable.
    pub(crate) fn new(
        control: Control,
        program: OwnedFd,
        desks: Vec<Desk>,
        kept: &[RawFd],
    ) -> io::Result<Zygote> {
        // Out of the terminal's reach: Ctrl-C ends the program or does not, as
        // it likes, and the pool ends with the program.
        setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0))?;
        reset_handlers();
        let mut usable = vec![control.as_fd().as_raw_fd(), program.as_raw_fd()];
        usable.extend_from_slice(kept);
        seal_descriptors(&usable)?;
        become_subreaper()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let ends = SignalFd::with_flags(&SigSet::from(Signal::SIGCHLD), flags)?;
        set_signal_mask(1 << (libc::SIGCHLD - 1));
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

    /// Starts workers, each of which runs `work`, until the program is gone;
    /// then ends them, and returns the status to exit with.
    pub(crate) fn run(mut self, work: &mut dyn FnMut(UnixStream, &Desk)) -> i32 {
        // Whatever fails here, nobody is left to be told but by our end.
        while let Ok(true) = self.one_round(work) {}
        match end_descendants(Instant::now() + PATIENCE) {
            Ok(_) => 0,
            Err(_) => 1,
        }
    }

    /// False once the program is gone.
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

    /// Reaps whoever has ended: one SIGCHLD may stand for many.
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
            // Others are orphans that a worker's child left to us.
            if let Some(seat) = self.workers.iter().position(|&worker| worker == Some(pid)) {
                self.workers[seat] = None;
                line.control.report(Report::Ended { seat, status })?;
            }
        }
    }

    /// An error, here and in `one_round`, means that the program is gone.
    fn obey(&mut self, work: &mut dyn FnMut(UnixStream, &Desk)) -> io::Result<()> {
        let Some(line) = &self.line else {
            return Ok(());
        };
        match line.control.next_order()? {
            (Order::Start { seat }, Some(socket)) if seat < self.desks.len() => {
                let report = match self.start(seat, UnixStream::from(socket), work) {
                    Ok(pid) => Report::Started { seat, pid },
                    Err(error) => {
                        let errno = error.raw_os_error().unwrap_or(libc::EIO);
                        Report::Refused { seat, errno }
                    }
                };
                self.line
                    .as_ref()
                    .map_or(Ok(()), |line| line.control.report(report))
            }
            (Order::Kill { seat }, _) => {
                if let Some(&Some(pid)) = self.workers.get(seat) {
                    // SAFETY: two numbers; the worker is ours and not reaped.
                    unsafe { libc::kill(pid, libc::SIGKILL) };
                }
                Ok(())
            }
            // No program of ours sends this.
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
        let pid = fork::copy(|| {
            // What a worker inherits: its socket and its desk, nothing more.
            self.line = None;
            let desk = self.desks.swap_remove(seat);
            self.desks.clear();
            if !ends_with(zygote) {
                return 1;
            }
            set_signal_mask(0);
            work(socket, &desk);
            0
        })?;
        self.workers[seat] = Some(pid);
        Ok(pid)
    }
}

/// The kernel kills this process when its parent ends. The parent has one
/// thread, or the end of the *thread* that forked would count. False if it has
/// ended already.
fn ends_with(parent: Pid) -> bool {
    // SAFETY: numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) == 0
            && libc::getppid() == parent
    }
}

/// The program's signal handlers must not run here: they would wake the
/// program's threads, which are not here, or write to its descriptors. What
/// Rust's own runtime set up stays: SIGPIPE ignored, and the messages about
/// stacks that overflow (SIGSEGV, SIGBUS).
fn reset_handlers() {
    for signal in 1..=libc::SIGRTMAX() {
        let kept = [libc::SIGPIPE, libc::SIGSEGV, libc::SIGBUS].contains(&signal);
        // The C library's own signals lie between.
        let internal = (32..libc::SIGRTMIN()).contains(&signal);
        if kept || internal {
            continue;
        }
        // SAFETY: all-zero is the default action, with an empty mask; the
        // kernel reads and writes one sigaction each, ours. It refuses SIGKILL
        // and SIGSTOP, which cannot have a handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, ptr::null(), &raw mut action);
            let ignored = action.sa_sigaction == libc::SIG_IGN;
            // To ignore SIGCHLD would mean that nobody learns how a child ended.
            if !ignored || signal == libc::SIGCHLD {
                let default: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, &raw const default, ptr::null_mut());
            }
        }
    }
}

/// Makes every descriptor from 3 on that is not in `usable` a dead one.
///
/// Not closed: the program's values that own them are here, too, in copy. The
/// next file to be opened would get the number of one of them, and the pool's
/// function, using its old value, would write into the wrong file. A
/// descriptor opened with `O_PATH` keeps the number occupied, and can neither
/// read nor write (EBADF).
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
        // SAFETY: numbers only, and this process uses none of these
        // descriptors. One was the directory's that listed them, and is closed:
        // it has no flags any more.
        unsafe {
            if libc::fcntl(fd, libc::F_GETFD) >= 0 {
                Errno::result(libc::dup3(dead.as_raw_fd(), fd, libc::O_CLOEXEC))?;
            }
        }
    }
    Ok(())
}
