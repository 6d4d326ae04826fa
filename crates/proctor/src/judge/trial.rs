//! One test, seen from the judge: what it asked, what it found, its record.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Instant;

use records::{Exchange, Outcome, Place, Record};

use crate::judge::line::Line;
use crate::judge::watch;
use crate::outcome::Failing;
use crate::part::{Settings, Site};
use crate::record::{self, RECORDS, harmless_record};
use crate::{text, warden};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Trial>>> = const { RefCell::new(None) };
    /// Where the judge itself panicked, as the panic hook saw it.
    static PANICKED_AT: RefCell<Option<Place>> = const { RefCell::new(None) };
}

pub(crate) struct Trial {
    pub site: Site,
    pub settings: Settings,
    pub seed: u64,
    pub rng: RefCell<fastrand::Rng>,
    started: Instant,
    covered: RefCell<Vec<String>>,
    pub exchanges: RefCell<Vec<Exchange>>,
    /// The open line of each subject that was asked something.
    pub lines: RefCell<Vec<Rc<RefCell<Option<Line>>>>>,
}

impl Trial {
    pub(crate) fn new(site: Site, settings: Settings) -> Rc<Self> {
        let seed = std::env::var("PROCTOR_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| fastrand::u64(..));
        Rc::new(Trial {
            site,
            settings,
            seed,
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            started: Instant::now(),
            covered: RefCell::default(),
            exchanges: RefCell::default(),
            lines: RefCell::default(),
        })
    }

    /// The trial of the test that runs on this thread, if any.
    pub(crate) fn current() -> Option<Rc<Trial>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Runs the judge's body, ends its subjects, sends the record, and panics
    /// unless the test passed.
    pub(crate) fn conduct(self: Rc<Self>, body: &mut dyn FnMut()) {
        CURRENT.set(Some(Rc::clone(&self)));
        warden::keep_out();
        take_over_the_panics_of_judges();
        PANICKED_AT.set(None);
        let mut result = catch_unwind(AssertUnwindSafe(body)).map_err(failing_of);
        // Nothing outlives the test, whatever the verdict is.
        for line in self.lines.take() {
            let Some(line) = line.borrow_mut().take() else {
                continue;
            };
            if let (Err(failing), Ok(())) = (line.part(self.settings.orphans), &result) {
                result = Err(failing);
            }
        }
        CURRENT.set(None);
        let failing = result.err();
        self.keep(failing.as_ref());
        watch::test_ends(failing.is_none());
        if let Some(failing) = failing {
            eprintln!("{}", text::verdict(&failing, &self.exchanges.borrow()));
            self.tell_how_to_go_on(&failing);
            resume_unwind(Box::new(failing.to_string()))
        }
    }

    fn tell_how_to_go_on(&self, failing: &Failing) {
        if std::env::var_os(RECORDS).is_some() {
            return;
        }
        if let Some(line) = text::next_step(failing) {
            eprintln!("{line}");
        }
    }

    fn keep(&self, failing: Option<&Failing>) {
        let record = harmless_record(Record {
            test: self.site.test().to_owned(),
            outcome: failing.map_or(Outcome::Pass, |failing| failing.outcome),
            cause: failing.map_or_else(String::new, |failing| failing.cause.clone()),
            at: failing.and_then(|failing| failing.at.clone()),
            schedule: failing.and_then(|failing| failing.schedule.clone()),
            timeline: failing.and_then(|failing| failing.timeline.as_deref().cloned()),
            covered: self.covered.borrow().clone(),
            millis: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            seed: self.seed,
            exchanges: self.exchanges.borrow().clone(),
        });
        if let Err(error) = record::deliver(&record) {
            eprintln!(
                "proctor: cannot deliver the record of {}: {error}",
                record.test
            );
        }
    }
}

/// Notes in the record what an exploration covered, such as "all 20 schedules".
pub fn covered(what: impl Into<String>) {
    if let Some(trial) = Trial::current() {
        trial.covered.borrow_mut().push(what.into());
    }
}

/// The verdict that follows from what ended the judge's body.
fn failing_of(payload: Box<dyn Any + Send>) -> Failing {
    match payload.downcast::<Failing>() {
        Ok(failing) => *failing,
        Err(payload) => {
            let mut failing =
                Failing::new(Outcome::Fail, text::brief(&text::panic_message(&*payload)));
            failing.at = PANICKED_AT.take();
            failing
        }
    }
}

/// On a thread that judges, a panic is a verdict and is reported as one. So
/// this hook prints no backtrace through the judge and only keeps the place of
/// the panic.
fn take_over_the_panics_of_judges() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CURRENT.with_borrow(Option::is_none) {
                return previous(info);
            }
            PANICKED_AT.set(info.location().map(|location| Place {
                file: location.file().to_owned(),
                line: location.line(),
            }));
        }));
    });
}
