//! Checks what the linker made of a source: whether code runs before `main`,
//! and whether functions of the C library are replaced.
//!
//! The policy on tokens refuses the names that make this possible, but a macro
//! or a directive in assembly may hide such a name from it. In the linked
//! program nothing is hidden. A permitted program has the same functions to run
//! at its start as the judge, which is made of the same crates, and it defines
//! no symbol of a library that it is linked with.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use object::elf::{
    DT_AUDIT, DT_AUXILIARY, DT_DEPAUDIT, DT_FILTER, DT_NEEDED, STB_LOCAL, STT_GNU_IFUNC,
    STV_DEFAULT,
};
use object::read::elf::{Dyn as _, ElfFile64, ElfSymbol64};
use object::{Object, ObjectSection, ObjectSymbol, ObjectSymbolTable, RelocationTarget};

use crate::trouble::Trouble;

/// Something in a program that does not come from ordinary Rust code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strange {
    /// Code that runs before or after `main`, and the section that lists it.
    Early(&'static str),
    /// A function of a library that the program defines itself.
    Replaced(String),
    /// A function whose address is chosen by code that runs at the start of the program.
    Indirect(String),
    /// A library that the judge is not linked with.
    Library(String),
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strange::Early(section) => write!(
                f,
                "your code changes the section `{section}` of the program, whose contents run before or after `main`: that is not allowed"
            ),
            Strange::Replaced(name) => write!(
                f,
                "your code defines the symbol `{name}`, which replaces that of the C library in the whole program: that is not allowed"
            ),
            Strange::Library(name) => write!(
                f,
                "your code links the program with the library {name}: that is not allowed"
            ),
            Strange::Indirect(name) => write!(
                f,
                "your code defines `{name}` as an indirect function, and the code that chooses its address runs before `main`: that is not allowed"
            ),
        }
    }
}

/// Sections whose contents run although the program does not call them.
const EARLY: [&str; 9] = [
    ".preinit_array",
    ".init_array",
    ".fini_array",
    ".ctors",
    ".dtors",
    ".init",
    ".fini",
    ".text.startup",
    ".text.exit",
];

/// The first strange thing in `subject`, compared with `judge`.
///
/// # Errors
/// A program cannot be read.
pub fn strange(subject: &Path, judge: &Path) -> Result<Option<Strange>, Trouble> {
    let (subject_bytes, judge_bytes) = (read(subject)?, read(judge)?);
    let subject = parsed(subject, &subject_bytes)?;
    let judge = parsed(judge, &judge_bytes)?;
    for section in EARLY {
        let due = match section {
            // Only the judge has something in this section: code that protects the judge.
            ".preinit_array" => 0,
            section => size(&judge, section),
        };
        if size(&subject, section) != due {
            return Ok(Some(Strange::Early(section)));
        }
    }
    // The same size may still mean other functions.
    for section in LISTS {
        if listed(&subject, section) != listed(&judge, section) {
            return Ok(Some(Strange::Early(section)));
        }
    }
    let usual = libraries(&judge);
    if let Some(library) = libraries(&subject)
        .into_iter()
        .find(|name| !usual.contains(name))
    {
        return Ok(Some(Strange::Library(library)));
    }
    let theirs = names_of_libraries();
    // The start code of the C library calls some functions only if they exist
    // (`__gmon_start__`).
    let asked: HashSet<&str> = judge
        .symbols()
        .chain(judge.dynamic_symbols())
        .filter(ObjectSymbol::is_undefined)
        .filter_map(|symbol| symbol.name().ok())
        .collect();
    for symbol in subject.symbols().filter(|symbol| !symbol.is_undefined()) {
        let Ok(name) = symbol.name() else { continue };
        let raw = symbol.elf_symbol();
        // Rust's own code has no indirect functions.
        if raw.st_type() == STT_GNU_IFUNC {
            return Ok(Some(Strange::Indirect(name.to_owned())));
        }
        // The linker has made a hidden symbol local by now, but that symbol has
        // replaced the other one all the same. A label in assembly was local
        // from the start.
        let is_label = raw.st_bind() == STB_LOCAL && raw.st_visibility() == STV_DEFAULT;
        let replaces = theirs.contains(name) || asked.contains(name);
        if !name.is_empty() && replaces && !is_label && !defines(&judge, name) {
            return Ok(Some(Strange::Replaced(name.to_owned())));
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    fs::read(path).map_err(Trouble::reading(path))
}

fn parsed<'a>(path: &Path, bytes: &'a [u8]) -> Result<ElfFile64<'a>, Trouble> {
    ElfFile64::parse(bytes).map_err(|error| {
        Trouble::malformed(
            path.to_owned(),
            format!("it is not an ELF program: {error}"),
        )
    })
}

fn size(program: &ElfFile64, section: &str) -> u64 {
    program
        .section_by_name(section)
        .map_or(0, |section| section.size())
}

/// Sections that are lists of functions, and may be in a judge.
const LISTS: [&str; 2] = [".init_array", ".fini_array"];

/// The names of the functions that a section lists. For each entry, these are
/// all the functions that the loader writes there; the last one counts.
/// (Ordinary programs have one for each entry.)
fn listed(program: &ElfFile64, section: &str) -> Vec<Vec<String>> {
    let Some(section) = program.section_by_name(section) else {
        return Vec::new();
    };
    let (start, data) = (section.address(), section.data().unwrap_or_default());
    let places = (0..).map(|number| start + 8 * number);
    let entries = data.as_chunks::<8>().0.iter().zip(places);
    entries
        .map(|(entry, place)| {
            let mut names = relocated(program, place);
            if names.is_empty() {
                // The entry is relocated in place (RELR), so it holds the address itself.
                names.push(name_at(program, u64::from_le_bytes(*entry)));
            }
            names
        })
        .collect()
}

