//! The judge's line to one subject: asks it, watches it, and explains the
//! result.

mod ends;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ipc::{Channel, RecvError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use processes::proc::{self, Pid, Target};
use records::Outcome;
use records::{Evidence, Output, Witness};

use crate::hang::{self, Hang, Watched};
use crate::judge::causes;
use crate::judge::output::Captured;
use crate::judge::share::Share;
use crate::judge::ward::{Ends, Ward};
use crate::outcome::Failing;
use crate::part::{Settings, Site};
use crate::subject::trouble::Trouble;
use crate::text;
use crate::warden::starts::faults::Failure;
use crate::wire::{Body, Ending, Question, Reply};

pub(crate) struct Line {
    ward: Ward,
    questions: Channel<Question, Reply>,
    stdout: Captured,
    stderr: Captured,
    next: u64,
    /// The key of the seals on this subject's replies.
    key: u64,
    settings: Settings,
    /// The witnesses of the current question.
    witnesses: Vec<Witness>,
    /// What the subject has reported since the last question that may be ending
    /// it.
    trouble: Option<Trouble>,
    /// Whether the warden now makes calls fail.
    faulty: bool,
}

/// How long a program may take to reach its `main`, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// If a pause ends this much later than it should, the judge was stopped or got
/// no CPU.
const LATE: Duration = Duration::from_millis(500);

/// An answer as bytes, with what the judge observed.
pub(crate) struct RawAnswer {
    pub bytes: Vec<u8>,
    pub evidence: Evidence,
}

/// What happened while the judge waited.
enum Event {
    Reply(Reply),
    /// Another process than the subject answered.
    Impostor(Pid),
    /// The bytes on the line are not an answer.
    Garbage,
    Ended(Ending),
    WardenGone,
    LineClosed,
    Hung(Failing),
    Deadline,
}

impl Line {
    /// Starts a subject.
    pub(crate) fn open(
        site: &Site,
        settings: &Settings,
        name: &str,
        signature: u64,
    ) -> Result<Self, Failing> {
        let broken = |error: &dyn std::fmt::Display| {
            Failing::new(
                Outcome::NotJudged,
                format!("the judge could not connect to the process that runs your code: {error}"),
            )
        };
        let (questions, subjects) = ipc::pair::<Question, Reply>().map_err(|e| broken(&e))?;
        let (stdout, out) = Captured::pipe().map_err(|e| broken(&e))?;
        let (stderr, err) = Captured::pipe().map_err(|e| broken(&e))?;
        let ends = Ends {
            questions: subjects.into_fd(),
            stdout: out,
            stderr: err,
        };
        let mut line = Line {
            ward: Ward::start(site, name, ends)?,
            questions,
            stdout,
            stderr,
            next: 0,
            key: fastrand::u64(..),
            settings: *settings,
            witnesses: Vec::new(),
            trouble: None,
            faulty: false,
        };
        match line.introduce(site.test(), name, signature) {
            Ok(()) => Ok(line),
            Err(failing) => {
                // There is a verdict already, whatever the code left behind.
                let _ = line.finish(true);
                Err(failing)
            }
        }
    }

    /// Asks one question and waits for the result. Also returns what the
    /// subject printed meanwhile.
    pub(crate) fn ask(&mut self, payload: Vec<u8>) -> (Result<RawAnswer, Failing>, Output) {
        let result = self.exchange(payload);
        self.stdout.drain();
        self.stderr.drain();
        let ((stdout, lost), (stderr, more)) = (self.stdout.take(), self.stderr.take());
        let output = Output {
            stdout,
            stderr,
            dropped: lost + more,
        };
        (result, output)
    }

    /// Makes calls fail during the next question. An error where the machine
    /// does not let the judge watch system calls.
    pub(crate) fn fail(&mut self, failure: Failure) -> Result<(), Failing> {
        if self.ward.fail(Some(failure)) {
            self.faulty = true;
            return Ok(());
        }
        Err(Failing::new(
            Outcome::NotJudged,
            "this machine does not let the judge watch system calls (seccomp), so the judge cannot make a call fail",
        ))
    }

