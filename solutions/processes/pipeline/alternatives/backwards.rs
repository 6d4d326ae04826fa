//! Correct in another way: the last program is started first, as some shells do.
//! During the call, `/dev/null` stands in for those of the caller's standard
//! streams that are closed, so no pipe gets a number below 3. And the child has
//! no report to write: it shares the parent's memory until exec (vfork(2)), so it
//! leaves the error there.

use std::cell::Cell;
use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::unistd::pipe2;

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

/// Runs the programs, waits for all of them, and returns what came of them.
///
/// # Errors
/// Those of open(2), pipe(2), vfork(2) and execvp(3).
///
/// # Safety
/// The caller's process has one thread.
pub unsafe fn pipeline(stages: &[Stage]) -> io::Result<Piped> {
    let _streams = stand_ins()?;
    let mut children: Vec<libc::pid_t> = Vec::new();
    let result = run(stages, &mut children);
    if result.is_err() {
        for child in &children {
            // SAFETY: takes integers; the child has not been reaped.
            unsafe { libc::kill(*child, libc::SIGKILL) };
        }
    }
    let ended: io::Result<Vec<Ending>> = children.into_iter().rev().map(reap).collect();
    Ok(Piped {
        output: result?,
        endings: ended?,
    })
}

/// Opens `/dev/null` for each standard stream that is closed.
fn stand_ins() -> io::Result<Vec<File>> {
    let mut opened = Vec::new();
    loop {
        let file = File::open("/dev/null")?;
        if file.as_raw_fd() > libc::STDERR_FILENO {
            return Ok(opened);
        }
        opened.push(file);
    }
}

fn run(stages: &[Stage], children: &mut Vec<libc::pid_t>) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    let Some((first, others)) = stages.split_first() else {
        return Ok(output);
    };
    let (result, mut writer) = pipe2(OFlag::O_CLOEXEC)?;
    for stage in others.iter().rev() {
        let (reader, previous) = pipe2(OFlag::O_CLOEXEC)?;
        start(stage, Some(&reader), &writer, children)?;
        writer = previous;
    }
    start(first, None, &writer, children)?;
    drop(writer);
    File::from(result).read_to_end(&mut output)?;
    Ok(output)
}

fn start(
    stage: &Stage,
    input: Option<&OwnedFd>,
    output: &OwnedFd,
    children: &mut Vec<libc::pid_t>,
) -> io::Result<()> {
    // Everything that needs memory is made before the child exists.
    let mut arguments: Vec<*const c_char> = vec![stage.program.as_ptr()];
    arguments.extend(stage.arguments.iter().map(|argument| argument.as_ptr()));
    arguments.push(std::ptr::null());
    children.reserve(1);
    let failure = Cell::new(0);
    let input = input.map_or(-1, AsRawFd::as_raw_fd);
    let output = output.as_raw_fd();
    let mut stack = vec![0; 64 << 10];
    let child = Box::new(|| execute(&arguments, input, output, &failure));
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: the parent waits until the child has left its memory. Meanwhile the
    // child makes system calls, runs on its own stack, and writes `failure`.
    let pid = unsafe { clone(child, &mut stack, flags, Some(libc::SIGCHLD)) }?;
    children.push(pid.as_raw());
    match failure.get() {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn execute(arguments: &[*const c_char], input: RawFd, output: RawFd, failure: &Cell<i32>) -> ! {
    // SAFETY: only system calls, on descriptors and texts that the parent keeps.
    unsafe {
        if (input < 0 || libc::dup2(input, 0) >= 0) && libc::dup2(output, 1) >= 0 {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            libc::execvp(arguments[0], arguments.as_ptr());
        }
        failure.set(Errno::last_raw());
        libc::_exit(127)
    }
}

fn reap(child: libc::pid_t) -> io::Result<Ending> {
    loop {
        let mut status = 0;
        // SAFETY: the call writes one integer, ours.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
            return Ok(match libc::WIFEXITED(status) {
                true => Ending::Exited(libc::WEXITSTATUS(status) as u8),
                false => Ending::Killed(libc::WTERMSIG(status)),
            });
        }
        match Errno::last() {
            Errno::EINTR => {}
            errno => return Err(errno.into()),
        }
    }
}
