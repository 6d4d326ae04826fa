//! Proves a spin: the judge lets a running thread go round its loop once, step
//! by step. Then the thread is back where it was, and nothing has changed.
//!
//! The state of a program is its registers and its memory. If a thread returns
//! to exactly the same registers, all memory that it could have written is as
//! before, and it asked neither the kernel nor the clock for anything on the
//! way, then it will do the same again, for ever, unless another thread changes
//! memory. If every other thread waits for ever or spins in the same way, none
//! of them will. A slow computation never looks like that, because its counters
//! differ.
//!
//! The judge steps the thread with ptrace(2), for which it needs the right to
//! trace its own descendants. If the machine refuses that, or if there is no
//! code here for stepping on the architecture, nothing is proved and the
//! deadline decides.

use std::time::Duration;
#[cfg(target_arch = "x86_64")]
use std::time::Instant;

use processes::{Pid, proc};
use records::Outcome;

use super::closed::World;
use super::lines;
use super::waits::{MOST, Picture, Spent, Wait};
use super::{CutShort, Watched};
use crate::outcome::Failing;

#[cfg(target_arch = "x86_64")]
mod circle;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod traced;

/// Whether the judge may stop every running thread.
///
/// A thread that has waited, read or written since `before`, or that is in a
/// long system call, does not spin. To stop it would cut that call short (a
/// large `write` or `read` then returns a part, man 7 signal). The kernel does
/// not say whether a running thread is in a call, but it counts the CPU time of
/// a call as its own. So the thread must have run in its own code until a
/// moment ago, or it must have gone in and out of the kernel all the time, as a
/// loop that yields does.
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

/// The judge takes this many samples, one after each of these pauses, to see
/// how the threads spend their time. It takes more if a thread that wants a CPU
/// has not yet got enough, because others use it.
const SAMPLES: u32 = 25;
const MOST_SAMPLES: u32 = 200;
const SAMPLE: Duration = Duration::from_millis(10);
/// This much CPU time in its own code shows how a thread spends its time.
const ENOUGH: Duration = Duration::from_millis(20);

/// Whether the threads `(process, thread, plain)` still spend their CPU time as
/// they did before. Plain threads, which run only their own code, must have
/// done so in the last tick too.
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
    for sample in 0..MOST_SAMPLES {
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
        let all_want_a_cpu = || {
            runners.iter().all(|(pid, tid, _)| {
                proc::task_stat(*pid, *tid).is_ok_and(|stat| stat.state == proc::State::Running)
            })
        };
        if all_have_enough || sample >= SAMPLES && !all_want_a_cpu() {
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
/// running threads are stopped for at most about `budget`.
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
    let mut lines = lines::of(now, MOST);
    let cause = format!("{first}\n{}", now.describe(&lines));
    Some(Failing {
        at: runners.iter().find_map(|(_, tid, _)| lines.remove(tid)),
        ..Failing::new(Outcome::Spin, cause)
    })
}

/// The starts that stops by this thread of the judge have cut short.
pub(super) fn cut_short() -> CutShort {
    #[cfg(target_arch = "x86_64")]
    return traced::cut_short();
    #[cfg(not(target_arch = "x86_64"))]
    CutShort::default()
}

/// The registers of a running thread, which is stopped for a moment.
#[cfg(target_arch = "x86_64")]
pub(super) fn registers_of(tid: Pid) -> Option<libc::user_regs_struct> {
    traced::Traced::stop(tid)?.registers()
}

/// Whether the code itself set a CPU-time limit for the process, below the
/// subject's. Then the kernel ends the process, and another process may wait
/// for that.
fn may_be_ended_by_its_limit(pid: Pid, ours: u64) -> bool {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/limits")) else {
        return false;
    };
    let soft = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The second limit is for threads with a real-time policy, and it is
    // unlimited unless code sets it (man 2 getrlimit, RLIMIT_RTTIME).
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
