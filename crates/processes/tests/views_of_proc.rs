//! What `/proc` says about processes in states that we know.

mod support;

use std::ffi::CString;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use nix::fcntl::OFlag;
use nix::sys::prctl::set_name;
use nix::unistd::gettid;
use processes::proc::{self, Pid, State, Status, Syscall, Target};
use processes::{Signal, Spec, Stdio};
use support::{is_root, line, me, until};

fn sh(script: &str) -> Spec {
    Spec::new("sh")
        .args(["-c", script])
        .stdin(Stdio::Null)
        .stdout(Stdio::Piped)
}

/// A thread that waits in `read` on a pipe until its guard is dropped.
struct Reader {
    tid: Pid,
    fd: i32,
    pipe: Option<std::io::PipeWriter>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Reader {
    fn start(name: &str) -> Reader {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let fd = reader.as_raw_fd();
        let (tell, told) = mpsc::channel();
        let name = CString::new(name).unwrap();
        let thread = std::thread::spawn(move || {
            set_name(&name).unwrap();
            tell.send(gettid().as_raw()).unwrap();
            _ = reader.read(&mut [0]);
        });
        let tid = told.recv().unwrap();
        until("it waits in read", || {
            let place = proc::syscall(me(), tid).unwrap();
            matches!(
                place,
                Syscall::Inside {
                    number: libc::SYS_read,
                    ..
                }
            )
        });
        Reader {
            tid,
            fd,
            pipe: Some(writer),
            thread: Some(thread),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pipe.take();
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn a_thread_that_waits_shows_the_call_and_what_it_waits_for() {
    let reader = Reader::start("reader");
    match proc::syscall(me(), reader.tid).unwrap() {
        Syscall::Inside {
            number,
            args,
            sp,
            pc,
        } => {
            assert_eq!(
                (number, args[0]),
                (libc::SYS_read, u64::try_from(reader.fd).unwrap())
            );
            let maps = proc::maps(me()).unwrap();
            let at = |address| {
                maps.iter()
                    .find(|mapping| mapping.contains(address))
                    .unwrap()
            };
            assert!(at(pc).execute && at(sp).write);
        }
        other => panic!("{other:?}"),
    }
    assert!(proc::tasks(me()).unwrap().contains(&reader.tid));
}

#[test]
fn a_thread_that_runs_is_running() {
    let (tell, told) = mpsc::channel();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            tell.send(gettid().as_raw()).unwrap();
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let tid = told.recv().unwrap();
        until("it spins", || {
            proc::syscall(me(), tid).unwrap() == Syscall::Running
        });
        let stat = proc::task_stat(me(), tid).unwrap();
        done.store(true, Ordering::Relaxed);
        assert_eq!(stat.state, State::Running);
    });
}

#[test]
fn a_name_cannot_forge_a_state() {
    let reader = Reader::start(") R 1");
    let stat = proc::task_stat(me(), reader.tid).unwrap();
    assert_eq!((stat.comm.as_str(), stat.state), (") R 1", State::Sleeping));
    let newline = Reader::start("a\nThreads:\t99");
    let status = proc::task_status(me(), newline.tid).unwrap();
    assert_ne!(status.threads, 99);
}

#[test]
fn waiting_is_counted_as_voluntary_switches() {
    let tid = gettid().as_raw();
    let before = proc::task_status(me(), tid).unwrap().voluntary;
    let (tell, told) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let asleep = || proc::task_stat(me(), tid).unwrap().state == State::Sleeping;
            until("the other waits", asleep);
            tell.send(()).unwrap();
        });
        told.recv().unwrap();
    });
    assert!(proc::task_status(me(), tid).unwrap().voluntary > before);
}

#[test]
fn both_ends_of_a_pipe_have_one_inode_and_one_direction_each() {
    let (reader, writer) = std::io::pipe().unwrap();
    let all = proc::descriptors(me()).unwrap();
    let of = |fd: i32| all.iter().find(|descriptor| descriptor.fd == fd).unwrap();
    let (reader, writer) = (of(reader.as_raw_fd()), of(writer.as_raw_fd()));
    assert!(matches!(reader.target, Target::Pipe(inode) if inode > 0));
    assert_eq!(reader.target, writer.target);
    assert!(reader.readable() && !reader.writable());
    assert!(!writer.readable() && writer.writable());
    assert!(reader.closes_on_exec());
}

#[test]
fn files_sockets_and_others_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe:[1] with spaces");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"12345").unwrap();
    file.seek(SeekFrom::Start(3)).unwrap();
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let event = nix::sys::eventfd::EventFd::new().unwrap();
    let all = proc::descriptors(me()).unwrap();
    let of = |fd: i32| all.iter().find(|descriptor| descriptor.fd == fd).unwrap();
    let of_file = of(file.as_raw_fd());
    assert_eq!((&of_file.target, of_file.offset), (&Target::File(path), 3));
    assert_eq!(of_file.flags & OFlag::O_WRONLY.bits().cast_unsigned(), 1);
    let of_socket = of(socket.as_raw_fd());
    assert!(
        matches!(of_socket.target, Target::Socket(_)),
        "{of_socket:?}"
    );
    assert!(of_socket.readable() && of_socket.writable());
    let of_event = of(std::os::fd::AsFd::as_fd(&event).as_raw_fd());
    assert!(matches!(&of_event.target, Target::Anonymous(name) if name.contains("eventfd")));
}

