//! The reader's own figures, which `cargo course claims` has kept.

use std::fs;
use std::path::{Path, PathBuf};

use records::ledger::{Entry, Kept, Machine};

/// The reader's own ledger, or why there is none.
#[derive(Debug)]
pub(crate) enum Own {
    /// It was measured on this machine.
    Here(Kept),
    /// Nothing was measured yet.
    None,
    /// There is a file that cannot be used, and why.
    Unusable(String),
}

impl Own {
    /// Reads the file below cargo's target folder.
    pub(crate) fn read(target: &Path) -> Own {
        let Ok(bytes) = fs::read(file(target)) else {
            return Own::None;
        };
        let Ok(kept) = serde_json::from_slice::<Kept>(&bytes) else {
            return Own::Unusable(
                "The file with your figures is damaged, or another version of the course wrote it. \
                 `cargo course claims` measures again."
                    .to_owned(),
            );
        };
        if !kept.is_of(&this_machine(&kept.ledger.machine)) {
            return Own::Unusable(
                "The kept figures were measured on another machine, or by another version of the \
                 course. `cargo course claims` measures again."
                    .to_owned(),
            );
        }
        Own::Here(kept)
    }

    /// The reader's entry for a claim.
    pub(crate) fn entry(&self, number: u16) -> Option<&Entry> {
        match self {
            Own::Here(kept) => kept
                .ledger
                .entries
                .iter()
                .find(|entry| entry.number == number),
            Own::None | Own::Unusable(_) => None,
        }
    }
}

/// The file with the reader's figures.
pub(crate) fn file(target: &Path) -> PathBuf {
    target.join(Kept::FILE)
}

/// The name of this machine's processor, if it is known.
pub(crate) fn processor() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    })
}

/// What tells this machine from another one; everything else as in `like`.
fn this_machine(like: &Machine) -> Machine {
    Machine {
        processor: processor(),
        architecture: std::env::consts::ARCH.to_owned(),
        ..like.clone()
    }
}

#[cfg(test)]
mod tests {
    use records::ledger::Ledger;

    use super::*;

    fn kept(change: impl Fn(&mut Kept)) -> Own {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine {
            processor: None,
            architecture: String::new(),
            cpus: 1,
            virtual_machine: false,
            kernel: None,
            huge_pages: None,
            ptrace_scope: None,
            root: false,
            load: None,
        };
        let mut kept = Kept::of(Ledger {
            machine: this_machine(&machine),
            entries: Vec::new(),
        });
        change(&mut kept);
        let file = file(folder.path());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, serde_json::to_vec(&kept).unwrap()).unwrap();
        Own::read(folder.path())
    }

    #[test]
    fn only_figures_of_this_machine_and_version_count() {
        assert!(matches!(kept(|_| {}), Own::Here(_)));
        let other = |kept: &mut Kept| kept.ledger.machine.processor = Some("6502".to_owned());
        assert!(matches!(kept(other), Own::Unusable(_)));
        assert!(matches!(kept(|kept| kept.format += 1), Own::Unusable(_)));
    }

    #[test]
    fn a_damaged_file_is_said_and_a_missing_one_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Own::read(folder.path()), Own::None));
        let file = file(folder.path());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "{").unwrap();
        assert!(matches!(Own::read(folder.path()), Own::Unusable(_)));
    }
}
