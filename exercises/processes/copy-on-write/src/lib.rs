//! What a child's write costs: how many pages the kernel has to give the child,
//! and whether the parent sees the write.
//!
//! ```text
//!  caller ── fork ──▶ parent: waits for the report ──────────────▶ reaps, returns the cost
//!                └──▶ child:  writes, counts its own pages, reports, ends ──┘
//! ```
//!
//! ```ignore
//! let mut memory = vec![1; 1 << 20];
//! // SAFETY: this program has one thread.
//! let cost = unsafe { cost_of_write(&mut memory, |memory| memory[500_000] = 2) }?;
//! println!("{} page, seen: {}", cost.pages, cost.seen); // 1 page, seen: false
//! ```

use std::io;

use nix::unistd::Pid;

/// What it costs when a child writes to memory that it got from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How many pages of the memory the child has for itself, because it wrote
    /// to them.
    pub pages: u64,
    /// Whether the parent finds other bytes in its memory than before.
    pub seen: bool,
}

/// Runs `write` on `memory` in a forked child, and returns what this cost.
///
/// The child:
/// - C1: Each call starts one process and no other, a child of the calling
///   process, by fork(2). `write` runs in this child, once, and nowhere else,
///   also if `memory` is empty. It runs with the caller's signal mask and
///   handlers.
/// - C2: `write` gets `memory` itself: a slice with the same address and the
///   same length, which holds what it holds in the caller at the call.
/// - C3: The child never comes out of this function, by `return` or by a panic,
///   and what the caller has prepared for its own end does not happen in the
///   child, whether `write` returns or panics, and whether the child can count or
///   not: handlers of `atexit` and `at_quick_exit`, and writing out what the
///   caller has printed and what is still in the buffer of standard output.
///   (`write` itself prints nothing.)
///
/// The number of pages:
/// - C4: [`Cost::pages`] counts pages of private memory that hold at least one
///   byte of `memory`, and to which the child writes while `write` runs. A page
///   has the size that sysconf(_SC_PAGESIZE) returns. Each page counts once,
///   however often `write` writes to it, by whatever means (also by a system
///   call such as read(2)), and also if the new byte is the same as the old one.
/// - C5: A page of `memory` to which `write` does not write does not count,
///   whether `write` reads from it or not.
/// - C6: `memory` may begin and end anywhere in a page. A page that holds only
///   some bytes of `memory` counts as a whole page, wherever `write` writes in
///   it. What else the child writes does not count: its stack, its heap, and
///   pages of the same mapping that hold no byte of `memory`. If `memory` is
///   empty, no page counts.
/// - C7: A page to which the caller has never written counts like any other:
///   the kernel gives the child a new page of zeros. The call itself does not
///   write to `memory` in the caller, so there such a page takes no physical
///   memory after the call either. (The call may read `memory`.)
/// - C8: A page of shared memory (`MAP_SHARED`) never counts, because caller and
///   child use the same page, even if the caller has never touched it. `memory`
///   may hold pages of both kinds.
///
/// What the caller sees:
/// - C9: [`Cost::seen`] is true if, after the child has ended, at least one byte
///   of `memory` has another value in the caller than at the call. Otherwise it
///   is false, whatever `write` did.
/// - C10: The call returns after the child has ended, and the child is reaped: no
///   zombie stays. A child that another process has stopped has not ended.
///   Signals that interrupt the call, however many, do not make it fail. (The
///   call may also block them while it waits.) Other children of the caller are
///   left alone: the caller can still wait for each of them.
/// - C11: The call leaves the caller as it was: descriptors, signal mask,
///   handlers, timers, panic hook, threads, limits, memory, and its mappings with
///   their flags. In the caller, the call drops `write` and what it owns, once.
///   All this also holds after an error. The call itself prints nothing.
///
/// What the tests leave out:
/// - pages that also hold other data of the program, huge pages, pages that are
///   swapped out, private mappings of files, and mappings that the child does not
///   get as they are (MADV_WIPEONFORK, MADV_DONTFORK);
/// - a `write` that starts processes, threads, timers or (by execve(2)) another
///   program, stops itself, changes mappings, or closes descriptors that it has
///   not opened;
/// - `memory` that changes during the call in another way than by a write of the
///   child to its own memory, for example in a handler of the caller;
/// - a caller that ignores SIGCHLD or has set SA_NOCLDWAIT for it, or that has
///   closed descriptor 0, 1 or 2.
///
/// # Errors
/// - C12: If `write` does not return, because it panics (with any payload), ends
///   the process with any exit code or is killed by a signal, there is no cost:
///   the call returns an error that has no number ([`io::Error::raw_os_error`]
///   is `None`).
/// - C13: If the kernel refuses something that the call needs, in the caller or
///   in the child, such as the fork, a pipe or an open file, the call returns this
///   error with its number. It does not try again. If fork(2) fails, `write` does
///   not run; after another error, it may have run. (If an allocation fails, the
///   process may abort, as it usually does in Rust.)
///
/// # Safety
/// The caller's process has one thread. In the copy that `fork` makes of a
/// process with several threads, the other threads are missing, and whatever
/// they had locked (the memory allocator, for example) stays locked for ever.
#[allow(unused_variables)]
pub unsafe fn cost_of_write(memory: &mut [u8], write: impl FnOnce(&mut [u8])) -> io::Result<Cost> {
    todo!("fork; in the child write, count and report; in the parent wait and compare")
}

/// How many bytes of physical memory these processes use together.
///
/// - C14: It is the sum of their *proportional set sizes* (PSS), in bytes. For the
///   PSS of a process, a page that `n` processes have mapped counts with the
///   `n`-th part of its size. So a page that only these processes share counts
///   once in the sum. (The kernel rounds down to KiB. It does not matter whether
///   it does so for a process or for each of its mappings.)
/// - C15: Each process counts once, however often and wherever it is in the list.
///   The calling process and other processes count alike. An empty list uses 0
///   bytes. (The list holds process ids, and no ids of other threads.)
///
/// # Errors
/// - C16: If the kernel does not tell the size of one of the processes, the call
///   returns the kernel's error with its number, and no sum of the others. A
///   process that has ended, reaped or still a zombie, has no size, and neither
///   has a number that is no process's id, such as 0: the number of the error is
///   ENOENT or ESRCH.
#[allow(unused_variables)]
pub fn memory_of(processes: &[Pid]) -> io::Result<u64> {
    todo!("add up the proportional set sizes that /proc has for these processes")
}
