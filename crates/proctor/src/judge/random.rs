//! Random inputs. The judge makes them at run time, so no code can know them in
//! advance.

use crate::judge::trial::Trial;

/// A generator seeded for this test. The record holds the seed, and the
/// environment variable `PROCTOR_SEED` repeats a run.
///
/// Outside of a judged test it is seeded from the system.
pub fn rng() -> fastrand::Rng {
    match Trial::current() {
        Some(trial) => trial.rng.borrow_mut().fork(),
        None => fastrand::Rng::new(),
    }
}

/// A random value: `random::<Vec<u64>>()`.
pub fn random<T: Random>() -> T {
    T::random(&mut rng())
}

/// Types of which the judge can make random inputs.
pub trait Random {
    /// One value; collections have 20 to 60 elements.
    fn random(rng: &mut fastrand::Rng) -> Self;
}

macro_rules! integers {
    ($($name:ident),*) => {$(
        impl Random for $name {
            fn random(rng: &mut fastrand::Rng) -> Self {
                rng.$name(..)
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl Random for bool {
    fn random(rng: &mut fastrand::Rng) -> Self {
        rng.bool()
    }
}

impl Random for String {
    fn random(rng: &mut fastrand::Rng) -> Self {
        (0..rng.usize(20..=60))
            .map(|_| rng.alphanumeric())
            .collect()
    }
}

impl<T: Random> Random for Vec<T> {
    fn random(rng: &mut fastrand::Rng) -> Self {
        (0..rng.usize(20..=60)).map(|_| T::random(rng)).collect()
    }
}
