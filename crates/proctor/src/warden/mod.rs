//! The warden: starts the subject, watches what the subject starts, and ends
//! everything.
//!
//! The warden is the judge's own program, started a second time. It forks once.
//! If the learner's code is in a program of its own, the child executes that
//! program, so none of the learner's code runs in the warden. Under
//! `cargo test` there is only one program, and the forked child itself is the
//! subject. (libtest runs a test on a second thread, but a forked child has
//! only one thread.)
//!
//! The warden is a subreaper: every process that the learner's code starts,
//! also a daemon, remains a descendant of the warden. When the judge closes its
//! line (or dies), the warden ends all of them.
//!
//! The code in this folder runs in the warden's process, on the thread that
//! libtest made for the test. libtest's main thread only waits for it.
//! [`starts`] answers the system calls that the subject's processes hand over,
//! and [`fence`] is set up in the child before the subject begins.

pub(crate) mod fence;
pub(crate) mod starts;

use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, execveat, fork, setpgid, setsid};

use crate::part::{Settings, Site};
use crate::subject::{self, Code};
use crate::temporary::TemporaryFolder;
use crate::warden::starts::Starts;
use crate::wire::{self, Ending, Order, Remains, Report};

/// How long the code's processes may take to vanish after the subject has
/// ended.
const GRACE: Duration = Duration::from_millis(250);

/// With fewer descriptors than this a subject cannot be prepared.
const FEWEST_DESCRIPTORS: i32 = 16;

type Control = ipc::Channel<Report, Order>;

/// Turns this process into warden and subject; neither returns.
pub(crate) fn start(site: &Site, settings: &Settings, code: &Code) -> ! {
    keep_out();
    leave_the_group();
    let mut control = control();
    let temporary = TemporaryFolder::of(std::process::id()).made();
    match split(site, settings, temporary.as_ref(), code) {
        Ok((pid, mut starts)) => {
            let ready = Report::Ready {
                subject: pid.as_raw(),
                counting: starts.is_counting(),
            };
            if control.send(&ready).is_ok() {
                watch(&mut control, pid, &mut starts, temporary.as_ref());
            }
            end_all_below();
            starts.relics.remove();
        }
        Err((step, errno)) => {
            let _ = control.send(&Report::Broken(format!(
                "the process that runs your code could not be started: {step}: {}",
                errno.desc()
            )));
        }
    }
    end_all_below();
    if let Some(temporary) = temporary {
        temporary.remove();
    }
    end()
}

/// Keeps processes of the same user from tracing this one, from taking its
/// descriptors (man 2 pidfd_getfd) and from reading its memory and
/// environment: the learner's code runs as the same user. It does not keep
/// out a process with `CAP_SYS_PTRACE`.
pub(crate) fn keep_out() {
    // This never fails (man 2 prctl, PR_SET_DUMPABLE).
    let _ = prctl::set_dumpable(false);
}

