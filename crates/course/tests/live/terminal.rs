//! A pseudo-terminal in which the loop runs, and a thread that reads its screen.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixture::Fixture;

/// Only a broken loop takes longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Marks every process that a loop starts, so that a stray one is found.
const MARK: &str = "COURSE_LOOP_UNDER_TEST";

/// What came out of the terminal.
struct Seen {
    screen: vt100::Parser,
    raw: Vec<u8>,
    /// Whether the bytes end within a frame (synchronized update).
    drawing: bool,
    over: bool,
}

/// The loop in a terminal.
pub(crate) struct Terminal {
    child: Child,
    master: Option<OwnedFd>,
    slave: OwnedFd,
    before: (u32, u32),
    seen: Arc<(Mutex<Seen>, Condvar)>,
    mark: String,
}

impl Terminal {
    /// Starts the loop in a terminal of 100 columns and 30 rows.
    pub(crate) fn start(course: &Fixture, words: &[&str]) -> Terminal {
        Terminal::with(course, words, (100, 30), &[])
    }

    /// Starts the loop and leaves the welcome page.
    pub(crate) fn begun(course: &Fixture) -> Terminal {
        let terminal = Terminal::start(course, &[]);
        terminal.until("Press any key to begin");
        terminal.press(" ");
        terminal.until("red is where you start");
        terminal
    }

    /// Starts it in a terminal of that size, with these variables.
    pub(crate) fn with(
        course: &Fixture,
        words: &[&str],
        (columns, rows): (u16, u16),
        environment: &[(&str, &str)],
    ) -> Terminal {
        Terminal::of(course.command(words), (columns, rows), environment)
    }

    /// Starts any program in a terminal.
    pub(crate) fn of(
        mut command: Command,
        (columns, rows): (u16, u16),
        environment: &[(&str, &str)],
    ) -> Terminal {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}", std::process::id());
        let (master, slave) = pair(columns, rows);
        let before = modes(&slave);
        let end = || Stdio::from(slave.try_clone().unwrap());
        command
            .env("TERM", "xterm-256color")
            .env(MARK, &mark)
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end());
        // SAFETY: both calls are async-signal-safe and touch no memory.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().unwrap();
        let seen = Seen {
            screen: vt100::Parser::new(rows.max(1), columns.max(1), 0),
            raw: Vec::new(),
            drawing: false,
            over: false,
        };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let reader = File::from(master.try_clone().unwrap());
        let eyes = Arc::clone(&seen);
        thread::spawn(move || look(reader, &eyes));
        Terminal {
            child,
            master: Some(master),
            slave,
            before,
            seen,
            mark,
        }
    }

    /// Waits until the screen holds a text.
    #[track_caller]
    pub(crate) fn until(&self, text: &str) -> String {
        self.until_screen(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits until it does not.
    #[track_caller]
    pub(crate) fn until_gone(&self, text: &str) -> String {
        self.until_screen(&format!("no {text:?}"), |screen| !screen.contains(text))
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    pub(crate) fn until_screen(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (seen, news) = &*self.seen;
        let mut now = seen.lock().unwrap();
        loop {
            let screen = now.screen.screen().contents();
            // Half a frame does not count, because a terminal would not show it.
            if !now.drawing && wanted(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited for {what} in vain; the screen:\n{screen}"
            );
            assert!(!now.over, "ended before {what}; the screen:\n{screen}");
            now = news.wait_timeout(now, left).unwrap().0;
        }
    }

    /// What is on the screen now.
    pub(crate) fn screen(&self) -> String {
        self.seen.0.lock().unwrap().screen.screen().contents()
    }

    /// Whether anything on the screen has a color.
    pub(crate) fn is_coloured(&self) -> bool {
        let seen = self.seen.0.lock().unwrap();
        let screen = seen.screen.screen();
        let (rows, columns) = screen.size();
        (0..rows)
            .flat_map(|row| (0..columns).filter_map(move |column| screen.cell(row, column)))
            .any(|cell| cell.fgcolor() != vt100::Color::Default)
    }

    /// All bytes that came.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().raw.clone()
    }

    /// Types these keys.
    pub(crate) fn press(&self, keys: &str) {
        let master = self.master.as_ref().unwrap().try_clone().unwrap();
        File::from(master).write_all(keys.as_bytes()).unwrap();
    }

    /// Changes the size of the window.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        if columns > 0 && rows > 0 && columns < 1000 {
            let mut seen = self.seen.0.lock().unwrap();
            seen.screen.screen_mut().set_size(rows, columns);
        }
        let size = winsize(columns, rows);
        let master = self.master.as_ref().unwrap().as_raw_fd();
        // SAFETY: reads one winsize; the kernel sends SIGWINCH.
        let set = unsafe { libc::ioctl(master, libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0);
    }

    /// Sends the loop a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Closes the window.
    pub(crate) fn close(&mut self) {
        // The reading thread still has a copy, so the kernel does not hang up:
        // send the signal here.
        self.master = None;
        self.signal(Signal::SIGHUP);
    }

    /// Waits until the loop has ended.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still there:\n{}", self.screen());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Demands that the terminal is as it was.
    #[track_caller]
    pub(crate) fn is_as_before(&self) {
        assert_eq!(modes(&self.slave), self.before, "raw mode is left on");
        // The last bytes may still be on their way.
        let deadline = Instant::now() + PATIENCE;
        let (seen, news) = &*self.seen;
        let mut now = seen.lock().unwrap();
        while now.screen.screen().alternate_screen() || now.screen.screen().hide_cursor() {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the screen is not given back");
            now = news.wait_timeout(now, left).unwrap().0;
        }
    }

    /// Demands that no process is left that the loop or its children started.
    #[track_caller]
    pub(crate) fn leaves_nothing(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.marked();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The command lines of the processes that bear the mark.
    pub(crate) fn marked(&self) -> Vec<String> {
        let wanted = format!("{MARK}={}\0", self.mark);
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let is_marked = fs::read(entry.path().join("environ")).is_ok_and(|environment| {
                let with_end = [environment.as_slice(), b"\0"].concat();
                String::from_utf8_lossy(&with_end).contains(&wanted)
            });
            if is_marked {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push(String::from_utf8_lossy(&line).replace('\0', " "));
            }
        }
        found
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both ends of a terminal, which are closed in child processes (man 3 openpty).
fn pair(columns: u16, rows: u16) -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    let size = winsize(columns, rows);
    // SAFETY: writes two descriptors, reads one winsize; the rest may be null.
    let opened = unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut slave,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const size,
        )
    };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both are new, and nobody else owns them. A clone is closed in
    // child processes.
    let ends = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    (ends.0.try_clone().unwrap(), ends.1.try_clone().unwrap())
}

