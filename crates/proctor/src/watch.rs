//! The watch over the judge's own process.
//!
//! The learner's library is linked into the test binary, and a constructor
//! (a function in `.init_array`) runs before `main`, in the judge too: it
//! could end the program with status 0 before a test runs, and `cargo test`
//! would call that a success. So the test binary forks at the earliest moment
//! there is, `.preinit_array`: the child goes on and becomes the judge; the
//! parent waits, and lets status 0 stand only if the judge came to its end by
//! way of `main`, with every test that began finished and none failed.
//!
//! ```text
//!  cargo test ─▶ watcher ─ fork ─▶ judge ─▶ warden ─▶ subject
//! ```

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::wire::ROLE;

/// What the judge tells the watcher, in memory that both share.
#[derive(Default)]
struct Tally {
    begun: AtomicU32,
    ended: AtomicU32,
    failed: AtomicU32,
    came_through_main: AtomicU32,
}

/// Null where nobody watches.
static TALLY: AtomicPtr<Tally> = AtomicPtr::new(std::ptr::null_mut());

fn tally() -> Option<&'static Tally> {
    // SAFETY: set once, to a mapping that is never unmapped.
    unsafe { TALLY.load(Ordering::Acquire).as_ref() }
}

pub(crate) fn test_begins() {
    if let Some(tally) = tally() {
        tally.begun.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn test_ends(passed: bool) {
    if let Some(tally) = tally() {
        tally.ended.fetch_add(1, Ordering::Relaxed);
        if !passed {
            tally.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The type of a function in `.preinit_array`: the dynamic loader calls it
/// with the arguments of `main`.
pub type Preinit = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// Runs before everything else in a test binary; `exercise!` puts it there.
///
/// # Safety
/// For the dynamic loader only: `environment` is a list of C strings that
/// ends in null, and the process has one thread.
pub unsafe extern "C" fn preinit(
    _count: c_int,
    _arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    // SAFETY: the loader passes the environment as a list that ends in null.
    if unsafe { has_role(environment) } {
        return;
    }
    // SAFETY: fresh shared memory of one page, zeroed by the kernel, and all
    // zeros is a valid Tally. The process has one thread, so the fork is safe.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            size_of::<Tally>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if page == libc::MAP_FAILED {
            return;
        }
        TALLY.store(page.cast(), Ordering::Release);
        match libc::fork() {
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::atexit(at_exit);
            }
            -1 => {}
            judge => wait_for(judge),
        }
    }
}

/// # Safety
/// `environment` is a list of C strings that ends in null.
unsafe fn has_role(mut environment: *const *const c_char) -> bool {
    // SAFETY: as the caller promises; stops at the null.
    unsafe {
        while !(*environment).is_null() {
            let entry = CStr::from_ptr(*environment).to_bytes();
            if entry
                .strip_prefix(ROLE.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&b'='))
            {
                return true;
            }
            environment = environment.add(1);
        }
    }
    false
}

/// The Rust runtime ignores SIGPIPE on the way to `main` (and nothing in
/// `.init_array` has reason to), so this tells whether `main` was reached.
extern "C" fn at_exit() {
    // SAFETY: queries a disposition into a zeroed structure.
    let ignored = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    };
    if let (true, Some(tally)) = (ignored, tally()) {
        tally.came_through_main.store(1, Ordering::Relaxed);
    }
}

/// The watcher: ends as the judge ended, unless its success is not to be believed.
fn wait_for(judge: libc::pid_t) -> ! {
    let mut status = 0;
    // SAFETY: waits for the only child; EINTR repeats.
    while unsafe { libc::waitpid(judge, &raw mut status, 0) } < 0 {}
    if libc::WIFSIGNALED(status) {
        // SAFETY: dies of the same signal, or else leaves below.
        unsafe {
            libc::signal(libc::WTERMSIG(status), libc::SIG_DFL);
            libc::raise(libc::WTERMSIG(status));
            libc::_exit(128 + libc::WTERMSIG(status));
        }
    }
    let mut code = libc::WEXITSTATUS(status);
    if code == 0
        && let Some(complaint) = complaint()
    {
        // SAFETY: writes constant bytes.
        unsafe { libc::write(2, complaint.as_ptr().cast(), complaint.len()) };
        code = 101;
    }
    // SAFETY: leaves without handlers: those belong to the judge.
    unsafe { libc::_exit(code) }
}

fn complaint() -> Option<&'static str> {
    let tally = tally()?;
    let (begun, ended) = (
        tally.begun.load(Ordering::Relaxed),
        tally.ended.load(Ordering::Relaxed),
    );
    if tally.failed.load(Ordering::Relaxed) > 0 {
        Some(
            "\nexit: tests failed, but the program was made to end with status 0: something in the library runs when it exits\n",
        )
    } else if begun != ended {
        Some(
            "\nexit: the program ended with status 0 while a test was still running: something in the library ends it\n",
        )
    } else if tally.came_through_main.load(Ordering::Relaxed) == 0 {
        Some(
            "\nexit: the program ended with status 0 before the tests began: something in the library runs before main, a constructor\n",
        )
    } else {
        None
    }
}
