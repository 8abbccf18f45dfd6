//! Exact answers for small problems: every deployment is tried and its routing solved by a general solver.

#![allow(dead_code)] // Each test program uses a part of it.

pub(crate) mod examine;

use microlp::{ComparisonOp, OptimizationDirection, SolveOutcome};
use servemix_core::{LatencyScope, Problem, FEASIBILITY_TOLERANCE, NO_POOL};

/// The least objective value of any plan; `None` where there is no plan.
pub(crate) fn optimum(problem: &Problem) -> Option<f64> {
    least_within(problem, 1e-9)
}

/// No plan that the checker accepts costs less; `None` where there is none.
pub(crate) fn least_accepted(problem: &Problem) -> Option<f64> {
    least_within(problem, 1.001 * FEASIBILITY_TOLERANCE)
}

/// A plan that the checker accepts costs this, all but the last thousandth of its tolerance used; `None` where there is none.
pub(crate) fn nearly_least_accepted(problem: &Problem) -> Option<f64> {
    least_within(problem, 0.999 * FEASIBILITY_TOLERANCE)
}

/// The least value of any plan that keeps the rows of the formulation widened by `tolerance`.
fn least_within(problem: &Problem, tolerance: f64) -> Option<f64> {
    let mut replicas = vec![0_u32; problem.num_configurations()];
    let mut best = None;
    enumerate(problem, &mut replicas, 0, tolerance, &mut best);
    best
}

fn enumerate(problem: &Problem, replicas: &mut Vec<u32>, a: usize, tolerance: f64, best: &mut Option<f64>) {
    if a == replicas.len() {
        if let Some(value) = value_within(problem, replicas, tolerance, *best) {
            *best = Some(best.map_or(value, |old| old.min(value)));
        }
        return;
    }
    let pair_taken = (0..a).any(|other| replicas[other] > 0 && problem.pair(other) == problem.pair(a));
    let c = &problem.configurations;
    let counts = (c.min_replicas[a]..=c.max_replicas[a]).filter(|_| !pair_taken);
    for count in std::iter::once(0).chain(counts) {
        replicas[a] = count;
        enumerate(problem, replicas, a + 1, tolerance, best);
    }
    replicas[a] = 0;
}

/// Objective value of the best routing for these replicas; `None` where there is none or it cannot beat `best`.
pub(crate) fn value_of(problem: &Problem, replicas: &[u32], best: Option<f64>) -> Option<f64> {
    value_within(problem, replicas, 1e-9, best)
}

fn value_within(problem: &Problem, replicas: &[u32], tolerance: f64, best: Option<f64>) -> Option<f64> {
    let slack = 1.0 + tolerance;
    // Shares and SLOs are as stated where no more than rounding is allowed for.
    let wide = if tolerance > 1e-8 { tolerance } else { 0.0 };
    let q = &problem.query_types;
    let deployed: Vec<usize> = (0..replicas.len()).filter(|&a| replicas[a] > 0).collect();
    let rental: f64 = deployed.iter().map(|&a| problem.replica_usd(a) * f64::from(replicas[a])).sum();
    let weights_usd: f64 = deployed.iter().map(|&a| problem.weights_usd(a)).sum();
    let weights_gb: f64 = deployed.iter().map(|&a| problem.configurations.weights_gb[a]).sum();
    if best.is_some_and(|best| rental + weights_usd >= best) {
        return None;
    }
    for pool in 0..problem.num_pools() {
        let in_pool = deployed.iter().filter(|&&a| problem.pool(a) != NO_POOL && problem.pool(a) as usize == pool);
        let gpus: f64 = in_pool.map(|&a| problem.gpus_per_replica(a) * f64::from(replicas[a])).sum();
        if gpus > problem.pools.max_gpus[pool] * slack {
            return None;
        }
    }
    let table = problem.route_table();
    let num_types = problem.num_query_types();
    let mut model = microlp::Problem::new(OptimizationDirection::Minimize);
    let unmet: Vec<_> = (0..num_types)
        .map(|i| model.add_var(problem.unmet_usd(i) - problem.data_usd(i), (0.0, q.max_unmet[i] + wide)))
        .collect();
    let mut supply: Vec<Vec<_>> = unmet.iter().map(|&u| vec![(u, 1.0)]).collect();
    let (mut errors, mut latencies) = (vec![Vec::new(); num_types], vec![Vec::new(); num_types]);
    for &a in &deployed {
        let (mut time, mut memory) = (Vec::new(), Vec::new());
        for route in table.of_configuration(a) {
            let x = model.add_var(table.latency_usd[route], (0.0, 1.0 + wide));
            let i = table.query_type[route] as usize;
            supply[i].push((x, 1.0));
            errors[i].push((x, table.error_excess[route] / q.error_slo[i].max(0.01)));
            latencies[i].push((x, table.latency_excess[route]));
            time.push((x, table.time[route]));
            memory.push((x, table.memory[route]));
        }
        let count = f64::from(replicas[a]);
        let own = problem.configurations.max_utilization[a];
        let utilization = if own > 0.0 { own } else { problem.max_utilization };
        model.add_constraint(time, ComparisonOp::Le, utilization * count * (1.0 + wide));
        model.add_constraint(memory, ComparisonOp::Le, problem.configurations.kv_cache_gb[a] * count * (1.0 + wide));
    }
    for i in 0..num_types {
        if wide > 0.0 {
            model.add_constraint(supply[i].clone(), ComparisonOp::Ge, 1.0 - wide);
            model.add_constraint(supply[i].clone(), ComparisonOp::Le, 1.0 + wide);
        } else {
            model.add_constraint(supply[i].clone(), ComparisonOp::Eq, 1.0);
        }
        if !errors[i].is_empty() {
            model.add_constraint(errors[i].clone(), ComparisonOp::Le, wide);
            if problem.latency_scope == LatencyScope::Average {
                model.add_constraint(latencies[i].clone(), ComparisonOp::Le, wide * q.latency_slo_s[i].max(1.0));
            }
        }
    }
    let data_usd: f64 = (0..num_types).map(|i| problem.data_usd(i)).sum();
    let data_gb: f64 = problem.query_types.data_gb.iter().sum();
    let usd: Vec<f64> = (0..num_types).map(|i| problem.data_usd(i)).collect();
    let limits = [
        (problem.budget_usd, rental + weights_usd + data_usd, &usd),
        (problem.storage_gb, weights_gb + data_gb, &q.data_gb),
    ];
    for (limit, taken, data) in limits.into_iter().filter(|(limit, ..)| limit.is_finite()) {
        let left = limit * slack - taken;
        // The program has a tolerance of its own, which is large beside a small limit.
        let spared: f64 = data.iter().zip(&q.max_unmet).map(|(data, most)| data * (most + wide)).sum();
        if left < -spared {
            return None;
        }
        let terms: Vec<_> = unmet.iter().zip(data).map(|(&u, data)| (u, -data)).collect();
        model.add_constraint(terms, ComparisonOp::Le, left);
    }
    match model.solve() {
        // Rows that add up to more than 1 within the tolerance save no more than everything.
        Ok(SolveOutcome::Solution(solution)) => Some((solution.objective() + rental + weights_usd + data_usd).max(0.0)),
        _ => None,
    }
}
