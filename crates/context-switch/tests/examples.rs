//! Every example runs, and prints what it promises: figures aside, which are
//! the machine's own.

/// The figures and their units as `#`, the spaces between words as one.
fn structure(printed: &str) -> Vec<String> {
    let units = ["ns", "µs", "ms", "s"];
    let word = |word: &str| match word {
        _ if units.contains(&word) => None,
        _ if word.parse::<f64>().is_ok() => Some("#".to_owned()),
        _ => Some(word.to_owned()),
    };
    let line = |line: &str| {
        line.split_whitespace()
            .filter_map(word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    printed.lines().map(line).collect()
}

#[test]
fn the_switch_is_measured_over_every_channel() {
    let lines = structure(&example_output::of("switch_measured", &[]));
    let game = |line: &String| {
        line.split(['#', ':'])
            .next()
            .unwrap_or("")
            .trim()
            .to_owned()
    };
    let games: Vec<String> = lines.iter().map(game).collect();
    let expected = [
        "processes over a pipe, on one CPU",
        "threads over a pipe, on one CPU",
        "processes over a futex, on one CPU",
        "threads over a futex, on one CPU",
        "processes over a pipe, on two CPUs",
        "threads over a pipe, on two CPUs",
        "processes over a futex, on two CPUs",
        "threads over a futex, on two CPUs",
        "processes spinning, on two CPUs",
        "threads spinning, on two CPUs",
        "a thread and its coroutine",
    ];
    for (game, expected) in games.iter().zip(expected) {
        // On one CPU the games for two are skipped.
        assert!(
            game.trim_end_matches(" skipped") == expected,
            "{game} is not {expected}"
        );
    }
    assert_eq!(games.len(), expected.len());
    let one_cpu = &lines[..4];
    assert!(
        one_cpu
            .iter()
            .all(|line| line.ends_with("# a round trip, # switches here"))
    );
    // Whatever the machine: a coroutine's switch is none of the kernel's.
    let printed = example_output::of("switch_measured", &[]);
    assert!(
        printed
            .trim_end()
            .ends_with("a round trip,    0 switches here"),
        "{printed}"
    );
}

#[test]
fn the_working_set_is_a_table_of_five_rows() {
    let lines = structure(&example_output::of("working_set", &[]));
    assert!(lines[0].starts_with("KiB of each two switches and the work"));
    assert_eq!(lines[1..], ["# # # #"; 5]);
}

#[test]
fn the_cost_of_creation_is_a_table_by_memory() {
    let lines = structure(&example_output::of("creation_cost", &[]));
    assert_eq!(lines[0], "in use fork vfork thread fiber");
    assert_eq!(lines[1..], ["# MiB # # # #"; 3]);
}

/// The number in this line after these words.
fn number(printed: &str, after: &str) -> f64 {
    let line = printed.lines().find(|line| line.contains(after));
    let line = line.unwrap_or_else(|| panic!("no line contains {after}:\n{printed}"));
    let rest = &line[line.find(after).unwrap() + after.len()..];
    let word = rest.split_whitespace().next().unwrap_or("");
    word.parse()
        .unwrap_or_else(|_| panic!("no number after {after}: {line}"))
}

#[test]
fn each_step_says_by_a_ratio_why_it_is_wrong() {
    for (step, sentence) in [
        ("step_1_spawn", "spawn and join take "),
        ("step_3_start_inside", "with 10 it seems to take "),
        ("step_4_cold", "the first takes "),
        ("step_5_one_batch", "all of A, then all of B  B takes "),
        ("step_5_one_batch", "A and B in turns         B takes "),
        ("step_6_interleaved", "between processes it takes "),
    ] {
        let printed = example_output::of(step, &[]);
        assert!(number(&printed, sentence) > 0.0, "{step}: {printed}");
    }
    // With one CPU only, there is nothing to compare.
    let printed = example_output::of("step_2_unpinned", &[]);
    let compared = printed.contains("the unpinned game takes ");
    assert!(
        compared || printed.contains("only one CPU"),
        "step_2_unpinned: {printed}"
    );
}

#[test]
fn a_spawn_and_a_join_are_one_wait() {
    let printed = example_output::of("step_1_spawn", &[]);
    let waits = number(&printed, "in 100 spawns and joins: ");
    // Rarely, the thread has ended before this one waits for it.
    assert!((90.0..=110.0).contains(&waits), "{printed}");
}

#[test]
fn only_waiting_is_a_voluntary_switch() {
    let printed = example_output::of("switches_counted", &[]);
    // On a busy machine a thread rarely waits for something else, such as a page, and a thread that is
    // interrupted on its way to wait may find that it need not wait any more.
    let never = 0.0..=5.0;
    let always = 50.0..=105.0;
    for (situation, voluntary) in [
        ("1,000 system calls (getppid)", &never),
        ("1,000 locks and unlocks of a free mutex", &never),
        ("1,000 reads of bytes that are there", &never),
        ("1,000 resumes of a coroutine", &never),
        ("100 reads that have to wait", &always),
        ("100 sleeps", &always),
        ("computing beside another thread", &never),
        ("20 times sched_yield beside another thread", &never),
    ] {
        let counted = number(&printed, situation);
        assert!(
            voluntary.contains(&counted),
            "{situation}: {counted}\n{printed}"
        );
    }
}

#[test]
fn the_saved_registers_are_those_of_the_call_that_waits() {
    let printed = example_output::of("saved_registers", &[]);
    assert_eq!(printed.matches("program counter").count(), 2);
    assert_eq!(printed.matches("(its descriptor: true)").count(), 2);
    assert_eq!(printed.matches("(its buffer: true)").count(), 2);
    assert_eq!(printed.matches("5 (bytes to read)").count(), 2);
}

#[test]
fn a_switch_moves_no_pages() {
    let printed = example_output::of("address_spaces", &[]);
    let of = |words| number(&printed, words);
    let threads = [
        of("page tables of this thread"),
        of("page tables of another thread"),
    ];
    assert_eq!(threads[0], threads[1], "{printed}");
    // At least an entry of 8 bytes for each of the 16,384 pages.
    assert!(
        threads[0] >= 128.0 && of("page tables of the child") >= 128.0,
        "{printed}"
    );
    assert_eq!(of("the word at one address, here"), 1.0);
    assert_eq!(of("the word at that address, child"), 2.0);
    assert_eq!(of("pages read from a disk"), 0.0);
    assert!(of("other page faults") < 20.0, "{printed}");
}

#[test]
fn the_pages_touched_are_a_table_of_five_rows() {
    let printed = example_output::of("pages_touched", &[]);
    let first = |line: &str| line.split_whitespace().next().unwrap_or("").to_owned();
    let rows: Vec<String> = printed.lines().skip(2).map(first).collect();
    assert_eq!(rows, ["0", "16", "64", "256", "1,024"]);
}

#[test]
fn the_trace_has_a_lane_for_the_cpu_and_for_each_thread() {
    let printed = example_output::of("who_runs", &[]);
    assert!(printed.starts_with("{\"kind\":\"lanes\",\"axis\":\"µs\""));
    for lane in ["the CPU", "thread A", "thread B", "thread C"] {
        assert!(printed.contains(&format!("{{\"name\":\"{lane}\"")));
    }
    let spans = printed.matches("\"look\"").count();
    assert!((4..=40).contains(&spans), "{spans} spans: {printed}");
}

#[test]
fn the_kernel_counts_at_least_the_gaps_that_a_thread_finds() {
    let printed = example_output::of("who_runs", &["counted"]);
    for thread in ["A", "B", "C"] {
        let line = printed.lines().find(|line| line.starts_with(thread));
        let numbers: Vec<u64> = line
            .unwrap()
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [gaps, voluntary, involuntary, _] = numbers[..] else {
            panic!("{printed}")
        };
        // The machine below a virtual machine can stop it, and the kernel
        // counts no switch.
        assert!(gaps <= voluntary + involuntary + 10, "{printed}");
        assert_eq!(voluntary > 0, thread == "C", "{printed}");
    }
}

#[test]
fn more_threads_need_more_switches_for_the_same_requests() {
    let printed = example_output::of("threads_per_connection", &[]);
    let rows: Vec<f64> = ["      1 ", "     64 "]
        .iter()
        .map(|row| number(&printed, row))
        .collect();
    assert!(rows[0] < 0.5 && rows[1] > 0.9, "{printed}");
}

#[test]
fn a_neighbor_is_seen_in_the_time_without_a_cpu() {
    let printed = example_output::of("noisy_neighbor", &[]);
    assert!(number(&printed, "elapsed  beside the neighbor, against alone: ") > 1.0);
    assert!(number(&printed, "CPU time beside the neighbor, against alone: ") > 0.0);
}

#[test]
fn every_thread_of_a_process_has_a_line() {
    let printed = example_output::of("who_switches", &[]);
    for thread in [
        "computes ",
        "computes too",
        "sleeps often",
        "waits for ever",
    ] {
        let lines = printed.lines().filter(|line| line.starts_with(thread));
        assert!(lines.count() >= 1, "{thread}: {printed}");
    }
    assert!(printed.contains("the whole machine: "));
}
