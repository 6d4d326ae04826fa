//! The switch between two stacks. Only this part depends on the processor.
//!
//! A switch pushes the registers that the calling convention promises to
//! preserve, changes the stack pointer, and pops what the other side has
//! pushed. The kernel is not involved.
//!
//! While a fiber waits, the `Fiber` that resumes it holds its stack pointer.
//! While the fiber runs, its resumer's stack pointer is in the [`Link`], a word
//! at the top of the fiber's stack.
//!
//! ```text
//!               resumer's stack       link          fiber's stack
//!                                  ┌─────────┐
//!   enter():    push …             │         │
//!               rsp ───── store ──▶│ resumer │
//!               rsp ◀──────────────┼─────────┼───── given to enter()
//!                                  └─────────┘      pop …
//!                                  ┌─────────┐      push …           :leave()
//!     returned by enter() ◀────────┼─────────┼───── rsp
//!               rsp ◀──── load ────│ resumer │
//!               pop …              └─────────┘
//! ```
//!
//! One more word crosses in a register, in each direction.
//!
//! Two techniques make the switch fast. Both are common practice (see the
//! `arch` folder of the crate `corosensei`):
//!
//! - The switch is inline assembly that declares the callee-saved registers as
//!   *clobbered* instead of pushing all of them. So the compiler saves only the
//!   registers that are in use.
//! - A processor keeps a stack of the latest `call`s and predicts from it where a
//!   `ret` goes. So [`enter`] *calls* into the fiber and [`leave`] *returns* out of
//!   it. Both are inlined, so that no other `ret` comes between.
//!
//! The switch does not save the floating-point control words (rounding mode,
//! exception masks), because Rust code does not change them. Nor does it switch
//! a *shadow stack*, which is a second copy of the return addresses. Linux
//! gives a shadow stack only to programs that are marked for it.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::{enter, finish, leave, prepare};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{enter, finish, leave, prepare};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the switch between fibers is written for x86-64 and aarch64 only");

/// Where a stack that does not run continues: the address of the word that it
/// pushed last.
pub(super) type StackPointer = *mut u8;

/// The stack pointer at which the resumer waits while the fiber runs.
pub(super) type Link = StackPointer;

/// The word that crosses with a switch: an address that both sides understand.
pub(super) type Word = *mut u8;

/// The function that a new stack runs first, with the word of the first
/// `enter`. It never returns.
pub(super) type Entry = unsafe extern "C" fn(link: *mut Link, word: Word) -> !;

/// The alignment that both calling conventions require of the stack pointer at
/// a call, in bytes.
pub(super) const STACK_ALIGNMENT: usize = 16;
