//! C19: A guard is invariant in `T`: it lets no value in that lives for a shorter time.
//! Errors: lifetime

use spin_lock::SpinGuard;

pub fn shortened<'short>(guard: SpinGuard<'short, &'static str>, _text: &'short str) {
    let _shorter: SpinGuard<'short, &'short str> = guard; //~ refused
}
