//! Memory that several processes can access at the same time.
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

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::{error, fmt, io, slice};

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{shm_open, shm_unlink};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fstat};
use nix::sys::sysinfo::sysinfo;
use processes::Pid;

/// A piece of memory that all processes which map it share. It is zero at
/// first.
///
/// Its contents are atomics, because another process may change them at any
/// time, and Rust's `&[u8]` promises that the bytes do not change. Accesses
/// have only the order that you request with
/// [`Ordering`](std::sync::atomic::Ordering). No process is notified of a
/// change: for that you need a futex, or another channel in addition.
///
/// There is one view of the memory, as words of eight bytes
/// ([`words`](SharedMemory::words)), and none as single bytes. With two views,
/// one thread could access a word while another accesses a byte of that word.
/// The memory model of Rust forbids such accesses if they race, also for
/// atomics (`std::sync::atomic`, "Memory model for atomic accesses"), so safe
/// code must not be able to make them. For the same reason, a program in
/// another language should access this memory in words of eight bytes.
///
/// ```compile_fail
/// let memory = ipc::SharedMemory::new(4096).unwrap();
/// let word = &memory.words()[0];
/// let a_byte_of_it = &memory.bytes()[0]; // does not exist
/// ```
///
/// Store only values that mean the same in every process: numbers and offsets,
/// never pointers. Another process may have mapped the memory at a different
/// address.
#[derive(Debug)]
pub struct SharedMemory {
    file: OwnedFd,
    mapping: MmapRaw,
    /// The name, if we created one, and the process that must remove it.
    name: Option<(String, Pid)>,
}

/// Why shared memory could not be created, opened or mapped.
#[derive(Debug)]
#[non_exhaustive]
pub enum SharedMemoryError {
    /// Shared memory cannot have this size in bytes.
    Size(usize),
    /// There is no room for this much memory: `/dev/shm` is full (ENOSPC), the
    /// machine has too little memory (ENOMEM or ENOSPC), or this process may
    /// not create so large a file (EFBIG).
    NoRoom {
        /// How many bytes the memory should have had.
        size: usize,
        /// The cause.
        source: io::Error,
    },
    /// Shared memory with this name already exists.
    NameTaken(String),
    /// There is no shared memory with this name.
    NoSuchName(String),
    /// The name is not valid. A valid name is one `/` followed by 1 to 254
    /// other bytes.
    BadName(String),
    /// Another process could shrink the memory while we use it, because
    /// `F_SEAL_SHRINK` is missing. SIGBUS kills a process that accesses the
    /// part that is gone.
    MayShrink,
    /// The system call failed.
    Io(io::Error),
}

