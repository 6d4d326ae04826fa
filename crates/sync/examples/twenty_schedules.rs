//! All orders in which two threads can do three instructions each: an explorer in forty lines.
//!
//! A thread here is a program counter and a register. `explore` tries every answer to the question
//! "who runs next?".

use std::collections::BTreeMap;

// ANCHOR: machine
/// The instructions of `counter += 1`.
#[derive(Clone, Copy)]
enum Instruction {
    Load,
    Add,
    Store,
}

const PROGRAM: [Instruction; 3] = [Instruction::Load, Instruction::Add, Instruction::Store];

/// What belongs to one thread: where it is, and its register.
#[derive(Clone, Copy, Default)]
struct Thread {
    next: usize,
    register: u32,
}

/// Two threads, and the counter that they share.
#[derive(Clone, Copy, Default)]
struct Machine {
    threads: [Thread; 2],
    counter: u32,
}

impl Machine {
    /// Thread `who` executes its next instruction. Returns false if it has none left.
    fn step(&mut self, who: usize) -> bool {
        let thread = &mut self.threads[who];
        match PROGRAM.get(thread.next) {
            None => return false,
            Some(Instruction::Load) => thread.register = self.counter,
            Some(Instruction::Add) => thread.register += 1,
            Some(Instruction::Store) => self.counter = thread.register,
        }
        thread.next += 1;
        true
    }
}
// ANCHOR_END: machine

// ANCHOR: explore
/// Tries every schedule that begins with `schedule`, and notes the total of each.
fn explore(machine: Machine, schedule: &str, totals: &mut BTreeMap<u32, Vec<String>>) {
    let mut over = true;
    for (who, name) in ["A", "B"].iter().enumerate() {
        let mut next = machine; // a copy: the other branch starts from the same state
        if next.step(who) {
            over = false;
            explore(next, &format!("{schedule}{name}"), totals);
        }
    }
    if over {
        let found = totals.entry(machine.counter).or_default();
        found.push(schedule.to_owned());
    }
}
// ANCHOR_END: explore

fn main() {
    let mut totals = BTreeMap::new();
    explore(Machine::default(), "", &mut totals);
    let all: usize = totals.values().map(Vec::len).sum();
    println!("two threads, three instructions each: {all} schedules");
    for (total, schedules) in &totals {
        println!("total {total}: {:2} of them", schedules.len());
        for row in schedules.chunks(6) {
            println!("  {}", row.join("  "));
        }
    }
}
