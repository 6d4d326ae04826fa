//! The program's view of its workers.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::PoolError;
use super::control::{Control, Order, Report};
use super::desk::Desk;
use super::zygote::Zygote;
use crate::between::set_signal_mask;
use crate::child::this_process;
use crate::{Child, Ending, Pid, fork, pidfd};

/// How long the zygote may take to end all processes of the pool.
const PATIENCE: Duration = Duration::from_secs(15);

/// For how many bytes there is always room when the program reads from a
/// worker.
const PIECE: usize = 64 * 1024;

/// The workers, and the zygote that starts them.
pub(crate) struct Crew {
    pub(crate) seats: Vec<Seat>,
    /// The connection to the zygote; `None` once the pool was shut down or the
    /// zygote has ended.
    line: Option<Control>,
    zygote: Child,
    /// The process that made the pool. In a forked child it is another.
    owner: Pid,
}

/// A place for one worker at a time.
pub(crate) struct Seat {
    pub(crate) desk: Desk,
    pub(crate) worker: Option<Worker>,
    /// Whether the last attempt to start a worker failed.
    pub(crate) refused: bool,
}

/// A worker, from the order to start it to the report of its end.
pub(crate) struct Worker {
    pub(crate) socket: UnixStream,
    pub(crate) pid: Option<Pid>,
    /// The chunks that it has to work on, in the order in which they were sent.
    pub(crate) chunks: VecDeque<Chunk>,
    /// How many chunks were sent to it, including those taken back.
    pub(crate) offered: u64,
    /// How many results have arrived from it.
    pub(crate) answered: u64,
    /// It has panicked and will end by itself, so it gets no more work.
    pub(crate) retired: bool,
    /// The report of its end has come.
    pub(crate) ended: bool,
    /// Nothing more will come from the socket.
    pub(crate) hung_up: bool,
    /// Bytes that were not sent yet.
    outgoing: Vec<u8>,
    /// Whether the socket did not take all of `outgoing` at the last attempt.
    blocked: bool,
    /// Bytes that have arrived. Those from `parsed` to `filled` are not used up
    /// yet.
    incoming: Vec<u8>,
    parsed: usize,
    filled: usize,
}

/// Items that are sent together.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The number under which its worker's desk knows it.
    pub(crate) number: u64,
    /// The index of its first item.
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// How many of its items have a result.
    pub(crate) done: usize,
    /// All its items, as frames. They are kept in case the chunk goes to
    /// another worker.
    pub(crate) frames: Vec<u8>,
}

impl Crew {
    /// Forks the zygote, and orders it to start a worker for each seat.
    pub(crate) fn start(
        workers: usize,
        kept: &[RawFd],
        work: &mut dyn FnMut(UnixStream, &Desk),
    ) -> Result<Crew, PoolError> {
        let desks = |count| {
            (0..count)
                .map(|_| Desk::new())
                .collect::<io::Result<Vec<_>>>()
        };
        let mut desks = desks(workers).map_err(PoolError::Start)?;
        let zygote = fork_zygote(&mut desks, kept, work).map_err(PoolError::Start)?;
        let (line, zygote) = zygote;
        let seats = desks
            .into_iter()
            .map(|desk| Seat {
                desk,
                worker: None,
                refused: false,
            })
            .collect();
        let line = Some(line);
        let mut crew = Crew {
            seats,
            line,
            zygote,
            owner: this_process(),
        };
        if let Some(Report::Failed { errno }) = crew.report(true)? {
            return Err(PoolError::Start(io::Error::from_raw_os_error(errno)));
        }
        for seat in 0..workers {
            crew.hire(seat).map_err(|error| match error {
                PoolError::NoWorker(error) => PoolError::Start(error),
                other => other,
            })?;
            if let Some(Report::Refused { errno, .. }) = crew.report(true)? {
                let error = io::Error::from_raw_os_error(errno);
                return Err(PoolError::Start(error));
            }
        }
        Ok(crew)
    }

    /// Orders the zygote to start a worker. The worker may be given work at
    /// once. Fails with [`PoolError::NoWorker`] if the program has no descriptor
    /// left for the worker's socket.
    pub(crate) fn hire(&mut self, seat: usize) -> Result<(), PoolError> {
        let pair = || {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok((ours, theirs))
        };
        let (ours, theirs) = pair().map_err(PoolError::NoWorker)?;
        self.seats[seat].desk.clear();
        self.order(Order::Start { seat }, Some(theirs.as_fd()))?;
        self.seats[seat].worker = Some(Worker::new(ours));
        Ok(())
    }

    /// Orders the zygote to kill a worker. A report of the worker's end
    /// follows.
    pub(crate) fn dismiss(&mut self, seat: usize) -> Result<(), PoolError> {
        self.order(Order::Kill { seat }, None)
    }

