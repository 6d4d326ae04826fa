//! The judge's line to one subject: start it, ask it, watch it, end it.

use std::collections::HashSet;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipc::{Channel, RecvError};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use processes::proc::{self, Pid, State};
use processes::{Child, Spec};

use crate::evidence::{Evidence, Output};
use crate::hang::{Hang, Watched};
use crate::outcome::{Failing, Outcome};
use crate::part::{Settings, Site};
use crate::text;
use crate::wire::{self, Body, Counts, Ending, Order, Question, ROLE, Reply, Report};

/// What of each stream is kept.
const OUTPUT_CAP: usize = 256 << 10;
/// How long a process may take to vanish after the answer.
const GRACE: Duration = Duration::from_millis(250);
/// How long warden and subject may take to stand, on a machine however busy.
const START: Duration = Duration::from_secs(20);

pub(crate) struct Line {
    warden: Child,
    subject: Pid,
    counting: bool,
    control: Channel<Order, Report>,
    questions: Channel<Question, Reply>,
    stdout: Captured,
    stderr: Captured,
    next: u64,
    settings: Settings,
}

/// An answer as bytes, with what was observed.
pub(crate) struct RawAnswer {
    pub bytes: Vec<u8>,
    pub evidence: Evidence,
}

/// What came while the judge waited.
enum Event {
    Reply(Reply),
    /// The learner's process `0` answered in place of the subject.
    Impostor(Pid),
    Ended(Ending),
    WardenGone,
    LineClosed,
    Hung(Failing),
    Deadline,
}

