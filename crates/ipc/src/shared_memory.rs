//! Memory that several processes see at once.
//!
//! ```
//! use ipc::SharedMemory;
//! use std::sync::atomic::Ordering::Relaxed;
//!
//! let memory = SharedMemory::new(4096)?;
//! let mut child = processes::fork(|| {
//!     memory.words()[0].store(42, Relaxed);
//!     0
//! })?;
//! child.wait()?;
//! assert_eq!(memory.words()[0].load(Relaxed), 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap, shm_open, shm_unlink};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::ftruncate;
use processes::Pid;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::{error, fmt, io, slice};

/// A piece of memory that every process which maps it sees, zero at first.
///
/// Its contents are atomics: another process may change them at any time, and
/// Rust's `&[u8]` promises that nobody does. They are without any order but the
/// one that you ask for with [`Ordering`](std::sync::atomic::Ordering), and
/// nobody is told of a change: that takes a futex, or another channel beside.
///
/// What lies here must mean the same everywhere: numbers and offsets, never
/// pointers, for another process may have mapped it elsewhere.
#[derive(Debug)]
pub struct SharedMemory {
    file: OwnedFd,
    base: NonNull<u8>,
    size: NonZeroUsize,
    /// A name, and the process that is to remove it.
    name: Option<(String, Pid)>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is reached
// through atomics.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

/// Why there is no shared memory.
#[derive(Debug)]
#[non_exhaustive]
pub enum SharedMemoryError {
    /// No memory has this size in bytes.
    Size(usize),
    /// The name is taken.
    NameTaken(String),
    /// There is no shared memory of this name.
    NoSuchName(String),
    /// A name is one `/` with up to 254 other bytes behind it.
    BadName(String),
    /// The memory could shrink under us (`F_SEAL_SHRINK` is missing), and who
    /// touches what is gone is killed by SIGBUS.
    MayShrink,
    /// The system call failed.
    Io(io::Error),
}

impl fmt::Display for SharedMemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SharedMemoryError::Size(size) => {
                write!(f, "shared memory of {size} bytes cannot be")
            }
            SharedMemoryError::NameTaken(name) => write!(
                f,
                "there is shared memory of the name `{name}` already: open it, choose another \
                 name, or remove it if its owner was killed (rm /dev/shm{name})"
            ),
            SharedMemoryError::NoSuchName(name) => write!(
                f,
                "there is no shared memory of the name `{name}` (ls /dev/shm): was it created?"
            ),
            SharedMemoryError::BadName(name) => write!(
                f,
                "`{name}` is no name for shared memory: write `/` and up to 254 bytes without `/`"
            ),
            SharedMemoryError::MayShrink => f.write_str(
                "the memory may shrink while it is used: seal it with F_SEAL_SHRINK first",
            ),
            SharedMemoryError::Io(error) => write!(f, "shared memory: {error}"),
        }
    }
}

impl error::Error for SharedMemoryError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            SharedMemoryError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Errno> for SharedMemoryError {
    fn from(errno: Errno) -> SharedMemoryError {
        SharedMemoryError::Io(errno.into())
    }
}

