//! The axis of a chart.

use records::ledger::{Figure, Ratio};

/// An axis that covers all values of some figures. It is logarithmic if the
/// largest value is more than ten times the smallest, and otherwise linear from
/// zero.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    /// Whether equal distances are equal factors.
    pub logarithmic: bool,
}

impl Scale {
    /// Returns the axis for these figures, or `None` if there are no figures.
    #[must_use]
    pub fn of(figures: &[Figure]) -> Option<Scale> {
        let low = figures.iter().map(|figure| figure.low).reduce(f64::min)?;
        let high = figures.iter().map(|figure| figure.high).reduce(f64::max)?;
        let logarithmic = low > 0.0 && high > 10.0 * low;
        Some(match logarithmic {
            // The axis begins below the smallest value, so that this value has a bar too.
            true => Scale {
                low: low / 1.5,
                high,
                logarithmic,
            },
            false => Scale {
                low: low.min(0.0),
                high,
                logarithmic,
            },
        })
    }

    /// Returns the axis for these ratios, or `None` if there are none: logarithmic, so
    /// that twice and half are equally far from 1, which is always on it.
    #[must_use]
    pub fn of_ratios(ratios: &[Ratio]) -> Option<Scale> {
        let positive = |value: &f64| *value > 0.0;
        let low = ratios
            .iter()
            .map(|ratio| ratio.low)
            .filter(positive)
            .reduce(f64::min)?;
        let high = ratios.iter().map(|ratio| ratio.high).reduce(f64::max)?;
        Some(Scale {
            low: low.min(0.5) / 1.1,
            high: high.max(2.0) * 1.1,
            logarithmic: true,
        })
    }

    /// Returns round values on the axis at which to put ticks: on a logarithmic axis
    /// the powers of ten, and 2 and 5 or 3 times them if there are few; on a linear axis
    /// steps of 1, 2 or 5 times a power of ten.
    #[must_use]
    pub fn ticks(&self) -> Vec<f64> {
        if self.high <= self.low {
            return vec![self.high];
        }
        let inside = |value: &f64| (self.low..=self.high).contains(value);
        if self.logarithmic {
            let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            let times = |factors: &[f64]| -> Vec<f64> {
                powers
                    .clone()
                    .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
                    .filter(inside)
                    .collect()
            };
            let tens = times(&[1.0]);
            if tens.len() >= 3 {
                return tens;
            }
            let finer = times(&[1.0, 2.0, 5.0]);
            // Their names would touch.
            return if finer.len() > 6 {
                times(&[1.0, 3.0])
            } else {
                finer
            };
        }
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = step
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        (first..)
            .map(|place| place as f64 * step)
            .take_while(|value| *value <= self.high)
            .collect()
    }

    /// Returns the place of a value on the axis, from 0 at the beginning to 1 at the
    /// end.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let place = match self.logarithmic {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        // If all values are the same or none is above zero, the division above has no
        // finite result.
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use records::ledger::Unit;

    use super::*;

    fn figure(value: f64) -> Figure {
        Figure {
            name: String::new(),
            unit: Unit::Count,
            middle: value,
            low: value,
            high: value,
            samples: vec![value],
        }
    }

    #[test]
    fn what_is_close_together_is_drawn_from_zero() {
        let scale = Scale::of(&[figure(5.0), figure(10.0)]).unwrap();
        assert!(!scale.logarithmic);
        assert_eq!(
            [0.0, 5.0, 10.0, 99.0].map(|value| scale.place(value)),
            [0.0, 0.5, 1.0, 1.0]
        );
    }

    #[test]
    fn what_is_far_apart_is_drawn_by_its_logarithm() {
        let scale = Scale::of(&[figure(1.0), figure(1000.0)]).unwrap();
        assert!(scale.logarithmic && scale.place(1.0) > 0.0 && scale.place(1000.0) == 1.0);
    }

    #[test]
    fn ticks_are_round_and_few() {
        let ticks = |low: f64, high: f64| Scale::of(&[figure(low), figure(high)]).unwrap().ticks();
        assert_eq!(ticks(5.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(3.0, 40_000.0), [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(ticks(30.0, 400.0), [20.0, 50.0, 100.0, 200.0]);
        for high in (1..1000).map(|n| f64::from(n) * 1.7) {
            assert!((3..=8).contains(&ticks(high / 2.0, high).len()), "{high}");
            assert!((3..=8).contains(&ticks(high, high * 1e4).len()), "{high}");
        }
    }

    #[test]
    fn an_axis_of_ratios_shows_one_and_its_neighbours() {
        let ratio = |middle: f64| Ratio {
            of: String::new(),
            to: String::new(),
            middle,
            low: middle,
            high: middle,
        };
        assert!(Scale::of_ratios(&[]).is_none());
        let scale = Scale::of_ratios(&[ratio(1.1), ratio(26.0)]).unwrap();
        assert_eq!(scale.ticks(), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert!(scale.place(26.0) < 1.0 && scale.place(0.5) > 0.0);
    }

    #[test]
    fn nothing_and_zeroes_break_no_chart() {
        assert!(Scale::of(&[]).is_none());
        let scale = Scale::of(&[figure(0.0)]).unwrap();
        assert!(scale.place(0.0).is_finite());
    }
}
