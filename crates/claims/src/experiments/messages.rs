//! Pipes, sockets and message queues: which of them keep the boundaries of
//! messages, and when a writer blocks.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mqueue::{
    MQ_OFlag, MqAttr, mq_attr_member_t, mq_close, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::stat::Mode;

use super::claim;
use super::helpers::ask_a_child;
use crate::verdict::{does_not_hold, holds, holds_when, skipped};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("messages.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(38 Half [Roommates]
        "A pipe is like a shared note: one process writes on it, and another process reads it."
        a_pipe_is_a_queue_of_limited_length),
    claim!(39 Half [Roommates]
        "A socket is like a mailbox: each message that was sent arrives as one message."
        a_stream_forgets_where_messages_end),
    claim!(41 True [Byte Squares]
        "Processes can send each other messages through a message queue."
        a_queue_keeps_borders_and_priorities),
];

/// Runs the lesson's own example, in which one process writes to a pipe and then
/// reads from it. Then it writes more and more without reading.
fn a_pipe_is_a_queue_of_limited_length(record: &mut Record) -> Judged {
    let (mut reader, mut writer) = io::pipe()?;
    writer.write_all(b"Hello, world!")?;
    let mut hello = [0; 13];
    reader.read_exact(&mut hello)?;
    record.fact(
        "one process writes \"Hello, world!\" and reads",
        String::from_utf8_lossy(&hello),
    );
    // With O_NONBLOCK a write that would block for ever returns an error instead.
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let again = reader.read(&mut hello);
    let gone = again.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    record.fact(
        "a second read finds",
        if gone { "nothing" } else { "something" },
    );
    let mut room = 0_u64;
    let full = loop {
        match writer.write(&[b'x'; 512]) {
            Ok(written) => room += written as u64,
            Err(error) => break error,
        }
    };
    record.fact("bytes that fit into the pipe before a write blocks", room);
    record.fact(
        "the next write of 512 bytes",
        if is_would_block(&full) {
            "blocks"
        } else {
            "fails"
        },
    );
    match gone && is_would_block(&full) {
        true => holds_when(format!(
            "the note is short and is read only once. A pipe is a queue, here of {room} bytes, and \
             reading removes what it reads. A process that writes more into its own pipe before it \
             reads blocks for ever, because it waits for itself."
        )),
        false => does_not_hold(
            "The same bytes could be read twice from a pipe, or a write failed and did not block.",
        ),
    }
}

fn is_would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Sends two messages over each of three kinds of sockets.
fn a_stream_forgets_where_messages_end(record: &mut Record) -> Judged {
    let stream = two_messages_over(SockType::Stream)?;
    let packets = two_messages_over(SockType::SeqPacket)?;
    let datagrams = two_messages_over(SockType::Datagram)?;
    record.fact(
        "after \"one\" and \"two\" were sent over a stream socket, the first receive returns",
        &stream,
    );
    record.fact("over a sequenced-packet socket, it returns", &packets);
    record.fact("over a datagram socket, it returns", &datagrams);
    match (stream.as_str(), packets.as_str(), datagrams.as_str()) {
        ("onetwo", "one", "one") => holds_when(
            "the socket is of a kind that keeps the boundaries of messages (datagram or \
             sequenced-packet). A stream socket delivers bytes: the messages \"one\" and \"two\" \
             arrived together as \"onetwo\".",
        ),
        ("one", "one", "one") => holds("Even a stream socket kept the two messages apart."),
        _ => does_not_hold(
            "A datagram or sequenced-packet socket did not keep the two messages apart.",
        ),
    }
}

/// Sends two messages, and returns what the first receive returns.
fn two_messages_over(kind: SockType) -> nix::Result<String> {
    let (here, there) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    for message in ["one", "two"] {
        send(here.as_raw_fd(), message.as_bytes(), MsgFlags::empty())?;
    }
    let mut bytes = [0; 64];
    let length = recv(there.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// A child sends three messages with priorities through a message queue (man 7
/// mq_overview), and the parent receives them. The name of the queue is removed at
/// once. The queue itself exists until both have closed it.
fn a_queue_keeps_borders_and_priorities(record: &mut Record) -> Judged {
    let name = CString::new(format!("/claims-{}", std::process::id())).map_err(io::Error::from)?;
    const LENGTH: mq_attr_member_t = 16;
    let attributes = MqAttr::new(0, 4, LENGTH, 0);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let queue = match mq_open(name.as_c_str(), flags, mode, Some(&attributes)) {
        Ok(queue) => queue,
        Err(errno @ (Errno::ENOSYS | Errno::EACCES | Errno::EMFILE | Errno::ENOSPC)) => {
            return skipped(format!(
                "This machine does not provide a message queue: {errno}"
            ));
        }
        Err(errno) => return Err(errno.into()),
    };
    mq_unlink(name.as_c_str())?;
    let sent = [("later", 1), ("urgent", 9), ("last", 1)];
    let failed = ask_a_child(|| {
        let mut sends = sent
            .iter()
            .map(|(message, priority)| mq_send(&queue, message.as_bytes(), *priority));
        let failed = sends.find_map(Result::err);
        failed.map_or_else(String::new, |errno| errno.to_string())
    })?;
    if !failed.is_empty() {
        return Err(io::Error::other(failed).into());
    }
    let mut received = Vec::new();
    for _ in 0..3 {
        let (mut bytes, mut priority) = ([0; LENGTH as usize], 0);
        let length = mq_receive(&queue, &mut bytes, &mut priority)?;
        received.push(format!(
            "{} ({priority})",
            String::from_utf8_lossy(&bytes[..length])
        ));
    }
    mq_close(queue)?;
    let received = received.join(", ");
    let sent = sent.map(|(message, priority)| format!("{message} ({priority})"));
    record.fact(
        "messages that a child sent, with their priorities",
        sent.join(", "),
    );
    record.fact("messages that its parent received", &received);
    match received.as_str() {
        "urgent (9), later (1), last (1)" => holds(
            "Each message of another process arrived whole. The message with the highest priority came first, and \
             messages of the same priority came in the order in which they were sent.",
        ),
        _ => does_not_hold(
            "The queue did not keep the boundaries or the priorities of the messages.",
        ),
    }
}
