//! Judges the frames by streams that play a script, and by real ones.
proctor::exercise!(framing);

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use proctor::script::{self, IoError, Reader, Step, Writer};
use proctor::{Answer, Evidence, Gate, Onlooker, Subject, Surroundings, Zeros};
use serde::{Deserialize, Serialize};

/// Far more than any message here, where the limit is not the point.
const AMPLE: u32 = 1 << 24;

/// More often than any loop would try that gives up.
const OFTEN: u64 = 300;

/// More often than 16 bits can count.
const VERY_OFTEN: u64 = 140_000;

/// What a call that is refused may take from the heap.
const PAGE: u64 = 4 << 10;

/// What any call may take from the stack, and beside four times the message
/// from the heap.
const STACK: usize = 256 << 10;
const HEAP: u64 = 64 << 10;

/// A call of `read_frame`, and what it had taken from the stream so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Got {
    result: Result<Option<Vec<u8>>, IoError>,
    given: u64,
}

/// A stream, the limit, and how many frames are read from it.
type Reads = (Vec<Step>, u32, usize);

fn read_frames((script, limit, times): Reads) -> Vec<Got> {
    let mut from = Reader::new(script);
    let mut read = || Got {
        result: framing::read_frame(&mut from, limit).map_err(|error| IoError::of(&error)),
        given: from.given(),
    };
    (0..times).map(|_| read()).collect()
}

/// What became of a stream to which frames were written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Written {
    results: Vec<Result<(), IoError>>,
    bytes: Vec<u8>,
    calls: u64,
    flushes: u64,
}

/// A stream, the limit, and the messages that are written to it.
type Writes = (Vec<Step>, u32, Vec<Vec<u8>>);

fn write_frames((script, limit, messages): Writes) -> Written {
    let mut to = Writer::new(script);
    let mut write = |message: &Vec<u8>| {
        framing::write_frame(&mut to, message, limit).map_err(|error| IoError::of(&error))
    };
    Written {
        results: messages.iter().map(&mut write).collect(),
        bytes: to.written().to_vec(),
        calls: to.calls(),
        flushes: to.flushes(),
    }
}

/// The bytes of a frame, made without the functions that are judged.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = message.len();
    let mut wire = [length >> 24, length >> 16, length >> 8, length]
        .map(|byte| byte as u8)
        .to_vec();
    wire.extend_from_slice(message);
    wire
}

fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| frame(message)).collect()
}

fn message_of(length: usize) -> Vec<u8> {
    let mut rng = proctor::rng();
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

/// Short, empty and long ones, in no particular order.
fn some_messages() -> Vec<Vec<u8>> {
    let mut rng = proctor::rng();
    let mut lengths = [0, 1, 4, rng.usize(5..40), 0, rng.usize(257..300)];
    rng.shuffle(&mut lengths);
    lengths.iter().map(|length| message_of(*length)).collect()
}

/// Bytes that code might take for something else: an end, a line, a length, text.
fn odd_messages() -> Vec<Vec<u8>> {
    let mut all = vec![vec![0; 9], vec![0xff; 9], frame(b"abc"), frame(b"")];
    all.extend(
        [
            &b"\n"[..],
            b"\r\n",
            b"a\0b\0",
            b" a ",
            b"\x04",
            b"\xc3",
            b"abc\n\n",
        ]
        .map(Vec::from),
    );
    all
}

/// Around every size at which a number of fewer bits would overflow.
fn lengths() -> Vec<usize> {
    let some = proctor::rng().usize(66_000..99_000);
    vec![0, 1, 3, 255, 256, 257, 65_535, 65_536, 65_537, some]
}

/// The three forms that this error has: of a system call, of a kind, of a
/// stream that is not the kernel's.
fn interruption(index: usize) -> Step {
    match index % 3 {
        0 => Step::interrupted(),
        1 => Step::fails(IoError::Kind(ErrorKind::Interrupted)),
        _ => Step::fails(IoError::Marked(ErrorKind::Interrupted, 1)),
    }
}

/// All errors that are handed on: those of the kernel, of every kind, and of
/// other streams, whose kind may be one that the functions make themselves.
fn errors() -> Vec<IoError> {
    let mark = proctor::random::<u64>();
    let mut all: Vec<_> = [104, 32, 11]
        .into_iter()
        .chain(1..=133)
        .map(IoError::Os)
        .collect();
    for kind in script::KINDS {
        all.push(IoError::Kind(*kind));
        all.push(IoError::Marked(*kind, mark));
    }
    all.push(IoError::Other(ErrorKind::PermissionDenied, "no".to_owned()));
    all.retain(|error| error.kind() != ErrorKind::Interrupted);
    all
}

/// `result` in the words of a verdict.
fn shown(result: &Result<Option<Vec<u8>>, IoError>) -> String {
    match result {
        Ok(Some(bytes)) if bytes.len() > 12 => format!("a message of {} bytes", bytes.len()),
        Ok(Some(bytes)) => format!("the message {bytes:?}"),
        Ok(None) => "Ok(None)".to_owned(),
        Err(error) => format!("the error {error:?}"),
    }
}

#[track_caller]
fn assert_read(circumstance: &str, got: &[Got], expected: &[Vec<u8>]) {
    for (index, message) in expected.iter().enumerate() {
        let expected = Ok(Some(message.clone()));
        let result = &got[index].result;
        assert!(
            *result == expected,
            "{circumstance}: call {} of read_frame should return {}, and returned {}",
            index + 1,
            shown(&expected),
            match result {
                Ok(Some(other)) if other.len() == message.len() && other.len() > 12 =>
                    "one of the same length with other bytes in it".to_owned(),
                other => shown(other),
            }
        );
    }
}

/// `result` is an error of this kind.
#[track_caller]
fn assert_kind<T>(circumstance: &str, result: Result<T, IoError>, kind: ErrorKind) {
    let got = match &result {
        Ok(_) => "no error".to_owned(),
        Err(error) => format!("{error:?}"),
    };
    assert!(
        result.is_err_and(|error| error.kind() == kind),
        "{circumstance}: there should be an error of the kind {kind:?}, and there was {got}"
    );
}

#[track_caller]
fn assert_written(circumstance: &str, written: &Written, messages: &[Vec<u8>]) {
    if let Some(Err(error)) = written.results.iter().find(|result| result.is_err()) {
        panic!("{circumstance}: write_frame should write the frame, and returned {error:?}");
    }
    let (expected, written) = (frames(messages), &written.bytes);
    if let Some(at) =
        (0..expected.len().max(written.len())).find(|at| written.get(*at) != expected.get(*at))
    {
        let show =
            |bytes: &[u8]| format!("{:02x?}", bytes.iter().skip(at).take(6).collect::<Vec<_>>());
        panic!(
            "{circumstance}: {} bytes should reach the stream, {} did; from byte {at} on there should be {}, and there is {}",
            expected.len(),
            written.len(),
            show(&expected),
            show(written)
        );
    }
}

/// The most that was held or asked for.
fn peak(evidence: &Evidence) -> u64 {
    evidence.heap.peak.max(evidence.heap.largest)
}

#[track_caller]
fn assert_heap(circumstance: &str, evidence: &Evidence, most: u64) {
    let peak = peak(evidence);
    assert!(
        peak <= most,
        "{circumstance}: the call may take {most} bytes from the heap, and it asked for {peak}"
    );
}

// Writing.

#[proctor::test(clauses = [1], writer = |cases: Vec<Writes>| -> Vec<Written> {
    cases.into_iter().map(write_frames).collect()
})]
fn a_frame_is_written_as_length_and_message(mut writer: Subject) {
    let mut all: Vec<_> = lengths()
        .iter()
        .map(|length| vec![message_of(*length)])
        .collect();
    all.extend([some_messages(), odd_messages()]);
    let case = |messages: &Vec<Vec<u8>>| (vec![], AMPLE, messages.clone());
    let written = writer.ask(&all.iter().map(case).collect()).value;
    for (messages, written) in all.iter().zip(written) {
        let lengths: Vec<_> = messages.iter().map(Vec::len).collect();
        let circumstance = format!("messages of {lengths:?} bytes");
        assert_written(&circumstance, &written, messages);
    }
}

