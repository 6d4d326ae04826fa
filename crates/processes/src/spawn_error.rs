//! Why a process was not started.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::{error, fmt, io};

/// The step at which a start failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Preparing the start, before any process exists. It fails if an argument
    /// contains a NUL byte, if no file descriptor is left for a pipe, or if a
    /// target number is given twice.
    Prepare,
    /// Creating the process.
    Clone,
    /// [`Spec::new_session`](crate::Spec::new_session).
    Session,
    /// [`Spec::die_with_parent`](crate::Spec::die_with_parent).
    DeathSignal,
    /// Giving the child this file descriptor.
    Descriptor(RawFd),
    /// [`Spec::current_dir`](crate::Spec::current_dir).
    Directory,
    /// [`Spec::no_new_privileges`](crate::Spec::no_new_privileges).
    Privileges,
    /// Setting the limit with this name.
    Limit(&'static str),
    /// Replacing the process by the program.
    Exec,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Prepare => f.write_str("preparing it"),
            Step::Clone => f.write_str("making a process (clone)"),
            Step::Session => f.write_str("making a session (setsid)"),
            Step::DeathSignal => f.write_str("tying it to its parent (PR_SET_PDEATHSIG)"),
            Step::Descriptor(fd) => write!(f, "giving it descriptor {fd}"),
            Step::Directory => f.write_str("entering its directory (chdir)"),
            Step::Privileges => f.write_str("giving up privileges (PR_SET_NO_NEW_PRIVS)"),
            Step::Limit(name) => write!(f, "setting the limit `{name}`"),
            Step::Exec => f.write_str("executing it"),
        }
    }
}

/// Why a process could not be started.
#[derive(Debug)]
pub struct SpawnError {
    program: OsString,
    step: Step,
    source: io::Error,
}

impl SpawnError {
    pub(crate) fn new(program: OsString, step: Step, source: io::Error) -> SpawnError {
        SpawnError {
            program,
            step,
            source,
        }
    }

    /// The step that failed.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// The error with which the step failed.
    #[must_use]
    pub fn cause(&self) -> &io::Error {
        &self.source
    }

    fn advice(&self) -> &'static str {
        match (self.step, self.source.raw_os_error()) {
            (Step::Exec, Some(libc::ENOENT)) => {
                "; is it installed, and is its directory on the PATH?"
            }
            (Step::Exec, Some(libc::EACCES)) => "; is it a file that may be executed (chmod +x)?",
            (Step::Exec, Some(libc::ENOEXEC)) => {
                "; a script's first line must name its interpreter (#!/bin/sh)"
            }
            (Step::Exec, Some(libc::ETXTBSY)) => {
                "; it is open for writing somewhere, or was a moment ago and a child forked \
                 then has not executed anything yet"
            }
            (Step::Clone, Some(libc::EAGAIN)) => {
                "; this user has as many processes as allowed (ulimit -u)"
            }
            (_, Some(libc::EMFILE)) => {
                "; this process has as many open files as allowed: close some, or raise the \
                 limit (ulimit -n)"
            }
            (Step::Limit(_), Some(libc::EPERM)) => "; it is above the hard limit (ulimit -H -a)",
            (Step::Directory, Some(libc::ENOENT)) => "; does the directory exist?",
            _ => "",
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SpawnError {
            program,
            step,
            source,
        } = self;
        let program = program.to_string_lossy();
        write!(
            f,
            "cannot start `{program}`: {step}: {source}{}",
            self.advice()
        )
    }
}

impl error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}
