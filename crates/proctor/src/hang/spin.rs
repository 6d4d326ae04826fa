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

use processes::Pid;

use super::Watched;
use super::closed::World;
use super::waits::{Picture, Wait};
use crate::outcome::{Failing, Outcome};

#[cfg(target_arch = "x86_64")]
mod circle;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod traced;

/// The verdict, if every thread of the picture waits for ever or spins. The
/// runners stand still for at most about `budget`.
///
/// A thread that has dealt with the kernel since `before` is not looked at: it
/// does not spin, and to stop it would cut its system call short (a large
/// `write` or `read` returns with a part, man 7 signal).
pub(super) fn prove(
    before: &Picture,
    now: &Picture,
    watched: &Watched,
    budget: Duration,
) -> Option<Failing> {
    let world = World::of(now, watched)?;
    let mut runners = Vec::new();
    for process in now.alive() {
        if may_be_ended_by_its_limit(process.pid, watched.cpu_seconds) {
            return None;
        }
        for thread in &process.threads {
            if thread.wait == Wait::Runs {
                if now.dealt_since(before, process.pid, thread.tid) {
                    return None;
                }
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
            "a thread goes in a circle in which nothing changes, and no other thread can change it"
                .to_owned()
        }
        n => {
            format!("{n} threads go in circles in which nothing changes, and nobody can change it")
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