#[proctor::test(clauses = [1, 4, 5], writer = |case: Writes| -> Written { write_frames(case) })]
fn a_frame_is_written_whole_however_little_fits(mut writer: Subject) {
    let messages = some_messages();
    let mut rng = proctor::rng();
    for room in [1, 2, 3, 4, 5, 7, 100, rng.usize(6..99)] {
        let script = vec![Step::takes(room).times(u64::MAX)];
        let written = writer.ask(&(script, AMPLE, messages.clone())).value;
        let circumstance = format!("each call of write takes at most {room}");
        assert_written(&circumstance, &written, &messages);
    }
    let script = vec![Step::takes(1).times(u64::MAX)];
    let long = vec![message_of(70_000)];
    let written = writer.ask(&(script, AMPLE, long.clone())).value;
    assert_written("70,000 bytes are taken one at a time", &written, &long);
    let script = (0..900).map(|_| Step::takes(rng.usize(1..=9))).collect();
    let written = writer.ask(&(script, AMPLE, messages.clone())).value;
    assert_written(
        "each call of write takes at most 1 to 9",
        &written,
        &messages,
    );
}

#[proctor::test(clauses = [1, 4, 5, 6], writer = |case: Writes| -> Written { write_frames(case) })]
fn an_interrupted_write_is_made_again(mut writer: Subject) {
    let messages = some_messages();
    let takes_it_all = [0, 1, 2].map(|index| {
        let often = interruption(index).times(OFTEN);
        [often, Step::takes(usize::MAX)]
    });
    let script = takes_it_all.into_iter().flatten().collect();
    let written = writer.ask(&(script, AMPLE, messages.clone())).value;
    let circumstance = "signals interrupt write 300 times before it takes anything";
    assert_written(circumstance, &written, &messages);

    let script = vec![Step::interrupted().times(VERY_OFTEN)];
    let one = vec![message_of(5)];
    let written = writer.ask(&(script, AMPLE, one.clone())).value;
    let circumstance = "signals interrupt write 140,000 times before it takes anything";
    assert_written(circumstance, &written, &one);

    let each_byte = frames(&messages).len();
    let script = (0..each_byte)
        .flat_map(|index| [interruption(index).times(2), Step::takes(1)])
        .collect();
    let written = writer.ask(&(script, AMPLE, messages.clone())).value;
    let circumstance = "each call of write is interrupted by a signal before it takes a byte";
    assert_written(circumstance, &written, &messages);
}

#[proctor::test(
    clauses = [7, 10],
    writer = |(script, limit, messages): Writes| -> u64 {
        let error = IoError::Marked(ErrorKind::StorageFull, 1);
        let mut to = Writer::new(script).failing_to_flush(error);
        let [mut working, mut failing] = [Writer::new([]), to.clone()];
        for message in &messages {
            let _ = framing::write_frame(&mut working, message, limit);
            let _ = framing::write_frame(&mut failing, message, limit);
            let _ = framing::write_frame(&mut to, message, limit);
        }
        working.flushes() + failing.flushes() + to.flushes()
    },
)]
fn the_stream_is_not_flushed(mut writer: Subject) {
    let messages = some_messages();
    let large = vec![message_of(70_000)];
    for (circumstance, case) in [
        ("all is taken at once", (vec![], AMPLE, messages.clone())),
        ("a message of 70,000 bytes", (vec![], AMPLE, large)),
        (
            "a thousand messages",
            (vec![], AMPLE, vec![message_of(9); 1000]),
        ),
        (
            "one byte is taken at a time",
            (
                vec![Step::takes(1).times(u64::MAX)],
                AMPLE,
                messages.clone(),
            ),
        ),
        (
            "write fails",
            (
                vec![Step::fails(IoError::Os(104)).times(u64::MAX)],
                AMPLE,
                messages.clone(),
            ),
        ),
        (
            "the stream takes nothing",
            (
                vec![Step::takes(0).times(u64::MAX)],
                AMPLE,
                messages.clone(),
            ),
        ),
        (
            "write is interrupted",
            (vec![Step::interrupted().times(3)], AMPLE, messages.clone()),
        ),
        (
            "the messages are refused",
            (vec![], 0, vec![message_of(5); 3]),
        ),
    ] {
        let flushes = writer.ask(&case).value;
        assert!(
            flushes == 0,
            "{circumstance}: flush should not be called, and was called {flushes} times"
        );
    }
}

/// More zeros than 32 bits can count. The address space that a test with 5 GiB
/// has left beside them is not enough for a copy of 1 GiB.
fn zeros() -> Zeros {
    Zeros::new((1 << 32) + 5000).unwrap()
}

/// Writes so many of the zeros under this limit; also returns how many bytes
/// reached the stream, and how often it was called.
fn write_zeros(zeros: &[u8], length: u64, limit: u32) -> (io::Result<()>, u64, u64) {
    let mut to = Writer::new([]).keeping(0);
    let result = framing::write_frame(&mut to, &zeros[..length as usize], limit);
    (result, to.taken(), to.calls() + to.flushes())
}

/// Messages that are over the limit: by one byte, by far, and by 4 GiB.
fn too_long() -> Vec<(u64, u32)> {
    let some = proctor::rng().u32(500..2000);
    let mut cases = vec![(u64::from(some) + (1 << 32), some), (1 << 32, 0)];
    for limit in [
        0,
        1,
        255,
        256,
        some,
        65_535,
        65_536,
        1 << 24,
        (1 << 31) - 1,
        1 << 31,
        u32::MAX - 1,
        u32::MAX,
    ] {
        cases.push((u64::from(limit) + 1, limit));
        cases.push(((1 << 32) + 3, limit));
    }
    cases
}

