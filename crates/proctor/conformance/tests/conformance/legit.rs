//! Right: what the man pages allow programs to do with processes, threads, IPC,
//! locks and coroutines, and what few programs do.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, pipe2, read, write};
use proctor::Subject;

use crate::driver::{Expect, check, passes};
use crate::kit::{
    LONG, child, futex_set, futex_until_set, handle, leave, pause_for_ever, reap, shared_word,
    sleep_long,
};

const TABLE: &[Expect] = &[
    passes("a_chain_of_short_processes_writes_into_a_pipe"),
    passes("a_chain_of_processes_that_leave_nothing"),
    passes("a_chain_of_short_threads_wakes_a_futex"),
    passes("a_process_whose_first_thread_ended_writes_into_a_pipe"),
    passes("flags_are_saved_and_restored_for_long"),
    passes("large_requests_for_chance_are_whole"),
    passes("a_long_read_of_zeros_is_whole"),
    passes("a_lock_is_free_for_moments"),
    passes("a_real_time_child_is_ended_by_its_limit"),
    passes("a_group_of_children_gets_a_lower_priority"),
    passes("limits_of_a_child_and_its_threads_are_set"),
    passes("limits_within_a_namespace_of_processes"),
    passes("the_limits_of_its_parent_are_read"),
    passes("faults_are_handled_for_long"),
    passes("a_fault_that_is_handled_beside_a_waiter"),
    passes("a_traced_child_is_led_from_call_to_call"),
    passes("a_dead_parent_sends_its_signal"),
    passes("a_subreaper_gets_its_grandchild"),
    passes("credentials_and_descriptors_pass_a_socket"),
    passes("an_abstract_socket_is_connected_late"),
    passes("a_named_pipe_is_opened_late"),
    passes("a_file_lock_is_handed_over"),
    passes("inotify_tells_of_a_file"),
    passes("a_memory_file_is_sealed_and_shared"),
    passes("system_v_messages_come_late"),
    passes("a_posix_message_queue_is_filled_late"),
    passes("a_mutex_of_two_processes_survives_its_owner"),
    passes("a_condition_of_two_processes_is_signalled_late"),
    passes("a_priority_inheriting_futex_is_handed_over"),
    passes("two_hundred_threads_with_tiny_stacks"),
    passes("a_process_that_shares_memory_wakes_a_private_futex"),
    passes("a_spin_until_a_child_writes_into_this_memory"),
    passes("a_poll_until_a_file_grows"),
    passes("a_process_descriptor_is_waited_for"),
    passes("a_signal_descriptor_tells_of_two_signals"),
    passes("its_own_schedule_is_changed"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 3);
}

/// Longer than the judge waits before it looks whether a thread spins.
const WATCHED: Duration = Duration::from_millis(2_500);

/// Forks short processes, each from the one before, for a while.
fn chain(until: Instant, last: &impl Fn()) {
    while Instant::now() < until {
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => {}
            _ => leave(0),
        }
    }
    last();
    leave(0);
}

case!(
    a_chain_of_short_processes_writes_into_a_pipe,
    orphans = true,
    |n| {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let until = Instant::now() + WATCHED;
        let first = child(|| chain(until, &|| assert_eq!(write(&writer, b"!"), Ok(1))));
        reap(first);
        assert_eq!(read(&reader, &mut [0]), Ok(1));
        2 * n
    }
);

case!(
    a_chain_of_processes_that_leave_nothing,
    orphans = true,
    |n| {
        // Orphans become the subject's children, and it need not wait for them
        // (man 2 sigaction).
        handle(Signal::SIGCHLD, SigHandler::SigIgn);
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let until = Instant::now() + WATCHED;
        child(|| chain(until, &|| assert_eq!(write(&writer, b"!"), Ok(1))));
        assert_eq!(read(&reader, &mut [0]), Ok(1));
        2 * n
    }
);

