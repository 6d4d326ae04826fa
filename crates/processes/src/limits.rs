//! Limits on a process (man 2 setrlimit), and one limit that the kernel does
//! not have: wall-clock time.

use std::time::Duration;
use std::{error, fmt, io};

/// What a process may use. `None` leaves a limit as the process inherits it.
///
/// ```
/// use processes::{Limits, Spec, run};
/// let limits = Limits { descriptors: Some(16), ..Limits::default() };
/// let outcome = run(Spec::new("sh").args(["-c", "ulimit -n"]), b"", limits)?;
/// assert_eq!(outcome.stdout.text(), "16\n");
/// # Ok::<(), processes::RunError>(())
/// ```
///
/// Children inherit the limits. The limit `processes` counts all processes and
/// threads of the *user*, wherever they came from, and it does not apply to
/// root (`CAP_SYS_RESOURCE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// CPU time, rounded up to whole seconds. At the limit the kernel sends
    /// SIGXCPU, which kills the process unless it catches the signal. After one
    /// more second of CPU time, the kernel sends SIGKILL.
    pub cpu: Option<Duration>,
    /// Address space in bytes (`RLIMIT_AS`): beyond it `mmap` fails with
    /// ENOMEM. It counts reserved memory, not memory in use.
    pub memory: Option<u64>,
    /// Processes and threads of this user (`RLIMIT_NPROC`): beyond it `fork`
    /// fails with EAGAIN.
    pub processes: Option<u64>,
    /// One more than the highest file descriptor (`RLIMIT_NOFILE`): beyond it
    /// `open` fails with EMFILE.
    pub descriptors: Option<u64>,
    /// Size in bytes of a file that the process writes (`RLIMIT_FSIZE`): beyond
    /// it the kernel sends SIGXFSZ. [`run`](crate::run) also keeps at most this
    /// many bytes of each output stream.
    pub file_size: Option<u64>,
    /// Size of a core dump in bytes (`RLIMIT_CORE`).
    pub core: Option<u64>,
    /// Time from start to end. The kernel has no such limit: the code that
    /// waits enforces it ([`Child::wait`](crate::Child::wait),
    /// [`run`](crate::run)).
    pub wall: Option<Duration>,
}

impl Limits {
    /// The limits that the kernel enforces, as arguments of `setrlimit`.
    pub(crate) fn resources(&self) -> Vec<ResourceLimit> {
        let cpu = self.cpu.map(|time| {
            let seconds = time
                .as_secs()
                .saturating_add(u64::from(time.subsec_nanos() > 0));
            // The kernel treats 0 like 1.
            seconds.max(1)
        });
        let both = |name, resource, value: Option<u64>| {
            value.map(|value| ResourceLimit {
                name,
                resource,
                soft: value,
                hard: value,
            })
        };
        let limits = [
            cpu.map(|soft| ResourceLimit {
                name: "cpu",
                resource: libc::RLIMIT_CPU as i32,
                soft,
                hard: soft.saturating_add(1),
            }),
            both("memory", libc::RLIMIT_AS as i32, self.memory),
            both("processes", libc::RLIMIT_NPROC as i32, self.processes),
            both("descriptors", libc::RLIMIT_NOFILE as i32, self.descriptors),
            both("file_size", libc::RLIMIT_FSIZE as i32, self.file_size),
            both("core", libc::RLIMIT_CORE as i32, self.core),
        ];
        limits.into_iter().flatten().collect()
    }
}

/// One limit as arguments of `setrlimit`. The hard limit is lowered together
/// with the soft one, so that the process cannot raise the soft limit again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceLimit {
    pub(crate) name: &'static str,
    resource: i32,
    soft: u64,
    hard: u64,
}

impl ResourceLimit {
    /// Sets the limit on this process. It only makes a system call, so it may
    /// be called between fork and exec. The error is errno.
    pub(crate) fn set(&self) -> Result<(), i32> {
        let limit = libc::rlimit {
            rlim_cur: self.soft,
            rlim_max: self.hard,
        };
        // SAFETY: setrlimit reads one rlimit, which lives until it returns.
        let result = unsafe { libc::setrlimit(self.resource as _, &raw const limit) };
        if result == 0 {
            Ok(())
        } else {
            Err(crate::between::errno())
        }
    }

    pub(crate) fn refusal(&self, source: io::Error) -> LimitError {
        LimitError {
            limit: self.name,
            value: self.soft,
            source,
        }
    }
}

/// Sets the limits on this process itself, for now and for its future children.
/// It ignores `wall`, because a process cannot wait for itself.
///
/// # Errors
/// [`LimitError`] names the first limit that the kernel refused. The limits
/// before it stay set.
pub fn apply(limits: &Limits) -> Result<(), LimitError> {
    for limit in limits.resources() {
        limit
            .set()
            .map_err(|errno| limit.refusal(io::Error::from_raw_os_error(errno)))?;
    }
    Ok(())
}

/// The kernel refused to set a limit, usually because it is above the current
/// hard limit, which only root may raise.
#[derive(Debug)]
pub struct LimitError {
    limit: &'static str,
    value: u64,
    source: io::Error,
}

impl LimitError {
    /// The limit's name, which is the name of the field of [`Limits`].
    #[must_use]
    pub fn limit(&self) -> &'static str {
        self.limit
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitError {
            limit,
            value,
            source,
        } = self;
        write!(
            f,
            "the limit `{limit}` cannot be set to {value}: {source}; \
             an ordinary user cannot go above the hard limit in force (ulimit -H -a)"
        )
    }
}

impl error::Error for LimitError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_limit_is_named_and_changes_nothing() {
        let before = std::fs::read_to_string("/proc/self/limits").unwrap();
        // More than the system allows anybody (fs.nr_open).
        let limits = Limits {
            descriptors: Some(u64::MAX),
            ..Limits::default()
        };
        let error = apply(&limits).unwrap_err();
        assert_eq!(error.limit(), "descriptors");
        let expected = "the limit `descriptors` cannot be set to 18446744073709551615: \
             Operation not permitted (os error 1)";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(
            before,
            std::fs::read_to_string("/proc/self/limits").unwrap()
        );
    }

    #[test]
    fn no_limits_set_nothing_and_cpu_time_is_never_zero() {
        assert!(Limits::default().resources().is_empty());
        let seconds = |cpu| {
            let limits = Limits {
                cpu: Some(cpu),
                ..Limits::default()
            };
            limits
                .resources()
                .into_iter()
                .map(|limit| (limit.soft, limit.hard))
                .next()
        };
        assert_eq!(seconds(Duration::ZERO), Some((1, 2)));
        assert_eq!(seconds(Duration::from_millis(1001)), Some((2, 3)));
        assert_eq!(seconds(Duration::MAX), Some((u64::MAX, u64::MAX)));
    }
}
