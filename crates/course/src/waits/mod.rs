//! What the threads of a process wait for, from what `/proc` shows.
//!
//! A thread that waits is inside a system call: its number says how it waits,
//! its arguments say for what.

mod futex;
mod holders;
mod phrase;

use std::io;

use processes::proc::{self, Pid, State, Syscall};

pub use phrase::words;

/// One thread at one moment.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its id.
    pub tid: Pid,
    /// Its name, which proves nothing.
    pub name: String,
    /// Running, sleeping, ….
    pub state: State,
    /// In which system call it is.
    pub call: Syscall,
}

/// All threads of a process; those that end while we look are left out.
///
/// # Errors
/// No such process, or no right to look at it.
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
