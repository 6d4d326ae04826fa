//! A closed world: nothing from outside can wake a thread in it.

use processes::Pid;
use processes::proc::{self, Descriptor, Target};

use super::Watched;
use super::waits::{Picture, Process, Wait};

/// Signals whose handlers do not make a proof impossible. The Rust runtime
/// handles two of them for stack overflows, glibc's threads use two among
/// themselves, and SIGCHLD arrives when a child ends or stops. All children
/// belong to the picture, and a child that can still end or stop makes the
/// proof fail anyway.
const NOT_OUT_OF_THE_BLUE: u64 = 1 << (libc::SIGSEGV - 1)
    | 1 << (libc::SIGBUS - 1)
    | 1 << (libc::SIGCHLD - 1)
    | 1 << (32 - 1)
    | 1 << (33 - 1);

/// The processes of a picture, with their descriptors.
pub(super) struct World<'a> {
    picture: &'a Picture,
    descriptors: Vec<(Pid, Vec<Descriptor>)>,
    /// Pipes of which the judge holds an end.
    open_outside: Vec<u64>,
}

impl<'a> World<'a> {
    /// `None` if a signal may arrive at any time (a handler is set or a timer
    /// runs in one of the processes), if the kernel may act for one of them, or
    /// if their descriptors cannot be read.
    pub(super) fn of(picture: &'a Picture, watched: &Watched) -> Option<Self> {
        let alone = picture.processes.len() == 1;
        match watched.alarms {
            Some(0) => {}
            // The timers are not counted. With one process, a timer without a
            // handler can only end that process, which is not an answer either.
            None if alone => {}
            _ => return None,
        }
        for process in picture.alive() {
            if process.signals_caught & !NOT_OUT_OF_THE_BLUE != 0 || has_timers(process.pid) {
                return None;
            }
        }
        let mut descriptors = Vec::new();
        for process in picture.alive() {
            if works_in_the_kernel(process) {
                return None;
            }
            for table in tables_of(process)? {
                if table.iter().any(is_a_way_into_the_kernel) {
                    return None;
                }
                descriptors.push((process.pid, table));
            }
        }
        // The warden has no pipe: it has closed those that it got for the
        // subject.
        let judge = proc::descriptors(std::process::id() as Pid).ok()?;
        let open_outside = judge.iter().filter_map(pipe_of).collect();
        Some(World {
            picture,
            descriptors,
            open_outside,
        })
    }

    /// Whether only a thread of this world can end a wait.
    pub(super) fn holds(&self, process: &Process, wait: &Wait) -> bool {
        match wait {
            Wait::Futex { private, .. } => *private,
            Wait::Ended => true,
            Wait::Pipe { inode, .. } => !self.open_outside.contains(inode),
            Wait::Child => {
                let children = || {
                    self.picture
                        .processes
                        .iter()
                        .filter(|child| child.parent == process.pid)
                };
                // A child that has ended is about to wake it.
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
fn is_a_way_into_the_kernel(descriptor: &Descriptor) -> bool {
    matches!(&descriptor.target, Target::Anonymous(kind)
        if kind.contains("io_uring") || kind.contains("userfaultfd"))
}

/// Whether the kernel may act for the process although no descriptor says so: a
/// ring of io_uring is mapped, or a kernel thread serves one.
fn works_in_the_kernel(process: &Process) -> bool {
    let is_served = |name: &str| name.starts_with("iou-");
    process.threads.iter().any(|thread| is_served(&thread.name))
        || proc::maps(process.pid).is_ok_and(|maps| {
            let mut paths = maps.iter().filter_map(|mapping| mapping.path.as_deref());
            paths.any(|path| path.contains("io_uring"))
        })
}

/// The descriptor tables of a process: one table, unless a thread has left it
/// (man 2 unshare, CLONE_FILES). `None` if a table cannot be read.
fn tables_of(process: &Process) -> Option<Vec<Vec<Descriptor>>> {
    let mut tables = Vec::new();
    let mut shared: Option<Pid> = None;
    let alive = process
        .threads
        .iter()
        .filter(|thread| thread.wait != Wait::Ended);
    for thread in alive {
        if shared.is_some_and(|first| share_their_table(first, thread.tid)) {
            continue;
        }
        tables.push(proc::task_descriptors(process.pid, thread.tid).ok()?);
        shared.get_or_insert(thread.tid);
    }
    Some(tables)
}

/// Asks with kcmp(2). If the kernel cannot say, the answer is no.
fn share_their_table(one: Pid, other: Pid) -> bool {
    const KCMP_FILES: i32 = 2;
    // SAFETY: takes integers.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0, 0) == 0 }
}

/// Whether the process has timers from `timer_create`. Kernels without such
/// timers have no such file.
fn has_timers(pid: Pid) -> bool {
    std::fs::read(format!("/proc/{pid}/timers")).is_ok_and(|text| !text.is_empty())
}
