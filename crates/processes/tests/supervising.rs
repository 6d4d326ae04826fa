//! Waiting, signalling, killing: a child from its start to its reaping.

mod support;

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use processes::{Ending, Limits, Signal, Spec, Stdio, proc};
use support::{has_ended, line, until};

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).stdin(Stdio::Null)
}

#[test]
fn an_exit_status_and_a_signal_are_told_apart() {
    assert_eq!(
        sh("exit 3").spawn().unwrap().wait().unwrap(),
        Ending::Exited(3)
    );
    let ending = sh("kill -SEGV $$")
        .limits(no_core())
        .spawn()
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(
        ending,
        Ending::Killed {
            signal: libc::SIGSEGV,
            core: false
        }
    );
}

fn no_core() -> Limits {
    Limits {
        core: Some(0),
        ..Limits::default()
    }
}

#[test]
fn waiting_again_says_the_same() {
    let mut child = sh("exit 5").spawn().unwrap();
    for _ in 0..3 {
        assert_eq!(child.wait().unwrap(), Ending::Exited(5));
        assert_eq!(child.try_wait().unwrap(), Some(Ending::Exited(5)));
    }
    assert!(child.usage().is_some());
}

#[test]
fn patience_ends_and_the_child_goes_on() {
    let mut child = Spec::new("cat")
        .stdin(Stdio::Piped)
        .stdout(Stdio::Null)
        .spawn()
        .unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    assert_eq!(child.wait_timeout(Duration::from_millis(5)).unwrap(), None);
    assert!(child.usage().is_none());
    // Its input is still open; wait closes it, and cat ends.
    assert!(child.stdin.is_some());
    assert_eq!(child.wait().unwrap(), Ending::Exited(0));
}

#[test]
fn one_that_ignores_sigterm_still_ends_by_sigkill() {
    let mut child = sh("trap '' TERM; echo ready; while :; do sleep 1000; done")
        .stdout(Stdio::Piped)
        .spawn()
        .unwrap();
    assert_eq!(line(&mut child.stdout), "ready");
    child.signal(Signal::SIGTERM).unwrap();
    assert_eq!(child.wait_timeout(Duration::from_millis(20)).unwrap(), None);
    child.kill_tree().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert!(!child.timed_out(), "nobody set a limit");
}

#[test]
fn a_reaped_process_gets_no_signals() {
    let mut child = sh("exit 0").spawn().unwrap();
    child.wait().unwrap();
    let number = child.pid();
    for error in [
        child.signal(Signal::SIGTERM).unwrap_err(),
        child.kill_tree().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("process {number} has ended and was reaped")
        );
    }
}

#[test]
fn a_signal_to_one_that_has_ended_but_is_not_reaped_does_nothing() {
    let mut child = sh("exit 4").spawn().unwrap();
    until("it is a zombie", || {
        proc::stat(child.pid()).unwrap().state == proc::State::Zombie
    });
    child.signal(Signal::SIGTERM).unwrap();
    child.kill_tree().unwrap();
    assert_eq!(child.wait().unwrap(), Ending::Exited(4));
}

#[test]
fn an_ending_that_somebody_else_took_is_reported_as_lost() {
    let mut child = sh("exit 0").spawn().unwrap();
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child.pid()), None).unwrap();
    for error in [child.kill_tree().unwrap_err(), child.wait().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().contains("reaped by somebody else"),
            "{error}"
        );
    }
    drop(child); // and does not wait for ever
}

#[test]
fn a_dropped_child_is_gone_with_all_that_it_started() {
    let mut child = sh("sleep 1000 & echo $!; wait")
        .stdout(Stdio::Piped)
        .spawn()
        .unwrap();
    let grandchild = proc::stat(line(&mut child.stdout).parse().unwrap()).unwrap();
    let itself = proc::stat(child.pid()).unwrap();
    drop(child);
    assert_eq!(
        proc::stat(itself.pid).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    // Init reaps the grandchild when it finds the time.
    until("the grandchild has ended", || has_ended(&grandchild));
}

#[test]
fn a_session_is_killed_even_after_its_leader_has_ended() {
    let mut child = sh("sleep 1000 & echo $!")
        .new_session(true)
        .stdout(Stdio::Piped)
        .spawn()
        .unwrap();
    let orphan = proc::stat(line(&mut child.stdout).parse().unwrap()).unwrap();
    until("the leader is a zombie", || {
        has_ended(&proc::stat(child.pid()).unwrap())
    });
    child.kill_tree().unwrap();
    until("the orphan has ended", || has_ended(&orphan));
    assert_eq!(child.wait().unwrap(), Ending::Exited(0));
}

#[test]
fn the_wall_clock_limit_ends_it_with_all_that_it_started() {
    let limits = Limits {
        wall: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
    let start = Instant::now();
    let mut child = sh("sleep 1000 & echo $!; wait")
        .stdout(Stdio::Piped)
        .limits(limits)
        .spawn()
        .unwrap();
    let grandchild = proc::stat(line(&mut child.stdout).parse().unwrap()).unwrap();
    // The limit holds also for one who would wait longer.
    let ending = child
        .wait_timeout(support::LONG)
        .unwrap()
        .expect("its time was over");
    assert_eq!(ending.signal(), Some(libc::SIGKILL));
    assert!(child.timed_out());
    assert!(start.elapsed() >= Duration::from_millis(50));
    until("the grandchild has ended", || has_ended(&grandchild));
}

#[test]
fn one_that_ended_in_time_has_not_timed_out() {
    let limits = Limits {
        wall: Some(support::LONG),
        ..Limits::default()
    };
    let mut child = sh("exit 1").limits(limits).spawn().unwrap();
    assert_eq!(child.wait().unwrap(), Ending::Exited(1));
    assert!(!child.timed_out());
}

#[test]
fn its_output_can_be_read_while_it_runs() {
    let mut child = sh("echo one; echo two")
        .stdout(Stdio::Piped)
        .spawn()
        .unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "one\ntwo\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn usage_counts_the_time_it_computed() {
    let limits = Limits {
        cpu: Some(Duration::from_secs(1)),
        ..no_core()
    };
    let mut child = sh("while :; do :; done").limits(limits).spawn().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGXCPU));
    let usage = child.usage().unwrap();
    // The limit counts ticks, usage the time itself: they differ a little.
    assert!(usage.cpu() >= Duration::from_millis(500), "{usage:?}");
    assert!(
        usage.peak_resident > 0 && usage.minor_faults > 0,
        "{usage:?}"
    );
}
