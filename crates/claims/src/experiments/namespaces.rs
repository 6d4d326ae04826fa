//! What a container is made of.

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
/// then forks a child of its own, which asks for its PID.
fn a_process_that_believes_to_be_the_first(record: &mut Record) -> Judged {
    let inside = ask_a_child(|| {
        let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID;
        let number = unshare(flags)
            .map_err(Into::into)
            .and_then(|()| ask_a_child(|| std::process::id().to_string()));
        number.unwrap_or_else(|error| format!("refused: {error}"))
    })?;
    record.fact(
        "the PID of a process in a PID namespace of its own",
        &inside,
    );
    record.fact(
        "its kernel",
        "the kernel of this machine, which was not booted again",
    );
    match inside.as_str() {
        "1" => holds(
            "After one system call (unshare), a process of this kernel had PID 1 in a PID \
             namespace of its own, where processes are numbered from 1 again.",
        ),
        refused if refused.starts_with("refused") => skipped(format!(
            "This machine does not let ordinary users create namespaces ({refused}). \
             Look at /proc/sys/user/max_user_namespaces."
        )),
        other => does_not_hold(format!(
            "In its own PID namespace the process had the PID {other} instead of 1."
        )),
    }
}
