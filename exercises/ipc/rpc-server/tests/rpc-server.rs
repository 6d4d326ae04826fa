//! Judges the decoder and the outbox on their own, call by call, and then the
//! server, which runs in a thread of the subject while the test plays its clients.
//!
//! A test never waits for a clock. It waits until something has happened, or until
//! the server's thread sleeps in the kernel: then it will not happen any more.

proctor::exercise!(rpc_server);

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::ManuallyDrop;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::panic::{self, AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SaFlags, SigHandler, Signal};
use nix::sys::socket::sockopt::AcceptConn;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, send, shutdown,
    socket,
};
use nix::unistd::{dup, gettid, write};
use proctor::script::IoError;
use proctor::{
    Answer, Errno, Gate, Heap, Outcome, Subject, Surroundings, Zeros, do_nothing, on_signal,
};
use rpc_server::{Decoder, Limits, Outbox, TooLong};
use serde::{Deserialize, Serialize};

// ------------------------------------------------------------------ plain data

fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes(), message].concat()
}

fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| frame(message)).collect()
}

fn message_of(length: usize) -> Vec<u8> {
    let mut message = vec![0; length];
    proctor::rng().fill(&mut message);
    message
}

/// The messages of frames that stand one behind the other, and what remains.
fn unframed(mut bytes: &[u8]) -> (Vec<Vec<u8>>, &[u8]) {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*prefix) as usize;
        let Some(message) = rest.get(..length) else {
            break;
        };
        messages.push(message.to_vec());
        bytes = &rest[length..];
    }
    (messages, bytes)
}

/// Cuts bytes into pieces of 0 to `most` bytes.
fn pieces(mut bytes: &[u8], most: usize) -> Vec<Vec<u8>> {
    let mut rng = proctor::rng();
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(rng.usize(0..=most).min(bytes.len()));
        all.push(piece.to_vec());
        bytes = rest;
    }
    all
}

/// Demands an answer that the code gives only if it does not do far too much work.
#[track_caller]
fn has_time_for(subject: &mut Subject<(u8, usize), usize>, question: (u8, usize), what: &str) {
    let answered = subject.try_ask(&question).unwrap_or_else(|mut failing| {
        failing.cause = match failing.outcome {
            Outcome::Panic => failing.cause,
            _ => format!(
                "{what}. Moving the waiting bytes in each call takes far too long\n{}",
                failing.cause
            ),
        };
        failing.end()
    });
    let (value, count) = (answered.value, question.1);
    assert!(
        value == count,
        "{what}: {count} should come out, and {value} did"
    );
}

/// Demands that no more memory was held than C3 and C6 allow if these messages and
/// bytes waited at a time. At the end they wait still, or nothing does. The test itself
/// needs some memory.
#[track_caller]
fn holds_little(heap: Heap, (messages, bytes): (u64, u64), ends_empty: bool, what: &str) {
    let may = |messages, bytes| (64 << 10) + 128 * messages + 8 * bytes + (2 << 10);
    let (at_a_time, nothing) = (may(messages, bytes), may(0, 0));
    let at_the_end = if ends_empty { nothing } else { at_a_time };
    for (most, held, when) in [
        (at_a_time, heap.peak, "at a time"),
        (at_the_end, heap.left, "at the end"),
    ] {
        assert!(
            held <= most,
            "{what}: {when}, at most {most} bytes of memory may be held, and {held} are"
        );
    }
}

static PIECE: [u8; 1 << 16] = [7; 1 << 16];

/// The frames of a million empty messages, for example.
static NOTHING: [u8; 4 << 20] = [0; 4 << 20];

// ------------------------------------------------------------- Part 1: Decoder

/// A limit, the bytes of each push, and whether the messages are taken after each.
type Decoding = (u32, Vec<Vec<u8>>, bool);

/// What comes out after each push: messages, or the length that is refused.
type Out = Vec<Vec<Result<Vec<u8>, u32>>>;

fn decoded((limit, pieces, takes_each): Decoding) -> Out {
    let mut decoder = Decoder::new(limit);
    let mut out = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        decoder.push(piece);
        let takes = takes_each || number + 1 == pieces.len();
        let mut taken = Vec::new();
        while takes && taken.len() < 10_000 {
            match decoder.message() {
                Ok(Some(message)) => taken.push(Ok(message)),
                Ok(None) => break,
                Err(TooLong { length }) => {
                    taken.push(Err(length));
                    // The error stays.
                    taken.extend(decoder.message().err().map(|error| Err(error.length)));
                    break;
                }
            }
        }
        out.push(taken);
    }
    out
}

fn should_be_decoded((limit, pieces, takes_each): &Decoding) -> Out {
    let mut bytes: Vec<u8> = Vec::new();
    let mut out = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        bytes.extend(piece);
        let takes = *takes_each || number + 1 == pieces.len();
        let mut taken = Vec::new();
        while takes && let Some((prefix, rest)) = bytes.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*prefix);
            if length > *limit {
                taken.extend([Err(length), Err(length)]);
                break;
            }
            let Some(message) = rest.get(..length as usize) else {
                break;
            };
            taken.push(Ok(message.to_vec()));
            bytes.drain(..4 + length as usize);
        }
        out.push(taken);
    }
    out
}

#[track_caller]
fn decodes(subject: &mut Subject<Decoding, Out>, question: Decoding, how: &str) {
    let (is, should) = (subject.ask(&question).value, should_be_decoded(&question));
    for (number, (is, should)) in is.iter().zip(&should).enumerate() {
        let so_far: usize = question.1[..=number].iter().map(Vec::len).sum();
        let lengths = |out: &[Result<Vec<u8>, u32>]| {
            let all = out.iter().map(|one| match one {
                Ok(message) => message.len().to_string(),
                Err(length) => format!("TooLong({length})"),
            });
            all.take(12).collect::<Vec<_>>().join(", ")
        };
        let why = match lengths(is) == lengths(should) {
            true => "the bytes of the messages are others".to_owned(),
            false => format!("[{}] came", lengths(is)),
        };
        assert!(
            is == should,
            "{how}. The limit is {}. After {so_far} bytes, messages of these lengths should come: [{}], and {why}",
            question.0,
            lengths(should)
        );
    }
}

#[proctor::test(clauses = [1, 2], subject = |question: Decoding| -> Out { decoded(question) })]
fn messages_come_out_however_their_bytes_arrive(mut subject: Subject) {
    let long = frames(&[0, 1, 3, 4, 5, 300, 0, 0, 65_536, 70_000, 2].map(message_of));
    let mut short = [0, 1, 3, 4, 5, 0, 260, 7].map(message_of).to_vec();
    // Bytes that look like lengths.
    short.extend([vec![0; 9], vec![0xff; 9], frame(b"abc")]);
    let each: Vec<Vec<u8>> = short.iter().map(|message| frame(message)).collect();
    let short = frames(&short);
    let bytes = short.iter().map(|byte| vec![*byte]).collect();
    for (pieces, how) in [
        (each, "Each frame comes in a push of its own"),
        (vec![short.clone()], "Short frames come in one push"),
        (vec![long.clone()], "Frames come in one push"),
        (bytes, "Each byte comes in a push of its own"),
        (pieces(&short, 9), "Short frames come in small pieces"),
        (pieces(&long, 9000), "Frames come in pieces"),
        (vec![vec![], vec![]], "Nothing comes"),
    ] {
        decodes(&mut subject, (70_000, pieces.clone(), true), how);
        let how = format!("{how}, and the messages are taken at the end");
        decodes(&mut subject, (u32::MAX, pieces, false), &how);
    }
}

#[proctor::test(clauses = [1, 2, 3], subject = |question: Decoding| -> Out { decoded(question) })]
fn a_length_over_the_limit_is_refused_for_good(mut subject: Subject) {
    let random = proctor::rng().u32(1000..9000);
    for limit in [0, 1, 255, random, 65_535, 65_536, u32::MAX - 1, u32::MAX] {
        let longest = if limit < 1 << 17 { limit } else { 300 };
        let good = frame(&message_of(longest as usize));
        let short = frame(&message_of(limit.min(9) as usize));
        // The last one is allowed, and the message does not come.
        for length in [
            u32::MAX,
            limit.saturating_add(1),
            1 << 31,
            1 << 16,
            limit.max(1),
        ] {
            let [first, rest @ ..] = length.to_be_bytes();
            let good = if length == u32::MAX { &good } else { &short };
            let mut pieces = vec![good.clone(), vec![first], rest[..2].to_vec()];
            pieces.extend([rest[2..].to_vec(), frame(b""), frame(b"").repeat(9)]);
            let whole = vec![pieces.concat()];
            let how = format!("After a good frame comes the length {length}");
            decodes(&mut subject, (limit, pieces, true), &how);
            decodes(&mut subject, (limit, whole, true), &how);
        }
    }
}

/// Returns the largest capacity of a message beyond eight times its length.
#[proctor::test(clauses = [1, 2, 3], subject = |scene: u8| -> usize {
    let mut decoder = Decoder::new(if (1..3).contains(&scene) { 1000 } else { u32::MAX });
    let mut beyond = 0;
    let mut arrives = |bytes: &[u8]| {
        decoder.push(bytes);
        while let Ok(Some(message)) = decoder.message() {
            beyond = beyond.max(message.capacity().saturating_sub(8 * message.len()));
        }
    };
    match scene {
        0 => {
            arrives(&(1_u32 << 30).to_be_bytes());
            arrives(&PIECE[..10_000]);
        }
        1 => {
            arrives(&1001_u32.to_be_bytes());
            (0..100).for_each(|_| arrives(&PIECE));
        }
        2 => {
            arrives(&1001_u32.to_be_bytes());
            arrives(&NOTHING);
        }
        3 => {
            arrives(&(64_u32 << 16).to_be_bytes());
            (0..64).for_each(|_| arrives(&PIECE));
        }
        4 => arrives(&NOTHING[..400_000]),
        _ => {
            arrives(&1000_u32.to_be_bytes());
            for _ in 0..20_000 {
                // The end of one frame, and the beginning of the next.
                arrives(&PIECE[..500]);
                arrives(&[&PIECE[..500], &1000_u32.to_be_bytes()].concat());
            }
        }
    }
    let _kept = ManuallyDrop::new(decoder);
    beyond
})]
fn memory_is_for_bytes_that_have_arrived(mut subject: Subject) {
    for (scene, most, ends_empty, what) in [
        (
            0,
            (1, 10_004),
            false,
            "a frame claims 1 GiB, and 10,000 bytes of it come",
        ),
        (
            1,
            (1, 4),
            true,
            "a length was refused, and 6 MiB come after it",
        ),
        (
            2,
            (1, 4),
            true,
            "a length was refused, and 4 MiB come after it in one push",
        ),
        (
            3,
            (1, (64 << 16) + 4),
            true,
            "a message of 4 MiB has come and was taken",
        ),
        (
            4,
            (100_000, 400_000),
            true,
            "100,000 empty messages have come and were taken",
        ),
        (
            5,
            (2, 1504),
            false,
            "20,000 messages of 1000 bytes come, and the decoder is never empty",
        ),
    ] {
        let answer = subject.ask(&scene);
        holds_little(answer.evidence.heap, most, ends_empty, what);
        assert!(
            answer.value <= 128,
            "{what}: a message was returned in a vector whose capacity is eight times its length and {} bytes more: at most 128 more are allowed",
            answer.value
        );
    }
}

