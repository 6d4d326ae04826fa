//! A child that a test runs step by step (man 2 ptrace).

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::other_child;

/// Forks a child as [`other_child`] does. It has stopped before `life`, and the
/// calling process traces it. `None` where that is forbidden: no such child is
/// left then.
pub fn traced_child(life: impl FnOnce() -> u8) -> Option<Pid> {
    let child = other_child(
        || match ptrace::traceme().and_then(|()| raise(Signal::SIGSTOP)) {
            Ok(()) => life(),
            Err(_) => 0,
        },
    );
    matches!(ending(child), Ok(WaitStatus::Stopped(..))).then_some(child)
}

/// Lets a stopped child that the caller traces do one instruction.
///
/// # Errors
/// What has happened to it instead: it has ended, or a signal has arrived.
///
/// # Panics
/// If the caller does not trace it, or it has not stopped.
pub fn step(child: Pid) -> Result<(), WaitStatus> {
    ptrace::step(child, None).expect("a stopped child that this process traces");
    match ending(child).expect("a child of this process") {
        WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(()),
        other => Err(other),
    }
}

fn ending(child: Pid) -> nix::Result<WaitStatus> {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            status => return status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_runs_one_instruction_at_a_time_to_its_end() {
        let Some(child) = traced_child(|| 7) else {
            eprintln!("skipped: this machine does not allow a process to trace its child");
            return;
        };
        let mut instructions = 0;
        let ended = loop {
            match step(child) {
                Ok(()) => instructions += 1,
                Err(status) => break status,
            }
        };
        assert_eq!(ended, WaitStatus::Exited(child, 7));
        assert!(instructions > 10, "{instructions}");
    }
}
