//! The facts about a machine that explain its figures.

use std::fs;

use context_switch::allowed_cpus;
use nix::unistd::{Uid, geteuid};
use records::ledger::Machine;

/// Looks at this machine as it is now.
#[must_use]
pub fn this_machine() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |key: &str| {
        let mut lines = cpuinfo.lines();
        lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    Machine {
        processor: line("model name"),
        architecture: std::env::consts::ARCH.to_owned(),
        cpus: allowed_cpus().map_or(1, |cpus| cpus.len()),
        virtual_machine: line("flags")
            .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
            || read("/sys/hypervisor/type").is_some(),
        kernel: read("/proc/sys/kernel/osrelease"),
        huge_pages: read("/sys/kernel/mm/transparent_hugepage/enabled")
            .and_then(|text| chosen(&text)),
        ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope").and_then(|text| text.parse().ok()),
        root: geteuid() == Uid::from_raw(0),
        load: read("/proc/loadavg").and_then(|text| text.split(' ').next().map(str::to_owned)),
    }
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// Returns the word in brackets, here `madvise`: `always [madvise] never`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    let (word, _) = rest.split_once(']')?;
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_setting_is_the_one_in_brackets() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(chosen("none"), None);
    }

    #[test]
    fn a_machine_has_a_cpu_and_an_architecture() {
        let machine = this_machine();
        assert!(
            machine.cpus >= 1 && !machine.architecture.is_empty(),
            "{machine:?}"
        );
    }
}
