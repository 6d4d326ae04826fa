//! The system calls that start a thread and end it, as the kernel sees them.
//!
//! The program forks a child and traces it with ptrace(2), as `strace` does. The child starts a
//! thread and joins it. Of its system calls, the program prints those that make the thread.

use std::io::{self, IoSliceMut};
use std::thread;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, raise};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};

const FLAGS: [(i32, &str); 9] = [
    (libc::CLONE_VM, "CLONE_VM"),
    (libc::CLONE_FS, "CLONE_FS"),
    (libc::CLONE_FILES, "CLONE_FILES"),
    (libc::CLONE_SIGHAND, "CLONE_SIGHAND"),
    (libc::CLONE_THREAD, "CLONE_THREAD"),
    (libc::CLONE_SYSVSEM, "CLONE_SYSVSEM"),
    (libc::CLONE_SETTLS, "CLONE_SETTLS"),
    (libc::CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"),
    (libc::CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"),
];

// ANCHOR: child
/// The traced process. Its two calls of getppid mark where the interesting part begins and ends.
fn child() -> ! {
    _ = ptrace::traceme();
    _ = raise(Signal::SIGSTOP);
    _ = getppid();
    _ = thread::spawn(|| ()).join();
    _ = getppid();
    // SAFETY: ends this process and runs none of the handlers that it has from its parent.
    unsafe { libc::_exit(0) }
}
// ANCHOR_END: child

/// What a thread is about to ask of the kernel.
struct Call {
    number: i64,
    arguments: [u64; 6],
}

/// The call that a stopped thread begins, or `None` if it is at the end of one.
fn call_of(thread: Pid) -> nix::Result<Option<Call>> {
    let info = ptrace::syscall_info(thread)?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(None);
    }
    // SAFETY: `op` says that this is the field that the kernel filled in.
    let entry = unsafe { info.u.entry };
    Ok(Some(Call {
        number: entry.nr.cast_signed(),
        arguments: entry.args,
    }))
}

/// Prints a call if it makes a thread.
fn show(process: Pid, call: &Call) -> nix::Result<()> {
    let [first, second, third, ..] = call.arguments;
    match call.number {
        libc::SYS_mmap if second >= 1 << 20 => {
            println!(
                "mmap      {} KiB, protection {}",
                second >> 10,
                protection(third)
            );
        }
        libc::SYS_mprotect if second >= 1 << 20 => {
            println!(
                "mprotect  {} KiB, protection {}",
                second >> 10,
                protection(third)
            );
        }
        libc::SYS_clone3 => {
            let mut flags = [0; 8];
            let remote = RemoteIoVec {
                base: first as usize,
                len: 8,
            };
            process_vm_readv(process, &mut [IoSliceMut::new(&mut flags)], &[remote])?;
            println!("clone3    {}", names(u64::from_ne_bytes(flags)));
        }
        libc::SYS_clone => println!("clone     {}", names(first)),
        _ => {}
    }
    Ok(())
}

fn protection(bits: u64) -> &'static str {
    match bits as i32 {
        libc::PROT_NONE => "none",
        both if both == libc::PROT_READ | libc::PROT_WRITE => "read and write",
        _ => "another",
    }
}

fn names(flags: u64) -> String {
    let set = |(flag, _): &&(i32, &str)| flags & *flag as u64 != 0;
    let names: Vec<&str> = FLAGS.iter().filter(set).map(|(_, name)| *name).collect();
    let lines: Vec<String> = names.chunks(4).map(|line| line.join(" ")).collect();
    lines.join("\n          ")
}

/// Follows the child to its end. Threads that it starts are followed, too.
fn follow(child: Pid) -> nix::Result<()> {
    waitpid(child, None)?;
    let options =
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(child, options)?;
    ptrace::syscall(child, None)?;
    let mut marks = 0;
    let mut last_of_the_thread = None;
    loop {
        let status = match waitpid(None::<Pid>, Some(WaitPidFlag::__WALL)) {
            Err(Errno::ECHILD) => break,
            status => status?,
        };
        if let WaitStatus::PtraceSyscall(thread) = status
            && let Some(call) = call_of(thread)?
        {
            match thread == child {
                true if call.number == libc::SYS_getppid => marks += 1,
                true if marks == 1 => show(child, &call)?,
                true => {}
                false => last_of_the_thread = Some(call.number),
            }
        }
        if let Some(thread) = status.pid()
            && !matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..))
        {
            // A thread that was killed meanwhile cannot go on.
            _ = ptrace::syscall(thread, None);
        }
    }
    let last = match last_of_the_thread {
        Some(libc::SYS_exit) => "exit",
        Some(libc::SYS_exit_group) => "exit_group",
        _ => "another call",
    };
    println!("the last call of the new thread: {last}");
    Ok(())
}

fn main() -> io::Result<()> {
    // SAFETY: this process has one thread, so the child may do anything that the parent could do.
    match unsafe { fork() }? {
        ForkResult::Child => child(),
        ForkResult::Parent { child } => follow(child)?,
    }
    Ok(())
}
