//! The price of shortage: what keeps the routing program feasible.

use super::{RoutingProgram, SHORTAGE_TOLERANCE};
use crate::Problem;

impl RoutingProgram {
    /// Multiplies the price of shortage of every query type that has some, up to `most_usd(i)` for the whole type, and keeps the
    /// deployments. False where none rises.
    pub(crate) fn raise_shortage_prices(
        &mut self,
        problem: &Problem,
        factor: f64,
        most_usd: impl Fn(usize) -> f64,
    ) -> bool {
        let mut rises = false;
        for i in 0..self.num_types {
            let raised_usd = (factor * self.shortage_usd[i]).min(most_usd(i));
            if self.shortage(i) > SHORTAGE_TOLERANCE && raised_usd > self.shortage_usd[i] {
                self.shortage_usd[i] = raised_usd;
                rises = true;
            }
        }
        self.set_unserved_columns(problem);
        rises
    }

    /// Prices shortage of query type `i` at no less than `least_usd(i)` for the whole type.
    pub(crate) fn price_shortage(&mut self, problem: &Problem, least_usd: impl Fn(usize) -> f64) {
        for i in 0..self.num_types {
            self.shortage_usd[i] = self.shortage_usd[i].max(least_usd(i));
        }
        self.set_unserved_columns(problem);
    }
}

/// First price of shortage per query type, USD for the whole type: a few times what serving it alone would cost.
///
/// Much higher prices would hide the differences between deployments; where this one is too low it is raised.
pub(super) fn shortage_usd(problem: &Problem) -> Vec<f64> {
    let table = problem.route_table();
    let serve_usd = |&route: &u32| {
        let (route, a) = (route as usize, table.configuration[route as usize] as usize);
        let load = table.load(route);
        problem.replica_usd(a) * load.ceil().max(f64::from(problem.min_replicas(a)))
            + problem.weights_usd(a)
            + table.latency_usd[route]
    };
    (0..problem.num_query_types())
        .map(|i| {
            let cheapest = table.of_query_type(i).iter().map(serve_usd).fold(f64::INFINITY, f64::min);
            let own = if cheapest.is_finite() { 3.0 * cheapest } else { 0.0 };
            let optional = if problem.query_types.max_unmet[i] < 1.0 { 0.0 } else { 2.0 * problem.unmet_usd(i) };
            own.max(optional) + problem.data_usd(i) + 1e-6
        })
        .collect()
}
