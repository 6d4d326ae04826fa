//! The real course, with other sources instead of the learner's.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fixture::Said;

/// The course, and a folder for sources and for what the command leaves behind.
pub(crate) struct SpinLock {
    root: PathBuf,
    folder: TempDir,
}

impl SpinLock {
    /// `None` in a copy for students, which has no solutions to start from.
    pub(crate) fn real() -> Option<SpinLock> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        if !root.join("solutions/sync/spin-lock").exists() {
            println!("not tried: this course has no solutions");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Some(SpinLock {
            root: root.canonicalize().unwrap(),
            folder,
        })
    }

    /// The solution's text, changed.
    pub(crate) fn with(&self, from: &str, to: &str) -> String {
        let path = self.root.join("solutions/sync/spin-lock/src/lib.rs");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from:?} is not in the solution");
        self.source(&text.replacen(from, to, 1))
    }

    /// The solution with one of its mistakes.
    pub(crate) fn mistake(&self, name: &str) -> String {
        let folder = self.root.join("solutions/sync/spin-lock");
        let text = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        let patch = folder.join(format!("mistakes/{name}.patch"));
        let mistake = judging::mistake::read(&patch).unwrap();
        self.source(&mistake.applied_to(&text).unwrap())
    }

    /// The stub, as learners find it.
    pub(crate) fn stub(&self) -> String {
        let course = judging::Course::open(&self.root).unwrap();
        let exercise = course.exercise("spin-lock").unwrap();
        let given = judging::exercise::originals::given(exercise).unwrap();
        self.source(&given.unwrap()["src/lib.rs"])
    }

    /// A file with this text; its path.
    pub(crate) fn source(&self, text: &str) -> String {
        let path = self.folder.path().join("source.rs");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command, in the course.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_course"));
        command
            .args(words)
            .current_dir(&self.root)
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// What the command says when it reads these lines.
    pub(crate) fn says(&self, words: &[&str], lines: &str) -> Said {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        Said::of(child.wait_with_output().unwrap())
    }

    /// Waits until the programs that are asked are in the folder in which they run.
    pub(crate) fn until_asked(&self) {
        let own = self.folder.path().display().to_string();
        let is_there = |(pid, path): (String, PathBuf)| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains(&own) && path.join("judge").exists()
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.runs().into_iter().any(is_there) {
            assert!(Instant::now() < deadline, "nothing is asked");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The folders in which programs run, each with the process that made it.
    fn runs(&self) -> Vec<(String, PathBuf)> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
        let entries = fs::read_dir(self.root.join(target).join("course")).unwrap();
        entries
            .map(|entry| entry.unwrap())
            .filter_map(|entry| {
                let name = entry.file_name().to_str()?.strip_prefix("run-")?.to_owned();
                Some((name.split('-').next()?.to_owned(), entry.path()))
            })
            .collect()
    }

    /// Demands that no temporary file is left, and no folder of a run whose
    /// command has ended.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        let entries = fs::read_dir(self.folder.path().join("tmp")).unwrap();
        let mut left: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        let is_over = |(pid, _): &(String, PathBuf)| !Path::new("/proc").join(pid).exists();
        left.extend(
            self.runs()
                .into_iter()
                .filter(is_over)
                .map(|(_, path)| path),
        );
        left.retain(|path| path.exists());
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}
