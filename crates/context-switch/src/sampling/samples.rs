//! The measurements of one alternative, and what they show by themselves.

use std::{error, fmt};

/// Measurements in the order in which they were taken, in a unit of the
/// caller's choice. There is at least one, and all are finite numbers.
///
/// ```
/// use context_switch::sampling::Samples;
/// let samples = Samples::new(vec![10.0, 12.0, 11.0, 900.0])?;
/// assert_eq!(samples.median(), 11.5);
/// assert_eq!(samples.quantile(1.0), 900.0);
/// # Ok::<(), context_switch::sampling::SamplesError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    values: Vec<f64>,
}

impl Samples {
    /// Takes over measurements.
    ///
    /// # Errors
    /// There is no measurement, or one is infinite or not a number.
    pub fn new(values: Vec<f64>) -> Result<Samples, SamplesError> {
        if values.is_empty() {
            return Err(SamplesError::None);
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(SamplesError::NotFinite { place }),
            None => Ok(Samples { values }),
        }
    }

    /// Returns the measurements in the order in which they were taken.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the median: as many samples are smaller as are larger.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Returns the value that this share of the samples does not exceed: 0.5
    /// gives the median, and 0.99 the value that only the largest of a hundred
    /// samples exceeds. Between two samples the value is interpolated (R.
    /// Hyndman, Y. Fan, *Sample quantiles in statistical packages*, 1996,
    /// definition 7). A share below 0 gives the smallest sample, and a share
    /// above 1 the largest.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
        let (below, above) = (
            sorted[place.floor() as usize],
            sorted[place.ceil() as usize],
        );
        below + (above - below) * place.fract()
    }

    /// Changes each sample, for example to another unit or by subtracting a
    /// base line.
    ///
    /// # Errors
    /// A changed sample is not a finite number.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Result<Samples, SamplesError> {
        Samples::new(self.values.iter().copied().map(change).collect())
    }
}

/// Why measurements cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplesError {
    /// There are no samples.
    None,
    /// The sample at this place is infinite or not a number.
    NotFinite {
        /// The place of the sample, counted from 0.
        place: usize,
    },
    /// A ratio needs samples above 0, and the sample at this place is not above
    /// 0.
    NotPositive {
        /// The place of the sample, counted from 0.
        place: usize,
    },
    /// A ratio needs the same number of samples of both alternatives, one of
    /// each per round.
    Unpaired {
        /// How many samples there are of the left alternative.
        left: usize,
        /// How many samples there are of the right alternative.
        right: usize,
    },
}

impl fmt::Display for SamplesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SamplesError::None => write!(f, "there are no samples: measure at least once"),
            SamplesError::NotFinite { place } => write!(
                f,
                "sample {place} is no finite number: look for a division by zero"
            ),
            SamplesError::NotPositive { place } => write!(
                f,
                "sample {place} is not above 0, so it has no ratio: measure larger batches"
            ),
            SamplesError::Unpaired { left, right } => write!(
                f,
                "{left} samples against {right}: take one of each in every round"
            ),
        }
    }
}

impl error::Error for SamplesError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples::new(values.to_vec()).unwrap()
    }

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(samples(&[3.0]).median(), 3.0);
        assert_eq!(samples(&[9.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(samples(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
    }

    #[test]
    fn a_quantile_is_interpolated_and_stays_within_the_samples() {
        let tens = samples(&[50.0, 10.0, 20.0, 40.0, 30.0]);
        assert_eq!(tens.quantile(0.25), 20.0);
        assert!((tens.quantile(0.9) - 46.0).abs() < 1e-9);
        assert_eq!((tens.quantile(-1.0), tens.quantile(7.0)), (10.0, 50.0));
    }

    #[test]
    fn what_is_not_a_measurement_is_refused_with_its_place() {
        assert_eq!(Samples::new(vec![]), Err(SamplesError::None));
        let error = Samples::new(vec![1.0, f64::NAN]).unwrap_err();
        assert_eq!(error, SamplesError::NotFinite { place: 1 });
        assert!(
            error
                .to_string()
                .starts_with("sample 1 is no finite number")
        );
        assert!(samples(&[0.0]).map(|value| 1.0 / value).is_err());
    }
}
