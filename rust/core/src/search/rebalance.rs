//! The best replicas of a fixed set of deployments, not whole: routing and replicas in one linear program.
//!
//! With dozens of replicas, several counts must change together and by the right amounts to stay within a budget or a
//! pool; single moves cannot, and the fractional optimum tells how.

use crate::linear::{DualSimplex, LinearStatus};
use crate::search::SearchState;
use crate::{LatencyScope, NO_POOL};

const MAX_PIVOTS: u64 = 5_000;

/// Replicas of each deployment of `state`, in the order of [`SearchState::deployments`], that would be best if they
/// did not have to be whole, at most one per configuration's limit. `None` where the program was not solved.
pub(super) fn fractional_replicas(state: &SearchState<'_>) -> Option<Vec<f64>> {
    let problem = state.problem();
    let table = problem.route_table();
    let num_types = problem.num_query_types();
    let deployed: Vec<usize> = state.deployments().map(|(a, _)| a).collect();
    let count = deployed.len();
    let latency_rows = if problem.latency_scope == LatencyScope::Average { num_types } else { 0 };
    let first_slot = 2 * num_types + latency_rows;
    let budget_row = first_slot + 2 * count;
    let first_pool = budget_row + 1;
    let num_rows = first_pool + problem.num_pools();
    let first_route = 2 * num_types;
    let first_replicas = first_route + count * num_types;
    let mut program = DualSimplex::new(num_rows, first_replicas + count, 5);
    for row in num_types..num_rows {
        program.set_inequality(row, true);
    }
    for i in 0..num_types {
        program.set_rhs(i, 1.0);
        let max_unmet = problem.query_types.max_unmet[i];
        program.set_column(i, problem.unmet_usd(i) - problem.data_usd(i), max_unmet, &[(i, 1.0)]);
        let shortage_usd = state.program().shortage_usd(i) - problem.data_usd(i);
        program.set_column(num_types + i, shortage_usd, 1.0, &[(i, 1.0)]);
    }
    let weights_usd: f64 = deployed.iter().map(|&a| problem.weights_usd(a)).sum();
    let budget_usd = if problem.budget_usd.is_finite() { problem.budget_usd - weights_usd } else { 1e30 };
    program.set_rhs(budget_row, budget_usd.max(0.0));
    for (pool, &gpus) in problem.pools.max_gpus.iter().enumerate() {
        program.set_rhs(first_pool + pool, gpus.min(1e30));
    }
    for (slot, &a) in deployed.iter().enumerate() {
        let row = first_slot + 2 * slot;
        for (offset, route) in table.of_configuration(a).enumerate() {
            let i = table.query_type[route] as usize;
            let mut entries =
                [(i, 1.0), (num_types + i, table.error_excess[route]), (row, 0.0), (row + 1, 0.0), (0, 0.0)];
            entries[2].1 = table.time_replicas[route];
            entries[3].1 = table.memory_replicas[route];
            if latency_rows > 0 {
                entries[4] = (2 * num_types + i, table.latency_excess[route]);
            }
            program.set_column(first_route + slot * num_types + offset, table.latency_usd[route], 1.0, &entries);
        }
        let replica_usd = problem.replica_usd(a);
        let mut entries = vec![(row, -1.0), (row + 1, -1.0), (budget_row, replica_usd)];
        if problem.pool(a) != NO_POOL {
            entries.push((first_pool + problem.pool(a) as usize, problem.gpus_per_replica(a)));
        }
        program.set_column(first_replicas + slot, replica_usd, f64::from(problem.replica_limit(a)), &entries);
    }
    (program.solve(f64::INFINITY, MAX_PIVOTS) == LinearStatus::Optimal)
        .then(|| (0..count).map(|slot| program.value(first_replicas + slot)).collect())
}