case!(a_chain_of_short_threads_wakes_a_futex, |n| {
    fn link(until: Instant, word: &'static AtomicU32) {
        if Instant::now() < until {
            thread::spawn(move || link(until, word));
        } else {
            futex_set(word);
        }
    }
    let word = shared_word();
    let until = Instant::now() + WATCHED;
    thread::spawn(move || link(until, word));
    futex_until_set(word);
    sleep_long();
    2 * n
});

case!(a_process_whose_first_thread_ended_writes_into_a_pipe, |n| {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let ender = child(|| {
        let number = writer.as_raw_fd();
        thread::spawn(move || {
            sleep_long();
            // SAFETY: writes from a buffer of that length.
            unsafe { libc::write(number, c"!".as_ptr().cast(), 1) };
            sleep_long();
            leave(0);
        });
        // SAFETY: ends this thread alone; what it owns is never used again.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    assert_eq!(read(&reader, &mut [0]), Ok(1));
    reap(ender);
    2 * n
});

/// As in code that switches between stacks.
#[cfg(target_arch = "x86_64")]
#[inline]
fn save_and_restore_flags() {
    // SAFETY: pops what it pushed.
    unsafe { std::arch::asm!("pushfq", "popfq") };
}
#[cfg(not(target_arch = "x86_64"))]
fn save_and_restore_flags() {}

case!(
    flags_are_saved_and_restored_for_long,
    deadline = 60.0,
    |n| {
        let work = |rounds| {
            let mut sum = 0_u64;
            for round in 0..rounds {
                save_and_restore_flags();
                sum = sum.wrapping_mul(31).wrapping_add(round);
            }
            sum
        };
        crate::kit::labour(WATCHED, work);
        2 * n
    }
);

case!(large_requests_for_chance_are_whole, deadline = 60.0, |n| {
    let mut bytes = vec![0_u8; 16 << 20];
    let until = Instant::now() + WATCHED;
    while Instant::now() < until {
        // SAFETY: fills a buffer of that length.
        let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        // Only a handler of a signal makes it return less (man 2 getrandom).
        assert_eq!(count, bytes.len() as isize);
    }
    2 * n
});

case!(a_long_read_of_zeros_is_whole, deadline = 60.0, |n| {
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    let mut bytes = vec![0_u8; 128 << 20];
    let part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let parts = [part; 15];
    let until = Instant::now() + WATCHED;
    while Instant::now() < until {
        // SAFETY: the parts are the same buffer, which lives.
        let count = unsafe { libc::readv(zeros.as_raw_fd(), parts.as_ptr(), 15) };
        assert_eq!(count, 15 * bytes.len() as isize);
    }
    2 * n
});

case!(a_lock_is_free_for_moments, deadline = 60.0, |n| {
    static HELD: AtomicBool = AtomicBool::new(false);
    static DONE: AtomicBool = AtomicBool::new(false);
    fn pass_time(rounds: u32) {
        for _ in 0..rounds {
            std::hint::spin_loop();
        }
    }
    let holder = thread::spawn(|| {
        while !DONE.load(Ordering::Acquire) {
            HELD.store(true, Ordering::Release);
            pass_time(150);
            HELD.store(false, Ordering::Release);
            pass_time(5);
        }
    });
    let until = Instant::now() + WATCHED;
    let mut free = 0;
    while free < 20 {
        if !HELD.load(Ordering::Acquire) {
            // The clock is read only here.
            free = if Instant::now() < until { 0 } else { free + 1 };
        }
        pass_time(100);
    }
    DONE.store(true, Ordering::Release);
    holder.join().unwrap();
    2 * n
});

case!(
    a_real_time_child_is_ended_by_its_limit,
    deadline = 60.0,
    |n| {
        let spinner = child(|| {
            let limit = libc::rlimit {
                rlim_cur: 1_500_000,
                rlim_max: 2_000_000,
            };
            let one = libc::sched_param { sched_priority: 1 };
            // SAFETY: both read a structure.
            unsafe {
                assert_eq!(libc::setrlimit(libc::RLIMIT_RTTIME, &raw const limit), 0);
                if libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const one) != 0 {
                    // Not every user may do that.
                    kill(getpid(), Signal::SIGXCPU).unwrap();
                }
            }
            loop {
                std::hint::spin_loop();
            }
        });
        assert_eq!(
            waitpid(spinner, None),
            Ok(WaitStatus::Signaled(spinner, Signal::SIGXCPU, false))
        );
        2 * n
    }
);

case!(a_group_of_children_gets_a_lower_priority, |n| {
    let one = child(|| pause_for_ever());
    nix::unistd::setpgid(one, one).unwrap();
    let other = child(|| pause_for_ever());
    nix::unistd::setpgid(other, one).unwrap();
    let group = one.as_raw() as u32;
    // SAFETY: take integers.
    unsafe {
        assert_eq!(libc::setpriority(libc::PRIO_PGRP, group, 5), 0);
        assert_eq!(
            libc::getpriority(libc::PRIO_PROCESS, other.as_raw() as u32),
            5
        );
        assert_eq!(libc::setpriority(libc::PRIO_PROCESS, group, 6), 0);
    }
    nix::sys::signal::killpg(one, Signal::SIGTERM).unwrap();
    for child in [one, other] {
        waitpid(child, None).unwrap();
    }
    2 * n
});

case!(limits_of_a_child_and_its_threads_are_set, |n| {
    let waits = child(|| pause_for_ever());
    let limit = libc::rlimit64 {
        rlim_cur: 7,
        rlim_max: 9,
    };
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structures live.
    unsafe {
        let files = libc::RLIMIT_NOFILE;
        assert_eq!(
            libc::prlimit64(waits.as_raw(), files, &raw const limit, ptr::null_mut()),
            0
        );
        assert_eq!(
            libc::prlimit64(waits.as_raw(), files, ptr::null(), &raw mut old),
            0
        );
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of::<libc::cpu_set_t>();
        assert_eq!(libc::sched_getaffinity(0, size, &raw mut set), 0);
        assert_eq!(
            libc::sched_setaffinity(waits.as_raw(), size, &raw const set),
            0
        );
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            sender.send(libc::gettid()).unwrap();
            sleep_long();
        });
        let tid = receiver.recv().unwrap();
        assert_eq!(libc::sched_setaffinity(tid, size, &raw const set), 0);
        let none = libc::sched_param { sched_priority: 0 };
        assert_eq!(
            libc::sched_setscheduler(tid, libc::SCHED_BATCH, &raw const none),
            0
        );
        thread.join().unwrap();
    }
    assert_eq!((old.rlim_cur, old.rlim_max), (7, 9));
    kill(waits, Signal::SIGKILL).unwrap();
    waitpid(waits, None).unwrap();
    2 * n
});

