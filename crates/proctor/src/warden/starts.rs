//! Counts every process and thread that the subject starts, at the system call.
//!
//! A seccomp filter hands each `fork`, `vfork`, `clone` and `clone3` to the warden before the
//! kernel carries it out (`SECCOMP_RET_USER_NOTIF`, seccomp(2), seccomp_unotify(2)). The warden
//! counts the call and lets it through. If too many processes and threads are alive, it refuses the
//! call with `EAGAIN`, as the kernel does at its own limit of processes. So the limit binds root
//! too, and code cannot stage the count. The warden also counts `alarm` and `setitimer`, because a
//! timer may still wake a process, and /proc does not show that.
//!
//! The warden also notes objects that outlive the process that made them (shared memory, queues).
//!
//! A process can also call the kernel with the call numbers of another architecture, on x86-64 with
//! `int 0x80`. The warden counts those calls in the same way.
//!
//! The filter also keeps the subject away from other processes where Landlock does not:
//! - `prctl(PR_SET_DUMPABLE, 0)` succeeds and does nothing: a process that is not
//!   dumpable hides from the judge what it has open and what it waits for.
//! - `prlimit`, `sched_setaffinity` and similar calls work only on the subject's own processes
//!   (EPERM otherwise): with a CPU-time limit of 0, code could kill another process.
//! - The subject cannot install a filter of its own (EPERM): with a filter it could answer the
//!   system calls of a test's closure.
//!
//! Where the machine does not allow filters, the warden counts nothing and refuses nothing.

pub(crate) mod faults;
mod filter;
mod queues;
mod relics;

use std::io::{IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

use faults::{Failure, Fault, Faults};
use filter::{Call, Name, may_fail, program};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};
use queues::Opening;
use relics::Relics;

use crate::warden::fence;
use crate::wire::Counts;

pub(crate) const CLONE_THREAD: u64 = libc::CLONE_THREAD as u64;

/// The warden's view of the starts below it.
pub(crate) struct Starts {
    listener: Option<OwnedFd>,
    counts: Counts,
    limit: u32,
    crowd: Crowd,
    /// What those processes made that outlives them.
    pub relics: Relics,
    faults: Faults,
    /// Whether the fence keeps the subject from message queues, once it has asked for one.
    queues_are_closed: Option<bool>,
}

impl Starts {
    /// Takes the listener that the subject made, or learns that it has none.
    pub(crate) fn receive(subject: BorrowedFd<'_>, limit: u32) -> Self {
        Starts {
            listener: receive_descriptor(subject),
            counts: Counts::default(),
            limit,
            crowd: Crowd::default(),
            relics: Relics::default(),
            faults: Faults::default(),
            queues_are_closed: None,
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

    /// Decides about one call that waits at the filter.
    pub(crate) fn attend(&mut self, subject: nix::unistd::Pid) {
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
        let answer = match may_fail(call.data.arch, call.data.nr) {
            Some(fault) => match self.failure(fault, &call, subject) {
                // Another rule may refuse this call too, unless it is about the caller itself.
                None if fault == Fault::Affinity && call.data.args[0] != 0 => {
                    self.refusal(Call::OnProcess, &call, subject).map(Err)
                }
                failure => failure.map(Err),
            },
            None => match Call::of(call.data.arch, call.data.nr) {
                Call::SystemV(kind) => {
                    let [first, second, third, ..] = call.data.args;
                    self.relics
                        .system_v(kind, call.pid as i32, [first, second, third])
                }
                Call::Queue => match self.open_queue(listener, &call) {
                    // The descriptor was the answer.
                    Some(Ok(())) => return,
                    Some(Err(errno)) => Some(Err(errno)),
                    None => None,
                },
                other => self.refusal(other, &call, subject).map(Err),
            },
        };
        let mut response = libc::seccomp_notif_resp {
            id: call.id,
            val: match answer {
                Some(Ok(value)) => value.into(),
                _ => 0,
            },
            error: match answer {
                Some(Err(errno)) => -(errno as i32),
                _ => 0,
            },
            flags: match answer {
                Some(_) => 0,
                None => libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
            },
        };
        // SAFETY: the response is initialized. An error means that the caller is gone.
        unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response) };
    }

