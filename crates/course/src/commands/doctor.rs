//! `doctor`: checks whether this machine offers what the course needs.
//!
//! Each check prints `ok`, or `skip` and what the course then leaves out, or
//! `bad` and what to do.

use std::fs;
use std::path::Path;
use std::process::Command;

use judging::build::scratch;
use judging::exercise::catalogue::Course;
use judging::terminal::say;
use judging::terminal::words::{BAD, GOOD, UNSURE, styled};
use judging::trouble::Trouble;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::statvfs::statvfs;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use processes::proc;

/// The oldest Rust that builds the course.
const RUST: (u32, u32) = (1, 95);

enum Finding {
    Ok(String),
    Skip(String),
    Bad(String),
}

use Finding::{Bad, Ok as Fine, Skip};

/// Prints all findings. The exit code is 2 if one of them is bad, and 0 otherwise.
///
/// # Errors
/// It never returns one. The type is that of all commands.
pub fn doctor(here: &Path) -> Result<u8, Trouble> {
    let findings = [
        ("rustc", version("rustc")),
        ("cargo", version("cargo")),
        ("/proc", proc_is_open()),
        ("seccomp", seccomp()),
        ("landlock", landlock()),
        ("ptrace", ptrace_of_a_child()),
        ("Yama", yama()),
        ("namespaces", user_namespaces()),
        ("CPUs", cpus()),
        ("memory", memory()),
        ("disk", disk(here)),
    ];
    let mut code = 0;
    for (name, finding) in findings {
        let (mark, text) = match finding {
            Fine(text) => (styled(GOOD, "ok  "), text),
            Skip(text) => (styled(UNSURE, "skip"), text),
            Bad(text) => {
                code = 2;
                (styled(BAD, "bad "), text)
            }
        };
        say(&format!("{mark}  {name:<11} {text}\n"));
    }
    Ok(code)
}

fn version(program: &str) -> Finding {
    let output = match Command::new(program).arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => {
            return Bad(format!(
                "{program} cannot be started ({error}): install Rust from https://rustup.rs"
            ));
        }
    };
    let numbers = output.split_whitespace().nth(1).and_then(|version| {
        let mut parts = version.split('.').map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    });
    match numbers {
        Some(found) if found >= RUST => Fine(output),
        _ => Bad(format!(
            "`{program} --version` prints `{output}`, but the course needs {}.{} or newer: run `rustup update`",
            RUST.0, RUST.1
        )),
    }
}

/// Whether /proc shows what a child process does. To prove a deadlock, the
/// judge has to see in which system call each thread waits.
fn proc_is_open() -> Finding {
    let child = Command::new("sleep").arg("10").spawn();
    let Ok(mut child) = child else {
        return Skip("not tried, because `sleep` cannot be started".into());
    };
    let pid = child.id().cast_signed();
    let seen = proc::syscall(pid, pid)
        .and(proc::tasks(pid))
        .and(proc::descriptors(pid));
    let _ = child.kill();
    let _ = child.wait();
    match seen {
        Ok(_) => Fine(
            "the judge can see the threads, system calls and file descriptors of a child process"
                .into(),
        ),
        Err(error) => Skip(format!(
            "{error}: a hang is reported only at the deadline, as `timeout` instead of `deadlock`"
        )),
    }
}

fn seccomp() -> Finding {
    let action = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: the call asks the kernel whether it knows an action; the kernel
    // reads one u32.
    let known = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            std::ptr::from_ref(&action),
        )
    };
    match known {
        0 => Fine(
            "the judge can count which processes and threads your code starts (user notification)"
                .into(),
        ),
        _ => Skip(format!(
            "no user notification ({}): tests cannot judge how many processes and threads your code starts",
            std::io::Error::last_os_error()
        )),
    }
}

