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
//! [`leave`]: `x0` = the link, `x1` = the word that crosses, `x2` = the fiber's
//! stack pointer, `sp` = the resumer's stack pointer, `x30` = the return address
//! of `enter`.

use std::arch::{asm, naked_asm};

use super::{Entry, Link, StackPointer, Word};

/// Makes a new stack ready to be entered: the first [`enter`] calls
/// `entry(link, word)` with the stack pointer at `top`.
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
        // The resumer waits from now on: its return address goes into its
        // frame, its stack pointer into the link.
        "str x30, [sp, #16]",
        "mov x3, sp",
        "str x3, [x0]",
        // Take the address of entry; move to the fiber's stack, past its frame
        // to `top`. (Branches by x16 are the ones that a function's entry
        // accepts where the processor checks it.)
        "ldr x16, [x2, #24]",
        "add sp, x2, #32",
        // Whoever walks the stack (a backtrace, the unwinder, a profiler that
        // follows frame pointers) ends here: no return address, no frame above.
        "mov x29, xzr",
        "mov x30, xzr",
        // entry(link, word): both arguments are in their registers already. No
        // link: the open call is that of `enter`, which `leave` returns from.
        "br x16",
    )
}

/// Leaves the resumer's stack for the fiber's, with a word for it. Returns when
/// the fiber leaves: with its stack pointer, null if it has [`finish`]ed, and
/// its word.
///
/// # Safety
///
/// `fiber` waits: it is from [`prepare`], or what the last `enter` of this fiber
/// gave. `link` is that fiber's. All is on this thread.
#[inline(always)]
pub(in crate::fiber) unsafe fn enter(
    link: *mut Link,
    mut fiber: StackPointer,
    mut word: Word,
) -> (StackPointer, Word) {
    // SAFETY: what the standard makes callee-saved is stored in the frame (x19,
    // x29, which the compiler does not let us name) or declared clobbered (all
    // others; clobber_abi covers v8 to v15). Both sides load what they have
    // stored. Values that the other side reads are in memory, which an asm
    // block without `nomem` is taken to change.
    unsafe {
        asm!(
            // Our frame; where we go on is filled in by the fiber.
            "stp x19, x29, [sp, #-32]!",
            // Where the fiber goes on.
            "ldr x3, [x2, #16]",
            // Go on there. The branch with link puts our return address into
            // x30: the fiber comes back with a `ret`, as the processor expects.
            "blr x3",
            // Back, with sp at our frame.
            "ldp x19, x29, [sp], #32",
            inlateout("x0") link => _,
            inlateout("x1") word,
            inlateout("x2") fiber,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
    (fiber, word)
}

/// Leaves the fiber's stack for its resumer's, with a word for it; returns the
/// resumer's word when the fiber is [`enter`]ed again, or never.
///
/// # Safety
///
/// The caller runs on the stack that was [`enter`]ed last with this `link`.
#[inline(always)]
pub(in crate::fiber) unsafe fn leave(link: *mut Link, mut word: Word) -> Word {
    // SAFETY: as in `enter`.
    unsafe {
        asm!(
            // Our frame, with where we go on, for the `blr` of the next `enter`.
            "stp x19, x29, [sp, #-32]!",
            "adr x3, 2f",
            "str x3, [sp, #16]",
            // Our stack pointer is what `enter` returns.
            "mov x2, sp",
            // Return from the `blr` in `enter`, on the resumer's stack.
            "ldr x3, [x0]",
            "mov sp, x3",
            "ldr x30, [sp, #16]",
            "ret",
            // Entered again: the resumer's return address into its frame, its
            // stack pointer into the link; then back to our own stack.
            "2:",
            "str x30, [sp, #16]",
            "mov x3, sp",
            "str x3, [x0]",
            "mov sp, x2",
            "ldp x19, x29, [sp], #32",
            inlateout("x0") link => _,
            inlateout("x1") word,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _,
            lateout("x24") _, lateout("x25") _, lateout("x26") _, lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
    word
}

/// Leaves the fiber's stack for good, with a last word for the resumer.
///
/// # Safety
///
/// As [`leave`]; and nothing on this stack is left that needs dropping.
#[inline(always)]
pub(in crate::fiber) unsafe fn finish(link: *mut Link, word: Word) -> ! {
    // SAFETY: as in `leave`, but there is nothing to come back to.
    unsafe {
        asm!(
            // No stack pointer: this fiber cannot be entered again.
            "mov x2, xzr",
            "ldr x3, [x0]",
            "mov sp, x3",
            "ldr x30, [sp, #16]",
            "ret",
            in("x0") link,
            in("x1") word,
            options(noreturn),
        )
    }
}