#[proctor::test(
    clauses = [1, 8, 9],
    memory = 5120,
    writer = |cases: Vec<(u64, u32)>| -> Vec<(Result<(), IoError>, u64)> {
        let zeros = zeros();
        let write = |(length, limit): (u64, u32)| {
            let (result, taken, _) = write_zeros(&zeros, length, limit);
            (result.map_err(|error| IoError::of(&error)), taken)
        };
        cases.into_iter().map(write).collect()
    },
)]
fn a_message_over_the_limit_is_refused(mut writer: Subject) {
    let some = proctor::rng().u32(500..2000);
    let refused = too_long();
    let all = writer.ask(&refused).value;
    for ((length, limit), (result, _)) in refused.into_iter().zip(all) {
        let circumstance = format!("the limit is {limit} and the message has {length} bytes");
        assert_kind(&circumstance, result, ErrorKind::InvalidInput);
    }
    let at_the_limit = [0, 1, 255, 256, some, 65_535, 65_536, 65_537, 1 << 20].map(|n| (n, n));
    let far_below = [1 << 24, 1 << 31, u32::MAX - 1, u32::MAX]
        .into_iter()
        .flat_map(|limit| [0, 1, 3, some, 70_000].map(|length| (length, limit)));
    let allowed = at_the_limit.into_iter().chain(far_below);
    let allowed: Vec<_> = allowed
        .map(|(length, limit)| (u64::from(length), limit))
        .collect();
    let all = writer.ask(&allowed).value;
    for ((length, limit), (result, taken)) in allowed.into_iter().zip(all) {
        assert!(
            result.is_ok() && taken == length + 4,
            "the limit is {limit} and the message has {length} bytes: it should be written, and write_frame returned {result:?} after {taken} bytes"
        );
    }
}

#[proctor::test(
    clauses = [8, 9],
    memory = 5120,
    writer = |cases: Vec<(u64, u32)>| -> (u64, u64) {
        let zeros = zeros();
        let mut all: (u64, u64) = (0, 0);
        for (length, limit) in cases {
            let (_, taken, calls) = write_zeros(&zeros, length, limit);
            all = (all.0 + taken, all.1 + calls);
        }
        all
    },
)]
fn a_refused_message_costs_nothing(mut writer: Subject) {
    let mut cases = vec![(5000, 0), (70_000, 4000), (1 << 20, 70_000)];
    cases.extend(too_long());
    // What the process itself takes to answer its first question.
    writer.ask(&vec![(1, 0)]);
    // All at once, which is fast; one by one only if that shows something. The
    // small ones come first, so that a large one does not hide the reason.
    let small = writer.ask(&cases[..3].to_vec());
    if small.value == (0, 0) && peak(&small.evidence) <= PAGE {
        let all = writer.ask(&cases);
        if all.value == (0, 0) && peak(&all.evidence) <= PAGE {
            return;
        }
    }
    for (length, limit) in cases {
        let answer = writer.ask(&vec![(length, limit)]);
        let circumstance = format!("the limit is {limit} and the message has {length} bytes");
        let (taken, calls) = answer.value;
        assert!(
            calls == 0,
            "{circumstance}: nothing should be written and the stream should not be called, and it was called {calls} times and took {taken} bytes"
        );
        assert_heap(&circumstance, &answer.evidence, PAGE);
    }
}

/// A stream that takes so many bytes one by one, and then this.
fn after_bytes(after: usize, then: Step) -> Vec<Step> {
    vec![Step::takes(1).times(after as u64), then]
}

#[proctor::test(clauses = [5, 10], writer = |cases: Vec<Writes>| -> Vec<Written> {
    cases.into_iter().map(write_frames).collect()
})]
fn a_stream_that_takes_nothing_is_an_error(mut writer: Subject) {
    for length in [0, 9] {
        let message = message_of(length);
        for times in [u64::MAX, 1] {
            let case = |after| {
                let script = after_bytes(after, Step::takes(0).times(times));
                (script, AMPLE, vec![message.clone()])
            };
            let all = writer.ask(&(0..length + 4).map(case).collect()).value;
            for (after, written) in all.into_iter().enumerate() {
                let circumstance = format!(
                    "the stream takes no more after {after} of {} bytes",
                    length + 4
                );
                assert_kind(
                    &circumstance,
                    written.results[0].clone(),
                    ErrorKind::WriteZero,
                );
                assert!(
                    written.calls == after as u64 + 1,
                    "{circumstance}: write should not be called again, and was called {} times more",
                    written.calls - after as u64 - 1
                );
            }
        }
    }
}

#[proctor::test(clauses = [5, 11], writer = |cases: Vec<Writes>| -> Vec<Written> {
    cases.into_iter().map(write_frames).collect()
})]
fn an_error_of_write_is_handed_on_as_it_is(mut writer: Subject) {
    let message = message_of(9);
    for after in [0, 1, 2, 4, 5, 12] {
        let errors = errors();
        let case = |error: &IoError| {
            let script = after_bytes(after, Step::fails(error.clone()));
            (script, AMPLE, vec![message.clone()])
        };
        let all = writer.ask(&errors.iter().map(case).collect()).value;
        for (written, error) in all.iter().zip(errors) {
            let Written { results, calls, .. } = written;
            assert!(
                results[0] == Err(error.clone()),
                "write fails after {after} bytes of a frame: write_frame should return that error, {error:?}, and returned {:?}",
                results[0]
            );
            assert!(
                *calls == after as u64 + 1,
                "write fails after {after} bytes of a frame: it should not be called again, and was called {} times more",
                calls - after as u64 - 1
            );
        }
    }
}

// Reading.

#[proctor::test(clauses = [1, 12], reader = |case: Reads| -> Vec<Got> { read_frames(case) })]
fn a_message_is_read(mut reader: Subject) {
    let messages: Vec<_> = lengths().into_iter().map(message_of).collect();
    let script = messages.iter().map(|one| Step::gives(frame(one))).collect();
    let got = reader.ask(&(script, AMPLE, messages.len())).value;
    for (got, message) in got.chunks(1).zip(messages) {
        let circumstance = format!("a frame with a message of {} bytes", message.len());
        assert_read(&circumstance, got, &[message]);
    }
    let messages = odd_messages();
    let script = messages.iter().map(|one| Step::gives(frame(one))).collect();
    let got = reader.ask(&(script, AMPLE, messages.len())).value;
    assert_read("messages of odd bytes", &got, &messages);
}

#[proctor::test(clauses = [1, 4, 12], reader = |case: Reads| -> Vec<Got> { read_frames(case) })]
fn a_frame_is_read_whole_however_its_bytes_arrive(mut reader: Subject) {
    let messages = some_messages();
    let count = messages.len();
    let in_pieces = |mut size: Box<dyn FnMut() -> usize>| {
        let mut pieces = Vec::new();
        for message in &messages {
            let wire = frame(message);
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(size().min(rest.len()));
                pieces.push(Step::gives(piece));
                rest = after;
            }
        }
        pieces
    };
    let one_by_one = in_pieces(Box::new(|| 1));
    let got = reader.ask(&(one_by_one, AMPLE, count)).value;
    assert_read("the bytes arrive one at a time", &got, &messages);
    for most in [2, 3, 4, 5, 9, 200] {
        let mut rng = proctor::rng();
        let pieces = in_pieces(Box::new(move || rng.usize(1..=most)));
        let got = reader.ask(&(pieces, AMPLE, count)).value;
        let circumstance = format!("the bytes arrive in pieces of 1 to {most}");
        assert_read(&circumstance, &got, &messages);
    }
    for (length, most) in [(70_000, 999), (70_000, 1)] {
        let long = message_of(length);
        let script = vec![Step::gives(frame(&long)).at_most(most)];
        let got = reader.ask(&(script, AMPLE, 1)).value;
        let circumstance = format!("{length} bytes arrive in pieces of {most}");
        assert_read(&circumstance, &got, &[long]);
    }
}

