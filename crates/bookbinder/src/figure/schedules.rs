//! All schedules of small programs, as trees: the game "be the scheduler".
//!
//! Without a script, each level shows its program, its whole tree, and a table of
//! all schedules. `book/style/schedules.js` lets the reader go through the tree
//! step by step. It finds the same tree as data in the page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::listed;
use crate::directive::escaped;

/// The format of the data in the page. The script reads no other.
const FORMAT: u32 = 1;
/// A tree with more schedules would not fit into a picture.
const MOST_SCHEDULES: usize = 40;
const MOST_STEPS: usize = 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedules {
    /// The names of the two threads.
    threads: [String; 2],
    levels: Vec<Level>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    /// What its schedules begin with, such as `two_steps`.
    name: String,
    title: String,
    task: String,
    lesson: String,
    /// The lines of the program.
    program: Vec<String>,
    /// The names of what the threads share.
    shared: Vec<String>,
    tree: Node,
}

/// Where a program stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    /// With this, `cargo course replay` gets here, and goes on by itself.
    schedule: String,
    /// What has happened since the node above: thread, line, text.
    steps: Vec<(usize, usize, String)>,
    /// The lines at which the threads are; 0 for a thread that is done.
    lines: Vec<usize>,
    values: Vec<String>,
    #[serde(default)]
    next: Vec<Next>,
    /// At an end: whether all is as it should be, and what is not.
    right: Option<bool>,
    says: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Next {
    thread: usize,
    node: Node,
}

/// A way from the root to an end.
struct Way<'a> {
    choices: Vec<usize>,
    end: &'a Node,
}

impl Node {
    fn ways<'a>(&'a self, choices: &mut Vec<usize>, ways: &mut Vec<Way<'a>>) {
        if self.next.is_empty() {
            ways.push(Way {
                choices: choices.clone(),
                end: self,
            });
        }
        for next in &self.next {
            choices.push(next.thread);
            next.node.ways(choices, ways);
            choices.pop();
        }
    }

    fn depth(&self) -> usize {
        let below = self.next.iter().map(|next| next.node.depth() + 1);
        below.max().unwrap_or(0)
    }

    fn check(&self, level: &Level) -> Result<(), String> {
        let of = |what: &str| format!("level {}, at {:?}: {what}", level.name, self.schedule);
        let is_line = |line: &usize| *line <= level.program.len();
        let mut steps = self.steps.iter();
        if !steps.all(|(thread, line, _)| *thread < 2 && is_line(line)) {
            return Err(of("a step of no thread, or in no line"));
        }
        if !self.lines.iter().all(is_line) || self.values.len() != level.shared.len() {
            return Err(of("a thread in no line, or a value of nothing"));
        }
        let mut kids: Vec<usize> = self.next.iter().map(|next| next.thread).collect();
        kids.dedup();
        if self.next.is_empty() == self.right.is_none()
            || kids.len() != self.next.len()
            || kids.iter().any(|thread| *thread > 1)
        {
            return Err(of("an end that is none, or a choice that is none"));
        }
        self.next.iter().try_for_each(|next| next.node.check(level))
    }
}

/// Texts by number: each stands in the data once.
#[derive(Default)]
struct Texts {
    numbers: BTreeMap<String, usize>,
    all: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        self.numbers.insert(text.to_owned(), self.all.len());
        self.all.push(text.to_owned());
        self.all.len() - 1
    }

    /// `[schedule, steps, lines, values, next, right, says]`
    fn node(&mut self, node: &Node) -> Value {
        let steps: Vec<usize> = node
            .steps
            .iter()
            .flat_map(|(thread, line, text)| [*thread, *line, self.number(text)])
            .collect();
        let values: Vec<usize> = node.values.iter().map(|value| self.number(value)).collect();
        let says = node.says.as_deref().map_or(0, |says| self.number(says));
        let mut next = [Value::from(0), Value::from(0)];
        for way in &node.next {
            next[way.thread] = self.node(&way.node);
        }
        let right = node.right.map_or(0, |right| 1 + u32::from(right));
        json!([node.schedule, steps, node.lines, values, next, right, says])
    }
}

