//! `who-waits PID`: prints what each thread of a process waits for.

use judging::terminal::say;
use judging::terminal::words::{FAINT, STRONG, styled};
use judging::trouble::Trouble;
use processes::proc::{self, Pid};

use crate::text::wrapped;
use crate::waits;

/// Prints a paragraph for each thread.
///
/// # Errors
/// There is no such process, or the user may not look into it.
pub fn who_waits(pid: Pid) -> Result<u8, Trouble> {
    let process = proc::stat(pid).map_err(|error| refused(pid, &error))?;
    if process.state.has_ended() {
        say(&format!(
            "{pid} ({}) is a zombie: it has ended, but its parent, process {}, has not reaped it yet (man 2 wait)\n",
            process.comm, process.parent
        ));
        return Ok(0);
    }
    let threads = waits::threads(pid).map_err(|error| refused(pid, &error))?;
    say(&format!(
        "{} {}, {}\n",
        styled(STRONG, pid),
        process.comm,
        judging::terminal::words::count(threads.len(), "thread")
    ));
    for thread in &threads {
        let title = format!("thread {} {}", thread.tid, thread.name);
        let state = styled(FAINT, format!("{:?}", thread.state).to_lowercase());
        say(&format!(
            "  {title}  {state}\n{}\n",
            wrapped(&waits::words(pid, thread, &threads), 96, "    ")
        ));
    }
    Ok(0)
}

fn refused(pid: Pid, error: &std::io::Error) -> Trouble {
    Trouble::Refused(match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no process {pid}, or /proc hides it from you")
        }
        std::io::ErrorKind::PermissionDenied => format!(
            "you may not look into process {pid}: it belongs to another user, or this machine forbids it \
             (see `Yama` in `cargo course doctor`); root may look into it"
        ),
        _ => format!("the state of process {pid} cannot be read: {error}"),
    })
}
