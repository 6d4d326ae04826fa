//! What the threads of a process wait for, from what `/proc` shows.
//!
//! A thread that waits is inside a system call. The number of the call says how
//! it waits, and the arguments say for what.

mod futex;
mod holders;
mod phrase;

use std::io;

use processes::proc::{self, Pid, State, Syscall};

pub use phrase::words;

/// One thread at one moment.
#[derive(Clone, Debug)]
pub struct Thread {
    pub tid: Pid,
    /// Its name, which proves nothing, because a thread can choose it.
    pub name: String,
    /// Its state: running, sleeping, ….
    pub state: State,
    /// The system call that it is in.
    pub call: Syscall,
}

/// All threads of a process. Threads that end while this function looks are left out.
///
/// # Errors
/// There is no such process, or the user may not look into it.
pub fn threads(pid: Pid) -> io::Result<Vec<Thread>> {
    let mut found = Vec::new();
    for tid in proc::tasks(pid)? {
        match thread(pid, tid) {
            Ok(thread) => found.push(thread),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn thread(pid: Pid, tid: Pid) -> io::Result<Thread> {
    let stat = proc::task_stat(pid, tid)?;
    Ok(Thread {
        tid,
        name: stat.comm,
        state: stat.state,
        call: proc::syscall(pid, tid)?,
    })
}
