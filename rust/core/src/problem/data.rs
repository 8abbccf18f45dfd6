//! What states a problem, in columns, not yet validated.

/// In [`Tiers::pool`]: the tier draws on no pool, its GPUs are not limited.
pub const NO_POOL: u32 = u32::MAX;

/// In [`Configurations::pair`]: the pair is that of the configuration's model and tier.
pub const NO_PAIR: u32 = u32::MAX;

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
    /// Share of a replica's time that may be planned, in (0, 1]; 0 where the problem's own holds. Empty for all 0.
    pub max_utilization: Vec<f64>,
    /// Least replicas of a deployment, 1 or more: what `max_utilization` may take several to hold. Empty for all 1.
    pub min_replicas: Vec<u32>,
    /// Of configurations with the same number at most one is deployed; [`NO_PAIR`] where those of the same model and tier
    /// are meant. Empty for all [`NO_PAIR`].
    pub pair: Vec<u32>,
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

impl Configurations {
    /// Gives the optional columns that are empty their entries.
    pub(super) fn fill_in(&mut self) {
        let count = self.model.len();
        if self.max_utilization.is_empty() {
            self.max_utilization.resize(count, 0.0);
        }
        if self.min_replicas.is_empty() {
            self.min_replicas.resize(count, 1);
        }
        if self.pair.is_empty() {
            self.pair.resize(count, NO_PAIR);
        }
    }
}

impl ProblemData {
    /// See [`super::Problem::max_utilization_of`].
    #[inline]
    pub(super) fn max_utilization_of(&self, a: usize) -> f64 {
        match self.configurations.max_utilization[a] {
            0.0 => self.max_utilization,
            own => own,
        }
    }
}
