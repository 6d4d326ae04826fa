//! Runs a closure in a child and sees each of its system calls (man 2 ptrace).

use std::io;
use std::thread;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use processes::proc::{self, State};

/// A child that stops before and after each of its system calls.
pub(crate) struct Traced {
    child: processes::Child,
    /// The call that it is in: the number and the arguments.
    inside: Option<(i64, [u64; 6])>,
    /// Whether it stands at a mark.
    at_mark: bool,
    /// The calls that it has made, without the marks.
    pub(crate) calls: Vec<Call>,
}

/// One system call that is over.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) number: i64,
    /// What it returned, or the negative error number.
    pub(crate) result: i64,
    /// How many bytes of a message it copied.
    pub(crate) copied: u64,
}

/// How far a child is to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Up to the next call of [`mark`].
    Mark,
    /// Until it sleeps in a system call.
    Asleep,
}

/// A call that does nothing. It shows the tracer where a message begins.
pub(crate) fn mark() {
    // SAFETY: getppid has no arguments and cannot fail.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

impl Traced {
    /// Starts a child that runs `body` once it is told to.
    pub(crate) fn start(body: impl FnOnce()) -> io::Result<Traced> {
        let child = processes::fork(|| {
            if ptrace::traceme().is_err() || raise(Signal::SIGSTOP).is_err() {
                return 1;
            }
            body();
            0
        })?;
        let pid = Pid::from_raw(child.pid());
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) => {}
            other => return Err(io::Error::other(format!("it should stop: {other:?}"))),
        }
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
        ptrace::syscall(pid, None)?;
        Ok(Traced {
            child,
            inside: None,
            at_mark: false,
            calls: Vec::new(),
        })
    }

    pub(crate) fn run(&mut self, until: Until) -> io::Result<()> {
        let pid = Pid::from_raw(self.child.pid());
        if self.at_mark {
            self.at_mark = false;
            ptrace::syscall(pid, None)?;
        }
        loop {
            match waitpid(pid, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive => {
                    if until == Until::Asleep && self.sleeps()? {
                        return Ok(());
                    }
                    thread::yield_now();
                }
                WaitStatus::PtraceSyscall(_) => {
                    self.look(pid)?;
                    if self.at_mark && until == Until::Mark {
                        return Ok(());
                    }
                    self.at_mark = false;
                    ptrace::syscall(pid, None)?;
                }
                WaitStatus::Stopped(_, signal) => ptrace::syscall(pid, signal)?,
                other => return Err(io::Error::other(format!("it should run: {other:?}"))),
            }
        }
    }

    fn sleeps(&self) -> io::Result<bool> {
        let state = proc::stat(self.child.pid())?.state;
        Ok(self.inside.is_some() && state == State::Sleeping)
    }

    /// Looks at the system call at whose beginning or end the child stands.
    fn look(&mut self, pid: Pid) -> io::Result<()> {
        let stop = ptrace::syscall_info(pid)?;
        if stop.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
            // SAFETY: at the beginning of a call, this is the part that the
            // kernel has filled in.
            let entry = unsafe { stop.u.entry };
            self.inside = Some((entry.nr.cast_signed(), entry.args));
            self.at_mark = entry.nr.cast_signed() == libc::SYS_getppid;
            return Ok(());
        }
        // SAFETY: as above, at the end of a call.
        let result = unsafe { stop.u.exit.sval };
        if let Some((number, args)) = self.inside.take()
            && number != libc::SYS_getppid
        {
            let copied = copied(number, &args, result);
            self.calls.push(Call {
                number,
                result,
                copied,
            });
        }
        Ok(())
    }

    pub(crate) fn end(mut self) -> io::Result<()> {
        self.child.signal(Signal::SIGKILL)?;
        self.child.wait().map(drop)
    }

    /// The call in which it sleeps now.
    pub(crate) fn sleeps_in(&self) -> Option<&'static str> {
        self.inside.map(|(number, _)| name(number))
    }
}

/// How many bytes of a message the kernel copied in this call.
fn copied(number: i64, args: &[u64; 6], result: i64) -> u64 {
    match number {
        libc::SYS_read
        | libc::SYS_write
        | libc::SYS_sendto
        | libc::SYS_recvfrom
        | libc::SYS_mq_timedreceive => u64::try_from(result).unwrap_or(0),
        // It returns 0. The length of the message is its third argument.
        libc::SYS_mq_timedsend if result == 0 => args[2],
        _ => 0,
    }
}

pub(crate) fn name(number: i64) -> &'static str {
    match number {
        libc::SYS_read => "read",
        libc::SYS_write => "write",
        libc::SYS_sendto => "sendto",
        libc::SYS_recvfrom => "recvfrom",
        libc::SYS_mq_timedsend => "mq_timedsend",
        libc::SYS_mq_timedreceive => "mq_timedreceive",
        libc::SYS_futex => "futex",
        libc::SYS_ppoll => "ppoll",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => "poll",
        _ => "another call",
    }
}
