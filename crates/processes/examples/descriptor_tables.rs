//! What a child gets of its parent's open files: a copy of the table, and the same
//! open file behind it.
//!
//! `cargo run -p processes --example descriptor_tables`

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use processes::proc::Target;
use processes::{Pid, fork, proc};

/// What `/proc/PID/fd` and `/proc/PID/fdinfo` say about one descriptor.
fn describe(pid: Pid, fd: RawFd) -> String {
    let table = proc::descriptors(pid).unwrap_or_default();
    let Some(found) = table.iter().find(|descriptor| descriptor.fd == fd) else {
        return "not open".to_owned();
    };
    let what = match &found.target {
        Target::File(path) if path.starts_with("/dev") => path.display().to_string(),
        Target::File(_) => "the notes".to_owned(),
        Target::Anonymous(what) if what.contains("pidfd") => "a pidfd".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{what}, at byte {}", found.offset)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut notes = tempfile::tempfile()?;
    notes.write_all(b"0123456789")?;
    let mut before = File::open(format!("/proc/self/fd/{}", notes.as_raw_fd()))?;
    let (told, mut tell) = pipe()?;
    let (go, mut let_go) = pipe()?;

    let shared = &before;
    let mut child = fork(|| {
        let mut four = [0; 4];
        _ = { shared }.read_exact(&mut four);
        println!("the child reads {:?}", String::from_utf8_lossy(&four));
        let after = File::open("/dev/null").map_or(-1, IntoRawFd::into_raw_fd);
        _ = tell.write_all(&after.to_ne_bytes());
        _ = (&go).read_exact(&mut [0]); // stay alive until the parent has looked
        0
    })?;
    let mut number = [0; 4];
    (&told).read_exact(&mut number)?;
    let after = RawFd::from_ne_bytes(number);
    let me = std::process::id().cast_signed();

    println!("the number of the file that was opened before the fork:");
    println!("  parent: {}", describe(me, before.as_raw_fd()));
    println!("  child:  {}", describe(child.pid(), before.as_raw_fd()));
    println!("the number of the file that the child opened after the fork:");
    println!("  parent: {}", describe(me, after));
    println!("  child:  {}", describe(child.pid(), after));

    let mut four = [0; 4];
    before.read_exact(&mut four)?;
    println!("the parent reads {:?}", String::from_utf8_lossy(&four));
    let_go.write_all(b"!")?;
    child.wait()?;
    Ok(())
}
