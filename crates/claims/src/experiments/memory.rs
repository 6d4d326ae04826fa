//! Memory: which of it belongs to one process, and who else can read it.

use std::io::{self, IoSliceMut};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use context_switch::Pages;
use nix::errno::Errno;
use nix::sys::prctl::set_dumpable;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use processes::proc::memory;

use super::claim;
use super::helpers::{Stepping, ask_a_child};
use crate::verdict::{does_not_hold, holds, holds_when, skipped};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("memory.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(1 True [Roommates Restaurant Byte Office Squares]
        "Each process has its own memory: the same address is a different place in each process."
        the_same_address_holds_two_values),
    claim!(2 Wrong [Roommates Office]
        "No process can access the memory of another process."
        a_parent_reads_its_childs_memory),
    claim!(10 Half [Office Squares]
        "A process has its own code, data, heap and stack."
        a_forked_child_owns_what_it_writes),
];

/// A forked child writes to a variable. Then child and parent read it at the same
/// address.
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
            holds("Parent and child read different values at the same address.")
        }
        _ => {
            does_not_hold("The parent read what the child had written, or the addresses differed.")
        }
    }
}

/// The child writes a number into its memory. The parent reads that number with one
/// system call, as a debugger would.
fn a_parent_reads_its_childs_memory(record: &mut Record) -> Judged {
    let open = steal(|| Ok(()))?;
    let closed = steal(|| set_dumpable(false))?;
    let say = |stolen: Result<u32, Errno>| match stolen {
        Ok(number) => format!("{number}, which only the child had written"),
        Err(errno) => format!("refused: {errno}"),
    };
    record.fact("the parent reads in the memory of a child", say(open));
    record.fact("in the memory of a child that is not dumpable", say(closed));
    match open {
        Ok(42) => does_not_hold(
            "The parent read its child's memory with process_vm_readv. A process of the same user \
             may do this, unless the other process forbids it (PR_SET_DUMPABLE) or the machine \
             does (Yama).",
        ),
        Ok(other) => does_not_hold(format!(
            "The parent could read its child's memory, but it found {other} instead of 42."
        )),
        Err(errno) => skipped(format!(
            "This machine does not let a process read even the memory of its own child: {errno}. \
             Look at /proc/sys/kernel/yama/ptrace_scope, or at the container's seccomp filter."
        )),
    }
}

/// Forks a child that runs `prepare` and then writes 42. Returns what this process
/// reads in the child's memory.
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

/// A process that uses 16 MiB forks a child. The child shares these pages until it
/// writes to them.
fn a_forked_child_owns_what_it_writes(record: &mut Record) -> Judged {
    let pages = Pages::private_bytes(16 << 20)?;
    pages.touch();
    let mut child = Stepping::fork(|steps| {
        steps.stop_here();
        // Write to a quarter of the pages: the kernel copies each of them.
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
    record.fact(
        "memory that the child has in RAM (RSS)",
        kib(before.resident),
    );
    record.fact(
        "the child's share of it (PSS), where each page is divided among its users",
        kib(before.proportional),
    );
    record.fact("pages of the child alone", kib(before.private));
    record.fact(
        "pages of the child alone, after it wrote to a quarter of 16 MiB",
        kib(after.private),
    );
    let quarter = pages.bytes() as u64 / 4;
    let copied = after.private.saturating_sub(before.private);
    // Half of a quarter is enough proof, because the kernel may take pages back
    // meanwhile.
    match (before.private < before.resident / 4, copied >= quarter / 2) {
        (true, true) => holds_when(format!(
            "the process has written to its pages. After a fork, parent and child share all pages, \
             and the kernel copies a page when one of them writes to it. A forked child had {} of \
             memory of its own; after it wrote to a quarter of 16 MiB, it had {}.",
            kib(before.private),
            kib(after.private)
        )),
        (true, false) => {
            does_not_hold("The child wrote to pages, and it still shared them with its parent.")
        }
        (false, _) => holds("The child had its own copies of the pages from the start."),
    }
}
