//! The main loop of a worker process.

use std::any::Any;
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::desk::{Desk, NotPut};
use super::message::{self, Kind, Parsed};
use crate::frame::decode;

/// The initial size of the input buffer, in bytes.
const PIECE: usize = 64 * 1024;

/// Works until the program closes the socket, or `function` panics.
pub(crate) fn work<T, R>(socket: UnixStream, desk: &Desk, function: &mut dyn FnMut(T) -> R)
where
    T: DeserializeOwned,
    R: Serialize,
{
    let mut answers = Answers {
        socket: &socket,
        desk,
        unsent: 0,
    };
    // An error means that the program is gone.
    _ = serve(&socket, &mut answers, function);
}

fn serve<T, R>(
    mut socket: &UnixStream,
    answers: &mut Answers<'_>,
    function: &mut dyn FnMut(T) -> R,
) -> io::Result<()>
where
    T: DeserializeOwned,
    R: Serialize,
{
    let mut input = vec![0; PIECE];
    let (mut start, mut end) = (0, 0);
    let mut place = Place::default();
    loop {
        // A panic may leave state half-changed, but this worker then ends and
        // never uses it again.
        let arrived = &input[start..end];
        let used = catch_unwind(AssertUnwindSafe(|| {
            all_that_is_here(arrived, &mut place, answers, function)
        }));
        match used {
            Ok(used) => start += used?,
            Err(payload) => {
                answers.put(Kind::PANIC, &message(payload.as_ref()))?;
                // The payload's destructor could panic, or never return.
                mem::forget(payload);
                return answers.send();
            }
        }
        input.copy_within(start..end, 0);
        (start, end) = (0, end - start);
        if end == input.len() {
            input.resize(2 * end, 0);
        }
        match socket.read(&mut input[end..]) {
            Ok(0) => return Ok(()),
            Ok(count) => end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The worker's position in the stream of chunks.
#[derive(Default)]
struct Place {
    /// The number of the current chunk.
    chunk: u64,
    /// Whether the chunk belongs to this worker, which is decided at its first
    /// item.
    ours: Option<bool>,
}

/// Handles all complete messages that have arrived, and returns how many bytes
/// they have.
fn all_that_is_here<T, R>(
    arrived: &[u8],
    place: &mut Place,
    answers: &mut Answers<'_>,
    function: &mut dyn FnMut(T) -> R,
) -> io::Result<usize>
where
    T: DeserializeOwned,
    R: Serialize,
{
    let mut used = 0;
    loop {
        let (kind, value, size) = match message::parse(&arrived[used..]) {
            Parsed::Message { kind, value, size } => (kind, value, size),
            Parsed::Garbage => return Err(io::ErrorKind::InvalidData.into()),
            Parsed::Incomplete => return Ok(used),
        };
        used += size;
        // Claim the chunk as late as possible: until then another worker may
        // take it over.
        let begin = || answers.desk.begin(place.chunk);
        if *place.ours.get_or_insert_with(begin) {
            match decode::<T>(value) {
                Ok(item) => answers.put(Kind::RESULT, &function(item))?,
                Err(error) => answers.put(Kind::NOT_DECODED, &error.to_string())?,
            }
        }
        if kind == Kind::LAST_ITEM {
            // Send the results before the next chunk, which may take long, or
            // for ever.
            answers.send()?;
            _ = io::stdout().flush();
            place.chunk += 1;
            place.ours = None;
        }
    }
}

/// The message of a panic.
fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a value that is not text"
    }
}

/// Results on their way to the program: the worker puts them on the desk first,
/// then sends them together.
struct Answers<'a> {
    socket: &'a UnixStream,
    desk: &'a Desk,
    /// How many results are on the desk.
    unsent: u64,
}

impl Answers<'_> {
    #[inline]
    fn put(&mut self, kind: Kind, value: &impl Serialize) -> io::Result<()> {
        match self.desk.put(kind, value) {
            Ok(()) => {
                self.unsent += 1;
                Ok(())
            }
            Err(why) => self.put_elsewhere(why, kind, value),
        }
    }

    #[cold]
    fn put_elsewhere(&mut self, why: NotPut, kind: Kind, value: &impl Serialize) -> io::Result<()> {
        match why {
            NotPut::NotEncoded(why) => self.put(Kind::NOT_ENCODED, &why),
            NotPut::Full if self.unsent > 0 => {
                self.send()?;
                self.put(kind, value)
            }
            NotPut::Full => self.send_directly(kind, value),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.unsent > 0 {
            let mut socket = self.socket;
            socket.write_all(self.desk.unsent())?;
            self.desk.clear_sent(self.unsent);
            self.unsent = 0;
        }
        Ok(())
    }

    /// Sends a result that is larger than the desk.
    fn send_directly(&mut self, kind: Kind, value: &impl Serialize) -> io::Result<()> {
        let mut bytes = Vec::new();
        if let Err(why) = message::append(&mut bytes, kind, value) {
            return self.put(Kind::NOT_ENCODED, &why.to_string());
        }
        let mut socket = self.socket;
        socket.write_all(&bytes)?;
        self.desk.clear_sent(1);
        Ok(())
    }
}
