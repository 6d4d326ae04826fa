//! What the kernel knows of tasks that wait: one thread in one system call, and
//! a list of descriptors.
//!
//! Two tasks wait, each for its socket. A second thread looks at the first one
//! through /proc, prints what it sees, and then ends the wait.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use coroutines::executor::Executor;
use coroutines::reactor::{Reactor, Source};
use nix::unistd::{Pid, gettid};

async fn read_byte(source: Source<UnixStream>) -> io::Result<char> {
    let mut byte = [0];
    source
        .read_with(|mut stream| stream.read_exact(&mut byte))
        .await?;
    Ok(char::from(byte[0]))
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let executor = Executor::with_reactor(reactor.clone());
    let (ours, mut theirs) = UnixStream::pair()?;
    let first = executor.spawn(read_byte(reactor.register(ours)?));
    let (ours, mut theirs_too) = UnixStream::pair()?;
    let second = executor.spawn(read_byte(reactor.register(ours)?));

    let waiting = gettid();
    let observer = thread::spawn(move || {
        let seen = observe(waiting);
        theirs.write_all(b"a")?;
        theirs_too.write_all(b"b")?;
        seen
    });
    let read =
        executor.block_on(async { Ok::<_, Box<dyn Error>>([first.await??, second.await??]) });
    let seen = observer
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    print!("{seen}");
    println!("the tasks have read: {}", read?.iter().collect::<String>());
    Ok(())
}

/// Waits until the thread waits in epoll, and says what the kernel knows.
fn observe(waiting: Pid) -> io::Result<String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_in_epoll(waiting)? {
        if Instant::now() > deadline {
            return Err(io::Error::other("the thread does not wait in epoll"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mut seen = "the thread waits in the system call epoll_wait\n".to_owned();
    seen += "epoll watches, for this thread:\n";
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        // It fails for the descriptor of this very directory.
        if kind(&path).is_ok_and(|kind| kind.contains("eventpoll")) {
            let number = path.file_name().unwrap_or_default();
            for line in fs::read_to_string(Path::new("/proc/self/fdinfo").join(number))?.lines() {
                all.extend(watched(line));
            }
        }
    }
    all.sort();
    Ok(seen + &all.concat())
}

fn is_in_epoll(thread: Pid) -> io::Result<bool> {
    let call = fs::read_to_string(format!("/proc/self/task/{thread}/syscall"))?;
    // The first number is that of the system call.
    let number = call.split(' ').next().and_then(|word| word.parse().ok());
    #[cfg(target_arch = "x86_64")]
    let calls = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait];
    #[cfg(not(target_arch = "x86_64"))]
    let calls = [libc::SYS_epoll_pwait];
    Ok(number.is_some_and(|number| calls.contains(&number)))
}

/// Reads a line such as `tfd: 5 events: 40002019 data: 0 …`.
fn watched(line: &str) -> Option<String> {
    let mut words = line.strip_prefix("tfd:")?.split_whitespace();
    let descriptor = words.next()?;
    let events = u32::from_str_radix(words.nth(1)?, 16).ok()?;
    let what = match kind(&Path::new("/proc/self/fd").join(descriptor)) {
        Ok(kind) if kind.starts_with("socket") => "a socket",
        _ => "the bell",
    };
    let names = [
        (libc::EPOLLIN, "EPOLLIN"),
        (libc::EPOLLOUT, "EPOLLOUT"),
        (libc::EPOLLRDHUP, "EPOLLRDHUP"),
        (libc::EPOLLONESHOT, "EPOLLONESHOT"),
    ];
    let set = names
        .iter()
        .filter(|(flag, _)| events & (*flag as u32) != 0);
    let set: Vec<_> = set.map(|(_, name)| *name).collect();
    Some(format!(
        "    descriptor {descriptor}, {what}: {}\n",
        set.join(" ")
    ))
}

/// What a descriptor is: `socket:[4711]`, `anon_inode:[eventpoll]`.
fn kind(descriptor: &Path) -> io::Result<String> {
    Ok(fs::read_link(descriptor)?.to_string_lossy().into_owned())
}
