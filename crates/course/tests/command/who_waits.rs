//! `who-waits` on real processes that wait.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::fixture::{Fixture, Said};

/// A process that is ended with the test.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Waiting {
    /// Starts one of the cases below in a process of its own.
    fn case(name: &str) -> Waiting {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--ignored", "--test-threads=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Waiting(child)
    }

    /// Asks again until all of it waits as the test expects.
    fn until(&self, course: &Fixture, is_there: impl Fn(&str) -> bool) -> Said {
        let pid = self.0.id().to_string();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = course.run(&["who-waits", &pid]);
            assert_eq!(said.code, 0, "{said:?}");
            if is_there(&said.out) {
                return said;
            }
            assert!(Instant::now() < deadline, "not in a minute: {said:?}");
        }
    }
}

#[test]
#[ignore = "hangs: a case of the test below"]
fn two_locks_in_two_orders() {
    let locks = Arc::new((Mutex::new(()), Mutex::new(()), Barrier::new(2)));
    let theirs = Arc::clone(&locks);
    let other = thread::spawn(move || {
        let _b = theirs.1.lock();
        theirs.2.wait();
        let _a = theirs.0.lock();
    });
    let _a = locks.0.lock();
    locks.2.wait();
    drop(locks.1.lock());
    other.join().unwrap();
}

#[test]
fn threads_that_wait_for_each_others_locks_are_seen_at_two_futexes() {
    let course = Fixture::new("two-locks");
    let process = Waiting::case("who_waits::two_locks_in_two_orders");
    // libtest's own thread waits as well, in a channel.
    let said = process.until(&course, |out| {
        out.matches("waits on the futex").count() == 3
    });
    assert!(said.out.contains("without a timeout"), "{said:?}");
    assert!(
        said.out.contains("a lock, a condition variable"),
        "{said:?}"
    );
}

#[test]
#[ignore = "hangs: a case of the test below"]
fn joins_a_reader_of_its_own_pipe() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let other = thread::spawn(move || std::io::Read::read(&mut reader, &mut [0]));
    let _ = other.join();
    drop(writer);
}

#[test]
fn a_thread_that_is_joined_and_a_pipe_without_another_writer_are_named() {
    let course = Fixture::new("own-pipe");
    let process = Waiting::case("who_waits::joins_a_reader_of_its_own_pipe");
    let words = |out: &str| out.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = process.until(&course, |out| {
        let out = words(out);
        out.contains("it waits for thread") && out.contains("only this process itself holds")
    });
    assert!(words(&said.out).contains("only this process itself holds its write end"));
}

#[test]
fn a_child_that_sleeps_is_what_its_parent_waits_for() {
    let course = Fixture::new("child");
    // The `true` is there because a shell replaces itself with its last
    // command. When its input ends, `cat` ends, and then the shell.
    let process = Waiting(
        Command::new("sh")
            .args(["-c", "cat; true"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let said = process.until(&course, |out| out.contains("(cat)"));
    assert!(said.out.contains("waits for a child to end"), "{said:?}");
}
