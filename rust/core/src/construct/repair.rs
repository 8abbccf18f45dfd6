//! From a solution that ignores budget, storage and pools to one that keeps them: step by step the replica or the
//! deployment goes whose traffic is worth least for what it frees.

use super::candidates::Candidates;
use super::slot::{Flow, Slot};
use super::state::{ConstructionState, NONE};
use super::Scratch;
use crate::{Problem, NO_POOL};

/// What one step gives up.
#[derive(Clone, Copy)]
struct Cut {
    slot: usize,
    replicas: u32,
    loss_per_relief: f64,
}

/// Cuts until no limit is exceeded. Types that lose traffic are left to be filled again.
pub(super) fn repair_limits(
    problem: &Problem,
    candidates: &Candidates,
    state: &mut ConstructionState,
    scratch: &mut Scratch,
) {
    state.relaxed = false;
    let Scratch { fallback_usd, flow_values: values, .. } = scratch;
    loop {
        let violation = state.violation(problem);
        if violation <= 0.0 || state.slots.is_empty() {
            return;
        }
        fallbacks(problem, candidates, state, fallback_usd);
        list_values(problem, state, fallback_usd, values);
        let mut of_slots = values.chunk_by(|x, y| x.slot == y.slot).peekable();
        let mut best: Option<Cut> = None;
        for slot in 0..state.slots.len() {
            let own = of_slots.next_if(|own| own[0].slot as usize == slot).unwrap_or_default();
            let replicas = state.slots[slot].replicas;
            // Far beyond the limit, more than one replica goes at a time.
            let several = ((0.25 * violation.min(1.0) * f64::from(replicas)) as u32).clamp(1, replicas);
            // As many have to stay as a deployment must have.
            let least = problem.min_replicas(state.slots[slot].configuration as usize);
            let several = if replicas - several < least { replicas } else { several };
            for removed in [several, replicas] {
                let relief = relief(problem, state, slot, removed, removed == replicas);
                if relief <= 0.0 {
                    continue;
                }
                let loss = loss(problem, state, slot, replicas - removed, own);
                let loss_per_relief = loss / relief;
                if best.is_none_or(|best| loss_per_relief < best.loss_per_relief) {
                    best = Some(Cut { slot, replicas: replicas - removed, loss_per_relief });
                }
            }
        }
        let Some(cut) = best else { return };
        shed(problem, state, cut.slot, cut.replicas, fallback_usd);
        if cut.replicas == 0 {
            state.close(problem, cut.slot);
        } else {
            state.set_replicas(problem, cut.slot, cut.replicas);
        }
    }
}

/// What placing the whole of each type costs where no exceeded limit stands in the way; what leaving it costs where
/// there is no such place.
fn fallbacks(problem: &Problem, candidates: &Candidates, state: &ConstructionState, usd: &mut Vec<f64>) {
    usd.clear();
    for i in 0..problem.num_query_types() {
        let price = &candidates.types[i];
        // Where a type has to be served, leaving it is out of the question as long as there is another choice.
        let must = 1.0 - problem.query_types.max_unmet[i];
        let unmet_usd = problem.unmet_usd(i) + must * 100.0 * (problem.unmet_usd(i) + price.usd.min(1e12));
        let (sorted, _) = candidates.of_type(i);
        let mut least = unmet_usd;
        if state.budget_left_usd >= 0.0 {
            for candidate in sorted {
                let a = candidate.configuration as usize;
                let pool_is_free = problem.pool(a) == NO_POOL || state.pool_left_gpus[problem.pool(a) as usize] >= 0.0;
                let storage_is_free = state.storage_left_gb >= 0.0 || state.slot_of_pair[problem.pair(a)] != NONE;
                if pool_is_free && storage_is_free {
                    least = least.min(candidate.value);
                    break;
                }
            }
        }
        usd.push(least);
    }
}

