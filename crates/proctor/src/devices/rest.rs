//! Waits until nothing moves any more: every other thread of the process has
//! ended or waits in the kernel.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use processes::Pid;
use processes::proc;

use super::onlooker::Onlooker;

/// Waits until every other thread of this process has ended or waits, and
/// returns how many of them are left.
///
/// A thread that has been joined has ended. A thread of `std::thread::scope`
/// that nobody joined may still be on its way out when the scope returns, and
/// this function waits for that. A thread that stays (in a pool, or because it
/// waits for a message that nobody sends) is counted.
///
/// A thread that spins counts as waiting, as [`Onlooker`] says, and so does one
/// that polls: it sleeps for a while, looks, and sleeps again, dozens of times.
/// No clock plays a part: the function returns when the kernel has shown every
/// thread asleep twice, and none of them has left the CPU in between, except
/// those that poll.
///
/// ```
/// assert_eq!(proctor::threads_left(), 0);
/// let (give, gate) = std::sync::mpsc::channel::<()>();
/// std::thread::spawn(move || gate.recv());
/// assert_eq!(proctor::threads_left(), 1);
/// drop(give);
/// assert_eq!(proctor::threads_left(), 0);
/// ```
pub fn threads_left() -> usize {
    let mut known = BTreeMap::new();
    let mut before = None;
    loop {
        for number in others() {
            let onlooker = known.entry(number).or_insert_with(|| Onlooker::of(number));
            onlooker.until_it_waits();
        }
        let now = picture(&mut known);
        if let (Some(before), Some(now)) = (&before, &now)
            && before == now
        {
            return now.len();
        }
        before = now;
        // Leaves the CPU to the threads that need it until the next look.
        thread::sleep(Duration::from_micros(100));
    }
}

/// How often each thread has left the CPU; `None` if one runs or is new.
fn picture(known: &mut BTreeMap<Pid, Onlooker>) -> Option<BTreeMap<Pid, u64>> {
    let mut all = BTreeMap::new();
    for number in others() {
        let onlooker = known.get_mut(&number)?;
        match onlooker.rests() {
            Some(switches) => _ = all.insert(number, switches),
            None if onlooker.has_ended() => {}
            None => return None,
        }
    }
    Some(all)
}

/// The threads of this process without the calling one.
fn others() -> Vec<Pid> {
    let me = nix::unistd::gettid().as_raw();
    let mut all = proc::tasks(std::process::id().cast_signed()).unwrap_or_default();
    all.retain(|number| *number != me);
    all
}
