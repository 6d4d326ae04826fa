//! Step 5: a pipe carries each result. Every item costs a fork, and every fork
//! copies the page tables of the parent.
//!
//! `cargo run -p processes --example squares_by_pipe`; with `-- --trace` it prints
//! the page tables for several sizes of the parent, as the book draws them.

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

/// The squares of 1 to 5, and the page tables of the five children in KiB, while
/// this process uses so much memory.
fn squares_with(mebibytes: usize) -> io::Result<(Vec<u64>, Vec<u64>)> {
    let in_use = vec![1_u8; mebibytes << 20];
    let answers: io::Result<Vec<(u64, u64)>> = (1..=5).map(square_in_a_child).collect();
    drop(std::hint::black_box(in_use));
    Ok(answers?.into_iter().unzip())
}

fn report() -> io::Result<()> {
    for mebibytes in [4, 96] {
        let (squares, tables) = squares_with(mebibytes)?;
        println!("with {mebibytes} MiB in use: {squares:?}");
        println!("  page tables of each child, in KiB: {tables:?}");
    }
    Ok(())
}

/// Prints the page tables of one child for several sizes of the parent, as a trace
/// of the kind "bars".
fn trace() -> io::Result<()> {
    let mut bars = Vec::new();
    for mebibytes in [1, 4, 16, 32, 64, 96] {
        let (_, tables) = squares_with(mebibytes)?;
        let value = tables[0];
        bars.push(format!(
            r#"{{"name":"{mebibytes} MiB in use","value":{value},"look":"plain"}}"#
        ));
    }
    let bars = bars.join(",");
    println!(r#"{{"kind":"bars","unit":"KiB of page tables","bars":[{bars}]}}"#);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    set_thp_disable(true)?; // pages of 4 KiB, also where huge pages are the rule
    match std::env::args().nth(1).as_deref() {
        Some("--trace") => trace()?,
        _ => report()?,
    }
    Ok(())
}
