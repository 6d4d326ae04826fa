//! Every example prints what it promises.

#[test]
fn generator() {
    let printed = example_output::of("generator", &[]);
    assert_eq!(
        printed,
        "made; nothing has run yet\n  \
         (the body has found 2)\nprime number 1 is 2\n  \
         (the body has found 3)\nprime number 2 is 3\n  \
         (the body has found 5)\nprime number 3 is 5\n  \
         (the body has found 7)\nprime number 4 is 7\n\
         dropped; the endless loop ends here\n"
    );
}

#[test]
fn taking_turns() {
    let printed = example_output::of("taking_turns", &[]);
    assert_eq!(
        printed,
        "Ada cooks, step 1 of 3\nBen cooks, step 1 of 1\nCyd cooks, step 1 of 2\n\
         Ada cooks, step 2 of 3\nBen is done\nCyd cooks, step 2 of 2\n\
         Ada cooks, step 3 of 3\nCyd is done\nAda is done\n\
         6 steps in 9 turns, one thread\n"
    );
}

#[test]
fn resumes_counted() {
    let printed = example_output::of("resumes_counted", &[]);
    assert_eq!(
        printed,
        "a fiber: 1000000 resumes, 0 voluntary switches\n\
         two threads: 1000 round trips, more than 1000 switches\n"
    );
}

#[test]
fn starvation() {
    let printed = example_output::of("starvation", &[]);
    assert_eq!(
        printed,
        "1000 pieces of work, never yielding: 1 heartbeat\n\
         yielding after each: 1001 heartbeats\n\
         yielding after every hundredth: 11 heartbeats\n\
         with a budget of 128 pieces in a row: 8 heartbeats\n\
         a fiber, never yielding: 1\n\
         a fiber, yielding after each: 1001\n"
    );
}

/// What the clients hear from each of the four servers.
const ECHOES: &str = "hello from client 1; again from client 1\n\
                      hello from client 2; again from client 2\n\
                      hello from client 3; again from client 3\n";

#[test]
fn echo_threads() {
    let printed = example_output::of("echo_threads", &[]);
    assert_eq!(
        printed,
        format!("{ECHOES}threads that served 3 clients: 4\n")
    );
}

#[test]
fn echo_server() {
    let printed = example_output::of("echo_server", &[]);
    let last = "threads that served 3 clients: 1\nbytes that came back: 126\n";
    assert_eq!(printed, format!("{ECHOES}{last}"));
}

#[test]
fn echo_event_loop() {
    let printed = example_output::of("echo_event_loop", &[]);
    assert_eq!(
        printed,
        format!("{ECHOES}threads that served 3 clients: 1\n")
    );
}

#[test]
fn echo_tokio() {
    let printed = example_output::of("echo_tokio", &[]);
    assert_eq!(
        printed,
        format!("{ECHOES}threads that served 3 clients: 1\n")
    );
}

#[test]
fn step1_switch() {
    let printed = example_output::of("step1_switch", &[]);
    let saved = if cfg!(target_arch = "x86_64") {
        56
    } else {
        160
    };
    assert_eq!(
        printed,
        format!(
            "main: a switch saves {saved} bytes\n    fiber: first words\n\
             main: back after the first switch\n    fiber: I still know my place\n\
             main: back after the second\n\
             a recursion of 4 levels: the memory below the stack is intact\n\
             a recursion of 24 levels: the memory below the stack is overwritten\n\
             main: nobody has noticed\n"
        )
    );
}

#[test]
fn step2_guard_page() {
    let printed = example_output::of("step2_guard_page", &[]);
    assert_eq!(
        printed,
        "overflow: the kernel ended the process with SIGSEGV\n    Ada has come in\n\
         main: I throw the fiber away\nmain: its stack is gone\n"
    );
}

/// Eight steps of cooking, in the order of a queue.
const COOKED: &str = "    Ada cooks, step 1\n    Ben cooks, step 1\n    Cyd cooks, step 1\n    \
                      Ada cooks, step 2\n    Cyd cooks, step 2\n    Ada cooks, step 3\n    \
                      Ada cooks, step 4\n    Ada cooks, step 5\n";

