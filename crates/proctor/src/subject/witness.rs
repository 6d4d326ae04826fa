//! Asks the kernel, not the code, which process runs a closure.

use std::sync::atomic::{AtomicI32, Ordering};

use crate::bare;
use crate::wire::{Body, Reply, Usage};

/// The subject's line to the judge; processes forked by the code inherit it.
static LINE: AtomicI32 = AtomicI32::new(-1);

pub(crate) fn use_line(descriptor: i32) {
    LINE.store(descriptor, Ordering::Relaxed);
}

/// Tells the judge that this place was reached, and by which process: the
/// judge finds `mark` and the process in
/// [`Evidence::witnesses`](crate::Evidence::witnesses).
///
/// For closures that a test hands to the learner's code. The kernel attests the
/// process (man 7 unix, `SCM_CREDENTIALS`), and this function makes the system
/// call itself, so code that replaces functions of libc changes neither.
/// Outside of a subject it does nothing.
///
/// ```ignore
/// #[proctor::test(subject = |n: u64| fork_and_wait::run(|| { proctor::witness(n); 0 }))]
/// fn the_closure_runs_in_a_child(mut subject: Subject) {
///     let evidence = subject.ask(&7).evidence;
///     assert_eq!(evidence.witnesses.len(), 1);
///     assert_ne!(evidence.witnesses[0].pid, evidence.pid);
/// }
/// ```
pub fn witness(mark: u64) {
    say(Body::Witness(mark));
}

/// Writes a short message on the line, from any process. It allocates nothing,
/// and a signal handler may call it.
pub(crate) fn say(body: Body) {
    const LENGTH: usize = size_of::<u32>();
    let line = LINE.load(Ordering::Relaxed);
    let message = Reply {
        id: 0,
        body,
        usage: Usage::default(),
        seal: 0,
    };
    let mut frame = [0; 128];
    let Ok(encoded) = postcard::to_slice(&message, &mut frame[LENGTH..]) else {
        return;
    };
    // The same frame as that of `ipc::Channel`. The kernel writes so few bytes
    // in one piece.
    let length = encoded.len();
    frame[..LENGTH].copy_from_slice(&(length as u32).to_le_bytes());
    if line >= 0 {
        bare::write(line, &frame[..LENGTH + length]);
    }
}
