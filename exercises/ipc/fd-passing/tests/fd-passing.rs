//! Judges `send_file` and `receive_file`, each of them also against a peer that
//! the test plays itself: [`give`] sends what the receiver gets, and [`take`]
//! sees all that the sender has sent.
proctor::exercise!(fd_passing);

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fd_passing::{receive_file, send_file};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigHandler, Signal, kill, raise};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, getsockopt,
    recv, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::stat::fstat;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use proctor::{Answer, Onlooker, Subject, Surroundings, do_nothing, on_signal, other_child};
use serde::{Deserialize, Serialize};

/// The most descriptors in one message.
const MOST: usize = 253;

/// How often a call is interrupted: more often than any loop would try that
/// gives up.
const OFTEN: u32 = 300;

/// What a call returned, as plain data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Got {
    /// `send_file` has sent.
    Sent,
    /// `receive_file` returned a file with this text, or `None`.
    File(String),
    End,
    /// An error of the system, by its number.
    Errno(i32),
    /// Another error, by its kind.
    Failed(String),
}
use Got::{End, Sent};

impl Got {
    fn error(error: &io::Error) -> Self {
        let kind = || Got::Failed(format!("{:?}", error.kind()));
        error.raw_os_error().map_or_else(kind, Got::Errno)
    }

    fn refused() -> Self {
        Got::error(&ErrorKind::InvalidData.into())
    }
}

impl fmt::Debug for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sent => write!(f, "Ok(())"),
            Got::File(text) => write!(f, "a file with the text {text:?}"),
            End => write!(f, "None"),
            Got::Errno(number) => write!(f, "the error {:?}", Errno::from_raw(*number)),
            Got::Failed(kind) => write!(f, "an error of the kind {kind}"),
        }
    }
}

fn receive(socket: &UnixStream) -> Got {
    match receive_file(socket) {
        Ok(Some(file)) => Got::File(text_of(&File::from(file))),
        Ok(None) => End,
        Err(error) => Got::error(&error),
    }
}

fn send(socket: &UnixStream, file: impl AsFd) -> Got {
    send_file(socket, file.as_fd()).map_or_else(|error| Got::error(&error), |()| Sent)
}

/// Demands what a call returned.
#[track_caller]
fn expect(got: &Got, right: &Got, when: &str) {
    assert!(
        got == right,
        "{when}, and the call returned {got:?}, not {right:?}"
    );
}

#[track_caller]
fn expect_all(got: &[Got], right: &[(&Got, &str)]) {
    for (got, (right, when)) in got.iter().zip(right) {
        expect(got, right, when);
    }
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("two sockets")
}

/// An open file with this text.
fn file_with(text: &str) -> File {
    let file = memfd_create(c"file", MFdFlags::MFD_CLOEXEC).expect("a file in memory");
    let mut file = File::from(file);
    file.write_all(text.as_bytes()).expect("room for the text");
    file.rewind().expect("the start of the file");
    file
}

/// The text, wherever the offset is.
fn text_of(file: &File) -> String {
    let mut text = [0; 256];
    let read = file.read_at(&mut text, 0).unwrap_or(0);
    String::from_utf8_lossy(&text[..read]).into_owned()
}

/// Sends these bytes in one piece, with these files.
fn give(socket: &UnixStream, bytes: &[u8], files: &[RawFd]) {
    let rights = [ControlMessage::ScmRights(files)];
    let control = if files.is_empty() { &[] } else { &rights[..] };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let bytes = IoSlice::new(bytes);
    let sent = sendmsg::<()>(socket.as_raw_fd(), &[bytes], control, flags, None);
    assert_eq!(sent, Ok(bytes.len()), "the test's own message");
}

/// Bytes, and the text of each file that came with them.
type Taken = (Vec<u8>, Vec<String>);

/// Receives what is there.
fn take(socket: &UnixStream) -> Taken {
    let (mut bytes, mut texts) = (Vec::new(), Vec::new());
    let mut room = [0; 4096];
    let mut control = nix::cmsg_space!([RawFd; MOST]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    loop {
        let mut buffer = [IoSliceMut::new(&mut room)];
        let got = recvmsg::<()>(socket.as_raw_fd(), &mut buffer, Some(&mut control), flags);
        let Ok(got) = got else { break };
        for message in got.cmsgs().expect("room for all of them") {
            if let ControlMessageOwned::ScmRights(files) = message {
                // SAFETY: the kernel has just opened them for this process.
                let files = files.iter().map(|file| unsafe { File::from_raw_fd(*file) });
                texts.extend(files.map(|file| text_of(&file)));
            }
        }
        let length = got.bytes;
        if length == 0 {
            break;
        }
        bytes.extend_from_slice(&room[..length]);
    }
    (bytes, texts)
}

/// Makes the socket take no byte more, and returns how many it took.
fn fill(socket: &UnixStream) -> usize {
    setsockopt(socket, sockopt::SndBuf, &4096).expect("a small buffer");
    let mut filled = 0;
    for size in [1024, 1] {
        let bytes = vec![b'.'; size];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        while let Ok(sent) = nix::sys::socket::send(socket.as_raw_fd(), &bytes, flags) {
            filled += sent;
        }
    }
    filled
}

/// Takes this number of bytes from the stream, and no more.
fn empty(socket: &UnixStream, mut filled: usize) {
    let mut room = [0; 4096];
    while filled > 0 {
        let part = filled.min(room.len());
        filled -= recv(socket.as_raw_fd(), &mut room[..part], MsgFlags::empty()).unwrap_or(0);
    }
}

/// Waits for a child of the test, and returns its exit code.
fn reap(child: Pid) -> i32 {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            Err(Errno::EINTR) => {}
            other => panic!("the test's own child: {other:?}"),
        }
    }
}

