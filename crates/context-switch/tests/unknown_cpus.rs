//! What is said when the kernel does not report on which CPUs a thread may run.

use std::thread;

use context_switch::{
    Between, Over, PinError, PingPong, PingPongError, Pinned, Placement, allowed_cpus, working_set,
};
use nix::errno::Errno;

/// From now on, sched_getaffinity(2) fails in the calling thread with EINVAL, as it does on a
/// machine with more CPUs than fit into the answer. A filter of system calls does that (seccomp(2)).
/// Returns false if the kernel has no such filters.
fn hide_the_cpus() -> bool {
    let question = u32::try_from(libc::SYS_sched_getaffinity).unwrap();
    let answer = libc::SECCOMP_RET_ERRNO | Errno::EINVAL as u32;
    let step = |code, jt, jf, k| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let mut steps = [
        // The number of the system call is the first field of seccomp_data.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, question),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, answer),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the program and its steps live until the calls return, and the kernel copies them.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    }
}

#[test]
fn every_function_that_asks_for_the_cpus_reports_that_they_are_unknown() {
    // The filter belongs to the thread, and ends with it.
    let asked = thread::spawn(|| {
        if !hide_the_cpus() {
            eprintln!("this kernel filters no system calls, so nothing was tested");
            return;
        }
        let unknown = PinError::Unknown(Errno::EINVAL);
        assert_eq!(allowed_cpus(), Err(unknown.clone()));
        assert_eq!(Placement::OneCpu.cpus(), Err(unknown.clone()));
        assert_eq!(Placement::TwoCpus.cpus(), Err(unknown.clone()));
        assert_eq!(Pinned::to(0).err(), Some(unknown.clone()));
        let game = PingPong::new(Between::Threads, Over::Pipe, Placement::OneCpu);
        for refused in [
            game.run(1).unwrap_err(),
            working_set::cost(Between::Threads, 64, 1).unwrap_err(),
        ] {
            assert!(matches!(refused, PingPongError::Pin(error) if error == unknown));
        }
    });
    asked.join().unwrap();
    assert!(allowed_cpus().is_ok());
}
