//! Immutable, validated problem data in columns, and the coefficients of the formulation derived from it once.

mod data;
mod routes;
mod update;
mod validate;

use std::collections::HashMap;
use std::ops::Deref;

pub use data::{Configurations, LatencyScope, Models, Pools, ProblemData, QueryTypes, Routes, Tiers, NO_PAIR, NO_POOL};
pub use routes::RouteTable;
pub(crate) use routes::LEAST_SHARE;
use routes::{latency_usd, route_table};
use validate::validate;

use crate::Result;

/// Relative tolerance of every constraint.
pub const FEASIBILITY_TOLERANCE: f64 = 1e-6;

/// What the tolerance of an error SLO is relative to: the SLO, but at least 0.01.
pub(crate) fn error_scale(error_slo: f64) -> f64 {
    error_slo.max(0.01)
}

/// Most replicas of one configuration, in problems and plans: any sum of counts fits its integer with room to spare.
pub const MAX_REPLICAS: u32 = 1_000_000;

/// Usable routes from which a problem is large.
const MANY_ROUTES: usize = 300_000;

/// The range of numbers that data may hold beside 0, limits without an upper end: products of a few such numbers stay finite
/// and above 0, and linear programs of them can be scaled. A rate below it counts as 0.
pub(crate) const SMALLEST_NUMBER: f64 = 1e-18;
pub(crate) const LARGEST_NUMBER: f64 = 1e18;

/// A validated, immutable problem: the data as given (by [`Deref`]) and the coefficients derived from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    data: ProblemData,
    routes: RouteTable,
    /// Pair (model, tier) of each configuration, as an index.
    pair: Vec<u32>,
    pair_start: Vec<u32>,
    pair_configurations: Vec<u32>,
    gpus_per_replica: Vec<f64>,
    replica_usd: Vec<f64>,
    weights_usd: Vec<f64>,
    pool: Vec<u32>,
    replica_limit: Vec<u32>,
    unmet_usd: Vec<f64>,
    data_usd: Vec<f64>,
}

/// A rate that has died away is 0.
fn rate_that_counts(rate_per_h: f64) -> f64 {
    if rate_per_h < SMALLEST_NUMBER {
        0.0
    } else {
        rate_per_h
    }
}

impl Deref for Problem {
    type Target = ProblemData;

    fn deref(&self) -> &ProblemData {
        &self.data
    }
}

impl Problem {
    /// Validates `data` and derives the coefficients of the formulation.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] names the first entry that is out of range, not finite, negative, duplicate or of the
    /// wrong length.
    pub fn new(mut data: ProblemData) -> Result<Self> {
        data.configurations.fill_in();
        validate(&data)?;
        data.query_types.rate_per_h.iter_mut().for_each(|rate| *rate = rate_that_counts(*rate));
        let c = &data.configurations;
        let num_configurations = c.model.len();
        let mut problem = Self {
            routes: route_table(&data),
            pair: Vec::new(),
            pair_start: Vec::new(),
            pair_configurations: Vec::new(),
            gpus_per_replica: (0..num_configurations).map(|a| f64::from(c.tp[a]) * f64::from(c.pp[a])).collect(),
            replica_usd: Vec::new(),
            weights_usd: c.weights_gb.iter().map(|gb| data.horizon_h * data.storage_usd_per_gb_h * gb).collect(),
            pool: c.tier.iter().map(|&tier| data.tiers.pool[tier as usize]).collect(),
            replica_limit: Vec::new(),
            unmet_usd: data
                .query_types
                .rate_per_h
                .iter()
                .zip(&data.query_types.unmet_usd_per_query)
                .map(|(rate, usd)| data.horizon_h * rate * usd)
                .collect(),
            data_usd: data
                .query_types
                .data_gb
                .iter()
                .map(|gb| data.horizon_h * data.storage_usd_per_gb_h * gb)
                .collect(),
            data,
        };
        problem.derive_configurations();
        Ok(problem)
    }

