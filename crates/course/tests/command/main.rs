//! The real command, on a small course of its own.

mod answers;
mod attacks;
mod bad_input;
mod by_cargo;
mod claims;
mod fixture;
mod judging;
mod who_waits;
