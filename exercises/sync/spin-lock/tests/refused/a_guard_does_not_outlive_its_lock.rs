//! C19: A guard does not outlive its lock.
//! Errors: E0505

use spin_lock::SpinLock;

pub fn outlives() {
    let lock = SpinLock::new(1);
    let guard = lock.lock();
    drop(lock); //~ refused
    drop(guard);
}