#[proctor::test(clauses = [1, 12, 13], reader = |case: Reads| -> Vec<Got> { read_frames(case) })]
fn what_follows_a_frame_is_left_in_the_stream(mut reader: Subject) {
    let mut messages = some_messages();
    messages.extend([
        message_of(70_000),
        message_of(0),
        message_of(9000),
        message_of(0),
    ]);
    let wire = frames(&messages);
    let one = Step::gives(wire.clone());
    let scripts = [
        vec![one.clone(), Step::waits()],
        vec![one.at_most(1 << 12), Step::waits()],
    ];
    // First one frame alone: what reads ahead takes bytes of a message for a
    // length next, and which bytes these are is chance.
    let cases = [1, messages.len()].map(|count| scripts.clone().map(|script| (script, count)));
    for (script, count) in cases.into_iter().flatten() {
        let got = reader.ask(&(script, AMPLE, count)).value;
        let circumstance = "all frames are there at once";
        assert_read(circumstance, &got, &messages[..count]);
        let mut due = 0;
        for (index, (got, message)) in got.iter().zip(&messages).enumerate() {
            due += message.len() as u64 + 4;
            assert!(
                got.given == due,
                "{circumstance}: after call {} of read_frame {due} bytes should have been read, and {} were",
                index + 1,
                got.given
            );
        }
    }
}

/// Reads the frames while their sender keeps the stream open and is silent.
fn read_beside_a_silent_sender(which: u8, messages: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    let wire = frames(messages);
    let read = |from: &mut dyn Read| -> Vec<Option<Vec<u8>>> {
        let read = |_: &Vec<u8>| framing::read_frame(&mut *from, AMPLE).unwrap();
        messages.iter().map(read).collect()
    };
    let pipe = || -> PipeReader {
        let (from, mut to) = io::pipe().unwrap();
        to.write_all(&wire).unwrap();
        // Until the process ends.
        std::mem::forget(to);
        from
    };
    match which {
        0 => read(&mut pipe()),
        1 => read(&mut BufReader::new(pipe())),
        2 => read(&mut BufReader::with_capacity(4, pipe())),
        _ => {
            let (mut from, mut to) = UnixStream::pair().unwrap();
            to.write_all(&wire).unwrap();
            read(&mut from)
        }
    }
}

#[proctor::test(
    clauses = [1, 12, 13],
    reader = |(which, messages): (u8, Vec<Vec<u8>>)| -> Vec<Option<Vec<u8>>> {
        read_beside_a_silent_sender(which, &messages)
    },
)]
fn a_silent_sender_is_not_waited_for(mut reader: Subject) {
    let streams = [
        "a pipe",
        "a BufReader",
        "a BufReader of 4 bytes",
        "a socket",
    ];
    for (which, stream) in (0..).zip(streams) {
        for messages in [
            vec![vec![]],
            some_messages(),
            [3, 9, 300, 0].map(message_of).to_vec(),
        ] {
            let got = reader.ask(&(which, messages.clone())).value;
            let expected: Vec<_> = messages.into_iter().map(Some).collect();
            assert!(
                got == expected,
                "{stream} that stays open: {} messages should be read as they were sent, and they were not",
                expected.len()
            );
        }
    }
}

#[proctor::test(clauses = [1, 12, 15], reader = |case: Reads| -> Vec<Got> { read_frames(case) })]
fn the_end_between_two_frames_is_none(mut reader: Subject) {
    let message = message_of(5);
    let frame = Step::gives(frame(&message));
    let message = Ok(Some(message));
    for (circumstance, script, expected) in [
        ("the stream is empty", vec![], vec![Ok(None); 2]),
        (
            "the stream ends after a frame",
            vec![frame.clone()],
            vec![message.clone(), Ok(None), Ok(None)],
        ),
        (
            "the stream ends after an empty message",
            vec![Step::gives([0; 4])],
            vec![Ok(Some(vec![])), Ok(None)],
        ),
        (
            "the stream ends for one call only, and then goes on",
            vec![Step::ends(), frame.clone(), Step::ends(), frame],
            vec![Ok(None), message.clone(), Ok(None), message],
        ),
    ] {
        let got = reader.ask(&(script, AMPLE, expected.len())).value;
        for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert!(
                got.result == *expected,
                "{circumstance}: call {} of read_frame should return {}, and returned {}",
                index + 1,
                shown(expected),
                shown(&got.result)
            );
        }
    }
}

#[proctor::test(clauses = [15], reader = |case: Reads| -> Vec<Got> { read_frames(case) })]
fn an_end_is_no_error_whatever_the_limit(mut reader: Subject) {
    for limit in [0, 1, u32::MAX] {
        let got = reader.ask(&(vec![], limit, 1)).value;
        assert!(
            got[0].result == Ok(None),
            "the limit is {limit}, and the stream ends between two frames: read_frame should return Ok(None), and returned {}",
            shown(&got[0].result)
        );
    }
}

#[proctor::test(clauses = [1, 4, 12, 14, 15], reader = |case: Reads| -> Vec<Got> { read_frames(case) })]
fn an_interrupted_read_is_made_again(mut reader: Subject) {
    let messages = some_messages();
    let mut script = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let frame = frame(message);
        let (length, bytes) = frame.split_at(4);
        script.extend([interruption(index).times(OFTEN), Step::gives(length)]);
        if !bytes.is_empty() {
            script.extend([interruption(index).times(OFTEN), Step::gives(bytes)]);
        }
    }
    let got = reader.ask(&(script, AMPLE, messages.len())).value;
    let circumstance = "signals interrupt read 300 times before it gives anything";
    assert_read(circumstance, &got, &messages);

    let often = Step::interrupted().times(VERY_OFTEN);
    let one = message_of(5);
    let frame = frame(&one);
    let (length, bytes) = frame.split_at(4);
    let (length, bytes) = (Step::gives(length), Step::gives(bytes));
    let script = vec![often.clone(), length, often, bytes];
    let got = reader.ask(&(script, AMPLE, 1)).value;
    let circumstance = "signals interrupt read 140,000 times before it gives anything";
    assert_read(circumstance, &got, &[one]);

    let script = frames(&messages)
        .into_iter()
        .enumerate()
        .flat_map(|(index, byte)| [interruption(index).times(2), Step::gives([byte])])
        .collect();
    let got = reader.ask(&(script, AMPLE, messages.len())).value;
    let circumstance = "each call of read is interrupted by a signal before it gives a byte";
    assert_read(circumstance, &got, &messages);

    let script = vec![interruption(0).times(OFTEN)];
    let got = reader.ask(&(script, AMPLE, 1)).value;
    assert!(
        got[0].result == Ok(None),
        "signals interrupt read 300 times before the stream ends: read_frame should return Ok(None), and returned {}",
        shown(&got[0].result)
    );
}