    /// Notes a queue that is about to be made. If the fence keeps the process
    /// from queues, opens it instead of the process, and answers the call with
    /// its descriptor. `None` if the process makes the call itself.
    fn open_queue(
        &mut self,
        listener: i32,
        call: &libc::seccomp_notif,
    ) -> Option<Result<(), Errno>> {
        let pid = call.pid as i32;
        let [name, flags, mode, attributes, ..] = call.data.args;
        let makes = flags as i32 & libc::O_CREAT != 0;
        let (name, is_new) = self.relics.queue(pid, name, makes)?;
        let closed = *self
            .queues_are_closed
            .get_or_insert_with(fence::closes_queues);
        if !closed || !relics::is_here(pid, "ipc") || !relics::is_ours(pid) {
            return None;
        }
        let opening = Opening {
            name,
            flags: flags as i32,
            mode: mode as u32,
            attributes,
        };
        match opening.open(pid) {
            Ok(queue) => {
                let handed = queues::hand_over(listener, call.id, &queue);
                // The kernel makes no queue for a process without a free number. And if a signal
                // comes at the moment of the answer, kernels from before the end of 2025 make the
                // call again ("seccomp: Fix a race with WAIT_KILLABLE_RECV if the tracer replies
                // too fast"): it must not find the queue that it has made itself.
                if is_new && handed != Some(Ok(())) {
                    relics::remove_queue(&opening.name);
                }
                handed
            }
            Err(errno) => Some(Err(errno)),
        }
    }

    /// From now on, calls fail as the judge says; with `None`, no call fails any more.
    pub(crate) fn fail(&mut self, failure: Option<Failure>) {
        match failure {
            Some(failure) => self.faults.order(failure),
            None => self.faults.forget(),
        }
    }

    /// The error with which a call fails because the judge has ordered it.
    fn failure(
        &mut self,
        fault: Fault,
        call: &libc::seccomp_notif,
        subject: nix::unistd::Pid,
    ) -> Option<Errno> {
        let is_the_subject = || group_of(call.pid as i32) == Some(subject.as_raw());
        // The flags are the third argument of wait4 and the fourth of waitid.
        let flags = match i64::from(call.data.nr) {
            libc::SYS_waitid => call.data.args[3],
            _ => call.data.args[2],
        };
        let blocks = fault != Fault::Wait || flags & libc::WNOHANG as u64 == 0;
        let failure = self.faults.due(fault, blocks, is_the_subject);
        self.counts.faults += u32::from(failure.is_some());
        failure
    }

    /// The error with which a call is refused, if it is.
    fn refusal(
        &mut self,
        kind: Call,
        call: &libc::seccomp_notif,
        subject: nix::unistd::Pid,
    ) -> Option<Errno> {
        let arguments = call.data.args;
        let pid = call.pid as i32;
        let counter = match kind {
            Call::Fork | Call::Clone | Call::Clone3 => {
                let flags = match kind {
                    Call::Fork => Some(0),
                    Call::Clone => Some(arguments[0]),
                    _ => flags_of_clone3(pid, arguments[0]),
                };
                let starts_a_thread = flags.is_some_and(|flags| flags & CLONE_THREAD != 0);
                let fault = match starts_a_thread {
                    true => Fault::Thread,
                    false => Fault::Process,
                };
                let failure = self.failure(fault, call, subject);
                if failure.is_some() {
                    return failure;
                }
                if flags.is_none() {
                    // Its flags cannot be read, so it counts as a thread and as a process.
                    self.counts.threads += 1;
                }
                match starts_a_thread {
                    true => &mut self.counts.threads,
                    false => &mut self.counts.processes,
                }
            }
            Call::Alarm => &mut self.counts.alarms,
            Call::OnProcess => {
                return (!is_below(arguments[0], call.pid)).then_some(Errno::EPERM);
            }
            Call::Limits => {
                let reads = arguments[2] == 0;
                return (!reads && !is_below(arguments[0], call.pid)).then_some(Errno::EPERM);
            }
            Call::Priority => {
                let number = arguments[1];
                let allowed = match arguments[0] as u32 {
                    libc::PRIO_PROCESS => number as i32 == 0 || is_below(number, call.pid),
                    libc::PRIO_PGRP => number as i32 == 0 || is_group_below(number, call.pid),
                    // All processes of the learner.
                    _ => false,
                };
                return (!allowed).then_some(Errno::EPERM);
            }
            Call::Names(Name { folder, path, .. }) => {
                let folder = folder.map(|index| arguments[usize::from(index)]);
                self.relics.path(pid, folder, arguments[usize::from(path)]);
                return None;
            }
            // The caller has answered these already.
            Call::Queue | Call::SystemV(_) => return None,
        };
        *counter += 1;
        let started = self.counts.processes + self.counts.threads;
        if self.crowd.is_over(self.limit, started, Instant::now, || {
            alive(subject.as_raw())
        }) {
            self.counts.refused += 1;
            return Some(Errno::EAGAIN);
        }
        None
    }
}

