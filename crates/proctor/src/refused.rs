//! What `#[proctor::test]` refuses, each of which once failed silently in a
//! design where the two parts were one macro call in a test's body.
//!
//! A panic of the judge's own must not pass for the subject's:
//!
//! ```compile_fail
//! #[proctor::test(subject = |n: u64| n)]
//! #[should_panic]
//! fn panics(mut subject: proctor::Subject) {}
//! ```
//!
//! Every subject has its judge, and every judge a subject:
//!
//! ```compile_fail
//! #[proctor::test(left = |n: u64| n, right = |n: u64| n)]
//! fn two(mut left: proctor::Subject) {}
//! ```
//!
//! ```compile_fail
//! #[proctor::test(deadline = 5.0)]
//! fn none() {}
//! ```
//!
//! No generics, no results:
//!
//! ```compile_fail
//! #[proctor::test(subject = |n: u64| n)]
//! fn generic<T>(mut subject: proctor::Subject) {}
//! ```
//!
//! ```compile_fail
//! #[proctor::test(subject = |n: u64| n)]
//! fn result(mut subject: proctor::Subject) -> Result<(), ()> { Ok(()) }
//! ```
