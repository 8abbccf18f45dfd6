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
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LimitPrices {
    /// USD per USD of rental and weights storage.
    pub(crate) budget: f64,
    /// USD per GB of weights.
    pub(crate) storage: f64,
    /// USD per GPU of every pool.
    pub(crate) pool: Vec<f64>,
}

impl LimitPrices {
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
}
