//! The limits of each family, set from a simple plan so that they bind.

use super::gpus::GPUS;
use super::Family;
use crate::{LatencyScope, Problem, ProblemData, Result};

/// Share of the simple plan's rental that the budget allows.
const BUDGET_SHARE: f64 = 0.82;
/// Share of the simple plan's weights that the storage holds.
const STORAGE_SHARE: f64 = 0.7;
/// Each pool has this share of what the simple plan uses of it, and of what it uses in all.
const POOL_SHARES: (f64, f64) = (0.6, 0.15);

/// `data` with the limits of `family`; `gpu_of_tier` says which physical GPU each tier uses.
pub(super) fn limit(mut data: ProblemData, family: Family, gpu_of_tier: &[usize]) -> Result<ProblemData> {
    match family {
        Family::Plain => return Ok(data),
        Family::Average => {
            data.latency_scope = LatencyScope::Average;
            return Ok(data);
        }
        Family::Budget | Family::Pools | Family::Storage => {}
    }
    let problem = Problem::new(data.clone())?;
    let replicas = simple_plan(&problem);
    let used = || (0..replicas.len()).filter(|&a| replicas[a] > 0.0);
    data.query_types.max_unmet.fill(1.0);
    match family {
        Family::Budget => {
            data.budget_usd = BUDGET_SHARE * used().map(|a| problem.replica_usd(a) * replicas[a]).sum::<f64>();
        }
        Family::Storage => {
            data.storage_gb = STORAGE_SHARE * used().map(|a| data.configurations.weights_gb[a]).sum::<f64>();
        }
        _ => {
            let mut gpus = vec![0.0; GPUS.len()];
            for a in used() {
                gpus[gpu_of_tier[data.configurations.tier[a] as usize]] += problem.gpus_per_replica(a) * replicas[a];
            }
            let total: f64 = gpus.iter().sum();
            data.pools.name = GPUS.iter().map(|gpu| gpu.name.to_owned()).collect();
            data.pools.max_gpus =
                gpus.iter().map(|used| (POOL_SHARES.0 * used + POOL_SHARES.1 * total).ceil().max(1.0)).collect();
            data.tiers.pool = gpu_of_tier.iter().map(|&gpu| gpu as u32).collect();
        }
    }
    Ok(data)
}

/// Replicas of a plan that gives each type in turn wholly to the route that adds the least rental and latency cost
/// within the SLOs.
fn simple_plan(problem: &Problem) -> Vec<f64> {
    let table = problem.route_table();
    let mut replicas = vec![0.0; problem.num_configurations()];
    let mut time = vec![0.0; problem.num_configurations()];
    let mut memory = vec![0.0; problem.num_configurations()];
    let needed = |a: usize, time: f64, memory: f64| {
        let needed = (time / problem.max_utilization_of(a)).max(memory / problem.configurations.kv_cache_gb[a]).ceil();
        if needed > 0.0 {
            needed.max(f64::from(problem.min_replicas(a)))
        } else {
            needed
        }
    };
    for i in 0..problem.num_query_types() {
        let added_usd = |route: usize| {
            let a = table.configuration[route] as usize;
            let more = needed(a, time[a] + table.time[route], memory[a] + table.memory[route]) - replicas[a];
            more * problem.replica_usd(a) + table.latency_usd[route]
        };
        let best = table
            .of_query_type(i)
            .iter()
            .map(|&route| route as usize)
            .filter(|&route| table.error_excess[route] <= 0.0 && table.latency_excess[route] <= 0.0)
            .min_by(|&x, &y| added_usd(x).total_cmp(&added_usd(y)));
        if let Some(route) = best {
            let a = table.configuration[route] as usize;
            time[a] += table.time[route];
            memory[a] += table.memory[route];
            replicas[a] = needed(a, time[a], memory[a]);
        }
    }
    replicas
}
