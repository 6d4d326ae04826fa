//! Every example prints what it promises.

#[test]
fn pipe_hello() {
    let expected = "Hello, world!\n\
        Hello from the child!\n\
        the pipe holds 65536 bytes, then: true\n\
        read 65536 bytes, up to the end\n";
    assert_eq!(example_output::of("pipe_hello", &[]), expected);
}

#[test]
fn message_queue() {
    let expected = "3 messages wait\n\
        priority 9: the kitchen is on fire\n\
        priority 1: take out the rubbish\n\
        priority 1: buy milk\n\
        the roommate exited with status 0\n\
        0 messages wait\n\
        afterwards: true\n";
    assert_eq!(example_output::of("message_queue", &[]), expected);
}

#[test]
fn socket_mailbox() {
    let expected = "stream:    \"Dear Ann,Dear Bob,\"\n\
        seqpacket: \"Dear Ann,\"\n\
        seqpacket: \"Dear Bob,\"\n\
        child:     \"Dear parent,\"\n\
        afterwards: None\n";
    assert_eq!(example_output::of("socket_mailbox", &[]), expected);
}

#[test]
fn shared_memory() {
    let expected = "two processes added 1 each: 1\n\
        two processes added 100000 each: 200000\n";
    assert_eq!(example_output::of("shared_memory", &[]), expected);
}

#[test]
fn ring_between_processes() {
    let printed = example_output::of("ring_between_processes", &[]);
    let expected = "sum: 500000500000\n\
        then: the other side closed the ring\n\
        the child exited with status 0\n";
    // How often it slept is the machine's affair.
    assert!(printed.starts_with(expected), "{printed}");
}

#[test]
fn descriptor_passing() {
    let expected = "the child got a letter: For your eyes only.\n\
        the child exited with status 0\n\
        the parent's position: 20\n";
    assert_eq!(example_output::of("descriptor_passing", &[]), expected);
}

#[test]
fn any_transport() {
    let transports = [
        "Pipe",
        "Stream",
        "SeqPacket",
        "MessageQueue",
        "SharedMemory",
    ];
    let expected = transports.map(|transport| {
        format!(
            "{transport}: Number(144), List([\"any\", \"transport\", \"will\", \"do\"]); \
             the child exited with status 0\n"
        )
    });
    assert_eq!(example_output::of("any_transport", &[]), expected.concat());
}

#[test]
fn question_and_answer() {
    let printed = example_output::of("question_and_answer", &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 4, "{printed}");
    assert!(
        lines[0].starts_with("3 numbers, sum 6, says process "),
        "{printed}"
    );
    assert!(lines[3].ends_with(" exited with status 0"), "{printed}");
}

#[test]
fn one_read() {
    let expected = "two writes, one read: \"Dear Ann,Dear Bob,\"\n\
        one write of 100000 bytes, one read: 65536 bytes\n\
        the writer exited with status 0\n";
    assert_eq!(example_output::of("one_read", &[]), expected);
}

#[test]
fn frames() {
    let expected = "\"Dear Ann,\": 9 bytes\n\
        \"Dear Bob,\": 9 bytes\n\
        \"xxxxxxxxx\": 300000 bytes\n\
        the sender exited with status 0\n";
    assert_eq!(example_output::of("frames", &[]), expected);
}

#[test]
fn frames_that_lie() {
    let expected = "the sender announces 4294967295 bytes and sends 3\n\
        the receiver was killed by signal 6 (SIGABRT)\n";
    assert_eq!(example_output::of("frames", &["lie"]), expected);
}

#[test]
fn frames_that_are_watched() {
    let printed = example_output::of("frames", &["watch"]);
    let lines: Vec<&str> = printed.lines().collect();
    let kibibytes =
        |line: &str| -> u64 { line.split_whitespace().nth(1).unwrap().parse().unwrap() };
    assert_eq!(
        lines[0],
        "the sender announces 1073741824 bytes and sends 3"
    );
    assert!(kibibytes(lines[1]) >= 1024 * 1024, "{printed}");
    assert!(kibibytes(lines[2]) < 100 * 1024, "{printed}");
}

#[test]
fn frames_with_a_limit() {
    let expected = "\
        a lie:        a message of 4294967295 bytes is over the limit of 65536 bytes\n\
        half a frame: not complete in time\n\
        the rest:     a message of 745434689 bytes is over the limit of 65536 bytes\n";
    assert_eq!(example_output::of("frames_with_a_limit", &[]), expected);
}

#[test]
fn half_a_frame() {
    let printed = example_output::of("half_a_frame", &[]);
    let expected = "half a frame: None; the channel keeps 7 bytes\n\
        the rest:     \"Dear Ann,\"\n\
        a lie is refused:\n  the other side announces a message of 4294967295 bytes";
    assert!(printed.starts_with(expected), "{printed}");
}

#[test]
fn ring_that_polls() {
    let printed = example_output::of("ring_that_polls", &[]);
    let (order, looks) = printed.split_once('\n').unwrap();
    assert_eq!(order, "in order: [1, 2, 3, 4, 5, 6, 7, 8]");
    let words: Vec<&str> = looks.split_whitespace().collect();
    assert_eq!(words[..4], ["number", "9", "came", "after"]);
    assert!(words[4].parse::<u64>().unwrap() > 1000, "{looks}");
}

