//! Two processes use the same address, but the parent never sees what the child
//! writes there. The example also counts in two ways how much memory the child
//! costs.
//!
//! `cargo run -p processes --example memory_apart`

use std::error::Error;
use std::io::{Read, Write, pipe};
use std::process::id;

use processes::{fork, proc};

const MIB: u64 = 1024 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    // Every page is written: a page that was never touched takes no memory.
    let mut block = vec![1_u8; 32 * MIB as usize];
    let address = block.as_ptr();
    let (told, mut tell) = pipe()?;
    let (go, mut let_go) = pipe()?;
    let mut child = fork(|| {
        let same = block.as_ptr() == address;
        block[0] = 2;
        println!("child:  at the same address: {same}; it reads {}", block[0]);
        _ = tell.write_all(&[block[0]]);
        _ = (&go).read_exact(&mut [0]); // stay alive until the parent has counted
        0
    })?;
    (&told).read_exact(&mut [0])?;
    println!("parent: it reads {}", block[0]);

    let parent = proc::memory(id().cast_signed())?;
    let copy = proc::memory(child.pid())?;
    let once = 32 * MIB..48 * MIB;
    let resident = parent.resident + copy.resident;
    let proportional = parent.proportional + copy.proportional;
    println!(
        "the sum of the RSS counts the block once: {}",
        once.contains(&resident)
    );
    println!(
        "the sum of the PSS counts the block once: {}",
        once.contains(&proportional)
    );
    println!(
        "private to the child: less than 4 MiB: {}",
        copy.private < 4 * MIB
    );
    let_go.write_all(&[0])?;
    println!("the child {}", child.wait()?);
    Ok(())
}