/// In each scene, megabytes wait all the time.
#[proctor::test(clauses = [1, 4], subject = |(scene, count): (u8, usize)| -> usize {
    let mut decoder = Decoder::new(u32::MAX);
    let one = frame(&PIECE[..60]);
    if scene < 2 {
        decoder.push(&one.repeat(2 * count));
        let mut turn = || {
            if scene == 1 {
                decoder.push(&one);
            }
            decoder.message().is_ok_and(|message| message.is_some_and(|message| message == PIECE[..60]))
        };
        return (0..count).filter(|_| turn()).count();
    }
    let large = 300 << 16;
    decoder.push(&(large as u32 + count as u32).to_be_bytes());
    decoder.push(&PIECE.repeat(300));
    for _ in 0..count {
        assert!(decoder.message() == Ok(None), "a message came before its last byte");
        decoder.push(b"x");
    }
    let message = decoder.message().unwrap_or_default().unwrap_or_default();
    message.len().saturating_sub(large)
})]
fn the_time_does_not_grow_with_what_waits(mut subject: Subject) {
    for (scene, what) in [
        (
            0,
            "a push brings 400,000 messages, and 200,000 of them are taken one by one",
        ),
        (
            1,
            "400,000 messages wait, and in 200,000 turns one is added and one is taken",
        ),
        (
            2,
            "20 MB of a message have come, and its last 200,000 bytes come one by one",
        ),
    ] {
        has_time_for(&mut subject, (scene, 200_000), what);
    }
}

// -------------------------------------------------------------- Part 2: Outbox

/// What a stream does once, before it takes the next byte.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum What {
    /// So many calls fail in the same way.
    Fails(IoError, u32),
    TakesNothing,
    Panics(u64),
}

/// A stream that takes at most `most` bytes a call, and does what `events` say when
/// it has taken so many bytes. In how many calls a writer comes there does not matter.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sink {
    most: usize,
    events: VecDeque<(usize, What)>,
    taken: Vec<u8>,
    calls: u64,
    /// The calls of `flush`.
    flushes: u64,
}

impl Sink {
    fn new(most: usize, events: impl IntoIterator<Item = (usize, What)>) -> Sink {
        let (events, taken) = (events.into_iter().collect(), Vec::new());
        let (calls, flushes) = (0, 0);
        Sink {
            most,
            events,
            taken,
            calls,
            flushes,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        let next = self.events.front_mut();
        let until = next
            .as_ref()
            .map_or(usize::MAX, |(at, _)| at - self.taken.len());
        if let Some((_, What::Fails(error, times @ 2..))) = next
            && until == 0
        {
            *times -= 1;
            return Err(error.make());
        }
        if until == 0 {
            return match self.events.pop_front() {
                Some((_, What::Fails(error, _))) => Err(error.make()),
                Some((_, What::Panics(payload))) => resume_unwind(Box::new(payload)),
                Some((_, What::TakesNothing)) | None => Ok(0),
            };
        }
        let count = self.most.min(bytes.len()).min(until);
        self.taken.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        Ok(())
    }
}

/// Queues a message, or flushes.
type Op = Option<Vec<u8>>;

/// How a flush ends that does not return `Ok`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Stops {
    Error(IoError),
    /// With this payload, if it is a number.
    Panic(Option<u64>),
}

/// After an operation: what `flush` has returned, what `waiting` returns, how many
/// bytes the stream has taken, and whether the operation has called the stream.
type After = (Option<Result<bool, Stops>>, usize, usize, bool);

/// What to do with an outbox and which stream.
type Operations = (Vec<Op>, Sink);

/// What came of it, the bytes that the stream has taken, and the calls of its `flush`.
type Operated = (Vec<After>, Vec<u8>, u64);

fn operated((ops, mut sink): Operations) -> Operated {
    let mut outbox = Outbox::new();
    let mut all = Vec::new();
    for op in ops {
        let calls = sink.calls;
        let flushed = match op {
            Some(message) => {
                outbox.queue(&message);
                None
            }
            None => Some(catch_unwind(AssertUnwindSafe(|| outbox.flush(&mut sink)))),
        };
        // The text of this error is the outbox's own.
        let told = |error: io::Error| match error.kind() {
            ErrorKind::WriteZero => IoError::Kind(ErrorKind::WriteZero),
            _ => IoError::of(&error),
        };
        let flushed = flushed.map(|flushed| match flushed {
            Ok(returned) => returned.map_err(|error| Stops::Error(told(error))),
            Err(panic) => Err(Stops::Panic(panic.downcast_ref().copied())),
        });
        all.push((
            flushed,
            outbox.waiting(),
            sink.taken.len(),
            sink.calls != calls,
        ));
    }
    (all, sink.taken, sink.flushes)
}

fn should_be_operated((ops, sink): &Operations) -> Operated {
    let (mut queued, mut taken, mut events) = (Vec::new(), 0, sink.events.clone());
    let mut all = Vec::new();
    for op in ops {
        if let Some(message) = op {
            queued.extend(frame(message));
            all.push((None, queued.len() - taken, taken, false));
            continue;
        }
        let calls = taken < queued.len();
        let mut flushed = Ok(true);
        while taken < queued.len() {
            let next = events.front().map_or(usize::MAX, |(at, _)| *at);
            if next > taken {
                taken = next.min(queued.len());
                continue;
            }
            flushed = match events.pop_front() {
                Some((_, What::Fails(error, _))) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock => Ok(false),
                    _ => Err(Stops::Error(error)),
                },
                Some((_, What::Panics(payload))) => Err(Stops::Panic(Some(payload))),
                Some((_, What::TakesNothing)) => {
                    Err(Stops::Error(IoError::Kind(ErrorKind::WriteZero)))
                }
                None => continue,
            };
            break;
        }
        all.push((Some(flushed), queued.len() - taken, taken, calls));
    }
    queued.truncate(taken);
    (all, queued, 0)
}

/// Errors of one kind: of the operating system, without a payload, and with one.
fn errors_of(kind: ErrorKind, number: Errno) -> [IoError; 3] {
    [
        IoError::Os(number as i32),
        IoError::Kind(kind),
        IoError::Marked(kind, proctor::random()),
    ]
}

#[track_caller]
fn operates(subject: &mut Subject<Operations, Operated>, question: Operations, how: &str) {
    let (is, bytes, flushes) = subject.ask(&question).value;
    let (should, all, _) = should_be_operated(&question);
    for (op, (is, should)) in question.0.iter().zip(is.iter().zip(&should)) {
        let op = match op {
            Some(message) => format!("queue(a message of {} bytes)", message.len()),
            None => "flush".to_owned(),
        };
        assert!(
            is == should,
            "{how}. After {op}, (what flush returned, how many bytes wait, how many the stream has taken, whether it was called) should be {should:?} and is {is:?}"
        );
    }
    assert!(
        bytes == all,
        "{how}. The stream got other bytes than the frames of the queued messages in their order"
    );
    assert!(
        flushes == 0,
        "{how}. The outbox has called the method `flush` of the stream: only `write` and `write_vectored` are allowed"
    );
}

/// Messages of these lengths, with a flush after each, and some flushes at the end.
fn queued(lengths: &[usize], flushes_each: bool) -> Vec<Op> {
    let each = |length: &usize| {
        let flush = flushes_each.then_some(None);
        [Some(message_of(*length))].into_iter().chain(flush)
    };
    lengths.iter().flat_map(each).chain(vec![None; 7]).collect()
}

#[proctor::test(clauses = [5, 7], subject = |question: Operations| -> Operated { operated(question) })]
fn every_byte_goes_out_once_and_in_order(mut subject: Subject) {
    for (most, each) in [
        (1, true),
        (2, false),
        (3, true),
        (7, true),
        (4096, true),
        (usize::MAX, false),
    ] {
        let lengths = [0, 1, 5, 300, 0, if most < 4096 { 700 } else { 70_000 }, 3];
        let how = format!("The stream takes at most {most} bytes a call");
        operates(
            &mut subject,
            (queued(&lengths, each), Sink::new(most, [])),
            &how,
        );
        let how = format!("{how}, and none at all at some bytes (WouldBlock)");
        let ops = [queued(&lengths, each), queued(&[9, 0], each)].concat();
        let blocks = errors_of(ErrorKind::WouldBlock, Errno::EAGAIN);
        let events = [0, 2, 4, 6, 6, 15, 350]
            .into_iter()
            .zip(blocks.iter().cycle());
        let events = events.map(|(at, error)| (at, What::Fails(error.clone(), 1)));
        operates(&mut subject, (ops, Sink::new(most, events)), &how);
    }
    let nothing = (vec![None, None], Sink::new(9, []));
    operates(&mut subject, nothing, "Nothing is queued");
}

#[proctor::test(clauses = [5, 7], subject = |question: Operations| -> Operated { operated(question) })]
fn errors_lose_nothing_and_interruptions_are_none(mut subject: Subject) {
    let interrupted = errors_of(ErrorKind::Interrupted, Errno::EINTR);
    // More than fit into 18 bits.
    let times = proctor::rng().u32(270_000..280_000);
    let often = What::Fails(IoError::Kind(ErrorKind::Interrupted), times);
    let blocks = What::Fails(IoError::Kind(ErrorKind::WouldBlock), 1);
    for most in [1, 3, usize::MAX] {
        let events = [0, 1, 4, 5, 9, 9, 40]
            .into_iter()
            .zip(interrupted.iter().cycle());
        let events = events.map(|(at, error)| (at, What::Fails(error.clone(), 2)));
        operates(
            &mut subject,
            (queued(&[3, 0, 90, 7], true), Sink::new(most, events)),
            "Signals interrupt the writes",
        );
        let sink = Sink::new(most, [(2, often.clone()), (2, blocks.clone())]);
        operates(
            &mut subject,
            (queued(&[3, 9], false), sink),
            "A signal interrupts a write again and again",
        );
        for what in [
            What::Fails(IoError::Os(Errno::EPIPE as i32), 1),
            What::Fails(IoError::Os(Errno::ECONNRESET as i32), 1),
            What::Fails(IoError::Kind(ErrorKind::TimedOut), 1),
            What::Fails(IoError::Marked(ErrorKind::Other, proctor::random()), 1),
            What::TakesNothing,
            What::Panics(proctor::random()),
        ] {
            let how = format!("A write ends like this: {what:?}");
            let sink = Sink::new(most, [0, 3, 4, 6, 6, 11].map(|at| (at, what.clone())));
            let ops = [queued(&[3, 0, 9], true), queued(&[20], true)].concat();
            operates(&mut subject, (ops, sink), &how);
        }
    }
}