    fn exchange(&mut self, payload: Vec<u8>) -> Result<RawAnswer, Failing> {
        let id = self.next;
        self.next += 1;
        self.witnesses.clear();
        self.trouble = None;
        let before = self.ward.counts();
        let cut_before = hang::cut_short();
        self.ward.allow_cpu(self.settings.cpu_seconds());
        let descriptors = self.ward.descriptors();
        let asked = Instant::now();
        let patience = Duration::from_secs_f64(self.settings.deadline);
        let event = match self
            .questions
            .send_timeout(&Question::Ask { id, payload }, patience)
        {
            Ok(true) => self.wait(asked, asked + patience),
            Ok(false) => Event::Deadline,
            Err(_) => self.why_no_line(),
        };
        let wall = asked.elapsed();
        let after = self.ward.counts();
        if std::mem::take(&mut self.faulty) {
            self.ward.fail(None);
        }
        let refused = match (&before, &after) {
            (Some(before), Some(after)) => after.refused > before.refused,
            _ => false,
        };
        let event = match event {
            // It answered, but it had killed or stopped the warden.
            Event::Reply(_) if self.ward.is_gone() => Event::WardenGone,
            event => event,
        };
        let reply = match event {
            Event::Reply(reply) => reply,
            event => {
                let mut failing = self.explain(event);
                let mut evidence = self.ward.look();
                evidence.wall = wall;
                failing.evidence = Some(Box::new(evidence));
                if refused {
                    failing = causes::too_many(&self.settings, failing);
                }
                return Err(failing);
            }
        };
        if !reply.is_sealed(self.key) {
            return Err(causes::forged_an_answer());
        }
        if reply.id != id {
            return Err(causes::answered_twice());
        }
        let bytes = match reply.body {
            Body::Answer(bytes) => bytes,
            Body::Panicked { message, at } => {
                let mut failing = Failing::new(Outcome::Panic, text::quoted(&message));
                failing.at = at;
                if refused {
                    failing = causes::too_many(&self.settings, failing);
                }
                return Err(failing);
            }
            Body::TooLong { length, limit } => return Err(causes::too_long(length, limit)),
            Body::RanOn => return Err(causes::ran_on(self.ward.subject())),
            Body::Ready { .. }
            | Body::Waiting
            | Body::Unknown
            | Body::Witness(_)
            | Body::Trouble(_) => {
                return Err(causes::forged_an_answer());
            }
            Body::BadQuestion(why) => {
                return Err(Failing::new(
                    Outcome::Fail,
                    format!(
                        "the program that holds your code cannot read the judge's question: {why}"
                    ),
                ));
            }
        };
        let mut evidence = self.ward.look();
        evidence.wall = wall;
        evidence.cpu = reply.usage.cpu;
        evidence.voluntary_switches = reply.usage.voluntary;
        evidence.involuntary_switches = reply.usage.involuntary;
        evidence.minor_faults = reply.usage.minor_faults;
        evidence.heap = reply.usage.heap;
        let left = match (descriptors, self.ward.descriptors()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            (Some(_), None) => return Err(causes::hid_itself()),
            // This machine does not show descriptors at all.
            (None, _) => 0,
        };
        evidence.descriptors_left = u32::try_from(left).unwrap_or(u32::MAX);
        evidence.witnesses = std::mem::take(&mut self.witnesses);
        let left = self.ward.left();
        evidence.relics = left.relics;
        evidence.files_left = left.files;
        if let (Some(before), Some(after)) = (before, after) {
            let cut = hang::cut_short();
            let twice = [
                cut.processes - cut_before.processes,
                cut.threads - cut_before.threads,
            ];
            let started = |counted: u32, twice| Some(counted.saturating_sub(twice));
            evidence.processes_started = started(after.processes - before.processes, twice[0]);
            evidence.threads_started = started(after.threads - before.threads, twice[1]);
            evidence.faults = after.faults - before.faults;
        }
        Ok(RawAnswer { bytes, evidence })
    }

    /// Waits for the result of a question.
    ///
    /// The deadline counts the judge's own time. While the judge is stopped
    /// (Ctrl-Z) or gets no CPU, that time does not pass. Nor does the time that
    /// the code loses to other programs ([`Share`]), up to three deadlines.
    fn wait(&mut self, asked: Instant, mut deadline: Instant) -> Event {
        let most = (deadline - asked) * 3;
        let mut granted = Duration::ZERO;
        let mut share = None;
        let mut hang = Hang::new(asked);
        loop {
            // A reply that has arrived counts, whatever else has happened
            // since.
            match self.reply() {
                Some(Event::LineClosed) => return self.why_no_line(),
                Some(event) => return event,
                None => {}
            }
            if let Some(ending) = self.ward.ended(Duration::ZERO) {
                return self.last_word().unwrap_or(Event::Ended(ending));
            }
            if self.ward.is_gone() {
                return self.last_word().unwrap_or(Event::WardenGone);
            }
            if Instant::now() >= deadline {
                let lost = share.as_ref().map_or(Duration::ZERO, Share::lost).min(most);
                if lost <= granted {
                    return self.no_answer(Event::Deadline);
                }
                deadline += lost - granted;
                granted = lost;
                continue;
            }
            if hang.is_due() {
                share.get_or_insert_with(|| Share::begin(self.ward.warden()));
                // The counts include earlier questions: a timer from one of
                // them may still run.
                let counts = self.ward.counts();
                let watched = Watched {
                    warden: self.ward.warden(),
                    alarms: counts.as_ref().map(|counts| counts.alarms),
                    starts: counts.map(|counts| counts.processes + counts.threads),
                    cpu_seconds: self.settings.cpu_seconds(),
                };
                if let Some(failing) = hang.look(&watched) {
                    // It may have answered while we looked.
                    return self
                        .last_word()
                        .unwrap_or_else(|| self.no_answer(Event::Hung(failing)));
                }
            }
            let until = hang.next().min(deadline);
            self.pause(until);
            let late = Instant::now().saturating_duration_since(until);
            if late > LATE {
                deadline += late;
            }
        }
    }

