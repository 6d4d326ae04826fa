//! The same program with five transports. Only the name of the transport
//! changes.
//!
//! `cargo run -p ipc --example any_transport`

use std::error::Error;

use ipc::Transport;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Job {
    Square(u64),
    Words(String),
}

#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    Number(u64),
    List(Vec<String>),
}

fn work(job: Job) -> Reply {
    match job {
        Job::Square(number) => Reply::Number(number * number),
        Job::Words(text) => Reply::List(text.split(' ').map(str::to_owned).collect()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    for transport in Transport::ALL {
        let (mut line, mut child) = ipc::fork_with(transport, |mut line| {
            while let Ok(job) = line.recv() {
                if line.send(&work(job)).is_err() {
                    break;
                }
            }
        })?;
        line.send(&Job::Square(12))?;
        line.send(&Job::Words("any transport will do".to_owned()))?;
        let (first, second): (Reply, Reply) = (line.recv()?, line.recv()?);
        drop(line); // this ends the child's loop
        println!(
            "{transport:?}: {first:?}, {second:?}; the child {}",
            child.wait()?
        );
    }
    Ok(())
}
