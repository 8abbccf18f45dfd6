//! From one plan's deployments to another's, step by step: start before stop, within every limit, and with what each
//! step leaves to serve the traffic with.
//!
//! States are replicas per changed configuration; steps start or stop some replicas of one. A best-first search finds the
//! order whose lowest served share is highest, at most that of the poorer of both plans: a widest path, Dijkstra,
//! "A note on two problems in connexion with graphs", 1959. Among equals it goes for the goal, starting all it can first.

mod begun;
mod steps;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

pub use steps::{Action, Step, Transition};

use super::next_plan::whole;
use crate::heap::{Entry, Total};
use crate::ledger::Ledger;
use crate::linear::LinearStatus;
use crate::routing::RoutingProgram;
use crate::{Deployment, Error, Plan, Problem, Result, Routing, TransitionCosts};

/// States whose share is solved for, and states looked at, before the search stops proving that there is no better order.
const MOST_SHARES: usize = 2_000;
const MOST_STATES: usize = 20_000;
/// Shares that differ by less are the same.
const SHARE_TOLERANCE: f64 = 1e-6;

impl Plan {
    /// The steps from the deployments of `previous` to those of this plan, at the rates and limits of `problem`.
    ///
    /// Pools, budget (of the deployments of each moment over the whole horizon) and storage hold at every step, replicas
    /// that start or finish included; where `previous` itself is beyond a limit, nothing is started until it is not.
    /// While one configuration of a (model, tier) takes over from another, both may run.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a plan is not one for `problem` or has no deployments to speak of.
    pub fn transition(&self, problem: &Problem, previous: &Self, costs: &TransitionCosts) -> Result<Transition> {
        for (entry, plan) in [("previous", previous), ("plan", self)] {
            plan.validate(problem)?;
            if !plan.status.has_plan() {
                return Err(Error::invalid(entry, format!("is none: its status is {}", plan.status.as_str())));
            }
        }
        Ok(Walk::new(problem, &previous.deployments, &self.deployments, costs).transition())
    }
}

/// The deployments of `previous`, where the same replicas at another operating point go on as that of `next`.
pub(super) fn carried_over(problem: &Problem, previous: &[Deployment], next: &[Deployment]) -> Vec<Deployment> {
    let as_next = |entry: &Deployment| {
        let same = |other: &&Deployment| problem.are_same_replicas(entry.configuration, other.configuration);
        let configuration = next.iter().find(same).map_or(entry.configuration, |other| other.configuration);
        Deployment { configuration, ..*entry }
    };
    merged(previous.iter().map(as_next).collect())
}

/// Deployments by rising configuration, each of them once.
fn merged(mut deployments: Vec<Deployment>) -> Vec<Deployment> {
    deployments.sort_by_key(|entry| entry.configuration);
    deployments.dedup_by(|next, kept| {
        let is_same = next.configuration == kept.configuration;
        kept.replicas = kept.replicas.saturating_add(if is_same { next.replicas } else { 0 });
        is_same
    });
    deployments
}

/// Replicas of the configurations that either plan deploys.
type ReplicaCounts = Vec<u32>;

/// A state, how low the share has been, and how it was reached.
#[derive(Debug, Clone)]
struct PathNode {
    /// Lowest share so far, cut at the floor.
    lowest: f64,
    /// Replicas still to start and to stop.
    left: u64,
    parent: usize,
    state: ReplicaCounts,
}

/// A node in the queue: the highest share comes first, then the least that is left to start and to stop, then the oldest.
type Open = Entry<(Total, Reverse<(u64, u64, usize)>), PathNode>;

pub(super) struct Walk<'p> {
    problem: &'p Problem,
    costs: &'p TransitionCosts,
    configurations: Vec<u32>,
    first: ReplicaCounts,
    last: ReplicaCounts,
    program: RoutingProgram,
    /// Whether more replicas may leave less room for stored tokens, and so serve less.
    stores_tokens: bool,
}

impl<'p> Walk<'p> {
    pub(super) fn new(
        problem: &'p Problem,
        previous: &[Deployment],
        next: &[Deployment],
        costs: &'p TransitionCosts,
    ) -> Self {
        let previous = carried_over(problem, previous, next);
        let mut configurations: Vec<u32> = previous.iter().chain(next).map(|entry| entry.configuration).collect();
        configurations.sort_unstable();
        configurations.dedup();
        let of = |deployments: &[Deployment]| -> ReplicaCounts {
            let replicas = |a: &u32| deployments.iter().find(|entry| entry.configuration == *a);
            configurations.iter().map(|a| replicas(a).map_or(0, |entry| entry.replicas)).collect()
        };
        let (first, last) = (of(&previous), of(next));
        let program = RoutingProgram::of_quick_capacity(problem, configurations.len());
        let is_limited = problem.budget_usd.is_finite() || problem.storage_gb.is_finite();
        let stores_tokens = is_limited && problem.query_types.data_gb.iter().any(|&gb| gb > 0.0);
        Self { problem, costs, configurations, first, last, program, stores_tokens }
    }