#[test]
fn ring_that_sleeps() {
    let expected = "\
        looks first:          sleeps until its patience is over; 7 is in the ring\n\
        reads the word first: does not sleep; 7 is in the ring\n\
        after 10000 round trips: 10000; the child exited with status 0\n";
    assert_eq!(example_output::of("ring_that_sleeps", &[]), expected);
}

/// The numbers in the lines of a table, without the two lines of its head.
fn numbers(table: &str) -> Vec<(String, Vec<u32>)> {
    let row = |line: &str| {
        let (name, rest) = line.split_at(24);
        let numbers = rest.split_whitespace().filter_map(|word| word.parse().ok());
        (name.trim().to_owned(), numbers.collect())
    };
    table
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with(' '))
        .map(row)
        .collect()
}

#[test]
fn message_costs() {
    let expected = [
        ("pipe", vec![200, 200, 1600]),
        ("stream socket", vec![200, 200, 1600]),
        ("seqpacket socket", vec![200, 200, 1600]),
        ("message queue", vec![200, 400, 1600]),
        ("ring of Step 6", vec![100, 200, 0]),
        ("ipc::ring", vec![0, 0]),
    ]
    .map(|(name, numbers)| (name.to_owned(), numbers));
    let printed = example_output::of("message_costs", &[]);
    assert_eq!(numbers(&printed), expected, "{printed}");
}

#[test]
fn message_costs_of_the_typed_channel() {
    let expected = [
        ("Pipe", [200, 1000]),
        ("Stream", [200, 1000]),
        ("SeqPacket", [200, 1000]),
        ("MessageQueue", [400, 1000]),
        ("SharedMemory", [0, 0]),
    ]
    .map(|(name, numbers)| (name.to_owned(), numbers.to_vec()));
    let printed = example_output::of("message_costs", &["typed"]);
    assert_eq!(numbers(&printed), expected, "{printed}");
}

#[test]
fn message_costs_call_by_call() {
    let printed = example_output::of("message_costs", &["calls"]);
    let pipe = "pipe\n  \
        receiver  read            sleeps\n  \
        sender    write           8\n  \
        receiver  read            8\n";
    assert!(printed.starts_with(pipe), "{printed}");
    let ring = "ring of Step 6\n  \
        receiver  futex           sleeps\n  \
        sender    futex           1\n  \
        receiver  futex           0\n";
    assert!(printed.ends_with(ring), "{printed}");
}

#[test]
fn message_costs_as_pictures() {
    let bars = example_output::of("message_costs", &["trace"]);
    assert!(
        bars.contains(r#"{"name":"pipe, awake","value":2,"look":"plain"}"#),
        "{bars}"
    );
    assert!(
        bars.contains(r#"{"name":"ipc::ring, awake","value":0,"look":"shared"}"#),
        "{bars}"
    );
    let lanes = example_output::of("message_costs", &["path"]);
    let asleep = r#"{"from":0,"to":2,"label":"asleep in read","look":"waits"}"#;
    assert!(lanes.contains(asleep), "{lanes}");
}

#[test]
fn both_write_first() {
    let expected = "both write first:\n  \
        Ann: Sleeping, in a write to the socket\n  \
        Bob: Sleeping, in a write to the socket\n\
        half a second later:\n  \
        Ann: Sleeping, in a write to the socket\n  \
        Bob: Sleeping, in a write to the socket\n\
        a deadline: sent in time: false\n\
        a deadline: sent once the other side reads: true\n\
        a deadline: 1048576 bytes arrived\n\
        Bob reads first: Ann exited with status 0\n\
        Bob reads first: Bob exited with status 0\n";
    assert_eq!(example_output::of("both_write_first", &[]), expected);
}

#[test]
fn broken_pipe() {
    let expected = "this Rust program ignores SIGPIPE: true\n\
        as in a Rust program: Some(BrokenPipe)\n\
        as in a C program:    killed by signal 13 (SIGPIPE)\n\
        with MSG_NOSIGNAL:    Some(EPIPE)\n\
        with MSG_NOSIGNAL:    exited with status 0\n";
    assert_eq!(example_output::of("broken_pipe", &[]), expected);
}

#[test]
fn dead_sender() {
    let expected = "our ring:  the sender exited with status 3\n\
        our ring:  half a second later, the receiver still sleeps: true\n\
        ipc::ring: the sender exited with status 3\n\
        ipc::ring: the other side closed the ring\n";
    assert_eq!(example_output::of("dead_sender", &[]), expected);
}

#[test]
fn two_maps() {
    let printed = example_output::of("two_maps", &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "the parent reads 42");
    let mut mappings = 0;
    for line in lines.iter().filter(|line| line.contains("/memfd:")) {
        assert!(line.contains(" rw-s "), "{printed}");
        mappings += 1;
    }
    assert_eq!(mappings, 3, "{printed}");
    assert_eq!(lines[4], "all of them are the same file: true");
    assert_eq!(lines[5], "the child exited with status 0");
}
