//! Tells an experiment that hangs from one that is slow.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use processes::proc::{self, Pid, State};

/// What the kernel counted until now for all threads below a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    threads: usize,
    /// How many of them run or wait for a CPU.
    active: usize,
    switches: u64,
    cpu: Duration,
}

impl Counts {
    /// Looks at all threads of all descendants of a process. Threads that end
    /// meanwhile are left out.
    fn below(pid: Pid) -> io::Result<Counts> {
        let mut counts = Counts::default();
        for pid in proc::descendants(pid)? {
            for tid in proc::tasks(pid).unwrap_or_default() {
                let (Ok(stat), Ok(status)) =
                    (proc::task_stat(pid, tid), proc::task_status(pid, tid))
                else {
                    continue;
                };
                counts.threads += 1;
                counts.active += usize::from(stat.state == State::Running);
                counts.switches += status.voluntary + status.involuntary;
                counts.cpu += stat.cpu();
            }
        }
        Ok(counts)
    }
}

/// Looks twice at the descendants of this process, shortly before a deadline.
///
/// Dropping the other end of the channel ends the watch.
pub(crate) fn watch(deadline: Duration, end: Receiver<()>) -> Option<Hang> {
    let started = Instant::now();
    let apart = (deadline / 4).min(Duration::from_secs(1));
    let me = std::process::id().cast_signed();
    let mut looks = [deadline - 2 * apart, deadline - apart].map(|when| {
        let left = when.saturating_sub(started.elapsed());
        let over = end.recv_timeout(left) != Err(RecvTimeoutError::Timeout);
        (!over).then(|| Counts::below(me).ok()).flatten()
    });
    let [first, second] = [looks[0].take()?, looks[1].take()?];
    hang(&first, &second, deadline)
}

/// Why an experiment has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hang {
    /// All its threads sleep, and none of them ran between two looks.
    Sleeps {
        /// The number of its threads.
        threads: usize,
    },
    /// It got enough CPU time to end several times.
    Computes {
        /// This much.
        cpu: Duration,
    },
}

/// What two looks show. `None` if the machine may only be slow.
fn hang(first: &Counts, second: &Counts, deadline: Duration) -> Option<Hang> {
    if second.cpu > deadline / 2 {
        return Some(Hang::Computes { cpu: second.cpu });
    }
    (first == second && second.threads > 0 && second.active == 0).then_some(Hang::Sleeps {
        threads: second.threads,
    })
}

/// Runs something, and watches meanwhile whether the descendants of this
/// process hang.
pub(crate) fn watched<T>(deadline: Duration, run: impl FnOnce() -> T) -> (T, Option<Hang>) {
    let (over, end) = channel();
    thread::scope(|scope| {
        let watcher = scope.spawn(move || watch(deadline, end));
        let result = run();
        drop(over);
        (result, watcher.join().unwrap_or(None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(8);

    fn counts(active: usize, switches: u64, cpu: u64) -> Counts {
        Counts {
            threads: 2,
            active,
            switches,
            cpu: Duration::from_secs(cpu),
        }
    }

    #[test]
    fn only_threads_that_all_sleep_and_never_ran_hang() {
        let still = counts(0, 7, 1);
        let sleeps = Some(Hang::Sleeps { threads: 2 });
        assert_eq!(hang(&still, &still, DEADLINE), sleeps);
        for moved in [counts(0, 8, 1), counts(1, 7, 1), counts(0, 7, 2)] {
            assert_eq!(hang(&still, &moved, DEADLINE), None, "{moved:?}");
        }
        let starved = counts(1, 7, 1);
        assert_eq!(hang(&starved, &starved, DEADLINE), None);
        let gone = Counts::default();
        assert_eq!(hang(&gone, &gone, DEADLINE), None);
    }

    #[test]
    fn who_has_computed_for_half_the_time_is_not_starved() {
        let cpu = Duration::from_secs(5);
        let busy = counts(1, 9, 5);
        assert_eq!(
            hang(&counts(1, 7, 4), &busy, DEADLINE),
            Some(Hang::Computes { cpu })
        );
    }

    #[test]
    fn the_watch_ends_with_what_it_watches() {
        let (result, hang) = watched(Duration::from_secs(3600), || 5);
        assert_eq!((result, hang), (5, None));
    }
}