impl Line {
    /// Starts warden and subject.
    pub(crate) fn open(
        site: &Site,
        settings: &Settings,
        name: &str,
        signature: u64,
    ) -> Result<Self, Failing> {
        let broken = |what: &str, error: &dyn std::fmt::Display| {
            Failing::new(
                Outcome::NotJudged,
                format!("the process for the code could not be started: {what}: {error}"),
            )
        };
        let program = match std::env::var_os("PROCTOR_SUBJECT") {
            Some(program) => program.into(),
            None => std::env::current_exe().map_err(|e| broken("finding this program", &e))?,
        };
        let pair = |e| broken("making a socket pair", &e);
        let (control, wardens) = ipc::pair::<Order, Report>().map_err(pair)?;
        let (questions, subjects) = ipc::pair::<Question, Reply>().map_err(pair)?;
        let (stdout, out) = Captured::pipe().map_err(|e| broken("making a pipe", &e))?;
        let (stderr, err) = Captured::pipe().map_err(|e| broken("making a pipe", &e))?;
        let spec = Spec::new(program)
            .args([
                site.test(),
                "--exact",
                "--include-ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ROLE, format!("{} {name}", site.test()))
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .env_remove(crate::RECORDS)
            .stdin(processes::Stdio::Null)
            .stdout(processes::Stdio::Null)
            .stderr(processes::Stdio::Null)
            .pass(wardens.into_fd(), wire::CONTROL)
            .pass(subjects.into_fd(), wire::QUESTIONS)
            .pass(out, wire::STDOUT)
            .pass(err, wire::STDERR);
        let _ = processes::become_subreaper();
        let warden = {
            let mut wardens = wardens_of_this_process();
            let warden = spec.spawn().map_err(|e| broken("starting it", &e))?;
            wardens.insert(warden.pid());
            warden
        };
        let mut line = Line {
            warden,
            subject: 0,
            counting: false,
            control,
            questions,
            stdout,
            stderr,
            next: 0,
            settings: *settings,
        };
        line.greet(signature)?;
        Ok(line)
    }

    fn greet(&mut self, expected: u64) -> Result<(), Failing> {
        let failing = match self.control.recv_timeout(START) {
            Ok(Some(received)) => match received.value {
                Report::Ready { signature, .. } if signature != expected => Failing::new(
                    Outcome::NotJudged,
                    "the subject was built from another version of the tests",
                ),
                Report::Ready {
                    subject, counting, ..
                } => {
                    self.subject = subject;
                    self.counting = counting;
                    return Ok(());
                }
                Report::Broken(why) => Failing::new(Outcome::NotJudged, why),
                other => Failing::new(Outcome::NotJudged, format!("unexpected report {other:?}")),
            },
            Ok(None) => Failing::new(
                Outcome::Timeout,
                "the program did not reach the test: something hangs that runs before main",
            ),
            Err(_) => Failing::new(
                Outcome::Exit,
                "the program ended before it reached the test: something runs before main, a constructor",
            ),
        };
        Err(failing)
    }

    /// Asks one question and waits for what comes of it; with it comes
    /// whatever was printed meanwhile.
    pub(crate) fn ask(&mut self, payload: Vec<u8>) -> (Result<RawAnswer, Failing>, Output) {
        let mut result = self.exchange(payload);
        self.stdout.drain();
        self.stderr.drain();
        let output = Output {
            stdout: self.stdout.take(),
            stderr: self.stderr.take(),
            dropped: std::mem::take(&mut self.stdout.dropped)
                + std::mem::take(&mut self.stderr.dropped),
        };
        if let Err(failing) = &mut result
            && failing.outcome == Outcome::Crash
            && output.stderr.contains("memory allocation of ")
        {
            failing.outcome = Outcome::Limit;
            failing.cause = format!(
                "it asked for more memory than the {} MiB that this test allows",
                self.settings.memory
            );
        }
        (result, output)
    }

    fn exchange(&mut self, payload: Vec<u8>) -> Result<RawAnswer, Failing> {
        let id = self.next;
        self.next += 1;
        let before = self.counts();
        let descriptors = self.descriptors();
        let shared = shared_memory();
        let asked = Instant::now();
        let patience = Duration::from_secs_f64(self.settings.deadline);
        match self
            .questions
            .send_timeout(&Question { id, payload }, patience)
        {
            Ok(true) => {}
            Ok(false) => return Err(self.explain(Event::Deadline)),
            Err(_) => {
                let event = self.why_no_line();
                return Err(self.explain(event));
            }
        }
        let event = self.wait(asked, &before);
        let wall = asked.elapsed();
        let reply = match event {
            Event::Reply(reply) if reply.id == id => reply,
            Event::Reply(_) => {
                return Err(Failing::new(
                    Outcome::Fail,
                    "it answered one question twice",
                ));
            }
            event => {
                let mut failing = self.explain(event);
                failing.evidence = Some(Box::new(self.evidence_of_no_answer(wall)));
                return Err(failing);
            }
        };
        let bytes = match reply.body {
            Body::Answer(bytes) => bytes,
            Body::Panicked { message, at } => {
                let mut failing = Failing::new(Outcome::Panic, message);
                failing.at = at;
                return Err(failing);
            }
            Body::RanOn => return Err(ran_on(self.subject)),
            Body::BadQuestion(why) => {
                return Err(Failing::new(
                    Outcome::NotJudged,
                    format!("the subject does not understand the question: {why}"),
                ));
            }
        };
        let after = self.counts();
        let mut evidence = self.look();
        evidence.wall = wall;
        evidence.cpu = reply.usage.cpu;
        evidence.voluntary_switches = reply.usage.voluntary;
        evidence.involuntary_switches = reply.usage.involuntary;
        evidence.minor_faults = reply.usage.minor_faults;
        evidence.descriptors_left =
            u32::try_from(self.descriptors().saturating_sub(descriptors)).unwrap_or(u32::MAX);
        evidence.shared_memory = shared_memory().difference(&shared).cloned().collect();
        if self.counting {
            evidence.processes_started = Some(after.processes - before.processes);
            evidence.threads_started = Some(after.threads - before.threads);
        }
        Ok(RawAnswer { bytes, evidence })
    }

    fn wait(&mut self, asked: Instant, before: &Counts) -> Event {
        let deadline = asked + Duration::from_secs_f64(self.settings.deadline);
        let mut hang = Hang::new(asked);
        loop {
            // A reply that is there counts, whatever else has happened since.
            match self.reply() {
                Some(Event::LineClosed) => return self.why_no_line(),
                Some(event) => return event,
                None => {}
            }
            match self.control.recv_timeout(Duration::ZERO) {
                Ok(Some(received)) => {
                    if let Report::Ended(ending) = received.value {
                        return self
                            .reply()
                            .filter(|e| matches!(e, Event::Reply(_) | Event::Impostor(_)))
                            .unwrap_or(Event::Ended(ending));
                    }
                }
                Ok(None) => {}
                Err(_) => return Event::WardenGone,
            }
            if Instant::now() >= deadline {
                return Event::Deadline;
            }
            if hang.is_due() {
                let watched = Watched {
                    warden: self.warden.pid(),
                    alarms: self.counting.then(|| self.counts().alarms - before.alarms),
                };
                if let Some(failing) = hang.look(&watched) {
                    // It may have answered while we looked.
                    return self.reply().unwrap_or(Event::Hung(failing));
                }
            }
            let pause = hang
                .next()
                .min(deadline)
                .saturating_duration_since(Instant::now());
            self.pause(pause);
        }
    }

    /// Waits for anything on any line, and keeps the output flowing.
    fn pause(&mut self, at_most: Duration) {
        let timeout =
            PollTimeout::try_from(at_most + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds = vec![
            PollFd::new(self.questions.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
        ];
        for stream in [&self.stdout, &self.stderr] {
            if let Some(fd) = &stream.fd {
                fds.push(PollFd::new(fd.as_fd(), PollFlags::POLLIN));
            }
        }
        let _ = poll(&mut fds, timeout);
        drop(fds);
        self.stdout.drain();
        self.stderr.drain();
    }

    fn reply(&mut self) -> Option<Event> {
        match self.questions.recv_timeout(Duration::ZERO) {
            Ok(Some(received)) if received.sender != self.subject => {
                Some(Event::Impostor(received.sender))
            }
            Ok(Some(received)) => Some(Event::Reply(received.value)),
            Ok(None) => None,
            Err(RecvError::Closed | RecvError::Truncated { .. }) => Some(Event::LineClosed),
            Err(_) => Some(Event::Impostor(self.subject)),
        }
    }

    /// The line is closed: because the process is gone, or because the code closed it?
    fn why_no_line(&mut self) -> Event {
        match self.control.recv_timeout(GRACE) {
            Ok(Some(received)) => match received.value {
                Report::Ended(ending) => Event::Ended(ending),
                _ => Event::LineClosed,
            },
            Ok(None) => Event::LineClosed,
            Err(_) => Event::WardenGone,
        }
    }

    fn explain(&mut self, event: Event) -> Failing {
        match event {
            Event::Reply(_) => {
                Failing::new(Outcome::NotJudged, "an answer came that was not asked for")
            }
            Event::Impostor(pid) if pid == self.subject => Failing::new(
                Outcome::Fail,
                "the code wrote to a descriptor that is not its own: the line on which answers go",
            ),
            Event::Impostor(pid) => ran_on(pid),
            Event::Ended(ending) => ended(ending, &self.settings),
            Event::WardenGone => Failing::new(
                Outcome::Crash,
                match self.warden.wait_timeout(GRACE) {
                    Ok(Some(processes::Ending::Killed { signal, .. })) => {
                        format!(
                            "the code killed its parent, the process that watches over it ({})",
                            text::signal(signal)
                        )
                    }
                    _ => "the process that watches over the code is gone".to_owned(),
                },
            ),
            Event::LineClosed => Failing::new(
                Outcome::Fail,
                "the code closed a descriptor that is not its own: the line on which answers go",
            ),
            Event::Hung(failing) => failing,
            Event::Deadline => {
                let states = crate::hang::states(self.warden.pid());
                Failing::new(
                    Outcome::Timeout,
                    format!("no answer within {:.1} s\n{states}", self.settings.deadline),
                )
            }
        }
    }

    /// The counts until now; zeros if the warden does not count or answer.
    fn counts(&mut self) -> Counts {
        if !self.counting || self.control.send(&Order::Count).is_err() {
            return Counts::default();
        }
        match self.control.recv_timeout(GRACE) {
            Ok(Some(received)) => match received.value {
                Report::Counts(counts) => counts,
                _ => Counts::default(),
            },
            _ => Counts::default(),
        }
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.subject)).map_or(0, Iterator::count)
    }

    /// What /proc says of the subject and of all below it.
    fn look(&self) -> Evidence {
        let below = self.below();
        let status = proc::status(self.subject).ok();
        Evidence {
            pid: self.subject,
            children: below.iter().filter(|s| s.state != State::Zombie).count() as u32,
            zombies: self.zombies(&below),
            threads: status.as_ref().map_or(0, |status| status.threads),
            peak_memory: status.as_ref().map_or(0, |status| status.peak_resident),
            ..Evidence::default()
        }
    }

    fn evidence_of_no_answer(&self, wall: Duration) -> Evidence {
        let mut evidence = self.look();
        evidence.wall = wall;
        if let Ok(stat) = proc::stat(self.subject) {
            evidence.cpu = stat.user + stat.system;
        }
        evidence
    }

    /// The processes that the learner's code started and that are still there.
    fn below(&self) -> Vec<proc::Stat> {
        proc::descendants(self.warden.pid())
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| *pid != self.subject)
            .filter_map(|pid| proc::stat(pid).ok())
            .collect()
    }

    /// Ended children that nobody waited for. Those that the warden inherited are its to reap.
    fn zombies(&self, below: &[proc::Stat]) -> u32 {
        let warden = self.warden.pid();
        below
            .iter()
            .filter(|stat| stat.state == State::Zombie && stat.parent != warden)
            .count() as u32
    }

    /// Ends warden and subject; an error if the code left something behind.
    pub(crate) fn finish(mut self, orphans: bool) -> Result<(), Failing> {
        let result = if orphans { Ok(()) } else { self.leftovers() };
        let warden = self.warden.pid();
        // Hanging up is the order to end everything.
        drop(self.control);
        if !matches!(
            self.warden.wait_timeout(Duration::from_secs(5)),
            Ok(Some(_))
        ) {
            let _ = self.warden.kill_tree();
        }
        let mut wardens = wardens_of_this_process();
        wardens.remove(&warden);
        adopt_nobody(&wardens);
        drop(wardens);
        // A child that ran on after the answer has reported by now.
        while let Ok(Some(received)) = self.questions.recv_timeout(Duration::ZERO) {
            if result.is_ok() && received.sender != self.subject {
                return Err(ran_on(received.sender));
            }
        }
        result
    }

    fn leftovers(&self) -> Result<(), Failing> {
        let until = Instant::now() + GRACE;
        loop {
            let below = self.below();
            let alive: Vec<_> = below
                .iter()
                .filter(|stat| stat.state != State::Zombie)
                .collect();
            let zombies = self.zombies(&below);
            if alive.is_empty() && zombies == 0 {
                return Ok(());
            }
            if Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let cause = if alive.is_empty() {
                format!(
                    "{} left: nobody waited for a child that has ended",
                    text::count(zombies as usize, "a zombie is", "zombies are")
                        .replacen("1 ", "", 1)
                )
            } else {
                let names: Vec<_> = alive
                    .iter()
                    .map(|stat| format!("{} ({})", stat.pid, stat.comm))
                    .collect();
                format!(
                    "{} still running after the answer: {}",
                    text::count(alive.len(), "process is", "processes are"),
                    names.join(", ")
                )
            };
            return Err(Failing::new(Outcome::Leak, cause));
        }
    }
}

fn ran_on(pid: Pid) -> Failing {
    Failing::new(
        Outcome::Fail,
        format!(
            "a child ran on into the caller's code: process {pid}, forked by your code, came back \
             out of it as if it were the parent\nA forked child must end inside your function, by exec or _exit."
        ),
    )
}

fn ended(ending: Ending, settings: &Settings) -> Failing {
    match ending {
        Ending::Exited(status) => Failing::new(
            Outcome::Exit,
            format!("it ended the process (status {status}) instead of returning an answer"),
        ),
        Ending::Killed { signal } if signal == libc::SIGXCPU => Failing::new(
            Outcome::Limit,
            format!(
                "it used more CPU time than this test allows ({:.0} s)",
                2.0 * settings.deadline.ceil() + 2.0
            ),
        ),
        Ending::Killed { signal } if signal == libc::SIGXFSZ => Failing::new(
            Outcome::Limit,
            "it wrote a file larger than this test allows (256 MiB)",
        ),
        Ending::Killed { signal } => Failing::new(
            Outcome::Crash,
            format!("the process was ended by {}", text::signal(signal)),
        ),
    }
}

/// The wardens that live: a process below this one that is not one of them
/// lost its warden, and must not outlive it.
fn wardens_of_this_process() -> MutexGuard<'static, HashSet<Pid>> {
    static SET: std::sync::LazyLock<Mutex<HashSet<Pid>>> = std::sync::LazyLock::new(Mutex::default);
    SET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends orphans whose warden was killed: this process, a subreaper, inherited them.
fn adopt_nobody(wardens: &HashSet<Pid>) {
    let me = std::process::id() as Pid;
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let orphans: Vec<Pid> = proc::children(me)
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| !wardens.contains(pid))
            .filter(|pid| carries_role(*pid))
            .collect();
        if orphans.is_empty() || Instant::now() > until {
            return;
        }
        for orphan in orphans {
            let pid = nix::unistd::Pid::from_raw(orphan);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(pid, None);
        }
    }
}

