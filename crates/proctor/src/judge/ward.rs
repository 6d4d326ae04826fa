//! The judge's side of a warden: its start, its reports, its end, and the
//! processes below it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ipc::Channel;
use processes::proc::{self, Pid, Stat};
use processes::{Child, Spec, Stdio};
use records::Evidence;
use records::Outcome;

use crate::judge::causes;
use crate::judge::orphans::{end_orphans, wardens_of_this_process};
use crate::judge::stop::Stop;
use crate::outcome::Failing;
use crate::part::Site;
use crate::temporary::TemporaryFolder;
use crate::text;
use crate::threads;
use crate::warden::starts::faults::Failure;
use crate::wire::{self, Counts, Ending, Order, ROLE, Remains, Report};

/// How long a process may take to vanish after the answer.
const GRACE: Duration = Duration::from_millis(250);
/// How long a warden may take to answer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the judge looks whether a warden that it waits for is stopped.
const POLLING: Duration = Duration::from_millis(200);

pub(crate) struct Ward {
    warden: Child,
    control: Channel<Order, Report>,
    subject: Pid,
    counting: bool,
    ended: Option<Ending>,
    gone: bool,
    /// Whether another process than the warden wrote to the line between judge
    /// and warden.
    forged: bool,
    /// When the warden started, in ticks since boot.
    started: u64,
}

/// The ends of the line and the pipes that the subject gets.
pub(crate) struct Ends {
    pub questions: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

impl Ward {
    /// Starts the warden and the subject, and waits until both are ready.
    pub(crate) fn start(site: &Site, name: &str, ends: Ends) -> Result<Self, Failing> {
        let broken = |what: &str, error: &dyn std::fmt::Display| {
            Failing::new(
                Outcome::NotJudged,
                format!("the process that runs your code could not be started: {what}: {error}"),
            )
        };
        let program = program_of_the_subject()
            .map_err(|e| broken("opening the program that holds your code", &e))?;
        let (control, wardens) =
            ipc::pair::<Order, Report>().map_err(|e| broken("making a socket pair", &e))?;
        // This very program, even if its file has been removed or replaced.
        let mut spec = Spec::new("/proc/self/exe")
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
            .stdin(Stdio::Null)
            .stdout(Stdio::Null)
            .stderr(Stdio::Null)
            .pass(wardens.into_fd(), wire::CONTROL)
            .pass(ends.questions, wire::QUESTIONS)
            .pass(ends.stdout, wire::STDOUT)
            .pass(ends.stderr, wire::STDERR);
        if let Some(program) = program {
            spec = spec.pass(program, wire::PROGRAM);
        }
        // Only kernels that are too old to run this program refuse it.
        let _ = processes::become_subreaper();
        let warden = {
            let mut wardens = wardens_of_this_process();
            let warden = spec
                .spawn()
                .map_err(|e| broken("starting its warden", &e))?;
            wardens.insert(warden.pid());
            warden
        };
        let started = proc::stat(warden.pid()).map_or(0, |stat| stat.start_ticks);
        let mut ward = Ward {
            warden,
            control,
            subject: 0,
            counting: false,
            ended: None,
            gone: false,
            forged: false,
            started,
        };
        match ward.greet() {
            Ok(()) => Ok(ward),
            Err(failing) => {
                // There is a verdict already, however the warden ends.
                let _ = ward.hang_up();
                Err(failing)
            }
        }
    }

    fn greet(&mut self) -> Result<(), Failing> {
        let failing = |outcome, cause: &str| Err(Failing::new(outcome, cause));
        match self.report(PATIENCE) {
            Some(Report::Ready { subject, counting }) => {
                self.subject = subject;
                self.counting = counting;
                Ok(())
            }
            Some(Report::Broken(why)) => failing(Outcome::NotJudged, &why),
            Some(Report::Ended(_) | Report::Counts(_) | Report::Left(_) | Report::Outlived(_)) => {
                failing(
                    Outcome::NotJudged,
                    "the warden sent a report that the judge did not expect",
                )
            }
            // Learner code runs in the warden only under `cargo test`.
            None if self.gone => failing(Outcome::Exit, causes::BEFORE_MAIN),
            None => failing(Outcome::Timeout, causes::HANGS_BEFORE_MAIN),
        }
    }

    pub(crate) fn warden(&self) -> Pid {
        self.warden.pid()
    }

    pub(crate) fn subject(&self) -> Pid {
        self.subject
    }

    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// How the subject ended, if the warden has reported it. Waits for that
    /// report for at most `patience`.
    pub(crate) fn ended(&mut self, patience: Duration) -> Option<Ending> {
        if self.ended.is_none() {
            self.report(patience);
        }
        self.ended
    }

