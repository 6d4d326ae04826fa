//! Reads what the subject prints, without ever blocking and up to a limit.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// How many bytes of each stream are kept.
const CAP: usize = 256 << 10;

/// One stream of the subject.
pub(crate) struct Captured {
    fd: Option<std::fs::File>,
    kept: Vec<u8>,
    dropped: u64,
}

impl Captured {
    /// A pipe: the end to read here, and the end for the subject.
    pub(crate) fn pipe() -> Result<(Self, OwnedFd), Errno> {
        let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let captured = Captured {
            fd: Some(ours.into()),
            kept: Vec::new(),
            dropped: 0,
        };
        Ok((captured, theirs))
    }

    /// The descriptor to poll, until the stream has ended.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there now.
    pub(crate) fn drain(&mut self) {
        let mut buffer = [0u8; 16 << 10];
        // A process that writes without end must not keep the judge here.
        for _ in 0..64 {
            let Some(fd) = &mut self.fd else { return };
            match fd.read(&mut buffer) {
                Ok(0) => self.fd = None,
                Ok(length) => {
                    let room = CAP.saturating_sub(self.kept.len()).min(length);
                    self.kept.extend_from_slice(&buffer[..room]);
                    self.dropped += (length - room) as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// What has arrived since the last call, and how many bytes after the cap
    /// were dropped.
    pub(crate) fn take(&mut self) -> (String, u64) {
        let kept = std::mem::take(&mut self.kept);
        (
            String::from_utf8_lossy(&kept).into_owned(),
            std::mem::take(&mut self.dropped),
        )
    }
}
