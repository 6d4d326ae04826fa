//! The system calls that start a program and wait for it, as the kernel reports
//! them to a tracer: `strace` in 100 lines.
//!
//! `cargo run -p processes --example calls_of_a_launch [fork|spec]`

use std::error::Error;
use std::ffi::CString;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork};
use processes::Spec;

const PROGRAM: &str = "/bin/true";

/// Starts a program by fork and exec, and waits for it.
fn by_fork() -> Result<(), Box<dyn Error>> {
    let program = CString::new(PROGRAM)?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            _ = execv(&program, &[&program]);
            // SAFETY: ends the child, and runs no exit handlers.
            unsafe { libc::_exit(127) }
        }
        ForkResult::Parent { child } => waitpid(child, None)?,
    };
    Ok(())
}

/// The same without a copy of the memory.
fn by_spec() -> Result<(), Box<dyn Error>> {
    Spec::new(PROGRAM).spawn()?.wait()?;
    Ok(())
}

/// A call worth a line of its own: its name, and its flags if it creates a
/// process. All other calls are counted.
fn interesting(number: u64, arguments: &[u64; 6]) -> Option<String> {
    let named = |name: &str| Some(format!("{name}(…)"));
    match number.cast_signed() {
        libc::SYS_clone => Some(format!("clone({})", flags(arguments[0]))),
        libc::SYS_execve => Some(format!("execve({PROGRAM:?}, …)")),
        libc::SYS_exit_group => Some(format!("exit_group({})", arguments[0])),
        libc::SYS_wait4 => named("wait4"),
        libc::SYS_waitid => named("waitid"),
        libc::SYS_ppoll => named("ppoll"),
        _ => None,
    }
}

/// The flags of clone that this program uses, by name.
fn flags(bits: u64) -> String {
    let names = [
        (libc::CLONE_VM, "CLONE_VM"),
        (libc::CLONE_VFORK, "CLONE_VFORK"),
        (libc::CLONE_PIDFD, "CLONE_PIDFD"),
        (libc::CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"),
        (libc::CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"),
    ];
    let names = names.into_iter().filter(|&(bit, _)| bits & bit as u64 != 0);
    let mut names: Vec<&str> = names.map(|(_, name)| name).collect();
    if bits & 0xff == libc::SIGCHLD as u64 {
        names.push("SIGCHLD");
    }
    names.join(" | ")
}

/// What one process did.
#[derive(Default)]
struct Story {
    lines: Vec<String>,
    /// Calls that have no line of their own.
    others: u32,
}

impl Story {
    fn call(&mut self, number: u64, arguments: &[u64; 6]) {
        match interesting(number, arguments) {
            Some(call) => self.lines.push(call),
            None => self.others += 1,
        }
    }

    fn executes(&mut self) {
        let before = std::mem::take(&mut self.others);
        self.lines.push(format!(
            "(it now runs {PROGRAM}; other calls before this: {before})"
        ));
    }
}

/// Follows `tracee`, which has stopped itself, and the process that it creates,
/// until `tracee` has ended. Returns what the two did.
fn trace(tracee: Pid) -> nix::Result<[Story; 2]> {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(tracee, options)?;
    ptrace::syscall(tracee, None)?;
    let mut stories = [Story::default(), Story::default()];
    loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL))?;
        let Some(pid) = status.pid() else { continue };
        let story = &mut stories[usize::from(pid != tracee)];
        let mut signal = None;
        match status {
            WaitStatus::PtraceSyscall(_) => {
                let info = ptrace::syscall_info(pid)?;
                if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                    // SAFETY: `op` says which member of the union is in use.
                    let entry = unsafe { info.u.entry };
                    story.call(entry.nr, &entry.args);
                }
            }
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => story.executes(),
            // A new process begins with this stop; it is not for the process.
            WaitStatus::Stopped(_, Signal::SIGSTOP) => {}
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) if pid == tracee => {
                return Ok(stories);
            }
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => continue,
            _ => {}
        }
        ptrace::syscall(pid, signal)?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let way = match std::env::args().nth(1).as_deref() {
        Some("spec") => by_spec,
        _ => by_fork,
    };
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let done = ptrace::traceme()
                .and_then(|()| raise(Signal::SIGSTOP))
                .is_ok_and(|()| way().is_ok());
            // SAFETY: ends the child, and runs no exit handlers.
            unsafe { libc::_exit(i32::from(!done)) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Stopped(..) => {
                for (who, story) in ["parent", "child"].into_iter().zip(trace(child)?) {
                    println!("{who}:");
                    story.lines.iter().for_each(|line| println!("  {line}"));
                }
            }
            other => println!("skipped: this machine lets no process be traced: {other:?}"),
        },
    }
    Ok(())
}
