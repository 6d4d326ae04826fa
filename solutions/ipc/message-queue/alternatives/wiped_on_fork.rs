//! Correct in another way: a page that the kernel fills with zeros in each forked
//! child says who the creator is, and no process number is compared. The calls
//! that wait use ppoll(2) between calls whose time limit has passed.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::libc;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_getattr, mq_open, mq_unlink};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use nix::sys::stat::Mode;

const PAST: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A page of its own, which is not 0 in the process that made it, and 0 in each
/// forked copy (`MADV_WIPEONFORK`, man 2 madvise).
#[derive(Debug)]
struct Mark(NonNull<u8>);

const PAGE: NonZeroUsize = NonZeroUsize::new(1).unwrap();

impl Mark {
    fn new() -> nix::Result<Mark> {
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping; the mark owns it.
        let mark = unsafe { mmap_anonymous(None, PAGE, rights, MapFlags::MAP_PRIVATE) };
        let mark = Mark(mark?.cast());
        // SAFETY: the advice changes this page only, and nothing refers to it.
        unsafe {
            madvise(mark.0.cast(), PAGE.get(), MmapAdvise::MADV_WIPEONFORK)?;
            mark.0.write_volatile(1);
        }
        Ok(mark)
    }

    fn is_ours(&self) -> bool {
        // SAFETY: the page is mapped, and nobody writes to it any more.
        unsafe { self.0.read_volatile() != 0 }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // SAFETY: this is the last use of the page.
        let _ = unsafe { munmap(self.0.cast(), PAGE.get()) };
    }
}

// SAFETY: the page is only read after `new`.
unsafe impl Send for Mark {}
// SAFETY: see above.
unsafe impl Sync for Mark {}

#[derive(Debug)]
pub struct Queue {
    queue: OwnedFd,
    longest: usize,
    created: Option<(String, Mark)>,
}

fn opened(name: &str, flags: MQ_OFlag, size: Option<&MqAttr>) -> io::Result<OwnedFd> {
    let flags = flags | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
    let queue = mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, size)?;
    // SAFETY: nothing else owns the descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(queue.into_raw_fd()) })
}

impl Queue {
    /// # Errors
    /// Those of mq_open(3).
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        let number = |size| i64::try_from(size).map_err(|_| Errno::EINVAL);
        let size = MqAttr::new(0, number(capacity)?, number(longest)?, 0);
        // Before there is a queue that would have to be removed after an error.
        let mark = Mark::new()?;
        Ok(Queue {
            queue: opened(name, MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL, Some(&size))?,
            longest,
            created: Some((name.to_owned(), mark)),
        })
    }

    /// # Errors
    /// Those of mq_open(3).
    pub fn open(name: &str) -> io::Result<Queue> {
        let queue = opened(name, MQ_OFlag::empty(), None)?;
        // SAFETY: the descriptor is borrowed: nix's type does not close it.
        let size = mq_getattr(&unsafe { MqdT::from_raw_fd(queue.as_raw_fd()) })?;
        Ok(Queue {
            queue,
            longest: size.msgsize() as usize,
            created: None,
        })
    }

    fn wait(&self, events: PollFlags) -> nix::Result<()> {
        let mut entry = [PollFd::new(self.queue.as_fd(), events)];
        match ppoll(&mut entry, None, None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// # Errors
    /// Those of mq_send(3).
    pub fn send(&self, message: &[u8], priority: u32) -> io::Result<()> {
        while !self.try_send(message, priority)? {
            self.wait(PollFlags::POLLOUT)?;
        }
        Ok(())
    }

    /// # Errors
    /// Those of mq_send(3).
    pub fn try_send(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        loop {
            let (bytes, length) = (message.as_ptr().cast(), message.len());
            // SAFETY: the message and the time outlive the call.
            let sent = Errno::result(unsafe {
                libc::mq_timedsend(self.queue.as_raw_fd(), bytes, length, priority, &PAST)
            });
            match sent {
                Ok(_) => return Ok(true),
                Err(Errno::ETIMEDOUT) => return Ok(false),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn receive(&self) -> io::Result<(Vec<u8>, u32)> {
        loop {
            if let Some(message) = self.try_receive()? {
                return Ok(message);
            }
            self.wait(PollFlags::POLLIN)?;
        }
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn try_receive(&self) -> io::Result<Option<(Vec<u8>, u32)>> {
        let (mut message, mut priority) = (vec![0_u8; self.longest], 0);
        loop {
            let (buffer, room) = (message.as_mut_ptr().cast(), message.len());
            // SAFETY: the buffer has this much room, and the time outlives the call.
            let received = Errno::result(unsafe {
                let queue = self.queue.as_raw_fd();
                libc::mq_timedreceive(queue, buffer, room, &raw mut priority, &PAST)
            });
            match received {
                Ok(length) => {
                    message.truncate(length as usize);
                    return Ok(Some((message, priority)));
                }
                Err(Errno::ETIMEDOUT) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if let Some((name, mark)) = &self.created
            && mark.is_ours()
        {
            let _ = mq_unlink(name.as_str());
        }
    }
}
