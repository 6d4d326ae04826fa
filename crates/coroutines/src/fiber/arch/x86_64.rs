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
//! [`leave`]: `rdi` = the link, `rsi` = the word that crosses, `rdx` = the
//! fiber's stack pointer, `rsp` = the resumer's stack pointer, with the return
//! address of `enter` at it.

use std::arch::{asm, naked_asm};

use super::{Entry, Link, StackPointer, Word};

/// Makes a new stack ready to be entered: the first [`enter`] calls
/// `entry(link, word)` with the stack pointer at `top`.
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
        // The resumer waits from now on: its stack pointer goes into the link.
        "mov [rdi], rsp",
        // Move to the fiber's stack, past the address of `start`.
        "lea rsp, [rdx + 8]",
        // Take the address of entry; rsp is at `top` now.
        "pop rax",
        // Whoever walks the stack (a backtrace, the unwinder, a profiler that
        // follows frame pointers) ends here: no return address, no frame above.
        "push 0",
        "xor ebp, ebp",
        // entry(link, word): both arguments are in their registers already. A
        // jump, not a call: the open call is that of `enter`, which `leave`
        // returns from.
        "jmp rax",
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
    // SAFETY: what the convention makes callee-saved is pushed (rbx, rbp, which
    // the compiler does not let us name) or declared clobbered (all others).
    // Both sides pop what they have pushed. Values that the other side reads
    // are in memory, which an asm block without `nomem` is taken to change.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            // At the fiber's stack pointer is the address where it goes on. The
            // call leaves our return address on *our* stack: the fiber comes
            // back with a plain `ret`, as the processor expects.
            "call [rdx]",
            // Back. `leave` has moved rsp to our stack, its `ret` has taken
            // the return address.
            "pop rbx",
            "pop rbp",
            inlateout("rdi") link => _,
            inlateout("rdx") fiber,
            inlateout("rsi") word,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
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
            "push rbp",
            "push rbx",
            // Where we go on, for the `call [rdx]` of the next `enter`.
            "lea rax, [rip + 2f]",
            "push rax",
            // Our stack pointer is what `enter` returns.
            "mov rdx, rsp",
            // Return from the `call` in `enter`, on the resumer's stack.
            "mov rsp, [rdi]",
            "ret",
            // Entered again: the same two steps as in `start`.
            "2:",
            "mov [rdi], rsp",
            "lea rsp, [rdx + 8]",
            "pop rbx",
            "pop rbp",
            inlateout("rdi") link => _,
            inlateout("rsi") word,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
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
            "xor edx, edx",
            "mov rsp, [rdi]",
            "ret",
            in("rdi") link,
            in("rsi") word,
            options(noreturn),
        )
    }
}
