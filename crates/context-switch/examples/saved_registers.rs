//! What the kernel saves of a thread that does not run: its registers.
//!
//! Two threads of one process sleep in `read`. The third reads in `/proc` what
//! the kernel has saved of each.

use std::error::Error;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::unistd::{getpid, gettid};
use processes::Pid;
use processes::proc::{Syscall, maps, syscall};

/// What a thread says about itself before it sleeps.
struct Said {
    tid: Pid,
    descriptor: i32,
    buffer: u64,
}

fn sleep_in_read(mut from: PipeReader, say: &Sender<Said>) -> io::Result<()> {
    let mut buffer = [0; 5];
    _ = say.send(Said {
        tid: gettid().as_raw(),
        descriptor: from.as_raw_fd(),
        buffer: buffer.as_mut_ptr().addr() as u64,
    });
    from.read(&mut buffer).map(drop)
}

// ANCHOR: asleep
/// Waits until this thread sleeps in `read`, and returns its saved registers:
/// the arguments of the call, the stack pointer and the program counter.
fn asleep(tid: Pid) -> io::Result<([u64; 6], u64, u64)> {
    loop {
        match syscall(getpid().as_raw(), tid)? {
            Syscall::Inside {
                number,
                args,
                sp,
                pc,
            } if number == libc::SYS_read => {
                return Ok((args, sp, pc));
            }
            // It is still on its way.
            _ => thread::yield_now(),
        }
    }
}
// ANCHOR_END: asleep

/// The name of the memory in which this address lies.
fn place(address: u64) -> io::Result<String> {
    let mappings = maps(getpid().as_raw())?;
    let found = mappings.iter().find(|mapping| mapping.contains(address));
    let path = found.and_then(|mapping| mapping.path.as_deref());
    // Of a file, only its name.
    Ok(path
        .map_or("memory without a file", |path| {
            path.rsplit('/').next().unwrap_or(path)
        })
        .to_owned())
}

fn main() -> Result<(), Box<dyn Error>> {
    let ((from_a, to_a), (from_b, to_b)) = (io::pipe()?, io::pipe()?);
    let (say, said) = channel();
    thread::scope(|scope| {
        for from in [from_a, from_b] {
            let say = say.clone();
            scope.spawn(move || sleep_in_read(from, &say));
        }
        // Dropped at the end, also after an error: then both threads wake up.
        let _wake = (to_a, to_b);
        let mut both = [said.recv()?, said.recv()?];
        both.sort_by_key(|said| said.descriptor);
        for said in both {
            let (args, sp, pc) = asleep(said.tid)?;
            println!("thread {}", said.tid);
            println!("  program counter  {pc:#x}, in {}", place(pc)?);
            println!("  stack pointer    {sp:#x}, in {}", place(sp)?);
            let fits = i64::try_from(args[0]) == Ok(i64::from(said.descriptor));
            println!("  1st argument     {} (its descriptor: {fits})", args[0]);
            println!(
                "  2nd argument     {:#x} (its buffer: {})",
                args[1],
                args[1] == said.buffer
            );
            println!("  3rd argument     {} (bytes to read)", args[2]);
        }
        Ok(())
    })
}
