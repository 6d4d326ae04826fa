//! Shared memory by descriptor and by name.

use std::io::pipe;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use ipc::{SharedMemory, SharedMemoryError};

#[test]
fn shared_memory_is_seen_by_who_gets_its_descriptor() {
    let memory = SharedMemory::new(100).unwrap();
    let copy = memory.as_fd().try_clone_to_owned().unwrap();
    let same = SharedMemory::from_fd(copy).unwrap();
    assert_eq!(same.size(), 100);
    assert_eq!(same.words().len(), 12);
    memory.words()[11].store(u64::MAX, Ordering::Release);
    assert_eq!(same.words()[11].load(Ordering::Acquire), u64::MAX);
    assert_eq!(same.bytes()[95].load(Ordering::Acquire), 255);
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