/// How much less the limits are exceeded without `removed` replicas of a deployment.
fn relief(problem: &Problem, state: &ConstructionState, slot: usize, removed: u32, closed: bool) -> f64 {
    let a = state.slots[slot].configuration as usize;
    let removed = f64::from(removed);
    let (weights_usd, weights_gb) =
        if closed { (problem.weights_usd(a), problem.configurations.weights_gb[a]) } else { (0.0, 0.0) };
    let part = |left: f64, limit: f64, freed: f64| {
        if left < 0.0 {
            freed.min(-left) / limit.max(f64::MIN_POSITIVE)
        } else {
            0.0
        }
    };
    let mut relief = part(state.budget_left_usd, problem.budget_usd, removed * problem.replica_usd(a) + weights_usd)
        + part(state.storage_left_gb, problem.storage_gb, weights_gb);
    if problem.pool(a) != NO_POOL {
        let g = problem.pool(a) as usize;
        let gpus = removed * problem.gpus_per_replica(a);
        relief += part(state.pool_left_gpus[g], problem.pools.max_gpus[g], gpus);
    }
    relief
}

/// What a flow is worth where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlowValue {
    slot: u32,
    flow: u32,
    /// USD per replica that it takes.
    value: f64,
    /// Replicas that it takes.
    load: f64,
}

/// Lists all flows by slot, those of a slot by rising worth.
fn list_values(problem: &Problem, state: &ConstructionState, fallback_usd: &[f64], values: &mut Vec<FlowValue>) {
    values.clear();
    values.extend(state.flows.iter().enumerate().filter_map(|(index, flow)| {
        let slot = state.slot_index(problem.pair(flow.configuration as usize))?;
        let load = flow.fraction * load(problem, flow.route as usize);
        Some(FlowValue { slot: slot as u32, flow: index as u32, value: value(problem, flow, fallback_usd), load })
    }));
    values.sort_unstable_by(|x, y| x.slot.cmp(&y.slot).then(x.value.total_cmp(&y.value)).then(x.flow.cmp(&y.flow)));
}

/// What a flow loses per unit of load where it has to leave.
fn value(problem: &Problem, flow: &Flow, fallback_usd: &[f64]) -> f64 {
    let route = flow.route as usize;
    (fallback_usd[flow.query_type as usize] - problem.route_table().latency_usd[route]) / load(problem, route)
}

#[inline]
fn load(problem: &Problem, route: usize) -> f64 {
    problem.route_table().load(route).max(f64::MIN_POSITIVE)
}

/// Load of a deployment beyond what `replicas` carry, in replicas.
fn excess(state: &ConstructionState, slot: usize, replicas: u32) -> f64 {
    state.slots[slot].load() - f64::from(replicas)
}

/// What the traffic is worth that has to leave where a deployment keeps `replicas`, less the rental saved; `own` is its traffic by
/// rising worth.
fn loss(problem: &Problem, state: &ConstructionState, slot: usize, replicas: u32, own: &[FlowValue]) -> f64 {
    let mut excess = excess(state, slot, replicas);
    let Slot { configuration, replicas: before, .. } = state.slots[slot];
    let a = configuration as usize;
    let mut loss = -f64::from(before - replicas) * problem.replica_usd(a);
    for flow in own {
        if excess <= 0.0 {
            break;
        }
        let shed = flow.load.min(excess);
        loss += flow.value * shed;
        excess -= shed;
    }
    loss
}

/// Takes the least worthy traffic off a deployment until `replicas` carry the rest.
fn shed(problem: &Problem, state: &mut ConstructionState, slot: usize, replicas: u32, fallback_usd: &[f64]) {
    if replicas == 0 {
        state.evict(problem, state.slots[slot].configuration);
        return;
    }
    let configuration = state.slots[slot].configuration;
    while excess(state, slot, replicas) > 1e-9 {
        let on_it = state.flows.iter().enumerate().filter(|(_, flow)| flow.configuration == configuration);
        let values = on_it.map(|(index, flow)| (value(problem, flow, fallback_usd), index));
        let Some((_, index)) = values.min_by(|x, y| x.0.total_cmp(&y.0)) else { return };
        let flow = state.flows[index];
        let share = excess(state, slot, replicas) / load(problem, flow.route as usize);
        state.withdraw(problem, index, share.clamp(1e-12, flow.fraction));
    }
}
