//! The best routing of fixed deployments, from scratch, with a proof where there is none.

use crate::bound::Widened;
use crate::linear::{DualSimplex, LinearStatus};
use crate::{error_scale, Deployment, Error, LatencyScope, Problem, Result, Routing, Stop, FEASIBILITY_TOLERANCE};

const MAX_PIVOTS: u64 = 100_000;
/// What sums of a row of order one may be off by. The simplex may leave a row violated by more, which lowers no optimum.
const ROUNDING: f64 = 1e-12;
/// What the simplex may be off by in such a row, twice.
const SIMPLEX_TOLERANCE: f64 = 2e-9;

/// Traffic over fixed deployments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routed {
    /// Latency, unserved queries and stored tokens, USD.
    pub(crate) usd: f64,
    pub(crate) routing: Routing,
    pub(crate) unmet: Vec<f64>,
    /// Replicas of each deployment that its traffic needs.
    pub(crate) load: Vec<f64>,
}

/// The rows of the program; each limit is scaled to be of order one.
struct Rows {
    error: usize,
    latency: usize,
    budget: usize,
    storage: usize,
    first_load: usize,
    total: usize,
}

/// How wide the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// As the formulation has them.
    Stated,
    /// As far as the checker allows.
    Accepted,
    /// As far as the checker allows, less what the simplex may be off by.
    Within,
    /// As in [`Widened`]: no plan that the checker accepts lies outside. The routing need not be one.
    Beyond,
}

impl Width {
    /// What a right-hand side of 1 is widened by.
    fn share(self) -> f64 {
        match self {
            Self::Stated => 0.0,
            Self::Accepted => FEASIBILITY_TOLERANCE - ROUNDING,
            Self::Within => FEASIBILITY_TOLERANCE - SIMPLEX_TOLERANCE,
            Self::Beyond => FEASIBILITY_TOLERANCE + ROUNDING,
        }
    }
}

/// The cheapest routing over `deployments`; `None` where there is none, and an error where the simplex gave up or `stop` came first.
///
/// The caller sees to the limits that the deployments alone must keep.
pub(crate) fn route(
    problem: &Problem,
    deployments: &[Deployment],
    width: Width,
    stop: &Stop,
) -> Result<Option<Routed>> {
    let table = problem.route_table();
    let num_types = problem.num_query_types();
    let ranges = || deployments.iter().map(|d| table.of_configuration(d.configuration as usize));
    let rows = Rows {
        error: num_types,
        latency: 2 * num_types,
        budget: 3 * num_types,
        storage: 3 * num_types + 1,
        first_load: 3 * num_types + 2,
        total: 3 * num_types + 2 + 2 * deployments.len(),
    };
    let num_routes: usize = ranges().map(|range| range.len()).sum();
    let num_surplus = if width == Width::Beyond { num_types } else { 0 };
    let num_columns = num_types + num_routes + num_surplus;
    let mut simplex = DualSimplex::new(rows.total, num_columns, 5);
    for i in 0..num_surplus {
        simplex.set_column(num_types + num_routes + i, 0.0, 2.0, &[(i, -1.0)]);
    }
    set_limits(problem, deployments, &rows, width, &mut simplex);
    for i in 0..num_types {
        let budget = -problem.data_usd(i) * inverse(problem.budget_usd);
        let storage = -problem.query_types.data_gb[i] * inverse(problem.storage_gb);
        let entries = [(i, 1.0), (rows.budget, budget), (rows.storage, storage)];
        let usd = problem.unmet_usd(i) - problem.data_usd(i);
        let most = (problem.query_types.max_unmet[i] + width.share()).min(1.0);
        simplex.set_column(i, usd, most, &entries);
    }
    let routes = || ranges().enumerate().flat_map(|(slot, range)| range.map(move |route| (slot, route)));
    let average = if problem.latency_scope == LatencyScope::Average { 1.0 } else { 0.0 };
    for (index, (slot, route)) in routes().enumerate() {
        let i = table.query_type[route] as usize;
        let a = table.configuration[route] as usize;
        let entries = [
            (i, 1.0),
            (rows.error + i, table.error_excess[route] / error_scale(problem.query_types.error_slo[i])),
            (rows.latency + i, average * table.latency_excess[route]),
            (rows.first_load + 2 * slot, table.time_replicas[route]),
            (rows.first_load + 2 * slot + 1, table.memory[route] / problem.configurations.kv_cache_gb[a]),
        ];
        simplex.set_column(num_types + index, table.latency_usd[route], 1.0 + width.share(), &entries);
    }
    match simplex.solve_unless(f64::INFINITY, MAX_PIVOTS, &|| stop.should_stop()) {
        LinearStatus::Optimal => {}
        LinearStatus::Infeasible => return Ok(None),
        status => return Err(Error::Internal(format!("routing ended with {status:?}"))),
    }
    let data_usd: f64 = (0..num_types).map(|i| problem.data_usd(i)).sum();
    let mut routed = Routed { usd: simplex.objective() + data_usd, ..Routed::default() };
    routed.unmet.extend((0..num_types).map(|i| simplex.value(i).clamp(0.0, simplex.upper(i))));
    for (index, (_, route)) in routes().enumerate() {
        let fraction = simplex.value(num_types + index).min(1.0);
        if fraction > 0.0 {
            routed.routing.query_type.push(table.query_type[route]);
            routed.routing.configuration.push(table.configuration[route]);
            routed.routing.fraction.push(fraction);
        }
    }
    let slack = |slot: usize, row: usize| simplex.value(num_columns + rows.first_load + 2 * slot + row);
    let load = |(slot, d): (usize, &Deployment)| f64::from(d.replicas) - slack(slot, 0).min(slack(slot, 1));
    routed.load.extend(deployments.iter().enumerate().map(load));
    Ok(Some(routed))
}

