//! What each kind of figure shows, as picture, sentences and table.

use super::*;

#[test]
fn every_kind_is_drawn_with_its_alternative_and_its_table() {
    for (trace, alternative, row) in [
        (
            r#"{"kind":"lanes","axis":"steps","lanes":[{"name":"thread A","spans":[{"from":0,"to":2,"label":"load 0","look":"runs"}]},{"name":"B","spans":[]}],"arrows":[{"from":{"lane":0,"at":2},"to":{"lane":1,"at":3},"label":"wakes"}]}"#,
            "thread A: load 0 (runs), steps 0 to 1. B: nothing. An arrow, “wakes”, leads from thread A to B.",
            "<td>thread A</td><td>load 0</td><td>runs</td>",
        ),
        (
            r#"{"kind":"map","columns":[{"name":"parent","cells":[{"label":"page 0","value":"frame 1","look":"shared"}]},{"name":"child","cells":[{"label":"page 0"}]}],"links":[{"from":{"column":0,"cell":0},"to":{"column":1,"cell":0}}]}"#,
            "Column “parent” has 1 cell: page 0 (frame 1, shared). Column “child” has 1 cell: page 0. An arrow leads to page 0 of “child” from page 0 of “parent”.",
            "<td>parent</td><td>page 0</td><td>frame 1</td><td>shared</td>",
        ),
        (
            r#"{"kind":"bars","unit":"system calls","bars":[{"name":"pipe <a>","value":4}]}"#,
            "pipe &lt;a&gt;: 4 system calls",
            "<td>pipe &lt;a&gt;</td><td>4</td>",
        ),
    ] {
        let drawn = draw("x", trace, "cargo run").unwrap();
        assert!(drawn.contains(alternative), "{drawn}");
        assert!(drawn.contains(row), "{drawn}");
        assert!(!drawn.contains("NaN") && !drawn.contains("\n\n"), "{drawn}");
    }
}

#[test]
fn cells_that_share_are_joined_by_lines_without_a_direction() {
    let pages = r#"[{"label":"page 0","value":"shared","look":"shared"},{"label":"page 1","value":"its own","look":"own"}]"#;
    let trace = format!(
        r#"{{"kind":"map","columns":[{{"name":"parent","cells":{pages}}},{{"name":"child","cells":{pages}}}],"links":[{{"from":{{"column":0,"cell":0}},"to":{{"column":1,"cell":0}}}}]}}"#
    );
    let drawn = draw("x", &trace, "cargo run").unwrap();
    for part in [
        "Column “child” has 2 cells: page 0 (shared) and page 1 (its own).",
        "A line joins page 0 of “parent” and of “child”: they are the same memory.",
        "<figcaption>A line joins two cells that are the same memory. Recorded",
        "<th>where</th><th>what</th><th>value</th></tr>",
    ] {
        assert!(drawn.contains(part), "{part} is not in {drawn}");
    }
    let path = drawn.split("<path d=\"").nth(1).unwrap();
    assert_eq!(path.split('"').next().unwrap().matches('M').count(), 1);
}

#[test]
fn an_arrow_passes_below_the_columns_between_its_ends() {
    let column = r#"{"name":"a","cells":[{"label":"b"}]}"#;
    let trace = format!(
        r#"{{"kind":"map","columns":[{column},{column},{column}],"links":[{{"from":{{"column":0,"cell":0}},"to":{{"column":2,"cell":0}}}}]}}"#
    );
    let drawn = draw("x", &trace, "").unwrap();
    let path = drawn.split("<path d=\"M").nth(1).unwrap();
    let line = path.split('M').next().unwrap();
    let heights: Vec<f64> = line
        .split('L')
        .map(|point| point.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(heights.len(), 6);
    assert!(
        heights[2] > heights[0] && heights[2] == heights[3],
        "{line}"
    );
}

#[test]
fn a_label_is_in_its_box_in_two_lines_below_it_or_in_the_table() {
    let spans = |cuts: &[f64]| {
        let spans = cuts.windows(2).map(|ends| {
            format!(
                r#"{{"from":{},"to":{},"label":"sp at top-28160"}}"#,
                ends[0], ends[1]
            )
        });
        let spans = spans.collect::<Vec<_>>().join(",");
        let trace =
            format!(r#"{{"kind":"lanes","axis":"ms","lanes":[{{"name":"a","spans":[{spans}]}}]}}"#);
        draw("x", &trace, "").unwrap()
    };
    let many: Vec<f64> = (0..12).map(f64::from).collect();
    let wide = spans(&many);
    assert_eq!(wide.matches(">top-28160</text>").count(), 11, "{wide}");
    let below = spans(&[0.0, 1.0, 100.0]);
    assert_eq!(below.matches(">sp at top-28160</text>").count(), 2);
    let none = spans(&[0.0, 1.0, 2.0, 3.0, 4.0, 100.0]);
    assert!(none.contains("only in the table"), "{none}");
    for drawn in [wide, below, none] {
        assert!(!drawn.contains('…'), "{drawn}");
    }
}

#[test]
fn each_step_has_its_number() {
    let trace = r#"{"kind":"lanes","axis":"steps","lanes":[{"name":"a","spans":[{"from":0,"to":1,"label":"x"},{"from":1,"to":3,"label":"y"}]}]}"#;
    let drawn = draw("name", trace, "").unwrap();
    for part in [">step</text>", ">0</text>", ">1</text>", ">2</text>"] {
        assert!(drawn.contains(part), "{part} is not in {drawn}");
    }
    assert!(drawn.contains("x, step 0; y, steps 1 to 2"), "{drawn}");
    assert!(drawn.contains("<th>first step</th><th>last step</th>"));
}

#[test]
fn a_trace_that_is_none_is_named() {
    for trace in [
        "",
        "{}",
        r#"{"kind":"lanes","axis":"steps","lanes":[]}"#,
        r#"{"kind":"bars","unit":"x","bars":[{"name":"much too long for a label here","value":1}]}"#,
        r#"{"kind":"lanes","axis":"steps","lanes":[{"name":"a","spans":[{"from":3,"to":2,"label":"x"}]}]}"#,
    ] {
        assert!(
            draw("name", trace, "").unwrap_err().starts_with("name"),
            "{trace}"
        );
    }
}
