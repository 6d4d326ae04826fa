//! Which system calls the shared-memory transport makes. The kernel says so: a
//! filter ends the process at the first call that is not on a list (man 2
//! seccomp).

use std::ffi::c_long;
use std::time::Duration;

use ipc::{Transport, channel};

/// How a child says that the kernel does not let it install a filter.
const SKIPPED: i32 = 77;

/// The C library may make this call in order to read the clock.
const CLOCK: c_long = libc::SYS_clock_gettime;

/// From now on, any system call except these and the end of the process kills
/// this process. Returns false if the kernel does not allow a filter.
fn allow_only(calls: &[c_long]) -> bool {
    let statement = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: code as u16,
        jt,
        jf: 0,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump_if_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let calls = [calls, &[libc::SYS_exit_group]].concat();
    // The number of the system call is the first word of what the filter sees.
    let mut filter = vec![statement(load, 0, 0)];
    for (at, &call) in calls.iter().enumerate() {
        let to_the_end = (calls.len() - at) as u8;
        filter.push(statement(jump_if_equal, call as u32, to_the_end));
    }
    filter.push(statement(answer, libc::SECCOMP_RET_KILL_PROCESS, 0));
    filter.push(statement(answer, libc::SECCOMP_RET_ALLOW, 0));
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the kernel reads the program, which is alive, and copies it.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    }
}

/// Runs `body` in a child. It must make no system call after `allow_only`: it
/// ends with a status instead of dropping what it uses.
fn holds(body: impl FnOnce() -> i32) {
    let mut child = processes::fork(|| {
        let core = processes::Limits {
            core: Some(0),
            ..Default::default()
        };
        processes::limits::apply(&core).unwrap();
        body()
    })
    .unwrap();
    match child.wait().unwrap() {
        ended if ended.status() == Some(SKIPPED) => eprintln!("skipped: no seccomp here"),
        ended => assert!(ended.success(), "{ended}"),
    }
}

fn end(status: i32) -> ! {
    // SAFETY: this makes one system call, and runs no destructor.
    unsafe { libc::_exit(status) }
}

#[test]
fn sending_and_receiving_need_no_system_call_while_nobody_sleeps() {
    holds(|| {
        let (mut here, mut there) = channel::<u64, u64>(Transport::SharedMemory).unwrap();
        // The buffers are allocated at the first message.
        here.send(&0).unwrap();
        assert_eq!(there.recv().unwrap(), 0);
        if !allow_only(&[]) {
            end(SKIPPED);
        }
        for number in 0..100 {
            let sent = here.send(&number).is_ok() && here.send(&number).is_ok();
            let received = [there.recv(), there.recv()];
            let same = |received: Result<u64, _>| received.is_ok_and(|value| value == number);
            if !sent || !received.into_iter().all(same) {
                end(1);
            }
        }
        end(0)
    });
}

/// One ppoll tells whether the other side is gone. A process that gives way or
/// sleeps comes back when the machine has time for it.
#[test]
fn with_a_patience_of_zero_no_call_gives_way_or_sleeps() {
    holds(|| {
        let (mut here, mut there) = channel::<[u8; 32], ()>(Transport::SharedMemory).unwrap();
        here.send(&[0; 32]).unwrap();
        there.recv().unwrap();
        if !allow_only(&[CLOCK, libc::SYS_ppoll]) {
            end(SKIPPED);
        }
        if !matches!(there.recv_timeout(Duration::ZERO), Ok(None)) {
            end(1);
        }
        // The ring holds fewer than 64 KiB / 32 messages.
        for _ in 0..64 * 1024 / 32 {
            match here.send_timeout(&[0; 32], Duration::ZERO) {
                Ok(true) => {}
                Ok(false) => end(0),
                Err(_) => end(2),
            }
        }
        end(3)
    });
}