fn landlock() -> Finding {
    match proctor::landlock_version() {
        Ok(version @ 6..) => Fine(format!(
            "the kernel keeps your code from changing the course's files and from sending signals to other processes (version {version})"
        )),
        Ok(version) => Fine(format!(
            "the kernel keeps your code from changing the course's files (version {version}; only version 6 and newer also keep it from sending signals)"
        )),
        Err(error) => Skip(format!(
            "no Landlock ({}): your code can change every file that you can change",
            std::io::Error::from(error)
        )),
    }
}

fn ptrace_of_a_child() -> Finding {
    // SAFETY: this program has one thread; the child only stops and exits.
    let child = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let traced = ptrace::traceme().is_ok() && raise(Signal::SIGSTOP).is_ok();
            // SAFETY: this ends the child at once, without running code that
            // belongs to the parent.
            unsafe { libc::_exit(i32::from(!traced)) }
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(error) => return Bad(format!("no child process can be started: {error}")),
    };
    let stopped = waitpid(child, None);
    if let Ok(WaitStatus::Stopped(..)) = stopped {
        let _ = ptrace::cont(child, None);
        let _ = waitpid(child, None);
        return Fine("a process can trace its child".into());
    }
    Skip("a process cannot trace its child: a thread in an endless loop may be reported only at the deadline, as `timeout` instead of `spin`".into())
}

fn yama() -> Finding {
    match fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
        .as_deref()
        .map(str::trim)
    {
        Ok("0") => Fine("you may look into all of your processes".into()),
        Ok("1") => Fine(
            "you may look into your child processes; for other processes, `who-waits` needs root"
                .into(),
        ),
        Ok(scope) => Skip(format!(
            "ptrace_scope is {scope}: `who-waits` needs root, and a hang may be reported only at the deadline, as `timeout`"
        )),
        Err(_) => Fine("this kernel has no Yama (a module that restricts ptrace): you may look into all of your processes".into()),
    }
}

fn user_namespaces() -> Finding {
    // SAFETY: this program has one thread; the child only calls unshare and exits.
    let child = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // SAFETY: the call changes only this child, which ends at once.
            let made = unsafe { libc::unshare(libc::CLONE_NEWUSER) } == 0;
            // SAFETY: this ends the child at once, without running code that
            // belongs to the parent.
            unsafe { libc::_exit(i32::from(!made)) }
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(error) => return Bad(format!("no child process can be started: {error}")),
    };
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, 0)) => Fine("a process can make a user namespace".into()),
        _ => Skip("no user namespaces: experiments and tests that need them are skipped".into()),
    }
}

fn cpus() -> Finding {
    match std::thread::available_parallelism().map(usize::from) {
        Ok(1) => Skip("one CPU: whatever needs two CPUs at the same time is skipped".into()),
        Ok(count) => Fine(format!("{count} CPUs")),
        Err(error) => Skip(format!("the number of CPUs is unknown ({error})")),
    }
}

fn memory() -> Finding {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemAvailable:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .map(|kib: u64| kib >> 10);
    match available {
        Some(mib @ 1024..) => Fine(format!("{mib} MiB are free")),
        Some(mib) => Bad(format!(
            "only {mib} MiB are free, and a build needs 1024 MiB: close other programs"
        )),
        None => Skip("the amount of free memory is unknown".into()),
    }
}

fn disk(here: &Path) -> Finding {
    let target = Course::find(here).map_or_else(|_| here.to_owned(), |c| scratch::folder_of(&c));
    let exists = target
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(here);
    let writable = nix::unistd::access(exists, nix::unistd::AccessFlags::W_OK).is_ok();
    match statvfs(exists) {
        Ok(_) if !writable => Bad(format!(
            "{} is not writable: set CARGO_TARGET_DIR to a folder that is",
            exists.display()
        )),
        Ok(found) => {
            let mib = found
                .blocks_available()
                .saturating_mul(found.fragment_size())
                >> 20;
            match mib {
                2048.. => Fine(format!("{mib} MiB are free for target/")),
                _ => Bad(format!(
                    "only {mib} MiB are free for target/, and the course needs 2048 MiB: delete files that you do not need"
                )),
            }
        }
        Err(error) => Skip(format!("the amount of free space is unknown ({error})")),
    }
}