/// Gives no more than so many bytes a call, and allocates nothing.
struct Trickle<R> {
    from: R,
    at_most: usize,
}

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.at_most);
        self.from.read(&mut buffer[..most])
    }
}

#[proctor::test(
    clauses = [16, 17],
    reader = |(limit, claimed, come, at_most): (u32, u32, u64, usize)| {
        // Nothing here allocates but the code that is judged.
        let length = claimed.to_be_bytes();
        let from = (&length[..]).chain(io::repeat(7).take(come));
        let _ = framing::read_frame(&mut Trickle { from, at_most }, limit);
    },
)]
fn memory_follows_the_length_and_not_the_limit(mut reader: Subject) {
    let some = proctor::rng().u32(1000..5000);
    // What the process itself takes to answer its first question.
    reader.ask(&(9, 1, 1, 1));
    for limit in [1 << 20, 1 << 30] {
        for (claimed, come, at_most) in [
            (0, 0, 9),
            (3, 3, 9),
            (some, some, usize::MAX),
            (some, some, 1),
            (70_000, 70_000, usize::MAX),
            (70_000, 70_000, 9),
            (some, 0, 9),
            (1 << 20, 10, 9),
            (200_000, 200_000, usize::MAX),
        ] {
            let answer = reader.ask(&(limit, claimed, come.into(), at_most));
            let circumstance =
                format!("the limit is {limit}, a frame claims {claimed} bytes, and {come} come");
            let most = HEAP + 4 * u64::from(claimed);
            assert_heap(&circumstance, &answer.evidence, most);
        }
    }
}

#[proctor::test(clauses = [1, 17], reader = |cases: Vec<Reads>| -> Vec<Vec<Got>> {
    cases.into_iter().map(read_frames).collect()
})]
fn an_end_inside_a_frame_is_an_error(mut reader: Subject) {
    let message = message_of(proctor::rng().usize(4..9));
    let wire = frame(&message);
    // For ever, and for one call only.
    for times in [u64::MAX, 1] {
        let case = |cut: usize| {
            let (before, after) = wire.split_at(cut);
            let script = [before, after].map(Step::gives);
            let [before, after] = script;
            let script = match times {
                1 => vec![before, Step::ends(), after],
                _ => vec![before],
            };
            (script, AMPLE, 1)
        };
        let all = reader.ask(&(1..wire.len()).map(case).collect()).value;
        for (cut, got) in (1..).zip(all) {
            let length = message.len();
            let circumstance = match cut {
                1..4 => format!("the stream ends after {cut} of the 4 bytes of a length"),
                _ => format!(
                    "the stream ends after {} of the {length} bytes of a message",
                    cut - 4
                ),
            };
            let result = &got[0].result;
            assert!(
                result
                    .as_ref()
                    .is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof),
                "{circumstance}: read_frame should return an error, UnexpectedEof, and returned {}",
                shown(result)
            );
            assert!(
                got[0].given == cut as u64,
                "{circumstance}: read should not be called again, and gave {} bytes more",
                got[0].given - cut as u64
            );
        }
    }
}

/// Claims that are over the limit: by one byte, and by far.
fn too_large() -> Vec<(u32, u32)> {
    let some = proctor::rng().u32(500..2000);
    let limits = [
        0,
        1,
        255,
        256,
        some,
        65_535,
        65_536,
        1 << 24,
        (1 << 31) - 1,
        1 << 31,
        u32::MAX - 1,
    ];
    let claims = |limit: u32| [limit + 1, u32::MAX, limit.max(1 << 30) + 1];
    limits
        .iter()
        .flat_map(|limit| claims(*limit).map(|claimed| (*limit, claimed)))
        .collect()
}

#[proctor::test(
    clauses = [1, 12, 16, 17, 18, 19],
    memory = 512,
    reader = |cases: Vec<Reads>| -> Vec<Vec<Got>> { cases.into_iter().map(read_frames).collect() },
)]
fn a_length_over_the_limit_is_refused(mut reader: Subject) {
    let refused = too_large();
    // As many bytes follow as a polite sender would send at first.
    let case = |(limit, claimed): &(u32, u32)| {
        let wire = [&claimed.to_be_bytes()[..], &[7; 9]].concat();
        (vec![Step::gives(wire)], *limit, 1)
    };
    let all = reader.ask(&refused.iter().map(case).collect()).value;
    for ((limit, claimed), got) in refused.into_iter().zip(all) {
        let circumstance = format!("the limit is {limit} and a frame claims {claimed} bytes");
        assert_kind(&circumstance, got[0].result.clone(), ErrorKind::InvalidData);
    }

    let some = proctor::rng().u32(500..2000);
    let at_the_limit = [0, 1, 255, 256, some, 65_535, 65_536, 65_537].map(|n| (n, n));
    let below = [1 << 24, 1 << 31, u32::MAX - 1, u32::MAX]
        .into_iter()
        .flat_map(|limit| [0, 1, 3, some].map(|length| (length, limit)));
    let allowed = at_the_limit.into_iter().chain(below);
    let allowed: Vec<_> = allowed
        .map(|(length, limit)| (message_of(length as usize), limit))
        .collect();
    let case = |(message, limit): &(Vec<u8>, u32)| {
        let script = vec![Step::gives(frame(message))];
        (script, *limit, 1)
    };
    let all = reader.ask(&allowed.iter().map(case).collect()).value;
    for ((message, limit), got) in allowed.into_iter().zip(all) {
        let length = message.len();
        let circumstance = format!("the limit is {limit} and the length is {length}");
        assert_read(&circumstance, &got, &[message]);
    }

    // Within the limit, but nothing comes.
    for (claimed, limit) in [(1 << 24, 1 << 24), ((1 << 26) + 1, u32::MAX)] {
        let script = vec![Step::gives(u32::to_be_bytes(claimed))];
        let got = reader.ask(&vec![(script, limit, 1)]).value.remove(0);
        let circumstance =
            format!("the limit is {limit}, a frame claims {claimed} bytes, and none comes");
        assert_kind(
            &circumstance,
            got[0].result.clone(),
            ErrorKind::UnexpectedEof,
        );
    }
}

#[proctor::test(
    clauses = [19],
    reader = |cases: Vec<(u32, u32)>| {
        // Nothing here allocates but the code that is judged.
        for (limit, claimed) in cases {
            let length = claimed.to_be_bytes();
            let mut from = (&length[..]).chain(io::repeat(7).take(9));
            let _ = framing::read_frame(&mut from, limit);
        }
    },
)]
fn a_refused_frame_costs_no_memory(mut reader: Subject) {
    // What the process itself takes to answer its first question.
    reader.ask(&vec![(9, 1)]);
    let mut cases = vec![(0, 5000), (1, 70_000), (4000, 1 << 20), (70_000, 1 << 26)];
    cases.extend(too_large());
    // All at once, which is fast; one by one only if that shows something. The
    // small ones come first, so that a large one does not hide the reason.
    let few = reader.ask(&cases[..4].to_vec()).evidence;
    if peak(&few) <= PAGE && peak(&reader.ask(&cases).evidence) <= PAGE {
        return;
    }
    for (limit, claimed) in cases {
        let evidence = reader.ask(&vec![(limit, claimed)]).evidence;
        let circumstance = format!("the limit is {limit} and a frame claims {claimed} bytes");
        assert_heap(&circumstance, &evidence, PAGE);
    }
}

