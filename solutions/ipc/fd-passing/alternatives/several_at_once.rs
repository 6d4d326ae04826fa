//! Uses the calls for many messages, sendmmsg and recvmmsg, with one message
//! each. The descriptors are kept in an array and not in a vector.

use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use nix::errno::Errno;
use nix::libc;

/// Room for control data, aligned for its headers.
type Control = [u64; 160];

/// One message of one byte.
fn with_message<A>(
    control: &mut Control,
    length: usize,
    call: impl Fn(*mut libc::mmsghdr) -> i32,
    then: impl FnOnce(&libc::mmsghdr) -> A,
) -> io::Result<A> {
    let mut byte = 0_u8;
    let mut buffer = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: zeros are a valid value.
    let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
    message.msg_hdr.msg_iov = &raw mut buffer;
    message.msg_hdr.msg_iovlen = 1;
    message.msg_hdr.msg_control = control.as_mut_ptr().cast();
    message.msg_hdr.msg_controllen = length as _;
    loop {
        match Errno::result(call(&raw mut message)) {
            Ok(_) => return Ok(then(&message)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Sends one byte with one descriptor.
pub fn send_file(socket: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    let mut control: Control = [0; 160];
    // SAFETY: the buffer has room for one control message, and is aligned for it.
    let length = unsafe {
        let header = control.as_mut_ptr().cast::<libc::cmsghdr>();
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
        libc::CMSG_DATA(header)
            .cast::<RawFd>()
            .write_unaligned(file.as_raw_fd());
        (*header).cmsg_len as usize
    };
    let number = socket.as_raw_fd();
    // SAFETY: the message and all to which it points outlive the call.
    let call = |message| unsafe { libc::sendmmsg(number, message, 1, libc::MSG_NOSIGNAL as _) };
    with_message(&mut control, length, call, |_| ())
}

/// Receives one byte with at most one descriptor.
pub fn receive_file(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut control: Control = [0; 160];
    let number = socket.as_raw_fd();
    // SAFETY: as above.
    let call = |message| unsafe {
        let flags = libc::MSG_CMSG_CLOEXEC as _;
        libc::recvmmsg(number, message, 1, flags, ptr::null_mut())
    };
    with_message(&mut control, size_of::<Control>(), call, look)?
}

fn look(message: &libc::mmsghdr) -> io::Result<Option<OwnedFd>> {
    let (mut count, mut file) = (0, None);
    // SAFETY: the kernel has written the control data.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(&message.msg_hdr);
        while !at.is_null() {
            if (*at).cmsg_type == libc::SCM_RIGHTS && (*at).cmsg_level == libc::SOL_SOCKET {
                let data = libc::CMSG_DATA(at);
                let end = at.cast::<u8>().add((*at).cmsg_len as usize);
                for place in 0..end.offset_from_unsigned(data) / size_of::<RawFd>() {
                    let number = data.cast::<RawFd>().add(place).read_unaligned();
                    // The one before is closed.
                    file = Some(OwnedFd::from_raw_fd(number));
                    count += 1;
                }
            }
            at = libc::CMSG_NXTHDR(&message.msg_hdr, at);
        }
    }
    let is_whole = message.msg_hdr.msg_flags & libc::MSG_CTRUNC == 0;
    match (message.msg_len, count) {
        (0, _) => Ok(None),
        (_, 1) if is_whole => Ok(file),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}
