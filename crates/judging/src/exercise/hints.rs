//! The ladder of hints.

/// The hints in a `hints.md`: the text below each heading `## Hint`.
pub fn hints(text: &str) -> Vec<String> {
    text.split("\n## Hint")
        .skip(1)
        .map(|part| part.split_once('\n').map_or("", |(_, body)| body))
        .map(|body| body.trim().to_owned())
        .collect()
}
