//! Times in a form that people can read.

use std::fmt;

/// Nanoseconds that are shown with three digits and a fitting unit.
///
/// ```
/// use context_switch::sampling::Nanoseconds;
/// assert_eq!(Nanoseconds(4.2517).to_string(), "4.25 ns");
/// assert_eq!(Nanoseconds(49_012.0).to_string(), "49.0 µs");
/// assert_eq!(Nanoseconds(1.5e9).to_string(), "1.50 s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Nanoseconds(pub f64);

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")];
        // With a factor of 1, 999.6 would be shown as 1000 of the smaller unit.
        let fits = |&&(unit, _): &&(f64, &str)| self.0.abs() >= unit * 0.9995;
        let (unit, name) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
        let value = self.0 / unit;
        let decimals = match value.abs() {
            size if size >= 99.95 => 0,
            size if size >= 9.995 => 1,
            _ => 2,
        };
        f.pad(&format!("{value:.decimals$} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Nanoseconds;

    #[test]
    fn three_digits_and_the_unit_that_fits() {
        let shown = |nanos: f64| Nanoseconds(nanos).to_string();
        assert_eq!(shown(0.0), "0.00 ns");
        assert_eq!(shown(0.3), "0.30 ns");
        assert_eq!(shown(99.96), "100 ns");
        assert_eq!(shown(999.7), "1.00 µs");
        assert_eq!(shown(-1500.0), "-1.50 µs");
        assert_eq!(shown(66_000_000.0), "66.0 ms");
        assert_eq!(format!("[{:>9}]", Nanoseconds(12.0)), "[  12.0 ns]");
    }
}
