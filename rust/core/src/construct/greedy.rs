//! The greedy construction: the coverage phase, then query types in the given order, each filled from its candidates.

use super::candidates::Candidate;
use super::context::Context;
use super::coverage::{cover, Start};
use super::demand::Demand;
use super::ranking::{best_placement, Placement};
use super::state::{ConstructionState, NONE, SHARE_EPSILON};
use super::upgrade::{self, Upgrade};
use super::Scratch;
use crate::Problem;

/// Steps of one fill; far more than any needs.
const FILL_STEPS: usize = 256;

/// Excess error and latency up to this is rounding noise.
const SLO_EPSILON: f64 = 1e-12;

/// Builds a whole solution into `state`.
pub(super) fn build(
    context: &Context<'_>,
    state: &mut ConstructionState,
    scratch: &mut Scratch,
    start: &Start,
    order: &[u32],
) {
    state.reset(context.problem, start.relaxed);
    cover(context, state, scratch, start.coverage, order);
    fill_all(context, state, order, start.idle_value);
    state.right_size(context.problem);
}

/// Fills the types in turn. Of the rental of idle capacity opened for one, `idle_value` times the weight of those that
/// follow counts as theirs.
pub(super) fn fill_all(context: &Context<'_>, state: &mut ConstructionState, order: &[u32], idle_value: f64) {
    let weight = |i: u32| {
        let usd = context.candidates.types[i as usize].usd;
        if usd.is_finite() {
            usd
        } else {
            0.0
        }
    };
    let total: f64 = order.iter().map(|&i| weight(i)).sum();
    let mut to_come = total;
    for &i in order {
        to_come -= weight(i);
        let later = if total > 0.0 { (to_come / total).clamp(0.0, 1.0) } else { 0.0 };
        fill(context, state, i as usize, idle_value * later);
    }
}

/// Places what is left of query type `i`, as far as there is room and serving it is worth its price.
pub(super) fn fill(context: &Context<'_>, state: &mut ConstructionState, i: usize, idle_value: f64) {
    place(context, state, i, idle_value, false);
    if restore_slos(context.problem, state, i) {
        place(context, state, i, idle_value, true);
        restore_slos(context.problem, state, i);
    }
}

fn place(context: &Context<'_>, state: &mut ConstructionState, i: usize, idle_value: f64, earned_only: bool) {
    let Context { problem, candidates, switches, closed, .. } = *context;
    let price = candidates.types[i];
    if price.usd.is_infinite() {
        return;
    }
    for _ in 0..FILL_STEPS {
        let room = state.data_room(problem, i, 0.0, 0.0);
        let rest = (1.0 - state.served[i]).min(room);
        if rest <= SHARE_EPSILON {
            return;
        }
        let skip_usd = problem.unmet_usd(i);
        let mut demand = Demand {
            query_type: i,
            share: rest,
            error: state.error[i],
            latency: state.latency[i],
            price,
            idle_value,
            by_coverage: switches.coverage_ranking,
            earned_only,
            closed,
            most_rank: if switches.coverage_ranking { skip_usd } else { f64::INFINITY },
        };
        let mut step = best_step(context, state, &demand);
        if step.is_none_or(|step| step.placement().usd_per_share >= skip_usd) {
            // More expensive than leaving it: only what has to be served is.
            demand.share = state.missing(problem, i).min(room);
            demand.most_rank = f64::INFINITY;
            if demand.share <= SHARE_EPSILON {
                return;
            }
            step = best_step(context, state, &demand);
        }
        let Some(step) = step else { return };
        apply(context, state, &step);
        let sure_usd = state.cost_usd - skip_usd * (1.0 - state.served[i]);
        if sure_usd > context.most_usd && sure_usd - state.releasable_usd(problem) > context.most_usd {
            return;
        }
    }
}

/// A step of a fill.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Onto a deployment or a new pair.
    Place(Placement),
    /// Onto a pair moved to a larger configuration.
    Upgrade(Upgrade),
}

impl Step {
    fn placement(&self) -> &Placement {
        match self {
            Self::Place(placement) => placement,
            Self::Upgrade(upgrade) => &upgrade.placement,
        }
    }
}