case!(limits_within_a_namespace_of_processes, |n| {
    let outer = child(|| {
        // SAFETY: this process has one thread.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } != 0 {
            // Not every machine allows it.
            leave(0);
        }
        let inner = child(|| {
            assert_eq!(getpid(), Pid::from_raw(1));
            let mut old = libc::rlimit64 {
                rlim_cur: 0,
                rlim_max: 0,
            };
            let waits = child(|| pause_for_ever());
            for pid in [1, waits.as_raw()] {
                // SAFETY: the structures live.
                let result = unsafe {
                    libc::prlimit64(pid, libc::RLIMIT_CORE, ptr::null(), &raw mut old);
                    libc::prlimit64(pid, libc::RLIMIT_CORE, &raw const old, ptr::null_mut())
                };
                if result != 0 {
                    leave(3);
                }
            }
            kill(waits, Signal::SIGKILL).unwrap();
        });
        let ended = waitpid(inner, None);
        leave(i32::from(ended != Ok(WaitStatus::Exited(inner, 0))));
    });
    reap(outer);
    2 * n
});

case!(the_limits_of_its_parent_are_read, |n| {
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let parent = std::os::unix::process::parent_id() as i32;
    // SAFETY: the structure lives.
    let result = unsafe { libc::prlimit64(parent, libc::RLIMIT_STACK, ptr::null(), &raw mut old) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    2 * n
});

/// A page that the handler of a fault opens, and how many faults there were.
static PAGE: AtomicU64 = AtomicU64::new(0);
static FAULTS: AtomicU32 = AtomicU32::new(0);

extern "C" fn open_the_page(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let page = PAGE.load(Ordering::Relaxed);
    // SAFETY: the kernel passes the information of a fault.
    let address = unsafe { (*info).si_addr() } as u64;
    if address & !4095 != page {
        leave(9);
    }
    FAULTS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the page is nobody else's.
    unsafe {
        libc::mprotect(
            page as *mut libc::c_void,
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
        )
    };
}

fn guard_page() -> *mut u8 {
    // SAFETY: a new mapping.
    let page = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0)
    };
    assert_ne!(page, libc::MAP_FAILED);
    page.cast()
}

