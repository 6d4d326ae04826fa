//! A picture of what every thread below the warden waits for.

use std::fmt::Write as _;
use std::time::Duration;

use processes::Pid;
use processes::proc::{self, State, Syscall, Target};

use super::lines::Lines;
use crate::text;

/// So many threads are described.
pub(super) const MOST: usize = 12;

/// Every descendant of the warden, zombies included.
pub(super) struct Picture {
    pub processes: Vec<Process>,
}

pub(super) struct Process {
    pub pid: Pid,
    pub parent: Pid,
    pub name: String,
    pub started: u64,
    pub zombie: bool,
    pub signals_caught: u64,
    pub threads: Vec<Thread>,
}

pub(super) struct Thread {
    pub tid: Pid,
    pub name: String,
    pub switches: u64,
    pub processor: i32,
    pub wait: Wait,
    /// How often it has used the kernel until now, as far as the kernel counts
    /// that.
    pub dealings: Dealings,
    pub spent: Spent,
}

/// CPU time, as the kernel samples it once in each tick of the clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// In the program's own code.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl Spent {
    pub(super) fn total(self) -> Duration {
        self.user + self.system
    }

    pub(super) fn since(self, before: Spent) -> Spent {
        Spent {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    /// Whether the program's own code used all of it, apart from a tick that
    /// the kernel may have counted wrongly.
    pub(super) fn is_plain(self) -> bool {
        self.user >= 4 * self.system
    }
}

/// Numbers that grow when a thread waits, reads or writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dealings {
    /// How often it gave up the CPU to wait.
    waited: u64,
    /// `/proc/PID/task/TID/io` (man 5 proc): calls and bytes. Empty where the
    /// kernel does not count them.
    io: Vec<u8>,
}

/// What a thread is doing, as far as /proc tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// On a CPU, or waiting for one.
    Runs,
    /// `futex` without a timeout. `value` is what the word held when the thread
    /// went to sleep; `private` says that no other process can wake it.
    Futex {
        word: u64,
        value: u32,
        private: bool,
    },
    /// Reading from a pipe or writing to one.
    Pipe { fd: i32, inode: u64, writes: bool },
    /// Waiting for a child, without a time limit.
    Child,
    /// It has ended, and other threads of its process go on.
    Ended,
    /// Stopped by a signal or a debugger.
    Stopped,
    /// Something that may end by itself or from outside, in words.
    Other(String),
}

impl Picture {
    /// `None` if /proc hides what is needed, or if a process started or ended
    /// meanwhile.
    pub(super) fn take(warden: Pid) -> Option<Picture> {
        let mut processes = Vec::new();
        for pid in proc::descendants(warden).ok()? {
            processes.push(Process::take(pid)?);
        }
        Some(Picture { processes })
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| !process.zombie)
    }

    pub(super) fn somebody_runs(&self) -> bool {
        self.alive()
            .flat_map(|process| &process.threads)
            .any(|thread| thread.wait == Wait::Runs)
    }

    /// How a thread has spent its CPU time since `before`; `None` if it has
    /// waited, read or written, or is new.
    pub(super) fn spent_since(&self, before: &Picture, pid: Pid, tid: Pid) -> Option<Spent> {
        let (then, now) = (before.thread(pid, tid)?, self.thread(pid, tid)?);
        (now.dealings == then.dealings).then(|| now.spent.since(then.spent))
    }

    /// Whether a thread waits for another thread of its process to end.
    pub(super) fn joins(&self, thread: &Thread) -> bool {
        let process = self.processes.iter().find(|process| {
            let mut its = process.threads.iter();
            its.any(|one| one.tid == thread.tid)
        });
        match (process, &thread.wait) {
            (Some(process), Wait::Futex { value, .. }) => process.is_thread(*value),
            _ => false,
        }
    }

    fn thread(&self, pid: Pid, tid: Pid) -> Option<&Thread> {
        let process = self.processes.iter().find(|process| process.pid == pid)?;
        process.threads.iter().find(|thread| thread.tid == tid)
    }

    /// Whether these are the same threads, and none of them has run in between.
    pub(super) fn is_unchanged_since(&self, before: &Picture) -> bool {
        self.processes.len() == before.processes.len()
            && self
                .processes
                .iter()
                .zip(&before.processes)
                .all(|(now, then)| {
                    now.pid == then.pid
                        && now.started == then.started
                        && now.zombie == then.zombie
                        && now.threads.len() == then.threads.len()
                        && now.threads.iter().zip(&then.threads).all(|(now, then)| {
                            now.tid == then.tid
                                && now.switches == then.switches
                                && now.wait == then.wait
                        })
                })
    }

    /// One line for each thread, up to 12 of them, with the CPU time of those
    /// that run.
    pub(super) fn describe(&self, at: &Lines) -> String {
        let several = self.alive().count() > 1;
        // Most solutions have only one file, and below these lines stands its name.
        let mut files = at.values().map(|place| &place.file);
        let one_file = files
            .next()
            .is_none_or(|first| files.all(|file| file == first));
        let mut lines = Vec::new();
        for process in self.alive() {
            for (index, thread) in process.threads.iter().enumerate() {
                let mut line = String::new();
                if several {
                    let _ = write!(line, "process {}", process.pid);
                    if self.alive().any(|other| other.pid == process.parent) {
                        let _ = write!(line, " (started by process {})", process.parent);
                    }
                    line.push_str(", ");
                }
                if index == 0 {
                    line.push_str("main thread");
                } else {
                    let _ = write!(line, "thread {}", index + 1);
                }
                // A thread without a name of its own has the name of its
                // parent.
                if thread.name != process.name {
                    let _ = write!(line, " ({})", thread.name);
                }
                let _ = write!(line, ": {}", process.words(&thread.wait));
                if thread.wait == Wait::Runs {
                    let seconds = thread.spent.total().as_secs_f64();
                    let _ = write!(line, " (it has used {seconds:.1} s of CPU time)");
                }
                if let Some(place) = at.get(&thread.tid) {
                    let _ = match one_file {
                        true => write!(line, ", at line {}", place.line),
                        false => write!(line, ", at {place}"),
                    };
                }
                lines.push(line);
            }
        }
        if lines.len() > MOST {
            let more = lines.split_off(MOST).len();
            lines.push(format!("and {}", text::count(more, "more thread")));
        }
        lines.join("\n")
    }
}

