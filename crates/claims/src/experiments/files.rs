//! Open files: which of them processes and threads share.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::claim;
use super::helpers::ask_a_child;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("files.rs");

pub(super) const CLAIMS: [Claim; 2] = [
    claim!(3 Half [Roommates]
        "Each process has its own open files."
        parent_and_child_read_on_from_one_another),
    claim!(27 True [Roommates Office]
        "The threads of a process share its open files."
        a_thread_closes_what_another_opened),
];

/// A parent and its child read from a file that was open before the fork. Then the
/// child opens a file after the fork, and sends it to the parent over a socket.
fn parent_and_child_read_on_from_one_another(record: &mut Record) -> Judged {
    let file = in_memory("0123456789")?;
    let child = ask_a_child(|| read_4(&file).unwrap_or_default())?;
    let parent = read_4(&file)?;
    record.fact(
        "the child reads 4 bytes of a file that was open before the fork",
        &child,
    );
    record.fact("then the parent reads 4 bytes of that file", &parent);
    let handed = handed_over()?;
    record.fact(
        "the parent reads a file that the child opened and sent over a socket",
        &handed,
    );
    match (child.as_str(), parent.as_str()) {
        ("0123", "4567") => holds_when(
            "the process opened them after the fork and sent none of them to another process. A \
             file that was open before the fork has one position, which both processes move: the \
             child read the bytes 0123, and then the parent read 4567.",
        ),
        ("0123", "0123") => holds("Parent and child each had their own position in the file."),
        _ => does_not_hold(format!(
            "The child read {child:?}, and the parent read {parent:?}."
        )),
    }
}

fn in_memory(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"claim", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn read_4(mut file: &File) -> io::Result<String> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lets a child open a file and send it over a socket (man 7 unix, `SCM_RIGHTS`).
/// Returns what this process reads from it.
fn handed_over() -> io::Result<String> {
    let (ours, theirs) = UnixDatagram::pair()?;
    let sent = ask_a_child(|| {
        let send = || -> io::Result<()> {
            let file = in_memory("gift")?;
            let rights = [file.as_raw_fd()];
            let control = [ControlMessage::ScmRights(&rights)];
            let body = [IoSlice::new(b"!")];
            sendmsg::<()>(theirs.as_raw_fd(), &body, &control, MsgFlags::empty(), None)?;
            Ok(())
        };
        send().map_or_else(|error| error.to_string(), |()| String::new())
    })?;
    if !sent.is_empty() {
        return Err(io::Error::other(sent));
    }
    let mut byte = [0];
    let mut body = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(ours.as_raw_fd(), &mut body, Some(&mut space), flags)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(rights) = control
            && let Some(&fd) = rights.first()
        {
            // SAFETY: the kernel has just opened this descriptor for this process, and
            // nothing else owns it.
            return read_4(&unsafe { File::from_raw_fd(fd) });
        }
    }
    Err(io::Error::other("a message arrived without a file"))
}

/// One thread closes a file descriptor. Is it closed for another thread too? And
/// what if the first thread has left the shared table of descriptors before?
fn a_thread_closes_what_another_opened(record: &mut Record) -> Judged {
    let shared = closed_by_a_thread(|| Ok(()))?;
    let unshared = closed_by_a_thread(|| unshare(CloneFlags::CLONE_FILES));
    let say = |gone: bool| {
        if gone {
            "is closed for this thread too"
        } else {
            "is still open for this thread"
        }
    };
    record.fact("a file descriptor that another thread closed", say(shared));
    match &unshared {
        Ok(gone) => record.fact(
            "a file descriptor that another thread closed after unshare(CLONE_FILES)",
            say(*gone),
        ),
        Err(error) => record.fact("unshare(CLONE_FILES)", error),
    }
    match shared {
        true => holds(
            "When one thread closes a file descriptor, it is closed for every thread of the \
             process, unless that thread first left the shared table with unshare(CLONE_FILES).",
        ),
        false => does_not_hold(
            "A file descriptor that one thread had closed was still open for another thread.",
        ),
    }
}

/// Lets another thread run `prepare` and then close a file descriptor. Returns
/// whether the descriptor is closed for this thread afterwards.
fn closed_by_a_thread(prepare: fn() -> nix::Result<()>) -> io::Result<bool> {
    let number = in_memory("text")?.into_raw_fd();
    let closer = thread::spawn(move || {
        prepare()?;
        nix::unistd::close(number)
    });
    let ended = closer
        .join()
        .map_err(|_| io::Error::other("the thread panicked"))?;
    // SAFETY: this only asks whether the descriptor is open.
    let gone = unsafe { libc::fcntl(number, libc::F_GETFD) } < 0;
    if !gone {
        // SAFETY: the descriptor was opened above, and nothing else owns it.
        drop(unsafe { File::from_raw_fd(number) });
    }
    ended?;
    Ok(gone)
}