/// A child of the test that runs code under test. A panic ends it.
fn child(life: impl FnOnce() -> u8) -> Pid {
    other_child(|| catch_unwind(AssertUnwindSafe(life)).unwrap_or(101))
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// What C4 says, from the kernel's evidence. `processes` and `threads` are
/// those of the test itself.
#[track_caller]
fn nothing_else<A>(answer: &Answer<A>, processes: u32, threads: u32) {
    answer.nothing_is_left("all calls have returned");
    let evidence = &answer.evidence;
    for (started, own, what) in [
        (evidence.processes_started, processes, "a process"),
        (evidence.threads_started, threads, "a thread"),
    ] {
        assert!(
            started.is_none_or(|started| started <= own),
            "a call started {what}, and the contract allows none"
        );
    }
    let printed = answer.output.stdout.clone() + &answer.output.stderr;
    assert!(printed.is_empty(), "a call printed {printed:?}");
}

fn word() -> String {
    proctor::random()
}

fn words(number: usize) -> Vec<String> {
    std::iter::repeat_with(word).take(number).collect()
}

// ------------------------------------------------------------------ one message

#[proctor::test(clauses = [4, 6, 7], subject = |texts: Vec<String>| -> Vec<(Got, Taken, bool)> {
    let (a, b) = pair();
    let look = |text: &String| {
        let mut file = file_with(text);
        let _ = file.seek(SeekFrom::Start(3));
        let (sent, seen) = (send(&a, &file), take(&b));
        let flags = fcntl(&file, FcntlArg::F_GETFD);
        let is_kept = flags == Ok(libc::FD_CLOEXEC) && file.stream_position().ok() == Some(3);
        (sent, seen, is_kept)
    };
    texts.iter().map(look).collect()
})]
fn a_message_is_one_byte_with_one_descriptor(mut subject: Subject) {
    let texts = words(3);
    let answer = subject.ask(&texts);
    for (text, (sent, (bytes, files), is_kept)) in texts.iter().zip(&answer.value) {
        expect(sent, &Sent, "the peer is there");
        assert!(
            *bytes == [0] && files[..] == [text.as_str()],
            "send_file sent the bytes {bytes:?} with the files {files:?}: a message is one byte with the value 0, and one file, which is {text:?}"
        );
        assert!(
            *is_kept,
            "after send_file, the sender's own descriptor is no longer open as it was"
        );
    }
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4], subject = |(text, value): (String, u8)| -> Option<(u64, String, u64, bool)> {
    let (a, b) = pair();
    let mut file = file_with(&text);
    // The sender has moved the offset, and the receiver goes on from there.
    let _ = file.seek(SeekFrom::Start(5));
    give(&a, &[value], &[file.as_raw_fd()]);
    let mut received = File::from(receive_file(&b).ok()??);
    let at = received.stream_position().unwrap_or(u64::MAX);
    let mut rest = String::new();
    let _ = received.read_to_string(&mut rest);
    let end = file.stream_position().unwrap_or(u64::MAX);
    let _ = fcntl(&received, FcntlArg::F_SETFL(OFlag::O_APPEND));
    let appends = fcntl(&file, FcntlArg::F_GETFL).unwrap_or(0) & libc::O_APPEND != 0;
    Some((at, rest, end, appends))
})]
fn both_descriptors_share_one_open_file(mut subject: Subject) {
    for value in [0, 1, b'!', 255, proctor::random()] {
        let text = word();
        let answer = subject.ask(&(text.clone(), value));
        let Some((at, rest, end, appends)) = &answer.value else {
            panic!(
                "a peer sent a file with a byte of the value {value}, and receive_file did not return it"
            );
        };
        assert!(
            *at == 5 && *rest == text[5..] && *end == text.len() as u64 && *appends,
            "the sender moved the offset to 5, the receiver read {rest:?} from offset {at} on, and then the sender's offset was {end}; the receiver set O_APPEND, and that the sender has it is {appends}: both should have one offset and the same status flags"
        );
        nothing_else(&answer, 0, 0);
    }
}