#[proctor::test(clauses = [13, 18, 20], reader = |case: Reads| -> Vec<Got> { read_frames(case) })]
fn a_refused_frame_is_not_read_further(mut reader: Subject) {
    let some = proctor::rng().u32(1..50);
    for (limit, claimed) in [(0, 1), (some, some + 1), (9, 5000), (9, 1 << 20)] {
        let length = claimed.to_be_bytes();
        let wire = [&length[..], &[7; 100]].concat();
        for script in [
            vec![Step::gives(wire)],
            vec![Step::gives(length), Step::waits()],
        ] {
            let got = reader.ask(&(script, limit, 1)).value;
            assert!(
                got[0].given == 4,
                "the limit is {limit} and a frame claims {claimed} bytes: 4 bytes should be read, and {} were",
                got[0].given
            );
        }
    }
}

#[proctor::test(clauses = [1, 12, 21], reader = |cases: Vec<Reads>| -> Vec<Vec<Got>> {
    cases.into_iter().map(read_frames).collect()
})]
fn an_error_of_read_is_handed_on_as_it_is(mut reader: Subject) {
    let message = message_of(9);
    let wire = frame(&message);
    for after in [0, 1, 2, 3, 4, 5, 12] {
        let errors = errors();
        let (before, rest) = wire.split_at(after);
        let case = |error: &IoError| {
            let fails = Step::fails(error.clone());
            let script = vec![Step::gives(before), fails, Step::gives(rest)];
            (script, AMPLE, 1)
        };
        let all = reader.ask(&errors.iter().map(case).collect()).value;
        for (got, error) in all.into_iter().zip(errors) {
            let got = &got[0];
            assert!(
                got.result == Err(error.clone()),
                "read fails after {after} bytes of a frame: read_frame should return that error, {error:?}, and returned {}",
                shown(&got.result)
            );
            assert!(
                got.given == after as u64,
                "read fails after {after} bytes of a frame: it should not be called again, and gave {} bytes more",
                got.given - after as u64
            );
        }
    }
}

// Both.

/// Calls both functions with streams of many types; names those with which
/// they do not work.
fn with_many_types(message: &[u8]) -> Vec<String> {
    /// Neither `Send` nor `Sync`.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Read for Shared {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut bytes = self.0.borrow_mut();
            let count = (&bytes[..]).read(buffer)?;
            bytes.drain(..count);
            Ok(count)
        }
    }
    /// All that the functions may know of a stream.
    fn write_to<W: Write + ?Sized>(to: &mut W, message: &[u8]) -> io::Result<()> {
        framing::write_frame(to, message, AMPLE)
    }
    fn read_from<R: Read + ?Sized>(from: &mut R) -> io::Result<Option<Vec<u8>>> {
        framing::read_frame(from, AMPLE)
    }
    let mut wrong = Vec::new();
    let mut check = |stream: &str, read: io::Result<Option<Vec<u8>>>| {
        if read.ok().flatten().as_deref() != Some(message) {
            wrong.push(stream.to_owned());
        }
    };

    let shared = Shared::default();
    write_to(&mut shared.clone(), message).unwrap();
    check("neither Send nor Sync", read_from(&mut shared.clone()));

    let mut boxed: Box<dyn Write> = Box::new(shared.clone());
    framing::write_frame(&mut *boxed, message, AMPLE).unwrap();
    let mut from: Box<dyn Read> = Box::new(shared.clone());
    check("dyn Read", framing::read_frame(&mut *from, AMPLE));
    framing::write_frame(&mut boxed, message, AMPLE).unwrap();
    check("Box<dyn Read>", framing::read_frame(&mut from, AMPLE));

    let mut bytes: Vec<u8> = Vec::new();
    let to: &mut dyn Write = &mut bytes;
    write_to(to, message).unwrap();
    let mut borrowed: &[u8] = &bytes;
    let from: &mut dyn Read = &mut borrowed;
    check("&mut dyn Read", read_from(from));

    let mut room = vec![0_u8; message.len() + 4];
    write_to(&mut &mut room[..], message).unwrap();
    check("&[u8]", read_from(&mut &room[..]));
    wrong
}

#[proctor::test(
    clauses = [1, 2],
    streams = |message: Vec<u8>| -> Vec<String> { with_many_types(&message) },
)]
fn every_type_of_stream_will_do(mut streams: Subject) {
    let wrong = streams.ask(&message_of(300)).value;
    assert!(
        wrong.is_empty(),
        "a message should come out of the stream as it went in, with every type of stream, and did not with these: {wrong:?}"
    );
}

/// A stream in a stream: each message of the outer one is a piece of the inner.
struct Tunnel<S> {
    outer: S,
    rest: Vec<u8>,
}

fn tunnel<S>(outer: S) -> Tunnel<S> {
    let rest = Vec::new();
    Tunnel { outer, rest }
}

impl<S: Read> Read for Tunnel<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = framing::read_frame(&mut self.outer, AMPLE)?.unwrap_or_default();
        }
        let count = (&self.rest[..]).read(buffer)?;
        self.rest.drain(..count);
        Ok(count)
    }
}

impl<S: Write> Write for Tunnel<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        framing::write_frame(&mut self.outer, bytes, AMPLE)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Panics at the first call, as a stream with a bug does.
struct Panics;

impl Read for Panics {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the stream panics")
    }
}

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("the stream panics")
    }

    fn flush(&mut self) -> io::Result<()> {
        panic!("the stream panics")
    }
}

/// What each of the streams gives if one frame of each is read in turns.
fn in_turns(streams: Vec<Vec<Step>>, rounds: usize) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut streams: Vec<_> = streams.into_iter().map(Reader::new).collect();
    let mut got = vec![Vec::new(); streams.len()];
    for _ in 0..rounds {
        for (from, got) in streams.iter_mut().zip(&mut got) {
            got.push(framing::read_frame(from, AMPLE).ok().flatten());
            // Errors on other streams change nothing.
            let mut broken = Reader::new([Step::gives([0, 0])]);
            let _ = framing::read_frame(&mut broken, AMPLE);
            let mut refused = Reader::new([Step::gives([9, 9, 9, 9])]);
            let _ = framing::read_frame(&mut refused, 9);
            let mut full = Writer::new([Step::takes(1), Step::takes(0)]);
            let _ = framing::write_frame(&mut full, b"abc", AMPLE);
        }
    }
    got
}

