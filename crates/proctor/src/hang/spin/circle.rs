//! Follows each thread for one turn of its loop.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use processes::{Pid, proc};

use super::memory::{Memory, Writable};
use super::traced::{Stepped, Traced};
use crate::warden::starts::read_memory;

/// More steps than any waiting loop takes for one turn, in a debug build too.
const STEPS: usize = 30_000;

/// The most steps if several threads run. In a long turn, one thread may change
/// memory and change it back, and another thread may look at that memory only
/// rarely.
const STEPS_TOGETHER: usize = 1_000;

/// How long the threads run on between two looks.
const RUN_ON: Duration = Duration::from_millis(15);

/// Whether each of the threads `(process, thread, processor)` repeats a loop in
/// which nothing changes. `None` if one of them cannot be traced or observed,
/// or if time runs out.
pub(super) fn all(threads: &[(Pid, Pid, i32)], until: Instant) -> Option<bool> {
    let _here = Beside::processor_of(threads);
    // If several threads spin, one of them may still see a change by another at
    // the right moment: look again after they have run on.
    let (rounds, steps) = match threads.len() {
        1 => (1, STEPS),
        _ => (2, STEPS_TOGETHER),
    };
    for round in 0..rounds {
        if round > 0 {
            std::thread::sleep(RUN_ON);
        }
        let mut traced = Vec::new();
        for (pid, tid, _) in threads {
            traced.push((*pid, Traced::stop(*tid)?));
        }
        // All of them are stopped now; each goes round its loop alone.
        for (pid, thread) in &mut traced {
            if !goes_in_a_circle(*pid, thread, steps, until)? {
                return Some(false);
            }
        }
    }
    Some(true)
}

fn goes_in_a_circle(pid: Pid, thread: &mut Traced, steps: usize, until: Instant) -> Option<bool> {
    if thread.is_in_call() {
        return Some(false);
    }
    let writable = Writable::of(pid)?;
    let mut code = Code::of(pid)?;
    let interrupted = thread.registers()?;
    if !code.is_deaf(interrupted.rip, interrupted.rax)? {
        return Some(false);
    }
    // The first step leaves whatever the stop interrupted.
    if thread.step()? != Stepped::One {
        return None;
    }
    let start = thread.registers()?;
    let notes = thread.kernel_notes();
    let (vectors, memory) = (thread.vectors()?, Memory::of(pid, &writable, &notes)?);
    let mut here = start;
    for step in 0..steps {
        if step % 64 == 63 && Instant::now() > until {
            return None;
        }
        if !code.is_deaf(here.rip, here.rax)? {
            return Some(false);
        }
        if thread.step()? != Stepped::One {
            return None;
        }
        here = thread.registers()?;
        if same(&here, &start) {
            let unchanged = Memory::of(pid, &writable, &notes)? == memory;
            return Some(unchanged && thread.vectors()? == vectors);
        }
    }
    Some(false)
}

/// Whether two sets of registers agree in everything that the program can see.
fn same(a: &libc::user_regs_struct, b: &libc::user_regs_struct) -> bool {
    // The trap flag belongs to the stepping, and orig_rax to the kernel.
    let key = |r: &libc::user_regs_struct| {
        [
            r.rip,
            r.rsp,
            r.rbp,
            r.rax,
            r.rbx,
            r.rcx,
            r.rdx,
            r.rsi,
            r.rdi,
            r.r8,
            r.r9,
            r.r10,
            r.r11 & !0x100,
            r.r12,
            r.r13,
            r.r14,
            r.r15,
            r.eflags & !0x1_0100,
            r.fs_base,
            r.gs_base,
        ]
    };
    a.rip == b.rip && key(a) == key(b)
}

/// The instructions on the way. None of them may get anything from the kernel,
/// the clock or a source of random numbers.
struct Code {
    pid: Pid,
    clock: Vec<Range<u64>>,
    seen: HashMap<u64, Instruction>,
}

#[derive(Clone, Copy)]
enum Instruction {
    Plain,
    SystemCall,
    Listens,
}

impl Code {
    fn of(pid: Pid) -> Option<Self> {
        let clock = proc::maps(pid)
            .ok()?
            .into_iter()
            .filter(|mapping| {
                mapping
                    .path
                    .as_deref()
                    .is_some_and(|path| path == "[vdso]" || path.starts_with("[vvar"))
            })
            .map(|mapping| mapping.start..mapping.end)
            .collect();
        Some(Code {
            pid,
            clock,
            seen: HashMap::new(),
        })
    }

    /// Whether the instruction at `address` depends on registers and memory alone.
    fn is_deaf(&mut self, address: u64, rax: u64) -> Option<bool> {
        let instruction = match self.seen.get(&address) {
            Some(instruction) => *instruction,
            None => {
                let instruction = self.look(address)?;
                self.seen.insert(address, instruction);
                instruction
            }
        };
        Some(match instruction {
            Instruction::Plain => true,
            // A yield changes nothing that the thread could see.
            Instruction::SystemCall => i64::try_from(rax) == Ok(libc::SYS_sched_yield),
            Instruction::Listens => false,
        })
    }

    fn look(&self, address: u64) -> Option<Instruction> {
        if self.clock.iter().any(|range| range.contains(&address)) {
            return Some(Instruction::Listens);
        }
        let mut bytes = [0u8; 3];
        // The end of a page may be near; two bytes are enough.
        if read_memory(self.pid, address, &mut bytes).is_none() {
            read_memory(self.pid, address, &mut bytes[..2])?;
        }
        Some(match bytes {
            [0x0f, 0x05, _] => Instruction::SystemCall,
            // rdtsc, cpuid, sysenter, rdrand and rdseed, rdtscp and other system state.
            [0x0f, 0x31 | 0xa2 | 0x34 | 0xc7 | 0x01, _] => Instruction::Listens,
            [0xcd, _, _] => Instruction::Listens,
            // pushf, popf and iret, with or without a prefix. A step would
            // leave the trap flag in what they save, and it would be restored
            // later.
            [0x9c | 0x9d | 0xcf, ..] | [0x66 | 0x40..=0x4f, 0x9c | 0x9d | 0xcf, _] => {
                Instruction::Listens
            }
            // The same with a prefix of operand size or register width.
            [0x66 | 0xf3 | 0x40..=0x4f, 0x0f, 0xc7] => Instruction::Listens,
            _ => Instruction::Plain,
        })
    }
}

/// Keeps this thread on the processor of the thread that it steps. On two
/// processors, they would wake each other from idle at every step, which is ten
/// times slower.
struct Beside(Option<nix::sched::CpuSet>);

impl Beside {
    fn processor_of(threads: &[(Pid, Pid, i32)]) -> Self {
        let me = nix::unistd::Pid::from_raw(0);
        let before = nix::sched::sched_getaffinity(me).ok();
        let processor = threads
            .first()
            .and_then(|(_, _, processor)| usize::try_from(*processor).ok());
        let (Some(before), Some(processor)) = (before, processor) else {
            return Beside(None);
        };
        let mut one = nix::sched::CpuSet::new();
        if one.set(processor).is_err() || nix::sched::sched_setaffinity(me, &one).is_err() {
            return Beside(None);
        }
        Beside(Some(before))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), before);
        }
    }
}
