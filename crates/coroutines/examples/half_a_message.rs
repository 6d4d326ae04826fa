//! A cancellation that loses half a message.
//!
//! A reader waits for a line, but not longer than 20 ms. Half of the line is
//! there. When the time is over, the future is dropped, and with it the half
//! that it had read.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use coroutines::executor::Executor;
use coroutines::reactor::{Reactor, Source};

// ANCHOR: timeout
/// Awaits `future`, but not longer than `limit`. Then it drops the future.
async fn timeout<F: Future>(reactor: &Reactor, limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = pin!(reactor.sleep(limit));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}
// ANCHOR_END: timeout

// ANCHOR: loses
/// What it has read is in a local variable, and so in the future.
async fn read_line(source: &Source<UnixStream>) -> io::Result<String> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        source
            .read_with(|mut stream| stream.read_exact(&mut byte))
            .await?;
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
// ANCHOR_END: loses

// ANCHOR: keeps
/// What it has read outlives the future.
struct Lines {
    source: Source<UnixStream>,
    begun: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> io::Result<String> {
        while self.begun.last() != Some(&b'\n') {
            let mut byte = [0];
            self.source
                .read_with(|mut stream| stream.read_exact(&mut byte))
                .await?;
            self.begun.extend(byte);
        }
        let line = std::mem::take(&mut self.begun);
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}
// ANCHOR_END: keeps

const LIMIT: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let executor = Executor::with_reactor(reactor.clone());

    let (ours, mut theirs) = UnixStream::pair()?;
    let source = reactor.register(ours)?;
    executor.block_on(async {
        theirs.write_all(b"do not ")?;
        let first = timeout(&reactor, LIMIT, read_line(&source)).await;
        println!(
            "in time: {}",
            first.transpose()?.as_deref().unwrap_or("nothing")
        );
        theirs.write_all(b"open the door\n")?;
        println!("the next line: {}", read_line(&source).await?);
        io::Result::Ok(())
    })?;

    let (ours, mut theirs) = UnixStream::pair()?;
    let mut lines = Lines {
        source: reactor.register(ours)?,
        begun: Vec::new(),
    };
    println!("with a buffer that outlives the future:");
    executor.block_on(async {
        theirs.write_all(b"do not ")?;
        let first = timeout(&reactor, LIMIT, lines.next()).await;
        println!(
            "in time: {}",
            first.transpose()?.as_deref().unwrap_or("nothing")
        );
        theirs.write_all(b"open the door\n")?;
        println!("the next line: {}", lines.next().await?);
        io::Result::Ok(())
    })?;
    Ok(())
}
