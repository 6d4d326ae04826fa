//! Whose memory is it?

use super::claim;
use super::helpers::{Stepping, ask_a_child};
use crate::verdict::{does_not_hold, holds, holds_when, skipped};
use crate::{Claim, Judged, Record};
use context_switch::Pages;
use nix::errno::Errno;
use nix::sys::prctl::set_dumpable;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use processes::proc::memory;
use std::io::{self, IoSliceMut};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const SOURCE: &str = include_str!("memory.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(1 True [Roommates Restaurant Byte Office Squares]
        "Each process has a memory of its own: the same address means another place in each."
        the_same_address_holds_two_values),
    claim!(2 Wrong [Roommates Office]
        "No process can get at the memory of another one."
        a_parent_reads_its_childs_memory),
    claim!(10 Half [Office Squares]
        "A process has its own code, data, heap and stack."
        a_forked_child_owns_what_it_writes),
];

/// A forked child writes; both look at the same address.
fn the_same_address_holds_two_values(record: &mut Record) -> Judged {
    let number = AtomicU32::new(41);
    let look = || format!("{} at {:p}", number.load(Relaxed), &raw const number);
    let child = ask_a_child(|| {
        number.store(42, Relaxed);
        look()
    })?;
    let parent = look();
    record.fact("the child wrote 42 and reads", &child);
    record.fact("then the parent reads", &parent);
    let place = |text: &str| text.split_once(" at ").map(|(_, place)| place.to_owned());
    match (child.starts_with("42 "), parent.starts_with("41 ")) {
        (true, true) if place(&child) == place(&parent) => {
            holds("parent and child read different values at the same address")
        }
        _ => does_not_hold("the parent saw what the child wrote, or the addresses differ"),
    }
}

/// The child hides a number in its memory; the parent fetches it with one
/// system call, as a debugger would.
fn a_parent_reads_its_childs_memory(record: &mut Record) -> Judged {
    let open = steal(|| Ok(()))?;
    let closed = steal(|| set_dumpable(false))?;
    let say = |stolen: Result<u32, Errno>| match stolen {
        Ok(number) => format!("{number}, which only the child had written"),
        Err(errno) => format!("refused: {errno}"),
    };
    record.fact("the parent reads in a child", say(open));
    record.fact("in a child that is not dumpable", say(closed));
    match open {
        Ok(42) => does_not_hold(
            "process_vm_readv read a child's memory: the same user may, \
             unless the process or the machine forbids it (PR_SET_DUMPABLE, Yama)",
        ),
        Ok(other) => does_not_hold(format!("something was read, though not 42 but {other}")),
        Err(errno) => skipped(format!(
            "this machine forbids reading even one's own child's memory: {errno}; \
             look at /proc/sys/kernel/yama/ptrace_scope, or at the container's seccomp filter"
        )),
    }
}

fn steal(prepare: impl FnOnce() -> nix::Result<()>) -> io::Result<Result<u32, Errno>> {
    let secret = AtomicU32::new(0);
    let mut victim = Stepping::fork(|steps| {
        if prepare().is_ok() {
            secret.store(42, Relaxed);
        }
        steps.stop_here();
    })?;
    victim.until_there()?;
    let mut copy = [0; 4];
    let from = RemoteIoVec {
        base: (&raw const secret).addr(),
        len: copy.len(),
    };
    let pid = Pid::from_raw(victim.child.pid());
    let read = process_vm_readv(pid, &mut [IoSliceMut::new(&mut copy)], &[from]);
    Ok(read.map(|_| u32::from_ne_bytes(copy)))
}

/// 16 MiB in use, then a fork: what the child has is shared until it writes.
fn a_forked_child_owns_what_it_writes(record: &mut Record) -> Judged {
    let pages = Pages::private_bytes(16 << 20)?;
    pages.touch();
    let mut child = Stepping::fork(|steps| {
        steps.stop_here();
        // Every line of a quarter of the pages: each of these becomes a copy.
        for line in 0..pages.lines() / 4 {
            pages.line(line).store(2, Relaxed);
        }
        steps.stop_here();
    })?;
    child.until_there()?;
    let before = memory(child.child.pid())?;
    child.go_on()?;
    child.until_there()?;
    let after = memory(child.child.pid())?;
    let kib = |bytes: u64| format!("{} KiB", bytes / 1024);
    record.fact("in memory of the child (RSS)", kib(before.resident));
    record.fact("the child's share of it (PSS)", kib(before.proportional));
    record.fact("nobody else's", kib(before.private));
    record.fact(
        "nobody else's, after it wrote to a quarter",
        kib(after.private),
    );
    let quarter = pages.bytes() as u64 / 4;
    let copied = after.private.saturating_sub(before.private);
    // Half of it is proof enough: the kernel may take pages back meanwhile.
    match (before.private < before.resident / 4, copied >= quarter / 2) {
        (true, true) => holds_when(
            "it has written to them: after a fork all pages are shared, and are copied one by one",
        ),
        (true, false) => does_not_hold("the child wrote to pages and they are still shared"),
        (false, _) => holds("the child had copies of its own from the start"),
    }
}