/// How the terminal treats input: raw mode changes both.
fn modes(slave: &OwnedFd) -> (u32, u32) {
    // SAFETY: plain numbers; the call fills them in.
    let mut modes: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: writes one termios.
    let read = unsafe { libc::tcgetattr(slave.as_raw_fd(), &raw mut modes) };
    assert_eq!(read, 0);
    (modes.c_lflag, modes.c_iflag)
}

fn winsize(columns: u16, rows: u16) -> libc::winsize {
    libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn look(mut reader: File, eyes: &(Mutex<Seen>, Condvar)) {
    let mut bytes = [0; 8192];
    loop {
        let read = reader.read(&mut bytes);
        let mut seen = eyes.0.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(count @ 1..) => {
                seen.screen.process(&bytes[..count]);
                seen.raw.extend_from_slice(&bytes[..count]);
                seen.drawing = is_within_a_frame(&seen.raw).unwrap_or(seen.drawing);
            }
            _ => seen.over = true,
        }
        eyes.1.notify_all();
        if seen.over {
            return;
        }
    }
}

/// Whether the last mark of a frame in these bytes is its beginning; `None` if
/// there is no mark near the end.
fn is_within_a_frame(raw: &[u8]) -> Option<bool> {
    const BEGIN: &[u8] = b"\x1b[?2026h";
    const END: &[u8] = b"\x1b[?2026l";
    // What came now, and a mark that it may have completed.
    let recent = &raw[raw.len().saturating_sub(8192 + BEGIN.len())..];
    let marks = recent.windows(BEGIN.len()).rev();
    marks
        .filter(|mark| *mark == BEGIN || *mark == END)
        .map(|mark| mark == BEGIN)
        .next()
}
