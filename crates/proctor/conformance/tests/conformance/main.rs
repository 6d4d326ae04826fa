//! The conformance corpus: small programs with a known verdict.
//!
//! Half of them are right but odd, half are wrong. Each is a judged test of
//! its own, ignored in an ordinary run; one test per theme runs them one by
//! one, the way `cargo test` would, and compares what their records say with
//! the theme's table:
//!
//! ```text
//!  every_case_gets_its_verdict ─▶ this binary, one case ─▶ judge ─▶ warden ─▶ subject
//!            ▲                                               │
//!            └──────── expected outcome? ◀── record ─────────┘
//! ```
//!
//! - `CASE=word` runs the cases whose name contains the word.
//! - `REPEAT=20` runs each case that often.
//! - `STRICT=1` also holds the promised times; only for a quiet machine, with
//!   `--test-threads=1`.
//! - `--nocapture` prints how long each verdict took.

/// One program of the corpus.
///
/// The subject's code is asked a random number and has to answer twice that
/// number. Cases whose judge asks otherwise are written out.
macro_rules! case {
    ($(#[$doc:meta])* $name:ident, $($setting:ident = $value:tt,)* |$n:ident| $code:tt) => {
        $(#[$doc])*
        #[proctor::test(subject = |$n: u64| -> u64 $code $(, $setting = $value)*)]
        #[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
        fn $name(mut subject: Subject) {
            crate::kit::expect_twice(&mut subject);
        }
    };
}

mod attacks;
mod constructor;
mod deadlocks;
mod driver;
mod endings;
mod evidence;
mod families;
mod forgeries;
mod kit;
mod labour;
mod leaks;
mod legit;
mod manners;
mod odd;
mod spins;
mod timers;
mod waits;
