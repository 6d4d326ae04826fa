//! Schedules as short strings: `a3b2a` is thread a three times, thread b twice, thread a once.
//!
//! A test may explore several scenarios. `two_threads_add:a3b2a` says which one is meant, by the name
//! of a function in `interleave::in_worlds!`.

/// Threads, by number, in the order in which they were scheduled, as a string.
///
/// ```
/// assert_eq!(records::schedule::write(&[0, 0, 0, 1, 1, 0]), "a3b2a");
/// ```
#[must_use]
pub fn write(threads: &[u8]) -> String {
    let mut text = String::new();
    for run in threads.chunk_by(|one, next| one == next) {
        text.push(char::from(b'a' + run[0].min(25)));
        if run.len() > 1 {
            text.push_str(&run.len().to_string());
        }
    }
    text
}

/// [`write()`], with the scenario's name in front if there is one; nothing if nothing was scheduled.
#[must_use]
pub fn write_named(name: Option<&str>, threads: &[u8]) -> String {
    match name {
        Some(name) if !threads.is_empty() => format!("{name}:{}", write(threads)),
        _ => write(threads),
    }
}

/// The scenario's name, if the string has one, and the rest.
///
/// ```
/// use records::schedule::parts;
///
/// assert_eq!(parts("two_threads_add:a3b2a"), (Some("two_threads_add"), "a3b2a"));
/// assert_eq!(parts("a3b2a"), (None, "a3b2a"));
/// ```
#[must_use]
pub fn parts(text: &str) -> (Option<&str>, &str) {
    match text.trim().split_once(':') {
        Some((name, letters)) => (Some(name), letters),
        None => (None, text.trim()),
    }
}

/// Reads a schedule back: the inverse of [`write()`].
///
/// ```
/// assert_eq!(records::schedule::read("a3b2a"), Ok(vec![0, 0, 0, 1, 1, 0]));
/// assert!(records::schedule::read("3a").is_err());
/// ```
///
/// # Errors
/// With a sentence that says what is wrong with the string.
pub fn read(text: &str) -> Result<Vec<u8>, String> {
    /// More steps than any run has.
    const LONGEST: usize = 1_000_000;
    let mut threads = Vec::new();
    let mut rest = text.trim();
    while let Some(letter) = rest.bytes().next() {
        if !letter.is_ascii_lowercase() {
            return Err(format!(
                "`{text}` is not a schedule: expected a thread's letter at `{rest}`, as in a3b2a"
            ));
        }
        rest = &rest[1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count = match &rest[..digits] {
            "" => 1,
            number => number
                .parse::<usize>()
                .ok()
                .filter(|count| (1..=LONGEST).contains(count))
                .ok_or_else(|| {
                    format!("`{text}` is not a schedule: a thread cannot run {number} times")
                })?,
        };
        rest = &rest[digits..];
        threads.extend(std::iter::repeat_n(letter - b'a', count));
        if threads.len() > LONGEST {
            return Err(format!(
                "`{text}` is too long: a schedule has at most {LONGEST} steps"
            ));
        }
    }
    if threads.is_empty() {
        return Err("the schedule is empty; it should look like a3b2a".to_owned());
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn what_was_written_is_read_back() {
        for threads in [
            vec![0],
            vec![0, 1, 2, 25],
            vec![3; 1_000],
            vec![1, 1, 0, 0, 0],
        ] {
            assert_eq!(read(&write(&threads)), Ok(threads));
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for nonsense in [
            "",
            " ",
            "3",
            "A",
            "a0",
            "a-1",
            "ä",
            "a99999999999999999999",
            "a b",
        ] {
            assert!(read(nonsense).is_err(), "{nonsense:?}");
        }
    }
}
