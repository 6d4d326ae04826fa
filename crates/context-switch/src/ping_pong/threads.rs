//! A game between two threads of this process.

use std::io;
use std::thread;

use super::ends::Ends;
use super::play::{self, Game};
use super::{PingPongError, Trips};
use crate::Pinned;

pub(super) fn play<E: Ends>(game: Game, ends: (E, E)) -> Result<Trips, PingPongError> {
    let (end_here, end_there) = ends;
    let _pinned = Pinned::to(game.cpus[0])?;
    thread::scope(|scope| {
        let there = thread::Builder::new().spawn_scoped(scope, || {
            let _pinned = Pinned::to(game.cpus[1])?;
            Ok::<_, PingPongError>(play::there(game, end_there, || true)?)
        })?;
        // The other thread ends early only if it cannot be pinned or has no
        // memory.
        let played = play::here(game, end_here, || !there.is_finished());
        let there = there
            .join()
            .map_err(|_| io::Error::other("the other thread panicked"))?;
        // Report the other thread's error first, because it explains an error
        // here.
        let (there, (elapsed, here)) = (there?, played?);
        Ok(Trips {
            round_trips: game.round_trips,
            elapsed,
            here,
            there,
        })
    })
}
