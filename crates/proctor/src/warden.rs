//! The warden: starts the subject, watches what it starts, ends everything.
//!
//! It is what libtest started for the subject's process. libtest runs a test
//! on a second thread, so the warden forks once and lets the child, which has
//! one thread, be the subject. It is the subreaper of all that follows:
//! whatever the learner's code starts, a daemon too, stays below it, and when
//! the judge hangs up (or dies) nothing below it survives.

use std::fmt::Debug;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, setsid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::part::{Settings, Site};
use crate::starts::Starts;
use crate::wire::{self, Ending, Order, Report};
use crate::{starts, subject};

/// How long the processes of the code may take to vanish with the subject.
const GRACE: Duration = Duration::from_millis(250);

type Control = ipc::Channel<Report, Order>;

/// Turns this process into warden and subject; neither returns.
pub(crate) fn start<Q, A>(site: &Site, settings: &Settings, name: &str, code: fn(Q) -> A) -> !
where
    Q: Serialize + DeserializeOwned + Debug,
    A: Serialize + DeserializeOwned + Debug,
{
    let mut control = control();
    let signature = wire::signature::<Q, A>(site.test(), name);
    match split(settings, code) {
        Ok((pid, starts)) => {
            let ready = Report::Ready {
                subject: pid.as_raw(),
                signature,
                counting: starts.is_counting(),
            };
            if control.send(&ready).is_ok() {
                watch(&mut control, pid, starts);
            }
        }
        Err((step, errno)) => {
            let _ = control.send(&Report::Broken(format!(
                "the subject could not be started: {step}: {}",
                errno.desc()
            )));
        }
    }
    end()
}

/// Tells the judge that there is nothing to serve.
pub(crate) fn broken(why: &str) -> ! {
    let _ = control().send(&Report::Broken(why.to_owned()));
    end()
}

fn control() -> Control {
    // SAFETY: the judge passed this descriptor for this purpose, and nothing
    // else in this process owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(wire::CONTROL) };
    match Control::from_fd(fd) {
        Ok(control) => control,
        // Not started by a judge.
        Err(_) => std::process::exit(2),
    }
}

/// Forks the subject off. Returns in the warden only.
fn split<Q, A>(
    settings: &Settings,
    code: fn(Q) -> A,
) -> Result<(Pid, Starts), (&'static str, Errno)>
where
    Q: Serialize + DeserializeOwned + Debug,
    A: Serialize + DeserializeOwned + Debug,
{
    let step = |name| move |errno| (name, errno);
    prctl::set_child_subreaper(true).map_err(step("becoming the subreaper"))?;
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(step("making a socket pair"))?;
    // What libtest wrote so far must not be written again by the child.
    let _ = std::io::stdout().flush();
    // SAFETY: the other thread of this process (libtest's main) only waits for
    // this one; it holds no lock of the allocator or of standard output, so
    // the child may use both.
    match unsafe { fork() }.map_err(step("forking"))? {
        ForkResult::Child => {
            drop(ours);
            match furnish(settings, theirs) {
                Ok(questions) => subject::serve(questions, code),
                Err(_) => end(),
            }
        }
        ForkResult::Parent { child } => {
            drop(theirs);
            for fd in [wire::QUESTIONS, wire::STDOUT, wire::STDERR] {
                // SAFETY: these were passed by the judge for the subject; the
                // warden has no other user of them.
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
            }
            let starts = Starts::receive(ours.as_fd(), settings.processes);
            Ok((child, starts))
        }
    }
}

/// Prepares the child: descriptors, limits, a session, the filter.
fn furnish(settings: &Settings, warden: OwnedFd) -> nix::Result<OwnedFd> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // A session of its own: nothing in it can join the judge's, which tells
    // the code's processes from the judge's when a warden is killed.
    setsid()?;
    // The judge's line stands high, so that the learner's descriptors begin at 3.
    let high = i32::try_from(settings.descriptors).unwrap_or(1024) - 1;
    // SAFETY: fcntl, dup2 and close_range act on descriptors that the judge passed
    // to this process and that no Rust object in this fork owns or uses any
    // more: the warden's copies are in the other process.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        Errno::result(libc::dup2(null, 0))?;
        Errno::result(libc::dup2(wire::STDOUT, 1))?;
        Errno::result(libc::dup2(wire::STDERR, 2))?;
        Errno::result(libc::dup3(wire::QUESTIONS, high, libc::O_CLOEXEC))?;
        let listener = starts::install(warden.as_fd());
        drop(warden);
        drop(listener);
        let high = u32::try_from(high).map_err(|_| Errno::EINVAL)?;
        Errno::result(libc::close_range(3, high - 1, 0))?;
        Errno::result(libc::close_range(high + 1, u32::MAX, 0))?;
    }
    limit(settings)?;
    // SAFETY: just made by dup3; nothing else in this process knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(high) })
}

