//! Prices near those of the linear relaxation, and which configurations they favour.
//!
//! Column generation: a column is one replica (or a part of one) of a configuration with the traffic that fills it
//! best at the present prices; the master program mixes columns under supply, SLOs, budget, storage and pools. Columns
//! charge a whole replica for a query type that they serve wholly, which keeps `x ≤ w ≤ r`. One configuration per
//! (model, tier) is not asked for, and the run stops early: prices that steer need not be optimal. A market that follows
//! changing rates begins its next run with the columns that were mixed: then a few rounds suffice where many do from nothing.
//!
//! Source: Gilmore and Gomory, "A linear programming approach to the cutting stock problem", 1961; Desrosiers and
//! Lübbecke, "A primer in column generation", 2005.

mod restricted_master;

use super::pricing::Pricing;
use crate::bound::Prices;
use crate::linear::LinearStatus;
use crate::routing::{LimitPrices, RoutingPrices};
use crate::{Deployment, Problem, Stop};
use restricted_master::RestrictedMaster;

/// Rounds of column generation; each adds many columns.
const MAX_ROUNDS: usize = 200;
/// Columns added per round and query type.
const COLUMNS_PER_TYPE: usize = 2;
/// A round that improves the master program by less than this, relatively, counts as stalled.
const STALL: f64 = 2e-4;
/// Share of the old prices that a round keeps, against swings.
const SMOOTHING: f64 = 0.5;
/// First price of shortage in terms of the cheapest cost of a type.
const FIRST_SHORTAGE: f64 = 2.0;
/// First price of serving where routes are many, in terms of those of each query type served on its own.
const FIRST_PRICE_OF_MANY: f64 = 1.05;
const MAX_PIVOTS: u64 = 5_000;
/// Elementary steps of the master program after which the run ends: about a second.
const MAX_WORK: u64 = 150_000_000;

/// Prices of the relaxation and the configurations by merit at these prices.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    /// Prices of serving the query types.
    pub(crate) routing: RoutingPrices,
    /// Prices of the limits.
    pub(crate) limits: LimitPrices,
    /// (configuration, replicas) that the mixture asks for, not whole, by rising configuration.
    pub(crate) mixture: Vec<(u32, f64)>,
    /// Value of the relaxation at the end, USD; close to a lower bound, but not one.
    pub(crate) value_usd: f64,
    /// The columns that are mixed; the next run begins with them.
    columns: Vec<Column>,
}

/// One replica with the traffic that fills it.
#[derive(Debug, Clone, Default)]
struct Column {
    configuration: u32,
    /// (route, part of the replica that its traffic takes).
    loads: Vec<(u32, f64)>,
}

impl Market {
    /// Column generation until it stalls or `stop` says so.
    pub(crate) fn of(problem: &Problem, stop: &Stop) -> Self {
        let mut market = Self {
            routing: first_prices(problem),
            limits: LimitPrices::zero(problem),
            mixture: Vec::new(),
            value_usd: f64::INFINITY,
            columns: Vec::new(),
        };
        market.renew(problem, MAX_ROUNDS, stop);
        market
    }

    /// Column generation from the present prices and what was mixed before, for at most `rounds`.
    pub(crate) fn renew(&mut self, problem: &Problem, rounds: usize, stop: &Stop) {
        let mut master = RestrictedMaster::new(problem, self);
        let num_types = problem.num_query_types();
        let mut proposed = self.clone();
        let mut pricing = Pricing::new();
        let most = COLUMNS_PER_TYPE * num_types + 10;
        let mut stalled = 0;
        self.value_usd = f64::INFINITY;
        let is_solved = master.simplex.solve(f64::INFINITY, MAX_PIVOTS) == LinearStatus::Optimal;
        if is_solved && !self.columns.is_empty() {
            // It may be that nothing has to be added.
            master.read(&mut proposed);
            self.value_usd = master.value_usd();
        }
        for _ in 0..rounds {
            pricing.price(problem, self, most);
            if pricing.is_empty() {
                self.blend(&proposed, 0.0);
                pricing.price(problem, self, most);
            }
            pricing.for_each_fill(problem, self, |configuration, items| master.add(configuration, items));
            let is_done = pricing.is_empty() || stalled == 3;
            if master.simplex.work() > MAX_WORK || (is_done && !master.raise_shortage()) {
                break;
            }
            if master.simplex.solve_after_adding(MAX_PIVOTS, &|| stop.should_stop()) != LinearStatus::Optimal
                || stop.should_stop()
            {
                break;
            }
            master.read(&mut proposed);
            let value_usd = master.value_usd();
            stalled = if (value_usd / self.value_usd - 1.0).abs() < STALL { stalled + 1 } else { 0 };
            self.value_usd = value_usd;
            self.blend(&proposed, SMOOTHING);
        }
        master.read_mixture(&mut self.mixture, &mut self.columns);
    }
}

