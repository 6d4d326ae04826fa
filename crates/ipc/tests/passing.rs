//! Descriptors over sockets, and seqpacket messages.

use std::io::{Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;

use ipc::{PacketError, PassError, SeqPacket, receive_descriptors, send_descriptors};
use nix::fcntl::{FcntlArg, fcntl};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A thousand rounds in a process that may have few descriptors: none leaks.
#[test]
fn no_round_leaves_a_descriptor_behind() {
    let mut child = processes::fork(|| {
        let (here, there) = UnixStream::pair().unwrap();
        let (reader, _writer) = pipe().unwrap();
        let two = [reader.as_fd(), reader.as_fd()];
        let before = open_descriptors();
        for _ in 0..1000 {
            send_descriptors(&here, b"fine", &two).unwrap();
            assert_eq!(
                receive_descriptors(&there, &mut [0; 8], 2)
                    .unwrap()
                    .descriptors
                    .len(),
                2
            );
            send_descriptors(&here, b"too many", &two).unwrap();
            let refused = receive_descriptors(&there, &mut [0; 8], 1).unwrap_err();
            assert!(matches!(refused, PassError::TooMany { expected: 1, .. }));
            send_descriptors(&here, b"unwanted", &two).unwrap();
            let refused = receive_descriptors(&there, &mut [0; 8], 0).unwrap_err();
            assert!(matches!(
                refused,
                PassError::TooMany {
                    expected: 0,
                    arrived: 0
                }
            ));
        }
        i32::from(open_descriptors() != before)
    })
    .unwrap();
    assert!(child.wait().unwrap().success());
}

/// The kernel rounds the room for descriptors up to a multiple of eight bytes, so
/// one more than an odd number of them fits.
#[test]
fn one_descriptor_more_than_allowed_is_refused_and_none_stays_open() {
    let mut child = processes::fork(|| {
        let (here, there) = UnixStream::pair().unwrap();
        let before = open_descriptors();
        for allowed in 0..=5 {
            let sent = vec![here.as_fd(); allowed + 1];
            send_descriptors(&here, b"!", &sent[1..]).unwrap();
            let passed = receive_descriptors(&there, &mut [0; 8], allowed).unwrap();
            assert_eq!(passed.descriptors.len(), allowed);
            drop(passed);
            send_descriptors(&here, b"!", &sent).unwrap();
            match receive_descriptors(&there, &mut [0; 8], allowed) {
                Err(PassError::TooMany { expected, arrived }) => {
                    assert_eq!(expected, allowed);
                    assert!(arrived <= allowed + 1);
                }
                other => panic!("{allowed} allowed: {other:?}"),
            }
            assert_eq!(open_descriptors(), before);
        }
        0
    })
    .unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_file_travels_not_its_number_and_exec_closes_it() {
    let (here, there) = SeqPacket::pair().unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let number = reader.as_raw_fd();
    send_descriptors(&here, b"!", &[reader.as_fd()]).unwrap();
    let mut passed = receive_descriptors(&there, &mut [0; 1], 1).unwrap();
    let copy = passed.descriptors.remove(0);
    assert_ne!(copy.as_raw_fd(), number);
    assert_eq!(fcntl(&copy, FcntlArg::F_GETFD).unwrap(), libc::FD_CLOEXEC);
    drop(reader);
    writer.write_all(b"x").unwrap();
    drop(writer);
    let mut text = String::new();
    std::fs::File::from(copy).read_to_string(&mut text).unwrap();
    assert_eq!(text, "x");
}

#[test]
fn without_descriptors_it_is_a_message_and_without_a_message_nothing() {
    let (here, there) = UnixStream::pair().unwrap();
    send_descriptors(&here, b"abc", &[]).unwrap();
    let passed = receive_descriptors(&there, &mut [0; 8], 4).unwrap();
    assert!(passed.length == 3 && passed.descriptors.is_empty());
    let refused = send_descriptors(&here, b"", &[here.as_fd()]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    let many = vec![here.as_fd(); 254];
    let refused = send_descriptors(&here, b"x", &many).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    drop(here);
    assert_eq!(
        receive_descriptors(&there, &mut [0; 8], 1).unwrap().length,
        0
    );
    assert!(send_descriptors(&there, b"x", &[]).is_err());
}

#[test]
fn a_message_longer_than_the_buffer_is_noticed() {
    let (here, there) = SeqPacket::pair().unwrap();
    send_descriptors(&here, b"12345", &[here.as_fd()]).unwrap();
    let refused = receive_descriptors(&there, &mut [0; 4], 1);
    assert!(
        matches!(refused, Err(PassError::MessageTooLong)),
        "{refused:?}"
    );

    here.send(b"12345").unwrap();
    here.send(b"67").unwrap();
    let mut buffer = [0; 4];
    let refused = there.receive(&mut buffer);
    let truncated = matches!(refused, Err(PacketError::Truncated { length: 5, room: 4 }));
    assert!(truncated, "{refused:?}");
    assert_eq!(there.receive(&mut buffer).unwrap(), Some(2));
    assert_eq!(&buffer[..2], b"67");
}

#[test]
fn packets_that_cannot_be_sent_are_refused() {
    let (here, there) = SeqPacket::pair().unwrap();
    assert!(matches!(here.send(b""), Err(PacketError::Empty)));
    let huge = vec![0; 64 << 20];
    assert!(matches!(here.send(&huge), Err(PacketError::TooLong(_))));
    let mut sent = 0;
    while here.try_send(&[0; 1000]).unwrap() {
        sent += 1;
    }
    assert!(sent > 10);
    drop(there);
    assert!(matches!(here.send(b"x"), Err(PacketError::Closed)));
    assert_eq!(here.receive(&mut [0; 4]).unwrap(), None);
}
