//! What the judge observes is what has happened, whichever process makes it
//! happen.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use proctor::Subject;
use proctor::script::{IoError, Reader, Step};

use crate::driver::{Expect, check, passes};
use crate::kit::{LONG, child, leave, pause_for_ever, reap};

const TABLE: &[Expect] = &[
    passes("forks_are_counted"),
    passes("forks_of_children_are_counted"),
    passes("a_program_is_one_process"),
    passes("threads_are_counted"),
    passes("forks_by_the_calls_of_32_bit_programs_are_counted"),
    passes("the_kernel_says_which_process_was_a_witness"),
    passes("each_question_is_counted_by_itself"),
    passes("open_descriptors_are_seen"),
    passes("a_process_that_would_hide_is_seen_all_the_same"),
    passes("a_child_that_is_not_the_subjects_is_an_orphan"),
    passes("what_still_runs_and_what_has_ended_is_seen"),
    passes("sleepers_wait_and_spinners_do_not"),
    passes("switches_are_counted"),
    passes("memory_is_measured"),
    passes("requests_for_memory_are_counted"),
    passes("what_outlives_its_maker_is_named_and_removed"),
    passes("what_a_killed_judge_leaves_is_removed"),
    passes("temporary_files_are_named_and_removed"),
    passes("a_call_fails_where_the_judge_says"),
    passes("interrupted_waits_are_ordered"),
    passes("only_the_childrens_calls_fail"),
    passes("what_a_call_changes_is_named"),
    passes("a_gate_opens_when_so_many_are_inside"),
    passes("a_gate_opens_beside_a_thread_that_polls"),
    passes("a_gate_to_which_too_few_come_is_explained"),
    passes("threads_on_their_way_out_are_not_left"),
    passes("wrong_drops_are_told_apart"),
    passes("a_race_needs_no_luck_to_be_seen"),
    passes("a_script_is_sent_and_played"),
    passes("zeros_take_no_memory"),
    passes("tasks_are_seen_one_by_one"),
    passes("a_wait_that_does_not_block_is_not_interrupted"),
    passes("a_core_file_is_made_where_a_test_allows_it"),
    passes("a_stopped_process_is_seen"),
    passes("a_frozen_thread_stays_and_needs_no_cpu"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 2);
}

/// The environment variable that lets a judge wait for its end.
const WAITS: &str = "CONFORMANCE_WAITS";

/// Ctrl-C and timeout(1) send a signal to a whole process group.
#[test]
fn a_signal_to_the_group_of_a_judge_leaves_nothing() {
    // A process in the background of a shell may ignore SIGINT.
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let mut judge = Command::new(std::env::current_exe().unwrap())
            .args(["evidence::what_a_killed_judge_leaves_is_removed", "--exact"])
            .args(["--ignored", "--nocapture"])
            .env(WAITS, "1")
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = judge.id().cast_signed();
        let lines = BufReader::new(judge.stdout.take().unwrap()).lines();
        let counts = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("counts: ").map(str::to_owned));
        // SAFETY: takes integers.
        unsafe { libc::killpg(group, signal) };
        judge.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let is_there = || {
            let name = std::ffi::CString::new(format!("/proctor-killed-{group}")).unwrap();
            // SAFETY: takes a name and an integer.
            let queue = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
            if queue >= 0 {
                // SAFETY: the descriptor is new.
                unsafe { libc::close(queue) };
            }
            queue >= 0
        };
        while is_there() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(
            counts.as_deref() != Some("true") || !is_there(),
            "a queue is left after the signal {signal}"
        );
    }
}

/// Demands a count, where the machine lets us count at all.
#[track_caller]
fn assert_counted(counted: Option<u32>, expected: u32) {
    assert!(
        counted.is_none_or(|counted| counted == expected),
        "counted {counted:?}, not {expected}"
    );
}

#[proctor::test(subject = |n: u64| for _ in 0..n { reap(child(|| ())) })]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn forks_are_counted(mut subject: Subject) {
    let evidence = subject.ask(&50).evidence;
    assert_counted(evidence.processes_started, 50);
    assert_counted(evidence.threads_started, 0);
    assert_eq!(
        (evidence.children, evidence.zombies, evidence.threads),
        (0, 0, 1)
    );
}

