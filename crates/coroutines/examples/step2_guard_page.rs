//! Step 2: a guard page below the stack, and what it does not protect.
//!
//! The program starts itself once more, as a child in which the fiber overflows
//! its stack, and says how the kernel ended that child. Then it throws away a
//! fiber that has not ended.

mod from_scratch;

use std::cell::Cell;
use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::ptr;

use from_scratch::{prepare, switch};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use nix::sys::resource::{Resource, setrlimit};

const PAGE: usize = 64 * 1024; // a multiple of the page size on every Linux

thread_local! {
    static MAIN: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
    static FIBER: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
}

fn resume() {
    // SAFETY: the fiber waits on a stack that is mapped.
    MAIN.with(|main| unsafe { switch(main.as_ptr(), FIBER.get()) });
}

fn suspend() {
    // SAFETY: the main stack waits in `resume`.
    FIBER.with(|fiber| unsafe { switch(fiber.as_ptr(), MAIN.get()) });
}

// ANCHOR: stack
/// A stack in a mapping of its own. Its lowest page is a guard page: no code
/// may read or write it.
struct GuardedStack {
    start: ptr::NonNull<std::ffi::c_void>,
    length: NonZeroUsize,
}

impl GuardedStack {
    fn new(size: NonZeroUsize) -> nix::Result<Self> {
        let length = size.saturating_add(PAGE);
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK;
        // SAFETY: a new mapping at an address that the kernel chooses, and its
        // first page, which nobody uses.
        unsafe {
            let start = mmap_anonymous(None, length, access, flags)?;
            mprotect(start, PAGE, ProtFlags::PROT_NONE)?;
            Ok(Self { start, length })
        }
    }

    fn top(&self) -> *mut u8 {
        // SAFETY: the end of our own mapping.
        unsafe { self.start.as_ptr().byte_add(self.length.get()).cast() }
    }
}

impl Drop for GuardedStack {
    fn drop(&mut self) {
        // SAFETY: nobody runs on this stack again.
        let _ = unsafe { munmap(self.start, self.length.get()) };
    }
}
// ANCHOR_END: stack

fn recurse(levels: usize) {
    let frame = black_box([0xEE_u8; 1024]);
    if levels > 1 {
        recurse(levels - 1);
    }
    black_box(&frame);
}

extern "C" fn overflows() -> ! {
    recurse(1_000);
    println!("the fiber has survived");
    loop {
        suspend();
    }
}

// ANCHOR: leaks
struct Roommate(&'static str);

impl Drop for Roommate {
    fn drop(&mut self) {
        println!("    {} has left and locked the door", self.0);
    }
}

extern "C" fn waits() -> ! {
    let _ada = Roommate("Ada");
    println!("    Ada has come in");
    loop {
        suspend();
    }
}

fn abandon_a_fiber() -> nix::Result<()> {
    let stack = GuardedStack::new(NonZeroUsize::new(PAGE).unwrap_or(NonZeroUsize::MIN))?;
    // SAFETY: this is the top of a stack on which nothing runs.
    FIBER.set(unsafe { prepare(stack.top(), waits) });
    resume();
    println!("main: I throw the fiber away");
    drop(stack);
    println!("main: its stack is gone");
    Ok(())
}
// ANCHOR_END: leaks

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("overflow") {
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?; // no core file
        let stack = GuardedStack::new(NonZeroUsize::new(PAGE).ok_or("no size")?)?;
        // SAFETY: this is the top of a stack on which nothing runs.
        FIBER.set(unsafe { prepare(stack.top(), overflows) });
        resume();
        return Ok(());
    }
    let status = Command::new(std::env::current_exe()?)
        .arg("overflow")
        .stderr(Stdio::null())
        .status()?;
    match status.signal() {
        Some(libc::SIGSEGV) => println!("overflow: the kernel ended the process with SIGSEGV"),
        Some(libc::SIGABRT) => println!("overflow: the process noticed it and aborted (SIGABRT)"),
        _ => println!("overflow: the process ended with {status}"),
    }
    abandon_a_fiber()?;
    Ok(())
}
