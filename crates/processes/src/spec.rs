//! The description of a process to start.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::launch::{self, Image};
use crate::{Child, Limits, Signal, SpawnError, Step};

/// Where one of a child's three standard streams is connected.
#[derive(Debug, Default)]
pub enum Stdio {
    /// To the same place as the parent's stream.
    #[default]
    Inherit,
    /// To `/dev/null`.
    Null,
    /// Through a pipe to the parent: see the fields of [`Child`].
    Piped,
    /// To this file descriptor. The parent's copy is closed after the start.
    Fd(OwnedFd),
}

/// A process to be started.
///
/// ```
/// use processes::{Ending, Spec, Stdio};
/// let mut child = Spec::new("sh").args(["-c", "exit 3"]).stdin(Stdio::Null).spawn()?;
/// assert_eq!(child.wait()?, Ending::Exited(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The start does not copy the parent's page tables, as `fork` does. Instead,
/// the child uses the parent's memory until exec, while the calling thread
/// waits (man 2 clone, `CLONE_VM | CLONE_VFORK`). So the start costs the same
/// whether the parent uses 1 MiB or 10 GiB of memory.
///
/// Whatever the parent had, the child gets:
/// - no file descriptors except the three standard streams and those that are
///   [passed](Spec::pass);
/// - every signal at its default action and no signal blocked, so that Ctrl-C
///   works and a write to a closed pipe ends the child. (Rust programs ignore
///   SIGPIPE, and children would inherit that.)
#[derive(Debug)]
pub struct Spec {
    program: OsString,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, Option<OsString>>,
    empty_environment: bool,
    directory: Option<PathBuf>,
    streams: [Stdio; 3],
    passed: Vec<(OwnedFd, RawFd)>,
    limits: Limits,
    new_session: bool,
    death_signal: Option<Signal>,
    no_new_privileges: bool,
}

