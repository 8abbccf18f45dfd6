//! Immutable, validated problem data in columns, and the coefficients of the formulation derived from it once.

mod routes;
mod update;
mod validate;

use std::collections::HashMap;
use std::ops::Deref;

pub use routes::RouteTable;
pub(crate) use routes::LEAST_SHARE;
use routes::{latency_usd, route_table};
use validate::validate;

use crate::Result;

/// In [`Tiers::pool`]: the tier draws on no pool, its GPUs are not limited.
pub const NO_POOL: u32 = u32::MAX;

/// Relative tolerance of every constraint.
pub const FEASIBILITY_TOLERANCE: f64 = 1e-6;

/// The largest number that data may hold, limits apart: products and sums of such numbers stay finite.
pub(crate) const LARGEST_NUMBER: f64 = 1e30;

/// How the latency SLO of a query type is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LatencyScope {
    /// No query is planned onto a route that misses its SLO.
    #[default]
    Route,
    /// The mean over the served queries of a type meets the SLO.
    Average,
}

impl LatencyScope {
    /// The name in files and in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Average => "average",
        }
    }

    /// The inverse of [`LatencyScope::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Route, Self::Average].into_iter().find(|scope| scope.as_str() == text)
    }
}

/// Physical GPUs that several tiers may share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pools {
    /// Unique names.
    pub name: Vec<String>,
    /// GPUs that exist; infinite where there is no limit, 0 where the pool is lost.
    pub max_gpus: Vec<f64>,
}

/// Classes of requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryTypes {
    /// Unique names.
    pub name: Vec<String>,
    /// Arrival rate λ, queries per hour.
    pub rate_per_h: Vec<f64>,
    /// Latency SLO Δ, seconds.
    pub latency_slo_s: Vec<f64>,
    /// Error SLO ε, fraction.
    pub error_slo: Vec<f64>,
    /// Price ρ of a second of latency of one query, USD.
    pub latency_usd_per_s: Vec<f64>,
    /// Price φ of a query not served, USD.
    pub unmet_usd_per_query: Vec<f64>,
    /// Largest share that may go unserved, in [0, 1].
    pub max_unmet: Vec<f64>,
    /// Stored tokens δ of the fully served type, GB.
    pub data_gb: Vec<f64>,
}

/// Base LLMs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Models {
    /// Unique names.
    pub name: Vec<String>,
}

/// GPU types at a precision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tiers {
    /// Unique names.
    pub name: Vec<String>,
    /// Rental of one GPU, USD per hour.
    pub gpu_usd_per_h: Vec<f64>,
    /// Index of the pool that the tier draws on, or [`NO_POOL`].
    pub pool: Vec<u32>,
}

/// What can be deployed, in whole replicas of `tp·pp` GPUs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configurations {
    /// Index of the model.
    pub model: Vec<u32>,
    /// Index of the tier.
    pub tier: Vec<u32>,
    /// Tensor-parallel degree.
    pub tp: Vec<u32>,
    /// Pipeline-parallel depth.
    pub pp: Vec<u32>,
    /// Stored weights B, GB.
    pub weights_gb: Vec<f64>,
    /// Memory M of one replica left for KV cache, GB.
    pub kv_cache_gb: Vec<f64>,
    /// Most replicas R.
    pub max_replicas: Vec<u32>,
    /// The engine's batch limit; 0 where it is not known.
    pub max_num_seqs: Vec<u32>,
}

/// Which query type can be served by which configuration, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Routes {
    /// Index of the query type.
    pub query_type: Vec<u32>,
    /// Index of the configuration.
    pub configuration: Vec<u32>,
    /// Share b of one replica's time that a query takes, replica·s per query.
    pub busy_s: Vec<f64>,
    /// KV-cache memory times the time that a query holds it, κ, GB·s per query.
    pub kv_gb_s: Vec<f64>,
    /// End-to-end latency D, seconds.
    pub latency_s: Vec<f64>,
    /// Error rate e, fraction.
    pub error: Vec<f64>,
}

/// Everything that states a problem, in the units of the formulation, not yet validated.
#[derive(Debug, Clone, PartialEq)]
pub struct ProblemData {
    /// Name, for people.
    pub name: String,
    /// Planning horizon H, hours.
    pub horizon_h: f64,
    /// Most that rental and storage may cost over the horizon, USD; infinite where there is no limit.
    pub budget_usd: f64,
    /// Storage capacity S, GB; infinite where there is no limit.
    pub storage_gb: f64,
    /// Storage price s, USD per GB and hour.
    pub storage_usd_per_gb_h: f64,
    /// Share of a replica's time that may be planned, in (0, 1].
    pub max_utilization: f64,
    /// How the latency SLO is meant.
    pub latency_scope: LatencyScope,
    /// GPU pools.
    pub pools: Pools,
    /// Query types.
    pub query_types: QueryTypes,
    /// Models.
    pub models: Models,
    /// Tiers.
    pub tiers: Tiers,
    /// Configurations.
    pub configurations: Configurations,
    /// Routes.
    pub routes: Routes,
}

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
    pub fn new(data: ProblemData) -> Result<Self> {
        validate(&data)?;
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
        let mut ids: HashMap<(u32, u32), u32> = HashMap::new();
        let mut members: Vec<Vec<u32>> = Vec::new();
        for a in 0..num_configurations {
            let pair = *ids.entry((c.model[a], c.tier[a])).or_insert_with(|| {
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
        if self.pool[a] != NO_POOL {
            limit = limit.min((data.pools.max_gpus[self.pool[a] as usize] / self.gpus_per_replica[a]).floor());
        }
        if replica_usd > 0.0 {
            let spendable = data.budget_usd * (1.0 + FEASIBILITY_TOLERANCE);
            limit = limit.min((spendable / replica_usd).floor());
        }
        if c.weights_gb[a] > data.storage_gb * (1.0 + FEASIBILITY_TOLERANCE) {
            limit = 0.0;
        }
        (replica_usd, limit.max(0.0) as u32)
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

    /// Number of pairs (model, tier) that have a configuration.
    #[inline]
    pub fn num_pairs(&self) -> usize {
        self.pair_start.len() - 1
    }

    /// Number of pools.
    #[inline]
    pub fn num_pools(&self) -> usize {
        self.data.pools.name.len()
    }

    /// The pair (model, tier) of configuration `a`.
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

    /// Most replicas of configuration `a` that its own limit, its pool, the budget and the storage allow, each taken alone.
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
