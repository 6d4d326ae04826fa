//! Objects that outlive the processes that made them: shared memory, queues and
//! semaphores that have a name or a number of their own (man 7 shm_overview,
//! mq_overview, sem_overview, svipc).
//!
//! For most of these objects, the system's lists do not say which process made
//! them, and other programs make some at the same time. So the warden notes
//! each object at the system call that makes it. The warden makes System V
//! objects itself, instead of the subject: that is how it learns their numbers.

use std::ffi::{CStr, CString};
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

use super::read_memory;

/// Where the kernel keeps POSIX shared memory and named semaphores.
const SHARED_MEMORY: &str = "/dev/shm";

/// The three kinds of System V objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SystemV {
    SharedMemory,
    Semaphores,
    Messages,
}

#[derive(Debug, PartialEq, Eq)]
enum Relic {
    /// In [`SHARED_MEMORY`].
    File(PathBuf),
    /// A POSIX message queue, by its name without the slash.
    Queue(CString),
    SystemV(SystemV, i32),
}

/// Everything that the descendants of a warden made.
#[derive(Debug, Default)]
pub(crate) struct Relics(Vec<Relic>);

impl Relics {
    /// A process is about to give something this name.
    pub(super) fn path(&mut self, pid: i32, folder: Option<u64>, address: u64) {
        let Some(path) = path_at(pid, folder, address) else {
            return;
        };
        let is_new = path.symlink_metadata().is_err();
        if is_shared_memory(&path) && is_new && is_here(pid, "mnt") {
            self.note(Relic::File(path));
        }
    }

    /// A process is about to open a message queue, or to make one. Returns its
    /// name, if that can be read, and whether it is a new one.
    pub(super) fn queue(&mut self, pid: i32, address: u64, makes: bool) -> Option<(CString, bool)> {
        let name = text_at(pid, address)?;
        let is_new = makes && !queue_exists(&name);
        if is_new && is_here(pid, "ipc") {
            self.note(Relic::Queue(name.clone()));
        }
        Some((name, is_new))
    }

    /// Makes a System V object instead of the process, and returns its number
    /// or the error. `None` if the call would make nothing, or if the process
    /// has other namespaces or another user: then the process makes the call
    /// itself.
    pub(super) fn system_v(
        &mut self,
        kind: SystemV,
        pid: i32,
        arguments: [u64; 3],
    ) -> Option<Result<i32, Errno>> {
        let key = arguments[0] as i32;
        let (size, flags) = match kind {
            SystemV::Messages => (0, arguments[1] as i32),
            SystemV::SharedMemory | SystemV::Semaphores => {
                (arguments[1] as usize, arguments[2] as i32)
            }
        };
        let makes = key == libc::IPC_PRIVATE
            || (flags & libc::IPC_CREAT != 0 && kind.get(key, 0, 0).is_err());
        if !makes || !is_here(pid, "ipc") || !is_ours(pid) {
            return None;
        }
        let made = kind.get(key, size, flags);
        if let Ok(number) = made {
            self.note(Relic::SystemV(kind, number));
        }
        Some(made)
    }

    fn note(&mut self, relic: Relic) {
        if !self.0.contains(&relic) {
            self.0.push(relic);
        }
    }

    /// The names of the objects that still exist.
    pub(crate) fn names(&self) -> Vec<String> {
        let existing = self.0.iter().filter(|relic| relic.exists());
        existing.map(ToString::to_string).collect()
    }

    /// Removes the objects that still exist. To be called when no process is
    /// left that uses them.
    pub(crate) fn remove(&mut self) {
        for relic in self.0.drain(..).filter(Relic::exists) {
            relic.remove();
        }
    }
}

impl Relic {
    fn exists(&self) -> bool {
        match self {
            Relic::File(path) => path.symlink_metadata().is_ok(),
            Relic::Queue(name) => queue_exists(name),
            Relic::SystemV(kind, number) => kind.exists(*number),
        }
    }

    fn remove(&self) {
        match self {
            Relic::File(path) => {
                let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
            }
            Relic::Queue(name) => remove_queue(name),
            Relic::SystemV(kind, number) => kind.remove(*number),
        }
    }
}

impl fmt::Display for Relic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Relic::File(path) => match path.file_name().map(OsStrExt::as_bytes) {
                Some(name) if name.starts_with(b"sem.") => {
                    write!(f, "the semaphore {}", path.display())
                }
                _ => write!(f, "the shared memory {}", path.display()),
            },
            Relic::Queue(name) => write!(f, "the message queue /{}", name.to_string_lossy()),
            Relic::SystemV(kind, number) => {
                let kind = match kind {
                    SystemV::SharedMemory => "shared memory",
                    SystemV::Semaphores => "semaphore set",
                    SystemV::Messages => "message queue",
                };
                write!(f, "the System V {kind} with the identifier {number}")
            }
        }
    }
}

