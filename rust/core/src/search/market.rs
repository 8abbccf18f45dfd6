//! Prices near those of the linear relaxation, and which configurations they favour.
//!
//! Column generation: a column is one replica (or a part of one) of a configuration with the traffic that fills it
//! best at the present prices; the master program mixes columns under supply, SLOs, budget, storage and pools. Columns
//! charge a whole replica for a query type that they serve wholly, which keeps `x ≤ w ≤ r`. One configuration per
//! (model, tier) is not asked for, and the run stops early: prices that steer need not be optimal.
//!
//! Source: Gilmore and Gomory, "A linear programming approach to the cutting stock problem", 1961; Desrosiers and
//! Lübbecke, "A primer in column generation", 2005.

use crate::linear::{DualSimplex, LinearStatus};
use crate::routing::LimitPrices;
use crate::{Deployment, LatencyScope, Problem, RoutingPrices, Stop, NO_POOL};

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
const SHORTAGE_RISE: f64 = 8.0;
const SHORTAGE_LEVELS: usize = 8;
/// Rounds between two looks at all configurations, and how many are looked at in between, in terms of the columns added.
const PARTIAL_ROUNDS: usize = 3;
const NEAR: usize = 5;
const MAX_PIVOTS: u64 = 5_000;
/// Elementary steps of the master program after which the run ends: about a second.
const MAX_WORK: u64 = 150_000_000;
/// Share of a fill's value that weights have to cost before it is spread over several replicas.
const LEAST_WEIGHTS_SHARE: f64 = 0.01;

/// Prices of the relaxation and the configurations by merit at these prices.
#[derive(Debug, Clone)]
pub struct Market {
    /// Prices of serving the query types.
    pub routing: RoutingPrices,
    /// Prices of the limits.
    pub limits: LimitPrices,
    /// (configuration, replicas) that the mixture asks for, not whole, by rising configuration.
    pub mixture: Vec<(u32, f64)>,
    /// Value of the relaxation at the end, USD; close to a lower bound, but not one.
    pub value_usd: f64,
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
    configuration: Vec<u32>,
    next_column: usize,
    level: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

/// One replica with the traffic that fills it.
#[derive(Debug, Default, Clone)]
struct Fill {
    merit_usd: f64,
    configuration: u32,
    /// The traffic is that of as many replicas as are best, an equal part of it on each: weights then cost each little.
    is_spread: bool,
}

impl Market {
    /// Column generation until it stalls or `stop` says so.
    pub fn of(problem: &Problem, stop: &Stop) -> Self {
        let num_types = problem.num_query_types();
        let supply = (0..num_types).map(|i| FIRST_SHORTAGE * cheapest_usd(problem, i)).collect();
        let mut market = Self {
            routing: RoutingPrices { supply, error: vec![0.0; num_types], latency: vec![0.0; num_types] },
            limits: LimitPrices::zero(problem),
            mixture: Vec::new(),
            value_usd: f64::INFINITY,
        };
        market.renew(problem, MAX_ROUNDS, stop);
        market
    }

    /// Column generation from the present prices, for at most `rounds`.
    pub fn renew(&mut self, problem: &Problem, rounds: usize, stop: &Stop) {
        let mut master = Master::new(problem);
        let num_types = problem.num_query_types();
        let mut proposed = self.clone();
        let mut pricing = Pricing { age: PARTIAL_ROUNDS, ..Pricing::default() };
        let most = COLUMNS_PER_TYPE * num_types + 10;
        let mut stalled = 0;
        self.value_usd = f64::INFINITY;
        master.simplex.solve(f64::INFINITY, MAX_PIVOTS);
        for _ in 0..rounds {
            pricing.price(problem, self, most);
            if pricing.fills.is_empty() {
                self.blend(&proposed, 0.0);
                pricing.price(problem, self, most);
            }
            let Pricing { fills, items, .. } = &mut pricing;
            for fill in fills.iter() {
                let a = fill.configuration as usize;
                match fill.is_spread {
                    true => spread_replicas(problem, self, a, items),
                    false => fill_replica(problem, &self.routing, a, items),
                };
                master.add(fill.configuration as usize, items);
            }
            let is_done = fills.is_empty() || stalled == 3;
            if master.simplex.work() > MAX_WORK || (is_done && !master.raise_shortage()) {
                break;
            }
            if master.simplex.solve_after_adding(MAX_PIVOTS, &|| stop.should_stop()) != LinearStatus::Optimal
                || stop.should_stop()
            {
                break;
            }
            master.read(&mut proposed);
            let value_usd = master.simplex.objective() * master.scale_usd + master.constant_usd();
            stalled = if (value_usd / self.value_usd - 1.0).abs() < STALL { stalled + 1 } else { 0 };
            self.value_usd = value_usd;
            self.blend(&proposed, SMOOTHING);
        }
        master.read_mixture(&mut self.mixture);
    }
}

impl Market {
    /// Lets prices and value follow the rates: what serving one query is worth stays as it was.
    pub fn follow(&mut self, before: &[f64], now: &[f64]) {
        for (i, (&before, &now)) in before.iter().zip(now).enumerate() {
            let factor = if before > 0.0 { now / before } else { 1.0 };
            self.value_usd += (factor - 1.0) * self.routing.supply[i];
            self.routing.supply[i] *= factor;
            self.routing.error[i] *= factor;
            self.routing.latency[i] *= factor;
        }
    }