/// Takes a number of bytes and then no more, and keeps none of them.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.min(bytes.len());
        self.0 -= count;
        match count {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[proctor::test(clauses = [5, 6, 7], subject = |scene: u8| {
    let mut outbox = Outbox::new();
    if scene == 0 {
        (0..64).for_each(|_| outbox.queue(&PIECE));
        let _ = outbox.flush(&mut Room(1_000_000));
        let _ = outbox.flush(&mut Room(usize::MAX));
    } else if scene == 1 {
        (0..100_000).for_each(|_| outbox.queue(b""));
        let _ = outbox.flush(&mut Room(100));
        let _ = outbox.flush(&mut Room(usize::MAX));
    } else {
        outbox.queue(&PIECE[..1000]);
        for _ in 0..20_000 {
            outbox.queue(&PIECE[..996]);
            let _ = outbox.flush(&mut Room(1000));
        }
    }
    let _kept = ManuallyDrop::new(outbox);
})]
fn memory_is_for_bytes_that_wait(mut subject: Subject) {
    for (scene, most, ends_empty, what) in [
        (
            0,
            (64, 64 * 65_540),
            true,
            "messages of 4 MiB were queued, and the stream has taken all",
        ),
        (
            1,
            (100_000, 400_000),
            true,
            "100,000 empty messages were queued, and the stream has taken all",
        ),
        (
            2,
            (3, 2004),
            false,
            "20,000 messages of 996 bytes go through an outbox that is never empty",
        ),
    ] {
        holds_little(subject.ask(&scene).evidence.heap, most, ends_empty, what);
    }
}

/// In each scene, 20 MB wait all the time.
#[proctor::test(clauses = [5, 6, 7], subject = |(scene, count): (u8, usize)| -> usize {
    let mut outbox = Outbox::new();
    outbox.queue(&PIECE.repeat(300));
    if scene == 0 {
        let blocks = What::Fails(IoError::Kind(ErrorKind::WouldBlock), 1);
        let mut sink = Sink::new(1, [(count, blocks)]);
        let _ = outbox.flush(&mut sink);
        return sink.taken.len();
    }
    let mut turn = || {
        if scene == 2 {
            outbox.queue(b"");
        }
        outbox.flush(&mut Room(4)).is_ok_and(|done| !done)
    };
    (0..count).filter(|_| turn()).count()
})]
fn a_slow_stream_costs_no_time(mut subject: Subject) {
    for (scene, what) in [
        (0, "20 MB wait, and a stream takes 200,000 bytes one by one"),
        (
            1,
            "20 MB wait, and each of 200,000 flushes finds room for four bytes",
        ),
        (
            2,
            "20 MB wait, and in 200,000 turns a message is queued and four bytes go out",
        ),
    ] {
        has_time_for(&mut subject, (scene, 200_000), what);
    }
}

#[proctor::test(
    clauses = [5],
    memory = 5120,
    beyond = |beyond: usize| -> Option<(bool, usize)> {
        let zeros = Zeros::new((1 << 32) + beyond).ok()?;
        let mut outbox = Outbox::new();
        outbox.queue(b"before");
        let panics = catch_unwind(AssertUnwindSafe(|| outbox.queue(&zeros))).is_err();
        Some((panics, outbox.waiting()))
    },
    within = |length: usize| -> Vec<u8> {
        let mut outbox = Outbox::new();
        outbox.queue(&vec![0; length]);
        let blocks = What::Fails(IoError::Kind(ErrorKind::WouldBlock), 1);
        let mut sink = Sink::new(usize::MAX, [(4, blocks)]);
        let _ = outbox.flush(&mut sink);
        sink.taken
    },
)]
fn four_gibibytes_are_too_long(mut beyond: Subject, mut within: Subject) {
    for more in [0, 3] {
        let Some((panics, waiting)) = beyond.ask(&more).value else {
            continue;
        };
        assert!(
            panics,
            "the length of a message does not fit into four bytes: `queue` should panic, and it did not"
        );
        assert!(
            waiting == 10,
            "10 bytes waited, and `queue` has panicked: now {waiting} bytes wait"
        );
    }
    let length = proctor::rng().u32(0x0101_0101..0x0130_0000);
    let first = within.ask(&(length as usize)).value;
    assert!(
        first == length.to_be_bytes(),
        "a message has {length} bytes: its frame should begin with {:?}, and it begins with {first:?}",
        length.to_be_bytes()
    );
}

// --------------------------------------------------- Part 3: a server and clients

/// A value, or in words what the server did wrong.
type Said<T> = Result<T, String>;

/// What `serve` returned, its clients and requests or the number of its error, and how
/// often it has called the handler.
type Ended = (Result<(u64, u64), Option<i32>>, u64);

/// How a thread looks from outside.
#[derive(PartialEq, Eq)]
enum Look {
    Busy,
    /// It sleeps in the kernel, and has not moved for 20 looks.
    Asleep,
    /// It uses the CPU all the time, or wakes up again and again.
    Spins,
    Ended,
}

/// What was seen of a thread since something last happened.
#[derive(Default)]
struct Seen {
    /// How often it has left the CPU, of itself and forced.
    switches: Option<(u64, u64)>,
    still: u32,
    woken: u32,
    cpu: Option<u64>,
}

/// A server that runs in a thread of its own.
struct Server {
    path: PathBuf,
    thread: i32,
    /// Files of /proc that stay open: some tests use up all descriptors.
    status: File,
    schedstat: File,
    /// The other end of `stop`. If nothing else happens, dropping it makes `stop` ready.
    stopper: RefCell<Option<Stopper>>,
    /// The handler has begun with the request `hold`, and is to end it.
    begins: mpsc::Receiver<()>,
    ends: mpsc::Sender<()>,
}

/// How `stop` becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    /// A byte in a pipe.
    Byte,
    /// The other end of a pipe is closed.
    End,
    /// The peer of a socket shuts down its write half. So no byte is there to read, and
    /// no end is closed.
    HalfClosed,
    /// A datagram without a byte.
    Datagram,
}

const ALL_WAYS: [Way; 4] = [Way::Byte, Way::End, Way::HalfClosed, Way::Datagram];

/// The end of a pipe or socket whose other end is `stop`.
struct Stopper {
    way: Way,
    end: Option<OwnedFd>,
}

impl Stopper {
    fn new(way: Way) -> (OwnedFd, Stopper) {
        let (stop, end) = match way {
            Way::Byte | Way::End => {
                let (stop, end) = io::pipe().expect("a pipe");
                (OwnedFd::from(stop), OwnedFd::from(end))
            }
            Way::HalfClosed => {
                let (stop, end) = UnixStream::pair().expect("sockets");
                (stop.into(), end.into())
            }
            Way::Datagram => {
                let (stop, end) = UnixDatagram::pair().expect("sockets");
                (stop.into(), end.into())
            }
        };
        (
            stop,
            Stopper {
                way,
                end: end.into(),
            },
        )
    }

    /// Makes `stop` ready.
    fn stops(&mut self) {
        let Some(end) = &self.end else { return };
        match self.way {
            Way::Byte => _ = write(end, b"!"),
            Way::End => self.end = None,
            Way::HalfClosed => _ = shutdown(end.as_raw_fd(), nix::sys::socket::Shutdown::Write),
            Way::Datagram => _ = send(end.as_raw_fd(), b"", MsgFlags::empty()),
        }
    }
}

/// The flags of an open file description.
fn flags(descriptor: BorrowedFd) -> Option<i32> {
    fcntl(descriptor, FcntlArg::F_GETFL).ok()
}

fn text(file: &File) -> String {
    let mut bytes = [0; 4096];
    let count = file.read_at(&mut bytes, 0).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

impl Server {
    fn look(&self, seen: &mut Seen) -> Look {
        let (status, schedstat) = (text(&self.status), text(&self.schedstat));
        let field = |name: &str| {
            Some(
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(name))?
                    .trim(),
            )
        };
        let count = |name| field(name)?.parse::<u64>().ok();
        let state = field("State:").unwrap_or("X");
        let own = count("voluntary_ctxt_switches:");
        let (Some(own), Some(forced), false) = (
            own,
            count("nonvoluntary_ctxt_switches:"),
            state.starts_with(['X', 'Z']),
        ) else {
            return Look::Ended;
        };
        let nanoseconds = schedstat.split_whitespace().next().unwrap_or_default();
        let cpu: u64 = nanoseconds.parse().unwrap_or(0);
        let used = cpu.saturating_sub(*seen.cpu.get_or_insert(cpu));
        // On one CPU, each look takes it from the server: such switches do not count.
        seen.woken += u32::from(seen.switches.is_some_and(|last| last.0 != own));
        let moved = seen.switches.replace((own, forced)) != Some((own, forced));
        seen.still = match moved || !state.starts_with('S') {
            true => 0,
            false => seen.still + 1,
        };
        match () {
            () if seen.still >= 20 => Look::Asleep,
            () if used > 1_500_000_000 || seen.woken > 300 => Look::Spins,
            () => Look::Busy,
        }
    }

    /// Waits until `step` says that it is done. If the server sleeps and `step`
    /// cannot go on, it never will.
    fn until(&self, what: &str, mut step: impl FnMut() -> Said<Step>) -> Said<()> {
        let mut seen = Seen::default();
        let mut last = None;
        loop {
            match (step()?, last.take()) {
                (Step::Done, _) => return Ok(()),
                (Step::Moved, _) => seen = Seen::default(),
                (Step::Stuck, Some(does)) => return Err(format!("{what}, but serve {does}")),
                (Step::Stuck, None) => {
                    thread::sleep(Duration::from_micros(30));
                    // What it did before this look is visible in the next step.
                    last = match self.look(&mut seen) {
                        Look::Busy => None,
                        Look::Asleep => Some("sleeps in the kernel, and this does not wake it"),
                        Look::Spins => Some("uses the CPU all the time and does not do it"),
                        Look::Ended => Some("has ended"),
                    };
                }
            }
        }
    }

    /// Waits until the server has done all that it can do now.
    fn calm(&self) {
        let mut seen = Seen::default();
        while self.look(&mut seen) == Look::Busy {
            thread::sleep(Duration::from_micros(30));
        }
    }

    /// The same, and demands that it really sleeps.
    fn rests(&self, when: &str) -> Said<()> {
        self.calm();
        let mut seen = Seen::default();
        loop {
            match self.look(&mut seen) {
                Look::Busy => thread::sleep(Duration::from_millis(1)),
                Look::Asleep => return Ok(()),
                Look::Spins => {
                    return Err(format!(
                        "{when}. So there is nothing to do, but the thread of serve wakes up again and again"
                    ));
                }
                Look::Ended => return Err(format!("{when}, and serve has ended")),
            }
        }
    }

    /// Sends a signal to the thread, and waits until it sleeps again.
    fn is_interrupted(&self) -> Said<()> {
        let sleeps = || {
            let status = text(&self.status);
            let own = status.lines().find(|line| line.starts_with("voluntary"));
            own.map(str::to_owned)
        };
        let before = sleeps();
        // SAFETY: numbers in, a number out.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.thread, libc::SIGUSR1) };
        self.until("a signal has interrupted the wait", || {
            Ok(match sleeps() != before {
                true => Step::Done,
                false => Step::Stuck,
            })
        })
    }

    fn connect(&self) -> Said<Client<'_>> {
        let stream = UnixStream::connect(&self.path);
        let stream = stream.map_err(|error| format!("a client cannot connect: {error}"))?;
        Ok(self.client(stream))
    }

    fn client(&self, stream: UnixStream) -> Client<'_> {
        stream.set_nonblocking(true).expect("a socket");
        let (got, server) = (Vec::new(), self);
        Client {
            server,
            stream,
            got,
            closed: false,
        }
    }

    /// A client that has got an answer, so it is connected.
    fn known(&self) -> Said<Client<'_>> {
        let mut client = self.connect()?;
        client.asks(b"known")?;
        Ok(client)
    }

    /// Runs `work` while the handler works on a request of this client. What `work`
    /// prepares, the server finds all at once.
    fn during<R>(&self, client: &mut Client, work: impl FnOnce() -> Said<R>) -> Said<R> {
        client.sends(&frame(b"hold"))?;
        self.until("a client has sent a request", || {
            match self.begins.try_recv() {
                Ok(()) => Ok(Step::Done),
                Err(_) => Ok(Step::Stuck),
            }
        })?;
        let result = work();
        let _ = self.ends.send(());
        result
    }
}

