//! A call that waits also waits on a socket that other code made non-blocking.

use std::io::{Read, pipe};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use ipc::{SeqPacket, receive_descriptors, send_descriptors};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use processes::proc::{self, Syscall};

fn make_non_blocking(socket: impl AsFd) {
    fcntl(socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
}

/// Calls `call` in another thread, and returns as soon as that thread waits in
/// ppoll, or has ended because `call` did not wait.
fn begun<R: Send + 'static>(call: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        tell.send(nix::unistd::gettid().as_raw()).unwrap();
        call()
    });
    let (me, tid) = (std::process::id().cast_signed(), told.recv().unwrap());
    let waits = || {
        let place = proc::syscall(me, tid);
        place.is_ok_and(
            |place| matches!(place, Syscall::Inside { number, .. } if number == libc::SYS_ppoll),
        )
    };
    while !thread.is_finished() && !waits() {
        thread::yield_now();
    }
    thread
}

#[test]
fn a_packet_waits_for_room_and_is_not_lost() {
    let (here, there) = SeqPacket::pair().unwrap();
    make_non_blocking(&here);
    let mut sent = 0;
    while here.try_send(&[0; 1000]).unwrap() {
        sent += 1;
    }
    let sender = begun(move || here.send(b"last"));
    let mut buffer = [0; 1000];
    for _ in 0..sent {
        assert_eq!(there.receive(&mut buffer).unwrap(), Some(1000));
    }
    assert_eq!(there.receive(&mut buffer).unwrap(), Some(4));
    sender.join().unwrap().unwrap();
}

#[test]
fn a_packet_that_waits_for_room_learns_that_the_other_side_is_gone() {
    let (here, there) = SeqPacket::pair().unwrap();
    make_non_blocking(&here);
    while here.try_send(&[0; 1000]).unwrap() {}
    let sender = begun(move || here.send(b"last"));
    drop(there);
    let refused = sender.join().unwrap().unwrap_err();
    assert!(matches!(refused, ipc::PacketError::Closed), "{refused:?}");
}

#[test]
fn a_message_longer_than_the_socket_arrives_whole_with_its_descriptor() {
    let (here, mut there) = UnixStream::pair().unwrap();
    make_non_blocking(&here);
    let message: Vec<u8> = (0..1_000_000_u32).map(|at| (at ^ at >> 8) as u8).collect();
    let (reader, _writer) = pipe().unwrap();
    let expected = message.clone();
    let sender = begun(move || send_descriptors(&here, &message, &[reader.as_fd()]));
    let mut received = vec![0; expected.len()];
    let passed = receive_descriptors(&there, &mut received, 1).unwrap();
    assert_eq!(passed.descriptors.len(), 1);
    there.read_exact(&mut received[passed.length..]).unwrap();
    sender.join().unwrap().unwrap();
    assert!(received == expected);
    assert_eq!(there.read(&mut [0]).unwrap(), 0, "nothing was sent twice");
}

#[test]
fn descriptors_are_waited_for() {
    let (here, there) = UnixStream::pair().unwrap();
    make_non_blocking(&there);
    let receiver = begun(move || receive_descriptors(&there, &mut [0; 8], 1));
    send_descriptors(&here, b"abc", &[here.as_fd()]).unwrap();
    let passed = receiver.join().unwrap().unwrap();
    assert_eq!((passed.length, passed.descriptors.len()), (3, 1));
}
