//! A child in namespaces of its own, as a container runtime makes them: it is
//! process 1, it can signal no process outside, and it has a host name and a
//! network of its own. Its kernel is the same, and the process that started it can
//! still read its memory.
//!
//! `cargo run -p processes --example inside_a_container`

use std::error::Error;
use std::fs;
use std::io::{self, IoSliceMut, PipeReader, PipeWriter, Read, Write, pipe};
use std::process::id;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Pid, gethostname, getppid, pause, sethostname};
use processes::{become_subreaper, fork, proc};

/// What the child gets for itself: user IDs, process IDs, the host name, the
/// network and System V's IPC objects.
const OWN: CloneFlags = CloneFlags::CLONE_NEWUSER
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWIPC);

/// The exit code of a process that may not make namespaces.
const REFUSED: i32 = 3;

/// A number that the kernel draws when it boots.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The names in `/proc/self/net/dev`, two lines of headings left out.
fn interfaces() -> io::Result<Vec<String>> {
    let table = fs::read_to_string("/proc/self/net/dev")?;
    let names = table
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next());
    Ok(names.map(|name| name.trim().to_owned()).collect())
}

/// The life of the container's first process.
fn contained(outside: u32, boot_outside: &str, secret: &mut u64) -> Result<(), Box<dyn Error>> {
    println!(
        "inside:  I am process {}; my parent is process {}",
        id(),
        getppid()
    );
    let mut other = fork(|| 0)?;
    println!("inside:  my first child is process {}", other.pid());
    other.wait()?;
    let outside = Pid::from_raw(outside.cast_signed());
    let answer = kill(outside, None).map_or_else(|error| error.to_string(), |()| "ok".to_owned());
    println!("inside:  a signal to the process that started me: {answer}");
    sethostname("apartment-1")?;
    println!(
        "inside:  host name {:?}, network {:?}",
        gethostname()?,
        interfaces()?
    );
    println!("inside:  the same kernel: {}", boot() == boot_outside);
    *secret = 42;
    Ok(())
}

/// Enters the namespaces and starts process 1 in them. It is a child of this
/// process, which itself stays in the old PID namespace.
fn container(outside: u32, secret: &mut u64, mut told: PipeWriter, mut go: PipeReader) -> i32 {
    let boot = boot();
    if let Err(error) = unshare(OWN) {
        println!("skipped: this machine lets no ordinary user make namespaces: {error}");
        println!("         look at /proc/sys/user/max_user_namespaces and, on Ubuntu, at");
        println!("         /proc/sys/kernel/apparmor_restrict_unprivileged_userns");
        return REFUSED;
    }
    let first = fork(|| {
        if let Err(error) = contained(outside, &boot, secret) {
            println!("inside:  {error}");
            return 1;
        }
        // A child that outlives its parent, if it can.
        let orphan = fork(|| {
            pause();
            0
        });
        _ = told.write_all(b"!");
        _ = go.read(&mut [0]); // until the outside has looked
        std::mem::forget(orphan); // or it would be killed here
        0
    });
    // Die with the program that started this.
    _ = set_pdeathsig(Signal::SIGKILL);
    first
        .and_then(|mut first| first.wait())
        .map_or(1, |ending| ending.status().unwrap_or(1))
}

fn main() -> Result<(), Box<dyn Error>> {
    become_subreaper()?;
    let mut secret = 0_u64;
    let place = &raw const secret;
    let (name, me) = (gethostname()?, id());
    let (mut told, tell) = pipe()?;
    let (go, mut let_go) = pipe()?;
    let mut runtime = fork(|| container(me, &mut secret, tell, go))?;
    if told.read(&mut [0])? == 0 {
        let ending = runtime.wait()?;
        return match ending.status() {
            Some(REFUSED) => Ok(()),
            _ => Err(format!("the container {ending}").into()),
        };
    }
    let inner = proc::descendants(me.cast_signed())?;
    let first = inner
        .iter()
        .copied()
        .find(|&pid| numbers(pid).ends_with(" 1"));
    let first = first.ok_or("process 1 is not among our descendants")?;
    println!("outside: its numbers, here and there: {}", numbers(first));
    println!("outside: host name unchanged: {}", gethostname()? == name);
    let mut copy = [0; 8];
    let from = RemoteIoVec {
        base: place.addr(),
        len: copy.len(),
    };
    let read = process_vm_readv(
        Pid::from_raw(first),
        &mut [IoSliceMut::new(&mut copy)],
        &[from],
    );
    let read = read.map(|_| u64::from_ne_bytes(copy));
    println!("outside: I read in its memory: {}", text(read));
    let_go.write_all(b"!")?;
    runtime.wait()?;
    let left = inner
        .iter()
        .filter(|&&pid| proc::stat(pid).is_ok_and(|stat| !stat.has_ended()));
    println!(
        "outside: process 1 has ended; processes left in there: {}",
        left.count()
    );
    Ok(())
}

/// A process's numbers in each PID namespace that it is in (`NSpid`).
fn numbers(pid: processes::Pid) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn text(read: Result<u64, Errno>) -> String {
    read.map_or_else(|error| error.to_string(), |number| number.to_string())
}