fn best_step(context: &Context<'_>, state: &ConstructionState, demand: &Demand) -> Option<Step> {
    let Context { problem, candidates, switches, work, .. } = *context;
    work.count(state.slots.len() + 8);
    let mut best: Option<Placement> = None;
    let bound = |best: &Option<Placement>| best.map_or(demand.most_rank, |best| best.rank);
    for slot in &state.slots {
        if let Some(route) = problem.find_route(demand.query_type, slot.configuration as usize) {
            let bound = bound(&best);
            keep_better(&mut best, best_placement(problem, state, candidates, demand, route, Some(slot), bound));
        }
    }
    // No placement on a new pair costs less per share than the candidate's value, so most need no look.
    let (sorted, others) = candidates.of_type(demand.query_type);
    let budget_usd = if state.relaxed { f64::INFINITY } else { state.budget_left_usd };
    let is_expensive = |candidate: &Candidate, bound: f64| switches.coverage_ranking && candidate.value >= bound;
    let is_affordable = |candidate: &Candidate| candidate.open_usd <= budget_usd;
    let consider = |candidate: &Candidate, best: &mut Option<Placement>| {
        let bound = bound(best);
        let is_free = state.slot_of_pair[candidate.pair as usize] == NONE;
        if is_free && !(switches.coverage_ranking && candidates.least_new_rank(candidate, demand) >= bound) {
            let route = candidate.route as usize;
            keep_better(best, best_placement(problem, state, candidates, demand, route, None, bound));
        }
    };
    let mut all_cheap = true;
    for candidate in sorted {
        if is_expensive(candidate, bound(&best)) {
            all_cheap = false;
            break;
        }
        if is_affordable(candidate) {
            consider(candidate, &mut best);
        }
    }
    // The others are no cheaper; where there is a budget they stand by what it takes to open them.
    for candidate in others.iter().take_while(|candidate| all_cheap && is_affordable(candidate)) {
        if !is_expensive(candidate, bound(&best)) {
            consider(candidate, &mut best);
        }
    }
    let opens = best.is_none_or(|best| {
        let a = problem.route_table().configuration[best.route as usize] as usize;
        state.slot_of_pair[problem.pair(a)] == NONE
    });
    if switches.tp_upgrade && opens {
        if let Some(upgrade) = upgrade::best_upgrade(context, state, demand) {
            if best.is_none_or(|best| upgrade.placement.rank <= best.rank) {
                return Some(Step::Upgrade(upgrade));
            }
        }
    }
    best.map(Step::Place)
}

fn keep_better(best: &mut Option<Placement>, placement: Option<Placement>) {
    if let Some(placement) = placement {
        if best.is_none_or(|best| placement.rank < best.rank) {
            *best = Some(placement);
        }
    }
}

fn apply(context: &Context<'_>, state: &mut ConstructionState, step: &Step) {
    let problem = context.problem;
    if let Step::Upgrade(upgrade) = step {
        upgrade::apply(problem, state, upgrade);
    }
    let placement = step.placement();
    let route = placement.route as usize;
    let a = problem.route_table().configuration[route] as usize;
    let slot = match state.slot_index(problem.pair(a)) {
        Some(slot) => slot,
        None => state.open(problem, a),
    };
    if state.slots[slot].replicas != placement.replicas {
        state.set_replicas(problem, slot, placement.replicas);
    }
    state.send(problem, route, placement.share);
}

/// Takes traffic off routes beyond an SLO until the type keeps its SLOs; whether there was any to take.
pub(super) fn restore_slos(problem: &Problem, state: &mut ConstructionState, i: usize) -> bool {
    let table = problem.route_table();
    let mut taken = false;
    // Rounding must neither keep the share from shrinking nor let it shrink by next to nothing for ever: after as many steps as could
    // be needed but for rounding, each takes at least twice as much as the one before.
    let (mut least, mut exact_steps) = (1e-12, 2 * state.flows.len() + 2);
    loop {
        // Taking off for one SLO may break the other, so both are looked at until neither is broken.
        let (excess, used) = if state.error[i] > SLO_EPSILON {
            (&table.error_excess, state.error[i])
        } else if state.latency[i] > SLO_EPSILON {
            (&table.latency_excess, state.latency[i])
        } else {
            return taken;
        };
        let worst = state
            .flows
            .iter()
            .enumerate()
            .filter(|(_, flow)| flow.query_type as usize == i && excess[flow.route as usize] > 0.0)
            .max_by(|(_, x), (_, y)| excess[x.route as usize].total_cmp(&excess[y.route as usize]));
        let Some((index, flow)) = worst else { return taken };
        let share = flow.fraction.min((used / excess[flow.route as usize]).max(least));
        match exact_steps {
            0 => least *= 2.0,
            _ => exact_steps -= 1,
        }
        state.withdraw(problem, index, share);
        taken = true;
    }
}
