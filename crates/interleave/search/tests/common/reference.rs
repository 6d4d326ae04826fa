//! All executions of a tiny program, found by trying everything.
//!
//! This shares nothing with the search but what single operations compute (`Change`, `Guard`). It
//! enumerates every modification order and every store that a load could read, and checks the axioms
//! as they stand in the literature, with relations as matrices.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Release, SeqCst};

use interleave_search::{Change, Guard};

use super::{Execution, Instruction, Name, Program, Value};

#[derive(Clone, Copy)]
enum Does {
    Load,
    Store(u64),
    Update(Change),
    Fence,
}

#[derive(Clone, Copy)]
struct Node {
    name: Name,
    does: Does,
    at: usize,
    order: Ordering,
    failure: Ordering,
    when: Guard,
    /// A compare-exchange that may fail for no reason.
    spurious: bool,
}

type Relation = Vec<u32>;

fn pairs(count: usize, holds: impl Fn(usize, usize) -> bool) -> Relation {
    (0..count)
        .map(|a| {
            (0..count)
                .filter(|b| holds(a, *b))
                .fold(0, |set, b| set | 1 << b)
        })
        .collect()
}

fn then(first: &Relation, second: &Relation) -> Relation {
    first
        .iter()
        .map(|set| {
            let ends = (0..second.len()).filter(|b| set & (1 << b) != 0);
            ends.fold(0, |all, b| all | second[b])
        })
        .collect()
}

fn either(first: &Relation, second: &Relation) -> Relation {
    first.iter().zip(second).map(|(a, b)| a | b).collect()
}

fn closed(relation: &Relation) -> Relation {
    let mut all = relation.clone();
    loop {
        let more = either(&all, &then(&all, &all));
        if more == all {
            return all;
        }
        all = more;
    }
}

fn or_self(relation: &Relation) -> Relation {
    relation
        .iter()
        .enumerate()
        .map(|(a, set)| set | 1 << a)
        .collect()
}

fn only(count: usize, holds: impl Fn(usize) -> bool) -> Relation {
    pairs(count, |a, b| a == b && holds(a))
}

fn has_circle(relation: &Relation) -> bool {
    closed(relation)
        .iter()
        .enumerate()
        .any(|(a, set)| set & (1 << a) != 0)
}

/// All executions of a program without jumps. A thread may end before an operation with a guard, if
/// the newest value does not let it go on.
pub(crate) fn executions(program: &Program) -> BTreeSet<Execution> {
    let mut all = BTreeSet::new();
    let mut cuts = vec![0; program.threads.len()];
    let ends: Vec<Vec<usize>> = program
        .threads
        .iter()
        .map(|code| {
            let guarded = (0..code.len()).filter(|index| guard(&code[*index]) != Guard::Always);
            guarded.chain([code.len()]).collect()
        })
        .collect();
    loop {
        let lengths: Vec<usize> = cuts
            .iter()
            .zip(&ends)
            .map(|(cut, ends)| ends[*cut])
            .collect();
        up_to(program, &lengths, &mut all);
        let Some(next) = (0..cuts.len()).find(|thread| cuts[*thread] + 1 < ends[*thread].len())
        else {
            return all;
        };
        cuts[next] += 1;
        cuts[..next].fill(0);
    }
}

fn guard(instruction: &Instruction) -> Guard {
    match instruction {
        Instruction::Load { when, .. } | Instruction::Update { when, .. } => *when,
        _ => Guard::Always,
    }
}