    /// The mixture in whole replicas, without what it asks for less than `least` replicas of.
    pub fn rounded(&self, least: f64) -> Vec<Deployment> {
        let asked = self.mixture.iter().filter(|entry| entry.1 > least);
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

/// Keeps the `most` fills of largest merit, best first.
fn keep_best(fills: &mut Vec<Fill>, most: usize) {
    let by_merit = |left: &Fill, right: &Fill| {
        right.merit_usd.total_cmp(&left.merit_usd).then(left.configuration.cmp(&right.configuration))
    };
    if fills.len() > most {
        fills.select_nth_unstable_by(most - 1, by_merit);
        fills.truncate(most);
    }
    fills.sort_unstable_by(by_merit);
}

/// Cost of serving all of a type over its cheapest route with fractions of replicas, USD.
fn cheapest_usd(problem: &Problem, i: usize) -> f64 {
    let table = problem.route_table();
    let usd = |&route: &u32| {
        let (route, a) = (route as usize, table.configuration[route as usize] as usize);
        let load = table.load(route);
        problem.replica_usd(a) * load + table.latency_usd[route]
    };
    let cheapest = table.of_query_type(i).iter().map(usd).fold(f64::INFINITY, f64::min);
    if cheapest.is_finite() {
        cheapest
    } else {
        0.0
    }
}

/// Finds the configurations of which a replica is worth more than it costs. Most rounds look only at those that the last
/// look at all found nearest to it.
#[derive(Debug, Default)]
struct Pricing {
    near: Vec<u32>,
    /// Rounds since all were looked at.
    age: usize,
    bounds: Vec<(f64, u32)>,
    items: Vec<Item>,
    fills: Vec<Fill>,
}

impl Pricing {
    /// Lists the best fills at the market's prices, best first: at most `most`.
    fn price(&mut self, problem: &Problem, market: &Market, most: usize) {
        self.fills.clear();
        if self.age < PARTIAL_ROUNDS {
            self.age += 1;
            self.price_near(problem, market);
        }
        if self.fills.len() < most / 2 {
            self.price_all(problem, market, most);
        }
        keep_best(&mut self.fills, most);
    }

    fn price_all(&mut self, problem: &Problem, market: &Market, most: usize) {
        self.age = 0;
        self.fills.clear();
        self.bounds.clear();
        for a in 0..problem.num_configurations() {
            let bound_usd = merit_bound_usd(problem, market, a);
            if bound_usd > 1e-9 {
                self.bounds.push((bound_usd, a as u32));
            }
        }
        let near = NEAR * most;
        if self.bounds.len() > near {
            let by_bound =
                |left: &(f64, u32), right: &(f64, u32)| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1));
            self.bounds.select_nth_unstable_by(near, by_bound);
        }
        let (first, rest) = self.bounds.split_at(near.min(self.bounds.len()));
        self.near.clear();
        self.near.extend(first.iter().map(|entry| entry.1));
        self.near.sort_unstable();
        self.fills.extend(first.iter().filter_map(|entry| fill_of(problem, market, entry.1, &mut self.items)));
        if self.fills.is_empty() {
            self.fills.extend(rest.iter().filter_map(|entry| fill_of(problem, market, entry.1, &mut self.items)));
        }
    }

