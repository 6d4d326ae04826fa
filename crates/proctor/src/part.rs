//! Which part this process plays, and the frame around a test's body.

use std::fmt::Debug;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::judge::Subject;
use crate::trial::Trial;
use crate::{warden, watch, wire};

/// Where a test stands.
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
}

impl Settings {
    /// What holds where the attribute says nothing.
    pub const DEFAULT: Settings = Settings {
        deadline: 10.0,
        memory: 4096,
        descriptors: 1024,
        processes: 256,
        orphans: false,
    };
}

/// The parts of one test, while they are handed out.
pub struct Parts {
    site: Site,
    settings: Settings,
    role: Role,
}

enum Role {
    Judge(Rc<Trial>),
    Subject { name: String },
}

/// Runs a test in whichever part this process plays.
///
/// In the judge it ends with a record and, for anything but a pass, a panic
/// that libtest understands. In a subject's process it does not return.
pub fn run(site: Site, settings: Settings, body: impl FnOnce(&Parts)) {
    let role = match std::env::var(wire::ROLE) {
        Ok(role) => match role.split_once(' ') {
            Some((test, subject)) if test == site.test() => Role::Subject {
                name: subject.to_owned(),
            },
            // Another test of this binary, run by a filter that is not exact.
            _ => return,
        },
        Err(_) => Role::Judge(Trial::new(site, settings)),
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
            trial.conduct(|| body(&parts));
        }
        Role::Subject { .. } => body(&parts),
    }
}

impl Parts {
    /// The judge's end of a subject; in the subject's own process, the subject.
    pub fn subject<Q, A>(&self, name: &'static str, code: fn(Q) -> A) -> Subject<Q, A>
    where
        Q: Serialize + DeserializeOwned + Debug,
        A: Serialize + DeserializeOwned + Debug,
    {
        match &self.role {
            Role::Judge(trial) => Subject::new(Rc::clone(trial), name),
            Role::Subject { name: wanted } if wanted == name => {
                warden::start(&self.site, &self.settings, name, code)
            }
            Role::Subject { .. } => Subject::absent(self.site, self.settings, name),
        }
    }

    /// All subjects are named: from here on this is the judge's body.
    pub fn begin(&self) {
        if let Role::Subject { name } = &self.role {
            warden::broken(&format!("the test has no subject `{name}`"));
        }
    }
}