impl Market {
    /// Lets prices and value follow the rates: what serving one query is worth stays as it was.
    pub(crate) fn follow(&mut self, before: &[f64], now: &[f64]) {
        for (i, (&before, &now)) in before.iter().zip(now).enumerate() {
            let factor = growth(before, now);
            self.value_usd += (factor - 1.0) * self.routing.supply[i];
            self.routing.supply[i] *= factor;
            self.routing.error[i] *= factor;
            self.routing.latency[i] *= factor;
        }
    }

    /// The mixture in whole replicas, without what it asks for less than the share `least` of the replicas of that there have to be.
    pub(crate) fn rounded(&self, problem: &Problem, least: f64) -> Vec<Deployment> {
        let is_asked = |entry: &&(u32, f64)| entry.1 > least * f64::from(problem.min_replicas(entry.0 as usize));
        let asked = self.mixture.iter().filter(is_asked);
        asked.map(|&(configuration, z)| Deployment { configuration, replicas: z.round().max(1.0) as u32 }).collect()
    }

    /// Moves the prices to `proposed`, except for the share `weight` that stays.
    fn blend(&mut self, proposed: &Self, weight: f64) {
        let mix = |own: &mut f64, other: &f64| *own = weight * *own + (1.0 - weight) * other;
        let columns = |market: &mut Self, other: &Self| {
            let routing = &mut market.routing;
            routing.supply.iter_mut().zip(&other.routing.supply).for_each(|(own, other)| mix(own, other));
            routing.error.iter_mut().zip(&other.routing.error).for_each(|(own, other)| mix(own, other));
            routing.latency.iter_mut().zip(&other.routing.latency).for_each(|(own, other)| mix(own, other));
            market.limits.pool.iter_mut().zip(&other.limits.pool).for_each(|(own, other)| mix(own, other));
        };
        columns(self, proposed);
        mix(&mut self.limits.budget, &proposed.limits.budget);
        mix(&mut self.limits.storage, &proposed.limits.storage);
    }
}

/// The factor by which prices follow a rate.
fn growth(before: f64, now: f64) -> f64 {
    if before > 0.0 {
        now / before
    } else {
        1.0
    }
}

/// Prices that column generation begins with.
fn first_prices(problem: &Problem) -> RoutingPrices {
    if !problem.has_many_routes() {
        let none = vec![0.0; problem.num_query_types()];
        let supply = cheapest_usd(problem).into_iter().map(|usd| FIRST_SHORTAGE * usd).collect();
        return RoutingPrices { supply, error: none.clone(), latency: none };
    }
    let single = Prices::from_single_types(problem);
    let raised = |prices: Vec<f64>| prices.into_iter().map(|usd| FIRST_PRICE_OF_MANY * usd).collect();
    RoutingPrices { supply: raised(single.supply), error: raised(single.error), latency: raised(single.latency) }
}

/// Cost of serving all of each query type over its cheapest route with fractions of replicas, USD; 0 where it has none.
fn cheapest_usd(problem: &Problem) -> Vec<f64> {
    let table = problem.route_table();
    let mut cheapest = vec![f64::INFINITY; problem.num_query_types()];
    for a in 0..problem.num_configurations() {
        let replica_usd = problem.replica_usd(a);
        for route in table.of_configuration(a) {
            let least_usd = &mut cheapest[table.query_type[route] as usize];
            *least_usd = least_usd.min(replica_usd * table.load(route) + table.latency_usd[route]);
        }
    }
    cheapest.iter_mut().filter(|usd| usd.is_infinite()).for_each(|usd| *usd = 0.0);
    cheapest
}
