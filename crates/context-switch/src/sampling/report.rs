//! The measurements of a comparison, and the verdict that they allow.

use std::fmt;

use super::{CONFIDENCE, Interval, Nanoseconds, Samples, median_of, ratio};

/// The answer to the question: is the first alternative faster than the second?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first is faster.
    Faster,
    /// The first is slower.
    Slower,
    /// These measurements show no difference; there may still be a small one.
    NotDistinguishable,
}

impl Verdict {
    /// Returns the verdict for an interval that says how many times as fast the
    /// first alternative is.
    #[must_use]
    pub fn of(speed: &Interval) -> Verdict {
        match speed {
            speed if speed.is_above(1.0) => Verdict::Faster,
            speed if speed.is_below(1.0) => Verdict::Slower,
            _ => Verdict::NotDistinguishable,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::NotDistinguishable => "not distinguishable",
        })
    }
}

/// The samples of one alternative.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The name of the alternative.
    pub name: String,
    /// How many operations were timed together for one sample.
    pub batch: u64,
    /// Nanoseconds for one operation, with one sample for each round.
    pub nanos: Samples,
}

/// The measured alternatives of a [`Comparison`](super::Comparison). `Display`
/// writes one line for each alternative, and one line that compares the first
/// alternative with each other one:
///
/// ```text
/// ours  12.3 ns (12.1 ns to 12.4 ns)
/// std   12.9 ns (12.8 ns to 13.1 ns)
/// ours is 1.05 times as fast as std (1.03 to 1.07): faster
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    measured: Vec<Measured>,
}

impl Report {
    pub(super) fn new(measured: Vec<Measured>) -> Report {
        Report { measured }
    }

    /// Returns each alternative, in the order in which they were added.
    #[must_use]
    pub fn measured(&self) -> &[Measured] {
        &self.measured
    }

    /// Returns how many times as fast the first alternative is as the
    /// alternative at this place (1 for the second). 2 means half the time.
    /// Returns `None` if there is no alternative at this place.
    #[must_use]
    pub fn speed_against(&self, place: usize) -> Option<Interval> {
        let (first, other) = (self.measured.first()?, self.measured.get(place)?);
        ratio(&other.nanos, &first.nanos).ok()
    }

    /// Returns whether the first alternative is faster than the second. Without
    /// a second alternative, the verdict is [`Verdict::NotDistinguishable`].
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.speed_against(1) {
            Some(speed) => Verdict::of(&speed),
            None => Verdict::NotDistinguishable,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |one: &Measured| one.name.chars().count();
        let widest = self.measured.iter().map(width).max().unwrap_or(0);
        for one in &self.measured {
            let Interval { middle, low, high } = median_of(&one.nanos);
            let [middle, low, high] = [middle, low, high].map(Nanoseconds);
            writeln!(f, "{:widest$}  {middle} ({low} to {high})", one.name)?;
        }
        for (place, other) in self.measured.iter().enumerate().skip(1) {
            let Some(speed) = self.speed_against(place) else {
                continue;
            };
            let Interval { middle, low, high } = speed;
            let (first, other, verdict) =
                (&self.measured[0].name, &other.name, Verdict::of(&speed));
            writeln!(
                f,
                "{first} is {middle:.2} times as fast as {other} ({low:.2} to {high:.2}): {verdict}"
            )?;
        }
        let percent = CONFIDENCE * 100.0;
        write!(f, "(medians, with {percent:.0} % intervals)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(all: &[(&str, &[f64])]) -> Report {
        let one = |&(name, nanos): &(&str, &[f64])| Measured {
            name: name.to_owned(),
            batch: 1,
            nanos: Samples::new(nanos.to_vec()).unwrap(),
        };
        Report::new(all.iter().map(one).collect())
    }

    #[test]
    fn a_report_reads_as_sentences() {
        let report = report(&[
            ("ours", &[10.0; 5]),
            ("theirs", &[20.0; 5]),
            ("old", &[10.0; 5]),
        ]);
        let lines = "ours    10.0 ns (10.0 ns to 10.0 ns)\n\
             theirs  20.0 ns (20.0 ns to 20.0 ns)\n\
             old     10.0 ns (10.0 ns to 10.0 ns)\n\
             ours is 2.00 times as fast as theirs (2.00 to 2.00): faster\n\
             ours is 1.00 times as fast as old (1.00 to 1.00): not distinguishable\n\
             (medians, with 95 % intervals)";
        assert_eq!(report.to_string(), lines);
        assert_eq!(report.verdict(), Verdict::Faster);
    }

    #[test]
    fn one_alternative_alone_is_measured_but_not_compared() {
        let alone = report(&[("ours", &[10.0])]);
        assert_eq!(alone.verdict(), Verdict::NotDistinguishable);
        assert!(alone.speed_against(1).is_none());
        assert!(!alone.to_string().contains("times as fast"));
    }
}