/// Forks by `int 0x80`, as 32-bit programs call the kernel; the child ends at
/// once. `None` where the kernel knows no such calls.
#[cfg(target_arch = "x86_64")]
fn fork_as_32_bit_programs_do() -> Option<i32> {
    /// Calls the kernel; i386 has other numbers than x86-64.
    fn call(number: i32, argument: i32) -> i32 {
        let result: i32;
        // SAFETY: fork and exit touch no memory of this process; the only
        // thread makes the call. The compiler keeps rbx for itself.
        unsafe {
            std::arch::asm!(
                "xchg {argument:r}, rbx",
                "int 0x80",
                "xchg {argument:r}, rbx",
                argument = inout(reg) i64::from(argument) => _,
                inlateout("eax") number => result,
                lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
            );
        }
        result
    }
    const EXIT: i32 = 1;
    const FORK: i32 = 2;
    const GETPID: i32 = 20;
    // Without support it is a fault.
    let probe = child(|| leave(u8::from(call(GETPID, 0) <= 0).into()));
    if nix::sys::wait::waitpid(probe, None) != Ok(nix::sys::wait::WaitStatus::Exited(probe, 0)) {
        return None;
    }
    match call(FORK, 0) {
        0 => {
            call(EXIT, 0);
            unreachable!("it has ended");
        }
        pid => {
            reap(nix::unistd::Pid::from_raw(pid));
            Some(pid)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fork_as_32_bit_programs_do() -> Option<i32> {
    None
}

#[proctor::test(subject = |(): ()| fork_as_32_bit_programs_do())]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn forks_by_the_calls_of_32_bit_programs_are_counted(mut subject: Subject) {
    let answer = subject.ask(&());
    if answer.value.is_some() {
        // The probe and the fork.
        assert_counted(answer.evidence.processes_started, 2);
    }
}

#[proctor::test(subject = |(): ()| {
    proctor::witness(1);
    let child = child(|| proctor::witness(2));
    reap(child);
    proctor::witness(3);
    child.as_raw()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn the_kernel_says_which_process_was_a_witness(mut subject: Subject) {
    for _ in 0..2 {
        let answer = subject.ask(&());
        let (me, child) = (answer.evidence.pid, answer.value);
        let seen: Vec<(i32, u64)> = answer
            .evidence
            .witnesses
            .iter()
            .map(|seen| (seen.pid, seen.mark))
            .collect();
        assert_eq!(seen, [(me, 1), (child, 2), (me, 3)]);
    }
}

#[proctor::test(subject = |n: u64| reap(child(|| for _ in 0..n { reap(child(|| leave(0))) })))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn forks_of_children_are_counted(mut subject: Subject) {
    assert_counted(subject.ask(&4).evidence.processes_started, 5);
}

#[proctor::test(subject = |n: u64| for _ in 0..n { Command::new("true").status().unwrap(); })]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_program_is_one_process(mut subject: Subject) {
    let evidence = subject.ask(&3).evidence;
    assert_counted(evidence.processes_started, 3);
    assert_counted(evidence.threads_started, 0);
}

#[proctor::test(subject = |n: u64| for _ in 0..n { thread::spawn(|| ()).join().unwrap() })]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn threads_are_counted(mut subject: Subject) {
    let evidence = subject.ask(&50).evidence;
    assert_counted(evidence.threads_started, 50);
    assert_counted(evidence.processes_started, 0);
    assert_eq!(evidence.threads, 1);
}

#[proctor::test(subject = |n: u64| for _ in 0..n { reap(child(|| ())) })]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn each_question_is_counted_by_itself(mut subject: Subject) {
    for n in [3, 0, 1] {
        let counted = subject.ask(&u64::from(n)).evidence.processes_started;
        assert_counted(counted, n);
    }
}

#[proctor::test(subject = |keep: bool| {
    let pipe = nix::unistd::pipe().unwrap();
    if keep {
        std::mem::forget(pipe);
    }
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn open_descriptors_are_seen(mut subject: Subject) {
    for (keep, left) in [(false, 0), (true, 2), (false, 0), (true, 2)] {
        assert_eq!(subject.ask(&keep).evidence.descriptors_left, left);
    }
}

