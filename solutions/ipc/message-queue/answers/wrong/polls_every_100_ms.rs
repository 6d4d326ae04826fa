// contract broken: C14: a call that waits wakes up every 100 ms to look again

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getpid};

#[derive(Debug)]
pub struct Queue {
    queue: OwnedFd,
    name: Option<(String, Pid)>,
}

impl Queue {
    /// # Errors
    /// Those of mq_open(3).
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        let number = |size: usize| i64::try_from(size).map_err(|_| io::ErrorKind::InvalidInput);
        let size = MqAttr::new(0, number(capacity)?, number(longest)?, 0);
        let mut queue = Queue::with(name, MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL, Some(&size))?;
        queue.name = Some((name.to_owned(), getpid()));
        Ok(queue)
    }

    /// # Errors
    /// Those of mq_open(3).
    pub fn open(name: &str) -> io::Result<Queue> {
        Queue::with(name, MQ_OFlag::empty(), None)
    }

    fn with(name: &str, flags: MQ_OFlag, size: Option<&MqAttr>) -> io::Result<Queue> {
        let flags = flags | MQ_OFlag::O_RDWR | MQ_OFlag::O_NONBLOCK | MQ_OFlag::O_CLOEXEC;
        let queue = mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, size)?;
        // SAFETY: nothing else owns this descriptor.
        let queue = unsafe { OwnedFd::from_raw_fd(queue.into_raw_fd()) };
        Ok(Queue { queue, name: None })
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
        match mq_send(&self.lent(), message, priority) {
            Ok(()) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            Err(errno) => Err(errno.into()),
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
        let queue = self.lent();
        let longest = usize::try_from(mq_getattr(&queue)?.msgsize()).unwrap_or(0);
        let (mut message, mut priority) = (vec![0; longest], 0);
        match mq_receive(&queue, &mut message, &mut priority) {
            Ok(length) => {
                message.truncate(length);
                Ok(Some((message, priority)))
            }
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sleeps until the queue may have become ready.
    fn wait(&self, events: PollFlags) -> io::Result<()> {
        let mut fds = [PollFd::new(self.queue.as_fd(), events)];
        match poll(&mut fds, 100u16) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn lent(&self) -> ManuallyDrop<MqdT> {
        // SAFETY: the descriptor is open as long as `self` lives.
        ManuallyDrop::new(unsafe { MqdT::from_raw_fd(self.queue.as_raw_fd()) })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if let Some((name, creator)) = self.name.take()
            && creator == getpid()
        {
            let _ = mq_unlink(name.as_str());
        }
    }
}