    pub(super) fn transition(mut self) -> Transition {
        let (first, last) = (self.first.clone(), self.last.clone());
        let next_share = self.share(&last);
        let previous_share = self.share(&first);
        let (routing, served) = self.serving();
        let floor = previous_share.min(next_share);
        let (path, is_best) = self.widest_path(floor);
        let mut transition = Transition {
            steps: Vec::new(),
            is_safe: true,
            is_best,
            lowest_share: floor,
            previous_share,
            next_share,
            start_usd: 0.0,
            message: None,
            routing,
            served,
        };
        for two in path.windows(2) {
            let Some(slot) = (0..two[0].len()).find(|&slot| two[0][slot] != two[1][slot]) else { continue };
            let configuration = self.configurations[slot];
            let (before, after) = (two[0][slot], two[1][slot]);
            let a = configuration as usize;
            let starts = after > before;
            let replicas = before.abs_diff(after);
            self.share(&two[1]);
            let (routing, served) = self.serving();
            let served_share = self.share_of(&served);
            transition.lowest_share = transition.lowest_share.min(served_share);
            if starts {
                transition.start_usd += f64::from(replicas) * self.costs.replica_usd(self.problem, a);
            }
            transition.steps.push(Step {
                action: if starts { Action::Start } else { Action::Stop },
                configuration,
                replicas,
                start_s: if starts { self.costs.replica_s(self.problem, a) } else { 0.0 },
                served_share,
                served,
                routing,
            });
        }
        transition.is_safe = transition.lowest_share >= floor - SHARE_TOLERANCE;
        transition.is_best |= transition.is_safe;
        if !transition.is_safe {
            transition.message = Some(format!(
                "no safe order {}: on the way {:.2} % of the queries can be served where {:.2} % can before and after",
                if is_best { "exists" } else { "was found" },
                100.0 * transition.lowest_share,
                100.0 * floor
            ));
        }
        transition
    }

    /// Solves for `state`: the share of all queries that can be served.
    fn share(&mut self, state: &[u32]) -> f64 {
        for (slot, &replicas) in state.iter().enumerate() {
            if replicas < self.program.replicas(slot) {
                self.program.set_replicas(self.problem, slot, self.configurations[slot] as usize, replicas);
            }
        }
        for (slot, &replicas) in state.iter().enumerate() {
            self.program.set_replicas(self.problem, slot, self.configurations[slot] as usize, replicas);
        }
        self.program.drop_broken_limits(self.problem);
        if self.program.solve(f64::INFINITY) != LinearStatus::Optimal {
            self.program = self.fresh(state);
            if self.program.solve(f64::INFINITY) != LinearStatus::Optimal {
                // Numbers too far apart to calculate with: before it is solved a program serves nothing.
                self.program = self.fresh(state);
            }
        }
        self.share_of(&self.serving().1)
    }

    /// The program of `state` from nothing, not solved.
    fn fresh(&self, state: &[u32]) -> RoutingProgram {
        let mut fresh = RoutingProgram::of_quick_capacity(self.problem, state.len());
        for (slot, &replicas) in state.iter().enumerate() {
            fresh.set_replicas(self.problem, slot, self.configurations[slot] as usize, replicas);
        }
        fresh.drop_broken_limits(self.problem);
        fresh
    }

    /// Share of all queries where each query type has its own.
    fn share_of(&self, served: &[f64]) -> f64 {
        let rates = &self.problem.query_types.rate_per_h;
        let total: f64 = rates.iter().sum();
        let served: f64 = served.iter().zip(rates).map(|(share, rate)| share * rate).sum();
        if total > 0.0 {
            served / total
        } else {
            1.0
        }
    }

    /// The routing of the last solve, and the share of each query type that it serves.
    fn serving(&self) -> (Routing, Vec<f64>) {
        let (mut routing, mut served) = self.program.traffic(self.problem);
        whole(&mut routing, &mut served);
        served.iter_mut().for_each(|share| *share = share.min(1.0));
        (routing.sorted(), served)
    }

    /// Whether every limit holds for the replicas of `state`.
    fn fits(&self, state: &[u32]) -> bool {
        self.fits_beside(state, 0.0)
    }