#[proctor::test(orphans = true, subject = |ends: bool| {
    let pid = child(|| if !ends { pause_for_ever() });
    if ends {
        // Waits for the end without taking the zombie away.
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    }
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn what_still_runs_and_what_has_ended_is_seen(mut subject: Subject) {
    let evidence = subject.ask(&false).evidence;
    assert_eq!((evidence.children, evidence.zombies), (1, 0));
    let evidence = subject.ask(&true).evidence;
    assert_eq!((evidence.children, evidence.zombies), (1, 1));
}

#[proctor::test(subject = |sleeps: bool| {
    let until = Instant::now() + LONG;
    if sleeps {
        thread::sleep(LONG);
    }
    while Instant::now() < until {}
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn sleepers_wait_and_spinners_do_not(mut subject: Subject) {
    let sleeper = subject.ask(&true).evidence;
    assert!(sleeper.waited() && sleeper.wall >= LONG, "{sleeper:?}");
    let spinner = subject.ask(&false).evidence;
    // On a machine however busy, it gets some of the CPU for as long as it wants it.
    assert!(spinner.cpu > 2 * sleeper.cpu, "{spinner:?}");
}

#[proctor::test(subject = |n: u64| for _ in 0..n { thread::sleep(Duration::from_millis(1)) })]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn switches_are_counted(mut subject: Subject) {
    // A thread that is preempted on its way to sleep may wake without having slept.
    assert!(subject.ask(&100).evidence.voluntary_switches >= 50);
    assert!(subject.ask(&0).evidence.voluntary_switches < 20);
}

#[proctor::test(subject = |n: u64| drop(std::hint::black_box(vec![1u8; n as usize])))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn memory_is_measured(mut subject: Subject) {
    let before = subject.ask(&0).evidence.peak_memory;
    let after = subject.ask(&(64 << 20)).evidence;
    assert!(
        after.peak_memory >= before + (60 << 20),
        "{before} and {after:?}"
    );
    assert!(after.minor_faults > 100, "{after:?}");
}

#[proctor::test(
    subject = |(kept, lost): (usize, usize)| {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(lost)));
        std::mem::forget(std::hint::black_box(vec![1u8; kept]));
    },
    memory = 1024,
)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn requests_for_memory_are_counted(mut subject: Subject) {
    // What the test itself takes to ask its first question.
    subject.ask(&(1, 1));
    let heap = subject.ask(&(1000, 64 << 20)).evidence.heap;
    assert_eq!((heap.requests, heap.largest), (2, 64 << 20), "{heap:?}");
    assert_eq!((heap.peak, heap.left), (64 << 20, 1000), "{heap:?}");
    // Refused by the limit, and noted all the same.
    let refused = subject.try_ask(&(0, 2 << 30)).unwrap_err();
    assert_eq!(refused.outcome, proctor::Outcome::Limit);
}

/// Makes or removes one of each kind; tells the numbers of those that have no name.
fn make_or_remove_relics((make, name, numbers): (bool, String, [i32; 3])) -> [i32; 3] {
    let name = std::ffi::CString::new(name).unwrap();
    let nothing = std::ptr::null_mut::<libc::shmid_ds>();
    // SAFETY: the names and the null pointers are what these calls ask for.
    unsafe {
        if make {
            let shared = libc::shm_open(name.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600);
            let semaphore = libc::sem_open(name.as_ptr(), libc::O_CREAT, 0o600, 1u32);
            let queue = libc::mq_open(
                name.as_ptr(),
                libc::O_CREAT | libc::O_RDWR,
                0o600,
                std::ptr::null::<libc::mq_attr>(),
            );
            assert!(shared >= 0 && semaphore != libc::SEM_FAILED && queue >= 0);
            [
                libc::shmget(libc::IPC_PRIVATE, 5000, 0o600),
                libc::semget(libc::IPC_PRIVATE, 3, 0o600),
                libc::msgget(libc::IPC_PRIVATE, 0o600),
            ]
        } else {
            libc::shm_unlink(name.as_ptr());
            libc::sem_unlink(name.as_ptr());
            libc::mq_unlink(name.as_ptr());
            libc::shmctl(numbers[0], libc::IPC_RMID, nothing);
            libc::semctl(numbers[1], 0, libc::IPC_RMID);
            libc::msgctl(numbers[2], libc::IPC_RMID, nothing.cast());
            numbers
        }
    }
}