/// How many processes and threads are alive, without a look at /proc for each start. A look reads
/// one file for each process. A bomb asks some thousand times, and on a busy machine that takes
/// longer than any deadline.
#[derive(Debug, Default)]
struct Crowd {
    /// How many were alive at the latest look.
    counted: u32,
    /// How many had been started until then.
    started: u32,
    /// Until when every start is refused without another look.
    refused_until: Option<Instant>,
}

impl Crowd {
    /// After a refusal, no other look follows for this many times as long as the last one took.
    const PAUSE: u32 = 8;

    /// Whether more than `limit` are alive, when so many have been started, the one that asks
    /// included.
    fn is_over(
        &mut self,
        limit: u32,
        started: u32,
        clock: impl Fn() -> Instant,
        look: impl FnOnce() -> u32,
    ) -> bool {
        // Since the latest look at most those can have joined that were started since.
        let at_most = self.counted.saturating_add(started - self.started);
        if at_most <= limit {
            return false;
        }
        let began = clock();
        if self.refused_until.is_some_and(|until| began < until) {
            return true;
        }
        let alive = look();
        let is_over = alive > limit;
        // The one that asks joins them, unless it is refused.
        self.counted = alive + u32::from(!is_over);
        self.started = started;
        let ended = clock();
        self.refused_until = is_over.then(|| ended + (ended - began) * Self::PAUSE);
        is_over
    }
}

/// Whether this is the number of a process that the subject started, or of a thread in such a
/// process.
fn is_below(number: u64, caller: u32) -> bool {
    if is_in_a_namespace_below(caller) {
        return true;
    }
    let below = processes::proc::descendants(std::process::id() as i32).unwrap_or_default();
    group_of(number as i32).is_some_and(|group| below.contains(&group))
}

/// The process to which a thread belongs.
fn group_of(thread: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// Whether this is a process group with a process in it that the subject started. Then the subject
/// started all of its processes: a group lies within a session, and the subject has a session of
/// its own.
fn is_group_below(number: u64, caller: u32) -> bool {
    let below = || processes::proc::descendants(std::process::id() as i32).unwrap_or_default();
    let group_of = |pid: i32| nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(pid)));
    is_in_a_namespace_below(caller)
        || below()
            .into_iter()
            .any(|pid| group_of(pid).is_ok_and(|group| group.as_raw() == number as i32))
}

/// Whether the process numbers that a process uses are those of a namespace that the subject made
/// (man 7 pid_namespaces). Such numbers name only the subject's own processes.
fn is_in_a_namespace_below(pid: u32) -> bool {
    let levels = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))?;
        Some(line.split_whitespace().count())
    };
    levels(pid) > levels(std::process::id())
}

/// How many threads the descendants of this process have. Waits for orphans that have ended,
/// because this process has inherited them.
fn alive(subject: i32) -> u32 {
    let me = std::process::id() as i32;
    let below = processes::proc::descendants(me).unwrap_or_default();
    below
        .into_iter()
        .filter_map(|pid| processes::proc::stat(pid).ok())
        .filter(|stat| {
            let is_over = stat.has_ended() && stat.parent == me && stat.pid != subject;
            let pid = nix::unistd::Pid::from_raw(stat.pid);
            let flags = Some(nix::sys::wait::WaitPidFlag::WNOHANG);
            !(is_over && nix::sys::wait::waitpid(pid, flags).is_ok())
        })
        .map(|stat| stat.threads.max(1))
        .sum()
}

