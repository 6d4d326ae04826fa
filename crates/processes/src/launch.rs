//! Starting a program without copying the parent: the parent's side.
//!
//! ```text
//!  parent thread          child: the parent's memory, a stack of its own
//!  ─────────────          ──────────────────────────────────────────────
//!  block all signals
//!  clone ───────────────▶ default signals, descriptors, limits, …
//!  (waits)                exec ──▶ a memory of its own; runs
//!  restore signals ◀──────┘
//!  check for a failure
//! ```
//!
//! `fork` would copy the parent's page tables, which takes longer the more
//! memory the parent uses, and it would copy locks that other threads hold.
//! Here the child uses the parent's memory, as with `vfork` and `posix_spawn`.
//! So until exec it must not allocate, take a lock or run a signal handler. All
//! of its code is in [`between`](crate::between).

use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::io;
use std::iter;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

use crate::between::{self, Plan};
use crate::limits::ResourceLimit;
use crate::{Pid, Signal, Step};

/// Everything about the program to be executed except its descriptors.
pub(crate) struct Image {
    /// The paths at which to look for the program. The first that can be
    /// executed is used.
    paths: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<OsString>,
    pub(crate) directory: Option<OsString>,
    pub(crate) limits: Vec<ResourceLimit>,
    pub(crate) new_session: bool,
    pub(crate) death_signal: Option<Signal>,
    pub(crate) no_new_privileges: bool,
}

impl Image {
    pub(crate) fn new(
        program: &OsStr,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Image {
        let name = program.to_owned();
        let assignments = environment.iter().map(|(name, value)| {
            let mut assignment = name.clone();
            assignment.push("=");
            assignment.push(value);
            assignment
        });
        Image {
            paths: candidates(program, environment),
            arguments: iter::once(name).chain(arguments.iter().cloned()).collect(),
            environment: assignments.collect(),
            directory: None,
            limits: Vec::new(),
            new_session: false,
            death_signal: None,
            no_new_privileges: false,
        }
    }
}

/// The paths at which to look for a program, as a shell does (man 3 exec). A
/// name without a slash is looked up in every directory of the child's `PATH`,
/// where an empty entry means the working directory.
fn candidates(program: &OsStr, environment: &[(OsString, OsString)]) -> Vec<OsString> {
    if program.is_empty() || program.as_bytes().contains(&b'/') {
        return vec![program.to_owned()];
    }
    let path = environment.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new("/bin:/usr/bin"), |(_, value)| value);
    let directories = path
        .as_bytes()
        .split(|&byte| byte == b':')
        .map(OsStr::from_bytes);
    directories
        .map(|directory| Path::new(directory).join(program).into_os_string())
        .collect()
}

/// Starts the program and gives it each descriptor under the number next to it.
/// When this returns a process, exec has succeeded.
pub(crate) fn launch(
    image: &Image,
    descriptors: &[(OwnedFd, RawFd)],
) -> Result<(Pid, OwnedFd), (Step, io::Error)> {
    let prepare = |error| (Step::Prepare, error);
    check_targets(descriptors).map_err(prepare)?;
    let paths = c_strings(&image.paths, "the program's path").map_err(prepare)?;
    let arguments = c_strings(&image.arguments, "an argument").map_err(prepare)?;
    let environment = c_strings(&image.environment, "a variable").map_err(prepare)?;
    let directory = c_strings(image.directory.as_slice(), "the directory").map_err(prepare)?;

    let mut plan = Plan {
        paths: pointers(&paths).collect(),
        argv: pointers(&arguments).chain([ptr::null()]).collect(),
        envp: pointers(&environment).chain([ptr::null()]).collect(),
        directory: pointers(&directory).next(),
        moves: descriptors
            .iter()
            .map(|(from, to)| (from.as_raw_fd(), *to))
            .collect(),
        limits: image.limits.clone(),
        new_session: image.new_session,
        death_signal: image.death_signal.map(|signal| signal as c_int),
        parent: std::process::id().cast_signed(),
        no_new_privileges: image.no_new_privileges,
        failure: None,
    };
    let made = clone_into(&mut plan);
    let (pid, pidfd) = made.map_err(|error| (Step::Clone, error))?;
    if let Some((step, errno)) = plan.failure {
        // The child has exited. No other code knows of it, so no other code
        // waits for it, except a wait(-1), after which there is nothing left to
        // do here.
        _ = crate::pidfd::await_end(&pidfd, None);
        _ = crate::pidfd::reap(&pidfd);
        return Err((step, io::Error::from_raw_os_error(errno)));
    }
    Ok((pid, pidfd))
}

