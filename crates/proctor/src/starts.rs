//! Counts every process and thread that the subject starts, at the system call.
//!
//! A seccomp filter hands each `fork`, `vfork`, `clone` and `clone3` to the
//! warden before the kernel carries it out (`SECCOMP_RET_USER_NOTIF`,
//! seccomp(2), seccomp_unotify(2)). The warden counts it and lets it through,
//! or refuses it with `EAGAIN`, as a limit of processes would, when too many
//! are alive: so the limit binds root too, and the count cannot be staged.
//! `alarm` and `setitimer` are counted because a process with a timer may yet
//! be woken, which /proc does not show.
//!
//! A process can speak to the kernel by another architecture's numbers too, on
//! x86-64 by `int 0x80`; those calls are counted likewise.
//!
//! `prctl(PR_SET_DUMPABLE, 0)` succeeds and does nothing: a process that is not
//! dumpable hides from the judge what it has open and what it waits for.
//!
//! Where the machine forbids filters, nothing is counted and nothing refused.

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};
use std::io::{IoSlice, IoSliceMut};

use crate::wire::Counts;

/// The warden's view of the starts below it.
pub(crate) struct Starts {
    listener: Option<OwnedFd>,
    counts: Counts,
    limit: u32,
}

impl Starts {
    /// Takes the listener that the subject made, or learns that it has none.
    pub(crate) fn receive(subject: BorrowedFd<'_>, limit: u32) -> Self {
        Starts {
            listener: receive_descriptor(subject),
            counts: Counts::default(),
            limit,
        }
    }

    pub(crate) fn is_counting(&self) -> bool {
        self.listener.is_some()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(OwnedFd::as_fd)
    }

    /// Attends to one call that waits at the filter.
    pub(crate) fn attend(&mut self) {
        let Some(listener) = self.listener.as_ref().map(AsRawFd::as_raw_fd) else {
            return;
        };
        let mut call = MaybeUninit::<libc::seccomp_notif>::zeroed();
        // SAFETY: the kernel fills the zeroed structure, which it demands to be zero.
        let received =
            unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, call.as_mut_ptr()) };
        if received < 0 {
            match Errno::last() {
                // The caller was killed meanwhile, or a signal came.
                Errno::ENOENT | Errno::EINTR => {}
                _ => self.listener = None,
            }
            return;
        }
        // SAFETY: zeroed is a valid value, and the kernel has filled it.
        let call = unsafe { call.assume_init() };
        let refused = !self.allow(&call);
        let mut response = libc::seccomp_notif_resp {
            id: call.id,
            val: 0,
            error: if refused { -libc::EAGAIN } else { 0 },
            flags: if refused {
                0
            } else {
                libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32
            },
        };
        // SAFETY: the response is initialised; an error means that the caller is gone.
        unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response) };
    }

    fn allow(&mut self, call: &libc::seccomp_notif) -> bool {
        let is_thread = |flags: u64| flags & libc::CLONE_THREAD as u64 != 0;
        let counter = match Call::of(call.data.arch, call.data.nr) {
            Call::Clone if is_thread(call.data.args[0]) => &mut self.counts.threads,
            Call::Clone | Call::Fork => &mut self.counts.processes,
            Call::Clone3 => match flags_of_clone3(call.pid as i32, call.data.args[0]) {
                Some(flags) if is_thread(flags) => &mut self.counts.threads,
                Some(_) => &mut self.counts.processes,
                None => {
                    // Whatever it hides, it counts.
                    self.counts.threads += 1;
                    &mut self.counts.processes
                }
            },
            Call::Alarm => &mut self.counts.alarms,
        };
        *counter += 1;
        let started = self.counts.processes + self.counts.threads;
        if started > self.limit && alive() > self.limit {
            self.counts.refused += 1;
            return false;
        }
        true
    }
}

/// Tasks below this process.
fn alive() -> u32 {
    let below = processes::proc::descendants(std::process::id() as i32).unwrap_or_default();
    below
        .iter()
        .filter_map(|pid| processes::proc::stat(*pid).ok())
        .map(|stat| stat.threads.max(1))
        .sum()
}

/// A watched call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Fork,
    Clone,
    Clone3,
    /// `alarm` or `setitimer`.
    Alarm,
}

/// The numbers of one architecture (`AUDIT_ARCH_…`, linux/audit.h).
struct Architecture {
    audit: u32,
    prctl: u32,
    calls: &'static [(u32, Call)],
}

/// Those by which a process on this machine can speak to the kernel: its own,
/// and that of 32-bit programs.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        audit: 0xC000_003E,
        prctl: libc::SYS_prctl as u32,
        calls: &[
            (libc::SYS_fork as u32, Call::Fork),
            (libc::SYS_vfork as u32, Call::Fork),
            (libc::SYS_clone as u32, Call::Clone),
            (libc::SYS_clone3 as u32, Call::Clone3),
            (libc::SYS_alarm as u32, Call::Alarm),
            (libc::SYS_setitimer as u32, Call::Alarm),
            // The same numbers in the x32 ABI.
            (X32 | libc::SYS_fork as u32, Call::Fork),
            (X32 | libc::SYS_vfork as u32, Call::Fork),
            (X32 | libc::SYS_clone as u32, Call::Clone),
            (X32 | libc::SYS_clone3 as u32, Call::Clone3),
            (X32 | libc::SYS_alarm as u32, Call::Alarm),
            (X32 | libc::SYS_setitimer as u32, Call::Alarm),
        ],
    },
    // i386: arch/x86/entry/syscalls/syscall_32.tbl
    Architecture {
        audit: 0x4000_0003,
        prctl: 172,
        calls: &[
            (2, Call::Fork),
            (190, Call::Fork),
            (120, Call::Clone),
            (435, Call::Clone3),
            (27, Call::Alarm),
            (104, Call::Alarm),
        ],
    },
];