impl Schedules {
    fn check(&self) -> Result<(), String> {
        for level in &self.levels {
            level.tree.check(level)?;
            let mut ways = Vec::new();
            level.tree.ways(&mut Vec::new(), &mut ways);
            if ways.len() > MOST_SCHEDULES || level.tree.depth() > MOST_STEPS {
                return Err(format!(
                    "level {} has {} schedules, which is more than a picture can show",
                    level.name,
                    ways.len()
                ));
            }
        }
        match self.levels.is_empty() {
            true => Err("there are no levels".to_owned()),
            false => Ok(()),
        }
    }

    pub(super) fn draw(&self, name: &str, command: &str) -> Result<String, String> {
        self.check()?;
        let mut html = format!("<figure class=\"trace schedules\" id=\"figure-{name}\">\n");
        for (number, level) in self.levels.iter().enumerate() {
            html += &self.level(name, number, level);
        }
        let mut texts = Texts::default();
        texts.number("");
        let levels: Vec<Value> = self
            .levels
            .iter()
            .map(|level| {
                let tree = texts.node(&level.tree);
                json!({"name": level.name, "shared": level.shared, "tree": tree})
            })
            .collect();
        let data = json!({
            "format": FORMAT, "threads": self.threads, "levels": levels, "texts": texts.all,
        });
        // Nothing in the data may end the script.
        let data = data.to_string().replace('<', "\\u003c");
        let _ = write!(
            html,
            "<script type=\"application/json\" class=\"data\">{data}</script>\n\
             <figcaption>Recorded by <code>{}</code></figcaption>\n</figure>",
            escaped(command)
        );
        Ok(html)
    }

    fn level(&self, figure: &str, number: usize, level: &Level) -> String {
        let mut ways = Vec::new();
        level.tree.ways(&mut Vec::new(), &mut ways);
        let wrong = ways.iter().filter(|way| way.end.right == Some(false));
        let wrong = wrong.count();
        let id = format!("figure-{figure}-{}", level.name);
        let mut html = format!(
            "<div class=\"level\" id=\"{id}\" data-title=\"{}\">\n\
             <p class=\"task\"><b>Level {}. {}.</b> {}</p>\n\
             <pre class=\"program\"><code class=\"language-rust\">{}</code></pre>\n\
             <div class=\"scrolls\">{}</div>\n\
             <p class=\"legend\">A branch to the left with a solid line: {} runs next. To the right with a dashed line: {}. \
             ✓ ends right, ✗ ends wrong.</p>\n\
             <details class=\"all\"><summary>All {} schedules</summary>\n\
             <div class=\"table-wrapper\"><table><thead><tr><th>Who runs</th><th>How it ends</th>\
             <th>As a string</th></tr></thead><tbody>\n",
            escaped(&level.title),
            number + 1,
            escaped(&level.title),
            escaped(&level.task),
            // A blank line would end the block of HTML.
            escaped(&level.program.join("\n")).replace("\n\n", "\n&#8203;\n"),
            self.picture(&id, level, &ways, wrong),
            escaped(&self.threads[0]),
            escaped(&self.threads[1]),
            ways.len(),
        );
        for way in &ways {
            let letters = way.choices.iter().map(|thread| &self.threads[*thread]);
            let letters: Vec<String> = letters.cloned().collect();
            let end = match (&way.end.says, way.end.right) {
                (Some(says), _) => format!("✗ {says}"),
                _ => "✓".to_owned(),
            };
            let _ = writeln!(
                html,
                "<tr><td>{}</td><td>{}</td><td><code>{}:{}</code></td></tr>",
                escaped(&letters.join(" ")),
                escaped(&end),
                escaped(&level.name),
                escaped(&way.end.schedule),
            );
        }
        // One of them step by step: one that ends wrong, if there is one.
        let is_wrong = |way: &&Way<'_>| way.end.right == Some(false);
        let shown = ways.iter().find(is_wrong).or(ways.first());
        html += "</tbody></table></div>\n";
        if let Some(way) = shown {
            let _ = writeln!(
                html,
                "<p>{}:{}, step by step: {}.</p>",
                escaped(&level.name),
                escaped(&way.end.schedule),
                escaped(&self.told(&level.tree, &way.choices))
            );
        }
        let _ = writeln!(
            html,
            "</details>\n<p class=\"lesson\">{}</p>\n</div>",
            escaped(&level.lesson)
        );
        html
    }

