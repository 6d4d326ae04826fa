//! Pipes, sockets and message queues: what keeps borders, and what blocks.

use super::claim;
use crate::verdict::{does_not_hold, holds, holds_when, skipped};
use crate::{Claim, Judged, Record};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mqueue::{
    MQ_OFlag, MqAttr, mq_attr_member_t, mq_close, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

const SOURCE: &str = include_str!("messages.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(38 Half [Roommates]
        "A pipe is a shared note: one process writes to it, and another one reads."
        a_pipe_is_a_queue_of_limited_length),
    claim!(39 Half [Roommates]
        "A socket is a mailbox for messages."
        a_stream_forgets_where_messages_end),
    claim!(41 True [Byte Squares]
        "Message queues carry messages from process to process."
        a_queue_keeps_borders_and_priorities),
];

/// The lesson's own example, one process that writes and then reads, with more
/// and more to write.
fn a_pipe_is_a_queue_of_limited_length(record: &mut Record) -> Judged {
    let (mut reader, mut writer) = io::pipe()?;
    writer.write_all(b"Hello, world!")?;
    let mut hello = [0; 13];
    reader.read_exact(&mut hello)?;
    record.fact(
        "\"Hello, world!\", written and read by one process",
        String::from_utf8_lossy(&hello),
    );
    // Where a writer would wait for ever, this one is told.
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let again = reader.read(&mut hello);
    let gone = again.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    record.fact(
        "read a second time",
        if gone {
            "nothing is left"
        } else {
            "still there"
        },
    );
    let mut room = 0_u64;
    let full = loop {
        match writer.write(&[b'x'; 512]) {
            Ok(written) => room += written as u64,
            Err(error) => break error,
        }
    };
    record.fact("bytes that fit before the writer waits", room);
    record.fact(
        "the writer of one byte more",
        if is_would_block(&full) {
            "waits"
        } else {
            "fails"
        },
    );
    match gone && is_would_block(&full) {
        true => holds_when(format!(
            "the note is short and read once: a pipe is a queue of {room} bytes here, and \
             a program that writes more before it reads waits for itself for ever"
        )),
        false => does_not_hold("a pipe could be read twice, or written to without end"),
    }
}

fn is_would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Two messages, sent and received over two kinds of sockets.
fn a_stream_forgets_where_messages_end(record: &mut Record) -> Judged {
    let stream = two_messages_over(SockType::Stream)?;
    let packets = two_messages_over(SockType::SeqPacket)?;
    record.fact(
        "\"one\" and \"two\", sent over a stream socket, come as",
        &stream,
    );
    record.fact("over a socket of sequenced packets, as", &packets);
    match (stream.as_str(), packets.as_str()) {
        ("onetwo", "one") => holds_when(
            "it is of a kind that keeps borders (datagrams, sequenced packets): \
             a stream delivers bytes, and both messages at once",
        ),
        ("one", _) => holds("the stream kept the messages apart"),
        _ => does_not_hold("no kind of socket kept the messages apart"),
    }
}

/// What the first receive brings.
fn two_messages_over(kind: SockType) -> nix::Result<String> {
    let (here, there) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    for message in ["one", "two"] {
        send(here.as_raw_fd(), message.as_bytes(), MsgFlags::empty())?;
    }
    let mut bytes = [0; 64];
    let length = recv(there.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// man 7 mq_overview. The name is taken back at once: the queue lives until it
/// is closed.
fn a_queue_keeps_borders_and_priorities(record: &mut Record) -> Judged {
    let name = CString::new(format!("/claims-{}", std::process::id())).map_err(io::Error::from)?;
    const LENGTH: mq_attr_member_t = 16;
    let attributes = MqAttr::new(0, 4, LENGTH, 0);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let queue = match mq_open(name.as_c_str(), flags, mode, Some(&attributes)) {
        Ok(queue) => queue,
        Err(errno @ (Errno::ENOSYS | Errno::EACCES | Errno::EMFILE | Errno::ENOSPC)) => {
            return skipped(format!("this machine gives no message queue: {errno}"));
        }
        Err(errno) => return Err(errno.into()),
    };
    mq_unlink(name.as_c_str())?;
    for (message, priority) in [("later", 1), ("urgent", 9), ("last", 1)] {
        mq_send(&queue, message.as_bytes(), priority)?;
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
    record.fact(
        "sent with their priorities",
        "later (1), urgent (9), last (1)",
    );
    record.fact("received", &received);
    match received.as_str() {
        "urgent (9), later (1), last (1)" => {
            holds("each message came whole, the urgent one first, equals in their order")
        }
        _ => does_not_hold("borders or priorities were lost"),
    }
}