    /// Whether the warden is gone or stopped. Only a signal can do that to it.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// The signal that killed the warden, if a signal killed it.
    pub(crate) fn killed_by(&mut self) -> Option<i32> {
        self.warden
            .wait_timeout(GRACE)
            .ok()
            .flatten()
            .and_then(processes::Ending::signal)
    }

    /// Whether a report came from another process than the warden: the code
    /// got hold of a line that is not its own.
    pub(crate) fn is_forged(&self) -> bool {
        self.forged
    }

    /// Reads one report, if one arrives in time. If it says how the subject
    /// ended, that is kept. Only reports from the warden itself count.
    fn report(&mut self, patience: Duration) -> Option<Report> {
        match self.control.recv_timeout(patience) {
            Ok(Some(received)) if received.sender != self.warden.pid() => {
                self.forged = true;
                self.gone = true;
            }
            Ok(Some(received)) => {
                if let Report::Ended(ending) = received.value {
                    self.ended = Some(ending);
                }
                return Some(received.value);
            }
            Ok(None) => {}
            Err(_) => self.gone = true,
        }
        None
    }

    /// Gives an order and waits for the report that answers it; `None` if the
    /// warden is gone or stopped.
    fn ask<T>(&mut self, order: &Order, answer: impl Fn(&Report) -> Option<T>) -> Option<T> {
        if self.gone {
            return None;
        }
        self.gone = self.control.send(order).is_err();
        let until = Instant::now() + PATIENCE;
        let mut stop = Stop::of(self.warden.pid());
        while !self.gone {
            if let Some(report) = self.report(POLLING) {
                if let Some(answer) = answer(&report) {
                    return Some(answer);
                }
                continue;
            }
            // A late answer must not be taken for the answer to a later order.
            self.gone |= stop.lasts() || Instant::now() > until;
        }
        None
    }

    /// What the subject has started until now; `None` where that is not
    /// counted, or if the warden does not answer.
    pub(crate) fn counts(&mut self) -> Option<Counts> {
        let counts = self.ask(&Order::Count, |report| match report {
            Report::Counts(counts) => Some(*counts),
            _ => None,
        });
        counts.filter(|_| self.counting)
    }

    /// What the subject and its descendants made and did not remove.
    pub(crate) fn left(&mut self) -> Remains {
        let left = self.ask(&Order::List, |report| match report {
            Report::Left(left) => Some(left.clone()),
            _ => None,
        });
        left.unwrap_or_default()
    }

    /// Makes calls fail; with `None`, no call fails any more. Returns whether
    /// the machine can do that.
    pub(crate) fn fail(&mut self, failure: Option<Failure>) -> bool {
        let done = self.ask(&Order::Fail(failure), |report| match report {
            Report::Counts(_) => Some(()),
            _ => None,
        });
        done.is_some() && self.counting
    }

    /// Lets the subject use this many seconds of CPU time more than it has used
    /// until now.
    pub(crate) fn allow_cpu(&self, seconds: u64) {
        let used = proc::stat(self.subject).map_or(0, |stat| stat.cpu().as_secs());
        let (resource, nothing) = (libc::RLIMIT_CPU, std::ptr::null_mut());
        // SAFETY: prlimit fills the zeroed structure, then reads it. An error
        // leaves the limit as it was.
        unsafe {
            let mut limit: libc::rlimit = std::mem::zeroed();
            if libc::prlimit(self.subject, resource, std::ptr::null(), &raw mut limit) == 0 {
                limit.rlim_cur = used.saturating_add(seconds).min(limit.rlim_max);
                libc::prlimit(self.subject, resource, &raw const limit, nothing);
            }
        }
    }

