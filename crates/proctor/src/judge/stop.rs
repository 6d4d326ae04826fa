//! Finds out whether a signal has stopped a process.
//!
//! One look is not enough: if judge and warden were both stopped, and both are
//! continued, the judge can run before the warden does.

use processes::proc::{self, Pid, State};

/// What the looks at a process have found until now.
pub(super) struct Stop {
    pid: Pid,
    seen: u32,
}

impl Stop {
    pub(super) fn of(pid: Pid) -> Self {
        Stop { pid, seen: 0 }
    }

    /// Looks once more. Whether this look and the one before found the process
    /// stopped.
    pub(super) fn lasts(&mut self) -> bool {
        let stopped = proc::stat(self.pid)
            .is_ok_and(|stat| matches!(stat.state, State::Stopped | State::Traced));
        self.seen = if stopped { self.seen + 1 } else { 0 };
        self.is_sure()
    }

    /// Whether the last two looks found the process stopped.
    pub(super) fn is_sure(&self) -> bool {
        self.seen >= 2
    }
}
