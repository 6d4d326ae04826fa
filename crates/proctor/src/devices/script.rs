//! A reader and a writer that play a script: a test says, call by call, what
//! each of them does.
//!
//! A real stream gives three bytes and then four, takes one byte at a time, is
//! interrupted by a signal, or fails with ECONNRESET; but it does not do so
//! when a test wants it. These streams do what their script says. They count
//! their calls, and they work wherever code takes a `Read` or a `Write`, also
//! as a `&mut dyn Read`.
//!
//! ```
//! use std::io::{ErrorKind, Read, Write};
//! use proctor::script::{IoError, Reader, Step, Writer};
//!
//! let mut from = Reader::new([
//!     Step::gives(b"abcd").at_most(3),
//!     Step::interrupted().times(2),
//!     Step::gives(b"e"),
//!     Step::fails(IoError::Os(104)),
//! ]);
//! let mut buffer = [0; 8];
//! assert_eq!(from.read(&mut buffer).unwrap(), 3); // abc
//! assert_eq!(from.read(&mut buffer).unwrap(), 1); // d
//! assert_eq!(from.read(&mut buffer).unwrap_err().kind(), ErrorKind::Interrupted);
//! assert_eq!(from.read(&mut buffer).unwrap_err().kind(), ErrorKind::Interrupted);
//! assert_eq!(from.read(&mut buffer).unwrap(), 1); // e
//! assert_eq!(from.read(&mut buffer).unwrap_err().raw_os_error(), Some(104));
//! assert_eq!(from.read(&mut buffer).unwrap(), 0); // The script is over: the stream has ended.
//! assert_eq!((from.calls(), from.given()), (7, 5));
//!
//! let mut to = Writer::new([Step::takes(1), Step::takes(0)]);
//! assert_eq!(to.write(b"xyz").unwrap(), 1);
//! assert_eq!(to.write(b"yz").unwrap(), 0);
//! assert_eq!(to.write(b"yz").unwrap(), 2); // The script is over: everything fits.
//! to.flush().unwrap();
//! assert_eq!((to.written(), to.calls(), to.flushes()), (&b"xyz"[..], 3, 1));
//! ```
//!
//! Scripts and errors are plain data, so a judge can make them and send them to
//! its subject as a question.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use serde::{Deserialize, Serialize};

mod error;

pub use error::{IoError, KINDS};

/// How often in a row code may call a stream in vain: a reader that has ended,
/// or a writer that takes nothing. Code that does so this often would do so for
/// ever.
const PATIENCE: u32 = 1000;

/// What one call of a stream does, or several calls in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    what: What,
    times: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    Gives {
        #[serde(with = "error::bytes")]
        bytes: Vec<u8>,
        at_most: usize,
    },
    Takes(usize),
    Fails(IoError),
    Ends,
    Waits,
}

impl From<What> for Step {
    fn from(what: What) -> Step {
        Step { what, times: 1 }
    }
}

impl Step {
    /// `read` gives these bytes: as many as fit into its buffer, and the rest
    /// with the next calls. If there are no bytes, there is no such call. A
    /// call that gives nothing is [`ends`](Step::ends).
    pub fn gives(bytes: impl Into<Vec<u8>>) -> Step {
        let (bytes, at_most) = (bytes.into(), usize::MAX);
        What::Gives { bytes, at_most }.into()
    }

    /// `write` takes at most this many bytes. If it takes 0, it returns
    /// `Ok(0)`.
    pub fn takes(at_most: usize) -> Step {
        What::Takes(at_most).into()
    }

    /// The call fails with this error, and nothing has been read or written.
    pub fn fails(error: IoError) -> Step {
        What::Fails(error).into()
    }

    /// The call fails with EINTR, as when a signal arrives while it waits.
    pub fn interrupted() -> Step {
        Step::fails(IoError::Os(libc::EINTR))
    }

    /// `read` returns `Ok(0)` once. Later calls go on with the rest of the
    /// script, as on a terminal after Ctrl-D.
    pub fn ends() -> Step {
        What::Ends.into()
    }

    /// The call would wait for ever: there is nothing to read and no end, or no
    /// room to write. The call panics and says so.
    pub fn waits() -> Step {
        What::Waits.into()
    }

