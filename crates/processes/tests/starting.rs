//! What a started program gets, and what is said when it cannot be started.

mod support;

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use nix::fcntl::{F_DUPFD, fcntl};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use processes::{Ending, Limits, SpawnError, Spec, Stdio, Step, run};

/// What a shell says when it runs this.
fn said(spec: Spec) -> String {
    let outcome = run(spec, b"", Limits::default()).unwrap();
    assert!(
        outcome.end.success(),
        "{}: {}",
        outcome.end,
        outcome.stderr.text()
    );
    outcome.stdout.text().into_owned()
}

fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

fn refusal(spec: Spec) -> SpawnError {
    spec.spawn().expect_err("it cannot be started")
}

#[test]
fn a_missing_program_is_an_error_not_a_child_that_exits_127() {
    let error = refusal(Spec::new("no-such-program-anywhere"));
    assert_eq!(
        (error.step(), error.cause().raw_os_error()),
        (Step::Exec, Some(libc::ENOENT))
    );
    assert_eq!(
        error.to_string(),
        "cannot start `no-such-program-anywhere`: executing it: No such file or directory \
         (os error 2); is it installed, and is its directory on the PATH?"
    );
}

#[test]
fn a_file_that_may_not_be_executed_is_told_from_a_missing_one() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("tool"), "#!/bin/sh\n").unwrap();
    for spec in [
        Spec::new(directory.path().join("tool")),
        // Not even where a later directory has no such file at all.
        Spec::new("tool").env("PATH", format!("{}:/nowhere", directory.path().display())),
    ] {
        let error = refusal(spec);
        assert_eq!(
            (error.step(), error.cause().raw_os_error()),
            (Step::Exec, Some(libc::EACCES))
        );
    }
}

#[test]
fn a_directory_that_may_not_be_searched_does_not_hide_that_a_program_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o000)).unwrap();
    let path = format!("{}:/nowhere", directory.path().display());
    let error = refusal(Spec::new("no-such-program").env("PATH", path));
    assert_eq!(error.cause().raw_os_error(), Some(libc::ENOENT));
}

#[test]
fn a_script_without_an_interpreter_is_not_guessed_at() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    support::script(&script, "echo hello\n");
    let error = refusal(Spec::new(script));
    assert_eq!(
        (error.step(), error.cause().raw_os_error()),
        (Step::Exec, Some(libc::ENOEXEC))
    );
    assert!(error.to_string().contains("#!/bin/sh"), "{error}");
}

#[test]
fn a_file_that_is_open_for_writing_cannot_be_executed() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    support::script(&script, "#!/bin/sh\n");
    let writer = std::fs::File::options().append(true).open(&script).unwrap();
    let error = match Spec::new(&script).spawn() {
        Err(error) => error,
        Ok(mut child) => {
            child.wait().unwrap();
            eprintln!("skipped: this kernel executes such a file (Linux 6.11 and 6.12 do)");
            return;
        }
    };
    assert_eq!(
        (error.step(), error.cause().raw_os_error()),
        (Step::Exec, Some(libc::ETXTBSY))
    );
    assert!(error.to_string().contains("open for writing"), "{error}");
    drop(writer);
}

