//! Finds the processes that hold the ends of a pipe.

use processes::proc::{self, Pid, Target};

/// The processes that hold an end of a pipe open, as far as this user may look into them.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The processes that could read from it.
    pub readers: Vec<Pid>,
    /// The processes that could write to it.
    pub writers: Vec<Pid>,
}

/// Looks through the descriptors of all processes.
pub(super) fn ends_of(inode: u64) -> Ends {
    let mut ends = Ends::default();
    for pid in proc::all().unwrap_or_default() {
        let held = proc::descriptors(pid).unwrap_or_default();
        let mut held = held
            .iter()
            .filter(|held| held.target == Target::Pipe(inode));
        let (mut reads, mut writes) = (false, false);
        for end in held.by_ref() {
            reads |= end.readable();
            writes |= end.writable();
        }
        if reads {
            ends.readers.push(pid);
        }
        if writes {
            ends.writers.push(pid);
        }
    }
    ends
}

/// `process 12 (cat)`, `this process itself`.
pub(super) fn named(pids: &[Pid], this: Pid) -> String {
    let names: Vec<String> = pids
        .iter()
        .map(|&pid| match proc::stat(pid) {
            _ if pid == this => "this process itself".to_owned(),
            Ok(stat) => format!("process {pid} ({})", stat.comm),
            Err(_) => format!("process {pid}"),
        })
        .collect();
    names.join(", ")
}