impl Process {
    fn take(pid: Pid) -> Option<Process> {
        let stat = proc::stat(pid).ok()?;
        let zombie = stat.has_ended();
        let mut process = Process {
            pid,
            parent: stat.parent,
            name: stat.comm,
            started: stat.start_ticks,
            zombie,
            signals_caught: 0,
            threads: Vec::new(),
        };
        if process.zombie {
            return Some(process);
        }
        process.signals_caught = proc::status(pid).ok()?.signals_caught;
        for tid in proc::tasks(pid).ok()? {
            process.threads.push(Thread::take(pid, tid)?);
        }
        Some(process)
    }

    fn words(&self, wait: &Wait) -> String {
        match wait {
            Wait::Runs => "runs".to_owned(),
            Wait::Futex { value, .. } if self.is_thread(*value) => {
                format!("waits for thread {} to end (join)", self.number_of(*value))
            }
            Wait::Futex { word, .. } => {
                format!(
                    "waits for a lock, a condition variable or a message (futex {:#x})",
                    word & 0xffff
                )
            }
            Wait::Pipe {
                fd, writes: false, ..
            } => format!("waits to read from a pipe (file descriptor {fd})"),
            Wait::Pipe {
                fd, writes: true, ..
            } => {
                format!("waits to write to a full pipe (file descriptor {fd})")
            }
            Wait::Child => "waits for a child process to end".to_owned(),
            Wait::Ended => "has ended".to_owned(),
            Wait::Stopped => "is stopped".to_owned(),
            Wait::Other(words) => words.clone(),
        }
    }

    fn is_thread(&self, value: u32) -> bool {
        self.threads
            .iter()
            .any(|thread| u32::try_from(thread.tid) == Ok(value))
    }

    /// Threads are counted from 1, the main thread.
    fn number_of(&self, tid: u32) -> usize {
        1 + self
            .threads
            .iter()
            .position(|thread| u32::try_from(thread.tid) == Ok(tid))
            .unwrap_or(0)
    }
}

impl Thread {
    fn take(pid: Pid, tid: Pid) -> Option<Thread> {
        let stat = proc::task_stat(pid, tid).ok()?;
        let wait = match stat.state {
            state if state.has_ended() => Wait::Ended,
            State::Running => Wait::Runs,
            State::Stopped | State::Traced => Wait::Stopped,
            _ => match proc::syscall(pid, tid).ok()? {
                Syscall::Running | Syscall::Outside { .. } => Wait::Runs,
                Syscall::Inside { number, args, .. } => blocked(pid, tid, number, args),
            },
        };
        // This is read after the system call: the kernel tells that call only
        // when the thread is off the CPU. Before that, a thread that has just
        // run and is about to sleep still shows the old number of switches, as
        // if it had not run.
        let status = proc::task_status(pid, tid).ok()?;
        Some(Thread {
            tid,
            name: stat.comm,
            switches: status.voluntary + status.involuntary,
            processor: stat.processor,
            spent: Spent {
                user: stat.user,
                system: stat.system,
            },
            wait,
            dealings: Dealings {
                waited: status.voluntary,
                io: std::fs::read(format!("/proc/{pid}/task/{tid}/io")).unwrap_or_default(),
            },
        })
    }
}

