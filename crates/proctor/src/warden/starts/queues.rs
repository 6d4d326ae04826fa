//! Opens message queues for a subject that the fence keeps from them (man 3
//! mq_open).
//!
//! Landlock allows a file system by a descriptor of its root. If the queues are
//! not mounted (at /dev/mqueue) and the warden may not mount them, it has no
//! such descriptor, and behind the fence every `mq_open` for writing fails with
//! EACCES. So the warden, which is not behind the fence, opens the queue and
//! hands the descriptor over (`SECCOMP_IOCTL_NOTIF_ADDFD`, man 2
//! seccomp_unotify).

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};

use super::read_memory;

/// What `mq_open` takes.
pub(super) struct Opening {
    pub name: CString,
    pub flags: i32,
    pub mode: u32,
    pub attributes: u64,
}

impl Opening {
    /// Opens the queue as the process would, with its umask and its limit of the
    /// memory for queues.
    pub(super) fn open(&self, pid: i32) -> Result<OwnedFd, Errno> {
        // SAFETY: zeros are a valid mq_attr.
        let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
        let mut given = std::ptr::null();
        if self.attributes != 0 && self.flags & libc::O_CREAT != 0 {
            // SAFETY: an mq_attr consists of integers, so any bytes are valid.
            let bytes = unsafe {
                std::slice::from_raw_parts_mut(
                    (&raw mut attributes).cast::<u8>(),
                    size_of::<libc::mq_attr>(),
                )
            };
            read_memory(pid, self.attributes, bytes).ok_or(Errno::EFAULT)?;
            given = &raw const attributes;
        }
        let mine = umask(umask_of(pid));
        let limit = lower_limit_to_that_of(pid);
        // SAFETY: reads the name and the attributes. The system call takes the
        // name without a slash.
        let opened = Errno::result(unsafe {
            libc::syscall(
                libc::SYS_mq_open,
                self.name.as_ptr(),
                self.flags,
                self.mode,
                given,
            )
        });
        umask(mine);
        if let Some((soft, hard)) = limit {
            let _ = setrlimit(Resource::RLIMIT_MSGQUEUE, soft, hard);
        }
        let number = RawFd::try_from(opened?).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel just made it for us.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }
}

/// Sets this process's soft limit to that of another process, but not above the
/// hard limit, and returns what it was.
fn lower_limit_to_that_of(pid: i32) -> Option<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_MSGQUEUE).ok()?;
    // SAFETY: the call fills the zeroed structure.
    let theirs = unsafe {
        let mut theirs: libc::rlimit = std::mem::zeroed();
        let asked = libc::prlimit(
            pid,
            libc::RLIMIT_MSGQUEUE,
            std::ptr::null(),
            &raw mut theirs,
        );
        (asked == 0).then_some(theirs)?
    };
    setrlimit(Resource::RLIMIT_MSGQUEUE, theirs.rlim_cur.min(hard), hard).ok()?;
    Some((soft, hard))
}

fn umask_of(pid: i32) -> Mode {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let bits = line.and_then(|bits| u32::from_str_radix(bits.trim(), 8).ok());
    Mode::from_bits_truncate(bits.unwrap_or(0o022))
}

/// Answers a call at the filter with a copy of this descriptor. `None` on a
/// kernel that cannot do that (before Linux 5.14).
///
/// # Errors
/// Those of the process to which it goes (EMFILE: it has no number left).
pub(super) fn hand_over(listener: RawFd, id: u64, queue: &OwnedFd) -> Option<Result<(), Errno>> {
    let copy = libc::seccomp_notif_addfd {
        id,
        flags: libc::SECCOMP_ADDFD_FLAG_SEND as u32,
        srcfd: queue.as_raw_fd() as u32,
        newfd: 0,
        newfd_flags: libc::O_CLOEXEC as u32,
    };
    // SAFETY: the structure is initialized, and the kernel only reads it.
    let added = unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const copy) };
    match Errno::result(added) {
        Ok(_) => Some(Ok(())),
        Err(Errno::EINVAL) => None,
        Err(errno) => Some(Err(errno)),
    }
}
