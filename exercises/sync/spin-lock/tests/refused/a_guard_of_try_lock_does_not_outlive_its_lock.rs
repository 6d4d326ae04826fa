//! C19: A guard does not outlive its lock, whichever call it came from.
//! Errors: E0505

use spin_lock::SpinLock;

pub fn outlives() {
    let lock = SpinLock::new(1);
    let guard = lock.try_lock();
    drop(lock); //~ refused
    drop(guard);
}
