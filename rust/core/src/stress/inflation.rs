//! How much worse figures may be than planned, and the factors of each scenario.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::splitmix::random;
use crate::{Error, ProblemData, Result};

/// The largest factor by which each kind of parameter may be worse than planned; 1 where it is known exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inflation {
    /// Of the latency and the busy time of a route, by the same factor.
    pub latency: f64,
    /// Of the error rate of a route.
    pub error: f64,
    /// Of the arrival rate of a query type.
    pub demand: f64,
}

impl Inflation {
    /// Latency, busy time and error up to `factor`, demand as planned: stage 2 of the formulation.
    pub const fn uniform(factor: f64) -> Self {
        Self { latency: factor, error: factor, demand: 1.0 }
    }

    /// Checks that every factor is at least 1.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the factor that is not.
    pub fn validate(&self) -> Result<()> {
        for (name, factor) in [("latency", self.latency), ("error", self.error), ("demand", self.demand)] {
            if !(1.0..=1e6).contains(&factor) {
                let message = format!("must lie between 1 and 1e6, got {factor}");
                return Err(Error::invalid(format!("inflation.{name}"), message));
            }
        }
        Ok(())
    }
}

/// Multiplies the parameters by the factors of scenario `number`; `source` tells each route's place among `num_routes`.
pub(super) fn inflate(
    data: &mut ProblemData,
    source: &[u32],
    num_routes: usize,
    inflation: Inflation,
    seed: u64,
    number: u32,
) {
    let Inflation { latency, error, demand } = inflation;
    for (index, &route) in source.iter().enumerate() {
        let mut rng = stream(seed, number, u64::from(route));
        let slower = rng.random_range(1.0..=latency);
        data.routes.busy_s[index] *= slower;
        data.routes.latency_s[index] *= slower;
        data.routes.error[index] *= rng.random_range(1.0..=error);
    }
    if demand > 1.0 {
        for (i, rate) in data.query_types.rate_per_h.iter_mut().enumerate() {
            *rate *= stream(seed, number, (num_routes + i) as u64).random_range(1.0..=demand);
        }
    }
}

/// The random numbers of one entry in one scenario.
fn stream(seed: u64, scenario: u32, entry: u64) -> Pcg64Mcg {
    let first = |start: u64| random(start, 0);
    let key = first(first(seed).wrapping_add(u64::from(scenario))).wrapping_add(entry);
    Pcg64Mcg::seed_from_u64(first(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{physical, Family, Size};
    use crate::stress::StressParams;

    #[test]
    fn factors_lie_in_their_ranges_and_belong_to_the_route_whatever_else_is_deployed() {
        let problem = physical(Size::new(3, 3, 4), 1.0, Family::Plain, 2).unwrap();
        let inflation = Inflation { latency: 1.5, error: 1.2, demand: 1.3 };
        let params = StressParams { inflation, ..StressParams::default() };
        let every: Vec<u32> = (0..problem.num_routes() as u32).collect();
        let mut whole = problem.data().clone();
        inflate(&mut whole, &every, problem.num_routes(), inflation, params.seed, 7);
        let given = &problem.routes;
        for route in 0..problem.num_routes() {
            let slower = whole.routes.latency_s[route] / given.latency_s[route];
            assert!((1.0..=1.5 + 1e-12).contains(&slower));
            assert!((whole.routes.busy_s[route] / given.busy_s[route] - slower).abs() < 1e-12);
            assert!((1.0..=1.2 + 1e-12).contains(&(whole.routes.error[route] / given.error[route])));
        }
        let more = |i: usize| whole.query_types.rate_per_h[i] / problem.query_types.rate_per_h[i];
        assert!((0..3).all(|i| (1.0..=1.3 + 1e-12).contains(&more(i))) && more(0) != more(1));
        let last = problem.num_routes() - 1;
        let mut part = problem.data().clone();
        part.routes.latency_s = vec![given.latency_s[last]];
        part.routes.busy_s = vec![given.busy_s[last]];
        part.routes.error = vec![given.error[last]];
        inflate(&mut part, &[last as u32], problem.num_routes(), inflation, params.seed, 7);
        assert_eq!(part.routes.latency_s[0], whole.routes.latency_s[last]);
        assert_eq!(part.routes.error[0], whole.routes.error[last]);
    }
}