enum Step {
    Done,
    Moved,
    Stuck,
}

/// A client of the test, which never waits in a call.
struct Client<'a> {
    server: &'a Server,
    stream: UnixStream,
    /// What has come and was not returned as an answer.
    got: Vec<u8>,
    closed: bool,
}

impl Client<'_> {
    /// Reads what is there. Returns whether something was there.
    fn reads(&mut self) -> bool {
        let mut buffer = [0; 1 << 16];
        let result = self.stream.read(&mut buffer);
        let count = result.as_ref().map_or(0, |count| *count);
        self.got.extend(&buffer[..count]);
        self.closed |=
            count == 0 && !result.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        count > 0
    }

    fn writes(&mut self, bytes: &mut &[u8]) -> Said<bool> {
        match self.stream.write(bytes) {
            Ok(count) => {
                *bytes = &bytes[count..];
                Ok(count > 0)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(format!(
                "a client sends requests, and its connection is closed ({error})"
            )),
        }
    }

    /// Sends everything, and reads meanwhile if it has to.
    fn sends(&mut self, mut bytes: &[u8]) -> Said<()> {
        let server = self.server;
        server.until(
            "a client sends requests and reads answers, and serve should take both turns",
            || {
                let moved = self.writes(&mut bytes)?;
                Ok(match bytes.is_empty() {
                    true => Step::Done,
                    false if moved || self.reads() => Step::Moved,
                    false => Step::Stuck,
                })
            },
        )
    }

    /// Sends as much as the server takes while this client reads nothing.
    fn stuffs(&mut self, bytes: &[u8]) -> Said<usize> {
        let mut rest = bytes;
        loop {
            while !rest.is_empty() && self.writes(&mut rest)? {}
            self.server.calm();
            if rest.is_empty() || !self.writes(&mut rest)? {
                return Ok(bytes.len() - rest.len());
            }
        }
    }

    fn answers(&mut self, count: usize) -> Said<Vec<Vec<u8>>> {
        let server = self.server;
        let mut have = Vec::new();
        server.until("a client should get an answer", || {
            let moved = self.reads();
            let (more, rest) = unframed(&self.got);
            have.extend(more);
            self.got = rest.to_vec();
            match (have.len() >= count, moved) {
                (true, _) => Ok(Step::Done),
                (_, true) => Ok(Step::Moved),
                _ if self.closed => Err(format!(
                    "a client should get {count} answers, and its connection was closed after {}",
                    have.len()
                )),
                _ => Ok(Step::Stuck),
            }
        })?;
        Ok(have)
    }

    /// One request and its answer.
    fn asks(&mut self, request: &[u8]) -> Said<Vec<u8>> {
        self.sends(&frame(request))?;
        let mut answers = self.answers(1)?;
        match answers.len() {
            1 => Ok(answers.remove(0)),
            more => Err(format!("one request has got {more} answers")),
        }
    }

    /// Sends no more, like a program that has written its last request.
    fn finishes(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes the socket. Its descriptor is a copy of standard error from now on.
    fn closes_and_keeps_its_number(&self) {
        // SAFETY: the stream owns this descriptor, and closes it when it is dropped.
        unsafe { libc::dup2(2, self.stream.as_raw_fd()) };
    }

    /// The answers until the server closes the connection.
    fn until_closed(&mut self, when: &str) -> Said<Vec<Vec<u8>>> {
        let server = self.server;
        let what = format!("{when}: its connection should be closed");
        server.until(&what, || match (self.reads(), self.closed) {
            (_, true) => Ok(Step::Done),
            (moved, _) => Ok(if moved { Step::Moved } else { Step::Stuck }),
        })?;
        let (answers, rest) = unframed(&self.got);
        match rest.len() {
            0 => Ok(answers),
            rest => Err(format!(
                "{when}: its connection was closed within an answer, after {rest} bytes of it"
            )),
        }
    }
}

fn limits(message: u32, outbox: usize, clients: usize) -> Limits {
    Limits {
        message,
        outbox,
        clients,
    }
}

/// Limits that do not matter.
const WIDE: Limits = Limits {
    message: 1 << 20,
    outbox: 1 << 20,
    clients: usize::MAX,
};

fn listen(name: &str) -> (UnixListener, PathBuf) {
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    (UnixListener::bind(&path).expect("a listener"), path)
}

/// Plays `script` against a server, then stops the server and waits for its end.
fn plays<R>(
    limits: Limits,
    handler: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static,
    script: impl FnOnce(&Server) -> Said<R>,
) -> Said<(Ended, R)> {
    plays_until(Way::Byte, limits, handler, script)
}

/// The same, with another way to stop the server.
fn plays_until<R>(
    way: Way,
    limits: Limits,
    mut handler: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static,
    script: impl FnOnce(&Server) -> Said<R>,
) -> Said<(Ended, R)> {
    on_signal(Signal::SIGPIPE, SigHandler::SigDfl, SaFlags::empty());
    let (listener, path) = listen("socket");
    let (stop, stopper) = Stopper::new(way);
    // If so many descriptors are allowed, it gets a number beyond those of select(2).
    let stop = fcntl(&stop, FcntlArg::F_DUPFD_CLOEXEC(1100)).map_or(stop, |number| {
        // SAFETY: the call has just made it.
        unsafe { OwnedFd::from_raw_fd(number) }
    });
    // A stop request after the end must not be a write to a pipe without a reader.
    let twin = stop.try_clone().expect("a descriptor");
    let flags_before = flags(twin.as_fd());
    let ((begin, begins), (ends, end)) = (mpsc::channel(), mpsc::channel());
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = sender.send(gettid().as_raw());
        let mut calls = 0;
        let counted = |request: &[u8]| {
            calls += 1;
            if request == b"hold" {
                let _ = begin.send(());
                let _ = end.recv();
            }
            handler(request)
        };
        let served = rpc_server::serve(listener, stop.as_fd(), limits, counted);
        let served = served.map(|served| (served.clients, served.requests));
        (served.map_err(|error| error.raw_os_error()), calls)
    });
    let number = receiver.recv().expect("a thread");
    let open = |name| File::open(format!("/proc/self/task/{number}/{name}"));
    let (Ok(status), Ok(schedstat)) = (open("status"), open("schedstat")) else {
        let ended = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        return Err(format!("serve has returned at once: {:?}", ended.0));
    };
    let stopper = RefCell::new(Some(stopper));
    let server = Server {
        path,
        thread: number,
        status,
        schedstat,
        stopper,
        begins,
        ends,
    };
    let said = script(&server);
    if let Some(stopper) = &mut *server.stopper.borrow_mut() {
        stopper.stops();
    }
    let ended = server.until("`stop` is ready and serve should return", || {
        Ok(if thread.is_finished() {
            Step::Done
        } else {
            Step::Stuck
        })
    });
    if !thread.is_finished() {
        return Err(said.err().or(ended.err()).unwrap_or_default());
    }
    let ended = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    let _ = std::fs::remove_file(&server.path);
    if flags(twin.as_fd()) != flags_before {
        return Err("serve has changed the flags of `stop`".to_owned());
    }
    match (said, ended.0) {
        (Ok(said), _) => Ok((ended, said)),
        (Err(why), Ok(_)) => Err(why),
        (Err(_), Err(number)) => Err(format!(
            "serve has returned an error ({}), and it should go on",
            Errno::from_raw(number.unwrap_or(0))
        )),
    }
}

/// Judges what a script has said, and what `serve` returned and left. Returns what was
/// found, with the number of handled requests.
#[track_caller]
fn went_well<R>(answer: Answer<Said<(Ended, R)>>, clients: u64) -> (u64, R) {
    let found = answer.value.as_ref();
    found.unwrap_or_else(|why| panic!("{why}"));
    answer.nothing_is_left("serve has returned");
    let ((served, calls), said) = answer.value.expect("looked at above");
    assert!(
        served == Ok((clients, calls)),
        "{clients} clients were accepted, the handler was called {calls} times, and then `stop` was ready: serve should return these numbers, and returned {served:?}"
    );
    (calls, said)
}

fn echo(request: &[u8]) -> Vec<u8> {
    match request {
        b"large" => vec![7; 1 << 16],
        _ => request.to_vec(),
    }
}

/// The number of open descriptors.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

// --------------------------------------------------------------- Part 3: answers

/// What the handler of the next test answers.
fn answer_to(key: u8, request: &[u8]) -> Vec<u8> {
    match request.first() {
        Some(0..80) => Vec::new(),
        _ => request
            .iter()
            .rev()
            .map(|byte| byte ^ key)
            .chain([key])
            .collect(),
    }
}

type Messages = Vec<Vec<u8>>;

