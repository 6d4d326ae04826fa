//! Correct in another way: the raw system calls, which take the name without its
//! slash, and checks of its own in front of them.

use std::io::{self, ErrorKind};
use std::ptr::null;

use nix::libc::{self, c_long};

const RDWR: libc::c_int = libc::O_RDWR | libc::O_CLOEXEC;

#[derive(Debug)]
pub struct Queue {
    number: libc::c_int,
    longest: usize,
    name: Vec<u8>,
    creator: libc::pid_t,
}

/// The name for the kernel: with a NUL at its end, without a slash.
fn plain(name: &str) -> io::Result<Vec<u8>> {
    match name.strip_prefix('/') {
        Some(rest) if (1..=255).contains(&rest.len()) && !rest.contains(['/', '\0']) => {
            Ok([rest.as_bytes(), b"\0"].concat())
        }
        _ => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "not the name of a queue",
        )),
    }
}

/// The result of a system call.
fn checked(result: c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

impl Queue {
    /// # Errors
    /// Those of mq_open(2), and `InvalidInput`.
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        let name = plain(name)?;
        if capacity == 0 || longest == 0 {
            return Err(ErrorKind::InvalidInput.into());
        }
        // SAFETY: zeros are a valid structure.
        let mut size: libc::mq_attr = unsafe { std::mem::zeroed() };
        size.mq_maxmsg = capacity.try_into().map_err(|_| ErrorKind::InvalidInput)?;
        size.mq_msgsize = longest.try_into().map_err(|_| ErrorKind::InvalidInput)?;
        let flags = RDWR | libc::O_CREAT | libc::O_EXCL;
        // SAFETY: the name ends with a NUL, and the call only reads it and the sizes.
        let number = checked(unsafe {
            libc::syscall(
                libc::SYS_mq_open,
                name.as_ptr(),
                flags,
                0o600,
                &raw const size,
            )
        })?;
        // SAFETY: takes nothing.
        let creator = unsafe { libc::getpid() };
        let number = number as libc::c_int;
        Ok(Queue {
            number,
            longest,
            name,
            creator,
        })
    }

    /// # Errors
    /// Those of mq_open(2), and `InvalidInput`.
    pub fn open(name: &str) -> io::Result<Queue> {
        let name = plain(name)?;
        let no_size = null::<libc::mq_attr>();
        // SAFETY: the name ends with a NUL.
        let number =
            checked(unsafe { libc::syscall(libc::SYS_mq_open, name.as_ptr(), RDWR, 0, no_size) })?;
        let number = number as libc::c_int;
        let mut queue = Queue {
            number,
            longest: 0,
            name,
            creator: 0,
        };
        // SAFETY: zeros are a valid structure, and the call fills it.
        let size = unsafe {
            let mut size: libc::mq_attr = std::mem::zeroed();
            checked(libc::syscall(
                libc::SYS_mq_getsetattr,
                number,
                no_size,
                &raw mut size,
            ))?;
            size
        };
        queue.longest = size.mq_msgsize as usize;
        Ok(queue)
    }

    /// # Errors
    /// `InvalidInput` and EMSGSIZE.
    pub fn send(&self, message: &[u8], priority: u32) -> io::Result<()> {
        self.give(message, priority, null())
    }

    /// # Errors
    /// `InvalidInput` and EMSGSIZE.
    pub fn try_send(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        let long_ago = libc::timespec {
            tv_sec: 1,
            tv_nsec: 1,
        };
        match self.give(message, priority, &raw const long_ago) {
            Err(error) if error.raw_os_error() == Some(libc::ETIMEDOUT) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn receive(&self) -> io::Result<(Vec<u8>, u32)> {
        self.take(null())
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn try_receive(&self) -> io::Result<Option<(Vec<u8>, u32)>> {
        let long_ago = libc::timespec {
            tv_sec: 1,
            tv_nsec: 1,
        };
        match self.take(&raw const long_ago) {
            Err(error) if error.raw_os_error() == Some(libc::ETIMEDOUT) => Ok(None),
            result => result.map(Some),
        }
    }

    fn give(&self, message: &[u8], priority: u32, until: *const libc::timespec) -> io::Result<()> {
        if priority > 32_767 {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "priorities end at 32767",
            ));
        }
        if message.len() > self.longest {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        loop {
            let (start, length) = (message.as_ptr(), message.len());
            // SAFETY: the message and the time outlive the call.
            let sent = checked(unsafe {
                libc::syscall(
                    libc::SYS_mq_timedsend,
                    self.number,
                    start,
                    length,
                    priority,
                    until,
                )
            });
            match sent {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map(drop),
            }
        }
    }

    fn take(&self, until: *const libc::timespec) -> io::Result<(Vec<u8>, u32)> {
        let mut message = Vec::<u8>::with_capacity(self.longest);
        let mut priority = 0_u32;
        loop {
            let start = message.as_mut_ptr();
            // SAFETY: the vector has room for `longest` bytes; the kernel fills the
            // first `length` of them.
            unsafe {
                let called = checked(libc::syscall(
                    libc::SYS_mq_timedreceive,
                    self.number,
                    start,
                    self.longest,
                    &raw mut priority,
                    until,
                ));
                match called {
                    Ok(length) => message.set_len(length),
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                }
            }
            return Ok((message, priority));
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the descriptor is not used after this; the name ends with a NUL.
        unsafe {
            libc::syscall(libc::SYS_close, self.number);
            if self.creator == libc::getpid() {
                libc::syscall(libc::SYS_mq_unlink, self.name.as_ptr());
            }
        }
    }
}
