//! A parent asks questions, and its child computes the answers. Each process
//! has one end of a typed channel.
//!
//! `cargo run -p ipc --example question_and_answer`

use std::error::Error;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use ipc::Channel;
use processes::Spec;

/// The number of the descriptor of the child's end.
const LINE: i32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        answer()
    } else {
        ask()
    }
}

fn ask() -> Result<(), Box<dyn Error>> {
    let (mut line, childs_end) = ipc::pair::<Vec<u64>, u64>()?;
    let mut child = Spec::new(std::env::current_exe()?)
        .arg("child")
        .pass(childs_end.into_fd(), LINE)
        .spawn()?;
    for numbers in [vec![1, 2, 3], vec![10; 1000], vec![]] {
        line.send(&numbers)?;
        let answer = line
            .recv_timeout(Duration::from_secs(10))?
            .ok_or("no answer in 10 s")?;
        let (count, sum) = (numbers.len(), answer.value);
        println!("{count} numbers, sum {sum}, says process {}", answer.sender);
    }
    drop(line); // the child sees that the channel is closed, and exits
    println!("process {} {}", child.pid(), child.wait()?);
    Ok(())
}

fn answer() -> Result<(), Box<dyn Error>> {
    // SAFETY: the parent passed us this descriptor, and nothing else uses it.
    let end = unsafe { OwnedFd::from_raw_fd(LINE) };
    let mut line = Channel::<u64, Vec<u64>>::from_fd(end)?;
    while let Ok(question) = line.recv() {
        line.send(&question.value.iter().sum())?;
    }
    Ok(())
}
