//! Correct in another way: only calls of libc. The server sends the wait status
//! as the kernel gives it, and the caller takes it apart. One packet of ten bytes
//! goes before each answer, and the answer follows as a stream.

use std::io::{self, Write};
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use nix::libc;

/// What each child does with its request. The result is the answer.
pub type Job = fn(&[u8]) -> Vec<u8>;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum RunError {
    /// The child ended before the job returned.
    Died(Ending),
    /// A system call failed, in the caller or in the server, or the server is gone.
    Io(io::Error),
}

/// A process that forks a child for each request.
#[derive(Debug)]
pub struct ForkServer {
    server: libc::pid_t,
    socket: Mutex<RawFd>,
}

/// The last error of this thread, unless the call was only interrupted.
fn again_or_error() -> io::Result<()> {
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINTR) => Ok(()),
        _ => Err(error),
    }
}

fn write_all(fd: RawFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the bytes outlive the call.
        let sent = unsafe {
            let at = bytes.as_ptr().cast();
            libc::send(fd, at, bytes.len(), libc::MSG_NOSIGNAL)
        };
        match usize::try_from(sent) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(_) => again_or_error()?,
        }
    }
    Ok(())
}

fn read_all(fd: RawFd, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let rest = &mut bytes[filled..];
        // SAFETY: the buffer has room for so many bytes.
        let got = unsafe { libc::read(fd, rest.as_mut_ptr().cast(), rest.len()) };
        match usize::try_from(got) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => filled += got,
            Err(_) => again_or_error()?,
        }
    }
    Ok(bytes)
}

fn read_length(fd: RawFd) -> io::Result<usize> {
    let bytes = read_all(fd, size_of::<usize>())?;
    let bytes = bytes.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(usize::from_le_bytes(bytes))
}

fn read_number(fd: RawFd) -> io::Result<i32> {
    let bytes = read_all(fd, size_of::<i32>())?;
    let bytes = bytes.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(i32::from_le_bytes(bytes))
}

fn connect() -> io::Result<[RawFd; 2]> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel fills the two numbers.
    match unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } {
        0 => Ok(ends),
        _ => Err(io::Error::last_os_error()),
    }
}

fn close(fd: RawFd) {
    // SAFETY: the callers own this descriptor and do not use it again.
    unsafe { libc::close(fd) };
}

/// Waits for this child; the status as the kernel gives it.
fn wait_for(child: libc::pid_t) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one integer.
        match unsafe { libc::waitpid(child, &raw mut status, 0) } {
            -1 => again_or_error()?,
            _ => return Ok(status),
        }
    }
}

impl ForkServer {
    /// Starts the server.
    ///
    /// # Errors
    /// Those of writing what the caller has printed, socketpair(2) and fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread.
    pub unsafe fn start(job: Job) -> io::Result<ForkServer> {
        io::stdout().lock().flush()?;
        let [ours, theirs] = connect()?;
        // SAFETY: the caller promises that there is no other thread.
        match unsafe { libc::fork() } {
            -1 => {
                let error = io::Error::last_os_error();
                close(ours);
                close(theirs);
                Err(error)
            }
            0 => {
                close(ours);
                default_signals();
                // Whatever it was, the caller sees the end of the connection.
                let _ = serve(theirs, job);
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) }
            }
            server => {
                close(theirs);
                Ok(ForkServer {
                    server,
                    socket: Mutex::new(ours),
                })
            }
        }
    }

    /// The process ID of the server.
    pub fn id(&self) -> u32 {
        self.server as u32
    }

    /// Runs `job(request)` in a child of the server, and returns the answer.
    ///
    /// # Errors
    /// The child died, or a system call failed.
    pub fn run(&self, request: &[u8]) -> Result<Vec<u8>, RunError> {
        let socket = self.socket.lock().expect("nothing panics with the lock");
        let exchange = || -> io::Result<(i32, i32, Vec<u8>)> {
            write_all(*socket, &request.len().to_le_bytes())?;
            write_all(*socket, request)?;
            let errno = read_number(*socket)?;
            let status = read_number(*socket)?;
            let length = read_length(*socket)?;
            Ok((errno, status, read_all(*socket, length)?))
        };
        let (errno, status, answer) = exchange().map_err(RunError::Io)?;
        let is_complete = answer.last() == Some(&1);
        match () {
            () if errno != 0 => Err(RunError::Io(io::Error::from_raw_os_error(errno))),
            () if libc::WIFSIGNALED(status) => {
                Err(RunError::Died(Ending::Killed(libc::WTERMSIG(status))))
            }
            () if status == 0 && is_complete => Ok(answer[..answer.len() - 1].to_vec()),
            () => Err(RunError::Died(Ending::Exited(libc::WEXITSTATUS(status) as u8))),
        }
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        if let Ok(socket) = self.socket.get_mut() {
            // SAFETY: the descriptor is open, and nothing uses it afterwards.
            unsafe { libc::shutdown(*socket, libc::SHUT_RDWR) };
            close(*socket);
        }
        let _ = wait_for(self.server);
    }
}

fn serve(socket: RawFd, job: Job) -> io::Result<()> {
    loop {
        let length = read_length(socket)?;
        let request = read_all(socket, length)?;
        let (errno, status, answer) = match run_in_child(socket, job, &request) {
            Ok((status, answer)) => (0, status, answer),
            Err(error) => (error.raw_os_error().unwrap_or(libc::EIO), 0, Vec::new()),
        };
        let head = [errno.to_le_bytes(), status.to_le_bytes()].concat();
        write_all(socket, &head)?;
        write_all(socket, &answer.len().to_le_bytes())?;
        write_all(socket, &answer)?;
    }
}

/// The status of the child, and what it wrote: a complete answer and the byte 1.
fn run_in_child(socket: RawFd, job: Job, request: &[u8]) -> io::Result<(i32, Vec<u8>)> {
    let [ours, theirs] = connect()?;
    // SAFETY: the server never has a second thread.
    match unsafe { libc::fork() } {
        -1 => {
            let error = io::Error::last_os_error();
            close(ours);
            close(theirs);
            Err(error)
        }
        0 => {
            close(socket);
            close(ours);
            let result = catch_unwind(AssertUnwindSafe(|| job(request)));
            let _ = io::stdout().lock().flush();
            let code = match result {
                Ok(mut answer) => {
                    answer.push(1);
                    i32::from(write_all(theirs, &answer).is_err())
                }
                Err(payload) => {
                    std::mem::forget(payload);
                    101
                }
            };
            // SAFETY: ends the process.
            unsafe { libc::_exit(code) }
        }
        child => {
            close(theirs);
            let mut answer = Vec::new();
            while let Ok(byte_or_more) = read_some(ours) {
                if byte_or_more.is_empty() {
                    break;
                }
                answer.extend(byte_or_more);
            }
            close(ours);
            Ok((wait_for(child)?, answer))
        }
    }
}

/// What there is to read; nothing at the end.
fn read_some(fd: RawFd) -> io::Result<Vec<u8>> {
    let mut part = vec![0; 64 * 1024];
    loop {
        // SAFETY: the buffer has room for so many bytes.
        let got = unsafe { libc::read(fd, part.as_mut_ptr().cast(), part.len()) };
        match usize::try_from(got) {
            Ok(got) => {
                part.truncate(got);
                return Ok(part);
            }
            Err(_) => again_or_error()?,
        }
    }
}

fn default_signals() {
    // SAFETY: SIG_DFL is no function, and the set is a local value that is filled
    // before it is used.
    unsafe {
        for signal in 1..=31 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