    /// Waits until something arrives on any line, and reads the subject's
    /// output so that the subject need not wait.
    fn pause(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let mut fds = vec![
            PollFd::new(self.questions.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.ward.control(), PollFlags::POLLIN),
        ];
        for stream in [&self.stdout, &self.stderr] {
            if let Some(fd) = stream.source() {
                fds.push(PollFd::new(fd, PollFlags::POLLIN));
            }
        }
        // An error or a signal only shortens the pause.
        let _ = poll(
            &mut fds,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        );
        self.stdout.drain();
        self.stderr.drain();
    }

    fn reply(&mut self) -> Option<Event> {
        let received = loop {
            match self.questions.recv_timeout(Duration::ZERO) {
                Ok(Some(received)) => match received.value.body {
                    Body::Witness(mark) => self.witnesses.push(Witness {
                        pid: received.sender,
                        mark,
                    }),
                    Body::Trouble(trouble) if received.sender == self.ward.subject() => {
                        self.trouble = Some(trouble);
                    }
                    // A child of the subject reported it.
                    Body::Trouble(_) => {}
                    _ => break Ok(Some(received)),
                },
                other => break other,
            }
        };
        match received {
            Ok(Some(received)) if received.sender != self.ward.subject() => {
                Some(Event::Impostor(received.sender))
            }
            Ok(Some(received)) => Some(Event::Reply(received.value)),
            Ok(None) => None,
            Err(RecvError::Closed | RecvError::Truncated { .. }) => Some(Event::LineClosed),
            Err(_) => Some(Event::Garbage),
        }
    }

    /// A reply that arrived before the end, if there is one.
    fn last_word(&mut self) -> Option<Event> {
        self.reply()
            .filter(|event| !matches!(event, Event::LineClosed))
    }

    /// Why there is no answer. Bytes that are not a whole answer take
    /// precedence.
    fn no_answer(&self, event: Event) -> Event {
        if self.questions.unfinished() > 0 {
            Event::Garbage
        } else {
            event
        }
    }

    /// Finds out why the line is closed: because the process is ending, or
    /// because the code closed it.
    fn why_no_line(&mut self) -> Event {
        /// The longest time for a process that is ending to be reported: a
        /// busy machine may not run it, or its warden, for seconds.
        const ENDING: Duration = Duration::from_secs(60);
        /// After this time, a process that has descriptors is not ending.
        const ALIVE: Duration = Duration::from_secs(3);
        let since = Instant::now();
        loop {
            if let Some(ending) = self.ward.ended(Duration::from_millis(20)) {
                return Event::Ended(ending);
            }
            if self.ward.is_gone() {
                return Event::WardenGone;
            }
            // An ending process closes all its descriptors at once. So one that
            // still has some has closed the line by hand, or (if a socket is
            // among them) has put another one in its place.
            let subject = self.ward.subject();
            let left = proc::descriptors(subject).unwrap_or_default();
            let has_a_socket = left.iter().any(|d| matches!(d.target, Target::Socket(_)));
            let is_ending = proc::stat(subject).map_or(true, |stat| stat.thread_is_ending());
            let closed_by_hand = match left.is_empty() {
                true => !is_ending && since.elapsed() > ALIVE,
                false => !has_a_socket || since.elapsed() > ALIVE,
            };
            if closed_by_hand || since.elapsed() > ENDING {
                return Event::LineClosed;
            }
        }
    }

    fn explain(&mut self, event: Event) -> Failing {
        match event {
            Event::Reply(_) => causes::unasked(),
            Event::Impostor(pid) => causes::ran_on(pid),
            Event::Garbage => causes::wrote_to_the_line(),
            Event::LineClosed => causes::closed_the_line(),
            Event::Ended(ending) => causes::ended(ending, self.trouble, &self.settings),
            Event::WardenGone if self.ward.is_forged() => causes::forged_a_report(),
            Event::WardenGone => causes::killed_the_warden(self.ward.killed_by()),
            Event::Hung(failing) => failing,
            Event::Deadline => causes::deadline(&self.settings, hang::states(self.ward.warden())),
        }
    }

    /// Ends the warden and the subject. An error if the code left something
    /// behind, or if it killed or stopped the warden.
    pub(crate) fn finish(mut self, orphans: bool) -> Result<(), Failing> {
        let result = if orphans {
            Ok(())
        } else {
            self.ward.leftovers()
        };
        let subject = self.ward.subject();
        let warden = self.ward.hang_up();
        // A child that ran on after the answer has replied by now. Such a child
        // also explains a zombie.
        while let Ok(Some(received)) = self.questions.recv_timeout(Duration::ZERO) {
            let is_note = matches!(received.value.body, Body::Witness(_) | Body::Trouble(_));
            if received.sender != subject && !is_note {
                return Err(causes::ran_on(received.sender));
            }
        }
        result.and(warden)
    }
}
