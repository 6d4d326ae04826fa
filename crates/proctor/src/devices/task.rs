//! What the kernel says about one thread at one moment: where it may run, how
//! often it was off the CPU, what it has written.

use std::fs;
use std::path::Path;

use processes::Pid;
use processes::proc;
use serde::{Deserialize, Serialize};

/// One thread, of this process or of one of its children, as /proc shows it.
///
/// Two of them, taken at two moments, say what happened in between. For
/// closures that a test hands to the learner's code.
///
/// ```
/// use std::io::Write;
/// use proctor::Task;
///
/// let mut file = std::fs::File::create("/dev/null").unwrap();
/// let before = Task::of_this_thread().unwrap();
/// file.write_all(b"abc").unwrap();
/// let after = before.again().unwrap();
/// if let (Some(before), Some(after)) = (before.calls, after.calls) {
///     assert_eq!(after.writes - before.writes, 1);
///     assert_eq!(after.bytes_written - before.bytes_written, 3);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The thread's number.
    pub id: i32,
    /// The process to which it belongs.
    pub process: i32,
    /// The CPUs on which it may run, as in /proc: `0-3,8`.
    pub cpus: String,
    /// How often it has been off the CPU, because it waited or because the
    /// kernel took the CPU from it.
    pub switches: u64,
    /// Whether it waits in the kernel, or is stopped.
    pub sleeps: bool,
    /// Whether it is a process that has ended and that no process has waited
    /// for.
    pub is_zombie: bool,
    /// `None` where the kernel does not count them.
    pub calls: Option<Calls>,
}

/// What one thread has read and written (man 5 `proc_pid_io`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls of read and similar system calls. Looking at a [`Task`] makes some
    /// of them.
    pub reads: u64,
    /// Calls of write and similar system calls.
    pub writes: u64,
    /// The bytes that these have written.
    pub bytes_written: u64,
}

impl Task {
    /// The calling thread. `None` where /proc does not show it.
    pub fn of_this_thread() -> Option<Task> {
        Task::read(me(), nix::unistd::gettid().as_raw())
    }

    /// All threads of this process.
    pub fn of_this_process() -> Vec<Task> {
        let threads = proc::tasks(me()).unwrap_or_default();
        threads
            .into_iter()
            .filter_map(|id| Task::read(me(), id))
            .collect()
    }

    /// The first thread of each child of this process. Children that have ended
    /// and were not waited for are among them.
    pub fn children() -> Vec<Task> {
        let children = proc::children(me()).unwrap_or_default();
        children
            .into_iter()
            .filter_map(|pid| Task::read(pid, pid))
            .collect()
    }

    /// The same thread as it is now. `None` when it has ended.
    pub fn again(&self) -> Option<Task> {
        Task::read(self.process, self.id)
    }

    fn read(process: Pid, id: Pid) -> Option<Task> {
        let folder = format!("/proc/{process}/task/{id}");
        let folder = Path::new(&folder);
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let field = |name| field(&status, name);
        let count = |name| field(name)?.parse::<u64>().ok();
        let state = field("State:")?;
        let has_ended = state.starts_with(['Z', 'X']);
        // A thread that has ended is gone, but a process that has ended remains
        // until its parent waits for it.
        if has_ended && process != id {
            return None;
        }
        Some(Task {
            id,
            process,
            cpus: field("Cpus_allowed_list:")?.to_owned(),
            switches: count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?,
            sleeps: state.starts_with(['S', 'T', 't']),
            is_zombie: has_ended,
            calls: calls(&folder.join("io")),
        })
    }
}

fn calls(path: &Path) -> Option<Calls> {
    let text = fs::read_to_string(path).ok()?;
    let count = |name| field(&text, name)?.parse().ok();
    Some(Calls {
        reads: count("syscr:")?,
        writes: count("syscw:")?,
        bytes_written: count("wchar:")?,
    })
}

/// The value on the line that begins with this name.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn me() -> Pid {
    std::process::id().cast_signed()
}
