use std::fs;
use std::path::Path;

use super::{Unreadable, refusals};

/// The names that are refused in `text`, each with its line.
fn refused(text: &str) -> Vec<(String, u32)> {
    refusals(text, &[])
        .unwrap_or_else(|error| panic!("{error}:\n{text}"))
        .into_iter()
        .map(|refusal| (refusal.name, refusal.line))
        .collect()
}

fn names(text: &str) -> Vec<String> {
    refused(text).into_iter().map(|(name, _)| name).collect()
}

#[track_caller]
fn assert_each_refused(name: &str, texts: &[&str]) {
    for text in texts {
        assert!(
            names(text).iter().any(|found| found == name),
            "{name}:\n{text}"
        );
    }
}

#[test]
fn each_refused_name_alone() {
    let uses = [
        ("include", r#"include!("x.rs");"#),
        ("include_str", r#"const X: &str = include_str!("x");"#),
        ("include_bytes", r#"const X: &[u8] = include_bytes!("x");"#),
        ("env", r#"const X: &str = env!("HOME");"#),
        (
            "option_env",
            r#"const X: Option<&str> = option_env!("HOME");"#,
        ),
        ("path", r#"#[path = "x.rs"] mod m;"#),
        (
            "debugger_visualizer",
            r#"#![debugger_visualizer(gdb_script_file = "x")]"#,
        ),
        (
            "link_section",
            r#"#[used] #[unsafe(link_section = ".init_array")] static X: extern "C" fn() = f;"#,
        ),
        (
            "no_mangle",
            r#"#[unsafe(no_mangle)] pub extern "C" fn rename() {}"#,
        ),
        (
            "export_name",
            r#"#[unsafe(export_name = "rename")] pub extern "C" fn f() {}"#,
        ),
        (
            "link_name",
            r#"unsafe extern "C" { #[link_name = "fork"] fn f() -> i32; }"#,
        ),
        ("link", r#"#[link(name = "m")] unsafe extern "C" {}"#),
        ("global_asm", r#"core::arch::global_asm!("nop");"#),
        (
            "global_allocator",
            "#[global_allocator] static A: System = System;",
        ),
        ("no_main", "#![no_main]"),
        (
            ".incbin",
            r#"fn f() { unsafe { asm!(".incbin \"/etc/passwd\"") } }"#,
        ),
        (
            ".include",
            r#"fn f() { unsafe { asm!("nop\n.include \"x.s\"") } }"#,
        ),
        (
            ".section",
            r#"fn f() { unsafe { asm!("nop", ".section .init_array") } }"#,
        ),
        (
            ".pushsection",
            r#"fn f() { unsafe { asm!(".pushsection .init_array") } }"#,
        ),
        (
            ".globl",
            r#"#[unsafe(naked)] extern "C" fn f() { naked_asm!(".globl memcmp") }"#,
        ),
        (".global", r#"fn f() { unsafe { asm!(".global memcmp") } }"#),
        (".weak", r#"fn f() { unsafe { asm!(".weak memcmp") } }"#),
        (".comm", r#"fn f() { unsafe { asm!(".comm environ, 8") } }"#),
        (
            ".symver",
            r#"fn f() { unsafe { asm!(".symver f, fork@GLIBC_2.2") } }"#,
        ),
    ];
    for (name, text) in uses {
        assert_eq!(names(text), [name], "{text}");
        assert_eq!(refusals(text, &[name.to_owned()]).unwrap(), [], "{text}");
    }
}

#[test]
fn the_sentence_names_the_macro_and_the_line() {
    let text = "// include_str! in a comment\nconst A: &str = \"include_str!\";\nconst B: &str = include_str!(\"x\");";
    assert_eq!(
        refusals(text, &[]).unwrap()[0].to_string(),
        "`include_str!` reads a file while your code is compiled, and this exercise does not need that (line 3)"
    );
}

#[test]
fn the_first_use_of_each_name_in_the_order_of_the_file() {
    let text = "
        use std::env;
        const A: &str = env!(\"A\");
        /* include!(\"a.rs\"); */ include!(\"b.rs\");
        const B: &str = std::env!(\"B\");
    ";
    assert_eq!(
        refused(text),
        [("env".to_owned(), 3), ("include".to_owned(), 4)]
    );
}

#[test]
fn a_macro_is_refused_however_it_is_called() {
    assert_each_refused(
        "include",
        &[
            r#"r#include!("x.rs");"#,
            r#"std::include!("x.rs");"#,
            r#"core::include!{"x.rs"}"#,
            r#"::core::r#include ! ["x.rs"];"#,
            r#"include /* a comment */ !("x.rs");"#,
            r#"extern crate core as c; c::include!("x.rs");"#,
            r#"fn f() { println!("{}", include!("x.rs")); }"#,
            r#"macro_rules! m { () => { include!("x.rs"); } } m!();"#,
            r#"macro_rules! m { ($a:tt) => { include!$a; } } m!(("x.rs"));"#,
        ],
    );
    assert_each_refused(
        "include_str",
        &[
            r#"use std::include_str as text;"#,
            r#"#![doc = include_str!("x")]"#,
            r#"macro_rules! m { ($a:ident) => { $a!("x") } } const X: &str = m!(include_str);"#,
        ],
    );
}

#[test]
fn a_macro_is_refused_under_another_name() {
    assert_each_refused(
        "include",
        &[
            r#"use std::include as inc; inc!("x.rs");"#,
            r#"use std::{fs, include as inc}; mod a { super::inc!("x.rs"); }"#,
            r#"use std::include as a; use a as b; b!{"x.rs"}"#,
            r#"use a as b; b!{"x.rs"} use std::include as a;"#,
            r#"use std::include as inc; macro_rules! m { ($a:ident) => { $a!("x.rs"); } } m!(inc);"#,
            r#"macro_rules! m { ($a:ident) => { use std::$a as inc; } } m!(include); inc!("x.rs");"#,
        ],
    );
    assert_each_refused(
        "env",
        &[
            r#"use std::env as e; const X: &str = e!("HOME");"#,
            r#"use std::{env as e, fs}; const X: &str = e!("HOME");"#,
            r#"use std::env as e; macro_rules! m { ($a:ident) => { $a!("HOME") } } const X: &str = m!(e);"#,
            r#"macro_rules! m { ($a:ident) => { use std::env as $a; } } m!(e); const X: &str = e!("HOME");"#,
            r#"macro_rules! m { ($a:ident) => { use std::$a as e; } } m!(env); const X: &str = e!("HOME");"#,
        ],
    );
}

/// Honest macros look the same to this check. The compiler itself lists the
/// files that it read, and `inputs` looks at that list.
#[test]
fn what_a_macro_builds_from_pieces_is_left_to_the_compilers_list() {
    for text in [
        r#"macro_rules! m { ($a:ident) => { $a!("x.rs"); } } m!(include);"#,
        r#"macro_rules! m { ($a:ident) => { $a!("HOME") } } const X: &str = m!(env);"#,
        r#"macro_rules! m { ($a:meta) => { #[$a] mod q; } } m!(path = "x.rs");"#,
        r#"macro_rules! m { ($a:ident) => { #[$a = "x.rs"] mod q; } } m!(path);"#,
    ] {
        assert_eq!(refused(text), [], "{text}");
    }
}

#[test]
fn a_directive_is_refused_in_any_case_and_through_a_macro() {
    assert_each_refused(
        ".incbin",
        &[
            r#"fn f() { unsafe { asm!(".INCBIN \"x\"") } }"#,
            r#"use std::arch::asm as a; fn f() { unsafe { a!("nop; .incbin \"x\"") } }"#,
            r#"macro_rules! m { ($t:literal) => { asm!($t) } } fn f() { unsafe { m!(".incbin \"x\"") } }"#,
        ],
    );
    let later =
        "fn f() {\n    unsafe { asm!(\n        \"nop\",\n        \".incbin x\",\n    ) }\n}";
    assert_eq!(refused(later), [(".incbin".to_owned(), 4)]);
}

#[test]
fn an_attribute_is_refused_wherever_it_is_written() {
    assert_each_refused(
        "path",
        &[
            r#"#[r#path = "x.rs"] mod m;"#,
            r#"mod a { #![path = "dir"] mod m; }"#,
            r#"#[cfg_attr(all(), path = "x.rs")] mod m;"#,
            r#"#[cfg_attr(all(), cfg_attr(all(), allow(dead_code), path = "x.rs"))] mod m;"#,
            r#"macro_rules! m { ($p:literal) => { #[path = $p] mod m; } } m!("x.rs");"#,
            r#"macro_rules! m { ($($a:item)*) => { $($a)* } } m! { #[path = "x.rs"] mod m; }"#,
            r#"fn f() { #[path = "x.rs"] mod m; }"#,
        ],
    );
    assert_each_refused(
        "no_mangle",
        &[
            r#"#[no_mangle] pub fn f() {}"#,
            r#"#[cfg_attr(all(), unsafe(no_mangle))] pub fn f() {}"#,
            r#"macro_rules! m { ($(#[$a:meta])* $i:item) => { $(#[$a])* $i } } m!(#[unsafe(no_mangle)] pub fn f() {});"#,
            r#"macro_rules! m { ($a:ident) => { #[unsafe($a)] pub fn f() {} } } m!(no_mangle);"#,
        ],
    );
    assert_each_refused(
        "link",
        &[r#"#[cfg_attr(all(), link(name = "m"))] unsafe extern "C" {}"#],
    );
}

#[test]
fn an_attribute_is_refused_when_it_is_built_from_pieces() {
    assert_each_refused(
        "link",
        &[
            r#"macro_rules! m { ($a:meta) => { #[$a] unsafe extern "C" {} } } m!(link(name = "m"));"#,
            r#"macro_rules! m { ($a:ident $k:tt) => { #[$a(name = "m")] unsafe $k "C" {} } } m!(link extern);"#,
        ],
    );
    assert_each_refused(
        "link_name",
        &[
            r#"macro_rules! m { ($a:ident) => { unsafe extern "C" { #[$a = "fork"] fn f() -> i32; } } } m!(link_name);"#,
        ],
    );
}

/// The compiler accepts each of these files and includes `x.rs`; `proc_macro2`
/// reads the `include!` as part of a string.
#[test]
fn a_file_that_is_read_in_two_ways_is_refused() {
    let shebang = "#!/bin/sh \"\ninclude!(\"x.rs\");\n//\"\n";
    assert_eq!(refused(shebang), [("#!".to_owned(), 1)]);
    assert_eq!(names(&format!("\u{feff}{shebang}")), ["#!"]);
    assert_eq!(names(&shebang.replace("/bin/sh", "\u{a0}[")), ["#!"]);
    assert_eq!(names(&shebang.replace("/bin/sh", "/**/[")), ["#!"]);
    for prefix in ["r", "br", "cr"] {
        let text = format!(
            "macro_rules! m {{ ($($t:tt)*) => {{}} }}\nm!{{ '{prefix}\"\\\" x \"}}\ninclude!(\"x.rs\");\n//\" }}\n"
        );
        assert_eq!(refused(&text), [("'r\"".to_owned(), 2)], "{text}");
    }
}

#[test]
fn an_attribute_on_the_first_line_is_no_shebang() {
    assert_eq!(names("#![allow(dead_code)]\n"), Vec::<String>::new());
    assert_eq!(names("#! [allow(dead_code)]\n"), Vec::<String>::new());
    assert_eq!(names("#!\n[allow(dead_code)]\n"), Vec::<String>::new());
}

#[test]
fn text_without_rust_tokens_is_unreadable() {
    let result: Result<_, Unreadable> = refusals("fn f( {", &[]);
    assert!(result.is_err());
}

#[test]
fn a_deeply_nested_file_does_not_overflow_the_stack() {
    let deep = 200_000;
    let text = format!("m!{}include!(\"x\"){};", "(".repeat(deep), ")".repeat(deep));
    assert_eq!(names(&text), ["include"]);
}

/// The given sources, the solutions and their alternatives: nothing in the course needs a refused name.
#[test]
fn no_file_of_the_course_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("exercises"), root.join("solutions")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let in_answer = ["src", "alternatives"]
                .iter()
                .any(|name| path.parent().is_some_and(|folder| folder.ends_with(name)));
            if path.is_dir() {
                folders.push(path);
            } else if in_answer && path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(names(&text), Vec::<String>::new(), "{}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 0, "no answers found");
}

#[test]
fn honest_code_passes() {
    for text in HONEST {
        assert_eq!(names(text), Vec::<String>::new(), "{text}");
    }
}

const HONEST: &[&str] = &[
    r#"macro_rules! max { ($a:expr, $b:expr) => { if $a > $b { $a } else { $b } } } fn f(include: bool) -> u32 { assert!(include); max!(1, 2) }"#,
    r#"macro_rules! each { ($m:ident: $($t:expr),*) => { $($m!($t);)* } } use std::env; fn f() { each!(drop_it: 1, 2); assert!(env::var("NO").is_err()); }"#,
    r#"fn f(ok: bool) { assert!(ok, "see chapter.section 4, and Rc.weak"); unsafe { std::arch::asm!("nop") } }"#,
    r#"const NAME: &str = "notes.include"; fn f() { unsafe { std::arch::asm!("nop") } }"#,
    r#"macro_rules! ffi { ($($n:ident -> $t:ty),*) => { unsafe extern "C" { $(fn $n() -> $t;)* } } } ffi!(getuid -> u32); fn f(b: &str) { println!("{link}", link = b); }"#,
    r#"use std::env; fn f() -> Vec<String> { env::args().collect() }"#,
    r#"use std::{env, fs}; fn f() { let _ = env::var("HOME"); }"#,
    r#"use std::env as environment; fn f() { let _ = environment::var("HOME"); }"#,
    r#"fn f() { println!("{:?}", std::env::vars().count()); }"#,
    r#"fn f() { Command::new("sh").env_clear().env("A", "b").envs(env::vars()).spawn(); }"#,
    r#"fn f(env: &[CString]) { if env != old && !env.is_empty() { execve(p, a, env); } }"#,
    r#"fn f(env: *const u8) -> usize { env as usize }"#,
    r#"macro_rules! check { ($e:expr) => { if !$e.is_ok() { panic!("{}", stringify!($e)) } } } fn f() { check!(execve(path, argv, env)); check!(env::var("A")) }"#,
    r#"macro_rules! same { ($a:expr, $b:expr) => { if $a != $b { fail(); } } } fn f() { same!(env::var("A"), env) }"#,
    r#"pub fn run<'scope, 'env>(s: &'scope Scope<'scope, 'env>, f: &'env (dyn Fn() + Sync)) {}"#,
    r#"fn f() { 'path: loop { break 'path; } 'include: loop { break 'include } }"#,
    r#"impl Set { pub fn include(&mut self, cpu: usize) {} } fn f(s: &mut Set) { s.include(3); assert!(include(3)); }"#,
    r#"fn f() { let path = "/tmp/x"; let other = path; }"#,
    r#"fn f() { let mut path = ""; path = "/tmp/x"; s.path = "/tmp/y"; }"#,
    r#"struct Socket { path: PathBuf } fn f() -> Socket { Socket { path: "/tmp/x".into() } }"#,
    r#"fn f() { println!("{path} {}", s.path, path = "x"); assert_eq!(path, "x"); }"#,
    r#"macro_rules! open { ($path:expr) => { File::open($path)? }; (path = $p:path) => { $p() } } fn f() { open!(path); open!(path = a::b) }"#,
    r#"macro_rules! module { ($name:ident, $b:block) => { mod $name { pub fn f(path: &str) $b } } }"#,
    r#"cfg_if! { if #[cfg(unix)] { mod unix; } else { mod other; } } fn f() { println!("{}", path) }"#,
    r#"mod other; fn f(path: &str) { println!("{path}", path = "x"); }"#,
    r#"mod inner { pub fn path() {} } use inner::path as p; fn f() { p() }"#,
    r#"use std::fs::hard_link as link; fn f() { link(a, b).unwrap(); assert!(link(a, b).is_err()); }"#,
    r#"fn f() { let link_name = c"/tmp/x"; symlink(target, link_name); println!("{link_name:?}", link_name = link_name); }"#,
    r#"macro_rules! cvt { ($e:expr) => { if $e == -1 { return Err(last()) } } } fn f() { cvt!(libc::link(a, b)); cvt!(link(path, b)) }"#,
    r#"macro_rules! entry { ($n:ident) => { extern "C" fn $n(link: *mut u8) -> ! { loop {} } } } entry!(f);"#,
    r#"unsafe extern "C" { fn getpid() -> i32; static environ: *const *const c_char; }"#,
    r#"fn f() { unsafe { asm!("push rbx", "2:", "jmp 2b", ".cfi_def_cfa rsp, 8", ".p2align 4", out("rax") _) } }"#,
    r#"#[unsafe(naked)] unsafe extern "C" fn switch(from: *mut *mut u8, to: *mut u8) { naked_asm!("mov [rdi], rsp", "mov rsp, rsi", "ret") }"#,
    r#"use std::arch::asm; /** Goes into .section .text. */ fn f() { let d = s.section.global; unsafe { asm!("nop") } }"#,
    r#"macro_rules! forward { ($(#[$meta:meta])* $v:vis struct $n:ident;) => { $(#[$meta])* $v struct $n; } } forward!(#[derive(Debug)] pub struct A;);"#,
    r#"macro_rules! each { ($m:ident: $($t:ty),*) => { $($m!($t);)* } } each!(check: u8, u16);"#,
    r#"macro_rules! all { ($($x:expr),* $(,)?) => { [$($x as u64),*] } } fn f() { all!(1, 2); }"#,
    r#"extern crate libc; extern crate core as c; use std::io::{self, Read as _};"#,
    r#"thread_local! { static CURRENT: Cell<*mut Fiber> = const { Cell::new(null_mut()) }; }"#,
    r#"/// See include!("x") and #[path = "x"], env!("HOME"). fn f() {} /* include_str!("x") */"#,
    r##"const A: &str = "include_str!(\"x\")"; const B: &[u8] = b"path env include"; const C: &str = r#"#[no_mangle]"#;"##,
    r#"#[cfg(unix)] #[derive(Clone)] #[allow(dead_code)] #[doc(alias = "path")] #[must_use = "path = x"] pub struct A;"#,
    r#"const Q: char = '"'; const R: char = 'r'; fn f() -> char { '\'' } fn g<'r>(x: &'r str) {}"#,
    r#"fn f() -> ! { panic!("{}", concat!(module_path!(), file!(), line!())) }"#,
    r#"#[cfg(test)] mod tests { use super::*; #[test] fn it_works() { let env = 1; assert!(env == 1 && !(path == 2)); } }"#,
    r#"fn f() { let (include, env, link) = (1, 2, 3); if include != env { g(link); } }"#,
    r#"use r#mod::r#extern; fn f(r#mod: u8) { m!(r#mod, path) }"#,
];
