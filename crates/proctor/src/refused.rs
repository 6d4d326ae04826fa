//! What `#[proctor::test]` refuses. In an earlier design, where the two parts
//! were one macro call in a test's body, each of these failed silently.
//!
//! A panic of the judge must not be taken for a panic of the subject:
//!
//! ```compile_fail
//! #[proctor::test(subject = |n: u64| n)]
//! #[should_panic]
//! fn panics(mut subject: proctor::Subject) {}
//! ```
//!
//! Every subject needs a parameter of the judge, and every judge needs a
//! subject:
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
//! A test has no generic parameters and no result:
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
