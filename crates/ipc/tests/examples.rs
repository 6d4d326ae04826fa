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
