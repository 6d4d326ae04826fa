//! Other programs in the learner's terminal: the editor, and commands of the
//! course.

use std::io::{self, BufRead};
use std::path::Path;

use judging::exercise::catalogue::Course;
use judging::terminal::say;
use nix::sys::termios::{self, FlushArg, LocalFlags, SetArg, Termios};
use processes::{Ending, Spec};

use super::content::Spot;

/// What to do if no editor is named.
const NO_EDITOR: &str =
    "no editor is named: set the environment variable EDITOR, for example with `export EDITOR=vim`";

/// Opens a file in the learner's editor. Returns what went wrong.
pub fn edit(spot: &Spot) -> Option<String> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| {
        let editor = std::env::var(name).ok()?;
        (!editor.trim().is_empty()).then_some(editor)
    });
    let Some(editor) = named else {
        return Some(NO_EDITOR.to_owned());
    };
    // The variable may hold options, as in `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let spec = Spec::new(program).args(words);
    let (path, line) = (spot.path.as_os_str(), spot.line);
    let mut place = path.to_owned();
    place.push(format!(":{line}"));
    let name = Path::new(program)
        .file_name()
        .and_then(|name| name.to_str());
    let spec = match name {
        Some("code" | "codium" | "cursor") => spec.arg("--goto").arg(place),
        Some("hx" | "helix" | "subl" | "zed") => spec.arg(place),
        // vi, emacs, nano, micro, kakoune and others.
        _ => spec.arg(format!("+{line}")).arg(path),
    };
    match run(spec) {
        Ok(Ending::Exited(0)) => None,
        Ok(ending) => Some(format!("{program} {ending}")),
        Err(said) => Some(said),
    }
}

/// Runs a command of the course. If it only prints, it waits for a key before
/// the page comes back.
pub fn command(course: &Course, arguments: &[String]) -> Option<String> {
    let spec = Spec::new("/proc/self/exe")
        .args(arguments)
        .current_dir(&course.root);
    let prints = arguments.first().is_some_and(|name| name == "replay");
    let _quiet = prints.then(Quiet::begin);
    let ending = match run(spec) {
        Ok(ending) => ending,
        Err(said) => return Some(said),
    };
    // Status 1 means that the schedule fails, as it should.
    if prints || !matches!(ending, Ending::Exited(0 | 1)) {
        say("\npress enter to go back to the course\n");
        let _ = termios::tcflush(io::stdin(), FlushArg::TCIFLUSH);
        let _ = io::stdin().lock().read_line(&mut String::new());
    }
    None
}

/// While this value lives, the terminal does not show the keys that are pressed:
/// a command that only prints does not read them.
struct Quiet(Option<Termios>);

impl Quiet {
    fn begin() -> Quiet {
        let before = termios::tcgetattr(io::stdin()).ok();
        if let Some(mut now) = before.clone() {
            now.local_flags.remove(LocalFlags::ECHO);
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &now);
        }
        Quiet(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

/// Runs a program to its end, in this terminal.
fn run(spec: Spec) -> Result<Ending, String> {
    let mut child = spec.spawn().map_err(|error| error.to_string())?;
    child.wait().map_err(|error| error.to_string())
}
