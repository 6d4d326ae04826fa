//! `/proc/PID/task/TID/syscall`: the system call in which a thread waits.

use std::io;

use super::{Pid, malformed, read};

/// Where a thread is, as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syscall {
    /// On a CPU or waiting for one: the kernel does not say where.
    Running,
    /// Blocked, but not in a system call: the thread waits in a page fault, or
    /// it has ended.
    Outside {
        /// The stack pointer.
        sp: u64,
        /// The program counter.
        pc: u64,
    },
    /// Blocked in a system call.
    Inside {
        /// The system call's number on this architecture, as in
        /// `libc::SYS_futex`.
        number: i64,
        /// The six argument registers. If the call takes fewer arguments, the
        /// other registers hold arbitrary values.
        args: [u64; 6],
        /// The stack pointer.
        sp: u64,
        /// The program counter.
        pc: u64,
    },
}

/// Where thread `tid` of process `pid` is.
///
/// The caller needs permission to trace the process, which the owner of the
/// process usually has. The kernel needs `CONFIG_HAVE_ARCH_TRACEHOOK`, which
/// x86-64 and aarch64 have. A thread that asks about itself sees the `read`
/// with which it asks.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn syscall(pid: Pid, tid: Pid) -> io::Result<Syscall> {
    let path = format!("/proc/{pid}/task/{tid}/syscall");
    let text = read(&path)?;
    parse(&text).ok_or_else(|| malformed(&path, &text))
}

/// Parses `running`, `-1 SP PC`, or `NUMBER ARG×6 SP PC`, with addresses as
/// `0x…`.
fn parse(text: &[u8]) -> Option<Syscall> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text == "running" {
        return Some(Syscall::Running);
    }
    let mut words = text.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let values = words
        .map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect::<Option<Vec<u64>>>()?;
    match (number, values.as_slice()) {
        (..0, &[sp, pc]) => Some(Syscall::Outside { sp, pc }),
        (0.., &[a, b, c, d, e, f, sp, pc]) => Some(Syscall::Inside {
            number,
            args: [a, b, c, d, e, f],
            sp,
            pc,
        }),
        _ => None,
    }
}

/// The name of a system call in which a thread may wait for long, as in section 2
/// of the manual. `None` for all other calls.
#[must_use]
pub fn call_name(number: i64) -> Option<&'static str> {
    Some(match number {
        libc::SYS_accept => "accept",
        libc::SYS_accept4 => "accept4",
        libc::SYS_clone => "clone",
        libc::SYS_clone3 => "clone3",
        libc::SYS_close => "close",
        libc::SYS_connect => "connect",
        libc::SYS_execve => "execve",
        libc::SYS_exit_group => "exit_group",
        libc::SYS_fallocate => "fallocate",
        libc::SYS_fcntl => "fcntl",
        libc::SYS_fdatasync => "fdatasync",
        libc::SYS_flock => "flock",
        libc::SYS_fsync => "fsync",
        libc::SYS_getrandom => "getrandom",
        libc::SYS_ioctl => "ioctl",
        libc::SYS_io_uring_enter => "io_uring_enter",
        libc::SYS_madvise => "madvise",
        libc::SYS_mmap => "mmap",
        libc::SYS_mq_timedreceive => "mq_timedreceive",
        libc::SYS_mq_timedsend => "mq_timedsend",
        libc::SYS_msgrcv => "msgrcv",
        libc::SYS_msgsnd => "msgsnd",
        libc::SYS_munmap => "munmap",
        libc::SYS_openat => "openat",
        libc::SYS_pread64 => "pread64",
        libc::SYS_preadv => "preadv",
        libc::SYS_pwrite64 => "pwrite64",
        libc::SYS_pwritev => "pwritev",
        libc::SYS_recvfrom => "recvfrom",
        libc::SYS_recvmmsg => "recvmmsg",
        libc::SYS_recvmsg => "recvmsg",
        libc::SYS_semop => "semop",
        libc::SYS_semtimedop => "semtimedop",
        libc::SYS_sendfile => "sendfile",
        libc::SYS_sendmsg => "sendmsg",
        libc::SYS_sendto => "sendto",
        libc::SYS_splice => "splice",
        libc::SYS_tee => "tee",
        libc::SYS_vmsplice => "vmsplice",
        libc::SYS_wait4 => "wait4",
        libc::SYS_waitid => "waitid",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_told_apart() {
        assert_eq!(parse(b"running\n"), Some(Syscall::Running));
        assert_eq!(
            parse(b"-1 0x10 0xff\n"),
            Some(Syscall::Outside { sp: 16, pc: 255 })
        );
        let inside = Syscall::Inside {
            number: 202,
            args: [1, 2, 3, 4, 5, u64::MAX],
            sp: 7,
            pc: 8,
        };
        let line = b"202 0x1 0x2 0x3 0x4 0x5 0xffffffffffffffff 0x7 0x8\n";
        assert_eq!(parse(line), Some(inside));
    }

    #[test]
    fn calls_that_wait_have_their_names() {
        assert_eq!(call_name(libc::SYS_recvfrom), Some("recvfrom"));
        assert_eq!(call_name(libc::SYS_waitid), Some("waitid"));
        assert_eq!(call_name(libc::SYS_getpid), None);
        assert_eq!(call_name(-1), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-1",
            "-1 0x1",
            "5 0x1 0x2",
            "0 1 2 3 4 5 6 7 8",
            "x 0x1 0x2",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
