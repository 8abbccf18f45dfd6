//! Exchange of a deployment's configuration for another one that can carry its traffic.

use super::context::Context;
use super::state::{ConstructionState, NONE};

/// A configuration and its replicas.
pub(super) type Choice = (u32, u32);

/// The two exchanges to try for the deployment of `from`: what would carry its traffic at the least cost, allowances and
/// limits priced, and what would do so if replicas were paid for only as far as they are used. Looked at are its own
/// pair, and on the pairs of its main query type's best candidates the candidate's own and that of the same TP/PP.
pub(super) fn choices(context: &Context<'_>, state: &ConstructionState, from: u32) -> [Option<Choice>; 2] {
    let problem = context.problem;
    let table = problem.route_table();
    let mut whole: Option<(f64, Choice)> = None;
    let mut used: Option<(f64, Choice)> = None;
    let mut consider = |to: u32| {
        if to == from || problem.replica_limit(to as usize) == 0 {
            return;
        }
        let Some(cost) = cost(context, state, from, to as usize) else { return };
        let choice = (to, cost.replicas);
        if whole.is_none_or(|(least, _)| cost.whole_usd < least) {
            whole = Some((cost.whole_usd, choice));
        }
        if used.is_none_or(|(least, _)| cost.used_usd < least) {
            used = Some((cost.used_usd, choice));
        }
    };
    let on_it = state.flows.iter().filter(|flow| flow.configuration == from);
    let load = |route: u32, fraction: f64| table.load(route as usize) * fraction;
    let main = on_it.max_by(|x, y| load(x.route, x.fraction).total_cmp(&load(y.route, y.fraction)));
    let Some(main) = main else { return [None; 2] };
    let own_pair = problem.pair(from as usize);
    for &to in problem.pair_configurations(own_pair) {
        consider(to);
    }
    let c = &problem.configurations;
    let shape = |a: u32| (c.tp[a as usize], c.pp[a as usize]);
    let (sorted, _) = context.candidates.of_type(main.query_type as usize);
    let mut pairs = 0;
    for candidate in sorted {
        let (to, pair) = (candidate.configuration, candidate.pair as usize);
        if pair == own_pair || state.slot_of_pair[pair] != NONE {
            continue;
        }
        consider(to);
        if shape(to) != shape(from) {
            if let Some(&alike) = problem.pair_configurations(pair).iter().find(|&&a| shape(a) == shape(from)) {
                consider(alike);
            }
        }
        pairs += 1;
        if pairs == context.candidates.tuning.exchange_pairs {
            break;
        }
    }
    let whole = whole.map(|(_, choice)| choice);
    let used = used.map(|(_, choice)| choice).filter(|&choice| Some(choice) != whole);
    [whole, used]
}

/// What the traffic of a deployment costs on another configuration.
struct ExchangeCost {
    /// With whole replicas.
    whole_usd: f64,
    /// With the used part of the replicas.
    used_usd: f64,
    replicas: u32,
}

/// What the traffic of `from` costs on `to`; `None` where it has no route there or finds no room.
fn cost(context: &Context<'_>, state: &ConstructionState, from: u32, to: usize) -> Option<ExchangeCost> {
    let (problem, candidates) = (context.problem, context.candidates);
    let table = problem.route_table();
    let has_points = candidates.has_points;
    let (mut time, mut memory, mut usd) = (0.0, 0.0, candidates.weights_usd[to]);
    for flow in &state.flows {
        if flow.configuration != from {
            continue;
        }
        let i = flow.query_type as usize;
        let price = &candidates.types[i];
        let Some(route) = problem.find_route(i, to) else {
            if !has_points || price.usd.is_infinite() {
                return None;
            }
            // A point of more load is too slow for some, who go elsewhere.
            usd += price.usd * flow.fraction;
            continue;
        };
        time += table.time_replicas[route] * flow.fraction;
        memory += table.memory_replicas[route] * flow.fraction;
        let allowances_usd = price.error * table.error_excess[route] + price.latency * table.latency_excess[route];
        usd += (table.latency_usd[route] + allowances_usd) * flow.fraction;
    }
    if has_points && time.max(memory) <= 0.0 {
        return None;
    }
    let replicas = ConstructionState::needed_of(problem, to, time, memory);
    if replicas > f64::from(problem.replica_limit(to)) {
        return None;
    }
    let replica_usd = candidates.replica_usd[to];
    Some(ExchangeCost {
        whole_usd: usd + replica_usd * replicas,
        used_usd: usd + replica_usd * time.max(memory),
        replicas: replicas as u32,
    })
}
