//! What a search has found out about states that it looked at: each is costed, and left, once.
//!
//! Perturbations lead back to the same few states again and again. States are told apart by 64-bit keys: two different ones
//! with one key are so unlikely that what follows, a move left out, does not matter.
//!
//! Sources: Zobrist, "A new hashing method with application for game playing", 1970; Woodruff and Zemel, "Hashing vectors
//! for tabu search", 1993.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::search::{Change, SearchState};
use crate::splitmix::random;

/// States that are kept at most; more are forgotten all at once.
const MAX_STATES: usize = 1 << 16;
/// Marks a number of replicas that may not be another.
const FIXED: u64 = 1 << 63;

/// Keys are mixed well already.
#[derive(Debug, Clone, Copy, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = mixed(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

type ByKey = BuildHasherDefault<KeyHasher>;

/// What is known of a state.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Its cost without what no traffic needs, or a lower bound on it, USD.
    least_usd: f64,
    /// Whether it may be without shortage.
    may_be_feasible: bool,
}

/// States costed, and states that a descent went on from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    known: HashMap<u64, Known, ByKey>,
    visited: HashSet<u64, ByKey>,
    /// What came in since the last time that it was shared.
    fresh_known: Vec<(u64, Known)>,
    fresh_visited: Vec<u64>,
}

impl Memory {
    /// Notes that the state of `key` costs `least_usd` or more, and whether it may be without shortage.
    pub(crate) fn note(&mut self, key: u64, least_usd: f64, may_be_feasible: bool) {
        let known = Known { least_usd, may_be_feasible };
        self.insert(key, known);
        self.fresh_known.push((key, known));
    }

    fn insert(&mut self, key: u64, known: Known) {
        if self.known.len() >= MAX_STATES {
            self.known.clear();
        }
        let entry = self.known.entry(key).or_insert(known);
        entry.least_usd = entry.least_usd.max(known.least_usd);
        entry.may_be_feasible &= known.may_be_feasible;
    }

    /// Whether the state of `key` is known to cost `target_usd` or more, or to have shortage where it must have none.
    pub(crate) fn rules_out(&self, key: u64, target_usd: f64, needs_feasible: bool) -> bool {
        self.known
            .get(&key)
            .is_some_and(|known| known.least_usd >= target_usd || (needs_feasible && !known.may_be_feasible))
    }

    /// Notes that a descent continues from the state of `key`; false where one did before.
    pub(crate) fn visit(&mut self, key: u64) -> bool {
        let is_new = !self.visited.contains(&key);
        if is_new {
            self.insert_visited(&[key]);
            self.fresh_visited.push(key);
        }
        is_new
    }

    fn insert_visited(&mut self, keys: &[u64]) {
        if self.visited.len() >= MAX_STATES {
            self.visited.clear();
        }
        self.visited.extend(keys);
    }

    /// Takes back that a descent continues from the state of `key`: it was broken off.
    pub(crate) fn forget_visit(&mut self, key: u64) {
        self.visited.remove(&key);
        self.fresh_visited.retain(|&other| other != key);
    }

    /// Tells each of `memories` what the others found out since the last time, in order.
    pub(crate) fn share(mut memories: Vec<&mut Self>) {
        let fresh: Vec<_> = memories
            .iter_mut()
            .map(|memory| (std::mem::take(&mut memory.fresh_known), std::mem::take(&mut memory.fresh_visited)))
            .collect();
        for (index, memory) in memories.iter_mut().enumerate() {
            for (other, (known, visited)) in fresh.iter().enumerate() {
                if other != index {
                    known.iter().for_each(|&(key, known)| memory.insert(key, known));
                    memory.insert_visited(visited);
                }
            }
        }
    }
}

/// The key of a state: its deployments, the counts that are fixed, and the prices of shortage.
pub(super) fn key_of(state: &SearchState<'_>) -> u64 {
    let is_continuous = state.program().is_continuous();
    let deployed = state.deployments().map(|(a, replicas)| match replicas {
        // At the limit there is no other number.
        _ if is_continuous && replicas < state.problem().replica_limit(a) && state.fixed_replicas(a).is_some() => {
            part(a as u64, FIXED | u64::from(replicas))
        }
        _ => part(a as u64, u64::from(replicas)),
    });
    let prices = (0..state.problem().num_query_types())
        .map(|i| mixed(state.program().shortage_usd(i).to_bits().wrapping_add(i as u64)));
    deployed.chain(prices).fold(0, u64::wrapping_add)
}

/// The key after `changes` to a state of `key`.
pub(super) fn key_after(key: u64, changes: &[Change]) -> u64 {
    let change = |change: &Change| {
        let of = |replicas: u32| match replicas {
            0 => 0,
            _ => part(u64::from(change.configuration), u64::from(replicas)),
        };
        of(change.to).wrapping_sub(of(change.from))
    };
    changes.iter().map(change).fold(key, u64::wrapping_add)
}

fn part(configuration: u64, replicas: u64) -> u64 {
    mixed(mixed(configuration) ^ replicas)
}

/// A key of `number`.
pub(super) fn mixed(number: u64) -> u64 {
    random(number, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_ruled_out_at_or_below_its_cost_and_where_shortage_is_not_allowed() {
        let mut memory = Memory::default();
        memory.note(1, 10.0, true);
        memory.note(2, 5.0, false);
        assert!(memory.rules_out(1, 10.0, false));
        assert!(!memory.rules_out(1, 10.1, true));
        assert!(memory.rules_out(2, 7.0, true));
        assert!(!memory.rules_out(2, 7.0, false));
        assert!(!memory.rules_out(3, 0.0, true));
        // What is learnt later only adds.
        memory.note(1, 12.0, true);
        memory.note(1, 3.0, true);
        assert!(memory.rules_out(1, 12.0, false));
    }

    #[test]
    fn a_state_is_visited_once_unless_the_descent_was_broken_off() {
        let mut memory = Memory::default();
        assert!(memory.visit(1));
        assert!(!memory.visit(1));
        memory.forget_visit(1);
        assert!(memory.visit(1));
    }

    #[test]
    fn what_one_finds_out_all_know_after_it_was_shared() {
        let mut memories = vec![Memory::default(); 3];
        memories[0].note(1, 10.0, true);
        memories[1].visit(2);
        Memory::share(memories.iter_mut().collect());
        for memory in &mut memories {
            assert!(memory.rules_out(1, 10.0, false));
            assert!(!memory.visit(2));
            assert!(memory.fresh_known.is_empty() && memory.fresh_visited.is_empty());
        }
    }

    #[test]
    fn memory_is_limited() {
        let mut memory = Memory::default();
        for key in 0..3 * MAX_STATES as u64 {
            memory.note(key, 1.0, true);
            memory.visit(key);
            Memory::share(vec![&mut memory]);
        }
        assert!(memory.known.len() <= MAX_STATES && memory.visited.len() <= MAX_STATES);
    }
}
