//! Judges `send_file` and `receive_file`, each of them also against a peer that
//! the test plays itself: [`give`] sends what the receiver gets, and [`take`]
//! sees all that the sender has sent.
proctor::exercise!(fd_passing);

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::iter;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};
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
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use proctor::{Answer, Onlooker, Subject, Surroundings, do_nothing, on_signal, other_child};
use serde::{Deserialize, Serialize};

/// The most descriptors in one message.
///
/// The kernel lets all processes of an ordinary user together have as many
/// descriptors in messages on the way as the sender may have open. So tests that
/// send this many raise the limit of descriptors.
const MOST: usize = 253;

/// How often a call is interrupted: more often than any loop would try that
/// gives up.
const OFTEN: usize = 2000;

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
    /// `receive_file` returned a file with this number, and not with another.
    Number(RawFd),
    /// The test itself has taken this byte of `send_file`, and so many files
    /// with it.
    Byte(u8, usize),
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

/// As `course check --explain` shows it.
impl fmt::Debug for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sent => write!(f, "Sent"),
            Got::File(text) => f.debug_tuple("FileWithText").field(text).finish(),
            End => write!(f, "EndOfStream"),
            Got::Errno(number) => {
                let name = format!("{:?}", Errno::from_raw(*number));
                f.debug_tuple("Error").field(&name).finish()
            }
            Got::Failed(kind) => f.debug_tuple("ErrorOfKind").field(kind).finish(),
            Got::Number(number) => f.debug_tuple("FileWithNumber").field(number).finish(),
            Got::Byte(value, files) => f.debug_tuple("Byte").field(value).field(files).finish(),
        }
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sent => write!(f, "Ok(())"),
            Got::File(text) => write!(f, "a file with the text {text:?}"),
            End => write!(f, "None"),
            Got::Errno(number) => write!(f, "the error {:?}", Errno::from_raw(*number)),
            Got::Failed(kind) => write!(f, "an error of the kind {kind}"),
            Got::Number(number) => write!(f, "a file with the number {number}"),
            Got::Byte(value, files) => {
                write!(
                    f,
                    "the byte {value} with {}",
                    proctor::count(*files, "file")
                )
            }
        }
    }
}

/// What came of a message that is lost: [`Got::refused`] stands for every error
/// that C14 allows.
fn lost(result: io::Result<Option<OwnedFd>>) -> Got {
    match result {
        Ok(Some(file)) => Got::File(text_of(&File::from(file))),
        Ok(None) => End,
        Err(error) => {
            let may_come_again = [ErrorKind::WouldBlock, ErrorKind::Interrupted];
            match may_come_again.contains(&error.kind()) {
                true => Got::error(&error),
                false => Got::refused(),
            }
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

/// Sends, and receives what arrived. If the sender has failed, a receiver would
/// wait for ever.
fn send_and_receive(from: &UnixStream, file: impl AsFd, to: &UnixStream) -> (Got, Got) {
    let sent = send(from, file);
    let got = if sent == Sent { receive(to) } else { End };
    (sent, got)
}

/// Demands what a call returned.
#[track_caller]
fn expect(got: &Got, right: &Got, when: &str) {
    assert!(
        got == right,
        "{when}, and the call returned {got}, not {right}"
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

fn small_buffer(socket: &UnixStream) {
    setsockopt(socket, sockopt::SndBuf, &4096).expect("a small buffer");
}

/// For how many messages a socket with a small buffer has room.
fn messages_with_room() -> usize {
    let (a, _b) = pair();
    small_buffer(&a);
    let _ = a.set_nonblocking(true);
    let file = file_with("");
    let rights = [file.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&rights)];
    let byte = [IoSlice::new(b"-")];
    let send =
        |_: &u32| sendmsg::<()>(a.as_raw_fd(), &byte, &rights, MsgFlags::empty(), None).is_ok();
    (0..).take_while(send).count()
}

/// Makes the socket take no byte more, and returns how many it took.
fn fill(socket: &UnixStream) -> usize {
    small_buffer(socket);
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
    iter::repeat_with(word).take(number).collect()
}

// ------------------------------------------------------------------ one message

/// A lock on the whole file, for fcntl(2).
fn whole_file() -> libc::flock {
    // SAFETY: zeros are a valid value of this structure of integers.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = libc::F_WRLCK as _;
    whole
}

/// Gives this process a record lock on the file.
fn lock(file: &File) {
    fcntl(file, FcntlArg::F_SETLK(&whole_file())).expect("a record lock");
}

/// Whether this process still has its record lock. Another open file of the
/// same process may ask, because its own locks are of the other kind.
fn is_locked(file: &File) -> bool {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let Ok(other) = File::options().read(true).write(true).open(path) else {
        return false;
    };
    let mut found = whole_file();
    let asked = fcntl(&other, FcntlArg::F_OFD_GETLK(&mut found));
    asked.is_ok() && found.l_type != libc::F_UNLCK as libc::c_short
}

#[proctor::test(clauses = [4, 6, 7], subject = |texts: Vec<String>| -> Vec<(Got, Taken, bool)> {
    let (a, b) = pair();
    let look = |text: &String| {
        let mut file = file_with(text);
        let _ = file.seek(SeekFrom::Start(3));
        lock(&file);
        let sent = send(&a, &file);
        let flags = fcntl(&file, FcntlArg::F_GETFD);
        let is_kept = flags == Ok(libc::FD_CLOEXEC) && file.stream_position().ok() == Some(3);
        let is_kept = is_kept && is_locked(&file);
        (sent, take(&b), is_kept)
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
            "after send_file, the sender's own descriptor is no longer open as it was, or the sender has lost its record lock on the file (fcntl F_SETLK), which ends when any descriptor for the file is closed"
        );
    }
    nothing_else(&answer, 0, 0);
}

/// What both sides see of one open file: the receiver's first offset and what
/// it read, and then the sender's offset, and whether the sender has O_APPEND.
type Shared = (u64, String, u64, bool);

#[proctor::test(clauses = [1, 2, 4], subject = |files: Vec<(String, u8)>| -> Vec<Option<Shared>> {
    let (a, b) = pair();
    let look = |(text, value): &(String, u8)| {
        let mut file = file_with(text);
        // The sender has moved the offset, and the receiver goes on from there.
        let _ = file.seek(SeekFrom::Start(5));
        give(&a, &[*value], &[file.as_raw_fd()]);
        let mut received = File::from(receive_file(&b).ok()??);
        let at = received.stream_position().unwrap_or(u64::MAX);
        let mut rest = String::new();
        let _ = received.read_to_string(&mut rest);
        let end = file.stream_position().unwrap_or(u64::MAX);
        let _ = fcntl(&received, FcntlArg::F_SETFL(OFlag::O_APPEND));
        let appends = fcntl(&file, FcntlArg::F_GETFL).unwrap_or(0) & libc::O_APPEND != 0;
        Some((at, rest, end, appends))
    };
    files.iter().map(look).collect()
})]
fn both_descriptors_share_one_open_file(mut subject: Subject) {
    let files: Vec<_> = (0..=u8::MAX).map(|value| (word(), value)).collect();
    let answer = subject.ask(&files);
    for ((text, value), shared) in files.iter().zip(&answer.value) {
        let Some((at, rest, end, appends)) = shared else {
            panic!(
                "a peer sent a file with a byte of the value {value}, and receive_file did not return it"
            );
        };
        assert!(
            *at == 5 && *rest == text[5..] && *end == text.len() as u64 && *appends,
            "the sender moved the offset to 5, the receiver read {rest:?} from offset {at} on, and then the sender's offset was {end}; the receiver set O_APPEND, and that the sender has it is {appends}: both should have one offset and the same status flags"
        );
    }
    nothing_else(&answer, 0, 0);
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
        let _ = b.set_nonblocking(sent != Sent);
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

/// What has the number, the number, and what the two calls returned.
type Passed = (String, RawFd, Got, Got);

/// Numbers at which code that keeps them in a byte, in 16 bits or in an
/// `fd_set` goes wrong, as far as the limit of this process allows them.
fn numbers() -> Vec<RawFd> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    // The highest numbers belong to the test.
    let allowed = |number: &RawFd| u64::try_from(*number).is_ok_and(|number| number + 8 < limit);
    let all = [
        0, 127, 128, 255, 256, 257, 511, 512, 900, 1023, 1024, 1025, 2047, 2048, 2500,
    ];
    all.into_iter().filter(allowed).collect()
}

