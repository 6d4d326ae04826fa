//! The switch between two stacks, the only part that knows the processor.
//!
//! A switch pushes what the calling convention promises to keep, changes the
//! stack pointer, and pops what the other side has pushed. No kernel is involved.
//!
//! While a fiber waits, its stack pointer is with whoever may resume it. While
//! it runs, its resumer's stack pointer is in the [`Link`], a word at the top of
//! the fiber's stack.
//!
//! ```text
//!               resumer's stack       link          fiber's stack
//!                                  ┌─────────┐
//!   enter():    push …             │         │
//!               rsp ───── store ──▶│ resumer │
//!               rsp ◀──────────────┼─────────┼───── given to enter()
//!                                  └─────────┘      pop …
//!                                  ┌─────────┐      push …           :leave()
//!   given back by enter() ◀────────┼─────────┼───── rsp
//!               rsp ◀──── load ────│ resumer │
//!               pop …              └─────────┘
//! ```
//!
//! One more word crosses in a register, in each direction.
//!
//! Two things are done for speed, both habits of the field (see the `arch`
//! folder of the crate `corosensei`):
//!
//! - The switch is inline assembly that declares the callee-saved registers as
//!   *clobbered* in place of pushing all of them: the compiler saves those that
//!   are in use and no others.
//! - Processors predict where a `ret` goes from a stack of the `call`s before
//!   it. So [`enter`] *calls* into the fiber and [`leave`] *returns* out of it,
//!   and both are inlined, so that no other `ret` comes between.
//!
//! Not saved: the floating-point control words (rounding mode, exception
//! masks), which Rust code does not change. And a *shadow stack*, the kernel's
//! second copy of the return addresses, would be left behind; Linux gives one
//! only to programs that are marked for it.

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

/// Where a stack that does not run goes on: the address of what it pushed last.
pub(super) type StackPointer = *mut u8;

/// Where the resumer waits while the fiber runs.
pub(super) type Link = StackPointer;

/// What crosses with a switch: an address that means something to both sides.
pub(super) type Word = *mut u8;

/// What a new stack runs first, with the word of the first `enter`. It never returns.
pub(super) type Entry = unsafe extern "C" fn(link: *mut Link, word: Word) -> !;

/// What both calling conventions demand of a stack pointer at a call, in bytes.
pub(super) const STACK_ALIGNMENT: usize = 16;
