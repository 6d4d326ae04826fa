//! Two processes write a long message to each other before they read. Both wait
//! for ever. A third process sees it in /proc. Then come two repairs: a
//! deadline, and an order in which one side reads first.
//!
//! `cargo run -p ipc --example both_write_first`
//! `cargo run -p ipc --example both_write_first -- ask` lets `cargo course
//! who-waits` say what they wait for.

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ipc::Transport;
use processes::proc::{self, State, Syscall};
use processes::{Child, Pid, Signal};

const LONG: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("ask") {
        return ask_who_waits();
    }
    both_write_first()?;
    a_deadline_reports_it()?;
    one_side_reads_first()
}

fn write_then_read(mut line: &UnixStream) -> std::io::Result<()> {
    line.write_all(&[b'x'; LONG])?;
    line.read_exact(&mut vec![0; LONG])
}

fn read_then_write(mut line: &UnixStream) -> std::io::Result<()> {
    line.read_exact(&mut vec![0; LONG])?;
    line.write_all(&[b'x'; LONG])
}

/// Starts two processes that write first, and returns when both have blocked.
fn two_that_block() -> Result<[Child; 2], Box<dyn Error>> {
    let (here, there) = UnixStream::pair()?;
    let ann = processes::fork(|| i32::from(write_then_read(&here).is_err()))?;
    let bob = processes::fork(|| i32::from(write_then_read(&there).is_err()))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !(blocked_in_write(ann.pid())? && blocked_in_write(bob.pid())?) {
        if Instant::now() > deadline {
            return Err("they should have blocked by now".into());
        }
        thread::yield_now();
    }
    Ok([ann, bob])
}

fn both_write_first() -> Result<(), Box<dyn Error>> {
    let [ann, bob] = two_that_block()?;
    println!("both write first:");
    look(&ann, &bob)?;
    thread::sleep(Duration::from_millis(500));
    println!("half a second later:");
    look(&ann, &bob)?;
    end([ann, bob])
}

fn ask_who_waits() -> Result<(), Box<dyn Error>> {
    let pair = two_that_block()?;
    for child in &pair {
        let pid = child.pid().to_string();
        let answer = Command::new("cargo")
            .args(["course", "who-waits", &pid])
            .output()?;
        print!("{}", String::from_utf8_lossy(&answer.stdout));
    }
    end(pair)
}

fn end(pair: [Child; 2]) -> Result<(), Box<dyn Error>> {
    for mut child in pair {
        child.signal(Signal::SIGKILL)?;
        child.wait()?;
    }
    Ok(())
}

fn look(ann: &Child, bob: &Child) -> Result<(), Box<dyn Error>> {
    for (name, child) in [("Ann", ann), ("Bob", bob)] {
        let state = proc::stat(child.pid())?.state;
        let inside = match blocked_in_write(child.pid())? {
            true => "in a write to the socket",
            false => "somewhere else",
        };
        println!("  {name}: {state:?}, {inside}");
    }
    Ok(())
}

/// Whether /proc/PID/stat says "sleeping" and /proc/PID/syscall says "write".
fn blocked_in_write(pid: Pid) -> std::io::Result<bool> {
    let sleeps = proc::stat(pid)?.state == State::Sleeping;
    let writes = match proc::syscall(pid, pid)? {
        Syscall::Inside { number, .. } => number == libc::SYS_write || number == libc::SYS_sendto,
        _ => false,
    };
    Ok(sleeps && writes)
}

// ANCHOR: deadline
fn a_deadline_reports_it() -> Result<(), Box<dyn Error>> {
    let (mut here, mut there) = ipc::channel::<Vec<u8>, Vec<u8>>(Transport::Stream)?;
    let sent = here.send_timeout(&vec![b'x'; LONG], Duration::from_millis(200))?;
    println!("a deadline: sent in time: {sent}");
    let reader = thread::spawn(move || there.recv().map(|message| message.len()));
    let sent = here.flush_timeout(Duration::from_secs(10))?;
    println!("a deadline: sent once the other side reads: {sent}");
    let length = reader.join().map_err(|_| "the reader panicked")??;
    println!("a deadline: {length} bytes arrived");
    Ok(())
}
// ANCHOR_END: deadline

fn one_side_reads_first() -> Result<(), Box<dyn Error>> {
    let (here, there) = UnixStream::pair()?;
    let mut ann = processes::fork(|| i32::from(write_then_read(&here).is_err()))?;
    let mut bob = processes::fork(|| i32::from(read_then_write(&there).is_err()))?;
    println!("Bob reads first: Ann {}", ann.wait()?);
    println!("Bob reads first: Bob {}", bob.wait()?);
    Ok(())
}