/// A copy of the descriptor with this number.
fn copy_as(file: impl AsFd, number: RawFd) -> OwnedFd {
    // SAFETY: nothing in this process uses these numbers.
    unsafe { OwnedFd::from_raw_fd(libc::dup2(file.as_fd().as_raw_fd(), number)) }
}

#[proctor::test(clauses = [1, 2, 4, 6, 7], descriptors = 2600, subject = |text: String| -> Vec<Passed> {
    let (a, b) = pair();
    let file = file_with(&text);
    let own = file.try_clone().expect("a copy");
    let mut passed = Vec::new();
    for number in numbers() {
        let mut pass = |what: &str, from: &UnixStream, to: &UnixStream, file: &dyn AsFd| {
            let (sent, got) = send_and_receive(from, file.as_fd(), to);
            passed.push((what.to_owned(), number, sent, got));
        };
        let standard = if number == 0 { &[0][..] } else { &[] };
        with_free(standard, || {
            pass("the sent file", &a, &b, &copy_as(&file, number));
            pass("the sender's socket", &UnixStream::from(copy_as(&a, number)), &b, &own);
            pass("the receiver's socket", &a, &UnixStream::from(copy_as(&b, number)), &own);
        });
    }
    // All numbers below are taken, so the file arrives as this one.
    let mut fillers: Vec<File> = Vec::new();
    for number in numbers() {
        while number > fillers.last().map_or(0, |last| last.as_raw_fd() + 1) {
            fillers.push(file.try_clone().expect("a copy"));
        }
        give(&a, b"-", &[file.as_raw_fd()]);
        let standard = if number == 0 { &[0][..] } else { &[] };
        let got = with_free(standard, || match receive_file(&b) {
            Ok(Some(file)) if file.as_raw_fd() != number => {
                Got::Number(file.as_raw_fd())
            }
            Ok(Some(file)) => Got::File(text_of(&file.into())),
            Ok(None) => End,
            Err(error) => Got::error(&error),
        });
        passed.push(("what arrives".to_owned(), number, Sent, got));
    }
    passed
})]
fn the_numbers_do_not_matter(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    for (what, number, sent, got) in &answer.value {
        let when = format!("{what} has the number {number}");
        expect(sent, &Sent, &when);
        expect(got, &Got::File(text.clone()), &when);
    }
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 3, 4, 6, 7, 11], subject = |text: String| -> (Vec<Got>, i32, i32) {
    let (a, b) = pair();
    let mut got = vec![send(&a, file_with(&text)), receive(&b)];
    let sender = other_child(|| u8::from(send(&a, file_with(&text)) != Sent));
    drop(a);
    // Its descriptors are gone with it.
    let sent = reap(sender);
    got.extend([receive(&b), receive(&b)]);

    let (a, b) = pair();
    let receiver = other_child(|| u8::from(receive(&b) != Got::File(text.clone())));
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

/// The letter for the state of a process (`proc_pid_stat(5)`): S, if it sleeps
/// in a system call that a signal interrupts.
fn state_of(process: Pid) -> char {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.unwrap_or('X')
}

// The test follows a receiver from system call to system call (ptrace(2)), and
// looks at its descriptors before and after each of them. It interrupts the
// receiver this often, and only then sends the file.
#[proctor::test(clauses = [1, 2, 3, 4, 9], subject = |interruptions: u32| -> (Option<bool>, i32, bool) {
    on_signal(Signal::SIGUSR1, SigHandler::Handler(do_nothing), SaFlags::empty());
    let (a, b) = pair();
    let (reader, _writer) = io::pipe().expect("a pipe");
    let link = fs::read_link(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let link = link.expect("the name of the pipe");
    give(&a, b"-", &[reader.as_raw_fd()]);
    let received = receive_file(&b).ok().flatten();
    let has_flag = received.map(|file| fcntl(&file, FcntlArg::F_GETFD) == Ok(libc::FD_CLOEXEC));
    let child = other_child(|| {
        // Where the test may not trace, it has looked at the end only.
        if ptrace::traceme().is_ok() {
            let _ = raise(Signal::SIGSTOP);
        }
        u8::from(!matches!(receive_file(&b), Ok(Some(_))))
    });
    let known = descriptors_of(child, &link);
    let (mut was_without, mut stops) = (false, 0);
    let mut messages = 0..=interruptions;
    let mut onlooker = Onlooker::of_process(child.as_raw());
    loop {
        let passed_on = match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => return (has_flag, code, was_without),
            Ok(WaitStatus::Stopped(_, Signal::SIGUSR1)) => Some(Signal::SIGUSR1),
            Ok(WaitStatus::Stopped(..)) => None,
            Ok(WaitStatus::StillAlive) => {
                onlooker.until_it_waits();
                // Or it never sleeps, and tries again and again.
                let waits = matches!(state_of(child), 'S' | 'R') || stops > 1000;
                match waits.then(|| messages.next()).flatten() {
                    Some(last) if last == interruptions => give(&a, b"-", &[reader.as_raw_fd()]),
                    Some(_) => _ = kill(child, Signal::SIGUSR1),
                    None => {}
                }
                continue;
            }
            other => panic!("the test's own child: {other:?}"),
        };
        stops += 1;
        let mut now = descriptors_of(child, &link).into_iter();
        was_without |= now.any(|one| !known.contains(&one) && !one.1);
        let _ = ptrace::syscall(child, passed_on);
    }
})]
fn it_is_close_on_exec_from_the_beginning(mut subject: Subject) {
    for interruptions in [0, 1, 3] {
        let answer = subject.ask(&interruptions);
        let (has_flag, code, was_without) = answer.value;
        let when = format!("{interruptions} signals interrupted the wait, and a peer sent a file");
        assert!(
            has_flag.is_some() && code == 0,
            "{when}, and receive_file did not return it"
        );
        assert!(
            has_flag == Some(true),
            "the received descriptor is not close-on-exec: a program that this process executes gets it"
        );
        assert!(
            !was_without,
            "{when}: the received descriptor was not close-on-exec at first, and got the flag by a later call, if at all: a program that another thread executes in between gets it"
        );
        nothing_else(&answer, 1, 0);
    }
}

