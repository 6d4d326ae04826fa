//! What a container is made of.

use super::claim;
use super::helpers::ask_a_child;
use crate::verdict::{does_not_hold, holds, skipped};
use crate::{Claim, Judged, Record};
use nix::sched::{CloneFlags, unshare};

const SOURCE: &str = include_str!("namespaces.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(17 True [Office]
    "Containers isolate processes by means of the operating system they share."
    a_process_that_believes_to_be_the_first)];

/// A child asks for a user namespace and a PID namespace of its own, as a
/// container's runtime does; its own child then asks for its number.
fn a_process_that_believes_to_be_the_first(record: &mut Record) -> Judged {
    let inside = ask_a_child(|| {
        let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID;
        let number = unshare(flags)
            .map_err(Into::into)
            .and_then(|()| ask_a_child(|| std::process::id().to_string()));
        number.unwrap_or_else(|error| format!("refused: {error}"))
    })?;
    record.fact("a process in a namespace of its own has the PID", &inside);
    record.fact("its kernel", "this one: it was never booted again");
    match inside.as_str() {
        "1" => holds("one call, and a process of this kernel is number 1 among its own"),
        refused if refused.starts_with("refused") => skipped(format!(
            "this machine gives no namespaces to ordinary users ({refused}); \
             look at /proc/sys/user/max_user_namespaces"
        )),
        other => does_not_hold(format!(
            "in its own namespace the process had the number {other}"
        )),
    }
}
