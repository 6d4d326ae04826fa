//! Deadlines on a busy machine. The time for which the code waited for a CPU
//! that others used does not count.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use processes::proc::{self, Pid};

/// What each thread of the code had got when the watch began.
pub(crate) struct Share {
    warden: Pid,
    began: Instant,
    before: HashMap<Pid, Got>,
}

/// What the scheduler counts for a thread (`/proc/PID/task/TID/schedstat`, see
/// Documentation/scheduler/sched-stats.rst in the kernel's sources).
#[derive(Clone, Copy, Debug, Default)]
struct Got {
    /// Time on a CPU.
    ran: Duration,
    /// Time in a queue for a CPU.
    queued: Duration,
}

impl Share {
    /// Begins to watch the processes below the warden.
    pub(crate) fn begin(warden: Pid) -> Self {
        Share {
            warden,
            began: Instant::now(),
            before: threads_below(warden),
        }
    }

    /// How much time the code has lost to others since then. Zero where the
    /// kernel does not count it.
    pub(crate) fn lost(&self) -> Duration {
        let now = threads_below(self.warden);
        let gained = now.iter().map(|(tid, got)| {
            let before = self.before.get(tid).copied().unwrap_or_default();
            Got {
                ran: got.ran.saturating_sub(before.ran),
                queued: got.queued.saturating_sub(before.queued),
            }
        });
        lost(self.began.elapsed(), gained, cpus())
    }
}

/// A thread that queues behind threads of its own program loses nothing to
/// others: so the time counts for which the program had less than the CPUs that
/// its threads could have used.
fn lost(wall: Duration, threads: impl Iterator<Item = Got>, cpus: usize) -> Duration {
    let (mut ran, mut queued, mut wanting) = (Duration::ZERO, Duration::ZERO, 0);
    for thread in threads {
        ran += thread.ran;
        queued = queued.max(thread.queued);
        wanting += usize::from(!(thread.ran + thread.queued).is_zero());
    }
    let could_have_used = u32::try_from(wanting.min(cpus).max(1)).unwrap_or(1);
    queued.min(wall.saturating_sub(ran / could_have_used))
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn threads_below(warden: Pid) -> HashMap<Pid, Got> {
    let mut found = HashMap::new();
    for pid in proc::descendants(warden).unwrap_or_default() {
        for tid in proc::tasks(pid).unwrap_or_default() {
            if let Some(got) = got(pid, tid) {
                found.insert(tid, got);
            }
        }
    }
    found
}

fn got(pid: Pid, tid: Pid) -> Option<Got> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut next = || Some(Duration::from_nanos(numbers.next()?.ok()?));
    Some(Got {
        ran: next()?,
        queued: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(all: &[(u64, u64)]) -> impl Iterator<Item = Got> {
        all.iter().map(|&(ran, queued)| Got {
            ran: Duration::from_secs(ran),
            queued: Duration::from_secs(queued),
        })
    }

    #[test]
    fn only_what_others_took_is_lost() {
        let lost = |all: &[(u64, u64)]| lost(Duration::from_secs(10), threads(all), 2).as_secs();
        assert_eq!(lost(&[]), 0);
        assert_eq!(lost(&[(0, 0)]), 0, "it slept");
        assert_eq!(lost(&[(10, 0)]), 0, "it had a CPU for itself");
        assert_eq!(lost(&[(1, 9)]), 9, "it got a tenth of a CPU");
        assert_eq!(lost(&[(1, 2)]), 2, "it slept most of the time");
        let crowd = [(2, 8); 10];
        assert_eq!(lost(&crowd), 0, "ten threads used both CPUs");
        assert_eq!(lost(&[(1, 9), (1, 9)]), 9);
        assert_eq!(lost(&[(5, 5), (5, 5)]), 5, "both had half of a CPU");
    }

    #[test]
    fn the_scheduler_counts_this_thread() {
        let me = std::process::id().cast_signed();
        let Some(got) = got(me, me) else {
            println!("skipped: this kernel has no schedstat");
            return;
        };
        assert!(got.ran > Duration::ZERO, "{got:?}");
    }
}
