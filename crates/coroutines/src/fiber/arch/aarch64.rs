//! The switch on aarch64, the procedure call standard of Arm (AAPCS64).
//!
//! A stack that does not run ends in a frame of four words, which keeps the
//! stack pointer a multiple of 16; addresses grow upwards:
//!
//! ```text
//!   fiber or resumer that waits        a fiber never entered
//!  ┌──────────────────┐               ┌──────────────────┐
//!  │ frames …         │               │ link, values …   │◀ top
//!  ├──────────────────┤               ├──────────────────┤
//!  │ (unused)         │ + 24          │ address of entry │ + 24
//!  │ where to go on   │ + 16          │ address of start │ + 16
//!  │ saved x29        │ +  8          │ (unused)         │ +  8
//!  │ saved x19        │◀ pointer      │ (unused)         │◀ pointer
//!  └──────────────────┘               └──────────────────┘
//! ```
//!
//! Registers at the moment of entering a fiber, for [`start`] and the end of
//! [`leave`]: `x0` = the link, `x1` = the fiber's stack pointer, `sp` = the
//! resumer's stack pointer, `x30` = the return address of `enter`.

use std::arch::{asm, naked_asm};

use super::{Entry, StackPointer};

/// Makes a new stack ready to be entered: the first [`enter`] calls
/// `entry(link)` with the stack pointer at `top`.
///
/// # Safety
///
/// `top` is aligned to 16 bytes, and the 32 bytes below it are the caller's to write.
pub(in crate::fiber) unsafe fn prepare(top: *mut u8, entry: Entry) -> StackPointer {
    // SAFETY: the caller grants these four words.
    unsafe {
        let words = top.cast::<usize>();
        words.sub(1).write(entry as *const () as usize);
        words.sub(2).write(start as *const () as usize);
        words.sub(4).cast()
    }
}

/// The first instructions on a fiber's stack.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    naked_asm!(
        // Whoever walks the stack (a backtrace, the unwinder) ends here: there
        // is no return address above this frame.
        ".cfi_startproc",
        ".cfi_undefined x30",
        // The resumer waits from now on: its return address goes into its
        // frame, its stack pointer into the link.
        "str x30, [sp, #16]",
        "mov x2, sp",
        "str x2, [x0]",
        // Move to the fiber's stack, and past its frame to `top`.
        "ldr x2, [x1, #24]",
        "add sp, x1, #32",
        // A zero frame pointer is the end for those who follow frame pointers.
        "mov x29, xzr",
        // entry(link): the first argument is in x0 already.
        "blr x2",
        // An entry never returns; should it, stop here and not in the wild.
        "brk #1",
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
    // SAFETY: what the standard makes callee-saved is stored in the frame (x19,
    // x29, which the compiler does not let us name) or declared clobbered (all
    // others; clobber_abi covers v8 to v15). Both sides load what they have
    // stored. Values that the other side reads are in memory, which an asm
    // block without `nomem` is taken to change.
    unsafe {
        asm!(
            // Our frame; where we go on is filled in by the fiber.
            "stp x19, x29, [sp, #-32]!",
            // The fiber's stack pointer, and where the fiber goes on.
            "ldr x1, [x0]",
            "ldr x2, [x1, #16]",
            // Go on there. The branch with link puts our return address into
            // x30: the fiber comes back with a `ret`, as the processor expects.
            "blr x2",
            // Back, with sp at our frame.
            "ldp x19, x29, [sp], #32",
            inlateout("x0") link => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
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
            // Our frame, with where we go on, for the `blr` of the next `enter`.
            "stp x19, x29, [sp, #-32]!",
            "adr x2, 2f",
            "str x2, [sp, #16]",
            // Swap the stack pointer with the link.
            "ldr x1, [x0]",
            "mov x2, sp",
            "str x2, [x0]",
            "mov sp, x1",
            // Return from the `blr` in `enter`.
            "ldr x30, [sp, #16]",
            "ret",
            // Entered again: the resumer's return address into its frame, its
            // stack pointer into the link; then back to our own stack.
            "2:",
            "str x30, [sp, #16]",
            "mov x2, sp",
            "str x2, [x0]",
            "mov sp, x1",
            "ldp x19, x29, [sp], #32",
            inlateout("x0") link => _,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
}