fn on_fault(handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void)) {
    use nix::sys::signal::{SaFlags, SigAction, sigaction};
    let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
    let action = SigAction::new(SigHandler::SigAction(handler), flags, SigSet::empty());
    // SAFETY: the handlers touch atomics and pages of their own.
    unsafe { sigaction(Signal::SIGSEGV, &action) }.unwrap();
}

case!(faults_are_handled_for_long, deadline = 60.0, |n| {
    let page = guard_page();
    PAGE.store(page as u64, Ordering::Relaxed);
    on_fault(open_the_page);
    let until = Instant::now() + WATCHED;
    let mut rounds = 0_u32;
    while Instant::now() < until {
        // SAFETY: the handler opens the page.
        unsafe {
            page.add(8).write_volatile(1);
            libc::mprotect(page.cast(), 4096, libc::PROT_NONE);
        }
        rounds += 1;
    }
    assert_eq!(FAULTS.load(Ordering::Relaxed), rounds);
    2 * n
});

case!(a_fault_that_is_handled_beside_a_waiter, |n| {
    // The handler of a thread that waits is the runtime's own or ours: no
    // signal comes. The thread that faults wakes it.
    let page = guard_page();
    PAGE.store(page as u64, Ordering::Relaxed);
    on_fault(open_the_page);
    let word = shared_word();
    let waiter = thread::spawn(move || futex_until_set(word));
    sleep_long();
    // SAFETY: the handler opens the page.
    unsafe { page.write_volatile(1) };
    futex_set(word);
    waiter.join().unwrap();
    assert_eq!(FAULTS.load(Ordering::Relaxed), 1);
    2 * n
});

case!(a_traced_child_is_led_from_call_to_call, |n| {
    use nix::sys::ptrace;
    let tracee = child(|| {
        ptrace::traceme().unwrap();
        nix::sys::signal::raise(Signal::SIGSTOP).unwrap();
        sleep_long();
        leave(7);
    });
    assert!(matches!(
        waitpid(tracee, None),
        Ok(WaitStatus::Stopped(_, Signal::SIGSTOP))
    ));
    sleep_long();
    loop {
        ptrace::syscall(tracee, None).unwrap();
        match waitpid(tracee, None).unwrap() {
            WaitStatus::Exited(_, status) => break assert_eq!(status, 7),
            WaitStatus::Stopped(..) => {}
            other => panic!("{other:?}"),
        }
    }
    2 * n
});

case!(a_dead_parent_sends_its_signal, |n| {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let parent = child(|| {
        child(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).unwrap();
            write(&writer, b"r").unwrap();
            pause_for_ever();
        });
        sleep_long();
    });
    drop(writer);
    assert_eq!(read(&reader, &mut [0]), Ok(1));
    // The end of the file: when the grandchild is gone.
    assert_eq!(read(&reader, &mut [0]), Ok(0));
    reap(parent);
    2 * n
});

case!(a_subreaper_gets_its_grandchild, |n| {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let parent = child(|| {
        child(|| {
            sleep_long();
            leave(5);
        });
    });
    reap(parent);
    assert!(matches!(waitpid(None, None), Ok(WaitStatus::Exited(_, 5))));
    2 * n
});

