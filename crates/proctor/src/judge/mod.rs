//! The judge: asks the subject, follows what it does, and decides.
//!
//! The code in this folder runs in the judge's process. `cargo course` builds
//! that process without the learner's code, so nothing of the learner's can
//! change what is decided here. Under `cargo test` the learner's library is
//! in the same program, and [`watch`] guards against what it could do there.
//!
//! - [`Subject`] is what a test holds; [`trial`] is the test around it;
//! - [`line`] asks one subject and explains what came of it;
//! - `ward` starts the warden and reads its reports.

mod asked;
pub(crate) mod causes;
pub(crate) mod left;
pub(crate) mod line;
mod orphans;
mod output;
pub(crate) mod random;
mod share;
mod stop;
pub(crate) mod trial;
mod ward;
pub(crate) mod watch;

use std::cell::RefCell;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::rc::Rc;

use records::Outcome;
use records::{Evidence, Exchange, Output};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::judge::line::{Line, RawAnswer};
use crate::judge::trial::Trial;
use crate::outcome::Failing;
use crate::text;
use crate::warden::starts::faults::Failure;
use crate::wire::{self, Types};

/// How many bytes of the debug form of a question or an answer the record
/// keeps.
const SHOWN: usize = 2000;

/// One subject, as its judge sees it: a process that answers questions.
///
/// The subject's process starts with the first question and answers that
/// question and all later ones, one after the other. [`fresh`](Subject::fresh)
/// ends it, so that the next question starts another process. When the test
/// ends, everything that the subject started is ended too.
pub struct Subject<Q = (), A = ()> {
    asking: Asking,
    code: PhantomData<fn(Q) -> A>,
}

/// A [`Subject`] without its types, compiled once for all of them.
pub(crate) struct Asking {
    trial: Rc<Trial>,
    name: &'static str,
    types: Types,
    line: Rc<RefCell<Option<Line>>>,
}

impl<Q, A> Subject<Q, A>
where
    Q: Serialize + DeserializeOwned + Debug,
    A: Serialize + DeserializeOwned + Debug,
{
    pub(crate) fn new(asking: Asking) -> Self {
        Subject {
            asking,
            code: PhantomData,
        }
    }

    /// Asks the code a question. If the code does not answer (a panic, a crash,
    /// an exit, a hang), this ends the test with a verdict that explains it.
    ///
    /// Blocks until there is an answer or a verdict, at most for the deadline.
    #[track_caller]
    pub fn ask(&mut self, question: &Q) -> Answer<A> {
        match self.try_ask(question) {
            Ok(answer) => answer,
            Err(failing) => failing.end(),
        }
    }

    /// Asks the code a question, for tests in which it may be right not to
    /// answer.
    ///
    /// After an error the process is gone, and the next question goes to a new
    /// one.
    ///
    /// # Errors
    /// How the subject ended instead of answering.
    pub fn try_ask(&mut self, question: &Q) -> Result<Answer<A>, Failing> {
        let payload = postcard::to_stdvec(question).map_err(|error| {
            let why = format!("the judge cannot serialize the question: {error}");
            Failing::new(Outcome::NotJudged, why)
        })?;
        let (result, output) = self.asking.exchange(payload);
        let result = result.and_then(|raw| {
            let value = postcard::from_bytes::<A>(&raw.bytes).map_err(|error| {
                let why = format!("the judge cannot read the answer: {error}");
                Failing::new(Outcome::Fail, why)
            })?;
            Ok((value, raw.evidence))
        });
        let (answered, evidence) = match &result {
            Ok((value, evidence)) => (text::debug(value, SHOWN), Some(evidence)),
            Err(failing) => (
                format!("{}: {}", failing.outcome, failing.cause),
                failing.evidence.as_deref(),
            ),
        };
        self.asking.trial.exchanges.borrow_mut().push(Exchange {
            subject: self.asking.name.to_owned(),
            asked: text::debug(question, SHOWN),
            answered,
            evidence: evidence.cloned(),
            output: output.clone(),
        });
        result.map(|(value, evidence)| Answer {
            value,
            evidence,
            output,
        })
    }

    /// Makes system calls fail while the code works on the next question: see
    /// [`Fault`](crate::Fault). A test may order several failures at a time.
    /// The answer cancels those that have not happened. [`Evidence::faults`]
    /// says how many calls failed.
    ///
    /// # Panics
    /// Ends the test without a verdict where the machine does not let the judge
    /// watch system calls.
    #[track_caller]
    pub fn fail(&mut self, failure: Failure) {
        if let Err(failing) = self.asking.fail(failure) {
            failing.end();
        }
    }

    /// Ends the process, so that the next question goes to a new one.
    ///
    /// # Panics
    /// Ends the test if the process left something behind.
    #[track_caller]
    pub fn fresh(&mut self) {
        if let Err(failing) = self.asking.part() {
            failing.end();
        }
    }
}

impl Asking {
    pub(crate) fn new(trial: Rc<Trial>, name: &'static str, types: Types) -> Self {
        let line = Rc::new(RefCell::new(None));
        trial.lines.borrow_mut().push(Rc::clone(&line));
        Asking {
            trial,
            name,
            types,
            line,
        }
    }

    fn fail(&mut self, failure: Failure) -> Result<(), Failing> {
        let mut slot = self.line.borrow_mut();
        let opened = match slot.take() {
            Some(line) => Ok(line),
            None => self.open(),
        };
        opened.and_then(|mut line| {
            let failed = line.fail(failure);
            *slot = Some(line);
            failed
        })
    }

    fn open(&self) -> Result<Line, Failing> {
        let trial = &self.trial;
        let signature = wire::signature(trial.site, self.name, self.types);
        Line::open(&trial.site, &trial.settings, self.name, signature)
    }

    /// Ends the process.
    fn part(&mut self) -> Result<(), Failing> {
        let line = self.line.borrow_mut().take();
        line.map_or(Ok(()), |line| line.part(self.trial.settings.orphans))
    }

    fn exchange(&mut self, payload: Vec<u8>) -> (Result<RawAnswer, Failing>, Output) {
        let mut slot = self.line.borrow_mut();
        let mut line = match slot.take() {
            Some(line) => line,
            None => match self.open() {
                Ok(line) => line,
                Err(failing) => return (Err(failing), Output::default()),
            },
        };
        let (result, output) = line.ask(payload);
        if result.is_ok() {
            *slot = Some(line);
        } else {
            // There is a verdict already, whatever the code left behind.
            let _ = line.finish(true);
        }
        (result, output)
    }
}

impl<Q, A> Debug for Subject<Q, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.asking.name;
        f.debug_struct("Subject").field("name", name).finish()
    }
}

/// One answer of a subject.
#[derive(Clone, Debug)]
pub struct Answer<A> {
    /// What the code returned, as plain data.
    pub value: A,
    /// What was observed from outside.
    pub evidence: Evidence,
    /// What it printed.
    pub output: Output,
}
