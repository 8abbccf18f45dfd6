//! AGH, the adaptive greedy heuristic: several constructions, local search, and perturbations of the best plan.
//!
//! The greedy plan comes first. A problem that falls apart is solved by components; else prices of the linear relaxation say
//! which configurations are promising, and the [search engine](Engine) starts from the greedy plan, from the relaxation
//! rounded, and from nothing. Source of the heuristic that it extends: Cheng & Nguyen, "Fast Heterogeneous Serving",
//! arXiv 2604.07472.

mod apart;
mod starts;
#[cfg(test)]
mod tests;

use crate::agh::apart::Apart;
use crate::agh::starts::Starts;
use crate::check::gate;
use crate::search::{Engine, MasterSolution, SearchState};
use crate::{construct, Plan, Problem, Result, SolveParams, Stop, StopReason};

/// Factor by which the kernel grows where nothing feasible lies within it.
const KERNEL_GROWTH: usize = 8;

/// Method "agh". One iteration is one epoch: a perturbation and descent on each island.
pub(crate) fn solve(problem: &Problem, params: &SolveParams, initial_plan: Option<&Plan>, stop: &Stop) -> Result<Plan> {
    let greedy = construct::solve(problem, params, stop)?;
    if !params.switches.routing_lp {
        // Without the routing program no move can be costed: what remains is the construction.
        return Ok(greedy);
    }
    let apart = Apart::find(problem, params, &greedy, initial_plan, stop)?;
    if let Some(plan) = apart.as_ref().and_then(Apart::proven) {
        return Ok(plan);
    }
    let falls_apart = apart.is_some();
    let greedy = apart.and_then(|apart| apart.better_than(&greedy)).unwrap_or(greedy);
    let search_stop = search_stop(problem, params, stop);
    let construction_s = stop.elapsed_s();
    let master = MasterSolution::of(problem, &search_stop);
    let relaxation_s = stop.elapsed_s() - construction_s;
    // Setting up the search takes longer than a deadline may be overrun.
    let setup_s = params.tuning.schedule.setup_constructions * construction_s;
    if initial_plan.is_none() && greedy.status.has_plan() && search_stop.earlier_by(setup_s).should_stop() {
        let stop_reason = stop.reason(0).unwrap_or(StopReason::TimeLimit);
        return Ok(Plan { stop_reason, ..greedy });
    }
    let starts = Starts::new(problem, params, &greedy, initial_plan, &master);
    let (engine, stop_reason) = search(problem, params, &starts, &master, &search_stop, stop);
    let mut plan = plan_of(problem, engine.incumbent(), greedy)?;
    if falls_apart {
        plan = apart::improve(problem, params, &plan, &search_stop)?.unwrap_or(plan);
    }
    if plan.status.has_plan() {
        plan.stop_reason = stop_reason;
    }
    plan.statistics = engine.statistics();
    plan.statistics.extend([("construction_s".to_owned(), construction_s), ("relaxation_s".to_owned(), relaxation_s)]);
    Ok(plan)
}

/// When the search ends: before the deadline by what making the plan takes, or earlier where a bound is asked for.
fn search_stop(problem: &Problem, params: &SolveParams, stop: &Stop) -> Stop {
    let schedule = &params.tuning.schedule;
    match (params.bound, problem.has_many_routes()) {
        (true, true) => stop.with_share(schedule.search_share_of_many),
        (true, false) => stop.with_share(schedule.search_share),
        (false, _) => {
            let num_routes = problem.route_table().query_type.len() as f64;
            stop.earlier_by(schedule.reserve_s_per_route * num_routes)
        }
    }
}

/// Runs the engine, within a larger kernel where nothing feasible lies in the first.
fn search<'a>(
    problem: &'a Problem,
    params: &'a SolveParams,
    starts: &Starts<'_>,
    master: &'a MasterSolution,
    search_stop: &Stop,
    stop: &Stop,
) -> (Engine<'a>, StopReason) {
    let mut size = params.tuning.kernel.base + params.tuning.kernel.per_type * problem.num_query_types();
    loop {
        let mut engine = Engine::new(problem, master, starts.setup(size), params);
        let stop_reason = engine.run(search_stop);
        if engine.incumbent().is_feasible() || size >= problem.num_configurations() || stop.reason(0).is_some() {
            return (engine, stop_reason);
        }
        size = size.saturating_mul(KERNEL_GROWTH);
    }
}

/// The plan of the best state, or `greedy` where that is better.
fn plan_of(problem: &Problem, best: &SearchState<'_>, greedy: Plan) -> Result<Plan> {
    let value_usd = greedy.objective_value.unwrap_or(f64::INFINITY);
    if !best.is_sound() || best.total_usd() >= value_usd {
        return Ok(greedy);
    }
    let (deployments, routing, unmet) = best.solution();
    let plan = Plan::from_solution(problem, deployments, &routing, unmet)?;
    // Coefficients many orders of magnitude apart can drown in the linear program.
    Ok(if gate::accepts(problem, &plan) { plan } else { greedy })
}