impl Spec {
    /// Describes a program to start, given by its path or its name. A name is
    /// looked up in the `PATH` that the child will have. A relative path with a
    /// slash starts at the child's [directory](Spec::current_dir).
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Spec {
        Spec {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            empty_environment: false,
            directory: None,
            streams: [Stdio::Inherit, Stdio::Inherit, Stdio::Inherit],
            passed: Vec::new(),
            limits: Limits::default(),
            new_session: false,
            death_signal: None,
            no_new_privileges: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Spec {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Spec {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// Sets a variable in the child's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Spec {
        let value = Some(value.as_ref().to_owned());
        self.environment.insert(name.as_ref().to_owned(), value);
        self
    }

    /// Leaves a variable out of the child's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Spec {
        self.environment.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Begins with an empty environment instead of the parent's, and discards
    /// the variables that were set so far.
    #[must_use]
    pub fn env_clear(mut self) -> Spec {
        self.environment.clear();
        self.empty_environment = true;
        self
    }

    /// Sets the child's working directory.
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Spec {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Sets where the child's standard input comes from.
    #[must_use]
    pub fn stdin(mut self, stdio: Stdio) -> Spec {
        self.streams[0] = stdio;
        self
    }

    /// Sets where the child's standard output goes.
    #[must_use]
    pub fn stdout(mut self, stdio: Stdio) -> Spec {
        self.streams[1] = stdio;
        self
    }

    /// Sets where the child's standard error goes.
    #[must_use]
    pub fn stderr(mut self, stdio: Stdio) -> Spec {
        self.streams[2] = stdio;
        self
    }

    /// Gives the child a file descriptor with the number `target`. The parent's
    /// copy is closed after the start. If the parent kept the write end of a
    /// pipe open, the reader would never see the end of the stream.
    #[must_use]
    pub fn pass(mut self, descriptor: OwnedFd, target: RawFd) -> Spec {
        self.passed.push((descriptor, target));
        self
    }

    /// Sets the limits under which the child starts.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Spec {
        self.limits = limits;
        self
    }

    /// Sets whether the child leads a session of its own (man 2 setsid). If it
    /// does, Ctrl-C in the parent's terminal does not reach it, and
    /// [`Child::kill_tree`] finds the processes that it started even after a
    /// parent in between has ended.
    #[must_use]
    pub fn new_session(mut self, yes: bool) -> Spec {
        self.new_session = yes;
        self
    }

    /// Sends the child this signal when the parent dies (man 2 prctl,
    /// `PR_SET_PDEATHSIG`).
    ///
    /// Here "the parent" means the *thread* that calls [`spawn`](Spec::spawn).
    /// When that thread ends, the child gets the signal although the process
    /// lives on. The setting is not inherited: grandchildren live on.
    #[must_use]
    pub fn die_with_parent(mut self, signal: Signal) -> Spec {
        self.death_signal = Some(signal);
        self
    }

    /// Sets whether exec can no longer give the child more rights, as executing
    /// a setuid program does (man 2 prctl, `PR_SET_NO_NEW_PRIVS`). Children
    /// inherit this setting, and it cannot be undone.
    #[must_use]
    pub fn no_new_privileges(mut self, yes: bool) -> Spec {
        self.no_new_privileges = yes;
        self
    }

    /// Starts the process. When this returns `Ok`, the program runs. A missing
    /// program, a refused limit and so on are errors of this call, not a child
    /// that exits with status 127.
    ///
    /// Signals that arrive during the start are delivered afterwards.
    ///
    /// # Errors
    /// [`SpawnError`] says which step failed. Nothing is left behind.
    pub fn spawn(self) -> Result<Child, SpawnError> {
        let program = self.program.clone();
        let fail = |step, source| SpawnError::new(program.clone(), step, source);
        let prepare = |source| fail(Step::Prepare, source);

        let environment = self.environment();
        let mut image = Image::new(&self.program, &self.arguments, &environment);
        image.directory = self.directory.map(PathBuf::into_os_string);
        image.limits = self.limits.resources();
        image.new_session = self.new_session;
        image.death_signal = self.death_signal;
        image.no_new_privileges = self.no_new_privileges;

        // Keep these open until the child has its own copies, then close them.
        let mut held = self.passed;
        let [stdin, stdout, stderr] = self.streams;
        let stdin = input(stdin, &mut held).map_err(prepare)?;
        let stdout = output(stdout, 1, &mut held).map_err(prepare)?;
        let stderr = output(stderr, 2, &mut held).map_err(prepare)?;

        let started = Instant::now();
        let deadline = self.limits.wall.and_then(|wall| started.checked_add(wall));
        let (pid, pidfd) = launch::launch(&image, &held).map_err(|(step, e)| fail(step, e))?;
        let mut child = Child::new(pid, pidfd, deadline, self.new_session);
        (child.stdin, child.stdout, child.stderr) = (stdin, stdout, stderr);
        Ok(child)
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut all: BTreeMap<OsString, OsString> = if self.empty_environment {
            BTreeMap::new()
        } else {
            std::env::vars_os().collect()
        };
        for (name, value) in &self.environment {
            match value {
                Some(value) => _ = all.insert(name.clone(), value.clone()),
                None => _ = all.remove(name),
            }
        }
        all.into_iter().collect()
    }
}

/// Prepares the child's standard input, and returns the parent's end of the
/// pipe, if there is a pipe.
fn input(stdio: Stdio, held: &mut Vec<(OwnedFd, RawFd)>) -> io::Result<Option<PipeWriter>> {
    if let Stdio::Piped = stdio {
        let (reader, writer) = io::pipe()?;
        held.push((reader.into(), 0));
        return Ok(Some(writer));
    }
    held.extend(unpiped(stdio)?.map(|descriptor| (descriptor, 0)));
    Ok(None)
}

/// Prepares the child's standard output or standard error, and returns the
/// parent's end of the pipe, if there is a pipe.
fn output(
    stdio: Stdio,
    target: RawFd,
    held: &mut Vec<(OwnedFd, RawFd)>,
) -> io::Result<Option<PipeReader>> {
    if let Stdio::Piped = stdio {
        let (reader, writer) = io::pipe()?;
        held.push((writer.into(), target));
        return Ok(Some(reader));
    }
    held.extend(unpiped(stdio)?.map(|descriptor| (descriptor, target)));
    Ok(None)
}

fn unpiped(stdio: Stdio) -> io::Result<Option<OwnedFd>> {
    match stdio {
        Stdio::Inherit | Stdio::Piped => Ok(None),
        Stdio::Null => {
            let null = OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/null")?;
            Ok(Some(null.into()))
        }
        Stdio::Fd(descriptor) => Ok(Some(descriptor)),
    }
}