case!(credentials_and_descriptors_pass_a_socket, |n| {
    use nix::sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
        UnixCredentials, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
    };
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    setsockopt(&ours, sockopt::PassCred, &true).unwrap();
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let sender = child(|| {
        let fds = [reader.as_raw_fd()];
        let messages = [
            ControlMessage::ScmRights(&fds),
            ControlMessage::ScmCredentials(&UnixCredentials::new()),
        ];
        let data = [std::io::IoSlice::new(b"x")];
        sendmsg::<UnixAddr>(
            theirs.as_raw_fd(),
            &data,
            &messages,
            MsgFlags::empty(),
            None,
        )
        .unwrap();
        sleep_long();
        write(&writer, b"!").unwrap();
    });
    let mut space = nix::cmsg_space!(i32, UnixCredentials);
    let mut byte = [0];
    let mut data = [std::io::IoSliceMut::new(&mut byte)];
    let message = recvmsg::<UnixAddr>(
        ours.as_raw_fd(),
        &mut data,
        Some(&mut space),
        MsgFlags::empty(),
    )
    .unwrap();
    let (mut passed, mut pid) = (None, 0);
    for control in message.cmsgs().unwrap() {
        match control {
            ControlMessageOwned::ScmRights(fds) => {
                // SAFETY: the kernel made it for this process.
                passed = Some(unsafe { OwnedFd::from_raw_fd(fds[0]) });
            }
            ControlMessageOwned::ScmCredentials(credentials) => pid = credentials.pid(),
            _ => {}
        }
    }
    assert_eq!(pid, sender.as_raw());
    assert_eq!(read(passed.unwrap(), &mut [0]), Ok(1));
    reap(sender);
    2 * n
});

case!(an_abstract_socket_is_connected_late, |n| {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("proctor-legit-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let client = child(|| {
        sleep_long();
        UnixStream::connect_addr(&address)
            .unwrap()
            .write_all(b"hello")
            .unwrap();
    });
    let mut text = String::new();
    listener
        .accept()
        .unwrap()
        .0
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "hello");
    reap(client);
    2 * n
});

case!(a_named_pipe_is_opened_late, |n| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let writer = child(|| {
        sleep_long();
        let mut file = std::fs::File::create(&path).unwrap();
        sleep_long();
        file.write_all(b"late").unwrap();
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"late");
    reap(writer);
    2 * n
});

case!(a_file_lock_is_handed_over, |n| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let file = std::fs::File::create(&path).unwrap();
    let whole = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let lock = |file: &std::fs::File| {
        // SAFETY: reads a structure.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLKW, &raw const whole) };
        assert_eq!(result, 0);
    };
    lock(&file);
    let next = child(|| {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        lock(&file);
    });
    sleep_long();
    // The child has the same open file: unlocked by hand.
    let free = libc::flock {
        l_type: libc::F_UNLCK as i16,
        ..whole
    };
    // SAFETY: reads a structure.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const free) };
    reap(next);
    2 * n
});

case!(inotify_tells_of_a_file, |n| {
    let folder = tempfile::tempdir().unwrap();
    let path = std::ffi::CString::new(folder.path().to_str().unwrap()).unwrap();
    // SAFETY: makes a descriptor.
    let inotify = unsafe { OwnedFd::from_raw_fd(libc::inotify_init1(libc::IN_CLOEXEC)) };
    // SAFETY: the path is a C string.
    let watch =
        unsafe { libc::inotify_add_watch(inotify.as_raw_fd(), path.as_ptr(), libc::IN_MOVED_TO) };
    assert!(watch > 0);
    let maker = child(|| {
        sleep_long();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let file = folder.path().join("inner/file");
        std::fs::write(&file, "x").unwrap();
        std::fs::rename(&file, folder.path().join("file")).unwrap();
        leave(0);
    });
    assert!(read(&inotify, &mut [0; 512]).unwrap() > 16);
    reap(maker);
    2 * n
});

