//! The plan that the search for a proof starts from.

use crate::tree::{Evaluator, Incumbent};
use crate::{agh, construct, Plan, Problem, Result, SolveParams, Stop};

/// Offers the plan of the adaptive greedy heuristic, which takes no more than a share of the time; the greedy one where
/// that will do.
pub(super) fn offer_plan(
    problem: &Problem,
    params: &SolveParams,
    initial_plan: Option<&Plan>,
    incumbent: &mut Incumbent<'_>,
    stop: &Stop,
) -> Result<()> {
    if params.rel_gap >= params.tuning.proof.any_plan_gap
        && incumbent.offer(&construct::solve(problem, params, stop)?.deployments) < f64::MAX
    {
        return Ok(());
    }
    let quick = SolveParams { bound: false, threads: 1, time_limit_s: None, max_iterations: None, ..params.clone() };
    let plan = agh::solve(problem, &quick, initial_plan, &stop.with_share(params.tuning.proof.start_share))?;
    incumbent.take(&plan);
    Ok(())
}
