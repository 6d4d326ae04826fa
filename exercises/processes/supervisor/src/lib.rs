//! Keep programs running: start them, stop them, and start them again.
//!
//! ```text
//!              ┌────────────── RestartIn(delay) ◀── policy ◀─┐
//!              ▼                                             │
//!  supervise ─ launch ──▶ Started ──▶ the program ends ──▶ Ended
//!              │             │
//!              ▼             └─ a stop request ──▶ SIGTERM … SIGKILL ──▶ Stopped
//!          NotStarted
//! ```
//!
//! The four parts have tests of their own, and you can write them in any order.
//! In all of them, the caller does not ignore SIGCHLD, and no other code waits for
//! the programs. No program changes its process group or its session, and no
//! real-time signal (a signal from 32 on) ends a program.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::Resource;
use nix::unistd::Pid;

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

/// Starts a program, with limits, so that it does not outlive its caller.
///
/// `command` sets none of its streams to `Stdio::piped()` and no process group,
/// and `limits` names no resource twice. The `pre_exec` closures of `command` are
/// called before those that `launch` adds. The new process group may exist before
/// them (as with `Command::process_group`) or only after them.
///
/// - C1: The program is a child of the calling process, in the caller's session.
///   It leads a new process group. It inherits no descriptor that `launch` has
///   opened. Everything else is as `command` says: for example, the program
///   inherits every descriptor of the caller that is not close-on-exec.
/// - C2: When the program is executed, each `(resource, value)` of `limits` is in
///   force as the soft and as the hard limit. The program inherits all other
///   limits. The caller's limits do not change, not even during the call.
/// - C3: When the program begins, none of the signals 1 to 31 is blocked or
///   ignored, whatever the caller blocks and ignores. `launch` may also unblock the
///   signals from 32 on and set them to their default. The caller's mask and
///   dispositions do not change.
/// - C4: The kernel kills the program with SIGKILL when the *thread* that called
///   `launch` ends, alone or with its process (PR_SET_PDEATHSIG). If the calling
///   process is dead before the child has asked for this signal, the child ends
///   without executing the program.
/// - C5: The call returns without waiting for the end of the program. The pidfd
///   is close-on-exec, whatever its number. `launch` does not reap the program,
///   also if it has ended already: the caller can still wait for it.
///
/// # Errors
/// - C6: The error of fork, of setrlimit, of exec and of pidfd_open, and of the
///   steps that `command` asks for, comes back with its number (`raw_os_error`).
///   After every error, no process, no zombie and no descriptor of this call is
///   left, also if the program had been started already. (Here, exec is what
///   `Command::spawn` calls, execvp(3). The one of glibc runs a text file without
///   `#!` with `/bin/sh`, so that is no error.)
#[allow(unused_variables)]
pub fn launch(command: Command, limits: &[(Resource, u64)]) -> io::Result<Running> {
    todo!("prepare the child with `pre_exec`, spawn it, and open its pidfd")
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

/// Asks a program to end, ends it after `grace` if it is still there, reaps it
/// and returns how it ended.
///
/// `running` is as [`launch`] has made it: the process to which its pidfd refers
/// has or had the process ID `pid`.
///
/// - C7: First, every process of the program's group gets SIGTERM and SIGCONT.
///   Without SIGCONT, a stopped process would not notice the SIGTERM. (Send SIGTERM
///   first: then a stopped process does nothing else before it gets SIGTERM. The
///   tests accept both orders.)
/// - C8: If the program has not ended when `grace` has passed since then, its
///   whole group gets SIGKILL, and not before, unless the wait fails. Signals
///   that interrupt the call change nothing about that, however many they are. A
///   grace of zero means: at once. `Duration::MAX` means: never. While the call
///   waits, it uses hardly any CPU time.
/// - C9: As soon as the program itself has ended, or the wait for that has failed,
///   every process that is still in its group gets SIGKILL. `stop` sends it before
///   it reaps the program: as long as the program is a zombie, no other group can
///   get its number. The call does not wait for those other processes.
/// - C10: `stop` signals and waits for nothing but the process to which the pidfd
///   refers, and its group. If that process has been reaped already, the number
///   `pid` may belong to another process. Then `stop` sends no signal and
///   returns ESRCH.
/// - C11: The program is reaped, and the call returns its real ending, also if it
///   had ended before the call. Other children of the caller are left alone, and
///   the caller's mask, dispositions, timers and descriptors stay as they were,
///   except that the pidfd is closed.
///
/// # Errors
/// ESRCH as C10 says, and those of poll(2) and waitid(2), or of the calls that you
/// use in their place (a thread that cannot be started, for example). If the call
/// with which you look whether the process is there (C10) fails, `stop` may return
/// without a signal. After every later error, the group has got SIGKILL, and the
/// program is reaped unless this is what has failed.
#[allow(unused_variables)]
pub fn stop(running: Running, grace: Duration) -> io::Result<Ending> {
    todo!("SIGTERM, wait for the pidfd, SIGKILL, reap")
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
    // Add what it has to remember.
}

impl Backoff {
    /// Before the first run.
    #[allow(unused_variables)]
    pub fn new(policy: Policy) -> Backoff {
        todo!("remember the policy")
    }

    /// Decides what follows a run that lasted from `started` to `ended`. Both are
    /// times since some fixed moment, and from call to call they never go back.
    /// `ending` is `None` if the program could not be started. After `Done` and
    /// `GiveUp`, the caller does not call again.
    ///
    /// - C12: `Done` if [`Restart`] does not name this ending. Everything below is
    ///   about the other endings. Only `Exited` with the number 0 is a success, and
    ///   every other number is a failure, also one with which no program can exit.
    /// - C13: The delay of the first restart is `first_delay`, or `max_delay` if that
    ///   is shorter. Each further delay is twice the one before it, or `max_delay`
    ///   if that is shorter. No value overflows.
    /// - C14: After a stable run (`ended - started >= stable_after`) the delay is
    ///   again that of the first restart, and from there it doubles as before. If
    ///   `stable_after` is zero, every run is stable, also a start that failed.
    /// - C15: An earlier restart counts if the run before it ended at a time `t` with
    ///   `ended - t < window`. `GiveUp` if `max_restarts` restarts count. A stable
    ///   run changes nothing about this. The memory does not grow with restarts
    ///   that no longer count.
    #[allow(unused_variables)]
    pub fn decide(
        &mut self,
        started: Duration,
        ended: Duration,
        ending: Option<Ending>,
    ) -> Decision {
        todo!("look at the ending, at the restarts in the window, and at the last delay")
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
    /// The program has ended, and there was no stop request when this was logged.
    Ended(Ending),
    /// It will be started again after this delay.
    RestartIn(Duration),
    /// Its policy wants no further start.
    Done,
    /// It was started again too often, and will not be started again.
    GaveUp,
    /// The program has ended, and there was a stop request before its end was logged.
    Stopped(Ending),
}

/// Keeps services running until none is left to run, or until a stop request.
///
/// `log` gets each event when it happens, on the thread that called `supervise`,
/// with the index of its service in `services`. It does not panic. `stop` is a
/// pipe or socket.
///
/// - C16: Every service is started, in the order of `services`, as [`launch`] does
///   it on the calling thread. Each start is logged as `Started`. No service waits
///   until another has ended. When a program has ended, it is reaped, and only then
///   `Ended` is logged with its real ending.
///   The limits of the service hold for every start.
/// - C17: After each `Ended`, the next event of that service is what its own
///   [`Backoff`] decides: `RestartIn`, `Done` or `GaveUp`, also if the stop request
///   comes between the two. For the `Backoff`, a run begins with its own start,
///   before `log` gets `Started`. After a `RestartIn`, the program is started again
///   when the delay has passed, and not before. The delay begins with the decision,
///   or at the latest when `log` has returned. Signals that interrupt the call
///   change nothing about that.
/// - C18: Processes that a program leaves in its group when it ends get SIGKILL
///   before `Ended` is logged.
/// - C19: While one service runs, or waits for its restart, the events of the
///   others are handled at once.
/// - C20: If a program cannot be started, `NotStarted` is logged with the error, and
///   C17 holds for it as for an `Ended`: for the policy it is a run that failed
///   at the moment in which it was started.
/// - C21: It is a stop request when `stop` becomes readable or its other end is
///   closed. `supervise` reads nothing from it. All running programs are then
///   stopped as [`stop`] does it, each with its own grace, all at the same time.
///   The request counts at once: `supervise` looks at `stop` before each start and
///   before it logs that a program has ended. When the request is there (from before
///   the call or, for example, from inside of `log`), nothing is started any more,
///   and every program that was started and whose end has not been logged is logged
///   as `Stopped`, also if it had ended by itself.
/// - C22: The call returns when no service runs or waits for a restart any more. No
///   process, zombie or descriptor is left then, however often services were
///   started. Other children of the caller are left alone. While nothing happens,
///   the call uses hardly any CPU time.
///
/// # Errors
/// Those of poll(2) and waitid(2), or of the calls that you use in their place. The
/// tests do not make these calls fail.
#[allow(unused_variables)]
pub fn supervise(
    services: Vec<Service>,
    stop: BorrowedFd<'_>,
    log: impl FnMut(usize, Event),
) -> io::Result<()> {
    todo!("one loop: start what is due, wait for the first thing that happens, handle it")
}
