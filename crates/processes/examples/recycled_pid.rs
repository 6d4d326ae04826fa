//! A process remembers the number of a child that has ended. Another process gets
//! the same number, and the signal meant for the first one reaches the second. A
//! pidfd does not make this mistake.
//!
//! To get the same number twice at once, the program makes a PID namespace, in
//! which it may choose the number of a new process (man 2 clone, `set_tid`).
//!
//! `cargo run -p processes --example recycled_pid`

use std::error::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pause};
use processes::fork;

/// The number that two processes get, one after the other.
const NUMBER: i32 = 77;

/// Forks a child with this number. The child waits for a signal.
fn fork_as(number: i32) -> Result<Pid, Errno> {
    let numbers = [number];
    // SAFETY: zeros mean "nothing asked for" in every field.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.set_tid = numbers.as_ptr().addr() as u64;
    arguments.set_tid_size = 1;
    let size = size_of::<libc::clone_args>();
    // SAFETY: without flags this is a fork, and this program has one thread. The
    // kernel reads the structure and the array, which outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) };
    if Errno::result(pid)? == 0 {
        pause();
        // SAFETY: ends the child, and runs no exit handlers.
        unsafe { libc::_exit(0) }
    }
    Ok(Pid::from_raw(number))
}

fn open_pidfd(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: the arguments are numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    // SAFETY: the kernel has just given us this descriptor.
    Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn kill_by_pidfd(process: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    let (fd, none) = (process.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: a null pointer means that there is no further information.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as i32, none, 0) };
    Errno::result(sent).map(drop)
}

/// Runs in the namespace, as its process 1.
fn story() -> Result<(), Errno> {
    let first = fork_as(NUMBER)?;
    let pidfd = open_pidfd(first)?;
    println!("process {first} is our worker");
    kill(first, Signal::SIGKILL)?;
    waitpid(first, None)?;
    println!("it has ended, and we have waited for it");

    let stranger = fork_as(NUMBER)?;
    println!("process {stranger} is a stranger");
    match kill_by_pidfd(&pidfd, Signal::SIGKILL) {
        Ok(()) => println!("a signal through the worker's pidfd: sent"),
        Err(error) => println!("a signal through the worker's pidfd: {error}"),
    }
    kill(first, Signal::SIGKILL)?;
    println!("a signal to the worker's number: sent");
    println!("the stranger: {:?}", waitpid(stranger, None)?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut outer = fork(|| {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID) {
            println!("skipped: this machine lets no ordinary user make namespaces: {error}");
            return 0;
        }
        let inner = fork(|| match story() {
            Ok(()) => 0,
            Err(error) => {
                println!("skipped: this machine lets no one choose a process number: {error}");
                0
            }
        });
        let ending = inner.and_then(|mut inner| inner.wait());
        ending.ok().and_then(processes::Ending::status).unwrap_or(1)
    })?;
    let ending = outer.wait()?;
    if ending.success() {
        Ok(())
    } else {
        Err(ending.to_string().into())
    }
}
