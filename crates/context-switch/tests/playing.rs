//! Ping-pong: what the kernel counts is what was played, and nothing is left.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use context_switch::{
    Between, Over, PinError, PingPong, PingPongError, Placement, Trips, allowed_cpus, resumes,
    working_set,
};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

const BOTH: [Between; 2] = [Between::Processes, Between::Threads];

fn play(between: Between, over: Over, placement: Placement) -> Option<Trips> {
    match PingPong::new(between, over, placement).run(300) {
        Ok(trips) => Some(trips),
        Err(PingPongError::Pin(PinError::TooFew { .. })) => None,
        Err(error) => panic!("{between:?} {over:?} {placement:?}: {error}"),
    }
}

#[test]
fn on_one_cpu_every_round_trip_is_two_switches() {
    for between in BOTH {
        for over in [Over::Pipe, Over::Futex] {
            let trips = play(between, over, Placement::OneCpu).unwrap();
            // Nobody answers while the other has the CPU. There, the switch
            // before the first trip may already have been counted.
            let played = u64::from(trips.round_trips);
            assert!(
                trips.here.switches() >= played,
                "{between:?} {over:?} {trips:?}"
            );
            assert!(
                trips.there.switches() >= played - 1,
                "{between:?} {over:?} {trips:?}"
            );
        }
    }
}

#[test]
fn spinning_on_two_cpus_never_waits_in_the_kernel() {
    for between in BOTH {
        if let Some(trips) = play(between, Over::Spin, Placement::TwoCpus) {
            // A page fault may wait for a lock, once or twice.
            let waits = trips.here.voluntary + trips.there.voluntary;
            assert!(waits < 30, "300 trips, {trips:?}");
        }
    }
}

#[test]
fn every_channel_works_on_two_cpus() {
    for between in BOTH {
        for over in [Over::Pipe, Over::Futex, Over::Spin] {
            if let Some(trips) = play(between, over, Placement::TwoCpus) {
                assert!(trips.nanos() > 0.0);
            }
        }
    }
}

#[test]
fn spinning_on_one_cpu_is_refused_with_what_to_do_instead() {
    let game = PingPong::new(Between::Threads, Over::Spin, Placement::OneCpu);
    let error = game.run(1).unwrap_err();
    assert!(
        error.to_string().contains("use two CPUs, or a futex"),
        "{error}"
    );
}

#[test]
fn the_caller_is_not_pinned_afterwards() {
    let before = allowed_cpus().unwrap();
    for between in BOTH {
        play(between, Over::Pipe, Placement::OneCpu);
        assert_eq!(allowed_cpus().unwrap(), before);
    }
}

#[test]
fn no_round_trips_take_no_time_to_speak_of() {
    let trips = PingPong::new(Between::Processes, Over::Pipe, Placement::OneCpu)
        .run(0)
        .unwrap();
    assert_eq!(trips.round_trips, 0);
    assert!(trips.nanos().is_finite());
}

extern "C" fn nothing(_: libc::c_int) {}

#[test]
fn signals_that_interrupt_every_call_lose_no_round_trip() {
    let handler = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing, and nobody else here uses SIGUSR1.
    unsafe { sigaction(Signal::SIGUSR1, &handler) }.unwrap();
    static PLAYING: AtomicBool = AtomicBool::new(true);
    let (process, player) = (std::process::id(), nix::unistd::gettid().as_raw());
    let disturber = thread::spawn(move || {
        while PLAYING.load(Relaxed) {
            // SAFETY: numbers only; the player outlives this thread, which it joins.
            let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, player, libc::SIGUSR1) };
            assert_eq!(sent, 0);
            thread::yield_now();
        }
    });
    let mut played = Vec::new();
    for between in BOTH {
        for over in [Over::Pipe, Over::Futex] {
            played.push(PingPong::new(between, over, Placement::OneCpu).run(200));
        }
    }
    PLAYING.store(false, Relaxed);
    disturber.join().unwrap();
    assert!(played.iter().all(Result::is_ok), "{played:?}");
}

#[test]
fn a_million_resumes_are_no_switch_of_the_kernels() {
    let trips = resumes(1_000_000).unwrap();
    assert!(trips.here.voluntary < 30, "{trips:?}");
}

#[test]
fn a_working_set_is_used_by_both_sides() {
    let idle = PingPong::new(Between::Processes, Over::Pipe, Placement::OneCpu);
    let without = idle.run(10).unwrap();
    let with = idle.using(256 << 10).run(10).unwrap();
    // The first touch is in the warm-up: no faults are left in the time.
    assert!(without.there.minor_faults < 50 && with.there.minor_faults < 50);
    let cost = working_set::cost(Between::Threads, 0, 10).unwrap();
    assert!(
        cost.of_two_switches() > 0.0,
        "no pages: only the switches are left, {cost:?}"
    );
}