impl SystemV {
    /// shmget, semget, msgget.
    fn get(self, key: i32, size: usize, flags: i32) -> Result<i32, Errno> {
        // SAFETY: these take integers.
        Errno::result(unsafe {
            match self {
                SystemV::SharedMemory => libc::shmget(key, size, flags),
                SystemV::Semaphores => libc::semget(key, size as i32, flags),
                SystemV::Messages => libc::msgget(key, flags),
            }
        })
    }

    fn exists(self, number: i32) -> bool {
        // SAFETY: IPC_STAT fills the zeroed structure that belongs to the call.
        let found = unsafe {
            match self {
                SystemV::SharedMemory => {
                    let mut state: libc::shmid_ds = std::mem::zeroed();
                    libc::shmctl(number, libc::IPC_STAT, &raw mut state)
                }
                SystemV::Semaphores => {
                    let mut state: libc::semid_ds = std::mem::zeroed();
                    libc::semctl(number, 0, libc::IPC_STAT, &raw mut state)
                }
                SystemV::Messages => {
                    let mut state: libc::msqid_ds = std::mem::zeroed();
                    libc::msgctl(number, libc::IPC_STAT, &raw mut state)
                }
            }
        };
        // An object that this process may not look at exists too.
        Errno::result(found).err() != Some(Errno::EINVAL)
            && Errno::result(found).err() != Some(Errno::EIDRM)
    }

    fn remove(self, number: i32) {
        let nothing = std::ptr::null_mut();
        // SAFETY: IPC_RMID reads no memory.
        unsafe {
            match self {
                SystemV::SharedMemory => libc::shmctl(number, libc::IPC_RMID, nothing),
                SystemV::Semaphores => libc::semctl(number, 0, libc::IPC_RMID),
                SystemV::Messages => libc::msgctl(number, libc::IPC_RMID, nothing.cast()),
            };
        }
    }
}

/// Whether there is a queue of this name, even if this process may not open it.
fn queue_exists(name: &CStr) -> bool {
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: reads the name and makes nothing.
    let opened =
        unsafe { libc::syscall(libc::SYS_mq_open, name.as_ptr(), libc::O_RDONLY, 0, nothing) };
    if let Ok(descriptor @ 0..) = i32::try_from(opened) {
        let _ = nix::unistd::close(descriptor);
        return true;
    }
    Errno::last() == Errno::EACCES
}

/// Removes the name of a queue.
pub(super) fn remove_queue(name: &CStr) {
    // SAFETY: reads the name. The system call takes it without a slash.
    unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr()) };
}

/// Whether a path leads into [`SHARED_MEMORY`], and not out of it again by `..`.
fn is_shared_memory(path: &Path) -> bool {
    path.strip_prefix(SHARED_MEMORY).is_ok_and(|rest| {
        let mut parts = rest.components().peekable();
        parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
    })
}

/// Whether a process sees the same files, or System V objects and queues, as this one.
pub(super) fn is_here(pid: i32, namespace: &str) -> bool {
    let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).ok();
    of("self").is_some_and(|here| of(&pid.to_string()) == Some(here))
}

/// Whether the process still runs as the same user.
pub(super) fn is_ours(pid: i32) -> bool {
    let owner = fs::metadata(format!("/proc/{pid}")).map(|data| data.uid());
    owner.is_ok_and(|owner| owner == nix::unistd::geteuid().as_raw())
}

/// The path at an address in a process's memory. If it is relative, it begins
/// at the folder of this descriptor.
fn path_at(pid: i32, folder: Option<u64>, address: u64) -> Option<PathBuf> {
    let name = text_at(pid, address)?;
    let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    if name.is_absolute() {
        return Some(name.to_owned());
    }
    let folder = match folder.map(|folder| folder as i32) {
        None | Some(libc::AT_FDCWD) => fs::read_link(format!("/proc/{pid}/cwd")),
        Some(number) => fs::read_link(format!("/proc/{pid}/fd/{number}")),
    };
    Some(folder.ok()?.join(name))
}

/// The C string at an address in a process's memory.
fn text_at(pid: i32, address: u64) -> Option<CString> {
    const PIECE: u64 = 256;
    let mut text = Vec::new();
    while text.len() < libc::PATH_MAX as usize {
        let from = address.checked_add(text.len() as u64)?;
        // Not beyond the point where the next page may begin: that page may not
        // be mapped.
        let mut piece = vec![0; (PIECE - from % PIECE) as usize];
        read_memory(pid, from, &mut piece)?;
        if let Some(end) = piece.iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&piece[..end]);
            return CString::new(text).ok();
        }
        text.extend(piece);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Path, is_shared_memory};

    #[test]
    fn what_is_removed_lies_in_shared_memory() {
        for path in ["/dev/shm/a", "/dev/shm/a/b", "/dev/shm//sem.a"] {
            assert!(is_shared_memory(Path::new(path)), "{path}");
        }
        for path in [
            "/dev/shm",
            "/dev/shm/",
            "/dev/shm/../a",
            "/dev/shm/a/../../b",
            "/dev/shmem",
            "/tmp/a",
        ] {
            assert!(!is_shared_memory(Path::new(path)), "{path}");
        }
    }
}
