//! What the reactor promises.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use coroutines::budget::yield_now;
use coroutines::executor::Executor;
use coroutines::reactor::Reactor;
use nix::errno::Errno;

#[derive(Default)]
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted() -> (Arc<Counted>, Waker) {
    let counted = Arc::new(Counted::default());
    (Arc::clone(&counted), Waker::from(counted))
}

fn count(counted: &Counted) -> usize {
    counted.0.load(Ordering::Relaxed)
}

const NOW: Option<Duration> = Some(Duration::ZERO);

#[test]
fn a_sleep_is_not_over_before_its_time() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::with_reactor(reactor.clone());
    let start = Instant::now();
    let tasks = [3, 1, 2].map(|millis| {
        let deadline = start + Duration::from_millis(millis);
        let sleep = reactor.sleep_until(deadline);
        executor.spawn(async move {
            sleep.await;
            Instant::now() >= deadline
        })
    });
    for task in tasks {
        assert!(executor.block_on(task).unwrap());
    }
}

#[test]
fn a_sleep_is_over_at_once_when_its_time_is_past_and_never_when_it_is_too_far() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::with_reactor(reactor.clone());
    executor.block_on(reactor.sleep(Duration::ZERO));
    let forever = executor.spawn(reactor.sleep(Duration::MAX));
    executor.block_on(reactor.sleep(Duration::from_millis(1)));
    assert!(!forever.is_finished());
}

#[test]
fn a_dropped_sleep_takes_its_timer_back() {
    let reactor = Reactor::new().unwrap();
    let (wakes, waker) = counted();
    {
        let mut sleep = pin!(reactor.sleep(Duration::from_secs(3600)));
        let poll = sleep.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        assert!(format!("{reactor:?}").contains("timers: 1"));
    }
    assert!(format!("{reactor:?}").contains("timers: 0"));
    assert_eq!(count(&wakes), 0);
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let source = reactor.register(ours).unwrap();
    let mut readable = pin!(source.readable());
    let (first, first_waker) = counted();
    let (second, second_waker) = counted();
    for waker in [&first_waker, &second_waker] {
        let poll = readable.as_mut().poll(&mut Context::from_waker(waker));
        assert!(poll.is_pending());
    }
    theirs.write_all(b"x").unwrap();
    reactor.turn(NOW).unwrap();
    assert_eq!((count(&first), count(&second)), (0, 1));
    let poll = readable.poll(&mut Context::from_waker(&second_waker));
    assert!(matches!(poll, Poll::Ready(Ok(()))));
}

#[test]
fn all_that_wait_at_one_descriptor_are_woken_each_for_its_own() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let source = reactor.register(ours).unwrap();
    // No room to write, until the peer reads.
    let filled = loop {
        if let Err(error) = source.get_ref().write(&[0; 4096]) {
            break error.kind();
        }
    };
    assert_eq!(filled, io::ErrorKind::WouldBlock);
    let wakes: [_; 3] = std::array::from_fn(|_| counted());
    let mut reads = [pin!(source.readable()), pin!(source.readable())];
    let mut write = pin!(source.writable());
    for (read, (_, waker)) in reads.iter_mut().zip(&wakes) {
        assert!(
            read.as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    assert!(
        write
            .as_mut()
            .poll(&mut Context::from_waker(&wakes[2].1))
            .is_pending()
    );
    let counts = || wakes.each_ref().map(|(wakes, _)| count(wakes));

    theirs.write_all(b"x").unwrap();
    reactor.turn(NOW).unwrap();
    assert_eq!(counts(), [1, 1, 0]);
    // The writer still waits: it was armed again.
    let mut sink = vec![0; 1 << 20];
    theirs.set_nonblocking(true).unwrap();
    while theirs.read(&mut sink).is_ok() {}
    reactor.turn(NOW).unwrap();
    assert_eq!(counts(), [1, 1, 1]);
}

#[test]
fn a_descriptor_that_nobody_waits_for_wakes_nobody() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let source = reactor.register(ours).unwrap();
    let (wakes, waker) = counted();
    {
        let mut readable = pin!(source.readable());
        assert!(
            readable
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    theirs.write_all(b"x").unwrap();
    reactor.turn(NOW).unwrap();
    reactor.turn(NOW).unwrap();
    assert_eq!(count(&wakes), 0);
}

#[test]
fn a_dropped_source_leaves_epoll_even_if_a_duplicate_stays_open() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let duplicate = ours.as_fd().try_clone_to_owned().unwrap();
    let source = reactor.register(ours).unwrap();
    let descriptors = |reactor: &Reactor| format!("{reactor:?}").contains("descriptors: 1");
    assert!(descriptors(&reactor));
    drop(source);
    assert!(!descriptors(&reactor));
    theirs.write_all(b"x").unwrap();
    reactor.turn(NOW).unwrap();
    // It could not be registered again if it were still there.
    let again = reactor.register(duplicate).unwrap();
    drop(again);
}

#[test]
fn a_cancelled_task_takes_its_descriptor_out() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::with_reactor(reactor.clone());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let source = reactor.register(ours).unwrap();
    let task = executor.spawn(async move { source.readable().await });
    executor.block_on(yield_now());
    task.cancel();
    assert!(format!("{reactor:?}").contains("descriptors: 0"));
    let error = theirs.write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let reactor = Reactor::new().unwrap();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let error = reactor.register(file).unwrap_err();
    assert_eq!(error.cause, Errno::EPERM);
    assert!(error.to_string().contains("regular file"), "{error}");

    let (ours, _theirs) = UnixStream::pair().unwrap();
    let ours = Arc::new(ours);
    let first = reactor.register(Arc::clone(&ours)).unwrap();
    let error = reactor.register(Arc::clone(&ours)).unwrap_err();
    assert_eq!(error.cause, Errno::EEXIST);
    assert!(io::Error::from(error).to_string().contains("already"));
    drop(first);
}

