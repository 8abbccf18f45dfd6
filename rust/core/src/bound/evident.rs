//! Problems that have no plan for a reason that needs no search: a query type that no route can serve well enough, or
//! stored tokens that exceed the budget or the storage by themselves.

use super::widened::left_out;
use crate::{error_scale, LatencyScope, Problem, FEASIBILITY_TOLERANCE, LEAST_SHARE};

/// Whether some constraint can be met by no plan, whatever is deployed. Holds for every plan that the checker accepts.
pub(crate) fn is_evidently_infeasible(problem: &Problem) -> bool {
    let q = &problem.query_types;
    let within = |limit: f64| limit * (1.0 + FEASIBILITY_TOLERANCE);
    let sum = |value: &dyn Fn(usize) -> f64| -> f64 { (0..problem.num_query_types()).map(value).sum() };
    let stored_gb = sum(&|i| q.data_gb[i] * least_served(problem, i));
    let stored_usd = sum(&|i| problem.data_usd(i) * least_served(problem, i));
    stored_gb > within(problem.storage_gb)
        || stored_usd > within(problem.budget_usd)
        || left_out(problem).into_iter().enumerate().any(|(i, left_out)| has_no_way(problem, i, left_out))
}

/// Share of query type `i` that every plan serves.
fn least_served(problem: &Problem, i: usize) -> f64 {
    (1.0 - problem.query_types.max_unmet[i] - 2.0 * FEASIBILITY_TOLERANCE).max(0.0)
}

/// Whether a type that has to be served has no routes that meet its SLOs.
fn has_no_way(problem: &Problem, i: usize, left_out: u32) -> bool {
    let table = problem.route_table();
    let routes = table.of_query_type(i);
    let least = least_served(problem, i) - 2.0 * LEAST_SHARE * f64::from(left_out);
    let breaks = |excess: &[f64], scale: f64| {
        let mean = routes.iter().map(|&route| excess[route as usize]).fold(f64::INFINITY, f64::min);
        mean * least > FEASIBILITY_TOLERANCE * scale
    };
    let slo_s = problem.query_types.latency_slo_s[i].max(1.0);
    least > 0.0
        && (routes.is_empty()
            || (left_out == 0 && breaks(&table.error_excess, error_scale(problem.query_types.error_slo[i])))
            || (left_out == 0
                && problem.latency_scope == LatencyScope::Average
                && breaks(&table.latency_excess, slo_s)))
}
