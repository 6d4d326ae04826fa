//! Correct but slow: nothing waits in the kernel. Every two milliseconds the caller looks
//! whether something has happened.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, killpg, sigaction};
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
    loop {
        let is_over = deadline.is_some_and(|deadline| deadline <= Instant::now());
        let mut ready = Vec::new();
        for fd in fds {
            let mut polled = [PollFd::new(*fd, PollFlags::POLLIN)];
            // With a timeout of zero, poll does not wait.
            ready.push(match poll(&mut polled, PollTimeout::ZERO) {
                Ok(count) => count > 0,
                Err(Errno::EINTR) => false,
                Err(errno) => return Err(errno.into()),
            });
        }
        if is_over || ready.contains(&true) {
            return Ok(ready);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
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
    /// The delay of the next restart.
    delay: Duration,
    /// When the restarts in the window were decided.
    restarts: VecDeque<Duration>,
}

impl Backoff {
    /// Before the first run.
    pub fn new(policy: Policy) -> Backoff {
        Backoff {
            policy,
            delay: policy.first_delay,
            restarts: VecDeque::new(),
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
        let policy = self.policy;
        let wanted = match policy.restart {
            Restart::Never => false,
            Restart::OnFailure => ending != Some(Ending::Exited(0)),
            Restart::Always => true,
        };
        if !wanted {
            return Decision::Done;
        }
        let has_left = |at: &mut Duration| ended.saturating_sub(*at) >= policy.window;
        while self.restarts.pop_front_if(has_left).is_some() {}
        if self.restarts.len() >= policy.max_restarts as usize {
            return Decision::GiveUp;
        }
        self.restarts.push_back(ended);
        if ended.saturating_sub(started) >= policy.stable_after {
            self.delay = policy.first_delay;
        }
        let delay = self.delay.min(policy.max_delay);
        self.delay = delay.saturating_mul(2);
        Decision::RestartIn(delay)
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

/// A service and what is known of it.
struct Supervised {
    service: Service,
    backoff: Backoff,
    state: State,
}

enum State {
    /// To be started at this time; `None` is never, because the clock ends before.
    Due(Option<Instant>),
    Runs {
        running: Running,
        since: Duration,
    },
    Over,
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
    while all.iter().any(|one| !matches!(one.state, State::Over)) {
        let ready = wait_for_events(&all, stop)?;
        if ready[0] {
            return stop_all(all, log);
        }
        let mut ready = ready[1..].iter();
        for (index, one) in all.iter_mut().enumerate() {
            let has_news = match one.state {
                State::Due(at) => at.is_some_and(|at| at <= Instant::now()),
                State::Runs { .. } => ready.next() == Some(&true),
                State::Over => false,
            };
            // The request may have come since the wait, for example during a start.
            if has_news && wait(&[stop], Some(clock))?[0] {
                return stop_all(all, log);
            }
            match one.state {
                State::Due(_) if has_news => one.start(clock, |event| log(index, event)),
                State::Runs { .. } if has_news => one.end(clock, |event| log(index, event))?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Waits for a stop request, for the end of a program, or for the next start. The
/// first answer is about `stop`, the others about the running programs, in order.
fn wait_for_events(all: &[Supervised], stop: BorrowedFd<'_>) -> io::Result<Vec<bool>> {
    let mut fds = vec![stop];
    let mut first_start = None;
    for one in all {
        match &one.state {
            State::Runs { running, .. } => fds.push(running.pidfd.as_fd()),
            State::Due(Some(at)) => {
                first_start = Some(first_start.map_or(*at, |first: Instant| first.min(*at)));
            }
            State::Due(None) | State::Over => {}
        }
    }
    wait(&fds, first_start)
}

impl Supervised {
    fn start(&mut self, clock: Instant, mut log: impl FnMut(Event)) {
        let since = clock.elapsed();
        match launch((self.service.command)(), &self.service.limits) {
            Ok(running) => {
                log(Event::Started(running.pid));
                self.state = State::Runs { running, since };
            }
            Err(error) => {
                log(Event::NotStarted(error));
                self.decide(since, since, None, log);
            }
        }
    }

    /// Of a program that has ended.
    fn end(&mut self, clock: Instant, mut log: impl FnMut(Event)) -> io::Result<()> {
        if let State::Runs { running, since } = &self.state {
            let since = *since;
            let ending = finish(running)?;
            log(Event::Ended(ending));
            self.decide(since, clock.elapsed(), Some(ending), log);
        }
        Ok(())
    }

    fn decide(
        &mut self,
        started: Duration,
        ended: Duration,
        ending: Option<Ending>,
        mut log: impl FnMut(Event),
    ) {
        self.state = match self.backoff.decide(started, ended, ending) {
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
        };
    }
}

/// Stops every program that runs, all at the same time.
fn stop_all(all: Vec<Supervised>, mut log: impl FnMut(usize, Event)) -> io::Result<()> {
    let mut running = Vec::new();
    for (index, one) in all.into_iter().enumerate() {
        if let State::Runs {
            running: program, ..
        } = one.state
        {
            ask_to_end(&program)?;
            let deadline = Instant::now().checked_add(one.service.grace);
            running.push((index, program, deadline));
        }
    }
    while !running.is_empty() {
        let fds: Vec<_> = running
            .iter()
            .map(|(_, program, _)| program.pidfd.as_fd())
            .collect();
        let first = running
            .iter()
            .filter_map(|(_, _, deadline)| *deadline)
            .min();
        let mut has_ended = wait(&fds, first)?.into_iter();
        let now = Instant::now();
        let is_over = |(_, _, deadline): &mut (usize, Running, Option<Instant>)| {
            has_ended.next() == Some(true) || deadline.is_some_and(|deadline| deadline <= now)
        };
        let over: Vec<_> = running.extract_if(.., is_over).collect();
        for (index, program, _) in over {
            log(index, Event::Stopped(finish(&program)?));
        }
    }
    Ok(())
}
