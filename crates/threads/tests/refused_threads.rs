//! What happens when the system has no more threads to give: here because their stacks do not fit
//! into the address space, which holds for root too. In a process of its own, because a limit is the
//! process's.

use std::process::Command;

use nix::sys::resource::{Resource, setrlimit};
use threads::{BackgroundTask, ForkJoin, Pool, PoolError, map};

const IN_THE_CHILD: &str = "THREADS_TEST_HAS_LITTLE_ROOM";

#[test]
fn fewer_threads_than_asked_for_are_an_error_or_enough() {
    if std::env::var_os(IN_THE_CHILD).is_some() {
        return with_little_room();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "fewer_threads_than_asked_for_are_an_error_or_enough",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .env(IN_THE_CHILD, "1")
        .env_remove("RUST_MIN_STACK")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}: {said}", child.status);
}

fn with_little_room() {
    // Room for some thirty stacks of 2 MiB, not for five hundred.
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').next().unwrap().parse().unwrap();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .unwrap()
        .unwrap();
    let limit = pages * u64::try_from(page).unwrap() + 64 * 1024 * 1024;
    setrlimit(Resource::RLIMIT_AS, limit, limit).unwrap();

    let some = |refused: PoolError| match refused {
        PoolError::Refused { started, source } => {
            assert!((1..500).contains(&started), "{started}: {source}");
        }
        other => panic!("{other}"),
    };
    // Twice: the threads of the first attempt have ended, or there would be no room for the second.
    for _ in 0..2 {
        some(Pool::new(500, 1).unwrap_err());
        some(ForkJoin::new(500).unwrap_err());
    }
    let squares = map(500, 0..1_000_u64, |n| n * n);
    assert!(squares.into_iter().eq((0..1_000).map(|n| n * n)));

    let mut tasks = Vec::new();
    let refused = loop {
        match BackgroundTask::spawn("one more", |task| task.sleep(std::time::Duration::MAX)) {
            Ok(task) => tasks.push(task),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock, "{refused}");
    assert!(!tasks.is_empty());
}
