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

use super::pricing::{most_fraction, Item, Pricing};
use crate::bound::Prices;
use crate::linear::{DualSimplex, LinearStatus};
use crate::routing::LimitPrices;
use crate::routing::RoutingPrices;
use crate::{Deployment, LatencyScope, Problem, Stop, NO_POOL};

/// Rounds of column generation; each adds many columns.
const MAX_ROUNDS: usize = 200;
/// Columns added per round and query type.
const COLUMNS_PER_TYPE: usize = 2;
/// A round that improves the master program by less than this, relatively, counts as stalled.
const STALL: f64 = 2e-4;
/// Share of the old prices that a round keeps, against swings.
const SMOOTHING: f64 = 0.5;
/// First price of shortage, and how it rises while there is some; all in terms of the cheapest cost of a type.
const FIRST_SHORTAGE: f64 = 2.0;
/// First price of serving and of shortage where routes are many, in terms of those of each query type served on its own.
const FIRST_PRICE_OF_MANY: f64 = 1.05;
const FIRST_SHORTAGE_OF_MANY: f64 = 1.1;
const SHORTAGE_RISE: f64 = 8.0;
const SHORTAGE_LEVELS: usize = 8;
/// A run that goes on from another begins with a price of shortage of at least this, in terms of what serving was worth.
const SHORTAGE_AGAIN: f64 = 2.0;
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

struct Master<'a> {
    problem: &'a Problem,
    simplex: DualSimplex,
    scale_usd: f64,
    latency_row: Option<usize>,
    budget_row: Option<usize>,
    storage_row: Option<usize>,
    first_pool_row: usize,
    first_column: usize,
    columns: Vec<Column>,
    next_column: usize,
    level: Vec<usize>,
    entries: Vec<(usize, f64)>,
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
        let mut master = Master::new(problem, self);
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

impl<'a> Master<'a> {
    fn new(problem: &'a Problem, market: &Market) -> Self {
        let num_types = problem.num_query_types();
        let mut rows = 2 * num_types;
        let mut take = |needed: bool, count: usize| {
            let first = rows;
            rows += if needed { count } else { 0 };
            needed.then_some(first)
        };
        let latency_row = take(problem.latency_scope == LatencyScope::Average, num_types);
        let budget_row = take(problem.budget_usd.is_finite(), 1);
        let storage_row = take(problem.storage_gb.is_finite(), 1);
        let first_pool_row = rows;
        rows += problem.num_pools();
        let first_column = (1 + SHORTAGE_LEVELS) * num_types;
        let capacity = 16 * num_types + 120;
        let (cheapest_usd, first_shortage) = match problem.has_many_routes() {
            true => (Prices::from_single_types(problem).supply, FIRST_SHORTAGE_OF_MANY),
            false => (cheapest_usd(problem), FIRST_SHORTAGE),
        };
        let scale_usd = cheapest_usd.iter().sum::<f64>().max(1e-9);
        let mut master = Self {
            problem,
            simplex: DualSimplex::new(rows, first_column + capacity, 3 * num_types + 4),
            scale_usd,
            latency_row,
            budget_row,
            storage_row,
            first_pool_row,
            first_column,
            columns: vec![Column { configuration: u32::MAX, loads: Vec::new() }; capacity],
            next_column: 0,
            level: vec![0; num_types],
            entries: Vec::new(),
        };
        master.set_rows(rows);
        master.set_unserved_columns(market, &cheapest_usd, first_shortage);
        master.add_again(&market.columns);
        master
    }

    fn set_rows(&mut self, rows: usize) {
        let problem = self.problem;
        let num_types = problem.num_query_types();
        for row in num_types..rows {
            self.simplex.set_inequality(row, true);
        }
        for i in 0..num_types {
            self.simplex.set_rhs(i, 1.0);
        }
        if let Some(row) = self.budget_row {
            let data_usd: f64 = (0..num_types).map(|i| problem.data_usd(i)).sum();
            self.simplex.set_rhs(row, 1.0 - data_usd / problem.budget_usd.max(1e-9));
        }
        if let Some(row) = self.storage_row {
            let data_gb: f64 = problem.query_types.data_gb.iter().sum();
            self.simplex.set_rhs(row, 1.0 - data_gb / problem.storage_gb);
        }
        for pool in 0..problem.num_pools() {
            self.simplex.set_rhs(self.first_pool_row + pool, 1.0);
        }
    }

    fn set_unserved_columns(&mut self, market: &Market, cheapest_usd: &[f64], first_shortage: f64) {
        let problem = self.problem;
        let num_types = problem.num_query_types();
        for (i, &cheapest_usd) in cheapest_usd.iter().enumerate() {
            self.entries.clear();
            self.entries.push((i, 1.0));
            if let Some(row) = self.budget_row {
                self.entries.push((row, -problem.data_usd(i) / problem.budget_usd.max(1e-9)));
            }
            if let Some(row) = self.storage_row {
                self.entries.push((row, -problem.query_types.data_gb[i] / problem.storage_gb));
            }
            let unmet_usd = problem.unmet_usd(i) - problem.data_usd(i);
            let max_unmet = problem.query_types.max_unmet[i];
            self.simplex.set_column(i, unmet_usd / self.scale_usd, max_unmet, &self.entries);
            let mut shortage_usd = first_shortage * cheapest_usd + 1e-6 * self.scale_usd;
            let least_usd = if market.columns.is_empty() { 0.0 } else { SHORTAGE_AGAIN * market.routing.supply[i] };
            for level in 0..SHORTAGE_LEVELS {
                if shortage_usd < least_usd && self.level[i] + 1 < SHORTAGE_LEVELS {
                    self.level[i] += 1;
                }
                let upper = if level == self.level[i] { 1.0 } else { 0.0 };
                let column = num_types * (1 + level) + i;
                self.simplex.set_column(column, shortage_usd / self.scale_usd, upper, &self.entries);
                shortage_usd *= SHORTAGE_RISE;
            }
        }
    }

