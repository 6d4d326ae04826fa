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
        the sum of the RSS counts the block once: false\n\
        the sum of the PSS counts the block once: true\n\
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

#[test]
fn two_parents() {
    let printed = example_output::of("two_parents", &[]);
    let expected = "before the fork; the work; after the fork\n\
        before the fork; after the fork\n";
    assert_eq!(printed, expected);
}

#[test]
fn nobody_waits() {
    let printed = example_output::of("nobody_waits", &[]);
    let zombie = ": Zombie after SIGKILL; child of this program: true; 0 bytes of memory";
    assert_eq!(printed.lines().count(), 3, "{printed}");
    assert!(
        printed.lines().all(|line| line.ends_with(zombie)),
        "{printed}"
    );
}

#[test]
fn status_as_a_number() {
    let printed = example_output::of("status_as_a_number", &[]);
    let rows: Vec<Vec<&str>> = printed
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().rev().take(3).collect())
        .collect();
    let expected = [
        ["success", "0", "0"],
        ["failure", "1", "256"],
        ["success", "0", "9"],
        ["success", "0", "6"],
    ];
    assert_eq!(rows, expected, "{printed}");
}

#[test]
fn squares_by_exit_code() {
    let printed = example_output::of("squares_by_exit_code", &[]);
    let expected = "numbers:                     [2, 3, 15, 16, 17, 18]\n\
        the parent's memory says:    [0, 0, 0, 0, 0, 0]\n\
        the exit codes say:          [4, 9, 225, 0, 33, 68]\n";
    assert_eq!(printed, expected);
}

#[test]
fn squares_by_pipe() {
    let printed = example_output::of("squares_by_pipe", &[]);
    assert_eq!(printed.matches("[1, 4, 9, 16, 25]").count(), 2, "{printed}");
    let tables: Vec<u64> = printed
        .lines()
        .filter_map(|line| line.split_once("in KiB: [")?.1.split([',', ']']).next())
        .filter_map(|number| number.parse().ok())
        .collect();
    // 92 MiB more in pages of 4 KiB need 184 KiB more of page tables. Larger pages
    // need less.
    assert!(tables.len() == 2 && tables[0] < tables[1], "{printed}");
}

