//! Gives the kernel room for the credentials and two descriptors only, and takes
//! the control data apart by hand.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// Sends one byte with one descriptor.
pub fn send_file(socket: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    let numbers = [file.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&numbers)];
    let mut sent = Err(Errno::EINTR);
    while sent == Err(Errno::EINTR) {
        let byte = [IoSlice::new(&[0])];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sent = sendmsg::<()>(socket.as_raw_fd(), &byte, &rights, flags, None);
    }
    sent.map(drop).map_err(io::Error::from)
}

/// The headers are three words: a length, and level and type as halves.
const HEADER: usize = size_of::<libc::cmsghdr>();

/// Receives one byte with at most one descriptor.
pub fn receive_file(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0_u8; 1];
    let mut room = [0_usize; 7 * 16 / size_of::<usize>()];
    let mut buffer = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: zeros are a valid value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut buffer;
    header.msg_iovlen = 1;
    let length = loop {
        header.msg_control = room.as_mut_ptr().cast();
        // 32 bytes for the credentials, 24 for up to two descriptors.
        header.msg_controllen = 56;
        let flags = libc::MSG_CMSG_CLOEXEC;
        // SAFETY: all buffers outlive the call.
        let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
        match Errno::result(length) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    let mut files = Vec::new();
    // SAFETY: any word can be seen as bytes.
    let room = unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<u8>(), 112) };
    let mut rest = &room[..header.msg_controllen as usize];
    while rest.len() >= HEADER {
        let word =
            |at: usize| i32::from_ne_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        // (The upper half of the length is 0, and this machine is little-endian.)
        let length = word(0) as usize;
        let (level, kind) = (word(HEADER - 8), word(HEADER - 4));
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            let numbers = (HEADER..length).step_by(size_of::<RawFd>());
            // SAFETY: the kernel has opened it for this process.
            files.extend(numbers.map(|at| unsafe { OwnedFd::from_raw_fd(word(at)) }));
        }
        let next = length.next_multiple_of(size_of::<usize>());
        rest = rest.get(next..).unwrap_or_default();
    }
    let is_whole = header.msg_flags & libc::MSG_CTRUNC == 0;
    match (length, files.pop()) {
        (0, _) => Ok(None),
        (_, Some(file)) if files.is_empty() && is_whole => Ok(Some(file)),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}