impl fmt::Display for SharedMemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SharedMemoryError::Size(size) => {
                write!(f, "shared memory cannot have a size of {size} bytes")
            }
            SharedMemoryError::NoRoom { size, source } => {
                let advice = match source.raw_os_error() {
                    Some(libc::EFBIG) => "raise the limit for the size of files (ulimit -f)",
                    _ => "free some memory (df /dev/shm, free -h)",
                };
                write!(
                    f,
                    "there is no room for {size} bytes of shared memory: {source}; \
                     {advice}, or ask for less"
                )
            }
            SharedMemoryError::NameTaken(name) => write!(
                f,
                "shared memory named `{name}` already exists: open it, choose another name, \
                 or remove it if the process that created it was killed (rm /dev/shm{name})"
            ),
            SharedMemoryError::NoSuchName(name) => write!(
                f,
                "there is no shared memory named `{name}` (ls /dev/shm): was it created?"
            ),
            SharedMemoryError::BadName(name) => write!(
                f,
                "`{name}` is not a valid name for shared memory: \
                 write `/` and up to 254 bytes without `/`"
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
            SharedMemoryError::Io(error) | SharedMemoryError::NoRoom { source: error, .. } => {
                Some(error)
            }
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
    /// Creates memory without a name (man 2 memfd_create). This process can use
    /// it, and so can the processes that it forks and those to which it
    /// [sends](crate::send_descriptors) the descriptor. The memory can neither
    /// grow nor shrink. The kernel allocates all of it now, and frees it when no
    /// process holds it any more.
    ///
    /// # Errors
    /// [`SharedMemoryError::Size`] for 0 bytes, or for more bytes than the
    /// machine can address; [`SharedMemoryError::NoRoom`];
    /// [`SharedMemoryError::Io`].
    pub fn new(size: usize) -> Result<SharedMemory, SharedMemoryError> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create("ipc", flags)?;
        allocate(&file, size)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        SharedMemory::map(file)
    }

    /// Maps the whole of the memory that a received descriptor refers to.
    ///
    /// # Errors
    /// [`SharedMemoryError::MayShrink`] if the sender could shrink the memory,
    /// or if the descriptor refers to a file that cannot be sealed;
    /// [`SharedMemoryError::Size`] if the memory is empty;
    /// [`SharedMemoryError::Io`].
    pub fn from_fd(file: OwnedFd) -> Result<SharedMemory, SharedMemoryError> {
        // EINVAL means that the file cannot be sealed.
        let seals = match fcntl(&file, FcntlArg::F_GET_SEALS) {
            Err(Errno::EINVAL) => return Err(SharedMemoryError::MayShrink),
            other => SealFlag::from_bits_retain(other?),
        };
        if !seals.contains(SealFlag::F_SEAL_SHRINK) {
            return Err(SharedMemoryError::MayShrink);
        }
        SharedMemory::map(file)
    }

    /// Creates memory with a name, by which any process of this user can open
    /// it (man 7 shm_overview). It lies in the file system `/dev/shm`, where the
    /// kernel allocates all of it now. The process that created the memory
    /// removes the name when it drops this value. If that process is killed,
    /// the name stays.
    ///
    /// Unlike the memory of [`new`](SharedMemory::new), any process that opens
    /// this memory can shrink it. SIGBUS then kills the other processes when
    /// they access the part that is gone. Share it only with processes that you
    /// trust.
    ///
    /// # Errors
    /// [`SharedMemoryError::NameTaken`], [`SharedMemoryError::BadName`],
    /// [`SharedMemoryError::Size`], [`SharedMemoryError::NoRoom`],
    /// [`SharedMemoryError::Io`].
    pub fn create(name: &str, size: usize) -> Result<SharedMemory, SharedMemoryError> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = named(name, flags)?;
        let mapped = allocate(&file, size).and_then(|()| SharedMemory::map(file));
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

    /// Maps the whole of the memory with this name.
    ///
    /// # Errors
    /// [`SharedMemoryError::NoSuchName`], [`SharedMemoryError::BadName`];
    /// [`SharedMemoryError::Size`] if its creator has not yet given it a size;
    /// [`SharedMemoryError::Io`].
    pub fn open(name: &str) -> Result<SharedMemory, SharedMemoryError> {
        SharedMemory::map(named(name, OFlag::O_RDWR | OFlag::O_CLOEXEC)?)
    }

    fn map(file: OwnedFd) -> Result<SharedMemory, SharedMemoryError> {
        let length = fstat(&file)?.st_size;
        let size = usize::try_from(length).ok().filter(|size| *size > 0);
        let size = size.ok_or(SharedMemoryError::Size(0))?;
        let mapping = MmapOptions::new().len(size).map_raw(&file);
        Ok(SharedMemory {
            file,
            mapping: mapping.map_err(SharedMemoryError::Io)?,
            name: None,
        })
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.mapping.len()
    }

    /// The memory as words of eight bytes. If the size is not a multiple of
    /// eight, the last bytes are left out.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the memory is mapped as long as `self` lives, and it begins
        // at a page boundary, so it is aligned. Other processes may change
        // atomics. No other view of this memory exists.
        unsafe { slice::from_raw_parts(self.mapping.as_ptr().cast(), self.size() / 8) }
    }

    /// The address at which the memory is mapped in this process.
    pub(crate) fn base(&self) -> *mut u8 {
        self.mapping.as_mut_ptr()
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        if let Some((name, creator)) = &self.name
            && *creator == std::process::id().cast_signed()
        {
            _ = shm_unlink(name.as_str());
        }
    }
}

/// Gives the file its size, and memory for all of it. Without that, the kernel
/// would look for memory only when a process accesses it, and kill the process
/// with SIGBUS if there is none.
fn allocate(file: &OwnedFd, size: usize) -> Result<(), SharedMemoryError> {
    let length = i64::try_from(size).ok().filter(|length| *length > 0);
    let length = length.ok_or(SharedMemoryError::Size(size))?;
    let no_room = |errno: Errno| {
        let source = errno.into();
        Err(SharedMemoryError::NoRoom { size, source })
    };
    // A file that grows beyond this limit raises SIGXFSZ, which ends the
    // process.
    let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
    if size as u64 > limit {
        return no_room(Errno::EFBIG);
    }
    // Do not use up all the memory of the machine to find out that it is too
    // little.
    let machine = sysinfo()?;
    if size as u64 > machine.ram_total() + machine.swap_total() {
        return no_room(Errno::ENOMEM);
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::EINTR) => {}
            Err(Errno::EFBIG | Errno::EINVAL) => return Err(SharedMemoryError::Size(size)),
            Err(errno @ (Errno::ENOSPC | Errno::ENOMEM)) => return no_room(errno),
            other => return Ok(other?),
        }
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
