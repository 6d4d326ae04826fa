//! Shared memory by descriptor and by name, and what happens when there is no
//! room for it.

use std::error::Error;
use std::io::{self, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use ipc::{SharedMemory, SharedMemoryError};
use nix::sched::{CloneFlags, unshare};
use processes::{Limits, limits};

#[test]
fn shared_memory_is_seen_by_who_gets_its_descriptor() {
    let memory = SharedMemory::new(100).unwrap();
    let copy = memory.as_fd().try_clone_to_owned().unwrap();
    let same = SharedMemory::from_fd(copy).unwrap();
    assert_eq!(same.size(), 100);
    assert_eq!(same.words().len(), 12);
    memory.words()[11].store(u64::MAX, Ordering::Release);
    assert_eq!(same.words()[11].load(Ordering::Acquire), u64::MAX);
}

#[test]
fn memory_that_may_shrink_is_refused() {
    let unsealed = nix::sys::memfd::memfd_create("x", nix::sys::memfd::MFdFlags::MFD_CLOEXEC);
    let unsealed = unsealed.unwrap();
    nix::unistd::ftruncate(&unsealed, 4096).unwrap();
    let refused = SharedMemory::from_fd(unsealed).unwrap_err();
    assert!(
        matches!(refused, SharedMemoryError::MayShrink),
        "{refused:?}"
    );
    let (reader, _writer) = pipe().unwrap();
    let refused = SharedMemory::from_fd(OwnedFd::from(reader)).unwrap_err();
    assert!(
        matches!(refused, SharedMemoryError::MayShrink),
        "{refused:?}"
    );
    // Ours cannot.
    let memory = SharedMemory::new(4096).unwrap();
    let shrunk = nix::unistd::ftruncate(&memory, 1);
    assert_eq!(shrunk, Err(nix::errno::Errno::EPERM));
}

#[test]
fn shared_memory_has_one_owner_and_its_name_goes_with_it() {
    let name = format!("/ipc-test-memory-{}", std::process::id());
    assert!(matches!(
        SharedMemory::open(&name),
        Err(SharedMemoryError::NoSuchName(_))
    ));
    let memory = SharedMemory::create(&name, 4096).unwrap();
    let taken = SharedMemory::create(&name, 4096);
    assert!(
        matches!(taken, Err(SharedMemoryError::NameTaken(_))),
        "{taken:?}"
    );
    let other = SharedMemory::open(&name).unwrap();
    other.words()[0].store(5, Ordering::Release);
    assert_eq!(memory.words()[0].load(Ordering::Acquire), 5);
    drop(memory);
    assert!(matches!(
        SharedMemory::open(&name),
        Err(SharedMemoryError::NoSuchName(_))
    ));
    for bad in ["", "x", "/", "/a/b"] {
        assert!(matches!(
            SharedMemory::open(bad),
            Err(SharedMemoryError::BadName(_))
        ));
    }
    for size in [0, usize::MAX] {
        assert!(matches!(
            SharedMemory::new(size),
            Err(SharedMemoryError::Size(_))
        ));
        assert!(matches!(
            SharedMemory::create(&name, size),
            Err(SharedMemoryError::Size(_))
        ));
    }
    assert!(matches!(
        SharedMemory::open(&name),
        Err(SharedMemoryError::NoSuchName(_))
    ));
}

/// How a child says that it could not try what it was started for.
const SKIPPED: i32 = 77;

/// The error of the system call that made this fail.
fn errno(failed: &SharedMemoryError) -> Option<i32> {
    let cause = failed.source()?.downcast_ref::<io::Error>()?;
    cause.raw_os_error()
}

/// Gives this process a `/dev/shm` of its own that holds 64 KiB. This takes user
/// namespaces, but no privilege.
fn with_a_small_dev_shm() -> io::Result<()> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    let (nothing, private) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    let size = c"size=64k".as_ptr().cast();
    // SAFETY: all texts are C strings, and a null pointer stands for none.
    let mounted = unsafe {
        libc::mount(nothing, c"/".as_ptr(), nothing, private, nothing.cast()) == 0
            && libc::mount(
                c"tmpfs".as_ptr(),
                c"/dev/shm".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                size,
            ) == 0
    };
    if mounted {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[test]
fn a_full_dev_shm_is_an_error_at_creation_and_leaves_no_name_behind() {
    let mut child = processes::fork(|| {
        if let Err(why) = with_a_small_dev_shm() {
            eprintln!("skipped: no /dev/shm for this test alone: {why}");
            return SKIPPED;
        }
        let refused = SharedMemory::create("/too-large", 1 << 20).unwrap_err();
        assert_eq!(errno(&refused), Some(libc::ENOSPC), "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains("1048576 bytes"), "{text}");
        assert!(text.contains("No space left on device"), "{text}");
        assert!(text.contains("df /dev/shm"), "{text}");
        assert_eq!(std::fs::read_dir("/dev/shm").unwrap().count(), 0);
        // What fits is there, to the last word.
        let memory = SharedMemory::create("/fits", 1 << 16).unwrap();
        memory.words()[8191].store(1, Ordering::Release);
        let refused = SharedMemory::create("/full", 1).unwrap_err();
        assert_eq!(errno(&refused), Some(libc::ENOSPC), "{refused:?}");
        0
    })
    .unwrap();
    let ended = child.wait().unwrap();
    assert!(
        ended.success() || ended.status() == Some(SKIPPED),
        "{ended}"
    );
}

/// A process that makes a file longer than its limit gets SIGXFSZ, which ends it.
#[test]
fn the_limit_for_files_is_an_error_and_not_a_signal() {
    let mut child = processes::fork(|| {
        let limits = Limits {
            file_size: Some(4096),
            core: Some(0),
            ..Limits::default()
        };
        limits::apply(&limits).unwrap();
        SharedMemory::new(4096).unwrap();
        let name = format!("/ipc-test-limit-{}", std::process::id());
        for refused in [
            SharedMemory::new(4097).unwrap_err(),
            SharedMemory::create(&name, 4097).unwrap_err(),
        ] {
            assert_eq!(errno(&refused), Some(libc::EFBIG), "{refused:?}");
            assert!(refused.to_string().contains("ulimit -f"), "{refused}");
        }
        let gone = SharedMemory::open(&name).unwrap_err();
        i32::from(!matches!(gone, SharedMemoryError::NoSuchName(_)))
    })
    .unwrap();
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended}");
}
