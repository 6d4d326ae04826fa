//! A deadlock that the checker finds although it did not happen: this program has only one thread.

use sync::{LockOrder, OrderViolation, OrderedMutex};

/// Moves one item in the obvious way: it first locks one mutex, then the other. If two threads
/// moved items in opposite directions at the same time, each could hold the mutex that the other
/// waits for.
fn carry(from: &OrderedMutex<u32>, to: &OrderedMutex<u32>) -> Result<(), OrderViolation> {
    let mut from = from.lock()?;
    let mut to = to.lock()?;
    *from -= 1;
    *to += 1;
    Ok(())
}

/// The report, with a line break before each part of its long first line.
fn in_short_lines(refused: &OrderViolation) -> String {
    let report = refused.to_string();
    let report = report.replace(" can deadlock", "\n  can deadlock");
    let report = report.replace(" would wait for ever: ", "\n  would wait for ever: ");
    report.replace("; release", ";\n  release")
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
            Err(refused) => println!("{what}: refused\n  {}", in_short_lines(&refused)),
        }
    }
}
