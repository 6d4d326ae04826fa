//! The notes that an experiment takes.

use std::fmt;

use context_switch::sampling::{Interval, Samples, median_of, ratio};
use records::ledger::{Fact, Figure, Notes, Ratio, Unit};

use crate::Unmeasured;

/// What an experiment has written down until now.
#[derive(Clone, Debug, Default)]
pub struct Record(Notes);

impl From<Record> for Notes {
    fn from(record: Record) -> Notes {
        record.0
    }
}

impl Record {
    /// Writes down an observation.
    pub fn fact(&mut self, what: impl fmt::Display, found: impl fmt::Display) {
        let (what, found) = (what.to_string(), found.to_string());
        self.0.facts.push(Fact { what, found });
    }

    /// Writes down samples, with their median and its interval.
    pub fn figure(&mut self, name: &str, unit: Unit, samples: &Samples) {
        let Interval { middle, low, high } = median_of(samples);
        self.0.figures.push(Figure {
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
        self.0.ratios.push(Ratio {
            of: of.to_owned(),
            to: to.to_owned(),
            middle,
            low,
            high,
        });
        Ok(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_survive_their_journey() {
        let mut record = Record::default();
        let samples = Samples::new(vec![3.0, 1.5, 2.0]).unwrap();
        record.fact("threads", 2);
        record.figure("a trip", Unit::Nanoseconds, &samples);
        record.ratio(("a", &samples), ("b", &samples)).unwrap();
        let notes = Notes::from(record);
        let json = serde_json::to_string(&notes).unwrap();
        assert_eq!(serde_json::from_str::<Notes>(&json).unwrap(), notes);
    }
}
