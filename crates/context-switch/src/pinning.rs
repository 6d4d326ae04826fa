//! The CPUs on which a thread may run, and a guard that keeps it on one of
//! them.

use std::marker::PhantomData;
use std::{error, fmt};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps the calling thread on one CPU. When the guard is dropped, the thread
/// may use the same CPUs again as before.
///
/// ```
/// use context_switch::{Pinned, allowed_cpus};
///
/// let before = allowed_cpus()?;
/// let pinned = Pinned::to(before[0])?;
/// assert_eq!(allowed_cpus()?, [before[0]]);
/// drop(pinned);
/// assert_eq!(allowed_cpus()?, before);
/// # Ok::<(), context_switch::PinError>(())
/// ```
///
/// Threads and processes that are started in the meantime inherit the pin (man
/// 2 sched_setaffinity) and keep it, because the guard restores only the
/// calling thread. If one thread has two guards, drop them in the reverse order
/// of their creation.
#[derive(Debug)]
#[must_use = "when the guard is dropped, the thread gets its previous CPUs back"]
pub struct Pinned {
    cpu: usize,
    before: CpuSet,
    /// The affinity belongs to one thread, so another thread must not restore
    /// it.
    not_send: PhantomData<*const ()>,
}

impl Pinned {
    /// Keeps the calling thread on this CPU. CPUs are numbered as in
    /// `/proc/cpuinfo`.
    ///
    /// # Errors
    /// [`PinError::NotAllowed`] if the thread may not run there: there is no
    /// such CPU, or a cpuset or `taskset` excludes it. [`PinError::Unknown`] as
    /// for [`allowed_cpus`].
    pub fn to(cpu: usize) -> Result<Pinned, PinError> {
        let before = affinity()?;
        keep_on(cpu).map_err(|_| PinError::NotAllowed {
            cpu,
            allowed: numbers(&before),
        })?;
        Ok(Pinned {
            cpu,
            before,
            not_send: PhantomData,
        })
    }

    /// Returns the number of the CPU.
    #[must_use]
    pub fn cpu(&self) -> usize {
        self.cpu
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // This fails only if none of those CPUs is allowed any more. The kernel
        // has then moved the thread already.
        _ = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}

/// Returns the CPUs on which the calling thread may run, in ascending order.
///
/// # Errors
/// [`PinError::Unknown`] if the kernel does not report them. This happens on a
/// machine with more than 1,024 CPUs (EINVAL), and where a filter of system
/// calls forbids the question.
pub fn allowed_cpus() -> Result<Vec<usize>, PinError> {
    affinity().map(|set| numbers(&set))
}

/// Where two sides run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Both run on the first allowed CPU and take turns.
    OneCpu,
    /// One runs on the first and one on the second allowed CPU.
    TwoCpus,
}

impl Placement {
    /// Returns the CPUs of the two sides, chosen from the CPUs that this thread
    /// may use.
    ///
    /// # Errors
    /// [`PinError::TooFew`] if two CPUs are needed and only one is allowed.
    /// [`PinError::Unknown`] as for [`allowed_cpus`].
    pub fn cpus(self) -> Result<[usize; 2], PinError> {
        let allowed = allowed_cpus()?;
        match (self, allowed.as_slice()) {
            (Placement::OneCpu, &[first, ..]) => Ok([first, first]),
            (Placement::TwoCpus, &[first, second, ..]) => Ok([first, second]),
            _ => Err(PinError::TooFew { allowed }),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Placement::OneCpu => "on one CPU",
            Placement::TwoCpus => "on two CPUs",
        })
    }
}

/// Why a thread cannot be pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinError {
    /// The thread may not run on this CPU.
    NotAllowed {
        /// The CPU that the caller asked for.
        cpu: usize,
        /// The CPUs on which the thread may run.
        allowed: Vec<usize>,
    },
    /// Two CPUs are needed, but the thread may run on fewer.
    TooFew {
        /// The CPUs on which the thread may run.
        allowed: Vec<usize>,
    },
    /// The kernel did not report where the thread may run.
    Unknown(Errno),
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinError::NotAllowed { cpu, allowed } => {
                write!(
                    f,
                    "this thread may not run on CPU {cpu}, only on {allowed:?}"
                )
            }
            PinError::TooFew { allowed } => write!(
                f,
                "two CPUs are needed, but this thread may run on {allowed:?} only; \
                 look at `taskset -p $$` and at the machine's CPUs"
            ),
            PinError::Unknown(errno) => write!(f, "cannot get this thread's CPUs: {errno}"),
        }
    }
}

impl error::Error for PinError {}

/// Keeps the calling thread on a CPU permanently. This neither allocates nor
/// locks, so a forked child may call it.
pub(crate) fn keep_on(cpu: usize) -> nix::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &only)
}

fn affinity() -> Result<CpuSet, PinError> {
    sched_getaffinity(Pid::from_raw(0)).map_err(PinError::Unknown)
}

fn numbers(set: &CpuSet) -> Vec<usize> {
    let has = |&cpu: &usize| set.is_set(cpu).unwrap_or(false);
    (0..CpuSet::count()).filter(has).collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn nested_guards_restore_what_each_found() {
        let before = allowed_cpus().unwrap();
        let outer = Pinned::to(before[0]).unwrap();
        let last = *before.last().unwrap();
        // A pinned thread may still move itself to another CPU.
        let inner = Pinned::to(last).unwrap();
        assert_eq!((inner.cpu(), allowed_cpus().unwrap()), (last, vec![last]));
        drop(inner);
        assert_eq!(allowed_cpus().unwrap(), [before[0]]);
        drop(outer);
        assert_eq!(allowed_cpus().unwrap(), before);
    }

    #[test]
    fn a_panic_restores_the_affinity_too() {
        let before = allowed_cpus().unwrap();
        let panicked = std::panic::catch_unwind(|| {
            let _pinned = Pinned::to(allowed_cpus().unwrap()[0]).unwrap();
            std::panic::resume_unwind(Box::new("while pinned"));
        });
        assert!(panicked.is_err());
        assert_eq!(allowed_cpus().unwrap(), before);
    }

    #[test]
    fn threads_started_under_a_pin_keep_it() {
        let first = allowed_cpus().unwrap()[0];
        let pinned = Pinned::to(first).unwrap();
        let inherited = thread::spawn(allowed_cpus).join().unwrap();
        assert_eq!(inherited.unwrap(), [pinned.cpu()]);
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused_by_name() {
        let before = allowed_cpus().unwrap();
        for cpu in [CpuSet::count() - 1, CpuSet::count(), usize::MAX] {
            let error = Pinned::to(cpu).unwrap_err();
            assert!(error.to_string().contains(&cpu.to_string()), "{error}");
        }
        assert_eq!(allowed_cpus().unwrap(), before, "nothing was changed");
    }

    #[test]
    fn two_cpus_cannot_be_had_of_one() {
        let _pinned = Pinned::to(allowed_cpus().unwrap()[0]).unwrap();
        assert!(matches!(
            Placement::TwoCpus.cpus(),
            Err(PinError::TooFew { .. })
        ));
        let [left, right] = Placement::OneCpu.cpus().unwrap();
        assert_eq!(left, right);
    }
}