/// What the kernel says about a descriptor: which file, and the status flags.
fn identity(file: impl AsFd) -> Option<(u64, u64, i32)> {
    let (stat, flags) = (fstat(&file).ok()?, fcntl(&file, FcntlArg::F_GETFL).ok()?);
    Some((stat.st_dev, stat.st_ino, flags))
}

#[proctor::test(clauses = [1, 2, 4, 6, 7], subject = |(): ()| -> Vec<(String, Got, bool)> {
    let (a, b) = pair();
    let (reader, writer) = io::pipe().expect("a pipe");
    let path = |path: &str, flags| {
        let opened = File::options().read(true).custom_flags(flags).open(path);
        OwnedFd::from(opened.expect(path))
    };
    let copy = |socket: &UnixStream| OwnedFd::from(socket.try_clone().expect("a copy"));
    let files: [(&str, OwnedFd); 8] = [
        ("the read end of a pipe", reader.into()),
        ("the write end of a pipe", writer.into()),
        ("another socket", pair().0.into()),
        ("the socket over which it is sent", copy(&a)),
        ("the receiver's socket", copy(&b)),
        ("a directory", path("/", libc::O_DIRECTORY)),
        ("a file opened with O_PATH", path("/proc/self/exe", libc::O_PATH)),
        ("/dev/null", path("/dev/null", libc::O_NONBLOCK)),
    ];
    let pass = |(what, file): (&str, OwnedFd)| {
        let sent = send(&a, &file);
        let received = receive_file(&b).ok().flatten();
        let same = received.is_some_and(|received| identity(&received) == identity(&file));
        (what.to_owned(), sent, same)
    };
    files.into_iter().map(pass).collect()
})]
fn every_kind_of_file_arrives(mut subject: Subject) {
    let answer = subject.ask(&());
    for (what, sent, same) in &answer.value {
        expect(sent, &Sent, &format!("the file is {what}"));
        assert!(
            same,
            "the file is {what}, and receive_file did not return a descriptor for the same file with the same flags"
        );
    }
    nothing_else(&answer, 0, 0);
}

/// A number, and what the two calls returned.
type Passed = (i32, Got, Got);

#[proctor::test(clauses = [1, 2, 4, 6, 7], subject = |text: String| -> (Vec<Passed>, Option<i32>, Option<i32>) {
    let (a, b) = pair();
    let file = file_with(&text);
    let pass = |number: RawFd| {
        // SAFETY: nothing in this process uses these numbers.
        let copy = unsafe { OwnedFd::from_raw_fd(libc::dup2(file.as_raw_fd(), number)) };
        (number, send(&a, &copy), receive(&b))
    };
    let passed = [255, 256, 257, 900, 0].map(pass).to_vec();
    let arrive = || {
        give(&a, b"-", &[file.as_raw_fd()]);
        let file = File::from(receive_file(&b).ok()??);
        (text_of(&file) == text).then_some(file)
    };
    // 0 is free now.
    let low = arrive();
    let fillers: Vec<_> = (0..300).map(|_| file.try_clone()).collect();
    let high = arrive();
    drop(fillers);
    (passed, low.map(|file| file.as_raw_fd()), high.map(|file| file.as_raw_fd()))
})]
fn the_numbers_do_not_matter(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (passed, low, high) = &answer.value;
    for (number, sent, got) in passed {
        let when = format!("the sender's descriptor has the number {number}");
        expect(sent, &Sent, &when);
        expect(got, &Got::File(text.clone()), &when);
    }
    assert!(
        *low == Some(0) && high.is_some_and(|number| number >= 300),
        "the receiver's lowest free number is first 0 and then above 300, and receive_file returned {low:?} and {high:?} (None: no file, or another one)"
    );
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 3, 4, 6, 7, 11], subject = |text: String| -> (Vec<Got>, i32, i32) {
    let (a, b) = pair();
    let mut got = vec![send(&a, file_with(&text)), receive(&b)];
    let sender = child(|| u8::from(send(&a, file_with(&text)) != Sent));
    drop(a);
    // Its descriptors are gone with it.
    let sent = reap(sender);
    got.extend([receive(&b), receive(&b)]);

    let (a, b) = pair();
    let receiver = child(|| u8::from(receive(&b) != Got::File(text.clone())));
    drop(b);
    Onlooker::of_process(receiver.as_raw()).until_it_waits();
    got.push(send(&a, file_with(&text)));
    (got, sent, reap(receiver))
})]
fn a_message_outlives_the_sender(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (got, sent, received) = &answer.value;
    assert!(
        *sent == 0,
        "a child process sent a file, nothing had gone wrong, and send_file failed"
    );
    let file = &Got::File(text);
    let right = [
        (&Sent, "one process plays both parts"),
        (file, "one process plays both parts"),
        (file, "the sender sent a file and ended"),
        (&End, "the sender has ended"),
        (&Sent, "a child waits in receive_file"),
    ];
    expect_all(got, &right);
    assert!(
        *received == 0,
        "a child process waited in receive_file for a file, and what it got was not that file"
    );
    nothing_else(&answer, 2, 0);
}