/// A client sends so many empty requests at once, and takes each answer before the
/// next request is handled. So nothing ever waits for it, and nothing new arrives.
/// Returns the bytes of the answers.
fn takes_each_at_once(count: usize) -> Said<(Ended, usize)> {
    let twin: Arc<OnceLock<UnixStream>> = Arc::default();
    let taken = Arc::new(AtomicUsize::new(0));
    let (end, counts) = (Arc::clone(&twin), Arc::clone(&taken));
    let handler = move |request: &[u8]| {
        if let Some(mut end) = end.get() {
            counts.fetch_add(end.read(&mut [0; 64]).unwrap_or(0), SeqCst);
        }
        request.to_vec()
    };
    plays(WIDE, handler, |server| {
        let (mut client, mut other) = (server.known()?, server.known()?);
        let _ = twin.set(client.stream.try_clone().expect("a descriptor"));
        let bytes = vec![0; 4 * count];
        let mut rest = &bytes[..];
        server.during(&mut other, || {
            while !rest.is_empty() && client.writes(&mut rest)? {}
            Ok(())
        })?;
        client.sends(rest)?;
        server.until(
            "many requests have come at once and should be answered",
            || {
                let moved = client.reads();
                let all = taken.load(SeqCst) + client.got.len();
                Ok(match all >= 4 * count {
                    true => Step::Done,
                    false if moved => Step::Moved,
                    false => Step::Stuck,
                })
            },
        )?;
        Ok(taken.load(SeqCst) + client.got.len())
    })
}

#[proctor::test(
    clauses = [1, 8, 17],
    some = |(key, how, all): (u8, u8, Vec<Messages>)| -> Said<(Ended, Vec<Messages>)> {
        plays(WIDE, move |request| answer_to(key, request), |server| {
            let clients: Said<Vec<Client>> = all.iter().map(|_| server.connect()).collect();
            let (mut clients, mut answers) = (clients?, vec![Vec::new(); all.len()]);
            for turn in 0..all[0].len() {
                for (number, client) in clients.iter_mut().enumerate() {
                    let request = &all[number][turn];
                    match how {
                        // In turns, one request each.
                        0 => answers[number].push(client.asks(request)?),
                        // Without waiting for the answers.
                        1 => client.sends(&frame(request))?,
                        // All at once.
                        2 if turn == 0 => client.sends(&frames(&all[number]))?,
                        2 => {}
                        // Byte by byte, and the server sees each alone.
                        _ => for byte in frame(request) {
                            client.sends(&[byte])?;
                            server.calm();
                        },
                    }
                }
            }
            for (client, answers) in clients.iter_mut().zip(&mut answers) {
                client.finishes();
                answers.extend(client.until_closed("a client has sent its last request")?);
            }
            Ok(answers)
        })
    },
    many = |count: usize| -> Said<(Ended, usize)> { takes_each_at_once(count) },
)]
fn each_request_gets_its_answer_in_order(mut some: Subject, mut many: Subject) {
    for (how, lengths) in [
        (0, &[0, 1, 4, 300, 0, 9][..]),
        (1, &[0, 1, 4, 300, 0, 0, 0, 9, 5000, 30, 2]),
        (2, &[0, 1, 4, 300, 0, 65_532, 1, 100_000, 9]),
        (3, &[3, 0, 1, 20, 2]),
    ] {
        let messages = |_| lengths.iter().map(|length| message_of(*length)).collect();
        let (key, requests): (u8, Vec<Messages>) =
            (proctor::random(), (0..2).map(messages).collect());
        let question = (key, how, requests);
        let (handled, got) = went_well(some.ask(&question), 2);
        for (requests, got) in question.2.iter().zip(&got) {
            let should: Messages = requests.iter().map(|one| answer_to(key, one)).collect();
            assert!(
                handled == 2 * requests.len() as u64 && got.len() == requests.len(),
                "two clients have sent {} requests each, {handled} requests were handled, and one client got {} answers",
                requests.len(),
                got.len()
            );
            assert!(
                *got == should,
                "a client sends several requests: it should get what the handler returned for each, in the order of the requests, and that is not what came"
            );
        }
    }
    // They fit into one read of 64 KiB.
    let (_, bytes) = went_well(many.ask(&16_384), 2);
    assert!(
        bytes == 1 << 16,
        "a client sends 16,384 empty requests: the frames of the answers should have 65,536 bytes, and {bytes} came"
    );
}

/// While the handler works, some clients ask, some leave, and new ones come. As many
/// others as there are descriptors for, up to `most`, are connected all the time.
/// Returns their number, and whether all answers were right.
#[proctor::test(clauses = [8, 9, 12, 13, 17], deadline = 30.0, descriptors = 4096, subject = |(count, most): (usize, usize)| -> Said<(Ended, (usize, bool))> {
    plays(limits(100, 1 << 32, 1 << 32), echo, |server| {
        let mut first = server.known()?;
        let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        let others = most.min((descriptors as usize / 2).saturating_sub(count + 50));
        let (mut connected, mut right) = (Vec::new(), true);
        // There is room for some clients in the backlog.
        for from in (0..others).step_by(100) {
            server.during(&mut first, || {
                for number in from..others.min(from + 100) {
                    let mut client = server.connect()?;
                    client.sends(&frame(&number.to_be_bytes()))?;
                    connected.push(client);
                }
                Ok(())
            })?;
            right &= first.answers(1)? == [b"hold"];
            for (number, client) in connected.iter_mut().enumerate().skip(from) {
                right &= client.answers(1)? == [number.to_be_bytes()];
            }
        }
        let clients: Said<Vec<Client>> = (0..count).map(|_| server.known()).collect();
        let (mut stay, mut new) = (Vec::new(), Vec::new());
        server.during(&mut first, || {
            for (number, mut client) in clients?.into_iter().enumerate() {
                let request = number.to_be_bytes();
                if number % 3 == 0 {
                    client.sends(&frame(&request))?;
                    stay.push((request, client));
                } else {
                    client.sends(&frame(&request)[..number % 3 * 3])?;
                    drop(client);
                    let mut client = server.connect()?;
                    client.sends(&frame(&request))?;
                    new.push((request, client));
                }
            }
            Ok(())
        })?;
        right &= first.answers(1)? == [b"hold"];
        for (request, client) in stay.iter_mut().chain(&mut new) {
            right &= client.answers(1)? == [*request];
        }
        server.during(&mut first, || {
            let mut all = connected.iter_mut().enumerate();
            all.try_for_each(|(number, client)| client.sends(&frame(&(number + 7).to_be_bytes())))
        })?;
        for (number, client) in connected.iter_mut().enumerate() {
            right &= client.answers(1)? == [(number + 7).to_be_bytes()];
        }
        Ok((others, right))
    })
})]
fn many_clients_come_and_go(mut subject: Subject) {
    let answer = subject.ask(&(200, 700));
    let others = answer.value.as_ref().map_or(0, |(_, (others, _))| *others);
    let (_, (_, right)) = went_well(answer, 1 + 200 + 133 + others as u64);
    assert!(
        right,
        "many clients have sent their requests, and one has got a wrong answer"
    );
}

#[proctor::test(clauses = [1, 5, 8, 9, 10, 17], subject = |count: usize| -> Said<(Ended, usize)> {
    plays(limits(100, 100_000, 9), echo, |server| {
        let (mut slow, mut half) = (server.known()?, server.known()?);
        let (mut quick, _silent) = (server.known()?, server.connect()?);
        slow.stuffs(&frame(b"large").repeat(count))?;
        half.sends(&frame(b"half")[..6])?;
        for _ in 0..5 {
            quick.asks(b"quick")?;
        }
        half.sends(&frame(b"half")[6..])?;
        half.answers(1)?;
        server.known()?;
        Ok(slow.answers(count)?.len())
    })
})]
fn a_slow_client_holds_up_nobody(mut subject: Subject) {
    let (_, got) = went_well(subject.ask(&60), 5);
    assert!(
        got == 60,
        "a slow client has got {got} answers to 60 requests"
    );
}

/// What a busy client has been before it is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Past {
    Connected,
    /// It is in the backlog.
    New,
    /// Too much has waited for it, and now it takes everything.
    Behind,
}

/// The clients that are connected and those that are in the backlog, besides a busy one.
const OLD: usize = 2;
const NEW: usize = 3;

/// A client that sends the next request of 1000 bytes whenever the handler is called
/// with one, and reads every answer. Returns how many were handled before the request
/// of each other client, or after a stop request.
fn floods((past, flood, stops): (Past, u64, bool)) -> Said<(Ended, Vec<u64>)> {
    // The last one counts the requests of the busy client.
    let counts: Arc<[AtomicU64; OLD + NEW + 1]> = Arc::default();
    let mine = Arc::clone(&counts);
    let twin: Arc<OnceLock<UnixStream>> = Arc::default();
    let floods = Arc::clone(&twin);
    let large = room(1 << 16) + (1 << 16);
    let handler = move |request: &[u8]| {
        let busy = &mine[OLD + NEW];
        match request {
            b"large" => return vec![7; large],
            [number] => mine[usize::from(*number)].store(busy.load(SeqCst), SeqCst),
            _ if request.len() == 1000 => {
                let mut end = floods.get().expect("the client's end");
                while end.read(&mut [0; 1 << 16]).is_ok_and(|count| count > 0) {}
                if busy.fetch_add(1, SeqCst) < flood {
                    let _ = end.write_all(&frame(request));
                }
            }
            _ => {}
        }
        Vec::new()
    };
    plays(limits(1000, 0, usize::MAX), handler, |server| {
        // One that came before the busy client, and one that came after it.
        let mut others = vec![server.known()?];
        let mut busy = (past != Past::New).then(|| server.known()).transpose()?;
        others.push(server.known()?);
        if past == Past::Behind
            && let Some(busy) = &mut busy
        {
            busy.sends(&frame(b"large"))?;
            server.calm();
        }
        let mut holds = server.known()?;
        server.during(&mut holds, || {
            let mut busy = match busy.take() {
                Some(busy) => busy,
                None => server.connect()?,
            };
            let _ = twin.set(busy.stream.try_clone().expect("a descriptor"));
            while busy.reads() {}
            busy.sends(&frame(&[7; 1000]))?;
            for _ in 0..NEW {
                others.push(server.connect()?);
            }
            for (number, other) in others.iter_mut().enumerate() {
                other.sends(&frame(&[number as u8]))?;
            }
            server.stopper.borrow_mut().take_if(|_| stops);
            Ok(())
        })?;
        if !stops {
            others
                .iter_mut()
                .try_for_each(|other| other.answers(1).map(drop))?;
        }
        server.calm();
        let mut counts: Vec<u64> = counts.iter().map(|count| count.load(SeqCst)).collect();
        let busy = counts.pop();
        Ok(if stops {
            busy.into_iter().collect()
        } else {
            counts
        })
    })
}

/// What C9 allows of these requests.
const REQUESTS: u64 = ((1 << 20) + 1000) / 1004;

