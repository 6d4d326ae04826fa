//! The conformance corpus of proctor lies in `tests/conformance/`: small programs with a known
//! verdict.
//!
//! It is a package of its own because the development profile optimizes proctor, which a learner
//! waits for, but not the programs of learners. So the corpus is compiled as their programs are.