/// Whether a process stems from a subject: its environment says so, or it is
/// a zombie and has none.
fn carries_role(pid: Pid) -> bool {
    let marker = format!("{ROLE}=");
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
        environ
            .split(|b| *b == 0)
            .any(|v| v.starts_with(marker.as_bytes()))
    }) || proc::stat(pid).is_ok_and(|stat| stat.state == State::Zombie)
}

fn shared_memory() -> HashSet<String> {
    std::fs::read_dir("/dev/shm")
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default()
}

/// One stream of the subject, read without ever blocking and capped.
struct Captured {
    fd: Option<std::fs::File>,
    kept: Vec<u8>,
    dropped: u64,
}

impl Captured {
    fn pipe() -> Result<(Self, OwnedFd), Errno> {
        let (ours, theirs) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        nix::fcntl::fcntl(
            &ours,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )?;
        let captured = Captured {
            fd: Some(ours.into()),
            kept: Vec::new(),
            dropped: 0,
        };
        Ok((captured, theirs))
    }

    fn drain(&mut self) {
        let mut buffer = [0u8; 16 << 10];
        // A process that writes without end must not keep the judge here.
        for _ in 0..64 {
            let Some(fd) = &mut self.fd else { return };
            match fd.read(&mut buffer) {
                Ok(0) => self.fd = None,
                Ok(length) => {
                    let room = OUTPUT_CAP.saturating_sub(self.kept.len()).min(length);
                    self.kept.extend_from_slice(&buffer[..room]);
                    self.dropped += (length - room) as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.kept)).into_owned()
    }
}
