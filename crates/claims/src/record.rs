//! The notes that an experiment takes.

use std::fmt;

use context_switch::sampling::{Interval, Nanoseconds, Samples, median_of, ratio};
use serde::{Deserialize, Serialize};

use crate::Unmeasured;

/// The notes of one experiment, in the order in which it took them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was observed, mostly answers of the kernel.
    pub facts: Vec<Fact>,
    /// What was measured, with all samples.
    pub figures: Vec<Figure>,
    /// Which measurements were compared.
    pub ratios: Vec<Ratio>,
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What the experiment looked at.
    pub what: String,
    /// What it found.
    pub found: String,
}

/// The unit of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// The samples are times in nanoseconds.
    Nanoseconds,
    /// The samples are plain numbers.
    Count,
}

impl Unit {
    /// Returns a value of this unit as text for people.
    #[must_use]
    pub fn shown(self, value: f64) -> String {
        match self {
            Unit::Nanoseconds => Nanoseconds(value).to_string(),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

/// Samples, their median, and the interval that contains the true median with
/// 95 % confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The name of what was measured.
    pub name: String,
    /// The unit of the samples.
    pub unit: Unit,
    /// The median of the samples.
    pub middle: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The samples, one from each round.
    pub samples: Vec<f64>,
}

/// The ratio of two figures, computed round by round, with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The name of the numerator.
    pub of: String,
    /// The name of the denominator.
    pub to: String,
    /// The estimated ratio.
    pub middle: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ratio {
            of,
            to,
            middle,
            low,
            high,
        } = self;
        let [middle, low, high] = [middle, low, high].map(|value| times(*value));
        write!(f, "{of} / {to}: {middle} ({low} to {high})")
    }
}

impl Record {
    /// Writes down an observation.
    pub fn fact(&mut self, what: impl fmt::Display, found: impl fmt::Display) {
        let (what, found) = (what.to_string(), found.to_string());
        self.facts.push(Fact { what, found });
    }

    /// Writes down samples, with their median and its interval.
    pub fn figure(&mut self, name: &str, unit: Unit, samples: &Samples) {
        let Interval { middle, low, high } = median_of(samples);
        self.figures.push(Figure {
            name: name.to_owned(),
            unit,
            middle,
            low,
            high,
            samples: samples.values().to_vec(),
        });
    }

    /// Writes down the times, in nanoseconds, of several alternatives that were
    /// measured in the same rounds.
    pub fn times(&mut self, alternatives: &[(&str, &Samples)]) {
        for (name, samples) in alternatives {
            self.figure(name, Unit::Nanoseconds, samples);
        }
    }

    /// Compares two alternatives, and writes down and returns their ratio.
    ///
    /// # Errors
    /// The samples do not come in pairs from the same rounds, or one of them is not
    /// above 0.
    pub fn ratio(
        &mut self,
        (of, left): (&str, &Samples),
        (to, right): (&str, &Samples),
    ) -> Result<Interval, Unmeasured> {
        let interval = ratio(left, right)?;
        let Interval { middle, low, high } = interval;
        self.ratios.push(Ratio {
            of: of.to_owned(),
            to: to.to_owned(),
            middle,
            low,
            high,
        });
        Ok(interval)
    }
}

/// Returns a ratio with as many digits as people would say: `1.06`, `14`, `2300`.
pub(crate) fn times(ratio: f64) -> String {
    match ratio {
        small if small < 9.95 => format!("{small:.2}"),
        middling if middling < 99.5 => format!("{middling:.0}"),
        large => format!("{:.0}", (large / 10.0).round() * 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_as_people_say_them() {
        assert_eq!(
            [1.058, 9.96, 14.4, 2304.0].map(times),
            ["1.06", "10", "14", "2300"]
        );
    }

    #[test]
    fn a_record_survives_its_journey() {
        let mut record = Record::default();
        let samples = Samples::new(vec![3.0, 1.5, 2.0]).unwrap();
        record.fact("threads", 2);
        record.figure("a trip", Unit::Nanoseconds, &samples);
        record.ratio(("a", &samples), ("b", &samples)).unwrap();
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }
}
