//! `cargo course verify | answers | bundle | new`, on a small course of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

mod answers;
mod bundle;
#[allow(dead_code)]
#[path = "../../../course/tests/command/fixture.rs"]
mod fixture;
mod new;

/// The program that runs `cargo course WORD …`.
fn program(word: &str) -> PathBuf {
    match word {
        "verify" | "answers" | "bundle" | "new" => env!("CARGO_BIN_EXE_workshop").into(),
        _ => the_command().to_owned(),
    }
}

/// The learner's command, which is a package of its own: cargo builds it here
/// unless it is there already.
fn the_command() -> &'static Path {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    COMMAND.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--offline",
                "--package",
                "course",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", &target)
            .status()
            .expect("cargo starts");
        assert!(built.success(), "the command is built");
        target.join("debug/course")
    })
}