#[proctor::test(clauses = [1, 2, 3, 4, 6, 7, 11], subject = |texts: Vec<String>| -> (Vec<Got>, Vec<Got>, String, Got) {
    let (mut a, mut b) = pair();
    let mut got = vec![];
    let mut sent: Vec<Got> = texts.iter().map(|text| send(&a, file_with(text))).collect();
    let _ = a.write_all(b"and the rest");
    got.extend(texts.iter().map(|_| receive(&b)));
    let _ = b.set_nonblocking(true);
    let mut rest = [0; 100];
    let length = b.read(&mut rest).unwrap_or(0);
    let rest = String::from_utf8_lossy(&rest[..length]).into_owned();
    // The socket has room for all of these, so no call waits, although nobody
    // receives.
    small_buffer(&a);
    let texts = || texts.iter().cycle().take(messages_with_room());
    sent.extend(texts().map(|text| send(&a, file_with(text))));
    got.extend(texts().map(|_| receive(&b)));
    drop(a);
    (sent, got, rest, receive(&b))
})]
fn several_messages_arrive_one_by_one(mut subject: Subject) {
    let texts = words(60);
    let answer = subject.ask(&texts);
    let (sent, got, rest, end) = &answer.value;
    for (place, (sent, got)) in sent.iter().zip(got).enumerate() {
        let (number, what) = match place.checked_sub(60) {
            None => (place, "60 files are sent before any is received"),
            Some(number) => (number, "as many files are sent as the socket has room for"),
        };
        let when = format!("{what}, and this is number {number}");
        expect(sent, &Sent, &when);
        expect(got, &Got::File(texts[number % 60].clone()), &when);
    }
    assert!(
        rest == "and the rest",
        "after 60 messages, the peer wrote \"and the rest\", and after 60 calls of receive_file the stream holds {rest:?}"
    );
    expect(end, &End, "the peer is gone");
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4, 12, 13, 14], subject = |(text, files, room): (String, usize, u64)| -> (Got, Vec<usize>, Got) {
    let (a, b) = pair();
    let _ = a.set_nonblocking(true);
    let file = file_with(&text);
    give(&a, b"-", &vec![file.as_raw_fd(); files]);
    let flood: Vec<u8> = (0..100_000).map(|place| (place % 251) as u8).collect();
    let mut sent = 0;
    while sent < flood.len() && let Ok(more @ 1..) = (&a).write(&flood[sent..]) {
        sent += more;
    }
    let waiting = || {
        let mut waiting: libc::c_int = 0;
        // SAFETY: the call writes one integer.
        unsafe { libc::ioctl(b.as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
        usize::try_from(waiting).unwrap_or(0)
    };
    let (got, _) = with_room(room, || receive(&b));
    let left = waiting();
    let mut rest = vec![0; left];
    let is_same = (&b).read_exact(&mut rest).is_ok() && flood.starts_with(&rest);
    give(&a, b"-", &[file.as_raw_fd()]);
    (got, vec![sent, left, if is_same { left } else { 0 }], receive(&b))
})]
fn what_is_behind_a_byte_stays_in_the_stream(mut subject: Subject) {
    let text = word();
    for (files, room) in [(0, 500), (1, 500), (2, 500), (9, 500), (1, 0), (3, 1)] {
        let answer = subject.ask(&(text.clone(), files, room));
        let (got, counts, next) = &answer.value;
        let when = format!(
            "a byte carries {}, the receiver may open {room} more, and behind the byte are {} bytes",
            proctor::count(files, "descriptor"),
            counts[0]
        );
        let right = match files {
            _ if room < files as u64 => got.clone(),
            1 => Got::File(text.clone()),
            _ => Got::refused(),
        };
        expect(got, &right, &when);
        assert!(
            counts.iter().all(|count| *count == counts[0]),
            "{when}, and when receive_file has returned, {} bytes are there, of which {} are those that were sent",
            counts[1],
            counts[2]
        );
        expect(
            next,
            &Got::File(text.clone()),
            "the bytes behind have been read, and then comes a message",
        );
        nothing_else(&answer, 0, 0);
    }
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
    // Every value, each alone, and then all of them in one piece.
    let all: Vec<u8> = (0..=u8::MAX).collect();
    // A call that takes too much finds no more.
    let _ = b.set_nonblocking(true);
    let mut got: Vec<Got> = (0..9).map(|_| receive(&b)).collect();
    for value in all.chunks(1).chain([&all[..]]) {
        give(&a, value, &[]);
        got.extend(value.iter().map(|_| receive(&b)));
    }
    drop(a);
    got.push(receive(&b));
    got
})]
fn a_byte_without_a_descriptor_is_refused(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (file, refused) = (&Got::File(text), &Got::refused());
    let with = (file, "this byte carries a descriptor");
    let without = (refused, "this byte carries none");
    let end = (&End, "all bytes have been taken");
    let mut right = vec![
        without, without, with, with, without, without, without, with, without,
    ];
    right.extend([without; 2 * 256]);
    right.push(end);
    expect_all(&answer.value, &right);
    nothing_else(&answer, 0, 0);
}

/// How long the sockets of a test wait: for ever, for 1 ms, or not at all.
const WAITS: [&str; 3] = ["waits for ever", "waits 1 ms", "does not wait"];

fn pair_that(waits: &str) -> (UnixStream, UnixStream) {
    let (a, b) = pair();
    let short = Some(Duration::from_millis(1)).filter(|_| waits == WAITS[1]);
    for socket in [&a, &b] {
        let _ = socket.set_nonblocking(waits == WAITS[2]);
        let _ = socket.set_read_timeout(short);
        let _ = socket.set_write_timeout(short);
    }
    (a, b)
}

#[proctor::test(clauses = [1, 2, 4, 6, 7, 10, 11], subject = |(text, waits, has_credentials): (String, String, bool)| -> Vec<Got> {
    let mut got = Vec::new();
    let pair = || {
        let (a, b) = pair_that(&waits);
        let _ = setsockopt(&b, sockopt::PassCred, &has_credentials);
        (a, b)
    };
    let (a, b) = pair();
    drop(a);
    got.extend([receive(&b), receive(&b)]);
    for (end, is_own) in [(Shutdown::Write, false), (Shutdown::Both, false), (Shutdown::Read, true)] {
        let (a, b) = pair();
        give(&a, b"-", &[file_with(&text).as_raw_fd()]);
        let _ = send(&a, file_with(&text));
        // The other direction stays open, or not.
        let _ = if is_own { &b } else { &a }.shutdown(end);
        got.extend([receive(&b), receive(&b), receive(&b), receive(&b)]);
    }
    let (a, b) = pair();
    let _ = send(&a, file_with(&text));
    give(&a, b"-", &[file_with(&text).as_raw_fd()]);
    drop(a);
    got.extend([receive(&b), receive(&b), receive(&b)]);
    got
})]
fn the_end_of_the_stream_is_none(mut subject: Subject) {
    let text = word();
    let file = &Got::File(text.clone());
    for waits in WAITS {
        for has_credentials in [false, true] {
            let answer = subject.ask(&(text.clone(), waits.to_owned(), has_credentials));
            let option = if has_credentials {
                " and has the option SO_PASSCRED"
            } else {
                ""
            };
            let mut right = vec![
                (&End, "the peer is gone, and it sent nothing"),
                (&End, "the peer is still gone"),
            ];
            for end in [
                "the peer has shut its direction down",
                "the peer has shut both directions down",
                "the receiver has shut its direction down",
            ] {
                right.extend([(file, end), (file, end), (&End, end), (&End, end)]);
            }
            let gone = "the peer sent two files and closed all";
            right.extend([(file, gone), (file, gone), (&End, "the peer is gone")]);
            let right: Vec<_> = right
                .into_iter()
                .map(|(right, when)| (right, format!("the socket {waits}{option}, and {when}")))
                .collect();
            let right: Vec<_> = right
                .iter()
                .map(|(right, when)| (*right, &**when))
                .collect();
            expect_all(&answer.value, &right);
            nothing_else(&answer, 0, 0);
        }
    }
}