    /// Makes shortage dearer for the types that have some; false where none has, or it cannot be made dearer.
    fn raise_shortage(&mut self) -> bool {
        let num_types = self.problem.num_query_types();
        let mut raised = false;
        for i in 0..num_types {
            let column = num_types * (1 + self.level[i]) + i;
            if self.simplex.value(column) > 1e-9 && self.level[i] + 1 < SHORTAGE_LEVELS {
                self.simplex.set_upper(column, 0.0);
                self.simplex.set_upper(column + num_types, 1.0);
                self.level[i] += 1;
                raised = true;
            }
        }
        raised
    }

    fn value_usd(&self) -> f64 {
        let data_usd: f64 = (0..self.problem.num_query_types()).map(|i| self.problem.data_usd(i)).sum();
        self.simplex.objective() * self.scale_usd + data_usd
    }

    /// Adds columns of an earlier run, with as much traffic as fills them now.
    fn add_again(&mut self, columns: &[Column]) {
        let table = self.problem.route_table();
        let mut items = Vec::new();
        for column in columns.iter().filter(|column| self.problem.replica_limit(column.configuration as usize) > 0) {
            let most_fraction = most_fraction(self.problem, column.configuration as usize);
            items.clear();
            items.extend(column.loads.iter().map(|&(route, part)| {
                let load = table.load(route as usize).max(1e-12);
                Item { route, ratio: 0.0, load, profit: 0.0, fraction: (part / load).min(most_fraction) }
            }));
            self.add(column.configuration as usize, &items);
        }
    }

    /// Adds a replica of `a` with the traffic of `items`, in the place of an old column where there is no other.
    fn add(&mut self, a: usize, items: &[Item]) {
        let capacity = self.columns.len();
        let free = (0..capacity)
            .map(|offset| (self.next_column + offset) % capacity)
            .find(|&slot| !self.simplex.is_basic(self.first_column + slot));
        let Some(slot) = free else { return };
        self.next_column = (slot + 1) % capacity;
        let problem = self.problem;
        let table = problem.route_table();
        let num_types = problem.num_query_types();
        let largest = items.iter().map(|item| item.fraction).fold(0.0, f64::max);
        let mut cost_usd = problem.replica_usd(a) + largest * problem.weights_usd(a);
        self.entries.clear();
        if let Some(row) = self.budget_row {
            self.entries.push((row, cost_usd / problem.budget_usd.max(1e-9)));
        }
        if let Some(row) = self.storage_row {
            self.entries.push((row, largest * problem.configurations.weights_gb[a] / problem.storage_gb));
        }
        if problem.pool(a) != NO_POOL {
            let pool = problem.pool(a) as usize;
            let gpus = problem.pools.max_gpus[pool];
            self.entries.push((self.first_pool_row + pool, problem.gpus_per_replica(a) / gpus));
        }
        for item in items.iter().filter(|item| item.fraction > 0.0) {
            let route = item.route as usize;
            let i = table.query_type[route] as usize;
            cost_usd += item.fraction * table.latency_usd[route];
            self.entries.push((i, item.fraction));
            self.entries.push((num_types + i, item.fraction * table.error_excess[route]));
            if let Some(row) = self.latency_row {
                self.entries.push((row + i, item.fraction * table.latency_excess[route]));
            }
        }
        let upper = f64::from(problem.replica_limit(a));
        self.simplex.set_column(self.first_column + slot, cost_usd / self.scale_usd, upper, &self.entries);
        let column = &mut self.columns[slot];
        column.configuration = a as u32;
        column.loads.clear();
        let taken = items.iter().filter(|item| item.fraction > 0.0);
        column.loads.extend(taken.map(|item| (item.route, item.fraction * item.load)));
    }

    fn read(&self, market: &mut Market) {
        let problem = self.problem;
        let num_types = problem.num_query_types();
        let price = |row: usize| (-self.simplex.dual(row) * self.scale_usd).max(0.0);
        for i in 0..num_types {
            market.routing.supply[i] = self.simplex.dual(i) * self.scale_usd;
            market.routing.error[i] = price(num_types + i);
            market.routing.latency[i] = self.latency_row.map_or(0.0, |row| price(row + i));
        }
        market.limits.budget = self.budget_row.map_or(0.0, |row| price(row) / problem.budget_usd.max(1e-9));
        market.limits.storage = self.storage_row.map_or(0.0, |row| price(row) / problem.storage_gb);
        for (pool, &gpus) in problem.pools.max_gpus.iter().enumerate() {
            // A lost pool has no price: nothing can be put into it.
            market.limits.pool[pool] = if gpus > 0.0 { price(self.first_pool_row + pool) / gpus } else { 0.0 };
        }
    }

    fn read_mixture(&self, mixture: &mut Vec<(u32, f64)>, columns: &mut Vec<Column>) {
        mixture.clear();
        columns.clear();
        for (slot, column) in self.columns.iter().enumerate() {
            let is_used = column.configuration != u32::MAX;
            let replicas = if is_used { self.simplex.value(self.first_column + slot) } else { 0.0 };
            if replicas > 1e-9 {
                mixture.push((column.configuration, replicas));
                columns.push(column.clone());
            }
        }
        mixture.sort_unstable_by_key(|entry| entry.0);
        mixture.dedup_by(|later, first| {
            let same = later.0 == first.0;
            first.1 += if same { later.1 } else { 0.0 };
            same
        });
    }
}