#[proctor::test(
    clauses = [1, 3, 13],
    turns = |(streams, rounds): (Vec<Vec<Step>>, usize)| -> Vec<Vec<Option<Vec<u8>>>> {
        in_turns(streams, rounds)
    },
    tunnel = |message: Vec<u8>| -> bool {
        let mut outer = Vec::new();
        framing::write_frame(&mut tunnel(&mut outer), &message, AMPLE).unwrap();
        let got = framing::read_frame(&mut tunnel(&outer[..]), AMPLE);
        got.is_ok_and(|got| got == Some(message))
    },
    panics = |message: Vec<u8>| -> bool {
        let write = || framing::write_frame(&mut Panics, b"abc", AMPLE);
        let read = || framing::read_frame(&mut Panics, AMPLE);
        assert!(catch_unwind(AssertUnwindSafe(write)).is_err());
        assert!(catch_unwind(AssertUnwindSafe(read)).is_err());
        let mut wire = Vec::new();
        framing::write_frame(&mut wire, &message, AMPLE).unwrap();
        framing::read_frame(&mut &wire[..], AMPLE).unwrap() == Some(message)
    },
)]
fn no_call_knows_of_another(mut turns: Subject, mut tunnel: Subject, mut panics: Subject) {
    let messages = [1, 2, 3].map(|least| {
        let lengths = [least, 300, least + 1, 9, 70_000];
        lengths.map(message_of).to_vec()
    });
    let script = |messages: &Vec<Vec<u8>>| -> Vec<Step> {
        messages.iter().map(|one| Step::gives(frame(one))).collect()
    };
    let scripts = messages.iter().map(script).collect();
    let got = turns.ask(&(scripts, messages[0].len())).value;
    let expected = messages.map(|all| all.into_iter().map(Some).collect::<Vec<_>>());
    assert!(
        got == expected,
        "three streams are read in turns: each should give its own messages in their order, and they do not"
    );
    assert!(
        tunnel.ask(&message_of(20)).value,
        "a stream that is carried in the frames of another: the message should come out as it went in, and did not"
    );
    assert!(
        panics.ask(&message_of(20)).value,
        "after a stream has panicked, the next should be as good as ever, and is not"
    );
}

/// Writes as much into a pipe as it has room for, and returns how much.
fn fill(pipe: &PipeWriter) -> usize {
    /// Of open(2): a call that would wait fails. The number is Linux's.
    const O_NONBLOCK: i32 = 0o4000;
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let mut options = File::options();
    // Opened a second time, so that the pipe's own descriptor still waits.
    let again = options.write(true).custom_flags(O_NONBLOCK).open(path);
    let mut again = again.unwrap();
    let mut full = 0;
    // Whole pages: a last one that is half full would have room for a message.
    while let Ok(more) = again.write(&[0; 4096]) {
        full += more;
    }
    full
}

/// One thread waits inside of a function until the calling one has used both
/// functions with another stream; `reading` says which function it waits in.
fn beside_a_waiting_thread(reading: bool, message: &[u8]) -> bool {
    let (mut from, mut to) = io::pipe().unwrap();
    let full = if reading { 0 } else { fill(&to) };
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let (mut its_from, mut its_to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let waiter = scope.spawn(move || {
            sender.send(Onlooker::of_this_thread()).unwrap();
            match reading {
                true => framing::read_frame(&mut its_from, AMPLE).unwrap(),
                false => {
                    framing::write_frame(&mut its_to, message, AMPLE).unwrap();
                    Some(message.to_vec())
                }
            }
        });
        receiver.recv().unwrap().until_it_waits();
        let mut wire = Vec::new();
        framing::write_frame(&mut wire, message, AMPLE).unwrap();
        let got = framing::read_frame(&mut &wire[..], AMPLE).unwrap();
        match reading {
            true => to.write_all(&frame(message)).unwrap(),
            false => from.read_exact(&mut vec![0; full]).unwrap(),
        }
        waiter.join().unwrap().as_deref() == Some(message) && got.as_deref() == Some(message)
    })
}

#[proctor::test(
    clauses = [1, 3],
    beside = |(reading, message): (bool, Vec<u8>)| -> bool {
        beside_a_waiting_thread(reading, &message)
    },
)]
fn two_threads_do_not_hold_up_each_other(mut beside: Subject) {
    for (reading, function) in [(true, "read_frame"), (false, "write_frame")] {
        assert!(
            beside.ask(&(reading, message_of(20))).value,
            "one thread waits in {function}: another should use other streams meanwhile, and both should get their messages"
        );
    }
}

/// Waits at a gate in its first call.
struct Meeting<'a, S> {
    gate: &'a Gate,
    stream: S,
}

impl<S: Read> Read for Meeting<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.gate.meet();
        self.stream.read(buffer)
    }
}

