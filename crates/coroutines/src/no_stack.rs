//! Stacks from the crate corosensei, with an error instead of a panic.

use std::{fmt, io};

use corosensei::stack::DefaultStack;

/// The size in bytes of each stack that this crate gives to corosensei.
const STACK_SIZE: usize = crate::fiber::DEFAULT_STACK_SIZE;

/// Makes a corosensei stack. Like a [`fiber::Stack`](crate::fiber::Stack), it
/// has a guard page below it.
pub(crate) fn new_stack() -> Result<DefaultStack, NoStack> {
    DefaultStack::new(STACK_SIZE).map_err(|cause| NoStack { cause })
}

/// The kernel refused the memory for a coroutine's stack.
#[derive(Debug)]
pub struct NoStack {
    cause: io::Error,
}

impl fmt::Display for NoStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the kernel refused a stack of {STACK_SIZE} bytes ({}): keep fewer coroutines at a \
             time (a stack takes two of the mappings that /proc/sys/vm/max_map_count allows a \
             process)",
            self.cause
        )
    }
}

impl std::error::Error for NoStack {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
