//! The other side may be killed at any moment. A file of its own, because a
//! test that kills needs to know its own child from other tests'.

use std::thread;

use context_switch::{Between, Over, PingPong, Placement, allowed_cpus};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use processes::proc::children;

#[test]
fn a_child_that_is_killed_ends_the_game_with_an_error_and_is_reaped() {
    let me = std::process::id().cast_signed();
    for over in [Over::Pipe, Over::Futex, Over::Spin] {
        let placement = match over {
            Over::Spin if allowed_cpus().unwrap().len() < 2 => continue,
            Over::Spin => Placement::TwoCpus,
            Over::Pipe | Over::Futex => Placement::OneCpu,
        };
        // More trips than there is time for.
        let endless = PingPong::new(Between::Processes, over, placement);
        let game = thread::spawn(move || endless.run(u32::MAX));
        let child = loop {
            match children(me).unwrap().as_slice() {
                [] => thread::yield_now(),
                &[child] => break child,
                more => panic!("one child was forked, not {more:?}"),
            }
        };
        kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
        let error = game.join().unwrap().unwrap_err();
        assert!(
            error.to_string().contains("the other side ended"),
            "{over:?}: {error}"
        );
        assert_eq!(children(me).unwrap(), [], "nothing is left of it");
    }
}