    fn derive_configurations(&mut self) {
        let data = &self.data;
        let c = &data.configurations;
        let num_configurations = c.model.len();
        let mut ids: HashMap<(u32, u32, u32), u32> = HashMap::new();
        let mut members: Vec<Vec<u32>> = Vec::new();
        for a in 0..num_configurations {
            let key = match c.pair[a] {
                NO_PAIR => (c.model[a], c.tier[a], NO_PAIR),
                pair => (0, 0, pair),
            };
            let pair = *ids.entry(key).or_insert_with(|| {
                members.push(Vec::new());
                members.len() as u32 - 1
            });
            members[pair as usize].push(a as u32);
            self.pair.push(pair);
        }
        (self.replica_usd, self.replica_limit) = (0..num_configurations).map(|a| self.derive_limit(a)).unzip();
        self.pair_start.push(0);
        for configurations in members {
            self.pair_configurations.extend(configurations);
            self.pair_start.push(self.pair_configurations.len() as u32);
        }
    }

    /// Rental of one replica of configuration `a` and most replicas, from prices and limits.
    fn derive_limit(&self, a: usize) -> (f64, u32) {
        let (data, c) = (&self.data, &self.data.configurations);
        let replica_usd = data.horizon_h * data.tiers.gpu_usd_per_h[c.tier[a] as usize] * self.gpus_per_replica[a];
        let mut limit = f64::from(c.max_replicas[a]);
        // As many as the checker allows; rounding does not take one away.
        let whole = |most: f64, one: f64| (most * (1.0 + FEASIBILITY_TOLERANCE) / one * (1.0 + 1e-12)).floor();
        if self.pool[a] != NO_POOL {
            limit = limit.min(whole(data.pools.max_gpus[self.pool[a] as usize], self.gpus_per_replica[a]));
        }
        if replica_usd > 0.0 {
            limit = limit.min(whole(data.budget_usd, replica_usd));
        }
        if c.weights_gb[a] > data.storage_gb * (1.0 + FEASIBILITY_TOLERANCE) {
            limit = 0.0;
        }
        if limit < f64::from(c.min_replicas[a]) {
            limit = 0.0;
        }
        (replica_usd, limit.max(0.0) as u32)
    }

    /// The data as given, without query types, configurations and routes: for a part of the problem.
    pub(crate) fn shell(&self) -> ProblemData {
        let data = &self.data;
        ProblemData {
            name: data.name.clone(),
            pools: data.pools.clone(),
            query_types: QueryTypes::default(),
            models: data.models.clone(),
            tiers: data.tiers.clone(),
            configurations: Configurations::default(),
            routes: Routes::default(),
            ..*data
        }
    }

    /// The data as given.
    pub fn data(&self) -> &ProblemData {
        &self.data
    }

    /// Coefficients of the usable routes.
    #[inline]
    pub fn route_table(&self) -> &RouteTable {
        &self.routes
    }

    /// Whether the problem is so large that how long a search takes depends on its routes most of all.
    pub(crate) fn has_many_routes(&self) -> bool {
        self.routes.len() >= MANY_ROUTES
    }

    /// Number of query types.
    #[inline]
    pub fn num_query_types(&self) -> usize {
        self.data.query_types.name.len()
    }

    /// Number of configurations.
    #[inline]
    pub fn num_configurations(&self) -> usize {
        self.data.configurations.model.len()
    }

    /// Number of routes as given, usable or not.
    #[inline]
    pub fn num_routes(&self) -> usize {
        self.data.routes.query_type.len()
    }

    /// Number of pairs: of (model, tier) with a configuration, and of [`Configurations::pair`].
    #[inline]
    pub fn num_pairs(&self) -> usize {
        self.pair_start.len() - 1
    }

    /// Number of pools.
    #[inline]
    pub fn num_pools(&self) -> usize {
        self.data.pools.name.len()
    }

    /// The pair of configuration `a`: at most one configuration of a pair is deployed.
    #[inline]
    pub fn pair(&self, a: usize) -> usize {
        self.pair[a] as usize
    }

