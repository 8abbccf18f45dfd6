//! The usable routes, with the coefficients of the formulation derived for each once.

use super::{error_scale, LatencyScope, ProblemData, FEASIBILITY_TOLERANCE};

/// A route that can carry no larger share than this is as good as none: the tolerance of a supply row is wider.
pub(crate) const LEAST_SHARE: f64 = 1e-7;

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
    /// Position of the route in [`crate::Routes`].
    pub source: Vec<u32>,
    /// Replicas' time taken, `(λ/3600)·b`; to be at most `max_utilization_of(a) · replicas`.
    pub time: Vec<f64>,
    /// KV memory taken, `(λ/3600)·κ`, GB; to be at most `kv_cache_gb · replicas`.
    pub memory: Vec<f64>,
    /// Replicas whose time is taken, `time / max_utilization_of(a)`; to be at most `replicas`.
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

pub(super) fn latency_usd(data: &ProblemData, route: usize) -> f64 {
    let i = data.routes.query_type[route] as usize;
    let q = &data.query_types;
    data.horizon_h * q.rate_per_h[i] * q.latency_usd_per_s[i] * data.routes.latency_s[route]
}

/// Whether a route may carry traffic and can carry a share that counts.
///
/// What cannot would put coefficients into a linear program in which the others drown.
pub(super) fn is_usable(data: &ProblemData, route: usize) -> bool {
    let (r, q, c) = (&data.routes, &data.query_types, &data.configurations);
    let (i, a) = (r.query_type[route] as usize, r.configuration[route] as usize);
    let replicas = f64::from(c.max_replicas[a]);
    let per_s = q.rate_per_h[i] / 3600.0;
    // A mean over shares that add up to 1 at most can be balanced by no more than the SLO itself, and the tolerance.
    let within = |excess: f64, slo: f64, scale: f64| excess * LEAST_SHARE <= slo + FEASIBILITY_TOLERANCE * scale;
    let in_time = match data.latency_scope {
        LatencyScope::Route => r.latency_s[route] <= q.latency_slo_s[i],
        LatencyScope::Average => {
            within(r.latency_s[route] - q.latency_slo_s[i], q.latency_slo_s[i], q.latency_slo_s[i].max(1.0))
        }
    };
    in_time
        && within(r.error[route] - q.error_slo[i], q.error_slo[i], error_scale(q.error_slo[i]))
        && per_s * r.busy_s[route] * LEAST_SHARE <= data.max_utilization_of(a) * replicas
        && per_s * r.kv_gb_s[route] * LEAST_SHARE <= c.kv_cache_gb[a] * replicas
}

pub(super) fn route_table(data: &ProblemData) -> RouteTable {
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
        time_replicas: column(&|route, i| {
            per_s(i) * r.busy_s[route] / data.max_utilization_of(r.configuration[route] as usize)
        }),
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
