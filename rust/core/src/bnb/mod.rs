//! Method "bnb": branch and bound over the Lagrangian relaxation, which proves its plan optimal or that there is none.

mod start;

use crate::bound::{root_bound, Domain, LowerBound, Prices, Relaxation, LEAST_GAP};
use crate::tree::{Evaluator, Incumbent, Outcome, Tree};
use crate::tuning::ProofTuning;
use crate::{decompose, Plan, Problem, Result, SolveParams, Status, Stop, StopReason};

/// Finds a plan and proves that none is cheaper by more than `params.rel_gap`, or that there is none.
///
/// `params.max_iterations` limits the nodes of the search tree. An initial plan is the first incumbent.
///
/// # Errors
/// [`crate::Error::Internal`] where a plan cannot be costed.
pub(crate) fn solve(problem: &Problem, params: &SolveParams, initial_plan: Option<&Plan>, stop: &Stop) -> Result<Plan> {
    let mut incumbent = Incumbent::new(problem);
    if let Some(plan) = initial_plan {
        incumbent.offer(&plan.deployments);
    }
    let proof = prove(problem, params, initial_plan, &mut incumbent, true, None, stop)?;
    let mut plan = match incumbent.plan() {
        Some(plan) => plan?,
        None if proof.is_infeasible => {
            Plan::none(&problem.name, "bnb", params.seed, Status::Infeasible, "no plan meets every constraint".into())
        }
        None => {
            let message = "no plan was found, and none was proven not to exist".into();
            Plan::none(&problem.name, "bnb", params.seed, Status::NoSolutionFound, message)
        }
    };
    if let Some(value) = plan.objective_value {
        plan.objective_bound = Some(proof.bound.min(value));
        let proven = plan.gap().is_some_and(|gap| gap <= params.rel_gap.max(LEAST_GAP));
        plan.status = if proven { Status::Optimal } else { Status::Feasible };
        plan.stop_reason = if proven { StopReason::GapReached } else { StopReason::Completed };
    } else if proof.bound.is_finite() {
        plan.objective_bound = Some(proof.bound);
    }
    if proof.outcome == Outcome::Stopped {
        plan.stop_reason = stop.reason(proof.nodes).unwrap_or(StopReason::TimeLimit);
    }
    plan.statistics = vec![
        ("nodes".into(), proof.nodes as f64),
        ("components".into(), proof.components as f64),
        ("evaluations".into(), proof.evaluations as f64),
        ("routings".into(), incumbent.offers as f64),
    ];
    Ok(plan)
}

/// Raises the bound of the relaxation by branching until it meets the best plan known or found within `params.rel_gap`,
/// until `stop`, or until `max_work` elementary steps, of a few nanoseconds, are done where there is such a limit; the bound,
/// and the best plan where there is one.
pub(crate) fn raise_bound(
    problem: &Problem,
    known: Option<&Plan>,
    params: &SolveParams,
    max_work: Option<u64>,
    stop: &Stop,
) -> Result<(LowerBound, Option<Plan>)> {
    let mut incumbent = Incumbent::new(problem);
    if let Some(plan) = known {
        incumbent.take(plan);
    }
    let proof = prove(problem, params, None, &mut incumbent, known.is_none(), max_work, stop)?;
    let bound = LowerBound {
        value: if proof.bound == f64::INFINITY && !proof.is_infeasible { 0.0 } else { proof.bound },
        evaluations: proof.evaluations,
        infeasible: proof.is_infeasible,
        converged: proof.outcome == Outcome::Closed,
        prices: proof.prices,
    };
    Ok((bound, incumbent.plan().transpose()?))
}

/// What a search for a proof came to.
struct Proven {
    outcome: Outcome,
    bound: f64,
    is_infeasible: bool,
    /// The best prices at the root without cuts, or those that prove that there is no plan at all.
    prices: Prices,
    nodes: u64,
    components: usize,
    evaluations: u64,
}

/// Looks for a proof: by components where the problem falls apart, and by one search tree where that leaves a gap.
fn prove<'p>(
    problem: &'p Problem,
    params: &SolveParams,
    initial_plan: Option<&Plan>,
    incumbent: &mut Incumbent<'p>,
    looks_for_start: bool,
    max_work: Option<u64>,
    stop: &Stop,
) -> Result<Proven> {
    // A little below the asked gap, so that the last rounding does not exceed it.
    let rel_gap = 0.9 * params.rel_gap;
    let ProofTuning { components_work, components_share, components_part, .. } = params.tuning.proof;
    let components_work = max_work.map_or(components_work, |work| components_work.min(work / components_part));
    let limits = decompose::Limits { rel_gap, max_work: components_work };
    let apart = decompose::solve(problem, incumbent, limits, &stop.with_share(components_share))?;
    let (bound_apart, components) = apart.map_or((0.0, 1), |found| (found.bound, found.components));
    let relaxation = Relaxation::new(problem, 1.0).tuned(params);
    if components > 1 && incumbent.is_proven_by(bound_apart, rel_gap) {
        // What is left is to find prices of the constraints.
        let found = root_bound(&relaxation, incumbent.value, stop);
        return Ok(Proven {
            outcome: Outcome::Closed,
            bound: bound_apart,
            is_infeasible: bound_apart == f64::INFINITY,
            prices: found.prices,
            nodes: 1,
            components,
            evaluations: found.evaluations,
        });
    }
    if looks_for_start {
        start::offer_plan(problem, params, initial_plan, incumbent, stop)?;
    }
    let guess = Prices::first_guess(problem);
    let mut tree = Tree::new(&relaxation, Domain::of(problem), guess, incumbent.value, rel_gap);
    if let Some(max_work) = max_work {
        tree.limit_work(max_work);
    }
    incumbent.stop = stop.clone();
    let outcome = tree.run(incumbent, stop);
    let bound = tree.bound();
    Ok(Proven {
        outcome,
        bound: bound.max(bound_apart),
        is_infeasible: outcome == Outcome::Closed
            && bound == f64::INFINITY
            && incumbent.value == f64::INFINITY
            && !tree.unresolved,
        nodes: tree.nodes,
        components,
        evaluations: tree.evaluations(),
        prices: tree.into_root_prices(),
    })
}