/// Leaves the judge's process group: a signal to that group (Ctrl-C, timeout(1))
/// ends the judge, and the warden must outlive it to clean up.
fn leave_the_group() {
    // Only the leader of a session may not do that (man 2 setpgid).
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
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

/// Forks the subject. Returns only in the warden.
fn split(
    site: &Site,
    settings: &Settings,
    temporary: Option<&TemporaryFolder>,
    code: &Code,
) -> Result<(Pid, Starts), (&'static str, Errno)> {
    let step = |name| move |errno| (name, errno);
    prctl::set_child_subreaper(true).map_err(step("becoming the subreaper"))?;
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(step("making a socket pair"))?;
    let has_program = std::env::var_os(wire::SUBJECT).is_some();
    // The child must not write again what libtest has written so far.
    let _ = std::io::stdout().flush();
    // SAFETY: the other thread of this process (libtest's main) only waits for
    // this one; it holds no lock of the allocator or of standard output, so
    // the child may use both.
    match unsafe { fork() }.map_err(step("forking"))? {
        ForkResult::Child => {
            drop(ours);
            starts::install(theirs.as_fd(), settings.faults);
            let errno = match furnish(settings, theirs.as_fd(), has_program) {
                Ok(Furnished {
                    line,
                    program: None,
                }) => {
                    drop(theirs);
                    // The judge has to read this process to diagnose a hang.
                    let _ = prctl::set_dumpable(true);
                    if let Some(temporary) = temporary {
                        // SAFETY: this process has one thread.
                        unsafe { std::env::set_var("TMPDIR", temporary.path()) };
                    }
                    subject::serve(subject::introduced(line), *site, code)
                }
                Ok(Furnished {
                    line,
                    program: Some(program),
                }) => become_program(&line, &program, temporary),
                Err(errno) => errno,
            };
            let _ = nix::unistd::write(&theirs, &(errno as i32).to_ne_bytes());
            // SAFETY: `_exit` only ends the process.
            unsafe { libc::_exit(127) }
        }
        ForkResult::Parent { child } => {
            drop(theirs);
            let mut passed = vec![wire::QUESTIONS, wire::STDOUT, wire::STDERR];
            if has_program {
                passed.push(wire::PROGRAM);
            }
            for fd in passed {
                // SAFETY: these were passed by the judge for the subject; the
                // warden has no other user of them.
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
            }
            let starts = Starts::receive(ours.as_fd(), settings.processes);
            match fault(&ours) {
                None => Ok((child, starts)),
                Some(errno) => Err(("setting it up", errno)),
            }
        }
    }
}

/// The error from a child that could not become the subject. Returns as soon as
/// the child has become the subject, or has ended.
fn fault(child: &OwnedFd) -> Option<Errno> {
    let mut errno = [0; 4];
    loop {
        match nix::unistd::read(child, &mut errno) {
            Ok(4) => return Some(Errno::from_raw(i32::from_ne_bytes(errno))),
            Err(Errno::EINTR) => {}
            _ => return None,
        }
    }
}

/// What the child of the warden needs to become the subject.
struct Furnished {
    /// The line to the judge.
    line: OwnedFd,
    /// The program to execute, if the subject has a program of its own.
    program: Option<OwnedFd>,
}

/// Executes the program that holds the learner's code. Its only argument is the
/// number of its line; the judge says there which test to serve. Returns only
/// if that fails.
fn become_program(line: &OwnedFd, program: &OwnedFd, temporary: Option<&TemporaryFolder>) -> Errno {
    let number = CString::new(line.as_raw_fd().to_string()).unwrap_or_default();
    let place = temporary.map(|temporary| ("TMPDIR".into(), temporary.path().into()));
    let environment: Vec<CString> = std::env::vars_os()
        .filter(|(name, _)| !name.as_encoded_bytes().starts_with(b"PROCTOR_"))
        .filter(|(name, _)| name != "TMPDIR" || place.is_none())
        .chain(place.clone())
        .filter_map(|(name, value)| {
            let pair = [name.as_encoded_bytes(), b"=", value.as_encoded_bytes()].concat();
            CString::new(pair).ok()
        })
        .collect();
    let executed = fcntl(line, FcntlArg::F_SETFD(FdFlag::empty())).and_then(|_| {
        execveat(
            program,
            c"",
            &[c"subject", &*number],
            &environment,
            AtFlags::AT_EMPTY_PATH,
        )
    });
    match executed {
        Err(errno) => errno,
        Ok(never) => match never {},
    }
}

/// Prepares the child: descriptors, limits, a session.
///
/// Its line, and the descriptors that it needs only until it is the subject,
/// get high numbers, so that the learner's descriptors begin at 3.
fn furnish(
    settings: &Settings,
    warden: BorrowedFd<'_>,
    has_program: bool,
) -> nix::Result<Furnished> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // A session of its own. No process in it can join the judge's session, so
    // the judge can tell the code's processes from its own if a warden is
    // killed.
    setsid()?;
    // Without Landlock there is no fence; no verdict depends on it.
    let _ = fence::enter();
    limit(settings)?;
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let top = i32::try_from(descriptors.min(1 << 20)).map_err(|_| Errno::EINVAL)?;
    if top < FEWEST_DESCRIPTORS {
        return Err(Errno::EMFILE);
    }
    // SAFETY: these act on descriptors that the judge passed to this process
    // and that no Rust object in this fork owns or uses any more: the warden's
    // copies are in the other process. The end to the warden keeps its number
    // until it is replaced by the copy, which has the same target.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        Errno::result(libc::dup2(null, 0))?;
        Errno::result(libc::dup2(wire::STDOUT, 1))?;
        Errno::result(libc::dup2(wire::STDERR, 2))?;
        let high = |fd, place| {
            Errno::result(libc::dup3(fd, place, libc::O_CLOEXEC))?;
            Ok(OwnedFd::from_raw_fd(place))
        };
        let line = high(wire::QUESTIONS, top - 1)?;
        let program = if has_program {
            Some(high(wire::PROGRAM, top - 2)?)
        } else {
            None
        };
        let kept = u32::try_from(warden.as_raw_fd()).map_err(|_| Errno::EINVAL)?;
        let high = u32::try_from(top).map_err(|_| Errno::EINVAL)?;
        let lowest_kept = if has_program { high - 2 } else { high - 1 };
        for (first, last) in [(3, kept - 1), (kept + 1, lowest_kept - 1), (high, u32::MAX)] {
            if first <= last {
                Errno::result(libc::close_range(first, last, 0))?;
            }
        }
        Ok(Furnished { line, program })
    }
}