case!(a_memory_file_is_sealed_and_shared, |n| {
    // SAFETY: makes a descriptor.
    let file = unsafe {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        std::fs::File::from_raw_fd(libc::memfd_create(c"legit".as_ptr(), flags))
    };
    file.set_len(8192).unwrap();
    // SAFETY: takes integers.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) };
    assert_eq!(sealed, 0);
    let again = std::fs::File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .unwrap();
    // SAFETY: a new mapping, then moved and grown.
    let word = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let fd = again.as_raw_fd();
        let old = libc::mmap(ptr::null_mut(), 4096, access, libc::MAP_SHARED, fd, 0);
        assert_ne!(old, libc::MAP_FAILED);
        let new = libc::mremap(old, 4096, 8192, libc::MREMAP_MAYMOVE);
        assert_ne!(new, libc::MAP_FAILED);
        &*new.cast::<AtomicU32>()
    };
    let setter = child(|| {
        sleep_long();
        futex_set(word);
    });
    while word.load(Ordering::Acquire) == 0 {
        std::hint::spin_loop();
    }
    reap(setter);
    2 * n
});

case!(system_v_messages_come_late, |n| {
    // SAFETY: makes a queue.
    let queue = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
    assert!(queue >= 0);
    let sender = child(|| {
        sleep_long();
        let message = [3_i64, 4];
        // SAFETY: a type and eight bytes.
        let sent = unsafe { libc::msgsnd(queue, message.as_ptr().cast(), 8, 0) };
        assert_eq!(sent, 0);
    });
    let mut message = [0_i64; 2];
    // SAFETY: a type and eight bytes; then removes the queue.
    unsafe {
        assert_eq!(libc::msgrcv(queue, message.as_mut_ptr().cast(), 8, 3, 0), 8);
        assert_eq!(libc::msgctl(queue, libc::IPC_RMID, ptr::null_mut()), 0);
    }
    assert_eq!(message, [3, 4]);
    reap(sender);
    2 * n
});

case!(a_posix_message_queue_is_filled_late, |n| {
    use nix::mqueue::{MQ_OFlag, MqAttr, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink};
    use nix::sys::stat::Mode;
    let name = format!("/proctor-legit-{}", std::process::id());
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    let attributes = MqAttr::new(0, 4, 8192, 0);
    // Whoever opens the queue for the code has to see its umask, its flags and
    // its attributes.
    let before = nix::sys::stat::umask(Mode::S_IRWXG | Mode::S_IROTH);
    let mode = Mode::from_bits_truncate(0o666);
    let missing = mq_open(&*name, MQ_OFlag::O_RDWR, Mode::empty(), None);
    assert_eq!(missing.unwrap_err(), nix::errno::Errno::ENOENT);
    let queue = mq_open(&*name, flags, mode, Some(&attributes)).unwrap();
    nix::sys::stat::umask(before);
    let made = nix::sys::stat::fstat(&queue).unwrap();
    assert_eq!(made.st_mode & 0o777, 0o602);
    assert_eq!(mq_getattr(&queue).unwrap().maxmsg(), 4);
    let again = mq_open(&*name, flags, mode, None);
    assert_eq!(again.unwrap_err(), nix::errno::Errno::EEXIST);
    let sender = child(|| {
        sleep_long();
        let queue = mq_open(&*name, MQ_OFlag::O_WRONLY, Mode::empty(), None).unwrap();
        mq_send(&queue, b"late", 1).unwrap();
    });
    let mut message = vec![0; 8192];
    assert_eq!(mq_receive(&queue, &mut message, &mut 0), Ok(4));
    mq_unlink(&*name).unwrap();
    reap(sender);
    2 * n
});

/// Memory that this process shares with its children.
fn shared<T>() -> *mut T {
    ptr::from_ref(shared_word()).cast_mut().cast()
}

fn process_shared_mutex() -> *mut libc::pthread_mutex_t {
    let mutex = shared::<libc::pthread_mutex_t>();
    // SAFETY: shared memory, zeroed, that is never unmapped.
    unsafe {
        let mut attributes = std::mem::zeroed();
        libc::pthread_mutexattr_init(&raw mut attributes);
        libc::pthread_mutexattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_setrobust(&raw mut attributes, libc::PTHREAD_MUTEX_ROBUST);
        assert_eq!(libc::pthread_mutex_init(mutex, &raw const attributes), 0);
    }
    mutex
}

