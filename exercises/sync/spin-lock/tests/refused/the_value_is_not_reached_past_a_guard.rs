//! C16: `get_mut` needs the lock for itself alone, so it cannot be called while a guard is in use.
//! Errors: E0502

use spin_lock::SpinLock;

pub fn both() {
    let mut lock = SpinLock::new(1);
    let guard = lock.lock();
    *lock.get_mut() += 1; //~ refused
    drop(guard);
}