#[proctor::test(clauses = [8, 9, 12, 17], subject = |question: (Past, u64, bool)| -> Said<(Ended, Vec<u64>)> { floods(question) })]
fn a_client_that_always_sends_takes_turns(mut subject: Subject) {
    for (past, what) in [
        (Past::Connected, "A client"),
        (Past::New, "A new client"),
        (
            Past::Behind,
            "A client has taken everything that waited for it, and then it",
        ),
    ] {
        let clients = 2 + OLD + NEW;
        let (_, before) = went_well(subject.ask(&(past, 2500, false)), clients as u64);
        let mut earlier = 0;
        for (number, before) in before.into_iter().enumerate() {
            let who = match number < OLD {
                true => "another client",
                false => "the next client in the backlog",
            };
            let more = before.saturating_sub(earlier);
            assert!(
                more <= REQUESTS,
                "{what} always has a next request of 1004 bytes, and {more} of them were handled before the request of {who}: at most {REQUESTS} (1 MiB and `limits.message`) may be"
            );
            if number >= OLD {
                earlier = earlier.max(before);
            }
        }
    }
}

// ---------------------------------------------------------- Part 3: backpressure

/// How much a Unix socket takes when nobody reads, in writes of `piece` bytes.
fn room(piece: usize) -> usize {
    let (mut to, _from) = UnixStream::pair().expect("sockets");
    to.set_nonblocking(true).expect("a socket");
    let bytes = vec![0; piece];
    std::iter::from_fn(|| to.write(&bytes).ok()).sum()
}

/// So many bytes may wait for a client. It sends so many requests of `length` bytes,
/// as far as the server takes them, and reads none of the answers of `size` bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stuff {
    outbox: usize,
    count: usize,
    length: usize,
    size: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stuffed {
    /// The bytes that went out, and the requests of which they are at least a part.
    sent: usize,
    whole: usize,
    handled: u64,
    /// What the sockets hold themselves.
    rooms: (usize, usize),
    /// The right answers when the client reads at last.
    answers: usize,
}

/// The heap memory that C10 allows for one client, if at most so many messages and bytes
/// are in its decoder and in its outbox at a time.
fn allowed(decoder: (usize, usize), outbox: (usize, usize)) -> usize {
    let of = |(messages, bytes): (usize, usize)| (64 << 10) + 128 * messages + 8 * bytes;
    (512 << 10) + of(decoder) + of(outbox)
}

fn stuffed(
    Stuff {
        outbox,
        count,
        length,
        size,
    }: Stuff,
) -> Said<(Ended, Stuffed)> {
    let handled = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&handled);
    let handler = move |request: &[u8]| {
        counts.fetch_add(1, SeqCst);
        vec![request[0]; size]
    };
    plays(limits(10_000, outbox, 9), handler, |server| {
        let mut client = server.connect()?;
        let one = frame(&vec![7; length]);
        let bytes = one.repeat(count);
        let sent = client.stuffs(&bytes)?;
        server.rests("A client reads nothing, and too much waits for it")?;
        let handled = handled.load(SeqCst);
        let rooms = (room(one.len()), room(size + 4));
        // The rest of the request that was cut.
        let whole = sent.div_ceil(one.len());
        client.sends(&bytes[sent..whole * one.len()])?;
        client.finishes();
        let mut answers = client.until_closed("a client reads again after a while")?;
        answers.retain(|answer| *answer == vec![7; size]);
        Ok(Stuffed {
            sent,
            whole,
            handled,
            rooms,
            answers: answers.len(),
        })
    })
}

/// Each of some clients sends one request and does not read the answer, which does not
/// fit into its socket. The handler's vectors have room for much more than `length`.
fn spares((count, length, spare): (usize, usize, usize)) -> Said<(Ended, ())> {
    let handler = move |request: &[u8]| {
        let mut answer = Vec::new();
        if request == b"large" {
            answer.reserve_exact(length + spare);
            answer.resize(length, 7);
        }
        answer
    };
    plays(limits(100, 0, 99), handler, |server| {
        let clients: Said<Vec<Client>> = (0..count).map(|_| server.known()).collect();
        for client in &mut clients? {
            client.sends(&frame(b"large"))?;
            server.calm();
        }
        Ok(())
    })
}

#[proctor::test(
    clauses = [1, 5, 8, 9, 10, 11, 12, 15, 17],
    stuffs = |question: Stuff| -> Said<(Ended, Stuffed)> { stuffed(question) },
    spare = |question: (usize, usize, usize)| -> Said<(Ended, ())> { spares(question) },
)]
fn a_client_that_does_not_read_has_to_wait(mut stuffs: Subject, mut spare: Subject) {
    for (outbox, count, length, size) in [
        (100_000, 1000, 4000, 50_000),
        (0, 3000, 996, 20_000),
        (0, 40, 1, 70_000),
    ] {
        let stuff = Stuff {
            outbox,
            count,
            length,
            size,
        };
        let answer = stuffs.ask(&stuff);
        let heap = answer.evidence.heap.peak as usize;
        let (_, found) = went_well(answer, 1);
        let most = (2 * found.rooms.1 + outbox) / (size + 4) + 2;
        assert!(
            (1..=most as u64).contains(&found.handled),
            "a client reads nothing ({stuff:?}): 1 to {most} of its requests should be handled, and {} were",
            found.handled
        );
        let ahead = (512 << 10) + 10_000;
        let waits = outbox + size + 4;
        let held = allowed(
            (ahead / (length + 4) + 1, ahead),
            (waits / (size + 4) + 1, waits),
        );
        let all = found.handled as usize * (length + 4) + 2 * found.rooms.0 + ahead;
        assert!(
            found.sent <= all,
            "a client reads nothing ({stuff:?}): serve should not read on, and it has read at least {} bytes of {} requests",
            found.sent - 2 * found.rooms.0,
            found.sent / (length + 4)
        );
        // The test holds the requests and, at the end, the answers.
        let own = count * (length + 4) + 4 * found.whole * (size + 4) + (1 << 16);
        assert!(
            heap <= held + own,
            "a client reads nothing ({stuff:?}): {heap} bytes of memory were held"
        );
        assert!(
            found.answers == found.whole,
            "a client reads after a while ({stuff:?}): it should get {} answers, and got {} right ones",
            found.whole,
            found.answers
        );
    }
    let (clients, length, large) = (8, room(1 << 16) + (1 << 16), 16 << 20);
    let answer = spare.ask(&(clients, length, large));
    let heap = answer.evidence.heap.peak as usize;
    went_well(answer, clients as u64);
    // The handler itself holds one vector, and the test needs some memory.
    let most = clients * allowed((1, 104), (1, length + 4)) + length + large + (1 << 20);
    assert!(
        heap <= most,
        "{clients} clients do not read their answers of {length} bytes, which come in vectors with room for {large} bytes more: {heap} bytes of memory were held, and at most {most} may be"
    );
}

#[proctor::test(clauses = [1, 5, 8, 9, 10, 11, 12, 17], subject = |question: Stuff| -> Said<(Ended, Stuffed)> { stuffed(question) })]
fn the_limit_of_the_outbox_says_who_has_to_wait(mut subject: Subject) {
    // In the last case one read brings many thousand requests.
    for (outbox, count, size) in [
        (1 << 32, 80, 1 << 16),
        (3 << 20, 80, 1 << 16),
        (1 << 20, 80, 1 << 16),
        (1 << 20, 70_000, 1),
    ] {
        let length = 1;
        let stuff = Stuff {
            outbox,
            count,
            length,
            size,
        };
        let (_, found) = went_well(subject.ask(&stuff), 1);
        let least = stuff.count.min(outbox / (stuff.size + 4) + 1);
        let most = stuff
            .count
            .min(outbox.saturating_add(2 * found.rooms.1) / (stuff.size + 4) + 2);
        assert!(
            (least as u64..=most as u64).contains(&found.handled),
            "a client reads nothing ({stuff:?}): {least} to {most} of its requests should be handled, and {} were",
            found.handled
        );
    }
}

// ------------------------------------------------------------- Part 3: the ends

/// A client sends requests for large answers, then some bytes, and then no more.
#[proctor::test(clauses = [1, 2, 5, 8, 9, 10, 11, 12, 15, 17], subject = |(outbox, count, tail, finishes): (usize, usize, Vec<u8>, bool)| -> Said<(Ended, (usize, bool))> {
    plays(limits(5, outbox, 9), echo, |server| {
        let mut other = server.known()?;
        let before = open_descriptors();
        let mut client = server.connect()?;
        client.stuffs(&[frame(b"large").repeat(count), tail].concat())?;
        if finishes {
            client.finishes();
        }
        if count > 20 {
            server.rests("A client has sent its last request and does not read its answers")?;
        }
        other.asks(b"other")?;
        let answers = client.until_closed("a client has sent its last request")?;
        server.calm();
        // The client's own end is still open.
        Ok((answers.len(), open_descriptors() == before + 1))
    })
})]
fn who_sends_no_more_gets_the_outstanding_answers(mut subject: Subject) {
    let long = [&6_u32.to_be_bytes()[..], b"123456", &frame(b"large")].concat();
    for (tail, finishes, what) in [
        (vec![], true, "closes its sending half"),
        (
            frame(b"half")[..2].to_vec(),
            true,
            "closes its sending half within a length",
        ),
        (
            frame(b"half")[..7].to_vec(),
            true,
            "closes its sending half within a request",
        ),
        (long.clone(), false, "sends a length over the limit"),
        (vec![0xff; 4], false, "sends the length 0xffffffff"),
        (
            long,
            true,
            "sends a length over the limit and closes its sending half",
        ),
    ] {
        let mut cases = vec![(100_000, 0), (100_000, 25)];
        if tail.is_empty() || !finishes {
            cases.extend([(usize::MAX, 25), (100_000, 2)]);
        }
        for (outbox, count) in cases {
            let answer = subject.ask(&(outbox, count, tail.clone(), finishes));
            let (handled, (got, closed)) = went_well(answer, 2);
            assert!(
                (handled, got) == (2 + count as u64, count),
                "a client sends {count} requests and {what}: {count} should be handled and answered, and {} were handled and {got} answered",
                handled - 2
            );
            assert!(
                closed,
                "a client {what}: its connection is shut down, and its descriptor is still open"
            );
        }
    }
}

/// How a client can leave. In the last two ways it does not close its socket.
const WAYS: [&str; 8] = [
    "closes its socket",
    "closes its socket in the middle of a request",
    "closes its socket while too much waits for it",
    "closes its socket with an unread answer",
    "closes its socket while the handler works on its request",
    "closes its sending half and then its socket, with many unread answers",
    "shuts down both halves",
    "shuts down its read half, and then sends a request",
];