#[test]
fn each_step_that_fails_is_named() {
    let error = refusal(sh("").current_dir("/no/such/directory"));
    assert_eq!(
        (error.step(), error.cause().raw_os_error()),
        (Step::Directory, Some(libc::ENOENT))
    );

    // More than the system allows: refused to root, too (fs.nr_open).
    let limits = Limits {
        descriptors: Some(u64::MAX),
        ..Limits::default()
    };
    let error = refusal(sh("").limits(limits));
    let expected = (Step::Limit("descriptors"), Some(libc::EPERM));
    assert_eq!((error.step(), error.cause().raw_os_error()), expected);

    let error = refusal(sh("").pass(null(), i32::MAX - 1));
    assert_eq!(error.step(), Step::Descriptor(i32::MAX - 1));
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_starts() {
    let nul = refusal(Spec::new("sh").arg("a\0b"));
    let twice = refusal(sh("").pass(null(), 7).pass(null(), 7));
    let also_twice = refusal(sh("").stdout(Stdio::Null).pass(null(), 1));
    let negative = refusal(sh("").pass(null(), -1));
    for error in [&nul, &twice, &also_twice, &negative] {
        assert_eq!(error.step(), Step::Prepare, "{error}");
    }
    assert!(
        twice.to_string().contains("descriptor 7 is given twice"),
        "{twice}"
    );
}

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

#[test]
fn a_program_is_looked_up_in_its_own_path() {
    let directory = tempfile::tempdir().unwrap();
    let tool = directory.path().join("tool");
    support::script(&tool, "#!/bin/sh\necho found with $1\n");
    let path = format!("/nowhere:{}", directory.path().display());
    assert_eq!(
        said(Spec::new("tool").arg("an argument").env("PATH", path)),
        "found with an argument\n"
    );
    // A path with a slash starts at the child's directory.
    assert_eq!(
        said(Spec::new("./tool").arg("x").current_dir(directory.path())),
        "found with x\n"
    );
}

#[test]
fn the_environment_is_the_parents_with_changes_or_empty_with_additions() {
    let env = || Spec::new("/usr/bin/env");
    let path = format!("PATH={}\n", std::env::var("PATH").unwrap());
    let seen = said(
        env()
            .env("ADDED", "a=b")
            .env("REMOVED", "1")
            .env_remove("REMOVED"),
    );
    assert!(
        seen.contains("ADDED=a=b\n") && !seen.contains("REMOVED"),
        "{seen}"
    );
    assert!(seen.contains(&path), "the rest is inherited: {seen}");
    let seen = said(env().env_remove("PATH"));
    assert!(!seen.contains(&path), "{seen}");
    let seen = said(env().env("FORGOTTEN", "1").env_clear().env("ONLY", "this"));
    assert_eq!(seen, "ONLY=this\n");
}

#[test]
fn no_descriptor_is_inherited_but_those_that_are_passed() {
    // One that a careless library has left open to be inherited.
    let leaked = fcntl(null(), F_DUPFD(50)).unwrap();
    // SAFETY: it was made in the line before.
    let _leaked = unsafe { OwnedFd::from_raw_fd(leaked) };
    let outcome = said(Spec::new("ls").arg("/proc/self/fd").pass(null(), 9));
    // 3 is the directory that ls reads.
    assert_eq!(outcome, "0\n1\n2\n3\n9\n");
}

#[test]
fn descriptors_can_trade_places() {
    let holding = |text: &str| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        OwnedFd::from(file)
    };
    let (a, b) = (holding("a"), holding("b"));
    let (at_a, at_b) = (a.as_raw_fd(), b.as_raw_fd());
    let files = [at_a, at_b].map(|fd| format!("/dev/fd/{fd}"));
    assert_eq!(
        said(Spec::new("cat").args(files).pass(a, at_b).pass(b, at_a)),
        "ba"
    );
}

#[test]
fn a_descriptor_can_be_a_standard_stream() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let twin = writer.try_clone().unwrap();
    let mut child = sh("echo out; echo err >&2")
        .stdin(Stdio::Null)
        .stdout(Stdio::Fd(writer.into()))
        .stderr(Stdio::Fd(twin.into()))
        .spawn()
        .unwrap();
    let mut text = String::new();
    // Ends only because the parent's copies were closed after the start.
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "out\nerr\n");
    assert_eq!(child.wait().unwrap(), Ending::Exited(0));
}

#[test]
fn signals_are_at_their_defaults_and_unblocked_whatever_the_parents_are() {
    let blocked = SigSet::from(Signal::SIGUSR1);
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut before)).unwrap();
    // The parent ignores SIGPIPE: Rust's runtime does.
    let seen = said(Spec::new("grep").args(["-E", "SigBlk|SigIgn", "/proc/self/status"]));
    assert_eq!(
        seen,
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
    );
    let mut after = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), Some(&mut after)).unwrap();
    assert!(after.contains(Signal::SIGUSR1) && !after.contains(Signal::SIGUSR2));
}

#[test]
fn a_session_and_the_loss_of_privileges_are_given_on_demand() {
    let show = "cut -d ' ' -f 1,6 /proc/$$/stat; grep NoNewPrivs /proc/$$/status";
    for yes in [true, false] {
        let mut child = sh(show)
            .new_session(yes)
            .no_new_privileges(yes)
            .stdout(Stdio::Piped)
            .spawn()
            .unwrap();
        let pid = child.pid().to_string();
        let ids = support::line(&mut child.stdout);
        let (own, session) = ids.split_once(' ').unwrap();
        assert_eq!((own, session == pid), (pid.as_str(), yes));
        assert_eq!(
            support::line(&mut child.stdout),
            format!("NoNewPrivs:\t{}", i32::from(yes))
        );
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn the_end_of_the_thread_that_started_it_counts_as_its_parents_death() {
    let spec = Spec::new("sleep")
        .arg("1000")
        .die_with_parent(Signal::SIGTERM);
    let mut child = std::thread::spawn(|| spec.spawn().unwrap()).join().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
}

#[test]
fn many_threads_can_start_programs_at_once() {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for number in 0..20 {
                    let text = format!("{thread} {number}");
                    assert_eq!(said(Spec::new("echo").arg(&text)), text + "\n");
                }
            });
        }
    });
}

#[test]
fn without_a_free_descriptor_the_error_says_what_to_do() {
    // In a child of our own, whose limit may be lowered.
    let mut outer = processes::fork(|| {
        let limits = Limits {
            descriptors: Some(3),
            ..Limits::default()
        };
        processes::limits::apply(&limits).unwrap();
        let refused = refusal(Spec::new("true"));
        assert_eq!(refused.cause().raw_os_error(), Some(libc::EMFILE));
        i32::from(!refused.to_string().contains("ulimit -n"))
    })
    .unwrap();
    assert_eq!(outer.wait().unwrap(), Ending::Exited(0));
}