/// The first field of `struct clone_args`, read from the caller's memory.
pub(crate) fn flags_of_clone3(pid: i32, address: u64) -> Option<u64> {
    let mut bytes = [0u8; size_of::<u64>()];
    read_memory(pid, address, &mut bytes)?;
    Some(u64::from_ne_bytes(bytes))
}

/// Fills `bytes` from another process's memory; `None` if it cannot read all of them.
pub(crate) fn read_memory(pid: i32, address: u64, bytes: &mut [u8]) -> Option<()> {
    let length = bytes.len();
    let remote = nix::sys::uio::RemoteIoVec {
        base: usize::try_from(address).ok()?,
        len: length,
    };
    let pid = nix::unistd::Pid::from_raw(pid);
    let read = nix::sys::uio::process_vm_readv(pid, &mut [IoSliceMut::new(bytes)], &[remote]);
    read.is_ok_and(|read| read == length).then_some(())
}

/// In the subject: installs the filter and passes its listener to the warden. A byte without a
/// descriptor says that there is no listener.
pub(crate) fn install(warden: BorrowedFd<'_>, faults: &[Fault]) -> Option<OwnedFd> {
    let listener = filter(faults);
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

fn filter(faults: &[Fault]) -> Option<OwnedFd> {
    let mut program = program(faults);
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).ok()?,
        filter: program.as_mut_ptr(),
    };
    nix::sys::prctl::set_no_new_privs().ok()?;
    // Without WAIT_KILLABLE_RECV (Linux 5.19), a signal would make a call reach the warden twice.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    use super::Crowd;

    /// A crowd with a limit of ten, and a clock that moves when the test says so.
    struct Scene {
        crowd: Crowd,
        now: Cell<Instant>,
    }

    impl Scene {
        fn new() -> Self {
            Scene {
                crowd: Crowd::default(),
                now: Cell::new(Instant::now()),
            }
        }

        fn passes(&self, millis: u64) {
            self.now.set(self.now.get() + Duration::from_millis(millis));
        }

        /// Whether the crowd is over its limit; a look takes 20 ms and finds so many.
        fn is_over(&mut self, started: u32, alive: u32) -> bool {
            let now = &self.now;
            let look = || {
                now.set(now.get() + Duration::from_millis(20));
                alive
            };
            self.crowd.is_over(10, started, || now.get(), look)
        }

        /// The same, without a look.
        fn is_known_to_be_over(&mut self, started: u32) -> bool {
            let no_look = || panic!("no look is needed");
            self.crowd.is_over(10, started, || self.now.get(), no_look)
        }
    }

    #[test]
    fn nobody_is_counted_before_the_limit_can_be_reached() {
        let mut scene = Scene::new();
        for started in 1..=10 {
            assert!(!scene.is_known_to_be_over(started));
        }
        assert!(!scene.is_over(11, 3));
        // Three, the eleventh, and at most six more.
        for started in 12..=17 {
            assert!(!scene.is_known_to_be_over(started));
        }
        assert!(scene.is_over(18, 11));
    }

    #[test]
    fn a_refusal_holds_for_a_while_and_then_there_is_another_look() {
        let mut scene = Scene::new();
        assert!(scene.is_over(11, 11));
        for started in 12..1_000 {
            assert!(scene.is_known_to_be_over(started));
        }
        scene.passes(159);
        assert!(scene.is_known_to_be_over(1_000));
        scene.passes(1);
        assert!(!scene.is_over(1_001, 10));
    }

    #[test]
    fn every_start_at_the_limit_is_looked_at() {
        let mut scene = Scene::new();
        for started in 11..20 {
            assert!(!scene.is_over(started, 10));
            assert!(scene.is_over(started, 11));
            scene.passes(1_000);
        }
    }
}
