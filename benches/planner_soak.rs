//! A million random replans: no memory growth, no violation on samples, no error.
//!
//! `cargo bench -p servemix-core --bench planner_soak [-- 1000000]`
//!
//! Rates walk at random, with jumps, zeros and ×1000; now and then prices, pools and losses change, too. Every 200th call is
//! a full one. Plans that claim to be feasible are checked every 997 calls, and resident memory is printed ten times.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use servemix_core::generate::{physical, Family, Size};
use servemix_core::{check, Planner, PlannerParams, Problem, Status, Update};

/// Resident memory, MiB; NaN where the system does not tell.
fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
    pages.map_or(f64::NAN, |pages| pages * 4096.0 / (1024.0 * 1024.0))
}

fn main() {
    let calls: usize = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1_000_000);
    for family in [Family::Plain, Family::Pools] {
        soak(physical(Size::new(6, 6, 10), 10.0, family, 5).unwrap(), calls / 2);
    }
}

fn soak(problem: Problem, calls: usize) {
    println!("{}", problem.name);
    let first = problem.query_types.rate_per_h.clone();
    let (prices, pools) = (problem.tiers.gpu_usd_per_h.clone(), problem.pools.max_gpus.clone());
    let mut planner = Planner::new(problem, None, PlannerParams::default()).unwrap();
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut factor = vec![1.0_f64; first.len()];
    let (mut degraded, mut checked, mut violations, mut refused) = (0_usize, 0_usize, 0_usize, 0_usize);
    let start = Instant::now();
    println!(
        "{:>9} {:>8} {:>10} {:>9} {:>9} {:>11} {:>8}",
        "calls", "s", "memory MiB", "degraded", "checked", "violations", "refused"
    );
    for call in 1..=calls {
        for value in &mut factor {
            *value = (*value * (1.0 + 0.05 * (rng.random::<f64>() - 0.5))).clamp(0.2, 5.0);
        }
        let mut rates: Vec<f64> = first.iter().zip(&factor).map(|(rate, by)| rate * by).collect();
        match rng.random_range(0..1000) {
            0 => rates.fill(0.0),
            1 => rates.iter_mut().for_each(|rate| *rate *= 1000.0),
            2 => rates[0] = f64::NAN,
            _ => {}
        }
        let mut update = Update { rates: Some(&rates), ..Update::default() };
        let new_prices: Vec<f64> = prices.iter().map(|usd| usd * rng.random_range(0.5..1.5)).collect();
        let new_pools: Vec<f64> = pools.iter().map(|gpus| (gpus * rng.random_range(0.0..1.5)).floor()).collect();
        let lost: Vec<u32> =
            planner.plan().deployments.iter().map(|entry| rng.random_range(0..=entry.replicas)).collect();
        match rng.random_range(0..2000) {
            0 => update.prices = Some(&new_prices),
            1 => update.pools = Some(&new_pools),
            2 => update.failed = Some(&lost),
            3 => update = Update { prices: Some(&prices), pools: Some(&pools), ..update },
            _ => {}
        }
        let next = if call % 200 == 0 { planner.replan(&update) } else { planner.reroute(&update) };
        match next {
            Ok(plan) => degraded += usize::from(plan.status == Status::Degraded),
            // The rate that is not a number, and nothing else.
            Err(error) => {
                assert!(rates[0].is_nan(), "{error}");
                refused += 1;
            }
        }
        if call % 997 == 0 && planner.plan().status == Status::Feasible {
            let plan = planner.plan().clone();
            checked += 1;
            violations += check(planner.problem(), &plan).unwrap().violations.len();
        }
        if call % calls.div_ceil(5) == 0 || call == calls {
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{call:>9} {seconds:>8.1} {:>10.1} {degraded:>9} {checked:>9} {violations:>11} {refused:>8}",
                resident_mib()
            );
        }
    }
}