#[proctor::test(clauses = [9, 12, 15, 17], subject = |way: usize| -> Said<(Ended, bool)> {
    plays(limits(100, 100_000, 9), echo, |server| {
        let mut other = server.known()?;
        let before = open_descriptors();
        let mut client = server.known()?;
        let mut shut = None;
        match way {
            1 => client.sends(&frame(b"large")[..7])?,
            2 | 5 => _ = client.stuffs(&frame(b"large").repeat(30))?,
            3 => _ = client.stuffs(&frame(b"unread"))?,
            _ => {}
        }
        match way {
            4 => {
                let twin = client.stream.try_clone().expect("a descriptor");
                server.during(&mut client, || {
                    let _ = twin.shutdown(Shutdown::Both);
                    Ok(())
                })?;
            }
            5 => client.finishes(),
            6 => _ = client.stream.shutdown(Shutdown::Both),
            7 => {
                let _ = client.stream.shutdown(Shutdown::Read);
                client.sends(&frame(b"asks"))?;
            }
            _ => {}
        }
        server.calm();
        if way >= 6 {
            shut = Some(client);
        } else {
            drop(client);
        }
        server.rests("A client has left")?;
        let closed = open_descriptors() == before + usize::from(shut.is_some());
        other.asks(b"other")?;
        server.known()?;
        Ok(closed)
    })
})]
fn who_is_gone_disturbs_nobody(mut subject: Subject) {
    for (way, what) in WAYS.iter().enumerate() {
        let (_, closed) = went_well(subject.ask(&way), 3);
        assert!(
            closed,
            "a client {what}: serve goes on and keeps its descriptor open"
        );
    }
}

// ------------------------------------------------------ Part 3: limited resources

/// Returns how many of five new clients have an answer at the beginning, after the
/// first client has left, after one of them has sent its last request, and after a
/// client has left whose answers were outstanding.
#[proctor::test(
    clauses = [1, 8, 9, 11, 12, 13, 15, 16, 17],
    three = |(): ()| -> Said<(Ended, Vec<usize>)> {
        plays(limits(100, usize::MAX, 3), echo, |server| {
            let (mut first, mut others) = (server.known()?, Vec::new());
            // It is connected until it has got its answers.
            let mut half_closed = server.known()?;
            half_closed.stuffs(&frame(b"large").repeat(25))?;
            half_closed.finishes();
            // They all are in the backlog when the server looks.
            server.during(&mut first, || {
                for _ in 0..5 {
                    others.push(server.connect()?);
                }
                others.iter_mut().try_for_each(|client| client.sends(&frame(b"other")))
            })?;
            let answered = |others: &mut [Client]| {
                server.rests("The limit of clients is reached, and others are in the backlog")?;
                let has = |client: &mut Client| client.reads() || !client.got.is_empty();
                let all: Vec<bool> = others.iter_mut().map(has).collect();
                // In the order of their arrival.
                Ok::<_, String>(all.iter().take_while(|has| **has).count())
            };
            let mut found = vec![answered(&mut others)?];
            drop(first);
            found.push(answered(&mut others)?);
            others[0].finishes();
            found.push(answered(&mut others)?);
            // This one leaves with unread answers: the server's next write fails.
            drop(half_closed);
            found.push(answered(&mut others)?);
            // Before the clients leave and others are accepted.
            server.stopper.take();
            server.calm();
            Ok(found)
        })
    },
    none = |(): ()| -> Said<(Ended, bool)> {
        plays(limits(100, 1000, 0), echo, |server| {
            let mut client = server.connect()?;
            client.sends(&frame(b"asks"))?;
            server.rests("No client may be connected, and one is in the backlog")?;
            Ok(!client.reads() && !client.closed)
        })
    },
)]
fn further_clients_wait_in_the_backlog(mut three: Subject, mut none: Subject) {
    let answer = three.ask(&());
    let found = answer.value.as_ref().map(|(_, found)| found.clone());
    for (found, (should, when)) in found.unwrap_or_default().iter().zip([
        (1, "two clients are connected, one of them has outstanding answers, and five are in the backlog"),
        (2, "then the client without outstanding answers leaves"),
        (3, "then the first of the five closes its sending half"),
        (4, "then the client with outstanding answers closes its socket"),
    ]) {
        assert!(
            *found == should,
            "3 clients may be connected; {when}: the first {should} of the five should have an answer, and the first {found} have"
        );
    }
    went_well(answer, 6);
    let (_, waits) = went_well(none.ask(&()), 0);
    assert!(
        waits,
        "no client may be connected, and one in the backlog was served or closed"
    );
}

/// Uses up all descriptors, and then connects with sockets that were made before.
fn without_descriptors(server: &Server, count: usize) -> (Vec<OwnedFd>, Vec<Client<'_>>) {
    let new = |_| {
        socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
    };
    let sockets: Vec<OwnedFd> = (0..count)
        .map(|number| new(number).expect("a socket"))
        .collect();
    let fillers = std::iter::from_fn(|| dup(io::stderr()).ok()).collect();
    let address = UnixAddr::new(&server.path).expect("an address");
    let connects = |socket: OwnedFd| {
        // If it fails, serve has ended.
        let _ = connect(socket.as_raw_fd(), &address);
        server.client(socket.into())
    };
    (fillers, sockets.into_iter().map(connects).collect())
}

#[proctor::test(
    clauses = [8, 9, 12, 14, 15, 17],
    descriptors = 100,
    some = |(): ()| -> Said<(Ended, bool)> {
        plays(limits(100, 100_000, 9), echo, |server| {
            let mut first = [server.known()?, server.known()?, server.known()?, server.known()?, server.known()?];
            // Too much waits for two of them, and they leave in other ways than the rest.
            for client in &mut first[2..4] {
                client.stuffs(&frame(b"large").repeat(25))?;
            }
            let (fillers, mut others) = without_descriptors(server, 5);
            others.iter_mut().try_for_each(|client| client.sends(&frame(b"other")))?;
            server.rests("No descriptor is free, and a client is in the backlog")?;
            first[0].asks(b"first")?;
            first[1].asks(b"second")?;
            let wait = others.iter_mut().all(|client| !client.reads() && !client.closed);
            let mut kept = Vec::new();
            for (number, mut client) in first.into_iter().enumerate() {
                match number {
                    // With an unread answer.
                    0 => _ = client.stuffs(&frame(b"unread"))?,
                    1 => {
                        client.finishes();
                        client.until_closed("a client has sent its last request")?;
                    }
                    3 => _ = client.stream.shutdown(Shutdown::Both),
                    4 => {
                        client.sends(&[0xff; 4])?;
                        client.until_closed("a client has sent a length over the limit")?;
                    }
                    _ => {}
                }
                if number != 3 {
                    server.calm();
                    client.closes_and_keeps_its_number();
                }
                // So only the server's descriptor gets free, for one client more.
                others[number].answers(1)?;
                kept.push(client);
            }
            others[0].asks(b"other")?;
            drop(fillers);
            Ok(wait)
        })
    },
    none = |(): ()| -> Said<(Ended, ())> {
        plays(WIDE, echo, |server| {
            // A client has come and gone.
            drop(server.known()?);
            server.calm();
            let all = without_descriptors(server, 1);
            server.calm();
            drop(all);
            Ok(())
        })
    },
)]
fn without_descriptors_new_clients_wait(mut some: Subject, mut none: Subject) {
    let (_, wait) = went_well(some.ask(&()), 10);
    assert!(
        wait,
        "no descriptor is free, and a client in the backlog was served or closed"
    );
    let answer = none.ask(&());
    answer.nothing_is_left("serve has returned");
    let ((served, _), ()) = answer.value.unwrap_or_else(|why| panic!("{why}"));
    assert!(
        served == Err(Some(Errno::EMFILE as i32)),
        "no descriptor is free and no client is connected: serve should return the error EMFILE, and returned {served:?}"
    );
}

// -------------------------------------------------------------- Part 3: sleeping

#[proctor::test(clauses = [2, 5, 8, 10, 15, 17], subject = |signals: u32| -> Said<(Ended, (bool, bool))> {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::empty());
    let thread = Arc::new(AtomicI32::new(0));
    let handled_by = Arc::clone(&thread);
    let handler = move |request: &[u8]| {
        handled_by.store(gettid().as_raw(), SeqCst);
        echo(request)
    };
    plays(WIDE, handler, |server| {
        server.rests("Nobody has connected")?;
        let _silent = server.connect()?;
        server.rests("A client has connected and sends nothing")?;
        let mut client = server.known()?;
        server.rests("A client has got its answer")?;
        client.sends(&frame(b"half")[..6])?;
        server.rests("A client has sent a half of a request")?;
        client.sends(&frame(b"half")[6..])?;
        client.answers(1)?;
        // This does not fit into the socket at once, in neither direction.
        let huge = vec![0xfe; WIDE.message as usize];
        let right = client.asks(&huge)? == huge;
        server.rests("A client has got a large answer")?;
        for _ in 0..signals {
            server.is_interrupted()?;
        }
        client.asks(b"after the signals")?;
        server.known()?;
        Ok((right, thread.load(SeqCst) == server.thread))
    })
})]
fn it_sleeps_while_there_is_nothing_to_do(mut subject: Subject) {
    let answer = subject.ask(&300);
    let started = [
        answer.evidence.processes_started,
        answer.evidence.threads_started,
    ];
    let (_, (right, same)) = went_well(answer, 3);
    assert!(
        right,
        "a request of 1 MiB, the limit, has got a wrong answer"
    );
    assert!(
        same,
        "the handler was not called on the thread that has called serve"
    );
    // One thread, the server's, is the test's own.
    let [processes, threads] = started.map(|count| count.unwrap_or(0));
    assert!(
        processes == 0 && threads <= 1,
        "serve has started processes or threads"
    );
}

/// Another process may accept from the same listener. Here the handler does so.
#[proctor::test(clauses = [15, 17], subject = |(): ()| -> Said<(Ended, u64)> {
    let twin: Arc<OnceLock<UnixListener>> = Arc::default();
    let stolen = Arc::new(AtomicU64::new(0));
    let (thief, count) = (Arc::clone(&twin), Arc::clone(&stolen));
    let handler = move |request: &[u8]| {
        if request == b"steal" && let Some(listener) = thief.get() {
            let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, PollTimeout::ZERO) == Ok(1) {
                count.fetch_add(listener.accept().map_or(0, |_| 1), SeqCst);
            }
        }
        echo(request)
    };
    let (ended, ()) = plays(WIDE, handler, |server| {
        let (mut client, mut thief) = (server.known()?, server.known()?);
        let _ = twin.set(twin_of_the_listener().ok_or("the listener is closed while serve runs")?);
        for _ in 0..4 {
            server.during(&mut client, || {
                thief.sends(&frame(b"steal"))?;
                server.connect().map(drop)
            })?;
            client.answers(1)?;
            thief.answers(1)?;
        }
        client.asks(b"after all")?;
        server.known().map(drop)
    })?;
    Ok((ended, stolen.load(SeqCst)))
})]
fn it_does_not_wait_in_accept(mut subject: Subject) {
    let answer = subject.ask(&());
    let stolen = answer.value.as_ref().map_or(0, |(_, stolen)| *stolen);
    went_well(answer, 7 - stolen);
}

