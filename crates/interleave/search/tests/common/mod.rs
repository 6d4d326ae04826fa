//! Little programs as data, and a driver that runs them.
#![allow(dead_code)]

pub(crate) mod parse;
pub(crate) mod random;
pub(crate) mod reference;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;

use interleave_search::{Change, End, EventId, Guard, Op, Search, Step};

/// A value that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Const(u64),
    Register(usize),
}

/// One instruction of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    Load {
        at: usize,
        order: Ordering,
        into: usize,
        when: Guard,
    },
    Store {
        at: usize,
        value: Value,
        order: Ordering,
    },
    Update {
        at: usize,
        change: Change,
        order: Ordering,
        failure: Ordering,
        into: usize,
        when: Guard,
        spurious: bool,
    },
    Fence(Ordering),
    /// Jumps over so many instructions if the register holds at most this value.
    SkipUnlessAbove {
        register: usize,
        bound: u64,
        count: usize,
    },
}

/// A program: its threads, which start together, and the initial values of its locations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) initial: Vec<u64>,
    pub(crate) threads: Vec<Vec<Instruction>>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "initially {:?}", self.initial)?;
        for (number, thread) in self.threads.iter().enumerate() {
            writeln!(f, "thread {number}:")?;
            for instruction in thread {
                writeln!(f, "    {instruction:?}")?;
            }
        }
        Ok(())
    }
}

/// An event in the numbers of the program: thread, and place among the accesses and fences that it
/// performed.
pub(crate) type Name = (usize, usize);

/// What makes two executions different.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Execution {
    /// For each event that reads: what it read.
    pub(crate) reads: BTreeMap<Name, Option<Name>>,
    /// For each location: its stores in order.
    pub(crate) orders: Vec<Vec<Name>>,
    /// For each event that had a choice: which it took, from 1.
    pub(crate) choices: BTreeMap<Name, usize>,
    /// How many events each thread performed.
    pub(crate) lengths: Vec<usize>,
}

/// What a search found.
pub(crate) struct Found {
    pub(crate) executions: Vec<Execution>,
    /// The schedule of each execution.
    pub(crate) schedules: Vec<Vec<Step>>,
    /// The registers of all threads at the end of each execution.
    pub(crate) registers: Vec<Vec<Vec<u64>>>,
    pub(crate) blocked: usize,
    pub(crate) runs: u64,
    pub(crate) most_waiting: usize,
}

struct Running<'a> {
    code: &'a [Instruction],
    at: usize,
    registers: Vec<u64>,
}

impl Running<'_> {
    fn register(&mut self, number: usize) -> &mut u64 {
        if self.registers.len() <= number {
            self.registers.resize(number + 1, 0);
        }
        &mut self.registers[number]
    }

    /// The next instruction that is not a jump.
    fn next(&mut self) -> Option<Instruction> {
        while let Some(Instruction::SkipUnlessAbove {
            register,
            bound,
            count,
        }) = self.code.get(self.at).copied()
        {
            self.at += 1;
            if *self.register(register) <= bound {
                self.at += count;
            }
        }
        self.code.get(self.at).copied()
    }

    fn op(&mut self) -> Option<Op> {
        let instruction = self.next()?;
        Some(match instruction {
            Instruction::Load {
                at, order, when, ..
            } => Op::Load { at, order, when },
            Instruction::Store { at, value, order } => {
                let value = match value {
                    Value::Const(value) => value,
                    Value::Register(number) => *self.register(number),
                };
                Op::Store { at, value, order }
            }
            Instruction::Update {
                at,
                change,
                order,
                failure,
                when,
                spurious,
                ..
            } => Op::Update {
                at,
                change,
                success: order,
                failure,
                when,
                spurious,
            },
            Instruction::Fence(order) => Op::Fence { order },
            Instruction::SkipUnlessAbove { .. } => unreachable!("`next` has done it"),
        })
    }

    fn done(&mut self, read: u64) {
        if let Instruction::Load { into, .. } | Instruction::Update { into, .. } =
            self.code[self.at]
        {
            *self.register(into) = read;
        }
        self.at += 1;
    }
}

/// Runs every execution of a program.
pub(crate) fn explore(program: &Program) -> Found {
    run(program, Search::new())
}

