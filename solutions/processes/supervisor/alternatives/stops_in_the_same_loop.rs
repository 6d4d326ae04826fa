//! Correct in another way: a program that is being stopped is one more state of a service, so
//! one loop does everything. The policy counts the failures in a row and computes each delay
//! from their number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, killpg, sigaction};
use nix::sys::time::TimeSpec;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpid, getppid};

// ------------------------------------------------------------- Part 1: launch

/// A program that was started and has not been reaped. It is a child of this
/// process and leads a process group, whose number is its own.
#[derive(Debug)]
pub struct Running {
    /// The process ID.
    pub pid: Pid,
    /// A pidfd: a descriptor that refers to this process and never to another.
    pub pidfd: OwnedFd,
}

/// Starts a program in a process group of its own, with these soft and hard
/// limits and with default signals. The kernel kills it when the calling thread
/// ends.
///
/// # Errors
/// Those of fork, setrlimit and exec, and of what `command` asks for. Nothing is
/// left then.
pub fn launch(mut command: Command, limits: &[(Resource, u64)]) -> io::Result<Running> {
    let limits = limits.to_vec();
    let parent = getpid();
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before that line. Then no signal will come.
        if getppid() != parent {
            return Err(Errno::ESRCH.into());
        }
        reset_signals()?;
        for &(resource, value) in &limits {
            setrlimit(resource, value, value)?;
        }
        Ok(())
    };
    command.process_group(0);
    // SAFETY: `prepare` makes system calls only. It neither allocates nor locks,
    // so it may run in the copy of a process that has other threads.
    unsafe { command.pre_exec(prepare) };
    let mut child = command.spawn()?;
    let pid = Pid::from_raw(child.id().cast_signed());
    // The child has not been reaped, so the number still belongs to it.
    match open_pidfd(pid) {
        Ok(pidfd) => Ok(Running { pid, pidfd }),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}

/// A program inherits which signals are blocked, and which are ignored. No handler
/// may run here, so the signals are unblocked after the handlers are gone.
fn reset_signals() -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            // SAFETY: installs no handler.
            unsafe { sigaction(signal, &default) }?;
        }
    }
    SigSet::empty().thread_set_mask()
}

fn open_pidfd(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: two integers in, a new descriptor or -1 out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = Errno::result(fd)? as i32;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

// --------------------------------------------------------------- Part 2: stop

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(i32),
    /// A signal ended it; this is the signal's number, from 1 to 31.
    Killed(i32),
}

/// Asks a program to end (SIGTERM), ends it after `grace` (SIGKILL), reaps it and
/// returns how it ended. The rest of its process group gets SIGKILL.
///
/// # Errors
/// ESRCH if the program has been reaped already, and those of poll(2) and waitid(2).
pub fn stop(running: Running, grace: Duration) -> io::Result<Ending> {
    ask_to_end(&running)?;
    let deadline = Instant::now().checked_add(grace);
    let waited = wait(&[running.pidfd.as_fd()], deadline);
    let ending = finish(&running);
    waited.and(ending)
}

/// Sends SIGTERM to the group, and wakes those of its processes that are stopped.
fn ask_to_end(running: &Running) -> io::Result<()> {
    // ESRCH if it has been reaped: then the number may be another's.
    signal(&running.pidfd, 0)?;
    // From here to the wait in `finish`, the number is its own.
    signal_group(running, Signal::SIGTERM);
    signal_group(running, Signal::SIGCONT);
    Ok(())
}

