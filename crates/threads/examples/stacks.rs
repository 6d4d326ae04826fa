//! What each thread has for itself, and what all of them share, as the kernel shows it in
//! `/proc/self/task` and `/proc/self/maps`.
//!
//! Each thread has one mapping for its stack and, below it, a guard page that nothing may touch.
//! There is one heap. With `--trace` the program prints this as a picture for the book.

use std::cell::Cell;
use std::sync::{Barrier, Mutex, PoisonError};
use std::{env, fs, io, process, thread};

use nix::unistd::{Pid, gettid};

thread_local! {
    /// Each thread has its own.
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// What a thread knows about itself.
struct Seen {
    name: &'static str,
    tid: Pid,
    /// The address of a variable on its stack.
    local: usize,
    /// The address of its `COUNT`.
    thread_local: usize,
    /// The address that tells the thread where its own data are.
    thread_pointer: usize,
    /// The address of the first element of the list that all threads have a reference to.
    list: usize,
}

// ANCHOR: look
fn look_at_myself(name: &'static str, list: &[u64]) -> Seen {
    let local = 0_u8;
    Seen {
        name,
        tid: gettid(),
        local: (&raw const local).addr(),
        thread_local: COUNT.with(|count| std::ptr::from_ref(count).addr()),
        // SAFETY: this function has no preconditions.
        thread_pointer: unsafe { libc::pthread_self() } as usize,
        list: list.as_ptr().addr(),
    }
}
// ANCHOR_END: look

/// A line of `/proc/self/maps`: an area of addresses with the same permissions.
struct Mapping {
    start: usize,
    end: usize,
    permissions: String,
    path: String,
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        Some(Self {
            start: usize::from_str_radix(start, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            permissions: words.next()?.to_owned(),
            path: words.nth(3).unwrap_or("no file").to_owned(),
        })
    }

    fn kib(&self) -> usize {
        (self.end - self.start) / 1024
    }
}

fn mappings() -> io::Result<Vec<Mapping>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    Ok(maps.lines().filter_map(Mapping::parse).collect())
}

/// The mapping of an address, and the guard below it if the kernel shows one.
fn find(maps: &[Mapping], address: usize) -> io::Result<(&Mapping, Option<&Mapping>)> {
    let contains = |mapping: &Mapping| (mapping.start..mapping.end).contains(&address);
    let at = maps.iter().position(contains);
    let at = at.ok_or_else(|| io::Error::other("an address without a mapping"))?;
    let below = at.checked_sub(1).map(|below| &maps[below]);
    let is_guard =
        |below: &&Mapping| below.end == maps[at].start && below.permissions.starts_with("---");
    Ok((&maps[at], below.filter(is_guard)))
}

fn main() -> io::Result<()> {
    let list: Vec<u64> = (1..=1000).collect();
    let seen = Mutex::new(vec![look_at_myself("main", &list)]);
    let (all_have_looked, maps_are_read) = (Barrier::new(4), Barrier::new(4));
    let maps = thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let (list, seen) = (&list, &seen);
            let (all_have_looked, maps_are_read) = (&all_have_looked, &maps_are_read);
            scope.spawn(move || {
                let mine = look_at_myself(name, list);
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(mine);
                all_have_looked.wait();
                maps_are_read.wait();
            });
        }
        all_have_looked.wait();
        let maps = mappings().and_then(|maps| Ok((maps, tids()?)));
        maps_are_read.wait();
        maps
    });
    let (maps, tids) = maps?;
    let mut seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    seen[1..].sort_by_key(|seen| seen.name);
    if env::args().any(|argument| argument == "--trace") {
        trace(&maps, &seen)
    } else {
        table(&maps, &tids, &seen)
    }
}

/// The IDs of the threads of this process.
fn tids() -> io::Result<Vec<i32>> {
    let tasks = fs::read_dir("/proc/self/task")?;
    let mut tids: Vec<i32> = tasks
        .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    tids.sort_unstable();
    Ok(tids)
}

fn table(maps: &[Mapping], tids: &[i32], seen: &[Seen]) -> io::Result<()> {
    println!(
        "PID {}, threads in /proc/self/task: {tids:?}",
        process::id()
    );
    for thread in seen {
        let (stack, guard) = find(maps, thread.local)?;
        let guard = guard.map_or("no guard is listed".to_owned(), |guard| {
            format!("guard {} KiB {}", guard.kib(), guard.permissions)
        });
        println!("thread {:<5} TID {}", thread.name, thread.tid);
        println!(
            "  stack         {:#014x}  in {} KiB {} {}; below it: {guard}",
            thread.local,
            stack.kib(),
            stack.permissions,
            stack.path
        );
        let (home, _) = find(maps, thread.thread_local)?;
        let same = if home.start == stack.start {
            "in the same mapping"
        } else {
            "in another mapping"
        };
        println!(
            "  thread-local  {:#014x}  {same}; thread pointer - {:#x}",
            thread.thread_local,
            thread.thread_pointer.wrapping_sub(thread.thread_local)
        );
        let (heap, _) = find(maps, thread.list)?;
        println!("  list          {:#014x}  in {}", thread.list, heap.path);
    }
    Ok(())
}

/// One column for each thread, and one for what all of them share.
fn trace(maps: &[Mapping], seen: &[Seen]) -> io::Result<()> {
    let cell = |label: &str, value: String, look: &str| {
        format!(r#"{{"label":"{label}","value":"{value}","look":"{look}"}}"#)
    };
    let (mut columns, mut links) = (Vec::new(), Vec::new());
    for (index, thread) in seen.iter().enumerate() {
        let (stack, guard) = find(maps, thread.local)?;
        // The stack of the main thread grows while it is used; its size now means nothing.
        let size = match guard {
            Some(_) => format!("{} KiB {}", stack.kib(), stack.permissions),
            None => format!("grows, {}", stack.permissions),
        };
        let mut cells = vec![cell("its stack", size, "stack")];
        cells.extend(guard.map(|guard| {
            cell(
                "guard page",
                format!("{} KiB {}", guard.kib(), guard.permissions),
                "guard",
            )
        }));
        cells.push(cell("its COUNT", "its own copy".to_owned(), "own"));
        columns.push((format!("thread {}", thread.name), cells));
        let to = seen.len();
        links.push(format!(
            r#"{{"from":{{"column":{index},"cell":0}},"to":{{"column":{to},"cell":0}}}}"#
        ));
    }
    let (heap, _) = find(maps, seen[0].list)?;
    let (code, _) = find(maps, trace as *const () as usize)?;
    columns.push((
        "shared by all".to_owned(),
        vec![
            cell(
                "the list",
                format!("{} {}", heap.path, heap.permissions),
                "heap",
            ),
            cell("the code", code.permissions.clone(), "code"),
        ],
    ));
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, cells)| format!(r#"{{"name":"{name}","cells":[{}]}}"#, cells.join(",")))
        .collect();
    println!(
        r#"{{"kind":"map","columns":[{}],"links":[{}]}}"#,
        columns.join(","),
        links.join(",")
    );
    Ok(())
}