#[test]
fn step3_by_hand() {
    let printed = example_output::of("step3_by_hand", &[]);
    assert_eq!(
        printed,
        format!(
            "    Ada has come in\nmain: I throw the fiber away\n    \
             Ada has left and locked the door\nmain: its stack is gone\n{COOKED}\
             by hand: 15 turns, 7 of them for somebody who has nothing left to do\n"
        )
    );
}

#[test]
fn step4_scheduler() {
    let printed = example_output::of("step4_scheduler", &[]);
    let costs = printed
        .strip_prefix(COOKED)
        .and_then(|rest| rest.strip_prefix("with a queue: 8 turns, none in vain\n"))
        .expect(&printed);
    let fiber = number_after(costs, "a fiber that waits: ");
    let future = number_after(costs, "a future that waits: ");
    assert!((4..=128).contains(&fiber), "KiB: {fiber}");
    assert!((1..64).contains(&future), "bytes: {future}");
}

#[test]
fn step5_future() {
    let printed = example_output::of("step5_future", &[]);
    assert!(number_after(&printed, "come in, after ") > 100, "{printed}");
}

#[test]
fn quiz_order() {
    let printed = example_output::of("quiz_order", &[]);
    assert_eq!(printed, "1 3 2 4\n");
}

#[test]
fn waiting_in_epoll() {
    let printed = example_output::of("waiting_in_epoll", &[]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "the thread waits in the system call epoll_wait");
    assert_eq!(lines[1], "epoll watches, for this thread:");
    let sockets = lines.iter().filter(|line| line.contains(" a socket: "));
    assert_eq!(sockets.count(), 2, "{printed}");
    assert_eq!(*lines.last().expect(&printed), "the tasks have read: ab");
}

#[test]
fn step6_block_on() {
    let printed = example_output::of("step6_block_on", &[]);
    assert_eq!(
        printed,
        "    who is there?\ncome in, after 2 polls\nnow the visitor is a future, too:\n    \
         who is there?\nnobody came, because nobody has polled the visitor yet\n    ding-dong\n"
    );
}

#[test]
fn step7_executor() {
    let printed = example_output::of("step7_executor", &[]);
    assert!(
        printed.starts_with("    who is there?\n    ding-dong\n    come in\n"),
        "{printed}"
    );
    assert_eq!(number_after(&printed, "a task that blocks: "), 0);
    assert!(number_after(&printed, "a task that awaits: ") > 0);
    assert!(printed.ends_with("and 2 threads\n"), "{printed}");
}

#[test]
fn step8_reactor() {
    let printed = example_output::of("step8_reactor", &[]);
    assert_eq!(
        printed,
        "    Ada wakes up\n    Ben wakes up\n    Cyd wakes up\n    read: breakfast\n\
         3 sleepers, 1 thread\n"
    );
}

#[test]
fn step10_callbacks() {
    let printed = example_output::of("step10_callbacks", &[]);
    assert_eq!(
        printed,
        "a callback that forgets: 65536 bytes sent, most of them lost\n\
         a callback that remembers: 65536 bytes sent, 65536 came back\n"
    );
}

#[test]
fn fiber_stacks() {
    let printed = example_output::of("fiber_stacks", &[]);
    for fiber in ["fiber A", "fiber B"] {
        let stack = number_after(&printed, &format!("{fiber}: a stack of "));
        assert_eq!(stack, 256, "{printed}");
        assert!(printed.contains("(---p)"), "{printed}");
    }
    // Each fiber finds its stack pointer where it left it.
    let at = |row: &str| number_after(&printed, row);
    let begins = at("1  fiber A   begins       ");
    assert_eq!(begins, at("5  fiber A   goes on      "));
    assert!(begins < at("6  fiber A   is deeper    "));
    assert!(at("6  fiber A   is deeper    ") < at("9  fiber B   is deeper    "));
}

