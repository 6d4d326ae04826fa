//! How a process ended, and which resources it used.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

/// How a process ended (man 2 wait).
///
/// This is not the number that `wait` fills in: the number 256 means "exited
/// with status 1", and the number 11 means "killed by signal 11".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It exited with this status (0 to 255).
    Exited(i32),
    /// A signal killed it. The process itself, the kernel or another process
    /// had sent it.
    Killed {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel dumped core.
        core: bool,
    },
}

impl Ending {
    /// Converts a status that `waitpid` returned. Returns `None` if the process
    /// has not ended: it stopped, it continued, or nothing happened.
    #[must_use]
    pub fn from_wait_status(status: WaitStatus) -> Option<Ending> {
        match status {
            WaitStatus::Exited(_, status) => Some(Ending::Exited(status)),
            WaitStatus::Signaled(_, signal, core) => Some(Ending::Killed {
                signal: signal as i32,
                core,
            }),
            _ => None,
        }
    }

    /// Whether it exited with status 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Ending::Exited(0)
    }

    /// The exit status, if it exited.
    #[must_use]
    pub fn status(self) -> Option<i32> {
        match self {
            Ending::Exited(status) => Some(status),
            Ending::Killed { .. } => None,
        }
    }

    /// The signal's number, if a signal killed the process.
    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            Ending::Exited(_) => None,
            Ending::Killed { signal, .. } => Some(signal),
        }
    }

    /// Converts `si_code` and `si_status` of `waitid`.
    pub(crate) fn from_siginfo(code: i32, status: i32) -> Option<Ending> {
        match code {
            libc::CLD_EXITED => Some(Ending::Exited(status)),
            libc::CLD_KILLED => Some(Ending::Killed {
                signal: status,
                core: false,
            }),
            libc::CLD_DUMPED => Some(Ending::Killed {
                signal: status,
                core: true,
            }),
            _ => None,
        }
    }

    /// Converts the number that `wait4` fills in.
    pub(crate) fn from_raw(status: i32) -> Option<Ending> {
        if libc::WIFEXITED(status) {
            Some(Ending::Exited(libc::WEXITSTATUS(status)))
        } else if libc::WIFSIGNALED(status) {
            let core = libc::WCOREDUMP(status);
            Some(Ending::Killed {
                signal: libc::WTERMSIG(status),
                core,
            })
        } else {
            None
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ending::Exited(status) => write!(f, "exited with status {status}"),
            Ending::Killed { signal, core } => {
                write!(f, "killed by signal {signal} ({})", name(signal))?;
                if core {
                    f.write_str(", core dumped")
                } else {
                    Ok(())
                }
            }
        }
    }
}

fn name(signal: i32) -> String {
    if let Ok(signal) = Signal::try_from(signal) {
        return signal.as_str().to_owned();
    }
    // The C library reserves the first real-time signals for itself, so the
    // number of the first free one is known only at run time.
    match signal - libc::SIGRTMIN() {
        0 => "SIGRTMIN".to_owned(),
        above @ 1.. if signal <= libc::SIGRTMAX() => format!("SIGRTMIN+{above}"),
        _ => "reserved by the C library".to_owned(),
    }
}

/// The resources that a process used until it ended, including those of its
/// children that it waited for (man 2 getrusage).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user code.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The most memory that it had at once, in bytes – **or that its parent had
    /// when it started the process**, if that was more. Linux also counts the
    /// memory that a process gives up by calling exec. To learn the peak of a
    /// small child under a large parent, ask
    /// [`proc::status`](crate::proc::status) while the child lives.
    pub peak_resident: u64,
    /// Context switches because the process had to wait.
    pub voluntary: u64,
    /// Context switches because the kernel gave the CPU to another thread.
    pub involuntary: u64,
    /// Page faults served without a disk.
    pub minor_faults: u64,
    /// Page faults that needed a disk.
    pub major_faults: u64,
}

impl Usage {
    /// Total CPU time, in user code and in the kernel.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

impl From<&libc::rusage> for Usage {
    fn from(raw: &libc::rusage) -> Usage {
        let time = |time: libc::timeval| {
            let micros = u32::try_from(time.tv_usec).unwrap_or(0);
            Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), micros * 1000)
        };
        let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
        Usage {
            user: time(raw.ru_utime),
            system: time(raw.ru_stime),
            peak_resident: count(raw.ru_maxrss) * 1024,
            voluntary: count(raw.ru_nvcsw),
            involuntary: count(raw.ru_nivcsw),
            minor_faults: count(raw.ru_minflt),
            major_faults: count(raw.ru_majflt),
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn endings_are_said_in_plain_words() {
        let killed = |signal, core| Ending::Killed { signal, core }.to_string();
        assert_eq!(Ending::Exited(3).to_string(), "exited with status 3");
        assert_eq!(killed(11, false), "killed by signal 11 (SIGSEGV)");
        assert_eq!(killed(6, true), "killed by signal 6 (SIGABRT), core dumped");
        assert_eq!(
            killed(libc::SIGRTMIN() + 2, false),
            "killed by signal 36 (SIGRTMIN+2)"
        );
        assert_eq!(
            killed(libc::SIGRTMIN(), false),
            "killed by signal 34 (SIGRTMIN)"
        );
        assert_eq!(
            killed(33, false),
            "killed by signal 33 (reserved by the C library)"
        );
    }

    #[test]
    fn a_raw_status_is_not_an_exit_code() {
        assert_eq!(Ending::from_raw(256), Some(Ending::Exited(1)));
        assert_eq!(
            Ending::from_raw(9),
            Some(Ending::Killed {
                signal: 9,
                core: false
            })
        );
        assert_eq!(
            Ending::from_raw(0x80 | 11),
            Some(Ending::Killed {
                signal: 11,
                core: true
            })
        );
        assert_eq!(Ending::from_raw(0x137f), None, "stopped is not ended");
    }

    #[test]
    fn a_wait_status_of_a_stopped_process_is_no_ending() {
        let pid = Pid::from_raw(1);
        let ending = Ending::from_wait_status;
        assert_eq!(ending(WaitStatus::Exited(pid, 7)), Some(Ending::Exited(7)));
        let killed = WaitStatus::Signaled(pid, Signal::SIGKILL, false);
        assert_eq!(ending(killed).and_then(Ending::signal), Some(9));
        assert_eq!(ending(WaitStatus::Stopped(pid, Signal::SIGSTOP)), None);
        assert_eq!(ending(WaitStatus::StillAlive), None);
    }
}