impl<S: Write> Write for Meeting<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gate.meet();
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[proctor::test(
    clauses = [1, 3],
    crowd = |(threads, message): (usize, Vec<u8>)| -> bool {
        let wire = frame(&message);
        let (reads, writes) = (Gate::new(threads), Gate::new(threads));
        thread::scope(|scope| {
            let start = |_| scope.spawn(|| {
                let mut from = Meeting { gate: &reads, stream: &wire[..] };
                let got = framing::read_frame(&mut from, AMPLE).unwrap();
                let mut to = Meeting { gate: &writes, stream: Vec::new() };
                framing::write_frame(&mut to, &message, AMPLE).unwrap();
                got.as_ref() == Some(&message) && to.stream == wire
            });
            let all: Vec<_> = (0..threads).map(start).collect();
            all.into_iter()
                .all(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    },
)]
fn seventy_threads_do_not_hold_up_each_other(mut crowd: Subject) {
    let question = (70, message_of(20));
    let answer = crowd.try_ask(&question).unwrap_or_else(|failing| {
        let meaning = "70 threads use streams of their own at the same time, and not all of them get to their streams";
        Gate::explained(failing, meaning).end()
    });
    assert!(
        answer.value,
        "70 threads use streams of their own at the same time: each should get its message, and not all did"
    );
}

/// Calls both functions so often, with and without success: what they have
/// changed around them, and whether the message came out as it went in.
fn again_and_again((message, rounds, errors_last): (Vec<u8>, usize, bool)) -> (Vec<String>, bool) {
    let mut wire = frame(&message);
    let with_errors = |wire: &mut Vec<u8>| {
        let _ = framing::read_frame(&mut &wire[..9], AMPLE);
        let _ = framing::read_frame(&mut &wire[..], 3);
        let _ = framing::read_frame(&mut io::empty(), AMPLE);
        let _ = framing::write_frame(wire, &message, 3);
        let _ = framing::write_frame(&mut &mut [0_u8; 9][..], &message, AMPLE);
        for fails in [IoError::Os(104), IoError::Kind(ErrorKind::WouldBlock)] {
            let steps = || [Step::interrupted(), Step::fails(fails.clone())];
            let _ = framing::read_frame(&mut Reader::new(steps()), AMPLE);
            let _ = framing::write_frame(&mut Writer::new(steps()), &message, AMPLE);
        }
    };
    let before = Surroundings::now();
    let mut right = true;
    for _ in 0..rounds {
        if !errors_last {
            with_errors(&mut wire);
        }
        wire.clear();
        framing::write_frame(&mut wire, &message, AMPLE).unwrap();
        let got = framing::read_frame(&mut &wire[..], AMPLE).unwrap();
        right &= got.as_ref() == Some(&message);
        if errors_last {
            with_errors(&mut wire);
        }
    }
    (before.changes(), right)
}

#[proctor::test(
    clauses = [1, 3, 10, 17],
    deadline = 60.0,
    functions = |question: (Vec<u8>, usize, bool)| -> (Vec<String>, bool) {
        again_and_again(question)
    },
)]
fn a_thousand_calls_leave_nothing_behind(mut functions: Subject) {
    let message = message_of(2000);
    // The process itself keeps something of its first question.
    let first = functions.ask(&(message_of(9), 1, true));
    assert_nothing_is_started(&first.evidence);
    for errors_last in [true, false] {
        let answer = functions.ask(&(message.clone(), 1000, errors_last));
        assert_nothing_is_left(answer);
    }
}

#[track_caller]
fn assert_nothing_is_started(evidence: &Evidence) {
    let started = (
        evidence.processes_started.unwrap_or(0),
        evidence.threads_started.unwrap_or(0),
    );
    assert!(
        started == (0, 0),
        "the calls should start no processes and no threads, and started {started:?}"
    );
}

#[track_caller]
fn assert_nothing_is_left(answer: Answer<(Vec<String>, bool)>) {
    let (changes, right) = answer.value;
    let evidence = answer.evidence;
    assert!(
        right,
        "the same message is written and read a thousand times: it should come out as it went in each time"
    );
    assert!(
        changes.is_empty(),
        "the calls should leave everything as it was, and did not: {changes:?}"
    );
    assert_nothing_is_started(&evidence);
    let left = (
        evidence.children + evidence.zombies + evidence.orphans,
        evidence.threads,
        evidence.descriptors_left,
    );
    assert!(
        left == (0, 1, 0),
        "processes, threads and open descriptors should be (0, 1, 0) after the calls, and are {left:?}"
    );
    let (relics, files) = (evidence.relics, evidence.files_left);
    assert!(
        relics.is_empty() && files.is_empty(),
        "the calls should leave nothing behind, and left {relics:?} {files:?}"
    );
    assert!(
        evidence.heap.left <= 1024,
        "the calls should keep no memory, and kept {} bytes",
        evidence.heap.left
    );
    let printed = answer.output.stdout + &answer.output.stderr;
    assert!(
        printed.is_empty(),
        "the calls should print nothing, and printed {:?}",
        printed.chars().take(60).collect::<String>()
    );
}

#[proctor::test(
    clauses = [4],
    deadline = 60.0,
    functions = |count: usize| {
        let often = Step::interrupted().times(count as u64 / 3);
        let read = [often.clone(), Step::gives(frame(&vec![7; count])).at_most(1)];
        let write = [often, Step::takes(1).times(u64::MAX)];
        let (mut from, mut to) = (Reader::new(read), Writer::new(write));
        let calls = move || {
            // Whether they are right is for other tests.
            let _ = framing::read_frame(&mut from, AMPLE);
            let _ = framing::write_frame(&mut to, &vec![7; count], AMPLE);
        };
        let thread = thread::Builder::new().stack_size(STACK).spawn(calls).unwrap();
        if let Err(panic) = thread.join() {
            resume_unwind(panic);
        }
    },
)]
fn a_small_stack_is_enough(mut functions: Subject) {
    functions.ask(&proctor::rng().usize(20_000..21_000));
}

/// So much that its length needs more than 24 bits, and no `f32` can hold it.
const LARGE: usize = (1 << 24) + 1;

/// So much is only announced, 256 MiB and a byte. It is allowed all the same.
const HUGE: u32 = (1 << 28) + 1;

#[proctor::test(
    clauses = [1, 5, 8, 11, 12, 16, 17, 18],
    slow = true,
    deadline = 120.0,
    huge = |limit: u32| -> (Option<IoError>, Option<IoError>) {
        let zeros = Zeros::new(HUGE as usize).unwrap();
        let mut to = Writer::new([Step::takes(7), Step::fails(IoError::Os(104)).times(u64::MAX)]);
        let written = framing::write_frame(&mut to, &zeros, limit);
        let read = framing::read_frame(&mut &HUGE.to_be_bytes()[..], limit);
        (
            written.err().map(|error| IoError::of(&error)),
            read.err().map(|error| IoError::of(&error)),
        )
    },
    functions = |piece: Vec<u8>| -> (bool, bool) {
        let mut message = piece.repeat(LARGE / piece.len() + 1);
        message.truncate(LARGE);
        let limit: u32 = LARGE as u32;
        let mut wire = BufWriter::new(Vec::with_capacity(LARGE + 4));
        let written = framing::write_frame(&mut wire, &message, limit);
        let mut wire = wire.into_inner().unwrap();
        let expected = frame(&message);
        let written = written.is_ok() && wire == expected;
        wire = expected;
        let read = framing::read_frame(&mut &wire[..], limit);
        (written, read.is_ok_and(|read| read == Some(message)))
    },
)]
fn sixteen_mebibytes_and_a_byte_are_a_message_too(mut functions: Subject, mut huge: Subject) {
    let answer = functions.ask(&message_of(65_521));
    assert_nothing_is_started(&answer.evidence);
    let (written, read) = answer.value;
    assert!(
        written,
        "a message of {LARGE} bytes, which is the limit: it should be written whole, and was not"
    );
    assert!(
        read,
        "a message of {LARGE} bytes, which is the limit: it should be read whole, and was not"
    );
    for limit in [HUGE, u32::MAX] {
        let (written, read) = huge.ask(&limit).value;
        assert!(
            written == Some(IoError::Os(104)),
            "the limit is {limit}, a message has {HUGE} bytes, and write fails after its beginning: write_frame should return that error, and returned {written:?}"
        );
        assert!(
            read.as_ref()
                .is_some_and(|error| error.kind() == ErrorKind::UnexpectedEof),
            "the limit is {limit}, a frame claims {HUGE} bytes, and none comes: read_frame should return an error, UnexpectedEof, and returned {read:?}"
        );
    }
}

#[proctor::test(
    clauses = [1, 4, 5, 12],
    slow = true,
    deadline = 120.0,
    functions = |count: usize| -> (bool, bool) {
        let message = vec![7; count];
        let wire = frame(&message);
        let mut from = Reader::new([Step::gives(wire.clone()).at_most(1)]);
        let read = framing::read_frame(&mut from, 2_000_000);
        let mut to = Writer::new([Step::takes(1).times(u64::MAX)]);
        let written = framing::write_frame(&mut to, &message, 2_000_000);
        (read.is_ok_and(|read| read == Some(message)), written.is_ok() && to.written() == wire)
    },
)]
fn more_than_a_million_calls_are_not_too_many(mut functions: Subject) {
    // More than 2^20.
    let count = proctor::rng().usize(1_100_000..1_200_000);
    let (read, written) = functions.ask(&count).value;
    assert!(
        read,
        "a message of {count} bytes comes one byte at a time: it should be read whole, and was not"
    );
    assert!(
        written,
        "a message of {count} bytes is taken one byte at a time: it should be written whole, and was not"
    );
}
