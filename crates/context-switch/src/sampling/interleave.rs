//! Rounds: one sample of each side, in changing order.

use super::{Samples, SamplesError};

/// A function that takes one sample, in any unit. It may fail.
pub type Side<'a, E> = &'a mut dyn FnMut() -> Result<f64, E>;

/// Takes one sample of each side in every round. Use this for measurements that
/// a [`Comparison`](super::Comparison) cannot make, for example because they
/// may fail or are not times. The caller has to do the warm-up and the batches.
///
/// ```
/// use context_switch::sampling::{SamplesError, interleave, ratio};
/// let (mut small, mut large) = (|| Ok(2.0), || Ok(6.0));
/// let samples = interleave::<SamplesError>(20, &mut [&mut large, &mut small])?;
/// assert!((ratio(&samples[0], &samples[1])?.middle - 3.0).abs() < 1e-9);
/// # Ok::<(), SamplesError>(())
/// ```
///
/// # Errors
/// The first error of a side ends the measurement at once. No rounds, or a
/// sample that is not a finite number, are errors too.
pub fn interleave<E: From<SamplesError>>(
    rounds: usize,
    sides: &mut [Side<'_, E>],
) -> Result<Vec<Samples>, E> {
    let mut taken = vec![Vec::with_capacity(rounds); sides.len()];
    for round in 0..rounds {
        for index in order(round, sides.len()) {
            taken[index].push(sides[index]()?);
        }
    }
    let samples = taken.into_iter().map(Samples::new);
    Ok(samples.collect::<Result<_, SamplesError>>()?)
}

/// The order of the alternatives in a round. Each alternative comes at every
/// place equally often, and after every other alternative, so that what one
/// leaves in the caches hurts no alternative more than the rest.
pub(super) fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| {
        let forward = (place + round / 2) % count;
        if round.is_multiple_of(2) {
            forward
        } else {
            count - 1 - forward
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alternative_comes_at_every_place_equally_often() {
        for count in [2, 3, 4] {
            let mut places = vec![vec![0; count]; count];
            for round in 0..2 * count {
                for (place, index) in order(round, count).enumerate() {
                    places[index][place] += 1;
                }
            }
            assert!(
                places.iter().flatten().all(|&times| times == 2),
                "{places:?}"
            );
        }
    }

    #[test]
    fn the_first_failure_ends_it() {
        let mut sound = || Ok(1.0);
        let mut broken = || Err(SamplesError::NotPositive { place: 7 });
        let ended = interleave(3, &mut [&mut sound, &mut broken]);
        assert_eq!(ended, Err(SamplesError::NotPositive { place: 7 }));
    }

    #[test]
    fn no_rounds_are_no_samples() {
        let mut side = || Ok(1.0);
        assert_eq!(interleave(0, &mut [&mut side]), Err(SamplesError::None));
    }
}
