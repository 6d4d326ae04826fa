//! What the kernel said about a subject while it worked on one question.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Observations about the subject, made from outside unless a field says otherwise.
///
/// A test should decide by gates (`proctor::Gate`) and use the counts
/// only as support: code can stage what happens inside its own process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The process that ran the code.
    pub pid: i32,
    /// Processes started while it worked on the question, counted at the system
    /// call. `None` where the machine does not let the judge watch system
    /// calls.
    pub processes_started: Option<u32>,
    /// Threads started, counted in the same way.
    pub threads_started: Option<u32>,
    /// System calls that failed because the judge had ordered it (`Subject::fail`).
    pub faults: u32,
    /// Descendants that were alive when the answer arrived.
    pub children: u32,
    /// Descendants that had ended, but that no process had waited for.
    pub zombies: u32,
    /// Processes, running or ended, that the code started and whose parent is
    /// neither the subject nor one of its descendants: the parent died before
    /// them, or they were never its children (`CLONE_PARENT`).
    pub orphans: u32,
    /// Its threads when the answer arrived, including the thread that answered.
    pub threads: u32,
    /// How many more descriptors were open after the answer than before the
    /// question.
    pub descriptors_left: u32,
    /// How often it gave up the CPU to wait, as it read from `getrusage`.
    pub voluntary_switches: u64,
    /// How often the kernel took the CPU from it, also from `getrusage`
    /// (`sched_yield` counts here).
    pub involuntary_switches: u64,
    /// CPU time of the process, without its children.
    pub cpu: Duration,
    /// Wall-clock time from the question to the answer.
    pub wall: Duration,
    /// What the process asked of Rust's allocator, as the process itself
    /// counted it.
    pub heap: Heap,
    /// Peak resident memory so far, in bytes.
    pub peak_memory: u64,
    /// Page faults that the kernel handled without reading from a disk.
    pub minor_faults: u64,
    /// Shared memory, queues and semaphores that it made until now and that
    /// still exist, by name. They would outlive it; the judge removes them.
    /// Empty where the machine does not let the judge watch system calls.
    pub relics: Vec<String>,
    /// What is in its folder for temporary files, `$TMPDIR`. Each subject has a
    /// folder of its own, which the judge removes.
    pub files_left: Vec<String>,
    /// The calls of `proctor::witness`, in the order in which they came.
    pub witnesses: Vec<Witness>,
}

/// One call of `proctor::witness`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The process that made the call, as the kernel attests. Code that
    /// replaces `getpid` cannot change it.
    pub pid: i32,
    /// The number that the call passed.
    pub mark: u64,
}

/// What the subject wrote while it worked, each stream capped at 256 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, with invalid UTF-8 replaced too.
    pub stderr: String,
    /// Bytes that came after the cap and were dropped.
    pub dropped: u64,
}

/// What the program asked of the allocator while it worked on one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heap {
    /// Calls of the allocator that asked for memory.
    pub requests: u64,
    /// Bytes of the largest request, granted or not.
    pub largest: u64,
    /// The most bytes that it held at one time, beyond what it held before.
    pub peak: u64,
    /// Bytes that it still holds, beyond what it held before.
    pub left: u64,
}

impl Evidence {
    /// Whether the process waited instead of burning the CPU: its CPU time is
    /// below a tenth of its wall-clock time.
    pub fn waited(&self) -> bool {
        self.cpu * 10 < self.wall
    }
}