    /// For [`gives`](Step::gives): no call gives more bytes than this.
    ///
    /// # Panics
    /// If `most` is 0, or if this is another step.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Step {
        match &mut self.what {
            What::Gives { at_most, .. } if most > 0 => *at_most = most,
            _ => panic!("`at_most` is only for `Step::gives`, and must be at least 1"),
        }
        self
    }

    /// The step is played this many times in a row.
    #[must_use]
    pub fn times(self, times: u64) -> Step {
        Step { times, ..self }
    }

    fn happens(&self) -> bool {
        self.times > 0 && !matches!(&self.what, What::Gives { bytes, .. } if bytes.is_empty())
    }
}

/// The steps that are left of a script.
#[derive(Clone, Debug)]
struct Script(VecDeque<Step>);

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Script {
        Script(steps.into_iter().filter(Step::happens).collect())
    }

    /// The front step has been played once.
    fn played(&mut self) {
        if let Some(step) = self.0.front_mut() {
            step.times -= 1;
            if step.times == 0 {
                self.0.pop_front();
            }
        }
    }
}

/// Reads as its script says. After that the stream has ended: every further
/// call returns `Ok(0)`. A reader that is called 1,000 times after its end
/// panics.
///
/// A call with an empty buffer is a call like any other, as it is for a
/// [`BufReader`](io::BufReader): it fails or waits where the script does, and
/// where the script gives bytes it returns `Ok(0)` and leaves them.
#[derive(Clone, Debug)]
pub struct Reader {
    script: Script,
    /// How many bytes of the front step have been given.
    place: usize,
    calls: u64,
    given: u64,
    in_vain: u32,
}

impl Reader {
    /// A stream that plays these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Reader {
        Reader {
            script: Script::new(steps),
            place: 0,
            calls: 0,
            given: 0,
            in_vain: 0,
        }
    }

    /// How often `read` has been called, with an empty buffer too.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many bytes have been read from it.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// No bytes: the stream has ended.
    fn end(&mut self) -> usize {
        self.in_vain += 1;
        assert!(
            self.in_vain < PATIENCE,
            "the stream has ended, and read was called {PATIENCE} more times"
        );
        0
    }

    fn give(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.calls += 1;
        let Some(step) = self.script.0.front() else {
            return Ok(self.end());
        };
        let (bytes, at_most) = match &step.what {
            What::Gives { bytes, at_most } => (bytes, *at_most),
            What::Fails(error) => {
                let error = error.make();
                self.script.played();
                return Err(error);
            }
            What::Ends => {
                self.script.played();
                return Ok(self.end());
            }
            What::Waits => panic!(
                "read was called on a stream that has no byte to give and has not ended: this call would wait for ever"
            ),
            What::Takes(_) => panic!("`Step::takes` is only for a writer"),
        };
        let until = bytes.len().min(self.place.saturating_add(at_most));
        let mut rest = &bytes[self.place..until];
        let before = rest.len();
        for buffer in buffers {
            let fits = rest.len().min(buffer.len());
            let (now, later) = rest.split_at(fits);
            buffer[..fits].copy_from_slice(now);
            rest = later;
        }
        let count = before - rest.len();
        self.place += count;
        self.given += count as u64;
        if count > 0 {
            self.in_vain = 0;
        }
        if self.place == bytes.len() {
            self.place = 0;
            self.script.played();
        }
        Ok(count)
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.give(&mut [IoSliceMut::new(buffer)])
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.give(buffers)
    }
}

/// Writes as its script says, and then takes everything. A writer that takes
/// nothing 1,000 times in a row panics.
///
/// A call with an empty buffer returns `Ok(0)` where the script takes bytes,
/// and does not use up that step. It fails or waits where the script does.
#[derive(Clone, Debug)]
pub struct Writer {
    script: Script,
    written: Vec<u8>,
    keeps: usize,
    taken: u64,
    calls: u64,
    in_vain: u32,
    flushes: u64,
    flush_fails: Option<IoError>,
}

