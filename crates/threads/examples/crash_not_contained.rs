//! A crash in a thread ends the whole process; a panic ends only the thread.
//!
//! The program starts itself again as a child, once for each kind of failure. A thread of the child
//! fails in that way, and the program prints what happened to the child.

use std::env;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Command};
use std::thread;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::resource::{Resource, setrlimit};
use threads::message_of;

const WAYS: [(&str, &str); 5] = [
    ("panic", "a thread panics:"),
    ("forbidden", "a thread reads forbidden memory:"),
    ("abort", "a thread aborts:"),
    ("overflow", "a thread overflows its stack:"),
    ("exit", "a thread calls exit(0):"),
];

/// What the thread does. Only the first way leaves the other threads alone.
fn go_wrong(way: &str) {
    match way {
        "panic" => panic!("no milk"),
        "forbidden" => read_forbidden_memory(),
        "abort" => process::abort(),
        "overflow" => drop(without_end(0)),
        _ => process::exit(0), // ends all other threads, too, in the middle of their work
    }
}

/// Reads a page that this process may not read. The kernel then sends SIGSEGV to the process.
fn read_forbidden_memory() {
    let page = NonZeroUsize::MIN.saturating_add(4095);
    // SAFETY: a new mapping at an address that the kernel chooses does not disturb other memory.
    let mapped = unsafe { mmap_anonymous(None, page, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) };
    if let Ok(forbidden) = mapped {
        // SAFETY: the kernel ends this process instead of completing the read.
        std::hint::black_box(unsafe { forbidden.cast::<u8>().read_volatile() });
    }
}

/// Calls itself until the thread's stack overflows. An access to the guard page then ends the
/// process.
#[allow(unconditional_recursion)]
fn without_end(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    without_end(depth + 1) + frame[0]
}

/// The child: starts a thread, waits for it, and prints its panic if there was one.
fn child(way: &str) -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?; // no core file is left behind
    let way = way.to_owned();
    if let Err(payload) = thread::spawn(move || go_wrong(&way)).join() {
        println!("joined a panic: {}", message_of(&*payload));
    }
    Ok(())
}

fn main() -> io::Result<()> {
    if let Some(way) = env::args().nth(1) {
        return child(&way).map_err(io::Error::from);
    }
    for (way, what) in WAYS {
        let ended = Command::new(env::current_exe()?).arg(way).output()?;
        let said = String::from_utf8_lossy(&ended.stdout);
        let said = if said.is_empty() {
            "nothing"
        } else {
            said.trim_end()
        };
        let became = match (ended.status.signal(), ended.status.code()) {
            (Some(signal), _) => format!("the whole process died of signal {signal}"),
            (None, Some(0)) if way == "panic" => format!("the process lives on, and says: {said}"),
            (None, code) => format!(
                "the process ended with code {}, and says: {said}",
                code.unwrap_or_default()
            ),
        };
        println!("{what:<33} {became}");
    }
    Ok(())
}
