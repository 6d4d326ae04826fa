//! The switch on x86-64, System V calling convention.
//!
//! A stack that does not run looks like this; addresses grow upwards:
//!
//! ```text
//!   a fiber that waits          the resumer that waits      a fiber never entered
//!  ┌──────────────────┐        ┌──────────────────┐        ┌──────────────────┐
//!  │ frames …         │        │ frames …         │        │ link, values …   │◀ top
//!  ├──────────────────┤        ├──────────────────┤        ├──────────────────┤
//!  │ saved rbp        │        │ saved rbp        │        │ address of entry │
//!  │ saved rbx        │        │ saved rbx        │        │ address of start │◀ pointer
//!  │ where to go on   │◀ ptr   │ return address   │◀ ptr   └──────────────────┘
//!  └──────────────────┘        └──────────────────┘
//! ```
//!
//! The word at the pointer is always the address at which that stack goes on.
//!
//! Registers at the moment of entering a fiber, for [`start`] and the end of
//! [`leave`]: `rdi` = the link, `rdx` = the fiber's stack pointer, `rsp` = the
//! resumer's stack pointer, with the return address of `enter` at it.

use std::arch::{asm, naked_asm};

use super::{Entry, StackPointer};

/// Makes a new stack ready to be entered: the first [`enter`] calls
/// `entry(link)` with the stack pointer at `top`.
///
/// # Safety
///
/// `top` is aligned to 16 bytes, and the 16 bytes below it are the caller's to write.
pub(in crate::fiber) unsafe fn prepare(top: *mut u8, entry: Entry) -> StackPointer {
    // SAFETY: the caller grants these two words.
    unsafe {
        let words = top.cast::<usize>();
        words.sub(1).write(entry as *const () as usize);
        words.sub(2).write(start as *const () as usize);
        words.sub(2).cast()
    }
}

/// The first instructions on a fiber's stack.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    naked_asm!(
        // Whoever walks the stack (a backtrace, the unwinder) ends here: there
        // is no return address above this frame.
        ".cfi_startproc",
        ".cfi_undefined rip",
        // The resumer waits from now on: its stack pointer goes into the link.
        "mov [rdi], rsp",
        // Move to the fiber's stack, past the address of `start`.
        "lea rsp, [rdx + 8]",
        // A zero frame pointer is the end for those who follow frame pointers.
        "xor ebp, ebp",
        // Take the address of entry; rsp is at `top` now, a multiple of 16,
        // which the calling convention wants at a call.
        "pop rax",
        // entry(link): the first argument is in rdi already.
        "call rax",
        // An entry never returns; should it, stop here and not in the wild.
        "ud2",
        ".cfi_endproc",
    )
}

/// Leaves the resumer's stack for the fiber's; returns when the fiber [`leave`]s.
///
/// # Safety
///
/// `link` holds the stack pointer of a fiber that waits (from [`prepare`] or
/// from a [`leave`] with this same link), on this thread.
#[inline(always)]
pub(in crate::fiber) unsafe fn enter(link: *mut StackPointer) {
    // SAFETY: what the convention makes callee-saved is pushed (rbx, rbp, which
    // the compiler does not let us name) or declared clobbered (all others).
    // Both sides pop what they have pushed. Values that the other side reads
    // are in memory, which an asm block without `nomem` is taken to change.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            // The fiber's stack pointer. At it: the address where it goes on.
            "mov rdx, [rdi]",
            // Go on there. The call leaves our return address on *our* stack:
            // the fiber comes back with a plain `ret`, as the processor expects.
            "call [rdx]",
            // Back. `leave` has moved rsp to our stack, its `ret` has taken
            // the return address.
            "pop rbx",
            "pop rbp",
            inlateout("rdi") link => _,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("C"),
        );
    }
}

/// Leaves the fiber's stack for its resumer's; returns when the fiber is
/// [`enter`]ed again, or never.
///
/// # Safety
///
/// The caller runs on the stack that was [`enter`]ed last with this `link`.
#[inline(always)]
pub(in crate::fiber) unsafe fn leave(link: *mut StackPointer) {
    // SAFETY: as in `enter`.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            // Where we go on, for the `call [rdx]` of the next `enter`.
            "lea rax, [rip + 2f]",
            "push rax",
            // Swap the stack pointer with the link.
            "mov rax, [rdi]",
            "mov [rdi], rsp",
            "mov rsp, rax",
            // Return from the `call` in `enter`.
            "ret",
            // Entered again: the same three steps as in `start`.
            "2:",
            "mov [rdi], rsp",
            "lea rsp, [rdx + 8]",
            "pop rbx",
            "pop rbp",
            inlateout("rdi") link => _,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("C"),
        );
    }
}
