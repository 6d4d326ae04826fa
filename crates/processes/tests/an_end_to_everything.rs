//! Daemons, fork bombs, and what cannot be ended.
//!
//! Each case runs in a process of its own, because a subreaper takes every
//! child that ends, also those of other tests: this program starts itself
//! again with the name of a case.

mod support;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, setgid, setuid};
use processes::proc::{self, State};
use processes::{End, Ending, Limits, Spec, Stdio, Step, become_subreaper};
use processes::{end_descendants, limits, reap_all, run};
use support::{LONG, has_ended, is_root, line, me, until};

const CASE: &str = "PROCESSES_CASE";

/// A user whom nobody else is, so that a limit on his processes is ours.
const STRANGER: u32 = 64_321;

fn in_a_process_of_its_own(case: &str) {
    let spec = Spec::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_case", "--include-ignored", "--nocapture"])
        .env(CASE, case);
    let outcome = run(
        spec,
        b"",
        Limits {
            wall: Some(2 * LONG),
            ..Limits::default()
        },
    )
    .unwrap();
    let (out, err) = (outcome.stdout.text(), outcome.stderr.text());
    eprint!("{err}");
    assert_eq!(outcome.end, End::Ended(Ending::Exited(0)), "{out}\n{err}");
}

#[test]
#[ignore = "the other tests run it, in processes of its own"]
fn the_case() {
    match std::env::var(CASE).as_deref() {
        Ok("nothing") => nothing(),
        Ok("failed start") => failed_start(),
        Ok("reap") => reap(),
        Ok("daemon") => daemon(),
        Ok("stopped") => stopped(),
        Ok("headless") => headless(),
        Ok("bomb") => bomb(),
        Ok("stranger") => stranger(),
        Ok(other) => panic!("no case {other}"),
        // Somebody runs all ignored tests.
        Err(_) => {}
    }
}

fn soon() -> Instant {
    Instant::now() + LONG
}

#[test]
fn with_no_children_there_is_nothing_to_do() {
    in_a_process_of_its_own("nothing");
}

fn nothing() {
    assert_eq!(end_descendants(Instant::now()).unwrap(), []);
    assert_eq!(reap_all().unwrap(), []);
}

#[test]
fn a_start_that_failed_leaves_no_zombie() {
    in_a_process_of_its_own("failed start");
}

fn failed_start() {
    assert_eq!(
        Spec::new("no-such-program").spawn().unwrap_err().step(),
        Step::Exec
    );
    assert_eq!(
        Spec::new("sh")
            .current_dir("/none")
            .spawn()
            .unwrap_err()
            .step(),
        Step::Directory
    );
    // SAFETY: a null status is allowed; nothing of ours is written.
    let answer = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!(answer, -1, "there is a child left");
}

#[test]
fn every_ended_child_is_reaped_and_the_others_are_not_waited_for() {
    in_a_process_of_its_own("reap");
}

fn reap() {
    become_subreaper().unwrap();
    let mut parent = Spec::new("sh")
        .args(["-c", "(echo $$; exec sleep 1000) & exit 3"])
        .stdout(Stdio::Piped)
        .spawn()
        .unwrap();
    let pid = parent.pid();
    until("it has ended", || {
        proc::stat(pid).unwrap().state == State::Zombie
    });
    assert_eq!(reap_all().unwrap(), [(pid, Ending::Exited(3))]);
    assert_eq!(
        parent.wait().unwrap_err().kind(),
        ErrorKind::NotFound,
        "its ending was taken"
    );
    let orphans = proc::children(me()).unwrap();
    assert_eq!(orphans.len(), 1, "the subreaper has adopted the orphan");
    let killed = Ending::Killed {
        signal: libc::SIGKILL,
        core: false,
    };
    assert_eq!(end_descendants(soon()).unwrap(), [(orphans[0], killed)]);
}

#[test]
fn a_daemon_does_not_escape() {
    in_a_process_of_its_own("daemon");
}

fn daemon() {
    become_subreaper().unwrap();
    // The classic way: fork, setsid, fork; and it ignores what can be ignored.
    let script = "setsid sh -c '(trap \"\" TERM HUP INT; sh -c \"echo \\$PPID\"; \
                  while :; do sleep 1000; done) & exit' & wait";
    let mut parent = Spec::new("sh")
        .args(["-c", script])
        .stdin(Stdio::Null)
        .stdout(Stdio::Piped)
        .spawn()
        .unwrap();
    let daemon = proc::stat(line(&mut parent.stdout).parse().unwrap()).unwrap();
    assert!(parent.wait().unwrap().success());
    until("it is ours", || {
        proc::stat(daemon.pid).unwrap().parent == me()
    });
    assert_ne!(daemon.session, proc::stat(me()).unwrap().session);

    let ended = end_descendants(soon()).unwrap();
    let killed = Ending::Killed {
        signal: libc::SIGKILL,
        core: false,
    };
    assert!(ended.contains(&(daemon.pid, killed)), "{ended:?}");
    assert!(has_ended(&daemon));
    assert_eq!(proc::descendants(me()).unwrap(), []);
}

