//! A fence around the subject (Landlock, man 7 landlock): the subject writes
//! only where programs keep temporary files, and signals and traces only its
//! own processes.
//!
//! Learner code runs with the learner's rights, so its mistakes hit the
//! learner's own files and processes. For example, code that ignores a failed
//! fork and then calls `kill(-1, …)` ends the whole session. Code that attacks
//! the course could replace the judge's program on disk, or its sources. Behind
//! the fence
//!
//! - the subject can write, make and remove files only in the folders for
//!   temporary files, in `/dev`, in `/proc`, and in the working folder if that
//!   was made for the run (it can change the modes and times of other files
//!   too), and it can open message queues;
//! - its signals reach only processes that the subject started (Linux 6.12);
//! - it can neither trace a process outside nor take its descriptors, not even
//!   as root.
//!
//! The fence restricts neither reading nor executing. A kernel without Landlock
//! has no fence; no verdict depends on it.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The environment variable with a list of folders, separated as in `PATH`, in
/// which the subject must not write even if they lie in a folder for temporary
/// files.
pub const GUARDED: &str = "PROCTOR_GUARDED";
/// The environment variable that switches the fence off, for tests of what must
/// hold without it.
const UNFENCED: &str = "PROCTOR_UNFENCED";

/// `struct landlock_ruleset_attr` (linux/landlock.h).
#[repr(C)]
#[derive(Default)]
struct Ruleset {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`, which is packed.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// Bits of `LANDLOCK_ACCESS_FS_…`: everything that changes a file or folder.
const WRITE_FILE: u64 = 1 << 1;
const REMOVE_AND_MAKE: u64 = 0b1_1111_1111 << 4;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
/// `LANDLOCK_SCOPE_SIGNAL`.
const SCOPE_SIGNAL: u64 = 1 << 1;
/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: u32 = 1;
/// `LANDLOCK_RULE_PATH_BENEATH`.
const PATH_BENEATH: u32 = 1;

/// What a version of Landlock can restrict.
fn ruleset(version: i64) -> Ruleset {
    let since = |first, bits| if version >= first { bits } else { 0 };
    Ruleset {
        handled_access_fs: WRITE_FILE | REMOVE_AND_MAKE | since(2, REFER) | since(3, TRUNCATE),
        handled_access_net: 0,
        scoped: since(6, SCOPE_SIGNAL),
    }
}

/// The version of the kernel's Landlock. From version 6 (Linux 6.12) on, it can
/// restrict signals.
///
/// # Errors
/// ENOSYS: the kernel has no Landlock. EOPNOTSUPP: it is switched off.
pub fn landlock_version() -> nix::Result<i64> {
    // SAFETY: asks for the version and reads no memory.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<Ruleset>(),
            0_usize,
            VERSION,
        )
    };
    Errno::result(version)
}

/// Puts the calling thread, and all that it starts, behind the fence.
///
/// # Errors
/// The caller can ignore them: without Landlock there is just no fence.
pub(crate) fn enter() -> Result<(), Errno> {
    if std::env::var_os(UNFENCED).is_some() {
        return Ok(());
    }
    let rules = ruleset(landlock_version()?);
    // SAFETY: the kernel copies the structure. An older kernel knows only its
    // beginning and demands that the rest is zero.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const rules,
            size_of::<Ruleset>(),
            0,
        )
    };
    let made = i32::try_from(Errno::result(made)?).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel just made it for us.
    let made = unsafe { OwnedFd::from_raw_fd(made) };
    for folder in writable() {
        // Nobody can write in a folder that does not exist, so it needs no
        // rule.
        let _ = open(&folder).and_then(|fd| allow(&made, &fd, rules.handled_access_fs));
    }
    for queues in message_queues().into_iter().flatten() {
        let _ = allow(&made, &queues, rules.handled_access_fs);
    }
    nix::sys::prctl::set_no_new_privs()?;
    // SAFETY: takes integers.
    let entered = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, made.as_raw_fd(), 0) };
    Errno::result(entered).map(drop)
}

/// Whether processes behind the fence cannot open message queues for writing.
pub(crate) fn closes_queues() -> bool {
    std::env::var_os(UNFENCED).is_none()
        && landlock_version().is_ok()
        && message_queues().iter().all(Result::is_err)
}

/// The folders in which the subject may write.
fn writable() -> Vec<PathBuf> {
    let guarded = std::env::var_os(GUARDED).unwrap_or_default();
    let plain = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let guarded: Vec<PathBuf> = std::env::split_paths(&guarded)
        .filter(|path| path.is_absolute())
        .map(plain)
        .collect();
    let temporary = [
        PathBuf::from("/tmp"),
        PathBuf::from("/var/tmp"),
        std::env::temp_dir(),
    ];
    let holds_it = |folder: &Path| guarded.iter().any(|guarded| guarded.starts_with(folder));
    let mut folders = vec![PathBuf::from("/dev"), PathBuf::from("/proc")];
    folders.extend(
        temporary
            .into_iter()
            .map(plain)
            .filter(|folder| !holds_it(folder)),
    );
    // Under `cargo test` the working folder is that of the exercise, with its
    // tests.
    if !guarded.is_empty() {
        folders.extend(std::env::current_dir());
    }
    folders
}

/// Descriptors of the file system that holds the message queues (man 7
/// mq_overview).
///
/// `mq_open` finds the queues in a mount that the kernel keeps for itself, so a
/// rule for `/dev` does not apply to them, but a rule for the root of their
/// file system does. There are two ways to that root: the place where it is
/// mounted, and a new mount by a process that may mount. Where neither is
/// possible, the warden opens the queues (see `starts::queues`).
fn message_queues() -> [Result<OwnedFd, Errno>; 2] {
    /// `FSCONFIG_CMD_CREATE` (linux/mount.h).
    const CREATE: u32 = 6;
    let own = |fd: i64| {
        let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the kernel just made it for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: the name is a C string; the other calls take integers and null.
    let mounted = unsafe {
        own(libc::syscall(libc::SYS_fsopen, c"mqueue".as_ptr(), 1)).and_then(|fs| {
            let fd = fs.as_raw_fd();
            Errno::result(libc::syscall(libc::SYS_fsconfig, fd, CREATE, null, null, 0))?;
            own(libc::syscall(libc::SYS_fsmount, fd, 1, 0))
        })
    };
    [open(Path::new("/dev/mqueue")), mounted]
}

fn open(folder: &Path) -> Result<OwnedFd, Errno> {
    let path = CString::new(folder.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the path is a C string.
    let fd = Errno::result(unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) })?;
    // SAFETY: the kernel just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn allow(rules: &OwnedFd, fd: &OwnedFd, access: u64) -> Result<(), Errno> {
    let rule = PathBeneath {
        allowed_access: access,
        parent_fd: fd.as_raw_fd(),
    };
    // SAFETY: the kernel copies the structure.
    let added = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            PATH_BENEATH,
            &raw const rule,
            0,
        )
    };
    Errno::result(added).map(drop)
}
