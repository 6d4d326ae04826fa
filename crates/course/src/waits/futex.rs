//! A futex: a word in memory on which threads wait (man 2 futex).

use std::fs::File;
use std::os::unix::fs::FileExt;

use processes::proc::{Pid, Syscall};

use super::Thread;

/// The bits of a futex word in which some locks keep the thread ID of their
/// owner (man 2 futex, "Priority-inheritance futexes").
const OWNER: u32 = 0x3fff_ffff;

/// One wait on a futex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// The word's address.
    pub address: u64,
    /// Whether it has a timeout.
    pub timed: bool,
}

/// The wait that a thread is in, if it waits on a futex.
pub(super) fn wait_of(thread: &Thread) -> Option<Wait> {
    let Syscall::Inside { number, args, .. } = thread.call else {
        return None;
    };
    (number == libc::SYS_futex).then_some(Wait {
        address: args[0],
        timed: args[3] != 0,
    })
}

/// What a thread waits for, in words.
pub(super) fn words(pid: Pid, thread: &Thread, wait: Wait, threads: &[Thread]) -> String {
    let Wait { address, timed } = wait;
    let until = if timed {
        ", with a timeout"
    } else {
        ", without a timeout"
    };
    let others: Vec<String> = threads
        .iter()
        .filter(|other| other.tid != thread.tid)
        .filter(|other| wait_of(other).is_some_and(|other| other.address == address))
        .map(|other| other.tid.to_string())
        .collect();
    let company = match others.as_slice() {
        [] => "no other thread of the process waits there".to_owned(),
        [one] => format!("thread {one} waits there too"),
        many => format!("threads {} wait there too", many.join(", ")),
    };
    let value = word_at(pid, address);
    let owner = value
        .map(|value| (value & OWNER).cast_signed())
        .and_then(|owner| threads.iter().find(|other| other.tid == owner));
    if let Some(owner) = owner {
        return format!(
            "waits on the futex at {address:#x}{until}. The word contains the ID of thread {0}, \
             so it waits for thread {0} to end or to release a lock; {company}",
            owner.tid
        );
    }
    let value = value.map_or("cannot be read".to_owned(), |value| format!("is {value}"));
    format!(
        "waits on the futex at {address:#x}{until}: a lock, a condition variable or a parked thread. \
         Its value {value}. The value does not show which thread will wake this one; {company}"
    )
}

/// The 32 bits at an address of another process.
fn word_at(pid: Pid, address: u64) -> Option<u32> {
    let mut word = [0; 4];
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    memory.read_exact_at(&mut word, address).ok()?;
    Some(u32::from_ne_bytes(word))
}
