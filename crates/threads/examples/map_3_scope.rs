//! A map, step 3: threads in a scope may borrow, and there is one thread for each item.
//!
//! That is fine for five items. The program then gives itself 64 MiB more address space than it
//! uses, and tries a thousand items.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{fs, io, thread};

use nix::sys::resource::{Resource, setrlimit};
use threads::message_of;

static REFUSED: AtomicBool = AtomicBool::new(false);

// ANCHOR: scope
/// The threads borrow `items` and `f`: the scope waits for all of them before it ends.
fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let f = &f;
        let threads: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || f(item)))
            .collect();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results.map(|result| result.expect("f panicked")).collect()
    })
}
// ANCHOR_END: scope

/// Lets this process have 64 MiB of address space more than it has now (`RLIMIT_AS`).
fn allow_64_mib_more() -> io::Result<()> {
    // proc_pid_status(5): the size of the address space in KiB.
    let status = fs::read_to_string("/proc/self/status")?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let size = size.and_then(|size| size.split_whitespace().next()?.parse().ok());
    let limit = (size.unwrap_or(0_u64) << 10) + (64 << 20);
    Ok(setrlimit(Resource::RLIMIT_AS, limit, limit)?)
}

fn main() -> io::Result<()> {
    let words = ["to", "be", "or", "not", "to be"].map(String::from);
    println!("5 items: {:?}", map(&words, String::len));

    allow_64_mib_more()?;

    // Each call takes until the kernel refuses a thread. (The hook sees the panic first.)
    std::panic::set_hook(Box::new(|_| REFUSED.store(true, Relaxed)));
    let numbers: Vec<u64> = (0..1000).collect();
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        map(&numbers, |number| {
            while !REFUSED.load(Relaxed) {
                thread::yield_now();
            }
            number * number
        })
    }));
    match attempt {
        Ok(squares) => println!("1000 items: {} results", squares.len()),
        Err(payload) => {
            let (what, why) = message_of(&*payload).split_once(": ").unwrap_or_default();
            println!("1000 items: {what}\n  {why}");
        }
    }
    Ok(())
}