/// Marks a call of the x32 ABI (arch/x86/include/uapi/asm/unistd.h).
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Later architectures have `clone` and no `fork`, `vfork` or `alarm`.
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        audit: 0xC000_00B7,
        prctl: libc::SYS_prctl as u32,
        calls: &[
            (libc::SYS_clone as u32, Call::Clone),
            (libc::SYS_clone3 as u32, Call::Clone3),
            (libc::SYS_setitimer as u32, Call::Alarm),
        ],
    },
    // 32-bit ARM: arch/arm/tools/syscall.tbl
    Architecture {
        audit: 0x4000_0028,
        prctl: 172,
        calls: &[
            (2, Call::Fork),
            (190, Call::Fork),
            (120, Call::Clone),
            (435, Call::Clone3),
            (104, Call::Alarm),
        ],
    },
];

impl Call {
    /// What a call is that the filter stopped.
    fn of(audit: u32, number: i32) -> Call {
        ARCHITECTURES
            .iter()
            .filter(|architecture| architecture.audit == audit)
            .flat_map(|architecture| architecture.calls)
            .find(|(watched, _)| *watched == number.cast_unsigned())
            // The filter stops no others.
            .map_or(Call::Fork, |(_, call)| *call)
    }
}

/// The first field of `struct clone_args`, read from the caller's memory.
fn flags_of_clone3(pid: i32, address: u64) -> Option<u64> {
    let mut bytes = [0u8; size_of::<u64>()];
    let remote = nix::sys::uio::RemoteIoVec {
        base: usize::try_from(address).ok()?,
        len: bytes.len(),
    };
    nix::sys::uio::process_vm_readv(
        nix::unistd::Pid::from_raw(pid),
        &mut [IoSliceMut::new(&mut bytes)],
        &[remote],
    )
    .ok()
    .filter(|read| *read == size_of::<u64>())
    .map(|_| u64::from_ne_bytes(bytes))
}

/// In the subject: puts the filter in place and hands its listener to the
/// warden; a byte without a descriptor tells that there is none.
pub(crate) fn install(warden: BorrowedFd<'_>) -> Option<OwnedFd> {
    let listener = filter();
    let fds: Vec<_> = listener.iter().map(AsRawFd::as_raw_fd).collect();
    let messages = [ControlMessage::ScmRights(&fds)];
    let messages = if fds.is_empty() { &[][..] } else { &messages };
    let _ = sendmsg::<UnixAddr>(
        warden.as_raw_fd(),
        &[IoSlice::new(b"!")],
        messages,
        MsgFlags::MSG_NOSIGNAL,
        None,
    );
    listener
}

fn filter() -> Option<OwnedFd> {
    let mut program = program();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).ok()?,
        filter: program.as_mut_ptr(),
    };
    nix::sys::prctl::set_no_new_privs().ok()?;
    // Without the second flag (Linux 5.19) a signal would make a call ask twice.
    [libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0]
        .into_iter()
        .find_map(|flags| {
            // SAFETY: the program lives until the call returns, and the kernel copies it.
            let fd = unsafe {
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                    &raw const program,
                )
            };
            let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
            // SAFETY: the kernel just made it for us.
            Some(unsafe { OwnedFd::from_raw_fd(fd) })
        })
}

/// The filter in the kernel's language (man 2 seccomp): for each architecture,
/// stop at the calls that are watched; let everything else through.
fn program() -> Vec<libc::sock_filter> {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let equals = |k, jt, jf| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt,
        jf,
        k,
    };
    // Offsets in `struct seccomp_data`: the number, the architecture, the
    // lower halves of the first two arguments.
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let (number, architecture, first, second) = (load(0), load(4), load(16), load(24));
    let answer = |action| statement(libc::BPF_RET | libc::BPF_K, action);
    let mut program = vec![architecture];
    for Architecture {
        audit,
        prctl,
        calls,
    } in ARCHITECTURES
    {
        // At most a dozen: every distance fits into a byte.
        let count = calls.len() as u8;
        program.push(equals(audit, 0, count + 9));
        program.push(number);
        for (before, (watched, _)) in (0..).zip(calls) {
            program.push(equals(*watched, count - before + 6, 0));
        }
        program.extend([
            equals(prctl, 0, 5),
            first,
            equals(libc::PR_SET_DUMPABLE as u32, 0, 3),
            second,
            equals(1, 1, 0),
            // Says that it is done, and does nothing.
            answer(libc::SECCOMP_RET_ERRNO),
            answer(libc::SECCOMP_RET_ALLOW),
            answer(libc::SECCOMP_RET_USER_NOTIF),
        ]);
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

fn receive_descriptor(from: BorrowedFd<'_>) -> Option<OwnedFd> {
    let mut byte = [0u8; 1];
    let mut iov = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(std::os::fd::RawFd);
    let message = recvmsg::<UnixAddr>(
        from.as_raw_fd(),
        &mut iov,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )
    .ok()?;
    message.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => fds
            .first()
            // SAFETY: the kernel put it into this process for us.
            .map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }),
        _ => None,
    })
}
