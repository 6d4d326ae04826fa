//! The first and the last message on a line: which test to serve, and whether
//! the subject is still there.

use std::time::Instant;

use records::Outcome;

use super::{Event, Line, PATIENCE};
use crate::judge::causes;
use crate::outcome::Failing;
use crate::wire::{BYE, Body, Ending, Question};

/// The cause if the subject's program does not fit the judge's program.
const OTHER_TESTS: &str = "the program that holds your code does not hold the judge's tests: it was built from other tests, or your code answers instead of them";

impl Line {
    /// Tells the subject what to serve, and waits until it is ready.
    pub(super) fn introduce(
        &mut self,
        test: &str,
        subject: &str,
        expected: u64,
    ) -> Result<(), Failing> {
        let hello = Question::Hello {
            test: test.to_owned(),
            subject: subject.to_owned(),
            key: self.key,
        };
        let now = Instant::now();
        let event = match self.questions.send_timeout(&hello, PATIENCE) {
            Ok(true) => self.wait(now, now + PATIENCE),
            Ok(false) => Event::Deadline,
            Err(_) => self.why_no_line(),
        };
        // Both programs were built from the same tests, so only the learner's
        // code can have given another answer.
        let other = |why: &str| Err(Failing::new(Outcome::Fail, why));
        match event {
            Event::Reply(reply) if !reply.is_sealed(self.key) => Err(causes::forged_an_answer()),
            Event::Reply(reply) => match reply.body {
                Body::Ready { signature } if signature == expected => Ok(()),
                Body::Ready { .. } => other(OTHER_TESTS),
                Body::Unknown => other(OTHER_TESTS),
                _ => Err(causes::forged_an_answer()),
            },
            Event::Ended(Ending::Exited(_)) => {
                Err(Failing::new(Outcome::Exit, causes::BEFORE_MAIN))
            }
            Event::Deadline => Err(Failing::new(Outcome::Timeout, causes::HANGS_BEFORE_MAIN)),
            event => {
                let mut failing = self.explain(event);
                failing.cause = format!(
                    "in code that runs before main (a constructor): {}",
                    failing.cause
                );
                Err(failing)
            }
        }
    }

    /// Checks that the subject waits for the next question, as it does when the
    /// code has returned from the last one. If the code wrote an answer itself,
    /// it either has not returned, or the subject has sent a second answer.
    fn farewell(&mut self) -> Result<(), Failing> {
        let now = Instant::now();
        let event = match self.questions.send_timeout(&Question::Bye, PATIENCE) {
            Ok(true) => self.wait(now, now + PATIENCE),
            Ok(false) => Event::Deadline,
            Err(_) => self.why_no_line(),
        };
        match event {
            Event::Reply(reply) if !reply.is_sealed(self.key) => Err(causes::forged_an_answer()),
            Event::Reply(reply) if reply.id == BYE => Ok(()),
            Event::Reply(_) => Err(causes::answered_twice()),
            Event::Ended(ending) => Err(causes::ended_afterwards(
                ending,
                self.trouble,
                &self.settings,
            )),
            event => Err(self.explain(event)),
        }
    }

    /// Ends the warden and the subject after an answer. An error if the code
    /// left something behind.
    pub(crate) fn part(mut self, orphans: bool) -> Result<(), Failing> {
        let farewell = self.farewell();
        let left = self.finish(orphans || farewell.is_err());
        farewell.and(left)
    }
}
