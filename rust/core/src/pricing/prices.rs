//! Prices of serving query types and of the limits that deployments share.

use crate::{Problem, RouteTable, NO_POOL};

/// Prices that the routing program puts on serving a query type; what a new deployment would be worth follows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RoutingPrices {
    /// USD for serving the whole of a query type.
    pub(crate) supply: Vec<f64>,
    /// USD per unit of error excess, at least 0; see [`crate::RouteTable::error_excess`].
    pub(crate) error: Vec<f64>,
    /// USD per second of latency excess, at least 0; all 0 under [`crate::LatencyScope::Route`].
    pub(crate) latency: Vec<f64>,
}

impl RoutingPrices {
    /// Moves to `proposed`, except for the share `kept` that stays.
    pub(crate) fn blend(&mut self, proposed: &Self, kept: f64) {
        blend(&mut self.supply, &proposed.supply, kept);
        blend(&mut self.error, &proposed.error, kept);
        blend(&mut self.latency, &proposed.latency, kept);
    }

    /// The routes of configuration `a`, each with what serving the whole type over it is worth, USD, capacity not counted.
    #[inline]
    pub(crate) fn profits<'t>(&'t self, table: &'t RouteTable, a: usize) -> impl Iterator<Item = (usize, f64)> + 't {
        let routes = table.of_configuration(a);
        let types = table.query_type[routes.clone()].iter();
        let costs_usd = table.latency_usd[routes.clone()].iter();
        let excesses = table.error_excess[routes.clone()].iter().zip(&table.latency_excess[routes.clone()]);
        routes.zip(types).zip(costs_usd).zip(excesses).map(move |(((route, &i), cost_usd), (error, latency))| {
            let i = i as usize;
            (route, self.supply[i] - cost_usd - self.error[i] * error - self.latency[i] * latency)
        })
    }
}

/// Prices of the limits that deployments share. They steer the choice of what to put in; they are no part of any cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LimitPrices {
    /// USD per USD of rental and weights storage.
    pub(crate) budget: f64,
    /// USD per GB of weights.
    pub(crate) storage: f64,
    /// USD per GPU of every pool.
    pub(crate) pool: Vec<f64>,
}

/// What lies between a price and the one that is proposed, nearer to the first by the share `kept`.
#[inline]
pub(crate) fn mix(price: f64, proposed: f64, kept: f64) -> f64 {
    kept * price + (1.0 - kept) * proposed
}

/// Moves `prices` to `proposed`, except for the share `kept` that stays.
pub(crate) fn blend(prices: &mut [f64], proposed: &[f64], kept: f64) {
    prices.iter_mut().zip(proposed).for_each(|(price, &proposed)| *price = mix(*price, proposed, kept));
}

impl LimitPrices {
    /// Moves to `proposed`, except for the share `kept` that stays.
    pub(crate) fn blend(&mut self, proposed: &Self, kept: f64) {
        self.budget = mix(self.budget, proposed.budget, kept);
        self.storage = mix(self.storage, proposed.storage, kept);
        blend(&mut self.pool, &proposed.pool, kept);
    }

    /// Every limit free of charge.
    pub(crate) fn zero(problem: &Problem) -> Self {
        Self { budget: 0.0, storage: 0.0, pool: vec![0.0; problem.num_pools()] }
    }

    /// Price of the limits that one replica takes, USD.
    #[inline]
    pub(crate) fn replica_usd(&self, problem: &Problem, a: usize) -> f64 {
        let pool = match problem.pool(a) {
            NO_POOL => 0.0,
            pool => self.pool[pool as usize] * problem.gpus_per_replica(a),
        };
        self.budget * problem.replica_usd(a) + pool
    }

    /// Price of the limits that a configuration's weights take, USD.
    #[inline]
    pub(crate) fn weights_usd(&self, problem: &Problem, a: usize) -> f64 {
        self.budget * problem.weights_usd(a) + self.storage * problem.configurations.weights_gb[a]
    }

    /// Rental of one replica with the price of the limits that it takes, USD.
    #[inline]
    pub(crate) fn priced_replica_usd(&self, problem: &Problem, a: usize) -> f64 {
        problem.replica_usd(a) + self.replica_usd(problem, a)
    }

    /// Storage of a configuration's weights with the price of the limits that they take, USD.
    #[inline]
    pub(crate) fn priced_weights_usd(&self, problem: &Problem, a: usize) -> f64 {
        problem.weights_usd(a) + self.weights_usd(problem, a)
    }
}
