//! How the record of a judged test leaves the judge.
//!
//! If the environment variable `PROCTOR_RECORDS` holds the number of a
//! descriptor (a Unix socket), each test sends its record there. `cargo course`
//! believes nothing else: what a process prints is never a verdict.
//!
//! It is a socket for two reasons. A process can open the files, pipes and
//! memfds of another process of the same user again, through `/proc/PID/fd`,
//! but not its sockets. And the kernel attests which process wrote to a socket.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ipc::RecvError;
use processes::Pid;
use records::Record;

use crate::text::harmless;

/// The environment variable with the number of the descriptor for records. It
/// is unset when a learner runs `cargo test` by hand.
pub const RECORDS: &str = "PROCTOR_RECORDS";

/// The same record, with nothing in it that steers a terminal.
pub(crate) fn harmless_record(mut record: Record) -> Record {
    let make = |text: &mut String| *text = harmless(text);
    make(&mut record.cause);
    record.covered.iter_mut().for_each(make);
    let place = record.at.as_mut().map(|place| &mut place.file);
    let others = [record.schedule.as_mut(), place];
    others.into_iter().flatten().for_each(make);
    if let Some(timeline) = &mut record.timeline {
        timeline.threads.iter_mut().for_each(make);
        for step in &mut timeline.steps {
            let texts = [
                &mut step.place,
                &mut step.source,
                &mut step.operation,
                &mut step.value,
            ];
            texts.into_iter().for_each(make);
        }
    }
    for exchange in &mut record.exchanges {
        make(&mut exchange.asked);
        make(&mut exchange.answered);
        make(&mut exchange.output.stdout);
        make(&mut exchange.output.stderr);
    }
    record
}

/// Sends a record to the process that started this judge, if that process asked
/// for records.
///
/// # Errors
/// The descriptor is not a socket, or it cannot be written to.
pub(crate) fn deliver(record: &Record) -> io::Result<()> {
    type Sink = Mutex<ipc::Channel<Record, ()>>;
    static SINK: OnceLock<Option<Result<Sink, String>>> = OnceLock::new();
    let sink = SINK.get_or_init(|| {
        let number: RawFd = std::env::var(RECORDS).ok()?.parse().ok()?;
        // SAFETY: the starter passed this descriptor for this purpose, and
        // nothing else in this process uses it. The SINK owns it from now on.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        let channel = ipc::Channel::from_fd(socket);
        Some(channel.map(Mutex::new).map_err(|error| error.to_string()))
    });
    match sink {
        None => Ok(()),
        Some(Err(error)) => Err(io::Error::other(error.clone())),
        Some(Ok(sink)) => {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink.send(record).map_err(io::Error::other)
        }
    }
}

/// The end at which a judge's records arrive.
///
/// ```no_run
/// let (mut records, judges) = proctor::Records::pair()?;
/// // … start the judge with `judges` as descriptor 3 and PROCTOR_RECORDS=3 …
/// # let judge = 0;
/// while let Ok(Some(record)) = records.next(judge, std::time::Duration::from_secs(1)) {
///     println!("{}: {}", record.test, record.outcome);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Records {
    channel: ipc::Channel<(), Record>,
}

/// Why no more records will arrive.
#[derive(Debug)]
pub enum RecordsError {
    /// The judge has closed its end: it is done, or dead.
    Closed,
    /// Another process than the judge wrote; nothing that comes after counts.
    Foreign(Pid),
    /// The bytes that arrived are not a record.
    Malformed(String),
}

impl std::os::fd::AsFd for Records {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl Records {
    /// Makes both ends. The second one is for the judge.
    ///
    /// # Errors
    /// This process, or the whole system, has no descriptors left.
    pub fn pair() -> io::Result<(Records, OwnedFd)> {
        let (channel, judges) = ipc::pair::<(), Record>()?;
        Ok((Records { channel }, judges.into_fd()))
    }

    /// The next record of this judge, or `None` if none came in time.
    ///
    /// # Errors
    /// See [`RecordsError`].
    pub fn next(&mut self, judge: Pid, patience: Duration) -> Result<Option<Record>, RecordsError> {
        match self.channel.recv_timeout(patience) {
            Ok(None) => Ok(None),
            Ok(Some(received)) if received.sender == judge => Ok(Some(received.value)),
            Ok(Some(received)) => Err(RecordsError::Foreign(received.sender)),
            Err(RecvError::Closed | RecvError::Truncated { .. }) => Err(RecordsError::Closed),
            Err(error) => Err(RecordsError::Malformed(error.to_string())),
        }
    }
}
