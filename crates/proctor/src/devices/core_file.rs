//! A process that leaves a core file when a signal kills it (man 5 core).

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limit for the core file. With a smaller limit the kernel makes no file,
/// and at this limit it cuts the file off.
const BYTES: u64 = 64 << 10;

/// Makes the kernel write a core file when a signal such as SIGABRT kills the
/// calling process. The file holds the first 64 KiB and lies in `$TMPDIR`,
/// which becomes the working folder. Returns `false` if the limits do not allow
/// it.
///
/// The kernel then sets a bit in the status that the parent gets (`WCOREDUMP`,
/// man 2 wait), next to the signal's number. Code that takes the status apart
/// by hand must not confuse the two. This works only in a test with
/// `core_files = true`; in other tests a subject's hard limit is 0.
///
/// ```ignore
/// #[proctor::test(core_files = true, subject = |(): ()| my::ending_of_a_child(|| {
///     proctor::leave_a_core_file();
///     std::process::abort()
/// }))]
/// ```
pub fn leave_a_core_file() -> bool {
    let folder = std::env::set_current_dir(std::env::temp_dir());
    let limited = getrlimit(Resource::RLIMIT_CORE).and_then(|(_, hard)| {
        setrlimit(Resource::RLIMIT_CORE, BYTES.min(hard), hard).map(|()| hard)
    });
    folder.is_ok() && limited.is_ok_and(|hard| hard >= BYTES)
}
