//! Compares our pool of processes with Python's `multiprocessing.Pool` and with
//! procspawn.
//!
//! `cargo bench -p peers --bench processes` measures everything, and `… -- squares`
//! only the comparisons with `squares` in their names. If there is no `python3`, its
//! column is missing.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use context_switch::sampling::Comparison;
use processes::ProcessPool;

const WORKERS: usize = 2;
const ITEMS: u64 = 10_000;

fn main() {
    // procspawn starts this program again for each of its workers.
    procspawn::init();
    peers::run(
        &[
            ("10000 squares in chunks of 1250", || squares(1250)),
            ("10000 squares in chunks of 100", || squares(100)),
            ("10000 squares in chunks of 1", || squares(1)),
            ("a new pool, 2 squares, and its end", fresh),
        ],
        Duration::from_secs(3),
    );
}

fn squares(chunk: usize) -> Comparison<'static> {
    let mut ours = ProcessPool::new(WORKERS, |number: u64| number * number).expect("a pool");
    let comparison = Comparison::of("ours", move || {
        let results = ours.map_chunks(chunk, 0..ITEMS).expect("results");
        assert_eq!(results.len() as u64, ITEMS);
        results
    });
    // procspawn opens a channel for every call. 10,000 channels at the same time need
    // more descriptors than a process may have.
    let comparison = if chunk < 100 {
        comparison
    } else {
        let theirs = procspawn::Pool::new(WORKERS).expect("a pool");
        comparison.against("procspawn", move || procspawn_map(&theirs, chunk))
    };
    match Python::start() {
        Ok(mut python) => comparison.against_timed("python", move |rounds| {
            python.ask(&format!("map {rounds} {ITEMS} {chunk}"))
        }),
        Err(error) => {
            println!("(python3 is not measured, because it cannot be started: {error})");
            comparison
        }
    }
}

/// Does what users of procspawn do, which has no map: sends the chunks one by one.
fn procspawn_map(pool: &procspawn::Pool, chunk: usize) -> Vec<u64> {
    let numbers: Vec<u64> = (0..ITEMS).collect();
    let handles: Vec<_> = numbers
        .chunks(chunk)
        .map(|chunk| pool.spawn(chunk.to_vec(), square_all))
        .collect();
    let results = handles
        .into_iter()
        .flat_map(|handle| handle.join().expect("results"));
    results.collect()
}

fn square_all(numbers: Vec<u64>) -> Vec<u64> {
    numbers.into_iter().map(|number| number * number).collect()
}

fn fresh() -> Comparison<'static> {
    let comparison = Comparison::of("ours", || {
        let mut pool = ProcessPool::new(WORKERS, |number: u64| number * number).expect("a pool");
        pool.map([1, 2]).expect("results")
    });
    match Python::start() {
        Ok(mut python) => comparison.against_timed("python", move |rounds| {
            python.ask(&format!("fresh {rounds}"))
        }),
        Err(_) => comparison,
    }
}

/// A Python process that measures its own work, so the time to send it a question and
/// to read its answer does not count.
struct Python {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

const SCRIPT: &str = r#"
import multiprocessing, sys, time

def square(number):
    return number * number

if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        for line in sys.stdin:
            what, rounds, *rest = line.split()
            start = time.perf_counter()
            for _ in range(int(rounds)):
                if what == "map":
                    results = pool.map(square, range(int(rest[0])), int(rest[1]))
                    assert len(results) == int(rest[0])
                else:
                    with multiprocessing.Pool(2) as fresh:
                        fresh.map(square, [1, 2])
            print(time.perf_counter() - start, flush=True)
"#;

impl Python {
    fn start() -> std::io::Result<Python> {
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Python {
            child,
            input,
            output,
        })
    }

    fn ask(&mut self, question: &str) -> Duration {
        let input = self.input.as_mut().expect("open until dropped");
        writeln!(input, "{question}").expect("python reads its input");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("python answers");
        Duration::from_secs_f64(line.trim().parse().expect("seconds"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.input = None;
        _ = self.child.wait();
    }
}
