//! The stacks: what they refuse, how they are reused, and where they end.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use coroutines::fiber::{Fiber, MIN_STACK_SIZE, Stack, StackError, StackPool};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

/// Set in the process that is to do the thing that kills it.
const IN_CHILD: &str = "COROUTINES_TEST_IN_CHILD";

/// Runs this test again, in a process of its own.
fn in_a_child(test: &str) -> std::process::Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn is_child() -> bool {
    std::env::var_os(IN_CHILD).is_some()
}

#[test]
fn a_stack_is_rounded_up_to_whole_pages() {
    let stack = Stack::new(MIN_STACK_SIZE + 1).unwrap();
    assert!(stack.size() > MIN_STACK_SIZE);
    assert_eq!(stack.size() % 4096, 0);
}

#[test]
fn a_stack_that_is_too_small_is_refused() {
    let error = Stack::new(100).unwrap_err();
    assert_eq!(
        error,
        StackError::TooSmall {
            size: 100,
            least: MIN_STACK_SIZE
        }
    );
    assert!(error.to_string().contains("at least 32768"), "{error}");
    assert!(StackPool::new(0).is_err());
}

#[test]
fn a_stack_larger_than_memory_is_refused() {
    for size in [usize::MAX, usize::MAX / 2] {
        let error = Stack::new(size).unwrap_err();
        assert!(matches!(error, StackError::NoMemory { .. }), "{error:?}");
        assert!(error.to_string().contains("max_map_count"), "{error}");
    }
}

#[test]
fn a_body_larger_than_its_stack_is_refused_and_dropped() {
    let large = [1_u8; 2 * MIN_STACK_SIZE];
    let captured = Rc::new(());
    let theirs = Rc::clone(&captured);
    let stack = Stack::new(MIN_STACK_SIZE).unwrap();
    let fiber = Fiber::<(), (), u8>::on(stack, move |_, ()| {
        let _captured = &theirs;
        large[7]
    });
    let error = fiber.unwrap_err();
    assert!(matches!(error, StackError::TooSmall { least, .. } if least > large.len()));
    assert_eq!(Rc::strong_count(&captured), 1);
}

#[test]
fn a_process_at_its_limit_of_memory_gets_an_error() {
    if is_child() {
        let limit = 1 << 20; // bytes of address space: far less than we have now
        setrlimit(Resource::RLIMIT_AS, limit, limit).unwrap();
        let error = Fiber::<(), (), ()>::new(|_, ()| ()).unwrap_err();
        eprintln!("{error}");
        return;
    }
    let output = in_a_child("a_process_at_its_limit_of_memory_gets_an_error");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the kernel refused a stack"), "{output:?}");
}

#[test]
fn a_pool_uses_a_stack_again() {
    let pool = StackPool::new(MIN_STACK_SIZE).unwrap();
    let clone = pool.clone();
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let mut fiber = Fiber::<(), (), usize>::on(pool.stack().unwrap(), |_, ()| {
            let local = 0_u8;
            (&raw const local).addr()
        })
        .unwrap();
        addresses.push(fiber.resume(()));
        assert_eq!(clone.idle(), 0);
        drop(fiber);
        assert_eq!(clone.idle(), 1);
    }
    assert_eq!(addresses[0], addresses[1]);
    assert_eq!(addresses[0], addresses[2]);
}

#[test]
fn a_pool_keeps_no_more_than_it_is_told() {
    let pool = StackPool::keeping(2, MIN_STACK_SIZE).unwrap();
    let stacks: Vec<_> = (0..5).map(|_| pool.stack().unwrap()).collect();
    drop(stacks);
    assert_eq!(pool.idle(), 2);
}

#[test]
fn a_stack_may_outlive_the_handle_of_its_pool() {
    let stack = StackPool::new(MIN_STACK_SIZE).unwrap().stack().unwrap();
    let mut fiber = Fiber::<(), (), u8>::on(stack, |_, ()| 7).unwrap();
    fiber.resume(());
}

#[test]
fn a_panic_with_a_backtrace_fits_into_the_smallest_stack() {
    if is_child() {
        let stack = Stack::new(MIN_STACK_SIZE).unwrap();
        Fiber::<(), (), ()>::on(stack, |_, ()| panic!("deep in a fiber"))
            .unwrap()
            .resume(());
        return;
    }
    for detail in ["0", "1", "full"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_panic_with_a_backtrace_fits_into_the_smallest_stack",
            ])
            .args(["--nocapture", "--test-threads=1"])
            .env(IN_CHILD, "1")
            .env("RUST_BACKTRACE", detail)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("deep in a fiber"), "{output:?}");
        assert_eq!(output.status.signal(), None, "{output:?}");
    }
}

#[test]
fn a_stack_overflow_hits_the_guard_page() {
    #[inline(never)]
    fn recurse(depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 64]);
        if depth == u64::MAX {
            return 0;
        }
        recurse(depth + 1) + frame[7]
    }
    if is_child() {
        // The child is expected to die: no core file.
        setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
        let mut fiber = Fiber::<(), (), u64>::new(|_, ()| recurse(0)).unwrap();
        println!("the end is near");
        fiber.resume(());
        println!("it ran on");
        return;
    }
    let output = in_a_child("a_stack_overflow_hits_the_guard_page");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("the end is near"), "{output:?}");
    assert!(!said.contains("it ran on"), "{output:?}");
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{output:?}");
}

#[test]
fn suspending_in_a_destructor_of_a_dropped_fiber_aborts() {
    if is_child() {
        setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
        struct Suspends<'f>(&'f coroutines::fiber::Suspender<(), ()>);
        impl Drop for Suspends<'_> {
            fn drop(&mut self) {
                self.0.suspend(());
            }
        }
        let mut fiber = Fiber::new(|fiber, ()| {
            let _suspends = Suspends(fiber);
            fiber.suspend(());
        })
        .unwrap();
        fiber.resume(());
        drop(fiber);
        println!("it ran on");
        return;
    }
    let output = in_a_child("suspending_in_a_destructor_of_a_dropped_fiber_aborts");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
}

static HANDLED: AtomicBool = AtomicBool::new(false);

extern "C" fn handle(_signal: libc::c_int) {
    HANDLED.store(true, Ordering::Relaxed);
}

#[test]
fn a_signal_handler_may_run_on_the_fibers_stack() {
    let action = SigAction::new(
        SigHandler::Handler(handle),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does one relaxed store.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    let mut fiber = Fiber::<(), (), u32>::new(|fiber, ()| {
        raise(Signal::SIGUSR1).unwrap();
        fiber.suspend(());
        7
    })
    .unwrap();
    fiber.resume(());
    assert!(HANDLED.load(Ordering::Relaxed));
    assert_eq!(fiber.resume(()), coroutines::fiber::Step::Return(7));
}
