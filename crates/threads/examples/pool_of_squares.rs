//! The pool of squares of the lessons, on threads: `multiprocessing.Pool(5).map(square, numbers)`.

use threads::{Pool, PoolError};

fn square(number: u64) -> u64 {
    number * number
}

fn main() -> Result<(), PoolError> {
    let numbers = [1, 2, 3, 4, 5];
    let pool = Pool::new(5, numbers.len())?;
    let jobs = numbers.map(|number| pool.submit(move || square(number)));
    // The jobs end in any order, but this asks for their results in the order of the numbers.
    let squares: Vec<u64> = jobs
        .into_iter()
        .filter_map(|job| job.ok()?.wait().ok())
        .collect();
    println!("Squares (a pool of 5 threads): {squares:?}");
    Ok(())
}
