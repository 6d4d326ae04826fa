//! Keeps what was measured, so that the book can show the reader's figures
//! beside its own.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use records::ledger::{Kept, Ledger};

/// Adds these entries to those that were measured before on this machine.
///
/// # Errors
/// The file cannot be written. What was kept before is then still there.
pub fn keep(ledger: Ledger) -> io::Result<()> {
    let program = env::current_exe()?;
    let Some(target) = program.parent().and_then(Path::parent) else {
        return Err(io::Error::other(
            "this program is not in cargo's target folder",
        ));
    };
    keep_in(&target.join(Kept::FILE), ledger)
}

fn keep_in(path: &Path, ledger: Ledger) -> io::Result<()> {
    let before = fs::read(path).ok();
    let before = before.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    let kept = match before {
        Some(before) if before.is_of(&ledger.machine) => before.with(ledger),
        _ => Kept::of(ledger),
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A reader finds the old file or the new one, never a part.
    let new: PathBuf = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::File::create(&new)?;
    let written = serde_json::to_vec(&kept)
        .map_err(io::Error::other)
        .and_then(|bytes| file.write_all(&bytes))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use records::ledger::{Entry, Truth, Verdict};

    use super::*;
    use crate::this_machine;

    fn ledger(number: u16, millis: u64) -> Ledger {
        Ledger {
            machine: this_machine(),
            entries: vec![Entry {
                number,
                says: String::new(),
                lessons: Vec::new(),
                truth: Truth::True,
                verdict: Verdict::Holds,
                reason: String::new(),
                millis,
                attempts: 1,
                notes: records::ledger::Notes::default(),
            }],
        }
    }

    #[test]
    fn later_measurements_replace_earlier_ones_of_the_same_claim() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("course/ledger.json");
        for (number, millis) in [(21, 1), (5, 2), (21, 3)] {
            keep_in(&path, ledger(number, millis)).unwrap();
        }
        let kept: Kept = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let entries = kept.ledger.entries.iter();
        let found: Vec<_> = entries.map(|entry| (entry.number, entry.millis)).collect();
        assert_eq!(found, [(5, 2), (21, 3)]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_corrupt_or_of_another_machine_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        fs::write(&path, "{").unwrap();
        keep_in(&path, ledger(1, 1)).unwrap();
        let mut kept: Kept = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept.ledger.entries.len(), 1);
        kept.ledger.machine.processor = Some("another".to_owned());
        fs::write(&path, serde_json::to_vec(&kept).unwrap()).unwrap();
        keep_in(&path, ledger(2, 1)).unwrap();
        let kept: Kept = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept.ledger.entries.len(), 1);
        assert_eq!(kept.ledger.entries[0].number, 2);
    }
}
