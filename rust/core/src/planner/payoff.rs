//! Whether a change of deployments pays off.

use crate::routing::RoutingProgram;
use crate::search::SearchState;
use crate::{Deployment, PlannerParams, Problem, FEASIBILITY_TOLERANCE};

/// What runs when a call begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'p> {
    pub(super) deployments: &'p [Deployment],
    /// Their routing, solved.
    pub(super) program: &'p RoutingProgram,
    /// It cannot meet every constraint.
    pub(super) is_short: bool,
    /// A change must save more than this share of its cost.
    pub(super) least_saving_share: f64,
}

/// Whether a change from what is kept to `best` pays off.
pub(super) fn pays_off(
    problem: &Problem,
    params: &PlannerParams,
    kept: Kept<'_>,
    kept_state: &SearchState<'_>,
    best: &SearchState<'_>,
) -> bool {
    if kept.is_short || !kept_state.is_sound() {
        return true;
    }
    let (kept_usd, usd) = (kept_state.total_usd(), best.total_usd());
    if !best.is_sound() || usd >= kept_usd {
        return false;
    }
    // A query that could be served is worth a change in any case.
    if unserved_per_h(problem, best) < unserved_per_h(problem, kept_state) - least_unserved_per_h(problem) {
        return true;
    }
    kept_usd - usd > (params.min_saving_usd / payback(problem, params)).max(kept.least_saving_share * kept_usd)
}

/// Whether a state leaves queries unserved.
pub(super) fn is_short(problem: &Problem, state: &SearchState<'_>) -> bool {
    unserved_per_h(problem, state) > least_unserved_per_h(problem)
}

/// Queries per hour that a state leaves unserved.
fn unserved_per_h(problem: &Problem, state: &SearchState<'_>) -> f64 {
    let rates = problem.query_types.rate_per_h.iter().enumerate();
    rates.map(|(i, rate)| rate * (state.program().unmet(i) + state.program().shortage(i))).sum()
}

/// Fewer queries per hour than this are rounding.
fn least_unserved_per_h(problem: &Problem) -> f64 {
    FEASIBILITY_TOLERANCE * problem.query_types.rate_per_h.iter().sum::<f64>()
}

/// The payback time as a share of the horizon.
pub(super) fn payback(problem: &Problem, params: &PlannerParams) -> f64 {
    params.payback_h.unwrap_or(problem.horizon_h) / problem.horizon_h
}
