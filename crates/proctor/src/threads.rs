//! Counting threads.

use processes::Pid;
use processes::proc;

/// How many threads of a process can still run code of the program.
///
/// A thread that is about to disappear does not count: `pthread_join` returns a
/// moment before the kernel takes the thread from its list, and on a busy
/// machine that moment can last.
pub(crate) fn living(pid: Pid) -> u32 {
    let lives = |thread: &Pid| {
        proc::task_stat(pid, *thread)
            .is_ok_and(|stat| !stat.has_ended() && !stat.thread_is_ending())
    };
    let all = proc::tasks(pid).unwrap_or_default();
    let number = all.iter().filter(|thread| lives(thread)).count();
    u32::try_from(number).unwrap_or(u32::MAX)
}