    /// What happens on a way, in order.
    fn told(&self, root: &Node, choices: &[usize]) -> String {
        let mut told: Vec<String> = Vec::new();
        let mut node = Some(root);
        let mut choices = choices.iter();
        while let Some(here) = node {
            for (thread, _, text) in &here.steps {
                told.push(format!("{}: {text}", self.threads[*thread]));
            }
            let choice = choices.next();
            node = choice.and_then(|choice| {
                let next = here.next.iter().find(|next| next.thread == *choice);
                next.map(|next| &next.node)
            });
        }
        told.join("; ")
    }

    fn picture(&self, id: &str, level: &Level, ways: &[Way<'_>], wrong: usize) -> String {
        const BESIDE: f64 = 22.0;
        const BELOW: f64 = 34.0;
        const MARGIN: f64 = 16.0;
        let width = (ways.len() as f64 * BESIDE + 2.0 * MARGIN).max(220.0);
        let height = level.tree.depth() as f64 * BELOW + 2.0 * MARGIN;
        let mut drawing = Drawing {
            svg: String::new(),
            number: 0,
            left: (width - ways.len() as f64 * BESIDE) / 2.0,
            names: &self.threads,
            many: ways.len() > 12,
        };
        let (edges, root) = drawing.node(&level.tree, MARGIN, BESIDE, BELOW);
        let how = match wrong {
            0 => "None of them ends wrong.".to_owned(),
            _ => {
                let mut ends: Vec<String> =
                    ways.iter().filter_map(|way| way.end.says.clone()).collect();
                ends.sort();
                ends.dedup();
                format!("{wrong} of them end wrong: {}.", listed(&ends))
            }
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tree\" viewBox=\"0 0 {width} {height}\" \
             style=\"width:{width}px\" role=\"img\" aria-labelledby=\"{id}-alt\" font-family=\"system-ui,sans-serif\" font-size=\"10\" text-anchor=\"middle\">\n\
             <title id=\"{id}-alt\">The tree of all {} schedules. At each branching, {} runs next on the left, and {} on the right. {}</title>\n\
             {edges}<circle class=\"branching\" data-node=\"0\" cx=\"{root:.0}\" cy=\"{MARGIN}\" r=\"4\"/>\n{}</svg>",
            ways.len(),
            self.threads[0],
            self.threads[1],
            escaped(&how),
            drawing.svg
        )
    }
}

/// A picture of a tree. Nodes are numbered in the order in which a walk meets
/// them that goes down on the left first; the script counts in the same way.
struct Drawing<'a> {
    svg: String,
    number: usize,
    /// Where the next end is.
    left: f64,
    names: &'a [String; 2],
    /// Whether letters at the edges would be too crowded.
    many: bool,
}

