//! Why a Rust program aborts, reported by the code that knows it.
//!
//! When an allocation fails or a stack overflows, Rust prints a line on
//! standard error and ends the program with SIGABRT. But any code can print
//! such a line. So the allocator itself reports that the system refused it
//! memory, and a handler of SIGSEGV reports a fault whose address, as the
//! kernel gives it, lies at the end of the stack. The judge takes the report as
//! the cause only if the process then dies.
//!
//! A report goes to the judge in one system call and without an allocation,
//! because in that situation nothing else works.

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::subject::witness;
use crate::wire::Body;

/// What has happened to a subject's process that may end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trouble {
    /// The system refused an allocation of this many bytes, and has granted
    /// none since.
    NoMemory { bytes: u64 },
    /// A later allocation was granted: the code has coped with the refusal.
    MemoryAgain,
    /// The stack pointer ran into memory that may not be used.
    StackOverflow,
}

/// How far below the stack pointer a function's first access may be. Code
/// touches larger frames page by page.
const REACH: usize = 64 << 10;
/// How far above the stack pointer it may be: the word that was being pushed.
const PAGE: usize = 4 << 10;

/// Whether the last request for memory was refused.
static REFUSED: AtomicBool = AtomicBool::new(false);

pub(crate) fn no_memory(bytes: u64) {
    REFUSED.store(true, Relaxed);
    witness::say(Body::Trouble(Trouble::NoMemory { bytes }));
}

pub(crate) fn memory_again() {
    if REFUSED.load(Relaxed) && REFUSED.swap(false, Relaxed) {
        witness::say(Body::Trouble(Trouble::MemoryAgain));
    }
}

/// The handlers that were set before ours: the Rust runtime's.
static mut BEFORE: [MaybeUninit<libc::sigaction>; 2] = [MaybeUninit::zeroed(); 2];

const SIGNALS: [i32; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Makes the process report stack overflows. To be called once, while the
/// process has one thread.
pub(crate) fn report_stack_overflows() {
    for (index, signal) in SIGNALS.into_iter().enumerate() {
        // SAFETY: no other thread and no handler of ours reads BEFORE yet; the
        // structures are valid; `on_fault` does what a handler may do.
        unsafe {
            let mut ours: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
            ours.sa_sigaction = handler as usize;
            // On the stack that the runtime sets aside for this: the other one is full.
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            let before = (&raw mut BEFORE[index]).cast();
            libc::sigaction(signal, &raw const ours, before);
        }
    }
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes both, valid until the handler returns.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    let stack = stack_pointer(context);
    // A code above 0 means that the kernel sent the signal, not a process.
    if code > 0 && (stack.saturating_sub(REACH)..stack.saturating_add(PAGE)).contains(&address) {
        witness::say(Body::Trouble(Trouble::StackOverflow));
    }
    let index = usize::from(signal == libc::SIGBUS);
    // SAFETY: BEFORE is written before this handler is set, and never again.
    // What it holds is an action as the kernel gave it, called as the kernel would.
    unsafe {
        let before = (&raw const BEFORE[index]).cast::<libc::sigaction>();
        match (*before).sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                // The thread repeats the access, which now ends the process.
                libc::sigaction(signal, before, null_mut());
            }
            handler => {
                let handler = std::mem::transmute::<
                    usize,
                    extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void),
                >(handler);
                handler(signal, info, context);
            }
        }
    }
}

/// The stack pointer when the signal arrived.
fn stack_pointer(context: *mut libc::c_void) -> usize {
    let context = context.cast::<libc::ucontext_t>();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel passes a valid context.
    let pointer = unsafe { (*context).uc_mcontext.gregs[libc::REG_RSP as usize] as usize };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel passes a valid context.
    let pointer = unsafe { (*context).uc_mcontext.sp as usize };
    pointer
}