#[proctor::test(subject = |question: (bool, String, [i32; 3])| make_or_remove_relics(question))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn what_a_killed_judge_leaves_is_removed(mut subject: Subject) {
    let name = format!("/proctor-killed-{}", std::process::id());
    let made = subject.ask(&(true, name.clone(), [0; 3]));
    if std::env::var_os(WAITS).is_some() {
        println!("\ncounts: {}", made.evidence.processes_started.is_some());
        loop {
            thread::park();
        }
    }
    subject.ask(&(false, name, made.value));
}

#[proctor::test(subject = |question: (bool, String, [i32; 3])| make_or_remove_relics(question))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn what_outlives_its_maker_is_named_and_removed(mut subject: Subject) {
    let name = format!("/proctor-{}", std::process::id());
    let made = subject.ask(&(true, name.clone(), [0; 3]));
    let counted = made.evidence.processes_started.is_some();
    let numbers = made.value;
    if counted {
        let relics = made.evidence.relics;
        let expected = [
            format!("the shared memory /dev/shm{name}"),
            format!("the semaphore /dev/shm/sem.{}", &name[1..]),
            format!("the message queue {name}"),
            format!(
                "the System V shared memory with the identifier {}",
                numbers[0]
            ),
            format!(
                "the System V semaphore set with the identifier {}",
                numbers[1]
            ),
            format!(
                "the System V message queue with the identifier {}",
                numbers[2]
            ),
        ];
        assert_eq!(relics, expected);
    }
    // Another subject, at the same time, has made nothing.
    let removed = subject.ask(&(false, name.clone(), numbers));
    assert_eq!(removed.evidence.relics, [""; 0]);

    subject.ask(&(true, name.clone(), [0; 3]));
    let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| subject.fresh()));
    assert_eq!(left.is_err(), counted, "they are not named");
    assert!(!counted || !std::path::Path::new(&format!("/dev/shm{name}")).exists());
}

/// The raw errors of five attempts.
fn attempts(attempt: impl Fn() -> std::io::Result<()>) -> Vec<i32> {
    let errors = (0..5).map(|_| attempt().err());
    errors
        .map(|error| error.and_then(|error| error.raw_os_error()).unwrap_or(0))
        .collect()
}

#[proctor::test(
    faults = [Pipe, Thread, Process, Affinity, Print, Pause],
    subject = |which: u8| -> Vec<i32> {
        match which {
            0 => attempts(|| std::io::pipe().map(drop)),
            1 => attempts(|| {
                let thread = thread::Builder::new().spawn(|| ())?;
                thread.join().unwrap();
                Ok(())
            }),
            2 => attempts(|| Command::new("true").status().map(drop)),
            3 => attempts(|| {
                let mut set = nix::sched::CpuSet::new();
                set.set(0)?;
                Ok(nix::sched::sched_setaffinity(nix::unistd::Pid::this(), &set)?)
            }),
            4 => attempts(|| std::io::Write::write_all(&mut std::io::stdout(), b"line\n")),
            _ => attempts(|| {
                // SAFETY: takes nothing.
                match unsafe { libc::sched_yield() } {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            }),
        }
    },
)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_call_fails_where_the_judge_says(mut subject: Subject) {
    use nix::errno::Errno;
    use proctor::{Failure, Fault};
    if subject.ask(&0).evidence.processes_started.is_none() {
        // Nothing is watched on this machine.
        return;
    }
    let kinds = [
        (Fault::Pipe, Errno::EMFILE),
        (Fault::Thread, Errno::EAGAIN),
        (Fault::Process, Errno::ENOMEM),
        (Fault::Affinity, Errno::EINVAL),
        (Fault::Print, Errno::ENOSPC),
        (Fault::Pause, Errno::EINTR),
    ];
    for (which, (fault, errno)) in (0..).zip(kinds) {
        subject.fail(Failure::of(fault, errno).after(1).times(2));
        let answer = subject.ask(&which);
        let errno = errno as i32;
        assert_eq!(answer.value, [0, errno, errno, 0, 0], "{fault:?}");
        assert_eq!(answer.evidence.faults, 2, "{fault:?}");
        // What was ordered holds for one question.
        subject.fail(Failure::of(fault, Errno::EPERM).after(100));
        assert_eq!(subject.ask(&which).value, [0; 5], "{fault:?}");
        assert_eq!(subject.ask(&which).value, [0; 5], "{fault:?}");
    }
}

