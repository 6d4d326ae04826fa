//! What the compiler may use while it builds a source that nobody has looked at.
//!
//! A constant that computes for hours, an `include_str!` of a pipe that nobody
//! writes to, a macro that prints errors without end: each would keep the
//! machine busy, and every other command that waits for its turn to build.

use std::time::Duration;

use processes::Limits;

/// The limits of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// CPU time of each process: a compiler, a linker.
    pub cpu: Duration,
    /// Time from start to end.
    pub wall: Duration,
    /// Address space of each process, in bytes.
    pub memory: u64,
    /// Bytes that the compiler may say.
    pub output: u64,
}

impl Default for Allowance {
    /// 120 s of CPU time, 300 s, 4 GiB, 64 MiB.
    fn default() -> Self {
        Allowance {
            cpu: Duration::from_secs(120),
            wall: Duration::from_secs(300),
            memory: 4 << 30,
            output: 64 << 20,
        }
    }
}

/// Bytes in each file that the compiler and the linker write.
const FILE: u64 = 1 << 30;

/// The environment variables that change it, each with its unit.
const VARIABLES: [(&str, &str); 4] = [
    ("COURSE_COMPILER_CPU", "seconds"),
    ("COURSE_COMPILER_TIME", "seconds"),
    ("COURSE_COMPILER_MEMORY", "MiB"),
    ("COURSE_COMPILER_OUTPUT", "MiB"),
];

impl Allowance {
    /// The usual limits, changed by the variables that are set.
    ///
    /// # Errors
    /// A variable whose value is no positive whole number, in a sentence.
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
                    "{name} is `{text}`; it takes a whole number of {unit}, at least 1"
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

    /// Those that the kernel keeps for each process.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            cpu: Some(self.cpu),
            memory: Some(self.memory),
            file_size: Some(FILE),
            ..Limits::default()
        }
    }
}

/// The limit that a build met.
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
    /// What cargo reports of a compiler that a limit ended. (Nothing of the
    /// learner's decides these words: cargo reports how its child ended.)
    pub(crate) fn in_words(said: &str) -> Option<Self> {
        let ended_by = |signal: i32| said.contains(&format!("(signal: {signal}"));
        if ended_by(libc::SIGXCPU) {
            Some(Exceeded::Cpu)
        } else if ended_by(libc::SIGXFSZ) || said.contains("File too large") {
            Some(Exceeded::File)
        } else if ended_by(libc::SIGABRT) {
            // Of Rust, of LLVM, of C++.
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
                "the compiler used more than {} s of CPU time on this file and was ended: something in it makes the compiler compute without end",
                allowed.cpu.as_secs()
            ),
            Exceeded::Wall => format!(
                "the compiler did not finish this file within {} s and was ended: something in it makes the compiler wait or compute without end",
                allowed.wall.as_secs()
            ),
            Exceeded::Memory => format!(
                "the compiler needed more than {} MiB of memory for this file and was ended",
                mebibytes(allowed.memory)
            ),
            Exceeded::File => format!(
                "the compiler was about to write a file of more than {} MiB for this file and was ended",
                mebibytes(FILE)
            ),
            Exceeded::Output => format!(
                "the compiler had more than {} MiB of messages about this file and was ended",
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