case!(a_mutex_of_two_processes_survives_its_owner, |n| {
    let mutex = process_shared_mutex();
    let ready = shared_word();
    let owner = child(|| {
        // SAFETY: initialized above.
        unsafe { libc::pthread_mutex_lock(mutex) };
        futex_set(ready);
        sleep_long();
    });
    futex_until_set(ready);
    // SAFETY: initialized above.
    unsafe {
        assert_eq!(libc::pthread_mutex_lock(mutex), libc::EOWNERDEAD);
        assert_eq!(libc::pthread_mutex_consistent(mutex), 0);
        assert_eq!(libc::pthread_mutex_unlock(mutex), 0);
    }
    reap(owner);
    2 * n
});

case!(a_condition_of_two_processes_is_signalled_late, |n| {
    let mutex = process_shared_mutex();
    let condition = shared::<libc::pthread_cond_t>();
    let word = shared_word();
    // SAFETY: shared memory, zeroed, that is never unmapped.
    unsafe {
        let mut attributes = std::mem::zeroed();
        libc::pthread_condattr_init(&raw mut attributes);
        libc::pthread_condattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_cond_init(condition, &raw const attributes);
    }
    let signaller = child(|| {
        sleep_long();
        // SAFETY: initialized above.
        unsafe {
            libc::pthread_mutex_lock(mutex);
            word.store(1, Ordering::Relaxed);
            libc::pthread_cond_signal(condition);
            libc::pthread_mutex_unlock(mutex);
        }
    });
    // SAFETY: initialized above.
    unsafe {
        libc::pthread_mutex_lock(mutex);
        while word.load(Ordering::Relaxed) == 0 {
            libc::pthread_cond_wait(condition, mutex);
        }
        libc::pthread_mutex_unlock(mutex);
    }
    reap(signaller);
    2 * n
});

case!(a_priority_inheriting_futex_is_handed_over, |n| {
    let word = shared_word();
    let call = |operation: i32| {
        let none: *const libc::timespec = ptr::null();
        // SAFETY: the word is never unmapped.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 0, none) }
    };
    assert_eq!(call(libc::FUTEX_LOCK_PI), 0);
    let next = child(|| {
        assert_eq!(call(libc::FUTEX_LOCK_PI), 0);
        assert_eq!(call(libc::FUTEX_UNLOCK_PI), 0);
    });
    sleep_long();
    assert_eq!(call(libc::FUTEX_UNLOCK_PI), 0);
    reap(next);
    2 * n
});

case!(two_hundred_threads_with_tiny_stacks, |n| {
    let word = shared_word();
    let threads: Vec<_> = (0..200)
        .map(|_| {
            let builder = thread::Builder::new().stack_size(16 << 10);
            builder.spawn(move || futex_until_set(word)).unwrap()
        })
        .collect();
    sleep_long();
    futex_set(word);
    for thread in threads {
        thread.join().unwrap();
    }
    2 * n
});

extern "C" fn wake_late(word: *mut libc::c_void) -> i32 {
    // SAFETY: the word is never unmapped; nothing else is touched here.
    unsafe {
        let time = libc::timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        libc::syscall(
            libc::SYS_nanosleep,
            &raw const time,
            ptr::null_mut::<libc::timespec>(),
        );
        (*word.cast::<AtomicU32>()).store(1, Ordering::Release);
        libc::syscall(
            libc::SYS_futex,
            word,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            9,
        );
    }
    0
}

