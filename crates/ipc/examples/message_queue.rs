//! Three messages wait in a queue with a name. Another process takes them out.
//! Each message arrives whole, and the message with the highest priority comes
//! first.
//!
//! `cargo run -p ipc --example message_queue`

use std::error::Error;

use ipc::MessageQueue;

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("/roommates-{}", std::process::id());
    let queue = MessageQueue::create(&name, 8, 64)?;
    queue.send(b"take out the rubbish", 1)?;
    queue.send(b"the kitchen is on fire", 9)?;
    queue.send(b"buy milk", 1)?;
    println!("{} messages wait", queue.waiting()?);

    let mut roommate = processes::fork(|| match read_all(&name) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    })?;
    println!("the roommate {}", roommate.wait()?);
    println!("{} messages wait", queue.waiting()?);

    drop(queue); // this also removes its name
    println!("afterwards: {}", MessageQueue::open(&name).is_err());
    Ok(())
}

fn read_all(name: &str) -> Result<(), Box<dyn Error>> {
    // The child does not use the parent's descriptor. Any process of this user
    // can open the queue by its name.
    let queue = MessageQueue::open(name)?;
    while queue.waiting()? > 0 {
        let message = queue.receive()?;
        let text = String::from_utf8_lossy(&message.bytes);
        println!("priority {}: {text}", message.priority);
    }
    Ok(())
}
