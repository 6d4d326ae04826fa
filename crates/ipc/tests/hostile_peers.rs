//! A channel against peers that lie, stop half-way, or send garbage.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use ipc::{Channel, RecvError, SendError};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

type Texts = Channel<String, String>;

/// A channel, and the bare socket of a peer that may write what it likes.
fn with_a_bare_peer() -> (Texts, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Channel::from_fd(ours.into()).unwrap(), theirs)
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

fn text(text: &str) -> Vec<u8> {
    frame(&postcard::to_stdvec(text).unwrap())
}

#[test]
fn a_length_over_the_limit_is_refused_and_stays_refused() {
    let (mut channel, mut peer) = with_a_bare_peer();
    peer.write_all(&u32::MAX.to_le_bytes()).unwrap();
    peer.write_all(&text("hidden behind the lie")).unwrap();
    for _ in 0..2 {
        match channel.recv() {
            Err(RecvError::TooLong { length, limit }) => {
                assert_eq!(
                    (length, limit),
                    (u32::MAX.into(), ipc::DEFAULT_LIMIT.into())
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_length_just_at_the_limit_is_accepted() {
    let (mut channel, mut peer) = with_a_bare_peer();
    let message = text("hello");
    channel.set_limit(u32::try_from(message.len() - 4).unwrap());
    peer.write_all(&message).unwrap();
    peer.write_all(&text("hello!")).unwrap();
    assert_eq!(channel.recv().unwrap().value, "hello");
    assert!(matches!(
        channel.recv(),
        Err(RecvError::TooLong {
            length: 7,
            limit: 6
        })
    ));
}

#[test]
fn the_end_between_two_messages_is_closed() {
    let (mut channel, mut peer) = with_a_bare_peer();
    peer.write_all(&text("last")).unwrap();
    drop(peer);
    assert_eq!(channel.recv().unwrap().value, "last");
    assert!(matches!(channel.recv(), Err(RecvError::Closed)));
    assert!(matches!(
        channel.recv_timeout(Duration::ZERO),
        Err(RecvError::Closed)
    ));
}

#[test]
fn the_end_within_a_header_is_truncated() {
    for sent in 1..4 {
        let (mut channel, mut peer) = with_a_bare_peer();
        peer.write_all(&text("cut")[..sent]).unwrap();
        drop(peer);
        match channel.recv() {
            Err(RecvError::Truncated {
                received,
                expected: None,
            }) => assert_eq!(received, sent),
            other => panic!("after {sent} bytes: {other:?}"),
        }
    }
}

#[test]
fn the_end_within_a_body_is_truncated() {
    let whole = text("cut");
    for sent in 4..whole.len() {
        let (mut channel, mut peer) = with_a_bare_peer();
        peer.write_all(&whole[..sent]).unwrap();
        // Half closed: the other direction stays open, the message ends.
        peer.shutdown(Shutdown::Write).unwrap();
        match channel.recv() {
            Err(RecvError::Truncated {
                received,
                expected: Some(expected),
            }) => {
                assert_eq!((received, expected), (sent, whole.len()));
            }
            other => panic!("after {sent} bytes: {other:?}"),
        }
    }
}

#[test]
fn one_byte_at_a_time_loses_nothing_whatever_the_timeouts() {
    let (mut channel, mut peer) = with_a_bare_peer();
    let bytes = [text("first"), text(""), text("second")].concat();
    let mut received = Vec::new();
    for byte in bytes {
        peer.write_all(&[byte]).unwrap();
        received.extend(
            channel
                .recv_timeout(Duration::ZERO)
                .unwrap()
                .map(|message| message.value),
        );
    }
    assert_eq!(received, ["first", "", "second"]);
}

#[test]
fn a_patience_of_zero_takes_all_that_is_there() {
    let (mut channel, mut peer) = with_a_bare_peer();
    assert!(channel.recv_timeout(Duration::ZERO).unwrap().is_none());
    let long = "x".repeat(150_000);
    peer.write_all(&text(&long)).unwrap();
    assert_eq!(
        channel.recv_timeout(Duration::ZERO).unwrap().unwrap().value,
        long
    );
}

#[test]
fn a_peer_that_dribbles_for_ever_cannot_hold_us_past_the_deadline() {
    let (mut channel, mut peer) = with_a_bare_peer();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            peer.write_all(&(60_u32 << 20).to_le_bytes()).unwrap();
            // It ends when we close our end.
            while peer.write_all(&[0]).is_ok() {}
        });
        let received = channel.recv_timeout(Duration::from_millis(20));
        drop(channel);
        assert!(matches!(received, Ok(None)), "{received:?}");
    });
}

#[test]
fn garbage_spoils_its_own_frame_only() {
    let (mut channel, mut peer) = with_a_bare_peer();
    for body in [&[][..], &[0xff; 16], &[3, b'a'], &[2, 0xc3, 0x28]] {
        peer.write_all(&frame(body)).unwrap();
        peer.write_all(&text("fine")).unwrap();
        assert!(
            matches!(channel.recv(), Err(RecvError::Malformed(_))),
            "{body:?}"
        );
        assert_eq!(channel.recv().unwrap().value, "fine");
    }
}

#[test]
fn bytes_left_over_in_a_frame_are_not_overlooked() {
    let (mut channel, mut peer) = with_a_bare_peer();
    peer.write_all(&frame(&[1, b'a', b'b'])).unwrap();
    match channel.recv() {
        Err(RecvError::Malformed(why)) => assert_eq!(why, "1 of 3 bytes are left over"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn descriptors_smuggled_in_with_a_message_are_closed() {
    let (mut channel, peer) = with_a_bare_peer();
    let (mut reader, writer) = io::pipe().unwrap();
    let bytes = text("take this");
    let smuggled = [writer.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&smuggled)];
    let parts = [IoSlice::new(&bytes)];
    let sent = sendmsg::<()>(peer.as_raw_fd(), &parts, &control, MsgFlags::empty(), None).unwrap();
    assert_eq!(sent, bytes.len());
    drop(writer);
    assert_eq!(channel.recv().unwrap().value, "take this");
    // The pipe ends only when no copy of its write end is left anywhere.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_peer_that_leaves_without_reading_has_closed() {
    let (mut channel, peer) = with_a_bare_peer();
    channel.send(&"never read".into()).unwrap();
    drop(peer);
    assert!(matches!(channel.recv(), Err(RecvError::Closed)));
    assert!(matches!(
        channel.send(&"again".into()),
        Err(SendError::Closed)
    ));
}

#[test]
fn a_message_over_the_limit_is_refused_before_a_byte_is_written() {
    let (mut one, mut other) = ipc::pair::<String, String>().unwrap();
    one.set_limit(10);
    match one.send(&"x".repeat(10)) {
        Err(SendError::TooLong {
            length: 11,
            limit: 10,
        }) => {}
        other => panic!("{other:?}"),
    }
    assert!(other.recv_timeout(Duration::ZERO).unwrap().is_none());
    one.send(&"x".repeat(9)).unwrap();
    assert_eq!(other.recv().unwrap().value, "x".repeat(9));
}

#[test]
fn only_a_unix_stream_socket_makes_a_channel() {
    let refused = |descriptor: OwnedFd| {
        let error = Texts::from_fd(descriptor).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    };
    let (reader, writer) = io::pipe().unwrap();
    refused(reader.into());
    refused(writer.into());
    refused(UnixDatagram::unbound().unwrap().into());
    refused(std::net::TcpListener::bind("127.0.0.1:0").unwrap().into());
    refused(std::fs::File::open("/dev/null").unwrap().into());
}

#[test]
fn a_channel_is_closed_by_exec() {
    let (one, other) = UnixStream::pair().unwrap();
    for end in [one, other] {
        nix::fcntl::fcntl(&end, nix::fcntl::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
        let channel = Texts::from_fd(end.into()).unwrap();
        let flags = nix::fcntl::fcntl(channel.as_fd(), nix::fcntl::F_GETFD).unwrap();
        assert_eq!(flags, libc::FD_CLOEXEC);
    }
}

#[test]
fn a_socket_that_somebody_made_non_blocking_still_waits() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut channel = Texts::from_fd(ours.into()).unwrap();
    let long = "y".repeat(1 << 20);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            theirs.write_all(&text("late")).unwrap();
            let mut echoed = vec![0; text(&long).len()];
            theirs.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, text(&long));
        });
        assert_eq!(channel.recv().unwrap().value, "late");
        channel.send(&long).unwrap();
    });
}
