//! Serves the book on this machine only, and builds it again when it changes.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};

/// Added to each page: asks every second whether the book was built again.
const RELOAD: &str = "<script>(function(){var had;setInterval(function(){var r=new XMLHttpRequest();r.open('GET','/version');r.onload=function(){if(had!==undefined&&had!==r.responseText){location.reload()}had=r.responseText};r.send()},1000)})()</script>";
/// How long the files must be left alone before the book is built.
const QUIET: Duration = Duration::from_millis(150);

/// Serves the pages in `folder` until the process ends. `build` builds them again
/// whenever a file in one of the `watched` places changes, and returns whether
/// that was possible. Returns the address through `ready`.
///
/// # Errors
/// The port is in use or the files cannot be watched.
pub fn serve(
    folder: &Path,
    port: u16,
    watched: &[PathBuf],
    ready: impl FnOnce(&str),
    mut build: impl FnMut() -> bool,
) -> Result<(), String> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is in use: choose another one with `--port`")
            }
            _ => format!("port {port} cannot be opened: {error}"),
        })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let version = Arc::new(AtomicU64::new(0));
    let (pages, now) = (folder.to_owned(), Arc::clone(&version));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (pages, now) = (pages.clone(), now.load(Ordering::Relaxed));
            // A browser that goes away is no error.
            thread::spawn(move || drop(answer(stream, &pages, now)));
        }
    });
    ready(&format!("http://{address}/"));
    let (_watcher, changed) =
        watch(watched).map_err(|error| format!("the book's files cannot be watched: {error}"))?;
    while changed.recv().is_ok() {
        while changed.recv_timeout(QUIET).is_ok() {}
        if build() {
            version.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn watch(places: &[PathBuf]) -> notify::Result<(impl Watcher, Receiver<()>)> {
    let (tell, changed) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = tell.send(());
        }
    })?;
    for place in places.iter().filter(|place| place.exists()) {
        watcher.watch(place, RecursiveMode::Recursive)?;
    }
    Ok((watcher, changed))
}

fn answer(mut stream: TcpStream, pages: &Path, version: u64) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut line = String::new();
    // A request line that is longer is no request for a page.
    io::Read::take(BufReader::new(stream.try_clone()?), 8192).read_line(&mut line)?;
    let (status, kind, body) = respond(&line, pages, version);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if !line.starts_with("HEAD") {
        stream.write_all(&body)?;
    }
    Ok(())
}

fn respond(request: &str, pages: &Path, version: u64) -> (&'static str, &'static str, Vec<u8>) {
    let text = "text/plain; charset=utf-8";
    let mut words = request.split_whitespace();
    let (Some("GET" | "HEAD"), Some(target)) = (words.next(), words.next()) else {
        return ("405 Method Not Allowed", text, b"only GET\n".to_vec());
    };
    if target == "/version" {
        return ("200 OK", text, version.to_string().into_bytes());
    }
    let missing = || ("404 Not Found", text, b"there is no such page\n".to_vec());
    let Some(path) = inside(pages, target) else {
        return missing();
    };
    let Ok(mut body) = std::fs::read(&path) else {
        return missing();
    };
    let kind = match path.extension().and_then(|name| name.to_str()) {
        Some("html") => {
            body.extend_from_slice(RELOAD.as_bytes());
            "text/html; charset=utf-8"
        }
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => text,
    };
    ("200 OK", kind, body)
}

/// The file of a request, if it lies inside the folder.
fn inside(pages: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?;
    let path = decoded(path)?;
    let path = Path::new(path.trim_start_matches('/'));
    if !path
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return None;
    }
    let mut file = pages.join(path);
    if file.is_dir() {
        file.push("index.html");
    }
    // A symbolic link could lead out of the folder.
    let (file, pages) = (file.canonicalize().ok()?, pages.canonicalize().ok()?);
    file.starts_with(&pages).then_some(file)
}

/// The text with `%41` replaced by `A`. `None` if that is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    (!bytes.contains(&0)).then(|| String::from_utf8(bytes).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_inside_the_folder_are_served() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("pages");
        std::fs::create_dir(&pages).unwrap();
        std::fs::write(pages.join("index.html"), "<p>hello").unwrap();
        std::fs::write(pages.join("a b.css"), "p{}").unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", pages.join("link")).unwrap();
        let status = |request: &str| respond(request, &pages, 7).0;
        assert_eq!(status("GET / HTTP/1.1"), "200 OK");
        assert_eq!(status("GET /index.html?x#y HTTP/1.1"), "200 OK");
        assert_eq!(status("GET /a%20b.css HTTP/1.1"), "200 OK");
        for outside in [
            "/../secret",
            "/..%2fsecret",
            "/%2e%2e/secret",
            "/link",
            "/none",
            "//etc/passwd",
            "/%zz",
            "/%00",
        ] {
            assert_eq!(
                status(&format!("GET {outside} HTTP/1.1")),
                "404 Not Found",
                "{outside}"
            );
        }
        assert_eq!(status("POST / HTTP/1.1"), "405 Method Not Allowed");
        assert_eq!(status(""), "405 Method Not Allowed");
        assert_eq!(respond("GET /version HTTP/1.1", &pages, 7).2, b"7");
        let page = String::from_utf8(respond("GET / HTTP/1.1", &pages, 7).2).unwrap();
        assert!(page.starts_with("<p>hello") && page.contains("/version"));
    }

    #[test]
    fn a_port_in_use_is_said() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let said = serve(Path::new("."), port, &[], |_| {}, || true).unwrap_err();
        assert!(said.contains("in use") && said.contains("--port"), "{said}");
    }
}
