//! A closed world: nothing from outside can wake a thread in it.

use processes::Pid;
use processes::proc::{self, Descriptor, Target};

use super::Watched;
use super::waits::{Picture, Process, Wait};

/// Handlers that no learner set: the Rust runtime's for stack overflow, and
/// two signals that glibc's threads use among themselves.
const RUNTIME_HANDLERS: u64 =
    1 << (libc::SIGSEGV - 1) | 1 << (libc::SIGBUS - 1) | 1 << (32 - 1) | 1 << (33 - 1);

/// The processes of a picture, together with who holds which pipe.
pub(super) struct World<'a> {
    picture: &'a Picture,
    descriptors: Vec<(Pid, Vec<Descriptor>)>,
    /// Pipes of which the judge holds an end.
    open_outside: Vec<u64>,
}

impl<'a> World<'a> {
    /// `None` if a signal may come out of the blue: a handler is set or a
    /// timer runs in one of the processes.
    pub(super) fn of(picture: &'a Picture, watched: &Watched) -> Option<Self> {
        let alone = picture.processes.len() == 1;
        match watched.alarms {
            Some(0) => {}
            // Not counted: with one process, a timer without a handler can
            // only end it, which is no answer either.
            None if alone => {}
            _ => return None,
        }
        for process in picture.alive() {
            if process.signals_caught & !RUNTIME_HANDLERS != 0 || has_timers(process.pid) {
                return None;
            }
        }
        let mut descriptors = Vec::new();
        for process in picture.alive() {
            let open = proc::descriptors(process.pid).ok()?;
            if open.iter().any(works_in_the_kernel) {
                return None;
            }
            descriptors.push((process.pid, open));
        }
        // The warden has no pipe: what it was passed for the subject, it closed.
        let judge = proc::descriptors(std::process::id() as Pid).ok()?;
        let open_outside = judge.iter().filter_map(pipe_of).collect();
        Some(World {
            picture,
            descriptors,
            open_outside,
        })
    }

    /// Whether a wait can be ended only by a thread of this world.
    pub(super) fn holds(&self, process: &Process, wait: &Wait) -> bool {
        match wait {
            Wait::Futex { private, .. } => *private,
            Wait::Pipe { inode, .. } => !self.open_outside.contains(inode),
            Wait::Child => {
                let children = || {
                    self.picture
                        .processes
                        .iter()
                        .filter(|child| child.parent == process.pid)
                };
                // An ended child is about to wake it.
                children().next().is_some() && children().all(|child| !child.zombie)
            }
            Wait::Runs | Wait::Stopped | Wait::Other(_) => false,
        }
    }

    /// The descriptors that hold the other end of a pipe.
    pub(super) fn other_ends(&self, inode: u64, writes: bool) -> Vec<(Pid, i32)> {
        self.descriptors
            .iter()
            .flat_map(|(pid, descriptors)| {
                descriptors
                    .iter()
                    .filter(move |descriptor| {
                        pipe_of(descriptor) == Some(inode)
                            && if writes {
                                descriptor.readable()
                            } else {
                                descriptor.writable()
                            }
                    })
                    .map(|descriptor| (*pid, descriptor.fd))
            })
            .collect()
    }
}

fn pipe_of(descriptor: &Descriptor) -> Option<u64> {
    match descriptor.target {
        Target::Pipe(inode) => Some(inode),
        _ => None,
    }
}

/// Descriptors by which the kernel itself may change memory or wake a futex
/// for the process.
fn works_in_the_kernel(descriptor: &Descriptor) -> bool {
    matches!(&descriptor.target, Target::Anonymous(kind)
        if kind.contains("io_uring") || kind.contains("userfaultfd"))
}

/// Timers made with `timer_create`; the file is absent on kernels without them.
fn has_timers(pid: Pid) -> bool {
    std::fs::read(format!("/proc/{pid}/timers")).is_ok_and(|text| !text.is_empty())
}