/// A second descriptor for the only listening socket of this process.
fn twin_of_the_listener() -> Option<UnixListener> {
    (3..100).find_map(|number| {
        // SAFETY: it is used for two calls only, and if it is no socket, they fail.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let listens = getsockopt(&borrowed, AcceptConn) == Ok(true);
        listens.then(|| dup(borrowed).ok().map(UnixListener::from))?
    })
}

// ------------------------------------------------------------------ Part 3: stop

/// When a stop request can come.
const SCENES: [&str; 3] = [
    "serve sleeps",
    "too much waits for a client",
    "a client has sent a half of a request",
];

#[proctor::test(
    clauses = [8, 9, 12, 16, 17],
    early = |way: Way| -> ((u64, u64), u64, bool, bool, bool) {
        let (listener, path) = listen("socket");
        let mut client = UnixStream::connect(&path).expect("a backlog");
        let _ = client.write_all(&frame(b"asks"));
        let (stop, mut stopper) = Stopper::new(way);
        stopper.stops();
        let (mut handled, before) = (0, flags(stop.as_fd()));
        let handler = |request: &[u8]| {
            handled += 1;
            echo(request)
        };
        let served = rpc_server::serve(listener, stop.as_fd(), WIDE, handler);
        let served = served.map_or((999, 999), |served| (served.clients, served.requests));
        // The client's connection is closed, one way or the other.
        let disconnects = client.read(&mut [0; 9]).unwrap_or(0) == 0;
        let unchanged = flags(stop.as_fd()) == before;
        let mut ready = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        let unread = poll(&mut ready, PollTimeout::ZERO) == Ok(1);
        let _ = std::fs::remove_file(path);
        (served, handled, disconnects, unread, unchanged)
    },
    later = |(scene, way): (usize, Way)| -> Said<(Ended, ())> {
        plays_until(way, limits(100, 100_000, 9), echo, |server| {
            let mut client = server.known()?;
            match scene {
                1 => _ = client.stuffs(&frame(b"large").repeat(30))?,
                2 => client.sends(&frame(b"half")[..7])?,
                _ => {}
            }
            server.calm();
            if let Some(stopper) = &mut *server.stopper.borrow_mut() {
                stopper.stops();
            }
            // The client is there until the end.
            server.until("`stop` is ready and serve should return", || {
                let ended = server.look(&mut Seen::default()) == Look::Ended;
                Ok(if ended { Step::Done } else { Step::Stuck })
            })
        })
    },
    flooded = |question: (Past, u64, bool)| -> Said<(Ended, Vec<u64>)> { floods(question) },
)]
fn a_stop_request_ends_it_at_once(mut early: Subject, mut later: Subject, mut flooded: Subject) {
    let ways = ALL_WAYS.map(|way| (0, way));
    for (scene, way) in ways.into_iter().chain([(1, Way::End), (2, Way::End)]) {
        let mut answer = later.ask(&(scene, way));
        let when = SCENES[scene];
        answer.value = answer
            .value
            .map_err(|why| format!("a stop request comes while {when} ({way:?}): {why}"));
        went_well(answer, 1);
    }
    for way in ALL_WAYS {
        let answer = early.try_ask(&way).unwrap_or_else(|failing| {
            let meaning = "`stop` is ready at the call, and serve does not return";
            Gate::explained(failing, meaning).end()
        });
        answer.nothing_is_left("serve has returned");
        let (served, handled, disconnects, unread, unchanged) = answer.value;
        assert!(
            (served, handled) == ((0, 0), 0),
            "`stop` is ready at the call ({way:?}): serve should accept and handle nothing, and returned that (clients, requests) were {served:?}"
        );
        assert!(
            disconnects,
            "serve has returned, and a client in the backlog is still connected"
        );
        assert!(unread, "serve has read from `stop` ({way:?})");
        assert!(unchanged, "serve has changed the flags of `stop` ({way:?})");
    }
    let answer = flooded.ask(&(Past::Connected, 2500, true));
    let accepted = answer
        .value
        .as_ref()
        .map_or(0, |((served, _), _)| served.map_or(0, |served| served.0));
    let (_, after) = went_well(answer, accepted);
    assert!(
        after[0] <= REQUESTS,
        "a client always has a next request of 1004 bytes, and {} of them were handled after `stop` was ready: at most {REQUESTS} (1 MiB and `limits.message`) may be",
        after[0]
    );
}

/// The handler panics in the fourth request, with a payload of its own. A client has
/// left before. Here `serve` runs on the main thread.
#[proctor::test(clauses = [12, 17], subject = |payload: u64| -> (Option<u64>, bool, bool, bool, Vec<String>) {
    on_signal(Signal::SIGPIPE, SigHandler::SigDfl, SaFlags::empty());
    let (stop, stopper) = io::pipe().expect("a pipe");
    let (hooks, hook) = (Arc::new(AtomicU64::new(0)), panic::take_hook());
    let counts = Arc::clone(&hooks);
    panic::set_hook(Box::new(move |_| _ = counts.fetch_add(1, SeqCst)));
    let before = Surroundings::now();
    let (listener, path) = listen("socket");
    let mut clients = [(); 4].map(|()| UnixStream::connect(&path).expect("a backlog"));
    for client in &mut clients {
        let _ = client.write_all(&frame(b"asks").repeat(2));
    }
    let mut clients = clients.into_iter();
    drop(clients.next());
    let mut handled = 0;
    let handler = |request: &[u8]| {
        handled += 1;
        if handled == 4 {
            panic_any(payload);
        }
        echo(request)
    };
    let call = || rpc_server::serve(listener, stop.as_fd(), WIDE, handler);
    let payload = catch_unwind(AssertUnwindSafe(call)).err().and_then(|panic| match panic.downcast::<u64>() {
        Ok(payload) => Some(*payload),
        Err(other) => resume_unwind(other),
    });
    let refuses = UnixStream::connect(&path).is_err();
    let closed = clients.all(|mut client| {
        let _ = client.set_nonblocking(true);
        let end = client.read_to_end(&mut Vec::new());
        !end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    });
    drop(clients);
    let changes = before.changes();
    drop((stop, stopper));
    let _ = std::fs::remove_file(path);
    let _ = catch_unwind(|| panic!("after the call"));
    panic::set_hook(hook);
    (payload, refuses, closed, hooks.load(SeqCst) == 2, changes)
})]
fn a_panic_of_the_handler_closes_everything(mut subject: Subject) {
    for _ in 0..2 {
        let payload = proctor::random();
        let answer = subject.ask(&payload);
        let (got, refuses, closed, hooked, changes) = &answer.value;
        assert!(
            *got == Some(payload),
            "the handler panics with a payload of its own, and the caller of serve does not get it"
        );
        assert!(
            *refuses,
            "the handler has panicked, and the listener is not closed"
        );
        assert!(
            *closed,
            "the handler has panicked, and a client is still connected"
        );
        assert!(
            *hooked,
            "the handler has panicked, and then the code of the test: the panic hook should have been called each time"
        );
        assert!(
            changes.is_empty(),
            "the handler has panicked, and then this is not as it was before the call: {}",
            changes.join("; ")
        );
        answer.nothing_is_left("the panic has left serve");
    }
}

/// The descriptors that another program would inherit.
fn inherited() -> Vec<i32> {
    let all = (3..200).filter(|number| {
        // SAFETY: it is used for one call only, which fails if it is no descriptor.
        let borrowed = unsafe { BorrowedFd::borrow_raw(*number) };
        fcntl(borrowed, FcntlArg::F_GETFD).is_ok_and(|flags| flags & FdFlag::FD_CLOEXEC.bits() == 0)
    });
    all.collect()
}

/// A call of `serve` with one client and two requests, within a handler. Returns the
/// numbers of clients and requests.
fn inner_call() -> Vec<u8> {
    let (listener, path) = listen("inner");
    let mut client = UnixStream::connect(&path).expect("a backlog");
    let _ = client.write_all(&frame(b"inner").repeat(2));
    let (stop, stopper) = io::pipe().expect("a pipe");
    let (mut stopper, mut handled) = (Some(stopper), 0);
    let handler = |request: &[u8]| {
        handled += 1;
        stopper.take_if(|_| handled == 2);
        echo(request)
    };
    let served = rpc_server::serve(listener, stop.as_fd(), WIDE, handler);
    let _ = std::fs::remove_file(path);
    served.map_or(Vec::new(), |served| {
        vec![served.clients as u8, served.requests as u8]
    })
}

#[proctor::test(clauses = [1, 8, 12, 16, 17], subject = |rounds: usize| -> Said<(Vec<String>, bool, bool, bool)> {
    on_signal(Signal::SIGPIPE, SigHandler::SigDfl, SaFlags::empty());
    let before = Surroundings::now();
    let (known, mut there, mut counts) = (inherited(), true, true);
    let inherits = Arc::new(AtomicBool::new(false));
    for _ in 0..rounds {
        let (known, inherits) = (known.clone(), Arc::clone(&inherits));
        let handler = move |request: &[u8]| {
            inherits.fetch_or(inherited() != known, SeqCst);
            match request {
                b"inner" => inner_call(),
                _ => echo(request),
            }
        };
        let (ended, ()) = plays(WIDE, handler, |server| {
            let (mut client, leaves) = (server.known()?, server.known()?);
            drop(leaves);
            counts &= client.asks(b"inner")? == [1, 2];
            server.stopper.take();
            client.until_closed("`stop` is ready")?;
            there &= server.path.exists();
            Ok(())
        })?;
        let served = ended.0.map_err(|number| format!("serve has returned the error {number:?}"))?;
        counts &= served == (2, 3);
    }
    Ok((before.changes(), inherits.load(SeqCst), there, counts))
})]
fn nothing_is_left_after_many_calls(mut subject: Subject) {
    // The process itself keeps something of its first question.
    subject.ask(&1);
    let answer = subject.ask(&30);
    answer.nothing_is_left("serve has returned");
    let left = answer.evidence.heap.left;
    let (changes, inherits, there, counts) = answer.value.unwrap_or_else(|why| panic!("{why}"));
    assert!(
        changes.is_empty(),
        "serve should leave everything in the process as it was, and did not: {}",
        changes.join("; ")
    );
    assert!(
        !inherits,
        "while serve runs, a descriptor that it has opened is not close-on-exec"
    );
    assert!(there, "serve has removed the file of the listener");
    assert!(
        counts,
        "the handler calls serve: the inner call should count 1 client and 2 requests, and the outer one 2 clients and 3 requests"
    );
    assert!(
        left <= 1 << 10,
        "after 30 calls of serve, {left} bytes more are held than before"
    );
}