/// Limits for the subject, inherited by whatever it starts. (The number of
/// processes is limited at the system call: root is exempt from RLIMIT_NPROC.)
fn limit(settings: &Settings) -> nix::Result<()> {
    let seconds = settings.deadline.ceil() as u64;
    for (resource, wanted) in [
        (Resource::RLIMIT_AS, settings.memory << 20),
        (Resource::RLIMIT_NOFILE, settings.descriptors),
        // Two CPUs' worth: a verdict by the deadline comes first.
        (Resource::RLIMIT_CPU, 2 * seconds + 2),
        (Resource::RLIMIT_FSIZE, 256 << 20),
        (Resource::RLIMIT_CORE, 0),
    ] {
        let (_, hard) = nix::sys::resource::getrlimit(resource)?;
        let wanted = wanted.min(hard);
        setrlimit(resource, wanted, wanted)?;
    }
    Ok(())
}

/// Serves the judge and the filter until the judge hangs up.
fn watch(control: &mut Control, subject: Pid, mut starts: Starts) {
    let Some(ended) = pidfd(subject) else { return };
    let mut running = true;
    loop {
        let mut fds = vec![PollFd::new(control.as_fd(), PollFlags::POLLIN)];
        if running {
            fds.push(PollFd::new(ended.as_fd(), PollFlags::POLLIN));
        }
        if let Some(listener) = starts.listener() {
            fds.push(PollFd::new(listener, PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        let ready = |fd: BorrowedFd<'_>| {
            fds.iter().any(|entry| {
                entry.as_fd().as_raw_fd() == fd.as_raw_fd() && entry.any().unwrap_or(false)
            })
        };
        let (asked, over) = (ready(control.as_fd()), running && ready(ended.as_fd()));
        if starts.listener().is_some_and(ready) {
            starts.attend();
        }
        if over {
            running = false;
            if control.send(&Report::Ended(ending(subject))).is_err() {
                return;
            }
        }
        if asked {
            match control.recv() {
                Ok(received) => {
                    let report = match received.value {
                        Order::Count => Report::Counts(starts.counts()),
                        Order::Finish => {
                            running = false;
                            Report::Left(something_outlives(subject))
                        }
                    };
                    if control.send(&report).is_err() {
                        return;
                    }
                }
                // The judge is done, or dead.
                Err(_) => return,
            }
        }
    }
}

/// Ends the subject and tells whether anything else lives below.
///
/// A list of processes can miss one that hands over to a child while the list
/// is made, again and again. `waitpid` cannot: it says ECHILD when nothing is
/// left, since whatever loses its parent becomes a child of the subreaper.
fn something_outlives(subject: Pid) -> bool {
    let _ = kill(subject, Signal::SIGKILL);
    // However long that takes on a busy machine.
    while waitpid(subject, None) == Err(Errno::EINTR) {}
    let until = Instant::now() + GRACE;
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return false,
            Ok(WaitStatus::StillAlive) if Instant::now() > until => return true,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            _ => {}
        }
    }
}

fn pidfd(pid: Pid) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the kernel just made it for us.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// How the subject ended; leaves the zombie, so that its pid stays its own
/// until everything is over.
fn ending(subject: Pid) -> Ending {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::Pid(subject), flags) {
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Ending::Killed {
                    signal: signal as i32,
                };
            }
            Ok(WaitStatus::Exited(_, status)) => return Ending::Exited(status),
            Err(Errno::EINTR) => {}
            _ => return Ending::Exited(-1),
        }
    }
}

/// Ends everything below the warden, then the warden: no destructors and no
/// exit handlers, because those belong to the test program.
fn end() -> ! {
    let until = Instant::now() + Duration::from_secs(3);
    let _ = processes::end_descendants(until);
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(0) }
}
