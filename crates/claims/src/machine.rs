//! The machine's facts that explain figures.

use context_switch::allowed_cpus;
use nix::unistd::{Uid, geteuid};
use serde::{Deserialize, Serialize};
use std::fs;

/// What a reader must know to compare figures with somebody else's. What the
/// machine does not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: Option<String>,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// On how many CPUs this program may run.
    pub cpus: usize,
    /// Whether it runs under a hypervisor: wake-ups on an idle CPU are slow
    /// then.
    pub virtual_machine: bool,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// Transparent huge pages: `always`, `madvise` or `never`. They change what
    /// a fork costs a hundredfold.
    pub huge_pages: Option<String>,
    /// Yama's `ptrace_scope`: who may read another process's memory (0: the
    /// same user; 1: an ancestor; 2: root; 3: nobody); `None`: no Yama, as 0.
    pub ptrace_scope: Option<u8>,
    /// Whether it was measured as root, for whom some limits do not count.
    pub root: bool,
    /// How many programs wanted a CPU in the last minute, on average.
    pub load: Option<String>,
}

impl Machine {
    /// This one, now.
    #[must_use]
    pub fn look() -> Machine {
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
            ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope")
                .and_then(|text| text.parse().ok()),
            root: geteuid() == Uid::from_raw(0),
            load: read("/proc/loadavg").and_then(|text| text.split(' ').next().map(str::to_owned)),
        }
    }
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// The word in brackets: `always [madvise] never`.
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
        let machine = Machine::look();
        assert!(
            machine.cpus >= 1 && !machine.architecture.is_empty(),
            "{machine:?}"
        );
    }
}