    /// Whether every limit holds for the replicas of `state` if `tokens_gb` GB of tokens are stored.
    fn fits_beside(&self, state: &[u32], tokens_gb: f64) -> bool {
        let problem = self.problem;
        let mut ledger = Ledger::new(problem);
        for (&a, &replicas) in self.configurations.iter().zip(state) {
            ledger.change(problem, a as usize, 0, replicas);
        }
        ledger.weights_gb += tokens_gb;
        ledger.weights_usd += tokens_gb * problem.horizon_h * problem.storage_usd_per_gb_h;
        ledger.keeps_budget_and_pools(problem, 0.0) && ledger.keeps_storage(problem, 0.0)
    }

    /// The order of states whose lowest share is highest, and whether that is proven.
    fn widest_path(&mut self, floor: f64) -> (Vec<ReplicaCounts>, bool) {
        if let Some(path) = self.direct_path() {
            return (path, true);
        }
        let mut heap = BinaryHeap::new();
        let mut closed: Vec<PathNode> = Vec::new();
        let mut seen: HashSet<ReplicaCounts> = HashSet::new();
        let mut shares: HashMap<ReplicaCounts, f64> = HashMap::new();
        let mut number = 0;
        heap.push(self.open(floor, number, usize::MAX, self.first.clone()));
        while let Some(Open { item: node, .. }) = heap.pop() {
            if !seen.insert(node.state.clone()) {
                continue;
            }
            let position = closed.len();
            let is_goal = node.left == 0;
            closed.push(node);
            if is_goal {
                return (path(&closed, position), true);
            }
            if closed.len() >= MOST_STATES || shares.len() >= MOST_SHARES {
                break;
            }
            for (state, starts) in self.successors(&closed[position].state) {
                if seen.contains(&state) || (starts && !self.fits(&state)) {
                    continue;
                }
                let so_far = closed[position].lowest;
                let lowest = match shares.get(&state) {
                    _ if starts && !self.stores_tokens => so_far,
                    Some(share) => so_far.min(*share),
                    None => {
                        let share = self.share(&state);
                        let share = if share >= floor - SHARE_TOLERANCE { floor } else { share };
                        shares.insert(state.clone(), share);
                        so_far.min(share)
                    }
                };
                number += 1;
                heap.push(self.open(lowest, number, position, state));
            }
        }
        // Too many states: from the furthest of them, what has to stop stops first.
        let furthest = (0..closed.len()).min_by_key(|&position| closed[position].left).unwrap_or_default();
        let mut states = path(&closed, furthest);
        for stops in [true, false] {
            for slot in 0..self.last.len() {
                let Some(mut state) = states.last().cloned() else { continue };
                if state[slot] != self.last[slot] && (state[slot] > self.last[slot]) == stops {
                    state[slot] = self.last[slot];
                    states.push(state);
                }
            }
        }
        (states, false)
    }

    fn open(&self, lowest: f64, number: usize, parent: usize, state: ReplicaCounts) -> Open {
        let (mut starts, mut stops) = (0, 0);
        for (&now, &then) in state.iter().zip(&self.last) {
            starts += u64::from(then.saturating_sub(now));
            stops += u64::from(now.saturating_sub(then));
        }
        let item = PathNode { lowest, left: starts + stops, parent, state };
        Entry { key: (Total(lowest), Reverse((starts, stops, number))), item }
    }

    /// States one step on: more replicas at once first, down to one.
    fn successors(&self, state: &ReplicaCounts) -> Vec<(ReplicaCounts, bool)> {
        let mut successors = Vec::new();
        for slot in 0..state.len() {
            let (now, then) = (state[slot], self.last[slot]);
            let starts = then > now;
            let mut size = now.abs_diff(then);
            while size > 0 {
                let mut next = state.clone();
                next[slot] = if starts { now + size } else { now - size };
                successors.push((next, starts));
                size /= 2;
            }
        }
        successors
    }
}

/// The states from the first to that at `position`; steps of one configuration that follow each other become one.
fn path(closed: &[PathNode], mut position: usize) -> Vec<ReplicaCounts> {
    let mut states: Vec<ReplicaCounts> = Vec::new();
    while let Some(node) = closed.get(position) {
        states.push(node.state.clone());
        position = node.parent;
    }
    states.reverse();
    let slot_of =
        |before: &ReplicaCounts, after: &ReplicaCounts| (0..before.len()).find(|&slot| before[slot] != after[slot]);
    let mut merged: Vec<ReplicaCounts> = Vec::with_capacity(states.len());
    for state in states {
        if let [.., before, last] = merged.as_slice() {
            if slot_of(before, last) == slot_of(last, &state) {
                merged.pop();
            }
        }
        merged.push(state);
    }
    merged
}

#[cfg(test)]
mod tests;