/// What a limit is scaled with; 0 where there is none, which leaves its row without entries.
fn inverse(limit: f64) -> f64 {
    match limit {
        f64::INFINITY => 0.0,
        0.0 => 1.0,
        _ => 1.0 / limit,
    }
}

fn set_limits(problem: &Problem, deployments: &[Deployment], rows: &Rows, width: Width, simplex: &mut DualSimplex) {
    let more = width.share();
    let widened = (width == Width::Beyond).then(|| Widened::of(problem));
    for row in rows.error..rows.total {
        simplex.set_inequality(row, true);
    }
    for i in 0..problem.num_query_types() {
        let slo_s = problem.query_types.latency_slo_s[i].max(1.0);
        match &widened {
            None => {
                simplex.set_rhs(i, 1.0 - more);
                simplex.set_rhs(rows.error + i, more);
                simplex.set_rhs(rows.latency + i, more * slo_s);
            }
            Some(widened) => {
                // At least so much is served or counted as unserved; a surplus column takes what is beyond.
                simplex.set_rhs(i, 1.0 - widened.supply[i] - ROUNDING);
                let scale = error_scale(problem.query_types.error_slo[i]);
                simplex.set_rhs(rows.error + i, widened.error[i] / scale + ROUNDING);
                simplex.set_rhs(rows.latency + i, widened.latency_s[i] + ROUNDING * slo_s);
            }
        }
    }
    if problem.budget_usd.is_finite() {
        let data_usd: f64 = (0..problem.num_query_types()).map(|i| problem.data_usd(i)).sum();
        let left = problem.budget_usd * (1.0 + more) - data_usd - deployed_usd(problem, deployments);
        simplex.set_rhs(rows.budget, left * inverse(problem.budget_usd));
    }
    if problem.storage_gb.is_finite() {
        let data_gb: f64 = problem.query_types.data_gb.iter().sum();
        let left = problem.storage_gb * (1.0 + more) - data_gb - weights_gb(problem, deployments);
        simplex.set_rhs(rows.storage, left * inverse(problem.storage_gb));
    }
    for (slot, d) in deployments.iter().enumerate() {
        let most = f64::from(d.replicas) * (1.0 + more);
        simplex.set_rhs(rows.first_load + 2 * slot, most);
        simplex.set_rhs(rows.first_load + 2 * slot + 1, most);
    }
}

/// Rental of the replicas and storage of the weights, USD.
pub(crate) fn deployed_usd(problem: &Problem, deployments: &[Deployment]) -> f64 {
    let usd = |d: &Deployment| {
        let a = d.configuration as usize;
        problem.replica_usd(a) * f64::from(d.replicas) + problem.weights_usd(a)
    };
    deployments.iter().map(usd).sum()
}

/// Stored weights, GB.
pub(crate) fn weights_gb(problem: &Problem, deployments: &[Deployment]) -> f64 {
    deployments.iter().map(|d| problem.configurations.weights_gb[d.configuration as usize]).sum()
}
