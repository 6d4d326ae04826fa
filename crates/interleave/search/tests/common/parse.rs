//! The notation of litmus tests: `x:=1 r; y a || y:=1 r; if x a { y+=1 }`.
//!
//! Locations are single letters and start at 0. A suffix is the ordering: nothing for Relaxed, `a`,
//! `r`, `ar`, `sc`. `F ar` is a fence, `cas(x,0,1)` a compare-exchange, `exchange(y,3)` a swap,
//! `x+=1` an addition; `s=x` loads into a register, and `y:=s` stores it.

use std::sync::atomic::Ordering;

use interleave_search::{Change, Guard};

use super::{Instruction, Program, Value};

#[derive(Default)]
struct Parser {
    locations: Vec<char>,
    registers: Vec<char>,
    fresh: usize,
}

/// Reads a program.
pub(crate) fn parse(text: &str) -> Program {
    let mut parser = Parser::default();
    let threads = text
        .split("||")
        .map(|thread| {
            parser.registers.clear();
            parser.fresh = 0;
            parser.block(thread)
        })
        .collect();
    Program {
        initial: vec![0; parser.locations.len()],
        threads,
    }
}

impl Parser {
    fn location(&mut self, name: &str) -> usize {
        let name = name.trim().chars().next().expect("a location");
        let known = self.locations.iter().position(|other| *other == name);
        known.unwrap_or_else(|| {
            self.locations.push(name);
            self.locations.len() - 1
        })
    }

    fn named_register(&mut self, name: &str) -> usize {
        let name = name.trim().chars().next().expect("a register");
        let known = self.registers.iter().position(|other| *other == name);
        100 + known.unwrap_or_else(|| {
            self.registers.push(name);
            self.registers.len() - 1
        })
    }

    fn next_register(&mut self) -> usize {
        self.fresh += 1;
        self.fresh - 1
    }

    fn block(&mut self, text: &str) -> Vec<Instruction> {
        let mut code = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(condition) = rest.strip_prefix("if ") {
                let (condition, inner) = condition.split_once('{').expect("a brace");
                let (inner, after) = inner.split_once('}').expect("a brace");
                let (load, bound) = condition.split_once('>').unwrap_or((condition, "0"));
                code.extend(self.statement(load));
                let Some(Instruction::Load { into, .. }) = code.last().copied() else {
                    panic!("`if` needs a load")
                };
                let inner = self.block(inner);
                code.push(Instruction::SkipUnlessAbove {
                    register: into,
                    bound: bound.trim().parse().expect("a number"),
                    count: inner.len(),
                });
                code.extend(inner);
                rest = after.trim_start().trim_start_matches(';').trim_start();
            } else {
                let (statement, after) = rest.split_once(';').unwrap_or((rest, ""));
                code.extend(self.statement(statement));
                rest = after.trim_start();
            }
        }
        code
    }

    fn statement(&mut self, text: &str) -> Option<Instruction> {
        let text = text.trim();
        let (text, order) = match text.rsplit_once(' ') {
            Some((text, "r")) => (text, Ordering::Release),
            Some((text, "a")) => (text, Ordering::Acquire),
            Some((text, "ar")) => (text, Ordering::AcqRel),
            Some((text, "sc")) => (text, Ordering::SeqCst),
            _ => (text, Ordering::Relaxed),
        };
        let failure = match order {
            Ordering::Release => Ordering::Relaxed,
            Ordering::AcqRel => Ordering::Acquire,
            other => other,
        };
        let number = |text: &str| text.trim().parse::<u64>().expect("a number");
        if text == "F" {
            return Some(Instruction::Fence(order));
        }
        if let Some((at, value)) = text.split_once(":=") {
            let value = match value.trim().parse() {
                Ok(value) => Value::Const(value),
                Err(_) => Value::Register(self.named_register(value)),
            };
            let at = self.location(at);
            return Some(Instruction::Store { at, value, order });
        }
        let into = self.next_register();
        let update = |at, change| Instruction::Update {
            at,
            change,
            order,
            failure,
            into,
            when: Guard::Always,
            spurious: false,
        };
        if let Some((at, value)) = text.split_once("+=") {
            return Some(update(self.location(at), Change::Add(number(value))));
        }
        if let Some(arguments) = text.strip_prefix("cas(") {
            let parts: Vec<&str> = arguments.trim_end_matches(')').split(',').collect();
            let change = Change::CompareExchange(number(parts[1]), number(parts[2]));
            return Some(update(self.location(parts[0]), change));
        }
        if let Some(arguments) = text.strip_prefix("exchange(") {
            let parts: Vec<&str> = arguments.trim_end_matches(')').split(',').collect();
            return Some(update(
                self.location(parts[0]),
                Change::Swap(number(parts[1])),
            ));
        }
        let (into, at) = match text.split_once('=') {
            Some((register, at)) => (self.named_register(register), at),
            None => (into, text),
        };
        let at = self.location(at);
        Some(Instruction::Load {
            at,
            order,
            into,
            when: Guard::Always,
        })
    }
}
