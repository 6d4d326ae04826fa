//! How far a median, or a ratio of two alternatives, may be from the true
//! value.

use super::{Random, Samples, SamplesError};

/// How often an interval contains the true value, if the rounds are
/// independent.
pub const CONFIDENCE: f64 = 0.95;

/// How many times the bootstrap draws for one interval.
const RESAMPLES: usize = 2000;

/// The seed is fixed, so the same measurements always give the same interval.
const SEED: u64 = 42;

/// An estimate, and the interval in which the true value lies with a confidence
/// of [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub middle: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the whole interval lies above this limit.
    #[must_use]
    pub fn is_above(&self, limit: f64) -> bool {
        self.low > limit
    }

    /// Whether the whole interval lies below this limit.
    #[must_use]
    pub fn is_below(&self, limit: f64) -> bool {
        self.high < limit
    }

    /// Whether the whole interval lies between these two limits.
    #[must_use]
    pub fn is_within(&self, low: f64, high: f64) -> bool {
        self.is_above(low) && self.is_below(high)
    }

    /// Returns the interval of B to A, if this is the interval of A to B.
    #[must_use]
    pub fn inverse(&self) -> Interval {
        Interval {
            middle: 1.0 / self.middle,
            low: 1.0 / self.high,
            high: 1.0 / self.low,
        }
    }
}

/// Returns the median of the samples with its interval.
#[must_use]
pub fn median_of(samples: &Samples) -> Interval {
    bootstrap(samples.values())
}

/// Returns how many times as large `left` is as `right`: the median of the
/// rounds' ratios, with its interval. The samples at the same place must come
/// from the same round, so that everything that the machine did to both in that
/// round cancels out.
///
/// ```
/// use context_switch::sampling::{Samples, ratio};
/// // A machine that becomes slower and slower.
/// let left = Samples::new(vec![20.0, 22.0, 30.0, 44.0, 60.0])?;
/// let right = Samples::new(vec![10.0, 11.0, 15.0, 22.0, 30.0])?;
/// let ratio = ratio(&left, &right)?;
/// assert!(ratio.is_within(1.999, 2.001));
/// # Ok::<(), context_switch::sampling::SamplesError>(())
/// ```
///
/// On a quiet machine, the ratio of the two medians is nearly the same. On a
/// machine that is fast half of the time and slow the other half, one median
/// may come from a fast round and the other median from a slow one.
///
/// # Errors
/// The two have different numbers of samples, or a sample is not above 0.
pub fn ratio(left: &Samples, right: &Samples) -> Result<Interval, SamplesError> {
    if left.values().len() != right.values().len() {
        return Err(SamplesError::Unpaired {
            left: left.values().len(),
            right: right.values().len(),
        });
    }
    for samples in [left, right] {
        if let Some(place) = samples.values().iter().position(|&value| value <= 0.0) {
            return Err(SamplesError::NotPositive { place });
        }
    }
    // The interval is computed from logarithms, so that the inverse ratio has
    // the inverse interval.
    let rounds = left.values().iter().zip(right.values());
    let logarithms: Vec<f64> = rounds.map(|(left, right)| (left / right).ln()).collect();
    let Interval { middle, low, high } = bootstrap(&logarithms);
    Ok(Interval {
        middle: middle.exp(),
        low: low.exp(),
        high: high.exp(),
    })
}

/// Returns the median of the values and its interval. The function draws as
/// many values with replacement, takes their median, and repeats this. The
/// interval contains the middle 95 % of these medians.
fn bootstrap(values: &[f64]) -> Interval {
    let mut random = Random::new(SEED);
    let mut drawn = values.to_vec();
    let middle = median(&mut drawn);
    let mut imagined: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            drawn.fill_with(|| values[random.below(values.len())]);
            median(&mut drawn)
        })
        .collect();
    imagined.sort_by(f64::total_cmp);
    let outside = (RESAMPLES as f64 * (1.0 - CONFIDENCE) / 2.0) as usize;
    Interval {
        middle,
        low: imagined[outside].min(middle),
        high: imagined[RESAMPLES - 1 - outside].max(middle),
    }
}

/// Returns the median, without sorting all values.
fn median(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    let odd = values.len() % 2 == 1;
    let (smaller, &mut upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    if odd {
        return upper;
    }
    let lower = smaller.iter().copied().fold(f64::MIN, f64::max);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples::new(values.to_vec()).unwrap()
    }

    #[test]
    fn the_median_without_sorting_is_the_median() {
        for length in 1..20 {
            let mut random = Random::new(length);
            let some = samples(&(0..length).map(|_| random.fraction()).collect::<Vec<_>>());
            assert_eq!(median(&mut some.values().to_vec()), some.median());
        }
    }

    #[test]
    fn one_sample_has_an_interval_of_no_width() {
        let only = median_of(&samples(&[7.0]));
        assert_eq!((only.low, only.middle, only.high), (7.0, 7.0, 7.0));
    }

    #[test]
    fn an_interval_turned_round_keeps_its_order() {
        let turned = Interval {
            middle: 2.0,
            low: 1.0,
            high: 4.0,
        }
        .inverse();
        assert_eq!((turned.low, turned.middle, turned.high), (0.25, 0.5, 1.0));
        assert!(turned.is_within(0.2, 1.1) && !turned.is_above(0.3) && !turned.is_below(1.0));
    }

    #[test]
    fn samples_that_are_no_pairs_or_have_no_ratio_are_refused() {
        let (one, two) = (samples(&[1.0]), samples(&[1.0, 0.0]));
        let unpaired = SamplesError::Unpaired { left: 1, right: 2 };
        assert_eq!(ratio(&one, &two), Err(unpaired));
        let zero = SamplesError::NotPositive { place: 1 };
        assert_eq!(ratio(&two, &two), Err(zero));
    }
}