#[test]
fn fiber_stacks_as_traces() {
    let lanes = example_output::of("fiber_stacks", &["lanes"]);
    assert!(lanes.starts_with(r#"{"kind":"lanes","axis":"steps","#));
    assert_eq!(lanes.matches(r#""label":"resume""#).count(), 4, "{lanes}");
    assert_eq!(lanes.matches(r#""label":"suspend""#).count(), 4, "{lanes}");
    let map = example_output::of("fiber_stacks", &["map"]);
    assert!(map.starts_with(r#"{"kind":"map","#));
    assert_eq!(map.matches(r#""look":"guard""#).count(), 2, "{map}");
}

#[test]
fn future_sizes() {
    let printed = example_output::of("future_sizes", &[]);
    let bytes = |what| number_after(&printed, what);
    assert!(bytes("keeps nothing ") < 64);
    assert!(bytes("buffer before ") < 64);
    assert!((4096..4200).contains(&bytes("buffer across ")));
    assert!((4096..4300).contains(&bytes("awaits another ")));
    assert!(bytes("awaits a box ") < 64);
    assert_eq!(bytes("a fiber's stack "), 256 * 1024);
    let bars = example_output::of("future_sizes", &["bars"]);
    assert_eq!(bars.matches(r#""look":"heap""#).count(), 5, "{bars}");
}

#[test]
fn half_a_message() {
    let printed = example_output::of("half_a_message", &[]);
    assert_eq!(
        printed,
        "in time: nothing\nthe next line: open the door\n\
         with a buffer that outlives the future:\n\
         in time: nothing\nthe next line: do not open the door\n"
    );
}

#[test]
fn guard_across_await() {
    let printed = example_output::of("guard_across_await", &[]);
    assert_eq!(
        printed,
        "    first task: I hold the lock and await\n    second task: I lock, too\n\
         the child has 1 thread, and it waits in the system call futex\n\
         dropped before the await: 2 increments\na lock that is awaited: 2 increments\n"
    );
}

/// The number that follows `what` and some spaces.
fn number_after(printed: &str, what: &str) -> u64 {
    let at = printed
        .find(what)
        .unwrap_or_else(|| panic!("no {what:?} in {printed}"));
    let digits = printed[at + what.len()..].trim_start();
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().expect(digits)
}

#[test]
fn three_ways() {
    let printed = example_output::of("three_ways", &[]);
    let order = "Ada1 Ben1 Cyd1 Ada2 Ben2 Cyd2 Ada3 Ben3 Cyd3";
    let ours = format!("      fibers: {order}\nour executor: {order}\n       tokio: ");
    let tokios = printed.strip_prefix(&ours).expect(&printed);
    // All cook a step before anybody cooks the next; in which order is not promised.
    let mut steps: Vec<_> = tokios.split_whitespace().collect();
    steps.chunks_mut(3).for_each(<[_]>::sort_unstable);
    assert_eq!(steps.join(" "), order);
}

#[test]
fn stacks_compared() {
    let printed = example_output::of("stacks_compared", &[]);
    let trace: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let scenes = |run: usize| trace["runs"][run]["scenes"].as_array().unwrap().clone();
    let pointer = |run: usize, step: usize| {
        let text = &scenes(run)[step]["rows"][0]["cells"][0]["value"];
        let digits = text.as_str().unwrap().trim_start_matches("0x").to_owned();
        usize::from_str_radix(&digits, 16).unwrap()
    };
    for run in 0..3 {
        assert_eq!(scenes(run).len(), 6);
        // Main is where it was before, and so is A; what A calls has a frame of 1 KiB at least.
        assert_eq!(pointer(run, 0), pointer(run, 2));
        assert_eq!(pointer(run, 1), pointer(run, 4));
        assert!(pointer(run, 5) + 1024 <= pointer(run, 4));
    }
    // A fiber and a thread have stacks of their own; tasks use main's, one after the other.
    let far = 0x1_0000;
    for run in [0, 2] {
        assert!(pointer(run, 1).abs_diff(pointer(run, 0)) > far);
        assert!(pointer(run, 3).abs_diff(pointer(run, 1)) > far);
    }
    assert!(pointer(1, 0) - pointer(1, 1) < far);
    assert_eq!(pointer(1, 3), pointer(1, 1));
}
