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

#[test]
fn echo_server() {
    let printed = example_output::of("echo_server", &[]);
    assert_eq!(
        printed,
        "hello from client 1; again from client 1\n\
         hello from client 2; again from client 2\n\
         hello from client 3; again from client 3\n\
         the server echoed 126 bytes to 3 clients, on one thread\n"
    );
}

#[test]
fn echo_event_loop() {
    let printed = example_output::of("echo_event_loop", &[]);
    assert_eq!(
        printed,
        "hello from client 1\nhello from client 2\nhello from client 3\n"
    );
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
