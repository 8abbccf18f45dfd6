//! Problems without physical structure: whatever the format allows.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::physical::log_uniform;
use crate::{
    Configurations, LatencyScope, Models, Pools, Problem, ProblemData, QueryTypes, Result, Routes, Tiers, NO_PAIR,
    NO_POOL,
};

/// Least replicas of an operating point, at most.
const MOST_LEAST: u32 = 20;

/// How large and how tight a random problem may be.
struct Ranges {
    query_types: (usize, usize),
    models: (usize, usize),
    tiers: (usize, usize),
    max_configurations: usize,
    tensor_parallel: &'static [u32],
    max_replicas: &'static [u32],
    rate_per_h: (f64, f64),
    /// Probability that a type has a route to a configuration.
    route: f64,
    /// Budget in USD, storage in GB and GPUs of a pool where there is a limit.
    budget_usd: (f64, f64),
    storage_gb: (f64, f64),
    pool_gpus: (u32, u32),
}

/// A random problem of 3–12 query types, 2–11 models and 2–12 tiers: routes at random, odd TP degrees, zero
/// `max_unmet`, one-replica limits, free GPUs, any of the limits present or not. Some have no feasible plan.
///
/// # Errors
/// As [`Problem::new`]; none is known for any seed.
pub fn wild(seed: u64) -> Result<Problem> {
    random(
        "wild",
        seed,
        &Ranges {
            query_types: (3, 12),
            models: (2, 11),
            tiers: (2, 12),
            max_configurations: usize::MAX,
            tensor_parallel: &[1, 2, 3, 4, 5, 7],
            max_replicas: &[1, 4, 64, 1000],
            rate_per_h: (10.0, 100_000.0),
            route: 0.8,
            budget_usd: (100.0, 3_000.0),
            storage_gb: (50.0, 400.0),
            pool_gpus: (15, 200),
        },
    )
}

/// A problem small enough to enumerate: 2–3 query types, at most 6 configurations of at most 3 replicas (5,000
/// combinations of replicas or fewer), any of the limits present or not. Some have no feasible plan.
///
/// # Errors
/// As [`Problem::new`]; none is known for any seed.
pub fn small(seed: u64) -> Result<Problem> {
    random(
        "small",
        seed,
        &Ranges {
            query_types: (2, 3),
            models: (1, 3),
            tiers: (1, 3),
            max_configurations: 6,
            tensor_parallel: &[1, 2],
            max_replicas: &[1, 2, 3],
            rate_per_h: (100.0, 8_000.0),
            route: 0.85,
            budget_usd: (20.0, 250.0),
            storage_gb: (10.0, 90.0),
            pool_gpus: (1, 6),
        },
    )
}

fn random(family: &str, seed: u64, ranges: &Ranges) -> Result<Problem> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed ^ 0x5eed_0000_0000_0000);
    let mut draw = |(low, high): (usize, usize)| rng.random_range(low..=high);
    let (num_types, num_models, num_tiers) = (draw(ranges.query_types), draw(ranges.models), draw(ranges.tiers));
    let num_pools = draw((1, 3));
    let query_types = query_types(num_types, ranges, &mut rng);
    let pools = Pools {
        name: (0..num_pools).map(|g| format!("pool-{g}")).collect(),
        max_gpus: (0..num_pools).map(|_| limit_or_none(&mut rng, 0.6, pool_gpus(ranges))).collect(),
    };
    let tiers = Tiers {
        name: (0..num_tiers).map(|k| format!("tier-{k}")).collect(),
        gpu_usd_per_h: (0..num_tiers)
            .map(|_| if rng.random_bool(0.05) { 0.0 } else { rng.random_range(0.3..3.0) })
            .collect(),
        pool: (0..num_tiers)
            .map(|_| if rng.random_bool(0.2) { NO_POOL } else { rng.random_range(0..num_pools as u32) })
            .collect(),
    };
    let mut configurations = configurations(num_models, num_tiers, ranges, &mut rng);
    add_points(&mut configurations, ranges, seed);
    let routes = routes(&query_types, &configurations, ranges, &mut rng);
    let data = ProblemData {
        name: format!("{family}-{num_types:02}-{num_models:02}-{num_tiers:02}-s{seed}"),
        horizon_h: 24.0,
        budget_usd: limit_or_none(&mut rng, 0.4, |rng| log_uniform(rng, ranges.budget_usd.0, ranges.budget_usd.1)),
        storage_gb: limit_or_none(&mut rng, 0.5, |rng| log_uniform(rng, ranges.storage_gb.0, ranges.storage_gb.1)),
        storage_usd_per_gb_h: [0.0, 0.0002, 0.005][rng.random_range(0..3)],
        max_utilization: [0.6, 0.8, 0.9, 1.0][rng.random_range(0..4)],
        latency_scope: if rng.random_bool(0.4) { LatencyScope::Average } else { LatencyScope::Route },
        pools,
        query_types,
        models: Models { name: (0..num_models).map(|j| format!("model-{j}")).collect() },
        tiers,
        configurations,
        routes,
    };
    Problem::new(data)
}

fn pool_gpus(ranges: &Ranges) -> impl Fn(&mut Pcg64Mcg) -> f64 {
    let (low, high) = ranges.pool_gpus;
    move |rng| f64::from(rng.random_range(low..=high))
}