/// The descriptors of a process for a file: the number, and whether it is
/// close-on-exec.
fn descriptors_of(process: Pid, file: &Path) -> Vec<(OsString, bool)> {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let numbers = fs::read_dir(folder.join("fd")).into_iter().flatten();
    let numbers = numbers.filter_map(|entry| Some(entry.ok()?.file_name()));
    let of_file = numbers.filter(|number| {
        fs::read_link(folder.join("fd").join(number)).is_ok_and(|link| link == file)
    });
    let flag = |number: OsString| {
        let info = fs::read_to_string(folder.join("fdinfo").join(&number)).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
        Some((number, flags & libc::O_CLOEXEC != 0))
    };
    of_file.filter_map(flag).collect()
}

// The test follows a receiver from system call to system call (ptrace(2)), and
// looks at its descriptors before and after each of them.
#[proctor::test(clauses = [1, 2, 4, 9], subject = |(): ()| -> (Option<bool>, i32, bool) {
    let (a, b) = pair();
    let (reader, _writer) = io::pipe().expect("a pipe");
    let link = fs::read_link(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let link = link.expect("the name of the pipe");
    give(&a, b"-", &[reader.as_raw_fd()]);
    let received = receive_file(&b).ok().flatten();
    let has_flag = received.map(|file| fcntl(&file, FcntlArg::F_GETFD) == Ok(libc::FD_CLOEXEC));
    give(&a, b"-", &[reader.as_raw_fd()]);
    let child = child(|| {
        // Where the test may not trace, it has looked at the end only.
        if ptrace::traceme().is_ok() {
            let _ = raise(Signal::SIGSTOP);
        }
        u8::from(!matches!(receive_file(&b), Ok(Some(_))))
    });
    let known = descriptors_of(child, &link);
    let mut was_without = false;
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return (has_flag, code, was_without),
            Ok(WaitStatus::Stopped(..)) => {}
            other => panic!("the test's own child: {other:?}"),
        }
        let mut now = descriptors_of(child, &link).into_iter();
        was_without |= now.any(|one| !known.contains(&one) && !one.1);
        let _ = ptrace::syscall(child, None);
    }
})]
fn it_is_close_on_exec_from_the_beginning(mut subject: Subject) {
    let answer = subject.ask(&());
    let (has_flag, code, was_without) = answer.value;
    assert!(
        has_flag.is_some() && code == 0,
        "a peer sent a file, and receive_file did not return it"
    );
    assert!(
        has_flag == Some(true),
        "the received descriptor is not close-on-exec: a program that this process executes gets it"
    );
    assert!(
        !was_without,
        "the received descriptor was not close-on-exec at first, and got the flag by a later call: a program that another thread executes in between gets it"
    );
    nothing_else(&answer, 1, 0);
}

