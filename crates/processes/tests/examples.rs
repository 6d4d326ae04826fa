//! Every example prints what it promises.

#[test]
fn squares_by_processes() {
    let printed = example_output::of("squares_by_processes", &[]);
    let expected = "Squares: [1, 4, 9, 16, 25]\n\
        computed by 5 processes\n\
        this one among them: false\n";
    // Not the last line: whether it was faster is the machine's affair.
    assert!(printed.starts_with(expected), "{printed}");
}

#[test]
fn crash_stays_inside() {
    let printed = example_output::of("crash_stays_inside", &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 9, "{printed}");
    for (number, line) in (1..=8).zip(&lines) {
        match number {
            5 => assert!(
                line.starts_with("lost: its worker killed by signal 11 (SIGSEGV)"),
                "{line}"
            ),
            _ => assert_eq!(*line, format!("read: message {number}")),
        }
    }
    assert_eq!(lines[8], "the pool goes on: message 1");
}

#[test]
fn memory_apart() {
    let printed = example_output::of("memory_apart", &[]);
    let expected = "child:  at the same address: true; it reads 2\n\
        parent: it reads 1\n\
        resident, summed, counts the block once: false\n\
        proportional, summed, counts it once: true\n\
        private to the child: less than 4 MiB: true\n\
        the child exited with status 0\n";
    assert_eq!(printed, expected);
}

#[test]
fn spawn_cost() {
    let printed = example_output::of("spawn_cost", &["1", "1"]);
    assert_eq!(
        printed.matches("from a parent with").count(),
        2,
        "{printed}"
    );
    for way in ["fork and exec", "std::process::Command", "processes::Spec"] {
        assert_eq!(printed.matches(way).count(), 2, "{printed}");
    }
}
