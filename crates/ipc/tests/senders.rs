//! Who wrote a message: the kernel says, whatever the writer claims.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use ipc::{Channel, Pid, RecvError};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

fn me() -> Pid {
    std::process::id().cast_signed()
}

/// Lets a forked child write these bytes to the same descriptor, and end.
fn written_by_a_child(socket: BorrowedFd<'_>, bytes: &[u8]) -> Pid {
    let (fd, start, length) = (socket.as_raw_fd(), bytes.as_ptr(), bytes.len());
    // SAFETY: the child makes two system calls, on memory prepared before, and
    // ends without running anything of ours.
    let child = unsafe {
        match fork().unwrap() {
            ForkResult::Child => {
                let written = libc::write(fd, start.cast(), length);
                libc::_exit(i32::from(written.cast_unsigned() != length));
            }
            ForkResult::Parent { child } => child,
        }
    };
    let ended = waitpid(child, None).unwrap();
    assert!(
        matches!(ended, nix::sys::wait::WaitStatus::Exited(_, 0)),
        "{ended:?}"
    );
    child.as_raw()
}

/// The frame of a `u8`, which is its own encoding.
fn frame(value: u8) -> [u8; 5] {
    [1, 0, 0, 0, value]
}

#[test]
fn a_message_comes_from_the_process_that_wrote_it_even_if_that_has_ended() {
    let (mut judge, mut subject) = ipc::pair::<(), u8>().unwrap();
    let child = written_by_a_child(subject.as_fd(), &frame(1));
    subject.send(&2).unwrap();
    let (first, second) = (judge.recv().unwrap(), judge.recv().unwrap());
    assert_eq!((first.value, first.sender), (1, child));
    assert_eq!((second.value, second.sender), (2, me()));
}

#[test]
fn threads_of_one_process_are_one_sender() {
    let (mut judge, mut subject) = ipc::pair::<(), u8>().unwrap();
    std::thread::spawn(move || subject.send(&1).unwrap())
        .join()
        .unwrap();
    assert_eq!(judge.recv().unwrap().sender, me());
}

#[test]
fn a_message_of_two_writers_is_refused_and_ends_the_channel() {
    let whole = frame(7);
    for cut in 1..whole.len() {
        let (mut judge, subject) = ipc::pair::<(), u8>().unwrap();
        let mut subject = UnixStream::from(subject.into_fd());
        subject.write_all(&whole[..cut]).unwrap();
        let child = written_by_a_child(subject.as_fd(), &whole[cut..]);
        subject.write_all(&frame(8)).unwrap();
        for _ in 0..2 {
            match judge.recv() {
                Err(RecvError::MixedSenders { first, second }) => {
                    assert_eq!((first, second), (me(), child), "cut at {cut}");
                }
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
    }
}

#[test]
fn bytes_written_before_there_was_a_channel_have_no_sender() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&frame(1)).unwrap();
    let mut channel = Channel::<(), u8>::from_fd(ours.into()).unwrap();
    theirs.write_all(&frame(2)).unwrap();
    let (early, later) = (channel.recv().unwrap(), channel.recv().unwrap());
    assert_eq!((early.value, early.sender), (1, 0));
    assert_eq!((later.value, later.sender), (2, me()));
}
