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
