//! M3, TP upgrade: where an active (model, tier) is too slow or too small for a query type, the whole pair moves to a
//! larger configuration, if all its present traffic stays feasible.

use super::candidates::Candidates;
use super::context::Context;
use super::demand::Demand;
use super::ranking::{best_placement, Placement};
use super::slot::{floor, Flow, Slot};
use super::state::ConstructionState;
use crate::{Problem, NO_POOL};

/// The larger configuration for a deployment, with the placement that it makes possible.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upgrade {
    pub(super) slot: usize,
    pub(super) placement: Placement,
}

/// The best upgrade of an active pair for `demand`.
pub(super) fn best_upgrade(context: &Context<'_>, state: &ConstructionState, demand: &Demand) -> Option<Upgrade> {
    let Context { problem, candidates, work, .. } = *context;
    let mut best: Option<Upgrade> = None;
    for (index, slot) in state.slots.iter().enumerate() {
        let from = slot.configuration as usize;
        let pair = problem.pair(from);
        let served_as_is = problem.find_route(demand.query_type, from).is_some();
        if served_as_is && state.addable(problem, from, slot.replicas) >= 1.0 {
            continue;
        }
        let mut traffic: Option<Traffic> = None;
        // What the old replicas and weights give back is there for the new ones.
        let replicas = f64::from(slot.replicas);
        let (mut budget_usd, mut gpus) = (f64::INFINITY, f64::INFINITY);
        if !state.relaxed {
            budget_usd = state.budget_left_usd + replicas * problem.replica_usd(from) + problem.weights_usd(from);
            if problem.pool(from) != NO_POOL {
                gpus = state.pool_left_gpus[problem.pool(from) as usize] + replicas * problem.gpus_per_replica(from);
            }
        }
        for &to in problem.pair_configurations(pair) {
            let to = to as usize;
            let least = f64::from(problem.min_replicas(to));
            if !is_larger(problem, from, to)
                || to as u32 == demand.closed
                || least * problem.gpus_per_replica(to) > gpus
                || least * problem.replica_usd(to) + problem.weights_usd(to) > budget_usd
            {
                continue;
            }
            let Some(route) = problem.find_route(demand.query_type, to) else { continue };
            let traffic = traffic.get_or_insert_with(|| {
                work.count(state.flows.len() / 4);
                Traffic::of(state, slot.configuration)
            });
            work.count(traffic.count + 4);
            let Some(moved) = moved(problem, state, traffic, to) else { continue };
            let Some(placement) = placement(problem, state, candidates, demand, slot, &moved, route) else { continue };
            if best.is_none_or(|best| placement.rank < best.placement.rank) {
                best = Some(Upgrade { slot: index, placement });
            }
            // The first that will do: larger ones are for what is larger still.
            break;
        }
    }
    best
}

/// Whether replicas of `to` have more GPUs than those of `from`, or as many at a point of less utilization: what is too slow at
/// the one may be fast enough at the other.
fn is_larger(problem: &Problem, from: usize, to: usize) -> bool {
    let (gpus_from, gpus_to) = (problem.gpus_per_replica(from), problem.gpus_per_replica(to));
    gpus_to > gpus_from || (gpus_to == gpus_from && problem.max_utilization_of(to) < problem.max_utilization_of(from))
}

/// Flows of a deployment that [`Traffic`] remembers.
const REMEMBERED: usize = 24;

/// The flows of a deployment, found once for all the configurations that are tried.
struct Traffic {
    configuration: u32,
    /// Positions of the first of them.
    first: [u32; REMEMBERED],
    count: usize,
    /// From this position on they are looked for each time.
    rest: usize,
}

impl Traffic {
    fn of(state: &ConstructionState, configuration: u32) -> Self {
        let mut traffic = Self { configuration, first: [0; REMEMBERED], count: 0, rest: state.flows.len() };
        for (position, flow) in state.flows.iter().enumerate() {
            if flow.configuration == configuration {
                if traffic.count == REMEMBERED {
                    traffic.rest = position;
                    break;
                }
                traffic.first[traffic.count] = position as u32;
                traffic.count += 1;
            }
        }
        traffic
    }

    fn flows<'a>(&'a self, state: &'a ConstructionState) -> impl Iterator<Item = &'a Flow> {
        let rest = state.flows[self.rest..].iter().filter(|flow| flow.configuration == self.configuration);
        self.first[..self.count].iter().map(|&position| &state.flows[position as usize]).chain(rest)
    }
}

/// A deployment's traffic on another configuration of its pair.
struct Moved {
    time: f64,
    memory: f64,
    latency_usd: f64,
}