/// Sets limits for the subject; everything that it starts inherits them. (The
/// warden limits the number of processes at the system call, because root is
/// exempt from RLIMIT_NPROC.)
fn limit(settings: &Settings) -> nix::Result<()> {
    for (resource, wanted) in [
        (Resource::RLIMIT_AS, settings.memory << 20),
        (Resource::RLIMIT_NOFILE, settings.descriptors),
        (Resource::RLIMIT_FSIZE, 256 << 20),
    ] {
        let (_, hard) = getrlimit(resource)?;
        let wanted = wanted.min(hard);
        setrlimit(resource, wanted, wanted)?;
    }
    // A process may raise its soft limit to the hard limit and so allow itself
    // a core file.
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    setrlimit(
        Resource::RLIMIT_CORE,
        0,
        if settings.core_files { hard } else { 0 },
    )?;
    // Only the soft limit: the judge raises it with every question, and the
    // signal that the kernel sends at the soft limit (SIGXCPU) says which limit
    // it was.
    let (_, hard) = getrlimit(Resource::RLIMIT_CPU)?;
    setrlimit(Resource::RLIMIT_CPU, settings.cpu_seconds().min(hard), hard)
}

/// Serves the judge and the filter until the judge closes its line.
fn watch(
    control: &mut Control,
    subject: Pid,
    starts: &mut Starts,
    temporary: Option<&TemporaryFolder>,
) {
    let Some(ended) = pidfd(subject) else { return };
    let judge = nix::unistd::getppid().as_raw();
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
            starts.attend(subject);
        }
        if over {
            running = false;
            if control.send(&Report::Ended(ending(subject))).is_err() {
                return;
            }
        }
        if asked {
            match control.recv() {
                // Another process got hold of the line.
                Ok(received) if received.sender != judge => {}
                Ok(received) => {
                    let report = match received.value {
                        Order::Fail(failure) => {
                            starts.fail(failure);
                            Report::Counts(starts.counts())
                        }
                        Order::Count => Report::Counts(starts.counts()),
                        Order::List => Report::Left(Remains {
                            relics: starts.relics.names(),
                            files: temporary.map_or_else(Vec::new, TemporaryFolder::entries),
                        }),
                        Order::Finish => {
                            running = false;
                            Report::Outlived(something_outlives(subject))
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

/// Ends the subject and returns whether any other descendant is alive.
///
/// A list of processes can miss a process that starts a child and ends while
/// the list is made, and whose child does the same. `waitpid` cannot miss it:
/// it reports ECHILD only when nothing is left, because every process that
/// loses its parent becomes a child of the subreaper.
fn something_outlives(subject: Pid) -> bool {
    let _ = kill(subject, Signal::SIGKILL);
    // This may take long on a busy machine.
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

/// How the subject ended. Leaves the zombie, so that no other process gets its
/// pid until everything is over.
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

fn end_all_below() {
    let until = Instant::now() + Duration::from_secs(3);
    let _ = processes::end_descendants(until);
}

/// Ends the warden, without destructors and exit handlers: those belong to the
/// test program.
fn end() -> ! {
    end_all_below();
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(0) }
}
