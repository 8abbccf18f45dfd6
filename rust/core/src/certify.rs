//! What a plan is worth: lower bounds for any plan, and the certificate that puts one beside it.

use crate::bnb::raise_bound;
use crate::bound::{root_bound, LowerBound, Relaxation, LEAST_GAP};
use crate::{relative_gap, Plan, Problem, Result, SolveParams, Status, Stop, StopReason};

/// A plan counts as better where it saves at least this share.
const LEAST_SAVING: f64 = 1e-9;

/// Looks for the prices with the largest Lagrangian bound and, where there is a time limit, raises the bound by
/// branching for as long as time is left.
///
/// `params.threads` are used for each evaluation; the result depends on neither the threads nor, without a time limit,
/// the machine.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) where a plan that was found cannot be costed.
pub fn lower_bound(problem: &Problem, params: &SolveParams, stop: &Stop) -> Result<LowerBound> {
    Ok(search(problem, None, params, stop)?.0)
}

/// A lower bound, and the best plan where the search for it had one: the bound of a branch and bound, which ends where it meets
/// the best plan known or found within `params.rel_gap`. Without a time limit it is that of the relaxation and, where that leaves
/// a gap to a known plan, what a few steps of branching add: what can be proven at once is proven, and the result is the same on
/// every machine.
fn search(
    problem: &Problem,
    known: Option<&Plan>,
    params: &SolveParams,
    stop: &Stop,
) -> Result<(LowerBound, Option<Plan>)> {
    if stop.remaining_s().is_some() {
        return raise_bound(problem, known, params, None, stop);
    }
    let upper = known.and_then(|plan| plan.objective_value);
    let relaxation = Relaxation::new(problem, 1.0).tuned(params);
    let mut bound = root_bound(&relaxation, upper.unwrap_or(f64::INFINITY), stop);
    let is_open = |upper: f64| relative_gap(upper, bound.value) > params.rel_gap.max(LEAST_GAP);
    if !upper.is_some_and(is_open) {
        return Ok((bound, None));
    }
    // The caller's number of iterations counts those of the search for the plan.
    let unlimited = stop.with_iterations(u64::MAX);
    let (branched, plan) = raise_bound(problem, known, params, Some(params.tuning.proof.branching_work), &unlimited)?;
    bound.value = bound.value.max(branched.value);
    bound.converged &= branched.converged;
    bound.evaluations += branched.evaluations;
    Ok((bound, plan))
}

/// Gives `plan` its lower bound and, where the bound proves it, the status [`Status::Optimal`] or [`Status::Infeasible`].
/// Where the search for the bound finds a better plan and `takes_better` says so, `plan` becomes that.
///
/// # Errors
/// As [`lower_bound`].
pub(crate) fn certify(
    problem: &Problem,
    plan: &mut Plan,
    takes_better: bool,
    params: &SolveParams,
    stop: &Stop,
) -> Result<()> {
    let known = plan.status.has_plan().then_some(&*plan);
    let (bound, found) = search(problem, known, params, stop)?;
    let value = plan.objective_value.unwrap_or(f64::INFINITY);
    let is_better = |found: &Plan| found.objective_value.is_some_and(|usd| usd < value * (1.0 - LEAST_SAVING));
    if let Some(better) = found.filter(|found| takes_better && is_better(found)) {
        *plan = Plan { stop_reason: plan.stop_reason, statistics: std::mem::take(&mut plan.statistics), ..better };
    }
    if let Some(value) = plan.objective_value {
        plan.objective_bound = Some(bound.value.min(value));
        if plan.gap().is_some_and(|gap| gap <= params.rel_gap.max(LEAST_GAP)) {
            plan.status = Status::Optimal;
            plan.stop_reason = StopReason::GapReached;
        }
    } else if bound.infeasible {
        plan.status = Status::Infeasible;
    } else {
        plan.objective_bound = Some(bound.value);
    }
    Ok(())
}
