//! Method "bnb": branch and bound over the Lagrangian relaxation, which proves its plan optimal or that there is none.

mod branching;
mod incumbent;
mod node;
mod pseudo_costs;
mod routing;
mod tree;

pub(crate) use node::Decision;

use incumbent::Incumbent;
use tree::{Incumbents, Outcome, Tree};

use crate::bound::{thread_pool, LowerBound, Prices, Relaxation, Search, LEAST_GAP};
use crate::{agh, construct, Plan, Problem, Result, SolveParams, Status, Stop, StopReason};

/// Share of the time that the first plan may take.
const START_SHARE: f64 = 0.2;
/// With a gap from this on any plan will do.
const ANY_PLAN_GAP: f64 = 1.0;

/// Finds a plan and proves that none is cheaper by more than `params.rel_gap`, or that there is none.
///
/// `params.max_iterations` limits the nodes of the search tree. An initial plan is the first incumbent.
///
/// # Errors
/// [`crate::Error::Internal`] where the threads cannot be started.
pub(crate) fn solve(problem: &Problem, params: &SolveParams, initial_plan: Option<&Plan>, stop: &Stop) -> Result<Plan> {
    let pool = thread_pool(params.threads)?;
    let relaxation = Relaxation::new(problem, 1.0);
    let mut incumbent = Incumbent::new(problem);
    if let Some(plan) = initial_plan {
        incumbent.offer(&plan.deployments);
    }
    start_plan(problem, params, initial_plan, &mut incumbent, stop)?;
    let guess = Prices::from_cheapest_routes(problem);
    // A little below the asked gap, so that the last rounding does not exceed it.
    let mut tree = Tree::new(&relaxation, pool.as_ref(), guess, incumbent.value, 0.9 * params.rel_gap);
    incumbent.stop = stop.clone();
    let outcome = tree.run(&mut incumbent, stop);
    let bound = tree.bound().max(0.0);
    let mut plan = match incumbent.plan() {
        Some(plan) => plan?,
        None if outcome == Outcome::Closed && bound == f64::INFINITY && !tree.unresolved => {
            Plan::none(&problem.name, "bnb", params.seed, Status::Infeasible, "no plan meets every constraint".into())
        }
        None => {
            let message = "no plan was found, and none was proven not to exist".into();
            Plan::none(&problem.name, "bnb", params.seed, Status::NoSolutionFound, message)
        }
    };
    if let Some(value) = plan.objective_value {
        plan.objective_bound = Some(bound.min(value));
        let proven = plan.gap().is_some_and(|gap| gap <= params.rel_gap.max(LEAST_GAP));
        plan.status = if proven { Status::Optimal } else { Status::Feasible };
        plan.stop_reason = if proven { StopReason::GapReached } else { StopReason::Completed };
    } else if bound.is_finite() {
        plan.objective_bound = Some(bound);
    }
    if outcome == Outcome::Stopped {
        plan.stop_reason = stop.reason(tree.nodes).unwrap_or(StopReason::TimeLimit);
    }
    plan.statistics = vec![
        ("nodes".into(), tree.nodes as f64),
        ("evaluations".into(), tree.evaluations() as f64),
        ("routings".into(), incumbent.offers as f64),
    ];
    Ok(plan)
}

/// Raises the bound of the relaxation by branching until it meets the best plan known or found within `params.rel_gap`,
/// or until `stop`.
pub(crate) fn raise_bound(
    problem: &Problem,
    known: Option<&Plan>,
    params: &SolveParams,
    stop: &Stop,
) -> Result<Search> {
    let pool = thread_pool(params.threads)?;
    let relaxation = Relaxation::new(problem, 1.0);
    let mut incumbent = Incumbent::new(problem);
    match known {
        Some(plan) => incumbent.take(plan),
        None => start_plan(problem, params, None, &mut incumbent, stop)?,
    }
    let guess = Prices::from_cheapest_routes(problem);
    let mut tree = Tree::new(&relaxation, pool.as_ref(), guess, incumbent.value, 0.9 * params.rel_gap);
    incumbent.stop = stop.clone();
    let outcome = tree.run(&mut incumbent, stop);
    let infeasible = tree.bound() == f64::INFINITY && incumbent.value == f64::INFINITY && !tree.unresolved;
    let bound = LowerBound {
        value: if tree.bound() == f64::INFINITY && !infeasible { 0.0 } else { tree.bound().max(0.0) },
        evaluations: tree.evaluations(),
        infeasible,
        converged: outcome == Outcome::Closed,
        prices: tree.into_root_prices(),
    };
    Ok(Search { bound, plan: incumbent.plan().transpose()? })
}

/// Offers the plan of the adaptive greedy heuristic, which takes no more than a share of the time; the greedy one where
/// that will do.
fn start_plan(
    problem: &Problem,
    params: &SolveParams,
    initial_plan: Option<&Plan>,
    incumbent: &mut Incumbent<'_>,
    stop: &Stop,
) -> Result<()> {
    if params.rel_gap >= ANY_PLAN_GAP
        && incumbent.offer(&construct::solve(problem, params, stop)?.deployments) < f64::MAX
    {
        return Ok(());
    }
    let quick = SolveParams { bound: false, threads: 1, time_limit_s: None, max_iterations: None, ..params.clone() };
    let plan = agh::solve(problem, &quick, initial_plan, &stop.with_share(START_SHARE))?;
    incumbent.take(&plan);
    Ok(())
}
