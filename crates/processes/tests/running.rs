//! `run`: input, output, time and limits together.

mod support;

use std::time::Duration;

use processes::{DEFAULT_OUTPUT, End, Ending, Limits, Outcome, RunError, Spec, Step, proc, run};
use support::{has_ended, until};

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

fn done(spec: Spec, input: &[u8], limits: Limits) -> Outcome {
    run(spec, input, limits).unwrap()
}

#[test]
fn a_mebibyte_goes_in_and_comes_back() {
    let input: Vec<u8> = (0..1 << 20)
        .map(|n: u32| n.to_le_bytes()[n as usize % 3])
        .collect();
    let outcome = done(Spec::new("cat"), &input, Limits::default());
    assert!(outcome.end.success());
    assert!(outcome.stdout.bytes == input && !outcome.stdout.truncated());
}

#[test]
fn both_outputs_can_be_long() {
    let script = "head -c 1048576 /dev/zero; head -c 1048577 /dev/zero >&2; exit 2";
    let outcome = done(sh(script), b"", Limits::default());
    assert_eq!(outcome.end, End::Ended(Ending::Exited(2)));
    assert_eq!(
        (outcome.stdout.total, outcome.stderr.total),
        (1 << 20, (1 << 20) + 1)
    );
}

#[test]
fn input_that_nobody_reads_is_no_error() {
    let outcome = done(
        sh("echo done; exec 0<&-; exit 0"),
        &vec![0; 1 << 20],
        Limits::default(),
    );
    assert_eq!(
        (outcome.end, &*outcome.stdout.text()),
        (End::Ended(Ending::Exited(0)), "done\n")
    );
}

#[test]
fn output_beyond_the_cap_is_counted_and_not_kept() {
    let limits = Limits {
        file_size: Some(10),
        ..Limits::default()
    };
    let outcome = done(sh("head -c 100000 /dev/zero; echo short >&2"), b"", limits);
    assert!(
        outcome.end.success(),
        "a cap on what is kept is no limit on the program"
    );
    assert_eq!(
        (outcome.stdout.bytes.len(), outcome.stdout.total),
        (10, 100_000)
    );
    assert!(outcome.stdout.truncated() && !outcome.stderr.truncated());
}

#[test]
fn output_without_end_takes_no_memory_without_end_and_ends_in_time() {
    let limits = Limits {
        wall: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let outcome = done(Spec::new("yes"), b"", limits);
    assert_eq!(outcome.end, End::TimedOut(Duration::from_millis(300)));
    assert!(outcome.stdout.bytes.len() <= DEFAULT_OUTPUT);
    assert!(outcome.elapsed >= Duration::from_millis(300));
}

#[test]
fn the_last_words_before_a_timeout_are_kept() {
    let limits = Limits {
        wall: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let outcome = done(sh("echo last words; sleep 1000"), b"", limits);
    assert_eq!(
        outcome.end.to_string(),
        "killed because its time (300ms) was over"
    );
    assert_eq!(outcome.stdout.text(), "last words\n");
}

#[test]
fn what_it_leaves_in_the_background_neither_lives_on_nor_delays_the_end() {
    let outcome = done(sh("sleep 1000 & echo $!"), b"", Limits::default());
    let pid = outcome.stdout.text().trim_end().parse().unwrap();
    // It was alive when the shell ended, and may be a zombie that init is yet
    // to reap.
    until("it has ended", || {
        proc::stat(pid).map_or(true, |stat| has_ended(&stat))
    });
    assert!(outcome.end.success());
}

#[test]
fn a_daemon_that_keeps_the_output_open_does_not_delay_the_end() {
    let directory = tempfile::tempdir().unwrap();
    // The shell ends when the daemon has left its session.
    let script =
        "mkfifo ready; setsid sh -c 'echo $$; echo >ready; exec sleep 1000' & read _ <ready";
    let outcome = done(
        sh(script).current_dir(directory.path()),
        b"",
        Limits::default(),
    );
    let daemon = outcome.stdout.text().trim_end().parse().unwrap();
    assert_eq!(
        proc::stat(daemon).unwrap().session,
        daemon,
        "it is in a session of its own"
    );
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(daemon),
        processes::Signal::SIGKILL,
    )
    .unwrap();
}

#[test]
fn limits_hold_in_the_child_and_not_here() {
    let before = std::fs::read_to_string("/proc/self/limits").unwrap();
    let limits = Limits {
        cpu: Some(Duration::from_millis(6500)),
        memory: Some(1 << 30),
        processes: Some(1000),
        descriptors: Some(20),
        file_size: Some(4096),
        core: Some(0),
        wall: None,
    };
    let outcome = done(Spec::new("cat").arg("/proc/self/limits"), b"", limits);
    let text = outcome.stdout.text();
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let mut values = line[name.len()..]
            .split_whitespace()
            .map(|value| value.parse::<u64>().unwrap());
        (values.next().unwrap(), values.next().unwrap())
    };
    let value = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("Max open files"))
            .map(str::to_owned)
    };
    assert_eq!(
        value(&before),
        value(&std::fs::read_to_string("/proc/self/limits").unwrap())
    );
    assert_eq!(of("Max address space"), (1 << 30, 1 << 30));
    assert_eq!(of("Max processes"), (1000, 1000));
    assert_eq!(of("Max open files"), (20, 20));
    assert_eq!(of("Max file size"), (4096, 4096));
    assert_eq!(of("Max core file size"), (0, 0));
}

#[test]
fn cpu_time_is_rounded_up_and_leaves_a_second_to_react() {
    let limits = Limits {
        cpu: Some(Duration::from_millis(6500)),
        ..Limits::default()
    };
    let outcome = done(sh("ulimit -S -t; ulimit -H -t"), b"", limits);
    assert_eq!(outcome.stdout.text(), "7\n8\n");
}

#[test]
fn a_file_that_grows_too_long_ends_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        file_size: Some(4096),
        core: Some(0),
        ..Limits::default()
    };
    let spec = Spec::new("dd").args(["if=/dev/zero", "of=big", "bs=8192", "count=2"]);
    let outcome = done(spec.current_dir(directory.path()), b"", limits);
    let by_signal = End::Ended(Ending::Killed {
        signal: libc::SIGXFSZ,
        core: false,
    });
    assert_eq!(outcome.end, by_signal, "{}", outcome.stderr.text());
    assert_eq!(
        std::fs::metadata(directory.path().join("big"))
            .unwrap()
            .len(),
        4096
    );
}

#[test]
fn a_program_that_cannot_be_started_is_no_outcome() {
    match run(Spec::new("no-such-program"), b"", Limits::default()) {
        Err(RunError::Spawn(error)) => assert_eq!(error.step(), Step::Exec),
        other => panic!("{other:?}"),
    }
}
