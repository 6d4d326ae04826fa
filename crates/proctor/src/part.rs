//! Which part of a test this process plays, and what runs around the test's
//! body.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::judge::trial::Trial;
use crate::judge::watch;
use crate::judge::{Asking, Subject};
use crate::subject::{self, Code, Serving};
use crate::warden;
use crate::warden::starts::faults::Fault;
use crate::wire::Types;

thread_local! {
    /// In a program that holds learner code: what the judge asked it to serve.
    static SERVING: RefCell<Option<Serving>> = const { RefCell::new(None) };
}

/// Where a test is in the source.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// `crate::module::function`.
    pub name: &'static str,
    /// As `file!()` gives it.
    pub file: &'static str,
    /// As `line!()` gives it.
    pub line: u32,
}

impl Site {
    /// The name by which libtest knows the test: without the crate.
    pub(crate) fn test(&self) -> &'static str {
        self.name
            .split_once("::")
            .map_or(self.name, |(_, rest)| rest)
    }
}

/// The settings of a test, as the attribute gives them.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Wall-clock seconds for one question.
    pub deadline: f64,
    /// MiB of address space for each process.
    pub memory: u64,
    /// Descriptors open at a time in each process.
    pub descriptors: u64,
    /// Processes and threads alive at a time.
    pub processes: u32,
    /// Whether processes may outlive the answer.
    pub orphans: bool,
    /// Whether a process may raise its limit of core files, see
    /// [`leave_a_core_file`](crate::leave_a_core_file).
    pub core_files: bool,
    /// The kinds of calls that the judge may make fail.
    pub faults: &'static [Fault],
}

impl Settings {
    /// CPU seconds for one question: a little more than two CPUs can use until
    /// the deadline, so that usually the deadline comes first.
    pub(crate) fn cpu_seconds(&self) -> u64 {
        2 * self.deadline.ceil() as u64 + 2
    }

    /// The settings that hold where the attribute says nothing.
    pub const DEFAULT: Settings = Settings {
        deadline: 10.0,
        memory: 4096,
        descriptors: 1024,
        processes: 256,
        orphans: false,
        core_files: false,
        faults: &[],
    };
}

/// Gives each part of a test to the process that plays it.
pub struct Parts {
    site: Site,
    settings: Settings,
    role: Role,
}

enum Role {
    Judge(Rc<Trial>),
    /// Starts the subject of this name, and watches over it.
    Warden {
        name: String,
    },
    /// Is a subject, in a program of its own.
    Subject(RefCell<Option<Serving>>),
}

/// Runs the part of a test that this process plays.
///
/// In the judge it ends with a record and, unless the test passed, with a
/// panic, which libtest counts as a failure. In the process of a warden or a
/// subject it does not return.
pub fn run(site: Site, settings: Settings, body: impl FnOnce(&Parts)) {
    let mut body = Some(body);
    play(site, settings, &mut |parts| {
        if let Some(body) = body.take() {
            body(parts);
        }
    });
}

/// [`run`], compiled once for all tests.
fn play(site: Site, settings: Settings, body: &mut dyn FnMut(&Parts)) {
    let role = if let Some(serving) = SERVING.take() {
        Role::Subject(RefCell::new(Some(serving)))
    } else {
        match watch::role() {
            Some(role) => match role.split_once(' ') {
                Some((test, subject)) if test == site.test() => Role::Warden {
                    name: subject.to_owned(),
                },
                // Another test of this binary, run by a filter that is not exact.
                _ => return,
            },
            None => Role::Judge(Trial::new(site, settings)),
        }
    };
    let parts = Parts {
        site,
        settings,
        role,
    };
    match &parts.role {
        Role::Judge(trial) => {
            watch::test_begins();
            let trial = Rc::clone(trial);
            trial.conduct(&mut || body(&parts));
        }
        Role::Warden { .. } | Role::Subject(_) => body(&parts),
    }
}

/// The `main` of a program that holds learner code and no judge: serves the
/// one test that the judge names on its line.
///
/// `tests` are the program's tests by name. The line's descriptor is the
/// program's only argument.
pub fn serve(tests: &[(&str, fn())]) -> ! {
    let serving = subject::hello();
    if let Some((_, test)) = tests.iter().find(|(name, _)| *name == serving.test) {
        SERVING.set(Some(serving));
        test();
        // Not reached: the test serves until the judge hangs up.
    } else {
        serving.decline();
    }
    subject::quit()
}

impl Parts {
    /// Returns the judge's end of a subject. In the warden or the subject with
    /// this name, it plays that part and does not return.
    pub fn subject<Q, A>(&self, name: &'static str, code: fn(Q) -> A) -> Subject<Q, A>
    where
        Q: Serialize + DeserializeOwned + Debug,
        A: Serialize + DeserializeOwned + Debug,
    {
        let code = Code {
            types: Types::of::<Q, A>(),
            answer: &move |question| subject::answer(code, question),
        };
        Subject::new(self.asking(name, &code))
    }

    fn asking(&self, name: &'static str, code: &Code) -> Asking {
        let trial = match &self.role {
            Role::Judge(trial) => Rc::clone(trial),
            Role::Warden { name: wanted } if wanted == name => {
                warden::start(&self.site, &self.settings, code)
            }
            Role::Subject(serving) => {
                let wanted = |serving: &mut Serving| serving.subject == name;
                if let Some(serving) = serving.borrow_mut().take_if(wanted) {
                    subject::serve(serving, self.site, code)
                }
                Trial::new(self.site, self.settings)
            }
            // Another subject of the same test, which this process does not serve.
            Role::Warden { .. } => Trial::new(self.site, self.settings),
        };
        Asking::new(trial, name, code.types)
    }

    /// To call when all subjects are named: only the judge goes on from here.
    pub fn begin(&self) {
        match &self.role {
            Role::Judge(_) => {}
            Role::Warden { name } => {
                warden::broken(&format!("the test has no subject `{name}`"));
            }
            Role::Subject(serving) => {
                if let Some(serving) = serving.take() {
                    serving.decline();
                }
                subject::quit()
            }
        }
    }
}