#[proctor::test(
    faults = [Wait],
    subject = |(): ()| -> u32 {
        let pid = child(|| ());
        let mut interrupted = 0;
        while nix::sys::wait::waitpid(pid, None) == Err(nix::errno::Errno::EINTR) {
            interrupted += 1;
        }
        interrupted
    },
)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn interrupted_waits_are_ordered(mut subject: Subject) {
    use proctor::{Failure, Fault};
    if subject.ask(&()).evidence.processes_started.is_some() {
        let failure = Failure::of(Fault::Wait, nix::errno::Errno::EINTR);
        subject.fail(failure.times(300));
        assert_eq!(subject.ask(&()).value, 300);
    }
}

#[proctor::test(
    faults = [Wait],
    subject = |(): ()| -> i32 {
        let pid = child(|| ());
        let flags = Some(nix::sys::wait::WaitPidFlag::WNOHANG);
        loop {
            match nix::sys::wait::waitpid(pid, flags) {
                Ok(nix::sys::wait::WaitStatus::StillAlive) => thread::yield_now(),
                Ok(_) => break 0,
                Err(errno) => {
                    reap(pid);
                    break errno as i32;
                }
            }
        }
    },
)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_wait_that_does_not_block_is_not_interrupted(mut subject: Subject) {
    use nix::errno::Errno;
    use proctor::{Failure, Fault};
    if subject.ask(&()).evidence.processes_started.is_some() {
        for (errno, seen) in [(Errno::EINTR, 0), (Errno::EINVAL, Errno::EINVAL as i32)] {
            subject.fail(Failure::of(Fault::Wait, errno));
            assert_eq!(subject.ask(&()).value, seen);
        }
    }
}

#[proctor::test(core_files = true, subject = |(): ()| -> (bool, i32) {
    use std::os::unix::process::ExitStatusExt;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let pid = child(|| {
        let may = proctor::leave_a_core_file();
        std::io::Write::write_all(&mut &writer, &[u8::from(may)]).unwrap();
        std::process::abort()
    });
    let mut status = 0;
    // SAFETY: the integer outlives the call.
    unsafe { libc::waitpid(pid.as_raw(), &raw mut status, 0) };
    let mut may = [0];
    std::io::Read::read_exact(&mut reader, &mut may).unwrap();
    assert_eq!(std::process::ExitStatus::from_raw(status).signal(), Some(libc::SIGABRT));
    (may == [1], status)
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_core_file_is_made_where_a_test_allows_it(mut subject: Subject) {
    let answer = subject.ask(&());
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let is_plain = pattern.starts_with("core");
    let (may, status) = answer.value;
    assert!(!may || !is_plain || libc::WCOREDUMP(status), "{status:#x}");
    assert_eq!(may && is_plain, answer.evidence.files_left.len() == 1);
}

#[proctor::test(subject = |(): ()| reap(child(|| {
    let me = nix::unistd::getpid();
    let other = child(|| {
        proctor::Onlooker::of_process(me.as_raw()).until_it_stops();
        nix::sys::signal::kill(me, nix::sys::signal::Signal::SIGCONT).unwrap();
    });
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).unwrap();
    proctor::Onlooker::of_process(other.as_raw()).until_it_stops();
    reap(other);
})))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_stopped_process_is_seen(mut subject: Subject) {
    subject.ask(&());
}

