//! One thread's wait as a sentence.

use processes::proc::{self, Pid, State, Syscall, Target};

use super::{Thread, futex, holders};

/// What a thread waits for. `threads` are all threads of its process.
pub fn words(pid: Pid, thread: &Thread, threads: &[Thread]) -> String {
    match thread.state {
        State::Stopped => return "was stopped by a signal and waits for SIGCONT".into(),
        State::Traced => return "was stopped by the process that traces it".into(),
        State::Zombie | State::Dead => return "has ended".into(),
        _ => {}
    }
    match thread.call {
        Syscall::Running => "runs, or waits only for a CPU".into(),
        Syscall::Outside { .. } => {
            "waits for the kernel outside of a system call (for example for a page of memory)"
                .into()
        }
        Syscall::Inside { number, args, .. } => match futex::wait_of(thread) {
            Some(wait) => futex::words(pid, thread, wait, threads),
            None => in_call(pid, number, args),
        },
    }
}

fn in_call(pid: Pid, number: i64, args: [u64; 6]) -> String {
    let fd = i32::try_from(args[0]).unwrap_or(-1);
    match number {
        libc::SYS_read | libc::SYS_readv | libc::SYS_pread64 => descriptor(pid, fd, Way::Read),
        libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 => descriptor(pid, fd, Way::Write),
        libc::SYS_recvfrom | libc::SYS_recvmsg | libc::SYS_recvmmsg => {
            descriptor(pid, fd, Way::Read)
        }
        libc::SYS_sendto | libc::SYS_sendmsg | libc::SYS_sendmmsg => {
            descriptor(pid, fd, Way::Write)
        }
        libc::SYS_accept | libc::SYS_accept4 => {
            format!("waits for a connection to {}", open(pid, fd))
        }
        libc::SYS_connect => format!(
            "waits until the peer of {} accepts the connection",
            open(pid, fd)
        ),
        libc::SYS_wait4 | libc::SYS_waitid => child(pid),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => "sleeps until a certain time".into(),
        libc::SYS_ppoll | libc::SYS_pselect6 => "waits until a descriptor is ready (poll)".into(),
        libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => epoll(pid, fd),
        libc::SYS_rt_sigsuspend | libc::SYS_rt_sigtimedwait => "waits for a signal".into(),
        libc::SYS_flock => format!("waits for the lock on {}", open(pid, fd)),
        libc::SYS_fcntl => format!("waits for a record lock in {}", open(pid, fd)),
        libc::SYS_msgrcv | libc::SYS_mq_timedreceive => "waits for a message in a queue".into(),
        libc::SYS_msgsnd | libc::SYS_mq_timedsend => "waits for room in a message queue".into(),
        libc::SYS_semop | libc::SYS_semtimedop => "waits for a System V semaphore".into(),
        libc::SYS_fsync | libc::SYS_fdatasync => "waits for the disk".into(),
        libc::SYS_clone | libc::SYS_clone3 => {
            "waits in vfork until its child has called exec or ended".into()
        }
        libc::SYS_restart_syscall => "goes on sleeping after a stop, until a certain time".into(),
        other => only_x86_64(pid, other, fd).unwrap_or_else(|| match proc::call_name(other) {
            Some(name) => format!("waits in {name} (man 2 {name})"),
            None => format!("waits in system call {other} (man 2 syscalls)"),
        }),
    }
}

/// System calls that newer architectures do not have any more.
#[cfg(target_arch = "x86_64")]
fn only_x86_64(pid: Pid, number: i64, fd: i32) -> Option<String> {
    Some(match number {
        libc::SYS_poll | libc::SYS_select => "waits until a descriptor is ready (poll)".into(),
        libc::SYS_epoll_wait => epoll(pid, fd),
        libc::SYS_pause => "waits for a signal".into(),
        libc::SYS_vfork => "waits in vfork until its child has called exec or ended".into(),
        _ => return None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn only_x86_64(_: Pid, _: i64, _: i32) -> Option<String> {
    None
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Read,
    Write,
}

fn target(pid: Pid, fd: i32) -> Option<Target> {
    let held = proc::descriptors(pid).ok()?;
    held.into_iter()
        .find(|held| held.fd == fd)
        .map(|held| held.target)
}

/// `descriptor 3, /dev/pts/0`
fn open(pid: Pid, fd: i32) -> String {
    match target(pid, fd) {
        Some(Target::File(path)) => format!("descriptor {fd}, {}", path.display()),
        Some(Target::Pipe(_)) => format!("descriptor {fd}, a pipe"),
        Some(Target::Socket(_)) => format!("descriptor {fd}, a socket"),
        Some(Target::Anonymous(name)) => format!("descriptor {fd}, {name}"),
        None => format!("descriptor {fd}"),
    }
}

fn descriptor(pid: Pid, fd: i32, way: Way) -> String {
    if let Some(Target::Pipe(inode)) = target(pid, fd) {
        return pipe(pid, fd, inode, way);
    }
    match way {
        Way::Read => format!("waits for bytes from {}", open(pid, fd)),
        Way::Write => format!("waits for room in {}", open(pid, fd)),
    }
}

fn pipe(pid: Pid, fd: i32, inode: u64, way: Way) -> String {
    let ends = holders::ends_of(inode);
    let (what, end, others) = match way {
        Way::Read => ("bytes from", "write", ends.writers),
        Way::Write => ("room in", "read", ends.readers),
    };
    let waits = format!("waits for {what} the pipe at descriptor {fd}");
    match others.as_slice() {
        [] => format!("{waits}; no process that you may look into holds its {end} end"),
        [one] if *one == pid => format!(
            "{waits}; only this process itself holds its {end} end, so unless another of its threads \
             uses that end, this wait never ends"
        ),
        several => format!(
            "{waits}; its {end} end is held by {}",
            holders::named(several, pid)
        ),
    }
}

fn child(pid: Pid) -> String {
    match proc::children(pid).unwrap_or_default().as_slice() {
        [] => "waits for a child to end".into(),
        children => format!(
            "waits for a child to end: {}",
            holders::named(children, pid)
        ),
    }
}

/// The kernel lists what an epoll watches in its fdinfo (man 5 proc).
fn epoll(pid: Pid, fd: i32) -> String {
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let watched: Vec<String> = info
        .lines()
        .filter_map(|line| {
            line.strip_prefix("tfd:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .map(|watched| open(pid, watched))
        .collect();
    match watched.as_slice() {
        [] => "waits until a descriptor is ready (epoll, which watches no descriptor)".into(),
        watched => format!(
            "waits until one of these is ready (epoll): {}",
            watched.join("; ")
        ),
    }
}