    fn order(&mut self, order: Order, socket: Option<BorrowedFd<'_>>) -> Result<(), PoolError> {
        let sent = self.line.as_ref().map(|line| line.order(order, socket));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.lost()),
        }
    }

    /// The zygote's next report. If it says that a worker has started, this
    /// also stores the worker's pid.
    pub(crate) fn report(&mut self, wait: bool) -> Result<Option<Report>, PoolError> {
        let report = match self.line.as_ref().map(|line| line.next_report(wait)) {
            Some(Ok(report)) => report,
            _ => return Err(self.lost()),
        };
        if let Some(Report::Started { seat, pid }) = report
            && let Some(worker) = self.worker(seat)
        {
            worker.pid = Some(pid);
        }
        Ok(report)
    }

    pub(crate) fn worker(&mut self, seat: usize) -> Option<&mut Worker> {
        self.seats.get_mut(seat)?.worker.as_mut()
    }

    /// The descriptor of the connection to the zygote. It becomes readable when
    /// the zygote sends a report.
    pub(crate) fn line(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(AsFd::as_fd)
    }

    /// The error for a zygote that has ended. Its workers ended with it.
    fn lost(&mut self) -> PoolError {
        self.line = None;
        PoolError::Lost(self.zygote.wait_timeout(PATIENCE).ok().flatten())
    }

    /// Fails in a forked child, which has only a copy: it shares the sockets to
    /// the workers with the program, and would take the program's results.
    pub(crate) fn check_owner(&self) -> Result<(), PoolError> {
        if self.owner == this_process() {
            Ok(())
        } else {
            Err(PoolError::Copy)
        }
    }

    /// Ends all processes of the pool.
    pub(crate) fn end(&mut self) -> Result<(), PoolError> {
        self.check_owner()?;
        // The zygote kills the workers when this connection is closed.
        if self.line.take().is_none() {
            return Ok(());
        }
        for seat in &mut self.seats {
            seat.worker = None;
        }
        match self.zygote.wait_timeout(PATIENCE) {
            Ok(Some(Ending::Exited(0))) => Ok(()),
            Ok(Some(other)) => Err(PoolError::StillAlive(format!("their parent {other}"))),
            Ok(None) => Err(PoolError::StillAlive("their parent still runs".to_owned())),
            // Other code has reaped the zygote, so it has ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(PoolError::StillAlive(error.to_string())),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // If that fails, dropping the zygote kills it, and with it the workers.
        // In a forked child, neither does anything.
        _ = self.end();
    }
}

fn fork_zygote(
    desks: &mut Vec<Desk>,
    kept: &[RawFd],
    work: &mut dyn FnMut(UnixStream, &Desk),
) -> io::Result<(Control, Child)> {
    let (ours, theirs) = Control::pair()?;
    let (mut theirs, mut program) = (Some(theirs), Some(pidfd::open(this_process())?));
    // No signal handler of the program may run in the copy.
    let mask = set_signal_mask(u64::MAX);
    let zygote = fork::fork(|| {
        let (Some(line), Some(program)) = (theirs.take(), program.take()) else {
            return 1;
        };
        let desks = std::mem::take(desks);
        match Zygote::new(line, program, desks, kept) {
            Ok(zygote) => zygote.run(work),
            Err(_) => 1,
        }
    });
    set_signal_mask(mask);
    Ok((ours, zygote?))
}

impl Worker {
    fn new(socket: UnixStream) -> Worker {
        Worker {
            socket,
            pid: None,
            chunks: VecDeque::new(),
            offered: 0,
            answered: 0,
            retired: false,
            ended: false,
            hung_up: false,
            outgoing: Vec::new(),
            blocked: false,
            incoming: Vec::new(),
            parsed: 0,
            filled: 0,
        }
    }

    /// Whether the socket has not taken everything yet.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Keeps these frames until the next [`flush`](Worker::flush).
    pub(crate) fn queue(&mut self, frames: &[u8]) {
        self.outgoing.extend_from_slice(frames);
    }

    /// Sends as much as the socket takes.
    pub(crate) fn flush(&mut self) {
        let outgoing = std::mem::take(&mut self.outgoing);
        let sent = self.write(&outgoing);
        self.outgoing = outgoing;
        self.outgoing.drain(..sent);
        self.blocked = !self.outgoing.is_empty();
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.socket.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The worker is dead or about to die. The zygote will report
                // its end.
                Err(_) => return bytes.len(),
            }
        }
        sent
    }

    /// Reads what has arrived, up to a limit, so that no worker starves the
    /// others. Returns false if nothing had arrived.
    pub(crate) fn receive(&mut self) -> bool {
        self.incoming.copy_within(self.parsed..self.filled, 0);
        (self.parsed, self.filled) = (0, self.filled - self.parsed);
        if self.incoming.len() - self.filled < PIECE {
            let length = (2 * self.filled).max(2 * PIECE);
            self.incoming.resize(length, 0);
        }
        loop {
            match self.socket.read(&mut self.incoming[self.filled..]) {
                Ok(0) => {
                    self.hung_up = true;
                    return false;
                }
                Ok(count) => {
                    self.filled += count;
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.hung_up |= error.kind() != io::ErrorKind::WouldBlock;
                    return false;
                }
            }
        }
    }

    /// The bytes that have arrived and are not used up, and the chunk to which
    /// they belong.
    #[inline]
    pub(crate) fn arrived_for(&mut self) -> (&[u8], Option<&mut Chunk>) {
        let arrived = &self.incoming[self.parsed..self.filled];
        (arrived, self.chunks.front_mut())
    }

    /// Marks this many of those bytes as used up.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        self.parsed += count;
    }

    /// Replaces the bytes that have arrived by these.
    pub(crate) fn replace_arrived(&mut self, bytes: &[u8]) {
        self.incoming.clear();
        self.incoming.extend_from_slice(bytes);
        (self.parsed, self.filled) = (0, bytes.len());
    }
}
