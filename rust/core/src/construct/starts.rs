//! The few constructions that GH compares, and what it does where limits are scarce or a type finds no place.

use super::context::Context;
use super::coverage::{Coverage, Start};
use super::greedy::{build, fill_all, restore_slos};
use super::post_optimisation::Attempts;
use super::repair::repair_limits;
use super::scarcity;
use super::state::{ConstructionState, NONE};
use super::Workspace;
use crate::pricing::LimitPrices;
use crate::{Problem, Stop, Switches};

const fn start(coverage: Coverage, idle_value: f64, relaxed: bool) -> Start {
    Start { coverage, idle_value, relaxed }
}

/// Starts where no limit stands in the way.
const AMPLE: [Start; 2] = [start(Coverage::Joint, 1.0, true), start(Coverage::EveryType, 0.5, true)];
/// Starts where limits are scarce.
const SCARCE: [Start; 3] =
    [start(Coverage::Joint, 1.0, true), start(Coverage::EveryType, 1.0, false), start(Coverage::None, 0.0, true)];
/// How expensive storage is made in each of these, where it is scarce.
const STORAGE_FACTORS: [f64; 3] = [0.5, 2.0, 0.1];
/// The start of a construction that stands for itself.
pub(super) const SINGLE: Start = start(Coverage::EveryType, 1.0, false);
/// Starts where a type found no place.
const REPAIRS: [Start; 2] = [SINGLE, start(Coverage::None, 0.0, false)];

/// The best of a few constructions in `order` is left in the workspace's state.
pub(super) fn best_of_starts(
    problem: &Problem,
    order: &[u32],
    switches: Switches,
    workspace: &mut Workspace,
    stop: &Stop,
) {
    workspace.has_best = false;
    workspace.work.restart();
    workspace.prepare(problem, switches);
    let mut last_order = compare(problem, order, switches, workspace, stop);
    if workspace.candidates.has_points && !stop.should_stop() {
        // A point of many replicas is cheap for types that fill it together and expensive for each alone: both are tried.
        workspace.price_idle(problem);
        last_order = compare(problem, order, switches, workspace, stop);
    }
    finish(problem, last_order.as_deref().unwrap_or(order), switches, workspace, stop);
    construct_again(problem, order, switches, workspace, stop);
    workspace.state.clone_from(&workspace.best);
}

/// Constructions at the present prices of idle replicas; the order of those where limits are scarce, if they are.
fn compare(
    problem: &Problem,
    order: &[u32],
    switches: Switches,
    workspace: &mut Workspace,
    stop: &Stop,
) -> Option<Vec<u32>> {
    let mut scarce = false;
    for start in &AMPLE {
        scarce = !attempt(problem, order, switches, start, false, workspace, stop) || scarce;
        if scarce || (workspace.has_best && stop.should_stop()) {
            break;
        }
    }
    if !scarce {
        return None;
    }
    let mut prices = scarcity::limit_prices(problem, &mut workspace.candidates);
    let storage_usd_per_gb = scarcity::storage_price(problem, &workspace.state);
    workspace.reprice(problem, &prices);
    let mut order = order.to_vec();
    scarcity::falling_value(problem, &workspace.candidates, &mut order);
    for (start, storage_factor) in SCARCE.iter().zip(STORAGE_FACTORS) {
        if storage_usd_per_gb > 0.0 {
            prices.storage = storage_factor * storage_usd_per_gb;
            workspace.reprice(problem, &prices);
        }
        attempt(problem, &order, switches, start, true, workspace, stop);
        if stop.should_stop() {
            break;
        }
    }
    Some(order)
}

/// Builds and post-optimises one solution and keeps it where it is the best; `false` where it exceeds limits that it ignored
/// and may not be repaired to keep them them.
fn attempt(
    problem: &Problem,
    order: &[u32],
    switches: Switches,
    start: &Start,
    may_repair: bool,
    workspace: &mut Workspace,
    stop: &Stop,
) -> bool {
    let Workspace {
        candidates, state, scratch, best, has_best, post_optimisation, best_post_optimisation, work, ..
    } = workspace;
    let context = Context { problem, candidates, switches, closed: NONE, most_usd: f64::INFINITY, work };
    build(&context, state, scratch, start, order);
    if start.relaxed && state.violation(problem) > 0.0 {
        if !may_repair {
            return false;
        }
        repair_limits(problem, candidates, state, scratch);
        for &i in order {
            restore_slos(problem, state, i as usize);
        }
        fill_all(&context, state, order, start.idle_value);
    }
    state.relaxed = false;
    let tuning = &candidates.tuning;
    post_optimisation.restart();
    post_optimisation.run(&context, state, scratch, order, Attempts(tuning.tries, tuning.tries_per_type), stop);
    if !*has_best || state.is_better_than(problem, best.total_missing(problem), best.cost_usd) {
        best.clone_from(state);
        best_post_optimisation.clone_from(post_optimisation);
        *has_best = true;
    }
    true
}

/// Post-optimises the best one further.
fn finish(problem: &Problem, order: &[u32], switches: Switches, workspace: &mut Workspace, stop: &Stop) {
    let Workspace { candidates, scratch, best, best_post_optimisation, work, .. } = workspace;
    let context = Context { problem, candidates, switches, closed: NONE, most_usd: f64::INFINITY, work };
    let tuning = &candidates.tuning;
    best_post_optimisation.run(
        &context,
        best,
        scratch,
        order,
        Attempts(tuning.best_tries, tuning.best_tries_per_type),
        stop,
    );
}

/// Constructs again with the types that found no place at the front of the order, until all have one.
fn construct_again(problem: &Problem, order: &[u32], switches: Switches, workspace: &mut Workspace, stop: &Stop) {
    if workspace.best.total_missing(problem) == 0.0 {
        return;
    }
    let mut order = order.to_vec();
    let tuning = workspace.candidates.tuning;
    for round in 0..tuning.repair_rounds {
        if round == tuning.repair_rounds / 2 {
            // Half of the rounds look at cost alone.
            workspace.reprice(problem, &LimitPrices::default());
        }
        let missing = |state: &ConstructionState, i: u32| state.missing(problem, i as usize) > 0.0;
        let last = if round == 0 { &workspace.best } else { &workspace.state };
        order.sort_by_key(|&i| !missing(last, i));
        let start = &REPAIRS[round % REPAIRS.len()];
        attempt(problem, &order, switches, start, false, workspace, stop);
        finish(problem, &order, switches, workspace, stop);
        if workspace.best.total_missing(problem) == 0.0
            || stop.should_stop()
            || workspace.work.is_enough(problem, &tuning)
        {
            return;
        }
    }
}