/// The loads and the added latency cost of a deployment's traffic on configuration `to`; `None` where some of it has no
/// route there or would break an SLO.
fn moved(problem: &Problem, state: &ConstructionState, traffic: &Traffic, to: usize) -> Option<Moved> {
    let table = problem.route_table();
    let mut sum = Moved { time: 0.0, memory: 0.0, latency_usd: 0.0 };
    for flow in traffic.flows(state) {
        let old = flow.route as usize;
        let i = flow.query_type as usize;
        let new = problem.find_route(i, to)?;
        let breaks = |excess: &[f64], used: f64| {
            let change = (excess[new] - excess[old]) * flow.fraction;
            change > 0.0 && used + change > 0.0
        };
        if breaks(&table.error_excess, state.error[i]) || breaks(&table.latency_excess, state.latency[i]) {
            return None;
        }
        sum.time += table.time_replicas[new] * flow.fraction;
        sum.memory += table.memory_replicas[new] * flow.fraction;
        sum.latency_usd += (table.latency_usd[new] - table.latency_usd[old]) * flow.fraction;
    }
    Some(sum)
}

fn placement(
    problem: &Problem,
    state: &ConstructionState,
    candidates: &Candidates,
    demand: &Demand,
    from: &Slot,
    moved: &Moved,
    route: usize,
) -> Option<Placement> {
    let old = from.configuration as usize;
    let to = problem.route_table().configuration[route] as usize;
    let kept = ConstructionState::needed_of(problem, to, moved.time, moved.memory);
    // What the old replicas and weights give back is there for the new ones.
    let mut budget = state.budget_left_usd + f64::from(from.replicas) * problem.replica_usd(old);
    budget += problem.weights_usd(old) - problem.weights_usd(to);
    let weights_gb = &problem.configurations.weights_gb;
    if !state.relaxed && (budget < 0.0 || state.storage_left_gb + weights_gb[old] < weights_gb[to]) {
        return None;
    }
    let mut most = f64::from(problem.replica_limit(to));
    if problem.replica_usd(to) > 0.0 && !state.relaxed {
        most = most.min(floor(budget / problem.replica_usd(to)));
    }
    if problem.pool(to) != NO_POOL && !state.relaxed {
        let returned = f64::from(from.replicas) * problem.gpus_per_replica(old);
        let gpus = state.pool_left_gpus[problem.pool(to) as usize] + returned;
        most = most.min(floor(gpus / problem.gpus_per_replica(to)));
    }
    if kept > most {
        return None;
    }
    let table = problem.route_table();
    let changed_usd = |replicas: f64| {
        candidates.replica_usd[to] * replicas - candidates.replica_usd[old] * f64::from(from.replicas)
            + candidates.weights_usd[to]
            - candidates.weights_usd[old]
            + moved.latency_usd
    };
    // The share that fits is found with as many replicas as there can be; then only those needed are taken.
    let largest = Slot { configuration: to as u32, replicas: most as u32, time: moved.time, memory: moved.memory };
    let mut placement = best_placement(problem, state, candidates, demand, route, Some(&largest), f64::INFINITY)?;
    if f64::from(placement.replicas) > most {
        return None;
    }
    // The stored tokens of the new traffic need room beside the change of rental and weights.
    let spent_usd = state.budget_left_usd - budget + most * problem.replica_usd(to);
    let stored_gb = weights_gb[to] - weights_gb[old];
    if placement.share > state.data_room(problem, demand.query_type, spent_usd, stored_gb) {
        return None;
    }
    let time = moved.time + table.time_replicas[route] * placement.share;
    let memory = moved.memory + table.memory_replicas[route] * placement.share;
    let replicas = ConstructionState::needed_of(problem, to, time, memory).min(most);
    let added_usd = changed_usd(replicas);
    placement.rank += if demand.by_coverage { added_usd / placement.share } else { added_usd };
    placement.usd_per_share += added_usd / placement.share;
    placement.replicas = replicas as u32;
    Some(placement)
}

/// Moves a deployment with its traffic to the configuration of the upgrade's route.
pub(super) fn apply(problem: &Problem, state: &mut ConstructionState, upgrade: &Upgrade) {
    let table = problem.route_table();
    let from = state.slots[upgrade.slot].configuration;
    let to = table.configuration[upgrade.placement.route as usize] as usize;
    // All flows are lifted before the pair changes hands; their number stays, so they are rewritten in place.
    for index in 0..state.flows.len() {
        let flow = state.flows[index];
        if flow.configuration == from {
            if let Some(route) = problem.find_route(flow.query_type as usize, to) {
                state.reroute(problem, index, route);
            }
        }
    }
    state.exchange(problem, upgrade.slot, to);
    state.set_replicas(problem, upgrade.slot, upgrade.placement.replicas);
}
