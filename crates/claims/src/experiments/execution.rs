//! What executes: whose are the numbers, the stack and the registers?

use super::claim;
use super::helpers::asleep_in;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};
use nix::unistd::{getpid, gettid};
use processes::Pid;
use processes::proc::maps;
use std::hint::black_box;
use std::io::{self, Read};
use std::sync::mpsc::{Sender, channel};
use std::thread;

const SOURCE: &str = include_str!("execution.rs");

pub(super) const CLAIMS: [Claim; 4] = [
    claim!(5 Half [Roommates Office]
        "A process has a program counter, a stack and registers."
        one_process_has_two_of_each),
    claim!(7 True [Byte]
        "Each process has one number, its PID."
        threads_have_one_pid_and_many_tids),
    claim!(25 Wrong [Roommates]
        "Threads share the program counter, the stack and the registers."
        two_threads_wait_at_two_places),
    claim!(26 True [Byte Office Squares]
        "Each thread has its own stack, program counter and registers."
        two_threads_have_two_stacks),
];

/// A thread, seen while it sleeps.
struct Seen {
    pid: Pid,
    tid: Pid,
    /// The address of one of its local variables.
    local: u64,
    stack_pointer: u64,
    program_counter: u64,
}

/// Two threads of this process, one asleep in a read, the other on a futex:
/// while a thread sleeps in the kernel, /proc shows its registers.
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
        // Both wake up and end.
        drop((writer, sender));
        let [first, second] = seen;
        Ok([first?, second?])
    })
}

fn note(record: &mut Record, threads: &[Seen; 2]) {
    for (name, seen) in ["one thread", "the other"].iter().zip(threads) {
        record.fact(name, format!("stack pointer {:#x}", seen.stack_pointer));
        record.fact(name, format!("program counter {:#x}", seen.program_counter));
    }
}

/// Two stack pointers and two program counters, in one process.
fn one_process_has_two_of_each(record: &mut Record) -> Judged {
    let threads = two_threads()?;
    note(record, &threads);
    let [first, second] = &threads;
    let one_process = first.pid == second.pid;
    record.fact("both in process", first.pid);
    match one_process && first.stack_pointer != second.stack_pointer {
        true => holds_when("it has one thread: these belong to threads, and two threads had two"),
        false => does_not_hold("two threads were seen with one stack pointer"),
    }
}

/// Two threads that are asked who they are.
fn threads_have_one_pid_and_many_tids(record: &mut Record) -> Judged {
    let [first, second] = two_threads()?;
    let (pid, main) = (getpid().as_raw(), gettid().as_raw());
    record.fact("the process", pid);
    for (name, tid) in [
        ("main", main),
        ("one", first.tid),
        ("the other", second.tid),
    ] {
        record.fact(format!("the thread: {name}"), tid);
    }
    let one_pid = first.pid == pid && second.pid == pid;
    match one_pid && main == pid && first.tid != second.tid && first.tid != pid {
        true => holds("threads share it; each has a number of its own besides, the TID"),
        false => does_not_hold("threads of one process were seen under several PIDs"),
    }
}

/// If they shared a program counter they would wait for the same.
fn two_threads_wait_at_two_places(record: &mut Record) -> Judged {
    let threads = two_threads()?;
    note(record, &threads);
    let [first, second] = &threads;
    match first.stack_pointer == second.stack_pointer
        && first.program_counter == second.program_counter
    {
        true => holds("two threads had the same stack pointer and program counter"),
        false => does_not_hold("two threads of one process were at two places, on two stacks"),
    }
}

/// The local variables of two threads lie in two mappings.
fn two_threads_have_two_stacks(record: &mut Record) -> Judged {
    let threads = two_threads()?;
    note(record, &threads);
    let mappings = maps(getpid().as_raw())?;
    let main = 0_u8;
    let places = [
        (
            "the main thread's stack",
            (&raw const *black_box(&main)).addr() as u64,
        ),
        ("one thread's stack", threads[0].local),
        ("the other's stack", threads[1].local),
    ];
    // The threads have ended, but what has a number of its own had its place.
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
        true => holds("two threads had two stacks, two stack pointers and two program counters"),
        false => does_not_hold("two threads were seen on one stack, or at one place"),
    }
}
