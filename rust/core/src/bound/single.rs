//! Prices of query types that are served each on its own by parts of replicas: at once a bound, which many types come near to
//! since they fill whole replicas together.
//!
//! Over parts of replicas a route costs its load's rental and its latency, and the cheapest mixture of routes that keeps the mean
//! SLOs is a linear program with one row for each of them. Its duals are the largest prices at which no route is worth more
//! than it costs. One dual is found exactly, between a route that exceeds the SLO and one that does not; where error
//! and latency have one each, in turns.

use super::prices::Prices;
use crate::{LatencyScope, Problem};

/// Turns in which error and latency are priced.
const TURNS: usize = 3;
/// Steps of one search for a price, far more than it takes.
const MAX_STEPS: usize = 200;
/// What of a step's gain is rounding.
const ROUNDING: f64 = 1e-12;

/// A route as a part of replicas.
#[derive(Clone, Copy)]
struct Line {
    usd: f64,
    error: f64,
    latency: f64,
}

impl Prices {
    /// The largest prices of serving each query type on its own by parts of replicas.
    pub(crate) fn from_single_types(problem: &Problem) -> Self {
        let table = problem.route_table();
        let mut prices = Self::zero(problem);
        let mut lines: Vec<Line> = Vec::new();
        for i in 0..problem.num_query_types() {
            lines.clear();
            for &route in table.of_query_type(i) {
                let (route, a) = (route as usize, table.configuration[route as usize] as usize);
                if problem.replica_limit(a) > 0 {
                    let usd = table.latency_usd[route] + table.load(route) * problem.replica_usd(a);
                    let latency = table.latency_excess[route];
                    lines.push(Line { usd, error: table.error_excess[route], latency });
                }
            }
            let unserved_usd = match problem.query_types.max_unmet[i] >= 1.0 {
                true => (problem.unmet_usd(i) - problem.data_usd(i)).max(0.0),
                false => f64::INFINITY,
            };
            let (mut error, mut latency) = (0.0, 0.0);
            if problem.latency_scope == LatencyScope::Average {
                for _ in 0..TURNS {
                    error = best_price(&lines, |line| (line.usd + latency * line.latency, line.error));
                    latency = best_price(&lines, |line| (line.usd + error * line.error, line.latency));
                }
            } else {
                error = best_price(&lines, |line| (line.usd, line.error));
            }
            let cost = |line: &Line| line.usd + error * line.error + latency * line.latency;
            let served_usd = lines.iter().map(cost).fold(f64::INFINITY, f64::min);
            let usd = served_usd.min(unserved_usd).max(0.0);
            if usd.is_finite() {
                (prices.supply[i], prices.error[i], prices.latency[i]) = (usd, error, latency);
            }
        }
        prices
    }
}

/// The price `p` at which the least of `usd + p·excess` over all lines is largest; 0 where it has no largest value.
fn best_price(lines: &[Line], parts: impl Fn(&Line) -> (f64, f64)) -> f64 {
    let least = |price: f64| {
        let key = |line: &Line| {
            let (usd, excess) = parts(line);
            (usd + price * excess, usd, excess)
        };
        lines.iter().map(key).min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let Some((_, mut usd, mut excess)) = least(0.0) else { return 0.0 };
    // The cheapest route that keeps the SLO.
    let keeps = lines.iter().map(&parts).filter(|part| part.1 < 0.0).min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((mut low_usd, mut low_excess)) = keeps else { return 0.0 };
    if excess <= 0.0 {
        return 0.0;
    }
    let mut price = 0.0;
    for _ in 0..MAX_STEPS {
        price = (low_usd - usd) / (excess - low_excess);
        let meet_usd = usd + price * excess;
        let Some((value, new_usd, new_excess)) = least(price) else { break };
        if value >= meet_usd - ROUNDING * meet_usd.abs() {
            break;
        }
        match new_excess > 0.0 {
            true => (usd, excess) = (new_usd, new_excess),
            false => (low_usd, low_excess) = (new_usd, new_excess),
        }
    }
    price.max(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bound::bound_at;
    use crate::{generate, solve, CancelToken, Method, SolveParams};

    proptest! {
        #[test]
        fn the_best_price_is_no_worse_than_any_other(
            lines in prop::collection::vec((0.1..10.0_f64, -1.0..1.0_f64), 1..12),
            others in prop::collection::vec(0.0..50.0_f64, 20),
        ) {
            let lines: Vec<Line> =
                lines.into_iter().map(|(usd, error)| Line { usd, error, latency: 0.0 }).collect();
            let least = |price: f64| lines.iter().map(|l| l.usd + price * l.error).fold(f64::INFINITY, f64::min);
            let best = best_price(&lines, |line| (line.usd, line.error));
            if lines.iter().any(|line| line.error < 0.0) {
                for other in others {
                    prop_assert!(least(best) >= least(other) - 1e-9);
                }
            } else {
                prop_assert_eq!(best, 0.0);
            }
        }

        #[test]
        fn they_prove_nothing_wrong(seed in any::<u64>()) {
            let problem = generate::small(seed).expect("a valid problem");
            let plan = solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).expect("no internal error");
            if let Some(value) = plan.objective_value {
                prop_assert!(bound_at(&problem, &Prices::from_single_types(&problem)) <= value * (1.0 + 1e-9));
            }
        }
    }

    #[test]
    fn many_types_are_proven_at_once_to_a_few_per_cent() {
        for family in [generate::Family::Plain, generate::Family::Average] {
            let problem =
                generate::physical(generate::Size::new(20, 10, 10), 10.0, family, 1).expect("a valid problem");
            let plan = solve(&problem, Method::Agh, &SolveParams::default(), None, &CancelToken::new())
                .expect("no internal error");
            let value = plan.objective_value.expect("a plan");
            let bound = bound_at(&problem, &Prices::from_single_types(&problem));
            assert!(bound > 0.93 * value, "{bound} of {value}");
        }
    }
}
