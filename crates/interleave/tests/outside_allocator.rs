//! The handler of refused system calls uses no memory: it may have interrupted the allocator, which
//! opens files and waits for locks of its own. If it then asked the allocator for memory, it would
//! wait for a lock that its own thread holds.
#![cfg(target_env = "gnu")]

mod common;
use common::explored;

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

mod nothing {}

thread_local! {
    /// Whether this thread is inside an allocation that makes a system call.
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
}

/// Whether each allocation makes a system call that is refused to modelled threads. The explorer
/// allocates, too: its first allocation comes before the first operation of the model.
static CALLS: AtomicBool = AtomicBool::new(false);

/// Whether the allocator was asked for memory while it was at work for the same thread.
static WAS_ASKED_MEANWHILE: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
}

/// Takes the place of the C library's function in this program. Rust's allocator calls it.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    asked();
    // SAFETY: it is the C library's own `malloc`, by its other name.
    unsafe { __libc_malloc(size) }
}

/// The C library itself calls it, when a thread-local value gets a destructor.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    asked();
    // SAFETY: it is the C library's own `calloc`, by its other name.
    unsafe { __libc_calloc(count, size) }
}

/// What an allocator does that opens a file while it holds its lock.
fn asked() {
    if IS_CALLING.get() {
        WAS_ASKED_MEANWHILE.store(true, Ordering::Relaxed);
    } else if CALLS.load(Ordering::Relaxed) {
        IS_CALLING.set(true);
        // SAFETY: the call only looks whether there is such a file.
        unsafe { libc::access(c"/etc/hostname".as_ptr(), libc::F_OK) };
        IS_CALLING.set(false);
    }
}

interleave::scenarios! {
    exercise = crate::nothing;

    use interleave_model::real_std as real;

    pub fn allocates() {
        let thread = thread::spawn(|| {
            drop(real::hint::black_box(real::boxed::Box::new(1)));
        });
        thread.join().unwrap();
    }
}

#[test]
fn the_handler_of_a_refused_call_does_not_allocate() {
    CALLS.store(true, Ordering::Relaxed);
    let found = explored(scenarios::allocates);
    CALLS.store(false, Ordering::Relaxed);
    let reason = found.not_judged.expect("no verdict");
    assert!(reason.contains("uses the file system"), "{reason}");
    assert!(!WAS_ASKED_MEANWHILE.load(Ordering::Relaxed));
}
