//! Immutable, validated problem data in columns, and the coefficients of the formulation derived from it once.

mod update;

use std::collections::HashMap;
use std::ops::Deref;

use crate::{Error, Result};

/// In [`Tiers::pool`]: the tier draws on no pool, its GPUs are not limited.
pub const NO_POOL: u32 = u32::MAX;

/// Relative tolerance of every constraint.
pub const FEASIBILITY_TOLERANCE: f64 = 1e-6;

/// The largest number that data may hold, limits apart: products and sums of such numbers stay finite.
pub(crate) const LARGEST_NUMBER: f64 = 1e30;

/// A route that can carry no larger share than this is as good as none: the tolerance of a supply row is wider.
const LEAST_SHARE: f64 = 1e-7;

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
    /// GPUs that exist; infinite where there is no limit.
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

/// Coefficients of the usable routes in structure of arrays, ordered by configuration and then by query type.
///
/// A route is usable unless the latency scope is [`LatencyScope::Route`] and its latency exceeds the SLO, or its
/// figures are such that no share above 1e-7 of the query type could ever take it.
/// Every entry is for the whole traffic of the query type (fraction 1), so that a load or a cost is
/// `coefficient · fraction`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteTable {
    /// Routes of configuration `a` are `start[a]..start[a + 1]`.
    pub start: Vec<u32>,
    /// Query type.
    pub query_type: Vec<u32>,
    /// Configuration.
    pub configuration: Vec<u32>,
    /// Position of the route in [`Routes`].
    pub source: Vec<u32>,
    /// Replicas' time taken, `(λ/3600)·b`; to be at most `max_utilization · replicas`.
    pub time: Vec<f64>,
    /// KV memory taken, `(λ/3600)·κ`, GB; to be at most `kv_cache_gb · replicas`.
    pub memory: Vec<f64>,
    /// Replicas whose time is taken, `time / max_utilization`; to be at most `replicas`.
    pub time_replicas: Vec<f64>,
    /// Replicas whose memory is taken, `memory / kv_cache_gb`; to be at most `replicas`.
    pub memory_replicas: Vec<f64>,
    /// Latency cost over the horizon, `H·λ·ρ·D`, USD.
    pub latency_usd: Vec<f64>,
    /// `e - ε`: must average to at most 0 over the served queries of a type.
    pub error_excess: Vec<f64>,
    /// `D - Δ`, seconds: under [`LatencyScope::Average`] must average to at most 0.
    pub latency_excess: Vec<f64>,
    /// Positions in this table of the routes of query type `i` are `by_type[type_start[i]..type_start[i + 1]]`.
    pub type_start: Vec<u32>,
    /// See `type_start`; rising configuration index.
    pub by_type: Vec<u32>,
}

impl RouteTable {
    /// The positions in this table of the routes of configuration `a`.
    #[inline]
    pub fn of_configuration(&self, a: usize) -> std::ops::Range<usize> {
        self.start[a] as usize..self.start[a + 1] as usize
    }

    /// The positions in this table of the routes of query type `i`.
    #[inline]
    pub fn of_query_type(&self, i: usize) -> &[u32] {
        &self.by_type[self.type_start[i] as usize..self.type_start[i + 1] as usize]
    }

    /// Replicas that the whole traffic of the query type takes on `route`, by time or by memory, whichever is more.
    #[inline]
    pub fn load(&self, route: usize) -> f64 {
        self.time_replicas[route].max(self.memory_replicas[route])
    }

    /// Number of usable routes.
    pub fn len(&self) -> usize {
        self.query_type.len()
    }

