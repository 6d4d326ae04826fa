//! The subject: answers questions with the learner's code, one at a time.
//!
//! It is a fork of the warden with one thread, so that learner code which
//! forks does not fork a threaded process and a signal reaches the thread that
//! waits for it.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outcome::Place;
use crate::text;
use crate::wire::{Body, Question, Reply, Usage};

thread_local! {
    static PANICKED_AT: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Serves until the judge hangs up. Runs in the forked child only.
pub(crate) fn serve<Q, A>(questions: OwnedFd, code: fn(Q) -> A) -> !
where
    Q: Serialize + DeserializeOwned + Debug,
    A: Serialize + DeserializeOwned + Debug,
{
    report_panics_in_one_line();
    let me = std::process::id();
    let Ok(mut channel) = ipc::Channel::<Reply, Question>::from_fd(questions) else {
        quit()
    };
    while let Ok(received) = channel.recv() {
        let Question { id, payload } = received.value;
        let before = usage();
        let body = match postcard::from_bytes::<Q>(&payload) {
            Ok(question) => answer(code, question),
            Err(error) => Body::BadQuestion(error.to_string()),
        };
        let usage = usage().since(&before);
        if std::process::id() != me {
            // A child that the learner's code forked came back from it.
            let _ = channel.send(&Reply {
                id,
                body: Body::RanOn,
                usage,
            });
            quit();
        }
        // What the code left in the buffers belongs to this answer.
        let _ = std::io::stdout().flush();
        if channel.send(&Reply { id, body, usage }).is_err() {
            // The line is closed though the judge listens: it sees that, and
            // names it. An exit here would look like the learner's own.
            loop {
                nix::unistd::pause();
            }
        }
    }
    quit()
}

fn answer<Q, A: Serialize>(code: fn(Q) -> A, question: Q) -> Body {
    PANICKED_AT.set(None);
    match catch_unwind(AssertUnwindSafe(|| code(question))) {
        Ok(answer) => match postcard::to_stdvec(&answer) {
            Ok(bytes) => Body::Answer(bytes),
            Err(error) => Body::Panicked {
                message: format!("the answer cannot be written down: {error}"),
                at: None,
            },
        },
        Err(payload) => Body::Panicked {
            message: text::panic_message(&*payload),
            at: PANICKED_AT.take(),
        },
    }
}

/// Leaves at once: no destructors, no buffers, no exit handlers, because those
/// belong to the test program of which this is a copy.
fn quit() -> ! {
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(0) }
}

/// One line on standard error for a panic, whatever the environment says of backtraces.
fn report_panics_in_one_line() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|location| Place {
            file: location.file().to_owned(),
            line: location.line(),
        });
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let at = place
            .as_ref()
            .map_or_else(String::new, |place| format!(" at {place}"));
        let message = text::panic_message(info.payload());
        let _ = writeln!(std::io::stderr(), "thread '{name}' panicked{at}: {message}");
        PANICKED_AT.set(place);
    }));
}

impl Usage {
    fn since(&self, before: &Usage) -> Usage {
        Usage {
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

fn usage() -> Usage {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Usage::default();
    };
    let time = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0))
            + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))
    };
    Usage {
        voluntary: u64::try_from(usage.voluntary_context_switches()).unwrap_or(0),
        involuntary: u64::try_from(usage.involuntary_context_switches()).unwrap_or(0),
        minor_faults: u64::try_from(usage.minor_page_faults()).unwrap_or(0),
        cpu: time(usage.user_time()) + time(usage.system_time()),
    }
}