    /// The configurations of a pair, rising.
    #[inline]
    pub fn pair_configurations(&self, pair: usize) -> &[u32] {
        &self.pair_configurations[self.pair_start[pair] as usize..self.pair_start[pair + 1] as usize]
    }

    /// GPUs `tp·pp` of one replica.
    #[inline]
    pub fn gpus_per_replica(&self, a: usize) -> f64 {
        self.gpus_per_replica[a]
    }

    /// Rental of one replica over the horizon, USD.
    #[inline]
    pub fn replica_usd(&self, a: usize) -> f64 {
        self.replica_usd[a]
    }

    /// Storage of a configuration's weights over the horizon, USD.
    #[inline]
    pub fn weights_usd(&self, a: usize) -> f64 {
        self.weights_usd[a]
    }

    /// The pool of configuration `a`, or [`NO_POOL`].
    #[inline]
    pub fn pool(&self, a: usize) -> u32 {
        self.pool[a]
    }

    /// Whether `a` and `b` are operating points of the same replicas: one can become the other without anything being started.
    pub fn are_same_replicas(&self, a: u32, b: u32) -> bool {
        let c = &self.data.configurations;
        let key = |a: usize| (c.model[a], c.tier[a], c.tp[a], c.pp[a], c.max_num_seqs[a]);
        let (a, b) = (a as usize, b as usize);
        let same = |column: &[f64]| column[a].to_bits() == column[b].to_bits();
        a == b || (self.pair[a] == self.pair[b] && key(a) == key(b) && same(&c.weights_gb) && same(&c.kv_cache_gb))
    }

    /// The operating points of the replicas of `a`, itself included.
    pub(crate) fn same_replicas(&self, a: usize) -> impl Iterator<Item = u32> + '_ {
        let of_pair = self.pair_configurations(self.pair(a)).iter().copied();
        of_pair.filter(move |&other| self.are_same_replicas(a as u32, other))
    }

    /// Share of a replica's time that may be planned with configuration `a`: its own, else the problem's.
    #[inline]
    pub fn max_utilization_of(&self, a: usize) -> f64 {
        self.data.max_utilization_of(a)
    }

    /// Least replicas of configuration `a` where it is deployed, at least 1.
    #[inline]
    pub fn min_replicas(&self, a: usize) -> u32 {
        self.data.configurations.min_replicas[a]
    }

    /// Most replicas of configuration `a` that its own limit, its pool, the budget and the storage allow, each taken alone;
    /// 0 where these are fewer than a deployment has to have.
    #[inline]
    pub fn replica_limit(&self, a: usize) -> u32 {
        self.replica_limit[a]
    }

    /// Cost of leaving the whole query type unserved over the horizon, `H·λ·φ`, USD.
    #[inline]
    pub fn unmet_usd(&self, i: usize) -> f64 {
        self.unmet_usd[i]
    }

    /// Storage of the tokens of the fully served query type over the horizon, USD.
    #[inline]
    pub fn data_usd(&self, i: usize) -> f64 {
        self.data_usd[i]
    }

    /// `H·λ·ρ·D` in USD for a route that the latency SLO rules out; `None` where there is no route at all.
    pub(crate) fn unusable_latency_usd(&self, query_type: usize, configuration: usize) -> Option<f64> {
        let r = &self.data.routes;
        let is_it = |&route: &usize| {
            r.query_type[route] as usize == query_type && r.configuration[route] as usize == configuration
        };
        (0..self.num_routes()).find(is_it).map(|route| latency_usd(&self.data, route))
    }

    /// Index of the route from `query_type` to `configuration` in the route table, if it is usable.
    #[inline]
    pub fn find_route(&self, query_type: usize, configuration: usize) -> Option<usize> {
        let range = self.routes.of_configuration(configuration);
        let types = &self.routes.query_type[range.clone()];
        // Most configurations serve every query type, which then stands at its own index.
        if types.get(query_type) == Some(&(query_type as u32)) {
            return Some(range.start + query_type);
        }
        let offset = types.binary_search(&(query_type as u32)).ok()?;
        Some(range.start + offset)
    }
}