/// Runs a program along a schedule.
pub(crate) fn replay(program: &Program, steps: &[Step]) -> Found {
    run(program, Search::along(steps))
}

/// Plays a program by hand: `choose` gets a number of options, and chooses one.
pub(crate) fn play(program: &Program, choose: &mut dyn FnMut(usize) -> usize) -> Found {
    run_with(program, Search::by_hand(), Some(choose))
}

fn run(program: &Program, search: Search) -> Found {
    run_with(program, search, None)
}

fn run_with(
    program: &Program,
    mut search: Search,
    mut choose: Option<&mut dyn FnMut(usize) -> usize>,
) -> Found {
    let mut found = Found {
        executions: Vec::new(),
        schedules: Vec::new(),
        registers: Vec::new(),
        blocked: 0,
        runs: 0,
        most_waiting: 0,
    };
    while search.begin() {
        for initial in &program.initial {
            search.object(*initial, 64);
        }
        let mut threads: Vec<Running> = program
            .threads
            .iter()
            .map(|code| Running {
                code,
                at: 0,
                registers: Vec::new(),
            })
            .collect();
        let mut started = 0;
        let end = loop {
            let mut next = Vec::new();
            if started < threads.len() {
                next.push((0, Op::Spawn { thread: 0 }));
            }
            for (number, thread) in threads[..started].iter_mut().enumerate() {
                if let Some(op) = thread.op() {
                    next.push((number + 1, op));
                }
            }
            if let Some(choose) = &mut choose {
                let options: Vec<Step> = next
                    .iter()
                    .flat_map(|(thread, op)| search.options(*thread, *op))
                    .map(|(step, _)| step)
                    .collect();
                // If everybody waits, they may wait for ever.
                let all_wait = options.iter().all(|step| step.choice > 0);
                if let Some(step) = options.get(choose(options.len() + usize::from(all_wait))) {
                    search.decide(*step);
                }
            }
            match search.turn(&next) {
                Err(end) => break end,
                Ok(turn) => {
                    let op = next.iter().find(|(thread, _)| *thread == turn).unwrap().1;
                    let read = search.perform(turn, op).unwrap().read;
                    match turn {
                        0 => started += 1,
                        _ => threads[turn - 1].done(read),
                    }
                }
            }
        };
        if end == End::Repeated {
            continue;
        }
        found.blocked += usize::from(end == End::Blocked);
        assert_ne!(end, End::Astray, "the schedule is for another program");
        found.executions.push(execution(&search, program));
        found.schedules.push(search.steps().to_vec());
        found
            .registers
            .push(threads.into_iter().map(|thread| thread.registers).collect());
    }
    found.runs = search.runs();
    found.most_waiting = search.most_waiting();
    found
}

fn execution(search: &Search, program: &Program) -> Execution {
    let graph = search.graph();
    // Thread 0 of the graph starts the others in their order.
    let number: BTreeMap<usize, usize> = (0..program.threads.len())
        .map(|thread| (search.in_graph(thread + 1), thread))
        .collect();
    let name = |id: EventId| {
        let events = &graph.threads[id.thread].events[..id.index];
        (
            number[&id.thread],
            events.iter().filter(|event| !event.failed).count(),
        )
    };
    let ids = || {
        graph
            .ids()
            .filter(|id| number.contains_key(&id.thread) && !graph.event(*id).failed)
    };
    let reads = ids()
        .filter(|id| graph.event(*id).op.reads())
        .map(|id| (name(id), graph.event(id).from.map(name)))
        .collect();
    let choices = ids()
        .filter(|id| graph.event(*id).choice > 0)
        .map(|id| (name(id), graph.event(id).choice))
        .collect();
    let orders = (0..program.initial.len())
        .map(|object| match search.location_of(object) {
            Some(at) => graph.locations[at]
                .order
                .iter()
                .map(|id| name(*id))
                .collect(),
            None => Vec::new(),
        })
        .collect();
    let lengths = (0..program.threads.len())
        .map(|thread| {
            let events = &graph.threads[search.in_graph(thread + 1)].events;
            events.iter().filter(|event| !event.failed).count()
        })
        .collect();
    Execution {
        reads,
        orders,
        choices,
        lengths,
    }
}
