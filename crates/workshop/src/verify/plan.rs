//! What there is to run, as data. It can be written into a folder together with
//! the programs, and run there without cargo and by another user.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use judging::files;
use judging::trouble::Trouble;
use proctor::{Outcome, Record};
use serde::{Deserialize, Serialize};

use super::demand::Demand;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The variants, in the order of the catalogue.
    pub variants: Vec<Variant>,
}

/// One source of one exercise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Variant {
    pub exercise: String,
    /// `stub`, `solution`, `alternative ticket`, `mistake relaxed-unlock`.
    pub name: String,
    /// The program that judges.
    pub judge: PathBuf,
    /// The program that contains the source, if it compiles.
    pub program: Option<PathBuf>,
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// If there is no program to run: the outcome of every test, and the cause.
    pub uncompiled: Option<(Outcome, String)>,
    /// The tests that must give a verdict.
    pub tests: Vec<String>,
    /// The programs that must not compile, by name.
    pub probes: Vec<String>,
    /// What the compiler said about these programs, if the source itself compiles.
    pub probed: Vec<Record>,
    /// What the judge must find.
    pub demand: Demand,
}

const PLAN: &str = "plan.json";

/// The folder beside the programs in which they run.
pub(crate) const WORK: &str = "work";

impl Variant {
    /// `spin-lock: mistake relaxed-unlock`
    pub(crate) fn title(&self) -> String {
        format!("{}: {}", self.exercise, self.name)
    }

    /// The mistake's name, if it is one.
    pub(crate) fn mistake(&self) -> Option<&str> {
        self.name.strip_prefix("mistake ")
    }
}

impl Plan {
    /// Copies all programs into `folder`, readable for everyone, with the plan.
    pub(crate) fn collect(&self, folder: &Path) -> Result<(), Trouble> {
        fs::create_dir_all(folder).map_err(Trouble::writing(folder))?;
        let mut plan = self.clone();
        let work = folder.join(WORK);
        fs::create_dir_all(&work).map_err(Trouble::writing(&work))?;
        let mut copied = BTreeSet::new();
        let mut copy = |program: &Path, name: String| {
            if copied.insert(name.clone()) {
                let copy = folder.join(&name);
                // A program that still runs cannot be overwritten; it can be unlinked.
                let _ = fs::remove_file(&copy);
                fs::copy(program, &copy).map_err(Trouble::writing(&copy))?;
            }
            Ok(PathBuf::from(name))
        };
        for variant in &mut plan.variants {
            let Some(program) = &variant.program else {
                continue;
            };
            let name = format!("{}--{}", variant.exercise, variant.name.replace(' ', "-"));
            variant.program = Some(copy(program, name)?);
            variant.judge = copy(&variant.judge, format!("{}--judge", variant.exercise))?;
            variant.folder = PathBuf::new();
        }
        let text = serde_json::to_string_pretty(&plan).unwrap_or_default();
        files::write(&folder.join(PLAN), &text)
    }

    /// Reads what [`collect`](Plan::collect) wrote.
    pub(crate) fn read(folder: &Path) -> Result<Plan, Trouble> {
        let folder = folder.canonicalize().map_err(Trouble::reading(folder))?;
        let path = folder.join(PLAN);
        let mut plan: Plan =
            serde_json::from_str(&files::text(&path)?).map_err(|error| Trouble::Malformed {
                path: path.clone(),
                why: error.to_string(),
            })?;
        for variant in &mut plan.variants {
            variant.folder = folder.join(WORK);
            variant.judge = folder.join(&variant.judge);
            if let Some(program) = &mut variant.program {
                *program = folder.join(&*program);
            }
        }
        Ok(plan)
    }
}
