//! The names in front of schedules.
//!
//! A test may explore several scenarios. `two_threads_add:a3b~1a` says which one is meant, by the name
//! of a function in `interleave::scenarios!`. What comes after the colon is described in
//! `interleave_search::schedule`.

/// Steps, with the scenario's name in front if there is one; nothing if there are no steps.
///
/// ```
/// use records::schedule::named;
///
/// assert_eq!(named(Some("two_threads_add"), "a3b2a"), "two_threads_add:a3b2a");
/// assert_eq!(named(None, "a3b2a"), "a3b2a");
/// ```
#[must_use]
pub fn named(name: Option<&str>, steps: &str) -> String {
    match name {
        Some(name) if !steps.is_empty() => format!("{name}:{steps}"),
        _ => steps.to_owned(),
    }
}

/// The scenario's name, if the string has one, and the steps.
///
/// ```
/// use records::schedule::parts;
///
/// assert_eq!(parts("two_threads_add:a3b~1a"), (Some("two_threads_add"), "a3b~1a"));
/// assert_eq!(parts("a3b2a"), (None, "a3b2a"));
/// ```
#[must_use]
pub fn parts(text: &str) -> (Option<&str>, &str) {
    match text.trim().split_once(':') {
        Some((name, steps)) => (Some(name), steps),
        None => (None, text.trim()),
    }
}
