//! Prices of the constraints that couple the (model, tier) pairs.

use super::cut::Cut;
use crate::pricing::{blend, mix};
use crate::{LatencyScope, Problem, NO_POOL};

/// A price, in USD over the horizon, for one unit of each coupling constraint. All are at least 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    /// For serving (or counting as unserved) the whole of a query type.
    pub supply: Vec<f64>,
    /// For one unit of `Σ (e - ε)·x` of a query type.
    pub error: Vec<f64>,
    /// For one second of `Σ (D - Δ)·x` of a query type; all 0 unless the latency scope is the average.
    pub latency: Vec<f64>,
    /// For one dollar of budget.
    pub budget: f64,
    /// For one GB of storage.
    pub storage: f64,
    /// For one GPU of a pool.
    pub pool: Vec<f64>,
    /// For one unit of each cut; those that are not here have none.
    pub(crate) cuts: Vec<(Cut, f64)>,
}

impl Prices {
    /// All prices 0.
    pub fn zero(problem: &Problem) -> Self {
        let num_types = problem.num_query_types();
        Self {
            supply: vec![0.0; num_types],
            error: vec![0.0; num_types],
            latency: vec![0.0; num_types],
            budget: 0.0,
            storage: 0.0,
            pool: vec![0.0; problem.num_pools()],
            cuts: Vec::new(),
        }
    }

    /// Prices that a search begins with. Those of single types are nearly the best at fleet scale, where the first evaluations are
    /// all that there is time for; on smaller problems trees over the cheaper guess prove sooner (`benches/certificates.py`).
    pub fn first_guess(problem: &Problem) -> Self {
        if problem.has_many_routes() {
            Self::from_single_types(problem)
        } else {
            Self::from_cheapest_routes(problem)
        }
    }

    /// Full shares of rental for the cheapest route of each query type, whatever its SLOs.
    pub fn from_cheapest_routes(problem: &Problem) -> Self {
        let table = problem.route_table();
        let mut prices = Self::zero(problem);
        for i in 0..problem.num_query_types() {
            let cost = |&route: &u32| {
                let route = route as usize;
                let a = table.configuration[route] as usize;
                match problem.replica_limit(a) {
                    0 => f64::INFINITY,
                    _ => table.latency_usd[route] + table.load(route) * problem.replica_usd(a),
                }
            };
            let served = table.of_query_type(i).iter().map(cost).fold(f64::INFINITY, f64::min);
            // A type that may go unserved altogether is never worth more than that costs.
            let unserved = problem.unmet_usd(i) - problem.data_usd(i);
            let cap = if problem.query_types.max_unmet[i] >= 1.0 { unserved.max(0.0) } else { f64::INFINITY };
            let price = served.min(cap);
            prices.supply[i] = if price.is_finite() { price } else { 0.0 };
        }
        prices
    }

    /// `self·(1 - weight) + other·weight`, written into `into`.
    pub(crate) fn blend(&self, other: &Self, weight: f64, into: &mut Self) {
        let columns = |into: &mut Vec<f64>, other: &[f64], own: &[f64]| {
            into.copy_from_slice(other);
            blend(into, own, weight);
        };
        columns(&mut into.supply, &other.supply, &self.supply);
        columns(&mut into.error, &other.error, &self.error);
        columns(&mut into.latency, &other.latency, &self.latency);
        columns(&mut into.pool, &other.pool, &self.pool);
        into.cuts.clear();
        for (cuts, share) in [(&self.cuts, 1.0 - weight), (&other.cuts, weight)] {
            for (cut, price) in cuts {
                match into.cuts.iter_mut().find(|known| known.0 == *cut) {
                    Some(known) => known.1 += share * price,
                    None if share > 0.0 => into.cuts.push((cut.clone(), share * price)),
                    None => {}
                }
            }
        }
        into.budget = mix(other.budget, self.budget, weight);
        into.storage = mix(other.storage, self.storage, weight);
    }

    /// Makes any numbers valid prices for `problem`: not finite or negative ones become 0, as do the prices of limits
    /// that there are not. Columns of the wrong length are cut or filled with 0.
    pub fn sanitize(&mut self, problem: &Problem) {
        let clean = |value: &mut f64| {
            if !value.is_finite() || *value < 0.0 {
                *value = 0.0;
            }
        };
        for column in [&mut self.supply, &mut self.error, &mut self.latency] {
            column.resize(problem.num_query_types(), 0.0);
            column.iter_mut().for_each(clean);
        }
        self.pool.resize(problem.num_pools(), 0.0);
        self.pool.iter_mut().for_each(clean);
        clean(&mut self.budget);
        clean(&mut self.storage);
        if problem.latency_scope == LatencyScope::Route {
            self.latency.fill(0.0);
        }
        if !problem.budget_usd.is_finite() {
            self.budget = 0.0;
        }
        if !problem.storage_gb.is_finite() {
            self.storage = 0.0;
        }
        for (price, limit) in self.pool.iter_mut().zip(&problem.pools.max_gpus) {
            if !limit.is_finite() {
                *price = 0.0;
            }
        }
    }

    /// Price of what a replica of configuration `a` takes of cuts.
    pub(crate) fn of_replica(&self, problem: &Problem, a: usize) -> f64 {
        self.cuts.iter().map(|(cut, price)| price * cut.of_replica(problem, a)).sum()
    }

    /// Price of what a deployment of configuration `a` takes of cuts.
    pub(crate) fn of_deployment(&self, problem: &Problem, a: usize) -> f64 {
        self.cuts.iter().map(|(cut, price)| price * cut.of_deployment(problem, a)).sum()
    }

    /// Price of what query type `i` unserved takes of cuts.
    pub(crate) fn of_unserved(&self, i: usize) -> f64 {
        self.cuts.iter().map(|(cut, price)| price * cut.of_unserved(i)).sum()
    }

    /// Price of the pool of configuration `a`; 0 where it has none.
    pub(crate) fn of_pool(&self, problem: &Problem, a: usize) -> f64 {
        match problem.pool(a) {
            NO_POOL => 0.0,
            pool => self.pool[pool as usize],
        }
    }
}
