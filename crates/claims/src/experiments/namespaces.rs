//! What a container is made of.

use std::{fmt, fs};

use nix::sched::{CloneFlags, unshare};

use super::claim;
use super::helpers::ask_a_child;
use crate::verdict::{does_not_hold, holds, skipped};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("namespaces.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(17 True [Office]
    "Containers isolate processes with the help of the operating system that they share."
    a_process_that_believes_to_be_the_first)];

/// A child asks for a user namespace and a PID namespace of its own, as a container
/// runtime does. In a PID namespace, processes are numbered from 1 again. The child
/// then forks a child of its own, which asks for its PID. /proc belongs to the
/// outer namespace, so it shows the PIDs of that process in both, and the kernel
/// tells both namespaces in which boot of the machine it runs.
fn a_process_that_believes_to_be_the_first(record: &mut Record) -> Judged {
    let said = ask_a_child(|| {
        let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID;
        let inside = || Inside::look().to_string();
        let said = unshare(flags)
            .map_err(Into::into)
            .and_then(|()| ask_a_child(inside));
        said.unwrap_or_else(|error| format!("refused: {error}"))
    })?;
    if said.starts_with("refused") {
        return skipped(format!(
            "This machine does not let ordinary users create namespaces ({said}). \
             Look at /proc/sys/user/max_user_namespaces and, on Ubuntu, at \
             /proc/sys/kernel/apparmor_restrict_unprivileged_userns."
        ));
    }
    let Some(inside) = Inside::parse(&said) else {
        return does_not_hold(format!("The process in the namespace said {said:?}."));
    };
    let same_boot = inside.boot == boot();
    record.fact(
        "the PID of a process in a PID namespace of its own",
        &inside.pid,
    );
    record.fact(
        "its PIDs in the outer namespace and in its own",
        &inside.pids,
    );
    record.fact(
        "inside and outside, the kernel's boot ID",
        if same_boot { "is the same" } else { "differs" },
    );
    match (inside.pid.as_str(), same_boot) {
        ("1", true) => holds(
            "After one system call (unshare), a process had PID 1 in a PID namespace of its own, \
             where processes are numbered from 1 again. The kernel is still the same.",
        ),
        ("1", false) => does_not_hold("The process ran on another kernel."),
        (other, _) => does_not_hold(format!(
            "In its own PID namespace the process had the PID {other} instead of 1."
        )),
    }
}

/// What a process sees of itself and of its kernel.
struct Inside {
    pid: String,
    /// Its PID in each namespace in which it has one (man 7 pid_namespaces).
    pids: String,
    boot: String,
}

impl Inside {
    fn look() -> Inside {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let pids = pids.unwrap_or("unknown").split_whitespace();
        Inside {
            pid: std::process::id().to_string(),
            pids: pids.collect::<Vec<_>>().join(" and "),
            boot: boot(),
        }
    }

    fn parse(text: &str) -> Option<Inside> {
        let mut lines = text.lines().map(str::to_owned);
        Some(Inside {
            pid: lines.next()?,
            pids: lines.next()?,
            boot: lines.next()?,
        })
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.pid, self.pids, self.boot)
    }
}

/// A number that the kernel draws at random when it boots.
fn boot() -> String {
    let said = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    said.trim().to_owned()
}