/// Creates the child and waits until it has executed its program or given up.
fn clone_into(plan: &mut Plan) -> io::Result<(Pid, OwnedFd)> {
    let stack = Stack::new()?;
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let unused = ptr::null_mut::<c_void>();
    // If one of our signal handlers ran in the child, it would change our
    // memory as if it ran in the parent.
    let mask = between::set_signal_mask(u64::MAX);
    // SAFETY: the child runs on `stack`, which no other code uses. Of our
    // memory it writes only to `plan`. No other code touches `plan` meanwhile,
    // because CLONE_VFORK keeps this thread waiting until the child has left
    // our memory by exec or exit. Both `stack` and `plan` live longer than
    // that. With CLONE_PIDFD the kernel writes a descriptor to the fifth
    // argument. It does not read the last two arguments without their flags.
    let pid = unsafe {
        let plan = ptr::from_mut(plan).cast::<c_void>();
        let receiver = &raw mut pidfd;
        libc::clone(
            between::run,
            stack.top(),
            flags,
            plan,
            receiver,
            unused,
            unused,
        )
    };
    let error = io::Error::last_os_error();
    between::set_signal_mask(mask);
    if pid < 0 {
        return Err(error);
    }
    // SAFETY: the kernel has just opened this descriptor for us.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Checks that each number is valid and that no two descriptors get the same
/// number.
fn check_targets(descriptors: &[(OwnedFd, RawFd)]) -> io::Result<()> {
    let invalid = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    for (index, (_, target)) in descriptors.iter().enumerate() {
        if *target < 0 {
            return invalid(format!("{target} is not a descriptor number"));
        }
        if descriptors[..index]
            .iter()
            .any(|(_, other)| other == target)
        {
            return invalid(format!("descriptor {target} is given twice"));
        }
    }
    Ok(())
}

fn c_strings(texts: &[OsString], what: &str) -> io::Result<Vec<CString>> {
    let c_string = |text: &OsString| {
        CString::new(text.clone().into_vec()).map_err(|_| {
            let message = format!("{what} contains a NUL byte: {text:?}");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })
    };
    texts.iter().map(c_string).collect()
}

fn pointers(strings: &[CString]) -> impl Iterator<Item = *const c_char> {
    strings.iter().map(|string| string.as_ptr())
}

/// The child's stack, with a guard page below it that faults when touched.
struct Stack {
    base: *mut c_void,
}

impl Stack {
    /// The child calls few functions and nests them only a little, so 64 KiB is
    /// ample.
    const SIZE: usize = 64 * 1024;
    /// At least one page in every kernel configuration of x86-64 and aarch64.
    const GUARD: usize = 64 * 1024;

    fn new() -> io::Result<Stack> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let length = Stack::GUARD + Stack::SIZE;
        // SAFETY: a new anonymous mapping at an address that the kernel chooses
        // changes no existing memory.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Stack { base };
        // SAFETY: the range lies in the mapping that we have just made.
        if unsafe { libc::mprotect(base, Stack::GUARD, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    /// The address at which the stack starts. Stacks grow down on both
    /// architectures, from a multiple of 16.
    fn top(&self) -> *mut c_void {
        self.base.wrapping_byte_add(Stack::GUARD + Stack::SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: this unmaps exactly our own mapping, and the child no longer
        // uses it.
        unsafe { libc::munmap(self.base, Stack::GUARD + Stack::SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(program: &str, path: Option<&str>) -> Vec<OsString> {
        let environment: Vec<_> = path
            .map(|path| ("PATH".into(), path.into()))
            .into_iter()
            .collect();
        candidates(OsStr::new(program), &environment)
    }

    #[test]
    fn a_name_is_looked_up_in_the_childs_path() {
        assert_eq!(paths("ls", Some("/a:/b/")), ["/a/ls", "/b/ls"]);
        assert_eq!(paths("ls", Some("/a::")), ["/a/ls", "ls", "ls"]);
        assert_eq!(paths("ls", None), ["/bin/ls", "/usr/bin/ls"]);
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        assert_eq!(paths("./ls", Some("/a")), ["./ls"]);
        assert_eq!(paths("/x/ls", Some("/a")), ["/x/ls"]);
        assert_eq!(paths("", Some("/a")), [""]);
    }
}
