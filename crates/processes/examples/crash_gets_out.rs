//! Four ways in which the crash of one process reaches another: a pipe without a
//! reader, shared memory that is half written, a lock whose holder is dead, and a
//! zombie.
//!
//! `cargo run -p processes --example crash_gets_out`

use std::error::Error;
use std::io::{self, PipeWriter, Read, Write, pipe};
use std::num::NonZeroUsize;
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::{SigHandler, Signal, signal};
use processes::{Child, Pid, fork, proc};

/// How long a survivor waits for something that will not happen.
const PATIENCE: Duration = Duration::from_millis(100);

/// Crashes, and leaves no core file.
fn crash() -> i32 {
    _ = set_dumpable(false);
    std::process::abort();
}

/// What two processes share: an account in two parts, and a lock that holds the
/// number of its owner, or 0.
#[derive(Default)]
struct Shared {
    lock: AtomicU32,
    withdrawn: AtomicU32,
    deposited: AtomicU32,
}

impl Shared {
    /// Memory that stays shared after a fork.
    fn new() -> nix::Result<&'static Shared> {
        let length = NonZeroUsize::new(size_of::<Shared>()).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the mapping is new, full of zeros, aligned to a page, and never
        // unmapped. Zeros are valid values of atomics.
        unsafe {
            let start = mmap_anonymous(None, length, protection, MapFlags::MAP_SHARED)?;
            Ok(start.cast::<Shared>().as_ref())
        }
    }

    fn try_lock(&self) -> bool {
        let taken = self
            .lock
            .compare_exchange(0, id(), Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    /// Moves 10 from one part to the other. Other processes never see the middle,
    /// unless this process ends there.
    fn transfer(&self, in_the_middle: impl FnOnce()) {
        while !self.try_lock() {
            thread::yield_now();
        }
        self.withdrawn.fetch_add(10, Ordering::Relaxed);
        in_the_middle();
        self.deposited.fetch_add(10, Ordering::Relaxed);
        self.lock.store(0, Ordering::Release);
    }
}

/// A reader crashes; the process that writes to it is healthy, and dies.
fn the_writer_dies_with_its_reader() -> Result<(), Box<dyn Error>> {
    let (reader, writer) = pipe()?;
    let mut reading = fork({
        let reader = &reader;
        move || {
            _ = { reader }.read(&mut [0]);
            crash()
        }
    })?;
    drop(reader);
    let mut healthy = fork(move || write_for_ever(writer))?;
    println!("1. the reader of a pipe: {}", reading.wait()?);
    println!("   its healthy writer:   {}", healthy.wait()?);
    Ok(())
}

/// Writes until that is an error, or the end.
fn write_for_ever(mut writer: PipeWriter) -> i32 {
    // SAFETY: the default action, which most programs have. (Rust's runtime
    // ignores SIGPIPE, so that a write returns an error.)
    _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    while writer.write_all(b"are you there?").is_ok() {}
    0
}

/// A process crashes in the middle of an update, while it holds a lock.
fn what_is_shared_stays_as_it_was_left() -> Result<(), Box<dyn Error>> {
    let shared = Shared::new()?;
    let mut child = fork(|| {
        shared.transfer(|| _ = crash());
        0
    })?;
    let pid = child.pid();
    child.wait()?;
    let (withdrawn, deposited) = (&shared.withdrawn, &shared.deposited);
    println!(
        "2. shared memory: {} withdrawn, {} deposited",
        withdrawn.load(Ordering::Relaxed),
        deposited.load(Ordering::Relaxed)
    );
    let deadline = Instant::now() + PATIENCE;
    let mut got_it = false;
    while !got_it && Instant::now() < deadline {
        got_it = shared.try_lock();
        thread::yield_now();
    }
    let owner = shared.lock.load(Ordering::Relaxed).cast_signed();
    println!(
        "3. the lock: the survivor gets it: {got_it}; its owner is dead: {}",
        owner == pid && is_gone(pid)
    );
    Ok(())
}

fn is_gone(pid: Pid) -> bool {
    proc::stat(pid).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// A child crashes, and the kernel keeps a part of it for the parent.
fn the_parent_has_a_duty_left() -> Result<(), Box<dyn Error>> {
    let mut child: Child = fork(crash)?;
    let pid = child.pid();
    while !proc::stat(pid)?.has_ended() {
        thread::yield_now();
    }
    println!("4. the process table: {:?}", proc::stat(pid)?.state);
    child.wait()?;
    println!("   after the wait, gone: {}", is_gone(pid));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    the_writer_dies_with_its_reader()?;
    what_is_shared_stays_as_it_was_left()?;
    the_parent_has_a_duty_left()
}
