//! Correct in another way: two open descriptions of the queue, one for the calls
//! that wait and one with `O_NONBLOCK` for the calls that try.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_close, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::sys::stat::Mode;

#[derive(Debug)]
struct Description(MqdT);

impl Description {
    fn open(name: &str, flags: MQ_OFlag, size: Option<&MqAttr>) -> io::Result<Description> {
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let queue = mq_open(name, flags | MQ_OFlag::O_RDWR, mode, size)?;
        Ok(Description(queue))
    }

    fn send(&self, message: &[u8], priority: u32) -> nix::Result<()> {
        loop {
            match mq_send(&self.0, message, priority) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }

    fn receive(&self) -> nix::Result<(Vec<u8>, u32)> {
        let longest = mq_getattr(&self.0)?.msgsize();
        let (mut message, mut priority) = (vec![0; longest as usize], 0);
        loop {
            match mq_receive(&self.0, &mut message, &mut priority) {
                Ok(length) => return Ok((message[..length].to_vec(), priority)),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: this is the last use of the descriptor.
        let _ = mq_close(unsafe { MqdT::from_raw_fd(self.0.as_raw_fd()) });
    }
}

/// Removes a name when it is dropped.
#[derive(Debug)]
struct Name(String, i32);

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: the call takes nothing and cannot fail.
        if self.1 == unsafe { nix::libc::getpid() } {
            let _ = mq_unlink(self.0.as_str());
        }
    }
}

#[derive(Debug)]
pub struct Queue {
    waits: Description,
    tries: Description,
    _name: Option<Name>,
}

impl Queue {
    /// # Errors
    /// Those of mq_open(3).
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        // Negative sizes are errors in the kernel.
        let size = MqAttr::new(0, capacity as i64, longest as i64, 0);
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
        let waits = Description::open(name, flags, Some(&size))?;
        // From here on, an error removes the name.
        let name = Name(name.to_owned(), std::process::id() as i32);
        let tries = Description::open(&name.0, MQ_OFlag::O_NONBLOCK, None)?;
        let _name = Some(name);
        Ok(Queue {
            waits,
            tries,
            _name,
        })
    }

    /// # Errors
    /// Those of mq_open(3).
    pub fn open(name: &str) -> io::Result<Queue> {
        let waits = Description::open(name, MQ_OFlag::empty(), None)?;
        let tries = Description::open(name, MQ_OFlag::O_NONBLOCK, None)?;
        let _name = None;
        Ok(Queue {
            waits,
            tries,
            _name,
        })
    }

    /// # Errors
    /// Those of mq_send(3).
    pub fn send(&self, message: &[u8], priority: u32) -> io::Result<()> {
        Ok(self.waits.send(message, priority)?)
    }

    /// # Errors
    /// Those of mq_send(3).
    pub fn try_send(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        match self.tries.send(message, priority) {
            Err(Errno::EAGAIN) => Ok(false),
            result => Ok(result.map(|()| true)?),
        }
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn receive(&self) -> io::Result<(Vec<u8>, u32)> {
        Ok(self.waits.receive()?)
    }

    /// # Errors
    /// Those of mq_receive(3).
    pub fn try_receive(&self) -> io::Result<Option<(Vec<u8>, u32)>> {
        match self.tries.receive() {
            Err(Errno::EAGAIN) => Ok(None),
            result => Ok(Some(result?)),
        }
    }
}