    /// Whether there is no usable route.
    pub fn is_empty(&self) -> bool {
        self.query_type.is_empty()
    }
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
    /// [`Error::Invalid`] names the first entry that is out of range, not finite, negative, duplicate or of the
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

fn latency_usd(data: &ProblemData, route: usize) -> f64 {
    let i = data.routes.query_type[route] as usize;
    let q = &data.query_types;
    data.horizon_h * q.rate_per_h[i] * q.latency_usd_per_s[i] * data.routes.latency_s[route]
}

/// Whether a route may carry traffic and can carry a share that counts.
///
/// What cannot would put coefficients into a linear program in which the others drown.
fn is_usable(data: &ProblemData, route: usize) -> bool {
    let (r, q, c) = (&data.routes, &data.query_types, &data.configurations);
    let (i, a) = (r.query_type[route] as usize, r.configuration[route] as usize);
    let replicas = f64::from(c.max_replicas[a]);
    let per_s = q.rate_per_h[i] / 3600.0;
    // A mean over shares that add up to 1 at most can be balanced by no more than the SLO itself.
    let within = |excess: f64, slo: f64| excess * LEAST_SHARE <= slo;
    let in_time = match data.latency_scope {
        LatencyScope::Route => r.latency_s[route] <= q.latency_slo_s[i],
        LatencyScope::Average => within(r.latency_s[route] - q.latency_slo_s[i], q.latency_slo_s[i]),
    };
    in_time
        && within(r.error[route] - q.error_slo[i], q.error_slo[i])
        && per_s * r.busy_s[route] * LEAST_SHARE <= data.max_utilization * replicas
        && per_s * r.kv_gb_s[route] * LEAST_SHARE <= c.kv_cache_gb[a] * replicas
}

fn route_table(data: &ProblemData) -> RouteTable {
    let r = &data.routes;
    let q = &data.query_types;
    let usable = |&route: &u32| is_usable(data, route as usize);
    let mut source: Vec<u32> = (0..r.query_type.len() as u32).filter(usable).collect();
    let key = |&route: &u32| (r.configuration[route as usize], r.query_type[route as usize]);
    if !source.is_sorted_by_key(key) {
        source.sort_unstable_by_key(key);
    }
    let column = |value: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        source.iter().map(|&route| value(route as usize, r.query_type[route as usize] as usize)).collect()
    };
    let per_s = |i: usize| q.rate_per_h[i] / 3600.0;
    let mut table = RouteTable {
        query_type: source.iter().map(|&route| r.query_type[route as usize]).collect(),
        configuration: source.iter().map(|&route| r.configuration[route as usize]).collect(),
        time: column(&|route, i| per_s(i) * r.busy_s[route]),
        memory: column(&|route, i| per_s(i) * r.kv_gb_s[route]),
        time_replicas: column(&|route, i| per_s(i) * r.busy_s[route] / data.max_utilization),
        memory_replicas: column(&|route, i| {
            let kv_cache_gb = data.configurations.kv_cache_gb[r.configuration[route] as usize];
            per_s(i) * r.kv_gb_s[route] / kv_cache_gb
        }),
        latency_usd: column(&|route, _| latency_usd(data, route)),
        error_excess: column(&|route, i| r.error[route] - q.error_slo[i]),
        latency_excess: column(&|route, i| r.latency_s[route] - q.latency_slo_s[i]),
        start: vec![0; data.configurations.model.len() + 1],
        type_start: vec![0; q.name.len() + 1],
        by_type: vec![0; source.len()],
        source,
    };
    for position in 0..table.query_type.len() {
        table.start[table.configuration[position] as usize + 1] += 1;
        table.type_start[table.query_type[position] as usize + 1] += 1;
    }
    let accumulate = |counts: &mut [u32]| {
        for index in 1..counts.len() {
            counts[index] += counts[index - 1];
        }
    };
    accumulate(&mut table.start);
    accumulate(&mut table.type_start);
    let mut next = table.type_start.clone();
    for position in 0..table.query_type.len() {
        let slot = &mut next[table.query_type[position] as usize];
        table.by_type[*slot as usize] = position as u32;
        *slot += 1;
    }
    table
}

/// The rule that a number must keep.
#[derive(Clone, Copy)]
enum Range {
    NonNegative,
    Positive,
    /// Positive, or infinite for "no limit".
    Limit,
    /// Non-negative, or infinite for "no limit".
    LimitOrZero,
    Fraction,
    PositiveFraction,
}

fn check_number(value: f64, range: Range, entry: impl FnOnce() -> String) -> Result<()> {
    let finite = value.is_finite() || (matches!(range, Range::Limit | Range::LimitOrZero) && value == f64::INFINITY);
    let message = if !finite {
        "must be a finite number"
    } else {
        let (holds, message) = match range {
            Range::NonNegative | Range::LimitOrZero => (value >= 0.0, "must not be negative"),
            Range::Positive | Range::Limit => (value > 0.0, "must be greater than zero"),
            Range::Fraction => ((0.0..=1.0).contains(&value), "must lie between 0 and 1"),
            Range::PositiveFraction => (value > 0.0 && value <= 1.0, "must be greater than 0 and at most 1"),
        };
        let is_limit = matches!(range, Range::Limit | Range::LimitOrZero);
        match (holds, value <= LARGEST_NUMBER || is_limit) {
            (true, true) => return Ok(()),
            (true, false) => "is too large to calculate with; at most 1e30",
            (false, _) => message,
        }
    };
    // Past this a number is only digits.
    let got = if value.abs() < 1e16 { value.to_string() } else { format!("{value:e}") };
    Err(Error::invalid(entry(), format!("{message}, got {got}")))
}

fn check_column(section: &str, column: &str, values: &[f64], range: Range) -> Result<()> {
    for (index, &value) in values.iter().enumerate() {
        check_number(value, range, || format!("{section}.{column}[{index}]"))?;
    }
    Ok(())
}

fn check_length(section: &str, column: &str, length: usize, expected: usize) -> Result<()> {
    if length == expected {
        return Ok(());
    }
    Err(Error::invalid(format!("{section}.{column}"), format!("has {length} entries where {expected} are expected")))
}

fn check_count(section: &str, column: &str, values: &[u32], expected: usize) -> Result<()> {
    check_length(section, column, values.len(), expected)?;
    match values.iter().position(|&value| value == 0) {
        Some(index) => Err(Error::invalid(format!("{section}.{column}[{index}]"), "must be at least 1, got 0")),
        None => Ok(()),
    }
}

