//! Judges the frames by streams that the test scripts call by call.
proctor::exercise!(framing);

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use proctor::Subject;
use serde::{Deserialize, Serialize};

/// Far more than any message here, where the limit is not the point.
const AMPLE: u32 = 1 << 20;

/// How often a stream may be asked again after it has said that nothing more
/// will come or go. Whoever asks this often would ask for ever.
const PATIENCE: u32 = 1000;

/// What one call of `read` or `write` meets.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Call {
    /// `read`: these bytes, as many as fit, and the rest by the next call.
    Gives(Vec<u8>),
    /// `write`: takes at most so many bytes.
    Takes(usize),
    /// A signal arrives before anything has been done.
    Interrupted,
    /// With one of [`FAULTS`].
    Fails(usize),
}

/// How a stream may fail; a call names one by its index.
const FAULTS: [ErrorKind; 3] = [
    ErrorKind::ConnectionReset,
    ErrorKind::TimedOut,
    ErrorKind::PermissionDenied,
];

/// Reads as scripted, then ends.
struct Incoming {
    script: VecDeque<Call>,
    past_the_end: u32,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.script.pop_front() {
            Some(Call::Interrupted) => Err(ErrorKind::Interrupted.into()),
            Some(Call::Fails(fault)) => Err(FAULTS[fault].into()),
            Some(Call::Gives(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.len()));
                buffer[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.script.push_front(Call::Gives(rest));
                }
                Ok(bytes.len())
            }
            Some(Call::Takes(_)) | None => {
                self.past_the_end += 1;
                assert!(
                    self.past_the_end < PATIENCE,
                    "the stream has ended, and read was called {PATIENCE} times more"
                );
                Ok(0)
            }
        }
    }
}

/// Writes as scripted, then takes whatever comes.
struct Outgoing {
    script: VecDeque<Call>,
    written: Vec<u8>,
    nothing_taken: u32,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let taken = match self.script.pop_front() {
            Some(Call::Interrupted) => return Err(ErrorKind::Interrupted.into()),
            Some(Call::Fails(fault)) => return Err(FAULTS[fault].into()),
            // A stream that takes nothing takes nothing from then on.
            Some(Call::Takes(0)) => {
                self.script.push_front(Call::Takes(0));
                self.nothing_taken += 1;
                assert!(
                    self.nothing_taken < PATIENCE,
                    "the stream takes no more bytes, and write was called {PATIENCE} times"
                );
                0
            }
            Some(Call::Takes(room)) => room.min(bytes.len()),
            Some(Call::Gives(_)) | None => bytes.len(),
        };
        self.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What one call of `read_frame` returned.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Got {
    Message(Vec<u8>),
    End,
    Error(String),
}
use Got::{End, Message};

fn error(kind: ErrorKind) -> Got {
    Got::Error(format!("{kind:?}"))
}

impl std::fmt::Debug for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Message(bytes) if bytes.len() > 12 => write!(f, "a message of {} bytes", bytes.len()),
            Message(bytes) => write!(f, "the message {bytes:?}"),
            End => f.write_str("Ok(None)"),
            Got::Error(kind) => write!(f, "an error, {kind}"),
        }
    }
}

/// What the reader meets, call by call, and the limit.
type ReadQuestion = (Vec<Call>, u32);

/// The messages, the limit, and what the writer meets.
type WriteQuestion = (Vec<Vec<u8>>, u32, Vec<Call>);

/// Calls `read_frame` until it returns something other than a message.
fn read_frames((script, limit): ReadQuestion) -> Vec<Got> {
    let mut from = Incoming {
        script: script.into(),
        past_the_end: 0,
    };
    let mut all = Vec::new();
    loop {
        let got = match framing::read_frame(&mut from, limit) {
            Ok(Some(message)) => Message(message),
            Ok(None) => End,
            Err(why) => error(why.kind()),
        };
        let more = matches!(got, Message(_)) && all.len() < 100;
        all.push(got);
        if !more {
            return all;
        }
    }
}

/// What reached the stream, and the error that ended it.
type Written = (Vec<u8>, Option<Got>);

/// Calls `write_frame` for each message, up to the first error.
fn write_frames((messages, limit, script): WriteQuestion) -> Written {
    let mut to = Outgoing {
        script: script.into(),
        written: Vec::new(),
        nothing_taken: 0,
    };
    for message in &messages {
        if let Err(why) = framing::write_frame(&mut to, message, limit) {
            return (to.written, Some(error(why.kind())));
        }
    }
    (to.written, None)
}

/// The bytes on the wire.
fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for message in messages {
        let length = message.len();
        wire.extend([length >> 24, length >> 16, length >> 8, length].map(|byte| byte as u8));
        wire.extend(message);
    }
    wire
}