impl SharedMemory {
    /// New memory without a name, for this process, those forked from it and
    /// those that are [sent](crate::send_descriptors) its descriptor (man 2
    /// memfd_create). It can neither grow nor shrink. It goes with its last
    /// holder.
    ///
    /// # Errors
    /// [`SharedMemoryError::Size`] for 0 bytes or more than the machine can
    /// address; [`SharedMemoryError::Io`].
    pub fn new(size: usize) -> Result<SharedMemory, SharedMemoryError> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create("ipc", flags)?;
        grow(&file, size)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        SharedMemory::map(file)
    }

    /// Maps memory that came by descriptor, whole.
    ///
    /// # Errors
    /// [`SharedMemoryError::MayShrink`] if its sender could make it shorter;
    /// [`SharedMemoryError::Size`] if it is empty; [`SharedMemoryError::Io`] if
    /// it is no memory at all.
    pub fn from_fd(file: OwnedFd) -> Result<SharedMemory, SharedMemoryError> {
        // EINVAL: a file that cannot be sealed.
        let seals = match fcntl(&file, FcntlArg::F_GET_SEALS) {
            Err(Errno::EINVAL) => return Err(SharedMemoryError::MayShrink),
            other => SealFlag::from_bits_retain(other?),
        };
        if !seals.contains(SealFlag::F_SEAL_SHRINK) {
            return Err(SharedMemoryError::MayShrink);
        }
        SharedMemory::map(file)
    }

    /// New memory under a name, for any process of this user (man 7
    /// shm_overview). The name is removed when this value is dropped by the
    /// process that made it; a killed process leaves it behind.
    ///
    /// Unlike [`new`](SharedMemory::new)'s, it can be shortened by whoever opens
    /// it, and then kills all others by SIGBUS: share it with friends only.
    ///
    /// # Errors
    /// [`SharedMemoryError::NameTaken`], [`SharedMemoryError::BadName`],
    /// [`SharedMemoryError::Size`], [`SharedMemoryError::Io`].
    pub fn create(name: &str, size: usize) -> Result<SharedMemory, SharedMemoryError> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = named(name, flags)?;
        let mapped = grow(&file, size).and_then(|()| SharedMemory::map(file));
        match mapped {
            Ok(mut memory) => {
                memory.name = Some((name.to_owned(), std::process::id().cast_signed()));
                Ok(memory)
            }
            Err(error) => {
                _ = shm_unlink(name);
                Err(error)
            }
        }
    }

    /// Maps the memory of this name, whole.
    ///
    /// # Errors
    /// [`SharedMemoryError::NoSuchName`], [`SharedMemoryError::BadName`];
    /// [`SharedMemoryError::Size`] if its creator has not got so far as to give
    /// it a size; [`SharedMemoryError::Io`].
    pub fn open(name: &str) -> Result<SharedMemory, SharedMemoryError> {
        SharedMemory::map(named(name, OFlag::O_RDWR | OFlag::O_CLOEXEC)?)
    }

    fn map(file: OwnedFd) -> Result<SharedMemory, SharedMemoryError> {
        let length = fstat(&file)?.st_size;
        let size = usize::try_from(length).ok().and_then(NonZeroUsize::new);
        let size = size.ok_or(SharedMemoryError::Size(0))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping where the kernel likes disturbs nothing.
        let base = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(SharedMemory {
            file,
            base: base.cast(),
            size,
            name: None,
        })
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size.get()
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: mapped as long as `self`, and atomics may be changed by others.
        unsafe { slice::from_raw_parts(self.base.as_ptr().cast(), self.size()) }
    }

    /// The same as words of eight bytes; what is left over at the end is left
    /// out.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: as above; the mapping begins on a page, so it is aligned.
        unsafe { slice::from_raw_parts(self.base.as_ptr().cast(), self.size() / 8) }
    }

    /// Where it is mapped in this process.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: our own mapping, whole; nothing borrows from it any more.
        _ = unsafe { munmap(self.base.cast(), self.size()) };
        if let Some((name, creator)) = &self.name
            && *creator == std::process::id().cast_signed()
        {
            _ = shm_unlink(name.as_str());
        }
    }
}

fn grow(file: &OwnedFd, size: usize) -> Result<(), SharedMemoryError> {
    let length = i64::try_from(size).ok().filter(|length| *length > 0);
    let length = length.ok_or(SharedMemoryError::Size(size))?;
    match ftruncate(file, length) {
        Err(Errno::EFBIG | Errno::EINVAL) => Err(SharedMemoryError::Size(size)),
        other => Ok(other?),
    }
}

fn named(name: &str, flags: OFlag) -> Result<OwnedFd, SharedMemoryError> {
    let rest = name.strip_prefix('/').unwrap_or_default();
    let good = !rest.is_empty() && rest.len() <= 254 && !rest.contains(['/', '\0']);
    if !good {
        return Err(SharedMemoryError::BadName(name.to_owned()));
    }
    match shm_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        Err(Errno::EEXIST) => Err(SharedMemoryError::NameTaken(name.to_owned())),
        Err(Errno::ENOENT) => Err(SharedMemoryError::NoSuchName(name.to_owned())),
        other => Ok(other?),
    }
}
