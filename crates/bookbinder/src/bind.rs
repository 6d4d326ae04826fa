//! Builds the book, strictly: everything that mdBook would let pass is an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{fs, io};

use judging::Course;
use mdbook_driver::MDBook;
use mdbook_driver::book::BookItem;
use regex::Regex;

use crate::directive::quiz;
use crate::directive::{Books, Chapter, Sources, UNMEASURED, expand};
use crate::fault::Fault;
use crate::own::Own;
use crate::pages::Pages;
use crate::prose;
use crate::refresh::check_picture;

/// A built book.
#[derive(Debug)]
pub struct Bound {
    /// The folder with its pages.
    pub folder: PathBuf,
    /// How long it took.
    pub took: Duration,
    /// The words of each chapter, without code, by its file.
    pub words: Vec<(String, usize)>,
    /// The size of all files in bytes.
    pub size: u64,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// The topics, each of which has a chapter.
const TOPICS: [&str; 6] = [
    "processes",
    "ipc",
    "threads",
    "sync",
    "context-switch",
    "coroutines",
];

/// Builds the book of this course into `folder`. `target` is cargo's target
/// folder, where the reader's own figures are.
///
/// # Errors
/// The book cannot be built at all. What is wrong with a book that was built is
/// in [`Bound::faults`].
pub fn bind(course: &Course, folder: &Path, target: &Path) -> Result<Bound, String> {
    let started = Instant::now();
    refuse_what_is_no_book(folder)?;
    let root = course.root.join("book");
    let mut faults = Vec::new();
    let said = |error: &dyn std::fmt::Display| format!("the book cannot be built: {error}");
    let mut book = MDBook::load(&root).map_err(|error| said(&format!("{error:#}")))?;
    folder.clone_into(&mut book.config.build.build_dir);
    let sources = Sources {
        course,
        ledger: Books::read(&course.root)?,
        own: Own::read(target),
        target,
        quizzes: quiz::read_all(&course.root, &mut faults),
        recordings: Default::default(),
        used: Default::default(),
    };
    if let Ok(text) = fs::read_to_string(course.root.join(UNMEASURED)) {
        prose::numbers(Path::new(UNMEASURED), &text, &mut faults);
    }
    let mut links = Vec::new();
    let mut words = Vec::new();
    let mut pages = Vec::new();
    book.book.for_each_mut(|item| {
        let BookItem::Chapter(chapter) = item else {
            return;
        };
        let Some(path) = chapter.source_path.clone() else {
            return;
        };
        let name = path.with_extension("").to_string_lossy().into_owned();
        let file = Path::new("book/src").join(&path);
        let read = prose::read(
            &file,
            &chapter.content,
            TOPICS.contains(&name.as_str()),
            &mut faults,
        );
        let page = format!("{name}.html");
        links.extend(
            read.links
                .into_iter()
                .map(|link| (file.clone(), page.clone(), link)),
        );
        words.push((file.display().to_string(), read.words));
        pages.push(page);
        let written = Chapter {
            name: &name,
            file: &file,
            text: &chapter.content,
        };
        let expanded = expand(&written, &sources, &mut faults);
        chapter.content = to_sources(&expanded, &sources);
    });
    book.build().map_err(|error| said(&format!("{error:#}")))?;
    make_smaller(folder).map_err(|error| said(&error))?;
    fs::write(folder.join(MARK), "").map_err(|error| said(&error))?;
    copy_sources(&sources, folder).map_err(|error| said(&error))?;
    let built = Pages::read(folder, &pages, &mut faults);
    for (file, page, link) in &links {
        match link.target.strip_prefix("repo:") {
            Some(path) if course.root.join(path).is_file() => {}
            Some(path) => faults.push(Fault::new(
                file,
                link.line,
                format!("the link leads nowhere: the course has no file {path}"),
            )),
            None => built.check(file, page, link, &mut faults),
        }
    }
    nothing_is_left_out(course, &sources, &mut faults);
    check_picture(&course.root, &mut faults);
    faults.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    Ok(Bound {
        folder: folder.to_owned(),
        took: started.elapsed(),
        words,
        size: size(folder),
        faults,
    })
}

/// A chart's form for narrow screens.
static NARROW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?s)<svg [^>]*class="claim-chart narrow".*?</svg>"#).expect("a constant")
});

/// How often a word occurs in a section: the square root of a count, with all its digits.
static FREQUENCY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"("tf":\d+\.\d\d)\d+"#).expect("a constant"));

/// A beginning of words that is no word itself. That no section has it goes without saying.
static BEGINNING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#""df":0,"docs":\{\},"#).expect("a constant"));

/// What a figure's script needs. On the page that is printed, nobody plays.
static DATA: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?s)<script type="application/json" class="data">.*?</script>"#)
        .expect("a constant")
});

