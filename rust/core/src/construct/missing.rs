//! What a construction without a plan was missing, in words.

use super::candidates::Candidates;
use super::state::ConstructionState;
use crate::{Problem, NO_POOL};

/// One line per query type that found no place, with the limits that stood in its way.
pub(super) fn describe(problem: &Problem, candidates: &Candidates, state: &ConstructionState) -> String {
    let mut lines = Vec::new();
    for i in 0..problem.num_query_types() {
        let missing = state.missing(problem, i);
        if missing > 0.0 {
            let q = &problem.query_types;
            let unserved = 100.0 * (1.0 - state.served[i]);
            lines.push(format!(
                "{}: {unserved:.1} % of its queries found no place, at most {:.1} % may go unserved; {}",
                q.name[i],
                100.0 * q.max_unmet[i],
                reason(problem, candidates, state, i)
            ));
        }
    }
    if lines.is_empty() {
        let mut limits = Vec::new();
        for (left, name) in [(state.budget_left_usd, "the budget"), (state.storage_left_gb, "the storage capacity")] {
            if left < 0.0 {
                limits.push(name);
            }
        }
        // Every query type has a place, but together they exceed a limit.
        let limits = limits.join(" and ");
        let served = (0..problem.num_query_types()).filter(|&i| state.served[i] > 0.0);
        let names = served.map(|i| &problem.query_types.name[i]);
        lines.extend(names.map(|name| format!("{name}: with its stored tokens it does not fit within {limits}")));
    }
    lines.join("\n")
}

fn reason(problem: &Problem, candidates: &Candidates, state: &ConstructionState, i: usize) -> String {
    let table = problem.route_table();
    let routes = table.of_query_type(i);
    if !problem.routes.query_type.contains(&(i as u32)) {
        return "it has no route at all".into();
    }
    if routes.is_empty() {
        let r = &problem.routes;
        let of_type = (0..problem.num_routes()).filter(|&route| r.query_type[route] as usize == i);
        let meets = |route: usize| r.latency_s[route] <= problem.query_types.latency_slo_s[i];
        return if of_type.into_iter().any(meets) {
            "every route misses its latency SLO or can carry no share of it that counts".into()
        } else {
            "every route misses its latency SLO".into()
        };
    }
    if candidates.types[i].usd.is_infinite() {
        let met = |excess: &[f64]| routes.iter().any(|&route| excess[route as usize] <= 0.0);
        return match (met(&table.error_excess), met(&table.latency_excess)) {
            (false, _) => "no route that can be deployed meets its error SLO",
            (_, false) => "no route that can be deployed meets its latency SLO",
            _ => "no configuration that meets its SLOs can be deployed at all",
        }
        .into();
    }
    let limits = limits_hit(problem, state, i);
    if limits.is_empty() {
        "no room was found on its routes".into()
    } else {
        format!("no more replicas on its routes within {}", limits.join(", "))
    }
}

/// The limits that keep at least one more replica of a route's configuration, or more stored tokens, from being added.
fn limits_hit(problem: &Problem, state: &ConstructionState, i: usize) -> Vec<String> {
    let table = problem.route_table();
    let c = &problem.configurations;
    let (mut budget, mut storage, mut replicas) = (false, state.data_room(problem, i, 0.0, 0.0) <= 1e-6, false);
    let mut pools = vec![false; problem.num_pools()];
    for &route in table.of_query_type(i) {
        let a = table.configuration[route as usize] as usize;
        let slot = state.slot_index(problem.pair(a)).map(|slot| &state.slots[slot]);
        let active = slot.is_some_and(|slot| slot.configuration as usize == a);
        let (opening_usd, least) =
            if active { (0.0, 1.0) } else { (problem.weights_usd(a), f64::from(problem.min_replicas(a))) };
        budget |= least * problem.replica_usd(a) + opening_usd > state.budget_left_usd;
        storage |= !active && c.weights_gb[a] > state.storage_left_gb;
        replicas |= slot.is_some_and(|slot| active && slot.replicas >= c.max_replicas[a]);
        if problem.pool(a) != NO_POOL {
            let g = problem.pool(a) as usize;
            pools[g] |= least * problem.gpus_per_replica(a) > state.pool_left_gpus[g];
        }
    }
    let mut hit = Vec::new();
    for (is_hit, name) in [(budget, "the budget"), (storage, "the storage capacity"), (replicas, "max_replicas")] {
        if is_hit {
            hit.push(name.to_owned());
        }
    }
    let names = (0..pools.len()).filter(|&g| pools[g]).map(|g| format!("pool {}", problem.pools.name[g]));
    hit.extend(names);
    hit
}