    /// How many descriptors the subject has open; `None` if it has ended, or
    /// the machine or the code hides them.
    pub(crate) fn descriptors(&self) -> Option<usize> {
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.subject)).ok()?;
        Some(all.count())
    }

    /// What /proc says about the subject and its descendants.
    pub(crate) fn look(&self) -> Evidence {
        let below = self.below();
        let status = proc::status(self.subject).ok();
        let stat = proc::stat(self.subject).ok();
        let zombies = self.zombies(&below);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Evidence {
            pid: self.subject,
            children: count(below.iter().filter(|stat| !stat.has_ended()).count()),
            zombies: count(zombies),
            orphans: count(self.orphans(&below)),
            threads: threads::living(self.subject),
            peak_memory: status.as_ref().map_or(0, |status| status.peak_resident),
            cpu: stat.map_or(Duration::ZERO, |stat| stat.cpu()),
            ..Evidence::default()
        }
    }

    /// The processes that the learner's code started and that are still there.
    fn below(&self) -> Vec<Stat> {
        proc::descendants(self.warden.pid())
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| *pid != self.subject)
            .filter_map(|pid| proc::stat(pid).ok())
            .collect()
    }

    /// Children of the warden, running or ended, that are not the subject.
    fn orphans(&self, below: &[Stat]) -> usize {
        let is_orphan = |stat: &&Stat| stat.parent == self.warden.pid();
        below.iter().filter(is_orphan).count()
    }

    /// Processes that have ended and that their parent has not waited for.
    /// Children of the warden do not count: it is the warden's task to reap
    /// them.
    fn zombies(&self, below: &[Stat]) -> usize {
        below
            .iter()
            .filter(|stat| stat.has_ended() && stat.parent != self.warden.pid())
            .count()
    }

    /// Checks what the code left behind, after the time that a process may take
    /// to vanish. Ends the subject.
    pub(crate) fn leftovers(&mut self) -> Result<(), Failing> {
        let leak = |cause| Err(Failing::new(Outcome::Leak, cause));
        let until = Instant::now() + GRACE;
        loop {
            let below = self.below();
            let alive: Vec<_> = below.iter().filter(|stat| !stat.has_ended()).collect();
            let zombies = self.zombies(&below);
            if alive.is_empty() && zombies == 0 {
                break;
            }
            // On a busy machine it takes a while until a killed process is
            // gone.
            let time = if alive.iter().any(|stat| is_dying(stat)) {
                until + PATIENCE
            } else {
                until
            };
            if Instant::now() < time {
                std::thread::sleep(Duration::from_millis(5));
            } else if alive.is_empty() {
                return leak(text::zombies(zombies));
            } else {
                return leak(text::still_running(&alive));
            }
        }
        let outlived = self.ask(&Order::Finish, |report| match report {
            Report::Outlived(outlived) => Some(*outlived),
            _ => None,
        });
        let relics = self.left().relics;
        match outlived {
            _ if self.forged => Err(causes::forged_a_report()),
            Some(false) if relics.is_empty() => Ok(()),
            Some(false) => leak(text::relics(&relics)),
            Some(true) => leak(
                "processes are still running after the answer: each of them starts the next one and then ends"
                    .to_owned(),
            ),
            None => Err(causes::killed_the_warden(self.killed_by())),
        }
    }

    /// Closes the line, which tells the warden to end everything. Returns when
    /// that is done.
    ///
    /// An error if a signal has ended or stopped the warden. The warden can
    /// answer its last order before it stops: a signal to a process reaches one
    /// of its threads, and on a busy machine another thread runs on meanwhile.
    pub(crate) fn hang_up(self) -> Result<(), Failing> {
        let Ward {
            mut warden,
            control,
            gone,
            started,
            ..
        } = self;
        drop(control);
        let until = Instant::now() + if gone { GRACE } else { PATIENCE };
        let mut stop = Stop::of(warden.pid());
        let ended = loop {
            let ended = warden.wait_timeout(POLLING).ok().flatten();
            if ended.is_some() || stop.lasts() || Instant::now() > until {
                break ended;
            }
        };
        if ended.is_none() {
            let _ = warden.kill_tree();
        }
        let mut wardens = wardens_of_this_process();
        wardens.remove(&warden.pid());
        if ended != Some(processes::Ending::Exited(0)) {
            end_orphans(&wardens, started);
            TemporaryFolder::of(warden.pid().cast_unsigned()).remove();
        }
        match ended.and_then(processes::Ending::signal) {
            None if !stop.is_sure() => Ok(()),
            signal => Err(causes::killed_the_warden(signal)),
        }
    }
}

/// The program that holds the learner's code, opened once: changes to the file
/// after that have no effect. `None` if it is this program.
fn program_of_the_subject() -> io::Result<Option<OwnedFd>> {
    static OPENED: OnceLock<Option<Result<File, String>>> = OnceLock::new();
    let opened = OPENED.get_or_init(|| {
        let path = std::env::var_os(wire::SUBJECT)?;
        let named = |error| format!("{}: {error}", path.display());
        Some(File::open(&path).map_err(named))
    });
    match opened {
        None => Ok(None),
        Some(Ok(file)) => Ok(Some(file.as_fd().try_clone_to_owned()?)),
        Some(Err(error)) => Err(io::Error::other(error.clone())),
    }
}

/// Whether a process will soon be gone: it is ending, or a SIGKILL is pending.
fn is_dying(stat: &Stat) -> bool {
    stat.is_ending()
        || proc::status(stat.pid)
            .is_ok_and(|status| proc::Status::has(status.signals_pending, libc::SIGKILL))
}