/// Runs `work` while these numbers are free in this process, apart from those
/// that are free anyway.
fn with_free<A>(numbers: &[RawFd], work: impl FnOnce() -> A) -> A {
    let keep = |number: &RawFd| {
        // SAFETY: the copy belongs to nobody else, and the number is put back.
        let copy = unsafe { libc::fcntl(*number, libc::F_DUPFD_CLOEXEC, 600) };
        // SAFETY: as above.
        unsafe { libc::close(*number) };
        (copy, *number)
    };
    let kept: Vec<_> = numbers.iter().map(keep).collect();
    let done = work();
    for (copy, number) in kept {
        // SAFETY: as above.
        unsafe {
            libc::dup2(copy, number);
            libc::close(copy);
        }
    }
    done
}

#[proctor::test(clauses = [1, 2, 4, 12, 13], descriptors = 2600, subject = |(text, number, length, free): (String, usize, usize, Vec<RawFd>)| -> (Vec<Got>, usize) {
    let (a, b) = pair();
    let file = file_with(&text);
    // With none of the standard streams free, the descriptors get high numbers.
    let fillers = if free.is_empty() { 900 } else { 0 };
    let fillers: Vec<_> = (0..fillers).map_while(|_| file.try_clone().ok()).collect();
    give(&a, &vec![0; length], &vec![file.as_raw_fd(); number]);
    give(&a, b"-", &[file.as_raw_fd()]);
    let (mut got, left) = with_free(&free, || {
        let before = open_descriptors();
        (vec![receive(&b)], open_descriptors().saturating_sub(before))
    });
    drop(fillers);
    got.extend((0..length).map(|_| receive(&b)));
    (got, left)
})]
fn more_than_one_descriptor_is_refused_and_none_stays(mut subject: Subject) {
    let numbers = [2, 3, 4, 5, 8, 9, 16, 17, 64, 65, 252, MOST];
    let few = numbers.map(|number| (number, vec![0]));
    let others =
        [vec![], vec![1], vec![2], vec![0, 1, 2]].map(|free| [(2, free.clone()), (MOST, free)]);
    for (number, free) in few.into_iter().chain(others.into_iter().flatten()) {
        let (text, length) = (word(), 1 + number % 3);
        let answer = subject.ask(&(text.clone(), number, length, free.clone()));
        let (got, left) = &answer.value;
        let when = format!("the first byte of a message carries {number} descriptors");
        let numbers = match &free[..] {
            [] => String::new(),
            [one] => format!(" (the number {one} was free)"),
            several => format!(" (the numbers {several:?} were free)"),
        };
        expect(&got[0], &Got::refused(), &when);
        assert!(
            *left == 0,
            "{when}, and when receive_file has returned its error, {} still open in the receiver{numbers}",
            of_them(*left)
        );
        for got in &got[1..length] {
            expect(got, &Got::refused(), "this byte carries no descriptor");
        }
        let when = "the message after a refused one carries one descriptor";
        expect(&got[length], &Got::File(text.clone()), when);
        nothing_else(&answer, 0, 0);
    }
}

/// `1 of them is`, `2 of them are`.
fn of_them(number: usize) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{number} of them {verb}")
}

/// All limits of this process (getrlimit(2)). Asking needs no descriptor.
fn limits() -> Vec<(u64, u64)> {
    let limit = |resource| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the call fills the structure.
        unsafe { libc::getrlimit(resource, &raw mut limit) };
        (limit.rlim_cur, limit.rlim_max)
    };
    // RLIM_NLIMITS, which is 16.
    (0..16).map(limit).collect()
}

/// Runs `work` while the process may open only `room` descriptors more. Says
/// also whether the limits of the process were the same afterwards.
fn with_room<A>(room: u64, work: impl FnOnce() -> A) -> (A, bool) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    // The kernel gives the lowest free number.
    let free = File::open("/dev/null").expect("a descriptor").as_raw_fd();
    let limit = u64::from(free.unsigned_abs()) + room;
    setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("a lower limit");
    let before = limits();
    let done = work();
    let same = before == limits();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit as it was");
    (done, same)
}