    fn price_near(&mut self, problem: &Problem, market: &Market) {
        for &a in &self.near {
            if merit_bound_usd(problem, market, a as usize) > 1e-9 {
                self.fills.extend(fill_of(problem, market, a, &mut self.items));
            }
        }
    }
}

/// At least what one replica of `a` is worth more than it costs at the market's prices, weights aside, USD.
fn merit_bound_usd(problem: &Problem, market: &Market, a: usize) -> f64 {
    if problem.replica_limit(a) == 0 {
        return 0.0;
    }
    let table = problem.route_table();
    let replica_usd = problem.replica_usd(a) + market.limits.replica_usd(problem, a);
    let (mut sliced, mut whole) = (0.0, 0.0);
    for route in table.of_configuration(a) {
        let profit = market.routing.profit(problem, route);
        sliced += (profit - table.load(route) * replica_usd).max(0.0);
        whole += profit.max(0.0);
    }
    f64::min(sliced, whole - replica_usd)
}

/// One replica of `a` with the traffic that is worth most, where that is more than it costs.
fn fill_of(problem: &Problem, market: &Market, a: u32, items: &mut Vec<Item>) -> Option<Fill> {
    let configuration = a;
    let a = a as usize;
    let replica_usd = problem.replica_usd(a) + market.limits.replica_usd(problem, a);
    let weights_usd = problem.weights_usd(a) + market.limits.weights_usd(problem, a);
    let merit_usd = |value_usd: f64, items: &[Item]| {
        let largest = items.iter().map(|item| item.fraction).fold(0.0, f64::max);
        value_usd - replica_usd - largest * weights_usd
    };
    let value_usd = fill_replica(problem, &market.routing, a, items);
    let mut fill = Fill { merit_usd: merit_usd(value_usd, items), configuration, is_spread: false };
    if value_usd - replica_usd - fill.merit_usd > LEAST_WEIGHTS_SHARE * value_usd {
        let value_usd = spread_replicas(problem, market, a, items);
        let spread_usd = merit_usd(value_usd, items);
        if spread_usd > fill.merit_usd {
            fill = Fill { merit_usd: spread_usd, is_spread: true, ..fill };
        }
    }
    (fill.merit_usd > 1e-7 * replica_usd).then_some(fill)
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    route: u32,
    pub(super) ratio: f64,
    pub(super) load: f64,
    pub(super) profit: f64,
    fraction: f64,
}

/// Lists the routes of `a` that pay, the most per replica first.
pub(super) fn list_items(problem: &Problem, prices: &RoutingPrices, a: usize, items: &mut Vec<Item>) {
    let table = problem.route_table();
    items.clear();
    for route in table.of_configuration(a) {
        let profit = prices.profit(problem, route);
        if profit > 0.0 {
            let load = table.load(route).max(1e-12);
            items.push(Item { route: route as u32, ratio: profit / load, load, profit, fraction: 0.0 });
        }
    }
    items.sort_unstable_by(|left, right| right.ratio.total_cmp(&left.ratio));
}

/// Fills one replica of `a` with the traffic that is worth most; the value of the fill, USD.
fn fill_replica(problem: &Problem, prices: &RoutingPrices, a: usize, items: &mut Vec<Item>) -> f64 {
    list_items(problem, prices, a, items);
    let mut left = 1.0;
    let mut value = 0.0;
    for item in items.iter_mut() {
        item.fraction = (left / item.load).min(1.0);
        left -= item.fraction * item.load;
        value += item.fraction * item.profit;
        if left <= 0.0 {
            break;
        }
    }
    value
}

/// Fills as many replicas of `a` as pay with the traffic that is worth most, and takes an equal part of it for one; the
/// value of that part, USD.
fn spread_replicas(problem: &Problem, market: &Market, a: usize, items: &mut Vec<Item>) -> f64 {
    list_items(problem, &market.routing, a, items);
    let replica_usd = problem.replica_usd(a) + market.limits.replica_usd(problem, a);
    let most = f64::from(problem.replica_limit(a));
    let (mut load, mut value) = (0.0, 0.0);
    for item in items.iter_mut().take_while(|item| item.ratio > replica_usd) {
        item.fraction = ((most - load) / item.load).clamp(0.0, 1.0);
        load += item.fraction * item.load;
        value += item.fraction * item.profit;
    }
    let part = 1.0 / load.max(1.0);
    items.iter_mut().for_each(|item| item.fraction *= part);
    part * value
}

impl<'a> Master<'a> {
    fn new(problem: &'a Problem) -> Self {
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
        let scale_usd = (0..num_types).map(|i| cheapest_usd(problem, i)).sum::<f64>().max(1e-9);
        let mut master = Self {
            problem,
            simplex: DualSimplex::new(rows, first_column + capacity, 3 * num_types + 4),
            scale_usd,
            latency_row,
            budget_row,
            storage_row,
            first_pool_row,
            first_column,
            configuration: vec![u32::MAX; capacity],
            next_column: 0,
            level: vec![0; num_types],
            entries: Vec::new(),
        };
        master.set_rows(rows);
        master.set_unserved_columns();
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

    fn set_unserved_columns(&mut self) {
        let problem = self.problem;
        let num_types = problem.num_query_types();
        for i in 0..num_types {
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
            let mut shortage_usd = FIRST_SHORTAGE * cheapest_usd(problem, i) + 1e-6 * self.scale_usd;
            for level in 0..SHORTAGE_LEVELS {
                let upper = if level == 0 { 1.0 } else { 0.0 };
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

    fn constant_usd(&self) -> f64 {
        (0..self.problem.num_query_types()).map(|i| self.problem.data_usd(i)).sum()
    }

    /// Adds a replica of `a` with the traffic of `items`, in the place of an old column where there is no other.
    fn add(&mut self, a: usize, items: &[Item]) {
        let capacity = self.configuration.len();
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
        self.configuration[slot] = a as u32;
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
            market.limits.pool[pool] = price(self.first_pool_row + pool) / gpus;
        }
    }

    fn read_mixture(&self, mixture: &mut Vec<(u32, f64)>) {
        mixture.clear();
        for (slot, &configuration) in self.configuration.iter().enumerate() {
            let replicas = if configuration == u32::MAX { 0.0 } else { self.simplex.value(self.first_column + slot) };
            if replicas > 1e-9 {
                mixture.push((configuration, replicas));
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
