//! Exchange of a deployment's configuration for another one that can carry its traffic.

use super::greedy::Context;
use super::state::{State, NONE};

/// Pairs of the main query type's best candidates that are looked at.
const PAIRS: usize = 8;

/// The configuration, not among `tried`, and its replicas that would carry the traffic of the deployment of `from` at the
/// least cost, allowances and limits priced; `None` where there is none.
pub(super) fn best(context: &Context<'_>, state: &State, from: u32, tried: &[u32]) -> Option<(u32, u32)> {
    let problem = context.problem;
    let table = problem.route_table();
    let on_it = || state.flows.iter().filter(|flow| table.configuration[flow.route as usize] == from);
    let load = |route: u32, fraction: f64| context.candidates.load(problem, route as usize) * fraction;
    let main = on_it().max_by(|x, y| load(x.route, x.fraction).total_cmp(&load(y.route, y.fraction)))?;
    let own_pair = problem.pair(from as usize);
    let (sorted, _) = context.candidates.of_type(main.query_type as usize);
    let pair_of = |route: u32| problem.pair(table.configuration[route as usize] as usize);
    let other_pairs = sorted
        .iter()
        .map(|candidate| pair_of(candidate.route))
        .filter(|&pair| pair != own_pair && state.slot_of_pair[pair] == NONE)
        .take(PAIRS);
    let mut best: Option<(f64, u32, u32)> = None;
    for pair in std::iter::once(own_pair).chain(other_pairs) {
        for &to in problem.pair_configurations(pair) {
            if to == from || tried.contains(&to) || problem.replica_limit(to as usize) == 0 {
                continue;
            }
            if let Some((usd, replicas)) = cost(context, state, from, to as usize) {
                if best.is_none_or(|(least, _, _)| usd < least) {
                    best = Some((usd, to, replicas));
                }
            }
        }
    }
    best.map(|(_, to, replicas)| (to, replicas))
}

/// What the traffic of `from` costs on `to`, and the replicas that it needs there.
fn cost(context: &Context<'_>, state: &State, from: u32, to: usize) -> Option<(f64, u32)> {
    let (problem, candidates) = (context.problem, context.candidates);
    let table = problem.route_table();
    let (mut time, mut memory, mut usd) = (0.0, 0.0, candidates.weights_usd[to]);
    for flow in &state.flows {
        if table.configuration[flow.route as usize] != from {
            continue;
        }
        let i = flow.query_type as usize;
        let route = problem.find_route(i, to)?;
        let price = &candidates.types[i];
        time += table.time[route] * flow.fraction;
        memory += table.memory[route] * flow.fraction;
        let allowances_usd = price.error * table.error_excess[route] + price.latency * table.latency_excess[route];
        usd += (table.latency_usd[route] + allowances_usd) * flow.fraction;
    }
    let replicas = State::needed(problem, to, time, memory).max(1.0);
    if replicas > f64::from(problem.replica_limit(to)) {
        return None;
    }
    Some((usd + candidates.replica_usd[to] * replicas, replicas as u32))
}
