//! What the kernel counts for each thread.

use std::io;

use nix::sys::resource::{UsageWho, getrusage};
use processes::Pid;
use processes::proc::{task_stat, task_status};

/// The events of one thread since its start. The difference of two readings is
/// what happened in between:
///
/// ```
/// use context_switch::Counters;
///
/// let before = Counters::of_this_thread()?;
/// std::thread::sleep(std::time::Duration::from_millis(1));
/// let slept = Counters::of_this_thread()?.since(&before);
/// assert!(slept.voluntary >= 1, "to sleep is to give up the CPU: {slept:?}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Context switches because the thread had to wait.
    pub voluntary: u64,
    /// Context switches because the kernel gave the CPU to another thread: the
    /// time slice was over, or a more urgent thread woke up. `sched_yield`
    /// counts here, although the thread asked for it.
    pub involuntary: u64,
    /// Pages that the kernel gave to the thread on first touch, without reading
    /// a disk.
    pub minor_faults: u64,
    /// Pages that the kernel had to read from a disk.
    pub major_faults: u64,
}

impl Counters {
    /// Reads the counters of the calling thread (man 2 getrusage,
    /// `RUSAGE_THREAD`).
    ///
    /// # Errors
    /// None on Linux.
    pub fn of_this_thread() -> io::Result<Counters> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        Ok(Counters {
            voluntary: usage.voluntary_context_switches().cast_unsigned(),
            involuntary: usage.involuntary_context_switches().cast_unsigned(),
            minor_faults: usage.minor_page_faults().cast_unsigned(),
            major_faults: usage.major_page_faults().cast_unsigned(),
        })
    }

    /// Reads the counters of any thread, given its process's number and its
    /// own. `/proc/PID/status` alone would give the counters of the process's
    /// first thread.
    ///
    /// # Errors
    /// As in the list of [`processes::proc`]; for example, there is no such
    /// thread.
    pub fn of(pid: Pid, tid: Pid) -> io::Result<Counters> {
        let (status, stat) = (task_status(pid, tid)?, task_stat(pid, tid)?);
        Ok(Counters {
            voluntary: status.voluntary,
            involuntary: status.involuntary,
            minor_faults: stat.minor_faults,
            major_faults: stat.major_faults,
        })
    }

    /// Returns what the kernel counted since an earlier reading of the same
    /// thread.
    #[must_use]
    pub fn since(&self, earlier: &Counters) -> Counters {
        Counters {
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
        }
    }

    /// Returns the number of context switches of both kinds.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.voluntary + self.involuntary
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use nix::unistd::{getpid, gettid};

    use super::*;

    #[test]
    fn a_thread_that_waits_is_counted_under_its_own_number() {
        let (go, waiting) = mpsc::channel();
        let (say, heard) = mpsc::channel();
        let waiter = thread::spawn(move || {
            say.send(gettid().as_raw()).unwrap();
            (0..10).map(|_| waiting.recv().unwrap()).for_each(drop);
            Counters::of_this_thread().unwrap()
        });
        let (pid, tid) = (getpid().as_raw(), heard.recv().unwrap());
        for turn in 0..10 {
            // The next message is sent only when the thread sleeps, so it
            // sleeps ten times.
            while Counters::of(pid, tid).unwrap().voluntary <= turn {
                thread::yield_now();
            }
            go.send(()).unwrap();
        }
        assert!(waiter.join().unwrap().voluntary >= 10);
    }

    #[test]
    fn both_ways_of_asking_agree() {
        let (pid, tid) = (getpid().as_raw(), gettid().as_raw());
        let before = Counters::of_this_thread().unwrap();
        let between = Counters::of(pid, tid).unwrap();
        let after = Counters::of_this_thread().unwrap();
        let fields: [fn(&Counters) -> u64; 4] = [
            |counters| counters.voluntary,
            |counters| counters.involuntary,
            |counters| counters.minor_faults,
            |counters| counters.major_faults,
        ];
        for counted in fields {
            let range = counted(&before)..=counted(&after);
            assert!(range.contains(&counted(&between)), "{range:?} {between:?}");
        }
    }

    #[test]
    fn a_thread_that_is_not_there_is_an_error_that_names_it() {
        let error = Counters::of(getpid().as_raw(), i32::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains(&i32::MAX.to_string()), "{error}");
    }

    #[test]
    fn nothing_is_less_than_nothing() {
        let later = Counters {
            voluntary: 3,
            ..Counters::default()
        };
        assert_eq!(Counters::default().since(&later).switches(), 0);
    }
}