/// What a thread inside a system call waits for.
fn blocked(pid: Pid, tid: Pid, number: i64, args: [u64; 6]) -> Wait {
    match number {
        libc::SYS_futex => futex(pid, args),
        libc::SYS_read | libc::SYS_readv => pipe(pid, tid, args[0], false),
        libc::SYS_write | libc::SYS_writev => pipe(pid, tid, args[0], true),
        libc::SYS_wait4 if args[2] & libc::WNOHANG as u64 == 0 => Wait::Child,
        libc::SYS_waitid if args[3] & libc::WNOHANG as u64 == 0 && args[0] != P_PIDFD => {
            Wait::Child
        }
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => Wait::Other("sleeps".to_owned()),
        libc::SYS_restart_syscall => Wait::Other("waits, with a time limit".to_owned()),
        libc::SYS_ppoll | libc::SYS_epoll_pwait | libc::SYS_pselect6 => {
            Wait::Other("waits for file descriptors (poll)".to_owned())
        }
        libc::SYS_rt_sigsuspend | libc::SYS_rt_sigtimedwait => {
            Wait::Other("waits for a signal".to_owned())
        }
        number => Wait::Other(match (older_call(number), proc::call_name(number)) {
            (Some(words), _) => words.to_owned(),
            (None, Some(name)) => format!("waits in {name} (man 2 {name})"),
            (None, None) => format!("waits in system call {number} (man 2 syscalls)"),
        }),
    }
}

const P_PIDFD: u64 = 3;

/// Calls that only the older architecture has.
#[cfg(target_arch = "x86_64")]
fn older_call(number: i64) -> Option<&'static str> {
    match number {
        libc::SYS_poll | libc::SYS_select | libc::SYS_epoll_wait => {
            Some("waits for file descriptors (poll)")
        }
        libc::SYS_pause => Some("waits for a signal"),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn older_call(_number: i64) -> Option<&'static str> {
    None
}

fn futex(pid: Pid, args: [u64; 6]) -> Wait {
    let [word, operation, value, timeout, ..] = args;
    let operation = operation as i32;
    let waits = matches!(
        operation & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME),
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET
    );
    if !waits {
        return Wait::Other("is in a futex call".to_owned());
    }
    if timeout != 0 {
        return Wait::Other(
            "waits for a lock or a condition variable, with a time limit".to_owned(),
        );
    }
    // If no other process maps the memory of the word, no process outside can
    // wake the thread, whatever the flag of the operation says (join does not
    // use the private one). Shared memory without a name exists only in this
    // family of processes, and the picture holds the whole family.
    let private = operation & libc::FUTEX_PRIVATE_FLAG != 0
        || proc::maps(pid).is_ok_and(|maps| {
            maps.iter().any(|mapping| {
                mapping.contains(word)
                    && (!mapping.shared || mapping.path.as_deref() == Some("/dev/zero (deleted)"))
            })
        });
    Wait::Futex {
        word,
        value: value as u32,
        private,
    }
}

fn pipe(pid: Pid, tid: Pid, fd: u64, writes: bool) -> Wait {
    let fd = fd as i32;
    // The thread's own table: it may have left the shared one (unshare).
    let target = proc::task_descriptors(pid, tid)
        .ok()
        .and_then(|all| all.into_iter().find(|descriptor| descriptor.fd == fd))
        .map(|descriptor| descriptor.target);
    match target {
        Some(Target::Pipe(inode)) if waits_in_a_pipe(pid, tid) => Wait::Pipe { fd, inode, writes },
        _ => Wait::Other(format!(
            "{} file descriptor {fd}",
            if writes { "writes to" } else { "reads from" }
        )),
    }
}

/// Whether the kernel function in which a thread sleeps is one for pipes. The
/// descriptor's number alone can mislead: since the call began, dup2 may have
/// put another file in its place. Kernels that do not name functions say `0`.
fn waits_in_a_pipe(pid: Pid, tid: Pid) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/wchan")) {
        Ok(name) => name.is_empty() || name == "0" || name.contains("pipe"),
        Err(_) => true,
    }
}