/// The names of what the loader writes at a place, as the relocations say.
fn relocated(program: &ElfFile64, place: u64) -> Vec<String> {
    let all = program.dynamic_relocations().into_iter().flatten();
    all.filter(|(address, _)| *address == place)
        .map(|(_, relocation)| match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let symbols = program.dynamic_symbol_table();
                let symbol = symbols.and_then(|table| table.symbol_by_index(index).ok());
                let name = symbol.and_then(|symbol| symbol.name().ok().map(str::to_owned));
                name.unwrap_or_default()
            }
            _ => name_at(program, relocation.addend().cast_unsigned()),
        })
        .collect()
}

/// The name of the function that begins at an address. (The functions of Rust's
/// own start code have the same names in all programs.)
fn name_at(program: &ElfFile64, address: u64) -> String {
    let is_there = |symbol: &ElfSymbol64| {
        symbol.address() == address && !symbol.is_undefined() && symbol.name() != Ok("")
    };
    match program.symbols().find(is_there) {
        Some(symbol) => symbol.name().unwrap_or_default().to_owned(),
        None => format!("{address:#x}"),
    }
}

/// The shared libraries that a program asks the loader for.
fn libraries(program: &ElfFile64) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let sections = program.elf_section_table();
    let Ok(Some((entries, strings))) = sections.dynamic(program.endian(), program.data()) else {
        return names;
    };
    let Ok(strings) = sections.strings(program.endian(), program.data(), strings) else {
        return names;
    };
    for entry in entries {
        // Filter and audit entries are further ways to have a library loaded.
        let tag = entry.d_tag(program.endian());
        let loads = [DT_NEEDED, DT_AUXILIARY, DT_FILTER, DT_AUDIT, DT_DEPAUDIT];
        if loads.contains(&tag)
            && let Ok(name) = entry.string(program.endian(), strings)
        {
            names.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    names
}

fn defines(program: &ElfFile64, name: &str) -> bool {
    let mut symbols = program.symbols().filter(|symbol| !symbol.is_undefined());
    symbols.any(|symbol| symbol.name() == Ok(name))
}

/// All names that the shared libraries of this process export. Rust programs
/// are linked with the same libraries on this machine.
fn names_of_libraries() -> HashSet<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let libraries: BTreeSet<PathBuf> = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter(|path| path.contains(".so"))
        .map(PathBuf::from)
        .collect();
    let mut names = HashSet::new();
    for library in libraries {
        let Ok(bytes) = fs::read(&library) else {
            continue;
        };
        let Ok(file) = ElfFile64::<object::Endianness>::parse(&*bytes) else {
            continue;
        };
        let exported = file
            .dynamic_symbols()
            .filter(|symbol| !symbol.is_undefined())
            .filter_map(|symbol| Some(symbol.name().ok()?.to_owned()));
        names.extend(exported);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program in assembly, with this text in it, and one without.
    fn found(text: &str) -> Option<Strange> {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, text: &str| {
            let source = folder.path().join(format!("{name}.rs"));
            let text = text.replace('\n', "\\n").replace('"', "\\\"");
            let program = folder.path().join(name);
            let source_text = format!(
                "core::arch::global_asm!(\"{text}\");\nfn main() {{ println!(\"{{}}\", std::process::id()); }}\n"
            );
            fs::write(&source, source_text).unwrap();
            let built = std::process::Command::new(
                std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()),
            )
            .arg("--edition=2024")
            .arg("-o")
            .args([&program, &source])
            .output()
            .unwrap();
            assert!(built.status.success(), "{built:?}");
            program
        };
        strange(&made("subject", text), &made("judge", "")).unwrap()
    }

    #[test]
    fn an_ordinary_program_is_not_strange() {
        assert_eq!(found(""), None);
        assert_eq!(found(".text\nmine: ret\n"), None);
    }

    #[test]
    fn what_runs_early_is_named_by_its_section() {
        for section in [".init_array", ".preinit_array", ".fini_array"] {
            let text = format!(".section {section},\"aw\"\n.quad main\n.text\n");
            assert!(matches!(found(&text), Some(Strange::Early(_))), "{section}");
        }
    }

    #[test]
    fn one_early_function_in_place_of_another_is_seen() {
        let text = ".section .init_array.5000,\"aw\",@init_array\n.reloc 0, R_X86_64_64, mine\n.text\nmine: ret\n";
        if cfg!(target_arch = "x86_64") {
            assert!(matches!(found(text), Some(Strange::Early(".init_array"))));
        }
    }

    #[test]
    fn a_label_in_assembly_replaces_nothing() {
        assert_eq!(found(".text\nexit: ret\nread: ret\n"), None);
    }

    #[test]
    fn what_replaces_a_function_of_libc_is_named() {
        for visibility in [".globl", ".weak", ".hidden getpid\n.globl"] {
            let text = format!(".text\n{visibility} getpid\ngetpid: ret\n");
            let replaced = Some(Strange::Replaced("getpid".to_owned()));
            assert_eq!(found(&text), replaced, "{visibility}");
        }
        let started = ".text\n.globl __gmon_start__\n__gmon_start__: ret\n";
        assert!(matches!(found(started), Some(Strange::Replaced(_))));
        let indirect = ".text\n.globl getpid\n.type getpid, @gnu_indirect_function\ngetpid: ret\n";
        assert!(matches!(found(indirect), Some(Strange::Indirect(_))));
    }
}
