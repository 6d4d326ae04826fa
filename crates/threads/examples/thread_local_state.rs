//! A value for each thread: no thread waits for another while it uses its value, all values are
//! collected in the end, and in a pool there is a trap.

use std::sync::Arc;
use std::thread;

use threads::{PerThread, Pool, PoolError};

fn main() -> Result<(), PoolError> {
    let counted = PerThread::new(|| 0);
    thread::scope(|scope| {
        for times in 1..=3 {
            let counted = &counted;
            scope.spawn(move || (0..times).for_each(|_| counted.with(|count| *count += 1)));
        }
    });
    let mut counts: Vec<u32> = counted
        .collect()
        .into_iter()
        .map(|(_, count)| count)
        .collect();
    counts.sort_unstable();
    println!(
        "3 threads counted for themselves: {counts:?}, together {}",
        counts.iter().sum::<u32>()
    );

    // In a pool the thread outlives the job, and so does the value that the job leaves in it.
    let pool = Pool::new(1, 3)?;
    let session = Arc::new(PerThread::new(String::new));
    for (number, leaves) in [(1, "Alice's password"), (2, ""), (3, "")] {
        let session = Arc::clone(&session);
        let job = pool.submit(move || {
            let found = session.with(|session| session.clone());
            // Every job should do this at its end. The first job stores a value after it.
            session.take();
            if !leaves.is_empty() {
                session.with(|session| *session = leaves.to_owned());
            }
            found
        });
        if let Some(Ok(found)) = job.ok().map(threads::JobHandle::wait) {
            println!("in a pool, job {number} finds {found:?} and leaves {leaves:?}");
        }
    }
    Ok(())
}
