//! Placeholder.
use crate::outcome::Failing;
use std::time::{Duration, Instant};
pub(crate) struct Watched { pub warden: i32, pub subject: i32, pub alarms: Option<u32> }
pub(crate) struct Hang { next: Instant }
impl Hang {
    pub(crate) fn new(asked: Instant) -> Self { Hang { next: asked + Duration::from_millis(120) } }
    pub(crate) fn is_due(&self) -> bool { Instant::now() >= self.next }
    pub(crate) fn next(&self) -> Instant { self.next }
    pub(crate) fn look(&mut self, _w: &Watched) -> Option<Failing> { self.next += Duration::from_millis(100); None }
}
pub(crate) fn states(_warden: i32) -> String { String::new() }