#[proctor::test(clauses = [1, 2, 4, 6, 7, 11], subject = |texts: Vec<String>| -> (Vec<Got>, Vec<Got>, String, Got) {
    let (mut a, mut b) = pair();
    let sent = texts.iter().map(|text| send(&a, file_with(text))).collect();
    let _ = a.write_all(b"and the rest");
    let got = texts.iter().map(|_| receive(&b)).collect();
    let _ = b.set_nonblocking(true);
    let mut rest = [0; 100];
    let length = b.read(&mut rest).unwrap_or(0);
    let rest = String::from_utf8_lossy(&rest[..length]).into_owned();
    drop(a);
    (sent, got, rest, receive(&b))
})]
fn several_messages_arrive_one_by_one(mut subject: Subject) {
    let texts = words(60);
    let answer = subject.ask(&texts);
    let (sent, got, rest, end) = &answer.value;
    for (place, (text, (sent, got))) in texts.iter().zip(sent.iter().zip(got)).enumerate() {
        let when = format!("60 files are sent before any is received, and this is number {place}");
        expect(sent, &Sent, &when);
        expect(got, &Got::File(text.clone()), &when);
    }
    assert!(
        rest == "and the rest",
        "after 60 messages, the peer wrote \"and the rest\", and after 60 calls of receive_file the stream holds {rest:?}"
    );
    expect(end, &End, "the peer is gone");
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4, 11, 12], subject = |text: String| -> Vec<Got> {
    let (a, b) = pair();
    let file = file_with(&text);
    give(&a, b"ab", &[]);
    give(&a, b"-", &[file.as_raw_fd()]);
    // The first of these four bytes carries the file.
    give(&a, b"\0\x01cd", &[file.as_raw_fd()]);
    give(&a, b"\0", &[file.as_raw_fd()]);
    give(&a, b"\0", &[]);
    drop(a);
    (0..10).map(|_| receive(&b)).collect()
})]
fn a_byte_without_a_descriptor_is_refused(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (file, refused) = (&Got::File(text), &Got::refused());
    let with = (file, "this byte carries a descriptor");
    let without = (refused, "this byte carries none");
    let end = (&End, "all bytes have been taken");
    let right = [
        without, without, with, with, without, without, without, with, without, end,
    ];
    expect_all(&answer.value, &right);
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4, 6, 7, 11], subject = |text: String| -> Vec<Got> {
    let mut got = Vec::new();
    let (a, b) = pair();
    drop(a);
    got.extend([receive(&b), receive(&b)]);
    let (a, b) = pair();
    give(&a, b"-", &[file_with(&text).as_raw_fd()]);
    // The other direction stays open.
    let _ = a.shutdown(Shutdown::Write);
    got.extend([receive(&b), receive(&b), receive(&b)]);
    let (a, b) = pair();
    let _ = send(&a, file_with(&text));
    drop(a);
    got.extend([receive(&b), receive(&b)]);
    got
})]
fn the_end_of_the_stream_is_none(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let file = &Got::File(text);
    let right = [
        (&End, "the peer is gone, and it sent nothing"),
        (&End, "the peer is still gone"),
        (file, "the peer sent a file and shut down"),
        (&End, "the peer has shut its direction down"),
        (&End, "the peer has shut its direction down"),
        (file, "the peer sent a file and closed all"),
        (&End, "the peer is gone"),
    ];
    expect_all(&answer.value, &right);
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4, 12, 13], subject = |(text, number, length): (String, usize, usize)| -> (Vec<Got>, usize) {
    let (a, b) = pair();
    let file = file_with(&text);
    let before = open_descriptors();
    give(&a, &vec![0; length], &vec![file.as_raw_fd(); number]);
    give(&a, b"-", &[file.as_raw_fd()]);
    let mut got = vec![receive(&b)];
    let left = open_descriptors().saturating_sub(before);
    got.extend((0..length).map(|_| receive(&b)));
    (got, left)
})]
fn more_than_one_descriptor_is_refused_and_none_stays(mut subject: Subject) {
    for number in [2, 3, 4, 5, 8, 9, 16, 17, 64, 65, 252, MOST] {
        let (text, length) = (word(), 1 + number % 3);
        let answer = subject.ask(&(text.clone(), number, length));
        let (got, left) = &answer.value;
        let when = format!("the first byte of a message carries {number} descriptors");
        expect(&got[0], &Got::refused(), &when);
        assert!(
            *left == 0,
            "{when}, and when receive_file has returned its error, {left} of them are still open in the receiver"
        );
        for got in &got[1..length] {
            expect(got, &Got::refused(), "this byte carries no descriptor");
        }
        let when = "the message after a refused one carries one descriptor";
        expect(&got[length], &Got::File(text.clone()), when);
        nothing_else(&answer, 0, 0);
    }
}

/// Runs `work` while the process may open only `room` descriptors more.
fn with_room<A>(room: u64, work: impl FnOnce() -> A) -> A {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    // The kernel gives the lowest free number.
    let free = File::open("/dev/null").expect("a descriptor").as_raw_fd();
    let limit = u64::from(free.unsigned_abs()) + room;
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("a lower limit");
    let done = work();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit as it was");
    done
}

#[proctor::test(clauses = [1, 2, 4, 13, 14], subject = |(text, sent, room): (String, usize, u64)| -> (Got, usize, Got) {
    let (a, b) = pair();
    let file = file_with(&text);
    let before = open_descriptors();
    give(&a, b"-", &vec![file.as_raw_fd(); sent]);
    give(&a, b"-", &[file.as_raw_fd()]);
    let got = with_room(room, || receive(&b));
    (got, open_descriptors().saturating_sub(before), receive(&b))
})]
fn a_full_table_of_descriptors_is_an_error(mut subject: Subject) {
    let few = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (10, 4)];
    let many = [0, 1, 252].map(|room| (MOST, room));
    for (sent, room) in few.into_iter().chain(many) {
        let text = word();
        let answer = subject.ask(&(text.clone(), sent, room));
        let (got, left, next) = &answer.value;
        let when = format!(
            "one byte carries {sent} descriptors, and the receiver may open only {room} more"
        );
        let is_final = match got {
            Got::Errno(number) => ![libc::EAGAIN, libc::EINTR].contains(number),
            Got::Failed(kind) => !["WouldBlock", "Interrupted"].contains(&&**kind),
            _ => false,
        };
        assert!(
            is_final,
            "{when}, so the message is lost, and receive_file returned {got:?}, not an error that says so"
        );
        assert!(
            *left == 0,
            "{when}, and when receive_file has returned its error, {left} of them are still open"
        );
        let when = "the limit is as before, and the next byte carries one descriptor";
        expect(next, &Got::File(text.clone()), when);
        nothing_else(&answer, 0, 0);
    }
}

