//! Slow but right: a turn handles one request at most and reads at most 4 KiB. Who has
//! more to do gets its next turn after all others. The decoder keeps the pieces in which
//! bytes have arrived, and the outbox one vector.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The length of a message is over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The length that the frame claims, in bytes.
    pub length: u32,
}

/// Makes messages of bytes that arrive in pieces.
#[derive(Debug)]
pub struct Decoder {
    limit: u32,
    pieces: VecDeque<Vec<u8>>,
    /// The bytes of the first piece that were taken.
    taken: usize,
    /// The bytes of all pieces that were not taken.
    all: usize,
    error: Option<TooLong>,
}

impl Decoder {
    const PIECE: usize = 4096;

    /// Without pieces.
    pub fn new(limit: u32) -> Decoder {
        Decoder {
            limit,
            pieces: VecDeque::new(),
            taken: 0,
            all: 0,
            error: None,
        }
    }

    /// Adds to the last piece, or new ones.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while self.error.is_none() && !bytes.is_empty() {
            if self
                .pieces
                .back()
                .is_none_or(|last| last.len() == Self::PIECE)
            {
                self.pieces.push_back(Vec::new());
            }
            let last = self.pieces.back_mut().unwrap();
            let count = bytes.len().min(Self::PIECE - last.len());
            last.extend_from_slice(&bytes[..count]);
            self.all += count;
            bytes = &bytes[count..];
        }
    }

    fn peek(&self, place: usize) -> u8 {
        let place = self.taken + place;
        self.pieces[place / Self::PIECE][place % Self::PIECE]
    }

    fn take(&mut self, mut count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        while count > 0 {
            let first = &self.pieces[0][self.taken..];
            let now = count.min(first.len());
            bytes.extend_from_slice(&first[..now]);
            count -= now;
            self.all -= now;
            self.taken += now;
            if self.taken == Self::PIECE || self.all == 0 {
                self.pieces.pop_front();
                self.taken = 0;
            }
        }
        bytes
    }

    /// Looks at the length, and takes the message.
    pub fn message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.all < 4 {
            return Ok(None);
        }
        let length = u32::from_be_bytes([0, 1, 2, 3].map(|place| self.peek(place)));
        if length > self.limit {
            *self = Decoder::new(self.limit);
            self.error = Some(TooLong { length });
            return Err(TooLong { length });
        }
        if self.all < 4 + length as usize {
            return Ok(None);
        }
        self.take(4);
        Ok(Some(self.take(length as usize)))
    }
}

/// The frames that the stream has not taken yet.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    taken: usize,
}

impl Outbox {
    /// An empty one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Outbox {
        let (bytes, taken) = (Vec::new(), 0);
        Outbox { bytes, taken }
    }

    /// Adds a frame at the end.
    pub fn queue(&mut self, message: &[u8]) {
        if message.len() > u32::MAX as usize {
            panic!("{} bytes are too many", message.len());
        }
        if self.taken > 4096 && self.taken >= self.waiting() {
            self.bytes.copy_within(self.taken.., 0);
            self.bytes.truncate(self.waiting());
            self.taken = 0;
        }
        self.bytes.extend((message.len() as u32).to_be_bytes());
        self.bytes.extend(message);
    }

    /// The bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Writes at most 4 KiB with each call of the stream.
    pub fn flush(&mut self, to: &mut impl Write) -> io::Result<bool> {
        while self.waiting() > 0 {
            let end = self.bytes.len().min(self.taken + 4096);
            match to.write(&self.bytes[self.taken..end]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.taken += count,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Ok(false),
                    _ => return Err(error),
                },
            }
        }
        *self = Outbox::new();
        Ok(true)
    }
}

/// What a server allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request, in bytes without the four bytes of its length.
    pub message: u32,
    /// If more bytes than this wait for a client, the client has to read first.
    pub outbox: usize,
    /// The most clients that are connected at a time.
    pub clients: usize,
}

/// What a server has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The number of clients that it has accepted.
    pub clients: u64,
    /// The number of requests that it has handled.
    pub requests: u64,
}

struct Client {
    stream: UnixStream,
    decoder: Decoder,
    outbox: Outbox,
    sends: bool,
    /// Whether its last turn did something, so that the next may, too.
    has_more: bool,
}

impl Client {
    /// One step. Returns whether the connection goes on.
    fn step(
        &mut self,
        limits: &Limits,
        handler: &mut impl FnMut(&[u8]) -> Vec<u8>,
        requests: &mut u64,
    ) -> io::Result<bool> {
        self.has_more = false;
        self.outbox.flush(&mut self.stream)?;
        if self.outbox.waiting() > limits.outbox {
            return Ok(true);
        }
        match self.decoder.message() {
            Ok(Some(request)) => {
                *requests += 1;
                self.outbox.queue(&handler(&request));
                self.outbox.flush(&mut self.stream)?;
                self.has_more = true;
            }
            Err(_) => self.sends = false,
            Ok(None) if self.sends => {
                let mut buffer = [0; 4096];
                match self.stream.read(&mut buffer) {
                    Ok(count) => {
                        self.decoder.push(&buffer[..count]);
                        self.sends = count > 0;
                        self.has_more = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(None) => {}
        }
        Ok(self.has_more || self.sends || self.outbox.waiting() > 0)
    }
}

/// Gives every client a step after each wait, whether it is ready or not.
pub fn serve(
    listener: UnixListener,
    stop: BorrowedFd<'_>,
    limits: Limits,
    mut handler: impl FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<Served> {
    listener.set_nonblocking(true)?;
    let mut clients: Vec<Client> = Vec::new();
    let (mut accepted, mut requests, mut starved) = (0, 0, false);
    loop {
        let accepts = clients.len() < limits.clients && !starved;
        let mut list = vec![PollFd::new(stop, PollFlags::POLLIN)];
        if accepts {
            list.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
        }
        for client in &clients {
            let waiting = client.outbox.waiting();
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLOUT, waiting > 0);
            events.set(PollFlags::POLLIN, client.sends && waiting <= limits.outbox);
            list.push(PollFd::new(client.stream.as_fd(), events));
        }
        let timeout = match clients.iter().any(|client| client.has_more) {
            true => PollTimeout::ZERO,
            false => PollTimeout::NONE,
        };
        match poll(&mut list, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        // After EINTR the flags are what they were: nothing.
        if list[0].revents().is_some_and(|events| !events.is_empty()) {
            return Ok(Served {
                clients: accepted,
                requests,
            });
        }
        let before = clients.len();
        clients.retain_mut(|client| {
            let goes_on = client.step(&limits, &mut handler, &mut requests);
            goes_on.unwrap_or(false)
        });
        starved &= clients.len() == before;
        if accepts {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    clients.push(Client {
                        stream,
                        decoder: Decoder::new(limits.message),
                        outbox: Outbox::new(),
                        sends: true,
                        has_more: true,
                    });
                    accepted += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    let number = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                    let lacks = [Errno::EMFILE, Errno::ENFILE].contains(&number);
                    if !lacks || clients.is_empty() {
                        return Err(error);
                    }
                    starved = true;
                }
            }
        }
    }
}