impl Drawing<'_> {
    /// Draws what is below a node. Returns the edges, and where the node is.
    fn node(&mut self, node: &Node, y: f64, beside: f64, below: f64) -> (String, f64) {
        if node.next.is_empty() {
            let x = self.left + beside / 2.0;
            self.left += beside;
            let number = self.number;
            let (class, shape, sign) = match node.right {
                Some(true) => (
                    "right",
                    format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"9\"/>"),
                    "✓",
                ),
                _ => (
                    "wrong",
                    format!(
                        "<rect x=\"{}\" y=\"{}\" width=\"17\" height=\"17\"/>",
                        x - 8.5,
                        y - 8.5
                    ),
                    "✗",
                ),
            };
            let _ = writeln!(
                self.svg,
                "<g class=\"end {class}\" data-node=\"{number}\">{shape}<text x=\"{x}\" y=\"{}\">{sign}</text></g>",
                y + 4.0
            );
            return (String::new(), x);
        }
        let mut edges = String::new();
        let mut ends = Vec::new();
        for next in &node.next {
            self.number += 1;
            let number = self.number;
            let (above, x) = self.node(&next.node, y + below, beside, below);
            edges += &above;
            if !next.node.next.is_empty() {
                let _ = writeln!(
                    self.svg,
                    "<circle class=\"branching\" data-node=\"{number}\" cx=\"{x:.0}\" cy=\"{}\" r=\"4\"/>",
                    y + below
                );
            }
            ends.push((next.thread, number, x));
        }
        let sum: f64 = ends.iter().map(|(.., x)| x).sum();
        let here = sum / ends.len() as f64;
        for (thread, number, x) in ends {
            let class = if thread == 0 { "edge" } else { "edge b" };
            let _ = writeln!(
                edges,
                "<path class=\"{class}\" data-node=\"{number}\" d=\"M{here:.0} {y:.0}L{x:.0} {:.0}\"/>",
                y + below
            );
            if !self.many {
                let side = if thread == 0 { -7.0 } else { 7.0 };
                let _ = writeln!(
                    edges,
                    "<text class=\"who\" x=\"{:.0}\" y=\"{:.0}\">{}</text>",
                    f64::midpoint(here, x) + side,
                    y + below / 2.0,
                    escaped(&self.names[thread])
                );
            }
        }
        (edges, here)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedules;

    fn read(text: &str) -> Result<String, String> {
        let schedules: Schedules = serde_json::from_str(text).map_err(|error| error.to_string())?;
        schedules.draw("x", "the command")
    }

    const END: &str = r#"{"schedule": "ab", "steps": [[1, 1, "b"]], "lines": [0, 0], "values": ["2"], "right": false, "says": "it <b>broke"}"#;

    fn level(end: &str, tree: &str) -> String {
        let tree = tree.replace("END", end);
        format!(
            r#"{{"threads": ["A", "B"], "levels": [{{"name": "n", "title": "T", "task": "do", "lesson": "ah",
            "program": ["x", "", "y"], "shared": ["x"], "tree": {tree}}}]}}"#
        )
    }

    const TREE: &str = r#"{"schedule": "a", "steps": [], "lines": [1, 3], "values": ["0"], "next": [{"thread": 0, "node": END}, {"thread": 1, "node": END}]}"#;

    #[test]
    fn a_level_has_a_picture_a_table_and_its_data() {
        let html = read(&level(END, TREE)).unwrap();
        assert!(html.contains("The tree of all 2 schedules."), "{html}");
        assert!(html.contains("2 of them end wrong: it &lt;b&gt;broke."));
        assert_eq!(html.matches("<code>n:ab</code>").count(), 2);
        assert!(!html.contains("\n\n"), "a blank line ends the block");
        let (_, data) = html.split_once("class=\"data\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["levels"][0]["tree"][4][1][0], "ab");
    }

    #[test]
    fn what_fits_no_program_is_refused() {
        for (from, to) in [
            ("[1, 1, \"b\"]", "[2, 1, \"b\"]"),
            ("[1, 1, \"b\"]", "[1, 9, \"b\"]"),
            ("[\"2\"]", "[]"),
            ("\"right\": false, ", ""),
        ] {
            read(&level(&END.replace(from, to), TREE)).unwrap_err();
        }
        read(&level(END, &TREE.replace("\"thread\": 1", "\"thread\": 0"))).unwrap_err();
        read(&level(END, &TREE.replace("\"thread\": 1", "\"thread\": 7"))).unwrap_err();
    }
}
