//! Edge-triggered readiness: the server remembers itself who may have more, and gives
//! those clients turns until a call would block. Both buffers are a `VecDeque` of bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

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
    bytes: VecDeque<u8>,
    error: Option<TooLong>,
}

impl Decoder {
    /// An empty one.
    pub fn new(limit: u32) -> Decoder {
        let (bytes, error) = (VecDeque::new(), None);
        Decoder {
            limit,
            bytes,
            error,
        }
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.bytes.extend(bytes);
        }
    }

    /// Takes a message from the front.
    pub fn message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.bytes.len() < 4 {
            return Ok(None);
        }
        let length =
            u32::from_be_bytes([self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]]);
        if length > self.limit {
            self.bytes = VecDeque::new();
            self.error = Some(TooLong { length });
            return Err(TooLong { length });
        }
        if self.bytes.len() - 4 < length as usize {
            return Ok(None);
        }
        self.bytes.drain(..4);
        let message = self.bytes.drain(..length as usize).collect();
        if self.bytes.is_empty() {
            self.bytes.shrink_to(4096);
        }
        Ok(Some(message))
    }
}

/// The frames that the stream has not taken yet.
#[derive(Debug)]
pub struct Outbox {
    bytes: VecDeque<u8>,
}

impl Outbox {
    /// An empty one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Outbox {
        Outbox {
            bytes: VecDeque::new(),
        }
    }

    /// Adds a frame at the end.
    pub fn queue(&mut self, message: &[u8]) {
        let length: u32 = message.len().try_into().unwrap();
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(message);
    }

    /// The bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Writes from the front.
    pub fn flush(&mut self, to: &mut impl Write) -> io::Result<bool> {
        while !self.bytes.is_empty() {
            match to.write(self.bytes.as_slices().0) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.bytes.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
        }
        self.bytes.shrink_to(4096);
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
}

/// What may come of a turn.
enum After {
    /// Nothing can be done before the next edge.
    Sleeps,
    /// There may be more to do.
    HasMore,
    Over,
}

/// One wait tells of edges; who may have more gets a turn without waiting.
pub fn serve(
    listener: UnixListener,
    stop: BorrowedFd<'_>,
    limits: Limits,
    mut handler: impl FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<Served> {
    const STOP: u64 = 0;
    const LISTENER: u64 = 1;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
    let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    epoll.add(&listener, EpollEvent::new(edges, LISTENER))?;
    let edges = edges | EpollFlags::EPOLLOUT;
    let mut served = Served {
        clients: 0,
        requests: 0,
    };
    let mut clients: BTreeMap<u64, Client> = BTreeMap::new();
    // Who may have something to do, the listener among them.
    let mut due: BTreeSet<u64> = BTreeSet::from([LISTENER]);
    let mut buffer = vec![0; 16 << 10];
    let mut lacking = false;
    let mut events = [EpollEvent::empty(); 128];
    loop {
        let accepts = due.contains(&LISTENER) && clients.len() < limits.clients && !lacking;
        let sleeps = !accepts && due.iter().all(|token| *token == LISTENER);
        let timeout = if sleeps {
            EpollTimeout::NONE
        } else {
            EpollTimeout::ZERO
        };
        let count = match epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            other => other?,
        };
        due.extend(events[..count].iter().map(EpollEvent::data));
        if due.contains(&STOP) {
            return Ok(served);
        }
        if due.contains(&LISTENER) && clients.len() < limits.clients && !lacking {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    let token = served.clients + 2;
                    epoll.add(&stream, EpollEvent::new(edges, token))?;
                    let (decoder, outbox) = (Decoder::new(limits.message), Outbox::new());
                    clients.insert(
                        token,
                        Client {
                            stream,
                            decoder,
                            outbox,
                            sends: true,
                        },
                    );
                    served.clients += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => _ = due.remove(&LISTENER),
                Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                    Errno::EMFILE | Errno::ENFILE if !clients.is_empty() => lacking = true,
                    _ => return Err(error),
                },
            }
        }
        for token in std::mem::take(&mut due) {
            if token == LISTENER {
                due.insert(LISTENER);
                continue;
            }
            let Some(client) = clients.get_mut(&token) else {
                continue;
            };
            match turn(
                client,
                &limits,
                &mut buffer,
                &mut handler,
                &mut served.requests,
            ) {
                Ok(After::Sleeps) => {}
                Ok(After::HasMore) => _ = due.insert(token),
                Ok(After::Over) | Err(_) => {
                    clients.remove(&token);
                    lacking = false;
                }
            }
        }
    }
}

fn turn(
    client: &mut Client,
    limits: &Limits,
    buffer: &mut [u8],
    handler: &mut impl FnMut(&[u8]) -> Vec<u8>,
    requests: &mut u64,
) -> io::Result<After> {
    client.outbox.flush(&mut client.stream)?;
    // Some requests, and one read.
    for _ in 0..50 {
        if client.outbox.waiting() > limits.outbox {
            return Ok(After::Sleeps);
        }
        match client.decoder.message() {
            Ok(Some(request)) => {
                *requests += 1;
                client.outbox.queue(&handler(&request));
                client.outbox.flush(&mut client.stream)?;
            }
            Ok(None) if client.sends => {
                return match client.stream.read(buffer) {
                    Ok(0) => {
                        client.sends = false;
                        Ok(After::HasMore)
                    }
                    Ok(count) => {
                        client.decoder.push(&buffer[..count]);
                        Ok(After::HasMore)
                    }
                    Err(error) => match error.kind() {
                        ErrorKind::WouldBlock => Ok(After::Sleeps),
                        ErrorKind::Interrupted => Ok(After::HasMore),
                        _ => Err(error),
                    },
                };
            }
            Ok(None) | Err(_) => {
                client.sends = false;
                return Ok(match client.outbox.waiting() {
                    0 => After::Over,
                    _ => After::Sleeps,
                });
            }
        }
    }
    Ok(After::HasMore)
}
