//! Threads: which numbers, stacks and registers they have.

use std::hint::black_box;
use std::io::{self, Read};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::unistd::{getpid, gettid};
use processes::Pid;
use processes::proc::maps;

use super::claim;
use super::helpers::asleep_in;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("execution.rs");

pub(super) const CLAIMS: [Claim; 4] = [
    claim!(5 Half [Roommates Office]
        "A process has a program counter, a stack and registers."
        one_process_has_two_of_each),
    claim!(7 True [Byte]
        "Each process has one number that identifies it, its process ID (PID)."
        threads_have_one_pid_and_many_tids),
    claim!(25 Wrong [Roommates]
        "The threads of a process share one program counter, one stack and one set of registers."
        two_threads_wait_at_two_places),
    claim!(26 True [Byte Office Squares]
        "Each thread has its own stack, program counter and registers."
        two_threads_have_two_stacks),
];

/// What was seen of a thread while it slept.
struct Seen {
    pid: Pid,
    tid: Pid,
    /// The address of one of its local variables.
    local: u64,
    stack_pointer: u64,
    program_counter: u64,
}

/// Looks at two threads of this process: one sleeps in a read, the other on a futex.
/// While a thread sleeps in the kernel, /proc shows its stack pointer and program
/// counter.
fn two_threads() -> io::Result<[Seen; 2]> {
    fn introduce(to: &Sender<(Pid, Pid, u64)>) {
        let local = 0_u8;
        let address = (&raw const *black_box(&local)).addr() as u64;
        _ = to.send((getpid().as_raw(), gettid().as_raw(), address));
    }
    let (mut never_written, writer) = io::pipe()?;
    let (sender, never_sent) = channel::<()>();
    let (first_sees, first) = channel();
    let (second_sees, second) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            introduce(&first_sees);
            never_written.read(&mut [0])
        });
        scope.spawn(move || {
            introduce(&second_sees);
            never_sent.recv()
        });
        let see = |seen: Option<(Pid, Pid, u64)>, call| -> io::Result<Seen> {
            let (pid, tid, local) = seen.ok_or(io::ErrorKind::BrokenPipe)?;
            let (stack_pointer, program_counter) = asleep_in(call, tid)?;
            Ok(Seen {
                pid,
                tid,
                local,
                stack_pointer,
                program_counter,
            })
        };
        let seen = [
            see(first.recv().ok(), libc::SYS_read),
            see(second.recv().ok(), libc::SYS_futex),
        ];
        // This wakes up both threads, and they end.
        drop((writer, sender));
        let [first, second] = seen;
        Ok([first?, second?])
    })
}

fn note(record: &mut Record, threads: &[Seen; 2]) {
    for (name, seen) in ["one thread", "the other thread"].iter().zip(threads) {
        record.fact(name, format!("stack pointer {:#x}", seen.stack_pointer));
        record.fact(name, format!("program counter {:#x}", seen.program_counter));
    }
}

/// Looks at the stack pointers and program counters of two threads in one process.
fn one_process_has_two_of_each(record: &mut Record) -> Judged {
    let threads = two_threads()?;
    note(record, &threads);
    let [first, second] = &threads;
    let one_process = first.pid == second.pid;
    record.fact("PID of both threads", first.pid);
    match one_process
        && first.stack_pointer != second.stack_pointer
        && first.program_counter != second.program_counter
    {
        true => holds_when(
            "it has only one thread. These things belong to a thread and not to a process: two \
             threads of one process had two stack pointers and two program counters.",
        ),
        false => does_not_hold("Two threads had the same stack pointer or program counter."),
    }
}

/// Two threads tell their process ID and their thread ID.
fn threads_have_one_pid_and_many_tids(record: &mut Record) -> Judged {
    let [first, second] = two_threads()?;
    let (pid, main) = (getpid().as_raw(), gettid().as_raw());
    record.fact("PID of the process", pid);
    for (name, tid) in [
        ("the main thread", main),
        ("one thread", first.tid),
        ("the other thread", second.tid),
    ] {
        record.fact(format!("TID of {name}"), tid);
    }
    let one_pid = first.pid == pid && second.pid == pid;
    match one_pid && main == pid && first.tid != second.tid && first.tid != pid {
        true => holds(
            "Three threads of one process had the same PID. In addition, each thread has a number \
             of its own, its thread ID (TID). The TID of the main thread is the PID. (A process in \
             a PID namespace of its own has one more PID, for the processes in there: claim 17.)",
        ),
        false => does_not_hold(
            "Threads of one process had different PIDs, or two of them had the same TID.",
        ),
    }
}

/// Two threads sleep in two different system calls. If they shared a program
/// counter, both would be at the same place.
fn two_threads_wait_at_two_places(record: &mut Record) -> Judged {
    let threads = two_threads()?;
    note(record, &threads);
    let [first, second] = &threads;
    let same_stack = first.stack_pointer == second.stack_pointer;
    let same_place = first.program_counter == second.program_counter;
    match (same_stack, same_place) {
        (false, false) => does_not_hold(
            "Two threads of one process had different program counters and different stack \
             pointers. Both are registers.",
        ),
        (true, true) => holds("Two threads had the same stack pointer and program counter."),
        (true, false) => holds("Two threads had the same stack pointer."),
        (false, true) => holds("Two threads had the same program counter."),
    }
}

/// Looks at the addresses of local variables in two threads, and at their stack
/// pointers and program counters.
fn two_threads_have_two_stacks(record: &mut Record) -> Judged {
    let threads = two_threads()?;
    note(record, &threads);
    let mappings = maps(getpid().as_raw())?;
    let main = 0_u8;
    let places = [
        (
            "the stack of the main thread",
            (&raw const *black_box(&main)).addr() as u64,
        ),
        ("the stack of one thread", threads[0].local),
        ("the stack of the other thread", threads[1].local),
    ];
    // The two threads have ended, so their stacks may be unmapped by now. An address
    // without a mapping is reported as anonymous memory.
    for (name, address) in places {
        let kind = mappings.iter().find(|mapping| mapping.contains(address));
        let kind = kind
            .and_then(|mapping| mapping.path.as_deref())
            .unwrap_or("anonymous memory");
        record.fact(name, format!("{address:#x}, in {kind}"));
    }
    let [first, second] = &threads;
    let apart = |left: u64, right: u64| left.abs_diff(right) >= 16 * 1024;
    match apart(first.local, second.local)
        && apart(first.stack_pointer, second.stack_pointer)
        && first.program_counter != second.program_counter
    {
        true => holds("Two threads had two stacks, two stack pointers and two program counters."),
        false => does_not_hold("Two threads had the same stack or the same program counter."),
    }
}