#[proctor::test(
    faults = [Pipe],
    subject = |(): ()| -> (bool, i32) {
        let pid = child(|| leave(i32::from(std::io::pipe().is_ok())));
        let status = match nix::sys::wait::waitpid(pid, None) {
            Ok(nix::sys::wait::WaitStatus::Exited(_, status)) => status,
            _ => -1,
        };
        (std::io::pipe().is_ok(), status)
    },
)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn only_the_childrens_calls_fail(mut subject: Subject) {
    use proctor::{Failure, Fault, Whose};
    if subject.ask(&()).evidence.processes_started.is_some() {
        let failure = Failure::of(Fault::Pipe, nix::errno::Errno::EMFILE).times(9);
        subject.fail(failure.whose(Whose::TheChildrens));
        assert_eq!(subject.ask(&()).value, (true, 0));
        subject.fail(failure.whose(Whose::TheSubjects));
        assert_eq!(subject.ask(&()).value, (false, 1));
    }
}

#[proctor::test(subject = |which: u8| -> Vec<String> {
    let before = proctor::Surroundings::now();
    match which {
        0 => {}
        1 => std::mem::forget(std::fs::File::open("/dev/null").unwrap()),
        // SAFETY: sets the disposition that was there before Rust's runtime started.
        2 => drop(unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) }),
        3 => {
            let mut set = nix::sys::signal::SigSet::empty();
            set.add(nix::sys::signal::Signal::SIGUSR1);
            set.thread_block().unwrap();
        }
        // SAFETY: no other thread reads the environment.
        4 => unsafe { std::env::set_var("PLACE", "here") },
        _ => drop(thread::spawn(pause_for_ever)),
    }
    before.changes()
}, deadline = 60.0)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn what_a_call_changes_is_named(mut subject: Subject) {
    let expected = [
        "",
        "descriptor 3 is new (/dev/null",
        "the set of ignored signals",
        "the mask of blocked signals",
        "environment variable PLACE is new (here)",
        "the number of threads was 1 and is now 2",
    ];
    for (which, expected) in (0..).zip(expected) {
        let changes = subject.ask(&which).value;
        assert_eq!(changes.len(), usize::from(which != 0), "{changes:?}");
        assert!(
            changes.iter().all(|change| change.contains(expected)),
            "{changes:?}"
        );
        subject.fresh();
    }
}

#[proctor::test(subject = |(): ()| -> std::path::PathBuf {
    let folder = std::env::temp_dir();
    std::fs::write(folder.join("notes"), "left").unwrap();
    std::mem::forget(std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap());
    folder
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn temporary_files_are_named_and_removed(mut subject: Subject) {
    let answer = subject.ask(&());
    assert_eq!(answer.evidence.files_left, ["notes", "socket"]);
    assert!(answer.value.exists());
    subject.fresh();
    assert!(!answer.value.exists(), "{:?} is still there", answer.value);
}

#[proctor::test(subject = |(): ()| {
    nix::sys::prctl::set_dumpable(false).unwrap();
    std::mem::forget(nix::unistd::pipe().unwrap());
    thread::spawn(|| ()).join().unwrap();
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_process_that_would_hide_is_seen_all_the_same(mut subject: Subject) {
    let evidence = subject.ask(&()).evidence;
    assert_eq!(evidence.descriptors_left, 2);
    assert_counted(evidence.threads_started, 1);
    assert_counted(evidence.processes_started, 0);
}

#[proctor::test(orphans = true, subject = |(): ()| {
    let flags = libc::CLONE_PARENT;
    // SAFETY: like fork; the child only ends.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } {
        // SAFETY: ends the process and touches no memory.
        0 => unsafe { libc::_exit(0) },
        child => assert!(child > 0),
    }
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_child_that_is_not_the_subjects_is_an_orphan(mut subject: Subject) {
    assert_eq!(subject.ask(&()).evidence.orphans, 1);
}

#[proctor::test(processes = 128, subject = |(width, threads): (usize, usize)| -> Vec<usize> {
    let gate = proctor::Gate::new(width);
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| gate.meet())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_gate_opens_when_so_many_are_inside(mut subject: Subject) {
    for (width, threads) in [(1, 1), (4, 4), (65, 65), (0, 1)] {
        let met = subject.ask(&(width, threads)).value;
        assert_eq!(met, vec![threads; threads]);
    }
    // One more than the width: some come late if they are started late.
    let met = subject.ask(&(4, 5)).value;
    assert!(met.iter().all(|inside| [4, 5].contains(inside)), "{met:?}");
}