#[test]
fn the_end_of_the_peer_is_readable() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::with_reactor(reactor.clone());
    let (ours, theirs) = UnixStream::pair().unwrap();
    let source = reactor.register(ours).unwrap();
    let task = executor.spawn(async move {
        let mut buffer = [0; 8];
        source
            .read_with(|mut stream| stream.read(&mut buffer))
            .await
    });
    executor.block_on(yield_now());
    drop(theirs);
    assert_eq!(executor.block_on(task).unwrap().unwrap(), 0);
}

#[test]
fn a_wake_up_from_another_thread_ends_the_reactors_sleep() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::with_reactor(reactor);
    let (sender, wakers) = std::sync::mpsc::channel::<Waker>();
    let thread = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    executor.block_on(async move {
        for _ in 0..20 {
            let mut given = false;
            std::future::poll_fn(|context| {
                if std::mem::replace(&mut given, true) {
                    return Poll::Ready(());
                }
                sender.send(context.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
        }
    });
    thread.join().unwrap();
}

#[test]
fn tasks_that_are_always_ready_do_not_starve_those_that_wait_for_the_kernel() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::with_reactor(reactor.clone());
    let _busy = executor.spawn(async {
        loop {
            yield_now().await;
        }
    });
    executor.block_on(reactor.sleep(Duration::from_millis(2)));
}

#[test]
fn a_socket_that_is_always_ready_does_not_starve_the_others() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::with_reactor(reactor.clone());
    // Each read takes one from a count of four thousand million.
    let flags = nix::sys::eventfd::EfdFlags::EFD_SEMAPHORE;
    let counter = nix::sys::eventfd::EventFd::from_value_and_flags(u32::MAX, flags).unwrap();
    let counter = reactor.register(counter).unwrap();
    let _greedy = executor.spawn(async move {
        loop {
            counter
                .read_with(|counter| Ok(counter.read()?))
                .await
                .unwrap();
        }
    });
    executor.block_on(async {
        for _ in 0..10 {
            yield_now().await;
        }
    });
}

#[test]
fn a_process_without_descriptors_gets_an_error() {
    const IN_CHILD: &str = "COROUTINES_TEST_IN_CHILD";
    if std::env::var_os(IN_CHILD).is_some() {
        let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
        nix::sys::resource::setrlimit(limit, 3, 3).unwrap();
        let error = Reactor::new().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        let error = coroutines::event_loop::EventLoop::new().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        return;
    }
    let test = "a_process_without_descriptors_gets_an_error";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(IN_CHILD, "1")
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}
