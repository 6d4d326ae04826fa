//! The subject: answers questions with the learner's code, one at a time.
//!
//! Its process has one thread when it calls the learner's code. So code that
//! forks does not fork a process with several threads, and a signal reaches the
//! thread that waits for it. The subject is either a program of its own that
//! holds the learner's code and no judge, or (under `cargo test`, where one
//! program plays all the parts) a fork of the warden.
//!
//! The code in this folder shares its process with the learner's code: nothing
//! that it says decides a verdict alone.

mod implements;
pub(crate) mod memory;
pub(crate) mod trouble;
pub(crate) mod witness;

use std::cell::RefCell;
use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use records::Heap;
use records::Place;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::part::Site;
use crate::text;
use crate::wire::{self, BYE, Body, HELLO, Question, Reply, Types, Usage};

thread_local! {
    static PANICKED_AT: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// The code of a subject, from an encoded question to an encoded answer.
///
/// A test program has a subject of other types for each test. Only this much of
/// it is compiled for each of them; all else is compiled once.
pub(crate) struct Code<'a> {
    pub types: Types,
    pub answer: &'a dyn Fn(&[u8]) -> Body,
}

/// Decodes the question, calls the code, and encodes the answer. A panic of the
/// code goes through.
pub(crate) fn answer<Q, A>(code: fn(Q) -> A, question: &[u8]) -> Body
where
    Q: DeserializeOwned,
    A: Serialize,
{
    let question = match postcard::from_bytes::<Q>(question) {
        Ok(question) => question,
        Err(error) => return Body::BadQuestion(error.to_string()),
    };
    match postcard::to_stdvec(&code(question)) {
        Ok(bytes) => Body::Answer(bytes),
        Err(error) => Body::Panicked {
            message: format!("the answer cannot be serialized: {error}"),
            at: None,
        },
    }
}

/// What a judge asked for, and the line to it.
pub(crate) struct Serving {
    pub test: String,
    pub subject: String,
    key: u64,
    line: Line,
}

type Line = ipc::Channel<Reply, Question>;

/// Waits for the judge to say what to serve. For the `main` of a program that
/// holds learner code: the line's descriptor is its argument.
pub(crate) fn hello() -> Serving {
    let line = std::env::args()
        .nth(1)
        .and_then(|number| number.parse().ok());
    let Some(fd) = line.filter(|fd| *fd > 2) else {
        let _ = writeln!(
            std::io::stderr(),
            "this program runs learner code for a judge: start it with `cargo course check`"
        );
        // SAFETY: `_exit` only ends the process.
        unsafe { libc::_exit(2) }
    };
    // SAFETY: the warden passed this descriptor for this purpose. `introduced`
    // refuses a number that is not open or not a socket.
    introduced(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The same where the warden itself became the subject.
pub(crate) fn introduced(line: OwnedFd) -> Serving {
    let Ok(mut line) = Line::from_fd(line) else {
        quit()
    };
    witness::use_line(line.as_fd().as_raw_fd());
    match line.recv().map(|received| received.value) {
        Ok(Question::Hello { test, subject, key }) => Serving {
            test,
            subject,
            key,
            line,
        },
        _ => quit(),
    }
}

impl Serving {
    fn reply(&mut self, id: u64, body: Body, usage: Usage) -> bool {
        let seal = wire::seal(self.key, id);
        let reply = |body| Reply {
            id,
            body,
            usage,
            seal,
        };
        match self.line.send(&reply(body)) {
            Ok(()) => true,
            Err(ipc::SendError::TooLong { length, limit }) => {
                let body = Body::TooLong { length, limit };
                self.line.send(&reply(body)).is_ok()
            }
            Err(_) => false,
        }
    }

    /// There is no such test, or no such subject in it.
    pub(crate) fn decline(mut self) {
        self.reply(HELLO, Body::Unknown, Usage::default());
    }
}

/// Serves until the judge hangs up.
pub(crate) fn serve(mut serving: Serving, site: Site, code: &Code) -> ! {
    report_panics_in_one_line();
    trouble::report_stack_overflows();
    name_this_process(site);
    let me = std::process::id();
    let signature = wire::signature(site, &serving.subject, code.types);
    serving.reply(HELLO, Body::Ready { signature }, Usage::default());
    while let Ok(received) = serving.line.recv() {
        let (id, payload) = match received.value {
            Question::Ask { id, payload } => (id, payload),
            Question::Bye if std::process::id() == me => {
                serving.reply(BYE, Body::Waiting, Usage::default());
                continue;
            }
            _ => quit(),
        };
        let before = usage();
        let held = memory::begin();
        let body = answer_or_panic(code, &payload);
        let mut usage = usage().since(&before);
        usage.heap = without_answer(memory::end(held), &body);
        if std::process::id() != me {
            // A child that the learner's code forked has returned from it.
            serving.reply(id, Body::RanOn, usage);
            quit();
        }
        // What the code left in the buffers belongs to this answer.
        let _ = std::io::stdout().flush();
        if !serving.reply(id, body, usage) {
            // The line is closed although the judge listens. The judge sees
            // that and reports it. An exit here would look like one by the
            // learner's code.
            loop {
                nix::unistd::pause();
            }
        }
    }
    quit()
}

/// Gives this process the name of the crate under test, for lists of processes.
fn name_this_process(site: Site) {
    let name = site.name.split("::").next().unwrap_or(site.name);
    if let Ok(name) = CString::new(name) {
        // The kernel keeps the first 15 bytes of it.
        let _ = nix::sys::prctl::set_name(&name);
    }
}

fn answer_or_panic(code: &Code, question: &[u8]) -> Body {
    PANICKED_AT.set(None);
    match catch_unwind(AssertUnwindSafe(|| (code.answer)(question))) {
        Ok(body) => body,
        Err(payload) => Body::Panicked {
            message: text::brief(&text::panic_message(&*payload)),
            at: PANICKED_AT.take(),
        },
    }
}

/// Ends the process at once, without destructors, buffers or exit handlers:
/// those belong to the test program of which this is a copy.
pub(crate) fn quit() -> ! {
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(0) }
}

/// Prints a panic as one line on standard error, whatever the environment says
/// about backtraces.
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
        let message = text::brief(&text::panic_message(info.payload()));
        let _ = writeln!(std::io::stderr(), "thread '{name}' panicked{at}: {message}");
        PANICKED_AT.set(place);
    }));
}

/// The same without the encoded answer, which belongs to the serving loop.
fn without_answer(heap: Heap, body: &Body) -> Heap {
    let answer = match body {
        Body::Answer(bytes) => bytes.capacity(),
        Body::Panicked { message, at } => {
            message.capacity() + at.as_ref().map_or(0, |at| at.file.capacity())
        }
        _ => 0,
    };
    Heap {
        left: heap.left.saturating_sub(answer as u64),
        ..heap
    }
}

impl Usage {
    fn since(&self, before: &Usage) -> Usage {
        Usage {
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            cpu: self.cpu.saturating_sub(before.cpu),
            heap: self.heap,
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
        heap: Heap::default(),
    }
}
