//! The filter: which system calls are stopped, forbidden or answered.

use super::faults::Fault;
use super::relics::SystemV;

/// A watched call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Fork,
    Clone,
    Clone3,
    /// `alarm` or `setitimer`.
    Alarm,
    /// Changes what a process may do. The first argument is the number of that
    /// process.
    OnProcess,
    /// `prlimit`: does the same if the third argument is not null.
    Limits,
    /// `setpriority`: the second argument is the number of a process, a group
    /// or a user.
    Priority,
    /// Gives a name to something in a file system.
    Names(Name),
    /// `mq_open`, which may have to be done by the warden.
    Queue,
    /// `shmget`, `semget` or `msgget`.
    SystemV(SystemV),
}

/// Which arguments say what is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The descriptor of the folder from which the path leads, if there is one.
    pub folder: Option<u8>,
    /// The address of the path.
    pub path: u8,
    /// The flags: the call makes something only if `O_CREAT` is among them.
    flags: Option<u8>,
}

const fn named(folder: Option<u8>, path: u8, flags: Option<u8>) -> Call {
    Call::Names(Name {
        folder,
        path,
        flags,
    })
}

/// The numbers of one architecture (`AUDIT_ARCH_…`, linux/audit.h).
struct Architecture {
    audit: u32,
    prctl: u32,
    seccomp: u32,
    calls: &'static [(u32, Call)],
}

/// The calls that have the same names on every 64-bit architecture.
const COMMON: [(u32, Call); 18] = [
    (libc::SYS_clone as u32, Call::Clone),
    (libc::SYS_clone3 as u32, Call::Clone3),
    (libc::SYS_setitimer as u32, Call::Alarm),
    (libc::SYS_prlimit64 as u32, Call::Limits),
    (libc::SYS_sched_setaffinity as u32, Call::OnProcess),
    (libc::SYS_sched_setscheduler as u32, Call::OnProcess),
    (libc::SYS_sched_setparam as u32, Call::OnProcess),
    (libc::SYS_sched_setattr as u32, Call::OnProcess),
    (libc::SYS_setpriority as u32, Call::Priority),
    (libc::SYS_openat as u32, named(Some(0), 1, Some(2))),
    // Its flags are in memory, where a filter cannot read them.
    (libc::SYS_openat2 as u32, named(Some(0), 1, None)),
    (libc::SYS_linkat as u32, named(Some(2), 3, None)),
    (libc::SYS_renameat as u32, named(Some(2), 3, None)),
    (libc::SYS_renameat2 as u32, named(Some(2), 3, None)),
    (libc::SYS_mq_open as u32, Call::Queue),
    (
        libc::SYS_shmget as u32,
        Call::SystemV(SystemV::SharedMemory),
    ),
    (libc::SYS_semget as u32, Call::SystemV(SystemV::Semaphores)),
    (libc::SYS_msgget as u32, Call::SystemV(SystemV::Messages)),
];

/// The calls of this architecture itself.
#[cfg(target_arch = "x86_64")]
const NATIVE: [(u32, Call); 31] = {
    let more = [
        (libc::SYS_fork as u32, Call::Fork),
        (libc::SYS_vfork as u32, Call::Fork),
        (libc::SYS_alarm as u32, Call::Alarm),
        (libc::SYS_open as u32, named(None, 0, Some(1))),
        (libc::SYS_creat as u32, named(None, 0, None)),
        (libc::SYS_link as u32, named(None, 1, None)),
        (libc::SYS_rename as u32, named(None, 1, None)),
        // Some of the calls by the x32 ABI
        // (arch/x86/include/uapi/asm/unistd.h).
        (X32 | libc::SYS_fork as u32, Call::Fork),
        (X32 | libc::SYS_vfork as u32, Call::Fork),
        (X32 | libc::SYS_clone as u32, Call::Clone),
        (X32 | libc::SYS_clone3 as u32, Call::Clone3),
        (X32 | libc::SYS_alarm as u32, Call::Alarm),
        (X32 | libc::SYS_setitimer as u32, Call::Alarm),
    ];
    let mut all = [(0, Call::Fork); 31];
    let mut place = 0;
    while place < all.len() {
        all[place] = if place < COMMON.len() {
            COMMON[place]
        } else {
            more[place - COMMON.len()]
        };
        place += 1;
    }
    all
};

/// Marks a call of the x32 ABI.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Later architectures have `clone`, but neither `fork`, `vfork` nor `alarm`.
#[cfg(not(target_arch = "x86_64"))]
const NATIVE: [(u32, Call); 18] = COMMON;

/// The architectures whose call numbers a process on this machine can use: the
/// machine's own, and that of 32-bit programs.
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        audit: if cfg!(target_arch = "x86_64") {
            0xC000_003E
        } else {
            0xC000_00B7
        },
        prctl: libc::SYS_prctl as u32,
        seccomp: libc::SYS_seccomp as u32,
        calls: &NATIVE,
    },
    THIRTY_TWO_BITS,
];

/// i386: arch/x86/entry/syscalls/syscall_32.tbl
#[cfg(target_arch = "x86_64")]
const THIRTY_TWO_BITS: Architecture = Architecture {
    audit: 0x4000_0003,
    prctl: 172,
    seccomp: 354,
    calls: &[
        (2, Call::Fork),
        (190, Call::Fork),
        (120, Call::Clone),
        (435, Call::Clone3),
        (27, Call::Alarm),
        (104, Call::Alarm),
        (340, Call::Limits),
        (241, Call::OnProcess),
        (156, Call::OnProcess),
        (154, Call::OnProcess),
        (351, Call::OnProcess),
        (97, Call::Priority),
    ],
};

