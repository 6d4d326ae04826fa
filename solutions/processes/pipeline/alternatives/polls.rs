//! Correct in another way: after the last fork, one loop looks at everything in
//! turns. It reads what is there without waiting for more, asks each child with
//! WNOHANG whether it has ended, and sleeps for a millisecond if nothing has
//! happened.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout, execvp, fork, pipe2};

/// One program of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The name or the path of the program. It is also the program's argument 0.
    pub program: CString,
    /// The arguments that follow argument 0.
    pub arguments: Vec<CString>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// What came of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piped {
    /// What the last program wrote to its standard output.
    pub output: Vec<u8>,
    /// How each program ended, in the order of the stages.
    pub endings: Vec<Ending>,
}

/// Runs the programs of `stages` as a shell runs `a | b | c`, waits for all of
/// them, and returns what the last program wrote and how each program ended.
///
/// # Errors
/// Those of pipe(2), fork(2) and execvp(3). The programs that already run are
/// then killed and reaped.
///
/// # Safety
/// The caller's process has one thread. In the copy that `fork` makes of a
/// process with several threads, the other threads are missing, and whatever
/// they had locked (the memory allocator, for example) stays locked for ever.
pub unsafe fn pipeline(stages: &[Stage]) -> io::Result<Piped> {
    let mut children = Children::default();
    // What the next program reads. For the first one it is the caller's input.
    let mut input = None;
    for stage in stages {
        let (reader, writer) = pipe()?;
        // SAFETY: the caller promises that there is no other thread.
        unsafe { start(stage, input.as_ref(), &writer, &mut children) }?;
        // The caller's ends of the pipes around this program are closed here:
        // `writer` goes out of scope, and `reader` replaces the old `input`.
        input = Some(reader);
    }
    // The last pipe, until its end has been read. Only the read end becomes
    // non-blocking: the two ends of a pipe are two open files.
    let mut last = input.map(File::from);
    if let Some(last) = &last {
        fcntl(last, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let (mut output, mut room) = (Vec::new(), [0; 4096]);
    let mut endings = vec![None; stages.len()];
    while last.is_some() || !children.0.is_empty() {
        let got = last.as_mut().map(|last| last.read(&mut room));
        match got {
            Some(Ok(0)) => last = None,
            Some(Ok(length)) => {
                output.extend_from_slice(&room[..length]);
                continue;
            }
            Some(Err(error)) if !is_for_now(&error) => return Err(error),
            _ => thread::sleep(Duration::from_millis(1)),
        }
        children.look(&mut endings);
    }
    let endings = endings.into_iter().flatten().collect();
    Ok(Piped { output, endings })
}

/// Whether a later read may succeed.
fn is_for_now(error: &io::Error) -> bool {
    [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind())
}

/// Starts one program. It returns when the child has executed the program or
/// has failed to.
///
/// # Safety
/// The process has one thread.
unsafe fn start(
    stage: &Stage,
    input: Option<&OwnedFd>,
    output: &OwnedFd,
    children: &mut Children,
) -> io::Result<()> {
    // exec closes the write end, so the caller reads an error or the end.
    let (failure, report) = pipe()?;
    // SAFETY: the process has one thread, so the child may do what any process
    // may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let errno = become_program(stage, input, output) as i32;
            // If this fails, there is nobody left to tell.
            let _ = File::from(report).write_all(&errno.to_ne_bytes());
            // Not `exit`: buffers and exit handlers belong to the caller.
            // SAFETY: `_exit` ends the process and touches no memory.
            unsafe { libc::_exit(127) }
        }
        ForkResult::Parent { child } => {
            children.0.push((children.0.len(), child));
            drop(report);
            let mut errno = Vec::new();
            File::from(failure).read_to_end(&mut errno)?;
            match <[u8; 4]>::try_from(errno) {
                Ok(errno) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
                Err(_) => Ok(()),
            }
        }
    }
}

/// In the child. It returns only if a step fails.
fn become_program(stage: &Stage, input: Option<&OwnedFd>, output: &OwnedFd) -> Errno {
    let execute = || {
        // The copies that dup2 makes stay open through exec. All the other
        // ends are marked close-on-exec.
        if let Some(input) = input {
            dup2_stdin(input)?;
        }
        dup2_stdout(output)?;
        // SAFETY: the default action is no handler. Rust's runtime has made
        // this process ignore SIGPIPE, and exec would hand that on.
        unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
        SigSet::empty().thread_set_mask()?;
        let mut arguments = vec![&stage.program];
        arguments.extend(&stage.arguments);
        execvp(&stage.program, &arguments)
    };
    let Err(errno) = execute();
    errno
}

/// A pipe. Both ends are close-on-exec and have numbers above 2.
///
/// If one of the caller's standard streams is closed, pipe2 may give its number
/// to an end. dup2 would then overwrite that end, or it would do nothing and
/// leave it close-on-exec, because the end already has the right number.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((above_the_streams(reader)?, above_the_streams(writer)?))
}

fn above_the_streams(end: OwnedFd) -> io::Result<OwnedFd> {
    if end.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(end);
    }
    let moved = fcntl(&end, FcntlArg::F_DUPFD_CLOEXEC(libc::STDERR_FILENO + 1))?;
    // SAFETY: fcntl has just opened it, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// The children that have not been reaped yet, each with the number of its
/// stage. Dropping this kills and reaps them.
#[derive(Default)]
struct Children(Vec<(usize, Pid)>);

impl Children {
    /// Notes how those have ended that have ended until now.
    fn look(&mut self, endings: &mut [Option<Ending>]) {
        let all = std::mem::take(&mut self.0);
        for (stage, child) in all {
            match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
                // The kernel keeps eight bits of an exit code (exit(3)).
                Ok(WaitStatus::Exited(_, code)) => {
                    endings[stage] = Some(Ending::Exited(code as u8));
                }
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    endings[stage] = Some(Ending::Killed(signal as i32));
                }
                _ => self.0.push((stage, child)),
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        // All are killed before the first wait. None of these calls can fail
        // for a child that has not been reaped.
        for &(_, child) in &self.0 {
            let _ = kill(child, Signal::SIGKILL);
        }
        for &(_, child) in &self.0 {
            while waitpid(child, None) == Err(Errno::EINTR) {}
        }
    }
}