impl Writer {
    /// A stream that plays these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Writer {
        Writer {
            script: Script::new(steps),
            written: Vec::new(),
            keeps: usize::MAX,
            taken: 0,
            calls: 0,
            in_vain: 0,
            flushes: 0,
            flush_fails: None,
        }
    }

    /// Keeps only the first `bytes` bytes and counts the others. So a test can
    /// let code write gigabytes and still measure the memory that the code
    /// uses.
    #[must_use]
    pub fn keeping(mut self, bytes: usize) -> Writer {
        self.keeps = bytes;
        self
    }

    /// Every flush fails with this error.
    #[must_use]
    pub fn failing_to_flush(mut self, error: IoError) -> Writer {
        self.flush_fails = Some(error);
        self
    }

    /// The bytes that it has taken, as far as it keeps them.
    pub fn written(&self) -> &[u8] {
        &self.written
    }

    /// How many bytes it has taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How often `write` has been called, with an empty buffer too.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How often `flush` has been called.
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    fn take(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.calls += 1;
        let offered: usize = parts.iter().map(|part| part.len()).sum();
        let at_most = match self.script.0.front().map(|step| &step.what) {
            None => usize::MAX,
            Some(What::Takes(at_most)) => *at_most,
            Some(What::Fails(error)) => {
                let error = error.make();
                self.script.played();
                return Err(error);
            }
            Some(What::Waits) => {
                panic!(
                    "write was called on a stream that has no room: this call would wait for ever"
                )
            }
            Some(What::Gives { .. } | What::Ends) => {
                panic!("`Step::gives` and `Step::ends` are only for a reader")
            }
        };
        if offered > 0 {
            self.script.played();
        }
        let count = offered.min(at_most);
        self.in_vain = if count == 0 && offered > 0 {
            self.in_vain + 1
        } else {
            0
        };
        assert!(
            self.in_vain < PATIENCE,
            "the stream takes no more bytes, and write was called {PATIENCE} times in a row"
        );
        let mut left = count;
        for part in parts {
            let now = &part[..part.len().min(left)];
            left -= now.len();
            let room = self.keeps - self.written.len();
            self.written.extend_from_slice(&now[..now.len().min(room)]);
        }
        self.taken += count as u64;
        Ok(count)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.take(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        self.flush_fails
            .as_ref()
            .map_or(Ok(()), |error| Err(error.make()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_meets_what_a_buf_reader_would_meet() {
        let mut from = Reader::new([Step::gives(b"a"), Step::interrupted(), Step::ends()]);
        assert_eq!(from.read(&mut []).unwrap(), 0);
        assert_eq!(from.read(&mut [0; 2]).unwrap(), 1);
        assert!(from.read(&mut []).is_err());
        assert_eq!(from.calls(), 3);
    }

    #[test]
    fn several_buffers_are_one_call() {
        let mut from = Reader::new([Step::gives(b"abcde").at_most(4).times(2)]);
        let (mut one, mut two) = ([0; 3], [0; 3]);
        let mut both = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(from.read_vectored(&mut both).unwrap(), 4);
        assert_eq!((&one, &two), (b"abc", b"d\0\0"));
        let mut to = Writer::new([Step::takes(4)]).keeping(3);
        let parts = [IoSlice::new(b"abc"), IoSlice::new(b"de")];
        assert_eq!(to.write_vectored(&parts).unwrap(), 4);
        assert_eq!((to.written(), to.taken()), (&b"abc"[..], 4));
    }

    #[test]
    fn an_end_may_be_followed_by_bytes() {
        let mut from = Reader::new([Step::ends(), Step::gives(b"x"), Step::gives(b"")]);
        assert_eq!(from.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(from.read(&mut [0; 9]).unwrap(), 1);
        assert_eq!(from.read(&mut [0; 9]).unwrap(), 0);
    }

    #[test]
    #[should_panic(expected = "would wait for ever")]
    fn a_call_that_would_wait_panics() {
        let _ = Reader::new([Step::waits()]).read(&mut []);
    }

    #[test]
    fn a_flush_is_counted_and_can_fail() {
        let error = IoError::Marked(io::ErrorKind::StorageFull, 7);
        let mut to = Writer::new([]).failing_to_flush(error.clone());
        assert_eq!(IoError::of(&to.flush().unwrap_err()), error);
        assert_eq!((to.flushes(), to.calls()), (1, 0));
    }
}
