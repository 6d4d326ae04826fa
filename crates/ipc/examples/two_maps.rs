//! Where is shared memory? The kernel lists it for both processes. The same
//! page may have another address in each of them.
//!
//! `cargo run -p ipc --example two_maps`

use std::error::Error;
use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

use ipc::SharedMemory;
use processes::Pid;
use processes::proc::{self, Mapping};

fn main() -> Result<(), Box<dyn Error>> {
    let board = SharedMemory::new(4096)?;
    let (mut ready, mut tell) = pipe()?;
    let (mut done, mut end) = pipe()?;
    let file = board.as_fd().try_clone_to_owned()?;
    let mut file = Some(file);
    let mut child = processes::fork(|| {
        // The child maps the same memory once more, at an address of its own.
        let Some(Ok(again)) = file.take().map(SharedMemory::from_fd) else {
            return 1;
        };
        again.words()[0].store(42, Relaxed);
        let told = tell.write_all(b"!");
        let ended = done.read_exact(&mut [0]);
        i32::from(told.is_err() || ended.is_err())
    })?;
    ready.read_exact(&mut [0])?;
    println!("the parent reads {}", board.words()[0].load(Relaxed));
    let mine = boards(std::process::id().cast_signed())?;
    let theirs = boards(child.pid())?;
    for (who, mapping) in mine.iter().map(|mapping| ("parent", mapping)) {
        println!("{who}: {}", describe(mapping));
    }
    for (who, mapping) in theirs.iter().map(|mapping| ("child", mapping)) {
        println!("{who}:  {}", describe(mapping));
    }
    let inode = mine.first().map(|mapping| mapping.inode);
    let same = theirs.iter().all(|mapping| Some(mapping.inode) == inode);
    println!("all of them are the same file: {same}");
    end.write_all(b"!")?;
    println!("the child {}", child.wait()?);
    Ok(())
}

/// The mappings of shared memory without a name on the disk.
fn boards(pid: Pid) -> std::io::Result<Vec<Mapping>> {
    let mut mappings = proc::maps(pid)?;
    let named = |path: &String| path.starts_with("/memfd:");
    mappings.retain(|mapping| mapping.path.as_ref().is_some_and(named));
    Ok(mappings)
}

fn describe(mapping: &Mapping) -> String {
    let letter = |is: bool, yes: char| if is { yes } else { '-' };
    let (read, write) = (letter(mapping.read, 'r'), letter(mapping.write, 'w'));
    let execute = letter(mapping.execute, 'x');
    let shared = if mapping.shared { 's' } else { 'p' };
    let path = mapping.path.as_deref().unwrap_or_default();
    let (start, end) = (mapping.start, mapping.end);
    format!("{start:x}-{end:x} {read}{write}{execute}{shared} {path}")
}