#[proctor::test(clauses = [1, 2, 4, 13, 14], descriptors = 2600, subject = |(text, sent, room, free): (String, usize, u64, Vec<RawFd>)| -> (Got, usize, bool, Got) {
    let (a, b) = pair();
    let file = file_with(&text);
    give(&a, b"-", &vec![file.as_raw_fd(); sent]);
    give(&a, b"-", &[file.as_raw_fd()]);
    let (got, left, same) = with_free(&free, || {
        let before = open_descriptors();
        let (got, same) = with_room(room, || receive(&b));
        (got, open_descriptors().saturating_sub(before), same)
    });
    (got, left, same, receive(&b))
})]
fn a_full_table_of_descriptors_is_an_error(mut subject: Subject) {
    let few = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (10, 4)];
    let many = [0, 1, 252].map(|room| (MOST, room));
    let usual = few
        .into_iter()
        .chain(many)
        .map(|(sent, room)| (sent, room, vec![]));
    let low = [(2, 1), (3, 2), (5, 1), (MOST, 1)].map(|(sent, room)| (sent, room, vec![0]));
    for (sent, room, free) in usual.chain(low) {
        let text = word();
        let answer = subject.ask(&(text.clone(), sent, room, free.clone()));
        let (got, left, same, next) = &answer.value;
        let when = format!(
            "one byte carries {}, and the receiver may open only {room} more",
            proctor::count(sent, "descriptor")
        );
        let is_final = match got {
            Got::Errno(number) => ![libc::EAGAIN, libc::EINTR].contains(number),
            Got::Failed(kind) => !["WouldBlock", "Interrupted"].contains(&&**kind),
            _ => false,
        };
        assert!(
            is_final,
            "{when}, so the kernel has dropped at least one descriptor (MSG_CTRUNC), and receive_file returned {got}, not an error of a kind other than WouldBlock and Interrupted"
        );
        assert!(
            *left == 0,
            "{when}, and when receive_file has returned its error, {} still open in the receiver",
            of_them(*left)
        );
        assert!(
            *same,
            "{when}, and receive_file has changed a limit of the process"
        );
        let when = "the limit is as before, and the next byte carries one descriptor";
        expect(next, &Got::File(text.clone()), when);
        nothing_else(&answer, 0, 0);
    }
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 7, 11, 12], subject = |text: String| -> Vec<Got> {
    let (a, b) = pair();
    let file = file_with(&text);
    // A lower limit would also limit how many descriptors may be on the way.
    let copies: Vec<File> = iter::from_fn(|| file.try_clone().ok()).collect();
    let mut got = vec![send(&a, &file), send(&a, &file)];
    drop(copies);
    let _ = b.set_nonblocking(got != [Sent, Sent]);
    got.extend(with_room(1, || [receive(&b), receive(&b)]).0);
    give(&a, b"-", &[]);
    let _ = b.set_nonblocking(true);
    got.extend(with_room(0, || [receive(&b), receive(&b)]).0);
    drop(a);
    got.extend(with_room(0, || [receive(&b)]).0);
    got
})]
fn a_call_needs_room_only_for_what_arrives(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let file = &Got::File(text);
    let right = [
        (
            &Sent,
            "the sender can open no more descriptors, and sendmsg needs none",
        ),
        (
            &Sent,
            "the sender can open no more descriptors, and sendmsg needs none",
        ),
        (
            file,
            "the receiver may open one more descriptor, and one arrives",
        ),
        (
            file,
            "the receiver may open one more descriptor, and one arrives",
        ),
        (
            &Got::refused(),
            "the receiver can open no more descriptors, and a byte carries none",
        ),
        (
            &Got::Errno(libc::EAGAIN),
            "the receiver can open no more descriptors, and does not wait",
        ),
        (
            &End,
            "the receiver can open no more descriptors, and the stream has ended",
        ),
    ];
    expect_all(&answer.value, &right);
    nothing_else(&answer, 0, 0);
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 7, 10, 11, 12, 13, 14], descriptors = 2600, subject = |text: String| -> (Vec<Got>, i32) {
    let (a, b) = pair();
    let file = file_with(&text);
    let one = file.as_raw_fd();
    // These carry no credentials, so the kernel makes some up: process 0, and
    // the user that stands for unknown ones.
    give(&a, b"-", &[one]);
    give(&a, b"-", &[]);
    give(&a, b"-", &[one, one]);
    setsockopt(&b, sockopt::PassCred, &true).expect("credentials");
    give(&a, b"-", &[one]);
    give(&a, b"-", &[]);
    give(&a, b"-", &[one, one]);
    give(&a, b"-", &[one; MOST]);
    let sent = reap(other_child(|| u8::from(send(&a, &file) != Sent)));
    drop(a);
    let mut got: Vec<Got> = (0..9).map(|_| receive(&b)).collect();
    let (a, b) = pair();
    setsockopt(&b, sockopt::PassCred, &true).expect("credentials");
    give(&a, b"-", &[one]);
    let (result, _) = with_room(0, || receive_file(&b));
    got.push(lost(result));
    let _ = b.set_nonblocking(true);
    got.push(receive(&b));
    (got, sent)
})]
fn credentials_in_the_control_data_change_nothing(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (file, refused) = (&Got::File(text), &Got::refused());
    let right = [
        (
            file,
            "besides credentials of an unknown user, one file arrived",
        ),
        (
            refused,
            "credentials of an unknown user arrived without a file",
        ),
        (
            refused,
            "besides credentials of an unknown user, two files arrived",
        ),
        (file, "besides credentials, one file arrived"),
        (refused, "credentials arrived without a file"),
        (refused, "besides credentials, two files arrived"),
        (refused, "besides credentials, 253 files arrived"),
        (
            file,
            "besides credentials of another process, one file arrived",
        ),
        (&End, "the stream with credentials has ended"),
        (
            refused,
            "besides credentials, a file arrived that found no room (any error is right)",
        ),
        (
            &Got::Errno(libc::EAGAIN),
            "nothing is there, and the socket does not wait",
        ),
    ];
    expect_all(&answer.value.0, &right);
    assert!(
        answer.value.1 == 0,
        "a child process sent a file, nothing had gone wrong, and send_file failed"
    );
    nothing_else(&answer, 1, 0);
}

// ---------------------------------------------------------- waiting and signals

/// The signals that interrupt: many that have a name, and all real-time ones.
fn interrupters() -> Vec<i32> {
    use libc::{SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGPWR, SIGQUIT};
    use libc::{SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH};
    let mut all = vec![
        SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD, SIGCONT, SIGTSTP,
        SIGTTIN, SIGTTOU, SIGURG, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR,
    ];
    all.extend(libc::SIGRTMIN()..=libc::SIGRTMAX());
    all
}

/// Which signals have run the handler, one bit each.
static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: i32) {
    HANDLED.fetch_or(1 << (signal - 1), Relaxed);
}

/// Gives all [`interrupters`] a handler, and no call is restarted after it.
fn handle_interrupters() {
    for signal in interrupters() {
        // SAFETY: zeros are a valid structure, and the handler only changes an
        // atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as extern "C" fn(i32) as libc::sighandler_t;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// The interrupters whose handlers have not run.
fn not_handled() -> Vec<i32> {
    let handled = HANDLED.load(Relaxed);
    let is_missing = |signal: &i32| handled & (1 << (signal - 1)) == 0;
    interrupters().into_iter().filter(is_missing).collect()
}

/// Interrupts a process that waits, [`OFTEN`] times, with all the signals in
/// turns. Returns when the process waits again, and says whether `before` is
/// still true of its signals.
fn interrupt(process: Pid, before: &[u64]) -> bool {
    let mut onlooker = Onlooker::of_process(process.as_raw());
    for signal in interrupters().into_iter().cycle().take(OFTEN) {
        onlooker.until_it_waits();
        // SAFETY: the process has handlers for these.
        unsafe { libc::kill(process.as_raw(), signal) };
    }
    // A call may block signals for moments, but not while it waits.
    (0..20).any(|_| {
        onlooker.until_it_waits();
        signals_of(process) == before
    })
}

const CHANGED: &str = "the process ignored, handled or blocked other signals than before the call, or handlers of signals that had come did not run";

/// The signals that a process ignores, handles and blocks, and those that have
/// come and wait. A call may block SIGPIPE.
fn signals_of(process: Pid) -> Vec<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let others = !(1_u64 << (Signal::SIGPIPE as i32 - 1));
    let sets = [
        ("SigIgn:", !0),
        ("SigCgt:", !0),
        ("SigBlk:", others),
        ("SigPnd:", others),
        ("ShdPnd:", others),
    ];
    let set = |(name, mask)| {
        let set = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(u64::from_str_radix(set.trim(), 16).ok()? & mask)
    };
    sets.into_iter().filter_map(set).collect()
}

/// What each test of interruptions demands besides.
#[track_caller]
fn all_handled<A>(answer: &Answer<A>, same: bool, missing: &[i32], when: &str) {
    assert!(same, "{when}: while it waited, {CHANGED}");
    assert!(
        missing.is_empty(),
        "{when}: the handlers of the signals {missing:?} did not run"
    );
    let left = answer.evidence.heap.left;
    assert!(
        left < OFTEN as u64,
        "{when}: the call left {left} bytes of memory"
    );
}

#[proctor::test(clauses = [1, 2, 3, 4], subject = |text: String| -> (Got, bool, Vec<i32>) {
    handle_interrupters();
    let (a, b) = pair();
    let file = file_with(&text);
    let (caller, before) = (getpid(), signals_of(getpid()));
    let peer = other_child(|| {
        let same = interrupt(caller, &before);
        give(&a, b"-", &[file.as_raw_fd()]);
        u8::from(!same)
    });
    let got = receive(&b);
    let missing = not_handled();
    (got, reap(peer) == 0, missing)
})]
fn interruptions_do_not_end_the_wait_for_a_message(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (got, same, missing) = &answer.value;
    let when = format!("{OFTEN} signals interrupted the wait, and then the peer sent a file");
    expect(got, &Got::File(text), &when);
    all_handled(&answer, *same, missing, &when);
    nothing_else(&answer, 1, 0);
}

