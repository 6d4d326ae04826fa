//! The watch over a judge whose program holds the learner's code.
//!
//! Under `cargo test` the learner's library is linked into the test program. A
//! constructor in it (a function in `.init_array`) runs before `main`, in the
//! judge too. It could end the program with status 0 before a test runs, and
//! `cargo test` would call that a success. So the test program forks at the
//! earliest possible moment, in `.preinit_array`. The child goes on and becomes
//! the judge. The parent waits, and it accepts status 0 only if every test that
//! the command line asks for has begun, all of them have finished, and none has
//! failed.
//!
//! ```text
//!  cargo test ─▶ watcher ─ fork ─▶ judge ─▶ warden ─▶ subject
//! ```
//!
//! Each test announces itself, also in `.preinit_array` ([`announce`]). The
//! list of tests is in memory that the watcher and the judge share.
//!
//! A judge that `cargo course` starts contains none of the learner's code, so
//! it has no watcher.

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use crate::bare;
use crate::judge::asked::Asked;
use crate::record::RECORDS;
use crate::wire::ROLE;

/// How many tests of one file are watched.
const ROOM: usize = 500;

/// What the judge tells the watcher, in memory that both share.
struct Tally {
    /// The tests that have announced themselves, by the address and length of
    /// their names, which are the same in both processes.
    names: [(AtomicUsize, AtomicUsize); ROOM],
    announced: AtomicUsize,
    begun: AtomicU32,
    ended: AtomicU32,
    failed: AtomicU32,
}

/// Null if there is no watcher.
static TALLY: AtomicPtr<Tally> = AtomicPtr::new(std::ptr::null_mut());

/// The tally. The first caller makes it: the tests announce themselves before
/// or after the fork, in an order that the linker chooses.
fn made() -> Option<&'static Tally> {
    if let Some(tally) = tally() {
        return Some(tally);
    }
    // SAFETY: fresh shared memory, zeroed by the kernel, and all zeros is a
    // valid Tally. Before `main` the process has one thread.
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
            return None;
        }
        TALLY.store(page.cast(), Ordering::Release);
    }
    tally()
}

fn tally() -> Option<&'static Tally> {
    // SAFETY: set once, to a mapping that is never unmapped.
    unsafe { TALLY.load(Ordering::Acquire).as_ref() }
}

/// Puts a test of this program, `crate::module::function`, on the watcher's
/// list. The code that the attribute generates calls it from `.preinit_array`.
pub fn announce(name: &'static str) {
    let Some(tally) = made() else { return };
    let place = tally.announced.fetch_add(1, Ordering::Relaxed);
    if let Some((address, length)) = tally.names.get(place) {
        address.store(name.as_ptr().addr(), Ordering::Relaxed);
        length.store(name.len(), Ordering::Relaxed);
    }
}

/// The part that the environment gave this process when it started. A
/// constructor that changes the environment comes too late.
pub(crate) fn role() -> Option<String> {
    if AT_START.get() == Some(&false) {
        return None;
    }
    std::env::var(ROLE).ok()
}

/// Whether the environment held a part at the start. Unset if no code of this
/// file ran before `main`.
static AT_START: OnceLock<bool> = OnceLock::new();

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
    arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    // SAFETY: the loader passes the environment as a list that ends in null.
    let (role, recorded) = unsafe { (names(environment, ROLE), names(environment, RECORDS)) };
    let _ = AT_START.set(role);
    if role || recorded || made().is_none() {
        return;
    }
    // SAFETY: the process has one thread, so the fork is safe.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: sets an attribute of this process.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        }
        -1 => {}
        // SAFETY: the loader passes the arguments as a list that ends in null.
        judge => unsafe { wait_for(judge, arguments) },
    }
}

/// Whether an environment holds a variable.
///
/// # Safety
/// `environment` is a list of C strings that ends in null.
unsafe fn names(environment: *const *const c_char, variable: &str) -> bool {
    // SAFETY: as the caller promises.
    unsafe { strings(environment) }.any(|entry| {
        entry
            .strip_prefix(variable.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&b'='))
    })
}

/// # Safety
/// `list` is a list of C strings that ends in null.
unsafe fn strings(mut list: *const *const c_char) -> impl Iterator<Item = &'static [u8]> {
    std::iter::from_fn(move || {
        // SAFETY: as the caller promises; stays at the null. The loader's
        // strings live as long as the process.
        unsafe {
            let entry = *list;
            if entry.is_null() {
                return None;
            }
            list = list.add(1);
            Some(CStr::from_ptr(entry).to_bytes())
        }
    })
}

/// The watcher: ends as the judge ended, unless the judge's success cannot be
/// believed.
///
/// # Safety
/// `arguments` is a list of C strings that ends in null.
unsafe fn wait_for(judge: libc::pid_t, arguments: *const *const c_char) -> ! {
    let status = bare::wait_for(judge);
    if libc::WIFSIGNALED(status) {
        // SAFETY: dies of the same signal, or else leaves below.
        unsafe {
            libc::signal(libc::WTERMSIG(status), libc::SIG_DFL);
            libc::raise(libc::WTERMSIG(status));
        }
        bare::exit(128 + libc::WTERMSIG(status));
    }
    let mut code = libc::WEXITSTATUS(status);
    // SAFETY: as the caller promises.
    let asked = Asked::of(unsafe { strings(arguments) }.skip(1));
    if code == 0
        && let Some(complaint) = tally().and_then(|tally| complaint(tally, &asked))
    {
        bare::write(2, complaint.as_bytes());
        code = 101;
    }
    // Without exit handlers: those belong to the judge.
    bare::exit(code)
}

fn complaint(tally: &Tally, asked: &Asked) -> Option<&'static str> {
    let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed) as usize;
    let (begun, ended) = (count(&tally.begun), count(&tally.ended));
    if count(&tally.failed) > 0 {
        Some(
            "\nexit: tests failed, but the program ended with status 0: code in your library runs when the program exits\n",
        )
    } else if begun != ended {
        Some(
            "\nexit: the program ended with status 0 while a test was still running: code in your library ends the program\n",
        )
    } else if begun < names_of(tally).filter(|name| asked.for_test(name)).count() {
        Some(
            "\nexit: the program ended with status 0 before every test had begun: your library holds code that runs before main (a constructor)\n",
        )
    } else {
        None
    }
}

/// The announced tests, named as libtest names them.
fn names_of(tally: &Tally) -> impl Iterator<Item = &'static str> {
    let announced = tally.announced.load(Ordering::Relaxed).min(ROOM);
    tally.names[..announced].iter().map(|(address, length)| {
        let (address, length) = (
            address.load(Ordering::Relaxed),
            length.load(Ordering::Relaxed),
        );
        // SAFETY: `announce` stored a static string's address and length, and
        // the fork left it at this address.
        let name = unsafe {
            std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), length)
        };
        let name = std::str::from_utf8(name).unwrap_or_default();
        name.split_once("::").map_or(name, |(_, test)| test)
    })
}