#[test]
fn a_zombie_has_a_state_and_no_memory() {
    let mut child = sh("exit 0").spawn().unwrap();
    let pid = child.pid();
    until("it is a zombie", || {
        proc::stat(pid).unwrap().state == State::Zombie
    });
    let status = proc::status(pid).unwrap();
    assert_eq!(
        (status.resident, status.peak_resident, status.virtual_size),
        (0, 0, 0)
    );
    assert_eq!(proc::maps(pid).map_or(0, |maps| maps.len()), 0);
    match proc::descriptors(pid) {
        Ok(descriptors) => assert!(descriptors.is_empty()),
        Err(error) => {
            assert!(
                !is_root() && error.kind() == ErrorKind::PermissionDenied,
                "{error}"
            );
        }
    }
    assert!(
        proc::children(me()).unwrap().contains(&pid),
        "it is still a child"
    );
    child.wait().unwrap();
    assert!(!proc::children(me()).unwrap().contains(&pid));
}

#[test]
fn who_does_not_exist_is_not_found() {
    let mut child = sh("exit 0").spawn().unwrap();
    child.wait().unwrap();
    // No process ever has the number 0, a negative one, or one so high.
    for pid in [0, -1, Pid::MAX] {
        let error = proc::stat(pid).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let expected = format!("/proc/{pid}/stat: no such process or thread (any more)");
        assert_eq!(error.to_string(), expected);
        assert_eq!(proc::status(pid).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(proc::tasks(pid).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(
            proc::syscall(pid, pid).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            proc::descriptors(pid).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(proc::maps(pid).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(proc::memory(pid).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(
        proc::task_stat(me(), Pid::MAX).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_stopped_process_is_stopped_and_its_signals_are_seen() {
    let script = "trap : USR1; trap '' USR2; echo ready; read _";
    let mut child = sh(script).stdin(Stdio::Piped).spawn().unwrap();
    let pid = child.pid();
    assert_eq!(line(&mut child.stdout), "ready");
    child.signal(Signal::SIGSTOP).unwrap();
    until("it is stopped", || {
        proc::stat(pid).unwrap().state == State::Stopped
    });
    child.signal(Signal::SIGTERM).unwrap();
    let status = proc::status(pid).unwrap();
    assert!(Status::has(status.signals_caught, libc::SIGUSR1));
    assert!(Status::has(status.signals_ignored, libc::SIGUSR2));
    assert!(Status::has(status.signals_pending, libc::SIGTERM));
    assert_eq!((status.signals_blocked, status.tracer), (0, 0));
    assert_eq!(status.uid, nix::unistd::getuid().as_raw());
    child.signal(Signal::SIGCONT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
}

#[test]
fn touched_memory_is_resident_and_private() {
    const SIZE: u64 = 32 << 20;
    let before = proc::memory(me()).unwrap();
    let block = vec![1_u8; usize::try_from(SIZE).unwrap()];
    let after = proc::memory(me()).unwrap();
    let status = proc::status(me()).unwrap();
    assert!(std::hint::black_box(&block).iter().all(|&byte| byte == 1));
    // Other tests take and give memory meanwhile, but not that much.
    assert!(
        after.private >= before.private + SIZE / 2,
        "{before:?} {after:?}"
    );
    assert!(after.resident >= SIZE && after.proportional >= SIZE);
    assert!(status.peak_resident >= SIZE && status.peak_resident >= status.resident);
    assert!(status.peak_virtual >= status.virtual_size);
}

#[test]
fn shared_mappings_are_seen_as_shared() {
    let maps = proc::maps(me()).unwrap();
    let stack = maps
        .iter()
        .find(|mapping| mapping.path.as_deref() == Some("[stack]"))
        .unwrap();
    assert!(stack.read && stack.write && !stack.shared && stack.inode == 0);
    let exe = std::env::current_exe().unwrap();
    let exe = exe.to_str().unwrap();
    let code = maps
        .iter()
        .find(|mapping| mapping.path.as_deref() == Some(exe) && mapping.execute);
    assert!(code.unwrap().inode > 0 && !code.unwrap().write);
    assert!(maps.is_sorted_by_key(|mapping| mapping.start));
}

#[test]
fn descendants_come_after_their_parents() {
    // The shell waits for two subshells, one of which waits for a program.
    let mut child = sh("(sleep 1000; :) & (sleep 1000 & wait; :) & echo; wait")
        .spawn()
        .unwrap();
    line(&mut child.stdout);
    let root = child.pid();
    let mut found = Vec::new();
    until("all four are there", || {
        found = proc::descendants(root).unwrap();
        found.len() == 4
    });
    assert!(!found.contains(&root));
    assert_eq!(proc::children(root).unwrap().len(), 2);
    for (index, &pid) in found.iter().enumerate() {
        let parent = proc::stat(pid).unwrap().parent;
        assert!(parent == root || found[..index].contains(&parent));
    }
    assert!(proc::all().unwrap().contains(&root));
}