#[proctor::test(clauses = [3, 4, 6, 7, 8], subject = |text: String| -> (Got, bool, Vec<i32>, Taken) {
    handle_interrupters();
    on_signal(Signal::SIGPIPE, SigHandler::SigDfl, SaFlags::empty());
    let (a, b) = pair();
    let filled = fill(&a);
    let (caller, before) = (getpid(), signals_of(getpid()));
    let peer = other_child(|| {
        let same = interrupt(caller, &before);
        empty(&b, filled);
        u8::from(!same)
    });
    let sent = send(&a, file_with(&text));
    let missing = not_handled();
    (sent, reap(peer) == 0, missing, take(&b))
})]
fn interruptions_do_not_end_the_wait_for_room(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let (sent, same, missing, (bytes, files)) = &answer.value;
    let when = format!(
        "the socket had no room, {OFTEN} signals interrupted the wait, and then the peer made room"
    );
    expect(sent, &Sent, &when);
    assert!(
        *bytes == [0] && files[..] == [text],
        "{when}, and then the peer got the bytes {bytes:?} and the files {files:?}: it should be one byte with the value 0, and the file"
    );
    all_handled(&answer, *same, missing, &when);
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

/// The peer's socket, for the handlers that end the connection.
static PEER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn shut_the_peer_down(_: i32) {
    // SAFETY: takes numbers.
    unsafe { libc::shutdown(PEER.load(Relaxed), libc::SHUT_RDWR) };
}

extern "C" fn close_the_peer(_: i32) {
    // SAFETY: nobody uses this number any more.
    unsafe { libc::close(PEER.load(Relaxed)) };
}

/// Calls `send_file` on a socket without room, interrupts the call this often,
/// and with the last interruption the connection ends: the handler `end` ends it.
fn ends_with_an_interruption(interruptions: u32, end: extern "C" fn(i32)) -> Got {
    let (a, b) = pair();
    fill(&a);
    on_signal(
        Signal::SIGUSR1,
        SigHandler::Handler(do_nothing),
        SaFlags::empty(),
    );
    on_signal(Signal::SIGUSR2, SigHandler::Handler(end), SaFlags::empty());
    PEER.store(b.into_raw_fd(), Relaxed);
    let caller = getpid();
    let interrupter = other_child(|| {
        // SAFETY: this process does not use the number.
        unsafe { libc::close(PEER.load(Relaxed)) };
        let mut onlooker = Onlooker::of_process(caller.as_raw());
        for last in 1..=interruptions {
            let signal = if last == interruptions {
                Signal::SIGUSR2
            } else {
                Signal::SIGUSR1
            };
            onlooker.until_it_waits();
            let _ = kill(caller, signal);
        }
        0
    });
    let got = send(&a, file_with(""));
    reap(interrupter);
    got
}

/// The same without a signal: another process ends the connection, by a
/// shutdown or as the last one that has the socket open.
fn ends_while_it_waits(by_shutdown: bool) -> Got {
    let (a, b) = pair();
    fill(&a);
    let caller = getpid();
    let other = other_child(|| {
        Onlooker::of_process(caller.as_raw()).until_it_waits();
        if by_shutdown {
            let _ = b.shutdown(Shutdown::Both);
        }
        0
    });
    let kept = Some(b).filter(|_| by_shutdown);
    let got = send(&a, file_with(""));
    reap(other);
    drop(kept);
    got
}

#[proctor::test(clauses = [3, 4, 5, 6, 7, 8], subject = |is_handled: bool| -> (Vec<Got>, u32) {
    let handler = if is_handled { SigHandler::Handler(count_signal) } else { SigHandler::SigDfl };
    on_signal(Signal::SIGPIPE, handler, SaFlags::SA_RESTART);
    let file = file_with("");
    let mut got = Vec::new();
    let (a, b) = pair();
    drop(b);
    got.push(send(&a, &file));
    let (a, _b) = pair();
    let _ = a.shutdown(Shutdown::Write);
    got.push(send(&a, &file));
    got.push(ends_while_it_waits(true));
    got.push(ends_while_it_waits(false));
    for interruptions in [1, 2, 5] {
        got.push(ends_with_an_interruption(interruptions, shut_the_peer_down));
        // SAFETY: the number belongs to nobody else.
        unsafe { libc::close(PEER.load(Relaxed)) };
        got.push(ends_with_an_interruption(interruptions, close_the_peer));
    }
    (got, PIPE_SIGNALS.load(Relaxed))
})]
fn a_closed_peer_is_an_error_and_no_signal(mut subject: Subject) {
    for is_handled in [true, false] {
        let answer = subject.ask(&is_handled);
        let (got, signals) = &answer.value;
        assert!(
            *signals == 0,
            "nobody can receive what is sent, and the sender got SIGPIPE {signals} times: without a handler, the first one ends the process"
        );
        let [epipe, reset] = [libc::EPIPE, libc::ECONNRESET].map(Got::Errno);
        let right = [
            "the peer is closed",
            "the sender has shut its direction down",
            "the peer shuts down while the sender waits for room",
            "the peer closes while the sender waits for room",
        ];
        let interrupted = [
            "a handler interrupts the wait for room, and meanwhile the peer shuts down",
            "a handler interrupts the wait for room, and meanwhile the peer closes",
        ];
        let all = right.into_iter().chain(interrupted.into_iter().cycle());
        for (got, when) in got.iter().zip(all) {
            // What was sent before was not read.
            let may_be_reset = when.contains("closes");
            if !(may_be_reset && *got == reset) {
                expect(got, &epipe, when);
            }
        }
        nothing_else(&answer, 8, 0);
    }
}

