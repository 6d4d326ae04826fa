//! A spin, proved: a running thread is let go round once, step by step, and
//! is back where it was with nothing changed.
//!
//! The state of a program is its registers and its memory. If a thread returns
//! to the very same registers, and all memory that it could have written is as
//! before, and on the way it asked the kernel or the clock for nothing, then it
//! will do the same again, for ever, unless another thread changes memory.
//! When every other thread waits for ever or spins likewise, none will. A slow
//! computation never looks like that: its counters differ.
//!
//! The thread is stepped with ptrace(2), which needs the right to trace one's
//! own descendants. Where it is refused, or the architecture has no stepping
//! here, nothing is proved and the deadline decides.

use std::time::Duration;
#[cfg(target_arch = "x86_64")]
use std::time::Instant;

use processes::{Pid, proc};

use super::Watched;
use super::closed::World;
use super::waits::{Picture, Spent, Wait};
use crate::outcome::Failing;
use records::Outcome;

#[cfg(target_arch = "x86_64")]
mod circle;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod traced;

/// Whether every running thread may be stopped.
///
/// A thread that has dealt with the kernel since `before`, or is in a long
/// system call, does not spin, and to stop it would cut that call short (a
/// large `write` or `read` returns with a part, man 7 signal). Nothing says
/// whether a thread that runs is in a call. But its CPU time is then the
/// kernel's: so it must have run in its own code until a moment ago, or have
/// gone in and out of the kernel all the time, as a loop that yields does.
pub(super) fn is_possible(before: &Picture, now: &Picture) -> bool {
    let mut runners = Vec::new();
    for process in now.alive() {
        for thread in &process.threads {
            if thread.wait == Wait::Runs {
                match now.spent_since(before, process.pid, thread.tid) {
                    Some(spent) if spent.user > Duration::ZERO => {
                        runners.push((process.pid, thread.tid, spent.is_plain()));
                    }
                    _ => return false,
                }
            }
        }
    }
    !runners.is_empty() && run_on_like_that(&runners)
}

/// How long threads may take to show how they spend their time.
const SAMPLES: u32 = 25;
const SAMPLE: Duration = Duration::from_millis(10);
/// So much of it shows the way.
const ENOUGH: Duration = Duration::from_millis(20);

/// Whether the threads `(process, thread, plain)` go on to spend their CPU time
/// as they did, and those in their own code alone did so in the last tick too.
fn run_on_like_that(runners: &[(Pid, Pid, bool)]) -> bool {
    let look = |(pid, tid, _): &(Pid, Pid, bool)| {
        let stat = proc::task_stat(*pid, *tid).ok()?;
        Some(Spent {
            user: stat.user,
            system: stat.system,
        })
    };
    let Some(first) = runners.iter().map(look).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let mut last = first.clone();
    let mut recent = vec![Spent::default(); runners.len()];
    for _ in 0..SAMPLES {
        std::thread::sleep(SAMPLE);
        let Some(now) = runners.iter().map(look).collect::<Option<Vec<_>>>() else {
            return false;
        };
        let mut all_have_enough = true;
        for (index, now) in now.iter().enumerate() {
            let step = now.since(last[index]);
            if step.user + step.system > Duration::ZERO {
                recent[index] = step;
            }
            all_have_enough &= now.since(first[index]).user >= ENOUGH;
        }
        last = now;
        if all_have_enough {
            break;
        }
    }
    runners.iter().enumerate().all(|(index, (_, _, plain))| {
        let spent = last[index].since(first[index]);
        spent.user > Duration::ZERO
            && spent.is_plain() == *plain
            && (!plain || recent[index].system == Duration::ZERO)
    })
}

/// The verdict, if every thread of the picture waits for ever or spins. The
/// runners stand still for at most about `budget`.
pub(super) fn prove(now: &Picture, watched: &Watched, budget: Duration) -> Option<Failing> {
    let world = World::of(now, watched)?;
    let mut runners = Vec::new();
    for process in now.alive() {
        if may_be_ended_by_its_limit(process.pid, watched.cpu_seconds) {
            return None;
        }
        for thread in &process.threads {
            if thread.wait == Wait::Runs {
                runners.push((process.pid, thread.tid, thread.processor));
            } else if !world.holds(process, &thread.wait) {
                return None;
            }
        }
    }
    if !go_in_circles(&runners, budget) {
        return None;
    }
    let first = match runners.len() {
        1 => {
            "a thread spins: it repeats a loop in which nothing changes, and no other thread can change anything"
                .to_owned()
        }
        n => {
            format!(
                "{n} threads spin: they repeat loops in which nothing changes, and no other thread can change anything"
            )
        }
    };
    Some(Failing::new(
        Outcome::Spin,
        format!("{first}\n{}", now.describe()),
    ))
}

/// Whether the process has a limit of CPU time that the code set itself, below
/// the subject's: then the kernel ends it, and somebody may wait for that.
fn may_be_ended_by_its_limit(pid: Pid, ours: u64) -> bool {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/limits")) else {
        return false;
    };
    let soft = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The second one counts for threads with a real-time policy, and is unlimited
    // unless somebody sets it (man 2 getrlimit, RLIMIT_RTTIME).
    soft("Max cpu time").is_some_and(|seconds| seconds < ours)
        || soft("Max realtime timeout").is_some()
}

#[cfg(target_arch = "x86_64")]
fn go_in_circles(threads: &[(Pid, Pid, i32)], budget: Duration) -> bool {
    circle::all(threads, Instant::now() + budget).unwrap_or(false)
}

#[cfg(not(target_arch = "x86_64"))]
fn go_in_circles(_threads: &[(Pid, Pid, i32)], _budget: Duration) -> bool {
    false
}
