//! `std::panic`, with a `catch_unwind` that tells the kernel which thread has stopped unwinding.

use std::any::Any;
pub use std::panic::*;

use crate::kernel;

/// Runs `f`, and catches its panic, as [`std::panic::catch_unwind`].
///
/// # Errors
/// With the panic's payload, if `f` panicked.
pub fn catch_unwind<F: FnOnce() -> R + UnwindSafe, R>(f: F) -> Result<R, Box<dyn Any + Send>> {
    let result = std::panic::catch_unwind(f);
    if let (Err(_), Some(run)) = (&result, kernel::running()) {
        run.caught();
    }
    result
}