/// The kernel lets an ordinary process have as many descriptors in messages on
/// the way as it may have open. This child has more. Returns the errors of the
/// test's own call and of `send_file`, or 0.
fn too_many_on_the_way(file: &File) -> (i32, i32) {
    let (a, _b) = pair();
    let _ = a.set_nonblocking(true);
    for _ in 0..40 {
        give(&a, b"-", &[file.as_raw_fd()]);
    }
    let run = |own: bool| {
        reap(other_child(|| {
            // Version 3, this thread; and no capability at all.
            let (header, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
            // SAFETY: the call reads these two structures.
            unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
            let _ = setrlimit(Resource::RLIMIT_NOFILE, 20, 20);
            let rights = [file.as_raw_fd()];
            let rights = [ControlMessage::ScmRights(&rights)];
            let byte = [IoSlice::new(&[0])];
            let flags = MsgFlags::MSG_NOSIGNAL;
            let got = match own {
                true => sendmsg::<()>(a.as_raw_fd(), &byte, &rights, flags, None)
                    .map_or_else(|errno| Got::Errno(errno as i32), |_| Sent),
                false => send(&a, file),
            };
            match got {
                Sent => 0,
                Got::Errno(number) => u8::try_from(number).unwrap_or(254),
                _ => 255,
            }
        }))
    };
    (run(true), run(false))
}

#[proctor::test(clauses = [1, 2, 4, 5, 6, 11], subject = |text: String| -> (Vec<Got>, (i32, i32)) {
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
    (got, too_many_on_the_way(&file))
})]
fn other_errors_are_returned_as_they_are(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let [enotconn, einval, econnreset] =
        [libc::ENOTCONN, libc::EINVAL, libc::ECONNRESET].map(Got::Errno);
    let (mut got, (right, found)) = answer.value.clone();
    if got[2] == econnreset {
        // The contract allows both orders.
        got.swap(2, 3);
    }
    let as_they_are = [
        (&enotconn, "a socket is not connected"),
        (&einval, "a socket is not connected"),
        (&Got::File(text), "the peer sent a file before a reset"),
        (&econnreset, "the peer reset the connection"),
        (&End, "the reset has been reported"),
    ];
    expect_all(&got, &as_they_are);
    let named = |number: i32| match number {
        0 => "Ok(())".to_owned(),
        255 => "an error without a number".to_owned(),
        _ => format!("the error {:?}", Errno::from_raw(number)),
    };
    assert!(
        right == found,
        "more descriptors are on the way than the sender may have open, sendmsg gives {}, and send_file returned {}",
        named(right),
        named(found)
    );
    nothing_else(&answer, 2, 0);
}

// ---------------------------------------------------------------- what is left

/// The options of a socket that a call could change.
fn options(socket: &UnixStream) -> String {
    let timeouts = (socket.read_timeout(), socket.write_timeout());
    format!("{timeouts:?} {:?}", getsockopt(socket, sockopt::PassCred))
}

#[proctor::test(clauses = [2, 4, 6, 7, 8, 11, 12, 13, 14], subject = |text: String| -> Vec<(String, Vec<String>)> {
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
    give(&a, b"-", &[one]);
    give(&a, b"-", &[one; 3]);
    let alone = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None);
    let alone = UnixStream::from(alone.expect("a socket"));
    let mut seen = Vec::new();
    let mut look = |what: &str, socket: &UnixStream, call: &dyn Fn(&UnixStream)| {
        let (before, set) = (Surroundings::now(), options(socket));
        call(socket);
        let mut changes = before.changes();
        let options = (set != options(socket)).then(|| "the options of the socket".to_owned());
        changes.extend(options);
        seen.push((what.to_owned(), changes));
    };
    let crowded = |what: u64| move |socket: &UnixStream| {
        with_room(what, || receive_file(socket).is_err());
    };
    let sends = |socket: &UnixStream| _ = send_file(socket, file.as_fd());
    let receives = |socket: &UnixStream| _ = receive_file(socket);
    look("receives a file", &b, &receives);
    look("refuses a byte without a descriptor", &b, &receives);
    look("refuses three descriptors", &b, &receives);
    look("finds the end of the stream", &gone, &receives);
    look("finds no room for a descriptor", &b, &crowded(0));
    look("finds room for one of three descriptors", &b, &crowded(1));
    let _ = b.set_nonblocking(true);
    look("finds no message", &b, &receives);
    look("sends a file", &a, &sends);
    look("finds no room", &full.0, &sends);
    look("sends to a closed peer", &gone, &sends);
    look("sends on a socket that is not connected", &alone, &sends);
    look("receives from a socket that is not connected", &alone, &receives);
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

/// Receives one message, as `receive_file` does, and says also whether the byte
/// has the value 0.
fn take_one(socket: &UnixStream) -> Got {
    let mut byte = [1];
    let mut control = nix::cmsg_space!([RawFd; 2]);
    let mut buffer = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut buffer, Some(&mut control), flags);
    let files = match got {
        Ok(got) if got.bytes == 0 => return End,
        Ok(got) => match got.cmsgs().map(|mut all| all.next()) {
            Ok(Some(ControlMessageOwned::ScmRights(files))) => files,
            _ => vec![],
        },
        Err(errno) => return Got::Errno(errno as i32),
    };
    // SAFETY: the kernel has just opened them for this process.
    let mut files: Vec<_> = files
        .iter()
        .map(|file| unsafe { File::from_raw_fd(*file) })
        .collect();
    match (files.pop(), byte) {
        (Some(file), [0]) if files.is_empty() => Got::File(text_of(&file)),
        (file, [value]) => Got::Byte(value, files.len() + usize::from(file.is_some())),
    }
}

#[proctor::test(clauses = [1, 2, 4, 6, 7], subject = |(text, rounds): (String, u32)| -> (u32, Option<Got>, i32) {
    let (a, b) = pair();
    small_buffer(&a);
    let file = file_with(&text);
    let sender = other_child(|| {
        let all_sent = (0..rounds).all(|_| send_file(&a, file.as_fd()).is_ok());
        u8::from(!all_sent)
    });
    drop(a);
    let ((done, wrong), _) = with_room(60, || {
        let expected = Got::File(text);
        // The test itself takes every second message, and looks at the byte.
        let mut got = (1..=rounds).map(|round| (round, if round % 2 == 0 { take_one(&b) } else { receive(&b) }));
        let wrong = got.find(|(_, got)| *got != expected);
        wrong.map_or((rounds, None), |(round, got)| (round, Some(got)))
    });
    // After an error, it ends the sender too.
    let _ = b.shutdown(Shutdown::Both);
    (done, wrong, reap(sender))
})]
fn ten_thousand_messages_need_no_more_than_one(mut subject: Subject) {
    // What is needed once: buffers, tables.
    subject.ask(&(word(), 10));
    let (text, rounds) = (word(), 10_000);
    let answer = subject.ask(&(text.clone(), rounds));
    let (done, wrong, sent) = &answer.value;
    // If the sender fails, the receiver finds the end of the stream.
    assert!(
        *sent == 0 || !matches!(wrong, None | Some(End)),
        "the sender may have 1,024 descriptors open, and one of {rounds} calls of send_file failed"
    );
    if let Some(wrong) = wrong {
        panic!(
            "the sender sends {rounds} messages, each with the same file, the receiver may open 60 descriptors and closes each file at once, and message {done} gave {wrong}, not {} with the byte 0",
            Got::File(text)
        );
    }
    let left = answer.evidence.heap.left;
    assert!(
        left < u64::from(rounds),
        "{rounds} calls left {left} bytes of memory"
    );
    nothing_else(&answer, 1, 0);
}

/// Memory that this process has for data, in bytes: what it got from the
/// allocator, from malloc, or from the kernel.
fn data() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0) * 1024_u64
}

/// What happens a thousand times.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Case {
    Message,
    NoDescriptor,
    Several,
    NoRoom,
    RoomForOne,
    NothingThere,
    Full,
    Ended,
    Closed,
    NotConnected,
    Credentials,
}

impl Case {
    const ALL: [Case; 11] = [
        Case::Message,
        Case::NoDescriptor,
        Case::Several,
        Case::NoRoom,
        Case::RoomForOne,
        Case::NothingThere,
        Case::Full,
        Case::Ended,
        Case::Closed,
        Case::NotConnected,
        Case::Credentials,
    ];
}

