//! `/proc/PID/maps` and `/proc/PID/smaps_rollup`: a process's memory.

use std::io;

use super::{Pid, malformed, read};

/// One line of `/proc/PID/maps`: one mapped range of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The first address after the range.
    pub end: u64,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// `MAP_SHARED`: every process that maps the same object sees writes to it.
    pub shared: bool,
    /// The offset in the file at which the mapping begins, in bytes.
    pub offset: u64,
    /// The file's device, `major:minor` in hexadecimal.
    pub device: String,
    /// The file's inode; 0 if there is no file.
    pub inode: u64,
    /// The file's path, or a name such as `[stack]`; `None` for anonymous
    /// memory.
    pub path: Option<String>,
}

impl Mapping {
    /// Whether the address lies in this range.
    #[must_use]
    pub fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// The mappings of a process, in ascending order of addresses. The list is
/// empty for zombies and kernel threads.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn maps(pid: Pid) -> io::Result<Vec<Mapping>> {
    let path = format!("/proc/{pid}/maps");
    let text = read(&path)?;
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .map(|line| parse_mapping(line).ok_or_else(|| malformed(&path, line.as_bytes())))
        .collect()
}

/// How much memory a process uses, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Pages in memory now. Shared pages count in full, so a sum of this over
    /// several processes counts shared pages several times.
    pub resident: u64,
    /// Like `resident`, but each page is divided by the number of its users.
    /// This value can be summed over processes.
    pub proportional: u64,
    /// Pages that no other process maps: what ending the process would free.
    pub private: u64,
    /// Pages that other processes map as well.
    pub shared: u64,
}

/// The memory of a process, from `/proc/PID/smaps_rollup` (Linux 4.14).
///
/// # Errors
/// As in the [module's list](super#errors); `NotFound` also for a zombie,
/// which has no memory.
pub fn memory(pid: Pid) -> io::Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = read(&path)?;
    parse_memory(&text).ok_or_else(|| malformed(&path, &text))
}

/// Parses `START-END rwxs OFFSET DEVICE INODE   PATH`; the path may contain
/// spaces.
fn parse_mapping(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        Some(word).filter(|word| !word.is_empty())
    };
    let (start, end) = word()?.split_once('-')?;
    let &[read, write, execute, shared] = word()?.as_bytes() else {
        return None;
    };
    let offset = word()?;
    let device = word()?.to_owned();
    let inode = word()?.parse().ok()?;
    let path = rest.trim_start();
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Mapping {
        start: hexadecimal(start)?,
        end: hexadecimal(end)?,
        read: read == b'r',
        write: write == b'w',
        execute: execute == b'x',
        shared: shared == b's',
        offset: hexadecimal(offset)?,
        device,
        inode,
        path: (!path.is_empty()).then(|| path.to_owned()),
    })
}

/// Parses lines like `Rss:    1760 kB`, below a first line that looks like a
/// line of `maps`.
fn parse_memory(text: &[u8]) -> Option<Memory> {
    let text = String::from_utf8_lossy(text);
    let bytes = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_ascii_whitespace()
            .next()?
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    };
    Some(Memory {
        resident: bytes("Rss")?,
        proportional: bytes("Pss")?,
        private: bytes("Private_Clean")? + bytes("Private_Dirty")?,
        shared: bytes("Shared_Clean")? + bytes("Shared_Dirty")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_path_that_has_spaces() {
        let line = "7f3af3077000-7f3af30f1000 r-xs 0001a000 fe:00 1234       /tmp/a b (deleted)";
        let expected = Mapping {
            start: 0x7f3a_f307_7000,
            end: 0x7f3a_f30f_1000,
            read: true,
            write: false,
            execute: true,
            shared: true,
            offset: 0x1a000,
            device: "fe:00".into(),
            inode: 1234,
            path: Some("/tmp/a b (deleted)".into()),
        };
        assert_eq!(parse_mapping(line), Some(expected));
    }

    #[test]
    fn a_line_without_a_path() {
        let mapping = parse_mapping("1000-2000 rw-p 00000000 00:00 0 ").unwrap();
        assert!(mapping.path.is_none() && !mapping.shared && mapping.write);
        assert!(mapping.contains(0x1fff) && !mapping.contains(0x2000));
    }

    #[test]
    fn a_broken_line_is_refused() {
        for line in [
            "",
            "1000",
            "1000-2000",
            "1000-2000 rw 0 0 0",
            "x-y rw-p 0 0 0",
            "1-2 rw-p 0 0:0",
        ] {
            assert_eq!(parse_mapping(line), None, "{line:?}");
        }
    }

    #[test]
    fn memory_is_in_bytes() {
        let text = b"1-2 ---p 0 0:0 0 [rollup]\nRss: 10 kB\nPss: 5 kB\nPss_Dirty: 1 kB\n\
            Shared_Clean: 3 kB\nShared_Dirty: 1 kB\nPrivate_Clean: 4 kB\nPrivate_Dirty: 2 kB\n";
        let memory = parse_memory(text).unwrap();
        assert_eq!(
            (memory.resident, memory.proportional),
            (10 * 1024, 5 * 1024)
        );
        assert_eq!((memory.private, memory.shared), (6 * 1024, 4 * 1024));
        assert_eq!(parse_memory(b"Rss: 1 kB\n"), None);
    }
}
