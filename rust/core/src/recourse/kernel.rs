//! The configurations that come into question.

use crate::stress::Inflation;
use crate::{Deployment, Problem};

/// Configurations at most: so many per query type, and in all, beside those of the starts.
const PER_TYPE: usize = 12;
const IN_ALL: usize = 120;

/// The configurations that are worth most for their rental, in all and per query type.
///
/// A route is worth the price of the queries that one replica can serve, times the chance that it still meets its SLOs where its
/// factors are uniform.
#[derive(Debug)]
pub(super) struct Kernel {
    /// By rising index.
    pub(super) configurations: Vec<u32>,
    /// Replicas of each that carry the query type which is worth most on it.
    pub(super) enough: Vec<u32>,
}

/// A route's configuration, what it is worth per USD of rental, and the replicas that its whole query type takes.
struct RouteValue {
    configuration: u32,
    value_per_usd: f64,
    needed: f64,
}

impl Kernel {
    pub(super) fn new(problem: &Problem, inflation: Inflation, starts: &[Vec<Deployment>]) -> Self {
        let num_configurations = problem.num_configurations();
        let mut by_type: Vec<Vec<RouteValue>> = (0..problem.num_query_types()).map(|_| Vec::new()).collect();
        let mut total = vec![0.0; num_configurations];
        let mut best: Vec<(f64, f64)> = vec![(-1.0, 0.0); num_configurations];
        let (routes, types) = (&problem.routes, &problem.query_types);
        for route in 0..problem.num_routes() {
            let (i, a) = (routes.query_type[route] as usize, routes.configuration[route] as usize);
            let chance = chance(types.latency_slo_s[i], routes.latency_s[route], inflation.latency)
                * chance(types.error_slo[i], routes.error[route], inflation.error);
            let load = types.rate_per_h[i] / 3600.0 * routes.busy_s[route] / problem.max_utilization_of(a);
            let value_usd = problem.unmet_usd(i) * (1.0 / load.max(1e-12)).min(1.0) * chance;
            let value_per_usd = value_usd / problem.replica_usd(a).max(1e-9);
            let needed = (load * (1.0 + inflation.latency) / 2.0).ceil().max(f64::from(problem.min_replicas(a)));
            total[a] += value_per_usd;
            if value_per_usd >= best[a].0 {
                best[a] = (value_per_usd, needed);
            }
            if value_per_usd > 0.0 && problem.replica_limit(a) > 0 {
                by_type[i].push(RouteValue { configuration: a as u32, value_per_usd, needed });
            }
        }
        let mut is_chosen = vec![false; num_configurations];
        for start in starts.iter().flatten() {
            is_chosen[start.configuration as usize] = true;
        }
        let mut count = is_chosen.iter().filter(|&&chosen| chosen).count();
        let in_all = count + IN_ALL;
        let mut choose = |a: u32, count: &mut usize| {
            let chosen = &mut is_chosen[a as usize];
            *count += usize::from(!*chosen);
            *chosen = true;
        };
        for own in &mut by_type {
            let order = |x: &RouteValue, y: &RouteValue| {
                y.value_per_usd
                    .total_cmp(&x.value_per_usd)
                    .then(x.needed.total_cmp(&y.needed))
                    .then(x.configuration.cmp(&y.configuration))
            };
            own.sort_unstable_by(order);
            own.iter().take(PER_TYPE).for_each(|one| choose(one.configuration, &mut count));
        }
        let mut by_total: Vec<u32> = (0..num_configurations as u32).collect();
        by_total.retain(|&a| total[a as usize] > 0.0 && problem.replica_limit(a as usize) > 0);
        by_total.sort_by(|&x, &y| total[y as usize].total_cmp(&total[x as usize]));
        for a in by_total {
            if count >= in_all {
                break;
            }
            choose(a, &mut count);
        }
        let configurations: Vec<u32> = (0..num_configurations as u32).filter(|&a| is_chosen[a as usize]).collect();
        let enough =
            |&a: &u32| best[a as usize].1.clamp(1.0, f64::from(problem.replica_limit(a as usize).max(1))) as u32;
        Self { enough: configurations.iter().map(enough).collect(), configurations }
    }
}

/// The chance that `value` times a factor uniform in `[1, factor]` keeps `limit`.
fn chance(limit: f64, value: f64, factor: f64) -> f64 {
    let ratio = if value > 0.0 { limit / value } else { f64::INFINITY };
    if factor > 1.0 {
        ((ratio - 1.0) / (factor - 1.0)).clamp(0.0, 1.0)
    } else {
        f64::from(u8::from(ratio >= 1.0))
    }
}
