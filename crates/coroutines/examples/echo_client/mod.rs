//! The clients of the four echo servers, which are the same for each of them.
//!
//! A client is an ordinary program: it makes blocking calls, on a thread of its
//! own. In the middle, when all clients are connected and served, the first one
//! counts the threads of the process.

use std::fs;
use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};

pub(crate) const CLIENTS: usize = 3;

/// A listening socket whose name no other process uses. The name is abstract:
/// it needs no network and leaves no file behind.
pub(crate) fn listen() -> io::Result<UnixListener> {
    let name = format!("roommates-echo-{}", std::process::id());
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

/// What the clients have found out.
struct Heard {
    text: String,
    server_threads: usize,
}

/// The clients while they run.
pub(crate) struct Clients(Vec<JoinHandle<io::Result<Heard>>>);

impl Clients {
    pub(crate) fn start(server: &UnixListener) -> io::Result<Self> {
        let address = server.local_addr()?;
        let together = Arc::new(Barrier::new(CLIENTS));
        let start = |name| {
            let (address, together) = (address.clone(), Arc::clone(&together));
            thread::spawn(move || client(&address, name, &together))
        };
        Ok(Self((1..=CLIENTS).map(start).collect()))
    }

    /// Waits for the clients and prints what they have heard.
    pub(crate) fn report(self) -> io::Result<()> {
        let mut server_threads = 0;
        for client in self.0 {
            let heard = client
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            println!("{}", heard.text.trim_end_matches("; "));
            server_threads = heard.server_threads;
        }
        println!("threads that served {CLIENTS} clients: {server_threads}");
        Ok(())
    }
}

fn client(address: &SocketAddr, name: usize, together: &Barrier) -> io::Result<Heard> {
    let mut stream = UnixStream::connect_addr(address)?;
    let mut text = String::new();
    let mut server_threads = 0;
    for word in ["hello", "again"] {
        let said = format!("{word} from client {name}; ");
        stream.write_all(said.as_bytes())?;
        let mut echo = vec![0; said.len()];
        stream.read_exact(&mut echo)?;
        text += &String::from_utf8_lossy(&echo);

        together.wait(); // all clients are served now, and all stay connected
        server_threads = threads()? - CLIENTS;
        together.wait();
    }
    Ok(Heard {
        text,
        server_threads,
    })
}

/// The number of threads of this process.
fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}