/// Leaves out what no reader misses: charts for narrow screens and data for scripts on the page that
/// is printed; and in the index of the search, digits of frequencies and what is said of words that
/// are none.
fn make_smaller(folder: &Path) -> io::Result<()> {
    for (name, waste, instead) in [
        ("print.html", &NARROW, ""),
        ("print.html", &DATA, ""),
        ("searchindex.js", &FREQUENCY, "$1"),
        ("searchindex.js", &BEGINNING, ""),
    ] {
        let path = folder.join(name);
        if let Ok(text) = fs::read_to_string(&path) {
            fs::write(&path, waste.replace_all(&text, instead).as_bytes())?;
        }
    }
    Ok(())
}

/// The file by which a folder is known to hold a book of ours.
const MARK: &str = ".built-by-bookbinder";

/// mdBook empties the folder into which it builds.
fn refuse_what_is_no_book(folder: &Path) -> Result<(), String> {
    let is_free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none() || folder.join(MARK).is_file(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    match is_free {
        true => Ok(()),
        false => Err(format!(
            "the book cannot be built into {}: that is no empty folder and no book that this program has built, and \
             everything in it would be removed. Choose another folder with `--out`",
            folder.display()
        )),
    }
}

/// Links to files of the repository lead to the copies that the book carries.
fn to_sources(text: &str, sources: &Sources<'_>) -> String {
    let mut parts = text.split("](repo:");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (path, rest) = part.split_once(')').unwrap_or((part, ""));
        sources
            .used
            .borrow_mut()
            .sources
            .insert(PathBuf::from(path));
        result += &format!("](source/{path}.txt){rest}");
    }
    result
}

/// Copies each file to which the book links, as a text that a browser shows.
fn copy_sources(sources: &Sources<'_>, folder: &Path) -> std::io::Result<()> {
    for path in &sources.used.borrow().sources {
        let to = folder
            .join("source")
            .join(format!("{}.txt", path.display()));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        // A missing file has been noted already.
        if let Ok(bytes) = fs::read(sources.root().join(path)) {
            fs::write(to, bytes)?;
        }
    }
    Ok(())
}

/// Every exercise, recording, gate and quiz is used by some chapter.
fn nothing_is_left_out(course: &Course, sources: &Sources<'_>, faults: &mut Vec<Fault>) {
    let used = sources.used.borrow();
    for exercise in &course.exercises {
        if !used.exercises.contains(&exercise.id) {
            let what = format!(
                "no chapter mentions the exercise `{}`: `{{{{#exercises {}}}}}` does",
                exercise.id, exercise.topic
            );
            faults.push(Fault::new("exercises/course.toml", 0, what));
        }
    }
    for (name, quizzes) in &sources.quizzes {
        let file = quiz::file(name);
        let unused = quizzes
            .predict
            .iter()
            .filter(|gate| !used.gates.contains(&gate.id));
        for gate in unused {
            let what = format!("no chapter uses the gate `{}`", gate.id);
            faults.push(Fault::new(&file, 0, what));
        }
        if !quizzes.question.is_empty() && !used.quizzes.contains(name) {
            let what = format!("no chapter uses these questions: `{{{{#quiz {name}}}}}` does");
            faults.push(Fault::new(file, 0, what));
        }
    }
    let shown = sources.recordings.borrow();
    for name in recordings(&course.root) {
        if !shown.contains_key(&name) {
            faults.push(Fault::new(
                format!("book/records/{name}.txt"),
                0,
                "no chapter shows this recording: remove it",
            ));
        }
    }
}

/// The names of all recordings.
pub(crate) fn recordings(root: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(root.join("book/records"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".txt")?.to_owned()))
        .collect()
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            _ => entry.metadata().map_or(0, |about| about.len()),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_page_has_the_wide_charts_only_and_the_index_short_frequencies() {
        let folder = tempfile::tempdir().unwrap();
        let wide = "<svg x=\"1\" class=\"claim-chart\">\n<path/></svg>";
        let narrow = "<svg x=\"1\" class=\"claim-chart narrow\" y=\"2\">\n<path/></svg>";
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        write("print.html", &format!("<p>{wide}{narrow}</p>{wide}"));
        write("a.html", narrow);
        write(
            "searchindex.js",
            r#"{"df":0,"docs":{},"a":{"0":{"tf":1.7320508075688772},"1":{"tf":1.0}}}"#,
        );
        make_smaller(folder.path()).unwrap();
        assert_eq!(read("print.html"), format!("<p>{wide}</p>{wide}"));
        assert_eq!(read("a.html"), narrow);
        assert_eq!(
            read("searchindex.js"),
            r#"{"a":{"0":{"tf":1.73},"1":{"tf":1.0}}}"#
        );
    }
}