fn up_to(program: &Program, lengths: &[usize], all: &mut BTreeSet<Execution>) {
    let mut nodes = Vec::new();
    for (thread, code) in program.threads.iter().enumerate() {
        for (index, instruction) in code[..lengths[thread]].iter().enumerate() {
            let (does, at, order, failure) = match *instruction {
                Instruction::Load { at, order, .. } => (Does::Load, at, order, order),
                Instruction::Store {
                    at,
                    value: Value::Const(value),
                    order,
                } => (Does::Store(value), at, order, order),
                Instruction::Update {
                    at,
                    change,
                    order,
                    failure,
                    ..
                } => (Does::Update(change), at, order, failure),
                Instruction::Fence(order) => (Does::Fence, usize::MAX, order, order),
                _ => panic!("the reference takes straight programs only"),
            };
            nodes.push(Node {
                name: (thread, index),
                when: guard(instruction),
                spurious: matches!(instruction, Instruction::Update { spurious: true, .. }),
                does,
                at,
                order,
                failure,
            });
        }
    }
    let exchanges: Vec<usize> = (0..nodes.len())
        .filter(|node| matches!(nodes[*node].does, Does::Update(Change::CompareExchange(..))))
        .collect();
    for succeeds in 0..1u32 << exchanges.len() {
        let fails = |node: usize| {
            exchanges
                .iter()
                .position(|other| *other == node)
                .is_some_and(|place| succeeds & (1 << place) == 0)
        };
        let writes: Vec<bool> = (0..nodes.len())
            .map(|node| match nodes[node].does {
                Does::Store(_) => true,
                Does::Update(_) => !fails(node),
                Does::Load | Does::Fence => false,
            })
            .collect();
        let stores = |at: usize| -> Vec<usize> {
            (0..nodes.len())
                .filter(|node| writes[*node] && nodes[*node].at == at)
                .collect()
        };
        // An order against the order of a thread's program contradicts coherence in any case.
        let orders_of = |at: usize| {
            let mut all = permutations(&stores(at));
            all.retain(|order| {
                order.iter().enumerate().all(|(place, store)| {
                    order[..place].iter().all(|earlier| {
                        nodes[*earlier].name.0 != nodes[*store].name.0 || earlier < store
                    })
                })
            });
            all
        };
        for first in orders_of(0) {
            for second in orders_of(1) {
                let orders = [first.clone(), second];
                sources(program, &nodes, &writes, &orders, lengths, all);
            }
        }
    }
}

fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (place, first) in of.iter().enumerate() {
        let mut rest = of.to_vec();
        rest.remove(place);
        for mut tail in permutations(&rest) {
            tail.insert(0, *first);
            all.push(tail);
        }
    }
    all
}

/// Tries every store for every read.
fn sources(
    program: &Program,
    nodes: &[Node],
    writes: &[bool],
    orders: &[Vec<usize>; 2],
    lengths: &[usize],
    all: &mut BTreeSet<Execution>,
) {
    let mut options: Vec<(usize, Vec<Option<usize>>)> = Vec::new();
    for (node, is) in nodes.iter().enumerate() {
        let order = match is.does {
            Does::Load | Does::Update(_) => &orders[is.at],
            _ => continue,
        };
        let from = match writes[node] {
            // A read-modify-write reads what directly precedes it.
            true => {
                let place = order.iter().position(|other| *other == node).unwrap();
                vec![place.checked_sub(1).map(|before| order[before])]
            }
            false => std::iter::once(None)
                .chain(order.iter().copied().map(Some))
                .collect(),
        };
        options.push((node, from));
    }
    let mut choice = vec![0; options.len()];
    loop {
        let mut from = vec![None; nodes.len()];
        for (choice, (node, options)) in choice.iter().zip(&options) {
            from[*node] = options[*choice];
        }
        if all_wait(program, lengths, nodes, orders, &from)
            && consistent(nodes, writes, orders, &from)
        {
            all.insert(execution(lengths, nodes, writes, orders, &from));
        }
        let Some(next) =
            (0..choice.len()).find(|place| choice[*place] + 1 < options[*place].1.len())
        else {
            return;
        };
        choice[next] += 1;
        choice[..next].fill(0);
    }
}

fn execution(
    lengths: &[usize],
    nodes: &[Node],
    writes: &[bool],
    orders: &[Vec<usize>; 2],
    from: &[Option<usize>],
) -> Execution {
    let name = |node: usize| nodes[node].name;
    Execution {
        choices: (0..nodes.len())
            .filter(|node| is_spurious(nodes, writes, from, *node))
            .map(|node| (name(node), 1))
            .collect(),
        reads: (0..nodes.len())
            .filter(|node| matches!(nodes[*node].does, Does::Load | Does::Update(_)))
            .map(|node| (name(node), from[node].map(name)))
            .collect(),
        orders: orders
            .iter()
            .map(|order| order.iter().map(|node| name(*node)).collect())
            .collect(),
        lengths: lengths.to_vec(),
    }
}

