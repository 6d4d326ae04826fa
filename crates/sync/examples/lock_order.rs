//! A deadlock that is found although it did not happen: all of this is one thread.

use sync::{LockOrder, OrderViolation, OrderedMutex};

/// The obvious way: first the one, then the other. Two threads that move things in opposite
/// directions at the same time would each hold what the other waits for.
fn carry(from: &OrderedMutex<u32>, to: &OrderedMutex<u32>) -> Result<(), OrderViolation> {
    let mut from = from.lock()?;
    let mut to = to.lock()?;
    *from -= 1;
    *to += 1;
    Ok(())
}

fn main() {
    let order = LockOrder::new();
    let kitchen = order.mutex("kitchen", 3);
    let bathroom = order.mutex("bathroom", 3);
    for (what, from, to) in [
        ("from the kitchen to the bathroom", &kitchen, &bathroom),
        ("from the bathroom to the kitchen", &bathroom, &kitchen),
        ("from the kitchen to the kitchen", &kitchen, &kitchen),
    ] {
        match carry(from, to) {
            Ok(()) => println!("{what}: moved"),
            Err(refused) => println!("{what}: {refused}"),
        }
    }
}
