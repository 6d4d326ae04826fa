//! Correct in another way: each wait makes an epoll instance, which reports the
//! changes of the queue (edge-triggered). Names are checked before they are used.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

#[derive(Debug)]
struct Owner {
    name: CString,
    process: u32,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // SAFETY: reads the name.
            unsafe { libc::mq_unlink(self.name.as_ptr()) };
        }
    }
}

#[derive(Debug)]
pub struct Queue {
    queue: OwnedFd,
    sizes: [usize; 2],
    _owner: Option<Arc<Owner>>,
}

fn checked_name(name: &str) -> io::Result<CString> {
    let bad = !name.starts_with('/') || name.len() < 2 || name[1..].contains('/');
    if bad || name.len() > 256 {
        return Err(io::Error::other(format!("{name:?} is not a queue's name")));
    }
    Ok(CString::new(name)?)
}

fn owned(number: i32) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

impl Queue {
    /// # Errors
    /// Those of mq_open(3).
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        let name = checked_name(name)?;
        let (Ok(room), Ok(length)) = (i64::try_from(capacity), i64::try_from(longest)) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // SAFETY: zeros are a valid structure.
        let mut size: libc::mq_attr = unsafe { std::mem::zeroed() };
        (size.mq_maxmsg, size.mq_msgsize) = (room, length);
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CREAT | libc::O_EXCL;
        let mode: libc::mode_t = 0o600;
        // SAFETY: the name is a C string, and the sizes outlive the call.
        let queue = owned(unsafe { libc::mq_open(name.as_ptr(), flags, mode, &raw const size) })?;
        let process = std::process::id();
        Ok(Queue {
            queue,
            sizes: [capacity, longest],
            _owner: Some(Arc::new(Owner { name, process })),
        })
    }

    /// # Errors
    /// Those of mq_open(3).
    pub fn open(name: &str) -> io::Result<Queue> {
        let name = checked_name(name)?;
        let flags = libc::O_RDWR | libc::O_NONBLOCK;
        // SAFETY: the name is a C string.
        let queue = owned(unsafe { libc::mq_open(name.as_ptr(), flags) })?;
        // SAFETY: zeros are a valid structure, and the call fills it.
        let size = unsafe {
            let mut size: libc::mq_attr = std::mem::zeroed();
            Errno::result(libc::mq_getattr(queue.as_raw_fd(), &raw mut size))?;
            size
        };
        let sizes = [size.mq_maxmsg as usize, size.mq_msgsize as usize];
        let _owner = None;
        Ok(Queue {
            queue,
            sizes,
            _owner,
        })
    }

    /// # Errors
    /// Those of mq_send(3).
    pub fn send(&self, message: &[u8], priority: u32) -> io::Result<()> {
        self.until(EpollFlags::EPOLLOUT, || {
            self.try_send(message, priority)
                .map(|sent| sent.then_some(()))
        })
    }

    /// # Errors
    /// Those of mq_send(3).
    pub fn try_send(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        let (start, length) = (message.as_ptr().cast(), message.len());
        // SAFETY: the message outlives the call.
        match Errno::result(unsafe {
            libc::mq_send(self.queue.as_raw_fd(), start, length, priority)
        }) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn receive(&self) -> io::Result<(Vec<u8>, u32)> {
        self.until(EpollFlags::EPOLLIN, || self.try_receive())
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn try_receive(&self) -> io::Result<Option<(Vec<u8>, u32)>> {
        let mut message = vec![0_u8; self.sizes[1] + 1];
        let mut priority = 0;
        let (start, room) = (message.as_mut_ptr().cast(), message.len());
        // SAFETY: the buffer has this much room.
        match Errno::result(unsafe {
            libc::mq_receive(self.queue.as_raw_fd(), start, room, &raw mut priority)
        }) {
            Ok(length) => Ok(Some((message[..length as usize].to_vec(), priority))),
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Calls again and again until it has a result, and sleeps in between.
    fn until<T>(
        &self,
        event: EpollFlags,
        call: impl Fn() -> io::Result<Option<T>>,
    ) -> io::Result<T> {
        if let Some(result) = call()? {
            return Ok(result);
        }
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&self.queue, EpollEvent::new(event | EpollFlags::EPOLLET, 0))?;
        loop {
            // A change before the registration counts as an event.
            if let Some(result) = call()? {
                return Ok(result);
            }
            match epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
