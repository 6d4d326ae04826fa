//! `/proc/PID/fd` and `/proc/PID/fdinfo`: the open file descriptors of a
//! process.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Pid, explain, read};

/// One open file descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub fd: i32,
    /// What it refers to.
    pub target: Target,
    /// The flags of open(2): access mode and `O_NONBLOCK`, `O_CLOEXEC`, ….
    pub flags: u32,
    /// The position in the file, in bytes; 0 if the target has no position.
    pub offset: u64,
}

impl Descriptor {
    /// Whether it was opened for reading. If it is a pipe, this is the read
    /// end.
    #[must_use]
    pub fn readable(&self) -> bool {
        !self.is_path_only() && matches!(self.access(), libc::O_RDONLY | libc::O_RDWR)
    }

    /// Whether it was opened for writing. If it is a pipe, this is the write
    /// end.
    #[must_use]
    pub fn writable(&self) -> bool {
        !self.is_path_only() && matches!(self.access(), libc::O_WRONLY | libc::O_RDWR)
    }

    /// Whether exec will close it.
    #[must_use]
    pub fn closes_on_exec(&self) -> bool {
        self.flags & libc::O_CLOEXEC.cast_unsigned() != 0
    }

    fn access(&self) -> i32 {
        self.flags.cast_signed() & libc::O_ACCMODE
    }

    fn is_path_only(&self) -> bool {
        self.flags & libc::O_PATH.cast_unsigned() != 0
    }
}

/// What a descriptor refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A pipe, identified by its inode. Both ends of one pipe have the same
    /// inode.
    Pipe(u64),
    /// A socket, identified by its inode. The two ends of a socket pair have
    /// different inodes.
    Socket(u64),
    /// A file, directory or device, identified by its path. The kernel appends
    /// ` (deleted)` to a path that no longer leads there.
    File(PathBuf),
    /// Anything else, in the kernel's words, such as `anon_inode:[eventfd]`.
    Anonymous(String),
}

impl Target {
    /// A path begins with `/`, so a *file* named `pipe:[1]` is not mistaken for
    /// a pipe.
    fn from_link(link: &Path) -> Target {
        if link.is_absolute() {
            return Target::File(link.to_owned());
        }
        let text = link.to_string_lossy().into_owned();
        let inode = |prefix: &str| {
            text.strip_prefix(prefix)?
                .strip_prefix(":[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        };
        if let Some(inode) = inode("pipe") {
            Target::Pipe(inode)
        } else if let Some(inode) = inode("socket") {
            Target::Socket(inode)
        } else {
            Target::Anonymous(text)
        }
    }
}

/// The open descriptors of a process, in the order of their numbers.
///
/// A descriptor that is closed during the scan is left out. A zombie has no
/// descriptors any more: root gets an empty list, and an ordinary user gets
/// `PermissionDenied`, because a zombie's directory belongs to root.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn descriptors(pid: Pid) -> io::Result<Vec<Descriptor>> {
    table(&format!("/proc/{pid}"))
}

/// The open descriptors of one thread. They are those of its process, unless
/// the thread has left the shared table (man 2 unshare, `CLONE_FILES`).
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn task_descriptors(pid: Pid, tid: Pid) -> io::Result<Vec<Descriptor>> {
    table(&format!("/proc/{pid}/task/{tid}"))
}

fn table(of: &str) -> io::Result<Vec<Descriptor>> {
    let directory = format!("{of}/fd");
    // Collect the names first. If we look at our own process, the directory
    // itself is an open descriptor, and it must be closed before we look at the
    // descriptors.
    let names = fs::read_dir(&directory)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(|error| explain(&directory, error))?;
    let mut found = Vec::with_capacity(names.len());
    for fd in names.iter().filter_map(|name| number(name)) {
        match descriptor(of, fd) {
            Ok(descriptor) => found.push(descriptor),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by_key(|descriptor| descriptor.fd);
    Ok(found)
}

fn descriptor(of: &str, fd: i32) -> io::Result<Descriptor> {
    let path = format!("{of}/fd/{fd}");
    let link = fs::read_link(&path).map_err(|error| explain(&path, error))?;
    let path = format!("{of}/fdinfo/{fd}");
    let info = read(&path)?;
    let (offset, flags) = parse_info(&info).ok_or_else(|| super::malformed(&path, &info))?;
    Ok(Descriptor {
        fd,
        target: Target::from_link(&link),
        flags,
        offset,
    })
}

fn number(name: &OsStr) -> Option<i32> {
    std::str::from_utf8(name.as_bytes()).ok()?.parse().ok()
}

/// Parses `pos:\t0` and `flags:\t0100002` (octal). Other lines depend on the
/// kind of descriptor.
fn parse_info(info: &[u8]) -> Option<(u64, u32)> {
    let info = String::from_utf8_lossy(info);
    let value = |key: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .map(str::trim)
    };
    Some((
        value("pos")?.parse().ok()?,
        u32::from_str_radix(value("flags")?, 8).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_what_kind_of_thing_it_is() {
        let target = |link: &str| Target::from_link(Path::new(link));
        assert_eq!(target("pipe:[12]"), Target::Pipe(12));
        assert_eq!(target("socket:[9]"), Target::Socket(9));
        assert_eq!(
            target("/tmp/pipe:[12]"),
            Target::File("/tmp/pipe:[12]".into())
        );
        assert_eq!(
            target("anon_inode:[eventfd]"),
            Target::Anonymous("anon_inode:[eventfd]".into())
        );
        assert_eq!(target("pipe:[x]"), Target::Anonymous("pipe:[x]".into()));
    }

    #[test]
    fn flags_are_octal() {
        assert_eq!(
            parse_info(b"pos:\t42\nflags:\t02100001\nmnt_id:\t24\n"),
            Some((42, 0o2_100_001))
        );
        assert_eq!(parse_info(b"pos:\t0\n"), None);
        assert_eq!(parse_info(b"pos:\t0\nflags:\t9\n"), None);
    }

    #[test]
    fn a_descriptor_for_a_path_only_is_neither_readable_nor_writable() {
        let target = Target::File("/".into());
        let flags = libc::O_PATH.cast_unsigned();
        let descriptor = Descriptor {
            fd: 3,
            target,
            flags,
            offset: 0,
        };
        assert!(!descriptor.readable() && !descriptor.writable());
    }
}