case!(a_process_that_shares_memory_wakes_a_private_futex, |n| {
    static WORD: AtomicU32 = AtomicU32::new(0);
    let mut stack = vec![0_u8; 64 << 10];
    // SAFETY: the stack lives until the process is reaped; the code on it
    // touches no thread-local storage but errno's.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len() - 64);
        let top = top.sub(top as usize % 16);
        let flags = libc::CLONE_VM | libc::SIGCHLD;
        libc::clone(wake_late, top.cast(), flags, WORD.as_ptr().cast())
    };
    assert!(pid > 0);
    while WORD.load(Ordering::Acquire) == 0 {
        let none: *const libc::timespec = ptr::null();
        // SAFETY: the word is static.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                WORD.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                0,
                none,
            )
        };
    }
    reap(Pid::from_raw(pid));
    2 * n
});

case!(
    a_spin_until_a_child_writes_into_this_memory,
    deadline = 60.0,
    |n| {
        static WORD: AtomicU32 = AtomicU32::new(0);
        // By default a process may write into its children; here into its parent.
        let writer = child(|| {
            sleep_long();
            sleep_long();
            let one = 1_u32.to_ne_bytes();
            let local = [std::io::IoSlice::new(&one)];
            let remote = [nix::sys::uio::RemoteIoVec {
                base: WORD.as_ptr() as usize,
                len: 4,
            }];
            let parent = nix::unistd::getppid();
            assert_eq!(
                nix::sys::uio::process_vm_writev(parent, &local, &remote),
                Ok(4)
            );
        });
        while WORD.load(Ordering::Acquire) == 0 {
            std::hint::spin_loop();
        }
        reap(writer);
        2 * n
    }
);

case!(a_poll_until_a_file_grows, deadline = 60.0, |n| {
    let file = tempfile::tempfile().unwrap();
    let other = file.try_clone().unwrap();
    let grower = thread::spawn(move || {
        thread::sleep(WATCHED);
        other.set_len(4096).unwrap();
    });
    let mut rounds = 0_u64;
    while file.metadata().unwrap().len() == 0 {
        rounds += 1;
    }
    assert!(rounds > 0);
    grower.join().unwrap();
    2 * n
});

case!(a_process_descriptor_is_waited_for, |n| {
    let sleeper = child(|| {
        sleep_long();
        leave(4);
    });
    // SAFETY: makes a descriptor; then fills a structure.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, sleeper.as_raw(), 0);
        let fd = OwnedFd::from_raw_fd(fd as i32);
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let id = fd.as_raw_fd() as u32;
        assert_eq!(
            libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED),
            0
        );
        assert_eq!(info.si_status(), 4);
    }
    2 * n
});

case!(a_signal_descriptor_tells_of_two_signals, |n| {
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    let mut set = SigSet::empty();
    set.add(Signal::SIGUSR1);
    set.add(Signal::SIGCHLD);
    set.thread_block().unwrap();
    let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).unwrap();
    handle(Signal::SIGUSR2, SigHandler::SigIgn);
    let parent = getpid();
    let teller = child(|| {
        sleep_long();
        kill(parent, Signal::SIGUSR2).unwrap();
        kill(parent, Signal::SIGUSR1).unwrap();
        sleep_long();
    });
    for wanted in [Signal::SIGUSR1, Signal::SIGCHLD] {
        let told = signals.read_signal().unwrap().unwrap();
        assert_eq!(told.ssi_signo, wanted as u32);
    }
    reap(teller);
    2 * n
});

case!(its_own_schedule_is_changed, deadline = 60.0, |n| {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads a structure.
    unsafe {
        assert_eq!(
            libc::sched_setscheduler(getpid().as_raw(), libc::SCHED_IDLE, &raw const none),
            0
        );
        assert_eq!(
            libc::setpriority(libc::PRIO_PROCESS, getpid().as_raw() as u32, 3),
            0
        );
        assert_eq!(libc::setpriority(libc::PRIO_PGRP, 0, 4), 0);
        assert_eq!(
            libc::setpriority(libc::PRIO_PGRP, libc::getpgrp() as u32, 5),
            0
        );
    }
    crate::kit::labour(LONG, |rounds| {
        (0..rounds).fold(1, |sum, round| sum ^ (sum << 1) ^ round)
    });
    2 * n
});