fn limit_or_none(rng: &mut Pcg64Mcg, probability: f64, value: impl Fn(&mut Pcg64Mcg) -> f64) -> f64 {
    // Both draws are always made, so that one limit more or less leaves the rest of the problem as it is.
    let (limited, value) = (rng.random_bool(probability), value(rng));
    if limited {
        value
    } else {
        f64::INFINITY
    }
}

fn query_types(count: usize, ranges: &Ranges, rng: &mut Pcg64Mcg) -> QueryTypes {
    let mut q = QueryTypes::default();
    let choices = [vec![0.0], vec![0.05], vec![0.3], vec![1.0], vec![0.0, 0.05, 0.3, 1.0]];
    let max_unmet = &choices[rng.random_range(0..choices.len())];
    for i in 0..count {
        q.name.push(format!("type-{i}"));
        q.rate_per_h.push(log_uniform(rng, ranges.rate_per_h.0, ranges.rate_per_h.1));
        q.latency_slo_s.push(rng.random_range(2.0..25.0));
        q.error_slo.push(rng.random_range(0.05..0.25));
        q.latency_usd_per_s.push([0.0, 1e-6, 1e-4][rng.random_range(0..3)]);
        q.unmet_usd_per_query.push(if rng.random_bool(0.1) { 0.0 } else { rng.random_range(0.001..0.02) });
        q.max_unmet.push(max_unmet[rng.random_range(0..max_unmet.len())]);
        q.data_gb.push([0.0, 5.0][rng.random_range(0..2)]);
    }
    q
}

fn configurations(num_models: usize, num_tiers: usize, ranges: &Ranges, rng: &mut Pcg64Mcg) -> Configurations {
    let mut c = Configurations::default();
    let weights_gb: Vec<f64> = (0..num_models).map(|_| log_uniform(rng, 1.0, 80.0)).collect();
    for (j, &weights_gb) in weights_gb.iter().enumerate() {
        for k in 0..num_tiers {
            for &tp in ranges.tensor_parallel {
                if c.model.len() == ranges.max_configurations || (tp > 1 && !rng.random_bool(0.5)) {
                    continue;
                }
                c.model.push(j as u32);
                c.tier.push(k as u32);
                c.tp.push(tp);
                c.pp.push(if rng.random_bool(0.15) { 2 } else { 1 });
                c.weights_gb.push(weights_gb);
                c.kv_cache_gb.push(rng.random_range(2.0..80.0) * f64::from(tp));
                c.max_replicas.push(ranges.max_replicas[rng.random_range(0..ranges.max_replicas.len())]);
                c.max_num_seqs.push(0);
            }
        }
    }
    c
}

/// Gives the configurations of about half of the problems operating points: a utilization of their own, least replicas, other points
/// of the same replicas, and now and then a pair of their own. A stream of its own leaves the rest of the problem as it is.
fn add_points(c: &mut Configurations, ranges: &Ranges, seed: u64) {
    let mut rng = Pcg64Mcg::seed_from_u64(seed ^ 0x9019_7500_0000_0000);
    let has_points = rng.random_bool(0.5);
    for a in 0..c.model.len() {
        c.max_utilization.push(0.0);
        c.min_replicas.push(1);
        c.pair.push(NO_PAIR);
        if has_points && rng.random_bool(0.6) {
            c.max_utilization[a] = [0.3, 0.55, 0.8, 1.0][rng.random_range(0..4)];
            c.min_replicas[a] = rng.random_range(1..=c.max_replicas[a].min(MOST_LEAST));
        }
        if has_points && rng.random_bool(0.1) {
            c.pair[a] = rng.random_range(0..3);
        }
    }
    let (mut a, first) = (0, c.model.len());
    while has_points && a < first && c.model.len() < ranges.max_configurations.min(2 * first) {
        if rng.random_bool(0.5) {
            for column in
                [&mut c.model, &mut c.tier, &mut c.tp, &mut c.pp, &mut c.max_replicas, &mut c.max_num_seqs, &mut c.pair]
            {
                column.push(column[a]);
            }
            for column in [&mut c.weights_gb, &mut c.kv_cache_gb] {
                column.push(column[a]);
            }
            c.max_utilization.push([0.3, 0.55, 0.8, 1.0][rng.random_range(0..4)]);
            c.min_replicas.push(rng.random_range(1..=c.max_replicas[a].min(MOST_LEAST)));
        }
        a += 1;
    }
}

fn routes(q: &QueryTypes, c: &Configurations, ranges: &Ranges, rng: &mut Pcg64Mcg) -> Routes {
    let mut routes = Routes::default();
    for a in 0..c.model.len() {
        for i in 0..q.name.len() {
            if !rng.random_bool(ranges.route) {
                continue;
            }
            routes.query_type.push(i as u32);
            routes.configuration.push(a as u32);
            routes.busy_s.push(if rng.random_bool(0.01) { 0.0 } else { log_uniform(rng, 0.1, 4.0) });
            routes.kv_gb_s.push(if rng.random_bool(0.01) { 0.0 } else { log_uniform(rng, 0.05, 8.0) });
            // About a quarter misses the latency SLO and another quarter the error SLO.
            routes.latency_s.push(q.latency_slo_s[i] * rng.random_range(0.1..1.35));
            routes.error.push(q.error_slo[i] * rng.random_range(0.2..1.3));
        }
    }
    routes
}
