//! Builds and reads the control data by hand on both sides, and keeps numbers
//! and not owners until it knows how many there are.

use std::io::{self, Error, ErrorKind};
use std::mem::{ManuallyDrop, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::libc;

/// A control message with room for as many descriptors as there can be, behind
/// room for others.
#[repr(C, align(16))]
struct Control([u8; 4096]);

fn again<A: Copy + PartialEq + From<i8>>(call: impl Fn() -> A) -> io::Result<A> {
    loop {
        let result = call();
        if result != A::from(-1) {
            return Ok(result);
        }
        let error = Error::last_os_error();
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sends one byte with one descriptor.
pub fn send_file(socket: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    let mut control = Control([0; 4096]);
    let byte = 0_u8;
    let mut buffer = libc::iovec {
        iov_base: (&raw const byte).cast_mut().cast(),
        iov_len: 1,
    };
    // SAFETY: everything to which the header points outlives the call.
    unsafe {
        let mut header: libc::msghdr = zeroed();
        header.msg_iov = &raw mut buffer;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = libc::CMSG_SPACE(4) as _;
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_len = libc::CMSG_LEN(4) as _;
        (*message).cmsg_level = libc::SOL_SOCKET;
        (*message).cmsg_type = libc::SCM_RIGHTS;
        *libc::CMSG_DATA(message).cast() = file.as_raw_fd();
        let flags = libc::MSG_NOSIGNAL;
        again(|| libc::sendmsg(socket.as_raw_fd(), &raw const header, flags)).map(drop)
    }
}

/// Receives one byte with at most one descriptor.
pub fn receive_file(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let number = socket.as_raw_fd();
    let mut byte = 0_u8;
    let mut control = Control([0; 4096]);
    let mut buffer = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: as above; what the kernel lists is open and belongs to us.
    unsafe {
        let mut header: libc::msghdr = zeroed();
        header.msg_iov = &raw mut buffer;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = 4096;
        let header = std::cell::UnsafeCell::new(header);
        let flags = libc::MSG_CMSG_CLOEXEC;
        if again(|| libc::recvmsg(number, header.get(), flags))? == 0 {
            return Ok(None);
        }
        let header = header.into_inner();
        let mut files = ManuallyDrop::new(Vec::new());
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            if (*message).cmsg_type == libc::SCM_RIGHTS {
                let count = ((*message).cmsg_len as usize - libc::CMSG_LEN(0) as usize) / 4;
                let numbers = libc::CMSG_DATA(message).cast::<i32>();
                files.extend((0..count).map(|place| *numbers.add(place)));
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
        let files = ManuallyDrop::into_inner(files);
        if files.len() == 1 && header.msg_flags & libc::MSG_CTRUNC == 0 {
            return Ok(Some(OwnedFd::from_raw_fd(files[0])));
        }
        files.into_iter().for_each(|file| {
            libc::close(file);
        });
        Err(Error::new(ErrorKind::InvalidData, "not one descriptor"))
    }
}
