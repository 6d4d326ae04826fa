//! Locks, semaphores and monitors, each built from atomics and a futex.
