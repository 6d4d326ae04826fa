//! Which tests a command line asks libtest to run.
//!
//! This reads those of libtest's own arguments that choose tests: positional
//! filters, `--exact`, `--skip`, and the options with which none of our tests
//! run.

/// Options that take the next argument as their value.
const WITH_VALUE: [&[u8]; 6] = [
    b"--test-threads",
    b"--logfile",
    b"--color",
    b"--format",
    b"--shuffle-seed",
    b"-Z",
];

/// A choice of tests.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    filters: Vec<Vec<u8>>,
    skipped: Vec<Vec<u8>>,
    exact: bool,
    none: bool,
}

impl Asked {
    /// Reads a command line, without the program's name.
    pub(crate) fn of<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut asked = Asked::default();
        let (mut benches, mut tests) = (false, false);
        while let Some(argument) = arguments.next() {
            match argument {
                b"--exact" => asked.exact = true,
                b"--list" | b"--help" | b"-h" | b"--ignored" => asked.none = true,
                b"--bench" => benches = true,
                b"--test" => tests = true,
                b"--skip" => asked.skipped.extend(arguments.next().map(<[u8]>::to_vec)),
                b"--" => {}
                option if WITH_VALUE.contains(&option) => _ = arguments.next(),
                option if option.starts_with(b"--skip=") => {
                    asked.skipped.push(option[b"--skip=".len()..].to_vec());
                }
                option if option.starts_with(b"-") => {}
                filter => asked.filters.push(filter.to_vec()),
            }
        }
        // `--bench --test` runs both.
        asked.none |= benches && !tests;
        asked
    }

    /// Whether the test of this name is to run.
    pub(crate) fn for_test(&self, name: &str) -> bool {
        let matches = |filter: &Vec<u8>| {
            let name = name.as_bytes();
            if self.exact {
                name == filter
            } else {
                filter.is_empty() || name.windows(filter.len()).any(|part| part == filter)
            }
        };
        let chosen = self.filters.is_empty() || self.filters.iter().any(matches);
        !self.none && chosen && !self.skipped.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::Asked;

    fn runs(arguments: &[&str], test: &str) -> bool {
        Asked::of(arguments.iter().map(|argument| argument.as_bytes())).for_test(test)
    }

    #[test]
    fn without_filters_every_test_runs() {
        assert!(runs(&[], "a::b"));
        assert!(runs(&["--nocapture", "--test-threads", "1", "-q"], "a::b"));
    }

    #[test]
    fn a_filter_is_a_part_of_the_name_unless_it_is_exact() {
        assert!(runs(&["::b"], "a::b"));
        assert!(!runs(&["::b", "--exact"], "a::b"));
        assert!(runs(&["a::b", "--exact"], "a::b"));
        assert!(!runs(&["c"], "a::b"));
        assert!(runs(&["c", "a"], "a::b"));
    }

    #[test]
    fn what_is_skipped_does_not_run() {
        assert!(!runs(&["--skip", "a"], "a::b"));
        assert!(!runs(&["--skip=b"], "a::b"));
        assert!(runs(&["--skip", "c", "a"], "a::b"));
    }

    #[test]
    fn a_list_runs_nothing() {
        assert!(!runs(&["--list", "--format", "terse"], "a::b"));
        assert!(!runs(&["--ignored"], "a::b"));
        assert!(!runs(&["--bench"], "a::b"));
        assert!(runs(&["--bench", "--test"], "a::b"));
    }
}
