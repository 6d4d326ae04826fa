//! The switch on aarch64, for Arm's procedure call standard (AAPCS64).
//!
//! A stack that does not run ends in a frame of four words, which keeps the
//! stack pointer a multiple of 16. High addresses are at the top:
//!
//! ```text
//!   fiber or resumer that waits        a fiber never entered
//!  ┌──────────────────┐               ┌──────────────────┐
//!  │ frames …         │               │ link, values …   │◀ top
//!  ├──────────────────┤               ├──────────────────┤
//!  │ (unused)         │ + 24          │ address of entry │ + 24
//!  │ resume address   │ + 16          │ address of start │ + 16
//!  │ saved x29        │ +  8          │ (unused)         │ +  8
//!  │ saved x19        │◀ pointer      │ (unused)         │◀ pointer
//!  └──────────────────┘               └──────────────────┘
//! ```
//!
//! When a fiber is entered, [`start`] and the end of [`leave`] find these
//! values in the registers: the link in `x0`, the word that crosses in `x1`,
//! the fiber's stack pointer in `x2`, the resumer's stack pointer in `sp`, and
//! the return address of `enter` in `x30`.

use std::arch::{asm, naked_asm};

use super::{Entry, Link, StackPointer, Word};

/// Prepares a new stack so that it can be entered. The first [`enter`] calls
/// `entry(link, word)` with the stack pointer at `top`.
///
/// # Safety
///
/// `top` is aligned to 16 bytes. The caller may write the 32 bytes below it.
pub(in crate::fiber) unsafe fn prepare(top: *mut u8, entry: Entry) -> StackPointer {
    // SAFETY: the caller promises that these four words may be written.
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
        // frame, and its stack pointer goes into the link.
        "str x30, [sp, #16]",
        "mov x3, sp",
        "str x3, [x0]",
        // Take the address of entry, and move to the fiber's stack, past its
        // frame to `top`. (Where the processor checks the targets of branches,
        // a function's entry accepts a branch through x16.)
        "ldr x16, [x2, #24]",
        "add sp, x2, #32",
        // Code that walks the stack (a backtrace, the unwinder, a profiler that
        // follows frame pointers) stops here: there is no return address and no
        // frame above.
        "mov x29, xzr",
        "mov x30, xzr",
        // entry(link, word): both arguments are in their registers already.
        // This is a branch without link: the call that is still open is that of
        // `enter`, and `leave` returns from it.
        "br x16",
    )
}

/// Switches from the resumer's stack to the fiber's and passes the fiber a
/// word. Returns when the fiber leaves its stack. The result is the fiber's
/// stack pointer, which is null if the fiber has [`finish`]ed, and the fiber's
/// word.
///
/// # Safety
///
/// `fiber` is the stack pointer of a fiber that waits: it comes from
/// [`prepare`] or from the last `enter` of this fiber. `link` is that fiber's
/// link. All of this happens on one thread.
#[inline(always)]
pub(in crate::fiber) unsafe fn enter(
    link: *mut Link,
    mut fiber: StackPointer,
    mut word: Word,
) -> (StackPointer, Word) {
    // SAFETY: we store the callee-saved registers that the compiler does not
    // let us name (x19 and x29) in the frame, and we declare all others as
    // clobbered (clobber_abi covers v8 to v15). Each side loads what it has
    // stored. Values that the other side reads are in memory. The compiler
    // assumes that an asm block without `nomem` changes memory.
    unsafe {
        asm!(
            // Push our frame. The fiber fills in the address where we continue.
            "stp x19, x29, [sp, #-32]!",
            // Load the address where the fiber continues.
            "ldr x3, [x2, #16]",
            // Branch to it. The branch with link puts our return address into
            // x30, so the fiber comes back with a `ret`, as the processor
            // expects.
            "blr x3",
            // We are back, with sp at our frame.
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

/// Switches from the fiber's stack to its resumer's and passes the resumer a
/// word. Returns the resumer's word when the fiber is [`enter`]ed again, or
/// never returns.
///
/// # Safety
///
/// The caller runs on the stack that was [`enter`]ed last with this `link`.
#[inline(always)]
pub(in crate::fiber) unsafe fn leave(link: *mut Link, mut word: Word) -> Word {
    // SAFETY: as in `enter`.
    unsafe {
        asm!(
            // Push our frame, with the address where we continue, for the `blr`
            // of the next `enter`.
            "stp x19, x29, [sp, #-32]!",
            "adr x3, 2f",
            "str x3, [sp, #16]",
            // `enter` returns our stack pointer.
            "mov x2, sp",
            // Return from the `blr` in `enter`, on the resumer's stack.
            "ldr x3, [x0]",
            "mov sp, x3",
            "ldr x30, [sp, #16]",
            "ret",
            // The fiber is entered again: the resumer's return address goes
            // into its frame, and its stack pointer into the link. Then sp
            // moves back to our own stack.
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

/// Leaves the fiber's stack for good and passes the resumer a last word.
///
/// # Safety
///
/// As for [`leave`]. Also, nothing that is left on this stack needs dropping.
#[inline(always)]
pub(in crate::fiber) unsafe fn finish(link: *mut Link, word: Word) -> ! {
    // SAFETY: as in `leave`, but this stack is never entered again.
    unsafe {
        asm!(
            // A null stack pointer: this fiber cannot be entered again.
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
