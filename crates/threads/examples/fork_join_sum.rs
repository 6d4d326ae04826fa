//! Fork and join, step 2: a worker that waits for a half that another worker has stolen runs other
//! jobs meanwhile. One worker is enough.

use threads::{ForkJoin, PoolError, join};

// ANCHOR: sum
/// Adds up `numbers`; the right half may be stolen by another worker.
fn sum(numbers: &[u64]) -> u64 {
    if numbers.len() <= 2 {
        return numbers.iter().sum();
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let (left, right) = join(|| sum(left), || sum(right));
    left + right
}
// ANCHOR_END: sum

fn main() -> Result<(), PoolError> {
    for workers in [1, 2, 8] {
        let pool = ForkJoin::new(workers)?;
        for first in [0, 100] {
            let numbers: Vec<u64> = (first..first + 8).collect();
            let sum = pool.run(|| sum(&numbers));
            println!("workers: {workers}; the sum is {sum}");
        }
    }
    Ok(())
}