fn message_of(length: usize) -> Vec<u8> {
    let mut rng = proctor::rng();
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

/// Short, empty and long ones, in no particular order.
fn some_messages() -> Vec<Vec<u8>> {
    let mut rng = proctor::rng();
    let mut lengths = [0, 1, 4, rng.usize(5..40), rng.usize(257..300)];
    rng.shuffle(&mut lengths);
    // The last one is not empty, so that every stream ends with bytes.
    lengths
        .iter()
        .chain(&[7])
        .map(|length| message_of(*length))
        .collect()
}

/// Each message as it should be read, and after them the end.
fn then_the_end(messages: &[Vec<u8>]) -> Vec<Got> {
    messages.iter().cloned().map(Message).chain([End]).collect()
}

#[track_caller]
fn assert_read(circumstance: &str, got: &[Got], expected: &[Got]) {
    for (index, expected) in expected.iter().enumerate() {
        let got = got.get(index);
        assert!(
            got == Some(expected),
            "{circumstance}: call {} of read_frame should return {expected:?}, and returned {}",
            index + 1,
            match got {
                Some(Message(other)) if matches!(expected, Message(one) if one.len() == other.len()) =>
                    "one of the same length with other bytes in it".to_owned(),
                Some(got) => format!("{got:?}"),
                None => "nothing: it was not called any more".to_owned(),
            }
        );
    }
}

#[track_caller]
fn assert_written(circumstance: &str, (written, end): &Written, expected: &[u8]) {
    if let Some(end) = end {
        panic!("{circumstance}: write_frame should write the frame, and returned {end:?}");
    }
    if let Some(at) =
        (0..expected.len().max(written.len())).find(|at| written.get(*at) != expected.get(*at))
    {
        let show =
            |bytes: &[u8]| format!("{:02x?}", bytes.iter().skip(at).take(6).collect::<Vec<_>>());
        panic!(
            "{circumstance}: {} bytes should reach the stream, {} did; from byte {at} on there should be {}, and there is {}",
            expected.len(),
            written.len(),
            show(expected),
            show(written)
        );
    }
}

#[proctor::test(writer = |question: WriteQuestion| write_frames(question))]
fn a_frame_is_written_as_length_and_message(mut writer: Subject) {
    for messages in [
        vec![b"abc".to_vec()],
        vec![message_of(300)],
        some_messages(),
    ] {
        let lengths: Vec<_> = messages.iter().map(Vec::len).collect();
        let answer = writer.ask(&(messages.clone(), AMPLE, vec![])).value;
        assert_written(
            &format!("messages of {lengths:?} bytes"),
            &answer,
            &frames(&messages),
        );
    }
}

#[proctor::test(reader = |question: ReadQuestion| read_frames(question))]
fn frames_are_read_one_by_one_until_the_stream_ends(mut reader: Subject) {
    let nothing = reader.ask(&(vec![], AMPLE)).value;
    assert_read("the stream is empty", &nothing, &[End]);

    let messages = some_messages();
    let all_at_once = vec![Call::Gives(frames(&messages))];
    let got = reader.ask(&(all_at_once, AMPLE)).value;
    let lengths: Vec<_> = messages.iter().map(Vec::len).collect();
    let circumstance = format!("messages of {lengths:?} bytes, all there at once");
    assert_read(&circumstance, &got, &then_the_end(&messages));
}

#[proctor::test(reader = |question: ReadQuestion| read_frames(question))]
fn a_frame_is_read_whole_however_its_bytes_arrive(mut reader: Subject) {
    let messages = some_messages();
    let wire = frames(&messages);
    let one_by_one = wire.iter().map(|byte| Call::Gives(vec![*byte])).collect();
    let got = reader.ask(&(one_by_one, AMPLE)).value;
    assert_read(
        "the bytes arrive one at a time",
        &got,
        &then_the_end(&messages),
    );

    let mut rng = proctor::rng();
    let (mut pieces, mut rest) = (Vec::new(), wire);
    while !rest.is_empty() {
        let after = rest.split_off(rng.usize(1..=9).min(rest.len()));
        pieces.push(Call::Gives(std::mem::replace(&mut rest, after)));
    }
    let got = reader.ask(&(pieces, AMPLE)).value;
    assert_read(
        "the bytes arrive in pieces of 1 to 9",
        &got,
        &then_the_end(&messages),
    );
}

#[proctor::test(writer = |question: WriteQuestion| write_frames(question))]
fn a_frame_is_written_whole_however_little_fits(mut writer: Subject) {
    let messages = some_messages();
    let wire = frames(&messages);
    for room in [1, 3, 100] {
        let script = vec![Call::Takes(room); wire.len()];
        let answer = writer.ask(&(messages.clone(), AMPLE, script)).value;
        let circumstance = format!("each call of write takes at most {room}");
        assert_written(&circumstance, &answer, &wire);
    }
}

#[proctor::test(
    reader = |question: ReadQuestion| read_frames(question),
    writer = |question: WriteQuestion| write_frames(question),
)]
fn an_interrupted_call_is_made_again(mut reader: Subject, mut writer: Subject) {
    let messages = some_messages();
    let wire = frames(&messages);
    // Twice before each byte, and before the end.
    let interrupted = |call: Call| [Call::Interrupted, Call::Interrupted, call];
    let mut script: Vec<_> = wire
        .iter()
        .flat_map(|byte| interrupted(Call::Gives(vec![*byte])))
        .collect();
    script.push(Call::Interrupted);
    let got = reader.ask(&(script, AMPLE)).value;
    let circumstance = "each call of read is interrupted by a signal before it gives a byte";
    assert_read(circumstance, &got, &then_the_end(&messages));

    let script = wire
        .iter()
        .flat_map(|_| interrupted(Call::Takes(1)))
        .collect();
    let answer = writer.ask(&(messages, AMPLE, script)).value;
    let circumstance = "each call of write is interrupted by a signal before it takes a byte";
    assert_written(circumstance, &answer, &wire);
}