fn consistent(
    nodes: &[Node],
    writes: &[bool],
    orders: &[Vec<usize>; 2],
    from: &[Option<usize>],
) -> bool {
    let count = nodes.len();
    let reads = |a: usize| matches!(nodes[a].does, Does::Load | Does::Update(_));
    let same_place = |a: usize, b: usize| nodes[a].at == nodes[b].at && nodes[a].at < 2;
    let sb = pairs(count, |a, b| {
        nodes[a].name.0 == nodes[b].name.0 && nodes[a].name.1 < nodes[b].name.1
    });
    let rf = pairs(count, |a, b| reads(b) && from[b] == Some(a));
    if has_circle(&either(&sb, &rf)) {
        return false;
    }
    if !values_agree(nodes, writes, from) {
        return false;
    }
    let place = |a: usize| orders[nodes[a].at].iter().position(|other| *other == a);
    let mo = pairs(count, |a, b| {
        writes[a] && writes[b] && same_place(a, b) && place(a) < place(b)
    });
    let rb = pairs(count, |a, b| {
        a != b
            && reads(a)
            && writes[b]
            && same_place(a, b)
            && from[a].is_none_or(|from| mo[from] & (1 << b) != 0)
    });
    let order = |a: usize| match nodes[a].does {
        Does::Update(_) if !writes[a] => nodes[a].failure,
        _ => nodes[a].order,
    };
    let is_fence = |a: usize| matches!(nodes[a].does, Does::Fence);
    let fences = only(count, is_fence);
    let releasing = only(count, |a| {
        matches!(order(a), Release | AcqRel | SeqCst) && (writes[a] || is_fence(a))
    });
    let acquiring = only(count, |a| {
        matches!(order(a), Acquire | AcqRel | SeqCst) && (reads(a) || is_fence(a))
    });
    let updates = only(count, |a| reads(a) && writes[a]);
    let sequence = or_self(&closed(&then(&rf, &updates)));
    let from_fence = either(&only(count, |_| true), &then(&fences, &sb));
    let to_fence = either(&only(count, |_| true), &then(&sb, &fences));
    let sw = then(
        &then(
            &then(&releasing, &from_fence),
            &then(&only(count, |a| writes[a]), &sequence),
        ),
        &then(&then(&rf, &to_fence), &acquiring),
    );
    let hb = closed(&either(&sb, &sw));
    let eco = closed(&either(&rf, &either(&mo, &rb)));
    let circle = |relation: &Relation| {
        relation
            .iter()
            .enumerate()
            .any(|(a, set)| set & (1 << a) != 0)
    };
    if circle(&hb) || circle(&then(&hb, &eco)) {
        return false;
    }
    let strong = |a: usize| order(a) == SeqCst;
    let strong_fences = only(count, |a| strong(a) && is_fence(a));
    let strong_all = only(count, strong);
    let hb_there = pairs(count, |a, b| same_place(a, b) && hb[a] & (1 << b) != 0);
    let scb = [&then(&then(&sb, &hb), &sb), &hb_there, &mo, &rb]
        .into_iter()
        .fold(sb.clone(), |all, more| either(&all, more));
    let hb_or_self = or_self(&hb);
    let psc_base = then(
        &then(
            &either(&strong_all, &then(&strong_fences, &hb_or_self)),
            &scb,
        ),
        &either(&strong_all, &then(&hb_or_self, &strong_fences)),
    );
    let between = either(&hb, &then(&then(&hb, &eco), &hb));
    let psc_fences = then(&then(&strong_fences, &between), &strong_fences);
    !has_circle(&either(&psc_base, &psc_fences))
}

/// The value that a store leaves behind.
fn stored(nodes: &[Node], from: &[Option<usize>], node: usize) -> u64 {
    match nodes[node].does {
        Does::Store(value) => value,
        Does::Update(change) => {
            let found = found(nodes, from, node);
            change.apply(found, 64, 0).unwrap_or(found)
        }
        Does::Load | Does::Fence => 0,
    }
}

/// The value that an event finds.
fn found(nodes: &[Node], from: &[Option<usize>], node: usize) -> u64 {
    from[node].map_or(0, |source| stored(nodes, from, source))
}

