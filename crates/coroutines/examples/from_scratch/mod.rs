//! A switch between two stacks, from scratch: what `step1_switch` and
//! `step2_guard_page` have in common.
//!
//! It leaves out what the library adds: values, panics and destructors.

use std::arch::naked_asm;

// ANCHOR: saved
/// What a stack that does not run has at its stack pointer: the registers that
/// a function must give back unchanged, and the address where it continues.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
pub(crate) struct Saved {
    r15: usize,
    r14: usize,
    r13: usize,
    r12: usize,
    rbx: usize,
    rbp: usize,
    continue_at: usize,
}
// ANCHOR_END: saved

/// The same on aarch64: x19 to x28, the frame pointer, the address where it
/// continues, and the lower halves of v8 to v15.
#[cfg(target_arch = "aarch64")]
#[repr(C)]
pub(crate) struct Saved {
    x19_to_x28: [usize; 10],
    frame_pointer: usize,
    continue_at: usize,
    d8_to_d15: [usize; 8],
}

// ANCHOR: switch
/// Saves the registers on the stack that runs, stores its stack pointer in
/// `*from`, and continues on the stack whose stack pointer is `to`.
///
/// # Safety
///
/// At `to` there is a [`Saved`] of a stack that still exists and does not run.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch(from: *mut *mut u8, to: *mut u8) {
    naked_asm!(
        // The `call` of this function has pushed the return address already.
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp", // this stack waits here
        "mov rsp, rsi",   // from now on, we are on the other stack
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret", // to the return address on the *other* stack
    )
}
// ANCHOR_END: switch

/// The same on aarch64.
///
/// # Safety
///
/// At `to` there is a [`Saved`] of a stack that still exists and does not run.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch(from: *mut *mut u8, to: *mut u8) {
    naked_asm!(
        "sub sp, sp, #160",
        "stp x19, x20, [sp]",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov sp, x1",
        "ldp x19, x20, [sp]",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "add sp, sp, #160",
        "ret",
    )
}

// ANCHOR: prepare
/// Makes a new stack look as if it had called [`switch`] at the beginning of
/// `body`. Returns its stack pointer.
///
/// # Safety
///
/// `top` is aligned to 16 bytes, and the 256 bytes below it may be written.
/// `body` never returns: there is no frame above it.
pub(crate) unsafe fn prepare(top: *mut u8, body: extern "C" fn() -> !) -> *mut u8 {
    // SAFETY: the caller promises that there is room. All zeros is a valid
    // `Saved`, because its fields are plain numbers.
    unsafe {
        // A `call` would have pushed a return address, so a body finds its
        // stack pointer 8 bytes below a multiple of 16 on x86-64.
        let pushed = if cfg!(target_arch = "x86_64") { 8 } else { 0 };
        let saved = top.sub(pushed + size_of::<Saved>()).cast::<Saved>();
        saved.write(std::mem::zeroed());
        (*saved).continue_at = body as *const () as usize;
        saved.cast()
    }
}
// ANCHOR_END: prepare