#[proctor::test(clauses = [1, 2, 4, 6, 7, 10, 11, 12, 13], subject = |text: String| -> Vec<Got> {
    let (a, b) = pair();
    setsockopt(&b, sockopt::PassCred, &true).expect("credentials");
    let file = file_with(&text);
    let one = file.as_raw_fd();
    give(&a, b"-", &[one]);
    give(&a, b"-", &[]);
    give(&a, b"-", &[one, one]);
    give(&a, b"-", &[one; MOST]);
    let _ = send(&a, &file);
    drop(a);
    (0..6).map(|_| receive(&b)).collect()
})]
fn credentials_in_the_control_data_change_nothing(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (file, refused) = (&Got::File(text), &Got::refused());
    let right = [
        (file, "besides credentials, one file arrived"),
        (refused, "credentials arrived without a file"),
        (refused, "besides credentials, two files arrived"),
        (refused, "besides credentials, 253 files arrived"),
        (file, "besides credentials, one file arrived"),
        (&End, "the stream with credentials has ended"),
    ];
    expect_all(&answer.value, &right);
    nothing_else(&answer, 0, 0);
}

// ---------------------------------------------------------- waiting and signals

/// Interrupts a process that waits, [`OFTEN`] times. Returns when the process
/// waits again, and says whether `dispositions` are still the same.
fn interrupt(process: Pid, dispositions: &[u64]) -> bool {
    let mut onlooker = Onlooker::of_process(process.as_raw());
    for _ in 0..OFTEN {
        onlooker.until_it_waits();
        let _ = kill(process, Signal::SIGUSR1);
    }
    onlooker.until_it_waits();
    dispositions_of(process) == dispositions
}

const CHANGED: &str = "the process ignored, handled or blocked other signals than before the call";

/// The signals that a process ignores and handles, and whether it blocks
/// SIGUSR1.
fn dispositions_of(process: Pid) -> Vec<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let usr1 = 1 << (Signal::SIGUSR1 as i32 - 1);
    let sets = [("SigIgn:", !0), ("SigCgt:", !0), ("SigBlk:", usr1)];
    let set = |(name, mask)| {
        let set = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(u64::from_str_radix(set.trim(), 16).ok()? & mask)
    };
    sets.into_iter().filter_map(set).collect()
}

#[proctor::test(clauses = [1, 2, 3, 4], subject = |text: String| -> (Got, bool) {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::SA_NODEFER);
    let (a, b) = pair();
    let file = file_with(&text);
    let (caller, before) = (getpid(), dispositions_of(getpid()));
    let peer = other_child(|| {
        let same = interrupt(caller, &before);
        give(&a, b"-", &[file.as_raw_fd()]);
        u8::from(!same)
    });
    (receive(&b), reap(peer) == 0)
})]
fn interruptions_do_not_end_the_wait_for_a_message(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let when = format!("{OFTEN} signals interrupted the wait, and then the peer sent a file");
    expect(&answer.value.0, &Got::File(text), &when);
    assert!(answer.value.1, "{when}: while it waited, {CHANGED}");
    nothing_else(&answer, 1, 0);
}

#[proctor::test(clauses = [3, 4, 6, 7, 8], subject = |text: String| -> (Got, bool, Taken) {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::SA_NODEFER);
    on_signal(Signal::SIGPIPE, SigHandler::SigDfl, SaFlags::empty());
    let (a, b) = pair();
    let filled = fill(&a);
    let (caller, before) = (getpid(), dispositions_of(getpid()));
    let peer = other_child(|| {
        let same = interrupt(caller, &before);
        empty(&b, filled);
        u8::from(!same)
    });
    let sent = send(&a, file_with(&text));
    (sent, reap(peer) == 0, take(&b))
})]
fn interruptions_do_not_end_the_wait_for_room(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (sent, same, (bytes, files)) = &answer.value;
    let when = format!(
        "the socket had no room, {OFTEN} signals interrupted the wait, and then the peer made room"
    );
    expect(sent, &Sent, &when);
    assert!(
        *bytes == [0] && files[..] == [text],
        "{when}, and then the peer got the bytes {bytes:?} and the files {files:?}: it should be one byte with the value 0, and the file"
    );
    assert!(*same, "{when}: while it waited, {CHANGED}");
    nothing_else(&answer, 1, 0);
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 7], subject = |text: String| -> (Vec<Got>, Vec<(usize, Vec<String>)>) {
    let short = Some(Duration::from_millis(1));
    let (a, b) = pair();
    let file = file_with(&text);
    let (mut got, mut seen) = (Vec::new(), Vec::new());
    for waits in [false, true] {
        let _ = b.set_nonblocking(!waits);
        let _ = b.set_read_timeout(short.filter(|_| waits));
        got.push(receive(&b));
        give(&a, b"-", &[file.as_raw_fd()]);
        got.extend([receive(&b), receive(&b)]);
        let _ = a.set_nonblocking(!waits);
        let _ = a.set_write_timeout(short.filter(|_| waits));
        for filled in [fill(&a), 0] {
            got.push(send(&a, &file));
            let (bytes, files) = take(&b);
            seen.push((bytes.len() - filled, files));
        }
    }
    (got, seen)
})]
fn a_socket_that_does_not_wait_gives_would_block(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (got, seen) = &answer.value;
    let again = &Got::Errno(libc::EAGAIN);
    let right = [
        (again, "the socket waits 0 or 1 ms for a file"),
        (&Got::File(text.clone()), "a file is there"),
        (again, "the socket waits 0 or 1 ms for a file"),
        (again, "the socket waits 0 or 1 ms for room"),
        (&Sent, "the socket has room"),
    ];
    for got in got.chunks(right.len()) {
        expect_all(got, &right);
    }
    let right = [(0, vec![]), (1, vec![text])];
    for seen in seen.chunks(2) {
        assert!(
            *seen == right,
            "send_file fails if the socket has no room, and the next call sends a message: the peer got {seen:?} of the two calls (bytes, and texts of files), and not {right:?}"
        );
    }
    nothing_else(&answer, 0, 0);
}