#[test]
fn squares_by_pipe_as_a_trace() {
    let printed = example_output::of("squares_by_pipe", &["--trace"]);
    assert!(printed.starts_with(r#"{"kind":"bars","unit":"KiB of page tables","#));
    let values: Vec<u64> = printed
        .split(r#""value":"#)
        .skip(1)
        .filter_map(|rest| rest.split(',').next()?.parse().ok())
        .collect();
    assert!(values.len() == 6 && values.is_sorted(), "{printed}");
    assert!(values[0] < values[5], "{printed}");
}

#[test]
fn borrowed_memory() {
    let printed = example_output::of("borrowed_memory", &[]);
    let expected = "a forked child wrote 1; the parent reads 0\n\
        a vfork-style child wrote 2; the parent reads 2\n";
    assert_eq!(printed, expected);
}

#[test]
fn workers_without_spares() {
    let printed = example_output::of("workers_without_spares", &[]);
    let expected = "a worker killed by signal 6 (SIGABRT)\n\
        a worker exited with status 0\n\
        1 squared is 1\n\
        2 squared is 4\n\
        3 squared is lost\n\
        4 squared is 16\n\
        5 squared is lost\n";
    assert_eq!(printed, expected);
}

#[test]
fn copy_on_write() {
    let printed = example_output::of("copy_on_write", &[]);
    let numbers: Vec<Vec<u64>> = printed
        .lines()
        .skip(1)
        .take(4)
        .map(|line| line.split_whitespace().flat_map(str::parse).collect())
        .collect();
    let expected = [[1000, 0, 0], [1000, 0, 0], [999, 1, 1], [0, 1000, 999]];
    assert_eq!(numbers, expected, "{printed}");
    assert!(printed.contains("each copy: true\n"), "{printed}");
    assert!(
        printed.ends_with("the parent has 1000 pages of its own\n"),
        "{printed}"
    );
}

#[test]
fn memory_map() {
    let printed = example_output::of("memory_map", &[]);
    let trace: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let scene = |run: usize, step: usize| &trace["runs"][run]["scenes"][step];
    // The texts of a row: what the kernel said of each page, or what is in each frame.
    let row = |run, step, row: usize| -> Vec<String> {
        let cells = scene(run, step)["rows"][row]["cells"].as_array().unwrap();
        let texts = cells.iter().map(|cell| cell["value"].as_str().unwrap());
        texts.map(str::to_owned).collect()
    };
    let (own, shared) = ("its own", "shared");
    assert_eq!(row(0, 0, 0), [own; 4]);
    assert_eq!(row(0, 1, 0), [shared; 4]);
    assert_eq!(row(0, 1, 2), [shared; 4]);
    // The child has written to page 2, and then the parent to page 0.
    assert_eq!(row(0, 2, 0), [shared, shared, own, shared]);
    assert_eq!(row(0, 2, 2), [shared, shared, own, shared]);
    assert_eq!(row(0, 3, 2), [own, shared, own, shared]);
    assert_eq!(
        row(0, 3, 1),
        [
            "holds 1", "holds 1", "holds 1", "holds 1", "holds 7", "holds 5"
        ]
    );
    // The child executes another program, and ends.
    assert_eq!(row(0, 4, 2), ["leads nowhere"; 4]);
    assert_eq!(row(0, 4, 0), [own; 4]);
    assert_eq!(row(0, 5, 0), [own; 4]);
    // With threads there is one table, and nothing is copied.
    for step in 0..4 {
        assert_eq!(row(1, step, 1), [own; 4]);
    }
    assert_eq!(row(1, 2, 0), ["reads 7", "has written 7"]);
    assert_eq!(
        row(1, 2, 2),
        ["holds 1", "holds 1", "holds 7", "holds 1", "free", "free"]
    );
}

#[test]
fn descriptor_tables() {
    let printed = example_output::of("descriptor_tables", &[]);
    let expected = "the child reads \"0123\"\n\
        the number of the file that was opened before the fork:\n\
        \x20 parent: the notes, at byte 4\n\
        \x20 child:  the notes, at byte 4\n\
        the number of the file that the child opened after the fork:\n\
        \x20 parent: a pidfd, at byte 0\n\
        \x20 child:  /dev/null, at byte 0\n\
        the parent reads \"4567\"\n";
    assert_eq!(printed, expected);
}

#[test]
fn crash_gets_out() {
    let printed = example_output::of("crash_gets_out", &[]);
    let expected = "1. the reader of a pipe: killed by signal 6 (SIGABRT)\n\
        \x20  its healthy writer:   killed by signal 13 (SIGPIPE)\n\
        2. shared memory: 10 withdrawn, 0 deposited\n\
        3. the lock: the survivor gets it: false; its owner is dead: true\n\
        4. the process table: Zombie\n\
        \x20  after the wait, gone: true\n";
    assert_eq!(printed, expected);
}

#[test]
fn fork_with_threads() {
    let printed = example_output::of("fork_with_threads", &[]);
    let expected = "parent: threads: 2\n\
        parent, before the fork: the lock is held: true\n\
        child: threads: 1\n\
        child, after the fork: the lock is held: true\n\
        parent, later: the lock is held: false\n\
        child, later: the lock is held: true\n";
    assert_eq!(printed, expected);
}

/// Whether an example says that this machine does not let it show something.
fn skipped(printed: &str) -> bool {
    let skipped = printed.starts_with("skipped: this machine lets no");
    if skipped {
        println!("{printed}");
    }
    skipped
}

#[test]
fn inside_a_container() {
    let printed = example_output::of("inside_a_container", &[]);
    if skipped(&printed) {
        return;
    }
    for expected in [
        "inside:  I am process 1; my parent is process 0\n",
        "inside:  a signal to the process that started me: ESRCH: No such process\n",
        "inside:  host name \"apartment-1\", network [\"lo\"]\n",
        "inside:  the same kernel: true\n",
        "outside: host name unchanged: true\n",
        "outside: process 1 has ended; processes left in there: 0\n",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
    // Usually 2. A fork that the kernel starts again, because of a signal, has used a number up.
    let first = printed.split("inside:  my first child is process ").nth(1);
    let first = first.and_then(|rest| rest.lines().next()?.parse::<u32>().ok());
    assert!(
        first.is_some_and(|first| (2..20).contains(&first)),
        "{printed}"
    );
    // What the outside reads in there depends on the machine's Yama setting.
}

#[test]
fn recycled_pid() {
    let printed = example_output::of("recycled_pid", &[]);
    if skipped(&printed) {
        return;
    }
    let expected = "process 77 is our worker\n\
        it has ended, and we have waited for it\n\
        process 77 is a stranger\n\
        a signal through the worker's pidfd: ESRCH: No such process\n\
        a signal to the worker's number: sent\n\
        the stranger: Signaled(Pid(77), SIGKILL, false)\n";
    assert_eq!(printed, expected);
}

#[test]
fn calls_of_a_launch() {
    let by_fork = example_output::of("calls_of_a_launch", &["fork"]);
    let by_spec = example_output::of("calls_of_a_launch", &["spec"]);
    if skipped(&by_fork) {
        return;
    }
    for printed in [&by_fork, &by_spec] {
        assert!(printed.starts_with("parent:\n  clone"), "{printed}");
        assert!(
            printed.contains("child:\n  execve(\"/bin/true\""),
            "{printed}"
        );
    }
    assert!(by_spec.contains("CLONE_VM | CLONE_VFORK"), "{by_spec}");
    assert!(!by_fork.contains("CLONE_VM"), "{by_fork}");
}
