// contract broken: C12: after 1000 interruptions EINTR is returned

#[allow(unused_imports)]
use std::{io::{self, Write}, mem, panic::{self, AssertUnwindSafe}};
#[allow(unused_imports)]
use nix::{errno::Errno, libc, sys::wait::{waitpid, WaitPidFlag, WaitStatus}, unistd::{fork, ForkResult, Pid}};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Exited(u8),
    Killed(i32),
}

pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    io::stdout().flush()?;
    match unsafe { fork() }? {
        ForkResult::Child => child(work),
        ForkResult::Parent { child } => parent(child),
    }
}

fn child(work: impl FnOnce() -> u8) -> ! {
    let code = match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) => code,
        Err(payload) => {
            mem::forget(payload);
            101
        }
    };
    let _ = io::stdout().flush();
    unsafe { libc::_exit(code.into()) }
}

fn parent(child: Pid) -> io::Result<Ending> {
    let mut patience = 1000;
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
            Err(Errno::EINTR) if patience > 0 => patience -= 1,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