static PIPE_SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: i32) {
    PIPE_SIGNALS.fetch_add(1, Relaxed);
}

#[proctor::test(clauses = [4, 5, 6, 7, 8], subject = |is_handled: bool| -> (Got, Got, u32) {
    let handler = if is_handled { SigHandler::Handler(count_signal) } else { SigHandler::SigDfl };
    on_signal(Signal::SIGPIPE, handler, SaFlags::SA_RESTART);
    let file = file_with("");
    let (a, b) = pair();
    drop(b);
    let gone = send(&a, &file);
    let (a, _b) = pair();
    let _ = a.shutdown(Shutdown::Write);
    (gone, send(&a, &file), PIPE_SIGNALS.load(Relaxed))
})]
fn a_closed_peer_is_an_error_and_no_signal(mut subject: Subject) {
    for is_handled in [true, false] {
        let answer = subject.ask(&is_handled);
        let (gone, shut, signals) = &answer.value;
        assert!(
            *signals == 0,
            "nobody can receive what is sent, and the sender got SIGPIPE {signals} times: without a handler, the first one ends the process"
        );
        let epipe = &Got::Errno(libc::EPIPE);
        expect(gone, epipe, "the peer is closed");
        expect(shut, epipe, "the sender has shut its direction down");
        nothing_else(&answer, 0, 0);
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 11], subject = |text: String| -> Vec<Got> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let alone = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
    let alone = UnixStream::from(alone);
    let file = file_with(&text);
    let mut got = vec![send(&alone, &file), receive(&alone)];
    let (a, mut b) = pair();
    give(&a, b"-", &[file.as_raw_fd()]);
    // The peer closes its socket without having read this: a reset.
    let _ = b.write_all(b"unread");
    drop(a);
    got.extend([receive(&b), receive(&b), receive(&b)]);
    got
})]
fn other_errors_are_returned_as_they_are(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let [enotconn, einval, econnreset] =
        [libc::ENOTCONN, libc::EINVAL, libc::ECONNRESET].map(Got::Errno);
    let mut got = answer.value.clone();
    if got[2] == econnreset {
        // recvmmsg(2) reports the reset first.
        got.swap(2, 3);
    }
    let right = [
        (&enotconn, "a socket is not connected"),
        (&einval, "a socket is not connected"),
        (&Got::File(text), "the peer sent a file before a reset"),
        (&econnreset, "the peer reset the connection"),
        (&End, "the reset has been reported"),
    ];
    expect_all(&got, &right);
    nothing_else(&answer, 0, 0);
}

// ---------------------------------------------------------------- what is left

/// The options of a socket that a call could change.
fn options(socket: &UnixStream) -> String {
    let timeouts = (socket.read_timeout(), socket.write_timeout());
    format!("{timeouts:?} {:?}", getsockopt(socket, sockopt::PassCred))
}

