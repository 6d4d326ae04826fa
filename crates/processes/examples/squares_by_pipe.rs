//! Step 5: a pipe carries each result. Every item costs a fork, and every fork
//! copies the page tables of the parent.
//!
//! `cargo run -p processes --example squares_by_pipe`

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write, pipe};

use nix::sys::prctl::set_thp_disable;
use processes::fork;

/// Computes one square in a child of its own. Also returns how large the child's
/// page tables are, in KiB.
fn square_in_a_child(number: u64) -> io::Result<(u64, u64)> {
    let (mut reader, mut writer) = pipe()?;
    let mut child = fork(|| {
        let square = number * number;
        let sent = writer
            .write_all(&square.to_ne_bytes())
            .and_then(|()| writer.write_all(&page_tables()?.to_ne_bytes()));
        i32::from(sent.is_err())
    })?;
    drop(writer); // or the read below would wait for this end, too
    let mut answer = [[0; 8]; 2];
    let read = reader.read_exact(answer.as_flattened_mut());
    let ending = child.wait()?;
    read.map_err(|_| io::Error::other(format!("no result: the child {ending}")))?;
    Ok((u64::from_ne_bytes(answer[0]), u64::from_ne_bytes(answer[1])))
}

/// The size of this process's page tables (man 5 proc_pid_status, `VmPTE`).
fn page_tables() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPTE:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other("no VmPTE"))
}

fn main() -> Result<(), Box<dyn Error>> {
    set_thp_disable(true)?; // pages of 4 KiB, also where huge pages are the rule
    for mebibytes in [4, 96] {
        let in_use = vec![1_u8; mebibytes << 20];
        let (mut squares, mut copied) = (Vec::new(), Vec::new());
        for number in 1..=5 {
            let (square, tables) = square_in_a_child(number)?;
            squares.push(square);
            copied.push(tables);
        }
        println!("with {mebibytes} MiB in use: {squares:?}");
        println!("  page tables of each child, in KiB: {copied:?}");
        drop(std::hint::black_box(in_use));
    }
    Ok(())
}
