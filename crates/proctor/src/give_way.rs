//! Many threads that spin leave the CPU to the one that looks at them.

/// Gives the calling thread the lowest priority (nice 19), for good: for the
/// threads of a test that spin while another thread of the test waits for them.
///
/// ```
/// std::thread::spawn(|| {
///     proctor::give_way();
///     // … spins
/// });
/// ```
pub fn give_way() {
    // SAFETY: takes integers; 0 is the calling thread (man 2 setpriority, NOTES).
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}