#[test]
fn a_stopped_process_ends_too() {
    in_a_process_of_its_own("stopped");
}

fn stopped() {
    become_subreaper().unwrap();
    let mut child = Spec::new("sh")
        .args(["-c", "kill -STOP $$"])
        .spawn()
        .unwrap();
    until("it is stopped", || {
        proc::stat(child.pid()).unwrap().state == State::Stopped
    });
    let killed = Ending::Killed {
        signal: libc::SIGKILL,
        core: false,
    };
    assert_eq!(end_descendants(soon()).unwrap(), [(child.pid(), killed)]);
    assert!(child.wait().is_err());
}

#[test]
fn a_process_whose_first_thread_has_ended_is_no_zombie_and_ends_too() {
    in_a_process_of_its_own("headless");
}

fn headless() {
    become_subreaper().unwrap();
    // SAFETY: the C library lets a forked child start threads.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
        // SAFETY: ends this thread alone, which owns nothing any more.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    assert!(pid > 0);
    until("its first thread has ended", || {
        proc::stat(pid).unwrap().state == State::Zombie
    });
    assert!(!proc::stat(pid).unwrap().has_ended());
    let killed = Ending::Killed {
        signal: libc::SIGKILL,
        core: false,
    };
    assert_eq!(end_descendants(soon()).unwrap(), [(pid, killed)]);
}

#[test]
fn a_fork_bomb_is_defused() {
    in_a_process_of_its_own("bomb");
}

fn bomb() {
    const MANY: usize = 40;
    if is_root() {
        // Root is above the limit that keeps this machine alive.
        setgid(Gid::from_raw(STRANGER)).unwrap();
        if let Err(error) = setuid(Uid::from_raw(STRANGER)) {
            eprintln!("skipped: cannot become an ordinary user: {error}");
            return;
        }
    }
    become_subreaper().unwrap();
    // An ordinary user's limit counts what else he runs.
    let uid = nix::unistd::getuid().as_raw();
    let mine = proc::all()
        .unwrap()
        .into_iter()
        .filter_map(|pid| proc::status(pid).ok());
    let others: u64 = mine
        .filter(|status| status.uid == uid)
        .map(|s| u64::from(s.threads))
        .sum();
    let most = others + 2 * MANY as u64;
    limits::apply(&Limits {
        processes: Some(most),
        ..Limits::default()
    })
    .unwrap();
    // SAFETY: the children make system calls and nothing else, for ever.
    let first = unsafe {
        match libc::fork() {
            0 => loop {
                libc::fork();
            },
            pid => pid,
        }
    };
    assert!(first > 0);
    until("it has spread", || {
        proc::descendants(me()).unwrap().len() >= MANY
    });

    let ended = end_descendants(soon()).unwrap();
    assert!(ended.len() >= MANY, "only {} were reaped", ended.len());
    assert_eq!(proc::descendants(me()).unwrap(), []);
    assert_eq!(end_descendants(soon()).unwrap(), []);
}

#[test]
fn what_cannot_be_ended_is_named_at_the_deadline() {
    if !is_root() {
        eprintln!("skipped: an ordinary user has no process that he may not end");
        return;
    }
    in_a_process_of_its_own("stranger");
}

fn stranger() {
    become_subreaper().unwrap();
    let child = Spec::new("sleep").arg("1000").spawn().unwrap();
    setgid(Gid::from_raw(STRANGER)).unwrap();
    if let Err(error) = setuid(Uid::from_raw(STRANGER)) {
        eprintln!("skipped: cannot become an ordinary user: {error}");
        return;
    }
    let error = end_descendants(Instant::now() + Duration::from_millis(50)).unwrap_err();
    assert_eq!(
        error
            .processes
            .iter()
            .map(|stat| stat.pid)
            .collect::<Vec<_>>(),
        [child.pid()]
    );
    let expected = format!(
        "1 process could not be ended in time: {} (sleep",
        child.pid()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    // Whoever started this case can end it, and does.
    std::mem::forget(child);
}
