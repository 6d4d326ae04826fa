//! Step 4: the parent asks how each child ended. But neither the child's memory
//! nor its exit code can carry a result to the parent.
//!
//! `cargo run -p processes --example squares_by_exit_code`

use std::error::Error;

use processes::{Ending, fork};

const NUMBERS: [i32; 6] = [2, 3, 15, 16, 17, 18];

fn main() -> Result<(), Box<dyn Error>> {
    let mut in_memory = [0; NUMBERS.len()];
    let mut by_exit_code = Vec::new();
    for (index, number) in NUMBERS.into_iter().enumerate() {
        let mut child = fork(|| {
            let square = number * number;
            in_memory[index] = square; // in the child's copy
            square
        })?;
        match child.wait()? {
            Ending::Exited(code) => by_exit_code.push(code),
            killed @ Ending::Killed { .. } => return Err(killed.to_string().into()),
        }
    }
    println!("numbers:                     {NUMBERS:?}");
    println!("the parent's memory says:    {in_memory:?}");
    println!("the exit codes say:          {by_exit_code:?}");
    Ok(())
}