#[proctor::test(reader = |question: ReadQuestion| read_frames(question))]
fn an_end_inside_a_frame_is_an_error(mut reader: Subject) {
    let whole = message_of(3);
    let broken = message_of(proctor::rng().usize(4..9));
    let wire = frames(&[whole.clone(), broken.clone()]);
    let start = frames(std::slice::from_ref(&whole)).len();
    for cut in start + 1..wire.len() {
        let expected = [Message(whole.clone()), error(ErrorKind::UnexpectedEof)];
        let came = cut - start;
        let circumstance = match came {
            ..4 => format!("the stream ends after {came} of the 4 bytes of a length"),
            _ => format!(
                "the stream ends after {} of the {} bytes of a message",
                came - 4,
                broken.len()
            ),
        };
        let got = reader
            .ask(&(vec![Call::Gives(wire[..cut].to_vec())], AMPLE))
            .value;
        assert_read(&circumstance, &got, &expected);
    }
}

#[proctor::test(
    reader = |question: ReadQuestion| read_frames(question),
    writer = |question: WriteQuestion| write_frames(question),
    memory = 512,
)]
fn a_length_over_the_limit_is_refused_before_memory_is_taken(
    mut reader: Subject,
    mut writer: Subject,
) {
    let limit = proctor::rng().u32(500..2000);
    let longest = vec![message_of(limit as usize)];
    let too_long = vec![message_of(limit as usize + 1)];

    let at_the_limit = format!("the limit is {limit} and so is the length");
    let got = reader
        .ask(&(vec![Call::Gives(frames(&longest))], limit))
        .value;
    assert_read(&at_the_limit, &got, &then_the_end(&longest));
    let answer = writer.ask(&(longest.clone(), limit, vec![])).value;
    assert_written(&at_the_limit, &answer, &frames(&longest));

    for claimed in [u32::MAX, 1 << 31, limit + 1] {
        // As many bytes follow as a polite sender would send at first.
        let wire = [&claimed.to_be_bytes()[..], &too_long[0]].concat();
        let got = reader.ask(&(vec![Call::Gives(wire)], limit)).value;
        let circumstance = format!("the limit is {limit} and a frame claims {claimed} bytes");
        assert_read(&circumstance, &got, &[error(ErrorKind::InvalidData)]);
    }

    let (written, end) = writer.ask(&(too_long, limit, vec![])).value;
    assert!(
        end == Some(error(ErrorKind::InvalidInput)),
        "the limit is {limit} and the message has one byte more: write_frame should return an error, InvalidInput, and returned {end:?}"
    );
    assert!(
        written.is_empty(),
        "the limit is {limit} and the message has one byte more: nothing should be written, and {} bytes were",
        written.len()
    );
}

#[proctor::test(
    reader = |question: ReadQuestion| read_frames(question),
    writer = |question: WriteQuestion| write_frames(question),
)]
fn a_stream_that_fails_is_an_error(mut reader: Subject, mut writer: Subject) {
    let message = message_of(9);
    let wire = frames(std::slice::from_ref(&message));
    for (fault, after) in [0, 2, 7].into_iter().enumerate() {
        let kind = FAULTS[fault];
        let script = match after {
            0 => vec![Call::Fails(fault)],
            _ => vec![Call::Gives(wire[..after].to_vec()), Call::Fails(fault)],
        };
        let got = reader.ask(&(script, AMPLE)).value;
        let circumstance = format!("reading fails with {kind:?} after {after} bytes of a frame");
        assert_read(&circumstance, &got, &[error(kind)]);
    }

    // As many calls as the bytes need: the writer may write length and message apart.
    let up_to = |after: usize, last: Call| {
        let mut script = vec![Call::Takes(1); after];
        script.push(last);
        script
    };
    for (fault, after) in [0, 2, 7].into_iter().enumerate() {
        let kind = FAULTS[fault];
        let (_, end) = writer
            .ask(&(
                vec![message.clone()],
                AMPLE,
                up_to(after, Call::Fails(fault)),
            ))
            .value;
        assert!(
            end == Some(error(kind)),
            "writing fails with {kind:?} after {after} bytes: write_frame should return that error, and returned {end:?}"
        );
    }
    for after in [0, 2, 7] {
        let (_, end) = writer
            .ask(&(vec![message.clone()], AMPLE, up_to(after, Call::Takes(0))))
            .value;
        assert!(
            end == Some(error(ErrorKind::WriteZero)),
            "after {after} bytes the stream takes no more: write_frame should return an error, WriteZero, and returned {end:?}"
        );
    }
}
