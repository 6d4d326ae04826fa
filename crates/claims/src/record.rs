//! What an experiment writes down.

use crate::Unmeasured;
use context_switch::sampling::{Interval, Nanoseconds, Samples, median_of, ratio};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The notes of one experiment, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the kernel answered.
    pub facts: Vec<Fact>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What was compared.
    pub ratios: Vec<Ratio>,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub found: String,
}

/// What samples count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Plain numbers.
    Count,
}

impl Unit {
    /// A value of this unit, for people.
    #[must_use]
    pub fn shown(self, value: f64) -> String {
        match self {
            Unit::Nanoseconds => Nanoseconds(value).to_string(),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

/// Samples, with their median and where the true one lies with 95 % confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Of what.
    pub name: String,
    /// What is counted.
    pub unit: Unit,
    /// The median.
    pub middle: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// One each round.
    pub samples: Vec<f64>,
}

/// How many times the one is of the other, round by round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The one.
    pub of: String,
    /// The other.
    pub to: String,
    /// The estimate.
    pub middle: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
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
    /// Writes down an answer.
    pub fn fact(&mut self, what: impl fmt::Display, found: impl fmt::Display) {
        let (what, found) = (what.to_string(), found.to_string());
        self.facts.push(Fact { what, found });
    }

    /// Writes down samples.
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

    /// Writes down times of several alternatives, taken in the same rounds.
    pub fn times(&mut self, alternatives: &[(&str, &Samples)]) {
        for (name, samples) in alternatives {
            self.figure(name, Unit::Nanoseconds, samples);
        }
    }

    /// Compares two alternatives, and writes that down.
    ///
    /// # Errors
    /// They were not taken in the same rounds, or are not positive.
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

/// A ratio as people say it: `1.06`, `14`, `2,300`.
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