#[proctor::test(clauses = [2, 4, 6, 7, 8, 11, 12, 13], subject = |text: String| -> Vec<(String, Vec<String>)> {
    let (a, b) = pair();
    let file = file_with(&text);
    let one = file.as_raw_fd();
    let full = pair();
    fill(&full.0);
    let _ = full.0.set_nonblocking(true);
    let gone = pair().0;
    on_signal(Signal::SIGPIPE, SigHandler::SigDfl, SaFlags::empty());
    give(&a, b"-", &[one]);
    give(&a, b"-", &[]);
    give(&a, b"-", &[one; 3]);
    let mut seen = Vec::new();
    let mut look = |what: &str, socket: &UnixStream, call: &dyn Fn(&UnixStream)| {
        let (before, set) = (Surroundings::now(), options(socket));
        call(socket);
        let mut changes = before.changes();
        let options = (set != options(socket)).then(|| "the options of the socket".to_owned());
        changes.extend(options);
        seen.push((what.to_owned(), changes));
    };
    let sends = |socket: &UnixStream| _ = send_file(socket, file.as_fd());
    let receives = |socket: &UnixStream| _ = receive_file(socket);
    look("receives a file", &b, &receives);
    look("refuses a byte without a descriptor", &b, &receives);
    look("refuses three descriptors", &b, &receives);
    look("finds the end of the stream", &gone, &receives);
    look("sends a file", &a, &sends);
    look("finds no room", &full.0, &sends);
    look("sends to a closed peer", &gone, &sends);
    seen
})]
fn a_call_leaves_the_process_as_it_was(mut subject: Subject) {
    let answer = subject.ask(&word());
    for (what, changes) in &answer.value {
        assert!(
            changes.is_empty(),
            "a call that {what} has changed something: {}",
            changes.join("; ")
        );
    }
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4, 6, 7], subject = |(text, rounds): (String, u32)| -> (u32, Option<Got>, i32) {
    let (a, b) = pair();
    setsockopt(&a, sockopt::SndBuf, &4096).expect("a small buffer");
    let file = file_with(&text);
    let sender = child(|| {
        let all_sent = (0..rounds).all(|_| send_file(&a, file.as_fd()).is_ok());
        u8::from(!all_sent)
    });
    drop(a);
    let (done, wrong) = with_room(60, || {
        let expected = Got::File(text);
        let mut got = (1..=rounds).map(|round| (round, receive(&b)));
        let wrong = got.find(|(_, got)| *got != expected);
        wrong.map_or((rounds, None), |(round, got)| (round, Some(got)))
    });
    // After an error, it ends the sender too.
    let _ = b.shutdown(Shutdown::Both);
    (done, wrong, reap(sender))
})]
fn a_thousand_messages_need_no_more_than_one(mut subject: Subject) {
    // What is needed once: buffers, tables.
    subject.ask(&(word(), 10));
    let rounds = 1100;
    let answer = subject.ask(&(word(), rounds));
    let (done, wrong, sent) = &answer.value;
    // If the sender fails, the receiver finds the end of the stream.
    assert!(
        *sent == 0 || !matches!(wrong, None | Some(End)),
        "the sender may have 1,024 descriptors open, and one of {rounds} calls of send_file failed"
    );
    assert!(
        wrong.is_none(),
        "the receiver may open 60 descriptors and closes each file at once, and call {done} of receive_file returned {wrong:?}, not the file"
    );
    let left = answer.evidence.heap.left;
    assert!(
        left < u64::from(rounds),
        "{rounds} calls left {left} bytes of memory"
    );
    nothing_else(&answer, 1, 0);
}

#[proctor::test(clauses = [1, 2, 3, 4, 6, 7], subject = |texts: Vec<String>| -> Vec<Got> {
    let ((a, b), (c, d)) = (pair(), pair());
    // The other direction of the same socket, and another socket.
    let meanwhile = || [(&b, &a), (&c, &d)].map(|(from, to)| {
        let _ = send(from, file_with(&texts[0]));
        receive(to)
    });
    let mut got = Vec::new();
    let (say, hear) = mpsc::channel();
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let _ = say.send(Onlooker::of_this_thread());
            receive(&b)
        });
        hear.recv().expect("the thread").until_it_waits();
        got.extend(meanwhile());
        give(&a, b"-", &[file_with(&texts[1]).as_raw_fd()]);
        got.push(waits.join().expect("the thread"));

        let filled = fill(&a);
        let waits = scope.spawn(|| {
            let _ = say.send(Onlooker::of_this_thread());
            send(&a, file_with(&texts[2]))
        });
        hear.recv().expect("the thread").until_it_waits();
        got.extend(meanwhile());
        empty(&b, filled);
        got.push(waits.join().expect("the thread"));
        got.push(receive(&b));
    });
    got
})]
fn a_call_that_waits_holds_up_no_other(mut subject: Subject) {
    let texts = words(3);
    let answer = subject.ask(&texts);
    let [meanwhile, first, second] = [0, 1, 2].map(|place| Got::File(texts[place].clone()));
    let right = [
        (&meanwhile, "a thread waits in receive_file"),
        (&meanwhile, "a thread waits in receive_file"),
        (&first, "this call waited for a file"),
        (&meanwhile, "a thread waits in send_file"),
        (&meanwhile, "a thread waits in send_file"),
        (&Sent, "this call waited for room"),
        (&second, "the call that sent it waited"),
    ];
    expect_all(&answer.value, &right);
    nothing_else(&answer, 0, 2);
}
