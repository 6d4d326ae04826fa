//! `who-waits PID`: each thread of a process, and what it waits for.

use processes::proc::{self, Pid};

use crate::waits;
use judging::terminal::say;
use judging::terminal::words::{FAINT, STRONG, styled, wrapped};
use judging::trouble::Trouble;

/// Prints a paragraph for each thread.
///
/// # Errors
/// No such process, or no right to look at it.
pub fn who_waits(pid: Pid) -> Result<u8, Trouble> {
    let process = proc::stat(pid).map_err(|error| refused(pid, &error))?;
    if process.state.has_ended() {
        say(&format!(
            "{pid} ({}) has ended and waits to be waited for by its parent {}: a zombie\n",
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
            format!("there is no process {pid} (any more), or /proc hides it from you")
        }
        std::io::ErrorKind::PermissionDenied => format!(
            "you may not look into process {pid}: it is another user's, or the machine forbids it \
             (`cargo course doctor`); as root it can be seen"
        ),
        _ => format!("process {pid} cannot be looked at: {error}"),
    })
}
