//! The switch on x86-64, for the System V calling convention.
//!
//! A stack that does not run looks like this, with high addresses at the top:
//!
//! ```text
//!   a fiber that waits          the resumer that waits      a fiber never entered
//!  ┌──────────────────┐        ┌──────────────────┐        ┌──────────────────┐
//!  │ frames …         │        │ frames …         │        │ link, values …   │◀ top
//!  ├──────────────────┤        ├──────────────────┤        ├──────────────────┤
//!  │ saved rbp        │        │ saved rbp        │        │ address of entry │
//!  │ saved rbx        │        │ saved rbx        │        │ address of start │◀ pointer
//!  │ resume address   │◀ ptr   │ return address   │◀ ptr   └──────────────────┘
//!  └──────────────────┘        └──────────────────┘
//! ```
//!
//! The word at the pointer is always the address at which the code on that
//! stack continues.
//!
//! When a fiber is entered, [`start`] and the end of [`leave`] find these
//! values in the registers: the link in `rdi`, the word that crosses in `rsi`,
//! the fiber's stack pointer in `rdx`, and the resumer's stack pointer in
//! `rsp`, which points to the return address of `enter`.

use std::arch::{asm, naked_asm};

use super::{Entry, Link, StackPointer, Word};

/// Prepares a new stack so that it can be entered. The first [`enter`] calls
/// `entry(link, word)` with the stack pointer at `top`.
///
/// # Safety
///
/// `top` is aligned to 16 bytes. The caller may write the 16 bytes below it.
pub(in crate::fiber) unsafe fn prepare(top: *mut u8, entry: Entry) -> StackPointer {
    // SAFETY: the caller promises that these two words may be written.
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
        // Code that walks the stack (a backtrace, the unwinder, a profiler that
        // follows frame pointers) stops here: there is no return address and no
        // frame above.
        "push 0",
        "xor ebp, ebp",
        // entry(link, word): both arguments are in their registers already.
        // This is a jump and not a call: the call that is still open is that of
        // `enter`, and `leave` returns from it.
        "jmp rax",
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
    // SAFETY: we push the callee-saved registers that the compiler does not let
    // us name (rbx and rbp), and we declare all others as clobbered. Each side
    // pops what it has pushed. Values that the other side reads are in memory.
    // The compiler assumes that an asm block without `nomem` changes memory.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            // The fiber's stack pointer points to the address where the fiber
            // continues. The call leaves our return address on *our* stack, so
            // the fiber comes back with a plain `ret`, as the processor
            // expects.
            "call [rdx]",
            // We are back: `leave` has moved rsp to our stack, and its `ret`
            // has popped the return address.
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
            "push rbp",
            "push rbx",
            // Push the address where we continue, for the `call [rdx]` of the
            // next `enter`.
            "lea rax, [rip + 2f]",
            "push rax",
            // `enter` returns our stack pointer.
            "mov rdx, rsp",
            // Return from the `call` in `enter`, on the resumer's stack.
            "mov rsp, [rdi]",
            "ret",
            // The fiber is entered again: the same two steps as in `start`.
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
            "xor edx, edx",
            "mov rsp, [rdi]",
            "ret",
            in("rdi") link,
            in("rsi") word,
            options(noreturn),
        )
    }
}
