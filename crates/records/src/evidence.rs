//! What the kernel said of a subject while it worked on one question.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Observations about the subject, made from outside unless a field says otherwise.
///
/// Gates decide and counts support: what happens inside a process can be
/// staged by the code in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The process that ran the code.
    pub pid: i32,
    /// Processes started while it worked on the question, counted at the
    /// system call. `None` where the machine forbids to watch system calls.
    pub processes_started: Option<u32>,
    /// Threads started, counted likewise.
    pub threads_started: Option<u32>,
    /// Calls that failed because the judge had ordered it (`Subject::fail`).
    pub faults: u32,
    /// Processes below it that were alive when the answer came.
    pub children: u32,
    /// Processes below it that had ended but were not waited for.
    pub zombies: u32,
    /// Processes that were started and have no parent among the subject's own,
    /// whether they run or have ended: it died before them, or they were never
    /// its children (`CLONE_PARENT`).
    pub orphans: u32,
    /// Its threads when the answer came, the one that answered included.
    pub threads: u32,
    /// Descriptors open after the answer that were not open before.
    pub descriptors_left: u32,
    /// Times that it gave up the CPU by waiting, as it read them from `getrusage`.
    pub voluntary_switches: u64,
    /// Times that the CPU was taken from it, read likewise (`sched_yield` counts here).
    pub involuntary_switches: u64,
    /// CPU time of the process, without its children.
    pub cpu: Duration,
    /// Time from question to answer.
    pub wall: Duration,
    /// What was asked of Rust's allocator, as the process itself counted it.
    pub heap: Heap,
    /// Peak resident memory so far, in bytes.
    pub peak_memory: u64,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Shared memory, queues and semaphores that it made until now and that
    /// still exist, by name. They would outlive it; the judge removes them.
    /// Empty where the machine forbids to watch system calls.
    pub relics: Vec<String>,
    /// What is in its folder for temporary files, `$TMPDIR`. Each subject has
    /// one of its own, which the judge removes.
    pub files_left: Vec<String>,
    /// The calls of `proctor::witness`, in the order in which they came.
    pub witnesses: Vec<Witness>,
}

/// One call of `proctor::witness`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The process that made it, as the kernel attests. Code that replaces
    /// `getpid` does not change it.
    pub pid: i32,
    /// What it was called with.
    pub mark: u64,
}

/// What the subject wrote while it worked, each stream capped at 256 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Bytes that came after the cap and were dropped.
    pub dropped: u64,
}

/// What was asked of the allocator while one question was worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heap {
    /// Calls of the allocator that asked for memory.
    pub requests: u64,
    /// Bytes of the largest request, granted or not.
    pub largest: u64,
    /// The most bytes that were held at a time, beyond what was held before.
    pub peak: u64,
    /// Bytes that are still held, beyond what was held before.
    pub left: u64,
}

impl Evidence {
    /// Whether the process waited instead of burning the CPU: CPU time below
    /// a tenth of the wall time.
    pub fn waited(&self) -> bool {
        self.cpu * 10 < self.wall
    }
}