// The caller sleeps, looks, and sleeps again, until all of them have ended.
#[proctor::test(processes = 512, memory = 65536, subject = |(threads, nap): (usize, u64)| -> Vec<usize> {
    let gate = proctor::Gate::new(threads);
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| gate.meet())).collect();
        while !all.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_micros(nap));
        }
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_gate_opens_beside_a_thread_that_polls(mut subject: Subject) {
    for (threads, nap) in [(1, 1000), (3, 50), (300, 1000), (300, 20_000)] {
        assert_eq!(subject.ask(&(threads, nap)).value, vec![threads; threads]);
    }
}

#[proctor::test(subject = |threads: usize| -> usize {
    let gate = proctor::Gate::new(threads + 1);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| gate.meet());
        }
    });
    gate.inside()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_gate_to_which_too_few_come_is_explained(mut subject: Subject) {
    let failing = subject.try_ask(&2).unwrap_err();
    assert_eq!(failing.outcome, proctor::Outcome::Deadlock);
    let failing = proctor::Gate::explained(failing, "only 2 come");
    assert!(
        failing.cause.starts_with("only 2 come\nall 3 threads wait"),
        "{}",
        failing.cause
    );
}

#[proctor::test(subject = |stay: usize| -> usize {
    let (give, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    for _ in 0..stay {
        let gate = gate.clone();
        thread::spawn(move || gate.lock().unwrap().recv());
    }
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| ());
        }
    });
    let left = proctor::threads_left();
    drop(give);
    left + proctor::threads_left()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn threads_on_their_way_out_are_not_left(mut subject: Subject) {
    for stay in [0, 1, 5, 0] {
        let answer = subject.ask(&stay);
        assert_eq!(answer.value, stay);
        assert_eq!(answer.evidence.threads, 1);
    }
}

#[proctor::test(subject = |which: u8| -> (u32, Vec<u32>, Vec<String>, i64) {
    let empty = proctor::EmptyProbe::alive();
    let probes = proctor::Probes::new();
    let mut values: Vec<_> = (0..4).map(|_| probes.probe()).collect();
    match which {
        0 => drop(values),
        1 => std::mem::forget(values),
        // SAFETY: wrong on purpose: the probe is plain data.
        2 => drop((unsafe { std::ptr::read(&values[1]) }, values)),
        3 => {
            values.reserve_exact(8);
            let spare = values.spare_capacity_mut();
            spare.iter_mut().for_each(|place| *place = std::mem::MaybeUninit::zeroed());
            // SAFETY: wrong on purpose, likewise.
            unsafe { values.set_len(5) };
            drop(values);
        }
        _ => {
            let one = proctor::EmptyProbe::new();
            // SAFETY: wrong on purpose; it has no memory.
            drop((unsafe { std::ptr::read(&one) }, one, values));
        }
    }
    (probes.made(), probes.alive(), probes.wrongs(), proctor::EmptyProbe::alive() - empty)
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn wrong_drops_are_told_apart(mut subject: Subject) {
    let expected: [(&[u32], &str, i64); 5] = [
        (&[], "", 0),
        (&[0, 1, 2, 3], "", 0),
        (&[], "dropped again", 0),
        (&[], "never held", 0),
        (&[], "", -1),
    ];
    for (which, (alive, wrong, empty)) in (0..).zip(expected) {
        let (made, left, wrongs, balance) = subject.ask(&which).value;
        assert_eq!((made, &*left, balance), (4, alive, empty), "{which}");
        assert_eq!(wrongs.len(), usize::from(!wrong.is_empty()), "{wrongs:?}");
        assert!(wrongs.iter().all(|said| said.contains(wrong)), "{wrongs:?}");
    }
}

#[proctor::test(subject = |is_atomic: bool| -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    let counter = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    proctor::jostle();
                    if is_atomic {
                        counter.fetch_add(1, SeqCst);
                    } else {
                        let count = counter.load(SeqCst);
                        counter.store(count + 1, SeqCst);
                    }
                }
            });
        }
    });
    counter.into_inner()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_race_needs_no_luck_to_be_seen(mut subject: Subject) {
    assert_eq!(subject.ask(&true).value, 80_000);
    assert!(subject.ask(&false).value < 80_000);
}

