//! What the compiler may use while it builds a source that nobody has checked.
//!
//! A constant can take hours to compute, an `include_str!` of a pipe waits
//! until somebody writes to the pipe, and a macro can print errors without end.
//! Each of these would keep the machine busy, and would block every other
//! command that waits for its turn to build.

use std::time::Duration;

use processes::Limits;

/// The limits of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// CPU time of each process (a compiler or a linker).
    pub cpu: Duration,
    /// Wall-clock time of the whole build.
    pub wall: Duration,
    /// Address space of each process, in bytes.
    pub memory: u64,
    /// Bytes that the build may print, on standard output and on standard error each.
    pub output: u64,
}

impl Default for Allowance {
    /// 120 s of CPU time, 300 s of wall-clock time, 4 GiB of memory and 64 MiB
    /// of messages.
    fn default() -> Self {
        Allowance {
            cpu: Duration::from_secs(120),
            wall: Duration::from_secs(300),
            memory: 4 << 30,
            output: 64 << 20,
        }
    }
}

/// The largest file, in bytes, that the compiler or the linker may write.
const FILE: u64 = 1 << 30;

/// The environment variables that change the limits, each with its unit.
const VARIABLES: [(&str, &str); 4] = [
    ("COURSE_COMPILER_CPU", "seconds"),
    ("COURSE_COMPILER_TIME", "seconds"),
    ("COURSE_COMPILER_MEMORY", "MiB"),
    ("COURSE_COMPILER_OUTPUT", "MiB"),
];

impl Allowance {
    /// The usual limits, except for those that an environment variable changes.
    ///
    /// # Errors
    /// A variable holds something else than a positive whole number. The error
    /// is a sentence that names the variable.
    pub fn of_environment() -> Result<Self, String> {
        Self::changed_by(|name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()))
    }

    fn changed_by(value: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let read = |index: usize, usual: u64| {
            let (name, unit) = VARIABLES[index];
            let Some(text) = value(name) else {
                return Ok(usual);
            };
            match text.trim().parse() {
                Ok(number @ 1..) => Ok(number),
                _ => Err(format!(
                    "{name} is set to `{text}`, but it has to be a whole number of {unit}, at least 1"
                )),
            }
        };
        let usual = Allowance::default();
        Ok(Allowance {
            cpu: Duration::from_secs(read(0, usual.cpu.as_secs())?),
            wall: Duration::from_secs(read(1, usual.wall.as_secs())?),
            memory: read(2, usual.memory >> 20)?.saturating_mul(1 << 20),
            output: read(3, usual.output >> 20)?.saturating_mul(1 << 20),
        })
    }

    /// The limits that the kernel enforces for each process.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            cpu: Some(self.cpu),
            memory: Some(self.memory),
            file_size: Some(FILE),
            ..Limits::default()
        }
    }
}

/// The limit that a build exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// [`Allowance::cpu`].
    Cpu,
    /// [`Allowance::wall`].
    Wall,
    /// [`Allowance::memory`].
    Memory,
    /// [`Allowance::output`].
    Output,
    /// A file would have become larger than 1 GiB.
    File,
}

impl Exceeded {
    /// Finds out from cargo's messages whether a limit ended the compiler. (The
    /// learner's code does not decide these words: cargo itself reports how its
    /// child process ended.)
    pub(crate) fn in_words(said: &str) -> Option<Self> {
        let ended_by = |signal: i32| said.contains(&format!("(signal: {signal}"));
        if ended_by(libc::SIGXCPU) {
            Some(Exceeded::Cpu)
        } else if ended_by(libc::SIGXFSZ) || said.contains("File too large") {
            Some(Exceeded::File)
        } else if ended_by(libc::SIGABRT) {
            // The words of Rust, of LLVM and of C++.
            let words = ["memory allocation of ", "out of memory", "bad_alloc"];
            let is_memory = words.iter().any(|words| said.contains(words));
            is_memory.then_some(Exceeded::Memory)
        } else {
            None
        }
    }

    /// The sentence for the learner.
    pub fn sentence(self, allowed: &Allowance) -> String {
        let mebibytes = |bytes: u64| bytes >> 20;
        match self {
            Exceeded::Cpu => format!(
                "the compiler used more than {} s of CPU time on this file, so it was ended: something in the file makes it compute for too long (COURSE_COMPILER_CPU changes this limit)",
                allowed.cpu.as_secs()
            ),
            Exceeded::Wall => format!(
                "the compiler did not finish this file within {} s, so it was ended: something in the file makes it wait or compute for too long (COURSE_COMPILER_TIME changes this limit)",
                allowed.wall.as_secs()
            ),
            Exceeded::Memory => format!(
                "the compiler needed more than {} MiB of memory for this file, so it ended (COURSE_COMPILER_MEMORY changes this limit)",
                mebibytes(allowed.memory)
            ),
            Exceeded::File => format!(
                "the compiler tried to write more than {} MiB into one file while it compiled this file, so it was ended",
                mebibytes(FILE)
            ),
            Exceeded::Output => format!(
                "the compiler printed more than {} MiB of messages about this file, so it was ended (COURSE_COMPILER_OUTPUT changes this limit)",
                mebibytes(allowed.output)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_changes_one_limit() {
        let set = |name: &str| (name == "COURSE_COMPILER_MEMORY").then(|| "512".to_owned());
        let allowed = Allowance::changed_by(set).unwrap();
        assert_eq!(allowed.memory, 512 << 20);
        assert_eq!(allowed.cpu, Allowance::default().cpu);
    }

    #[test]
    fn a_limit_that_is_no_number_is_named() {
        for wrong in ["0", "many", "-1", ""] {
            let set = |name: &str| (name == "COURSE_COMPILER_CPU").then(|| wrong.to_owned());
            let said = Allowance::changed_by(set).unwrap_err();
            assert!(said.starts_with("COURSE_COMPILER_CPU"), "{said}");
        }
    }
}
