//! The axis of a chart.

use records::ledger::Figure;

/// An axis that covers all values of some figures. It is logarithmic if the
/// largest value is more than ten times the smallest, and otherwise linear from
/// zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    pub(super) logarithmic: bool,
}

impl Scale {
    /// Returns the axis for these figures, or `None` if there are no figures.
    pub(super) fn of(figures: &[Figure]) -> Option<Scale> {
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

    /// Returns the place of a value on the axis, from 0 at the beginning to 1 at the
    /// end.
    pub(super) fn place(&self, value: f64) -> f64 {
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
    fn nothing_and_zeroes_break_no_chart() {
        assert!(Scale::of(&[]).is_none());
        let scale = Scale::of(&[figure(0.0)]).unwrap();
        assert!(scale.place(0.0).is_finite());
    }
}
