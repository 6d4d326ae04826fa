//! What the pictures contain.

use records::ledger::{Notes, Truth, Unit};

use super::*;

fn entry(values: &[f64]) -> Entry {
    let mut notes = Notes::default();
    for &value in values {
        notes.figures.push(Figure {
            name: "fork & <wait>".to_owned(),
            unit: Unit::Nanoseconds,
            middle: value,
            low: value,
            high: value,
            samples: vec![value; 3],
        });
    }
    for pair in values.windows(2) {
        let ratio = pair[1] / pair[0];
        notes.ratios.push(Ratio {
            of: "new & old".to_owned(),
            to: "before".to_owned(),
            middle: ratio,
            low: ratio,
            high: ratio,
        });
    }
    Entry {
        number: 21,
        says: "a < b".to_owned(),
        lessons: Vec::new(),
        truth: Truth::Wrong,
        verdict: Verdict::DoesNotHold,
        reason: "because".to_owned(),
        millis: 0,
        attempts: 1,
        notes,
    }
}

#[test]
fn a_picture_says_what_it_shows_and_scales() {
    let picture = svg(&entry(&[1e3, 1e6])).unwrap();
    for part in [
        "viewBox=",
        "role=\"img\"",
        "<title id=\"claim-21-title\">a &lt; b</title>",
        "fork &amp; &lt;wait&gt;: 1.00 µs (1.00 µs to 1.00 µs); ",
        "new &amp; old / before: 1000 (1000 to 1000)",
        "prefers-color-scheme:dark",
        "logarithmic scale",
        "font-weight=\"bold\" x=\"8\" y=\"20\">a &lt; b</text>",
        "claim 21: does not hold</text>",
        ">10.0 µs</text>",
        ">100</text>",
    ] {
        assert!(picture.contains(part), "{part} is missing in\n{picture}");
    }
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
}

#[test]
fn without_its_style_sheet_every_element_has_its_color() {
    let picture = svg(&entry(&[1e3, 2e3])).unwrap();
    let (before, rest) = picture.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    assert!(!picture.contains("var("), "{picture}");
    for element in format!("{before}{after}").split('<').skip(1) {
        let drawn = ["text ", "path ", "circle ", "rect "];
        if drawn.iter().any(|name| element.starts_with(name)) {
            assert!(
                element.contains("fill=\"#") || element.contains("stroke=\"#"),
                "{element}"
            );
        }
    }
}

#[test]
fn an_interval_has_two_ends_that_the_median_does_not_hide() {
    let mut entry = entry(&[100.0]);
    entry.notes.figures[0].low = 99.0;
    let picture = svg(&entry).unwrap();
    let path = picture.split("<path class=\"mark\"").nth(1).unwrap();
    assert_eq!(path.split("/>").next().unwrap().matches('V').count(), 2);
    let ring = picture.split("<circle ").nth(1).unwrap();
    assert!(ring.split("/>").next().unwrap().contains("fill=\"none\""));
}

#[test]
fn the_narrow_form_has_names_above_intervals_and_ids_of_its_own() {
    let picture = narrow_svg(&entry(&[1e3, 2e3, 1e6])).unwrap();
    for part in [
        "class=\"claim-chart narrow\"",
        "aria-labelledby=\"claim-21-narrow-title claim-21-narrow-desc\"",
        "x=\"2\" y=\"16.0\">fork &amp; &lt;wait&gt;</text>",
        "x=\"328.0\" y=\"16.0\" text-anchor=\"end\">1.00 µs</text>",
        "new &amp; old / before</text>",
    ] {
        assert!(picture.contains(part), "{part} is missing in\n{picture}");
    }
    assert!(!picture.contains("<style>") && !picture.contains("font-weight"));
}

#[test]
fn without_figures_there_is_no_picture() {
    assert!(svg(&entry(&[])).is_none());
    assert!(svg(&entry(&[0.0])).is_some());
}