/// Kills what there is of the group, and reaps the program.
fn finish(running: &Running) -> io::Result<Ending> {
    signal_group(running, Signal::SIGKILL);
    loop {
        match waitid(Id::PIDFd(running.pidfd.as_fd()), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Sends a signal to one process; with 0, only asks whether it is there.
fn signal(pidfd: &OwnedFd, number: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the call takes integers and a null pointer.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            number,
            no_info,
            0,
        )
    };
    Errno::result(sent)?;
    Ok(())
}

/// The program must not have been reaped.
fn signal_group(running: &Running, signal: Signal) {
    // It fails only if no process is left that could be signalled.
    let _ = killpg(running.pid, signal);
}

/// Waits until one of the descriptors is readable or closed at its other end, or
/// until the deadline, and says which of them are.
fn wait(fds: &[BorrowedFd<'_>], deadline: Option<Instant>) -> io::Result<Vec<bool>> {
    /// The kernel does not take all the time that a `Duration` can hold.
    const LONGEST: Duration = Duration::from_secs(3600);
    let left = |now| {
        deadline.map_or(LONGEST, |deadline| {
            deadline.duration_since(now).min(LONGEST)
        })
    };
    let mut polled: Vec<_> = fds
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    loop {
        let timeout = TimeSpec::from_duration(left(Instant::now()));
        match ppoll(&mut polled, Some(timeout), None) {
            Ok(0) if !left(Instant::now()).is_zero() => {}
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(polled.iter().map(|fd| fd.any().unwrap_or(false)).collect())
}

// ------------------------------------------------------------- Part 3: policy

/// After which endings a program is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// After none.
    Never,
    /// After every ending except `Exited(0)`, and after a failed start.
    OnFailure,
    /// After every ending and after a failed start.
    Always,
}

/// When, and how often, a program is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// After which endings.
    pub restart: Restart,
    /// The delay before the first restart.
    pub first_delay: Duration,
    /// No delay is longer.
    pub max_delay: Duration,
    /// A run of this length or more is stable.
    pub stable_after: Duration,
    /// So many restarts are allowed within one `window`.
    pub max_restarts: u32,
    /// The length of the window.
    pub window: Duration,
}

/// What to do after the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start it again, after this delay.
    RestartIn(Duration),
    /// The policy does not want a restart.
    Done,
    /// The policy wants a restart, but there were too many.
    GiveUp,
}

/// The policy of one program, with what it remembers of earlier runs. It reads
/// no clock: the caller says what time it is.
#[derive(Debug)]
pub struct Backoff {
    policy: Policy,
    /// Restarts since the last stable run.
    in_a_row: u32,
    /// When the restarts in the window were decided.
    restarts: Vec<Duration>,
}

impl Backoff {
    /// Before the first run.
    pub fn new(policy: Policy) -> Backoff {
        Backoff {
            policy,
            in_a_row: 0,
            restarts: Vec::new(),
        }
    }

    /// Decides what follows a run that lasted from `started` to `ended`. `ending`
    /// is `None` if the program could not be started.
    pub fn decide(
        &mut self,
        started: Duration,
        ended: Duration,
        ending: Option<Ending>,
    ) -> Decision {
        match (self.policy.restart, ending) {
            (Restart::Never, _) | (Restart::OnFailure, Some(Ending::Exited(0))) => {
                return Decision::Done;
            }
            _ => {}
        }
        let window = self.policy.window;
        self.restarts.retain(|at| ended - *at < window);
        if self.restarts.len() as u64 >= u64::from(self.policy.max_restarts) {
            return Decision::GiveUp;
        }
        self.restarts.push(ended);
        if ended - started >= self.policy.stable_after {
            self.in_a_row = 0;
        }
        let mut delay = self.policy.first_delay;
        for _ in 0..self.in_a_row.min(100) {
            delay = delay.saturating_add(delay);
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        Decision::RestartIn(delay.min(self.policy.max_delay))
    }
}

// ---------------------------------------------------------- Part 4: supervise

/// One program to keep running.
pub struct Service {
    /// Makes the command for each start.
    pub command: Box<dyn FnMut() -> Command>,
    /// For [`launch`].
    pub limits: Vec<(Resource, u64)>,
    /// When it is started again.
    pub policy: Policy,
    /// For [`stop`].
    pub grace: Duration,
}

/// What has happened to a service.
#[derive(Debug)]
pub enum Event {
    /// The program was started, and this is its process ID.
    Started(Pid),
    /// The program could not be started.
    NotStarted(io::Error),
    /// The program has ended, and nobody had asked for a stop.
    Ended(Ending),
    /// It will be started again after this delay.
    RestartIn(Duration),
    /// Its policy wants no further start.
    Done,
    /// It was started again too often, and will not be started again.
    GaveUp,
    /// The program has ended after a stop request.
    Stopped(Ending),
}

enum State {
    /// To be started at this time; `None` is never.
    Due(Option<Instant>),
    Runs(Running, Instant),
    /// It gets SIGKILL at this time; `None` is never.
    Ends(Running, Option<Instant>),
    Over,
}

struct Supervised {
    service: Service,
    backoff: Backoff,
    state: State,
}

/// Keeps services running until none is left to run, or until `stop` is readable
/// or closed at its other end. Then it stops all of them at the same time.
///
/// # Errors
/// Those of poll(2) and waitid(2).
pub fn supervise(
    services: Vec<Service>,
    stop: BorrowedFd<'_>,
    mut log: impl FnMut(usize, Event),
) -> io::Result<()> {
    let clock = Instant::now();
    let new = |service: Service| Supervised {
        backoff: Backoff::new(service.policy),
        state: State::Due(Some(clock)),
        service,
    };
    let mut all: Vec<Supervised> = services.into_iter().map(new).collect();
    let mut is_stopping = false;
    while all.iter().any(|one| !matches!(one.state, State::Over)) {
        for index in 0..all.len() {
            // Before each step, because the request may come during a step.
            if !is_stopping && wait(&[stop], Some(clock))?[0] {
                is_stopping = true;
                for one in &mut all {
                    one.ask_to_end()?;
                }
            }
            all[index].step(clock, &mut |event| log(index, event))?;
        }
        let mut fds: Vec<BorrowedFd<'_>> = Vec::new();
        let mut next: Option<Instant> = None;
        for one in &all {
            let (fd, at) = match &one.state {
                State::Due(at) => (None, *at),
                State::Runs(running, _) => (Some(running.pidfd.as_fd()), None),
                State::Ends(running, at) => (Some(running.pidfd.as_fd()), *at),
                State::Over => continue,
            };
            fds.extend(fd);
            next = next.into_iter().chain(at).min();
        }
        if all.iter().all(|one| matches!(one.state, State::Over)) {
            break;
        }
        if !is_stopping {
            fds.push(stop);
        }
        wait(&fds, next)?;
    }
    Ok(())
}

impl Supervised {
    fn ask_to_end(&mut self) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Runs(running, _) => {
                ask_to_end(&running)?;
                State::Ends(running, Instant::now().checked_add(self.service.grace))
            }
            _ => State::Over,
        };
        Ok(())
    }

    /// Does what is to be done now, if anything is.
    fn step(&mut self, clock: Instant, log: &mut dyn FnMut(Event)) -> io::Result<()> {
        let now = Instant::now();
        let has_ended =
            |running: &Running| Ok::<_, io::Error>(wait(&[running.pidfd.as_fd()], Some(now))?[0]);
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Due(Some(at)) if at <= now => {
                match launch((self.service.command)(), &self.service.limits) {
                    Ok(running) => {
                        log(Event::Started(running.pid));
                        State::Runs(running, now)
                    }
                    Err(error) => {
                        log(Event::NotStarted(error));
                        self.after(now - clock, now - clock, None, log)
                    }
                }
            }
            State::Runs(running, since) if has_ended(&running)? => {
                let ending = finish(&running)?;
                log(Event::Ended(ending));
                self.after(since - clock, clock.elapsed(), Some(ending), log)
            }
            State::Ends(running, at) if has_ended(&running)? || at.is_some_and(|at| at <= now) => {
                log(Event::Stopped(finish(&running)?));
                State::Over
            }
            other => other,
        };
        Ok(())
    }

    fn after(
        &mut self,
        started: Duration,
        ended: Duration,
        ending: Option<Ending>,
        log: &mut dyn FnMut(Event),
    ) -> State {
        match self.backoff.decide(started, ended, ending) {
            Decision::RestartIn(delay) => {
                log(Event::RestartIn(delay));
                State::Due(Instant::now().checked_add(delay))
            }
            Decision::Done => {
                log(Event::Done);
                State::Over
            }
            Decision::GiveUp => {
                log(Event::GaveUp);
                State::Over
            }
        }
    }
}
