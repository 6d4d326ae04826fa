//! The table on which the steps of the worked example play: two ends, and a
//! pipe for each direction. A module of the examples `step_*`, not an example.

use std::io::{self, PipeReader, PipeWriter, Read, Write};

// ANCHOR: end
/// One end of the table. It sends the ball through one pipe and gets it back
/// through the other.
pub(crate) struct End {
    from: PipeReader,
    to: PipeWriter,
}

impl End {
    /// Sends the ball and waits until it comes back.
    pub(crate) fn round_trip(&mut self) -> io::Result<()> {
        self.to.write_all(b"o")?;
        self.from.read_exact(&mut [0])
    }

    /// Sends every ball back, until the other end is dropped.
    pub(crate) fn serve(mut self) -> io::Result<()> {
        let mut ball = [0];
        while self.from.read(&mut ball)? == 1 {
            self.to.write_all(&ball)?;
        }
        Ok(())
    }
}
// ANCHOR_END: end

impl End {
    /// Makes both ends.
    pub(crate) fn pair() -> io::Result<(End, End)> {
        let ((from_here, to_there), (from_there, to_here)) = (io::pipe()?, io::pipe()?);
        let here = End {
            from: from_there,
            to: to_there,
        };
        let there = End {
            from: from_here,
            to: to_here,
        };
        Ok((here, there))
    }
}
