//! Being written.
proctor::exercise!(spin_lock);
