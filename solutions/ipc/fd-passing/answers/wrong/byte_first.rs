// breaks C6: sends the descriptor after the byte
use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// The most descriptors that the kernel lets one message carry (`SCM_MAX_FD`,
/// unix(7)).
const MOST: usize = 253;

/// Room for the control data of a message: 253 descriptors, and the credentials
/// that the kernel adds on request.
///
/// If the buffer were smaller, the kernel would drop what does not fit, and a
/// lack of room here would look like a lack of room in the descriptor table.
#[repr(C, align(8))] // At least the alignment of `cmsghdr`.
struct Control([u8; SPACE]);

// SAFETY: CMSG_SPACE only computes.
const SPACE: usize = unsafe {
    libc::CMSG_SPACE((MOST * size_of::<RawFd>()) as u32)
        + libc::CMSG_SPACE(size_of::<libc::ucred>() as u32)
} as usize;

const _: () = assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());

/// Sends `file` over `socket`, as one byte with one descriptor.
///
/// The sender keeps `file`. An interrupted call is made again.
///
/// # Errors
/// Those of sendmsg(2). EPIPE comes without SIGPIPE.
pub fn send_file(socket: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    // A stream carries control data only together with at least one byte.
    let byte = [IoSlice::new(&[0])];
    let files = [file.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&files)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    use std::io::Write;
    let mut stream = socket;
    stream.write_all(&[0])?;
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), &byte, &control, flags, None) {
            Ok(_) => return Ok(()),
            // A call that was interrupted has sent nothing.
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Receives a descriptor from `socket`, or `None` if the stream has ended.
///
/// Takes one byte from the stream. The descriptor is close-on-exec. An
/// interrupted call is made again.
///
/// # Errors
/// InvalidData if the byte carries no descriptor, or several. EMFILE if the
/// descriptor found no place in this process. Those of recvmsg(2).
pub fn receive_file(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let Some((mut files, truncated)) = receive_byte(socket)? else {
        return Ok(None);
    };
    let (file, more) = (files.pop(), files.len());
    match file {
        _ if more > 0 => Err(invalid("the byte carries more than one descriptor")),
        // The buffer has room for all, so the table of descriptors had none.
        _ if truncated => Err(Errno::EMFILE.into()),
        None => Err(invalid("the byte carries no descriptor")),
        file => Ok(file),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// Takes one byte from the stream. Returns the descriptors that came with it,
/// and whether the kernel dropped others; `None` at the end of the stream.
fn receive_byte(socket: &UnixStream) -> io::Result<Option<(Vec<OwnedFd>, bool)>> {
    let mut byte = 0_u8;
    let mut control = Control([0; SPACE]);
    let mut buffer = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: zeros are a valid value of this structure of integers and
    // pointers.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut buffer;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = SPACE as _;
    loop {
        // SAFETY: the header points to one byte and to `SPACE` bytes, which
        // outlive the call. A call that failed has not changed the header.
        let received =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        match Errno::result(received) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    // Each of them has an owner from here on, so that whatever happens to the
    // message, each is closed.
    // SAFETY: recvmsg has filled the header, and `control` still exists.
    let files = unsafe { descriptors(&header) };
    Ok(Some((files, header.msg_flags & libc::MSG_CTRUNC != 0)))
}

/// The descriptors in the control data that the kernel has written.
///
/// # Safety
/// recvmsg has filled the header, its buffer still exists, and this is called
/// once.
unsafe fn descriptors(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut files = Vec::new();
    // SAFETY: the kernel wrote a list of control messages into an aligned buffer,
    // and `header` holds its length.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            if (found.cmsg_level, found.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let length = found.cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let first = libc::CMSG_DATA(message).cast::<RawFd>();
                let numbers =
                    (0..length / size_of::<RawFd>()).map(|n| first.add(n).read_unaligned());
                // The kernel has just opened them for this process, and nobody
                // else knows them.
                files.extend(numbers.map(|number| OwnedFd::from_raw_fd(number)));
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    files
}