#[proctor::test(subject = |(script, calls): (Vec<Step>, usize)| -> Vec<Result<usize, IoError>> {
    use std::io::Read;
    let mut from = Reader::new(script);
    let mut read = |_| from.read(&mut [0; 4]).map_err(|error| IoError::of(&error));
    (0..calls).map(&mut read).collect()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_script_is_sent_and_played(mut subject: Subject) {
    let error = IoError::Marked(std::io::ErrorKind::BrokenPipe, proctor::random());
    let script = vec![
        Step::gives(*b"abcdef"),
        Step::interrupted().times(2),
        Step::fails(error.clone()),
        Step::gives(*b"gh").at_most(1),
    ];
    let interrupted = Err(IoError::Os(4));
    let expected = [
        Ok(4),
        Ok(2),
        interrupted.clone(),
        interrupted,
        Err(error),
        Ok(1),
        Ok(1),
        Ok(0),
    ];
    assert_eq!(subject.ask(&(script, expected.len())).value, expected);
}

#[proctor::test(memory = 8192, subject = |length: usize| -> (usize, u8) {
    let zeros = proctor::Zeros::new(length).unwrap();
    (zeros.len(), zeros[length - 1])
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn zeros_take_no_memory(mut subject: Subject) {
    let before = subject.ask(&1).evidence.peak_memory;
    let answer = subject.ask(&((1 << 32) + 3));
    assert_eq!(answer.value, ((1 << 32) + 3, 0));
    assert!(answer.evidence.peak_memory < before + (1 << 20));
    // The answer itself takes a few bytes.
    assert!(answer.evidence.heap.peak < 1024);
}

#[proctor::test(subject = |bytes: u64| -> (Option<u64>, u64, bool, usize) {
    let (give, gate) = std::sync::mpsc::channel::<()>();
    let before = proctor::Task::of_this_thread().unwrap();
    let others = || -> Vec<_> {
        let all = proctor::Task::of_this_process();
        all.into_iter().filter(|task| task.id != before.id).collect()
    };
    let waiter = thread::spawn(move || gate.recv().is_ok());
    while !others().iter().any(|task| task.sleeps) {
        thread::yield_now();
    }
    let null = std::fs::File::create("/dev/null").unwrap();
    for _ in 0..bytes {
        std::io::Write::write_all(&mut &null, b"b").unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    let after = before.again().unwrap();
    let other = others().remove(0);
    give.send(()).unwrap();
    let was_given = waiter.join().unwrap();
    let paused = child(|| pause_for_ever());
    let children = proctor::Task::children().len();
    nix::sys::signal::kill(paused, nix::sys::signal::Signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(paused, None).unwrap();
    let written = before.calls.zip(after.calls).map(|(before, after)| {
        assert_eq!(after.writes - before.writes, after.bytes_written - before.bytes_written);
        after.writes - before.writes
    });
    (written, after.switches - before.switches, was_given && other.again().is_none(), children)
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn tasks_are_seen_one_by_one(mut subject: Subject) {
    let (written, switches, other_is_over, children) = subject.ask(&5).value;
    assert!(matches!(written, None | Some(5)), "{written:?}");
    assert!(switches >= 5, "{switches}");
    assert!(other_is_over);
    assert_eq!(children, 1);
}

#[proctor::test(subject = |threads: u32| -> u64 {
    static ROUNDS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    for _ in 0..threads {
        let (send, receive) = std::sync::mpsc::channel();
        thread::spawn(move || {
            send.send(proctor::Onlooker::of_this_thread()).unwrap();
            loop {
                ROUNDS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
        let mut onlooker = receive.recv().unwrap();
        onlooker.until_it_waits();
        onlooker.freeze();
    }
    // Each of them sleeps, or is about to: a spinner would never be at rest.
    while proctor::Task::of_this_process().iter().filter(|task| task.sleeps).count() < threads as usize {
        thread::yield_now();
    }
    let rounds = ROUNDS.load(std::sync::atomic::Ordering::Relaxed);
    thread::sleep(Duration::from_millis(20));
    ROUNDS.load(std::sync::atomic::Ordering::Relaxed) - rounds
}, deadline = 60.0)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_frozen_thread_stays_and_needs_no_cpu(mut subject: Subject) {
    assert_eq!(subject.ask(&20).value, 0);
}