/// 32-bit ARM: arch/arm/tools/syscall.tbl
#[cfg(not(target_arch = "x86_64"))]
const THIRTY_TWO_BITS: Architecture = Architecture {
    audit: 0x4000_0028,
    prctl: 172,
    seccomp: 383,
    calls: &[
        (2, Call::Fork),
        (190, Call::Fork),
        (120, Call::Clone),
        (435, Call::Clone3),
        (104, Call::Alarm),
        (369, Call::Limits),
        (241, Call::OnProcess),
        (156, Call::OnProcess),
        (154, Call::OnProcess),
        (380, Call::OnProcess),
        (97, Call::Priority),
    ],
};

/// The calls that a test can make fail, except those that start processes and
/// threads: the filter stops these anyway.
const MAY_FAIL: &[(u32, Fault)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_pipe as u32, Fault::Pipe),
    (libc::SYS_pipe2 as u32, Fault::Pipe),
    (libc::SYS_socketpair as u32, Fault::Pipe),
    (libc::SYS_wait4 as u32, Fault::Wait),
    (libc::SYS_waitid as u32, Fault::Wait),
    (libc::SYS_sched_setaffinity as u32, Fault::Affinity),
    (libc::SYS_write as u32, Fault::Print),
    (libc::SYS_writev as u32, Fault::Print),
    (libc::SYS_sched_yield as u32, Fault::Pause),
    (libc::SYS_nanosleep as u32, Fault::Pause),
    (libc::SYS_clock_nanosleep as u32, Fault::Pause),
];

/// The kind of a call that is stopped only so that it may fail.
pub(super) fn may_fail(audit: u32, number: i32) -> Option<Fault> {
    MAY_FAIL
        .iter()
        .find(|(watched, _)| *watched == number.cast_unsigned() && audit == ARCHITECTURES[0].audit)
        .map(|(_, fault)| *fault)
}

impl Call {
    /// The kind of a call that the filter stopped.
    pub(super) fn of(audit: u32, number: i32) -> Call {
        ARCHITECTURES
            .iter()
            .filter(|architecture| architecture.audit == audit)
            .flat_map(|architecture| architecture.calls)
            .find(|(watched, _)| *watched == number.cast_unsigned())
            // The filter stops no others.
            .map_or(Call::Fork, |(_, call)| *call)
    }
}

/// The filter as a program for the kernel (man 2 seccomp). For each
/// architecture it compares the number of the call with the watched numbers.
/// The statements for each number end in an answer.
pub(super) fn program(faults: &[Fault]) -> Vec<libc::sock_filter> {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    // Goes on with the next statement if the value is `k`, and skips `skip`
    // statements if not.
    let equals = |k, skip| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: skip,
        k,
    };
    let equals_skips_one = |k| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 1,
        jf: 0,
        k,
    };
    // Goes on with the next statement if one of these bits is set, and skips
    // one statement if not.
    let has = |k| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16,
        jt: 0,
        jf: 1,
        k,
    };
    // Offsets in `struct seccomp_data`: the number, the architecture, the
    // lower halves of the arguments.
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let argument = |index: u8| load(16 + 8 * u32::from(index));
    let (number, architecture, first, second) = (load(0), load(4), argument(0), argument(1));
    let answer = |action| statement(libc::BPF_RET | libc::BPF_K, action);
    let (let_through, ask) = (
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_USER_NOTIF),
    );
    let forbid = answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
    let pretend = answer(libc::SECCOMP_RET_ERRNO);

    let mut program = vec![architecture];
    for one in ARCHITECTURES {
        let mut part = vec![number];
        // Only the machine's own calls can be made to fail.
        let faulty = MAY_FAIL
            .iter()
            .filter(|_| one.audit == ARCHITECTURES[0].audit)
            .filter(|(_, fault)| faults.contains(fault));
        for (watched, fault) in faulty {
            if *fault == Fault::Print {
                part.extend([equals(*watched, 4), first, equals(1, 1), ask, let_through]);
            } else {
                part.extend([equals(*watched, 1), ask]);
            }
        }
        for (watched, call) in one.calls {
            match call {
                // 0 is the caller itself.
                Call::OnProcess | Call::Limits => {
                    part.extend([equals(*watched, 4), first, equals(0, 1), let_through, ask]);
                }
                Call::Names(Name {
                    flags: Some(flags), ..
                }) => part.extend([
                    equals(*watched, 4),
                    argument(*flags),
                    has(libc::O_CREAT as u32),
                    ask,
                    let_through,
                ]),
                _ => part.extend([equals(*watched, 1), ask]),
            }
        }
        part.extend([equals(one.seccomp, 1), forbid]);
        part.extend([
            equals(one.prctl, 9),
            first,
            equals(libc::PR_SET_DUMPABLE as u32, 4),
            second,
            equals(1, 1),
            let_through,
            pretend,
            equals(libc::PR_SET_SECCOMP as u32, 1),
            forbid,
            let_through,
        ]);
        part.push(let_through);
        // A conditional jump may be too short to skip a whole part.
        program.push(equals_skips_one(one.audit));
        program.push(statement(libc::BPF_JMP | libc::BPF_JA, part.len() as u32));
        program.extend(part);
    }
    program.push(let_through);
    program
}