/// Whether each compare-exchange succeeds exactly if it finds its value, and each guard lets its
/// operation go on.
fn values_agree(nodes: &[Node], writes: &[bool], from: &[Option<usize>]) -> bool {
    (0..nodes.len()).all(|node| {
        let goes_on = nodes[node].when.lets(found(nodes, from, node));
        let is_allowed = match nodes[node].does {
            Does::Load => goes_on,
            Does::Update(_) => goes_on || nodes[node].spurious,
            Does::Store(_) | Does::Fence => true,
        };
        let agrees = match nodes[node].does {
            Does::Update(Change::CompareExchange(wanted, _)) => {
                let succeeds = goes_on && found(nodes, from, node) == wanted;
                succeeds == writes[node] || (nodes[node].spurious && !writes[node])
            }
            _ => true,
        };
        is_allowed && agrees
    })
}

/// Whether an event fails or goes on for no reason.
fn is_spurious(nodes: &[Node], writes: &[bool], from: &[Option<usize>], node: usize) -> bool {
    let found = found(nodes, from, node);
    match nodes[node].does {
        Does::Update(_) if !nodes[node].when.lets(found) => true,
        Does::Update(Change::CompareExchange(wanted, _)) => wanted == found && !writes[node],
        _ => false,
    }
}

/// Whether every thread that has not ended waits for a newer value.
fn all_wait(
    program: &Program,
    lengths: &[usize],
    nodes: &[Node],
    orders: &[Vec<usize>; 2],
    from: &[Option<usize>],
) -> bool {
    let sb_or_rf = |a: usize, b: usize| {
        (nodes[a].name.0 == nodes[b].name.0 && nodes[a].name.1 < nodes[b].name.1)
            || from[b] == Some(a)
    };
    // Values exist only if no event causes itself.
    if has_circle(&pairs(nodes.len(), sb_or_rf)) {
        return false;
    }
    program.threads.iter().zip(lengths).all(|(code, length)| {
        let Some(instruction) = code.get(*length) else {
            return true;
        };
        let (Instruction::Load { at, .. } | Instruction::Update { at, .. }) = instruction else {
            return false;
        };
        let newest = orders[*at]
            .last()
            .map_or(0, |last| stored(nodes, from, *last));
        !guard(instruction).lets(newest)
    })
}

/// All executions of a program whose instructions are guarded read-modify-writes: every
/// interleaving, as the orders in which each location was changed.
pub(crate) fn waiting(program: &Program) -> BTreeSet<Execution> {
    let mut seen = BTreeSet::new();
    let mut ends = BTreeSet::new();
    let mut work = vec![vec![Vec::<(Name, usize)>::new(); program.initial.len()]];
    while let Some(orders) = work.pop() {
        if !seen.insert(orders.clone()) {
            continue;
        }
        let mut lengths = vec![0; program.threads.len()];
        for ((thread, _), _) in orders.iter().flatten() {
            lengths[*thread] += 1;
        }
        let value = |at: usize| {
            orders[at]
                .iter()
                .fold(
                    program.initial[at],
                    |value, ((thread, index), choice)| match program.threads[*thread][*index] {
                        Instruction::Update { change, .. } => {
                            change.apply(value, 64, *choice).unwrap()
                        }
                        _ => panic!("only read-modify-writes"),
                    },
                )
        };
        let mut stuck = true;
        for (thread, code) in program.threads.iter().enumerate() {
            let Some(Instruction::Update {
                at,
                when,
                change,
                spurious,
                ..
            }) = code.get(lengths[thread])
            else {
                continue;
            };
            let found = value(*at);
            let choices = match (when.lets(found), change) {
                (true, Change::TakeBit) => 0..found.count_ones().max(1) as usize,
                (true, _) => 0..1,
                (false, _) if *spurious => 1..2,
                (false, _) => 0..0,
            };
            stuck &= !when.lets(found);
            for choice in choices {
                let mut orders = orders.clone();
                orders[*at].push(((thread, lengths[thread]), choice));
                work.push(orders);
            }
        }
        if stuck {
            let steps = || orders.iter().flatten();
            let names = |order: &Vec<(Name, usize)>| order.iter().map(|step| step.0).collect();
            let orders: Vec<Vec<Name>> = orders.iter().map(names).collect();
            let reads = orders
                .iter()
                .flat_map(|order| {
                    order.iter().enumerate().map(|(place, name)| {
                        (*name, place.checked_sub(1).map(|before| order[before]))
                    })
                })
                .collect();
            let choices = steps().copied().filter(|step| step.1 > 0).collect();
            ends.insert(Execution {
                reads,
                orders,
                choices,
                lengths,
            });
        }
    }
    ends
}
