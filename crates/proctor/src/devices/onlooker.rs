//! Watches another thread until it waits, for gates in a test that must not
//! depend on how fast the machine is.

use std::fs;
use std::time::Duration;

use processes::Pid;
use processes::proc;

/// A thread, as another thread or process sees it.
///
/// ```
/// use std::sync::mpsc;
/// use std::thread;
///
/// let (sender, receiver) = mpsc::channel();
/// let (give, gate) = mpsc::channel::<()>();
/// let waiter = thread::spawn(move || {
///     sender.send(proctor::Onlooker::of_this_thread()).unwrap();
///     gate.recv()
/// });
/// receiver.recv().unwrap().until_it_waits();
/// // Now it is in `recv`, and stays there.
/// give.send(()).unwrap();
/// assert_eq!(waiter.join().unwrap(), Ok(()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Onlooker {
    process: Pid,
    thread: Pid,
    asks_again_and_again: bool,
    /// How often the thread had left the CPU when it was first seen at rest.
    rested_at: Option<u64>,
}

/// CPU time after which a thread that never sleeps counts as waiting.
const SPUN: Duration = Duration::from_millis(10);
/// How often a thread must have been off the CPU to count as waiting: a waiter
/// that yields may get no CPU time.
const YIELDED: u64 = 20;
/// How often a thread that sleeps for a while, looks, and sleeps again must
/// have been at rest to count as waiting.
const POLLED: u64 = 40;

impl Onlooker {
    /// Makes the calling thread visible to others.
    pub fn of_this_thread() -> Self {
        Self::of(nix::unistd::gettid().as_raw())
    }

    /// Another thread of this process, by the number that the kernel gave it.
    pub(crate) fn of(thread: Pid) -> Self {
        Onlooker {
            process: std::process::id().cast_signed(),
            thread,
            asks_again_and_again: false,
            rested_at: None,
        }
    }

    /// `None` if the thread has ended or runs; otherwise how often it has left
    /// the CPU until now, or 0 if it is known to spin or to poll.
    pub(crate) fn rests(&mut self) -> Option<u64> {
        let now = self.look()?;
        let first = *self.rested_at.get_or_insert(now.switches);
        self.asks_again_and_again |= now.switches >= first + POLLED;
        match self.asks_again_and_again {
            true => Some(0),
            false => (!now.runs).then_some(now.switches),
        }
    }

    /// Whether the thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.look().is_none()
    }

    /// Makes the first thread of a process visible.
    pub fn of_process(pid: i32) -> Self {
        Onlooker {
            process: pid,
            thread: pid,
            asks_again_and_again: false,
            rested_at: None,
        }
    }

    /// Returns when a signal such as SIGSTOP has stopped the thread, or when
    /// the thread has ended, whether or not a process has waited for it.
    pub fn until_it_stops(&self) {
        while self.look().is_some_and(|look| !look.is_stopped) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Stops the thread for good, wherever it is. It must be a thread of the
    /// calling process.
    ///
    /// A frozen thread needs no CPU. So a test can bring hundreds of threads,
    /// one after the other, to a place where they would spin.
    pub fn freeze(self) {
        super::freeze::freeze(self.thread);
    }

    /// Returns when the thread sleeps in the kernel, or has ended.
    ///
    /// A thread that never sleeps, but tries again and again, counts as waiting
    /// once it has run for 10 ms or has been off the CPU 20 times (a yield
    /// counts) since the call; from then on it is known to spin, and a second
    /// call returns at once. Wall-clock time plays no part.
    pub fn until_it_waits(&mut self) {
        self.until_it_waits_or(|| false);
    }

    /// The same, but also returns as soon as `over` returns true.
    pub fn until_it_waits_or(&mut self, over: impl Fn() -> bool) {
        let Some(first) = self.look() else { return };
        while !self.asks_again_and_again && !over() {
            match self.look() {
                Some(now) if now.runs => {
                    self.asks_again_and_again =
                        now.cpu >= first.cpu + SPUN || now.switches >= first.switches + YIELDED;
                }
                _ => return,
            }
            // Leaves the CPU to that thread until the next look.
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn look(&self) -> Option<Look> {
        let Onlooker {
            process, thread, ..
        } = self;
        let folder = format!("/proc/{process}/task/{thread}");
        let status = fs::read_to_string(format!("{folder}/status")).ok()?;
        let field = |name: &str| {
            let mut lines = status.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let state = field("State:")?;
        if state.starts_with(['Z', 'X']) {
            return None;
        }
        let count = |name| field(name)?.parse::<u64>().ok();
        Some(Look {
            runs: state.starts_with(['R', 'D']),
            is_stopped: state.starts_with('T'),
            cpu: cpu(&folder, *process, *thread),
            switches: count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?,
        })
    }
}

/// What one look at a thread shows.
struct Look {
    /// It runs, or is about to.
    runs: bool,
    is_stopped: bool,
    cpu: Duration,
    switches: u64,
}

/// In nanoseconds where the kernel counts them, else in ticks.
fn cpu(folder: &str, process: Pid, thread: Pid) -> Duration {
    let exact = fs::read_to_string(format!("{folder}/schedstat")).ok();
    let exact = exact.and_then(|text| text.split_whitespace().next()?.parse().ok());
    match exact {
        Some(nanos) => Duration::from_nanos(nanos),
        None => proc::task_stat(process, thread).map_or(Duration::ZERO, |stat| stat.cpu()),
    }
}