// Returns a wrong result, if there is one, and by how much the memory has grown.
#[proctor::test(clauses = [2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14], subject = |(case, rounds): (Case, u32)| -> (Option<(u32, Got, Got)>, u64) {
    on_signal(Signal::SIGPIPE, SigHandler::SigIgn, SaFlags::empty());
    let (a, b) = pair();
    let file = file_with("text");
    let one = file.as_raw_fd();
    let alone = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    let alone = UnixStream::from(alone.expect("a socket"));
    let (ended, closed, full) = (pair().0, pair().0, pair());
    fill(&full.0);
    let _ = full.0.set_nonblocking(true);
    match case {
        Case::NothingThere => _ = b.set_nonblocking(true),
        Case::Credentials => _ = setsockopt(&b, sockopt::PassCred, &true),
        _ => {}
    }
    let text = Got::File("text".to_owned());
    let none_left = |room| lost(with_room(room, || receive_file(&b)).0);
    let errno = |number: i32| Got::Errno(number);
    let round = || match case {
        Case::Message | Case::Credentials => match send(&a, &file) {
            Sent => (receive(&b), text.clone()),
            other => (other, Sent),
        },
        Case::NoDescriptor => {
            give(&a, b"-", &[]);
            (receive(&b), Got::refused())
        }
        Case::Several => {
            give(&a, b"-", &[one; 9]);
            (receive(&b), Got::refused())
        }
        Case::NoRoom => {
            give(&a, b"-", &[one]);
            (none_left(0), Got::refused())
        }
        Case::RoomForOne => {
            give(&a, b"-", &[one; 9]);
            (none_left(1), Got::refused())
        }
        Case::NothingThere => (receive(&b), errno(libc::EAGAIN)),
        Case::Full => (send(&full.0, &file), errno(libc::EAGAIN)),
        Case::Ended => (receive(&ended), End),
        Case::Closed => (send(&closed, &file), errno(libc::EPIPE)),
        Case::NotConnected => match send(&alone, &file) {
            Got::Errno(libc::ENOTCONN) => (receive(&alone), errno(libc::EINVAL)),
            other => (other, errno(libc::ENOTCONN)),
        },
    };
    let before = data();
    let mut all = (1..=rounds).map(|number| (number, round()));
    let wrong = all.find(|(_, (got, right))| got != right);
    (wrong.map(|(number, (got, right))| (number, got, right)), data().saturating_sub(before))
})]
fn a_thousand_results_leave_no_memory(mut subject: Subject) {
    for case in Case::ALL {
        // What is needed once: buffers, tables.
        subject.ask(&(case, 10));
        let rounds = 1000;
        let answer = subject.ask(&(case, rounds));
        let (wrong, grown) = &answer.value;
        let what = match case {
            Case::Message => "a file is sent and received",
            Case::NoDescriptor => "a byte carries no descriptor",
            Case::Several => "a byte carries nine descriptors",
            Case::NoRoom => "a byte carries a descriptor, and the receiver can open no more",
            Case::RoomForOne => {
                "a byte carries nine descriptors, and the receiver may open only one more"
            }
            Case::NothingThere => "nothing is there, and the socket does not wait",
            Case::Full => "the socket has no room and does not wait",
            Case::Ended => "the stream has ended",
            Case::Closed => "the peer is closed",
            Case::NotConnected => "the socket is not connected",
            Case::Credentials => "a file is sent and received with credentials",
        };
        if let Some((number, got, right)) = wrong {
            let right = match case {
                Case::NoRoom | Case::RoomForOne => {
                    "an error of a kind other than WouldBlock and Interrupted".to_owned()
                }
                _ => right.to_string(),
            };
            panic!(
                "{rounds} times, {what}: time number {number}, a call returned {got}, not {right}"
            );
        }
        let left = answer.evidence.heap.left;
        assert!(
            left < u64::from(rounds) && *grown < 400 << 10,
            "{rounds} times, {what}: the calls left {left} bytes of memory, and the data of the process has grown by {grown} bytes"
        );
        nothing_else(&answer, 0, 0);
    }
}

/// How many calls wait at once.
const CROWD: i32 = 100;

#[proctor::test(clauses = [1, 2, 3, 4, 6, 7], subject = |text: String| -> Vec<Got> {
    let file = file_with(&text);
    // Their numbers differ by every number up to 100, and by powers of two.
    let numbers: Vec<RawFd> = (300..300 + CROWD).chain([300 + 128, 300 + 256, 300 + 512]).collect();
    let sockets = || -> Vec<(UnixStream, UnixStream)> {
        let with_number = |number: &RawFd| {
            let (a, b) = pair();
            (a, UnixStream::from(copy_as(&b, *number)))
        };
        numbers.iter().map(with_number).collect()
    };
    let (say, hear) = mpsc::channel();
    let mut got = Vec::new();
    let crowd = sockets();
    thread::scope(|scope| {
        let wait = |(_, socket): &'_ (UnixStream, UnixStream)| -> Got { receive(socket) };
        let waiting: Vec<_> = crowd.iter().map(|pair| {
            let say = say.clone();
            scope.spawn(move || {
                let _ = say.send(Onlooker::of_this_thread());
                wait(pair)
            })
        }).collect();
        for _ in &crowd {
            hear.recv().expect("the thread").until_it_waits();
        }
        // The last one first, while all the others wait.
        for ((peer, _), waits) in crowd.iter().zip(waiting).rev() {
            give(peer, b"-", &[file.as_raw_fd()]);
            got.push(waits.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    });
    let filled: Vec<usize> = crowd.iter().map(|(_, socket)| fill(socket)).collect();
    thread::scope(|scope| {
        let waiting: Vec<_> = crowd.iter().map(|(_, socket)| {
            let (say, file) = (say.clone(), &file);
            scope.spawn(move || {
                let _ = say.send(Onlooker::of_this_thread());
                send(socket, file)
            })
        }).collect();
        for _ in &crowd {
            hear.recv().expect("the thread").until_it_waits();
        }
        for (((peer, _), filled), waits) in crowd.iter().zip(filled).zip(waiting).rev() {
            empty(peer, filled);
            got.push(waits.join().unwrap_or_else(|panic| resume_unwind(panic)));
            got.push(receive(peer));
        }
    });
    got
})]
fn a_hundred_calls_wait_at_once(mut subject: Subject) {
    let text = word();
    let answer = subject.ask(&text);
    let file = Got::File(text);
    let crowd = CROWD as usize + 3;
    for (place, got) in answer.value.iter().enumerate() {
        let (right, when) = match place.checked_sub(crowd) {
            None => (
                &file,
                "a hundred threads wait in receive_file, each on its own socket, and one gets a file",
            ),
            Some(place) if place % 2 == 0 => (
                &Sent,
                "a hundred threads wait in send_file, each on its own socket, and one gets room",
            ),
            Some(_) => (&file, "the call that sent it waited"),
        };
        expect(got, right, when);
    }
    nothing_else(&answer, 0, 2 * 103);
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
        got.push(waits.join().unwrap_or_else(|panic| resume_unwind(panic)));

        let filled = fill(&a);
        let waits = scope.spawn(|| {
            let _ = say.send(Onlooker::of_this_thread());
            send(&a, file_with(&texts[2]))
        });
        hear.recv().expect("the thread").until_it_waits();
        got.extend(meanwhile());
        empty(&b, filled);
        got.push(waits.join().unwrap_or_else(|panic| resume_unwind(panic)));
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