fn check_index(section: &str, column: &str, values: &[u32], count: usize, none: Option<u32>) -> Result<()> {
    for (index, &value) in values.iter().enumerate() {
        if value as usize >= count && Some(value) != none {
            return Err(Error::invalid(
                format!("{section}.{column}[{index}]"),
                format!("is {value}, out of range for {count} entries"),
            ));
        }
    }
    Ok(())
}

fn check_names(section: &str, names: &[String]) -> Result<()> {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, index) {
            return Err(Error::invalid(
                format!("{section}.name[{index}]"),
                format!("{name:?} is already the name of entry {first}"),
            ));
        }
    }
    Ok(())
}

fn validate(data: &ProblemData) -> Result<()> {
    check_number(data.horizon_h, Range::Positive, || "horizon_h".into())?;
    check_number(data.budget_usd, Range::LimitOrZero, || "budget_usd".into())?;
    check_number(data.storage_gb, Range::Limit, || "storage_gb".into())?;
    check_number(data.storage_usd_per_gb_h, Range::NonNegative, || "storage_usd_per_gb_h".into())?;
    check_number(data.max_utilization, Range::PositiveFraction, || "max_utilization".into())?;

    check_names("pools", &data.pools.name)?;
    let num_pools = data.pools.name.len();
    check_length("pools", "max_gpus", data.pools.max_gpus.len(), num_pools)?;
    check_column("pools", "max_gpus", &data.pools.max_gpus, Range::Limit)?;

    let q = &data.query_types;
    let num_types = q.name.len();
    if num_types == 0 {
        return Err(Error::invalid("query_types", "must have at least one entry"));
    }
    check_names("query_types", &q.name)?;
    for (column, values, range) in [
        ("rate_per_h", &q.rate_per_h, Range::NonNegative),
        ("latency_slo_s", &q.latency_slo_s, Range::NonNegative),
        ("error_slo", &q.error_slo, Range::NonNegative),
        ("latency_usd_per_s", &q.latency_usd_per_s, Range::NonNegative),
        ("unmet_usd_per_query", &q.unmet_usd_per_query, Range::NonNegative),
        ("max_unmet", &q.max_unmet, Range::Fraction),
        ("data_gb", &q.data_gb, Range::NonNegative),
    ] {
        check_length("query_types", column, values.len(), num_types)?;
        check_column("query_types", column, values, range)?;
    }

    check_names("models", &data.models.name)?;
    let t = &data.tiers;
    check_names("tiers", &t.name)?;
    check_length("tiers", "gpu_usd_per_h", t.gpu_usd_per_h.len(), t.name.len())?;
    check_column("tiers", "gpu_usd_per_h", &t.gpu_usd_per_h, Range::NonNegative)?;
    check_length("tiers", "pool", t.pool.len(), t.name.len())?;
    check_index("tiers", "pool", &t.pool, num_pools, Some(NO_POOL))?;

    validate_configurations(data)?;
    validate_routes(data)
}

fn validate_configurations(data: &ProblemData) -> Result<()> {
    let c = &data.configurations;
    let count = c.model.len();
    check_index("configurations", "model", &c.model, data.models.name.len(), None)?;
    check_length("configurations", "tier", c.tier.len(), count)?;
    check_index("configurations", "tier", &c.tier, data.tiers.name.len(), None)?;
    check_count("configurations", "tp", &c.tp, count)?;
    check_count("configurations", "pp", &c.pp, count)?;
    check_length("configurations", "weights_gb", c.weights_gb.len(), count)?;
    check_column("configurations", "weights_gb", &c.weights_gb, Range::NonNegative)?;
    check_length("configurations", "kv_cache_gb", c.kv_cache_gb.len(), count)?;
    check_column("configurations", "kv_cache_gb", &c.kv_cache_gb, Range::Positive)?;
    check_count("configurations", "max_replicas", &c.max_replicas, count)?;
    check_length("configurations", "max_num_seqs", c.max_num_seqs.len(), count)
}

fn validate_routes(data: &ProblemData) -> Result<()> {
    let r = &data.routes;
    let count = r.query_type.len();
    let num_types = data.query_types.name.len();
    check_index("routes", "query_type", &r.query_type, num_types, None)?;
    check_length("routes", "configuration", r.configuration.len(), count)?;
    check_index("routes", "configuration", &r.configuration, data.configurations.model.len(), None)?;
    for (column, values) in
        [("busy_s", &r.busy_s), ("kv_gb_s", &r.kv_gb_s), ("latency_s", &r.latency_s), ("error", &r.error)]
    {
        check_length("routes", column, values.len(), count)?;
        check_column("routes", column, values, Range::NonNegative)?;
    }
    // Sorting the keys finds duplicates without a table of the size types × configurations.
    let mut order: Vec<(u32, u32, u32)> =
        (0..count).map(|route| (r.configuration[route], r.query_type[route], route as u32)).collect();
    order.sort_unstable();
    match order.windows(2).find(|two| (two[0].0, two[0].1) == (two[1].0, two[1].1)) {
        Some(two) => Err(Error::invalid(
            format!("routes[{}]", two[1].2),
            format!("repeats route {} (query_type {}, configuration {})", two[0].2, two[0].1, two[0].0),
        )),
        None => Ok(()),
    }
}
